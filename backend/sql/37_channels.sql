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
