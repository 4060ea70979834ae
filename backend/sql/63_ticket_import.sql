-- 63 ---------------------------------------------------------------------- tickets from the platforms' after-sales exports
--
-- The platform decides by itself when its countdown ends, so each open case becomes a ticket with that countdown. A later
-- file moves the case on as far as the platform says; what a person is working on is never ended for him.

create or replace function private.reject_unknown_cases(p_import public.imports) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.import_errors (import_id, row_no, reason, params)
    select p_import.id, r.row_no, 'import.case_unknown', pg_catalog.jsonb_build_object('order_no', r.payload ->> 'order_no')
    from private.import_rows r
    where r.import_id = p_import.id and not exists (select from public.orders o
        where o.shop_id = p_import.shop_id and o.order_no = r.payload ->> 'order_no');
    update public.imports set rejected =
        (select pg_catalog.count(distinct x.row_no) from public.import_errors x where x.import_id = p_import.id)
    where id = p_import.id;
end;
$$;
comment on function private.reject_unknown_cases(public.imports) is 'Lines whose order the shop does not have are refused: a case without its order could not be worked on.';

create or replace function private.case_type(p jsonb) returns text
language sql immutable set search_path = '' as $$
    select coalesce(p ->> 'type', case when p ->> 'tracking_no' is not null or p ->> 'stage' in ('agreed', 'goods_sent') then 'return' else 'refund_only' end)
$$;
comment on function private.case_type(jsonb) is 'The type of a line, or what its goods say where the file has no such column.';

create or replace function private.register_case(p_me private.actor, p_order public.orders, p jsonb, p_now timestamptz) returns bigint
language sql volatile set search_path = '' as $$
    select private.add_ticket(p_me, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('order_id', (p_order).id,
        'type', private.case_type(p), 'summary', coalesce(p ->> 'reason', ''), 'channel', 'platform', 'source', 'import',
        'platform_ref', p ->> 'platform_ref', 'platform_status', p ->> 'status', 'platform_due_at', p ->> 'due_at',
        'claimed_amount', p ->> 'amount', 'sku', p ->> 'sku', 'buyer_account', p ->> 'buyer_account',
        'registered_at', p ->> 'applied_at', 'severity', 'normal')), p_now)
$$;
comment on function private.register_case(private.actor, public.orders, jsonb, timestamptz) is
    'A case of the platform as a ticket, classified at once (the platform says its type): it can be dispatched.';

create or replace function private.follow_platform_return(p_me private.actor, p_ticket_id bigint, p jsonb, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
    v public.ticket_returns;
    v_moved boolean := false;
begin
    select * into v from public.ticket_returns where ticket_id = p_ticket_id for update;
    if v.state = 'applied' and p ->> 'stage' in ('agreed', 'goods_sent', 'received', 'done') then
        v.decided_at := p_now;
        perform private.move_return(p_me, v, 'agreed', '{"source": "platform"}', p_now);
        v.state := 'agreed';
        v_moved := true;
    end if;
    if v.state = 'agreed' and (p ->> 'stage' in ('goods_sent', 'received') or p ->> 'tracking_no' is not null) then
        v.carrier := coalesce(p ->> 'carrier', v.carrier);
        v.tracking_no := coalesce(p ->> 'tracking_no', v.tracking_no);
        v.sent_at := p_now;
        perform private.move_return(p_me, v, 'goods_sent', '{"source": "platform"}', p_now);
        v_moved := true;
    elsif v.state = 'applied' and p ->> 'stage' = 'refused' then
        v.decided_at := p_now;
        perform private.move_return(p_me, v, 'refused', '{"source": "platform"}', p_now);
        v_moved := true;
    end if;
    return v_moved;
end;
$$;
comment on function private.follow_platform_return(private.actor, bigint, jsonb, timestamptz) is
    'The return goes as far as the platform says, up to goods on their way: whether they came, and how, our warehouse says.';

create table if not exists private.ticket_platform_refunds (
    ticket_id bigint primary key references public.tickets,
    at timestamptz not null
);
alter table private.ticket_platform_refunds enable row level security;
comment on table private.ticket_platform_refunds is 'Imported cases that the platform says it has refunded: they end as refunded without money of ours.';

create or replace function private.note_platform_refund(p_ticket public.tickets, p jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    insert into private.ticket_platform_refunds (ticket_id, at)
    select (p_ticket).id, p_now
    where (p_ticket).source = 'import' and p ->> 'stage' = 'done' and private.case_type(p) in ('refund_only', 'return')
      and coalesce(p ->> 'status', '') !~ '换|补寄|补发|维修'
    on conflict do nothing
$$;
comment on function private.note_platform_refund(public.tickets, jsonb, timestamptz) is
    'A file says that a case of money is done: the platform has paid. An exchange that is done is none.';

create or replace function private.end_platform_case(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
begin
    if (p_ticket).state not in ('registered', 'classified', 'dispatched') or private.money_open((p_ticket).id)
        or exists (select from public.ticket_returns r where r.ticket_id = (p_ticket).id and r.state in ('goods_sent', 'received', 'refunding')) then
        return false;
    end if;
    perform private.cancelled_ticket(p_me, p_ticket, 'platform_closed', p_now);
    return true;
end;
$$;
comment on function private.end_platform_case(private.actor, public.tickets, timestamptz) is
    'The platform has ended a case that nobody works on yet: it needs no work. One in work stays with its owner, who sees the platform''s state.';

create or replace function private.update_case(p_me private.actor, p_ticket public.tickets, p jsonb, p_now timestamptz) returns text
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
    v_changed boolean := (v.platform_status, v.platform_due_at, v.claimed_amount) is distinct from (coalesce(p ->> 'status', v.platform_status),
        coalesce((p ->> 'due_at')::timestamptz, v.platform_due_at), coalesce((p ->> 'amount')::numeric, v.claimed_amount));
begin
    if v.stage = 'done' then
        return 'unchanged';
    end if;
    if v_changed then
        v.platform_status := coalesce(p ->> 'status', v.platform_status);
        v.platform_due_at := coalesce((p ->> 'due_at')::timestamptz, v.platform_due_at);
        v.claimed_amount := coalesce((p ->> 'amount')::numeric, v.claimed_amount);
        v := private.move_ticket(p_me, v, v.state, pg_catalog.jsonb_build_object('action', 'ticket_platform',
            'platform_status', v.platform_status, 'platform_due_at', v.platform_due_at), p_now);
        perform private.shorten_ticket(v, p_now, (p_me).member_id);
    end if;
    v_changed := private.follow_platform_return(p_me, v.id, p, p_now) or v_changed;
    select * into v from public.tickets where id = v.id;
    perform private.note_platform_refund(v, p, p_now);
    if p ->> 'stage' in ('done', 'cancelled') then
        v_changed := private.end_platform_case(p_me, v, p_now) or v_changed;
    end if;
    return case when v_changed then 'updated' else 'unchanged' end;
end;
$$;
comment on function private.update_case(private.actor, public.tickets, jsonb, timestamptz) is
    'What a later file says about a case we have: countdown, amount, the way of the goods, its end. Answers updated or unchanged.';

create or replace function private.apply_cases(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
    v_line record;
    v_ticket public.tickets;
    v_outcome text;
begin
    v_me.role := 'system';
    for v_line in
        select r.row_no, r.payload as p, o from private.import_rows r
        join public.orders o on o.shop_id = p_import.shop_id and o.order_no = r.payload ->> 'order_no'
        where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
        order by (r.payload ->> 'applied_at')::timestamptz nulls last, r.row_no
    loop
        v_outcome := 'unchanged';
        select * into v_ticket from public.tickets where shop_id = p_import.shop_id and platform_ref = v_line.p ->> 'platform_ref' for update;
        if found then
            v_outcome := private.update_case(v_me, v_ticket, v_line.p, p_now);
        elsif v_line.p ->> 'stage' not in ('done', 'cancelled') then
            v_ticket.id := private.register_case(v_me, v_line.o, v_line.p, p_now);
            perform private.follow_platform_return(v_me, v_ticket.id, v_line.p, p_now);
            v_outcome := 'accepted';
        end if;
        insert into private.import_results (import_id, row_no, entity_id, outcome)
        values (p_import.id, v_line.row_no, coalesce(v_ticket.id, (v_line.o).id), v_outcome);
    end loop;
end;
$$;
comment on function private.apply_cases(public.imports, integer, timestamptz) is
    'One chunk of cases by the platform''s number: new open ones are registered, known ones follow the platform; one that had ended before we heard of it leaves nothing (unchanged).';
