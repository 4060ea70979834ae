-- 37 ------------------------------------------------------------------------------ deliveries: one message to one channel
--
-- The sweep bundles waiting reminder lines into deliveries, one digest for a channel and recipient. An edge function
-- claims some under a lease, sends them and reports. A delivery keeps its id over all attempts: outside the database
-- a message goes out at least once, inside it is counted once.

create table if not exists public.deliveries (
    id uuid primary key default gen_random_uuid(),
    seq bigint generated always as identity constraint deliveries_seq_unique unique,
    channel_id bigint not null references public.channels,
    member_id bigint references public.members,
    purpose text not null constraint deliveries_purpose_known check (purpose in ('reminders', 'daily', 'test')),
    state text not null default 'waiting' constraint deliveries_state_known
        check (state in ('waiting', 'sending', 'failed', 'sent', 'suppressed', 'dead')),
    attempts integer not null default 0 constraint deliveries_attempts_range check (attempts between 0 and 8),
    next_at timestamptz not null,
    lease_until timestamptz,
    line_count integer not null default 0,
    figures jsonb,
    last_error text constraint deliveries_error_length check (char_length(last_error) <= 200),
    requested_by bigint references public.members,
    resent_from uuid references public.deliveries,
    created_at timestamptz not null,
    ended_at timestamptz,
    constraint deliveries_sending_has_lease check ((state = 'sending') = (lease_until is not null)),
    constraint deliveries_ended_has_time check ((state in ('sent', 'suppressed', 'dead')) = (ended_at is not null))
);
create index if not exists deliveries_due_idx on public.deliveries (channel_id, next_at, seq) where state in ('waiting', 'failed');
create index if not exists deliveries_leases_idx on public.deliveries (lease_until) where state = 'sending';
create index if not exists deliveries_channel_id_idx on public.deliveries (channel_id, seq desc);
create index if not exists deliveries_member_id_idx on public.deliveries (member_id) where member_id is not null;
create index if not exists deliveries_requested_by_idx on public.deliveries (requested_by) where requested_by is not null;
create index if not exists deliveries_resent_from_idx on public.deliveries (resent_from) where resent_from is not null;
create index if not exists deliveries_created_at_idx on public.deliveries (created_at);
alter table public.deliveries enable row level security;
comment on table public.deliveries is '发送记录: one message to one channel (and person): what became of it. waiting → sending → sent, or failed until dead; suppressed when nothing was left to say.';
comment on column public.deliveries.seq is 'Order of the log: newest first by seq.';
comment on column public.deliveries.figures is 'Daily digest: its figures. Null for reminders.';
comment on column public.deliveries.last_error is 'Error key of the last failure, never an address, never data.';

create table if not exists private.delivery_attempts (
    delivery_id uuid not null references public.deliveries,
    attempt integer not null,
    channel_id bigint not null,
    worker text not null,
    claimed_at timestamptz not null,
    lease_until timestamptz not null,
    reported_at timestamptz,
    outcome text constraint delivery_attempts_outcome_known check (outcome in ('sent', 'failed', 'refused', 'abandoned')),
    error text,
    primary key (delivery_id, attempt)
);
create index if not exists delivery_attempts_channel_idx on private.delivery_attempts (channel_id, claimed_at desc);
alter table private.delivery_attempts enable row level security;
comment on table private.delivery_attempts is 'Each try of a delivery; the tries of the last minute are what is left of a platform''s limit.';

drop policy if exists "managers and admins read the delivery log of their shops" on public.deliveries;
create policy "managers and admins read the delivery log of their shops" on public.deliveries
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and channel_id in (select c.id from public.channels c));
grant select on public.deliveries to authenticated;

drop view if exists public.delivery_log;
create view public.delivery_log with (security_invoker = true) as
select d.seq, d.id, d.channel_id, c.name as channel_name, c.kind, c.audience, c.shop_id, d.member_id, m.display_name as member_name,
    d.purpose, d.state, d.attempts, d.next_at, d.line_count, d.last_error, d.requested_by, d.resent_from, d.created_at, d.ended_at
from public.deliveries d
join public.channels c on c.id = d.channel_id
left join public.members m on m.id = d.member_id;
grant select on public.delivery_log to authenticated;
comment on view public.delivery_log is 'Manager, admin: what went out, newest first by seq (keyset: seq < the last one shown).';

-- The limits of the platforms, over all workers -----------------------------------------------------------------------

create or replace function private.channel_budget(p_channel_id bigint, p_kind text, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
    select greatest(0, least(
        case p_kind when 'feishu' then 100 when 'webhook' then 120 when 'email' then 60 else 20 end
            - pg_catalog.count(*) filter (where coalesce(a.reported_at, a.lease_until) > p_now - interval '60 seconds'),
        case when p_kind = 'feishu' then 5 else 60 end
            - pg_catalog.count(*) filter (where a.claimed_at > p_now - interval '1 second')))::integer
    from private.delivery_attempts a
    where a.channel_id = p_channel_id and a.claimed_at > p_now - interval '12 minutes' and a.claimed_at <= p_now + interval '1 minute'
$$;
comment on function private.channel_budget(bigint, text, timestamptz) is
    'Messages a channel may still take in this minute: DingTalk and WeCom 20, Feishu 100 and 5 a second (their robot documentation), webhook 120 and e-mail 60 (product decision). A try counts until a minute after its report, or after its lease. Tries of a clock that was set back do not count.';

create or replace function private.due_channels(p_now timestamptz) returns setof public.channels
language sql volatile set search_path = '' as $$
    select c.* from public.channels c
    where c.is_active and c.host = any (private.hosts_of(c.kind))
      and exists (select from public.deliveries d where d.channel_id = c.id and d.state in ('waiting', 'failed') and d.next_at <= p_now)
    order by c.id for no key update skip locked
$$;
comment on function private.due_channels(timestamptz) is 'Locks the channels with something to send that no other claim is looking at: the budget of a channel is spent by one claim at a time.';

create or replace function private.due_deliveries(p_channels bigint[], p_limit integer, p_now timestamptz) returns uuid[]
language sql volatile set search_path = '' as $$
    select array(
        select r.id from (
            select x.id, x.next_at, x.seq, pg_catalog.row_number() over (partition by x.channel_id order by x.next_at, x.seq) as n
            from public.channels c
            cross join lateral (
                select d.id, d.channel_id, d.next_at, d.seq from public.deliveries d
                where d.channel_id = c.id and d.state in ('waiting', 'failed') and d.next_at <= p_now
                order by d.next_at, d.seq limit private.channel_budget(c.id, c.kind, p_now) for update skip locked) x
            where c.id = any (p_channels)
        ) r order by r.n, r.next_at, r.seq limit p_limit)
$$;
comment on function private.due_deliveries(bigint[], integer, timestamptz) is 'The next deliveries within the budgets, channel by channel in turn.';

create or replace function private.return_expired_deliveries(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_id uuid;
begin
    for v_id in select d.id from public.deliveries d where d.state = 'sending' and d.lease_until <= p_now for update skip locked loop
        perform private.end_attempt(v_id, 'abandoned', 'delivery.abandoned', null, p_now);
    end loop;
end;
$$;
comment on function private.return_expired_deliveries(timestamptz) is 'Deliveries whose worker vanished are due again, under the same id; after eight tries they are dead.';

-- Claim and report ----------------------------------------------------------------------------------------------------

create or replace function private.begin_attempts(p_ids uuid[], p_worker text, p_lease interval, p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' as $$
declare
    v_ids uuid[];
begin
    perform private.take_lines(p_ids, p_now);
    update public.deliveries d set state = 'suppressed', ended_at = p_now, line_count = 0
    where d.id = any (p_ids) and d.purpose = 'reminders'
      and not exists (select from public.reminder_lines l where l.delivery_id = d.id and l.state = 'sending');
    with taken as (
        update public.deliveries d set state = 'sending', attempts = d.attempts + 1, lease_until = p_now + p_lease,
            line_count = (select pg_catalog.count(*) from public.reminder_lines l where l.delivery_id = d.id and l.state = 'sending')
        where d.id = any (p_ids) and d.state <> 'suppressed'
        returning d.id, d.attempts, d.channel_id, d.lease_until
    ), told as (
        insert into private.delivery_attempts (delivery_id, attempt, channel_id, worker, claimed_at, lease_until)
        select t.id, t.attempts, t.channel_id, p_worker, p_now, t.lease_until from taken t returning delivery_id
    )
    select pg_catalog.array_agg(delivery_id) into v_ids from told;
    return coalesce(v_ids, '{}');
end;
$$;
comment on function private.begin_attempts(uuid[], text, interval, timestamptz) is
    'Takes the lines that still hold; a delivery without any is over. The others are being sent: one more attempt, under a lease.';

create or replace function public.claim_deliveries(p_worker text, p_limit integer default 20, p_lease_seconds integer default 60) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_channels bigint[];
    v_ids uuid[];
begin
    perform private.return_expired_deliveries(v_now);
    v_channels := array(select c.id from private.due_channels(v_now) c);
    v_ids := private.begin_attempts(
        private.due_deliveries(v_channels, least(greatest(coalesce(p_limit, 20), 1), 100), v_now),
        pg_catalog.left(coalesce(p_worker, ''), 60),
        pg_catalog.make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600)), v_now);
    return (select coalesce(pg_catalog.jsonb_agg(private.message_of(d.id, v_now) order by d.seq), '[]')
        from public.deliveries d where d.id = any (v_ids));
end;
$$;
grant execute on function public.claim_deliveries(text, integer, integer) to service_role;
comment on function public.claim_deliveries(text, integer, integer) is
    'Service: the next messages (at most p_limit) under a lease, within the limits of each platform over all workers: [{id (the same over all attempts), attempt, purpose (reminders, daily, test), channel_id, kind, host (send nowhere else), endpoint, secret (both sealed), options, language, audience, mentions, lines: [{reminder_id, area, entity_type, entity_id, target, policy, action, label, shop, timezone, step, state (due_soon, overdue), due_at, late_minutes (by which the reminder itself is late), path}], more (lines not listed), figures (daily), at (now)}].';

create or replace function private.wait_before(p_attempt integer, p_retry_after integer) returns interval
language sql volatile set search_path = '' as $$
    select greatest(
        (array['1 second', '5 seconds', '25 seconds', '2 minutes', '10 minutes', '1 hour', '6 hours'])[least(greatest(p_attempt, 1), 7)]::interval
            * (0.8 + 0.4 * pg_catalog.random()),
        pg_catalog.make_interval(secs => least(coalesce(p_retry_after, 0), 86400)))
$$;
comment on function private.wait_before(integer, integer) is
    'How long to wait after the n-th failure: 1, 5, 25 s, 2, 10, 60 min, 6 h, a fifth more or less by chance; at least what the other side asked for (Retry-After), at most a day.';

create or replace function private.end_attempt(p_id uuid, p_outcome text, p_error text, p_retry_after integer, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v public.deliveries;
begin
    update public.deliveries d set lease_until = null,
        state = case when p_outcome = 'sent' then 'sent' when p_outcome = 'refused' or d.attempts >= 8 then 'dead' else 'failed' end,
        ended_at = case when p_outcome in ('sent', 'refused') or d.attempts >= 8 then p_now end,
        next_at = case when p_outcome = 'sent' then d.next_at else p_now + private.wait_before(d.attempts, p_retry_after) end,
        last_error = case when p_outcome <> 'sent' then pg_catalog.left(coalesce(p_error, 'delivery.failed'), 200) end
    where d.id = p_id returning * into v;
    update private.delivery_attempts set reported_at = p_now, outcome = p_outcome, error = v.last_error
    where delivery_id = p_id and attempt = v.attempts;
    perform private.end_lines(p_id, v.state);
    return pg_catalog.jsonb_build_object('state', v.state, 'attempts', v.attempts,
        'next_at', case when v.state = 'failed' then v.next_at end);
end;
$$;
comment on function private.end_attempt(uuid, text, text, integer, timestamptz) is 'Writes down how an attempt ended (sent, failed, refused, abandoned) and what follows for the delivery and its lines.';

create or replace function public.report_delivery(
    p_id uuid, p_attempt integer, p_outcome text, p_error text default null, p_retry_after_seconds integer default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.deliveries;
begin
    if coalesce(p_outcome, '') not in ('sent', 'failed', 'refused') then
        perform private.fail('PT422', 'delivery.bad_outcome');
    end if;
    select * into v from public.deliveries where id = p_id for update;
    if v.state is distinct from 'sending' or v.attempts is distinct from p_attempt then
        return pg_catalog.jsonb_build_object('accepted', false, 'state', v.state, 'attempts', v.attempts);
    end if;
    return pg_catalog.jsonb_build_object('accepted', true)
        || private.end_attempt(p_id, p_outcome, p_error, p_retry_after_seconds, private.now());
end;
$$;
grant execute on function public.report_delivery(uuid, integer, text, text, integer) to service_role;
comment on function public.report_delivery(uuid, integer, text, text, integer) is
    'Service: how an attempt ended: sent, failed (again after 1, 5, 25 s, 2, 10, 60 min, 6 h, at least Retry-After; dead after eight tries) or refused (dead at once). p_error is a key or status, never an address. A report of an attempt that is over changes nothing: {"accepted": false}. delivery.bad_outcome.';

-- By hand -------------------------------------------------------------------------------------------------------------

create or replace function public.resend_delivery(p_id uuid, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'resend_delivery', pg_catalog.to_jsonb(p_id));
    v_old public.deliveries;
    v_id uuid := pg_catalog.gen_random_uuid();
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select d.* into v_old from public.deliveries d join public.channels c on c.id = d.channel_id
    where d.id = p_id and (c.shop_id is null or c.shop_id in (select private.my_shop_ids())) for update of d;
    if v_old.id is null then
        perform private.fail('PT404', 'delivery.none');
    elsif v_old.state <> 'dead' or exists (select from public.deliveries where resent_from = p_id) then
        perform private.fail('PT409', 'delivery.not_dead', pg_catalog.jsonb_build_object('state', v_old.state));
    end if;
    insert into public.deliveries (id, channel_id, member_id, purpose, next_at, line_count, figures, requested_by, resent_from, created_at)
    values (v_id, v_old.channel_id, v_old.member_id, v_old.purpose, v_now, v_old.line_count, v_old.figures, v_me.member_id, p_id, v_now);
    perform private.revive_lines(p_id, v_id);
    perform private.audit(v_me, (select shop_id from public.channels where id = v_old.channel_id), 'delivery', v_old.seq, 'resent');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.resend_delivery(uuid, uuid) to authenticated;
comment on function public.resend_delivery(uuid, uuid) is
    'Manager, admin: sends once more what failed for good, as a new message with the lines that still hold. Answers {id}. delivery.none, delivery.not_dead.';

create or replace function public.test_channel(p_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'test_channel', pg_catalog.to_jsonb(p_id));
    v_channel public.channels;
    v_id uuid;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_channel from public.channels where id = p_id and (shop_id is null or shop_id in (select private.my_shop_ids()));
    if not found then
        perform private.fail('PT404', 'channel.none');
    elsif not v_channel.is_active then
        perform private.fail('PT409', 'channel.off');
    elsif v_channel.host <> all (private.hosts_of(v_channel.kind)) then
        perform private.fail('PT422', 'channel.host_not_listed', pg_catalog.jsonb_build_object('host', v_channel.host));
    elsif exists (select from public.deliveries where channel_id = p_id and purpose = 'test' and state in ('waiting', 'sending', 'failed')) then
        perform private.fail('PT409', 'channel.test_under_way');
    end if;
    insert into public.deliveries (channel_id, member_id, purpose, next_at, requested_by, created_at)
    values (p_id, case when v_channel.audience = 'person' then v_me.member_id end, 'test', private.now(), v_me.member_id, private.now())
    returning id into v_id;
    perform private.audit(v_me, v_channel.shop_id, 'channel', p_id, 'tested');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.test_channel(bigint, uuid) to authenticated;
comment on function public.test_channel(bigint, uuid) is
    'Manager, admin: queues a test message (purpose test, no lines); what became of it stands in delivery_log under the answered id. channel.none, channel.off, channel.host_not_listed, channel.test_under_way.';

create or replace function public.delivery_detail(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v public.deliveries;
begin
    select d.* into v from public.deliveries d join public.channels c on c.id = d.channel_id
    where d.id = p_id and (c.shop_id is null or c.shop_id in (select private.my_shop_ids()));
    if not found then
        perform private.fail('PT404', 'delivery.none');
    end if;
    return pg_catalog.jsonb_build_object('id', v.id, 'state', v.state, 'purpose', v.purpose, 'figures', v.figures,
        'attempts', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('attempt', a.attempt, 'at', a.claimed_at,
            'reported_at', a.reported_at, 'outcome', a.outcome, 'error', a.error) order by a.attempt), '[]')
            from private.delivery_attempts a where a.delivery_id = v.id),
        'lines', private.lines_of_delivery(v.id));
end;
$$;
grant execute on function public.delivery_detail(uuid) to authenticated;
comment on function public.delivery_detail(uuid) is 'Manager, admin: the tries of a delivery and the reminders in it (the first 200). delivery.none.';
