-- 51 ------------------------------------------------------------------------ imports: staged, applied in chunks, judged
--
-- A file becomes import_rows (staging), then orders, products or parcels (applying), then exceptions (checking). Every
-- step takes a chunk, is safe to repeat, and continues where it stopped. Each statement below works on a whole chunk.

create table if not exists private.import_rows (
    import_id bigint not null references public.imports,
    row_no integer not null,
    chunk_no integer not null,
    key text not null,
    payload jsonb not null,
    primary key (import_id, row_no),
    constraint import_rows_key_unique unique (import_id, key)
);
alter table private.import_rows enable row level security;
comment on table private.import_rows is 'Staged records (personal values already encrypted) until the import ends; then they are dropped.';
comment on column private.import_rows.key is 'Order number, SKU or parcel: one staged row each, however often a client sends it.';

create table if not exists private.import_verdicts (
    import_id bigint not null references public.imports,
    row_no integer not null,
    facts_hash text not null,
    findings jsonb not null,
    version text not null,
    primary key (import_id, row_no)
);
alter table private.import_verdicts enable row level security;
comment on table private.import_verdicts is 'What the Python checks found in a staged row; only the service key writes it.';

create table if not exists private.import_results (
    import_id bigint not null references public.imports,
    row_no integer not null,
    entity_id bigint not null,
    outcome text not null constraint import_results_outcome_known check (outcome in ('accepted', 'updated', 'unchanged')),
    primary key (import_id, row_no)
);
alter table private.import_results enable row level security;
comment on table private.import_results is 'Which order or product a staged row became, and whether that was new, changed or nothing.';

-- Who, where, in which state -------------------------------------------------------------------------------------------

create or replace function private.import_roles(p_kind text) returns text[]
language sql immutable set search_path = '' as $$
    select case when p_kind = 'orders' then array['operations', 'manager', 'admin']
        else array['operations', 'manager', 'admin', 'warehouse'] end
$$;
comment on function private.import_roles(text) is 'Orders: operations, manager, admin; products and parcels the warehouse too.';

create or replace function private.import_place(p_me private.actor, p_kind text, p_shop_id bigint, out shop_id bigint, out pool_id bigint)
language plpgsql volatile set search_path = '' as $$
begin
    if p_kind is null or p_kind not in ('orders', 'products', 'shipments') then
        perform private.fail('PT422', 'import.kind_unknown');
    end if;
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
        select s.stock_pool_id into pool_id from public.shops s where s.id = p_shop_id;
    elsif p_kind = 'orders' then
        perform private.fail('PT422', 'import.shop_missing');
    else
        insert into public.stock_pools (name, is_default) select '默认库存', true
        where not exists (select from public.stock_pools where is_default) on conflict do nothing;
        select p.id into pool_id from public.stock_pools p where p.is_default;
    end if;
    shop_id := case when p_kind = 'products' then null else p_shop_id end;
end;
$$;
comment on function private.import_place(private.actor, text, bigint) is
    'Where a file belongs: orders to a shop, products to a stock pool, parcels to either (no shop: all shops of the pool).';

create or replace function private.import_of(p_me private.actor, p_id bigint, p_states text[]) returns public.imports
language plpgsql volatile set search_path = '' as $$
declare
    v_import public.imports;
begin
    select * into v_import from public.imports where id = p_id for update;
    if not found or ((p_me).role <> 'system' and v_import.member_id is distinct from (p_me).member_id) then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.state <> all (p_states) then
        perform private.fail('PT409', 'import.state', jsonb_build_object('state', v_import.state, 'file', v_import.file_name));
    end if;
    update public.imports set touched_at = private.now() where id = p_id;
    return v_import;
end;
$$;
comment on function private.import_of(private.actor, bigint, text[]) is
    'Locks an import of the actor (any for the service) in one of the states and marks it as alive. import.none, import.state.';

create or replace function private.import_report(p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', i.id, 'kind', i.kind, 'shop_id', i.shop_id, 'state', i.state, 'rows', i.rows_total,
        'staged', i.rows_staged, 'applied', i.rows_applied, 'accepted', i.accepted, 'updated', i.updated,
        'unchanged', i.unchanged, 'rejected', i.rejected, 'exceptions', coalesce(i.exceptions, '{}'))
    from public.imports i where i.id = p_id
$$;

create or replace function private.end_import(p_import public.imports, p_state text, p_me private.actor) returns void
language plpgsql set search_path = '' as $$
begin
    if p_state = 'cancelled' then
        update public.orders o set checked_facts_hash = null from private.import_results r
        where r.import_id = p_import.id and r.outcome <> 'unchanged' and o.id = r.entity_id and p_import.kind = 'orders';
        if found then
            perform private.enqueue('evaluate_shop', jsonb_build_object('shop_id', p_import.shop_id),
                'evaluate:' || p_import.shop_id, private.now());
            perform private.queue_recheck(p_import.shop_id, private.now());
        end if;
    end if;
    update public.imports set state = p_state, finished_at = private.now(), touched_at = private.now() where id = p_import.id;
    delete from private.import_rows where import_id = p_import.id;
    delete from private.import_verdicts where import_id = p_import.id;
    delete from private.import_results where import_id = p_import.id;
    perform private.audit(p_me, p_import.shop_id, 'import', p_import.id, p_state, private.import_report(p_import.id) - 'id');
end;
$$;
comment on function private.end_import(public.imports, text, private.actor) is
    'Last step of every import: staged rows are dropped. What a cancelled one had applied but not judged becomes unchecked.';

-- Beginning: one at a time, and never stuck on a browser that was closed ---------------------------------------------------

create or replace function private.clear_running(
    p_me private.actor, p_shop_id bigint, p_pool_id bigint, p_kind text, p_file_hash text, p_is_strict boolean
) returns public.imports
language plpgsql set search_path = '' as $$
declare
    v_running public.imports;
    v_abandoned boolean;
begin
    select * into v_running from public.imports i
    where i.state in ('staging', 'applying', 'checking')
      and (i.shop_id = p_shop_id or (p_shop_id is null and i.shop_id is null and i.stock_pool_id = p_pool_id))
    for update;
    if not found then
        return null;
    end if;
    v_abandoned := v_running.touched_at < private.now() - interval '2 minutes';
    if v_running.file_hash = p_file_hash and v_running.kind = p_kind and v_running.is_strict = p_is_strict
        and (v_abandoned or v_running.member_id is not distinct from (p_me).member_id) then
        update public.imports set touched_at = private.now(), member_id = (p_me).member_id where id = v_running.id;
        return v_running;
    end if;
    if not v_abandoned then
        perform private.fail('PT409', 'import.busy', jsonb_build_object('file', v_running.file_name, 'at', v_running.started_at,
            'who', coalesce((select m.display_name from public.members m where m.id = v_running.member_id), v_running.actor)));
    end if;
    perform private.end_import(v_running, 'cancelled', p_me);
    return null;
end;
$$;
comment on function private.clear_running(private.actor, bigint, bigint, text, text, boolean) is
    'The unfinished import to go on with (same file, same person or abandoned for 2 minutes); cancels another abandoned one; import.busy.';

create or replace function private.import_progress(p_import_id bigint, p_resumed boolean) returns jsonb
language sql stable set search_path = '' as $$
    select private.import_report(p_import_id) || jsonb_build_object('resumed', p_resumed, 'chunks', coalesce(
        (select jsonb_agg(distinct r.chunk_no) from private.import_rows r where r.import_id = p_import_id), '[]'))
$$;

create or replace function public.import_begin(
    p_kind text, p_shop_id bigint, p_platform text, p_file_name text, p_file_hash text, p_is_strict boolean,
    p_rows_total integer, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_answer jsonb := private.begin_request(p_request_id, 'import_begin',
        jsonb_build_array(p_kind, p_shop_id, p_platform, p_file_name, p_file_hash, p_is_strict, p_rows_total));
    v_place record := private.import_place(v_me, p_kind, p_shop_id);
    v_running public.imports;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_running := private.clear_running(v_me, v_place.shop_id, v_place.pool_id, p_kind, p_file_hash, coalesce(p_is_strict, false));
    if v_running.id is not null then
        return private.finish_request(p_request_id, private.import_progress(v_running.id, true));
    end if;
    insert into public.imports (kind, shop_id, stock_pool_id, platform, file_name, file_hash, is_strict, rows_total,
        member_id, actor, started_at, touched_at)
    values (p_kind, v_place.shop_id, v_place.pool_id, p_platform, left(coalesce(p_file_name, ''), 200), coalesce(p_file_hash, ''),
        coalesce(p_is_strict, false), coalesce(p_rows_total, 0), v_me.member_id, v_me.role, private.now(), private.now())
    returning id into v_id;
    perform private.enqueue('finish_import', jsonb_build_object('import_id', v_id), 'finish_import:' || v_id,
        private.now() + interval '5 minutes');
    perform private.audit(v_me, v_place.shop_id, 'import', v_id, 'begun',
        jsonb_build_object('kind', p_kind, 'file', p_file_name, 'rows', p_rows_total));
    return private.finish_request(p_request_id, private.import_progress(v_id, false));
exception when unique_violation then
    perform private.fail('PT409', 'import.busy', jsonb_build_object('file', p_file_name));
end;
$$;
grant execute on function public.import_begin(text, bigint, text, text, text, boolean, integer, uuid) to authenticated, service_role;
comment on function public.import_begin(text, bigint, text, text, text, boolean, integer, uuid) is
    'Opens the import of one file, or goes on with it: answers the chunks already staged. import.busy, import.kind_unknown, import.shop_missing, shop.none.';

-- Staging ---------------------------------------------------------------------------------------------------------------

create or replace function private.check_staged(p_kind text, p_rows jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if jsonb_typeof(p_rows) is distinct from 'array' or jsonb_array_length(p_rows) not between 1 and 5000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 5000}');
    end if;
    if exists (select from jsonb_array_elements(p_rows) r where private.staged_key(p_kind, r) is null or (r ->> 'row') is null) then
        perform private.fail('PT422', 'import.bad_row');
    end if;
    if exists (select from jsonb_array_elements(p_rows) r cross join lateral (select r -> 'contact') n (c),
            unnest(array[c ->> 'name', c ->> 'phone', c ->> 'address', c ->> 'note']) f
            where f is not null and not private.is_cipher(f))
        or exists (select from jsonb_array_elements(p_rows) r
            where not private.is_masked(r #>> '{contact,name_masked}', r #>> '{contact,phone_masked}'))
        or exists (select from (select distinct unnest(array[r ->> 'province', r ->> 'city', r ->> 'district']) as name
            from jsonb_array_elements(p_rows) r) n where not private.is_region(n.name)) then
        perform private.fail('PT422', 'import.clear_text');
    end if;
end;
$$;
comment on function private.check_staged(text, jsonb) is 'bulk.too_many, import.bad_row, import.clear_text: personal values must come encrypted.';

create or replace function private.staged_key(p_kind text, p_row jsonb) returns text
language sql immutable set search_path = '' as $$
    select nullif(case p_kind when 'orders' then p_row ->> 'order_no' when 'products' then p_row ->> 'sku'
        else coalesce(p_row ->> 'order_no', '') || '|' || (p_row ->> 'tracking_no') end, '')
$$;

create or replace function public.import_stage(p_import_id bigint, p_chunk_no integer, p_rows jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_rows jsonb := private.as_json(p_rows);
    v_new integer;
begin
    perform private.check_staged(v_import.kind, v_rows);
    insert into private.import_rows (import_id, row_no, chunk_no, key, payload)
    select p_import_id, (r ->> 'row')::integer, p_chunk_no, private.staged_key(v_import.kind, r), r
    from jsonb_array_elements(v_rows) r
    on conflict do nothing;
    get diagnostics v_new = row_count;
    update public.imports set rows_staged = rows_staged + v_new where id = p_import_id;
    return jsonb_build_object('staged', v_import.rows_staged + v_new);
exception when not_null_violation or data_exception then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_stage(bigint, integer, jsonb) to authenticated, service_role;
comment on function public.import_stage(bigint, integer, jsonb) is
    'Adds up to 5,000 records to an import; the same row twice counts once. import.none, import.state, import.bad_row, import.clear_text.';

create or replace function public.import_known(p_import_id bigint, p_items jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
begin
    return (select coalesce(jsonb_agg(o.order_no), '[]')
        from jsonb_array_elements(private.as_json(p_items)) i
        join public.orders o on o.shop_id = v_import.shop_id and o.order_no = i ->> 0 and o.content_hash = i ->> 1
            and (o.status <> 'to_ship' or (o.is_checked and o.checked_version = (select private.current_check_version()))));
end;
$$;
grant execute on function public.import_known(bigint, jsonb) to authenticated, service_role;
comment on function public.import_known(bigint, jsonb) is
    'Which of [[order_no, content_hash]] the shop of this import already has exactly so, with a current verdict; they are staged without contact. import.none, import.state.';

create or replace function public.import_reject(p_import_id bigint, p_errors jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_errors jsonb := private.as_json(p_errors);
begin
    insert into public.import_errors (import_id, row_no, column_name, reason, params)
    select p_import_id, (e ->> 'row')::integer, e ->> 'column', e ->> 'reason', coalesce(e -> 'params', '{}')
    from jsonb_array_elements(v_errors) e
    where not exists (select from public.import_errors x where x.import_id = p_import_id and x.row_no = (e ->> 'row')::integer
        and x.reason = e ->> 'reason' and x.column_name is not distinct from e ->> 'column');
    update public.imports set rejected =
        (select count(distinct x.row_no) from public.import_errors x where x.import_id = p_import_id)
    where id = p_import_id;
    return private.import_report(v_import.id);
exception when not_null_violation or data_exception then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_reject(bigint, jsonb) to authenticated, service_role;
comment on function public.import_reject(bigint, jsonb) is
    'Notes refused lines [{row, column, reason, params}], each once; reasons are keys and never hold a personal value.';

create or replace function public.service_import_verdicts(p_import_id bigint, p_verdicts jsonb, p_rules_version text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_count integer;
begin
    insert into private.import_verdicts (import_id, row_no, facts_hash, findings, version)
    select v_import.id, (v ->> 'row')::integer, v ->> 'facts_hash', coalesce(v -> 'findings', '[]'), p_rules_version
    from jsonb_array_elements(private.as_json(p_verdicts)) v
    on conflict (import_id, row_no) do update
    set facts_hash = excluded.facts_hash, findings = excluded.findings, version = excluded.version;
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.service_import_verdicts(bigint, jsonb, text) to service_role;
comment on function public.service_import_verdicts(bigint, jsonb, text) is
    'Service: what the Python checks found in rows [{row, facts_hash, findings}]; sent before the rows are staged, so that a staged chunk is a judged chunk.';

create or replace function private.unknown_parcels(p_import_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('unknown', coalesce(jsonb_agg(jsonb_build_object('row', e.row_no, 'params', e.params) order by e.row_no), '[]'))
    from public.import_errors e where e.import_id = p_import_id and e.reason = 'import.parcel_unknown'
$$;

create or replace function public.import_ready(p_import_id bigint, p_records integer, p_as_of timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging', 'applying', 'checking']);
begin
    if v_import.state <> 'staging' then
        return private.import_report(p_import_id) || private.unknown_parcels(p_import_id);
    end if;
    if v_import.rows_staged <> coalesce(p_records, -1) then
        perform private.fail('PT409', 'import.incomplete', jsonb_build_object('staged', v_import.rows_staged, 'records', p_records));
    end if;
    if v_import.kind = 'shipments' then
        perform private.reject_unknown_parcels(v_import, v_me);
    end if;
    select * into v_import from public.imports where id = p_import_id;
    if v_import.is_strict and v_import.rejected > 0 then
        perform private.end_import(v_import, 'refused', v_me);
    else
        update public.imports set state = 'applying', as_of = p_as_of where id = p_import_id;
        perform private.refresh_statistics(v_import, 'staged');
    end if;
    return private.import_report(p_import_id) || private.unknown_parcels(p_import_id);
end;
$$;
grant execute on function public.import_ready(bigint, integer, timestamptz) to authenticated, service_role;
comment on function public.import_ready(bigint, integer, timestamptz) is
    'All p_records rows are staged: state applying, or refused when strict and a line was rejected. p_as_of = newest time in the file. Parcels without an order come back as unknown [{row, params}]. import.incomplete.';

-- Applying orders -----------------------------------------------------------------------------------------------------------

create or replace function private.staged_orders(p_import_id bigint, p_after integer, p_to integer) returns table (
    row_no integer, entity_id bigint, outcome text, order_no text, platform_status text, status text, refund text,
    placed_at timestamptz, paid_at timestamptz, shipped_at timestamptz, completed_at timestamptz, promise_ship_at timestamptz,
    amount numeric, buyer_account text, province text, city text, district text, ip_hash text, ip_masked text, carrier text,
    tracking_no text, facts_hash text, content_hash text, contact jsonb, items jsonb, findings jsonb, checked_version text
)
language sql stable rows 2000 set search_path = '' as $$
    select r.row_no, e.entity_id, e.outcome, p.order_no, p.platform_status, p.status, p.refund, p.placed_at, p.paid_at,
        p.shipped_at, p.completed_at, p.promise_ship_at, p.amount, p.buyer_account, p.province, p.city, p.district,
        p.ip_hash, p.ip_masked, p.carrier, p.tracking_no, p.facts_hash, p.content_hash, p.contact, p.items, v.findings, v.version
    from private.import_rows r
    join private.import_results e on e.import_id = r.import_id and e.row_no = r.row_no and e.outcome <> 'unchanged'
    left join private.import_verdicts v on v.import_id = r.import_id and v.row_no = r.row_no
        and v.facts_hash = r.payload ->> 'facts_hash'
    cross join lateral jsonb_to_record(r.payload) as p(order_no text, platform_status text, status text, refund text,
        placed_at timestamptz, paid_at timestamptz, shipped_at timestamptz, completed_at timestamptz,
        promise_ship_at timestamptz, amount numeric, buyer_account text, province text, city text, district text,
        ip_hash text, ip_masked text, carrier text, tracking_no text, facts_hash text, content_hash text, contact jsonb, items jsonb)
    where r.import_id = p_import_id and r.row_no > p_after and r.row_no <= p_to
$$;
comment on function private.staged_orders(bigint, integer, integer) is 'The rows of a chunk that change something, typed, with the verdict that belongs to their facts.';

create or replace function private.is_older(
    p_status text, p_refund text, p_as_of timestamptz, p_had_status text, p_had_refund text, p_had_as_of timestamptz
) returns boolean
language sql immutable set search_path = '' as $$
    select case array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_status)
            - array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_had_status)
        when 0 then array_position(array['none', 'requested', 'done'], p_refund)
            < array_position(array['none', 'requested', 'done'], p_had_refund) and coalesce(p_as_of < p_had_as_of, false)
        else array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_status)
            < array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_had_status) end
$$;
comment on function private.is_older(text, text, timestamptz, text, text, timestamptz) is
    'Whether a row tells an earlier state than the one we have: an order never goes back (unpaid, to_ship, shipped, completed, closed); at the same status a refund is only withdrawn by a file that is not older.';

create or replace function private.judge_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select p_import.id, r.row_no, coalesce(o.id, nextval('public.orders_id_seq')),
        case when o.id is null then 'accepted'
            when o.content_hash = r.payload ->> 'content_hash' then 'unchanged'
            when private.is_older(r.payload ->> 'status', r.payload ->> 'refund', p_import.as_of, o.status, o.refund, f.as_of)
                then 'unchanged'
            else 'updated' end
    from private.import_rows r
    left join public.orders o on o.shop_id = p_import.shop_id and o.order_no = r.payload ->> 'order_no'
    left join public.imports f on f.id = o.import_id
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
$$;

create or replace function private.keeps_contact(p_order public.orders, p_facts_hash text, p_contact_state text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce((p_order).platform_facts_hash = p_facts_hash, false)
        or ((p_order).contact_state = 'ok' and p_contact_state <> 'ok')
$$;
comment on function private.keeps_contact(public.orders, text, text) is
    'A person''s correction of what the file still says stays, and so does a full contact when a later file is masked.';

create or replace function private.insert_contacts(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into private.contacts (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher, name_hash, phone_hash, phone_last4_hash)
    select (s.contact ->> 'id')::bigint, 'order', s.contact ->> 'name', s.contact ->> 'phone', s.contact ->> 'address',
        s.contact ->> 'note', s.contact ->> 'name_hash', s.contact ->> 'phone_hash', s.contact ->> 'phone_last4_hash'
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    left join public.orders o on s.outcome = 'updated' and o.id = s.entity_id
    where s.contact ->> 'id' is not null
      and (o.id is null or not private.keeps_contact(o, s.facts_hash, s.contact ->> 'state'))
$$;

create or replace function private.insert_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into public.orders (id, shop_id, order_no, platform_status, status, refund, placed_at, paid_at, shipped_at,
        completed_at, promise_ship_at, amount, buyer_account, contact_id, contact_state, receiver_masked, phone_masked,
        province, city, district, ip_hash, ip_masked, carrier, tracking_no, facts_hash, content_hash, findings,
        checked_facts_hash, checked_version, import_id)
    overriding system value
    select s.entity_id, p_import.shop_id, s.order_no, s.platform_status, s.status, coalesce(s.refund, 'none'), s.placed_at,
        s.paid_at, s.shipped_at, s.completed_at, s.promise_ship_at, s.amount, s.buyer_account, (s.contact ->> 'id')::bigint,
        coalesce(s.contact ->> 'state', 'absent'), s.contact ->> 'name_masked', s.contact ->> 'phone_masked', s.province,
        s.city, s.district, s.ip_hash, s.ip_masked, s.carrier, s.tracking_no, s.facts_hash, s.content_hash, s.findings,
        case when s.checked_version is not null then s.facts_hash end, s.checked_version, p_import.id
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s where s.outcome = 'accepted'
$$;

create or replace function private.update_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    update public.orders o set
        platform_status = s.platform_status, status = s.status, refund = coalesce(s.refund, 'none'),
        placed_at = coalesce(s.placed_at, o.placed_at), paid_at = coalesce(s.paid_at, o.paid_at),
        shipped_at = coalesce(s.shipped_at, o.shipped_at), completed_at = coalesce(s.completed_at, o.completed_at),
        promise_ship_at = coalesce(s.promise_ship_at, o.promise_ship_at), amount = s.amount,
        buyer_account = coalesce(s.buyer_account, o.buyer_account), carrier = coalesce(s.carrier, o.carrier),
        tracking_no = coalesce(s.tracking_no, o.tracking_no), ip_hash = coalesce(s.ip_hash, o.ip_hash),
        ip_masked = coalesce(s.ip_masked, o.ip_masked), content_hash = s.content_hash, import_id = p_import.id,
        (contact_id, contact_state, receiver_masked, phone_masked, province, city, district, facts_hash, findings,
         checked_facts_hash, checked_version, platform_facts_hash) = (
            select o.contact_id, o.contact_state, o.receiver_masked, o.phone_masked, o.province, o.city, o.district,
                o.facts_hash, o.findings, o.checked_facts_hash, o.checked_version, o.platform_facts_hash
            where private.keeps_contact(o, s.facts_hash, s.contact ->> 'state')
            union all
            select (s.contact ->> 'id')::bigint, coalesce(s.contact ->> 'state', 'absent'), s.contact ->> 'name_masked',
                s.contact ->> 'phone_masked', s.province, s.city, s.district, s.facts_hash, s.findings,
                case when s.checked_version is not null then s.facts_hash end, s.checked_version, null
            where not private.keeps_contact(o, s.facts_hash, s.contact ->> 'state'))
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    where s.outcome = 'updated' and o.id = s.entity_id
$$;

-- Products by code, else by their exact name -----------------------------------------------------------------------------------

create or replace function private.product_labels(p_pool_id bigint) returns table (label text, spec text, product_id bigint)
language sql stable rows 1000 set search_path = '' as $$
    select l.label, l.spec, min(l.id) from (
        select p.name as label, p.spec, p.id from public.products p where p.stock_pool_id = p_pool_id
        union select p.name, '', p.id from public.products p where p.stock_pool_id = p_pool_id
        union select p.name || ' ' || p.spec, '', p.id from public.products p where p.stock_pool_id = p_pool_id and p.spec <> ''
    ) l group by l.label, l.spec having count(*) = 1
$$;
comment on function private.product_labels(bigint) is
    'Names that mean exactly one product of the pool: name and spec, name alone, or both in one text. What two products share means neither.';

create or replace function private.insert_items(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into public.order_items (order_id, shop_id, line_no, sku, name, spec, quantity, unit_price, product_id)
    select s.entity_id, p_import.shop_id, i.line_no, nullif(i.sku, ''), coalesce(i.name, ''), coalesce(i.spec, ''),
        i.quantity, i.unit_price, coalesce(p.id, l.product_id)
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    cross join lateral jsonb_to_recordset(s.items) as i(line_no integer, sku text, name text, spec text, quantity integer, unit_price numeric)
    left join public.products p on p.stock_pool_id = p_import.stock_pool_id and p.sku = nullif(i.sku, '')
    left join private.product_labels(p_import.stock_pool_id) l
        on nullif(i.sku, '') is null and l.label = i.name and l.spec = coalesce(i.spec, '')
$$;

create or replace function private.resolve_items(p_pool_id bigint) returns void
language sql set search_path = '' as $$
    update public.order_items i set product_id = n.product_id
    from (select w.order_id, w.line_no, coalesce(p.id, l.product_id) as product_id
        from public.orders o join public.order_items w on w.order_id = o.id
        left join public.products p on p.stock_pool_id = p_pool_id and p.sku = w.sku
        left join private.product_labels(p_pool_id) l on w.sku is null and l.label = w.name and l.spec = w.spec
        where o.status in ('unpaid', 'to_ship') and o.shop_id in (select s.id from public.shops s where s.stock_pool_id = p_pool_id)) n
    where n.order_id = i.order_id and n.line_no = i.line_no and i.product_id is distinct from n.product_id
$$;
comment on function private.resolve_items(bigint) is 'After a stock file: which product each waiting order line means now.';

create or replace function private.apply_orders(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_updated bigint[];
    v_shipped bigint[];
    v_contacts bigint[];
begin
    perform private.judge_orders(p_import, p_to);
    perform private.renew_hashes(p_import, p_to);
    v_updated := array(select r.entity_id from private.import_results r
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to and r.outcome = 'updated');
    if cardinality(v_updated) > 0 then
        select array_agg(o.id) filter (where o.status = 'to_ship' and s.status in ('shipped', 'completed')),
               array_agg(o.contact_id) filter (where o.contact_id is not null)
        into v_shipped, v_contacts
        from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
        join public.orders o on o.id = s.entity_id where s.outcome = 'updated';
    end if;
    perform private.insert_contacts(p_import, p_to);
    perform private.insert_orders(p_import, p_to);
    if cardinality(v_updated) > 0 then
        perform private.update_orders(p_import, p_to);
        delete from public.order_items i where i.order_id = any (v_updated);
    end if;
    perform private.insert_items(p_import, p_to);
    if v_shipped is not null then
        perform private.note_shipped(v_shipped, p_import.id, p_now);
    end if;
    delete from private.contacts c where c.id = any (v_contacts)
      and not exists (select from public.orders o where o.contact_id = c.id);
end;
$$;
comment on function private.apply_orders(public.imports, integer, timestamptz) is
    'One chunk of orders: contacts, orders, items; replaced contacts are forgotten; what shipped in spite of a hold is noted.';

-- Applying products and parcels ---------------------------------------------------------------------------------------------------

create or replace function private.apply_products(p_import public.imports, p_to integer, p_now timestamptz) returns void
language sql set search_path = '' as $$
    with incoming as (
        select r.row_no, n.sku, nullif(n.name, '') as name, n.spec, n.available, n.safety_stock
        from private.import_rows r
        cross join lateral jsonb_to_record(r.payload) as n(sku text, name text, spec text, available integer, safety_stock integer)
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
    ), judged as (
        select i.*, p.id as had, (p.name, p.spec, p.available, p.safety_stock) is distinct from
            (coalesce(i.name, p.name), coalesce(i.spec, p.spec), coalesce(i.available, p.available),
             coalesce(i.safety_stock, p.safety_stock)) as is_changed
        from incoming i left join public.products p on p.stock_pool_id = p_import.stock_pool_id and p.sku = i.sku
    ), written as (
        insert into public.products as p (stock_pool_id, sku, name, spec, available, safety_stock, stock_at, import_id, updated_at)
        select p_import.stock_pool_id, j.sku, coalesce(j.name, j.sku), coalesce(j.spec, ''), j.available,
            coalesce(j.safety_stock, 50), case when j.available is not null then p_now end, p_import.id, p_now from judged j
        on conflict (stock_pool_id, sku) do update set
            (name, spec, available, safety_stock, stock_at, import_id, updated_at) = (
            select coalesce(j.name, p.name), coalesce(j.spec, p.spec), coalesce(j.available, p.available),
                coalesce(j.safety_stock, p.safety_stock), coalesce(excluded.stock_at, p.stock_at), p_import.id, p_now
            from judged j where j.sku = p.sku)
        returning p.id, p.sku
    )
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select p_import.id, j.row_no, w.id, case when j.had is null then 'accepted' when j.is_changed then 'updated' else 'unchanged' end
    from judged j join written w on w.sku = j.sku
$$;
comment on function private.apply_products(public.imports, integer, timestamptz) is
    'One chunk of products or stock: a column that the file lacks keeps its value; every counted line gets the time of counting.';

create or replace function private.parcel_orders(p_import public.imports, p_after integer, p_to integer) returns table (
    row_no integer, order_id bigint, carrier text, tracking_no text, shipped_at timestamptz, last_scan_at timestamptz,
    last_scan_text text, signed_at timestamptz
)
language sql stable rows 2000 set search_path = '' as $$
    with places as (
        select s.id from public.shops s where s.id = p_import.shop_id
           or (p_import.shop_id is null and s.stock_pool_id = p_import.stock_pool_id and (p_import.member_id is null
               or exists (select from public.member_shops m where m.member_id = p_import.member_id and m.shop_id = s.id)
               or exists (select from public.members m where m.id = p_import.member_id and m.role = 'admin')))
    )
    select r.row_no, o.id, n.carrier, n.tracking_no, n.shipped_at, n.last_scan_at, n.last_scan_text, n.signed_at
    from private.import_rows r
    cross join lateral jsonb_to_record(r.payload) as n(order_no text, carrier text, tracking_no text, shipped_at timestamptz,
        last_scan_at timestamptz, last_scan_text text, signed_at timestamptz)
    join public.orders o on o.shop_id in (select id from places)
        and (o.order_no = n.order_no or (n.order_no is null and o.tracking_no = n.tracking_no))
    where r.import_id = p_import.id and r.row_no > p_after and r.row_no <= p_to
$$;
comment on function private.parcel_orders(public.imports, integer, integer) is
    'Parcels of a chunk with the order they belong to: by order number, or by tracking number where the file has no other.';

create or replace function private.reject_unknown_parcels(p_import public.imports, p_me private.actor) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.import_errors (import_id, row_no, reason, params)
    select p_import.id, r.row_no, 'import.parcel_unknown', jsonb_build_object('order_no', coalesce(r.payload ->> 'order_no', r.payload ->> 'tracking_no'))
    from private.import_rows r
    where r.import_id = p_import.id
      and r.row_no not in (select x.row_no from private.parcel_orders(p_import, -1, 2147483647) x);
    update public.imports set rejected =
        (select count(distinct x.row_no) from public.import_errors x where x.import_id = p_import.id)
    where id = p_import.id;
end;
$$;

create or replace function private.apply_parcels(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_shipped bigint[];
begin
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select distinct on (x.row_no) p_import.id, x.row_no, o.id, case
        when o.tracking_no is null then 'accepted'
        when (o.tracking_no, o.carrier, o.shipped_at, o.last_scan_at, o.last_scan_text, o.signed_at) is distinct from
            (coalesce(x.tracking_no, o.tracking_no), coalesce(x.carrier, o.carrier), coalesce(x.shipped_at, o.shipped_at),
             greatest(x.last_scan_at, o.last_scan_at), case when x.last_scan_at < o.last_scan_at then o.last_scan_text
             else coalesce(x.last_scan_text, o.last_scan_text) end, coalesce(x.signed_at, o.signed_at))
            or o.status in ('unpaid', 'to_ship') then 'updated'
        else 'unchanged' end
    from private.parcel_orders(p_import, p_import.applied_to, p_to) x join public.orders o on o.id = x.order_id
    order by x.row_no, o.id;
    select array_agg(o.id) into v_shipped from private.import_results r join public.orders o on o.id = r.entity_id
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to and o.status = 'to_ship';
    update public.orders o set tracking_no = coalesce(x.tracking_no, o.tracking_no), carrier = coalesce(x.carrier, o.carrier),
        shipped_at = coalesce(x.shipped_at, o.shipped_at), signed_at = coalesce(x.signed_at, o.signed_at),
        last_scan_text = case when x.last_scan_at < o.last_scan_at then o.last_scan_text else coalesce(x.last_scan_text, o.last_scan_text) end,
        last_scan_at = greatest(x.last_scan_at, o.last_scan_at),
        status = case when o.status in ('unpaid', 'to_ship') then 'shipped' else o.status end
    from private.parcel_orders(p_import, p_import.applied_to, p_to) x
    join private.import_results r on r.import_id = p_import.id and r.row_no = x.row_no and r.outcome <> 'unchanged'
    where o.id = x.order_id and r.entity_id = o.id;
    if v_shipped is not null then
        perform private.note_shipped(v_shipped, p_import.id, p_now);
    end if;
end;
$$;
comment on function private.apply_parcels(public.imports, integer, timestamptz) is
    'One chunk of parcels: an order with a parcel has shipped; scans only move forward.';

create or replace function private.count_results(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    update public.imports i set applied_to = p_to,
        rows_applied = i.rows_applied + n.accepted + n.updated + n.unchanged, accepted = i.accepted + n.accepted,
        updated = i.updated + n.updated, unchanged = i.unchanged + n.unchanged
    from (select count(*) filter (where outcome = 'accepted') as accepted, count(*) filter (where outcome = 'updated') as updated,
                 count(*) filter (where outcome = 'unchanged') as unchanged
          from private.import_results r
          where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to) n
    where i.id = p_import.id
$$;

create or replace function private.refresh_statistics(p_import public.imports, p_step text) returns void
language plpgsql set search_path = '' as $$
begin
    if p_import.rows_staged < 1000 then
        return;
    elsif p_step = 'staged' then
        analyze (skip_locked) private.import_rows (import_id, row_no), private.import_verdicts (import_id, row_no);
    elsif p_import.kind = 'orders' then
        analyze (skip_locked) private.import_results (import_id, row_no, entity_id, outcome), private.contacts (id, phone_hash, name_hash),
            public.orders (id, shop_id, order_no, status, placed_at, contact_id, contact_state, buyer_account, ip_hash, import_id),
            public.order_items (order_id, line_no, sku, product_id);
    end if;
end;
$$;
comment on function private.refresh_statistics(public.imports, text) is
    'Connections keep plans (those of foreign keys too) made while a table was small: then each row reads the whole table. Fresh statistics make them plan anew; autovacuum would do it a minute too late.';

create or replace function public.import_apply(p_import_id bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['applying', 'checking']);
    v_to integer;
begin
    select max(n.row_no) into v_to from (select r.row_no from private.import_rows r
        where r.import_id = p_import_id and r.row_no > v_import.applied_to
        order by r.row_no limit least(greatest(coalesce(p_limit, 2000), 1), 5000)) n;
    if v_to is null then
        if v_import.state = 'applying' then
            update public.imports set state = 'checking' where id = p_import_id;
            perform private.refresh_statistics(v_import, 'applied');
        end if;
        return private.import_report(p_import_id);
    end if;
    if v_import.kind = 'orders' then
        perform private.apply_orders(v_import, v_to, private.now());
    elsif v_import.kind = 'products' then
        perform private.apply_products(v_import, v_to, private.now());
    else
        perform private.apply_parcels(v_import, v_to, private.now());
    end if;
    perform private.count_results(v_import, v_to);
    if v_import.applied_to = 0 then
        perform private.refresh_statistics(v_import, 'applied');
    end if;
    return private.import_report(p_import_id);
exception when check_violation or not_null_violation or data_exception or foreign_key_violation or unique_violation then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_apply(bigint, integer) to authenticated, service_role;
comment on function public.import_apply(bigint, integer) is
    'Takes over the next p_limit staged rows (at most 5,000); state checking when none is left. import.none, import.state, import.bad_row.';

-- Judging and closing -------------------------------------------------------------------------------------------------------------

create or replace function private.refresh_verdicts(p_import public.imports, p_to integer) returns bigint[]
language sql set search_path = '' as $$
    with refreshed as (
        update public.orders o set findings = v.findings, checked_facts_hash = o.facts_hash, checked_version = v.version
        from private.import_results r
        join private.import_verdicts v on v.import_id = r.import_id and v.row_no = r.row_no
        where r.import_id = p_import.id and r.row_no > p_import.checked_to and r.row_no <= p_to and r.outcome = 'unchanged'
          and o.id = r.entity_id and o.facts_hash = v.facts_hash and v.version = (select private.current_check_version())
          and (not o.is_checked or o.checked_version is distinct from v.version)
        returning o.id
    )
    select array(select id from refreshed
        union select o.id from private.import_results r join public.orders o on o.id = r.entity_id
        where r.import_id = p_import.id and r.row_no > p_import.checked_to and r.row_no <= p_to
          and (r.outcome <> 'unchanged' and (o.status in ('unpaid', 'to_ship')
                  or exists (select from public.order_exceptions x where x.order_id = o.id))
              or r.outcome = 'unchanged' and o.status = 'unpaid'
                  and not exists (select from public.order_exceptions x where x.order_id = o.id)))
$$;
comment on function private.refresh_verdicts(public.imports, integer) is
    'An unchanged order without a current verdict gets the one of this file. Answers the orders of the chunk to judge anew: changed ones that can have exceptions, and those of an import that was broken off.';

create or replace function public.import_check(p_import_id bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['checking']);
    v_to integer;
begin
    select max(n.row_no) into v_to from (select r.row_no from private.import_results r
        where r.import_id = p_import_id and r.row_no > v_import.checked_to
        order by r.row_no limit least(greatest(coalesce(p_limit, 2000), 1), 5000)) n;
    if v_to is not null and v_import.kind <> 'products' then
        perform private.evaluate_orders(private.refresh_verdicts(v_import, v_to), private.now());
    end if;
    if v_to is not null then
        update public.imports set checked_to = v_to where id = p_import_id;
    end if;
    return private.import_report(p_import_id) || jsonb_build_object('checked', v_to is null);
end;
$$;
grant execute on function public.import_check(bigint, integer) to authenticated, service_role;
comment on function public.import_check(bigint, integer) is
    'Finds the exceptions of the next p_limit rows; checked true when none is left. import.none, import.state.';

create or replace function private.open_exceptions(p_import_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_object_agg(n.kind, n.orders), '{}') from (
        select x.kind, count(distinct x.order_id) as orders
        from private.import_results r join public.order_exceptions x on x.order_id = r.entity_id
        where r.import_id = p_import_id and x.state in ('open', 'waiting_customer') group by x.kind) n
$$;

create or replace function public.import_finish(p_import_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['checking', 'done']);
begin
    if v_import.state = 'done' then
        return private.import_report(p_import_id);
    end if;
    if exists (select from private.import_results r where r.import_id = p_import_id and r.row_no > v_import.checked_to) then
        perform private.fail('PT409', 'import.unjudged');
    end if;
    if v_import.kind = 'products' then
        perform private.resolve_items(v_import.stock_pool_id);
    end if;
    perform private.evaluate_pool(v_import.stock_pool_id, private.now());
    if v_import.kind = 'orders' then
        update public.imports set exceptions = private.open_exceptions(p_import_id) where id = p_import_id;
        perform private.queue_recheck(v_import.shop_id, private.now());
    end if;
    perform private.end_import(v_import, 'done', v_me);
    return private.import_report(p_import_id);
end;
$$;
grant execute on function public.import_finish(bigint) to authenticated, service_role;
comment on function public.import_finish(bigint) is
    'Stock of the pool, counts, end: only now can orders of the shop be released again. Repeating it answers the same. import.unjudged.';

create or replace function public.import_cancel(p_import_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports;
begin
    select * into v_import from public.imports where id = p_import_id for update;
    if v_me.role not in ('system', 'manager', 'admin') and v_import.member_id is distinct from v_me.member_id then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.shop_id is not null then
        perform private.require_shop(v_me, v_import.shop_id);
    end if;
    if v_import.id is null then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.state in ('staging', 'applying', 'checking') then
        perform private.end_import(v_import, 'cancelled', v_me);
    end if;
    return private.import_report(p_import_id);
end;
$$;
grant execute on function public.import_cancel(bigint) to authenticated, service_role;
comment on function public.import_cancel(bigint) is
    'Ends an unfinished import (its owner, a manager or admin of the shop). What it applied stays, unchecked, and is judged by the worker. import.none.';

-- Looking before leaping, shops of commands, remembered mappings --------------------------------------------------------------------

create or replace function private.preview_orders(p_shop_id bigint, p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('accepted', count(*) filter (where n.had is null), 'unchanged', count(*) filter (where n.is_same),
        'updated', count(*) filter (where n.had is not null and not n.is_same))
    from (select o.id as had, o.content_hash = i.content_hash
            or private.is_older(i.status, i.refund, i.as_of, o.status, o.refund, f.as_of) as is_same
        from jsonb_to_recordset(p_items) as i(order_no text, content_hash text, status text, refund text, as_of timestamptz)
        left join public.orders o on o.shop_id = p_shop_id and o.order_no = i.order_no
        left join public.imports f on f.id = o.import_id) n
$$;

create or replace function private.preview_products(p_pool_id bigint, p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('accepted', count(*) filter (where n.had is null), 'unchanged', count(*) filter (where n.is_same),
        'updated', count(*) filter (where n.had is not null and not n.is_same))
    from (select p.id as had, (p.name, p.spec, p.available, p.safety_stock) is not distinct from
            (coalesce(nullif(i.name, ''), p.name), coalesce(i.spec, p.spec), coalesce(i.available, p.available),
             coalesce(i.safety_stock, p.safety_stock)) as is_same
        from jsonb_to_recordset(p_items) as i(sku text, name text, spec text, available integer, safety_stock integer)
        left join public.products p on p.stock_pool_id = p_pool_id and p.sku = i.sku) n
$$;

create or replace function public.import_preview(p_kind text, p_shop_id bigint, p_items jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_items jsonb := private.as_json(p_items);
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    if p_kind = 'orders' then
        return private.preview_orders(p_shop_id, v_items);
    elsif p_kind = 'products' then
        return private.preview_products((select p.id from public.stock_pools p left join public.shops s on s.stock_pool_id = p.id
            where s.id = p_shop_id or (p_shop_id is null and p.is_default) limit 1), v_items);
    end if;
    perform private.fail('PT422', 'import.kind_unknown');
end;
$$;
grant execute on function public.import_preview(text, bigint, jsonb) to authenticated, service_role;
comment on function public.import_preview(text, bigint, jsonb) is
    'What the staged rows of an order or product file would do: accepted, updated, unchanged. Changes nothing. shop.none, import.kind_unknown.';

create or replace function public.service_ensure_shop(p_platform text, p_code text, p_create boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_codes text[];
    v_code text := p_platform;
begin
    if p_code is not null then
        if not exists (select from public.shops where code = p_code and is_active) then
            perform private.fail('PT404', 'shop.unknown_code', jsonb_build_object('code', p_code));
        end if;
        v_codes := array[p_code];
    else
        v_codes := array(select code from public.shops where platform = p_platform and is_active order by id);
    end if;
    if cardinality(v_codes) > 1 then
        perform private.fail('PT409', 'import.shop_ambiguous', jsonb_build_object('codes', array_to_string(v_codes, ', ')));
    elsif cardinality(v_codes) = 0 and p_create then
        while exists (select from public.shops where code = v_code) loop
            v_code := v_code || '-2';
        end loop;
        perform private.audit(v_me, private.ensure_shop(v_code, private.platform_name(p_platform), p_platform), 'shop', null, 'created');
        v_codes := array[v_code];
    end if;
    return (select jsonb_build_object('id', s.id, 'code', s.code, 'platform', s.platform, 'timezone', s.timezone)
        from public.shops s where s.code = v_codes[1]);
end;
$$;
grant execute on function public.service_ensure_shop(text, text, boolean) to service_role;
comment on function public.service_ensure_shop(text, text, boolean) is
    'Service: the shop a command means: by code, else the only one of the platform, else (p_create) one made from it; null without. shop.unknown_code, import.shop_ambiguous.';

create or replace function private.platform_name(p_platform text) returns text
language sql immutable set search_path = '' as $$
    select case p_platform when 'taobao' then '天猫' when 'jd' then '京东' when 'douyin' then '抖音' when 'pinduoduo' then '拼多多'
        when 'youzan' then '有赞' when 'shopify' then 'Shopify' else '自营商城' end
$$;

create or replace function public.save_mapping(
    p_shop_id bigint, p_kind text, p_signature text, p_tool text, p_mapping jsonb, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_mapping jsonb := private.as_json(p_mapping);
    v_answer jsonb := private.begin_request(p_request_id, 'save_mapping',
        jsonb_build_array(p_shop_id, p_kind, p_signature, p_tool, v_mapping));
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    if coalesce(p_kind, '') not in ('orders', 'products', 'shipments') then
        perform private.fail('PT422', 'import.kind_unknown');
    end if;
    if jsonb_typeof(v_mapping) is distinct from 'object' or coalesce(p_signature, '') = '' then
        perform private.fail('PT422', 'import.bad_mapping');
    end if;
    insert into public.import_mappings as m (shop_id, kind, signature, tool, mapping, member_id, updated_at)
    values (p_shop_id, p_kind, p_signature, coalesce(p_tool, ''), v_mapping, v_me.member_id, private.now())
    on conflict (shop_id, kind, signature) do update
    set tool = excluded.tool, mapping = excluded.mapping, member_id = excluded.member_id, updated_at = excluded.updated_at
    returning m.id into v_id;
    perform private.audit(v_me, p_shop_id, 'import_mapping', v_id, 'saved', v_mapping);
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.save_mapping(bigint, text, text, text, jsonb, uuid) to authenticated, service_role;
comment on function public.save_mapping(bigint, text, text, text, jsonb, uuid) is
    '字段对应: remembers which header means which field {field: header} for a header signature of a shop. import.bad_mapping, import.kind_unknown, shop.none.';

create or replace function public.service_find_mapping(p_shop_id bigint, p_kind text, p_signature text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('kind', m.kind, 'mapping', m.mapping) from public.import_mappings m
        where m.signature = p_signature and (p_kind is null or m.kind = p_kind) and (m.shop_id = p_shop_id or m.shop_id is null)
        order by m.shop_id nulls last, m.updated_at desc limit 1);
end;
$$;
grant execute on function public.service_find_mapping(bigint, text, text) to service_role;
comment on function public.service_find_mapping(bigint, text, text) is 'Service: the remembered mapping {kind, mapping} for a header signature of a shop, or of all shops; null when none.';
