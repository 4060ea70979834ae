-- 72 -------------------------------------------------------------------- listings: 录入 → 审核 → 图片 → 上架审核 → 发布
--
-- A listing is the text of a product in one shop. Its texts live in revisions that never change; an edit makes a new one,
-- takes the approvals back and leaves what is published as it is. The reviewer is never the author. Nothing gets published
-- while private.publish_refusal objects: the trigger asks it too, so no path to the table goes around it.

create table if not exists public.listings (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    product_id bigint references public.products,
    sku text not null default '' constraint listings_sku_length check (char_length(sku) <= 64),
    title text not null,
    state text not null default 'draft' constraint listings_state_known
        check (state in ('draft', 'text_review', 'images', 'final_review', 'ready', 'published', 'suspended', 'withdrawn')),
    revision_id bigint,
    published_id bigint,
    author_id bigint not null references public.members,
    verdict text not null default 'unchecked' constraint listings_verdict_known check (verdict in ('unchecked', 'block', 'warn', 'clean')),
    live_verdict text constraint listings_live_verdict_known check (live_verdict in ('unchecked', 'block', 'warn', 'clean')),
    checked_version integer,
    images text[] not null default '{}' constraint listings_images_count check (cardinality(images) <= 20),
    reason text constraint listings_reason_length check (char_length(reason) <= 300),
    text_by bigint references public.members,
    final_by bigint references public.members,
    state_since timestamptz not null,
    published_at timestamptz,
    grams text[] not null default '{}',
    created_at timestamptz not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint listings_reviewed_by_another check (text_by <> author_id and final_by <> author_id)
);
create index if not exists listings_shop_idx on public.listings (shop_id, id);
create index if not exists listings_state_idx on public.listings (shop_id, state, id);
create index if not exists listings_verdict_idx on public.listings (shop_id, verdict, id);
create index if not exists listings_grams_idx on public.listings using gin (grams);
create index if not exists listings_product_id_idx on public.listings (product_id);
create index if not exists listings_author_id_idx on public.listings (author_id, id);
create index if not exists listings_text_by_idx on public.listings (text_by);
create index if not exists listings_final_by_idx on public.listings (final_by);
alter table public.listings enable row level security;
create or replace trigger t10_touch
    before update of title, sku, product_id, state, revision_id, published_id, images, reason, text_by, final_by on public.listings
    for each row execute function private.touch_version();
comment on table public.listings is '商品文案: the text of a product in one shop and where it stands. verdict: of the current revision; live_verdict: of the published one.';
comment on column public.listings.reason is 'Why a warning may stay (with what proof), given at submission or publishing.';
comment on column public.listings.grams is 'Pairs of neighbouring characters of title and SKU: what makes any part of them findable by index.';

create table if not exists public.listing_revisions (
    id bigint generated always as identity primary key,
    listing_id bigint not null references public.listings,
    number integer not null,
    title text not null constraint listing_revisions_title_length check (char_length(btrim(title)) between 1 and 200),
    selling_points text not null default '' constraint listing_revisions_points_length check (char_length(selling_points) <= 2000),
    description text not null default '' constraint listing_revisions_description_length check (char_length(description) <= 20000),
    category text not null default 'general' constraint listing_revisions_category_known check (category = any (private.product_categories())),
    licences text[] not null default '{}' constraint listing_revisions_licences_count check (cardinality(licences) <= 20),
    author_id bigint not null references public.members,
    created_at timestamptz not null,
    constraint listing_revisions_once unique (listing_id, number)
);
create index if not exists listing_revisions_author_id_idx on public.listing_revisions (author_id);
alter table public.listing_revisions enable row level security;
comment on table public.listing_revisions is 'The texts of a listing as somebody wrote them; never changed. licences: "type:number".';

do $$
begin
    if not exists (select from pg_catalog.pg_constraint where conname = 'listings_revision_known') then
        alter table public.listings
            add constraint listings_revision_known foreign key (revision_id) references public.listing_revisions,
            add constraint listings_published_known foreign key (published_id) references public.listing_revisions;
    end if;
end;
$$;
create index if not exists listings_revision_id_idx on public.listings (revision_id);
create index if not exists listings_published_id_idx on public.listings (published_id);

create table if not exists private.listing_batches (
    id bigint generated always as identity primary key,
    member_id bigint not null references public.members,
    action text not null,
    items jsonb not null,
    created_at timestamptz not null,
    undone_at timestamptz
);
create index if not exists listing_batches_member_id_idx on private.listing_batches (member_id);
alter table private.listing_batches enable row level security;
comment on table private.listing_batches is 'What a person can take back for ten minutes: listings, their versions after the step, and their state before it.';

drop policy if exists "members read the listings of their shops" on public.listings;
create policy "members read the listings of their shops" on public.listings
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.listings to authenticated;
drop policy if exists "members read the revisions of their shops" on public.listing_revisions;
create policy "members read the revisions of their shops" on public.listing_revisions
    for select to authenticated using (listing_id in (select l.id from public.listings l where l.shop_id in (select private.my_shop_ids())));
grant select on public.listing_revisions to authenticated;

-- What the check says -------------------------------------------------------------------------------------------------------------

create or replace function private.grams(p_text text) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array_agg(distinct substr(t, i, 2)), '{}')
    from (select lower(btrim(p_text)) as t) x, generate_series(1, greatest(char_length(t) - 1, 1)) i where t <> ''
$$;

create or replace function private.revision_parts(p_revision_id bigint) returns table (part text, kind text, body text)
language sql stable rows 3 set search_path = '' as $$
    select v.part, v.kind, v.body from public.listing_revisions r,
        lateral (values ('title', 'title', r.title), ('selling_points', 'title', r.selling_points),
                        ('description', 'description', r.description)) v (part, kind, body)
    where r.id = p_revision_id and v.body <> ''
$$;
comment on function private.revision_parts(bigint) is
    'The texts of a revision and the kind each is checked as. Selling points count as a title: too short for the statements a description must carry.';

create or replace function private.revision_refusal(p_revision_id bigint, p_reason text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    with x as materialized ( -- each text is asked about once
        select private.text_refusal(p.body, p.kind, l.shop_id, r.category, r.licences, p_reason, l.product_id, p_now)
            || jsonb_build_object('part', p.part) as refusal
        from public.listing_revisions r join public.listings l on l.id = r.listing_id
        cross join lateral private.revision_parts(r.id) p where r.id = p_revision_id)
    select x.refusal from x
    where x.refusal is not null
    order by array_position(array['text.blocked', 'text.unchecked', 'text.reason_missing'], x.refusal ->> 'key') limit 1
$$;
comment on function private.revision_refusal(bigint, text, timestamptz) is 'Why the texts of a revision must not be published, or null: {key, params, part}; the gravest of its parts.';

create or replace function private.revision_verdict(p_revision_id bigint, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
    select case private.revision_refusal(p_revision_id, null, p_now) ->> 'key'
        when 'text.blocked' then 'block' when 'text.unchecked' then 'unchecked' when 'text.reason_missing' then 'warn' else 'clean' end
$$;
comment on function private.revision_verdict(bigint, timestamptz) is 'block, unchecked, warn or clean, evidence counted in.';

create or replace function private.listings_of(p_revision_ids bigint[]) returns bigint[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(distinct listing_id), '{}') from public.listing_revisions where id = any (p_revision_ids)
$$;

create or replace function private.lock_listings(p_ids bigint[]) returns void
language sql volatile set search_path = '' as $$
    select count(*) from (select l.id from public.listings l where l.id = any (p_ids) order by l.id for no key update) locked
$$;
comment on function private.lock_listings(bigint[]) is 'Edits, decisions and verdicts of one listing wait for each other.';

create or replace function private.settle_listings(p_ids bigint[], p_now timestamptz) returns bigint[]
language plpgsql set search_path = '' as $$
declare
    v_me private.actor;
    v_suspended bigint[];
begin
    v_me.role := 'system';
    with x as materialized (
        select k.id, private.revision_verdict(k.revision_id, p_now) as verdict, case when k.published_id <> k.revision_id
                then private.revision_verdict(k.published_id, p_now) end as other_live, k.published_id = k.revision_id as is_same
        from public.listings k where k.id = any (p_ids)
    ), y as materialized (
        select x.id, x.verdict, case when x.is_same then x.verdict else x.other_live end as live, private.words_version() as words from x
    )
    update public.listings l set verdict = y.verdict, live_verdict = y.live, checked_version = y.words
    from y where l.id = y.id and (l.verdict, l.live_verdict, l.checked_version) is distinct from (y.verdict, y.live, y.words);
    with hit as (
        update public.listings l set state = 'suspended', state_since = p_now
        where l.id = any (p_ids) and l.state = 'published' and l.live_verdict = 'block'
        returning l.id, l.shop_id
    ), told as (
        select private.audit(v_me, hit.shop_id, 'listing', hit.id, 'suspended',
            jsonb_build_object('words_version', private.words_version())) from hit
    )
    select coalesce(array_agg(hit.id), '{}') into v_suspended from hit, lateral (select count(*) from told) t;
    return v_suspended;
end;
$$;
comment on function private.settle_listings(bigint[], timestamptz) is
    'Brings the verdicts of listings in line with checks and evidence; what is published and now blocked is suspended. Answers those.';

create or replace function private.publish_refusal(p_listing public.listings, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select case
        when (p_listing).text_by is null or (p_listing).final_by is null then '{"key": "listing.unapproved", "params": {}}'::jsonb
        when cardinality((p_listing).images) = 0 then '{"key": "listing.images_missing", "params": {}}'::jsonb
        else private.revision_refusal((p_listing).revision_id, (p_listing).reason, p_now) end
$$;
comment on function private.publish_refusal(public.listings, timestamptz) is
    'Why a listing may not be published as it stands, or null: listing.unapproved, listing.images_missing, and what private.text_refusal says.';

create or replace function private.tg_publish_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
    v jsonb := private.publish_refusal(new, private.now());
begin
    if v is null and new.published_id is distinct from new.revision_id then
        v := '{"key": "listing.stale", "params": {}}';
    end if;
    if v is not null then
        perform private.fail('PT409', v ->> 'key', v -> 'params');
    end if;
    return new;
end;
$$;
comment on function private.tg_publish_guard() is 'No statement of anybody, owner and jobs included, publishes a text that has no current clean verdict or evidence.';
create or replace trigger t05_publish_guard before insert or update of state, published_id on public.listings
    for each row when (new.state = 'published') execute function private.tg_publish_guard();

-- Writing -------------------------------------------------------------------------------------------------------------------------------

create or replace function private.check_listing(p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if char_length(btrim(coalesce(p ->> 'title', ''))) not between 1 and 200 then
        perform private.fail('PT422', 'listing.title');
    end if;
    if char_length(coalesce(p ->> 'selling_points', '')) > 2000 or char_length(coalesce(p ->> 'description', '')) > 20000
        or char_length(coalesce(p ->> 'sku', '')) > 64 then
        perform private.fail('PT422', 'listing.too_long');
    end if;
    if coalesce(p ->> 'category', 'general') <> all (private.product_categories()) then
        perform private.fail('PT422', 'listing.category');
    end if;
    if p -> 'licences' is not null and (jsonb_typeof(p -> 'licences') <> 'array' or jsonb_array_length(p -> 'licences') > 20 or exists (
        select from jsonb_array_elements_text(p -> 'licences') l where l !~ '^[^:|[:space:]]{1,20}:[^|]{1,60}$')) then
        perform private.fail('PT422', 'listing.licence');
    end if;
end;
$$;
comment on function private.check_listing(jsonb) is 'listing.title, listing.too_long, listing.category, listing.licence ("type:number").';

create or replace function private.new_revision(p_me private.actor, p_listing_id bigint, p jsonb, p_now timestamptz) returns bigint
language sql set search_path = '' as $$
    insert into public.listing_revisions (listing_id, number, title, selling_points, description, category, licences, author_id, created_at)
    values (p_listing_id, (select coalesce(max(number), 0) + 1 from public.listing_revisions where listing_id = p_listing_id),
        p ->> 'title', coalesce(p ->> 'selling_points', ''), coalesce(p ->> 'description', ''), coalesce(p ->> 'category', 'general'),
        array(select distinct l from jsonb_array_elements_text(coalesce(p -> 'licences', '[]')) l order by l), (p_me).member_id, p_now)
    returning id
$$;

create or replace function private.product_of(p_shop_id bigint, p jsonb) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint := (p ->> 'product_id')::bigint;
begin
    if v_id is not null and not exists (select from public.products x join public.shops s on s.stock_pool_id = x.stock_pool_id
        where x.id = v_id and s.id = p_shop_id) then
        perform private.fail('PT404', 'listing.product');
    end if;
    return coalesce(v_id, (select x.id from public.products x join public.shops s on s.stock_pool_id = x.stock_pool_id
        where s.id = p_shop_id and x.sku = p ->> 'sku'));
end;
$$;
comment on function private.product_of(bigint, jsonb) is 'The product that a listing is about, by id or by SKU of the shop''s stock pool. listing.product.';

create or replace function private.listing_to_edit(p_id bigint, p_version integer) returns public.listings
language plpgsql set search_path = '' as $$
declare
    v public.listings;
begin
    select * into v from public.listings where id = p_id and shop_id in (select private.my_shop_ids()) for no key update;
    if not found then
        perform private.fail('PT404', 'listing.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'listing.stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    return v;
end;
$$;
comment on function private.listing_to_edit(bigint, integer) is 'Locks a listing of my shops: listing.none, listing.stale.';

create or replace function private.leave_revision(p_revision_id bigint, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.leave_text('listing_revision', p_revision_id, part, null, p_now)
    from unnest(array['title', 'selling_points', 'description']) part where p_revision_id is not null
$$;

create or replace function private.change_listing(p_me private.actor, p_id bigint, p_version integer, p jsonb, p_now timestamptz)
returns public.listings
language plpgsql set search_path = '' as $$
declare
    v public.listings := private.listing_to_edit(p_id, p_version);
    v_revision bigint;
begin
    v_revision := private.new_revision(p_me, p_id, p, p_now);
    if v.revision_id is distinct from v.published_id then
        perform private.leave_revision(v.revision_id, p_now);
    end if;
    update public.listings set revision_id = v_revision, title = p ->> 'title', sku = coalesce(p ->> 'sku', sku),
        product_id = private.product_of(v.shop_id, p), author_id = (p_me).member_id, state = 'draft', state_since = p_now, verdict = 'unchecked',
        text_by = null, final_by = null, reason = null, grams = private.grams((p ->> 'title') || ' ' || coalesce(p ->> 'sku', sku))
    where id = p_id returning * into v;
    return v;
end;
$$;
comment on function private.change_listing(private.actor, bigint, integer, jsonb, timestamptz) is
    'An edit: new revision, back to draft, approvals gone; what is published stays as it is until the new text is.';

create or replace function public.save_listing(p_request_id uuid, p_id bigint, p_version integer, p_listing jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'save_listing', jsonb_build_array(p_id, p_version, p_listing));
    v_in jsonb := private.as_json(p_listing);
    v public.listings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_listing(v_in);
    if p_id is null then
        perform private.require_shop(v_me, (v_in ->> 'shop_id')::bigint);
        insert into public.listings (shop_id, product_id, sku, title, author_id, grams, state_since, created_at)
        values ((v_in ->> 'shop_id')::bigint, private.product_of((v_in ->> 'shop_id')::bigint, v_in), coalesce(v_in ->> 'sku', ''),
            v_in ->> 'title', v_me.member_id, private.grams((v_in ->> 'title') || ' ' || coalesce(v_in ->> 'sku', '')), v_now, v_now)
        returning * into v;
        update public.listings set revision_id = private.new_revision(v_me, v.id, v_in, v_now) where id = v.id returning * into v;
    else
        v := private.change_listing(v_me, p_id, p_version, v_in, v_now);
    end if;
    perform private.audit(v_me, v.shop_id, 'listing', v.id, case when p_id is null then 'created' else 'edited' end,
        jsonb_build_object('revision', (select number from public.listing_revisions where id = v.revision_id)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state, 'revision_id', v.revision_id));
end;
$$;
grant execute on function public.save_listing(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_listing(uuid, bigint, integer, jsonb) is
    'Operations, managers (录入): writes a listing {shop_id (new ones), title, selling_points, description, category, licences, sku, product_id}; an edit makes a new revision that starts at draft. listing.none, listing.stale, listing.title, listing.too_long, listing.category, listing.licence, listing.product.';

create or replace function public.set_listing_images(p_request_id uuid, p_id bigint, p_version integer, p_images jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'set_listing_images', jsonb_build_array(p_id, p_version, p_images));
    v_images jsonb := private.as_json(p_images);
    v public.listings;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.listing_to_edit(p_id, p_version);
    if v.state <> 'images' then
        perform private.fail('PT409', 'listing.state', jsonb_build_object('state', v.state));
    end if;
    if coalesce(jsonb_typeof(v_images), '') <> 'array' or jsonb_array_length(v_images) not between 1 and 20
        or exists (select from jsonb_array_elements_text(v_images) u where char_length(u) > 500 or u !~ '^https://[^[:space:]<>"'']{4,}$') then
        perform private.fail('PT422', 'listing.images');
    end if;
    update public.listings set images = array(select jsonb_array_elements_text(v_images)), state = 'final_review', state_since = v_now
    where id = p_id returning * into v;
    perform private.audit(v_me, v.shop_id, 'listing', v.id, 'images_set', jsonb_build_object('count', cardinality(v.images)));
    return private.finish_request(p_request_id, jsonb_build_object('id', v.id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.set_listing_images(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.set_listing_images(uuid, bigint, integer, jsonb) is
    'Operations, managers (图片): 1 to 20 https addresses of the pictures; the listing goes on to its final review. listing.images, listing.state, listing.none, listing.stale.';

-- The flow --------------------------------------------------------------------------------------------------------------------------------

create or replace function private.listing_target(p_action text, p_state text) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_action = 'submit' and p_state = 'draft' then 'text_review'
        when p_action = 'approve' and p_state = 'text_review' then 'images'
        when p_action = 'approve' and p_state = 'final_review' then 'ready'
        when p_action = 'return' and p_state in ('text_review', 'images', 'final_review', 'ready', 'suspended') then 'draft'
        when p_action = 'publish' and p_state in ('ready', 'suspended') then 'published'
        when p_action = 'withdraw' and p_state <> 'withdrawn' then 'withdrawn' end
$$;
comment on function private.listing_target(text, text) is 'Where a step leads from a state; null: the step is not possible there.';

create or replace function private.listing_refusal(
    p_me private.actor, p_listing public.listings, p_action text, p_reason text, p_now timestamptz
) returns jsonb
language sql stable set search_path = '' as $$
    select case
        when private.listing_target(p_action, (p_listing).state) is null
            then jsonb_build_object('key', 'listing.state', 'params', jsonb_build_object('state', (p_listing).state))
        when p_action = 'approve' and (p_listing).author_id = (p_me).member_id then '{"key": "listing.own", "params": {}}'::jsonb
        when p_action = 'approve' and (p_listing).state = 'final_review' and (p_me).role <> 'manager'
            then '{"key": "listing.manager", "params": {}}'::jsonb
        when p_action in ('return', 'withdraw') and btrim(coalesce(p_reason, '')) = '' then '{"key": "listing.reason_missing", "params": {}}'::jsonb
        when p_action in ('submit', 'approve')
            then private.revision_refusal((p_listing).revision_id, coalesce(nullif(btrim(p_reason), ''), (p_listing).reason), p_now)
        when p_action = 'publish' then private.publish_refusal(
            jsonb_populate_record(p_listing, jsonb_build_object('reason', coalesce(nullif(btrim(p_reason), ''), (p_listing).reason))), p_now) end
$$;
comment on function private.listing_refusal(private.actor, public.listings, text, text, timestamptz) is
    'Why a step is refused, or null: listing.state, listing.own (the author does not approve), listing.manager (the final review is a manager''s), listing.reason_missing, and what the texts say.';

create or replace function private.write_moves(p_me private.actor, p_ids bigint[], p_action text, p_reason text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.leave_revision(l.published_id, p_now) from public.listings l
    where l.id = any (p_ids) and ((p_action = 'publish' and l.published_id is distinct from l.revision_id) or p_action = 'withdraw');
    select private.leave_revision(l.revision_id, p_now) from public.listings l where l.id = any (p_ids) and p_action = 'withdraw';
    update public.listings l
    set state = private.listing_target(p_action, l.state), state_since = p_now,
        reason = case when p_action in ('submit', 'publish') then coalesce(left(nullif(btrim(p_reason), ''), 300), l.reason) else l.reason end,
        text_by = case when p_action = 'return' then null when p_action = 'approve' and l.state = 'text_review' then (p_me).member_id else l.text_by end,
        final_by = case when p_action = 'return' then null when p_action = 'approve' and l.state = 'final_review' then (p_me).member_id else l.final_by end,
        published_id = case when p_action = 'publish' then l.revision_id when p_action = 'withdraw' then null else l.published_id end,
        live_verdict = case when p_action = 'publish' then l.verdict when p_action = 'withdraw' then null else l.live_verdict end,
        published_at = case when p_action = 'publish' then p_now else l.published_at end
    where l.id = any (p_ids)
$$;

create or replace function private.move_listings(p_me private.actor, p_items jsonb, p_action text, p_reason text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ids bigint[];
    v_before jsonb;
    v_batch bigint;
begin
    if coalesce(jsonb_typeof(p_items), '') <> 'array' or jsonb_array_length(p_items) = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if jsonb_array_length(p_items) > 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    perform private.lock_listings(array(select i.id from jsonb_to_recordset(p_items) i (id bigint)));
    select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'ok', x.refusal is null) || coalesce(x.refusal, '{}') order by x.id), '[]'),
        coalesce(array_agg(x.id) filter (where x.refusal is null), '{}')
    into v_checks, v_ids from (
        select distinct on (i.id) i.id, case
            when l.id is null then '{"key": "listing.none", "params": {}}'::jsonb
            when l.version is distinct from i.version then jsonb_build_object('key', 'listing.stale', 'params', jsonb_build_object('at', l.updated_at))
            else private.listing_refusal(p_me, l, p_action, p_reason, p_now) end as refusal
        from jsonb_to_recordset(p_items) i (id bigint, version integer)
        left join public.listings l on l.id = i.id and l.shop_id in (select private.my_shop_ids())
        order by i.id) x;
    select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'version', l.version + 1, 'before', jsonb_build_object('state', l.state,
        'reason', l.reason, 'text_by', l.text_by, 'final_by', l.final_by, 'published_id', l.published_id))), '[]')
    into v_before from public.listings l where l.id = any (v_ids);
    perform private.write_moves(p_me, v_ids, p_action, p_reason, p_now);
    perform private.audit(p_me, l.shop_id, 'listing', l.id, p_action, jsonb_strip_nulls(jsonb_build_object('to', l.state,
        'reason', nullif(btrim(p_reason), '')))) from public.listings l where l.id = any (v_ids);
    if cardinality(v_ids) > 0 and p_action <> 'publish' then
        insert into private.listing_batches (member_id, action, items, created_at)
        values ((p_me).member_id, p_action, v_before, p_now) returning id into v_batch;
    end if;
    return jsonb_build_object('done', cardinality(v_ids), 'batch_id', v_batch, 'items', (
        select coalesce(jsonb_agg(c || coalesce(jsonb_build_object('version', l.version, 'state', l.state), '{}')), '[]')
        from jsonb_array_elements(v_checks) c left join public.listings l on l.id = (c ->> 'id')::bigint and l.shop_id in (select private.my_shop_ids())));
end;
$$;
comment on function private.move_listings(private.actor, jsonb, text, text, timestamptz) is
    'One step for many listings: locked, each checked, those that may go on; {done, batch_id, items: [{id, ok, key, params, version, state}]}.';

create or replace function public.submit_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'submit_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'submit', p_reason, private.now()));
end;
$$;
grant execute on function public.submit_listings(uuid, jsonb, text) to authenticated;
comment on function public.submit_listings(uuid, jsonb, text) is
    'Operations, managers: from draft to text review (审核). p_reason: why warnings may stay. Refused per item: text.unchecked, text.blocked, text.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.approve_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'approve_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'approve', p_reason, private.now()));
end;
$$;
grant execute on function public.approve_listings(uuid, jsonb, text) to authenticated;
comment on function public.approve_listings(uuid, jsonb, text) is
    'Passes the text review (another operations member or manager) or the final review (上架审核, a manager); never the author. Refused per item: listing.own, listing.manager, text.blocked, text.unchecked, listing.state, listing.stale, listing.none.';

create or replace function public.return_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'return_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'return', p_reason, private.now()));
end;
$$;
grant execute on function public.return_listings(uuid, jsonb, text) to authenticated;
comment on function public.return_listings(uuid, jsonb, text) is
    'Operations, managers: back to draft with a reason; approvals are gone. Refused per item: listing.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.publish_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'publish_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'publish', p_reason, private.now()));
end;
$$;
grant execute on function public.publish_listings(uuid, jsonb, text) to authenticated;
comment on function public.publish_listings(uuid, jsonb, text) is
    'Operations, managers (发布): what is ready, or was suspended and is clean again. Refused per item: text.unchecked, text.blocked, text.reason_missing, listing.unapproved, listing.images_missing, listing.state, listing.stale, listing.none.';

create or replace function public.withdraw_listings(p_request_id uuid, p_items jsonb, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'withdraw_listings', jsonb_build_array(p_items, p_reason));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    return private.finish_request(p_request_id, private.move_listings(v_me, private.as_json(p_items), 'withdraw', p_reason, private.now()));
end;
$$;
grant execute on function public.withdraw_listings(uuid, jsonb, text) to authenticated;
comment on function public.withdraw_listings(uuid, jsonb, text) is
    'Operations, managers: takes a listing out, with a reason. Refused per item: listing.reason_missing, listing.state, listing.stale, listing.none.';

create or replace function public.undo_listings(p_request_id uuid, p_batch_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_listings', to_jsonb(p_batch_id));
    v private.listing_batches;
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v from private.listing_batches where id = p_batch_id and member_id = v_me.member_id for update;
    if not found then
        perform private.fail('PT404', 'undo.none');
    elsif v.undone_at is not null then
        perform private.fail('PT409', 'undo.done', jsonb_build_object('at', v.undone_at));
    elsif v.created_at < v_now - interval '10 minutes' then
        perform private.fail('PT409', 'undo.too_late', jsonb_build_object('at', v.created_at));
    end if;
    v_ids := array(select i.id from jsonb_to_recordset(v.items) i (id bigint));
    perform private.lock_listings(v_ids);
    if exists (select from jsonb_to_recordset(v.items) i (id bigint, version integer) left join public.listings l
        on l.id = i.id and l.shop_id in (select private.my_shop_ids()) where l.version is distinct from i.version) then
        perform private.fail('PT409', 'listing.changed');
    end if;
    update public.listings l set state = b ->> 'state', reason = b ->> 'reason', text_by = (b ->> 'text_by')::bigint,
        final_by = (b ->> 'final_by')::bigint, published_id = (b ->> 'published_id')::bigint, state_since = v_now
    from (select (i ->> 'id')::bigint as id, i -> 'before' as b from jsonb_array_elements(v.items) i) x where l.id = x.id;
    perform private.settle_listings(v_ids, v_now);
    perform private.audit(v_me, l.shop_id, 'listing', l.id, 'undone', jsonb_build_object('step', v.action)) from public.listings l where l.id = any (v_ids);
    update private.listing_batches set undone_at = v_now where id = v.id;
    return private.finish_request(p_request_id, jsonb_build_object('done', cardinality(v_ids)));
end;
$$;
grant execute on function public.undo_listings(uuid, bigint) to authenticated;
comment on function public.undo_listings(uuid, bigint) is
    'Takes back my own step of the last ten minutes (never a publication), all of it or nothing. undo.none, undo.done, undo.too_late, listing.changed.';
