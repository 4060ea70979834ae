-- 61 -------------------------------------------------------------------------------- tickets: the case, its return, its words
--
-- A ticket is one case of one customer. Whatever moves it goes through private.move_ticket, and only along the table
-- private.ticket_moves(): a trigger refuses every other step, whoever takes it.

do $$
begin
    if not exists (select from private.schema_steps where step = '61.1 contacts of tickets') then
        alter table private.contacts drop constraint contacts_kind_known;
        alter table private.contacts add constraint contacts_kind_known check (kind in ('order', 'member', 'lead', 'ticket'));
        insert into private.schema_steps (step) values ('61.1 contacts of tickets');
    end if;
end;
$$;

create or replace function private.ticket_stage(p_state text) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_state in ('registered', 'classified', 'dispatched', 'in_progress', 'approved') then 'open'
        when p_state in ('waiting_customer', 'waiting_return', 'pending_approval') then 'waiting'
        when p_state in ('resolved', 'revisit') then 'revisit'
        when p_state = 'review' then 'review'
        else 'done' end
$$;
comment on function private.ticket_stage(text) is 'The tab on which a ticket stands: open, waiting, revisit, review, done.';

create table if not exists public.tickets (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    type text not null constraint tickets_type_known check (type in ('return', 'exchange', 'reship', 'repair', 'refund_only',
        'price_protection', 'logistics', 'quality', 'service', 'invoice', 'public_complaint')),
    state text not null constraint tickets_state_known check (state in ('registered', 'classified', 'dispatched',
        'in_progress', 'waiting_customer', 'waiting_return', 'pending_approval', 'approved', 'resolved', 'revisit', 'review',
        'closed', 'merged', 'cancelled')),
    stage text not null generated always as (private.ticket_stage(state)) stored,
    severity text not null default 'normal' constraint tickets_severity_known check (severity in ('low', 'normal', 'high', 'urgent')),
    root_cause_id bigint references public.root_causes,
    department text not null default 'customer_service' constraint tickets_department_known
        check (department in ('customer_service', 'warehouse', 'operations', 'supplier', 'carrier')),
    is_complaint boolean not null default false,
    is_raised boolean not null default false,
    order_id bigint references public.orders,
    product_id bigint references public.products,
    sku text,
    quantity integer constraint tickets_quantity_positive check (quantity > 0),
    tracking_no text,
    buyer_account text,
    contact_id bigint references private.contacts,
    receiver_masked text,
    phone_masked text,
    channel text not null default 'other' constraint tickets_channel_known
        check (channel in ('wangwang', 'dongdong', 'feige', 'phone', 'wecom', 'platform', 'review', 'social', 'other')),
    source text not null default 'agent' constraint tickets_source_known
        check (source in ('agent', 'order', 'lead', 'import', 'survey', 'customer')),
    lead_id bigint,
    summary text not null default '' constraint tickets_summary_length check (char_length(summary) <= 2000),
    freight_insurance text constraint tickets_freight_insurance_known check (freight_insurance in ('buyer', 'shop')),
    platform_ref text,
    platform_status text,
    platform_due_at timestamptz,
    claimed_amount numeric(14, 2) constraint tickets_claimed_not_negative check (claimed_amount >= 0),
    owner_id bigint references public.members,
    decision_id bigint,
    waiting_reason text,
    waiting_until timestamptz,
    due_at timestamptz,
    due_sort timestamptz not null default 'infinity',
    solution text constraint tickets_solution_length check (char_length(solution) <= 4000),
    solution_id bigint,
    outcome text constraint tickets_outcome_known check (outcome in ('reshipped', 'exchanged', 'refunded', 'return_refunded',
        'repaired', 'compensated', 'price_protected', 'invoiced', 'explained', 'refused', 'withdrawn', 'other')),
    reship_tracking_no text,
    first_resolved_at timestamptz,
    resolved_at timestamptz,
    closed_at timestamptz,
    close_reason text,
    instance integer not null default 1 constraint tickets_instance_positive check (instance > 0),
    merged_into_id bigint references public.tickets,
    follows_id bigint references public.tickets,
    score smallint constraint tickets_score_range check (score between 1 and 5),
    registered_at timestamptz not null,
    registered_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint tickets_masks_hide check (private.is_masked(receiver_masked, phone_masked)),
    constraint tickets_texts_masked check (not private.names_a_phone(summary) and not private.names_a_phone(solution)
        and not private.names_a_phone(close_reason)),
    constraint tickets_names_length check (greatest(char_length(sku), char_length(tracking_no), char_length(buyer_account),
        char_length(platform_ref), char_length(platform_status), char_length(reship_tracking_no)) <= 100),
    constraint tickets_worked_has_owner check (state not in ('dispatched', 'in_progress') or owner_id is not null),
    constraint tickets_waiting_is_whole check ((state in ('waiting_customer', 'waiting_return')) = (waiting_reason is not null)
        and (waiting_reason is null) = (waiting_until is null)),
    constraint tickets_resolved_is_whole check (state not in ('resolved', 'revisit', 'review', 'closed')
        or (resolved_at is not null and outcome is not null)),
    constraint tickets_done_has_time check ((state in ('closed', 'merged', 'cancelled')) = (closed_at is not null)),
    constraint tickets_merged_has_target check ((state = 'merged') = (merged_into_id is not null) and merged_into_id <> id)
);

do $$
begin
    if not exists (select from private.schema_steps where step = '61.2 who paid the freight insurance') then
        if exists (select from pg_catalog.pg_attribute a where a.attrelid = 'public.tickets'::regclass and a.attname = 'has_freight_insurance'
            and not a.attisdropped) then
            alter table public.tickets add column freight_insurance text constraint tickets_freight_insurance_known check (freight_insurance in ('buyer', 'shop'));
            update public.tickets set freight_insurance = 'buyer' where has_freight_insurance; -- what a tick meant until then
            alter table public.tickets drop column has_freight_insurance cascade; -- with its trigger, which is made anew below
        end if;
        insert into private.schema_steps (step) values ('61.2 who paid the freight insurance');
    end if;
end;
$$;

create index if not exists tickets_list_idx on public.tickets (shop_id, stage, due_sort, id)
    include (state, type, severity, owner_id); -- filters of the list are read from the index alone
create index if not exists tickets_type_idx on public.tickets (shop_id, type, stage, due_sort, id); -- rare values of a filter, counted too
create index if not exists tickets_severity_idx on public.tickets (shop_id, severity, stage, due_sort, id);
create index if not exists tickets_state_idx on public.tickets (shop_id, state, due_sort, id);
create index if not exists tickets_pool_idx on public.tickets (shop_id, due_sort, id) include (state, type, severity)
    where owner_id is null and stage = 'open';
create index if not exists tickets_owner_idx on public.tickets (owner_id, stage, due_sort, id) include (shop_id, state, type, severity)
    where owner_id is not null;
create index if not exists tickets_owned_idx on public.tickets (shop_id, id) include (owner_id) where owner_id is not null and stage <> 'done';
create index if not exists tickets_cause_idx on public.tickets (root_cause_id, shop_id, stage, due_sort, id) where root_cause_id is not null;
create index if not exists tickets_registered_idx on public.tickets (shop_id, registered_at desc, id desc) include (type, state);
create index if not exists tickets_resolved_idx on public.tickets (shop_id, resolved_at) where resolved_at is not null;
create index if not exists tickets_drain_idx on public.tickets (shop_id, registered_at, id)
    where owner_id is null and state = 'classified';
create index if not exists tickets_waiting_idx on public.tickets (waiting_until) where waiting_until is not null;
create index if not exists tickets_revisit_idx on public.tickets (resolved_at, id) where state in ('resolved', 'revisit');
create unique index if not exists tickets_platform_ref_idx on public.tickets (shop_id, platform_ref) where platform_ref is not null;
create index if not exists tickets_ref_idx on public.tickets (platform_ref) where platform_ref is not null;
create index if not exists tickets_order_id_idx on public.tickets (order_id) where order_id is not null;
create index if not exists tickets_buyer_idx on public.tickets (buyer_account, shop_id) where buyer_account is not null;
create index if not exists tickets_tracking_idx on public.tickets (tracking_no) where tracking_no is not null;
create index if not exists tickets_contact_id_idx on public.tickets (contact_id) where contact_id is not null;
create index if not exists tickets_product_id_idx on public.tickets (product_id) where product_id is not null;
create index if not exists tickets_lead_id_idx on public.tickets (lead_id) where lead_id is not null;
create index if not exists tickets_registered_by_idx on public.tickets (registered_by) where registered_by is not null;
create index if not exists tickets_merged_into_id_idx on public.tickets (merged_into_id) where merged_into_id is not null;
create index if not exists tickets_follows_id_idx on public.tickets (follows_id) where follows_id is not null;
alter table public.tickets enable row level security;
create or replace trigger t10_touch before update of shop_id, type, state, severity, root_cause_id, department, is_complaint,
    order_id, product_id, sku, quantity, tracking_no, buyer_account, contact_id, channel, summary, freight_insurance,
    platform_status, platform_due_at, claimed_amount, owner_id, waiting_reason, waiting_until, solution, outcome, instance,
    merged_into_id, follows_id, score on public.tickets
    for each row execute function private.touch_version(); -- a deadline that moves is no edit: nobody's page goes stale
comment on table public.tickets is
    '工单: one after-sales case, shown as T-<id>. Masked; personal values are in private.contacts. Changed along private.ticket_moves() alone.';
comment on column public.tickets.stage is 'Tab of the list that follows from the state: open, waiting, revisit, review, done.';
comment on column public.tickets.freight_insurance is '运费险: who paid for it (buyer, shop); null: none, or nobody has asked.';
comment on column public.tickets.owner_id is 'Who works on it; null: the pool.';
comment on column public.tickets.due_sort is 'Open: the nearest deadline of the case (infinity while none runs); done: when it was closed. One index sorts every tab.';
comment on column public.tickets.platform_ref is '退款/售后编号 of the platform, once per shop.';
comment on column public.tickets.platform_due_at is 'The platform''s own countdown: it shortens our deadline, never lengthens it.';
comment on column public.tickets.claimed_amount is 'What the customer asks for (CNY).';
comment on column public.tickets.is_complaint is 'Complaints go to the 当班主管 at any amount.';
comment on column public.tickets.is_raised is 'A step of a deadline''s ladder raised it: it counts as urgent.';
comment on column public.tickets.waiting_until is 'Nobody waits longer: then the case goes on by itself.';
comment on column public.tickets.instance is '1 and one more for each time it was reopened; there is one invitation to rate per instance.';
comment on column public.tickets.first_resolved_at is 'Stays when the case is reopened; resolved_at is the latest.';
comment on column public.tickets.follows_id is 'The case that this one goes on from, reopened too late to be the same.';

-- The table of moves --------------------------------------------------------------------------------------------------

create or replace function private.ticket_moves() returns table (state_from text, state_to text, rpc text, who text[])
language sql immutable rows 100 set search_path = '' as $$
    with moves (states_from, state_to, rpc, who) as (values
        ('{new}'::text[], 'registered', 'register_ticket', '{worker,warehouse,system}'::text[]),
        ('{registered}', 'classified', 'classify_ticket', '{worker,system}'),
        ('{classified}', 'classified', 'classify_ticket', '{worker,system}'),
        ('{dispatched,in_progress,waiting_customer,waiting_return,approved}', null, 'classify_ticket', '{owner,lead,system}'),
        ('{classified}', 'dispatched', 'dispatch_ticket', '{lead,system}'),
        ('{classified}', 'dispatched', 'reassign_ticket', '{lead}'),
        ('{dispatched}', 'dispatched', 'reassign_ticket', '{owner,lead,system}'),
        ('{in_progress}', 'dispatched', 'reassign_ticket', '{owner,lead,system}'),
        ('{waiting_customer,waiting_return,pending_approval,approved,resolved,revisit}', null, 'reassign_ticket', '{owner,lead,system}'),
        ('{review}', null, 'reassign_ticket', '{lead,system}'),
        ('{classified,dispatched,in_progress,waiting_customer}', 'in_progress', 'take_ticket', '{worker}'),
        ('{waiting_return,pending_approval,approved,resolved,revisit}', null, 'take_ticket', '{worker}'),
        ('{review}', null, 'take_ticket', '{lead}'),
        ('{dispatched,in_progress}', 'classified', 'give_back_ticket', '{owner,lead,system}'),
        ('{waiting_customer,waiting_return,approved,revisit}', null, 'give_back_ticket', '{owner,lead,system}'),
        ('{in_progress}', 'waiting_customer', 'wait_ticket', '{owner,lead}'),
        ('{in_progress}', 'waiting_return', 'wait_ticket', '{owner,lead}'),
        ('{waiting_customer,waiting_return,approved}', 'in_progress', 'resume_ticket', '{owner,lead,system}'),
        ('{waiting_customer,waiting_return,approved}', 'classified', 'resume_ticket', '{lead,system}'),
        ('{waiting_customer}', 'in_progress', 'add_message', '{worker,warehouse,system}'),
        ('{waiting_customer}', 'classified', 'add_message', '{worker,warehouse,system}'),
        ('{waiting_return}', 'in_progress', 'receive_return', '{warehouse,lead,system}'),
        ('{waiting_return}', 'classified', 'receive_return', '{warehouse,lead,system}'),
        ('{waiting_return}', 'in_progress', 'refuse_return_goods', '{warehouse,lead}'),
        ('{waiting_return}', 'classified', 'refuse_return_goods', '{warehouse,lead}'),
        ('{waiting_return}', 'in_progress', 'cancel_return', '{owner,lead,system}'),
        ('{waiting_return}', 'classified', 'cancel_return', '{lead,system}'),
        ('{in_progress,pending_approval,approved}', null, 'request_money', '{owner}'),
        ('{in_progress,approved}', 'pending_approval', 'request_money', '{owner}'),
        ('{in_progress,pending_approval,approved}', null, 'change_money', '{owner}'),
        ('{in_progress,approved}', 'pending_approval', 'change_money', '{owner}'),
        ('{pending_approval}', 'in_progress', 'change_money', '{owner}'),
        ('{pending_approval}', 'approved', 'decide_approval', '{lead}'),
        ('{pending_approval}', 'in_progress', 'decide_approval', '{lead}'),
        ('{pending_approval}', 'classified', 'decide_approval', '{lead}'),
        ('{in_progress,approved}', null, 'cancel_money', '{owner,lead}'),
        ('{pending_approval}', 'in_progress', 'cancel_money', '{owner,lead}'),
        ('{pending_approval}', 'approved', 'cancel_money', '{owner,lead}'),
        ('{pending_approval}', 'classified', 'cancel_money', '{lead}'),
        ('{in_progress,approved}', 'resolved', 'resolve_ticket', '{owner,system}'),
        ('{resolved}', 'revisit', 'after_resolve', '{system}'),
        ('{resolved,revisit}', 'closed', 'record_score', '{owner,lead,system}'),
        ('{resolved,revisit}', 'review', 'record_score', '{owner,lead,system}'),
        ('{closed}', 'review', 'correct_score', '{lead}'),
        ('{review}', 'closed', 'correct_score', '{lead}'),
        ('{resolved,revisit}', 'closed', 'close_unanswered', '{system}'),
        ('{review}', 'in_progress', 'finish_review', '{lead}'),
        ('{review}', 'classified', 'finish_review', '{lead}'),
        ('{review}', 'closed', 'finish_review', '{lead}'),
        ('{resolved,revisit,closed}', 'in_progress', 'reopen_ticket', '{worker}'),
        ('{resolved,revisit,closed}', 'classified', 'reopen_ticket', '{worker,system}'),
        ('{registered,classified,dispatched,in_progress,waiting_customer,waiting_return}', 'cancelled', 'cancel_ticket', '{registrar,owner,lead,system}'),
        ('{registered,classified,dispatched,in_progress,waiting_customer}', 'merged', 'merge_tickets', '{worker}'),
        ('{registered,classified,dispatched,in_progress,waiting_customer,waiting_return,approved}', null, 'link_ticket', '{worker}'),
        ('{registered,classified,dispatched,in_progress,waiting_customer,waiting_return,pending_approval,approved,resolved,revisit,review}', null,
            'set_ticket_contact', '{registrar,owner,lead}')
    )
    select f.state, coalesce(m.state_to, f.state), m.rpc, m.who from moves m cross join lateral pg_catalog.unnest(m.states_from) f (state)
$$;
comment on function private.ticket_moves() is
    'Every step that a ticket may take: from state to state (new: not there yet), by which function (reassign_ticket: change_tickets with reassign), and as what one may: worker (agent, operations, manager, admin of the shop; the warehouse for its own department), warehouse, owner, registrar (who registered it), lead (manager or 当班主管), system. The flow and its test both read it.';

create or replace function private.tg_ticket_state() returns trigger
language plpgsql set search_path = '' as $$
begin
    if not exists (select from private.ticket_moves() m where m.state_from = old.state and m.state_to = new.state) then
        perform private.fail('PT409', 'ticket.wrong_state', pg_catalog.jsonb_build_object('id', old.id, 'state', old.state));
    end if;
    return new;
end;
$$;
comment on function private.tg_ticket_state() is 'No function takes a step that is not in the table of moves.';
create or replace trigger t20_state before update of state on public.tickets
    for each row when (old.state <> new.state) execute function private.tg_ticket_state();

-- The return ----------------------------------------------------------------------------------------------------------

create table if not exists public.ticket_returns (
    ticket_id bigint primary key references public.tickets,
    shop_id bigint not null references public.shops,
    state text not null constraint ticket_returns_state_known check (state in ('applied', 'agreed', 'goods_sent', 'received',
        'refunding', 'done', 'buyer_cancelled', 'refused', 'goods_refused')),
    applied_at timestamptz not null,
    decided_at timestamptz,
    decided_by bigint references public.members,
    refuse_reason text constraint ticket_returns_reason_length check (char_length(refuse_reason) <= 500),
    carrier text,
    tracking_no text,
    sent_at timestamptz,
    received_at timestamptz,
    received_by bigint references public.members,
    quality text constraint ticket_returns_quality_known check (quality in ('good', 'bad')),
    refund_amount numeric(14, 2) constraint ticket_returns_refund_not_negative check (refund_amount >= 0),
    refunded_at timestamptz,
    ended_at timestamptz,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint ticket_returns_texts_masked check (not private.names_a_phone(refuse_reason)),
    constraint ticket_returns_received_is_whole check ((received_at is null) = (quality is null)),
    constraint ticket_returns_ended_has_time check
        ((state in ('done', 'buyer_cancelled', 'refused', 'goods_refused')) = (ended_at is not null))
);
create index if not exists ticket_returns_shop_id_idx on public.ticket_returns (shop_id, state, applied_at);
create index if not exists ticket_returns_tracking_idx on public.ticket_returns (tracking_no) where tracking_no is not null;
create index if not exists ticket_returns_decided_by_idx on public.ticket_returns (decided_by) where decided_by is not null;
create index if not exists ticket_returns_received_by_idx on public.ticket_returns (received_by) where received_by is not null;
alter table public.ticket_returns enable row level security;
create or replace trigger t10_touch before update on public.ticket_returns
    for each row execute function private.touch_version();
comment on table public.ticket_returns is '退货: the way of the goods beside a ticket. applied → agreed → goods_sent → received → refunding → done, or buyer_cancelled, refused, goods_refused.';
comment on column public.ticket_returns.refund_amount is 'What goes back to the customer (CNY).';

-- Words ---------------------------------------------------------------------------------------------------------------

create table if not exists public.ticket_messages (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references public.tickets,
    shop_id bigint not null references public.shops,
    direction text not null constraint ticket_messages_direction_known check (direction in ('out', 'in', 'note')),
    channel text not null constraint ticket_messages_channel_known
        check (channel in ('wangwang', 'dongdong', 'feige', 'phone', 'wecom', 'platform', 'review', 'social', 'other')),
    body text not null default '' constraint ticket_messages_body_length check (char_length(body) <= 4000),
    member_id bigint references public.members,
    at timestamptz not null,
    counts_as_contact boolean not null generated always as (direction = 'out' and member_id is not null) stored,
    constraint ticket_messages_masked check (not private.names_a_phone(body))
);
create index if not exists ticket_messages_ticket_id_idx on public.ticket_messages (ticket_id, id);
create index if not exists ticket_messages_shop_id_idx on public.ticket_messages (shop_id, at);
create index if not exists ticket_messages_member_id_idx on public.ticket_messages (member_id, at) where member_id is not null;
alter table public.ticket_messages enable row level security;
create or replace trigger t10_append_only before update or delete on public.ticket_messages
    for each row execute function private.tg_append_only();
comment on table public.ticket_messages is 'What was said: out to the customer, in from him, note among colleagues. Masked, append-only.';
comment on column public.ticket_messages.body is 'Empty: contact without a text (a call).';
comment on column public.ticket_messages.counts_as_contact is 'Only a person''s outward word answers the first and the next response; notes, automatic replies and imports do not.';

create table if not exists public.ticket_drafts (
    ticket_id bigint not null references public.tickets,
    member_id bigint not null references public.members,
    body text not null constraint ticket_drafts_body_length check (char_length(body) <= 4000),
    updated_at timestamptz not null,
    primary key (ticket_id, member_id),
    constraint ticket_drafts_masked check (not private.names_a_phone(body))
);
create index if not exists ticket_drafts_member_id_idx on public.ticket_drafts (member_id);
alter table public.ticket_drafts enable row level security;
comment on table public.ticket_drafts is 'A reply that somebody has begun; only he sees it.';

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "members read the tickets of their shops" on public.tickets;
create policy "members read the tickets of their shops" on public.tickets
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select (id, shop_id, type, state, stage, severity, root_cause_id, department, is_complaint, is_raised, order_id, product_id,
    sku, quantity, tracking_no, buyer_account, receiver_masked, phone_masked, channel, source, lead_id, summary,
    freight_insurance, platform_ref, platform_status, platform_due_at, claimed_amount, owner_id, decision_id,
    waiting_reason, waiting_until, due_at, due_sort, solution, solution_id, outcome, reship_tracking_no, first_resolved_at,
    resolved_at, closed_at, close_reason, instance, merged_into_id, follows_id, score, registered_at, registered_by, version,
    updated_at) on public.tickets to authenticated;

drop policy if exists "members read the returns of their shops" on public.ticket_returns;
create policy "members read the returns of their shops" on public.ticket_returns
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.ticket_returns to authenticated;

drop policy if exists "those who work on tickets read what was said in their shops" on public.ticket_messages;
create policy "those who work on tickets read what was said in their shops" on public.ticket_messages
    for select to authenticated using (
        (select private.my_role()) in ('agent', 'warehouse', 'operations', 'manager', 'admin')
        and shop_id in (select private.my_shop_ids()));
grant select on public.ticket_messages to authenticated;

drop policy if exists "members read their own drafts" on public.ticket_drafts;
create policy "members read their own drafts" on public.ticket_drafts
    for select to authenticated using (member_id = (select private.my_member_id()));
grant select on public.ticket_drafts to authenticated;
