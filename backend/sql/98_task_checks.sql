-- 98 ------------------------------------------------------------------------------- optimization tasks: the daily check
--
-- Each day a delivered task is measured over its window so far; when the window is over it is judged: all criteria met and
-- enough cases: accepted; one unmet: failed; too few cases: inconclusive. Accepted ones are watched for 30 days.

create or replace function private.meets(p_value numeric, p_comparison text, p_target numeric) returns boolean
language sql immutable set search_path = '' as $$
    select case p_comparison when '<=' then p_value <= p_target when '>=' then p_value >= p_target when '<' then p_value < p_target when '>' then p_value > p_target end
$$;

create or replace function private.measure_criterion(p_task public.tasks, p_criterion public.task_criteria, p_from date, p_to date, p_watch boolean, p_now timestamptz)
returns public.task_criteria
language plpgsql set search_path = '' as $$
declare
    v public.task_criteria := p_criterion;
    v_sums record;
begin
    select * into v_sums from private.task_sums((p_task).shop_id, v.kpi_code, v.kpi_version, v.agent, p_from, p_to, p_now);
    insert into public.task_measures (criterion_id, task_id, day, value, numerator, denominator, sample, is_watch, made_at)
    values (v.id, v.task_id, p_to, v_sums.value, v_sums.numerator, v_sums.denominator, v_sums.sample, p_watch, p_now)
    on conflict (criterion_id, day) do update set (value, numerator, denominator, sample, made_at) =
        (excluded.value, excluded.numerator, excluded.denominator, excluded.sample, excluded.made_at);
    v.value := v_sums.value;
    v.sample := v_sums.sample;
    v.measured_on := p_to;
    v.is_met := case when v_sums.sample >= v.min_sample and v_sums.value is not null then private.meets(v_sums.value, v.comparison, v.target) end;
    return v;
end;
$$;
comment on function private.measure_criterion(public.tasks, public.task_criteria, date, date, boolean, timestamptz) is
    'Measures a criterion over days and keeps what it was; is_met stays null with fewer cases than it wants.';

create or replace function private.check_verifying(p_task public.tasks, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_system private.actor;
    v public.tasks := p_task;
    v_criterion public.task_criteria;
    v_last date := least(private.shop_day(v.shop_id, p_now) - 1, v.verify_until);
    v_state text;
begin
    v_system.role := 'system';
    if v.state = 'delivered' then
        v := private.moved_task(v_system, v, 'verifying', null, p_now);
    end if;
    if v_last < v.verify_from then
        return;
    end if;
    for v_criterion in select * from public.task_criteria c where c.task_id = v.id and c.round = v.round and c.replaced_at is null and c.kpi_code is not null loop
        v_criterion := private.measure_criterion(v, v_criterion, v.verify_from, least(v_last, case when v.verify_until > v.verify_from + v_criterion.window_days - 1
            then v_last else v.verify_from + v_criterion.window_days - 1 end), false, p_now);
        update public.task_criteria set (value, sample, measured_on, is_met) = (v_criterion.value, v_criterion.sample, v_criterion.measured_on, v_criterion.is_met)
        where id = v_criterion.id;
    end loop;
    if v_last < v.verify_until then
        return;
    end if;
    select case when bool_or(c.is_met is false) then 'failed' when bool_or(c.is_met is null) then 'inconclusive' else 'accepted' end into v_state
    from public.task_criteria c where c.task_id = v.id and c.round = v.round and c.replaced_at is null;
    v.judged_at := p_now;
    v.judged_by := null;
    v.watch_until := case when v_state = 'accepted' then v.verify_until + 30 end;
    perform private.moved_task(v_system, v, v_state, jsonb_build_object('until', v.verify_until), p_now);
    perform private.tell_task(v.id, v_state, p_now);
end;
$$;
comment on function private.check_verifying(public.tasks, timestamptz) is
    'Measures a delivered task up to yesterday; on the day after the window it is judged, and its people are told.';

create or replace function private.check_accepted(p_task public.tasks, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_system private.actor;
    v public.tasks := p_task;
    v_criterion public.task_criteria;
    v_yesterday date := private.shop_day(v.shop_id, p_now) - 1;
    v_fell boolean := false;
begin
    v_system.role := 'system';
    for v_criterion in select * from public.task_criteria c where c.task_id = v.id and c.round = v.round and c.replaced_at is null and c.kpi_code is not null loop
        continue when v_yesterday < v.verify_until + v_criterion.window_days;
        v_criterion := private.measure_criterion(v, v_criterion, v_yesterday - v_criterion.window_days + 1, v_yesterday, true, p_now);
        v_fell := v_fell or v_criterion.is_met is false;
    end loop;
    if v_fell then
        v.regressed_at := p_now;
        perform private.moved_task(v_system, v, 'regressed', jsonb_build_object('on', v_yesterday), p_now);
        perform private.tell_task(v.id, 'regressed', p_now);
    end if;
end;
$$;
comment on function private.check_accepted(public.tasks, timestamptz) is
    'An accepted task, once a whole window lies behind the one it was judged by: with enough cases and an unmet figure it has regressed.';

create or replace function private.tell_task(p_id bigint, p_state text, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    insert into public.notifications (member_id, kind, params, path, is_urgent, dedupe_key, created_at)
    select m.id, 'task_' || p_state, jsonb_build_object('title', t.title, 'id', t.id), '/task?id=' || t.id, p_state in ('failed', 'regressed'),
        'task ' || t.id || ' ' || t.round || ' ' || p_state, p_now
    from public.tasks t join public.members m on m.state = 'active' and (m.id = t.owner_id or (m.role = 'manager'
        and (t.shop_id is null or exists (select from public.member_shops k where k.member_id = m.id and k.shop_id = t.shop_id))))
    where t.id = p_id
    on conflict (member_id, dedupe_key) do nothing
$$;
comment on function private.tell_task(bigint, text, timestamptz) is 'Owner and managers hear how a task was judged, once a round and verdict.';

create or replace function private.check_tasks(p_now timestamptz, p_limit integer default 20) returns integer
language plpgsql set search_path = '' as $$
declare
    v public.tasks;
    v_count integer := 0;
begin
    for v in
        select t.* from public.tasks t where (t.state in ('delivered', 'verifying') or (t.state = 'accepted' and t.watch_until >= private.shop_day(t.shop_id, p_now)))
          and not exists (select from private.task_days d where d.task_id = t.id and d.day = private.shop_day(t.shop_id, p_now))
        order by t.id limit p_limit for update of t skip locked
    loop
        if v.state = 'accepted' then
            perform private.check_accepted(v, p_now);
        else
            perform private.check_verifying(v, p_now);
        end if;
        insert into private.task_days (task_id, day) values (v.id, private.shop_day(v.shop_id, p_now)) on conflict (task_id) do update set day = excluded.day;
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.check_tasks(timestamptz, integer) is 'Checks the tasks that were not checked today (of their shop''s zone). How many it were.';
