-- 58 ----------------------------------------------------------------------------------- leads: who they are, how they come
--
-- A lead is one row; its number is its id. Names, phones, WeChat ids and e-mail lie in private.contacts, the buyer account in
-- a column nobody may select: who owns a lead opens its contact (audited), everybody else reads masks. Every open lead has one
-- running clock (target follow_up); the column due_sort follows it.

alter table private.contacts add column if not exists email_cipher text
    constraint contacts_email_is_cipher check (private.is_cipher(email_cipher));

create or replace function private.is_short_mask(p_text text) returns boolean
language sql immutable set search_path = '' as $$
    select p_text is null or (p_text like '%*%' and pg_catalog.char_length(pg_catalog.replace(p_text, '*', '')) <= 4
        and pg_catalog.char_length(p_text) <= 20)
$$;
comment on function private.is_short_mask(text) is 'wx**8 and b***1: at most four characters of an account.';

create or replace function private.are_tags(p_tags text[]) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.cardinality(p_tags) <= 10 and not exists (select from pg_catalog.unnest(p_tags) t
        where t is null or pg_catalog.char_length(t) not between 1 and 20 or pg_catalog.btrim(t) <> t
           or normalize(t, NFKC) ~ '[0-9]{5}|@|[][{}<>"\\]|[[:cntrl:]]')
$$;
comment on function private.are_tags(text[]) is 'At most ten short words: nothing that could be a phone number or an address, no brackets of data, quotes or control characters.';

create table if not exists public.leads (
    id bigint generated always as identity (start with 1001) primary key,
    shop_id bigint not null references public.shops,
    state text not null default 'pool' constraint leads_state_known
        check (state in ('pool', 'assigned', 'following', 'converted', 'lost', 'merged')),
    stage text not null default 'first_touch' constraint leads_stage_known
        check (stage in ('first_touch', 'discovery', 'objection', 'closing')),
    furthest smallint not null default 1 constraint leads_furthest_range check (furthest between 1 and 4),
    source text not null constraint leads_source_known
        check (source in ('asked_unpaid', 'live', 'enterprise', 'form', 'chat', 'order', 'campaign', 'other')),
    via text not null constraint leads_via_known check (via in ('manual', 'paste', 'import', 'chat', 'order', 'form')),
    needs text[] not null constraint leads_needs_are_tags check (private.are_tags(needs)),
    intent text not null default 'unknown' constraint leads_intent_known check (intent in ('high', 'medium', 'low', 'unknown')),
    budget text not null default 'unknown' constraint leads_budget_known check (budget in ('high', 'enough', 'low', 'unknown')),
    membership text constraint leads_membership_known check (membership in ('silver', 'gold', 'diamond')),
    grade text not null default 'C' constraint leads_grade_known check (grade in ('A', 'B', 'C')),
    grade_by text not null default 'rule' constraint leads_grade_by_known check (grade_by in ('rule', 'person')),
    grade_reasons jsonb not null default '{}',
    graded_at timestamptz not null,
    name_masked text,
    phone_masked text,
    wechat_masked text,
    email_masked text,
    buyer_masked text,
    buyer_account text,
    contact_id bigint references private.contacts,
    owner_id bigint references public.members,
    owned_since timestamptz,
    free_at timestamptz not null,
    recycled integer not null default 0,
    is_raised boolean not null default false,
    first_contact_at timestamptz,
    first_follow_up_at timestamptz,
    is_first_on_time boolean,
    last_follow_up_at timestamptz,
    follow_up_count integer not null default 0,
    next_step text,
    next_at timestamptz,
    clock_id bigint,
    looked_at timestamptz,
    due_at timestamptz,
    due_sort timestamptz not null default 'infinity',
    order_id bigint references public.orders,
    converted_by text constraint leads_converted_by_known check (converted_by in ('phone', 'buyer_account', 'person')),
    lost_reason text constraint leads_lost_reason_known check (lost_reason in
        ('price', 'no_need', 'competitor', 'no_answer', 'out_of_stock', 'wrong_contact', 'transferred', 'other_lead', 'other')),
    closed_at timestamptz,
    merged_into bigint references public.leads,
    captured_by bigint references public.members,
    captured_at timestamptz not null,
    asked_at timestamptz not null,
    import_id bigint references public.imports,
    row_key text,
    forgotten_at timestamptz,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint leads_masks_hide check (private.is_masked(name_masked, phone_masked) and private.is_short_mask(wechat_masked)
        and private.is_short_mask(email_masked) and private.is_short_mask(buyer_masked)),
    constraint leads_can_be_reached check (contact_id is not null or buyer_account is not null or forgotten_at is not null),
    constraint leads_forgotten_is_over check (forgotten_at is null or (state in ('lost', 'merged') and contact_id is null and buyer_account is null)),
    constraint leads_owner_is_whole check ((owner_id is null) = (owned_since is null)),
    constraint leads_owned_is_not_in_the_pool check ((state = 'pool' and owner_id is null) or (state in ('assigned', 'following') and owner_id is not null)
        or state in ('converted', 'lost', 'merged')),
    constraint leads_closed_has_time check ((state in ('converted', 'lost', 'merged')) = (closed_at is not null)),
    constraint leads_converted_is_whole check ((state = 'converted') = (converted_by is not null) and (state = 'converted') = (order_id is not null)),
    constraint leads_lost_has_reason check ((state = 'lost') = (lost_reason is not null)),
    constraint leads_merged_is_whole check ((state = 'merged') = (merged_into is not null))
);
do $$
begin
    if not exists (select from private.schema_steps where step = '58.1 leads that ended with another one') then
        alter table public.leads drop constraint leads_lost_reason_known;
        alter table public.leads add constraint leads_lost_reason_known check (lost_reason in
            ('price', 'no_need', 'competitor', 'no_answer', 'out_of_stock', 'wrong_contact', 'transferred', 'other_lead', 'other')) not valid;
        alter table public.leads validate constraint leads_lost_reason_known;
        insert into private.schema_steps (step) values ('58.1 leads that ended with another one');
    end if;
end;
$$;
create unique index if not exists leads_row_key_idx on public.leads (shop_id, row_key) where row_key is not null;
create unique index if not exists leads_order_id_idx on public.leads (order_id) where order_id is not null;
create index if not exists leads_pool_idx on public.leads (shop_id, due_sort, id) include (stage, grade, source, free_at) where state = 'pool';
create index if not exists leads_waiting_idx on public.leads (shop_id, captured_at, id) include (free_at) where state = 'pool';
create index if not exists leads_mine_idx on public.leads (owner_id, stage, due_sort, id) include (shop_id, grade, source)
    where state in ('assigned', 'following');
create index if not exists leads_open_idx on public.leads (shop_id, stage, due_sort, id) include (grade, source, owner_id)
    where state in ('pool', 'assigned', 'following');
create index if not exists leads_closed_idx on public.leads (shop_id, state, closed_at, id) include (grade, source, owner_id)
    where state in ('converted', 'lost');
create index if not exists leads_closed_mine_idx on public.leads (owner_id, state, closed_at, id) where state in ('converted', 'lost');
create index if not exists leads_captured_idx on public.leads (shop_id, captured_at)
    include (source, grade, owner_id, state, furthest, first_contact_at, first_follow_up_at, is_first_on_time, recycled);
create index if not exists leads_buyer_idx on public.leads (buyer_account, shop_id) where buyer_account is not null;
create index if not exists leads_owned_idx on public.leads (owned_since) where state in ('assigned', 'following');
create index if not exists leads_to_forget_idx on public.leads (closed_at) where state in ('lost', 'merged') and forgotten_at is null;
create index if not exists leads_contact_id_idx on public.leads (contact_id);
create index if not exists leads_merged_into_idx on public.leads (merged_into) where merged_into is not null;
create index if not exists leads_captured_by_idx on public.leads (captured_by);
create index if not exists leads_import_id_idx on public.leads (import_id);
alter table public.leads enable row level security;
create or replace trigger t10_touch before update on public.leads
    for each row when (old.looked_at is not distinct from new.looked_at) execute function private.touch_version();
comment on table public.leads is '线索: somebody who may buy. Masked here; the contact itself is in private.contacts. Number L-<id>.';
comment on column public.leads.state is
    'pool 公海 (nobody''s), assigned (owned, not yet followed up by this owner), following, converted, lost, merged into another. At risk = open and past due_at.';
comment on column public.leads.furthest is 'The furthest of the four stages it ever reached: the funnel counts this.';
comment on column public.leads.grade_reasons is 'Why this grade: {rule (place in the list, null = none held), facts} or {reason} of the person who set it.';
comment on column public.leads.free_at is 'In the pool: nobody may take it before (quarantine after recycling).';
comment on column public.leads.looked_at is 'When the lead was offered to everybody on duty with room and nobody might have it (cool-off): next try ten minutes later.';
comment on column public.leads.first_follow_up_at is 'First outward attempt; first_contact_at: first time the customer was reached.';
comment on column public.leads.is_first_on_time is 'Whether the customer was first followed up before any deadline of the lead passed, whoever had it; null without a clock.';
comment on column public.leads.lost_reason is 'Why it was lost; transferred to after-sales, other_lead: the customer bought, and another lead of his counts it.';
comment on column public.leads.due_sort is 'Open: the deadline of the next follow-up; closed: when it was closed. One index sorts each column of the board.';
comment on column public.leads.asked_at is 'When the customer asked, as far as known: how recent the wish is.';
comment on column public.leads.forgotten_at is 'When name, contact and buyer account were removed for good: a year after the lead was lost or merged.';
comment on column public.leads.row_key is 'Digest of an imported row or of a form''s submission: the same one makes no second lead.';

create table if not exists public.lead_owners (
    id bigint generated always as identity primary key,
    lead_id bigint not null references public.leads,
    shop_id bigint not null references public.shops,
    member_id bigint not null references public.members,
    how text not null constraint lead_owners_how_known check (how in ('auto', 'claimed', 'manager', 'taken_over', 'handed_over', 'captured', 'kept')),
    decision_id bigint,
    since timestamptz not null,
    until timestamptz,
    ended_as text constraint lead_owners_ended_known
        check (ended_as in ('recycled', 'given_back', 'reassigned', 'taken_over', 'handed_over', 'switched_off', 'merged')),
    constraint lead_owners_end_is_whole check ((until is null) = (ended_as is null))
);
create unique index if not exists lead_owners_one_now_idx on public.lead_owners (lead_id) where until is null;
create index if not exists lead_owners_lead_id_idx on public.lead_owners (lead_id, until);
create index if not exists lead_owners_member_id_idx on public.lead_owners (member_id, since);
create index if not exists lead_owners_shop_id_idx on public.lead_owners (shop_id, since);
alter table public.lead_owners enable row level security;
comment on table public.lead_owners is 'Who had a lead when, how he came to it and how it ended; decision_id: the record of the automatic assignment.';

create table if not exists public.lead_merges (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    lead_id bigint not null references public.leads,
    into_id bigint not null references public.leads,
    matched text[] not null,
    state text not null default 'open' constraint lead_merges_state_known check (state in ('open', 'merged', 'rejected')),
    taken text[],
    decided_by bigint references public.members,
    decided_at timestamptz,
    created_at timestamptz not null,
    constraint lead_merges_once unique (lead_id, into_id),
    constraint lead_merges_differ check (lead_id > into_id),
    constraint lead_merges_decided_has_time check ((state = 'open') = (decided_at is null))
);
create index if not exists lead_merges_open_idx on public.lead_merges (shop_id, id) where state = 'open';
create index if not exists lead_merges_lead_idx on public.lead_merges (lead_id) where state = 'open';
create index if not exists lead_merges_into_idx on public.lead_merges (into_id);
create index if not exists lead_merges_shop_id_idx on public.lead_merges (shop_id);
create index if not exists lead_merges_decided_by_idx on public.lead_merges (decided_by);
alter table public.lead_merges enable row level security;
comment on table public.lead_merges is
    'Two leads of a shop with the same phone, WeChat, e-mail or buyer account: a proposal that a person decides. Nothing is ever deleted.';

-- Who reads -----------------------------------------------------------------------------------------------------------

drop policy if exists "sellers read their leads and the pool, leaders and analysts all" on public.leads;
create policy "sellers read their leads and the pool, leaders and analysts all" on public.leads
    for select to authenticated using (
        shop_id in (select private.my_shop_ids())
        and ((select private.my_role()) in ('manager', 'admin', 'analyst')
            or ((select private.my_role()) = 'agent' and (owner_id is null or owner_id = (select private.my_member_id())))));
grant select (id, shop_id, state, stage, furthest, source, via, needs, intent, budget, membership, grade, grade_by, grade_reasons, graded_at,
    name_masked, phone_masked, wechat_masked, email_masked, buyer_masked, owner_id, owned_since, free_at, recycled, is_raised,
    first_contact_at, first_follow_up_at, is_first_on_time, last_follow_up_at, follow_up_count, next_step, next_at, due_at, due_sort, order_id,
    converted_by, lost_reason, closed_at, merged_into, captured_by, captured_at, asked_at, version, updated_at) on public.leads to authenticated;
drop policy if exists "readers of a lead read who had it" on public.lead_owners;
create policy "readers of a lead read who had it" on public.lead_owners
    for select to authenticated using (exists (select from public.leads l where l.id = lead_id));
drop policy if exists "readers of a lead read its merge proposals" on public.lead_merges;
create policy "readers of a lead read its merge proposals" on public.lead_merges
    for select to authenticated using (exists (select from public.leads l where l.id = lead_id));
grant select on public.lead_owners, public.lead_merges to authenticated;

-- Who may do what -----------------------------------------------------------------------------------------------------

create or replace function private.can_sell(p_role text, p_skills text[]) returns boolean
language sql immutable set search_path = '' as $$
    select p_role = 'manager' or (p_role = 'agent' and 'presales' = any (p_skills))
$$;
comment on function private.can_sell(text, text[]) is 'Who may own leads: agents with the skill presales, and managers.';

create or replace function private.require_seller() returns private.actor
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'manager']);
begin
    if not private.can_sell(v_me.role, v_me.skills) then
        perform private.fail('PT403', 'lead.not_presales');
    end if;
    return v_me;
end;
$$;
comment on function private.require_seller() is 'Agents with the skill presales and managers: member.none, member.role, lead.not_presales.';

create or replace function private.oversees(p_me private.actor) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role = 'manager' or ((p_me).role = 'agent' and (p_me).is_duty_lead)
$$;
comment on function private.oversees(private.actor) is 'Managers, and an agent who is 当班主管: may act on colleagues'' leads.';

create or replace function private.sees_lead(p_me private.actor, p_owner_id bigint) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role in ('manager', 'admin', 'analyst')
        or ((p_me).role = 'agent' and ((p_me).is_duty_lead or p_owner_id is null or p_owner_id = (p_me).member_id))
$$;
comment on function private.sees_lead(private.actor, bigint) is 'Whether a lead of one''s shop with this owner shows on lists and screens (masked).';

create or replace function private.lead_for_change(p_me private.actor, p_id bigint, p_version integer, p_states text[]) returns public.leads
language plpgsql set search_path = '' as $$
declare
    v public.leads;
begin
    select * into v from public.leads where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'lead.none');
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || v.id, 'state', v.state));
    end if;
    if v.owner_id is distinct from (p_me).member_id and not private.oversees(p_me) then
        perform private.fail('PT403', 'lead.not_yours', pg_catalog.jsonb_build_object('number', 'L-' || v.id,
            'who', (select display_name from public.members where id = v.owner_id)));
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'lead.stale', pg_catalog.jsonb_build_object('number', 'L-' || v.id, 'at', v.updated_at, 'version', v.version));
    end if;
    return v;
end;
$$;
comment on function private.lead_for_change(private.actor, bigint, integer, text[]) is
    'Locks a lead for its owner, a manager or the 当班主管: lead.none, lead.state (not one of these states), lead.not_yours (who), lead.stale.';
