-- 69 ----------------------------------------------------------------------------- 交接班: opening, offering, taking, looking

create or replace function private.handover_told(p_handover_id bigint, p_item_ids bigint[], p_who text) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('handover_id', p_handover_id, 'who', p_who, 'count', pg_catalog.count(*),
        'items', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('label', i.label, 'path', i.path, 'due_at', i.due_at,
            'entity', private.handed_entity(i.area), 'target', case i.area when 'exception' then 'review' when 'ticket' then 'resolve' else 'follow_up' end)
            order by i.due_at, i.id) filter (where i.place <= 10), '[]')))
    from (select x.*, pg_catalog.row_number() over (order by x.due_at, x.id) as place from public.handover_items x where x.id = any (p_item_ids)) i
$$;
comment on function private.handover_told(bigint, bigint[], text) is 'A message about items of a handover: {handover_id, who, count, items (ten by deadline)}.';

create or replace function private.close_handover_messages(p_handover_id bigint, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.notifications n set closed_at = p_now
    from public.handovers h
    where h.id = p_handover_id and n.member_id = h.member_id and n.kind = 'handover_open' and n.closed_at is null;
    update public.notifications n set closed_at = p_now
    where n.kind = 'handover' and n.closed_at is null and n.params -> 'handover_id' = pg_catalog.to_jsonb(p_handover_id)
      and n.member_id in (select i.receiver_id from public.handover_items i where i.handover_id = p_handover_id)
      and not exists (select from public.handover_items i
          where i.handover_id = p_handover_id and i.receiver_id = n.member_id and i.state = 'offered')
$$;
comment on function private.close_handover_messages(bigint, timestamptz) is 'A handover that was begun calls for no beginning; a colleague who has answered all that he was offered is told nothing any more.';

-- The one who goes ----------------------------------------------------------------------------------------------------

create or replace function public.open_handover(p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'open_handover', null);
    v_shift record;
    v public.handovers;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_shift from private.shift_of(v_me.member_id, v_now);
    if not found then
        perform private.fail('PT409', 'handover.no_shift');
    elsif v_now < v_shift.opens_at then
        perform private.fail('PT409', 'handover.too_early', pg_catalog.jsonb_build_object('at', v_shift.opens_at));
    end if;
    insert into public.handovers as h (member_id, shift_ends_at, next_starts_at, opened_at, created_at)
    values (v_me.member_id, v_shift.ends_at, v_shift.next_starts_at, v_now, v_now)
    on conflict (member_id, shift_ends_at) do update
    set opened_at = coalesce(h.opened_at, v_now), next_starts_at = excluded.next_starts_at
    returning * into v;
    perform private.list_items(v, v_now);
    perform private.close_handover_messages(v.id, v_now);
    perform private.audit(v_me, null, 'handover', v.id, 'opened');
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v.id,
        'items', (select pg_catalog.count(*) from public.handover_items i where i.handover_id = v.id and i.settled_at is null)));
end;
$$;
grant execute on function public.open_handover(uuid) to authenticated;
comment on function public.open_handover(uuid) is
    'Begins the handover of my shift (again: adds what I have taken since); from then on I am given no new work. Answers {id, items: how many are open}. handover.no_shift, handover.too_early (at).';

create or replace function private.require_receiver(p_me private.actor, p_receiver_id bigint, p_item_ids bigint[], p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_to public.members;
begin
    select * into v_to from public.members m where m.id = p_receiver_id and m.state = 'active' and m.id <> (p_me).member_id;
    if not found or exists (select from public.handover_items i where i.id = any (p_item_ids)
        and (i.shop_id not in (select k.shop_id from public.member_shops k where k.member_id = p_receiver_id)
            or not private.can_receive(i.area, v_to.role, v_to.skills))) then
        perform private.fail('PT422', 'handover.bad_receiver', pg_catalog.jsonb_build_object('name', coalesce(v_to.display_name, '?')));
    elsif not private.is_on_duty(p_receiver_id, p_now) then
        perform private.fail('PT409', 'handover.off_duty', pg_catalog.jsonb_build_object('name', v_to.display_name));
    end if;
end;
$$;
comment on function private.require_receiver(private.actor, bigint, bigint[], timestamptz) is
    'A colleague on duty who works for the shops of these items and may do this work: handover.bad_receiver, handover.off_duty (name).';

create or replace function private.can_receive(p_area text, p_role text, p_skills text[]) returns boolean
language sql immutable set search_path = '' as $$
    select p_role = 'manager' or private.can_work(private.handed_entity(p_area), p_role, p_skills)
$$;
comment on function private.can_receive(text, text, text[]) is 'Whether somebody may take on work of an area.';

create or replace function public.offer_handover(p_items jsonb, p_receiver_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_items jsonb := private.as_items(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'offer_handover', pg_catalog.jsonb_build_array(v_items, p_receiver_id));
    v public.handovers;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v_items is null or pg_catalog.jsonb_array_length(v_items) not between 1 and 200 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 200}');
    end if;
    select h.* into v from public.handovers h
    where h.member_id = v_me.member_id and h.closed_at is null and h.opened_at is not null order by h.id desc limit 1 for update;
    perform private.check_notes(v_items);
    v_ids := array(select i.id from public.handover_items i where i.handover_id = v.id and i.settled_at is null
        and i.id in (select (x ->> 'id')::bigint from pg_catalog.jsonb_array_elements(v_items) x) order by i.id for update);
    if pg_catalog.cardinality(v_ids) <> pg_catalog.jsonb_array_length(v_items) then
        perform private.fail('PT409', 'handover.stale');
    end if;
    if p_receiver_id is not null then
        perform private.require_receiver(v_me, p_receiver_id, v_ids, v_now);
    end if;
    update public.handover_items i set note = coalesce(pg_catalog.btrim(x.note), i.note), receiver_id = coalesce(p_receiver_id, i.receiver_id),
        state = case when p_receiver_id is not null then 'offered' else i.state end
    from pg_catalog.jsonb_to_recordset(v_items) x (id bigint, note text) where i.id = x.id and i.id = any (v_ids);
    if p_receiver_id is not null then
        insert into public.notifications (member_id, kind, params, path, is_urgent, created_at)
        values (p_receiver_id, 'handover', private.handover_told(v.id, v_ids,
            (select m.display_name from public.members m where m.id = v_me.member_id)), '/handover', true, v_now);
        perform private.audit(v_me, null, 'handover', v.id, 'offered', pg_catalog.jsonb_build_object('to', p_receiver_id, 'count', pg_catalog.cardinality(v_ids)));
    end if;
    perform private.close_handover_messages(v.id, v_now);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('done', pg_catalog.cardinality(v_ids)));
end;
$$;
grant execute on function public.offer_handover(jsonb, bigint, uuid) to authenticated;
comment on function public.offer_handover(jsonb, bigint, uuid) is
    'Items [{id (of the handover), note (≤ 200 letters, no phone)}] of my handover are offered to a colleague on duty, who is told; p_receiver_id null only keeps the notes. A later offer takes the place of an earlier one. Answers {done}. handover.stale, handover.bad_receiver, handover.off_duty (name), handover.bad_note, bulk.too_many, request.bad_value.';

create or replace function private.check_notes(p_items jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if exists (select from pg_catalog.jsonb_array_elements(p_items) x
        where pg_catalog.jsonb_typeof(coalesce(x -> 'note', '""')) <> 'string' or pg_catalog.char_length(pg_catalog.btrim(x ->> 'note')) > 200
           or private.names_a_phone(x ->> 'note')) then
        perform private.fail('PT422', 'handover.bad_note');
    end if;
end;
$$;
comment on function private.check_notes(jsonb) is 'A note is a line of at most 200 letters without a phone number: handover.bad_note.';

-- The one who stays ---------------------------------------------------------------------------------------------------

create or replace function private.offered_to(p_handover_id bigint, p_member_id bigint, p_ids bigint[]) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(select i.id from public.handover_items i
        where i.handover_id = p_handover_id and i.receiver_id = p_member_id and i.state = 'offered'
          and (p_ids is null or i.id = any (p_ids)) order by i.id for update)
$$;
comment on function private.offered_to(bigint, bigint, bigint[]) is 'Locks what somebody is offered of a handover (of these items, null: all).';

create or replace function public.accept_handover(p_handover_id bigint, p_accept jsonb, p_decline jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'accept_handover', pg_catalog.jsonb_build_array(p_handover_id, p_accept, p_decline));
    v_from bigint;
    v_declined bigint[];
    v_taken bigint[];
    v_count integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select h.member_id into v_from from public.handovers h where h.id = p_handover_id and h.closed_at is null for update;
    v_declined := private.offered_to(p_handover_id, v_me.member_id, private.as_ids(coalesce(private.as_json(p_decline), '[]')));
    v_taken := private.offered_to(p_handover_id, v_me.member_id, case when p_accept is not null and p_accept <> 'null' then private.as_ids(p_accept) end);
    v_taken := array(select pg_catalog.unnest(v_taken) except select pg_catalog.unnest(v_declined) order by 1);
    if v_from is null or (v_taken = '{}' and v_declined = '{}') then
        perform private.fail('PT409', 'handover.nothing_offered');
    end if;
    v_count := private.settle_items(v_taken, v_me.member_id, v_me, v_now);
    update public.handover_items set state = 'declined' where id = any (v_declined);
    if v_declined <> '{}' then
        insert into public.notifications (member_id, kind, params, path, is_urgent, created_at)
        values (v_from, 'handover_declined', private.handover_told(p_handover_id, v_declined,
            (select m.display_name from public.members m where m.id = v_me.member_id)), '/handover', true, v_now);
    end if;
    perform private.audit(v_me, null, 'handover', p_handover_id, 'answered',
        pg_catalog.jsonb_build_object('taken', v_count, 'declined', pg_catalog.cardinality(v_declined)));
    perform private.close_handover_messages(p_handover_id, v_now);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('taken', v_count,
        'gone', (select pg_catalog.count(*) from public.handover_items i where i.id = any (v_taken) and i.state <> 'accepted'),
        'declined', pg_catalog.cardinality(v_declined)));
end;
$$;
grant execute on function public.accept_handover(bigint, jsonb, jsonb, uuid) to authenticated;
comment on function public.accept_handover(bigint, jsonb, jsonb, uuid) is
    'Of what a colleague offers me: items p_accept (ids; null: all) are mine now, p_decline (ids) go back to his list and he is told; the rest stays offered. Answers {taken (records, an exception brings the rest of its group along), gone (were done or somebody else''s already), declined}. handover.nothing_offered, request.bad_value.';

-- Screens -------------------------------------------------------------------------------------------------------------

create or replace function private.item_shown(p_item public.handover_items) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', p_item.id, 'area', p_item.area, 'entity_id', p_item.entity_id, 'shop_id', p_item.shop_id,
        'label', p_item.label, 'path', p_item.path, 'due_at', p_item.due_at, 'note', p_item.note, 'state', p_item.state,
        'receiver', (select m.display_name from public.members m where m.id = p_item.receiver_id))
$$;

create or replace function private.possible_receivers(p_member_id bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', r.id, 'name', r.display_name, 'shop_ids', r.shop_ids,
        'areas', array(select a from pg_catalog.unnest(array['exception', 'ticket', 'lead']) a where private.can_receive(a, r.role, r.skills)))
        order by r.display_name, r.id), '[]')
    from (
        select m.id, m.display_name, m.role, m.skills, pg_catalog.array_agg(k.shop_id order by k.shop_id) as shop_ids
        from public.member_shops k
        cross join lateral private.on_duty(k.shop_id, p_now) d
        join public.members m on m.id = d.member_id
        where k.member_id = p_member_id and m.id <> p_member_id and m.role in ('agent', 'operations', 'manager')
        group by m.id) r
$$;
comment on function private.possible_receivers(bigint, timestamptz) is 'Colleagues on duty in a member''s shops, and which work each may take on.';

create or replace function public.handover_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_shift record;
    v_mine public.handovers;
begin
    select * into v_shift from private.shift_of(v_me.member_id, v_now);
    select * into v_mine from public.handovers h where h.member_id = v_me.member_id and h.opened_at is not null
        and (h.closed_at is null or h.shift_ends_at = v_shift.ends_at) order by h.id desc limit 1;
    return pg_catalog.jsonb_build_object('at', v_now, 'sees_everybody', private.sees_everybody(v_me),
        'shift', case when v_shift.ends_at is not null then pg_catalog.to_jsonb(v_shift) end,
        'in_hand', (select pg_catalog.count(*) from private.work_in_hand(v_me.member_id, v_shift.next_starts_at, v_now)),
        'mine', case when v_mine.id is not null then pg_catalog.jsonb_build_object('id', v_mine.id, 'opened_at', v_mine.opened_at,
            'shift_ends_at', v_mine.shift_ends_at, 'pool_at', v_mine.shift_ends_at + private.pool_after(), 'closed_at', v_mine.closed_at,
            'items', (select coalesce(pg_catalog.jsonb_agg(private.item_shown(i) order by i.settled_at nulls first, i.due_at, i.id), '[]')
                from public.handover_items i where i.handover_id = v_mine.id)) end,
        'receivers', case when v_shift.ends_at is not null then private.possible_receivers(v_me.member_id, v_now) else '[]' end,
        'offers', (select coalesce(pg_catalog.jsonb_agg(o order by o ->> 'id'), '[]') from (
            select pg_catalog.jsonb_build_object('id', h.id, 'who', m.display_name,
                'items', pg_catalog.jsonb_agg(private.item_shown(i) order by i.due_at, i.id)) as o
            from public.handover_items i join public.handovers h on h.id = i.handover_id and h.closed_at is null
            join public.members m on m.id = h.member_id
            where i.receiver_id = v_me.member_id and i.state = 'offered' group by h.id, m.display_name) f));
end;
$$;
grant execute on function public.handover_screen() to authenticated;
comment on function public.handover_screen() is
    'My handover: {at, sees_everybody, shift {ends_at, opens_at, pool_at, next_starts_at} or null, in_hand (how many items are due before my next shift), mine {id, opened_at, shift_ends_at, pool_at, closed_at, items [{id, area, entity_id, shop_id, label, path, due_at, note, state, receiver}]} or null, receivers [{member_id, name, shop_ids, areas}], offers [{id, who, items}] to me}. member.none.';

create or replace function public.handover_log(p_days integer default 7) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_days integer := least(greatest(coalesce(p_days, 7), 1), 31);
begin
    if not private.sees_everybody(v_me) then
        perform private.fail('PT403', 'handover.not_lead');
    end if;
    return (
        select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', h.id, 'name', m.display_name, 'shift_ends_at', h.shift_ends_at,
            'opened_at', h.opened_at, 'closed_at', h.closed_at, 'is_left', h.opened_at is null,
            'accepted', i.accepted, 'pooled', i.pooled, 'kept', i.kept, 'waiting', i.waiting) order by h.shift_ends_at desc, h.id desc), '[]')
        from public.handovers h
        join public.members m on m.id = h.member_id
        cross join lateral (
            select pg_catalog.count(*) as n, pg_catalog.count(*) filter (where x.state = 'accepted') as accepted,
                pg_catalog.count(*) filter (where x.state = 'pooled') as pooled, pg_catalog.count(*) filter (where x.state = 'kept') as kept,
                pg_catalog.count(*) filter (where x.settled_at is null) as waiting
            from public.handover_items x where x.handover_id = h.id and x.shop_id in (select private.my_shop_ids())) i
        where h.shift_ends_at > v_now - pg_catalog.make_interval(days => v_days) and i.n > 0);
end;
$$;
grant execute on function public.handover_log(integer) to authenticated;
comment on function public.handover_log(integer) is
    'Leaders: handovers of the last days (at most 31) with items in my shops [{id, name, shift_ends_at, opened_at, closed_at, is_left (went without handing over), accepted, pooled, kept, waiting}], newest first. handover.not_lead.';
