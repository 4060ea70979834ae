-- 64 --------------------------------------------------------- money of tickets and its approval: tables, who decides, deciding
--
-- A ticket promises money (补偿, 赠品, 仅退款, 退货退款, 补发, 价保) as rows of ticket_money. What 64_authority allows its handler
-- is granted at once; the rest waits for somebody else whose approval_limit covers it. Locks are taken in one order: the
-- ticket, then private.lock_money (one request of money at a time over the installation, so that two people who ask at the
-- same moment see each other), then rows of money and approvals.

create table if not exists public.ticket_money (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references public.tickets,
    shop_id bigint not null references public.shops,
    order_id bigint references public.orders,
    order_ids bigint[] not null default '{}',
    ticket_ids bigint[] not null,
    buyer_keys text[] not null default '{}',
    kind text not null constraint ticket_money_kind_known
        check (kind in ('compensation', 'gift', 'refund_only', 'return_refund', 'reship', 'price_protection')),
    pot text not null generated always as (case when kind = 'gift' then 'compensation' else kind end) stored,
    amount numeric(14, 2) not null constraint ticket_money_amount_range check (amount >= 0),
    approved_amount numeric(14, 2),
    gift_sku text,
    gift_quantity integer constraint ticket_money_gift_quantity_range check (gift_quantity between 1 and 99),
    reason text not null constraint ticket_money_reason_length check (char_length(reason) between 1 and 500),
    evidence jsonb not null default '[]',
    facts jsonb not null default '{}',
    judged jsonb not null default '{}',
    state text not null constraint ticket_money_state_known
        check (state in ('requested', 'approved', 'rejected', 'granted', 'paid', 'cancelled')),
    requested_by bigint not null references public.members,
    changed_by bigint[] not null,
    requested_at timestamptz not null,
    counted_at timestamptz not null,
    was_approved boolean not null default false,
    decided_at timestamptz,
    paid_at timestamptz,
    paid_by bigint,
    paid_reference text constraint ticket_money_reference_length check (char_length(paid_reference) <= 100),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint ticket_money_gift_is_whole check ((kind = 'gift') = (gift_sku is not null) and (gift_sku is null) = (gift_quantity is null)),
    constraint ticket_money_frozen check (case when state = 'approved' then coalesce(approved_amount = amount, false)
        when state = 'paid' and was_approved then coalesce(approved_amount = amount, false) else true end),
    constraint ticket_money_paid_has_time check ((state = 'paid') = (paid_at is not null))
);
create index if not exists ticket_money_ticket_id_idx on public.ticket_money (ticket_id);
create index if not exists ticket_money_shop_id_idx on public.ticket_money (shop_id, requested_at);
create index if not exists ticket_money_order_id_idx on public.ticket_money (order_id) where order_id is not null;
create index if not exists ticket_money_orders_idx on public.ticket_money using gin (order_ids) with (fastupdate = off); -- read more often than written
create index if not exists ticket_money_tickets_idx on public.ticket_money using gin (ticket_ids) with (fastupdate = off);
create index if not exists ticket_money_buyers_idx on public.ticket_money using gin (buyer_keys) with (fastupdate = off);
create index if not exists ticket_money_requested_by_idx on public.ticket_money (requested_by);
alter table public.ticket_money enable row level security;
create or replace trigger t10_touch before update on public.ticket_money
    for each row execute function private.touch_version();
comment on table public.ticket_money is
    '补偿、赠品、退款、补发、价保 of a ticket, in CNY: requested (待审批) → approved | rejected, or granted within the authority; then paid; cancelled.';
comment on column public.ticket_money.order_ids is 'Every order it was ever tied to; like ticket_ids it only grows: a link that is taken away lowers nothing.';
comment on column public.ticket_money.buyer_keys is 'By what the customer is known again: buyer account on a platform, keyed hash of the phone or WeChat.';
comment on column public.ticket_money.pot is 'What is added up together: gifts (at cost) count as compensation.';
comment on column public.ticket_money.judged is 'How it stood to the authority table when it was judged last: limit, used before it, why somebody else must approve.';
comment on column public.ticket_money.changed_by is 'Everybody who ever set the amount: none of them approves it.';
comment on column public.ticket_money.counted_at is 'When the amount was set last: the 90 days of a customer count from here.';

create table if not exists public.approvals (
    id bigint generated always as identity primary key,
    money_id bigint not null references public.ticket_money,
    ticket_id bigint not null references public.tickets,
    shop_id bigint not null references public.shops,
    kind text not null,
    amount numeric(14, 2) not null,
    covers numeric(14, 2) not null,
    why text[] not null constraint approvals_why_given check (cardinality(why) > 0),
    judged jsonb not null,
    excluded_ids bigint[] not null,
    route jsonb not null,
    state text not null default 'open' constraint approvals_state_known check (state in ('open', 'approved', 'rejected', 'withdrawn')),
    requested_by bigint not null references public.members,
    requested_at timestamptz not null,
    decided_by bigint references public.members,
    decided_as text,
    decided_at timestamptz,
    reason text constraint approvals_reason_length check (char_length(reason) <= 500),
    clock_id bigint,
    due_at timestamptz,
    due_sort timestamptz not null default 'infinity',
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint approvals_nobody_decides_for_himself check (decided_by <> all (excluded_ids)),
    constraint approvals_decided_is_whole check ((state in ('approved', 'rejected')) = (decided_by is not null)
        and (state = 'open') = (decided_at is null))
);
create unique index if not exists approvals_one_open_idx on public.approvals (money_id) where state = 'open';
create index if not exists approvals_money_id_idx on public.approvals (money_id);
create index if not exists approvals_ticket_id_idx on public.approvals (ticket_id);
create index if not exists approvals_open_idx on public.approvals (shop_id, due_sort, id) where state = 'open';
create index if not exists approvals_done_idx on public.approvals (shop_id, decided_at desc, id desc) where state <> 'open';
create index if not exists approvals_requested_by_idx on public.approvals (requested_by, id desc);
create index if not exists approvals_decided_by_idx on public.approvals (decided_by) where decided_by is not null;
alter table public.approvals enable row level security;
create or replace trigger t10_touch before update of state on public.approvals
    for each row execute function private.touch_version();
comment on table public.approvals is
    '待审批: one question to somebody else about one amount. The amount is frozen: another amount is another approval (this one is withdrawn).';
comment on column public.approvals.covers is 'What the approver''s approval_limit must cover: the amount and all that it adds to (order, customer in 90 days).';
comment on column public.approvals.why is 'Why the handler may not grant it: complaint, over_order, over_value (more goes back than was paid), over_customer, no_order, goods_not_received, rejected_before, changed_after_approval.';
comment on column public.approvals.excluded_ids is 'Who asked or set the amount: nobody approves what he asked for.';
comment on column public.approvals.route is
    'Who was asked when it was asked: {asked: [{member_id, why, limit}] best first, passed: [{member_id, why: requester|own_amount|limit, limit}]}; asked empty: nobody could.';

drop policy if exists "members read the money of their shops" on public.ticket_money;
create policy "members read the money of their shops" on public.ticket_money
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select (id, ticket_id, shop_id, order_id, kind, pot, amount, approved_amount, gift_sku, gift_quantity, reason, evidence, facts, judged,
              state, requested_by, requested_at, decided_at, paid_at, paid_by, paid_reference, version, updated_at)
    on public.ticket_money to authenticated;
drop policy if exists "members read the approvals of their shops" on public.approvals;
create policy "members read the approvals of their shops" on public.approvals
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.approvals to authenticated;

do $$
begin
    if not exists (select from private.schema_steps where step = '64.1 who approves hears of it at once') then
        update public.sla_policies p set ladder = w.ladder from private.seed_policies() w
        where p.code = 'approval' and w.code = 'approval' and p.ladder = '[{"percent": 80, "who": ["owner"], "action": "notify"},
            {"percent": 100, "who": ["owner"], "action": "notify"}]';
        insert into private.schema_steps (step) values ('64.1 who approves hears of it at once');
    end if;
end;
$$;

create or replace function private.lock_money() returns void
language sql volatile set search_path = '' as $$
    select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('private.money'))
$$;
comment on function private.lock_money() is 'One request of money at a time: whoever is second adds up what the first has asked for. After the ticket''s lock, never before it.';

create or replace function private.money_open(p_ticket_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.ticket_money where ticket_id = p_ticket_id and state = 'requested')
$$;
comment on function private.money_open(bigint) is 'Whether money of a ticket still waits for its approval: until then the ticket is not resolved.';

-- Asking --------------------------------------------------------------------------------------------------------------

create or replace function private.tg_approval_deadline() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.approvals a
    set clock_id = new.id, due_at = coalesce(new.due_at, a.due_at),
        due_sort = case when new.stopped_at is null then coalesce(new.due_at, 'infinity') else a.due_sort end
    where a.id = new.entity_id;
    return null;
end;
$$;
comment on function private.tg_approval_deadline() is 'An approval shows the deadline of its clock, however the clock was changed.';
create or replace trigger t50_approval_deadline after insert on public.sla_clocks
    for each row when (new.entity = 'approval') execute function private.tg_approval_deadline();
create or replace trigger t51_approval_deadline after update on public.sla_clocks
    for each row when (new.entity = 'approval' and old.due_at is distinct from new.due_at) execute function private.tg_approval_deadline();

create or replace function private.ask_approval(p_money public.ticket_money, p_asked_by bigint, p_now timestamptz) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
    v_covers numeric := ((p_money).judged ->> 'covers')::numeric;
begin
    insert into public.approvals (money_id, ticket_id, shop_id, kind, amount, covers, why, judged, excluded_ids, route, requested_by, requested_at)
    values ((p_money).id, (p_money).ticket_id, (p_money).shop_id, (p_money).kind, (p_money).amount, v_covers,
        array(select jsonb_array_elements_text((p_money).judged -> 'why')), (p_money).judged, (p_money).changed_by,
        private.approval_route((p_money).shop_id, v_covers, (p_money).requested_by, (p_money).changed_by, p_now), p_asked_by, p_now)
    returning id into v_id;
    perform private.start_clock('approval', v_id, (p_money).shop_id, 'decide', 'approval', p_now, p_asked_by);
    return v_id;
end;
$$;
comment on function private.ask_approval(public.ticket_money, bigint, timestamptz) is 'Opens the question and its clock: one hour of shift time.';

create or replace function private.withdraw_approval(p_money_id bigint, p_reason text, p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v public.approvals;
begin
    update public.approvals set state = 'withdrawn', decided_at = p_now, reason = p_reason
    where money_id = p_money_id and state = 'open' returning * into v;
    if v.clock_id is not null then
        perform private.cancel_clock(v.clock_id, p_reason, p_now, p_actor);
    end if;
end;
$$;
comment on function private.withdraw_approval(bigint, text, timestamptz, bigint) is 'The amount is another one, or wanted no longer: the open question ends without an answer.';

create or replace function private.settle_ticket_money(p_me private.actor, p_ticket public.tickets, p_detail jsonb, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v_state text := (p_ticket).state;
begin
    if private.money_open((p_ticket).id) then
        v_state := case when v_state in ('in_progress', 'approved') then 'pending_approval' else v_state end;
    elsif v_state = 'pending_approval' then
        v_state := case when exists (select from public.ticket_money where ticket_id = (p_ticket).id and state in ('approved', 'paid')
            and was_approved) then 'approved' when (p_ticket).owner_id is null then 'classified' else 'in_progress' end;
    end if;
    if v_state = (p_ticket).state then
        return p_ticket;
    end if;
    return private.move_ticket(p_me, p_ticket, v_state, p_detail, p_now);
end;
$$;
comment on function private.settle_ticket_money(private.actor, public.tickets, jsonb, timestamptz) is
    'The ticket follows its money: pending_approval while something waits; afterwards approved, or in_progress (without an owner the pool) when nothing was.';

-- Deciding ------------------------------------------------------------------------------------------------------------

create or replace function private.ticket_locked(p_id bigint) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets;
begin
    select * into v from public.tickets where id = p_id for update;
    perform private.lock_money();
    return v;
end;
$$;
comment on function private.ticket_locked(bigint) is 'Locks a ticket, then the money: the order in which everybody does.';

create or replace function private.approval_for_decision(p_id bigint, p_version integer) returns public.approvals
language plpgsql set search_path = '' as $$
declare
    v public.approvals;
begin
    select * into v from public.approvals where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'approval.none');
    end if;
    perform private.ticket_locked(v.ticket_id);
    select * into v from public.approvals where id = p_id for update;
    if v.state <> 'open' then
        perform private.fail('PT409', 'approval.decided', jsonb_build_object('state', v.state, 'at', v.decided_at,
            'who', (select display_name from public.members where id = v.decided_by)));
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'approval.stale', jsonb_build_object('id', p_id));
    end if;
    return v;
end;
$$;
comment on function private.approval_for_decision(bigint, integer) is 'Locks what a decision changes: approval.none, approval.decided, approval.stale.';

create or replace function private.forget_request(p_request_id uuid) returns void
language sql set search_path = '' as $$
    delete from private.requests where actor = private.request_actor() and request_id = private.sha256(p_request_id::text)
$$;
comment on function private.forget_request(uuid) is 'A refusal that is answered (so that its audit row stays) is no answer to keep: the next try is judged anew.';

create or replace function private.refused(
    p_me private.actor, p_shop_id bigint, p_ticket_id bigint, p_action text, p_refusal jsonb, p_detail jsonb, p_request_id uuid
) returns jsonb
language plpgsql set search_path = '' as $$
begin
    perform private.audit(p_me, p_shop_id, 'ticket', p_ticket_id, p_action || '_refused', p_detail || jsonb_build_object('key', p_refusal ->> 'key'));
    perform private.forget_request(p_request_id);
    return jsonb_build_object('refused', p_refusal);
end;
$$;
comment on function private.refused(private.actor, bigint, bigint, text, jsonb, jsonb, uuid) is
    'An attempt against the authority table changes nothing and is recorded; raising would take the record away again. {refused: {status, key, params}}.';

create or replace function private.write_decision_on_money(
    p_me private.actor, p_approval public.approvals, p_approve boolean, p_reason text, p_now timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
    v_as text := (select a.why from private.approvers((p_approval).shop_id, (p_approval).covers, (p_approval).excluded_ids, p_now) a
        where a.member_id = (p_me).member_id);
begin
    update public.approvals set state = case when p_approve then 'approved' else 'rejected' end,
        decided_by = (p_me).member_id, decided_as = v_as, decided_at = p_now, reason = p_reason
    where id = (p_approval).id;
    update public.ticket_money set state = case when p_approve then 'approved' else 'rejected' end, decided_at = p_now,
        approved_amount = case when p_approve then (p_approval).amount end, was_approved = was_approved or p_approve
    where id = (p_approval).money_id;
    if (p_approval).clock_id is not null then
        perform private.stop_clock((p_approval).clock_id, p_now, (p_me).member_id);
    end if;
    perform private.audit(p_me, (p_approval).shop_id, 'ticket', (p_approval).ticket_id,
        case when p_approve then 'money_approved' else 'money_rejected' end, jsonb_strip_nulls(jsonb_build_object(
            'money_id', (p_approval).money_id, 'approval_id', (p_approval).id, 'kind', (p_approval).kind, 'amount', (p_approval).amount,
            'covers', (p_approval).covers, 'limit', (p_me).approval_limit, 'as', v_as, 'reason', p_reason)));
end;
$$;

create or replace function public.decide_approval(p_id bigint, p_version integer, p_approve boolean, p_reason text, p_request_id uuid)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_reason text := nullif(btrim(coalesce(p_reason, '')), '');
    v_answer jsonb := private.begin_request(p_request_id, 'decide_approval', jsonb_build_array(p_id, p_version, p_approve, v_reason));
    v public.approvals;
    v_refusal jsonb;
    v_ticket public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.approval_for_decision(p_id, p_version);
    v_refusal := private.decision_refusal(v_me, v, v_now);
    if v_refusal is not null then
        return private.refused(v_me, v.shop_id, v.ticket_id, 'approval', v_refusal,
            jsonb_build_object('money_id', v.money_id, 'approval_id', v.id, 'amount', v.amount, 'covers', v.covers), p_request_id);
    elsif p_approve is null or char_length(v_reason) > 500 or (not p_approve and v_reason is null) then
        perform private.fail('PT422', 'approval.reason');
    end if;
    perform private.write_decision_on_money(v_me, v, p_approve, v_reason, v_now);
    if p_approve then
        perform private.money_holds((select m from public.ticket_money m where m.id = v.money_id), v_me, v_now);
    end if;
    select * into v_ticket from public.tickets where id = v.ticket_id;
    v_ticket := private.settle_ticket_money(v_me, v_ticket, jsonb_build_object('approval_id', v.id), v_now);
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version + 1, 'money_id', v.money_id,
        'state', case when p_approve then 'approved' else 'rejected' end, 'ticket_id', v.ticket_id,
        'ticket_state', v_ticket.state, 'ticket_version', v_ticket.version));
end;
$$;
grant execute on function public.decide_approval(bigint, integer, boolean, text, uuid) to authenticated;
comment on function public.decide_approval(bigint, integer, boolean, text, uuid) is
    '当班主管, managers, an admin as the missing second: 同意 or 驳回 (with a reason) of one frozen amount. approval.none, approval.stale, approval.decided, approval.reason. Whoever may not is answered {refused: {status, key, params}} and recorded: approval.self, approval.own_amount, approval.nobody, approval.limit, approval.not_lead, approval.not_missing.';

-- What the reminders and the overview ask of this area ---------------------------------------------------------------

create or replace function private.approval_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select a.id, private.approval_owner(a, p_now), 'T-' || a.ticket_id, '/approvals?id=' || a.id
    from public.approvals a where a.id = any (p_ids)
$$;
comment on function private.approval_subjects(bigint[], timestamptz) is 'The owner of an approval is whoever is to be asked at this moment: with the shift he changes.';

create or replace function private.approval_owners(p_shops bigint[], p_now timestamptz) returns table (clock_id bigint, owner_id bigint)
language sql stable set search_path = '' as $$
    select a.clock_id, o.id from public.approvals a cross join lateral private.approval_owner(a, p_now) o (id)
    where a.state = 'open' and a.clock_id is not null and a.shop_id = any (p_shops) and o.id is not null
$$;
