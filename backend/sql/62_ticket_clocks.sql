-- 62 ------------------------------------------------------------------------------------------- tickets: their deadlines
--
-- Clocks of a ticket: ticket.first (or public_complaint.answer), ticket.next, ticket.resolve, ticket.reship, and those of its
-- return: return.review, return.refund. The entity's id is the ticket's in all of them.

create or replace function private.ticket_entities() returns text[]
language sql immutable set search_path = '' as $$ select array['ticket', 'return', 'public_complaint'] $$;

create or replace function private.ticket_clocks(p_id bigint, p_targets text[] default null) returns setof public.sla_clocks
language sql stable rows 4 set search_path = '' as $$
    select c.* from public.sla_clocks c
    where c.entity in ('ticket', 'return', 'public_complaint') and c.entity_id = p_id and c.stopped_at is null
      and (p_targets is null or c.target = any (p_targets))
    order by c.id
$$;
comment on function private.ticket_clocks(bigint, text[]) is 'The open clocks of a ticket and its return (of these targets).';

create or replace function private.tg_ticket_deadline() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.tickets t set due_at = d.due_at, due_sort = coalesce(d.due_at, 'infinity')
    from (select pg_catalog.min(c.due_at) as due_at from public.sla_clocks c
        where c.entity in ('ticket', 'return', 'public_complaint') and c.entity_id = new.entity_id and c.stopped_at is null) d
    where t.id = new.entity_id and t.stage <> 'done' and t.due_at is distinct from d.due_at;
    return null;
end;
$$;
comment on function private.tg_ticket_deadline() is 'The ticket shows its nearest deadline, however a clock was changed.';
create or replace trigger t52_ticket_deadline after insert on public.sla_clocks
    for each row when (new.entity in ('ticket', 'return', 'public_complaint')) execute function private.tg_ticket_deadline();
create or replace trigger t53_ticket_deadline after update on public.sla_clocks
    for each row when (new.entity in ('ticket', 'return', 'public_complaint')
        and (old.due_at is distinct from new.due_at or old.stopped_at is distinct from new.stopped_at))
    execute function private.tg_ticket_deadline(); -- a breach leaves the ticket alone

create or replace function private.ticket_facts(p_ticket public.tickets) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('type', (p_ticket).type, 'severity', (p_ticket).severity, 'channel', (p_ticket).channel,
        'department', (p_ticket).department, 'complaint', case when (p_ticket).is_complaint then 'yes' else 'no' end)
$$;
comment on function private.ticket_facts(public.tickets) is 'What conditions of a policy may ask of a ticket.';

create or replace function private.run_ticket_clock(
    p_ticket public.tickets, p_entity text, p_target text, p_policy_code text, p_now timestamptz, p_actor bigint,
    p_starts_at timestamptz default null, p_latest timestamptz default null
) returns void
language plpgsql set search_path = '' as $$
begin
    if exists (select from private.policies_for(p_policy_code, (p_ticket).shop_id, private.ticket_facts(p_ticket))) then
        perform private.start_clock(p_entity, (p_ticket).id, (p_ticket).shop_id, p_target, p_policy_code, p_now, p_actor,
            private.ticket_facts(p_ticket), p_starts_at, p_latest);
    end if;
end;
$$;
comment on function private.run_ticket_clock(public.tickets, text, text, text, timestamptz, bigint, timestamptz, timestamptz) is
    'Starts a clock of a ticket; without an active policy there is none, and one that runs goes on.';

create or replace function private.was_answered(p_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.ticket_messages m where m.ticket_id = p_id and m.counts_as_contact)
$$;

create or replace function private.start_ticket_clocks(p_ticket public.tickets, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v_known timestamptz := coalesce((select pg_catalog.min(c.started_at) from public.sla_clocks c
        where c.entity = 'ticket' and c.entity_id = (p_ticket).id and c.target = 'resolve'), p_now);
begin
    if not private.was_answered(p_ticket.id) then
        if p_ticket.type = 'public_complaint' then
            perform private.run_ticket_clock(p_ticket, 'public_complaint', 'answer', 'public_complaint', p_now, p_actor, v_known);
        else
            perform private.run_ticket_clock(p_ticket, 'ticket', 'first', 'ticket_first', p_now, p_actor, v_known);
        end if;
    end if;
    perform private.run_ticket_clock(p_ticket, 'ticket', 'resolve', 'ticket_resolve', p_now, p_actor, v_known, p_ticket.platform_due_at);
end;
$$;
comment on function private.start_ticket_clocks(public.tickets, timestamptz, bigint) is
    'First response and resolution run from when the desk knows of the case (a file may tell of an old one). A public complaint is answered within its own hour instead, which its ladder tells the duty lead at once. The platform''s countdown shortens the resolution.';

create or replace function private.cancel_ticket_clocks(
    p_id bigint, p_reason text, p_now timestamptz, p_actor bigint, p_targets text[] default null
) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.cancel_clock(c.id, p_reason, p_now, p_actor) from private.ticket_clocks(p_id, p_targets) c;
end;
$$;

create or replace function private.retarget_ticket(p_ticket public.tickets, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
    v_facts jsonb := private.ticket_facts(p_ticket);
begin
    perform private.cancel_ticket_clocks(p_ticket.id, 'reclassified', p_now, p_actor,
        case when p_ticket.type = 'public_complaint' then array['first'] else array['answer'] end);
    if p_ticket.type <> 'reship' then
        perform private.cancel_ticket_clocks(p_ticket.id, 'reclassified', p_now, p_actor, array['reship']);
    end if;
    perform private.start_ticket_clocks(p_ticket, p_now, p_actor);
    for v in select * from private.ticket_clocks(p_ticket.id) loop
        if (select p.id from private.policies_for(v.policy ->> 'code', v.shop_id, v_facts) p limit 1) <> v.policy_id then
            perform private.retarget_clock(v.id, p_now, p_actor, 'classified', null, v_facts);
        end if;
    end loop;
end;
$$;
comment on function private.retarget_ticket(public.tickets, timestamptz, bigint) is
    'A ticket was classified: each running clock takes the policy of the new facts, used time stays; a public complaint gets its hour from when the desk knew of it.';

create or replace function private.shorten_ticket(p_ticket public.tickets, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v public.sla_clocks;
begin
    for v in select * from private.ticket_clocks(p_ticket.id, array['resolve', 'review']) loop
        if p_ticket.platform_due_at is not null and v.breached_at is null and coalesce(v.due_at >= p_now, true)
            and (v.policy ->> 'latest')::timestamptz is distinct from p_ticket.platform_due_at then
            v := private.clock_for_change(v.id);
            v.policy := v.policy || pg_catalog.jsonb_build_object('latest', p_ticket.platform_due_at);
            v := private.retargeted(v, (select p from public.sla_policies p where p.id = v.policy_id), v.policy -> 'facts', p_now);
            perform private.store_clock(v, 'retargeted', p_now, p_actor, 'platform');
        end if;
    end loop;
end;
$$;
comment on function private.shorten_ticket(public.tickets, timestamptz, bigint) is
    'The platform gave another countdown (tickets.platform_due_at): resolution and return review end with it when it is the earlier one.';

create or replace function private.ticket_clock_effects(p_old public.tickets, p_new public.tickets, p_now timestamptz, p_actor bigint)
returns void
language plpgsql set search_path = '' as $$
begin
    if p_new.stage = 'done' and p_old.stage <> 'done' then
        perform private.cancel_ticket_clocks(p_new.id, p_new.state, p_now, p_actor);
    elsif p_new.state = 'resolved' and p_old.state <> 'resolved' then
        perform private.stop_clock(c.id, p_now, p_actor, 'resolved') from private.ticket_clocks(p_new.id, array['resolve', 'reship']) c;
    elsif p_new.waiting_reason is not null and p_old.waiting_reason is null then
        perform private.pause_clock(c.id, p_new.waiting_reason, p_now, p_actor) from private.ticket_clocks(p_new.id, array['resolve', 'reship']) c;
    elsif p_new.waiting_reason is null and p_old.waiting_reason is not null then
        perform private.resume_clock(c.id, p_now, p_actor) from private.ticket_clocks(p_new.id, array['resolve', 'reship']) c;
    end if;
end;
$$;
comment on function private.ticket_clock_effects(public.tickets, public.tickets, timestamptz, bigint) is
    'What a step means for the clocks: resolving stops resolution and reshipment, waiting pauses them, whatever still runs when a case ends is cancelled.';

create or replace function private.answer_ticket(p_id bigint, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.record_reply('ticket', p_id, 'outward', p_now, p_actor);
    perform private.stop_clock(c.id, p_now, p_actor, 'outward') from private.ticket_clocks(p_id, array['answer']) c;
end;
$$;
comment on function private.answer_ticket(bigint, timestamptz, bigint) is
    'A person said something to the customer: first response, next response and the answer to a public complaint are given.';

-- What the reminders ask of this area (see subjects_of, ladder_action, clock_owners) ----------------------------------

create or replace function private.ticket_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select t.id, t.owner_id, 'T-' || t.id, '/ticket?id=' || t.id from public.tickets t where t.id = any (p_ids)
$$;

create or replace function private.ticket_action(p_action text, p_ids bigint[], p_now timestamptz) returns integer
language sql set search_path = '' as $$
    with free as (
        select t.id from public.tickets t
        where t.id = any (p_ids) and t.stage <> 'done'
          and case p_action when 'to_pool' then t.owner_id is not null and t.stage = 'open' when 'raise_priority' then not t.is_raised else false end
        for update skip locked
    ), changed as (
        update public.tickets t set
            owner_id = case when p_action <> 'to_pool' then t.owner_id end,
            state = case when p_action = 'to_pool' and t.state in ('dispatched', 'in_progress') then 'classified' else t.state end,
            is_raised = t.is_raised or p_action = 'raise_priority',
            severity = case when p_action = 'raise_priority' then 'urgent' else t.severity end
        from free f where f.id = t.id returning t.id, t.shop_id
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action)
        select p_now, 'system', shop_id, 'ticket', id, case p_action when 'to_pool' then 'returned_overdue' else 'priority_raised' end
        from changed returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.ticket_action(text, bigint[], timestamptz) is
    'to_pool: the ticket is free again; raise_priority: it counts as urgent. One that somebody is changing at this moment is left to him.';

create or replace function private.ticket_owners(p_shops bigint[], p_now timestamptz) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select c.id, t.owner_id
    from public.tickets t cross join lateral (
        select x.id from public.sla_clocks x
        where x.entity in ('ticket', 'return', 'public_complaint') and x.entity_id = t.id and x.stopped_at is null offset 0) c
    where t.owner_id is not null and t.stage <> 'done' and t.shop_id = any (p_shops) -- few of many: each looked up by its key
$$;
comment on function private.ticket_owners(bigint[], timestamptz) is 'Who owns the tickets behind open clocks.';

create or replace function private.tg_ticket_owner() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform private.owner_changed(e, new.id, private.now()) from pg_catalog.unnest(private.ticket_entities()) e;
    return null;
end;
$$;
comment on function private.tg_ticket_owner() is 'Reminders of a ticket follow its owner.';
create or replace trigger t60_owner after update of owner_id on public.tickets
    for each row when (old.owner_id is distinct from new.owner_id and new.stage <> 'done') execute function private.tg_ticket_owner();

create or replace function private.ticket_load(p_member_ids bigint[]) returns table (member_id bigint, load bigint)
language sql stable set search_path = '' as $$
    select t.owner_id, pg_catalog.count(*) from public.tickets t
    where t.owner_id = any (p_member_ids) and t.stage in ('open', 'waiting') group by t.owner_id
$$;
comment on function private.ticket_load(bigint[]) is 'Tickets that each of these members has in hand, over all shops.';
