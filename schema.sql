-- Assembled from backend/sql by `python -m backend.sql.build`; edit the parts, not this file.

-- ==== 00_guard.sql ====

-- Shopdesk: the whole database in one file.
--
-- Contents   00 guard · 10 private helpers · 20 people, sign-in, members · 30 clock · 36 calendars, rota · 37 channels, inbox
--            · 38 reminders · 39 policies · 40 stock · 50 orders · 51 imports · 52 rules · 53 review · 54 release
--            · 60 search · 70 words · 72 listings · 80 jobs · 85 keys · 90 screens · 99 reload
-- Apply      paste into the Supabase SQL editor; the embedded stack applies it itself. Runs as a non-superuser owner, on
--            Postgres 17 and 18 without extensions, as often as you like: functions, views, policies and grants are
--            replaced, tables change by numbered steps (private.schema_steps), each run once.
-- Schemas    `public` is the API: tables and views to read, functions (RPCs) to act. `private` is never exposed.
-- Rights     Nobody writes to a table through the API. anon may do nothing at all. `authenticated` reads what a policy
--            allows and calls RPCs; `service_role` calls the few RPCs named for it and reads no table.
-- Errors     PT4xx with a stable key as message and jsonb parameters as detail (backend/errors.py lists every key).
-- Time       Public RPCs use private.now(); private functions take p_now.

begin;
set local lock_timeout = '3s';
set local client_min_messages = 'warning';
set local check_function_bodies = off; -- a function may call one of a later section

do $$
begin
    if (select count(*) from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')) < 3 then
        raise exception 'schema.sql needs the roles anon, authenticated and service_role: apply it to a Supabase project, or start the embedded stack with "python -m backend local"';
    end if;
    if to_regclass('auth.users') is null then
        raise exception 'schema.sql needs the table auth.users of Supabase Auth';
    end if;
end;
$$;

create schema if not exists private;
revoke all on schema private from public, anon;
grant usage on schema private to authenticated; -- policies call helpers there; every other function stays without EXECUTE

-- From here on a new function or table belongs to nobody but its owner until a grant says otherwise.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke execute on functions from anon, authenticated, service_role;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
revoke all on all tables in schema public from anon, authenticated, service_role;
revoke all on all sequences in schema public from anon, authenticated, service_role;
revoke execute on all functions in schema public from public, anon, authenticated, service_role;
revoke execute on all functions in schema private from public, anon, authenticated, service_role;

-- Whatever is older than this line when the end is reached belongs to an earlier version (99).
create temporary table desk_apply (line integer) on commit drop;

-- ==== 10_private.sql ====

-- 10 ---------------------------------------------------------------------------------------------- private helpers

create table if not exists private.schema_steps (
    step text primary key,
    applied_at timestamptz not null default now()
);
alter table private.schema_steps enable row level security;
comment on table private.schema_steps is 'Numbered changes of tables and data that ran once on this database.';

create table if not exists private.deployments (
    part text primary key check (part in ('auth', 'secrets', 'functions', 'schedule')),
    digest text not null,
    deployed_at timestamptz not null default clock_timestamp()
);
alter table private.deployments enable row level security;
comment on table private.deployments is
    'What `python -m backend deploy` sent beside this schema, by digest: what has not changed is not sent again.';

create or replace function private.now() returns timestamptz
language sql stable set search_path = '' as $$ select pg_catalog.now() $$;
comment on function private.now() is 'The clock of the product. Only the embedded test stack replaces it.';

create or replace function private.fail(p_code text, p_key text, p_detail jsonb default '{}') returns void
language plpgsql immutable set search_path = '' as $$
begin
    raise exception using errcode = p_code, message = p_key, detail = p_detail::text;
end;
$$;
comment on function private.fail(text, text, jsonb) is
    'Refuses the request: PT4xx, a stable key, parameters. The sentence is built by the client in the user''s language.';

create or replace function private.as_json(p_value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case when pg_catalog.jsonb_typeof(p_value) = 'string' then private.parsed_json(p_value #>> '{}') else p_value end
$$;
comment on function private.as_json(jsonb) is 'Supabase Lite hands jsonb arrays over as a jsonb string; hosted does not. request.bad_value.';

create or replace function private.parsed_json(p_text text) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return p_text::jsonb;
exception when data_exception then
    perform private.fail('PT422', 'request.bad_value');
end;
$$;
comment on function private.parsed_json(text) is 'A text that claims to be JSON: request.bad_value when it is not.';

create or replace function private.is_id(p_text text) returns boolean
language sql immutable set search_path = '' as $$ select coalesce(p_text ~ '^[0-9]{1,18}$', false) $$;
comment on function private.is_id(text) is 'A number that fits bigint: what a hand-made request calls an id is checked before it is cast.';

create or replace function private.as_items(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    v_items jsonb := private.as_json(p_value);
begin
    if v_items is null or jsonb_typeof(v_items) = 'null' then
        return null;
    elsif jsonb_typeof(v_items) <> 'array' or exists (select from jsonb_array_elements(v_items) i
        where jsonb_typeof(i) <> 'object' or not private.is_id(i ->> 'id')
           or coalesce(i ->> 'version', '0') !~ '^[0-9]{1,9}$') then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    return v_items;
end;
$$;
comment on function private.as_items(jsonb) is 'Records that a request names: [{id, version, …}], null stays null. request.bad_value.';

create or replace function private.as_ids(p_value jsonb) returns bigint[]
language plpgsql immutable set search_path = '' as $$
declare
    v_ids jsonb := private.as_json(p_value);
begin
    if coalesce(jsonb_typeof(v_ids), 'null') <> 'array'
        or exists (select from jsonb_array_elements_text(v_ids) i where not private.is_id(i)) then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    return array(select i::bigint from jsonb_array_elements_text(v_ids) i);
end;
$$;
comment on function private.as_ids(jsonb) is 'Ids that a request names: [1, 2]. request.bad_value.';

create or replace function private.as_filter(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    v_filter jsonb := coalesce(private.as_json(p_value), '{}');
begin
    if jsonb_typeof(v_filter) <> 'object' or exists (select from jsonb_each_text(v_filter) f
        where (f.key = 'shop_id' and not private.is_id(f.value))
           or (f.key = 'after' and jsonb_typeof(v_filter -> 'after') <> 'object' and not private.is_id(f.value))
           or (f.key in ('amount_min', 'amount_max') and f.value !~ '^[0-9]{1,12}(\.[0-9]{1,4})?$')) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return v_filter;
end;
$$;
comment on function private.as_filter(jsonb) is 'Filters of a list {shop_id, amount_min, amount_max, after, …} whose numbers are numbers. filter.bad.';

create or replace function private.sha256(p_text text) returns text
language sql immutable strict set search_path = '' as $$
    select pg_catalog.translate(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p_text, 'utf8')), 'hex'),
        '0123456789', 'ghijklmnop')
$$;
comment on function private.sha256(text) is 'SHA-256 in the letters a to p, as the app writes it: in a dump, digits in a row could be taken for a phone number.';

-- The three checks below run for every row of an import: plpgsql starts faster than sql, and a regular expression that
-- counts ({16}) is five times slower than a length.

create or replace function private.is_cipher(p_text text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
    return p_text is null or (p_text ~ '^v1(\.[A-Za-z0-9_-]+){3}$' and length(split_part(p_text, '.', 2)) <= 16
        and length(split_part(p_text, '.', 3)) = 16 and length(split_part(p_text, '.', 4)) >= 22);
end;
$$;
comment on function private.is_cipher(text) is
    'Null or v1.<key id>.<nonce of 12 bytes>.<text and tag of 16 bytes or more>, base64url: nothing a person could read.';

create or replace function private.is_masked(p_name text, p_phone text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
    return (coalesce(p_name, '') = '' or (p_name like '%*%' and pg_catalog.char_length(pg_catalog.replace(p_name, '*', '')) <= 2))
       and (coalesce(p_phone, '') = '' or (p_phone !~ '[^0-9*+ -]' and pg_catalog.char_length(p_phone) <= 20
           and pg_catalog.char_length(pg_catalog.translate(p_phone, '*+ -', '')) <= 7));
end;
$$;
comment on function private.is_masked(text, text) is '张** and 138****5678: at most two letters of a name, at most seven digits of a phone.';

create or replace function private.is_region(p_text text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
    return p_text is null or (pg_catalog.char_length(p_text) <= 30 and p_text !~ '[0-9]');
end;
$$;
comment on function private.is_region(text) is 'The name of a division: short and without figures, so no street address.';

-- Who acts ------------------------------------------------------------------------------------------------------------

do $$
begin
    if to_regtype('private.actor') is null then
        create type private.actor as (
            member_id bigint, role text, skills text[], is_duty_lead boolean, approval_limit numeric
        );
    end if;
end;
$$;
comment on type private.actor is 'The member behind a request; member_id null and role system for the service key.';

-- Repeated requests ---------------------------------------------------------------------------------------------------

create table if not exists private.requests (
    actor text not null,
    request_id text not null,
    rpc text not null,
    args_hash text not null,
    answer jsonb,
    created_at timestamptz not null default now(),
    primary key (actor, request_id)
);
create index if not exists requests_created_at_idx on private.requests (created_at);
alter table private.requests enable row level security;
comment on table private.requests is 'Answers of write RPCs, kept 7 days: the same request twice does its work once. Ids are hashed to letters: no digits that read like a phone.';

create or replace function private.request_actor() returns text
language sql stable set search_path = '' as $$
    select coalesce((select auth.uid())::text, pg_catalog.current_setting('role', true), 'owner')
$$;

create or replace function private.begin_request(p_request_id uuid, p_rpc text, p_args jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_hash text := private.sha256(coalesce(p_args::text, ''));
    v_seen private.requests;
begin
    if p_request_id is null then
        perform private.fail('PT422', 'request.id_missing');
    end if;
    insert into private.requests (actor, request_id, rpc, args_hash)
    values (private.request_actor(), private.sha256(p_request_id::text), p_rpc, v_hash)
    on conflict do nothing;
    if found then
        return null;
    end if;
    select * into v_seen from private.requests where actor = private.request_actor() and request_id = private.sha256(p_request_id::text);
    if v_seen.rpc <> p_rpc or v_seen.args_hash <> v_hash then
        perform private.fail('PT409', 'request.reused', pg_catalog.jsonb_build_object('rpc', v_seen.rpc));
    end if;
    return v_seen.answer;
end;
$$;
comment on function private.begin_request(uuid, text, jsonb) is
    'Null for a new request; the stored answer for a repeated one; request.reused when the arguments differ.';

create or replace function private.finish_request(p_request_id uuid, p_answer jsonb) returns jsonb
language sql set search_path = '' as $$
    update private.requests set answer = p_answer
    where actor = private.request_actor() and request_id = private.sha256(p_request_id::text)
    returning answer
$$;

-- History -------------------------------------------------------------------------------------------------------------

create table if not exists public.audit_events (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    member_id bigint,
    actor text not null,
    shop_id bigint,
    entity text not null,
    entity_id bigint,
    action text not null,
    detail jsonb not null default '{}'
);
create index if not exists audit_events_entity_idx on public.audit_events (entity, entity_id, id);
create index if not exists audit_events_at_idx on public.audit_events (at);
create index if not exists audit_events_shop_id_idx on public.audit_events (shop_id, at desc, id desc);
create index if not exists audit_events_member_id_idx on public.audit_events (member_id, at);
alter table public.audit_events enable row level security;
comment on table public.audit_events is
    '操作留痕: who did what, when, to which record. Append-only, kept at least three years; never holds personal data.';

create or replace function private.tg_append_only() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_op = 'DELETE' and old.at < pg_catalog.now() - interval '3 years' then
        return old;
    end if;
    raise exception using errcode = 'PT403', message = 'history.append_only';
end;
$$;
comment on function private.tg_append_only() is 'History cannot be changed; retention may drop rows older than three years.';
create or replace trigger t10_append_only before update or delete on public.audit_events
    for each row execute function private.tg_append_only();

create or replace function private.audit(
    p_me private.actor, p_shop_id bigint, p_entity text, p_entity_id bigint, p_action text, p_detail jsonb default '{}'
) returns void
language sql set search_path = '' as $$
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    values (private.now(), (p_me).member_id, coalesce((p_me).role, 'system'), p_shop_id, p_entity, p_entity_id,
            p_action, coalesce(p_detail, '{}'))
$$;

-- Settings of the installation ----------------------------------------------------------------------------------------

create table if not exists private.settings (
    key text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now()
);
alter table private.settings enable row level security;
comment on table private.settings is 'Small facts of the installation: check versions, first-admin code, demo marks.';

create or replace function private.touch_version() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.version := old.version + 1;
    new.updated_at := private.now();
    return new;
end;
$$;
comment on function private.touch_version() is 'Every change raises version: the second of two editors is refused.';

-- ==== 20_people.sql ====

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

-- ==== 21_sign_in.sql ====

-- 21 ------------------------------------------------------- accounts: invitations, the first person, sessions, sign-in

-- Logins and invitations ----------------------------------------------------------------------------------------------

create table if not exists private.member_logins (
    member_id bigint primary key references public.members,
    login_email text constraint member_logins_email_unique unique,
    auth_email text not null constraint member_logins_auth_email_unique unique
);
alter table private.member_logins enable row level security;
comment on table private.member_logins is
    'How a person signs in. auth_email is synthetic and new at each password reset: Supabase Auth never sees or mails a real address.';

create table if not exists private.invitations (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    token_hash text not null constraint invitations_token_unique unique,
    expires_at timestamptz not null,
    used_at timestamptz,
    created_by bigint references public.members,
    created_at timestamptz not null default now()
);
create index if not exists invitations_member_id_idx on private.invitations (member_id);
create index if not exists invitations_created_by_idx on private.invitations (created_by);
alter table private.invitations enable row level security;
comment on table private.invitations is 'One-time codes (32 random bytes, only the hash is kept, 7 days) that open or renew a member''s account.';

create or replace function private.new_auth_email() returns text
language sql volatile set search_path = '' as $$
    select 'm' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '') || '@members.shopdesk.internal'
$$;

create or replace function private.invite(p_member_id bigint, p_token_hash text, p_by bigint) returns void
language plpgsql set search_path = '' as $$
begin
    if p_token_hash !~ '^[a-p]{64}$' then
        perform private.fail('PT422', 'invitation.form');
    end if;
    update private.invitations set used_at = private.now() where member_id = p_member_id and used_at is null;
    insert into private.invitations (member_id, token_hash, expires_at, created_by)
    values (p_member_id, p_token_hash, private.now() + interval '7 days', p_by);
    insert into private.member_logins (member_id, auth_email) values (p_member_id, private.new_auth_email())
    on conflict (member_id) do update set auth_email = excluded.auth_email;
end;
$$;
comment on function private.invite(bigint, text, bigint) is
    'A fresh one-time code and a fresh synthetic address; earlier codes end. The old account of a reset member reads nothing any more.';

create or replace function private.tg_sign_up() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    v_meta jsonb := private.as_json(pg_catalog.to_jsonb(new.raw_user_meta_data));
    v_member_id bigint;
begin
    update private.invitations i set used_at = private.now()
    from private.member_logins l, public.members m
    where i.token_hash = private.sha256(v_meta ->> 'invitation_token')
      and i.used_at is null and i.expires_at > private.now()
      and l.member_id = i.member_id and l.auth_email = new.email
      and m.id = i.member_id and m.state <> 'off'
    returning i.member_id into v_member_id;
    if v_member_id is null then
        perform private.fail('PT403', 'invitation.invalid');
    end if;
    update public.members set user_id = new.id, state = 'active' where id = v_member_id;
    new.raw_user_meta_data := '{}';
    insert into public.audit_events (at, member_id, actor, entity, entity_id, action)
    values (private.now(), v_member_id, 'member', 'member', v_member_id, 'signed_up');
    return new;
end;
$$;
comment on function private.tg_sign_up() is
    'Accounts exist by invitation only: Supabase Auth may insert a user only with a valid one-time token and the address issued with it.';
create or replace trigger t10_desk_sign_up before insert on auth.users
    for each row execute function private.tg_sign_up();

create or replace function public.invitation_open(p_token_hash text) returns jsonb
language sql stable security definer set search_path = '' as $$
    select pg_catalog.jsonb_build_object('auth_email', l.auth_email, 'display_name', m.display_name,
        'staff_no', m.staff_no, 'locale', m.locale)
    from private.invitations i
    join private.member_logins l on l.member_id = i.member_id
    join public.members m on m.id = i.member_id
    where i.token_hash = p_token_hash and i.used_at is null and i.expires_at > private.now() and m.state <> 'off'
$$;
grant execute on function public.invitation_open(text) to service_role;
comment on function public.invitation_open(text) is 'Service: who a one-time code is for, and the address to sign up with; null when it is used, expired or unknown.';

-- The first person ----------------------------------------------------------------------------------------------------

create or replace function public.first_admin_code(p_code_hash text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
    if exists (select from public.members) then
        return false;
    end if;
    insert into private.settings (key, value) values ('first_admin_code', pg_catalog.to_jsonb(p_code_hash))
    on conflict (key) do update set value = excluded.value, updated_at = private.now();
    return true;
end;
$$;
grant execute on function public.first_admin_code(text) to service_role;
comment on function public.first_admin_code(text) is 'Service: stores the hash of the code printed on the console; false once anybody is a member.';

create or replace function public.first_admin(p_code_hash text, p_display_name text, p_staff_no text, p_token_hash text)
returns bigint
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_id bigint;
begin
    lock table public.members in share row exclusive mode;
    if exists (select from public.members) then
        perform private.fail('PT409', 'first_admin.taken');
    end if;
    if not exists (select from private.settings where key = 'first_admin_code' and value #>> '{}' = p_code_hash) then
        perform private.fail('PT403', 'first_admin.code');
    end if;
    insert into public.members (display_name, staff_no, role) values (p_display_name, p_staff_no, 'admin')
    returning id into v_id;
    perform private.invite(v_id, p_token_hash, null);
    delete from private.settings where key = 'first_admin_code';
    insert into public.stock_pools (name, is_default) values ('默认库存', true) on conflict do nothing;
    return v_id;
end;
$$;
grant execute on function public.first_admin(text, text, text, text) to service_role;
comment on function public.first_admin(text, text, text, text) is
    'Service: with the console code the first person becomes admin. first_admin.taken, first_admin.code.';

-- Web sessions: opaque cookie outside, tokens (encrypted by the app) inside -------------------------------------------

create table if not exists private.web_sessions (
    sid_hash text primary key,
    user_id uuid not null,
    access_cipher text not null,
    refresh_cipher text not null,
    access_expires_at timestamptz not null,
    is_own_device boolean not null,
    refresh_lease_until timestamptz,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null
);
create index if not exists web_sessions_user_id_idx on private.web_sessions (user_id, last_seen_at desc);
create index if not exists web_sessions_expires_at_idx on private.web_sessions (expires_at);
alter table private.web_sessions enable row level security;
comment on table private.web_sessions is 'Signed-in browsers. Own device 30 days; shared machine 12 h and locked after 60 idle minutes.';

create or replace function public.session_open(
    p_sid_hash text, p_user_id uuid, p_access_cipher text, p_refresh_cipher text, p_access_expires_at timestamptz,
    p_is_own_device boolean
) returns void
language sql volatile security definer set search_path = '' as $$
    delete from private.web_sessions where expires_at < private.now();
    insert into private.web_sessions values (
        p_sid_hash, p_user_id, p_access_cipher, p_refresh_cipher, p_access_expires_at, p_is_own_device, null,
        private.now(), private.now(),
        private.now() + case when p_is_own_device then interval '30 days' else interval '12 hours' end);
$$;
grant execute on function public.session_open(text, uuid, text, text, timestamptz, boolean) to service_role;
comment on function public.session_open(text, uuid, text, text, timestamptz, boolean) is 'Service: a browser signed in.';

create or replace function public.session_read(p_sid_hash text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_now timestamptz := private.now();
    v_session private.web_sessions;
begin
    select s.* into v_session from private.web_sessions s
    join public.members m on m.user_id = s.user_id and m.state = 'active'
    where s.sid_hash = p_sid_hash and s.expires_at > v_now;
    if not found then
        return null;
    end if;
    if not v_session.is_own_device and v_session.last_seen_at < v_now - interval '60 minutes' then
        delete from private.web_sessions where sid_hash = p_sid_hash;
        return pg_catalog.jsonb_build_object('locked', true);
    end if;
    if v_session.last_seen_at < v_now - interval '1 minute' then
        update private.web_sessions set last_seen_at = v_now where sid_hash = p_sid_hash;
    end if;
    return pg_catalog.to_jsonb(v_session) - 'sid_hash';
end;
$$;
grant execute on function public.session_read(text) to service_role;
comment on function public.session_read(text) is
    'Service: the session behind a cookie; null when ended or its member is not active; {"locked": true} when a shared machine idled.';

create or replace function public.session_lease(p_sid_hash text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
    update private.web_sessions set refresh_lease_until = private.now() + interval '15 seconds'
    where sid_hash = p_sid_hash and (refresh_lease_until is null or refresh_lease_until < private.now());
    return found;
end;
$$;
grant execute on function public.session_lease(text) to service_role;
comment on function public.session_lease(text) is 'Service: true for the one replica that may refresh this session''s tokens now.';

create or replace function public.session_renew(
    p_sid_hash text, p_access_cipher text, p_refresh_cipher text, p_access_expires_at timestamptz
) returns void
language sql volatile security definer set search_path = '' as $$
    update private.web_sessions
    set access_cipher = p_access_cipher, refresh_cipher = p_refresh_cipher,
        access_expires_at = p_access_expires_at, refresh_lease_until = null
    where sid_hash = p_sid_hash;
$$;
grant execute on function public.session_renew(text, text, text, timestamptz) to service_role;
comment on function public.session_renew(text, text, text, timestamptz) is 'Service: stores refreshed tokens and ends the lease.';

create or replace function public.session_close(p_sid_hash text, p_everywhere boolean default false) returns void
language sql volatile security definer set search_path = '' as $$
    delete from private.web_sessions s
    where s.sid_hash = p_sid_hash
       or (p_everywhere and s.user_id = (select o.user_id from private.web_sessions o where o.sid_hash = p_sid_hash));
$$;
grant execute on function public.session_close(text, boolean) to service_role;
comment on function public.session_close(text, boolean) is 'Service: signs this browser out, or every browser of the same person.';

-- Sign-in: staff number or e-mail to the synthetic address, slowed down after failures --------------------------------

create table if not exists private.sign_in_failures (
    id bigint generated always as identity primary key,
    login_hash text not null,
    source_hash text not null,
    at timestamptz not null
);
create index if not exists sign_in_failures_login_idx on private.sign_in_failures (login_hash, at);
create index if not exists sign_in_failures_source_idx on private.sign_in_failures (source_hash, at);
create index if not exists sign_in_failures_at_idx on private.sign_in_failures (at);
alter table private.sign_in_failures enable row level security;
comment on table private.sign_in_failures is 'Failed sign-ins of the last day, by hash of login and of source address.';

create or replace function public.sign_in_begin(p_login text, p_source_hash text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_login text := pg_catalog.lower(pg_catalog.btrim(p_login));
    v_hash text := private.sha256(pg_catalog.lower(pg_catalog.btrim(p_login)));
    v_failures integer;
    v_last timestamptz;
    v_wait numeric;
begin
    select pg_catalog.count(*), pg_catalog.max(at) into v_failures, v_last from private.sign_in_failures
    where login_hash = v_hash and at > private.now() - interval '15 minutes';
    select greatest(v_failures, pg_catalog.count(*) / 6), greatest(v_last, pg_catalog.max(at)) into v_failures, v_last
    from private.sign_in_failures
    where source_hash = p_source_hash and at > private.now() - interval '15 minutes';
    v_wait := case when v_failures < 5 then 0
        else extract(epoch from (v_last + pg_catalog.make_interval(secs => least(900, 2 ^ (v_failures - 2))) - private.now())) end;
    return pg_catalog.jsonb_build_object(
        'wait_seconds', greatest(0, pg_catalog.ceil(coalesce(v_wait, 0))),
        'auth_email', coalesce(
            (select l.auth_email from private.member_logins l join public.members m on m.id = l.member_id
             where m.state = 'active' and (pg_catalog.lower(m.staff_no) = v_login or l.login_email = v_login)),
            'm' || pg_catalog.left(v_hash, 32) || '@members.shopdesk.internal'));
end;
$$;
grant execute on function public.sign_in_begin(text, text) to service_role;
comment on function public.sign_in_begin(text, text) is
    'Service: seconds to wait (doubling after five failures, at most 15 minutes) and the address to sign in with; unknown logins get one that cannot exist.';

create or replace function public.sign_in_end(p_login text, p_source_hash text, p_ok boolean) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_hash text := private.sha256(pg_catalog.lower(pg_catalog.btrim(p_login)));
begin
    delete from private.sign_in_failures where at < private.now() - interval '1 day' or (p_ok and login_hash = v_hash);
    if not p_ok then
        insert into private.sign_in_failures (login_hash, source_hash, at) values (v_hash, p_source_hash, private.now());
    end if;
end;
$$;
grant execute on function public.sign_in_end(text, text, boolean) to service_role;
comment on function public.sign_in_end(text, text, boolean) is 'Service: the outcome of a sign-in; success forgets the failures of that login.';

-- What a signed-in person does about himself --------------------------------------------------------------------------

create or replace function public.my_profile() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select pg_catalog.jsonb_build_object('id', m.id, 'display_name', m.display_name, 'staff_no', m.staff_no,
            'role', m.role, 'skills', m.skills, 'locale', m.locale, 'is_duty_lead', v_me.is_duty_lead,
            'approval_limit', m.approval_limit, 'home_seen_at', m.home_seen_at,
            'shops', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'code', s.code,
                'name', s.name, 'platform', s.platform, 'timezone', s.timezone) order by s.id)
                from public.shops s where s.is_active and s.id in (select private.my_shop_ids())), '[]'))
        from public.members m where m.id = v_me.member_id);
end;
$$;
grant execute on function public.my_profile() to authenticated;
comment on function public.my_profile() is 'Who I am: name, role, skills, shops. One request at the start of each run. member.none.';

create or replace function public.set_my_locale(p_locale text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_locale is null or p_locale not in ('zh-CN', 'en') then
        perform private.fail('PT422', 'locale.unknown');
    end if;
    update public.members set locale = p_locale where id = v_me.member_id and locale <> p_locale;
end;
$$;
grant execute on function public.set_my_locale(text) to authenticated;
comment on function public.set_my_locale(text) is 'My language: zh-CN or en (locale.unknown).';

create or replace function public.home_seen() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    update public.members set home_seen_at = private.now() where id = v_me.member_id;
end;
$$;
grant execute on function public.home_seen() to authenticated;
comment on function public.home_seen() is 'Marks "since I was last here" on Home.';

-- ==== 25_members.sql ====

-- 25 ------------------------------------------------------------------------------------ the admin's page: members, shops

create or replace function public.list_members() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin', 'manager']);
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
            'id', m.id, 'display_name', m.display_name, 'staff_no', m.staff_no, 'login_email', l.login_email,
            'role', m.role, 'skills', m.skills, 'approval_limit', m.approval_limit, 'state', m.state,
            'duty_lead_until', m.duty_lead_until, 'version', m.version,
            'shops', coalesce((select pg_catalog.jsonb_agg(s.code order by s.id) from public.member_shops ms
                join public.shops s on s.id = ms.shop_id where ms.member_id = m.id), '[]'),
            'invited_until', (select pg_catalog.max(i.expires_at) from private.invitations i
                where i.member_id = m.id and i.used_at is null),
            'last_seen_at', (select pg_catalog.max(w.last_seen_at) from private.web_sessions w where w.user_id = m.user_id)
        ) order by m.state = 'off', m.id), '[]')
        from public.members m left join private.member_logins l on l.member_id = m.id);
end;
$$;
grant execute on function public.list_members() to authenticated;
comment on function public.list_members() is 'Admin and manager: everybody with shops, open invitation and last activity.';

create or replace function private.set_member_shops(p_member_id bigint, p_codes jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    v_unknown text;
begin
    select c into v_unknown from pg_catalog.jsonb_array_elements_text(coalesce(p_codes, '[]')) c
    where not exists (select from public.shops where code = c) limit 1;
    if v_unknown is not null then
        perform private.fail('PT422', 'shop.unknown_code', pg_catalog.jsonb_build_object('code', v_unknown));
    end if;
    delete from public.member_shops where member_id = p_member_id;
    insert into public.member_shops (member_id, shop_id)
    select p_member_id, s.id from public.shops s
    where s.code in (select pg_catalog.jsonb_array_elements_text(coalesce(p_codes, '[]')));
end;
$$;

create or replace function private.check_member(p_person jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if coalesce(p_person ->> 'role', '') not in ('agent', 'warehouse', 'operations', 'analyst', 'manager', 'admin') then
        perform private.fail('PT422', 'member.bad_role', pg_catalog.jsonb_build_object('name', p_person ->> 'display_name'));
    end if;
    if coalesce(p_person ->> 'staff_no', '') !~ '^[A-Za-z0-9_-]{1,20}$' then
        perform private.fail('PT422', 'member.bad_staff_no', pg_catalog.jsonb_build_object('name', p_person ->> 'display_name'));
    end if;
    if pg_catalog.char_length(coalesce(p_person ->> 'display_name', '')) not between 1 and 40 then
        perform private.fail('PT422', 'member.bad_name', pg_catalog.jsonb_build_object('staff_no', p_person ->> 'staff_no'));
    end if;
    if not coalesce(array(select pg_catalog.jsonb_array_elements_text(coalesce(p_person -> 'skills', '[]'))), '{}')
        <@ array['presales', 'aftersales', 'review'] then
        perform private.fail('PT422', 'member.bad_skill', pg_catalog.jsonb_build_object('staff_no', p_person ->> 'staff_no'));
    end if;
    if coalesce(p_person ->> 'approval_limit', '0') !~ '^[0-9]{1,8}(\.[0-9]{1,2})?$' then
        perform private.fail('PT422', 'member.bad_limit', pg_catalog.jsonb_build_object('staff_no', p_person ->> 'staff_no'));
    end if;
end;
$$;

create or replace function private.add_member(p_me private.actor, p_person jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
begin
    perform private.check_member(p_person);
    if p_person #> '{contact,id}' is not null and not (private.is_id(p_person #>> '{contact,id}')
        and private.is_reserved((p_person #>> '{contact,id}')::bigint)) then
        perform private.fail('PT422', 'contact.form');
    elsif exists (select from private.contacts where id = (p_person #>> '{contact,id}')::bigint) then
        perform private.fail('PT409', 'contact.taken');
    end if;
    insert into public.members (display_name, staff_no, role, skills, approval_limit, contact_id)
    values (p_person ->> 'display_name', p_person ->> 'staff_no', p_person ->> 'role',
        array(select pg_catalog.jsonb_array_elements_text(coalesce(p_person -> 'skills', '[]'))),
        coalesce((p_person ->> 'approval_limit')::numeric, 0), (p_person #>> '{contact,id}')::bigint)
    on conflict (staff_no) do nothing
    returning id into v_id;
    if v_id is null then
        perform private.fail('PT409', 'member.staff_no_taken', pg_catalog.jsonb_build_object('staff_no', p_person ->> 'staff_no'));
    end if;
    if p_person #>> '{contact,id}' is not null then
        insert into private.contacts (id, kind, phone_cipher, phone_hash)
        values ((p_person #>> '{contact,id}')::bigint, 'member', p_person #>> '{contact,phone}', p_person #>> '{contact,phone_hash}');
    end if;
    perform private.set_member_shops(v_id, p_person -> 'shops');
    perform private.invite(v_id, p_person ->> 'token_hash', (p_me).member_id);
    update private.member_logins set login_email = pg_catalog.lower(nullif(p_person ->> 'login_email', '')) where member_id = v_id;
    perform private.audit(p_me, null, 'member', v_id, 'invited', pg_catalog.jsonb_build_object('role', p_person ->> 'role'));
    return v_id;
exception when unique_violation then
    perform private.fail('PT409', 'member.email_taken', pg_catalog.jsonb_build_object('staff_no', p_person ->> 'staff_no'));
end;
$$;

create or replace function public.invite_members(p_people jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['admin']);
    v_people jsonb := private.as_json(p_people);
    v_answer jsonb := private.begin_request(p_request_id, 'invite_members', v_people);
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if pg_catalog.jsonb_typeof(v_people) is distinct from 'array' or pg_catalog.jsonb_array_length(v_people) not between 1 and 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'id', private.add_member(v_me, p.value), 'staff_no', p.value ->> 'staff_no') order by p.ordinality)
    into v_answer from pg_catalog.jsonb_array_elements(v_people) with ordinality p;
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.invite_members(jsonb, uuid) to authenticated, service_role;
comment on function public.invite_members(jsonb, uuid) is
    'Admin: adds people [{display_name, staff_no, login_email, role, skills, shops, approval_limit, contact, token_hash}], all or none. member.bad_*, member.staff_no_taken, member.email_taken, contact.form, contact.taken, shop.unknown_code.';

create or replace function private.member_for_change(p_id bigint, p_version integer) returns public.members
language plpgsql set search_path = '' as $$
declare
    v_member public.members;
begin
    perform from public.members where role = 'admin' and state = 'active' order by id for update;
    select * into v_member from public.members where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'member.unknown');
    end if;
    if v_member.version is distinct from p_version then
        perform private.fail('PT409', 'member.stale', pg_catalog.jsonb_build_object('id', p_id));
    end if;
    return v_member;
end;
$$;

create or replace function private.keep_an_admin() returns void
language plpgsql set search_path = '' as $$
begin
    if not exists (select from public.members where role = 'admin' and state = 'active') then
        perform private.fail('PT409', 'member.last_admin');
    end if;
end;
$$;

create or replace function public.change_member(p_id bigint, p_version integer, p_change jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'change_member', pg_catalog.jsonb_build_array(p_id, p_version, p_change));
    v_old public.members;
    v_new jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_old := private.member_for_change(p_id, p_version);
    v_new := pg_catalog.jsonb_build_object('display_name', v_old.display_name, 'staff_no', v_old.staff_no, 'role', v_old.role,
        'skills', v_old.skills, 'approval_limit', v_old.approval_limit) || private.as_json(p_change);
    perform private.check_member(v_new);
    if exists (select from public.members where staff_no = v_new ->> 'staff_no' and id <> p_id) then
        perform private.fail('PT409', 'member.staff_no_taken', pg_catalog.jsonb_build_object('staff_no', v_new ->> 'staff_no'));
    end if;
    update public.members set display_name = v_new ->> 'display_name', staff_no = v_new ->> 'staff_no', role = v_new ->> 'role',
        skills = array(select pg_catalog.jsonb_array_elements_text(v_new -> 'skills')),
        approval_limit = (v_new ->> 'approval_limit')::numeric
    where id = p_id;
    if v_new ? 'shops' then
        perform private.set_member_shops(p_id, v_new -> 'shops');
    end if;
    if v_old.role = 'admin' and v_old.state = 'active' then
        perform private.keep_an_admin();
    end if;
    perform private.audit(v_me, null, 'member', p_id, 'changed', pg_catalog.jsonb_build_object('role', v_new ->> 'role'));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.change_member(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.change_member(bigint, integer, jsonb, uuid) is
    'Admin: changes name, staff number, role, skills, limit, shops. Works from the member''s next request. member.stale, member.last_admin, member.bad_*.';

create or replace function public.renew_invitation(p_id bigint, p_version integer, p_token_hash text, p_request_id uuid)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'renew_invitation', pg_catalog.jsonb_build_array(p_id, p_version, p_token_hash));
    v_old public.members;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_old := private.member_for_change(p_id, p_version);
    if v_old.state = 'off' then
        perform private.fail('PT409', 'member.is_off');
    end if;
    perform private.invite(p_id, p_token_hash, v_me.member_id);
    delete from private.web_sessions where user_id = v_old.user_id;
    update public.members set user_id = null, state = 'invited' where id = p_id;
    perform private.keep_an_admin();
    perform private.audit(v_me, null, 'member', p_id, 'password_reset');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.renew_invitation(bigint, integer, text, uuid) to authenticated;
comment on function public.renew_invitation(bigint, integer, text, uuid) is
    'Admin: resets a password, or sends a new code. The old account stops reading at once; the person opens a new one with the code. member.last_admin, member.is_off.';

create or replace function public.switch_member(p_id bigint, p_version integer, p_on boolean, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'switch_member', pg_catalog.jsonb_build_array(p_id, p_version, p_on));
    v_old public.members;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_old := private.member_for_change(p_id, p_version);
    update public.members
    set state = case when not p_on then 'off' when user_id is null then 'invited' else 'active' end
    where id = p_id;
    if not p_on then
        delete from private.web_sessions where user_id = v_old.user_id;
        perform private.give_back_all(p_id, private.now());
    end if;
    perform private.keep_an_admin();
    perform private.audit(v_me, null, 'member', p_id, case when p_on then 'switched_on' else 'switched_off' end);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.switch_member(bigint, integer, boolean, uuid) to authenticated;
comment on function public.switch_member(bigint, integer, boolean, uuid) is
    'Admin: switches a member off (effective at the next request, claimed work goes back) or on. member.last_admin.';

create or replace function public.set_duty_lead(p_id bigint, p_until timestamptz, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'set_duty_lead', pg_catalog.jsonb_build_array(p_id, p_until));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_until > private.now() + interval '24 hours' then
        perform private.fail('PT422', 'duty_lead.too_long');
    end if;
    update public.members set duty_lead_until = p_until where id = p_id and state = 'active' and id <> v_me.member_id;
    if not found then
        perform private.fail('PT404', 'member.unknown');
    end if;
    perform private.audit(v_me, null, 'member', p_id, 'duty_lead', pg_catalog.jsonb_build_object('until', p_until));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.set_duty_lead(bigint, timestamptz, uuid) to authenticated;
comment on function public.set_duty_lead(bigint, timestamptz, uuid) is
    '当班主管: a manager names somebody else for at most 24 hours, or ends it with null. duty_lead.too_long, member.unknown.';

-- An only admin who lost the password ---------------------------------------------------------------------------------

create or replace function public.service_recover_admin(p_staff_no text, p_token_hash text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_admin public.members;
begin
    select * into v_admin from public.members
    where role = 'admin' and state <> 'off' and staff_no = p_staff_no for update;
    if not found then
        perform private.fail('PT404', 'recover.none', pg_catalog.jsonb_build_object('admins', (
            select pg_catalog.string_agg(staff_no, ', ' order by id) from public.members where role = 'admin' and state <> 'off')));
    end if;
    perform private.invite(v_admin.id, p_token_hash, null);
    delete from private.web_sessions where user_id = v_admin.user_id;
    update public.members set user_id = null, state = 'invited' where id = v_admin.id;
    perform private.audit(v_me, null, 'member', v_admin.id, 'recovered');
    return pg_catalog.jsonb_build_object('id', v_admin.id, 'display_name', v_admin.display_name);
end;
$$;
grant execute on function public.service_recover_admin(text, text) to service_role;
comment on function public.service_recover_admin(text, text) is
    'Service: a one-time code for an admin who lost the password; who may run doctor on the server may have it. The old account stops reading at once. recover.none (staff numbers of the admins).';

-- Shops ---------------------------------------------------------------------------------------------------------------

alter table public.shops add column if not exists wait_hours integer not null default 24
    constraint shops_wait_hours_range check (wait_hours between 1 and 720);
comment on column public.shops.wait_hours is
    '等待客户: after so many hours without an answer the exception is open again and its deadline runs on (24: product decision).';

create or replace function private.ensure_shop(p_code text, p_name text, p_platform text) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
begin
    insert into public.stock_pools (name, is_default) select '默认库存', true
    where not exists (select from public.stock_pools where is_default) on conflict do nothing;
    insert into public.shops (code, name, platform, stock_pool_id)
    values (p_code, p_name, p_platform, (select id from public.stock_pools where is_default))
    on conflict (code) do nothing
    returning id into v_id;
    return coalesce(v_id, (select id from public.shops where code = p_code));
end;
$$;

create or replace function public.save_shop(p_id bigint, p_version integer, p_shop jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'save_shop', pg_catalog.jsonb_build_array(p_id, p_version, p_shop));
    v_shop jsonb := private.as_json(p_shop);
    v_id bigint := p_id;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_id is null then
        if exists (select from public.shops where code = v_shop ->> 'code') then
            perform private.fail('PT409', 'shop.code_taken', pg_catalog.jsonb_build_object('code', v_shop ->> 'code'));
        end if;
        v_id := private.ensure_shop(v_shop ->> 'code', v_shop ->> 'name', v_shop ->> 'platform');
    end if;
    perform private.change_shop(v_id, case when p_id is not null then p_version end, v_shop);
    perform private.audit(v_me, v_id, 'shop', v_id, case when p_id is null then 'created' else 'changed' end, v_shop);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_id));
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'shop.bad_value');
end;
$$;
grant execute on function public.save_shop(bigint, integer, jsonb, uuid) to authenticated, service_role;
comment on function public.save_shop(bigint, integer, jsonb, uuid) is
    'Admin: adds a shop (p_id null) or changes one: code, name, platform, timezone, review_limit, wait_hours, is_active. shop.code_taken, shop.stale, shop.bad_value.';

create or replace function private.change_shop(p_id bigint, p_version integer, p_shop jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    if p_shop ? 'timezone' and not exists (select from pg_catalog.pg_timezone_names where name = p_shop ->> 'timezone') then
        perform private.fail('PT422', 'shop.bad_timezone');
    end if;
    update public.shops set
        name = coalesce(p_shop ->> 'name', name), timezone = coalesce(p_shop ->> 'timezone', timezone),
        review_limit = coalesce((p_shop ->> 'review_limit')::numeric, review_limit),
        wait_hours = coalesce((p_shop ->> 'wait_hours')::integer, wait_hours),
        is_active = coalesce((p_shop ->> 'is_active')::boolean, is_active)
    where id = p_id and (p_version is null or version = p_version);
    if not found then
        perform private.fail('PT409', 'shop.stale', pg_catalog.jsonb_build_object('id', p_id));
    end if;
end;
$$;

-- ==== 30_clock.sql ====

-- 30 ------------------------------------------------------------------------------- the clock: calendars, policies, clocks
--
-- Minutes of a day are counted from its 00:00: 480 is 08:00, 1440 is 24:00, 1800 is 06:00 of the next day. So a shift to
-- 24:00 or across midnight is an ordinary range, and it belongs to the day on which it begins.

create table if not exists public.calendars (
    id bigint generated always as identity primary key,
    code text not null constraint calendars_code_unique unique
        constraint calendars_code_form check (code ~ '^[a-z][a-z0-9_-]{0,29}$'),
    name text not null constraint calendars_name_length check (char_length(name) between 1 and 60),
    kind text not null default 'working' constraint calendars_kind_known check (kind in ('working', 'workdays', 'wall')),
    timezone text not null default 'Asia/Shanghai',
    follows_holidays boolean not null default false,
    is_active boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint calendars_wall_is_free check (kind <> 'wall' or not follows_holidays)
);
alter table public.calendars enable row level security;
comment on table public.calendars is
    '班次日历: when time counts. working: the hours of its shifts; workdays: whole days; wall: always.';
comment on column public.calendars.follows_holidays is
    'Closed on public holidays, open on make-up workdays, and without answer in a year whose list is not there yet.';
comment on column public.calendars.version is 'Raised by every change of the calendar, its shifts, its days, or a holiday list it follows.';

create table if not exists public.calendar_shifts (
    id bigint generated always as identity primary key,
    calendar_id bigint not null references public.calendars,
    name text not null default '',
    weekdays smallint[] not null constraint calendar_shifts_weekdays_iso
        check (cardinality(weekdays) > 0 and weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    opens smallint not null,
    closes smallint not null,
    constraint calendar_shifts_form check (opens between 0 and 1439 and closes > opens and closes <= opens + 1440)
);
create index if not exists calendar_shifts_calendar_id_idx on public.calendar_shifts (calendar_id);
alter table public.calendar_shifts enable row level security;
comment on table public.calendar_shifts is '班次: hours on weekdays (1 Monday … 7 Sunday), minutes from 00:00. Overlaps count once.';

create table if not exists public.calendar_days (
    calendar_id bigint not null references public.calendars,
    day date not null,
    hours int4multirange not null constraint calendar_days_hours_form check (
        isempty(hours) or coalesce(lower(hours) >= 0 and lower(hours) <= 1440 and upper(hours) <= 2880, false)),
    note text not null default '',
    primary key (calendar_id, day)
);
alter table public.calendar_days enable row level security;
comment on table public.calendar_days is 'A single date with its own hours (campaign night, short day); empty hours: closed. It beats shifts and holidays.';

create table if not exists public.holiday_years (
    year integer primary key constraint holiday_years_form check (year between 2000 and 2200),
    holidays date[] not null,
    makeup_workdays date[] not null,
    source text not null default '',
    updated_at timestamptz not null default now(),
    constraint holiday_years_days_differ check (not holidays && makeup_workdays),
    constraint holiday_years_dates_near check (
        make_date(year - 1, 12, 1) <= all (holidays || makeup_workdays)
        and make_date(year + 1, 1, 31) >= all (holidays || makeup_workdays))
);
alter table public.holiday_years enable row level security;
comment on table public.holiday_years is '节假日与调休上班日: the national list of a year. A year without a row is not maintained: nothing is guessed for it.';

create or replace function private.is_ladder(p_ladder jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_ladder) = 'array' and not exists (
        select from pg_catalog.jsonb_array_elements(case when pg_catalog.jsonb_typeof(p_ladder) = 'array' then p_ladder else '[]' end) s
        where not coalesce((s.value ? 'percent') <> (s.value ? 'minutes')
            and pg_catalog.jsonb_typeof(coalesce(s.value -> 'percent', s.value -> 'minutes')) = 'number'
            and coalesce((s.value ->> 'percent')::numeric between 0 and 1000, true)
            and pg_catalog.jsonb_typeof(s.value -> 'who') = 'array' and s.value -> 'who' <> '[]'
            and s.value -> 'who' <@ '["owner", "on_duty", "duty_lead", "manager", "warehouse"]'
            and s.value ->> 'action' in ('notify', 'to_pool', 'raise_priority'), false))
$$;
comment on function private.is_ladder(jsonb) is 'Whether a value is a list of escalation steps as sla_policies.ladder describes them.';

create or replace function private.is_conditions(p_conditions jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_conditions) = 'object' and not exists (
        select from pg_catalog.jsonb_each(case when pg_catalog.jsonb_typeof(p_conditions) = 'object' then p_conditions else '{}' end) c
        where pg_catalog.jsonb_typeof(c.value) <> 'array' or c.value = '[]'
           or pg_catalog.jsonb_path_exists(c.value, '$[*] ? (@.type() != "string")'))
$$;
comment on function private.is_conditions(jsonb) is 'Whether a value maps facts to lists of texts.';

create table if not exists public.sla_policies (
    id bigint generated always as identity primary key,
    code text not null constraint sla_policies_code_form check (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    name text not null constraint sla_policies_name_length check (char_length(name) between 1 and 60),
    applies_to text not null constraint sla_policies_applies_form check (applies_to ~ '^[a-z][a-z_]{0,29}$'),
    target text not null constraint sla_policies_target_form check (target ~ '^[a-z][a-z_]{0,29}$'),
    shop_id bigint references public.shops,
    conditions jsonb not null default '{}' constraint sla_policies_conditions_form check (private.is_conditions(conditions)),
    measure text not null constraint sla_policies_measure_known check (measure in ('wall', 'working', 'workdays')),
    calendar_id bigint references public.calendars,
    allowance numeric not null,
    ladder jsonb not null default '[]' constraint sla_policies_ladder_form check (private.is_ladder(ladder)),
    remind_calendar_id bigint references public.calendars,
    on_reopen text not null default 'restart' constraint sla_policies_on_reopen_known
        check (on_reopen in ('restart', 'continue', 'keep')),
    is_active boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint sla_policies_unique unique nulls not distinct (code, shop_id, conditions),
    constraint sla_policies_wall_needs_no_calendar check ((measure = 'wall') = (calendar_id is null)),
    constraint sla_policies_allowance_range check (
        allowance between 0 and 5256000 and (measure <> 'workdays' or allowance = trunc(allowance) and allowance <= 3660))
);
create index if not exists sla_policies_shop_id_idx on public.sla_policies (shop_id) where shop_id is not null;
create index if not exists sla_policies_calendar_id_idx on public.sla_policies (calendar_id) where calendar_id is not null;
create index if not exists sla_policies_remind_calendar_id_idx on public.sla_policies (remind_calendar_id) where remind_calendar_id is not null;
alter table public.sla_policies enable row level security;
create or replace trigger t10_touch before update on public.sla_policies
    for each row execute function private.touch_version();
comment on table public.sla_policies is
    '时效规则: how long a piece of work may take, by which clock, and who hears of it when. A shop''s own row beats the default (shop_id null).';
comment on column public.sla_policies.conditions is 'Facts that must hold: {"grade": ["A"], "priority": ["high"]}; more conditions beat fewer.';
comment on column public.sla_policies.allowance is 'Minutes; whole working days where measure is workdays. At most ten years.';
comment on column public.sla_policies.ladder is
    'Steps [{"percent": 50 | "minutes": -720, "who": ["owner"], "action": "notify"}]: percent of the allowance used, or minutes before (-) and after the deadline. who: owner, on_duty, duty_lead, manager, warehouse; action: notify, to_pool, raise_priority.';
comment on column public.sla_policies.remind_calendar_id is 'Reminders wait until this calendar is open; null: they go at once.';
comment on column public.sla_policies.on_reopen is
    'When finished work opens again: restart with the full allowance, continue with what was left, or keep the verdict (a first response is given once).';

create table if not exists public.sla_clocks (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    entity text not null,
    entity_id bigint not null,
    target text not null,
    instance integer not null default 1 constraint sla_clocks_instance_positive check (instance > 0),
    state text not null constraint sla_clocks_state_known check (state in
        ('scheduled', 'running', 'paused', 'breached', 'uncovered', 'fulfilled', 'fulfilled_late', 'cancelled')),
    policy_id bigint not null references public.sla_policies,
    policy jsonb not null,
    measure text not null constraint sla_clocks_measure_known check (measure in ('wall', 'working', 'workdays')),
    calendar_id bigint references public.calendars,
    calendar_version integer,
    allowance numeric not null constraint sla_clocks_allowance_not_negative check (allowance >= 0),
    used numeric not null default 0 constraint sla_clocks_used_not_negative check (used >= 0),
    started_at timestamptz not null,
    counted_from timestamptz not null,
    pauses tstzmultirange not null default '{}'
        constraint sla_clocks_pauses_ended check (isempty(pauses) or coalesce(isfinite(lower(pauses)) and isfinite(upper(pauses)), false)),
    paused_at timestamptz,
    pause_reason text,
    due_at timestamptz,
    last_due_at timestamptz,
    due_version integer not null default 0,
    next_step smallint,
    next_step_at timestamptz,
    breached_at timestamptz,
    stopped_at timestamptz,
    version integer not null default 1,
    updated_at timestamptz not null,
    created_at timestamptz not null,
    constraint sla_clocks_unique unique (entity, entity_id, target, instance),
    constraint sla_clocks_wall_needs_no_calendar check ((measure = 'wall') = (calendar_id is null)),
    constraint sla_clocks_paused_is_whole check (
        (state = 'paused') = (paused_at is not null) and (paused_at is null) = (pause_reason is null)),
    constraint sla_clocks_due_follows_state check (case
        when state in ('scheduled', 'running', 'breached') then due_at is not null
        when state in ('paused', 'uncovered') then due_at is null else true end),
    constraint sla_clocks_breach_follows_state check (case
        when state in ('breached', 'fulfilled_late') then breached_at is not null
        when state in ('scheduled', 'running', 'uncovered', 'fulfilled') then breached_at is null else true end),
    constraint sla_clocks_stop_follows_state check (case
        when state in ('fulfilled', 'fulfilled_late', 'cancelled') then stopped_at is not null
        when state = 'uncovered' then true else stopped_at is null end),
    constraint sla_clocks_steps_need_a_deadline check (next_step_at is null or (due_at is not null and stopped_at is null))
);
create unique index if not exists sla_clocks_one_open_idx on public.sla_clocks (entity, entity_id, target) where stopped_at is null;
create index if not exists sla_clocks_due_at_idx on public.sla_clocks (due_at) where state = 'running';
create index if not exists sla_clocks_scheduled_idx on public.sla_clocks (started_at) where state = 'scheduled';
create index if not exists sla_clocks_next_step_at_idx on public.sla_clocks (next_step_at) where next_step_at is not null;
create index if not exists sla_clocks_open_idx on public.sla_clocks (shop_id, entity, target, due_at, id) include (state)
    where stopped_at is null; -- lists and figures of open work are read from the index alone
create index if not exists sla_clocks_finished_idx on public.sla_clocks (shop_id, stopped_at, id) include (entity, target, state)
    where stopped_at is not null;
drop index if exists public.sla_clocks_shop_due_idx;
create index if not exists sla_clocks_calendar_idx on public.sla_clocks (calendar_id, state) where stopped_at is null or state = 'uncovered';
create index if not exists sla_clocks_policy_due_idx on public.sla_clocks (policy_id, due_at, id) where stopped_at is null;
drop index if exists public.sla_clocks_policy_idx;
alter table public.sla_clocks enable row level security;
comment on table public.sla_clocks is
    '时效: one running or finished deadline per record, target and instance. Changed by the functions of the clock alone, each with its event.';
comment on column public.sla_clocks.policy is 'Snapshot of the policy when the clock started or was re-targeted: later edits do not reach it by themselves.';
comment on column public.sla_clocks.used is 'Minutes (working days) used up before counted_from; never changed by later edits of a calendar.';
comment on column public.sla_clocks.counted_from is 'From here on the remaining allowance is counted with today''s calendar, without pauses.';
comment on column public.sla_clocks.due_at is 'Overdue means now > due_at; null while paused or while the calendar of that year is missing.';
comment on column public.sla_clocks.last_due_at is 'The deadline last given; due_version rises when a new one differs from it.';
comment on column public.sla_clocks.next_step is 'Position (from 1) of the ladder step that comes next, at next_step_at.';
comment on column public.sla_clocks.stopped_at is 'When the work was done or cancelled; with state uncovered the verdict waits for the calendar.';

create table if not exists public.sla_clock_events (
    id bigint generated always as identity primary key,
    clock_id bigint not null references public.sla_clocks,
    shop_id bigint not null references public.shops,
    kind text not null constraint sla_clock_events_kind_known check (kind in
        ('started', 'scheduled', 'began', 'paused', 'resumed', 'breached', 'stopped', 'cancelled', 'merged', 'reopened',
         'retargeted', 'recalculated', 'reply_ignored')),
    at timestamptz not null,
    actor_id bigint references public.members,
    reason text,
    state text not null,
    due_at timestamptz,
    due_version integer not null,
    detail jsonb not null default '{}'
);
create index if not exists sla_clock_events_clock_id_idx on public.sla_clock_events (clock_id, id);
create index if not exists sla_clock_events_shop_id_idx on public.sla_clock_events (shop_id, at);
create index if not exists sla_clock_events_actor_id_idx on public.sla_clock_events (actor_id) where actor_id is not null;
alter table public.sla_clock_events enable row level security;
create or replace trigger t10_append_only before update or delete on public.sla_clock_events
    for each row execute function private.tg_append_only();
comment on table public.sla_clock_events is 'What happened to a clock, in order. Append-only; actor_id null: the system.';

-- A change of what a calendar is made of is a change of the calendar --------------------------------------------------

create or replace function private.tg_raise_calendar_version() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_table_name = 'holiday_years' then
        update public.calendars set version = version + 1, updated_at = private.now()
        where follows_holidays and exists (select from changed);
    else
        update public.calendars set version = version + 1, updated_at = private.now()
        where id in (select calendar_id from changed);
    end if;
    return null;
end;
$$;
create or replace trigger t20_raise_version after insert on public.calendar_shifts
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.calendar_shifts
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.calendar_shifts
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t20_raise_version after insert on public.calendar_days
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.calendar_days
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.calendar_days
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t20_raise_version after insert on public.holiday_years
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t21_raise_version after update on public.holiday_years
    referencing new table as changed for each statement execute function private.tg_raise_calendar_version();
create or replace trigger t22_raise_version after delete on public.holiday_years
    referencing old table as changed for each statement execute function private.tg_raise_calendar_version();

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "members read the calendars" on public.calendars;
create policy "members read the calendars" on public.calendars
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the shifts of calendars" on public.calendar_shifts;
create policy "members read the shifts of calendars" on public.calendar_shifts
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the special days of calendars" on public.calendar_days;
create policy "members read the special days of calendars" on public.calendar_days
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the holiday lists" on public.holiday_years;
create policy "members read the holiday lists" on public.holiday_years
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the deadline policies" on public.sla_policies;
create policy "members read the deadline policies" on public.sla_policies
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the clocks of their shops" on public.sla_clocks;
create policy "members read the clocks of their shops" on public.sla_clocks
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
drop policy if exists "members read the clock events of their shops" on public.sla_clock_events;
create policy "members read the clock events of their shops" on public.sla_clock_events
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.calendars, public.calendar_shifts, public.calendar_days, public.holiday_years, public.sla_policies,
    public.sla_clocks, public.sla_clock_events to authenticated;

-- ==== 31_clock_time.sql ====

-- 31 ---------------------------------------------------------------------------------------- the clock: counting open time
--
-- Windows are half-open. A deadline is the first instant at which the minutes are used up. Zone maths go through the
-- calendar's own zone and through seconds, never through the zone of the session or of the server.

create or replace function private.day_hours(p_calendar_id bigint, p_first date, p_last date)
returns table (day date, hours int4multirange)
language sql stable set search_path = '' as $$
    with c as (
        select cal.*, (select pg_catalog.min(w) from public.calendar_shifts s, pg_catalog.unnest(s.weekdays) w
                       where s.calendar_id = cal.id) as first_weekday
        from public.calendars cal where cal.id = p_calendar_id
    ), lists as (
        select y.holidays, y.makeup_workdays from public.holiday_years y, c
        where c.follows_holidays and y.year between extract(year from p_first) - 1 and extract(year from p_last) + 1
    ), days as (
        select p_first + n as day,
            exists (select from lists where p_first + n = any (holidays)) as is_holiday,
            exists (select from lists where p_first + n = any (makeup_workdays)) as is_makeup
        from pg_catalog.generate_series(0, p_last - p_first) n
    ), campaigns as (
        select k.starts_at at time zone c.timezone as opens, k.ends_at at time zone c.timezone as closes
        from c join public.campaign_calendars cc on cc.calendar_id = c.id join public.campaigns k on k.id = cc.campaign_id
        where c.kind = 'working'
          and k.ends_at > (p_first::timestamp at time zone c.timezone) and k.starts_at < ((p_last + 1)::timestamp at time zone c.timezone)
    )
    select d.day, coalesce((select pg_catalog.range_agg(pg_catalog.int4range(
            (greatest(extract(epoch from k.opens - d.day::timestamp), 0) / 60)::integer,
            (least(extract(epoch from k.closes - d.day::timestamp), 86400) / 60)::integer))
        from campaigns k where k.opens < (d.day + 1)::timestamp and k.closes > d.day::timestamp), '{}') + case
        when c.kind = 'wall' then '{[0,1440)}'
        when o.hours is not null then o.hours
        when d.is_holiday then '{}'
        else coalesce((select pg_catalog.range_agg(pg_catalog.int4range(s.opens, s.closes))
            from public.calendar_shifts s
            where s.calendar_id = c.id
              and case when d.is_makeup then c.first_weekday else extract(isodow from d.day) end = any (s.weekdays)), '{}')
        end
    from days d cross join c left join public.calendar_days o on o.calendar_id = c.id and o.day = d.day
$$;
comment on function private.day_hours(bigint, date, date) is
    'Hours (minutes from 00:00) of each date: own hours first, then holidays, then shifts; a make-up workday has the hours of the first weekday with any (Monday, as a rule). A campaign adds its time.';

create or replace function private.first_unknown_day(p_calendar_id bigint, p_from date) returns date
language plpgsql stable set search_path = '' as $$
declare
    v_day date := p_from;
begin
    if not exists (select from public.calendars where id = p_calendar_id and follows_holidays) then
        return null;
    end if;
    loop
        if exists (select from public.holiday_years where year = extract(year from v_day)) then
            v_day := pg_catalog.make_date(extract(year from v_day)::integer + 1, 1, 1);
        elsif exists (select from public.calendar_days where calendar_id = p_calendar_id and day = v_day) then
            v_day := v_day + 1;
        else
            return v_day;
        end if;
    end loop;
end;
$$;
comment on function private.first_unknown_day(bigint, date) is
    'The first date from p_from on that no holiday list and no special day covers; null for a calendar that follows no holidays.';

create or replace function private.first_day_needed(p_calendar_id bigint, p_from timestamptz) returns date
language sql stable set search_path = '' as $$
    select (p_from at time zone c.timezone)::date - case when exists (
        select from public.calendar_shifts s where s.calendar_id = c.id and s.closes > 1440) then 1 else 0 end
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.first_day_needed(bigint, timestamptz) is
    'The date to begin with: the day before where shifts reach across midnight.';

create or replace function private.known_windows(p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_unknown date)
returns tstzmultirange
language sql stable set search_path = '' as $$
    select coalesce((
        select pg_catalog.range_agg(pg_catalog.tstzrange(b.opens, b.closes)) * pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, p_to))
        from public.calendars c
        cross join lateral private.day_hours(c.id, (p_from at time zone c.timezone)::date - 1,
            least((p_to at time zone c.timezone)::date, p_unknown - 1)) d
        cross join lateral pg_catalog.unnest(d.hours) w
        cross join lateral (select (d.day + pg_catalog.make_interval(mins => lower(w))) at time zone c.timezone as opens,
            (d.day + pg_catalog.make_interval(mins => upper(w))) at time zone c.timezone as closes) b
        where c.id = p_calendar_id and b.opens < b.closes), '{}')
$$;
comment on function private.known_windows(bigint, timestamptz, timestamptz, date) is
    'Merged open time within [p_from, p_to), from the dates before p_unknown (null: all of them).';

create or replace function private.fail_uncovered(p_calendar_id bigint, p_year integer) returns void
language plpgsql stable set search_path = '' as $$
begin
    perform private.fail('PT422', 'calendar.uncovered', pg_catalog.jsonb_build_object('year', p_year,
        'calendar', (select code from public.calendars where id = p_calendar_id)));
end;
$$;

create or replace function private.open_windows(p_calendar_id bigint, p_from timestamptz, p_to timestamptz)
returns tstzmultirange
language plpgsql stable set search_path = '' as $$
declare
    v_unknown date;
    v_zone text := (select timezone from public.calendars where id = p_calendar_id);
begin
    if p_to <= p_from then
        return '{}';
    end if;
    if p_calendar_id is null then
        return pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, p_to));
    end if;
    v_unknown := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    if v_unknown <= ((p_to - interval '1 microsecond') at time zone v_zone)::date then
        perform private.fail_uncovered(p_calendar_id, extract(year from v_unknown)::integer);
    end if;
    return private.known_windows(p_calendar_id, p_from, p_to, v_unknown);
end;
$$;
comment on function private.open_windows(bigint, timestamptz, timestamptz) is
    'Open time within [p_from, p_to), merged; calendar null: all of it. calendar.uncovered when it needs a year that is not maintained.';

create or replace function private.seconds_of(p_time tstzmultirange) returns numeric
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.sum(extract(epoch from upper(r)) - extract(epoch from lower(r))), 0) from pg_catalog.unnest(p_time) r
$$;

create or replace function private.working_minutes_between(
    p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_pauses tstzmultirange default '{}'
) returns numeric
language sql stable set search_path = '' as $$
    select pg_catalog.trim_scale(pg_catalog.round(
        private.seconds_of(private.open_windows(p_calendar_id, p_from, p_to) - p_pauses) / 60, 9))
$$;
comment on function private.working_minutes_between(bigint, timestamptz, timestamptz, tstzmultirange) is
    'Minutes (to a fraction of a microsecond) that count between two instants, without pauses. calendar.uncovered like open_windows.';

create or replace function private.instant_at(p_time tstzmultirange, p_seconds numeric) returns timestamptz
language sql immutable set search_path = '' as $$
    select upper(w.r) - pg_catalog.make_interval(secs => (w.spent - p_seconds)::double precision)
    from (
        select r, pg_catalog.sum(extract(epoch from upper(r)) - extract(epoch from lower(r))) over (order by lower(r)) as spent
        from pg_catalog.unnest(p_time) r
    ) w
    where w.spent >= p_seconds order by w.spent limit 1
$$;
comment on function private.instant_at(tstzmultirange, numeric) is 'The first instant at which p_seconds of p_time are over; null when there are fewer.';

create or replace function private.add_working_minutes(
    p_calendar_id bigint, p_from timestamptz, p_minutes numeric, p_pauses tstzmultirange default '{}',
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
declare
    v_wall boolean := p_calendar_id is null or exists (select from public.calendars where id = p_calendar_id and kind = 'wall');
    v_zone text := coalesce((select timezone from public.calendars where id = p_calendar_id), 'UTC');
    v_pauses tstzmultirange := p_pauses * pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, 'infinity'));
    v_endless timestamptz := (select lower(r) from pg_catalog.unnest(v_pauses) r where not pg_catalog.isfinite(upper(r)));
    v_unknown date := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    v_seconds numeric := pg_catalog.round(p_minutes * 60, 6); -- minutes are fractions of seconds, rounded: back to whole microseconds
    v_days integer := 2 + pg_catalog.ceil(p_minutes / 720);
    v_to timestamptz;
begin
    loop
        year := extract(year from v_unknown);
        v_to := p_from + pg_catalog.make_interval(hours => 24 * v_days);
        if v_unknown <= (p_from at time zone v_zone)::date then
            problem := 'uncovered';
            return;
        end if;
        due_at := case when v_seconds = 0 then p_from
            when v_wall then private.instant_at(pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_from, v_to)) - v_pauses, v_seconds)
            else private.instant_at(private.known_windows(p_calendar_id, p_from, v_to, v_unknown) - v_pauses, v_seconds) end;
        problem := case when due_at is not null then null
            when v_endless <= v_to and (v_unknown is null or (v_endless at time zone v_zone)::date < v_unknown) then 'paused'
            when v_unknown <= (v_to at time zone v_zone)::date then 'uncovered'
            when v_days = 22000 then 'never_open' end;
        exit when due_at is not null or problem is not null;
        v_days := least(v_days * 3, 22000);
    end loop;
    year := case when problem = 'uncovered' then year end;
end;
$$;
comment on function private.add_working_minutes(bigint, timestamptz, numeric, tstzmultirange) is
    'The first instant at which p_minutes of open time without pauses are used up (calendar null: wall clock), or the problem: uncovered (with the year), paused (a pause without end), never_open (not within sixty years).';

-- Whole working days --------------------------------------------------------------------------------------------------

create or replace function private.day_end(p_calendar_id bigint, p_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select ((p_at at time zone c.timezone)::date + 1)::timestamp at time zone c.timezone
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.day_end(bigint, timestamptz) is '24:00 of the calendar''s day that holds p_at.';

create or replace function private.day_start(p_calendar_id bigint, p_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select (p_at at time zone c.timezone)::date::timestamp at time zone c.timezone
    from public.calendars c where c.id = p_calendar_id
$$;
comment on function private.day_start(bigint, timestamptz) is '00:00 of the calendar''s day that holds p_at.';

create or replace function private.whole_days(
    p_calendar_id bigint, p_from timestamptz, p_last date, p_pauses tstzmultirange
) returns table (n bigint, ends_at timestamptz)
language sql stable set search_path = '' as $$
    select pg_catalog.row_number() over (order by b.starts_at), b.ends_at
    from public.calendars c
    cross join lateral private.day_hours(c.id, (p_from at time zone c.timezone)::date, p_last) d
    cross join lateral (select d.day::timestamp at time zone c.timezone as starts_at,
        (d.day + 1)::timestamp at time zone c.timezone as ends_at) b
    where c.id = p_calendar_id and not isempty(d.hours) and b.starts_at >= p_from
      and not p_pauses && pg_catalog.tstzrange(b.starts_at, b.ends_at)
$$;
comment on function private.whole_days(bigint, timestamptz, date, tstzmultirange) is
    'Numbered working days that begin at or after p_from. A day on which the clock stood paused, however short, does not count.';

create or replace function private.add_working_days(
    p_calendar_id bigint, p_from timestamptz, p_days integer, p_pauses tstzmultirange default '{}',
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
declare
    v_first date := (select (p_from at time zone timezone)::date from public.calendars where id = p_calendar_id);
    v_unknown date := private.first_unknown_day(p_calendar_id, v_first);
    v_span integer := p_days * 2 + 14;
begin
    loop
        due_at := case when p_days = 0 then p_from else (
            select d.ends_at from private.whole_days(p_calendar_id, p_from, least(v_first + v_span, v_unknown - 1), p_pauses) d
            where d.n = p_days) end;
        problem := case when due_at is not null then null
            when v_unknown <= v_first + v_span then 'uncovered'
            when v_span = 22000 then 'never_open' end;
        exit when due_at is not null or problem is not null;
        v_span := least(v_span * 3, 22000);
    end loop;
    year := case when problem = 'uncovered' then extract(year from v_unknown) end;
end;
$$;
comment on function private.add_working_days(bigint, timestamptz, integer, tstzmultirange) is
    '24:00 of the p_days-th working day that begins at or after p_from; problems as in add_working_minutes.';

-- Both, by the measure of a policy ------------------------------------------------------------------------------------

create or replace function private.deadline(
    p_measure text, p_calendar_id bigint, p_from timestamptz, p_amount numeric, p_pauses tstzmultirange,
    out due_at timestamptz, out problem text, out year integer
)
language plpgsql stable set search_path = '' as $$
begin
    if p_measure = 'workdays' then
        select d.* into due_at, problem, year from private.add_working_days(p_calendar_id, p_from, p_amount::integer, p_pauses) d;
    else
        select d.* into due_at, problem, year from private.add_working_minutes(p_calendar_id, p_from, p_amount, p_pauses) d;
    end if;
end;
$$;
comment on function private.deadline(text, bigint, timestamptz, numeric, tstzmultirange) is
    'When p_amount minutes or working days from p_from are used up.';

create or replace function private.elapsed(
    p_measure text, p_calendar_id bigint, p_from timestamptz, p_to timestamptz, p_pauses tstzmultirange
) returns numeric
language plpgsql stable set search_path = '' as $$
declare
    v_unknown date;
    v_last date := (select (p_to at time zone timezone)::date from public.calendars where id = p_calendar_id);
begin
    if p_to <= p_from then
        return 0;
    end if;
    v_unknown := private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_from));
    if v_unknown <= v_last then
        return null;
    end if;
    if p_measure = 'workdays' then
        return (select pg_catalog.count(*) from private.whole_days(p_calendar_id, p_from, v_last, p_pauses) where ends_at <= p_to);
    end if;
    return private.working_minutes_between(p_calendar_id, p_from, p_to, p_pauses);
end;
$$;
comment on function private.elapsed(text, bigint, timestamptz, timestamptz, tstzmultirange) is
    'Minutes or whole working days used between two instants; null when a year in between is not maintained.';

-- Asking without a clock ----------------------------------------------------------------------------------------------

create or replace function private.calendar_id(p_code text) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint := (select id from public.calendars where code = p_code);
begin
    if v_id is null then
        perform private.fail('PT422', 'calendar.unknown', pg_catalog.jsonb_build_object('calendar', p_code));
    end if;
    return v_id;
end;
$$;
comment on function private.calendar_id(text) is 'The calendar of a code; calendar.unknown.';

create or replace function private.check_start(p_started_at timestamptz) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_started_at is null or extract(year from p_started_at at time zone 'UTC') not between 1970 and 2200 then
        perform private.fail('PT422', 'clock.bad_start', '{"from": 1970, "to": 2200}');
    end if;
end;
$$;

create or replace function private.refuse_problem(p_problem text, p_calendar_id bigint, p_year integer) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p_problem = 'uncovered' then
        perform private.fail_uncovered(p_calendar_id, p_year);
    elsif p_problem = 'never_open' then
        perform private.fail('PT422', 'calendar.never_open', pg_catalog.jsonb_build_object(
            'calendar', (select code from public.calendars where id = p_calendar_id)));
    end if;
end;
$$;

create or replace function public.preview_deadline(
    p_calendar text, p_started_at timestamptz, p_minutes numeric, p_pauses tstzmultirange default '{}'
) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_calendar_id bigint := case when p_calendar is not null then private.calendar_id(p_calendar) end;
    v_answer record;
begin
    perform private.check_start(p_started_at);
    if p_minutes is null or p_minutes not between 0 and 5256000 then
        perform private.fail('PT422', 'clock.bad_minutes', '{"limit": 5256000}');
    end if;
    v_answer := private.add_working_minutes(v_calendar_id, p_started_at, p_minutes, coalesce(p_pauses, '{}'));
    perform private.refuse_problem(v_answer.problem, v_calendar_id, v_answer.year);
    return v_answer.due_at;
end;
$$;
grant execute on function public.preview_deadline(text, timestamptz, numeric, tstzmultirange) to authenticated, service_role;
comment on function public.preview_deadline(text, timestamptz, numeric, tstzmultirange) is
    'Members and commands: when p_minutes are used up on a calendar (null: wall clock), pauses left out; null under a pause without end. calendar.unknown, calendar.uncovered (year), calendar.never_open, clock.bad_start, clock.bad_minutes.';

create or replace function public.preview_workdays(p_calendar text, p_started_at timestamptz, p_days integer) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_calendar_id bigint := private.calendar_id(p_calendar);
    v_answer record;
begin
    perform private.check_start(p_started_at);
    if p_days is null or p_days not between 0 and 3660 then
        perform private.fail('PT422', 'clock.bad_days', '{"limit": 3660}');
    end if;
    v_answer := private.add_working_days(v_calendar_id, private.day_end(v_calendar_id, p_started_at), p_days);
    perform private.refuse_problem(v_answer.problem, v_calendar_id, v_answer.year);
    return v_answer.due_at;
end;
$$;
grant execute on function public.preview_workdays(text, timestamptz, integer) to authenticated, service_role;
comment on function public.preview_workdays(text, timestamptz, integer) is
    'Members and commands: 24:00 of the p_days-th working day after the start day. calendar.unknown, calendar.uncovered (year), calendar.never_open, clock.bad_start, clock.bad_days.';

create or replace function public.calendar_zone(p_calendar text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
begin
    return (select timezone from public.calendars where id = private.calendar_id(p_calendar));
end;
$$;
grant execute on function public.calendar_zone(text) to authenticated, service_role;
comment on function public.calendar_zone(text) is 'Members and commands: the time zone in which a calendar shows its times. calendar.unknown.';

-- ==== 32_clock_commands.sql ====

-- 32 ------------------------------------------------------------------------------------------- the clock: start to stop
--
-- Every command locks the clock, changes it in memory, stores it and appends its event: one transaction. Commands that are
-- repeated change nothing. Areas keep the deadline of their work rows by a trigger on sla_clocks for their own entity.

create or replace function private.policy_matches(p_conditions jsonb, p_facts jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.bool_and(coalesce(case pg_catalog.jsonb_typeof(p_facts -> c.key)
        when 'array' then c.value ?| array(select pg_catalog.jsonb_array_elements_text(p_facts -> c.key))
        else c.value ? (p_facts ->> c.key) end, false)), true)
    from pg_catalog.jsonb_each(p_conditions) c
$$;
comment on function private.policy_matches(jsonb, jsonb) is
    'Every condition names the fact''s value: {"grade": ["A", "B"]} holds for {"grade": "B"}; of a fact with several values, one is enough.';

create or replace function private.policies_for(p_code text, p_shop_id bigint, p_facts jsonb) returns setof public.sla_policies
language sql stable rows 2 set search_path = '' as $$
    select * from public.sla_policies
    where code = p_code and is_active and (shop_id is null or shop_id = p_shop_id)
      and private.policy_matches(conditions, p_facts)
    order by shop_id nulls last, (select pg_catalog.count(*) from pg_catalog.jsonb_object_keys(conditions)) desc, id
$$;
comment on function private.policies_for(text, bigint, jsonb) is
    'The active policies of a code that hold, the most specific first: the shop''s own, then the one with most conditions.';

create or replace function private.policy_for(p_code text, p_shop_id bigint, p_facts jsonb default '{}') returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v_policy public.sla_policies;
begin
    select * into v_policy from private.policies_for(p_code, p_shop_id, p_facts) limit 1;
    if not found then
        perform private.fail('PT422', 'policy.none', pg_catalog.jsonb_build_object('code', p_code));
    end if;
    return v_policy;
end;
$$;
comment on function private.policy_for(text, bigint, jsonb) is 'The policy that wins for a shop and these facts. policy.none.';

create or replace function private.with_policy(p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb)
returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.policy_id := p_policy.id;
    v.measure := p_policy.measure;
    v.calendar_id := p_policy.calendar_id;
    v.allowance := p_policy.allowance;
    v.policy := pg_catalog.jsonb_build_object('code', p_policy.code, 'name', p_policy.name, 'version', p_policy.version,
        'measure', p_policy.measure, 'allowance', p_policy.allowance, 'ladder', p_policy.ladder,
        'calendar', (select code from public.calendars where id = p_policy.calendar_id),
        'remind_calendar_id', p_policy.remind_calendar_id, 'on_reopen', p_policy.on_reopen, 'facts', p_facts);
    return v;
end;
$$;
comment on function private.with_policy(public.sla_clocks, public.sla_policies, jsonb) is
    'The clock with a snapshot of the policy and of the facts that chose it.';

-- The deadline of a clock in memory, and the step of its ladder that comes next ---------------------------------------

create or replace function private.clock_steps(p_clock public.sla_clocks) returns table (step smallint, at timestamptz)
language sql stable set search_path = '' as $$
    select s.ordinality::smallint, case
        when s.value ? 'minutes' then p_clock.due_at + pg_catalog.make_interval(secs => 60 * (s.value ->> 'minutes')::double precision)
        when (s.value ->> 'percent')::numeric = 100 then p_clock.due_at
        else least((private.deadline(p_clock.measure, p_clock.calendar_id, p_clock.counted_from,
                greatest(0, case when p_clock.measure = 'workdays' then pg_catalog.ceil(l.share) else l.share end), p_clock.pauses)).due_at,
            case when (s.value ->> 'percent')::numeric < 100 then p_clock.due_at end)
        end
    from pg_catalog.jsonb_array_elements(p_clock.policy -> 'ladder') with ordinality s
    cross join lateral (select p_clock.allowance * (s.value ->> 'percent')::numeric / 100 - p_clock.used as share) l
$$;
comment on function private.clock_steps(public.sla_clocks) is
    'Instants of the ladder of a clock that has a deadline; null where the calendar of that year is missing.';

create or replace function private.with_next_step(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.next_step := null;
    v.next_step_at := null;
    v.step_times := array(select s.at from private.clock_steps(v) s order by s.step);
    if v.due_at < p_now then
        select s.n, s.at into v.next_step, v.next_step_at from pg_catalog.unnest(v.step_times) with ordinality s (at, n)
        where s.at <= p_now order by s.at desc, s.n desc limit 1;
    end if;
    if v.next_step is null then
        select s.n, s.at into v.next_step, v.next_step_at from pg_catalog.unnest(v.step_times) with ordinality s (at, n)
        where s.at >= p_now order by s.at, s.n limit 1;
    end if;
    return v;
end;
$$;
comment on function private.with_next_step(public.sla_clocks, timestamptz) is
    'After a new deadline: the first step ahead. Steps already behind are passed over, but an overdue clock says its last one once.';

create or replace function private.with_due(
    p_clock public.sla_clocks, p_now timestamptz, p_not_before timestamptz default null
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.calendar_version := (select version from public.calendars where id = v.calendar_id);
    v.due_at := (private.deadline(v.measure, v.calendar_id, v.counted_from, greatest(v.allowance - v.used, 0), v.pauses)).due_at;
    v.next_step_at := null;
    if v.due_at is null then
        v.state := 'uncovered';
        return v;
    end if;
    v.due_at := greatest(v.due_at, p_not_before);
    v.state := case when v.started_at > p_now then 'scheduled' else 'running' end;
    if v.due_at = v.last_due_at then
        v.step_times := array(select s.at from private.clock_steps(v) s order by s.step);
        v.next_step_at := v.step_times[v.next_step];
        return v;
    end if;
    v.due_version := v.due_version + 1;
    v.last_due_at := v.due_at;
    return private.with_next_step(v, p_now);
end;
$$;
comment on function private.with_due(public.sla_clocks, timestamptz, timestamptz) is
    'The clock with the deadline of what is left of its allowance, not before p_not_before; due_version rises only when the deadline differs from the last one given.';

create or replace function private.settled(p_clock public.sla_clocks, p_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_elapsed numeric := private.elapsed(v.measure, v.calendar_id, v.counted_from, p_at, v.pauses);
begin
    if v_elapsed is null or p_at <= v.counted_from then
        return v;
    end if;
    v.used := v.used + v_elapsed;
    v.counted_from := case when v.measure = 'workdays'
        then greatest(v.counted_from, private.day_start(v.calendar_id, p_at)) else p_at end;
    return v;
end;
$$;
comment on function private.settled(public.sla_clocks, timestamptz) is
    'The clock with its time up to p_at written down as used, so that later edits of the calendar cannot change it. Unchanged while the calendar of that time is missing.';

-- Storing -------------------------------------------------------------------------------------------------------------

create or replace function private.clock_for_change(p_clock_id bigint) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    select * into v from public.sla_clocks where id = p_clock_id for update;
    if not found then
        perform private.fail('PT404', 'clock.none');
    end if;
    return v;
end;
$$;

create or replace function private.store_clock(
    p_clock public.sla_clocks, p_kind text, p_now timestamptz, p_actor bigint, p_reason text default null, p_detail jsonb default '{}'
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    update public.sla_clocks set (state, policy_id, policy, measure, calendar_id, calendar_version, allowance, used,
        counted_from, pauses, paused_at, pause_reason, due_at, last_due_at, due_version, next_step, next_step_at, step_times,
        breached_at, stopped_at, version, updated_at) = (v.state, v.policy_id, v.policy, v.measure, v.calendar_id, v.calendar_version,
        v.allowance, v.used, v.counted_from, v.pauses, v.paused_at, v.pause_reason, v.due_at, v.last_due_at, v.due_version,
        v.next_step, v.next_step_at, v.step_times, v.breached_at, v.stopped_at, sla_clocks.version + 1, p_now)
    where id = v.id returning * into v;
    insert into public.sla_clock_events (clock_id, shop_id, kind, at, actor_id, reason, state, due_at, due_version, detail)
    values (v.id, v.shop_id, p_kind, p_now, p_actor, p_reason, v.state, v.due_at, v.due_version, p_detail);
    return v;
end;
$$;

create or replace function private.insert_clocks(
    p_clock public.sla_clocks, p_entity_ids bigint[], p_kind text, p_now timestamptz, p_actor bigint, p_reason text default null
) returns void
language sql set search_path = '' as $$
    with added as (
        insert into public.sla_clocks (shop_id, entity, entity_id, target, instance, state, policy_id, policy, measure,
            calendar_id, calendar_version, allowance, used, started_at, counted_from, pauses, due_at, last_due_at,
            due_version, next_step, next_step_at, step_times, updated_at, created_at)
        select (p_clock).shop_id, (p_clock).entity, e.id, (p_clock).target, coalesce((
                select pg_catalog.max(o.instance) + 1 from public.sla_clocks o
                where o.entity = (p_clock).entity and o.entity_id = e.id and o.target = (p_clock).target), 1),
            (p_clock).state, (p_clock).policy_id, (p_clock).policy, (p_clock).measure, (p_clock).calendar_id,
            (p_clock).calendar_version, (p_clock).allowance, (p_clock).used, (p_clock).started_at, (p_clock).counted_from,
            (p_clock).pauses, (p_clock).due_at, (p_clock).last_due_at, (p_clock).due_version, (p_clock).next_step,
            (p_clock).next_step_at, (p_clock).step_times, p_now, p_now
        from (select distinct pg_catalog.unnest(p_entity_ids) as id) e
        on conflict do nothing
        returning *
    )
    insert into public.sla_clock_events (clock_id, shop_id, kind, at, actor_id, reason, state, due_at, due_version)
    select id, shop_id, p_kind, p_now, p_actor, p_reason, state, due_at, due_version from added
$$;
comment on function private.insert_clocks(public.sla_clocks, bigint[], text, timestamptz, bigint, text) is
    'One new instance per record, like p_clock; a record whose clock of that target is still open keeps it.';

-- Start ---------------------------------------------------------------------------------------------------------------

create or replace function private.not_after_latest(p_clock public.sla_clocks) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    if v.policy ? 'latest' and v.measure <> 'workdays' then
        v.allowance := least(v.allowance, v.used + private.elapsed(v.measure, v.calendar_id, v.counted_from,
            (v.policy ->> 'latest')::timestamptz, v.pauses));
    end if;
    return v;
end;
$$;
comment on function private.not_after_latest(public.sla_clocks) is
    'The clock with its allowance cut at the deadline given from outside (policy ->> latest), if there is one.';

create or replace function private.fresh_clock(
    p_shop_id bigint, p_entity text, p_target text, p_policy_code text, p_facts jsonb, p_starts_at timestamptz,
    p_now timestamptz, p_latest timestamptz default null
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    v.shop_id := p_shop_id;
    v.entity := p_entity;
    v.target := p_target;
    v.used := 0;
    v.pauses := '{}';
    v.due_version := 0;
    v.started_at := p_starts_at;
    v := private.with_policy(v, private.policy_for(p_policy_code, p_shop_id, p_facts), p_facts);
    v.counted_from := case when v.measure = 'workdays' then private.day_end(v.calendar_id, p_starts_at) else p_starts_at end;
    if p_latest is not null then
        v.policy := v.policy || pg_catalog.jsonb_build_object('latest', p_latest);
    end if;
    return private.with_due(private.not_after_latest(v), p_now);
end;
$$;
comment on function private.fresh_clock(bigint, text, text, text, jsonb, timestamptz, timestamptz, timestamptz) is
    'A clock in memory. A deadline given from outside (p_latest, the platform''s own) shortens the allowance, never lengthens it.';

create or replace function private.start_clocks(
    p_entity text, p_entity_ids bigint[], p_shop_id bigint, p_target text, p_policy_code text, p_now timestamptz,
    p_actor bigint default null, p_facts jsonb default '{}', p_starts_at timestamptz default null,
    p_latest timestamptz default null
) returns setof public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.fresh_clock(p_shop_id, p_entity, p_target, p_policy_code, p_facts,
        coalesce(p_starts_at, p_now), p_now, p_latest);
begin
    perform private.insert_clocks(v, p_entity_ids, case when v.state = 'scheduled' then 'scheduled' else 'started' end, p_now, p_actor);
    return query select c.* from public.sla_clocks c
        where c.entity = p_entity and c.target = p_target and c.entity_id = any (p_entity_ids) and c.stopped_at is null;
end;
$$;
comment on function private.start_clocks(text, bigint[], bigint, text, text, timestamptz, bigint, jsonb, timestamptz, timestamptz) is
    'Starts the clock of many records of one shop at once and returns the open clocks: a record whose clock is open already keeps it untouched. policy.none.';

create or replace function private.start_clock(
    p_entity text, p_entity_id bigint, p_shop_id bigint, p_target text, p_policy_code text, p_now timestamptz,
    p_actor bigint default null, p_facts jsonb default '{}', p_starts_at timestamptz default null,
    p_latest timestamptz default null
) returns public.sla_clocks
language sql set search_path = '' as $$
    select * from private.start_clocks(p_entity, array[p_entity_id], p_shop_id, p_target, p_policy_code, p_now, p_actor,
        p_facts, p_starts_at, p_latest)
$$;
comment on function private.start_clock(text, bigint, bigint, text, text, timestamptz, bigint, jsonb, timestamptz, timestamptz) is
    'Starts the clock of one record, or returns the one that is open (a customer''s third message does not restart it). policy.none.';

-- Pause, resume -------------------------------------------------------------------------------------------------------

create or replace function private.refuse_stopped(p_clock public.sla_clocks) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if (p_clock).stopped_at is not null then
        perform private.fail('PT409', 'clock.stopped', pg_catalog.jsonb_build_object('state', (p_clock).state));
    end if;
end;
$$;

create or replace function private.pause_clock(p_clock_id bigint, p_reason text, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    perform private.refuse_stopped(v);
    if v.state = 'paused' then
        return v;
    end if;
    if pg_catalog.btrim(coalesce(p_reason, '')) = '' then
        perform private.fail('PT422', 'clock.reason_missing');
    end if;
    if v.state = 'running' and p_now > v.due_at then
        v.breached_at := v.due_at;
    end if;
    v := private.settled(v, p_now);
    v.state := 'paused';
    v.paused_at := p_now;
    v.pause_reason := p_reason;
    v.due_at := null;
    v.next_step_at := null;
    return private.store_clock(v, 'paused', p_now, p_actor, p_reason);
end;
$$;
comment on function private.pause_clock(bigint, text, timestamptz, bigint) is
    'Stops counting, for a reason: no deadline and no reminder until it is resumed. clock.none, clock.stopped, clock.reason_missing.';

create or replace function private.unpaused(p_clock public.sla_clocks, p_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    v.pauses := v.pauses + pg_catalog.tstzmultirange(pg_catalog.tstzrange(v.paused_at, greatest(p_at, v.paused_at)));
    v.paused_at := null;
    v.pause_reason := null;
    return v;
end;
$$;
comment on function private.unpaused(public.sla_clocks, timestamptz) is 'The paused clock with its pause written down as ended at p_at.';

create or replace function private.resume_clock(p_clock_id bigint, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    perform private.refuse_stopped(v);
    if v.state <> 'paused' then
        return v;
    end if;
    v := private.unpaused(v, p_now);
    if v.breached_at is null then
        v := private.with_due(v, p_now);
    else
        v.state := 'breached';
        v.due_at := v.last_due_at;
        v.due_version := v.due_version + 1;
        v := private.with_next_step(v, p_now);
    end if;
    return private.store_clock(v, 'resumed', p_now, p_actor);
end;
$$;
comment on function private.resume_clock(bigint, timestamptz, bigint) is
    'Counts on with what was left. A clock that was overdue before its pause stays overdue, and says so once more (new due_version). clock.none, clock.stopped.';

-- Stop, cancel --------------------------------------------------------------------------------------------------------

create or replace function private.verdict(p_clock public.sla_clocks, p_done_at timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_met boolean := coalesce(p_done_at <= coalesce(v.due_at, v.breached_at),
        v.state = 'paused' or v.used + private.elapsed(v.measure, v.calendar_id, v.counted_from, p_done_at, v.pauses) <= v.allowance);
begin
    if v_met is null then
        return v;
    end if;
    v.state := case when v_met then 'fulfilled' else 'fulfilled_late' end;
    v.breached_at := case when not v_met then coalesce(v.breached_at, v.due_at) end;
    return v;
end;
$$;
comment on function private.verdict(public.sla_clocks, timestamptz) is
    'Met means done at or before the deadline. Without a deadline: met while paused in time, met as long as the known time fits; else it stays uncovered and waits for the calendar.';

create or replace function private.stop_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null,
    p_done_at timestamptz default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
    v_done_at timestamptz := coalesce(p_done_at, p_now);
begin
    if v.stopped_at is not null then
        return v;
    end if;
    v := private.verdict(v, v_done_at);
    if v.paused_at is not null then
        v := private.unpaused(v, v_done_at);
    else
        v := private.settled(v, v_done_at);
    end if;
    v.stopped_at := v_done_at;
    v.next_step_at := null;
    return private.store_clock(v, 'stopped', p_now, p_actor, p_reason);
end;
$$;
comment on function private.stop_clock(bigint, timestamptz, bigint, text, timestamptz) is
    'The work is done (p_done_at, when it was done earlier than we learned of it). Stopping twice changes nothing. clock.none.';

create or replace function private.cancel_clock(p_clock_id bigint, p_reason text, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    if v.stopped_at is not null then
        return v;
    end if;
    if v.paused_at is not null then
        v := private.unpaused(v, p_now);
    else
        v := private.settled(v, p_now);
    end if;
    v.state := 'cancelled';
    v.stopped_at := p_now;
    v.next_step_at := null;
    return private.store_clock(v, 'cancelled', p_now, p_actor, p_reason);
end;
$$;
comment on function private.cancel_clock(bigint, text, timestamptz, bigint) is
    'The work is no longer needed: no verdict. Cancelling twice changes nothing. clock.none.';

-- ==== 33_clock_changes.sql ====

-- 33 --------------------------------------------------------------------- the clock: what changes a deadline afterwards

-- The passing of time -------------------------------------------------------------------------------------------------

create or replace function private.tick_clocks(p_now timestamptz, p_limit integer default 10000) returns integer
language sql set search_path = '' as $$
    with late as (
        select id from public.sla_clocks where state = 'running' and due_at < p_now
        order by due_at limit p_limit for update skip locked
    ), begun as (
        select id from public.sla_clocks where state = 'scheduled' and started_at <= p_now
        order by started_at limit p_limit for update skip locked
    ), changed as (
        update public.sla_clocks c set
            state = case c.state when 'scheduled' then 'running' else 'breached' end,
            breached_at = case c.state when 'running' then c.due_at end,
            version = c.version + 1, updated_at = p_now
        from (select id from late union all select id from begun) ripe where c.id = ripe.id
        returning c.*
    ), told as (
        insert into public.sla_clock_events (clock_id, shop_id, kind, at, state, due_at, due_version)
        select id, shop_id, case state when 'running' then 'began' else 'breached' end, p_now, state, due_at, due_version
        from changed returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.tick_clocks(timestamptz, integer) is
    'Marks clocks past their deadline as breached and begins those whose start has come; returns how many. Safe to run in parallel and after any downtime.';

-- Reopening -----------------------------------------------------------------------------------------------------------

create or replace function private.reopened(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
begin
    if v.policy ->> 'on_reopen' <> 'continue' then
        return private.fresh_clock(v.shop_id, v.entity, v.target, v.policy ->> 'code', v.policy -> 'facts', p_now, p_now);
    end if;
    v.pauses := v.pauses + pg_catalog.tstzmultirange(pg_catalog.tstzrange(v.stopped_at, greatest(p_now, v.stopped_at)));
    v.started_at := p_now;
    v.stopped_at := null;
    v.breached_at := null;
    v.last_due_at := null;
    v.due_version := 0;
    return private.with_due(v, p_now, p_now);
end;
$$;
comment on function private.reopened(public.sla_clocks, timestamptz) is
    'The next instance of a stopped clock: with what was left (nothing left: due at once), or with the full allowance of today''s policy.';

create or replace function private.reopen_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
begin
    select * into v from public.sla_clocks
    where entity = v.entity and entity_id = v.entity_id and target = v.target order by instance desc limit 1 for update;
    if v.stopped_at is null or (v.policy ->> 'on_reopen' = 'keep' and v.state <> 'cancelled') then
        return v;
    end if;
    perform private.insert_clocks(private.reopened(v, p_now), array[v.entity_id], 'reopened', p_now, p_actor, p_reason);
    select * into v from public.sla_clocks
    where entity = v.entity and entity_id = v.entity_id and target = v.target order by instance desc limit 1;
    return v;
end;
$$;
comment on function private.reopen_clock(bigint, timestamptz, bigint, text) is
    'The work opens again: a new instance beside the finished one, whose verdict stays (instance 1: first resolution; the last: total). An open clock, or a target that is answered once, is returned as it is. clock.none.';

-- Another target: a changed policy applied to a running clock, or another policy (a lead graded anew) -----------------

create or replace function private.under_policy(
    p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb, p_now timestamptz
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_new_unit boolean := (v.measure = 'workdays') <> (p_policy.measure = 'workdays');
begin
    if v.paused_at is null then
        v := private.settled(v, p_now);
    end if;
    if v_new_unit then
        v.used := pg_catalog.trunc(least(1, v.used / nullif(v.allowance, 0)) * p_policy.allowance);
        v.used := coalesce(v.used, 0);
        v.counted_from := case when p_policy.measure = 'workdays'
            then private.day_end(p_policy.calendar_id, p_now) else coalesce(v.paused_at, p_now) end;
    end if;
    v := private.with_policy(v, p_policy, p_facts);
    v.policy := v.policy || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('latest', p_clock.policy -> 'latest'));
    return private.not_after_latest(v);
end;
$$;
comment on function private.under_policy(public.sla_clocks, public.sla_policies, jsonb, timestamptz) is
    'The clock with the terms of another policy, not yet with its deadline: time already used stays (its share, when minutes become days).';

create or replace function private.retargeted(
    p_clock public.sla_clocks, p_policy public.sla_policies, p_facts jsonb, p_now timestamptz
) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := private.under_policy(p_clock, p_policy, p_facts, p_now);
begin
    if v.paused_at is not null then
        return v;
    end if;
    v := private.with_due(v, p_now, p_now);
    return case when v.due_at is null then v else private.with_next_step(v, p_now) end;
end;
$$;
comment on function private.retargeted(public.sla_clocks, public.sla_policies, jsonb, timestamptz) is
    'The clock under another policy: only what remains changes, and nothing becomes overdue before now.';

create or replace function private.retarget_clock(
    p_clock_id bigint, p_now timestamptz, p_actor bigint default null, p_reason text default null,
    p_policy_code text default null, p_facts jsonb default null
) returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks := private.clock_for_change(p_clock_id);
    v_old jsonb := v.policy;
    v_facts jsonb := coalesce(p_facts, v.policy -> 'facts');
begin
    perform private.refuse_stopped(v);
    if v.breached_at is not null or v.due_at < p_now then
        return v;
    end if;
    v := private.retargeted(v, private.policy_for(coalesce(p_policy_code, v_old ->> 'code'), v.shop_id, v_facts), v_facts, p_now);
    return private.store_clock(v, 'retargeted', p_now, p_actor, p_reason,
        pg_catalog.jsonb_build_object('from', v_old, 'to', v.policy));
end;
$$;
comment on function private.retarget_clock(bigint, timestamptz, bigint, text, text, jsonb) is
    'Applies the policy as it is now, or another one, to a running or paused clock. An overdue clock keeps its verdict. clock.none, clock.stopped, policy.none.';

-- Two records become one ----------------------------------------------------------------------------------------------

create or replace function private.due_if_running(p_clock public.sla_clocks, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select case
        when p_clock.breached_at is not null then p_clock.last_due_at
        when p_clock.paused_at is not null then (private.with_due(private.unpaused(p_clock, p_now), p_now)).due_at
        else p_clock.due_at end
$$;
comment on function private.due_if_running(public.sla_clocks, timestamptz) is 'The deadline of a clock, as if a pause ended now.';

create or replace function private.counting_like(p_clock public.sla_clocks, p_other public.sla_clocks, p_now timestamptz)
returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := p_clock;
    v_other public.sla_clocks := case when p_other.paused_at is null then p_other else private.unpaused(p_other, p_now) end;
begin
    v.breached_at := coalesce(p_other.breached_at, case when p_other.due_at < p_now then p_other.due_at end);
    v_other := private.settled(v_other, p_now);
    v.policy_id := v_other.policy_id;
    v.policy := v_other.policy;
    v.measure := v_other.measure;
    v.calendar_id := v_other.calendar_id;
    v.allowance := v_other.allowance;
    v.used := v_other.used;
    v.counted_from := v_other.counted_from;
    v.pauses := v_other.pauses;
    v.last_due_at := coalesce(v.breached_at, v.last_due_at);
    if v.paused_at is not null then
        v.paused_at := p_now;
        return v;
    elsif v.breached_at is null then
        return private.with_due(v, p_now);
    end if;
    v.state := 'breached';
    v.due_at := v.last_due_at;
    v.due_version := v.due_version + 1;
    return private.with_next_step(v, p_now);
end;
$$;
comment on function private.counting_like(public.sla_clocks, public.sla_clocks, timestamptz) is
    'The clock with the policy, the used time and the deadline of the other; paused if it is paused itself.';

create or replace function private.merge_clock(p_clock_id bigint, p_into_id bigint, p_now timestamptz, p_actor bigint default null)
returns public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v_first public.sla_clocks := private.clock_for_change(least(p_clock_id, p_into_id)); -- one order of locks: no deadlock
    v_from public.sla_clocks := private.clock_for_change(p_clock_id);
    v_into public.sla_clocks := private.clock_for_change(p_into_id);
begin
    if v_from.stopped_at is not null or p_clock_id = p_into_id then
        return v_into;
    end if;
    perform private.cancel_clock(p_clock_id, 'merged', p_now, p_actor);
    if v_into.stopped_at is not null then
        return v_into;
    end if;
    if private.due_if_running(v_from, p_now) < coalesce(private.due_if_running(v_into, p_now), 'infinity') then
        v_into := private.counting_like(v_into, v_from, p_now);
    end if;
    return private.store_clock(v_into, 'merged', p_now, p_actor, null, pg_catalog.jsonb_build_object('from', p_clock_id));
end;
$$;
comment on function private.merge_clock(bigint, bigint, timestamptz, bigint) is
    'The first clock falls silent for ever; the second keeps the earlier of both deadlines. Both histories say so. clock.none.';

-- Replies -------------------------------------------------------------------------------------------------------------

create or replace function private.record_reply(
    p_entity text, p_entity_id bigint, p_channel text, p_now timestamptz, p_actor bigint default null
) returns setof public.sla_clocks
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
    v_counts boolean := p_channel = 'outward' and p_actor is not null;
begin
    for v in select * from public.sla_clocks
        where entity = p_entity and entity_id = p_entity_id and target in ('first', 'next') and stopped_at is null
        order by id for update
    loop
        return next case when v_counts then private.stop_clock(v.id, p_now, p_actor, p_channel)
            else private.store_clock(v, 'reply_ignored', p_now, p_actor, p_channel) end;
    end loop;
end;
$$;
comment on function private.record_reply(text, bigint, text, timestamptz, bigint) is
    'A message went out. Only a person''s outward reply (channel outward with an actor) answers the targets first and next; notes, automatic replies and imports are noted and change nothing.';

-- Calendars change ----------------------------------------------------------------------------------------------------

create or replace function private.day_instant(p_calendar_id bigint, p_day date) returns timestamptz
language sql stable set search_path = '' as $$
    select p_day::timestamp at time zone timezone from public.calendars where id = p_calendar_id
$$;
comment on function private.day_instant(bigint, date) is '00:00 of a date in the calendar''s zone.';

create or replace function private.settle_calendar_clocks(p_calendar_id bigint, p_since timestamptz, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.sla_clocks c set used = s.used, counted_from = s.counted_from
    from public.sla_clocks o cross join lateral private.settled(o, p_now) s
    where c.id = o.id and p_since < p_now and o.calendar_id = p_calendar_id
      and o.state in ('running', 'scheduled', 'uncovered') and o.stopped_at is null
      and coalesce(o.due_at >= p_now and o.due_at > p_since, true)
$$;
comment on function private.settle_calendar_clocks(bigint, timestamptz, timestamptz) is
    'Before a calendar changes from p_since on: time used so far is written down, so that the change reaches only the time that remains.';

create or replace function private.recalculated(p_clock public.sla_clocks, p_now timestamptz) returns public.sla_clocks
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_clocks := private.with_due(p_clock, p_now, case when p_clock.state <> 'uncovered' then p_now end);
begin
    if v.stopped_at is not null and v.due_at is not null then
        v := private.verdict(v, v.stopped_at);
        v.next_step_at := null;
    end if;
    return v;
end;
$$;
comment on function private.recalculated(public.sla_clocks, timestamptz) is
    'The deadline by the calendar of today. A running clock does not become overdue before now; one that waited for its calendar gets the deadline, or the verdict, that it always had.';

create or replace function private.recalculate_clocks(
    p_calendar_id bigint, p_since timestamptz, p_states text[], p_now timestamptz, p_actor bigint default null
) returns integer
language plpgsql set search_path = '' as $$
declare
    v_old public.sla_clocks;
    v public.sla_clocks;
    v_changed integer := 0;
begin
    for v_old in select * from public.sla_clocks
        where calendar_id = p_calendar_id and state = any (p_states) and coalesce(due_at >= p_now and due_at > p_since, true)
        order by id for update
    loop
        v := private.recalculated(v_old, p_now);
        if (v.state, v.due_at) is distinct from (v_old.state, v_old.due_at) then
            perform private.store_clock(v, 'recalculated', p_now, p_actor, null,
                pg_catalog.jsonb_build_object('due_before', v_old.due_at, 'calendar_version', v.calendar_version));
            v_changed := v_changed + 1;
        end if;
    end loop;
    return v_changed;
end;
$$;
comment on function private.recalculate_clocks(bigint, timestamptz, text[], timestamptz, bigint) is
    'After a calendar changed from p_since on: new deadlines for its clocks in these states; returns how many moved. Finished clocks, overdue ones and their verdicts stay.';

-- ==== 34_clock_rpcs.sql ====

-- 34 ----------------------------------------------------------------------------------------- the clock: what members call

-- Why is this the deadline? -------------------------------------------------------------------------------------------

create or replace function private.clock_windows(p_clock public.sla_clocks, p_from timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with span as (
        select case when isempty(s.r) then '{}'::tstzmultirange
            when p_clock.calendar_id is null then pg_catalog.tstzmultirange(s.r)
            else private.known_windows(p_clock.calendar_id, lower(s.r), upper(s.r), private.first_unknown_day(p_clock.calendar_id,
                private.first_day_needed(p_clock.calendar_id, lower(s.r)))) end - p_clock.pauses as open
        from (select pg_catalog.tstzrange(p_from, greatest(p_from,
            coalesce(p_clock.due_at, p_clock.paused_at, p_clock.stopped_at, p_now))) as r) s
    )
    select pg_catalog.jsonb_build_object(
        'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(open) / 60, 3)),
        'windows', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(w.r), 'to', upper(w.r),
                'minutes', pg_catalog.trim_scale(pg_catalog.round(private.seconds_of(pg_catalog.tstzmultirange(w.r)) / 60, 3)))
                order by w.r)
            from pg_catalog.unnest(open) with ordinality w (r, n) where w.n <= 60), '[]'),
        'windows_count', (select pg_catalog.count(*) from pg_catalog.unnest(open)))
    from span
$$;
comment on function private.clock_windows(public.sla_clocks, timestamptz, timestamptz) is
    'Open time that counted from p_from to the deadline (or to where the clock stands): the first sixty windows, their number, all minutes.';

create or replace function private.clock_pauses(p_clock public.sla_clocks) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', lower(p.r),
        'to', case when pg_catalog.isfinite(upper(p.r)) then upper(p.r) end,
        'reason', coalesce((select pg_catalog.string_agg(distinct e.reason, '; ') from public.sla_clock_events e
            where e.clock_id = p_clock.id and e.kind = 'paused' and p.r @> e.at), '')) order by p.r), '[]')
    from pg_catalog.unnest(p_clock.pauses + case when p_clock.paused_at is null then '{}'::tstzmultirange
        else pg_catalog.tstzmultirange(pg_catalog.tstzrange(p_clock.paused_at, 'infinity')) end) p (r)
$$;
comment on function private.clock_pauses(public.sla_clocks) is 'Pauses with their reasons; a pause that lasts has no end.';

create or replace function public.explain_clock(p_clock_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor();
    v_now timestamptz := private.now();
    v public.sla_clocks;
    v_from timestamptz;
begin
    select * into v from public.sla_clocks where id = p_clock_id;
    if not found or (v_me.role <> 'system' and v.shop_id not in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'clock.none');
    end if;
    v_from := case when exists (select from public.sla_clock_events where clock_id = v.id
            and kind in ('reopened', 'retargeted', 'recalculated', 'merged')) then v.counted_from else v.started_at end;
    return pg_catalog.jsonb_build_object('id', v.id, 'entity', v.entity, 'entity_id', v.entity_id, 'target', v.target,
        'instance', v.instance, 'state', v.state, 'started_at', v.started_at, 'due_at', v.due_at, 'stopped_at', v.stopped_at,
        'breached_at', v.breached_at, 'policy', v.policy -> 'name', 'measure', v.measure, 'allowance', v.allowance,
        'used_before', case when v_from = v.counted_from then v.used else 0 end,
        'counted_from', v_from,
        'timezone', coalesce((select timezone from public.calendars where id = v.calendar_id),
            (select timezone from public.shops where id = v.shop_id)),
        'calendar', (select name from public.calendars where id = v.calendar_id),
        'pauses', private.clock_pauses(v)) || private.clock_windows(v, v_from, v_now)
        || coalesce((select pg_catalog.jsonb_build_object('label', s.label, 'path', s.path)
            from private.subjects_of(v.entity, array[v.entity_id], v_now) s), '{"label": null, "path": null}');
end;
$$;
grant execute on function public.explain_clock(bigint) to authenticated, service_role;
comment on function public.explain_clock(bigint) is
    'Members of the shop: 为什么是这个时间？ What counted towards a deadline: policy, time used before, windows, pauses with reasons; how the record is called and which page opens it. clock.none.';

-- ==== 35_clock_seed.sql ====

-- 35 ------------------------------------------------------------------------------- the clock: what a new installation has
--
-- Only what is missing is added: a calendar or policy that somebody has edited stays as it is.

insert into public.holiday_years (year, holidays, makeup_workdays, source) values (2026,
    '{2026-01-01,2026-01-02,2026-01-03,2026-02-15,2026-02-16,2026-02-17,2026-02-18,2026-02-19,2026-02-20,2026-02-21,
      2026-02-22,2026-02-23,2026-04-04,2026-04-05,2026-04-06,2026-05-01,2026-05-02,2026-05-03,2026-05-04,2026-05-05,
      2026-06-19,2026-06-20,2026-06-21,2026-09-25,2026-09-26,2026-09-27,2026-10-01,2026-10-02,2026-10-03,2026-10-04,
      2026-10-05,2026-10-06,2026-10-07}',
    '{2026-01-04,2026-02-14,2026-02-28,2026-05-09,2026-09-20,2026-10-10}',
    '国务院办公厅关于2026年部分节假日安排的通知')
on conflict do nothing;

with wanted (code, name, kind, follows_holidays) as (values
    ('all', '早班＋晚班', 'working', false),
    ('early', '早班', 'working', false),
    ('late', '晚班', 'working', false),
    ('office', '办公时间', 'working', true),
    ('workdays', '工作日', 'workdays', true),
    ('wall', '自然时间', 'wall', false)
), added as (
    insert into public.calendars (code, name, kind, follows_holidays)
    select * from wanted on conflict do nothing returning id, code
)
insert into public.calendar_shifts (calendar_id, name, weekdays, opens, closes)
select a.id, s.name, s.weekdays::smallint[], s.opens, s.closes
from added a join (values
    ('all', '早班', '{1,2,3,4,5,6,7}', 480, 990),
    ('all', '晚班', '{1,2,3,4,5,6,7}', 960, 1440),
    ('early', '早班', '{1,2,3,4,5,6,7}', 480, 990),
    ('late', '晚班', '{1,2,3,4,5,6,7}', 960, 1440),
    ('office', '办公时间', '{1,2,3,4,5}', 540, 1080),
    ('workdays', '全天', '{1,2,3,4,5}', 0, 1440)
) s (code, name, weekdays, opens, closes) using (code);

create or replace function private.seed_policies()
returns table (code text, name text, applies_to text, target text, measure text, calendar text, allowance numeric,
    ladder jsonb, remind_calendar text, on_reopen text)
language sql immutable set search_path = '' as $$
    with steps (ladder_code, ladder) as (values
        ('review', '[{"percent": 50, "who": ["owner"], "action": "notify"},
                     {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"},
                     {"percent": 150, "who": ["owner", "on_duty"], "action": "to_pool"}]'::jsonb),
        ('promise', '[{"minutes": -720, "who": ["warehouse"], "action": "notify"},
                      {"minutes": -240, "who": ["duty_lead"], "action": "notify"}]'),
        ('half', '[{"percent": 50, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('lead', '[{"percent": 80, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner", "manager"], "action": "notify"},
                   {"percent": 150, "who": ["owner"], "action": "to_pool"}]'),
        ('late', '[{"percent": 80, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('refund', '[{"percent": 60, "who": ["owner"], "action": "notify"},
                     {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('complaint', '[{"percent": 0, "who": ["duty_lead"], "action": "notify"},
                        {"percent": 50, "who": ["owner", "duty_lead"], "action": "notify"},
                        {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"}]'),
        ('lead_only', '[{"percent": 100, "who": ["duty_lead"], "action": "notify"}]'),
        ('owner_only', '[{"percent": 100, "who": ["owner"], "action": "notify"}]')
    ), wanted (code, name, applies_to, target, measure, calendar, allowance, ladder_code, remind_calendar, on_reopen) as (values
        ('order_review', '订单异常审核', 'order_review', 'review', 'working', 'all', 120, 'review', null, 'restart'),
        ('ship_promise', '发货承诺', 'order', 'ship', 'wall', null, 2880, 'promise', null, 'continue'),
        ('deliver_promise', '送达承诺', 'order', 'deliver', 'wall', null, 4320, 'promise', null, 'continue'),
        ('parcel_contact', '异常件联系', 'parcel_exception', 'contact', 'wall', null, 720, 'half', 'all', 'restart'),
        ('lead_a', 'A 级线索跟进', 'lead', 'follow_up', 'wall', null, 1440, 'lead', null, 'restart'),
        ('lead_b', 'B 级线索跟进', 'lead', 'follow_up', 'wall', null, 4320, 'lead', null, 'restart'),
        ('lead_c', 'C 级线索跟进', 'lead', 'follow_up', 'wall', null, 10080, 'lead', null, 'restart'),
        ('ticket_first', '工单首次联系', 'ticket', 'first', 'working', 'all', 60, 'late', null, 'keep'),
        ('ticket_resolve', '工单解决', 'ticket', 'resolve', 'wall', null, 1440, 'late', null, 'continue'),
        ('return_review', '退货审核', 'return', 'review', 'wall', null, 1440, 'late', null, 'restart'),
        ('reship', '补发', 'ticket', 'reship', 'wall', null, 1440, 'late', null, 'restart'),
        ('refund_arrival', '退款到账', 'return', 'refund', 'workdays', 'workdays', 5, 'refund', null, 'restart'),
        ('public_complaint', '舆情投诉', 'public_complaint', 'answer', 'working', 'all', 60, 'complaint', null, 'restart'),
        ('low_score', '低分复盘', 'ticket', 'low_score', 'wall', null, 1440, 'lead_only', null, 'restart'),
        ('survey', '满意度评分', 'order', 'survey', 'wall', null, 4320, 'owner_only', null, 'restart'),
        ('callback', '回访', 'order', 'callback', 'wall', null, 10080, 'owner_only', null, 'restart'),
        ('approval', '待审批', 'approval', 'decide', 'working', 'all', 60, 'late', null, 'restart')
    )
    select w.code, w.name, w.applies_to, w.target, w.measure, w.calendar, w.allowance, s.ladder, w.remind_calendar, w.on_reopen
    from wanted w join steps s using (ladder_code)
$$;
comment on function private.seed_policies() is 'The policies of a new installation, and what "restore the default" goes back to.';

insert into public.sla_policies
    (code, name, applies_to, target, measure, calendar_id, allowance, ladder, remind_calendar_id, on_reopen)
select w.code, w.name, w.applies_to, w.target, w.measure, c.id, w.allowance, w.ladder, r.id, w.on_reopen
from private.seed_policies() w
left join public.calendars c on c.code = w.calendar
left join public.calendars r on r.code = w.remind_calendar
on conflict do nothing;

-- ==== 36_calendars.sql ====

-- 36 --------------------------------------------------------------------------------------- calendars: how they change
--
-- A change is made by one private function each, which writes down time used so far, changes the calendar, and gives new
-- deadlines. The public function adds the request; the preview tries the same function and takes everything back.

do $$
begin
    if not exists (select from private.schema_steps where step = '36.1 shifts and shops for the rota') then
        alter table public.calendar_shifts add column if not exists min_staff smallint not null default 0
            constraint calendar_shifts_min_staff_range check (min_staff between 0 and 500);
        alter table public.shops add column if not exists calendar_id bigint references public.calendars;
        insert into private.schema_steps (step) values ('36.1 shifts and shops for the rota');
    end if;
end;
$$;
create index if not exists shops_calendar_id_idx on public.shops (calendar_id) where calendar_id is not null;
comment on column public.calendar_shifts.min_staff is 'Fewer people than this on a day of the rota is a warning; 0: none is asked for.';
comment on column public.shops.calendar_id is 'The shifts of the shop, in its time zone; null: those of the calendar all.';

-- Changes -------------------------------------------------------------------------------------------------------------

create or replace function private.settle_calendars(p_ids bigint[], p_since timestamptz, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.settle_calendar_clocks(i, p_since, p_now) from pg_catalog.unnest(p_ids) i
$$;
comment on function private.settle_calendars(bigint[], timestamptz, timestamptz) is 'settle_calendar_clocks for several calendars.';

create or replace function private.recalculate_calendars(p_ids bigint[], p_since timestamptz, p_now timestamptz, p_actor bigint)
returns integer
language sql set search_path = '' as $$
    select coalesce(pg_catalog.sum(private.recalculate_clocks(i, p_since, '{running,scheduled,uncovered}', p_now, p_actor)), 0)::integer
    from pg_catalog.unnest(p_ids) i
$$;
comment on function private.recalculate_calendars(bigint[], timestamptz, timestamptz, bigint) is
    'recalculate_clocks for several calendars: how many open deadlines changed.';

-- A year's list -------------------------------------------------------------------------------------------------------

create or replace function private.dates_of(p_list jsonb, p_key text) returns date[]
language plpgsql stable set search_path = '' as $$
begin
    if pg_catalog.jsonb_typeof(p_list -> p_key) = 'array' then
        return array(select distinct d::date from pg_catalog.jsonb_array_elements_text(p_list -> p_key) d order by 1);
    end if;
    raise data_exception;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_list', pg_catalog.jsonb_build_object('field', p_key));
end;
$$;
comment on function private.dates_of(jsonb, text) is 'A list of dates out of a year''s list; calendar.bad_list.';

create or replace function private.checked_list(p_list jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    if coalesce(p_list ->> 'year', '') !~ '^2[01][0-9]{2}$' then
        perform private.fail('PT422', 'calendar.bad_list', '{"field": "year"}');
    end if;
    return p_list;
end;
$$;
comment on function private.checked_list(jsonb) is 'A year''s list that names its year; calendar.bad_list.';

create or replace function private.store_holiday_year(p_list jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_year integer;
begin
    insert into public.holiday_years (year, holidays, makeup_workdays, source, updated_at)
    values ((p_list ->> 'year')::integer, private.dates_of(p_list, 'holidays'), private.dates_of(p_list, 'makeup_workdays'),
        coalesce(p_list ->> 'source', ''), private.now())
    on conflict (year) do update set holidays = excluded.holidays, makeup_workdays = excluded.makeup_workdays,
        source = excluded.source, updated_at = excluded.updated_at
    returning year into v_year;
    return v_year;
exception when check_violation then
    perform private.fail('PT422', 'calendar.bad_list', pg_catalog.jsonb_build_object('field', 'year'));
end;
$$;

create or replace function private.first_day_of_list(p_list jsonb) returns date
language sql stable set search_path = '' as $$
    select pg_catalog.min(d) from (
        select pg_catalog.make_date((p_list ->> 'year')::integer, 1, 1)
        union all select pg_catalog.unnest(private.dates_of(p_list, 'holidays') || private.dates_of(p_list, 'makeup_workdays'))
        union all select pg_catalog.unnest(holidays || makeup_workdays) from public.holiday_years
        where year = (p_list ->> 'year')::integer) as dates (d)
$$;
comment on function private.first_day_of_list(jsonb) is 'The first date that a year''s list, or the one it replaces, can change.';

create or replace function private.change_year(p_me private.actor, p_list jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_since date := private.first_day_of_list(private.checked_list(p_list));
    v_year integer;
    v_moved integer;
begin
    perform private.settle_calendar_clocks(id, private.day_instant(id, v_since), p_now)
    from public.calendars where follows_holidays;
    v_year := private.store_holiday_year(p_list);
    select coalesce(pg_catalog.sum(private.recalculate_clocks(id, private.day_instant(id, v_since),
        '{running,scheduled,uncovered}', p_now, (p_me).member_id)), 0)
    into v_moved from public.calendars where follows_holidays;
    perform private.audit(p_me, null, 'holiday_year', v_year, 'imported', p_list);
    return pg_catalog.jsonb_build_object('year', v_year, 'moved', v_moved);
end;
$$;

create or replace function public.import_holiday_year(p_list jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_list jsonb := private.as_json(p_list);
    v_answer jsonb := private.begin_request(p_request_id, 'import_holiday_year', v_list);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_year(v_me, v_list, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.import_holiday_year(jsonb, uuid) to authenticated, service_role;
comment on function public.import_holiday_year(jsonb, uuid) is
    'Manager, admin: the national list of a year, {year, holidays: [date], makeup_workdays: [date], source}; replaces what was there. Answers {year, moved}: deadlines that changed or were waiting for it. calendar.bad_list.';

-- A date with its own hours -------------------------------------------------------------------------------------------

create or replace function private.hours_of(p_hours jsonb) returns int4multirange
language plpgsql immutable set search_path = '' as $$
begin
    return coalesce((select pg_catalog.range_agg(pg_catalog.int4range((h ->> 0)::integer, (h ->> 1)::integer))
        from pg_catalog.jsonb_array_elements(p_hours) h), '{}');
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_hours');
end;
$$;
comment on function private.hours_of(jsonb) is 'Minutes [[480, 1440]] as a multirange, [] is closed; calendar.bad_hours.';

create or replace function private.store_calendar_day(p_calendar_id bigint, p_day date, p_hours jsonb, p_note text) returns void
language plpgsql set search_path = '' as $$
begin
    if p_hours is null or pg_catalog.jsonb_typeof(p_hours) = 'null' then
        delete from public.calendar_days where calendar_id = p_calendar_id and day = p_day;
        return;
    end if;
    insert into public.calendar_days (calendar_id, day, hours, note)
    values (p_calendar_id, p_day, private.hours_of(p_hours), coalesce(p_note, ''))
    on conflict (calendar_id, day) do update set hours = excluded.hours, note = excluded.note;
exception when check_violation or not_null_violation then
    perform private.fail('PT422', 'calendar.bad_hours');
end;
$$;

create or replace function private.change_day(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_id bigint := private.calendar_id(p_change ->> 'calendar');
    v_day date := private.day_of(p_change ->> 'day');
    v_since timestamptz := private.day_instant(v_id, v_day);
    v_moved integer;
begin
    perform private.settle_calendar_clocks(v_id, v_since, p_now);
    perform private.store_calendar_day(v_id, v_day, p_change -> 'hours', p_change ->> 'note');
    v_moved := private.recalculate_calendars(array[v_id], v_since, p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'calendar', v_id, 'day_set', p_change - 'calendar');
    return pg_catalog.jsonb_build_object('moved', v_moved);
end;
$$;

create or replace function private.day_of(p_text text) returns date
language plpgsql immutable set search_path = '' as $$
begin
    if p_text ~ '^2[0-9]{3}-[0-9]{2}-[0-9]{2}$' then
        return pg_catalog.to_date(p_text, 'YYYY-MM-DD');
    end if;
    raise data_exception;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_day');
end;
$$;
comment on function private.day_of(text) is 'A date 2026-11-22; calendar.bad_day.';

create or replace function public.set_calendar_day(
    p_calendar text, p_day date, p_hours jsonb, p_note text, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := pg_catalog.jsonb_build_object('calendar', p_calendar, 'day', p_day, 'hours', private.as_json(p_hours),
        'note', p_note);
    v_answer jsonb := private.begin_request(p_request_id, 'set_calendar_day', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_day(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.set_calendar_day(text, date, jsonb, text, uuid) to authenticated, service_role;
comment on function public.set_calendar_day(text, date, jsonb, text, uuid) is
    'Manager, admin: own hours [[480, 1440]] of one date ([]: closed; null: as usual again). Answers {moved}: running deadlines that changed. calendar.unknown, calendar.bad_hours, calendar.bad_day.';

-- A calendar and its shifts -------------------------------------------------------------------------------------------

create or replace function private.shift_span(p_shift_id bigint, p_day date, out starts_at timestamptz, out ends_at timestamptz)
language sql stable set search_path = '' as $$
    select (p_day + pg_catalog.make_interval(mins => s.opens)) at time zone c.timezone,
        (p_day + pg_catalog.make_interval(mins => s.closes)) at time zone c.timezone
    from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id where s.id = p_shift_id
$$;
comment on function private.shift_span(bigint, date) is 'Begin and end of a shift that begins on a date, in the zone of its calendar.';

create or replace function private.wanted_shifts(p_shifts jsonb)
returns table (id bigint, name text, weekdays smallint[], opens smallint, closes smallint, min_staff smallint)
language plpgsql immutable set search_path = '' as $$
begin
    if coalesce(pg_catalog.jsonb_typeof(p_shifts), 'null') <> 'array' or pg_catalog.jsonb_array_length(p_shifts) > 20 then
        perform private.fail('PT422', 'calendar.bad_shift', '{"shift": ""}');
    end if;
    return query select (s ->> 'id')::bigint, pg_catalog.btrim(coalesce(s ->> 'name', '')),
        array(select distinct w::smallint from pg_catalog.jsonb_array_elements_text(s -> 'weekdays') w order by 1),
        (s ->> 'opens')::smallint, (s ->> 'closes')::smallint, coalesce((s ->> 'min_staff')::smallint, 0::smallint)
        from pg_catalog.jsonb_array_elements(p_shifts) s;
exception when data_exception then
    perform private.fail('PT422', 'calendar.bad_shift', '{"shift": ""}');
end;
$$;
comment on function private.wanted_shifts(jsonb) is 'Shifts [{id, name, weekdays, opens, closes, min_staff}] of a request; calendar.bad_shift.';

create or replace function private.check_shifts(p_calendar_id bigint, p_shifts jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_bad text;
begin
    if not exists (select from private.wanted_shifts(p_shifts)) then
        perform private.fail('PT422', 'calendar.no_shift');
    end if;
    select s.name into v_bad from (
        select w.*, pg_catalog.count(*) over (partition by pg_catalog.lower(w.name)) as namesakes from private.wanted_shifts(p_shifts) w) s
    where s.name !~ '^[^+()（）]{1,20}$' or s.namesakes > 1
       or s.weekdays = '{}' or not s.weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]
       or not coalesce(s.opens between 0 and 1439 and s.closes > s.opens and s.closes <= s.opens + 1440, false)
       or s.min_staff not between 0 and 500
       or (s.id is not null and not exists (
           select from public.calendar_shifts o where o.id = s.id and o.calendar_id = p_calendar_id))
    limit 1;
    if found then
        perform private.fail('PT422', 'calendar.bad_shift', pg_catalog.jsonb_build_object('shift', v_bad));
    end if;
end;
$$;
comment on function private.check_shifts(bigint, jsonb) is
    'At least one shift, each with hours, weekdays and a name of its own (without + and brackets, which the rota needs). calendar.no_shift, calendar.bad_shift.';

create or replace function private.refuse_planned_shift(p_calendar_id bigint, p_shifts jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_shift text;
    v_count integer;
begin
    select s.name, pg_catalog.count(*) into v_shift, v_count
    from public.calendar_shifts s join public.rota_entries e on e.shift_id = s.id and e.ends_at > p_now
    where s.calendar_id = p_calendar_id and s.id not in (select w.id from private.wanted_shifts(p_shifts) w where w.id is not null)
    group by s.id, s.name order by s.id limit 1;
    if found then
        perform private.fail('PT409', 'calendar.shift_planned', pg_catalog.jsonb_build_object('shift', v_shift, 'count', v_count));
    end if;
end;
$$;
comment on function private.refuse_planned_shift(bigint, jsonb, timestamptz) is
    'A shift for which people are still planned is not taken away: calendar.shift_planned.';

create or replace function private.store_shifts(p_calendar_id bigint, p_shifts jsonb, p_now timestamptz) returns void
language sql set search_path = '' as $$
    delete from public.calendar_shifts s where s.calendar_id = p_calendar_id
        and s.id not in (select w.id from private.wanted_shifts(p_shifts) w where w.id is not null);
    update public.calendar_shifts s set name = w.name, weekdays = w.weekdays, opens = w.opens, closes = w.closes, min_staff = w.min_staff
    from private.wanted_shifts(p_shifts) w
    where s.id = w.id and (s.name, s.weekdays, s.opens, s.closes, s.min_staff)
        is distinct from (w.name, w.weekdays, w.opens, w.closes, w.min_staff);
    insert into public.calendar_shifts (calendar_id, name, weekdays, opens, closes, min_staff)
    select p_calendar_id, w.name, w.weekdays, w.opens, w.closes, w.min_staff from private.wanted_shifts(p_shifts) w where w.id is null;
    update public.rota_entries e set shift_name = n.name, starts_at = n.starts_at, ends_at = n.ends_at,
        lead_until = case when e.lead_until > n.starts_at and e.lead_until <= n.starts_at + interval '36 hours' then e.lead_until end
    from (select o.id, s.name, h.* from public.rota_entries o join public.calendar_shifts s on s.id = o.shift_id
        cross join lateral private.shift_span(s.id, o.day) h
        where s.calendar_id = p_calendar_id and o.ends_at > p_now) n
    where e.id = n.id and (e.shift_name, e.starts_at, e.ends_at) is distinct from (n.name, n.starts_at, n.ends_at);
$$;
comment on function private.store_shifts(bigint, jsonb, timestamptz) is
    'The shifts of a calendar as wanted; days of the rota that are not over take the new hours.';

create or replace function private.refuse_used_calendar(p_calendar public.calendars) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_used text := coalesce(
        (select p.name from public.sla_policies p
         where p.is_active and p_calendar.id in (p.calendar_id, p.remind_calendar_id) order by p.id limit 1),
        (select s.name from public.shops s where s.is_active and private.shop_calendar(s.id) = p_calendar.id order by s.id limit 1));
begin
    if v_used is not null or p_calendar.code = 'all' then
        perform private.fail('PT409', 'calendar.in_use', pg_catalog.jsonb_build_object('name', coalesce(v_used, p_calendar.name)));
    end if;
end;
$$;
comment on function private.refuse_used_calendar(public.calendars) is
    'A calendar by which a policy or a shop counts stays on: calendar.in_use.';

create or replace function private.who_changed(p_entity text, p_entity_id bigint) returns text
language sql stable set search_path = '' as $$
    select m.display_name from public.audit_events a left join public.members m on m.id = a.member_id
    where a.entity = p_entity and a.entity_id = p_entity_id order by a.id desc limit 1
$$;
comment on function private.who_changed(text, bigint) is 'The name behind the last entry in the history of a record.';

create or replace function private.calendar_for_change(p_change jsonb) returns public.calendars
language plpgsql set search_path = '' as $$
declare
    v public.calendars;
begin
    select * into v from public.calendars where id = (p_change ->> 'id')::bigint for update;
    if not found then
        perform private.fail('PT404', 'calendar.none');
    elsif v.version is distinct from (p_change ->> 'version')::integer then
        perform private.fail('PT409', 'calendar.stale', pg_catalog.jsonb_build_object('name', v.name,
            'who', private.who_changed('calendar', v.id)));
    elsif v.kind = 'wall' then
        perform private.fail('PT422', 'calendar.fixed', pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.calendar_for_change(jsonb) is 'The calendar {id, version}, locked. calendar.none, calendar.stale, calendar.fixed.';

create or replace function private.new_calendar(p_change jsonb) returns public.calendars
language plpgsql set search_path = '' as $$
declare
    v public.calendars;
begin
    if exists (select from public.calendars where code = p_change ->> 'code') then
        perform private.fail('PT409', 'calendar.code_taken', pg_catalog.jsonb_build_object('code', p_change ->> 'code'));
    elsif not exists (select from pg_catalog.pg_timezone_names where name = p_change ->> 'timezone') then
        perform private.fail('PT422', 'shop.bad_timezone');
    end if;
    insert into public.calendars (code, name, timezone)
    values (p_change ->> 'code', pg_catalog.btrim(p_change ->> 'name'), p_change ->> 'timezone') returning * into v;
    return v;
end;
$$;
comment on function private.new_calendar(jsonb) is 'A calendar of working hours {code, name, timezone}. calendar.code_taken, shop.bad_timezone.';

create or replace function private.change_calendar(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_is_new boolean := p_change ->> 'id' is null;
    v public.calendars;
    v_moved integer;
begin
    v := case when v_is_new then private.new_calendar(p_change) else private.calendar_for_change(p_change) end;
    perform private.check_shifts(v.id, p_change -> 'shifts');
    perform private.refuse_planned_shift(v.id, p_change -> 'shifts', p_now);
    if not coalesce((p_change ->> 'is_active')::boolean, true) then
        perform private.refuse_used_calendar(v);
    end if;
    perform private.settle_calendar_clocks(v.id, '-infinity', p_now);
    perform private.store_shifts(v.id, p_change -> 'shifts', p_now);
    update public.calendars set name = coalesce(pg_catalog.btrim(p_change ->> 'name'), name),
        follows_holidays = coalesce((p_change ->> 'follows_holidays')::boolean, follows_holidays),
        is_active = coalesce((p_change ->> 'is_active')::boolean, is_active), version = version + 1, updated_at = p_now
    where id = v.id returning * into v;
    v_moved := private.recalculate_calendars(array[v.id], '-infinity', p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'calendar', v.id, case when v_is_new then 'created' else 'changed' end, p_change);
    return pg_catalog.jsonb_build_object('id', v.id, 'version', v.version, 'moved', v_moved);
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'calendar.bad_value');
end;
$$;
comment on function private.change_calendar(private.actor, jsonb, timestamptz) is 'What save_calendar does, without the request.';

create or replace function public.save_calendar(p_calendar jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := private.as_json(p_calendar);
    v_answer jsonb := private.begin_request(p_request_id, 'save_calendar', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_calendar(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.save_calendar(jsonb, uuid) to authenticated, service_role;
comment on function public.save_calendar(jsonb, uuid) is
    'Manager, admin: {id, version, name, follows_holidays, is_active, shifts: [{id, name, weekdays, opens, closes, min_staff}]}; without id a new one with code and timezone. Open deadlines follow with the time that remains. Answers {id, version, moved}. calendar.none, calendar.stale, calendar.fixed, calendar.code_taken, calendar.no_shift, calendar.bad_shift, calendar.shift_planned, calendar.in_use, calendar.bad_value, shop.bad_timezone.';

-- ==== 36_campaigns.sql ====

-- 36 -------------------------------------------------------------------------------------------------- 大促模式: campaigns
--
-- From when to when calendars stay open and all hands are called; it ends by itself.

create table if not exists public.campaigns (
    id bigint generated always as identity primary key,
    name text not null constraint campaigns_name_length check (char_length(name) between 1 and 60),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    is_all_hands boolean not null default false,
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint campaigns_length check (ends_at >= starts_at and ends_at <= starts_at + interval '31 days')
);
create index if not exists campaigns_ends_at_idx on public.campaigns (ends_at);
create index if not exists campaigns_changed_by_idx on public.campaigns (changed_by) where changed_by is not null;
alter table public.campaigns enable row level security;
create or replace trigger t10_touch before update on public.campaigns
    for each row execute function private.touch_version();
comment on table public.campaigns is
    '大促模式: from starts_at to ends_at its calendars are open all the time, and with is_all_hands everybody who is not on leave is on duty. It ends by itself.';

create table if not exists public.campaign_calendars (
    campaign_id bigint not null references public.campaigns,
    calendar_id bigint not null references public.calendars,
    primary key (campaign_id, calendar_id)
);
create index if not exists campaign_calendars_calendar_id_idx on public.campaign_calendars (calendar_id);
alter table public.campaign_calendars enable row level security;
comment on table public.campaign_calendars is 'The calendars that a campaign keeps open.';

drop policy if exists "members read the campaigns" on public.campaigns;
create policy "members read the campaigns" on public.campaigns
    for select to authenticated using ((select private.my_role()) is not null);
drop policy if exists "members read the calendars of campaigns" on public.campaign_calendars;
create policy "members read the calendars of campaigns" on public.campaign_calendars
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.campaigns, public.campaign_calendars to authenticated;

create or replace function private.campaign_for_change(p_id bigint, p_version integer, p_now timestamptz) returns public.campaigns
language plpgsql set search_path = '' as $$
declare
    v public.campaigns;
begin
    select * into v from public.campaigns where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'campaign.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'campaign.stale', pg_catalog.jsonb_build_object('name', v.name,
            'who', private.who_changed('campaign', v.id)));
    elsif v.ends_at <= p_now then
        perform private.fail('PT409', 'campaign.over', pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.campaign_for_change(bigint, integer, timestamptz) is 'A campaign that is not over, locked. campaign.none, campaign.stale, campaign.over.';

create or replace function private.campaign_calendar_ids(p_change jsonb) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_ids bigint[] := array(select distinct i::bigint from pg_catalog.jsonb_array_elements_text(p_change -> 'calendars') i);
begin
    if exists (select from pg_catalog.unnest(v_ids) i where not exists (
        select from public.calendars c where c.id = i and c.kind = 'working' and c.is_active)) then
        perform private.fail('PT422', 'campaign.bad_calendar');
    end if;
    return v_ids;
end;
$$;
comment on function private.campaign_calendar_ids(jsonb) is 'The calendars of hours that a campaign opens; campaign.bad_calendar.';

create or replace function private.store_campaign(p_id bigint, p_change jsonb, p_calendars bigint[], p_actor bigint) returns public.campaigns
language plpgsql set search_path = '' as $$
declare
    v public.campaigns;
begin
    if p_id is null then
        insert into public.campaigns (name, starts_at, ends_at) values (p_change ->> 'name', '2000-01-01', '2000-01-01') returning * into v;
    end if;
    update public.campaigns set name = pg_catalog.btrim(p_change ->> 'name'),
        starts_at = pg_catalog.date_trunc('minute', (p_change ->> 'starts_at')::timestamptz),
        ends_at = pg_catalog.date_trunc('minute', (p_change ->> 'ends_at')::timestamptz),
        is_all_hands = coalesce((p_change ->> 'is_all_hands')::boolean, false), changed_by = p_actor
    where id = coalesce(p_id, v.id) returning * into v;
    delete from public.campaign_calendars where campaign_id = v.id and calendar_id <> all (p_calendars);
    insert into public.campaign_calendars select v.id, i from pg_catalog.unnest(p_calendars) i on conflict do nothing;
    return v;
end;
$$;
comment on function private.store_campaign(bigint, jsonb, bigint[], bigint) is 'A campaign, new or changed, with its calendars.';

create or replace function private.change_campaign(p_me private.actor, p_change jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_old public.campaigns;
    v public.campaigns;
    v_calendars bigint[];
    v_touched bigint[];
    v_since timestamptz;
    v_moved integer;
begin
    v_calendars := private.campaign_calendar_ids(p_change);
    if p_change ->> 'id' is not null then
        v_old := private.campaign_for_change((p_change ->> 'id')::bigint, (p_change ->> 'version')::integer, p_now);
    end if;
    if not coalesce((p_change ->> 'ends_at')::timestamptz > greatest(p_now, (p_change ->> 'starts_at')::timestamptz), false) then
        perform private.fail('PT422', 'campaign.bad_value');
    end if;
    v_since := least(v_old.starts_at, (p_change ->> 'starts_at')::timestamptz);
    v_touched := v_calendars || array(select calendar_id from public.campaign_calendars
        where campaign_id = v_old.id and calendar_id <> all (v_calendars));
    perform private.settle_calendars(v_touched, v_since, p_now);
    v := private.store_campaign(v_old.id, p_change, v_calendars, (p_me).member_id);
    v_moved := private.recalculate_calendars(v_touched, v_since, p_now, (p_me).member_id);
    perform private.audit(p_me, null, 'campaign', v.id, case when v_old.id is null then 'created' else 'changed' end, p_change);
    return pg_catalog.jsonb_build_object('id', v.id, 'version', v.version, 'moved', v_moved);
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'campaign.bad_value');
end;
$$;
comment on function private.change_campaign(private.actor, jsonb, timestamptz) is 'What save_campaign does, without the request.';

create or replace function public.save_campaign(p_campaign jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_change jsonb := private.as_json(p_campaign);
    v_answer jsonb := private.begin_request(p_request_id, 'save_campaign', v_change);
begin
    if v_answer is null then
        v_answer := private.finish_request(p_request_id, private.change_campaign(v_me, v_change, private.now()));
    end if;
    return v_answer;
end;
$$;
grant execute on function public.save_campaign(jsonb, uuid) to authenticated, service_role;
comment on function public.save_campaign(jsonb, uuid) is
    'Manager, admin: 大促模式 {id, version, name, starts_at, ends_at, is_all_hands, calendars: [id]}; without id a new one. Its calendars are open from begin to end, and it ends by itself. Answers {id, version, moved}. campaign.none, campaign.stale, campaign.over, campaign.bad_calendar, campaign.bad_value.';

create or replace function public.end_campaign(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'end_campaign', pg_catalog.jsonb_build_array(p_id, p_version));
    v public.campaigns;
    v_calendars bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.campaign_for_change(p_id, p_version, v_now);
    v_calendars := array(select calendar_id from public.campaign_calendars where campaign_id = v.id);
    perform private.settle_calendars(v_calendars, v.starts_at, v_now);
    update public.campaigns set ends_at = greatest(starts_at, pg_catalog.date_trunc('minute', v_now)), changed_by = v_me.member_id
    where id = v.id;
    v_answer := pg_catalog.jsonb_build_object('moved',
        private.recalculate_calendars(v_calendars, v.starts_at, v_now, v_me.member_id));
    perform private.audit(v_me, null, 'campaign', v.id, 'ended');
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.end_campaign(bigint, integer, uuid) to authenticated, service_role;
comment on function public.end_campaign(bigint, integer, uuid) is
    'Manager, admin: ends a campaign now (before its begin: it never was). Answers {moved}. campaign.none, campaign.stale, campaign.over.';

-- ==== 36_previews.sql ====

-- 36 ------------------------------------------------ calendars: what a change would do, whose shifts they are, screens

-- What a change would do ----------------------------------------------------------------------------------------------

create or replace function private.recalculations(p_me private.actor, p_after bigint) returns jsonb
language sql stable set search_path = '' as $$
    with found as (
        select e.*, (e.detail ->> 'due_before')::timestamptz as due_before, c.entity, c.entity_id, c.target
        from public.sla_clock_events e join public.sla_clocks c on c.id = e.clock_id
        where e.id > p_after and e.kind = 'recalculated'
    )
    select pg_catalog.jsonb_build_object('earlier', pg_catalog.count(*) filter (where due_at < due_before),
        'later', pg_catalog.count(*) filter (where due_at > due_before),
        'covered', pg_catalog.count(*) filter (where due_at is not null and due_before is null),
        'uncovered', pg_catalog.count(*) filter (where due_at is null),
        'examples', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('entity', entity, 'entity_id', entity_id,
                'target', target, 'due_before', due_before, 'due_after', due_at) order by due_at), '[]')
            from (select * from found f where (p_me).role = 'system' or f.shop_id in (select private.my_shop_ids())
                order by f.due_at limit 5) nearest))
    from found
$$;
comment on function private.recalculations(private.actor, bigint) is 'What happened to deadlines after an event: counts, and five examples of the reader''s shops.';

create or replace function public.preview_calendar_change(p_kind text, p_change jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_change jsonb := private.as_json(p_change);
    v_last bigint := coalesce((select pg_catalog.max(id) from public.sla_clock_events), 0);
    v_answer jsonb;
begin
    begin
        case p_kind
            when 'calendar' then v_answer := private.change_calendar(v_me, v_change, v_now);
            when 'day' then v_answer := private.change_day(v_me, v_change, v_now);
            when 'year' then v_answer := private.change_year(v_me, v_change, v_now);
            when 'campaign' then v_answer := private.change_campaign(v_me, v_change, v_now);
            else perform private.fail('PT422', 'calendar.bad_value');
        end case;
        v_answer := pg_catalog.jsonb_build_object('moved', v_answer -> 'moved') || private.recalculations(v_me, v_last);
        raise exception using errcode = 'DKPRE';
    exception when sqlstate 'DKPRE' then
        null;
    end;
    return v_answer || pg_catalog.jsonb_build_object('open', (select pg_catalog.count(*) from public.sla_clocks
        where stopped_at is null and calendar_id is not null));
end;
$$;
grant execute on function public.preview_calendar_change(text, jsonb) to authenticated, service_role;
comment on function public.preview_calendar_change(text, jsonb) is
    'Manager, admin: what save_calendar (calendar), set_calendar_day (day), import_holiday_year (year) or save_campaign (campaign) would do: {moved, earlier, later, covered, uncovered, open, examples}. Changes nothing: it is tried and undone. Errors as theirs.';

-- The shifts of a shop ------------------------------------------------------------------------------------------------

create or replace function public.set_shop_calendar(p_shop_id bigint, p_calendar_id bigint, p_version integer, p_request_id uuid)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'set_shop_calendar',
        pg_catalog.jsonb_build_array(p_shop_id, p_calendar_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    if not exists (select from public.calendars where id = p_calendar_id and kind = 'working' and is_active) then
        perform private.fail('PT422', 'campaign.bad_calendar');
    end if;
    update public.shops set calendar_id = p_calendar_id where id = p_shop_id and version = p_version;
    if not found then
        perform private.fail('PT409', 'shop.stale', pg_catalog.jsonb_build_object('id', p_shop_id));
    end if;
    perform private.audit(v_me, p_shop_id, 'shop', p_shop_id, 'calendar_set', pg_catalog.jsonb_build_object('calendar_id', p_calendar_id));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_shop_id));
end;
$$;
grant execute on function public.set_shop_calendar(bigint, bigint, integer, uuid) to authenticated, service_role;
comment on function public.set_shop_calendar(bigint, bigint, integer, uuid) is
    'Manager, admin: the calendar whose shifts, and zone, a shop works by. campaign.bad_calendar, shop.none, shop.stale.';

-- Screens -------------------------------------------------------------------------------------------------------------

create or replace function private.calendar_facts(p_calendar public.calendars) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', p_calendar.id, 'code', p_calendar.code, 'name', p_calendar.name,
        'kind', p_calendar.kind, 'timezone', p_calendar.timezone, 'follows_holidays', p_calendar.follows_holidays,
        'is_active', p_calendar.is_active, 'version', p_calendar.version, 'updated_at', p_calendar.updated_at,
        'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'weekdays', s.weekdays, 'opens', s.opens, 'closes', s.closes, 'min_staff', s.min_staff) order by s.opens, s.id)
            from public.calendar_shifts s where s.calendar_id = p_calendar.id), '[]'))
$$;

create or replace function private.campaign_facts(p_campaign public.campaigns) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.to_jsonb(p_campaign) || pg_catalog.jsonb_build_object('calendars', coalesce((
        select pg_catalog.jsonb_agg(k.calendar_id order by k.calendar_id)
        from public.campaign_calendars k where k.campaign_id = p_campaign.id), '[]'))
$$;

create or replace function public.calendars_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return pg_catalog.jsonb_build_object(
        'calendars', (select pg_catalog.jsonb_agg(private.calendar_facts(c) || pg_catalog.jsonb_build_object(
                'policies', (select pg_catalog.count(*) from public.sla_policies p where p.is_active and p.calendar_id = c.id),
                'waiting', (select pg_catalog.count(*) from public.sla_clocks k
                    where k.calendar_id = c.id and k.state = 'uncovered' and k.shop_id = any (v_shops)),
                'covered_until', private.first_unknown_day(c.id, (v_now at time zone c.timezone)::date) - 1) order by c.id)
            from public.calendars c),
        'years', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(y) order by y.year), '[]') from public.holiday_years y),
        'campaigns', (select coalesce(pg_catalog.jsonb_agg(private.campaign_facts(k) order by k.starts_at), '[]')
            from public.campaigns k where k.ends_at > v_now - interval '30 days' and k.ends_at > k.starts_at),
        'shops', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'timezone', s.timezone, 'version', s.version, 'calendar_id', private.shop_calendar(s.id)) order by s.id), '[]')
            from public.shops s where s.is_active and s.id = any (v_shops)));
end;
$$;
grant execute on function public.calendars_screen() to authenticated;
comment on function public.calendars_screen() is
    'Members: {calendars: [{…, shifts, policies, waiting, covered_until}], years, campaigns (not longer over than 30 days), shops: [{…, calendar_id}]}. waiting: deadlines of my shops without an answer until the year''s list comes.';

create or replace function public.calendar_month(p_calendar text, p_from date, p_days integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.calendars;
begin
    select * into v from public.calendars where id = private.calendar_id(p_calendar);
    if p_days is null or p_days not between 1 and 62 or p_from is null or extract(year from p_from) not between 2000 and 2200 then
        perform private.fail('PT422', 'calendar.bad_day');
    end if;
    return (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('day', d.day,
            'hours', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(lower(h), upper(h)) order by h)
                from pg_catalog.unnest(d.hours) h), '[]'),
            'is_holiday', coalesce(d.day = any (y.holidays), false), 'is_makeup', coalesce(d.day = any (y.makeup_workdays), false),
            'is_own', o.day is not null, 'note', coalesce(o.note, ''),
            'is_known', not v.follows_holidays or o.day is not null or exists (
                select from public.holiday_years h where h.year = extract(year from d.day)),
            'campaign', (select pg_catalog.string_agg(k.name, '、' order by k.id)
                from public.campaign_calendars cc join public.campaigns k on k.id = cc.campaign_id
                where cc.calendar_id = v.id and k.starts_at < private.day_instant(v.id, d.day + 1)
                  and k.ends_at > private.day_instant(v.id, d.day))) order by d.day)
        from private.day_hours(v.id, p_from, p_from + p_days - 1) d
        left join public.calendar_days o on o.calendar_id = v.id and o.day = d.day
        left join lateral (select case when v.follows_holidays then l.holidays else '{}' end as holidays,
                case when v.follows_holidays then l.makeup_workdays else '{}' end as makeup_workdays
            from public.holiday_years l where d.day = any (l.holidays || l.makeup_workdays) order by l.year limit 1) y on true);
end;
$$;
grant execute on function public.calendar_month(text, date, integer) to authenticated;
comment on function public.calendar_month(text, date, integer) is
    'Members: open hours of each date: [{day, hours: [[480, 1440]], is_holiday, is_makeup, is_own, note, is_known, campaign}], at most 62. calendar.unknown, calendar.bad_day.';

-- ==== 36_rota.sql ====

-- 36 --------------------------------------------------------------------------------- rota: who works when, who is on duty
--
-- A day of a person is planned (work, rest, leave) or open. What was planned is kept with its hours: a shift that changes
-- later changes the days to come, never who was on duty three weeks ago.

create table if not exists public.rota_days (
    member_id bigint not null references public.members,
    day date not null,
    kind text not null constraint rota_days_kind_known check (kind in ('work', 'rest', 'leave', 'open')),
    note text not null default '' constraint rota_days_note_length check (char_length(note) <= 200),
    source text not null constraint rota_days_source_known check (source in ('edited', 'generated', 'imported', 'copied')),
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null,
    primary key (member_id, day)
);
create index if not exists rota_days_day_idx on public.rota_days (day);
create index if not exists rota_days_changed_by_idx on public.rota_days (changed_by) where changed_by is not null;
alter table public.rota_days enable row level security;
comment on table public.rota_days is '排班: what a person does on a date. work (with rota_entries), rest, leave; open: planned once and taken back.';

create table if not exists public.rota_entries (
    id bigint generated always as identity primary key,
    member_id bigint not null,
    day date not null,
    shift_id bigint references public.calendar_shifts on delete set null,
    shift_name text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    is_lead boolean not null default false,
    is_deputy boolean not null default false,
    lead_until timestamptz,
    constraint rota_entries_day_fk foreign key (member_id, day) references public.rota_days,
    constraint rota_entries_unique unique (member_id, day, shift_id),
    constraint rota_entries_hours_form check (starts_at < ends_at and ends_at <= starts_at + interval '25 hours'),
    constraint rota_entries_one_part check (not (is_lead and is_deputy)),
    constraint rota_entries_lead_until_range check (lead_until is null or (
        (is_lead or is_deputy) and lead_until > starts_at and lead_until <= starts_at + interval '36 hours'))
);
create index if not exists rota_entries_starts_at_idx on public.rota_entries (starts_at);
create index if not exists rota_entries_shift_id_idx on public.rota_entries (shift_id, day) where shift_id is not null;
alter table public.rota_entries enable row level security;
comment on table public.rota_entries is '班次 of a working day, with the hours that held when it was planned, and 当班主管 or deputy of it.';
comment on column public.rota_entries.lead_until is
    'The lead or deputy answers until then instead of until the end of the shift: through the night, or for part of the day.';

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "members read the rota of their shops" on public.rota_days;
create policy "members read the rota of their shops" on public.rota_days
    for select to authenticated using (member_id in (
        select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))
        or member_id = (select private.my_member_id()));
drop policy if exists "members read the shifts of colleagues" on public.rota_entries;
create policy "members read the shifts of colleagues" on public.rota_entries
    for select to authenticated using (member_id in (
        select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))
        or member_id = (select private.my_member_id()));
grant select on public.rota_days, public.rota_entries to authenticated;

-- On duty -------------------------------------------------------------------------------------------------------------

create or replace function private.shop_calendar(p_shop_id bigint) returns bigint
language sql stable set search_path = '' as $$
    select coalesce((select calendar_id from public.shops where id = p_shop_id), (select id from public.calendars where code = 'all'))
$$;
comment on function private.shop_calendar(bigint) is 'The calendar with the shifts of a shop.';

create or replace function private.open_day(p_calendar_id bigint, p_at timestamptz) returns date
language sql stable set search_path = '' as $$
    select d.day
    from public.calendars c
    cross join lateral (select p_at at time zone c.timezone as local) l
    cross join lateral private.day_hours(c.id, l.local::date - 1, l.local::date) d
    where c.id = p_calendar_id
      and d.hours @> pg_catalog.floor(extract(epoch from l.local - d.day::timestamp) / 60)::integer
    order by d.day desc limit 1
$$;
comment on function private.open_day(bigint, timestamptz) is
    'The date whose hours hold an instant (after midnight it may be the day before); null when the calendar is closed then.';

create or replace function private.is_planned(p_shop_id bigint, p_day date, p_role text default null) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.member_shops s
        join public.members m on m.id = s.member_id and m.state = 'active' and (p_role is null or m.role = p_role)
        join public.rota_days d on d.member_id = s.member_id and d.day = p_day and d.kind in ('work', 'rest')
        where s.shop_id = p_shop_id)
$$;
comment on function private.is_planned(bigint, date, text) is
    'Whether anybody of a shop (of a role) is planned on a date (leave alone is no plan): otherwise no rota is kept there, and opening hours decide.';

create or replace function private.is_all_hands(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.campaigns c where c.is_all_hands and c.starts_at <= p_at and c.ends_at > p_at)
       and exists (select from public.members m where m.id = p_member_id and m.state = 'active'
           and m.role in ('agent', 'warehouse', 'operations', 'manager'))
       and not exists (
           select from public.rota_days d where d.member_id = p_member_id and d.kind = 'leave'
           and d.day = (select (p_at at time zone c.timezone)::date from public.calendars c where c.code = 'all'))
$$;
comment on function private.is_all_hands(bigint, timestamptz) is 'Whether a campaign calls on this person at an instant: everybody at work but those on leave.';

create or replace function private.on_duty(p_shop_id bigint, p_at timestamptz)
returns table (member_id bigint, shift_id bigint, is_lead boolean, is_deputy boolean)
language sql stable set search_path = '' as $$
    with staff as (
        select s.id as shop_id, m.id, m.role, private.shop_calendar(s.id) as calendar_id
        from public.shops s
        join public.member_shops k on k.shop_id = s.id
        join public.members m on m.id = k.member_id and m.state = 'active'
        where s.is_active and (p_shop_id is null or s.id = p_shop_id)
    ), unplanned as materialized ( -- once for a shop, not for each of its people
        select s.shop_id, o.day, private.shift_open(s.calendar_id, p_at) as shift_id
        from (select distinct shop_id, calendar_id from staff) s
        cross join lateral private.open_day(s.calendar_id, p_at) o (day)
        where o.day is not null and not private.is_planned(s.shop_id, o.day)
    ), found as (
        select e.member_id, e.shift_id, e.starts_at,
            e.is_lead and p_at < coalesce(e.lead_until, e.ends_at) as is_lead,
            e.is_deputy and p_at < coalesce(e.lead_until, e.ends_at) as is_deputy
        from public.rota_entries e
        where e.starts_at <= p_at and e.starts_at > p_at - interval '25 hours' and e.ends_at > p_at
          and e.member_id in (select id from staff)
        union all
        select s.id, u.shift_id, null::timestamptz, false, false
        from unplanned u join staff s using (shop_id)
        where s.role in ('agent', 'warehouse', 'operations', 'manager')
          and not exists (select from public.rota_days d where d.member_id = s.id and d.day = u.day and d.kind = 'leave')
        union all
        select s.id, null::bigint, null::timestamptz, false, false from staff s where private.is_all_hands(s.id, p_at)
    )
    select f.member_id, (pg_catalog.array_agg(f.shift_id order by f.starts_at desc nulls last, f.shift_id))[1],
        pg_catalog.bool_or(f.is_lead), pg_catalog.bool_or(f.is_deputy)
    from found f group by f.member_id
$$;
comment on function private.on_duty(bigint, timestamptz) is
    'Active members of a shop (null: of any) who are on shift at an instant, once each. A shop with nobody planned that day: everybody who works there (no analysts), while its calendar is open.';

create or replace function private.shift_open(p_calendar_id bigint, p_at timestamptz) returns bigint
language sql stable set search_path = '' as $$
    select s.id
    from public.calendars c
    cross join lateral (select p_at at time zone c.timezone as local) l
    cross join lateral (select private.open_day(c.id, p_at) as day) d
    join public.calendar_shifts s on s.calendar_id = c.id
    where c.id = p_calendar_id
      and pg_catalog.floor(extract(epoch from l.local - d.day::timestamp) / 60) between s.opens and s.closes - 1
    order by s.opens desc, s.id limit 1
$$;
comment on function private.shift_open(bigint, timestamptz) is 'The shift of a calendar whose hours hold an instant, the later one of two; null outside all of them.';

create or replace function private.is_on_duty(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.members m where m.id = p_member_id and m.state = 'active' and (
            exists (select from public.rota_entries e where e.member_id = m.id
                and e.starts_at <= p_at and e.starts_at > p_at - interval '25 hours' and e.ends_at > p_at)
            or private.is_all_hands(m.id, p_at)
            or exists (select from public.shops s
                cross join lateral private.open_day(private.shop_calendar(s.id), p_at) o (day)
                where (m.role = 'admin' or s.id in (select k.shop_id from public.member_shops k where k.member_id = m.id))
                  and o.day is not null and not private.is_planned(s.id, o.day, m.role)
                  and not exists (select from public.rota_days d
                      where d.member_id = m.id and d.day = o.day and d.kind <> 'open'))))
$$;
comment on function private.is_on_duty(bigint, timestamptz) is
    'Whether a person is on shift at an instant. A role that nobody plans in one of his shops (a clerk beside a rota of agents) counts while that shop is open.';

create or replace function private.rota_leads(p_at timestamptz) returns table (member_id bigint, is_deputy boolean)
language sql stable set search_path = '' as $$
    select e.member_id, e.is_deputy
    from public.rota_entries e join public.members m on m.id = e.member_id and m.state = 'active'
    where (e.is_lead or e.is_deputy) and e.starts_at <= p_at and e.starts_at > p_at - interval '36 hours'
      and p_at < coalesce(e.lead_until, e.ends_at)
    union
    select m.id, false from public.members m where m.state = 'active' and m.duty_lead_until > p_at
$$;
comment on function private.rota_leads(timestamptz) is '当班主管 and deputies of an instant: by the rota, or named for the moment.';

create or replace function private.duty_leads(p_shop_id bigint, p_at timestamptz) returns setof bigint
language sql stable set search_path = '' as $$
    with candidates as (
        select l.member_id, case when l.is_deputy then 2 else 1 end as rank from private.rota_leads(p_at) l
        union all
        select m.id, 3 from public.members m where m.state = 'active' and m.role = 'manager'
    ), mine as (
        select c.* from candidates c where p_shop_id is null or exists (
            select from public.member_shops s where s.member_id = c.member_id and s.shop_id = p_shop_id)
        union all
        select m.id, 4 from public.members m where m.state = 'active' and m.role = 'admin'
    )
    select distinct m.member_id from mine m where m.rank = (select pg_catalog.min(rank) from mine)
$$;
comment on function private.duty_leads(bigint, timestamptz) is
    'Who answers for a shop (null: any) at an instant: its 当班主管, else its deputy, else its managers, else the admins.';

create or replace function private.leads_now(p_member_id bigint, p_at timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from private.rota_leads(p_at) l where l.member_id = p_member_id and (not l.is_deputy or exists (
            select from public.member_shops s where s.member_id = p_member_id and not exists (
                select from private.rota_leads(p_at) o join public.member_shops k on k.member_id = o.member_id
                where not o.is_deputy and k.shop_id = s.shop_id))))
$$;
comment on function private.leads_now(bigint, timestamptz) is
    'Whether somebody is 当班主管 at an instant; a deputy is where one of his shops has no other.';

-- ==== 36_rota_plan.sql ====

-- 36 ------------------------------------------------------------------------------- rota: planning it, and its screens

-- Planning ------------------------------------------------------------------------------------------------------------

create or replace function private.wanted_days(p_cells jsonb)
returns table (member_id bigint, day date, version integer, kind text, note text, shifts jsonb)
language sql stable set search_path = '' as $$
    select (c ->> 'member_id')::bigint, (c ->> 'day')::date, coalesce((c ->> 'version')::integer, 0), c ->> 'kind',
        pg_catalog.btrim(coalesce(c ->> 'note', '')), coalesce(c -> 'shifts', '[]')
    from pg_catalog.jsonb_array_elements(p_cells) c
$$;
comment on function private.wanted_days(jsonb) is 'Days [{member_id, day, version, kind, note, shifts}] of a request.';

create or replace function private.wanted_entries(p_cells jsonb) returns setof public.rota_entries
language sql stable set search_path = '' as $$
    select null::bigint, d.member_id, d.day, (s ->> 'id')::bigint, k.name, n.starts_at, n.ends_at,
        coalesce((s ->> 'is_lead')::boolean, false), coalesce((s ->> 'is_deputy')::boolean, false), (s ->> 'lead_until')::timestamptz
    from private.wanted_days(p_cells) d
    cross join lateral pg_catalog.jsonb_array_elements(d.shifts) s
    left join public.calendar_shifts k on k.id = (s ->> 'id')::bigint
    left join lateral private.shift_span(k.id, d.day) n on true
$$;
comment on function private.wanted_entries(jsonb) is 'The shifts of those days, with the hours that hold now; ends_at null where there is no such shift.';

create or replace function private.rota_problem(p_me private.actor, p_cells jsonb, p_now timestamptz)
returns table (key text, member_id bigint, day date)
language sql stable set search_path = '' as $$
    with days as (
        select d.*, m.state, m.role, pg_catalog.count(*) over (partition by d.member_id, d.day) as times,
            (p_me).role in ('system', 'admin') or exists (select from public.member_shops s where s.member_id = d.member_id
                and s.shop_id in (select private.my_shop_ids())) as is_mine
        from private.wanted_days(p_cells) d left join public.members m on m.id = d.member_id
    ), found as (
        select case
            when d.state is null or not d.is_mine then 'rota.not_my_member'
            when d.day is null or d.day not between p_now::date - 62 and p_now::date + 400 then 'rota.bad_day'
            when d.times > 1 or coalesce(d.kind, '') not in ('work', 'rest', 'leave', 'open') or pg_catalog.char_length(d.note) > 200
                or pg_catalog.jsonb_typeof(d.shifts) <> 'array' or pg_catalog.jsonb_array_length(d.shifts) > 4
                or (d.kind = 'work') = (d.shifts = '[]') then 'rota.bad_cell'
            when d.state = 'off' and d.kind = 'work' and d.day >= p_now::date then 'rota.member_off' end as key, d.member_id, d.day
        from days d
        union all
        select case
            when e.ends_at is null or not exists (select from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id
                where s.id = e.shift_id and c.kind = 'working' and c.is_active) then 'rota.bad_shift'
            when e.is_lead and e.is_deputy then 'rota.bad_cell'
            when (e.is_lead or e.is_deputy) and (select m.role from public.members m where m.id = e.member_id)
                not in ('agent', 'warehouse', 'operations', 'manager') then 'rota.bad_lead'
            when e.lead_until is not null and not ((e.is_lead or e.is_deputy)
                and e.lead_until > e.starts_at and e.lead_until <= e.starts_at + interval '36 hours') then 'rota.bad_lead_until' end,
            e.member_id, e.day
        from private.wanted_entries(p_cells) e
    )
    select f.key, f.member_id, f.day from found f where f.key is not null order by f.day, f.member_id limit 1
$$;
comment on function private.rota_problem(private.actor, jsonb, timestamptz) is 'The first day of a request that cannot be taken, and why; no row when all can.';

create or replace function private.check_rota(p_me private.actor, p_cells jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_problem record;
begin
    if coalesce(pg_catalog.jsonb_typeof(p_cells), 'null') <> 'array' or exists (
        select from pg_catalog.jsonb_array_elements(p_cells) c where pg_catalog.jsonb_typeof(c) <> 'object') then
        perform private.fail('PT422', 'rota.bad_cell');
    elsif pg_catalog.jsonb_array_length(p_cells) > 2500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 2500}');
    end if;
    select * into v_problem from private.rota_problem(p_me, p_cells, p_now);
    if found then
        perform private.fail('PT422', v_problem.key, pg_catalog.jsonb_build_object('day', v_problem.day,
            'name', (select display_name from public.members where id = v_problem.member_id)));
    end if;
exception when data_exception then
    perform private.fail('PT422', 'rota.bad_cell');
end;
$$;
comment on function private.check_rota(private.actor, jsonb, timestamptz) is
    'rota.not_my_member, rota.member_off, rota.bad_day, rota.bad_cell, rota.bad_shift, rota.bad_lead, rota.bad_lead_until (name, day); bulk.too_many above 2,500 days (product decision: 60 people, six weeks).';

create or replace function private.refuse_stale_days(p_cells jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_first record;
begin
    select m.display_name as name, w.day, c.display_name as who, d.updated_at as at, pg_catalog.count(*) over () as count
    into v_first
    from private.wanted_days(p_cells) w
    join public.rota_days d on d.member_id = w.member_id and d.day = w.day
    join public.members m on m.id = d.member_id
    left join public.members c on c.id = d.changed_by
    where d.version is distinct from w.version
    order by d.updated_at desc, w.day, w.member_id limit 1;
    if found then
        perform private.fail('PT409', 'rota.stale', pg_catalog.to_jsonb(v_first));
    end if;
end;
$$;
comment on function private.refuse_stale_days(jsonb) is
    'The second of two editors of a day is refused: rota.stale with whose day (name, day), who was faster (who, at) and how many days.';

create or replace function private.store_rota(p_cells jsonb, p_source text, p_actor bigint, p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.rota_days as d (member_id, day, kind, note, source, changed_by, updated_at)
    select w.member_id, w.day, w.kind, w.note, p_source, p_actor, p_now from private.wanted_days(p_cells) w
    on conflict (member_id, day) do update set kind = excluded.kind, note = excluded.note, source = excluded.source,
        changed_by = excluded.changed_by, updated_at = excluded.updated_at, version = d.version + 1;
    delete from public.rota_entries e using private.wanted_days(p_cells) w where e.member_id = w.member_id and e.day = w.day;
    insert into public.rota_entries (member_id, day, shift_id, shift_name, starts_at, ends_at, is_lead, is_deputy, lead_until)
    select e.member_id, e.day, e.shift_id, e.shift_name, e.starts_at, e.ends_at, e.is_lead, e.is_deputy, e.lead_until
    from private.wanted_entries(p_cells) e
    on conflict do nothing;
$$;
comment on function private.store_rota(jsonb, text, bigint, timestamptz) is 'Days as wanted, each with its shifts.';

create or replace function public.save_rota(p_cells jsonb, p_source text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_cells jsonb := private.as_json(p_cells);
    v_answer jsonb := private.begin_request(p_request_id, 'save_rota', pg_catalog.jsonb_build_array(p_source, v_cells));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_source is null or p_source not in ('edited', 'generated', 'imported', 'copied') then
        perform private.fail('PT422', 'rota.bad_cell');
    end if;
    perform private.check_rota(v_me, v_cells, v_now);
    lock table public.rota_days in share row exclusive mode; -- versions are compared and raised by one planner at a time
    perform private.refuse_stale_days(v_cells);
    perform private.store_rota(v_cells, p_source, v_me.member_id, v_now);
    perform private.audit(v_me, null, 'rota', null, p_source, (select pg_catalog.jsonb_build_object('days', pg_catalog.count(*),
            'people', pg_catalog.count(distinct w.member_id), 'from', pg_catalog.min(w.day), 'to', pg_catalog.max(w.day),
            'changes', (select pg_catalog.jsonb_agg(c) from (select c from pg_catalog.jsonb_array_elements(v_cells) c limit 60) f (c)))
        from private.wanted_days(v_cells) w));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('changed', pg_catalog.jsonb_array_length(v_cells)));
end;
$$;
grant execute on function public.save_rota(jsonb, text, uuid) to authenticated, service_role;
comment on function public.save_rota(jsonb, text, uuid) is
    'Manager, admin: plans days of people of their shops: [{member_id, day, version (0: not planned yet), kind work|rest|leave|open, note, shifts: [{id, is_lead, is_deputy, lead_until}]}], p_source edited|generated|imported|copied. All or none. Answers {changed}. rota.stale, rota.not_my_member, rota.member_off, rota.bad_day, rota.bad_cell, rota.bad_shift, rota.bad_lead, rota.bad_lead_until, bulk.too_many.';

-- Screens -------------------------------------------------------------------------------------------------------------

create or replace function public.on_duty(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    return (
        with shops as (
            select i as id from private.my_shop_ids() i where p_shop_id is null or i = p_shop_id
        ), leads as (
            select distinct l as member_id from shops s cross join lateral private.duty_leads(s.id, v_now) l
        ), people as (
            select d.member_id, d.shift_id, d.is_lead, d.is_deputy
            from private.on_duty(p_shop_id, v_now) d
            where exists (select from public.member_shops k where k.member_id = d.member_id and k.shop_id in (select id from shops))
        )
        select pg_catalog.jsonb_build_object('at', v_now,
            'people', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                    'role', m.role, 'shift', s.name, 'is_lead', p.is_lead, 'is_deputy', p.is_deputy,
                    'until', (select pg_catalog.max(e.ends_at) from public.rota_entries e
                        where e.member_id = m.id and e.starts_at <= v_now and e.ends_at > v_now))
                    order by not p.is_lead, not p.is_deputy, s.opens, m.id)
                from people p join public.members m on m.id = p.member_id left join public.calendar_shifts s on s.id = p.shift_id), '[]'),
            'leads', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                    'is_by_rota', exists (select from private.rota_leads(v_now) r where r.member_id = m.id)) order by m.id)
                from leads l join public.members m on m.id = l.member_id), '[]'),
            'is_planned', exists (select from shops s
                cross join lateral private.open_day(private.shop_calendar(s.id), v_now) o (day) where private.is_planned(s.id, o.day)),
            'campaign', (select c.name from public.campaigns c where c.starts_at <= v_now and c.ends_at > v_now order by c.ends_at limit 1)));
end;
$$;
grant execute on function public.on_duty(bigint) to authenticated;
comment on function public.on_duty(bigint) is
    'Members: who is on duty now in a shop (null: in any of mine): {at, people: [{id, name, role, shift, is_lead, is_deputy, until}], leads: who answers, is_planned: false while opening hours decide, campaign}. shop.none.';

create or replace function private.rota_people(p_me private.actor, p_shop_id bigint, p_from date, p_to date) returns setof bigint
language sql stable set search_path = '' as $$
    select m.id from public.members m
    where (m.state <> 'off' and m.role not in ('analyst', 'admin')
        or exists (select from public.rota_days d where d.member_id = m.id and d.day between p_from and p_to))
      and exists (select from public.member_shops k where k.member_id = m.id
          and k.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or k.shop_id = p_shop_id))
$$;
comment on function private.rota_people(private.actor, bigint, date, date) is
    'Whose rota the reader sees: people of his shops; those who left, analysts and admins only where they are planned.';

create or replace function private.rota_day_facts(p_day public.rota_days) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('member_id', p_day.member_id, 'day', p_day.day, 'kind', p_day.kind, 'note', p_day.note,
        'version', p_day.version, 'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', e.shift_id,
                'name', e.shift_name, 'is_lead', e.is_lead, 'is_deputy', e.is_deputy, 'lead_until', e.lead_until,
                'starts_at', e.starts_at, 'ends_at', e.ends_at) order by e.starts_at, e.id)
            from public.rota_entries e where e.member_id = p_day.member_id and e.day = p_day.day), '[]'))
$$;

create or replace function public.rota_screen(p_from date, p_days integer, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_to date := p_from + p_days - 1;
    v_people bigint[];
begin
    if p_days is null or p_days not between 1 and 62 or p_from is null or extract(year from p_from) not between 2000 and 2200 then
        perform private.fail('PT422', 'calendar.bad_day');
    elsif p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    v_people := array(select private.rota_people(v_me, p_shop_id, p_from, v_to));
    return pg_catalog.jsonb_build_object(
        'people', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name,
                'staff_no', m.staff_no, 'role', m.role, 'skills', m.skills, 'state', m.state)
                order by pg_catalog.array_position(array['manager', 'agent', 'operations', 'warehouse', 'analyst', 'admin'], m.role), m.staff_no, m.id)
            from public.members m where m.id = any (v_people)), '[]'),
        'days', coalesce((select pg_catalog.jsonb_agg(private.rota_day_facts(d) order by d.day, d.member_id)
            from public.rota_days d where d.member_id = any (v_people) and d.day between p_from and v_to), '[]'),
        'shifts', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', s.id, 'name', s.name,
                'calendar', c.name, 'timezone', c.timezone, 'weekdays', s.weekdays, 'opens', s.opens, 'closes', s.closes,
                'min_staff', s.min_staff, 'is_of_shops', c.id in (select private.shop_calendar(k.id) from public.shops k
                    where k.is_active and k.id in (select private.my_shop_ids()) and (p_shop_id is null or k.id = p_shop_id)))
                order by c.id, s.opens, s.id)
            from public.calendar_shifts s join public.calendars c on c.id = s.calendar_id and c.kind = 'working' and c.is_active), '[]'),
        'campaigns', (select coalesce(pg_catalog.jsonb_agg(private.campaign_facts(k) order by k.starts_at), '[]')
            from public.campaigns k where k.ends_at > k.starts_at and k.ends_at > (p_from - 1)::timestamptz and k.starts_at < (v_to + 2)::timestamptz));
end;
$$;
grant execute on function public.rota_screen(date, integer, bigint) to authenticated;
comment on function public.rota_screen(date, integer, bigint) is
    'Members: the rota of my shops (or one) for at most 62 days: {people, days: [{member_id, day, kind, note, version, shifts}], shifts that can be planned (is_of_shops: of their own calendars), campaigns}. calendar.bad_day, shop.none.';

-- ==== 37_channels.sql ====

-- 37 ------------------------------------------------------------------------------------- channels: where messages go out
--
-- A channel is a group robot, a signed webhook or a mailbox. Its address and its secret are sealed by the app
-- (channels|endpoint|id, channels|secret|id) and opened by the edge function alone; what stays readable is the host,
-- and only hosts of the platform, or those an admin has listed, can be stored at all.

create sequence if not exists private.channel_ids;

create or replace function private.is_public_host(p_host text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(p_host ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$'
        and pg_catalog.char_length(p_host) <= 253
        and p_host !~ '\.(local|localhost|internal|intranet|private|corp|home|lan|arpa|test|example|invalid|onion)$', false)
$$;
comment on function private.is_public_host(text) is
    'A DNS name in small letters that can belong to the public internet: no address, no single word, no name of a local network (RFC 2606, RFC 6762, RFC 8375).';

create table if not exists public.channels (
    id bigint primary key,
    kind text not null constraint channels_kind_known check (kind in ('wecom', 'dingtalk', 'feishu', 'webhook', 'email')),
    name text not null constraint channels_name_length check (char_length(name) between 1 and 40),
    shop_id bigint references public.shops,
    audience text not null default 'group' constraint channels_audience_known check (audience in ('group', 'person')),
    language text not null default 'zh-CN' constraint channels_language_known check (language in ('zh-CN', 'en')),
    host text not null constraint channels_host_form check (private.is_public_host(host)),
    endpoint_cipher text not null constraint channels_endpoint_is_cipher check (private.is_cipher(endpoint_cipher)),
    secret_cipher text constraint channels_secret_is_cipher check (private.is_cipher(secret_cipher)),
    has_secret boolean not null generated always as (secret_cipher is not null) stored,
    options jsonb not null default '{}' constraint channels_options_form check (
        pg_catalog.jsonb_typeof(options) = 'object' and pg_catalog.char_length(options::text) <= 2000),
    is_active boolean not null default true,
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now()
);
create index if not exists channels_shop_id_idx on public.channels (shop_id) where shop_id is not null;
create index if not exists channels_changed_by_idx on public.channels (changed_by) where changed_by is not null;
alter table public.channels enable row level security;
create or replace trigger t10_touch before update on public.channels
    for each row execute function private.touch_version();
comment on table public.channels is
    '渠道: a group robot (wecom, dingtalk, feishu), a signed webhook or e-mail. Of one shop, or of all (shop_id null). Address and secret are sealed and read by nobody.';
comment on column public.channels.audience is
    'group: a shared room or mailbox, hears escalations alone. person: one message for each person addressed, who needs an id of that kind (member_reminders).';
comment on column public.channels.host is 'Host of the sealed address: the function sends nowhere else.';
comment on column public.channels.options is 'E-mail: {"from", "to"} (to: the mailbox of a group). Never a secret.';

drop policy if exists "managers and admins read the channels of their shops" on public.channels;
create policy "managers and admins read the channels of their shops" on public.channels
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select (id, kind, name, shop_id, audience, language, host, has_secret, options, is_active, changed_by, version,
              updated_at, created_at) on public.channels to authenticated;

-- Hosts ---------------------------------------------------------------------------------------------------------------

create or replace function private.hosts_of(p_kind text) returns text[]
language sql stable set search_path = '' as $$
    select case p_kind
        when 'wecom' then array['qyapi.weixin.qq.com']
        when 'dingtalk' then array['oapi.dingtalk.com']
        when 'feishu' then array['open.feishu.cn', 'open.larksuite.com']
        else array(select pg_catalog.jsonb_array_elements_text(value) from private.settings where key = 'channel_hosts') end
$$;
comment on function private.hosts_of(text) is 'Hosts that a channel of this kind may have: the platform''s own; for webhook and email those an admin has listed.';

create or replace function public.channel_hosts() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return (select pg_catalog.jsonb_object_agg(k, pg_catalog.to_jsonb(private.hosts_of(k)))
        from pg_catalog.unnest(array['wecom', 'dingtalk', 'feishu', 'webhook', 'email']) k);
end;
$$;
grant execute on function public.channel_hosts() to authenticated;
comment on function public.channel_hosts() is 'Manager, admin: hosts by kind of channel that messages may go to.';

create or replace function public.set_channel_hosts(p_hosts jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin']);
    v_hosts jsonb := private.as_json(p_hosts);
    v_answer jsonb := private.begin_request(p_request_id, 'set_channel_hosts', v_hosts);
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if coalesce(pg_catalog.jsonb_typeof(v_hosts), '') <> 'array' or pg_catalog.jsonb_array_length(v_hosts) > 50 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 50}');
    elsif exists (select from pg_catalog.jsonb_array_elements_text(v_hosts) h where not private.is_public_host(h)) then
        perform private.fail('PT422', 'channel.bad_host');
    end if;
    insert into private.settings (key, value) values ('channel_hosts', v_hosts)
    on conflict (key) do update set value = excluded.value, updated_at = private.now();
    perform private.audit(v_me, null, 'channel', null, 'hosts_set', pg_catalog.jsonb_build_object('hosts', v_hosts));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('hosts', v_hosts));
end;
$$;
grant execute on function public.set_channel_hosts(jsonb, uuid) to authenticated;
comment on function public.set_channel_hosts(jsonb, uuid) is
    'Admin: the hosts that webhooks and mail may go to. A channel whose host is no longer listed sends nothing. channel.bad_host, bulk.too_many.';

-- Changing ------------------------------------------------------------------------------------------------------------

create or replace function public.reserve_channel_id() returns bigint
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return pg_catalog.nextval('private.channel_ids');
end;
$$;
grant execute on function public.reserve_channel_id() to authenticated;
comment on function public.reserve_channel_id() is 'Manager, admin: the id of a channel to come: its address is sealed for exactly this id.';

create or replace function private.channel_for_change(p_id bigint, p_version integer) returns public.channels
language plpgsql set search_path = '' as $$
declare
    v_channel public.channels;
begin
    select * into v_channel from public.channels
    where id = p_id and (shop_id is null or shop_id in (select private.my_shop_ids())) for update;
    if not found then
        perform private.fail('PT404', 'channel.none');
    end if;
    if v_channel.version is distinct from p_version then
        perform private.fail('PT409', 'channel.stale', pg_catalog.jsonb_build_object('at', v_channel.updated_at,
            'who', (select display_name from public.members where id = v_channel.changed_by)));
    end if;
    return v_channel;
end;
$$;
comment on function private.channel_for_change(bigint, integer) is 'Locks a channel of my shops: channel.none, channel.stale.';

create or replace function private.check_channel(p_channel jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if pg_catalog.jsonb_typeof(p_channel) is distinct from 'object'
        or coalesce(p_channel ->> 'kind', '') not in ('wecom', 'dingtalk', 'feishu', 'webhook', 'email')
        or pg_catalog.char_length(coalesce(p_channel ->> 'name', '')) not between 1 and 40
        or coalesce(p_channel ->> 'audience', 'group') not in ('group', 'person')
        or coalesce(p_channel ->> 'language', 'zh-CN') not in ('zh-CN', 'en')
        or coalesce(p_channel ->> 'is_active', 'true') not in ('true', 'false')
        or pg_catalog.jsonb_typeof(coalesce(nullif(p_channel -> 'options', 'null'), '{}')) <> 'object'
        or pg_catalog.char_length(coalesce(p_channel ->> 'options', '')) > 2000 then
        perform private.fail('PT422', 'channel.bad_value');
    end if;
    if not coalesce(p_channel ->> 'host' = any (private.hosts_of(p_channel ->> 'kind')), false) then
        perform private.fail('PT422', 'channel.host_not_listed', pg_catalog.jsonb_build_object('host', p_channel ->> 'host'));
    end if;
    if p_channel ->> 'endpoint' is null or not private.is_cipher(p_channel ->> 'endpoint') then
        perform private.fail('PT422', 'channel.bad_endpoint');
    end if;
end;
$$;
comment on function private.check_channel(jsonb) is 'channel.bad_value, channel.host_not_listed, channel.bad_endpoint.';

create or replace function private.store_channel(p_me private.actor, p_id bigint, p_shop_id bigint, p_channel jsonb) returns integer
language sql set search_path = '' as $$
    insert into public.channels as c (id, kind, name, shop_id, audience, language, host, endpoint_cipher, options, is_active,
        changed_by, created_at, updated_at)
    values (p_id, p_channel ->> 'kind', p_channel ->> 'name', p_shop_id, coalesce(p_channel ->> 'audience', 'group'),
        coalesce(p_channel ->> 'language', 'zh-CN'), p_channel ->> 'host', p_channel ->> 'endpoint',
        coalesce(nullif(p_channel -> 'options', 'null'), '{}'), coalesce((p_channel ->> 'is_active')::boolean, true),
        (p_me).member_id, private.now(), private.now())
    on conflict (id) do update set name = excluded.name, shop_id = excluded.shop_id, audience = excluded.audience,
        language = excluded.language, host = excluded.host, endpoint_cipher = excluded.endpoint_cipher,
        secret_cipher = case when excluded.endpoint_cipher = c.endpoint_cipher then c.secret_cipher end,
        options = excluded.options, is_active = excluded.is_active, changed_by = excluded.changed_by
    returning version
$$;
comment on function private.store_channel(private.actor, bigint, bigint, jsonb) is
    'A new address drops the secret: it was meant for the old one, and must not travel to another.';

create or replace function public.save_channel(p_id bigint, p_version integer, p_channel jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_channel jsonb := private.as_json(p_channel);
    v_answer jsonb := private.begin_request(p_request_id, 'save_channel', -- sealing gives another text each time
        pg_catalog.jsonb_build_array(case when p_version is not null then p_id end, p_version, v_channel - 'endpoint'));
    v_old public.channels;
    v_shop_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_version is not null then
        v_old := private.channel_for_change(p_id, p_version);
        v_channel := coalesce(v_channel, '{}') || pg_catalog.jsonb_build_object('kind', v_old.kind)
            || case when v_channel ->> 'endpoint' is null
                then pg_catalog.jsonb_build_object('endpoint', v_old.endpoint_cipher, 'host', v_old.host) else '{}' end;
    elsif p_id is null or exists (select from public.channels where id = p_id)
        or p_id > (select last_value from private.channel_ids) then
        perform private.fail('PT409', 'channel.not_reserved');
    end if;
    perform private.check_channel(v_channel);
    if v_channel ->> 'shop_id' is not null then
        if not private.is_id(v_channel ->> 'shop_id') then
            perform private.fail('PT422', 'channel.bad_value');
        end if;
        v_shop_id := (v_channel ->> 'shop_id')::bigint;
        perform private.require_shop(v_me, v_shop_id);
    end if;
    v_answer := pg_catalog.jsonb_build_object('id', p_id, 'version', private.store_channel(v_me, p_id, v_shop_id, v_channel));
    perform private.audit(v_me, v_shop_id, 'channel', p_id, case when p_version is null then 'created' else 'changed' end,
        v_channel - 'endpoint');
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.save_channel(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.save_channel(bigint, integer, jsonb, uuid) is
    'Manager, admin: adds a channel under a reserved id (p_version null) or changes one: {kind, name, shop_id, audience, language, host, endpoint (sealed; left out: as before), options, is_active}. A new endpoint drops the secret. Answers {id, version}. channel.none, channel.stale, channel.not_reserved, channel.bad_value, channel.bad_endpoint, channel.host_not_listed, shop.none.';

create or replace function public.set_channel_secret(p_id bigint, p_version integer, p_secret text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'set_channel_secret',
        pg_catalog.jsonb_build_array(p_id, p_version, p_secret is null));
    v_old public.channels;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_old := private.channel_for_change(p_id, p_version);
    if not private.is_cipher(p_secret) then
        perform private.fail('PT422', 'channel.bad_secret');
    end if;
    update public.channels set secret_cipher = p_secret, changed_by = v_me.member_id where id = p_id;
    perform private.audit(v_me, v_old.shop_id, 'channel', p_id, case when p_secret is null then 'secret_removed' else 'secret_set' end);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id, 'version', p_version + 1));
end;
$$;
grant execute on function public.set_channel_secret(bigint, integer, text, uuid) to authenticated;
comment on function public.set_channel_secret(bigint, integer, text, uuid) is
    'Admin alone: the sealed secret of a channel (signing key, password), or null for none. Nobody reads it back. channel.none, channel.stale, channel.bad_secret.';

-- ==== 37_deliveries.sql ====

-- 37 ------------------------------------------------------------------------------ deliveries: one message to one channel
--
-- The sweep bundles waiting reminder lines into deliveries, one digest for a channel and recipient. An edge function
-- claims some under a lease, sends them and reports. A delivery keeps its id over all attempts: outside the database
-- a message goes out at least once, inside it is counted once.

create table if not exists public.deliveries (
    id uuid primary key default gen_random_uuid(),
    seq bigint generated always as identity constraint deliveries_seq_unique unique,
    channel_id bigint not null references public.channels,
    member_id bigint references public.members,
    purpose text not null constraint deliveries_purpose_known check (purpose in ('reminders', 'daily', 'test')),
    state text not null default 'waiting' constraint deliveries_state_known
        check (state in ('waiting', 'sending', 'failed', 'sent', 'suppressed', 'dead')),
    attempts integer not null default 0 constraint deliveries_attempts_range check (attempts between 0 and 8),
    next_at timestamptz not null,
    lease_until timestamptz,
    line_count integer not null default 0,
    figures jsonb,
    last_error text constraint deliveries_error_length check (char_length(last_error) <= 200),
    requested_by bigint references public.members,
    resent_from uuid references public.deliveries,
    created_at timestamptz not null,
    ended_at timestamptz,
    constraint deliveries_sending_has_lease check ((state = 'sending') = (lease_until is not null)),
    constraint deliveries_ended_has_time check ((state in ('sent', 'suppressed', 'dead')) = (ended_at is not null))
);
create index if not exists deliveries_due_idx on public.deliveries (channel_id, next_at, seq) where state in ('waiting', 'failed');
create index if not exists deliveries_leases_idx on public.deliveries (lease_until) where state = 'sending';
create index if not exists deliveries_channel_id_idx on public.deliveries (channel_id, seq desc);
create index if not exists deliveries_member_id_idx on public.deliveries (member_id) where member_id is not null;
create index if not exists deliveries_requested_by_idx on public.deliveries (requested_by) where requested_by is not null;
create index if not exists deliveries_resent_from_idx on public.deliveries (resent_from) where resent_from is not null;
create index if not exists deliveries_created_at_idx on public.deliveries (created_at);
alter table public.deliveries enable row level security;
comment on table public.deliveries is '发送记录: one message to one channel (and person): what became of it. waiting → sending → sent, or failed until dead; suppressed when nothing was left to say.';
comment on column public.deliveries.seq is 'Order of the log: newest first by seq.';
comment on column public.deliveries.figures is 'Daily digest: its figures. Null for reminders.';
comment on column public.deliveries.last_error is 'Error key of the last failure, never an address, never data.';

create table if not exists private.delivery_attempts (
    delivery_id uuid not null references public.deliveries,
    attempt integer not null,
    channel_id bigint not null,
    worker text not null,
    claimed_at timestamptz not null,
    lease_until timestamptz not null,
    reported_at timestamptz,
    outcome text constraint delivery_attempts_outcome_known check (outcome in ('sent', 'failed', 'refused', 'abandoned')),
    error text,
    primary key (delivery_id, attempt)
);
create index if not exists delivery_attempts_channel_idx on private.delivery_attempts (channel_id, claimed_at desc);
alter table private.delivery_attempts enable row level security;
comment on table private.delivery_attempts is 'Each try of a delivery; the tries of the last minute are what is left of a platform''s limit.';

drop policy if exists "managers and admins read the delivery log of their shops" on public.deliveries;
create policy "managers and admins read the delivery log of their shops" on public.deliveries
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and channel_id in (select c.id from public.channels c));
grant select on public.deliveries to authenticated;

drop view if exists public.delivery_log;
create view public.delivery_log with (security_invoker = true) as
select d.seq, d.id, d.channel_id, c.name as channel_name, c.kind, c.audience, c.shop_id, d.member_id, m.display_name as member_name,
    d.purpose, d.state, d.attempts, d.next_at, d.line_count, d.last_error, d.requested_by, d.resent_from, d.created_at, d.ended_at
from public.deliveries d
join public.channels c on c.id = d.channel_id
left join public.members m on m.id = d.member_id;
grant select on public.delivery_log to authenticated;
comment on view public.delivery_log is 'Manager, admin: what went out, newest first by seq (keyset: seq < the last one shown).';

-- The limits of the platforms, over all workers -----------------------------------------------------------------------

create or replace function private.channel_budget(p_channel_id bigint, p_kind text, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
    select greatest(0, least(
        case p_kind when 'feishu' then 100 when 'webhook' then 120 when 'email' then 60 else 20 end
            - pg_catalog.count(*) filter (where coalesce(a.reported_at, a.lease_until) > p_now - interval '60 seconds'),
        case when p_kind = 'feishu' then 5 else 60 end
            - pg_catalog.count(*) filter (where a.claimed_at > p_now - interval '1 second')))::integer
    from private.delivery_attempts a
    where a.channel_id = p_channel_id and a.claimed_at > p_now - interval '12 minutes' and a.claimed_at <= p_now + interval '1 minute'
$$;
comment on function private.channel_budget(bigint, text, timestamptz) is
    'Messages a channel may still take in this minute: DingTalk and WeCom 20, Feishu 100 and 5 a second (their robot documentation), webhook 120 and e-mail 60 (product decision). A try counts until a minute after its report, or after its lease. Tries of a clock that was set back do not count.';

create or replace function private.due_channels(p_now timestamptz) returns setof public.channels
language sql volatile set search_path = '' as $$
    select c.* from public.channels c
    where c.is_active and c.host = any (private.hosts_of(c.kind))
      and exists (select from public.deliveries d where d.channel_id = c.id and d.state in ('waiting', 'failed') and d.next_at <= p_now)
    order by c.id for no key update skip locked
$$;
comment on function private.due_channels(timestamptz) is 'Locks the channels with something to send that no other claim is looking at: the budget of a channel is spent by one claim at a time.';

create or replace function private.due_deliveries(p_channels bigint[], p_limit integer, p_now timestamptz) returns uuid[]
language sql volatile set search_path = '' as $$
    select array(
        select r.id from (
            select x.id, x.next_at, x.seq, pg_catalog.row_number() over (partition by x.channel_id order by x.next_at, x.seq) as n
            from public.channels c
            cross join lateral (
                select d.id, d.channel_id, d.next_at, d.seq from public.deliveries d
                where d.channel_id = c.id and d.state in ('waiting', 'failed') and d.next_at <= p_now
                order by d.next_at, d.seq limit private.channel_budget(c.id, c.kind, p_now) for update skip locked) x
            where c.id = any (p_channels)
        ) r order by r.n, r.next_at, r.seq limit p_limit)
$$;
comment on function private.due_deliveries(bigint[], integer, timestamptz) is 'The next deliveries within the budgets, channel by channel in turn.';

create or replace function private.return_expired_deliveries(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_id uuid;
begin
    for v_id in select d.id from public.deliveries d where d.state = 'sending' and d.lease_until <= p_now for update skip locked loop
        perform private.end_attempt(v_id, 'abandoned', 'delivery.abandoned', null, p_now);
    end loop;
end;
$$;
comment on function private.return_expired_deliveries(timestamptz) is 'Deliveries whose worker vanished are due again, under the same id; after eight tries they are dead.';

-- Claim and report ----------------------------------------------------------------------------------------------------

create or replace function private.begin_attempts(p_ids uuid[], p_worker text, p_lease interval, p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' as $$
declare
    v_ids uuid[];
begin
    perform private.take_lines(p_ids, p_now);
    update public.deliveries d set state = 'suppressed', ended_at = p_now, line_count = 0
    where d.id = any (p_ids) and d.purpose = 'reminders'
      and not exists (select from public.reminder_lines l where l.delivery_id = d.id and l.state = 'sending');
    with taken as (
        update public.deliveries d set state = 'sending', attempts = d.attempts + 1, lease_until = p_now + p_lease,
            line_count = (select pg_catalog.count(*) from public.reminder_lines l where l.delivery_id = d.id and l.state = 'sending')
        where d.id = any (p_ids) and d.state <> 'suppressed'
        returning d.id, d.attempts, d.channel_id, d.lease_until
    ), told as (
        insert into private.delivery_attempts (delivery_id, attempt, channel_id, worker, claimed_at, lease_until)
        select t.id, t.attempts, t.channel_id, p_worker, p_now, t.lease_until from taken t returning delivery_id
    )
    select pg_catalog.array_agg(delivery_id) into v_ids from told;
    return coalesce(v_ids, '{}');
end;
$$;
comment on function private.begin_attempts(uuid[], text, interval, timestamptz) is
    'Takes the lines that still hold; a delivery without any is over. The others are being sent: one more attempt, under a lease.';

create or replace function public.claim_deliveries(p_worker text, p_limit integer default 20, p_lease_seconds integer default 60) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_channels bigint[];
    v_ids uuid[];
begin
    perform private.return_expired_deliveries(v_now);
    v_channels := array(select c.id from private.due_channels(v_now) c);
    v_ids := private.begin_attempts(
        private.due_deliveries(v_channels, least(greatest(coalesce(p_limit, 20), 1), 100), v_now),
        pg_catalog.left(coalesce(p_worker, ''), 60),
        pg_catalog.make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600)), v_now);
    return (select coalesce(pg_catalog.jsonb_agg(private.message_of(d.id, v_now) order by d.seq), '[]')
        from public.deliveries d where d.id = any (v_ids));
end;
$$;
grant execute on function public.claim_deliveries(text, integer, integer) to service_role;
comment on function public.claim_deliveries(text, integer, integer) is
    'Service: the next messages (at most p_limit) under a lease, within the limits of each platform over all workers: [{id (the same over all attempts), attempt, purpose (reminders, daily, test), channel_id, kind, host (send nowhere else), endpoint, secret (both sealed), options, language, audience, mentions, lines: [{reminder_id, area, entity_type, entity_id, target, policy, action, label, shop, timezone, step, state (due_soon, overdue), due_at, late_minutes (by which the reminder itself is late), path}], more (lines not listed), figures (daily), at (now)}].';

create or replace function private.wait_before(p_attempt integer, p_retry_after integer) returns interval
language sql volatile set search_path = '' as $$
    select greatest(
        (array['1 second', '5 seconds', '25 seconds', '2 minutes', '10 minutes', '1 hour', '6 hours'])[least(greatest(p_attempt, 1), 7)]::interval
            * (0.8 + 0.4 * pg_catalog.random()),
        pg_catalog.make_interval(secs => least(coalesce(p_retry_after, 0), 86400)))
$$;
comment on function private.wait_before(integer, integer) is
    'How long to wait after the n-th failure: 1, 5, 25 s, 2, 10, 60 min, 6 h, a fifth more or less by chance; at least what the other side asked for (Retry-After), at most a day.';

create or replace function private.end_attempt(p_id uuid, p_outcome text, p_error text, p_retry_after integer, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v public.deliveries;
begin
    update public.deliveries d set lease_until = null,
        state = case when p_outcome = 'sent' then 'sent' when p_outcome = 'refused' or d.attempts >= 8 then 'dead' else 'failed' end,
        ended_at = case when p_outcome in ('sent', 'refused') or d.attempts >= 8 then p_now end,
        next_at = case when p_outcome = 'sent' then d.next_at else p_now + private.wait_before(d.attempts, p_retry_after) end,
        last_error = case when p_outcome <> 'sent' then pg_catalog.left(coalesce(p_error, 'delivery.failed'), 200) end
    where d.id = p_id returning * into v;
    update private.delivery_attempts set reported_at = p_now, outcome = p_outcome, error = v.last_error
    where delivery_id = p_id and attempt = v.attempts;
    perform private.end_lines(p_id, v.state);
    return pg_catalog.jsonb_build_object('state', v.state, 'attempts', v.attempts,
        'next_at', case when v.state = 'failed' then v.next_at end);
end;
$$;
comment on function private.end_attempt(uuid, text, text, integer, timestamptz) is 'Writes down how an attempt ended (sent, failed, refused, abandoned) and what follows for the delivery and its lines.';

create or replace function public.report_delivery(
    p_id uuid, p_attempt integer, p_outcome text, p_error text default null, p_retry_after_seconds integer default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.deliveries;
begin
    if coalesce(p_outcome, '') not in ('sent', 'failed', 'refused') then
        perform private.fail('PT422', 'delivery.bad_outcome');
    end if;
    select * into v from public.deliveries where id = p_id for update;
    if v.state is distinct from 'sending' or v.attempts is distinct from p_attempt then
        return pg_catalog.jsonb_build_object('accepted', false, 'state', v.state, 'attempts', v.attempts);
    end if;
    return pg_catalog.jsonb_build_object('accepted', true)
        || private.end_attempt(p_id, p_outcome, p_error, p_retry_after_seconds, private.now());
end;
$$;
grant execute on function public.report_delivery(uuid, integer, text, text, integer) to service_role;
comment on function public.report_delivery(uuid, integer, text, text, integer) is
    'Service: how an attempt ended: sent, failed (again after 1, 5, 25 s, 2, 10, 60 min, 6 h, at least Retry-After; dead after eight tries) or refused (dead at once). p_error is a key or status, never an address. A report of an attempt that is over changes nothing: {"accepted": false}. delivery.bad_outcome.';

-- By hand -------------------------------------------------------------------------------------------------------------

create or replace function public.resend_delivery(p_id uuid, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'resend_delivery', pg_catalog.to_jsonb(p_id));
    v_old public.deliveries;
    v_id uuid := pg_catalog.gen_random_uuid();
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select d.* into v_old from public.deliveries d join public.channels c on c.id = d.channel_id
    where d.id = p_id and (c.shop_id is null or c.shop_id in (select private.my_shop_ids())) for update of d;
    if v_old.id is null then
        perform private.fail('PT404', 'delivery.none');
    elsif v_old.state <> 'dead' or exists (select from public.deliveries where resent_from = p_id) then
        perform private.fail('PT409', 'delivery.not_dead', pg_catalog.jsonb_build_object('state', v_old.state));
    end if;
    insert into public.deliveries (id, channel_id, member_id, purpose, next_at, line_count, figures, requested_by, resent_from, created_at)
    values (v_id, v_old.channel_id, v_old.member_id, v_old.purpose, v_now, v_old.line_count, v_old.figures, v_me.member_id, p_id, v_now);
    perform private.revive_lines(p_id, v_id);
    perform private.audit(v_me, (select shop_id from public.channels where id = v_old.channel_id), 'delivery', v_old.seq, 'resent');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.resend_delivery(uuid, uuid) to authenticated;
comment on function public.resend_delivery(uuid, uuid) is
    'Manager, admin: sends once more what failed for good, as a new message with the lines that still hold. Answers {id}. delivery.none, delivery.not_dead.';

create or replace function public.test_channel(p_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'test_channel', pg_catalog.to_jsonb(p_id));
    v_channel public.channels;
    v_id uuid;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_channel from public.channels where id = p_id and (shop_id is null or shop_id in (select private.my_shop_ids()));
    if not found then
        perform private.fail('PT404', 'channel.none');
    elsif not v_channel.is_active then
        perform private.fail('PT409', 'channel.off');
    elsif v_channel.host <> all (private.hosts_of(v_channel.kind)) then
        perform private.fail('PT422', 'channel.host_not_listed', pg_catalog.jsonb_build_object('host', v_channel.host));
    elsif exists (select from public.deliveries where channel_id = p_id and purpose = 'test' and state in ('waiting', 'sending', 'failed')) then
        perform private.fail('PT409', 'channel.test_under_way');
    end if;
    insert into public.deliveries (channel_id, member_id, purpose, next_at, requested_by, created_at)
    values (p_id, case when v_channel.audience = 'person' then v_me.member_id end, 'test', private.now(), v_me.member_id, private.now())
    returning id into v_id;
    perform private.audit(v_me, v_channel.shop_id, 'channel', p_id, 'tested');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.test_channel(bigint, uuid) to authenticated;
comment on function public.test_channel(bigint, uuid) is
    'Manager, admin: queues a test message (purpose test, no lines); what became of it stands in delivery_log under the answered id. channel.none, channel.off, channel.host_not_listed, channel.test_under_way.';

create or replace function public.delivery_detail(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v public.deliveries;
begin
    select d.* into v from public.deliveries d join public.channels c on c.id = d.channel_id
    where d.id = p_id and (c.shop_id is null or c.shop_id in (select private.my_shop_ids()));
    if not found then
        perform private.fail('PT404', 'delivery.none');
    end if;
    return pg_catalog.jsonb_build_object('id', v.id, 'state', v.state, 'purpose', v.purpose, 'figures', v.figures,
        'attempts', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('attempt', a.attempt, 'at', a.claimed_at,
            'reported_at', a.reported_at, 'outcome', a.outcome, 'error', a.error) order by a.attempt), '[]')
            from private.delivery_attempts a where a.delivery_id = v.id),
        'lines', private.lines_of_delivery(v.id));
end;
$$;
grant execute on function public.delivery_detail(uuid) to authenticated;
comment on function public.delivery_detail(uuid) is 'Manager, admin: the tries of a delivery and the reminders in it (the first 200). delivery.none.';

-- ==== 37_inbox.sql ====

-- 37 ----------------------------------------------------------------------------------- inbox: what the tool tells a person

create table if not exists public.member_reminders (
    member_id bigint primary key references public.members,
    preset text not null default 'all' constraint member_reminders_preset_known check (preset in ('all', 'urgent', 'mentions')),
    wecom_id text constraint member_reminders_wecom_form check (wecom_id ~ '^[A-Za-z0-9_.@-]{1,64}$'),
    dingtalk_id text constraint member_reminders_dingtalk_form check (dingtalk_id ~ '^[A-Za-z0-9_.@$-]{1,64}$'),
    feishu_id text constraint member_reminders_feishu_form check (feishu_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    version integer not null default 1,
    updated_at timestamptz not null default now()
);
alter table public.member_reminders enable row level security;
create or replace trigger t10_touch before update on public.member_reminders
    for each row execute function private.touch_version();
comment on table public.member_reminders is '提醒设置 of a member; without a row: everything, and no id on any platform.';
comment on column public.member_reminders.preset is
    '全部 all; 只紧急 urgent: overdue work and public complaints; 只@我 mentions: my own items, and what I answer for as 当班主管.';
comment on column public.member_reminders.wecom_id is 'User id of the platform for @mentions (never a phone number).';

create table if not exists public.notifications (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    kind text not null constraint notifications_kind_known check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily')),
    params jsonb not null default '{}',
    path text constraint notifications_path_form check (path ~ '^/[a-z_]*(\?[a-z0-9_=&-]*)?$'),
    is_urgent boolean not null default false,
    reminder_id bigint,
    audience_ids bigint[],
    dedupe_key text,
    created_at timestamptz not null,
    read_at timestamptz,
    snoozed_until timestamptz,
    closed_at timestamptz,
    constraint notifications_once unique (member_id, dedupe_key)
);
create index if not exists notifications_member_id_idx on public.notifications (member_id, id desc);
create index if not exists notifications_unread_idx on public.notifications (member_id, id desc) where read_at is null and closed_at is null;
create index if not exists notifications_audiences_idx on public.notifications using gin (audience_ids) where audience_ids is not null;
create index if not exists notifications_open_digests_idx on public.notifications (id)
    where audience_ids is not null and read_at is null and closed_at is null;
create index if not exists notifications_reminder_id_idx on public.notifications (reminder_id) where reminder_id is not null;
create index if not exists notifications_created_at_idx on public.notifications (created_at);
alter table public.notifications enable row level security;
comment on table public.notifications is '消息: what a member was told in the app. due_soon and overdue name one item; digest several; daily the figures of the day.';
comment on column public.notifications.params is
    'due_soon, overdue, returned (给回领取池), raised: {label, entity, entity_id, target, policy, shop, due_at}; digest: {count, overdue, items: [{label, path, entity, due_at, state}] (ten worst)}; daily: figures.';
comment on column public.notifications.audience_ids is 'Of a digest: the audiences whose reminders it stands for.';
comment on column public.notifications.closed_at is 'The matter is over (done, paused, moved, or somebody else''s): no longer counted as unread.';

drop policy if exists "members read what they were told" on public.notifications;
create policy "members read what they were told" on public.notifications
    for select to authenticated using (member_id = (select private.my_member_id()));
grant select (id, member_id, kind, params, path, is_urgent, created_at, read_at, snoozed_until, closed_at) on public.notifications to authenticated;

drop policy if exists "members read their own reminder settings, leaders everybody's" on public.member_reminders;
create policy "members read their own reminder settings, leaders everybody's" on public.member_reminders
    for select to authenticated using (
        member_id = (select private.my_member_id()) or (select private.my_role()) in ('manager', 'admin'));
grant select on public.member_reminders to authenticated;

-- Bell, read, later ---------------------------------------------------------------------------------------------------

create or replace function private.unread(p_member_id bigint, p_now timestamptz) returns setof public.notifications
language sql stable set search_path = '' as $$
    select n.* from public.notifications n
    where n.member_id = p_member_id and n.read_at is null and n.closed_at is null
      and (n.snoozed_until is null or n.snoozed_until <= p_now)
    order by n.id desc limit 1001
$$;
comment on function private.unread(bigint, timestamptz) is 'Unread messages that are not put off, newest first; counted up to 1,001 ("1000+").';

create or replace function public.bell() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select pg_catalog.jsonb_build_object('unread', pg_catalog.count(*), 'urgent', pg_catalog.count(*) filter (where n.is_urgent),
            'newest', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', n.id, 'kind', n.kind,
                'params', n.params || case when n.kind = 'digest'
                    then pg_catalog.jsonb_build_object('open', private.open_in_digest(n.audience_ids)) else '{}' end,
                'path', n.path, 'is_urgent', n.is_urgent, 'created_at', n.created_at) order by n.id desc) filter (where n.rank <= 10), '[]'))
        from (select u.*, pg_catalog.row_number() over (order by u.id desc) as rank from private.unread(v_me.member_id, private.now()) u) n);
end;
$$;
grant execute on function public.bell() to authenticated;
comment on function public.bell() is
    'My unread messages: {unread, urgent (both up to 1,001), newest: [{id, kind, params, path, is_urgent, created_at}] (ten)}. A digest also says how many of its items are still open. member.none.';

create or replace function public.read_notifications(p_ids jsonb default null) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_ids bigint[] := case when p_ids is not null and p_ids <> 'null' then private.as_ids(p_ids) end;
    v_count integer;
begin
    update public.notifications set read_at = private.now()
    where id in (select n.id from public.notifications n
        where n.member_id = v_me.member_id and n.read_at is null and (v_ids is null or n.id = any (v_ids))
        order by n.id for update);
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.read_notifications(jsonb) to authenticated;
comment on function public.read_notifications(jsonb) is 'Marks these of my messages (null: all) as read; answers how many were not before. request.bad_value.';

create or replace function public.snooze_notification(p_id bigint, p_until timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_until is null or p_until <= private.now() or p_until > private.now() + interval '7 days' then
        perform private.fail('PT422', 'notification.bad_time');
    end if;
    update public.notifications set snoozed_until = p_until, read_at = null
    where id = p_id and member_id = v_me.member_id and closed_at is null;
    if not found then
        perform private.fail('PT404', 'notification.none');
    end if;
end;
$$;
grant execute on function public.snooze_notification(bigint, timestamptz) to authenticated;
comment on function public.snooze_notification(bigint, timestamptz) is
    'Puts one of my messages off: unread again from then on, at most seven days. notification.none (not mine, or over), notification.bad_time.';

-- Settings ------------------------------------------------------------------------------------------------------------

create or replace function private.check_reminder_settings(p_settings jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if pg_catalog.jsonb_typeof(p_settings) is distinct from 'object'
        or coalesce(p_settings ->> 'preset', 'all') not in ('all', 'urgent', 'mentions') then
        perform private.fail('PT422', 'reminder_settings.bad_preset');
    elsif coalesce(p_settings ->> 'wecom_id', 'x') !~ '^[A-Za-z0-9_.@-]{1,64}$'
        or coalesce(p_settings ->> 'dingtalk_id', 'x') !~ '^[A-Za-z0-9_.@$-]{1,64}$'
        or coalesce(p_settings ->> 'feishu_id', 'x') !~ '^[A-Za-z0-9_-]{1,64}$'
        or coalesce(p_settings ->> 'wecom_id', '') ~ '^1[3-9][0-9]{9}$' or coalesce(p_settings ->> 'dingtalk_id', '') ~ '^1[3-9][0-9]{9}$'
        or coalesce(p_settings ->> 'feishu_id', '') ~ '^1[3-9][0-9]{9}$' then
        perform private.fail('PT422', 'reminder_settings.bad_id');
    end if;
end;
$$;
comment on function private.check_reminder_settings(jsonb) is 'reminder_settings.bad_preset, reminder_settings.bad_id (a phone number is none: it would stand in the open).';

create or replace function public.save_reminder_settings(p_member_id bigint, p_version integer, p_settings jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_settings jsonb := private.as_json(p_settings);
    v_answer jsonb := private.begin_request(p_request_id, 'save_reminder_settings', pg_catalog.jsonb_build_array(p_member_id, p_version, v_settings));
    v_version integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_member_id is distinct from v_me.member_id and v_me.role not in ('manager', 'admin') then
        perform private.fail('PT403', 'reminder_settings.not_yours');
    elsif not exists (select from public.members where id = p_member_id) then
        perform private.fail('PT404', 'member.unknown');
    end if;
    perform private.check_reminder_settings(v_settings);
    insert into public.member_reminders (member_id) values (p_member_id) on conflict do nothing;
    update public.member_reminders set preset = coalesce(v_settings ->> 'preset', preset),
        wecom_id = case when v_settings ? 'wecom_id' then v_settings ->> 'wecom_id' else wecom_id end,
        dingtalk_id = case when v_settings ? 'dingtalk_id' then v_settings ->> 'dingtalk_id' else dingtalk_id end,
        feishu_id = case when v_settings ? 'feishu_id' then v_settings ->> 'feishu_id' else feishu_id end
    where member_id = p_member_id and version = coalesce(p_version, 1) returning version into v_version;
    if not found then
        perform private.fail('PT409', 'reminder_settings.stale');
    end if;
    perform private.audit(v_me, null, 'member', p_member_id, 'reminders_set',
        pg_catalog.jsonb_build_object('preset', v_settings ->> 'preset'));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('version', v_version));
end;
$$;
grant execute on function public.save_reminder_settings(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.save_reminder_settings(bigint, integer, jsonb, uuid) is
    'My own settings; manager, admin: anybody''s: {preset, wecom_id, dingtalk_id, feishu_id}; what is left out stays, null removes an id; p_version null for a member without a row. Answers {version}. reminder_settings.not_yours, reminder_settings.stale, reminder_settings.bad_preset, reminder_settings.bad_id, member.unknown.';

-- The digest of the day -----------------------------------------------------------------------------------------------

create or replace function private.daily_figures(p_shop_ids bigint[], p_from timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with open as (
        select c.entity, c.due_at from public.sla_clocks c
        where c.shop_id = any (p_shop_ids) and c.stopped_at is null and (c.due_at <= p_from + interval '1 day' or c.entity = 'approval')
    ), done as (
        select e.state from public.sla_clock_events e
        where e.shop_id = any (p_shop_ids) and e.at >= p_from and e.at <= p_now and e.kind = 'stopped'
          and e.state in ('fulfilled', 'fulfilled_late')
    )
    select pg_catalog.jsonb_build_object(
        'overdue', (select pg_catalog.count(*) from open where due_at < p_now),
        'approvals', (select pg_catalog.count(*) from open where entity = 'approval'),
        'done', (select pg_catalog.count(*) from done),
        'on_time', (select pg_catalog.count(*) from done where state = 'fulfilled'),
        'due_tonight', (select pg_catalog.count(*) from open where due_at >= p_now and due_at <= p_from + interval '1 day'))
$$;
comment on function private.daily_figures(bigint[], timestamptz, timestamptz) is
    'Overdue now, approvals waiting, and of this day: done, of these on time, still due until 24:00.';

create or replace function private.daily_readers(p_now timestamptz) returns table (member_id bigint, shop_ids bigint[], day_start timestamptz, day date)
language sql stable set search_path = '' as $$
    select m.id, s.shop_ids, l.day::timestamp at time zone s.zone, l.day
    from public.members m
    cross join lateral (
        select pg_catalog.array_agg(x.id order by x.id) as shop_ids, (pg_catalog.array_agg(x.timezone order by x.id))[1] as zone
        from public.member_shops k join public.shops x on x.id = k.shop_id and x.is_active where k.member_id = m.id) s
    cross join lateral (select (p_now at time zone s.zone)::date as day, extract(hour from p_now at time zone s.zone) as hour) l
    left join public.member_reminders r on r.member_id = m.id
    where m.role = 'manager' and m.state = 'active' and s.zone is not null and l.hour >= 17 and coalesce(r.preset, 'all') <> 'mentions'
      and not exists (select from public.notifications n where n.member_id = m.id and n.dedupe_key = 'daily ' || l.day)
$$;
comment on function private.daily_readers(timestamptz) is
    'Managers who have not had the digest of the day: from 17:00 of their first shop until 24:00 (a day that was missed is not made up for).';

create or replace function private.send_daily_digests(p_now timestamptz) returns integer
language sql volatile set search_path = '' as $$
    with told as (
        insert into public.notifications (member_id, kind, params, path, dedupe_key, created_at)
        select r.member_id, 'daily', private.daily_figures(r.shop_ids, r.day_start, p_now) || pg_catalog.jsonb_build_object('day', r.day),
            '/home', 'daily ' || r.day, p_now
        from private.daily_readers(p_now) r
        on conflict do nothing returning *
    ), queued as (
        insert into public.deliveries (channel_id, member_id, purpose, next_at, figures, created_at)
        select c.id, t.member_id, 'daily', p_now, t.params, p_now
        from told t join private.person_channels() c on c.member_id = t.member_id
        where c.shop_id is null or exists (select from public.member_shops k where k.member_id = t.member_id and k.shop_id = c.shop_id)
        returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.send_daily_digests(timestamptz) is 'The digest of 17:00 for managers: in the app and on channels that speak to persons.';

-- ==== 38_reminders.sql ====

-- 38 ----------------------------------------------------------------------------- reminders: the outbox of the deadlines
--
-- One row per clock (which is one instance), ladder step and deadline version: however many sweeps run, a step is said
-- once. Reminders for the same people share an audience: ten thousand of them cost ten thousand rows, not ten thousand
-- for each person. Lines are for channels. Whatever stops, pauses or moves a deadline silences its reminders in the same
-- transaction; a claim looks once more before it sends.
-- Locks: the sweep, claims and reports take rows with "skip locked", so that none of them ever waits for a person.

do $$
begin
    if not exists (select from private.schema_steps where step = '38.1 step times of clocks') then
        alter table public.sla_clocks add column if not exists step_times timestamptz[];
        update public.sla_clocks c set step_times = array(select s.at from private.clock_steps(c) s order by s.step)
        where c.due_at is not null and c.stopped_at is null;
        insert into private.schema_steps (step) values ('38.1 step times of clocks');
    end if;
end;
$$;
comment on column public.sla_clocks.step_times is 'Instants of the ladder, worked out with the deadline; null where the calendar of that year is missing.';

create table if not exists public.reminders (
    id bigint generated always as identity primary key,
    clock_id bigint not null references public.sla_clocks,
    shop_id bigint not null, -- that of the clock
    entity text not null,
    entity_id bigint not null,
    step smallint not null,
    due_version integer not null,
    who text[] not null,
    action text not null,
    is_escalation boolean not null,
    is_public boolean not null,
    step_at timestamptz not null,
    due_at timestamptz not null,
    late_minutes integer not null default 0,
    ready_at timestamptz not null,
    label text,
    path text,
    audience_id bigint,
    past_audience_ids bigint[] not null default '{}',
    is_told boolean not null default false,
    state text not null constraint reminders_state_known check (state in ('due', 'queued', 'sent', 'suppressed', 'failed', 'dead')),
    reason text constraint reminders_reason_known check (reason in
        ('overtaken', 'stopped', 'paused', 'moved', 'owner_changed', 'preset', 'nobody', 'channel_off')),
    is_over boolean not null default false,
    created_at timestamptz not null,
    constraint reminders_once unique (clock_id, step, due_version),
    constraint reminders_suppressed_has_reason check (state <> 'suppressed' or reason is not null)
);
create index if not exists reminders_ready_idx on public.reminders (ready_at) where state = 'due';
create index if not exists reminders_live_idx on public.reminders (clock_id) where not is_over;
create index if not exists reminders_unsettled_idx on public.reminders (id) where state in ('queued', 'failed');
create index if not exists reminders_audience_idx on public.reminders (audience_id) where not is_over;
alter table public.reminders enable row level security;
comment on table public.reminders is
    '提醒: a step of a deadline''s ladder whose time has come. due (waits for quiet hours or the calendar of reminders) → queued → sent, or suppressed with its reason, failed (tried again), dead.';
comment on column public.reminders.who is 'Whom the step names; with those of earlier overdue steps that it overtook.';
comment on column public.reminders.is_escalation is 'For group channels too: overdue, or for others than the owner.';
comment on column public.reminders.is_public is 'A public complaint: no quiet hours, always urgent.';
comment on column public.reminders.audience_id is 'Who is told in the app (private.reminder_people); past_audience_ids: who was, before the work changed hands.';
comment on column public.reminders.is_told is 'Somebody of the audience was told in the app.';
comment on column public.reminders.late_minutes is 'By how much the reminder came after its step, when that is two minutes or more.';
comment on column public.reminders.is_over is 'Nothing more follows from it: the deadline stopped, paused, moved, or a later step took over.';
comment on column public.reminders.reason is
    'Why it was not said: overtaken (a later step of the same deadline), stopped, paused, moved (another deadline), owner_changed, preset (what the person asked for), nobody (no active person to tell), channel_off.';

create sequence if not exists private.reminder_audiences;
create table if not exists private.reminder_people (
    audience_id bigint not null,
    member_id bigint not null references public.members,
    role text not null constraint reminder_people_role_known check (role in ('owner', 'on_duty', 'duty_lead', 'manager', 'warehouse')),
    reason text constraint reminder_people_reason_known check (reason in ('preset')),
    created_at timestamptz not null,
    primary key (audience_id, member_id)
);
create index if not exists reminder_people_member_id_idx on private.reminder_people (member_id);
alter table private.reminder_people enable row level security;
comment on table private.reminder_people is
    'The people of an audience. role: as whom somebody is told; on_duty also stands in for an owner who is off duty or missing. reason: why he was not told after all.';

create table if not exists public.reminder_lines (
    id bigint generated always as identity primary key,
    reminder_id bigint not null references public.reminders,
    member_id bigint references public.members,
    channel_id bigint not null references public.channels,
    state text not null default 'waiting' constraint reminder_lines_state_known
        check (state in ('waiting', 'sending', 'failed', 'sent', 'suppressed', 'dead')),
    reason text,
    delivery_id uuid references public.deliveries,
    constraint reminder_lines_once unique nulls not distinct (reminder_id, member_id, channel_id),
    constraint reminder_lines_suppressed_has_reason check (state <> 'suppressed' or reason is not null)
);
create index if not exists reminder_lines_delivery_id_idx on public.reminder_lines (delivery_id) where delivery_id is not null;
create index if not exists reminder_lines_waiting_idx on public.reminder_lines (channel_id, member_id) where state in ('waiting', 'failed');
create index if not exists reminder_lines_channel_id_idx on public.reminder_lines (channel_id);
create index if not exists reminder_lines_member_id_idx on public.reminder_lines (member_id) where member_id is not null;
alter table public.reminder_lines enable row level security;
comment on table public.reminder_lines is
    'A reminder on its way out: to a person on a channel, or to the group of a channel (no member). Suppressed ones keep the reason.';

drop policy if exists "managers and admins read the reminders of their shops" on public.reminders;
create policy "managers and admins read the reminders of their shops" on public.reminders
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin') and shop_id in (select private.my_shop_ids()));
drop policy if exists "managers and admins read to whom reminders of their shops went" on public.reminder_lines;
create policy "managers and admins read to whom reminders of their shops went" on public.reminder_lines
    for select to authenticated using (
        (select private.my_role()) in ('manager', 'admin')
        and exists (select from public.reminders r where r.id = reminder_id and r.shop_id in (select private.my_shop_ids())));
grant select on public.reminders, public.reminder_lines to authenticated;

-- What an area knows of its records: a branch per entity, which later areas add ---------------------------------------

create or replace function private.order_subjects(p_ids bigint[])
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select o.id, null::bigint, o.order_no, '/orders?id=' || o.id from public.orders o where o.id = any (p_ids)
$$;

create or replace function private.subjects_of(p_entity text, p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language plpgsql stable set search_path = '' as $$
begin
    case p_entity
        when 'order_review' then return query select * from private.order_review_subjects(p_ids, p_now);
        when 'order' then return query select * from private.order_subjects(p_ids);
        else null;
    end case;
end;
$$;
comment on function private.subjects_of(text, bigint[], timestamptz) is
    'Of each record: who owns it now, how it is called (a number, never a person''s data), and the page that opens it.';

create or replace function private.can_work(p_entity text, p_role text, p_skills text[]) returns boolean
language sql immutable set search_path = '' as $$
    select case p_entity
        when 'order_review' then p_role = 'operations' or (p_role = 'agent' and 'review' = any (p_skills))
        when 'order' then p_role = 'warehouse'
        else p_role in ('agent', 'operations') end
$$;
comment on function private.can_work(text, text, text[]) is 'Whether a colleague on duty could do this work in place of its owner.';

create or replace function private.ladder_action(p_entity text, p_action text, p_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
begin
    case p_entity
        when 'order_review' then return private.order_review_action(p_action, p_ids, p_now);
        else return 0;
    end case;
end;
$$;
comment on function private.ladder_action(text, text, bigint[], timestamptz) is 'What a step does besides telling people; answers how many records changed.';

-- Silence: in the transaction that ends, pauses or moves a deadline, or hands the work to somebody else ---------------

create or replace function private.close_notifications(p_reminder_ids bigint[], p_audience_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.notifications n set closed_at = p_now
    where n.id in (
        select x.id from public.notifications x join public.reminders r on r.id = x.reminder_id
        where x.reminder_id = any (p_reminder_ids) and x.closed_at is null
          and (r.is_over or not exists (select from private.reminder_people p
              where p.audience_id = r.audience_id and p.member_id = x.member_id))
        for update of x skip locked)
       or n.id in (
        select x.id from public.notifications x
        where x.audience_ids && p_audience_ids and x.closed_at is null
          and not exists (select from public.reminders r where r.audience_id = any (x.audience_ids) and not r.is_over)
        for update skip locked)
$$;
comment on function private.close_notifications(bigint[], bigint[], timestamptz) is
    'Closes messages whose reminders are over, or no longer this person''s: of single reminders, and digests of these audiences.';

create or replace function private.close_empty_digests(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.notifications n set closed_at = p_now
    where n.id in (
        select x.id from public.notifications x
        where x.audience_ids is not null and x.read_at is null and x.closed_at is null
          and not exists (select from public.reminders r where r.audience_id = any (x.audience_ids) and not r.is_over)
        for update skip locked)
$$;
comment on function private.close_empty_digests(timestamptz) is
    'Digests whose last two items were done at the same moment: neither saw the other, so nobody closed them.';

create or replace function private.settle_reminders(p_ids bigint[]) returns void
language sql set search_path = '' as $$
    update public.reminders r set state = s.state, reason = case when s.state = 'suppressed' then coalesce(s.reason, r.reason) else r.reason end
    from (
        select l.reminder_id, pg_catalog.min(l.reason) as reason, case
            when pg_catalog.bool_or(l.state = 'failed') then 'failed'
            when pg_catalog.bool_or(l.state in ('waiting', 'sending')) then 'queued'
            when pg_catalog.bool_or(l.state = 'sent' or o.is_told) then 'sent'
            when pg_catalog.bool_or(l.state = 'dead') then 'dead' else 'suppressed' end as state
        from public.reminder_lines l join public.reminders o on o.id = l.reminder_id
        where l.reminder_id = any (p_ids) group by l.reminder_id) s
    where r.id = s.reminder_id and r.state <> s.state
$$;
comment on function private.settle_reminders(bigint[]) is
    'The state of a reminder that has lines: failed, queued, sent (outside or in the app), dead or suppressed, the first that fits.';

create or replace function private.silence(p_ids bigint[], p_reason text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_audiences bigint[];
begin
    with hushed as (
        update public.reminders r set is_over = true,
            state = case when r.state = 'due' then 'suppressed' else r.state end,
            reason = case when r.state = 'due' then p_reason else r.reason end
        where r.id in (select x.id from public.reminders x where x.id = any (p_ids) and not x.is_over for no key update skip locked)
        returning r.audience_id
    )
    select pg_catalog.array_agg(distinct audience_id) into v_audiences from hushed;
    update public.reminder_lines l set state = 'suppressed', reason = p_reason
    where l.id in (select x.id from public.reminder_lines x
        where x.reminder_id = any (p_ids) and x.state in ('waiting', 'failed') for update skip locked);
    perform private.settle_reminders(p_ids);
    perform private.close_notifications(p_ids, v_audiences, p_now);
end;
$$;
comment on function private.silence(bigint[], text, timestamptz) is
    'Nothing more is said of these reminders: what waits is suppressed with the reason, what was said in the app is closed. A message that is being sent at this moment goes out.';

create or replace function private.tg_silence_clock() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select r.id from public.reminders r where r.clock_id = new.id and not r.is_over);
begin
    if v_ids <> '{}' then
        perform from public.reminders r where r.id = any (v_ids) order by r.id for no key update; -- a sweep at work ends first
        perform private.silence(v_ids, case when new.stopped_at is not null then 'stopped'
            when new.paused_at is not null then 'paused' else 'moved' end, new.updated_at);
    end if;
    return null;
end;
$$;
comment on function private.tg_silence_clock() is 'A clock that stops, pauses, merges or gets another deadline falls silent at once.';
create or replace trigger t60_silence after update on public.sla_clocks
    for each row when (old.stopped_at is distinct from new.stopped_at or old.paused_at is distinct from new.paused_at
        or old.due_version <> new.due_version or (old.due_at is not null and new.due_at is null))
    execute function private.tg_silence_clock();

create or replace function private.owner_changed(p_entity text, p_entity_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    v_ids := array(
        select r.id from public.sla_clocks c join public.reminders r on r.clock_id = c.id and not r.is_over
        where c.entity = p_entity and c.entity_id = p_entity_id and c.stopped_at is null
          and r.state <> 'due' and r.action <> 'to_pool' and r.who && '{owner,on_duty}'
        order by r.id for no key update of r);
    if v_ids <> '{}' then
        perform private.hand_on(v_ids, p_now);
    end if;
end;
$$;
comment on function private.owner_changed(text, bigint, timestamptz) is
    'The work has another owner: what nobody has read yet goes on to him, and is closed for the others.';

create or replace function private.was_read(p_reminder public.reminders) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from private.reminder_people p
        join public.notifications n on n.member_id = p.member_id
            and (n.reminder_id = (p_reminder).id or n.audience_ids @> array[(p_reminder).audience_id])
        where p.audience_id = (p_reminder).audience_id and p.role in ('owner', 'on_duty') and n.read_at is not null)
$$;
comment on function private.was_read(public.reminders) is 'Whether an owner, or somebody in his place, has read the message.';

create or replace function private.hand_on(p_ids bigint[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_old bigint[] := array(select distinct r.audience_id from public.reminders r where r.id = any (p_ids));
    v_unread bigint[] := array(select r.id from public.reminders r where r.id = any (p_ids) and not private.was_read(r));
begin
    perform private.address_reminders(p_ids, p_now);
    update public.reminder_lines l set state = 'suppressed', reason = 'owner_changed'
    where l.id in (
        select x.id from public.reminder_lines x join public.reminders r on r.id = x.reminder_id
        where r.id = any (p_ids) and x.member_id is not null and x.state in ('waiting', 'failed')
          and not exists (select from private.reminder_people p where p.audience_id = r.audience_id and p.member_id = x.member_id)
        for update of x skip locked);
    perform private.add_lines(v_unread, p_now);
    perform private.notify_people(v_unread, p_now);
    perform private.close_notifications(p_ids, v_old, p_now);
    perform private.settle_reminders(p_ids);
end;
$$;
comment on function private.hand_on(bigint[], timestamptz) is 'Finds the audience of reminders anew; those who come to it hear of them unless they were read.';

-- Lines on their way (used by deliveries) -----------------------------------------------------------------------------

create or replace function private.take_lines(p_ids uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    with held as (
        select l.id, c.stopped_at is null and c.paused_at is null and c.due_version = r.due_version and not r.is_over
            and (l.member_id is null or exists (
                select from private.reminder_people p join public.members m on m.id = p.member_id and m.state = 'active'
                where p.audience_id = r.audience_id and p.member_id = l.member_id)) as holds
        from public.reminder_lines l
        join public.reminders r on r.id = l.reminder_id
        join public.sla_clocks c on c.id = r.clock_id
        where l.delivery_id = any (p_ids) and l.state in ('waiting', 'failed') for update of l skip locked
    )
    update public.reminder_lines l set state = case when h.holds then 'sending' else 'suppressed' end,
        reason = case when not h.holds then 'stopped' end
    from held h where h.id = l.id;
end;
$$;
comment on function private.take_lines(uuid[], timestamptz) is 'Lines that still hold are being sent; those whose deadline is over meanwhile are not.';

create or replace function private.end_lines(p_id uuid, p_state text) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with ended as (
        update public.reminder_lines l set
            state = case when p_state = 'failed' and r.is_over then 'suppressed' else p_state end,
            reason = case when p_state = 'failed' and r.is_over then 'stopped' end
        from public.reminders r
        where r.id = l.reminder_id and l.delivery_id = p_id and l.state = 'sending' returning l.reminder_id
    )
    select pg_catalog.array_agg(distinct reminder_id) into v_ids from ended;
    perform private.settle_reminders(array(
        select r.id from public.reminders r where r.id = any (v_ids) order by r.id for update skip locked));
end;
$$;
comment on function private.end_lines(uuid, text) is 'The lines of a delivery follow it: sent, failed (again later, unless over meanwhile), dead.';

create or replace function private.revive_lines(p_old uuid, p_new uuid) returns void
language sql set search_path = '' as $$
    with revived as (
        update public.reminder_lines l set state = 'waiting', delivery_id = p_new
        from public.reminders r where r.id = l.reminder_id and not r.is_over and l.delivery_id = p_old and l.state = 'dead'
        returning l.reminder_id
    )
    select private.settle_reminders(array(select reminder_id from revived))
$$;

create or replace function private.line_of(p_reminder public.reminders, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('reminder_id', (p_reminder).id, 'area', c.policy ->> 'code', 'entity_type', c.entity,
        'entity_id', c.entity_id, 'target', c.target, 'label', coalesce((p_reminder).label, '#' || c.entity_id),
        'shop', s.name, 'timezone', s.timezone, 'policy', c.policy ->> 'name',
        'step', (p_reminder).step, 'action', (p_reminder).action,
        'state', case when (p_reminder).step_at >= (p_reminder).due_at or (p_reminder).due_at < p_now then 'overdue' else 'due_soon' end,
        'due_at', (p_reminder).due_at, 'late_minutes', (p_reminder).late_minutes, 'path', (p_reminder).path)
    from public.sla_clocks c join public.shops s on s.id = c.shop_id where c.id = (p_reminder).clock_id
$$;
comment on function private.line_of(public.reminders, timestamptz) is 'A line as a message carries it: numbers, times and a path, nothing personal.';

create or replace function private.listed_lines(p_kind text) returns integer
language sql immutable set search_path = '' as $$ select case p_kind when 'wecom' then 20 else 100 end $$;
comment on function private.listed_lines(text) is
    'Lines that a message lists before it says how many more there are: a WeCom text takes 2,048 bytes, the others 20 KB (robot documentation).';

create or replace function private.handle_of(p_kind text, p_settings public.member_reminders) returns text
language sql immutable set search_path = '' as $$
    select case p_kind when 'wecom' then (p_settings).wecom_id when 'dingtalk' then (p_settings).dingtalk_id
        when 'feishu' then (p_settings).feishu_id end
$$;

create or replace function private.mentions_of(p_delivery public.deliveries, p_kind text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(h.handle order by h.handle), '[]') from (
        select distinct case p_kind when 'webhook' then m.staff_no else private.handle_of(p_kind, s) end as handle
        from public.members m left join public.member_reminders s on s.member_id = m.id
        where m.id = (p_delivery).member_id
           or ((p_delivery).member_id is null and m.id in (
                select p.member_id from private.reminder_people p
                where p.reason is null and p.role in ('owner', 'duty_lead', 'manager') and p.audience_id in (
                    select r.audience_id from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
                    where l.delivery_id = (p_delivery).id and l.state = 'sending')))
        limit 20) h
    where h.handle is not null
$$;
comment on function private.mentions_of(public.deliveries, text) is 'Ids on the platform (webhook: staff numbers) of those whom the message is about: the person, or in a group the owners and leads of its lines.';

create or replace function private.message_of(p_id uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', d.id, 'attempt', d.attempts, 'purpose', d.purpose, 'channel_id', c.id, 'kind', c.kind,
        'host', c.host, 'endpoint', c.endpoint_cipher, 'secret', c.secret_cipher,
        'options', c.options || coalesce((select pg_catalog.jsonb_build_object('to', g.login_email) from private.member_logins g
            where c.kind = 'email' and g.member_id = d.member_id), '{}'),
        'language', coalesce((select m.locale from public.members m where m.id = d.member_id), c.language),
        'audience', c.audience, 'mentions', private.mentions_of(d, c.kind),
        'lines', coalesce((select pg_catalog.jsonb_agg(x.line order by x.n) filter (where x.n <= private.listed_lines(c.kind)) from (
            select private.line_of(r, p_now) as line, pg_catalog.row_number() over (order by r.due_at, r.id) as n
            from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
            where l.delivery_id = d.id and l.state = 'sending') x), '[]'),
        'more', greatest(0, d.line_count - private.listed_lines(c.kind)), 'figures', d.figures, 'at', p_now)
    from public.deliveries d join public.channels c on c.id = d.channel_id where d.id = p_id
$$;
comment on function private.message_of(uuid, timestamptz) is 'A claimed delivery as claim_deliveries hands it out.';

create or replace function private.lines_of_delivery(p_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('reminder_id', x.reminder_id, 'label', x.label, 'path', x.path,
        'entity', x.entity, 'due_at', x.due_at, 'state', x.state, 'reason', x.reason) order by x.due_at, x.reminder_id), '[]')
    from (select l.reminder_id, r.label, r.path, r.entity, r.due_at, l.state, l.reason
        from public.reminder_lines l join public.reminders r on r.id = l.reminder_id
        where l.delivery_id = p_id and r.shop_id in (select private.my_shop_ids()) order by r.due_at, r.id limit 200) x
$$;

create or replace function private.open_in_digest(p_audience_ids bigint[]) returns integer
language sql stable set search_path = '' as $$
    select pg_catalog.count(*)::integer from public.reminders r where r.audience_id = any (p_audience_ids) and not r.is_over
$$;
comment on function private.open_in_digest(bigint[]) is 'How many items of a digest still wait.';

-- ==== 38_sweep.sql ====

-- 38 ----------------------------------------------------------------- sweep: what is due, who hears of it, what goes out
--
-- Called each minute by the edge function, by any number of callers: one sweep works, the others find it busy. Every part
-- is one statement over all that is due, whether that is one deadline or ten thousand.

create or replace function private.ready_at(p_calendar_id bigint, p_zone text, p_is_public boolean, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    with opening as (
        select case when p_calendar_id is null then p_now
            else coalesce(lower(private.known_windows(p_calendar_id, p_now, p_now + interval '15 days',
                private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_now)))), p_now) end as at
    )
    select case when p_is_public or extract(hour from o.at at time zone p_zone) >= 8
            or exists (select from public.campaigns c where c.starts_at <= o.at and c.ends_at > o.at) then o.at
        else ((o.at at time zone p_zone)::date + time '08:00') at time zone p_zone end
    from opening o
$$;
comment on function private.ready_at(bigint, text, boolean, timestamptz) is
    'When a reminder may be said: while its calendar of reminders is open (unknown days are no reason to wait), and not from 00:00 to 08:00 of the shop, unless a campaign runs or the public is watching.';

-- Due steps become reminders ------------------------------------------------------------------------------------------

create or replace function private.make_reminders(p_now timestamptz, p_limit integer) returns bigint[]
language sql volatile set search_path = '' as $$
    with due as materialized (
        select c.id, c.shop_id, c.entity, c.entity_id, c.due_at, c.due_version, c.next_step, c.next_step_at, c.updated_at,
            c.state = 'running' and c.due_at < p_now as is_breach,
            c.policy -> 'ladder' as ladder, (c.policy ->> 'remind_calendar_id')::bigint as calendar_id,
            coalesce(c.step_times, array(select s.at from private.clock_steps(c) s order by s.step)) as times
        from public.sla_clocks c where c.next_step_at <= p_now
        order by c.next_step_at limit p_limit for update skip locked
    ), steps as materialized (
        select d.id as clock_id, s.n::smallint as step, case when s.n = d.next_step then d.next_step_at else s.at end as at,
            d.ladder -> (s.n::integer - 1) as rung
        from due d cross join lateral pg_catalog.unnest(d.times) with ordinality s (at, n)
        where (s.n = d.next_step or (s.at, s.n) > (d.next_step_at, d.next_step)) and d.ladder -> (s.n::integer - 1) is not null
    ), passed as materialized (
        select s.*, pg_catalog.row_number() over (partition by s.clock_id order by s.at desc, s.step desc) as back
        from steps s where s.at <= p_now
    ), ahead as (
        select distinct on (s.clock_id) s.clock_id, s.step, s.at from steps s where s.at > p_now order by s.clock_id, s.at, s.step
    ), moved as (
        update public.sla_clocks c set next_step = a.step, next_step_at = a.at,
            state = case when d.is_breach then 'breached' else c.state end,
            breached_at = case when d.is_breach then c.due_at else c.breached_at end,
            version = c.version + d.is_breach::integer, updated_at = case when d.is_breach then p_now else c.updated_at end
        from due d left join ahead a on a.clock_id = d.id where c.id = d.id
    ), breached as (
        insert into public.sla_clock_events (clock_id, shop_id, kind, at, state, due_at, due_version)
        select d.id, d.shop_id, 'breached', p_now, 'breached', d.due_at, d.due_version from due d where d.is_breach
    ), named as (
        select p.clock_id, pg_catalog.array_agg(distinct w.who order by w.who) as who
        from passed p join due d on d.id = p.clock_id cross join lateral pg_catalog.jsonb_array_elements_text(p.rung -> 'who') w (who)
        where p.back = 1 or p.at >= d.due_at group by p.clock_id
    ), ready as materialized (
        select k.*, private.ready_at(k.calendar_id, k.timezone, k.is_public, p_now) as at
        from (select distinct d.calendar_id, s.timezone, d.entity = 'public_complaint' as is_public
            from due d join public.shops s on s.id = d.shop_id) k
    ), made as (
        insert into public.reminders (clock_id, shop_id, entity, entity_id, step, due_version, who, action, is_escalation, is_public,
            step_at, due_at, late_minutes, ready_at, state, reason, is_over, created_at)
        select d.id, d.shop_id, d.entity, d.entity_id, p.step, d.due_version,
            case when p.back = 1 then n.who else array(select pg_catalog.jsonb_array_elements_text(p.rung -> 'who')) end,
            p.rung ->> 'action', p.at >= d.due_at or p.rung ->> 'action' <> 'notify' or n.who && '{duty_lead,manager}',
            d.entity = 'public_complaint', p.at, d.due_at,
            case when p_now - greatest(p.at, d.updated_at) >= interval '2 minutes'
                then pg_catalog.floor(extract(epoch from p_now - greatest(p.at, d.updated_at)) / 60) else 0 end,
            r.at, case when p.back = 1 then 'due' else 'suppressed' end, case when p.back > 1 then 'overtaken' end, p.back > 1, p_now
        from passed p
        join due d on d.id = p.clock_id
        join named n on n.clock_id = p.clock_id
        join public.shops s on s.id = d.shop_id
        join ready r on r.calendar_id is not distinct from d.calendar_id and r.timezone = s.timezone
            and r.is_public = (d.entity = 'public_complaint')
        on conflict on constraint reminders_once do nothing
        returning id
    )
    select coalesce(pg_catalog.array_agg(id order by id), '{}') from made
$$;
comment on function private.make_reminders(timestamptz, integer) is
    'Turns every ladder step that has come into a reminder, and moves its clock on to the next; what is past its deadline is breached on the way (as tick_clocks does for the rest). Of several steps that came while nobody looked, the last one speaks (for the overdue ones before it too); the others are overtaken.';

create or replace function private.overtake(p_made bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    select private.silence(array(
        select o.id from public.reminders m
        join public.reminders o on o.clock_id = m.clock_id and not o.is_over and o.id < m.id
        where m.id = any (p_made) and not m.is_over for no key update of o skip locked), 'overtaken', p_now)
    where p_made <> '{}'
$$;
comment on function private.overtake(bigint[], timestamptz) is 'A later step takes over from earlier ones of its clock that still wait or lie unread.';

create or replace function private.run_actions(p_made bigint[], p_now timestamptz) returns integer
language sql volatile set search_path = '' as $$
    select coalesce(pg_catalog.sum(private.ladder_action(a.entity, a.action, a.ids, p_now)), 0)::integer
    from (select r.entity, r.action, pg_catalog.array_agg(distinct r.entity_id) as ids
        from public.reminders r where r.id = any (p_made) and r.action <> 'notify' group by r.entity, r.action) a
$$;
comment on function private.run_actions(bigint[], timestamptz) is 'What the new steps do besides telling people, overtaken ones included.';

-- Who hears of it -----------------------------------------------------------------------------------------------------

create or replace function private.people_of(p_keys jsonb, p_now timestamptz)
returns table (audience_id bigint, member_id bigint, role text)
language sql stable set search_path = '' as $$
    with r as materialized (
        select k.* from pg_catalog.jsonb_to_recordset(p_keys) k (id bigint, shop_id bigint, entity text, who text[], owner_id bigint)
    ), shop as materialized (
        select distinct r.shop_id from r
    ), lead as materialized (
        select s.shop_id, l.id as member_id from shop s cross join lateral private.duty_leads(s.shop_id, p_now) l (id)
    ), here as materialized (
        select s.shop_id, d.member_id from shop s cross join lateral private.on_duty(s.shop_id, p_now) d
    ), staff as materialized (
        select s.shop_id, m.id as member_id, m.role, m.skills, h.member_id is not null as is_here
        from shop s join public.member_shops k on k.shop_id = s.shop_id
        join public.members m on m.id = k.member_id and m.state = 'active'
        left join here h on h.shop_id = s.shop_id and h.member_id = m.id
    ), found as materialized (
        select r.id, r.owner_id as member_id, 'owner' as role, 1 as rank from r where r.owner_id is not null and 'owner' = any (r.who)
        union all
        select r.id, l.member_id, 'duty_lead', 2 from r join lead l on l.shop_id = r.shop_id where 'duty_lead' = any (r.who)
        union all
        select r.id, s.member_id, s.role, 3 from r join staff s on s.shop_id = r.shop_id and s.role = any (r.who)
        where s.role in ('manager', 'warehouse') and (s.is_here or not exists (
            select from staff o where o.shop_id = s.shop_id and o.role = s.role and o.is_here))
        union all
        select r.id, s.member_id, 'on_duty', 4 from r
        join staff s on s.shop_id = r.shop_id and s.is_here and private.can_work(r.entity, s.role, s.skills)
        where 'on_duty' = any (r.who) or ('owner' = any (r.who) and r.owner_id is null)
    )
    select distinct on (f.id, f.member_id) f.id, f.member_id, f.role from (
        select * from found
        union all
        select r.id, l.member_id, 'duty_lead', 5 from r join lead l on l.shop_id = r.shop_id
        where not exists (select from found f where f.id = r.id)
    ) f order by f.id, f.member_id, f.rank
$$;
comment on function private.people_of(jsonb, timestamptz) is
    'The people whom steps name, as of now, for each [{id, shop_id, entity, who, owner_id (null: off duty or none)}]. In place of the owner: the colleagues on duty who can do the work. Managers and warehouse: those on duty, else all of the shop. Nobody at all: 当班主管, deputy, managers, admins.';

create or replace function private.address_reminders(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with r as materialized (
        select x.id, x.shop_id, x.entity, x.entity_id, x.who, not (x.is_public or x.step_at >= x.due_at or x.due_at < p_now) as is_calm
        from public.reminders x where x.id = any (p_ids)
    ), subject as materialized (
        select e.entity, s.* from (select r.entity, pg_catalog.array_agg(distinct r.entity_id) as ids from r group by r.entity) e
        cross join lateral private.subjects_of(e.entity, e.ids, p_now) s
    ), present as materialized (
        select o.id from (select distinct s.owner_id as id from subject s where s.owner_id is not null) o
        where private.is_on_duty(o.id, p_now)
    ), known as materialized (
        select r.*, s.label, s.path, o.id as owner_id
        from r left join subject s on s.entity = r.entity and s.entity_id = r.entity_id left join present o on o.id = s.owner_id
    ), audience as materialized (
        select k.*, pg_catalog.nextval('private.reminder_audiences') as id
        from (select distinct shop_id, entity, who, owner_id, is_calm from known) k
    ), people as materialized (
        select p.audience_id, p.member_id, p.role, case
            when m.preset = 'urgent' and a.is_calm then 'preset'
            when m.preset = 'mentions' and p.role not in ('owner', 'duty_lead') then 'preset' end as reason
        from private.people_of((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a)) from audience a), p_now) p
        join audience a on a.id = p.audience_id
        left join public.member_reminders m on m.member_id = p.member_id
    ), kept as (
        insert into private.reminder_people (audience_id, member_id, role, reason, created_at)
        select audience_id, member_id, role, reason, p_now from people
    ), heard as (
        select a.id, coalesce(pg_catalog.bool_or(p.reason is null) filter (where p.member_id is not null), false) as is_told,
            case when pg_catalog.count(p.member_id) = 0 then 'nobody' else 'preset' end as reason
        from audience a left join people p on p.audience_id = a.id group by a.id
    )
    update public.reminders x set label = k.label, path = k.path, audience_id = a.id, is_told = h.is_told,
        past_audience_ids = case when x.audience_id is null then x.past_audience_ids else x.past_audience_ids || x.audience_id end,
        state = case when h.is_told then 'sent' else 'suppressed' end, reason = case when not h.is_told then h.reason end
    from known k
    join audience a on a.shop_id = k.shop_id and a.entity = k.entity and a.who = k.who and a.is_calm = k.is_calm
        and a.owner_id is not distinct from k.owner_id
    join heard h on h.id = a.id
    where x.id = k.id
$$;
comment on function private.address_reminders(bigint[], timestamptz) is
    'Finds the audience of reminders: reminders for the same people share one. Whoever asked for less (his preset) is named with the reason.';

create or replace function private.person_channels() returns table (id bigint, shop_id bigint, kind text, member_id bigint)
language sql stable set search_path = '' as $$
    select c.id, c.shop_id, c.kind, m.id
    from public.channels c
    join public.members m on m.state = 'active'
    left join public.member_reminders r on r.member_id = m.id
    left join private.member_logins g on g.member_id = m.id
    where c.is_active and c.audience = 'person'
      and case c.kind when 'email' then g.login_email is not null when 'webhook' then true else private.handle_of(c.kind, r) is not null end
$$;
comment on function private.person_channels() is 'Which members each channel for persons can reach.';

create or replace function private.reserve_places(p_channel_id bigint, p_member_id bigint, p_count bigint, p_now timestamptz)
returns table (first bigint, last bigint, delivery_id uuid)
language plpgsql set search_path = '' as $$
declare
    v_room bigint;
begin
    last := 0;
    select d.id, 100 - d.line_count into delivery_id, v_room from public.deliveries d
    where d.channel_id = p_channel_id and d.member_id is not distinct from p_member_id and d.state = 'waiting' and d.attempts = 0
      and d.purpose = 'reminders' and d.line_count < 100 and d.resent_from is null
    order by d.seq limit 1 for update skip locked;
    if found then
        first := 1;
        last := least(v_room, p_count);
        update public.deliveries d set line_count = d.line_count + last where d.id = delivery_id;
        return next;
    end if;
    while last < p_count loop
        first := last + 1;
        last := least(last + 100, p_count);
        delivery_id := pg_catalog.gen_random_uuid();
        insert into public.deliveries (id, channel_id, member_id, purpose, next_at, line_count, created_at)
        values (delivery_id, p_channel_id, p_member_id, 'reminders', p_now, last - first + 1, p_now);
        return next;
    end loop;
end;
$$;
comment on function private.reserve_places(bigint, bigint, bigint, timestamptz) is
    'Room for so many lines to one channel and recipient: in the message that still waits, then in new ones of a hundred lines.';

create or replace function private.add_lines(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with reach as materialized (
        select * from private.person_channels()
    ), wanted as materialized (
        select w.*, pg_catalog.row_number() over (partition by w.channel_id, w.member_id order by w.due_at, w.id) as place from (
            select r.id, r.due_at, c.member_id, c.id as channel_id
            from reach c
            join private.reminder_people p on p.member_id = c.member_id and p.reason is null
            join public.reminders r on r.audience_id = p.audience_id and not r.is_over and (c.shop_id is null or c.shop_id = r.shop_id)
            where r.id = any (p_ids)
            union all
            select r.id, r.due_at, null, c.id
            from public.channels c join public.reminders r on r.id = any (p_ids) and r.is_escalation and (c.shop_id is null or c.shop_id = r.shop_id)
            where c.is_active and c.audience = 'group') w
        where not exists (select from public.reminder_lines l where l.reminder_id = w.id and l.channel_id = w.channel_id
            and l.member_id is not distinct from w.member_id)
    ), room as materialized (
        select g.channel_id, g.member_id, p.*
        from (select channel_id, member_id, pg_catalog.count(*) as lines from wanted group by channel_id, member_id) g
        cross join lateral private.reserve_places(g.channel_id, g.member_id, g.lines, p_now) p
    ), added as (
        insert into public.reminder_lines (reminder_id, member_id, channel_id, delivery_id)
        select w.id, w.member_id, w.channel_id, o.delivery_id
        from wanted w join room o on o.channel_id = w.channel_id and o.member_id is not distinct from w.member_id
            and w.place between o.first and o.last
        on conflict on constraint reminder_lines_once do nothing
        returning reminder_id
    )
    update public.reminders r set state = 'queued', reason = null where r.id in (select reminder_id from added)
$$;
comment on function private.add_lines(bigint[], timestamptz) is
    'Lines for the people of the audience on channels for persons, and for groups when it is an escalation; each with its place in a message.';

create or replace function private.message_item(p_reminder public.reminders, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('label', coalesce((p_reminder).label, '#' || c.entity_id), 'entity', c.entity,
        'entity_id', c.entity_id, 'target', c.target, 'policy', c.policy ->> 'name', 'shop', s.name, 'due_at', (p_reminder).due_at,
        'path', (p_reminder).path,
        'state', case when (p_reminder).step_at >= (p_reminder).due_at or (p_reminder).due_at < p_now then 'overdue' else 'due_soon' end)
    from public.sla_clocks c join public.shops s on s.id = c.shop_id where c.id = (p_reminder).clock_id
$$;
comment on function private.message_item(public.reminders, timestamptz) is 'A reminder as the inbox shows it.';

create or replace function private.notify_people(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with batch as materialized (
        select r.audience_id, r.past_audience_ids, pg_catalog.count(*) as n, pg_catalog.bool_or(r.is_public) as is_public,
            pg_catalog.count(*) filter (where r.step_at >= r.due_at or r.due_at < p_now) as overdue
        from public.reminders r where r.id = any (p_ids) and not r.is_over and r.is_told group by r.audience_id, r.past_audience_ids
    ), told as materialized (
        select p.member_id, b.*, pg_catalog.sum(b.n) over (partition by p.member_id) as of_member
        from batch b join private.reminder_people p on p.audience_id = b.audience_id and p.reason is null
        where not exists (select from private.reminder_people o
            where o.audience_id = any (b.past_audience_ids) and o.member_id = p.member_id and o.reason is null)
    ), single as (
        insert into public.notifications (member_id, kind, params, path, is_urgent, reminder_id, created_at)
        select t.member_id, case r.action when 'to_pool' then 'returned' when 'raise_priority' then 'raised' else i.item ->> 'state' end,
            i.item, r.path, i.item ->> 'state' = 'overdue' or r.is_public, r.id, p_now
        from told t
        join public.reminders r on r.id = any (p_ids) and r.audience_id = t.audience_id and not r.is_over
        cross join lateral private.message_item(r, p_now) i (item)
        where t.of_member <= 3 order by r.due_at, r.id, t.member_id
    ), worst as materialized (
        select b.audience_id, w.id, w.due_at from batch b cross join lateral (
            select r.id, r.due_at from public.reminders r
            where r.audience_id = b.audience_id and r.id = any (p_ids) and not r.is_over order by r.due_at, r.id limit 10) w
        where exists (select from told t where t.of_member > 3 and t.audience_id = b.audience_id)
    )
    insert into public.notifications (member_id, kind, params, path, is_urgent, audience_ids, created_at)
    select t.member_id, 'digest', pg_catalog.jsonb_build_object('count', pg_catalog.sum(t.n), 'overdue', pg_catalog.sum(t.overdue), 'items', (
            select pg_catalog.jsonb_agg(private.message_item(r, p_now) order by r.due_at, r.id) from public.reminders r
            where r.id = any (array(select w.id from worst w where w.audience_id = any (pg_catalog.array_agg(t.audience_id))
                order by w.due_at, w.id limit 10)))),
        '/inbox', pg_catalog.bool_or(t.overdue > 0 or t.is_public), pg_catalog.array_agg(t.audience_id), p_now
    from told t where t.of_member > 3 group by t.member_id
$$;
comment on function private.notify_people(bigint[], timestamptz) is
    'Messages in the app for the audiences of reminders: up to three by themselves, more as one digest a person. Who was of an earlier audience is not told again.';

-- What goes out -------------------------------------------------------------------------------------------------------

create or replace function private.drop_closed_channels(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with dropped as (
        update public.reminder_lines l set state = 'suppressed', reason = 'channel_off'
        where l.id in (select x.id from public.reminder_lines x join public.channels c on c.id = x.channel_id and not c.is_active
            where x.state in ('waiting', 'failed') for update of x skip locked)
        returning l.reminder_id
    )
    select pg_catalog.array_agg(distinct reminder_id) into v_ids from dropped;
    perform private.settle_reminders(v_ids);
    update public.deliveries d set state = 'suppressed', ended_at = p_now, last_error = 'channel.off'
    where d.id in (select x.id from public.channels c join public.deliveries x on x.channel_id = c.id and x.state in ('waiting', 'failed')
        where not c.is_active for update of x skip locked);
end;
$$;
comment on function private.drop_closed_channels(timestamptz) is 'What waits for a channel that was switched off is not sent.';

create or replace function private.bundle_lines(p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with loose as materialized (
        select x.*, pg_catalog.row_number() over (partition by x.channel_id, x.member_id order by x.id) as place from (
            select l.id, l.channel_id, l.member_id
            from public.reminder_lines l join public.deliveries d on d.id = l.delivery_id
            where l.state in ('waiting', 'failed') and d.state in ('sent', 'suppressed', 'dead')
            order by l.id limit 5000 for update of l skip locked) x
    ), room as materialized (
        select g.channel_id, g.member_id, p.*
        from (select channel_id, member_id, pg_catalog.count(*) as lines from loose group by channel_id, member_id) g
        cross join lateral private.reserve_places(g.channel_id, g.member_id, g.lines, p_now) p
    )
    update public.reminder_lines l set delivery_id = o.delivery_id
    from loose x join room o on o.channel_id = x.channel_id and o.member_id is not distinct from x.member_id
        and x.place between o.first and o.last
    where l.id = x.id
$$;
comment on function private.bundle_lines(timestamptz) is
    'Lines that were left behind (in somebody else''s hands at the moment their message was taken) get a place in another.';

create or replace function public.sweep_reminders(p_limit integer default 20000) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_limit integer := least(greatest(coalesce(p_limit, 20000), 1), 50000);
    v_started timestamptz := pg_catalog.clock_timestamp();
    v_part bigint[];
    v_made bigint[] := '{}';
    v_ready bigint[];
    v_answer jsonb;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7316001) then
        return '{"due": 0, "queued": 0, "suppressed": 0, "moved": 0, "busy": true}';
    end if;
    loop -- in parts, for three seconds at most: a statement has eight, so a backlog of any size is worked off tick by tick
        v_part := private.make_reminders(v_now, least(2500, v_limit - pg_catalog.cardinality(v_made)));
        v_made := v_made || v_part;
        exit when v_part = '{}' or pg_catalog.cardinality(v_made) >= v_limit
            or pg_catalog.clock_timestamp() > v_started + interval '3 seconds';
    end loop;
    perform private.overtake(v_made, v_now);
    perform private.tick_clocks(v_now, v_limit);
    v_ready := array(select r.id from public.reminders r where r.state = 'due' and r.ready_at <= v_now
        order by r.ready_at, r.id limit v_limit for no key update skip locked);
    if v_ready <> '{}' then
        perform private.address_reminders(v_ready, v_now);
        perform private.notify_people(v_ready, v_now);
        perform private.add_lines(v_ready, v_now);
    end if;
    v_answer := pg_catalog.jsonb_build_object('due', pg_catalog.cardinality(v_made), 'moved', private.run_actions(v_made, v_now),
        'queued', (select pg_catalog.count(*) from public.reminders r where r.id = any (v_ready) and r.state <> 'suppressed'),
        'suppressed', (select pg_catalog.count(*) from public.reminders r where r.id = any (v_made || v_ready) and r.state = 'suppressed'));
    perform private.send_daily_digests(v_now);
    perform private.drop_closed_channels(v_now);
    perform private.bundle_lines(v_now);
    perform private.close_empty_digests(v_now);
    perform private.settle_reminders(array(select r.id from public.reminders r
        where r.state in ('queued', 'failed') order by r.id limit 5000 for no key update skip locked));
    return v_answer;
end;
$$;
grant execute on function public.sweep_reminders(integer) to service_role;
comment on function public.sweep_reminders(integer) is
    'Service, each minute: makes and addresses the reminders that are due (at most p_limit), carries out their actions, marks breaches, sends the digest of 17:00, bundles lines into deliveries. Answers {due, queued, suppressed, moved}: steps that came, reminders said or queued, not said (with their reason), records moved by an action; {busy: true} while another sweep works. Any number of callers, any downtime.';

-- ==== 38_told.sql ====

-- 38 ------------------------------------------------- reminders afterwards: why was I not told, how long they are kept

-- Why was I not told? -------------------------------------------------------------------------------------------------

create or replace function private.told_people(p_reminder public.reminders, p_me bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', m.display_name, 'channel', c.name, 'role', t.role,
        'state', t.state, 'reason', t.reason, 'is_me', coalesce(t.member_id = p_me, false)) order by t.n, t.state, m.id, c.id), '[]')
    from (
        select 1 as n, p.member_id, null::bigint as channel_id, p.role, case when p.reason is null then 'sent' else 'suppressed' end as state,
            p.reason
        from private.reminder_people p where p.audience_id = (p_reminder).audience_id
        union all
        select distinct 2, p.member_id, null::bigint, p.role, 'suppressed', coalesce(p.reason, 'owner_changed')
        from private.reminder_people p where p.audience_id = any ((p_reminder).past_audience_ids)
          and not exists (select from private.reminder_people o where o.audience_id = (p_reminder).audience_id and o.member_id = p.member_id)
        union all
        select 3, l.member_id, l.channel_id, case when l.member_id is null then 'group' else 'person' end, l.state, l.reason
        from public.reminder_lines l where l.reminder_id = (p_reminder).id
    ) t
    left join public.members m on m.id = t.member_id
    left join public.channels c on c.id = t.channel_id
$$;
comment on function private.told_people(public.reminders, bigint) is 'Who was told of a reminder in the app, who was before the work changed hands, and what became of its lines.';

create or replace function public.why_reminder(p_clock bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.sla_clocks;
begin
    select * into v from public.sla_clocks where id = p_clock and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'clock.none');
    end if;
    return pg_catalog.jsonb_build_object('clock_id', v.id, 'entity', v.entity, 'entity_id', v.entity_id, 'state', v.state,
        'policy', v.policy ->> 'name', 'due_at', v.due_at, 'due_version', v.due_version,
        'next_step', case when v.next_step_at is not null then v.next_step end, 'next_step_at', v.next_step_at,
        'ladder', (select coalesce(pg_catalog.jsonb_agg(s.value || pg_catalog.jsonb_build_object('step', s.ordinality,
                'at', v.step_times[s.ordinality::integer]) order by s.ordinality), '[]')
            from pg_catalog.jsonb_array_elements(v.policy -> 'ladder') with ordinality s),
        'reminders', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('step', r.step, 'due_version', r.due_version,
                'due_at', r.due_at, 'step_at', r.step_at, 'created_at', r.created_at, 'ready_at', r.ready_at,
                'late_minutes', r.late_minutes, 'state', r.state, 'reason', r.reason, 'who', pg_catalog.to_jsonb(r.who),
                'people', private.told_people(r, v_me.member_id)) order by r.due_version, r.step_at, r.step), '[]')
            from public.reminders r where r.clock_id = v.id));
end;
$$;
grant execute on function public.why_reminder(bigint) to authenticated;
comment on function public.why_reminder(bigint) is
    'Members of the shop: 为什么没有提醒我？ The ladder of a deadline, and of each step that came: state, reason, and each person and channel with the reason why not. clock.none.';

-- Retention -----------------------------------------------------------------------------------------------------------

create or replace function private.forget_reminders(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select r.id from public.reminders r where r.created_at < p_before and r.state <> 'due' order by r.id limit p_limit);
    v_gone uuid[];
    v_count integer;
begin
    delete from public.reminder_lines where reminder_id = any (v_ids);
    delete from public.reminders where id = any (v_ids);
    delete from private.reminder_people where created_at < p_before;
    delete from public.notifications where id = any (array(select n.id from public.notifications n where n.created_at < p_before limit p_limit));
    get diagnostics v_count = row_count;
    v_gone := array(select d.id from public.deliveries d where d.created_at < p_before
        and not exists (select from public.reminder_lines l where l.delivery_id = d.id)
        and not exists (select from public.deliveries n where n.resent_from = d.id and n.created_at >= p_before) limit p_limit);
    delete from private.delivery_attempts where delivery_id = any (v_gone);
    update public.deliveries set resent_from = null where resent_from = any (v_gone);
    delete from public.deliveries where id = any (v_gone);
    return v_count + cardinality(v_ids) + cardinality(v_gone);
end;
$$;
comment on function private.forget_reminders(timestamptz, integer) is 'Forgets reminders, messages and deliveries from before p_before (they are kept a year); answers how many rows.';

-- ==== 39_policies.sql ====

-- 39 --------------------------------------------------------------------------------- policies: who changes them, and how
--
-- A policy code has one row for everybody (shop_id null, no conditions) and any number of variants: of a shop, of
-- conditions, of both. The most specific one that is switched on wins (private.policies_for). A change holds for clocks
-- that start from then on; clocks that run follow only when a manager says so (reliability.md D11).

create or replace function private.policy_shown(p_policy public.sla_policies) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('name', p_policy.name, 'measure', p_policy.measure,
        'calendar', (select code from public.calendars where id = p_policy.calendar_id),
        'allowance', pg_catalog.trim_scale(p_policy.allowance), 'ladder', p_policy.ladder,
        'remind_calendar', (select code from public.calendars where id = p_policy.remind_calendar_id),
        'is_active', p_policy.is_active)
$$;
comment on function private.policy_shown(public.sla_policies) is 'What of a policy a manager can change, calendars by their code.';

-- Checking what was typed ---------------------------------------------------------------------------------------------

create or replace function private.bad_policy(p_field text, p_row integer default null) returns void
language sql stable set search_path = '' as $$
    select private.fail('PT422', 'policy.bad_field', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('field', p_field, 'row', p_row)))
$$;
comment on function private.bad_policy(text, integer) is 'policy.bad_field, with the field and the line of the ladder.';

create or replace function private.bad_step(p_step jsonb) returns text
language sql immutable set search_path = '' as $$
    select case
        when pg_catalog.jsonb_typeof(p_step) <> 'object' then 'at'
        when (p_step ? 'percent') = (p_step ? 'minutes') then 'at'
        when coalesce(p_step ->> 'percent', p_step ->> 'minutes', '') !~ '^-?[0-9]{1,7}$' then 'at'
        when (p_step ->> 'percent')::integer not between 0 and 1000 then 'at'
        when pg_catalog.abs((p_step ->> 'minutes')::integer) > 5256000 then 'at'
        when coalesce(pg_catalog.jsonb_typeof(p_step -> 'who'), '') <> 'array' or p_step -> 'who' = '[]'
            or not p_step -> 'who' <@ '["owner", "on_duty", "duty_lead", "manager", "warehouse"]' then 'who'
        when coalesce(p_step ->> 'action', '') not in ('notify', 'to_pool', 'raise_priority') then 'action'
        when p_step - array['percent', 'minutes', 'who', 'action'] <> '{}' then 'action' end
$$;
comment on function private.bad_step(jsonb) is 'The cell (at, who, action) that is wrong in a step of a ladder; null when all are right.';

create or replace function private.check_ladder(p_ladder jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_bad record;
begin
    if coalesce(pg_catalog.jsonb_typeof(p_ladder), '') <> 'array' or pg_catalog.jsonb_array_length(p_ladder) > 10 then
        perform private.bad_policy('ladder');
    end if;
    select s.n, private.bad_step(s.step) as cell into v_bad
    from pg_catalog.jsonb_array_elements(p_ladder) with ordinality s (step, n)
    where private.bad_step(s.step) is not null order by s.n limit 1;
    if found then
        perform private.bad_policy(v_bad.cell, v_bad.n::integer);
    end if;
    select s.n into v_bad from pg_catalog.jsonb_array_elements(p_ladder) with ordinality s (step, n)
    where exists (select from pg_catalog.jsonb_array_elements(p_ladder) with ordinality o (step, n)
        where o.n < s.n and o.step -> 'percent' is not distinct from s.step -> 'percent'
          and o.step -> 'minutes' is not distinct from s.step -> 'minutes' and o.step -> 'action' = s.step -> 'action')
    order by s.n limit 1;
    if found then
        perform private.bad_policy('twice', v_bad.n::integer);
    end if;
end;
$$;
comment on function private.check_ladder(jsonb) is 'At most ten steps, every cell right, no two that do the same at the same time. policy.bad_field.';

create or replace function private.check_conditions(p_conditions jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    if not coalesce(private.is_conditions(p_conditions), false)
        or p_conditions - array['kind', 'priority', 'grade'] <> '{}'
        or exists (select from pg_catalog.jsonb_each(p_conditions) c, pg_catalog.jsonb_array_elements_text(c.value) v
            where pg_catalog.jsonb_array_length(c.value) > 20 or v !~ '^[A-Za-z0-9_]{1,40}$') then
        perform private.bad_policy('conditions');
    end if;
    return (select coalesce(pg_catalog.jsonb_object_agg(c.key,
            (select pg_catalog.jsonb_agg(distinct v order by v) from pg_catalog.jsonb_array_elements_text(c.value) v)), '{}')
        from pg_catalog.jsonb_each(p_conditions) c);
end;
$$;
comment on function private.check_conditions(jsonb) is
    'Conditions on kind, priority and grade, their values in order, so that the same conditions are the same text. policy.bad_field.';

create or replace function private.policy_calendar(p_code text, p_field text, p_needs_hours boolean) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint;
begin
    select id into v_id from public.calendars
    where code = p_code and is_active and not (p_needs_hours and kind = 'wall');
    if v_id is null then
        perform private.bad_policy(p_field);
    end if;
    return v_id;
end;
$$;
comment on function private.policy_calendar(text, text, boolean) is 'The active calendar of a code; policy.bad_field.';

create or replace function private.check_allowance(p_allowance jsonb, p_measure text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
    v_text text := coalesce(p_allowance #>> '{}', '');
begin
    if v_text !~ '^[0-9]{1,7}(\.[0-9]{1,3})?$' or v_text::numeric > 5256000
        or (p_measure = 'workdays' and (v_text::numeric <> trunc(v_text::numeric) or v_text::numeric > 3660)) then
        perform private.bad_policy('allowance');
    end if;
    return v_text::numeric;
end;
$$;
comment on function private.check_allowance(jsonb, text) is 'Minutes, or whole working days; at most ten years. policy.bad_field.';

create or replace function private.edited_policy(p_old public.sla_policies, p_change jsonb, p_now timestamptz) returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_policies := p_old;
    v_all jsonb := private.policy_shown(p_old) || p_change;
    v_problem record;
begin
    v.name := pg_catalog.btrim(coalesce(v_all ->> 'name', ''));
    v.measure := v_all ->> 'measure';
    if pg_catalog.char_length(v.name) not between 1 and 60 or v.name ~ '[[:cntrl:]]' then
        perform private.bad_policy('name');
    elsif coalesce(v.measure, '') not in ('wall', 'working', 'workdays') then
        perform private.bad_policy('measure');
    elsif coalesce(pg_catalog.jsonb_typeof(v_all -> 'is_active'), '') <> 'boolean' then
        perform private.bad_policy('is_active');
    end if;
    v.allowance := private.check_allowance(v_all -> 'allowance', v.measure);
    v.calendar_id := case when v.measure <> 'wall' then private.policy_calendar(v_all ->> 'calendar', 'calendar', true) end;
    v.remind_calendar_id := case when v_all ->> 'remind_calendar' is not null
        then private.policy_calendar(v_all ->> 'remind_calendar', 'remind_calendar', false) end;
    perform private.check_ladder(v_all -> 'ladder');
    v.ladder := v_all -> 'ladder';
    v.is_active := (v_all ->> 'is_active')::boolean;
    v_problem := private.deadline(v.measure, v.calendar_id, p_now, v.allowance, '{}');
    if v_problem.problem = 'never_open' then
        perform private.refuse_problem('never_open', v.calendar_id, null);
    end if;
    return v;
end;
$$;
comment on function private.edited_policy(public.sla_policies, jsonb, timestamptz) is
    'The policy with the values of p_change, checked field by field. policy.bad_field, calendar.never_open.';

-- Writing -------------------------------------------------------------------------------------------------------------

create or replace function private.variant_base(p_me private.actor, p_policy jsonb) returns public.sla_policies
language plpgsql stable set search_path = '' as $$
declare
    v public.sla_policies;
begin
    select * into v from public.sla_policies where code = p_policy ->> 'code' and shop_id is null and conditions = '{}';
    if not found then
        perform private.fail('PT404', 'policy.unknown');
    end if;
    if p_policy ->> 'shop_id' is not null then
        if p_policy ->> 'shop_id' !~ '^[0-9]{1,18}$' then
            perform private.fail('PT404', 'shop.none');
        end if;
        perform private.require_shop(p_me, (p_policy ->> 'shop_id')::bigint);
    end if;
    v.id := null;
    v.is_active := true;
    v.shop_id := (p_policy ->> 'shop_id')::bigint;
    v.conditions := private.check_conditions(coalesce(p_policy -> 'conditions', '{}'));
    if v.shop_id is null and v.conditions = '{}' then
        perform private.fail('PT409', 'policy.exists');
    end if;
    return v;
end;
$$;
comment on function private.variant_base(private.actor, jsonb) is
    'A new variant in memory, like the default of its code. policy.unknown, shop.none, policy.exists, policy.bad_field.';

create or replace function private.last_change(p_policy_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('who', m.display_name, 'at', a.at)
    from public.audit_events a left join public.members m on m.id = a.member_id
    where a.entity = 'sla_policy' and a.entity_id = p_policy_id order by a.id desc limit 1
$$;

create or replace function private.policy_for_change(p_me private.actor, p_id bigint, p_version integer) returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v public.sla_policies;
begin
    select * into v from public.sla_policies where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'policy.unknown');
    elsif v.shop_id is not null then
        perform private.require_shop(p_me, v.shop_id);
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'policy.stale',
            coalesce(private.last_change(p_id), '{}') || pg_catalog.jsonb_build_object('name', v.name));
    end if;
    return v;
end;
$$;
comment on function private.policy_for_change(private.actor, bigint, integer) is
    'Locks a policy whose version is still the one seen. policy.unknown, shop.none, policy.stale (name, who, at).';

create or replace function private.write_policy(p_policy public.sla_policies) returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v public.sla_policies := p_policy;
begin
    if v.id is null then
        insert into public.sla_policies (code, name, applies_to, target, shop_id, conditions, measure, calendar_id, allowance,
            ladder, remind_calendar_id, on_reopen, is_active)
        values (v.code, v.name, v.applies_to, v.target, v.shop_id, v.conditions, v.measure, v.calendar_id, v.allowance,
            v.ladder, v.remind_calendar_id, v.on_reopen, v.is_active)
        returning * into v;
    else
        update public.sla_policies set (name, measure, calendar_id, allowance, ladder, remind_calendar_id, is_active)
            = (v.name, v.measure, v.calendar_id, v.allowance, v.ladder, v.remind_calendar_id, v.is_active)
        where id = v.id returning * into v;
    end if;
    return v;
exception when unique_violation then
    perform private.fail('PT409', 'policy.exists');
end;
$$;
comment on function private.write_policy(public.sla_policies) is 'Stores a policy, new (id null) or changed. policy.exists.';

create or replace function private.apply_policy(p_me private.actor, p_id bigint, p_policy jsonb, p_version integer, p_now timestamptz)
returns public.sla_policies
language plpgsql set search_path = '' as $$
declare
    v_old public.sla_policies := case when p_id is null then private.variant_base(p_me, p_policy)
        else private.policy_for_change(p_me, p_id, p_version) end;
begin
    if pg_catalog.jsonb_typeof(p_policy) is distinct from 'object' then
        perform private.bad_policy('policy');
    end if;
    return private.write_policy(private.edited_policy(v_old, p_policy, p_now));
end;
$$;

create or replace function private.audit_policy(p_me private.actor, p_action text, p_old jsonb, p_new public.sla_policies) returns void
language sql set search_path = '' as $$
    select private.audit(p_me, p_new.shop_id, 'sla_policy', p_new.id, p_action,
        pg_catalog.jsonb_build_object('code', p_new.code, 'version', p_new.version, 'changes', (
            select coalesce(pg_catalog.jsonb_object_agg(n.key, pg_catalog.jsonb_build_object('from', p_old -> n.key, 'to', n.value)), '{}')
            from pg_catalog.jsonb_each(private.policy_shown(p_new)) n where n.value is distinct from p_old -> n.key)))
$$;
comment on function private.audit_policy(private.actor, text, jsonb, public.sla_policies) is 'What was changed, from what to what; p_old null for a new variant.';

create or replace function public.save_policy(p_id bigint, p_policy jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_policy jsonb := private.as_json(p_policy);
    v_answer jsonb := private.begin_request(p_request_id, 'save_policy', pg_catalog.jsonb_build_array(p_id, v_policy, p_version));
    v_before jsonb;
    v_saved public.sla_policies;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_before := (select private.policy_shown(p) from public.sla_policies p where p.id = p_id);
    v_saved := private.apply_policy(v_me, p_id, v_policy, p_version, private.now());
    perform private.audit_policy(v_me, case when p_id is null then 'added' else 'saved' end, v_before, v_saved);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_saved.id, 'version', v_saved.version));
end;
$$;
grant execute on function public.save_policy(bigint, jsonb, integer, uuid) to authenticated;
comment on function public.save_policy(bigint, jsonb, integer, uuid) is
    'Manager, admin: changes a policy {name, measure, calendar, allowance, ladder, remind_calendar, is_active}, or adds a variant (p_id null: also code, shop_id, conditions). Holds for clocks that start from now on. Answers {id, version}. policy.stale (name, who, at), policy.bad_field (field, row), policy.exists, policy.unknown, shop.none, calendar.never_open.';

create or replace function public.reset_policy(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_policy', pg_catalog.jsonb_build_array(p_id, p_version));
    v public.sla_policies;
    v_seed jsonb;
    v_before jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.policy_for_change(v_me, p_id, p_version);
    v_before := private.policy_shown(v);
    v_seed := (select pg_catalog.to_jsonb(s) || '{"is_active": true}' from private.seed_policies() s
        where s.code = v.code and v.shop_id is null and v.conditions = '{}');
    if v_seed is null then
        perform private.fail('PT422', 'policy.no_default');
    end if;
    v := private.write_policy(private.edited_policy(v, v_seed, private.now()));
    perform private.audit_policy(v_me, 'reset', v_before, v);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.reset_policy(bigint, integer, uuid) to authenticated;
comment on function public.reset_policy(bigint, integer, uuid) is
    'Manager, admin: the default of a code as a new installation has it. A variant has none: switch it off instead. Answers {id, version}. policy.no_default, policy.stale, policy.unknown.';

-- ==== 39_policy_effects.sql ====

-- 39 -------------------------------------------------- policies: what running clocks would do, which one holds and why

-- What running clocks would do ----------------------------------------------------------------------------------------

create or replace function private.running_clocks(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (clock_id bigint, policy_id bigint)
language sql stable set search_path = '' as $$
    with open as (
        select c.id, c.shop_id, c.policy_id, c.policy ->> 'version' as version, c.policy -> 'facts' as facts, c.due_at
        from public.sla_policies p join public.sla_clocks c on c.policy_id = p.id
        where p.code = p_code and c.stopped_at is null and c.breached_at is null
          and (c.due_at >= p_now or c.due_at is null) and c.shop_id = any (p_shops)
    ), chosen as materialized ( -- once for each shop and facts, not once for each clock
        select k.shop_id, k.facts, b.id, b.version
        from (select distinct shop_id, facts from open) k
        cross join lateral (select * from private.policies_for(p_code, k.shop_id, k.facts) limit 1) b
    )
    select o.id, c.id from open o join chosen c on c.shop_id = o.shop_id and c.facts = o.facts
    where (o.policy_id, o.version) is distinct from (c.id, c.version::text)
    order by o.due_at, o.id limit p_limit
$$;
comment on function private.running_clocks(text, bigint[], integer, timestamptz) is
    'Running and paused clocks of a code, not overdue, under an older version than the policy that would win today, soonest first.';

create or replace function private.policy_effect(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (clock_id bigint, due_before timestamptz, due_after timestamptz)
language sql stable set search_path = '' as $$
    select c.id, c.due_at, case when d.due_at is not null then greatest(d.due_at, p_now) end
    from private.running_clocks(p_code, p_shops, p_limit, p_now) r
    join public.sla_clocks c on c.id = r.clock_id
    join public.sla_policies p on p.id = r.policy_id
    cross join lateral private.under_policy(c, p, c.policy -> 'facts', p_now) n
    left join lateral private.deadline(n.measure, n.calendar_id, n.counted_from, greatest(n.allowance - n.used, 0), n.pauses) d
        on n.paused_at is null
$$;
comment on function private.policy_effect(text, bigint[], integer, timestamptz) is
    'Deadlines of running clocks now, and as they would be if each followed the policy that wins today.';

create or replace function private.effect_counts(p_code text, p_shops bigint[], p_limit integer, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (
    with effect as materialized (select * from private.policy_effect(p_code, p_shops, p_limit, p_now)),
    shown as (
        select e.*, c.shop_id, s.name as shop_name, s.timezone, c.entity, c.entity_id, c.target, c.state
        from (select * from effect where due_after is distinct from due_before order by due_after nulls last, clock_id limit 50) e
        join public.sla_clocks c on c.id = e.clock_id join public.shops s on s.id = c.shop_id
    )
    select pg_catalog.jsonb_build_object('open', pg_catalog.count(*), 'is_all', pg_catalog.count(*) < p_limit,
        'earlier', pg_catalog.count(*) filter (where due_after < due_before),
        'later', pg_catalog.count(*) filter (where due_after > due_before),
        'same', pg_catalog.count(*) filter (where due_after is not distinct from due_before),
        'at_once', pg_catalog.count(*) filter (where due_after <= p_now and due_after < due_before),
        'soon', pg_catalog.count(*) filter (where due_after > p_now and due_after <= p_now + interval '30 minutes' and due_after < due_before),
        'rows', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(s) || pg_catalog.jsonb_build_object(
            'label', (select w.label from private.subjects_of(s.entity, array[s.entity_id], p_now) w))
            order by s.due_after, s.clock_id) from shown s), '[]'))
    from effect);
end;
$$;
comment on function private.effect_counts(text, bigint[], integer, timestamptz) is
    'policy_effect in figures, with the first fifty that move. Nothing becomes overdue by it: what is used up is due at once (at_once).';

create or replace function private.policy_stamp(p_code text) returns text
language sql stable set search_path = '' as $$
    select pg_catalog.string_agg(id || '.' || version, ' ' order by id) from public.sla_policies where code = p_code
$$;
comment on function private.policy_stamp(text) is 'Changes with every change of a policy of the code: what was previewed is what is applied.';

create or replace function public.preview_policy(p_id bigint, p_policy jsonb, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
    v_saved public.sla_policies;
    v_answer jsonb;
begin
    begin
        v_saved := private.apply_policy(v_me, p_id, private.as_json(p_policy), p_version, v_now);
        v_answer := private.effect_counts(v_saved.code, v_shops, 1000, v_now);
        raise exception using errcode = 'PT200', message = 'policy.preview';
    exception when sqlstate 'PT200' then
        return v_answer;
    end;
end;
$$;
grant execute on function public.preview_policy(bigint, jsonb, integer) to authenticated;
comment on function public.preview_policy(bigint, jsonb, integer) is
    'Manager, admin: when the running clocks of my shops would be due under a change (arguments of save_policy) that they followed: {open, is_all (false beyond 1,000), earlier, later, same, at_once, soon, rows}. Changes nothing: it is tried and undone. Refusals as save_policy.';

create or replace function public.preview_recalculation(p_code text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return private.effect_counts(p_code, array(select private.my_shop_ids()), 1000, private.now())
        || pg_catalog.jsonb_build_object('stamp', private.policy_stamp(p_code));
end;
$$;
grant execute on function public.preview_recalculation(text) to authenticated;
comment on function public.preview_recalculation(text) is
    'Manager, admin: what "recalculate running ones" would do in my shops: as preview_policy, and the stamp that recalculate_policy wants back.';

create or replace function public.recalculate_policy(p_code text, p_stamp text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'recalculate_policy', pg_catalog.jsonb_build_array(p_code, p_stamp));
    v_shops bigint[] := array(select private.my_shop_ids());
    v_clocks bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform from public.sla_policies where code = p_code order by id for share;
    if private.policy_stamp(p_code) is distinct from p_stamp then
        perform private.fail('PT409', 'policy.stale', coalesce((select private.last_change(id) || pg_catalog.jsonb_build_object('name', name)
            from public.sla_policies where code = p_code order by updated_at desc limit 1), '{}'));
    end if;
    v_clocks := array(select clock_id from private.running_clocks(p_code, v_shops, 200, v_now));
    perform private.retarget_clock(id, v_now, v_me.member_id, 'recalculated') from pg_catalog.unnest(v_clocks) id order by id;
    v_answer := pg_catalog.jsonb_build_object('changed', pg_catalog.cardinality(v_clocks),
        'left', exists (select from private.running_clocks(p_code, v_shops, 1, v_now)));
    perform private.audit(v_me, null, 'sla_policy', (select min(id) from public.sla_policies where code = p_code and shop_id is null
        and conditions = '{}'), 'recalculated', v_answer || pg_catalog.jsonb_build_object('code', p_code));
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.recalculate_policy(text, text, uuid) to authenticated;
comment on function public.recalculate_policy(text, text, uuid) is
    'Manager, admin: running clocks of my shops follow the policy as it is now, 200 at a time: only the time that remains changes, nothing becomes overdue, finished and overdue ones stay. Answers {changed, left: more to do}. policy.stale.';

-- Explaining and looking back -----------------------------------------------------------------------------------------

create or replace function public.explain_policy(p_code text, p_shop_id bigint, p_facts jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_facts jsonb := coalesce(private.as_json(p_facts), '{}');
begin
    perform private.require_shop(v_me, p_shop_id);
    return (
        with places as (select id, row_number() over () as place from private.policies_for(p_code, p_shop_id, v_facts))
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', p.id, 'verdict', case
                when w.place = 1 then 'wins' when w.place > 1 then 'less_specific' when not p.is_active then 'off'
                else 'conditions' end) order by w.place, p.shop_id nulls last, p.id), '[]')
        from public.sla_policies p left join places w on w.id = p.id
        where p.code = p_code and (p.shop_id is null or p.shop_id = p_shop_id));
end;
$$;
grant execute on function public.explain_policy(text, bigint, jsonb) to authenticated;
comment on function public.explain_policy(text, bigint, jsonb) is
    'Members of the shop: which policy of a code holds for these facts {kind, priority, grade}, and why the others do not: [{id, verdict: wins|less_specific|off|conditions}]. shop.none.';

create or replace function public.policy_history(p_code text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(h) order by h.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.action, a.detail, p.id as policy_id, p.name, p.shop_id, p.conditions
        from public.sla_policies p
        join public.audit_events a on a.entity = 'sla_policy' and a.entity_id = p.id
        left join public.members m on m.id = a.member_id
        where p.code = p_code and (p.shop_id is null or p.shop_id = any (v_shops))
        order by a.id desc limit 50) h);
end;
$$;
grant execute on function public.policy_history(text) to authenticated;
comment on function public.policy_history(text) is
    'Operations, analyst, manager, admin: who changed the policies of a code, from what to what; the last fifty.';

-- ==== 40_stock.sql ====

-- 40 ------------------------------------------------------------------------------------------------------------- stock

create table if not exists public.products (
    id bigint generated always as identity primary key,
    stock_pool_id bigint not null references public.stock_pools,
    sku text not null,
    name text not null,
    spec text not null default '',
    available integer constraint products_available_not_negative check (available >= 0),
    safety_stock integer not null default 50 constraint products_safety_not_negative check (safety_stock >= 0),
    stock_at timestamptz,
    import_id bigint,
    updated_at timestamptz not null default now(),
    constraint products_sku_unique unique (stock_pool_id, sku)
);
create index if not exists products_name_idx on public.products (stock_pool_id, name, spec);
alter table public.products enable row level security;
comment on table public.products is '商品与库存: what a stock pool holds. available null = never counted; below safety_stock (50 by default) it is on the refill list.';

drop policy if exists "members read the products" on public.products;
create policy "members read the products" on public.products
    for select to authenticated using ((select private.my_role()) is not null);
grant select on public.products to authenticated;

-- ==== 42_assignment.sql ====

-- 42 --------------------------------------------------------------------------- assignment: who gets the work, and why
--
-- One engine for every area that hands work out ('lead', 'ticket'). Whoever is eligible for an item (agent of the shop, on
-- duty, with the skill, free capacity, not frozen, no cool-off) gains weight / weights of all eligible; who gets the item
-- pays 1; the highest credit gets it, equal credits the one who has waited longest, never-served ones at random. Among
-- people of one weight nobody enters with more than one item less than the best: debts and claims of days on which others
-- were eligible do not pile up.
--
-- What this proves, for equal weights: over any stretch of items for which two people were both eligible or both not, they
-- take turns, so their numbers differ by at most 1, whoever else came, went, was full or frozen, and whatever happened
-- before. (Let d be the difference of their credits at the first such item: at most 1 by the limit above. Both gain the
-- same; the one ahead is served and falls behind or level, and when level the other has waited longer: so the other is
-- next. The limit never turns the order of two credits round.) More cannot be promised: of three people with items for
-- {1,2}, {2,3}, {3,1} each can be one ahead of the next, and the item for all three then makes somebody two ahead of one.
-- With a fixed group of any weights nobody is ever a whole item above his share.

create table if not exists public.assignment_members (
    member_id bigint not null references public.members,
    area text not null constraint assignment_members_area_known check (area in ('lead', 'ticket')),
    capacity integer not null constraint assignment_members_capacity_range check (capacity between 0 and 1000),
    weight numeric(5, 2) not null default 1 constraint assignment_members_weight_range check (weight between 0.1 and 10),
    frozen_until timestamptz,
    frozen_reason text constraint assignment_members_reason_length check (char_length(frozen_reason) between 1 and 200),
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    primary key (member_id, area),
    constraint assignment_members_frozen_has_reason check ((frozen_until is null) = (frozen_reason is null))
);
create index if not exists assignment_members_changed_by_idx on public.assignment_members (changed_by) where changed_by is not null;
alter table public.assignment_members enable row level security;
create or replace trigger t10_touch before update on public.assignment_members
    for each row execute function private.touch_version();
comment on table public.assignment_members is
    'How much work of an area a member is given; without a row 60 open leads, 30 open tickets, weight 1 (product decision).';
comment on column public.assignment_members.capacity is 'Open items at which no more are given; what he claims himself may exceed it.';
comment on column public.assignment_members.weight is 'His share beside colleagues: 0.5 gets half as much as 1.';
comment on column public.assignment_members.frozen_until is 'Gets nothing new until then; what he has stays his.';

create table if not exists private.assignment_credits (
    shop_id bigint not null references public.shops,
    area text not null constraint assignment_credits_area_known check (area in ('lead', 'ticket')),
    member_id bigint not null references public.members,
    credit numeric not null default 0,
    last_decision_id bigint,
    updated_at timestamptz not null,
    primary key (shop_id, area, member_id)
);
create index if not exists assignment_credits_member_id_idx on private.assignment_credits (member_id);
alter table private.assignment_credits enable row level security;
comment on table private.assignment_credits is 'What fairness owes a member of a shop: shares gained less items received. No row: nothing owed.';

create table if not exists public.assignment_decisions (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    shop_id bigint not null references public.shops,
    area text not null constraint assignment_decisions_area_known check (area in ('lead', 'ticket')),
    entity_id bigint not null,
    member_id bigint references public.members,
    rule text not null constraint assignment_decisions_rule_known check (rule in ('credit', 'only', 'nobody', 'chosen', 'returned')),
    source text not null constraint assignment_decisions_source_known
        check (source in ('arrival', 'on_duty', 'manual', 'claim', 'handover', 'recycle')),
    considered jsonb not null default '[]',
    constraint assignment_decisions_nobody check ((member_id is null) = (rule in ('nobody', 'returned')))
);
create index if not exists assignment_decisions_entity_idx on public.assignment_decisions (area, entity_id, id);
create index if not exists assignment_decisions_shop_id_idx on public.assignment_decisions (shop_id, area, at);
create index if not exists assignment_decisions_member_id_idx on public.assignment_decisions (member_id, area, at) where member_id is not null;
alter table public.assignment_decisions enable row level security;
create or replace trigger t10_append_only before update or delete on public.assignment_decisions
    for each row execute function private.tg_append_only();
comment on table public.assignment_decisions is
    'Why this person, why nobody: each time work was given out, taken or returned. Append-only; an item that still finds nobody for the same reasons is not told again.';
comment on column public.assignment_decisions.rule is
    'credit: the highest of several; only: one person was eligible; nobody was; chosen by a person (source manual, claim, handover); returned to the pool.';
comment on column public.assignment_decisions.considered is
    '[{member_id, is_eligible, why (no_skill, off_duty, away, frozen, cool_off, full; null when eligible), load (open items), credit}] of the shop''s agents; empty where nobody was compared.';

drop policy if exists "members read their own capacity, leaders that of their shops" on public.assignment_members;
create policy "members read their own capacity, leaders that of their shops" on public.assignment_members
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or ((select private.my_role()) in ('manager', 'admin') and member_id in (
            select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))));
drop policy if exists "members read who got the work of their shops" on public.assignment_decisions;
create policy "members read who got the work of their shops" on public.assignment_decisions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.assignment_members, public.assignment_decisions to authenticated;

-- What areas say of themselves: a branch per area ---------------------------------------------------------------------

create or replace function private.work_load(p_area text, p_member_ids bigint[]) returns table (member_id bigint, load integer)
language plpgsql stable set search_path = '' as $$
begin
    case p_area
        when 'lead' then return query select l.member_id, l.load::integer from private.lead_load(p_member_ids) l;
        when 'ticket' then return query select l.member_id, l.load::integer from private.ticket_load(p_member_ids) l;
    end case;
end;
$$;
comment on function private.work_load(text, bigint[]) is 'Open items of an area that each of these members owns, over all shops; no row means none.';

create or replace function private.default_capacity(p_area text) returns integer
language sql immutable set search_path = '' as $$ select case p_area when 'lead' then 60 else 30 end $$;
comment on function private.default_capacity(text) is 'Open items a person is given when nobody set a figure (product decision).';

-- Who could get it ----------------------------------------------------------------------------------------------------

do $$
begin
    if to_regtype('private.assignee') is null then
        create type private.assignee as (
            member_id bigint, skills text[], is_on_duty boolean, is_away boolean, is_frozen boolean, capacity integer,
            weight numeric, load integer, credit numeric, last_decision_id bigint, why text
        );
    end if;
end;
$$;
comment on type private.assignee is 'An agent of a shop while work is given out; why: the first reason against him, null when eligible.';

create or replace function private.is_away(p_member_id bigint, p_shop_id bigint, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.rota_days d join public.shops s on s.id = p_shop_id
        where d.member_id = p_member_id and d.kind = 'leave' and d.day = (p_now at time zone s.timezone)::date)
$$;
comment on function private.is_away(bigint, bigint, timestamptz) is 'On leave today.';

create or replace function private.assignment_staff(p_area text, p_shop_id bigint, p_now timestamptz) returns setof private.assignee
language sql stable set search_path = '' as $$
    with agents as materialized (
        select m.id, m.skills from public.member_shops k join public.members m on m.id = k.member_id
        where k.shop_id = p_shop_id and m.role = 'agent' and m.state = 'active'
    ), loads as materialized (
        select l.member_id, l.load from private.work_load(p_area, array(select id from agents)) l
    )
    select a.id, a.skills, a.id in (select d.member_id from private.on_duty(p_shop_id, p_now) d),
        private.is_away(a.id, p_shop_id, p_now), coalesce(s.frozen_until > p_now, false),
        coalesce(s.capacity, private.default_capacity(p_area)), coalesce(s.weight, 1), coalesce(l.load, 0),
        coalesce(c.credit, 0), c.last_decision_id, null::text
    from agents a
    left join public.assignment_members s on s.member_id = a.id and s.area = p_area
    left join private.assignment_credits c on c.member_id = a.id and c.area = p_area and c.shop_id = p_shop_id
    left join loads l on l.member_id = a.id
    order by a.id
$$;
comment on function private.assignment_staff(text, bigint, timestamptz) is 'The agents of a shop with all that decides who gets an item.';

create or replace function private.free_places(p_area text, p_shop_id bigint, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.sum(greatest(s.capacity - s.load, 0)), 0)::integer
    from private.assignment_staff(p_area, p_shop_id, p_now) s where s.is_on_duty and not s.is_away and not s.is_frozen
$$;
comment on function private.free_places(text, bigint, timestamptz) is
    'How many items the agents on duty can still be given: an area need not look for more when it drains its pool.';

create or replace function private.judge_staff(p_staff private.assignee[], p_skill text, p_not bigint[]) returns private.assignee[]
language sql immutable set search_path = '' as $$
    with judged as (
        select s.*, case
            when p_skill is not null and p_skill <> all (s.skills) then 'no_skill'
            when s.is_away then 'away'
            when not s.is_on_duty then 'off_duty'
            when s.is_frozen then 'frozen'
            when s.member_id = any (p_not) then 'cool_off'
            when s.load >= s.capacity then 'full' end as verdict
        from pg_catalog.unnest(p_staff) s
    ), weighed as (
        select j.*, case when j.verdict is null then
            greatest(j.credit, pg_catalog.max(j.credit) over (partition by j.verdict, j.weight) - 1)
            + pg_catalog.round(j.weight / pg_catalog.sum(j.weight) over (partition by j.verdict), 9) else j.credit end as now_has
        from judged j
    )
    select pg_catalog.array_agg(row(w.member_id, w.skills, w.is_on_duty, w.is_away, w.is_frozen, w.capacity, w.weight, w.load,
        w.now_has, w.last_decision_id, w.verdict)::private.assignee order by w.member_id)
    from weighed w
$$;
comment on function private.judge_staff(private.assignee[], text, bigint[]) is
    'The staff with the reason against each for an item of a skill (null: any) that some may not have; whoever is eligible has gained his share.';

-- Deciding ------------------------------------------------------------------------------------------------------------

create or replace function private.lock_assignment(p_area text) returns void
language sql volatile set search_path = '' as $$
    select pg_catalog.pg_advisory_xact_lock(7316042, case p_area when 'lead' then 1 else 2 end)
$$;
comment on function private.lock_assignment(text) is
    'One transaction at a time gives work of an area out: people work for several shops, so their capacity is known only area by area.';

create or replace function private.write_decision(
    p_area text, p_shop_id bigint, p_entity_id bigint, p_member_id bigint, p_source text, p_staff private.assignee[], p_now timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
    v_considered jsonb := (
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', s.member_id, 'is_eligible', s.why is null,
            'why', s.why, 'load', s.load, 'credit', pg_catalog.round(s.credit, 3)) order by s.member_id), '[]')
        from pg_catalog.unnest(p_staff) s);
begin
    if p_member_id is null then
        select d.id into v_id
        from (select * from public.assignment_decisions where area = p_area and entity_id = p_entity_id order by id desc limit 1) d
        where d.rule = 'nobody' and pg_catalog.jsonb_path_query_array(d.considered, '$[*].member_id', silent => true)
                = pg_catalog.jsonb_path_query_array(v_considered, '$[*].member_id', silent => true)
          and pg_catalog.jsonb_path_query_array(d.considered, '$[*].why', silent => true)
                = pg_catalog.jsonb_path_query_array(v_considered, '$[*].why', silent => true);
    end if;
    if v_id is null then
        insert into public.assignment_decisions (at, shop_id, area, entity_id, member_id, rule, source, considered)
        values (p_now, p_shop_id, p_area, p_entity_id, p_member_id, case when p_member_id is null then 'nobody'
            when (select pg_catalog.count(*) from pg_catalog.unnest(p_staff) s where s.why is null) = 1 then 'only'
            else 'credit' end, p_source, v_considered)
        returning id into v_id;
    end if;
    return v_id;
end;
$$;
comment on function private.write_decision(text, bigint, bigint, bigint, text, private.assignee[], timestamptz) is
    'Records who got an item and who was considered; the same "nobody" for the same reasons is the decision there is already.';

create or replace function private.charge_staff(p_staff private.assignee[], p_member_id bigint, p_decision_id bigint) returns private.assignee[]
language sql immutable set search_path = '' as $$
    select pg_catalog.array_agg(case when s.member_id = p_member_id then row(s.member_id, s.skills, s.is_on_duty, s.is_away,
            s.is_frozen, s.capacity, s.weight, s.load + 1, s.credit - 1, p_decision_id, s.why)::private.assignee
        else s end order by s.member_id)
    from pg_catalog.unnest(p_staff) s
$$;
comment on function private.charge_staff(private.assignee[], bigint, bigint) is 'Who got the item pays 1, carries one more, and is the last to have been served.';

create or replace function private.keep_credits(p_area text, p_shop_id bigint, p_staff private.assignee[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into private.assignment_credits as c (shop_id, area, member_id, credit, last_decision_id, updated_at)
    select p_shop_id, p_area, s.member_id, s.credit, s.last_decision_id, p_now
    from pg_catalog.unnest(p_staff) s where s.credit <> 0 or s.last_decision_id is not null
    on conflict (shop_id, area, member_id) do update
    set credit = excluded.credit, last_decision_id = excluded.last_decision_id, updated_at = excluded.updated_at
    where c.credit <> excluded.credit or c.last_decision_id is distinct from excluded.last_decision_id
$$;
comment on function private.keep_credits(text, bigint, private.assignee[], timestamptz) is 'Credits are remembered until the next item, whenever that comes.';

create or replace function private.assign_work(p_area text, p_shop_id bigint, p_items jsonb, p_source text, p_now timestamptz)
returns table (id bigint, member_id bigint, decision_id bigint)
language plpgsql volatile set search_path = '' as $$
declare
    v_staff private.assignee[];
    v_item record;
begin
    perform private.lock_assignment(p_area);
    v_staff := array(select s from private.assignment_staff(p_area, p_shop_id, p_now) s);
    for v_item in
        select (i.value ->> 'id')::bigint as id, i.value ->> 'skill' as skill,
            array(select n::bigint from pg_catalog.jsonb_array_elements_text(coalesce(i.value -> 'not', '[]')) n) as excluded
        from pg_catalog.jsonb_array_elements(p_items) with ordinality i order by i.ordinality
    loop
        v_staff := private.judge_staff(v_staff, v_item.skill, v_item.excluded);
        id := v_item.id;
        member_id := (select s.member_id from pg_catalog.unnest(v_staff) s where s.why is null
            order by s.credit desc, s.last_decision_id nulls first, pg_catalog.random() limit 1);
        decision_id := private.write_decision(p_area, p_shop_id, id, member_id, p_source, v_staff, p_now);
        if member_id is not null then
            v_staff := private.charge_staff(v_staff, member_id, decision_id);
        end if;
        return next;
    end loop;
    perform private.keep_credits(p_area, p_shop_id, v_staff, p_now);
end;
$$;
comment on function private.assign_work(text, bigint, jsonb, text, timestamptz) is
    'Decides who gets each item [{id, skill (null: any agent), not: [member ids in cool-off]}], oldest first, and records why; member_id null: nobody could. Items and people of one shop. The caller writes the owners in the same transaction and gives open, unowned items only; the area stays locked until it commits, so that parallel calls cannot exceed a capacity. The caller locks its rows before (skip locked), or writes them without waiting for others.';

create or replace function private.note_assignment(
    p_area text, p_shop_id bigint, p_entity_id bigint, p_member_id bigint, p_source text, p_now timestamptz
) returns bigint
language sql volatile set search_path = '' as $$
    insert into public.assignment_decisions (at, shop_id, area, entity_id, member_id, rule, source)
    values (p_now, p_shop_id, p_area, p_entity_id, p_member_id,
        case when p_member_id is null then 'returned' else 'chosen' end, p_source)
    returning id
$$;
comment on function private.note_assignment(text, bigint, bigint, bigint, text, timestamptz) is
    'Records an owner that a person chose (source manual, claim, handover), or the way back to the pool (member null; recycle, manual, handover). Costs nobody credit: fairness is about what is given out.';

-- The pool is drained -------------------------------------------------------------------------------------------------

create or replace function private.drain_pool(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_count integer := 0;
begin
    if pg_catalog.pg_try_advisory_xact_lock(7316042, 1) then
        v_count := v_count + coalesce(private.drain_leads(p_now), 0);
    end if;
    if pg_catalog.pg_try_advisory_xact_lock(7316042, 2) then
        v_count := v_count + coalesce(private.drain_tickets(p_now), 0);
    end if;
    return v_count;
end;
$$;
comment on function private.drain_pool(timestamptz) is
    'What lies in the pools goes to whoever has come on duty or has room again, oldest first; answers how many items. An area that somebody is giving out at this moment has its turn in the next minute: nothing here waits.';

-- ==== 50_orders.sql ====

-- 50 ------------------------------------------------------------------------------------ imports, orders, exceptions

-- Imports -------------------------------------------------------------------------------------------------------------

create table if not exists public.imports (
    id bigint generated always as identity primary key,
    kind text not null constraint imports_kind_known check (kind in ('orders', 'products', 'shipments')),
    shop_id bigint references public.shops,
    stock_pool_id bigint references public.stock_pools,
    platform text,
    file_name text not null,
    file_hash text not null,
    is_strict boolean not null default false,
    state text not null default 'staging' constraint imports_state_known
        check (state in ('staging', 'applying', 'checking', 'done', 'refused', 'cancelled')),
    rows_total integer not null default 0,
    rows_staged integer not null default 0,
    rows_applied integer not null default 0,
    applied_to integer not null default 0,
    checked_to integer not null default 0,
    as_of timestamptz,
    accepted integer not null default 0,
    updated integer not null default 0,
    unchanged integer not null default 0,
    rejected integer not null default 0,
    exceptions jsonb,
    member_id bigint references public.members,
    actor text not null,
    started_at timestamptz not null,
    touched_at timestamptz not null,
    finished_at timestamptz,
    constraint imports_has_place check (shop_id is not null or stock_pool_id is not null),
    constraint imports_finished_has_time check ((state in ('done', 'refused', 'cancelled')) = (finished_at is not null))
);
create index if not exists imports_shop_id_idx on public.imports (shop_id, kind, id desc);
create index if not exists imports_stock_pool_id_idx on public.imports (stock_pool_id, kind, id desc);
create index if not exists imports_member_id_idx on public.imports (member_id, id desc);
create unique index if not exists imports_one_running_idx on public.imports (shop_id)
    where state in ('staging', 'applying', 'checking') and shop_id is not null;
create unique index if not exists imports_one_running_pool_idx on public.imports (stock_pool_id)
    where state in ('staging', 'applying', 'checking') and shop_id is null;
alter table public.imports enable row level security;
comment on table public.imports is '导入: one file of one shop (or stock pool). One runs at a time; until it is done nothing of the shop is released.';
comment on column public.imports.applied_to is 'Line of the file up to which rows are taken over; checked_to: up to which they are judged. Both only grow.';
comment on column public.imports.as_of is 'Newest instant in the file: how old its news are.';
comment on column public.imports.rows_total is 'Data lines of the file; accepted, updated and unchanged count entities (orders, products, parcels).';

create table if not exists public.import_errors (
    id bigint generated always as identity primary key,
    import_id bigint not null references public.imports,
    row_no integer not null,
    column_name text,
    reason text not null,
    params jsonb not null default '{}'
);
create index if not exists import_errors_import_id_idx on public.import_errors (import_id, row_no);
alter table public.import_errors enable row level security;
comment on table public.import_errors is 'Refused rows: 1-based line of the file, column, reason key. Never holds the refused value of a personal field.';

create table if not exists public.import_mappings (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    kind text not null,
    signature text not null,
    tool text not null default '',
    mapping jsonb not null,
    member_id bigint references public.members,
    updated_at timestamptz not null,
    constraint import_mappings_unique unique nulls not distinct (shop_id, kind, signature)
);
create index if not exists import_mappings_member_id_idx on public.import_mappings (member_id);
alter table public.import_mappings enable row level security;
comment on table public.import_mappings is '字段对应: which header of an unknown tool means which field, remembered per shop and header signature.';

-- Orders --------------------------------------------------------------------------------------------------------------

create table if not exists public.orders (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    order_no text not null,
    platform_status text not null,
    status text not null constraint orders_status_known
        check (status in ('unpaid', 'to_ship', 'shipped', 'completed', 'closed')),
    refund text not null default 'none' constraint orders_refund_known check (refund in ('none', 'requested', 'done')),
    placed_at timestamptz,
    paid_at timestamptz,
    shipped_at timestamptz,
    completed_at timestamptz,
    promise_ship_at timestamptz,
    amount numeric(14, 2),
    buyer_account text,
    contact_id bigint references private.contacts,
    contact_state text not null default 'ok' constraint orders_contact_state_known
        check (contact_state in ('ok', 'masked', 'absent')),
    receiver_masked text,
    phone_masked text,
    province text,
    city text,
    district text,
    ip_hash text,
    ip_masked text,
    carrier text,
    tracking_no text,
    last_scan_at timestamptz,
    last_scan_text text,
    signed_at timestamptz,
    facts_hash text not null,
    content_hash text not null,
    checked_facts_hash text,
    checked_version text,
    findings jsonb,
    is_checked boolean not null generated always as (facts_hash = coalesce(checked_facts_hash, '')) stored,
    platform_facts_hash text,
    released_at timestamptz,
    release_id bigint,
    held_at timestamptz,
    held_reason text,
    import_id bigint references public.imports,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint orders_masks_hide check (private.is_masked(receiver_masked, phone_masked)),
    constraint orders_regions_are_names check (private.is_region(province) and private.is_region(city) and private.is_region(district)),
    constraint orders_no_unique unique (shop_id, order_no),
    constraint orders_held_is_whole check ((held_at is null) = (held_reason is null)),
    constraint orders_released_is_whole check ((released_at is null) = (release_id is null))
);
create index if not exists orders_shop_placed_idx on public.orders (shop_id, placed_at desc, id desc);
create index if not exists orders_placed_idx on public.orders (placed_at desc, id desc);
create index if not exists orders_waiting_idx on public.orders (shop_id, paid_at, id) where status = 'to_ship';
drop index if exists public.orders_ready_idx; -- of an earlier version, like orders_held_idx below
create index if not exists orders_releasable_idx on public.orders (shop_id, id) include (version, checked_version)
    where status = 'to_ship' and released_at is null and held_at is null and refund = 'none' and is_checked;
create index if not exists orders_unpaid_idx on public.orders (shop_id, placed_at desc, id desc) where status = 'unpaid';
drop index if exists public.orders_held_idx;
create index if not exists orders_stopped_idx on public.orders (shop_id, id)
    where status = 'to_ship' and (held_at is not null or refund <> 'none');
create index if not exists orders_contact_id_idx on public.orders (contact_id);
create index if not exists orders_import_id_idx on public.orders (import_id);
create index if not exists orders_release_id_idx on public.orders (release_id);
create index if not exists orders_order_no_idx on public.orders (order_no);
create index if not exists orders_last_six_idx on public.orders ((pg_catalog.right(order_no, 6)));
create index if not exists orders_tracking_idx on public.orders (tracking_no) where tracking_no is not null;
create index if not exists orders_tracking_last_six_idx on public.orders ((pg_catalog.right(tracking_no, 6))) where tracking_no is not null;
create index if not exists orders_buyer_idx on public.orders (buyer_account, shop_id) where buyer_account is not null;
create index if not exists orders_ip_idx on public.orders (shop_id, ip_hash, placed_at) where ip_hash is not null;
alter table public.orders enable row level security;
create or replace trigger t10_touch before update on public.orders
    for each row execute function private.touch_version();
comment on table public.orders is '订单: facts from the platform''s export, masked. Personal values are in private.contacts; the tool adds only checks, release and scans.';
comment on column public.orders.checked_version is 'Version of the Python checks that judged checked_facts_hash; both must be current or the order is unchecked.';
comment on column public.orders.is_checked is 'The facts were judged as they are now; with checked_version current the order counts as checked.';
comment on column public.orders.platform_facts_hash is
    'Set when a person corrected the contact: facts_hash of the platform''s own version. An import with that hash keeps the correction.';
comment on column public.orders.held_at is
    '拦截: must not ship although no rule blocks it: cancelled in review (held_reason cancelled) or put on a hold list.';
comment on column public.orders.findings is 'Verdict of the Python checks: [{kind, evidence}], free of personal data.';

create table if not exists public.order_items (
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    line_no integer not null,
    sku text,
    name text not null default '',
    spec text not null default '',
    quantity integer not null constraint order_items_quantity_positive check (quantity > 0),
    unit_price numeric(14, 2),
    product_id bigint references public.products,
    primary key (order_id, line_no)
);
create index if not exists order_items_shop_id_idx on public.order_items (shop_id);
create index if not exists order_items_product_id_idx on public.order_items (product_id);
alter table public.order_items enable row level security;
comment on table public.order_items is 'What was bought. product_id null = unknown to the stock list (shown, not guessed).';

-- Exceptions ----------------------------------------------------------------------------------------------------------

create table if not exists public.exception_rules (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    kind text not null constraint exception_rules_kind_known check (kind in (
        'duplicate', 'unpaid', 'out_of_stock', 'same_ip', 'remote', 'bad_phone', 'missing_detail', 'mismatch',
        'suspicious', 'refund_stop')),
    is_active boolean not null default true,
    is_blocking boolean not null default true,
    severity text not null default 'normal' constraint exception_rules_severity_known check (severity in ('normal', 'high')),
    waived_by text not null constraint exception_rules_waived_by_known
        check (waived_by in ('reviewer', 'manager', 'warehouse', 'never')),
    params jsonb not null default '{}',
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint exception_rules_unique unique nulls not distinct (shop_id, kind)
);
alter table public.exception_rules enable row level security;
create or replace trigger t10_touch before update on public.exception_rules
    for each row execute function private.touch_version();
comment on table public.exception_rules is '异常规则: the default of a kind (shop_id null) and a shop''s own version of it.';
comment on column public.exception_rules.waived_by is
    'Who may say 确认无误: reviewer (operations, agents with the skill, managers), manager (or 当班主管), warehouse (or managers), never.';

create table if not exists public.order_reviews (
    order_id bigint primary key references public.orders,
    shop_id bigint not null references public.shops,
    state text not null constraint order_reviews_state_known check (state in ('open', 'waiting_customer', 'done')),
    owner_id bigint references public.members,
    claim_until timestamptz,
    clock_id bigint,
    due_at timestamptz,
    due_sort timestamptz not null default 'infinity',
    kinds text[] not null default '{}',
    group_key text,
    is_blocking boolean not null default true,
    is_high boolean not null default false,
    amount numeric(14, 2),
    detected_at timestamptz not null,
    done_at timestamptz,
    is_on_time boolean,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint order_reviews_claim_is_whole check ((owner_id is null) = (claim_until is null)),
    constraint order_reviews_done_has_time check ((state = 'done') = (done_at is not null))
);
create index if not exists order_reviews_queue_idx on public.order_reviews (shop_id, state, due_sort, order_id)
    include (kinds, amount, owner_id, claim_until, due_at, detected_at); -- filters of the queue are read from the index alone
create index if not exists order_reviews_undone_idx on public.order_reviews (shop_id, order_id) where state <> 'done';
create index if not exists order_reviews_found_idx on public.order_reviews (shop_id, detected_at) include (state, due_sort)
    where state <> 'done'; -- narrow: the figures of the day count in it
create index if not exists order_reviews_pool_idx on public.order_reviews (due_sort, order_id) where state = 'open' and owner_id is null;
create index if not exists order_reviews_owner_idx on public.order_reviews (owner_id, state, due_sort, order_id) where owner_id is not null;
create index if not exists order_reviews_group_idx on public.order_reviews (shop_id, group_key) where group_key is not null;
create index if not exists order_reviews_done_idx on public.order_reviews (shop_id, done_at) include (is_on_time) where state = 'done';
create index if not exists order_reviews_lease_idx on public.order_reviews (claim_until) where owner_id is not null;
create index if not exists order_reviews_clock_id_idx on public.order_reviews (clock_id);
alter table public.order_reviews enable row level security;
create or replace trigger t10_touch before update on public.order_reviews
    for each row execute function private.touch_version();
comment on table public.order_reviews is '订单异常 work row: one per order with exceptions; owner, lease, deadline. The queue reads and sorts this.';
comment on column public.order_reviews.claim_until is 'Lease of the owner: afterwards the item is in the pool again.';
comment on column public.order_reviews.due_sort is 'Open: the deadline (infinity while paused); done: when it was done. One index sorts every tab.';
comment on column public.order_reviews.is_on_time is 'Verdict of the deadline, once done; null while its calendar is missing.';

create table if not exists public.order_exceptions (
    id bigint generated always as identity primary key,
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    kind text not null,
    state text not null default 'open' constraint order_exceptions_state_known
        check (state in ('open', 'waiting_customer', 'fixed', 'waived', 'cancelled')),
    is_blocking boolean not null,
    severity text not null,
    evidence jsonb not null default '{}',
    fingerprint text not null,
    group_key text,
    detected_at timestamptz not null,
    decided_at timestamptz,
    decided_by bigint references public.members,
    decided_as text,
    reason text,
    note_cipher text constraint order_exceptions_note_is_cipher check (private.is_cipher(note_cipher)),
    same_key text not null generated always as (coalesce(case kind
        when 'duplicate' then group_key
        when 'same_ip' then group_key
        when 'remote' then evidence ->> 'province'
        when 'mismatch' then (evidence ->> 'left') || ' ≠ ' || (evidence ->> 'right')
        when 'missing_detail' then evidence ->> 'have'
        when 'bad_phone' then evidence ->> 'problem'
        when 'suspicious' then evidence ->> 'word'
        when 'out_of_stock' then coalesce(evidence ->> 'sku', evidence #>> '{items,0,sku}')
    end, '')) stored,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint order_exceptions_unique unique (order_id, kind),
    constraint order_exceptions_decided_has_time
        check ((state in ('fixed', 'waived', 'cancelled')) = (decided_at is not null)),
    constraint order_exceptions_waived_has_reason check (state <> 'waived' or reason is not null)
);
alter table public.order_exceptions add column if not exists holds_until timestamptz;
create index if not exists order_exceptions_ending_idx on public.order_exceptions (holds_until)
    where state in ('waived', 'waiting_customer') and holds_until is not null;
create index if not exists order_exceptions_open_idx on public.order_exceptions (shop_id, kind, same_key)
    include (state, is_blocking, order_id)
    where state in ('open', 'waiting_customer');
create index if not exists order_exceptions_group_idx on public.order_exceptions (shop_id, group_key) where group_key is not null;
create index if not exists order_exceptions_decided_by_idx on public.order_exceptions (decided_by, decided_at);
alter table public.order_exceptions enable row level security;
create or replace trigger t10_touch before update on public.order_exceptions
    for each row execute function private.touch_version();
comment on table public.order_exceptions is '异常: one row per order and kind, with its evidence in jsonb free of personal data. "Open" = open or waiting_customer.';
comment on column public.order_exceptions.fingerprint is 'Hash of the facts that raised it: a waiver holds for exactly these; other facts open it again.';
comment on column public.order_exceptions.holds_until is
    'waived: the waiver ends then and the exception opens again (null: it holds for its facts, without an end). waiting_customer: nobody waits longer, the deadline runs on. Means nothing in other states.';
comment on column public.order_exceptions.same_key is 'What makes two exceptions of a kind the same decision: the province, the contradicting names, the word, the SKU.';
comment on column public.order_exceptions.decided_as is 'system when newer facts cleared it, else the role of the person.';
comment on column public.order_exceptions.note_cipher is 'A person''s free text, encrypted like every text that may name a customer (AAD order_exceptions|note|order id).';

-- Releases ------------------------------------------------------------------------------------------------------------

create table if not exists public.releases (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    kind text not null constraint releases_kind_known check (kind in ('release', 'hold')),
    order_count integer not null,
    member_id bigint references public.members,
    created_at timestamptz not null,
    downloaded_at timestamptz,
    downloaded_by bigint references public.members,
    undone_at timestamptz
);
create index if not exists releases_shop_id_idx on public.releases (shop_id, id desc);
create index if not exists releases_member_id_idx on public.releases (member_id);
create index if not exists releases_downloaded_by_idx on public.releases (downloaded_by);
alter table public.releases enable row level security;
comment on table public.releases is '放行单 / 拦截单: lists for the ERP. Until downloaded a release can be undone; afterwards 追加拦截 makes a hold list.';

create table if not exists public.release_orders (
    release_id bigint not null references public.releases,
    order_id bigint not null references public.orders,
    primary key (release_id, order_id)
);
create index if not exists release_orders_order_id_idx on public.release_orders (order_id);
alter table public.release_orders enable row level security;
comment on table public.release_orders is 'Orders of a release or hold list.';

create table if not exists public.hold_breaches (
    id bigint generated always as identity primary key,
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    kinds text[] not null,
    shipped_at timestamptz,
    found_at timestamptz not null,
    import_id bigint references public.imports,
    constraint hold_breaches_once unique (order_id)
);
create index if not exists hold_breaches_shop_id_idx on public.hold_breaches (shop_id, found_at desc);
create index if not exists hold_breaches_import_id_idx on public.hold_breaches (import_id);
alter table public.hold_breaches enable row level security;
comment on table public.hold_breaches is '拦截失效: an order that a later file shows as shipped while a blocking exception was open.';

-- Undo and saved views ------------------------------------------------------------------------------------------------

create table if not exists public.action_batches (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    action text not null,
    item_count integer not null,
    items jsonb not null,
    created_at timestamptz not null,
    undone_at timestamptz
);
create index if not exists action_batches_member_id_idx on public.action_batches (member_id, id desc);
alter table public.action_batches enable row level security;
comment on table public.action_batches is 'What a person can undo for ten minutes: ids, versions after the action, and the state before it.';

create table if not exists public.saved_views (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    area text not null,
    name text not null constraint saved_views_name_length check (char_length(name) between 1 and 40),
    params jsonb not null,
    is_shared boolean not null default false,
    updated_at timestamptz not null default now(),
    constraint saved_views_unique unique (member_id, area, name)
);
alter table public.saved_views enable row level security;
comment on table public.saved_views is '保存的视图: the filters of a queue under a name, own or shared with colleagues of the installation.';

-- Who reads what ------------------------------------------------------------------------------------------------------

drop policy if exists "members read the orders of their shops" on public.orders;
create policy "members read the orders of their shops" on public.orders
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select (id, shop_id, order_no, platform_status, status, refund, placed_at, paid_at, shipped_at, completed_at,
              promise_ship_at, amount, buyer_account, contact_state, receiver_masked, phone_masked, province, city,
              district, ip_masked, carrier, tracking_no, last_scan_at, last_scan_text, signed_at, checked_version, findings,
              is_checked, released_at, release_id, held_at, held_reason, import_id, version, updated_at, created_at) on public.orders to authenticated;

drop policy if exists "members read the items of their shops' orders" on public.order_items;
create policy "members read the items of their shops' orders" on public.order_items
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_items to authenticated;

drop policy if exists "members read the reviews of their shops" on public.order_reviews;
create policy "members read the reviews of their shops" on public.order_reviews
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_reviews to authenticated;

drop policy if exists "members read the exceptions of their shops" on public.order_exceptions;
create policy "members read the exceptions of their shops" on public.order_exceptions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_exceptions to authenticated;

drop policy if exists "members read the default rules and those of their shops" on public.exception_rules;
create policy "members read the default rules and those of their shops" on public.exception_rules
    for select to authenticated using (
        (select private.my_role()) is not null
        and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.exception_rules to authenticated;

drop policy if exists "members read the release lists of their shops" on public.releases;
create policy "members read the release lists of their shops" on public.releases
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.releases to authenticated;
drop policy if exists "members read the orders of release lists they see" on public.release_orders;
create policy "members read the orders of release lists they see" on public.release_orders
    for select to authenticated using (
        exists (select from public.releases r where r.id = release_id and r.shop_id in (select private.my_shop_ids())));
grant select on public.release_orders to authenticated;

drop policy if exists "members read the hold breaches of their shops" on public.hold_breaches;
create policy "members read the hold breaches of their shops" on public.hold_breaches
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.hold_breaches to authenticated;

drop policy if exists "members read their own undo batches" on public.action_batches;
create policy "members read their own undo batches" on public.action_batches
    for select to authenticated using (member_id = (select private.my_member_id()));
grant select on public.action_batches to authenticated;

drop policy if exists "members read their own and shared views" on public.saved_views;
create policy "members read their own and shared views" on public.saved_views
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or (is_shared and (select private.my_role()) is not null));
grant select on public.saved_views to authenticated;

drop policy if exists "members read imports they made, leaders those of their shops" on public.imports;
create policy "members read imports they made, leaders those of their shops" on public.imports
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or ((select private.my_role()) in ('operations', 'manager', 'admin')
            and (shop_id is null or shop_id in (select private.my_shop_ids()))));
grant select on public.imports to authenticated;

drop policy if exists "members read the errors of imports they see" on public.import_errors;
create policy "members read the errors of imports they see" on public.import_errors
    for select to authenticated using (import_id in (select i.id from public.imports i));
grant select on public.import_errors to authenticated;

drop policy if exists "importers read the column mappings" on public.import_mappings;
create policy "importers read the column mappings" on public.import_mappings
    for select to authenticated using (
        (select private.my_role()) in ('operations', 'manager', 'admin', 'warehouse', 'analyst', 'agent')
        and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.import_mappings to authenticated;

-- ==== 51_imports.sql ====

-- 51 ---------------------------------------------------------------------------------------- imports: begun and staged
--
-- A file becomes import_rows (staging), then orders, products or parcels (applying), then exceptions (checking). Every
-- step takes a chunk, is safe to repeat, and continues where it stopped. Each statement below works on a whole chunk.

create table if not exists private.import_rows (
    import_id bigint not null references public.imports,
    row_no integer not null,
    chunk_no integer not null,
    key text not null,
    payload jsonb not null,
    primary key (import_id, row_no),
    constraint import_rows_key_unique unique (import_id, key)
);
alter table private.import_rows enable row level security;
comment on table private.import_rows is 'Staged records (personal values already encrypted) until the import ends; then they are dropped.';
comment on column private.import_rows.key is 'Order number, SKU or parcel: one staged row each, however often a client sends it.';

create table if not exists private.import_verdicts (
    import_id bigint not null references public.imports,
    row_no integer not null,
    facts_hash text not null,
    findings jsonb not null,
    version text not null,
    primary key (import_id, row_no)
);
alter table private.import_verdicts enable row level security;
comment on table private.import_verdicts is 'What the Python checks found in a staged row; only the service key writes it.';

create table if not exists private.import_results (
    import_id bigint not null references public.imports,
    row_no integer not null,
    entity_id bigint not null,
    outcome text not null constraint import_results_outcome_known check (outcome in ('accepted', 'updated', 'unchanged')),
    primary key (import_id, row_no)
);
alter table private.import_results enable row level security;
comment on table private.import_results is 'Which order or product a staged row became, and whether that was new, changed or nothing.';

-- Who, where, in which state ------------------------------------------------------------------------------------------

create or replace function private.import_roles(p_kind text) returns text[]
language sql immutable set search_path = '' as $$
    select case when p_kind = 'orders' then array['operations', 'manager', 'admin']
        else array['operations', 'manager', 'admin', 'warehouse'] end
$$;
comment on function private.import_roles(text) is 'Orders: operations, manager, admin; products and parcels the warehouse too.';

create or replace function private.import_place(p_me private.actor, p_kind text, p_shop_id bigint, out shop_id bigint, out pool_id bigint)
language plpgsql volatile set search_path = '' as $$
begin
    if p_kind is null or p_kind not in ('orders', 'products', 'shipments') then
        perform private.fail('PT422', 'import.kind_unknown');
    end if;
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
        select s.stock_pool_id into pool_id from public.shops s where s.id = p_shop_id;
    elsif p_kind = 'orders' then
        perform private.fail('PT422', 'import.shop_missing');
    else
        insert into public.stock_pools (name, is_default) select '默认库存', true
        where not exists (select from public.stock_pools where is_default) on conflict do nothing;
        select p.id into pool_id from public.stock_pools p where p.is_default;
    end if;
    shop_id := case when p_kind = 'products' then null else p_shop_id end;
end;
$$;
comment on function private.import_place(private.actor, text, bigint) is
    'Where a file belongs: orders to a shop, products to a stock pool, parcels to either (no shop: all shops of the pool).';

create or replace function private.import_of(p_me private.actor, p_id bigint, p_states text[]) returns public.imports
language plpgsql volatile set search_path = '' as $$
declare
    v_import public.imports;
begin
    select * into v_import from public.imports where id = p_id for update;
    if not found or ((p_me).role <> 'system' and v_import.member_id is distinct from (p_me).member_id) then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.state <> all (p_states) then
        perform private.fail('PT409', 'import.state', jsonb_build_object('state', v_import.state, 'file', v_import.file_name));
    end if;
    update public.imports set touched_at = private.now() where id = p_id;
    return v_import;
end;
$$;
comment on function private.import_of(private.actor, bigint, text[]) is
    'Locks an import of the actor (any for the service) in one of the states and marks it as alive. import.none, import.state.';

create or replace function private.import_report(p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', i.id, 'kind', i.kind, 'shop_id', i.shop_id, 'state', i.state, 'rows', i.rows_total,
        'staged', i.rows_staged, 'applied', i.rows_applied, 'accepted', i.accepted, 'updated', i.updated,
        'unchanged', i.unchanged, 'rejected', i.rejected, 'exceptions', coalesce(i.exceptions, '{}'))
    from public.imports i where i.id = p_id
$$;

create or replace function private.end_import(p_import public.imports, p_state text, p_me private.actor) returns void
language plpgsql set search_path = '' as $$
begin
    if p_state = 'cancelled' then
        update public.orders o set checked_facts_hash = null from private.import_results r
        where r.import_id = p_import.id and r.outcome <> 'unchanged' and o.id = r.entity_id and p_import.kind = 'orders';
        if found then
            perform private.enqueue('evaluate_shop', jsonb_build_object('shop_id', p_import.shop_id),
                'evaluate:' || p_import.shop_id, private.now());
            perform private.queue_recheck(p_import.shop_id, private.now());
        end if;
    end if;
    update public.imports set state = p_state, finished_at = private.now(), touched_at = private.now() where id = p_import.id;
    delete from private.import_rows where import_id = p_import.id;
    delete from private.import_verdicts where import_id = p_import.id;
    delete from private.import_results where import_id = p_import.id;
    perform private.audit(p_me, p_import.shop_id, 'import', p_import.id, p_state, private.import_report(p_import.id) - 'id');
end;
$$;
comment on function private.end_import(public.imports, text, private.actor) is
    'Last step of every import: staged rows are dropped. What a cancelled one had applied but not judged becomes unchecked.';

-- Beginning: one at a time, and never stuck on a browser that was closed ----------------------------------------------

create or replace function private.clear_running(
    p_me private.actor, p_shop_id bigint, p_pool_id bigint, p_kind text, p_file_hash text, p_is_strict boolean
) returns public.imports
language plpgsql set search_path = '' as $$
declare
    v_running public.imports;
    v_abandoned boolean;
begin
    select * into v_running from public.imports i
    where i.state in ('staging', 'applying', 'checking')
      and (i.shop_id = p_shop_id or (p_shop_id is null and i.shop_id is null and i.stock_pool_id = p_pool_id))
    for update;
    if not found then
        return null;
    end if;
    v_abandoned := v_running.touched_at < private.now() - interval '2 minutes';
    if v_running.file_hash = p_file_hash and v_running.kind = p_kind and v_running.is_strict = p_is_strict
        and (v_abandoned or v_running.member_id is not distinct from (p_me).member_id) then
        update public.imports set touched_at = private.now(), member_id = (p_me).member_id where id = v_running.id;
        return v_running;
    end if;
    if not v_abandoned then
        perform private.fail('PT409', 'import.busy', jsonb_build_object('file', v_running.file_name, 'at', v_running.started_at,
            'who', coalesce((select m.display_name from public.members m where m.id = v_running.member_id), v_running.actor)));
    end if;
    perform private.end_import(v_running, 'cancelled', p_me);
    return null;
end;
$$;
comment on function private.clear_running(private.actor, bigint, bigint, text, text, boolean) is
    'The unfinished import to go on with (same file, same person or abandoned for 2 minutes); cancels another abandoned one; import.busy.';

create or replace function private.import_progress(p_import_id bigint, p_resumed boolean) returns jsonb
language sql stable set search_path = '' as $$
    select private.import_report(p_import_id) || jsonb_build_object('resumed', p_resumed, 'chunks', coalesce(
        (select jsonb_agg(distinct r.chunk_no) from private.import_rows r where r.import_id = p_import_id), '[]'))
$$;

create or replace function public.import_begin(
    p_kind text, p_shop_id bigint, p_platform text, p_file_name text, p_file_hash text, p_is_strict boolean,
    p_rows_total integer, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_answer jsonb := private.begin_request(p_request_id, 'import_begin',
        jsonb_build_array(p_kind, p_shop_id, p_platform, p_file_name, p_file_hash, p_is_strict, p_rows_total));
    v_place record := private.import_place(v_me, p_kind, p_shop_id);
    v_running public.imports;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_running := private.clear_running(v_me, v_place.shop_id, v_place.pool_id, p_kind, p_file_hash, coalesce(p_is_strict, false));
    if v_running.id is not null then
        return private.finish_request(p_request_id, private.import_progress(v_running.id, true));
    end if;
    insert into public.imports (kind, shop_id, stock_pool_id, platform, file_name, file_hash, is_strict, rows_total,
        member_id, actor, started_at, touched_at)
    values (p_kind, v_place.shop_id, v_place.pool_id, p_platform, left(coalesce(p_file_name, ''), 200), coalesce(p_file_hash, ''),
        coalesce(p_is_strict, false), coalesce(p_rows_total, 0), v_me.member_id, v_me.role, private.now(), private.now())
    returning id into v_id;
    perform private.enqueue('finish_import', jsonb_build_object('import_id', v_id), 'finish_import:' || v_id,
        private.now() + interval '5 minutes');
    perform private.audit(v_me, v_place.shop_id, 'import', v_id, 'begun',
        jsonb_build_object('kind', p_kind, 'file', p_file_name, 'rows', p_rows_total));
    return private.finish_request(p_request_id, private.import_progress(v_id, false));
exception when unique_violation then
    perform private.fail('PT409', 'import.busy', jsonb_build_object('file', p_file_name));
end;
$$;
grant execute on function public.import_begin(text, bigint, text, text, text, boolean, integer, uuid) to authenticated, service_role;
comment on function public.import_begin(text, bigint, text, text, text, boolean, integer, uuid) is
    'Opens the import of one file, or goes on with it: answers the chunks already staged. import.busy, import.kind_unknown, import.shop_missing, shop.none.';

-- Staging -------------------------------------------------------------------------------------------------------------

create or replace function private.check_staged(p_kind text, p_rows jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if jsonb_typeof(p_rows) is distinct from 'array' or jsonb_array_length(p_rows) not between 1 and 5000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 5000}');
    end if;
    if exists (select from jsonb_array_elements(p_rows) r where private.staged_key(p_kind, r) is null or (r ->> 'row') is null) then
        perform private.fail('PT422', 'import.bad_row');
    end if;
    if exists (select from jsonb_array_elements(p_rows) r cross join lateral (select r -> 'contact') n (c),
            unnest(array[c ->> 'name', c ->> 'phone', c ->> 'address', c ->> 'note']) f
            where f is not null and not private.is_cipher(f))
        or exists (select from jsonb_array_elements(p_rows) r
            where not private.is_masked(r #>> '{contact,name_masked}', r #>> '{contact,phone_masked}'))
        or exists (select from (select distinct unnest(array[r ->> 'province', r ->> 'city', r ->> 'district']) as name
            from jsonb_array_elements(p_rows) r) n where not private.is_region(n.name)) then
        perform private.fail('PT422', 'import.clear_text');
    end if;
end;
$$;
comment on function private.check_staged(text, jsonb) is 'bulk.too_many, import.bad_row, import.clear_text: personal values must come encrypted.';

create or replace function private.staged_key(p_kind text, p_row jsonb) returns text
language sql immutable set search_path = '' as $$
    select nullif(case p_kind when 'orders' then p_row ->> 'order_no' when 'products' then p_row ->> 'sku'
        else coalesce(p_row ->> 'order_no', '') || '|' || (p_row ->> 'tracking_no') end, '')
$$;

create or replace function public.import_stage(p_import_id bigint, p_chunk_no integer, p_rows jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_rows jsonb := private.as_json(p_rows);
    v_new integer;
begin
    perform private.check_staged(v_import.kind, v_rows);
    insert into private.import_rows (import_id, row_no, chunk_no, key, payload)
    select p_import_id, (r ->> 'row')::integer, p_chunk_no, private.staged_key(v_import.kind, r), r
    from jsonb_array_elements(v_rows) r
    on conflict do nothing;
    get diagnostics v_new = row_count;
    update public.imports set rows_staged = rows_staged + v_new where id = p_import_id;
    return jsonb_build_object('staged', v_import.rows_staged + v_new);
exception when not_null_violation or data_exception then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_stage(bigint, integer, jsonb) to authenticated, service_role;
comment on function public.import_stage(bigint, integer, jsonb) is
    'Adds up to 5,000 records to an import; the same row twice counts once. import.none, import.state, import.bad_row, import.clear_text.';

create or replace function public.import_known(p_import_id bigint, p_items jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
begin
    return (select coalesce(jsonb_agg(o.order_no), '[]')
        from jsonb_array_elements(private.as_json(p_items)) i
        join public.orders o on o.shop_id = v_import.shop_id and o.order_no = i ->> 0 and o.content_hash = i ->> 1
            and (o.status <> 'to_ship' or (o.is_checked and o.checked_version = (select private.current_check_version()))));
end;
$$;
grant execute on function public.import_known(bigint, jsonb) to authenticated, service_role;
comment on function public.import_known(bigint, jsonb) is
    'Which of [[order_no, content_hash]] the shop of this import already has exactly so, with a current verdict; they are staged without contact. import.none, import.state.';

create or replace function public.import_reject(p_import_id bigint, p_errors jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_errors jsonb := private.as_json(p_errors);
begin
    insert into public.import_errors (import_id, row_no, column_name, reason, params)
    select p_import_id, (e ->> 'row')::integer, e ->> 'column', e ->> 'reason', coalesce(e -> 'params', '{}')
    from jsonb_array_elements(v_errors) e
    where not exists (select from public.import_errors x where x.import_id = p_import_id and x.row_no = (e ->> 'row')::integer
        and x.reason = e ->> 'reason' and x.column_name is not distinct from e ->> 'column');
    update public.imports set rejected =
        (select count(distinct x.row_no) from public.import_errors x where x.import_id = p_import_id)
    where id = p_import_id;
    return private.import_report(v_import.id);
exception when not_null_violation or data_exception then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_reject(bigint, jsonb) to authenticated, service_role;
comment on function public.import_reject(bigint, jsonb) is
    'Notes refused lines [{row, column, reason, params}], each once; reasons are keys and never hold a personal value.';

create or replace function public.service_import_verdicts(p_import_id bigint, p_verdicts jsonb, p_rules_version text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging']);
    v_count integer;
begin
    insert into private.import_verdicts (import_id, row_no, facts_hash, findings, version)
    select v_import.id, (v ->> 'row')::integer, v ->> 'facts_hash', coalesce(v -> 'findings', '[]'), p_rules_version
    from jsonb_array_elements(private.as_json(p_verdicts)) v
    on conflict (import_id, row_no) do update
    set facts_hash = excluded.facts_hash, findings = excluded.findings, version = excluded.version;
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.service_import_verdicts(bigint, jsonb, text) to service_role;
comment on function public.service_import_verdicts(bigint, jsonb, text) is
    'Service: what the Python checks found in rows [{row, facts_hash, findings}]; sent before the rows are staged, so that a staged chunk is a judged chunk.';

create or replace function private.unknown_parcels(p_import_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('unknown', coalesce(jsonb_agg(jsonb_build_object('row', e.row_no, 'params', e.params) order by e.row_no), '[]'))
    from public.import_errors e where e.import_id = p_import_id and e.reason = 'import.parcel_unknown'
$$;

create or replace function public.import_ready(p_import_id bigint, p_records integer, p_as_of timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['staging', 'applying', 'checking']);
begin
    if v_import.state <> 'staging' then
        return private.import_report(p_import_id) || private.unknown_parcels(p_import_id);
    end if;
    if v_import.rows_staged <> coalesce(p_records, -1) then
        perform private.fail('PT409', 'import.incomplete', jsonb_build_object('staged', v_import.rows_staged, 'records', p_records));
    end if;
    if v_import.kind = 'shipments' then
        perform private.reject_unknown_parcels(v_import, v_me);
    end if;
    select * into v_import from public.imports where id = p_import_id;
    if v_import.is_strict and v_import.rejected > 0 then
        perform private.end_import(v_import, 'refused', v_me);
    else
        update public.imports set state = 'applying', as_of = p_as_of where id = p_import_id;
        perform private.refresh_statistics(v_import, 'staged');
    end if;
    return private.import_report(p_import_id) || private.unknown_parcels(p_import_id);
end;
$$;
grant execute on function public.import_ready(bigint, integer, timestamptz) to authenticated, service_role;
comment on function public.import_ready(bigint, integer, timestamptz) is
    'All p_records rows are staged: state applying, or refused when strict and a line was rejected. p_as_of = newest time in the file. Parcels without an order come back as unknown [{row, params}]. import.incomplete.';

-- ==== 51_imports_apply.sql ====

-- 51 --------------------------------------------------------------------------------------- imports: applied in chunks
--
-- A chunk of staged rows becomes orders, products or parcels; what did not change is left alone.

-- Applying orders -----------------------------------------------------------------------------------------------------

create or replace function private.staged_orders(p_import_id bigint, p_after integer, p_to integer) returns table (
    row_no integer, entity_id bigint, outcome text, order_no text, platform_status text, status text, refund text,
    placed_at timestamptz, paid_at timestamptz, shipped_at timestamptz, completed_at timestamptz, promise_ship_at timestamptz,
    amount numeric, buyer_account text, province text, city text, district text, ip_hash text, ip_masked text, carrier text,
    tracking_no text, facts_hash text, content_hash text, contact jsonb, items jsonb, findings jsonb, checked_version text
)
language sql stable rows 2000 set search_path = '' as $$
    select r.row_no, e.entity_id, e.outcome, p.order_no, p.platform_status, p.status, p.refund, p.placed_at, p.paid_at,
        p.shipped_at, p.completed_at, p.promise_ship_at, p.amount, p.buyer_account, p.province, p.city, p.district,
        p.ip_hash, p.ip_masked, p.carrier, p.tracking_no, p.facts_hash, p.content_hash, p.contact, p.items, v.findings, v.version
    from private.import_rows r
    join private.import_results e on e.import_id = r.import_id and e.row_no = r.row_no and e.outcome <> 'unchanged'
    left join private.import_verdicts v on v.import_id = r.import_id and v.row_no = r.row_no
        and v.facts_hash = r.payload ->> 'facts_hash'
    cross join lateral jsonb_to_record(r.payload) as p(order_no text, platform_status text, status text, refund text,
        placed_at timestamptz, paid_at timestamptz, shipped_at timestamptz, completed_at timestamptz,
        promise_ship_at timestamptz, amount numeric, buyer_account text, province text, city text, district text,
        ip_hash text, ip_masked text, carrier text, tracking_no text, facts_hash text, content_hash text, contact jsonb, items jsonb)
    where r.import_id = p_import_id and r.row_no > p_after and r.row_no <= p_to
$$;
comment on function private.staged_orders(bigint, integer, integer) is 'The rows of a chunk that change something, typed, with the verdict that belongs to their facts.';

create or replace function private.is_older(
    p_status text, p_refund text, p_as_of timestamptz, p_had_status text, p_had_refund text, p_had_as_of timestamptz
) returns boolean
language sql immutable set search_path = '' as $$
    select case array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_status)
            - array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_had_status)
        when 0 then array_position(array['none', 'requested', 'done'], p_refund)
            < array_position(array['none', 'requested', 'done'], p_had_refund) and coalesce(p_as_of < p_had_as_of, false)
        else array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_status)
            < array_position(array['unpaid', 'to_ship', 'shipped', 'completed', 'closed'], p_had_status) end
$$;
comment on function private.is_older(text, text, timestamptz, text, text, timestamptz) is
    'Whether a row tells an earlier state than the one we have: an order never goes back (unpaid, to_ship, shipped, completed, closed); at the same status a refund is only withdrawn by a file that is not older.';

create or replace function private.judge_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select p_import.id, r.row_no, coalesce(o.id, nextval('public.orders_id_seq')),
        case when o.id is null then 'accepted'
            when o.content_hash = r.payload ->> 'content_hash' then 'unchanged'
            when private.is_older(r.payload ->> 'status', r.payload ->> 'refund', p_import.as_of, o.status, o.refund, f.as_of)
                then 'unchanged'
            else 'updated' end
    from private.import_rows r
    left join public.orders o on o.shop_id = p_import.shop_id and o.order_no = r.payload ->> 'order_no'
    left join public.imports f on f.id = o.import_id
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
$$;

create or replace function private.keeps_contact(p_order public.orders, p_facts_hash text, p_contact_state text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce((p_order).platform_facts_hash = p_facts_hash, false)
        or ((p_order).contact_state = 'ok' and p_contact_state <> 'ok')
$$;
comment on function private.keeps_contact(public.orders, text, text) is
    'A person''s correction of what the file still says stays, and so does a full contact when a later file is masked.';

create or replace function private.insert_contacts(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into private.contacts (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher, name_hash, phone_hash, phone_last4_hash)
    select (s.contact ->> 'id')::bigint, 'order', s.contact ->> 'name', s.contact ->> 'phone', s.contact ->> 'address',
        s.contact ->> 'note', s.contact ->> 'name_hash', s.contact ->> 'phone_hash', s.contact ->> 'phone_last4_hash'
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    left join public.orders o on s.outcome = 'updated' and o.id = s.entity_id
    where s.contact ->> 'id' is not null
      and (o.id is null or not private.keeps_contact(o, s.facts_hash, s.contact ->> 'state'))
$$;

create or replace function private.insert_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into public.orders (id, shop_id, order_no, platform_status, status, refund, placed_at, paid_at, shipped_at,
        completed_at, promise_ship_at, amount, buyer_account, contact_id, contact_state, receiver_masked, phone_masked,
        province, city, district, ip_hash, ip_masked, carrier, tracking_no, facts_hash, content_hash, findings,
        checked_facts_hash, checked_version, import_id)
    overriding system value
    select s.entity_id, p_import.shop_id, s.order_no, s.platform_status, s.status, coalesce(s.refund, 'none'), s.placed_at,
        s.paid_at, s.shipped_at, s.completed_at, s.promise_ship_at, s.amount, s.buyer_account, (s.contact ->> 'id')::bigint,
        coalesce(s.contact ->> 'state', 'absent'), s.contact ->> 'name_masked', s.contact ->> 'phone_masked', s.province,
        s.city, s.district, s.ip_hash, s.ip_masked, s.carrier, s.tracking_no, s.facts_hash, s.content_hash, s.findings,
        case when s.checked_version is not null then s.facts_hash end, s.checked_version, p_import.id
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s where s.outcome = 'accepted'
$$;

create or replace function private.update_orders(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    update public.orders o set
        platform_status = s.platform_status, status = s.status, refund = coalesce(s.refund, 'none'),
        placed_at = coalesce(s.placed_at, o.placed_at), paid_at = coalesce(s.paid_at, o.paid_at),
        shipped_at = coalesce(s.shipped_at, o.shipped_at), completed_at = coalesce(s.completed_at, o.completed_at),
        promise_ship_at = coalesce(s.promise_ship_at, o.promise_ship_at), amount = s.amount,
        buyer_account = coalesce(s.buyer_account, o.buyer_account), carrier = coalesce(s.carrier, o.carrier),
        tracking_no = coalesce(s.tracking_no, o.tracking_no), ip_hash = coalesce(s.ip_hash, o.ip_hash),
        ip_masked = coalesce(s.ip_masked, o.ip_masked), content_hash = s.content_hash, import_id = p_import.id,
        (contact_id, contact_state, receiver_masked, phone_masked, province, city, district, facts_hash, findings,
         checked_facts_hash, checked_version, platform_facts_hash) = (
            select o.contact_id, o.contact_state, o.receiver_masked, o.phone_masked, o.province, o.city, o.district,
                o.facts_hash, o.findings, o.checked_facts_hash, o.checked_version, o.platform_facts_hash
            where private.keeps_contact(o, s.facts_hash, s.contact ->> 'state')
            union all
            select (s.contact ->> 'id')::bigint, coalesce(s.contact ->> 'state', 'absent'), s.contact ->> 'name_masked',
                s.contact ->> 'phone_masked', s.province, s.city, s.district, s.facts_hash, s.findings,
                case when s.checked_version is not null then s.facts_hash end, s.checked_version, null
            where not private.keeps_contact(o, s.facts_hash, s.contact ->> 'state'))
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    where s.outcome = 'updated' and o.id = s.entity_id
$$;

-- Products by code, else by their exact name --------------------------------------------------------------------------

create or replace function private.product_labels(p_pool_id bigint) returns table (label text, spec text, product_id bigint)
language sql stable rows 1000 set search_path = '' as $$
    select l.label, l.spec, min(l.id) from (
        select p.name as label, p.spec, p.id from public.products p where p.stock_pool_id = p_pool_id
        union select p.name, '', p.id from public.products p where p.stock_pool_id = p_pool_id
        union select p.name || ' ' || p.spec, '', p.id from public.products p where p.stock_pool_id = p_pool_id and p.spec <> ''
    ) l group by l.label, l.spec having count(*) = 1
$$;
comment on function private.product_labels(bigint) is
    'Names that mean exactly one product of the pool: name and spec, name alone, or both in one text. What two products share means neither.';

create or replace function private.insert_items(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    insert into public.order_items (order_id, shop_id, line_no, sku, name, spec, quantity, unit_price, product_id)
    select s.entity_id, p_import.shop_id, i.line_no, nullif(i.sku, ''), coalesce(i.name, ''), coalesce(i.spec, ''),
        i.quantity, i.unit_price, coalesce(p.id, l.product_id)
    from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
    cross join lateral jsonb_to_recordset(s.items) as i(line_no integer, sku text, name text, spec text, quantity integer, unit_price numeric)
    left join public.products p on p.stock_pool_id = p_import.stock_pool_id and p.sku = nullif(i.sku, '')
    left join private.product_labels(p_import.stock_pool_id) l
        on nullif(i.sku, '') is null and l.label = i.name and l.spec = coalesce(i.spec, '')
$$;

create or replace function private.resolve_items(p_pool_id bigint) returns void
language sql set search_path = '' as $$
    update public.order_items i set product_id = n.product_id
    from (select w.order_id, w.line_no, coalesce(p.id, l.product_id) as product_id
        from public.orders o join public.order_items w on w.order_id = o.id
        left join public.products p on p.stock_pool_id = p_pool_id and p.sku = w.sku
        left join private.product_labels(p_pool_id) l on w.sku is null and l.label = w.name and l.spec = w.spec
        where o.status in ('unpaid', 'to_ship') and o.shop_id in (select s.id from public.shops s where s.stock_pool_id = p_pool_id)) n
    where n.order_id = i.order_id and n.line_no = i.line_no and i.product_id is distinct from n.product_id
$$;
comment on function private.resolve_items(bigint) is 'After a stock file: which product each waiting order line means now.';

create or replace function private.apply_orders(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_updated bigint[];
    v_shipped bigint[];
    v_contacts bigint[];
begin
    perform private.judge_orders(p_import, p_to);
    perform private.renew_hashes(p_import, p_to);
    v_updated := array(select r.entity_id from private.import_results r
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to and r.outcome = 'updated');
    if cardinality(v_updated) > 0 then
        select array_agg(o.id) filter (where o.status = 'to_ship' and s.status in ('shipped', 'completed')),
               array_agg(o.contact_id) filter (where o.contact_id is not null)
        into v_shipped, v_contacts
        from private.staged_orders(p_import.id, p_import.applied_to, p_to) s
        join public.orders o on o.id = s.entity_id where s.outcome = 'updated';
    end if;
    perform private.insert_contacts(p_import, p_to);
    perform private.insert_orders(p_import, p_to);
    if cardinality(v_updated) > 0 then
        perform private.update_orders(p_import, p_to);
        delete from public.order_items i where i.order_id = any (v_updated);
    end if;
    perform private.insert_items(p_import, p_to);
    if v_shipped is not null then
        perform private.note_shipped(v_shipped, p_import.id, p_now);
    end if;
    delete from private.contacts c where c.id = any (v_contacts)
      and not exists (select from public.orders o where o.contact_id = c.id);
end;
$$;
comment on function private.apply_orders(public.imports, integer, timestamptz) is
    'One chunk of orders: contacts, orders, items; replaced contacts are forgotten; what shipped in spite of a hold is noted.';

-- Applying products and parcels ---------------------------------------------------------------------------------------

create or replace function private.apply_products(p_import public.imports, p_to integer, p_now timestamptz) returns void
language sql set search_path = '' as $$
    with incoming as (
        select r.row_no, n.sku, nullif(n.name, '') as name, n.spec, n.available, n.safety_stock
        from private.import_rows r
        cross join lateral jsonb_to_record(r.payload) as n(sku text, name text, spec text, available integer, safety_stock integer)
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
    ), judged as (
        select i.*, p.id as had, (p.name, p.spec, p.available, p.safety_stock) is distinct from
            (coalesce(i.name, p.name), coalesce(i.spec, p.spec), coalesce(i.available, p.available),
             coalesce(i.safety_stock, p.safety_stock)) as is_changed
        from incoming i left join public.products p on p.stock_pool_id = p_import.stock_pool_id and p.sku = i.sku
    ), written as (
        insert into public.products as p (stock_pool_id, sku, name, spec, available, safety_stock, stock_at, import_id, updated_at)
        select p_import.stock_pool_id, j.sku, coalesce(j.name, j.sku), coalesce(j.spec, ''), j.available,
            coalesce(j.safety_stock, 50), case when j.available is not null then p_now end, p_import.id, p_now from judged j
        on conflict (stock_pool_id, sku) do update set
            (name, spec, available, safety_stock, stock_at, import_id, updated_at) = (
            select coalesce(j.name, p.name), coalesce(j.spec, p.spec), coalesce(j.available, p.available),
                coalesce(j.safety_stock, p.safety_stock), coalesce(excluded.stock_at, p.stock_at), p_import.id, p_now
            from judged j where j.sku = p.sku)
        returning p.id, p.sku
    )
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select p_import.id, j.row_no, w.id, case when j.had is null then 'accepted' when j.is_changed then 'updated' else 'unchanged' end
    from judged j join written w on w.sku = j.sku
$$;
comment on function private.apply_products(public.imports, integer, timestamptz) is
    'One chunk of products or stock: a column that the file lacks keeps its value; every counted line gets the time of counting.';

create or replace function private.parcel_orders(p_import public.imports, p_after integer, p_to integer) returns table (
    row_no integer, order_id bigint, carrier text, tracking_no text, shipped_at timestamptz, last_scan_at timestamptz,
    last_scan_text text, signed_at timestamptz
)
language sql stable rows 2000 set search_path = '' as $$
    with places as (
        select s.id from public.shops s where s.id = p_import.shop_id
           or (p_import.shop_id is null and s.stock_pool_id = p_import.stock_pool_id and (p_import.member_id is null
               or exists (select from public.member_shops m where m.member_id = p_import.member_id and m.shop_id = s.id)
               or exists (select from public.members m where m.id = p_import.member_id and m.role = 'admin')))
    )
    select r.row_no, o.id, n.carrier, n.tracking_no, n.shipped_at, n.last_scan_at, n.last_scan_text, n.signed_at
    from private.import_rows r
    cross join lateral jsonb_to_record(r.payload) as n(order_no text, carrier text, tracking_no text, shipped_at timestamptz,
        last_scan_at timestamptz, last_scan_text text, signed_at timestamptz)
    join public.orders o on o.shop_id in (select id from places)
        and (o.order_no = n.order_no or (n.order_no is null and o.tracking_no = n.tracking_no))
    where r.import_id = p_import.id and r.row_no > p_after and r.row_no <= p_to
$$;
comment on function private.parcel_orders(public.imports, integer, integer) is
    'Parcels of a chunk with the order they belong to: by order number, or by tracking number where the file has no other.';

create or replace function private.reject_unknown_parcels(p_import public.imports, p_me private.actor) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.import_errors (import_id, row_no, reason, params)
    select p_import.id, r.row_no, 'import.parcel_unknown', jsonb_build_object('order_no', coalesce(r.payload ->> 'order_no', r.payload ->> 'tracking_no'))
    from private.import_rows r
    where r.import_id = p_import.id
      and r.row_no not in (select x.row_no from private.parcel_orders(p_import, -1, 2147483647) x);
    update public.imports set rejected =
        (select count(distinct x.row_no) from public.import_errors x where x.import_id = p_import.id)
    where id = p_import.id;
end;
$$;

create or replace function private.apply_parcels(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_shipped bigint[];
begin
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select distinct on (x.row_no) p_import.id, x.row_no, o.id, case
        when o.tracking_no is null then 'accepted'
        when (o.tracking_no, o.carrier, o.shipped_at, o.last_scan_at, o.last_scan_text, o.signed_at) is distinct from
            (coalesce(x.tracking_no, o.tracking_no), coalesce(x.carrier, o.carrier), coalesce(x.shipped_at, o.shipped_at),
             greatest(x.last_scan_at, o.last_scan_at), case when x.last_scan_at < o.last_scan_at then o.last_scan_text
             else coalesce(x.last_scan_text, o.last_scan_text) end, coalesce(x.signed_at, o.signed_at))
            or o.status in ('unpaid', 'to_ship') then 'updated'
        else 'unchanged' end
    from private.parcel_orders(p_import, p_import.applied_to, p_to) x join public.orders o on o.id = x.order_id
    order by x.row_no, o.id;
    select array_agg(o.id) into v_shipped from private.import_results r join public.orders o on o.id = r.entity_id
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to and o.status = 'to_ship';
    update public.orders o set tracking_no = coalesce(x.tracking_no, o.tracking_no), carrier = coalesce(x.carrier, o.carrier),
        shipped_at = coalesce(x.shipped_at, o.shipped_at), signed_at = coalesce(x.signed_at, o.signed_at),
        last_scan_text = case when x.last_scan_at < o.last_scan_at then o.last_scan_text else coalesce(x.last_scan_text, o.last_scan_text) end,
        last_scan_at = greatest(x.last_scan_at, o.last_scan_at),
        status = case when o.status in ('unpaid', 'to_ship') then 'shipped' else o.status end
    from private.parcel_orders(p_import, p_import.applied_to, p_to) x
    join private.import_results r on r.import_id = p_import.id and r.row_no = x.row_no and r.outcome <> 'unchanged'
    where o.id = x.order_id and r.entity_id = o.id;
    if v_shipped is not null then
        perform private.note_shipped(v_shipped, p_import.id, p_now);
    end if;
end;
$$;
comment on function private.apply_parcels(public.imports, integer, timestamptz) is
    'One chunk of parcels: an order with a parcel has shipped; scans only move forward.';

create or replace function private.count_results(p_import public.imports, p_to integer) returns void
language sql set search_path = '' as $$
    update public.imports i set applied_to = p_to,
        rows_applied = i.rows_applied + n.accepted + n.updated + n.unchanged, accepted = i.accepted + n.accepted,
        updated = i.updated + n.updated, unchanged = i.unchanged + n.unchanged
    from (select count(*) filter (where outcome = 'accepted') as accepted, count(*) filter (where outcome = 'updated') as updated,
                 count(*) filter (where outcome = 'unchanged') as unchanged
          from private.import_results r
          where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to) n
    where i.id = p_import.id
$$;

create or replace function private.refresh_statistics(p_import public.imports, p_step text) returns void
language plpgsql set search_path = '' as $$
begin
    if p_import.rows_staged < 1000 then
        return;
    elsif p_step = 'staged' then
        analyze (skip_locked) private.import_rows (import_id, row_no), private.import_verdicts (import_id, row_no);
    elsif p_import.kind = 'orders' then
        analyze (skip_locked) private.import_results (import_id, row_no, entity_id, outcome), private.contacts (id, phone_hash, name_hash),
            public.orders (id, shop_id, order_no, status, placed_at, contact_id, contact_state, buyer_account, ip_hash, import_id),
            public.order_items (order_id, line_no, sku, product_id);
    end if;
end;
$$;
comment on function private.refresh_statistics(public.imports, text) is
    'Connections keep plans (those of foreign keys too) made while a table was small: then each row reads the whole table. Fresh statistics make them plan anew; autovacuum would do it a minute too late.';

create or replace function public.import_apply(p_import_id bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['applying', 'checking']);
    v_to integer;
begin
    select max(n.row_no) into v_to from (select r.row_no from private.import_rows r
        where r.import_id = p_import_id and r.row_no > v_import.applied_to
        order by r.row_no limit least(greatest(coalesce(p_limit, 2000), 1), 5000)) n;
    if v_to is null then
        if v_import.state = 'applying' then
            update public.imports set state = 'checking' where id = p_import_id;
            perform private.refresh_statistics(v_import, 'applied');
        end if;
        return private.import_report(p_import_id);
    end if;
    if v_import.kind = 'orders' then
        perform private.apply_orders(v_import, v_to, private.now());
    elsif v_import.kind = 'products' then
        perform private.apply_products(v_import, v_to, private.now());
    else
        perform private.apply_parcels(v_import, v_to, private.now());
    end if;
    perform private.count_results(v_import, v_to);
    if v_import.applied_to = 0 then
        perform private.refresh_statistics(v_import, 'applied');
    end if;
    return private.import_report(p_import_id);
exception when check_violation or not_null_violation or data_exception or foreign_key_violation or unique_violation then
    perform private.fail('PT422', 'import.bad_row');
end;
$$;
grant execute on function public.import_apply(bigint, integer) to authenticated, service_role;
comment on function public.import_apply(bigint, integer) is
    'Takes over the next p_limit staged rows (at most 5,000); state checking when none is left. import.none, import.state, import.bad_row.';

-- ==== 51_imports_close.sql ====

-- 51 -------------------------------------------------------------- imports: judged, closed, previewed; column mappings

-- Judging and closing -------------------------------------------------------------------------------------------------

create or replace function private.refresh_verdicts(p_import public.imports, p_to integer) returns bigint[]
language sql set search_path = '' as $$
    with refreshed as (
        update public.orders o set findings = v.findings, checked_facts_hash = o.facts_hash, checked_version = v.version
        from private.import_results r
        join private.import_verdicts v on v.import_id = r.import_id and v.row_no = r.row_no
        where r.import_id = p_import.id and r.row_no > p_import.checked_to and r.row_no <= p_to and r.outcome = 'unchanged'
          and o.id = r.entity_id and o.facts_hash = v.facts_hash and v.version = (select private.current_check_version())
          and (not o.is_checked or o.checked_version is distinct from v.version)
        returning o.id
    )
    select array(select id from refreshed
        union select o.id from private.import_results r join public.orders o on o.id = r.entity_id
        where r.import_id = p_import.id and r.row_no > p_import.checked_to and r.row_no <= p_to
          and (r.outcome <> 'unchanged' and (o.status in ('unpaid', 'to_ship')
                  or exists (select from public.order_exceptions x where x.order_id = o.id))
              or r.outcome = 'unchanged' and o.status = 'unpaid'
                  and not exists (select from public.order_exceptions x where x.order_id = o.id)))
$$;
comment on function private.refresh_verdicts(public.imports, integer) is
    'An unchanged order without a current verdict gets the one of this file. Answers the orders of the chunk to judge anew: changed ones that can have exceptions, and those of an import that was broken off.';

create or replace function public.import_check(p_import_id bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['checking']);
    v_to integer;
begin
    select max(n.row_no) into v_to from (select r.row_no from private.import_results r
        where r.import_id = p_import_id and r.row_no > v_import.checked_to
        order by r.row_no limit least(greatest(coalesce(p_limit, 2000), 1), 5000)) n;
    if v_to is not null and v_import.kind <> 'products' then
        perform private.evaluate_orders(private.refresh_verdicts(v_import, v_to), private.now());
    end if;
    if v_to is not null then
        update public.imports set checked_to = v_to where id = p_import_id;
    end if;
    return private.import_report(p_import_id) || jsonb_build_object('checked', v_to is null);
end;
$$;
grant execute on function public.import_check(bigint, integer) to authenticated, service_role;
comment on function public.import_check(bigint, integer) is
    'Finds the exceptions of the next p_limit rows; checked true when none is left. import.none, import.state.';

create or replace function private.open_exceptions(p_import_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_object_agg(n.kind, n.orders), '{}') from (
        select x.kind, count(distinct x.order_id) as orders
        from private.import_results r join public.order_exceptions x on x.order_id = r.entity_id
        where r.import_id = p_import_id and x.state in ('open', 'waiting_customer') group by x.kind) n
$$;

create or replace function public.import_finish(p_import_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports := private.import_of(v_me, p_import_id, array['checking', 'done']);
begin
    if v_import.state = 'done' then
        return private.import_report(p_import_id);
    end if;
    if exists (select from private.import_results r where r.import_id = p_import_id and r.row_no > v_import.checked_to) then
        perform private.fail('PT409', 'import.unjudged');
    end if;
    if v_import.kind = 'products' then
        perform private.resolve_items(v_import.stock_pool_id);
    end if;
    perform private.evaluate_pool(v_import.stock_pool_id, private.now());
    if v_import.kind = 'orders' then
        update public.imports set exceptions = private.open_exceptions(p_import_id) where id = p_import_id;
        perform private.queue_recheck(v_import.shop_id, private.now());
    end if;
    perform private.end_import(v_import, 'done', v_me);
    return private.import_report(p_import_id);
end;
$$;
grant execute on function public.import_finish(bigint) to authenticated, service_role;
comment on function public.import_finish(bigint) is
    'Stock of the pool, counts, end: only now can orders of the shop be released again. Repeating it answers the same. import.unjudged.';

create or replace function public.import_cancel(p_import_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(null));
    v_import public.imports;
begin
    select * into v_import from public.imports where id = p_import_id for update;
    if v_me.role not in ('system', 'manager', 'admin') and v_import.member_id is distinct from v_me.member_id then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.shop_id is not null then
        perform private.require_shop(v_me, v_import.shop_id);
    end if;
    if v_import.id is null then
        perform private.fail('PT404', 'import.none');
    end if;
    if v_import.state in ('staging', 'applying', 'checking') then
        perform private.end_import(v_import, 'cancelled', v_me);
    end if;
    return private.import_report(p_import_id);
end;
$$;
grant execute on function public.import_cancel(bigint) to authenticated, service_role;
comment on function public.import_cancel(bigint) is
    'Ends an unfinished import (its owner, a manager or admin of the shop). What it applied stays, unchecked, and is judged by the worker. import.none.';

-- Looking before leaping, shops of commands, remembered mappings ------------------------------------------------------

create or replace function private.preview_orders(p_shop_id bigint, p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('accepted', count(*) filter (where n.had is null), 'unchanged', count(*) filter (where n.is_same),
        'updated', count(*) filter (where n.had is not null and not n.is_same))
    from (select o.id as had, o.content_hash = i.content_hash
            or private.is_older(i.status, i.refund, i.as_of, o.status, o.refund, f.as_of) as is_same
        from jsonb_to_recordset(p_items) as i(order_no text, content_hash text, status text, refund text, as_of timestamptz)
        left join public.orders o on o.shop_id = p_shop_id and o.order_no = i.order_no
        left join public.imports f on f.id = o.import_id) n
$$;

create or replace function private.preview_products(p_pool_id bigint, p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('accepted', count(*) filter (where n.had is null), 'unchanged', count(*) filter (where n.is_same),
        'updated', count(*) filter (where n.had is not null and not n.is_same))
    from (select p.id as had, (p.name, p.spec, p.available, p.safety_stock) is not distinct from
            (coalesce(nullif(i.name, ''), p.name), coalesce(i.spec, p.spec), coalesce(i.available, p.available),
             coalesce(i.safety_stock, p.safety_stock)) as is_same
        from jsonb_to_recordset(p_items) as i(sku text, name text, spec text, available integer, safety_stock integer)
        left join public.products p on p.stock_pool_id = p_pool_id and p.sku = i.sku) n
$$;

create or replace function public.import_preview(p_kind text, p_shop_id bigint, p_items jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_items jsonb := private.as_json(p_items);
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    if p_kind = 'orders' then
        return private.preview_orders(p_shop_id, v_items);
    elsif p_kind = 'products' then
        return private.preview_products((select p.id from public.stock_pools p left join public.shops s on s.stock_pool_id = p.id
            where s.id = p_shop_id or (p_shop_id is null and p.is_default) limit 1), v_items);
    end if;
    perform private.fail('PT422', 'import.kind_unknown');
end;
$$;
grant execute on function public.import_preview(text, bigint, jsonb) to authenticated, service_role;
comment on function public.import_preview(text, bigint, jsonb) is
    'What the staged rows of an order or product file would do: accepted, updated, unchanged. Changes nothing. shop.none, import.kind_unknown.';

create or replace function public.service_ensure_shop(p_platform text, p_code text, p_create boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_codes text[];
    v_code text := p_platform;
begin
    if p_code is not null then
        if not exists (select from public.shops where code = p_code and is_active) then
            perform private.fail('PT404', 'shop.unknown_code', jsonb_build_object('code', p_code));
        end if;
        v_codes := array[p_code];
    else
        v_codes := array(select code from public.shops where platform = p_platform and is_active order by id);
    end if;
    if cardinality(v_codes) > 1 then
        perform private.fail('PT409', 'import.shop_ambiguous', jsonb_build_object('codes', array_to_string(v_codes, ', ')));
    elsif cardinality(v_codes) = 0 and p_create then
        while exists (select from public.shops where code = v_code) loop
            v_code := v_code || '-2';
        end loop;
        perform private.audit(v_me, private.ensure_shop(v_code, private.platform_name(p_platform), p_platform), 'shop', null, 'created');
        v_codes := array[v_code];
    end if;
    return (select jsonb_build_object('id', s.id, 'code', s.code, 'platform', s.platform, 'timezone', s.timezone)
        from public.shops s where s.code = v_codes[1]);
end;
$$;
grant execute on function public.service_ensure_shop(text, text, boolean) to service_role;
comment on function public.service_ensure_shop(text, text, boolean) is
    'Service: the shop a command means: by code, else the only one of the platform, else (p_create) one made from it; null without. shop.unknown_code, import.shop_ambiguous.';

create or replace function private.platform_name(p_platform text) returns text
language sql immutable set search_path = '' as $$
    select case p_platform when 'taobao' then '天猫' when 'jd' then '京东' when 'douyin' then '抖音' when 'pinduoduo' then '拼多多'
        when 'youzan' then '有赞' when 'shopify' then 'Shopify' else '自营商城' end
$$;

create or replace function public.save_mapping(
    p_shop_id bigint, p_kind text, p_signature text, p_tool text, p_mapping jsonb, p_request_id uuid
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles(p_kind));
    v_mapping jsonb := private.as_json(p_mapping);
    v_answer jsonb := private.begin_request(p_request_id, 'save_mapping',
        jsonb_build_array(p_shop_id, p_kind, p_signature, p_tool, v_mapping));
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    if coalesce(p_kind, '') not in ('orders', 'products', 'shipments') then
        perform private.fail('PT422', 'import.kind_unknown');
    end if;
    if jsonb_typeof(v_mapping) is distinct from 'object' or coalesce(p_signature, '') = '' then
        perform private.fail('PT422', 'import.bad_mapping');
    end if;
    insert into public.import_mappings as m (shop_id, kind, signature, tool, mapping, member_id, updated_at)
    values (p_shop_id, p_kind, p_signature, coalesce(p_tool, ''), v_mapping, v_me.member_id, private.now())
    on conflict (shop_id, kind, signature) do update
    set tool = excluded.tool, mapping = excluded.mapping, member_id = excluded.member_id, updated_at = excluded.updated_at
    returning m.id into v_id;
    perform private.audit(v_me, p_shop_id, 'import_mapping', v_id, 'saved', v_mapping);
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.save_mapping(bigint, text, text, text, jsonb, uuid) to authenticated, service_role;
comment on function public.save_mapping(bigint, text, text, text, jsonb, uuid) is
    '字段对应: remembers which header means which field {field: header} for a header signature of a shop. import.bad_mapping, import.kind_unknown, shop.none.';

create or replace function public.service_find_mapping(p_shop_id bigint, p_kind text, p_signature text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('kind', m.kind, 'mapping', m.mapping) from public.import_mappings m
        where m.signature = p_signature and (p_kind is null or m.kind = p_kind) and (m.shop_id = p_shop_id or m.shop_id is null)
        order by m.shop_id nulls last, m.updated_at desc limit 1);
end;
$$;
grant execute on function public.service_find_mapping(bigint, text, text) to service_role;
comment on function public.service_find_mapping(bigint, text, text) is 'Service: the remembered mapping {kind, mapping} for a header signature of a shop, or of all shops; null when none.';

-- ==== 52_rules.sql ====

-- 52 ---------------------------------------------------------------------------- exception rules: what is an exception
--
-- Ten kinds. What relates rows (duplicate, same_ip, out_of_stock) and what the order itself says (unpaid, refund_stop,
-- remote) is found here, for many orders at once; what reads a phone or an address (bad_phone, missing_detail, mismatch,
-- suspicious) was judged in Python and lies in orders.findings. Only orders that wait for payment or to ship have
-- exceptions; shipped, completed and closed ones feed the rules as history.

do $$
begin
    if to_regtype('private.found') is null then
        create type private.found as (
            order_id bigint, shop_id bigint, kind text, evidence jsonb, fingerprint text, group_key text
        );
    end if;
end;
$$;
comment on type private.found is 'An exception that a rule sees now: evidence for people, fingerprint of the facts, group to decide together.';

insert into public.exception_rules (shop_id, kind, severity, waived_by, params) values
    (null, 'duplicate', 'normal', 'reviewer', '{"window_minutes": 30}'),
    (null, 'unpaid', 'normal', 'never', '{}'),
    (null, 'out_of_stock', 'normal', 'warehouse', '{}'),
    (null, 'same_ip', 'high', 'manager', '{"orders": 3, "minutes": 60, "accounts": 2}'),
    (null, 'remote', 'normal', 'reviewer',
     '{"provinces": ["新疆", "西藏", "内蒙古", "青海", "宁夏", "甘肃", "海南", "香港", "澳门", "台湾"]}'),
    (null, 'bad_phone', 'normal', 'reviewer', '{}'),
    (null, 'missing_detail', 'normal', 'reviewer', '{}'),
    (null, 'mismatch', 'normal', 'reviewer', '{}'),
    (null, 'suspicious', 'high', 'manager', '{}'),
    (null, 'refund_stop', 'high', 'never', '{}')
on conflict (shop_id, kind) do nothing;

create or replace view private.effective_rules with (security_invoker = true) as
select s.id as shop_id, s.stock_pool_id, d.kind, coalesce(o.is_active, d.is_active) as is_active,
    coalesce(o.is_blocking, d.is_blocking) as is_blocking, coalesce(o.severity, d.severity) as severity,
    coalesce(o.waived_by, d.waived_by) as waived_by, coalesce(o.params, d.params) as params
from public.shops s
join public.exception_rules d on d.shop_id is null
left join public.exception_rules o on o.shop_id = s.id and o.kind = d.kind;
comment on view private.effective_rules is 'The rule of each kind that holds for a shop: its own, else the default.';

-- Versions of what Python judged --------------------------------------------------------------------------------------

create or replace function private.python_kinds() returns text[]
language sql immutable set search_path = '' as $$ select array['bad_phone', 'missing_detail', 'mismatch', 'suspicious'] $$;

create or replace function private.current_check_version() returns text
language sql stable set search_path = '' as $$
    select coalesce((select s.value #>> '{}' from private.settings s where s.key = 'checks_version'), '0') || '.'
        || coalesce((select left(private.sha256(string_agg(coalesce(r.shop_id, 0) || r.kind || r.params::text, ',' order by r.shop_id, r.kind)), 8)
            from public.exception_rules r where r.kind = any (private.python_kinds()) and r.params <> '{}'), '0')
$$;
comment on function private.current_check_version() is
    'Version of the checks in the program and of the parameters they get; an order judged under another one is unchecked.';

create or replace function public.service_announce_checks(p_version integer) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_before text := private.current_check_version();
begin
    insert into private.settings as s (key, value) values ('checks_version', to_jsonb(p_version))
    on conflict (key) do update set value = excluded.value, updated_at = private.now()
    where (s.value #>> '{}')::integer < p_version;
    if private.current_check_version() <> v_before then
        perform private.queue_recheck(s.id, private.now()) from public.shops s;
    end if;
    return private.current_check_version();
end;
$$;
grant execute on function public.service_announce_checks(integer) to service_role;
comment on function public.service_announce_checks(integer) is
    'Service: the version of the checks this program brings. A higher one makes waiting orders unchecked and queues their re-check; a lower one (an old replica) changes nothing.';

create or replace function public.service_check_rules(p_shop_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return jsonb_build_object('version', private.current_check_version(), 'params', (
        select coalesce(jsonb_object_agg(d.kind, coalesce(o.params, d.params)), '{}')
        from public.exception_rules d left join public.exception_rules o on o.shop_id = p_shop_id and o.kind = d.kind
        where d.shop_id is null and d.kind = any (private.python_kinds()) and coalesce(o.params, d.params) <> '{}'));
end;
$$;
grant execute on function public.service_check_rules(bigint) to service_role;
comment on function public.service_check_rules(bigint) is 'Service: version and parameters of the checks for a shop; an empty parameter set means the built-in words.';

create or replace function private.queue_recheck(p_shop_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    if exists (select from private.unchecked_orders(p_shop_id, 0, 1)) then
        perform private.enqueue('recheck_orders', jsonb_build_object('shop_id', p_shop_id), 'recheck:' || p_shop_id, p_now);
    end if;
end;
$$;

create or replace function private.unchecked_orders(p_shop_id bigint, p_after bigint, p_limit integer) returns setof public.orders
language sql stable rows 500 set search_path = '' as $$
    select o.* from public.orders o
    where o.shop_id = p_shop_id and o.status = 'to_ship' and o.id > p_after
      and (not o.is_checked or o.checked_version is distinct from private.current_check_version())
    order by o.id limit p_limit
$$;

-- Which orders a change can touch -------------------------------------------------------------------------------------

create or replace function private.same_buyer(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, buyer text
)
language sql stable rows 1000 set search_path = '' as $$
    with mine as (
        select o.shop_id, o.contact_state, o.buyer_account, c.phone_hash, c.name_hash
        from public.orders o left join private.contacts c on c.id = o.contact_id where o.id = any (p_order_ids)
    ), known as (
        select distinct shop_id, phone_hash, name_hash from mine
        where contact_state = 'ok' and phone_hash is not null and name_hash is not null
    ), hidden as (
        select distinct shop_id, buyer_account from mine where contact_state = 'masked' and buyer_account is not null
    ), same as (
        select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.paid_at, o.held_at, 'p' || k.phone_hash || k.name_hash as buyer
        from known k join private.contacts c on c.phone_hash = k.phone_hash and c.name_hash = k.name_hash
        join public.orders o on o.contact_id = c.id and o.shop_id = k.shop_id and o.contact_state = 'ok'
        union all
        select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.paid_at, o.held_at, 'b' || h.buyer_account
        from hidden h join public.orders o on o.buyer_account = h.buyer_account and o.shop_id = h.shop_id
            and o.contact_state = 'masked'
    )
    select s.id, s.shop_id, s.status, s.order_no, s.placed_at, s.buyer from same s
    where s.placed_at is not null and s.status <> 'unpaid' and (s.status <> 'closed' or s.paid_at is not null)
      and (s.status <> 'to_ship' or s.held_at is null) -- what is held does not ship: it doubles nothing
$$;
comment on function private.same_buyer(bigint[]) is
    'All paid orders, history included, of the people behind these orders: same phone and receiver in one shop; where the platform masks them, same buyer account.';

create or replace function private.same_ip(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, ip_hash text, buyer_account text,
    orders integer, span interval, accounts integer
)
language sql stable rows 1000 set search_path = '' as $$
    with places as (
        select o.shop_id, o.ip_hash, min(o.placed_at) as first, max(o.placed_at) as last
        from public.orders o where o.id = any (p_order_ids) and o.ip_hash is not null and o.placed_at is not null
        group by o.shop_id, o.ip_hash
    )
    select o.id, o.shop_id, o.status, o.order_no, o.placed_at, o.ip_hash, o.buyer_account,
        coalesce((r.params ->> 'orders')::integer, 3), make_interval(mins => coalesce((r.params ->> 'minutes')::integer, 60)),
        coalesce((r.params ->> 'accounts')::integer, 2)
    from places p
    join private.effective_rules r on r.shop_id = p.shop_id and r.kind = 'same_ip' and r.is_active
    join public.orders o on o.shop_id = p.shop_id and o.ip_hash = p.ip_hash
        and o.placed_at between p.first - interval '1 day' and p.last + interval '1 day'
$$;
comment on function private.same_ip(bigint[]) is
    'Orders of all states from the IP addresses of these orders, a day around them, with the limits of the shop''s rule.';

create or replace function private.review_scope(p_order_ids bigint[]) returns bigint[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(n.id), '{}') from (
        select unnest(p_order_ids) as id
        union select b.order_id from private.same_buyer(p_order_ids) b where b.status = 'to_ship'
        union select i.order_id from private.same_ip(p_order_ids) i where i.status = 'to_ship'
        union select x.order_id from public.order_exceptions m
            join public.order_exceptions x on x.shop_id = m.shop_id and x.group_key = m.group_key
            where m.order_id = any (p_order_ids) and m.group_key is not null
    ) n where n.id is not null
$$;
comment on function private.review_scope(bigint[]) is
    'These orders, those that share buyer or IP with them, and those that were grouped with them: all that a change of these can touch.';

-- What the rules see --------------------------------------------------------------------------------------------------

create or replace function private.found_alone(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    select o.id, o.shop_id, 'unpaid', '{}'::jsonb, 'unpaid', null::text
    from public.orders o where o.id = any (p_order_ids) and o.status = 'unpaid'
    union all
    select o.id, o.shop_id, 'refund_stop', jsonb_build_object('status', o.platform_status), 'requested', null
    from public.orders o where o.id = any (p_order_ids) and o.status = 'to_ship' and o.refund = 'requested'
    union all
    select o.id, o.shop_id, 'remote', jsonb_build_object('province', o.province), o.province, null
    from public.orders o
    join private.effective_rules r on r.shop_id = o.shop_id and r.kind = 'remote'
    where o.id = any (p_order_ids) and o.status = 'to_ship' and o.contact_state <> 'absent'
      and exists (select from jsonb_array_elements_text(r.params -> 'provinces') p where starts_with(o.province, p))
$$;
comment on function private.found_alone(bigint[]) is 'unpaid, refund_stop and remote: what one order says by itself.';

create or replace function private.found_in_python(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    select distinct on (o.id, f.kind) o.id, o.shop_id, f.kind, f.evidence,
        private.sha256(o.facts_hash || f.evidence::text), null::text
    from public.orders o cross join lateral jsonb_to_recordset(o.findings) as f(kind text, evidence jsonb)
    where o.id = any (p_order_ids) and o.status = 'to_ship' and o.is_checked
      and o.checked_version = (select private.current_check_version()) and f.kind = any (private.python_kinds())
    order by o.id, f.kind
$$;
comment on function private.found_in_python(bigint[]) is 'bad_phone, missing_detail, mismatch, suspicious: the stored verdicts that are current.';

create or replace function private.duplicate_groups(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, group_key text
)
language sql stable rows 100 set search_path = '' as $$
    with repeated as (
        select b.*, count(*) over (partition by b.shop_id, b.buyer) as orders from private.same_buyer(p_order_ids) b
    ), baskets as (
        select r.*, (select string_agg(n.product || ' x' || n.quantity, '|' order by n.product) from (
                select coalesce(i.sku, i.name || '/' || i.spec) as product, sum(i.quantity) as quantity
                from public.order_items i where i.order_id = r.order_id group by 1) n) as basket,
            make_interval(mins => coalesce((e.params ->> 'window_minutes')::integer, 30)) as span
        from repeated r join private.effective_rules e on e.shop_id = r.shop_id and e.kind = 'duplicate'
        where r.orders > 1
    ), gaps as (
        select b.*, coalesce(b.placed_at - lag(b.placed_at) over same > b.span, true) as is_first
        from baskets b where b.basket is not null
        window same as (partition by b.shop_id, b.buyer, b.basket order by b.placed_at, b.order_id)
    ), chains as (
        select g.*, count(*) filter (where g.is_first) over (
            partition by g.shop_id, g.buyer, g.basket order by g.placed_at, g.order_id) as chain from gaps g
    )
    select c.order_id, c.shop_id, c.status, c.order_no, c.placed_at,
        case when count(*) over whole > 1 then 'duplicate:' || min(c.order_id) over whole end
    from chains c window whole as (partition by c.shop_id, c.buyer, c.basket, c.chain)
$$;
comment on function private.duplicate_groups(bigint[]) is
    'Paid orders of one buyer with the same products and quantities; each follows the one before within the window (30 minutes): one group. group_key null = alone.';

create or replace function private.found_duplicates(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    with grouped as (
        select g.* from private.duplicate_groups(p_order_ids) g where g.group_key is not null
    ), members as (
        select g.group_key, private.sha256(string_agg(g.order_no, ',' order by g.order_no)) as fingerprint,
            (array_agg(g.order_no order by g.placed_at, g.order_id))[1:100] as numbers,
            (array_agg(g.placed_at order by g.placed_at, g.order_id))[1:100] as times,
            (array_agg(g.status order by g.placed_at, g.order_id))[1:100] as states
        from grouped g group by g.group_key
    )
    select g.order_id, g.shop_id, 'duplicate', jsonb_build_object('orders', (
            select jsonb_agg(jsonb_build_object('order_no', n.order_no, 'minutes', n.minutes, 'status', n.status) order by n.minutes, n.order_no)
            from (select o.order_no, o.status, round(abs(extract(epoch from o.placed_at - g.placed_at)) / 60)::integer as minutes
                from unnest(m.numbers, m.times, m.states) as o(order_no, placed_at, status)
                where o.order_no <> g.order_no order by 3, 1 limit 20) n)),
        m.fingerprint, g.group_key
    from grouped g join members m on m.group_key = g.group_key
    where g.status = 'to_ship' and g.order_id = any (p_order_ids)
$$;
comment on function private.found_duplicates(bigint[]) is
    'duplicate: every waiting order of a group; evidence {orders: [{order_no, minutes, status}]}, at most 20 of the others.';

create or replace function private.ip_windows(p_order_ids bigint[]) returns table (
    order_id bigint, shop_id bigint, status text, order_no text, placed_at timestamptz, ip_hash text, buyer_account text,
    span interval, is_in boolean
)
language sql stable rows 100 set search_path = '' as $$
    with timeline as (
        select i.*, coalesce(i.buyer_account, '') is distinct from
            coalesce(lag(i.buyer_account) over (partition by i.shop_id, i.ip_hash order by i.placed_at, i.order_id), '') as is_other,
            row_number() over (partition by i.shop_id, i.ip_hash order by i.placed_at, i.order_id) as n
        from private.same_ip(p_order_ids) i
    ), starts as (
        select t.*, lead(t.placed_at, t.orders - 1) over (partition by t.shop_id, t.ip_hash order by t.n) as enough_at,
            min(t.placed_at) filter (where t.is_other) over (partition by t.shop_id, t.ip_hash order by t.n desc
                rows between unbounded preceding and 1 preceding) as other_at
        from timeline t
    ), windows as (
        select s.*, max(s.placed_at) filter (where coalesce(s.enough_at <= s.placed_at + s.span, false)
                and (s.accounts < 2 or coalesce(s.other_at <= s.placed_at + s.span, false)))
            over (partition by s.shop_id, s.ip_hash order by s.n) as last_start
        from starts s
    )
    select w.order_id, w.shop_id, w.status, w.order_no, w.placed_at, w.ip_hash, w.buyer_account, w.span,
        coalesce(w.last_start >= w.placed_at - w.span, false)
    from windows w
$$;
comment on function private.ip_windows(bigint[]) is
    'Orders by IP and time; is_in = inside some window (60 minutes) that holds enough orders (3) of at least two buyer accounts. One pass, also for a busy address.';

create or replace function private.found_same_ip(p_order_ids bigint[]) returns setof private.found
language sql stable rows 100 set search_path = '' as $$
    with inside as (
        select w.*, count(*) filter (where w.is_new) over (partition by w.shop_id, w.ip_hash order by w.placed_at, w.order_id) as part
        from (select v.*, coalesce(v.placed_at - lag(v.placed_at)
                over (partition by v.shop_id, v.ip_hash order by v.placed_at, v.order_id) > v.span, true) as is_new
            from private.ip_windows(p_order_ids) v where v.is_in) w
    ), clusters as (
        select i.shop_id, i.ip_hash, i.part, count(*) as orders, count(distinct i.buyer_account) as accounts,
            round(extract(epoch from max(i.placed_at) - min(i.placed_at)) / 60)::integer as minutes,
            (array_agg(i.order_no order by i.placed_at, i.order_id))[1:20] as numbers, min(i.order_id) as first_id,
            private.sha256(string_agg(i.order_no, ',' order by i.order_no)) as fingerprint
        from inside i group by i.shop_id, i.ip_hash, i.part
    )
    select i.order_id, i.shop_id, 'same_ip', jsonb_build_object('count', c.orders, 'accounts', c.accounts, 'minutes', c.minutes,
        'orders', to_jsonb(array_remove(c.numbers, i.order_no))), c.fingerprint, 'at_ip:' || c.first_id
    from inside i join clusters c using (shop_id, ip_hash, part)
    where i.status = 'to_ship' and i.order_id = any (p_order_ids)
$$;
comment on function private.found_same_ip(bigint[]) is
    'same_ip: every waiting order inside such a window; evidence {count, accounts, minutes, orders: numbers of the others}. Its group sorts before duplicate:…, which is the group to decide on when an order is in both.';

create or replace function private.stock_demand(p_pool_id bigint) returns table (
    order_id bigint, shop_id bigint, at timestamptz, product_id bigint, need bigint, has integer, is_short boolean
)
language sql stable rows 1000 set search_path = '' as $$
    select o.id, o.shop_id, case when o.held_at is null then coalesce(o.paid_at, o.placed_at) end, p.id, sum(i.quantity), p.available,
        sum(sum(i.quantity)) over (partition by p.id) > p.available
    from public.orders o
    join public.order_items i on i.order_id = o.id
    join public.products p on p.id = i.product_id and p.available is not null
    where o.status = 'to_ship' and o.shop_id in (select s.id from public.shops s where s.stock_pool_id = p_pool_id)
      and coalesce(o.held_reason, '') <> 'cancelled' and o.refund <> 'done'
    group by o.id, o.shop_id, o.held_at, o.paid_at, o.placed_at, p.id, p.available
$$;
comment on function private.stock_demand(bigint) is
    'What waiting orders of a pool need of counted products (none for those that were cancelled in review or refunded; those on hold come last, without a time); is_short where all of them together need more than there is.';

create or replace function private.short_evidence(p_products bigint[], p_need bigint[], p_left bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('items', jsonb_agg(jsonb_build_object('sku', p.sku, 'name', p.name, 'spec', p.spec,
        'need', n.need, 'left', n.remaining) order by p.sku))
    from unnest(p_products, p_need, p_left) as n(id, need, remaining) join public.products p on p.id = n.id
    where n.need > n.remaining
$$;

create or replace function private.found_short(p_pool_id bigint) returns setof private.found
language plpgsql stable rows 100 set search_path = '' as $$
declare
    v record;
    v_place jsonb;
    v_left bigint[];
    v_index integer[];
    v_items jsonb;
begin
    select jsonb_object_agg(d.product_id, d.n), array_agg(d.has order by d.n) into v_place, v_left
    from (select product_id, has, row_number() over (order by product_id) as n
        from private.stock_demand(p_pool_id) where is_short group by product_id, has) d;
    for v in
        select d.order_id, d.shop_id, array_agg(d.product_id) as products, array_agg(d.need) as needs
        from private.stock_demand(p_pool_id) d where d.is_short
        group by d.order_id, d.shop_id, d.at order by d.at nulls last, d.order_id
    loop
        v_index := array(select (v_place ->> p::text)::integer from unnest(v.products) with ordinality u(p, n) order by n);
        if (select bool_and(v.needs[n] <= v_left[v_index[n]]) from generate_subscripts(v_index, 1) n) then
            for n in 1 .. cardinality(v_index) loop
                v_left[v_index[n]] := v_left[v_index[n]] - v.needs[n];
            end loop;
        else
            v_items := private.short_evidence(v.products, v.needs, array(select v_left[i] from unnest(v_index) with ordinality u(i, n) order by n));
            return next row(v.order_id, v.shop_id, 'out_of_stock', v_items, private.sha256((select string_agg((i ->> 'sku') || 'x'
                || (i ->> 'need'), ',') from jsonb_array_elements(v_items -> 'items') i)), null)::private.found;
        end if;
    end loop;
end;
$$;
comment on function private.found_short(bigint) is
    'out_of_stock: waiting orders take stock in order of payment; one that finds too little of anything takes nothing. Only products that cannot serve everybody are walked through. Unknown and never counted products are not short.';

-- ==== 52_rules_kept.sql ====

-- 52 ------------------------------------------------- exception rules: exceptions kept in step with what the rules see

-- Keeping exceptions in step with what the rules see ------------------------------------------------------------------

create or replace function private.reopens(p_state text, p_fingerprint text, p_new_fingerprint text) returns boolean
language sql immutable set search_path = '' as $$
    select p_state = 'fixed' or (p_state = 'waived' and p_fingerprint <> p_new_fingerprint)
$$;
comment on function private.reopens(text, text, text) is
    'A decision holds for the facts it was made on; what was fixed and is true again opens again; a cancelled order stays cancelled.';

create or replace function private.upsert_exceptions(p_found private.found[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.order_exceptions as x (order_id, shop_id, kind, is_blocking, severity, evidence, fingerprint, group_key, detected_at)
    select f.order_id, f.shop_id, f.kind,
        r.is_blocking and (f.kind <> 'bad_phone' or coalesce(f.evidence ->> 'problem', '') <> 'masked'),
        r.severity, f.evidence, f.fingerprint, f.group_key, p_now
    from unnest(p_found) f
    join private.effective_rules r on r.shop_id = f.shop_id and r.kind = f.kind and r.is_active
    order by f.order_id, f.kind
    on conflict (order_id, kind) do update set
        is_blocking = excluded.is_blocking, severity = excluded.severity, evidence = excluded.evidence,
        fingerprint = excluded.fingerprint, group_key = excluded.group_key,
        state = case when private.reopens(x.state, x.fingerprint, excluded.fingerprint) then 'open' else x.state end,
        detected_at = case when private.reopens(x.state, x.fingerprint, excluded.fingerprint) then excluded.detected_at else x.detected_at end,
        decided_at = case when not private.reopens(x.state, x.fingerprint, excluded.fingerprint) then x.decided_at end,
        decided_by = case when not private.reopens(x.state, x.fingerprint, excluded.fingerprint) then x.decided_by end,
        decided_as = case when not private.reopens(x.state, x.fingerprint, excluded.fingerprint) then x.decided_as end,
        reason = case when not private.reopens(x.state, x.fingerprint, excluded.fingerprint) then x.reason end
    where x.state = 'fixed' or (x.is_blocking, x.severity, x.evidence, x.fingerprint, x.group_key)
        is distinct from (excluded.is_blocking, excluded.severity, excluded.evidence, excluded.fingerprint, excluded.group_key)
$$;
comment on function private.upsert_exceptions(private.found[], timestamptz) is
    'Opens what is new, renews evidence, and opens again what was fixed or waived for other facts. Masked phones never block.';

create or replace function private.close_exceptions(p_order_ids bigint[], p_kinds text[], p_found private.found[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    with seen as (
        select f.order_id, f.kind from unnest(p_found) f
        join private.effective_rules r on r.shop_id = f.shop_id and r.kind = f.kind and r.is_active
    )
    update public.order_exceptions x
    set state = 'fixed', decided_at = p_now, decided_as = 'system', decided_by = null, reason = null
    from public.orders o
    where x.order_id = any (p_order_ids) and o.id = x.order_id and x.state in ('open', 'waiting_customer')
      and (o.status not in ('unpaid', 'to_ship') or (x.kind = any (p_kinds) and (x.kind <> all (private.python_kinds())
          or (o.is_checked and o.checked_version = (select private.current_check_version())))))
      and not exists (select from seen s where s.order_id = x.order_id and s.kind = x.kind)
$$;
comment on function private.close_exceptions(bigint[], text[], private.found[], timestamptz) is
    'What is no longer true is fixed by the system. A Python kind only on a current verdict; all kinds once the order no longer waits.';

create or replace function private.store_exceptions(p_order_ids bigint[], p_kinds text[], p_found private.found[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_touched bigint[];
begin
    perform private.upsert_exceptions(p_found, p_now);
    perform private.close_exceptions(p_order_ids, p_kinds, p_found, p_now);
    v_touched := array(select distinct x.order_id from public.order_exceptions x where x.order_id = any (p_order_ids));
    if cardinality(v_touched) > 0 then
        perform private.refresh_reviews(v_touched, p_now);
    end if;
end;
$$;

create or replace function private.found_now(p_order_ids bigint[]) returns private.found[]
language sql stable set search_path = '' as $$
    select array(
        select f from private.found_alone(p_order_ids) f
        union all select f from private.found_in_python(p_order_ids) f
        union all select f from private.found_duplicates(p_order_ids) f
        union all select f from private.found_same_ip(p_order_ids) f)
$$;

create or replace function private.evaluate_orders(p_order_ids bigint[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_scope bigint[] := private.review_scope(p_order_ids);
begin
    if cardinality(v_scope) > 0 then
        perform private.store_exceptions(v_scope, array['unpaid', 'refund_stop', 'remote', 'duplicate', 'same_ip'] || private.python_kinds(),
            private.found_now(v_scope), p_now);
    end if;
end;
$$;
comment on function private.evaluate_orders(bigint[], timestamptz) is
    'All rules but stock for these orders and those they are related to; work rows follow. Stock is a matter of the whole pool: evaluate_pool.';

create or replace function private.evaluate_pool(p_stock_pool_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_found private.found[];
    v_orders bigint[];
begin
    perform pg_advisory_xact_lock(hashtextextended('stock_pool', p_stock_pool_id));
    v_found := array(select f from private.found_short(p_stock_pool_id) f);
    v_orders := array(
        select f.order_id from unnest(v_found) f
        union select x.order_id from public.order_exceptions x
        where x.kind = 'out_of_stock' and x.state in ('open', 'waiting_customer')
          and x.shop_id in (select s.id from public.shops s where s.stock_pool_id = p_stock_pool_id));
    if cardinality(v_orders) > 0 then
        perform private.store_exceptions(v_orders, array['out_of_stock'], v_found, p_now);
    end if;
end;
$$;
comment on function private.evaluate_pool(bigint, timestamptz) is 'Who finds too little in this stock pool now; one evaluation of a pool at a time.';

-- Verdicts for orders that are already here (re-checks, corrections) --------------------------------------------------

create or replace function public.service_order_verdicts(p_rules_version text, p_verdicts jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_orders bigint[];
begin
    if jsonb_array_length(private.as_json(p_verdicts)) > 2000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 2000}');
    end if;
    with judged as (
        update public.orders o set findings = coalesce(v.findings, '[]'), checked_facts_hash = v.facts_hash, checked_version = p_rules_version
        from jsonb_to_recordset(private.as_json(p_verdicts)) as v(order_id bigint, facts_hash text, findings jsonb)
        where o.id = v.order_id and o.facts_hash = v.facts_hash
        returning o.id
    )
    select array_agg(id) into v_orders from judged;
    perform private.evaluate_orders(v_orders, private.now());
    return coalesce(cardinality(v_orders), 0);
end;
$$;
grant execute on function public.service_order_verdicts(text, jsonb) to service_role;
comment on function public.service_order_verdicts(text, jsonb) is
    'Service: verdicts of the Python checks [{order_id, facts_hash, findings}] (≤ 2,000); stored where the facts are still the same, then evaluated. Answers how many were. bulk.too_many.';

create or replace function public.service_unchecked_orders(p_shop_id bigint, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('order_id', o.id, 'facts_hash', o.facts_hash, 'contact_state', o.contact_state,
            'province', o.province, 'city', o.city, 'district', o.district, 'contact_id', c.id, 'name', c.name_cipher,
            'phone', c.phone_cipher, 'address', c.address_cipher, 'note', c.note_cipher) order by o.id), '[]')
        from private.unchecked_orders(p_shop_id, coalesce(p_after, 0), least(coalesce(p_limit, 500), 1000)) o
        left join private.contacts c on c.id = o.contact_id);
end;
$$;
grant execute on function public.service_unchecked_orders(bigint, bigint, integer) to service_role;
comment on function public.service_unchecked_orders(bigint, bigint, integer) is
    'Service: the next waiting orders of a shop without a current verdict, with their encrypted contact, for the re-check.';

create or replace function public.service_evaluate_shop(p_shop_id bigint, p_after bigint, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_orders bigint[] := private.waiting_orders(p_shop_id, p_after, p_limit);
begin
    if cardinality(v_orders) = 0 then
        perform private.evaluate_pool(s.stock_pool_id, private.now()) from public.shops s where s.id = p_shop_id;
        return jsonb_build_object('after', p_after, 'done', true);
    end if;
    perform private.evaluate_orders(v_orders, private.now());
    return jsonb_build_object('after', v_orders[cardinality(v_orders)], 'done', false);
end;
$$;
grant execute on function public.service_evaluate_shop(bigint, bigint, integer) to service_role;
comment on function public.service_evaluate_shop(bigint, bigint, integer) is 'Service: judges the next waiting orders of a shop anew after a rule changed; done once the stock was looked at too.';

create or replace function private.waiting_orders(p_shop_id bigint, p_after bigint, p_limit integer) returns bigint[]
language sql stable set search_path = '' as $$
    select array(select o.id from public.orders o
        where (p_shop_id is null or o.shop_id = p_shop_id) and o.status in ('unpaid', 'to_ship') and o.id > coalesce(p_after, 0)
        order by o.id limit least(coalesce(p_limit, 2000), 5000))
$$;

-- ==== 53_review.sql ====

-- 53 ---------------------------------------------------------------------------- review: work rows, and who may decide
--
-- order_exceptions says what is wrong; order_reviews is the piece of work that follows from it: one row per order with an
-- exception that blocks, with owner, lease and deadline. Exceptions that do not block, and unpaid orders, make no work row.

create or replace function private.review_facts(p_order_ids bigint[])
returns table (order_id bigint, shop_id bigint, amount numeric, state text, kinds text[], group_key text, is_high boolean,
               detected_at timestamptz)
language sql stable set search_path = '' as $$
    select e.order_id, e.shop_id, o.amount,
        case when bool_or(e.state = 'open') then 'open'
             when bool_or(e.state = 'waiting_customer') then 'waiting_customer' else 'done' end,
        coalesce(array_agg(e.kind order by e.kind) filter (where e.state in ('open', 'waiting_customer')),
                 array_agg(e.kind order by e.kind)),
        coalesce(max(e.group_key) filter (where e.state in ('open', 'waiting_customer')), max(e.group_key)),
        bool_or(e.severity = 'high'),
        coalesce(min(e.detected_at) filter (where e.state in ('open', 'waiting_customer')), min(e.detected_at))
    from public.order_exceptions e join public.orders o on o.id = e.order_id
    where e.order_id = any (p_order_ids) and e.kind <> 'unpaid' and e.is_blocking
    group by e.order_id, e.shop_id, o.amount
$$;
comment on function private.review_facts(bigint[]) is
    'What the exceptions of each order make of its work row: open while one is open, waiting while the rest waits, else done.';

create or replace function private.tg_review_deadline() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.order_reviews r
    set clock_id = new.id,
        due_at = case when new.stopped_at is null then new.due_at else coalesce(new.due_at, r.due_at) end,
        due_sort = case when r.state = 'done' then r.due_sort else coalesce(new.due_at, 'infinity') end,
        is_on_time = case new.state when 'fulfilled' then true when 'fulfilled_late' then false end
    where r.order_id = new.entity_id;
    return null;
end;
$$;
comment on function private.tg_review_deadline() is 'The work row shows the deadline of its clock, however the clock was changed.';
create or replace trigger t50_review_deadline after insert on public.sla_clocks
    for each row when (new.entity = 'order_review') execute function private.tg_review_deadline();
create or replace trigger t51_review_deadline after update on public.sla_clocks
    for each row when (new.entity = 'order_review' and (old.due_at is distinct from new.due_at or new.stopped_at is not null))
    execute function private.tg_review_deadline(); -- a breach or a reminder leaves the work row, and whoever holds it, alone

-- What the reminders ask of this area (see subjects_of, ladder_action) ------------------------------------------------

alter table public.order_reviews add column if not exists is_raised boolean not null default false;
comment on column public.order_reviews.is_raised is 'A step of its deadline''s ladder raised it: it counts as high until it is done.';

create or replace function private.order_review_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select r.order_id, case when r.claim_until > p_now then r.owner_id end, o.order_no, '/orders?id=' || r.order_id
    from public.order_reviews r join public.orders o on o.id = r.order_id where r.order_id = any (p_ids)
$$;

create or replace function private.order_review_action(p_action text, p_ids bigint[], p_now timestamptz) returns integer
language sql set search_path = '' as $$
    with free as (
        select r.order_id from public.order_reviews r
        where r.order_id = any (p_ids) and r.state <> 'done'
          and case p_action when 'to_pool' then r.owner_id is not null when 'raise_priority' then not r.is_raised else false end
        for update skip locked
    ), changed as (
        update public.order_reviews r set
            owner_id = case when p_action <> 'to_pool' then r.owner_id end,
            claim_until = case when p_action <> 'to_pool' then r.claim_until end,
            is_raised = r.is_raised or p_action = 'raise_priority', is_high = r.is_high or p_action = 'raise_priority'
        from free f where f.order_id = r.order_id returning r.order_id, r.shop_id
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action)
        select p_now, 'system', shop_id, 'order', order_id, case p_action when 'to_pool' then 'returned_overdue' else 'priority_raised' end
        from changed returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.order_review_action(text, bigint[], timestamptz) is
    'to_pool: the item is free again; raise_priority: it counts as high. An item that somebody is changing at this moment is left to him.';

create or replace function private.tg_review_owner() returns trigger
language plpgsql set search_path = '' as $$
begin
    if exists (select from public.reminders r where r.clock_id = new.clock_id and not r.is_over) then
        perform private.owner_changed('order_review', new.order_id, private.now());
    end if;
    return null;
end;
$$;
comment on function private.tg_review_owner() is 'Reminders of an item follow its owner.';
create or replace trigger t60_owner after update of owner_id on public.order_reviews
    for each row when (old.owner_id is distinct from new.owner_id and new.state <> 'done') execute function private.tg_review_owner();

create or replace function private.upsert_reviews(p_order_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.order_reviews as r
        (order_id, shop_id, state, kinds, group_key, is_high, amount, detected_at, done_at, due_sort)
    select f.order_id, f.shop_id, f.state, f.kinds, f.group_key, f.is_high, f.amount, f.detected_at,
        case when f.state = 'done' then p_now end, case when f.state = 'done' then p_now else 'infinity' end
    from private.review_facts(p_order_ids) f
    on conflict (order_id) do update set
        state = excluded.state, kinds = excluded.kinds, group_key = excluded.group_key,
        is_high = excluded.is_high or (r.is_raised and excluded.state <> 'done'), is_raised = r.is_raised and excluded.state <> 'done',
        amount = excluded.amount,
        detected_at = case when r.state = 'done' and excluded.state <> 'done' then excluded.detected_at else r.detected_at end,
        done_at = case when excluded.state = 'done' then coalesce(r.done_at, p_now) end,
        due_sort = case when excluded.state = 'done' then coalesce(r.done_at, p_now)
                        when r.state = 'done' then 'infinity' else r.due_sort end,
        is_on_time = case when excluded.state = 'done' then r.is_on_time end,
        owner_id = case when excluded.state <> 'done' then r.owner_id end,
        claim_until = case when excluded.state <> 'done' then r.claim_until end
    where (r.state, r.kinds, r.group_key, r.is_high, r.amount)
        is distinct from (excluded.state, excluded.kinds, excluded.group_key, excluded.is_high or r.is_raised, excluded.amount);

    update public.order_reviews r
    set state = 'done', done_at = p_now, due_sort = p_now, owner_id = null, claim_until = null
    where r.order_id = any (p_order_ids) and r.state <> 'done'
      and not exists (select from private.review_facts(p_order_ids) f where f.order_id = r.order_id)
$$;
comment on function private.upsert_reviews(bigint[], timestamptz) is
    'Brings the work rows in line with the exceptions; rows that say the same already keep their version.';

create or replace function private.refresh_review_clocks(p_order_ids bigint[], p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v record;
begin
    for v in
        select f.shop_id, f.detected_at, f.facts, array_agg(f.order_id) as ids
        from (select r.shop_id, r.detected_at, r.order_id,
                jsonb_build_object('kind', r.kinds, 'priority', case when r.is_high then 'high' else 'normal' end) as facts
            from public.order_reviews r left join public.sla_clocks c on c.id = r.clock_id
            where r.order_id = any (p_order_ids) and r.state <> 'done' and (c.id is null or c.stopped_at is not null)) f
        group by f.shop_id, f.detected_at, f.facts
        having exists (select from private.policies_for('order_review', f.shop_id, f.facts))
    loop
        perform private.start_clocks('order_review', v.ids, v.shop_id, 'review', 'order_review', p_now,
            p_actor => p_actor, p_facts => v.facts, p_starts_at => v.detected_at);
    end loop;
    for v in
        select r.state, c.id from public.order_reviews r join public.sla_clocks c on c.id = r.clock_id
        where r.order_id = any (p_order_ids) and c.stopped_at is null
          and (r.state = 'done' or (r.state = 'waiting_customer') <> (c.state = 'paused'))
    loop
        if v.state = 'done' then
            perform private.stop_clock(v.id, p_now, p_actor);
        elsif v.state = 'waiting_customer' then
            perform private.pause_clock(v.id, 'waiting_customer', p_now, p_actor);
        else
            perform private.resume_clock(v.id, p_now, p_actor);
        end if;
    end loop;
end;
$$;
comment on function private.refresh_review_clocks(bigint[], timestamptz, bigint) is
    'Clocks of the work rows: started at detection (many at once), paused while everything waits for the customer, stopped when done. Without an active policy there is no clock.';

create or replace function private.refresh_reviews(p_order_ids bigint[], p_now timestamptz, p_actor bigint default null)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.upsert_reviews(p_order_ids, p_now);
    perform private.refresh_review_clocks(p_order_ids, p_now, p_actor);
end;
$$;
comment on function private.refresh_reviews(bigint[], timestamptz, bigint) is
    'To be called after every change of order_exceptions, for all orders at once: work rows, then their clocks.';

-- Who may do what -----------------------------------------------------------------------------------------------------

create or replace function private.can_review(p_me private.actor, p_kinds text[]) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role in ('operations', 'manager')
        or ((p_me).role = 'agent' and 'review' = any ((p_me).skills))
        or ((p_me).role = 'warehouse' and 'out_of_stock' = any (p_kinds))
$$;
comment on function private.can_review(private.actor, text[]) is
    'Reviewers: operations, agents with the skill review, managers; the warehouse where stock is the matter. Nobody else.';

create or replace function private.require_reviewer(p_kinds text[] default '{out_of_stock}') returns private.actor
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
begin
    if not private.can_review(v_me, p_kinds) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    return v_me;
end;
$$;
comment on function private.require_reviewer(text[]) is 'Reviewers of at least one of the kinds: member.none, member.role, review.not_reviewer (an agent without the skill, the warehouse where stock is not the matter).';

create or replace function private.is_lead(p_me private.actor) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role = 'manager' or ((p_me).is_duty_lead and (p_me).role in ('agent', 'operations', 'warehouse'))
$$;
comment on function private.is_lead(private.actor) is 'Managers and the 当班主管.';

create or replace function private.waive_refusal(
    p_me private.actor, p_waived_by text, p_kind text, p_evidence jsonb, p_severity text, p_amount numeric, p_limit numeric
) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_waived_by = 'never' or (p_kind = 'bad_phone' and p_evidence ->> 'problem' = 'empty') then 'exception.never_waived'
        when p_waived_by = 'warehouse' and (p_me).role not in ('warehouse', 'manager') then 'exception.needs_warehouse'
        when (p_waived_by = 'manager' or p_severity = 'high' or coalesce(p_amount, 'infinity') > p_limit)
            and not private.is_lead(p_me) then 'exception.needs_manager'
    end
$$;
comment on function private.waive_refusal(private.actor, text, text, jsonb, text, numeric, numeric) is
    'Why this person may not say 确认无误, or null. An amount that is not known counts as above the limit of the shop.';

create or replace function private.state_refusal(p_me private.actor, p_state text, p_decision text, p_is_released boolean) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_decision = 'reopened' then case
            when p_state not in ('waived', 'cancelled') then 'exception.not_decided'
            when p_is_released then 'order.released'
            when not private.is_lead(p_me) then 'exception.needs_manager' end
        when p_state not in ('open', 'waiting_customer') then 'exception.decided'
        when p_decision = 'waiting_customer' and p_state = 'waiting_customer' then 'exception.waits_already'
        when p_decision = 'resume' and p_state = 'open' then 'exception.not_waiting'
    end
$$;
comment on function private.state_refusal(private.actor, text, text, boolean) is
    'Why an exception in this state cannot take this decision, or null. What was decided is reopened by managers or the 当班主管 alone.';

create or replace function private.decision_checks(p_me private.actor, p_items jsonb, p_decision text, p_now timestamptz)
returns table (id bigint, order_id bigint, shop_id bigint, kind text, note text, refusal text, params jsonb)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id, e.order_id, e.shop_id, e.kind, i.note,
        case
            when e.id is null then 'exception.none'
            when e.version <> coalesce(i.version, -1) then 'order.stale'
            when r.owner_id <> (p_me).member_id and r.claim_until > p_now then 'review.claimed'
            when not private.can_review(p_me, array[e.kind]) then 'review.not_reviewer'
            else coalesce(private.state_refusal(p_me, e.state, p_decision, o.released_at is not null),
                case when p_decision = 'waived' then private.waive_refusal(p_me, coalesce(rule.waived_by, 'never'), e.kind,
                    e.evidence, e.severity, o.amount, s.review_limit) end)
        end,
        jsonb_strip_nulls(jsonb_build_object('order_no', o.order_no, 'kind', e.kind, 'state', e.state, 'version', e.version,
            'limit', s.review_limit, 'until', r.claim_until, 'at', e.updated_at,
            'who', coalesce(case when r.claim_until > p_now then holder.display_name end, decider.display_name)))
    from jsonb_to_recordset(p_items) i (id bigint, version integer, note text)
    left join public.order_exceptions e on e.id = i.id and e.shop_id in (select private.my_shop_ids())
    left join public.orders o on o.id = e.order_id
    left join public.shops s on s.id = e.shop_id
    left join public.order_reviews r on r.order_id = e.order_id
    left join public.members holder on holder.id = r.owner_id
    left join public.members decider on decider.id = e.decided_by
    left join private.effective_rules rule on rule.shop_id = e.shop_id and rule.kind = e.kind
    order by i.id
$$;
comment on function private.decision_checks(private.actor, jsonb, text, timestamptz) is
    'Per item the reason why this person cannot decide it so now, or null: exception.none, order.stale (who, at), review.claimed (who, until), review.not_reviewer, exception.decided, exception.not_decided, exception.waits_already, exception.not_waiting, order.released, exception.never_waived, exception.needs_warehouse, exception.needs_manager (limit).';

-- ==== 53_review_claims.sql ====

-- 53 --------------------------------------------------------------------------------------------------- review: claims
--
-- A lease of twenty minutes that activity renews.

create or replace function private.lease_end(p_now timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$ select p_now + interval '20 minutes' $$;
comment on function private.lease_end(timestamptz) is 'A claim lasts twenty minutes from the last activity.';

create or replace function private.end_leases(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.order_reviews set owner_id = null, claim_until = null
    where order_id in (
        select order_id from public.order_reviews
        where owner_id is not null and claim_until <= p_now for update skip locked)
$$;
comment on function private.end_leases(timestamptz) is 'Items whose owner has gone quiet are in the pool again.';

create or replace function private.take_items(p_me private.actor, p_order_ids bigint[], p_action text, p_now timestamptz)
returns jsonb
language sql set search_path = '' as $$
    with taken as (
        update public.order_reviews
        set owner_id = (p_me).member_id, claim_until = private.lease_end(p_now)
        where order_id = any (p_order_ids)
        returning order_id, shop_id, state, kinds, group_key, due_at, due_sort, claim_until, version
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action)
        select p_now, (p_me).member_id, (p_me).role, shop_id, 'order', order_id, p_action from taken
    )
    select coalesce(jsonb_agg(jsonb_build_object('order_id', order_id, 'state', state, 'kinds', kinds, 'group_key', group_key,
        'due_at', due_at, 'claim_until', claim_until, 'version', version) order by due_sort, order_id), '[]')
    from taken
$$;
comment on function private.take_items(private.actor, bigint[], text, timestamptz) is 'Makes the member owner of the items (checked and locked by the caller) and answers with them.';

create or replace function private.next_items(p_me private.actor, p_filter jsonb, p_count integer) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select r.order_id from public.order_reviews r
        where r.state = 'open' and r.owner_id is null
          and r.shop_id in (select private.my_shop_ids())
          and (p_filter ->> 'shop_id' is null or r.shop_id = (p_filter ->> 'shop_id')::bigint)
          and (p_filter ->> 'kind' is null or p_filter ->> 'kind' = any (r.kinds))
          and (p_filter ->> 'platform' is null
               or r.shop_id in (select s.id from public.shops s where s.platform = p_filter ->> 'platform'))
          and ((p_me).role <> 'warehouse' or 'out_of_stock' = any (r.kinds))
        order by r.due_sort, r.order_id
        limit p_count for update skip locked)
$$;
comment on function private.next_items(private.actor, jsonb, integer) is 'Locks the most urgent free items that nobody else is taking at this moment.';

create or replace function private.with_group(p_order_ids bigint[]) returns bigint[]
language sql volatile set search_path = '' as $$
    select p_order_ids || array(
        select g.order_id from public.order_reviews g
        where g.state = 'open' and g.owner_id is null and g.order_id <> all (p_order_ids)
          and exists (select from public.order_reviews r where r.order_id = any (p_order_ids)
                      and r.group_key = g.group_key and r.shop_id = g.shop_id)
        for update skip locked)
$$;
comment on function private.with_group(bigint[]) is 'The free members of the same groups come along: a group is decided by one person.';

create or replace function private.held_together(p_member_id bigint, p_order_ids bigint[]) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select h.order_id from public.order_reviews h
        where h.owner_id = p_member_id and (h.order_id = any (p_order_ids)
           or exists (select from public.order_reviews r where r.order_id = any (p_order_ids)
                      and r.owner_id = p_member_id and r.group_key = h.group_key and r.shop_id = h.shop_id))
        order by h.order_id for update)
$$;
comment on function private.held_together(bigint, bigint[]) is
    'Which of these items a member holds, with the rest of their groups that he holds too: a group never falls apart between two people.';

create or replace function public.claim_next(p_request_id uuid, p_filter jsonb default '{}', p_count integer default 1) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_next', jsonb_build_array(p_filter, p_count));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_count is null or p_count not between 1 and 20 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 20}');
    end if;
    perform private.end_leases(v_now);
    v_answer := private.take_items(v_me,
        private.with_group(private.next_items(v_me, private.as_filter(p_filter), p_count)), 'claimed', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer));
end;
$$;
grant execute on function public.claim_next(uuid, jsonb, integer) to authenticated;
comment on function public.claim_next(uuid, jsonb, integer) is
    'Reviewers: the next free items by deadline (at most 20, and the rest of their duplicate groups), mine for 20 minutes; filter {shop_id, kind, platform}. Never the same item to two people. review.not_reviewer, bulk.too_many, filter.bad.';

create or replace function private.item_for_claim(p_me private.actor, p_order_id bigint) returns public.order_reviews
language plpgsql set search_path = '' as $$
declare
    v_item public.order_reviews;
begin
    select * into v_item from public.order_reviews
    where order_id = p_order_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'review.none');
    end if;
    if v_item.state = 'done' then
        perform private.fail('PT409', 'review.done');
    end if;
    if not private.can_review(p_me, v_item.kinds) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    return v_item;
end;
$$;
comment on function private.item_for_claim(private.actor, bigint) is 'Locks one item: review.none, review.done, review.not_reviewer.';

create or replace function public.claim_order(p_request_id uuid, p_order_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_order', to_jsonb(p_order_id));
    v_item public.order_reviews;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_item := private.item_for_claim(v_me, p_order_id);
    if v_item.owner_id <> v_me.member_id and v_item.claim_until > v_now then
        perform private.fail('PT409', 'review.claimed', jsonb_build_object('until', v_item.claim_until,
            'who', (select display_name from public.members where id = v_item.owner_id)));
    end if;
    v_answer := private.take_items(v_me, private.with_group(array[p_order_id]), 'claimed', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer));
end;
$$;
grant execute on function public.claim_order(uuid, bigint) to authenticated;
comment on function public.claim_order(uuid, bigint) is
    'Reviewers: this item (and the free rest of its duplicate group) is mine for 20 minutes. review.none, review.done, review.claimed (who, until), review.not_reviewer.';

create or replace function public.take_over(p_request_id uuid, p_order_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'take_over', jsonb_build_array(p_order_id, p_version));
    v_item public.order_reviews;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_item := private.item_for_claim(v_me, p_order_id);
    if v_item.version is distinct from p_version then
        perform private.fail('PT409', 'order.stale', jsonb_build_object('at', v_item.updated_at, 'version', v_item.version,
            'who', (select display_name from public.members where id = v_item.owner_id)));
    end if;
    v_answer := private.take_items(v_me, coalesce(nullif(private.held_together(v_item.owner_id, array[p_order_id]), '{}'),
        array[p_order_id]), 'taken_over', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer, 'from_id', v_item.owner_id));
end;
$$;
grant execute on function public.take_over(uuid, bigint, integer) to authenticated;
comment on function public.take_over(uuid, bigint, integer) is
    'Reviewers: takes over a colleague''s item of a shop we share, and the rest of its group that he holds (p_version: of the work row as shown). order.stale (who, at), review.none, review.done, review.not_reviewer.';

create or replace function private.return_items(p_me private.actor, p_member_id bigint, p_order_ids bigint[], p_now timestamptz)
returns integer
language sql set search_path = '' as $$
    with freed as (
        update public.order_reviews set owner_id = null, claim_until = null
        where owner_id = p_member_id and (p_order_ids is null or order_id = any (p_order_ids))
        returning order_id, shop_id
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action)
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), shop_id, 'order', order_id, 'given_back' from freed
    )
    select count(*)::integer from freed
$$;
comment on function private.return_items(private.actor, bigint, bigint[], timestamptz) is 'Frees the items of a member (order ids null: all of them) and tells the history; answers how many.';

create or replace function private.give_back_all(p_member_id bigint, p_now timestamptz) returns integer
language sql set search_path = '' as $$ select private.return_items(null, p_member_id, null, p_now) $$;
comment on function private.give_back_all(bigint, timestamptz) is 'A member is switched off or goes home: all items are in the pool again.';

create or replace function public.give_back(p_request_id uuid, p_order_ids jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_answer jsonb := private.begin_request(p_request_id, 'give_back', p_order_ids);
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_answer := to_jsonb(private.return_items(v_me, v_me.member_id,
        private.held_together(v_me.member_id, private.as_ids(p_order_ids)), private.now()));
    return private.finish_request(p_request_id, jsonb_build_object('done', v_answer));
end;
$$;
grant execute on function public.give_back(uuid, jsonb) to authenticated;
comment on function public.give_back(uuid, jsonb) is 'Reviewers: puts my own items (order ids), each with the rest of its group, back into the pool; others'' are left alone. Answers {done}. request.bad_value.';

create or replace function public.keep_claims(p_order_ids jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_count integer;
begin
    update public.order_reviews set claim_until = private.lease_end(v_now)
    where owner_id = v_me.member_id and state = 'open' and claim_until > v_now
      and claim_until < v_now + interval '15 minutes'
      and order_id = any (private.as_ids(p_order_ids));
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.keep_claims(jsonb) to authenticated;
comment on function public.keep_claims(jsonb) is
    'Reviewers: renews the lease of my live claims (order ids) while I work on them; called by the page at most every few minutes. Answers how many were renewed. request.bad_value.';

-- ==== 54_release.sql ====

-- 54 ------------------------------------------------------------------------------------------- release: what may ship
--
-- Shipping happens in the ERP. A release marks orders and gives a list to import there; a hold list names those that must
-- not ship. Whether an order may be released is decided in one place, private.release_refusal, and the trigger on orders asks
-- it again, so that no path to the table goes around it.

create or replace function private.release_refusal(p_order public.orders) returns text
language sql stable set search_path = '' as $$
    select case
        when (p_order).status <> 'to_ship' then 'order.not_waiting'
        when (p_order).held_at is not null then 'order.held'
        when (p_order).refund <> 'none' then 'order.refund'
        when (p_order).checked_facts_hash is distinct from (p_order).facts_hash
            or (p_order).checked_version is distinct from private.current_check_version() then 'order.unchecked'
        when exists (select from public.order_exceptions e
            where e.order_id = (p_order).id and e.is_blocking and (e.state in ('open', 'waiting_customer')
                or (e.state = 'waived' and e.holds_until <= private.now()))) then 'order.blocked'
        when exists (select from public.imports i
            where i.shop_id = (p_order).shop_id and i.state in ('staging', 'applying', 'checking'))
            or exists (select from public.imports i join public.shops s on s.stock_pool_id = i.stock_pool_id
                where s.id = (p_order).shop_id and i.shop_id is null and i.state in ('applying', 'checking')) then 'order.importing'
    end
$$;
comment on function private.release_refusal(public.orders) is
    'Why the order may not be released, or null: order.not_waiting, order.held, order.refund, order.unchecked, order.blocked, order.importing.';

create or replace function private.is_releasable(p_order_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select o.released_at is null and private.release_refusal(o) is null from public.orders o where o.id = p_order_id
$$;
comment on function private.is_releasable(bigint) is 'Waits to ship, not released yet, and nothing speaks against it.';

create or replace function private.tg_release_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_key text := private.release_refusal(new);
begin
    if v_key is not null then
        perform private.fail('PT409', v_key, jsonb_build_object('order_no', new.order_no));
    end if;
    return new;
end;
$$;
comment on function private.tg_release_guard() is 'No statement of anybody, owner and jobs included, marks an order as released that must not ship.';
create or replace trigger t05_release_guard before insert or update of released_at on public.orders
    for each row when (new.released_at is not null) execute function private.tg_release_guard();

-- What is ready -------------------------------------------------------------------------------------------------------

create or replace function private.ready_orders(p_filter jsonb, p_limit integer) returns table (id bigint, version integer)
language sql stable set search_path = '' as $$
    select r.id, r.version
    from public.shops s cross join lateral (
        select w.id, w.version from (
            select o.id, o.version from public.orders o
            where o.shop_id = s.id and o.status = 'to_ship' and o.released_at is null and o.held_at is null and o.refund = 'none'
              and o.is_checked and o.checked_version = (select private.current_check_version())
              and o.id > coalesce((p_filter ->> 'after')::bigint, 0)
              and not exists (select from public.order_reviews v where v.order_id = o.id and v.shop_id = s.id and v.state <> 'done')
            order by o.id offset 0) w -- two indexes side by side leave few; those are looked at until the limit
        where not exists (select from public.order_exceptions e
            where e.order_id = w.id and e.is_blocking and e.state in ('open', 'waiting_customer') offset 0)
        order by w.id limit p_limit) r
    where s.id in (select private.my_shop_ids())
      and (p_filter ->> 'shop_id' is null or s.id = (p_filter ->> 'shop_id')::bigint)
      and (p_filter ->> 'platform' is null or s.platform = p_filter ->> 'platform')
      and not exists (select from public.imports i where i.shop_id = s.id and i.state in ('staging', 'applying', 'checking'))
      and not exists (select from public.imports i where i.shop_id is null and i.stock_pool_id = s.stock_pool_id
                      and i.state in ('applying', 'checking'))
    order by r.id limit p_limit
$$;
comment on function private.ready_orders(jsonb, integer) is
    'Orders of my shops that private.release_refusal lets pass, in the order of arrival; {shop_id, platform, after}.';

create or replace function public.ready_list(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_filter jsonb := private.as_filter(p_filter);
    v_limit integer := least(greatest(p_limit, 1), 500);
    v_all bigint[] := array(select r.id from private.ready_orders(v_filter - 'after', 5001) r);
    v_page bigint[];
begin
    if cardinality(v_all) > 5000 and v_filter ? 'after' then
        v_page := array(select r.id from private.ready_orders(v_filter, v_limit) r);
    else
        v_page := array(select i from unnest(v_all) i where i > coalesce((v_filter ->> 'after')::bigint, 0) order by i limit v_limit);
    end if;
    return jsonb_build_object(
        'count', cardinality(v_all),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'version', o.version, 'shop_id', o.shop_id,
                'order_no', o.order_no, 'amount', o.amount, 'paid_at', o.paid_at, 'promise_ship_at', o.promise_ship_at,
                'receiver_masked', o.receiver_masked, 'phone_masked', o.phone_masked, 'province', o.province, 'city', o.city,
                'items', (select coalesce(sum(i.quantity), 0) from public.order_items i where i.order_id = o.id)) order by o.id), '[]')
            from public.orders o where o.id = any (v_page)));
end;
$$;
grant execute on function public.ready_list(jsonb, integer) to authenticated;
comment on function public.ready_list(jsonb, integer) is
    'Members: what may be released now in my shops: {count (at most 5,001), rows}; filter {shop_id, platform, after: last id}.';

-- Releasing -----------------------------------------------------------------------------------------------------------

create or replace function private.release_checks(p_items jsonb)
returns table (id bigint, shop_id bigint, order_no text, refusal text, params jsonb)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id, o.shop_id, o.order_no,
        case when o.id is null then 'order.none'
             when o.version <> coalesce(i.version, -1) then 'order.stale'
             when o.released_at is not null then 'order.released'
             else private.release_refusal(o) end,
        jsonb_strip_nulls(jsonb_build_object('order_no', o.order_no, 'at', o.updated_at,
            'kinds', (select jsonb_agg(e.kind order by e.kind) from public.order_exceptions e
                      where e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer'))))
    from jsonb_to_recordset(p_items) i (id bigint, version integer)
    left join public.orders o on o.id = i.id and o.shop_id in (select private.my_shop_ids())
    order by i.id
$$;
comment on function private.release_checks(jsonb) is 'Per order why it cannot be released, or null: order.none, order.stale, order.released, and private.release_refusal.';

create or replace function private.lock_orders(p_order_ids bigint[]) returns void
language sql volatile set search_path = '' as $$
    select count(*) from (
        select o.id from public.orders o where o.id = any (p_order_ids) order by o.id for no key update) locked
$$;
comment on function private.lock_orders(bigint[]) is 'Decisions and releases of one order wait for each other.';

create or replace function private.new_lists(
    p_me private.actor, p_kind text, p_order_ids bigint[], p_now timestamptz
) returns jsonb
language sql volatile set search_path = '' as $$
    with chosen as (
        select o.id, o.shop_id from public.orders o where o.id = any (p_order_ids)
    ), made as (
        insert into public.releases (shop_id, kind, order_count, member_id, created_at)
        select shop_id, p_kind, count(*), (p_me).member_id, p_now from chosen group by shop_id
        returning id, shop_id, order_count
    ), listed as (
        insert into public.release_orders (release_id, order_id)
        select made.id, chosen.id from made join chosen using (shop_id)
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
        select p_now, (p_me).member_id, (p_me).role, shop_id, 'order', chosen.id,
            case p_kind when 'release' then 'released' else 'hold_listed' end, jsonb_build_object('release_id', made.id)
        from made join chosen using (shop_id)
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'shop_id', shop_id, 'count', order_count) order by shop_id), '[]') from made
$$;
comment on function private.new_lists(private.actor, text, bigint[], timestamptz) is 'One list per shop, with its orders and their history.';

create or replace function private.release(p_me private.actor, p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ids bigint[];
    v_lists jsonb;
begin
    perform private.lock_orders(array(select i.id from jsonb_to_recordset(p_items) i (id bigint)));
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'key', c.refusal, 'params', c.params)) filter (where c.refusal is not null), '[]'),
           coalesce(array_agg(c.id) filter (where c.refusal is null), '{}')
    into v_checks, v_ids from private.release_checks(p_items) c;
    v_lists := private.new_lists(p_me, 'release', v_ids, p_now);
    update public.orders o set released_at = p_now, release_id = l.release_id
    from public.release_orders l
    where l.order_id = o.id and o.id = any (v_ids)
      and l.release_id in (select x.id from jsonb_to_recordset(v_lists) x (id bigint));
    return jsonb_build_object('done', cardinality(v_ids), 'releases', v_lists, 'refused', v_checks);
end;
$$;
comment on function private.release(private.actor, jsonb, timestamptz) is 'Releases what may be released; the rest is answered with its reason.';

create or replace function private.items_to_release(p_items jsonb, p_filter jsonb, p_count integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_items jsonb := p_items;
    v_limit integer := case when p_items is null then 5000 else 500 end;
begin
    if v_items is null then
        select coalesce(jsonb_agg(to_jsonb(r)), '[]') into v_items from private.ready_orders(p_filter - 'after', 5001) r;
        if jsonb_array_length(v_items) is distinct from p_count then
            perform private.fail('PT409', 'bulk.count_changed',
                jsonb_build_object('shown', p_count, 'found', jsonb_array_length(v_items)));
        end if;
    end if;
    if jsonb_array_length(v_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(v_items) > v_limit then
        perform private.fail('PT422', 'bulk.too_many', jsonb_build_object('limit', v_limit));
    end if;
    return v_items;
end;
$$;
comment on function private.items_to_release(jsonb, jsonb, integer) is 'The orders named, or all that are ready under a filter while they are as many as shown: bulk.count_changed, bulk.empty, bulk.too_many.';

create or replace function private.require_releaser() returns private.actor
language plpgsql stable security definer set search_path = '' as $$
begin
    return private.require_member(array['operations', 'manager', 'warehouse']);
end;
$$;
comment on function private.require_releaser() is 'Operations, managers and the warehouse: member.none, member.role.';

create or replace function public.release_orders(
    p_request_id uuid, p_items jsonb, p_filter jsonb default null, p_count integer default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_items jsonb := private.as_items(p_items);
    v_filter jsonb := private.as_filter(p_filter);
    v_answer jsonb := private.begin_request(p_request_id, 'release_orders', jsonb_build_array(v_items, v_filter, p_count));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id,
        private.release(v_me, private.items_to_release(v_items, v_filter, p_count), private.now()));
end;
$$;
grant execute on function public.release_orders(uuid, jsonb, jsonb, integer) to authenticated;
comment on function public.release_orders(uuid, jsonb, jsonb, integer) is
    'Operations, managers, warehouse: releases orders [{id, version}] (at most 500), or with p_items null everything ready under {shop_id, platform} if there are still p_count. Answers {done, releases: [{id, shop_id, count}], refused: [{id, key, params}]}; keys of private.release_checks. bulk.count_changed, bulk.empty, bulk.too_many.';

create or replace function public.preview_release(p_items jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
begin
    return (with checked as (select c.* from private.release_checks(coalesce(private.as_items(p_items), '[]')) c)
        select jsonb_build_object('count', (select count(*) from checked), 'ok', (select count(*) from checked where refusal is null),
            'refused', coalesce((select jsonb_agg(jsonb_build_object('id', id, 'key', refusal, 'params', params)) from checked
                                 where refusal is not null), '[]')));
end;
$$;
grant execute on function public.preview_release(jsonb) to authenticated;
comment on function public.preview_release(jsonb) is 'Operations, managers, warehouse: what releasing [{id, version}] would do: {count, ok, refused: [{id, key, params}]}. Changes nothing.';

-- The list for the ERP ------------------------------------------------------------------------------------------------

create or replace function private.list_for_change(p_release_id bigint) returns public.releases
language plpgsql set search_path = '' as $$
declare
    v public.releases;
begin
    select * into v from public.releases where id = p_release_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'release.none');
    end if;
    if v.undone_at is not null then
        perform private.fail('PT409', 'release.undone', jsonb_build_object('at', v.undone_at));
    end if;
    return v;
end;
$$;
comment on function private.list_for_change(bigint) is 'Locks a list of my shops: release.none, release.undone.';

create or replace function private.list_rows(p_list public.releases) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('order_id', o.id, 'order_no', o.order_no, 'status', o.status, 'amount', o.amount,
        'paid_at', o.paid_at, 'promise_ship_at', o.promise_ship_at, 'buyer_account', o.buyer_account, 'province', o.province,
        'city', o.city, 'district', o.district, 'receiver_masked', o.receiver_masked, 'phone_masked', o.phone_masked,
        'contact_id', c.id, 'contact_state', o.contact_state, 'name', c.name_cipher, 'phone', c.phone_cipher, 'address', c.address_cipher, 'note', c.note_cipher,
        'held_reason', o.held_reason, 'refund', o.refund,
        'kinds', (select jsonb_agg(e.kind order by e.kind) from public.order_exceptions e
                  where e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer')),
        'ship_with', (select e.group_key from public.order_exceptions e
                      where e.order_id = o.id and e.kind = 'duplicate' and e.reason = 'ship_together'),
        'items', (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity)
                    order by i.line_no), '[]') from public.order_items i where i.order_id = o.id)) order by o.id), '[]')
    from public.release_orders l
    join public.orders o on o.id = l.order_id
    left join private.contacts c on c.id = o.contact_id
    where l.release_id = (p_list).id and ((p_list).kind = 'hold' or o.release_id = (p_list).id)
$$;
comment on function private.list_rows(public.releases) is 'Rows of a list with their ciphertexts; an order that was held after its release is no longer in the release list.';

create or replace function public.release_list(p_release_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_now timestamptz := private.now();
    v_list public.releases := private.list_for_change(p_release_id);
    v_rows jsonb := private.list_rows(v_list);
begin
    update public.releases set downloaded_at = coalesce(downloaded_at, v_now), downloaded_by = coalesce(downloaded_by, v_me.member_id)
    where id = p_release_id returning * into v_list;
    perform private.audit(v_me, v_list.shop_id, 'release', p_release_id, v_list.kind || '_downloaded',
        jsonb_build_object('count', jsonb_array_length(v_rows)));
    return jsonb_build_object('release', to_jsonb(v_list), 'rows', v_rows);
end;
$$;
grant execute on function public.release_list(bigint) to authenticated;
comment on function public.release_list(bigint) is
    'Operations, managers, warehouse: the rows of a release or hold list for the ERP, contacts as ciphertexts; recorded, and from now on the release cannot be undone. release.none, release.undone.';

create or replace function public.undo_release(p_request_id uuid, p_release_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_release', to_jsonb(p_release_id));
    v_list public.releases;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_list := private.list_for_change(p_release_id);
    if v_list.kind <> 'release' then
        perform private.fail('PT404', 'release.none');
    end if;
    if v_list.downloaded_at is not null then
        perform private.fail('PT409', 'release.downloaded', jsonb_build_object('at', v_list.downloaded_at,
            'who', (select display_name from public.members where id = v_list.downloaded_by)));
    end if;
    if v_me.role <> 'manager' and (v_list.member_id is distinct from v_me.member_id or v_list.created_at < v_now - interval '10 minutes') then
        perform private.fail('PT403', 'release.undo_right');
    end if;
    with freed as (update public.orders set released_at = null, release_id = null where release_id = p_release_id returning id)
    select coalesce(array_agg(id), '{}') into v_ids from freed;
    update public.releases set undone_at = v_now where id = p_release_id;
    perform private.tell_orders(v_me, v_ids, 'release_undone', jsonb_build_object('release_id', p_release_id), v_now);
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids)));
end;
$$;
grant execute on function public.undo_release(uuid, bigint) to authenticated;
comment on function public.undo_release(uuid, bigint) is
    'Takes a release back while nobody has downloaded its list: its maker for ten minutes, a manager afterwards too. release.none, release.undone, release.downloaded (who, at), release.undo_right.';

create or replace function private.tell_orders(
    p_me private.actor, p_order_ids bigint[], p_action text, p_detail jsonb, p_now timestamptz
) returns void
language sql set search_path = '' as $$
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), o.shop_id, 'order', o.id, p_action, p_detail
    from public.orders o where o.id = any (p_order_ids)
$$;
comment on function private.tell_orders(private.actor, bigint[], text, jsonb, timestamptz) is 'One event per order in the history.';

create or replace function public.pick_list(p_release_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    with chosen as (
        select o.id, o.order_no, o.shop_id, o.receiver_masked, o.province, o.city
        from public.release_orders l join public.releases r on r.id = l.release_id and r.kind = 'release'
        join public.orders o on o.id = l.order_id and o.release_id = l.release_id
        where l.release_id = p_release_id
    ), lines as (
        select c.id as order_id, i.line_no, coalesce(i.sku, p.sku, '') as sku, coalesce(p.name, i.name) as name, i.spec, i.quantity, p.available
        from chosen c join public.order_items i on i.order_id = c.id left join public.products p on p.id = i.product_id
    )
    select jsonb_build_object(
        'by_sku', (select coalesce(jsonb_agg(to_jsonb(s) order by s.sku, s.name, s.spec), '[]') from (
            select sku, name, spec, sum(quantity) as quantity, count(distinct order_id) as orders, min(available) as available
            from lines group by sku, name, spec) s),
        'by_order', (select coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object('items', (
            select coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'spec', l.spec, 'quantity', l.quantity)
                order by l.line_no), '[]') from lines l where l.order_id = c.id)) order by c.id), '[]') from chosen c))
$$;
grant execute on function public.pick_list(bigint) to authenticated;
comment on function public.pick_list(bigint) is
    'Readers of the shop: what to take from the shelves for a release, by SKU and by order {by_sku, by_order}; masked, two empty lists for a release that is not visible.';

-- ==== 54_release_holds.sql ====

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

-- ==== 55_decisions.sql ====

-- 55 ------------------------------------------------------------------------------------------------ review: decisions
--
-- Every decision goes through private.decide: lock, check each item, write, remember how to undo it, tell the history,
-- bring work rows and clocks in line. What cannot be done is answered per item, the rest is done.

create or replace function private.decision_reasons(p_decision text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_decision
        when 'waived' then array['customer_confirmed', 'verified', 'both_wanted', 'stock_coming', 'known_buyer', 'keep_all',
                                 'kept_one', 'ship_together', 'other']
        when 'cancelled' then array['customer_cancelled', 'duplicate_order', 'no_stock', 'undeliverable', 'unreachable',
                                    'fraud', 'other']
        when 'waiting_customer' then array['asked_chat', 'asked_phone', 'asked_sms', 'other']
        when 'reopened' then array['customer_changed', 'mistake', 'later_proof', 'other']
        when 'fixed' then '{}'::text[]
        when 'resume' then '{}'::text[]
    end
$$;
comment on function private.decision_reasons(text) is 'The reasons a decision takes (none: it needs none); null for an unknown decision.';

create or replace function private.check_decision(p_items jsonb, p_decision text, p_reason text, p_limit integer) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_reasons text[] := private.decision_reasons(p_decision);
    v_count integer := case when jsonb_typeof(p_items) = 'array' then jsonb_array_length(p_items) else 0 end;
begin
    if v_reasons is null then
        perform private.fail('PT422', 'decision.unknown');
    end if;
    if v_count = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if v_count > p_limit then
        perform private.fail('PT422', 'bulk.too_many', jsonb_build_object('limit', p_limit));
    end if;
    if (cardinality(v_reasons) > 0) <> (p_reason is not null) or (p_reason is not null and p_reason <> all (v_reasons)) then
        perform private.fail('PT422', 'decision.reason', jsonb_build_object('reasons', v_reasons));
    end if;
    if p_reason = 'other' and exists (
        select from jsonb_to_recordset(p_items) i (note text) where i.note is null or not private.is_cipher(i.note)) then
        perform private.fail('PT422', 'decision.note_missing');
    end if;
end;
$$;
comment on function private.check_decision(jsonb, text, text, integer) is
    'decision.unknown, bulk.empty, bulk.too_many, decision.reason (the reasons allowed), decision.note_missing (reason other, encrypted note per item).';

create or replace function private.lock_items(p_items jsonb) returns void
language sql volatile set search_path = '' as $$
    select private.lock_orders(array(select e.order_id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))));
    select count(*) from (
        select r.order_id from public.order_reviews r
        where r.order_id in (select e.order_id from public.order_exceptions e
                             where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint)))
        order by r.order_id for update) locked;
    select count(*) from (
        select e.id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
        order by e.id for update) locked
$$;
comment on function private.lock_items(jsonb) is 'Orders, work rows, then exceptions, each in the order of their ids: two people cannot block each other for ever.';

create or replace function private.with_siblings(p_items jsonb, p_decision text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'note', i.note)), '[]')
    from jsonb_to_recordset(p_items) i (id bigint, note text)
    join public.order_exceptions given on given.id = i.id
    join public.order_exceptions e on e.order_id = given.order_id and (
        e.id = given.id
        or (p_decision = 'cancelled' and e.state in ('open', 'waiting_customer'))
        or (p_decision = 'reopened' and given.state = 'cancelled' and e.state = 'cancelled'))
$$;
comment on function private.with_siblings(jsonb, text) is
    'An order is cancelled as a whole: its other open exceptions go the same way, and come back together.';

drop function if exists private.write_decision(private.actor, jsonb, text, text, timestamptz); -- until decisions could end
drop function if exists private.change_exceptions(private.actor, jsonb, text, text, timestamptz);
drop function if exists private.decide(private.actor, jsonb, text, text, timestamptz);
drop function if exists public.decide_exceptions(uuid, jsonb, text, text);
drop function if exists public.decide_matching(uuid, jsonb, integer, text, text);

create or replace function private.write_decision(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz
) returns void
language sql set search_path = '' as $$
    update public.order_exceptions e
    set state = case when p_decision in ('resume', 'reopened') then 'open' else p_decision end,
        decided_at = case when p_decision in ('waived', 'cancelled') then p_now end,
        decided_by = case when p_decision in ('waived', 'cancelled') then (p_me).member_id end,
        decided_as = case when p_decision in ('waived', 'cancelled') then (p_me).role end,
        reason = case when p_decision in ('waived', 'cancelled', 'waiting_customer') then p_reason end,
        holds_until = case p_decision when 'waived' then p_until
            when 'waiting_customer' then p_now + make_interval(hours => s.wait_hours) end,
        note_cipher = coalesce(i.note, e.note_cipher)
    from (select distinct on (id) id, note from jsonb_to_recordset(p_items) x (id bigint, note text)) i, public.shops s
    where e.id = i.id and s.id = e.shop_id
$$;
comment on function private.write_decision(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'The new state of checked and locked items [{id, note?}]; a waiver ends at p_until (null: never), a wait after the hours of the shop.';

create or replace function private.undo_items(p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'order_id', e.order_id, 'version', e.version + 1,
        'before', jsonb_build_object('state', e.state, 'decided_at', e.decided_at, 'decided_by', e.decided_by,
            'decided_as', e.decided_as, 'reason', e.reason, 'holds_until', e.holds_until, 'note_cipher', e.note_cipher)) order by e.id), '[]')
    from public.order_exceptions e
    where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
$$;
comment on function private.undo_items(jsonb) is 'Before the write: what an undo restores, and the version it must find.';

create or replace function private.tell_decision(
    p_me private.actor, p_items jsonb, p_action text, p_reason text, p_batch_id bigint, p_now timestamptz
) returns void
language sql set search_path = '' as $$
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, (p_me).role, e.shop_id, 'order', e.order_id, p_action, jsonb_strip_nulls(jsonb_build_object(
        'exception_id', e.id, 'kind', e.kind, 'reason', p_reason, 'batch_id', p_batch_id))
    from public.order_exceptions e
    where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
$$;
comment on function private.tell_decision(private.actor, jsonb, text, text, bigint, timestamptz) is 'One event per exception in the history of its order; the batch that can undo it is named.';

create or replace function private.settle_claims(p_me private.actor, p_order_ids bigint[], p_decision text, p_now timestamptz)
returns void
language sql set search_path = '' as $$
    update public.order_reviews r
    set owner_id = (p_me).member_id,
        claim_until = case when r.state = 'waiting_customer' then p_now + interval '24 hours' else private.lease_end(p_now) end
    where r.order_id = any (p_order_ids) and r.state <> 'done'
      and (r.owner_id = (p_me).member_id
           or (p_decision in ('waiting_customer', 'resume') and (r.owner_id is null or r.claim_until <= p_now)))
$$;
comment on function private.settle_claims(private.actor, bigint[], text, timestamptz) is
    'Deciding is activity: it renews my lease. Who asked the customer keeps the item for a day, until the answer comes.';

create or replace function private.confirm_fixed(p_me private.actor, p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
    perform private.evaluate_orders(array(select distinct e.order_id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))), p_now);
    perform private.evaluate_pool(p.stock_pool_id, p_now) from (
        select distinct s.stock_pool_id from public.order_exceptions e join public.shops s on s.id = e.shop_id
        where e.kind = 'out_of_stock' and e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))) p;
    update public.order_exceptions e
    set decided_by = (p_me).member_id, decided_as = (p_me).role, note_cipher = coalesce(i.note, e.note_cipher)
    from jsonb_to_recordset(p_items) i (id bigint, note text)
    where e.id = i.id and e.state = 'fixed';
    return (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'order_id', e.order_id)), '[]')
            from public.order_exceptions e
            where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint)) and e.state = 'fixed');
end;
$$;
comment on function private.confirm_fixed(private.actor, jsonb, timestamptz) is
    '已修正 is true only if the rule, judged again on the facts of now, no longer holds. Answers with the items that passed.';

create or replace function private.new_batch(p_me private.actor, p_action text, p_items jsonb, p_now timestamptz) returns bigint
language sql set search_path = '' as $$
    insert into public.action_batches (member_id, action, item_count, items, created_at)
    select (p_me).member_id, p_action, jsonb_array_length(p_items), p_items, p_now
    where jsonb_array_length(p_items) > 0
    returning id
$$;
comment on function private.new_batch(private.actor, text, jsonb, timestamptz) is 'Remembers how to undo; null when nothing was done.';

create or replace function private.change_exceptions(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz default null
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_all jsonb := private.with_siblings(p_items, p_decision);
    v_undo jsonb := private.undo_items(v_all);
    v_order_ids bigint[] := array(select distinct u.order_id from jsonb_to_recordset(v_undo) u (order_id bigint) order by 1);
    v_batch bigint;
begin
    if p_decision = 'reopened' then
        perform private.unhold_orders(v_order_ids, 'cancelled');
        perform private.judge_later(v_order_ids, p_now);
    end if;
    perform private.write_decision(p_me, v_all, p_decision, p_reason, p_now, p_until);
    if p_decision = 'cancelled' then
        perform private.hold_orders(v_order_ids, 'cancelled', p_now);
        perform private.judge_later(v_order_ids, p_now);
    end if;
    v_batch := private.new_batch(p_me, p_decision, v_undo, p_now);
    perform private.tell_decision(p_me, v_all, 'exception_' || p_decision, p_reason, v_batch, p_now);
    perform private.refresh_reviews(v_order_ids, p_now, (p_me).member_id);
    perform private.settle_claims(p_me, v_order_ids, p_decision, p_now);
    return v_batch;
end;
$$;
comment on function private.change_exceptions(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'Writes a checked decision with everything that follows from it; answers with the batch that can undo it (null: nothing to do).';

create or replace function private.decide(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ok jsonb;
    v_batch bigint;
begin
    perform private.lock_items(p_items);
    select coalesce(jsonb_agg(to_jsonb(c)), '[]'), coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'order_id', c.order_id, 'note', c.note))
        filter (where c.refusal is null), '[]')
    into v_checks, v_ok from private.decision_checks(p_me, p_items, p_decision, p_now) c;
    if p_decision = 'fixed' and v_ok <> '[]' then
        v_ok := private.confirm_fixed(p_me, v_ok, p_now);
        perform private.tell_decision(p_me, v_ok, 'exception_fixed', null, null, p_now);
        perform private.settle_claims(p_me, array(select x.order_id from jsonb_to_recordset(v_ok) x (order_id bigint)), p_decision, p_now);
    elsif v_ok <> '[]' then
        v_batch := private.change_exceptions(p_me, v_ok, p_decision, p_reason, p_now, p_until);
    end if;
    return jsonb_build_object('batch_id', v_batch, 'done', jsonb_array_length(v_ok), 'items', private.decision_answers(v_checks, v_ok));
end;
$$;
comment on function private.decide(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'One decision on many exceptions: {batch_id, done, items: [{id, order_id, ok, version} | {id, ok: false, key, params}]}.';

create or replace function private.decision_answers(p_checks jsonb, p_ok jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'id', c.id, 'order_id', c.order_id, 'ok', ok.id is not null, 'version', e.version, 'state', e.state,
        'key', case when ok.id is null then coalesce(c.refusal, 'exception.still_holds') end,
        'params', case when ok.id is null then c.params end)) order by c.id), '[]')
    from jsonb_to_recordset(p_checks) c (id bigint, order_id bigint, refusal text, params jsonb)
    left join (select distinct x.id from jsonb_to_recordset(p_ok) x (id bigint)) ok on ok.id = c.id
    left join public.order_exceptions e on e.id = c.id and c.order_id is not null
$$;
comment on function private.decision_answers(jsonb, jsonb) is 'Per item what became of it; checked and not done means that its rule still holds.';

create or replace function private.check_until(p_decision text, p_until timestamptz, p_now timestamptz) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_until is not null and (p_decision is distinct from 'waived' or p_until <= p_now or p_until > p_now + interval '366 days') then
        perform private.fail('PT422', 'decision.until');
    end if;
end;
$$;
comment on function private.check_until(text, timestamptz, timestamptz) is 'decision.until: only a waiver has an end, in the future and within a year.';

create or replace function public.decide_exceptions(
    p_request_id uuid, p_items jsonb, p_decision text, p_reason text default null, p_until timestamptz default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_items jsonb := private.as_items(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'decide_exceptions', jsonb_build_array(v_items, p_decision, p_reason, p_until));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_decision(v_items, p_decision, p_reason, 500);
    perform private.check_until(p_decision, p_until, private.now());
    return private.finish_request(p_request_id, private.decide(v_me, v_items, p_decision, p_reason, private.now(), p_until));
end;
$$;
grant execute on function public.decide_exceptions(uuid, jsonb, text, text, timestamptz) to authenticated;
comment on function public.decide_exceptions(uuid, jsonb, text, text, timestamptz) is
    'Reviewers: decides up to 500 exceptions [{id, version, note?}] at once: fixed (judged again), waived (until p_until), waiting_customer, resume, cancelled (the whole order, held back), reopened. Refuses per item (see private.decision_checks, exception.still_holds); as a whole decision.unknown, decision.reason, decision.until, decision.note_missing, bulk.empty, bulk.too_many, review.not_reviewer.';

-- Many of the same ----------------------------------------------------------------------------------------------------

create or replace function private.matching_exceptions(p_me private.actor, p_filter jsonb, p_now timestamptz)
returns table (id bigint, version integer)
language sql stable set search_path = '' as $$
    select e.id, e.version
    from public.order_exceptions e
    join public.order_reviews r on r.order_id = e.order_id
    where e.state in ('open', 'waiting_customer') and e.is_blocking and e.kind = p_filter ->> 'kind'
      and e.shop_id in (select private.my_shop_ids())
      and (p_filter ->> 'same_key' is null or e.same_key = p_filter ->> 'same_key')
      and (p_filter ->> 'state' is null or e.state = p_filter ->> 'state')
      and (p_filter ->> 'shop_id' is null or e.shop_id = (p_filter ->> 'shop_id')::bigint)
      and (p_filter ->> 'platform' is null
           or e.shop_id in (select s.id from public.shops s where s.platform = p_filter ->> 'platform'))
      and (p_filter ->> 'amount_min' is null or r.amount >= (p_filter ->> 'amount_min')::numeric)
      and (p_filter ->> 'amount_max' is null or r.amount <= (p_filter ->> 'amount_max')::numeric)
      and case p_filter ->> 'owner' when 'me' then r.owner_id = (p_me).member_id and r.claim_until > p_now
          when 'none' then r.owner_id is null or r.claim_until <= p_now else true end
      and case p_filter ->> 'due' when 'overdue' then r.due_at < p_now
          when 'soon' then r.due_at between p_now and p_now + interval '30 minutes' else true end
    order by e.id
    limit 2001
$$;
comment on function private.matching_exceptions(private.actor, jsonb, timestamptz) is
    'Open exceptions of one kind in my shops that match {kind, same_key, state, shop_id, platform, amount_min, amount_max, owner me|none, due overdue|soon}.';

create or replace function private.matching_items(p_me private.actor, p_filter jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_items jsonb;
begin
    if p_filter ->> 'kind' is null then
        perform private.fail('PT422', 'filter.kind_missing');
    end if;
    select coalesce(jsonb_agg(to_jsonb(m)), '[]') into v_items from private.matching_exceptions(p_me, p_filter, p_now) m;
    return v_items;
end;
$$;
comment on function private.matching_items(private.actor, jsonb, timestamptz) is 'The matching exceptions as items to decide (at most 2,001, so that too many can be told). filter.kind_missing.';

create or replace function public.decide_matching(
    p_request_id uuid, p_filter jsonb, p_count integer, p_decision text, p_reason text default null, p_until timestamptz default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_matching',
        jsonb_build_array(p_filter, p_count, p_decision, p_reason, p_until));
    v_items jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_items := private.matching_items(v_me, private.as_filter(p_filter), v_now);
    if jsonb_array_length(v_items) is distinct from p_count then
        perform private.fail('PT409', 'bulk.count_changed',
            jsonb_build_object('shown', p_count, 'found', jsonb_array_length(v_items)));
    end if;
    perform private.check_decision(v_items, p_decision, p_reason, 2000);
    perform private.check_until(p_decision, p_until, v_now);
    return private.finish_request(p_request_id, private.decide(v_me, v_items, p_decision, p_reason, v_now, p_until));
end;
$$;
grant execute on function public.decide_matching(uuid, jsonb, integer, text, text, timestamptz) to authenticated;
comment on function public.decide_matching(uuid, jsonb, integer, text, text, timestamptz) is
    'Reviewers: decides all open exceptions of a kind that match a filter (see private.matching_exceptions), if there are still as many as were shown (at most 2,000). bulk.count_changed (shown, found), filter.kind_missing, and what decide_exceptions refuses; reason other needs notes and is refused.';

create or replace function public.preview_decision(p_items jsonb, p_filter jsonb, p_decision text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), private.matching_items(v_me, private.as_filter(p_filter), v_now));
begin
    return (
        with checked as (select c.* from private.decision_checks(v_me, v_items, p_decision, v_now) c)
        select jsonb_build_object('count', (select count(*) from checked), 'ok', (select count(*) from checked where refusal is null),
            'orders', (select count(distinct order_id) from checked where refusal is null),
            'amount', (select sum(o.amount) from public.orders o where o.id in (select order_id from checked where refusal is null)),
            'refused', coalesce((select jsonb_agg(jsonb_build_object('key', refusal, 'count', n, 'params', params) order by n desc)
                from (select refusal, count(*) as n, min(params::text)::jsonb as params from checked
                      where refusal is not null group by refusal) r), '[]')));
end;
$$;
grant execute on function public.preview_decision(jsonb, jsonb, text) to authenticated;
comment on function public.preview_decision(jsonb, jsonb, text) is
    'Reviewers: what a decision on these items [{id, version}] (or, with items null, on a filter) would do: {count, ok, orders, amount, refused: [{key, count, params of one}]}. Changes nothing. filter.kind_missing.';

-- Duplicate groups ----------------------------------------------------------------------------------------------------

create or replace function private.check_group(p_shop_id bigint, p_group_key text, p_items jsonb, p_decision text, p_keep_order_id bigint)
returns void
language plpgsql stable set search_path = '' as $$
declare
    v_found bigint[] := array(select e.id from public.order_exceptions e
        where e.shop_id = p_shop_id and e.group_key = p_group_key and e.kind = 'duplicate'
          and e.state in ('open', 'waiting_customer') and e.shop_id in (select private.my_shop_ids()) order by e.id);
begin
    if p_decision is null or p_decision not in ('keep_all', 'keep_one', 'ship_together') then
        perform private.fail('PT422', 'decision.unknown');
    end if;
    if cardinality(v_found) = 0 then
        perform private.fail('PT404', 'group.none');
    end if;
    if v_found <> array(select i.id from jsonb_to_recordset(p_items) i (id bigint) order by i.id) then
        perform private.fail('PT409', 'group.changed', jsonb_build_object('found', cardinality(v_found)));
    end if;
    if p_decision = 'keep_one' and not exists (select from public.order_exceptions e
        where e.id = any (v_found) and e.order_id = p_keep_order_id) then
        perform private.fail('PT422', 'group.keep_missing');
    end if;
end;
$$;
comment on function private.check_group(bigint, text, jsonb, text, bigint) is
    'decision.unknown, group.none, group.changed (an order joined or left since it was shown), group.keep_missing.';

create or replace function private.refuse_any(p_checks jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_first jsonb := (select c from jsonb_array_elements(p_checks) c where c ->> 'refusal' is not null limit 1);
begin
    if v_first is not null then
        perform private.fail(case when v_first ->> 'refusal' in ('exception.never_waived', 'exception.needs_warehouse',
            'exception.needs_manager', 'review.not_reviewer') then 'PT403' else 'PT409' end, v_first ->> 'refusal', v_first -> 'params');
    end if;
end;
$$;
comment on function private.refuse_any(jsonb) is 'A group is decided as a whole or not at all: the first refusal of an item refuses it.';

create or replace function public.decide_group(
    p_request_id uuid, p_shop_id bigint, p_group_key text, p_items jsonb, p_decision text, p_keep_order_id bigint default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), '[]');
    v_answer jsonb := private.begin_request(p_request_id, 'decide_group',
        jsonb_build_array(p_shop_id, p_group_key, v_items, p_decision, p_keep_order_id));
    v_kept jsonb;
    v_dropped jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.lock_items(v_items);
    perform private.check_group(p_shop_id, p_group_key, v_items, p_decision, p_keep_order_id);
    select coalesce(jsonb_agg(to_jsonb(i)) filter (where p_decision <> 'keep_one' or e.order_id = p_keep_order_id), '[]'),
           coalesce(jsonb_agg(to_jsonb(i)) filter (where p_decision = 'keep_one' and e.order_id <> p_keep_order_id), '[]')
    into v_kept, v_dropped
    from jsonb_to_recordset(v_items) i (id bigint, version integer) join public.order_exceptions e on e.id = i.id;
    perform private.refuse_any((select jsonb_agg(to_jsonb(c)) from (
        select * from private.decision_checks(v_me, v_kept, 'waived', v_now) union all
        select * from private.decision_checks(v_me, v_dropped, 'cancelled', v_now)) c));
    return private.finish_request(p_request_id, private.write_group(v_me, v_kept, v_dropped, p_decision, v_now));
end;
$$;
grant execute on function public.decide_group(uuid, bigint, text, jsonb, text, bigint) to authenticated;
comment on function public.decide_group(uuid, bigint, text, jsonb, text, bigint) is
    'Reviewers: decides a duplicate group as a whole: keep_all, keep_one (p_keep_order_id stays, the others are cancelled), ship_together; p_items [{id, version}] of all its open duplicate exceptions. Answers {batch_id, done, kept, cancelled}. decision.unknown, group.none, group.changed, group.keep_missing, or the first refusal of an item.';

create or replace function private.write_group(
    p_me private.actor, p_kept jsonb, p_dropped jsonb, p_decision text, p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_first bigint := private.change_exceptions(p_me, p_kept, 'waived',
        case p_decision when 'keep_one' then 'kept_one' else p_decision end, p_now);
    v_second bigint;
begin
    if p_dropped <> '[]' then
        v_second := private.change_exceptions(p_me, p_dropped, 'cancelled', 'duplicate_order', p_now);
        update public.action_batches b set items = b.items || s.items, item_count = b.item_count + s.item_count, action = 'keep_one'
        from public.action_batches s where b.id = v_first and s.id = v_second;
        delete from public.action_batches where id = v_second;
    end if;
    return jsonb_build_object('batch_id', v_first, 'done', jsonb_array_length(p_kept) + jsonb_array_length(p_dropped),
        'kept', jsonb_array_length(p_kept), 'cancelled', jsonb_array_length(p_dropped));
end;
$$;
comment on function private.write_group(private.actor, jsonb, jsonb, text, timestamptz) is 'Waives the kept and cancels the dropped orders of a group, as one batch to undo.';

-- ==== 55_decisions_undo.sql ====

-- 55 ---------------------------------------------------------------------------- review: undo, and what ends by itself

-- Undo ----------------------------------------------------------------------------------------------------------------

create or replace function private.batch_for_undo(p_me private.actor, p_batch_id bigint, p_now timestamptz)
returns public.action_batches
language plpgsql set search_path = '' as $$
declare
    v public.action_batches;
begin
    select * into v from public.action_batches where id = p_batch_id and member_id = (p_me).member_id for update;
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
comment on function private.batch_for_undo(private.actor, bigint, timestamptz) is
    'My own batch of the last ten minutes, locked: undo.none, undo.done, undo.too_late.';

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
    v_batch := private.batch_for_undo(v_me, p_batch_id, v_now);
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

-- ==== 55_order_contact.sql ====

-- 55 ------------------------------------------------------- review: correcting and opening a contact, an order's story

-- Correcting the contact ----------------------------------------------------------------------------------------------

create or replace function private.order_to_correct(p_me private.actor, p_order_id bigint, p_version integer, p_now timestamptz)
returns public.orders
language plpgsql set search_path = '' as $$
declare
    v public.orders;
    v_review public.order_reviews;
begin
    select * into v from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'order.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'order.stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    if v.released_at is not null then
        perform private.fail('PT409', 'order.released', jsonb_build_object('order_no', v.order_no));
    end if;
    if v.status not in ('to_ship', 'unpaid') then
        perform private.fail('PT409', 'order.not_waiting', jsonb_build_object('order_no', v.order_no));
    end if;
    select * into v_review from public.order_reviews where order_id = p_order_id;
    if v_review.owner_id <> (p_me).member_id and v_review.claim_until > p_now then
        perform private.fail('PT409', 'review.claimed', jsonb_build_object('until', v_review.claim_until,
            'who', (select display_name from public.members where id = v_review.owner_id)));
    end if;
    return v;
end;
$$;
comment on function private.order_to_correct(private.actor, bigint, integer, timestamptz) is
    'Locks the order: order.none, order.stale, order.released, order.not_waiting, review.claimed.';

create or replace function private.is_reserved(p_contact_id bigint) returns boolean
language sql volatile set search_path = '' as $$
    select coalesce(p_contact_id between 1 and (select s.last_value from private.contact_ids s where s.is_called), false)
$$;
comment on function private.is_reserved(bigint) is 'Whether reserve_contact_ids gave this id to somebody: one that it will give later must stay free.';

create or replace function private.store_contact(p_contact_id bigint, p_contact jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint := coalesce(p_contact_id, case when private.is_id(p_contact ->> 'id') then (p_contact ->> 'id')::bigint end);
begin
    if v_id is null or not private.is_reserved(v_id) then
        perform private.fail('PT422', 'contact.form');
    end if;
    if exists (select from jsonb_each_text(p_contact) c
        where c.key in ('name', 'phone', 'address', 'note') and not private.is_cipher(c.value)) then
        perform private.fail('PT422', 'contact.form');
    end if;
    insert into private.contacts as c (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher, name_hash, phone_hash, phone_last4_hash)
    values (v_id, 'order', p_contact ->> 'name', p_contact ->> 'phone', p_contact ->> 'address', p_contact ->> 'note',
            p_contact ->> 'name_hash', p_contact ->> 'phone_hash', p_contact ->> 'phone_last4_hash')
    on conflict (id) do update set
        name_cipher = coalesce(excluded.name_cipher, c.name_cipher), name_hash = coalesce(excluded.name_hash, c.name_hash),
        phone_cipher = coalesce(excluded.phone_cipher, c.phone_cipher),
        phone_hash = case when excluded.phone_cipher is null then c.phone_hash else excluded.phone_hash end,
        phone_last4_hash = case when excluded.phone_cipher is null then c.phone_last4_hash else excluded.phone_last4_hash end,
        address_cipher = coalesce(excluded.address_cipher, c.address_cipher),
        note_cipher = coalesce(excluded.note_cipher, c.note_cipher)
    where c.id = p_contact_id;
    if not found then
        perform private.fail('PT409', 'contact.taken');
    end if;
    return v_id;
end;
$$;
comment on function private.store_contact(bigint, jsonb) is
    'Writes what was corrected and keeps the rest. contact.form (no ciphertext, no id), contact.taken (the id belongs to another record).';

create or replace function public.correct_order(
    p_request_id uuid, p_order_id bigint, p_version integer, p_contact jsonb, p_province text, p_city text, p_district text,
    p_facts_hash text
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer('{}');
    v_now timestamptz := private.now();
    v_contact jsonb := coalesce(private.as_json(p_contact), '{}');
    v_answer jsonb := private.begin_request(p_request_id, 'correct_order', jsonb_build_array(p_order_id,
        p_version, v_contact - '{name,phone,address,note}'::text[], p_province, p_city, p_district, p_facts_hash));
    v_order public.orders;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if jsonb_typeof(v_contact) <> 'object' or coalesce(p_facts_hash, '') !~ '^[a-p]{64}$' or not private.is_masked(v_contact ->> 'name_masked', v_contact ->> 'phone_masked')
        or not (private.is_region(p_province) and private.is_region(p_city) and private.is_region(p_district)) then
        perform private.fail('PT422', 'contact.form');
    end if;
    v_order := private.order_to_correct(v_me, p_order_id, p_version, v_now);
    update public.orders set contact_id = private.store_contact(v_order.contact_id, v_contact),
        receiver_masked = coalesce(v_contact ->> 'name_masked', receiver_masked),
        phone_masked = coalesce(v_contact ->> 'phone_masked', phone_masked),
        contact_state = coalesce(v_contact ->> 'state', 'ok'),
        province = p_province, city = p_city, district = p_district,
        platform_facts_hash = coalesce(platform_facts_hash, facts_hash), facts_hash = p_facts_hash,
        checked_facts_hash = null -- whatever hash a caller names, an older verdict is not one about this contact
    where id = p_order_id returning * into v_order;
    perform private.audit(v_me, v_order.shop_id, 'order', p_order_id, 'contact_corrected', jsonb_build_object('fields',
        (select jsonb_agg(k order by k) from jsonb_object_keys(v_contact) k where k in ('name', 'phone', 'address'))));
    perform private.settle_claims(v_me, array[p_order_id], 'resume', v_now);
    return private.finish_request(p_request_id,
        jsonb_build_object('order_id', p_order_id, 'version', v_order.version, 'contact_id', v_order.contact_id));
end;
$$;
grant execute on function public.correct_order(uuid, bigint, integer, jsonb, text, text, text, text) to authenticated;
comment on function public.correct_order(uuid, bigint, integer, jsonb, text, text, text, text) is
    'Reviewers (not the warehouse): what the customer said is right. p_contact {id?, name?, phone?, address?, note?: ciphertexts, hashes, masks, state}; the order is unchecked until the service stores the verdict on p_facts_hash. order.none, order.stale, order.released, order.not_waiting, review.claimed, contact.form, contact.taken.';

-- Opening personal data -----------------------------------------------------------------------------------------------

create or replace function private.watch_reveals(p_me private.actor, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    if ((select count(*) from public.audit_events where member_id = (p_me).member_id and at > p_now - interval '1 hour'
            and action = 'contact_revealed' and not (detail ->> 'claimed')::boolean) > 30
        or (select count(*) from public.audit_events where member_id = (p_me).member_id and at > p_now - interval '1 hour'
            and action = 'contact_revealed') > 90)
        and not exists (select from public.audit_events where entity = 'member' and entity_id = (p_me).member_id
            and action = 'reveals_many' and at > p_now - interval '1 hour') then
        perform private.audit(p_me, null, 'member', (p_me).member_id, 'reveals_many', '{"limit": 30, "minutes": 60}');
    end if;
end;
$$;
comment on function private.watch_reveals(private.actor, timestamptz) is
    'More than 30 reveals an hour outside one''s claimed items, or 90 in all, are told to the managers, once an hour.';

create or replace function public.reveal_contact(p_entity text, p_id bigint, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'warehouse', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_order public.orders;
    v_claimed boolean;
begin
    select * into v_order from public.orders where id = p_id and p_entity = 'order' and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'order.none');
    end if;
    v_claimed := exists (select from public.order_reviews
        where order_id = p_id and owner_id = v_me.member_id and claim_until > v_now);
    if not v_claimed and coalesce(p_reason, '')
        not in ('contact_customer', 'address_check', 'courier', 'after_sales', 'complaint', 'audit') then
        perform private.fail('PT422', 'reveal.reason');
    end if;
    perform private.audit(v_me, v_order.shop_id, 'order', p_id, 'contact_revealed',
        jsonb_strip_nulls(jsonb_build_object('claimed', v_claimed, 'reason', p_reason)));
    perform private.watch_reveals(v_me, v_now);
    return (select jsonb_build_object('contact_id', c.id, 'contact_state', v_order.contact_state, 'version', v_order.version, 'name', c.name_cipher, 'phone', c.phone_cipher,
                'address', c.address_cipher, 'note', c.note_cipher)
            from (select v_order.contact_id as id) o left join private.contacts c on c.id = o.id);
end;
$$;
grant execute on function public.reveal_contact(text, bigint, text) to authenticated;
comment on function public.reveal_contact(text, bigint, text) is
    'Everybody but analysts: the ciphertexts of an order''s contact, each time recorded. My claimed item is the reason; otherwise one of contact_customer, address_check, courier, after_sales, complaint, audit. order.none, reveal.reason.';

-- What happened -------------------------------------------------------------------------------------------------------

create or replace function public.order_timeline(p_order_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if not exists (select from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'order.none');
    end if;
    return (
        with told (at, action, who, actor, detail) as (
            select a.at, a.action, m.display_name, a.actor, a.detail
            from public.audit_events a left join public.members m on m.id = a.member_id
            where a.entity = 'order' and a.entity_id = p_order_id
            union all
            select e.detected_at, 'exception_found', null, 'system', jsonb_build_object('kind', e.kind)
            from public.order_exceptions e where e.order_id = p_order_id
            union all
            select e.decided_at, 'exception_cleared', null, 'system', jsonb_build_object('kind', e.kind)
            from public.order_exceptions e where e.order_id = p_order_id and e.decided_as = 'system'
            union all
            select v.at, 'clock_' || v.kind, m.display_name, 'system', jsonb_strip_nulls(jsonb_build_object('due_at', v.due_at, 'reason', v.reason))
            from public.sla_clocks c join public.sla_clock_events v on v.clock_id = c.id left join public.members m on m.id = v.actor_id
            where c.entity = 'order_review' and c.entity_id = p_order_id
            union all
            select x.at, x.action, null, 'platform', '{}'
            from public.orders o cross join lateral (values (o.placed_at, 'placed'), (o.paid_at, 'paid'), (o.shipped_at, 'shipped'),
                (o.signed_at, 'signed'), (o.completed_at, 'completed')) x (at, action)
            where o.id = p_order_id and x.at is not null)
        select coalesce(jsonb_agg(to_jsonb(t) order by t.at desc, t.action), '[]') from (select * from told order by at desc limit 200) t);
end;
$$;
grant execute on function public.order_timeline(bigint) to authenticated;
comment on function public.order_timeline(bigint) is
    'Readers of the order: what happened to it, newest first [{at, action, who, actor, detail}], free of personal data; at most 200. order.none.';

-- ==== 55_waits.sql ====

-- 55 ----------------------------------------------------------------------- waits: who hears that a customer never answered

do $$
begin
    if not exists (select from private.schema_steps where step = '55.1 messages of ended waits') then
        alter table public.notifications drop constraint notifications_kind_known;
        alter table public.notifications add constraint notifications_kind_known
            check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily', 'wait_ended'));
        insert into private.schema_steps (step) values ('55.1 messages of ended waits');
    end if;
end;
$$;
create index if not exists notifications_waits_idx on public.notifications ((params ->> 'entity_id')) where kind = 'wait_ended' and closed_at is null;
comment on column public.notifications.params is
    'due_soon, overdue, returned (给回领取池), raised, wait_ended: {label, entity, entity_id, target, policy, shop, due_at}; digest, and wait_ended of more than three orders: {count, items: [{label, path, entity, due_at}] (ten worst)}, a digest also {overdue}; daily: figures.';

create or replace function private.who_asked(p_order_id bigint) returns bigint
language sql stable set search_path = '' as $$
    select a.member_id from public.audit_events a
    where a.entity = 'order' and a.entity_id = p_order_id and a.action = 'exception_waiting_customer' order by a.id desc limit 1
$$;
comment on function private.who_asked(bigint) is 'Who asked the customer of an order last.';

create or replace function private.waits_told(p_waits jsonb, p_now timestamptz) returns table (order_id bigint, member_id bigint)
language sql stable set search_path = '' as $$
    with wait as materialized (
        select distinct on (w.order_id) w.order_id, w.shop_id, m.id as asker_id,
            case when private.is_on_duty(m.id, p_now) then m.id end as owner_id
        from pg_catalog.jsonb_to_recordset(p_waits) w (order_id bigint, shop_id bigint)
        join public.order_reviews r on r.order_id = w.order_id and r.state = 'open'
        left join public.members m on m.id = private.who_asked(w.order_id) and m.state = 'active'
            and exists (select from public.member_shops k where k.member_id = m.id and k.shop_id = w.shop_id)
        order by w.order_id, m.id
    ), desk as materialized (
        select pg_catalog.row_number() over () as id, d.shop_id, 'order_review' as entity, '{owner}'::text[] as who, d.owner_id
        from (select distinct shop_id, owner_id from wait) d
    ), person as materialized (
        select d.shop_id, d.owner_id, p.member_id, p.role
        from private.people_of((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(d)) from desk d), p_now) p join desk d on d.id = p.audience_id
    )
    select distinct t.order_id, t.member_id from (
        select w.order_id, w.asker_id, case when p.role = 'duty_lead' then coalesce(w.asker_id, p.member_id) else p.member_id end as member_id
        from wait w join person p on p.shop_id = w.shop_id and p.owner_id is not distinct from w.owner_id
    ) t
    left join public.member_reminders s on s.member_id = t.member_id
    where case s.preset when 'urgent' then false when 'mentions' then t.member_id = t.asker_id else true end
$$;
comment on function private.waits_told(jsonb, timestamptz) is
    'Who hears that the waits of orders [{order_id, shop_id}] are over: who asked; the colleagues on duty while he is off; he again when nobody is there to take over. Not who wants to hear of less.';

create or replace function private.tell_waits_ended(p_waits jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with line as materialized (
        select t.member_id, c.due_at, o.id as order_id, '/orders?id=' || o.id as path, pg_catalog.jsonb_build_object('label', o.order_no,
                'entity', c.entity, 'entity_id', c.entity_id, 'target', c.target, 'policy', c.policy ->> 'name', 'shop', s.name,
                'due_at', c.due_at, 'path', '/orders?id=' || o.id) as item,
            pg_catalog.count(*) over (partition by t.member_id) as count,
            pg_catalog.row_number() over (partition by t.member_id order by c.due_at, o.id) as place
        from private.waits_told(p_waits, p_now) t
        join public.orders o on o.id = t.order_id
        join public.order_reviews r on r.order_id = o.id
        join public.sla_clocks c on c.id = r.clock_id
        join public.shops s on s.id = o.shop_id
    )
    insert into public.notifications (member_id, kind, params, path, created_at)
    select l.member_id, 'wait_ended', l.item, l.path, p_now from line l where l.count <= 3
    union all
    select l.member_id, 'wait_ended', pg_catalog.jsonb_build_object('count', l.count,
        'items', pg_catalog.jsonb_agg(l.item order by l.place) filter (where l.place <= 10)), '/orders', p_now
    from line l where l.count > 3 group by l.member_id, l.count
$$;
comment on function private.tell_waits_ended(jsonb, timestamptz) is
    'A message in the app that the wait for the customer is over and the deadline runs on: up to three by themselves, more as one.';

create or replace function private.tg_close_waits() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.notifications set closed_at = new.updated_at
    where kind = 'wait_ended' and closed_at is null and params ->> 'entity_id' = new.entity_id::text;
    return null;
end;
$$;
comment on function private.tg_close_waits() is 'The order was decided, or the customer asked again: the message of its ended wait lapses.';
create or replace trigger t61_close_waits after update on public.sla_clocks
    for each row when (new.entity = 'order_review' and ((old.stopped_at is null and new.stopped_at is not null)
        or (old.paused_at is null and new.paused_at is not null)))
    execute function private.tg_close_waits();

-- ==== 56_trial.sql ====

-- 56 ------------------------------------------------------------------------------ trial: what a file of orders would do
--
-- The preview of an import runs the import itself, on the real orders, and takes everything back. What it says is
-- therefore what the import would find: duplicates, stock, IP addresses and provinces included.

create or replace function private.trial_import(p_shop_id bigint, p_rows jsonb, p_verdicts jsonb, p_as_of timestamptz, p_version text)
returns public.imports
language plpgsql set search_path = '' as $$
declare
    v_import public.imports;
begin
    insert into public.imports (kind, shop_id, stock_pool_id, file_name, file_hash, state, as_of, actor, started_at, touched_at, finished_at)
    select 'orders', s.id, s.stock_pool_id, 'trial', 'trial', 'done', p_as_of, 'trial', private.now(), private.now(), private.now()
    from public.shops s where s.id = p_shop_id
    returning * into v_import;
    insert into private.import_rows (import_id, row_no, chunk_no, key, payload)
    select v_import.id, (r ->> 'row')::integer, 0, private.staged_key('orders', r), r
    from jsonb_array_elements(p_rows) r on conflict do nothing;
    insert into private.import_verdicts (import_id, row_no, facts_hash, findings, version)
    select v_import.id, (v ->> 'row')::integer, v ->> 'facts_hash', coalesce(v -> 'findings', '[]'), p_version
    from jsonb_array_elements(p_verdicts) v on conflict do nothing;
    return v_import;
end;
$$;
comment on function private.trial_import(bigint, jsonb, jsonb, timestamptz, text) is
    'The staged rows of a trial, under an import that blocks no other one. Only inside private.try_orders, which takes it back.';

create or replace function private.try_orders(p_import public.imports) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_last integer := 2147483647;
begin
    perform private.apply_orders(p_import, v_last, private.now());
    perform private.evaluate_orders(private.refresh_verdicts(p_import, v_last), private.now());
    perform private.evaluate_pool(p_import.stock_pool_id, private.now());
    return (select jsonb_build_object('accepted', count(*) filter (where r.outcome = 'accepted'),
            'updated', count(*) filter (where r.outcome = 'updated'), 'unchanged', count(*) filter (where r.outcome = 'unchanged'),
            'exceptions', private.open_exceptions(p_import.id))
        from private.import_results r where r.import_id = p_import.id);
end;
$$;
comment on function private.try_orders(public.imports) is 'Applies, judges and counts a trial: {accepted, updated, unchanged, exceptions}.';

create or replace function public.import_trial(
    p_shop_id bigint, p_platform text, p_rows jsonb, p_verdicts jsonb, p_as_of timestamptz, p_rules_version text
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(private.import_roles('orders'));
    v_rows jsonb := private.as_json(p_rows);
    v_shop_id bigint := p_shop_id;
    v_answer jsonb;
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    elsif v_me.role <> 'system' then
        perform private.fail('PT422', 'import.shop_missing');
    end if;
    perform private.check_staged('orders', v_rows);
    begin
        v_shop_id := coalesce(p_shop_id, private.ensure_shop('t' || left(replace(gen_random_uuid()::text, '-', ''), 18), 'trial', p_platform));
        v_answer := private.try_orders(private.trial_import(v_shop_id, v_rows, private.as_json(p_verdicts), p_as_of, p_rules_version));
        raise exception using errcode = 'TRIAL';
    exception
        when sqlstate 'TRIAL' then
            return v_answer;
        when check_violation or not_null_violation or data_exception or foreign_key_violation or unique_violation then
            perform private.fail('PT422', 'import.bad_row');
    end;
end;
$$;
grant execute on function public.import_trial(bigint, text, jsonb, jsonb, timestamptz, text) to authenticated, service_role;
comment on function public.import_trial(bigint, text, jsonb, jsonb, timestamptz, text) is
    'What an import of these orders (at most 5,000, rows and verdicts as they are staged) would do: {accepted, updated, unchanged, exceptions}. It is done and taken back: changes nothing. The service may leave out the shop: then one of the platform that is new. shop.none, import.shop_missing, import.bad_row, import.clear_text, bulk.too_many.';

-- ==== 57_rule_changes.sql ====

-- 57 ------------------------------------------------------------ rules: changing one, what that does, who changed what

-- Changing a rule -----------------------------------------------------------------------------------------------------

create or replace function private.number_within(p_params jsonb, p_name text, p_min integer, p_max integer) returns boolean
language sql immutable set search_path = '' as $$
    select jsonb_typeof(p_params -> p_name) = 'number' and (p_params ->> p_name) ~ '^[0-9]{1,6}$'
        and (p_params ->> p_name)::integer between p_min and p_max
$$;

create or replace function private.words_within(p_params jsonb, p_name text, p_max integer, p_length integer) returns boolean
language sql immutable set search_path = '' as $$
    select jsonb_typeof(p_params -> p_name) = 'array' and jsonb_array_length(p_params -> p_name) <= p_max
        and not exists (select from jsonb_array_elements(p_params -> p_name) w
            where jsonb_typeof(w) <> 'string' or char_length(w #>> '{}') not between 1 and p_length)
$$;

create or replace function private.check_rule(p_kind text, p_rule jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_params jsonb := coalesce(p_rule -> 'params', '{}');
begin
    if not exists (select from public.exception_rules where kind = p_kind and shop_id is null) then
        perform private.fail('PT404', 'rule.none');
    end if;
    if (p_kind in ('unpaid', 'refund_stop') and p_rule ->> 'waived_by' <> 'never')
        or p_rule ->> 'waived_by' not in ('reviewer', 'manager', 'warehouse', 'never')
        or p_rule ->> 'severity' not in ('normal', 'high') then
        perform private.fail('PT422', 'rule.bad_value', jsonb_build_object('kind', p_kind));
    end if;
    if p_rule ? 'params' and not coalesce(case p_kind
        when 'duplicate' then private.number_within(v_params, 'window_minutes', 1, 1440)
        when 'same_ip' then private.number_within(v_params, 'orders', 2, 100) and private.number_within(v_params, 'minutes', 1, 1440)
            and private.number_within(v_params, 'accounts', 1, 2)
        when 'remote' then private.words_within(v_params, 'provinces', 40, 10)
        when 'suspicious' then v_params = '{}' or (private.words_within(v_params, 'keywords', 500, 40)
            and private.words_within(v_params, 'allow', 500, 40))
        else v_params = '{}' end, false) then
        perform private.fail('PT422', 'rule.bad_params', jsonb_build_object('kind', p_kind));
    end if;
end;
$$;
comment on function private.check_rule(text, jsonb) is 'rule.none, rule.bad_value (who may waive, severity), rule.bad_params (limits of the parameters).';

create or replace function private.write_rule(p_shop_id bigint, p_kind text, p_rule jsonb) returns public.exception_rules
language sql set search_path = '' as $$
    insert into public.exception_rules as r (shop_id, kind, is_active, is_blocking, severity, waived_by, params)
    select p_shop_id, d.kind, coalesce((p_rule ->> 'is_active')::boolean, d.is_active),
        coalesce((p_rule ->> 'is_blocking')::boolean, d.is_blocking), coalesce(p_rule ->> 'severity', d.severity),
        coalesce(p_rule ->> 'waived_by', d.waived_by), coalesce(p_rule -> 'params', d.params)
    from public.exception_rules d
    where d.kind = p_kind and (d.shop_id is null or d.shop_id = p_shop_id) order by d.shop_id nulls last limit 1
    on conflict (shop_id, kind) do update set is_active = excluded.is_active, is_blocking = excluded.is_blocking,
        severity = excluded.severity, waived_by = excluded.waived_by, params = excluded.params
    returning r.*
$$;
comment on function private.write_rule(bigint, text, jsonb) is 'The default rule, or the shop''s own (a copy of the default at first) with these values changed.';

create or replace function private.rule_for_change(p_me private.actor, p_shop_id bigint, p_kind text, p_version integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_version integer;
begin
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
    end if;
    select version into v_version from public.exception_rules
    where kind = p_kind and shop_id is not distinct from p_shop_id for update;
    if coalesce(v_version, 0) <> coalesce(p_version, 0) then
        perform private.fail('PT409', 'rule.stale', jsonb_build_object('kind', p_kind));
    end if;
end;
$$;

create or replace function private.reevaluate(p_shop_id bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_orders bigint[] := private.waiting_orders(p_shop_id, 0, 501);
    v_shop record;
begin
    for v_shop in select s.id, s.stock_pool_id from public.shops s where p_shop_id is null or s.id = p_shop_id loop
        if cardinality(v_orders) > 500 then
            perform private.enqueue('evaluate_shop', jsonb_build_object('shop_id', v_shop.id), 'evaluate:' || v_shop.id, p_now);
        else
            perform private.evaluate_pool(v_shop.stock_pool_id, p_now);
        end if;
        perform private.queue_recheck(v_shop.id, p_now);
    end loop;
    if cardinality(v_orders) <= 500 then
        perform private.evaluate_orders(v_orders, p_now);
    end if;
end;
$$;
comment on function private.reevaluate(bigint, timestamptz) is
    'After a rule changed: up to 500 waiting orders at once, more by the worker; words changed = the checks run again (worker).';

create or replace function public.save_rule(p_shop_id bigint, p_kind text, p_rule jsonb, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_rule jsonb := private.as_json(p_rule);
    v_answer jsonb := private.begin_request(p_request_id, 'save_rule', jsonb_build_array(p_shop_id, p_kind, v_rule, p_version));
    v_saved public.exception_rules;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_rule(p_kind, v_rule);
    perform private.rule_for_change(v_me, p_shop_id, p_kind, p_version);
    v_saved := private.write_rule(p_shop_id, p_kind, v_rule);
    perform private.reevaluate(p_shop_id, private.now());
    perform private.audit(v_me, p_shop_id, 'exception_rule', v_saved.id, 'saved', v_rule || jsonb_build_object('kind', p_kind));
    return private.finish_request(p_request_id, to_jsonb(v_saved));
end;
$$;
grant execute on function public.save_rule(bigint, text, jsonb, integer, uuid) to authenticated;
comment on function public.save_rule(bigint, text, jsonb, integer, uuid) is
    'Manager: changes the default rule of a kind (p_shop_id null) or a shop''s own: is_active, is_blocking, severity, waived_by, params. p_version 0 makes the shop''s own. rule.stale, rule.bad_value, rule.bad_params, rule.none, shop.none.';

create or replace function public.reset_rule(p_shop_id bigint, p_kind text, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_rule', jsonb_build_array(p_shop_id, p_kind, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    perform private.rule_for_change(v_me, p_shop_id, p_kind, p_version);
    delete from public.exception_rules where shop_id = p_shop_id and kind = p_kind;
    if not found then
        perform private.fail('PT404', 'rule.none');
    end if;
    perform private.reevaluate(p_shop_id, private.now());
    perform private.audit(v_me, p_shop_id, 'exception_rule', null, 'reset', jsonb_build_object('kind', p_kind));
    return private.finish_request(p_request_id, jsonb_build_object('kind', p_kind));
end;
$$;
grant execute on function public.reset_rule(bigint, text, integer, uuid) to authenticated;
comment on function public.reset_rule(bigint, text, integer, uuid) is 'Manager: the shop follows the default rule of this kind again. rule.stale, rule.none, shop.none.';

create or replace function private.rule_effect(p_shop_ids bigint[], p_kind text) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_orders bigint[];
    v_found private.found[];
begin
    if p_kind = 'out_of_stock' then
        v_found := array(select f from (select distinct s.stock_pool_id as id from public.shops s where s.id = any (p_shop_ids)) p,
            private.found_short(p.id) f where f.shop_id = any (p_shop_ids));
    else
        v_orders := array(select o.id from public.orders o where o.shop_id = any (p_shop_ids) and o.status in ('unpaid', 'to_ship'));
        v_found := private.found_now(v_orders);
    end if;
    return array(select f.order_id from unnest(v_found) f
        join private.effective_rules r on r.shop_id = f.shop_id and r.kind = f.kind and r.is_active where f.kind = p_kind);
end;
$$;
comment on function private.rule_effect(bigint[], text) is 'Waiting orders of these shops that the rule of a kind sees as it is now.';

create or replace function public.preview_rule(p_shop_id bigint, p_kind text, p_rule jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_shops bigint[];
    v_open bigint[];
    v_then bigint[];
begin
    perform private.check_rule(p_kind, private.as_json(p_rule));
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    v_shops := array(select s.id from public.shops s where p_shop_id is null or s.id = p_shop_id);
    v_open := array(select x.order_id from public.order_exceptions x
        where x.shop_id = any (v_shops) and x.kind = p_kind and x.state in ('open', 'waiting_customer'));
    begin
        perform private.write_rule(p_shop_id, p_kind, private.as_json(p_rule));
        v_then := private.rule_effect(v_shops, p_kind);
        raise exception using errcode = 'PT409', message = 'rule.preview';
    exception when sqlstate 'PT409' then
        null;
    end;
    return jsonb_build_object('open', cardinality(v_open), 'appear', (select count(*) from unnest(v_then) i where i <> all (v_open)),
        'vanish', (select count(*) from unnest(v_open) i where i <> all (v_then)),
        'rechecks', p_kind = any (private.python_kinds()) and private.as_json(p_rule) ? 'params');
end;
$$;
grant execute on function public.preview_rule(bigint, text, jsonb) to authenticated;
comment on function public.preview_rule(bigint, text, jsonb) is
    'Manager: what a change of a rule would do: {open, appear, vanish}; rechecks true when addresses must be read again to know. Changes nothing: it is tried and undone. rule.bad_value, rule.bad_params, rule.none, shop.none.';

create or replace function public.rule_changes() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'admin']);
begin
    return (select coalesce(jsonb_agg(to_jsonb(c) order by c.id desc), '[]') from (
        select a.id, a.at, m.display_name as who, a.shop_id, a.detail ->> 'kind' as kind, a.action, a.detail - 'kind' as after,
            lag(a.detail - 'kind') over (partition by a.shop_id, a.detail ->> 'kind' order by a.id) as before
        from public.audit_events a left join public.members m on m.id = a.member_id
        where a.entity = 'exception_rule' and (a.shop_id is null or a.shop_id in (select private.my_shop_ids()))
        order by a.id desc limit 30) c);
end;
$$;
grant execute on function public.rule_changes() to authenticated;
comment on function public.rule_changes() is
    'Operations, managers, admins: the latest 30 changes of the defaults and of my shops'' rules, newest first: [{id, at, who, shop_id, kind, action saved|reset, after, before (values of the change before it, null for the first)}].';

-- ==== 60_search.sql ====

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
    'Members: {orders, members}, at most 20 each, of my shops, for candidates {order_nos, six (last six digits of order or tracking number), tracking, buyers, phone_hashes, last4_hashes, name_hashes, names (of colleagues)}. Exact; for analysts the personal ones find nothing.';

-- ==== 70_words.sql ====

-- 70 ------------------------------------------------------------------------------ words: the dictionary and its versions
--
-- A version is a number. Every row says from which version on it holds and, once replaced, with which it ended, so any
-- version can be read again and none can change. A new version comes from the program (the dictionary it brings) or from a
-- proposal: operations on words and exceptions, tried against stored texts, approved by a manager who did not propose it.
-- What the words mean for a text is judged in Python (backend/words); a service RPC stores the verdict (71).

create or replace function private.word_categories() returns text[]
language sql immutable set search_path = '' as $$
    select array['absolute', 'authority', 'national_symbol', 'trademark', 'medical', 'health_food', 'cosmetics', 'time_limit',
        'price_fraud', 'superstition', 'vulgar', 'finance', 'education', 'patent', 'data_citation', 'disparage',
        'false_promise', 'infant_alcohol_tobacco', 'platform']
$$;
create or replace function private.platforms() returns text[]
language sql immutable set search_path = '' as $$
    select array['taobao', 'jd', 'douyin', 'pinduoduo', 'youzan', 'shopify', 'own']
$$;

create table if not exists private.word_bases (
    basis integer primary key,
    patterns jsonb not null,
    superlatives jsonb not null,
    created_at timestamptz not null
);
alter table private.word_bases enable row level security;
comment on table private.word_bases is 'What the program brings beside the words: families of terms (patterns) and what may follow 最. basis rises with each release that changes it.';

create table if not exists public.word_versions (
    id integer primary key constraint word_versions_positive check (id > 0),
    basis integer not null references private.word_bases,
    token uuid not null default gen_random_uuid(),
    proposal_id bigint,
    note text not null default '',
    words_added integer not null default 0,
    words_changed integer not null default 0,
    words_disabled integer not null default 0,
    exceptions_changed integer not null default 0,
    made_by bigint references public.members,
    made_at timestamptz not null
);
create index if not exists word_versions_basis_idx on public.word_versions (basis);
create index if not exists word_versions_made_by_idx on public.word_versions (made_by);
create index if not exists word_versions_proposal_id_idx on public.word_versions (proposal_id);
alter table public.word_versions enable row level security;
comment on column public.word_versions.token is 'Names this state among all installations: what programs remember it by.';
comment on table public.word_versions is 'Numbered states of the dictionary; the highest one holds. made_by null: brought by the program.';

create table if not exists public.compliance_words (
    id bigint generated always as identity primary key,
    position integer not null,
    term text not null constraint compliance_words_term_length check (char_length(term) between 1 and 60),
    category text not null constraint compliance_words_category_known check (category = any (private.word_categories())),
    severity text not null constraint compliance_words_severity_known check (severity in ('block', 'warn')),
    legal_basis text not null constraint compliance_words_basis_length check (char_length(legal_basis) between 1 and 300),
    suggestion text not null default '' constraint compliance_words_suggestion_length check (char_length(suggestion) <= 300),
    match_kind text not null default 'exact' constraint compliance_words_match_known check (match_kind in ('exact', 'context', 'prefix')),
    context text not null default '' constraint compliance_words_context_length check (char_length(context) <= 1000),
    exceptions text not null default '' constraint compliance_words_exceptions_length check (char_length(exceptions) <= 1000),
    platforms text[] not null default '{}' constraint compliance_words_platforms_known check (platforms <@ private.platforms()),
    is_active boolean not null default true,
    origin text not null constraint compliance_words_origin_known check (origin in ('shipped', 'own')),
    reason text not null default '',
    from_version integer not null references public.word_versions,
    to_version integer references public.word_versions,
    constraint compliance_words_life check (to_version > from_version)
);
create unique index if not exists compliance_words_now_idx on public.compliance_words (term) where to_version is null;
create index if not exists compliance_words_term_idx on public.compliance_words (term, from_version);
create index if not exists compliance_words_position_idx on public.compliance_words (position, id) where to_version is null;
create index if not exists compliance_words_from_idx on public.compliance_words (from_version);
create index if not exists compliance_words_to_idx on public.compliance_words (to_version);
alter table public.compliance_words enable row level security;
comment on table public.compliance_words is '违禁词: one row per word and stretch of versions; to_version null: holds now. Rows are closed, never changed.';
comment on column public.compliance_words.platforms is 'Platforms the word counts on; empty: all of them.';
comment on column public.compliance_words.origin is 'shipped: a later release of the program may change it; own: people decided, no release touches it.';

create table if not exists public.word_exceptions (
    id bigint generated always as identity primary key,
    root_id bigint,
    position integer not null,
    terms text[] not null constraint word_exceptions_terms_given check (cardinality(terms) between 1 and 200),
    effect text not null constraint word_exceptions_effect_known check (effect in ('clean', 'warn', 'need')),
    place text not null constraint word_exceptions_place_known check (place in ('phrase', 'head', 'tail', 'clause', 'sentence', 'category')),
    pattern text not null constraint word_exceptions_pattern_length check (char_length(pattern) between 1 and 4000),
    note text not null default '' constraint word_exceptions_note_length check (char_length(note) <= 300),
    platforms text[] not null default '{}' constraint word_exceptions_platforms_known check (platforms <@ private.platforms()),
    is_active boolean not null default true,
    origin text not null constraint word_exceptions_origin_known check (origin in ('shipped', 'own')),
    reason text not null default '',
    from_version integer not null references public.word_versions,
    to_version integer references public.word_versions,
    constraint word_exceptions_life check (to_version > from_version)
);
create index if not exists word_exceptions_now_idx on public.word_exceptions (position, id) where to_version is null;
create index if not exists word_exceptions_root_id_idx on public.word_exceptions (root_id);
create index if not exists word_exceptions_from_idx on public.word_exceptions (from_version);
create index if not exists word_exceptions_to_idx on public.word_exceptions (to_version);
alter table public.word_exceptions enable row level security;
comment on table public.word_exceptions is 'Where a word is harmless (clean), needs evidence (warn), or alone counts (need); kept in stretches of versions as the words are.';
comment on column public.word_exceptions.root_id is 'The first row of this exception; null in that row itself.';

create table if not exists public.word_proposals (
    id bigint generated always as identity primary key,
    title text not null constraint word_proposals_title_length check (char_length(btrim(title)) between 1 and 120),
    state text not null default 'draft' constraint word_proposals_state_known
        check (state in ('draft', 'submitted', 'approved', 'refused', 'withdrawn')),
    item_count integer not null default 0,
    items_version integer not null default 1,
    trial jsonb not null default '{}',
    tried_version integer,
    created_by bigint not null references public.members,
    created_at timestamptz not null,
    submitted_at timestamptz,
    decided_by bigint references public.members,
    decided_at timestamptz,
    decision_note text,
    made_version integer references public.word_versions,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint word_proposals_not_by_one check (state <> 'approved' or decided_by <> created_by)
);
create index if not exists word_proposals_state_idx on public.word_proposals (state, id desc);
create index if not exists word_proposals_created_by_idx on public.word_proposals (created_by);
create index if not exists word_proposals_decided_by_idx on public.word_proposals (decided_by);
create index if not exists word_proposals_made_version_idx on public.word_proposals (made_version);
alter table public.word_proposals enable row level security;
create or replace trigger t10_touch before update on public.word_proposals for each row execute function private.touch_version();
comment on table public.word_proposals is 'Wished changes of the dictionary: written, tried against stored texts, approved by somebody else, then a new version.';
comment on column public.word_proposals.trial is 'What the trial found: {state, done, texts, new_count, released_count, new: [...], released: [...]}; belongs to tried_version of the items.';

create table if not exists public.word_proposal_items (
    proposal_id bigint not null references public.word_proposals,
    n integer not null,
    target text not null constraint word_proposal_items_target_known check (target in ('word', 'exception')),
    action text not null constraint word_proposal_items_action_known check (action in ('add', 'change', 'disable')),
    row_id bigint,
    facts jsonb not null default '{}',
    reason text not null constraint word_proposal_items_reason_given check (char_length(btrim(reason)) between 1 and 300),
    primary key (proposal_id, n),
    constraint word_proposal_items_has_row check ((action = 'add') = (row_id is null))
);
alter table public.word_proposal_items enable row level security;
comment on table public.word_proposal_items is 'One operation of a proposal on a word or an exception. row_id: the row it replaces; facts: its values afterwards.';

do $$
declare
    v_table text;
begin
    foreach v_table in array array['word_versions', 'compliance_words', 'word_exceptions', 'word_proposals', 'word_proposal_items'] loop
        execute format('drop policy if exists "members read the dictionary" on public.%I', v_table);
        execute format('create policy "members read the dictionary" on public.%I for select to authenticated using ((select private.my_role()) is not null)', v_table);
        if v_table <> 'word_proposals' then
            execute format('grant select on public.%I to authenticated', v_table);
        end if;
    end loop;
end;
$$;

-- A trial names listings of every shop: it is read through proposal_detail, which shows those of the reader's.
grant select (id, title, state, item_count, items_version, tried_version, created_by, created_at, submitted_at, decided_by, decided_at,
              decision_note, made_version, version, updated_at) on public.word_proposals to authenticated;

-- Versions ---------------------------------------------------------------------------------------------------------------------

create or replace function private.words_version() returns integer
language sql stable set search_path = '' as $$ select coalesce(max(id), 0) from public.word_versions $$;
comment on function private.words_version() is 'The version of the dictionary that holds; 0 before the program has brought one.';

create or replace function private.lock_words() returns integer
language plpgsql set search_path = '' as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('private.words'));
    return private.words_version();
end;
$$;
comment on function private.lock_words() is 'New versions wait for each other; answers the one that holds.';

create or replace function private.words_of(p_version integer) returns setof public.compliance_words
language sql stable rows 3000 set search_path = '' as $$
    select w.* from public.compliance_words w
    where w.from_version <= p_version and (w.to_version is null or w.to_version > p_version)
$$;
create or replace function private.exceptions_of(p_version integer) returns setof public.word_exceptions
language sql stable rows 500 set search_path = '' as $$
    select e.* from public.word_exceptions e
    where e.from_version <= p_version and (e.to_version is null or e.to_version > p_version)
$$;

create or replace function private.words_proposed(p_version integer, p_proposal_id bigint) returns setof public.compliance_words
language sql stable rows 3000 set search_path = '' as $$
    select w.* from private.words_of(p_version) w
    where not exists (select from public.word_proposal_items i
        where i.proposal_id = p_proposal_id and i.target = 'word' and i.row_id = w.id)
    union all
    select 0, coalesce(w.position, (select coalesce(max(position), 0) from public.compliance_words) + i.n), r.term, r.category,
        r.severity, r.legal_basis, coalesce(r.suggestion, ''), coalesce(r.match_kind, 'exact'), coalesce(r.context, ''),
        coalesce(r.exceptions, ''), coalesce(r.platforms, '{}'), i.action <> 'disable', 'own', i.reason, p_version + 1, null
    from public.word_proposal_items i
    left join public.compliance_words w on w.id = i.row_id
    cross join lateral jsonb_populate_record(null::public.compliance_words, coalesce(to_jsonb(w), '{}') || i.facts) r
    where i.proposal_id = p_proposal_id and i.target = 'word'
$$;
comment on function private.words_proposed(integer, bigint) is 'The words of a version with a proposal''s operations done (null: none): what a trial compiles and an approval writes.';

create or replace function private.exceptions_proposed(p_version integer, p_proposal_id bigint) returns setof public.word_exceptions
language sql stable rows 500 set search_path = '' as $$
    select e.* from private.exceptions_of(p_version) e
    where not exists (select from public.word_proposal_items i
        where i.proposal_id = p_proposal_id and i.target = 'exception' and i.row_id = e.id)
    union all
    select 0, coalesce(e.root_id, e.id), coalesce(e.position, (select coalesce(max(position), 0) from public.word_exceptions) + i.n),
        r.terms, r.effect, r.place, r.pattern, coalesce(r.note, ''), coalesce(r.platforms, '{}'), i.action <> 'disable', 'own',
        i.reason, p_version + 1, null
    from public.word_proposal_items i
    left join public.word_exceptions e on e.id = i.row_id
    cross join lateral jsonb_populate_record(null::public.word_exceptions, coalesce(to_jsonb(e), '{}') || i.facts) r
    where i.proposal_id = p_proposal_id and i.target = 'exception'
$$;
comment on function private.exceptions_proposed(integer, bigint) is 'As private.words_proposed, for the exceptions.';

create or replace function public.service_words_version() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return coalesce((select jsonb_build_object('version', v.id, 'basis', v.basis, 'token', v.token) from public.word_versions v
        order by v.id desc limit 1), '{"version": 0, "basis": 0, "token": null}');
end;
$$;
grant execute on function public.service_words_version() to service_role;
comment on function public.service_words_version() is 'Service: {version, basis, token} of the dictionary that holds; version 0 when there is none yet.';

create or replace function public.service_words(p_version integer, p_proposal_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('version', v.id, 'basis', v.basis, 'patterns', b.patterns, 'superlatives', b.superlatives,
            'words', (select coalesce(jsonb_agg(jsonb_build_array(w.term, w.category, w.severity, w.legal_basis, w.suggestion,
                    w.match_kind, w.context, w.exceptions, w.platforms) order by w.position, w.id), '[]')
                from private.words_proposed(v.id, p_proposal_id) w where w.is_active),
            'exceptions', (select coalesce(jsonb_agg(jsonb_build_array(e.terms, e.effect, e.place, e.pattern, e.note, e.platforms)
                    order by e.position, e.id), '[]')
                from private.exceptions_proposed(v.id, p_proposal_id) e where e.is_active))
        from public.word_versions v join private.word_bases b on b.basis = v.basis where v.id = p_version);
end;
$$;
grant execute on function public.service_words(integer, bigint) to service_role;
comment on function public.service_words(integer, bigint) is
    'Service: a version as the engine takes it, its active rows in order, with the operations of a proposal done when one is named. Null: no such version.';

-- The dictionary the program brings -----------------------------------------------------------------------------------------------

create or replace function private.seed_words(p_version integer, p_words jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
    v_total integer := 0;
begin
    update public.compliance_words w set to_version = p_version
    where w.to_version is null and w.origin = 'shipped' and not exists (
        select from jsonb_array_elements(p_words) with ordinality s (r, n) where s.r ->> 0 = w.term and jsonb_build_array(w.term, w.category, w.severity, w.legal_basis,
            w.suggestion, w.match_kind, w.context, w.exceptions) = s.r);
    get diagnostics v_count = row_count;
    v_total := v_count;
    insert into public.compliance_words (position, term, category, severity, legal_basis, suggestion, match_kind, context, exceptions,
        origin, from_version)
    select s.n, s.r ->> 0, s.r ->> 1, s.r ->> 2, s.r ->> 3, s.r ->> 4, s.r ->> 5, s.r ->> 6, s.r ->> 7, 'shipped', p_version
    from jsonb_array_elements(p_words) with ordinality s (r, n)
    where not exists (select from public.compliance_words w where w.term = s.r ->> 0 and w.to_version is null)
    order by s.n;
    get diagnostics v_count = row_count;
    return v_total + v_count;
end;
$$;
comment on function private.seed_words(integer, jsonb) is 'Takes over the words of a release: new ones come, shipped ones change or go, what people decided stays. Answers how many rows.';

create or replace function private.seed_exceptions(p_version integer, p_exceptions jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
    v_total integer := 0;
begin
    update public.word_exceptions e set to_version = p_version
    where e.to_version is null and e.origin = 'shipped' and not exists (select from jsonb_array_elements(p_exceptions) with ordinality s (r, n)
        where s.r = jsonb_build_array(to_jsonb(e.terms), e.effect, e.place, e.pattern, e.note));
    get diagnostics v_count = row_count;
    v_total := v_count;
    insert into public.word_exceptions (position, terms, effect, place, pattern, note, origin, from_version)
    select s.n, array(select jsonb_array_elements_text(s.r -> 0)), s.r ->> 1, s.r ->> 2, s.r ->> 3, s.r ->> 4, 'shipped', p_version
    from jsonb_array_elements(p_exceptions) with ordinality s (r, n)
    where not exists (select from public.word_exceptions e where to_jsonb(e.terms) = s.r -> 0 and e.effect = s.r ->> 1
        and e.place = s.r ->> 2 and e.pattern = s.r ->> 3 and (e.to_version is null or exists (
            select from public.word_exceptions later where later.root_id = coalesce(e.root_id, e.id) and later.to_version is null)))
    order by s.n;
    get diagnostics v_count = row_count;
    return v_total + v_count;
end;
$$;
comment on function private.seed_exceptions(integer, jsonb) is 'As private.seed_words, for the exceptions; one that people changed or disabled does not come back.';

create or replace function public.service_seed_words(
    p_basis integer, p_words jsonb, p_exceptions jsonb, p_patterns jsonb, p_superlatives jsonb
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_version integer := private.lock_words() + 1;
    v_words integer;
    v_exceptions integer;
begin
    if coalesce(p_basis, 0) <= coalesce((select max(basis) from public.word_versions), 0) then
        return jsonb_build_object('version', v_version - 1, 'is_new', false);
    end if;
    insert into private.word_bases (basis, patterns, superlatives, created_at)
    values (p_basis, private.as_json(p_patterns), private.as_json(p_superlatives), v_now) on conflict do nothing;
    insert into public.word_versions (id, basis, made_at) values (v_version, p_basis, v_now);
    v_words := private.seed_words(v_version, private.as_json(p_words));
    v_exceptions := private.seed_exceptions(v_version, private.as_json(p_exceptions));
    update public.word_versions set words_changed = v_words, exceptions_changed = v_exceptions where id = v_version;
    perform private.audit(v_me, null, 'words', v_version, 'seeded', jsonb_build_object('basis', p_basis));
    perform private.queue_text_recheck('version', v_now);
    return jsonb_build_object('version', v_version, 'is_new', true);
end;
$$;
grant execute on function public.service_seed_words(integer, jsonb, jsonb, jsonb, jsonb) to service_role;
comment on function public.service_seed_words(integer, jsonb, jsonb, jsonb, jsonb) is
    'Service: the dictionary this program brings, as a new version when its basis is higher than any before; an older program changes nothing. Rows in the order of the columns of dictionary.csv and exceptions.csv.';

-- Reading ---------------------------------------------------------------------------------------------------------------------------

create or replace function public.word_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_limit integer;
    v_rows jsonb;
begin
    p := coalesce(private.as_json(p), '{}');
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    select coalesce(jsonb_agg(to_jsonb(x) order by x.position, x.id), '[]') into v_rows from (
        select w.id, w.position, w.term, w.category, w.severity, w.legal_basis, w.suggestion, w.match_kind, w.context,
            w.exceptions, w.platforms, w.is_active, w.origin, w.reason, w.from_version
        from public.compliance_words w
        where w.to_version is null
          and (p ->> 'q' is null or strpos(lower(w.term), lower(p ->> 'q')) > 0)
          and (p ->> 'category' is null or w.category = p ->> 'category')
          and (p ->> 'severity' is null or w.severity = p ->> 'severity')
          and (p ->> 'platform' is null or w.platforms = '{}' or p ->> 'platform' = any (w.platforms))
          and (p ->> 'origin' is null or w.origin = p ->> 'origin')
          and (p ->> 'is_active' is null or w.is_active = (p ->> 'is_active')::boolean)
          and (p -> 'after' is null or (w.position, w.id) > ((p -> 'after' ->> 'position')::integer, (p -> 'after' ->> 'id')::bigint))
        order by w.position, w.id limit v_limit + 1) x;
    return jsonb_build_object('rows', v_rows - v_limit, 'version', private.words_version(),
        'next', case when jsonb_array_length(v_rows) > v_limit then jsonb_build_object('position', v_rows -> (v_limit - 1) -> 'position',
            'id', v_rows -> (v_limit - 1) -> 'id') end);
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.word_list(jsonb) to authenticated;
comment on function public.word_list(jsonb) is
    'Members: words that hold now, in the dictionary''s order: {rows, next, version}. p: q (part of the term), category, severity, platform, origin, is_active, after (next of the page before), limit. filter.bad.';

create or replace function public.word_history(p_term text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'severity', w.severity, 'category', w.category,
            'suggestion', w.suggestion, 'platforms', w.platforms, 'is_active', w.is_active, 'origin', w.origin, 'reason', w.reason,
            'from_version', w.from_version, 'to_version', w.to_version, 'at', v.made_at, 'approved_by', b.display_name,
            'proposed_by', a.display_name) order by w.from_version desc), '[]')
        from public.compliance_words w join public.word_versions v on v.id = w.from_version
        left join public.members b on b.id = v.made_by
        left join public.word_proposals q on q.id = v.proposal_id left join public.members a on a.id = q.created_by
        where w.term = p_term);
end;
$$;
grant execute on function public.word_history(text) to authenticated;
comment on function public.word_history(text) is 'Members: every state a word ever had, newest first, with who proposed and approved it and why.';

create or replace function public.exception_list(p_term text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.position, x.id), '[]') from (
        select e.id, e.position, e.terms, e.effect, e.place, e.pattern, e.note, e.platforms, e.is_active, e.origin, e.reason, e.from_version
        from public.word_exceptions e
        where e.to_version is null and (p_term is null or p_term = any (e.terms))
        order by e.position, e.id limit 2000) x);
end;
$$;
grant execute on function public.exception_list(text) to authenticated;
comment on function public.exception_list(text) is 'Members: exceptions that hold now (of one word, or the first 2,000).';

-- ==== 71_text_checks.sql ====

-- 71 -------------------------------------------------------------------- text checks: verdicts bound to exactly one text
--
-- The engine is Python; it hands over its verdict by a service RPC, bound to the hash of the exact text, its kind, shop and
-- context (product category, licences) and to the version of the dictionary. Publishing asks private.require_text_check:
-- without a verdict on exactly this text under the version that holds, nothing is published. The text itself is not
-- stored here: a reply may name a customer.

create or replace function private.text_kinds() returns text[]
language sql immutable set search_path = '' as $$ select array['title', 'description', 'script', 'reply'] $$;
create or replace function private.product_categories() returns text[]
language sql immutable set search_path = '' as $$
    select array['general', 'cosmetics', 'food', 'health_food', 'drug', 'device', 'infant', 'alcohol', 'education', 'finance']
$$;

create or replace function private.text_context(p_category text, p_licences text[]) returns text
language sql immutable set search_path = '' as $$
    select case when char_length(x.context) <= 200 then x.context else coalesce(p_category, 'general') || '|' || private.sha256(x.context) end
    from (select coalesce(p_category, 'general') || coalesce((select string_agg('|' || l, '' order by l collate "C")
        from (select distinct unnest(p_licences) as l) y), '') as context) x
$$;
comment on function private.text_context(text, text[]) is
    'What besides the words decides a verdict: product category and licences, in one short text (hashed where it would be long).';

create table if not exists public.text_checks (
    id bigint generated always as identity primary key,
    sha text not null constraint text_checks_sha_form check (sha ~ '^[a-p]{64}$'),
    kind text not null constraint text_checks_kind_known check (kind = any (private.text_kinds())),
    shop_id bigint not null references public.shops,
    context text not null constraint text_checks_context_length check (char_length(context) between 1 and 300),
    entity text not null constraint text_checks_entity_form check (entity ~ '^[a-z][a-z_]{1,39}$'),
    entity_id bigint not null,
    part text not null constraint text_checks_part_form check (part ~ '^[a-z][a-z_]{0,39}$'),
    author_id bigint references public.members,
    words_version integer not null references public.word_versions,
    verdict text not null constraint text_checks_verdict_known check (verdict in ('block', 'warn', 'clean')),
    blocked_terms text[] not null default '{}',
    warned_terms text[] not null default '{}',
    notices text[] not null default '{}',
    is_current boolean not null default true,
    first_checked_at timestamptz not null,
    checked_at timestamptz not null,
    constraint text_checks_once unique (entity, entity_id, part, sha, kind, shop_id, context)
);
create index if not exists text_checks_sha_idx on public.text_checks (sha, shop_id, kind, words_version);
create index if not exists text_checks_place_idx on public.text_checks (entity_id, entity, part) where is_current;
create index if not exists text_checks_shop_id_idx on public.text_checks (shop_id);
create index if not exists text_checks_author_id_idx on public.text_checks (author_id);
create index if not exists text_checks_version_idx on public.text_checks (words_version);
alter table public.text_checks enable row level security;
comment on table public.text_checks is 'Verdict of the word check on one text in one place. is_current: the place holds this text now; an edit leaves the row as history.';
comment on column public.text_checks.words_version is 'The latest version of the dictionary under which the verdict was found to hold.';

create table if not exists public.text_hits (
    id bigint generated always as identity primary key,
    check_id bigint not null references public.text_checks,
    shop_id bigint not null references public.shops,
    author_id bigint references public.members,
    term text not null,
    category text not null,
    severity text not null constraint text_hits_severity_known check (severity in ('block', 'warn')),
    start_at integer not null,
    end_at integer not null,
    is_disguised boolean not null default false,
    found_at timestamptz not null,
    found_version integer not null references public.word_versions,
    gone_at timestamptz,
    gone_as text constraint text_hits_gone_known check (gone_as in ('replaced', 'released')),
    constraint text_hits_span check (end_at > start_at and start_at >= 0),
    constraint text_hits_gone check ((gone_at is null) = (gone_as is null))
);
create index if not exists text_hits_check_id_idx on public.text_hits (check_id);
create index if not exists text_hits_found_idx on public.text_hits (shop_id, found_at);
create index if not exists text_hits_open_idx on public.text_hits (shop_id, severity, found_at) where gone_at is null;
create index if not exists text_hits_author_id_idx on public.text_hits (author_id);
create index if not exists text_hits_version_idx on public.text_hits (found_version);
alter table public.text_hits enable row level security;
comment on table public.text_hits is 'For insight (what decides stands in text_checks): what was found in a text: term, place (code points), category. gone: replaced by another text, or released by a later dictionary.';

drop policy if exists "members read the checks of their shops" on public.text_checks;
create policy "members read the checks of their shops" on public.text_checks
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_checks to authenticated;
drop policy if exists "members read the hits of their shops" on public.text_hits;
create policy "members read the hits of their shops" on public.text_hits
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_hits to authenticated;

-- Storing ---------------------------------------------------------------------------------------------------------------------------

create or replace function private.close_hits(p_check_ids bigint[], p_as text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.text_hits set gone_at = p_now, gone_as = p_as where check_id = any (p_check_ids) and gone_at is null
$$;

create or replace function private.leave_text(p_entity text, p_entity_id bigint, p_part text, p_keep bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with left_behind as (
        update public.text_checks set is_current = false
        where entity = p_entity and entity_id = p_entity_id and part = p_part and is_current and id is distinct from p_keep
        returning id
    )
    select coalesce(array_agg(id), '{}') into v_ids from left_behind;
    perform private.close_hits(v_ids, 'replaced', p_now);
end;
$$;
comment on function private.leave_text(text, bigint, text, bigint, timestamptz) is 'The place holds another text now (p_keep, null: none): open hits of the old one count as replaced.';

create or replace function private.same_hits(p_check_id bigint, p_hits jsonb) returns boolean
language sql stable set search_path = '' as $$
    select (select coalesce(jsonb_agg(jsonb_build_array(h.start_at, h.end_at, h.term, h.category, h.severity) order by h.start_at), '[]')
            from public.text_hits h where h.check_id = p_check_id and h.gone_at is null)
        = (select coalesce(jsonb_agg(jsonb_build_array(h -> 'start', h -> 'end', h -> 'term', h -> 'category', h -> 'severity')
                order by (h ->> 'start')::integer), '[]') from jsonb_array_elements(p_hits) h)
$$;
comment on function private.same_hits(bigint, jsonb) is 'Whether a check finds what was found before.';

create or replace function private.terms_in(p_hits jsonb, p_severity text) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array_agg(distinct h ->> 'term'), '{}') from jsonb_array_elements(p_hits) h where h ->> 'severity' = p_severity
$$;

create or replace function private.store_check(p_version integer, p jsonb, p_now timestamptz) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
    v_context text := private.text_context(p ->> 'category', array(select jsonb_array_elements_text(p -> 'licences')));
    v_shop bigint := (p ->> 'shop_id')::bigint;
    v_author bigint := (p ->> 'author_id')::bigint;
begin
    insert into public.text_checks as c (sha, kind, shop_id, context, entity, entity_id, part, author_id, words_version, verdict,
        blocked_terms, warned_terms, notices, first_checked_at, checked_at)
    values (p ->> 'sha', p ->> 'kind', v_shop, v_context, p ->> 'entity', (p ->> 'entity_id')::bigint, p ->> 'part', v_author,
        p_version, case when p -> 'hits' @> '[{"severity": "block"}]' then 'block'
            when p -> 'hits' = '[]' and p -> 'notices' = '[]' then 'clean' else 'warn' end,
        private.terms_in(p -> 'hits', 'block'), private.terms_in(p -> 'hits', 'warn'),
        array(select jsonb_array_elements_text(p -> 'notices')), p_now, p_now)
    on conflict (entity, entity_id, part, sha, kind, shop_id, context) do update
    set words_version = excluded.words_version, verdict = excluded.verdict, blocked_terms = excluded.blocked_terms,
        warned_terms = excluded.warned_terms, notices = excluded.notices, is_current = true, checked_at = excluded.checked_at
    returning id into v_id;
    perform private.leave_text(p ->> 'entity', (p ->> 'entity_id')::bigint, p ->> 'part', v_id, p_now);
    if not private.same_hits(v_id, p -> 'hits') then
        update public.text_hits h set gone_at = p_now, gone_as = 'released'
        where h.check_id = v_id and h.gone_at is null and not exists (
            select from jsonb_array_elements(p -> 'hits') n where (n ->> 'start')::integer = h.start_at
              and (n ->> 'end')::integer = h.end_at and n ->> 'term' = h.term and n ->> 'category' = h.category and n ->> 'severity' = h.severity);
        insert into public.text_hits (check_id, shop_id, author_id, term, category, severity, start_at, end_at, is_disguised, found_at, found_version)
        select v_id, v_shop, v_author, n ->> 'term', n ->> 'category', n ->> 'severity', (n ->> 'start')::integer, (n ->> 'end')::integer,
            coalesce((n ->> 'disguised')::boolean, false), p_now, p_version
        from jsonb_array_elements(p -> 'hits') n
        where not exists (select from public.text_hits h where h.check_id = v_id and h.gone_at is null
            and (n ->> 'start')::integer = h.start_at and (n ->> 'end')::integer = h.end_at and n ->> 'term' = h.term
            and n ->> 'category' = h.category and n ->> 'severity' = h.severity);
    end if;
    return v_id;
end;
$$;
comment on function private.store_check(integer, jsonb, timestamptz) is 'One verdict; hits that are the same stay with the time they were first found.';

create or replace function public.store_text_check(p_version integer, p_checks jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_checks jsonb := private.as_json(p_checks);
    v_ids jsonb;
    v_listings bigint[];
begin
    if coalesce(jsonb_typeof(v_checks), '') <> 'array' or jsonb_array_length(v_checks) not between 1 and 1500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 1500}');
    end if;
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('private.words'));
    if p_version is distinct from private.words_version() then
        perform private.fail('PT409', 'text.version', jsonb_build_object('version', private.words_version()));
    end if;
    v_listings := private.listings_of(array(select (c ->> 'entity_id')::bigint from jsonb_array_elements(v_checks) c
        where c ->> 'entity' = 'listing_revision'));
    perform private.lock_listings(v_listings);
    select jsonb_agg(private.store_check(p_version, c.value, v_now) order by c.n) into v_ids
    from jsonb_array_elements(v_checks) with ordinality c (value, n);
    perform private.settle_listings(v_listings, v_now);
    return jsonb_build_object('ids', v_ids);
exception when check_violation or not_null_violation or foreign_key_violation or invalid_text_representation then
    perform private.fail('PT422', 'text.bad_check');
end;
$$;
grant execute on function public.store_text_check(integer, jsonb) to service_role;
comment on function public.store_text_check(integer, jsonb) is
    'Service: verdicts (at most 1,500) under the version that holds, else text.version: [{sha, kind, shop_id, category, licences, entity, entity_id, part, author_id, notices: [key], hits: [{start, end, term, category, severity, disguised}]}]. The verdict follows from hits and notices. text.bad_check. {ids} in the same order.';

-- Asking ----------------------------------------------------------------------------------------------------------------------------

create or replace function private.current_check(p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[])
returns public.text_checks
language sql stable set search_path = '' as $$
    select c.* from public.text_checks c
    where c.sha = (select private.sha256(p_text)) and c.shop_id = p_shop_id and c.kind = p_kind
      and c.context = (select private.text_context(p_category, p_licences)) and c.words_version = (select private.words_version())
    limit 1
$$;
comment on function private.current_check(text, text, bigint, text, text[]) is 'The verdict on exactly this text, kind, shop and context under the dictionary that holds (the same wherever the text stands); null row without one.';

create or replace function private.open_terms(p_terms text[], p_shop_id bigint, p_product_id bigint, p_now timestamptz) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(t order by t), '{}') from unnest(p_terms) t where not private.is_exempt(t, p_shop_id, p_product_id, p_now)
$$;
comment on function private.open_terms(text[], bigint, bigint, timestamptz) is 'The terms that no approved, unexpired exemption with evidence allows.';

create or replace function private.text_refusal(
    p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[], p_reason text, p_product_id bigint, p_now timestamptz
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v public.text_checks;
    v_terms text[];
begin
    if coalesce(p_text, '') = '' then
        return null;
    end if;
    v := private.current_check(p_text, p_kind, p_shop_id, p_category, p_licences);
    if v.id is null then
        return jsonb_build_object('key', 'text.unchecked', 'params', jsonb_build_object('kind', p_kind));
    end if;
    v_terms := private.open_terms(v.blocked_terms, p_shop_id, p_product_id, p_now);
    if cardinality(v_terms) > 0 then
        return jsonb_build_object('key', 'text.blocked', 'params', jsonb_build_object('kind', p_kind, 'terms', array_to_string(v_terms, '、')));
    end if;
    v_terms := private.open_terms(v.warned_terms, p_shop_id, p_product_id, p_now);
    if (cardinality(v_terms) > 0 or cardinality(v.notices) > 0) and btrim(coalesce(p_reason, '')) = '' then
        return jsonb_build_object('key', 'text.reason_missing', 'params', jsonb_build_object('kind', p_kind,
            'terms', array_to_string(v_terms || v.notices, '、')));
    end if;
    return null;
end;
$$;
comment on function private.text_refusal(text, text, bigint, text, text[], text, bigint, timestamptz) is
    'Why a text must not be published, or null: text.unchecked without a current verdict on exactly this text, text.blocked (terms) while a block is open, text.reason_missing (terms) while a warning has neither evidence nor a reason. {key, params}.';

create or replace function private.require_text_check(
    p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[], p_reason text, p_product_id bigint, p_now timestamptz
) returns void
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.text_refusal(p_text, p_kind, p_shop_id, p_category, p_licences, p_reason, p_product_id, p_now);
begin
    if v is not null then
        perform private.fail(case v ->> 'key' when 'text.reason_missing' then 'PT422' else 'PT409' end, v ->> 'key', v -> 'params');
    end if;
end;
$$;
comment on function private.require_text_check(text, text, bigint, text, text[], text, bigint, timestamptz) is
    'What every RPC that publishes a text calls first: raises what private.text_refusal says.';

-- ==== 72_listings.sql ====

-- 72 -------------------------------------------------------------------- listings: 录入 → 审核 → 图片 → 上架审核 → 发布
--
-- A listing is the text of a product in one shop. Its texts live in revisions that never change; an edit makes a new one,
-- takes the approvals back and leaves what is published as it is. The reviewer is never the author. Nothing gets published
-- while private.publish_refusal objects: the trigger asks it too, so no path to the table goes around it.

create table if not exists public.listings (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    product_id bigint references public.products,
    sku text not null default '' constraint listings_sku_length check (char_length(sku) <= 64),
    title text not null,
    state text not null default 'draft' constraint listings_state_known
        check (state in ('draft', 'text_review', 'images', 'final_review', 'ready', 'published', 'suspended', 'withdrawn')),
    revision_id bigint,
    published_id bigint,
    author_id bigint not null references public.members,
    verdict text not null default 'unchecked' constraint listings_verdict_known check (verdict in ('unchecked', 'block', 'warn', 'clean')),
    live_verdict text constraint listings_live_verdict_known check (live_verdict in ('unchecked', 'block', 'warn', 'clean')),
    checked_version integer,
    images text[] not null default '{}' constraint listings_images_count check (cardinality(images) <= 20),
    reason text constraint listings_reason_length check (char_length(reason) <= 300),
    text_by bigint references public.members,
    final_by bigint references public.members,
    state_since timestamptz not null,
    published_at timestamptz,
    grams text[] not null default '{}',
    created_at timestamptz not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint listings_reviewed_by_another check (text_by <> author_id and final_by <> author_id)
);
create index if not exists listings_shop_idx on public.listings (shop_id, id);
create index if not exists listings_state_idx on public.listings (shop_id, state, id);
create index if not exists listings_verdict_idx on public.listings (shop_id, verdict, id);
create index if not exists listings_grams_idx on public.listings using gin (grams);
create index if not exists listings_product_id_idx on public.listings (product_id);
create index if not exists listings_author_id_idx on public.listings (author_id, id);
create index if not exists listings_text_by_idx on public.listings (text_by);
create index if not exists listings_final_by_idx on public.listings (final_by);
alter table public.listings enable row level security;
create or replace trigger t10_touch
    before update of title, sku, product_id, state, revision_id, published_id, images, reason, text_by, final_by on public.listings
    for each row execute function private.touch_version();
comment on table public.listings is '商品文案: the text of a product in one shop and where it stands. verdict: of the current revision; live_verdict: of the published one.';
comment on column public.listings.reason is 'Why a warning may stay (with what proof), given at submission or publishing.';
comment on column public.listings.grams is 'Pairs of neighbouring characters of title and SKU: what makes any part of them findable by index.';

create table if not exists public.listing_revisions (
    id bigint generated always as identity primary key,
    listing_id bigint not null references public.listings,
    number integer not null,
    title text not null constraint listing_revisions_title_length check (char_length(btrim(title)) between 1 and 200),
    selling_points text not null default '' constraint listing_revisions_points_length check (char_length(selling_points) <= 2000),
    description text not null default '' constraint listing_revisions_description_length check (char_length(description) <= 20000),
    category text not null default 'general' constraint listing_revisions_category_known check (category = any (private.product_categories())),
    licences text[] not null default '{}' constraint listing_revisions_licences_count check (cardinality(licences) <= 20),
    author_id bigint not null references public.members,
    created_at timestamptz not null,
    constraint listing_revisions_once unique (listing_id, number)
);
create index if not exists listing_revisions_author_id_idx on public.listing_revisions (author_id);
alter table public.listing_revisions enable row level security;
comment on table public.listing_revisions is 'The texts of a listing as somebody wrote them; never changed. licences: "type:number".';

do $$
begin
    if not exists (select from pg_catalog.pg_constraint where conname = 'listings_revision_known') then
        alter table public.listings
            add constraint listings_revision_known foreign key (revision_id) references public.listing_revisions,
            add constraint listings_published_known foreign key (published_id) references public.listing_revisions;
    end if;
end;
$$;
create index if not exists listings_revision_id_idx on public.listings (revision_id);
create index if not exists listings_published_id_idx on public.listings (published_id);

create table if not exists private.listing_batches (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    action text not null,
    items jsonb not null,
    created_at timestamptz not null,
    undone_at timestamptz
);
create index if not exists listing_batches_member_id_idx on private.listing_batches (member_id);
alter table private.listing_batches enable row level security;
comment on table private.listing_batches is 'What a person can take back for ten minutes: listings, their versions after the step, and their state before it.';

drop policy if exists "members read the listings of their shops" on public.listings;
create policy "members read the listings of their shops" on public.listings
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.listings to authenticated;
drop policy if exists "members read the revisions of their shops" on public.listing_revisions;
create policy "members read the revisions of their shops" on public.listing_revisions
    for select to authenticated using (listing_id in (select l.id from public.listings l where l.shop_id in (select private.my_shop_ids())));
grant select on public.listing_revisions to authenticated;

-- What the check says -------------------------------------------------------------------------------------------------------------

create or replace function private.grams(p_text text) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array_agg(distinct substr(t, i, 2)), '{}')
    from (select lower(btrim(p_text)) as t) x, generate_series(1, greatest(char_length(t) - 1, 1)) i where t <> ''
$$;

create or replace function private.revision_parts(p_revision_id bigint) returns table (part text, kind text, body text)
language sql stable rows 3 set search_path = '' as $$
    select v.part, v.kind, v.body from public.listing_revisions r,
        lateral (values ('title', 'title', r.title), ('selling_points', 'title', r.selling_points),
                        ('description', 'description', r.description)) v (part, kind, body)
    where r.id = p_revision_id and v.body <> ''
$$;
comment on function private.revision_parts(bigint) is
    'The texts of a revision and the kind each is checked as. Selling points count as a title: too short for the statements a description must carry.';

create or replace function private.revision_refusal(p_revision_id bigint, p_reason text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with x as materialized ( -- each text is asked about once
        select private.text_refusal(p.body, p.kind, l.shop_id, r.category, r.licences, p_reason, l.product_id, p_now)
            || jsonb_build_object('part', p.part) as refusal
        from public.listing_revisions r join public.listings l on l.id = r.listing_id
        cross join lateral private.revision_parts(r.id) p where r.id = p_revision_id)
    select x.refusal from x
    where x.refusal is not null
    order by array_position(array['text.blocked', 'text.unchecked', 'text.reason_missing'], x.refusal ->> 'key') limit 1
$$;
comment on function private.revision_refusal(bigint, text, timestamptz) is 'Why the texts of a revision must not be published, or null: {key, params, part}; the gravest of its parts.';

create or replace function private.revision_verdict(p_revision_id bigint, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case private.revision_refusal(p_revision_id, null, p_now) ->> 'key'
        when 'text.blocked' then 'block' when 'text.unchecked' then 'unchecked' when 'text.reason_missing' then 'warn' else 'clean' end
$$;
comment on function private.revision_verdict(bigint, timestamptz) is 'block, unchecked, warn or clean, evidence counted in.';

create or replace function private.listings_of(p_revision_ids bigint[]) returns bigint[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(distinct listing_id), '{}') from public.listing_revisions where id = any (p_revision_ids)
$$;

create or replace function private.lock_listings(p_ids bigint[]) returns void
language sql volatile set search_path = '' as $$
    select count(*) from (select l.id from public.listings l where l.id = any (p_ids) order by l.id for no key update) locked
$$;
comment on function private.lock_listings(bigint[]) is 'Edits, decisions and verdicts of one listing wait for each other.';

create or replace function private.settle_listings(p_ids bigint[], p_now timestamptz) returns bigint[]
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
    v_suspended bigint[];
begin
    v_me.role := 'system';
    with x as materialized (
        select k.id, private.revision_verdict(k.revision_id, p_now) as verdict, case when k.published_id <> k.revision_id
                then private.revision_verdict(k.published_id, p_now) end as other_live, k.published_id = k.revision_id as is_same
        from public.listings k where k.id = any (p_ids)
    ), y as materialized (
        select x.id, x.verdict, case when x.is_same then x.verdict else x.other_live end as live, private.words_version() as words from x
    )
    update public.listings l set verdict = y.verdict, live_verdict = y.live, checked_version = y.words
    from y where l.id = y.id and (l.verdict, l.live_verdict, l.checked_version) is distinct from (y.verdict, y.live, y.words);
    with hit as (
        update public.listings l set state = 'suspended', state_since = p_now
        where l.id = any (p_ids) and l.state = 'published' and l.live_verdict = 'block'
        returning l.id, l.shop_id
    ), told as (
        select private.audit(v_me, hit.shop_id, 'listing', hit.id, 'suspended',
            jsonb_build_object('words_version', private.words_version())) from hit
    )
    select coalesce(array_agg(hit.id), '{}') into v_suspended from hit, lateral (select count(*) from told) t;
    return v_suspended;
end;
$$;
comment on function private.settle_listings(bigint[], timestamptz) is
    'Brings the verdicts of listings in line with checks and evidence; what is published and now blocked is suspended. Answers those.';

create or replace function private.publish_refusal(p_listing public.listings, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select case
        when (p_listing).text_by is null or (p_listing).final_by is null then '{"key": "listing.unapproved", "params": {}}'::jsonb
        when cardinality((p_listing).images) = 0 then '{"key": "listing.images_missing", "params": {}}'::jsonb
        else private.revision_refusal((p_listing).revision_id, (p_listing).reason, p_now) end
$$;
comment on function private.publish_refusal(public.listings, timestamptz) is
    'Why a listing may not be published as it stands, or null: listing.unapproved, listing.images_missing, and what private.text_refusal says.';

create or replace function private.tg_publish_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
    v jsonb := private.publish_refusal(new, private.now());
begin
    if v is null and new.published_id is distinct from new.revision_id then
        v := '{"key": "listing.stale", "params": {}}';
    end if;
    if v is not null then
        perform private.fail('PT409', v ->> 'key', v -> 'params');
    end if;
    return new;
end;
$$;
comment on function private.tg_publish_guard() is 'No statement of anybody, owner and jobs included, publishes a text that has no current clean verdict or evidence.';
create or replace trigger t05_publish_guard before insert or update of state, published_id on public.listings
    for each row when (new.state = 'published') execute function private.tg_publish_guard();

-- Writing -------------------------------------------------------------------------------------------------------------------------------

create or replace function private.check_listing(p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if char_length(btrim(coalesce(p ->> 'title', ''))) not between 1 and 200 then
        perform private.fail('PT422', 'listing.title');
    end if;
    if char_length(coalesce(p ->> 'selling_points', '')) > 2000 or char_length(coalesce(p ->> 'description', '')) > 20000
        or char_length(coalesce(p ->> 'sku', '')) > 64 then
        perform private.fail('PT422', 'listing.too_long');
    end if;
    if coalesce(p ->> 'category', 'general') <> all (private.product_categories()) then
        perform private.fail('PT422', 'listing.category');
    end if;
    if p -> 'licences' is not null and (jsonb_typeof(p -> 'licences') <> 'array' or jsonb_array_length(p -> 'licences') > 20 or exists (
        select from jsonb_array_elements_text(p -> 'licences') l where l !~ '^[^:|[:space:]]{1,20}:[^|]{1,60}$')) then
        perform private.fail('PT422', 'listing.licence');
    end if;
end;
$$;
comment on function private.check_listing(jsonb) is 'listing.title, listing.too_long, listing.category, listing.licence ("type:number").';

create or replace function private.new_revision(p_me private.actor, p_listing_id bigint, p jsonb, p_now timestamptz) returns bigint
language sql set search_path = '' as $$
    insert into public.listing_revisions (listing_id, number, title, selling_points, description, category, licences, author_id, created_at)
    values (p_listing_id, (select coalesce(max(number), 0) + 1 from public.listing_revisions where listing_id = p_listing_id),
        p ->> 'title', coalesce(p ->> 'selling_points', ''), coalesce(p ->> 'description', ''), coalesce(p ->> 'category', 'general'),
        array(select distinct l from jsonb_array_elements_text(coalesce(p -> 'licences', '[]')) l order by l), (p_me).member_id, p_now)
    returning id
$$;

create or replace function private.product_of(p_shop_id bigint, p jsonb) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint := (p ->> 'product_id')::bigint;
begin
    if v_id is not null and not exists (select from public.products x join public.shops s on s.stock_pool_id = x.stock_pool_id
        where x.id = v_id and s.id = p_shop_id) then
        perform private.fail('PT404', 'listing.product');
    end if;
    return coalesce(v_id, (select x.id from public.products x join public.shops s on s.stock_pool_id = x.stock_pool_id
        where s.id = p_shop_id and x.sku = p ->> 'sku'));
end;
$$;
comment on function private.product_of(bigint, jsonb) is 'The product that a listing is about, by id or by SKU of the shop''s stock pool. listing.product.';

create or replace function private.listing_to_edit(p_id bigint, p_version integer) returns public.listings
language plpgsql set search_path = '' as $$
declare
    v public.listings;
begin
    select * into v from public.listings where id = p_id and shop_id in (select private.my_shop_ids()) for no key update;
    if not found then
        perform private.fail('PT404', 'listing.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'listing.stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    return v;
end;
$$;
comment on function private.listing_to_edit(bigint, integer) is 'Locks a listing of my shops: listing.none, listing.stale.';

create or replace function private.leave_revision(p_revision_id bigint, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.leave_text('listing_revision', p_revision_id, part, null, p_now)
    from unnest(array['title', 'selling_points', 'description']) part where p_revision_id is not null
$$;

create or replace function private.change_listing(p_me private.actor, p_id bigint, p_version integer, p jsonb, p_now timestamptz)
returns public.listings
language plpgsql set search_path = '' as $$
declare
    v public.listings := private.listing_to_edit(p_id, p_version);
    v_revision bigint;
begin
    v_revision := private.new_revision(p_me, p_id, p, p_now);
    if v.revision_id is distinct from v.published_id then
        perform private.leave_revision(v.revision_id, p_now);
    end if;
    update public.listings set revision_id = v_revision, title = p ->> 'title', sku = coalesce(p ->> 'sku', sku),
        product_id = private.product_of(v.shop_id, p), author_id = (p_me).member_id, state = 'draft', state_since = p_now, verdict = 'unchecked',
        text_by = null, final_by = null, reason = null, grams = private.grams((p ->> 'title') || ' ' || coalesce(p ->> 'sku', sku))
    where id = p_id returning * into v;
    return v;
end;
$$;
comment on function private.change_listing(private.actor, bigint, integer, jsonb, timestamptz) is
    'An edit: new revision, back to draft, approvals gone; what is published stays as it is until the new text is.';

create or replace function public.save_listing(p_request_id uuid, p_id bigint, p_version integer, p_listing jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'save_listing', jsonb_build_array(p_id, p_version, p_listing));
    v_in jsonb := private.as_json(p_listing);
    v public.listings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_listing(v_in);
    if p_id is null then
        perform private.require_shop(v_me, (v_in ->> 'shop_id')::bigint);
        insert into public.listings (shop_id, product_id, sku, title, author_id, grams, state_since, created_at)
        values ((v_in ->> 'shop_id')::bigint, private.product_of((v_in ->> 'shop_id')::bigint, v_in), coalesce(v_in ->> 'sku', ''),
            v_in ->> 'title', v_me.member_id, private.grams((v_in ->> 'title') || ' ' || coalesce(v_in ->> 'sku', '')), v_now, v_now)
        returning * into v;
        update public.listings set revision_id = private.new_revision(v_me, v.id, v_in, v_now) where id = v.id returning * into v;
    else
        v := private.change_listing(v_me, p_id, p_version, v_in, v_now);
    end if;
    perform private.audit(v_me, v.shop_id, 'listing', v.id, case when p_id is null then 'created' else 'edited' end,
        jsonb_build_object('revision', (select number from public.listing_revisions where id = v.revision_id)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state, 'revision_id', v.revision_id));
end;
$$;
grant execute on function public.save_listing(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_listing(uuid, bigint, integer, jsonb) is
    'Operations, managers (录入): writes a listing {shop_id (new ones), title, selling_points, description, category, licences, sku, product_id}; an edit makes a new revision that starts at draft. listing.none, listing.stale, listing.title, listing.too_long, listing.category, listing.licence, listing.product.';

create or replace function public.set_listing_images(p_request_id uuid, p_id bigint, p_version integer, p_images jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'set_listing_images', jsonb_build_array(p_id, p_version, p_images));
    v_images jsonb := private.as_json(p_images);
    v public.listings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.listing_to_edit(p_id, p_version);
    if v.state <> 'images' then
        perform private.fail('PT409', 'listing.state', jsonb_build_object('state', v.state));
    end if;
    if coalesce(jsonb_typeof(v_images), '') <> 'array' or jsonb_array_length(v_images) not between 1 and 20
        or exists (select from jsonb_array_elements_text(v_images) u where char_length(u) > 500 or u !~ '^https://[^[:space:]<>"'']{4,}$') then
        perform private.fail('PT422', 'listing.images');
    end if;
    update public.listings set images = array(select jsonb_array_elements_text(v_images)), state = 'final_review', state_since = v_now
    where id = p_id returning * into v;
    perform private.audit(v_me, v.shop_id, 'listing', v.id, 'images_set', jsonb_build_object('count', cardinality(v.images)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.set_listing_images(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.set_listing_images(uuid, bigint, integer, jsonb) is
    'Operations, managers (图片): 1 to 20 https addresses of the pictures; the listing goes on to its final review. listing.images, listing.state, listing.none, listing.stale.';

-- The flow --------------------------------------------------------------------------------------------------------------------------------

create or replace function private.listing_target(p_action text, p_state text) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_action = 'submit' and p_state = 'draft' then 'text_review'
        when p_action = 'approve' and p_state = 'text_review' then 'images'
        when p_action = 'approve' and p_state = 'final_review' then 'ready'
        when p_action = 'return' and p_state in ('text_review', 'images', 'final_review', 'ready', 'suspended') then 'draft'
        when p_action = 'publish' and p_state in ('ready', 'suspended') then 'published'
        when p_action = 'withdraw' and p_state <> 'withdrawn' then 'withdrawn' end
$$;
comment on function private.listing_target(text, text) is 'Where a step leads from a state; null: the step is not possible there.';

create or replace function private.listing_refusal(
    p_me private.actor, p_listing public.listings, p_action text, p_reason text, p_now timestamptz
) returns jsonb
language sql stable set search_path = '' as $$
    select case
        when private.listing_target(p_action, (p_listing).state) is null
            then jsonb_build_object('key', 'listing.state', 'params', jsonb_build_object('state', (p_listing).state))
        when p_action = 'approve' and (p_listing).author_id = (p_me).member_id then '{"key": "listing.own", "params": {}}'::jsonb
        when p_action = 'approve' and (p_listing).state = 'final_review' and (p_me).role <> 'manager'
            then '{"key": "listing.manager", "params": {}}'::jsonb
        when p_action in ('return', 'withdraw') and btrim(coalesce(p_reason, '')) = '' then '{"key": "listing.reason_missing", "params": {}}'::jsonb
        when p_action in ('submit', 'approve')
            then private.revision_refusal((p_listing).revision_id, coalesce(nullif(btrim(p_reason), ''), (p_listing).reason), p_now)
        when p_action = 'publish' then private.publish_refusal(
            jsonb_populate_record(p_listing, jsonb_build_object('reason', coalesce(nullif(btrim(p_reason), ''), (p_listing).reason))), p_now) end
$$;
comment on function private.listing_refusal(private.actor, public.listings, text, text, timestamptz) is
    'Why a step is refused, or null: listing.state, listing.own (the author does not approve), listing.manager (the final review is a manager''s), listing.reason_missing, and what the texts say.';

create or replace function private.write_moves(p_me private.actor, p_ids bigint[], p_action text, p_reason text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.leave_revision(l.published_id, p_now) from public.listings l
    where l.id = any (p_ids) and ((p_action = 'publish' and l.published_id is distinct from l.revision_id) or p_action = 'withdraw');
    select private.leave_revision(l.revision_id, p_now) from public.listings l where l.id = any (p_ids) and p_action = 'withdraw';
    update public.listings l
    set state = private.listing_target(p_action, l.state), state_since = p_now,
        reason = case when p_action in ('submit', 'publish') then coalesce(left(nullif(btrim(p_reason), ''), 300), l.reason) else l.reason end,
        text_by = case when p_action = 'return' then null when p_action = 'approve' and l.state = 'text_review' then (p_me).member_id else l.text_by end,
        final_by = case when p_action = 'return' then null when p_action = 'approve' and l.state = 'final_review' then (p_me).member_id else l.final_by end,
        published_id = case when p_action = 'publish' then l.revision_id when p_action = 'withdraw' then null else l.published_id end,
        live_verdict = case when p_action = 'publish' then l.verdict when p_action = 'withdraw' then null else l.live_verdict end,
        published_at = case when p_action = 'publish' then p_now else l.published_at end
    where l.id = any (p_ids)
$$;

create or replace function private.move_listings(p_me private.actor, p_items jsonb, p_action text, p_reason text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ids bigint[];
    v_before jsonb;
    v_batch bigint;
begin
    if coalesce(jsonb_typeof(p_items), '') <> 'array' or jsonb_array_length(p_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(p_items) > 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    perform private.lock_listings(array(select i.id from jsonb_to_recordset(p_items) i (id bigint)));
    select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'ok', x.refusal is null) || coalesce(x.refusal, '{}') order by x.id), '[]'),
        coalesce(array_agg(x.id) filter (where x.refusal is null), '{}')
    into v_checks, v_ids from (
        select distinct on (i.id) i.id, case
            when l.id is null then '{"key": "listing.none", "params": {}}'::jsonb
            when l.version is distinct from i.version then jsonb_build_object('key', 'listing.stale', 'params', jsonb_build_object('at', l.updated_at))
            else private.listing_refusal(p_me, l, p_action, p_reason, p_now) end as refusal
        from jsonb_to_recordset(p_items) i (id bigint, version integer)
        left join public.listings l on l.id = i.id and l.shop_id in (select private.my_shop_ids())
        order by i.id) x;
    select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'version', l.version + 1, 'before', jsonb_build_object('state', l.state,
        'reason', l.reason, 'text_by', l.text_by, 'final_by', l.final_by, 'published_id', l.published_id))), '[]')
    into v_before from public.listings l where l.id = any (v_ids);
    perform private.write_moves(p_me, v_ids, p_action, p_reason, p_now);
    perform private.audit(p_me, l.shop_id, 'listing', l.id, p_action, jsonb_strip_nulls(jsonb_build_object('to', l.state,
        'reason', nullif(btrim(p_reason), '')))) from public.listings l where l.id = any (v_ids);
    if cardinality(v_ids) > 0 and p_action <> 'publish' then
        insert into private.listing_batches (member_id, action, items, created_at)
        values ((p_me).member_id, p_action, v_before, p_now) returning id into v_batch;
    end if;
    return jsonb_build_object('done', cardinality(v_ids), 'batch_id', v_batch, 'items', (
        select coalesce(jsonb_agg(c || coalesce(jsonb_build_object('version', l.version, 'state', l.state), '{}')), '[]')
        from jsonb_array_elements(v_checks) c left join public.listings l on l.id = (c ->> 'id')::bigint and l.shop_id in (select private.my_shop_ids())));
end;
$$;
comment on function private.move_listings(private.actor, jsonb, text, text, timestamptz) is
    'One step for many listings: locked, each checked, those that may go on; {done, batch_id, items: [{id, ok, key, params, version, state}]}.';

create or replace function public.submit_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'submit_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'submit', p_reason, private.now()));
end;
$$;
grant execute on function public.submit_listings(uuid, jsonb, text) to authenticated;
comment on function public.submit_listings(uuid, jsonb, text) is
    'Operations, managers: from draft to text review (审核). p_reason: why warnings may stay. Refused per item: text.unchecked, text.blocked, text.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.approve_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'approve_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'approve', p_reason, private.now()));
end;
$$;
grant execute on function public.approve_listings(uuid, jsonb, text) to authenticated;
comment on function public.approve_listings(uuid, jsonb, text) is
    'Passes the text review (another operations member or manager) or the final review (上架审核, a manager); never the author. Refused per item: listing.own, listing.manager, text.blocked, text.unchecked, listing.state, listing.stale, listing.none.';

create or replace function public.return_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'return_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'return', p_reason, private.now()));
end;
$$;
grant execute on function public.return_listings(uuid, jsonb, text) to authenticated;
comment on function public.return_listings(uuid, jsonb, text) is
    'Operations, managers: back to draft with a reason; approvals are gone. Refused per item: listing.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.publish_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'publish_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'publish', p_reason, private.now()));
end;
$$;
grant execute on function public.publish_listings(uuid, jsonb, text) to authenticated;
comment on function public.publish_listings(uuid, jsonb, text) is
    'Operations, managers (发布): what is ready, or was suspended and is clean again. Refused per item: text.unchecked, text.blocked, text.reason_missing, listing.unapproved, listing.images_missing, listing.state, listing.stale, listing.none.';

create or replace function public.withdraw_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'withdraw_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'withdraw', p_reason, private.now()));
end;
$$;
grant execute on function public.withdraw_listings(uuid, jsonb, text) to authenticated;
comment on function public.withdraw_listings(uuid, jsonb, text) is
    'Operations, managers: takes a listing out, with a reason. Refused per item: listing.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.undo_listings(p_request_id uuid, p_batch_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_listings', to_jsonb(p_batch_id));
    v private.listing_batches;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from private.listing_batches where id = p_batch_id and member_id = v_me.member_id for update;
    if not found then
        perform private.fail('PT404', 'undo.none');
    elsif v.undone_at is not null then
        perform private.fail('PT409', 'undo.done', jsonb_build_object('at', v.undone_at));
    elsif v.created_at < v_now - interval '10 minutes' then
        perform private.fail('PT409', 'undo.too_late', jsonb_build_object('at', v.created_at));
    end if;
    v_ids := array(select i.id from jsonb_to_recordset(v.items) i (id bigint));
    perform private.lock_listings(v_ids);
    if exists (select from jsonb_to_recordset(v.items) i (id bigint, version integer) left join public.listings l
        on l.id = i.id and l.shop_id in (select private.my_shop_ids()) where l.version is distinct from i.version) then
        perform private.fail('PT409', 'listing.changed');
    end if;
    update public.listings l set state = b ->> 'state', reason = b ->> 'reason', text_by = (b ->> 'text_by')::bigint,
        final_by = (b ->> 'final_by')::bigint, published_id = (b ->> 'published_id')::bigint, state_since = v_now
    from (select (i ->> 'id')::bigint as id, i -> 'before' as b from jsonb_array_elements(v.items) i) x where l.id = x.id;
    perform private.settle_listings(v_ids, v_now);
    perform private.audit(v_me, l.shop_id, 'listing', l.id, 'undone', jsonb_build_object('step', v.action)) from public.listings l where l.id = any (v_ids);
    update private.listing_batches set undone_at = v_now where id = v.id;
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids)));
end;
$$;
grant execute on function public.undo_listings(uuid, bigint) to authenticated;
comment on function public.undo_listings(uuid, bigint) is
    'Takes back my own step of the last ten minutes (never a publication), all of it or nothing. undo.none, undo.done, undo.too_late, listing.changed.';

-- ==== 73_word_proposals.sql ====

-- 73 ----------------------------------------------------------------------------------- words: proposals, trial, approval
--
-- A proposal is written by operations or a manager, tried (a job compiles the dictionary as it would be and reads stored
-- texts with it), submitted, and approved by a manager who is not its author. Only what was tried as it stands can be
-- submitted: a pattern that does not compile never becomes a version.

create or replace function private.proposal_to_change(p_me private.actor, p_id bigint, p_version integer, p_states text[])
returns public.word_proposals
language plpgsql set search_path = '' as $$
declare
    v public.word_proposals;
begin
    select * into v from public.word_proposals where id = p_id for update;
    if not found then
        perform private.fail('PT404', 'words.proposal_none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'words.proposal_stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'words.proposal_state', jsonb_build_object('state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.proposal_to_change(private.actor, bigint, integer, text[]) is
    'Locks a proposal: words.proposal_none, words.proposal_stale, words.proposal_state.';

create or replace function private.word_problem(p_target text, p_action text, p_facts jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
    v_allowed text[] := case p_target
        when 'word' then array['term', 'category', 'severity', 'legal_basis', 'suggestion', 'match_kind', 'context', 'exceptions', 'platforms']
        else array['terms', 'effect', 'place', 'pattern', 'note', 'platforms'] end;
begin
    if jsonb_typeof(p_facts) <> 'object' or exists (select from jsonb_object_keys(p_facts) k where k <> all (v_allowed)) then
        return 'fields';
    end if;
    if p_action = 'disable' then
        return case when p_facts <> '{}' then 'fields' end;
    end if;
    return case p_target
        when 'word' then case
            when p_action = 'change' and p_facts ? 'term' then 'term_fixed'
            when char_length(btrim(coalesce(p_facts ->> 'term', case when p_action = 'change' then '..' else '' end))) not between 2 and 60 then 'term'
            when coalesce(p_facts ->> 'category', case when p_action = 'change' then 'absolute' end) = any (private.word_categories()) is not true then 'category'
            when coalesce(p_facts ->> 'severity', case when p_action = 'change' then 'warn' end) in ('block', 'warn') is not true then 'severity'
            when char_length(coalesce(p_facts ->> 'legal_basis', case when p_action = 'change' then '.' else '' end)) not between 1 and 300 then 'legal_basis'
            when char_length(coalesce(p_facts ->> 'suggestion', '')) > 300 then 'suggestion'
            when coalesce(p_facts ->> 'match_kind', 'exact') not in ('exact', 'context', 'prefix') then 'match_kind'
            when char_length(coalesce(p_facts ->> 'context', '')) > 1000 or char_length(coalesce(p_facts ->> 'exceptions', '')) > 1000 then 'context'
            else private.platform_problem(p_facts) end
        else case
            when p_action = 'change' and not p_facts ? 'terms' then private.exception_problem('{"terms": ["."]}' || p_facts, true)
            else private.exception_problem(p_facts, p_action = 'change') end
    end;
end;
$$;
comment on function private.word_problem(text, text, jsonb) is 'The first field of an operation that cannot be stored, or null.';

create or replace function private.platform_problem(p_facts jsonb) returns text
language sql immutable set search_path = '' as $$
    select case when p_facts ? 'platforms' and not (jsonb_typeof(p_facts -> 'platforms') = 'array'
        and p_facts -> 'platforms' <@ to_jsonb(private.platforms())) then 'platforms' end
$$;

create or replace function private.exception_problem(p_facts jsonb, p_is_change boolean) returns text
language sql immutable set search_path = '' as $$
    select case
        when jsonb_typeof(p_facts -> 'terms') is distinct from 'array' or jsonb_array_length(p_facts -> 'terms') not between 1 and 200 then 'terms'
        when exists (select from jsonb_array_elements(p_facts -> 'terms') t where jsonb_typeof(t) <> 'string') then 'terms'
        when coalesce(p_facts ->> 'effect', case when p_is_change then 'warn' end) in ('clean', 'warn', 'need') is not true then 'effect'
        when coalesce(p_facts ->> 'place', case when p_is_change then 'phrase' end)
            in ('phrase', 'head', 'tail', 'clause', 'sentence', 'category') is not true then 'place'
        when char_length(coalesce(p_facts ->> 'pattern', case when p_is_change then '.' else '' end)) not between 1 and 4000 then 'pattern'
        when char_length(coalesce(p_facts ->> 'note', '')) > 300 then 'note'
        else private.platform_problem(p_facts) end
$$;

create or replace function private.check_items(p_items jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v record;
begin
    if coalesce(jsonb_typeof(p_items), '') <> 'array' or jsonb_array_length(p_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(p_items) > 5000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 5000}');
    end if;
    select i.n, i.value, case
        when coalesce(i.value ->> 'target', '') not in ('word', 'exception') then 'target'
        when coalesce(i.value ->> 'action', '') not in ('add', 'change', 'disable') then 'action'
        when char_length(btrim(coalesce(i.value ->> 'reason', ''))) not between 1 and 300 then 'reason'
        when (i.value ->> 'action' = 'add') <> (i.value ->> 'id' is null) then 'id'
        else private.word_problem(i.value ->> 'target', i.value ->> 'action', coalesce(i.value -> 'facts', '{}')) end as problem
    into v
    from jsonb_array_elements(p_items) with ordinality i (value, n)
    where case
        when coalesce(i.value ->> 'target', '') not in ('word', 'exception') or coalesce(i.value ->> 'action', '') not in ('add', 'change', 'disable')
            or char_length(btrim(coalesce(i.value ->> 'reason', ''))) not between 1 and 300
            or (i.value ->> 'action' = 'add') <> (i.value ->> 'id' is null) then true
        else private.word_problem(i.value ->> 'target', i.value ->> 'action', coalesce(i.value -> 'facts', '{}')) is not null end
    order by i.n limit 1;
    if found then
        perform private.fail('PT422', 'words.item_bad', jsonb_build_object('n', v.n, 'field', v.problem));
    end if;
end;
$$;
comment on function private.check_items(jsonb) is 'bulk.empty, bulk.too_many, words.item_bad (n, field) for the first operation that says nothing sensible.';

create or replace function private.check_moved(p_proposal_id bigint) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_n integer;
    v_term text;
begin
    select i.n into v_n from public.word_proposal_items i
    where i.proposal_id = p_proposal_id and i.row_id is not null
      and not exists (select from public.compliance_words w where i.target = 'word' and w.id = i.row_id and w.to_version is null)
      and not exists (select from public.word_exceptions e where i.target = 'exception' and e.id = i.row_id and e.to_version is null)
    order by i.n limit 1;
    if found then
        perform private.fail('PT409', 'words.moved', jsonb_build_object('n', v_n));
    end if;
    select i.facts ->> 'term' into v_term from public.word_proposal_items i
    where i.proposal_id = p_proposal_id and i.target = 'word' and i.action = 'add'
      and (exists (select from public.compliance_words w where w.term = btrim(i.facts ->> 'term') and w.to_version is null)
           or exists (select from public.word_proposal_items o where o.proposal_id = i.proposal_id and o.target = 'word'
                      and o.action = 'add' and o.n < i.n and btrim(o.facts ->> 'term') = btrim(i.facts ->> 'term')))
    order by i.n limit 1;
    if found then
        perform private.fail('PT409', 'words.term_exists', jsonb_build_object('term', v_term));
    end if;
    select min(i.n) into v_n from public.word_proposal_items i where i.proposal_id = p_proposal_id and i.row_id is not null
    group by i.target, i.row_id having count(*) > 1 limit 1;
    if found then
        perform private.fail('PT422', 'words.item_twice', jsonb_build_object('n', v_n));
    end if;
end;
$$;
comment on function private.check_moved(bigint) is 'words.moved: a row was replaced meanwhile; words.term_exists; words.item_twice: two operations on one row.';

create or replace function private.write_items(p_id bigint, p_items jsonb) returns void
language sql set search_path = '' as $$
    delete from public.word_proposal_items where proposal_id = p_id;
    insert into public.word_proposal_items (proposal_id, n, target, action, row_id, facts, reason)
    select p_id, i.n, i.value ->> 'target', i.value ->> 'action', (i.value ->> 'id')::bigint,
        case when i.value -> 'facts' ? 'term' then (i.value -> 'facts') || jsonb_build_object('term', btrim(i.value -> 'facts' ->> 'term'))
             else coalesce(i.value -> 'facts', '{}') end,
        btrim(i.value ->> 'reason')
    from jsonb_array_elements(p_items) with ordinality i (value, n)
$$;

create or replace function public.save_proposal(p_request_id uuid, p_id bigint, p_version integer, p_title text, p_items jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'save_proposal', jsonb_build_array(p_id, p_version, p_title, p_items));
    v_items jsonb := private.as_json(p_items);
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if char_length(btrim(coalesce(p_title, ''))) not between 1 and 120 then
        perform private.fail('PT422', 'words.title_missing');
    end if;
    perform private.check_items(v_items);
    if p_id is null then
        insert into public.word_proposals (title, item_count, created_by, created_at)
        values (btrim(p_title), jsonb_array_length(v_items), v_me.member_id, v_now) returning * into v;
    else
        v := private.proposal_to_change(v_me, p_id, p_version, array['draft']);
        if v.created_by <> v_me.member_id then
            perform private.fail('PT403', 'words.not_yours');
        end if;
        update public.word_proposals set title = btrim(p_title), item_count = jsonb_array_length(v_items),
            items_version = items_version + 1, trial = '{}', tried_version = null where id = p_id returning * into v;
    end if;
    perform private.write_items(v.id, v_items);
    perform private.check_moved(v.id);
    perform private.audit(v_me, null, 'word_proposal', v.id, 'saved', jsonb_build_object('items', v.item_count));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.save_proposal(uuid, bigint, integer, text, jsonb) to authenticated;
comment on function public.save_proposal(uuid, bigint, integer, text, jsonb) is
    'Operations, managers: writes a proposal (p_id null: a new one) with at most 5,000 operations {target word|exception, action add|change|disable, id?, facts, reason}. Its author only, while draft. words.item_bad (n, field), words.moved (n), words.term_exists (term), words.item_twice, words.title_missing, words.proposal_stale.';

create or replace function public.try_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'try_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft', 'submitted']);
    perform private.check_moved(p_id);
    update public.word_proposals set trial = '{"state": "waiting", "done": 0}', tried_version = null where id = p_id returning * into v;
    perform private.enqueue('try_words', jsonb_build_object('proposal_id', p_id), 'try_words:' || p_id, v_now);
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version));
end;
$$;
grant execute on function public.try_proposal(uuid, bigint, integer) to authenticated;
comment on function public.try_proposal(uuid, bigint, integer) is
    'Operations, managers: reads the stored texts with the dictionary as it would be; the answer grows in word_proposals.trial. words.proposal_none, words.proposal_stale, words.proposal_state, words.moved.';

create or replace function public.service_proposal(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('id', p.id, 'state', p.state, 'items_version', p.items_version, 'trial', p.trial,
            'words_version', private.words_version())
        from public.word_proposals p where p.id = p_id);
end;
$$;
grant execute on function public.service_proposal(bigint) to service_role;
comment on function public.service_proposal(bigint) is 'Service: what a trial needs to know about a proposal; null when there is none.';

create or replace function public.service_trial(p_id bigint, p_items_version integer, p_trial jsonb) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_trial jsonb := private.as_json(p_trial);
begin
    update public.word_proposals set trial = v_trial,
        tried_version = case when v_trial ->> 'state' = 'done' then items_version end
    where id = p_id and items_version = p_items_version and state in ('draft', 'submitted');
    return found;
end;
$$;
grant execute on function public.service_trial(bigint, integer, jsonb) to service_role;
comment on function public.service_trial(bigint, integer, jsonb) is
    'Service: how far a trial is and what it found; false when the operations changed meanwhile. state done makes the proposal ready to submit.';

create or replace function public.submit_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'submit_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft']);
    if v.created_by <> v_me.member_id then
        perform private.fail('PT403', 'words.not_yours');
    end if;
    if v.tried_version is distinct from v.items_version then
        perform private.fail('PT409', 'words.untried');
    end if;
    perform private.check_moved(p_id);
    update public.word_proposals set state = 'submitted', submitted_at = v_now where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, 'submitted');
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.submit_proposal(uuid, bigint, integer) to authenticated;
comment on function public.submit_proposal(uuid, bigint, integer) is
    'The author hands a proposal to a manager. words.untried until a trial of exactly these operations is done, words.not_yours, words.moved, words.proposal_stale.';

create or replace function public.withdraw_proposal(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'withdraw_proposal', jsonb_build_array(p_id, p_version));
    v public.word_proposals;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['draft', 'submitted']);
    if v.created_by <> v_me.member_id then
        perform private.fail('PT403', 'words.not_yours');
    end if;
    update public.word_proposals set state = 'withdrawn', decided_at = v_now where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, 'withdrawn');
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.withdraw_proposal(uuid, bigint, integer) to authenticated;
comment on function public.withdraw_proposal(uuid, bigint, integer) is 'The author takes a proposal back. words.not_yours, words.proposal_state, words.proposal_stale.';

-- The decision --------------------------------------------------------------------------------------------------------------------

create or replace function private.apply_proposal(p_me private.actor, p public.word_proposals, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_version integer := private.lock_words();
begin
    perform private.check_moved((p).id);
    insert into public.word_versions (id, basis, proposal_id, note, words_added, words_changed, words_disabled, exceptions_changed, made_by, made_at)
    select v_version + 1, (select basis from public.word_versions where id = v_version), (p).id, (p).title,
        count(*) filter (where i.target = 'word' and i.action = 'add'), count(*) filter (where i.target = 'word' and i.action = 'change'),
        count(*) filter (where i.target = 'word' and i.action = 'disable'), count(*) filter (where i.target = 'exception'),
        (p_me).member_id, p_now
    from public.word_proposal_items i where i.proposal_id = (p).id;
    update public.compliance_words w set to_version = v_version + 1 from public.word_proposal_items i
    where i.proposal_id = (p).id and i.target = 'word' and i.row_id = w.id;
    update public.word_exceptions e set to_version = v_version + 1 from public.word_proposal_items i
    where i.proposal_id = (p).id and i.target = 'exception' and i.row_id = e.id;
    insert into public.compliance_words (position, term, category, severity, legal_basis, suggestion, match_kind, context, exceptions,
        platforms, is_active, origin, reason, from_version)
    select w.position, w.term, w.category, w.severity, w.legal_basis, w.suggestion, w.match_kind, w.context, w.exceptions,
        w.platforms, w.is_active, 'own', w.reason, v_version + 1
    from private.words_proposed(v_version, (p).id) w where w.id = 0 order by w.position;
    insert into public.word_exceptions (root_id, position, terms, effect, place, pattern, note, platforms, is_active, origin, reason, from_version)
    select e.root_id, e.position, e.terms, e.effect, e.place, e.pattern, e.note, e.platforms, e.is_active, 'own', e.reason, v_version + 1
    from private.exceptions_proposed(v_version, (p).id) e where e.id = 0 order by e.position;
    return v_version + 1;
end;
$$;
comment on function private.apply_proposal(private.actor, public.word_proposals, timestamptz) is
    'The next version: rows that are replaced end with it, the proposed ones begin. words.moved, words.term_exists.';

create or replace function public.decide_proposal(p_request_id uuid, p_id bigint, p_version integer, p_approve boolean, p_note text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_proposal', jsonb_build_array(p_id, p_version, p_approve, p_note));
    v public.word_proposals;
    v_made integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.proposal_to_change(v_me, p_id, p_version, array['submitted']);
    if v.created_by = v_me.member_id then
        perform private.fail('PT403', 'words.own');
    end if;
    if not p_approve and btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'words.note_missing');
    end if;
    if p_approve then
        if v.tried_version is distinct from v.items_version then
            perform private.fail('PT409', 'words.untried');
        end if;
        v_made := private.apply_proposal(v_me, v, v_now);
        perform private.queue_text_recheck('version', v_now);
    end if;
    update public.word_proposals set state = case when p_approve then 'approved' else 'refused' end, decided_by = v_me.member_id,
        decided_at = v_now, decision_note = left(btrim(p_note), 300), made_version = v_made where id = p_id returning * into v;
    perform private.audit(v_me, null, 'word_proposal', p_id, v.state, jsonb_strip_nulls(jsonb_build_object('words_version', v_made)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state, 'words_version', v_made));
end;
$$;
grant execute on function public.decide_proposal(uuid, bigint, integer, boolean, text) to authenticated;
comment on function public.decide_proposal(uuid, bigint, integer, boolean, text) is
    'A manager approves (a new version of the dictionary, and everything published is checked again) or refuses with a note. Never the author: words.own. words.untried, words.note_missing, words.moved, words.term_exists, words.proposal_state, words.proposal_stale.';

create or replace function public.proposal_list(p_state text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select p.id, p.title, p.state, p.item_count, p.items_version, p.tried_version, p.version, p.created_by, a.display_name as author,
            p.created_at, p.submitted_at, d.display_name as decided_by, p.decided_at, p.decision_note, p.made_version,
            p.trial - 'new' - 'released' as trial
        from public.word_proposals p join public.members a on a.id = p.created_by left join public.members d on d.id = p.decided_by
        where p_state is null or p.state = p_state order by p.id desc limit 200) x);
end;
$$;
grant execute on function public.proposal_list(text) to authenticated;
comment on function public.proposal_list(text) is 'Members: the latest 200 proposals (of a state), newest first.';

create or replace function private.of_my_shops(p_rows jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(r), '[]') from jsonb_array_elements(coalesce(p_rows, '[]')) r
    where (r ->> 'shop_id')::bigint in (select private.my_shop_ids())
$$;

create or replace function public.proposal_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select to_jsonb(p) || jsonb_build_object('trial', p.trial || jsonb_build_object(
                'new', private.of_my_shops(p.trial -> 'new'), 'released', private.of_my_shops(p.trial -> 'released')), 'author', a.display_name, 'decided_by', d.display_name,
            'can_decide', v_me.role = 'manager' and p.state = 'submitted' and p.created_by <> v_me.member_id,
            'items', (select coalesce(jsonb_agg(jsonb_build_object('n', i.n, 'target', i.target, 'action', i.action, 'id', i.row_id,
                    'facts', i.facts, 'reason', i.reason, 'before', coalesce(to_jsonb(w), to_jsonb(e))) order by i.n), '[]')
                from public.word_proposal_items i
                left join public.compliance_words w on i.target = 'word' and w.id = i.row_id
                left join public.word_exceptions e on i.target = 'exception' and e.id = i.row_id
                where i.proposal_id = p.id))
        from public.word_proposals p join public.members a on a.id = p.created_by left join public.members d on d.id = p.decided_by
        where p.id = p_id);
end;
$$;
grant execute on function public.proposal_detail(bigint) to authenticated;
comment on function public.proposal_detail(bigint) is 'Members: a proposal, its operations with the rows before them, and the trial; null when there is none.';

-- ==== 74_exemptions.sql ====

-- 74 ----------------------------------------------------------------------- exemptions: a word allowed on evidence, until a day
--
-- An exemption allows one word in one shop, or for one product of it, until a day. It is requested with a reason and files
-- that prove it (at most 5 MB each, kept in the database) and approved by a manager who did not request it. Without a file,
-- past its day or revoked it allows nothing.

create table if not exists public.exemptions (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    product_id bigint references public.products,
    term text not null constraint exemptions_term_length check (char_length(term) between 1 and 60),
    category text not null constraint exemptions_category_known check (category = any (private.word_categories())),
    reason text not null constraint exemptions_reason_known
        check (reason in ('self_compare', 'award', 'certificate', 'licence', 'fact_with_source', 'registered_name', 'other')),
    note text not null constraint exemptions_note_length check (char_length(btrim(note)) between 1 and 300),
    valid_until date not null,
    state text not null default 'requested' constraint exemptions_state_known check (state in ('requested', 'approved', 'refused', 'revoked')),
    requested_by bigint not null references public.members,
    requested_at timestamptz not null,
    decided_by bigint references public.members,
    decided_at timestamptz,
    decision_note text constraint exemptions_decision_length check (char_length(decision_note) <= 300),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint exemptions_not_by_one check (state <> 'approved' or decided_by <> requested_by)
);
create index if not exists exemptions_valid_idx on public.exemptions (shop_id, term) where state = 'approved';
create index if not exists exemptions_state_idx on public.exemptions (shop_id, state, id);
create index if not exists exemptions_product_id_idx on public.exemptions (product_id);
create index if not exists exemptions_requested_by_idx on public.exemptions (requested_by);
create index if not exists exemptions_decided_by_idx on public.exemptions (decided_by);
alter table public.exemptions enable row level security;
create or replace trigger t10_touch before update on public.exemptions for each row execute function private.touch_version();
comment on table public.exemptions is 'A word that evidence allows in a shop (or for one product of it) until the end of valid_until, in the shop''s zone.';
drop policy if exists "members read the exemptions of their shops" on public.exemptions;
create policy "members read the exemptions of their shops" on public.exemptions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.exemptions to authenticated;

create table if not exists private.evidence_files (
    id bigint generated always as identity primary key,
    exemption_id bigint not null references public.exemptions,
    name text not null constraint evidence_files_name_length check (char_length(name) between 1 and 120),
    mime text not null constraint evidence_files_mime_known check (mime in ('application/pdf', 'image/png', 'image/jpeg')),
    content bytea not null constraint evidence_files_size check (octet_length(content) between 1 and 5242880),
    uploaded_by bigint not null references public.members,
    uploaded_at timestamptz not null
);
create index if not exists evidence_files_exemption_id_idx on private.evidence_files (exemption_id);
create index if not exists evidence_files_uploaded_by_idx on private.evidence_files (uploaded_by);
alter table private.evidence_files enable row level security;
comment on table private.evidence_files is 'The files that prove an exemption: PDF, PNG or JPEG by their first bytes, at most 5 MB. Read through read_evidence alone.';

create or replace function private.is_exempt(p_term text, p_shop_id bigint, p_product_id bigint, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.exemptions e join public.shops s on s.id = e.shop_id
        where e.shop_id = p_shop_id and e.term = p_term and e.state = 'approved'
          and (e.product_id is null or e.product_id = p_product_id)
          and e.valid_until >= (p_now at time zone s.timezone)::date
          and exists (select from private.evidence_files f where f.exemption_id = e.id))
$$;
comment on function private.is_exempt(text, bigint, bigint, timestamptz) is 'Whether evidence allows the word there and then.';

create or replace function private.mime_of(p_content bytea) returns text
language sql immutable set search_path = '' as $$
    select case
        when substr(p_content, 1, 5) = '\x255044462d' then 'application/pdf'
        when substr(p_content, 1, 8) = '\x89504e470d0a1a0a' then 'image/png'
        when substr(p_content, 1, 3) = '\xffd8ff' then 'image/jpeg' end
$$;
comment on function private.mime_of(bytea) is 'What a file is by its first bytes, whatever its name says; null for anything else.';

create or replace function private.settle_term(p_shop_id bigint, p_term text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := private.listings_of(array(
        select c.entity_id from public.text_checks c join public.text_hits h on h.check_id = c.id
        where h.shop_id = p_shop_id and h.term = p_term and h.gone_at is null and c.entity = 'listing_revision'));
begin
    perform private.lock_listings(v_ids);
    perform private.settle_listings(v_ids, p_now);
end;
$$;
comment on function private.settle_term(bigint, text, timestamptz) is 'Listings of a shop that use a word, after what allows it came or went.';

create or replace function private.can_be_exempt(p_category text) returns boolean
language sql immutable set search_path = '' as $$
    select p_category not in ('national_symbol', 'vulgar', 'superstition', 'infant_alcohol_tobacco', 'trademark')
$$;
comment on function private.can_be_exempt(text) is
    'Not what the Advertising Law of the PRC forbids whatever the proof: art. 9 (1), (7) and (8), art. 20, 22, 23; Trademark Law art. 14.';

create or replace function public.request_exemption(p_request_id uuid, p_exemption jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'request_exemption', p_exemption);
    v_in jsonb := private.as_json(p_exemption);
    v_shop bigint := (v_in ->> 'shop_id')::bigint;
    v_category text;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, v_shop);
    select h.category into v_category from public.text_hits h where h.shop_id = v_shop and h.term = v_in ->> 'term' order by h.id desc limit 1;
    v_category := coalesce(v_category, (select w.category from public.compliance_words w where w.term = v_in ->> 'term' and w.to_version is null));
    if v_category is null then
        perform private.fail('PT404', 'exemption.term');
    end if;
    if not private.can_be_exempt(v_category) then
        perform private.fail('PT422', 'exemption.not_possible', jsonb_build_object('term', v_in ->> 'term'));
    end if;
    if (v_in ->> 'valid_until')::date is null or (v_in ->> 'valid_until')::date < v_now::date
        or (v_in ->> 'valid_until')::date > v_now::date + 1100 then
        perform private.fail('PT422', 'exemption.expiry');
    end if;
    insert into public.exemptions (shop_id, product_id, term, category, reason, note, valid_until, requested_by, requested_at)
    values (v_shop, private.product_of(v_shop, v_in), v_in ->> 'term', v_category, v_in ->> 'reason', btrim(v_in ->> 'note'),
        (v_in ->> 'valid_until')::date, v_me.member_id, v_now) returning id into v_id;
    perform private.audit(v_me, v_shop, 'exemption', v_id, 'requested', jsonb_build_object('term', v_in ->> 'term'));
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id, 'version', 1));
exception when check_violation or not_null_violation or invalid_datetime_format or datetime_field_overflow or invalid_text_representation then
    perform private.fail('PT422', 'exemption.bad_value');
end;
$$;
grant execute on function public.request_exemption(uuid, jsonb) to authenticated;
comment on function public.request_exemption(uuid, jsonb) is
    'Operations, managers: {shop_id, product_id or sku (none: the whole shop), term, reason, note, valid_until (at most three years)}. exemption.term (never found here), exemption.not_possible, exemption.expiry, exemption.bad_value, shop.none, listing.product.';

create or replace function private.exemption_to_change(p_id bigint, p_version integer, p_states text[]) returns public.exemptions
language plpgsql set search_path = '' as $$
declare
    v public.exemptions;
begin
    select * into v from public.exemptions where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'exemption.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'exemption.stale', jsonb_build_object('at', v.updated_at));
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'exemption.state', jsonb_build_object('state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.exemption_to_change(bigint, integer, text[]) is 'Locks an exemption of my shops: exemption.none, exemption.stale, exemption.state.';

create or replace function public.add_evidence(p_request_id uuid, p_exemption_id bigint, p_name text, p_content text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'add_evidence',
        jsonb_build_array(p_exemption_id, p_name, private.sha256(coalesce(p_content, ''))));
    v_content bytea;
    v_id bigint;
    v_count integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.exemption_to_change(p_exemption_id, (select e.version from public.exemptions e where e.id = p_exemption_id), array['requested']);
    if char_length(coalesce(p_content, '')) > 7200000 then
        perform private.fail('PT422', 'evidence.too_large', '{"limit": 5}');
    end if;
    v_content := decode(p_content, 'base64');
    if octet_length(v_content) > 5242880 then
        perform private.fail('PT422', 'evidence.too_large', '{"limit": 5}');
    end if;
    if private.mime_of(v_content) is null then
        perform private.fail('PT422', 'evidence.type');
    end if;
    select count(*) into v_count from private.evidence_files where exemption_id = p_exemption_id;
    if v_count >= 5 then
        perform private.fail('PT422', 'evidence.too_many', '{"limit": 5}');
    end if;
    insert into private.evidence_files (exemption_id, name, mime, content, uploaded_by, uploaded_at)
    values (p_exemption_id, left(regexp_replace(coalesce(nullif(btrim(p_name), ''), 'file'), '[[:cntrl:]/\\]', '_', 'g'), 120),
        private.mime_of(v_content), v_content, v_me.member_id, v_now) returning id into v_id;
    update public.exemptions set updated_at = v_now where id = p_exemption_id;
    perform private.audit(v_me, (select shop_id from public.exemptions where id = p_exemption_id), 'exemption', p_exemption_id,
        'evidence_added', jsonb_build_object('file', v_id));
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
exception when invalid_parameter_value then
    perform private.fail('PT422', 'evidence.type');
end;
$$;
grant execute on function public.add_evidence(uuid, bigint, text, text) to authenticated;
comment on function public.add_evidence(uuid, bigint, text, text) is
    'Operations, managers: a file (base64; PDF, PNG or JPEG by content, at most 5 MB, at most five) for an exemption that waits for its decision. evidence.too_large, evidence.type, evidence.too_many, exemption.none, exemption.state.';

create or replace function public.read_evidence(p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst', 'admin']);
    v record;
begin
    select f.id, f.name, f.mime, f.content, e.id as exemption_id, e.shop_id into v
    from private.evidence_files f join public.exemptions e on e.id = f.exemption_id
    where f.id = p_id and e.shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'evidence.none');
    end if;
    perform private.audit(v_me, v.shop_id, 'exemption', v.exemption_id, 'evidence_read', jsonb_build_object('file', v.id));
    return jsonb_build_object('name', v.name, 'mime', v.mime, 'content', replace(encode(v.content, 'base64'), e'\n', ''));
end;
$$;
grant execute on function public.read_evidence(bigint) to authenticated;
comment on function public.read_evidence(bigint) is 'Operations, managers, analysts, admins of the shop: a file of evidence {name, mime, content (base64)}; recorded. evidence.none.';

create or replace function public.decide_exemption(p_request_id uuid, p_id bigint, p_version integer, p_approve boolean, p_note text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_exemption', jsonb_build_array(p_id, p_version, p_approve, p_note));
    v public.exemptions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.exemption_to_change(p_id, p_version, array['requested']);
    if v.requested_by = v_me.member_id then
        perform private.fail('PT403', 'exemption.own');
    end if;
    if p_approve and not exists (select from private.evidence_files f where f.exemption_id = p_id) then
        perform private.fail('PT409', 'exemption.no_evidence');
    end if;
    if not p_approve and btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'exemption.note_missing');
    end if;
    update public.exemptions set state = case when p_approve then 'approved' else 'refused' end, decided_by = v_me.member_id,
        decided_at = v_now, decision_note = left(btrim(p_note), 300) where id = p_id returning * into v;
    if p_approve then
        perform private.settle_term(v.shop_id, v.term, v_now);
        perform private.enqueue('settle_exemption', jsonb_build_object('exemption_id', p_id, 'shop_id', v.shop_id), 'exemption:' || p_id,
            ((v.valid_until + 1)::timestamp at time zone (select timezone from public.shops where id = v.shop_id)));
    end if;
    perform private.audit(v_me, v.shop_id, 'exemption', p_id, v.state, jsonb_build_object('term', v.term));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.decide_exemption(uuid, bigint, integer, boolean, text) to authenticated;
comment on function public.decide_exemption(uuid, bigint, integer, boolean, text) is
    'A manager of the shop approves a request that has evidence, or refuses it with a note; never the one who asked: exemption.own. exemption.no_evidence, exemption.note_missing, exemption.none, exemption.stale, exemption.state.';

create or replace function public.revoke_exemption(p_request_id uuid, p_id bigint, p_version integer, p_note text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'revoke_exemption', jsonb_build_array(p_id, p_version, p_note));
    v public.exemptions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.exemption_to_change(p_id, p_version, array['requested', 'approved']);
    if v.state = 'approved' and v_me.role <> 'manager' then
        perform private.fail('PT403', 'exemption.manager');
    end if;
    if btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'exemption.note_missing');
    end if;
    update public.exemptions set state = 'revoked', decision_note = left(btrim(p_note), 300), decided_by = v_me.member_id, decided_at = v_now
    where id = p_id returning * into v;
    perform private.settle_term(v.shop_id, v.term, v_now);
    perform private.audit(v_me, v.shop_id, 'exemption', p_id, 'revoked', jsonb_build_object('term', v.term));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.revoke_exemption(uuid, bigint, integer, text) to authenticated;
comment on function public.revoke_exemption(uuid, bigint, integer, text) is
    'A manager takes an approved exemption back (operations: only a request), with a note; what it allowed is judged again. exemption.manager, exemption.note_missing, exemption.none, exemption.stale, exemption.state.';

create or replace function public.exemption_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
begin
    p := coalesce(private.as_json(p), '{}');
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select e.id, e.shop_id, s.name as shop_name, e.product_id, d.sku, d.name as product_name, e.term, e.category, e.reason, e.note,
            e.valid_until, e.state, e.version, e.requested_by, a.display_name as requested_by_name, e.requested_at,
            b.display_name as decided_by_name, e.decided_at, e.decision_note,
            e.valid_until < (v_now at time zone s.timezone)::date as is_expired,
            v_me.role = 'manager' and e.state = 'requested' and e.requested_by <> v_me.member_id as can_decide,
            (select coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'name', f.name, 'mime', f.mime, 'size', octet_length(f.content),
                'uploaded_at', f.uploaded_at) order by f.id), '[]') from private.evidence_files f where f.exemption_id = e.id) as files
        from public.exemptions e join public.shops s on s.id = e.shop_id join public.members a on a.id = e.requested_by
        left join public.members b on b.id = e.decided_by left join public.products d on d.id = e.product_id
        where e.shop_id in (select private.my_shop_ids())
          and (p ->> 'shop_id' is null or e.shop_id = (p ->> 'shop_id')::bigint)
          and (p ->> 'state' is null or e.state = p ->> 'state') and (p ->> 'term' is null or e.term = p ->> 'term')
          and (p ->> 'after' is null or e.id < (p ->> 'after')::bigint)
        order by e.id desc limit least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 200)) x);
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.exemption_list(jsonb) to authenticated;
comment on function public.exemption_list(jsonb) is
    'Members: exemptions of my shops with their files, newest first. p: shop_id, state, term, after (last id), limit. filter.bad.';

create or replace function public.service_settle_exemption(p_id bigint) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.exemptions;
begin
    select * into v from public.exemptions where id = p_id;
    if found then
        perform private.settle_term(v.shop_id, v.term, private.now());
    end if;
    return coalesce(v.id, 0);
end;
$$;
grant execute on function public.service_settle_exemption(bigint) to service_role;
comment on function public.service_settle_exemption(bigint) is 'Service: judges the listings again that an exemption allowed, on the day after its last.';

-- ==== 75_rechecks.sql ====

-- 75 --------------------------------------------------------------------------- re-checks: everything published, once more
--
-- A new version of the dictionary, and every week, makes a job read all texts again. A run remembers how far it is and what
-- differs from what was known: newly found, no longer found, suspended.

create table if not exists public.text_rechecks (
    id bigint generated always as identity primary key,
    words_version integer not null references public.word_versions,
    cause text not null constraint text_rechecks_cause_known check (cause in ('version', 'weekly', 'person')),
    state text not null default 'running' constraint text_rechecks_state_known check (state in ('running', 'done')),
    total integer not null,
    done integer not null default 0,
    new_hits integer not null default 0,
    released_hits integer not null default 0,
    suspended integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz
);
create index if not exists text_rechecks_version_idx on public.text_rechecks (words_version);
alter table public.text_rechecks enable row level security;
comment on table public.text_rechecks is 'A run over all texts: progress (listings) and the difference it made.';
drop policy if exists "members read the re-checks" on public.text_rechecks;
create policy "members read the re-checks" on public.text_rechecks for select to authenticated using ((select private.my_role()) is not null);
grant select on public.text_rechecks to authenticated;

create table if not exists public.text_recheck_changes (
    id bigint generated always as identity primary key,
    recheck_id bigint not null references public.text_rechecks,
    shop_id bigint not null references public.shops,
    listing_id bigint not null references public.listings,
    part text not null,
    term text not null,
    severity text not null,
    change text not null constraint text_recheck_changes_known check (change in ('new', 'released'))
);
create index if not exists text_recheck_changes_run_idx on public.text_recheck_changes (recheck_id, id);
create index if not exists text_recheck_changes_shop_id_idx on public.text_recheck_changes (shop_id);
create index if not exists text_recheck_changes_listing_id_idx on public.text_recheck_changes (listing_id);
alter table public.text_recheck_changes enable row level security;
comment on table public.text_recheck_changes is 'One difference that a re-check found.';
drop policy if exists "members read the differences of their shops" on public.text_recheck_changes;
create policy "members read the differences of their shops" on public.text_recheck_changes
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_recheck_changes to authenticated;

create or replace function private.queue_text_recheck(p_cause text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.enqueue('recheck_texts', jsonb_build_object('cause', p_cause), 'recheck_texts:' || p_cause, p_now)
$$;

create or replace function private.live_revisions(p_after bigint, p_limit integer) returns table (listing_id bigint, revision_id bigint)
language sql stable rows 1000 set search_path = '' as $$
    select l.id, r.id
    from (select k.id, k.revision_id, k.published_id from public.listings k
        where k.id > p_after and k.state <> 'withdrawn' order by k.id limit p_limit) l
    cross join lateral (select distinct v.id from (values (l.revision_id), (l.published_id)) v (id) where v.id is not null) r
    order by l.id, r.id
$$;
comment on function private.live_revisions(bigint, integer) is 'The texts that count, of the next listings: the current revision and, if another, the published one.';

create or replace function public.service_texts(p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('listing_id', v.listing_id, 'entity', 'listing_revision', 'entity_id', v.revision_id,
            'shop_id', l.shop_id, 'platform', s.platform, 'category', r.category, 'licences', to_jsonb(r.licences), 'author_id', r.author_id,
            'is_live', v.revision_id = l.published_id,
            'parts', (select jsonb_agg(jsonb_build_object('part', p.part, 'kind', p.kind, 'text', p.body)) from private.revision_parts(r.id) p))
            order by v.listing_id, v.revision_id), '[]')
        from private.live_revisions(coalesce(p_after, 0), least(greatest(coalesce(p_limit, 200), 1), 500)) v
        join public.listings l on l.id = v.listing_id join public.shops s on s.id = l.shop_id
        join public.listing_revisions r on r.id = v.revision_id);
end;
$$;
grant execute on function public.service_texts(bigint, integer) to service_role;
comment on function public.service_texts(bigint, integer) is
    'Service: the texts that count of the next listings (p_after: the last listing_id): [{listing_id, entity, entity_id, shop_id, platform, category, licences, author_id, is_live, parts: [{part, kind, text}]}].';

create or replace function public.service_revision(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('listing_id', l.id, 'entity', 'listing_revision', 'entity_id', r.id, 'shop_id', l.shop_id,
            'platform', s.platform, 'category', r.category, 'licences', to_jsonb(r.licences), 'author_id', r.author_id,
            'is_live', r.id = l.published_id,
            'parts', (select jsonb_agg(jsonb_build_object('part', p.part, 'kind', p.kind, 'text', p.body)) from private.revision_parts(r.id) p))
        from public.listing_revisions r join public.listings l on l.id = r.listing_id join public.shops s on s.id = l.shop_id where r.id = p_id);
end;
$$;
grant execute on function public.service_revision(bigint) to service_role;
comment on function public.service_revision(bigint) is 'Service: the texts of one revision, as service_texts gives them; null when there is none.';

create or replace function public.service_recheck_begin(p_cause text, p_words_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_id bigint;
begin
    if p_words_version is distinct from private.words_version() then
        perform private.fail('PT409', 'text.version', jsonb_build_object('version', private.words_version()));
    end if;
    insert into public.text_rechecks (words_version, cause, total, started_at)
    values (p_words_version, p_cause, (select count(*) from public.listings where state <> 'withdrawn'), v_now) returning id into v_id;
    return jsonb_build_object('id', v_id, 'started_at', v_now);
end;
$$;
grant execute on function public.service_recheck_begin(text, integer) to service_role;
comment on function public.service_recheck_begin(text, integer) is 'Service: opens a run under the version that holds, else text.version. {id, started_at}.';

create or replace function public.service_recheck_step(p_id bigint, p_after bigint, p_upto bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.text_rechecks;
begin
    select * into v from public.text_rechecks where id = p_id and state = 'running' for update;
    if not found then
        return null;
    end if;
    insert into public.text_recheck_changes (recheck_id, shop_id, listing_id, part, term, severity, change)
    select p_id, h.shop_id, r.listing_id, c.part, h.term, h.severity, case when h.gone_at is null then 'new' else 'released' end
    from public.listing_revisions r join public.text_checks c on c.entity = 'listing_revision' and c.entity_id = r.id
    join public.text_hits h on h.check_id = c.id
    where r.listing_id > p_after and r.listing_id <= p_upto and c.first_checked_at < v.started_at
      and ((h.gone_at is null and h.found_at >= v.started_at) or (h.gone_as = 'released' and h.gone_at >= v.started_at))
      and not exists (select from public.text_recheck_changes k where k.recheck_id = p_id and k.listing_id = r.listing_id);
    update public.text_rechecks k set
        done = (select count(*) from public.listings where id <= p_upto and state <> 'withdrawn'),
        new_hits = (select count(*) from public.text_recheck_changes x where x.recheck_id = p_id and x.change = 'new'),
        released_hits = (select count(*) from public.text_recheck_changes x where x.recheck_id = p_id and x.change = 'released'),
        suspended = (select count(distinct x.listing_id) from public.text_recheck_changes x join public.listings l on l.id = x.listing_id
            where x.recheck_id = p_id and l.state = 'suspended')
    where k.id = p_id returning * into v;
    return to_jsonb(v);
end;
$$;
grant execute on function public.service_recheck_step(bigint, bigint, bigint) to service_role;
comment on function public.service_recheck_step(bigint, bigint, bigint) is
    'Service: a run has stored its verdicts on the listings after p_after up to p_upto; notes what differs. Null when the run is over.';

create or replace function public.service_recheck_end(p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v public.text_rechecks;
begin
    update public.text_rechecks set state = 'done', done = total, finished_at = v_now where id = p_id and state = 'running' returning * into v;
    if v.id is not null then
        perform private.queue_text_recheck('weekly', v_now + interval '7 days');
    end if;
    return to_jsonb(v);
end;
$$;
grant execute on function public.service_recheck_end(bigint) to service_role;
comment on function public.service_recheck_end(bigint) is 'Service: a run is over; the next weekly one is queued.';

create or replace function public.start_recheck(p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'start_recheck', '{}');
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.queue_text_recheck('person', private.now());
    perform private.audit(v_me, null, 'words', private.words_version(), 'recheck_asked');
    return private.finish_request(p_request_id, jsonb_build_object('queued', true));
end;
$$;
grant execute on function public.start_recheck(uuid) to authenticated;
comment on function public.start_recheck(uuid) is 'Operations, managers: all texts are read again by the worker, now.';

create or replace function public.recheck_list() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select * from public.text_rechecks order by id desc limit 50) x);
end;
$$;
grant execute on function public.recheck_list() to authenticated;
comment on function public.recheck_list() is 'Members: the latest 50 runs with progress (done of total listings) and difference, newest first.';

create or replace function public.recheck_changes(p_id bigint, p_after bigint default 0) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id), '[]') from (
        select c.id, c.shop_id, s.name as shop_name, c.listing_id, l.title, l.state, c.part, c.term, c.severity, c.change
        from public.text_recheck_changes c join public.listings l on l.id = c.listing_id join public.shops s on s.id = c.shop_id
        where c.recheck_id = p_id and c.id > coalesce(p_after, 0) and c.shop_id in (select private.my_shop_ids())
        order by c.id limit 200) x);
end;
$$;
grant execute on function public.recheck_changes(bigint, bigint) to authenticated;
comment on function public.recheck_changes(bigint, bigint) is 'Members: what a run found differently in my shops, 200 at a time (p_after: the last id).';

-- ==== 76_file_checks.sql ====

-- 76 ----------------------------------------------------------------------------------- file checks: a workbook in, a workbook out
--
-- A person hands over a file of listings in pieces; the worker reads it, checks the chosen columns and stores the answer in
-- pieces. Both belong to that person alone and are forgotten after a week.

create table if not exists private.file_checks (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    shop_id bigint references public.shops,
    name text not null constraint file_checks_name_length check (char_length(name) between 1 and 120),
    options jsonb not null,
    state text not null default 'uploading' constraint file_checks_state_known
        check (state in ('uploading', 'waiting', 'running', 'done', 'failed', 'cancelled')),
    progress jsonb not null default '{}',
    error text,
    created_at timestamptz not null,
    finished_at timestamptz
);
create index if not exists file_checks_member_id_idx on private.file_checks (member_id, id desc);
create index if not exists file_checks_shop_id_idx on private.file_checks (shop_id);
create index if not exists file_checks_created_at_idx on private.file_checks (created_at);
alter table private.file_checks enable row level security;
comment on table private.file_checks is 'A file somebody wants checked: {columns, kind, category, sheet} as options, how far it is, what came out.';

create table if not exists private.file_parts (
    file_id bigint not null references private.file_checks on delete cascade,
    is_result boolean not null,
    n integer not null constraint file_parts_count check (n between 0 and 63),
    content bytea not null constraint file_parts_size check (octet_length(content) between 1 and 1048576),
    primary key (file_id, is_result, n)
);
alter table private.file_parts enable row level security;
comment on table private.file_parts is 'Pieces of at most 1 MB of a file or of its result.';

create or replace function private.my_file(p_me private.actor, p_id bigint, p_states text[]) returns private.file_checks
language plpgsql set search_path = '' as $$
declare
    v private.file_checks;
begin
    select * into v from private.file_checks where id = p_id and member_id = (p_me).member_id for update;
    if not found then
        perform private.fail('PT404', 'file_check.none');
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'file_check.state', jsonb_build_object('state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.my_file(private.actor, bigint, text[]) is 'Locks a file of the one who asks: file_check.none, file_check.state.';

create or replace function public.begin_file_check(p_request_id uuid, p_name text, p_options jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'begin_file_check', jsonb_build_array(p_name, p_options));
    v_in jsonb := private.as_json(p_options);
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v_in ->> 'shop_id' is not null then
        perform private.require_shop(v_me, (v_in ->> 'shop_id')::bigint);
    end if;
    if coalesce(jsonb_typeof(v_in -> 'columns'), '') <> 'array' or jsonb_array_length(v_in -> 'columns') not between 1 and 10
        or exists (select from jsonb_array_elements(v_in -> 'columns') c where jsonb_typeof(c) <> 'number' or (c #>> '{}')::numeric not between 0 and 511) then
        perform private.fail('PT422', 'file_check.columns');
    end if;
    if coalesce(v_in ->> 'kind', 'title') <> all (private.text_kinds()) or coalesce(v_in ->> 'category', 'general') <> all (private.product_categories()) then
        perform private.fail('PT422', 'file_check.options');
    end if;
    if (select count(*) from private.file_checks where member_id = v_me.member_id and state in ('waiting', 'running')) >= 3 then
        perform private.fail('PT409', 'file_check.too_many', '{"limit": 3}');
    end if;
    insert into private.file_checks (member_id, shop_id, name, options, created_at)
    values (v_me.member_id, (v_in ->> 'shop_id')::bigint, left(regexp_replace(coalesce(nullif(btrim(p_name), ''), 'file'), '[[:cntrl:]/\\]', '_', 'g'), 120),
        jsonb_strip_nulls(jsonb_build_object('columns', v_in -> 'columns', 'kind', coalesce(v_in ->> 'kind', 'title'),
            'category', coalesce(v_in ->> 'category', 'general'), 'sheet', coalesce((v_in ->> 'sheet')::integer, 0),
            'platform', (select platform from public.shops where id = (v_in ->> 'shop_id')::bigint))), v_now) returning id into v_id;
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.begin_file_check(uuid, text, jsonb) to authenticated;
comment on function public.begin_file_check(uuid, text, jsonb) is
    'Operations, managers, analysts: announces a file {columns: [0-based places], kind, category, shop_id, sheet}; at most three at work. file_check.columns, file_check.options, file_check.too_many, shop.none.';

create or replace function public.add_file_part(p_id bigint, p_n integer, p_content text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst']);
begin
    perform private.my_file(v_me, p_id, array['uploading']);
    insert into private.file_parts (file_id, is_result, n, content) values (p_id, false, p_n, decode(p_content, 'base64'))
    on conflict (file_id, is_result, n) do update set content = excluded.content;
    return p_n;
exception when check_violation or not_null_violation or invalid_parameter_value then
    perform private.fail('PT422', 'file_check.part');
end;
$$;
grant execute on function public.add_file_part(bigint, integer, text) to authenticated;
comment on function public.add_file_part(bigint, integer, text) is 'The owner: piece n (from 0, at most 64 of 1 MB, base64). file_check.part, file_check.none, file_check.state.';

create or replace function public.start_file_check(p_request_id uuid, p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst']);
    v_answer jsonb := private.begin_request(p_request_id, 'start_file_check', to_jsonb(p_id));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.my_file(v_me, p_id, array['uploading']);
    if (select count(*) <> max(n) + 1 or count(*) = 0 from private.file_parts where file_id = p_id and not is_result) then
        perform private.fail('PT422', 'file_check.incomplete');
    end if;
    update private.file_checks set state = 'waiting' where id = p_id;
    perform private.enqueue('check_file', jsonb_build_object('file_id', p_id), 'check_file:' || p_id, private.now());
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'state', 'waiting'));
end;
$$;
grant execute on function public.start_file_check(uuid, bigint) to authenticated;
comment on function public.start_file_check(uuid, bigint) is 'The owner: all pieces are there, the worker may begin. file_check.incomplete, file_check.none, file_check.state.';

create or replace function public.cancel_file_check(p_request_id uuid, p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst']);
    v_answer jsonb := private.begin_request(p_request_id, 'cancel_file_check', to_jsonb(p_id));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.my_file(v_me, p_id, array['uploading', 'waiting', 'running']);
    update private.file_checks set state = 'cancelled', finished_at = private.now() where id = p_id;
    delete from private.file_parts where file_id = p_id;
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'state', 'cancelled'));
end;
$$;
grant execute on function public.cancel_file_check(uuid, bigint) to authenticated;
comment on function public.cancel_file_check(uuid, bigint) is 'The owner stops a file that is not done; its pieces are gone. file_check.none, file_check.state.';

create or replace function public.file_check_list() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select f.id, f.name, f.shop_id, f.options, f.state, f.progress, f.error, f.created_at, f.finished_at,
            (select count(*) from private.file_parts p where p.file_id = f.id and p.is_result) as result_parts
        from private.file_checks f where f.member_id = v_me.member_id order by f.id desc limit 20) x);
end;
$$;
grant execute on function public.file_check_list() to authenticated;
comment on function public.file_check_list() is 'Members: my own files, newest first: state, progress {rows, total, block, warn, clean}, error key, pieces of the result.';

create or replace function public.file_result_part(p_id bigint, p_n integer) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_content bytea;
begin
    select p.content into v_content from private.file_parts p join private.file_checks f on f.id = p.file_id
    where f.id = p_id and f.member_id = v_me.member_id and f.state = 'done' and p.is_result and p.n = p_n;
    if not found then
        perform private.fail('PT404', 'file_check.none');
    end if;
    return replace(encode(v_content, 'base64'), e'\n', '');
end;
$$;
grant execute on function public.file_result_part(bigint, integer) to authenticated;
comment on function public.file_result_part(bigint, integer) is 'The owner: piece n of the result, base64. file_check.none.';

-- The worker's side ---------------------------------------------------------------------------------------------------------------

create or replace function public.service_file_check(p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v private.file_checks;
begin
    update private.file_checks set state = 'running', progress = '{}' where id = p_id and state in ('waiting', 'running') returning * into v;
    delete from private.file_parts where file_id = v.id and is_result;
    return (select jsonb_build_object('id', v.id, 'name', v.name, 'options', v.options,
        'parts', (select count(*) from private.file_parts where file_id = v.id and not is_result)) where v.id is not null);
end;
$$;
grant execute on function public.service_file_check(bigint) to service_role;
comment on function public.service_file_check(bigint) is 'Service: begins (again) with a file: {id, name, options, parts}; null when it was cancelled.';

create or replace function public.service_file_part(p_id bigint, p_n integer) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select replace(encode(content, 'base64'), e'\n', '') from private.file_parts where file_id = p_id and not is_result and n = p_n);
end;
$$;
grant execute on function public.service_file_part(bigint, integer) to service_role;
comment on function public.service_file_part(bigint, integer) is 'Service: piece n of a file, base64; null when it is gone.';

create or replace function public.service_file_progress(p_id bigint, p_progress jsonb) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.file_checks set progress = private.as_json(p_progress) where id = p_id and state = 'running';
    return found;
end;
$$;
grant execute on function public.service_file_progress(bigint, jsonb) to service_role;
comment on function public.service_file_progress(bigint, jsonb) is 'Service: how far a file is; false when it was cancelled: stop.';

create or replace function public.service_file_result(p_id bigint, p_n integer, p_content text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    if not exists (select from private.file_checks where id = p_id and state = 'running' for update) then
        return false;
    end if;
    insert into private.file_parts (file_id, is_result, n, content) values (p_id, true, p_n, decode(p_content, 'base64'))
    on conflict (file_id, is_result, n) do update set content = excluded.content;
    return true;
end;
$$;
grant execute on function public.service_file_result(bigint, integer, text) to service_role;
comment on function public.service_file_result(bigint, integer, text) is 'Service: piece n of the result, base64; false when the file was cancelled.';

create or replace function public.service_file_end(p_id bigint, p_progress jsonb, p_error text default null) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.file_checks set state = case when p_error is null then 'done' else 'failed' end, error = left(p_error, 100),
        progress = coalesce(private.as_json(p_progress), progress), finished_at = private.now()
    where id = p_id and state = 'running';
    if found then
        delete from private.file_parts where file_id = p_id and not is_result;
    end if;
    delete from private.file_checks where created_at < private.now() - interval '7 days';
    return true;
end;
$$;
grant execute on function public.service_file_end(bigint, jsonb, text) to service_role;
comment on function public.service_file_end(bigint, jsonb, text) is 'Service: a file is checked, or failed with an error key; files older than a week are forgotten.';

-- ==== 77_insight.sql ====

-- 77 ----------------------------------------------------------------------------------- insight: what the checks found

create or replace function public.compliance_insight(p_from timestamptz, p_to timestamptz, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
        v_shops := array[p_shop_id];
    end if;
    if p_from is null or p_to is null or p_to <= p_from or p_to > p_from + interval '400 days' then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return (with found as materialized (
            select h.term, h.category, h.severity, h.shop_id, h.author_id, h.found_at, h.gone_at, h.gone_as, c.entity
            from public.text_hits h join public.text_checks c on c.id = h.check_id
            where h.shop_id = any (v_shops) and h.found_at >= p_from and h.found_at < p_to
        ), unresolved as materialized (
            select h.found_at from public.text_hits h join public.text_checks c on c.id = h.check_id
            join public.shops s on s.id = h.shop_id
            left join public.listing_revisions r on c.entity = 'listing_revision' and r.id = c.entity_id
            left join public.listings l on l.id = r.listing_id
            where h.shop_id = any (v_shops) and h.severity = 'block' and h.gone_at is null
              and not private.is_exempt(h.term, h.shop_id, l.product_id, v_now)
        )
        select jsonb_build_object(
            'total', (select count(*) from found), 'block', (select count(*) from found where severity = 'block'),
            'replaced', (select count(*) from found where gone_as = 'replaced'), 'released', (select count(*) from found where gone_as = 'released'),
            'by_category', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.category), '[]') from (
                select category, count(*) as count, count(*) filter (where severity = 'block') as block from found group by category) x),
            'by_shop', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.shop_id), '[]') from (
                select f.shop_id, s.name as shop_name, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f join public.shops s on s.id = f.shop_id group by 1, 2) x),
            'by_author', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.author_id), '[]') from (
                select f.author_id, m.display_name as author, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f left join public.members m on m.id = f.author_id group by 1, 2 order by 3 desc limit 50) x),
            'by_entity', (select coalesce(jsonb_object_agg(x.entity, x.count), '{}') from (select entity, count(*) from found group by entity) x),
            'top_terms', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.term), '[]') from (
                select term, category, count(*) as count, count(*) filter (where gone_as = 'replaced') as replaced
                from found group by 1, 2 order by 3 desc, 1 limit 20) x),
            'trend', (select coalesce(jsonb_agg(to_jsonb(x) order by x.day), '[]') from (
                select (f.found_at at time zone s.timezone)::date as day, count(*) as count, count(*) filter (where f.severity = 'block') as block
                from found f join public.shops s on s.id = f.shop_id group by 1) x),
            'exemption_reasons', (select coalesce(jsonb_agg(to_jsonb(x) order by x.count desc, x.reason), '[]') from (
                select e.reason, e.state, count(*) as count from public.exemptions e
                where e.shop_id = any (v_shops) and e.requested_at >= p_from and e.requested_at < p_to group by 1, 2) x),
            'unresolved', (select jsonb_build_object('count', count(*), 'oldest', min(found_at),
                'day', count(*) filter (where found_at > v_now - interval '1 day'),
                'three_days', count(*) filter (where found_at <= v_now - interval '1 day' and found_at > v_now - interval '3 days'),
                'week', count(*) filter (where found_at <= v_now - interval '3 days' and found_at > v_now - interval '7 days'),
                'older', count(*) filter (where found_at <= v_now - interval '7 days')) from unresolved)));
end;
$$;
grant execute on function public.compliance_insight(timestamptz, timestamptz, bigint) to authenticated;
comment on function public.compliance_insight(timestamptz, timestamptz, bigint) is
    'Operations, analysts, managers, admins: hits found from p_from to before p_to (at most 400 days) in my shops or one: {total, block, replaced, released, by_category, by_shop, by_author, by_entity, top_terms, trend (days of the shop''s zone), exemption_reasons, unresolved (blocks open now by age: day, three_days, week, older, oldest)}. filter.bad.';

-- ==== 78_listing_reads.sql ====

-- 78 ------------------------------------------------------------------------------------- listings: what the pages read

create or replace function private.listing_where(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select 'true'
        || case when p ->> 'state' is not null then ' and l.state = $1 ->> ''state''' else ' and l.state <> ''withdrawn''' end
        || case when p ->> 'verdict' = 'unchecked'
                then ' and (l.verdict = ''unchecked'' or l.checked_version is distinct from $4)'
                when p ->> 'verdict' is not null then ' and l.verdict = $1 ->> ''verdict'' and l.checked_version = $4' else '' end
        || case when p ->> 'live_verdict' is not null then ' and l.live_verdict = $1 ->> ''live_verdict''' else '' end
        || case when p ->> 'author' = 'me' then ' and l.author_id = $3' when p ->> 'author' is not null then ' and l.author_id = ($1 ->> ''author'')::bigint' else '' end
        || case when p ->> 'product_id' is not null then ' and l.product_id = ($1 ->> ''product_id'')::bigint' else '' end
        || case when char_length(btrim(p ->> 'q')) > 1 then ' and l.grams @> private.grams(private.gram_query($1 ->> ''q''))'
            || ' and strpos(lower(l.title || '' '' || l.sku), lower(btrim($1 ->> ''q''))) > 0' else '' end
        || case when p ->> 'todo' = 'true' then ' and (l.state in (''text_review'', ''final_review'') and l.author_id <> $3 or l.state = ''images'' or l.state = ''suspended'')' else '' end
$$;
comment on function private.listing_where(jsonb) is
    'Condition of the list as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $3 me, $4 version of the dictionary).';

create or replace function private.gram_query(p_text text) returns text
language sql immutable set search_path = '' as $$ select left(btrim(p_text), 60) $$;

create or replace function private.listing_ids(p jsonb, p_shops bigint[], p_me bigint, p_after bigint, p_limit integer) returns setof bigint
language plpgsql stable set search_path = '' as $$
begin
    return query execute format('
        select x.id from unnest($2) s (id) cross join lateral (
            select l.id from public.listings l where l.shop_id = s.id and %1$s %2$s order by l.id desc limit $6) x
        order by x.id desc limit $6', private.listing_where(p), case when p_after is not null then 'and l.id < $5' else '' end)
    using p, p_shops, p_me, private.words_version(), p_after, p_limit;
end;
$$;
comment on function private.listing_ids(jsonb, bigint[], bigint, bigint, integer) is 'One page by keyset, newest first, each shop from its own index range.';

create or replace function private.listing_row(p public.listings) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p).id, 'shop_id', (p).shop_id, 'shop_name', s.name, 'platform', s.platform, 'product_id', (p).product_id,
        'sku', (p).sku, 'title', (p).title, 'state', (p).state, 'state_since', (p).state_since, 'author_id', (p).author_id,
        'author', a.display_name, 'revision_id', (p).revision_id, 'revision', r.number, 'category', r.category,
        'is_published', (p).published_id is not null, 'is_newest_published', (p).published_id is not distinct from (p).revision_id,
        'verdict', case when (p).checked_version is distinct from private.words_version() then 'unchecked' else (p).verdict end,
        'live_verdict', (p).live_verdict, 'hits', (select count(*) from public.text_checks c join public.text_hits h on h.check_id = c.id
            where c.entity = 'listing_revision' and c.entity_id = (p).revision_id and h.gone_at is null),
        'images', cardinality((p).images), 'published_at', (p).published_at, 'updated_at', (p).updated_at, 'version', (p).version)
    from public.shops s, public.members a, public.listing_revisions r
    where s.id = (p).shop_id and a.id = (p).author_id and r.id = (p).revision_id
$$;

create or replace function public.listing_page(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_shops bigint[];
    v_limit integer;
    v_ids bigint[];
    v_count integer;
begin
    p := coalesce(private.as_json(p), '{}');
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    v_shops := array(select s.id from public.shops s where s.id in (select private.my_shop_ids())
        and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) and (p ->> 'platform' is null or s.platform = p ->> 'platform'));
    v_ids := array(select private.listing_ids(p, v_shops, v_me.member_id, (p ->> 'after')::bigint, v_limit + 1));
    v_count := (select count(*) from private.listing_ids(p, v_shops, v_me.member_id, null, 1001));
    return jsonb_build_object('count', v_count,
        'rows', (select coalesce(jsonb_agg(private.listing_row(l) order by l.id desc), '[]') from public.listings l where l.id = any (v_ids[1:v_limit])),
        'next', case when cardinality(v_ids) > v_limit then v_ids[v_limit] end,
        'tabs', (select jsonb_object_agg(t, (select count(*) from private.listing_ids(jsonb_build_object('state', t), v_shops, v_me.member_id, null, 1001)))
            from unnest(array['draft', 'text_review', 'images', 'final_review', 'ready', 'published', 'suspended']) t));
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.listing_page(jsonb) to authenticated;
comment on function public.listing_page(jsonb) is
    'Members: a page of the listings of my shops, newest first: {rows, count (to 1,001), next (an id), tabs: {state: count to 1,001}}. p: state (none: all but withdrawn), verdict, live_verdict, shop_id, platform, author me|id, product_id, q (two signs or more of title or SKU), todo true, after, limit. filter.bad.';

create or replace function private.revision_json(p_revision_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(r) || jsonb_build_object('author', a.display_name, 'checks', (
        select coalesce(jsonb_agg(jsonb_build_object('part', c.part, 'verdict', c.verdict, 'words_version', c.words_version,
                'is_current', c.words_version = private.words_version(), 'checked_at', c.checked_at, 'notices', c.notices,
                'hits', (select coalesce(jsonb_agg(jsonb_build_object('start', h.start_at, 'end', h.end_at, 'term', h.term, 'category', h.category,
                        'severity', h.severity, 'found_at', h.found_at,
                        'is_exempt', private.is_exempt(h.term, h.shop_id, l.product_id, private.now())) order by h.start_at), '[]')
                    from public.text_hits h where h.check_id = c.id and h.gone_at is null)) order by c.part), '[]')
        from public.text_checks c where c.entity = 'listing_revision' and c.entity_id = r.id and c.is_current))
    from public.listing_revisions r join public.members a on a.id = r.author_id join public.listings l on l.id = r.listing_id
    where r.id = p_revision_id
$$;

create or replace function public.listing_detail(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v public.listings;
begin
    select * into v from public.listings where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        return null;
    end if;
    return jsonb_build_object('listing', private.listing_row(v) || jsonb_build_object('images', to_jsonb(v.images), 'reason', v.reason,
            'text_by', (select display_name from public.members where id = v.text_by),
            'final_by', (select display_name from public.members where id = v.final_by)),
        'revision', private.revision_json(v.revision_id),
        'published', case when v.published_id is distinct from v.revision_id then private.revision_json(v.published_id) end,
        'revisions', (select jsonb_agg(jsonb_build_object('id', r.id, 'number', r.number, 'author', a.display_name, 'created_at', r.created_at)
            order by r.number desc) from public.listing_revisions r join public.members a on a.id = r.author_id where r.listing_id = v.id),
        'rights', (select jsonb_object_agg(a, case when v_me.role in ('operations', 'manager')
                then coalesce(private.listing_refusal(v_me, v, a, '-', v_now), '{"key": null}') else '{"key": "member.role", "params": {}}' end)
            from unnest(array['submit', 'approve', 'return', 'publish', 'withdraw']) a),
        'timeline', (select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'action', e.action, 'who', m.display_name, 'actor', e.actor,
                'detail', e.detail) order by e.id desc), '[]')
            from public.audit_events e left join public.members m on m.id = e.member_id where e.entity = 'listing' and e.entity_id = v.id));
end;
$$;
grant execute on function public.listing_detail(bigint) to authenticated;
comment on function public.listing_detail(bigint) is
    'Members: {listing, revision (texts and checks with hits), published (if another revision is live), revisions, rights (step -> {key null or why not, params}; a reason counted as given), timeline}; null for a listing I do not see.';

create or replace function public.listing_revision(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select private.revision_json(r.id) from public.listing_revisions r join public.listings l on l.id = r.listing_id
        where r.id = p_id and l.shop_id in (select private.my_shop_ids()));
end;
$$;
grant execute on function public.listing_revision(bigint) to authenticated;
comment on function public.listing_revision(bigint) is 'Members: one revision with its checks, to compare; null for one I do not see.';

-- ==== 80_jobs.sql ====

-- 80 --------------------------------------------------------------------------------------------- jobs of the worker
--
-- Work that is too long for a request, done by `python -m backend work` in any number of replicas: a lease picks one, the
-- cursor lets the next one go on. A job runs at least once; every kind is safe to run twice. Payloads hold ids alone.

create table if not exists private.jobs (
    id bigint generated always as identity primary key,
    kind text not null constraint jobs_kind_form check (kind ~ '^[a-z][a-z_]{1,39}$'),
    payload jsonb not null default '{}',
    dedupe_key text not null,
    state text not null default 'queued' constraint jobs_state_known check (state in ('queued', 'running', 'done', 'dead')),
    run_at timestamptz not null,
    lease_id uuid,
    lease_until timestamptz,
    attempts integer not null default 0,
    cursor jsonb not null default '{}',
    progress jsonb not null default '{}',
    last_error text,
    created_at timestamptz not null,
    finished_at timestamptz,
    constraint jobs_running_has_lease check ((state = 'running') = (lease_id is not null) and (lease_id is null) = (lease_until is null)),
    constraint jobs_ended_has_time check ((state in ('done', 'dead')) = (finished_at is not null))
);
create unique index if not exists jobs_queued_once_idx on private.jobs (dedupe_key) where state = 'queued';
create index if not exists jobs_due_idx on private.jobs (run_at, id) where state = 'queued';
create index if not exists jobs_running_idx on private.jobs (dedupe_key, lease_until) where state = 'running';
create index if not exists jobs_finished_at_idx on private.jobs (finished_at) where finished_at is not null;
alter table private.jobs enable row level security;
comment on table private.jobs is 'Background work: what, how far (cursor), who has it (lease), how often it failed. Never holds personal data.';
comment on column private.jobs.dedupe_key is 'One waiting job per key; while one runs, one more may wait for what changed meanwhile.';

create or replace function private.enqueue(p_kind text, p_payload jsonb, p_dedupe_key text, p_run_at timestamptz) returns void
language sql set search_path = '' as $$
    insert into private.jobs as j (kind, payload, dedupe_key, run_at, created_at)
    values (p_kind, coalesce(p_payload, '{}'), coalesce(p_dedupe_key, p_kind), p_run_at, private.now())
    on conflict (dedupe_key) where state = 'queued' do update
    set payload = excluded.payload, run_at = least(j.run_at, excluded.run_at)
$$;
comment on function private.enqueue(text, jsonb, text, timestamptz) is 'Adds a job, or brings the waiting one of the same key forward.';

create or replace function private.return_expired_jobs(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update private.jobs j set lease_id = null, lease_until = null,
        state = case when n.is_replaced then 'done' when j.attempts >= 8 then 'dead' else 'queued' end,
        finished_at = case when n.is_replaced or j.attempts >= 8 then p_now end,
        last_error = case when j.attempts >= 8 then 'job.abandoned' else j.last_error end
    from (select r.id, exists (select from private.jobs q where q.dedupe_key = r.dedupe_key and q.state = 'queued') as is_replaced
        from private.jobs r where r.state = 'running' and r.lease_until <= p_now for update skip locked) n
    where n.id = j.id
$$;
comment on function private.return_expired_jobs(timestamptz) is
    'Jobs whose worker vanished are due again; one that took eight workers with it is dead; one with a newer job of its key is over.';

create or replace function public.job_claim(p_kinds jsonb, p_lease_seconds integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    perform private.return_expired_jobs(private.now());
    update private.jobs j
    set state = 'running', attempts = j.attempts + 1, lease_id = gen_random_uuid(),
        lease_until = private.now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600))
    where j.id = (select q.id from private.jobs q
        where q.state = 'queued' and q.run_at <= private.now()
          and q.kind in (select jsonb_array_elements_text(private.as_json(p_kinds)))
          and not exists (select from private.jobs r where r.dedupe_key = q.dedupe_key and r.state = 'running')
        order by q.run_at, q.id limit 1 for update skip locked)
    returning * into v_job;
    return case when v_job.id is not null then jsonb_build_object('id', v_job.id, 'kind', v_job.kind, 'payload', v_job.payload,
        'cursor', private.as_json(v_job.cursor), 'progress', private.as_json(v_job.progress), 'attempts', v_job.attempts, 'lease_id', v_job.lease_id) end;
end;
$$;
grant execute on function public.job_claim(jsonb, integer) to service_role;
comment on function public.job_claim(jsonb, integer) is
    'Service: the next due job of these kinds under a lease, or null. A job whose lease ran out is due again; two jobs of one key never run at once.';

create or replace function public.job_progress(p_id bigint, p_lease_id uuid, p_cursor jsonb, p_progress jsonb, p_lease_seconds integer) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.jobs set cursor = coalesce(private.as_json(p_cursor), cursor), progress = coalesce(private.as_json(p_progress), progress), attempts = 1,
        lease_until = private.now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 5), 600))
    where id = p_id and lease_id = p_lease_id and state = 'running';
    return found;
end;
$$;
grant execute on function public.job_progress(bigint, uuid, jsonb, jsonb, integer) to service_role;
comment on function public.job_progress(bigint, uuid, jsonb, jsonb, integer) is 'Service: remembers how far a job is and keeps its lease; false when the lease was lost: stop.';

create or replace function public.job_finish(p_id bigint, p_lease_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    update private.jobs set state = 'done', finished_at = private.now(), lease_id = null, lease_until = null, last_error = null
    where id = p_id and lease_id = p_lease_id and state = 'running';
    return found;
end;
$$;
grant execute on function public.job_finish(bigint, uuid) to service_role;
comment on function public.job_finish(bigint, uuid) is 'Service: the job is done; false when its lease was lost.';

create or replace function private.requeue(p_job private.jobs, p_run_at timestamptz, p_error text) returns void
language plpgsql set search_path = '' as $$
begin
    if exists (select from private.jobs q where q.dedupe_key = (p_job).dedupe_key and q.state = 'queued') then
        update private.jobs set state = 'done', finished_at = private.now(), lease_id = null, lease_until = null, last_error = p_error
        where id = (p_job).id;
    else
        update private.jobs set state = 'queued', run_at = p_run_at, lease_id = null, lease_until = null, last_error = p_error
        where id = (p_job).id;
    end if;
end;
$$;
comment on function private.requeue(private.jobs, timestamptz, text) is 'Back to the queue; where a newer job of the key already waits, that one does the work.';

create or replace function public.job_snooze(p_id bigint, p_lease_id uuid, p_seconds integer) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    select * into v_job from private.jobs where id = p_id and lease_id = p_lease_id and state = 'running' for update;
    if v_job.id is null then
        return false;
    end if;
    update private.jobs set attempts = 0 where id = p_id;
    perform private.requeue(v_job, private.now() + make_interval(secs => greatest(p_seconds, 1)), null);
    return true;
end;
$$;
grant execute on function public.job_snooze(bigint, uuid, integer) to service_role;
comment on function public.job_snooze(bigint, uuid, integer) is 'Service: there is nothing to do yet; look again in p_seconds. Counts as no failure.';

create or replace function public.job_fail(p_id bigint, p_lease_id uuid, p_error text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_job private.jobs;
begin
    select * into v_job from private.jobs where id = p_id and lease_id = p_lease_id and state = 'running' for update;
    if v_job.id is null then
        return jsonb_build_object('state', 'lost');
    end if;
    if v_job.attempts >= 8 then
        update private.jobs set state = 'dead', finished_at = private.now(), lease_id = null, lease_until = null,
            last_error = left(p_error, 200) where id = p_id;
    else
        perform private.requeue(v_job, private.now() + (array['1 second', '5 seconds', '25 seconds', '2 minutes', '10 minutes',
            '1 hour', '6 hours'])[greatest(v_job.attempts, 1)]::interval, left(p_error, 200));
    end if;
    return (select jsonb_build_object('state', state, 'run_at', run_at) from private.jobs where id = p_id);
end;
$$;
grant execute on function public.job_fail(bigint, uuid, text) to service_role;
comment on function public.job_fail(bigint, uuid, text) is
    'Service: the job failed (an error key, never data); again after 1, 5, 25 s, 2, 10, 60 min, 6 h; dead after eight tries without progress.';

create or replace function private.job_shop(p_job private.jobs) returns bigint
language sql stable set search_path = '' as $$
    select coalesce(((p_job).payload ->> 'shop_id')::bigint,
        (select i.shop_id from public.imports i where i.id = ((p_job).payload ->> 'import_id')::bigint))
$$;
comment on function private.job_shop(private.jobs) is 'The shop whose data a job works on; null for one of the whole installation.';

create or replace function private.routine_jobs() returns text[]
language sql immutable set search_path = '' as $$ select array['retention', 'end_decisions'] $$;
comment on function private.routine_jobs() is 'Kinds that always wait for their next turn: shown to people only when something is wrong.';

create or replace function private.dead_jobs() returns integer
language sql stable set search_path = '' as $$
    select count(*)::integer from private.jobs j where j.state = 'dead'
        and (private.job_shop(j) is null or private.job_shop(j) in (select private.my_shop_ids()))
$$;
comment on function private.dead_jobs() is 'How many jobs of my shops failed for good and wait for somebody to retry them.';

create or replace function public.list_jobs() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state, 'run_at', j.run_at,
            'attempts', j.attempts, 'progress', private.as_json(j.progress), 'last_error', j.last_error, 'finished_at', j.finished_at,
            'created_at', j.created_at, 'shop_id', j.shop_id, 'file_name', j.file_name, 'total', j.total)
            order by j.state = 'dead' desc, j.id desc), '[]')
        from (select q.*, private.job_shop(q) as shop_id, i.file_name, i.rows_total as total
            from private.jobs q left join public.imports i on i.id = (q.payload ->> 'import_id')::bigint
            where (q.state <> 'done' or q.finished_at > private.now() - interval '1 day')
              and (q.kind <> all (private.routine_jobs()) or q.state = 'dead' or q.last_error is not null)
            order by q.state = 'dead' desc, q.id desc limit 200) j
        where j.shop_id is null or j.shop_id in (select private.my_shop_ids()));
end;
$$;
grant execute on function public.list_jobs() to authenticated;
comment on function public.list_jobs() is 'Manager and admin: background work of their shops: failed for good (first), waiting, running, done today; routine work only when it failed.';

create or replace function public.retry_job(p_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'retry_job', to_jsonb(p_id));
    v_job private.jobs;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_job from private.jobs where id = p_id and state = 'dead' for update;
    if v_job.id is null then
        perform private.fail('PT404', 'job.not_dead');
    end if;
    if private.job_shop(v_job) is not null then
        perform private.require_shop(v_me, private.job_shop(v_job));
    end if;
    perform private.enqueue(v_job.kind, v_job.payload, v_job.dedupe_key, private.now());
    update private.jobs set state = 'done' where id = p_id;
    perform private.audit(v_me, private.job_shop(v_job), 'job', p_id, 'retried', jsonb_build_object('kind', v_job.kind));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.retry_job(bigint, uuid) to authenticated;
comment on function public.retry_job(bigint, uuid) is 'Manager and admin: lets a job that failed for good run again. job.not_dead, shop.none.';

-- What the kinds of this installation need from the database ----------------------------------------------------------

create or replace function public.service_import_state(p_import_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('state', i.state, 'kind', i.kind, 'quiet_seconds',
            greatest(0, extract(epoch from private.now() - i.touched_at))::integer, 'shop_id', i.shop_id)
        from public.imports i where i.id = p_import_id);
end;
$$;
grant execute on function public.service_import_state(bigint) to service_role;
comment on function public.service_import_state(bigint) is 'Service: state of an import and for how many seconds nobody has worked on it; null when unknown.';

create or replace function public.service_retention(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_limit integer := least(greatest(coalesce(p_limit, 5000), 1), 20000);
    v_count integer;
    v_total integer := 0;
begin
    delete from private.requests where ctid = any (array(
        select r.ctid from private.requests r where r.created_at < private.now() - interval '7 days' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from private.jobs where id = any (array(
        select j.id from private.jobs j where j.finished_at < private.now() - interval '30 days' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from private.import_rows where ctid = any (array(
        select r.ctid from private.import_rows r join public.imports i on i.id = r.import_id
        where i.finished_at is not null limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from public.audit_events where id = any (array(
        select a.id from public.audit_events a where a.at < private.now() - interval '3 years' - interval '1 day' limit v_limit));
    get diagnostics v_count = row_count;
    v_total := v_total + v_count + private.forget_reminders(private.now() - interval '1 year', v_limit);
    if v_total = 0 then
        perform private.enqueue('retention', '{}', 'retention', private.now() + interval '1 day');
    end if;
    return v_total;
end;
$$;
grant execute on function public.service_retention(integer) to service_role;
comment on function public.service_retention(integer) is
    'Service: forgets the next answers of requests older than 7 days, ended jobs older than 30, staged rows of ended imports, history older than three years, reminders and messages older than one. 0 = nothing left; then it comes back tomorrow.';

select private.enqueue('retention', '{}', 'retention', private.now())
where not exists (select from private.jobs where dedupe_key = 'retention' and state in ('queued', 'running'));

select private.enqueue('end_decisions', '{}', 'end_decisions', private.now())
where not exists (select from private.jobs where dedupe_key = 'end_decisions' and state in ('queued', 'running'));

-- ==== 85_keys.sql ====

-- 85 ------------------------------------------------------------------------- change of the personal-data key, self-check
--
-- The key lives outside the database; here lie only texts that name the key they were made with (v1.<key id>.…).
-- `python -m backend rekey` reads them in chunks, and writes each back only where it still is what it read.

create or replace function private.tg_rekeyed() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.version := old.version;
    new.updated_at := old.updated_at;
    return new;
end;
$$;
comment on function private.tg_rekeyed() is
    'The same value under another key is no change: nobody''s open form becomes stale, no undo is lost.';
create or replace trigger t20_rekeyed before update on public.orders
    for each row when (pg_catalog.current_setting('desk.rekey', true) = 'on') execute function private.tg_rekeyed();
create or replace trigger t20_rekeyed before update on public.order_exceptions
    for each row when (pg_catalog.current_setting('desk.rekey', true) = 'on') execute function private.tg_rekeyed();
create or replace trigger t20_rekeyed before update on public.channels
    for each row when (pg_catalog.current_setting('desk.rekey', true) = 'on') execute function private.tg_rekeyed();

create or replace function private.is_under(p_key_id text, p_tokens text[]) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(bool_and(starts_with(t, 'v1.' || p_key_id || '.')), true) from unnest(p_tokens) t where t is not null
$$;
comment on function private.is_under(text, text[]) is 'Whether all of these ciphertexts were made with the key of this id.';

-- Contacts ------------------------------------------------------------------------------------------------------------

create or replace function private.tokens_of(p_contact private.contacts) returns text[]
language sql immutable set search_path = '' as $$
    select array[(p_contact).name_cipher, (p_contact).phone_cipher, (p_contact).address_cipher, (p_contact).note_cipher,
        (p_contact).wechat_cipher]
$$;

create or replace function private.rekey_contacts(p_key_id text, p_after bigint, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
    with place as (
        select count(*) as seen, max(w.id) as upto
        from (select c.id from private.contacts c where c.id > p_after order by c.id limit 20000) w
    ), due as materialized (
        select w.id, w.phone_hash from (select c.* from private.contacts c where c.id > p_after order by c.id limit 20000) w
        cross join (select 'v1.' || p_key_id || '.' as k) n
        where not (starts_with(coalesce(w.name_cipher, n.k), n.k) and starts_with(coalesce(w.phone_cipher, n.k), n.k)
            and starts_with(coalesce(w.address_cipher, n.k), n.k) and starts_with(coalesce(w.note_cipher, n.k), n.k)
            and starts_with(coalesce(w.wechat_cipher, n.k), n.k))
        order by w.id limit p_limit
    ), picked as (
        select d.id from due d
        union (select c.id from private.contacts c where c.phone_hash in (select d.phone_hash from due d)
            and not private.is_under(p_key_id, private.tokens_of(c)) limit 2000)
    )
    select jsonb_build_object(
        'after', case when (select count(*) from due) = p_limit then (select max(id) from due)
            else coalesce((select p.upto from place p), p_after) end,
        'done', (select p.seen from place p) < 20000 and (select count(*) from due) < p_limit,
        'last', (select coalesce(max(id), 0) from private.contacts),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'name', c.name_cipher, 'phone', c.phone_cipher,
                'address', c.address_cipher, 'note', c.note_cipher, 'wechat', c.wechat_cipher, 'name_hash', c.name_hash,
                'phone_hash', c.phone_hash, 'phone_last4_hash', c.phone_last4_hash, 'wechat_hash', c.wechat_hash,
                'orders', (select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'facts_hash', o.facts_hash,
                        'contact_state', o.contact_state, 'corrected', case when o.platform_facts_hash is not null
                            and o.status in ('unpaid', 'to_ship') then o.order_no end) order by o.id), '[]')
                    from public.orders o where o.contact_id = c.id)) order by c.id), '[]')
            from private.contacts c where c.id in (select p.id from picked p)))
$$;
comment on function private.rekey_contacts(text, bigint, integer) is
    'The next contacts that are not under the key (20,000 are looked at), with their orders; those of one phone come together, so that a duplicate is never half on each side.';

create or replace function private.store_rekeyed_contacts(p_rows jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_done bigint[];
begin
    perform private.lock_orders(array(select o.id from jsonb_to_recordset(p_rows) r (id bigint)
        join public.orders o on o.contact_id = r.id));
    with stored as (
        update private.contacts c set
            name_cipher = r.new ->> 'name', phone_cipher = r.new ->> 'phone', address_cipher = r.new ->> 'address',
            note_cipher = r.new ->> 'note', wechat_cipher = r.new ->> 'wechat', name_hash = r.new ->> 'name_hash',
            phone_hash = r.new ->> 'phone_hash', phone_last4_hash = r.new ->> 'phone_last4_hash',
            wechat_hash = r.new ->> 'wechat_hash'
        from jsonb_to_recordset(p_rows) r (id bigint, old jsonb, new jsonb)
        where c.id = r.id and private.tokens_of(c) is not distinct from
            array[r.old ->> 'name', r.old ->> 'phone', r.old ->> 'address', r.old ->> 'note', r.old ->> 'wechat']
        returning c.id
    ) select array_agg(id) into v_done from stored;
    perform private.store_rekeyed_facts(jsonb_agg(f)) from jsonb_to_recordset(p_rows) r (id bigint, orders jsonb),
        jsonb_array_elements(r.orders) f where r.id = any (v_done) having count(*) > 0;
    return coalesce(cardinality(v_done), 0);
end;
$$;
comment on function private.store_rekeyed_contacts(jsonb) is
    'Contacts [{id, old, new, orders: [{id, facts_hash, new_hash}]}]: each is written where its ciphertexts are still the old ones, its orders with it.';

create or replace function private.store_rekeyed_facts(p_orders jsonb) returns void
language sql set search_path = '' as $$
    update public.order_exceptions x set fingerprint = private.sha256(n.new_hash || x.evidence::text)
    from jsonb_to_recordset(p_orders) n (id bigint, facts_hash text, new_hash text)
    join public.orders o on o.id = n.id and o.facts_hash = n.facts_hash
    where x.order_id = n.id and x.kind = any (private.python_kinds())
      and x.fingerprint = private.sha256(n.facts_hash || x.evidence::text);
    update public.orders o set facts_hash = n.new_hash,
        checked_facts_hash = case when o.checked_facts_hash = n.facts_hash then n.new_hash else o.checked_facts_hash end
    from jsonb_to_recordset(p_orders) n (id bigint, facts_hash text, new_hash text)
    where o.id = n.id and o.facts_hash = n.facts_hash
$$;
comment on function private.store_rekeyed_facts(jsonb) is
    'The hash of the same facts under the new key: a verdict that was current stays so, and a waiver still holds for the facts it was given for.';

-- Notes, and what an undo would bring back ----------------------------------------------------------------------------

create or replace function private.rekey_notes(p_key_id text, p_after bigint, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
    with place as (
        select count(*) as seen, max(w.id) as upto
        from (select x.id from public.order_exceptions x where x.id > p_after order by x.id limit 20000) w
    ), due as materialized (
        select w.id, w.order_id, w.note_cipher
        from (select x.id, x.order_id, x.note_cipher from public.order_exceptions x where x.id > p_after order by x.id limit 20000) w
        where not starts_with(w.note_cipher, 'v1.' || p_key_id || '.') order by w.id limit p_limit
    )
    select jsonb_build_object(
        'after', case when (select count(*) from due) = p_limit then (select max(id) from due)
            else coalesce((select p.upto from place p), p_after) end,
        'done', (select p.seen from place p) < 20000 and (select count(*) from due) < p_limit,
        'last', (select coalesce(max(id), 0) from public.order_exceptions),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'order_id', d.order_id, 'note', d.note_cipher)
            order by d.id), '[]') from due d))
$$;

create or replace function private.store_rekeyed_notes(p_rows jsonb) returns integer
language sql set search_path = '' as $$
    with stored as (
        update public.order_exceptions x set note_cipher = r.new
        from jsonb_to_recordset(p_rows) r (id bigint, old text, new text) where x.id = r.id and x.note_cipher = r.old
        returning x.id
    ) select count(*)::integer from stored
$$;

create or replace function private.rekey_undo(p_key_id text, p_after bigint, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
    with scanned as materialized (
        select b.id, b.items from public.action_batches b where b.id > p_after order by b.id limit 200
    ), due as materialized (
        select s.id, i.value ->> 'order_id' as order_id, i.value #>> '{before,note_cipher}' as note
        from scanned s cross join jsonb_array_elements(s.items) i
        where not private.is_under(p_key_id, array[i.value #>> '{before,note_cipher}'])
    )
    select jsonb_build_object('after', coalesce((select max(id) from scanned), p_after),
        'done', (select count(*) from scanned) < 200, 'last', (select coalesce(max(id), 0) from public.action_batches),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'order_id', d.order_id::bigint, 'note', d.note)
            order by d.id), '[]') from due d))
$$;

create or replace function private.store_rekeyed_undo(p_rows jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_row record;
    v_count integer := 0;
begin
    for v_row in select r.* from jsonb_to_recordset(p_rows) r (id bigint, old text, new text) order by r.id loop
        update public.action_batches b set items = replace(b.items::text, v_row.old, v_row.new)::jsonb
        where b.id = v_row.id and position(v_row.old in b.items::text) > 0;
        v_count := v_count + case when found then 1 else 0 end;
    end loop;
    return v_count;
end;
$$;
comment on function private.store_rekeyed_undo(jsonb) is 'A ciphertext is unique and made of letters, digits, - _ and dots: it can be exchanged within the text.';

-- Channels: few, so one look finds all --------------------------------------------------------------------------------

create or replace function private.rekey_channels(p_key_id text, p_after bigint, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
    with due as materialized (
        select c.id, c.endpoint_cipher, c.secret_cipher from public.channels c
        where c.id > p_after and not private.is_under(p_key_id, array[c.endpoint_cipher, c.secret_cipher]) order by c.id limit p_limit
    )
    select jsonb_build_object('after', coalesce((select max(id) from due), p_after),
        'done', (select count(*) from due) < p_limit, 'last', (select coalesce(max(id), 0) from public.channels),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'endpoint', d.endpoint_cipher, 'secret', d.secret_cipher)
            order by d.id), '[]') from due d))
$$;

create or replace function private.store_rekeyed_channels(p_rows jsonb) returns integer
language sql set search_path = '' as $$
    with stored as (
        update public.channels c set endpoint_cipher = r.new ->> 'endpoint', secret_cipher = r.new ->> 'secret'
        from jsonb_to_recordset(p_rows) r (id bigint, old jsonb, new jsonb)
        where c.id = r.id and c.endpoint_cipher = r.old ->> 'endpoint'
          and c.secret_cipher is not distinct from r.old ->> 'secret'
        returning c.id
    ) select count(*)::integer from stored
$$;

-- The two RPCs of rekey -----------------------------------------------------------------------------------------------

create or replace function public.service_rekey_next(p_place text, p_key_id text, p_after bigint, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_after bigint := coalesce(p_after, 0);
    v_limit integer := least(greatest(coalesce(p_limit, 300), 1), 500);
begin
    return case p_place
        when 'contacts' then private.rekey_contacts(p_key_id, v_after, v_limit)
        when 'notes' then private.rekey_notes(p_key_id, v_after, v_limit)
        when 'undo' then private.rekey_undo(p_key_id, v_after, v_limit)
        when 'channels' then private.rekey_channels(p_key_id, v_after, v_limit)
        when 'imports' then (select jsonb_build_object('after', v_after, 'done', true, 'last', v_after,
            'rows', coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'file', i.file_name) order by i.id), '[]'))
            from public.imports i where i.kind = 'orders' and i.state in ('staging', 'applying', 'checking'))
    end;
end;
$$;
grant execute on function public.service_rekey_next(text, text, bigint, integer) to service_role;
comment on function public.service_rekey_next(text, text, bigint, integer) is
    'Service: the next ciphertexts of a place (contacts, notes, undo, channels) that are not under the key {rows, after, done, last}; imports: those under way, which may still bring some.';

create or replace function public.service_rekey_store(p_place text, p_rows jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_rows jsonb := private.as_json(p_rows);
    v_count integer;
begin
    if jsonb_typeof(v_rows) is distinct from 'array' or jsonb_array_length(v_rows) > 20000 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 20000}');
    end if;
    if exists (select from jsonb_array_elements(v_rows) r, jsonb_each_text(case when jsonb_typeof(r -> 'new') = 'object'
            then (r -> 'new') - '{name_hash,phone_hash,phone_last4_hash,wechat_hash}'::text[]
            else jsonb_build_object('note', r -> 'new') end) t where not private.is_cipher(t.value)) then
        perform private.fail('PT422', 'import.clear_text');
    end if;
    perform set_config('desk.rekey', 'on', true);
    v_count := case p_place
        when 'contacts' then private.store_rekeyed_contacts(v_rows)
        when 'notes' then private.store_rekeyed_notes(v_rows)
        when 'undo' then private.store_rekeyed_undo(v_rows)
        when 'channels' then private.store_rekeyed_channels(v_rows)
    end;
    perform set_config('desk.rekey', 'off', true);
    return v_count;
end;
$$;
grant execute on function public.service_rekey_store(text, jsonb) to service_role;
comment on function public.service_rekey_store(text, jsonb) is
    'Service: writes values under the new key [{id, old, new}], each only where it still is the old one; answers how many. bulk.too_many, import.clear_text.';

create or replace function public.service_rekey_done(p_key_id text, p_counts jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    perform private.audit(v_me, null, 'installation', null, 'rekeyed', private.as_json(p_counts) || jsonb_build_object('key', p_key_id));
    perform private.enqueue('evaluate_shop', jsonb_build_object('shop_id', s.id), 'evaluate:' || s.id, private.now())
    from public.shops s where s.is_active;
end;
$$;
grant execute on function public.service_rekey_done(text, jsonb) to service_role;
comment on function public.service_rekey_done(text, jsonb) is
    'Service: notes the change of key in the history, and has waiting orders judged anew: an order that came in between may repeat one that had not moved yet.';

-- What `python -m backend doctor` looks at ----------------------------------------------------------------------------

create or replace function private.rights_facts() returns jsonb
language sql stable set search_path = '' as $$
    with ours as (
        select c.oid, c.oid::regclass::text as name, c.relkind, c.relrowsecurity
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v')
    ), api (role) as (values ('anon'), ('authenticated'), ('service_role'))
    select jsonb_build_object(
        'tables_without_rls', (select coalesce(jsonb_agg(o.name order by o.name), '[]') from ours o
            where o.relkind <> 'v' and not o.relrowsecurity),
        'writable', (select coalesce(jsonb_agg(o.name || ' ' || a.role order by o.name, a.role), '[]') from ours o, api a
            where has_table_privilege(a.role, o.oid, 'insert, update, delete, truncate')
               or has_any_column_privilege(a.role, o.oid, 'insert, update')),
        'readable_by_anon', (select coalesce(jsonb_agg(o.name order by o.name), '[]') from ours o
            where has_any_column_privilege('anon', o.oid, 'select')),
        'open_functions', (select coalesce(jsonb_agg(p.oid::regprocedure::text order by p.proname), '[]') from pg_catalog.pg_proc p
            where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and has_function_privilege('anon', p.oid, 'execute')))
$$;
comment on function private.rights_facts() is 'Names of what must not be: tables without RLS, rights to write, rights of anon.';

create or replace function private.renew_hashes(p_import public.imports, p_to integer) returns void
language plpgsql set search_path = '' as $$
begin
    if not exists (select from private.import_rows r where r.import_id = p_import.id and r.row_no > p_import.applied_to
        and r.row_no <= p_to and r.payload ? 'older') then
        return;
    end if;
    update public.orders o set platform_facts_hash = r.payload ->> 'facts_hash'
    from private.import_rows r join private.import_results e on e.import_id = r.import_id and e.row_no = r.row_no
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
      and o.id = e.entity_id and r.payload #> '{older,facts}' ? o.platform_facts_hash;
    update public.orders o set ip_hash = n.ip_hash
    from (select distinct r.payload ->> 'ip_hash' as ip_hash, x.older
        from private.import_rows r, jsonb_array_elements_text(r.payload #> '{older,ips}') x (older)
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to) n
    where o.shop_id = p_import.shop_id and o.ip_hash = n.older;
end;
$$;
comment on function private.renew_hashes(public.imports, integer) is
    'While a rekey is under way: the hashes that only a file can make anew (what the platform said before a correction, IP addresses) come under the current key with the next import, so that corrections stay and addresses still compare.';

create or replace function private.work_facts(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'dead_jobs', (select count(*) from private.jobs where state = 'dead'),
        'waiting_minutes', (select coalesce(floor(extract(epoch from p_now - min(run_at)) / 60), 0)::integer from private.jobs
            where state = 'queued' and run_at < p_now),
        'stuck_imports', (select coalesce(jsonb_agg(i.file_name order by i.id), '[]') from public.imports i
            where i.state in ('staging', 'applying', 'checking') and i.touched_at < p_now - interval '45 minutes'),
        'unchecked_orders', (select count(*) from public.shops s, private.unchecked_orders(s.id, 0, 1000)),
        'uncovered_years', (select coalesce(jsonb_agg(distinct n.year), '[]')
            from (select extract(year from (p_now + d * interval '1 day') at time zone c.timezone)::integer as year
                from public.calendars c, generate_series(0, 30, 30) d where c.follows_holidays) n
            where n.year not in (select h.year from public.holiday_years h)),
        'members', (select count(*) from public.members),
        'admins', (select count(*) from public.members where role = 'admin' and state <> 'off'),
        'admin_numbers', (select coalesce(jsonb_agg(staff_no order by id), '[]') from public.members
            where role = 'admin' and state <> 'off' and staff_no is not null),
        'members_without_shops', (select coalesce(jsonb_agg(coalesce(m.staff_no, m.display_name) order by m.id), '[]') from public.members m
            where m.state <> 'off' and m.role <> 'admin' and not exists (select from public.member_shops s where s.member_id = m.id)))
$$;
comment on function private.work_facts(timestamptz) is 'How work stands: failed and late jobs, stuck imports, orders without verdict, years without holidays, people.';

create or replace function public.schema_facts() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return private.rights_facts() || private.work_facts(private.now()) || jsonb_build_object(
        'functions', (select jsonb_object_agg(p.pronamespace::regnamespace || '.' || p.proname, md5(p.prosrc)) from pg_catalog.pg_proc p
            where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)),
        'rule_kinds', (select coalesce(jsonb_agg(kind order by kind), '[]') from public.exception_rules where shop_id is null),
        'policies', (select coalesce(jsonb_agg(code order by code), '[]') from public.sla_policies),
        'calendars', (select coalesce(jsonb_agg(code order by code), '[]') from public.calendars),
        'checks_version', (select (s.value #>> '{}')::integer from private.settings s where s.key = 'checks_version'),
        'has_test_clock', to_regclass('private.test_clock') is not null);
end;
$$;
grant execute on function public.schema_facts() to service_role;
comment on function public.schema_facts() is
    'Service: what doctor compares with the program: hash of every function, rights that must not be, missing rules and calendars, how work stands. Names and counts only.';

-- ==== 90_screens.sql ====

-- 90 ------------------------------------------------------------------------------ screens: the queue, an order, lists
--
-- What a page shows, shaped in the database. Functions that run as the reader stand on the policies and repeat the right as
-- a filter (shop by shop), so that an index and not the policy finds the rows; the definers check the member first.

grant execute on function private.now() to authenticated; -- screens compare with the clock of the product

-- The queue -----------------------------------------------------------------------------------------------------------

drop view if exists public.order_work;
create view public.order_work with (security_invoker = true) as
select r.order_id, r.shop_id, s.name as shop_name, s.platform, o.order_no, o.version as order_version, o.status, o.amount,
    o.placed_at, o.paid_at, o.promise_ship_at, o.buyer_account, o.receiver_masked, o.phone_masked, o.province, o.city,
    o.released_at, o.held_at, o.held_reason, r.state, r.kinds, r.group_key, r.is_high, r.detected_at, r.done_at, r.is_on_time,
    r.due_at, r.due_sort, r.version, r.claim_until,
    case when r.claim_until > private.now() then r.owner_id end as owner_id,
    case when r.claim_until > private.now() then m.display_name end as owner_name,
    (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'kind', e.kind, 'state', e.state, 'version', e.version,
        'evidence', e.evidence, 'same_key', e.same_key, 'severity', e.severity, 'is_blocking', e.is_blocking, 'reason', e.reason)
        order by e.kind), '[]') from public.order_exceptions e where e.order_id = r.order_id) as exceptions
from public.order_reviews r
join public.orders o on o.id = r.order_id
join public.shops s on s.id = r.shop_id
left join public.members m on m.id = r.owner_id;
grant select on public.order_work to authenticated;
comment on view public.order_work is 'A row of the queue: work row, masked order, holder of a live claim, exceptions with their evidence. Readers of the shop.';

create or replace function public.queue_where(p jsonb) returns text
language sql immutable security invoker set search_path = '' as $$
    select concat_ws(' and ',
        'r.state = coalesce($1 ->> ''state'', ''open'')',
        case when p ->> 'kind' is not null then 'r.kinds @> array[$1 ->> ''kind'']' end,
        case when p ->> 'amount_min' is not null then 'r.amount >= ($1 ->> ''amount_min'')::numeric' end,
        case when p ->> 'amount_max' is not null then 'r.amount <= ($1 ->> ''amount_max'')::numeric' end,
        case p ->> 'owner' when 'me' then 'r.owner_id = $3 and r.claim_until > $4'
            when 'none' then '(r.owner_id is null or r.claim_until <= $4)' end,
        case p ->> 'due' when 'overdue' then 'r.due_sort < $4'
            when 'soon' then 'r.due_sort >= $4 and r.due_sort <= $4 + interval ''30 minutes''' end)
$$;
grant execute on function public.queue_where(jsonb) to authenticated;
comment on function public.queue_where(jsonb) is
    'Condition of the queue as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $3 me, $4 now). Used by order_queue alone.';

create or replace function public.queue_page(p jsonb, p_shops bigint[], p_cursor jsonb, p_descending boolean, p_limit integer)
returns table (order_id bigint, due_sort timestamptz)
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_direction text := case when p_descending then 'desc' else 'asc' end;
    v_beyond text := case when p_cursor is null then '' else format(
        'and (r.due_sort, r.order_id) %s (($5 ->> ''due_sort'')::timestamptz, ($5 ->> ''order_id'')::bigint)',
        case when p_descending then '<' else '>' end) end;
begin
    return query execute format('
        select r.order_id, r.due_sort
        from unnest($2) s (id) cross join lateral (
            select r.order_id, r.due_sort from public.order_reviews r
            where r.shop_id = s.id and %1$s %2$s
            order by r.due_sort %3$s, r.order_id %3$s limit $6) r
        order by r.due_sort %3$s, r.order_id %3$s limit $6', public.queue_where(p), v_beyond, v_direction)
    using p, p_shops, (select private.my_member_id()), (select private.now()), p_cursor, p_limit;
end;
$$;
grant execute on function public.queue_page(jsonb, bigint[], jsonb, boolean, integer) to authenticated;
comment on function public.queue_page(jsonb, bigint[], jsonb, boolean, integer) is
    'One page of the queue by keyset, each shop from its own index range, whatever the depth. Used by order_queue alone.';

create or replace function public.queue_count(p jsonb, p_shops bigint[]) returns integer
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_count integer;
begin
    execute format('select count(*) from (select from public.order_reviews r where r.shop_id = any ($2) and %s limit 1001) x', public.queue_where(p))
    into v_count using p, p_shops, (select private.my_member_id()), (select private.now());
    return v_count;
end;
$$;
grant execute on function public.queue_count(jsonb, bigint[]) to authenticated;
comment on function public.queue_count(jsonb, bigint[]) is 'How many rows of the queue match, counted up to 1,001 ("1000+"). Used by order_queue alone.';

create or replace function public.queue_cursor(p_row jsonb) returns jsonb
language sql immutable strict security invoker set search_path = '' as $$
    select jsonb_build_object('due_sort', p_row -> 'due_sort', 'order_id', p_row -> 'order_id')
$$;
grant execute on function public.queue_cursor(jsonb) to authenticated;
comment on function public.queue_cursor(jsonb) is 'Where a row stands in the queue, for the next page; null without a row. Used by order_queue alone.';

create or replace function public.queue_tabs(p_shops bigint[]) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_object_agg(t.tab, public.queue_count(t.filter, p_shops))
    from (values ('open', '{"state": "open"}'::jsonb), ('waiting_customer', '{"state": "waiting_customer"}'),
        ('mine', '{"state": "open", "owner": "me"}'), ('overdue', '{"state": "open", "due": "overdue"}')) t (tab, filter)
$$;
grant execute on function public.queue_tabs(bigint[]) to authenticated;
comment on function public.queue_tabs(bigint[]) is 'Counts beside the tabs of the queue, each up to 1,001. Used by order_queue alone.';

create or replace function public.order_queue(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_shops bigint[];
    v_limit integer;
    v_back boolean;
    v_ids bigint[];
    v_rows jsonb;
    v_more boolean;
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    v_back := p -> 'before' is not null;
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    v_shops := array(select s.id from public.shops s where s.id in (select private.my_shop_ids())
        and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) and (p ->> 'platform' is null or s.platform = p ->> 'platform'));
    v_ids := array(select q.order_id from public.queue_page(p, v_shops, coalesce(p -> 'before', p -> 'after'),
        v_back <> coalesce(p ->> 'state' = 'done', false), v_limit + 1) q);
    v_more := cardinality(v_ids) > v_limit;
    select coalesce(jsonb_agg(to_jsonb(w) order by case when v_back then -u.n else u.n end), '[]') into v_rows
    from unnest(v_ids[1:v_limit]) with ordinality u (id, n) join public.order_work w on w.order_id = u.id;
    return jsonb_build_object('rows', v_rows,
        'count', case when v_more or p ?| array['after', 'before'] then public.queue_count(p, v_shops) else cardinality(v_ids) end,
        'next', case when v_more or v_back then ends.last end,
        'prev', case when (v_back and v_more) or (not v_back and p -> 'after' is not null) then ends.first end,
        'tabs', public.queue_tabs(v_shops))
    from (select public.queue_cursor(v_rows -> -1) as last, public.queue_cursor(v_rows -> 0) as first) ends;
exception when invalid_text_representation or invalid_datetime_format or datetime_field_overflow or numeric_value_out_of_range then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.order_queue(jsonb) to authenticated;
comment on function public.order_queue(jsonb) is
    'Members: a page of the queue of my shops, soonest deadline first (state done: latest first): {rows, count (to 1,001), next, prev, tabs}. p: state open|waiting_customer|done, kind, platform, shop_id, amount_min, amount_max, owner me|none, due overdue|soon, limit, after or before = {due_sort, order_id}. filter.bad.';

create or replace function public.queue_groups(p_state text default 'open') returns jsonb
language sql stable security invoker set search_path = '' as $$
    with biggest as (
        select e.kind, e.same_key, count(*) as count, min(e.order_id) as order_id
        from public.order_exceptions e
        where e.shop_id in (select private.my_shop_ids()) and e.state in ('open', 'waiting_customer') and e.state = p_state
          and e.is_blocking and e.kind not in ('unpaid', 'duplicate', 'same_ip')
        group by e.kind, e.same_key having count(*) > 1 order by count(*) desc, e.kind, e.same_key limit 20
    )
    select coalesce(jsonb_agg(jsonb_build_object('kind', g.kind, 'same_key', g.same_key, 'count', g.count, 'evidence', x.evidence)
        order by g.count desc, g.kind, g.same_key), '[]')
    from biggest g join public.order_exceptions x on x.order_id = g.order_id and x.kind = g.kind
$$;
grant execute on function public.queue_groups(text) to authenticated;
comment on function public.queue_groups(text) is 'Members: what can be decided together in my shops: [{kind, same_key, count, evidence}], the biggest 20.';

-- One order -----------------------------------------------------------------------------------------------------------

create or replace function public.order_rights(p_order_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_items jsonb := (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'version', e.version)), '[]')
        from public.order_exceptions e where e.order_id = p_order_id);
begin
    return (select coalesce(jsonb_object_agg(x.id, x.answers), '{}') from (
        select c.id, jsonb_object_agg(d.decision, jsonb_build_object('key', c.refusal, 'params', c.params)) as answers
        from unnest(array['fixed', 'waived', 'waiting_customer', 'resume', 'cancelled', 'reopened']) d (decision)
        cross join lateral private.decision_checks(v_me, v_items, d.decision, v_now) c
        where c.order_id is not null group by c.id) x);
end;
$$;
grant execute on function public.order_rights(bigint) to authenticated;
comment on function public.order_rights(bigint) is
    'Members: which decisions I may take on an order''s exceptions: {exception id: {decision: {key: null or why not, params}}}; empty for an order I do not see.';

create or replace function public.order_facts(p_order_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select to_jsonb(x) from (
        select o.id, o.shop_id, s.name as shop_name, s.platform, s.timezone, s.review_limit, o.order_no, o.platform_status, o.status,
            o.refund, o.placed_at, o.paid_at, o.shipped_at, o.completed_at, o.promise_ship_at, o.amount, o.buyer_account,
            o.contact_state, o.receiver_masked, o.phone_masked, o.province, o.city, o.district, o.ip_masked, o.carrier,
            o.tracking_no, o.last_scan_at, o.last_scan_text, o.signed_at, o.is_checked, o.released_at, o.release_id, o.held_at,
            o.held_reason, o.version, o.updated_at, i.file_name as import_file, i.finished_at as imported_at
        from public.orders o join public.shops s on s.id = o.shop_id left join public.imports i on i.id = o.import_id
        where o.id = p_order_id) x
$$;
grant execute on function public.order_facts(bigint) to authenticated;
comment on function public.order_facts(bigint) is 'Readers of the order: its masked facts; null when it is not visible. Used by order_detail.';

create or replace function public.order_detail(p_order_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object('order', f.facts,
        'items', (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity,
                'unit_price', i.unit_price, 'available', p.available, 'is_known', i.product_id is not null) order by i.line_no), '[]')
            from public.order_items i left join public.products p on p.id = i.product_id where i.order_id = p_order_id),
        'exceptions', (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'kind', e.kind, 'state', e.state, 'version', e.version,
                'evidence', e.evidence, 'severity', e.severity, 'is_blocking', e.is_blocking, 'same_key', e.same_key,
                'group_key', e.group_key, 'detected_at', e.detected_at, 'decided_at', e.decided_at, 'decided_as', e.decided_as,
                'decided_by', m.display_name, 'reason', e.reason, 'holds_until', e.holds_until, 'note_cipher', e.note_cipher, 'rights', r.rights -> e.id::text)
                order by e.is_blocking desc, e.kind), '[]')
            from public.order_exceptions e left join public.members m on m.id = e.decided_by where e.order_id = p_order_id),
        'review', (select to_jsonb(w) - 'exceptions' from public.order_work w where w.order_id = p_order_id),
        'group', (select coalesce(jsonb_agg(to_jsonb(w) order by w.placed_at, w.order_id), '[]') from public.order_reviews mine
            join public.order_reviews g on g.shop_id = mine.shop_id and g.group_key = mine.group_key
            join public.order_work w on w.order_id = g.order_id where mine.order_id = p_order_id),
        'releases', (select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'kind', l.kind, 'created_at', l.created_at,
                'downloaded_at', l.downloaded_at, 'undone_at', l.undone_at, 'by', m.display_name) order by l.id desc), '[]')
            from public.release_orders x join public.releases l on l.id = x.release_id left join public.members m on m.id = l.member_id
            where x.order_id = p_order_id),
        'breach', (select to_jsonb(b) from public.hold_breaches b where b.order_id = p_order_id),
        'timeline', public.order_timeline(p_order_id))
    from (select public.order_facts(p_order_id) as facts) f cross join lateral (select public.order_rights(p_order_id) as rights) r
    where f.facts is not null
$$;
grant execute on function public.order_detail(bigint) to authenticated;
comment on function public.order_detail(bigint) is
    'Readers of the order: everything its page shows in one answer {order, items, exceptions (with evidence and my rights), review, group, releases, breach, timeline}; null when it is not visible.';

-- Lists beside the queue ----------------------------------------------------------------------------------------------

create or replace function public.payment_nudge(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with mine as (
        select o.id, o.shop_id, o.order_no, o.amount, o.placed_at, o.buyer_account, o.receiver_masked, o.phone_masked, o.version
        from public.orders o
        where o.status = 'unpaid' and o.shop_id in (select private.my_shop_ids())
          and (p ->> 'shop_id' is null or o.shop_id = (p ->> 'shop_id')::bigint)
    ), page as (
        select * from mine
        where p -> 'after' is null or (coalesce(placed_at, '-infinity'), id)
            < (coalesce((p -> 'after' ->> 'placed_at')::timestamptz, '-infinity'), (p -> 'after' ->> 'id')::bigint)
        order by coalesce(placed_at, '-infinity') desc, id desc limit 50
    )
    select jsonb_build_object('count', (select count(*) from (select from mine limit 1001) c), 'amount', (select sum(amount) from mine),
        'rows', (select coalesce(jsonb_agg(to_jsonb(x) order by coalesce(x.placed_at, '-infinity') desc, x.id desc), '[]')
            from (select page.*, s.name as shop_name, s.platform from page join public.shops s on s.id = page.shop_id) x)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.payment_nudge(jsonb) to authenticated;
comment on function public.payment_nudge(jsonb) is
    'Members 催付: orders of my shops that wait for payment, newest first, 50 a page: {count, amount, rows}; p {shop_id, after: {placed_at, id}}. filter.bad.';

create or replace function public.hold_screen(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with stopped as (
        select h.id from public.shops s cross join lateral (
            (select o.id from public.orders o
             where o.shop_id = s.id and o.status = 'to_ship' and (o.held_at is not null or o.refund <> 'none') order by o.id limit 1001)
            union
            (select r.order_id from public.order_reviews r where r.shop_id = s.id and r.state <> 'done'
                and exists (select from public.orders o where o.id = r.order_id and o.status = 'to_ship' offset 0) -- row by row: the limit ends it early
             order by r.order_id limit 1001)) h
        where s.id in (select private.my_shop_ids()) and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) limit 1001
    ), shown as (
        select o.id, o.version, o.order_no, o.shop_id, s.name as shop_name, o.amount, o.paid_at, o.promise_ship_at, o.receiver_masked,
            o.phone_masked, o.released_at, o.held_at, o.held_reason, o.refund,
            (select array_agg(e.kind order by e.kind) from public.order_exceptions e where e.order_id = o.id and e.is_blocking
                and e.state in ('open', 'waiting_customer')) as kinds,
            exists (select from public.release_orders l join public.releases r on r.id = l.release_id
                where l.order_id = o.id and r.kind = 'release' and r.downloaded_at is not null and r.undone_at is null) as is_in_erp
        from stopped x cross join lateral (
            select w.id, w.version, w.order_no, w.shop_id, w.amount, w.paid_at, w.promise_ship_at, w.receiver_masked, w.phone_masked,
                w.released_at, w.held_at, w.held_reason, w.refund
            from public.orders w where w.id = x.id offset 0) o -- by key, whatever the planner expects
        join public.shops s on s.id = o.shop_id
        order by o.promise_ship_at nulls last, o.id limit 200
    )
    select jsonb_build_object('count', (select count(*) from stopped), 'rows',
        (select coalesce(jsonb_agg(to_jsonb(d) order by d.is_in_erp desc, d.promise_ship_at nulls last, d.id), '[]') from shown d)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.hold_screen(jsonb) to authenticated;
comment on function public.hold_screen(jsonb) is
    'Members 拦截未发: orders of my shops that wait to ship and must not: {count (to 1,001), rows (200)}; is_in_erp first: they are on a downloaded list and need 追加拦截. filter.bad.';

drop view if exists public.release_log;
create view public.release_log with (security_invoker = true) as
select r.id, r.shop_id, s.name as shop_name, r.kind, r.order_count, r.created_at, m.display_name as made_by, r.member_id,
    r.downloaded_at, d.display_name as downloaded_by, r.undone_at
from public.releases r
join public.shops s on s.id = r.shop_id
left join public.members m on m.id = r.member_id
left join public.members d on d.id = r.downloaded_by;
grant select on public.release_log to authenticated;
comment on view public.release_log is 'Release and hold lists with the people behind them. Readers of the shop.';

drop view if exists public.import_log;
create view public.import_log with (security_invoker = true) as
select i.id, i.kind, i.shop_id, s.name as shop_name, i.platform, i.file_name, i.is_strict, i.state, i.rows_total, i.rows_staged,
    i.rows_applied, i.accepted, i.updated, i.unchanged, i.rejected, i.exceptions, i.member_id, m.display_name as made_by, i.actor,
    i.started_at, i.touched_at, i.finished_at
from public.imports i
left join public.shops s on s.id = i.shop_id
left join public.members m on m.id = i.member_id;
grant select on public.import_log to authenticated;
comment on view public.import_log is 'Imports with shop and person: my own, for operations, managers and admins those of their shops.';

create or replace function public.product_list(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with matching as (
        select r.id, r.stock_pool_id, r.sku, r.name, r.spec, r.available, r.safety_stock, r.stock_at, r.available < r.safety_stock as is_low
        from public.products r
        where (coalesce((p ->> 'low')::boolean, false) = false or r.available < r.safety_stock)
          and (coalesce(p ->> 'text', '') = '' or strpos(lower(r.sku), lower(p ->> 'text')) > 0 or strpos(lower(r.name), lower(p ->> 'text')) > 0)
    ), page as (
        select * from matching where p -> 'after' is null or (sku, id) > (p -> 'after' ->> 'sku', (p -> 'after' ->> 'id')::bigint)
        order by sku, id limit 50
    )
    select jsonb_build_object('count', (select count(*) from (select from matching limit 1001) c),
        'low', (select count(*) from public.products r where r.available < r.safety_stock),
        'rows', (select coalesce(jsonb_agg(to_jsonb(x) order by x.sku, x.id), '[]') from page x)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.product_list(jsonb) to authenticated;
comment on function public.product_list(jsonb) is
    'Members: products by SKU, 50 a page: {count, low (refill alerts), rows}; p {text, low: true = 补货提醒 only, after: {sku, id}}. filter.bad.';

create or replace function private.data_ages(p_shops bigint[], p_now timestamptz)
returns table (kind text, shop_id bigint, shop_name text, at timestamptz, file_name text, rejected integer, hours numeric, is_late boolean, is_running boolean)
language sql stable set search_path = '' as $$
    select w.kind, w.shop_id, w.shop_name, i.finished_at, i.file_name, i.rejected,
        round(extract(epoch from p_now - i.finished_at) / 3600, 1), coalesce(i.finished_at < p_now - interval '24 hours', true), w.is_running
    from (
        select k.kind, s.id as shop_id, s.name as shop_name, s.stock_pool_id, exists (select from public.imports x
            where x.shop_id = s.id and x.kind = k.kind and x.state in ('staging', 'applying', 'checking')) as is_running
        from public.shops s cross join (values ('orders'), ('shipments')) k (kind) where s.id = any (p_shops) and s.is_active
        union all
        select 'products', null, p.name, p.id, exists (select from public.imports x where x.shop_id is null and x.stock_pool_id = p.id
            and x.kind = 'products' and x.state in ('staging', 'applying', 'checking'))
        from public.stock_pools p where p.id in (select s.stock_pool_id from public.shops s where s.id = any (p_shops))) w
    left join lateral (
        select x.finished_at, x.file_name, x.rejected from public.imports x
        where x.kind = w.kind and x.state = 'done' and (x.shop_id = w.shop_id or (x.shop_id is null and x.stock_pool_id = w.stock_pool_id))
        order by x.id desc limit 1) i on true
    order by w.kind, w.shop_id
$$;
comment on function private.data_ages(bigint[], timestamptz) is 'How old each data set of these shops is: late when the last import ended more than 24 hours ago, or never.';

create or replace function private.shown_ages(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(a) || case when (p_me).role in ('operations', 'manager', 'admin') then '{}'
        else '{"file_name": null, "rejected": null}' end::jsonb), '[]')
    from private.data_ages(p_shops, p_now) a
$$;
comment on function private.shown_ages(private.actor, bigint[], timestamptz) is
    'The ages as this person may know them: file names and refused lines belong to the imports, which operations, managers and admins see.';

create or replace function public.data_ages() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return private.shown_ages(v_me, array(select private.my_shop_ids()), private.now());
end;
$$;
grant execute on function public.data_ages() to authenticated;
comment on function public.data_ages() is
    'Members: age of every data set of my shops, the import checklist of the day: [{kind, shop_id, shop_name, at, file_name, rejected, hours, is_late, is_running}]; file_name and rejected for operations, managers, admins.';

-- ==== 90_screens_home.sql ====

-- 90 ------------------------------------------------------------------- screens: home, saved views, exports that leave

-- Home ----------------------------------------------------------------------------------------------------------------

create or replace function private.day_start_of(p_timezone text, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$ select date_trunc('day', p_now at time zone p_timezone) at time zone p_timezone $$;
comment on function private.day_start_of(text, timestamptz) is '00:00 of today in a zone.';

create or replace function private.home_items(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with mine as (
        select r.order_id, r.due_sort, true as is_mine from public.order_reviews r
        where r.owner_id = (p_me).member_id and r.claim_until > p_now and r.state in ('open', 'waiting_customer') and r.shop_id = any (p_shops)
    ), pool as (
        select x.order_id, x.due_sort, false from unnest(p_shops) s (id) cross join lateral (
            select r.order_id, r.due_sort from public.order_reviews r
            where r.shop_id = s.id and r.state = 'open' and (r.owner_id is null or r.claim_until <= p_now)
              and private.can_review(p_me, r.kinds)
            order by r.due_sort, r.order_id limit 5) x
        order by x.due_sort, x.order_id limit 5
    )
    select coalesce(jsonb_agg(jsonb_build_object('area', 'orders', 'order_id', i.order_id, 'order_no', o.order_no, 'shop_id', o.shop_id,
        'amount', o.amount, 'state', r.state, 'kinds', r.kinds, 'due_at', r.due_at, 'is_mine', i.is_mine) order by i.is_mine desc, i.due_sort, i.order_id), '[]')
    from (select * from mine union all select * from pool) i
    join public.orders o on o.id = i.order_id join public.order_reviews r on r.order_id = i.order_id
$$;
comment on function private.home_items(private.actor, bigint[], timestamptz) is 'What I hold, then what is most urgent in the pool and mine to take.';

create or replace function private.home_figures(p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('shop_id', s.id, 'shop_name', s.name, 'platform', s.platform,
        'open', q.open, 'overdue', q.overdue, 'soon', q.soon, 'waiting', q.waiting, 'decided', d.decided, 'judged', d.judged, 'on_time', d.on_time,
        'released', (select coalesce(sum(l.order_count), 0) from public.releases l where l.shop_id = s.id and l.kind = 'release'
            and l.created_at >= t.today and l.undone_at is null),
        'breaches', (select count(*) from public.hold_breaches b where b.shop_id = s.id and b.found_at >= p_now - interval '7 days')) order by s.id), '[]')
    from public.shops s
    cross join lateral (select private.day_start_of(s.timezone, p_now) as today) t
    cross join lateral (select count(*) filter (where r.state = 'open') as open, count(*) filter (where r.state = 'open' and r.due_sort < p_now) as overdue,
        count(*) filter (where r.state = 'open' and r.due_sort between p_now and p_now + interval '30 minutes') as soon,
        count(*) filter (where r.state = 'waiting_customer') as waiting
        from public.order_reviews r where r.shop_id = s.id and r.state <> 'done') q
    cross join lateral (select count(*) as decided, count(r.is_on_time) as judged, count(*) filter (where r.is_on_time) as on_time
        from public.order_reviews r where r.shop_id = s.id and r.state = 'done' and r.done_at >= t.today) d
    where s.id = any (p_shops) and s.is_active
$$;
comment on function private.home_figures(bigint[], timestamptz) is
    'Today (in the shop''s zone) per shop: open, overdue, soon (30 minutes), waiting, decided, judged and on_time (share = on_time / judged), released; breaches of the last seven days.';

create or replace function private.home_changes(p_me private.actor, p_shops bigint[], p_since timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('since', p_since,
        'found', (select count(*) from public.order_reviews r where r.shop_id = any (p_shops) and r.state <> 'done' and r.detected_at > p_since),
        'decided', (select count(*) from public.order_reviews r where r.shop_id = any (p_shops) and r.state = 'done' and r.done_at > p_since),
        'released', (select coalesce(sum(l.order_count), 0) from public.releases l where l.shop_id = any (p_shops) and l.kind = 'release'
            and l.created_at > p_since and l.undone_at is null),
        'breaches', (select count(*) from public.hold_breaches b where b.shop_id = any (p_shops) and b.found_at > p_since),
        'imports', (select count(*) from public.imports i where i.shop_id = any (p_shops) and i.state = 'done' and i.finished_at > p_since),
        'taken_over', (select count(*) from public.audit_events a join public.audit_events mine on mine.entity = 'order'
            and mine.entity_id = a.entity_id and mine.action = 'claimed' and mine.member_id = (p_me).member_id and mine.at > a.at - interval '1 day' and mine.at < a.at
            where a.shop_id = any (p_shops) and a.at > p_since and a.action = 'taken_over' and a.member_id <> (p_me).member_id),
        'reveals', case when (p_me).role in ('manager', 'admin') then (select coalesce(jsonb_agg(jsonb_build_object('who', m.display_name, 'at', a.at) order by a.at desc), '[]')
            from public.audit_events a join public.members m on m.id = a.entity_id
            where a.entity = 'member' and a.action = 'reveals_many' and a.at > greatest(p_since, p_now - interval '7 days')) end)
$$;
comment on function private.home_changes(private.actor, bigint[], timestamptz, timestamptz) is 'What happened in my shops since I was last here; managers also hear who opened many contacts.';

create or replace function public.home_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
    v_since timestamptz := coalesce((select home_seen_at from public.members where id = v_me.member_id), v_now - interval '1 day');
begin
    return jsonb_build_object('now', v_now,
        'items', private.home_items(v_me, v_shops, v_now),
        'figures', private.home_figures(v_shops, v_now),
        'changes', private.home_changes(v_me, v_shops, greatest(v_since, v_now - interval '7 days'), v_now),
        'ready', (select count(*) from private.ready_orders('{}', 5001)),
        'unpaid', (select count(*) from (select from public.orders o where o.status = 'unpaid' and o.shop_id = any (v_shops) limit 1001) u),
        'low_stock', (select count(*) from public.products p where p.available < p.safety_stock),
        'dead_jobs', case when v_me.role in ('manager', 'admin') then private.dead_jobs() else 0 end,
        'data', private.shown_ages(v_me, v_shops, v_now));
end;
$$;
grant execute on function public.home_screen() to authenticated;
comment on function public.home_screen() is
    'Members 我的工作台 in one answer: {now, items (mine by deadline, then the pool''s most urgent), figures per shop, changes since home_seen_at (at most 7 days), ready, unpaid, low_stock, dead_jobs (managers and admins), data (age of each data set)}.';

-- Saved views, and exports that leave ---------------------------------------------------------------------------------

create or replace function public.save_view(p_request_id uuid, p_area text, p_name text, p_params jsonb, p_is_shared boolean default false)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'save_view', jsonb_build_array(p_area, p_name, p_params, p_is_shared));
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_area is null or p_area not in ('orders', 'release', 'holds', 'products', 'imports')
        or char_length(btrim(coalesce(p_name, ''))) not between 1 and 40 or coalesce(length(p_params::text), 0) not between 2 and 4000 then
        perform private.fail('PT422', 'view.form');
    end if;
    if p_is_shared and v_me.role not in ('operations', 'manager', 'admin') then
        perform private.fail('PT403', 'view.share_right');
    end if;
    insert into public.saved_views as v (member_id, area, name, params, is_shared, updated_at)
    values (v_me.member_id, p_area, btrim(p_name), private.as_json(p_params), coalesce(p_is_shared, false), private.now())
    on conflict (member_id, area, name) do update
        set params = excluded.params, is_shared = excluded.is_shared, updated_at = excluded.updated_at
    returning v.id into v_id;
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.save_view(uuid, text, text, jsonb, boolean) to authenticated;
comment on function public.save_view(uuid, text, text, jsonb, boolean) is
    'Members: keeps the filters of a queue under a name; the same name again replaces them. Shared with colleagues by operations, managers, admins. view.form, view.share_right.';

create or replace function public.delete_view(p_request_id uuid, p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'delete_view', to_jsonb(p_id));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    delete from public.saved_views where id = p_id and member_id = v_me.member_id;
    if not found then
        perform private.fail('PT404', 'view.none');
    end if;
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.delete_view(uuid, bigint) to authenticated;
comment on function public.delete_view(uuid, bigint) is 'Members: forgets one of my own saved views. view.none.';

create or replace function public.note_export(p_area text, p_count integer, p_filter jsonb default '{}') returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_area is null or p_area not in ('orders', 'release', 'holds', 'products', 'imports', 'payment_nudge') then
        perform private.fail('PT422', 'view.form');
    end if;
    perform private.audit(v_me, null, 'export', null, 'exported', jsonb_build_object('area', p_area, 'count', p_count,
        'filter', (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(coalesce(private.as_json(p_filter), '{}')) f
                   where f.key in ('state', 'kind', 'platform', 'shop_id', 'owner', 'due', 'amount_min', 'amount_max'))));
end;
$$;
grant execute on function public.note_export(text, integer, jsonb) to authenticated;
comment on function public.note_export(text, integer, jsonb) is 'Members: a masked file of so many rows was made; recorded for managers. view.form.';

-- ==== 91_deadlines.sql ====

-- 91 ------------------------------------------------------------------------------- deadlines: the overview over all clocks
--
-- Agents and the warehouse see what is theirs and what is free; a duty lead, operations, analysts, managers and admins see
-- everybody's. Always of one's own shops.

create or replace function private.sees_everybody(p_me private.actor) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role in ('operations', 'analyst', 'manager', 'admin') or (p_me).is_duty_lead
$$;
comment on function private.sees_everybody(private.actor) is 'Whether an overview shows colleagues'' work, not only one''s own and the pool.';

create or replace function private.clock_owners(p_shops bigint[], p_now timestamptz) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select r.clock_id, r.owner_id from public.order_reviews r
    where r.owner_id is not null and r.claim_until > p_now and r.state <> 'done' and r.clock_id is not null
      and r.shop_id = any (p_shops)
$$;
comment on function private.clock_owners(bigint[], timestamptz) is
    'Who holds the work behind open clocks; what is not here lies in the pool. Every area with work rows of its own has a branch.';

create or replace function private.deadline_bucket(p_state text, p_due_at timestamptz, p_now timestamptz) returns text
language sql immutable set search_path = '' as $$
    select case when p_due_at < p_now then 'overdue' when p_due_at <= p_now + interval '30 minutes' then 'soon'
        when p_due_at is not null then 'on_time' else p_state end
$$;
comment on function private.deadline_bucket(text, timestamptz, timestamptz) is
    'overdue, soon (30 minutes, inclusive; product decision), on_time; without a deadline the state: paused or uncovered.';

-- The figures ---------------------------------------------------------------------------------------------------------

create or replace function private.open_figures(p_shops bigint[], p_now timestamptz)
returns table (shop_id bigint, entity text, target text, owner_id bigint, bucket text, count bigint)
language sql stable set search_path = '' as $$
    with counted as (
        select a.shop_id, a.entity, a.target, b.bucket, b.n
        from private.open_areas(p_shops) a
        cross join lateral ( -- as deadline_bucket says, without a call for each row
            select count(*) filter (where c.due_at < p_now) as overdue,
                count(*) filter (where c.due_at >= p_now and c.due_at <= p_now + interval '30 minutes') as soon,
                count(*) filter (where c.due_at > p_now + interval '30 minutes') as on_time,
                count(*) filter (where c.due_at is null and c.state = 'paused') as paused,
                count(*) filter (where c.due_at is null and c.state = 'uncovered') as uncovered
            from public.sla_clocks c
            where c.stopped_at is null and c.shop_id = a.shop_id and c.entity = a.entity and c.target = a.target) f
        cross join lateral (values ('overdue', f.overdue), ('soon', f.soon), ('on_time', f.on_time), ('paused', f.paused),
            ('uncovered', f.uncovered)) b (bucket, n)
    ), owned as (
        select c.shop_id, c.entity, c.target, o.owner_id, private.deadline_bucket(c.state, c.due_at, p_now) as bucket, count(*) as n
        from private.clock_owners(p_shops, p_now) o join public.sla_clocks c on c.id = o.clock_id
        where c.stopped_at is null group by 1, 2, 3, 4, 5
    )
    select shop_id, entity, target, owner_id, bucket, n from owned
    union all
    select c.shop_id, c.entity, c.target, null, c.bucket, c.n - coalesce(sum(o.n), 0)::bigint
    from counted c left join owned o using (shop_id, entity, target, bucket)
    group by c.shop_id, c.entity, c.target, c.bucket, c.n having c.n > coalesce(sum(o.n), 0)
$$;
comment on function private.open_figures(bigint[], timestamptz) is
    'Open clocks by shop, area, owner (null: the pool) and how they stand. The pool is what is left of all: only what is held is looked up.';

create or replace function private.finished_figures(p_shops bigint[], p_days integer, p_now timestamptz)
returns table (shop_id bigint, entity text, target text, day date, met bigint, late bigint)
language sql stable set search_path = '' as $$
    select c.shop_id, c.entity, c.target, (c.stopped_at at time zone s.timezone)::date,
        pg_catalog.count(*) filter (where c.state = 'fulfilled'), pg_catalog.count(*) filter (where c.state = 'fulfilled_late')
    from public.shops s join public.sla_clocks c on c.shop_id = s.id
    where s.id = any (p_shops) and c.stopped_at <= p_now and c.state in ('fulfilled', 'fulfilled_late')
      and c.stopped_at >= ((p_now at time zone s.timezone)::date - (p_days - 1))::timestamp at time zone s.timezone
    group by 1, 2, 3, 4
$$;
comment on function private.finished_figures(bigint[], integer, timestamptz) is
    'Work finished in time and late, by day of the shop''s zone; today is the last of p_days.';

create or replace function public.deadline_overview() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return (
        with open as (select f.*, m.display_name as owner_name from private.open_figures(v_shops, v_now) f
            left join public.members m on m.id = f.owner_id
            where private.sees_everybody(v_me) or f.owner_id is null or f.owner_id = v_me.member_id)
        select pg_catalog.jsonb_build_object('at', v_now, 'sees_everybody', private.sees_everybody(v_me),
            'open', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(o)) from open o), '[]'),
            'finished', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(f) order by f.day)
                from private.finished_figures(v_shops, 14, v_now) f), '[]'),
            'missing_years', (select coalesce(pg_catalog.jsonb_agg(distinct pg_catalog.to_char(y, 'FM9999')), '[]')
                from (select extract(year from private.first_unknown_day(c.calendar_id, (c.counted_from at time zone k.timezone)::date)) as y
                    from public.sla_clocks c join public.calendars k on k.id = c.calendar_id
                    where c.state = 'uncovered' and c.stopped_at is null and c.shop_id = any (v_shops) limit 200) u where y is not null)));
end;
$$;
grant execute on function public.deadline_overview() to authenticated;
comment on function public.deadline_overview() is
    'Members: 时效总览 of my shops: open [{shop_id, entity, target, owner_id, owner_name, bucket, count}], finished in the last 14 days by day [{shop_id, entity, target, day, met, late}], years whose holiday list is missing. Agents and warehouse: their own and the pool.';

-- The list ------------------------------------------------------------------------------------------------------------

create or replace function private.open_areas(p_shops bigint[]) returns table (shop_id bigint, entity text, target text)
language sql stable set search_path = '' as $$
    with recursive areas as (
        (select c.shop_id, c.entity, c.target from public.sla_clocks c where c.stopped_at is null
         order by c.shop_id, c.entity, c.target limit 1)
        union all
        select n.* from areas a cross join lateral (
            select c.shop_id, c.entity, c.target from public.sla_clocks c
            where c.stopped_at is null and (c.shop_id, c.entity, c.target) > (a.shop_id, a.entity, a.target)
            order by c.shop_id, c.entity, c.target limit 1) n
    )
    select a.shop_id, a.entity, a.target from areas a where a.shop_id = any (p_shops)
$$;
comment on function private.open_areas(bigint[]) is 'Which areas have open clocks in these shops: one step of the index for each, however many clocks there are.';

create or replace function private.list_where(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select pg_catalog.concat_ws(' and ', 'c.stopped_at is null',
        case p ->> 'bucket'
            when 'overdue' then 'c.due_at < $2'
            when 'soon' then 'c.due_at >= $2 and c.due_at <= $2 + interval ''30 minutes'''
            when 'on_time' then 'c.due_at > $2 + interval ''30 minutes'''
            when 'paused' then 'c.due_at is null and c.state = ''paused'''
            when 'uncovered' then 'c.due_at is null and c.state = ''uncovered'''
            else 'c.due_at is not null' end,
        case when p -> 'after' is null then null
            when p ->> 'bucket' in ('paused', 'uncovered') then 'c.id > ($1 -> ''after'' ->> ''id'')::bigint'
            else '(c.due_at, c.id) > (($1 -> ''after'' ->> ''due_at'')::timestamptz, ($1 -> ''after'' ->> ''id'')::bigint)' end,
        'c.id <> all ($3)')
$$;
comment on function private.list_where(jsonb) is
    'Condition of the list as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $2 now, $3 clocks to leave out).';

create or replace function private.list_open(p jsonb, p_shops bigint[], p_hidden bigint[], p_held bigint[], p_limit integer, p_now timestamptz)
returns table (id bigint, due_at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    if p_held is not null then
        return query execute pg_catalog.format('
            select c.id, c.due_at from public.sla_clocks c
            where c.id = any ($4) and c.shop_id = any ($6) and ($1 ->> ''area'' is null or c.entity || ''.'' || c.target = $1 ->> ''area'')
              and %s order by c.due_at, c.id limit $5', private.list_where(p))
        using p, p_now, p_hidden, p_held, p_limit, p_shops;
        return;
    end if;
    return query execute pg_catalog.format('
        select l.id, l.due_at from private.open_areas($4) a cross join lateral (
            select c.id, c.due_at from public.sla_clocks c
            where c.shop_id = a.shop_id and c.entity = a.entity and c.target = a.target and %s
            order by c.due_at, c.id limit $5) l
        where $1 ->> ''area'' is null or a.entity || ''.'' || a.target = $1 ->> ''area''
        order by l.due_at, l.id limit $5', private.list_where(p))
    using p, p_now, p_hidden, p_shops, p_limit;
end;
$$;
comment on function private.list_open(jsonb, bigint[], bigint[], bigint[], integer, timestamptz) is
    'Ids of a page of open clocks, soonest first: each area from its own index range, or (p_held) only what one person holds.';

create or replace function private.list_late(p jsonb, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (id bigint, due_at timestamptz)
language sql stable set search_path = '' as $$
    select l.id, l.stopped_at from pg_catalog.unnest(p_shops) s (id) cross join lateral (
        select c.id, c.stopped_at from public.sla_clocks c
        where c.shop_id = s.id and c.stopped_at >= p_now - interval '14 days' and c.state = 'fulfilled_late'
          and (p ->> 'area' is null or c.entity || '.' || c.target = p ->> 'area')
          and (p -> 'after' is null or (c.stopped_at, c.id) < ((p -> 'after' ->> 'due_at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
        order by c.stopped_at desc, c.id desc limit p_limit) l
    order by l.stopped_at desc, l.id desc limit p_limit
$$;
comment on function private.list_late(jsonb, bigint[], integer, timestamptz) is 'Ids of a page of work finished late in the last 14 days, latest first.';

create or replace function private.deadline_rows(p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'shop_id', c.shop_id, 'shop_name', s.name,
        'timezone', s.timezone, 'entity', c.entity, 'entity_id', c.entity_id, 'target', c.target,
        'label', w.label, 'path', w.path, 'policy', c.policy ->> 'name', 'state', c.state, 'due_at', c.due_at,
        'stopped_at', c.stopped_at, 'pause_reason', c.pause_reason, 'bucket', case when c.stopped_at is null
            then private.deadline_bucket(c.state, c.due_at, p_now) else 'late' end,
        'owner_id', w.owner_id, 'owner_name', m.display_name) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n)
    join public.sla_clocks c on c.id = u.id
    join public.shops s on s.id = c.shop_id
    left join lateral private.subjects_of(c.entity, array[c.entity_id], p_now) w on true
    left join public.members m on m.id = w.owner_id
$$;
comment on function private.deadline_rows(bigint[], timestamptz) is 'Rows of the list for these clocks, in their order.';

create or replace function private.deadline_filter(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := coalesce(private.as_json(p), '{}');
begin
    if pg_catalog.jsonb_typeof(v) <> 'object'
        or coalesce(v ->> 'shop_id', '0') !~ '^[0-9]{1,18}$'
        or coalesce(v ->> 'person', 'pool') !~ '^(me|pool|[0-9]{1,18})$'
        or coalesce(v ->> 'bucket', 'open') not in ('open', 'overdue', 'soon', 'on_time', 'paused', 'uncovered', 'late')
        or coalesce(v ->> 'limit', '50') !~ '^[0-9]{1,4}$'
        or (v ? 'after' and coalesce(v -> 'after' ->> 'id', '') !~ '^[0-9]{1,18}$') then
        raise data_exception;
    end if;
    perform (v -> 'after' ->> 'due_at')::timestamptz;
    return v;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.deadline_filter(jsonb) is 'The filter of the list, its values looked at; filter.bad.';

create or replace function private.page_ids(p_me private.actor, p jsonb, p_shops bigint[], p_limit integer, p_now timestamptz) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_person text := p ->> 'person';
    v_member bigint := case when v_person = 'me' then (p_me).member_id when v_person ~ '^[0-9]+$' then v_person::bigint end;
    v_hidden bigint[] := '{}';
    v_held bigint[];
begin
    if p ->> 'bucket' = 'late' then
        return array(select l.id from private.list_late(p, p_shops, p_limit, p_now) l);
    end if;
    if not private.sees_everybody(p_me) or v_person = 'pool' then
        v_hidden := array(select o.clock_id from private.clock_owners(p_shops, p_now) o
            where v_person = 'pool' or o.owner_id <> (p_me).member_id);
    end if;
    if v_member is not null then
        v_held := array(select o.clock_id from private.clock_owners(p_shops, p_now) o where o.owner_id = v_member);
    end if;
    return array(select l.id from private.list_open(p, p_shops, v_hidden, v_held, p_limit, p_now) l);
end;
$$;
comment on function private.page_ids(private.actor, jsonb, bigint[], integer, timestamptz) is 'The clocks of a page of the list that the person may see.';

create or replace function public.deadline_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v jsonb := private.deadline_filter(p);
    v_limit integer := least(greatest(coalesce((v ->> 'limit')::integer, 50), 1), 200);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where v ->> 'shop_id' is null or s = (v ->> 'shop_id')::bigint);
    v_ids bigint[];
    v_rows jsonb;
begin
    v_ids := private.page_ids(v_me, v, v_shops, v_limit + 1, v_now);
    v_rows := private.deadline_rows(v_ids[1:v_limit], v_now);
    return pg_catalog.jsonb_build_object('rows', v_rows, 'next', case when pg_catalog.cardinality(v_ids) > v_limit then
        pg_catalog.jsonb_build_object('id', v_rows -> -1 -> 'id', 'due_at',
            coalesce(nullif(v_rows -> -1 -> 'stopped_at', 'null'), v_rows -> -1 -> 'due_at')) end);
end;
$$;
grant execute on function public.deadline_list(jsonb) to authenticated;
comment on function public.deadline_list(jsonb) is
    'Members: a page of the clocks of my shops, soonest deadline first: {rows, next}. p: bucket open|overdue|soon|on_time|paused|uncovered|late (finished late in 14 days), shop_id, area (entity.target), person me|pool|id, limit (at most 200), after (the next of the page before). Agents and warehouse: their own and the pool. filter.bad.';

-- The export ----------------------------------------------------------------------------------------------------------

create or replace function private.exported_clocks(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_after bigint, p_limit integer)
returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.id), '[]') from (
        select c.id, s.name as shop_name, s.timezone, c.entity, c.target, w.label,
            c.entity_id, c.instance, c.policy ->> 'name' as policy, c.policy ->> 'version' as policy_version, c.state, c.measure,
            k.code as calendar, c.allowance, c.used, c.started_at, c.due_at, c.stopped_at, c.breached_at, c.pause_reason,
            pg_catalog.round(private.seconds_of(c.pauses) / 60, 1) as paused_minutes
        from (select * from public.sla_clocks where id > p_after and shop_id = any (p_shops) and started_at >= p_from and started_at < p_to
            order by id limit p_limit) c
        join public.shops s on s.id = c.shop_id left join public.calendars k on k.id = c.calendar_id
        left join lateral private.subjects_of(c.entity, array[c.entity_id], p_to) w on true) x
$$;

create or replace function private.exported_events(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_after bigint, p_limit integer)
returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.id), '[]') from (
        select e.id, e.clock_id, s.name as shop_name, s.timezone, c.entity, c.target, w.label,
            e.kind, e.at, m.display_name as who, e.reason, e.state, e.due_at, e.due_version
        from (select * from public.sla_clock_events where id > p_after and shop_id = any (p_shops) and at >= p_from and at < p_to
            order by id limit p_limit) e
        join public.sla_clocks c on c.id = e.clock_id join public.shops s on s.id = e.shop_id
        left join public.members m on m.id = e.actor_id
        left join lateral private.subjects_of(c.entity, array[c.entity_id], p_to) w on true) x
$$;

create or replace function public.export_deadlines(
    p_what text, p_from timestamptz, p_to timestamptz, p_after bigint default 0, p_shop_id bigint default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
    v_from timestamptz := coalesce(p_from, '-infinity');
    v_to timestamptz := coalesce(p_to, 'infinity');
begin
    if p_what is null or p_what not in ('clocks', 'events') then
        perform private.fail('PT422', 'filter.bad');
    end if;
    if coalesce(p_after, 0) = 0 then
        perform private.audit(v_me, p_shop_id, 'export', null, 'exported', pg_catalog.jsonb_build_object('area', 'deadlines',
            'what', p_what, 'from', p_from, 'to', p_to, 'shop_id', p_shop_id));
    end if;
    if p_what = 'clocks' then
        return private.exported_clocks(v_shops, v_from, v_to, coalesce(p_after, 0), 1000);
    end if;
    return private.exported_events(v_shops, v_from, v_to, coalesce(p_after, 0), 1000);
end;
$$;
grant execute on function public.export_deadlines(text, timestamptz, timestamptz, bigint, bigint) to authenticated;
comment on function public.export_deadlines(text, timestamptz, timestamptz, bigint, bigint) is
    'Operations, analyst, manager, admin: clocks (by start) or events (by time) of my shops from a period, 1,000 after an id; the first page is recorded. No personal data. filter.bad.';

-- ==== 99_reload.sql ====

-- 99 ------------------------------------------------------------------------------------------------------------ reload

-- A function that an earlier version had and this one has not: gone. What was made or replaced above carries this
-- transaction's number and a later command's than the line drawn by 00; what belongs to an extension stays.
do $$
declare
    v_old regprocedure;
begin
    for v_old in
        select p.oid from pg_catalog.pg_proc p
        join pg_catalog.pg_class line on line.oid = 'pg_temp.desk_apply'::regclass
        where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
            and (p.xmin <> line.xmin or p.cmin::text::bigint <= line.cmin::text::bigint)
            and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass
                and d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('drop routine %s', v_old);
    end loop;
end;
$$;

notify pgrst, 'reload schema';
commit;
