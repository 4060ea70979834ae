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
