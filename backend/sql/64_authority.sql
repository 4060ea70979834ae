-- 64 ----------------------------------------------------------- 纠纷处理权限表: what a handler may grant without asking anybody
--
-- One row per pot (kinds that are added up together) and, where a shop wants it, the shop's own. What counts is what was
-- granted, is being asked for or was paid; what was rejected or cancelled does not. A ticket, an order and a customer are
-- looked at over every shop: the same person who buys under another account, or the same order under another ticket, is one.

create table if not exists public.authority_limits (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    pot text not null constraint authority_limits_pot_known
        check (pot in ('compensation', 'refund_only', 'return_refund', 'reship', 'price_protection')),
    agent_limit numeric(14, 2) constraint authority_limits_limit_range check (agent_limit between 0 and 1000000),
    customer_days integer constraint authority_limits_days_range check (customer_days between 1 and 365),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint authority_limits_unique unique nulls not distinct (shop_id, pot),
    constraint authority_limits_has_figure check (agent_limit is not null or pot in ('reship', 'price_protection')),
    constraint authority_limits_customer_needs_figure check (customer_days is null or agent_limit is not null)
);
alter table public.authority_limits enable row level security;
create or replace trigger t10_touch before update on public.authority_limits
    for each row execute function private.touch_version();
comment on table public.authority_limits is '处理权限表: the default of a pot (shop_id null) and a shop''s own version of it. Limits are inclusive, in CNY.';
comment on column public.authority_limits.agent_limit is
    'Up to here the handler decides. Null: reship by the value of the order alone, price protection by its calculation alone.';
comment on column public.authority_limits.customer_days is 'The limit also holds for all orders of a customer within so many days; null: per order.';

drop policy if exists "members read the authority table" on public.authority_limits;
create policy "members read the authority table" on public.authority_limits
    for select to authenticated using (
        (select private.my_role()) is not null and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.authority_limits to authenticated;

-- 纠纷处理权限表 of the process manual: 500 yuan by oneself; the other figures are a product decision.
insert into public.authority_limits (pot, agent_limit, customer_days)
values ('compensation', 500, 90), ('refund_only', 500, null), ('return_refund', 2000, null), ('reship', null, null), ('price_protection', null, null)
on conflict do nothing;

create or replace function private.authority_for(p_shop_id bigint, p_pot text) returns public.authority_limits
language sql stable set search_path = '' as $$
    select * from public.authority_limits
    where pot = p_pot and (shop_id is null or shop_id = p_shop_id) order by shop_id nulls last limit 1
$$;
comment on function private.authority_for(bigint, text) is 'The row that holds for a shop: its own, else the default.';

create or replace function private.pot_of(p_kind text) returns text
language sql immutable set search_path = '' as $$ select case p_kind when 'gift' then 'compensation' else p_kind end $$;

-- A complaint stays one -----------------------------------------------------------------------------------------------

create table if not exists private.ticket_complaints (
    ticket_id bigint primary key references public.tickets,
    since timestamptz not null
);
alter table private.ticket_complaints enable row level security;
comment on table private.ticket_complaints is
    'Tickets that are or were complaints. Another type or flag does not take their money away from the 当班主管, unless a manager or lead set it.';

create or replace function private.tg_ticket_complaint() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.is_complaint or new.type = 'public_complaint' then
        insert into private.ticket_complaints (ticket_id, since) values (new.id, private.now()) on conflict do nothing;
    elsif tg_op = 'UPDATE' and (old.is_complaint or old.type = 'public_complaint') and exists (
        select from public.members m where m.id = private.my_member_id()
          and (m.role = 'manager' or private.leads_now(m.id, private.now()))) then
        delete from private.ticket_complaints where ticket_id = new.id;
    end if;
    return null;
end;
$$;
create or replace trigger t40_complaint_new after insert on public.tickets
    for each row when (new.is_complaint or new.type = 'public_complaint') execute function private.tg_ticket_complaint();
create or replace trigger t40_complaint after update of is_complaint, type on public.tickets
    for each row when (old.is_complaint is distinct from new.is_complaint or old.type <> new.type)
    execute function private.tg_ticket_complaint();

create or replace function private.is_complaint(p_ticket public.tickets) returns boolean
language sql stable set search_path = '' as $$
    select (p_ticket).is_complaint or (p_ticket).type = 'public_complaint'
        or exists (select from private.ticket_complaints where ticket_id = (p_ticket).id)
$$;

-- Who the customer is -------------------------------------------------------------------------------------------------

create or replace function private.own_buyer_keys(p_ticket public.tickets) returns text[]
language sql stable set search_path = '' as $$
    with contact as (
        select c.* from private.contacts c
        where c.id in ((p_ticket).contact_id, (select o.contact_id from public.orders o where o.id = (p_ticket).order_id))
    )
    select coalesce(array_agg(distinct k.key), '{}') from (
        select 'account:' || s.platform || ':' || btrim(a.account) as key
        from public.shops s cross join lateral (values ((p_ticket).buyer_account),
            ((select o.buyer_account from public.orders o where o.id = (p_ticket).order_id))) a (account)
        where s.id = (p_ticket).shop_id and btrim(coalesce(a.account, '')) <> ''
        union all select 'phone:' || phone_hash from contact where phone_hash is not null
        union all select 'wechat:' || wechat_hash from contact where wechat_hash is not null) k
$$;
comment on function private.own_buyer_keys(public.tickets) is 'What a ticket and its order say of the customer: account on the platform, keyed hashes of phone and WeChat.';

create or replace function private.order_buyer_keys(p_keys text[]) returns text[]
language sql stable set search_path = '' as $$
    with by_phone as (
        select o.shop_id, o.buyer_account from private.contacts c join public.orders o on o.contact_id = c.id
        where c.phone_hash in (select substr(k, 7) from unnest(p_keys) k where k like 'phone:%') limit 200
    ), by_account as (
        select c.phone_hash from unnest(p_keys) k
        join public.shops s on k like 'account:' || s.platform || ':%'
        join public.orders o on o.shop_id = s.id and o.buyer_account = substr(k, length('account:' || s.platform || ':') + 1)
        join private.contacts c on c.id = o.contact_id
        where c.phone_hash is not null limit 200
    )
    select coalesce(array_agg(distinct f.key), '{}') from (
        select 'account:' || s.platform || ':' || btrim(p.buyer_account) as key from by_phone p join public.shops s on s.id = p.shop_id
        where btrim(coalesce(p.buyer_account, '')) <> ''
        union all select 'phone:' || phone_hash from by_account) f
$$;
comment on function private.order_buyer_keys(text[]) is 'Under what else the orders know these accounts and phones (the newest 200 of each are plenty for one person).';

create or replace function private.buyer_keys(p_ticket public.tickets) returns text[]
language plpgsql stable set search_path = '' as $$
declare
    v_keys text[] := private.own_buyer_keys(p_ticket);
    v_more text[];
begin
    for v_round in 1 .. 4 loop
        select array_agg(distinct k order by k) into v_more from (
            select unnest(v_keys) as k
            union all select unnest(private.order_buyer_keys(v_keys))
            union all select unnest(m.buyer_keys) from public.ticket_money m
            where m.buyer_keys && v_keys or m.ticket_ids && array[(p_ticket).id]) x;
        exit when coalesce(v_more, '{}') = v_keys or cardinality(v_more) > 50;
        v_keys := coalesce(v_more, '{}');
    end loop;
    return v_keys;
end;
$$;
comment on function private.buyer_keys(public.tickets) is
    'Everything by which the customer of a ticket is known, over orders and earlier money: another account with the same phone is the same person. More than 50 (a forwarder''s phone) is no person and is not followed.';

-- What is used, and the judgement -------------------------------------------------------------------------------------

create or replace function private.money_used(
    p_pot text, p_order_ids bigint[], p_ticket_ids bigint[], p_keys text[], p_days integer, p_except bigint, p_now timestamptz
) returns table (on_order numeric, of_customer numeric, was_rejected boolean)
language sql stable set search_path = '' as $$
    with gifts as ( -- promised past this table; what ticket_money promised stands there already
        select coalesce(sum(g.cost), 0) as cost from public.order_gifts g
        where p_pot = 'compensation' and g.order_id = any (p_order_ids) and g.cancelled_at is null and (g.source = 'ticket' or g.goes_with = 'later')
          and not exists (select from public.ticket_money m where m.order_ids && array[g.order_id] and (m.facts ->> 'gift_id')::bigint = g.id)
    ), near as (
        select m.*, m.order_ids && p_order_ids or m.ticket_ids && p_ticket_ids as is_same
        from public.ticket_money m
        where m.pot = p_pot and m.id is distinct from p_except
          and (m.order_ids && p_order_ids or m.ticket_ids && p_ticket_ids or m.buyer_keys && p_keys)
    )
    select (select cost from gifts) + coalesce(sum(n.amount) filter (where n.is_same and n.state in ('requested', 'approved', 'granted', 'paid')), 0),
        (select cost from gifts) + coalesce(sum(n.amount) filter (where n.state in ('requested', 'approved', 'granted', 'paid')
            and n.counted_at >= p_now - make_interval(days => coalesce(p_days, 90))), 0),
        coalesce(bool_or(n.state = 'rejected' and n.is_same and n.decided_at >= p_now - interval '90 days'), false)
    from near n
$$;
comment on function private.money_used(text, bigint[], bigint[], text[], integer, bigint, timestamptz) is
    'What already counts beside a request (p_except): on the same order or ticket however old, of the same customer within the days (90), after-sales gifts that were promised on the orders directly; and whether the same was rejected before.';

create or replace function private.is_known_buyer(p_ticket public.tickets, p_keys text[]) returns boolean
language sql stable set search_path = '' as $$
    select (p_ticket).order_id is not null or exists (
        select from public.orders o where o.buyer_account = (p_ticket).buyer_account and o.shop_id = (p_ticket).shop_id)
        or exists (select from private.contacts c join public.orders o on o.contact_id = c.id
            where c.phone_hash in (select substr(k, 7) from unnest(p_keys) k where k like 'phone:%'))
$$;
comment on function private.is_known_buyer(public.tickets, text[]) is 'Whether the customer can be told from others: by an order, or by an account or phone that has one.';

create or replace function private.authority_figures(p_ticket public.tickets, p_money public.ticket_money, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_rule public.authority_limits := private.authority_for((p_ticket).shop_id, private.pot_of((p_money).kind));
    v_value numeric := (select o.amount from public.orders o where o.id = (p_ticket).order_id);
    v_limit numeric := case when v_rule.pot = 'reship' then least(coalesce(v_value, 0), v_rule.agent_limit) else v_rule.agent_limit end;
    v_used record;
begin
    if v_rule.customer_days is null and (p_money).order_ids = '{}' then
        v_rule.customer_days := 90; -- nothing but the customer ties his tickets without an order together
    end if;
    select * into v_used from private.money_used(v_rule.pot, (p_money).order_ids, (p_money).ticket_ids, (p_money).buyer_keys,
        v_rule.customer_days, (p_money).id, p_now);
    return jsonb_build_object('pot', v_rule.pot, 'limit', v_limit, 'customer_days', v_rule.customer_days, 'order_value', v_value,
        'used_order', v_used.on_order, 'used_customer', v_used.of_customer, 'was_rejected', v_used.was_rejected,
        'used', case when v_rule.customer_days is not null then greatest(v_used.on_order, v_used.of_customer) else v_used.on_order end);
end;
$$;
comment on function private.authority_figures(public.tickets, public.ticket_money, timestamptz) is
    'Limit of a pot for a ticket and what of it is used: {pot, limit (null: none), customer_days, order_value, used_order, used_customer, used, was_rejected}.';

create or replace function private.refunded_on_order(p_money public.ticket_money, p_now timestamptz) returns numeric
language sql stable set search_path = '' as $$
    select coalesce(sum(u.on_order), 0) from (values ('refund_only'), ('return_refund')) p (pot)
    cross join lateral private.money_used(p.pot, (p_money).order_ids, (p_money).ticket_ids, '{}', 90, (p_money).id, p_now) u
$$;
comment on function private.refunded_on_order(public.ticket_money, timestamptz) is
    'What goes back for the order of a request already, with and without goods.';

create or replace function private.judge_money(p_ticket public.tickets, p_money public.ticket_money, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.authority_figures(p_ticket, p_money, p_now);
    v_pot text := v ->> 'pot';
    v_limit numeric := (v ->> 'limit')::numeric;
    v_after_order numeric := (v ->> 'used_order')::numeric + (p_money).amount;
    v_after numeric := (v ->> 'used')::numeric + (p_money).amount;
    v_why text[];
begin
    v_why := array_remove(array[
        case when private.is_complaint(p_ticket) then 'complaint' end,
        case when v_after_order > v_limit then 'over_order' end,
        case when v_pot in ('refund_only', 'return_refund')
            and private.refunded_on_order(p_money, p_now) + (p_money).amount > (v ->> 'order_value')::numeric then 'over_value' end,
        case when v ->> 'customer_days' is not null and (v ->> 'used_customer')::numeric + (p_money).amount > v_limit then 'over_customer' end,
        case when (v_pot = 'reship' and v ->> 'order_value' is null)
            or (v_pot <> 'price_protection' and not private.is_known_buyer(p_ticket, (p_money).buyer_keys)) then 'no_order' end,
        case when v_pot = 'return_refund' and not exists (select from public.ticket_returns r where r.ticket_id = any ((p_money).ticket_ids)
            and r.state in ('received', 'refunding', 'done')) then 'goods_not_received' end, -- goods of a case that was merged came for its money
        case when (v ->> 'was_rejected')::boolean then 'rejected_before' end,
        case when (p_money).was_approved then 'changed_after_approval' end], null);
    return v || jsonb_build_object('why', to_jsonb(v_why), 'after', v_after, 'covers', case when v_pot = 'price_protection' then (p_money).amount
        else v_after end);
end;
$$;
comment on function private.judge_money(public.tickets, public.ticket_money, timestamptz) is
    'How an amount stands to the authority table: authority_figures with why (empty: the handler may), after, and what an approver''s limit must cover.';
