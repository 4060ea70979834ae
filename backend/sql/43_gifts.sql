-- 43 ------------------------------------------------------- gifts and prices: what may be promised while talking, and by whom
--
-- 赠品与价格权限. A rule says which gift comes with what, or how far a price may go, where and from when to when. Somebody
-- writes it, another manager approves it; a change is a new rule that replaces the old one on approval, so that what held at
-- any time can be told later. Promises on orders stand in 53_order_gifts.

create table if not exists public.offer_rules (
    id bigint generated always as identity primary key,
    kind text not null constraint offer_rules_kind_known check (kind in ('gift', 'price')),
    shop_id bigint references public.shops,
    name text not null constraint offer_rules_name_length check (char_length(btrim(name)) between 1 and 60),
    sku text not null default '' constraint offer_rules_sku_length check (char_length(sku) <= 64),
    min_amount numeric(14, 2) constraint offer_rules_min_amount check (min_amount between 0 and 1e9),
    gift_sku text not null default '' constraint offer_rules_gift_sku_length check (char_length(gift_sku) <= 64),
    gift_name text not null default '' constraint offer_rules_gift_name_length check (char_length(gift_name) <= 60),
    quantity integer not null default 1 constraint offer_rules_quantity check (quantity between 1 and 99),
    cost numeric(14, 2) constraint offer_rules_cost check (cost between 0 and 1e9),
    after_order_price numeric(14, 2) constraint offer_rules_after_order_price check (after_order_price between 0 and 1e9),
    list_price numeric(14, 2) constraint offer_rules_list_price check (list_price > 0 and list_price <= 1e9),
    agent_price numeric(14, 2),
    manager_price numeric(14, 2),
    occasion text not null default 'any' constraint offer_rules_occasion_known check (occasion in ('any', 'repurchase')),
    promised_by text not null default 'agent' constraint offer_rules_promised_by_known check (promised_by in ('agent', 'manager')),
    note text not null default '' constraint offer_rules_note_length check (char_length(note) <= 300),
    valid_from timestamptz not null,
    valid_until timestamptz,
    state text not null default 'pending' constraint offer_rules_state_known check (state in ('pending', 'approved', 'refused', 'retired')),
    replaces_id bigint references public.offer_rules,
    author_id bigint references public.members,
    decided_by bigint references public.members,
    decided_at timestamptz,
    decision_note text constraint offer_rules_decision_note_length check (char_length(decision_note) <= 300),
    retired_at timestamptz,
    created_at timestamptz not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint offer_rules_decided_by_another check (decided_by <> author_id),
    constraint offer_rules_decided_has_time check (state in ('pending', 'retired') or decided_at is not null),
    constraint offer_rules_retired_has_time check ((state = 'retired') = (retired_at is not null)),
    constraint offer_rules_window check (valid_until > valid_from),
    constraint offer_rules_gift check (kind <> 'gift' or (gift_name <> '' and cost is not null and list_price is null)),
    constraint offer_rules_price check (kind <> 'price' or (sku <> '' and list_price is not null and agent_price between 0 and list_price
        and manager_price between 0 and agent_price and cost is null and gift_name = ''))
);
create index if not exists offer_rules_shop_id_idx on public.offer_rules (shop_id);
create index if not exists offer_rules_sku_idx on public.offer_rules (sku, kind) where state in ('approved', 'retired');
create index if not exists offer_rules_gift_sku_idx on public.offer_rules (gift_sku) where state in ('approved', 'retired');
create index if not exists offer_rules_author_id_idx on public.offer_rules (author_id);
create index if not exists offer_rules_decided_by_idx on public.offer_rules (decided_by);
create index if not exists offer_rules_replaces_id_idx on public.offer_rules (replaces_id);
alter table public.offer_rules enable row level security;
create or replace trigger t10_touch before update on public.offer_rules for each row execute function private.touch_version();
comment on table public.offer_rules is '赠品规则与价格表. gift: gift_name (gift_sku) at cost CNY each comes with sku and from min_amount on; price: how low sku may go for an agent and a manager. shop_id null: every shop.';
comment on column public.offer_rules.after_order_price is 'What a customer who has ordered already pays for the gift (CNY); null: free too.';
comment on column public.offer_rules.occasion is 'repurchase: only for a customer who buys again after a faulty product (老客复购).';
drop policy if exists "members read the offers of their shops" on public.offer_rules;
create policy "members read the offers of their shops" on public.offer_rules for select to authenticated using (
    (shop_id is null and (select private.my_role()) is not null) or shop_id in (select private.my_shop_ids()));
grant select on public.offer_rules to authenticated;

-- Which rules hold ------------------------------------------------------------------------------------------------------------

create or replace function private.holds_at(p public.offer_rules, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select (p).decided_at <= p_at and (p).state in ('approved', 'retired') and coalesce((p).retired_at > p_at, true)
        and (p).valid_from <= p_at and coalesce((p).valid_until > p_at, true)
$$;
comment on function private.holds_at(public.offer_rules, timestamptz) is 'Whether an approved rule held at an instant, today''s retired ones included.';

create or replace function private.offer_rules_at(p_kind text, p_shop_id bigint, p_at timestamptz) returns setof public.offer_rules
language sql stable set search_path = '' as $$
    select r.* from public.offer_rules r
    where r.kind = p_kind and (r.shop_id is null or r.shop_id = p_shop_id) and private.holds_at(r, p_at)
$$;
comment on function private.offer_rules_at(text, bigint, timestamptz) is 'The rules of a kind that hold in a shop at an instant.';

create or replace function private.gift_cost(p_sku text, p_shop_id bigint, p_at timestamptz) returns numeric
language sql stable set search_path = '' as $$
    select r.cost from private.offer_rules_at('gift', p_shop_id, p_at) r where r.gift_sku = p_sku and p_sku <> ''
    order by r.shop_id is null, r.cost desc limit 1
$$;
comment on function private.gift_cost(text, bigint, timestamptz) is 'Cost (CNY) of one piece of a gift at an instant, by the shop''s own rule before the general one; null without a rule.';

create or replace function private.allowed_price(p_sku text, p_shop_id bigint, p_role text, p_at timestamptz, p_occasion text default 'any') returns numeric
language sql stable set search_path = '' as $$
    with fit as (
        select r.* from private.offer_rules_at('price', p_shop_id, p_at) r where r.sku = p_sku and r.occasion in ('any', p_occasion)
    ), own as (
        select f.* from fit f where (f.shop_id is null) = not exists (select from fit g where g.shop_id is not null)
    )
    select min(case when p_role in ('manager', 'admin') then coalesce(o.manager_price, o.agent_price) else o.agent_price end) from own o
    where p_role in ('manager', 'admin') or o.promised_by = 'agent'
$$;
comment on function private.allowed_price(text, bigint, text, timestamptz, text) is
    'The lowest price (CNY) of a product that a role may grant in a shop at an instant; the shop''s own rules count before the general ones. Null: the price table says nothing, so the listed price stands.';

create or replace function public.offers_for(p_shop_id bigint, p_skus jsonb default '[]', p_amount numeric default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_skus text[] := array(select jsonb_array_elements_text(coalesce(private.as_json(p_skus), '[]')));
    v_role text := case when v_me.role in ('manager', 'admin') or v_me.is_duty_lead then 'manager' else 'agent' end;
begin
    perform private.require_shop(v_me, p_shop_id);
    return jsonb_build_object(
        'gifts', (select coalesce(jsonb_agg(private.offer_row(r) || jsonb_build_object('may_promise', v_role = 'manager' or r.promised_by = 'agent',
                'missing', case when r.min_amount > p_amount then r.min_amount - p_amount end) order by coalesce(r.min_amount > p_amount, false), r.min_amount desc nulls last, r.id), '[]')
            from private.offer_rules_at('gift', p_shop_id, v_now) r where r.sku = '' or r.sku = any (v_skus)),
        'prices', (select coalesce(jsonb_agg(private.offer_row(r) || jsonb_build_object('may_promise', v_role = 'manager' or r.promised_by = 'agent',
                'my_price', case when v_role = 'manager' then coalesce(r.manager_price, r.agent_price) when r.promised_by = 'agent' then r.agent_price end)
                order by r.sku, r.occasion, r.id), '[]')
            from private.offer_rules_at('price', p_shop_id, v_now) r where r.sku = any (v_skus)
              and (r.shop_id is not null or not exists (select from private.offer_rules_at('price', p_shop_id, v_now) o
                where o.sku = r.sku and o.occasion = r.occasion and o.shop_id is not null))));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.offers_for(bigint, jsonb, numeric) to authenticated;
comment on function public.offers_for(bigint, jsonb, numeric) is
    'Members, while talking: {gifts, prices} that hold in a shop now for products [sku] and an amount (CNY, null: not known yet). gifts: may_promise, missing (yuan to the threshold, null: reached); prices: my_price (the lowest I may say). shop.none, filter.bad.';

-- Writing -----------------------------------------------------------------------------------------------------------------------

create or replace function private.check_offer(p_me private.actor, p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p ->> 'shop_id' is not null then
        perform private.require_shop(p_me, (p ->> 'shop_id')::bigint);
    end if;
    if exists (select from unnest(array[p ->> 'sku', p ->> 'gift_sku']) k (sku)
        where k.sku <> '' and not exists (select from public.products x where x.sku = k.sku)) then
        perform private.fail('PT404', 'offer.product');
    end if;
end;
$$;
comment on function private.check_offer(private.actor, jsonb) is 'shop.none; offer.product for a SKU that the stock list does not know.';

create or replace function private.offer_of(p jsonb) returns public.offer_rules
language sql immutable set search_path = '' as $$
    select r from jsonb_populate_record(null::public.offer_rules, jsonb_build_object('quantity', 1, 'occasion', 'any', 'promised_by', 'agent', 'sku', '',
        'gift_sku', '', 'gift_name', '', 'note', '') || jsonb_strip_nulls(p - array['id', 'state', 'author_id', 'decided_by', 'decided_at', 'version'])) r
$$;
comment on function private.offer_of(jsonb) is 'What a request says about a rule, with the defaults of what it leaves out; nothing of its state.';

create or replace function public.save_offer(p_request_id uuid, p_id bigint, p_version integer, p_rule jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p_rule);
    v_answer jsonb := private.begin_request(p_request_id, 'save_offer', jsonb_build_array(p_id, p_version, v_in));
    v_rule public.offer_rules := private.offer_of(v_in);
    v public.offer_rules;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_offer(v_me, v_in);
    if p_id is not null then
        v := private.offer_to_change(p_id, p_version);
        if v.kind is distinct from v_rule.kind or v.state not in ('pending', 'approved') then
            perform private.fail('PT409', 'offer.state');
        end if;
    end if;
    if v.state = 'pending' then
        update public.offer_rules r set retired_at = v_now, state = 'retired' where r.id = p_id;
        v_rule.replaces_id := v.replaces_id;
    else
        v_rule.replaces_id := p_id;
    end if;
    insert into public.offer_rules (kind, shop_id, name, sku, min_amount, gift_sku, gift_name, quantity, cost, after_order_price, list_price,
        agent_price, manager_price, occasion, promised_by, note, valid_from, valid_until, replaces_id, author_id, created_at)
    values (v_rule.kind, v_rule.shop_id, v_rule.name, v_rule.sku, v_rule.min_amount, v_rule.gift_sku, v_rule.gift_name, v_rule.quantity, v_rule.cost,
        v_rule.after_order_price, v_rule.list_price, v_rule.agent_price, v_rule.manager_price, v_rule.occasion, v_rule.promised_by, v_rule.note,
        coalesce(v_rule.valid_from, v_now), v_rule.valid_until, v_rule.replaces_id, v_me.member_id, v_now) returning * into v;
    perform private.audit(v_me, v.shop_id, 'offer_rule', v.id, case when p_id is null then 'created' else 'edited' end,
        jsonb_strip_nulls(jsonb_build_object('instead_of', p_id)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
exception when check_violation or not_null_violation or foreign_key_violation or data_exception then
    perform private.fail('PT422', 'offer.bad_value');
end;
$$;
grant execute on function public.save_offer(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_offer(uuid, bigint, integer, jsonb) is
    'Operations, managers: writes a rule {kind gift|price, shop_id null for all, name, sku, min_amount, gift_sku, gift_name, quantity, cost, after_order_price, list_price, agent_price, manager_price, occasion, promised_by agent|manager, note, valid_from, valid_until}; it waits for another manager. Changing one (p_id) makes a new rule; the old one holds until that is approved. offer.none, offer.stale, offer.state, offer.product, offer.bad_value, shop.none. {id, version, state}.';

create or replace function private.offer_to_change(p_id bigint, p_version integer) returns public.offer_rules
language plpgsql set search_path = '' as $$
declare
    v public.offer_rules;
begin
    select * into v from public.offer_rules r where r.id = p_id and (r.shop_id is null or r.shop_id in (select private.my_shop_ids())) for no key update;
    if not found then
        perform private.fail('PT404', 'offer.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'offer.stale', jsonb_build_object('at', v.updated_at));
    end if;
    return v;
end;
$$;
comment on function private.offer_to_change(bigint, integer) is 'Locks a rule of my shops: offer.none, offer.stale.';

create or replace function private.offer_refusal(p_me private.actor, p public.offer_rules, p_action text, p_note text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select case
        when p_action in ('approve', 'refuse') and (p_me).role not in ('manager', 'admin') then '{"key": "offer.manager", "params": {}}'::jsonb
        when coalesce(case p_action when 'retire' then (p).state in ('approved', 'pending') when 'approve' then (p).state = 'pending'
            when 'refuse' then (p).state = 'pending' end, false) is false then '{"key": "offer.state", "params": {}}'
        when p_action = 'approve' and (p).author_id = (p_me).member_id then '{"key": "offer.own", "params": {}}'
        when p_action = 'approve' and (p).valid_until <= p_now then '{"key": "offer.over", "params": {}}'
        when p_action = 'refuse' and btrim(coalesce(p_note, '')) = '' then '{"key": "offer.note_missing", "params": {}}'
        when p_action = 'refuse' and (p).author_id = (p_me).member_id then '{"key": "offer.own", "params": {}}' end
$$;
comment on function private.offer_refusal(private.actor, public.offer_rules, text, text, timestamptz) is
    'Why a step is refused, or null: offer.manager, offer.state, offer.own (nobody decides on his own rule), offer.over, offer.note_missing.';

create or replace function public.move_offer(p_request_id uuid, p_id bigint, p_version integer, p_action text, p_note text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'move_offer', jsonb_build_array(p_id, p_version, p_action, p_note));
    v public.offer_rules;
    v_refusal jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.offer_to_change(p_id, p_version);
    v_refusal := private.offer_refusal(v_me, v, p_action, p_note, v_now);
    if v_refusal is not null then
        perform private.fail('PT409', v_refusal ->> 'key', v_refusal -> 'params');
    end if;
    if p_action = 'approve' then
        update public.offer_rules set state = 'retired', retired_at = v_now where id = v.replaces_id and state = 'approved';
    end if;
    update public.offer_rules set state = case p_action when 'approve' then 'approved' when 'refuse' then 'refused' else 'retired' end,
        decided_by = case when p_action = 'retire' then decided_by else v_me.member_id end,
        decided_at = case when p_action = 'retire' then decided_at else v_now end,
        decision_note = coalesce(nullif(btrim(p_note), ''), decision_note), retired_at = case when p_action = 'retire' then v_now end
    where id = p_id returning * into v;
    perform private.audit(v_me, v.shop_id, 'offer_rule', v.id, p_action, jsonb_strip_nulls(jsonb_build_object('note', nullif(btrim(p_note), ''))));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
exception when check_violation then
    perform private.fail('PT422', 'offer.bad_value');
end;
$$;
grant execute on function public.move_offer(uuid, bigint, integer, text, text) to authenticated;
comment on function public.move_offer(uuid, bigint, integer, text, text) is
    'approve or refuse (a manager or admin who did not write the rule; a refusal with a note), retire (operations, managers: ends it now). Refusals of private.offer_refusal; offer.none, offer.stale. {id, version, state}.';

-- What the page reads -------------------------------------------------------------------------------------------------------------

create or replace function private.offer_row(p public.offer_rules) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(p) || jsonb_build_object('shop_name', (select name from public.shops where id = (p).shop_id),
        'product', (select name from public.products x where x.sku = (p).sku and (p).sku <> '' limit 1),
        'author', (select display_name from public.members where id = (p).author_id),
        'decided_by_name', (select display_name from public.members where id = (p).decided_by))
$$;

create or replace function private.offer_tab(p public.offer_rules, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case when (p).state <> 'approved' then (p).state when (p).valid_until <= p_now then 'over' when (p).valid_from > p_now then 'ahead' else 'holds' end
$$;
comment on function private.offer_tab(public.offer_rules, timestamptz) is 'holds, ahead (not yet), over, pending, refused, retired.';

create or replace function public.offer_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_in jsonb := private.as_filter(p);
    v_q text := lower(btrim(coalesce(v_in ->> 'q', '')));
begin
    return (with found as materialized (
        select r, r.id, private.offer_tab(r, v_now) as tab from public.offer_rules r
        where r.kind = coalesce(v_in ->> 'kind', 'gift') and (r.shop_id is null or r.shop_id in (select private.my_shop_ids()))
          and (v_in ->> 'shop_id' is null or r.shop_id is null or r.shop_id = (v_in ->> 'shop_id')::bigint)
          and (v_q = '' or strpos(lower(concat_ws(' ', r.name, r.sku, r.gift_name, r.gift_sku, r.note)), v_q) > 0)
    ), page as (
        select f.r, f.id, f.tab from found f where f.tab = coalesce(v_in ->> 'tab', 'holds') and f.id < coalesce((v_in ->> 'after')::bigint, 9e18::bigint)
        order by f.id desc limit 51)
    select jsonb_build_object(
        'rows', (select coalesce(jsonb_agg(private.offer_row(x.r) || jsonb_build_object('tab', x.tab, 'rights', private.offer_rights(v_me, x.r, v_now))
            order by x.id desc), '[]') from (select * from page order by id desc limit 50) x),
        'next', (select case when count(*) > 50 then (array_agg(id order by id desc))[50] end from page),
        'tabs', (select jsonb_object_agg(t, (select count(*) from found f where f.tab = t)) from unnest(array['holds', 'pending', 'ahead', 'over', 'refused', 'retired']) t)));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.offer_list(jsonb) to authenticated;
comment on function public.offer_list(jsonb) is
    'Members: gift or price rules of my shops, newest first, 50 a page: {rows (with rights: step -> {key null or why not}), next, tabs}. p: kind gift|price, tab holds|pending|ahead|over|refused|retired, shop_id, q, after. filter.bad.';

create or replace function private.offer_rights(p_me private.actor, p public.offer_rules, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_object_agg(a, case when (p_me).role in ('operations', 'manager', 'admin') then coalesce(private.offer_refusal(p_me, p, a, '-', p_now), '{"key": null}')
        else '{"key": "member.role", "params": {}}' end) from unnest(array['approve', 'refuse', 'retire']) a
$$;

create or replace function public.offer_history(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (with recursive back as (
        select r, r.id, r.replaces_id, 1 as n from public.offer_rules r
        where r.id = p_id and (r.shop_id is null or r.shop_id in (select private.my_shop_ids()))
        union all
        select o, o.id, o.replaces_id, b.n + 1 from public.offer_rules o join back b on o.id = b.replaces_id where b.n < 50)
        select coalesce(jsonb_agg(private.offer_row(b.r) || jsonb_build_object('timeline', private.library_timeline('offer_rule', b.id)) order by b.n), '[]') from back b);
end;
$$;
grant execute on function public.offer_history(bigint) to authenticated;
comment on function public.offer_history(bigint) is 'Members: a rule and those it replaced, newest first, each with its timeline; empty for one I do not see.';
