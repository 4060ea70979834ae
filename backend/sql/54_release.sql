-- 54 ------------------------------------------------------------------------------------------- release: what may ship
--
-- Shipping happens in the ERP. A release marks orders and gives a list to import there; a hold list names those that must
-- not ship. Whether an order may be released is decided in one place, private.release_refusal, and the trigger on orders asks
-- it again, so that no path to the table goes around it.

create or replace function private.release_refusal(p_order public.orders) returns text
language sql stable set search_path = '' as $$
    select case
        when (p_order).status <> 'to_ship' then 'order.not_waiting'
        when (p_order).held_at is not null then 'order.held'
        when (p_order).refund <> 'none' then 'order.refund'
        when (p_order).checked_facts_hash is distinct from (p_order).facts_hash
            or (p_order).checked_version is distinct from private.current_check_version() then 'order.unchecked'
        when exists (select from public.order_exceptions e
            where e.order_id = (p_order).id and e.is_blocking and (e.state in ('open', 'waiting_customer')
                or (e.state = 'waived' and e.holds_until <= private.now()))) then 'order.blocked'
        when exists (select from public.imports i
            where i.shop_id = (p_order).shop_id and i.state in ('staging', 'applying', 'checking') and private.is_order_kind(i.kind))
            or exists (select from public.imports i join public.shops s on s.stock_pool_id = i.stock_pool_id
                where s.id = (p_order).shop_id and i.shop_id is null and i.state in ('applying', 'checking')) then 'order.importing'
    end
$$;
comment on function private.release_refusal(public.orders) is
    'Why the order may not be released, or null: order.not_waiting, order.held, order.refund, order.unchecked, order.blocked, order.importing.';

create or replace function private.is_releasable(p_order_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select o.released_at is null and private.release_refusal(o) is null from public.orders o where o.id = p_order_id
$$;
comment on function private.is_releasable(bigint) is 'Waits to ship, not released yet, and nothing speaks against it.';

create or replace function private.tg_release_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_key text := private.release_refusal(new);
begin
    if v_key is not null then
        perform private.fail('PT409', v_key, jsonb_build_object('order_no', new.order_no));
    end if;
    return new;
end;
$$;
comment on function private.tg_release_guard() is 'No statement of anybody, owner and jobs included, marks an order as released that must not ship.';
create or replace trigger t05_release_guard before insert or update of released_at on public.orders
    for each row when (new.released_at is not null) execute function private.tg_release_guard();

-- What is ready -------------------------------------------------------------------------------------------------------

create or replace function private.ready_orders(p_filter jsonb, p_limit integer) returns table (id bigint, version integer)
language sql stable set search_path = '' as $$
    select r.id, r.version
    from public.shops s cross join lateral (
        select w.id, w.version from (
            select o.id, o.version from public.orders o
            where o.shop_id = s.id and o.status = 'to_ship' and o.released_at is null and o.held_at is null and o.refund = 'none'
              and o.is_checked and o.checked_version = (select private.current_check_version())
              and o.id > coalesce((p_filter ->> 'after')::bigint, 0)
              and not exists (select from public.order_reviews v where v.order_id = o.id and v.shop_id = s.id and v.state <> 'done')
            order by o.id offset 0) w -- two indexes side by side leave few; those are looked at until the limit
        where not exists (select from public.order_exceptions e
            where e.order_id = w.id and e.is_blocking and e.state in ('open', 'waiting_customer') offset 0)
        order by w.id limit p_limit) r
    where s.id in (select private.my_shop_ids())
      and (p_filter ->> 'shop_id' is null or s.id = (p_filter ->> 'shop_id')::bigint)
      and (p_filter ->> 'platform' is null or s.platform = p_filter ->> 'platform')
      and not exists (select from public.imports i where i.shop_id = s.id and i.state in ('staging', 'applying', 'checking')
                      and private.is_order_kind(i.kind))
      and not exists (select from public.imports i where i.shop_id is null and i.stock_pool_id = s.stock_pool_id
                      and i.state in ('applying', 'checking'))
    order by r.id limit p_limit
$$;
comment on function private.ready_orders(jsonb, integer) is
    'Orders of my shops that private.release_refusal lets pass, in the order of arrival; {shop_id, platform, after}.';

create or replace function public.ready_list(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_filter jsonb := private.as_filter(p_filter);
    v_limit integer := least(greatest(p_limit, 1), 500);
    v_all bigint[] := array(select r.id from private.ready_orders(v_filter - 'after', 5001) r);
    v_page bigint[];
begin
    if cardinality(v_all) > 5000 and v_filter ? 'after' then
        v_page := array(select r.id from private.ready_orders(v_filter, v_limit) r);
    else
        v_page := array(select i from unnest(v_all) i where i > coalesce((v_filter ->> 'after')::bigint, 0) order by i limit v_limit);
    end if;
    return jsonb_build_object(
        'count', cardinality(v_all),
        'rows', (select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'version', o.version, 'shop_id', o.shop_id,
                'order_no', o.order_no, 'amount', o.amount, 'paid_at', o.paid_at, 'promise_ship_at', o.promise_ship_at,
                'receiver_masked', o.receiver_masked, 'phone_masked', o.phone_masked, 'province', o.province, 'city', o.city,
                'items', (select coalesce(sum(i.quantity), 0) from public.order_items i where i.order_id = o.id)) order by o.id), '[]')
            from public.orders o where o.id = any (v_page)));
end;
$$;
grant execute on function public.ready_list(jsonb, integer) to authenticated;
comment on function public.ready_list(jsonb, integer) is
    'Members: what may be released now in my shops: {count (at most 5,001), rows}; filter {shop_id, platform, after: last id}.';

-- Releasing -----------------------------------------------------------------------------------------------------------

create or replace function private.release_checks(p_items jsonb)
returns table (id bigint, shop_id bigint, order_no text, refusal text, params jsonb)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id, o.shop_id, o.order_no,
        case when o.id is null then 'order.none'
             when o.version <> coalesce(i.version, -1) then 'order.stale'
             when o.released_at is not null then 'order.released'
             else private.release_refusal(o) end,
        jsonb_strip_nulls(jsonb_build_object('order_no', o.order_no, 'at', o.updated_at,
            'kinds', (select jsonb_agg(e.kind order by e.kind) from public.order_exceptions e
                      where e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer'))))
    from jsonb_to_recordset(p_items) i (id bigint, version integer)
    left join public.orders o on o.id = i.id and o.shop_id in (select private.my_shop_ids())
    order by i.id
$$;
comment on function private.release_checks(jsonb) is 'Per order why it cannot be released, or null: order.none, order.stale, order.released, and private.release_refusal.';

create or replace function private.lock_orders(p_order_ids bigint[]) returns void
language sql volatile set search_path = '' as $$
    select count(*) from (
        select o.id from public.orders o where o.id = any (p_order_ids) order by o.id for no key update) locked
$$;
comment on function private.lock_orders(bigint[]) is 'Decisions and releases of one order wait for each other.';

create or replace function private.new_lists(
    p_me private.actor, p_kind text, p_order_ids bigint[], p_now timestamptz
) returns jsonb
language sql volatile set search_path = '' as $$
    with chosen as (
        select o.id, o.shop_id from public.orders o where o.id = any (p_order_ids)
    ), made as (
        insert into public.releases (shop_id, kind, order_count, member_id, created_at)
        select shop_id, p_kind, count(*), (p_me).member_id, p_now from chosen group by shop_id
        returning id, shop_id, order_count
    ), listed as (
        insert into public.release_orders (release_id, order_id)
        select made.id, chosen.id from made join chosen using (shop_id)
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
        select p_now, (p_me).member_id, (p_me).role, shop_id, 'order', chosen.id,
            case p_kind when 'release' then 'released' else 'hold_listed' end, jsonb_build_object('release_id', made.id)
        from made join chosen using (shop_id)
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'shop_id', shop_id, 'count', order_count) order by shop_id), '[]') from made
$$;
comment on function private.new_lists(private.actor, text, bigint[], timestamptz) is 'One list per shop, with its orders and their history.';

create or replace function private.release(p_me private.actor, p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ids bigint[];
    v_lists jsonb;
begin
    perform private.lock_orders(array(select i.id from jsonb_to_recordset(p_items) i (id bigint)));
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'key', c.refusal, 'params', c.params)) filter (where c.refusal is not null), '[]'),
           coalesce(array_agg(c.id) filter (where c.refusal is null), '{}')
    into v_checks, v_ids from private.release_checks(p_items) c;
    v_lists := private.new_lists(p_me, 'release', v_ids, p_now);
    update public.orders o set released_at = p_now, release_id = l.release_id
    from public.release_orders l
    where l.order_id = o.id and o.id = any (v_ids)
      and l.release_id in (select x.id from jsonb_to_recordset(v_lists) x (id bigint));
    return jsonb_build_object('done', cardinality(v_ids), 'releases', v_lists, 'refused', v_checks);
end;
$$;
comment on function private.release(private.actor, jsonb, timestamptz) is 'Releases what may be released; the rest is answered with its reason.';

create or replace function private.items_to_release(p_items jsonb, p_filter jsonb, p_count integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_items jsonb := p_items;
    v_limit integer := case when p_items is null then 5000 else 500 end;
begin
    if v_items is null then
        select coalesce(jsonb_agg(to_jsonb(r)), '[]') into v_items from private.ready_orders(p_filter - 'after', 5001) r;
        if jsonb_array_length(v_items) is distinct from p_count then
            perform private.fail('PT409', 'bulk.count_changed',
                jsonb_build_object('shown', p_count, 'found', jsonb_array_length(v_items)));
        end if;
    end if;
    if jsonb_array_length(v_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(v_items) > v_limit then
        perform private.fail('PT422', 'bulk.too_many', jsonb_build_object('limit', v_limit));
    end if;
    return v_items;
end;
$$;
comment on function private.items_to_release(jsonb, jsonb, integer) is 'The orders named, or all that are ready under a filter while they are as many as shown: bulk.count_changed, bulk.empty, bulk.too_many.';

create or replace function private.require_releaser() returns private.actor
language plpgsql stable security definer set search_path = '' as $$
begin
    return private.require_member(array['operations', 'manager', 'warehouse']);
end;
$$;
comment on function private.require_releaser() is 'Operations, managers and the warehouse: member.none, member.role.';

create or replace function public.release_orders(
    p_request_id uuid, p_items jsonb, p_filter jsonb default null, p_count integer default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_items jsonb := private.as_items(p_items);
    v_filter jsonb := private.as_filter(p_filter);
    v_answer jsonb := private.begin_request(p_request_id, 'release_orders', jsonb_build_array(v_items, v_filter, p_count));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id,
        private.release(v_me, private.items_to_release(v_items, v_filter, p_count), private.now()));
end;
$$;
grant execute on function public.release_orders(uuid, jsonb, jsonb, integer) to authenticated;
comment on function public.release_orders(uuid, jsonb, jsonb, integer) is
    'Operations, managers, warehouse: releases orders [{id, version}] (at most 500), or with p_items null everything ready under {shop_id, platform} if there are still p_count. Answers {done, releases: [{id, shop_id, count}], refused: [{id, key, params}]}; keys of private.release_checks. bulk.count_changed, bulk.empty, bulk.too_many.';

create or replace function public.preview_release(p_items jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
begin
    return (with checked as (select c.* from private.release_checks(coalesce(private.as_items(p_items), '[]')) c)
        select jsonb_build_object('count', (select count(*) from checked), 'ok', (select count(*) from checked where refusal is null),
            'refused', coalesce((select jsonb_agg(jsonb_build_object('id', id, 'key', refusal, 'params', params)) from checked
                                 where refusal is not null), '[]')));
end;
$$;
grant execute on function public.preview_release(jsonb) to authenticated;
comment on function public.preview_release(jsonb) is 'Operations, managers, warehouse: what releasing [{id, version}] would do: {count, ok, refused: [{id, key, params}]}. Changes nothing.';

-- The list for the ERP ------------------------------------------------------------------------------------------------

create or replace function private.list_for_change(p_release_id bigint) returns public.releases
language plpgsql set search_path = '' as $$
declare
    v public.releases;
begin
    select * into v from public.releases where id = p_release_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'release.none');
    end if;
    if v.undone_at is not null then
        perform private.fail('PT409', 'release.undone', jsonb_build_object('at', v.undone_at));
    end if;
    return v;
end;
$$;
comment on function private.list_for_change(bigint) is 'Locks a list of my shops: release.none, release.undone.';

create or replace function private.list_rows(p_list public.releases) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('order_id', o.id, 'order_no', o.order_no, 'status', o.status, 'amount', o.amount,
        'paid_at', o.paid_at, 'promise_ship_at', o.promise_ship_at, 'buyer_account', o.buyer_account, 'province', o.province,
        'city', o.city, 'district', o.district, 'receiver_masked', o.receiver_masked, 'phone_masked', o.phone_masked,
        'contact_id', c.id, 'contact_state', o.contact_state, 'name', c.name_cipher, 'phone', c.phone_cipher, 'address', c.address_cipher, 'note', c.note_cipher,
        'held_reason', o.held_reason, 'refund', o.refund,
        'kinds', (select jsonb_agg(e.kind order by e.kind) from public.order_exceptions e
                  where e.order_id = o.id and e.is_blocking and e.state in ('open', 'waiting_customer')),
        'ship_with', (select e.group_key from public.order_exceptions e
                      where e.order_id = o.id and e.kind = 'duplicate' and e.reason = 'ship_together'),
        'gifts', case when (p_list).kind = 'release' then (select jsonb_agg(jsonb_build_object('sku', g.sku, 'name', g.name, 'quantity', g.quantity) order by g.id)
                  from public.order_gifts g where g.order_id = o.id and g.goes_with = 'order' and g.cancelled_at is null) end,
        'items', (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity)
                    order by i.line_no), '[]') from public.order_items i where i.order_id = o.id)) order by o.id), '[]')
    from public.release_orders l
    join public.orders o on o.id = l.order_id
    left join private.contacts c on c.id = o.contact_id
    where l.release_id = (p_list).id and ((p_list).kind = 'hold' or o.release_id = (p_list).id)
$$;
comment on function private.list_rows(public.releases) is 'Rows of a list with their ciphertexts; an order that was held after its release is no longer in the release list.';

create or replace function public.release_list(p_release_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_now timestamptz := private.now();
    v_list public.releases := private.list_for_change(p_release_id);
    v_rows jsonb := private.list_rows(v_list);
begin
    update public.releases set downloaded_at = coalesce(downloaded_at, v_now), downloaded_by = coalesce(downloaded_by, v_me.member_id)
    where id = p_release_id returning * into v_list;
    perform private.audit(v_me, v_list.shop_id, 'release', p_release_id, v_list.kind || '_downloaded',
        jsonb_build_object('count', jsonb_array_length(v_rows)));
    return jsonb_build_object('release', to_jsonb(v_list), 'rows', v_rows);
end;
$$;
grant execute on function public.release_list(bigint) to authenticated;
comment on function public.release_list(bigint) is
    'Operations, managers, warehouse: the rows of a release or hold list for the ERP, contacts as ciphertexts; recorded, and from now on the release cannot be undone. release.none, release.undone.';

create or replace function public.undo_release(p_request_id uuid, p_release_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_releaser();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_release', to_jsonb(p_release_id));
    v_list public.releases;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_list := private.list_for_change(p_release_id);
    if v_list.kind <> 'release' then
        perform private.fail('PT404', 'release.none');
    end if;
    if v_list.downloaded_at is not null then
        perform private.fail('PT409', 'release.downloaded', jsonb_build_object('at', v_list.downloaded_at,
            'who', (select display_name from public.members where id = v_list.downloaded_by)));
    end if;
    if v_me.role <> 'manager' and (v_list.member_id is distinct from v_me.member_id or v_list.created_at < v_now - interval '10 minutes') then
        perform private.fail('PT403', 'release.undo_right');
    end if;
    with freed as (update public.orders set released_at = null, release_id = null where release_id = p_release_id returning id)
    select coalesce(array_agg(id), '{}') into v_ids from freed;
    update public.releases set undone_at = v_now where id = p_release_id;
    perform private.tell_orders(v_me, v_ids, 'release_undone', jsonb_build_object('release_id', p_release_id), v_now);
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids)));
end;
$$;
grant execute on function public.undo_release(uuid, bigint) to authenticated;
comment on function public.undo_release(uuid, bigint) is
    'Takes a release back while nobody has downloaded its list: its maker for ten minutes, a manager afterwards too. release.none, release.undone, release.downloaded (who, at), release.undo_right.';

create or replace function private.tell_orders(
    p_me private.actor, p_order_ids bigint[], p_action text, p_detail jsonb, p_now timestamptz
) returns void
language sql set search_path = '' as $$
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), o.shop_id, 'order', o.id, p_action, p_detail
    from public.orders o where o.id = any (p_order_ids)
$$;
comment on function private.tell_orders(private.actor, bigint[], text, jsonb, timestamptz) is 'One event per order in the history.';

create or replace function public.pick_list(p_release_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    with chosen as (
        select o.id, o.order_no, o.shop_id, o.receiver_masked, o.province, o.city
        from public.release_orders l join public.releases r on r.id = l.release_id and r.kind = 'release'
        join public.orders o on o.id = l.order_id and o.release_id = l.release_id
        where l.release_id = p_release_id
    ), lines as (
        select c.id as order_id, i.line_no::bigint as place, coalesce(i.sku, p.sku, '') as sku, coalesce(p.name, i.name) as name, i.spec, i.quantity, p.available,
            false as is_gift
        from chosen c join public.order_items i on i.order_id = c.id left join public.products p on p.id = i.product_id
        union all
        select c.id, 1000000 + g.id, g.sku, g.name, '', g.quantity, p.available, true
        from chosen c join public.order_gifts g on g.order_id = c.id and g.goes_with = 'order' and g.cancelled_at is null
        join public.shops s on s.id = c.shop_id left join public.products p on p.stock_pool_id = s.stock_pool_id and p.sku = g.sku and g.sku <> ''
    )
    select jsonb_build_object(
        'by_sku', (select coalesce(jsonb_agg(to_jsonb(s) order by s.sku, s.name, s.spec), '[]') from (
            select sku, name, spec, sum(quantity) as quantity, count(distinct order_id) as orders, min(available) as available, is_gift
            from lines group by sku, name, spec, is_gift) s),
        'by_order', (select coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object('items', (
            select coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'spec', l.spec, 'quantity', l.quantity,
                'is_gift', l.is_gift) order by l.place), '[]') from lines l where l.order_id = c.id)) order by c.id), '[]') from chosen c))
$$;
grant execute on function public.pick_list(bigint) to authenticated;
comment on function public.pick_list(bigint) is
    'Readers of the shop: what to take from the shelves for a release, by SKU and by order, promised gifts among them (is_gift) {by_sku, by_order}; masked, two empty lists for a release that is not visible.';
