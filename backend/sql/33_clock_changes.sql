-- 33 --------------------------------------------------------------------- the clock: what changes a deadline afterwards

-- The passing of time -------------------------------------------------------------------------------------------------

create or replace function private.tick_clocks(p_now timestamptz, p_limit integer default 10000) returns integer
language sql set search_path = '' as $$
    with late as (
        select id from public.sla_clocks where state = 'running' and due_at < p_now
        order by due_at limit p_limit for update skip locked
    ), begun as (
        select id from public.sla_clocks where state = 'scheduled' and started_at <= p_now
        order by started_at limit p_limit for update skip locked
    ), changed as (
        update public.sla_clocks c set
            state = case c.state when 'scheduled' then 'running' else 'breached' end,
            breached_at = case c.state when 'running' then c.due_at end,
            version = c.version + 1, updated_at = p_now
        from (select id from late union all select id from begun) ripe where c.id = ripe.id
        returning c.*
    ), told as (
        insert into public.sla_clock_events (clock_id, shop_id, kind, at, state, due_at, due_version)
        select id, shop_id, case state when 'running' then 'began' else 'breached' end, p_now, state, due_at, due_version
        from changed returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.tick_clocks(timestamptz, integer) is
    'Marks clocks past their deadline as breached and begins those whose start has come; returns how many. Safe to run in parallel and after any downtime.';

-- Reopening -----------------------------------------------------------------------------------------------------------

create or replace function private.reopened(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    if v.policy ->> 'on_reopen' <> 'continue' then
        return private.fresh_clock(v.shop_id, v.entity, v.target, v.policy ->> 'code', v.policy -> 'facts', p_now, p_now);
    end if;
    v.pauses := v.pauses + pg_catalog.tstzmultirange(pg_catalog.tstzrange(v.stopped_at, greatest(p_now, v.stopped_at)));
    v.started_at := p_now;
    v.stopped_at := null;
    v.breached_at := null;
    v.last_due_at := null;
    v.due_version := 0;
    return private.with_due(v, p_now, p_now);
end;
$$;
comment on function private.reopened(public.sla_clocks, timestamptz) is
    'The next instance of a stopped clock: with what was left (nothing left: due at once), or with the full allowance of today''s policy.';

create or replace function private.reopen_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    select * into v from public.sla_clocks
    where entity = v.entity and entity_id = v.entity_id and target = v.target order by instance desc limit 1 for update;
    if v.stopped_at is null or (v.policy ->> 'on_reopen' = 'keep' and v.state <> 'cancelled') then
        return v;
    end if;
    perform private.insert_clocks(private.reopened(v, p_now), array[v.entity_id], 'reopened', p_now, p_actor, p_reason);
    select * into v from public.sla_clocks
    where entity = v.entity and entity_id = v.entity_id and target = v.target order by instance desc limit 1;
    return v;
end;
$$;
comment on function private.reopen_clock(bigint, timestamptz, bigint, text) is
    'The work opens again: a new instance beside the finished one, whose verdict stays (instance 1: first resolution; the last: total). An open clock, or a target that is answered once, is returned as it is. clock.none.';

-- Another target: a changed policy applied to a running clock, or another policy (a lead graded anew) -----------------

create or replace function private.under_policy(
    p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb, p_now timestamptz
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_new_unit boolean := (v.measure = 'workdays') <> (p_policy.measure = 'workdays');
begin
    if v.paused_at is null then
        v := private.settled(v, p_now);
    end if;
    if v_new_unit then
        v.used := pg_catalog.trunc(least(1, v.used / nullif(v.allowance, 0)) * p_policy.allowance);
        v.used := coalesce(v.used, 0);
        v.counted_from := case when p_policy.measure = 'workdays'
            then private.day_end(p_policy.calendar_id, p_now) else coalesce(v.paused_at, p_now) end;
    end if;
    v := private.with_policy(v, p_policy, p_facts);
    v.policy := v.policy || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('latest', p_clock.policy -> 'latest'));
    return private.not_after_latest(v);
end;
$$;
comment on function private.under_policy(public.sla_clocks, public.sla_policies, jsonb, timestamptz) is
    'The clock with the terms of another policy, not yet with its deadline: time already used stays (its share, when minutes become days).';

create or replace function private.retargeted(
    p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb, p_now timestamptz
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := private.under_policy(p_clock, p_policy, p_facts, p_now);
begin
    if v.paused_at is not null then
        return v;
    end if;
    v := private.with_due(v, p_now, p_now);
    return case when v.due_at is null then v else private.with_next_step(v, p_now) end;
end;
$$;
comment on function private.retargeted(public.sla_clocks, public.sla_policies, jsonb, timestamptz) is
    'The clock under another policy: only what remains changes, and nothing becomes overdue before now.';

create or replace function private.retarget_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null,
    p_policy_code text default null, p_facts jsonb default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
    v_old jsonb := v.policy;
    v_facts jsonb := coalesce(p_facts, v.policy -> 'facts');
begin
    perform private.refuse_stopped(v);
    if v.breached_at is not null or v.due_at < p_now then
        return v;
    end if;
    v := private.retargeted(v, private.policy_for(coalesce(p_policy_code, v_old ->> 'code'), v.shop_id, v_facts), v_facts, p_now);
    return private.store_clock(v, 'retargeted', p_now, p_actor, p_reason,
        pg_catalog.jsonb_build_object('from', v_old, 'to', v.policy));
end;
$$;
comment on function private.retarget_clock(bigint, timestamptz, bigint, text, text, jsonb) is
    'Applies the policy as it is now, or another one, to a running or paused clock. An overdue clock keeps its verdict. clock.none, clock.stopped, policy.none.';

-- Two records become one ----------------------------------------------------------------------------------------------

create or replace function private.due_if_running(p_clock public.sla_clocks, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select case
        when p_clock.breached_at is not null then p_clock.last_due_at
        when p_clock.paused_at is not null then (private.with_due(private.unpaused(p_clock, p_now), p_now)).due_at
        else p_clock.due_at end
$$;
comment on function private.due_if_running(public.sla_clocks, timestamptz) is 'The deadline of a clock, as if a pause ended now.';

create or replace function private.counting_like(p_clock public.sla_clocks, p_other public.sla_clocks, p_now timestamptz)
returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_other public.sla_clocks := case when p_other.paused_at is null then p_other else private.unpaused(p_other, p_now) end;
begin
    v.breached_at := coalesce(p_other.breached_at, case when p_other.due_at < p_now then p_other.due_at end);
    v_other := private.settled(v_other, p_now);
    v.policy_id := v_other.policy_id;
    v.policy := v_other.policy;
    v.measure := v_other.measure;
    v.calendar_id := v_other.calendar_id;
    v.allowance := v_other.allowance;
    v.used := v_other.used;
    v.counted_from := v_other.counted_from;
    v.pauses := v_other.pauses;
    v.last_due_at := coalesce(v.breached_at, v.last_due_at);
    if v.paused_at is not null then
        v.paused_at := p_now;
        return v;
    elsif v.breached_at is null then
        return private.with_due(v, p_now);
    end if;
    v.state := 'breached';
    v.due_at := v.last_due_at;
    v.due_version := v.due_version + 1;
    return private.with_next_step(v, p_now);
end;
$$;
comment on function private.counting_like(public.sla_clocks, public.sla_clocks, timestamptz) is
    'The clock with the policy, the used time and the deadline of the other; paused if it is paused itself.';

create or replace function private.merge_clock(p_clock_id bigint, p_into_id bigint, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v_first public.sla_clocks := private.clock_for_change(least(p_clock_id, p_into_id)); -- one order of locks: no deadlock
    v_from public.sla_clocks := private.clock_for_change(p_clock_id);
    v_into public.sla_clocks := private.clock_for_change(p_into_id);
begin
    if v_from.stopped_at is not null or p_clock_id = p_into_id then
        return v_into;
    end if;
    perform private.cancel_clock(p_clock_id, 'merged', p_now, p_actor);
    if v_into.stopped_at is not null then
        return v_into;
    end if;
    if private.due_if_running(v_from, p_now) < coalesce(private.due_if_running(v_into, p_now), 'infinity') then
        v_into := private.counting_like(v_into, v_from, p_now);
    end if;
    return private.store_clock(v_into, 'merged', p_now, p_actor, null, pg_catalog.jsonb_build_object('from', p_clock_id));
end;
$$;
comment on function private.merge_clock(bigint, bigint, timestamptz, bigint) is
    'The first clock falls silent for ever; the second keeps the earlier of both deadlines. Both histories say so. clock.none.';

-- Replies -------------------------------------------------------------------------------------------------------------

create or replace function private.record_reply(
    p_entity text, p_entity_id bigint, p_channel text, p_now timestamptz, p_actor bigint default null
) returns setof public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
    v_counts boolean := p_channel = 'outward' and p_actor is not null;
begin
    for v in select * from public.sla_clocks
        where entity = p_entity and entity_id = p_entity_id and target in ('first', 'next') and stopped_at is null
        order by id for update
    loop
        return next case when v_counts then private.stop_clock(v.id, p_now, p_actor, p_channel)
            else private.store_clock(v, 'reply_ignored', p_now, p_actor, p_channel) end;
    end loop;
end;
$$;
comment on function private.record_reply(text, bigint, text, timestamptz, bigint) is
    'A message went out. Only a person''s outward reply (channel outward with an actor) answers the targets first and next; notes, automatic replies and imports are noted and change nothing.';

-- Calendars change ----------------------------------------------------------------------------------------------------

create or replace function private.day_instant(p_calendar_id bigint, p_day date) returns timestamptz
language sql stable set search_path = '' as $$
    select p_day::timestamp at time zone timezone from public.calendars where id = p_calendar_id
$$;
comment on function private.day_instant(bigint, date) is '00:00 of a date in the calendar''s zone.';

create or replace function private.settle_calendar_clocks(p_calendar_id bigint, p_since timestamptz, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.sla_clocks c set used = s.used, counted_from = s.counted_from
    from public.sla_clocks o cross join lateral private.settled(o, p_now) s
    where c.id = o.id and p_since < p_now and o.calendar_id = p_calendar_id
      and o.state in ('running', 'scheduled', 'uncovered') and o.stopped_at is null
      and coalesce(o.due_at >= p_now and o.due_at > p_since, true)
$$;
comment on function private.settle_calendar_clocks(bigint, timestamptz, timestamptz) is
    'Before a calendar changes from p_since on: time used so far is written down, so that the change reaches only the time that remains.';

create or replace function private.recalculated(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := private.with_due(p_clock, p_now, case when p_clock.state <> 'uncovered' then p_now end);
begin
    if v.stopped_at is not null and v.due_at is not null then
        v := private.verdict(v, v.stopped_at);
        v.next_step_at := null;
    end if;
    return v;
end;
$$;
comment on function private.recalculated(public.sla_clocks, timestamptz) is
    'The deadline by the calendar of today. A running clock does not become overdue before now; one that waited for its calendar gets the deadline, or the verdict, that it always had.';

create or replace function private.recalculate_clocks(
    p_calendar_id bigint, p_since timestamptz, p_states text[], p_now timestamptz, p_actor bigint default null
) returns integer
language plpgsql set search_path = '' as $$
declare
    v_old public.sla_clocks;
    v public.sla_clocks;
    v_changed integer := 0;
begin
    for v_old in select * from public.sla_clocks
        where calendar_id = p_calendar_id and state = any (p_states) and coalesce(due_at >= p_now and due_at > p_since, true)
        order by id for update
    loop
        v := private.recalculated(v_old, p_now);
        if (v.state, v.due_at) is distinct from (v_old.state, v_old.due_at) then
            perform private.store_clock(v, 'recalculated', p_now, p_actor, null,
                pg_catalog.jsonb_build_object('due_before', v_old.due_at, 'calendar_version', v.calendar_version));
            v_changed := v_changed + 1;
        end if;
    end loop;
    return v_changed;
end;
$$;
comment on function private.recalculate_clocks(bigint, timestamptz, text[], timestamptz, bigint) is
    'After a calendar changed from p_since on: new deadlines for its clocks in these states; returns how many moved. Finished clocks, overdue ones and their verdicts stay.';
