-- 62 -------------------------------------------------------------------------------- tickets: taking, waiting, talking

-- Taking and giving back ----------------------------------------------------------------------------------------------

create or replace function private.taken_ticket(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
    v_from bigint := v.owner_id;
begin
    if v_from = (p_me).member_id and v.state not in ('dispatched', 'waiting_customer') then
        perform private.fail('PT409', 'ticket.yours', pg_catalog.jsonb_build_object('id', v.id));
    end if;
    v.owner_id := (p_me).member_id;
    if v_from is distinct from v.owner_id then
        v.decision_id := private.note_assignment('ticket', v.shop_id, v.id, v.owner_id, 'claim', p_now);
    end if;
    return private.move_ticket(p_me, v, case when v.state in ('classified', 'dispatched', 'waiting_customer') then 'in_progress' else v.state end,
        pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('action', case
            when v_from is distinct from v.owner_id and v_from is not null then 'ticket_taken_over' else 'ticket_taken' end,
            'from_id', nullif(v_from, v.owner_id))), p_now);
end;
$$;
comment on function private.taken_ticket(private.actor, public.tickets, timestamptz) is
    'Makes a locked ticket this person''s: free, handed out or a colleague''s; work begins, or goes on where it waits for others. ticket.yours.';

create or replace function public.take_ticket(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'take_ticket', pg_catalog.jsonb_build_array(p_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(private.taken_ticket(v_me,
        private.ticket_for_change(v_me, p_id, p_version, 'take_ticket', v_now), v_now)));
end;
$$;
grant execute on function public.take_ticket(bigint, integer, uuid) to authenticated;
comment on function public.take_ticket(bigint, integer, uuid) is
    'Those who work on tickets: mine from now on, from the pool, handed to me, or a colleague''s; reveal_contact opens its contact without asking why. {id, version, state, owner_id, due_at}. ticket.yours, and as private.ticket_refusal says.';

create or replace function private.given_back_ticket(p_me private.actor, p_ticket public.tickets, p_reason text, p_source text, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    v.decision_id := private.note_assignment('ticket', v.shop_id, v.id, null, p_source, p_now);
    v.owner_id := null;
    return private.move_ticket(p_me, v, case when v.state in ('dispatched', 'in_progress') then 'classified' else v.state end,
        pg_catalog.jsonb_build_object('action', 'ticket_given_back', 'reason', p_reason, 'from_id', (p_ticket).owner_id), p_now);
end;
$$;
comment on function private.given_back_ticket(private.actor, public.tickets, text, text, timestamptz) is
    'A locked ticket lies in the pool again (p_source as private.note_assignment takes it).';

create or replace function public.give_back_ticket(p_id bigint, p_version integer, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'give_back_ticket', pg_catalog.jsonb_build_array(p_id, p_version, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_ticket_reason('give_back_ticket', p_reason);
    return private.finish_request(p_request_id, private.ticket_answer(private.given_back_ticket(v_me,
        private.ticket_for_change(v_me, p_id, p_version, 'give_back_ticket', v_now), p_reason, 'manual', v_now)));
end;
$$;
grant execute on function public.give_back_ticket(bigint, integer, text, uuid) to authenticated;
comment on function public.give_back_ticket(bigint, integer, text, uuid) is
    'The owner or a lead: back to the pool. p_reason off_shift, wrong_skill, overload, other. ticket.reason (reasons), and as private.ticket_refusal says.';

create or replace function private.return_tickets(p_me private.actor, p_ids bigint[], p_source text, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v public.tickets;
    v_count integer := 0;
begin
    for v in select * from public.tickets where id = any (p_ids) and owner_id is not null order by id for update loop
        if private.ticket_refusal(p_me, v, v.version, 'give_back_ticket', p_now) is null then
            perform private.given_back_ticket(p_me, v, 'off_shift', p_source, p_now);
            v_count := v_count + 1;
        end if;
    end loop;
    return v_count;
end;
$$;
comment on function private.return_tickets(private.actor, bigint[], text, timestamptz) is
    'Puts those of the tickets that this actor may give back into the pool (somebody goes home, or is switched off); answers how many.';

-- Waiting -------------------------------------------------------------------------------------------------------------

create or replace function private.wait_cap(p_state text) returns interval
language sql immutable set search_path = '' as $$ select case p_state when 'waiting_customer' then interval '72 hours' else interval '10 days' end $$;
comment on function private.wait_cap(text) is 'The longest a ticket waits: 72 hours for the customer, 10 days for his parcel; then it goes on by itself (product decision).';

create or replace function private.ticket_instant(p_text text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
    return p_text::timestamptz;
exception when data_exception then
    perform private.fail('PT422', 'ticket.form', '{"field": "until"}');
end;
$$;

create or replace function public.wait_ticket(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_p jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'wait_ticket', pg_catalog.jsonb_build_array(p_id, p_version, v_p));
    v_state text := coalesce(v_p ->> 'state', 'waiting_customer');
    v_ticket public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v_state not in ('waiting_customer', 'waiting_return') then
        perform private.fail('PT422', 'ticket.form', '{"field": "state"}');
    end if;
    perform private.check_ticket_reason(v_state, v_p ->> 'reason');
    v_ticket := private.ticket_for_change(v_me, p_id, p_version, 'wait_ticket', v_now);
    v_ticket.waiting_reason := v_p ->> 'reason';
    v_ticket.waiting_until := coalesce(private.ticket_instant(v_p ->> 'until'), v_now + private.wait_cap(v_state));
    if v_ticket.waiting_until <= v_now or v_ticket.waiting_until > v_now + private.wait_cap(v_state) then
        perform private.fail('PT422', 'ticket.until', pg_catalog.jsonb_build_object('hours', extract(epoch from private.wait_cap(v_state))::integer / 3600));
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(private.move_ticket(v_me, v_ticket, v_state,
        pg_catalog.jsonb_build_object('reason', v_ticket.waiting_reason, 'until', v_ticket.waiting_until), v_now)));
end;
$$;
grant execute on function public.wait_ticket(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.wait_ticket(bigint, integer, jsonb, uuid) is
    'The owner or a lead: p {state waiting_customer|waiting_return, reason, until (at most 72 hours, 10 days; the default)}; resolution stands still until then. Reasons: asked_details, asked_photos, asked_choice, asked_address, no_answer; goods_on_way, pickup_booked. ticket.reason, ticket.until (hours), and as private.ticket_refusal says.';

create or replace function private.resumed_ticket(p_me private.actor, p_ticket public.tickets, p_action text, p_now timestamptz)
returns public.tickets
language sql set search_path = '' as $$
    select * from private.move_ticket(p_me, p_ticket, case when (p_ticket).owner_id is null then 'classified' else 'in_progress' end,
        pg_catalog.jsonb_build_object('action', p_action), p_now)
$$;
comment on function private.resumed_ticket(private.actor, public.tickets, text, timestamptz) is 'The wait is over: work goes on, or the case lies in the pool.';

create or replace function public.resume_ticket(p_id bigint, p_version integer, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'resume_ticket', pg_catalog.jsonb_build_array(p_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(private.resumed_ticket(v_me,
        private.ticket_for_change(v_me, p_id, p_version, 'resume_ticket', v_now), 'ticket_resumed', v_now)));
end;
$$;
grant execute on function public.resume_ticket(bigint, integer, uuid) to authenticated;
comment on function public.resume_ticket(bigint, integer, uuid) is
    'The owner or a lead: goes on with a case that waits, or that was approved. Refuses as private.ticket_refusal says.';

create or replace function private.end_ticket_waits(p_now timestamptz, p_limit integer default 300) returns integer
language plpgsql set search_path = '' as $$
declare
    v public.tickets;
    v_count integer := 0;
begin
    for v in select * from public.tickets t where t.waiting_until <= p_now order by t.waiting_until limit p_limit for update skip locked loop
        perform private.resumed_ticket(private.desk_itself(), v, 'ticket_wait_ended', p_now);
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.end_ticket_waits(timestamptz, integer) is 'Cases whose wait is over go on by themselves, deadlines included; answers how many.';

-- Talking -------------------------------------------------------------------------------------------------------------

create or replace function private.ticket_to_talk(p_me private.actor, p_id bigint) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets;
begin
    select * into v from public.tickets where id = p_id and ((p_me).role = 'system' or shop_id in (select private.my_shop_ids())) for update;
    if not found then
        perform private.fail('PT404', 'ticket.none');
    end if;
    if v.state = 'merged' then
        perform private.fail('PT409', 'ticket.merged', pg_catalog.jsonb_build_object('id', v.id, 'into', v.merged_into_id));
    end if;
    return v;
end;
$$;
comment on function private.ticket_to_talk(private.actor, bigint) is 'Locks a ticket of my shops to note what was said. ticket.none, ticket.merged (into).';

create or replace function private.customer_spoke(p_me private.actor, p_ticket public.tickets, p_at timestamptz, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    if v.stage not in ('open', 'waiting') then -- solved: who notes his word sees whether the case goes on
        return v;
    end if;
    if not exists (select from private.ticket_clocks(v.id, array['first', 'answer'])) then
        perform private.run_ticket_clock(v, 'ticket', 'next', 'ticket_next', p_now, (p_me).member_id, p_at);
    end if;
    if v.state = 'waiting_customer' then
        v := private.resumed_ticket(p_me, v, 'ticket_customer_replied', p_now);
    end if;
    return v;
end;
$$;
comment on function private.customer_spoke(private.actor, public.tickets, timestamptz, timestamptz) is
    'The customer waits for a word from his first unanswered one on; a case that waited for him goes on.';

create or replace function private.said(
    p_me private.actor, p_ticket public.tickets, p_direction text, p_channel text, p_body text, p_now timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
begin
    insert into public.ticket_messages (ticket_id, shop_id, direction, channel, body, member_id, at)
    values ((p_ticket).id, (p_ticket).shop_id, p_direction, p_channel, pg_catalog.btrim(coalesce(p_body, '')), (p_me).member_id, p_now)
    returning id into v_id;
    if p_direction = 'out' and (p_me).member_id is not null then
        perform private.answer_ticket((p_ticket).id, p_now, (p_me).member_id);
    elsif p_direction <> 'in' then
        perform private.record_reply('ticket', (p_ticket).id, p_direction, p_now, null);
    else
        perform private.customer_spoke(p_me, p_ticket, p_now, p_now);
    end if;
    return v_id;
end;
$$;
comment on function private.said(private.actor, public.tickets, text, text, text, timestamptz) is
    'Notes what was said, with what it means for the clocks: only a person''s outward word answers.';

create or replace function private.told_customer(
    p_me private.actor, p_ticket public.tickets, p_channel text, p_body text, p_reason text, p_now timestamptz
) returns bigint
language plpgsql volatile set search_path = '' as $$
begin
    if pg_catalog.btrim(coalesce(p_body, '')) = '' and p_channel <> 'phone' then
        perform private.fail('PT422', 'ticket.form', '{"field": "body"}');
    end if;
    perform private.require_text_check(pg_catalog.btrim(coalesce(p_body, '')), 'reply', (p_ticket).shop_id, 'general', '{}', p_reason, null, p_now);
    return private.said(p_me, p_ticket, 'out', p_channel, p_body, p_now);
end;
$$;
comment on function private.told_customer(private.actor, public.tickets, text, text, text, timestamptz) is
    'A word to the customer, checked; only a call has no words. ticket.form (body), text.unchecked, text.blocked, text.reason_missing.';

create or replace function public.add_message(p_ticket_id bigint, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'add_message', pg_catalog.jsonb_build_array(p_ticket_id, v));
    v_ticket public.tickets;
    v_id bigint;
    v_constraint text;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ticket := private.ticket_to_talk(v_me, p_ticket_id);
    if v ->> 'direction' = 'out' then
        v_id := private.told_customer(v_me, v_ticket, coalesce(v ->> 'channel', v_ticket.channel), v ->> 'body', v ->> 'reason', v_now);
    elsif pg_catalog.btrim(coalesce(v ->> 'body', '')) = '' then
        perform private.fail('PT422', 'ticket.form', '{"field": "body"}');
    else
        v_id := private.said(v_me, v_ticket, v ->> 'direction', coalesce(v ->> 'channel', v_ticket.channel), v ->> 'body', v_now);
    end if;
    delete from public.ticket_drafts where ticket_id = p_ticket_id and member_id = v_me.member_id and v ->> 'direction' = 'out';
    return private.finish_request(p_request_id, private.ticket_answer(v_ticket) || pg_catalog.jsonb_build_object('message_id', v_id));
exception when check_violation or not_null_violation then
    get stacked diagnostics v_constraint = constraint_name;
    perform private.fail_ticket_form(v_constraint);
end;
$$;
grant execute on function public.add_message(bigint, jsonb, uuid) to authenticated;
comment on function public.add_message(bigint, jsonb, uuid) is
    'Those who work on tickets: p {direction out|in|note, channel, body (masked; empty only for a call: out by phone), reason (for a warned text)}. Out answers the customer, in starts the next response and ends a wait for him. {id, version, state, owner_id, due_at, message_id}. ticket.none, ticket.merged, ticket.form, ticket.personal, text.unchecked, text.blocked, text.reason_missing.';

create or replace function public.save_draft(p_ticket_id bigint, p_body text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_constraint text;
begin
    if not exists (select from public.tickets where id = p_ticket_id and shop_id in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'ticket.none');
    end if;
    if pg_catalog.btrim(coalesce(p_body, '')) = '' then
        delete from public.ticket_drafts where ticket_id = p_ticket_id and member_id = v_me.member_id;
        return;
    end if;
    insert into public.ticket_drafts (ticket_id, member_id, body, updated_at) values (p_ticket_id, v_me.member_id, p_body, private.now())
    on conflict (ticket_id, member_id) do update set body = excluded.body, updated_at = excluded.updated_at;
exception when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    perform private.fail_ticket_form(v_constraint);
end;
$$;
grant execute on function public.save_draft(bigint, text) to authenticated;
comment on function public.save_draft(bigint, text) is 'Those who work on tickets: keeps what I have begun to write (nothing: forgets it). ticket.none, ticket.form, ticket.personal.';
