-- 91 ------------------------------------------------------------------------------- deadlines: the overview over all clocks
--
-- Agents and the warehouse see what is theirs and what is free; a duty lead, operations, analysts, managers and admins see
-- everybody's. Always of one's own shops.

create or replace function private.sees_everybody(p_me private.actor) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role in ('operations', 'analyst', 'manager', 'admin') or (p_me).is_duty_lead
$$;
comment on function private.sees_everybody(private.actor) is 'Whether an overview shows colleagues'' work, not only one''s own and the pool.';

create or replace function private.clock_owners(p_shops bigint[], p_now timestamptz) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select r.clock_id, r.owner_id from public.order_reviews r
    where r.owner_id is not null and r.claim_until > p_now and r.state <> 'done' and r.clock_id is not null
      and r.shop_id = any (p_shops)
    union all
    select o.clock_id, o.owner_id from private.lead_clock_owners(p_shops) o
    union all
    select o.clock_id, o.owner_id from private.promise_owners(p_shops, p_now) o
    union all
    select o.clock_id, o.owner_id from private.ticket_owners(p_shops, p_now) o
    union all
    select o.clock_id, o.owner_id from private.approval_owners(p_shops, p_now) o
    union all
    select o.clock_id, o.owner_id from private.task_owners(p_shops) o
$$;
comment on function private.clock_owners(bigint[], timestamptz) is
    'Who holds the work behind open clocks; what is not here lies in the pool. Every area with work rows of its own has a branch.';

create or replace function private.deadline_bucket(p_state text, p_due_at timestamptz, p_now timestamptz) returns text
language sql immutable set search_path = '' as $$
    select case when p_due_at < p_now then 'overdue' when p_due_at <= p_now + interval '30 minutes' then 'soon'
        when p_due_at is not null then 'on_time' else p_state end
$$;
comment on function private.deadline_bucket(text, timestamptz, timestamptz) is
    'overdue, soon (30 minutes, inclusive; product decision), on_time; without a deadline the state: paused or uncovered.';

-- The figures ---------------------------------------------------------------------------------------------------------

create or replace function private.open_figures(p_shops bigint[], p_now timestamptz)
returns table (shop_id bigint, entity text, target text, owner_id bigint, bucket text, count bigint)
language sql stable set search_path = '' as $$
    with counted as (
        select a.shop_id, a.entity, a.target, b.bucket, b.n
        from private.open_areas(p_shops) a
        cross join lateral ( -- as deadline_bucket says, without a call for each row
            select count(*) filter (where c.due_at < p_now) as overdue,
                count(*) filter (where c.due_at >= p_now and c.due_at <= p_now + interval '30 minutes') as soon,
                count(*) filter (where c.due_at > p_now + interval '30 minutes') as on_time,
                count(*) filter (where c.due_at is null and c.state = 'paused') as paused,
                count(*) filter (where c.due_at is null and c.state = 'uncovered') as uncovered
            from public.sla_clocks c
            where c.stopped_at is null and c.shop_id = a.shop_id and c.entity = a.entity and c.target = a.target) f
        cross join lateral (values ('overdue', f.overdue), ('soon', f.soon), ('on_time', f.on_time), ('paused', f.paused),
            ('uncovered', f.uncovered)) b (bucket, n)
    ), owned as (
        select c.shop_id, c.entity, c.target, o.owner_id, private.deadline_bucket(c.state, c.due_at, p_now) as bucket, count(*) as n
        from private.clock_owners(p_shops, p_now) o join public.sla_clocks c on c.id = o.clock_id
        where c.stopped_at is null group by 1, 2, 3, 4, 5
    )
    select shop_id, entity, target, owner_id, bucket, n from owned
    union all
    select c.shop_id, c.entity, c.target, null, c.bucket, c.n - coalesce(sum(o.n), 0)::bigint
    from counted c left join owned o using (shop_id, entity, target, bucket)
    group by c.shop_id, c.entity, c.target, c.bucket, c.n having c.n > coalesce(sum(o.n), 0)
$$;
comment on function private.open_figures(bigint[], timestamptz) is
    'Open clocks by shop, area, owner (null: the pool) and how they stand. The pool is what is left of all: only what is held is looked up.';

create or replace function private.finished_figures(p_shops bigint[], p_days integer, p_now timestamptz)
returns table (shop_id bigint, entity text, target text, day date, met bigint, late bigint)
language sql stable set search_path = '' as $$
    select c.shop_id, c.entity, c.target, (c.stopped_at at time zone s.timezone)::date,
        pg_catalog.count(*) filter (where c.state = 'fulfilled'), pg_catalog.count(*) filter (where c.state = 'fulfilled_late')
    from public.shops s join public.sla_clocks c on c.shop_id = s.id
    where s.id = any (p_shops) and c.stopped_at <= p_now and c.state in ('fulfilled', 'fulfilled_late')
      and c.stopped_at >= ((p_now at time zone s.timezone)::date - (p_days - 1))::timestamp at time zone s.timezone
    group by 1, 2, 3, 4
$$;
comment on function private.finished_figures(bigint[], integer, timestamptz) is
    'Work finished in time and late, by day of the shop''s zone; today is the last of p_days.';

create or replace function public.deadline_overview() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shops bigint[] := array(select private.my_shop_ids());
begin
    return (
        with open as (select f.*, m.display_name as owner_name from private.open_figures(v_shops, v_now) f
            left join public.members m on m.id = f.owner_id
            where private.sees_everybody(v_me) or f.owner_id is null or f.owner_id = v_me.member_id)
        select pg_catalog.jsonb_build_object('at', v_now, 'sees_everybody', private.sees_everybody(v_me),
            'open', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(o)) from open o), '[]'),
            'finished', coalesce((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(f) order by f.day)
                from private.finished_figures(v_shops, 14, v_now) f), '[]'),
            'missing_years', (select coalesce(pg_catalog.jsonb_agg(distinct pg_catalog.to_char(y, 'FM9999')), '[]')
                from (select extract(year from private.first_unknown_day(c.calendar_id, (c.counted_from at time zone k.timezone)::date)) as y
                    from public.sla_clocks c join public.calendars k on k.id = c.calendar_id
                    where c.state = 'uncovered' and c.stopped_at is null and c.shop_id = any (v_shops) limit 200) u where y is not null)));
end;
$$;
grant execute on function public.deadline_overview() to authenticated;
comment on function public.deadline_overview() is
    'Members: 时效总览 of my shops: open [{shop_id, entity, target, owner_id, owner_name, bucket, count}], finished in the last 14 days by day [{shop_id, entity, target, day, met, late}], years whose holiday list is missing. Agents and warehouse: their own and the pool.';

-- The list ------------------------------------------------------------------------------------------------------------

create or replace function private.open_areas(p_shops bigint[]) returns table (shop_id bigint, entity text, target text)
language sql stable set search_path = '' as $$
    with recursive areas as (
        (select c.shop_id, c.entity, c.target from public.sla_clocks c where c.stopped_at is null
         order by c.shop_id, c.entity, c.target limit 1)
        union all
        select n.* from areas a cross join lateral (
            select c.shop_id, c.entity, c.target from public.sla_clocks c
            where c.stopped_at is null and (c.shop_id, c.entity, c.target) > (a.shop_id, a.entity, a.target)
            order by c.shop_id, c.entity, c.target limit 1) n
    )
    select a.shop_id, a.entity, a.target from areas a where a.shop_id = any (p_shops)
$$;
comment on function private.open_areas(bigint[]) is 'Which areas have open clocks in these shops: one step of the index for each, however many clocks there are.';

create or replace function private.list_where(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select pg_catalog.concat_ws(' and ', 'c.stopped_at is null',
        case p ->> 'bucket'
            when 'overdue' then 'c.due_at < $2'
            when 'soon' then 'c.due_at >= $2 and c.due_at <= $2 + interval ''30 minutes'''
            when 'on_time' then 'c.due_at > $2 + interval ''30 minutes'''
            when 'paused' then 'c.due_at is null and c.state = ''paused'''
            when 'uncovered' then 'c.due_at is null and c.state = ''uncovered'''
            else 'c.due_at is not null' end,
        case when p -> 'after' is null then null
            when p ->> 'bucket' in ('paused', 'uncovered') then 'c.id > ($1 -> ''after'' ->> ''id'')::bigint'
            else '(c.due_at, c.id) > (($1 -> ''after'' ->> ''due_at'')::timestamptz, ($1 -> ''after'' ->> ''id'')::bigint)' end,
        'c.id <> all ($3)')
$$;
comment on function private.list_where(jsonb) is
    'Condition of the list as SQL text made of fixed pieces; every value stays a parameter ($1 filter, $2 now, $3 clocks to leave out).';

create or replace function private.list_open(p jsonb, p_shops bigint[], p_hidden bigint[], p_held bigint[], p_limit integer, p_now timestamptz)
returns table (id bigint, due_at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
    if p_held is not null then
        return query execute pg_catalog.format('
            select c.id, c.due_at from public.sla_clocks c
            where c.id = any ($4) and c.shop_id = any ($6) and ($1 ->> ''area'' is null or c.entity || ''.'' || c.target = $1 ->> ''area'')
              and %s order by c.due_at, c.id limit $5', private.list_where(p))
        using p, p_now, p_hidden, p_held, p_limit, p_shops;
        return;
    end if;
    return query execute pg_catalog.format('
        select l.id, l.due_at from private.open_areas($4) a cross join lateral (
            select c.id, c.due_at from public.sla_clocks c
            where c.shop_id = a.shop_id and c.entity = a.entity and c.target = a.target and %s
            order by c.due_at, c.id limit $5) l
        where $1 ->> ''area'' is null or a.entity || ''.'' || a.target = $1 ->> ''area''
        order by l.due_at, l.id limit $5', private.list_where(p))
    using p, p_now, p_hidden, p_shops, p_limit;
end;
$$;
comment on function private.list_open(jsonb, bigint[], bigint[], bigint[], integer, timestamptz) is
    'Ids of a page of open clocks, soonest first: each area from its own index range, or (p_held) only what one person holds.';

create or replace function private.list_late(p jsonb, p_shops bigint[], p_limit integer, p_now timestamptz)
returns table (id bigint, due_at timestamptz)
language sql stable set search_path = '' as $$
    select l.id, l.stopped_at from pg_catalog.unnest(p_shops) s (id) cross join lateral (
        select c.id, c.stopped_at from public.sla_clocks c
        where c.shop_id = s.id and c.stopped_at >= p_now - interval '14 days' and c.state = 'fulfilled_late'
          and (p ->> 'area' is null or c.entity || '.' || c.target = p ->> 'area')
          and (p -> 'after' is null or (c.stopped_at, c.id) < ((p -> 'after' ->> 'due_at')::timestamptz, (p -> 'after' ->> 'id')::bigint))
        order by c.stopped_at desc, c.id desc limit p_limit) l
    order by l.stopped_at desc, l.id desc limit p_limit
$$;
comment on function private.list_late(jsonb, bigint[], integer, timestamptz) is 'Ids of a page of work finished late in the last 14 days, latest first.';

create or replace function private.deadline_rows(p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'shop_id', c.shop_id, 'shop_name', s.name,
        'timezone', s.timezone, 'entity', c.entity, 'entity_id', c.entity_id, 'target', c.target,
        'label', w.label, 'path', w.path, 'policy', c.policy ->> 'name', 'state', c.state, 'due_at', c.due_at,
        'stopped_at', c.stopped_at, 'pause_reason', c.pause_reason, 'bucket', case when c.stopped_at is null
            then private.deadline_bucket(c.state, c.due_at, p_now) else 'late' end,
        'owner_id', w.owner_id, 'owner_name', m.display_name) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n)
    join public.sla_clocks c on c.id = u.id
    join public.shops s on s.id = c.shop_id
    left join lateral private.subjects_of(c.entity, array[c.entity_id], p_now) w on true
    left join public.members m on m.id = w.owner_id
$$;
comment on function private.deadline_rows(bigint[], timestamptz) is 'Rows of the list for these clocks, in their order.';

create or replace function private.deadline_filter(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := coalesce(private.as_json(p), '{}');
begin
    if pg_catalog.jsonb_typeof(v) <> 'object'
        or coalesce(v ->> 'shop_id', '0') !~ '^[0-9]{1,18}$'
        or coalesce(v ->> 'person', 'pool') !~ '^(me|pool|[0-9]{1,18})$'
        or coalesce(v ->> 'bucket', 'open') not in ('open', 'overdue', 'soon', 'on_time', 'paused', 'uncovered', 'late')
        or coalesce(v ->> 'limit', '50') !~ '^[0-9]{1,4}$'
        or (v ? 'after' and coalesce(v -> 'after' ->> 'id', '') !~ '^[0-9]{1,18}$') then
        raise data_exception;
    end if;
    perform (v -> 'after' ->> 'due_at')::timestamptz;
    return v;
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
comment on function private.deadline_filter(jsonb) is 'The filter of the list, its values looked at; filter.bad.';

create or replace function private.page_ids(p_me private.actor, p jsonb, p_shops bigint[], p_limit integer, p_now timestamptz) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_person text := p ->> 'person';
    v_member bigint := case when v_person = 'me' then (p_me).member_id when v_person ~ '^[0-9]+$' then v_person::bigint end;
    v_hidden bigint[] := '{}';
    v_held bigint[];
begin
    if p ->> 'bucket' = 'late' then
        return array(select l.id from private.list_late(p, p_shops, p_limit, p_now) l);
    end if;
    if not private.sees_everybody(p_me) or v_person = 'pool' then
        v_hidden := array(select o.clock_id from private.clock_owners(p_shops, p_now) o
            where v_person = 'pool' or o.owner_id <> (p_me).member_id);
    end if;
    if v_member is not null then
        v_held := array(select o.clock_id from private.clock_owners(p_shops, p_now) o where o.owner_id = v_member);
    end if;
    return array(select l.id from private.list_open(p, p_shops, v_hidden, v_held, p_limit, p_now) l);
end;
$$;
comment on function private.page_ids(private.actor, jsonb, bigint[], integer, timestamptz) is 'The clocks of a page of the list that the person may see.';

create or replace function public.deadline_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v jsonb := private.deadline_filter(p);
    v_limit integer := least(greatest(coalesce((v ->> 'limit')::integer, 50), 1), 200);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where v ->> 'shop_id' is null or s = (v ->> 'shop_id')::bigint);
    v_ids bigint[];
    v_rows jsonb;
begin
    v_ids := private.page_ids(v_me, v, v_shops, v_limit + 1, v_now);
    v_rows := private.deadline_rows(v_ids[1:v_limit], v_now);
    return pg_catalog.jsonb_build_object('rows', v_rows, 'next', case when pg_catalog.cardinality(v_ids) > v_limit then
        pg_catalog.jsonb_build_object('id', v_rows -> -1 -> 'id', 'due_at',
            coalesce(nullif(v_rows -> -1 -> 'stopped_at', 'null'), v_rows -> -1 -> 'due_at')) end);
end;
$$;
grant execute on function public.deadline_list(jsonb) to authenticated;
comment on function public.deadline_list(jsonb) is
    'Members: a page of the clocks of my shops, soonest deadline first: {rows, next}. p: bucket open|overdue|soon|on_time|paused|uncovered|late (finished late in 14 days), shop_id, area (entity.target), person me|pool|id, limit (at most 200), after (the next of the page before). Agents and warehouse: their own and the pool. filter.bad.';

-- The export ----------------------------------------------------------------------------------------------------------

create or replace function private.exported_clocks(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_after bigint, p_limit integer)
returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.id), '[]') from (
        select c.id, s.name as shop_name, s.timezone, c.entity, c.target, w.label,
            c.entity_id, c.instance, c.policy ->> 'name' as policy, c.policy ->> 'version' as policy_version, c.state, c.measure,
            k.code as calendar, c.allowance, c.used, c.started_at, c.due_at, c.stopped_at, c.breached_at, c.pause_reason,
            pg_catalog.round(private.seconds_of(c.pauses) / 60, 1) as paused_minutes
        from (select * from public.sla_clocks where id > p_after and shop_id = any (p_shops) and started_at >= p_from and started_at < p_to
            order by id limit p_limit) c
        join public.shops s on s.id = c.shop_id left join public.calendars k on k.id = c.calendar_id
        left join lateral private.subjects_of(c.entity, array[c.entity_id], p_to) w on true) x
$$;

create or replace function private.exported_events(p_shops bigint[], p_from timestamptz, p_to timestamptz, p_after bigint, p_limit integer)
returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.id), '[]') from (
        select e.id, e.clock_id, s.name as shop_name, s.timezone, c.entity, c.target, w.label,
            e.kind, e.at, m.display_name as who, e.reason, e.state, e.due_at, e.due_version
        from (select * from public.sla_clock_events where id > p_after and shop_id = any (p_shops) and at >= p_from and at < p_to
            order by id limit p_limit) e
        join public.sla_clocks c on c.id = e.clock_id join public.shops s on s.id = e.shop_id
        left join public.members m on m.id = e.actor_id
        left join lateral private.subjects_of(c.entity, array[c.entity_id], p_to) w on true) x
$$;

create or replace function public.export_deadlines(
    p_what text, p_from timestamptz, p_to timestamptz, p_after bigint default 0, p_shop_id bigint default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'analyst', 'manager', 'admin']);
    v_shops bigint[] := array(select s from private.my_shop_ids() s where p_shop_id is null or s = p_shop_id);
    v_from timestamptz := coalesce(p_from, '-infinity');
    v_to timestamptz := coalesce(p_to, 'infinity');
begin
    if p_what is null or p_what not in ('clocks', 'events') then
        perform private.fail('PT422', 'filter.bad');
    end if;
    if coalesce(p_after, 0) = 0 then
        perform private.audit(v_me, p_shop_id, 'export', null, 'exported', pg_catalog.jsonb_build_object('area', 'deadlines',
            'what', p_what, 'from', p_from, 'to', p_to, 'shop_id', p_shop_id));
    end if;
    if p_what = 'clocks' then
        return private.exported_clocks(v_shops, v_from, v_to, coalesce(p_after, 0), 1000);
    end if;
    return private.exported_events(v_shops, v_from, v_to, coalesce(p_after, 0), 1000);
end;
$$;
grant execute on function public.export_deadlines(text, timestamptz, timestamptz, bigint, bigint) to authenticated;
comment on function public.export_deadlines(text, timestamptz, timestamptz, bigint, bigint) is
    'Operations, analyst, manager, admin: clocks (by start) or events (by time) of my shops from a period, 1,000 after an id; the first page is recorded. No personal data. filter.bad.';
