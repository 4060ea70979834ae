-- 96 ------------------------------------------------------------------------------------------ KPIs: asked for, and kept by day
--
-- private.kpi_parts counts from the rows themselves. What it counts for each finished day is kept (private.kpi_snapshots), and
-- pages read what is kept; days are counted again while their rows may still come in.

create or replace function private.kpi_parts(p_codes text[], p_shops bigint[], p_from date, p_to date, p_now timestamptz, p_versions jsonb default '{}')
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language plpgsql stable set search_path = '' as $$
begin
    if exists (select from public.kpis k where k.code = any (p_codes) and k.sources && array['chats', 'performance', 'reviews', 'traffic']) then
        return query select * from private.kpi_of_talks(p_shops, p_from, p_to, p_versions) t where t.code = any (p_codes);
    end if;
    if p_codes && array['客单价(店铺)', '客诉率'] then
        return query select * from private.kpi_of_orders(p_shops, p_from, p_to) o where o.code = any (p_codes);
    end if;
    if '履约准时率' = any (p_codes) then
        return query select * from private.kpi_of_promises(p_shops, p_from, p_to, p_now, p_versions);
    end if;
    if '复购周期' = any (p_codes) then
        return query select * from private.kpi_of_buyers(p_shops, p_from, p_to);
    end if;
    if p_codes && array['解决率', '24小时解决率', '知识库复用率', '退货处理时长'] then
        return query select * from private.kpi_of_cases(p_shops, p_from, p_to, p_now) c where c.code = any (p_codes);
    end if;
    if p_codes && array['流程优化达标率', '验收通过率'] then
        return query select * from private.kpi_of_tasks(p_shops, p_from, p_to) i where i.code = any (p_codes);
    end if;
end;
$$;
comment on function private.kpi_parts(text[], bigint[], date, date, timestamptz, jsonb) is
    'What there is to count of these KPIs in days of these shops: one row a KPI, shop, day, agent and shift. Sums of it make every period, but 复购率, which private.kpi_repeat counts for a period at a time. p_versions {code: version}: of others than the newest.';

create or replace function private.kpi_value(p_unit text, p_numerator numeric, p_denominator numeric) returns numeric
language sql immutable set search_path = '' as $$
    select round(case when p_denominator is null then p_numerator
        when p_denominator = 0 then null
        when p_unit = '%' then 100 * p_numerator / p_denominator else p_numerator / p_denominator end, 4)
$$;
comment on function private.kpi_value(text, numeric, numeric) is 'The figure, four decimals: a count, a share in percent, or a mean. Null without anything to divide by.';

create or replace function private.kpi_has_file(p_sources text[], p_shops bigint[], p_from date, p_to date) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from unnest(p_sources) k (kind) cross join public.shops s
        cross join lateral (select p_from::timestamp at time zone s.timezone as first, (p_to + 1)::timestamp at time zone s.timezone as next) d
        where s.id = any (p_shops) and case k.kind
            when 'performance' then exists (select from public.agent_days a where a.shop_id = s.id and a.day between p_from and p_to)
            when 'traffic' then exists (select from public.visitor_days v where v.shop_id = s.id and v.day between p_from and p_to)
            when 'chats' then exists (select from public.chat_messages m where m.shop_id = s.id and m.sent_at >= d.first and m.sent_at < d.next)
            when 'reviews' then exists (select from public.ratings r where r.shop_id = s.id and r.rated_at >= d.first and r.rated_at < d.next)
            else exists (select from public.orders o where o.shop_id = s.id and o.placed_at < d.next) end)
$$;
comment on function private.kpi_has_file(text[], bigint[], date, date) is
    'Whether any of these kinds of file said anything of these days of these shops. Orders are rows of the desk: of them any until then will do.';

create or replace function private.kpi_missing(p_sources text[], p_shops bigint[], p_from date, p_to date) returns text[]
language sql stable set search_path = '' as $$
    select case when cardinality(p_sources) = 0 then '{}'
        when not private.kpi_has_file(p_sources, p_shops, p_from, p_to) then p_sources
        when p_sources = '{traffic}' and not private.kpi_has_file('{chats,performance}', p_shops, p_from, p_to) then '{chats,performance}'
        else '{}' end
$$;
comment on function private.kpi_missing(text[], bigint[], date, date) is
    'The kinds of file, any of which would do, if none said anything of these days of these shops. Visitors alone are not enough: who asked stands in chats or sheets.';

create or replace function private.kpi_scope(p_by text, p_shop_id bigint, p_day date, p_agent text, p_shift text) returns text
language sql stable set search_path = '' as $$
    select case p_by when 'shop' then (select s.code from public.shops s where s.id = p_shop_id)
        when 'day' then p_day::text
        when 'shift' then p_shift
        when 'person' then coalesce((select m.display_name from public.agent_names n join public.members m on m.id = n.member_id
            where n.shop_id = p_shop_id and n.agent = p_agent), p_agent) end
$$;

create or replace function private.kpi_live(p_codes text[], p_shops bigint[], p_from date, p_to date, p_by text, p_now timestamptz, p_versions jsonb default '{}')
returns table (code text, scope text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    select p.code, private.kpi_scope(p_by, p.shop_id, p.day, p.agent, p.shift), sum(p.numerator), sum(p.denominator), sum(p.sample)::bigint
    from private.kpi_parts(p_codes, p_shops, p_from, p_to, p_now, p_versions) p
    where (p_by is distinct from 'person' or p.agent is not null)
      and (p_by is distinct from 'shift' or p.code in (select k.code from public.kpis k where k.no_shift is null))
    group by 1, 2
    union all
    select '复购率', private.kpi_scope(p_by, r.shop_id, r.day, null, null), sum(r.numerator), sum(r.denominator), sum(r.sample)::bigint
    from (
        select x.*, null::date as day from private.kpi_repeat(p_shops, p_from, p_to) x where p_by is distinct from 'day'
        union all
        select x.*, d::date from generate_series(p_from, p_to, interval '1 day') d cross join lateral private.kpi_repeat(p_shops, d::date, d::date) x
        where p_by = 'day') r
    where '复购率' = any (p_codes) and coalesce(p_by, '') not in ('person', 'shift')
    group by 2
$$;
comment on function private.kpi_live(text[], bigint[], date, date, text, timestamptz, jsonb) is 'Sums of a period from the rows themselves, whole or by shop, person, shift or day. What no shift can be named for is left out by shift.';

create or replace function private.check_kpi_period(p_from date, p_to date, p_most integer) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_from is null or p_to is null or not isfinite(p_from) or not isfinite(p_to) or p_to < p_from or p_to - p_from > p_most then
        perform private.fail('PT422', 'kpi.period', jsonb_build_object('days', p_most));
    end if;
end;
$$;

create or replace function private.kpi_codes(p_codes jsonb) returns text[]
language plpgsql stable set search_path = '' as $$
declare
    v_codes jsonb := coalesce(private.as_json(p_codes), '[]');
    v_unknown text;
begin
    if jsonb_typeof(v_codes) <> 'array' then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    select c into v_unknown from jsonb_array_elements_text(v_codes) c where not exists (select from public.kpis k where k.code = c) limit 1;
    if v_unknown is not null then
        perform private.fail('PT422', 'kpi.unknown', jsonb_build_object('code', left(v_unknown, 40)));
    end if;
    return array(select k.code from public.kpis k where v_codes = '[]' or v_codes ? k.code order by k.position);
end;
$$;
comment on function private.kpi_codes(jsonb) is 'The KPIs that a request names, all when it names none. kpi.unknown.';

create or replace function public.kpi_figures(p_codes jsonb, p_from date, p_to date, p_by text default null, p_shop_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array['operations', 'analyst', 'manager', 'admin']);
    v_codes text[] := private.kpi_codes(p_codes);
    v_shops bigint[] := array(select s.id from public.shops s where (p_shop_id is null or s.id = p_shop_id)
        and (v_me.role = 'system' or s.id in (select private.my_shop_ids())));
begin
    perform private.check_kpi_period(p_from, p_to, 1100);
    if p_by is not null and p_by not in ('shop', 'person', 'shift', 'day') then
        perform private.fail('PT422', 'kpi.by');
    end if;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('code', k.code, 'value', private.kpi_value(k.unit, f.numerator, f.denominator),
                'numerator', f.numerator, 'denominator', f.denominator, 'sample', coalesce(f.sample, 0), 'unit', k.unit, 'version', k.version,
                'missing', case when f.code is null then private.kpi_missing(k.sources, v_shops, p_from, p_to) else '{}' end)
            || case when p_by is null then '{}' else jsonb_build_object(p_by, f.scope) end order by k.position, f.scope), '[]')
        from public.kpis k left join private.kpi_live(v_codes, v_shops, p_from, p_to, p_by, private.now()) f on f.code = k.code
        where k.code = any (v_codes) and (p_by is null or f.code is not null));
end;
$$;
grant execute on function public.kpi_figures(jsonb, date, date, text, bigint) to authenticated, service_role;
comment on function public.kpi_figures(jsonb, date, date, text, bigint) is
    'Operations, analysts, managers, admins, the command: KPIs (none named: all) of days p_from to p_to, both included, of my shops or one, counted anew: [{code, value (null: nothing to divide by), numerator, denominator, sample, unit, version, missing (files without which it cannot be said)}], with p_by shop, person, shift ((off): outside all, (day): the source knows days alone) or day also that. kpi.unknown, kpi.period, kpi.by.';

-- Kept by day ---------------------------------------------------------------------------------------------------------

create table if not exists private.kpi_snapshots (
    shop_id bigint not null,
    code text not null,
    day date not null,
    agent text not null default '',
    shift text not null default '(day)',
    version integer not null,
    numerator numeric not null,
    denominator numeric,
    sample bigint not null,
    primary key (shop_id, code, day, agent, shift)
);
create index if not exists kpi_snapshots_day_idx on private.kpi_snapshots (shop_id, day);
alter table private.kpi_snapshots enable row level security;
comment on table private.kpi_snapshots is 'What was counted for a KPI, shop, day, agent (empty: the shop''s own) and shift. 复购率: of the 90 days up to that day.';

create table if not exists private.kpi_whole_days (
    shop_id bigint not null,
    day date not null,
    code text not null,
    numerator numeric not null,
    denominator numeric,
    sample numeric not null,
    primary key (shop_id, day, code)
);
alter table private.kpi_whole_days enable row level security;
comment on table private.kpi_whole_days is 'The same days with all agents and shifts together: what a page reads while nobody and no shift is chosen.';

create table if not exists private.kpi_months (
    shop_id bigint not null,
    month date not null,
    code text not null,
    agent text not null,
    shift text not null default '(day)',
    numerator numeric not null,
    denominator numeric,
    sample numeric not null,
    primary key (shop_id, month, code, agent, shift)
);
alter table private.kpi_months enable row level security;
comment on table private.kpi_months is 'The kept days of a month together, of figures that days add up to: a year is twelve of them, not 365.';

create table if not exists private.kpi_runs (
    shop_id bigint not null,
    day date not null,
    made_at timestamptz,
    primary key (shop_id, day)
);
create index if not exists kpi_runs_due_idx on private.kpi_runs (made_at, day);
alter table private.kpi_runs enable row level security;
comment on table private.kpi_runs is 'Days that are kept: when each was counted last; null: to be counted anew.';

create or replace function private.snapshot_day(p_shop_id bigint, p_day date, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('kpi ' || p_shop_id, 0));
    delete from private.kpi_snapshots where shop_id = p_shop_id and day = p_day;
    insert into private.kpi_snapshots (shop_id, code, day, agent, shift, version, numerator, denominator, sample)
    select p_shop_id, p.code, p_day, coalesce(p.agent, ''), p.shift, max(k.version), sum(p.numerator), sum(p.denominator), sum(p.sample)
    from private.kpi_parts(array(select k.code from public.kpis k), array[p_shop_id], p_day, p_day, p_now) p
    join public.kpis k on k.code = p.code
    where p.numerator is not null group by p.code, coalesce(p.agent, ''), p.shift
    union all
    select p_shop_id, k.code, p_day, '', '(day)', k.version, r.numerator, r.denominator, r.sample
    from private.kpi_repeat(array[p_shop_id], p_day - 89, p_day) r cross join public.kpis k where k.code = '复购率';
    delete from private.kpi_whole_days where shop_id = p_shop_id and day = p_day;
    insert into private.kpi_whole_days (shop_id, day, code, numerator, denominator, sample)
    select shop_id, day, code, sum(numerator), sum(denominator), sum(sample) from private.kpi_snapshots
    where shop_id = p_shop_id and day = p_day group by shop_id, day, code;
    delete from private.kpi_months where shop_id = p_shop_id and month = date_trunc('month', p_day::timestamp)::date;
    insert into private.kpi_months (shop_id, month, code, agent, shift, numerator, denominator, sample)
    select p_shop_id, date_trunc('month', p_day::timestamp)::date, s.code, s.agent, s.shift, sum(s.numerator), sum(s.denominator), sum(s.sample)
    from private.kpi_snapshots s join public.kpis k on k.code = s.code and k.is_additive
    where s.shop_id = p_shop_id and s.day >= date_trunc('month', p_day::timestamp) and s.day < date_trunc('month', p_day::timestamp) + interval '1 month'
    group by s.code, s.agent, s.shift;
    insert into private.kpi_runs (shop_id, day, made_at) values (p_shop_id, p_day, p_now)
    on conflict (shop_id, day) do update set made_at = excluded.made_at;
end;
$$;
comment on function private.snapshot_day(bigint, date, timestamptz) is
    'Counts a day of a shop and keeps it, and its month, in place of what was kept: any number of times with the same end.';

create or replace function private.plan_snapshots(p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into private.kpi_runs (shop_id, day)
    select s.id, d::date from public.shops s
    cross join lateral generate_series((p_now at time zone s.timezone)::date - 35, (p_now at time zone s.timezone)::date, interval '1 day') d
    where s.is_active on conflict do nothing
$$;

create or replace function private.keep_kpis(p_now timestamptz, p_limit integer default 3) returns integer
language plpgsql set search_path = '' as $$
declare
    v_run record;
    v_count integer := 0;
    v_begun timestamptz := pg_catalog.clock_timestamp();
begin
    perform private.plan_snapshots(p_now);
    for v_run in
        select r.shop_id, r.day from private.kpi_runs r join public.shops s on s.id = r.shop_id
        where r.made_at is null
           or (r.day >= (p_now at time zone s.timezone)::date - 1 and r.made_at < p_now - interval '1 hour')
           or (r.day >= (p_now at time zone s.timezone)::date - 35 and r.made_at < p_now - interval '1 day')
        order by r.made_at nulls first, r.day desc limit p_limit
        for update of r skip locked
    loop
        perform private.snapshot_day(v_run.shop_id, v_run.day, p_now);
        v_count := v_count + 1;
        exit when pg_catalog.clock_timestamp() > v_begun + interval '2 seconds';
    end loop;
    return v_count;
end;
$$;
comment on function private.keep_kpis(timestamptz, integer) is
    'Counts the next days that are due, for two seconds at most and one of them at least: never counted, today and yesterday once an hour, the 35 days before once a day (files come late). How many it was.';

create or replace function private.figures_lock() returns bigint
language sql immutable set search_path = '' as $$ select 7316096::bigint $$;
comment on function private.figures_lock() is 'Whoever counts several days holds this lock: one at a time.';

create or replace function public.service_keep_kpis(p_limit integer default 3) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    perform pg_catalog.pg_advisory_xact_lock(private.figures_lock()); -- the tick counts too, and each of both would wait for a shop of the other
    return private.keep_kpis(private.now(), least(greatest(coalesce(p_limit, 3), 1), 100));
end;
$$;
grant execute on function public.service_keep_kpis(integer) to service_role;
comment on function public.service_keep_kpis(integer) is 'Service: counts up to p_limit shop days that are due and answers how many it were; 0 when all is kept.';

create or replace function private.forget_kept(p_shop_id bigint, p_days date[]) returns void
language sql set search_path = '' as $$
    insert into private.kpi_runs (shop_id, day) select p_shop_id, d from (select distinct unnest(p_days) as d) x where d is not null
    on conflict (shop_id, day) do update set made_at = null
$$;
comment on function private.forget_kept(bigint, date[]) is 'These days of a shop are to be counted anew.';

create or replace function public.backfill_kpis(p_from date, p_to date, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['analyst', 'manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'backfill_kpis', jsonb_build_array(p_from, p_to));
    v_count integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_kpi_period(p_from, p_to, 1100);
    perform private.forget_kept(s.id, array(select d::date from generate_series(greatest(p_from, y.today - interval '3 years' + interval '1 day'),
        least(p_to, y.today), interval '1 day') d))
    from public.shops s cross join lateral (select (private.now() at time zone s.timezone)::date as today) y where s.id in (select private.my_shop_ids());
    select count(*) into v_count from private.kpi_runs where made_at is null;
    perform private.enqueue('kpi_backfill', '{}', 'kpi_backfill', private.now());
    perform private.audit(v_me, null, 'kpi', null, 'backfill', jsonb_build_object('from', p_from, 'to', p_to));
    return private.finish_request(p_request_id, jsonb_build_object('days', v_count));
end;
$$;
grant execute on function public.backfill_kpis(date, date, uuid) to authenticated;
comment on function public.backfill_kpis(date, date, uuid) is
    'Analysts, managers, admins: counts these days of my shops anew, in the background, but none of more than three years ago: their chats are gone, what was kept of them stays. {days: shop days to do}. kpi.period.';

create or replace function private.imported_days(p_import public.imports, p_now timestamptz) returns date[]
language sql stable set search_path = '' as $$
    with zone as (select s.timezone as name from public.shops s where s.id = p_import.shop_id)
    select array(
        select distinct (m.sent_at at time zone z.name)::date from zone z, (
            select x.shop_id, x.session_id from public.chat_messages x where x.import_id = p_import.id
            union select x.shop_id, x.session_id from public.chat_sessions x where x.import_id = p_import.id) s
            join public.chat_messages m using (shop_id, session_id) where p_import.kind = 'chats'
        union select a.day from public.agent_days a where p_import.kind = 'performance' and a.import_id = p_import.id
        union select v.day from public.visitor_days v where p_import.kind = 'traffic' and v.import_id = p_import.id
        union select distinct (r.rated_at at time zone z.name)::date from public.ratings r, zone z where p_import.kind = 'reviews' and r.import_id = p_import.id
        union select d::date from zone z, generate_series((p_now at time zone z.name)::date - 35, (p_now at time zone z.name)::date, interval '1 day') d
            where p_import.kind in ('orders', 'shipments', 'aftersales'))
$$;
comment on function private.imported_days(public.imports, timestamptz) is 'The days whose figures a file may have changed: of a talk all its days, for it counts on the day it began; of orders and cases the last 35.';

create or replace function private.tg_forget_kept() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform private.forget_kept(new.shop_id, private.imported_days(new, private.now()));
    return null;
end;
$$;
comment on function private.tg_forget_kept() is 'A file is complete: the days it speaks of are counted anew.';
create or replace trigger t90_kept after update of state on public.imports
    for each row when (new.state = 'done' and old.state <> 'done' and new.shop_id is not null) execute function private.tg_forget_kept();
