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
