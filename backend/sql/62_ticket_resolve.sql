-- 62 ------------------------------------------------------------- tickets: resolving, reopening, cancelling, whose contact opens

-- Resolving -----------------------------------------------------------------------------------------------------------

create or replace function private.check_resolution(p_me private.actor, p_ticket public.tickets, p jsonb, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_lead text;
begin
    if pg_catalog.char_length(pg_catalog.btrim(coalesce(p ->> 'solution', ''))) < 2 then
        perform private.fail('PT422', 'ticket.form', '{"field": "solution"}');
    end if;
    if p ->> 'outcome' is null then
        perform private.fail('PT422', 'ticket.form', '{"field": "outcome"}');
    end if;
    if private.money_open((p_ticket).id) then
        perform private.fail('PT409', 'ticket.money_open', pg_catalog.jsonb_build_object('id', (p_ticket).id));
    end if;
    if private.return_open((p_ticket).id) then
        perform private.fail('PT409', 'ticket.return_open', pg_catalog.jsonb_build_object('id', (p_ticket).id));
    end if;
    if p ->> 'contact' is null and exists (select from private.ticket_clocks((p_ticket).id, array['first', 'answer', 'next'])) then
        perform private.fail('PT409', 'ticket.no_contact', pg_catalog.jsonb_build_object('id', (p_ticket).id));
    end if;
    if not private.outcome_is_covered((p_ticket).id, p ->> 'outcome') then
        perform private.fail('PT409', 'ticket.money_missing', pg_catalog.jsonb_build_object('id', (p_ticket).id, 'outcome', p ->> 'outcome'));
    end if;
    v_lead := private.complaint_waits_for(p_me, p_ticket, p_now);
    if v_lead is not null then
        perform private.fail('PT403', 'ticket.complaint_lead', pg_catalog.jsonb_build_object('id', (p_ticket).id, 'who', v_lead));
    end if;
end;
$$;
comment on function private.check_resolution(private.actor, public.tickets, jsonb, timestamptz) is
    'A case is resolved when its outcome is written down, its money decided, its return over, the customer told, what it costs granted or approved, and a complaint seen by the 当班主管: ticket.form (field), ticket.money_open, ticket.return_open, ticket.no_contact, ticket.money_missing, ticket.complaint_lead (who).';

create or replace function private.resolved_ticket(p_me private.actor, p_ticket public.tickets, p jsonb, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    v.outcome := p ->> 'outcome';
    v.solution := pg_catalog.btrim(p ->> 'solution');
    v.solution_id := case when private.is_id(p ->> 'solution_id') then (p ->> 'solution_id')::bigint end;
    v.reship_tracking_no := coalesce(nullif(pg_catalog.btrim(p ->> 'reship_tracking_no'), ''), v.reship_tracking_no);
    v.first_resolved_at := coalesce(v.first_resolved_at, p_now);
    v.resolved_at := p_now;
    v := private.move_ticket(p_me, v, 'resolved', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'outcome', v.outcome, 'solution_id', v.solution_id, 'instance', v.instance)), p_now);
    if v.solution_id is not null then
        perform private.note_solution_use(p_me, v.solution_id, v.id, v.shop_id, true, p_now);
    end if;
    perform private.after_resolve(v, p_now);
    select * into v from public.tickets where id = v.id;
    return v;
end;
$$;
comment on function private.resolved_ticket(private.actor, public.tickets, jsonb, timestamptz) is 'A checked resolution; what follows (revisit) begins at once.';

create or replace function public.resolve_ticket(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'resolve_ticket', pg_catalog.jsonb_build_array(p_id, p_version, v));
    v_ticket public.tickets;
    v_constraint text;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ticket := private.ticket_for_change(v_me, p_id, p_version, 'resolve_ticket', v_now);
    perform private.check_resolution(v_me, v_ticket, v, v_now);
    if v ->> 'contact' is not null then
        perform private.told_customer(v_me, v_ticket, v ->> 'contact', v ->> 'message', v ->> 'message_reason', v_now);
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(private.resolved_ticket(v_me, v_ticket, v, v_now)));
exception when check_violation or foreign_key_violation then
    get stacked diagnostics v_constraint = constraint_name;
    perform private.fail_ticket_form(v_constraint);
end;
$$;
grant execute on function public.resolve_ticket(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.resolve_ticket(bigint, integer, jsonb, uuid) is
    'The owner: p {outcome, solution, solution_id, reship_tracking_no, contact (channel on which the customer is told now), message (the words, masked and checked as a reply; empty only for a call), message_reason (for a warned text)}. Outcomes: reshipped, exchanged, refunded, return_refunded, repaired, compensated, price_protected, invoiced, explained, refused, withdrawn, other. As private.check_resolution, private.told_customer and private.ticket_refusal say; ticket.personal.';

-- Reopening, cancelling -----------------------------------------------------------------------------------------------

create or replace function private.reopened_ticket(p_me private.actor, p_ticket public.tickets, p_reason text, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
    v_clock bigint;
begin
    if not exists (select from public.members m join public.member_shops k on k.member_id = m.id
        where m.id = v.owner_id and m.state = 'active' and k.shop_id = v.shop_id) then
        v.owner_id := null;
    end if;
    v.instance := v.instance + 1;
    v := private.move_ticket(p_me, v, case when v.owner_id is null then 'classified' else 'in_progress' end,
        pg_catalog.jsonb_build_object('action', 'ticket_reopened', 'reason', p_reason, 'instance', v.instance), p_now);
    select c.id into v_clock from public.sla_clocks c
    where c.entity = 'ticket' and c.entity_id = v.id and c.target = 'resolve' order by c.instance desc limit 1;
    if v_clock is not null then
        perform private.reopen_clock(v_clock, p_now, (p_me).member_id, p_reason);
    end if;
    perform private.customer_spoke(p_me, v, p_now, p_now);
    select * into v from public.tickets where id = v.id;
    return v;
end;
$$;
comment on function private.reopened_ticket(private.actor, public.tickets, text, timestamptz) is
    'The case goes on as its next instance: resolution with what was left, the first response stays as it was, the customer waits for a word from now on.';

create or replace function private.following_ticket(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns bigint
language sql volatile set search_path = '' as $$
    select private.add_ticket(p_me, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('shop_id', (p_ticket).shop_id,
        'order_id', (p_ticket).order_id, 'type', (p_ticket).type, 'severity', (p_ticket).severity, 'department', (p_ticket).department,
        'root_cause_id', (p_ticket).root_cause_id, 'channel', (p_ticket).channel, 'buyer_account', (p_ticket).buyer_account,
        'sku', (p_ticket).sku, 'quantity', (p_ticket).quantity, 'tracking_no', (p_ticket).tracking_no, 'summary', (p_ticket).summary,
        'is_complaint', (p_ticket).is_complaint, 'source', 'customer', 'follows_id', (p_ticket).id)), p_now)
$$;
comment on function private.following_ticket(private.actor, public.tickets, timestamptz) is 'A new case that goes on from an old one, classified like it.';

create or replace function public.reopen_ticket(p_id bigint, p_version integer, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'reopen_ticket', pg_catalog.jsonb_build_array(p_id, p_version, p_reason));
    v public.tickets;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_ticket_reason('reopen_ticket', p_reason);
    v := private.ticket_for_change(v_me, p_id, p_version, 'reopen_ticket', v_now);
    if v_now <= v.resolved_at + interval '7 days' then
        v_answer := private.ticket_answer(private.reopened_ticket(v_me, v, p_reason, v_now)) || '{"follows_id": null}';
    else
        v_id := coalesce((select o.id from public.tickets o where o.follows_id = p_id and o.stage <> 'done' order by o.id limit 1),
            private.following_ticket(v_me, v, v_now));
        select * into v from public.tickets where id = v_id;
        v_answer := private.ticket_answer(v) || pg_catalog.jsonb_build_object('follows_id', p_id);
    end if;
    return private.finish_request(p_request_id, v_answer);
end;
$$;
grant execute on function public.reopen_ticket(bigint, integer, text, uuid) to authenticated;
comment on function public.reopen_ticket(bigint, integer, text, uuid) is
    'Those who work on tickets: the customer is back. Within seven days of the resolution (product decision) the case goes on; later a new one is registered that names it (follows_id; a second request finds that one). p_reason unsatisfied, not_received, same_problem, mistake, other. {id, version, state, owner_id, due_at, follows_id}. ticket.reason, and as private.ticket_refusal says.';

create or replace function private.cancelled_ticket(p_me private.actor, p_ticket public.tickets, p_reason text, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    if private.money_open(v.id) then
        perform private.fail('PT409', 'ticket.money_open', pg_catalog.jsonb_build_object('id', v.id));
    end if;
    if exists (select from public.ticket_returns r where r.ticket_id = v.id and r.state in ('goods_sent', 'received', 'refunding')) then
        perform private.fail('PT409', 'ticket.return_open', pg_catalog.jsonb_build_object('id', v.id));
    end if;
    update public.ticket_returns set state = 'buyer_cancelled', ended_at = p_now where ticket_id = v.id and state in ('applied', 'agreed');
    v.close_reason := p_reason;
    return private.move_ticket(p_me, v, 'cancelled', pg_catalog.jsonb_build_object('reason', p_reason), p_now);
end;
$$;
comment on function private.cancelled_ticket(private.actor, public.tickets, text, timestamptz) is
    'A case that needs no work: ticket.money_open while money waits, ticket.return_open while goods are on their way.';

create or replace function public.cancel_ticket(p_id bigint, p_version integer, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'cancel_ticket', pg_catalog.jsonb_build_array(p_id, p_version, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_ticket_reason('cancel_ticket', p_reason);
    return private.finish_request(p_request_id, private.ticket_answer(private.cancelled_ticket(v_me,
        private.ticket_for_change(v_me, p_id, p_version, 'cancel_ticket', v_now), p_reason, v_now)));
end;
$$;
grant execute on function public.cancel_ticket(bigint, integer, text, uuid) to authenticated;
comment on function public.cancel_ticket(bigint, integer, text, uuid) is
    'Who registered it, its owner or a lead: no work is needed. p_reason customer_withdrew, duplicate, mistake, platform_closed, other. ticket.reason, ticket.money_open, ticket.return_open, and as private.ticket_refusal says.';

-- Personal data -------------------------------------------------------------------------------------------------------

create or replace function private.ticket_contact_is_claimed(p_me private.actor, p_ticket public.tickets) returns boolean
language sql stable set search_path = '' as $$
    select coalesce((p_ticket).owner_id = (p_me).member_id and (p_ticket).stage in ('open', 'waiting', 'review') and (p_ticket).state <> 'dispatched', false)
$$;
comment on function private.ticket_contact_is_claimed(private.actor, public.tickets) is
    'Whether the work is this person''s: begun by him and not over. That is the reason to open its contact.';

create or replace function private.ticket_contact_refusal(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case when (p_me).role = 'analyst' then 'member.role'
        when (p_me).role in ('agent', 'warehouse') and (p_ticket).stage in ('open', 'waiting', 'review')
            and not private.ticket_contact_is_claimed(p_me, p_ticket) and not private.is_ticket_lead(p_me, (p_ticket).shop_id, p_now)
            then 'ticket.contact_claim' end
$$;
comment on function private.ticket_contact_refusal(private.actor, public.tickets, timestamptz) is
    'Why this person may not open the contact of a ticket, with a reason or without, or null: while it is worked on, agents and the warehouse claim it first (product decision); leads and operations look in with a reason, and so does everybody once it is over.';

create or replace function private.ticket_to_reveal(p_me private.actor, p_id bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('shop_id', t.shop_id, 'contact_id', coalesce(t.contact_id, o.contact_id),
        'contact_state', case when t.contact_id is not null then 'ok' else coalesce(o.contact_state, 'absent') end, 'version', t.version,
        'claimed', private.ticket_contact_is_claimed(p_me, t), 'refusal', private.ticket_contact_refusal(p_me, t, p_now))
    from public.tickets t left join public.orders o on o.id = t.order_id
    where t.id = p_id and t.shop_id in (select private.my_shop_ids())
$$;
comment on function private.ticket_to_reveal(private.actor, bigint, timestamptz) is
    'The contact of a ticket, else that of its order: it opens with the claim, for its owner while he works on it; refusal as private.ticket_contact_refusal says.';

create or replace function public.set_ticket_contact(p_id bigint, p_version integer, p_contact jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_contact jsonb := private.as_object(p_contact);
    v_answer jsonb := private.begin_request(p_request_id, 'set_ticket_contact', -- each sealing has its own id and ciphertexts
        pg_catalog.jsonb_build_array(p_id, p_version, v_contact - '{id,name,phone,address}'::text[]));
    v_old bigint;
    v public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.ticket_for_change(v_me, p_id, p_version, 'set_ticket_contact', v_now);
    if v.order_id is not null then
        perform private.fail('PT409', 'ticket.contact_of_order', pg_catalog.jsonb_build_object('id', v.id));
    elsif not v_contact ?| array['name', 'phone', 'address'] or not private.is_masked(v_contact ->> 'name_masked', v_contact ->> 'phone_masked') then
        perform private.fail('PT422', 'contact.form');
    end if;
    v_old := v.contact_id;
    v.contact_id := private.store_contact(null, v_contact - '{note,wechat,email}'::text[], 'ticket');
    v.receiver_masked := v_contact ->> 'name_masked';
    v.phone_masked := v_contact ->> 'phone_masked';
    v := private.move_ticket(v_me, v, v.state, pg_catalog.jsonb_build_object('action', 'contact_corrected', 'fields',
        (select pg_catalog.jsonb_agg(k order by k) from pg_catalog.jsonb_object_keys(v_contact) k where k in ('name', 'phone', 'address'))), v_now);
    delete from private.contacts c where c.id = v_old and c.kind = 'ticket' and not exists (select from public.tickets t where t.contact_id = c.id);
    return private.finish_request(p_request_id, private.ticket_answer(v));
end;
$$;
grant execute on function public.set_ticket_contact(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.set_ticket_contact(bigint, integer, jsonb, uuid) is
    'Who registered it, its owner or a lead: how to reach the customer of a case without an order: p_contact {id (reserved), name, phone, address: ciphertexts, *_hash, *_masked} takes the place of what was known. An order brings its own: ticket.contact_of_order. contact.form, contact.taken, and as private.ticket_refusal says. Opened by reveal_contact.';
