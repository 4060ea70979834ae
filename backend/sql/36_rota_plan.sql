-- 36 ------------------------------------------------------------------------------- rota: planning it, and its screens

-- Planning ------------------------------------------------------------------------------------------------------------

create or replace function private.wanted_days(p_cells jsonb)
returns table (member_id bigint, day date, version integer, kind text, note text, shifts jsonb)
language sql stable set search_path = '' as $$
    select (c ->> 'member_id')::bigint, (c ->> 'day')::date, coalesce((c ->> 'version')::integer, 0), c ->> 'kind',
        pg_catalog.btrim(coalesce(c ->> 'note', '')), coalesce(c -> 'shifts', '[]')
    from pg_catalog.jsonb_array_elements(p_cells) c
$$;
comment on function private.wanted_days(jsonb) is 'Days [{member_id, day, version, kind, note, shifts}] of a request.';

create or replace function private.wanted_entries(p_cells jsonb) returns setof public.rota_entries
language sql stable set search_path = '' as $$
    select null::bigint, d.member_id, d.day, (s ->> 'id')::bigint, k.name, n.starts_at, n.ends_at,
        coalesce((s ->> 'is_lead')::boolean, false), coalesce((s ->> 'is_deputy')::boolean, false), (s ->> 'lead_until')::timestamptz
    from private.wanted_days(p_cells) d
    cross join lateral pg_catalog.jsonb_array_elements(d.shifts) s
    left join public.calendar_shifts k on k.id = (s ->> 'id')::bigint
    left join lateral private.shift_span(k.id, d.day) n on true
$$;
comment on function private.wanted_entries(jsonb) is 'The shifts of those days, with the hours that hold now; ends_at null where there is no such shift.';

create or replace function private.rota_problem(p_me private.actor, p_cells jsonb, p_now timestamptz)
returns table (key text, member_id bigint, day date)
language sql stable set search_path = '' as $$
    with days as (
        select d.*, m.state, m.role, pg_catalog.count(*) over (partition by d.member_id, d.day) as times,
            (p_me).role in ('system', 'admin') or exists (select from public.member_shops s where s.member_id = d.member_id
                and s.shop_id in (select private.my_shop_ids())) as is_mine
        from private.wanted_days(p_cells) d left join public.members m on m.id = d.member_id
    ), found as (
        select case
            when d.state is null or not d.is_mine then 'rota.not_my_member'
            when d.day is null or d.day not between p_now::date - 62 and p_now::date + 400 then 'rota.bad_day'
            when d.times > 1 or coalesce(d.kind, '') not in ('work', 'rest', 'leave', 'open') or pg_catalog.char_length(d.note) > 200
                or pg_catalog.jsonb_typeof(d.shifts) <> 'array' or pg_catalog.jsonb_array_length(d.shifts) > 4
                or (d.kind = 'work') = (d.shifts = '[]') then 'rota.bad_cell'
            when d.state = 'off' and d.kind = 'work' and d.day >= p_now::date then 'rota.member_off' end as key, d.member_id, d.day
        from days d
        union all
        select case
            when e.ends_at is null or not exists (select from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id
                where s.id = e.shift_id and c.kind = 'working' and c.is_active) then 'rota.bad_shift'
            when e.is_lead and e.is_deputy then 'rota.bad_cell'
            when (e.is_lead or e.is_deputy) and (select m.role from public.members m where m.id = e.member_id)
                not in ('agent', 'warehouse', 'operations', 'manager') then 'rota.bad_lead'
            when e.lead_until is not null and not ((e.is_lead or e.is_deputy)
                and e.lead_until > e.starts_at and e.lead_until <= e.starts_at + interval '36 hours') then 'rota.bad_lead_until' end,
            e.member_id, e.day
        from private.wanted_entries(p_cells) e
    )
    select f.key, f.member_id, f.day from found f where f.key is not null order by f.day, f.member_id limit 1
$$;
comment on function private.rota_problem(private.actor, jsonb, timestamptz) is 'The first day of a request that cannot be taken, and why; no row when all can.';

create or replace function private.check_rota(p_me private.actor, p_cells jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_problem record;
begin
    if coalesce(pg_catalog.jsonb_typeof(p_cells), 'null') <> 'array' or exists (
        select from pg_catalog.jsonb_array_elements(p_cells) c where pg_catalog.jsonb_typeof(c) <> 'object') then
        perform private.fail('PT422', 'rota.bad_cell');
    elsif pg_catalog.jsonb_array_length(p_cells) > 2500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 2500}');
    end if;
    select * into v_problem from private.rota_problem(p_me, p_cells, p_now);
    if found then
        perform private.fail('PT422', v_problem.key, pg_catalog.jsonb_build_object('day', v_problem.day,
            'name', (select display_name from public.members where id = v_problem.member_id)));
    end if;
exception when data_exception then
    perform private.fail('PT422', 'rota.bad_cell');
end;
$$;
comment on function private.check_rota(private.actor, jsonb, timestamptz) is
    'rota.not_my_member, rota.member_off, rota.bad_day, rota.bad_cell, rota.bad_shift, rota.bad_lead, rota.bad_lead_until (name, day); bulk.too_many above 2,500 days (product decision: 60 people, six weeks).';

create or replace function private.refuse_stale_days(p_cells jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_first record;
begin
    select m.display_name as name, w.day, c.display_name as who, d.updated_at as at, pg_catalog.count(*) over () as count
    into v_first
    from private.wanted_days(p_cells) w
    join public.rota_days d on d.member_id = w.member_id and d.day = w.day
    join public.members m on m.id = d.member_id
    left join public.members c on c.id = d.changed_by
    where d.version is distinct from w.version
    order by d.updated_at desc, w.day, w.member_id limit 1;
    if found then
        perform private.fail('PT409', 'rota.stale', pg_catalog.to_jsonb(v_first));
    end if;
end;
$$;
comment on function private.refuse_stale_days(jsonb) is
    'The second of two editors of a day is refused: rota.stale with whose day (name, day), who was faster (who, at) and how many days.';

create or replace function private.store_rota(p_cells jsonb, p_source text, p_actor bigint, p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.rota_days as d (member_id, day, kind, note, source, changed_by, updated_at)
    select w.member_id, w.day, w.kind, w.note, p_source, p_actor, p_now from private.wanted_days(p_cells) w
    on conflict (member_id, day) do update set kind = excluded.kind, note = excluded.note, source = excluded.source,
        changed_by = excluded.changed_by, updated_at = excluded.updated_at, version = d.version + 1;
    delete from public.rota_entries e using private.wanted_days(p_cells) w where e.member_id = w.member_id and e.day = w.day;
    insert into public.rota_entries (member_id, day, shift_id, shift_name, starts_at, ends_at, is_lead, is_deputy, lead_until)
    select e.member_id, e.day, e.shift_id, e.shift_name, e.starts_at, e.ends_at, e.is_lead, e.is_deputy, e.lead_until
    from private.wanted_entries(p_cells) e
    on conflict do nothing;
$$;
comment on function private.store_rota(jsonb, text, bigint, timestamptz) is 'Days as wanted, each with its shifts.';

create or replace function public.save_rota(p_cells jsonb, p_source text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_cells jsonb := private.as_json(p_cells);
    v_answer jsonb := private.begin_request(p_request_id, 'save_rota', pg_catalog.jsonb_build_array(p_source, v_cells));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_source is null or p_source not in ('edited', 'generated', 'imported', 'copied') then
        perform private.fail('PT422', 'rota.bad_cell');
    end if;
    perform private.check_rota(v_me, v_cells, v_now);
    lock table public.rota_days in share row exclusive mode; -- versions are compared and raised by one planner at a time
    perform private.refuse_stale_days(v_cells);
    perform private.store_rota(v_cells, p_source, v_me.member_id, v_now);
    perform private.audit(v_me, null, 'rota', null, p_source, (select pg_catalog.jsonb_build_object('days', pg_catalog.count(*),
            'people', pg_catalog.count(distinct w.member_id), 'from', pg_catalog.min(w.day), 'to', pg_catalog.max(w.day),
            'changes', (select pg_catalog.jsonb_agg(c) from (select c from pg_catalog.jsonb_array_elements(v_cells) c limit 60) f (c)))
        from private.wanted_days(v_cells) w));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('changed', pg_catalog.jsonb_array_length(v_cells)));
end;
$$;
grant execute on function public.save_rota(jsonb, text, uuid) to authenticated, service_role;
comment on function public.save_rota(jsonb, text, uuid) is
    'Manager, admin: plans days of people of their shops: [{member_id, day, version (0: not planned yet), kind work|rest|leave|open, note, shifts: [{id, is_lead, is_deputy, lead_until}]}], p_source edited|generated|imported|copied. All or none. Answers {changed}. rota.stale, rota.not_my_member, rota.member_off, rota.bad_day, rota.bad_cell, rota.bad_shift, rota.bad_lead, rota.bad_lead_until, bulk.too_many.';

-- Screens -------------------------------------------------------------------------------------------------------------

create or replace function public.on_duty(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    return (
        with shops as (
            select i as id from private.my_shop_ids() i where p_shop_id is null or i = p_shop_id
        ), leads as (
            select distinct l as member_id from shops s cross join lateral private.duty_leads(s.id, v_now) l
        ), people as (
            select d.member_id, d.shift_id, d.is_lead, d.is_deputy
            from private.on_duty(p_shop_id, v_now) d
            where exists (select from public.member_shops k where k.member_id = d.member_id and k.shop_id in (select id from shops))
        )
        select pg_catalog.jsonb_build_object('at', v_now,
            'people', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                    'role', m.role, 'shift', s.name, 'is_lead', p.is_lead, 'is_deputy', p.is_deputy,
                    'until', (select pg_catalog.max(e.ends_at) from public.rota_entries e
                        where e.member_id = m.id and e.starts_at <= v_now and e.ends_at > v_now))
                    order by not p.is_lead, not p.is_deputy, s.opens, m.id)
                from people p join public.members m on m.id = p.member_id left join public.calendar_shifts s on s.id = p.shift_id), '[]'),
            'leads', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                    'is_by_rota', exists (select from private.rota_leads(v_now) r where r.member_id = m.id)) order by m.id)
                from leads l join public.members m on m.id = l.member_id), '[]'),
            'is_planned', exists (select from shops s
                cross join lateral private.open_day(private.shop_calendar(s.id), v_now) o (day) where private.is_planned(s.id, o.day)),
            'campaign', (select c.name from public.campaigns c where c.starts_at <= v_now and c.ends_at > v_now order by c.ends_at limit 1)));
end;
$$;
grant execute on function public.on_duty(bigint) to authenticated;
comment on function public.on_duty(bigint) is
    'Members: who is on duty now in a shop (null: in any of mine): {at, people: [{id, name, role, shift, is_lead, is_deputy, until}], leads: who answers, is_planned: false while opening hours decide, campaign}. shop.none.';

create or replace function private.rota_people(p_me private.actor, p_shop_id bigint, p_from date, p_to date) returns setof bigint
language sql stable set search_path = '' as $$
    select m.id from public.members m
    where (m.state <> 'off' and m.role not in ('analyst', 'admin')
        or exists (select from public.rota_days d where d.member_id = m.id and d.day between p_from and p_to))
      and exists (select from public.member_shops k where k.member_id = m.id
          and k.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or k.shop_id = p_shop_id))
$$;
comment on function private.rota_people(private.actor, bigint, date, date) is
    'Whose rota the reader sees: people of his shops; those who left, analysts and admins only where they are planned.';

create or replace function private.rota_day_facts(p_day public.rota_days) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('member_id', p_day.member_id, 'day', p_day.day, 'kind', p_day.kind, 'note', p_day.note,
        'version', p_day.version, 'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.shift_id,
                'name', e.shift_name, 'is_lead', e.is_lead, 'is_deputy', e.is_deputy, 'lead_until', e.lead_until,
                'starts_at', e.starts_at, 'ends_at', e.ends_at) order by e.starts_at, e.id)
            from public.rota_entries e where e.member_id = p_day.member_id and e.day = p_day.day), '[]'))
$$;

create or replace function public.rota_screen(p_from date, p_days integer, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_to date := p_from + p_days - 1;
    v_people bigint[];
begin
    if p_days is null or p_days not between 1 and 62 or p_from is null or extract(year from p_from) not between 2000 and 2200 then
        perform private.fail('PT422', 'calendar.bad_day');
    elsif p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    v_people := array(select private.rota_people(v_me, p_shop_id, p_from, v_to));
    return pg_catalog.jsonb_build_object(
        'people', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                'staff_no', m.staff_no, 'role', m.role, 'skills', m.skills, 'state', m.state)
                order by pg_catalog.array_position(array['manager', 'agent', 'operations', 'warehouse', 'analyst', 'admin'], m.role), m.staff_no, m.id)
            from public.members m where m.id = any (v_people)), '[]'),
        'days', coalesce((select pg_catalog.jsonb_agg(private.rota_day_facts(d) order by d.day, d.member_id)
            from public.rota_days d where d.member_id = any (v_people) and d.day between p_from and v_to), '[]'),
        'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'calendar', c.name, 'timezone', c.timezone, 'weekdays', s.weekdays, 'opens', s.opens, 'closes', s.closes,
                'min_staff', s.min_staff, 'is_of_shops', c.id in (select private.shop_calendar(k.id) from public.shops k
                    where k.is_active and k.id in (select private.my_shop_ids()) and (p_shop_id is null or k.id = p_shop_id)))
                order by c.id, s.opens, s.id)
            from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id and c.kind = 'working' and c.is_active), '[]'),
        'campaigns', (select coalesce(pg_catalog.jsonb_agg(private.campaign_facts(k) order by k.starts_at), '[]')
            from public.campaigns k where k.ends_at > k.starts_at and k.ends_at > (p_from - 1)::timestamptz and k.starts_at < (v_to + 2)::timestamptz));
end;
$$;
grant execute on function public.rota_screen(date, integer, bigint) to authenticated;
comment on function public.rota_screen(date, integer, bigint) is
    'Members: the rota of my shops (or one) for at most 62 days: {people, days: [{member_id, day, kind, note, version, shifts}], shifts that can be planned (is_of_shops: of their own calendars), campaigns}. calendar.bad_day, shop.none.';
