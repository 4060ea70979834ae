-- 63 ------------------------------------------------------------------------------ tickets: the list, the screen, the export
--
-- The list reads shop by shop and stage by stage from one index, whatever the depth; counts stop at 1,001. What was typed
-- into the search field is looked up first, exactly, and only those tickets are listed. With a period (since, until: days of
-- registration) it lists what the figures of after-sales insight counted, newest first, so that both say the same.

create or replace function private.ticket_filter(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := pg_catalog.jsonb_strip_nulls(private.as_object(p));
begin
    if exists (select from pg_catalog.jsonb_each_text(v) f where (f.key in ('shop_id', 'root_cause') and not private.is_id(f.value))
            or (f.key = 'handler' and f.value !~ '^[0-9]{1,18}$') or (f.key = 'solved' and f.value <> 'no')
            or (f.key = 'owner' and f.value not in ('me', 'none') and not private.is_id(f.value))
            or (f.key in ('after', 'before') and not private.is_id(v -> f.key ->> 'id'))
            or (f.key = 'limit' and f.value !~ '^[0-9]{1,4}$'))
        or coalesce(v ->> 'tab', 'all') not in ('mine', 'pool', 'all', 'waiting', 'revisit', 'review', 'done')
        or coalesce(v ->> 'due', 'soon') not in ('overdue', 'soon')
        or (v ? 'since') <> (v ? 'until') or (not v ? 'since' and v ?| array['handler', 'solved']) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    perform (v -> 'after' ->> 'sort')::timestamptz, (v -> 'before' ->> 'sort')::timestamptz, (v ->> 'since')::date, (v ->> 'until')::date;
    return v;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.ticket_filter(jsonb) is 'The filter of the list, its values looked at. filter.bad.';

create or replace function private.ticket_stages(p_tab text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_tab when 'mine' then array['open', 'waiting', 'review'] when 'pool' then array['open'] when 'waiting' then array['waiting']
        when 'revisit' then array['revisit'] when 'review' then array['review'] when 'done' then array['done']
        else array['open', 'waiting', 'revisit', 'review'] end
$$;
comment on function private.ticket_stages(text) is 'The stages on a tab; mine: what I have to do something about.';

create or replace function private.ticket_counted(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select ' and f.day >= ($1 ->> ''since'')::date and f.day <= ($1 ->> ''until'')::date'
        || case when p ? 'type' then ' and f.type = $1 ->> ''type''' else '' end
        || case when p ? 'root_cause' then ' and f.root_cause_id = ($1 ->> ''root_cause'')::bigint' else '' end
        || case when p ? 'handler' then ' and f.member_id = ($1 ->> ''handler'')::bigint' else '' end
        || case when p ->> 'solved' = 'no' then ' and f.solved = 0 and f.due = 1' else '' end
$$;
comment on function private.ticket_counted(jsonb) is
    'Condition on private.ticket_facts (f) for a filter with a period: day of registration in the shop''s zone, handler (0: nobody) and solved no as the figures count them.';

create or replace function private.ticket_where(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select pg_catalog.concat_ws(' and ', 'true',
        case p ->> 'tab' when 'mine' then 't.owner_id = $3' when 'pool' then 't.owner_id is null and t.stage = ''open''' end,
        case when p ->> 'type' is not null and not p ? 'since' then 't.type = $1 ->> ''type''' end, -- a period: private.ticket_counted
        case when p ->> 'state' is not null then 't.state = $1 ->> ''state''' end,
        case when p ->> 'severity' is not null then 't.severity = $1 ->> ''severity''' end,
        case when p ->> 'root_cause' is not null and not p ? 'since' then 't.root_cause_id = any ($7)' end,
        case when p ->> 'owner' = 'me' then 't.owner_id = $3' when p ->> 'owner' = 'none' then 't.owner_id is null'
            when p ->> 'owner' is not null then 't.owner_id = ($1 ->> ''owner'')::bigint' end,
        case p ->> 'due' when 'overdue' then 't.due_sort < $4'
            when 'soon' then 't.due_sort >= $4 and t.due_sort <= $4 + interval ''30 minutes''' end,
        case when p ? 'since' and p ? 'q' then 'exists (select from private.ticket_facts f where f.ticket_id = t.id' || private.ticket_counted(p) || ')' end)
$$;
comment on function private.ticket_where(jsonb) is
    'Condition of the list as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $2 shops, $3 me, $4 now, $7 causes).';

create or replace function private.cause_family(p_id bigint) returns bigint[]
language sql stable set search_path = '' as $$
    with recursive family as (
        select c.id from public.root_causes c where c.id = p_id
        union select c.id from public.root_causes c join family f on c.parent_id = f.id
    )
    select pg_catalog.array_agg(id) from family
$$;
comment on function private.cause_family(bigint) is 'A root cause with all below it.';

create or replace function private.ticket_places(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select case when p ? 'since' then 'unnest($2) s (id) cross join lateral (select t.id, f.day::timestamptz as due_sort
        from private.ticket_facts f join public.tickets t on t.id = f.ticket_id where f.shop_id = s.id'
        || case when p ->> 'tab' <> 'all' then ' and t.stage = any (private.ticket_stages($1 ->> ''tab''))' else '' end || private.ticket_counted(p)
    else 'unnest($2) s (id) cross join (select g.stage from unnest(private.ticket_stages($1 ->> ''tab'')) g (stage)
            where $1 ->> ''state'' is null or g.stage = private.ticket_stage($1 ->> ''state'')) g'
        || case when p ? 'root_cause' then ' cross join unnest($7) c (cause)' else '' end
        || ' cross join lateral (select t.id, t.due_sort from public.tickets t where t.shop_id = s.id and '
        || case when p ? 'state' then 't.state = $1 ->> ''state''' else 't.stage = g.stage' end
        || case when p ? 'root_cause' then ' and t.root_cause_id = c.cause' else '' end end
$$;
comment on function private.ticket_places(jsonb) is
    'Where the list looks, as SQL text made of fixed pieces (open for more conditions): every shop and stage (state, root cause) from its own index range, in the order of due_sort; in a period every shop, whatever the stage on the tab all.';

create or replace function private.ticket_page(
    p jsonb, p_shops bigint[], p_me bigint, p_now timestamptz, p_cursor jsonb, p_descending boolean, p_limit integer
) returns table (id bigint, due_sort timestamptz)
language plpgsql stable set search_path = '' as $$
declare
    v_direction text := case when p_descending then 'desc' else 'asc' end;
    v_causes bigint[] := case when p ? 'root_cause' then private.cause_family((p ->> 'root_cause')::bigint) end;
    v_sort text := case when p ? 'since' then '(f.day, f.ticket_id)' else '(t.due_sort, t.id)' end;
    v_beyond text := case when p_cursor is null then 'true' else pg_catalog.format('%s %s (($5 ->> ''sort'')::%s, ($5 ->> ''id'')::bigint)',
        v_sort, case when p_descending then '<' else '>' end, case when p ? 'since' then 'date' else 'timestamptz' end) end;
begin
    return query execute pg_catalog.format('
        select l.id, l.due_sort from %4$s and %1$s and %2$s order by %5$s %3$s, %6$s %3$s limit $6) l
        order by l.due_sort %3$s, l.id %3$s limit $6', private.ticket_where(p), v_beyond, v_direction, private.ticket_places(p),
        case when p ? 'since' then 'f.day' else 't.due_sort' end, case when p ? 'since' then 'f.ticket_id' else 't.id' end)
    using p, p_shops, p_me, p_now, p_cursor, p_limit, v_causes;
end;
$$;
comment on function private.ticket_page(jsonb, bigint[], bigint, timestamptz, jsonb, boolean, integer) is
    'One page of the list by keyset, each shop and stage from its own index range, whatever the depth.';

create or replace function private.ticket_count(p jsonb, p_shops bigint[], p_me bigint, p_now timestamptz) returns integer
language plpgsql stable set search_path = '' as $$
declare
    v_count integer;
    v_causes bigint[] := case when p ? 'root_cause' then private.cause_family((p ->> 'root_cause')::bigint) end;
begin
    execute pg_catalog.format('
        select count(*) from (select from %s and %s limit 1001) l limit 1001) x', private.ticket_places(p), private.ticket_where(p))
    into v_count using p, p_shops, p_me, p_now, null::jsonb, 0, v_causes;
    return v_count;
end;
$$;
comment on function private.ticket_count(jsonb, bigint[], bigint, timestamptz) is 'How many tickets match, counted up to 1,001 ("1000+").';

create or replace function private.ticket_tabs(p_shops bigint[], p_me bigint, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return jsonb_build_object(
        'mine', (select count(*) from (select from public.tickets t
            where t.owner_id = p_me and t.stage in ('open', 'waiting', 'review') and t.shop_id = any (p_shops) limit 1001) x),
        'pool', (select count(*) from (select from public.tickets t
            where t.owner_id is null and t.stage = 'open' and t.shop_id = any (p_shops) limit 1001) x),
        'all', (select count(*) from (select from public.tickets t
            where t.shop_id = any (p_shops) and t.stage in ('open', 'waiting', 'revisit', 'review') limit 1001) x),
        'waiting', (select count(*) from (select from public.tickets t where t.shop_id = any (p_shops) and t.stage = 'waiting' limit 1001) x),
        'revisit', (select count(*) from (select from public.tickets t where t.shop_id = any (p_shops) and t.stage = 'revisit' limit 1001) x),
        'review', (select count(*) from (select from public.tickets t where t.shop_id = any (p_shops) and t.stage = 'review' limit 1001) x),
        'overdue', (select count(*) from (select from public.tickets t
            where t.shop_id = any (p_shops) and t.stage in ('open', 'waiting', 'revisit', 'review') and t.due_sort < p_now limit 1001) x));
end;
$$;
comment on function private.ticket_tabs(bigint[], bigint, timestamptz) is 'Counts beside the tabs, each up to 1,001; one statement, so that a connection plans it once.';

-- What was typed ------------------------------------------------------------------------------------------------------

create or replace function private.tickets_found(p jsonb, p_shops bigint[], p_personal boolean) returns table (id bigint, how text, place integer)
language sql stable rows 20 set search_path = '' as $$
    with orders as materialized (
        (select o.id, 'order_no' as how, 2 as place from public.orders o where o.order_no = any (private.texts(p, 'order_nos')) and o.shop_id = any (p_shops) limit 20)
        union all
        (select o.id, 'tracking', 3 from public.orders o where o.tracking_no = any (private.texts(p, 'tracking')) and o.shop_id = any (p_shops) limit 20)
        union all
        (select o.id, 'last_six', 7 from public.orders o where right(o.order_no, 6) = any (private.texts(p, 'six')) and o.shop_id = any (p_shops) limit 20)
    ), contacts as materialized (
        (select c.id, 'phone' as how, 5 as place from private.contacts c where p_personal and c.phone_hash = any (private.texts(p, 'phone_hashes')) limit 100)
        union all
        (select c.id, 'name', 6 from private.contacts c where p_personal and c.name_hash = any (private.texts(p, 'name_hashes')) limit 100)
        union all
        (select c.id, 'last_four', 8 from private.contacts c where p_personal and c.phone_last4_hash = any (private.texts(p, 'last4_hashes')) limit 100)
    )
    select t.id, 'ticket', 1 from public.tickets t where t.id = any (array(select n::bigint from unnest(private.texts(p, 'tickets')) n where private.is_id(n)))
    union all
    (select t.id, 'platform_ref', 1 from public.tickets t where t.platform_ref = any (private.texts(p, 'order_nos')) limit 20)
    union all
    (select t.id, o.how, o.place from orders o join public.tickets t on t.order_id = o.id limit 60)
    union all
    (select t.id, 'tracking', 3 from public.tickets t where t.tracking_no = any (private.texts(p, 'tracking')) limit 20)
    union all
    (select t.id, 'tracking', 3 from public.ticket_returns r join public.tickets t on t.id = r.ticket_id where r.tracking_no = any (private.texts(p, 'tracking')) limit 20)
    union all
    (select t.id, 'buyer', 4 from public.tickets t where t.buyer_account = any (private.texts(p, 'buyers')) and t.shop_id = any (p_shops) order by t.id desc limit 60)
    union all
    (select t.id, c.how, c.place from contacts c join public.tickets t on t.contact_id = c.id limit 60)
    union all
    (select t.id, c.how, c.place from contacts c join public.orders o on o.contact_id = c.id join public.tickets t on t.order_id = o.id limit 60)
$$;
comment on function private.tickets_found(jsonb, bigint[], boolean) is
    'Tickets by each kind of candidate {tickets (numbers), order_nos, tracking, six, buyers, phone_hashes, name_hashes, last4_hashes}; the caller keeps those of his shops.';

create or replace function private.ticket_words(p_text text) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('tickets', pg_catalog.jsonb_build_array(pg_catalog.substring(w.t, '^[Tt]-?([0-9]{1,18})$'),
            pg_catalog.substring(w.t, '^([0-9]{1,10})$')) - 'null',
        'order_nos', pg_catalog.jsonb_build_array(w.t), 'tracking', pg_catalog.jsonb_build_array(pg_catalog.upper(w.t)),
        'six', case when w.t ~ '^[0-9]{6}$' then pg_catalog.jsonb_build_array(w.t) else '[]' end, 'buyers', pg_catalog.jsonb_build_array(w.t))
    from (select pg_catalog.btrim(p_text) as t) w
$$;
comment on function private.ticket_words(text) is 'What the search field of the list may name: a ticket, an order, a parcel, a platform''s number, a buyer account.';

create or replace function private.search_tickets(p jsonb, p_personal boolean) returns jsonb
language sql stable set search_path = '' as $$
    with best as (
        select f.id, min(f.place) as place, (array_agg(f.how order by f.place))[1] as how
        from private.tickets_found(p, array(select private.my_shop_ids()), p_personal) f group by f.id
    ), shown as (
        select t.id, t.shop_id, s.name as shop_name, t.type, t.state, t.stage, t.severity, t.order_id, o.order_no, t.buyer_account,
            t.receiver_masked, t.summary, m.display_name as owner_name, t.registered_at, t.due_at, t.version, b.how, b.place
        from best b join public.tickets t on t.id = b.id join public.shops s on s.id = t.shop_id
        left join public.orders o on o.id = t.order_id left join public.members m on m.id = t.owner_id
        where t.shop_id in (select private.my_shop_ids())
        order by b.place, t.stage = 'done', t.id desc limit 20
    )
    select coalesce(jsonb_agg(to_jsonb(x) - 'place' order by x.place, x.stage = 'done', x.id desc), '[]') from shown x
$$;
comment on function private.search_tickets(jsonb, boolean) is 'The best 20 tickets of my shops, masked: the surest match first, open ones before old ones.';

create or replace function private.typed_page(p jsonb, p_shops bigint[], p_me bigint, p_now timestamptz, p_limit integer)
returns table (id bigint, due_sort timestamptz)
language plpgsql stable set search_path = '' as $$
declare
    v_causes bigint[] := case when p ? 'root_cause' then private.cause_family((p ->> 'root_cause')::bigint) end;
    v_ids bigint[] := array(select f.id from private.tickets_found(private.ticket_words(p ->> 'q'), p_shops, false) f);
begin
    return query execute pg_catalog.format('
        select t.id, t.due_sort from public.tickets t
        where t.id = any ($5) and t.shop_id = any ($2) and ($1 ->> ''tab'' = ''all'' or t.stage = any (private.ticket_stages($1 ->> ''tab''))) and %s
        order by t.stage = ''done'', t.id desc limit $6', private.ticket_where(p))
    using p, p_shops, p_me, p_now, v_ids, p_limit, v_causes;
end;
$$;
comment on function private.typed_page(jsonb, bigint[], bigint, timestamptz, integer) is
    'The tickets that a typed text names, filtered like the list; on the tab all those that are over too.';

-- Rows ----------------------------------------------------------------------------------------------------------------

create or replace function private.ticket_rows(p_ids bigint[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select coalesce(jsonb_agg(to_jsonb(t) - '{contact_id}'::text[] || jsonb_build_object('shop_name', s.name, 'platform', s.platform,
        'timezone', s.timezone, 'order_no', o.order_no, 'order_amount', o.amount, 'root_cause', c.name, 'owner_name', m.display_name,
        'registered_by', g.display_name, 'product_name', p.name, 'return_state', r.state, 'due_target', k.target) order by u.n), '[]')
    from unnest(p_ids) with ordinality u (id, n)
    join public.tickets t on t.id = u.id
    join public.shops s on s.id = t.shop_id
    left join public.orders o on o.id = t.order_id
    left join public.root_causes c on c.id = t.root_cause_id
    left join public.members m on m.id = t.owner_id
    left join public.members g on g.id = t.registered_by
    left join public.products p on p.id = t.product_id
    left join public.ticket_returns r on r.ticket_id = t.id
    left join lateral (select x.target from private.ticket_clocks(t.id) x where x.due_at is not null order by x.due_at limit 1) k on true);
end;
$$;
comment on function private.ticket_rows(bigint[]) is 'Tickets as pages show them, masked, in the order of the ids.';

create or replace function private.ticket_cursor(p jsonb, p_row jsonb) returns jsonb
language plpgsql stable strict set search_path = '' as $$
begin
    return jsonb_build_object('id', p_row -> 'id', 'sort', case when p ? 'since'
        then (select to_jsonb(f.day) from private.ticket_facts f where f.ticket_id = (p_row ->> 'id')::bigint) else p_row -> 'due_sort' end);
end;
$$;
comment on function private.ticket_cursor(jsonb, jsonb) is 'The place of a row in the list under a filter: {sort, id}.';

create or replace function private.ticket_ids(p jsonb, p_shops bigint[], p_me bigint, p_now timestamptz, p_limit integer) returns bigint[]
language plpgsql stable set search_path = '' as $$
begin
    if p ? 'q' then
        return array(select t.id from private.typed_page(p, p_shops, p_me, p_now, p_limit) t);
    end if;
    return array(select t.id from private.ticket_page(p, p_shops, p_me, p_now, coalesce(p -> 'before', p -> 'after'),
        (p ? 'before') <> (p ->> 'tab' = 'done' or p ? 'since'), p_limit) t);
end;
$$;
comment on function private.ticket_ids(jsonb, bigint[], bigint, timestamptz, integer) is 'Ids of a page of the list; backwards from before.';

create or replace function private.ticket_shops(p jsonb) returns bigint[]
language sql stable set search_path = '' as $$
    select array(select s from private.my_shop_ids() s where p ->> 'shop_id' is null or s = (p ->> 'shop_id')::bigint)
$$;

create or replace function private.ticket_filter_now(p jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
    v jsonb := private.ticket_filter(p);
begin
    if v ? 'since' then
        perform private.fold_tickets();
    end if;
    return v;
end;
$$;
comment on function private.ticket_filter_now(jsonb) is 'private.ticket_filter; a period lists what is counted, so what changed is counted first. filter.bad.';

create or replace function public.ticket_list(p jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v jsonb := '{"tab": "mine"}'::jsonb || private.ticket_filter_now(p);
    v_limit integer := least(greatest(coalesce((v ->> 'limit')::integer, 50), 1), 200);
    v_shops bigint[] := private.ticket_shops(v);
    v_ids bigint[] := private.ticket_ids(v, v_shops, v_me.member_id, v_now, v_limit + 1);
    v_more boolean := cardinality(v_ids) > v_limit;
    v_rows jsonb;
begin
    v_ids := v_ids[1:v_limit];
    if v ? 'before' then
        v_ids := array(select u.id from unnest(v_ids) with ordinality u (id, n) order by u.n desc);
    end if;
    v_rows := private.ticket_rows(v_ids);
    return jsonb_build_object('rows', v_rows,
        'count', case when not v ? 'q' and (v_more or v ?| array['after', 'before']) then private.ticket_count(v, v_shops, v_me.member_id, v_now)
            else cardinality(v_ids) end,
        'next', case when not v ? 'q' and (v_more or v ? 'before') then private.ticket_cursor(v, v_rows -> -1) end,
        'previous', case when (v ? 'before' and v_more) or v ? 'after' then private.ticket_cursor(v, v_rows -> 0) end,
        'counts', private.ticket_tabs(v_shops, v_me.member_id, v_now));
end;
$$;
grant execute on function public.ticket_list(jsonb) to authenticated;
comment on function public.ticket_list(jsonb) is
    'Members: a page of the tickets of my shops, soonest deadline first (done: latest first): {rows, count (to 1,001), next, previous, counts}. p: tab mine|pool|all|waiting|revisit|review|done, shop_id, type, state, severity, root_cause (and below it), owner me|none|id, due overdue|soon, since and until (days of registration, both included: newest first, on the tab all whatever the stage; with handler (0: nobody) and solved no as the figures of ticket_insight count them), q (exact: number of ticket, order, parcel, platform; buyer account), limit (200), after or before = {sort, id}. filter.bad.';

create or replace function public.ticket_export(p_filter jsonb default '{}', p_after jsonb default null, p_limit integer default 1000) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := '{"tab": "all"}'::jsonb || private.ticket_filter_now((private.as_object(p_filter) - array['after', 'before', 'limit'])
        || coalesce(jsonb_build_object('after', nullif(private.as_json(p_after), 'null')), '{}'));
    v_limit integer := least(greatest(coalesce(p_limit, 1000), 1), 1000);
    v_ids bigint[];
    v_rows jsonb;
begin
    if not v ? 'after' then
        perform private.audit(v_me, (v ->> 'shop_id')::bigint, 'export', null, 'exported', jsonb_build_object('area', 'tickets', 'filter', v - 'q'));
    end if;
    v_ids := private.ticket_ids(v, private.ticket_shops(v), v_me.member_id, v_now, v_limit + 1);
    v_rows := private.ticket_rows(v_ids[1:v_limit]);
    return jsonb_build_object('rows', v_rows, 'next', case when cardinality(v_ids) > v_limit and not v ? 'q' then private.ticket_cursor(v, v_rows -> -1) end);
end;
$$;
grant execute on function public.ticket_export(jsonb, jsonb, integer) to authenticated;
comment on function public.ticket_export(jsonb, jsonb, integer) is
    'Operations, analysts, managers, admins: the list as a file takes it, masked, 1,000 rows at most from p_after (the next of the page before): {rows, next}; the first page is recorded. filter.bad.';
