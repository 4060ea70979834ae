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
