-- 50 ------------------------------------------------------------------------------------ imports, orders, exceptions

-- Imports -------------------------------------------------------------------------------------------------------------

create or replace function private.import_kinds() returns text[]
language sql immutable set search_path = '' as $$
    select array['orders', 'products', 'shipments', 'leads', 'aftersales', 'performance', 'reviews', 'traffic', 'chats']
$$;
comment on function private.import_kinds() is 'The kinds of file that can be imported.';

create table if not exists public.imports (
    id bigint generated always as identity primary key,
    kind text not null constraint imports_kind_known check (kind = any (private.import_kinds())),
    shop_id bigint references public.shops,
    stock_pool_id bigint references public.stock_pools,
    platform text,
    file_name text not null,
    file_hash text not null,
    is_strict boolean not null default false,
    state text not null default 'staging' constraint imports_state_known
        check (state in ('staging', 'applying', 'checking', 'done', 'refused', 'cancelled')),
    rows_total integer not null default 0,
    rows_staged integer not null default 0,
    rows_applied integer not null default 0,
    applied_to integer not null default 0,
    checked_to integer not null default 0,
    as_of timestamptz,
    accepted integer not null default 0,
    updated integer not null default 0,
    unchanged integer not null default 0,
    rejected integer not null default 0,
    exceptions jsonb,
    member_id bigint references public.members,
    actor text not null,
    started_at timestamptz not null,
    touched_at timestamptz not null,
    finished_at timestamptz,
    constraint imports_has_place check (shop_id is not null or stock_pool_id is not null),
    constraint imports_finished_has_time check ((state in ('done', 'refused', 'cancelled')) = (finished_at is not null))
);
do $$
begin
    if not exists (select from private.schema_steps where step = '50.1 kinds of imports') then
        alter table public.imports drop constraint imports_kind_known;
        alter table public.imports add constraint imports_kind_known check (kind = any (private.import_kinds())) not valid;
        alter table public.imports validate constraint imports_kind_known;
        insert into private.schema_steps (step) values ('50.1 kinds of imports');
    end if;
end;
$$;
create index if not exists imports_shop_id_idx on public.imports (shop_id, kind, id desc);
create index if not exists imports_stock_pool_id_idx on public.imports (stock_pool_id, kind, id desc);
create index if not exists imports_member_id_idx on public.imports (member_id, id desc);
create unique index if not exists imports_one_running_idx on public.imports (shop_id)
    where state in ('staging', 'applying', 'checking') and shop_id is not null;
create unique index if not exists imports_one_running_pool_idx on public.imports (stock_pool_id)
    where state in ('staging', 'applying', 'checking') and shop_id is null;
alter table public.imports enable row level security;
comment on table public.imports is '导入: one file of one shop (or stock pool). One runs at a time; until it is done nothing of the shop is released.';
comment on column public.imports.applied_to is 'Line of the file up to which rows are taken over; checked_to: up to which they are judged. Both only grow.';
comment on column public.imports.as_of is 'Newest instant in the file: how old its news are.';
comment on column public.imports.rows_total is 'Data lines of the file; accepted, updated and unchanged count entities (orders, products, parcels).';

create table if not exists public.import_errors (
    id bigint generated always as identity primary key,
    import_id bigint not null references public.imports,
    row_no integer not null,
    column_name text,
    reason text not null,
    params jsonb not null default '{}'
);
create index if not exists import_errors_import_id_idx on public.import_errors (import_id, row_no);
alter table public.import_errors enable row level security;
comment on table public.import_errors is 'Refused rows: 1-based line of the file, column, reason key. Never holds the refused value of a personal field.';

create table if not exists public.import_mappings (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    kind text not null,
    signature text not null,
    tool text not null default '',
    mapping jsonb not null,
    member_id bigint references public.members,
    updated_at timestamptz not null,
    constraint import_mappings_unique unique nulls not distinct (shop_id, kind, signature)
);
create index if not exists import_mappings_member_id_idx on public.import_mappings (member_id);
alter table public.import_mappings enable row level security;
comment on table public.import_mappings is '字段对应: which header of an unknown tool means which field, remembered per shop and header signature.';

-- Orders --------------------------------------------------------------------------------------------------------------

create table if not exists public.orders (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    order_no text not null,
    platform_status text not null,
    status text not null constraint orders_status_known
        check (status in ('unpaid', 'to_ship', 'shipped', 'completed', 'closed')),
    refund text not null default 'none' constraint orders_refund_known check (refund in ('none', 'requested', 'done')),
    placed_at timestamptz,
    paid_at timestamptz,
    shipped_at timestamptz,
    completed_at timestamptz,
    promise_ship_at timestamptz,
    amount numeric(14, 2),
    buyer_account text,
    contact_id bigint references private.contacts,
    contact_state text not null default 'ok' constraint orders_contact_state_known
        check (contact_state in ('ok', 'masked', 'absent')),
    receiver_masked text,
    phone_masked text,
    province text,
    city text,
    district text,
    ip_hash text,
    ip_masked text,
    carrier text,
    tracking_no text,
    last_scan_at timestamptz,
    last_scan_text text,
    signed_at timestamptz,
    facts_hash text not null,
    content_hash text not null,
    checked_facts_hash text,
    checked_version text,
    findings jsonb,
    is_checked boolean not null generated always as (facts_hash = coalesce(checked_facts_hash, '')) stored,
    platform_facts_hash text,
    released_at timestamptz,
    release_id bigint,
    held_at timestamptz,
    held_reason text,
    import_id bigint references public.imports,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    constraint orders_masks_hide check (private.is_masked(receiver_masked, phone_masked)),
    constraint orders_regions_are_names check (private.is_region(province) and private.is_region(city) and private.is_region(district)),
    constraint orders_no_unique unique (shop_id, order_no),
    constraint orders_held_is_whole check ((held_at is null) = (held_reason is null)),
    constraint orders_released_is_whole check ((released_at is null) = (release_id is null))
);
create index if not exists orders_shop_placed_idx on public.orders (shop_id, placed_at desc, id desc);
create index if not exists orders_placed_idx on public.orders (placed_at desc, id desc);
create index if not exists orders_waiting_idx on public.orders (shop_id, paid_at, id) where status = 'to_ship';
drop index if exists public.orders_ready_idx; -- of an earlier version, like orders_held_idx below
create index if not exists orders_releasable_idx on public.orders (shop_id, id) include (version, checked_version)
    where status = 'to_ship' and released_at is null and held_at is null and refund = 'none' and is_checked;
create index if not exists orders_unpaid_idx on public.orders (shop_id, placed_at desc, id desc) where status = 'unpaid';
drop index if exists public.orders_held_idx;
create index if not exists orders_stopped_idx on public.orders (shop_id, id)
    where status = 'to_ship' and (held_at is not null or refund <> 'none');
create index if not exists orders_contact_id_idx on public.orders (contact_id);
create index if not exists orders_import_id_idx on public.orders (import_id);
create index if not exists orders_release_id_idx on public.orders (release_id);
create index if not exists orders_order_no_idx on public.orders (order_no);
create index if not exists orders_last_six_idx on public.orders ((pg_catalog.right(order_no, 6)));
create index if not exists orders_tracking_idx on public.orders (tracking_no) where tracking_no is not null;
create index if not exists orders_tracking_last_six_idx on public.orders ((pg_catalog.right(tracking_no, 6))) where tracking_no is not null;
create index if not exists orders_buyer_idx on public.orders (buyer_account, shop_id) where buyer_account is not null;
create index if not exists orders_ip_idx on public.orders (shop_id, ip_hash, placed_at) where ip_hash is not null;
alter table public.orders enable row level security;
create or replace trigger t10_touch before update on public.orders
    for each row execute function private.touch_version();
comment on table public.orders is '订单: facts from the platform''s export, masked. Personal values are in private.contacts; the tool adds only checks, release and scans.';
comment on column public.orders.checked_version is 'Version of the Python checks that judged checked_facts_hash; both must be current or the order is unchecked.';
comment on column public.orders.is_checked is 'The facts were judged as they are now; with checked_version current the order counts as checked.';
comment on column public.orders.platform_facts_hash is
    'Set when a person corrected the contact: facts_hash of the platform''s own version. An import with that hash keeps the correction.';
comment on column public.orders.held_at is
    '拦截: must not ship although no rule blocks it: cancelled in review (held_reason cancelled) or put on a hold list.';
comment on column public.orders.findings is 'Verdict of the Python checks: [{kind, evidence}], free of personal data.';

create table if not exists public.order_items (
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    line_no integer not null,
    sku text,
    name text not null default '',
    spec text not null default '',
    quantity integer not null constraint order_items_quantity_positive check (quantity > 0),
    unit_price numeric(14, 2),
    product_id bigint references public.products,
    primary key (order_id, line_no)
);
create index if not exists order_items_shop_id_idx on public.order_items (shop_id);
create index if not exists order_items_product_id_idx on public.order_items (product_id);
alter table public.order_items enable row level security;
comment on table public.order_items is 'What was bought. product_id null = unknown to the stock list (shown, not guessed).';

-- Exceptions ----------------------------------------------------------------------------------------------------------

create table if not exists public.exception_rules (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    kind text not null constraint exception_rules_kind_known check (kind in (
        'duplicate', 'unpaid', 'out_of_stock', 'same_ip', 'remote', 'bad_phone', 'missing_detail', 'mismatch',
        'suspicious', 'refund_stop')),
    is_active boolean not null default true,
    is_blocking boolean not null default true,
    severity text not null default 'normal' constraint exception_rules_severity_known check (severity in ('normal', 'high')),
    waived_by text not null constraint exception_rules_waived_by_known
        check (waived_by in ('reviewer', 'manager', 'warehouse', 'never')),
    params jsonb not null default '{}',
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint exception_rules_unique unique nulls not distinct (shop_id, kind)
);
alter table public.exception_rules enable row level security;
create or replace trigger t10_touch before update on public.exception_rules
    for each row execute function private.touch_version();
comment on table public.exception_rules is '异常规则: the default of a kind (shop_id null) and a shop''s own version of it.';
comment on column public.exception_rules.waived_by is
    'Who may say 确认无误: reviewer (operations, agents with the skill, managers), manager (or 当班主管), warehouse (or managers), never.';

create table if not exists public.order_reviews (
    order_id bigint primary key references public.orders,
    shop_id bigint not null references public.shops,
    state text not null constraint order_reviews_state_known check (state in ('open', 'waiting_customer', 'done')),
    owner_id bigint references public.members,
    claim_until timestamptz,
    clock_id bigint,
    due_at timestamptz,
    due_sort timestamptz not null default 'infinity',
    kinds text[] not null default '{}',
    group_key text,
    is_blocking boolean not null default true,
    is_high boolean not null default false,
    amount numeric(14, 2),
    detected_at timestamptz not null,
    done_at timestamptz,
    is_on_time boolean,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint order_reviews_claim_is_whole check ((owner_id is null) = (claim_until is null)),
    constraint order_reviews_done_has_time check ((state = 'done') = (done_at is not null))
);
create index if not exists order_reviews_queue_idx on public.order_reviews (shop_id, state, due_sort, order_id)
    include (kinds, amount, owner_id, claim_until, due_at, detected_at); -- filters of the queue are read from the index alone
create index if not exists order_reviews_undone_idx on public.order_reviews (shop_id, order_id) where state <> 'done';
create index if not exists order_reviews_found_idx on public.order_reviews (shop_id, detected_at) include (state, due_sort)
    where state <> 'done'; -- narrow: the figures of the day count in it
create index if not exists order_reviews_pool_idx on public.order_reviews (due_sort, order_id) where state = 'open' and owner_id is null;
create index if not exists order_reviews_owner_idx on public.order_reviews (owner_id, state, due_sort, order_id) where owner_id is not null;
create index if not exists order_reviews_group_idx on public.order_reviews (shop_id, group_key) where group_key is not null;
create index if not exists order_reviews_done_idx on public.order_reviews (shop_id, done_at) include (is_on_time) where state = 'done';
create index if not exists order_reviews_lease_idx on public.order_reviews (claim_until) where owner_id is not null;
create index if not exists order_reviews_clock_id_idx on public.order_reviews (clock_id);
alter table public.order_reviews enable row level security;
create or replace trigger t10_touch before update on public.order_reviews
    for each row execute function private.touch_version();
comment on table public.order_reviews is '订单异常 work row: one per order with exceptions; owner, lease, deadline. The queue reads and sorts this.';
comment on column public.order_reviews.claim_until is 'Lease of the owner: afterwards the item is in the pool again.';
comment on column public.order_reviews.due_sort is 'Open: the deadline (infinity while paused); done: when it was done. One index sorts every tab.';
comment on column public.order_reviews.is_on_time is 'Verdict of the deadline, once done; null while its calendar is missing.';

create table if not exists public.order_exceptions (
    id bigint generated always as identity primary key,
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    kind text not null,
    state text not null default 'open' constraint order_exceptions_state_known
        check (state in ('open', 'waiting_customer', 'fixed', 'waived', 'cancelled')),
    is_blocking boolean not null,
    severity text not null,
    evidence jsonb not null default '{}',
    fingerprint text not null,
    group_key text,
    detected_at timestamptz not null,
    decided_at timestamptz,
    decided_by bigint references public.members,
    decided_as text,
    reason text,
    note_cipher text constraint order_exceptions_note_is_cipher check (private.is_cipher(note_cipher)),
    same_key text not null generated always as (coalesce(case kind
        when 'duplicate' then group_key
        when 'same_ip' then group_key
        when 'remote' then evidence ->> 'province'
        when 'mismatch' then (evidence ->> 'left') || ' ≠ ' || (evidence ->> 'right')
        when 'missing_detail' then evidence ->> 'have'
        when 'bad_phone' then evidence ->> 'problem'
        when 'suspicious' then evidence ->> 'word'
        when 'out_of_stock' then coalesce(evidence ->> 'sku', evidence #>> '{items,0,sku}')
    end, '')) stored,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint order_exceptions_unique unique (order_id, kind),
    constraint order_exceptions_decided_has_time
        check ((state in ('fixed', 'waived', 'cancelled')) = (decided_at is not null)),
    constraint order_exceptions_waived_has_reason check (state <> 'waived' or reason is not null)
);
alter table public.order_exceptions add column if not exists holds_until timestamptz;
create index if not exists order_exceptions_ending_idx on public.order_exceptions (holds_until)
    where state in ('waived', 'waiting_customer') and holds_until is not null;
create index if not exists order_exceptions_open_idx on public.order_exceptions (shop_id, kind, same_key)
    include (state, is_blocking, order_id)
    where state in ('open', 'waiting_customer');
create index if not exists order_exceptions_group_idx on public.order_exceptions (shop_id, group_key) where group_key is not null;
create index if not exists order_exceptions_decided_by_idx on public.order_exceptions (decided_by, decided_at);
alter table public.order_exceptions enable row level security;
create or replace trigger t10_touch before update on public.order_exceptions
    for each row execute function private.touch_version();
comment on table public.order_exceptions is '异常: one row per order and kind, with its evidence in jsonb free of personal data. "Open" = open or waiting_customer.';
comment on column public.order_exceptions.fingerprint is 'Hash of the facts that raised it: a waiver holds for exactly these; other facts open it again.';
comment on column public.order_exceptions.holds_until is
    'waived: the waiver ends then and the exception opens again (null: it holds for its facts, without an end). waiting_customer: nobody waits longer, the deadline runs on. Means nothing in other states.';
comment on column public.order_exceptions.same_key is 'What makes two exceptions of a kind the same decision: the province, the contradicting names, the word, the SKU.';
comment on column public.order_exceptions.decided_as is 'system when newer facts cleared it, else the role of the person.';
comment on column public.order_exceptions.note_cipher is 'A person''s free text, encrypted like every text that may name a customer (AAD order_exceptions|note|order id).';

-- Releases ------------------------------------------------------------------------------------------------------------

create table if not exists public.releases (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    kind text not null constraint releases_kind_known check (kind in ('release', 'hold')),
    order_count integer not null,
    member_id bigint references public.members,
    created_at timestamptz not null,
    downloaded_at timestamptz,
    downloaded_by bigint references public.members,
    undone_at timestamptz
);
create index if not exists releases_shop_id_idx on public.releases (shop_id, id desc);
create index if not exists releases_member_id_idx on public.releases (member_id);
create index if not exists releases_downloaded_by_idx on public.releases (downloaded_by);
alter table public.releases enable row level security;
comment on table public.releases is '放行单 / 拦截单: lists for the ERP. Until downloaded a release can be undone; afterwards 追加拦截 makes a hold list.';

create table if not exists public.release_orders (
    release_id bigint not null references public.releases,
    order_id bigint not null references public.orders,
    primary key (release_id, order_id)
);
create index if not exists release_orders_order_id_idx on public.release_orders (order_id);
alter table public.release_orders enable row level security;
comment on table public.release_orders is 'Orders of a release or hold list.';

create table if not exists public.hold_breaches (
    id bigint generated always as identity primary key,
    order_id bigint not null references public.orders,
    shop_id bigint not null references public.shops,
    kinds text[] not null,
    shipped_at timestamptz,
    found_at timestamptz not null,
    import_id bigint references public.imports,
    constraint hold_breaches_once unique (order_id)
);
create index if not exists hold_breaches_shop_id_idx on public.hold_breaches (shop_id, found_at desc);
create index if not exists hold_breaches_import_id_idx on public.hold_breaches (import_id);
alter table public.hold_breaches enable row level security;
comment on table public.hold_breaches is '拦截失效: an order that a later file shows as shipped while a blocking exception was open.';

-- Undo and saved views ------------------------------------------------------------------------------------------------

create table if not exists public.action_batches (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    action text not null,
    item_count integer not null,
    items jsonb not null,
    created_at timestamptz not null,
    undone_at timestamptz
);
create index if not exists action_batches_member_id_idx on public.action_batches (member_id, id desc);
alter table public.action_batches enable row level security;
comment on table public.action_batches is 'What a person can undo for ten minutes: ids, versions after the action, and the state before it.';

create table if not exists public.saved_views (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    area text not null,
    name text not null constraint saved_views_name_length check (char_length(name) between 1 and 40),
    params jsonb not null,
    is_shared boolean not null default false,
    updated_at timestamptz not null default now(),
    constraint saved_views_unique unique (member_id, area, name)
);
alter table public.saved_views enable row level security;
comment on table public.saved_views is '保存的视图: the filters of a queue under a name, own or shared with colleagues of the installation.';

-- Who reads what ------------------------------------------------------------------------------------------------------

drop policy if exists "members read the orders of their shops" on public.orders;
create policy "members read the orders of their shops" on public.orders
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select (id, shop_id, order_no, platform_status, status, refund, placed_at, paid_at, shipped_at, completed_at,
              promise_ship_at, amount, buyer_account, contact_state, receiver_masked, phone_masked, province, city,
              district, ip_masked, carrier, tracking_no, last_scan_at, last_scan_text, signed_at, checked_version, findings,
              is_checked, released_at, release_id, held_at, held_reason, import_id, version, updated_at, created_at) on public.orders to authenticated;

drop policy if exists "members read the items of their shops' orders" on public.order_items;
create policy "members read the items of their shops' orders" on public.order_items
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_items to authenticated;

drop policy if exists "members read the reviews of their shops" on public.order_reviews;
create policy "members read the reviews of their shops" on public.order_reviews
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_reviews to authenticated;

drop policy if exists "members read the exceptions of their shops" on public.order_exceptions;
create policy "members read the exceptions of their shops" on public.order_exceptions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.order_exceptions to authenticated;

drop policy if exists "members read the default rules and those of their shops" on public.exception_rules;
create policy "members read the default rules and those of their shops" on public.exception_rules
    for select to authenticated using (
        (select private.my_role()) is not null
        and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.exception_rules to authenticated;

drop policy if exists "members read the release lists of their shops" on public.releases;
create policy "members read the release lists of their shops" on public.releases
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.releases to authenticated;
drop policy if exists "members read the orders of release lists they see" on public.release_orders;
create policy "members read the orders of release lists they see" on public.release_orders
    for select to authenticated using (
        exists (select from public.releases r where r.id = release_id and r.shop_id in (select private.my_shop_ids())));
grant select on public.release_orders to authenticated;

drop policy if exists "members read the hold breaches of their shops" on public.hold_breaches;
create policy "members read the hold breaches of their shops" on public.hold_breaches
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.hold_breaches to authenticated;

drop policy if exists "members read their own undo batches" on public.action_batches;
create policy "members read their own undo batches" on public.action_batches
    for select to authenticated using (member_id = (select private.my_member_id()));
grant select on public.action_batches to authenticated;

drop policy if exists "members read their own and shared views" on public.saved_views;
create policy "members read their own and shared views" on public.saved_views
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or (is_shared and (select private.my_role()) is not null));
grant select on public.saved_views to authenticated;

drop policy if exists "members read imports they made, leaders those of their shops" on public.imports;
create policy "members read imports they made, leaders those of their shops" on public.imports
    for select to authenticated using (
        member_id = (select private.my_member_id())
        or ((select private.my_role()) in ('operations', 'manager', 'admin')
            and (shop_id is null or shop_id in (select private.my_shop_ids()))));
grant select on public.imports to authenticated;

drop policy if exists "members read the errors of imports they see" on public.import_errors;
create policy "members read the errors of imports they see" on public.import_errors
    for select to authenticated using (import_id in (select i.id from public.imports i));
grant select on public.import_errors to authenticated;

drop policy if exists "importers read the column mappings" on public.import_mappings;
create policy "importers read the column mappings" on public.import_mappings
    for select to authenticated using (
        (select private.my_role()) in ('operations', 'manager', 'admin', 'warehouse', 'analyst', 'agent')
        and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.import_mappings to authenticated;
