-- 68 ------------------------------------------------------------------------------------ after-sales insight: sums by day
--
-- A page over a year of a million cases reads a few thousand sums, not the cases. Whoever changes a case leaves its number in
-- private.ticket_changes (an insert, so nobody waits for anybody); one fold at a time takes what a case counted before out of
-- its day and puts in what it counts now. A case counts on the day it was registered, in its shop's zone.

create table if not exists private.ticket_changes (
    id bigint generated always as identity primary key,
    ticket_id bigint not null
);
alter table private.ticket_changes enable row level security;
comment on table private.ticket_changes is 'Tickets that changed since the last fold.';

create table if not exists private.ticket_facts (
    ticket_id bigint primary key,
    shop_id bigint not null,
    day date not null,
    type text not null,
    member_id bigint not null,
    root_cause_id bigint not null,
    solved smallint not null,
    solved_24h smallint not null,
    due smallint not null,
    due_24h smallint not null,
    complaints smallint not null,
    complaint_orders smallint not null,
    resolved smallint not null,
    reopened smallint not null,
    first_bucket smallint,
    first_met smallint not null,
    resolve_bucket smallint,
    resolve_met smallint not null,
    paid smallint not null,
    cost numeric(14, 2) not null,
    next_at timestamptz
);
alter table private.ticket_facts enable row level security;
-- The cases behind a figure, the newest first: all of them, and each rare value from a range of its own.
create index if not exists ticket_facts_day_idx on private.ticket_facts (shop_id, day, ticket_id) include (type, member_id, root_cause_id, solved);
create index if not exists ticket_facts_cause_idx on private.ticket_facts (shop_id, root_cause_id, day, ticket_id);
create index if not exists ticket_facts_member_idx on private.ticket_facts (shop_id, member_id, day, ticket_id);
create index if not exists ticket_facts_type_idx on private.ticket_facts (shop_id, type, day, ticket_id);
create index if not exists ticket_facts_unsolved_idx on private.ticket_facts (shop_id, day, ticket_id) where solved = 0 and due = 1;
create index if not exists ticket_facts_next_idx on private.ticket_facts (next_at) where next_at is not null;
comment on table private.ticket_facts is 'What each ticket counts in private.ticket_days at this moment. Cancelled and merged ones count nothing and have no row. next_at: when time alone makes it count more.';

create table if not exists private.ticket_days (
    shop_id bigint not null,
    dim text not null constraint ticket_days_dim_known check (dim in ('all', 'person', 'cause', 'first', 'resolve')),
    day date not null,
    type text not null,
    key bigint not null,
    tickets bigint not null,
    solved bigint not null,
    solved_24h bigint not null,
    due bigint not null,
    due_24h bigint not null,
    complaints bigint not null,
    complaint_orders bigint not null,
    resolved bigint not null,
    reopened bigint not null,
    first_n bigint not null,
    first_met bigint not null,
    resolve_n bigint not null,
    resolve_met bigint not null,
    paid bigint not null,
    cost numeric(16, 2) not null,
    primary key (shop_id, dim, day, type, key)
) with (fillfactor = 80);
alter table private.ticket_days enable row level security;
comment on table private.ticket_days is
    'Sums of tickets by shop, day of registration and type; dim all (key 0), person (member, 0 none), cause (root cause, 0 none), first and resolve (bucket of private.ticket_bucket).';

create or replace function private.ticket_bucket(p_target text, p_minutes numeric) returns smallint
language sql immutable set search_path = '' as $$
    select pg_catalog.width_bucket(p_minutes - 0.000001, case p_target
        when 'first' then array[5, 15, 30, 60, 120, 240]::numeric[] else array[120, 360, 720, 1440, 2880, 4320]::numeric[] end)::smallint
$$;
comment on function private.ticket_bucket(text, numeric) is
    'Bar of a histogram for used minutes: first response up to 5, 15, 30, 60, 120, 240 minutes or more (0–6); resolution up to 2, 6, 12, 24, 48, 72 hours or more.';

-- What changed -----------------------------------------------------------------------------------------------------------

create or replace function private.tg_tickets_added() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.ticket_changes (ticket_id) select n.id from added n;
    return null;
end;
$$;
create or replace function private.tg_tickets_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.ticket_changes (ticket_id)
    select n.id from changed n join before o using (id)
    where (n.state, n.type, n.owner_id, n.root_cause_id, n.is_complaint, n.order_id, n.first_resolved_at, n.instance, n.shop_id)
        is distinct from (o.state, o.type, o.owner_id, o.root_cause_id, o.is_complaint, o.order_id, o.first_resolved_at, o.instance, o.shop_id);
    return null;
end;
$$;
create or replace function private.tg_ticket_touched() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.ticket_changes (ticket_id) values ((pg_catalog.to_jsonb(new) ->> tg_argv[0])::bigint);
    return null;
end;
$$;
comment on function private.tg_ticket_touched() is 'A clock of the case stopped or its deadline moved, or its money changed: it is counted again.';
create or replace trigger t80_counted_new after insert on public.tickets
    referencing new table as added for each statement execute function private.tg_tickets_added();
create or replace trigger t80_counted after update on public.tickets
    referencing old table as before new table as changed for each statement execute function private.tg_tickets_changed();
create or replace trigger t80_counted after update on public.sla_clocks
    for each row when (new.entity in ('ticket', 'public_complaint') and new.target in ('first', 'answer', 'resolve')
        and (old.stopped_at is distinct from new.stopped_at or (new.target = 'resolve' and old.due_at is distinct from new.due_at)))
    execute function private.tg_ticket_touched('entity_id');
create or replace trigger t80_counted after insert or update on public.ticket_money
    for each row execute function private.tg_ticket_touched('ticket_id');
create or replace trigger t80_counted after insert on public.surveys
    for each row when (new.ticket_id is not null) execute function private.tg_ticket_touched('ticket_id');
create index if not exists tickets_complaints_idx on public.tickets (order_id, id) where is_complaint and order_id is not null;

-- What a case counts -------------------------------------------------------------------------------------------------------

create or replace function private.outcome_due_at(p_ticket_id bigint, p_registered_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select coalesce((select coalesce(c.breached_at, c.due_at, 'infinity') from public.sla_clocks c
        where c.entity = 'ticket' and c.entity_id = p_ticket_id and c.target = 'resolve' and c.state <> 'cancelled' order by c.instance desc limit 1),
        p_registered_at + interval '24 hours')
$$;
comment on function private.outcome_due_at(bigint, timestamptz) is
    'From when on a case that is not solved counts as not solved: its deadline of resolution (infinity while that stands still, unless it was missed before), 24 hours after registration where it has none. Until then it is in time, and lowers no rate (product decision).';

create or replace function private.count_tickets(p_ids bigint[], p_now timestamptz default private.now()) returns setof private.ticket_facts
language sql stable rows 1000 set search_path = '' as $$
    select t.id, t.shop_id, (t.registered_at at time zone s.timezone)::date, t.type,
        coalesce(h.handler_id, t.owner_id, 0), coalesce(t.root_cause_id, 0),
        (x.is_solved)::integer::smallint,
        (x.is_solved and t.first_resolved_at <= t.registered_at + interval '24 hours')::integer::smallint,
        (d.due_at <= p_now)::integer::smallint, (d.day_at <= p_now)::integer::smallint,
        t.is_complaint::integer::smallint,
        (t.is_complaint and t.order_id is not null and not exists (select from public.tickets e
            where e.order_id = t.order_id and e.is_complaint and e.id < t.id and e.state not in ('cancelled', 'merged')))::integer::smallint,
        (t.first_resolved_at is not null)::integer::smallint,
        (t.first_resolved_at is not null and t.instance > 1)::integer::smallint,
        private.ticket_bucket('first', f.used), coalesce((f.state = 'fulfilled')::integer, 0)::smallint,
        private.ticket_bucket('resolve', r.used), coalesce((r.state = 'fulfilled')::integer, 0)::smallint,
        (m.cost > 0)::integer::smallint, m.cost,
        nullif(least(case when d.due_at > p_now then d.due_at end, case when d.day_at > p_now then d.day_at end), 'infinity')
    from public.tickets t
    join public.shops s on s.id = t.shop_id
    cross join lateral (select t.first_resolved_at is not null and t.state in ('resolved', 'revisit', 'review', 'closed') as is_solved) x
    cross join lateral (select coalesce(t.first_resolved_at, private.outcome_due_at(t.id, t.registered_at)) as due_at,
        coalesce(t.first_resolved_at, t.registered_at + interval '24 hours') as day_at) d
    left join lateral (select v.handler_id from public.surveys v where v.ticket_id = t.id and v.kind = 'ticket'
        order by v.instance desc limit 1) h on true
    left join lateral (select c.used, c.state from public.sla_clocks c where c.entity_id = t.id and c.instance = 1
        and ((c.entity = 'ticket' and c.target = 'first') or (c.entity = 'public_complaint' and c.target = 'answer'))
        and c.state in ('fulfilled', 'fulfilled_late') order by c.id desc limit 1) f on true
    left join lateral (select c.used, c.state from public.sla_clocks c where c.entity = 'ticket' and c.entity_id = t.id
        and c.target = 'resolve' and c.instance = 1 and c.state in ('fulfilled', 'fulfilled_late')) r on true
    cross join lateral (select coalesce(pg_catalog.sum(coalesce(p.approved_amount, p.amount)), 0) as cost from public.ticket_money p
        where p.ticket_id = t.id and p.kind in ('compensation', 'gift') and p.state in ('approved', 'granted', 'paid')) m
    where t.id = any (p_ids) and t.state not in ('cancelled', 'merged')
$$;
comment on function private.count_tickets(bigint[], timestamptz) is
    'What these tickets count. person: who resolved it, else who owns it. solved: resolved and not worked on again; 24 h on the wall from registration to the first resolution. due: ever solved, or private.outcome_due_at is over; due_24h: ever solved, or 24 h old. complaint_orders: the first complaint of an order. first and resolve: minutes of the clocks'' first instance. cost: compensation, and gifts at cost, that were granted.';

create or replace function private.fact_cells(p_fact private.ticket_facts) returns table (dim text, key bigint)
language sql immutable rows 5 set search_path = '' as $$
    select c.dim, c.key from (values ('all', 0::bigint), ('person', (p_fact).member_id), ('cause', (p_fact).root_cause_id),
        ('first', (p_fact).first_bucket::bigint), ('resolve', (p_fact).resolve_bucket::bigint)) c (dim, key) where c.key is not null
$$;

create or replace function private.count_days(p_old private.ticket_facts[], p_new private.ticket_facts[]) returns void
language sql volatile set search_path = '' as $$
    insert into private.ticket_days as d (shop_id, dim, day, type, key, tickets, solved, solved_24h, due, due_24h, complaints,
        complaint_orders, resolved, reopened, first_n, first_met, resolve_n, resolve_met, paid, cost)
    select f.shop_id, c.dim, f.day, f.type, c.key, sum(f.sign), sum(f.sign * f.solved), sum(f.sign * f.solved_24h), sum(f.sign * f.due),
        sum(f.sign * f.due_24h), sum(f.sign * f.complaints), sum(f.sign * f.complaint_orders), sum(f.sign * f.resolved), sum(f.sign * f.reopened), sum(f.sign * (f.first_bucket is not null)::integer),
        sum(f.sign * f.first_met), sum(f.sign * (f.resolve_bucket is not null)::integer), sum(f.sign * f.resolve_met), sum(f.sign * f.paid),
        sum(f.sign * f.cost)
    from (select -1 as sign, o.* from pg_catalog.unnest(p_old) o union all select 1, n.* from pg_catalog.unnest(p_new) n) f
    cross join lateral private.fact_cells((f.ticket_id, f.shop_id, f.day, f.type, f.member_id, f.root_cause_id, f.solved, f.solved_24h,
        f.due, f.due_24h, f.complaints, f.complaint_orders, f.resolved, f.reopened, f.first_bucket, f.first_met, f.resolve_bucket, f.resolve_met, f.paid,
        f.cost, f.next_at)::private.ticket_facts) c
    group by f.shop_id, c.dim, f.day, f.type, c.key
    on conflict (shop_id, dim, day, type, key) do update set tickets = d.tickets + excluded.tickets, solved = d.solved + excluded.solved,
        solved_24h = d.solved_24h + excluded.solved_24h, due = d.due + excluded.due, due_24h = d.due_24h + excluded.due_24h, complaints = d.complaints + excluded.complaints,
        complaint_orders = d.complaint_orders + excluded.complaint_orders, resolved = d.resolved + excluded.resolved,
        reopened = d.reopened + excluded.reopened, first_n = d.first_n + excluded.first_n, first_met = d.first_met + excluded.first_met,
        resolve_n = d.resolve_n + excluded.resolve_n, resolve_met = d.resolve_met + excluded.resolve_met, paid = d.paid + excluded.paid,
        cost = d.cost + excluded.cost
$$;
comment on function private.count_days(private.ticket_facts[], private.ticket_facts[]) is 'Takes old facts out of their days and puts new ones in.';

create or replace function private.fold_tickets(p_limit integer default 3000, p_now timestamptz default private.now()) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_ids bigint[];
    v_old private.ticket_facts[];
    v_new private.ticket_facts[];
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7316068) then
        return 0;
    end if;
    with due as (
        update private.ticket_facts f set next_at = null
        where f.ticket_id in (select n.ticket_id from private.ticket_facts n where n.next_at <= p_now order by n.next_at limit p_limit)
        returning f.ticket_id
    )
    insert into private.ticket_changes (ticket_id) select ticket_id from due;
    with taken as (
        delete from private.ticket_changes where id in (select c.id from private.ticket_changes c order by c.id limit p_limit) returning ticket_id
    )
    select array_agg(distinct ticket_id) into v_ids from taken;
    if v_ids is null then
        return 0;
    end if;
    v_ids := array(select pg_catalog.unnest(v_ids) union
        select o.id from public.tickets t join public.tickets o on o.order_id = t.order_id and o.is_complaint where t.id = any (v_ids));
    v_old := array(select f from private.ticket_facts f where f.ticket_id = any (v_ids));
    v_new := array(select f from private.count_tickets(v_ids, p_now) f);
    perform private.count_days(v_old, v_new);
    delete from private.ticket_facts where ticket_id = any (v_ids);
    insert into private.ticket_facts select n.* from pg_catalog.unnest(v_new) n;
    return cardinality(v_ids);
end;
$$;
comment on function private.fold_tickets(integer, timestamptz) is
    'Counts tickets that changed, or whose outcome has become due; one at a time, the others go on. Complaints of the same order are counted anew with it: only the first one of an order counts. Answers how many.';
