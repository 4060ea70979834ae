-- 52 ---------------------------------------------------------------------------- exception rules: what is an exception
--
-- Ten kinds. What relates rows (duplicate, same_ip, out_of_stock) and what the order itself says (unpaid, refund_stop,
-- remote) is found here, for many orders at once; what reads a phone or an address (bad_phone, missing_detail, mismatch,
-- suspicious) was judged in Python and lies in orders.findings. Only orders that wait for payment or to ship have
-- exceptions; shipped, completed and closed ones feed the rules as history.

do $$
begin
    if to_regtype('private.found') is null then
        create type private.found as (
            order_id bigint, shop_id bigint, kind text, evidence jsonb, fingerprint text, group_key text
        );
    end if;
end;
$$;
comment on type private.found is 'An exception that a rule sees now: evidence for people, fingerprint of the facts, group to decide together.';

insert into public.exception_rules (shop_id, kind, severity, waived_by, params) values
    (null, 'duplicate', 'normal', 'reviewer', '{"window_minutes": 30}'),
    (null, 'unpaid', 'normal', 'never', '{}'),
    (null, 'out_of_stock', 'normal', 'warehouse', '{}'),
    (null, 'same_ip', 'high', 'manager', '{"orders": 3, "minutes": 60, "accounts": 2}'),
    (null, 'remote', 'normal', 'reviewer',
     '{"provinces": ["新疆", "西藏", "内蒙古", "青海", "宁夏", "甘肃", "海南", "香港", "澳门", "台湾"]}'),
    (null, 'bad_phone', 'normal', 'reviewer', '{}'),
    (null, 'missing_detail', 'normal', 'reviewer', '{}'),
    (null, 'mismatch', 'normal', 'reviewer', '{}'),
    (null, 'suspicious', 'high', 'manager', '{}'),
    (null, 'refund_stop', 'high', 'never', '{}')
on conflict (shop_id, kind) do nothing;

create or replace view private.effective_rules with (security_invoker = true) as
select s.id as shop_id, s.stock_pool_id, d.kind, coalesce(o.is_active, d.is_active) as is_active,
    coalesce(o.is_blocking, d.is_blocking) as is_blocking, coalesce(o.severity, d.severity) as severity,
    coalesce(o.waived_by, d.waived_by) as waived_by, coalesce(o.params, d.params) as params
from public.shops s
join public.exception_rules d on d.shop_id is null
left join public.exception_rules o on o.shop_id = s.id and o.kind = d.kind;
comment on view private.effective_rules is 'The rule of each kind that holds for a shop: its own, else the default.';

-- Versions of what Python judged --------------------------------------------------------------------------------------

create or replace function private.python_kinds() returns text[]
language sql immutable set search_path = '' as $$ select array['bad_phone', 'missing_detail', 'mismatch', 'suspicious'] $$;

create or replace function private.current_check_version() returns text
language sql stable set search_path = '' as $$
    select coalesce((select s.value #>> '{}' from private.settings s where s.key = 'checks_version'), '0') || '.'
        || coalesce((select left(private.sha256(string_agg(coalesce(r.shop_id, 0) || r.kind || r.params::text, ',' order by r.shop_id, r.kind)), 8)
            from public.exception_rules r where r.kind = any (private.python_kinds()) and r.params <> '{}'), '0')
$$;
comment on function private.current_check_version() is
    'Version of the checks in the program and of the parameters they get; an order judged under another one is unchecked.';

create or replace function public.service_announce_checks(p_version integer) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_before text := private.current_check_version();
begin
    insert into private.settings as s (key, value) values ('checks_version', to_jsonb(p_version))
    on conflict (key) do update set value = excluded.value, updated_at = private.now()
    where (s.value #>> '{}')::integer < p_version;
    if private.current_check_version() <> v_before then
        perform private.queue_recheck(s.id, private.now()) from public.shops s;
    end if;
    return private.current_check_version();
end;
$$;
grant execute on function public.service_announce_checks(integer) to service_role;
comment on function public.service_announce_checks(integer) is
    'Service: the version of the checks this program brings. A higher one makes waiting orders unchecked and queues their re-check; a lower one (an old replica) changes nothing.';

create or replace function public.service_check_rules(p_shop_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return jsonb_build_object('version', private.current_check_version(), 'params', (
        select coalesce(jsonb_object_agg(d.kind, coalesce(o.params, d.params)), '{}')
        from public.exception_rules d left join public.exception_rules o on o.shop_id = p_shop_id and o.kind = d.kind
        where d.shop_id is null and d.kind = any (private.python_kinds()) and coalesce(o.params, d.params) <> '{}'));
end;
$$;
grant execute on function public.service_check_rules(bigint) to service_role;
comment on function public.service_check_rules(bigint) is 'Service: version and parameters of the checks for a shop; an empty parameter set means the built-in words.';

create or replace function private.queue_recheck(p_shop_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    if exists (select from private.unchecked_orders(p_shop_id, 0, 1)) then
        perform private.enqueue('recheck_orders', jsonb_build_object('shop_id', p_shop_id), 'recheck:' || p_shop_id, p_now);
    end if;
end;
$$;

create or replace function private.unchecked_orders(p_shop_id bigint, p_after bigint, p_limit integer) returns setof public.orders
language sql stable rows 500 set search_path = '' as $$
    select o.* from public.orders o
    where o.shop_id = p_shop_id and o.status = 'to_ship' and o.id > p_after
      and (not o.is_checked or o.checked_version is distinct from private.current_check_version())
    order by o.id limit p_limit
$$;

-- Which orders a change can touch -------------------------------------------------------------------------------------

create or replace function private.same_buyer(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, buyer text
)
language sql stable rows 1000 set search_path = '' as $$
    with mine as (
        select o.shop_id, o.contact_state, o.buyer_account, c.phone_hash, c.name_hash
        from public.orders o left join private.contacts c on c.id = o.contact_id where o.id = any (p_order_ids)
    ), known as (
        select distinct shop_id, phone_hash, name_hash from mine
        where contact_state = 'ok' and phone_hash is not null and name_hash is not null
    ), hidden as (
        select distinct shop_id, buyer_account from mine where contact_state = 'masked' and buyer_account is not null
    ), same as (
        select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.paid_at, o.held_at, 'p' || k.phone_hash || k.name_hash as buyer
        from known k join private.contacts c on c.phone_hash = k.phone_hash and c.name_hash = k.name_hash
        join public.orders o on o.contact_id = c.id and o.shop_id = k.shop_id and o.contact_state = 'ok'
        union all
        select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.paid_at, o.held_at, 'b' || h.buyer_account
        from hidden h join public.orders o on o.buyer_account = h.buyer_account and o.shop_id = h.shop_id
            and o.contact_state = 'masked'
    )
    select s.id, s.shop_id, s.status, s.order_no, s.placed_at, s.buyer from same s
    where s.placed_at is not null and s.status <> 'unpaid' and (s.status <> 'closed' or s.paid_at is not null)
      and (s.status <> 'to_ship' or s.held_at is null) -- what is held does not ship: it doubles nothing
$$;
comment on function private.same_buyer(bigint[]) is
    'All paid orders, history included, of the people behind these orders: same phone and receiver in one shop; where the platform masks them, same buyer account.';

create or replace function private.same_ip(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, ip_hash text, buyer_account text,
    orders integer, span interval, accounts integer
)
language sql stable rows 1000 set search_path = '' as $$
    with places as (
        select o.shop_id, o.ip_hash, min(o.placed_at) as first, max(o.placed_at) as last
        from public.orders o where o.id = any (p_order_ids) and o.ip_hash is not null and o.placed_at is not null
        group by o.shop_id, o.ip_hash
    )
    select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.ip_hash, o.buyer_account,
        coalesce((r.params ->> 'orders')::integer, 3), make_interval(mins => coalesce((r.params ->> 'minutes')::integer, 60)),
        coalesce((r.params ->> 'accounts')::integer, 2)
    from places p
    join private.effective_rules r on r.shop_id = p.shop_id and r.kind = 'same_ip' and r.is_active
    join public.orders o on o.shop_id = p.shop_id and o.ip_hash = p.ip_hash
        and o.placed_at between p.first - interval '1 day' and p.last + interval '1 day'
$$;
comment on function private.same_ip(bigint[]) is
    'Orders of all states from the IP addresses of these orders, a day around them, with the limits of the shop''s rule.';

create or replace function private.review_scope(p_order_ids bigint[]) returns bigint[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(n.id), '{}') from (
        select unnest(p_order_ids) as id
        union select b.order_id from private.same_buyer(p_order_ids) b where b.status = 'to_ship'
        union select i.order_id from private.same_ip(p_order_ids) i where i.status = 'to_ship'
        union select x.order_id from public.order_exceptions m
            join public.order_exceptions x on x.shop_id = m.shop_id and x.group_key = m.group_key
            where m.order_id = any (p_order_ids) and m.group_key is not null
    ) n where n.id is not null
$$;
comment on function private.review_scope(bigint[]) is
    'These orders, those that share buyer or IP with them, and those that were grouped with them: all that a change of these can touch.';

-- What the rules see --------------------------------------------------------------------------------------------------

create or replace function private.found_alone(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    select o.id, o.shop_id, 'unpaid', '{}'::jsonb, 'unpaid', null::text
    from public.orders o where o.id = any (p_order_ids) and o.status = 'unpaid'
    union all
    select o.id, o.shop_id, 'refund_stop', jsonb_build_object('status', o.platform_status), 'requested', null
    from public.orders o where o.id = any (p_order_ids) and o.status = 'to_ship' and o.refund = 'requested'
    union all
    select o.id, o.shop_id, 'remote', jsonb_build_object('province', o.province), o.province, null
    from public.orders o
    join private.effective_rules r on r.shop_id = o.shop_id and r.kind = 'remote'
    where o.id = any (p_order_ids) and o.status = 'to_ship' and o.contact_state <> 'absent'
      and exists (select from jsonb_array_elements_text(r.params -> 'provinces') p where starts_with(o.province, p))
$$;
comment on function private.found_alone(bigint[]) is 'unpaid, refund_stop and remote: what one order says by itself.';

create or replace function private.found_in_python(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    select distinct on (o.id, f.kind) o.id, o.shop_id, f.kind, f.evidence,
        private.sha256(o.facts_hash || f.evidence::text), null::text
    from public.orders o cross join lateral jsonb_to_recordset(o.findings) as f(kind text, evidence jsonb)
    where o.id = any (p_order_ids) and o.status = 'to_ship' and o.is_checked
      and o.checked_version = (select private.current_check_version()) and f.kind = any (private.python_kinds())
    order by o.id, f.kind
$$;
comment on function private.found_in_python(bigint[]) is 'bad_phone, missing_detail, mismatch, suspicious: the stored verdicts that are current.';

create or replace function private.duplicate_groups(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, group_key text
)
language sql stable rows 100 set search_path = '' as $$
    with repeated as (
        select b.*, count(*) over (partition by b.shop_id, b.buyer) as orders from private.same_buyer(p_order_ids) b
    ), baskets as (
        select r.*, (select string_agg(n.product || ' x' || n.quantity, '|' order by n.product) from (
                select coalesce(i.sku, i.name || '/' || i.spec) as product, sum(i.quantity) as quantity
                from public.order_items i where i.order_id = r.order_id group by 1) n) as basket,
            make_interval(mins => coalesce((e.params ->> 'window_minutes')::integer, 30)) as span
        from repeated r join private.effective_rules e on e.shop_id = r.shop_id and e.kind = 'duplicate'
        where r.orders > 1
    ), gaps as (
        select b.*, coalesce(b.placed_at - lag(b.placed_at) over same > b.span, true) as is_first
        from baskets b where b.basket is not null
        window same as (partition by b.shop_id, b.buyer, b.basket order by b.placed_at, b.order_id)
    ), chains as (
        select g.*, count(*) filter (where g.is_first) over (
            partition by g.shop_id, g.buyer, g.basket order by g.placed_at, g.order_id) as chain from gaps g
    )
    select c.order_id, c.shop_id, c.status, c.order_no, c.placed_at,
        case when count(*) over whole > 1 then 'duplicate:' || min(c.order_id) over whole end
    from chains c window whole as (partition by c.shop_id, c.buyer, c.basket, c.chain)
$$;
comment on function private.duplicate_groups(bigint[]) is
    'Paid orders of one buyer with the same products and quantities; each follows the one before within the window (30 minutes): one group. group_key null = alone.';

create or replace function private.found_duplicates(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    with grouped as (
        select g.* from private.duplicate_groups(p_order_ids) g where g.group_key is not null
    ), members as (
        select g.group_key, private.sha256(string_agg(g.order_no, ',' order by g.order_no)) as fingerprint,
            (array_agg(g.order_no order by g.placed_at, g.order_id))[1:100] as numbers,
            (array_agg(g.placed_at order by g.placed_at, g.order_id))[1:100] as times,
            (array_agg(g.status order by g.placed_at, g.order_id))[1:100] as states
        from grouped g group by g.group_key
    )
    select g.order_id, g.shop_id, 'duplicate', jsonb_build_object('orders', (
            select jsonb_agg(jsonb_build_object('order_no', n.order_no, 'minutes', n.minutes, 'status', n.status) order by n.minutes, n.order_no)
            from (select o.order_no, o.status, round(abs(extract(epoch from o.placed_at - g.placed_at)) / 60)::integer as minutes
                from unnest(m.numbers, m.times, m.states) as o(order_no, placed_at, status)
                where o.order_no <> g.order_no order by 3, 1 limit 20) n)),
        m.fingerprint, g.group_key
    from grouped g join members m on m.group_key = g.group_key
    where g.status = 'to_ship' and g.order_id = any (p_order_ids)
$$;
comment on function private.found_duplicates(bigint[]) is
    'duplicate: every waiting order of a group; evidence {orders: [{order_no, minutes, status}]}, at most 20 of the others.';

create or replace function private.ip_windows(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, ip_hash text, buyer_account text,
    span interval, is_in boolean
)
language sql stable rows 100 set search_path = '' as $$
    with timeline as (
        select i.*, coalesce(i.buyer_account, '') is distinct from
            coalesce(lag(i.buyer_account) over (partition by i.shop_id, i.ip_hash order by i.placed_at, i.order_id), '') as is_other,
            row_number() over (partition by i.shop_id, i.ip_hash order by i.placed_at, i.order_id) as n
        from private.same_ip(p_order_ids) i
    ), starts as (
        select t.*, lead(t.placed_at, t.orders - 1) over (partition by t.shop_id, t.ip_hash order by t.n) as enough_at,
            min(t.placed_at) filter (where t.is_other) over (partition by t.shop_id, t.ip_hash order by t.n desc
                rows between unbounded preceding and 1 preceding) as other_at
        from timeline t
    ), windows as (
        select s.*, max(s.placed_at) filter (where coalesce(s.enough_at <= s.placed_at + s.span, false)
                and (s.accounts < 2 or coalesce(s.other_at <= s.placed_at + s.span, false)))
            over (partition by s.shop_id, s.ip_hash order by s.n) as last_start
        from starts s
    )
    select w.order_id, w.shop_id, w.status, w.order_no, w.placed_at, w.ip_hash, w.buyer_account, w.span,
        coalesce(w.last_start >= w.placed_at - w.span, false)
    from windows w
$$;
comment on function private.ip_windows(bigint[]) is
    'Orders by IP and time; is_in = inside some window (60 minutes) that holds enough orders (3) of at least two buyer accounts. One pass, also for a busy address.';

create or replace function private.found_same_ip(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    with inside as (
        select w.*, count(*) filter (where w.is_new) over (partition by w.shop_id, w.ip_hash order by w.placed_at, w.order_id) as part
        from (select v.*, coalesce(v.placed_at - lag(v.placed_at)
                over (partition by v.shop_id, v.ip_hash order by v.placed_at, v.order_id) > v.span, true) as is_new
            from private.ip_windows(p_order_ids) v where v.is_in) w
    ), clusters as (
        select i.shop_id, i.ip_hash, i.part, count(*) as orders, count(distinct i.buyer_account) as accounts,
            round(extract(epoch from max(i.placed_at) - min(i.placed_at)) / 60)::integer as minutes,
            (array_agg(i.order_no order by i.placed_at, i.order_id))[1:20] as numbers, min(i.order_id) as first_id,
            private.sha256(string_agg(i.order_no, ',' order by i.order_no)) as fingerprint
        from inside i group by i.shop_id, i.ip_hash, i.part
    )
    select i.order_id, i.shop_id, 'same_ip', jsonb_build_object('count', c.orders, 'accounts', c.accounts, 'minutes', c.minutes,
        'orders', to_jsonb(array_remove(c.numbers, i.order_no))), c.fingerprint, 'at_ip:' || c.first_id
    from inside i join clusters c using (shop_id, ip_hash, part)
    where i.status = 'to_ship' and i.order_id = any (p_order_ids)
$$;
comment on function private.found_same_ip(bigint[]) is
    'same_ip: every waiting order inside such a window; evidence {count, accounts, minutes, orders: numbers of the others}. Its group sorts before duplicate:…, which is the group to decide on when an order is in both.';

create or replace function private.stock_demand(p_pool_id bigint) returns table (
    order_id bigint, shop_id bigint, at timestamptz, product_id bigint, need bigint, has integer, is_short boolean
)
language sql stable rows 1000 set search_path = '' as $$
    select o.id, o.shop_id, case when o.held_at is null then coalesce(o.paid_at, o.placed_at) end, p.id, sum(i.quantity), p.available,
        sum(sum(i.quantity)) over (partition by p.id) > p.available
    from public.orders o
    join public.order_items i on i.order_id = o.id
    join public.products p on p.id = i.product_id and p.available is not null
    where o.status = 'to_ship' and o.shop_id in (select s.id from public.shops s where s.stock_pool_id = p_pool_id)
      and coalesce(o.held_reason, '') <> 'cancelled' and o.refund <> 'done'
    group by o.id, o.shop_id, o.held_at, o.paid_at, o.placed_at, p.id, p.available
$$;
comment on function private.stock_demand(bigint) is
    'What waiting orders of a pool need of counted products (none for those that were cancelled in review or refunded; those on hold come last, without a time); is_short where all of them together need more than there is.';

create or replace function private.short_evidence(p_products bigint[], p_need bigint[], p_left bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('items', jsonb_agg(jsonb_build_object('sku', p.sku, 'name', p.name, 'spec', p.spec,
        'need', n.need, 'left', n.remaining) order by p.sku))
    from unnest(p_products, p_need, p_left) as n(id, need, remaining) join public.products p on p.id = n.id
    where n.need > n.remaining
$$;

create or replace function private.found_short(p_pool_id bigint) returns setof private.found
language plpgsql stable rows 100 set search_path = '' as $$
declare
    v record;
    v_place jsonb;
    v_left bigint[];
    v_index integer[];
    v_items jsonb;
begin
    select jsonb_object_agg(d.product_id, d.n), array_agg(d.has order by d.n) into v_place, v_left
    from (select product_id, has, row_number() over (order by product_id) as n
        from private.stock_demand(p_pool_id) where is_short group by product_id, has) d;
    for v in
        select d.order_id, d.shop_id, array_agg(d.product_id) as products, array_agg(d.need) as needs
        from private.stock_demand(p_pool_id) d where d.is_short
        group by d.order_id, d.shop_id, d.at order by d.at nulls last, d.order_id
    loop
        v_index := array(select (v_place ->> p::text)::integer from unnest(v.products) with ordinality u(p, n) order by n);
        if (select bool_and(v.needs[n] <= v_left[v_index[n]]) from generate_subscripts(v_index, 1) n) then
            for n in 1 .. cardinality(v_index) loop
                v_left[v_index[n]] := v_left[v_index[n]] - v.needs[n];
            end loop;
        else
            v_items := private.short_evidence(v.products, v.needs, array(select v_left[i] from unnest(v_index) with ordinality u(i, n) order by n));
            return next row(v.order_id, v.shop_id, 'out_of_stock', v_items, private.sha256((select string_agg((i ->> 'sku') || 'x'
                || (i ->> 'need'), ',') from jsonb_array_elements(v_items -> 'items') i)), null)::private.found;
        end if;
    end loop;
end;
$$;
comment on function private.found_short(bigint) is
    'out_of_stock: waiting orders take stock in order of payment; one that finds too little of anything takes nothing. Only products that cannot serve everybody are walked through. Unknown and never counted products are not short.';
