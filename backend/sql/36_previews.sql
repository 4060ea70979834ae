-- 36 ------------------------------------------------ calendars: what a change would do, whose shifts they are, screens

-- What a change would do ----------------------------------------------------------------------------------------------

create or replace function private.recalculations(p_me private.actor, p_after bigint) returns jsonb
language sql stable set search_path = '' as $$
    with found as (
        select e.*, (e.detail ->> 'due_before')::timestamptz as due_before, c.entity, c.entity_id, c.target
        from public.sla_clock_events e join public.sla_clocks c on c.id = e.clock_id
        where e.id > p_after and e.kind = 'recalculated'
    )
    select pg_catalog.jsonb_build_object('earlier', pg_catalog.count(*) filter (where due_at < due_before),
        'later', pg_catalog.count(*) filter (where due_at > due_before),
        'covered', pg_catalog.count(*) filter (where due_at is not null and due_before is null),
        'uncovered', pg_catalog.count(*) filter (where due_at is null),
        'examples', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('entity', entity, 'entity_id', entity_id,
                'target', target, 'due_before', due_before, 'due_after', due_at) order by due_at), '[]')
            from (select * from found f where (p_me).role = 'system' or f.shop_id in (select private.my_shop_ids())
                order by f.due_at limit 5) nearest))
    from found
$$;
comment on function private.recalculations(private.actor, bigint) is 'What happened to deadlines after an event: counts, and five examples of the reader''s shops.';

create or replace function public.preview_calendar_change(p_kind text, p_change jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_change jsonb := private.as_json(p_change);
    v_last bigint := coalesce((select pg_catalog.max(id) from public.sla_clock_events), 0);
    v_answer jsonb;
begin
    begin
        case p_kind
            when 'calendar' then v_answer := private.change_calendar(v_me, v_change, v_now);
            when 'day' then v_answer := private.change_day(v_me, v_change, v_now);
            when 'year' then v_answer := private.change_year(v_me, v_change, v_now);
            when 'campaign' then v_answer := private.change_campaign(v_me, v_change, v_now);
            else perform private.fail('PT422', 'calendar.bad_value');
        end case;
        v_answer := pg_catalog.jsonb_build_object('moved', v_answer -> 'moved') || private.recalculations(v_me, v_last);
        raise exception using errcode = 'DKPRE';
    exception when sqlstate 'DKPRE' then
        null;
    end;
    return v_answer || pg_catalog.jsonb_build_object('open', (select pg_catalog.count(*) from public.sla_clocks
        where stopped_at is null and calendar_id is not null));
end;
$$;
grant execute on function public.preview_calendar_change(text, jsonb) to authenticated, service_role;
comment on function public.preview_calendar_change(text, jsonb) is
    'Manager, admin: what save_calendar (calendar), set_calendar_day (day), import_holiday_year (year) or save_campaign (campaign) would do: {moved, earlier, later, covered, uncovered, open, examples}. Changes nothing: it is tried and undone. Errors as theirs.';

-- The shifts of a shop ------------------------------------------------------------------------------------------------

create or replace function public.set_shop_calendar(p_shop_id bigint, p_calendar_id bigint, p_version integer, p_request_id uuid)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'set_shop_calendar',
        pg_catalog.jsonb_build_array(p_shop_id, p_calendar_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    if not exists (select from public.calendars where id = p_calendar_id and kind = 'working' and is_active) then
        perform private.fail('PT422', 'campaign.bad_calendar');
    end if;
    update public.shops set calendar_id = p_calendar_id where id = p_shop_id and version = p_version;
    if not found then
        perform private.fail('PT409', 'shop.stale', pg_catalog.jsonb_build_object('id', p_shop_id));
    end if;
    perform private.audit(v_me, p_shop_id, 'shop', p_shop_id, 'calendar_set', pg_catalog.jsonb_build_object('calendar_id', p_calendar_id));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_shop_id));
end;
$$;
grant execute on function public.set_shop_calendar(bigint, bigint, integer, uuid) to authenticated, service_role;
comment on function public.set_shop_calendar(bigint, bigint, integer, uuid) is
    'Manager, admin: the calendar whose shifts, and zone, a shop works by. campaign.bad_calendar, shop.none, shop.stale.';

-- Screens -------------------------------------------------------------------------------------------------------------

create or replace function private.calendar_facts(p_calendar public.calendars) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', p_calendar.id, 'code', p_calendar.code, 'name', p_calendar.name,
        'kind', p_calendar.kind, 'timezone', p_calendar.timezone, 'follows_holidays', p_calendar.follows_holidays,
        'is_active', p_calendar.is_active, 'version', p_calendar.version, 'updated_at', p_calendar.updated_at,
        'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'weekdays', s.weekdays, 'opens', s.opens, 'closes', s.closes, 'min_staff', s.min_staff) order by s.opens, s.id)
            from public.calendar_shifts s where s.calendar_id = p_calendar.id), '[]'))
$$;

create or replace function private.campaign_facts(p_campaign public.campaigns) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.to_jsonb(p_campaign) || pg_catalog.jsonb_build_object('calendars', coalesce((
        select pg_catalog.jsonb_agg(k.calendar_id order by k.calendar_id)
        from public.campaign_calendars k where k.campaign_id = p_campaign.id), '[]'))
$$;

create or replace function public.calendars_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return pg_catalog.jsonb_build_object(
        'calendars', (select pg_catalog.jsonb_agg(private.calendar_facts(c) || pg_catalog.jsonb_build_object(
                'policies', (select pg_catalog.count(*) from public.sla_policies p where p.is_active and p.calendar_id = c.id),
                'waiting', (select pg_catalog.count(*) from public.sla_clocks k
                    where k.calendar_id = c.id and k.state = 'uncovered' and k.shop_id = any (v_shops)),
                'covered_until', private.first_unknown_day(c.id, (v_now at time zone c.timezone)::date) - 1) order by c.id)
            from public.calendars c),
        'years', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(y) order by y.year), '[]') from public.holiday_years y),
        'campaigns', (select coalesce(pg_catalog.jsonb_agg(private.campaign_facts(k) order by k.starts_at), '[]')
            from public.campaigns k where k.ends_at > v_now - interval '30 days' and k.ends_at > k.starts_at),
        'shops', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'timezone', s.timezone, 'version', s.version, 'calendar_id', private.shop_calendar(s.id)) order by s.id), '[]')
            from public.shops s where s.is_active and s.id = any (v_shops)));
end;
$$;
grant execute on function public.calendars_screen() to authenticated;
comment on function public.calendars_screen() is
    'Members: {calendars: [{…, shifts, policies, waiting, covered_until}], years, campaigns (not longer over than 30 days), shops: [{…, calendar_id}]}. waiting: deadlines of my shops without an answer until the year''s list comes.';

create or replace function public.calendar_month(p_calendar text, p_from date, p_days integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.calendars;
begin
    select * into v from public.calendars where id = private.calendar_id(p_calendar);
    if p_days is null or p_days not between 1 and 62 or p_from is null or extract(year from p_from) not between 2000 and 2200 then
        perform private.fail('PT422', 'calendar.bad_day');
    end if;
    return (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('day', d.day,
            'hours', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(lower(h), upper(h)) order by h)
                from pg_catalog.unnest(d.hours) h), '[]'),
            'is_holiday', coalesce(d.day = any (y.holidays), false), 'is_makeup', coalesce(d.day = any (y.makeup_workdays), false),
            'is_own', o.day is not null, 'note', coalesce(o.note, ''),
            'is_known', not v.follows_holidays or o.day is not null or exists (
                select from public.holiday_years h where h.year = extract(year from d.day)),
            'campaign', (select pg_catalog.string_agg(k.name, '、' order by k.id)
                from public.campaign_calendars cc join public.campaigns k on k.id = cc.campaign_id
                where cc.calendar_id = v.id and k.starts_at < private.day_instant(v.id, d.day + 1)
                  and k.ends_at > private.day_instant(v.id, d.day))) order by d.day)
        from private.day_hours(v.id, p_from, p_from + p_days - 1) d
        left join public.calendar_days o on o.calendar_id = v.id and o.day = d.day
        left join lateral (select case when v.follows_holidays then l.holidays else '{}' end as holidays,
                case when v.follows_holidays then l.makeup_workdays else '{}' end as makeup_workdays
            from public.holiday_years l where d.day = any (l.holidays || l.makeup_workdays) order by l.year limit 1) y on true);
end;
$$;
grant execute on function public.calendar_month(text, date, integer) to authenticated;
comment on function public.calendar_month(text, date, integer) is
    'Members: open hours of each date: [{day, hours: [[480, 1440]], is_holiday, is_makeup, is_own, note, is_known, campaign}], at most 62. calendar.unknown, calendar.bad_day.';
