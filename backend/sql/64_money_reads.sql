-- 64 -------------------------------------------------- money of tickets: what a handler may, the approvals and their two-tap page

create or replace function private.approval_row(p_approval public.approvals) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('id', (p_approval).id, 'version', (p_approval).version, 'state', (p_approval).state, 'kind', (p_approval).kind,
        'amount', (p_approval).amount, 'covers', (p_approval).covers, 'why', to_jsonb((p_approval).why), 'ticket_id', (p_approval).ticket_id,
        'money_id', (p_approval).money_id, 'shop_id', (p_approval).shop_id, 'requested_by', r.display_name, 'requested_at', (p_approval).requested_at,
        'due_at', (p_approval).due_at, 'clock_state', case when (p_approval).state = 'open' then c.state end,
        'decided_by', d.display_name, 'decided_as', (p_approval).decided_as, 'decided_at', (p_approval).decided_at,
        'decision_reason', (p_approval).reason)
    from (select 1) one left join public.members r on r.id = (p_approval).requested_by left join public.members d on d.id = (p_approval).decided_by
    left join public.sla_clocks c on c.id = (p_approval).clock_id
$$;

create or replace function private.money_rows(p_ids bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'version', m.version, 'ticket_id', m.ticket_id, 'kind', m.kind, 'amount', m.amount,
        'approved_amount', m.approved_amount, 'state', m.state, 'reason', m.reason, 'gift_sku', m.gift_sku, 'gift_quantity', m.gift_quantity,
        'facts', m.facts, 'why', m.judged -> 'why', 'used', m.judged -> 'used', 'limit', m.judged -> 'limit', 'order_no', o.order_no,
        'requested_by', r.display_name, 'requested_at', m.requested_at, 'paid_at', m.paid_at, 'paid_reference', m.paid_reference,
        'evidence', m.evidence, 'approval', (select private.approval_row(a) from public.approvals a where a.money_id = m.id order by a.id desc limit 1))
        order by m.id desc), '[]')
    from public.ticket_money m left join public.orders o on o.id = m.order_id left join public.members r on r.id = m.requested_by
    where m.id = any (p_ids)
$$;
comment on function private.money_rows(bigint[]) is 'Rows of money as pages show them, newest first, each with its latest approval.';

-- What the handler may ------------------------------------------------------------------------------------------------

create or replace function private.blank_money(p_ticket public.tickets) returns public.ticket_money
language plpgsql stable set search_path = '' as $$
declare
    v public.ticket_money;
begin
    v.shop_id := (p_ticket).shop_id;
    v.amount := 0;
    v.was_approved := false;
    v.order_ids := array(select distinct unnest(array_remove(array[(p_ticket).order_id], null)
        || coalesce((select array_agg(o) from public.ticket_money m, unnest(m.order_ids) o where m.ticket_ids && array[(p_ticket).id]), '{}')));
    v.ticket_ids := array[(p_ticket).id];
    v.buyer_keys := private.buyer_keys(p_ticket);
    return v;
end;
$$;
comment on function private.blank_money(public.tickets) is 'Nothing yet, tied to all that would count with it.';

create or replace function private.readable_ticket(p_id bigint) returns public.tickets
language plpgsql stable set search_path = '' as $$
declare
    v public.tickets;
begin
    select * into v from public.tickets where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'ticket.none');
    end if;
    return v;
end;
$$;

create or replace function public.authority_of(p_ticket_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v_ticket public.tickets := private.readable_ticket(p_ticket_id);
    v_known public.ticket_money := private.blank_money(v_ticket);
begin
    return (select jsonb_agg(f.v || jsonb_build_object('left', case when f.v ->> 'limit' is not null
            then greatest(0, (f.v ->> 'limit')::numeric - (f.v ->> 'used')::numeric) end,
            'complaint', private.is_complaint(v_ticket), 'approvers', coalesce(private.named_approvers(v_ticket.shop_id,
                coalesce((f.v ->> 'limit')::numeric, 0) + 0.01, array[v_me.member_id], v_now), '[]')) order by k.n)
        from unnest(array['compensation', 'refund_only', 'return_refund', 'reship', 'price_protection']) with ordinality k (pot, n)
        cross join lateral (select private.authority_figures(v_ticket, m, v_now) as v
            from jsonb_populate_record(v_known, jsonb_build_object('kind', k.pot)) m) f);
end;
$$;
grant execute on function public.authority_of(bigint) to authenticated;
comment on function public.authority_of(bigint) is
    'Members: of a ticket per pot {pot, limit (null: none), customer_days, used_order, used_customer, used, left, order_value, complaint, approvers just above the limit [{id, name, why, limit, on_duty}]}. compensation is that of gifts too. ticket.none.';

create or replace function public.preview_money(p_ticket_id bigint, p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_ticket public.tickets := private.readable_ticket(p_ticket_id);
    v_p jsonb := private.as_json(p);
    v public.ticket_money;
begin
    v.kind := v_p ->> 'kind';
    v.shop_id := v_ticket.shop_id;
    v.was_approved := false;
    v := private.money_asked(v_ticket, v, v_p || jsonb_build_object('reason', coalesce(nullif(btrim(v_p ->> 'reason'), ''), '-')), v_now);
    v.judged := private.judge_money(v_ticket, v, v_now);
    return v.judged || jsonb_build_object('amount', v.amount, 'facts', v.facts, 'needs_approval', v.judged -> 'why' <> '[]',
        'approvers', case when v.judged -> 'why' = '[]' then '[]' else coalesce(private.named_approvers(v_ticket.shop_id,
            (v.judged ->> 'covers')::numeric, array[v_me.member_id], v_now), '[]') end,
        'due_at', case when v.judged -> 'why' <> '[]' then private.approval_due(v_ticket.shop_id, v_now) end);
end;
$$;
grant execute on function public.preview_money(bigint, jsonb) to authenticated;
comment on function public.preview_money(bigint, jsonb) is
    'Those who work on tickets: what request_money would answer: {amount, limit, used, after, why, needs_approval, approvers, due_at}. Changes nothing. Refuses as request_money does, reason apart.';

create or replace function private.approval_due(p_shop_id bigint, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    select (private.deadline(p.measure, p.calendar_id, p_now, p.allowance, '{}')).due_at
    from private.policies_for('approval', p_shop_id, '{}') p limit 1
$$;
comment on function private.approval_due(bigint, timestamptz) is 'By when an approval asked now would have to be decided.';

-- The approvals -------------------------------------------------------------------------------------------------------

create or replace function public.approval_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v jsonb := private.as_filter(p);
    v_tab text := coalesce(v ->> 'tab', 'open');
    v_after bigint := case when private.is_id(v ->> 'after') then (v ->> 'after')::bigint end;
    v_shops bigint[] := array(select s from private.my_shop_ids() s where v ->> 'shop_id' is null or s = (v ->> 'shop_id')::bigint);
    v_ids bigint[];
begin
    if v_tab not in ('open', 'mine', 'done') then
        perform private.fail('PT422', 'filter.bad');
    end if;
    v_ids := case v_tab
        when 'open' then array(select a.id from public.approvals a where a.shop_id = any (v_shops) and a.state = 'open' order by a.due_sort, a.id limit 200)
        when 'mine' then array(select a.id from public.approvals a where a.requested_by = v_me.member_id and a.shop_id = any (v_shops)
            and (v_after is null or a.id < v_after) order by a.id desc limit 50)
        else array(select a.id from public.approvals a where a.shop_id = any (v_shops) and a.state <> 'open'
            and (v_after is null or (a.decided_at, a.id) < (select x.decided_at, x.id from public.approvals x where x.id = v_after))
            order by a.decided_at desc, a.id desc limit 50) end;
    return jsonb_build_object('rows', (select coalesce(jsonb_agg(private.approval_row(a) || jsonb_build_object(
            'shop_name', s.name, 'order_no', o.order_no, 'money_reason', m.reason,
            'can_decide', a.state = 'open' and private.decision_refusal(v_me, a, v_now) is null) order by u.n), '[]')
            from unnest(v_ids) with ordinality u (id, n) join public.approvals a on a.id = u.id join public.shops s on s.id = a.shop_id
            join public.ticket_money m on m.id = a.money_id left join public.orders o on o.id = m.order_id),
        'next', case when v_tab <> 'open' and cardinality(v_ids) = 50 then v_ids[50] end,
        'open', (select count(*) from (select from public.approvals a where a.shop_id = any (v_shops) and a.state = 'open' limit 1001) x));
end;
$$;
grant execute on function public.approval_list(jsonb) to authenticated;
comment on function public.approval_list(jsonb) is
    'Members: approvals of my shops {rows, next, open (at most 1,001)}. p: tab open (nearest deadline first, at most 200) | mine (that I asked) | done, shop_id, after (the next of the page before). can_decide: whether I may. filter.bad.';

create or replace function private.money_nearby(p_money public.ticket_money) returns jsonb
language sql stable set search_path = '' as $$
    select private.money_rows(array(select m.id from public.ticket_money m
        where m.pot = (p_money).pot and m.id <> (p_money).id and m.shop_id in (select private.my_shop_ids())
          and (m.order_ids && (p_money).order_ids or m.ticket_ids && (p_money).ticket_ids or m.buyer_keys && (p_money).buyer_keys)
        order by m.id desc limit 20))
$$;
comment on function private.money_nearby(public.ticket_money) is 'What else counts together with a request, or was rejected or cancelled before: what the approver should see.';

create or replace function public.approval_screen(p_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v public.approvals;
    v_money public.ticket_money;
    v_refusal jsonb;
begin
    select * into v from public.approvals where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'approval.none');
    end if;
    select * into v_money from public.ticket_money where id = v.money_id;
    v_refusal := case when v.state = 'open' then private.decision_refusal(v_me, v, v_now) end;
    return private.approval_row(v) || jsonb_build_object('judged', v.judged, 'can_decide', v.state = 'open' and v_refusal is null, 'refusal', v_refusal,
        'money', private.money_rows(array[v.money_id]) -> 0, 'nearby', private.money_nearby(v_money),
        'approvers', case when v.state = 'open' then coalesce(private.named_approvers(v.shop_id, v.covers, v.excluded_ids, v_now), '[]') else '[]' end,
        'asked', private.route_names(v.route -> 'asked'), 'passed', private.route_names(v.route -> 'passed'),
        'latest_id', (select max(a.id) from public.approvals a where a.money_id = v.money_id),
        'attachments', private.evidence_rows(v.ticket_id, v_money.evidence),
        'shop', (select jsonb_build_object('name', s.name, 'timezone', s.timezone, 'platform', s.platform) from public.shops s where s.id = v.shop_id),
        'ticket', (select jsonb_build_object('id', t.id, 'type', t.type, 'state', t.state, 'severity', t.severity, 'summary', t.summary,
            'is_complaint', private.is_complaint(t), 'buyer_account', t.buyer_account, 'receiver_masked', t.receiver_masked,
            'registered_at', t.registered_at, 'claimed_amount', t.claimed_amount) from public.tickets t where t.id = v.ticket_id),
        'order', (select jsonb_build_object('id', o.id, 'order_no', o.order_no, 'amount', o.amount, 'placed_at', o.placed_at, 'signed_at', o.signed_at,
            'items', (select coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name, 'spec', i.spec, 'quantity', i.quantity,
                'unit_price', i.unit_price) order by i.line_no), '[]') from public.order_items i where i.order_id = o.id))
            from public.orders o where o.id = v_money.order_id));
end;
$$;
grant execute on function public.approval_screen(bigint) to authenticated;
comment on function public.approval_screen(bigint) is
    'Members: everything one approval needs on a phone: amount, why, authority used, reason, evidence, order, what else was promised (nearby), who is asked, whether I may decide (refusal says why not), latest_id when it was asked anew. Masked. approval.none.';

create or replace function private.route_names(p_people jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(x.value || jsonb_build_object('name', m.display_name) order by x.n), '[]')
    from jsonb_array_elements(p_people) with ordinality x (value, n) left join public.members m on m.id = (x.value ->> 'member_id')::bigint
$$;

create or replace function private.evidence_rows(p_ticket_id bigint, p_ids jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    if p_ids = '[]' then
        return p_ids;
    end if;
    return (select coalesce(jsonb_agg(a.value order by a.n), '[]')
        from jsonb_array_elements(private.ticket_attachments(p_ticket_id)) with ordinality a (value, n)
        where a.value -> 'id' in (select jsonb_array_elements(p_ids)));
end;
$$;
comment on function private.evidence_rows(bigint, jsonb) is 'The photos and files that a request names.';
