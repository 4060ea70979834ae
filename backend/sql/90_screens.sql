-- 90 ------------------------------------------------------------------------------ screens: the queue, an order, lists
--
-- What a page shows, shaped in the database. Functions that run as the reader stand on the policies and repeat the right as
-- a filter (shop by shop), so that an index and not the policy finds the rows; the definers check the member first.

grant execute on function private.now() to authenticated; -- screens compare with the clock of the product

-- The queue -----------------------------------------------------------------------------------------------------------

drop view if exists public.order_work;
create view public.order_work with (security_invoker = true) as
select r.order_id, r.shop_id, s.name as shop_name, s.platform, o.order_no, o.version as order_version, o.status, o.amount,
    o.placed_at, o.paid_at, o.promise_ship_at, o.buyer_account, o.receiver_masked, o.phone_masked, o.province, o.city,
    o.released_at, o.held_at, o.held_reason, r.state, r.kinds, r.group_key, r.is_high, r.detected_at, r.done_at, r.is_on_time,
    r.due_at, r.due_sort, r.version, r.claim_until,
    case when r.claim_until > private.now() then r.owner_id end as owner_id,
    case when r.claim_until > private.now() then m.display_name end as owner_name,
    (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'kind', e.kind, 'state', e.state, 'version', e.version,
        'evidence', e.evidence, 'same_key', e.same_key, 'severity', e.severity, 'is_blocking', e.is_blocking, 'reason', e.reason)
        order by e.kind), '[]') from public.order_exceptions e where e.order_id = r.order_id) as exceptions
from public.order_reviews r
join public.orders o on o.id = r.order_id
join public.shops s on s.id = r.shop_id
left join public.members m on m.id = r.owner_id;
grant select on public.order_work to authenticated;
comment on view public.order_work is 'A row of the queue: work row, masked order, holder of a live claim, exceptions with their evidence. Readers of the shop.';

create or replace function public.queue_where(p jsonb) returns text
language sql immutable security invoker set search_path = '' as $$
    select concat_ws(' and ',
        'r.state = coalesce($1 ->> ''state'', ''open'')',
        case when p ->> 'kind' is not null then 'r.kinds @> array[$1 ->> ''kind'']' end,
        case when p ->> 'amount_min' is not null then 'r.amount >= ($1 ->> ''amount_min'')::numeric' end,
        case when p ->> 'amount_max' is not null then 'r.amount <= ($1 ->> ''amount_max'')::numeric' end,
        case p ->> 'owner' when 'me' then 'r.owner_id = $3 and r.claim_until > $4'
            when 'none' then '(r.owner_id is null or r.claim_until <= $4)' end,
        case p ->> 'due' when 'overdue' then 'r.due_sort < $4'
            when 'soon' then 'r.due_sort >= $4 and r.due_sort <= $4 + interval ''30 minutes''' end)
$$;
grant execute on function public.queue_where(jsonb) to authenticated;
comment on function public.queue_where(jsonb) is
    'Condition of the queue as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $3 me, $4 now). Used by order_queue alone.';

create or replace function public.queue_page(p jsonb, p_shops bigint[], p_cursor jsonb, p_descending boolean, p_limit integer)
returns table (order_id bigint, due_sort timestamptz)
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_direction text := case when p_descending then 'desc' else 'asc' end;
    v_beyond text := case when p_cursor is null then '' else format(
        'and (r.due_sort, r.order_id) %s (($5 ->> ''due_sort'')::timestamptz, ($5 ->> ''order_id'')::bigint)',
        case when p_descending then '<' else '>' end) end;
begin
    return query execute format('
        select r.order_id, r.due_sort
        from unnest($2) s (id) cross join lateral (
            select r.order_id, r.due_sort from public.order_reviews r
            where r.shop_id = s.id and %1$s %2$s
            order by r.due_sort %3$s, r.order_id %3$s limit $6) r
        order by r.due_sort %3$s, r.order_id %3$s limit $6', public.queue_where(p), v_beyond, v_direction)
    using p, p_shops, (select private.my_member_id()), (select private.now()), p_cursor, p_limit;
end;
$$;
grant execute on function public.queue_page(jsonb, bigint[], jsonb, boolean, integer) to authenticated;
comment on function public.queue_page(jsonb, bigint[], jsonb, boolean, integer) is
    'One page of the queue by keyset, each shop from its own index range, whatever the depth. Used by order_queue alone.';

create or replace function public.queue_count(p jsonb, p_shops bigint[]) returns integer
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_count integer;
begin
    execute format('select count(*) from (select from public.order_reviews r where r.shop_id = any ($2) and %s limit 1001) x', public.queue_where(p))
    into v_count using p, p_shops, (select private.my_member_id()), (select private.now());
    return v_count;
end;
$$;
grant execute on function public.queue_count(jsonb, bigint[]) to authenticated;
comment on function public.queue_count(jsonb, bigint[]) is 'How many rows of the queue match, counted up to 1,001 ("1000+"). Used by order_queue alone.';

create or replace function public.queue_cursor(p_row jsonb) returns jsonb
language sql immutable strict security invoker set search_path = '' as $$
    select jsonb_build_object('due_sort', p_row -> 'due_sort', 'order_id', p_row -> 'order_id')
$$;
grant execute on function public.queue_cursor(jsonb) to authenticated;
comment on function public.queue_cursor(jsonb) is 'Where a row stands in the queue, for the next page; null without a row. Used by order_queue alone.';

create or replace function public.queue_tabs(p_shops bigint[]) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_object_agg(t.tab, public.queue_count(t.filter, p_shops))
    from (values ('open', '{"state": "open"}'::jsonb), ('waiting_customer', '{"state": "waiting_customer"}'),
        ('mine', '{"state": "open", "owner": "me"}'), ('overdue', '{"state": "open", "due": "overdue"}')) t (tab, filter)
$$;
grant execute on function public.queue_tabs(bigint[]) to authenticated;
comment on function public.queue_tabs(bigint[]) is 'Counts beside the tabs of the queue, each up to 1,001. Used by order_queue alone.';

create or replace function public.order_queue(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
    v_shops bigint[];
    v_limit integer;
    v_back boolean;
    v_ids bigint[];
    v_rows jsonb;
    v_more boolean;
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    v_back := p -> 'before' is not null;
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    v_shops := array(select s.id from public.shops s where s.id in (select private.my_shop_ids())
        and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) and (p ->> 'platform' is null or s.platform = p ->> 'platform'));
    v_ids := array(select q.order_id from public.queue_page(p, v_shops, coalesce(p -> 'before', p -> 'after'),
        v_back <> coalesce(p ->> 'state' = 'done', false), v_limit + 1) q);
    v_more := cardinality(v_ids) > v_limit;
    select coalesce(jsonb_agg(to_jsonb(w) order by case when v_back then -u.n else u.n end), '[]') into v_rows
    from unnest(v_ids[1:v_limit]) with ordinality u (id, n) join public.order_work w on w.order_id = u.id;
    return jsonb_build_object('rows', v_rows,
        'count', case when v_more or p ?| array['after', 'before'] then public.queue_count(p, v_shops) else cardinality(v_ids) end,
        'next', case when v_more or v_back then ends.last end,
        'prev', case when (v_back and v_more) or (not v_back and p -> 'after' is not null) then ends.first end,
        'tabs', public.queue_tabs(v_shops))
    from (select public.queue_cursor(v_rows -> -1) as last, public.queue_cursor(v_rows -> 0) as first) ends;
exception when invalid_text_representation or invalid_datetime_format or datetime_field_overflow or numeric_value_out_of_range then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.order_queue(jsonb) to authenticated;
comment on function public.order_queue(jsonb) is
    'Members: a page of the queue of my shops, soonest deadline first (state done: latest first): {rows, count (to 1,001), next, prev, tabs}. p: state open|waiting_customer|done, kind, platform, shop_id, amount_min, amount_max, owner me|none, due overdue|soon, limit, after or before = {due_sort, order_id}. filter.bad.';

create or replace function public.queue_groups(p_state text default 'open') returns jsonb
language sql stable security invoker set search_path = '' as $$
    with biggest as (
        select e.kind, e.same_key, count(*) as count, min(e.order_id) as order_id
        from public.order_exceptions e
        where e.shop_id in (select private.my_shop_ids()) and e.state in ('open', 'waiting_customer') and e.state = p_state
          and e.is_blocking and e.kind not in ('unpaid', 'duplicate', 'same_ip')
        group by e.kind, e.same_key having count(*) > 1 order by count(*) desc, e.kind, e.same_key limit 20
    )
    select coalesce(jsonb_agg(jsonb_build_object('kind', g.kind, 'same_key', g.same_key, 'count', g.count, 'evidence', x.evidence)
        order by g.count desc, g.kind, g.same_key), '[]')
    from biggest g join public.order_exceptions x on x.order_id = g.order_id and x.kind = g.kind
$$;
grant execute on function public.queue_groups(text) to authenticated;
comment on function public.queue_groups(text) is 'Members: what can be decided together in my shops: [{kind, same_key, count, evidence}], the biggest 20.';

-- One order -----------------------------------------------------------------------------------------------------------

create or replace function public.order_rights(p_order_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_items jsonb := (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'version', e.version)), '[]')
        from public.order_exceptions e where e.order_id = p_order_id);
begin
    return (select coalesce(jsonb_object_agg(x.id, x.answers), '{}') from (
        select c.id, jsonb_object_agg(d.decision, jsonb_build_object('key', c.refusal, 'params', c.params)) as answers
        from unnest(array['fixed', 'waived', 'waiting_customer', 'resume', 'cancelled', 'reopened']) d (decision)
        cross join lateral private.decision_checks(v_me, v_items, d.decision, v_now) c
        where c.order_id is not null group by c.id) x);
end;
$$;
grant execute on function public.order_rights(bigint) to authenticated;
comment on function public.order_rights(bigint) is
    'Members: which decisions I may take on an order''s exceptions: {exception id: {decision: {key: null or why not, params}}}; empty for an order I do not see.';

create or replace function public.order_facts(p_order_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select to_jsonb(x) from (
        select o.id, o.shop_id, s.name as shop_name, s.platform, s.timezone, s.review_limit, o.order_no, o.platform_status, o.status,
            o.refund, o.placed_at, o.paid_at, o.shipped_at, o.completed_at, o.promise_ship_at, o.amount, o.buyer_account,
            o.contact_state, o.receiver_masked, o.phone_masked, o.province, o.city, o.district, o.ip_masked, o.carrier,
            o.tracking_no, o.last_scan_at, o.last_scan_text, o.signed_at, o.is_checked, o.released_at, o.release_id, o.held_at,
            o.held_reason, o.version, o.updated_at, i.file_name as import_file, i.finished_at as imported_at
        from public.orders o join public.shops s on s.id = o.shop_id left join public.imports i on i.id = o.import_id
        where o.id = p_order_id) x
$$;
grant execute on function public.order_facts(bigint) to authenticated;
comment on function public.order_facts(bigint) is 'Readers of the order: its masked facts; null when it is not visible. Used by order_detail.';

create or replace function public.order_detail(p_order_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select jsonb_build_object('order', f.facts,
        'items', (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity,
                'unit_price', i.unit_price, 'available', p.available, 'is_known', i.product_id is not null) order by i.line_no), '[]')
            from public.order_items i left join public.products p on p.id = i.product_id where i.order_id = p_order_id),
        'exceptions', (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'kind', e.kind, 'state', e.state, 'version', e.version,
                'evidence', e.evidence, 'severity', e.severity, 'is_blocking', e.is_blocking, 'same_key', e.same_key,
                'group_key', e.group_key, 'detected_at', e.detected_at, 'decided_at', e.decided_at, 'decided_as', e.decided_as,
                'decided_by', m.display_name, 'reason', e.reason, 'holds_until', e.holds_until, 'note_cipher', e.note_cipher, 'rights', r.rights -> e.id::text)
                order by e.is_blocking desc, e.kind), '[]')
            from public.order_exceptions e left join public.members m on m.id = e.decided_by where e.order_id = p_order_id),
        'review', (select to_jsonb(w) - 'exceptions' from public.order_work w where w.order_id = p_order_id),
        'group', (select coalesce(jsonb_agg(to_jsonb(w) order by w.placed_at, w.order_id), '[]') from public.order_reviews mine
            join public.order_reviews g on g.shop_id = mine.shop_id and g.group_key = mine.group_key
            join public.order_work w on w.order_id = g.order_id where mine.order_id = p_order_id),
        'releases', (select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'kind', l.kind, 'created_at', l.created_at,
                'downloaded_at', l.downloaded_at, 'undone_at', l.undone_at, 'by', m.display_name) order by l.id desc), '[]')
            from public.release_orders x join public.releases l on l.id = x.release_id left join public.members m on m.id = l.member_id
            where x.order_id = p_order_id),
        'breach', (select to_jsonb(b) from public.hold_breaches b where b.order_id = p_order_id),
        'timeline', public.order_timeline(p_order_id))
    from (select public.order_facts(p_order_id) as facts) f cross join lateral (select public.order_rights(p_order_id) as rights) r
    where f.facts is not null
$$;
grant execute on function public.order_detail(bigint) to authenticated;
comment on function public.order_detail(bigint) is
    'Readers of the order: everything its page shows in one answer {order, items, exceptions (with evidence and my rights), review, group, releases, breach, timeline}; null when it is not visible.';

-- Lists beside the queue ----------------------------------------------------------------------------------------------

create or replace function public.payment_nudge(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with mine as (
        select o.id, o.shop_id, o.order_no, o.amount, o.placed_at, o.buyer_account, o.receiver_masked, o.phone_masked, o.version
        from public.orders o
        where o.status = 'unpaid' and o.shop_id in (select private.my_shop_ids())
          and (p ->> 'shop_id' is null or o.shop_id = (p ->> 'shop_id')::bigint)
    ), page as (
        select * from mine
        where p -> 'after' is null or (coalesce(placed_at, '-infinity'), id)
            < (coalesce((p -> 'after' ->> 'placed_at')::timestamptz, '-infinity'), (p -> 'after' ->> 'id')::bigint)
        order by coalesce(placed_at, '-infinity') desc, id desc limit 50
    )
    select jsonb_build_object('count', (select count(*) from (select from mine limit 1001) c), 'amount', (select sum(amount) from mine),
        'rows', (select coalesce(jsonb_agg(to_jsonb(x) order by coalesce(x.placed_at, '-infinity') desc, x.id desc), '[]')
            from (select page.*, s.name as shop_name, s.platform from page join public.shops s on s.id = page.shop_id) x)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.payment_nudge(jsonb) to authenticated;
comment on function public.payment_nudge(jsonb) is
    'Members 催付: orders of my shops that wait for payment, newest first, 50 a page: {count, amount, rows}; p {shop_id, after: {placed_at, id}}. filter.bad.';

create or replace function public.hold_screen(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with stopped as (
        select h.id from public.shops s cross join lateral (
            (select o.id from public.orders o
             where o.shop_id = s.id and o.status = 'to_ship' and (o.held_at is not null or o.refund <> 'none') order by o.id limit 1001)
            union
            (select r.order_id from public.order_reviews r where r.shop_id = s.id and r.state <> 'done'
                and exists (select from public.orders o where o.id = r.order_id and o.status = 'to_ship' offset 0) -- row by row: the limit ends it early
             order by r.order_id limit 1001)) h
        where s.id in (select private.my_shop_ids()) and (p ->> 'shop_id' is null or s.id = (p ->> 'shop_id')::bigint) limit 1001
    ), shown as (
        select o.id, o.version, o.order_no, o.shop_id, s.name as shop_name, o.amount, o.paid_at, o.promise_ship_at, o.receiver_masked,
            o.phone_masked, o.released_at, o.held_at, o.held_reason, o.refund,
            (select array_agg(e.kind order by e.kind) from public.order_exceptions e where e.order_id = o.id and e.is_blocking
                and e.state in ('open', 'waiting_customer')) as kinds,
            exists (select from public.release_orders l join public.releases r on r.id = l.release_id
                where l.order_id = o.id and r.kind = 'release' and r.downloaded_at is not null and r.undone_at is null) as is_in_erp
        from stopped x cross join lateral (
            select w.id, w.version, w.order_no, w.shop_id, w.amount, w.paid_at, w.promise_ship_at, w.receiver_masked, w.phone_masked,
                w.released_at, w.held_at, w.held_reason, w.refund
            from public.orders w where w.id = x.id offset 0) o -- by key, whatever the planner expects
        join public.shops s on s.id = o.shop_id
        order by o.promise_ship_at nulls last, o.id limit 200
    )
    select jsonb_build_object('count', (select count(*) from stopped), 'rows',
        (select coalesce(jsonb_agg(to_jsonb(d) order by d.is_in_erp desc, d.promise_ship_at nulls last, d.id), '[]') from shown d)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.hold_screen(jsonb) to authenticated;
comment on function public.hold_screen(jsonb) is
    'Members 拦截未发: orders of my shops that wait to ship and must not: {count (to 1,001), rows (200)}; is_in_erp first: they are on a downloaded list and need 追加拦截. filter.bad.';

drop view if exists public.release_log;
create view public.release_log with (security_invoker = true) as
select r.id, r.shop_id, s.name as shop_name, r.kind, r.order_count, r.created_at, m.display_name as made_by, r.member_id,
    r.downloaded_at, d.display_name as downloaded_by, r.undone_at
from public.releases r
join public.shops s on s.id = r.shop_id
left join public.members m on m.id = r.member_id
left join public.members d on d.id = r.downloaded_by;
grant select on public.release_log to authenticated;
comment on view public.release_log is 'Release and hold lists with the people behind them. Readers of the shop.';

drop view if exists public.import_log;
create view public.import_log with (security_invoker = true) as
select i.id, i.kind, i.shop_id, s.name as shop_name, i.platform, i.file_name, i.is_strict, i.state, i.rows_total, i.rows_staged,
    i.rows_applied, i.accepted, i.updated, i.unchanged, i.rejected, i.exceptions, i.member_id, m.display_name as made_by, i.actor,
    i.started_at, i.touched_at, i.finished_at
from public.imports i
left join public.shops s on s.id = i.shop_id
left join public.members m on m.id = i.member_id;
grant select on public.import_log to authenticated;
comment on view public.import_log is 'Imports with shop and person: my own, for operations, managers and admins those of their shops.';

create or replace function public.product_list(p jsonb default '{}') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
    p := case when jsonb_typeof(p) = 'string' then (p #>> '{}')::jsonb else p end; -- see private.as_json
    return (
    with matching as (
        select r.id, r.stock_pool_id, r.sku, r.name, r.spec, r.available, r.safety_stock, r.stock_at, r.available < r.safety_stock as is_low
        from public.products r
        where (coalesce((p ->> 'low')::boolean, false) = false or r.available < r.safety_stock)
          and (coalesce(p ->> 'text', '') = '' or strpos(lower(r.sku), lower(p ->> 'text')) > 0 or strpos(lower(r.name), lower(p ->> 'text')) > 0)
    ), page as (
        select * from matching where p -> 'after' is null or (sku, id) > (p -> 'after' ->> 'sku', (p -> 'after' ->> 'id')::bigint)
        order by sku, id limit 50
    )
    select jsonb_build_object('count', (select count(*) from (select from matching limit 1001) c),
        'low', (select count(*) from public.products r where r.available < r.safety_stock),
        'rows', (select coalesce(jsonb_agg(to_jsonb(x) order by x.sku, x.id), '[]') from page x)));
exception when data_exception then
    raise exception using errcode = 'PT422', message = 'filter.bad', detail = '{}';
end;
$$;
grant execute on function public.product_list(jsonb) to authenticated;
comment on function public.product_list(jsonb) is
    'Members: products by SKU, 50 a page: {count, low (refill alerts), rows}; p {text, low: true = 补货提醒 only, after: {sku, id}}. filter.bad.';

create or replace function private.data_ages(p_shops bigint[], p_now timestamptz)
returns table (kind text, shop_id bigint, shop_name text, at timestamptz, file_name text, rejected integer, hours numeric, is_late boolean, is_running boolean)
language sql stable set search_path = '' as $$
    select w.kind, w.shop_id, w.shop_name, i.finished_at, i.file_name, i.rejected,
        round(extract(epoch from p_now - i.finished_at) / 3600, 1), coalesce(i.finished_at < p_now - interval '24 hours', true), w.is_running
    from (
        select k.kind, s.id as shop_id, s.name as shop_name, s.stock_pool_id, exists (select from public.imports x
            where x.shop_id = s.id and x.kind = k.kind and x.state in ('staging', 'applying', 'checking')) as is_running
        from public.shops s cross join unnest(private.import_kinds()) k (kind)
        where s.id = any (p_shops) and s.is_active and k.kind <> 'products' and (k.kind in ('orders', 'shipments')
            or exists (select from public.imports x where x.shop_id = s.id and x.kind = k.kind and x.state = 'done'))
        union all
        select 'products', null, p.name, p.id, exists (select from public.imports x where x.shop_id is null and x.stock_pool_id = p.id
            and x.kind = 'products' and x.state in ('staging', 'applying', 'checking'))
        from public.stock_pools p where p.id in (select s.stock_pool_id from public.shops s where s.id = any (p_shops))) w
    left join lateral (
        select x.finished_at, x.file_name, x.rejected from public.imports x
        where x.kind = w.kind and x.state = 'done' and (x.shop_id = w.shop_id or (x.shop_id is null and x.stock_pool_id = w.stock_pool_id))
        order by x.id desc limit 1) i on true
    order by w.kind, w.shop_id
$$;
comment on function private.data_ages(bigint[], timestamptz) is 'How old each data set of these shops is: late when the last import ended more than 24 hours ago, or never. Orders, parcels and stock always, other files once they were imported.';

create or replace function private.shown_ages(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(to_jsonb(a) || case when (p_me).role in ('operations', 'manager', 'admin') then '{}'
        else '{"file_name": null, "rejected": null}' end::jsonb), '[]')
    from private.data_ages(p_shops, p_now) a
$$;
comment on function private.shown_ages(private.actor, bigint[], timestamptz) is
    'The ages as this person may know them: file names and refused lines belong to the imports, which operations, managers and admins see.';

create or replace function public.data_ages() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return private.shown_ages(v_me, array(select private.my_shop_ids()), private.now());
end;
$$;
grant execute on function public.data_ages() to authenticated;
comment on function public.data_ages() is
    'Members: age of every data set of my shops, the import checklist of the day: [{kind, shop_id, shop_name, at, file_name, rejected, hours, is_late, is_running}]; file_name and rejected for operations, managers, admins.';
