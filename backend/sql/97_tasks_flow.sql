-- 97 -------------------------------------------------------------------------------------------- optimization tasks: steps

create or replace function private.task_who(p_me private.actor, p_task public.tasks) returns text[]
language sql stable set search_path = '' as $$
    select array_remove(array['member', case when (p_me).member_id = (p_task).owner_id then 'owner' end,
        case when (p_me).role in ('manager', 'admin') and ((p_task).shop_id is not null or private.sees_every_shop()) then 'manager' end, case when (p_me).role = 'system' then 'system' end], null)
$$;
comment on function private.task_who(private.actor, public.tasks) is 'As what somebody meets a task: member, owner, manager (managers and admins; of a task of all shops who sees them all), system.';

create or replace function private.task_for_change(p_me private.actor, p_id bigint, p_version integer, p_rpc text) returns public.tasks
language plpgsql set search_path = '' as $$
declare
    v public.tasks;
    v_may text[];
begin
    select * into v from public.tasks where id = p_id and (shop_id is null or shop_id in (select private.my_shop_ids())) for update;
    if not found then
        perform private.fail('PT404', 'task.none', jsonb_build_object('id', p_id));
    end if;
    v_may := (select array_agg(w) from private.task_moves() m, unnest(m.who) w where m.state_from = v.state and m.rpc = p_rpc);
    if v_may is not null and not v_may && private.task_who(p_me, v) then
        perform private.fail('PT403', case when 'owner' = any (v_may) then 'task.not_yours' else 'task.needs_manager' end, jsonb_build_object('id', v.id,
            'who', (select m.display_name from public.members m where m.id = v.owner_id)));
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'task.stale', private.task_last_change(v));
    elsif v_may is null then
        perform private.fail('PT409', 'task.wrong_state', jsonb_build_object('id', v.id, 'state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.task_for_change(private.actor, bigint, integer, text) is
    'Locks a task for a step this person may take now: task.none, task.not_yours (who), task.needs_manager, task.stale (who, at, fields), task.wrong_state (state).';

create or replace function private.task_last_change(p_task public.tasks) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p_task).id, 'version', (p_task).version, 'at', (p_task).updated_at,
        'who', coalesce((select m.display_name from public.members m where m.id = (p_task).updated_by), '—'),
        'fields', coalesce((select e.detail -> 'fields' from public.audit_events e where e.entity = 'task' and e.entity_id = (p_task).id order by e.id desc limit 1), '[]'))
$$;
comment on function private.task_last_change(public.tasks) is 'Who changed a task last, when and what: for whoever comes second.';

create or replace function private.may_own_task(p_member_id bigint, p_shop_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.members m where m.id = p_member_id and m.state = 'active'
        and (p_shop_id is null or m.role = 'admin' or exists (select from public.member_shops k where k.member_id = m.id and k.shop_id = p_shop_id)))
$$;
comment on function private.may_own_task(bigint, bigint) is 'Whether a task of a shop (null: of all) may be this member''s, or this member''s to verify.';

create or replace function private.check_task_owner(p_member_id bigint, p_shop_id bigint) returns void
language plpgsql stable set search_path = '' as $$
begin
    if not private.may_own_task(p_member_id, p_shop_id) then
        perform private.fail('PT422', 'task.owner');
    end if;
end;
$$;

create or replace function private.is_task_deadline(p_at timestamptz, p_now timestamptz) returns boolean
language sql immutable set search_path = '' as $$
    select p_at > p_now and p_at < p_now + interval '2 years'
$$;
comment on function private.is_task_deadline(timestamptz, timestamptz) is 'To come, and within two years: infinity is no deadline.';

create or replace function private.moved_task(p_me private.actor, p_task public.tasks, p_state text, p_detail jsonb, p_now timestamptz) returns public.tasks
language plpgsql set search_path = '' as $$
declare
    v public.tasks := p_task;
    v_old public.tasks;
begin
    select * into v_old from public.tasks where id = v.id;
    update public.tasks t set (title, detail, state, priority, owner_id, deadline, progress, progress_note, change_note, planned_at, delivered_at,
        verify_from, verify_until, judged_at, judged_by, judged_reason, watch_until, regressed_at, meeting_id, round, updated_by)
        = (v.title, v.detail, p_state, v.priority, v.owner_id, v.deadline, v.progress, v.progress_note, v.change_note, v.planned_at, v.delivered_at,
        v.verify_from, v.verify_until, v.judged_at, v.judged_by, v.judged_reason, v.watch_until, v.regressed_at, v.meeting_id, v.round, (p_me).member_id)
    where t.id = v.id returning * into v;
    perform private.audit(p_me, v.shop_id, 'task', v.id, coalesce(p_detail ->> 'action', 'task_' || p_state), (coalesce(p_detail, '{}') - 'action')
        || case when v_old.state <> v.state then jsonb_build_object('from', v_old.state, 'to', v.state) else '{}' end
        || jsonb_build_object('fields', (select coalesce(jsonb_agg(n.key), '[]') from jsonb_each(to_jsonb(v)) n join jsonb_each(to_jsonb(v_old)) o using (key)
            where n.value is distinct from o.value and n.key in ('title', 'detail', 'state', 'priority', 'owner_id', 'deadline', 'progress'))));
    perform private.task_clock(v, p_now, (p_me).member_id);
    return v;
end;
$$;
comment on function private.moved_task(private.actor, public.tasks, text, jsonb, timestamptz) is
    'A locked task, changed in memory, goes to a state (or stays): row, history and deadline in one.';

create or replace function private.task_clock(p_task public.tasks, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    select * into v from public.sla_clocks where entity = 'task' and entity_id = (p_task).id and target = 'deliver' and stopped_at is null;
    if (p_task).state in ('planned', 'in_progress') and (p_task).deadline > p_now then
        if v.id is not null and (v.policy ->> 'latest')::timestamptz is distinct from (p_task).deadline then
            perform private.cancel_clock(v.id, 'deadline_moved', p_now, p_actor);
            v.id := null;
        end if;
        if v.id is null and (p_task).shop_id is not null then
            perform private.start_clock('task', (p_task).id, (p_task).shop_id, 'deliver', 'task_deliver', p_now, p_actor, p_latest => (p_task).deadline);
        end if;
    elsif v.id is not null and (p_task).state in ('delivered', 'verifying') then
        perform private.stop_clock(v.id, p_now, p_actor);
    elsif v.id is not null and (p_task).state not in ('planned', 'in_progress') then
        perform private.cancel_clock(v.id, (p_task).state, p_now, p_actor);
    end if;
end;
$$;
comment on function private.task_clock(public.tasks, timestamptz, bigint) is
    'The deadline of a task of a shop runs from its planning to its delivery, with reminders on the way.';

create or replace function private.task_answer(p_task public.tasks) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object('id', (p_task).id, 'version', (p_task).version, 'state', (p_task).state)
$$;
comment on function private.task_answer(public.tasks) is 'What every step answers: {id, version, state}.';

-- Proposing -----------------------------------------------------------------------------------------------------------

create or replace function private.task_evidence(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := coalesce(nullif(private.as_json(p), 'null'), '{}');
begin
    if jsonb_typeof(v) <> 'object' then
        perform private.fail('PT422', 'task.form');
    elsif v - array['kpi', 'root_cause_id', 'tickets', 'ticket_id'] <> '{}'
        or (v ? 'kpi' and not exists (select from public.kpis k where k.code = v ->> 'kpi'))
        or (v ? 'root_cause_id' and not private.is_id(v ->> 'root_cause_id')) or (v ? 'ticket_id' and not private.is_id(v ->> 'ticket_id'))
        or (v ? 'tickets' and coalesce(v ->> 'tickets', '') !~ '^[0-9]{1,9}$') then
        perform private.fail('PT422', 'task.form');
    end if;
    return v;
end;
$$;
comment on function private.task_evidence(jsonb) is 'What a proposal came from {kpi | root_cause_id, tickets (how many) | ticket_id}, nothing else. task.form.';

create or replace function private.add_task(p_me private.actor, p jsonb, p_now timestamptz) returns public.tasks
language plpgsql set search_path = '' as $$
declare
    v public.tasks;
    v_anonymous boolean;
begin
    if exists (select from jsonb_each(p) e where e.key <> 'evidence' and jsonb_typeof(e.value) in ('object', 'array')) then
        perform private.fail('PT422', 'task.form');
    end if;
    if char_length(btrim(coalesce(p ->> 'title', ''))) not between 2 and 120 then
        perform private.fail('PT422', 'task.title');
    end if;
    v_anonymous := coalesce((p ->> 'is_anonymous')::boolean, false);
    insert into public.tasks (shop_id, title, detail, source, evidence, priority, proposed_by, is_anonymous, meeting_id, created_at)
    values ((p ->> 'shop_id')::bigint, btrim(coalesce(p ->> 'title', '')), btrim(coalesce(p ->> 'detail', '')), coalesce(p ->> 'source', 'suggestion'),
        private.task_evidence(p -> 'evidence'), coalesce(p ->> 'priority', 'normal'), case when not v_anonymous then (p_me).member_id end, v_anonymous,
        (p ->> 'meeting_id')::bigint, p_now)
    returning * into v;
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    values (p_now, case when not v_anonymous then (p_me).member_id end, case when v_anonymous then 'member' else coalesce((p_me).role, 'system') end,
        v.shop_id, 'task', v.id, 'task_proposed', jsonb_build_object('source', v.source, 'to', 'proposed'));
    return v;
exception when check_violation or foreign_key_violation or data_exception or not_null_violation then
    perform private.fail('PT422', 'task.form');
end;
$$;
comment on function private.add_task(private.actor, jsonb, timestamptz) is
    'A proposal {shop_id, title, detail, source, evidence, priority, is_anonymous, meeting_id}. Anonymous ones name nobody, in the history neither. task.form, task.title.';

create or replace function public.propose_task(p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v jsonb := private.as_object(p);
    v_answer jsonb := coalesce((select r.answer from private.requests r where r.actor = 'anonymous'
            and r.request_id = private.sha256(p_request_id::text) and r.rpc = 'propose_task'),
        private.begin_request(p_request_id, 'propose_task', v));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v ->> 'shop_id' is not null then
        if not private.is_id(v ->> 'shop_id') then
            perform private.fail('PT422', 'task.form');
        end if;
        perform private.require_shop(v_me, (v ->> 'shop_id')::bigint);
    end if;
    if v ->> 'meeting_id' is not null and not exists (select from public.meetings m where m.id::text = v ->> 'meeting_id'
        and v_me.role in ('manager', 'admin') and (m.shop_id in (select private.my_shop_ids()) or (m.shop_id is null and private.sees_every_shop()))) then
        perform private.fail('PT422', 'task.form');
    end if;
    v_task := private.add_task(v_me, v, private.now());
    v_answer := private.finish_request(p_request_id, private.task_answer(v_task));
    if v_task.is_anonymous then
        update private.requests set actor = 'anonymous', args_hash = ''
        where actor = private.request_actor() and request_id = private.sha256(p_request_id::text);
    end if;
    return v_answer;
end;
$$;
grant execute on function public.propose_task(jsonb, uuid) to authenticated;
comment on function public.propose_task(jsonb, uuid) is
    'Members: proposes an improvement {title, detail, shop_id (none: all shops), source, evidence, is_anonymous, meeting_id (managers: a decision of it)}. Of an anonymous one no record says whose it was, that of answered requests neither. {id, version, state}. task.form, task.title, shop.none.';

-- Work ----------------------------------------------------------------------------------------------------------------

create or replace function public.start_task(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'start_task', jsonb_build_array(p_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.task_answer(private.moved_task(v_me,
        private.task_for_change(v_me, p_id, p_version, 'start_task'), 'in_progress', null, private.now())));
end;
$$;
grant execute on function public.start_task(bigint, integer, uuid) to authenticated;
comment on function public.start_task(bigint, integer, uuid) is 'Its owner or a manager: work has begun. Refuses as private.task_for_change does.';

create or replace function public.report_task(p_id bigint, p_version integer, p_progress integer, p_note text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'report_task', jsonb_build_array(p_id, p_version, p_progress, p_note));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_task := private.task_for_change(v_me, p_id, p_version, 'report_task');
    v_task.progress := p_progress;
    v_task.progress_note := btrim(coalesce(p_note, ''));
    v_task := private.moved_task(v_me, v_task, v_task.state, jsonb_build_object('action', 'task_reported', 'progress', p_progress), private.now());
    return private.finish_request(p_request_id, private.task_answer(v_task));
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'task.form');
end;
$$;
grant execute on function public.report_task(bigint, integer, integer, text, uuid) to authenticated;
comment on function public.report_task(bigint, integer, integer, text, uuid) is 'Its owner or a manager: how far it is (0 to 100) and a note. task.form.';

create or replace function public.deliver_task(p_id bigint, p_version integer, p_note text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'deliver_task', jsonb_build_array(p_id, p_version, p_note));
    v_task public.tasks;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_task := private.task_for_change(v_me, p_id, p_version, 'deliver_task');
    if char_length(btrim(coalesce(p_note, ''))) < 4 then
        perform private.fail('PT422', 'task.note');
    end if;
    v_task.change_note := btrim(p_note);
    v_task.progress := 100;
    v_task.delivered_at := v_now;
    v_task.verify_from := private.shop_day(v_task.shop_id, v_now) + 1;
    v_task.verify_until := private.verify_until(v_task);
    v_task := private.moved_task(v_me, v_task, 'delivered', null, v_now);
    return private.finish_request(p_request_id, private.task_answer(v_task));
exception when check_violation then
    perform private.fail('PT422', 'task.form');
end;
$$;
grant execute on function public.deliver_task(bigint, integer, text, uuid) to authenticated;
comment on function public.deliver_task(bigint, integer, text, uuid) is
    'Its owner or a manager: done, and what was changed (4 characters or more). Measuring begins the next day. task.note.';

create or replace function public.confirm_criterion(p_criterion_id bigint, p_is_met boolean, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'confirm_criterion', jsonb_build_array(p_criterion_id, p_is_met));
    v_task public.tasks;
    v_criterion public.task_criteria;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_criterion from public.task_criteria where id = p_criterion_id and replaced_at is null;
    select * into v_task from public.tasks where id = v_criterion.task_id and round = v_criterion.round
        and (shop_id is null or shop_id in (select private.my_shop_ids())) for update;
    if v_task.id is null or v_criterion.text is null then
        perform private.fail('PT404', 'task.none', jsonb_build_object('id', p_criterion_id));
    elsif v_criterion.verifier_id is distinct from v_me.member_id then
        perform private.fail('PT403', 'task.not_verifier', jsonb_build_object('who', (select m.display_name from public.members m where m.id = v_criterion.verifier_id)));
    elsif v_task.state not in ('delivered', 'verifying') then
        perform private.fail('PT409', 'task.wrong_state', jsonb_build_object('id', v_task.id, 'state', v_task.state));
    elsif p_is_met is null then
        perform private.fail('PT422', 'task.form');
    end if;
    update public.task_criteria set is_met = p_is_met, confirmed_at = v_now where id = p_criterion_id;
    v_task := private.moved_task(v_me, v_task, v_task.state, jsonb_build_object('action', 'task_confirmed', 'met', p_is_met), v_now);
    return private.finish_request(p_request_id, private.task_answer(v_task));
end;
$$;
grant execute on function public.confirm_criterion(bigint, boolean, uuid) to authenticated;
comment on function public.confirm_criterion(bigint, boolean, uuid) is 'The named verifier: whether a criterion in words is met. task.none, task.not_verifier, task.wrong_state.';
