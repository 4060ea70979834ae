-- 68 --------------------------------------------------------------------------------- after-sales insight: formulas, the page
--
-- Each formula stands once. Sums before ratios; without a denominator there is no value, never 0 % or 100 %.

create or replace function private.share(p_part numeric, p_whole numeric) returns numeric
language sql immutable set search_path = '' as $$ select pg_catalog.round(p_part / nullif(p_whole, 0), 6) $$;
comment on function private.share(numeric, numeric) is 'Part of a whole, or null.';

create or replace function private.solve_rate(p private.ticket_days) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).solved, (p).due) $$;
comment on function private.solve_rate(private.ticket_days) is
    '解决率 = solved / cases registered in the period whose outcome is due or that were solved (cancelled and merged ones are none): who is in time is not late. Target 95 %.';
create or replace function private.solve_rate_24h(p private.ticket_days) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).solved_24h, (p).due_24h) $$;
comment on function private.solve_rate_24h(private.ticket_days) is '24小时解决率 = solved, for the first time within 24 h of registration / cases solved or at least 24 h old.';
create or replace function private.complaint_rate(p private.ticket_days, p_orders bigint) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).complaint_orders, p_orders) $$;
comment on function private.complaint_rate(private.ticket_days, bigint) is '客诉率 = orders with a complaint (each once) / orders placed in the period.';
create or replace function private.reopen_rate(p private.ticket_days) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).reopened, (p).resolved) $$;
comment on function private.reopen_rate(private.ticket_days) is '重新打开率 = cases opened again / cases that were ever resolved.';
create or replace function private.first_met_rate(p private.ticket_days) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).first_met, (p).first_n) $$;
comment on function private.first_met_rate(private.ticket_days) is 'First contact in time / cases with a first contact.';
create or replace function private.resolve_met_rate(p private.ticket_days) returns numeric
language sql immutable set search_path = '' as $$ select private.share((p).resolve_met, (p).resolve_n) $$;
comment on function private.resolve_met_rate(private.ticket_days) is 'First resolution in time / cases whose resolution was measured.';
create or replace function private.satisfied_share(p_satisfied bigint, p_rated bigint) returns numeric
language sql immutable set search_path = '' as $$ select private.share(p_satisfied, p_rated) $$;
comment on function private.satisfied_share(bigint, bigint) is '满意比 = (非常满意 + 满意) / ratings received; of scores: 4 and 5. Target 95 %.';
create or replace function private.satisfaction_mean(p_total bigint, p_rated bigint) returns numeric
language sql immutable set search_path = '' as $$ select private.share(p_total, p_rated) $$;
comment on function private.satisfaction_mean(bigint, bigint) is '满意度 = sum of scores / scores received, 1 to 5.';

create or replace function private.rates(p private.ticket_days) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('tickets', (p).tickets, 'solved', (p).solved, 'solved_24h', (p).solved_24h,
        'due', (p).due, 'due_24h', (p).due_24h,
        'complaints', (p).complaints, 'complaint_orders', (p).complaint_orders, 'resolved', (p).resolved, 'reopened', (p).reopened,
        'first_n', (p).first_n, 'resolve_n', (p).resolve_n, 'paid', (p).paid, 'cost', (p).cost,
        'solve_rate', private.solve_rate(p), 'solve_rate_24h', private.solve_rate_24h(p), 'reopen_rate', private.reopen_rate(p),
        'first_met_rate', private.first_met_rate(p), 'resolve_met_rate', private.resolve_met_rate(p))
$$;
comment on function private.rates(private.ticket_days) is 'Sums of a group with the figures made of them.';

create or replace function private.ticket_groups(p_shops bigint[], p_from date, p_to date, p_type text)
returns table (grouped text, sums private.ticket_days)
language plpgsql stable rows 200 set search_path = '' as $$
begin
    return query
    select case grouping(d.shop_id, d.type, w.day) when 3 then 'shop' when 5 then 'type' when 6 then 'day' else 'total' end,
        row(coalesce(d.shop_id, 0), 'all', coalesce(w.day, p_from), coalesce(d.type, ''), 0, sum(d.tickets), sum(d.solved), sum(d.solved_24h),
            sum(d.due), sum(d.due_24h), sum(d.complaints), sum(d.complaint_orders), sum(d.resolved), sum(d.reopened), sum(d.first_n), sum(d.first_met), sum(d.resolve_n),
            sum(d.resolve_met), sum(d.paid), sum(d.cost))::private.ticket_days
    from private.ticket_days d cross join lateral (
        select case when p_to - p_from > 62 then d.day - (extract(isodow from d.day)::integer - 1) else d.day end as day) w
    where d.shop_id = any (p_shops) and d.dim = 'all' and d.day >= p_from and d.day <= p_to and (p_type is null or d.type = p_type)
    group by grouping sets ((), (d.shop_id), (d.type), (w.day)) having sum(d.tickets) > 0;
end;
$$;
comment on function private.ticket_groups(bigint[], date, date, text) is
    'Sums over days p_from to p_to: total, by shop, by type and by day (by week, named by its Monday, beyond 62 days), in one reading.';

create or replace function private.ticket_keys(p_shops bigint[], p_from date, p_to date, p_type text, p_dim text) returns setof private.ticket_days
language plpgsql stable rows 100 set search_path = '' as $$
begin
    return query
    select 0::bigint, p_dim, p_from, ''::text, d.key, sum(d.tickets)::bigint, sum(d.solved)::bigint, sum(d.solved_24h)::bigint, sum(d.due)::bigint,
        sum(d.due_24h)::bigint, sum(d.complaints)::bigint,
        sum(d.complaint_orders)::bigint, sum(d.resolved)::bigint, sum(d.reopened)::bigint, sum(d.first_n)::bigint, sum(d.first_met)::bigint,
        sum(d.resolve_n)::bigint, sum(d.resolve_met)::bigint, sum(d.paid)::bigint, sum(d.cost)::numeric(16, 2)
    from private.ticket_days d
    where d.shop_id = any (p_shops) and d.dim = p_dim and d.day >= p_from and d.day <= p_to and (p_type is null or d.type = p_type)
    group by d.key having sum(d.tickets) > 0;
end;
$$;
comment on function private.ticket_keys(bigint[], date, date, text, text) is 'Sums over days p_from to p_to by person, cause or bar of a histogram (p_dim).';

create or replace function private.orders_placed(p_shops bigint[], p_from date, p_to date) returns table (shop_id bigint, orders bigint)
language sql stable set search_path = '' as $$
    select s.id, n.n from public.shops s cross join lateral (
        select count(*) as n from public.orders o where o.shop_id = s.id
          and o.placed_at >= p_from::timestamp at time zone s.timezone and o.placed_at < (p_to + 1)::timestamp at time zone s.timezone) n
    where s.id = any (p_shops)
$$;

create or replace function private.insight_filter(p_me private.actor, p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.as_filter(p);
    v_from date;
    v_to date;
begin
    if v ->> 'shop_id' is not null then
        perform private.require_shop(p_me, (v ->> 'shop_id')::bigint);
    end if;
    v_from := (v ->> 'from')::date;
    v_to := (v ->> 'to')::date;
    if v_from is null or v_to is null or v_to < v_from or v_to > v_from + 400
        or (v ->> 'type' is not null and v ->> 'type' !~ '^[a-z_]{1,30}$') then
        raise data_exception;
    end if;
    return v;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.insight_filter(private.actor, jsonb) is 'Filter {from, to (days, at most 400), shop_id, type}. filter.bad, shop.none.';

create or replace function private.ticket_targets(p_shops bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_object_agg(x.code, x.minutes), '{}') from (
        select p.code, case when count(distinct p.allowance) = 1 then min(p.allowance) end as minutes
        from pg_catalog.unnest(p_shops) s (id), pg_catalog.unnest(array['ticket_first', 'ticket_resolve']) c (code)
        cross join lateral (select q.code, q.allowance from private.policies_for(c.code, s.id, '{}') q limit 1) p group by p.code) x
$$;
comment on function private.ticket_targets(bigint[]) is 'Allowed minutes of first contact and resolution, where these shops agree on them.';

create or replace function private.bars(p_shops bigint[], p_from date, p_to date, p_type text, p_dim text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_object_agg(s.key, s.tickets), '{}') from private.ticket_keys(p_shops, p_from, p_to, p_type, p_dim) s
$$;

create or replace function private.insight_groups(p_shops bigint[], p_from date, p_to date, p_type text) returns jsonb
language sql stable set search_path = '' as $$
    with g as materialized (
        select x.grouped, x.sums from private.ticket_groups(p_shops, p_from, p_to, p_type) x
    ), o as materialized (
        select * from private.orders_placed(p_shops, p_from, p_to)
    ), whole as (
        select sum(o.orders)::bigint as orders from o
    )
    select pg_catalog.jsonb_build_object(
        'total', coalesce((select private.rates(g.sums) || pg_catalog.jsonb_build_object('orders', w.orders,
            'complaint_rate', private.complaint_rate(g.sums, w.orders)) from g, whole w where g.grouped = 'total'), '{"tickets": 0}'),
        'by_shop', (select coalesce(pg_catalog.jsonb_agg(private.rates(g.sums) || pg_catalog.jsonb_build_object('shop_id', h.id, 'name', h.name,
                'orders', o.orders, 'complaint_rate', private.complaint_rate(g.sums, o.orders)) order by (g.sums).tickets desc, h.id), '[]')
            from g join public.shops h on h.id = (g.sums).shop_id join o on o.shop_id = h.id where g.grouped = 'shop'),
        'by_type', (select coalesce(pg_catalog.jsonb_agg(private.rates(g.sums) || pg_catalog.jsonb_build_object('type', (g.sums).type)
            order by (g.sums).tickets desc, (g.sums).type), '[]') from g where g.grouped = 'type'),
        'trend', (select coalesce(pg_catalog.jsonb_agg(private.rates(g.sums) || pg_catalog.jsonb_build_object('day', (g.sums).day)
            order by (g.sums).day), '[]') from g where g.grouped = 'day'),
        'causes', (select coalesce(pg_catalog.jsonb_agg(private.rates(s) || pg_catalog.jsonb_build_object('root_cause_id', nullif(s.key, 0),
                'name', c.name, 'parent', u.name) order by (s).tickets desc, s.key), '[]')
            from private.ticket_keys(p_shops, p_from, p_to, p_type, 'cause') s
            left join public.root_causes c on c.id = s.key left join public.root_causes u on u.id = c.parent_id),
        'first', private.bars(p_shops, p_from, p_to, p_type, 'first'), 'resolve', private.bars(p_shops, p_from, p_to, p_type, 'resolve'))
$$;

create or replace function private.insight_people(p_shops bigint[], p_from date, p_to date, p_type text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(private.rates(s) || pg_catalog.jsonb_build_object('member_id', nullif(s.key, 0), 'name', m.display_name)
        order by (s).tickets desc, s.key), '[]')
    from private.ticket_keys(p_shops, p_from, p_to, p_type, 'person') s left join public.members m on m.id = s.key
$$;

create or replace function public.ticket_insight(p jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.insight_filter(v_me, p);
    v_shops bigint[] := private.filter_shops(v);
    v_from date := (v ->> 'from')::date;
    v_to date := (v ->> 'to')::date;
    v_people boolean := v_me.role <> 'agent';
begin
    perform private.fold_tickets(1000);
    return private.insight_groups(v_shops, v_from, v_to, v ->> 'type') || pg_catalog.jsonb_build_object('from', v_from, 'to', v_to,
        'sees_people', v_people, 'targets', private.ticket_targets(v_shops),
        'waiting', (select count(*) from (select from private.ticket_changes limit 1001) x),
        'before', coalesce((select private.rates(g.sums) from private.ticket_groups(v_shops, v_from - (v_to - v_from + 1), v_from - 1, v ->> 'type') g
            where g.grouped = 'total'), '{"tickets": 0}'),
        'by_person', case when v_people then private.insight_people(v_shops, v_from, v_to, v ->> 'type') end);
end;
$$;
grant execute on function public.ticket_insight(jsonb) to authenticated;
comment on function public.ticket_insight(jsonb) is
    'Operations, analysts, managers, admins; agents without by_person: after-sales figures of cases registered on days from–to {from, to, shop_id, type}: {total, before (as many days earlier), by_shop, by_type, by_person, causes, trend (by week beyond 62 days), first and resolve {bar: n}, targets {ticket_first, ticket_resolve: minutes}, waiting (changes not counted yet)}. Counts what changed first, at most 1,000. filter.bad, shop.none.';

-- Satisfaction ----------------------------------------------------------------------------------------------------------

create or replace function public.satisfaction_figures(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.insight_filter(v_me, p);
    v_shops bigint[] := private.filter_shops(v);
begin
    return (with zone as (
            select s.id, (v ->> 'from')::date::timestamp at time zone s.timezone as since, ((v ->> 'to')::date + 1)::timestamp at time zone s.timezone as until
            from public.shops s where s.id = any (v_shops)
        ), ended as materialized (
            select s.kind, s.state, s.score, s.answered_as, s.answered_by = s.handler_id as is_own
            from zone z join public.surveys s on s.shop_id = z.id and s.ended_at >= z.since and s.ended_at < z.until
            where s.state in ('answered', 'unanswered')
        ), rated as materialized (
            select r.rating, r.level from zone z join public.ratings r on r.shop_id = z.id and r.rated_at >= z.since and r.rated_at < z.until
        )
        select pg_catalog.jsonb_build_object(
            'surveys', (select coalesce(pg_catalog.jsonb_object_agg(x.kind, pg_catalog.to_jsonb(x) - 'kind'), '{}') from (
                select kind, count(*) as asked, count(score) as answered, private.share(count(score), count(*)) as answer_rate,
                    private.satisfaction_mean(sum(score), count(score)) as mean,
                    private.satisfied_share(count(*) filter (where score >= 4), count(score)) as satisfied,
                    count(*) filter (where answered_as = 'link') as by_link, count(*) filter (where is_own) as by_handler,
                    pg_catalog.jsonb_build_object('1', count(*) filter (where score = 1), '2', count(*) filter (where score = 2), '3', count(*) filter (where score = 3),
                        '4', count(*) filter (where score = 4), '5', count(*) filter (where score = 5)) as scores
                from ended group by kind) x),
            'ratings', (select pg_catalog.jsonb_build_object('rated', count(rating), 'mean', private.satisfaction_mean(sum(rating), count(rating)),
                    'graded', count(level), 'satisfied', private.satisfied_share(count(*) filter (where level in ('very_satisfied', 'satisfied')), count(level)))
                from rated)));
end;
$$;
grant execute on function public.satisfaction_figures(jsonb) to authenticated;
comment on function public.satisfaction_figures(jsonb) is
    'Everybody but the warehouse: surveys that ended on days from–to {from, to, shop_id}, by kind {asked, answered, answer_rate, mean, satisfied (4 and 5), by_link, by_handler (typed by whose work it is), scores}, and platform ratings {rated, mean, graded, satisfied}. filter.bad, shop.none.';
