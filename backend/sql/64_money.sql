-- 64 ---------------------------------------------------------------------- money of tickets: asking, changing, cancelling, paying

create or replace function private.asks_good_review(p_text text, p_kind text) returns boolean
language sql immutable set search_path = '' as $$
    select case when p_kind = 'price_protection' then t.plain ~ '好评|五星|5星|追评|改评|删评|删差评|晒图|晒单'
        else t.plain ~ '(好评|五星|5星|追评|改评|删评|删差评|晒图|晒单).{0,6}(才|就|后|再|返|送|退|补|赔|奖|换)'
            or t.plain ~ '(先|须|需|得|要求|请).{0,4}(给|写|改|删|补)?.{0,4}(好评|五星|5星|追评|改评|删评|删差评|晒图|晒单).{0,12}(退|补|赔|送|返|价保|赠)' end
    from (select regexp_replace(normalize(coalesce(p_text, ''), nfkc), '[\s\u200b-\u200f\u2060\ufeff·.,，。、!！~*_|/-]', '', 'g') as plain) t
$$;
comment on function private.asks_good_review(text, text) is
    'Whether money is tied to a good review (网络反不正当竞争暂行规定 第九条; category platform of the word check). With price protection the words themselves are one too many.';

create or replace function private.amount_of(p_value text) returns numeric
language plpgsql immutable set search_path = '' as $$
begin
    if p_value is null or p_value !~ '^[0-9]{1,7}(\.[0-9]{1,2})?$' then
        perform private.fail('PT422', 'money.amount');
    end if;
    return p_value::numeric;
end;
$$;

create or replace function private.checked_evidence(p_ticket_id bigint, p_value jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_ids bigint[] := private.as_ids(coalesce(nullif(p_value, 'null'), '[]'));
begin
    if cardinality(v_ids) > 0 and (cardinality(v_ids) > 10 or jsonb_array_length(private.evidence_rows(p_ticket_id, to_jsonb(v_ids))) < (
        select count(distinct i) from unnest(v_ids) i)) then
        perform private.fail('PT422', 'money.evidence');
    end if;
    return to_jsonb(v_ids);
end;
$$;
comment on function private.checked_evidence(bigint, jsonb) is 'Attachments of the ticket that prove it, at most ten: money.evidence.';

create or replace function private.money_facts(p_ticket public.tickets, p_money public.ticket_money, p jsonb, p_now timestamptz)
returns public.ticket_money
language plpgsql stable set search_path = '' as $$
declare
    v public.ticket_money := p_money;
    v_cost numeric;
begin
    if v.kind = 'gift' then
        v.gift_sku := left(btrim(coalesce(p ->> 'gift_sku', v.gift_sku, '')), 60);
        v.gift_quantity := case when coalesce(p ->> 'gift_quantity', '1') ~ '^[0-9]{1,2}$' then coalesce((p ->> 'gift_quantity')::integer, v.gift_quantity, 1) end;
        v_cost := private.gift_cost(v.gift_sku, v.shop_id, p_now);
        if v_cost is null or coalesce(v.gift_quantity, 0) < 1 then
            perform private.fail('PT422', 'money.gift', jsonb_build_object('sku', v.gift_sku));
        end if;
        v.amount := v_cost * v.gift_quantity;
        v.facts := jsonb_build_object('unit_cost', v_cost, 'name', (select r.gift_name from private.offer_rules_at('gift', v.shop_id, p_now) r
            where r.gift_sku = v.gift_sku order by r.shop_id is null limit 1));
    elsif v.kind = 'price_protection' then
        v.facts := private.price_protection(p_ticket, p, v.evidence <> '[]', v.id, p_now);
        if v.facts ->> 'refusal' is not null then
            perform private.fail('PT422', v.facts ->> 'refusal', v.facts);
        end if;
        v.amount := (v.facts ->> 'payable')::numeric;
    else
        v.amount := case when p ? 'amount' then private.amount_of(p ->> 'amount') else v.amount end;
    end if;
    if v.amount is null or (v.amount = 0 and not private.is_complaint(p_ticket)) then
        perform private.fail('PT422', 'money.amount');
    end if;
    return v;
end;
$$;
comment on function private.money_facts(public.tickets, public.ticket_money, jsonb, timestamptz) is
    'The amount: typed; a gift at its cost; price protection by calculation. money.amount (0 only asks the 当班主管 about a complaint), money.gift, price.*.';

create or replace function private.money_asked(p_ticket public.tickets, p_money public.ticket_money, p jsonb, p_now timestamptz)
returns public.ticket_money
language plpgsql stable set search_path = '' as $$
declare
    v public.ticket_money := p_money;
begin
    if v.kind is null or v.kind not in ('compensation', 'gift', 'refund_only', 'return_refund', 'reship', 'price_protection') then
        perform private.fail('PT422', 'money.kind');
    end if;
    v.reason := btrim(coalesce(p ->> 'reason', v.reason, ''));
    if char_length(v.reason) not between 1 and 500 or private.names_a_phone(v.reason) then
        perform private.fail('PT422', 'money.reason');
    elsif private.asks_good_review(v.reason, v.kind) then
        perform private.fail('PT422', 'money.good_review');
    end if;
    v.evidence := case when p ? 'evidence' or v.evidence is null then private.checked_evidence((p_ticket).id, p -> 'evidence') else v.evidence end;
    v.order_id := (p_ticket).order_id;
    v.order_ids := array(select distinct unnest(coalesce(v.order_ids, '{}') || array_remove(array[(p_ticket).order_id], null)
        || coalesce((select array_agg(o) from public.ticket_money m, unnest(m.order_ids) o where m.ticket_ids && array[(p_ticket).id]), '{}')));
    v.ticket_ids := array(select distinct unnest(coalesce(v.ticket_ids, '{}') || (p_ticket).id));
    v.buyer_keys := private.buyer_keys(p_ticket);
    return private.money_facts(p_ticket, v, p, p_now);
end;
$$;
comment on function private.money_asked(public.tickets, public.ticket_money, jsonb, timestamptz) is
    'A row of money as it is asked for, tied to everything that counts together: the ticket, every order it was ever linked to, the customer. money.kind, money.reason, money.good_review, money.evidence, money.amount.';

create or replace function private.place_money(p_me private.actor, p_money public.ticket_money, p_now timestamptz) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_asks boolean := (p_money).judged -> 'why' <> '[]';
    v_id bigint;
begin
    update public.ticket_money set state = case when v_asks then 'requested' else 'granted' end, judged = (p_money).judged, decided_at = null,
        approved_amount = null
    where id = (p_money).id;
    if v_asks then
        v_id := private.ask_approval((select m from public.ticket_money m where m.id = (p_money).id), coalesce((p_me).member_id, (p_money).requested_by), p_now);
    else
        perform private.money_holds((select m from public.ticket_money m where m.id = (p_money).id), p_me, p_now);
    end if;
    return v_id;
end;
$$;
comment on function private.place_money(private.actor, public.ticket_money, timestamptz) is 'Within the authority it is granted; otherwise the question is opened. Answers with the approval, or null.';

create or replace function private.tell_money(p_me private.actor, p_money public.ticket_money, p_action text, p_more jsonb) returns void
language sql set search_path = '' as $$
    select private.audit(p_me, (p_money).shop_id, 'ticket', (p_money).ticket_id, p_action, jsonb_strip_nulls(jsonb_build_object(
        'money_id', (p_money).id, 'kind', (p_money).kind, 'amount', (p_money).amount, 'why', nullif((p_money).judged -> 'why', '[]'),
        'used', (p_money).judged -> 'used', 'limit', (p_money).judged -> 'limit') || coalesce(p_more, '{}')))
$$;

create or replace function private.money_answer(p_money_id bigint, p_ticket public.tickets, p_approval_id bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', m.id, 'version', m.version, 'state', m.state, 'kind', m.kind, 'amount', m.amount,
        'needs_approval', m.state = 'requested', 'why', m.judged -> 'why', 'used', m.judged -> 'used', 'limit', m.judged -> 'limit',
        'after', m.judged -> 'after', 'facts', m.facts, 'approval_id', p_approval_id, 'due_at', a.due_at,
        'approvers', coalesce(private.named_approvers(m.shop_id, a.covers, a.excluded_ids, p_now), '[]'),
        'ticket_state', (p_ticket).state, 'ticket_version', (p_ticket).version)
    from public.ticket_money m left join public.approvals a on a.id = p_approval_id where m.id = p_money_id
$$;

create or replace function private.named_approvers(p_shop_id bigint, p_covers numeric, p_excluded bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_agg(jsonb_build_object('id', m.id, 'name', m.display_name, 'why', o.why, 'limit', o.approval_limit,
        'on_duty', private.is_on_duty(m.id, p_now)) order by o.n)
    from private.approver_order(p_shop_id, p_covers, p_excluded, p_now) o join public.members m on m.id = o.member_id
$$;
comment on function private.named_approvers(bigint, numeric, bigint[], timestamptz) is 'Who is asked, best first: [{id, name, why, limit, on_duty}]; null when nobody can.';

create or replace function public.request_money(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_p jsonb := private.as_json(p);
    v_answer jsonb := private.begin_request(p_request_id, 'request_money', jsonb_build_array(p_ticket_id, p_version, v_p));
    v_ticket public.tickets;
    v public.ticket_money;
    v_approval bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ticket := private.ticket_for_change(v_me, p_ticket_id, p_version, 'request_money');
    perform private.lock_money();
    v.kind := v_p ->> 'kind';
    v.shop_id := v_ticket.shop_id;
    v.was_approved := false;
    v := private.money_asked(v_ticket, v, v_p, v_now);
    v.judged := private.judge_money(v_ticket, v, v_now);
    insert into public.ticket_money (ticket_id, shop_id, order_id, order_ids, ticket_ids, buyer_keys, kind, amount, gift_sku, gift_quantity,
        reason, evidence, facts, judged, state, requested_by, changed_by, requested_at, counted_at)
    values (v_ticket.id, v.shop_id, v.order_id, v.order_ids, v.ticket_ids, v.buyer_keys, v.kind, v.amount, v.gift_sku, v.gift_quantity,
        v.reason, v.evidence, coalesce(v.facts, '{}'), v.judged, 'granted', v_me.member_id, array[v_me.member_id], v_now, v_now)
    returning * into v;
    v_approval := private.place_money(v_me, v, v_now);
    perform private.tell_money(v_me, v, case when v_approval is null then 'money_granted' else 'money_requested' end,
        jsonb_build_object('approval_id', v_approval));
    v_ticket := private.settle_ticket_money(v_me, v_ticket, jsonb_build_object('money_id', v.id, 'approval_id', v_approval), v_now);
    return private.finish_request(p_request_id, private.money_answer(v.id, v_ticket, v_approval, v_now));
end;
$$;
grant execute on function public.request_money(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.request_money(bigint, integer, jsonb, uuid) is
    'The handler promises money {kind compensation|gift|refund_only|return_refund|reship|price_protection, amount, gift_sku, gift_quantity, sku, signed_at, price, reason, evidence: [attachment ids]}: granted within the authority table, else it waits for somebody else. {id, version, state, needs_approval, why, used, limit, approvers, due_at, ticket_state, ticket_version}. money.*, price.*, ticket.*.';

-- Afterwards ----------------------------------------------------------------------------------------------------------

create or replace function private.money_for_change(p_me private.actor, p_id bigint, p_version integer, p_rpc text) returns public.ticket_money
language plpgsql set search_path = '' as $$
declare
    v public.ticket_money;
begin
    select * into v from public.ticket_money where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'money.none');
    end if;
    perform private.ticket_for_change(p_me, v.ticket_id, (private.ticket_locked(v.ticket_id)).version, p_rpc);
    select * into v from public.ticket_money where id = p_id for update;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'money.stale', jsonb_build_object('id', p_id));
    end if;
    return v;
end;
$$;
comment on function private.money_for_change(private.actor, bigint, integer, text) is 'Locks ticket, money and row: money.none, money.stale, and what ticket_for_change refuses.';

create or replace function private.money_is_over(p_money public.ticket_money) returns jsonb
language sql stable set search_path = '' as $$
    select case when (p_money).state in ('paid', 'rejected', 'cancelled') or exists (select from public.order_gifts g
            where g.id = ((p_money).facts ->> 'gift_id')::bigint and g.packed_at is not null) then jsonb_build_object('status', 409, 'key',
        'money.' || case (p_money).state when 'paid' then 'paid' when 'rejected' then 'over' when 'cancelled' then 'over' else 'packed' end,
        'params', jsonb_build_object('state', (p_money).state, 'amount', (p_money).amount)) end
$$;
comment on function private.money_is_over(public.ticket_money) is
    'Why money is not changed any more, or null: money.paid, money.packed (the gift is in the parcel), money.over (rejected, cancelled). {status, key, params}.';

create or replace function public.change_money(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_p jsonb := private.as_json(p) - 'kind';
    v_answer jsonb := private.begin_request(p_request_id, 'change_money', jsonb_build_array(p_id, p_version, v_p));
    v_old public.ticket_money;
    v public.ticket_money;
    v_ticket public.tickets;
    v_approval bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_old := private.money_for_change(v_me, p_id, p_version, 'change_money');
    if private.money_is_over(v_old) is not null then
        return private.refused(v_me, v_old.shop_id, v_old.ticket_id, 'money_change', private.money_is_over(v_old),
            jsonb_build_object('money_id', v_old.id, 'amount', v_p -> 'amount'), p_request_id);
    end if;
    select * into v_ticket from public.tickets where id = v_old.ticket_id;
    v := private.money_asked(v_ticket, v_old, v_p, v_now);
    perform private.withdraw_approval(v_old.id, 'changed', v_now, v_me.member_id);
    perform private.money_fell(v_old, v_me, v_now);
    update public.ticket_money set order_id = v.order_id, order_ids = v.order_ids, ticket_ids = v.ticket_ids, buyer_keys = v.buyer_keys,
        amount = v.amount, gift_sku = v.gift_sku, gift_quantity = v.gift_quantity, reason = v.reason, evidence = v.evidence,
        facts = coalesce(v.facts, '{}'), counted_at = v_now, state = 'granted', approved_amount = null,
        changed_by = array(select distinct unnest(changed_by || v_me.member_id))
    where id = v.id returning * into v;
    v.judged := private.judge_money(v_ticket, v, v_now);
    v_approval := private.place_money(v_me, v, v_now);
    perform private.tell_money(v_me, v, 'money_changed', jsonb_build_object('before', v_old.amount, 'was', v_old.state, 'approval_id', v_approval));
    v_ticket := private.settle_ticket_money(v_me, v_ticket, jsonb_build_object('money_id', v.id), v_now);
    return private.finish_request(p_request_id, private.money_answer(v.id, v_ticket, v_approval, v_now));
end;
$$;
grant execute on function public.change_money(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.change_money(bigint, integer, jsonb, uuid) is
    'The handler sets another amount, reason or proof: it is judged anew, and what was approved once is asked again at any amount. Paid, rejected and cancelled money stays ({refused}, recorded): money.paid, money.over. money.stale, money.none, money.*, price.*.';

create or replace function public.cancel_money(p_id bigint, p_version integer, p_reason text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_reason text := btrim(coalesce(p_reason, ''));
    v_answer jsonb := private.begin_request(p_request_id, 'cancel_money', jsonb_build_array(p_id, p_version, v_reason));
    v public.ticket_money;
    v_ticket public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.money_for_change(v_me, p_id, p_version, 'cancel_money');
    if private.money_is_over(v) is not null then
        return private.refused(v_me, v.shop_id, v.ticket_id, 'money_cancel', private.money_is_over(v),
            jsonb_build_object('money_id', v.id, 'amount', v.amount), p_request_id);
    elsif char_length(v_reason) not between 1 and 500 or private.names_a_phone(v_reason) then
        perform private.fail('PT422', 'money.reason');
    end if;
    perform private.withdraw_approval(v.id, 'cancelled', v_now, v_me.member_id);
    update public.ticket_money set state = 'cancelled' where id = v.id;
    perform private.money_fell(v, v_me, v_now);
    perform private.tell_money(v_me, v, 'money_cancelled', jsonb_build_object('was', v.state, 'reason', v_reason));
    select * into v_ticket from public.tickets where id = v.ticket_id;
    v_ticket := private.settle_ticket_money(v_me, v_ticket, jsonb_build_object('money_id', v.id), v_now);
    return private.finish_request(p_request_id, private.money_answer(v.id, v_ticket, null, v_now));
end;
$$;
grant execute on function public.cancel_money(bigint, integer, text, uuid) to authenticated;
comment on function public.cancel_money(bigint, integer, text, uuid) is
    'The handler takes back what was not paid, with a reason; it counts no longer. money.stale, money.none, money.reason; {refused}: money.paid, money.over.';

create or replace function public.mark_paid(p_id bigint, p_version integer, p_reference text, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_now timestamptz := private.now();
    v_reference text := nullif(left(btrim(coalesce(p_reference, '')), 100), '');
    v_answer jsonb := private.begin_request(p_request_id, 'mark_paid', jsonb_build_array(p_id, p_version, v_reference));
    v public.ticket_money;
    v_ticket public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from public.ticket_money where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'money.none');
    end if;
    v_ticket := private.ticket_locked(v.ticket_id);
    select * into v from public.ticket_money where id = p_id for update;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'money.stale', jsonb_build_object('id', p_id));
    elsif v_me.role = 'agent' and v_me.member_id is distinct from v_ticket.owner_id and not v_me.is_duty_lead then
        perform private.fail('PT403', 'money.not_yours');
    elsif private.names_a_phone(v_reference) then
        perform private.fail('PT422', 'money.reason');
    elsif v.state not in ('granted', 'approved') then
        return private.refused(v_me, v.shop_id, v.ticket_id, 'money_payment', coalesce(private.money_is_over(v),
            jsonb_build_object('status', 409, 'key', 'money.not_approved', 'params', jsonb_build_object('amount', v.amount))),
            jsonb_build_object('money_id', v.id, 'amount', v.amount), p_request_id);
    end if;
    update public.ticket_money set state = 'paid', paid_at = v_now, paid_by = v_me.member_id, paid_reference = v_reference where id = v.id;
    perform private.tell_money(v_me, v, 'money_paid', null);
    return private.finish_request(p_request_id, private.money_answer(v.id, v_ticket, null, v_now));
end;
$$;
grant execute on function public.mark_paid(bigint, integer, text, uuid) to authenticated;
comment on function public.mark_paid(bigint, integer, text, uuid) is
    'The handler, a lead, operations or a manager notes that exactly the granted or approved amount has left (platform, transfer; reference). money.none, money.stale, money.not_yours; {refused}, recorded: money.not_approved, money.paid, money.over.';
