-- 30 ------------------------------------------------------------------------------- the clock: calendars, policies, clocks
--
-- Minutes of a day are counted from its 00:00: 480 is 08:00, 1440 is 24:00, 1800 is 06:00 of the next day. So a shift to
-- 24:00 or across midnight is an ordinary range, and it belongs to the day on which it begins.

create table if not exists public.calendars (
    id bigint generated always as identity primary key,
    code text not null constraint calendars_code_unique unique
        constraint calendars_code_form check (code ~ '^[a-z][a-z0-9_-]{0,29}$'),
    name text not null constraint calendars_name_length check (char_length(name) between 1 and 60),
    kind text not null default 'working' constraint calendars_kind_known check (kind in ('working', 'workdays', 'wall')),
    timezone text not null default 'Asia/Shanghai',
    follows_holidays boolean not null default false,
    is_active boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint calendars_wall_is_free check (kind <> 'wall' or not follows_holidays)
);
alter table public.calendars enable row level security;
comment on table public.calendars is
    '班次日历: when time counts. working: the hours of its shifts; workdays: whole days; wall: always.';
comment on column public.calendars.follows_holidays is
    'Closed on public holidays, open on make-up workdays, and without answer in a year whose list is not there yet.';
comment on column public.calendars.version is 'Raised by every change of the calendar, its shifts, its days, or a holiday list it follows.';

create table if not exists public.calendar_shifts (
    id bigint generated always as identity primary key,
    calendar_id bigint not null references public.calendars,
    name text not null default '',
    weekdays smallint[] not null constraint calendar_shifts_weekdays_iso
        check (cardinality(weekdays) > 0 and weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    opens smallint not null,
    closes smallint not null,
    constraint calendar_shifts_form check (opens between 0 and 1439 and closes > opens and closes <= opens + 1440)
);
create index if not exists calendar_shifts_calendar_id_idx on public.calendar_shifts (calendar_id);
alter table public.calendar_shifts enable row level security;
comment on table public.calendar_shifts is '班次: hours on weekdays (1 Monday … 7 Sunday), minutes from 00:00. Overlaps count once.';

create table if not exists public.calendar_days (
    calendar_id bigint not null references public.calendars,
    day date not null,
    hours int4multirange not null constraint calendar_days_hours_form check (
        isempty(hours) or coalesce(lower(hours) >= 0 and lower(hours) <= 1440 and upper(hours) <= 2880, false)),
    note text not null default '',
    primary key (calendar_id, day)
);
alter table public.calendar_days enable row level security;
comment on table public.calendar_days is 'A single date with its own hours (campaign night, short day); empty hours: closed. It beats shifts and holidays.';

create table if not exists public.holiday_years (
    year integer primary key constraint holiday_years_form check (year between 2000 and 2200),
    holidays date[] not null,
    makeup_workdays date[] not null,
    source text not null default '',
    updated_at timestamptz not null default now(),
    constraint holiday_years_days_differ check (not holidays && makeup_workdays),
    constraint holiday_years_dates_near check (
        make_date(year - 1, 12, 1) <= all (holidays || makeup_workdays)
        and make_date(year + 1, 1, 31) >= all (holidays || makeup_workdays))
);
alter table public.holiday_years enable row level security;
comment on table public.holiday_years is '节假日与调休上班日: the national list of a year. A year without a row is not maintained: nothing is guessed for it.';

create or replace function private.is_ladder(p_ladder jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_ladder) = 'array' and not exists (
        select from pg_catalog.jsonb_array_elements(case when pg_catalog.jsonb_typeof(p_ladder) = 'array' then p_ladder else '[]' end) s
        where not coalesce((s.value ? 'percent') <> (s.value ? 'minutes')
            and pg_catalog.jsonb_typeof(coalesce(s.value -> 'percent', s.value -> 'minutes')) = 'number'
            and coalesce((s.value ->> 'percent')::numeric between 0 and 1000, true)
            and pg_catalog.jsonb_typeof(s.value -> 'who') = 'array' and s.value -> 'who' <> '[]'
            and s.value -> 'who' <@ '["owner", "on_duty", "duty_lead", "manager", "warehouse"]'
            and s.value ->> 'action' in ('notify', 'to_pool', 'raise_priority'), false))
$$;
comment on function private.is_ladder(jsonb) is 'Whether a value is a list of escalation steps as sla_policies.ladder describes them.';

create or replace function private.is_conditions(p_conditions jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_conditions) = 'object' and not exists (
        select from pg_catalog.jsonb_each(case when pg_catalog.jsonb_typeof(p_conditions) = 'object' then p_conditions else '{}' end) c
        where pg_catalog.jsonb_typeof(c.value) <> 'array' or c.value = '[]'
           or pg_catalog.jsonb_path_exists(c.value, '$[*] ? (@.type() != "string")'))
$$;
comment on function private.is_conditions(jsonb) is 'Whether a value maps facts to lists of texts.';

create table if not exists public.sla_policies (
    id bigint generated always as identity primary key,
    code text not null constraint sla_policies_code_form check (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    name text not null constraint sla_policies_name_length check (char_length(name) between 1 and 60),
    applies_to text not null constraint sla_policies_applies_form check (applies_to ~ '^[a-z][a-z_]{0,29}$'),
    target text not null constraint sla_policies_target_form check (target ~ '^[a-z][a-z_]{0,29}$'),
    shop_id bigint references public.shops,
    conditions jsonb not null default '{}' constraint sla_policies_conditions_form check (private.is_conditions(conditions)),
    measure text not null constraint sla_policies_measure_known check (measure in ('wall', 'working', 'workdays')),
    calendar_id bigint references public.calendars,
    allowance numeric not null,
    ladder jsonb not null default '[]' constraint sla_policies_ladder_form check (private.is_ladder(ladder)),
    remind_calendar_id bigint references public.calendars,
    on_reopen text not null default 'restart' constraint sla_policies_on_reopen_known
        check (on_reopen in ('restart', 'continue', 'keep')),
    is_active boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint sla_policies_unique unique nulls not distinct (code, shop_id, conditions),
    constraint sla_policies_wall_needs_no_calendar check ((measure = 'wall') = (calendar_id is null)),
    constraint sla_policies_allowance_range check (
        allowance between 0 and 5256000 and (measure <> 'workdays' or allowance = trunc(allowance) and allowance <= 3660))
);
create index if not exists sla_policies_shop_id_idx on public.sla_policies (shop_id) where shop_id is not null;
create index if not exists sla_policies_calendar_id_idx on public.sla_policies (calendar_id) where calendar_id is not null;
create index if not exists sla_policies_remind_calendar_id_idx on public.sla_policies (remind_calendar_id) where remind_calendar_id is not null;
alter table public.sla_policies enable row level security;
create or replace trigger t10_touch before update on public.sla_policies
    for each row execute function private.touch_version();
comment on table public.sla_policies is
    '时效规则: how long a piece of work may take, by which clock, and who hears of it when. A shop''s own row beats the default (shop_id null).';
comment on column public.sla_policies.conditions is 'Facts that must hold: {"grade": ["A"], "priority": ["high"]}; more conditions beat fewer.';
comment on column public.sla_policies.allowance is 'Minutes; whole working days where measure is workdays. At most ten years.';
comment on column public.sla_policies.ladder is
    'Steps [{"percent": 50 | "minutes": -720, "who": ["owner"], "action": "notify"}]: percent of the allowance used, or minutes before (-) and after the deadline. who: owner, on_duty, duty_lead, manager, warehouse; action: notify, to_pool, raise_priority.';
comment on column public.sla_policies.remind_calendar_id is 'Reminders wait until this calendar is open; null: they go at once.';
comment on column public.sla_policies.on_reopen is
    'When finished work opens again: restart with the full allowance, continue with what was left, or keep the verdict (a first response is given once).';

create table if not exists public.sla_clocks (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    entity text not null,
    entity_id bigint not null,
    target text not null,
    instance integer not null default 1 constraint sla_clocks_instance_positive check (instance > 0),
    state text not null constraint sla_clocks_state_known check (state in
        ('scheduled', 'running', 'paused', 'breached', 'uncovered', 'fulfilled', 'fulfilled_late', 'cancelled')),
    policy_id bigint not null references public.sla_policies,
    policy jsonb not null,
    measure text not null constraint sla_clocks_measure_known check (measure in ('wall', 'working', 'workdays')),
    calendar_id bigint references public.calendars,
    calendar_version integer,
    allowance numeric not null constraint sla_clocks_allowance_not_negative check (allowance >= 0),
    used numeric not null default 0 constraint sla_clocks_used_not_negative check (used >= 0),
    started_at timestamptz not null,
    counted_from timestamptz not null,
    pauses tstzmultirange not null default '{}'
        constraint sla_clocks_pauses_ended check (isempty(pauses) or coalesce(isfinite(lower(pauses)) and isfinite(upper(pauses)), false)),
    paused_at timestamptz,
    pause_reason text,
    due_at timestamptz,
    last_due_at timestamptz,
    due_version integer not null default 0,
    next_step smallint,
    next_step_at timestamptz,
    breached_at timestamptz,
    stopped_at timestamptz,
    version integer not null default 1,
    updated_at timestamptz not null,
    created_at timestamptz not null,
    constraint sla_clocks_unique unique (entity, entity_id, target, instance),
    constraint sla_clocks_wall_needs_no_calendar check ((measure = 'wall') = (calendar_id is null)),
    constraint sla_clocks_paused_is_whole check (
        (state = 'paused') = (paused_at is not null) and (paused_at is null) = (pause_reason is null)),
    constraint sla_clocks_due_follows_state check (case
        when state in ('scheduled', 'running', 'breached') then due_at is not null
        when state in ('paused', 'uncovered') then due_at is null else true end),
    constraint sla_clocks_breach_follows_state check (case
        when state in ('breached', 'fulfilled_late') then breached_at is not null
        when state in ('scheduled', 'running', 'uncovered', 'fulfilled') then breached_at is null else true end),
    constraint sla_clocks_stop_follows_state check (case
        when state in ('fulfilled', 'fulfilled_late', 'cancelled') then stopped_at is not null
        when state = 'uncovered' then true else stopped_at is null end),
    constraint sla_clocks_steps_need_a_deadline check (next_step_at is null or (due_at is not null and stopped_at is null))
);
create unique index if not exists sla_clocks_one_open_idx on public.sla_clocks (entity, entity_id, target) where stopped_at is null;
create index if not exists sla_clocks_due_at_idx on public.sla_clocks (due_at) where state = 'running';
create index if not exists sla_clocks_scheduled_idx on public.sla_clocks (started_at) where state = 'scheduled';
create index if not exists sla_clocks_next_step_at_idx on public.sla_clocks (next_step_at) where next_step_at is not null;
create index if not exists sla_clocks_open_idx on public.sla_clocks (shop_id, entity, target, due_at, id) include (state)
    where stopped_at is null; -- lists and figures of open work are read from the index alone
create index if not exists sla_clocks_finished_idx on public.sla_clocks (shop_id, stopped_at, id) include (entity, target, state)
    where stopped_at is not null;
drop index if exists public.sla_clocks_shop_due_idx;
create index if not exists sla_clocks_calendar_idx on public.sla_clocks (calendar_id, state) where stopped_at is null or state = 'uncovered';
create index if not exists sla_clocks_policy_due_idx on public.sla_clocks (policy_id, due_at, id) where stopped_at is null;
drop index if exists public.sla_clocks_policy_idx;
alter table public.sla_clocks enable row level security;
comment on table public.sla_clocks is
    '时效: one running or finished deadline per record, target and instance. Changed by the functions of the clock alone, each with its event.';
comment on column public.sla_clocks.policy is 'Snapshot of the policy when the clock started or was re-targeted: later edits do not reach it by themselves.';
comment on column public.sla_clocks.used is 'Minutes (working days) used up before counted_from; never changed by later edits of a calendar.';
comment on column public.sla_clocks.counted_from is 'From here on the remaining allowance is counted with today''s calendar, without pauses.';
comment on column public.sla_clocks.due_at is 'Overdue means now > due_at; null while paused or while the calendar of that year is missing.';
comment on column public.sla_clocks.last_due_at is 'The deadline last given; due_version rises when a new one differs from it.';
comment on column public.sla_clocks.next_step is 'Position (from 1) of the ladder step that comes next, at next_step_at.';
comment on column public.sla_clocks.stopped_at is 'When the work was done or cancelled; with state uncovered the verdict waits for the calendar.';

create table if not exists public.sla_clock_events (
    id bigint generated always as identity primary key,
    clock_id bigint not null references public.sla_clocks,
    shop_id bigint not null references public.shops,
    kind text not null constraint sla_clock_events_kind_known check (kind in
        ('started', 'scheduled', 'began', 'paused', 'resumed', 'breached', 'stopped', 'cancelled', 'merged', 'reopened',
         'retargeted', 'recalculated', 'reply_ignored')),
    at timestamptz not null,
    actor_id bigint references public.members,
    reason text,
    state text not null,
    due_at timestamptz,
    due_version integer not null,
    detail jsonb not null default '{}'
);
create index if not exists sla_clock_events_clock_id_idx on public.sla_clock_events (clock_id, id);
create index if not exists sla_clock_events_shop_id_idx on public.sla_clock_events (shop_id, at);
create index if not exists sla_clock_events_actor_id_idx on public.sla_clock_events (actor_id) where actor_id is not null;
alter table public.sla_clock_events enable row level security;
create or replace trigger t10_append_only before update or delete on public.sla_clock_events
    for each row execute function private.tg_append_only();
comment on table public.sla_clock_events is 'What happened to a clock, in order. Append-only; actor_id null: the system.';

-- A change of what a calendar is made of is a change of the calendar --------------------------------------------------

create or replace function private.tg_raise_calendar_version() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_table_name = 'holiday_years' then
        update public.calendars set version = version + 1, updated_at = private.now()
        where follows_holidays and exists (select from changed);
    else
        update public.calendars set version = version + 1, updated_at = private.now()
        where id in (select calendar_id from changed);
    end if;
    return null;
end;
$$;
create or replace trigger t20_raise_version after insert on public.calendar_shifts
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.calendar_shifts
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.calendar_shifts
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t20_raise_version after insert on public.calendar_days
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.calendar_days
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.calendar_days
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t20_raise_version after insert on public.holiday_years
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.holiday_years
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.holiday_years
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "members read the calendars" on public.calendars;
create policy "members read the calendars" on public.calendars
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the shifts of calendars" on public.calendar_shifts;
create policy "members read the shifts of calendars" on public.calendar_shifts
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the special days of calendars" on public.calendar_days;
create policy "members read the special days of calendars" on public.calendar_days
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the holiday lists" on public.holiday_years;
create policy "members read the holiday lists" on public.holiday_years
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the deadline policies" on public.sla_policies;
create policy "members read the deadline policies" on public.sla_policies
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the clocks of their shops" on public.sla_clocks;
create policy "members read the clocks of their shops" on public.sla_clocks
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
drop policy if exists "members read the clock events of their shops" on public.sla_clock_events;
create policy "members read the clock events of their shops" on public.sla_clock_events
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.calendars, public.calendar_shifts, public.calendar_days, public.holiday_years, public.sla_policies,
    public.sla_clocks, public.sla_clock_events to authenticated;
