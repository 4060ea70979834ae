-- 64 -------------------------------------------------------- 纠纷处理权限表: changing it, what that does, who changed what

create or replace function private.check_limit(p_pot text, p_rule jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_pot is null or p_pot not in ('compensation', 'refund_only', 'return_refund', 'reship', 'price_protection') then
        perform private.fail('PT404', 'authority.none');
    elsif coalesce(jsonb_typeof(p_rule), '') <> 'object'
        or not (coalesce(p_rule ->> 'agent_limit', '0') ~ '^[0-9]{1,6}(\.[0-9]{1,2})?$')
        or not (coalesce(p_rule ->> 'customer_days', '1') ~ '^[0-9]{1,3}$')
        or coalesce((p_rule ->> 'customer_days')::integer, 1) not between 1 and 365
        or (p_rule ->> 'agent_limit' is null and (p_pot not in ('reship', 'price_protection') or p_rule ->> 'customer_days' is not null)) then
        perform private.fail('PT422', 'authority.bad_value');
    end if;
end;
$$;
comment on function private.check_limit(text, jsonb) is 'authority.none (unknown pot), authority.bad_value (limit 0–999,999.99, days 1–365; only reship and price protection do without a limit).';

create or replace function private.limit_for_change(p_me private.actor, p_shop_id bigint, p_pot text, p_version integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_version integer;
begin
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
    end if;
    perform private.lock_money();
    select version into v_version from public.authority_limits
    where pot = p_pot and shop_id is not distinct from p_shop_id for update;
    if coalesce(v_version, 0) <> coalesce(p_version, 0) then
        perform private.fail('PT409', 'authority.stale', jsonb_build_object('pot', p_pot));
    end if;
end;
$$;
comment on function private.limit_for_change(private.actor, bigint, text, integer) is 'authority.stale, shop.none. Requests of money wait: each is judged by one table.';

create or replace function public.save_authority(p_shop_id bigint, p_pot text, p_rule jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_rule jsonb := private.as_json(p_rule);
    v_answer jsonb := private.begin_request(p_request_id, 'save_authority', jsonb_build_array(p_shop_id, p_pot, v_rule, p_version));
    v_saved public.authority_limits;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_limit(p_pot, v_rule);
    perform private.limit_for_change(v_me, p_shop_id, p_pot, p_version);
    insert into public.authority_limits as a (shop_id, pot, agent_limit, customer_days)
    values (p_shop_id, p_pot, (v_rule ->> 'agent_limit')::numeric, (v_rule ->> 'customer_days')::integer)
    on conflict (shop_id, pot) do update set agent_limit = excluded.agent_limit, customer_days = excluded.customer_days
    returning * into v_saved;
    perform private.audit(v_me, p_shop_id, 'authority_limit', v_saved.id, 'saved', jsonb_build_object('pot', p_pot,
        'agent_limit', v_saved.agent_limit, 'customer_days', v_saved.customer_days));
    return private.finish_request(p_request_id, to_jsonb(v_saved));
end;
$$;
grant execute on function public.save_authority(bigint, text, jsonb, integer, uuid) to authenticated;
comment on function public.save_authority(bigint, text, jsonb, integer, uuid) is
    'Manager: changes the default of a pot (p_shop_id null) or a shop''s own {agent_limit, customer_days}; p_version 0 makes the shop''s own. Holds for requests from now on. authority.stale, authority.bad_value, authority.none, shop.none.';

create or replace function public.reset_authority(p_shop_id bigint, p_pot text, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_authority', jsonb_build_array(p_shop_id, p_pot, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    perform private.limit_for_change(v_me, p_shop_id, p_pot, p_version);
    delete from public.authority_limits where shop_id = p_shop_id and pot = p_pot;
    if not found then
        perform private.fail('PT404', 'authority.none');
    end if;
    perform private.audit(v_me, p_shop_id, 'authority_limit', null, 'reset', jsonb_build_object('pot', p_pot));
    return private.finish_request(p_request_id, jsonb_build_object('pot', p_pot));
end;
$$;
grant execute on function public.reset_authority(bigint, text, integer, uuid) to authenticated;
comment on function public.reset_authority(bigint, text, integer, uuid) is 'Manager: the shop follows the default of this pot again. authority.stale, authority.none, shop.none.';

create or replace function private.would_ask(p_money public.ticket_money, p_limit numeric, p_days integer) returns boolean
language sql immutable set search_path = '' as $$
    select exists (select from jsonb_array_elements_text((p_money).judged -> 'why') w where w not in ('over_order', 'over_customer'))
        or coalesce(((p_money).judged ->> 'used_order')::numeric + (p_money).amount > case when (p_money).pot = 'reship'
            then least(coalesce(((p_money).judged ->> 'order_value')::numeric, 0), p_limit) else p_limit end, false)
        or (p_days is not null and coalesce(((p_money).judged ->> 'used_customer')::numeric + (p_money).amount > p_limit, false))
$$;
comment on function private.would_ask(public.ticket_money, numeric, integer) is 'Whether a request of the past would have gone to somebody else under these figures.';

create or replace function public.preview_authority(p_shop_id bigint, p_pot text, p_rule jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_rule jsonb := private.as_json(p_rule);
    v_limit numeric;
    v_answer jsonb;
begin
    perform private.check_limit(p_pot, v_rule);
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    v_limit := (v_rule ->> 'agent_limit')::numeric;
    select jsonb_build_object('requests', count(*), 'asked_now', count(*) filter (where x.before), 'asked_then', count(*) filter (where x.after),
        'amount', coalesce(sum(x.amount), 0), 'days', 90) into v_answer
    from (select m.amount, private.would_ask(m, r.agent_limit, r.customer_days) as before,
            private.would_ask(m, v_limit, (v_rule ->> 'customer_days')::integer) as after
        from public.ticket_money m
        cross join lateral private.authority_for(m.shop_id, p_pot) r
        where m.pot = p_pot and m.requested_at >= v_now - interval '90 days' and m.state <> 'cancelled'
          and m.shop_id in (select private.my_shop_ids())
          and case when p_shop_id is null then r.shop_id is null else m.shop_id = p_shop_id end) x;
    return v_answer || jsonb_build_object('covered_by', (select coalesce(jsonb_agg(m.display_name order by m.approval_limit, m.id), '[]')
        from public.members m where m.state = 'active' and m.role = 'manager' and m.approval_limit > coalesce(v_limit, 0)
          and exists (select from public.member_shops s where s.member_id = m.id and s.shop_id in (select private.my_shop_ids()
              ) and (p_shop_id is null or s.shop_id = p_shop_id))));
end;
$$;
grant execute on function public.preview_authority(bigint, text, jsonb) to authenticated;
comment on function public.preview_authority(bigint, text, jsonb) is
    'Manager: what other figures would have done to the requests of the last 90 days in shops that follow this row: {requests, amount, asked_now, asked_then, days, covered_by (managers whose own limit is above)}. Changes nothing. authority.bad_value, authority.none, shop.none.';

create or replace function public.authority_screen(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    return jsonb_build_object(
        'limits', (select jsonb_agg(jsonb_build_object('pot', d.pot, 'own', o.id is not null,
                'agent_limit', case when o.id is null then d.agent_limit else o.agent_limit end,
                'customer_days', case when o.id is null then d.customer_days else o.customer_days end,
                'version', case when p_shop_id is null then d.version else coalesce(o.version, 0) end,
                'updated_at', coalesce(o.updated_at, d.updated_at),
                'other_shops', case when p_shop_id is null then (select coalesce(jsonb_agg(x.shop_id order by x.shop_id), '[]')
                    from public.authority_limits x where x.pot = d.pot and x.shop_id in (select private.my_shop_ids())) else '[]' end)
                order by array_position(array['compensation', 'refund_only', 'return_refund', 'reship', 'price_protection'], d.pot))
            from public.authority_limits d left join public.authority_limits o on o.pot = d.pot and o.shop_id = p_shop_id
            where d.shop_id is null),
        'platforms', (select jsonb_agg(to_jsonb(p) - 'updated_at' order by p.platform) from public.price_protection_platforms p),
        'approvers', (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'name', m.display_name, 'role', m.role,
                'limit', m.approval_limit) order by m.approval_limit, m.id), '[]')
            from public.members m where m.state = 'active' and m.role = 'manager' and exists (select from public.member_shops s
                where s.member_id = m.id and s.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or s.shop_id = p_shop_id))),
        'changes', case when v_me.role in ('operations', 'manager', 'admin') then private.authority_changes() else '[]' end);
end;
$$;
grant execute on function public.authority_screen(bigint) to authenticated;
comment on function public.authority_screen(bigint) is
    'Members: 处理权限表 as it holds for all shops (null) or one: {limits: [{pot, agent_limit, customer_days, own, version, other_shops}], platforms of price protection, approvers with their limits, changes (operations, managers, admins)}. shop.none.';

create or replace function private.authority_changes() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(c) order by c.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.shop_id, a.entity, coalesce(a.detail ->> 'pot', a.detail ->> 'platform') as name, a.action,
            a.detail - 'pot' - 'platform' as after,
            lag(a.detail - 'pot' - 'platform') over (partition by a.entity, a.shop_id, coalesce(a.detail ->> 'pot', a.detail ->> 'platform')
                order by a.id) as before
        from public.audit_events a left join public.members m on m.id = a.member_id
        where a.entity in ('authority_limit', 'price_platform') and (a.shop_id is null or a.shop_id in (select private.my_shop_ids()))
        order by a.id desc limit 30) c
$$;
comment on function private.authority_changes() is 'The latest 30 changes of the table and of the platforms of price protection, newest first, each with the values before it.';
