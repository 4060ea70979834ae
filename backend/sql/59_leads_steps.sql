-- 59 ----------------------------------------------------------------------------- leads: followed up, won, lost, opened again
--
-- Whatever changes the state of a lead goes along private.lead_moves(); a trigger refuses every other step, whoever takes it.

create or replace function private.lead_moves() returns table (state_from text, state_to text, rpc text, who text)
language sql immutable set search_path = '' as $$
    select f, t.state_to, t.rpc, t.who from (values
        ('{pool}'::text[], 'assigned', 'claim_lead', 'seller'),
        ('{pool}', 'assigned', 'claim_next_leads', 'seller'),
        ('{pool,assigned,following}', 'assigned', 'assign_leads', 'leader'),
        ('{assigned,following}', 'assigned', 'take_over_lead', 'colleague'),
        ('{pool}', 'assigned', 'drain', 'system'),
        ('{assigned,following}', 'pool', 'give_back_leads', 'owner'),
        ('{assigned,following}', 'pool', 'ladder', 'system'),
        ('{assigned,following}', 'following', 'follow_up_lead', 'owner'),
        ('{following}', 'converted', 'convert_lead', 'owner'),
        ('{pool,assigned,following}', 'converted', 'import', 'system'),
        ('{following}', 'lost', 'lose_lead', 'owner'),
        ('{pool,assigned,following}', 'lost', 'other_lead', 'system'),
        ('{assigned,following}', 'lost', 'transfer_lead', 'owner'),
        ('{lost,converted}', 'assigned', 'reopen_lead', 'leader'),
        ('{lost,converted}', 'pool', 'reopen_lead', 'leader'),
        ('{pool,assigned,following}', 'merged', 'decide_merge', 'owner'),
        ('{pool}', 'assigned', 'undo_leads', 'undo'),
        ('{pool,assigned}', 'following', 'undo_leads', 'undo'),
        ('{assigned}', 'pool', 'undo_leads', 'undo')
    ) t (states_from, state_to, rpc, who) cross join lateral pg_catalog.unnest(t.states_from) f
$$;
comment on function private.lead_moves() is
    'Every step that a lead may take, by which function, and as what: seller (presales or manager of the shop), owner (or a leader), colleague (a seller, while the owner is off duty; a leader at any time), leader (manager, 当班主管), system, undo (whoever did the step, for ten minutes). The flow and its test both read it.';

create or replace function private.tg_lead_state() returns trigger
language plpgsql set search_path = '' as $$
begin
    if not exists (select from private.lead_moves() m where m.state_from = old.state and m.state_to = new.state) then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || old.id, 'state', old.state));
    end if;
    return new;
end;
$$;
comment on function private.tg_lead_state() is 'No other step than those of lead_moves.';
create or replace trigger t05_state before update of state on public.leads
    for each row when (old.state is distinct from new.state) execute function private.tg_lead_state();

create or replace function private.states_for(p_rpc text) returns text[]
language sql immutable set search_path = '' as $$
    select pg_catalog.array_agg(distinct m.state_from) from private.lead_moves() m where m.rpc = p_rpc
$$;

create table if not exists public.follow_ups (
    id bigint generated always as identity primary key,
    lead_id bigint not null references public.leads,
    shop_id bigint not null references public.shops,
    member_id bigint not null references public.members,
    at timestamptz not null,
    channel text not null constraint follow_ups_channel_known check (channel in ('phone', 'wechat', 'platform', 'sms', 'email', 'visit', 'other')),
    step text not null constraint follow_ups_step_known check (step in ('first_touch', 'discovery', 'objection', 'closing')),
    outcome text not null constraint follow_ups_outcome_known check (outcome in ('reached', 'replied', 'no_answer', 'wrong_contact', 'refused')),
    next_step text not null constraint follow_ups_next_step_known check (next_step in
        ('contact_again', 'send_offer', 'send_material', 'answer_objection', 'ask_order', 'wait_payment', 'care')),
    next_at timestamptz not null,
    note text constraint follow_ups_note_length check (char_length(note) between 1 and 1000)
        constraint follow_ups_note_masked check (not private.names_a_phone(note)),
    is_on_time boolean
);
create index if not exists follow_ups_lead_id_idx on public.follow_ups (lead_id, id);
create index if not exists follow_ups_shop_id_idx on public.follow_ups (shop_id, at);
create index if not exists follow_ups_member_id_idx on public.follow_ups (member_id, at);
alter table public.follow_ups enable row level security;
create or replace trigger t10_append_only before update or delete on public.follow_ups
    for each row execute function private.tg_append_only();
comment on table public.follow_ups is '跟进: one contact with the customer of a lead, and what comes next. The note is masked by the app before it is sent.';
comment on column public.follow_ups.is_on_time is 'Whether it came before the deadline of the lead; null without a clock.';
drop policy if exists "readers of a lead read its follow-ups" on public.follow_ups;
create policy "readers of a lead read its follow-ups" on public.follow_ups
    for select to authenticated using (exists (select from public.leads l where l.id = lead_id));
grant select on public.follow_ups to authenticated;

-- Following up --------------------------------------------------------------------------------------------------------

create or replace function private.stage_place(p_stage text) returns smallint
language sql immutable set search_path = '' as $$
    select pg_catalog.array_position(array['first_touch', 'discovery', 'objection', 'closing'], p_stage)::smallint
$$;

create or replace function private.check_follow_up(p_lead public.leads, p jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_next timestamptz;
begin
    if private.names_a_phone(p ->> 'note') then
        perform private.fail('PT422', 'lead.note_phone');
    elsif coalesce(p ->> 'next_at', '') = '' or coalesce(p ->> 'next_step', '') = '' then
        perform private.fail('PT422', 'lead.next_missing');
    end if;
    v_next := (p ->> 'next_at')::timestamptz;
    if v_next <= p_now or v_next > p_now + private.lead_rest(p_lead) then
        perform private.fail('PT422', 'lead.next_range', pg_catalog.jsonb_build_object('grade', p_lead.grade,
            'until', p_now + private.lead_rest(p_lead)));
    end if;
exception when data_exception then
    perform private.fail('PT422', 'lead.bad_value');
end;
$$;
comment on function private.check_follow_up(public.leads, jsonb, timestamptz) is
    'A next step at a time to come, not further ahead than the grade allows: lead.next_missing, lead.next_range (grade, until), lead.note_phone, lead.bad_value.';

create or replace function private.stop_lead_clock(p_lead public.leads, p_actor bigint, p_now timestamptz) returns boolean
language sql set search_path = '' as $$
    select case c.state when 'fulfilled' then true when 'fulfilled_late' then false end
    from public.sla_clocks o cross join lateral private.stop_clock(o.id, p_now, p_actor) c
    where o.entity = 'lead' and o.entity_id = (p_lead).id and o.stopped_at is null
$$;
comment on function private.stop_lead_clock(public.leads, bigint, timestamptz) is 'Ends the running deadline by a follow-up; whether it was met (null: no clock, or not known yet).';

create or replace function private.was_lead_late(p_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.sla_clocks c
        where c.entity = 'lead' and c.entity_id = p_id and (c.breached_at is not null or (c.state = 'cancelled' and c.due_at < c.stopped_at)))
$$;
comment on function private.was_lead_late(bigint) is
    'Whether a deadline of this lead passed, with whoever had it: the customer waited, also where the next owner was given new time.';

create or replace function private.store_follow_up(p_me private.actor, p_lead public.leads, p jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.leads;
    v_met boolean := private.stop_lead_clock(p_lead, (p_me).member_id, p_now);
    v_first boolean := p_lead.first_follow_up_at is null;
    v_reached boolean := p ->> 'outcome' in ('reached', 'replied', 'refused');
begin
    insert into public.follow_ups (lead_id, shop_id, member_id, at, channel, step, outcome, next_step, next_at, note, is_on_time)
    values (p_lead.id, p_lead.shop_id, (p_me).member_id, p_now, p ->> 'channel', p ->> 'step', p ->> 'outcome', p ->> 'next_step',
        (p ->> 'next_at')::timestamptz, nullif(pg_catalog.btrim(p ->> 'note'), ''), v_met);
    update public.leads set state = 'following', stage = case when v_reached then p ->> 'step' else stage end,
        furthest = case when v_reached then greatest(furthest, private.stage_place(p ->> 'step')) else furthest end,
        first_contact_at = coalesce(first_contact_at, case when v_reached then p_now end),
        first_follow_up_at = coalesce(first_follow_up_at, p_now),
        is_first_on_time = case when v_first then v_met and not private.was_lead_late(id) else is_first_on_time end,
        last_follow_up_at = p_now, follow_up_count = follow_up_count + 1, next_step = p ->> 'next_step', next_at = (p ->> 'next_at')::timestamptz,
        is_raised = false
    where id = p_lead.id returning * into v;
    perform private.next_lead_clock(v, v.next_at, (p_me).member_id, p_now);
    perform private.audit(p_me, v.shop_id, 'lead', v.id, 'followed_up', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'channel', p ->> 'channel', 'step', p ->> 'step', 'outcome', p ->> 'outcome', 'next_step', v.next_step, 'next_at', v.next_at, 'on_time', v_met)));
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'lead.bad_value');
end;
$$;

create or replace function private.lead_answer(p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', l.id, 'number', 'L-' || l.id, 'state', l.state, 'stage', l.stage, 'grade', l.grade,
        'owner_id', l.owner_id, 'due_at', l.due_at, 'next_step', l.next_step, 'next_at', l.next_at, 'version', l.version)
    from public.leads l where l.id = p_id
$$;
comment on function private.lead_answer(bigint) is 'What a step answers: the lead as it is now.';

create or replace function public.follow_up_lead(p_request_id uuid, p_id bigint, p_version integer, p_follow_up jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_new jsonb := private.as_json(p_follow_up);
    v_answer jsonb := private.begin_request(p_request_id, 'follow_up_lead', pg_catalog.jsonb_build_array(p_id, p_version, v_new));
    v_now timestamptz := private.now();
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, private.states_for('follow_up_lead'));
    perform private.check_follow_up(v_lead, v_new, v_now);
    perform private.store_follow_up(v_me, v_lead, v_new, v_now);
    return private.finish_request(p_request_id, private.lead_answer(p_id));
end;
$$;
grant execute on function public.follow_up_lead(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.follow_up_lead(uuid, bigint, integer, jsonb) is
    'Owner, manager, 当班主管: a contact with the customer {channel phone|wechat|platform|sms|email|visit|other, step first_touch|discovery|objection|closing, outcome reached|replied|no_answer|wrong_contact|refused, next_step contact_again|send_offer|send_material|answer_objection|ask_order|wait_payment|care, next_at, note (masked)}. Ends the deadline; the next one is next_at. lead.none, lead.state, lead.not_yours, lead.stale, lead.next_missing, lead.next_range, lead.note_phone, lead.bad_value.';

-- Won, lost, handed to after-sales ------------------------------------------------------------------------------------

create or replace function private.end_lead_clocks(p_ids bigint[], p_reason text, p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.cancel_clock(c.id, p_reason, p_now, p_actor) from public.sla_clocks c
    where c.entity = 'lead' and c.entity_id = any (p_ids) and c.stopped_at is null;
end;
$$;
comment on function private.end_lead_clocks(bigint[], text, bigint, timestamptz) is 'Nobody needs to be followed up any more: no verdict.';

create or replace function private.close_lead(p_me private.actor, p_lead public.leads, p_reason text, p_detail jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    update public.leads set state = 'lost', lost_reason = p_reason, closed_at = p_now, due_at = null, due_sort = p_now, next_at = null, next_step = null
    where id = p_lead.id;
    perform private.end_lead_clocks(array[p_lead.id], 'lost', (p_me).member_id, p_now);
    perform private.audit(p_me, p_lead.shop_id, 'lead', p_lead.id, 'lost', p_detail || pg_catalog.jsonb_build_object('reason', p_reason, 'stage', p_lead.stage));
end;
$$;

create or replace function public.lose_lead(p_request_id uuid, p_id bigint, p_version integer, p_reason text, p_note text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'lose_lead', pg_catalog.jsonb_build_array(p_id, p_version, p_reason, p_note));
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, private.states_for('lose_lead'));
    if coalesce(p_reason, '') not in ('price', 'no_need', 'competitor', 'no_answer', 'out_of_stock', 'wrong_contact', 'other')
        or pg_catalog.char_length(p_note) > 200 then
        perform private.fail('PT422', 'lead.lost_reason');
    elsif private.names_a_phone(p_note) then
        perform private.fail('PT422', 'lead.note_phone');
    end if;
    perform private.close_lead(v_me, v_lead, p_reason, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('note', nullif(pg_catalog.btrim(p_note), ''))),
        private.now());
    return private.finish_request(p_request_id, private.lead_answer(p_id));
end;
$$;
grant execute on function public.lose_lead(uuid, bigint, integer, text, text) to authenticated;
comment on function public.lose_lead(uuid, bigint, integer, text, text) is
    'Owner, manager, 当班主管: no sale; reason price, no_need, competitor, no_answer, out_of_stock, wrong_contact, other, and a masked note (200). Only after a follow-up. lead.none, lead.state, lead.not_yours, lead.stale, lead.lost_reason, lead.note_phone.';

create or replace function public.transfer_lead(p_request_id uuid, p_id bigint, p_version integer, p_ticket jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_in jsonb := private.as_json(p_ticket);
    v_answer jsonb := private.begin_request(p_request_id, 'transfer_lead', pg_catalog.jsonb_build_array(p_id, p_version, v_in));
    v_now timestamptz := private.now();
    v_lead public.leads;
    v_ticket bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, private.states_for('transfer_lead'));
    if v_in -> 'is_script_sent' is distinct from 'true' then
        perform private.fail('PT422', 'lead.script_missing');
    end if;
    v_ticket := private.add_ticket(v_me, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('shop_id', v_lead.shop_id,
        'order_id', v_in -> 'order_id', 'type', v_in -> 'type', 'summary', v_in -> 'summary', 'channel', v_in -> 'channel', 'source', 'lead',
        'lead_id', p_id, 'buyer_account', v_lead.buyer_account)), v_now);
    update public.tickets set contact_id = v_lead.contact_id, receiver_masked = v_lead.name_masked, phone_masked = v_lead.phone_masked
    where id = v_ticket and order_id is null; -- an order brings its own receiver
    perform private.close_lead(v_me, v_lead, 'transferred', pg_catalog.jsonb_build_object('ticket_id', v_ticket), v_now);
    return private.finish_request(p_request_id, private.lead_answer(p_id) || pg_catalog.jsonb_build_object('ticket_id', v_ticket));
end;
$$;
grant execute on function public.transfer_lead(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.transfer_lead(uuid, bigint, integer, jsonb) is
    '转接: owner, manager, 当班主管: it is an after-sales matter: a ticket {type, summary (masked), order_id, channel, is_script_sent} is registered and the lead ends as transferred. First the customer is told so (is_script_sent true). lead.none, lead.state, lead.not_yours, lead.stale, lead.script_missing, and what registering a ticket refuses.';

create or replace function private.refuse_order(p_lead public.leads, p_order public.orders) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_other bigint := (select l.id from public.leads l where l.order_id = p_order.id);
begin
    if p_order.id is null then
        perform private.fail('PT404', 'lead.order_none');
    elsif p_order.status not in ('to_ship', 'shipped', 'completed') then
        perform private.fail('PT409', 'lead.order_unpaid', pg_catalog.jsonb_build_object('order_no', p_order.order_no));
    elsif v_other is not null then
        perform private.fail('PT409', 'lead.order_taken', pg_catalog.jsonb_build_object('order_no', p_order.order_no, 'number', 'L-' || v_other));
    end if;
end;
$$;

create or replace function private.other_leads(p_ids bigint[]) returns table (lead_id bigint, won_id bigint)
language sql stable set search_path = '' as $$
    with won as materialized (
        select l.id, l.shop_id, array[l.contact_id, o.contact_id] as contacts, array[l.buyer_account, o.buyer_account] as buyers,
            coalesce(o.paid_at, o.placed_at) as at
        from public.leads l join public.orders o on o.id = l.order_id where l.id = any (p_ids)
    ), same as (
        select w.id as won_id, w.at, t.id, t.asked_at from won w
        join private.contacts c on c.id = any (w.contacts) join private.contacts k on k.phone_hash = c.phone_hash and k.kind = 'lead'
        join public.leads t on t.contact_id = k.id and t.shop_id = w.shop_id and t.closed_at is null
        union
        select w.id, w.at, t.id, t.asked_at from won w
        join public.leads t on t.buyer_account = any (w.buyers) and t.shop_id = w.shop_id and t.closed_at is null
    )
    select s.id, pg_catalog.min(s.won_id) from same s
    where coalesce(s.at >= s.asked_at - interval '1 hour', true) and not exists (select from public.lead_merges g
        where g.lead_id = greatest(s.id, s.won_id) and g.into_id = least(s.id, s.won_id) and g.state = 'rejected' and g.decided_by is not null)
    group by s.id
$$;
comment on function private.other_leads(bigint[]) is
    'Open leads of the customers of these converted ones: the same phone or buyer account in the same shop, asked before the order (as leads_of_orders). Not those that a person said are somebody else.';

create or replace function private.close_other_leads(p_me private.actor, p_won bigint[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with other as materialized (
        select o.lead_id, o.won_id from private.other_leads(p_won) o
    ), held as materialized ( -- one that somebody is changing at this moment is left to him
        select l.id from public.leads l where l.id in (select o.lead_id from other o) and l.closed_at is null order by l.id for update skip locked
    ), closed as (
        update public.leads l set state = 'lost', lost_reason = 'other_lead', closed_at = p_now, due_at = null, due_sort = p_now, next_at = null, next_step = null
        from held h join other o on o.lead_id = h.id where l.id = h.id
        returning l.id, l.shop_id, l.stage, o.won_id
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), c.shop_id, 'lead', c.id, 'lost',
            pg_catalog.jsonb_build_object('reason', 'other_lead', 'stage', c.stage, 'lead_ids', pg_catalog.jsonb_build_array(c.won_id)) from closed c
        union all
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), c.shop_id, 'lead', c.won_id, 'others_closed',
            pg_catalog.jsonb_build_object('lead_ids', pg_catalog.jsonb_agg(c.id order by c.id)) from closed c group by c.shop_id, c.won_id
    )
    select pg_catalog.array_agg(c.id) into v_ids from closed c;
    perform private.end_lead_clocks(v_ids, 'converted', (p_me).member_id, p_now);
end;
$$;
comment on function private.close_other_leads(private.actor, bigint[], timestamptz) is
    'Who bought is not called again: the other open leads of these customers end as other_lead, with the history on both; a manager may open one again. What was promised there stays promised.';

create or replace function private.win_leads(p_me private.actor, p_ids bigint[], p_orders bigint[], p_hows text[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    with won as (
        update public.leads l set state = 'converted', order_id = w.order_id, converted_by = w.how, closed_at = p_now, due_at = null,
            due_sort = p_now, next_at = null, next_step = null
        from unnest(p_ids, p_orders, p_hows) w (id, order_id, how) where l.id = w.id
        returning l.id, l.shop_id, l.order_id, l.converted_by, l.stage
    )
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), w.shop_id, 'lead', w.id, 'converted',
        pg_catalog.jsonb_build_object('order_id', w.order_id, 'by', w.converted_by, 'stage', w.stage) from won w;
    perform private.end_lead_clocks(p_ids, 'converted', (p_me).member_id, p_now);
    perform private.put_promised_gifts(p_ids, p_now);
    perform private.close_other_leads(p_me, p_ids, p_now);
end;
$$;
comment on function private.win_leads(private.actor, bigint[], bigint[], text[], timestamptz) is
    'Leads (locked and checked by the caller) became orders, with the gifts that were promised; other open leads of the customers end.';

create or replace function public.convert_lead(p_request_id uuid, p_id bigint, p_version integer, p_order_no text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'convert_lead', pg_catalog.jsonb_build_array(p_id, p_version, p_order_no));
    v_lead public.leads;
    v_order public.orders;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, private.states_for('convert_lead'));
    select * into v_order from public.orders o where o.shop_id = v_lead.shop_id and o.order_no = p_order_no for update;
    perform private.refuse_order(v_lead, v_order);
    perform private.win_leads(v_me, array[p_id], array[v_order.id], array['person'], private.now());
    return private.finish_request(p_request_id, private.lead_answer(p_id) || pg_catalog.jsonb_build_object('order_id', v_order.id));
end;
$$;
grant execute on function public.convert_lead(uuid, bigint, integer, text) to authenticated;
comment on function public.convert_lead(uuid, bigint, integer, text) is
    'Owner, manager, 当班主管: the customer bought: an order of the same shop, paid. Only after a follow-up; imported orders convert by themselves. lead.none, lead.state, lead.not_yours, lead.stale, lead.order_none, lead.order_unpaid, lead.order_taken (number).';

create or replace function private.leads_of_orders(p_order_ids bigint[]) returns table (lead_id bigint, order_id bigint, how text)
language sql stable set search_path = '' as $$
    with bought as materialized (
        select o.id, o.shop_id, o.buyer_account, o.contact_id, coalesce(o.paid_at, o.placed_at) as at from public.orders o
        where o.id = any (p_order_ids) and o.status in ('to_ship', 'shipped', 'completed')
          and not exists (select from public.leads x where x.order_id = o.id)
    ), found as (
        select b.id as order_id, l.id as lead_id, 'buyer_account' as how, 2 as sure, b.at, l.state, l.owner_id, l.asked_at
        from bought b join public.leads l on l.buyer_account = b.buyer_account and l.shop_id = b.shop_id and l.closed_at is null
        union all
        select b.id, l.id, 'phone', 1, b.at, l.state, l.owner_id, l.asked_at
        from bought b join private.contacts c on c.id = b.contact_id and c.phone_hash is not null
        join private.contacts k on k.phone_hash = c.phone_hash and k.kind = 'lead'
        join public.leads l on l.contact_id = k.id and l.shop_id = b.shop_id and l.closed_at is null
    ), best as (
        select distinct on (f.order_id) f.* from found f where coalesce(f.at >= f.asked_at - interval '1 hour', true)
        order by f.order_id, f.state <> 'following', f.owner_id is null, f.asked_at desc, f.sure
    )
    select distinct on (b.lead_id) b.lead_id, b.order_id, b.how from best b order by b.lead_id, b.at, b.order_id
$$;
comment on function private.leads_of_orders(bigint[]) is
    'Open leads whose customer placed one of these paid orders after asking (an hour of leeway for clocks that differ), by phone or buyer account, in the same shop: of several the one that is worked on, then the owned and newest one, with its first order.';

create or replace function private.convert_leads(p_order_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
    v_orders bigint[];
    v_hows text[];
begin
    perform from public.leads l where l.id in (select f.lead_id from private.leads_of_orders(p_order_ids) f) order by l.id for update;
    select pg_catalog.array_agg(f.lead_id), pg_catalog.array_agg(f.order_id), pg_catalog.array_agg(f.how) into v_ids, v_orders, v_hows
    from private.leads_of_orders(p_order_ids) f;
    if v_ids is not null then
        perform private.win_leads(null, v_ids, v_orders, v_hows, p_now);
    end if;
    return coalesce(pg_catalog.cardinality(v_ids), 0);
end;
$$;
comment on function private.convert_leads(bigint[], timestamptz) is 'Leads whose customers bought are converted by the import that brings the orders; answers how many.';

-- Opened again --------------------------------------------------------------------------------------------------------

create or replace function private.lead_to_reopen(p_me private.actor, p_id bigint, p_version integer, p_now timestamptz) returns public.leads
language plpgsql set search_path = '' as $$
declare
    v public.leads := private.lead_for_change(p_me, p_id, p_version, private.states_for('reopen_lead'));
    v_days integer := (private.lead_rules_of(v.shop_id)).reopen_days;
begin
    if not private.oversees(p_me) then
        perform private.fail('PT403', 'lead.needs_manager');
    elsif v.state = 'converted' and v.converted_by = 'person' then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || p_id, 'state', v.state));
    elsif v.closed_at < p_now - pg_catalog.make_interval(days => v_days) then
        perform private.fail('PT409', 'lead.reopen_late', pg_catalog.jsonb_build_object('number', 'L-' || p_id, 'days', v_days));
    end if;
    return v;
end;
$$;

create or replace function public.reopen_lead(p_request_id uuid, p_id bigint, p_version integer, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'reopen_lead', pg_catalog.jsonb_build_array(p_id, p_version, p_reason));
    v_now timestamptz := private.now();
    v_lead public.leads;
    v_stays boolean;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_to_reopen(v_me, p_id, p_version, v_now);
    if coalesce(p_reason, '') not in ('came_back', 'wrong_match', 'mistake', 'other') then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
    perform private.take_promised_gifts(v_me, array(select r.id from public.promises r where r.entity = 'lead'
        and r.entity_id = any (private.lead_family(p_id))), v_now); -- the order was somebody else's
    v_stays := exists (select from public.members m where m.id = v_lead.owner_id and m.state = 'active' and private.can_sell(m.role, m.skills));
    if not v_stays then
        update public.lead_owners set until = v_now, ended_as = 'switched_off' where lead_id = p_id and until is null;
    end if;
    update public.leads set state = case when v_stays then 'assigned' else 'pool' end, owner_id = case when v_stays then owner_id end,
        owned_since = case when v_stays then v_now end, order_id = null, converted_by = null, lost_reason = null, closed_at = null,
        free_at = v_now, looked_at = null, due_sort = 'infinity'
    where id = p_id;
    perform private.start_lead_clocks(array[p_id], v_me.member_id, v_now);
    perform private.audit(v_me, v_lead.shop_id, 'lead', p_id, 'reopened', pg_catalog.jsonb_build_object('reason', p_reason, 'was', v_lead.state));
    return private.finish_request(p_request_id, private.lead_answer(p_id));
end;
$$;
grant execute on function public.reopen_lead(uuid, bigint, integer, text) to authenticated;
comment on function public.reopen_lead(uuid, bigint, integer, text) is
    'Manager, 当班主管: a lost lead, or one that an import converted wrongly, is open again with its owner (or in the pool) and a new deadline; reason came_back, wrong_match, mistake, other. lead.none, lead.state, lead.needs_manager, lead.reopen_late (days), lead.stale, lead.bad_value.';
