-- 20 ------------------------------------------------------------------------------------------------ shops and people

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

-- Who am I (called by policies: definer, so that they read members without its own policy) ---------------------------

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

-- Policies -----------------------------------------------------------------------------------------------------------

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

-- The first person -----------------------------------------------------------------------------------------------------

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

-- Web sessions: opaque cookie outside, tokens (encrypted by the app) inside --------------------------------------------

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

-- Sign-in: staff number or e-mail to the synthetic address, slowed down after failures ----------------------------------

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

-- What a signed-in person does about himself ------------------------------------------------------------------------------

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
