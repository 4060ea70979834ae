-- 38 ----------------------------------------------------------------------------- reminders: the outbox of the deadlines
--
-- One row per clock (which is one instance), ladder step and deadline version: however many sweeps run, a step is said
-- once. Reminders for the same people share an audience: ten thousand of them cost ten thousand rows, not ten thousand
-- for each person. Lines are for channels. Whatever stops, pauses or moves a deadline silences its reminders in the same
-- transaction; a claim looks once more before it sends.
-- Locks: the sweep, claims and reports take rows with "skip locked", so that none of them ever waits for a person.

do $$
begin
    if not exists (select from private.schema_steps where step = '38.1 step times of clocks') then
        alter table public.sla_clocks add column if not exists step_times timestamptz[];
        update public.sla_clocks c set step_times = array(select s.at from private.clock_steps(c) s order by s.step)
        where c.due_at is not null and c.stopped_at is null;
        insert into private.schema_steps (step) values ('38.1 step times of clocks');
    end if;
end;
$$;
comment on column public.sla_clocks.step_times is 'Instants of the ladder, worked out with the deadline; null where the calendar of that year is missing.';

create table if not exists public.reminders (
    id bigint generated always as identity primary key,
    clock_id bigint not null references public.sla_clocks,
    shop_id bigint not null, -- that of the clock
    entity text not null,
    entity_id bigint not null,
    step smallint not null,
    due_version integer not null,
    who text[] not null,
    action text not null,
    is_escalation boolean not null,
    is_public boolean not null,
    step_at timestamptz not null,
    due_at timestamptz not null,
    late_minutes integer not null default 0,
    ready_at timestamptz not null,
    label text,
    path text,
    audience_id bigint,
    past_audience_ids bigint[] not null default '{}',
    is_told boolean not null default false,
    state text not null constraint reminders_state_known check (state in ('due', 'queued', 'sent', 'suppressed', 'failed', 'dead')),
    reason text constraint reminders_reason_known check (reason in
        ('overtaken', 'stopped', 'paused', 'moved', 'owner_changed', 'preset', 'nobody', 'channel_off')),
    is_over boolean not null default false,
    created_at timestamptz not null,
    constraint reminders_once unique (clock_id, step, due_version),
    constraint reminders_suppressed_has_reason check (state <> 'suppressed' or reason is not null)
);
create index if not exists reminders_ready_idx on public.reminders (ready_at) where state = 'due';
create index if not exists reminders_live_idx on public.reminders (clock_id) where not is_over;
create index if not exists reminders_unsettled_idx on public.reminders (id) where state in ('queued', 'failed');
create index if not exists reminders_audience_idx on public.reminders (audience_id) where not is_over;
alter table public.reminders enable row level security;
comment on table public.reminders is
    '提醒: a step of a deadline''s ladder whose time has come. due (waits for quiet hours or the calendar of reminders) → queued → sent, or suppressed with its reason, failed (tried again), dead.';
comment on column public.reminders.who is 'Whom the step names; with those of earlier overdue steps that it overtook.';
comment on column public.reminders.is_escalation is 'For group channels too: overdue, or for others than the owner.';
comment on column public.reminders.is_public is 'A public complaint: no quiet hours, always urgent.';
comment on column public.reminders.audience_id is 'Who is told in the app (private.reminder_people); past_audience_ids: who was, before the work changed hands.';
comment on column public.reminders.is_told is 'Somebody of the audience was told in the app.';
comment on column public.reminders.late_minutes is 'By how much the reminder came after its step, when that is two minutes or more.';
comment on column public.reminders.is_over is 'Nothing more follows from it: the deadline stopped, paused, moved, or a later step took over.';
comment on column public.reminders.reason is
    'Why it was not said: overtaken (a later step of the same deadline), stopped, paused, moved (another deadline), owner_changed, preset (what the person asked for), nobody (no active person to tell), channel_off.';

create sequence if not exists private.reminder_audiences;
create table if not exists private.reminder_people (
    audience_id bigint not null,
    member_id bigint not null references public.members,
    role text not null constraint reminder_people_role_known check (role in ('owner', 'on_duty', 'duty_lead', 'manager', 'warehouse')),
    reason text constraint reminder_people_reason_known check (reason in ('preset')),
    created_at timestamptz not null,
    primary key (audience_id, member_id)
);
create index if not exists reminder_people_member_id_idx on private.reminder_people (member_id);
alter table private.reminder_people enable row level security;
comment on table private.reminder_people is
    'The people of an audience. role: as whom somebody is told; on_duty also stands in for an owner who is off duty or missing. reason: why he was not told after all.';

create table if not exists public.reminder_lines (
    id bigint generated always as identity primary key,
    reminder_id bigint not null references public.reminders,
    member_id bigint references public.members,
    channel_id bigint not null references public.channels,
    state text not null default 'waiting' constraint reminder_lines_state_known
        check (state in ('waiting', 'sending', 'failed', 'sent', 'suppressed', 'dead')),
    reason text,
    delivery_id uuid references public.deliveries,
    constraint reminder_lines_once unique nulls not distinct (reminder_id, member_id, channel_id),
    constraint reminder_lines_suppressed_has_reason check (state <> 'suppressed' or reason is not null)
);
create index if not exists reminder_lines_delivery_id_idx on public.reminder_lines (delivery_id) where delivery_id is not null;
create index if not exists reminder_lines_waiting_idx on public.reminder_lines (channel_id, member_id) where state in ('waiting', 'failed');
create index if not exists reminder_lines_channel_id_idx on public.reminder_lines (channel_id);
create index if not exists reminder_lines_member_id_idx on public.reminder_lines (member_id) where member_id is not null;
alter table public.reminder_lines enable row level security;
comment on table public.reminder_lines is
    'A reminder on its way out: to a person on a channel, or to the group of a channel (no member). Suppressed ones keep the reason.';

drop policy if exists "managers and admins read the reminders of their shops" on public.reminders;
create policy "managers and admins read the reminders of their shops" on public.reminders
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin') and shop_id in (select private.my_shop_ids()));
drop policy if exists "managers and admins read to whom reminders of their shops went" on public.reminder_lines;
create policy "managers and admins read to whom reminders of their shops went" on public.reminder_lines
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and exists (select from public.reminders r where r.id = reminder_id and r.shop_id in (select private.my_shop_ids())));
grant select on public.reminders, public.reminder_lines to authenticated;

-- What an area knows of its records: a branch per entity, which later areas add ---------------------------------------

create or replace function private.order_subjects(p_ids bigint[])
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select o.id, null::bigint, o.order_no, '/orders?id=' || o.id from public.orders o where o.id = any (p_ids)
$$;

create or replace function private.subjects_of(p_entity text, p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language plpgsql stable set search_path = '' as $$
begin
    case p_entity
        when 'order_review' then return query select * from private.order_review_subjects(p_ids, p_now);
        when 'order' then return query select * from private.order_subjects(p_ids);
        when 'lead' then return query select * from private.lead_subjects(p_ids);
        when 'promise' then return query select * from private.promise_subjects(p_ids, p_now);
        when 'survey' then return query select * from private.survey_subjects(p_ids, p_now);
        when 'ticket', 'return', 'public_complaint' then return query select * from private.ticket_subjects(p_ids, p_now);
        when 'approval' then return query select * from private.approval_subjects(p_ids, p_now);
        when 'task' then return query select * from private.task_subjects(p_ids);
        when 'kpi_alert' then return query select * from private.kpi_alert_subjects(p_ids);
        else null;
    end case;
end;
$$;
comment on function private.subjects_of(text, bigint[], timestamptz) is
    'Of each record: who owns it now, how it is called (a number, never a person''s data), and the page that opens it.';

create or replace function private.can_work(p_entity text, p_role text, p_skills text[]) returns boolean
language sql immutable set search_path = '' as $$
    select case
        when p_entity = 'order_review' then p_role = 'operations' or (p_role = 'agent' and 'review' = any (p_skills))
        when p_entity = 'order' then p_role = 'warehouse'
        when p_entity = 'lead' then p_role = 'agent' and 'presales' = any (p_skills)
        when p_entity = 'promise' then p_role = 'agent'
        when p_entity in ('ticket', 'return', 'public_complaint') then p_role = 'operations' or (p_role = 'agent' and 'aftersales' = any (p_skills))
        when p_entity in ('approval', 'task', 'kpi_alert') then p_role = 'manager'
        when p_entity in ('survey', 'parcel_exception') then p_role in ('agent', 'operations')
        else false end
$$;
comment on function private.can_work(text, text, text[]) is
    'Whether a colleague on duty could do this work in place of its owner; nobody could do work of a kind that is not named here.';

create or replace function private.ladder_action(p_entity text, p_action text, p_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
begin
    case p_entity
        when 'order_review' then return private.order_review_action(p_action, p_ids, p_now);
        when 'lead' then return private.lead_action(p_action, p_ids, p_now);
        when 'ticket', 'return', 'public_complaint' then return private.ticket_action(p_action, p_ids, p_now);
        else return 0;
    end case;
end;
$$;
comment on function private.ladder_action(text, text, bigint[], timestamptz) is 'What a step does besides telling people; answers how many records changed.';

-- Silence: in the transaction that ends, pauses or moves a deadline, or hands the work to somebody else ---------------

create or replace function private.close_notifications(p_reminder_ids bigint[], p_audience_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.notifications n set closed_at = p_now
    where n.id in (
        select x.id from public.notifications x join public.reminders r on r.id = x.reminder_id
        where x.reminder_id = any (p_reminder_ids) and x.closed_at is null
          and (r.is_over or not exists (select from private.reminder_people p
              where p.audience_id = r.audience_id and p.member_id = x.member_id))
        for update of x skip locked)
       or n.id in (
        select x.id from public.notifications x
        where x.audience_ids && p_audience_ids and x.closed_at is null
          and not exists (select from public.reminders r where r.audience_id = any (x.audience_ids) and not r.is_over)
        for update skip locked)
$$;
comment on function private.close_notifications(bigint[], bigint[], timestamptz) is
    'Closes messages whose reminders are over, or no longer this person''s: of single reminders, and digests of these audiences.';

create or replace function private.close_empty_digests(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.notifications n set closed_at = p_now
    where n.id in (
        select x.id from public.notifications x
        where x.audience_ids is not null and x.read_at is null and x.closed_at is null
          and not exists (select from public.reminders r where r.audience_id = any (x.audience_ids) and not r.is_over)
        for update skip locked)
$$;
comment on function private.close_empty_digests(timestamptz) is
    'Digests whose last two items were done at the same moment: neither saw the other, so nobody closed them.';

create or replace function private.settle_reminders(p_ids bigint[]) returns void
language sql set search_path = '' as $$
    update public.reminders r set state = s.state, reason = case when s.state = 'suppressed' then coalesce(s.reason, r.reason) else r.reason end
    from (
        select l.reminder_id, pg_catalog.min(l.reason) as reason, case
            when pg_catalog.bool_or(l.state = 'failed') then 'failed'
            when pg_catalog.bool_or(l.state in ('waiting', 'sending')) then 'queued'
            when pg_catalog.bool_or(l.state = 'sent' or o.is_told) then 'sent'
            when pg_catalog.bool_or(l.state = 'dead') then 'dead' else 'suppressed' end as state
        from public.reminder_lines l join public.reminders o on o.id = l.reminder_id
        where l.reminder_id = any (p_ids) group by l.reminder_id) s
    where r.id = s.reminder_id and r.state <> s.state
$$;
comment on function private.settle_reminders(bigint[]) is
    'The state of a reminder that has lines: failed, queued, sent (outside or in the app), dead or suppressed, the first that fits.';

create or replace function private.silence(p_ids bigint[], p_reason text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_audiences bigint[];
begin
    with hushed as (
        update public.reminders r set is_over = true,
            state = case when r.state = 'due' then 'suppressed' else r.state end,
            reason = case when r.state = 'due' then p_reason else r.reason end
        where r.id in (select x.id from public.reminders x where x.id = any (p_ids) and not x.is_over for no key update skip locked)
        returning r.audience_id
    )
    select pg_catalog.array_agg(distinct audience_id) into v_audiences from hushed;
    update public.reminder_lines l set state = 'suppressed', reason = p_reason
    where l.id in (select x.id from public.reminder_lines x
        where x.reminder_id = any (p_ids) and x.state in ('waiting', 'failed') for update skip locked);
    perform private.settle_reminders(p_ids);
    perform private.close_notifications(p_ids, v_audiences, p_now);
end;
$$;
comment on function private.silence(bigint[], text, timestamptz) is
    'Nothing more is said of these reminders: what waits is suppressed with the reason, what was said in the app is closed. A message that is being sent at this moment goes out.';

create or replace function private.tg_silence_clock() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select r.id from public.reminders r where r.clock_id = new.id and not r.is_over);
begin
    if v_ids <> '{}' then
        perform from public.reminders r where r.id = any (v_ids) order by r.id for no key update; -- a sweep at work ends first
        perform private.silence(v_ids, case when new.stopped_at is not null then 'stopped'
            when new.paused_at is not null then 'paused' else 'moved' end, new.updated_at);
    end if;
    return null;
end;
$$;
comment on function private.tg_silence_clock() is 'A clock that stops, pauses, merges or gets another deadline falls silent at once.';
create or replace trigger t60_silence after update on public.sla_clocks
    for each row when (old.stopped_at is distinct from new.stopped_at or old.paused_at is distinct from new.paused_at
        or old.due_version <> new.due_version or (old.due_at is not null and new.due_at is null))
    execute function private.tg_silence_clock();

create or replace function private.owner_changed(p_entity text, p_entity_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    v_ids := array(
        select r.id from public.sla_clocks c join public.reminders r on r.clock_id = c.id and not r.is_over
        where c.entity = p_entity and c.entity_id = p_entity_id and c.stopped_at is null
          and r.state <> 'due' and r.action <> 'to_pool' and r.who && '{owner,on_duty}'
        order by r.id for no key update of r);
    if v_ids <> '{}' then
        perform private.hand_on(v_ids, p_now);
    end if;
end;
$$;
comment on function private.owner_changed(text, bigint, timestamptz) is
    'The work has another owner: what nobody has read yet goes on to him, and is closed for the others.';

create or replace function private.was_read(p_reminder public.reminders) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from private.reminder_people p
        join public.notifications n on n.member_id = p.member_id
            and (n.reminder_id = (p_reminder).id or n.audience_ids @> array[(p_reminder).audience_id])
        where p.audience_id = (p_reminder).audience_id and p.role in ('owner', 'on_duty') and n.read_at is not null)
$$;
comment on function private.was_read(public.reminders) is 'Whether an owner, or somebody in his place, has read the message.';

create or replace function private.hand_on(p_ids bigint[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_old bigint[] := array(select distinct r.audience_id from public.reminders r where r.id = any (p_ids));
    v_unread bigint[] := array(select r.id from public.reminders r where r.id = any (p_ids) and not private.was_read(r));
begin
    perform private.address_reminders(p_ids, p_now);
    update public.reminder_lines l set state = 'suppressed', reason = 'owner_changed'
    where l.id in (
        select x.id from public.reminder_lines x join public.reminders r on r.id = x.reminder_id
        where r.id = any (p_ids) and x.member_id is not null and x.state in ('waiting', 'failed')
          and not exists (select from private.reminder_people p where p.audience_id = r.audience_id and p.member_id = x.member_id)
        for update of x skip locked);
    perform private.add_lines(v_unread, p_now);
    perform private.notify_people(v_unread, p_now);
    perform private.close_notifications(p_ids, v_old, p_now);
    perform private.settle_reminders(p_ids);
end;
$$;
comment on function private.hand_on(bigint[], timestamptz) is 'Finds the audience of reminders anew; those who come to it hear of them unless they were read.';

-- Lines on their way (used by deliveries) -----------------------------------------------------------------------------

create or replace function private.take_lines(p_ids uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    with held as (
        select l.id, c.stopped_at is null and c.paused_at is null and c.due_version = r.due_version and not r.is_over
            and (l.member_id is null or exists (
                select from private.reminder_people p join public.members m on m.id = p.member_id and m.state = 'active'
                where p.audience_id = r.audience_id and p.member_id = l.member_id)) as holds
        from public.reminder_lines l
        join public.reminders r on r.id = l.reminder_id
        join public.sla_clocks c on c.id = r.clock_id
        where l.delivery_id = any (p_ids) and l.state in ('waiting', 'failed') for update of l skip locked
    )
    update public.reminder_lines l set state = case when h.holds then 'sending' else 'suppressed' end,
        reason = case when not h.holds then 'stopped' end
    from held h where h.id = l.id;
end;
$$;
comment on function private.take_lines(uuid[], timestamptz) is 'Lines that still hold are being sent; those whose deadline is over meanwhile are not.';

create or replace function private.end_lines(p_id uuid, p_state text) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with ended as (
        update public.reminder_lines l set
            state = case when p_state = 'failed' and r.is_over then 'suppressed' else p_state end,
            reason = case when p_state = 'failed' and r.is_over then 'stopped' end
        from public.reminders r
        where r.id = l.reminder_id and l.delivery_id = p_id and l.state = 'sending' returning l.reminder_id
    )
    select pg_catalog.array_agg(distinct reminder_id) into v_ids from ended;
    perform private.settle_reminders(array(
        select r.id from public.reminders r where r.id = any (v_ids) order by r.id for update skip locked));
end;
$$;
comment on function private.end_lines(uuid, text) is 'The lines of a delivery follow it: sent, failed (again later, unless over meanwhile), dead.';

create or replace function private.revive_lines(p_old uuid, p_new uuid) returns void
language sql set search_path = '' as $$
    with revived as (
        update public.reminder_lines l set state = 'waiting', delivery_id = p_new
        from public.reminders r where r.id = l.reminder_id and not r.is_over and l.delivery_id = p_old and l.state = 'dead'
        returning l.reminder_id
    )
    select private.settle_reminders(array(select reminder_id from revived))
$$;

create or replace function private.line_of(p_reminder public.reminders, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('reminder_id', (p_reminder).id, 'area', c.policy ->> 'code', 'entity_type', c.entity,
        'entity_id', c.entity_id, 'target', c.target, 'label', coalesce((p_reminder).label, '#' || c.entity_id),
        'shop', s.name, 'timezone', s.timezone, 'policy', c.policy ->> 'name',
        'step', (p_reminder).step, 'action', (p_reminder).action,
        'state', case when (p_reminder).step_at >= (p_reminder).due_at or (p_reminder).due_at < p_now then 'overdue' else 'due_soon' end,
        'due_at', (p_reminder).due_at, 'late_minutes', (p_reminder).late_minutes, 'path', (p_reminder).path)
    from public.sla_clocks c join public.shops s on s.id = c.shop_id where c.id = (p_reminder).clock_id
$$;
comment on function private.line_of(public.reminders, timestamptz) is 'A line as a message carries it: numbers, times and a path, nothing personal.';

create or replace function private.listed_lines(p_kind text) returns integer
language sql immutable set search_path = '' as $$ select case p_kind when 'wecom' then 20 else 100 end $$;
comment on function private.listed_lines(text) is
    'Lines that a message lists before it says how many more there are: a WeCom text takes 2,048 bytes, the others 20 KB (robot documentation).';

create or replace function private.handle_of(p_kind text, p_settings public.member_reminders) returns text
language sql immutable set search_path = '' as $$
    select case p_kind when 'wecom' then (p_settings).wecom_id when 'dingtalk' then (p_settings).dingtalk_id
        when 'feishu' then (p_settings).feishu_id end
$$;

create or replace function private.mentions_of(p_delivery public.deliveries, p_kind text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(h.handle order by h.handle), '[]') from (
        select distinct case p_kind when 'webhook' then m.staff_no else private.handle_of(p_kind, s) end as handle
        from public.members m left join public.member_reminders s on s.member_id = m.id
        where m.id = (p_delivery).member_id
           or ((p_delivery).member_id is null and m.id in (
                select p.member_id from private.reminder_people p
                where p.reason is null and p.role in ('owner', 'duty_lead', 'manager') and p.audience_id in (
                    select r.audience_id from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
                    where l.delivery_id = (p_delivery).id and l.state = 'sending')))
        limit 20) h
    where h.handle is not null
$$;
comment on function private.mentions_of(public.deliveries, text) is 'Ids on the platform (webhook: staff numbers) of those whom the message is about: the person, or in a group the owners and leads of its lines.';

create or replace function private.message_of(p_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', d.id, 'attempt', d.attempts, 'purpose', d.purpose, 'channel_id', c.id, 'kind', c.kind,
        'host', c.host, 'endpoint', c.endpoint_cipher, 'secret', c.secret_cipher,
        'options', c.options || coalesce((select pg_catalog.jsonb_build_object('to', g.login_email) from private.member_logins g
            where c.kind = 'email' and g.member_id = d.member_id), '{}'),
        'language', coalesce((select m.locale from public.members m where m.id = d.member_id), c.language),
        'audience', c.audience, 'mentions', private.mentions_of(d, c.kind),
        'lines', coalesce((select pg_catalog.jsonb_agg(x.line order by x.n) filter (where x.n <= private.listed_lines(c.kind)) from (
            select private.line_of(r, p_now) as line, pg_catalog.row_number() over (order by r.due_at, r.id) as n
            from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
            where l.delivery_id = d.id and l.state = 'sending') x), '[]'),
        'more', greatest(0, d.line_count - private.listed_lines(c.kind)), 'figures', d.figures, 'at', p_now)
    from public.deliveries d join public.channels c on c.id = d.channel_id where d.id = p_id
$$;
comment on function private.message_of(uuid, timestamptz) is 'A claimed delivery as claim_deliveries hands it out.';

create or replace function private.lines_of_delivery(p_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('reminder_id', x.reminder_id, 'label', x.label, 'path', x.path,
        'entity', x.entity, 'due_at', x.due_at, 'state', x.state, 'reason', x.reason) order by x.due_at, x.reminder_id), '[]')
    from (select l.reminder_id, r.label, r.path, r.entity, r.due_at, l.state, l.reason
        from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
        where l.delivery_id = p_id and r.shop_id in (select private.my_shop_ids()) order by r.due_at, r.id limit 200) x
$$;

create or replace function private.open_in_digest(p_audience_ids bigint[]) returns integer
language sql stable set search_path = '' as $$
    select pg_catalog.count(*)::integer from public.reminders r where r.audience_id = any (p_audience_ids) and not r.is_over
$$;
comment on function private.open_in_digest(bigint[]) is 'How many items of a digest still wait.';
