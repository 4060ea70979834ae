-- 59 ------------------------------------------------------------------------------- leads: their deadline, and who has them
--
-- The clock of a lead runs from its grade to the first follow-up, then to each next date. It goes on whoever owns the lead;
-- only a clock that ended overdue with one owner begins anew with the next. Who gets a lead is decided in 42_assignment.

-- The deadline --------------------------------------------------------------------------------------------------------

create or replace function private.lead_policy(p_grade text) returns text
language sql immutable set search_path = '' as $$ select 'lead_' || pg_catalog.lower(p_grade) $$;

create or replace function private.lead_facts(p_lead public.leads) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('grade', (p_lead).grade, 'source', (p_lead).source, 'round', case
        when (p_lead).recycled > 0 and (p_lead).state <> 'following' then 'again' when (p_lead).first_follow_up_at is null then 'first' else 'next' end)
$$;
comment on function private.lead_facts(public.leads) is 'What policies may tell apart: grade, source, and round: first, next follow-up, or again after a colleague had it.';

create or replace function private.tg_lead_deadline() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.leads l
    set clock_id = new.id, due_at = new.due_at, due_sort = coalesce(new.due_at, 'infinity')
    where l.id = new.entity_id and l.closed_at is null;
    return null;
end;
$$;
comment on function private.tg_lead_deadline() is 'The lead shows the deadline of its clock, however the clock was changed. A closed lead stays as it is.';
create or replace trigger t52_lead_deadline after insert on public.sla_clocks
    for each row when (new.entity = 'lead') execute function private.tg_lead_deadline();
create or replace trigger t53_lead_deadline after update on public.sla_clocks
    for each row when (new.entity = 'lead' and new.stopped_at is null and old.due_at is distinct from new.due_at)
    execute function private.tg_lead_deadline();

create or replace function private.start_lead_clocks(p_ids bigint[], p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v record;
begin
    for v in
        select l.shop_id, l.grade, private.lead_facts(l) as facts, pg_catalog.array_agg(l.id order by l.id) as ids
        from public.leads l where l.id = any (p_ids) group by 1, 2, 3
        having exists (select from private.policies_for(private.lead_policy(l.grade), l.shop_id, private.lead_facts((pg_catalog.array_agg(l))[1])))
    loop
        perform private.start_clocks('lead', v.ids, v.shop_id, 'follow_up', private.lead_policy(v.grade), p_now, p_actor, v.facts);
    end loop;
end;
$$;
comment on function private.start_lead_clocks(bigint[], bigint, timestamptz) is
    'A clock for each lead that has none running, with the full time of its grade. Without an active policy there is none.';

create or replace function private.renew_lead_clocks(p_ids bigint[], p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.cancel_clock(c.id, 'reassigned', p_now, p_actor)
    from public.sla_clocks c where c.entity = 'lead' and c.entity_id = any (p_ids) and c.stopped_at is null and c.due_at < p_now;
    perform private.start_lead_clocks(p_ids, p_actor, p_now);
end;
$$;
comment on function private.renew_lead_clocks(bigint[], bigint, timestamptz) is
    'With a new owner: what is overdue already begins anew (the verdict on the old one stays in its history), what still runs goes on.';

create or replace function private.next_lead_clock(p_lead public.leads, p_at timestamptz, p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_facts jsonb := private.lead_facts(p_lead);
    v_policy public.sla_policies;
begin
    select * into v_policy from private.policies_for(private.lead_policy(p_lead.grade), p_lead.shop_id, v_facts) limit 1;
    if found then
        perform private.start_clock('lead', p_lead.id, p_lead.shop_id, 'follow_up', v_policy.code, p_now, p_actor, v_facts,
            case when v_policy.measure = 'workdays' then p_now
                else greatest(p_now, p_at - pg_catalog.make_interval(secs => 60 * v_policy.allowance::double precision)) end, p_at);
    end if;
end;
$$;
comment on function private.next_lead_clock(public.leads, timestamptz, bigint, timestamptz) is
    'The deadline of the next follow-up is the date that was agreed; the steps before it are those of the grade. A date far ahead begins to count one allowance before it.';

create or replace function private.regrade_clock(p_id bigint, p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.leads;
    v_clock public.sla_clocks;
begin
    select * into v from public.leads where id = p_id;
    select * into v_clock from public.sla_clocks where entity = 'lead' and entity_id = p_id and stopped_at is null for update;
    if v_clock.id is null then
        perform private.start_lead_clocks(array[p_id], p_actor, p_now);
    elsif v.state = 'following' and v_clock.breached_at is null then
        perform private.cancel_clock(v_clock.id, 'regraded', p_now, p_actor);
        perform private.next_lead_clock(v, least(v.next_at, p_now + private.lead_rest(v)), p_actor, p_now);
    elsif exists (select from private.policies_for(private.lead_policy(v.grade), v.shop_id, private.lead_facts(v))) then
        perform private.retarget_clock(v_clock.id, p_now, p_actor, 'regraded', private.lead_policy(v.grade), private.lead_facts(v));
    end if;
end;
$$;
comment on function private.regrade_clock(bigint, bigint, timestamptz) is
    'Another grade: before the first follow-up the time used stays used; afterwards the agreed date stays, unless the grade lets nobody wait so long. An overdue clock keeps its verdict.';

create or replace function private.lead_rest(p_lead public.leads) returns interval
language sql stable set search_path = '' as $$
    select pg_catalog.make_interval(days => ((private.lead_rules_of((p_lead).shop_id)).recycling #>> array[(p_lead).grade, 'rest_days'])::integer)
$$;
comment on function private.lead_rest(public.leads) is 'How far ahead the next follow-up of a lead of this grade may lie.';

create or replace function private.tg_lead_owner() returns trigger
language plpgsql set search_path = '' as $$
begin
    if exists (select from public.reminders r where r.clock_id = new.clock_id and not r.is_over) then
        perform private.owner_changed('lead', new.id, private.now());
    end if;
    return null;
end;
$$;
comment on function private.tg_lead_owner() is 'Reminders of a lead follow its owner.';
create or replace trigger t60_owner after update of owner_id on public.leads
    for each row when (old.owner_id is distinct from new.owner_id and new.closed_at is null) execute function private.tg_lead_owner();

-- Who has it ----------------------------------------------------------------------------------------------------------

create or replace function private.lead_load(p_member_ids bigint[]) returns table (member_id bigint, load bigint)
language sql stable set search_path = '' as $$
    select l.owner_id, pg_catalog.count(*) from public.leads l
    where l.owner_id = any (p_member_ids) and l.state in ('assigned', 'following') group by l.owner_id
$$;
comment on function private.lead_load(bigint[]) is 'Open leads that each of these members owns (asked by 42_assignment).';

create or replace function private.own_leads(
    p_me private.actor, p_ids bigint[], p_members bigint[], p_decisions bigint[], p_how text, p_ended_as text, p_now timestamptz
) returns void
language plpgsql set search_path = '' as $$
begin
    update public.lead_owners set until = p_now, ended_as = p_ended_as where lead_id = any (p_ids) and until is null;
    with given as (
        update public.leads l set owner_id = g.member_id, owned_since = p_now, state = 'assigned', is_raised = false
        from unnest(p_ids, p_members) g (id, member_id) where l.id = g.id returning l.id, l.shop_id, l.owner_id
    ), kept as (
        insert into public.lead_owners (lead_id, shop_id, member_id, how, decision_id, since)
        select g.id, g.shop_id, g.owner_id, p_how, d.decision_id, p_now
        from given g join unnest(p_ids, p_decisions) d (id, decision_id) on d.id = g.id
    )
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), g.shop_id, 'lead', g.id, 'assigned',
        pg_catalog.jsonb_build_object('to', g.owner_id, 'how', p_how) from given g;
    perform private.renew_lead_clocks(p_ids, (p_me).member_id, p_now);
end;
$$;
comment on function private.own_leads(private.actor, bigint[], bigint[], bigint[], text, text, timestamptz) is
    'Writes the new owners of leads that the caller has locked and checked; p_ended_as closes the time of whoever had them.';

create or replace function private.give_leads(
    p_me private.actor, p_ids bigint[], p_member_id bigint, p_how text, p_ended_as text, p_now timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
    v_decisions bigint[];
begin
    select pg_catalog.array_agg(private.note_assignment('lead', l.shop_id, l.id, p_member_id,
        case when p_how in ('manager', 'taken_over') then 'manual' else 'claim' end, p_now) order by u.n)
    into v_decisions from pg_catalog.unnest(p_ids) with ordinality u (id, n) join public.leads l on l.id = u.id;
    perform private.own_leads(p_me, p_ids, pg_catalog.array_fill(p_member_id, array[pg_catalog.cardinality(p_ids)]), v_decisions, p_how,
        p_ended_as, p_now);
end;
$$;
comment on function private.give_leads(private.actor, bigint[], bigint, text, text, timestamptz) is 'One person becomes owner of leads because a person chose so; recorded as such.';

create or replace function private.free_leads(
    p_me private.actor, p_ids bigint[], p_ended_as text, p_reason text, p_now timestamptz
) returns integer
language plpgsql set search_path = '' as $$
begin
    update public.lead_owners set until = p_now, ended_as = p_ended_as where lead_id = any (p_ids) and until is null;
    update public.leads l set owner_id = null, owned_since = null, state = 'pool', looked_at = null,
        recycled = l.recycled + (p_ended_as = 'recycled')::integer,
        free_at = p_now + case when p_ended_as = 'recycled'
            then pg_catalog.make_interval(mins => (private.lead_rules_of(l.shop_id)).quarantine_minutes) else interval '0' end
    where l.id = any (p_ids);
    perform private.note_assignment('lead', l.shop_id, l.id, null, case p_ended_as when 'recycled' then 'recycle' else 'manual' end, p_now)
    from public.leads l where l.id = any (p_ids);
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), l.shop_id, 'lead', l.id, p_ended_as,
        pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('reason', p_reason))
    from public.leads l where l.id = any (p_ids);
    return pg_catalog.cardinality(p_ids);
end;
$$;
comment on function private.free_leads(private.actor, bigint[], text, text, timestamptz) is
    'Leads (locked by the caller) go back to the pool: recycled, given_back, switched_off; recycled ones rest for the quarantine. Answers how many.';

-- What reminders and the rest of the desk ask of this area ------------------------------------------------------------

create or replace function private.lead_subjects(p_ids bigint[]) returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select l.id, l.owner_id, 'L-' || l.id, '/leads?id=' || l.id from public.leads l where l.id = any (p_ids)
$$;

create or replace function private.lead_action(p_action text, p_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(
        select l.id from public.leads l where l.id = any (p_ids) and l.state in ('assigned', 'following')
          and (p_action = 'to_pool' or (p_action = 'raise_priority' and not l.is_raised)) order by l.id for update skip locked);
begin
    if v_ids = '{}' then
        return 0;
    elsif p_action = 'to_pool' then
        return private.free_leads(null, v_ids, 'recycled', 'overdue', p_now);
    end if;
    update public.leads set is_raised = true where id = any (v_ids);
    return pg_catalog.cardinality(v_ids);
end;
$$;
comment on function private.lead_action(text, bigint[], timestamptz) is
    'to_pool: the last step of the ladder takes the lead from its owner; raise_priority: it is marked. A lead that somebody is changing at this moment is left to him.';

create or replace function private.lead_clock_owners(p_shops bigint[]) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select l.clock_id, l.owner_id from public.leads l
    where l.state in ('assigned', 'following') and l.shop_id = any (p_shops) and l.clock_id is not null
$$;
comment on function private.lead_clock_owners(bigint[]) is 'Who holds the leads behind open clocks (see clock_owners).';

create or replace function private.return_leads(p_me private.actor, p_member_id bigint, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select l.id from public.leads l
        where l.owner_id = p_member_id and l.state in ('assigned', 'following') order by l.id for update);
begin
    return case when v_ids = '{}' then 0 else private.free_leads(p_me, v_ids, 'switched_off', null, p_now) end;
end;
$$;
comment on function private.return_leads(private.actor, bigint, timestamptz) is 'A member is switched off: his open leads are in the pool again.';
