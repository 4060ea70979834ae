-- 36 --------------------------------------------------------------------------------------- calendars: how they change
--
-- A change is made by one private function each, which writes down time used so far, changes the calendar, and gives new
-- deadlines. The public function adds the request; the preview tries the same function and takes everything back.

do $$
begin
    if not exists (select from private.schema_steps where step = '36.1 shifts and shops for the rota') then
        alter table public.calendar_shifts add column if not exists min_staff smallint not null default 0
            constraint calendar_shifts_min_staff_range check (min_staff between 0 and 500);
        alter table public.shops add column if not exists calendar_id bigint references public.calendars;
        insert into private.schema_steps (step) values ('36.1 shifts and shops for the rota');
    end if;
end;
$$;
create index if not exists shops_calendar_id_idx on public.shops (calendar_id) where calendar_id is not null;
comment on column public.calendar_shifts.min_staff is 'Fewer people than this on a day of the rota is a warning; 0: none is asked for.';
comment on column public.shops.calendar_id is 'The shifts of the shop, in its time zone; null: those of the calendar all.';

-- Changes -------------------------------------------------------------------------------------------------------------

create or replace function private.settle_calendars(p_ids bigint[], p_since timestamptz, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.settle_calendar_clocks(i, p_since, p_now) from pg_catalog.unnest(p_ids) i
$$;
comment on function private.settle_calendars(bigint[], timestamptz, timestamptz) is 'settle_calendar_clocks for several calendars.';

create or replace function private.recalculate_calendars(p_ids bigint[], p_since timestamptz, p_now timestamptz, p_actor bigint)
returns integer
language sql set search_path = '' as $$
    select coalesce(pg_catalog.sum(private.recalculate_clocks(i, p_since, '{running,scheduled,uncovered}', p_now, p_actor)), 0)::integer
    from pg_catalog.unnest(p_ids) i
$$;
comment on function private.recalculate_calendars(bigint[], timestamptz, timestamptz, bigint) is
    'recalculate_clocks for several calendars: how many open deadlines changed.';

-- A year's list -------------------------------------------------------------------------------------------------------

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

create or replace function private.change_year(p_me private.actor, p_list jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_since date := private.first_day_of_list(private.checked_list(p_list));
    v_year integer;
    v_moved integer;
begin
    perform private.settle_calendar_clocks(id, private.day_instant(id, v_since), p_now)
    from public.calendars where follows_holidays;
    v_year := private.store_holiday_year(p_list);
    select coalesce(pg_catalog.sum(private.recalculate_clocks(id, private.day_instant(id, v_since),
        '{running,scheduled,uncovered}', p_now, (p_me).member_id)), 0)
    into v_moved from public.calendars where follows_holidays;
    perform private.audit(p_me, null, 'holiday_year', v_year, 'imported', p_list);
    return pg_catalog.jsonb_build_object('year', v_year, 'moved', v_moved);
end;
$$;

create or replace function public.import_holiday_year(p_list jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_list jsonb := private.as_json(p_list);
    v_answer jsonb := private.begin_request(p_request_id, 'import_holiday_year', v_list);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_year(v_me, v_list, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.import_holiday_year(jsonb, uuid) to authenticated, service_role;
comment on function public.import_holiday_year(jsonb, uuid) is
    'Manager, admin: the national list of a year, {year, holidays: [date], makeup_workdays: [date], source}; replaces what was there. Answers {year, moved}: deadlines that changed or were waiting for it. calendar.bad_list.';

-- A date with its own hours -------------------------------------------------------------------------------------------

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

create or replace function private.change_day(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_id bigint := private.calendar_id(p_change ->> 'calendar');
    v_day date := private.day_of(p_change ->> 'day');
    v_since timestamptz := private.day_instant(v_id, v_day);
    v_moved integer;
begin
    perform private.settle_calendar_clocks(v_id, v_since, p_now);
    perform private.store_calendar_day(v_id, v_day, p_change -> 'hours', p_change ->> 'note');
    v_moved := private.recalculate_calendars(array[v_id], v_since, p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'calendar', v_id, 'day_set', p_change - 'calendar');
    return pg_catalog.jsonb_build_object('moved', v_moved);
end;
$$;

create or replace function private.day_of(p_text text) returns date
language plpgsql immutable set search_path = '' as $$
begin
    if p_text ~ '^2[0-9]{3}-[0-9]{2}-[0-9]{2}$' then
        return pg_catalog.to_date(p_text, 'YYYY-MM-DD');
    end if;
    raise data_exception;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_day');
end;
$$;
comment on function private.day_of(text) is 'A date 2026-11-22; calendar.bad_day.';

create or replace function public.set_calendar_day(
    p_calendar text, p_day date, p_hours jsonb, p_note text, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := pg_catalog.jsonb_build_object('calendar', p_calendar, 'day', p_day, 'hours', private.as_json(p_hours),
        'note', p_note);
    v_answer jsonb := private.begin_request(p_request_id, 'set_calendar_day', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_day(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.set_calendar_day(text, date, jsonb, text, uuid) to authenticated, service_role;
comment on function public.set_calendar_day(text, date, jsonb, text, uuid) is
    'Manager, admin: own hours [[480, 1440]] of one date ([]: closed; null: as usual again). Answers {moved}: running deadlines that changed. calendar.unknown, calendar.bad_hours, calendar.bad_day.';

-- A calendar and its shifts -------------------------------------------------------------------------------------------

create or replace function private.shift_span(p_shift_id bigint, p_day date, out starts_at timestamptz, out ends_at timestamptz)
language sql stable set search_path = '' as $$
    select (p_day + pg_catalog.make_interval(mins => s.opens)) at time zone c.timezone,
        (p_day + pg_catalog.make_interval(mins => s.closes)) at time zone c.timezone
    from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id where s.id = p_shift_id
$$;
comment on function private.shift_span(bigint, date) is 'Begin and end of a shift that begins on a date, in the zone of its calendar.';

create or replace function private.wanted_shifts(p_shifts jsonb)
returns table (id bigint, name text, weekdays smallint[], opens smallint, closes smallint, min_staff smallint)
language plpgsql immutable set search_path = '' as $$
begin
    if coalesce(pg_catalog.jsonb_typeof(p_shifts), 'null') <> 'array' or pg_catalog.jsonb_array_length(p_shifts) > 20 then
        perform private.fail('PT422', 'calendar.bad_shift', '{"shift": ""}');
    end if;
    return query select (s ->> 'id')::bigint, pg_catalog.btrim(coalesce(s ->> 'name', '')),
        array(select distinct w::smallint from pg_catalog.jsonb_array_elements_text(s -> 'weekdays') w order by 1),
        (s ->> 'opens')::smallint, (s ->> 'closes')::smallint, coalesce((s ->> 'min_staff')::smallint, 0::smallint)
        from pg_catalog.jsonb_array_elements(p_shifts) s;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_shift', '{"shift": ""}');
end;
$$;
comment on function private.wanted_shifts(jsonb) is 'Shifts [{id, name, weekdays, opens, closes, min_staff}] of a request; calendar.bad_shift.';

create or replace function private.check_shifts(p_calendar_id bigint, p_shifts jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_bad text;
begin
    if not exists (select from private.wanted_shifts(p_shifts)) then
        perform private.fail('PT422', 'calendar.no_shift');
    end if;
    select s.name into v_bad from (
        select w.*, pg_catalog.count(*) over (partition by pg_catalog.lower(w.name)) as namesakes from private.wanted_shifts(p_shifts) w) s
    where s.name !~ '^[^+()（）]{1,20}$' or s.namesakes > 1
       or s.weekdays = '{}' or not s.weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]
       or not coalesce(s.opens between 0 and 1439 and s.closes > s.opens and s.closes <= s.opens + 1440, false)
       or s.min_staff not between 0 and 500
       or (s.id is not null and not exists (
           select from public.calendar_shifts o where o.id = s.id and o.calendar_id = p_calendar_id))
    limit 1;
    if found then
        perform private.fail('PT422', 'calendar.bad_shift', pg_catalog.jsonb_build_object('shift', v_bad));
    end if;
end;
$$;
comment on function private.check_shifts(bigint, jsonb) is
    'At least one shift, each with hours, weekdays and a name of its own (without + and brackets, which the rota needs). calendar.no_shift, calendar.bad_shift.';

create or replace function private.refuse_planned_shift(p_calendar_id bigint, p_shifts jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_shift text;
    v_count integer;
begin
    select s.name, pg_catalog.count(*) into v_shift, v_count
    from public.calendar_shifts s join public.rota_entries e on e.shift_id = s.id and e.ends_at > p_now
    where s.calendar_id = p_calendar_id and s.id not in (select w.id from private.wanted_shifts(p_shifts) w where w.id is not null)
    group by s.id, s.name order by s.id limit 1;
    if found then
        perform private.fail('PT409', 'calendar.shift_planned', pg_catalog.jsonb_build_object('shift', v_shift, 'count', v_count));
    end if;
end;
$$;
comment on function private.refuse_planned_shift(bigint, jsonb, timestamptz) is
    'A shift for which people are still planned is not taken away: calendar.shift_planned.';

create or replace function private.store_shifts(p_calendar_id bigint, p_shifts jsonb, p_now timestamptz) returns void
language sql set search_path = '' as $$
    delete from public.calendar_shifts s where s.calendar_id = p_calendar_id
        and s.id not in (select w.id from private.wanted_shifts(p_shifts) w where w.id is not null);
    update public.calendar_shifts s set name = w.name, weekdays = w.weekdays, opens = w.opens, closes = w.closes, min_staff = w.min_staff
    from private.wanted_shifts(p_shifts) w
    where s.id = w.id and (s.name, s.weekdays, s.opens, s.closes, s.min_staff)
        is distinct from (w.name, w.weekdays, w.opens, w.closes, w.min_staff);
    insert into public.calendar_shifts (calendar_id, name, weekdays, opens, closes, min_staff)
    select p_calendar_id, w.name, w.weekdays, w.opens, w.closes, w.min_staff from private.wanted_shifts(p_shifts) w where w.id is null;
    update public.rota_entries e set shift_name = n.name, starts_at = n.starts_at, ends_at = n.ends_at,
        lead_until = case when e.lead_until > n.starts_at and e.lead_until <= n.starts_at + interval '36 hours' then e.lead_until end
    from (select o.id, s.name, h.* from public.rota_entries o join public.calendar_shifts s on s.id = o.shift_id
        cross join lateral private.shift_span(s.id, o.day) h
        where s.calendar_id = p_calendar_id and o.ends_at > p_now) n
    where e.id = n.id and (e.shift_name, e.starts_at, e.ends_at) is distinct from (n.name, n.starts_at, n.ends_at);
$$;
comment on function private.store_shifts(bigint, jsonb, timestamptz) is
    'The shifts of a calendar as wanted; days of the rota that are not over take the new hours.';

create or replace function private.refuse_used_calendar(p_calendar public.calendars) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_used text := coalesce(
        (select p.name from public.sla_policies p
         where p.is_active and p_calendar.id in (p.calendar_id, p.remind_calendar_id) order by p.id limit 1),
        (select s.name from public.shops s where s.is_active and private.shop_calendar(s.id) = p_calendar.id order by s.id limit 1));
begin
    if v_used is not null or p_calendar.code = 'all' then
        perform private.fail('PT409', 'calendar.in_use', pg_catalog.jsonb_build_object('name', coalesce(v_used, p_calendar.name)));
    end if;
end;
$$;
comment on function private.refuse_used_calendar(public.calendars) is
    'A calendar by which a policy or a shop counts stays on: calendar.in_use.';

create or replace function private.who_changed(p_entity text, p_entity_id bigint) returns text
language sql stable set search_path = '' as $$
    select m.display_name from public.audit_events a left join public.members m on m.id = a.member_id
    where a.entity = p_entity and a.entity_id = p_entity_id order by a.id desc limit 1
$$;
comment on function private.who_changed(text, bigint) is 'The name behind the last entry in the history of a record.';

create or replace function private.calendar_for_change(p_change jsonb) returns public.calendars
language plpgsql set search_path = '' as $$
declare
    v public.calendars;
begin
    select * into v from public.calendars where id = (p_change ->> 'id')::bigint for update;
    if not found then
        perform private.fail('PT404', 'calendar.none');
    elsif v.version is distinct from (p_change ->> 'version')::integer then
        perform private.fail('PT409', 'calendar.stale', pg_catalog.jsonb_build_object('name', v.name,
            'who', private.who_changed('calendar', v.id)));
    elsif v.kind = 'wall' then
        perform private.fail('PT422', 'calendar.fixed', pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.calendar_for_change(jsonb) is 'The calendar {id, version}, locked. calendar.none, calendar.stale, calendar.fixed.';

create or replace function private.new_calendar(p_change jsonb) returns public.calendars
language plpgsql set search_path = '' as $$
declare
    v public.calendars;
begin
    if exists (select from public.calendars where code = p_change ->> 'code') then
        perform private.fail('PT409', 'calendar.code_taken', pg_catalog.jsonb_build_object('code', p_change ->> 'code'));
    elsif not exists (select from pg_catalog.pg_timezone_names where name = p_change ->> 'timezone') then
        perform private.fail('PT422', 'shop.bad_timezone');
    end if;
    insert into public.calendars (code, name, timezone)
    values (p_change ->> 'code', pg_catalog.btrim(p_change ->> 'name'), p_change ->> 'timezone') returning * into v;
    return v;
end;
$$;
comment on function private.new_calendar(jsonb) is 'A calendar of working hours {code, name, timezone}. calendar.code_taken, shop.bad_timezone.';

create or replace function private.change_calendar(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_is_new boolean := p_change ->> 'id' is null;
    v public.calendars;
    v_moved integer;
begin
    v := case when v_is_new then private.new_calendar(p_change) else private.calendar_for_change(p_change) end;
    perform private.check_shifts(v.id, p_change -> 'shifts');
    perform private.refuse_planned_shift(v.id, p_change -> 'shifts', p_now);
    if not coalesce((p_change ->> 'is_active')::boolean, true) then
        perform private.refuse_used_calendar(v);
    end if;
    perform private.settle_calendar_clocks(v.id, '-infinity', p_now);
    perform private.store_shifts(v.id, p_change -> 'shifts', p_now);
    update public.calendars set name = coalesce(pg_catalog.btrim(p_change ->> 'name'), name),
        follows_holidays = coalesce((p_change ->> 'follows_holidays')::boolean, follows_holidays),
        is_active = coalesce((p_change ->> 'is_active')::boolean, is_active), version = version + 1, updated_at = p_now
    where id = v.id returning * into v;
    v_moved := private.recalculate_calendars(array[v.id], '-infinity', p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'calendar', v.id, case when v_is_new then 'created' else 'changed' end, p_change);
    return pg_catalog.jsonb_build_object('id', v.id, 'version', v.version, 'moved', v_moved);
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'calendar.bad_value');
end;
$$;
comment on function private.change_calendar(private.actor, jsonb, timestamptz) is 'What save_calendar does, without the request.';

create or replace function public.save_calendar(p_calendar jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := private.as_json(p_calendar);
    v_answer jsonb := private.begin_request(p_request_id, 'save_calendar', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_calendar(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.save_calendar(jsonb, uuid) to authenticated, service_role;
comment on function public.save_calendar(jsonb, uuid) is
    'Manager, admin: {id, version, name, follows_holidays, is_active, shifts: [{id, name, weekdays, opens, closes, min_staff}]}; without id a new one with code and timezone. Open deadlines follow with the time that remains. Answers {id, version, moved}. calendar.none, calendar.stale, calendar.fixed, calendar.code_taken, calendar.no_shift, calendar.bad_shift, calendar.shift_planned, calendar.in_use, calendar.bad_value, shop.bad_timezone.';
