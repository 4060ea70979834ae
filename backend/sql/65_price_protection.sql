-- 65 ------------------------------------------------------------------- 价保: the difference, computed from orders, and refusals
--
-- 7天保价 of the service policy (3.6): within 7 × 24 hours from signing, the same product only, on the platforms of the list.
-- What the customer paid for one piece against what it costs now, for every piece of the order; what was paid back before is
-- taken off, so that a second claim gets the further drop alone. Nothing is ever asked in return.

create table if not exists public.price_protection_platforms (
    platform text primary key constraint price_protection_platform_known
        check (platform in ('taobao', 'jd', 'douyin', 'pinduoduo', 'youzan', 'shopify', 'own')),
    is_active boolean not null,
    days integer not null default 7 constraint price_protection_days_range check (days between 1 and 90),
    version integer not null default 1,
    updated_at timestamptz not null default now()
);
alter table public.price_protection_platforms enable row level security;
create or replace trigger t10_touch before update on public.price_protection_platforms
    for each row execute function private.touch_version();
comment on table public.price_protection_platforms is '价保 platforms: where a later lower price is paid back, and within how many days (× 24 hours) from signing.';
drop policy if exists "members read where prices are protected" on public.price_protection_platforms;
create policy "members read where prices are protected" on public.price_protection_platforms
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.price_protection_platforms to authenticated;

-- Tmall and JD, 7 days: service policy 3.6. The others are there to be switched on.
insert into public.price_protection_platforms (platform, is_active)
values ('taobao', true), ('jd', true), ('douyin', false), ('pinduoduo', false), ('youzan', false), ('shopify', false), ('own', false)
on conflict do nothing;

create or replace function public.save_price_platform(p_platform text, p_is_active boolean, p_days integer, p_version integer, p_request_id uuid)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'save_price_platform', jsonb_build_array(p_platform, p_is_active, p_days, p_version));
    v public.price_protection_platforms;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from public.price_protection_platforms where platform = p_platform for update;
    if not found then
        perform private.fail('PT404', 'authority.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'authority.stale', jsonb_build_object('platform', p_platform));
    elsif p_is_active is null or p_days is null or p_days not between 1 and 90 then
        perform private.fail('PT422', 'authority.bad_value');
    end if;
    update public.price_protection_platforms set is_active = p_is_active, days = p_days where platform = p_platform returning * into v;
    perform private.audit(v_me, null, 'price_platform', null, 'saved', jsonb_build_object('platform', p_platform, 'is_active', p_is_active, 'days', p_days));
    return private.finish_request(p_request_id, to_jsonb(v));
end;
$$;
grant execute on function public.save_price_platform(text, boolean, integer, integer, uuid) to authenticated;
comment on function public.save_price_platform(text, boolean, integer, integer, uuid) is
    'Manager: whether prices are protected on a platform, and for how many days from signing (1–90). authority.none, authority.stale, authority.bad_value.';

-- The calculation -----------------------------------------------------------------------------------------------------

create or replace function private.present_price(p_shop_id bigint, p_sku text, p_now timestamptz, out price numeric, out source text)
language plpgsql stable set search_path = '' as $$
declare
    v_today timestamptz := (select date_trunc('day', p_now at time zone s.timezone) at time zone s.timezone from public.shops s where s.id = p_shop_id);
begin
    select i.unit_price, 'orders' into price, source
    from public.orders o join public.order_items i on i.order_id = o.id and i.sku = p_sku and i.unit_price > 0
    where o.shop_id = p_shop_id and o.placed_at >= v_today and o.placed_at <= p_now and o.status <> 'closed'
    order by o.placed_at desc, o.id desc limit 1;
    if price is null then
        select r.list_price, 'table' into price, source from private.offer_rules_at('price', p_shop_id, p_now) r
        where r.sku = p_sku and r.occasion = 'any' order by r.shop_id is null, r.decided_at desc limit 1;
    end if;
end;
$$;
comment on function private.present_price(bigint, text, timestamptz) is
    'What one piece costs now: in the latest order of the shop''s day, else by its price table; null when neither says.';

create or replace function private.paid_pieces(p_order public.orders, p_sku text, out pieces integer, out unit_price numeric)
language sql stable set search_path = '' as $$
    select sum(i.quantity) filter (where i.sku = p_sku)::integer,
        round(sum(i.quantity * i.unit_price) filter (where i.sku = p_sku) / sum(i.quantity) filter (where i.sku = p_sku)
            * least(1, (p_order).amount / nullif(sum(i.quantity * i.unit_price), 0)), 2)
    from public.order_items i where i.order_id = (p_order).id
$$;
comment on function private.paid_pieces(public.orders, text) is
    'Pieces of a product in an order and what was paid for one: the unit price, lowered by what the order cost less than its items together (a coupon is spread over them).';

create or replace function private.signed_of(p_order public.orders, p jsonb, p_has_proof boolean, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_typed timestamptz;
begin
    if (p_order).signed_at is not null then
        return jsonb_build_object('signed_at', (p_order).signed_at, 'signed_source', 'order');
    elsif p ->> 'signed_at' is null then
        return '{"refusal": "price.not_signed"}';
    end if;
    v_typed := (p ->> 'signed_at')::timestamptz;
    if not p_has_proof then
        return '{"refusal": "price.proof_missing"}';
    elsif v_typed > p_now or v_typed < coalesce((p_order).shipped_at, (p_order).paid_at, (p_order).placed_at, v_typed) then
        return '{"refusal": "price.signed_range"}';
    end if;
    return jsonb_build_object('signed_at', v_typed, 'signed_source', 'typed');
exception when data_exception then
    return '{"refusal": "price.signed_range"}';
end;
$$;
comment on function private.signed_of(public.orders, jsonb, boolean, timestamptz) is
    'When the parcel was signed for: by the shipments, else typed with a proof (after it was shipped, not in the future). {signed_at, signed_source} or {refusal}.';

create or replace function private.price_refusal(p_order public.orders, p_sku text, p_platform public.price_protection_platforms) returns text
language sql stable set search_path = '' as $$
    select case
        when (p_order).id is null then 'price.no_order'
        when not coalesce((p_platform).is_active, false) then 'price.platform'
        when (p_order).status in ('unpaid', 'closed') or (p_order).refund = 'done' then 'price.order_state'
        when coalesce(p_sku, '') = '' or not exists (select from public.order_items i where i.order_id = (p_order).id and i.sku is not null) then 'price.no_sku'
        when not exists (select from public.order_items i where i.order_id = (p_order).id and i.sku = p_sku) then 'price.other_product'
        when exists (select from public.order_items i where i.order_id = (p_order).id and i.sku = p_sku and i.unit_price is null) then 'price.unknown_paid' end
$$;
comment on function private.price_refusal(public.orders, text, public.price_protection_platforms) is
    'What rules price protection out before anything is computed: price.no_order, price.platform, price.order_state (unpaid, closed, refunded), price.no_sku (nobody named the product, or the order''s lines have none), price.other_product, price.unknown_paid.';

create or replace function private.price_paid_before(p_order_id bigint, p_sku text, p_except bigint) returns numeric
language sql stable set search_path = '' as $$
    select coalesce(sum(m.amount), 0) from public.ticket_money m
    where m.kind = 'price_protection' and m.order_ids @> array[p_order_id] and m.facts ->> 'sku' = p_sku and m.id is distinct from p_except
      and m.state in ('requested', 'approved', 'granted', 'paid')
$$;
comment on function private.price_paid_before(bigint, text, bigint) is 'What was promised or paid back for this product of this order already, by whichever ticket.';

create or replace function private.compute_price(
    p_order public.orders, p_sku text, p jsonb, p_has_proof boolean, p_claimed_at timestamptz, p_except bigint, p_now timestamptz
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_platform public.price_protection_platforms;
    v_refusal text;
    v jsonb := jsonb_build_object('sku', p_sku, 'order_id', (p_order).id, 'order_no', (p_order).order_no, 'claimed_at', p_claimed_at);
    v_new record;
    v_paid record;
    v_elapsed interval;
begin
    select x.* into v_platform from public.price_protection_platforms x join public.shops s on s.platform = x.platform where s.id = (p_order).shop_id;
    v_refusal := private.price_refusal(p_order, p_sku, v_platform);
    if v_refusal is not null then
        return v || jsonb_build_object('refusal', v_refusal);
    end if;
    v := v || jsonb_build_object('allowed_days', v_platform.days) || private.signed_of(p_order, p, p_has_proof, p_now);
    if v ? 'refusal' then
        return v;
    end if;
    v_elapsed := p_claimed_at - (v ->> 'signed_at')::timestamptz;
    v := v || jsonb_build_object('days', greatest(1, ceil(extract(epoch from v_elapsed) / 86400)::integer),
        'until', (v ->> 'signed_at')::timestamptz + make_interval(hours => 24 * v_platform.days));
    if p_claimed_at > (v ->> 'until')::timestamptz then
        return v || '{"refusal": "price.too_late"}';
    end if;
    select * into v_new from private.present_price((p_order).shop_id, p_sku, least(p_now, (v ->> 'until')::timestamptz));
    if v_new.price is null and p_has_proof and p ->> 'price' ~ '^[0-9]{1,7}(\.[0-9]{1,2})?$' then
        select (p ->> 'price')::numeric as price, 'typed' as source into v_new;
    elsif v_new.price is null then
        return v || '{"refusal": "price.unknown_now"}';
    end if;
    select * into v_paid from private.paid_pieces(p_order, p_sku);
    return private.price_result(v || jsonb_build_object('old', v_paid.unit_price, 'new', v_new.price, 'new_source', v_new.source, 'quantity', v_paid.pieces),
        private.price_paid_before((p_order).id, p_sku, p_except));
end;
$$;
comment on function private.compute_price(public.orders, text, jsonb, boolean, timestamptz, bigint, timestamptz) is
    'The calculation in steps, as far as it comes: {signed_at, signed_source order|typed, days, allowed_days, until, old, new, new_source orders|table|typed, quantity, difference, paid_before, payable} and, where it ends early, refusal (a message key). 7 × 24 hours to the second are still in time; a claim that is handled later gets the price of the last protected moment.';

create or replace function private.price_result(p jsonb, p_paid_before numeric) returns jsonb
language sql immutable set search_path = '' as $$
    select p || jsonb_build_object('difference', d.total, 'paid_before', p_paid_before, 'payable', greatest(0, d.total - p_paid_before))
        || case when d.total <= 0 then '{"refusal": "price.not_lower"}' when d.total <= p_paid_before then '{"refusal": "price.paid_before"}' else '{}' end::jsonb
    from (select greatest(0, (p ->> 'old')::numeric - (p ->> 'new')::numeric) * (p ->> 'quantity')::integer as total) d
$$;

create or replace function private.price_protection(p_ticket public.tickets, p jsonb, p_has_proof boolean, p_except bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select private.compute_price(o, coalesce(nullif(btrim(p ->> 'sku'), ''), (p_ticket).sku), p, p_has_proof, (p_ticket).registered_at, p_except, p_now)
    from (select 1) one left join public.orders o on o.id = (p_ticket).order_id
$$;
comment on function private.price_protection(public.tickets, jsonb, boolean, bigint, timestamptz) is
    'For a ticket: its order, its product (or p.sku), claimed when the ticket was registered: handling it later takes no day from the customer.';

create or replace function public.preview_price_protection(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_json(p);
    v_ticket public.tickets;
    v_order public.orders;
    v_proof boolean;
begin
    if coalesce(jsonb_typeof(v), '') <> 'object' or not (coalesce(v ->> 'ticket_id', '0') ~ '^[0-9]{1,18}$' and coalesce(v ->> 'order_id', '0') ~ '^[0-9]{1,18}$') then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    select * into v_ticket from public.tickets where id = (v ->> 'ticket_id')::bigint and shop_id in (select private.my_shop_ids());
    select * into v_order from public.orders where id = coalesce(v_ticket.order_id, (v ->> 'order_id')::bigint) and shop_id in (select private.my_shop_ids());
    if v_ticket.id is null and v_order.id is null then
        perform private.fail('PT404', 'order.none');
    end if;
    v_proof := v ->> 'evidence' is not null and v -> 'evidence' <> '[]';
    return private.compute_price(v_order, coalesce(nullif(btrim(v ->> 'sku'), ''), v_ticket.sku), v, v_proof,
        coalesce(v_ticket.registered_at, v_now), null, v_now);
end;
$$;
grant execute on function public.preview_price_protection(jsonb) to authenticated;
comment on function public.preview_price_protection(jsonb) is
    '价保 calculator: p {ticket_id | order_id, sku, signed_at and price where nothing else knows them, evidence: [attachment ids]}. The steps of private.compute_price; refusal names why nothing is payable. Stores nothing. order.none.';
