-- 59 -------------------------------------------------------------------------------------------- lead insight: sums by day
--
-- A page over a year of a million leads reads a few thousand sums, not the leads. Whatever changes a lead leaves its number in
-- private.lead_changes; one fold at a time takes what the lead counted before out of its days and puts in what it counts now
-- (as 68_ticket_insight does). A lead counts on the day it was captured, in its shop's zone; a loss on the day of the loss.

create table if not exists private.lead_changes (
    id bigint generated always as identity primary key,
    lead_id bigint not null
);
alter table private.lead_changes enable row level security;
comment on table private.lead_changes is 'Leads that changed since the last fold.';

create table if not exists private.lead_facts (
    lead_id bigint primary key,
    shop_id bigint not null,
    day date not null,
    source text not null,
    owner_id bigint not null,
    grade text not null,
    assigned smallint not null,
    followed smallint not null,
    contacted smallint not null,
    furthest smallint not null,
    converted smallint not null,
    recycled integer not null,
    first_on_time smallint not null,
    first_late smallint not null,
    speed smallint,
    lost text,
    let_go text[] not null,
    scripts text[] not null
);
alter table private.lead_facts enable row level security;
comment on table private.lead_facts is 'What each lead counts in private.lead_days at this moment. A merged one counts nothing and has no row.';
comment on column private.lead_facts.furthest is 'Of the four stages; one that bought went through all.';
comment on column private.lead_facts.speed is 'private.speed_bucket of the hours from capture to the first follow-up.';
comment on column private.lead_facts.lost is '<day>|<stage>:<reason>; let_go: <day>|<how it ended>:<member>, for each person who let it go; scripts: <script>:<whether it bought after that>, for each script copied for it.';

create table if not exists private.lead_days (
    shop_id bigint not null,
    dim text not null constraint lead_days_dim_known check (dim in ('all', 'source', 'owner', 'grade', 'speed', 'lost', 'let_go', 'script', 'script_won')),
    day date not null,
    key text not null,
    captured bigint not null,
    assigned bigint not null,
    followed bigint not null,
    contacted bigint not null,
    discovery bigint not null,
    objection bigint not null,
    closing bigint not null,
    converted bigint not null,
    lost bigint not null,
    recycled bigint not null,
    first_on_time bigint not null,
    first_late bigint not null,
    primary key (shop_id, dim, day, key)
) with (fillfactor = 80);
alter table private.lead_days enable row level security;
comment on table private.lead_days is
    'Sums of leads by shop and day; dim all (key ''''), source, owner (member, 0 none), grade, speed (grade:bucket, how many in captured), lost (stage:reason), let_go (ended_as:member), script and script_won (script), each how many in captured.';

create index if not exists leads_untouched_idx on public.leads (shop_id, captured_at) include (due_sort, source, owner_id, grade)
    where first_follow_up_at is null and state in ('pool', 'assigned', 'following');

create or replace function private.speed_bucket(p_hours numeric) returns smallint
language sql immutable strict set search_path = '' as $$ select pg_catalog.floor(10 * pg_catalog.ln(1 + greatest(p_hours, 0)))::smallint $$;
create or replace function private.speed_edge(p_bucket integer) returns numeric
language sql immutable set search_path = '' as $$ select pg_catalog.exp(p_bucket / 10.0) - 1 $$;
comment on function private.speed_bucket(numeric) is 'Class of a span in hours, each a tenth wider than the one before: medians of a million leads from a few dozen sums, right to about 3 %.';
comment on function private.speed_edge(integer) is 'Hours at which a class begins.';

-- What changed --------------------------------------------------------------------------------------------------------

create or replace function private.tg_leads_added() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.lead_changes (lead_id) select n.id from added n;
    return null;
end;
$$;
create or replace function private.tg_leads_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.lead_changes (lead_id)
    select n.id from changed n join before o using (id)
    where (n.state, n.owner_id, n.source, n.grade, n.furthest, n.first_follow_up_at, n.first_contact_at, n.is_first_on_time, n.recycled, n.shop_id)
        is distinct from (o.state, o.owner_id, o.source, o.grade, o.furthest, o.first_follow_up_at, o.first_contact_at, o.is_first_on_time, o.recycled, o.shop_id);
    return null;
end;
$$;
create or replace function private.tg_lead_script() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into private.lead_changes (lead_id) values (new.entity_id);
    return null;
end;
$$;
comment on function private.tg_lead_script() is 'A script was copied for a lead: it is counted again.';
create or replace trigger t80_counted after insert on public.script_uses
    for each row when (new.entity = 'lead') execute function private.tg_lead_script();
create or replace trigger t80_counted_new after insert on public.leads
    referencing new table as added for each statement execute function private.tg_leads_added();
create or replace trigger t80_counted after update on public.leads
    referencing old table as before new table as changed for each statement execute function private.tg_leads_changed();

-- What a lead counts --------------------------------------------------------------------------------------------------

create or replace function private.count_leads(p_ids bigint[]) returns setof private.lead_facts
language sql stable rows 1000 set search_path = '' as $$
    select l.id, l.shop_id, (l.captured_at at time zone s.timezone)::date, l.source, coalesce(l.owner_id, 0), l.grade,
        (l.owner_id is not null or l.recycled > 0)::integer::smallint, (l.first_follow_up_at is not null or l.state = 'converted')::integer::smallint,
        (l.first_contact_at is not null or l.state = 'converted')::integer::smallint, case l.state when 'converted' then 4 else l.furthest end::smallint,
        (l.state = 'converted')::integer::smallint, l.recycled, coalesce(l.is_first_on_time, false)::integer::smallint,
        coalesce(not l.is_first_on_time, false)::integer::smallint,
        private.speed_bucket(extract(epoch from l.first_follow_up_at - l.captured_at) / 3600),
        case l.state when 'lost' then (l.closed_at at time zone s.timezone)::date || '|' || l.stage || ':' || l.lost_reason end,
        array(select (o.until at time zone s.timezone)::date || '|' || o.ended_as || ':' || o.member_id from public.lead_owners o
            where o.lead_id = l.id and o.ended_as in ('recycled', 'given_back', 'taken_over') order by o.id),
        array(select u.script_id || ':' || (l.state = 'converted' and l.closed_at >= pg_catalog.min(u.at)) from public.script_uses u
            where u.entity = 'lead' and u.entity_id = l.id group by u.script_id order by u.script_id)
    from public.leads l join public.shops s on s.id = l.shop_id where l.id = any (p_ids) and l.state <> 'merged'
$$;
comment on function private.count_leads(bigint[]) is 'What these leads count. A lead that bought counts as having reached every stage.';

create or replace function private.lead_cells(p private.lead_facts) returns table (dim text, day date, key text)
language sql immutable rows 6 set search_path = '' as $$
    select c.dim, (p).day, c.key from (values ('all', ''), ('source', (p).source), ('owner', (p).owner_id::text), ('grade', (p).grade),
        ('speed', (p).grade || ':' || (p).speed)) c (dim, key) where c.key is not null
    union all
    select x.dim, pg_catalog.split_part(x.told, '|', 1)::date, pg_catalog.split_part(x.told, '|', 2)
    from (select 'lost' as dim, (p).lost as told union all select 'let_go', g from pg_catalog.unnest((p).let_go) g) x where x.told is not null
    union all
    select d.dim, (p).day, pg_catalog.split_part(u.told, ':', 1) from pg_catalog.unnest((p).scripts) u (told)
    cross join (values ('script', false), ('script_won', true)) d (dim, is_won) where not d.is_won or u.told like '%:true'
$$;

create or replace function private.count_lead_days(p_old private.lead_facts[], p_new private.lead_facts[]) returns void
language sql volatile set search_path = '' as $$
    insert into private.lead_days as d (shop_id, dim, day, key, captured, assigned, followed, contacted, discovery, objection, closing, converted,
        lost, recycled, first_on_time, first_late)
    select (f.fact).shop_id, c.dim, c.day, c.key, sum(f.sign), sum(f.sign * (f.fact).assigned), sum(f.sign * (f.fact).followed),
        sum(f.sign * (f.fact).contacted), sum(f.sign * ((f.fact).furthest >= 2)::integer), sum(f.sign * ((f.fact).furthest >= 3)::integer),
        sum(f.sign * ((f.fact).furthest >= 4)::integer), sum(f.sign * (f.fact).converted), sum(f.sign * ((f.fact).lost is not null)::integer),
        sum(f.sign * (f.fact).recycled), sum(f.sign * (f.fact).first_on_time), sum(f.sign * (f.fact).first_late)
    from (select -1 as sign, o as fact from pg_catalog.unnest(p_old) o union all select 1, n from pg_catalog.unnest(p_new) n) f
    cross join lateral private.lead_cells(f.fact) c
    group by (f.fact).shop_id, c.dim, c.day, c.key
    order by 1, 2, 3, 4
    on conflict (shop_id, dim, day, key) do update set captured = d.captured + excluded.captured, assigned = d.assigned + excluded.assigned,
        followed = d.followed + excluded.followed, contacted = d.contacted + excluded.contacted, discovery = d.discovery + excluded.discovery,
        objection = d.objection + excluded.objection, closing = d.closing + excluded.closing, converted = d.converted + excluded.converted,
        lost = d.lost + excluded.lost, recycled = d.recycled + excluded.recycled, first_on_time = d.first_on_time + excluded.first_on_time,
        first_late = d.first_late + excluded.first_late
$$;
comment on function private.count_lead_days(private.lead_facts[], private.lead_facts[]) is 'Takes old facts out of their days and puts new ones in.';

create or replace function private.fold_leads(p_limit integer default 5000) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_ids bigint[];
    v_old private.lead_facts[];
    v_new private.lead_facts[];
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7316059) then
        return 0;
    end if;
    with taken as (
        delete from private.lead_changes where id in (select c.id from private.lead_changes c order by c.id limit p_limit) returning lead_id
    )
    select pg_catalog.array_agg(distinct lead_id) into v_ids from taken;
    if v_ids is null then
        return 0;
    end if;
    v_old := array(select f from private.lead_facts f where f.lead_id = any (v_ids));
    v_new := array(select f from private.count_leads(v_ids) f);
    perform private.count_lead_days(v_old, v_new);
    delete from private.lead_facts where lead_id = any (v_ids);
    insert into private.lead_facts select n.* from pg_catalog.unnest(v_new) n;
    return pg_catalog.cardinality(v_ids);
end;
$$;
comment on function private.fold_leads(integer) is 'Counts leads that changed; one at a time, the others go on. Answers how many.';

insert into private.lead_changes (lead_id)
select l.id from public.leads l where not exists (select from private.lead_facts) and not exists (select from private.lead_changes);
