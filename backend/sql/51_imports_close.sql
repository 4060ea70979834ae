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
    if v_to is not null and v_import.kind in ('orders', 'shipments') then
        perform private.evaluate_orders(private.refresh_verdicts(v_import, v_to), private.now());
    end if;
    if v_to is not null and v_import.kind = 'orders' then
        perform private.convert_leads(array(select r.entity_id from private.import_results r
            where r.import_id = p_import_id and r.row_no > v_import.checked_to and r.row_no <= v_to and r.outcome <> 'unchanged'), private.now());
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
    if private.is_order_kind(v_import.kind) then
        perform private.evaluate_pool(v_import.stock_pool_id, private.now());
    end if;
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
    elsif p_kind in ('performance', 'traffic', 'chats', 'reviews') then
        return private.preview_lines(p_shop_id, v_items, private.now());
    end if;
    perform private.fail('PT422', 'import.kind_unknown');
end;
$$;
grant execute on function public.import_preview(text, bigint, jsonb) to authenticated, service_role;
comment on function public.import_preview(text, bigint, jsonb) is
    'What the staged rows of an order or product file would do: accepted, updated, unchanged; of a sheet of figures or chats which lines it would refuse: future [row]. Changes nothing. shop.none, import.kind_unknown.';

create or replace function public.service_ensure_shop(p_platform text, p_code text, p_create boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_codes text[];
    v_platform text := coalesce(p_platform, 'own');
    v_code text := v_platform;
begin
    if p_code is not null then
        if not exists (select from public.shops where code = p_code and is_active) then
            perform private.fail('PT404', 'shop.unknown_code', jsonb_build_object('code', p_code));
        end if;
        v_codes := array[p_code];
    else
        v_codes := array(select code from public.shops where platform = v_platform and is_active order by id);
        if p_platform is null and v_codes = '{}' then
            v_codes := array(select code from public.shops where is_active order by id);
        end if;
    end if;
    if cardinality(v_codes) > 1 then
        perform private.fail('PT409', 'import.shop_ambiguous', jsonb_build_object('codes', array_to_string(v_codes, ', ')));
    elsif cardinality(v_codes) = 0 and p_create then
        while exists (select from public.shops where code = v_code) loop
            v_code := v_code || '-2';
        end loop;
        perform private.audit(v_me, private.ensure_shop(v_code, private.platform_name(v_platform), v_platform), 'shop', null, 'created');
        v_codes := array[v_code];
    end if;
    return (select jsonb_build_object('id', s.id, 'code', s.code, 'platform', s.platform, 'timezone', s.timezone)
        from public.shops s where s.code = v_codes[1]);
end;
$$;
grant execute on function public.service_ensure_shop(text, text, boolean) to service_role;
comment on function public.service_ensure_shop(text, text, boolean) is
    'Service: the shop a command means: by code, else the only one of the platform, else (p_create) one made from it; null without. A file that tells no platform (null) belongs to the only shop of one''s own, else to the only shop there is. shop.unknown_code, import.shop_ambiguous.';

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
    if coalesce(p_kind, '') <> all (private.import_kinds()) then
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
