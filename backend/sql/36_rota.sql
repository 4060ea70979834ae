-- 36 --------------------------------------------------------------------------------- rota: who works when, who is on duty
--
-- A day of a person is planned (work, rest, leave) or open. What was planned is kept with its hours: a shift that changes
-- later changes the days to come, never who was on duty three weeks ago.

create table if not exists public.rota_days (
    member_id bigint not null references public.members,
    day date not null,
    kind text not null constraint rota_days_kind_known check (kind in ('work', 'rest', 'leave', 'open')),
    note text not null default '' constraint rota_days_note_length check (char_length(note) <= 200),
    source text not null constraint rota_days_source_known check (source in ('edited', 'generated', 'imported', 'copied')),
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null,
    primary key (member_id, day)
);
create index if not exists rota_days_day_idx on public.rota_days (day);
create index if not exists rota_days_changed_by_idx on public.rota_days (changed_by) where changed_by is not null;
alter table public.rota_days enable row level security;
comment on table public.rota_days is '排班: what a person does on a date. work (with rota_entries), rest, leave; open: planned once and taken back.';

create table if not exists public.rota_entries (
    id bigint generated always as identity primary key,
    member_id bigint not null,
    day date not null,
    shift_id bigint references public.calendar_shifts on delete set null,
    shift_name text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    is_lead boolean not null default false,
    is_deputy boolean not null default false,
    lead_until timestamptz,
    constraint rota_entries_day_fk foreign key (member_id, day) references public.rota_days,
    constraint rota_entries_unique unique (member_id, day, shift_id),
    constraint rota_entries_hours_form check (starts_at < ends_at and ends_at <= starts_at + interval '25 hours'),
    constraint rota_entries_one_part check (not (is_lead and is_deputy)),
    constraint rota_entries_lead_until_range check (lead_until is null or (
        (is_lead or is_deputy) and lead_until > starts_at and lead_until <= starts_at + interval '36 hours'))
);
create index if not exists rota_entries_starts_at_idx on public.rota_entries (starts_at);
create index if not exists rota_entries_shift_id_idx on public.rota_entries (shift_id, day) where shift_id is not null;
alter table public.rota_entries enable row level security;
comment on table public.rota_entries is '班次 of a working day, with the hours that held when it was planned, and 当班主管 or deputy of it.';
comment on column public.rota_entries.lead_until is
    'The lead or deputy answers until then instead of until the end of the shift: through the night, or for part of the day.';

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "members read the rota of their shops" on public.rota_days;
create policy "members read the rota of their shops" on public.rota_days
    for select to authenticated using (member_id in (
        select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))
        or member_id = (select private.my_member_id()));
drop policy if exists "members read the shifts of colleagues" on public.rota_entries;
create policy "members read the shifts of colleagues" on public.rota_entries
    for select to authenticated using (member_id in (
        select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))
        or member_id = (select private.my_member_id()));
grant select on public.rota_days, public.rota_entries to authenticated;

-- On duty -------------------------------------------------------------------------------------------------------------

create or replace function private.shop_calendar(p_shop_id bigint) returns bigint
language sql stable set search_path = '' as $$
    select coalesce((select calendar_id from public.shops where id = p_shop_id), (select id from public.calendars where code = 'all'))
$$;
comment on function private.shop_calendar(bigint) is 'The calendar with the shifts of a shop.';

create or replace function private.open_day(p_calendar_id bigint, p_at timestamptz) returns date
language sql stable set search_path = '' as $$
    select d.day
    from public.calendars c
    cross join lateral (select p_at at time zone c.timezone as local) l
    cross join lateral private.day_hours(c.id, l.local::date - 1, l.local::date) d
    where c.id = p_calendar_id
      and d.hours @> pg_catalog.floor(extract(epoch from l.local - d.day::timestamp) / 60)::integer
    order by d.day desc limit 1
$$;
comment on function private.open_day(bigint, timestamptz) is
    'The date whose hours hold an instant (after midnight it may be the day before); null when the calendar is closed then.';

create or replace function private.is_planned(p_shop_id bigint, p_day date, p_role text default null) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.member_shops s
        join public.members m on m.id = s.member_id and m.state = 'active' and (p_role is null or m.role = p_role)
        join public.rota_days d on d.member_id = s.member_id and d.day = p_day and d.kind in ('work', 'rest')
        where s.shop_id = p_shop_id)
$$;
comment on function private.is_planned(bigint, date, text) is
    'Whether anybody of a shop (of a role) is planned on a date (leave alone is no plan): otherwise no rota is kept there, and opening hours decide.';

create or replace function private.is_all_hands(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.campaigns c where c.is_all_hands and c.starts_at <= p_at and c.ends_at > p_at)
       and exists (select from public.members m where m.id = p_member_id and m.state = 'active'
           and m.role in ('agent', 'warehouse', 'operations', 'manager'))
       and not exists (
           select from public.rota_days d where d.member_id = p_member_id and d.kind = 'leave'
           and d.day = (select (p_at at time zone c.timezone)::date from public.calendars c where c.code = 'all'))
$$;
comment on function private.is_all_hands(bigint, timestamptz) is 'Whether a campaign calls on this person at an instant: everybody at work but those on leave.';

create or replace function private.on_duty(p_shop_id bigint, p_at timestamptz)
returns table (member_id bigint, shift_id bigint, is_lead boolean, is_deputy boolean)
language sql stable set search_path = '' as $$
    with staff as (
        select s.id as shop_id, m.id, m.role, private.shop_calendar(s.id) as calendar_id
        from public.shops s
        join public.member_shops k on k.shop_id = s.id
        join public.members m on m.id = k.member_id and m.state = 'active'
        where s.is_active and (p_shop_id is null or s.id = p_shop_id)
    ), unplanned as materialized ( -- once for a shop, not for each of its people
        select s.shop_id, o.day, private.shift_open(s.calendar_id, p_at) as shift_id
        from (select distinct shop_id, calendar_id from staff) s
        cross join lateral private.open_day(s.calendar_id, p_at) o (day)
        where o.day is not null and not private.is_planned(s.shop_id, o.day)
    ), found as (
        select e.member_id, e.shift_id, e.starts_at,
            e.is_lead and p_at < coalesce(e.lead_until, e.ends_at) as is_lead,
            e.is_deputy and p_at < coalesce(e.lead_until, e.ends_at) as is_deputy
        from public.rota_entries e
        where e.starts_at <= p_at and e.starts_at > p_at - interval '25 hours' and e.ends_at > p_at
          and e.member_id in (select id from staff)
        union all
        select s.id, u.shift_id, null::timestamptz, false, false
        from unplanned u join staff s using (shop_id)
        where s.role in ('agent', 'warehouse', 'operations', 'manager')
          and not exists (select from public.rota_days d where d.member_id = s.id and d.day = u.day and d.kind = 'leave')
        union all
        select s.id, null::bigint, null::timestamptz, false, false from staff s where private.is_all_hands(s.id, p_at)
    )
    select f.member_id, (pg_catalog.array_agg(f.shift_id order by f.starts_at desc nulls last, f.shift_id))[1],
        pg_catalog.bool_or(f.is_lead), pg_catalog.bool_or(f.is_deputy)
    from found f group by f.member_id
$$;
comment on function private.on_duty(bigint, timestamptz) is
    'Active members of a shop (null: of any) who are on shift at an instant, once each. A shop with nobody planned that day: everybody who works there (no analysts), while its calendar is open.';

create or replace function private.shift_open(p_calendar_id bigint, p_at timestamptz) returns bigint
language sql stable set search_path = '' as $$
    select s.id
    from public.calendars c
    cross join lateral (select p_at at time zone c.timezone as local) l
    cross join lateral (select private.open_day(c.id, p_at) as day) d
    join public.calendar_shifts s on s.calendar_id = c.id
    where c.id = p_calendar_id
      and pg_catalog.floor(extract(epoch from l.local - d.day::timestamp) / 60) between s.opens and s.closes - 1
    order by s.opens desc, s.id limit 1
$$;
comment on function private.shift_open(bigint, timestamptz) is 'The shift of a calendar whose hours hold an instant, the later one of two; null outside all of them.';

create or replace function private.is_on_duty(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.members m where m.id = p_member_id and m.state = 'active' and (
            exists (select from public.rota_entries e where e.member_id = m.id
                and e.starts_at <= p_at and e.starts_at > p_at - interval '25 hours' and e.ends_at > p_at)
            or private.is_all_hands(m.id, p_at)
            or exists (select from public.shops s
                cross join lateral private.open_day(private.shop_calendar(s.id), p_at) o (day)
                where (m.role = 'admin' or s.id in (select k.shop_id from public.member_shops k where k.member_id = m.id))
                  and o.day is not null and not private.is_planned(s.id, o.day, m.role)
                  and not exists (select from public.rota_days d
                      where d.member_id = m.id and d.day = o.day and d.kind <> 'open'))))
$$;
comment on function private.is_on_duty(bigint, timestamptz) is
    'Whether a person is on shift at an instant. A role that nobody plans in one of his shops (a clerk beside a rota of agents) counts while that shop is open.';

create or replace function private.rota_leads(p_at timestamptz) returns table (member_id bigint, is_deputy boolean)
language sql stable set search_path = '' as $$
    select e.member_id, e.is_deputy
    from public.rota_entries e join public.members m on m.id = e.member_id and m.state = 'active'
    where (e.is_lead or e.is_deputy) and e.starts_at <= p_at and e.starts_at > p_at - interval '36 hours'
      and p_at < coalesce(e.lead_until, e.ends_at)
    union
    select m.id, false from public.members m where m.state = 'active' and m.duty_lead_until > p_at
$$;
comment on function private.rota_leads(timestamptz) is '当班主管 and deputies of an instant: by the rota, or named for the moment.';

create or replace function private.duty_leads(p_shop_id bigint, p_at timestamptz) returns setof bigint
language sql stable set search_path = '' as $$
    with candidates as (
        select l.member_id, case when l.is_deputy then 2 else 1 end as rank from private.rota_leads(p_at) l
        union all
        select m.id, 3 from public.members m where m.state = 'active' and m.role = 'manager'
    ), mine as (
        select c.* from candidates c where p_shop_id is null or exists (
            select from public.member_shops s where s.member_id = c.member_id and s.shop_id = p_shop_id)
        union all
        select m.id, 4 from public.members m where m.state = 'active' and m.role = 'admin'
    )
    select distinct m.member_id from mine m where m.rank = (select pg_catalog.min(rank) from mine)
$$;
comment on function private.duty_leads(bigint, timestamptz) is
    'Who answers for a shop (null: any) at an instant: its 当班主管, else its deputy, else its managers, else the admins.';

create or replace function private.leads_now(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from private.rota_leads(p_at) l where l.member_id = p_member_id and (not l.is_deputy or exists (
            select from public.member_shops s where s.member_id = p_member_id and not exists (
                select from private.rota_leads(p_at) o join public.member_shops k on k.member_id = o.member_id
                where not o.is_deputy and k.shop_id = s.shop_id))))
$$;
comment on function private.leads_now(bigint, timestamptz) is
    'Whether somebody is 当班主管 at an instant; a deputy is where one of his shops has no other.';
