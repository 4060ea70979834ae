-- 64 ------------------------------------------------------------- money of tickets: what a ticket does to it, and it to others

-- What changes behind the back of the money ---------------------------------------------------------------------------

create or replace function private.rejudge_money(p_ticket public.tickets, p_changed boolean, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.ticket_money;
    v_system private.actor;
    v_approval bigint;
begin
    v_system.role := 'system';
    for v in select * from public.ticket_money where ticket_id = (p_ticket).id and state in ('requested', 'granted', 'approved')
        order by id for update loop
        v.order_id := (p_ticket).order_id;
        v.order_ids := array(select distinct unnest(v.order_ids || array_remove(array[(p_ticket).order_id], null)));
        v.ticket_ids := array(select distinct unnest(v.ticket_ids || (p_ticket).id));
        v.buyer_keys := array(select distinct unnest(v.buyer_keys || private.buyer_keys(p_ticket)));
        update public.ticket_money set order_id = v.order_id, order_ids = v.order_ids, ticket_ids = v.ticket_ids, buyer_keys = v.buyer_keys
        where id = v.id;
        v.judged := private.judge_money(p_ticket, v, p_now);
        continue when v.state = 'requested' or (v.state = 'approved' and not p_changed) or v.judged -> 'why' = '[]';
        v_approval := private.place_money(v_system, v, p_now);
        perform private.tell_money(v_system, v, 'money_judged_anew', jsonb_build_object('was', v.state, 'approval_id', v_approval));
    end loop;
end;
$$;
comment on function private.rejudge_money(public.tickets, boolean, timestamptz) is
    'The ticket is another one (merged, or linked to another order, customer or type): what was not paid counts with all it belongs to now, and what the handler could not have granted that way is asked. p_changed: what was approved was approved for another order.';

create or replace function private.tg_ticket_money() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_into public.tickets;
begin
    if not exists (select from public.ticket_money where ticket_id = new.id) then
        return null;
    end if;
    perform private.lock_money();
    if new.merged_into_id is not null and old.merged_into_id is null then
        select * into v_into from public.tickets where id = new.merged_into_id;
        update public.approvals set ticket_id = v_into.id where ticket_id = new.id;
        update public.ticket_money set ticket_id = v_into.id where ticket_id = new.id;
        perform private.rejudge_money(v_into, false, private.now());
    else
        perform private.rejudge_money(new, old.order_id is distinct from new.order_id, private.now());
    end if;
    return null;
end;
$$;
create or replace trigger t60_money after update of order_id, buyer_account, contact_id, is_complaint, type, merged_into_id on public.tickets
    for each row when (old.order_id is distinct from new.order_id or old.buyer_account is distinct from new.buyer_account
        or old.contact_id is distinct from new.contact_id or old.is_complaint is distinct from new.is_complaint
        or old.type <> new.type or old.merged_into_id is distinct from new.merged_into_id)
    execute function private.tg_ticket_money();

create or replace function private.money_holds(p_money public.ticket_money, p_me private.actor, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_gift bigint;
begin
    if (p_money).kind = 'gift' and (p_money).order_id is not null then
        v_gift := private.promise_gift(p_me, (p_money).order_id, (p_money).gift_sku, (p_money).facts ->> 'name', (p_money).gift_quantity,
            (p_money).amount, 'ticket', (p_money).ticket_id, p_now);
        update public.ticket_money set facts = facts || jsonb_build_object('gift_id', v_gift) where id = (p_money).id;
    end if;
end;
$$;
comment on function private.money_holds(public.ticket_money, private.actor, timestamptz) is
    'What is granted or approved takes effect: a gift is promised on its order, so that the warehouse packs it. gift.order_closed.';

create or replace function private.money_fell(p_money public.ticket_money, p_me private.actor, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    if (p_money).facts ? 'gift_id' then
        perform private.cancel_gifts(p_me, array[((p_money).facts ->> 'gift_id')::bigint], 'money', p_now);
    end if;
end;
$$;
comment on function private.money_fell(public.ticket_money, private.actor, timestamptz) is 'What was granted is taken back or changed: its gift is promised no longer.';

-- An outcome that speaks of money -------------------------------------------------------------------------------------

create or replace function private.pots_of_outcome(p_outcome text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_outcome when 'compensated' then array['compensation'] when 'refunded' then array['refund_only', 'return_refund']
        when 'return_refunded' then array['return_refund'] when 'price_protected' then array['price_protection']
        when 'reshipped' then array['reship'] end
$$;
comment on function private.pots_of_outcome(text) is 'What must have been granted or approved for an outcome to be true; null: nothing.';

create or replace function private.tg_outcome_without_money() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
begin
    if not exists (select from public.ticket_money m where m.ticket_id = new.id and m.pot = any (private.pots_of_outcome(new.outcome))
        and m.state in ('granted', 'approved', 'paid')) then
        v_me.member_id := private.my_member_id();
        v_me.role := coalesce(private.my_role(), 'system');
        perform private.audit(v_me, new.shop_id, 'ticket', new.id, 'money_missing', jsonb_build_object('outcome', new.outcome));
    end if;
    return null;
end;
$$;
comment on function private.tg_outcome_without_money() is
    'Resolved with an outcome that costs money while nothing of the kind was granted or approved: recorded, for whoever looks for money past the authority table.';
create or replace trigger t61_outcome after update of state on public.tickets
    for each row when (old.state <> new.state and new.state = 'resolved'
        and new.outcome in ('compensated', 'refunded', 'return_refunded', 'price_protected', 'reshipped'))
    execute function private.tg_outcome_without_money();
