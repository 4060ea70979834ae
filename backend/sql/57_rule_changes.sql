-- 57 ------------------------------------------------------------ rules: changing one, what that does, who changed what

-- Changing a rule -----------------------------------------------------------------------------------------------------

create or replace function private.number_within(p_params jsonb, p_name text, p_min integer, p_max integer) returns boolean
language sql immutable set search_path = '' as $$
    select jsonb_typeof(p_params -> p_name) = 'number' and (p_params ->> p_name) ~ '^[0-9]{1,6}$'
        and (p_params ->> p_name)::integer between p_min and p_max
$$;

create or replace function private.words_within(p_params jsonb, p_name text, p_max integer, p_length integer) returns boolean
language sql immutable set search_path = '' as $$
    select jsonb_typeof(p_params -> p_name) = 'array' and jsonb_array_length(p_params -> p_name) <= p_max
        and not exists (select from jsonb_array_elements(p_params -> p_name) w
            where jsonb_typeof(w) <> 'string' or char_length(w #>> '{}') not between 1 and p_length)
$$;

create or replace function private.check_rule(p_kind text, p_rule jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_params jsonb := coalesce(p_rule -> 'params', '{}');
begin
    if not exists (select from public.exception_rules where kind = p_kind and shop_id is null) then
        perform private.fail('PT404', 'rule.none');
    end if;
    if (p_kind in ('unpaid', 'refund_stop') and p_rule ->> 'waived_by' <> 'never')
        or p_rule ->> 'waived_by' not in ('reviewer', 'manager', 'warehouse', 'never')
        or p_rule ->> 'severity' not in ('normal', 'high') then
        perform private.fail('PT422', 'rule.bad_value', jsonb_build_object('kind', p_kind));
    end if;
    if p_rule ? 'params' and not coalesce(case p_kind
        when 'duplicate' then private.number_within(v_params, 'window_minutes', 1, 1440)
        when 'same_ip' then private.number_within(v_params, 'orders', 2, 100) and private.number_within(v_params, 'minutes', 1, 1440)
            and private.number_within(v_params, 'accounts', 1, 2)
        when 'remote' then private.words_within(v_params, 'provinces', 40, 10)
        when 'suspicious' then v_params = '{}' or (private.words_within(v_params, 'keywords', 500, 40)
            and private.words_within(v_params, 'allow', 500, 40))
        else v_params = '{}' end, false) then
        perform private.fail('PT422', 'rule.bad_params', jsonb_build_object('kind', p_kind));
    end if;
end;
$$;
comment on function private.check_rule(text, jsonb) is 'rule.none, rule.bad_value (who may waive, severity), rule.bad_params (limits of the parameters).';

create or replace function private.write_rule(p_shop_id bigint, p_kind text, p_rule jsonb) returns public.exception_rules
language sql set search_path = '' as $$
    insert into public.exception_rules as r (shop_id, kind, is_active, is_blocking, severity, waived_by, params)
    select p_shop_id, d.kind, coalesce((p_rule ->> 'is_active')::boolean, d.is_active),
        coalesce((p_rule ->> 'is_blocking')::boolean, d.is_blocking), coalesce(p_rule ->> 'severity', d.severity),
        coalesce(p_rule ->> 'waived_by', d.waived_by), coalesce(p_rule -> 'params', d.params)
    from public.exception_rules d
    where d.kind = p_kind and (d.shop_id is null or d.shop_id = p_shop_id) order by d.shop_id nulls last limit 1
    on conflict (shop_id, kind) do update set is_active = excluded.is_active, is_blocking = excluded.is_blocking,
        severity = excluded.severity, waived_by = excluded.waived_by, params = excluded.params
    returning r.*
$$;
comment on function private.write_rule(bigint, text, jsonb) is 'The default rule, or the shop''s own (a copy of the default at first) with these values changed.';

create or replace function private.rule_for_change(p_me private.actor, p_shop_id bigint, p_kind text, p_version integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_version integer;
begin
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
    end if;
    select version into v_version from public.exception_rules
    where kind = p_kind and shop_id is not distinct from p_shop_id for update;
    if coalesce(v_version, 0) <> coalesce(p_version, 0) then
        perform private.fail('PT409', 'rule.stale', jsonb_build_object('kind', p_kind));
    end if;
end;
$$;

create or replace function private.reevaluate(p_shop_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_orders bigint[] := private.waiting_orders(p_shop_id, 0, 501);
    v_shop record;
begin
    for v_shop in select s.id, s.stock_pool_id from public.shops s where p_shop_id is null or s.id = p_shop_id loop
        if cardinality(v_orders) > 500 then
            perform private.enqueue('evaluate_shop', jsonb_build_object('shop_id', v_shop.id), 'evaluate:' || v_shop.id, p_now);
        else
            perform private.evaluate_pool(v_shop.stock_pool_id, p_now);
        end if;
        perform private.queue_recheck(v_shop.id, p_now);
    end loop;
    if cardinality(v_orders) <= 500 then
        perform private.evaluate_orders(v_orders, p_now);
    end if;
end;
$$;
comment on function private.reevaluate(bigint, timestamptz) is
    'After a rule changed: up to 500 waiting orders at once, more by the worker; words changed = the checks run again (worker).';

create or replace function public.save_rule(p_shop_id bigint, p_kind text, p_rule jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_rule jsonb := private.as_json(p_rule);
    v_answer jsonb := private.begin_request(p_request_id, 'save_rule', jsonb_build_array(p_shop_id, p_kind, v_rule, p_version));
    v_saved public.exception_rules;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_rule(p_kind, v_rule);
    perform private.rule_for_change(v_me, p_shop_id, p_kind, p_version);
    v_saved := private.write_rule(p_shop_id, p_kind, v_rule);
    perform private.reevaluate(p_shop_id, private.now());
    perform private.audit(v_me, p_shop_id, 'exception_rule', v_saved.id, 'saved', v_rule || jsonb_build_object('kind', p_kind));
    return private.finish_request(p_request_id, to_jsonb(v_saved));
end;
$$;
grant execute on function public.save_rule(bigint, text, jsonb, integer, uuid) to authenticated;
comment on function public.save_rule(bigint, text, jsonb, integer, uuid) is
    'Manager: changes the default rule of a kind (p_shop_id null) or a shop''s own: is_active, is_blocking, severity, waived_by, params. p_version 0 makes the shop''s own. rule.stale, rule.bad_value, rule.bad_params, rule.none, shop.none.';

create or replace function public.reset_rule(p_shop_id bigint, p_kind text, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_rule', jsonb_build_array(p_shop_id, p_kind, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    perform private.rule_for_change(v_me, p_shop_id, p_kind, p_version);
    delete from public.exception_rules where shop_id = p_shop_id and kind = p_kind;
    if not found then
        perform private.fail('PT404', 'rule.none');
    end if;
    perform private.reevaluate(p_shop_id, private.now());
    perform private.audit(v_me, p_shop_id, 'exception_rule', null, 'reset', jsonb_build_object('kind', p_kind));
    return private.finish_request(p_request_id, jsonb_build_object('kind', p_kind));
end;
$$;
grant execute on function public.reset_rule(bigint, text, integer, uuid) to authenticated;
comment on function public.reset_rule(bigint, text, integer, uuid) is 'Manager: the shop follows the default rule of this kind again. rule.stale, rule.none, shop.none.';

create or replace function private.rule_effect(p_shop_ids bigint[], p_kind text) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_orders bigint[];
    v_found private.found[];
begin
    if p_kind = 'out_of_stock' then
        v_found := array(select f from (select distinct s.stock_pool_id as id from public.shops s where s.id = any (p_shop_ids)) p,
            private.found_short(p.id) f where f.shop_id = any (p_shop_ids));
    else
        v_orders := array(select o.id from public.orders o where o.shop_id = any (p_shop_ids) and o.status in ('unpaid', 'to_ship'));
        v_found := private.found_now(v_orders);
    end if;
    return array(select f.order_id from unnest(v_found) f
        join private.effective_rules r on r.shop_id = f.shop_id and r.kind = f.kind and r.is_active where f.kind = p_kind);
end;
$$;
comment on function private.rule_effect(bigint[], text) is 'Waiting orders of these shops that the rule of a kind sees as it is now.';

create or replace function public.preview_rule(p_shop_id bigint, p_kind text, p_rule jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_shops bigint[];
    v_open bigint[];
    v_then bigint[];
begin
    perform private.check_rule(p_kind, private.as_json(p_rule));
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    v_shops := array(select s.id from public.shops s where p_shop_id is null or s.id = p_shop_id);
    v_open := array(select x.order_id from public.order_exceptions x
        where x.shop_id = any (v_shops) and x.kind = p_kind and x.state in ('open', 'waiting_customer'));
    begin
        perform private.write_rule(p_shop_id, p_kind, private.as_json(p_rule));
        v_then := private.rule_effect(v_shops, p_kind);
        raise exception using errcode = 'PT409', message = 'rule.preview';
    exception when sqlstate 'PT409' then
        null;
    end;
    return jsonb_build_object('open', cardinality(v_open), 'appear', (select count(*) from unnest(v_then) i where i <> all (v_open)),
        'vanish', (select count(*) from unnest(v_open) i where i <> all (v_then)),
        'rechecks', p_kind = any (private.python_kinds()) and private.as_json(p_rule) ? 'params');
end;
$$;
grant execute on function public.preview_rule(bigint, text, jsonb) to authenticated;
comment on function public.preview_rule(bigint, text, jsonb) is
    'Manager: what a change of a rule would do: {open, appear, vanish}; rechecks true when addresses must be read again to know. Changes nothing: it is tried and undone. rule.bad_value, rule.bad_params, rule.none, shop.none.';

create or replace function public.rule_changes() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
begin
    return (select coalesce(jsonb_agg(to_jsonb(c) order by c.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.shop_id, a.detail ->> 'kind' as kind, a.action, a.detail - 'kind' as after,
            lag(a.detail - 'kind') over (partition by a.shop_id, a.detail ->> 'kind' order by a.id) as before
        from public.audit_events a left join public.members m on m.id = a.member_id
        where a.entity = 'exception_rule' and (a.shop_id is null or a.shop_id in (select private.my_shop_ids()))
        order by a.id desc limit 30) c);
end;
$$;
grant execute on function public.rule_changes() to authenticated;
comment on function public.rule_changes() is
    'Operations, managers, admins: the latest 30 changes of the defaults and of my shops'' rules, newest first: [{id, at, who, shop_id, kind, action saved|reset, after, before (values of the change before it, null for the first)}].';
