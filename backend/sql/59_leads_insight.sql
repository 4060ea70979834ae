-- 59 ---------------------------------------------------------------------------------------- leads: where the funnel leaks
--
-- Of the leads captured in a period, by whole days of their shops: how far they came, from the sums of 59_leads_days. What
-- waits now is read from the open leads. Shares are for the reader to form from counts: a denominator of 0 is no figure.

create or replace function private.insight_period(p jsonb, p_now timestamptz, out v jsonb, out since date, out till date)
language plpgsql stable set search_path = '' as $$
begin
    v := private.as_filter(p);
    since := (coalesce((v ->> 'from')::timestamptz, p_now - interval '30 days') at time zone 'Asia/Shanghai')::date;
    till := (coalesce((v ->> 'to')::timestamptz, p_now) at time zone 'Asia/Shanghai')::date;
    if till < since or till > since + 400 then
        perform private.fail('PT422', 'filter.bad');
    end if;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.insight_period(jsonb, timestamptz) is 'The days of a report, first and last, in China time: the last 30 days unless said, at most 400. filter.bad.';

create or replace function private.lead_targets(p_shops bigint[])
returns table (shop_id bigint, grade text, measure text, allowance numeric, calendar text)
language sql stable rows 30 set search_path = '' as $$
    select s.id, g.grade, p.measure, p.allowance, c.name
    from pg_catalog.unnest(p_shops) s (id) cross join (values ('A'), ('B'), ('C')) g (grade)
    cross join lateral (select * from private.policies_for(private.lead_policy(g.grade), s.id,
        pg_catalog.jsonb_build_object('grade', g.grade, 'round', 'first')) limit 1) p
    left join public.calendars c on c.id = p.calendar_id
$$;
comment on function private.lead_targets(bigint[]) is
    'How long the first follow-up of a grade may take in each shop by the deadline policy that holds now; variants for a source are left out.';

create or replace function private.lead_groups(p_shops bigint[], p_from date, p_to date, p_now timestamptz) returns setof jsonb
language plpgsql stable set search_path = '' as $$
begin
    return query
    with sums as (
        select d.dim, d.key, d.shop_id, d.day - (extract(isodow from d.day)::integer - 1) as week, d.captured, d.assigned, d.followed, d.contacted,
            d.discovery, d.objection, d.closing, d.converted, d.lost, d.recycled, d.first_on_time, d.first_late, 0::bigint as never_followed_late
        from private.lead_days d
        where d.shop_id = any (p_shops) and d.dim in ('all', 'source', 'owner', 'grade') and d.day between p_from and p_to
        union all
        select c.dim, c.key, l.shop_id, (pg_catalog.date_trunc('week', l.captured_at at time zone s.timezone))::date,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, pg_catalog.count(*)
        from public.leads l join public.shops s on s.id = l.shop_id
        left join private.lead_targets(p_shops) t on t.shop_id = l.shop_id and t.grade = l.grade and t.measure = 'wall'
        cross join lateral (values ('all', ''), ('source', l.source), ('owner', coalesce(l.owner_id, 0)::text), ('grade', l.grade)) c (dim, key)
        where l.shop_id = any (p_shops) and l.state in ('pool', 'assigned', 'following') and l.first_follow_up_at is null
          and (l.due_sort < p_now or l.captured_at < p_now - pg_catalog.make_interval(secs => 60 * t.allowance::double precision)) -- a new owner's new deadline is none for the customer
          and l.captured_at >= p_from::timestamp at time zone s.timezone and l.captured_at < (p_to + 1)::timestamp at time zone s.timezone
        group by 1, 2, 3, 4
    ), grouped as (
        select case when x.dim <> 'all' then x.dim when grouping(x.shop_id) = 0 then 'shop' when grouping(x.week) = 0 then 'week' else 'all' end as by,
            case when x.dim <> 'all' then x.key end as key, case when x.dim = 'all' then x.shop_id end as shop_id,
            case when x.dim = 'all' then x.week end as week, pg_catalog.sum(x.captured) as captured, pg_catalog.sum(x.assigned) as assigned,
            pg_catalog.sum(x.followed) as followed, pg_catalog.sum(x.contacted) as contacted, pg_catalog.sum(x.discovery) as discovery,
            pg_catalog.sum(x.objection) as objection, pg_catalog.sum(x.closing) as closing, pg_catalog.sum(x.converted) as converted,
            pg_catalog.sum(x.lost) as lost, pg_catalog.sum(x.recycled) as recycled, pg_catalog.sum(x.first_on_time) as first_on_time,
            pg_catalog.sum(x.first_late) as first_late, pg_catalog.sum(x.never_followed_late) as never_followed_late
        from sums x group by grouping sets ((x.dim, x.key), (x.dim, x.key, x.shop_id), (x.dim, x.key, x.week))
        having (x.dim = 'all' or (grouping(x.shop_id) = 1 and grouping(x.week) = 1)) and pg_catalog.sum(x.captured) + pg_catalog.sum(x.never_followed_late) > 0
    )
    select pg_catalog.jsonb_strip_nulls((pg_catalog.to_jsonb(g) - 'key') || pg_catalog.jsonb_build_object(
            'source', case g.by when 'source' then g.key end, 'grade', case g.by when 'grade' then g.key end,
            'owner_id', case when g.by = 'owner' then nullif(g.key, '0')::bigint end)) || pg_catalog.jsonb_build_object('name', coalesce(s.name, m.display_name))
    from grouped g left join public.shops s on s.id = g.shop_id
    left join public.members m on g.by = 'owner' and m.id::text = g.key
    order by g.by, g.week, g.captured desc;
end;
$$;
comment on function private.lead_groups(bigint[], date, date, timestamptz) is
    'Counts by source, shop, owner (none: the pool), grade, week (by its Monday) and in all: captured, assigned, followed, contacted, the stages reached, converted, lost, recycled (times), first follow-up in time and late, never followed and past the deadline or the target of the grade.';

create or replace function private.lead_hours(p_shops bigint[], p_from date, p_to date)
returns table (grade text, sample numeric, median_hours numeric, slow_hours numeric)
language sql stable rows 3 set search_path = '' as $$
    with bars as (
        select pg_catalog.split_part(d.key, ':', 1) as grade, pg_catalog.split_part(d.key, ':', 2)::integer as bucket, pg_catalog.sum(d.captured) as n
        from private.lead_days d where d.shop_id = any (p_shops) and d.dim = 'speed' and d.day between p_from and p_to
        group by 1, 2 having pg_catalog.sum(d.captured) > 0
    ), upto as (
        select b.*, pg_catalog.sum(b.n) over (partition by b.grade order by b.bucket) as reached, pg_catalog.sum(b.n) over (partition by b.grade) as sample
        from bars b
    ), marks as (
        select u.grade, u.sample, q.share, pg_catalog.min(private.speed_edge(u.bucket) + (private.speed_edge(u.bucket + 1) - private.speed_edge(u.bucket))
            * (q.share * u.sample - (u.reached - u.n)) / u.n) as hours
        from upto u cross join (values (0.5), (0.9)) q (share) where u.reached >= q.share * u.sample and u.reached - u.n < q.share * u.sample
        group by 1, 2, 3
    )
    select k.grade, k.sample, pg_catalog.round(pg_catalog.max(k.hours) filter (where k.share = 0.5), 1),
        pg_catalog.round(pg_catalog.max(k.hours) filter (where k.share = 0.9), 1)
    from marks k group by k.grade, k.sample
$$;
comment on function private.lead_hours(bigint[], date, date) is
    'Hours from capture to the first follow-up by grade: median, and what nine of ten stayed below, by classes of private.speed_bucket.';

create or replace function private.first_contacts(p_shops bigint[], p_from date, p_to date, p_funnel jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('grade', f.grade, 'sample', coalesce(s.sample, 0), 'median_hours', s.median_hours,
        'slow_hours', s.slow_hours, 'on_time', f.first_on_time, 'late', f.first_late, 'waiting_late', f.never_followed_late,
        'targets', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(t) order by t.measure, t.allowance, t.calendar), '[]')
            from (select distinct a.measure, a.allowance, a.calendar from private.lead_targets(p_shops) a where a.grade = f.grade) t)) order by f.grade), '[]')
    from pg_catalog.jsonb_to_recordset(p_funnel) f (by text, grade text, first_on_time bigint, first_late bigint, never_followed_late bigint)
    left join private.lead_hours(p_shops, p_from, p_to) s on s.grade = f.grade where f.by = 'grade'
$$;
comment on function private.first_contacts(bigint[], date, date, jsonb) is
    'The first follow-up by grade: its targets (several where shops differ), hours, how many in time and late, and how many still wait past the target; the counts are those of lead_groups.';

create or replace function private.lead_leaks(p_shops bigint[], p_from date, p_to date, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (
        with gone as (
            select d.dim, pg_catalog.split_part(d.key, ':', 1) as what, pg_catalog.split_part(d.key, ':', 2) as by, pg_catalog.sum(d.captured) as count
            from private.lead_days d where d.shop_id = any (p_shops) and d.dim in ('lost', 'let_go') and d.day between p_from and p_to
            group by 1, 2, 3 having pg_catalog.sum(d.captured) > 0
        )
        select pg_catalog.jsonb_build_object(
            'lost', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('stage', g.what, 'reason', g.by, 'count', g.count)
                order by g.count desc, g.what, g.by), '[]') from gone g where g.dim = 'lost'),
            'given_up', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('ended_as', g.what, 'member_id', m.id, 'name', m.display_name,
                'count', g.count) order by g.count desc, g.what, m.id), '[]') from gone g join public.members m on m.id::text = g.by where g.dim = 'let_go'),
            'waiting', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.stage, x.state), '[]') from (
                select l.stage, l.state, pg_catalog.count(*) as count, pg_catalog.count(*) filter (where l.due_sort < p_now) as overdue
                from public.leads l where l.shop_id = any (p_shops) and l.state in ('pool', 'assigned', 'following') group by 1, 2) x)));
end;
$$;
comment on function private.lead_leaks(bigint[], date, date, timestamptz) is
    'Where leads go that do not buy: lost by stage and reason, let go by whom and how, and what is open now by stage and state.';

create or replace function private.lead_scripts(p_shops bigint[], p_from date, p_to date) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('script_id', s.id, 'title', s.title, 'leads', o.leads, 'converted', o.won)
            order by o.leads desc, s.id), '[]')
        from (select d.key, pg_catalog.sum(d.captured) filter (where d.dim = 'script') as leads,
                coalesce(pg_catalog.sum(d.captured) filter (where d.dim = 'script_won'), 0) as won
            from private.lead_days d where d.shop_id = any (p_shops) and d.dim in ('script', 'script_won') and d.day between p_from and p_to
            group by d.key having pg_catalog.sum(d.captured) > 0 order by 2 desc limit 50) o
        join public.scripts s on s.id = o.key::bigint);
end;
$$;
comment on function private.lead_scripts(bigint[], date, date) is 'The 50 scripts copied for most of the leads captured in these days, and how many of those leads bought afterwards.';

create or replace function public.lead_insight(p jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_period record;
    v_shops bigint[];
    v_funnel jsonb;
    v_leaks jsonb;
begin
    perform private.fold_leads(1000); -- what was done just now counts
    select * into v_period from private.insight_period(p, v_now);
    v_shops := private.lead_shops(v_period.v);
    v_funnel := (select coalesce(pg_catalog.jsonb_agg(g), '[]') from private.lead_groups(v_shops, v_period.since, v_period.till, v_now) g);
    v_leaks := private.lead_leaks(v_shops, v_period.since, v_period.till, v_now);
    if v_me.role = 'agent' and not private.oversees(v_me) then -- colleagues' figures are not an agent's business
        v_funnel := (select coalesce(pg_catalog.jsonb_agg(f), '[]') from pg_catalog.jsonb_array_elements(v_funnel) f
            where f ->> 'by' <> 'owner' or (f ->> 'owner_id')::bigint = v_me.member_id);
        v_leaks := v_leaks || pg_catalog.jsonb_build_object('given_up', (select coalesce(pg_catalog.jsonb_agg(g), '[]')
            from pg_catalog.jsonb_array_elements(v_leaks -> 'given_up') g where (g ->> 'member_id')::bigint = v_me.member_id));
    end if;
    return pg_catalog.jsonb_build_object('from', v_period.since, 'to', v_period.till, 'funnel', v_funnel, 'leaks', v_leaks,
        'first_contact', private.first_contacts(v_shops, v_period.since, v_period.till, v_funnel),
        'scripts', private.lead_scripts(v_shops, v_period.since, v_period.till));
end;
$$;
grant execute on function public.lead_insight(jsonb) to authenticated;
comment on function public.lead_insight(jsonb) is
    'Agents, operations, analysts, managers, admins: {from, to, funnel: [{by all|source|shop|owner|grade|week, …, counts}], first_contact: [{grade, targets: [{measure, allowance, calendar}], sample, median_hours, slow_hours, on_time, late, waiting_late}], leaks: {lost, given_up, waiting}, scripts: [{script_id, title, leads, converted}]}. p: from, to (whole days, the last 30 unless said; at most 400), shop_id. Agents see their own name only. filter.bad.';
