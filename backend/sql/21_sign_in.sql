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
    select 'm' || pg_catalog.translate(pg_catalog.gen_random_uuid()::text, '0123456789-', 'ghijklmnop') || '@members.shopdesk.internal'
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
