-- 59 ---------------------------------------------------------------------------------------- leads: where the funnel leaks
--
-- Of the leads captured in a period: how far they came. One pass over the rows for all groupings. A lead that bought counts as
-- having reached every stage. Shares are for the reader to form from counts: a denominator of 0 is no figure.

create or replace function private.insight_period(p jsonb, p_now timestamptz, out v jsonb, out since timestamptz, out till timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    v := private.as_filter(p);
    since := coalesce((v ->> 'from')::timestamptz, p_now - interval '30 days');
    till := coalesce((v ->> 'to')::timestamptz, p_now + interval '1 minute'); -- what was captured just now counts
    if till <= since or till > since + interval '400 days' then
        perform private.fail('PT422', 'filter.bad');
    end if;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.insight_period(jsonb, timestamptz) is 'The period of a report, the last 30 days unless said, at most 400 days. filter.bad.';

create or replace function private.lead_funnel(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with seen as materialized ( -- one pass over the leads; the groupings below add up its few rows
        select l.source, l.shop_id, l.owner_id, l.grade, (pg_catalog.date_trunc('week', l.captured_at at time zone 'Asia/Shanghai'))::date as week,
            pg_catalog.count(*) as captured, pg_catalog.count(*) filter (where l.owner_id is not null or l.recycled > 0) as assigned,
            pg_catalog.count(*) filter (where l.first_follow_up_at is not null or l.state = 'converted') as followed,
            pg_catalog.count(*) filter (where l.first_contact_at is not null or l.state = 'converted') as contacted,
            pg_catalog.count(*) filter (where l.furthest >= 2 or l.state = 'converted') as discovery,
            pg_catalog.count(*) filter (where l.furthest >= 3 or l.state = 'converted') as objection,
            pg_catalog.count(*) filter (where l.furthest >= 4 or l.state = 'converted') as closing,
            pg_catalog.count(*) filter (where l.state = 'converted') as converted, pg_catalog.count(*) filter (where l.state = 'lost') as lost,
            pg_catalog.sum(l.recycled) as recycled, pg_catalog.count(*) filter (where l.is_first_on_time) as first_on_time,
            pg_catalog.count(*) filter (where not l.is_first_on_time) as first_late,
            pg_catalog.count(*) filter (where l.first_follow_up_at is null and l.closed_at is null and l.due_sort < p_now) as never_followed_late
        from public.leads l
        where l.shop_id = any (p_shops) and l.captured_at >= p_from and l.captured_at < p_to and l.state <> 'merged'
        group by 1, 2, 3, 4, 5
    ), counted as (
        select case grouping(l.source, l.shop_id, l.owner_id, l.grade, l.week) when 31 then 'all' when 15 then 'source' when 23 then 'shop'
                when 27 then 'owner' when 29 then 'grade' else 'week' end as by,
            l.source, l.shop_id, l.owner_id, l.grade, l.week, pg_catalog.sum(l.captured) as captured, pg_catalog.sum(l.assigned) as assigned,
            pg_catalog.sum(l.followed) as followed, pg_catalog.sum(l.contacted) as contacted, pg_catalog.sum(l.discovery) as discovery,
            pg_catalog.sum(l.objection) as objection, pg_catalog.sum(l.closing) as closing, pg_catalog.sum(l.converted) as converted,
            pg_catalog.sum(l.lost) as lost, pg_catalog.sum(l.recycled) as recycled, pg_catalog.sum(l.first_on_time) as first_on_time,
            pg_catalog.sum(l.first_late) as first_late, pg_catalog.sum(l.never_followed_late) as never_followed_late
        from seen l group by grouping sets ((), (l.source), (l.shop_id), (l.owner_id), (l.grade), (l.week))
    )
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(c)) || pg_catalog.jsonb_build_object('name', coalesce(s.name, m.display_name))
        order by c.by, c.week, c.captured desc), '[]')
    from counted c left join public.shops s on s.id = c.shop_id left join public.members m on m.id = c.owner_id
    where c.captured is not null
$$;
comment on function private.lead_funnel(bigint[], timestamptz, timestamptz, timestamptz) is
    'Counts by source, shop, owner (none: the pool), grade, week (Monday, China time) and in all: captured, assigned, followed, contacted, the stages reached, converted, lost, recycled (times), first follow-up in time and late, never followed and overdue.';

create or replace function private.lead_first_contact(p_shops bigint[], p_from timestamptz, p_to timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(g) order by g.grade), '[]') from (
        select l.grade, pg_catalog.count(*) as sample,
            pg_catalog.round((percentile_cont(0.5) within group (order by extract(epoch from l.first_follow_up_at - l.captured_at)) / 3600)::numeric, 1) as median_hours,
            pg_catalog.round((percentile_cont(0.9) within group (order by extract(epoch from l.first_follow_up_at - l.captured_at)) / 3600)::numeric, 1) as slow_hours
        from public.leads l
        where l.shop_id = any (p_shops) and l.captured_at >= p_from and l.captured_at < p_to and l.first_follow_up_at is not null and l.state <> 'merged'
        group by l.grade) g
$$;
comment on function private.lead_first_contact(bigint[], timestamptz, timestamptz) is 'Hours from capture to the first follow-up by grade: median, and what nine of ten stayed below.';

create or replace function private.lead_leaks(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object(
        'lost', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.count desc), '[]') from (
            select l.stage, l.lost_reason as reason, pg_catalog.count(*) as count from public.leads l
            where l.shop_id = any (p_shops) and l.state = 'lost' and l.closed_at >= p_from and l.closed_at < p_to group by 1, 2) x),
        'given_up', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.count desc), '[]') from (
            select o.ended_as, o.member_id, m.display_name as name, pg_catalog.count(*) as count
            from public.lead_owners o join public.members m on m.id = o.member_id
            where o.shop_id = any (p_shops) and o.since < p_to and o.until >= p_from and o.until < p_to and o.ended_as in ('recycled', 'given_back', 'taken_over')
            group by 1, 2, 3) x),
        'waiting', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.stage, x.state), '[]') from (
            select l.stage, l.state, pg_catalog.count(*) as count, pg_catalog.count(*) filter (where l.due_sort < p_now) as overdue
            from public.leads l where l.shop_id = any (p_shops) and l.state in ('pool', 'assigned', 'following') group by 1, 2) x))
$$;
comment on function private.lead_leaks(bigint[], timestamptz, timestamptz, timestamptz) is
    'Where leads go that do not buy: lost by stage and reason, let go by whom and how, and what is open now by stage and state.';

create or replace function private.lead_scripts(p_shops bigint[], p_from timestamptz, p_to timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('script_id', o.script_id, 'title', s.title, 'leads', o.leads, 'converted', o.won)
            order by o.leads desc, o.script_id), '[]')
        from (select * from private.script_outcomes(p_from, p_to, p_shops) x where x.leads > 0 order by x.leads desc limit 50) o
        join public.scripts s on s.id = o.script_id);
end;
$$;

create or replace function public.lead_insight(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_period record;
    v_shops bigint[];
    v_funnel jsonb;
    v_leaks jsonb;
begin
    select * into v_period from private.insight_period(p, v_now);
    v_shops := private.lead_shops(v_period.v);
    v_funnel := private.lead_funnel(v_shops, v_period.since, v_period.till, v_now);
    v_leaks := private.lead_leaks(v_shops, v_period.since, v_period.till, v_now);
    if v_me.role = 'agent' and not private.oversees(v_me) then -- colleagues' figures are not an agent's business
        v_funnel := (select coalesce(pg_catalog.jsonb_agg(f), '[]') from pg_catalog.jsonb_array_elements(v_funnel) f
            where f ->> 'by' <> 'owner' or (f ->> 'owner_id')::bigint = v_me.member_id);
        v_leaks := v_leaks || pg_catalog.jsonb_build_object('given_up', (select coalesce(pg_catalog.jsonb_agg(g), '[]')
            from pg_catalog.jsonb_array_elements(v_leaks -> 'given_up') g where (g ->> 'member_id')::bigint = v_me.member_id));
    end if;
    return pg_catalog.jsonb_build_object('from', v_period.since, 'to', v_period.till, 'funnel', v_funnel, 'leaks', v_leaks,
        'first_contact', private.lead_first_contact(v_shops, v_period.since, v_period.till),
        'scripts', private.lead_scripts(v_shops, v_period.since, v_period.till));
end;
$$;
grant execute on function public.lead_insight(jsonb) to authenticated;
comment on function public.lead_insight(jsonb) is
    'Agents, operations, analysts, managers, admins: {from, to, funnel: [{by all|source|shop|owner|grade|week, …, counts}], first_contact: [{grade, sample, median_hours, slow_hours}], leaks: {lost, given_up, waiting}, scripts: [{script_id, title, leads, converted}]}. p: from, to (30 days until now; at most 400), shop_id. Agents see their own name only. filter.bad.';
