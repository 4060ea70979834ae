-- 63 ------------------------------------------------------------------------------------ tickets: one case, and its customer

-- The customer's other cases ------------------------------------------------------------------------------------------

create or replace function private.orders_of_buyer(p_shops bigint[], p_buyers text[], p_contact_ids bigint[], p_hashes text[]) returns bigint[]
language sql stable set search_path = '' as $$
    select array(select f.id from (
        (select o.id from public.orders o where o.buyer_account = any (p_buyers) and o.shop_id = any (p_shops) order by o.placed_at desc nulls last limit 50)
        union
        (select o.id from private.contacts mine join private.contacts c on c.phone_hash = mine.phone_hash join public.orders o on o.contact_id = c.id
         where mine.id = any (p_contact_ids) and o.shop_id = any (p_shops) limit 50)
        union
        (select o.id from private.contacts c join public.orders o on o.contact_id = c.id
         where c.phone_hash = any (p_hashes) and o.shop_id = any (p_shops) limit 50)) f order by f.id desc limit 50)
$$;
comment on function private.orders_of_buyer(bigint[], text[], bigint[], text[]) is 'Orders of a customer in these shops: by account, by the phone of a contact, by blind index.';

create or replace function private.tickets_of_buyer(p_shops bigint[], p_buyers text[], p_contact_ids bigint[], p_hashes text[], p_orders bigint[])
returns bigint[]
language sql stable set search_path = '' as $$
    select array(select f.id from (
        (select t.id from public.tickets t where t.buyer_account = any (p_buyers) and t.shop_id = any (p_shops) order by t.id desc limit 50)
        union
        (select t.id from public.tickets t where t.order_id = any (p_orders) and t.shop_id = any (p_shops) order by t.id desc limit 50)
        union
        (select t.id from private.contacts mine join private.contacts c on c.phone_hash = mine.phone_hash join public.tickets t on t.contact_id = c.id
         where mine.id = any (p_contact_ids) and t.shop_id = any (p_shops) limit 50)
        union
        (select t.id from private.contacts c join public.tickets t on t.contact_id = c.id
         where c.phone_hash = any (p_hashes) and t.shop_id = any (p_shops) limit 50)) f order by f.id desc limit 50)
$$;
comment on function private.tickets_of_buyer(bigint[], text[], bigint[], text[], bigint[]) is 'Tickets of a customer in these shops: by account, order, the phone of a contact, blind index.';

create or replace function private.buyer_shown(
    p_shops bigint[], p_buyers text[], p_contact_ids bigint[], p_hashes text[], p_except bigint, p_now timestamptz
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_orders bigint[] := private.orders_of_buyer(p_shops, p_buyers, p_contact_ids, p_hashes);
    v_tickets bigint[] := private.tickets_of_buyer(p_shops, p_buyers, p_contact_ids, p_hashes, v_orders);
begin
    return jsonb_build_object(
        'tickets', (select coalesce(jsonb_agg(to_jsonb(x) order by x.is_over, x.id desc), '[]') from (
            select t.id, t.shop_id, s.name as shop_name, t.type, t.state, t.stage = 'done' as is_over, t.version, t.summary, t.order_id,
                t.outcome, t.score, t.registered_at, t.due_at, t.owner_id, m.display_name as owner_name
            from public.tickets t join public.shops s on s.id = t.shop_id left join public.members m on m.id = t.owner_id
            where t.id = any (v_tickets) and t.id is distinct from p_except order by t.stage = 'done', t.id desc limit 20) x),
        'orders', (select coalesce(jsonb_agg(to_jsonb(x) order by x.placed_at desc nulls last, x.id desc), '[]') from (
            select o.id, o.shop_id, s.name as shop_name, s.platform, o.order_no, o.status, o.platform_status, o.refund, o.amount, o.placed_at
            from public.orders o join public.shops s on s.id = o.shop_id
            where o.id = any (v_orders) order by o.placed_at desc nulls last limit 20) x),
        'leads', (select coalesce(jsonb_agg(private.lead_case(l, p_now)), '[]')
            from private.leads_of_customer(p_shops, p_buyers, p_contact_ids, p_hashes) l));
end;
$$;
comment on function private.buyer_shown(bigint[], text[], bigint[], text[], bigint, timestamptz) is
    'What every colleague of these shops may know of a customer: how his tickets, orders and leads stand and who has them, masked; 20 of each, open ones first.';

create or replace function public.buyer_cases(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v jsonb := private.as_object(p);
    v_shops bigint[] := array(select private.my_shop_ids());
    v_order public.orders := private.ticket_order(v_me, v);
begin
    return private.buyer_shown(v_shops, array_remove(array[nullif(btrim(v ->> 'buyer_account'), ''), (v_order).buyer_account], null),
        array_remove(array[(v_order).contact_id], null), case when v_me.role = 'analyst' then '{}' else private.texts(v, 'phone_hashes') end,
        null, private.now());
end;
$$;
grant execute on function public.buyer_cases(jsonb) to authenticated;
comment on function public.buyer_cases(jsonb) is
    'Members: {tickets, orders, leads} of a customer in my shops, whoever has them, masked: p {order_id | buyer_account | phone_hashes (blind indexes)}. order.none.';

-- One case ------------------------------------------------------------------------------------------------------------

create or replace function private.ticket_family(p_id bigint) returns bigint[]
language sql stable set search_path = '' as $$
    with recursive family as (
        select p_id as id
        union select t.id from public.tickets t join family f on t.merged_into_id = f.id
    )
    select array_agg(id) from family
$$;
comment on function private.ticket_family(bigint) is 'A ticket with those that were merged into it.';

create or replace function private.ticket_timeline(p_ids bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    with told as (
        select a.at, a.id, a.action, m.display_name as who, a.actor, a.entity_id as ticket_id, a.detail || case when a.detail ? 'member_id' or a.detail ? 'from_id'
            then jsonb_strip_nulls(jsonb_build_object('member', n.display_name, 'from_member', f.display_name)) else '{}' end as detail
        from public.audit_events a
        left join public.members m on m.id = a.member_id
        left join public.members n on n.id = (a.detail ->> 'member_id')::bigint
        left join public.members f on f.id = (a.detail ->> 'from_id')::bigint
        where a.entity = 'ticket' and a.entity_id = any (p_ids)
        union all
        select v.at, v.id, 'clock_' || v.kind, m.display_name, 'system', c.entity_id, jsonb_strip_nulls(jsonb_build_object('target', c.target,
            'entity', c.entity, 'due_at', v.due_at, 'reason', v.reason))
        from public.sla_clocks c join public.sla_clock_events v on v.clock_id = c.id left join public.members m on m.id = v.actor_id
        where c.entity in ('ticket', 'return', 'public_complaint') and c.entity_id = any (p_ids) and v.kind <> 'reply_ignored'
    )
    select coalesce(jsonb_agg(to_jsonb(t) - 'id' order by t.at desc, t.id desc), '[]') from (select * from told order by at desc, id desc limit 200) t
$$;
comment on function private.ticket_timeline(bigint[]) is 'What happened, newest first, at most 200 [{at, action, who, actor, ticket_id, detail}], free of personal data.';

create or replace function private.may_ever(p_role text, p_rpc text) returns boolean
language sql immutable set search_path = '' as $$
    select case when p_role = 'analyst' then false
        when p_rpc in ('request_money', 'change_money', 'cancel_money') then p_role in ('agent', 'operations', 'manager', 'system')
        when p_rpc = 'correct_score' then p_role in ('manager', 'system')
        when p_rpc in ('record_score', 'finish_review', 'decide_approval') then p_role <> 'warehouse'
        else true end
$$;
comment on function private.may_ever(text, text) is
    'Whether a role may call a function of tickets at all, whoever owns the case: the warehouse and admins promise no money, the warehouse asks and judges nobody.';

create or replace function private.ticket_rights(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with who as materialized (select private.ticket_who(p_me, p_ticket, p_now) as list),
    steps as (
        select m.rpc, bool_or(m.who && w.list) and private.may_ever((p_me).role, m.rpc) as may from private.ticket_moves() m, who w
        where m.state_from = (p_ticket).state and m.who <> '{system}' group by m.rpc
        union all
        select m.rpc, bool_or(m.who && w.list) from private.return_moves() m join public.ticket_returns r on r.state = m.state_from, who w
        where r.ticket_id = (p_ticket).id and (p_ticket).state = any (m.in_states) and (p_me).role <> 'analyst' group by m.rpc
        union all
        select 'reveal_contact', private.ticket_contact_refusal(p_me, p_ticket, p_now) is null
        union all
        select x.rpc, w.list && '{worker,warehouse}' from who w, unnest(array['add_message', 'save_draft']) x (rpc) where (p_ticket).state <> 'merged'
        union all
        select x.rpc, (p_me).role <> 'analyst' and private.may_attach(p_me, p_ticket, p_now) from unnest(array['add_attachment', 'attachment']) x (rpc)
        where x.rpc = 'attachment' or (p_ticket).stage <> 'done'
    ), folded as (select rpc, bool_or(may) as may from steps group by rpc)
    select jsonb_build_object(
        'can', coalesce(jsonb_agg(rpc order by rpc) filter (where may and not (rpc = 'take_ticket' and (p_ticket).owner_id is not distinct from (p_me).member_id
            and (p_ticket).state not in ('dispatched', 'waiting_customer'))), '[]'),
        'why', coalesce(jsonb_object_agg(rpc, case when not private.may_ever((p_me).role, rpc) then 'member.role'
            when rpc in ('add_attachment', 'attachment') then 'attachment.not_yours'
            when rpc in ('receive_return', 'refuse_return_goods') then 'ticket.needs_warehouse'
            when rpc in ('dispatch_ticket', 'decide_approval', 'finish_review') then 'ticket.needs_lead'
            when rpc = 'reveal_contact' then private.ticket_contact_refusal(p_me, p_ticket, p_now)
            when (p_ticket).owner_id is null then 'ticket.unclaimed' else 'ticket.not_yours' end) filter (where not may), '{}'))
    from folded
$$;
comment on function private.ticket_rights(private.actor, public.tickets, timestamptz) is
    'What this person may do with a ticket now: {can: [functions], why: {function: key of the refusal}}; what its state rules out is in neither.';

create or replace function private.ticket_order_shown(p_order_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(x) from (
        select o.id, o.order_no, o.shop_id, s.name as shop_name, s.platform, o.status, o.platform_status, o.refund, o.amount, o.placed_at, o.paid_at,
            o.shipped_at, o.signed_at, o.completed_at, o.carrier, o.tracking_no, o.last_scan_text, o.last_scan_at, o.buyer_account, o.receiver_masked,
            o.phone_masked, o.province, o.city, o.district, o.held_at, o.released_at,
            (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity,
                'unit_price', i.unit_price, 'product_id', i.product_id) order by i.line_no), '[]')
                from public.order_items i where i.order_id = o.id) as items
        from public.orders o join public.shops s on s.id = o.shop_id where o.id = p_order_id) x
$$;
comment on function private.ticket_order_shown(bigint) is 'The order behind a ticket, masked.';

create or replace function private.ticket_clocks_shown(p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'entity', c.entity, 'target', c.target, 'instance', c.instance, 'state', c.state,
        'policy', c.policy ->> 'name', 'started_at', c.started_at, 'due_at', c.due_at, 'stopped_at', c.stopped_at, 'breached_at', c.breached_at,
        'paused_at', c.paused_at, 'pause_reason', c.pause_reason) order by c.stopped_at is not null, c.due_at, c.id), '[]')
    from public.sla_clocks c where c.entity in ('ticket', 'return', 'public_complaint') and c.entity_id = p_id
$$;

create or replace function private.ticket_talk(p_ids bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(x) order by x.id), '[]') from (
        select g.id, g.ticket_id, g.direction, g.channel, g.body, m.display_name as who, g.at, g.counts_as_contact
        from public.ticket_messages g left join public.members m on m.id = g.member_id
        where g.ticket_id = any (p_ids) order by g.id desc limit 200) x
$$;
comment on function private.ticket_talk(bigint[]) is 'What was said, in order; the latest 200.';

create or replace function public.ticket_screen(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v public.tickets;
    v_family bigint[] := private.ticket_family(p_id);
    v_works boolean := v_me.role <> 'analyst';
begin
    select * into v from public.tickets where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        return null;
    end if;
    return jsonb_build_object('ticket', private.ticket_rows(array[p_id]) -> 0, 'order', private.ticket_order_shown(v.order_id),
        'timeline', private.ticket_timeline(v_family), 'messages', case when v_works then private.ticket_talk(v_family) else '[]' end,
        'money', private.money_rows(array(select m.id from public.ticket_money m where m.ticket_id = any (v_family))), 'return', (select to_jsonb(r) from public.ticket_returns r where r.ticket_id = p_id),
        'clocks', private.ticket_clocks_shown(p_id), 'merged', to_jsonb(array_remove(v_family, p_id)),
        'followed_by', (select coalesce(jsonb_agg(f.id order by f.id), '[]') from public.tickets f where f.follows_id = p_id),
        'buyer', private.buyer_shown(array(select private.my_shop_ids()), array_remove(array[v.buyer_account], null),
            array_remove(array[v.contact_id, (select o.contact_id from public.orders o where o.id = v.order_id)], null), '{}', p_id, v_now),
        'draft', coalesce((select d.body from public.ticket_drafts d where d.ticket_id = p_id and d.member_id = v_me.member_id), ''),
        'attachments', case when v_works then private.ticket_attachments(p_id) else '[]' end,
        'reviews', case when v_me.role <> 'warehouse' then private.review_rows(v_me, array(select r.id from public.score_reviews r
            where r.ticket_id = any (v_family) order by r.id desc), v_now) else '[]' end,
        'is_mine', coalesce(v.owner_id = v_me.member_id, false), 'is_claimed', private.ticket_contact_is_claimed(v_me, v), 'resolving', private.ticket_resolving(v_me, v, v_now)) || private.ticket_rights(v_me, v, v_now);
end;
$$;
grant execute on function public.ticket_screen(bigint) to authenticated;
comment on function public.ticket_screen(bigint) is
    'Members: everything about a ticket of my shops, masked: {ticket, order, timeline, messages and attachments (not for analysts), money, return, clocks, merged, followed_by, buyer, draft, reviews (low-score reviews, newest first; not for the warehouse), is_mine, is_claimed (my work: its contact opens without a reason), resolving, can, why}; null when it is not visible.';
