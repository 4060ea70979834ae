-- 37 ----------------------------------------------------------------------------------- inbox: what the tool tells a person

create table if not exists public.member_reminders (
    member_id bigint primary key references public.members,
    preset text not null default 'all' constraint member_reminders_preset_known check (preset in ('all', 'urgent', 'mentions')),
    wecom_id text constraint member_reminders_wecom_form check (wecom_id ~ '^[A-Za-z0-9_.@-]{1,64}$'),
    dingtalk_id text constraint member_reminders_dingtalk_form check (dingtalk_id ~ '^[A-Za-z0-9_.@$-]{1,64}$'),
    feishu_id text constraint member_reminders_feishu_form check (feishu_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    version integer not null default 1,
    updated_at timestamptz not null default now()
);
alter table public.member_reminders enable row level security;
create or replace trigger t10_touch before update on public.member_reminders
    for each row execute function private.touch_version();
comment on table public.member_reminders is '提醒设置 of a member; without a row: everything, and no id on any platform.';
comment on column public.member_reminders.preset is
    '全部 all; 只紧急 urgent: overdue work and public complaints; 只@我 mentions: my own items, and what I answer for as 当班主管.';
comment on column public.member_reminders.wecom_id is 'User id of the platform for @mentions (never a phone number).';

create table if not exists public.notifications (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    kind text not null constraint notifications_kind_known check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily')),
    params jsonb not null default '{}',
    path text constraint notifications_path_form check (path ~ '^/[a-z_]*(\?[a-z0-9_=&-]*)?$'),
    is_urgent boolean not null default false,
    reminder_id bigint,
    audience_ids bigint[],
    dedupe_key text,
    created_at timestamptz not null,
    read_at timestamptz,
    snoozed_until timestamptz,
    closed_at timestamptz,
    constraint notifications_once unique (member_id, dedupe_key)
);
create index if not exists notifications_member_id_idx on public.notifications (member_id, id desc);
create index if not exists notifications_unread_idx on public.notifications (member_id, id desc) where read_at is null and closed_at is null;
create index if not exists notifications_audiences_idx on public.notifications using gin (audience_ids) where audience_ids is not null;
create index if not exists notifications_open_digests_idx on public.notifications (id)
    where audience_ids is not null and read_at is null and closed_at is null;
create index if not exists notifications_reminder_id_idx on public.notifications (reminder_id) where reminder_id is not null;
create index if not exists notifications_created_at_idx on public.notifications (created_at);
alter table public.notifications enable row level security;
comment on table public.notifications is '消息: what a member was told in the app. due_soon and overdue name one item; digest several; daily the figures of the day.';
comment on column public.notifications.params is
    'due_soon, overdue, returned (给回领取池), raised: {label, entity, entity_id, target, policy, shop, due_at}; digest: {count, overdue, items: [{label, path, entity, due_at, state}] (ten worst)}; daily: figures.';
comment on column public.notifications.audience_ids is 'Of a digest: the audiences whose reminders it stands for.';
comment on column public.notifications.closed_at is 'The matter is over (done, paused, moved, or somebody else''s): no longer counted as unread.';

drop policy if exists "members read what they were told" on public.notifications;
create policy "members read what they were told" on public.notifications
    for select to authenticated using (member_id = (select private.my_member_id()));
grant select (id, member_id, kind, params, path, is_urgent, created_at, read_at, snoozed_until, closed_at) on public.notifications to authenticated;

drop policy if exists "members read their own reminder settings, leaders everybody's" on public.member_reminders;
create policy "members read their own reminder settings, leaders everybody's" on public.member_reminders
    for select to authenticated using (
        member_id = (select private.my_member_id()) or (select private.my_role()) in ('manager', 'admin'));
grant select on public.member_reminders to authenticated;

-- Bell, read, later ---------------------------------------------------------------------------------------------------

create or replace function private.unread(p_member_id bigint, p_now timestamptz) returns setof public.notifications
language sql stable set search_path = '' as $$
    select n.* from public.notifications n
    where n.member_id = p_member_id and n.read_at is null and n.closed_at is null
      and (n.snoozed_until is null or n.snoozed_until <= p_now)
    order by n.id desc limit 1001
$$;
comment on function private.unread(bigint, timestamptz) is 'Unread messages that are not put off, newest first; counted up to 1,001 ("1000+").';

create or replace function public.bell() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select pg_catalog.jsonb_build_object('unread', pg_catalog.count(*), 'urgent', pg_catalog.count(*) filter (where n.is_urgent),
            'newest', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', n.id, 'kind', n.kind,
                'params', n.params || case when n.kind = 'digest'
                    then pg_catalog.jsonb_build_object('open', private.open_in_digest(n.audience_ids)) else '{}' end,
                'path', n.path, 'is_urgent', n.is_urgent, 'created_at', n.created_at) order by n.id desc) filter (where n.rank <= 10), '[]'))
        from (select u.*, pg_catalog.row_number() over (order by u.id desc) as rank from private.unread(v_me.member_id, private.now()) u) n);
end;
$$;
grant execute on function public.bell() to authenticated;
comment on function public.bell() is
    'My unread messages: {unread, urgent (both up to 1,001), newest: [{id, kind, params, path, is_urgent, created_at}] (ten)}. A digest also says how many of its items are still open. member.none.';

create or replace function public.read_notifications(p_ids jsonb default null) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_ids bigint[] := case when p_ids is not null and p_ids <> 'null' then private.as_ids(p_ids) end;
    v_count integer;
begin
    update public.notifications set read_at = private.now()
    where id in (select n.id from public.notifications n
        where n.member_id = v_me.member_id and n.read_at is null and (v_ids is null or n.id = any (v_ids))
        order by n.id for update);
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.read_notifications(jsonb) to authenticated;
comment on function public.read_notifications(jsonb) is 'Marks these of my messages (null: all) as read; answers how many were not before. request.bad_value.';

create or replace function public.snooze_notification(p_id bigint, p_until timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_until is null or p_until <= private.now() or p_until > private.now() + interval '7 days' then
        perform private.fail('PT422', 'notification.bad_time');
    end if;
    update public.notifications set snoozed_until = p_until, read_at = null
    where id = p_id and member_id = v_me.member_id and closed_at is null;
    if not found then
        perform private.fail('PT404', 'notification.none');
    end if;
end;
$$;
grant execute on function public.snooze_notification(bigint, timestamptz) to authenticated;
comment on function public.snooze_notification(bigint, timestamptz) is
    'Puts one of my messages off: unread again from then on, at most seven days. notification.none (not mine, or over), notification.bad_time.';

-- Settings ------------------------------------------------------------------------------------------------------------

create or replace function private.check_reminder_settings(p_settings jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if pg_catalog.jsonb_typeof(p_settings) is distinct from 'object'
        or coalesce(p_settings ->> 'preset', 'all') not in ('all', 'urgent', 'mentions') then
        perform private.fail('PT422', 'reminder_settings.bad_preset');
    elsif coalesce(p_settings ->> 'wecom_id', 'x') !~ '^[A-Za-z0-9_.@-]{1,64}$'
        or coalesce(p_settings ->> 'dingtalk_id', 'x') !~ '^[A-Za-z0-9_.@$-]{1,64}$'
        or coalesce(p_settings ->> 'feishu_id', 'x') !~ '^[A-Za-z0-9_-]{1,64}$'
        or coalesce(p_settings ->> 'wecom_id', '') ~ '^1[3-9][0-9]{9}$' or coalesce(p_settings ->> 'dingtalk_id', '') ~ '^1[3-9][0-9]{9}$'
        or coalesce(p_settings ->> 'feishu_id', '') ~ '^1[3-9][0-9]{9}$' then
        perform private.fail('PT422', 'reminder_settings.bad_id');
    end if;
end;
$$;
comment on function private.check_reminder_settings(jsonb) is 'reminder_settings.bad_preset, reminder_settings.bad_id (a phone number is none: it would stand in the open).';

create or replace function public.save_reminder_settings(p_member_id bigint, p_version integer, p_settings jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_settings jsonb := private.as_json(p_settings);
    v_answer jsonb := private.begin_request(p_request_id, 'save_reminder_settings', pg_catalog.jsonb_build_array(p_member_id, p_version, v_settings));
    v_version integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_member_id is distinct from v_me.member_id and v_me.role not in ('manager', 'admin') then
        perform private.fail('PT403', 'reminder_settings.not_yours');
    elsif not exists (select from public.members where id = p_member_id) then
        perform private.fail('PT404', 'member.unknown');
    end if;
    perform private.check_reminder_settings(v_settings);
    insert into public.member_reminders (member_id) values (p_member_id) on conflict do nothing;
    update public.member_reminders set preset = coalesce(v_settings ->> 'preset', preset),
        wecom_id = case when v_settings ? 'wecom_id' then v_settings ->> 'wecom_id' else wecom_id end,
        dingtalk_id = case when v_settings ? 'dingtalk_id' then v_settings ->> 'dingtalk_id' else dingtalk_id end,
        feishu_id = case when v_settings ? 'feishu_id' then v_settings ->> 'feishu_id' else feishu_id end
    where member_id = p_member_id and version = coalesce(p_version, 1) returning version into v_version;
    if not found then
        perform private.fail('PT409', 'reminder_settings.stale');
    end if;
    perform private.audit(v_me, null, 'member', p_member_id, 'reminders_set',
        pg_catalog.jsonb_build_object('preset', v_settings ->> 'preset'));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('version', v_version));
end;
$$;
grant execute on function public.save_reminder_settings(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.save_reminder_settings(bigint, integer, jsonb, uuid) is
    'My own settings; manager, admin: anybody''s: {preset, wecom_id, dingtalk_id, feishu_id}; what is left out stays, null removes an id; p_version null for a member without a row. Answers {version}. reminder_settings.not_yours, reminder_settings.stale, reminder_settings.bad_preset, reminder_settings.bad_id, member.unknown.';

-- The digest of the day -----------------------------------------------------------------------------------------------

create or replace function private.daily_figures(p_shop_ids bigint[], p_from timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with open as (
        select c.entity, c.due_at from public.sla_clocks c
        where c.shop_id = any (p_shop_ids) and c.stopped_at is null and (c.due_at <= p_from + interval '1 day' or c.entity = 'approval')
    ), done as (
        select e.state from public.sla_clock_events e
        where e.shop_id = any (p_shop_ids) and e.at >= p_from and e.at <= p_now and e.kind = 'stopped'
          and e.state in ('fulfilled', 'fulfilled_late')
    )
    select pg_catalog.jsonb_build_object(
        'overdue', (select pg_catalog.count(*) from open where due_at < p_now),
        'approvals', (select pg_catalog.count(*) from open where entity = 'approval'),
        'done', (select pg_catalog.count(*) from done),
        'on_time', (select pg_catalog.count(*) from done where state = 'fulfilled'),
        'due_tonight', (select pg_catalog.count(*) from open where due_at >= p_now and due_at <= p_from + interval '1 day'))
$$;
comment on function private.daily_figures(bigint[], timestamptz, timestamptz) is
    'Overdue now, approvals waiting, and of this day: done, of these on time, still due until 24:00.';

create or replace function private.daily_readers(p_now timestamptz) returns table (member_id bigint, shop_ids bigint[], day_start timestamptz, day date)
language sql stable set search_path = '' as $$
    select m.id, s.shop_ids, l.day::timestamp at time zone s.zone, l.day
    from public.members m
    cross join lateral (
        select pg_catalog.array_agg(x.id order by x.id) as shop_ids, (pg_catalog.array_agg(x.timezone order by x.id))[1] as zone
        from public.member_shops k join public.shops x on x.id = k.shop_id and x.is_active where k.member_id = m.id) s
    cross join lateral (select (p_now at time zone s.zone)::date as day, extract(hour from p_now at time zone s.zone) as hour) l
    left join public.member_reminders r on r.member_id = m.id
    where m.role = 'manager' and m.state = 'active' and s.zone is not null and l.hour >= 17 and coalesce(r.preset, 'all') <> 'mentions'
      and not exists (select from public.notifications n where n.member_id = m.id and n.dedupe_key = 'daily ' || l.day)
$$;
comment on function private.daily_readers(timestamptz) is
    'Managers who have not had the digest of the day: from 17:00 of their first shop until 24:00 (a day that was missed is not made up for).';

create or replace function private.send_daily_digests(p_now timestamptz) returns integer
language sql volatile set search_path = '' as $$
    with told as (
        insert into public.notifications (member_id, kind, params, path, dedupe_key, created_at)
        select r.member_id, 'daily', private.daily_figures(r.shop_ids, r.day_start, p_now) || pg_catalog.jsonb_build_object('day', r.day),
            '/home', 'daily ' || r.day, p_now
        from private.daily_readers(p_now) r
        on conflict do nothing returning *
    ), queued as (
        insert into public.deliveries (channel_id, member_id, purpose, next_at, figures, created_at)
        select c.id, t.member_id, 'daily', p_now, t.params, p_now
        from told t join private.person_channels() c on c.member_id = t.member_id
        where c.shop_id is null or exists (select from public.member_shops k where k.member_id = t.member_id and k.shop_id = c.shop_id)
        returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.send_daily_digests(timestamptz) is 'The digest of 17:00 for managers: in the app and on channels that speak to persons.';
