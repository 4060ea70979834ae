-- 42 ------------------------------------------------------------------------------ assignment: settings, screen, the reason

create or replace function private.require_area(p_area text) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_area is null or p_area not in ('lead', 'ticket') then
        perform private.fail('PT422', 'assignment.bad_area');
    end if;
end;
$$;
comment on function private.require_area(text) is 'assignment.bad_area unless work of the area is given out.';

-- Settings ------------------------------------------------------------------------------------------------------------

create or replace function private.check_assignment(p_change jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_bad text;
begin
    v_bad := case
        when pg_catalog.jsonb_typeof(p_change) is distinct from 'object'
            or p_change - array['capacity', 'weight', 'frozen_until', 'frozen_reason'] <> '{}' then 'change'
        when p_change ? 'capacity' and (coalesce(p_change ->> 'capacity', '') !~ '^[0-9]{1,4}$'
            or (p_change ->> 'capacity')::integer > 1000) then 'capacity'
        when p_change ? 'weight' and (coalesce(p_change ->> 'weight', '') !~ '^[0-9]{1,2}(\.[0-9]{1,2})?$'
            or (p_change ->> 'weight')::numeric not between 0.1 and 10) then 'weight'
        when p_change ? 'frozen_reason' and not p_change ? 'frozen_until' then 'frozen_until'
        when p_change ->> 'frozen_until' is not null and ((p_change ->> 'frozen_until')::timestamptz <= p_now
            or (p_change ->> 'frozen_until')::timestamptz > p_now + interval '366 days') then 'frozen_until'
        when p_change ->> 'frozen_until' is not null and pg_catalog.char_length(pg_catalog.btrim(coalesce(p_change ->> 'frozen_reason', '')))
            not between 1 and 200 then 'frozen_reason' end;
    if v_bad is not null then
        perform private.fail('PT422', 'assignment.bad_value', pg_catalog.jsonb_build_object('field', v_bad));
    end if;
exception when data_exception then
    perform private.fail('PT422', 'assignment.bad_value', '{"field": "frozen_until"}');
end;
$$;
comment on function private.check_assignment(jsonb, timestamptz) is
    'assignment.bad_value (field): capacity 0 to 1,000, weight 0.1 to 10, a freeze of at most a year with its reason.';

create or replace function public.set_assignment(p_member_id bigint, p_area text, p_change jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_change jsonb := private.as_json(p_change);
    v_answer jsonb := private.begin_request(p_request_id, 'set_assignment', pg_catalog.jsonb_build_array(p_member_id, p_area, v_change, p_version));
    v_version integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_area(p_area);
    if not exists (select from public.member_shops k join public.members m on m.id = k.member_id and m.role = 'agent' and m.state <> 'off'
        where k.member_id = p_member_id and k.shop_id in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'assignment.no_agent');
    end if;
    perform private.check_assignment(v_change, v_now);
    insert into public.assignment_members (member_id, area, capacity) values (p_member_id, p_area, private.default_capacity(p_area))
    on conflict do nothing;
    update public.assignment_members s set
        capacity = coalesce((v_change ->> 'capacity')::integer, s.capacity), weight = coalesce((v_change ->> 'weight')::numeric, s.weight),
        frozen_until = case when v_change ? 'frozen_until' then (v_change ->> 'frozen_until')::timestamptz else s.frozen_until end,
        frozen_reason = case when v_change ->> 'frozen_until' is not null then pg_catalog.btrim(v_change ->> 'frozen_reason')
            when v_change ? 'frozen_until' then null else s.frozen_reason end,
        changed_by = v_me.member_id
    where s.member_id = p_member_id and s.area = p_area and s.version = coalesce(p_version, 1)
    returning s.version into v_version;
    if not found then
        perform private.fail('PT409', 'assignment.stale', pg_catalog.jsonb_build_object('who', private.who_changed('assignment', p_member_id)));
    end if;
    perform private.audit(v_me, null, 'assignment', p_member_id, 'changed', v_change || pg_catalog.jsonb_build_object('area', p_area));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('version', v_version));
end;
$$;
grant execute on function public.set_assignment(bigint, text, jsonb, integer, uuid) to authenticated;
comment on function public.set_assignment(bigint, text, jsonb, integer, uuid) is
    'Manager, admin: how much work of an area an agent of their shops is given: {capacity, weight, frozen_until (null ends a freeze), frozen_reason}; what is left out stays; p_version null for an agent without settings. Answers {version}. assignment.bad_area, assignment.no_agent, assignment.bad_value (field), assignment.stale (who).';

-- Who gets what, for leaders ------------------------------------------------------------------------------------------

create or replace function private.given_today(p_area text, p_shop_id bigint, p_now timestamptz)
returns table (member_id bigint, given bigint, chosen bigint)
language sql stable set search_path = '' as $$
    select d.member_id, pg_catalog.count(distinct d.entity_id) filter (where d.rule in ('credit', 'only')),
        pg_catalog.count(distinct d.entity_id) filter (where d.rule = 'chosen')
    from public.shops s
    join public.assignment_decisions d on d.shop_id = s.id and d.area = p_area and d.member_id is not null and d.at <= p_now
        and d.at >= (p_now at time zone s.timezone)::date::timestamp at time zone s.timezone
    where s.id = p_shop_id group by d.member_id
$$;
comment on function private.given_today(text, bigint, timestamptz) is 'Items since 00:00 of the shop: given out fairly, and chosen by a person (claimed, handed over, reassigned).';

create or replace function public.assignment_screen(p_area text, p_shop_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
begin
    if not (v_me.role in ('manager', 'admin') or v_me.is_duty_lead) then
        perform private.fail('PT403', 'assignment.not_lead');
    end if;
    perform private.require_area(p_area);
    perform private.require_shop(v_me, p_shop_id);
    return (
        select pg_catalog.jsonb_build_object('default_capacity', private.default_capacity(p_area), 'can_change', v_me.role in ('manager', 'admin'),
            'members', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', s.member_id, 'name', m.display_name,
                'skills', s.skills, 'is_on_duty', s.is_on_duty, 'is_away', s.is_away, 'is_frozen', s.is_frozen,
                'frozen_until', a.frozen_until, 'frozen_reason', a.frozen_reason, 'load', s.load, 'room', s.capacity,
                'capacity', coalesce(a.capacity, private.default_capacity(p_area)), 'weight', s.weight, 'credit', pg_catalog.round(s.credit, 3), 'given_today', coalesce(t.given, 0),
                'chosen_today', coalesce(t.chosen, 0), 'version', a.version)
                order by s.is_on_duty desc, m.display_name, s.member_id), '[]'))
        from private.assignment_staff(p_area, p_shop_id, v_now) s
        join public.members m on m.id = s.member_id
        left join public.assignment_members a on a.member_id = s.member_id and a.area = p_area
        left join private.given_today(p_area, p_shop_id, v_now) t on t.member_id = s.member_id);
end;
$$;
grant execute on function public.assignment_screen(text, bigint) to authenticated;
comment on function public.assignment_screen(text, bigint) is
    'Manager, admin, 当班主管: the agents of one of their shops {default_capacity, can_change, members: [{member_id, name, skills, is_on_duty, is_away, is_frozen, frozen_until, frozen_reason, load, room (open items given at most: in a campaign twice the capacity), capacity, weight, credit, given_today, chosen_today, version (null: no settings yet)}]}. assignment.not_lead, assignment.bad_area, shop.none.';

-- Why this person, why nobody -----------------------------------------------------------------------------------------

create or replace function private.decision_shown(p_decision public.assignment_decisions) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', p_decision.id, 'at', p_decision.at, 'source', p_decision.source, 'rule', p_decision.rule,
        'member_id', p_decision.member_id, 'name', (select display_name from public.members where id = p_decision.member_id),
        'reasons', (select coalesce(pg_catalog.jsonb_object_agg(r.why, r.n), '{}') from (
            select c ->> 'why' as why, pg_catalog.count(*) as n from pg_catalog.jsonb_array_elements(p_decision.considered) c
            where c ->> 'why' is not null group by c ->> 'why') r),
        'considered', (select coalesce(pg_catalog.jsonb_agg(c || pg_catalog.jsonb_build_object('name', m.display_name)
                order by (c ->> 'is_eligible')::boolean desc, (c ->> 'credit')::numeric desc, m.display_name), '[]')
            from pg_catalog.jsonb_array_elements(p_decision.considered) c left join public.members m on m.id = (c ->> 'member_id')::bigint))
$$;
comment on function private.decision_shown(public.assignment_decisions) is 'A decision with names, and how many people each reason kept from the item.';

create or replace function private.pool_item(p_area text, p_entity_id bigint, p_now timestamptz)
returns table (shop_id bigint, skill text, excluded bigint[])
language plpgsql stable set search_path = '' as $$
begin
    case p_area
        when 'lead' then return query select l.shop_id, 'presales', private.cooled_off(l.id, l.shop_id, p_now)
            from public.leads l where l.id = p_entity_id and l.state = 'pool';
        when 'ticket' then return query select t.shop_id, 'aftersales', '{}'::bigint[]
            from public.tickets t where t.id = p_entity_id and t.owner_id is null and t.stage = 'open';
    end case;
end;
$$;
comment on function private.pool_item(text, bigint, timestamptz) is 'An item that lies in the pool: its shop, the skill it asks for, who may not have it; no row when somebody has it. A branch per area.';

create or replace function private.decision_now(p_area text, p_entity_id bigint, p_shop_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select private.decision_shown(row(null, p_now, i.shop_id, p_area, p_entity_id, null,
        case when exists (select from pg_catalog.unnest(s.staff) x where x.why is null) then 'waiting' else 'nobody' end, 'on_duty',
        private.considered(s.staff))::public.assignment_decisions)
    from private.pool_item(p_area, p_entity_id, p_now) i
    cross join lateral (select private.judge_staff(
        array(select x from private.assignment_staff(p_area, i.shop_id, p_now) x), i.skill, i.excluded) as staff) s
    where i.shop_id = any (p_shop_ids)
$$;
comment on function private.decision_now(text, bigint, bigint[], timestamptz) is
    'How an item in the pool stands at this moment (rule waiting: somebody could have it; nobody): nothing was decided yet, so id is null.';

create or replace function public.why_assigned(p_area text, p_entity_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_shops bigint[] := array(select private.my_shop_ids());
    v_now jsonb;
begin
    perform private.require_area(p_area);
    v_now := private.decision_now(p_area, p_entity_id, v_shops, private.now());
    return case when v_now is null then '[]' else pg_catalog.jsonb_build_array(v_now) end || (
        select coalesce(pg_catalog.jsonb_agg(private.decision_shown(d) order by d.id desc), '[]')
        from (select * from public.assignment_decisions x
            where x.area = p_area and x.entity_id = p_entity_id and x.shop_id = any (v_shops)
            order by x.id desc limit 10) d);
end;
$$;
grant execute on function public.why_assigned(text, bigint) to authenticated;
comment on function public.why_assigned(text, bigint) is
    'Members of its shop: the ten newest decisions on who has an item [{id, at, source, rule, member_id, name, reasons: {why: people}, considered: [{member_id, name, is_eligible, why, load, credit}] best first}]; an item in the pool begins with how it stands now (id null, rule waiting or nobody). [] where nothing was decided, or not mine to see. assignment.bad_area.';
