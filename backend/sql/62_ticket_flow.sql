-- 62 --------------------------------------------------------------------- tickets: who may take a step, taking it, registering
--
-- Every RPC of a ticket goes the same way: private.ticket_for_change locks it and says no, private.move_ticket writes it with
-- its deadlines and its history.

-- Who -----------------------------------------------------------------------------------------------------------------

create or replace function private.is_ticket_lead(p_me private.actor, p_shop_id bigint, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select (p_me).role = 'manager' or (private.is_lead(p_me) and exists (
        select from private.duty_leads(p_shop_id, p_now) l (member_id) where l.member_id = (p_me).member_id))
$$;
comment on function private.is_ticket_lead(private.actor, bigint, timestamptz) is 'Managers, and the 当班主管 of the shop at this moment.';

create or replace function private.ticket_who(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns text[]
language sql stable set search_path = '' as $$
    select pg_catalog.array_remove(array[
        case when (p_me).role = 'system' then 'system' end,
        case when (p_me).role in ('agent', 'operations', 'manager', 'admin')
            or ((p_me).role = 'warehouse' and (p_ticket).department = 'warehouse') then 'worker' end,
        case when (p_me).role = 'warehouse' then 'warehouse' end,
        case when (p_ticket).owner_id = (p_me).member_id then 'owner' end,
        case when (p_ticket).registered_by = (p_me).member_id then 'registrar' end,
        case when private.is_ticket_lead(p_me, (p_ticket).shop_id, p_now) then 'lead' end], null)
$$;
comment on function private.ticket_who(private.actor, public.tickets, timestamptz) is
    'As what a person stands to a ticket: worker, warehouse, owner, registrar, lead, system (see private.ticket_moves).';

create or replace function private.ticket_refusal(
    p_me private.actor, p_ticket public.tickets, p_version integer, p_rpc text, p_now timestamptz
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_may text[];
    v_key text;
begin
    if (p_ticket).id is null then
        return '{"code": "PT404", "key": "ticket.none", "params": {}}';
    end if;
    select pg_catalog.array_agg(distinct w) into v_may from private.ticket_moves() m, pg_catalog.unnest(m.who) w
    where m.state_from = (p_ticket).state and m.rpc = p_rpc;
    v_key := case
        when (p_me).role <> 'system' and (p_ticket).version is distinct from p_version then 'ticket.stale'
        when v_may is null or v_may = '{system}' and (p_me).role <> 'system' then 'ticket.wrong_state'
        when v_may && private.ticket_who(p_me, p_ticket, p_now) then null
        when 'owner' = any (v_may) then case when (p_ticket).owner_id is null then 'ticket.unclaimed' else 'ticket.not_yours' end
        when 'warehouse' = any (v_may) then 'ticket.needs_warehouse'
        when 'lead' = any (v_may) then 'ticket.needs_lead'
        else 'ticket.not_yours' end;
    if v_key is null then
        return null;
    end if;
    return pg_catalog.jsonb_build_object('code', case when v_key in ('ticket.stale', 'ticket.wrong_state') then 'PT409' else 'PT403' end,
        'key', v_key, 'params', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('id', (p_ticket).id,
            'state', (p_ticket).state, 'version', (p_ticket).version, 'at', (p_ticket).updated_at,
            'who', case when v_key = 'ticket.stale' then private.last_hand((p_ticket).id)
                else (select m.display_name from public.members m where m.id = (p_ticket).owner_id) end)));
end;
$$;
comment on function private.ticket_refusal(private.actor, public.tickets, integer, text, timestamptz) is
    'Why this person cannot take this step now, or null: {code, key, params}: ticket.none, ticket.stale (who, at), ticket.wrong_state, ticket.unclaimed, ticket.not_yours (who), ticket.needs_warehouse, ticket.needs_lead.';

create or replace function private.last_hand(p_ticket_id bigint) returns text
language sql stable set search_path = '' as $$
    select coalesce((select m.display_name from public.audit_events a left join public.members m on m.id = a.member_id
        where a.entity = 'ticket' and a.entity_id = p_ticket_id and a.action <> 'contact_revealed' order by a.id desc limit 1), '系统')
$$;
comment on function private.last_hand(bigint) is 'Who changed a ticket last.';

create or replace function private.ticket_for_change(
    p_me private.actor, p_id bigint, p_version integer, p_rpc text, p_now timestamptz default private.now()
) returns public.tickets
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets;
    v_refusal jsonb;
begin
    select * into v from public.tickets
    where id = p_id and ((p_me).role = 'system' or shop_id in (select private.my_shop_ids())) for update;
    v_refusal := private.ticket_refusal(p_me, v, p_version, p_rpc, p_now);
    if v_refusal is not null then
        perform private.fail(v_refusal ->> 'code', v_refusal ->> 'key', v_refusal -> 'params');
    end if;
    return v;
end;
$$;
comment on function private.ticket_for_change(private.actor, bigint, integer, text, timestamptz) is
    'Locks a ticket for a step that this person may take with it now; refuses as private.ticket_refusal says.';

-- The step ------------------------------------------------------------------------------------------------------------

create or replace function private.store_ticket(p_ticket public.tickets, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    if v.state not in ('waiting_customer', 'waiting_return') then
        v.waiting_reason := null;
        v.waiting_until := null;
    end if;
    if private.ticket_stage(v.state) = 'done' then
        v.closed_at := coalesce(v.closed_at, p_now);
    else
        v.closed_at := null;
        v.close_reason := null;
    end if;
    update public.tickets t set (type, state, severity, root_cause_id, department, is_complaint, order_id, product_id, sku, quantity,
        tracking_no, buyer_account, contact_id, receiver_masked, phone_masked, freight_insurance, platform_status, platform_due_at, claimed_amount,
        owner_id, decision_id, waiting_reason, waiting_until, solution, solution_id, outcome, reship_tracking_no,
        first_resolved_at, resolved_at, closed_at, close_reason, instance, merged_into_id, follows_id, score, due_at, due_sort)
        = (v.type, v.state, v.severity, v.root_cause_id, v.department, v.is_complaint, v.order_id, v.product_id, v.sku, v.quantity,
        v.tracking_no, v.buyer_account, v.contact_id, v.receiver_masked, v.phone_masked, v.freight_insurance, v.platform_status, v.platform_due_at, v.claimed_amount,
        v.owner_id, v.decision_id, v.waiting_reason, v.waiting_until, v.solution, v.solution_id, v.outcome, v.reship_tracking_no,
        v.first_resolved_at, v.resolved_at, v.closed_at, v.close_reason, v.instance, v.merged_into_id, v.follows_id, v.score,
        case when v.closed_at is null then t.due_at end, -- an open case shows what its clocks say (tg_ticket_deadline)
        case when v.closed_at is not null then v.closed_at when t.closed_at is not null then 'infinity' else t.due_sort end)
    where t.id = v.id returning * into v;
    return v;
end;
$$;
comment on function private.store_ticket(public.tickets, timestamptz) is
    'Writes a ticket that was changed in memory, with what follows from its state: a wait ends, a case closes or opens again.';

create or replace function private.move_ticket(
    p_me private.actor, p_ticket public.tickets, p_state text, p_detail jsonb, p_now timestamptz
) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
    v_old public.tickets;
begin
    select * into v_old from public.tickets where id = v.id for update;
    v.state := p_state;
    v := private.store_ticket(v, p_now);
    perform private.ticket_clock_effects(v_old, v, p_now, (p_me).member_id);
    perform private.audit(p_me, v.shop_id, 'ticket', v.id, coalesce(p_detail ->> 'action', 'ticket_' || p_state),
        (coalesce(p_detail, '{}') - 'action') || case when v_old.state <> v.state
            then pg_catalog.jsonb_build_object('from', v_old.state, 'to', v.state) else '{}' end);
    select * into v from public.tickets where id = v.id;
    return v;
end;
$$;
comment on function private.move_ticket(private.actor, public.tickets, text, jsonb, timestamptz) is
    'A locked ticket, changed in memory, goes to a state (or stays there): row, deadlines and history (p_detail; its action names the event) in one. Answers with the row as it is now.';

create or replace function private.ticket_answer(p_ticket public.tickets) returns jsonb
language sql volatile set search_path = '' as $$
    select pg_catalog.jsonb_build_object('id', t.id, 'version', t.version, 'state', t.state, 'owner_id', t.owner_id, 'due_at', t.due_at)
    from public.tickets t where t.id = (p_ticket).id
$$;
comment on function private.ticket_answer(public.tickets) is 'What every step answers: {id, version, state, owner_id, due_at}.';

create or replace function private.ticket_reasons(p_rpc text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_rpc
        when 'waiting_customer' then array['asked_details', 'asked_photos', 'asked_choice', 'asked_address', 'no_answer']
        when 'waiting_return' then array['goods_on_way', 'pickup_booked']
        when 'give_back_ticket' then array['off_shift', 'wrong_skill', 'overload', 'other']
        when 'reopen_ticket' then array['unsatisfied', 'not_received', 'same_problem', 'mistake', 'other']
        when 'cancel_ticket' then array['customer_withdrew', 'duplicate', 'mistake', 'platform_closed', 'other'] end
$$;
comment on function private.ticket_reasons(text) is 'The reasons that a step takes.';

create or replace function private.check_ticket_reason(p_rpc text, p_reason text) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_reason is null or p_reason <> all (private.ticket_reasons(p_rpc)) then
        perform private.fail('PT422', 'ticket.reason', pg_catalog.jsonb_build_object('reasons', private.ticket_reasons(p_rpc)));
    end if;
end;
$$;

create or replace function private.fail_ticket_form(p_constraint text) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_constraint = 'tickets_platform_ref_idx' then
        perform private.fail('PT409', 'ticket.ref_taken');
    end if;
    perform private.fail('PT422', case when p_constraint like '%\_masked' or p_constraint = 'tickets_masks_hide' then 'ticket.personal' else 'ticket.form' end,
        pg_catalog.jsonb_build_object('field', coalesce(pg_catalog.substring(p_constraint, '^ticket[a-z]*_(?:messages_|returns_)?([a-z]+)'), '')));
end;
$$;
comment on function private.fail_ticket_form(text) is
    'What a violated constraint means to people: ticket.personal (a phone number in a free text), ticket.ref_taken, ticket.form (field).';

-- Registering ---------------------------------------------------------------------------------------------------------

create or replace function private.ticket_order(p_me private.actor, p jsonb) returns public.orders
language plpgsql stable set search_path = '' as $$
declare
    v public.orders;
begin
    if p ->> 'order_id' is not null then
        select * into v from public.orders where private.is_id(p ->> 'order_id') and id = (p ->> 'order_id')::bigint
            and ((p_me).role = 'system' or shop_id in (select private.my_shop_ids()));
        if not found then
            perform private.fail('PT404', 'order.none');
        end if;
    end if;
    return v;
end;
$$;
comment on function private.ticket_order(private.actor, jsonb) is 'The order that a registration names (order_id), or no row. order.none.';

create or replace function private.insert_ticket(p_me private.actor, p jsonb, p_shop_id bigint, p_order public.orders, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets;
    v_contact bigint;
begin
    if pg_catalog.jsonb_typeof(p -> 'contact') = 'object' then
        v_contact := private.store_contact(null, p -> 'contact', 'ticket');
    end if;
    insert into public.tickets (shop_id, type, state, severity, root_cause_id, department, is_complaint, order_id, product_id, sku,
        quantity, tracking_no, buyer_account, contact_id, receiver_masked, phone_masked, channel, source, lead_id, summary,
        freight_insurance, platform_ref, platform_status, platform_due_at, claimed_amount, follows_id, registered_at, registered_by)
    select p_shop_id, p ->> 'type', 'registered', coalesce(p ->> 'severity', 'normal'), (p ->> 'root_cause_id')::bigint,
        coalesce(p ->> 'department', 'customer_service'),
        coalesce((p ->> 'is_complaint')::boolean, false) or p ->> 'type' = 'public_complaint', (p_order).id, i.product_id,
        coalesce(p ->> 'sku', i.sku), (p ->> 'quantity')::integer, coalesce(p ->> 'tracking_no', (p_order).tracking_no),
        coalesce(p ->> 'buyer_account', (p_order).buyer_account), v_contact,
        coalesce(p #>> '{contact,name_masked}', (p_order).receiver_masked), coalesce(p #>> '{contact,phone_masked}', (p_order).phone_masked),
        coalesce(p ->> 'channel', 'other'), coalesce(p ->> 'source', 'agent'), (p ->> 'lead_id')::bigint,
        pg_catalog.btrim(coalesce(p ->> 'summary', '')), nullif(p ->> 'freight_insurance', ''),
        nullif(pg_catalog.btrim(p ->> 'platform_ref'), ''), p ->> 'platform_status', (p ->> 'platform_due_at')::timestamptz,
        (p ->> 'claimed_amount')::numeric, (p ->> 'follows_id')::bigint,
        least(coalesce((p ->> 'registered_at')::timestamptz, p_now), p_now), (p_me).member_id
    from (select 1) one left join lateral (
        select pg_catalog.max(x.sku) as sku, pg_catalog.max(x.product_id) as product_id from public.order_items x
        where x.order_id = (p_order).id and (p ->> 'sku' is null or x.sku = p ->> 'sku') having pg_catalog.count(distinct x.sku) = 1) i on true
    returning * into v;
    return v;
end;
$$;
comment on function private.insert_ticket(private.actor, jsonb, bigint, public.orders, timestamptz) is
    'The row of a registration; what the order says already is not typed again (its only item, parcel, buyer).';

create or replace function private.add_ticket(p_me private.actor, p jsonb, p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
    v_order public.orders := private.ticket_order(p_me, p);
    v_shop bigint := coalesce((v_order).shop_id, case when private.is_id(p ->> 'shop_id') then (p ->> 'shop_id')::bigint end);
    v public.tickets;
    v_constraint text;
begin
    perform private.require_shop(p_me, v_shop);
    if v_shop::text is distinct from coalesce(p ->> 'shop_id', v_shop::text) then
        perform private.fail('PT422', 'ticket.form', '{"field": "shop"}');
    end if;
    v := private.insert_ticket(p_me, p, v_shop, v_order, p_now);
    perform private.audit(p_me, v.shop_id, 'ticket', v.id, 'ticket_registered', pg_catalog.jsonb_strip_nulls(
        pg_catalog.jsonb_build_object('type', v.type, 'source', v.source, 'channel', v.channel, 'follows', v.follows_id, 'to', v.state)));
    perform private.start_ticket_clocks(v, p_now, (p_me).member_id);
    perform private.sync_return(v, p_now, (p_me).member_id);
    if p ?| array['severity', 'department', 'root_cause_id'] then
        perform private.classified_ticket(p_me, v, p, p_now);
    end if;
    return v.id;
exception
    when check_violation or unique_violation or foreign_key_violation or not_null_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.fail_ticket_form(v_constraint);
    when data_exception then
        perform private.fail('PT422', 'ticket.form', '{"field": ""}');
end;
$$;
comment on function private.add_ticket(private.actor, jsonb, timestamptz) is
    'Registers a case, from a form, an order, a lead or an import, and answers with its id. p {shop_id | order_id, type, summary, channel, source, lead_id, buyer_account, contact {id, ciphertexts, hashes, masks}, sku, quantity, tracking_no, claimed_amount, platform_ref, platform_status, platform_due_at, freight_insurance (buyer|shop), is_complaint, registered_at (earlier than now)}; with severity, department or root_cause_id it is classified at once. order.none, shop.none, ticket.form (field), ticket.personal, ticket.ref_taken, contact.form.';

create or replace function private.ticket_duplicates(p_me private.actor, p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_order public.orders := private.ticket_order(p_me, p);
    v_shop bigint := coalesce((v_order).shop_id, case when private.is_id(p ->> 'shop_id') then (p ->> 'shop_id')::bigint end);
begin
    perform private.require_shop(p_me, v_shop);
    return (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x) order by x.id desc), '[]') from (
        select t.id, t.type, t.state, t.version, t.registered_at, t.due_at, t.summary, m.display_name as owner_name
        from public.tickets t left join public.members m on m.id = t.owner_id
        where t.shop_id = v_shop and t.stage <> 'done' and t.id in (
            select o.id from public.tickets o where o.order_id = (v_order).id
            union select r.id from public.tickets r where r.platform_ref = pg_catalog.btrim(p ->> 'platform_ref')
            union select k.id from public.tickets k where k.tracking_no = p ->> 'tracking_no'
            union select b.id from public.tickets b where b.buyer_account = coalesce(p ->> 'buyer_account', (v_order).buyer_account)
                and b.shop_id = v_shop and (b.type = p ->> 'type' or b.order_id is null))
        order by t.id desc limit 10) x);
end;
$$;
comment on function private.ticket_duplicates(private.actor, jsonb) is
    'Open tickets that may be the same case: of the order, the platform''s number, the parcel, or of this buyer with the same type or without an order. [{id, type, state, version, registered_at, due_at, summary, owner_name}]. shop.none, order.none.';

create or replace function public.register_ticket(p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p) - array['registered_at', 'follows_id', 'lead_id'];
    v_answer jsonb := private.begin_request(p_request_id, 'register_ticket', v #- '{contact,name}' #- '{contact,phone}' #- '{contact,address}' #- '{contact,note}');
    v_duplicates jsonb;
    v_ticket public.tickets;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if v ->> 'source' is null or v ->> 'source' not in ('order', 'customer') then
        v := v || '{"source": "agent"}';
    end if;
    v_duplicates := private.ticket_duplicates(v_me, v);
    if v_duplicates <> '[]' and v ->> 'force' is distinct from 'true' then
        return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('duplicates', v_duplicates));
    end if;
    v_id := private.add_ticket(v_me, v, v_now);
    select * into v_ticket from public.tickets where id = v_id;
    if v ->> 'take' = 'true' then
        if v_ticket.state = 'registered' then
            v_ticket := private.classified_ticket(v_me, v_ticket, v, v_now);
        end if;
        v_ticket := private.taken_ticket(v_me, private.ticket_for_change(v_me, v_ticket.id, v_ticket.version, 'take_ticket', v_now), v_now);
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(v_ticket) || pg_catalog.jsonb_build_object('duplicates', v_duplicates));
end;
$$;
grant execute on function public.register_ticket(jsonb, uuid) to authenticated;
comment on function public.register_ticket(jsonb, uuid) is
    'Everybody but analysts: registers a case (p as private.add_ticket takes it; take true: it is classified and mine at once). While it may be one that is open already, and without force, nothing is registered: {duplicates}. Else {id, version, state, owner_id, due_at, duplicates}. Refuses as private.add_ticket does.';

-- Classifying ---------------------------------------------------------------------------------------------------------

create or replace function private.classified_ticket(p_me private.actor, p_ticket public.tickets, p jsonb, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    v.type := coalesce(p ->> 'type', v.type);
    v.severity := coalesce(p ->> 'severity', v.severity);
    v.department := coalesce(p ->> 'department', v.department);
    v.root_cause_id := case when p ? 'root_cause_id' then (p ->> 'root_cause_id')::bigint else v.root_cause_id end;
    v.freight_insurance := case when p ? 'freight_insurance' then nullif(p ->> 'freight_insurance', '') else v.freight_insurance end;
    v.is_complaint := coalesce((p ->> 'is_complaint')::boolean, v.is_complaint) or v.type = 'public_complaint';
    v := private.move_ticket(p_me, v, case when v.state = 'registered' then 'classified' else v.state end,
        pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('action', 'ticket_classified', 'type', v.type, 'severity', v.severity,
            'root_cause_id', v.root_cause_id, 'department', v.department, 'freight_insurance', v.freight_insurance,
            'is_complaint', nullif(v.is_complaint, false))), p_now);
    perform private.retarget_ticket(v, p_now, (p_me).member_id);
    perform private.sync_return(v, p_now, (p_me).member_id);
    select * into v from public.tickets where id = v.id;
    return v;
end;
$$;
comment on function private.classified_ticket(private.actor, public.tickets, jsonb, timestamptz) is
    'Type, severity, root cause, department, freight insurance and complaint of a locked ticket, with the policies that these facts choose; a registered one is classified.';

create or replace function public.classify_ticket(p_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'classify_ticket', pg_catalog.jsonb_build_array(p_id, p_version, v));
    v_constraint text;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(
        private.classified_ticket(v_me, private.ticket_for_change(v_me, p_id, p_version, 'classify_ticket', v_now), v, v_now)));
exception
    when check_violation or foreign_key_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.fail_ticket_form(v_constraint);
    when data_exception then
        perform private.fail('PT422', 'ticket.form', '{"field": ""}');
end;
$$;
grant execute on function public.classify_ticket(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.classify_ticket(bigint, integer, jsonb, uuid) is
    'Those who work on tickets: p {type, severity, root_cause_id, department, freight_insurance (buyer, shop, null), is_complaint}; what is left out stays. {id, version, state, owner_id, due_at}. Refuses as private.ticket_refusal says; ticket.form (field).';
