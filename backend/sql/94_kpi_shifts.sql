-- 94 ---------------------------------------------------------------------------------- KPIs: the shift in which it happened
--
-- A figure is kept by shift where its source says when a thing happened: a talk, a turn, a case. `(off)` is outside all
-- shifts, `(day)` a source that knows the day alone (no name of a shift has brackets). So shifts add up to the day.

create or replace function private.kpi_shifts(p_shops bigint[], p_from date, p_to date)
returns table (shop_id bigint, shift text, hours tstzmultirange)
language sql stable rows 6 set search_path = '' as $$
    with opened as materialized (
        select d.shop_id, c.id as calendar_id, c.timezone as zone,
            private.known_windows(c.id, d.starts_at, d.ends_at + interval '2 days', private.first_unknown_day(c.id, p_from)) as hours,
            (select min(w) from public.calendar_shifts s, unnest(s.weekdays) w where s.calendar_id = c.id) as first_weekday,
            case when c.follows_holidays then array(select unnest(y.makeup_workdays) from public.holiday_years y) else '{}' end as makeups
        from private.kpi_days(p_shops, p_from, p_to) d join public.calendars c on c.id = private.shop_calendar(d.shop_id)
    ), turns as materialized (
        select o.shop_id, s.id, s.name, tstzrange(t.opens, t.closes) as span
        from opened o cross join lateral (select p_from - 1 + n as day from generate_series(0, p_to - p_from + 3) n) d
        join public.calendar_shifts s on s.calendar_id = o.calendar_id
            and case when d.day = any (o.makeups) then o.first_weekday else extract(isodow from d.day) end = any (s.weekdays)
        cross join lateral (select (d.day + make_interval(mins => s.opens)) at time zone o.zone as opens,
            (d.day + make_interval(mins => s.closes)) at time zone o.zone as closes) t
        where t.opens < t.closes
    ), own as (
        select t.shop_id, t.name, tstzmultirange(t.span) - coalesce((select range_agg(l.span) from turns l
            where l.shop_id = t.shop_id and l.span && t.span and (lower(l.span), l.id) > (lower(t.span), t.id)), '{}') as hours
        from turns t
    )
    select w.shop_id, w.name, range_agg(r) * o.hours
    from own w cross join lateral unnest(w.hours) r join opened o using (shop_id) group by w.shop_id, w.name, o.hours
$$;
comment on function private.kpi_shifts(bigint[], date, date) is
    'When each shift of these shops was at work in days and the two after: where two overlap, the one that began later, as private.shift_open says. Closed days have none.';
