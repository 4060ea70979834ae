-- 42 --------------------------------------------------------------------------- assignment: who gets the work, and why
--
-- One engine for every area that hands work out ('lead', 'ticket'). Whoever is eligible for an item (agent of the shop, on
-- duty, with the skill, free capacity, not frozen, no cool-off) gains weight / weights of all eligible; who gets the item
-- pays 1; the highest credit gets it, equal credits the one who has waited longest, never-served ones at random. Among
-- people of one weight nobody enters with more than one item less than the best: debts and claims of days on which others
-- were eligible do not pile up.
--
-- What this proves, for equal weights: over any stretch of items for which two people were both eligible or both not, they
-- take turns, so their numbers differ by at most 1, whoever else came, went, was full or frozen, and whatever happened
-- before. (Let d be the difference of their credits at the first such item: at most 1 by the limit above. Both gain the
-- same; the one ahead is served and falls behind or level, and when level the other has waited longer: so the other is
-- next. The limit never turns the order of two credits round.) More cannot be promised: of three people with items for
-- {1,2}, {2,3}, {3,1} each can be one ahead of the next, and the item for all three then makes somebody two ahead of one.
-- With a fixed group of any weights nobody is ever a whole item above his share.

create table if not exists public.assignment_members (
    member_id bigint not null references public.members,
    area text not null constraint assignment_members_area_known check (area in ('lead', 'ticket')),
    capacity integer not null constraint assignment_members_capacity_range check (capacity between 0 and 1000),
    weight numeric(5, 2) not null default 1 constraint assignment_members_weight_range check (weight between 0.1 and 10),
    frozen_until timestamptz,
    frozen_reason text constraint assignment_members_reason_length check (char_length(frozen_reason) between 1 and 200),
    changed_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    primary key (member_id, area),
    constraint assignment_members_frozen_has_reason check ((frozen_until is null) = (frozen_reason is null))
);
create index if not exists assignment_members_changed_by_idx on public.assignment_members (changed_by) where changed_by is not null;
alter table public.assignment_members enable row level security;
create or replace trigger t10_touch before update on public.assignment_members
    for each row execute function private.touch_version();
comment on table public.assignment_members is
    'How much work of an area a member is given; without a row 60 open leads, 30 open tickets, weight 1 (product decision).';
comment on column public.assignment_members.capacity is 'Open items at which no more are given; what he claims himself may exceed it.';
comment on column public.assignment_members.weight is 'His share beside colleagues: 0.5 gets half as much as 1.';
comment on column public.assignment_members.frozen_until is 'Gets nothing new until then; what he has stays his.';

create table if not exists private.assignment_credits (
    shop_id bigint not null references public.shops,
    area text not null constraint assignment_credits_area_known check (area in ('lead', 'ticket')),
    member_id bigint not null references public.members,
    credit numeric not null default 0,
    last_decision_id bigint,
    updated_at timestamptz not null,
    primary key (shop_id, area, member_id)
);
create index if not exists assignment_credits_member_id_idx on private.assignment_credits (member_id);
alter table private.assignment_credits enable row level security;
comment on table private.assignment_credits is 'What fairness owes a member of a shop: shares gained less items received. No row: nothing owed.';

create table if not exists public.assignment_decisions (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    shop_id bigint not null references public.shops,
    area text not null constraint assignment_decisions_area_known check (area in ('lead', 'ticket')),
    entity_id bigint not null,
    member_id bigint references public.members,
    rule text not null constraint assignment_decisions_rule_known check (rule in ('credit', 'only', 'nobody', 'chosen', 'returned')),
    source text not null constraint assignment_decisions_source_known
        check (source in ('arrival', 'on_duty', 'manual', 'claim', 'handover', 'recycle')),
    considered jsonb not null default '[]',
    constraint assignment_decisions_nobody check ((member_id is null) = (rule in ('nobody', 'returned')))
);
create index if not exists assignment_decisions_entity_idx on public.assignment_decisions (area, entity_id, id);
create index if not exists assignment_decisions_shop_id_idx on public.assignment_decisions (shop_id, area, at);
create index if not exists assignment_decisions_member_id_idx on public.assignment_decisions (member_id, area, at) where member_id is not null;
alter table public.assignment_decisions enable row level security;
create or replace trigger t10_append_only before update or delete on public.assignment_decisions
    for each row execute function private.tg_append_only();
comment on table public.assignment_decisions is
    'Why this person, why nobody: each time work was given out, taken or returned. Append-only; an item that still finds nobody for the same reasons is not told again.';
comment on column public.assignment_decisions.rule is
    'credit: the highest of several; only: one person was eligible; nobody was; chosen by a person (source manual, claim, handover); returned to the pool.';
comment on column public.assignment_decisions.considered is
    '[{member_id, is_eligible, why (no_skill, off_duty, away, frozen, cool_off, full; null when eligible), load (open items), credit}] of the shop''s agents; empty where nobody was compared.';

drop policy if exists "members read their own capacity, leaders that of their shops" on public.assignment_members;
create policy "members read their own capacity, leaders that of their shops" on public.assignment_members
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or ((select private.my_role()) in ('manager', 'admin') and member_id in (
            select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))));
drop policy if exists "members read who got the work of their shops" on public.assignment_decisions;
create policy "members read who got the work of their shops" on public.assignment_decisions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.assignment_members, public.assignment_decisions to authenticated;

-- What areas say of themselves: a branch per area ---------------------------------------------------------------------

create or replace function private.work_load(p_area text, p_member_ids bigint[]) returns table (member_id bigint, load integer)
language plpgsql stable set search_path = '' as $$
begin
    case p_area
        when 'lead' then return query select l.member_id, l.load::integer from private.lead_load(p_member_ids) l;
        when 'ticket' then return query select l.member_id, l.load::integer from private.ticket_load(p_member_ids) l;
    end case;
end;
$$;
comment on function private.work_load(text, bigint[]) is 'Open items of an area that each of these members owns, over all shops; no row means none.';

create or replace function private.default_capacity(p_area text) returns integer
language sql immutable set search_path = '' as $$ select case p_area when 'lead' then 60 else 30 end $$;
comment on function private.default_capacity(text) is 'Open items a person is given when nobody set a figure (product decision).';

create or replace function private.in_campaign(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.campaigns c where c.starts_at <= p_now and c.ends_at > p_now)
$$;
comment on function private.in_campaign(timestamptz) is
    'Whether 大促模式 is on: everybody is given twice as many open items, and with all hands called presales agents are given tickets too (presales policy, §6).';

-- Who could get it ----------------------------------------------------------------------------------------------------

do $$
begin
    if to_regtype('private.assignee') is null then
        create type private.assignee as (
            member_id bigint, skills text[], is_on_duty boolean, is_away boolean, is_frozen boolean, capacity integer,
            weight numeric, load integer, credit numeric, last_decision_id bigint, why text
        );
    end if;
end;
$$;
comment on type private.assignee is 'An agent of a shop while work is given out; why: the first reason against him, null when eligible.';

create or replace function private.is_away(p_member_id bigint, p_shop_id bigint, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.rota_days d join public.shops s on s.id = p_shop_id
        where d.member_id = p_member_id and d.kind = 'leave' and d.day = (p_now at time zone s.timezone)::date)
       or exists (select from public.handovers h where h.member_id = p_member_id and h.opened_at is not null and h.shift_ends_at > p_now)
$$;
comment on function private.is_away(bigint, bigint, timestamptz) is 'On leave today, or handing over already at the end of the shift.';

create or replace function private.assignment_staff(p_area text, p_shop_id bigint, p_now timestamptz) returns setof private.assignee
language sql stable set search_path = '' as $$
    with agents as materialized (
        select m.id, case when 'presales' = any (m.skills) and 'aftersales' <> all (m.skills) and private.is_all_hands(m.id, p_now)
            then m.skills || 'aftersales'::text else m.skills end as skills
        from public.member_shops k join public.members m on m.id = k.member_id
        where k.shop_id = p_shop_id and m.role = 'agent' and m.state = 'active'
    ), loads as materialized (
        select l.member_id, l.load from private.work_load(p_area, array(select id from agents)) l
    )
    select a.id, a.skills, a.id in (select d.member_id from private.on_duty(p_shop_id, p_now) d),
        private.is_away(a.id, p_shop_id, p_now), coalesce(s.frozen_until > p_now, false),
        coalesce(s.capacity, private.default_capacity(p_area)) * case when private.in_campaign(p_now) then 2 else 1 end,
        coalesce(s.weight, 1), coalesce(l.load, 0),
        coalesce(c.credit, 0), c.last_decision_id, null::text
    from agents a
    left join public.assignment_members s on s.member_id = a.id and s.area = p_area
    left join private.assignment_credits c on c.member_id = a.id and c.area = p_area and c.shop_id = p_shop_id
    left join loads l on l.member_id = a.id
    order by a.id
$$;
comment on function private.assignment_staff(text, bigint, timestamptz) is 'The agents of a shop with all that decides who gets an item; in a campaign with its capacity and skills.';

create or replace function private.free_places(p_area text, p_shop_id bigint, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.sum(greatest(s.capacity - s.load, 0)), 0)::integer
    from private.assignment_staff(p_area, p_shop_id, p_now) s where s.is_on_duty and not s.is_away and not s.is_frozen
$$;
comment on function private.free_places(text, bigint, timestamptz) is
    'How many items the agents on duty can still be given: an area need not look for more when it drains its pool.';

create or replace function private.judge_staff(p_staff private.assignee[], p_skill text, p_not bigint[]) returns private.assignee[]
language sql immutable set search_path = '' as $$
    with judged as (
        select s.*, case
            when p_skill is not null and p_skill <> all (s.skills) then 'no_skill'
            when s.is_away then 'away'
            when not s.is_on_duty then 'off_duty'
            when s.is_frozen then 'frozen'
            when s.member_id = any (p_not) then 'cool_off'
            when s.load >= s.capacity then 'full' end as verdict
        from pg_catalog.unnest(p_staff) s
    ), weighed as (
        select j.*, case when j.verdict is null then
            greatest(j.credit, pg_catalog.max(j.credit) over (partition by j.verdict, j.weight) - 1)
            + pg_catalog.round(j.weight / pg_catalog.sum(j.weight) over (partition by j.verdict), 9) else j.credit end as now_has
        from judged j
    )
    select pg_catalog.array_agg(row(w.member_id, w.skills, w.is_on_duty, w.is_away, w.is_frozen, w.capacity, w.weight, w.load,
        w.now_has, w.last_decision_id, w.verdict)::private.assignee order by w.member_id)
    from weighed w
$$;
comment on function private.judge_staff(private.assignee[], text, bigint[]) is
    'The staff with the reason against each for an item of a skill (null: any) that some may not have; whoever is eligible has gained his share.';

-- Deciding ------------------------------------------------------------------------------------------------------------

create or replace function private.lock_assignment(p_area text) returns void
language sql volatile set search_path = '' as $$
    select pg_catalog.pg_advisory_xact_lock(7316042, case p_area when 'lead' then 1 else 2 end)
$$;
comment on function private.lock_assignment(text) is
    'One transaction at a time gives work of an area out: people work for several shops, so their capacity is known only area by area.';

create or replace function private.considered(p_staff private.assignee[]) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', s.member_id, 'is_eligible', s.why is null,
        'why', s.why, 'load', s.load, 'credit', pg_catalog.round(s.credit, 3)) order by s.member_id), '[]')
    from pg_catalog.unnest(p_staff) s
$$;
comment on function private.considered(private.assignee[]) is 'The judged staff as a decision keeps it.';

create or replace function private.record_assignment(
    p_area text, p_shop_id bigint, p_entity_id bigint, p_member_id bigint, p_source text, p_staff private.assignee[], p_now timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
    v_considered jsonb := private.considered(p_staff);
begin
    if p_member_id is null then
        select d.id into v_id
        from (select * from public.assignment_decisions where area = p_area and entity_id = p_entity_id order by id desc limit 1) d
        where d.rule = 'nobody' and pg_catalog.jsonb_path_query_array(d.considered, '$[*].member_id', silent => true)
                = pg_catalog.jsonb_path_query_array(v_considered, '$[*].member_id', silent => true)
          and pg_catalog.jsonb_path_query_array(d.considered, '$[*].why', silent => true)
                = pg_catalog.jsonb_path_query_array(v_considered, '$[*].why', silent => true);
    end if;
    if v_id is null then
        insert into public.assignment_decisions (at, shop_id, area, entity_id, member_id, rule, source, considered)
        values (p_now, p_shop_id, p_area, p_entity_id, p_member_id, case when p_member_id is null then 'nobody'
            when (select pg_catalog.count(*) from pg_catalog.unnest(p_staff) s where s.why is null) = 1 then 'only'
            else 'credit' end, p_source, v_considered)
        returning id into v_id;
    end if;
    return v_id;
end;
$$;
comment on function private.record_assignment(text, bigint, bigint, bigint, text, private.assignee[], timestamptz) is
    'Records who got an item and who was considered; the same "nobody" for the same reasons is the decision there is already.';

create or replace function private.charge_staff(p_staff private.assignee[], p_member_id bigint, p_decision_id bigint) returns private.assignee[]
language sql immutable set search_path = '' as $$
    select pg_catalog.array_agg(case when s.member_id = p_member_id then row(s.member_id, s.skills, s.is_on_duty, s.is_away,
            s.is_frozen, s.capacity, s.weight, s.load + 1, s.credit - 1, p_decision_id, s.why)::private.assignee
        else s end order by s.member_id)
    from pg_catalog.unnest(p_staff) s
$$;
comment on function private.charge_staff(private.assignee[], bigint, bigint) is 'Who got the item pays 1, carries one more, and is the last to have been served.';

create or replace function private.keep_credits(p_area text, p_shop_id bigint, p_staff private.assignee[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into private.assignment_credits as c (shop_id, area, member_id, credit, last_decision_id, updated_at)
    select p_shop_id, p_area, s.member_id, s.credit, s.last_decision_id, p_now
    from pg_catalog.unnest(p_staff) s where s.credit <> 0 or s.last_decision_id is not null
    on conflict (shop_id, area, member_id) do update
    set credit = excluded.credit, last_decision_id = excluded.last_decision_id, updated_at = excluded.updated_at
    where c.credit <> excluded.credit or c.last_decision_id is distinct from excluded.last_decision_id
$$;
comment on function private.keep_credits(text, bigint, private.assignee[], timestamptz) is 'Credits are remembered until the next item, whenever that comes.';

create or replace function private.assign_work(p_area text, p_shop_id bigint, p_items jsonb, p_source text, p_now timestamptz)
returns table (id bigint, member_id bigint, decision_id bigint)
language plpgsql volatile set search_path = '' as $$
declare
    v_staff private.assignee[];
    v_item record;
begin
    perform private.lock_assignment(p_area);
    v_staff := array(select s from private.assignment_staff(p_area, p_shop_id, p_now) s);
    for v_item in
        select (i.value ->> 'id')::bigint as id, i.value ->> 'skill' as skill,
            array(select n::bigint from pg_catalog.jsonb_array_elements_text(coalesce(i.value -> 'not', '[]')) n) as excluded
        from pg_catalog.jsonb_array_elements(p_items) with ordinality i order by i.ordinality
    loop
        v_staff := private.judge_staff(v_staff, v_item.skill, v_item.excluded);
        id := v_item.id;
        member_id := (select s.member_id from pg_catalog.unnest(v_staff) s where s.why is null
            order by s.credit desc, s.last_decision_id nulls first, pg_catalog.random() limit 1);
        decision_id := private.record_assignment(p_area, p_shop_id, id, member_id, p_source, v_staff, p_now);
        if member_id is not null then
            v_staff := private.charge_staff(v_staff, member_id, decision_id);
        end if;
        return next;
    end loop;
    perform private.keep_credits(p_area, p_shop_id, v_staff, p_now);
end;
$$;
comment on function private.assign_work(text, bigint, jsonb, text, timestamptz) is
    'Decides who gets each item [{id, skill (null: any agent), not: [member ids in cool-off]}], oldest first, and records why; member_id null: nobody could. Items and people of one shop. The caller writes the owners in the same transaction and gives open, unowned items only; the area stays locked until it commits, so that parallel calls cannot exceed a capacity. The caller locks its rows before (skip locked), or writes them without waiting for others.';

create or replace function private.note_assignment(
    p_area text, p_shop_id bigint, p_entity_id bigint, p_member_id bigint, p_source text, p_now timestamptz
) returns bigint
language sql volatile set search_path = '' as $$
    insert into public.assignment_decisions (at, shop_id, area, entity_id, member_id, rule, source)
    values (p_now, p_shop_id, p_area, p_entity_id, p_member_id,
        case when p_member_id is null then 'returned' else 'chosen' end, p_source)
    returning id
$$;
comment on function private.note_assignment(text, bigint, bigint, bigint, text, timestamptz) is
    'Records an owner that a person chose (source manual, claim, handover), or the way back to the pool (member null; recycle, manual, handover). Costs nobody credit: fairness is about what is given out.';

-- The pool is drained -------------------------------------------------------------------------------------------------

create or replace function private.drain_pool(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_count integer := 0;
begin
    if pg_catalog.pg_try_advisory_xact_lock(7316042, 1) then
        v_count := v_count + coalesce(private.drain_leads(p_now), 0);
    end if;
    if pg_catalog.pg_try_advisory_xact_lock(7316042, 2) then
        v_count := v_count + coalesce(private.drain_tickets(p_now), 0);
    end if;
    return v_count;
end;
$$;
comment on function private.drain_pool(timestamptz) is
    'What lies in the pools goes to whoever has come on duty or has room again, oldest first; answers how many items. An area that somebody is giving out at this moment has its turn in the next minute: nothing here waits.';
