-- 60 ------------------------------------------------------------------------------------------------------------ search
--
-- The app takes candidates out of what was pasted (backend/search.py) and sends personal ones as blind indexes only.

create or replace function private.texts(p jsonb, p_key text) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array(select jsonb_array_elements_text(private.as_json(p -> p_key)) limit 20), '{}')
$$;
comment on function private.texts(jsonb, text) is 'The texts of a list in the search request, at most 20.';

create or replace function private.search_hits(p jsonb, p_personal boolean) returns table (id bigint, how text, place integer)
language sql stable set search_path = '' as $$
    with mine as (select private.my_shop_ids() as id)
    (select o.id, 'order_no', 1 from public.orders o where o.order_no = any (private.texts(p, 'order_nos')) and o.shop_id in (select id from mine) limit 20)
    union all
    (select o.id, 'tracking', 2 from public.orders o where o.tracking_no = any (private.texts(p, 'tracking')) and o.shop_id in (select id from mine) limit 20)
    union all
    (select o.id, 'buyer', 3 from public.orders o where o.buyer_account = any (private.texts(p, 'buyers')) and o.shop_id in (select id from mine)
     order by o.placed_at desc nulls last limit 20)
    union all
    (select o.id, 'phone', 4 from private.contacts c join public.orders o on o.contact_id = c.id
     where p_personal and c.phone_hash = any (private.texts(p, 'phone_hashes')) and o.shop_id in (select id from mine)
     order by o.placed_at desc nulls last limit 20)
    union all
    (select o.id, 'name', 5 from private.contacts c join public.orders o on o.contact_id = c.id
     where p_personal and c.name_hash = any (private.texts(p, 'name_hashes')) and o.shop_id in (select id from mine)
     order by o.placed_at desc nulls last limit 20)
    union all
    (select o.id, 'last_six', 6 from public.orders o where right(o.order_no, 6) = any (private.texts(p, 'six')) and o.shop_id in (select id from mine) limit 20)
    union all
    (select o.id, 'tracking_last_six', 7 from public.orders o where right(o.tracking_no, 6) = any (private.texts(p, 'six')) and o.shop_id in (select id from mine) limit 20)
    union all
    (select o.id, 'last_four', 8 from private.contacts c join public.orders o on o.contact_id = c.id
     where p_personal and c.phone_last4_hash = any (private.texts(p, 'last4_hashes')) and o.shop_id in (select id from mine)
     order by o.placed_at desc nulls last limit 20)
$$;
comment on function private.search_hits(jsonb, boolean) is 'Orders of my shops by each kind of candidate, the surest kind first. Personal ones are looked up by blind index.';

create or replace function private.search_orders(p jsonb, p_personal boolean) returns jsonb
language sql stable set search_path = '' as $$
    with best as (
        select h.id, min(h.place) as place, (array_agg(h.how order by h.place))[1] as how
        from private.search_hits(p, p_personal) h group by h.id
    ), shown as (
        select o.id, o.order_no, o.shop_id, s.name as shop_name, s.platform, o.status, o.platform_status, o.amount, o.placed_at,
            o.buyer_account, o.receiver_masked, o.phone_masked, o.tracking_no, o.released_at, o.held_at, b.how, b.place,
            r.state as review_state, case when r.state <> 'done' then r.kinds end as kinds, r.due_at
        from best b join public.orders o on o.id = b.id join public.shops s on s.id = o.shop_id
        left join public.order_reviews r on r.order_id = o.id
        order by b.place, o.placed_at desc nulls last, o.id desc limit 20
    )
    select coalesce(jsonb_agg(to_jsonb(x) - 'place' order by x.place, x.placed_at desc nulls last, x.id desc), '[]') from shown x
$$;
comment on function private.search_orders(jsonb, boolean) is 'The best 20 orders, each once, masked, with what is still to decide about them.';

create or replace function public.search_desk(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_words jsonb := private.as_json(p);
begin
    return jsonb_build_object(
        'orders', private.search_orders(v_words, v_me.role <> 'analyst'),
        'leads', private.search_leads(v_words, v_me, private.now()),
        'tickets', private.search_tickets(v_words, v_me.role <> 'analyst'),
        'members', (select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'display_name', m.display_name,
                'staff_no', m.staff_no, 'role', m.role, 'state', m.state) order by m.display_name), '[]')
            from (select * from public.members m
                where m.state <> 'off' and (m.display_name = any (private.texts(v_words, 'names')) or m.staff_no = any (private.texts(v_words, 'names'))
                    or exists (select from unnest(private.texts(v_words, 'names')) n where char_length(n) >= 2 and starts_with(m.display_name, n)))
                limit 20) m));
end;
$$;
grant execute on function public.search_desk(jsonb) to authenticated;
comment on function public.search_desk(jsonb) is
    'Members: {orders, tickets, leads, members}, at most 20 each, of my shops, for candidates {tickets, lead_nos (numbers), wechat_hashes, order_nos, six (last six digits of order or tracking number), tracking, buyers, phone_hashes, last4_hashes, name_hashes, names (of colleagues)}. Exact; for analysts the personal ones find nothing.';
