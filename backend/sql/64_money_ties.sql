-- 64 ------------------------------------------------------------- money of tickets: what a ticket does to it, and it to others

-- What changes behind the back of the money ---------------------------------------------------------------------------

create or replace function private.rejudge_money(p_ticket public.tickets, p_changed boolean, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.ticket_money;
    v_system private.actor;
    v_approval bigint;
    v_asks boolean;
begin
    v_system.role := 'system';
    for v in select * from public.ticket_money where ticket_id = (p_ticket).id and state in ('requested', 'granted', 'approved')
        order by id for update loop
        continue when private.money_is_over(v) is not null; -- the gift has left
        v.order_id := (p_ticket).order_id;
        v.order_ids := array(select distinct unnest(v.order_ids || array_remove(array[(p_ticket).order_id], null)));
        v.ticket_ids := array(select distinct unnest(v.ticket_ids || (p_ticket).id));
        v.buyer_keys := array(select distinct unnest(v.buyer_keys || private.buyer_keys(p_ticket)));
        update public.ticket_money set order_id = v.order_id, order_ids = v.order_ids, ticket_ids = v.ticket_ids, buyer_keys = v.buyer_keys
        where id = v.id;
        v.judged := private.judge_money(p_ticket, v, p_now);
        continue when v.state = 'requested';
        v_asks := v.judged -> 'why' <> '[]' and (v.state = 'granted' or p_changed);
        if v_asks or p_changed then
            perform private.money_fell(v, v_system, p_now);
        end if;
        if v_asks then
            v_approval := private.place_money(v_system, v, p_now);
            perform private.tell_money(v_system, v, 'money_judged_anew', jsonb_build_object('was', v.state, 'approval_id', v_approval));
        elsif p_changed then
            perform private.money_holds(v, v_system, p_now);
        end if;
    end loop;
end;
$$;
comment on function private.rejudge_money(public.tickets, boolean, timestamptz) is
    'The ticket is another one (merged, or linked to another order, customer or type): what was not paid counts with all it belongs to now, and what the handler could not have granted that way is asked. p_changed: what was approved was approved for another order, and a promised gift goes with the new one.';

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

create or replace function private.refund_arrived(p_me private.actor, p_return public.ticket_returns, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.ticket_money;
begin
    perform private.lock_money();
    if (p_return).refund_amount is distinct from (select sum(m.amount) from public.ticket_money m
        where m.ticket_id = (p_return).ticket_id and m.kind = 'return_refund' and m.state in ('granted', 'approved')) then
        return;
    end if;
    for v in select * from public.ticket_money where ticket_id = (p_return).ticket_id and kind = 'return_refund'
        and state in ('granted', 'approved') order by id for update loop
        update public.ticket_money set state = 'paid', paid_at = p_now, paid_by = (p_me).member_id where id = v.id;
        perform private.tell_money(p_me, v, 'money_paid', null);
    end loop;
end;
$$;
comment on function private.refund_arrived(private.actor, public.ticket_returns, timestamptz) is
    'The refund of a return has arrived: what was granted for it is paid, so nobody notes or asks it again. Where less went back than was granted, the handler says what became of the rest.';

-- An outcome that speaks of money -------------------------------------------------------------------------------------

create or replace function private.pots_of_outcome(p_outcome text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_outcome when 'compensated' then array['compensation'] when 'refunded' then array['refund_only', 'return_refund']
        when 'return_refunded' then array['return_refund'] when 'price_protected' then array['price_protection']
        when 'reshipped' then array['reship'] end
$$;
comment on function private.pots_of_outcome(text) is 'What must have been granted or approved for an outcome to be true; null: nothing.';

create or replace function private.outcome_is_covered(p_ticket_id bigint, p_outcome text) returns boolean
language sql stable set search_path = '' as $$
    select private.pots_of_outcome(p_outcome) is null
        or exists (select from public.ticket_money m where m.ticket_id = p_ticket_id and m.pot = any (private.pots_of_outcome(p_outcome))
            and m.amount > 0 and m.state in ('granted', 'approved', 'paid'))
        or (p_outcome = 'refunded' and exists (select from private.ticket_platform_refunds r where r.ticket_id = any (private.ticket_family(p_ticket_id))))
$$;
comment on function private.outcome_is_covered(bigint, text) is
    'Whether a case may end like this: it costs nothing, money of the kind was granted or approved, or the platform has refunded an imported case itself.';

-- A complaint without money -------------------------------------------------------------------------------------------

create or replace function private.had_part_in_complaint(p_ticket public.tickets, p_member_id bigint) returns boolean
language sql stable set search_path = '' as $$
    with complaint as (
        select coalesce((select c.since from private.ticket_complaints c where c.ticket_id = (p_ticket).id), (p_ticket).registered_at) as since
    ), earlier as (
        select t.id, t.owner_id from public.tickets t, complaint c
        where t.registered_at < c.since and (t.id = (p_ticket).follows_id or t.order_id = (p_ticket).order_id) and t.id <> (p_ticket).id
    )
    select exists (select from earlier e where e.owner_id = p_member_id)
        or exists (select from public.ticket_messages g, complaint c
            where g.member_id = p_member_id and g.direction = 'out' and (g.at < c.since or g.at <= (p_ticket).resolved_at)
              and g.ticket_id in (select unnest(private.ticket_family((p_ticket).id)) union all select e.id from earlier e))
$$;
comment on function private.had_part_in_complaint(public.tickets, bigint) is
    'Whether a complaint is about what this person did: he answered the customer before it became one (or before the customer came back), or had an earlier case of the order.';

create or replace function private.complaint_was_seen(p_ticket public.tickets) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.approvals a join public.ticket_money m on m.id = a.money_id
        where a.ticket_id = (p_ticket).id and a.state = 'approved' and 'complaint' = any (a.why) and m.state in ('approved', 'paid')
          and a.decided_at > coalesce((p_ticket).resolved_at, '-infinity'))
$$;
comment on function private.complaint_was_seen(public.tickets) is
    'Whether somebody who may has approved how this complaint ends (at ¥0 too) since it was resolved last.';

create or replace function private.complaint_waits_for(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case when not private.is_complaint(p_ticket) or private.complaint_was_seen(p_ticket) then null
        when exists (select from private.approvers((p_ticket).shop_id, 0, '{}', p_now) a where a.member_id = (p_me).member_id)
            and (not private.had_part_in_complaint(p_ticket, (p_me).member_id)
                or not exists (select from private.approvers((p_ticket).shop_id, 0, array[(p_me).member_id], p_now) a where a.rank < 4)) then null
        else coalesce((select string_agg(m.display_name, '、' order by o.n)
            from private.approver_order((p_ticket).shop_id, 0, array[(p_me).member_id], p_now) o
            join public.members m on m.id = o.member_id where o.n <= 3), '—') end
$$;
comment on function private.complaint_waits_for(private.actor, public.tickets, timestamptz) is
    'Who must see a complaint before this person may resolve it (asked with ¥0 of compensation); null: nobody. Who could approve it resolves his own, unless he had a part in it and another is there.';

create or replace function private.ticket_resolving(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('uncovered', (select coalesce(jsonb_agg(o.outcome), '[]')
            from unnest(array['reshipped', 'refunded', 'return_refunded', 'compensated', 'price_protected']) o (outcome)
            where not private.outcome_is_covered((p_ticket).id, o.outcome)),
        'waits_for', case when (p_ticket).stage in ('open', 'waiting') then private.complaint_waits_for(p_me, p_ticket, p_now) end)
$$;
comment on function private.ticket_resolving(private.actor, public.tickets, timestamptz) is
    'What stands between a case and its end: {uncovered: outcomes whose money is missing, waits_for: who must see the complaint first}.';
