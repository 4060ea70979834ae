-- 95 -------------------------------------------------------------------------------- KPIs: what orders and tickets say
--
-- Sales and orders count on the day of payment; a promise on the day it falls due; a case on the day it was registered.
-- Rows of a span are looked up by `lateral (… offset 0)`: joined, the planner takes a day for a third of all and reads the table.

create index if not exists orders_paid_idx on public.orders (shop_id, paid_at) include (amount, status, buyer_account) where paid_at is not null;
create index if not exists orders_promise_idx on public.orders (shop_id, promise_ship_at) where promise_ship_at is not null;

create or replace function private.kpi_of_orders(p_shops bigint[], p_from date, p_to date)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with paid as materialized (
        select o.shop_id, o.id, (o.paid_at at time zone d.zone)::date as day, o.amount, o.status
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select o.shop_id, o.id, o.paid_at, o.amount, o.status from public.orders o
            where o.shop_id = d.shop_id and o.paid_at >= d.starts_at and o.paid_at < d.ends_at offset 0) o
    ), complaints as (
        select t.shop_id, (t.registered_at at time zone d.zone)::date as day, count(distinct t.order_id) as orders
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select t.* from public.tickets t
            where t.shop_id = d.shop_id and t.registered_at >= d.starts_at and t.registered_at < d.ends_at offset 0) t
        where t.is_complaint and t.order_id is not null and t.state not in ('cancelled', 'merged')
          and not exists (select from public.tickets e where e.order_id = t.order_id and e.is_complaint and e.id < t.id
              and e.state not in ('cancelled', 'merged'))
        group by 1, 2
    ), days as (
        select shop_id, day, sum(amount) filter (where status <> 'closed' and amount is not null) as sales,
            count(*) filter (where status <> 'closed' and amount is not null) as sold, count(*) as orders
        from paid group by shop_id, day
    )
    select '客单价(店铺)', shop_id, day, null, '(day)', coalesce(sales, 0), sold, sold from days
    union all
    select '客诉率', coalesce(d.shop_id, c.shop_id), coalesce(d.day, c.day), null, '(day)', coalesce(c.orders, 0), coalesce(d.orders, 0), coalesce(d.orders, 0)
    from days d full join complaints c on c.shop_id = d.shop_id and c.day = d.day
$$;
comment on function private.kpi_of_orders(bigint[], date, date) is
    'Sales per order, and complaints: an order counts on the day of its first complaint alone.';

create or replace function private.kpi_of_promises(p_shops bigint[], p_from date, p_to date, p_now timestamptz, p_versions jsonb)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with hours as materialized (select make_interval(hours => coalesce(private.kpi_param('履约准时率', 'promise_hours', p_versions), 48)::integer) as span),
    spans as materialized (select d.*, h.span from private.kpi_days(p_shops, p_from, p_to) d cross join hours h),
    due as (
        select o.shop_id, s.zone, o.shipped_at, o.promise_ship_at as due
        from spans s cross join lateral (select o.shop_id, o.paid_at, o.promise_ship_at, o.shipped_at, o.status from public.orders o
            where o.shop_id = s.shop_id and o.promise_ship_at >= s.starts_at and o.promise_ship_at < s.ends_at offset 0) o
        where o.paid_at is not null and o.promise_ship_at <= p_now and (o.shipped_at is not null or o.status = 'to_ship')
        union all
        select o.shop_id, s.zone, o.shipped_at, o.paid_at + s.span
        from spans s cross join lateral (select o.shop_id, o.paid_at, o.promise_ship_at, o.shipped_at, o.status from public.orders o
            where o.shop_id = s.shop_id and o.paid_at >= s.starts_at - s.span and o.paid_at < s.ends_at - s.span offset 0) o
        where o.promise_ship_at is null and o.paid_at + s.span <= p_now and (o.shipped_at is not null or o.status = 'to_ship')
    )
    select '履约准时率', shop_id, (due at time zone zone)::date, null, '(day)', count(*) filter (where shipped_at <= due), count(*), count(*) from due group by 2, 3
$$;
comment on function private.kpi_of_promises(bigint[], date, date, timestamptz, jsonb) is
    'Orders whose promise fell due, and those shipped by then. Not due: orders cancelled before they shipped, and those of which no file says when they shipped.';

create index if not exists ticket_returns_ended_idx on public.ticket_returns (shop_id, ended_at) where ended_at is not null;

create or replace function private.kpi_of_cases(p_shops bigint[], p_from date, p_to date, p_now timestamptz)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with shifts as materialized (select * from private.kpi_shifts(p_shops, p_from, p_to)),
    cases as materialized (
        select t.shop_id, (t.registered_at at time zone d.zone)::date as day, m.display_name as agent, t.id, t.registered_at,
            coalesce(k.shift, '(off)') as shift, t.first_resolved_at, t.first_resolved_at is not null and t.state in ('resolved', 'revisit', 'review', 'closed') as is_solved,
            coalesce(t.first_resolved_at, private.outcome_due_at(t.id, t.registered_at)) <= p_now as is_due
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select t.* from public.tickets t
            where t.shop_id = d.shop_id and t.registered_at >= d.starts_at and t.registered_at < d.ends_at offset 0) t
        left join public.members m on m.id = t.owner_id
        left join shifts k on k.shop_id = t.shop_id and t.registered_at <@ k.hours
        where t.state not in ('cancelled', 'merged')
    ), solved as (
        select t.shop_id, (t.resolved_at at time zone d.zone)::date as day, coalesce(k.shift, '(off)') as shift, t.id
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select t.* from public.tickets t
            where t.shop_id = d.shop_id and t.resolved_at >= d.starts_at and t.resolved_at < d.ends_at offset 0) t
        left join shifts k on k.shop_id = t.shop_id and t.resolved_at <@ k.hours
        where t.state in ('resolved', 'revisit', 'review', 'closed')
    ), returned as (
        select r.shop_id, (r.ended_at at time zone d.zone)::date as day, coalesce(k.shift, '(off)') as shift, extract(epoch from r.ended_at - r.applied_at) / 3600 as hours
        from private.kpi_days(p_shops, p_from, p_to) d
        join public.ticket_returns r on r.shop_id = d.shop_id and r.ended_at >= d.starts_at and r.ended_at < d.ends_at
        left join shifts k on k.shop_id = r.shop_id and r.ended_at <@ k.hours
        where r.state <> 'buyer_cancelled'
    )
    select '退货处理时长', shop_id, day, null, shift, sum(hours), count(*), count(*) from returned group by shop_id, day, shift
    union all
    select '解决率', shop_id, day, agent, shift, count(*) filter (where is_solved), count(*), count(*) from cases where is_due group by shop_id, day, agent, shift
    union all
    select '24小时解决率', shop_id, day, agent, shift, count(*) filter (where is_solved and first_resolved_at <= registered_at + interval '24 hours'), count(*), count(*)
    from cases where coalesce(first_resolved_at, registered_at + interval '24 hours') <= p_now group by shop_id, day, agent, shift
    union all
    select '知识库复用率', s.shop_id, s.day, null, s.shift, count(*) filter (where exists (select from public.solution_uses u where u.ticket_id = s.id)),
        count(*), count(*) from solved s group by s.shop_id, s.day, s.shift
$$;
comment on function private.kpi_of_cases(bigint[], date, date, timestamptz) is
    'Returns by the day they ended (a buyer who changed his mind is no handling); cases by the day they were registered: those whose outcome is due (private.outcome_due_at) or that were solved, and the solved ones (not reopened since); those solved or 24 hours old, and the ones solved within 24 hours; and of those solved on the day, the ones in which a solution was used. The shift is the one at that moment.';

create or replace function private.kpi_of_buyers(p_shops bigint[], p_from date, p_to date)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with gaps as (
        select o.shop_id, (o.paid_at at time zone d.zone)::date as day, b.before, o.paid_at
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select o.shop_id, o.paid_at, o.buyer_account, o.status from public.orders o
            where o.shop_id = d.shop_id and o.paid_at >= d.starts_at and o.paid_at < d.ends_at offset 0) o
        cross join lateral (select max(e.paid_at) as before from public.orders e
            where e.buyer_account = o.buyer_account and e.shop_id = o.shop_id and e.paid_at < o.paid_at and e.status <> 'closed') b
        where o.status <> 'closed' and b.before is not null
    )
    select '复购周期', shop_id, day, null, '(day)', sum(extract(epoch from paid_at - before) / 86400), count(*), count(*) from gaps group by shop_id, day
$$;
comment on function private.kpi_of_buyers(bigint[], date, date) is 'Days between an order and the one before of the same buyer, by the day of the later one.';

create or replace function private.kpi_repeat(p_shops bigint[], p_from date, p_to date)
returns table (shop_id bigint, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    select shop_id, count(*) filter (where orders >= 2), count(*), count(*) from (
        select o.shop_id, o.buyer_account, count(*) as orders
        from private.kpi_days(p_shops, p_from, p_to) d
        cross join lateral (select o.shop_id, o.buyer_account, o.status from public.orders o
            where o.shop_id = d.shop_id and o.paid_at >= d.starts_at and o.paid_at < d.ends_at offset 0) o
        where o.status <> 'closed' and o.buyer_account is not null
        group by o.shop_id, o.buyer_account) b
    group by shop_id
$$;
comment on function private.kpi_repeat(bigint[], date, date) is
    'Buyers (by account) with paid orders in the period, and those with two or more. It cannot be added up from days.';
