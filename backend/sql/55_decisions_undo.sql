-- 55 ---------------------------------------------------------------------------- review: undo, and what ends by itself

-- Undo ----------------------------------------------------------------------------------------------------------------

drop function if exists private.batch_for_undo(private.actor, bigint, timestamptz); -- until tickets and leads asked it, too

create or replace function private.batch_for_undo(p_me private.actor, p_batch_id bigint, p_of text, p_now timestamptz)
returns public.action_batches
language plpgsql set search_path = '' as $$
declare
    v public.action_batches;
begin
    select * into v from public.action_batches
    where id = p_batch_id and member_id = (p_me).member_id and items -> 0 ? p_of for update;
    if not found then
        perform private.fail('PT404', 'undo.none');
    end if;
    if v.undone_at is not null then
        perform private.fail('PT409', 'undo.done', jsonb_build_object('at', v.undone_at));
    end if;
    if v.created_at < p_now - interval '10 minutes' then
        perform private.fail('PT409', 'undo.too_late', jsonb_build_object('at', v.created_at));
    end if;
    return v;
end;
$$;
comment on function private.batch_for_undo(private.actor, bigint, text, timestamptz) is
    'My own action on many orders, tickets or leads (p_of: order_id, ticket_id, lead_id) of the last ten minutes, locked: undo.none, undo.done, undo.too_late.';

drop function if exists private.check_undo(jsonb); -- until it looked at who asks

create or replace function private.check_undo(p_me private.actor, p_items jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_order_no text;
begin
    if exists (select from jsonb_to_recordset(p_items) i (id bigint) join public.order_exceptions e on e.id = i.id
        where e.shop_id not in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'shop.none');
    end if;
    if exists (select from jsonb_to_recordset(p_items) i (id bigint) join public.order_exceptions e on e.id = i.id
        where not private.can_review(p_me, array[e.kind])) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    select o.order_no into v_order_no
    from jsonb_to_recordset(p_items) i (id bigint, order_id bigint, version integer)
    join public.order_exceptions e on e.id = i.id join public.orders o on o.id = e.order_id
    where e.version <> i.version limit 1;
    if v_order_no is not null then
        perform private.fail('PT409', 'undo.changed', jsonb_build_object('order_no', v_order_no));
    end if;
    select o.order_no into v_order_no
    from jsonb_to_recordset(p_items) i (order_id bigint) join public.orders o on o.id = i.order_id
    where o.released_at is not null limit 1;
    if v_order_no is not null then
        perform private.fail('PT409', 'undo.released', jsonb_build_object('order_no', v_order_no));
    end if;
end;
$$;
comment on function private.check_undo(private.actor, jsonb) is 'shop.none, review.not_reviewer: what was decided is not mine to decide any more; undo.changed: somebody or newer facts changed an item since; undo.released: the order was released.';

create or replace function private.restore_items(p_items jsonb) returns void
language sql set search_path = '' as $$
    update public.order_exceptions e
    set state = b.state, decided_at = b.decided_at, decided_by = b.decided_by, decided_as = b.decided_as, reason = b.reason,
        holds_until = b.holds_until, note_cipher = b.note_cipher
    from jsonb_to_recordset(p_items) i (id bigint, before jsonb),
        jsonb_to_record(i.before) b (state text, decided_at timestamptz, decided_by bigint, decided_as text, reason text,
                                     holds_until timestamptz, note_cipher text)
    where e.id = i.id
$$;
comment on function private.restore_items(jsonb) is 'The state before the decision, item by item.';

create or replace function public.undo_batch(p_request_id uuid, p_batch_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_batch', to_jsonb(p_batch_id));
    v_batch public.action_batches;
    v_order_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_batch := private.batch_for_undo(v_me, p_batch_id, 'order_id', v_now);
    perform private.lock_items(v_batch.items);
    perform private.check_undo(v_me, v_batch.items);
    v_order_ids := array(select distinct i.order_id from jsonb_to_recordset(v_batch.items) i (order_id bigint));
    perform private.unhold_orders(array(select i.order_id from jsonb_to_recordset(v_batch.items) i (id bigint, order_id bigint)
        join public.order_exceptions e on e.id = i.id where e.state = 'cancelled'), 'cancelled');
    perform private.restore_items(v_batch.items);
    if v_batch.action = 'reopened' then
        perform private.hold_orders(array(select e.order_id from public.order_exceptions e
            where e.order_id = any (v_order_ids) and e.state = 'cancelled'), 'cancelled', v_now);
    end if;
    perform private.judge_later(v_order_ids, v_now);
    perform private.tell_decision(v_me, v_batch.items, 'decision_undone', v_batch.action, v_batch.id, v_now);
    perform private.refresh_reviews(v_order_ids, v_now, v_me.member_id);
    perform private.settle_claims(v_me, v_order_ids, 'resume', v_now);
    update public.action_batches set undone_at = v_now where id = v_batch.id;
    return private.finish_request(p_request_id, jsonb_build_object('done', v_batch.item_count, 'order_ids', v_order_ids));
end;
$$;
grant execute on function public.undo_batch(uuid, bigint) to authenticated;
comment on function public.undo_batch(uuid, bigint) is
    'Takes back my own decision of the last ten minutes, all of it or nothing. The deadline runs on from detection; shop and skill count as of now. shop.none, review.not_reviewer, undo.none, undo.done, undo.too_late, undo.changed (order_no), undo.released (order_no).';

create or replace function public.my_undo() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_since timestamptz := private.now() - interval '10 minutes';
begin
    return (select jsonb_build_object('batch_id', b.id, 'action', b.action, 'count', b.item_count, 'at', b.created_at)
        from public.action_batches b
        where b.member_id = v_me.member_id and b.undone_at is null and b.created_at >= v_since
          and not exists (select from jsonb_to_recordset(b.items) i (id bigint, order_id bigint, version integer)
              where not exists (select from public.order_exceptions e join public.orders o on o.id = e.order_id
                  where e.id = i.id and e.version = i.version and o.released_at is null and e.shop_id in (select private.my_shop_ids())))
        order by b.id desc limit 1);
end;
$$;
grant execute on function public.my_undo() to authenticated;
comment on function public.my_undo() is
    'Members: my last decision that can still be undone {batch_id, action, count, at}, or null: what the page offers after a reload.';

-- What ends by itself -------------------------------------------------------------------------------------------------

create or replace function private.end_decisions(p_limit integer, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_due jsonb;
    v_orders bigint[];
    v_waits jsonb;
begin
    select coalesce(jsonb_agg(jsonb_build_object('id', d.id)), '[]') into v_due from (
        select e.id from public.order_exceptions e join public.orders o on o.id = e.order_id
        where e.state in ('waived', 'waiting_customer') and e.holds_until <= p_now and o.status = 'to_ship' and o.released_at is null
        order by e.holds_until limit p_limit) d;
    perform private.lock_items(v_due);
    with ended as (
        update public.order_exceptions e
        set state = 'open', decided_at = null, decided_by = null, decided_as = null, reason = null, holds_until = null,
            detected_at = case e.state when 'waived' then p_now else e.detected_at end
        from jsonb_to_recordset(v_due) d (id bigint), public.order_exceptions before, public.orders o
        where e.id = d.id and before.id = e.id and o.id = e.order_id and o.released_at is null
          and e.state in ('waived', 'waiting_customer') and e.holds_until <= p_now
        returning e.order_id, e.shop_id, e.kind, before.state as was
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action, detail)
        select p_now, 'system', n.shop_id, 'order', n.order_id, case n.was when 'waived' then 'waiver_ended' else 'wait_ended' end,
            jsonb_build_object('kind', n.kind) from ended n
    )
    select coalesce(array_agg(distinct n.order_id), '{}'),
        coalesce(jsonb_agg(jsonb_build_object('order_id', n.order_id, 'shop_id', n.shop_id))
            filter (where n.was = 'waiting_customer'), '[]')
    into v_orders, v_waits from ended n;
    perform private.refresh_reviews(v_orders, p_now);
    perform private.tell_waits_ended(v_waits, p_now);
    return jsonb_array_length(v_due);
end;
$$;
comment on function private.end_decisions(integer, timestamptz) is
    'Waivers and waits whose time is over are open again: a waiver as newly found, a wait with its deadline running on. Answers how many were looked at.';

create or replace function public.service_end_decisions(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return private.end_decisions(least(greatest(coalesce(p_limit, 500), 1), 1000), private.now());
end;
$$;
grant execute on function public.service_end_decisions(integer) to service_role;
comment on function public.service_end_decisions(integer) is 'Service: ends the waivers and waits that are over, at most p_limit (1,000); answers how many were looked at.';
