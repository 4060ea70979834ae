-- 97 --------------------------------------------------------------- optimization tasks: what a manager decides, the grid

create or replace function private.decided_task(p_rpc text, p_id bigint, p_version integer, p_state text, p_reason text, p_until timestamptz, p_request_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, p_rpc, jsonb_build_array(p_id, p_version, p_state, p_reason, p_until));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_task := private.task_for_change(v_me, p_id, p_version, p_rpc);
    if char_length(btrim(coalesce(p_reason, ''))) < 4 then
        perform private.fail('PT422', 'task.reason');
    elsif private.names_a_phone(p_reason) then
        perform private.fail('PT422', 'task.form');
    elsif p_rpc in ('retry_task', 'extend_task') and not coalesce(private.is_task_deadline(p_until, v_now), false) then
        perform private.fail('PT422', 'task.deadline');
    end if;
    if p_rpc = 'retry_task' then
        v_task.deadline := p_until;
        v_task.round := v_task.round + 1;
        v_task.progress := 0;
        perform private.copy_criteria(v_task);
    elsif p_rpc = 'extend_task' then
        v_task.verify_until := private.shop_day(v_task.shop_id, p_until);
    elsif p_rpc = 'judge_task' then
        v_task.judged_at := v_now;
        v_task.judged_by := v_me.member_id;
        v_task.judged_reason := btrim(p_reason);
    end if;
    v_task := private.moved_task(v_me, v_task, p_state, jsonb_build_object('action', p_rpc, 'reason', left(btrim(p_reason), 400)), v_now);
    return private.finish_request(p_request_id, private.task_answer(v_task));
exception when check_violation then
    perform private.fail('PT422', 'task.form');
end;
$$;
comment on function private.decided_task(text, bigint, integer, text, text, timestamptz, uuid) is 'A manager''s decision about a task, with a reason that names no phone.';

create or replace function private.copy_criteria(p_task public.tasks) returns void
language sql set search_path = '' as $$
    insert into public.task_criteria (task_id, round, position, kpi_code, kpi_version, agent, comparison, target, window_days, min_sample, text,
        verifier_id, baseline, baseline_sample, baseline_from, baseline_to)
    select c.task_id, (p_task).round, c.position, c.kpi_code, c.kpi_version, c.agent, c.comparison, c.target, c.window_days, c.min_sample, c.text,
        c.verifier_id, c.baseline, c.baseline_sample, c.baseline_from, c.baseline_to
    from public.task_criteria c where c.task_id = (p_task).id and c.round = (p_task).round - 1 and c.replaced_at is null
$$;
comment on function private.copy_criteria(public.tasks) is 'The criteria of the round before, with the baseline of old, for another try.';

create or replace function public.judge_task(p_id bigint, p_version integer, p_accept boolean, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.decided_task('judge_task', p_id, p_version, case when p_accept then 'accepted' else 'failed' end, p_reason, null, p_request_id);
end;
$$;
create or replace function public.extend_task(p_id bigint, p_version integer, p_until timestamptz, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.decided_task('extend_task', p_id, p_version, 'verifying', p_reason, p_until, p_request_id);
end;
$$;
create or replace function public.retry_task(p_id bigint, p_version integer, p_deadline timestamptz, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.decided_task('retry_task', p_id, p_version, 'in_progress', p_reason, p_deadline, p_request_id);
end;
$$;
create or replace function public.cancel_task(p_id bigint, p_version integer, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.decided_task('cancel_task', p_id, p_version, 'cancelled', p_reason, null, p_request_id);
end;
$$;
grant execute on function public.judge_task(bigint, integer, boolean, text, uuid), public.extend_task(bigint, integer, timestamptz, text, uuid),
    public.retry_task(bigint, integer, timestamptz, text, uuid), public.cancel_task(bigint, integer, text, uuid) to authenticated;
comment on function public.judge_task(bigint, integer, boolean, text, uuid) is 'Managers, admins: accept or fail by hand, with a reason; the measures stay as they are. task.reason.';
comment on function public.extend_task(bigint, integer, timestamptz, text, uuid) is 'Managers, admins: measure on until p_until, when there was too little to judge by. task.reason, task.deadline.';
comment on function public.retry_task(bigint, integer, timestamptz, text, uuid) is 'Managers, admins: a failed task is worked on again, by another deadline; another round of measures. task.reason, task.deadline.';
comment on function public.cancel_task(bigint, integer, text, uuid) is 'Managers, admins: not to be done. task.reason.';

-- The grid ------------------------------------------------------------------------------------------------------------

create or replace function private.save_task_row(p_me private.actor, p_item jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v public.tasks;
    v_change jsonb := p_item -> 'change';
begin
    select * into v from public.tasks where id = (p_item ->> 'id')::bigint and (shop_id is null or shop_id in (select private.my_shop_ids())) for update;
    if not found then
        return jsonb_build_object('id', p_item -> 'id', 'outcome', 'task.none');
    elsif not 'manager' = any (private.task_who(p_me, v)) then
        return jsonb_build_object('id', v.id, 'outcome', 'task.needs_manager');
    elsif jsonb_typeof(v_change) is distinct from 'object' or exists (select from jsonb_each(v_change) c
        where jsonb_typeof(c.value) in ('object', 'array')) then
        return jsonb_build_object('id', v.id, 'outcome', 'task.form');
    elsif v.version is distinct from (p_item ->> 'version')::integer then
        return jsonb_build_object('outcome', 'task.stale') || private.task_last_change(v);
    elsif v.state in ('accepted', 'cancelled') then
        return jsonb_build_object('id', v.id, 'outcome', 'task.wrong_state', 'state', v.state);
    end if;
    v.title := coalesce(btrim(v_change ->> 'title'), v.title);
    v.priority := coalesce(v_change ->> 'priority', v.priority);
    v.owner_id := coalesce((v_change ->> 'owner_id')::bigint, v.owner_id);
    v.deadline := coalesce((v_change ->> 'deadline')::timestamptz, v.deadline);
    if v_change ->> 'deadline' is not null and not private.is_task_deadline(v.deadline, p_now) then
        return jsonb_build_object('id', v.id, 'outcome', 'task.deadline');
    elsif v_change ->> 'owner_id' is not null and not private.may_own_task(v.owner_id, v.shop_id) then
        return jsonb_build_object('id', v.id, 'outcome', 'task.owner');
    end if;
    v := private.moved_task(p_me, v, v.state, '{"action": "task_edited"}', p_now);
    return jsonb_build_object('id', v.id, 'outcome', 'saved', 'version', v.version);
exception when check_violation or data_exception then
    return jsonb_build_object('id', p_item -> 'id', 'outcome', 'task.form');
end;
$$;
comment on function private.save_task_row(private.actor, jsonb, timestamptz) is
    'One line of the grid {id, version, change {title, priority, owner_id, deadline}}: saved, or why not; of a line that somebody else changed, who, when and what.';

create or replace function public.save_tasks(p_items jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_items jsonb := private.as_items(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'save_tasks', v_items);
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v_items is null or jsonb_array_length(v_items) not between 1 and 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    return private.finish_request(p_request_id, (select jsonb_agg(private.save_task_row(v_me, x.item, private.now()))
        from (select i as item from jsonb_array_elements(v_items) i order by i -> 'id') x)); -- locked in one order, whatever the grid's
end;
$$;
grant execute on function public.save_tasks(jsonb, uuid) to authenticated;
comment on function public.save_tasks(jsonb, uuid) is
    'Managers, admins: the changed lines of the grid [{id, version, change}], each by itself: [{id, outcome: saved | task.stale (who, at, fields) | task.form | task.owner | task.deadline | task.wrong_state | task.needs_manager, version}]. bulk.too_many.';
