-- 69 -------------------------------------------------------------------------------------- 交接班: open work changes hands
--
-- From an hour before the end of a shift (later when the colleagues of the next one begin later) its owner lists what is
-- due before he is back, writes a line to each item and offers it to a colleague on duty, who takes all or some. A quarter
-- of an hour after the end the tick puts what is left into the pool of those on duty: of each shift once, and at night
-- only when somebody is there again. What a person takes up after that stays his.

do $$
begin
    if not exists (select from private.schema_steps where step = '69.1 messages of handovers') then
        alter table public.notifications drop constraint notifications_kind_known;
        alter table public.notifications add constraint notifications_kind_known
            check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily', 'wait_ended', 'low_score', 'low_ratings',
                'handover_open', 'handover', 'handover_declined', 'handover_left'));
        insert into private.schema_steps (step) values ('69.1 messages of handovers');
    end if;
end;
$$;

create table if not exists public.handovers (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    shift_ends_at timestamptz not null,
    next_starts_at timestamptz,
    opened_at timestamptz,
    swept_at timestamptz,
    closed_at timestamptz,
    created_at timestamptz not null,
    constraint handovers_once unique (member_id, shift_ends_at)
);
create index if not exists handovers_open_idx on public.handovers (shift_ends_at) where closed_at is null;
create index if not exists handovers_shift_ends_at_idx on public.handovers (shift_ends_at);
alter table public.handovers enable row level security;
comment on table public.handovers is '交接班 at the end of one shift of a member.';
comment on column public.handovers.next_starts_at is 'When he is back: what is due before then is handed over; null: nothing is planned, everything with a deadline is.';
comment on column public.handovers.opened_at is 'When he began it; null: he left without handing over.';
comment on column public.handovers.swept_at is 'When the tick found the shift over and listed what he had kept.';

create table if not exists public.handover_items (
    id bigint generated always as identity primary key,
    handover_id bigint not null references public.handovers,
    shop_id bigint not null references public.shops,
    area text not null constraint handover_items_area_known check (area in ('exception', 'ticket', 'lead')),
    entity_id bigint not null,
    label text not null,
    path text not null,
    due_at timestamptz not null,
    note text not null default '' constraint handover_items_note_length check (char_length(note) <= 200),
    receiver_id bigint references public.members,
    state text not null default 'open' constraint handover_items_state_known
        check (state in ('open', 'offered', 'declined', 'accepted', 'pooled', 'kept', 'gone')),
    settled_at timestamptz,
    constraint handover_items_once unique (handover_id, area, entity_id),
    constraint handover_items_note_masked check (not private.names_a_phone(note)),
    constraint handover_items_offered_to_somebody check (state not in ('offered', 'accepted') or receiver_id is not null),
    constraint handover_items_settled_has_time check ((state in ('accepted', 'pooled', 'kept', 'gone')) = (settled_at is not null))
);
create index if not exists handover_items_shop_id_idx on public.handover_items (shop_id);
create index if not exists handover_items_receiver_id_idx on public.handover_items (receiver_id, state) where receiver_id is not null;
create index if not exists handover_items_entity_idx on public.handover_items (area, entity_id);
alter table public.handover_items enable row level security;
comment on table public.handover_items is 'An item of a handover with its one-line note for whoever takes it on.';
comment on column public.handover_items.state is
    'open, offered (to receiver_id), declined; accepted, pooled (put into the pool after the shift), kept (could not leave him, or he was back first), gone (done or somebody else''s by then).';

drop policy if exists "members read the handovers of colleagues" on public.handovers;
create policy "members read the handovers of colleagues" on public.handovers
    for select to authenticated using (member_id in (
        select s.member_id from public.member_shops s where s.shop_id in (select private.my_shop_ids()))
        or member_id = (select private.my_member_id()));
drop policy if exists "members read what is handed over in their shops" on public.handover_items;
create policy "members read what is handed over in their shops" on public.handover_items
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.handovers, public.handover_items to authenticated;

-- When a shift ends ---------------------------------------------------------------------------------------------------

create or replace function private.work_spans(p_member_id bigint, p_from timestamptz, p_to timestamptz) returns tstzmultirange
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.range_agg(pg_catalog.tstzrange(e.starts_at, e.ends_at)), '{}')
    from public.rota_entries e
    where e.member_id = p_member_id and e.starts_at > p_from - interval '25 hours' and e.starts_at < p_to and e.ends_at > p_from
$$;
comment on function private.work_spans(bigint, timestamptz, timestamptz) is 'When a member works; shifts that touch or overlap are one stretch.';

create or replace function private.next_shift_start(p_member_id bigint, p_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select pg_catalog.min(e.starts_at) from public.rota_entries e where e.member_id = p_member_id and e.starts_at > p_at
$$;
comment on function private.next_shift_start(bigint, timestamptz) is 'When a member is back after an instant; null when nothing is planned.';

create or replace function private.handover_opens_at(p_member_id bigint, p_ends_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.min(e.starts_at), p_ends_at - interval '1 hour')
    from public.rota_entries e
    where e.starts_at > p_ends_at - interval '1 hour' and e.starts_at < p_ends_at and e.ends_at > p_ends_at and e.member_id <> p_member_id
      and e.member_id in (select o.member_id from public.member_shops m join public.member_shops o on o.shop_id = m.shop_id
          where m.member_id = p_member_id)
$$;
comment on function private.handover_opens_at(bigint, timestamptz) is
    'An hour before the end of a shift; when colleagues begin within that hour, with them (early shift until 16:30, late shift from 16:00: 16:00).';

create or replace function private.pool_after() returns interval
language sql immutable set search_path = '' as $$ select interval '15 minutes' $$;
comment on function private.pool_after() is 'How long after a shift what is left goes to the pool (16:30 → 16:45; product decision).';

create or replace function private.shift_of(p_member_id bigint, p_now timestamptz)
returns table (ends_at timestamptz, opens_at timestamptz, pool_at timestamptz, next_starts_at timestamptz)
language sql stable set search_path = '' as $$
    select pg_catalog.upper(s), private.handover_opens_at(p_member_id, pg_catalog.upper(s)), pg_catalog.upper(s) + private.pool_after(),
        private.next_shift_start(p_member_id, pg_catalog.upper(s))
    from pg_catalog.unnest(private.work_spans(p_member_id, p_now - interval '1 day', p_now + interval '1 day')) s
    where pg_catalog.lower(s) <= p_now and pg_catalog.upper(s) + private.pool_after() > p_now
    order by pg_catalog.lower(s) desc limit 1
$$;
comment on function private.shift_of(bigint, timestamptz) is
    'The shift that a member works or has just ended, and when handing over begins and ends; no row outside, or where no rota is kept.';

-- What a person has in hand: a branch per area ------------------------------------------------------------------------

create or replace function private.promised_until(p_entity text, p_id bigint) returns timestamptz
language sql stable set search_path = '' as $$
    select pg_catalog.min(p.due_at) from public.promises p where p.entity = p_entity and p.entity_id = p_id and p.state = 'open'
$$;
comment on function private.promised_until(text, bigint) is 'When the next promise of a lead or ticket is due: whoever owns the case keeps it.';

create or replace function private.work_in_hand(p_member_id bigint, p_until timestamptz, p_now timestamptz)
returns table (area text, entity_id bigint, shop_id bigint, label text, path text, due_at timestamptz)
language sql stable set search_path = '' as $$
    with held as (
        select 'exception', r.order_id, r.shop_id, o.order_no, '/orders?id=' || r.order_id, r.due_at
        from public.order_reviews r join public.orders o on o.id = r.order_id
        where r.owner_id = p_member_id and r.state = 'open' and r.claim_until > p_now
        union all
        select 'ticket', t.id, t.shop_id, 'T-' || t.id, '/ticket?id=' || t.id, least(t.due_at, private.promised_until('ticket', t.id))
        from public.tickets t where t.owner_id = p_member_id and t.stage in ('open', 'waiting', 'revisit')
        union all
        select 'lead', l.id, l.shop_id, 'L-' || l.id, '/leads?id=' || l.id, least(l.due_at, private.promised_until('lead', l.id))
        from public.leads l where l.owner_id = p_member_id and l.state in ('assigned', 'following')
    )
    select * from held h (area, entity_id, shop_id, label, path, due_at) where h.due_at < coalesce(p_until, 'infinity')
$$;
comment on function private.work_in_hand(bigint, timestamptz, timestamptz) is
    'What a member owns that is due before an instant (null: that has a deadline at all); promises count as deadlines of their lead or ticket.';

create or replace function private.handed_entity(p_area text) returns text
language sql immutable set search_path = '' as $$ select case p_area when 'exception' then 'order_review' else p_area end $$;
comment on function private.handed_entity(text) is 'How deadlines and reminders call the records of an area.';

-- It changes hands ----------------------------------------------------------------------------------------------------

create or replace function private.hand_reviews(p_me private.actor, p_ids bigint[], p_from bigint, p_to bigint, p_now timestamptz) returns bigint[]
language sql volatile set search_path = '' as $$
    with moved as (
        update public.order_reviews r set owner_id = p_to, claim_until = case when p_to is not null then private.lease_end(p_now) end
        where r.order_id = any (private.held_together(p_from, p_ids)) and r.owner_id = p_from and r.state <> 'done'
        returning r.order_id, r.shop_id
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), shop_id, 'order', order_id, 'handed_over',
            pg_catalog.jsonb_build_object('from', p_from, 'to', p_to) from moved
    )
    select coalesce(pg_catalog.array_agg(order_id), '{}') from moved
$$;
comment on function private.hand_reviews(private.actor, bigint[], bigint, bigint, timestamptz) is
    'Exceptions, each with the rest of its group that he holds: a group is decided by one person.';

create or replace function private.hand_tickets(p_me private.actor, p_ids bigint[], p_from bigint, p_to bigint, p_now timestamptz) returns bigint[]
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets;
    v_done bigint[] := '{}';
begin
    for v in
        select * from public.tickets t where t.id = any (p_ids) and t.owner_id = p_from
            and (t.state in ('dispatched', 'in_progress', 'waiting_customer', 'waiting_return', 'approved', 'revisit')
                or (p_to is not null and t.state in ('pending_approval', 'resolved')))
        order by t.id for update
    loop
        v.owner_id := p_to;
        v.decision_id := private.note_assignment('ticket', v.shop_id, v.id, p_to, 'handover', p_now);
        perform private.move_ticket(p_me, v, case when v.state not in ('dispatched', 'in_progress') then v.state
            when p_to is null then 'classified' else 'dispatched' end,
            pg_catalog.jsonb_build_object('action', 'handed_over', 'from_id', p_from, 'to_id', p_to), p_now);
        v_done := v_done || v.id;
    end loop;
    return v_done;
end;
$$;
comment on function private.hand_tickets(private.actor, bigint[], bigint, bigint, timestamptz) is
    'Tickets: the colleague begins with them; what waits for an approval or an answer to a survey does not go to the pool.';

create or replace function private.hand_leads(p_me private.actor, p_ids bigint[], p_from bigint, p_to bigint, p_now timestamptz) returns bigint[]
language plpgsql volatile set search_path = '' as $$
declare
    v_ids bigint[] := array(select l.id from public.leads l
        where l.id = any (p_ids) and l.owner_id = p_from and l.state in ('assigned', 'following') order by l.id for update);
begin
    if v_ids <> '{}' and p_to is null then
        perform private.free_leads(p_me, v_ids, 'handed_over', 'handover', p_now);
    elsif v_ids <> '{}' then
        perform private.own_leads(p_me, v_ids, pg_catalog.array_fill(p_to, array[pg_catalog.cardinality(v_ids)]),
            array(select private.note_assignment('lead', l.shop_id, l.id, p_to, 'handover', p_now)
                from pg_catalog.unnest(v_ids) with ordinality u (id, n) join public.leads l on l.id = u.id order by u.n),
            'handed_over', 'handed_over', p_now);
    end if;
    return v_ids;
end;
$$;
comment on function private.hand_leads(private.actor, bigint[], bigint, bigint, timestamptz) is 'Leads: to the colleague, or back to the pool without a cool-off.';

create or replace function private.hand_work(
    p_me private.actor, p_area text, p_ids bigint[], p_from bigint, p_to bigint, p_now timestamptz
) returns bigint[]
language plpgsql volatile set search_path = '' as $$
begin
    return case p_area
        when 'exception' then private.hand_reviews(p_me, p_ids, p_from, p_to, p_now)
        when 'ticket' then private.hand_tickets(p_me, p_ids, p_from, p_to, p_now)
        else private.hand_leads(p_me, p_ids, p_from, p_to, p_now) end;
end;
$$;
comment on function private.hand_work(private.actor, text, bigint[], bigint, bigint, timestamptz) is
    'What p_from still owns of these records goes to p_to (null: the pool); answers with the ids that did.';

create or replace function private.settle_items(p_item_ids bigint[], p_to bigint, p_me private.actor, p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v record;
    v_moved bigint[];
    v_count integer := 0;
begin
    for v in
        select i.handover_id, i.area, h.member_id, pg_catalog.array_agg(i.entity_id order by i.entity_id) as entities
        from public.handover_items i join public.handovers h on h.id = i.handover_id
        where i.id = any (p_item_ids) and i.settled_at is null group by 1, 2, 3 order by 1, 2
    loop
        v_moved := private.hand_work(p_me, v.area, v.entities, v.member_id, p_to, p_now);
        v_count := v_count + pg_catalog.cardinality(v_moved);
        update public.handover_items i set settled_at = p_now, receiver_id = coalesce(p_to, i.receiver_id), state = case
            when i.entity_id <> all (v_moved) and exists (select from private.work_in_hand(v.member_id, null, p_now) w
                where w.area = i.area and w.entity_id = i.entity_id) then 'kept'
            when i.entity_id <> all (v_moved) then 'gone' when p_to is null then 'pooled' else 'accepted' end
        where i.handover_id = v.handover_id and i.area = v.area and i.settled_at is null
          and (i.entity_id = any (v_moved) or i.id = any (p_item_ids));
    end loop;
    return v_count;
end;
$$;
comment on function private.settle_items(bigint[], bigint, private.actor, timestamptz) is
    'Items (locked by the caller) go to a person or, p_to null, to the pool; those that changed meanwhile say so. Answers how many records changed hands.';

-- The tick ------------------------------------------------------------------------------------------------------------

create or replace function private.list_items(p_handover public.handovers, p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.handover_items as i (handover_id, shop_id, area, entity_id, label, path, due_at)
    select (p_handover).id, w.shop_id, w.area, w.entity_id, w.label, w.path, w.due_at
    from private.work_in_hand((p_handover).member_id, (p_handover).next_starts_at, p_now) w
    on conflict (handover_id, area, entity_id) do update set due_at = excluded.due_at,
        state = case when i.state in ('kept', 'gone') then 'open' else i.state end,
        settled_at = case when i.state in ('kept', 'gone') then null else i.settled_at end
    where i.due_at <> excluded.due_at or i.state in ('kept', 'gone')
$$;
comment on function private.list_items(public.handovers, timestamptz) is 'What its owner has in hand now is on the list of his handover.';

create or replace function private.find_ended_shifts(p_now timestamptz) returns void
language sql set search_path = '' as $$
    with ended as (
        select e.member_id, pg_catalog.max(e.ends_at) as ends_at
        from public.rota_entries e join public.members m on m.id = e.member_id and m.state = 'active'
        where e.starts_at > p_now - interval '75 hours' and e.ends_at <= p_now - private.pool_after() and e.ends_at > p_now - interval '50 hours'
          and not exists (select from public.rota_entries o where o.member_id = e.member_id and o.starts_at <= e.ends_at and o.ends_at > e.ends_at)
        group by e.member_id
    )
    insert into public.handovers (member_id, shift_ends_at, next_starts_at, created_at)
    select x.member_id, x.ends_at, private.next_shift_start(x.member_id, x.ends_at), p_now from ended x
    where not exists (select from public.handovers h where h.member_id = x.member_id and h.shift_ends_at >= x.ends_at)
    on conflict do nothing
$$;
comment on function private.find_ended_shifts(timestamptz) is
    'A handover for each shift that ended a quarter of an hour ago (of a person: the latest; up to two days of downtime).';

create or replace function private.pool_items(p_handover public.handovers, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select i.id from public.handover_items i
        where i.handover_id = (p_handover).id and i.settled_at is null order by i.id for update skip locked);
    v_count integer := 0;
begin
    if private.is_on_duty((p_handover).member_id, p_now) then
        update public.handover_items set state = 'kept', settled_at = p_now where id = any (v_ids);
    else
        v_ids := array(select i.id from public.handover_items i where i.id = any (v_ids) and (i.area = 'exception' or exists (
            select from private.on_duty(i.shop_id, p_now) d join public.members m on m.id = d.member_id
            where private.can_work(private.handed_entity(i.area), m.role, m.skills))));
        v_count := private.settle_items(v_ids, null, null, p_now);
    end if;
    if v_count > 0 then
        insert into public.notifications (member_id, kind, params, path, created_at)
        values ((p_handover).member_id, 'handover_left', private.handover_told((p_handover).id, v_ids, null), '/handover', p_now);
    end if;
    update public.handovers h set closed_at = p_now where h.id = (p_handover).id
        and not exists (select from public.handover_items i where i.handover_id = h.id and i.settled_at is null);
    perform private.close_handover_messages((p_handover).id, p_now);
    return v_count;
end;
$$;
comment on function private.pool_items(public.handovers, timestamptz) is
    'What is left of a handover goes to the pool of each shop that has somebody on duty for it (an exception at once: claims of exceptions end by themselves anyway); who is back at work keeps his.';

create or replace function private.remind_of_handovers(p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.notifications (member_id, kind, params, path, dedupe_key, created_at)
    select e.member_id, 'handover_open', pg_catalog.jsonb_build_object('count', w.n), '/handover', 'handover ' || e.ends_at, p_now
    from public.rota_entries e
    join public.members m on m.id = e.member_id and m.state = 'active'
    cross join lateral (select pg_catalog.count(*) as n
        from private.work_in_hand(e.member_id, private.next_shift_start(e.member_id, e.ends_at), p_now)) w
    where e.starts_at > p_now - interval '25 hours' and e.ends_at > p_now and e.ends_at <= p_now + interval '1 hour'
      and not exists (select from public.rota_entries o where o.member_id = e.member_id and o.starts_at <= e.ends_at and o.ends_at > e.ends_at)
      and not exists (select from public.notifications n where n.member_id = e.member_id and n.dedupe_key = 'handover ' || e.ends_at)
      and private.handover_opens_at(e.member_id, e.ends_at) <= p_now and w.n > 0
      and not exists (select from public.handovers h where h.member_id = e.member_id and h.shift_ends_at = e.ends_at)
    on conflict do nothing
$$;
comment on function private.remind_of_handovers(timestamptz) is 'Whoever has something to hand over is told so once, when the time for it begins.';

create or replace function private.sweep_handovers(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v public.handovers;
    v_count integer := 0;
begin
    perform private.remind_of_handovers(p_now);
    perform private.find_ended_shifts(p_now);
    for v in select * from public.handovers h where h.closed_at is null and h.shift_ends_at <= p_now - private.pool_after()
        order by h.shift_ends_at, h.id for update skip locked
    loop
        if v.swept_at is null then
            perform private.list_items(v, p_now);
            update public.handovers set swept_at = p_now where id = v.id;
        end if;
        v_count := v_count + private.pool_items(v, p_now);
    end loop;
    return v_count;
end;
$$;
comment on function private.sweep_handovers(timestamptz) is 'Each minute: what people left behind at the end of their shifts goes to the pool; answers how many items.';

create or replace function public.tick_work() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_left integer;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7316043) then
        return '{"left": 0, "given": 0, "busy": true}';
    end if;
    v_left := private.sweep_handovers(v_now);
    return pg_catalog.jsonb_build_object('left', v_left, 'given', private.drain_pool(v_now));
end;
$$;
grant execute on function public.tick_work() to service_role;
comment on function public.tick_work() is
    'Service, each minute, after the reminders: what ended shifts left goes to the pools, and the pools to whoever is on duty and has room. Answers {left, given} (items), or {busy: true} while another works.';
