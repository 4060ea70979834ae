-- 32 ------------------------------------------------------------------------------------------- the clock: start to stop
--
-- Every command locks the clock, changes it in memory, stores it and appends its event: one transaction. Commands that are
-- repeated change nothing. Areas keep the deadline of their work rows by a trigger on sla_clocks for their own entity.

create or replace function private.policy_matches(p_conditions jsonb, p_facts jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.bool_and(coalesce(case pg_catalog.jsonb_typeof(p_facts -> c.key)
        when 'array' then c.value ?| array(select pg_catalog.jsonb_array_elements_text(p_facts -> c.key))
        else c.value ? (p_facts ->> c.key) end, false)), true)
    from pg_catalog.jsonb_each(p_conditions) c
$$;
comment on function private.policy_matches(jsonb, jsonb) is
    'Every condition names the fact''s value: {"grade": ["A", "B"]} holds for {"grade": "B"}; of a fact with several values, one is enough.';

create or replace function private.policies_for(p_code text, p_shop_id bigint, p_facts jsonb) returns setof public.sla_policies
language sql stable rows 2 set search_path = '' as $$
    select * from public.sla_policies
    where code = p_code and is_active and (shop_id is null or shop_id = p_shop_id)
      and private.policy_matches(conditions, p_facts)
    order by shop_id nulls last, (select pg_catalog.count(*) from pg_catalog.jsonb_object_keys(conditions)) desc, id
$$;
comment on function private.policies_for(text, bigint, jsonb) is
    'The active policies of a code that hold, the most specific first: the shop''s own, then the one with most conditions.';

create or replace function private.policy_for(p_code text, p_shop_id bigint, p_facts jsonb default '{}') returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v_policy public.sla_policies;
begin
    select * into v_policy from private.policies_for(p_code, p_shop_id, p_facts) limit 1;
    if not found then
        perform private.fail('PT422', 'policy.none', pg_catalog.jsonb_build_object('code', p_code));
    end if;
    return v_policy;
end;
$$;
comment on function private.policy_for(text, bigint, jsonb) is 'The policy that wins for a shop and these facts. policy.none.';

create or replace function private.with_policy(p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb)
returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.policy_id := p_policy.id;
    v.measure := p_policy.measure;
    v.calendar_id := p_policy.calendar_id;
    v.allowance := p_policy.allowance;
    v.policy := pg_catalog.jsonb_build_object('code', p_policy.code, 'name', p_policy.name, 'version', p_policy.version,
        'measure', p_policy.measure, 'allowance', p_policy.allowance, 'ladder', p_policy.ladder,
        'calendar', (select code from public.calendars where id = p_policy.calendar_id),
        'remind_calendar_id', p_policy.remind_calendar_id, 'on_reopen', p_policy.on_reopen, 'facts', p_facts);
    return v;
end;
$$;
comment on function private.with_policy(public.sla_clocks, public.sla_policies, jsonb) is
    'The clock with a snapshot of the policy and of the facts that chose it.';

-- The deadline of a clock in memory, and the step of its ladder that comes next ---------------------------------------

create or replace function private.clock_steps(p_clock public.sla_clocks) returns table (step smallint, at timestamptz)
language sql stable set search_path = '' as $$
    select s.ordinality::smallint, case
        when s.value ? 'minutes' then p_clock.due_at + pg_catalog.make_interval(secs => 60 * (s.value ->> 'minutes')::double precision)
        when (s.value ->> 'percent')::numeric = 100 then p_clock.due_at
        else least((private.deadline(p_clock.measure, p_clock.calendar_id, p_clock.counted_from,
                greatest(0, case when p_clock.measure = 'workdays' then pg_catalog.ceil(l.share) else l.share end), p_clock.pauses)).due_at,
            case when (s.value ->> 'percent')::numeric < 100 then p_clock.due_at end)
        end
    from pg_catalog.jsonb_array_elements(p_clock.policy -> 'ladder') with ordinality s
    cross join lateral (select p_clock.allowance * (s.value ->> 'percent')::numeric / 100 - p_clock.used as share) l
$$;
comment on function private.clock_steps(public.sla_clocks) is
    'Instants of the ladder of a clock that has a deadline; null where the calendar of that year is missing.';

create or replace function private.with_next_step(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.next_step := null;
    v.next_step_at := null;
    v.step_times := array(select s.at from private.clock_steps(v) s order by s.step);
    if v.due_at < p_now then
        select s.n, s.at into v.next_step, v.next_step_at from pg_catalog.unnest(v.step_times) with ordinality s (at, n)
        where s.at <= p_now order by s.at desc, s.n desc limit 1;
    end if;
    if v.next_step is null then
        select s.n, s.at into v.next_step, v.next_step_at from pg_catalog.unnest(v.step_times) with ordinality s (at, n)
        where s.at >= p_now order by s.at, s.n limit 1;
    end if;
    return v;
end;
$$;
comment on function private.with_next_step(public.sla_clocks, timestamptz) is
    'After a new deadline: the first step ahead. Steps already behind are passed over, but an overdue clock says its last one once.';

create or replace function private.with_due(
    p_clock public.sla_clocks, p_now timestamptz, p_not_before timestamptz default null
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.calendar_version := (select version from public.calendars where id = v.calendar_id);
    v.due_at := (private.deadline(v.measure, v.calendar_id, v.counted_from, greatest(v.allowance - v.used, 0), v.pauses)).due_at;
    v.next_step_at := null;
    if v.due_at is null then
        v.state := 'uncovered';
        return v;
    end if;
    v.due_at := greatest(v.due_at, p_not_before);
    v.state := case when v.started_at > p_now then 'scheduled' else 'running' end;
    if v.due_at = v.last_due_at then
        v.step_times := array(select s.at from private.clock_steps(v) s order by s.step);
        v.next_step_at := v.step_times[v.next_step];
        return v;
    end if;
    v.due_version := v.due_version + 1;
    v.last_due_at := v.due_at;
    return private.with_next_step(v, p_now);
end;
$$;
comment on function private.with_due(public.sla_clocks, timestamptz, timestamptz) is
    'The clock with the deadline of what is left of its allowance, not before p_not_before; due_version rises only when the deadline differs from the last one given.';

create or replace function private.settled(p_clock public.sla_clocks, p_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_elapsed numeric := private.elapsed(v.measure, v.calendar_id, v.counted_from, p_at, v.pauses);
begin
    if v_elapsed is null or p_at <= v.counted_from then
        return v;
    end if;
    v.used := v.used + v_elapsed;
    v.counted_from := case when v.measure = 'workdays'
        then greatest(v.counted_from, private.day_start(v.calendar_id, p_at)) else p_at end;
    return v;
end;
$$;
comment on function private.settled(public.sla_clocks, timestamptz) is
    'The clock with its time up to p_at written down as used, so that later edits of the calendar cannot change it. Unchanged while the calendar of that time is missing.';

-- Storing -------------------------------------------------------------------------------------------------------------

create or replace function private.clock_for_change(p_clock_id bigint) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    select * into v from public.sla_clocks where id = p_clock_id for update;
    if not found then
        perform private.fail('PT404', 'clock.none');
    end if;
    return v;
end;
$$;

create or replace function private.store_clock(
    p_clock public.sla_clocks, p_kind text, p_now timestamptz, p_actor bigint, p_reason text default null, p_detail jsonb default '{}'
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    update public.sla_clocks set (state, policy_id, policy, measure, calendar_id, calendar_version, allowance, used,
        counted_from, pauses, paused_at, pause_reason, due_at, last_due_at, due_version, next_step, next_step_at, step_times,
        breached_at, stopped_at, version, updated_at) = (v.state, v.policy_id, v.policy, v.measure, v.calendar_id, v.calendar_version,
        v.allowance, v.used, v.counted_from, v.pauses, v.paused_at, v.pause_reason, v.due_at, v.last_due_at, v.due_version,
        v.next_step, v.next_step_at, v.step_times, v.breached_at, v.stopped_at, sla_clocks.version + 1, p_now)
    where id = v.id returning * into v;
    insert into public.sla_clock_events (clock_id, shop_id, kind, at, actor_id, reason, state, due_at, due_version, detail)
    values (v.id, v.shop_id, p_kind, p_now, p_actor, p_reason, v.state, v.due_at, v.due_version, p_detail);
    return v;
end;
$$;

create or replace function private.insert_clocks(
    p_clock public.sla_clocks, p_entity_ids bigint[], p_kind text, p_now timestamptz, p_actor bigint, p_reason text default null
) returns void
language sql set search_path = '' as $$
    with added as (
        insert into public.sla_clocks (shop_id, entity, entity_id, target, instance, state, policy_id, policy, measure,
            calendar_id, calendar_version, allowance, used, started_at, counted_from, pauses, due_at, last_due_at,
            due_version, next_step, next_step_at, step_times, updated_at, created_at)
        select (p_clock).shop_id, (p_clock).entity, e.id, (p_clock).target, coalesce((
                select pg_catalog.max(o.instance) + 1 from public.sla_clocks o
                where o.entity = (p_clock).entity and o.entity_id = e.id and o.target = (p_clock).target), 1),
            (p_clock).state, (p_clock).policy_id, (p_clock).policy, (p_clock).measure, (p_clock).calendar_id,
            (p_clock).calendar_version, (p_clock).allowance, (p_clock).used, (p_clock).started_at, (p_clock).counted_from,
            (p_clock).pauses, (p_clock).due_at, (p_clock).last_due_at, (p_clock).due_version, (p_clock).next_step,
            (p_clock).next_step_at, (p_clock).step_times, p_now, p_now
        from (select distinct pg_catalog.unnest(p_entity_ids) as id) e
        on conflict do nothing
        returning *
    )
    insert into public.sla_clock_events (clock_id, shop_id, kind, at, actor_id, reason, state, due_at, due_version)
    select id, shop_id, p_kind, p_now, p_actor, p_reason, state, due_at, due_version from added
$$;
comment on function private.insert_clocks(public.sla_clocks, bigint[], text, timestamptz, bigint, text) is
    'One new instance per record, like p_clock; a record whose clock of that target is still open keeps it.';

-- Start ---------------------------------------------------------------------------------------------------------------

create or replace function private.not_after_latest(p_clock public.sla_clocks) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    if v.policy ? 'latest' and v.measure <> 'workdays' then
        v.allowance := least(v.allowance, v.used + private.elapsed(v.measure, v.calendar_id, v.counted_from,
            (v.policy ->> 'latest')::timestamptz, v.pauses));
    end if;
    return v;
end;
$$;
comment on function private.not_after_latest(public.sla_clocks) is
    'The clock with its allowance cut at the deadline given from outside (policy ->> latest), if there is one.';

create or replace function private.fresh_clock(
    p_shop_id bigint, p_entity text, p_target text, p_policy_code text, p_facts jsonb, p_starts_at timestamptz,
    p_now timestamptz, p_latest timestamptz default null
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    v.shop_id := p_shop_id;
    v.entity := p_entity;
    v.target := p_target;
    v.used := 0;
    v.pauses := '{}';
    v.due_version := 0;
    v.started_at := p_starts_at;
    v := private.with_policy(v, private.policy_for(p_policy_code, p_shop_id, p_facts), p_facts);
    v.counted_from := case when v.measure = 'workdays' then private.day_end(v.calendar_id, p_starts_at) else p_starts_at end;
    if p_latest is not null then
        v.policy := v.policy || pg_catalog.jsonb_build_object('latest', p_latest);
    end if;
    return private.with_due(private.not_after_latest(v), p_now);
end;
$$;
comment on function private.fresh_clock(bigint, text, text, text, jsonb, timestamptz, timestamptz, timestamptz) is
    'A clock in memory. A deadline given from outside (p_latest, the platform''s own) shortens the allowance, never lengthens it.';

create or replace function private.start_clocks(
    p_entity text, p_entity_ids bigint[], p_shop_id bigint, p_target text, p_policy_code text, p_now timestamptz,
    p_actor bigint default null, p_facts jsonb default '{}', p_starts_at timestamptz default null,
    p_latest timestamptz default null
) returns setof public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.fresh_clock(p_shop_id, p_entity, p_target, p_policy_code, p_facts,
        coalesce(p_starts_at, p_now), p_now, p_latest);
begin
    perform private.insert_clocks(v, p_entity_ids, case when v.state = 'scheduled' then 'scheduled' else 'started' end, p_now, p_actor);
    return query select c.* from public.sla_clocks c
        where c.entity = p_entity and c.target = p_target and c.entity_id = any (p_entity_ids) and c.stopped_at is null;
end;
$$;
comment on function private.start_clocks(text, bigint[], bigint, text, text, timestamptz, bigint, jsonb, timestamptz, timestamptz) is
    'Starts the clock of many records of one shop at once and returns the open clocks: a record whose clock is open already keeps it untouched. policy.none.';

create or replace function private.start_clock(
    p_entity text, p_entity_id bigint, p_shop_id bigint, p_target text, p_policy_code text, p_now timestamptz,
    p_actor bigint default null, p_facts jsonb default '{}', p_starts_at timestamptz default null,
    p_latest timestamptz default null
) returns public.sla_clocks
language sql set search_path = '' as $$
    select * from private.start_clocks(p_entity, array[p_entity_id], p_shop_id, p_target, p_policy_code, p_now, p_actor,
        p_facts, p_starts_at, p_latest)
$$;
comment on function private.start_clock(text, bigint, bigint, text, text, timestamptz, bigint, jsonb, timestamptz, timestamptz) is
    'Starts the clock of one record, or returns the one that is open (a customer''s third message does not restart it). policy.none.';

-- Pause, resume -------------------------------------------------------------------------------------------------------

create or replace function private.refuse_stopped(p_clock public.sla_clocks) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if (p_clock).stopped_at is not null then
        perform private.fail('PT409', 'clock.stopped', pg_catalog.jsonb_build_object('state', (p_clock).state));
    end if;
end;
$$;

create or replace function private.pause_clock(p_clock_id bigint, p_reason text, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    perform private.refuse_stopped(v);
    if v.state = 'paused' then
        return v;
    end if;
    if pg_catalog.btrim(coalesce(p_reason, '')) = '' then
        perform private.fail('PT422', 'clock.reason_missing');
    end if;
    if v.state = 'running' and p_now > v.due_at then
        v.breached_at := v.due_at;
    end if;
    v := private.settled(v, p_now);
    v.state := 'paused';
    v.paused_at := p_now;
    v.pause_reason := p_reason;
    v.due_at := null;
    v.next_step_at := null;
    return private.store_clock(v, 'paused', p_now, p_actor, p_reason);
end;
$$;
comment on function private.pause_clock(bigint, text, timestamptz, bigint) is
    'Stops counting, for a reason: no deadline and no reminder until it is resumed. clock.none, clock.stopped, clock.reason_missing.';

create or replace function private.unpaused(p_clock public.sla_clocks, p_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.pauses := v.pauses + pg_catalog.tstzmultirange(pg_catalog.tstzrange(v.paused_at, greatest(p_at, v.paused_at)));
    v.paused_at := null;
    v.pause_reason := null;
    return v;
end;
$$;
comment on function private.unpaused(public.sla_clocks, timestamptz) is 'The paused clock with its pause written down as ended at p_at.';

create or replace function private.resume_clock(p_clock_id bigint, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    perform private.refuse_stopped(v);
    if v.state <> 'paused' then
        return v;
    end if;
    v := private.unpaused(v, p_now);
    if v.breached_at is null then
        v := private.with_due(v, p_now);
    else
        v.state := 'breached';
        v.due_at := v.last_due_at;
        v.due_version := v.due_version + 1;
        v := private.with_next_step(v, p_now);
    end if;
    return private.store_clock(v, 'resumed', p_now, p_actor);
end;
$$;
comment on function private.resume_clock(bigint, timestamptz, bigint) is
    'Counts on with what was left. A clock that was overdue before its pause stays overdue, and says so once more (new due_version). clock.none, clock.stopped.';

-- Stop, cancel --------------------------------------------------------------------------------------------------------

create or replace function private.verdict(p_clock public.sla_clocks, p_done_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_met boolean := coalesce(p_done_at <= coalesce(v.due_at, v.breached_at),
        v.state = 'paused' or v.used + private.elapsed(v.measure, v.calendar_id, v.counted_from, p_done_at, v.pauses) <= v.allowance);
begin
    if v_met is null then
        return v;
    end if;
    v.state := case when v_met then 'fulfilled' else 'fulfilled_late' end;
    v.breached_at := case when not v_met then coalesce(v.breached_at, v.due_at) end;
    return v;
end;
$$;
comment on function private.verdict(public.sla_clocks, timestamptz) is
    'Met means done at or before the deadline. Without a deadline: met while paused in time, met as long as the known time fits; else it stays uncovered and waits for the calendar.';

create or replace function private.stop_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null,
    p_done_at timestamptz default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
    v_done_at timestamptz := coalesce(p_done_at, p_now);
begin
    if v.stopped_at is not null then
        return v;
    end if;
    v := private.verdict(v, v_done_at);
    if v.paused_at is not null then
        v := private.unpaused(v, v_done_at);
    else
        v := private.settled(v, v_done_at);
    end if;
    v.stopped_at := v_done_at;
    v.next_step_at := null;
    return private.store_clock(v, 'stopped', p_now, p_actor, p_reason);
end;
$$;
comment on function private.stop_clock(bigint, timestamptz, bigint, text, timestamptz) is
    'The work is done (p_done_at, when it was done earlier than we learned of it). Stopping twice changes nothing. clock.none.';

create or replace function private.cancel_clock(p_clock_id bigint, p_reason text, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    if v.stopped_at is not null then
        return v;
    end if;
    if v.paused_at is not null then
        v := private.unpaused(v, p_now);
    else
        v := private.settled(v, p_now);
    end if;
    v.state := 'cancelled';
    v.stopped_at := p_now;
    v.next_step_at := null;
    return private.store_clock(v, 'cancelled', p_now, p_actor, p_reason);
end;
$$;
comment on function private.cancel_clock(bigint, text, timestamptz, bigint) is
    'The work is no longer needed: no verdict. Cancelling twice changes nothing. clock.none.';
