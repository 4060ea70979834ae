-- 51 ---------------------------------------------------------------------------------------- imports: begun and staged
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

-- Who, where, in which state ------------------------------------------------------------------------------------------

create or replace function private.import_roles(p_kind text) returns text[]
language sql immutable set search_path = '' as $$
    select array['operations', 'manager', 'admin'] || case
        when p_kind in ('orders', 'leads', 'aftersales') then '{}'::text[]
        when p_kind in ('products', 'shipments') then array['warehouse']
        when p_kind in ('performance', 'reviews', 'traffic', 'chats') then array['analyst']
        else array['warehouse', 'analyst'] end
$$;
comment on function private.import_roles(text) is
    'Operations, manager and admin all kinds; products and parcels the warehouse too, what figures are made of the analyst too. Null: whoever may import anything.';

create or replace function private.is_order_kind(p_kind text) returns boolean
language sql immutable set search_path = '' as $$ select p_kind in ('orders', 'products', 'shipments') $$;
comment on function private.is_order_kind(text) is 'Whether such a file can change what may be released: nothing of the shop is, until it is complete.';

create or replace function private.import_place(p_me private.actor, p_kind text, p_shop_id bigint, out shop_id bigint, out pool_id bigint)
language plpgsql volatile set search_path = '' as $$
begin
    if p_kind is null or p_kind <> all (private.import_kinds()) then
        perform private.fail('PT422', 'import.kind_unknown');
    end if;
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
        select s.stock_pool_id into pool_id from public.shops s where s.id = p_shop_id;
    elsif p_kind not in ('products', 'shipments') then
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
    'Where a file belongs: to a shop; products to a stock pool, parcels to either (no shop: all shops of the pool).';

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

-- Beginning: one at a time, and never stuck on a browser that was closed ----------------------------------------------

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

-- Staging -------------------------------------------------------------------------------------------------------------

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
            unnest(array[c ->> 'name', c ->> 'phone', c ->> 'address', c ->> 'note', c ->> 'wechat', c ->> 'email']) f
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
        when 'shipments' then coalesce(p_row ->> 'order_no', '') || '|' || (p_row ->> 'tracking_no')
        else p_row ->> 'key' end, '')
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
    if v_import.kind = 'leads' then
        perform private.reject_bad_leads(p_import_id, v_rows);
    end if;
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

create or replace function private.unknown_lines(p_import_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('unknown', coalesce(
        jsonb_agg(jsonb_build_object('row', e.row_no, 'reason', e.reason, 'params', e.params) order by e.row_no), '[]'))
    from public.import_errors e where e.import_id = p_import_id and (e.reason in ('import.parcel_unknown', 'import.case_unknown', 'import.future', 'contact.form')
        or e.reason like 'lead.%')
$$;
comment on function private.unknown_lines(bigint) is 'Lines whose order we do not have, that speak of days to come, or that are no lead, found by the database: {unknown: [{row, reason, params}]}.';

create or replace function public.import_ready(p_import_id bigint, p_records integer, p_as_of timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging', 'applying', 'checking']);
begin
    if v_import.state <> 'staging' then
        return private.import_report(p_import_id) || private.unknown_lines(p_import_id);
    end if;
    if v_import.rows_staged <> coalesce(p_records, -1) then
        perform private.fail('PT409', 'import.incomplete', jsonb_build_object('staged', v_import.rows_staged, 'records', p_records));
    end if;
    if v_import.kind = 'shipments' then
        perform private.reject_unknown_parcels(v_import, v_me);
    elsif v_import.kind = 'aftersales' then
        perform private.reject_unknown_cases(v_import);
    elsif v_import.kind = 'leads' then
        update public.imports set rejected =
            (select count(distinct e.row_no) from public.import_errors e where e.import_id = p_import_id)
        where id = p_import_id;
    elsif v_import.kind in ('performance', 'traffic', 'chats', 'reviews') then
        perform private.reject_future_lines(v_import, private.now());
    end if;
    select * into v_import from public.imports where id = p_import_id;
    if v_import.is_strict and v_import.rejected > 0 then
        perform private.end_import(v_import, 'refused', v_me);
    else
        update public.imports set state = 'applying', as_of = p_as_of where id = p_import_id;
        perform private.refresh_statistics(v_import, 'staged');
    end if;
    return private.import_report(p_import_id) || private.unknown_lines(p_import_id);
end;
$$;
grant execute on function public.import_ready(bigint, integer, timestamptz) to authenticated, service_role;
comment on function public.import_ready(bigint, integer, timestamptz) is
    'All p_records rows are staged: state applying, or refused when strict and a line was rejected. p_as_of = newest time in the file. Parcels and cases without an order, figures of days to come and rows that are no lead come back as unknown [{row, reason, params}]. import.incomplete.';
