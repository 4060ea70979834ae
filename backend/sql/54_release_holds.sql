-- 54 -------------------------------------------------------------------------------------- release: what must not ship

create or replace function private.hold_orders(p_order_ids bigint[], p_reason text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.orders set held_at = p_now, held_reason = p_reason, released_at = null, release_id = null
    where id = any (p_order_ids) and held_at is null
$$;
comment on function private.hold_orders(bigint[], text, timestamptz) is 'Stops orders; a released one is no longer released (its list in the ERP needs the hold list).';

create or replace function private.unhold_orders(p_order_ids bigint[], p_reason text) returns void
language sql set search_path = '' as $$
    update public.orders set held_at = null, held_reason = null
    where id = any (p_order_ids) and held_at is not null and held_reason = p_reason
$$;
comment on function private.unhold_orders(bigint[], text) is 'Lifts holds of exactly this reason.';

create or replace function private.judge_again(p_order_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.evaluate_orders(p_order_ids, p_now);
    select private.evaluate_pool(s.stock_pool_id, p_now) from public.shops s
    where s.id in (select o.shop_id from public.orders o where o.id = any (p_order_ids)) group by s.stock_pool_id
$$;
comment on function private.judge_again(bigint[], timestamptz) is
    'Orders that may ship again count again for stock and duplicates: judged at once, before anybody can release them.';

create or replace function private.judge_later(p_order_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.enqueue('evaluate_shop', jsonb_build_object('shop_id', o.shop_id), 'evaluate:' || o.shop_id, p_now)
    from public.orders o where o.id = any (p_order_ids) group by o.shop_id
$$;
comment on function private.judge_later(bigint[], timestamptz) is
    'Orders that will not ship free stock and end duplicates of others: the worker judges the waiting orders of their shops.';

create or replace function private.hold_checks(p_items jsonb) returns table (id bigint, refusal text, params jsonb)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id,
        case when o.id is null then 'order.none'
             when o.version <> coalesce(i.version, -1) then 'order.stale'
             when o.status <> 'to_ship' then 'order.not_waiting'
             when o.held_at is not null then 'order.held_already' end,
        jsonb_strip_nulls(jsonb_build_object('order_no', o.order_no, 'at', o.updated_at))
    from jsonb_to_recordset(p_items) i (id bigint, version integer)
    left join public.orders o on o.id = i.id and o.shop_id in (select private.my_shop_ids())
    order by i.id
$$;
comment on function private.hold_checks(jsonb) is 'Per order why it cannot be stopped, or null: order.none, order.stale, order.not_waiting, order.held_already.';

create or replace function public.add_hold(p_request_id uuid, p_items jsonb, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), '[]');
    v_answer jsonb := private.begin_request(p_request_id, 'add_hold', jsonb_build_array(v_items, p_reason));
    v_refused jsonb;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_reason is null or p_reason not in ('customer_asked', 'address_changed', 'no_stock', 'fraud', 'price', 'other') then
        perform private.fail('PT422', 'hold.reason');
    end if;
    if jsonb_array_length(v_items) > 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    perform private.lock_orders(array(select i.id from jsonb_to_recordset(v_items) i (id bigint)));
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'key', c.refusal, 'params', c.params)) filter (where c.refusal is not null), '[]'),
           coalesce(array_agg(c.id) filter (where c.refusal is null), '{}')
    into v_refused, v_ids from private.hold_checks(v_items) c;
    perform private.hold_orders(v_ids, p_reason, v_now);
    perform private.judge_later(v_ids, v_now);
    perform private.tell_orders(v_me, v_ids, 'held', jsonb_build_object('reason', p_reason), v_now);
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids),
        'releases', private.new_lists(v_me, 'hold', v_ids, v_now), 'refused', v_refused));
end;
$$;
grant execute on function public.add_hold(uuid, jsonb, text) to authenticated;
comment on function public.add_hold(uuid, jsonb, text) is
    'Reviewers and warehouse 追加拦截: stops orders [{id, version}] that wait to ship, released or not, and makes a hold list per shop. p_reason customer_asked, address_changed, no_stock, fraud, price, other. Answers {done, releases, refused}; per item order.none, order.stale, order.not_waiting, order.held_already. hold.reason, bulk.too_many.';

create or replace function public.lift_hold(p_request_id uuid, p_items jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), '[]');
    v_answer jsonb := private.begin_request(p_request_id, 'lift_hold', v_items);
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.lock_orders(array(select i.id from jsonb_to_recordset(v_items) i (id bigint)));
    v_ids := array(select o.id from public.orders o
        join jsonb_to_recordset(v_items) i (id bigint, version integer) on i.id = o.id and i.version = o.version
        where o.held_at is not null and o.held_reason <> 'cancelled' and o.shop_id in (select private.my_shop_ids())
          and not exists (select from public.order_exceptions e where e.order_id = o.id and e.state = 'cancelled'));
    update public.orders set held_at = null, held_reason = null where id = any (v_ids);
    perform private.judge_again(v_ids, v_now);
    perform private.tell_orders(v_me, v_ids, 'hold_lifted', '{}', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids),
        'refused', (select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'key', 'order.not_held')), '[]')
                    from jsonb_to_recordset(v_items) i (id bigint) where i.id <> all (v_ids))));
end;
$$;
grant execute on function public.lift_hold(uuid, jsonb) to authenticated;
comment on function public.lift_hold(uuid, jsonb) is
    'Operations and managers: the orders [{id, version}] may be released again. Those cancelled in review come back by reopening the decision. Answers {done, refused: [{id, key: order.not_held}]}.';

create or replace function public.make_hold_list(p_request_id uuid, p_shop_id bigint default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'make_hold_list', to_jsonb(p_shop_id));
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ids := array(select o.id from public.orders o
        where o.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or o.shop_id = p_shop_id)
          and o.status = 'to_ship' and (o.held_at is not null or o.refund <> 'none' or exists (select from public.order_exceptions e
              where e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer')))
        order by o.id limit 5000);
    if cardinality(v_ids) = 0 then
        perform private.fail('PT422', 'hold.none');
    end if;
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids),
        'releases', private.new_lists(v_me, 'hold', v_ids, v_now)));
end;
$$;
grant execute on function public.make_hold_list(uuid, bigint) to authenticated;
comment on function public.make_hold_list(uuid, bigint) is
    'Operations, managers, warehouse 拦截单号: one list per shop of all orders that wait to ship and must not (at most 5,000). Answers {done, releases: [{id, shop_id, count}]}. hold.none.';

create or replace function private.note_shipped(p_order_ids bigint[], p_import_id bigint, p_now timestamptz) returns integer
language sql set search_path = '' as $$
    with breached as (
        select o.id, o.shop_id, o.shipped_at, array_remove(array_agg(e.kind order by e.kind)
            || case when o.held_at is not null then 'held' end, null) as kinds
        from public.orders o
        left join public.order_exceptions e on e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer')
            and e.kind <> 'unpaid'
        where o.id = any (p_order_ids) and (e.id is not null or o.held_at is not null)
        group by o.id
    ), noted as (
        insert into public.hold_breaches (order_id, shop_id, kinds, shipped_at, found_at, import_id)
        select id, shop_id, kinds, shipped_at, p_now, p_import_id from breached
        on conflict do nothing
        returning order_id, shop_id, kinds
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action, detail)
        select p_now, 'system', shop_id, 'order', order_id, 'hold_breach', jsonb_build_object('kinds', kinds, 'import_id', p_import_id) from noted
    )
    select count(*)::integer from noted
$$;
comment on function private.note_shipped(bigint[], bigint, timestamptz) is
    '拦截失效: to be called with orders that a file shows as shipped, before their exceptions close. An order that was unpaid in our last file was not held by anybody and is no breach. Answers how many were noted.';
