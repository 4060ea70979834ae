-- 59 --------------------------------------------------------------------------------- leads: the board, the list, one lead
--
-- Definers that check the member first and repeat the right as a filter: mine (the owner's index), pool (nobody's, shop by
-- shop), all (leaders and analysts, shop by shop). Columns are pages by keyset; counts stop at 1,001. Everything is masked.

create or replace function private.lead_scope(p_me private.actor, p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.as_filter(p);
    v_all boolean := (p_me).role in ('manager', 'admin', 'analyst') or private.oversees(p_me);
begin
    if coalesce(v ->> 'scope', 'mine') not in ('mine', 'pool', 'all') or coalesce(v ->> 'due', 'overdue') not in ('overdue', 'today')
        or coalesce(v ->> 'column', 'lost') not in ('first_touch', 'discovery', 'objection', 'closing', 'open', 'converted', 'lost')
        or coalesce(v ->> 'limit', '20') !~ '^[0-9]{1,3}$' or (v ? 'owner' and not private.is_id(v ->> 'owner')) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    v := v || pg_catalog.jsonb_build_object('scope', case when v_all then coalesce(v ->> 'scope', 'all') when v ->> 'scope' = 'pool' then 'pool' else 'mine' end,
        'limit', least(greatest(coalesce((v ->> 'limit')::integer, 20), 1), 200));
    return case when v ->> 'scope' = 'all' then v else v - 'owner' end; -- whose they are is a filter of those who see all
end;
$$;
comment on function private.lead_scope(private.actor, jsonb) is
    'The filter of a lead list with the scope this person may have: agents their own or the pool, leaders and analysts everything. filter.bad.';

create or replace function private.lead_where(p jsonb, p_column text) returns text
language sql immutable set search_path = '' as $$
    select pg_catalog.concat_ws(' and ',
        case when p_column in ('converted', 'lost') then pg_catalog.format('l.state = %L', p_column)
                || case when p ->> 'column' is null then ' and l.closed_at > $4 - interval ''90 days''' else '' end
            when p ->> 'scope' = 'mine' then 'l.state in (''assigned'', ''following'')' when p ->> 'scope' = 'pool' then 'l.state = ''pool'''
            else 'l.state in (''pool'', ''assigned'', ''following'')' end,
        case when p_column in ('first_touch', 'discovery', 'objection', 'closing') then pg_catalog.format('l.stage = %L', p_column) end,
        case when p ->> 'scope' = 'mine' then 'l.owner_id = $3' when p ->> 'owner' is not null then 'l.owner_id = ($1 ->> ''owner'')::bigint'
            when p ->> 'scope' = 'pool' and p_column in ('converted', 'lost') then 'false' end,
        case when p ->> 'grade' is not null then 'l.grade = $1 ->> ''grade''' end,
        case when p ->> 'source' is not null then 'l.source = $1 ->> ''source''' end,
        case when p ->> 'need' is not null then 'l.needs @> array[$1 ->> ''need'']' end,
        case p ->> 'due' when 'overdue' then 'l.due_sort < $4' when 'today' then 'l.due_sort < $4 + interval ''24 hours''' end)
$$;
comment on function private.lead_where(jsonb, text) is
    'Condition of a column as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $3 me, $4 now). The whole board shows what was closed in 90 days; a column by itself goes back to the first.';

create or replace function private.lead_page(p jsonb, p_column text, p_shops bigint[], p_me bigint, p_now timestamptz, p_cursor jsonb, p_back boolean, p_limit integer)
returns table (id bigint, at timestamptz)
language plpgsql stable set search_path = '' as $$
declare
    v_closed boolean := p_column in ('converted', 'lost');
    v_key text := case when v_closed then 'l.closed_at' else 'l.due_sort' end;
    v_down boolean := v_closed <> p_back;
    v_inner text := pg_catalog.format('select l.id, %1$s as at from public.leads l where %2$s %3$s %4$s order by %1$s %5$s, l.id %5$s limit $6', v_key,
        case when p ->> 'scope' = 'mine' then 'l.shop_id = any ($2)' else 'l.shop_id = s.id' end, 'and ' || private.lead_where(p, p_column),
        case when p_cursor is not null then pg_catalog.format('and (%s, l.id) %s (($5 ->> ''at'')::timestamptz, ($5 ->> ''id'')::bigint)', v_key,
            case when v_down then '<' else '>' end) end, case when v_down then 'desc' else 'asc' end);
begin
    return query execute case when p ->> 'scope' = 'mine' then v_inner else pg_catalog.format(
            'select x.id, x.at from unnest($2) s (id) cross join lateral (%s) x order by x.at %s, x.id %2$s limit $6', v_inner,
            case when v_down then 'desc' else 'asc' end) end
    using p, p_shops, p_me, p_now, p_cursor, p_limit;
end;
$$;
comment on function private.lead_page(jsonb, text, bigint[], bigint, timestamptz, jsonb, boolean, integer) is
    'One page of a column by keyset: open ones by deadline, closed ones the latest first; each shop from its own index range, mine from the owner''s.';

create or replace function private.lead_count(p jsonb, p_column text, p_shops bigint[], p_me bigint, p_now timestamptz) returns integer
language plpgsql stable set search_path = '' as $$
declare
    v_count integer;
begin
    execute pg_catalog.format('select count(*) from (select from public.leads l where l.shop_id = any ($2) and %s limit 1001) x', private.lead_where(p, p_column))
    into v_count using p, p_shops, p_me, p_now;
    return v_count;
end;
$$;
comment on function private.lead_count(jsonb, text, bigint[], bigint, timestamptz) is 'How many leads a column holds, counted up to 1,001 ("1000+").';

create or replace function private.lead_rows(p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', l.id, 'number', 'L-' || l.id, 'version', l.version, 'shop_id', l.shop_id,
        'shop_name', s.name, 'platform', s.platform, 'timezone', s.timezone, 'state', l.state, 'stage', l.stage, 'source', l.source, 'needs', l.needs,
        'intent', l.intent, 'budget', l.budget, 'membership', l.membership, 'grade', l.grade, 'grade_by', l.grade_by,
        'name_masked', l.name_masked, 'phone_masked', l.phone_masked, 'wechat_masked', l.wechat_masked, 'email_masked', l.email_masked,
        'buyer_masked', l.buyer_masked, 'owner_id', l.owner_id, 'owner_name', m.display_name, 'free_at', case when l.state = 'pool' then l.free_at end,
        'recycled', l.recycled, 'is_raised', l.is_raised, 'is_at_risk', l.closed_at is null and coalesce(l.due_at < p_now, false),
        'first_follow_up_at', l.first_follow_up_at, 'last_follow_up_at', l.last_follow_up_at, 'follow_up_count', l.follow_up_count,
        'next_step', l.next_step, 'next_at', l.next_at, 'due_at', l.due_at, 'order_id', l.order_id, 'converted_by', l.converted_by,
        'lost_reason', l.lost_reason, 'closed_at', l.closed_at, 'captured_at', l.captured_at, 'asked_at', l.asked_at,
        'has_twin', l.closed_at is null and exists (select from public.lead_merges g join public.leads x on x.id = g.into_id
            where g.lead_id = l.id and g.state = 'open' and x.closed_at is null)) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n) join public.leads l on l.id = u.id join public.shops s on s.id = l.shop_id
    left join public.members m on m.id = l.owner_id
$$;
comment on function private.lead_rows(bigint[], timestamptz) is 'Leads as cards and list rows show them, masked, in this order.';

create or replace function private.lead_column(p jsonb, p_column text, p_shops bigint[], p_me bigint, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_limit integer := (p ->> 'limit')::integer;
    v_back boolean := p -> 'before' is not null;
    v_ids bigint[];
    v_at timestamptz[];
    v_more boolean;
    v_first jsonb;
    v_last jsonb;
begin
    select pg_catalog.array_agg(x.id order by x.n), pg_catalog.array_agg(x.at order by x.n) into v_ids, v_at
    from private.lead_page(p, p_column, p_shops, p_me, p_now, coalesce(p -> 'before', p -> 'after'), v_back, v_limit + 1) with ordinality x (id, at, n);
    v_more := coalesce(pg_catalog.cardinality(v_ids), 0) > v_limit;
    v_ids := coalesce(v_ids[1:v_limit], '{}');
    if v_back then
        v_ids := array(select u.id from pg_catalog.unnest(v_ids) with ordinality u (id, n) order by u.n desc);
        v_at := array(select u.at from pg_catalog.unnest(v_at[1:v_limit]) with ordinality u (at, n) order by u.n desc);
    end if;
    if v_ids <> '{}' then
        v_first := pg_catalog.jsonb_build_object('id', v_ids[1], 'at', v_at[1]);
        v_last := pg_catalog.jsonb_build_object('id', v_ids[pg_catalog.cardinality(v_ids)], 'at', v_at[pg_catalog.cardinality(v_ids)]);
    end if;
    return pg_catalog.jsonb_build_object('rows', private.lead_rows(v_ids, p_now),
        'count', case when v_more or p ?| array['after', 'before'] then private.lead_count(p, p_column, p_shops, p_me, p_now) else pg_catalog.cardinality(v_ids) end,
        'next', case when v_more or v_back then v_last end,
        'prev', case when (v_back and v_more) or (not v_back and p -> 'after' is not null) then v_first end);
end;
$$;
comment on function private.lead_column(jsonb, text, bigint[], bigint, timestamptz) is 'A column of the board, or the list: {rows, count (up to 1,001), next, prev}.';

create or replace function private.lead_shops(p jsonb) returns bigint[]
language sql stable set search_path = '' as $$
    select array(select s from private.my_shop_ids() s where p ->> 'shop_id' is null or s = (p ->> 'shop_id')::bigint)
$$;

create or replace function private.lead_tabs(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_object_agg(t.tab, private.lead_count(t.filter, 'open', p_shops, (p_me).member_id, p_now))
    from (values ('mine', '{"scope": "mine"}'::jsonb), ('overdue', '{"scope": "mine", "due": "overdue"}'), ('today', '{"scope": "mine", "due": "today"}'),
        ('pool', '{"scope": "pool"}')) t (tab, filter)
$$;

create or replace function public.lead_board(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.lead_scope(v_me, p);
    v_shops bigint[] := private.lead_shops(v);
begin
    if v ->> 'column' is not null then
        return pg_catalog.jsonb_build_object('scope', v -> 'scope', 'columns', pg_catalog.jsonb_build_object(v ->> 'column',
            private.lead_column(v, v ->> 'column', v_shops, v_me.member_id, v_now)));
    end if;
    return pg_catalog.jsonb_build_object('scope', v -> 'scope', 'columns', (
            select pg_catalog.jsonb_object_agg(c, private.lead_column(v - '{after,before}'::text[], c, v_shops, v_me.member_id, v_now))
            from pg_catalog.unnest(array['first_touch', 'discovery', 'objection', 'closing', 'converted', 'lost']) c),
        'tabs', private.lead_tabs(v_me, v_shops, v_now),
        'twins', (select pg_catalog.count(*) from (select from public.lead_merges g where g.state = 'open' and g.shop_id = any (v_shops) limit 1001) x));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.lead_board(jsonb) to authenticated;
comment on function public.lead_board(jsonb) is
    'Agents (mine, pool), 当班主管, managers, analysts, admins (all): the board {scope, columns: {first_touch, discovery, objection, closing, converted, lost: {rows, count, next, prev}}, tabs: {mine, overdue, today, pool}, twins (merge proposals)}. p: scope mine|pool|all, shop_id, owner, grade, source (asked_unpaid: 询单未付), need, due overdue|today, limit (20, at most 200); column (or open: all stages in one list) with after|before for one page of it. filter.bad.';

-- Who else knows this customer ----------------------------------------------------------------------------------------

create or replace function private.lead_case(p_lead public.leads, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', (p_lead).id, 'number', 'L-' || (p_lead).id, 'shop_id', (p_lead).shop_id, 'state', (p_lead).state,
        'stage', (p_lead).stage, 'grade', (p_lead).grade, 'owner_id', (p_lead).owner_id, 'version', (p_lead).version,
        'owner_name', (select m.display_name from public.members m where m.id = (p_lead).owner_id), 'due_at', (p_lead).due_at,
        'is_at_risk', (p_lead).closed_at is null and coalesce((p_lead).due_at < p_now, false), 'last_follow_up_at', (p_lead).last_follow_up_at,
        'closed_at', (p_lead).closed_at, 'promises', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', r.id, 'kind', r.kind,
            'what', r.what, 'amount', r.amount, 'due_at', r.due_at, 'state', r.state) order by r.due_at), '[]')
            from public.promises r where r.entity = 'lead' and r.entity_id = (p_lead).id and r.state in ('pending', 'open')))
$$;
comment on function private.lead_case(public.leads, timestamptz) is 'What every colleague of the shop may know of a lead: how it stands, who has it, what was promised; nothing of the contact.';

create or replace function private.leads_of_customer(p_shops bigint[], p_buyers text[], p_contact_ids bigint[], p_hashes text[]) returns setof public.leads
language sql stable set search_path = '' as $$
    with found as (
        select l.id from public.leads l where l.buyer_account = any (p_buyers) and l.shop_id = any (p_shops)
        union
        select l.id from private.contacts o join private.contacts c on c.kind = 'lead' and c.phone_hash = o.phone_hash
        join public.leads l on l.contact_id = c.id and l.shop_id = any (p_shops) where o.id = any (p_contact_ids)
        union
        select l.id from private.contacts c join public.leads l on l.contact_id = c.id and l.shop_id = any (p_shops)
        where c.kind = 'lead' and c.phone_hash = any (p_hashes)
        union
        select l.id from private.contacts c join public.leads l on l.contact_id = c.id and l.shop_id = any (p_shops)
        where c.kind = 'lead' and c.wechat_hash = any (p_hashes)
        union
        select l.id from private.contacts c join public.leads l on l.contact_id = c.id and l.shop_id = any (p_shops)
        where c.kind = 'lead' and c.name_hash = any (p_hashes)
    )
    select l.* from public.leads l where l.id = any (array(select f.id from found f)) and l.state <> 'merged' order by l.closed_at desc nulls first, l.id desc limit 20
$$;
comment on function private.leads_of_customer(bigint[], text[], bigint[], text[]) is 'Leads of a customer in these shops by buyer account, by the contact of an order or ticket, or by blind indexes; open ones first.';

create or replace function public.lead_cases(p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v jsonb := private.as_filter(p);
    v_shops bigint[] := array(select private.my_shop_ids());
    v_order public.orders;
begin
    select * into v_order from public.orders o where private.is_id(v ->> 'order_id') and o.id = (v ->> 'order_id')::bigint and o.shop_id = any (v_shops);
    return (select coalesce(pg_catalog.jsonb_agg(private.lead_case(l, private.now())), '[]')
        from private.leads_of_customer(v_shops, array_remove(array[v ->> 'buyer_account', v_order.buyer_account], null),
            array_remove(array[v_order.contact_id], null), case when v_me.role = 'analyst' then '{}' else private.texts(v, 'hashes') end) l);
end;
$$;
grant execute on function public.lead_cases(jsonb) to authenticated;
comment on function public.lead_cases(jsonb) is
    'Members: how the leads of a customer stand in my shops, whoever has them, without any contact: p {order_id | buyer_account | hashes (blind indexes of phone, WeChat, name)}. At most 20. filter.bad.';

-- One lead ------------------------------------------------------------------------------------------------------------

create or replace function private.lead_can(p_me private.actor, p_lead public.leads, p_now timestamptz) returns text[]
language sql stable set search_path = '' as $$
    select case when not private.can_sell((p_me).role, (p_me).skills) then '{}'::text[] else array(
        select distinct m.rpc from private.lead_moves() m
        where m.state_from = (p_lead).state and case m.who when 'seller' then (p_lead).free_at <= p_now
                when 'owner' then (p_lead).owner_id = (p_me).member_id or private.oversees(p_me)
                when 'leader' then private.oversees(p_me)
                when 'colleague' then (p_lead).owner_id <> (p_me).member_id
                    and (private.oversees(p_me) or not private.is_on_duty((p_lead).owner_id, p_now)) else false end
        union all
        select x from pg_catalog.unnest(array['update_lead', 'grade_lead', 'move_leads', 'make_promise']) x
        where (p_lead).closed_at is null and ((p_lead).owner_id = (p_me).member_id or private.oversees(p_me))
        order by 1) end
$$;
comment on function private.lead_can(private.actor, public.leads, timestamptz) is 'The functions that would not refuse this person for the state or the owner of the lead: the buttons of the page.';

create or replace function private.lead_family(p_id bigint) returns bigint[]
language sql stable set search_path = '' as $$
    with recursive family as (
        select p_id as id
        union
        select l.id from family f join public.leads l on l.merged_into = f.id
    )
    select pg_catalog.array_agg(id) from family
$$;
comment on function private.lead_family(bigint) is 'A lead and those that were merged into it: their history is its history.';

create or replace function private.lead_timeline(p_ids bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    with told (at, action, who, actor, detail, number) as (
        select a.at, a.action, m.display_name, a.actor, a.detail, 'L-' || a.entity_id
        from public.audit_events a left join public.members m on m.id = a.member_id where a.entity = 'lead' and a.entity_id = any (p_ids)
        union all
        select v.at, 'clock_' || v.kind, m.display_name, 'system', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('due_at', v.due_at, 'reason', v.reason)),
            'L-' || c.entity_id
        from public.sla_clocks c join public.sla_clock_events v on v.clock_id = c.id left join public.members m on m.id = v.actor_id
        where c.entity = 'lead' and c.entity_id = any (p_ids)
    )
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(t) order by t.at desc, t.action), '[]') from (select * from told order by at desc limit 200) t
$$;

create or replace function private.lead_parts(p_lead public.leads, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_ids bigint[] := private.lead_family(p_lead.id);
begin
    return pg_catalog.jsonb_build_object(
        'grade_reasons', p_lead.grade_reasons, 'graded_at', p_lead.graded_at,
        'contact_kinds', array_remove(array[case when p_lead.buyer_account is not null then 'buyer_account' end,
            case when p_lead.phone_masked is not null then 'phone' end, case when p_lead.wechat_masked is not null then 'wechat' end,
            case when p_lead.email_masked is not null then 'email' end], null),
        'follow_ups', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(f) || pg_catalog.jsonb_build_object('who', m.display_name) order by f.at desc), '[]')
            from (select * from public.follow_ups where lead_id = any (v_ids) order by at desc limit 100) f join public.members m on m.id = f.member_id),
        'promises', private.promise_rows(array(select r.id from public.promises r where r.entity = 'lead' and r.entity_id = any (v_ids) order by r.due_at desc limit 50), p_now),
        'owners', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', o.member_id, 'who', m.display_name, 'how', o.how,
                'since', o.since, 'until', o.until, 'ended_as', o.ended_as, 'decision_id', o.decision_id) order by o.since desc), '[]')
            from public.lead_owners o join public.members m on m.id = o.member_id where o.lead_id = any (v_ids)),
        'merges', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', g.id, 'matched', g.matched, 'state', g.state,
                'lead_id', g.lead_id, 'into_id', g.into_id, 'other', private.lead_case(x, p_now)) order by g.id), '[]')
            from public.lead_merges g join public.leads x on x.id = case when g.lead_id = p_lead.id then g.into_id else g.lead_id end
            where p_lead.id in (g.lead_id, g.into_id) and (g.state = 'merged' or (g.state = 'open' and p_lead.closed_at is null and x.closed_at is null))),
        'bought_as', case when p_lead.lost_reason = 'other_lead' then (select private.lead_case(x, p_now) from public.leads x
            where x.id = (select (a.detail -> 'lead_ids' ->> 0)::bigint from public.audit_events a where a.entity = 'lead' and a.entity_id = p_lead.id
                and a.action = 'lost' order by a.id desc limit 1)) end,
        'orders', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', o.id, 'order_no', o.order_no, 'status', o.status, 'amount', o.amount,
                'placed_at', o.placed_at) order by o.placed_at desc), '[]')
            from (select * from public.orders x where x.id = p_lead.order_id or (x.buyer_account = p_lead.buyer_account and x.shop_id = p_lead.shop_id)
                order by x.placed_at desc nulls last limit 10) o),
        'timeline', private.lead_timeline(v_ids), 'clock_id', p_lead.clock_id);
end;
$$;

create or replace function public.lead_screen(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_lead public.leads;
begin
    select * into v_lead from public.leads where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'lead.none');
    end if;
    if not private.sees_lead(v_me, v_lead.owner_id) then
        return pg_catalog.jsonb_build_object('is_whole', false, 'case', private.lead_case(v_lead, v_now), 'can', private.lead_can(v_me, v_lead, v_now));
    end if;
    return pg_catalog.jsonb_build_object('is_whole', true, 'lead', private.lead_rows(array[p_id], v_now) -> 0, 'can', private.lead_can(v_me, v_lead, v_now),
        'is_mine', coalesce(v_lead.owner_id = v_me.member_id, false), 'next_until', v_now + private.lead_rest(v_lead)) || private.lead_parts(v_lead, v_now);
end;
$$;
grant execute on function public.lead_screen(bigint) to authenticated;
comment on function public.lead_screen(bigint) is
    'Agents, analysts, managers, admins: one lead, masked: {is_whole, lead, can, is_mine, next_until (latest next date), grade_reasons, contact_kinds, follow_ups, promises, owners, merges, bought_as (the converted lead because of which this one ended), orders, timeline}. A colleague''s: {is_whole false, case, can}. lead.none.';

create or replace function public.merge_list(p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'manager']);
    v_now timestamptz := private.now();
begin
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', g.id, 'matched', g.matched, 'created_at', g.created_at,
            'lead', case when private.sees_lead(v_me, a.owner_id) then private.lead_rows(array[a.id], v_now) -> 0 else private.lead_case(a, v_now) end,
            'into', case when private.sees_lead(v_me, b.owner_id) then private.lead_rows(array[b.id], v_now) -> 0 else private.lead_case(b, v_now) end) order by g.id), '[]')
        from public.lead_merges g join public.leads a on a.id = g.lead_id join public.leads b on b.id = g.into_id
        where g.id = any (array(select m.id from public.lead_merges m join public.leads x on x.id = m.lead_id join public.leads y on y.id = m.into_id
            where m.state = 'open' and m.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or m.shop_id = p_shop_id)
              and x.closed_at is null and y.closed_at is null order by m.id limit 50)));
end;
$$;
grant execute on function public.merge_list(bigint) to authenticated;
comment on function public.merge_list(bigint) is 'Agents, managers: the 50 oldest merge proposals of my shops between open leads: [{id, matched, lead (newer), into (older)}]; of a colleague''s lead only how it stands.';

-- The contact, the search, the export ---------------------------------------------------------------------------------

create or replace function private.lead_to_reveal(p_me private.actor, p_id bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v public.leads;
begin
    select * into v from public.leads where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        return null;
    elsif not ((p_me).role in ('manager', 'admin') or ((p_me).role = 'agent' and v.owner_id is not distinct from (p_me).member_id)) then
        perform private.fail('PT403', 'lead.contact_hidden', pg_catalog.jsonb_build_object('number', 'L-' || p_id));
    end if;
    return pg_catalog.jsonb_build_object('shop_id', v.shop_id, 'contact_id', v.contact_id, 'contact_state', 'ok', 'version', v.version,
        'buyer_account', v.buyer_account, 'claimed', coalesce(v.owner_id = (p_me).member_id, false));
end;
$$;
comment on function private.lead_to_reveal(private.actor, bigint) is
    'The contact of a lead opens for its owner, managers and admins, nobody else (see order_to_reveal): lead.contact_hidden.';

create or replace function private.search_leads(p jsonb, p_me private.actor, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_shops bigint[] := array(select private.my_shop_ids());
    v_hashes text[] := case when (p_me).role <> 'analyst'
        then private.texts(p, 'phone_hashes') || private.texts(p, 'wechat_hashes') || private.texts(p, 'name_hashes') else '{}' end;
begin
    return (
        with found as (
            select l.id, 1 as place from public.leads l
            where l.id in (select n::bigint from pg_catalog.unnest(private.texts(p, 'lead_nos')) n where private.is_id(n)) and l.shop_id = any (v_shops)
            union all
            select c.id, 2 from private.leads_of_customer(v_shops, private.texts(p, 'buyers'), '{}', v_hashes) c
        ), best as (
            select f.id, pg_catalog.min(f.place) as place from found f group by f.id order by 2, f.id desc limit 20
        )
        select coalesce(pg_catalog.jsonb_agg(private.lead_case(l, p_now) || case when private.sees_lead(p_me, l.owner_id)
                then pg_catalog.jsonb_build_object('name_masked', l.name_masked, 'phone_masked', l.phone_masked, 'buyer_masked', l.buyer_masked,
                    'needs', l.needs) else '{}' end order by b.place, l.id desc), '[]')
        from best b join public.leads l on l.id = b.id);
end;
$$;
comment on function private.search_leads(jsonb, private.actor, timestamptz) is
    'Leads of my shops by number (lead_nos, without L-), buyer account and blind indexes, at most 20; of a colleague''s only how it stands.';

create or replace function public.export_leads(p jsonb default '{}', p_after bigint default 0) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.lead_scope(v_me, p);
    v_ids bigint[];
begin
    if coalesce(p_after, 0) = 0 then
        perform private.audit(v_me, (v ->> 'shop_id')::bigint, 'export', null, 'exported', pg_catalog.jsonb_build_object('area', 'leads', 'filter', v));
    end if;
    v_ids := array(
        select l.id from public.leads l
        where l.id > coalesce(p_after, 0) and l.shop_id = any (private.lead_shops(v)) and l.state <> 'merged'
          and case v ->> 'scope' when 'mine' then l.owner_id = v_me.member_id when 'pool' then l.state = 'pool' else true end
          and (v ->> 'column' is null or case when v ->> 'column' in ('converted', 'lost') then l.state = v ->> 'column'
              when v ->> 'column' = 'open' then l.closed_at is null else l.closed_at is null and l.stage = v ->> 'column' end)
          and (v ->> 'owner' is null or l.owner_id = (v ->> 'owner')::bigint) and (v ->> 'grade' is null or l.grade = v ->> 'grade')
          and (v ->> 'source' is null or l.source = v ->> 'source') and (v ->> 'need' is null or l.needs @> array[v ->> 'need'])
          and (v ->> 'due' is null or (l.closed_at is null and l.due_sort < v_now + case v ->> 'due' when 'today' then interval '24 hours' else interval '0' end))
        order by l.id limit 1000);
    return private.lead_rows(v_ids, v_now);
end;
$$;
grant execute on function public.export_leads(jsonb, bigint) to authenticated;
comment on function public.export_leads(jsonb, bigint) is
    'Agents (their own, the pool), analysts, managers, admins: leads as lead_board filters them, masked, 1,000 after an id; the first page is recorded. filter.bad.';
