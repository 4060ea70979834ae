-- 31 ---------------------------------------------------------------------------------------- the clock: counting open time
--
-- Windows are half-open. A deadline is the first instant at which the minutes are used up. Zone maths go through the
-- calendar's own zone and through seconds, never through the zone of the session or of the server.

create or replace function private.day_hours(p_calendar_id bigint, p_first date, p_last date)
returns table (day date, hours int4multirange)
language sql stable set search_path = '' as $$
    with c as (
        select cal.*, (select pg_catalog.min(w) from public.calendar_shifts s, pg_catalog.unnest(s.weekdays) w
                       where s.calendar_id = cal.id) as first_weekday
        from public.calendars cal where cal.id = p_calendar_id
    ), lists as (
        select y.holidays, y.makeup_workdays from public.holiday_years y, c
        where c.follows_holidays and y.year between extract(year from p_first) - 1 and extract(year from p_last) + 1
    ), days as (
        select p_first + n as day,
            exists (select from lists where p_first + n = any (holidays)) as is_holiday,
            exists (select from lists where p_first + n = any (makeup_workdays)) as is_makeup
        from pg_catalog.generate_series(0, p_last - p_first) n
    ), campaigns as (
        select k.starts_at at time zone c.timezone as opens, k.ends_at at time zone c.timezone as closes
        from c join public.campaign_calendars cc on cc.calendar_id = c.id join public.campaigns k on k.id = cc.campaign_id
        where c.kind = 'working'
          and k.ends_at > (p_first::timestamp at time zone c.timezone) and k.starts_at < ((p_last + 1)::timestamp at time zone c.timezone)
    )
    select d.day, coalesce((select pg_catalog.range_agg(pg_catalog.int4range(
            (greatest(extract(epoch from k.opens - d.day::timestamp), 0) / 60)::integer,
            (least(extract(epoch from k.closes - d.day::timestamp), 86400) / 60)::integer))
        from campaigns k where k.opens < (d.day + 1)::timestamp and k.closes > d.day::timestamp), '{}') + case
        when c.kind = 'wall' then '{[0,1440)}'
        when o.hours is not null then o.hours
        when d.is_holiday then '{}'
        else coalesce((select pg_catalog.range_agg(pg_catalog.int4range(s.opens, s.closes))
            from public.calendar_shifts s
            where s.calendar_id = c.id
              and case when d.is_makeup then c.first_weekday else extract(isodow from d.day) end = any (s.weekdays)), '{}')
        end
    from days d cross join c left join public.calendar_days o on o.calendar_id = c.id and o.day = d.day
$$;
comment on function private.day_hours(bigint, date, date) is
    'Hours (minutes from 00:00) of each date: own hours first, then holidays, then shifts; a make-up workday has the hours of the first weekday with any (Monday, as a rule). A campaign adds its time.';

create or replace function private.first_unknown_day(p_calendar_id bigint, p_from date) returns date
language plpgsql stable set search_path = '' as $$
declare
    v_day date := p_from;
begin
    if not exists (select from public.calendars where id = p_calendar_id and follows_holidays) then
        return null;
    end if;
    loop
        if exists (select from public.holiday_years where year = extract(year from v_day)) then
            v_day := pg_catalog.make_date(extract(year from v_day)::integer + 1, 1, 1);
        elsif exists (select from public.calendar_days where calendar_id = p_calendar_id and day = v_day) then
            v_day := v_day + 1;
        else
            return v_day;
        end if;
    end loop;
end;
$$;
comment on function private.first_unknown_day(bigint, date) is
    'The first date from p_from on that no holiday list and no special day covers; null for a calendar that follows no holidays.';

create or replace function private.first_day_needed(p_calendar_id bigint, p_from timestamptz) returns date
language sql stable set search_path = '' as $$
    select (p_from at time zone c.timezone)::date - case when exists (
        select from public.calendar_shifts s where s.calendar_id = c.id and s.closes > 1440) then 1 else 0 end
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.first_day_needed(bigint, timestamptz) is
    'The date to begin with: the day before where shifts reach across midnight.';

create or replace function private.known_windows(p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_unknown date)
returns tstzmultirange
language sql stable set search_path = '' as $$
    select coalesce((
        select pg_catalog.range_agg(pg_catalog.tstzrange(b.opens, b.closes)) * pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, p_to))
        from public.calendars c
        cross join lateral private.day_hours(c.id, (p_from at time zone c.timezone)::date - 1,
            least((p_to at time zone c.timezone)::date, p_unknown - 1)) d
        cross join lateral pg_catalog.unnest(d.hours) w
        cross join lateral (select (d.day + pg_catalog.make_interval(mins => lower(w))) at time zone c.timezone as opens,
            (d.day + pg_catalog.make_interval(mins => upper(w))) at time zone c.timezone as closes) b
        where c.id = p_calendar_id and b.opens < b.closes), '{}')
$$;
comment on function private.known_windows(bigint, timestamptz, timestamptz, date) is
    'Merged open time within [p_from, p_to), from the dates before p_unknown (null: all of them).';

create or replace function private.fail_uncovered(p_calendar_id bigint, p_year integer) returns void
language plpgsql stable set search_path = '' as $$
begin
    perform private.fail('PT422', 'calendar.uncovered', pg_catalog.jsonb_build_object('year', p_year,
        'calendar', (select code from public.calendars where id = p_calendar_id)));
end;
$$;

create or replace function private.open_windows(p_calendar_id bigint, p_from timestamptz, p_to timestamptz)
returns tstzmultirange
language plpgsql stable set search_path = '' as $$
declare
    v_unknown date;
    v_zone text := (select timezone from public.calendars where id = p_calendar_id);
begin
    if p_to <= p_from then
        return '{}';
    end if;
    if p_calendar_id is null then
        return pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, p_to));
    end if;
    v_unknown := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    if v_unknown <= ((p_to - interval '1 microsecond') at time zone v_zone)::date then
        perform private.fail_uncovered(p_calendar_id, extract(year from v_unknown)::integer);
    end if;
    return private.known_windows(p_calendar_id, p_from, p_to, v_unknown);
end;
$$;
comment on function private.open_windows(bigint, timestamptz, timestamptz) is
    'Open time within [p_from, p_to), merged; calendar null: all of it. calendar.uncovered when it needs a year that is not maintained.';

create or replace function private.seconds_of(p_time tstzmultirange) returns numeric
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.sum(extract(epoch from upper(r)) - extract(epoch from lower(r))), 0) from pg_catalog.unnest(p_time) r
$$;

create or replace function private.working_minutes_between(
    p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_pauses tstzmultirange default '{}'
) returns numeric
language sql stable set search_path = '' as $$
    select pg_catalog.trim_scale(pg_catalog.round(
        private.seconds_of(private.open_windows(p_calendar_id, p_from, p_to) - p_pauses) / 60, 9))
$$;
comment on function private.working_minutes_between(bigint, timestamptz, timestamptz, tstzmultirange) is
    'Minutes (to a fraction of a microsecond) that count between two instants, without pauses. calendar.uncovered like open_windows.';

create or replace function private.instant_at(p_time tstzmultirange, p_seconds numeric) returns timestamptz
language sql immutable set search_path = '' as $$
    select upper(w.r) - pg_catalog.make_interval(secs => (w.spent - p_seconds)::double precision)
    from (
        select r, pg_catalog.sum(extract(epoch from upper(r)) - extract(epoch from lower(r))) over (order by lower(r)) as spent
        from pg_catalog.unnest(p_time) r
    ) w
    where w.spent >= p_seconds order by w.spent limit 1
$$;
comment on function private.instant_at(tstzmultirange, numeric) is 'The first instant at which p_seconds of p_time are over; null when there are fewer.';

create or replace function private.add_working_minutes(
    p_calendar_id bigint, p_from timestamptz, p_minutes numeric, p_pauses tstzmultirange default '{}',
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
declare
    v_wall boolean := p_calendar_id is null or exists (select from public.calendars where id = p_calendar_id and kind = 'wall');
    v_zone text := coalesce((select timezone from public.calendars where id = p_calendar_id), 'UTC');
    v_pauses tstzmultirange := p_pauses * pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, 'infinity'));
    v_endless timestamptz := (select lower(r) from pg_catalog.unnest(v_pauses) r where not pg_catalog.isfinite(upper(r)));
    v_unknown date := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    v_seconds numeric := pg_catalog.round(p_minutes * 60, 6); -- minutes are fractions of seconds, rounded: back to whole microseconds
    v_days integer := 2 + pg_catalog.ceil(p_minutes / 720);
    v_to timestamptz;
begin
    loop
        year := extract(year from v_unknown);
        v_to := p_from + pg_catalog.make_interval(hours => 24 * v_days);
        if v_unknown <= (p_from at time zone v_zone)::date then
            problem := 'uncovered';
            return;
        end if;
        due_at := case when v_seconds = 0 then p_from
            when v_wall then private.instant_at(pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, v_to)) - v_pauses, v_seconds)
            else private.instant_at(private.known_windows(p_calendar_id, p_from, v_to, v_unknown) - v_pauses, v_seconds) end;
        problem := case when due_at is not null then null
            when v_endless <= v_to and (v_unknown is null or (v_endless at time zone v_zone)::date < v_unknown) then 'paused'
            when v_unknown <= (v_to at time zone v_zone)::date then 'uncovered'
            when v_days = 22000 then 'never_open' end;
        exit when due_at is not null or problem is not null;
        v_days := least(v_days * 3, 22000);
    end loop;
    year := case when problem = 'uncovered' then year end;
end;
$$;
comment on function private.add_working_minutes(bigint, timestamptz, numeric, tstzmultirange) is
    'The first instant at which p_minutes of open time without pauses are used up (calendar null: wall clock), or the problem: uncovered (with the year), paused (a pause without end), never_open (not within sixty years).';

-- Whole working days --------------------------------------------------------------------------------------------------

create or replace function private.day_end(p_calendar_id bigint, p_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select ((p_at at time zone c.timezone)::date + 1)::timestamp at time zone c.timezone
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.day_end(bigint, timestamptz) is '24:00 of the calendar''s day that holds p_at.';

create or replace function private.day_start(p_calendar_id bigint, p_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select (p_at at time zone c.timezone)::date::timestamp at time zone c.timezone
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.day_start(bigint, timestamptz) is '00:00 of the calendar''s day that holds p_at.';

create or replace function private.whole_days(
    p_calendar_id bigint, p_from timestamptz, p_last date, p_pauses tstzmultirange
) returns table (n bigint, ends_at timestamptz)
language sql stable set search_path = '' as $$
    select pg_catalog.row_number() over (order by b.starts_at), b.ends_at
    from public.calendars c
    cross join lateral private.day_hours(c.id, (p_from at time zone c.timezone)::date, p_last) d
    cross join lateral (select d.day::timestamp at time zone c.timezone as starts_at,
        (d.day + 1)::timestamp at time zone c.timezone as ends_at) b
    where c.id = p_calendar_id and not isempty(d.hours) and b.starts_at >= p_from
      and not p_pauses && pg_catalog.tstzrange(b.starts_at, b.ends_at)
$$;
comment on function private.whole_days(bigint, timestamptz, date, tstzmultirange) is
    'Numbered working days that begin at or after p_from. A day on which the clock stood paused, however short, does not count.';

create or replace function private.add_working_days(
    p_calendar_id bigint, p_from timestamptz, p_days integer, p_pauses tstzmultirange default '{}',
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
declare
    v_first date := (select (p_from at time zone timezone)::date from public.calendars where id = p_calendar_id);
    v_unknown date := private.first_unknown_day(p_calendar_id, v_first);
    v_span integer := p_days * 2 + 14;
begin
    loop
        due_at := case when p_days = 0 then p_from else (
            select d.ends_at from private.whole_days(p_calendar_id, p_from, least(v_first + v_span, v_unknown - 1), p_pauses) d
            where d.n = p_days) end;
        problem := case when due_at is not null then null
            when v_unknown <= v_first + v_span then 'uncovered'
            when v_span = 22000 then 'never_open' end;
        exit when due_at is not null or problem is not null;
        v_span := least(v_span * 3, 22000);
    end loop;
    year := case when problem = 'uncovered' then extract(year from v_unknown) end;
end;
$$;
comment on function private.add_working_days(bigint, timestamptz, integer, tstzmultirange) is
    '24:00 of the p_days-th working day that begins at or after p_from; problems as in add_working_minutes.';

-- Both, by the measure of a policy ------------------------------------------------------------------------------------

create or replace function private.deadline(
    p_measure text, p_calendar_id bigint, p_from timestamptz, p_amount numeric, p_pauses tstzmultirange,
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
begin
    if p_measure = 'workdays' then
        select d.* into due_at, problem, year from private.add_working_days(p_calendar_id, p_from, p_amount::integer, p_pauses) d;
    else
        select d.* into due_at, problem, year from private.add_working_minutes(p_calendar_id, p_from, p_amount, p_pauses) d;
    end if;
end;
$$;
comment on function private.deadline(text, bigint, timestamptz, numeric, tstzmultirange) is
    'When p_amount minutes or working days from p_from are used up.';

create or replace function private.elapsed(
    p_measure text, p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_pauses tstzmultirange
) returns numeric
language plpgsql stable set search_path = '' as $$
declare
    v_unknown date;
    v_last date := (select (p_to at time zone timezone)::date from public.calendars where id = p_calendar_id);
begin
    if p_to <= p_from then
        return 0;
    end if;
    v_unknown := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    if v_unknown <= v_last then
        return null;
    end if;
    if p_measure = 'workdays' then
        return (select pg_catalog.count(*) from private.whole_days(p_calendar_id, p_from, v_last, p_pauses) where ends_at <= p_to);
    end if;
    return private.working_minutes_between(p_calendar_id, p_from, p_to, p_pauses);
end;
$$;
comment on function private.elapsed(text, bigint, timestamptz, timestamptz, tstzmultirange) is
    'Minutes or whole working days used between two instants; null when a year in between is not maintained.';

-- Asking without a clock ----------------------------------------------------------------------------------------------

create or replace function private.calendar_id(p_code text) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint := (select id from public.calendars where code = p_code);
begin
    if v_id is null then
        perform private.fail('PT422', 'calendar.unknown', pg_catalog.jsonb_build_object('calendar', p_code));
    end if;
    return v_id;
end;
$$;
comment on function private.calendar_id(text) is 'The calendar of a code; calendar.unknown.';

create or replace function private.check_start(p_started_at timestamptz) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_started_at is null or extract(year from p_started_at at time zone 'UTC') not between 1970 and 2200 then
        perform private.fail('PT422', 'clock.bad_start', '{"from": 1970, "to": 2200}');
    end if;
end;
$$;

create or replace function private.refuse_problem(p_problem text, p_calendar_id bigint, p_year integer) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p_problem = 'uncovered' then
        perform private.fail_uncovered(p_calendar_id, p_year);
    elsif p_problem = 'never_open' then
        perform private.fail('PT422', 'calendar.never_open', pg_catalog.jsonb_build_object(
            'calendar', (select code from public.calendars where id = p_calendar_id)));
    end if;
end;
$$;

create or replace function public.preview_deadline(
    p_calendar text, p_started_at timestamptz, p_minutes numeric, p_pauses tstzmultirange default '{}'
) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_calendar_id bigint := case when p_calendar is not null then private.calendar_id(p_calendar) end;
    v_answer record;
begin
    perform private.check_start(p_started_at);
    if p_minutes is null or p_minutes not between 0 and 5256000 then
        perform private.fail('PT422', 'clock.bad_minutes', '{"limit": 5256000}');
    end if;
    v_answer := private.add_working_minutes(v_calendar_id, p_started_at, p_minutes, coalesce(p_pauses, '{}'));
    perform private.refuse_problem(v_answer.problem, v_calendar_id, v_answer.year);
    return v_answer.due_at;
end;
$$;
grant execute on function public.preview_deadline(text, timestamptz, numeric, tstzmultirange) to authenticated, service_role;
comment on function public.preview_deadline(text, timestamptz, numeric, tstzmultirange) is
    'Members and commands: when p_minutes are used up on a calendar (null: wall clock), pauses left out; null under a pause without end. calendar.unknown, calendar.uncovered (year), calendar.never_open, clock.bad_start, clock.bad_minutes.';

create or replace function public.preview_workdays(p_calendar text, p_started_at timestamptz, p_days integer) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_calendar_id bigint := private.calendar_id(p_calendar);
    v_answer record;
begin
    perform private.check_start(p_started_at);
    if p_days is null or p_days not between 0 and 3660 then
        perform private.fail('PT422', 'clock.bad_days', '{"limit": 3660}');
    end if;
    v_answer := private.add_working_days(v_calendar_id, private.day_end(v_calendar_id, p_started_at), p_days);
    perform private.refuse_problem(v_answer.problem, v_calendar_id, v_answer.year);
    return v_answer.due_at;
end;
$$;
grant execute on function public.preview_workdays(text, timestamptz, integer) to authenticated, service_role;
comment on function public.preview_workdays(text, timestamptz, integer) is
    'Members and commands: 24:00 of the p_days-th working day after the start day. calendar.unknown, calendar.uncovered (year), calendar.never_open, clock.bad_start, clock.bad_days.';

create or replace function public.calendar_zone(p_calendar text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
begin
    return (select timezone from public.calendars where id = private.calendar_id(p_calendar));
end;
$$;
grant execute on function public.calendar_zone(text) to authenticated, service_role;
comment on function public.calendar_zone(text) is 'Members and commands: the time zone in which a calendar shows its times. calendar.unknown.';
