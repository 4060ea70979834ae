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
        (p_contact).wechat_cipher, (p_contact).email_cipher]
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
            and starts_with(coalesce(w.wechat_cipher, n.k), n.k) and starts_with(coalesce(w.email_cipher, n.k), n.k))
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
                'address', c.address_cipher, 'note', c.note_cipher, 'wechat', c.wechat_cipher, 'email', c.email_cipher, 'name_hash', c.name_hash,
                'phone_hash', c.phone_hash, 'phone_last4_hash', c.phone_last4_hash, 'wechat_hash', c.wechat_hash, 'email_hash', c.email_hash,
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
            wechat_hash = r.new ->> 'wechat_hash', email_cipher = r.new ->> 'email', email_hash = r.new ->> 'email_hash'
        from jsonb_to_recordset(p_rows) r (id bigint, old jsonb, new jsonb)
        where c.id = r.id and private.tokens_of(c) is not distinct from
            array[r.old ->> 'name', r.old ->> 'phone', r.old ->> 'address', r.old ->> 'note', r.old ->> 'wechat', r.old ->> 'email']
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
