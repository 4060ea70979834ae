-- 62 ------------------------------------------------------------------------------- tickets: one case twice, another order

create or replace function private.merge_ticket_clocks(p_from public.tickets, p_into public.tickets, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v record;
begin
    for v in select c.*, (select i.id from private.ticket_clocks((p_into).id, array[c.target]) i where i.entity = c.entity) as into_id
        from private.ticket_clocks((p_from).id) c
    loop
        if v.into_id is not null then
            perform private.merge_clock(v.id, v.into_id, p_now, p_actor);
        else
            perform private.cancel_clock(v.id, 'merged', p_now, p_actor);
            if v.target in ('first', 'next', 'answer') and not exists (select from private.ticket_clocks((p_into).id, array['first', 'answer', 'next'])) then
                perform private.run_ticket_clock(p_into, 'ticket', 'next', 'ticket_next', p_now, p_actor, v.started_at);
            end if;
        end if;
    end loop;
end;
$$;
comment on function private.merge_ticket_clocks(public.tickets, public.tickets, timestamptz, bigint) is
    'The first ticket falls silent; of two deadlines for the same thing the earlier one stays; a customer who waits for a word in the first goes on waiting in the second.';

create or replace function private.merged_ticket(p_me private.actor, p_from public.tickets, p_into public.tickets, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v_from public.tickets := p_from;
    v public.tickets := p_into;
begin
    perform private.merge_ticket_clocks(v_from, v, p_now, (p_me).member_id);
    v_from.merged_into_id := v.id;
    perform private.move_ticket(p_me, v_from, 'merged', pg_catalog.jsonb_build_object('into', v.id), p_now);
    v.order_id := coalesce(v.order_id, v_from.order_id);
    v.product_id := coalesce(v.product_id, v_from.product_id);
    v.sku := coalesce(v.sku, v_from.sku);
    v.quantity := coalesce(v.quantity, v_from.quantity);
    v.tracking_no := coalesce(v.tracking_no, v_from.tracking_no);
    v.buyer_account := coalesce(v.buyer_account, v_from.buyer_account);
    v.contact_id := coalesce(v.contact_id, v_from.contact_id);
    v.freight_insurance := coalesce(v.freight_insurance, v_from.freight_insurance);
    v.claimed_amount := greatest(v.claimed_amount, v_from.claimed_amount);
    v.is_complaint := v.is_complaint or v_from.is_complaint;
    v.platform_due_at := least(v.platform_due_at, v_from.platform_due_at);
    v := private.move_ticket(p_me, v, v.state, pg_catalog.jsonb_build_object('action', 'ticket_merged_in', 'from', v_from.id), p_now);
    perform private.shorten_ticket(v, p_now, (p_me).member_id);
    return v;
end;
$$;
comment on function private.merged_ticket(private.actor, public.tickets, public.tickets, timestamptz) is
    'The first locked ticket becomes part of the second, which learns what it did not know; history, words and money are shown together from then on.';

create or replace function private.tickets_to_merge(p_me private.actor, p_from jsonb, p_into jsonb, p_now timestamptz)
returns table (source public.tickets, target public.tickets)
language plpgsql volatile set search_path = '' as $$
begin
    perform from public.tickets where id in ((p_from ->> 'id')::bigint, (p_into ->> 'id')::bigint) order by id for update; -- one order of locks
    source := private.ticket_for_change(p_me, (p_from ->> 'id')::bigint, (p_from ->> 'version')::integer, 'merge_tickets', p_now);
    select * into target from public.tickets where id = (p_into ->> 'id')::bigint and shop_id in (select private.my_shop_ids());
    if (target).id is null then
        perform private.fail('PT404', 'ticket.none');
    elsif (source).id = (target).id then
        perform private.fail('PT422', 'ticket.merge_self');
    elsif (source).shop_id <> (target).shop_id then
        perform private.fail('PT409', 'ticket.merge_shop', pg_catalog.jsonb_build_object('id', (source).id, 'into', (target).id));
    elsif (source).buyer_account <> (target).buyer_account and not private.is_ticket_lead(p_me, (source).shop_id, p_now) then
        perform private.fail('PT409', 'ticket.merge_buyer', pg_catalog.jsonb_build_object('id', (source).id, 'into', (target).id));
    elsif (target).version is distinct from (p_into ->> 'version')::integer then
        perform private.fail('PT409', 'ticket.stale', pg_catalog.jsonb_build_object('id', (target).id, 'at', (target).updated_at,
            'version', (target).version, 'who', private.last_hand((target).id)));
    elsif (target).stage not in ('open', 'waiting') then
        perform private.fail('PT409', 'ticket.merge_target', pg_catalog.jsonb_build_object('id', (target).id));
    elsif private.money_open((source).id) then
        perform private.fail('PT409', 'ticket.money_open', pg_catalog.jsonb_build_object('id', (source).id));
    elsif exists (select from public.ticket_returns r where r.ticket_id = (source).id and r.state in ('agreed', 'goods_sent', 'received', 'refunding')) then
        perform private.fail('PT409', 'ticket.return_open', pg_catalog.jsonb_build_object('id', (source).id));
    end if;
    return next;
end;
$$;
comment on function private.tickets_to_merge(private.actor, jsonb, jsonb, timestamptz) is
    'Both tickets locked: ticket.none, ticket.stale, ticket.merge_self, ticket.merge_shop, ticket.merge_buyer (two accounts are two customers, unless a manager or the 当班主管 knows better), ticket.merge_target, ticket.money_open, ticket.return_open, and what private.ticket_refusal says of the first.';

create or replace function public.merge_tickets(p_from jsonb, p_into jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_both jsonb := private.as_items(pg_catalog.jsonb_build_array(private.as_json(p_from), private.as_json(p_into)));
    v_answer jsonb := private.begin_request(p_request_id, 'merge_tickets', v_both);
    v record;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from private.tickets_to_merge(v_me, v_both -> 0, v_both -> 1, v_now);
    update public.ticket_returns set state = 'buyer_cancelled', ended_at = v_now where ticket_id = (v.source).id and state = 'applied';
    return private.finish_request(p_request_id, private.ticket_answer(private.merged_ticket(v_me, v.source, v.target, v_now)));
end;
$$;
grant execute on function public.merge_tickets(jsonb, jsonb, uuid) to authenticated;
comment on function public.merge_tickets(jsonb, jsonb, uuid) is
    'Those who work on tickets: p_from {id, version} was the same case as p_into {id, version}; answers with the second: {id, version, state, owner_id, due_at}. Refuses as private.tickets_to_merge says; request.bad_value.';

create or replace function private.linked_parcel(p_me private.actor, p_ticket public.tickets, p_tracking_no text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    v.tracking_no := pg_catalog.upper(pg_catalog.btrim(coalesce(p_tracking_no, '')));
    if v.tracking_no !~ '^[0-9A-Z-]{4,40}$' then
        perform private.fail('PT422', 'ticket.form', '{"field": "tracking"}');
    end if;
    return private.ticket_answer(private.move_ticket(p_me, v, v.state,
        pg_catalog.jsonb_build_object('action', 'ticket_linked', 'tracking_no', v.tracking_no), p_now));
end;
$$;
comment on function private.linked_parcel(private.actor, public.tickets, text, timestamptz) is 'The ticket is about this parcel, whose order nobody has imported. ticket.form (tracking).';

create or replace function public.link_ticket(
    p_id bigint, p_version integer, p_order_id bigint, p_request_id uuid, p_tracking_no text default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'link_ticket', pg_catalog.jsonb_build_array(p_id, p_version, p_order_id, p_tracking_no));
    v public.tickets;
    v_order public.orders;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.ticket_for_change(v_me, p_id, p_version, 'link_ticket', v_now);
    if p_order_id is null then
        return private.finish_request(p_request_id, private.linked_parcel(v_me, v, p_tracking_no, v_now));
    end if;
    select * into v_order from public.orders where id = p_order_id and shop_id = v.shop_id;
    if not found then
        perform private.fail('PT404', 'order.none');
    elsif v.order_id <> v_order.id and not private.is_ticket_lead(v_me, v.shop_id, v_now) then
        perform private.fail('PT403', 'ticket.order_fixed');
    end if;
    v.order_id := v_order.id;
    v.tracking_no := coalesce(v.tracking_no, v_order.tracking_no);
    v.buyer_account := coalesce(v.buyer_account, v_order.buyer_account);
    v.receiver_masked := coalesce(v.receiver_masked, v_order.receiver_masked);
    v.phone_masked := coalesce(v.phone_masked, v_order.phone_masked);
    return private.finish_request(p_request_id, private.ticket_answer(private.move_ticket(v_me, v, v.state,
        pg_catalog.jsonb_build_object('action', 'ticket_linked', 'order_id', v_order.id), v_now)));
end;
$$;
grant execute on function public.link_ticket(bigint, integer, bigint, uuid, text) to authenticated;
comment on function public.link_ticket(bigint, integer, bigint, uuid, text) is
    'Those who work on tickets: names the order of a ticket, or (p_order_id null) the parcel it is about; another one than it has is a lead''s to name, since authority is counted per order. order.none, ticket.order_fixed, ticket.form (tracking), and as private.ticket_refusal says.';
