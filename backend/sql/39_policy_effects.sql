-- 39 -------------------------------------------------- policies: what running clocks would do, which one holds and why

-- What running clocks would do ----------------------------------------------------------------------------------------

create or replace function private.running_clocks(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (clock_id bigint, policy_id bigint)
language sql stable set search_path = '' as $$
    with open as (
        select c.id, c.shop_id, c.policy_id, c.policy ->> 'version' as version, c.policy -> 'facts' as facts, c.due_at
        from public.sla_policies p join public.sla_clocks c on c.policy_id = p.id
        where p.code = p_code and c.stopped_at is null and c.breached_at is null
          and (c.due_at >= p_now or c.due_at is null) and c.shop_id = any (p_shops)
    ), chosen as materialized ( -- once for each shop and facts, not once for each clock
        select k.shop_id, k.facts, b.id, b.version
        from (select distinct shop_id, facts from open) k
        cross join lateral (select * from private.policies_for(p_code, k.shop_id, k.facts) limit 1) b
    )
    select o.id, c.id from open o join chosen c on c.shop_id = o.shop_id and c.facts = o.facts
    where (o.policy_id, o.version) is distinct from (c.id, c.version::text)
    order by o.due_at, o.id limit p_limit
$$;
comment on function private.running_clocks(text, bigint[], integer, timestamptz) is
    'Running and paused clocks of a code, not overdue, under an older version than the policy that would win today, soonest first.';

create or replace function private.policy_effect(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (clock_id bigint, due_before timestamptz, due_after timestamptz)
language sql stable set search_path = '' as $$
    select c.id, c.due_at, case when d.due_at is not null then greatest(d.due_at, p_now) end
    from private.running_clocks(p_code, p_shops, p_limit, p_now) r
    join public.sla_clocks c on c.id = r.clock_id
    join public.sla_policies p on p.id = r.policy_id
    cross join lateral private.under_policy(c, p, c.policy -> 'facts', p_now) n
    left join lateral private.deadline(n.measure, n.calendar_id, n.counted_from, greatest(n.allowance - n.used, 0), n.pauses) d
        on n.paused_at is null
$$;
comment on function private.policy_effect(text, bigint[], integer, timestamptz) is
    'Deadlines of running clocks now, and as they would be if each followed the policy that wins today.';

create or replace function private.effect_counts(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (
    with effect as materialized (select * from private.policy_effect(p_code, p_shops, p_limit, p_now)),
    shown as (
        select e.*, c.shop_id, s.name as shop_name, s.timezone, c.entity, c.entity_id, c.target, c.state
        from (select * from effect where due_after is distinct from due_before order by due_after nulls last, clock_id limit 50) e
        join public.sla_clocks c on c.id = e.clock_id join public.shops s on s.id = c.shop_id
    )
    select pg_catalog.jsonb_build_object('open', pg_catalog.count(*), 'is_all', pg_catalog.count(*) < p_limit,
        'earlier', pg_catalog.count(*) filter (where due_after < due_before),
        'later', pg_catalog.count(*) filter (where due_after > due_before),
        'same', pg_catalog.count(*) filter (where due_after is not distinct from due_before),
        'at_once', pg_catalog.count(*) filter (where due_after <= p_now and due_after < due_before),
        'soon', pg_catalog.count(*) filter (where due_after > p_now and due_after <= p_now + interval '30 minutes' and due_after < due_before),
        'rows', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(s) || pg_catalog.jsonb_build_object(
            'label', (select w.label from private.subjects_of(s.entity, array[s.entity_id], p_now) w))
            order by s.due_after, s.clock_id) from shown s), '[]'))
    from effect);
end;
$$;
comment on function private.effect_counts(text, bigint[], integer, timestamptz) is
    'policy_effect in figures, with the first fifty that move. Nothing becomes overdue by it: what is used up is due at once (at_once).';

create or replace function private.policy_stamp(p_code text) returns text
language sql stable set search_path = '' as $$
    select pg_catalog.string_agg(id || '.' || version, ' ' order by id) from public.sla_policies where code = p_code
$$;
comment on function private.policy_stamp(text) is 'Changes with every change of a policy of the code: what was previewed is what is applied.';

create or replace function public.preview_policy(p_id bigint, p_policy jsonb, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
    v_saved public.sla_policies;
    v_answer jsonb;
begin
    begin
        v_saved := private.apply_policy(v_me, p_id, private.as_json(p_policy), p_version, v_now);
        v_answer := private.effect_counts(v_saved.code, v_shops, 1000, v_now);
        raise exception using errcode = 'PT200', message = 'policy.preview';
    exception when sqlstate 'PT200' then
        return v_answer;
    end;
end;
$$;
grant execute on function public.preview_policy(bigint, jsonb, integer) to authenticated;
comment on function public.preview_policy(bigint, jsonb, integer) is
    'Manager, admin: when the running clocks of my shops would be due under a change (arguments of save_policy) that they followed: {open, is_all (false beyond 1,000), earlier, later, same, at_once, soon, rows}. Changes nothing: it is tried and undone. Refusals as save_policy.';

create or replace function public.preview_recalculation(p_code text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.effect_counts(p_code, array(select private.my_shop_ids()), 1000, private.now())
        || pg_catalog.jsonb_build_object('stamp', private.policy_stamp(p_code));
end;
$$;
grant execute on function public.preview_recalculation(text) to authenticated;
comment on function public.preview_recalculation(text) is
    'Manager, admin: what "recalculate running ones" would do in my shops: as preview_policy, and the stamp that recalculate_policy wants back.';

create or replace function public.recalculate_policy(p_code text, p_stamp text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'recalculate_policy', pg_catalog.jsonb_build_array(p_code, p_stamp));
    v_shops bigint[] := array(select private.my_shop_ids());
    v_clocks bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform from public.sla_policies where code = p_code order by id for share;
    if private.policy_stamp(p_code) is distinct from p_stamp then
        perform private.fail('PT409', 'policy.stale', coalesce((select private.last_change(id) || pg_catalog.jsonb_build_object('name', name)
            from public.sla_policies where code = p_code order by updated_at desc limit 1), '{}'));
    end if;
    v_clocks := array(select clock_id from private.running_clocks(p_code, v_shops, 200, v_now));
    perform private.retarget_clock(id, v_now, v_me.member_id, 'recalculated') from pg_catalog.unnest(v_clocks) id order by id;
    v_answer := pg_catalog.jsonb_build_object('changed', pg_catalog.cardinality(v_clocks),
        'left', exists (select from private.running_clocks(p_code, v_shops, 1, v_now)));
    perform private.audit(v_me, null, 'sla_policy', (select min(id) from public.sla_policies where code = p_code and shop_id is null
        and conditions = '{}'), 'recalculated', v_answer || pg_catalog.jsonb_build_object('code', p_code));
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.recalculate_policy(text, text, uuid) to authenticated;
comment on function public.recalculate_policy(text, text, uuid) is
    'Manager, admin: running clocks of my shops follow the policy as it is now, 200 at a time: only the time that remains changes, nothing becomes overdue, finished and overdue ones stay. Answers {changed, left: more to do}. policy.stale.';

-- Explaining and looking back -----------------------------------------------------------------------------------------

create or replace function public.explain_policy(p_code text, p_shop_id bigint, p_facts jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_facts jsonb := coalesce(private.as_json(p_facts), '{}');
begin
    perform private.require_shop(v_me, p_shop_id);
    return (
        with places as (select id, row_number() over () as place from private.policies_for(p_code, p_shop_id, v_facts))
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', p.id, 'verdict', case
                when w.place = 1 then 'wins' when w.place > 1 then 'less_specific' when not p.is_active then 'off'
                else 'conditions' end) order by w.place, p.shop_id nulls last, p.id), '[]')
        from public.sla_policies p left join places w on w.id = p.id
        where p.code = p_code and (p.shop_id is null or p.shop_id = p_shop_id));
end;
$$;
grant execute on function public.explain_policy(text, bigint, jsonb) to authenticated;
comment on function public.explain_policy(text, bigint, jsonb) is
    'Members of the shop: which policy of a code holds for these facts {kind, priority, grade}, and why the others do not: [{id, verdict: wins|less_specific|off|conditions}]. shop.none.';

create or replace function public.policy_history(p_code text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(h) order by h.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.action, a.detail, p.id as policy_id, p.name, p.shop_id, p.conditions
        from public.sla_policies p
        join public.audit_events a on a.entity = 'sla_policy' and a.entity_id = p.id
        left join public.members m on m.id = a.member_id
        where p.code = p_code and (p.shop_id is null or p.shop_id = any (v_shops))
        order by a.id desc limit 50) h);
end;
$$;
grant execute on function public.policy_history(text) to authenticated;
comment on function public.policy_history(text) is
    'Operations, analyst, manager, admin: who changed the policies of a code, from what to what; the last fifty.';
