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
    if v_id is not null then
        perform private.queue_script_checks(private.now());
    end if;
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
