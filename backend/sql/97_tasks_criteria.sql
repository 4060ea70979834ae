-- 97 ----------------------------------------------------------------------------------------- optimization tasks: criteria

create or replace function private.task_sums(p_shop_id bigint, p_code text, p_version integer, p_agent text, p_from date, p_to date, p_now timestamptz)
returns table (value numeric, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with shops as (select array_agg(s.id) as ids from public.shops s where p_shop_id is null or s.id = p_shop_id),
    sums as (
        select sum(f.numerator) as numerator, sum(f.denominator) as denominator, coalesce(sum(f.sample), 0)::bigint as sample
        from shops, lateral private.kpi_live(array[p_code], shops.ids, p_from, p_to, case when p_agent is null then null else 'person' end, p_now,
            jsonb_build_object(p_code, p_version)) f
        where p_agent is null or f.scope = p_agent or f.scope in (select m.display_name from shops
            join public.agent_names n on n.shop_id = any (shops.ids) and n.agent = p_agent join public.members m on m.id = n.member_id)
    )
    select private.kpi_value(k.unit, s.numerator, s.denominator), s.numerator, s.denominator, s.sample
    from public.kpis k cross join sums s where k.code = p_code
$$;
comment on function private.task_sums(bigint, text, integer, text, date, date, timestamptz) is 'A KPI, in the version agreed, of a shop (null: all), of one person (by the name on the platform, or the member''s) or not, over days both included.';

create or replace function private.shop_day(p_shop_id bigint, p_at timestamptz) returns date
language sql stable set search_path = '' as $$
    select (p_at at time zone coalesce((select s.timezone from public.shops s where s.id = p_shop_id), 'Asia/Shanghai'))::date
$$;

create or replace function private.check_persons(p_task public.tasks, p_criteria jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_shops bigint[] := array(select s.id from public.shops s where p_task.shop_id is null or s.id = p_task.shop_id);
    v_name text;
begin
    select c ->> 'agent' into v_name from jsonb_array_elements(p_criteria) c
    where coalesce(c ->> 'agent', '') <> ''
      and not exists (select from private.agent_members(v_shops) a where a.agent = c ->> 'agent')
      and not exists (select from public.agent_names n join public.members m on m.id = n.member_id where n.shop_id = any (v_shops) and m.display_name = c ->> 'agent')
      and not exists (select from public.agent_days d where d.shop_id = any (v_shops) and d.agent = c ->> 'agent')
      and not exists (select from private.kpi_months k where k.shop_id = any (v_shops) and k.agent = c ->> 'agent') limit 1;
    if v_name is not null then
        perform private.fail('PT422', 'task.no_person', jsonb_build_object('name', v_name));
    end if;
end;
$$;
comment on function private.check_persons(public.tasks, jsonb) is
    'Each person of these criteria is a member of the shop or a name on its platform. That there are figures of him is not asked for: a baseline may be empty. task.no_person (name).';

create or replace function private.set_criteria(p_task public.tasks, p_criteria jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_today date := private.shop_day((p_task).shop_id, coalesce((p_task).planned_at, p_now));
    v_items jsonb := private.as_json(p_criteria);
begin
    if jsonb_typeof(v_items) is distinct from 'array' or jsonb_array_length(v_items) not between 1 and 8 then
        perform private.fail('PT422', 'task.criteria');
    end if;
    if exists (select from jsonb_array_elements(v_items) c where jsonb_typeof(c) <> 'object'
            or (c ->> 'target')::numeric not between -1000000000 and 1000000000 or char_length(c ->> 'agent') > 60
            or (c ->> 'verifier_id' is not null and not private.may_own_task((c ->> 'verifier_id')::bigint, (p_task).shop_id))) then
        perform private.fail('PT422', 'task.criteria');
    end if;
    perform private.check_persons(p_task, v_items);
    update public.task_criteria set replaced_at = p_now where task_id = (p_task).id and round = (p_task).round and replaced_at is null;
    insert into public.task_criteria (task_id, round, position, kpi_code, kpi_version, agent, comparison, target, window_days, min_sample, text, verifier_id)
    select (p_task).id, (p_task).round, c.n, k.code, k.version, nullif(c.v ->> 'agent', ''),
        case when k.code is not null then coalesce(c.v ->> 'comparison', case k.direction when 'up' then '>=' else '<=' end) end,
        case when k.code is not null then (c.v ->> 'target')::numeric end, case when k.code is not null then coalesce((c.v ->> 'window_days')::smallint, 7) end,
        case when k.code is not null then coalesce((c.v ->> 'min_sample')::integer, 10) end, nullif(btrim(c.v ->> 'text'), ''),
        case when k.code is null then (c.v ->> 'verifier_id')::bigint end
    from jsonb_array_elements(v_items) with ordinality c (v, n) left join public.kpis k on k.code = c.v ->> 'kpi_code';
    update public.task_criteria c set (baseline, baseline_sample, baseline_from, baseline_to) = (
        select s.value, s.sample, v_today - c.window_days, v_today - 1
        from private.task_sums((p_task).shop_id, c.kpi_code, c.kpi_version, c.agent, v_today - c.window_days, v_today - 1, p_now) s)
    where c.task_id = (p_task).id and c.round = (p_task).round and c.replaced_at is null and c.kpi_code is not null;
exception when check_violation or not_null_violation or foreign_key_violation or data_exception then
    perform private.fail('PT422', 'task.criteria');
end;
$$;
comment on function private.set_criteria(public.tasks, jsonb, timestamptz) is
    'The criteria of a round [{kpi_code, comparison, target, window_days (7), min_sample (10), agent} | {text, verifier_id}]; what the figures were in as many days before the day of the plan is frozen beside them. task.criteria, task.no_person.';

create or replace function private.verify_until(p_task public.tasks) returns date
language sql stable set search_path = '' as $$
    select (p_task).verify_from - 1 + coalesce((select max(c.window_days) from public.task_criteria c
        where c.task_id = (p_task).id and c.round = (p_task).round and c.replaced_at is null), 1)
$$;
comment on function private.verify_until(public.tasks) is 'The last day that a delivered task is measured: the longest window of its criteria.';

create or replace function public.plan_task(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'plan_task', jsonb_build_array(p_id, p_version, v));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_task := private.task_for_change(v_me, p_id, p_version, 'plan_task');
    v_task.owner_id := (v ->> 'owner_id')::bigint;
    v_task.deadline := (v ->> 'deadline')::timestamptz;
    v_task.planned_at := v_now;
    perform private.check_task_owner(v_task.owner_id, v_task.shop_id);
    if not coalesce(private.is_task_deadline(v_task.deadline, v_now), false) then
        perform private.fail('PT422', 'task.deadline');
    end if;
    if v_task.state = 'regressed' then
        v_task.round := v_task.round + 1;
        v_task.progress := 0;
        update public.tasks set round = v_task.round where id = v_task.id;
    end if;
    perform private.set_criteria(v_task, v -> 'criteria', v_now);
    v_task := private.moved_task(v_me, v_task, case when v_task.state = 'in_progress' then 'in_progress' else 'planned' end,
        jsonb_build_object('action', 'task_planned', 'owner', v_task.owner_id, 'deadline', v_task.deadline), v_now);
    return private.finish_request(p_request_id, private.task_answer(v_task));
exception when data_exception then
    perform private.fail('PT422', 'task.form');
end;
$$;
grant execute on function public.plan_task(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.plan_task(bigint, integer, jsonb, uuid) is
    'Managers, admins: owner, deadline and criteria {owner_id, deadline, criteria: as private.set_criteria takes them}; the baseline is frozen now. Until the task is delivered it may be planned again. task.owner, task.deadline, task.criteria, task.no_person, and as private.task_for_change says.';

create or replace function public.change_criteria(p_id bigint, p_version integer, p_criteria jsonb, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'change_criteria', jsonb_build_array(p_id, p_version, p_criteria, p_reason));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_task := private.task_for_change(v_me, p_id, p_version, 'change_criteria');
    if char_length(btrim(coalesce(p_reason, ''))) < 4 then
        perform private.fail('PT422', 'task.reason');
    elsif private.names_a_phone(p_reason) then
        perform private.fail('PT422', 'task.form');
    end if;
    perform private.set_criteria(v_task, p_criteria, v_now);
    if v_task.state <> 'inconclusive' then
        v_task.verify_until := private.verify_until(v_task);
    end if;
    v_task := private.moved_task(v_me, v_task, v_task.state, jsonb_build_object('action', 'task_criteria', 'reason', left(p_reason, 400)), v_now);
    return private.finish_request(p_request_id, private.task_answer(v_task));
end;
$$;
grant execute on function public.change_criteria(bigint, integer, jsonb, text, uuid) to authenticated;
comment on function public.change_criteria(bigint, integer, jsonb, text, uuid) is
    'Managers, admins: other criteria after the delivery, with a reason (4 characters or more, no phone) that stays in the history; the old ones are kept. task.reason, task.form, task.criteria, task.no_person.';
