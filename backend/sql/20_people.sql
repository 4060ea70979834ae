-- 20 ------------------------------------------------------------------------------------------ shops, people, contacts

create table if not exists public.stock_pools (
    id bigint generated always as identity primary key,
    name text not null constraint stock_pools_name_unique unique,
    is_default boolean not null default false
);
create unique index if not exists stock_pools_one_default_idx on public.stock_pools (is_default) where is_default;
alter table public.stock_pools enable row level security;
comment on table public.stock_pools is '库存池: shops that sell from the same stock share one pool (one by default).';

create table if not exists public.shops (
    id bigint generated always as identity primary key,
    code text not null constraint shops_code_unique unique
        constraint shops_code_form check (code ~ '^[a-z0-9][a-z0-9_-]{0,19}$'),
    name text not null constraint shops_name_length check (char_length(name) between 1 and 60),
    platform text not null constraint shops_platform_known
        check (platform in ('taobao', 'jd', 'douyin', 'pinduoduo', 'youzan', 'shopify', 'own')),
    timezone text not null default 'Asia/Shanghai',
    currency text not null default 'CNY',
    stock_pool_id bigint not null references public.stock_pools,
    review_limit numeric(14, 2) not null default 1000,
    is_active boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now()
);
create index if not exists shops_stock_pool_id_idx on public.shops (stock_pool_id);
alter table public.shops enable row level security;
create or replace trigger t10_touch before update on public.shops
    for each row execute function private.touch_version();
comment on table public.shops is '店铺: one shop on one platform; every row of work belongs to a shop.';
comment on column public.shops.review_limit is
    'Above this amount (CNY) only a manager or the 当班主管 may waive an exception of the shop.';

create table if not exists public.members (
    id bigint generated always as identity primary key,
    user_id uuid constraint members_user_unique unique,
    staff_no text constraint members_staff_no_unique unique
        constraint members_staff_no_form check (staff_no ~ '^[A-Za-z0-9_-]{1,20}$'),
    display_name text not null constraint members_name_length check (char_length(display_name) between 1 and 40),
    role text not null constraint members_role_known
        check (role in ('agent', 'warehouse', 'operations', 'analyst', 'manager', 'admin')),
    skills text[] not null default '{}' constraint members_skills_known
        check (skills <@ array['presales', 'aftersales', 'review']),
    approval_limit numeric(14, 2) not null default 0 constraint members_limit_not_negative check (approval_limit >= 0),
    duty_lead_until timestamptz,
    state text not null default 'invited' constraint members_state_known check (state in ('invited', 'active', 'off')),
    locale text not null default 'zh-CN' constraint members_locale_known check (locale in ('zh-CN', 'en')),
    home_seen_at timestamptz,
    contact_id bigint,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint members_active_has_user check (state <> 'active' or user_id is not null)
);
create index if not exists members_role_idx on public.members (role) where state = 'active';
alter table public.members enable row level security;
create or replace trigger t10_touch
    before update of display_name, staff_no, role, skills, approval_limit, duty_lead_until, state on public.members
    for each row execute function private.touch_version();
comment on table public.members is '成员: a person of the team, one role, any number of shops. Role and state count at every request.';
comment on column public.members.duty_lead_until is '当班主管 until then: may waive what otherwise needs a manager.';
comment on column public.members.approval_limit is 'Money (CNY, inclusive) that the member may approve for others.';

create table if not exists public.member_shops (
    member_id bigint not null references public.members,
    shop_id bigint not null references public.shops,
    primary key (member_id, shop_id)
);
create index if not exists member_shops_shop_id_idx on public.member_shops (shop_id);
alter table public.member_shops enable row level security;
comment on table public.member_shops is 'Which shops a member works for; an admin works for all of them.';

-- Who am I (called by policies: definer, so that they read members without its own policy) ----------------------------

create or replace function private.my_member_id() returns bigint
language sql stable security definer set search_path = '' as $$
    select id from public.members where user_id = (select auth.uid()) and state = 'active'
$$;
create or replace function private.my_role() returns text
language sql stable security definer set search_path = '' as $$
    select role from public.members where user_id = (select auth.uid()) and state = 'active'
$$;
create or replace function private.my_shop_ids() returns setof bigint
language sql stable security definer set search_path = '' as $$
    select ms.shop_id
    from public.members m join public.member_shops ms on ms.member_id = m.id
    where m.user_id = (select auth.uid()) and m.state = 'active' and m.role <> 'admin'
    union all
    select s.id from public.shops s
    where exists (select from public.members m where m.user_id = (select auth.uid()) and m.state = 'active' and m.role = 'admin')
$$;
grant execute on function private.my_member_id(), private.my_role(), private.my_shop_ids() to authenticated;
comment on function private.my_member_id() is 'The active member of this request, or null.';
comment on function private.my_role() is 'The role of this request''s active member, or null.';
comment on function private.my_shop_ids() is 'Shops whose rows this request may see; all of them for an admin, none without membership.';

create or replace function private.require_member(p_roles text[] default null) returns private.actor
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor;
begin
    select m.id, m.role, m.skills, private.leads_now(m.id, private.now()), m.approval_limit
    into v_me
    from public.members m
    where m.user_id = (select auth.uid()) and m.state = 'active';
    if not found then
        perform private.fail('PT401', 'member.none');
    end if;
    if p_roles is not null and v_me.role <> all (p_roles) then
        perform private.fail('PT403', 'member.role', pg_catalog.jsonb_build_object('role', v_me.role, 'allowed', p_roles));
    end if;
    return v_me;
end;
$$;
comment on function private.require_member(text[]) is
    'First statement of every RPC of members: PT401 member.none without an active member, PT403 member.role for another role.';

create or replace function private.require_actor(p_roles text[] default null) returns private.actor
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor;
begin
    if pg_catalog.current_setting('role', true) = 'service_role' then
        v_me.role := 'system';
        v_me.skills := '{}';
        v_me.is_duty_lead := false;
        v_me.approval_limit := 0;
        return v_me;
    end if;
    return private.require_member(p_roles);
end;
$$;
comment on function private.require_actor(text[]) is 'As require_member, and the service key passes too (commands and jobs).';

create or replace function private.require_shop(p_me private.actor, p_shop_id bigint) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
    if (p_me).role = 'system' then
        if not exists (select from public.shops where id = p_shop_id) then
            perform private.fail('PT404', 'shop.none');
        end if;
    elsif p_shop_id is null or p_shop_id not in (select private.my_shop_ids()) then
        perform private.fail('PT404', 'shop.none');
    end if;
end;
$$;
comment on function private.require_shop(private.actor, bigint) is 'PT404 shop.none unless the shop is one of the actor''s.';

-- Policies ------------------------------------------------------------------------------------------------------------

drop policy if exists "members read shops they work for" on public.shops;
create policy "members read shops they work for" on public.shops
    for select to authenticated using (id in (select private.my_shop_ids()));
grant select on public.shops to authenticated;

drop policy if exists "members read the stock pools" on public.stock_pools;
create policy "members read the stock pools" on public.stock_pools
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.stock_pools to authenticated;

drop policy if exists "members read their colleagues" on public.members;
create policy "members read their colleagues" on public.members
    for select to authenticated using ((select private.my_role()) is not null);
grant select (id, user_id, staff_no, display_name, role, skills, approval_limit, duty_lead_until, state, locale,
              home_seen_at, version, created_at) on public.members to authenticated;

drop policy if exists "members read who works for their shops" on public.member_shops;
create policy "members read who works for their shops" on public.member_shops
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.member_shops to authenticated;

drop policy if exists "managers and admins read the history of their shops" on public.audit_events;
create policy "managers and admins read the history of their shops" on public.audit_events
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and (shop_id is null or shop_id in (select private.my_shop_ids()))
    );
grant select on public.audit_events to authenticated;

-- Contacts: everything personal, encrypted by the app before it comes here --------------------------------------------

create sequence if not exists private.contact_ids;
create table if not exists private.contacts (
    id bigint primary key,
    kind text not null constraint contacts_kind_known check (kind in ('order', 'member', 'lead')),
    name_cipher text,
    phone_cipher text,
    address_cipher text,
    note_cipher text,
    wechat_cipher text,
    name_hash text,
    phone_hash text,
    phone_last4_hash text,
    wechat_hash text,
    email_hash text,
    created_at timestamptz not null default now(),
    constraint contacts_ciphers_only check (
        private.is_cipher(name_cipher) and private.is_cipher(phone_cipher) and private.is_cipher(address_cipher)
        and private.is_cipher(note_cipher) and private.is_cipher(wechat_cipher))
);
create index if not exists contacts_phone_hash_idx on private.contacts (phone_hash) where phone_hash is not null;
create index if not exists contacts_phone_last4_hash_idx on private.contacts (phone_last4_hash) where phone_last4_hash is not null;
create index if not exists contacts_name_hash_idx on private.contacts (name_hash) where name_hash is not null;
create index if not exists contacts_wechat_hash_idx on private.contacts (wechat_hash) where wechat_hash is not null;
create index if not exists contacts_email_hash_idx on private.contacts (email_hash) where email_hash is not null;
alter table private.contacts enable row level security;
comment on table private.contacts is
    'Names, phones, addresses, remarks: AES-GCM text made by the app (v1.<key>.<nonce>.<text>), key outside the database. Hashes are keyed blind indexes.';

create or replace function public.reserve_contact_ids(p_count integer) returns bigint[]
language plpgsql volatile security definer set search_path = '' as $$
begin
    perform private.require_actor();
    if p_count is null or p_count not between 1 and 5000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 5000}');
    end if;
    return array(select pg_catalog.nextval('private.contact_ids') from pg_catalog.generate_series(1, p_count));
end;
$$;
grant execute on function public.reserve_contact_ids(integer) to authenticated, service_role;
comment on function public.reserve_contact_ids(integer) is
    'Ids of contacts to come: the app binds each ciphertext to its row before it sends it. At most 5,000 (bulk.too_many).';
