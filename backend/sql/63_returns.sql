-- 63 -------------------------------------------------------------------------------------- returns: the way of the goods
--
-- applied → agreed → goods_sent → received → refunding → done; refused, goods_refused and buyer_cancelled end it. Each step
-- is one RPC (p_ticket_id, p_version of the ticket, p, p_request_id). The review has 24 hours from the application, the
-- refund five working days from the day the goods came.

create or replace function private.return_open(p_ticket_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.ticket_returns r where r.ticket_id = p_ticket_id
        and r.state in ('applied', 'agreed', 'goods_sent', 'received', 'refunding'))
$$;
comment on function private.return_open(bigint) is 'Whether the return of a ticket is still under way.';

create or replace function private.return_moves() returns table (state_from text, state_to text, rpc text, who text[], in_states text[])
language sql immutable rows 20 set search_path = '' as $$
    with moves (states_from, state_to, rpc, who, in_states) as (values
        ('{applied}'::text[], 'agreed', 'agree_return', '{owner,lead,system}'::text[], '{in_progress,waiting_customer,approved}'::text[]),
        ('{applied}', 'refused', 'refuse_return', '{owner,lead,system}', '{in_progress,waiting_customer,approved}'),
        ('{agreed}', 'goods_sent', 'send_return_goods', '{worker,warehouse,system}', '{dispatched,in_progress,waiting_customer,waiting_return,pending_approval,approved}'),
        ('{agreed,goods_sent}', 'received', 'receive_return', '{warehouse,lead,system}', '{classified,dispatched,in_progress,waiting_customer,waiting_return,pending_approval,approved}'),
        ('{agreed,goods_sent}', 'goods_refused', 'refuse_return_goods', '{warehouse,lead}', '{classified,dispatched,in_progress,waiting_customer,waiting_return,pending_approval,approved}'),
        ('{received}', 'refunding', 'start_refund', '{owner,lead,system}', '{in_progress,approved}'),
        ('{refunding}', 'done', 'finish_return', '{owner,lead,system}', '{in_progress,waiting_customer,approved}'),
        ('{received}', 'done', 'finish_return', '{owner,lead,system}', '{in_progress,approved}'),
        ('{applied,agreed,goods_sent}', 'buyer_cancelled', 'cancel_return', '{owner,lead,system}', '{dispatched,in_progress,waiting_customer,waiting_return,approved}')
    )
    select f.state, m.state_to, m.rpc, m.who, m.in_states from moves m cross join lateral pg_catalog.unnest(m.states_from) f (state)
$$;
comment on function private.return_moves() is
    'Every step of a return: from state to state, by which function, as what one may (see private.ticket_moves), and in which states of its ticket. received → done without a refund is an exchange.';

create or replace function private.sync_return(p_ticket public.tickets, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
begin
    if (p_ticket).type in ('return', 'exchange') then
        insert into public.ticket_returns (ticket_id, shop_id, state, applied_at)
        values ((p_ticket).id, (p_ticket).shop_id, 'applied', (p_ticket).registered_at) on conflict do nothing;
        if found then
            perform private.run_ticket_clock(p_ticket, 'return', 'review', 'return_review', p_now, p_actor, (p_ticket).registered_at,
                (p_ticket).platform_due_at);
        end if;
    else
        delete from public.ticket_returns where ticket_id = (p_ticket).id and state = 'applied';
        if found then
            perform private.cancel_ticket_clocks((p_ticket).id, 'reclassified', p_now, p_actor, array['review']);
        end if;
    end if;
    if (p_ticket).type = 'reship' and (p_ticket).state <> 'registered' then
        perform private.run_ticket_clock(p_ticket, 'ticket', 'reship', 'reship', p_now, p_actor);
    end if;
end;
$$;
comment on function private.sync_return(public.tickets, timestamptz, bigint) is
    'What the type of a ticket brings along: a return that was applied for and waits for its review, the day that a reshipment may take from its classification on. A return that nobody decided goes when the type was wrong.';

-- A step --------------------------------------------------------------------------------------------------------------

create or replace function private.return_for_change(
    p_me private.actor, p_ticket_id bigint, p_version integer, p_rpc text, p_now timestamptz
) returns public.ticket_returns
language plpgsql set search_path = '' as $$
declare
    v_ticket public.tickets;
    v public.ticket_returns;
    v_who text[];
    v_may text[];
begin
    select * into v_ticket from public.tickets
    where id = p_ticket_id and ((p_me).role = 'system' or shop_id in (select private.my_shop_ids())) for update;
    select * into v from public.ticket_returns where ticket_id = v_ticket.id for update;
    if not found then
        perform private.fail('PT404', case when v_ticket.id is null then 'ticket.none' else 'return.none' end, pg_catalog.jsonb_build_object('id', p_ticket_id));
    end if;
    if (p_me).role <> 'system' and v_ticket.version is distinct from p_version then
        perform private.fail('PT409', 'ticket.stale', pg_catalog.jsonb_build_object('id', v_ticket.id, 'at', v_ticket.updated_at,
            'version', v_ticket.version, 'who', private.last_hand(v_ticket.id)));
    end if;
    v_may := (select pg_catalog.array_agg(distinct w) from private.return_moves() m, pg_catalog.unnest(m.who) w
        where m.state_from = v.state and m.rpc = p_rpc and v_ticket.state = any (m.in_states));
    if v_may is null then
        perform private.fail('PT409', 'return.wrong_state', pg_catalog.jsonb_build_object('id', v_ticket.id, 'state', v.state));
    end if;
    v_who := private.ticket_who(p_me, v_ticket, p_now);
    if not v_may && v_who then
        perform private.fail('PT403', case when 'warehouse' = any (v_may) then 'ticket.needs_warehouse'
            when v_ticket.owner_id is null then 'ticket.unclaimed' else 'ticket.not_yours' end, pg_catalog.jsonb_build_object('id', v_ticket.id,
            'who', (select m.display_name from public.members m where m.id = v_ticket.owner_id)));
    end if;
    return v;
end;
$$;
comment on function private.return_for_change(private.actor, bigint, integer, text, timestamptz) is
    'Locks a ticket and its return for a step this person may take now: ticket.none, return.none, ticket.stale, return.wrong_state (state), ticket.needs_warehouse, ticket.unclaimed, ticket.not_yours.';

create or replace function private.move_return(
    p_me private.actor, p_return public.ticket_returns, p_state text, p_detail jsonb, p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v public.ticket_returns := p_return;
    v_ticket public.tickets;
begin
    update public.ticket_returns r set (state, decided_at, decided_by, refuse_reason, carrier, tracking_no, sent_at, received_at,
        received_by, quality, refund_amount, refunded_at, ended_at) = (p_state, v.decided_at, v.decided_by, v.refuse_reason, v.carrier,
        v.tracking_no, v.sent_at, v.received_at, v.received_by, v.quality, v.refund_amount, v.refunded_at,
        case when p_state in ('done', 'buyer_cancelled', 'refused', 'goods_refused') then p_now end)
    where r.ticket_id = v.ticket_id;
    perform private.stop_clock(c.id, p_now, (p_me).member_id, p_state) from private.ticket_clocks(v.ticket_id, array['review']) c
        where p_state in ('agreed', 'refused');
    perform private.stop_clock(c.id, p_now, (p_me).member_id, p_state) from private.ticket_clocks(v.ticket_id, array['refund']) c where p_state = 'done';
    if v.refunded_at is not null and p_state = 'done' then
        perform private.refund_arrived(p_me, v, p_now);
    elsif p_state in ('buyer_cancelled', 'goods_refused') then
        perform private.cancel_ticket_clocks(v.ticket_id, p_state, p_now, (p_me).member_id, array['review', 'refund']);
    end if;
    select * into v_ticket from public.tickets where id = v.ticket_id;
    perform private.audit(p_me, v.shop_id, 'ticket', v.ticket_id, 'return_' || p_state, pg_catalog.jsonb_strip_nulls(coalesce(p_detail, '{}')));
    if p_state in ('received', 'goods_refused', 'buyer_cancelled') and v_ticket.state = 'waiting_return' then
        v_ticket := private.resumed_ticket(p_me, v_ticket, 'ticket_goods_settled', p_now);
    else -- what a page shows of the ticket is older now
        update public.tickets set version = version + 1, updated_at = p_now where id = v_ticket.id returning * into v_ticket;
    end if;
    if p_state = 'received' and v_ticket.type = 'return' then
        perform private.run_ticket_clock(v_ticket, 'return', 'refund', 'refund_arrival', p_now, (p_me).member_id);
    elsif p_state = 'received' then
        perform private.run_ticket_clock(v_ticket, 'ticket', 'reship', 'reship', p_now, (p_me).member_id);
    end if;
    return private.ticket_answer(v_ticket) || pg_catalog.jsonb_build_object('return_state', p_state);
end;
$$;
comment on function private.move_return(private.actor, public.ticket_returns, text, jsonb, timestamptz) is
    'A locked return, changed in memory, goes on: row, clocks, history; goods that came, or will not come, end the ticket''s wait for them. {id, version, state, owner_id, due_at, return_state}.';

create or replace function private.return_amount(p_text text) returns numeric
language plpgsql immutable set search_path = '' as $$
begin
    if p_text is null or p_text !~ '^[0-9]{1,9}(\.[0-9]{1,2})?$' then
        perform private.fail('PT422', 'ticket.form', '{"field": "amount"}');
    end if;
    return p_text::numeric;
end;
$$;

create or replace function private.written_return(p_return public.ticket_returns, p_rpc text, p jsonb, p_actor bigint, p_now timestamptz)
returns public.ticket_returns
language plpgsql stable set search_path = '' as $$
declare
    v public.ticket_returns := p_return;
begin
    case p_rpc
        when 'agree_return' then
            v.decided_at := p_now;
            v.decided_by := p_actor;
        when 'refuse_return', 'refuse_return_goods' then
            if pg_catalog.char_length(pg_catalog.btrim(coalesce(p ->> 'reason', ''))) < 2 then
                perform private.fail('PT422', 'ticket.form', '{"field": "reason"}');
            end if;
            v.refuse_reason := pg_catalog.btrim(p ->> 'reason');
            v.decided_at := coalesce(v.decided_at, p_now);
            v.decided_by := coalesce(v.decided_by, p_actor);
        when 'send_return_goods' then
            if pg_catalog.char_length(coalesce(pg_catalog.btrim(p ->> 'tracking_no'), '')) not between 4 and 40 then
                perform private.fail('PT422', 'ticket.form', '{"field": "tracking"}');
            end if;
            v.carrier := nullif(pg_catalog.btrim(p ->> 'carrier'), '');
            v.tracking_no := pg_catalog.upper(pg_catalog.btrim(p ->> 'tracking_no'));
            v.sent_at := p_now;
        when 'receive_return' then
            if p ->> 'quality' is null or p ->> 'quality' not in ('good', 'bad') then
                perform private.fail('PT422', 'ticket.form', '{"field": "quality"}');
            end if;
            v.quality := p ->> 'quality';
            v.received_at := p_now;
            v.received_by := p_actor;
        when 'start_refund' then
            v.refund_amount := private.return_amount(p ->> 'amount');
            perform private.check_refund(v);
        when 'finish_return' then
            v.refunded_at := case when v.state = 'refunding' then p_now end;
        else null;
    end case;
    return v;
end;
$$;
comment on function private.written_return(public.ticket_returns, text, jsonb, bigint, timestamptz) is
    'The return with what a step writes down. ticket.form (field), return.not_granted (granted).';

create or replace function private.granted_refund(p_ticket_id bigint) returns numeric
language plpgsql stable set search_path = '' as $$
begin
    return (select coalesce(pg_catalog.sum(m.amount), 0) from public.ticket_money m
        where m.ticket_id = p_ticket_id and m.kind = 'return_refund' and m.state in ('granted', 'approved', 'paid'))
        - (select coalesce(pg_catalog.sum(r.refund_amount), 0) from public.ticket_returns r
            where r.ticket_id = any (private.ticket_family(p_ticket_id)) and r.ticket_id <> p_ticket_id and r.state in ('refunding', 'done'));
end;
$$;
comment on function private.granted_refund(bigint) is 'What may go back to the customer for his goods (CNY): within an authority, or approved; without what went back for a case that was merged into this one.';

create or replace function private.check_refund(p_return public.ticket_returns) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_granted numeric := private.granted_refund((p_return).ticket_id);
begin
    if (p_return).refund_amount > v_granted then
        perform private.fail('PT409', 'return.not_granted', pg_catalog.jsonb_build_object('amount', (p_return).refund_amount, 'granted', v_granted));
    end if;
end;
$$;
comment on function private.check_refund(public.ticket_returns) is
    'No more goes back than was granted within somebody''s authority (request_money, kind return_refund): return.not_granted (amount, granted).';

create or replace function private.step_return(p_rpc text, p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid, p_now timestamptz, p_me private.actor)
returns jsonb
language plpgsql set search_path = '' as $$
declare
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, p_rpc, pg_catalog.jsonb_build_array(p_ticket_id, p_version, v));
    v_return public.ticket_returns;
    v_to text;
    v_constraint text;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_return := private.return_for_change(p_me, p_ticket_id, p_version, p_rpc, p_now);
    v_to := (select m.state_to from private.return_moves() m where m.rpc = p_rpc and m.state_from = v_return.state);
    if p_rpc = 'finish_return' and v_return.state = 'received'
        and not exists (select from public.tickets t where t.id = p_ticket_id and t.type = 'exchange') then
        perform private.fail('PT409', 'return.wrong_state', pg_catalog.jsonb_build_object('id', p_ticket_id, 'state', v_return.state));
    end if;
    v_return := private.written_return(v_return, p_rpc, v, (p_me).member_id, p_now);
    return private.finish_request(p_request_id, private.move_return(p_me, v_return, v_to, v - 'reason', p_now));
exception when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    perform private.fail_ticket_form(v_constraint);
end;
$$;
comment on function private.step_return(text, bigint, integer, jsonb, uuid, timestamptz, private.actor) is
    'One step of a return from the lock to the answer. Refuses as private.return_for_change and private.written_return say; ticket.personal.';

-- What members call -----------------------------------------------------------------------------------------------------

create or replace function public.agree_return(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('agree_return', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.agree_return(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.agree_return(bigint, integer, jsonb, uuid) is
    'The owner or a lead: the goods may come back. Refuses as private.step_return says.';

create or replace function public.refuse_return(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('refuse_return', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.refuse_return(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.refuse_return(bigint, integer, jsonb, uuid) is
    'The owner or a lead: no return. p {reason}. Refuses as private.step_return says.';

create or replace function public.send_return_goods(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('send_return_goods', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.send_return_goods(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.send_return_goods(bigint, integer, jsonb, uuid) is
    'Those who work on tickets: the customer has sent the goods. p {carrier, tracking_no}. Refuses as private.step_return says.';

create or replace function public.receive_return(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('receive_return', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.receive_return(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.receive_return(bigint, integer, jsonb, uuid) is
    'The warehouse or a lead: the goods are here. p {quality good|bad}; the refund has five working days from now on. Refuses as private.step_return says.';

create or replace function public.refuse_return_goods(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('refuse_return_goods', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.refuse_return_goods(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.refuse_return_goods(bigint, integer, jsonb, uuid) is
    'The warehouse or a lead: the parcel was not accepted. p {reason}. Refuses as private.step_return says.';

create or replace function public.start_refund(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('start_refund', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.start_refund(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.start_refund(bigint, integer, jsonb, uuid) is
    'The owner or a lead: p {amount}, at most what was granted as return_refund (request_money). return.not_granted (amount, granted). Refuses as private.step_return says.';

create or replace function public.finish_return(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('finish_return', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.finish_return(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.finish_return(bigint, integer, jsonb, uuid) is
    'The owner or a lead: the money has arrived, or (exchange) no money goes back. Refuses as private.step_return says.';

create or replace function public.cancel_return(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
begin
    return private.step_return('cancel_return', p_ticket_id, p_version, p, p_request_id, private.now(), v_me);
end;
$$;
grant execute on function public.cancel_return(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.cancel_return(bigint, integer, jsonb, uuid) is
    'The owner or a lead: the customer keeps the goods after all. Refuses as private.step_return says.';
