-- 97 ----------------------------------------------------------------------------------- optimization tasks: tables, moves
--
-- An improvement counts only when the figures say so. A criterion names a KPI, what it must become, over how many days and
-- from how many cases on; what it was before is frozen when the task is planned. Only the daily check writes measures.

do $$
begin
    if not exists (select from private.schema_steps where step = '97.1 messages of tasks') then
        alter table public.notifications drop constraint notifications_kind_known;
        alter table public.notifications add constraint notifications_kind_known
            check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily', 'wait_ended', 'low_score', 'low_ratings',
                'handover_open', 'handover', 'handover_declined', 'handover_left', 'task_accepted', 'task_failed', 'task_inconclusive', 'task_regressed'));
        insert into private.schema_steps (step) values ('97.1 messages of tasks');
    end if;
end;
$$;

create table if not exists public.meetings (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    month date not null constraint meetings_month_begins check (extract(day from month) = 1),
    notes text not null default '' constraint meetings_notes_length check (char_length(notes) <= 8000),
    held_at timestamptz,
    pack jsonb,
    made_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null,
    constraint meetings_once unique nulls not distinct (shop_id, month),
    constraint meetings_texts_masked check (not private.names_a_phone(notes))
);
create index if not exists meetings_made_by_idx on public.meetings (made_by);
alter table public.meetings enable row level security;
create or replace trigger t10_touch before update on public.meetings
    for each row execute function private.touch_version();
comment on table public.meetings is '复盘会: the monthly review of a shop, or of all (shop_id null). pack: what lay on the table, kept when it was held.';

create or replace function private.task_moves() returns table (state_from text, state_to text, rpc text, who text[])
language sql immutable rows 30 set search_path = '' as $$
    with moves (states_from, state_to, rpc, who) as (values
        ('{new}'::text[], 'proposed', 'propose_task', '{member,system}'::text[]),
        ('{proposed,regressed}', 'planned', 'plan_task', '{manager}'),
        ('{planned,in_progress}', null, 'plan_task', '{manager}'),
        ('{planned}', 'in_progress', 'start_task', '{owner,manager}'),
        ('{in_progress}', null, 'report_task', '{owner,manager}'),
        ('{in_progress}', 'delivered', 'deliver_task', '{owner,manager}'),
        ('{delivered}', 'verifying', 'measure', '{system}'),
        ('{verifying}', 'accepted', 'measure', '{system}'),
        ('{verifying}', 'failed', 'measure', '{system}'),
        ('{verifying}', 'inconclusive', 'measure', '{system}'),
        ('{accepted}', 'regressed', 'measure', '{system}'),
        ('{verifying,inconclusive,failed}', 'accepted', 'judge_task', '{manager}'),
        ('{verifying,inconclusive}', 'failed', 'judge_task', '{manager}'),
        ('{inconclusive}', 'verifying', 'extend_task', '{manager}'),
        ('{failed}', 'in_progress', 'retry_task', '{manager}'),
        ('{proposed,planned,in_progress,delivered,verifying,failed,inconclusive,regressed}', 'cancelled', 'cancel_task', '{manager}'),
        ('{delivered,verifying,inconclusive}', null, 'change_criteria', '{manager}')
    )
    select f.state, coalesce(m.state_to, f.state), m.rpc, m.who from moves m cross join lateral unnest(m.states_from) f (state)
$$;
comment on function private.task_moves() is
    'Every step of a task: from state to state (new: not there yet), by which function, and as what one may: member (anybody of the shop), owner, manager (managers and admins of the shop), system (the daily check). The flow and its test both read it.';

create table if not exists public.tasks (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    title text not null constraint tasks_title_length check (char_length(btrim(title)) between 2 and 120),
    detail text not null default '' constraint tasks_detail_length check (char_length(detail) <= 4000),
    source text not null constraint tasks_source_known
        check (source in ('anomaly', 'feedback', 'suggestion', 'meeting', 'root_cause', 'low_score')),
    evidence jsonb not null default '{}',
    state text not null default 'proposed' constraint tasks_state_known check (state in ('proposed', 'planned', 'in_progress',
        'delivered', 'verifying', 'accepted', 'failed', 'inconclusive', 'cancelled', 'regressed')),
    priority text not null default 'normal' constraint tasks_priority_known check (priority in ('low', 'normal', 'high')),
    owner_id bigint references public.members,
    deadline timestamptz,
    proposed_by bigint references public.members,
    is_anonymous boolean not null default false,
    progress smallint not null default 0 constraint tasks_progress_range check (progress between 0 and 100),
    progress_note text not null default '' constraint tasks_progress_length check (char_length(progress_note) <= 2000),
    change_note text constraint tasks_change_length check (char_length(change_note) <= 4000),
    planned_at timestamptz,
    delivered_at timestamptz,
    verify_from date,
    verify_until date,
    judged_at timestamptz,
    judged_by bigint references public.members,
    judged_reason text constraint tasks_reason_length check (char_length(judged_reason) <= 2000),
    watch_until date,
    regressed_at timestamptz,
    meeting_id bigint references public.meetings,
    round integer not null default 1,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    updated_by bigint references public.members,
    created_at timestamptz not null,
    constraint tasks_anonymous_names_nobody check (not is_anonymous or proposed_by is null),
    constraint tasks_planned_is_whole check (state in ('proposed', 'regressed', 'cancelled') or (owner_id is not null and deadline is not null)),
    constraint tasks_delivered_is_whole check (state not in ('delivered', 'verifying', 'accepted', 'inconclusive') or
        (delivered_at is not null and change_note is not null)),
    constraint tasks_texts_masked check (not private.names_a_phone(title) and not private.names_a_phone(detail)
        and not private.names_a_phone(progress_note) and not private.names_a_phone(change_note) and not private.names_a_phone(judged_reason))
);
create index if not exists tasks_list_idx on public.tasks (shop_id, state, deadline, id);
create index if not exists tasks_owner_idx on public.tasks (owner_id, state) where owner_id is not null;
create index if not exists tasks_checked_idx on public.tasks (state) where state in ('delivered', 'verifying', 'accepted');
create index if not exists tasks_meeting_id_idx on public.tasks (meeting_id) where meeting_id is not null;
create index if not exists tasks_proposed_by_idx on public.tasks (proposed_by) where proposed_by is not null;
create index if not exists tasks_judged_by_idx on public.tasks (judged_by) where judged_by is not null;
create index if not exists tasks_updated_by_idx on public.tasks (updated_by) where updated_by is not null;
alter table public.tasks enable row level security;
create or replace trigger t10_touch before update on public.tasks
    for each row execute function private.touch_version();
comment on table public.tasks is '优化任务: an improvement with owner, deadline and criteria that figures verify. shop_id null: all shops.';
comment on column public.tasks.evidence is 'What it came from: {kpi} anomaly, {root_cause_id, tickets} cluster, {ticket_id} low score.';
comment on column public.tasks.round is 'How often it was tried: failed and regressed tasks begin another round; measures belong to one.';
comment on column public.tasks.watch_until is 'Accepted: until this day the figures are watched; when they fall back the task has regressed.';

create or replace function private.tg_task_state() returns trigger
language plpgsql set search_path = '' as $$
begin
    if not exists (select from private.task_moves() m where m.state_from = old.state and m.state_to = new.state) then
        perform private.fail('PT409', 'task.wrong_state', jsonb_build_object('id', old.id, 'state', old.state));
    end if;
    return new;
end;
$$;
comment on function private.tg_task_state() is 'No function takes a step that is not in the table of moves.';
create or replace trigger t20_state before update of state on public.tasks
    for each row when (old.state <> new.state) execute function private.tg_task_state();

create table if not exists public.task_criteria (
    id bigint generated always as identity primary key,
    task_id bigint not null references public.tasks,
    round integer not null,
    position smallint not null,
    kpi_code text,
    kpi_version integer,
    agent text,
    comparison text constraint task_criteria_comparison_known check (comparison in ('<=', '>=', '<', '>')),
    target numeric,
    window_days smallint constraint task_criteria_window_range check (window_days between 1 and 366),
    min_sample integer constraint task_criteria_sample_range check (min_sample between 1 and 1000000),
    text text constraint task_criteria_text_length check (char_length(text) between 2 and 400),
    verifier_id bigint references public.members,
    baseline numeric,
    baseline_sample bigint,
    baseline_from date,
    baseline_to date,
    value numeric,
    sample bigint,
    measured_on date,
    is_met boolean,
    confirmed_at timestamptz,
    replaced_at timestamptz,
    constraint task_criteria_kind_is_whole check ((kpi_code is not null) = (text is null)
        and (kpi_code is null or (kpi_version is not null and comparison is not null and target is not null and window_days is not null and min_sample is not null))
        and (text is null or verifier_id is not null)),
    constraint task_criteria_text_masked check (not private.names_a_phone(text)),
    foreign key (kpi_code, kpi_version) references public.kpi_definitions (code, version)
);

do $$
begin
    if not exists (select from private.schema_steps where step = '97.2 no phone in a criterion') then
        if not exists (select from pg_catalog.pg_constraint c where c.conrelid = 'public.task_criteria'::regclass and c.conname = 'task_criteria_text_masked') then
            alter table public.task_criteria add constraint task_criteria_text_masked check (not private.names_a_phone(text)) not valid;
        end if;
        insert into private.schema_steps (step) values ('97.2 no phone in a criterion');
    end if;
end;
$$;

create index if not exists task_criteria_task_idx on public.task_criteria (task_id, round, position) where replaced_at is null;
create index if not exists task_criteria_task_id_idx on public.task_criteria (task_id);
create index if not exists task_criteria_kpi_idx on public.task_criteria (kpi_code, kpi_version) where kpi_code is not null;
create index if not exists task_criteria_person_idx on public.task_criteria (task_id) where agent is not null;
create index if not exists task_criteria_verifier_id_idx on public.task_criteria (verifier_id) where verifier_id is not null;
alter table public.task_criteria enable row level security;
comment on table public.task_criteria is
    '验收标准: a KPI by version that must reach a target over a window, or a sentence that a named person confirms. baseline: frozen when planned.';

create table if not exists public.task_measures (
    id bigint generated always as identity primary key,
    criterion_id bigint not null references public.task_criteria,
    task_id bigint not null references public.tasks,
    day date not null,
    value numeric,
    numerator numeric,
    denominator numeric,
    sample bigint not null,
    is_watch boolean not null default false,
    made_at timestamptz not null,
    constraint task_measures_once unique (criterion_id, day)
);
create index if not exists task_measures_task_id_idx on public.task_measures (task_id, day);
alter table public.task_measures enable row level security;
comment on table public.task_measures is 'What the daily check measured: the figure of the window up to and with that day. Nobody writes or changes it by hand.';

create table if not exists private.task_days (
    task_id bigint primary key references public.tasks,
    day date not null
);
alter table private.task_days enable row level security;
comment on table private.task_days is 'The day on which a task was checked last.';

create or replace function private.task_subjects(p_ids bigint[])
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select t.id, t.owner_id, 'O-' || t.id, '/task?id=' || t.id from public.tasks t where t.id = any (p_ids)
$$;

create or replace function private.task_owners(p_shops bigint[]) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select c.id, t.owner_id from public.tasks t join public.sla_clocks c on c.entity = 'task' and c.entity_id = t.id and c.stopped_at is null
    where t.shop_id = any (p_shops) and t.state in ('planned', 'in_progress') and t.owner_id is not null
$$;

-- Who reads -----------------------------------------------------------------------------------------------------------

create or replace function private.sees_every_shop() returns boolean
language sql stable security definer set search_path = '' as $$
    select not exists (select from public.shops s where s.is_active and s.id not in (select private.my_shop_ids()))
$$;
grant execute on function private.sees_every_shop() to authenticated;
comment on function private.sees_every_shop() is
    'Whether this request may see every shop that is open: what is of all shops, with the figures of all, is decided and held by such people alone.';

create or replace function private.reads_person(p_agent text, p_shop_id bigint, p_owner_id bigint) returns boolean
language sql stable security definer set search_path = '' as $$
    select p_agent is null or coalesce(p_owner_id = private.my_member_id(), false)
        or coalesce(private.my_role() in ('operations', 'analyst', 'manager', 'admin'), false)
            and (p_shop_id in (select private.my_shop_ids()) or (p_shop_id is null and private.sees_every_shop()))
        or coalesce((select bool_and(a.member_id = private.my_member_id())
            from private.agent_members(array(select s.id from public.shops s where p_shop_id is null or s.id = p_shop_id)) a where a.agent = p_agent), false)
$$;
comment on function private.reads_person(text, bigint, bigint) is
    'Whether this request may read what a task says of one person (null: of nobody), as the page of KPIs has it: those who answer for the figures of the shop, the owner of the task, and the person. Others read what is wanted, not of whom nor what it is.';

create or replace function private.my_person_criteria() returns setof bigint
language sql stable security definer set search_path = '' as $$
    select c.id from public.task_criteria c join public.tasks t on t.id = c.task_id
    where c.agent is not null and private.reads_person(c.agent, t.shop_id, t.owner_id)
$$;
grant execute on function private.my_person_criteria() to authenticated;
comment on function private.my_person_criteria() is 'The criteria of one person that this request may read.';

drop policy if exists "members read the tasks of their shops" on public.tasks;
create policy "members read the tasks of their shops" on public.tasks for select to authenticated
    using ((select private.my_role()) is not null and (shop_id is null or shop_id in (select private.my_shop_ids())));
drop policy if exists "readers of a task read its criteria" on public.task_criteria;
create policy "readers of a task read its criteria" on public.task_criteria for select to authenticated
    using (task_id in (select t.id from public.tasks t) and (agent is null or id in (select private.my_person_criteria())));
drop policy if exists "readers of a task read its measures" on public.task_measures;
create policy "readers of a task read its measures" on public.task_measures for select to authenticated
    using (criterion_id in (select c.id from public.task_criteria c));
drop policy if exists "leaders and analysts read the meetings of their shops" on public.meetings;
create policy "leaders and analysts read the meetings of their shops" on public.meetings for select to authenticated
    using ((select private.my_role()) in ('operations', 'analyst', 'manager', 'admin')
        and (shop_id in (select private.my_shop_ids()) or (shop_id is null and (select private.sees_every_shop()))));
grant select on public.tasks, public.task_criteria, public.task_measures, public.meetings to authenticated;

-- What improvement itself counts -----------------------------------------------------------------------------------------

create or replace function private.kpi_of_tasks(p_shops bigint[], p_from date, p_to date)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with judged as (
        select t.id, t.round, t.shop_id, (t.judged_at at time zone d.zone)::date as day, t.state
        from private.kpi_days(p_shops, p_from, p_to) d
        join public.tasks t on t.shop_id = d.shop_id and t.judged_at >= d.starts_at and t.judged_at < d.ends_at
        where t.state in ('accepted', 'failed', 'regressed')
    )
    select '流程优化达标率', j.shop_id, j.day, null, '(day)', count(*) filter (where j.state = 'accepted'), count(*), count(*) from judged j group by j.shop_id, j.day
    union all
    select '验收通过率', j.shop_id, j.day, null, '(day)', count(*) filter (where c.is_met), count(*), count(*)
    from judged j join public.task_criteria c on c.task_id = j.id and c.round = j.round and c.replaced_at is null
    where c.is_met is not null group by j.shop_id, j.day
$$;
comment on function private.kpi_of_tasks(bigint[], date, date) is 'Tasks judged on a day and those accepted; their criteria that were measured and those met.';
