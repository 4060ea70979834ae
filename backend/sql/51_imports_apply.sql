-- 51 --------------------------------------------------------------------------------------- imports: applied in chunks
--
-- A chunk of staged rows becomes orders, products or parcels; what did not change is left alone.

-- Applying orders -----------------------------------------------------------------------------------------------------

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

-- Products by code, else by their exact name --------------------------------------------------------------------------

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

-- Applying products and parcels ---------------------------------------------------------------------------------------

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

create or replace function private.import_step(p_kind text) returns integer
language sql immutable set search_path = '' as $$ select case when p_kind in ('aftersales', 'leads') then 500 else 5000 end $$;
comment on function private.import_step(text) is 'Rows that one request takes over at most, so that it stays within 5 seconds: cases and leads start deadlines and are given out.';

create or replace function public.import_apply(p_import_id bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['applying', 'checking']);
    v_to integer;
begin
    select max(n.row_no) into v_to from (select r.row_no from private.import_rows r
        where r.import_id = p_import_id and r.row_no > v_import.applied_to
        order by r.row_no limit least(greatest(coalesce(p_limit, 2000), 1), private.import_step(v_import.kind))) n;
    if v_to is null then
        if v_import.state = 'applying' then
            update public.imports set state = 'checking' where id = p_import_id;
            perform private.refresh_statistics(v_import, 'applied');
        end if;
        return private.import_report(p_import_id);
    end if;
    case v_import.kind
        when 'orders' then perform private.apply_orders(v_import, v_to, private.now());
        when 'products' then perform private.apply_products(v_import, v_to, private.now());
        when 'shipments' then perform private.apply_parcels(v_import, v_to, private.now());
        when 'aftersales' then perform private.apply_cases(v_import, v_to, private.now());
        when 'reviews' then perform private.apply_ratings(v_import, v_to, private.now());
        when 'leads' then perform private.apply_leads(v_import, v_to, private.now());
        else perform private.apply_figures(v_import, v_to, private.now());
    end case;
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
