-- 97 ------------------------------------------------------------------------ optimization tasks: lists, one task, the meeting

create or replace function private.person_figures(p_criterion public.task_criteria, p_task public.tasks) returns jsonb
language sql stable set search_path = '' as $$
    select case when private.reads_person(p_criterion.agent, p_task.shop_id, p_task.owner_id)
        then jsonb_build_object('is_hidden', false, 'agent', p_criterion.agent, 'baseline', p_criterion.baseline, 'baseline_sample', p_criterion.baseline_sample,
            'value', p_criterion.value, 'sample', p_criterion.sample, 'is_met', p_criterion.is_met)
        else '{"is_hidden": true, "agent": null, "baseline": null, "baseline_sample": null, "value": null, "sample": null, "is_met": null}' end
$$;
comment on function private.person_figures(public.task_criteria, public.tasks) is 'Of whom a criterion is and its figures, for those who may read them (private.reads_person); for others nothing of either.';

create or replace function private.task_row(p_task public.tasks) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p_task).id, 'shop_id', (p_task).shop_id, 'shop', s.name, 'title', (p_task).title, 'source', (p_task).source,
        'state', (p_task).state, 'priority', (p_task).priority, 'owner_id', (p_task).owner_id, 'owner', m.display_name, 'deadline', (p_task).deadline,
        'progress', (p_task).progress, 'verify_until', (p_task).verify_until, 'round', (p_task).round, 'version', (p_task).version,
        'created_at', (p_task).created_at, 'planned_at', (p_task).planned_at, 'delivered_at', (p_task).delivered_at, 'judged_at', (p_task).judged_at,
        'criteria', (select coalesce(jsonb_agg(jsonb_build_object('kpi', c.kpi_code, 'name_en', k.name_en, 'text', c.text, 'comparison', c.comparison, 'target', c.target,
            'unit', k.unit) || private.person_figures(c, p_task) order by c.position), '[]')
            from public.task_criteria c left join public.kpi_definitions k on k.code = c.kpi_code and k.version = c.kpi_version
            where c.task_id = (p_task).id and c.round = (p_task).round and c.replaced_at is null))
    from (select 1) x left join public.shops s on s.id = (p_task).shop_id left join public.members m on m.id = (p_task).owner_id
$$;
comment on function private.task_row(public.tasks) is 'A task as lists show it, with the criteria of its round.';

create or replace function public.task_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v jsonb := private.as_filter(p);
    v_states text[] := case v ->> 'tab' when 'open' then array['proposed', 'planned', 'in_progress', 'delivered', 'verifying', 'failed', 'inconclusive', 'regressed']
        when 'done' then array['accepted', 'cancelled'] when 'verifying' then array['delivered', 'verifying'] end;
    v_limit integer := 200;
begin
    if not private.is_id(coalesce(v ->> 'owner_id', '0')) or not private.is_id(coalesce(v ->> 'meeting_id', '0'))
        or not private.is_id(coalesce(v ->> 'after', '0')) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return (
        with matching as (
            select t from public.tasks t
            where (t.shop_id is null or t.shop_id in (select private.my_shop_ids()))
              and (v_states is null or t.state = any (v_states)) and (v ->> 'state' is null or t.state = v ->> 'state')
              and (v ->> 'shop_id' is null or t.shop_id = (v ->> 'shop_id')::bigint)
              and (v ->> 'source' is null or t.source = v ->> 'source')
              and (v ->> 'meeting_id' is null or t.meeting_id = (v ->> 'meeting_id')::bigint)
              and (v ->> 'owner_id' is null or t.owner_id = (v ->> 'owner_id')::bigint)
              and (v ->> 'tab' is distinct from 'mine' or t.owner_id = v_me.member_id or t.proposed_by = v_me.member_id)
              and (coalesce(v ->> 'text', '') = '' or strpos(lower(t.title), lower(v ->> 'text')) > 0 or ('o-' || t.id) = lower(v ->> 'text'))
              and (v ->> 'after' is null or t.id < (v ->> 'after')::bigint)
            order by t.id desc limit v_limit + 1
        )
        select jsonb_build_object('rows', coalesce((select jsonb_agg(private.task_row(x.t) order by (x.t).id desc)
                from (select t from matching order by (t).id desc limit v_limit) x), '[]'),
            'more', (select count(*) > v_limit from matching),
            'counts', (select coalesce(jsonb_object_agg(c.state, c.n), '{}') from (select t.state, count(*) as n from public.tasks t
                where t.shop_id is null or t.shop_id in (select private.my_shop_ids()) group by t.state) c)));
end;
$$;
grant execute on function public.task_list(jsonb) to authenticated;
comment on function public.task_list(jsonb) is
    'Members: tasks of my shops, newest first, 200 a page: {rows, more, counts by state}; p {tab: open | mine | verifying | done, state, shop_id, owner_id, source, meeting_id, text, after (id)}. filter.bad.';

create or replace function private.task_can(p_me private.actor, p_task public.tasks) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(distinct m.rpc), '{}') from private.task_moves() m
    where m.state_from = (p_task).state and m.rpc <> 'measure' and m.who && private.task_who(p_me, p_task)
$$;
comment on function private.task_can(private.actor, public.tasks) is 'The steps this person may take now.';

create or replace function public.task_screen(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.tasks;
begin
    select * into v from public.tasks where id = p_id and (shop_id is null or shop_id in (select private.my_shop_ids()));
    if not found then
        perform private.fail('PT404', 'task.none', jsonb_build_object('id', p_id));
    end if;
    return jsonb_build_object('task', private.task_row(v) || jsonb_build_object('detail', v.detail, 'evidence', v.evidence, 'progress_note', v.progress_note,
            'change_note', v.change_note, 'is_anonymous', v.is_anonymous, 'verify_from', v.verify_from, 'watch_until', v.watch_until,
            'judged_reason', v.judged_reason, 'regressed_at', v.regressed_at, 'meeting_id', v.meeting_id,
            'proposed_by', (select m.display_name from public.members m where m.id = v.proposed_by),
            'judged_by', (select m.display_name from public.members m where m.id = v.judged_by)),
        'can', private.task_can(v_me, v),
        'criteria', (select coalesce(jsonb_agg(to_jsonb(c) || private.person_figures(c, v) || jsonb_build_object('unit', k.unit, 'direction', k.direction, 'formula', k.formula,
                'formula_en', k.formula_en, 'name_en', k.name_en, 'verifier', m.display_name, 'is_mine', c.verifier_id = v_me.member_id,
                'measures', (select coalesce(jsonb_agg(jsonb_build_object('day', x.day, 'value', x.value, 'sample', x.sample, 'is_watch', x.is_watch) order by x.day), '[]')
                    from public.task_measures x where x.criterion_id = c.id and private.reads_person(c.agent, v.shop_id, v.owner_id))) order by c.round desc, c.position), '[]')
            from public.task_criteria c left join public.kpi_definitions k on k.code = c.kpi_code and k.version = c.kpi_version
            left join public.members m on m.id = c.verifier_id
            where c.task_id = v.id and c.replaced_at is null),
        'history', (select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'action', e.action, 'detail', e.detail,
                'who', coalesce(m.display_name, e.actor)) order by e.id desc), '[]')
            from (select * from public.audit_events a where a.entity = 'task' and a.entity_id = v.id order by a.id desc limit 100) e
            left join public.members m on m.id = e.member_id));
end;
$$;
grant execute on function public.task_screen(bigint) to authenticated;
comment on function public.task_screen(bigint) is
    'Members: one task of my shops: {task, can (steps I may take), criteria (all rounds, with unit, formula and daily measures; is_hidden: of a person whose figures are not mine to read, with neither name nor figure), history}. task.none.';

create or replace function public.task_people(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'name', m.display_name, 'role', m.role) order by m.display_name), '[]')
        from public.members m where m.state = 'active' and (m.role = 'admin' or exists (select from public.member_shops k
            where k.member_id = m.id and k.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or k.shop_id = p_shop_id))));
end;
$$;
grant execute on function public.task_people(bigint) to authenticated;
comment on function public.task_people(bigint) is 'Members: who may own a task of a shop (none: of any of mine): [{id, name, role}].';

-- The meeting ---------------------------------------------------------------------------------------------------------

create or replace function private.meeting_pack(p_shops bigint[], p_month date) returns jsonb
language sql stable set search_path = '' as $$
    with span as materialized (
        select x.first, x.last, private.kpi_tiles(p_shops, null, null, x.first, x.last) as tiles
        from (select p_month as first, (p_month + interval '1 month')::date - 1 as last) x
    )
    select jsonb_build_object('month', p_month,
        'figures', s.tiles,
        'anomalies', (select coalesce(jsonb_agg(t), '[]') from jsonb_array_elements(s.tiles) t where t -> 'is_met' = 'false'),
        'causes', (select coalesce(jsonb_agg(to_jsonb(c) order by c.tickets desc), '[]') from (
            select r.id, r.name, count(*) as tickets from private.kpi_days(p_shops, s.first, s.last) d
            join public.tickets t on t.shop_id = d.shop_id and t.registered_at >= d.starts_at and t.registered_at < d.ends_at
            join public.root_causes r on r.id = t.root_cause_id where t.state not in ('cancelled', 'merged')
            group by r.id, r.name order by count(*) desc limit 10) c),
        'low_scores', (select coalesce(jsonb_agg(jsonb_build_object('ticket_id', v.ticket_id, 'score', v.score, 'finding', v.finding, 'at', v.opened_at) order by v.opened_at desc), '[]')
            from (select r.* from private.kpi_days(p_shops, s.first, s.last) d
                join public.score_reviews r on r.shop_id = d.shop_id and r.opened_at >= d.starts_at and r.opened_at < d.ends_at order by r.opened_at desc limit 20) v),
        'suggestions', (select coalesce(jsonb_agg(private.task_row(t) order by t.id), '[]') from (select * from public.tasks x where (x.shop_id is null or x.shop_id = any (p_shops))
            and x.state in ('proposed', 'regressed') order by x.id limit 100) t),
        'tasks', (select coalesce(jsonb_agg(private.task_row(t) order by t.id), '[]') from (select * from public.tasks x where (x.shop_id is null or x.shop_id = any (p_shops))
            and (x.state in ('planned', 'in_progress', 'delivered', 'verifying', 'failed', 'inconclusive')
                or private.shop_day(x.shop_id, x.judged_at) between s.first and s.last) order by x.id limit 100) t))
    from span s
$$;
comment on function private.meeting_pack(bigint[], date) is
    'What lies on the table of a monthly review: figures and those that miss their target, root causes and low scores (feedback), suggestions, and the tasks under way or judged. Days are those of each shop, whatever zone the server keeps.';

create or replace function public.meeting_screen(p_month date, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_month date := date_trunc('month', p_month::timestamp)::date;
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
    v public.meetings;
begin
    if v_month is null or not isfinite(v_month) then
        perform private.fail('PT422', 'meeting.form');
    end if;
    select * into v from public.meetings where month = v_month and shop_id is not distinct from p_shop_id
        and (shop_id in (select private.my_shop_ids()) or (shop_id is null and private.sees_every_shop()));
    return jsonb_build_object('meeting', case when v.id is not null then to_jsonb(v) - 'pack' end, 'pack', coalesce(v.pack, private.meeting_pack(v_shops, v_month)),
        'is_kept', v.pack is not null, 'may_hold', v_me.role in ('manager', 'admin') and (p_shop_id is not null or private.sees_every_shop()),
        'decisions', (select coalesce(jsonb_agg(private.task_row(t) order by t.id), '[]') from public.tasks t where t.meeting_id = v.id));
end;
$$;
grant execute on function public.meeting_screen(date, bigint) to authenticated;
comment on function public.meeting_screen(date, bigint) is
    'Operations, analysts, managers, admins: the review of a month of a shop, or of all (to those who see all; to others what is on the table of theirs): {meeting, pack (live until it is held, then as it was), is_kept, may_hold, decisions (tasks)}. meeting.form.';

create or replace function public.save_meeting(p_month date, p_shop_id bigint, p_version integer, p_notes text, p_hold boolean, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'save_meeting', jsonb_build_array(p_month, p_shop_id, p_version, p_notes, p_hold));
    v_month date := date_trunc('month', p_month::timestamp)::date;
    v public.meetings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    elsif not private.sees_every_shop() then
        perform private.fail('PT404', 'shop.none');
    end if;
    if not isfinite(v_month) then
        perform private.fail('PT422', 'meeting.form');
    end if;
    select * into v from public.meetings where month = v_month and shop_id is not distinct from p_shop_id for update;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'meeting.stale', jsonb_build_object('who', coalesce((select m.display_name from public.members m where m.id = v.made_by), '—')));
    end if;
    insert into public.meetings as t (shop_id, month, notes, held_at, pack, made_by, created_at)
    values (p_shop_id, v_month, coalesce(p_notes, ''), case when p_hold then v_now end, case when p_hold then private.meeting_pack(
        array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id), v_month) end, v_me.member_id, v_now)
    on conflict (shop_id, month) do update set notes = excluded.notes, held_at = coalesce(t.held_at, excluded.held_at),
        pack = coalesce(t.pack, excluded.pack), made_by = excluded.made_by
    returning * into v;
    perform private.audit(v_me, p_shop_id, 'meeting', v.id, case when p_hold then 'held' else 'saved' end, jsonb_build_object('month', v_month));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
exception when check_violation or not_null_violation then
    perform private.fail('PT422', 'meeting.form');
end;
$$;
grant execute on function public.save_meeting(date, bigint, integer, text, boolean, uuid) to authenticated;
comment on function public.save_meeting(date, bigint, integer, text, boolean, uuid) is
    'Managers, admins: notes of a month''s review (p_version null: the first); p_hold keeps what lay on the table. Decisions are tasks with its meeting_id. Of all shops: who sees them all. {id, version}. meeting.stale, meeting.form, shop.none.';

create or replace function public.announcement(p_from date, p_to date, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
begin
    perform private.check_kpi_period(p_from, p_to, 400);
    return (select coalesce(jsonb_agg(private.task_row(t) || jsonb_build_object('change_note', t.change_note) order by t.judged_at), '[]') from public.tasks t
        where t.state = 'accepted' and private.shop_day(t.shop_id, t.judged_at) between p_from and p_to
          and (t.shop_id is null or t.shop_id in (select private.my_shop_ids())) and (p_shop_id is null or t.shop_id = p_shop_id));
end;
$$;
grant execute on function public.announcement(date, date, bigint) to authenticated;
comment on function public.announcement(date, date, bigint) is
    '流程优化公告: the tasks accepted in a period, with what was changed and the figures before and after: what the announcement is drafted from. kpi.period.';
