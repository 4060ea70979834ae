-- 53 ---------------------------------------------------------------------------- gifts promised on orders, until they are packed
--
-- 赠品登记: whoever promises a gift (a lead, a ticket, the order itself) writes it here; the pick list and the list for the ERP
-- carry it, the warehouse ticks it, and what was shipped without it is found (漏发赠品).

create table if not exists public.order_gifts (
    id bigint generated always as identity primary key,
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    sku text not null default '' constraint order_gifts_sku_length check (char_length(sku) <= 64),
    name text not null constraint order_gifts_name_length check (char_length(btrim(name)) between 1 and 60),
    quantity integer not null constraint order_gifts_quantity check (quantity between 1 and 99),
    cost numeric(14, 2) not null constraint order_gifts_cost check (cost between 0 and 1e9),
    rule_id bigint references public.offer_rules,
    goes_with text not null constraint order_gifts_goes_with_known check (goes_with in ('order', 'later')),
    source text not null constraint order_gifts_source_known check (source in ('order', 'lead', 'ticket')),
    source_id bigint,
    promised_by bigint references public.members,
    promised_at timestamptz not null,
    packed_by bigint references public.members,
    packed_at timestamptz,
    cancelled_by bigint references public.members,
    cancelled_at timestamptz,
    cancel_reason text constraint order_gifts_cancel_reason_length check (char_length(cancel_reason) <= 200),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint order_gifts_not_both check (packed_at is null or cancelled_at is null),
    constraint order_gifts_has_source check ((source = 'order') = (source_id is null))
);
create index if not exists order_gifts_order_id_idx on public.order_gifts (order_id);
create index if not exists order_gifts_open_idx on public.order_gifts (shop_id, promised_at) where packed_at is null and cancelled_at is null;
create index if not exists order_gifts_shop_id_idx on public.order_gifts (shop_id);
create index if not exists order_gifts_rule_id_idx on public.order_gifts (rule_id);
create index if not exists order_gifts_source_idx on public.order_gifts (source, source_id);
create index if not exists order_gifts_promised_by_idx on public.order_gifts (promised_by);
create index if not exists order_gifts_packed_by_idx on public.order_gifts (packed_by);
create index if not exists order_gifts_cancelled_by_idx on public.order_gifts (cancelled_by);
alter table public.order_gifts enable row level security;
create or replace trigger t10_touch before update on public.order_gifts for each row execute function private.touch_version();
comment on table public.order_gifts is '赠品登记: a gift promised for an order. cost: CNY of all pieces together. goes_with later: promised after the order had shipped, so it needs a parcel of its own.';
drop policy if exists "members read the gifts of their shops" on public.order_gifts;
create policy "members read the gifts of their shops" on public.order_gifts
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_gifts to authenticated;

create or replace function private.promise_gift(
    p_me private.actor, p_order_id bigint, p_sku text, p_name text, p_quantity integer, p_cost numeric, p_source text, p_source_id bigint,
    p_now timestamptz, p_rule_id bigint default null
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_order public.orders;
    v_id bigint;
begin
    select * into v_order from public.orders where id = p_order_id for no key update;
    if not found then
        perform private.fail('PT404', 'order.none');
    elsif v_order.status = 'closed' then
        perform private.fail('PT409', 'gift.order_closed', jsonb_build_object('order_no', v_order.order_no));
    end if;
    insert into public.order_gifts (order_id, shop_id, sku, name, quantity, cost, rule_id, goes_with, source, source_id, promised_by, promised_at)
    values (p_order_id, v_order.shop_id, coalesce(p_sku, ''), p_name, p_quantity, p_cost, p_rule_id,
        case when v_order.status in ('unpaid', 'to_ship') then 'order' else 'later' end, p_source, p_source_id, (p_me).member_id, p_now)
    returning id into v_id;
    perform private.audit(p_me, v_order.shop_id, 'order', p_order_id, 'gift_promised', jsonb_build_object('gift_id', v_id, 'name', p_name,
        'quantity', p_quantity, 'cost', p_cost, 'source', p_source, 'source_id', p_source_id));
    return v_id;
exception when check_violation or not_null_violation then
    perform private.fail('PT422', 'gift.bad_value');
end;
$$;
comment on function private.promise_gift(private.actor, bigint, text, text, integer, numeric, text, bigint, timestamptz, bigint) is
    'Writes a promised gift onto an order for a lead or ticket (p_source lead|ticket|order, p_source_id); p_cost: CNY of all pieces. The caller has checked who may promise it. order.none, gift.order_closed, gift.bad_value. The id.';

create or replace function private.cancel_gifts(p_me private.actor, p_ids bigint[], p_reason text, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_done integer;
begin
    with gone as (
        update public.order_gifts g set cancelled_at = p_now, cancelled_by = (p_me).member_id, cancel_reason = left(nullif(btrim(p_reason), ''), 200)
        where g.id = any (p_ids) and g.packed_at is null and g.cancelled_at is null returning g.id, g.order_id, g.shop_id, g.name
    ), told as (
        select private.audit(p_me, gone.shop_id, 'order', gone.order_id, 'gift_cancelled', jsonb_build_object('gift_id', gone.id, 'name', gone.name)) from gone
    )
    select count(*) into v_done from told;
    return v_done;
end;
$$;
comment on function private.cancel_gifts(private.actor, bigint[], text, timestamptz) is 'Takes promises back that are not packed yet (a lead or ticket was called off); how many.';

create or replace function public.promise_order_gift(p_request_id uuid, p_order_id bigint, p_rule_id bigint, p_source text default 'order', p_source_id bigint default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'promise_order_gift', jsonb_build_array(p_order_id, p_rule_id, p_source, p_source_id));
    v_order public.orders;
    v public.offer_rules;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_order from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids()) for no key update;
    if not found then
        perform private.fail('PT404', 'order.none');
    end if;
    select r.* into v from private.offer_rules_at('gift', v_order.shop_id, v_now) r where r.id = p_rule_id;
    perform private.require_gift(v_me, v_order, v);
    if p_source <> 'order' then
        perform private.case_shop(p_source, p_source_id);
    end if;
    return private.finish_request(p_request_id, jsonb_build_object('id', private.promise_gift(v_me, p_order_id, v.gift_sku, v.gift_name, v.quantity,
        v.cost * v.quantity, p_source, p_source_id, v_now, v.id)));
end;
$$;
grant execute on function public.promise_order_gift(uuid, bigint, bigint, text, bigint) to authenticated;
comment on function public.promise_order_gift(uuid, bigint, bigint, text, bigint) is
    'Agents, operations, managers: promises the gift of a rule that holds, fits the order and allows my role, once per order. order.none, gift.rule, gift.amount, gift.product, gift.manager, gift.twice, gift.order_closed, library.case_none. {id}.';

create or replace function private.require_gift(p_me private.actor, p_order public.orders, p_rule public.offer_rules) returns void
language plpgsql stable set search_path = '' as $$
begin
    if (p_rule).id is null then
        perform private.fail('PT409', 'gift.rule');
    elsif (p_rule).promised_by = 'manager' and (p_me).role <> 'manager' and not coalesce((p_me).is_duty_lead, false) then
        perform private.fail('PT403', 'gift.manager');
    elsif coalesce((p_order).amount, 0) < (p_rule).min_amount then
        perform private.fail('PT409', 'gift.amount', jsonb_build_object('amount', (p_rule).min_amount));
    elsif (p_rule).sku <> '' and not exists (select from public.order_items i where i.order_id = (p_order).id and i.sku = (p_rule).sku) then
        perform private.fail('PT409', 'gift.product', jsonb_build_object('sku', (p_rule).sku));
    elsif exists (select from public.order_gifts g where g.order_id = (p_order).id and g.rule_id = (p_rule).id and g.cancelled_at is null) then
        perform private.fail('PT409', 'gift.twice');
    end if;
end;
$$;
comment on function private.require_gift(private.actor, public.orders, public.offer_rules) is
    'gift.rule: no such rule holds now; gift.manager, gift.amount, gift.product: it does not fit; gift.twice: the order has it.';

create or replace function public.cancel_gift(p_request_id uuid, p_id bigint, p_version integer, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'cancel_gift', jsonb_build_array(p_id, p_version, p_reason));
    v public.order_gifts;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from public.order_gifts where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'gift.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'gift.stale');
    elsif v_me.role = 'agent' and v.promised_by is distinct from v_me.member_id then
        perform private.fail('PT403', 'gift.not_yours');
    elsif btrim(coalesce(p_reason, '')) = '' then
        perform private.fail('PT422', 'gift.reason_missing');
    elsif private.cancel_gifts(v_me, array[p_id], p_reason, private.now()) = 0 then
        perform private.fail('PT409', 'gift.packed');
    end if;
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.cancel_gift(uuid, bigint, integer, text) to authenticated;
comment on function public.cancel_gift(uuid, bigint, integer, text) is
    'Takes a promised gift back with a reason before it is packed: who promised it, operations, managers. gift.none, gift.stale, gift.not_yours, gift.reason_missing, gift.packed. {id}.';

create or replace function public.pack_gifts(p_request_id uuid, p_items jsonb, p_packed boolean default true) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['warehouse', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_items jsonb := private.as_items(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'pack_gifts', jsonb_build_array(v_items, p_packed));
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    elsif jsonb_array_length(coalesce(v_items, '[]')) not between 1 and 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    with fit as (
        select g.id from public.order_gifts g join jsonb_to_recordset(v_items) i (id bigint, version integer) on i.id = g.id and i.version = g.version
        where g.shop_id in (select private.my_shop_ids()) and g.cancelled_at is null and (g.packed_at is null) = coalesce(p_packed, true)
        order by g.id for no key update of g
    ), done as (
        update public.order_gifts g set packed_at = case when coalesce(p_packed, true) then v_now end,
            packed_by = case when coalesce(p_packed, true) then v_me.member_id end
        from fit where g.id = fit.id returning g.id, g.order_id, g.shop_id, g.name
    ), told as (
        select private.audit(v_me, done.shop_id, 'order', done.order_id, case when coalesce(p_packed, true) then 'gift_packed' else 'gift_unpacked' end,
            jsonb_build_object('gift_id', done.id, 'name', done.name)), done.id from done
    )
    select coalesce(array_agg(told.id), '{}') into v_ids from told;
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids), 'ids', to_jsonb(v_ids),
        'refused', jsonb_array_length(v_items) - cardinality(v_ids)));
end;
$$;
grant execute on function public.pack_gifts(uuid, jsonb, boolean) to authenticated;
comment on function public.pack_gifts(uuid, jsonb, boolean) is
    'Warehouse, operations, managers: ticks gifts [{id, version}] (at most 500) as packed, or takes the tick back. What changed meanwhile is left alone: {done, ids, refused}. bulk.too_many.';

-- What is shown ---------------------------------------------------------------------------------------------------------------------

create or replace function private.gift_json(p public.order_gifts) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p).id, 'order_id', (p).order_id, 'sku', (p).sku, 'name', (p).name, 'quantity', (p).quantity, 'cost', (p).cost,
        'rule_id', (p).rule_id, 'goes_with', (p).goes_with, 'source', (p).source, 'source_id', (p).source_id, 'promised_at', (p).promised_at,
        'promised_by_id', (p).promised_by, 'promised_by', (select display_name from public.members where id = (p).promised_by),
        'packed_at', (p).packed_at, 'packed_by', (select display_name from public.members where id = (p).packed_by),
        'cancelled_at', (p).cancelled_at, 'cancel_reason', (p).cancel_reason, 'version', (p).version)
$$;

create or replace function public.order_gift_list(p_order_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_order public.orders;
    v_skus jsonb;
begin
    select * into v_order from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids());
    if not found then
        return null;
    end if;
    v_skus := (select coalesce(jsonb_agg(i.sku), '[]') from public.order_items i where i.order_id = p_order_id and i.sku <> '');
    return jsonb_build_object('gifts', (select coalesce(jsonb_agg(private.gift_json(g) order by g.id), '[]') from public.order_gifts g where g.order_id = p_order_id),
        'offers', case when v_order.status in ('unpaid', 'to_ship') then public.offers_for(v_order.shop_id, v_skus, v_order.amount) -> 'gifts' else '[]' end);
end;
$$;
grant execute on function public.order_gift_list(bigint) to authenticated;
comment on function public.order_gift_list(bigint) is 'Members: {gifts promised on an order of my shops, offers: the gift rules that hold for it while it has not shipped}; null for one I do not see.';

create or replace function public.gift_check(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_in jsonb := private.as_filter(p);
begin
    return (with open as (
        select g, g.id, g.promised_at, o.order_no, o.status, o.shipped_at, o.released_at, o.tracking_no, s.name as shop_name,
            case when g.goes_with = 'later' then 'later' when o.status in ('shipped', 'completed') then 'missing'
                when o.released_at is not null then 'released' else 'waiting' end as tab
        from public.order_gifts g join public.orders o on o.id = g.order_id join public.shops s on s.id = g.shop_id
        where g.packed_at is null and g.cancelled_at is null and o.status <> 'closed' and g.shop_id in (select private.my_shop_ids())
          and (v_in ->> 'shop_id' is null or g.shop_id = (v_in ->> 'shop_id')::bigint)
    ), page as (
        select * from open x where x.tab = coalesce(v_in ->> 'tab', 'missing') and x.id > coalesce((v_in ->> 'after')::bigint, 0) order by x.id limit 101)
    select jsonb_build_object(
        'rows', (select coalesce(jsonb_agg(private.gift_json(x.g) || jsonb_build_object('order_no', x.order_no, 'status', x.status, 'shipped_at', x.shipped_at,
            'released_at', x.released_at, 'tracking_no', x.tracking_no, 'shop_name', x.shop_name, 'tab', x.tab) order by x.id), '[]')
            from (select * from page order by id limit 100) x),
        'next', (select case when count(*) > 100 then (array_agg(id order by id))[100] end from page),
        'tabs', (select jsonb_object_agg(t, (select count(*) from open x where x.tab = t)) from unnest(array['missing', 'released', 'waiting', 'later']) t)));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.gift_check(jsonb) to authenticated;
comment on function public.gift_check(jsonb) is
    'Members 漏发赠品: promised gifts that nobody ticked, oldest first, 100 a page: {rows, next, tabs}. p: tab missing (the order shipped without) | released (to pack now) | waiting | later (needs a parcel of its own), shop_id, after. filter.bad.';
