-- 90 ------------------------------------------------------------------- screens: home, saved views, exports that leave

-- Home ----------------------------------------------------------------------------------------------------------------

create or replace function private.day_start_of(p_timezone text, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$ select date_trunc('day', p_now at time zone p_timezone) at time zone p_timezone $$;
comment on function private.day_start_of(text, timestamptz) is '00:00 of today in a zone.';

create or replace function private.home_items(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with mine as (
        select r.order_id, r.due_sort, true as is_mine from public.order_reviews r
        where r.owner_id = (p_me).member_id and r.claim_until > p_now and r.state in ('open', 'waiting_customer') and r.shop_id = any (p_shops)
    ), pool as (
        select x.order_id, x.due_sort, false from unnest(p_shops) s (id) cross join lateral (
            select r.order_id, r.due_sort from public.order_reviews r
            where r.shop_id = s.id and r.state = 'open' and (r.owner_id is null or r.claim_until <= p_now)
              and private.can_review(p_me, r.kinds)
            order by r.due_sort, r.order_id limit 5) x
        order by x.due_sort, x.order_id limit 5
    )
    select coalesce(jsonb_agg(jsonb_build_object('area', 'orders', 'order_id', i.order_id, 'order_no', o.order_no, 'shop_id', o.shop_id,
        'amount', o.amount, 'state', r.state, 'kinds', r.kinds, 'due_at', r.due_at, 'is_mine', i.is_mine) order by i.is_mine desc, i.due_sort, i.order_id), '[]')
    from (select * from mine union all select * from pool) i
    join public.orders o on o.id = i.order_id join public.order_reviews r on r.order_id = i.order_id
$$;
comment on function private.home_items(private.actor, bigint[], timestamptz) is 'What I hold, then what is most urgent in the pool and mine to take.';

create or replace function private.home_tickets(p_me private.actor, p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with mine as (
        select t.id, t.due_sort, true as is_mine from public.tickets t
        where t.owner_id = (p_me).member_id and t.stage in ('open', 'review') and t.shop_id = any (p_shops) order by t.due_sort, t.id limit 10
    ), pool as (
        select x.id, x.due_sort, false from unnest(p_shops) s (id) cross join lateral (
            select t.id, t.due_sort from public.tickets t
            where t.shop_id = s.id and t.owner_id is null and t.stage = 'open'
            order by t.due_sort, t.id limit 5) x
        where (p_me).role in ('agent', 'manager')
        order by x.due_sort, x.id limit 5
    ), chosen as (select * from mine union all select * from pool),
    ids as (select array_agg(c.id order by c.is_mine desc, c.due_sort, c.id) as list from chosen c)
    select jsonb_build_object('items', coalesce(private.ticket_rows(i.list), '[]'), 'counts', private.ticket_tabs(p_shops, (p_me).member_id, p_now),
        'resolved', (select count(*) from public.shops s cross join lateral (select from public.tickets t
            where t.shop_id = s.id and t.resolved_at >= private.day_start_of(s.timezone, p_now)) r where s.id = any (p_shops)))
    from ids i
$$;
comment on function private.home_tickets(private.actor, bigint[], timestamptz) is
    'Tickets on the start page: {items (mine by deadline, then what is most urgent in the pool), counts as beside the tabs of the list, resolved (today, each shop''s own day)}.';

create or replace function private.home_figures(p_shops bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('shop_id', s.id, 'shop_name', s.name, 'platform', s.platform,
        'open', q.open, 'overdue', q.overdue, 'soon', q.soon, 'waiting', q.waiting, 'decided', d.decided, 'judged', d.judged, 'on_time', d.on_time,
        'released', (select coalesce(sum(l.order_count), 0) from public.releases l where l.shop_id = s.id and l.kind = 'release'
            and l.created_at >= t.today and l.undone_at is null),
        'breaches', (select count(*) from public.hold_breaches b where b.shop_id = s.id and b.found_at >= p_now - interval '7 days')) order by s.id), '[]')
    from public.shops s
    cross join lateral (select private.day_start_of(s.timezone, p_now) as today) t
    cross join lateral (select count(*) filter (where r.state = 'open') as open, count(*) filter (where r.state = 'open' and r.due_sort < p_now) as overdue,
        count(*) filter (where r.state = 'open' and r.due_sort between p_now and p_now + interval '30 minutes') as soon,
        count(*) filter (where r.state = 'waiting_customer') as waiting
        from public.order_reviews r where r.shop_id = s.id and r.state <> 'done') q
    cross join lateral (select count(*) as decided, count(r.is_on_time) as judged, count(*) filter (where r.is_on_time) as on_time
        from public.order_reviews r where r.shop_id = s.id and r.state = 'done' and r.done_at >= t.today) d
    where s.id = any (p_shops) and s.is_active
$$;
comment on function private.home_figures(bigint[], timestamptz) is
    'Today (in the shop''s zone) per shop: open, overdue, soon (30 minutes), waiting, decided, judged and on_time (share = on_time / judged), released; breaches of the last seven days.';

create or replace function private.home_changes(p_me private.actor, p_shops bigint[], p_since timestamptz, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('since', p_since,
        'found', (select count(*) from public.order_reviews r where r.shop_id = any (p_shops) and r.state <> 'done' and r.detected_at > p_since),
        'decided', (select count(*) from public.order_reviews r where r.shop_id = any (p_shops) and r.state = 'done' and r.done_at > p_since),
        'released', (select coalesce(sum(l.order_count), 0) from public.releases l where l.shop_id = any (p_shops) and l.kind = 'release'
            and l.created_at > p_since and l.undone_at is null),
        'breaches', (select count(*) from public.hold_breaches b where b.shop_id = any (p_shops) and b.found_at > p_since),
        'imports', (select count(*) from public.imports i where i.shop_id = any (p_shops) and i.state = 'done' and i.finished_at > p_since),
        'taken_over', (select count(*) from public.audit_events a join public.audit_events mine on mine.entity = 'order'
            and mine.entity_id = a.entity_id and mine.action = 'claimed' and mine.member_id = (p_me).member_id and mine.at > a.at - interval '1 day' and mine.at < a.at
            where a.shop_id = any (p_shops) and a.at > p_since and a.action = 'taken_over' and a.member_id <> (p_me).member_id),
        'reveals', case when (p_me).role in ('manager', 'admin') then (select coalesce(jsonb_agg(jsonb_build_object('who', m.display_name, 'at', a.at) order by a.at desc), '[]')
            from public.audit_events a join public.members m on m.id = a.entity_id
            where a.entity = 'member' and a.action = 'reveals_many' and a.at > greatest(p_since, p_now - interval '7 days')) end)
$$;
comment on function private.home_changes(private.actor, bigint[], timestamptz, timestamptz) is 'What happened in my shops since I was last here; managers also hear who opened many contacts.';

create or replace function public.home_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
    v_since timestamptz := coalesce((select home_seen_at from public.members where id = v_me.member_id), v_now - interval '1 day');
begin
    return jsonb_build_object('now', v_now,
        'items', private.home_items(v_me, v_shops, v_now),
        'tickets', private.home_tickets(v_me, v_shops, v_now),
        'figures', private.home_figures(v_shops, v_now),
        'changes', private.home_changes(v_me, v_shops, greatest(v_since, v_now - interval '7 days'), v_now),
        'ready', (select count(*) from private.ready_orders('{}', 5001)),
        'unpaid', (select count(*) from (select from public.orders o where o.status = 'unpaid' and o.shop_id = any (v_shops) limit 1001) u),
        'low_stock', (select count(*) from public.products p where p.available < p.safety_stock),
        'dead_jobs', case when v_me.role in ('manager', 'admin') then private.dead_jobs() else 0 end,
        'data', private.shown_ages(v_me, v_shops, v_now));
end;
$$;
grant execute on function public.home_screen() to authenticated;
comment on function public.home_screen() is
    'Members 我的工作台 in one answer: {now, items (mine by deadline, then the pool''s most urgent), tickets {items, counts, resolved}, figures per shop, changes since home_seen_at (at most 7 days), ready, unpaid, low_stock, dead_jobs (managers and admins), data (age of each data set)}.';

-- Saved views, and exports that leave ---------------------------------------------------------------------------------

create or replace function public.save_view(p_request_id uuid, p_area text, p_name text, p_params jsonb, p_is_shared boolean default false)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'save_view', jsonb_build_array(p_area, p_name, p_params, p_is_shared));
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_area is null or p_area not in ('orders', 'release', 'holds', 'products', 'imports', 'tickets', 'leads', 'listings')
        or char_length(btrim(coalesce(p_name, ''))) not between 1 and 40 or coalesce(length(p_params::text), 0) not between 2 and 4000 then
        perform private.fail('PT422', 'view.form');
    end if;
    if p_is_shared and v_me.role not in ('operations', 'manager', 'admin') then
        perform private.fail('PT403', 'view.share_right');
    end if;
    insert into public.saved_views as v (member_id, area, name, params, is_shared, updated_at)
    values (v_me.member_id, p_area, btrim(p_name), private.as_json(p_params), coalesce(p_is_shared, false), private.now())
    on conflict (member_id, area, name) do update
        set params = excluded.params, is_shared = excluded.is_shared, updated_at = excluded.updated_at
    returning v.id into v_id;
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
end;
$$;
grant execute on function public.save_view(uuid, text, text, jsonb, boolean) to authenticated;
comment on function public.save_view(uuid, text, text, jsonb, boolean) is
    'Members: keeps the filters of a queue under a name; the same name again replaces them. Shared with colleagues by operations, managers, admins. view.form, view.share_right.';

create or replace function public.delete_view(p_request_id uuid, p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_answer jsonb := private.begin_request(p_request_id, 'delete_view', to_jsonb(p_id));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    delete from public.saved_views where id = p_id and member_id = v_me.member_id;
    if not found then
        perform private.fail('PT404', 'view.none');
    end if;
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id));
end;
$$;
grant execute on function public.delete_view(uuid, bigint) to authenticated;
comment on function public.delete_view(uuid, bigint) is 'Members: forgets one of my own saved views. view.none.';

create or replace function public.note_export(p_area text, p_count integer, p_filter jsonb default '{}') returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if p_area is null or p_area not in ('orders', 'release', 'holds', 'products', 'imports', 'payment_nudge') then
        perform private.fail('PT422', 'view.form');
    end if;
    perform private.audit(v_me, null, 'export', null, 'exported', jsonb_build_object('area', p_area, 'count', p_count,
        'filter', (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(coalesce(private.as_json(p_filter), '{}')) f
                   where f.key in ('state', 'kind', 'platform', 'shop_id', 'owner', 'due', 'amount_min', 'amount_max'))));
end;
$$;
grant execute on function public.note_export(text, integer, jsonb) to authenticated;
comment on function public.note_export(text, integer, jsonb) is 'Members: a masked file of so many rows was made; recorded for managers. view.form.';
