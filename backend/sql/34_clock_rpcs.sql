-- 34 ----------------------------------------------------------------------------------------- the clock: what members call

-- Why is this the deadline? --------------------------------------------------------------------------------------------------

create or replace function private.clock_windows(p_clock public.sla_clocks, p_from timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with span as (
        select case when isempty(s.r) then '{}'::tstzmultirange
            when p_clock.calendar_id is null then pg_catalog.tstzmultirange(s.r)
            else private.known_windows(p_clock.calendar_id, lower(s.r), upper(s.r), private.first_unknown_day(p_clock.calendar_id,
                private.first_day_needed(p_clock.calendar_id, lower(s.r)))) end - p_clock.pauses as open
        from (select pg_catalog.tstzrange(p_from, greatest(p_from,
            coalesce(p_clock.due_at, p_clock.paused_at, p_clock.stopped_at, p_now))) as r) s
    )
    select pg_catalog.jsonb_build_object(
        'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(open) / 60, 3)),
        'windows', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(w.r), 'to', upper(w.r),
                'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(pg_catalog.tstzmultirange(w.r)) / 60, 3)))
                order by w.r)
            from pg_catalog.unnest(open) with ordinality w (r, n) where w.n <= 60), '[]'),
        'windows_count', (select pg_catalog.count(*) from pg_catalog.unnest(open)))
    from span
$$;
comment on function private.clock_windows(public.sla_clocks, timestamptz, timestamptz) is
    'Open time that counted from p_from to the deadline (or to where the clock stands): the first sixty windows, their number, all minutes.';

create or replace function private.clock_pauses(p_clock public.sla_clocks) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(p.r),
        'to', case when pg_catalog.isfinite(upper(p.r)) then upper(p.r) end,
        'reason', coalesce((select pg_catalog.string_agg(distinct e.reason, '; ') from public.sla_clock_events e
            where e.clock_id = p_clock.id and e.kind = 'paused' and p.r @> e.at), '')) order by p.r), '[]')
    from pg_catalog.unnest(p_clock.pauses + case when p_clock.paused_at is null then '{}'::tstzmultirange
        else pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_clock.paused_at, 'infinity')) end) p (r)
$$;
comment on function private.clock_pauses(public.sla_clocks) is 'Pauses with their reasons; a pause that lasts has no end.';

create or replace function public.explain_clock(p_clock_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_now timestamptz := private.now();
    v public.sla_clocks;
    v_from timestamptz;
begin
    select * into v from public.sla_clocks where id = p_clock_id;
    if not found or (v_me.role <> 'system' and v.shop_id not in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'clock.none');
    end if;
    v_from := case when exists (select from public.sla_clock_events where clock_id = v.id
            and kind in ('reopened', 'retargeted', 'recalculated', 'merged')) then v.counted_from else v.started_at end;
    return pg_catalog.jsonb_build_object('id', v.id, 'entity', v.entity, 'entity_id', v.entity_id, 'target', v.target,
        'instance', v.instance, 'state', v.state, 'started_at', v.started_at, 'due_at', v.due_at, 'stopped_at', v.stopped_at,
        'breached_at', v.breached_at, 'policy', v.policy -> 'name', 'measure', v.measure, 'allowance', v.allowance,
        'used_before', case when v_from = v.counted_from then v.used else 0 end,
        'counted_from', v_from,
        'timezone', coalesce((select timezone from public.calendars where id = v.calendar_id),
            (select timezone from public.shops where id = v.shop_id)),
        'calendar', (select name from public.calendars where id = v.calendar_id),
        'pauses', private.clock_pauses(v)) || private.clock_windows(v, v_from, v_now);
end;
$$;
grant execute on function public.explain_clock(bigint) to authenticated, service_role;
comment on function public.explain_clock(bigint) is
    'Members of the shop: 为什么是这个时间？ What counted towards a deadline: policy, time used before, windows, pauses with reasons. clock.none.';

-- Calendars: a year's list, and a date with its own hours ---------------------------------------------------------------------

create or replace function private.dates_of(p_list jsonb, p_key text) returns date[]
language plpgsql stable set search_path = '' as $$
begin
    if pg_catalog.jsonb_typeof(p_list -> p_key) = 'array' then
        return array(select distinct d::date from pg_catalog.jsonb_array_elements_text(p_list -> p_key) d order by 1);
    end if;
    raise data_exception;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_list', pg_catalog.jsonb_build_object('field', p_key));
end;
$$;
comment on function private.dates_of(jsonb, text) is 'A list of dates out of a year''s list; calendar.bad_list.';

create or replace function private.checked_list(p_list jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    if coalesce(p_list ->> 'year', '') !~ '^2[01][0-9]{2}$' then
        perform private.fail('PT422', 'calendar.bad_list', '{"field": "year"}');
    end if;
    return p_list;
end;
$$;
comment on function private.checked_list(jsonb) is 'A year''s list that names its year; calendar.bad_list.';

create or replace function private.store_holiday_year(p_list jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_year integer;
begin
    insert into public.holiday_years (year, holidays, makeup_workdays, source, updated_at)
    values ((p_list ->> 'year')::integer, private.dates_of(p_list, 'holidays'), private.dates_of(p_list, 'makeup_workdays'),
        coalesce(p_list ->> 'source', ''), private.now())
    on conflict (year) do update set holidays = excluded.holidays, makeup_workdays = excluded.makeup_workdays,
        source = excluded.source, updated_at = excluded.updated_at
    returning year into v_year;
    return v_year;
exception when check_violation then
    perform private.fail('PT422', 'calendar.bad_list', pg_catalog.jsonb_build_object('field', 'year'));
end;
$$;

create or replace function private.first_day_of_list(p_list jsonb) returns date
language sql stable set search_path = '' as $$
    select pg_catalog.min(d) from (
        select pg_catalog.make_date((p_list ->> 'year')::integer, 1, 1)
        union all select pg_catalog.unnest(private.dates_of(p_list, 'holidays') || private.dates_of(p_list, 'makeup_workdays'))
        union all select pg_catalog.unnest(holidays || makeup_workdays) from public.holiday_years
        where year = (p_list ->> 'year')::integer) as dates (d)
$$;
comment on function private.first_day_of_list(jsonb) is 'The first date that a year''s list, or the one it replaces, can change.';

create or replace function public.import_holiday_year(p_list jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_list jsonb := private.as_json(p_list);
    v_answer jsonb := private.begin_request(p_request_id, 'import_holiday_year', v_list);
    v_year integer;
    v_since date;
    v_moved integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_since := private.first_day_of_list(private.checked_list(v_list));
    perform private.settle_calendar_clocks(id, private.day_instant(id, v_since), v_now)
    from public.calendars where follows_holidays;
    v_year := private.store_holiday_year(v_list);
    select coalesce(pg_catalog.sum(private.recalculate_clocks(id, private.day_instant(id, v_since),
        '{running,scheduled,uncovered}', v_now, v_me.member_id)), 0)
    into v_moved from public.calendars where follows_holidays;
    perform private.audit(v_me, null, 'holiday_year', v_year, 'imported', v_list);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('year', v_year, 'moved', v_moved));
end;
$$;
grant execute on function public.import_holiday_year(jsonb, uuid) to authenticated, service_role;
comment on function public.import_holiday_year(jsonb, uuid) is
    'Manager, admin: the national list of a year, {year, holidays: [date], makeup_workdays: [date], source}; replaces what was there. Answers {year, moved}: deadlines that changed or were waiting for it. calendar.bad_list.';

create or replace function private.hours_of(p_hours jsonb) returns int4multirange
language plpgsql immutable set search_path = '' as $$
begin
    return coalesce((select pg_catalog.range_agg(pg_catalog.int4range((h ->> 0)::integer, (h ->> 1)::integer))
        from pg_catalog.jsonb_array_elements(p_hours) h), '{}');
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_hours');
end;
$$;
comment on function private.hours_of(jsonb) is 'Minutes [[480, 1440]] as a multirange, [] is closed; calendar.bad_hours.';

create or replace function private.store_calendar_day(p_calendar_id bigint, p_day date, p_hours jsonb, p_note text) returns void
language plpgsql set search_path = '' as $$
begin
    if p_hours is null or pg_catalog.jsonb_typeof(p_hours) = 'null' then
        delete from public.calendar_days where calendar_id = p_calendar_id and day = p_day;
        return;
    end if;
    insert into public.calendar_days (calendar_id, day, hours, note)
    values (p_calendar_id, p_day, private.hours_of(p_hours), coalesce(p_note, ''))
    on conflict (calendar_id, day) do update set hours = excluded.hours, note = excluded.note;
exception when check_violation or not_null_violation then
    perform private.fail('PT422', 'calendar.bad_hours');
end;
$$;

create or replace function public.set_calendar_day(
    p_calendar text, p_day date, p_hours jsonb, p_note text, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_hours jsonb := private.as_json(p_hours);
    v_calendar_id bigint := private.calendar_id(p_calendar);
    v_answer jsonb := private.begin_request(p_request_id, 'set_calendar_day',
        pg_catalog.jsonb_build_array(p_calendar, p_day, v_hours, p_note));
    v_since timestamptz;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_since := private.day_instant(v_calendar_id, p_day);
    perform private.settle_calendar_clocks(v_calendar_id, v_since, v_now);
    perform private.store_calendar_day(v_calendar_id, p_day, v_hours, p_note);
    v_answer := pg_catalog.jsonb_build_object('moved',
        private.recalculate_clocks(v_calendar_id, v_since, '{running,scheduled,uncovered}', v_now, v_me.member_id));
    perform private.audit(v_me, null, 'calendar', v_calendar_id, 'day_set',
        pg_catalog.jsonb_build_object('day', p_day, 'hours', v_hours, 'note', p_note));
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.set_calendar_day(text, date, jsonb, text, uuid) to authenticated, service_role;
comment on function public.set_calendar_day(text, date, jsonb, text, uuid) is
    'Manager, admin: own hours [[480, 1440]] of one date ([]: closed; null: as usual again). Answers {moved}: running deadlines that changed. calendar.unknown, calendar.bad_hours.';
