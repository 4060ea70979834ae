-- 96 ------------------------------------------------------------------------------------------ KPIs: what the page reads

create or replace function private.kpi_whole_months(p_from date, p_to date) returns date[]
language sql immutable set search_path = '' as $$
    select array(select m::date from generate_series(date_trunc('month', p_from::timestamp), p_to::timestamp, interval '1 month') m
        where m >= p_from and m + interval '1 month' <= p_to + 1)
$$;
comment on function private.kpi_whole_months(date, date) is 'First days of the months that lie in a period from end to end.';

create or replace function private.kpi_step(p_step text, p_day date, p_from date) returns date
language sql immutable set search_path = '' as $$
    select case when p_day >= p_from then case p_step when 'day' then p_day else date_trunc(p_step, p_day::timestamp)::date end end
$$;
comment on function private.kpi_step(text, date, date) is 'The day, week or month of a line in which a day lies; null for days before the line.';

create or replace function private.kpi_sums(p_shops bigint[], p_agents text[], p_shift text, p_from date, p_to date)
returns table (code text, at date, numerator numeric, denominator numeric, sample numeric)
language plpgsql stable set search_path = '' as $$
declare
    v_step text := case when p_to - p_from <= 31 then 'day' when p_to - p_from <= 183 then 'week' else 'month' end;
    v_before date := p_from - (p_to - p_from + 1);
    v_months date[] := private.kpi_whole_months(v_before, p_from - 1)
        || case when v_step = 'month' then private.kpi_whole_months(p_from, p_to) else '{}' end;
    v_days date[] := array(select d::date from generate_series(v_before, p_to, interval '1 day') d where date_trunc('month', d)::date <> all (v_months));
    v_codes text[] := array(select k.code from public.kpis k where k.is_additive);
begin
    return query
    select x.code, x.at, sum(x.numerator), sum(x.denominator), sum(x.sample) from (
        select m.code, case when m.month >= p_from then m.month end as at, m.numerator, m.denominator, m.sample
        from private.kpi_months m
        where m.shop_id = any (p_shops) and m.month = any (v_months) and m.code = any (v_codes) and (p_agents is null or m.agent = any (p_agents))
          and (p_shift is null or m.shift = p_shift)
        union all
        select s.code, private.kpi_step(v_step, s.day, p_from), s.numerator, s.denominator, s.sample
        from private.kpi_snapshots s
        where s.shop_id = any (p_shops) and s.day = any (v_days) and s.code = any (v_codes) and (p_agents is not null or p_shift is not null)
          and (p_agents is null or s.agent = any (p_agents)) and (p_shift is null or s.shift = p_shift)
        union all
        select w.code, private.kpi_step(v_step, w.day, p_from), w.numerator, w.denominator, w.sample
        from private.kpi_whole_days w
        where w.shop_id = any (p_shops) and w.day = any (v_days) and w.code = any (v_codes) and p_agents is null and p_shift is null) x
    group by 1, 2;
end;
$$;
comment on function private.kpi_sums(bigint[], text[], text, date, date) is
    'What is kept of a period and of the one before (at null), in one pass: sums by step, of days up to a month, weeks up to half a year, months beyond. Whole months are read as such.';

create or replace function private.kpi_newest(p_shops bigint[], p_from date, p_to date)
returns table (code text, at date, is_newest boolean, numerator numeric, denominator numeric, sample numeric)
language sql stable set search_path = '' as $$
    with kept as (
        select s.*, s.day = max(s.day) over (partition by s.shop_id, s.code) as newest
        from public.kpis k join private.kpi_snapshots s on s.code = k.code
        where not k.is_additive and s.shop_id = any (p_shops) and s.day between p_from and p_to
    )
    select code, day, false, sum(numerator), sum(denominator), sum(sample) from kept
    where (p_to - day) % greatest((p_to - p_from) / 12, 1) = 0 group by code, day
    union all
    select code, p_to, true, sum(numerator), sum(denominator), sum(sample) from kept where newest group by code
$$;
comment on function private.kpi_newest(bigint[], date, date) is
    'Figures that days do not add up to: some days of the period as points, and the newest of each shop together.';

create or replace function private.kpi_points(p_unit text, p_points jsonb[]) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('at', o.at, 'value', private.kpi_value(p_unit, o.numerator, o.denominator), 'sample', o.sample) order by o.at), '[]')
    from unnest(p_points) x cross join lateral jsonb_to_record(x) as o(at date, numerator numeric, denominator numeric, sample numeric)
$$;
comment on function private.kpi_points(text, jsonb[]) is 'A line of points [{at, value, sample}] from sums {at, numerator, denominator, sample}.';

create or replace function private.kpi_target(p_kpi public.kpis, p_shops bigint[]) returns numeric
language sql stable set search_path = '' as $$
    select coalesce((select (p_kpi.platform_thresholds ->> min(s.platform))::numeric from public.shops s
        where s.id = any (p_shops) having count(distinct s.platform) = 1), p_kpi.threshold)
$$;
comment on function private.kpi_target(public.kpis, bigint[]) is 'The target; that of the platform where all these shops are on one.';

create or replace function private.kpi_tiles(p_shops bigint[], p_agents text[], p_shift text, p_from date, p_to date) returns jsonb
language sql stable set search_path = '' as $$
    with sums as materialized (select * from private.kpi_sums(p_shops, p_agents, p_shift, p_from, p_to)),
    steps as (select * from sums where at is not null),
    newest as materialized (
        select * from private.kpi_newest(p_shops, p_from, p_to) where p_agents is null and p_shift is null
    ), now_sums as (
        select code, sum(numerator) as numerator, sum(denominator) as denominator, sum(sample) as sample from steps group by code
        union all
        select code, numerator, denominator, sample from newest where is_newest
    ), before_sums as (
        select code, numerator, denominator from sums where at is null
        union all
        select n.code, n.numerator, n.denominator
        from private.kpi_newest(p_shops, p_from - (p_to - p_from + 1), p_from - 1) n where p_agents is null and p_shift is null and n.is_newest
    ), daily as materialized (
        select distinct m.code from private.kpi_months m where p_shift is not null and m.shop_id = any (p_shops) and m.shift = '(day)'
          and m.month between date_trunc('month', p_from::timestamp) and p_to
    ), counted as materialized (
        select w.code, max(w.day) as day from private.kpi_whole_days w
        where w.shop_id = any (p_shops) and w.day between greatest(p_from, p_to - 40) and p_to and w.sample > 0 group by w.code
    ), lines as (
        select code, array_agg(to_jsonb(s)) as points from (select * from steps union all
            select code, at, numerator, denominator, sample from newest where not is_newest) s group by code
    )
    select coalesce(jsonb_agg(jsonb_build_object('code', k.code, 'name_en', k.name_en, 'area', k.area, 'unit', k.unit, 'direction', k.direction,
            'version', k.version, 'by_person', k.by_person, 'no_shift', k.no_shift,
            'only_days', n.code is null and k.code in (select d.code from daily d), 'value', v.value, 'before', private.kpi_value(k.unit, b.numerator, b.denominator),
            'numerator', n.numerator, 'denominator', n.denominator, 'sample', coalesce(n.sample, 0), 'target', v.target,
            'is_met', case k.direction when 'up' then v.value >= v.target when 'down' then v.value <= v.target end,
            'missing', case when n.code is null then private.kpi_missing(k.sources, p_shops, p_from, p_to) else '{}' end,
            'counted_to', case when n.sample > 0 then c.day end, 'points', private.kpi_points(k.unit, l.points)) order by k.position), '[]')
    from public.kpis k
    left join now_sums n on n.code = k.code left join before_sums b on b.code = k.code left join lines l on l.code = k.code
    left join counted c on c.code = k.code
    cross join lateral (select private.kpi_value(k.unit, n.numerator, n.denominator) as value, private.kpi_target(k, p_shops) as target) v
    where p_agents is null or k.by_person
$$;
comment on function private.kpi_tiles(bigint[], text[], text, date, date) is
    'Every KPI with its figure of the period (of some agents, of one shift), of the one before, its target and a line of points. counted_to: the newest day of these shops, at most 40 before the end, of which there was anything to count. only_days: none of this shift, but some that know the day alone.';

create or replace function private.kpi_agents(p_shops bigint[], p_from date, p_to date) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(distinct x.agent), '[]') from (
        select m.agent from private.kpi_months m where m.shop_id = any (p_shops) and m.month between p_from and p_to
        union all
        select s.agent from private.kpi_snapshots s where s.shop_id = any (p_shops) and s.day between greatest(p_from, p_to - 31) and p_to) x
    where x.agent <> ''
$$;
comment on function private.kpi_agents(bigint[], date, date) is 'The names on platforms that have figures in a period.';

create or replace function private.kpi_shift_names(p_shops bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(n.name order by n.opens, n.name), '[]') from (
        select s.name, min(s.opens) as opens from public.calendar_shifts s
        where s.calendar_id in (select private.shop_calendar(id) from unnest(p_shops) id) group by s.name) n
$$;
comment on function private.kpi_shift_names(bigint[]) is 'The shifts of these shops by name, in the order of the day.';

create or replace function private.kpi_agents_of(p_shops bigint[], p_member_id bigint) returns text[]
language sql stable set search_path = '' as $$
    select array(select distinct a.agent from private.agent_members(p_shops) a where a.member_id = p_member_id)
$$;
comment on function private.kpi_agents_of(bigint[], bigint) is 'The names that a member has on the platforms of these shops.';

create or replace function private.kpi_ages(p_shops bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('kind', x.kind, 'at', x.at) order by x.kind), '[]') from (
        select u.kind, (select max(i.finished_at) from public.imports i where i.kind = u.kind and i.state = 'done' and i.shop_id = any (p_shops)) as at
        from (select distinct unnest(k.sources) as kind from public.kpis k) u) x
$$;
comment on function private.kpi_ages(bigint[]) is 'When each kind of file that feeds figures last came in for any of these shops, [{kind, at (null: never)}].';

create or replace function public.kpi_screen(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v jsonb := private.as_filter(p);
    v_from date;
    v_to date;
    v_shops bigint[];
    v_member bigint;
    v_agents text[];
begin
    if not private.is_id(coalesce(v ->> 'member_id', '0')) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    v_from := (v ->> 'from')::date;
    v_to := (v ->> 'to')::date;
    perform private.check_kpi_period(v_from, v_to, 1100);
    v_shops := array(select s from private.my_shop_ids() s where v ->> 'shop_id' is null or s = (v ->> 'shop_id')::bigint);
    v_member := case when v_me.role = 'agent' then v_me.member_id else (v ->> 'member_id')::bigint end;
    if v_member is not null then
        v_agents := private.kpi_agents_of(v_shops, v_member);
    elsif v ->> 'agent' is not null then
        v_agents := array[v ->> 'agent'];
    end if;
    return jsonb_build_object('from', v_from, 'to', v_to, 'tiles', private.kpi_tiles(v_shops, v_agents, v ->> 'shift', v_from, v_to),
        'shifts', private.kpi_shift_names(v_shops),
        'agents', case when v_me.role = 'agent' then '[]' else private.kpi_agents(v_shops, v_from, v_to) end,
        'person', (select jsonb_build_object('id', m.id, 'name', m.display_name) from public.members m where m.id = coalesce(v_member,
            (select min(a.member_id) from private.agent_members(v_shops) a where a.agent = v ->> 'agent'))),
        'ages', private.kpi_ages(v_shops),
        'kept_at', (select min(r.made_at) from private.kpi_runs r where r.shop_id = any (v_shops) and r.day between v_from and v_to),
        'waiting', (select count(*) from private.kpi_runs r where r.shop_id = any (v_shops) and r.day between v_from and v_to and r.made_at is null));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.kpi_screen(jsonb) to authenticated;
comment on function public.kpi_screen(jsonb) is
    'The KPI page from what is kept, p {from, to, shop_id, agent | member_id, shift (name, or (off): outside all)}: {from, to, tiles: [{code, value, before, target, is_met, sample, missing, no_shift, only_days, points, …}], shifts, agents, person ({id, name} of whom it is), ages ([{kind, at}]), kept_at (the oldest count), waiting (shop days to count)}. An agent sees himself alone. filter.bad, kpi.period.';

create or replace function public.kpi_rows(
    p_code text, p_from date, p_to date, p_shop_id bigint default null, p_by text default 'day', p_agent text default null, p_shift text default null
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
    v_agents text[] := case when v_me.role = 'agent' then private.kpi_agents_of(v_shops, v_me.member_id)
        when p_agent is not null then array[p_agent] end;
    v_kpi public.kpis;
begin
    perform private.check_kpi_period(p_from, p_to, 1100);
    select * into v_kpi from public.kpis where code = p_code;
    if not found then
        perform private.fail('PT422', 'kpi.unknown', jsonb_build_object('code', left(coalesce(p_code, ''), 40)));
    elsif p_by is null or p_by not in ('day', 'shop', 'person', 'shift') then
        perform private.fail('PT422', 'kpi.by');
    end if;
    return (select coalesce(jsonb_agg(jsonb_build_object('scope', x.scope, 'value', private.kpi_value(v_kpi.unit, x.numerator, x.denominator),
            'numerator', x.numerator, 'denominator', x.denominator, 'sample', x.sample) order by x.scope), '[]')
        from (select private.kpi_scope(p_by, f.shop_id, f.day, f.agent, f.shift) as scope, sum(f.numerator) as numerator, sum(f.denominator) as denominator, sum(f.sample) as sample
            from (select case when p_by in ('shop', 'person') then s.shop_id end as shop_id, case when p_by = 'day' then s.day end as day,
                    case when p_by = 'person' then s.agent end as agent, case when p_by = 'shift' then s.shift end as shift,
                    sum(s.numerator) as numerator, sum(s.denominator) as denominator, sum(s.sample) as sample
                from private.kpi_snapshots s
                where s.shop_id = any (v_shops) and s.code = p_code and s.day between p_from and p_to and (p_by <> 'person' or s.agent <> '')
                  and (v_agents is null or s.agent = any (v_agents)) and (p_shift is null or s.shift = p_shift)
                  and (v_kpi.is_additive or p_by = 'day' or s.day = (select max(x.day) from private.kpi_snapshots x
                      where x.shop_id = s.shop_id and x.code = s.code and x.day between p_from and p_to))
                group by 1, 2, 3, 4) f
            group by 1) x);
end;
$$;
grant execute on function public.kpi_rows(text, date, date, bigint, text, text, text) to authenticated;
comment on function public.kpi_rows(text, date, date, bigint, text, text, text) is
    'One KPI of a period by day, shop, person or shift ((off): outside all, (day): the source knows days alone), of one agent, in one shift, from what is kept: [{scope, value, numerator, denominator, sample}]. An agent gets his own alone. kpi.unknown, kpi.by, kpi.period.';
