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

create or replace function private.as_object(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    v jsonb := coalesce(private.as_json(p_value), '{}');
begin
    if jsonb_typeof(v) <> 'object' then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    return v;
end;
$$;
comment on function private.as_object(jsonb) is 'The JSON object that a request sends (nothing: an empty one). request.bad_value.';

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

create or replace function private.names_a_phone(p_text text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(p_text ~ '(?<![0-9])1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])', false)
$$;
comment on function private.names_a_phone(text) is
    'Whether a text holds a mobile number. The app masks free text before it sends it; the database takes no other.';

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
