-- 39 --------------------------------------------------------------------------------- policies: who changes them, and how
--
-- A policy code has one row for everybody (shop_id null, no conditions) and any number of variants: of a shop, of
-- conditions, of both. The most specific one that is switched on wins (private.policies_for). A change holds for clocks
-- that start from then on; clocks that run follow only when a manager says so (reliability.md D11).

create or replace function private.policy_shown(p_policy public.sla_policies) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('name', p_policy.name, 'measure', p_policy.measure,
        'calendar', (select code from public.calendars where id = p_policy.calendar_id),
        'allowance', pg_catalog.trim_scale(p_policy.allowance), 'ladder', p_policy.ladder,
        'remind_calendar', (select code from public.calendars where id = p_policy.remind_calendar_id),
        'is_active', p_policy.is_active)
$$;
comment on function private.policy_shown(public.sla_policies) is 'What of a policy a manager can change, calendars by their code.';

-- Checking what was typed ---------------------------------------------------------------------------------------------

create or replace function private.bad_policy(p_field text, p_row integer default null) returns void
language sql stable set search_path = '' as $$
    select private.fail('PT422', 'policy.bad_field', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('field', p_field, 'row', p_row)))
$$;
comment on function private.bad_policy(text, integer) is 'policy.bad_field, with the field and the line of the ladder.';

create or replace function private.bad_step(p_step jsonb) returns text
language sql immutable set search_path = '' as $$
    select case
        when pg_catalog.jsonb_typeof(p_step) <> 'object' then 'at'
        when (p_step ? 'percent') = (p_step ? 'minutes') then 'at'
        when coalesce(p_step ->> 'percent', p_step ->> 'minutes', '') !~ '^-?[0-9]{1,7}$' then 'at'
        when (p_step ->> 'percent')::integer not between 0 and 1000 then 'at'
        when pg_catalog.abs((p_step ->> 'minutes')::integer) > 5256000 then 'at'
        when coalesce(pg_catalog.jsonb_typeof(p_step -> 'who'), '') <> 'array' or p_step -> 'who' = '[]'
            or not p_step -> 'who' <@ '["owner", "on_duty", "duty_lead", "manager", "warehouse"]' then 'who'
        when coalesce(p_step ->> 'action', '') not in ('notify', 'to_pool', 'raise_priority') then 'action'
        when p_step - array['percent', 'minutes', 'who', 'action'] <> '{}' then 'action' end
$$;
comment on function private.bad_step(jsonb) is 'The cell (at, who, action) that is wrong in a step of a ladder; null when all are right.';

create or replace function private.check_ladder(p_ladder jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_bad record;
begin
    if coalesce(pg_catalog.jsonb_typeof(p_ladder), '') <> 'array' or pg_catalog.jsonb_array_length(p_ladder) > 10 then
        perform private.bad_policy('ladder');
    end if;
    select s.n, private.bad_step(s.step) as cell into v_bad
    from pg_catalog.jsonb_array_elements(p_ladder) with ordinality s (step, n)
    where private.bad_step(s.step) is not null order by s.n limit 1;
    if found then
        perform private.bad_policy(v_bad.cell, v_bad.n::integer);
    end if;
    select s.n into v_bad from pg_catalog.jsonb_array_elements(p_ladder) with ordinality s (step, n)
    where exists (select from pg_catalog.jsonb_array_elements(p_ladder) with ordinality o (step, n)
        where o.n < s.n and o.step -> 'percent' is not distinct from s.step -> 'percent'
          and o.step -> 'minutes' is not distinct from s.step -> 'minutes' and o.step -> 'action' = s.step -> 'action')
    order by s.n limit 1;
    if found then
        perform private.bad_policy('twice', v_bad.n::integer);
    end if;
end;
$$;
comment on function private.check_ladder(jsonb) is 'At most ten steps, every cell right, no two that do the same at the same time. policy.bad_field.';

create or replace function private.check_conditions(p_conditions jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    if not coalesce(private.is_conditions(p_conditions), false)
        or p_conditions - array['kind', 'priority', 'grade'] <> '{}'
        or exists (select from pg_catalog.jsonb_each(p_conditions) c, pg_catalog.jsonb_array_elements_text(c.value) v
            where pg_catalog.jsonb_array_length(c.value) > 20 or v !~ '^[A-Za-z0-9_]{1,40}$') then
        perform private.bad_policy('conditions');
    end if;
    return (select coalesce(pg_catalog.jsonb_object_agg(c.key,
            (select pg_catalog.jsonb_agg(distinct v order by v) from pg_catalog.jsonb_array_elements_text(c.value) v)), '{}')
        from pg_catalog.jsonb_each(p_conditions) c);
end;
$$;
comment on function private.check_conditions(jsonb) is
    'Conditions on kind, priority and grade, their values in order, so that the same conditions are the same text. policy.bad_field.';

create or replace function private.policy_calendar(p_code text, p_field text, p_needs_hours boolean) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint;
begin
    select id into v_id from public.calendars
    where code = p_code and is_active and not (p_needs_hours and kind = 'wall');
    if v_id is null then
        perform private.bad_policy(p_field);
    end if;
    return v_id;
end;
$$;
comment on function private.policy_calendar(text, text, boolean) is 'The active calendar of a code; policy.bad_field.';

create or replace function private.check_allowance(p_allowance jsonb, p_measure text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
    v_text text := coalesce(p_allowance #>> '{}', '');
begin
    if v_text !~ '^[0-9]{1,7}(\.[0-9]{1,3})?$' or v_text::numeric > 5256000
        or (p_measure = 'workdays' and (v_text::numeric <> trunc(v_text::numeric) or v_text::numeric > 3660)) then
        perform private.bad_policy('allowance');
    end if;
    return v_text::numeric;
end;
$$;
comment on function private.check_allowance(jsonb, text) is 'Minutes, or whole working days; at most ten years. policy.bad_field.';

create or replace function private.edited_policy(p_old public.sla_policies, p_change jsonb, p_now timestamptz) returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_policies := p_old;
    v_all jsonb := private.policy_shown(p_old) || p_change;
    v_problem record;
begin
    v.name := pg_catalog.btrim(coalesce(v_all ->> 'name', ''));
    v.measure := v_all ->> 'measure';
    if pg_catalog.char_length(v.name) not between 1 and 60 or v.name ~ '[[:cntrl:]]' then
        perform private.bad_policy('name');
    elsif coalesce(v.measure, '') not in ('wall', 'working', 'workdays') then
        perform private.bad_policy('measure');
    elsif coalesce(pg_catalog.jsonb_typeof(v_all -> 'is_active'), '') <> 'boolean' then
        perform private.bad_policy('is_active');
    end if;
    v.allowance := private.check_allowance(v_all -> 'allowance', v.measure);
    v.calendar_id := case when v.measure <> 'wall' then private.policy_calendar(v_all ->> 'calendar', 'calendar', true) end;
    v.remind_calendar_id := case when v_all ->> 'remind_calendar' is not null
        then private.policy_calendar(v_all ->> 'remind_calendar', 'remind_calendar', false) end;
    perform private.check_ladder(v_all -> 'ladder');
    v.ladder := v_all -> 'ladder';
    v.is_active := (v_all ->> 'is_active')::boolean;
    v_problem := private.deadline(v.measure, v.calendar_id, p_now, v.allowance, '{}');
    if v_problem.problem = 'never_open' then
        perform private.refuse_problem('never_open', v.calendar_id, null);
    end if;
    return v;
end;
$$;
comment on function private.edited_policy(public.sla_policies, jsonb, timestamptz) is
    'The policy with the values of p_change, checked field by field. policy.bad_field, calendar.never_open.';

-- Writing -------------------------------------------------------------------------------------------------------------

create or replace function private.variant_base(p_me private.actor, p_policy jsonb) returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_policies;
begin
    select * into v from public.sla_policies where code = p_policy ->> 'code' and shop_id is null and conditions = '{}';
    if not found then
        perform private.fail('PT404', 'policy.unknown');
    end if;
    if p_policy ->> 'shop_id' is not null then
        if p_policy ->> 'shop_id' !~ '^[0-9]{1,18}$' then
            perform private.fail('PT404', 'shop.none');
        end if;
        perform private.require_shop(p_me, (p_policy ->> 'shop_id')::bigint);
    end if;
    v.id := null;
    v.is_active := true;
    v.shop_id := (p_policy ->> 'shop_id')::bigint;
    v.conditions := private.check_conditions(coalesce(p_policy -> 'conditions', '{}'));
    if v.shop_id is null and v.conditions = '{}' then
        perform private.fail('PT409', 'policy.exists');
    end if;
    return v;
end;
$$;
comment on function private.variant_base(private.actor, jsonb) is
    'A new variant in memory, like the default of its code. policy.unknown, shop.none, policy.exists, policy.bad_field.';

create or replace function private.last_change(p_policy_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('who', m.display_name, 'at', a.at)
    from public.audit_events a left join public.members m on m.id = a.member_id
    where a.entity = 'sla_policy' and a.entity_id = p_policy_id order by a.id desc limit 1
$$;

create or replace function private.policy_for_change(p_me private.actor, p_id bigint, p_version integer) returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v public.sla_policies;
begin
    select * into v from public.sla_policies where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'policy.unknown');
    elsif v.shop_id is not null then
        perform private.require_shop(p_me, v.shop_id);
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'policy.stale',
            coalesce(private.last_change(p_id), '{}') || pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.policy_for_change(private.actor, bigint, integer) is
    'Locks a policy whose version is still the one seen. policy.unknown, shop.none, policy.stale (name, who, at).';

create or replace function private.write_policy(p_policy public.sla_policies) returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v public.sla_policies := p_policy;
begin
    if v.id is null then
        insert into public.sla_policies (code, name, applies_to, target, shop_id, conditions, measure, calendar_id, allowance,
            ladder, remind_calendar_id, on_reopen, is_active)
        values (v.code, v.name, v.applies_to, v.target, v.shop_id, v.conditions, v.measure, v.calendar_id, v.allowance,
            v.ladder, v.remind_calendar_id, v.on_reopen, v.is_active)
        returning * into v;
    else
        update public.sla_policies set (name, measure, calendar_id, allowance, ladder, remind_calendar_id, is_active)
            = (v.name, v.measure, v.calendar_id, v.allowance, v.ladder, v.remind_calendar_id, v.is_active)
        where id = v.id returning * into v;
    end if;
    return v;
exception when unique_violation then
    perform private.fail('PT409', 'policy.exists');
end;
$$;
comment on function private.write_policy(public.sla_policies) is 'Stores a policy, new (id null) or changed. policy.exists.';

create or replace function private.apply_policy(p_me private.actor, p_id bigint, p_policy jsonb, p_version integer, p_now timestamptz)
returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v_old public.sla_policies := case when p_id is null then private.variant_base(p_me, p_policy)
        else private.policy_for_change(p_me, p_id, p_version) end;
begin
    if pg_catalog.jsonb_typeof(p_policy) is distinct from 'object' then
        perform private.bad_policy('policy');
    end if;
    return private.write_policy(private.edited_policy(v_old, p_policy, p_now));
end;
$$;

create or replace function private.audit_policy(p_me private.actor, p_action text, p_old jsonb, p_new public.sla_policies) returns void
language sql set search_path = '' as $$
    select private.audit(p_me, p_new.shop_id, 'sla_policy', p_new.id, p_action,
        pg_catalog.jsonb_build_object('code', p_new.code, 'version', p_new.version, 'changes', (
            select coalesce(pg_catalog.jsonb_object_agg(n.key, pg_catalog.jsonb_build_object('from', p_old -> n.key, 'to', n.value)), '{}')
            from pg_catalog.jsonb_each(private.policy_shown(p_new)) n where n.value is distinct from p_old -> n.key)))
$$;
comment on function private.audit_policy(private.actor, text, jsonb, public.sla_policies) is 'What was changed, from what to what; p_old null for a new variant.';

create or replace function public.save_policy(p_id bigint, p_policy jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_policy jsonb := private.as_json(p_policy);
    v_answer jsonb := private.begin_request(p_request_id, 'save_policy', pg_catalog.jsonb_build_array(p_id, v_policy, p_version));
    v_before jsonb;
    v_saved public.sla_policies;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_before := (select private.policy_shown(p) from public.sla_policies p where p.id = p_id);
    v_saved := private.apply_policy(v_me, p_id, v_policy, p_version, private.now());
    perform private.audit_policy(v_me, case when p_id is null then 'added' else 'saved' end, v_before, v_saved);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_saved.id, 'version', v_saved.version));
end;
$$;
grant execute on function public.save_policy(bigint, jsonb, integer, uuid) to authenticated;
comment on function public.save_policy(bigint, jsonb, integer, uuid) is
    'Manager, admin: changes a policy {name, measure, calendar, allowance, ladder, remind_calendar, is_active}, or adds a variant (p_id null: also code, shop_id, conditions). Holds for clocks that start from now on. Answers {id, version}. policy.stale (name, who, at), policy.bad_field (field, row), policy.exists, policy.unknown, shop.none, calendar.never_open.';

create or replace function public.reset_policy(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_policy', pg_catalog.jsonb_build_array(p_id, p_version));
    v public.sla_policies;
    v_seed jsonb;
    v_before jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.policy_for_change(v_me, p_id, p_version);
    v_before := private.policy_shown(v);
    v_seed := (select pg_catalog.to_jsonb(s) || '{"is_active": true}' from private.seed_policies() s
        where s.code = v.code and v.shop_id is null and v.conditions = '{}');
    if v_seed is null then
        perform private.fail('PT422', 'policy.no_default');
    end if;
    v := private.write_policy(private.edited_policy(v, v_seed, private.now()));
    perform private.audit_policy(v_me, 'reset', v_before, v);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.reset_policy(bigint, integer, uuid) to authenticated;
comment on function public.reset_policy(bigint, integer, uuid) is
    'Manager, admin: the default of a code as a new installation has it. A variant has none: switch it off instead. Answers {id, version}. policy.no_default, policy.stale, policy.unknown.';
