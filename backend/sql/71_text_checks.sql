-- 71 -------------------------------------------------------------------- text checks: verdicts bound to exactly one text
--
-- The engine is Python; it hands over its verdict by a service RPC, bound to the hash of the exact text, its kind, shop and
-- context (product category, licences) and to the version of the dictionary. Publishing asks private.require_text_check:
-- without a verdict on exactly this text under the version that holds, nothing is published. The text itself is not
-- stored here: a reply may name a customer.

create or replace function private.text_kinds() returns text[]
language sql immutable set search_path = '' as $$ select array['title', 'description', 'script', 'reply'] $$;
create or replace function private.product_categories() returns text[]
language sql immutable set search_path = '' as $$
    select array['general', 'cosmetics', 'food', 'health_food', 'drug', 'device', 'infant', 'alcohol', 'education', 'finance']
$$;

create or replace function private.text_context(p_category text, p_licences text[]) returns text
language sql immutable set search_path = '' as $$
    select case when char_length(x.context) <= 200 then x.context else coalesce(p_category, 'general') || '|' || private.sha256(x.context) end
    from (select coalesce(p_category, 'general') || coalesce((select string_agg('|' || l, '' order by l collate "C")
        from (select distinct unnest(p_licences) as l) y), '') as context) x
$$;
comment on function private.text_context(text, text[]) is
    'What besides the words decides a verdict: product category and licences, in one short text (hashed where it would be long).';

create table if not exists public.text_checks (
    id bigint generated always as identity primary key,
    sha text not null constraint text_checks_sha_form check (sha ~ '^[a-p]{64}$'),
    kind text not null constraint text_checks_kind_known check (kind = any (private.text_kinds())),
    shop_id bigint not null references public.shops,
    context text not null constraint text_checks_context_length check (char_length(context) between 1 and 300),
    entity text not null constraint text_checks_entity_form check (entity ~ '^[a-z][a-z_]{1,39}$'),
    entity_id bigint not null,
    part text not null constraint text_checks_part_form check (part ~ '^[a-z][a-z_]{0,39}$'),
    author_id bigint references public.members,
    words_version integer not null references public.word_versions,
    verdict text not null constraint text_checks_verdict_known check (verdict in ('block', 'warn', 'clean')),
    blocked_terms text[] not null default '{}',
    warned_terms text[] not null default '{}',
    notices text[] not null default '{}',
    is_current boolean not null default true,
    first_checked_at timestamptz not null,
    checked_at timestamptz not null,
    constraint text_checks_once unique (entity, entity_id, part, sha, kind, shop_id, context)
);
create index if not exists text_checks_sha_idx on public.text_checks (sha, shop_id, kind, words_version);
create index if not exists text_checks_place_idx on public.text_checks (entity_id, entity, part) where is_current;
create index if not exists text_checks_shop_id_idx on public.text_checks (shop_id);
create index if not exists text_checks_author_id_idx on public.text_checks (author_id);
create index if not exists text_checks_version_idx on public.text_checks (words_version);
alter table public.text_checks enable row level security;
comment on table public.text_checks is 'Verdict of the word check on one text in one place. is_current: the place holds this text now; an edit leaves the row as history.';
comment on column public.text_checks.words_version is 'The latest version of the dictionary under which the verdict was found to hold.';

create table if not exists public.text_hits (
    id bigint generated always as identity primary key,
    check_id bigint not null references public.text_checks,
    shop_id bigint not null references public.shops,
    author_id bigint references public.members,
    term text not null,
    category text not null,
    severity text not null constraint text_hits_severity_known check (severity in ('block', 'warn')),
    start_at integer not null,
    end_at integer not null,
    is_disguised boolean not null default false,
    found_at timestamptz not null,
    found_version integer not null references public.word_versions,
    gone_at timestamptz,
    gone_as text constraint text_hits_gone_known check (gone_as in ('replaced', 'released')),
    constraint text_hits_span check (end_at > start_at and start_at >= 0),
    constraint text_hits_gone check ((gone_at is null) = (gone_as is null))
);
create index if not exists text_hits_check_id_idx on public.text_hits (check_id);
create index if not exists text_hits_found_idx on public.text_hits (shop_id, found_at);
create index if not exists text_hits_open_idx on public.text_hits (shop_id, severity, found_at) where gone_at is null;
create index if not exists text_hits_author_id_idx on public.text_hits (author_id);
create index if not exists text_hits_version_idx on public.text_hits (found_version);
alter table public.text_hits enable row level security;
comment on table public.text_hits is 'For insight (what decides stands in text_checks): what was found in a text: term, place (code points), category. gone: replaced by another text, or released by a later dictionary.';

drop policy if exists "members read the checks of their shops" on public.text_checks;
create policy "members read the checks of their shops" on public.text_checks
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_checks to authenticated;
drop policy if exists "members read the hits of their shops" on public.text_hits;
create policy "members read the hits of their shops" on public.text_hits
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.text_hits to authenticated;

-- Storing ---------------------------------------------------------------------------------------------------------------------------

create or replace function private.close_hits(p_check_ids bigint[], p_as text, p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.text_hits set gone_at = p_now, gone_as = p_as where check_id = any (p_check_ids) and gone_at is null
$$;

create or replace function private.leave_text(p_entity text, p_entity_id bigint, p_part text, p_keep bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with left_behind as (
        update public.text_checks set is_current = false
        where entity = p_entity and entity_id = p_entity_id and part = p_part and is_current and id is distinct from p_keep
        returning id
    )
    select coalesce(array_agg(id), '{}') into v_ids from left_behind;
    perform private.close_hits(v_ids, 'replaced', p_now);
end;
$$;
comment on function private.leave_text(text, bigint, text, bigint, timestamptz) is 'The place holds another text now (p_keep, null: none): open hits of the old one count as replaced.';

create or replace function private.same_hits(p_check_id bigint, p_hits jsonb) returns boolean
language sql stable set search_path = '' as $$
    select (select coalesce(jsonb_agg(jsonb_build_array(h.start_at, h.end_at, h.term, h.category, h.severity) order by h.start_at), '[]')
            from public.text_hits h where h.check_id = p_check_id and h.gone_at is null)
        = (select coalesce(jsonb_agg(jsonb_build_array(h -> 'start', h -> 'end', h -> 'term', h -> 'category', h -> 'severity')
                order by (h ->> 'start')::integer), '[]') from jsonb_array_elements(p_hits) h)
$$;
comment on function private.same_hits(bigint, jsonb) is 'Whether a check finds what was found before.';

create or replace function private.terms_in(p_hits jsonb, p_severity text) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array_agg(distinct h ->> 'term'), '{}') from jsonb_array_elements(p_hits) h where h ->> 'severity' = p_severity
$$;

create or replace function private.store_check(p_version integer, p jsonb, p_now timestamptz) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint;
    v_context text := private.text_context(p ->> 'category', array(select jsonb_array_elements_text(p -> 'licences')));
    v_shop bigint := (p ->> 'shop_id')::bigint;
    v_author bigint := (p ->> 'author_id')::bigint;
begin
    insert into public.text_checks as c (sha, kind, shop_id, context, entity, entity_id, part, author_id, words_version, verdict,
        blocked_terms, warned_terms, notices, first_checked_at, checked_at)
    values (p ->> 'sha', p ->> 'kind', v_shop, v_context, p ->> 'entity', (p ->> 'entity_id')::bigint, p ->> 'part', v_author,
        p_version, case when p -> 'hits' @> '[{"severity": "block"}]' then 'block'
            when p -> 'hits' = '[]' and p -> 'notices' = '[]' then 'clean' else 'warn' end,
        private.terms_in(p -> 'hits', 'block'), private.terms_in(p -> 'hits', 'warn'),
        array(select jsonb_array_elements_text(p -> 'notices')), p_now, p_now)
    on conflict (entity, entity_id, part, sha, kind, shop_id, context) do update
    set words_version = excluded.words_version, verdict = excluded.verdict, blocked_terms = excluded.blocked_terms,
        warned_terms = excluded.warned_terms, notices = excluded.notices, is_current = true, checked_at = excluded.checked_at
    returning id into v_id;
    perform private.leave_text(p ->> 'entity', (p ->> 'entity_id')::bigint, p ->> 'part', v_id, p_now);
    if not private.same_hits(v_id, p -> 'hits') then
        update public.text_hits h set gone_at = p_now, gone_as = 'released'
        where h.check_id = v_id and h.gone_at is null and not exists (
            select from jsonb_array_elements(p -> 'hits') n where (n ->> 'start')::integer = h.start_at
              and (n ->> 'end')::integer = h.end_at and n ->> 'term' = h.term and n ->> 'category' = h.category and n ->> 'severity' = h.severity);
        insert into public.text_hits (check_id, shop_id, author_id, term, category, severity, start_at, end_at, is_disguised, found_at, found_version)
        select v_id, v_shop, v_author, n ->> 'term', n ->> 'category', n ->> 'severity', (n ->> 'start')::integer, (n ->> 'end')::integer,
            coalesce((n ->> 'disguised')::boolean, false), p_now, p_version
        from jsonb_array_elements(p -> 'hits') n
        where not exists (select from public.text_hits h where h.check_id = v_id and h.gone_at is null
            and (n ->> 'start')::integer = h.start_at and (n ->> 'end')::integer = h.end_at and n ->> 'term' = h.term
            and n ->> 'category' = h.category and n ->> 'severity' = h.severity);
    end if;
    return v_id;
end;
$$;
comment on function private.store_check(integer, jsonb, timestamptz) is 'One verdict; hits that are the same stay with the time they were first found.';

create or replace function public.store_text_check(p_version integer, p_checks jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_checks jsonb := private.as_json(p_checks);
    v_ids jsonb;
    v_listings bigint[];
begin
    if coalesce(jsonb_typeof(v_checks), '') <> 'array' or jsonb_array_length(v_checks) not between 1 and 1500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 1500}');
    end if;
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('private.words'));
    if p_version is distinct from private.words_version() then
        perform private.fail('PT409', 'text.version', jsonb_build_object('version', private.words_version()));
    end if;
    v_listings := private.listings_of(array(select (c ->> 'entity_id')::bigint from jsonb_array_elements(v_checks) c
        where c ->> 'entity' = 'listing_revision'));
    perform private.lock_listings(v_listings);
    select jsonb_agg(private.store_check(p_version, c.value, v_now) order by c.n) into v_ids
    from jsonb_array_elements(v_checks) with ordinality c (value, n);
    perform private.settle_listings(v_listings, v_now);
    perform private.settle_scripts(array(select (c ->> 'entity_id')::bigint from jsonb_array_elements(v_checks) c
        where c ->> 'entity' = 'script_place'), v_now);
    return jsonb_build_object('ids', v_ids);
exception when check_violation or not_null_violation or foreign_key_violation or invalid_text_representation then
    perform private.fail('PT422', 'text.bad_check');
end;
$$;
grant execute on function public.store_text_check(integer, jsonb) to service_role;
comment on function public.store_text_check(integer, jsonb) is
    'Service: verdicts (at most 1,500) under the version that holds, else text.version: [{sha, kind, shop_id, category, licences, entity, entity_id, part, author_id, notices: [key], hits: [{start, end, term, category, severity, disguised}]}]. The verdict follows from hits and notices. text.bad_check. {ids} in the same order.';

-- Asking ----------------------------------------------------------------------------------------------------------------------------

create or replace function private.current_check(p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[])
returns public.text_checks
language sql stable set search_path = '' as $$
    select c.* from public.text_checks c
    where c.sha = (select private.sha256(p_text)) and c.shop_id = p_shop_id and c.kind = p_kind
      and c.context = (select private.text_context(p_category, p_licences)) and c.words_version = (select private.words_version())
    limit 1
$$;
comment on function private.current_check(text, text, bigint, text, text[]) is 'The verdict on exactly this text, kind, shop and context under the dictionary that holds (the same wherever the text stands); null row without one.';

create or replace function private.open_terms(p_terms text[], p_shop_id bigint, p_product_id bigint, p_now timestamptz) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(t order by t), '{}') from unnest(p_terms) t where not private.is_exempt(t, p_shop_id, p_product_id, p_now)
$$;
comment on function private.open_terms(text[], bigint, bigint, timestamptz) is 'The terms that no approved, unexpired exemption with evidence allows.';

create or replace function private.text_refusal(
    p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[], p_reason text, p_product_id bigint, p_now timestamptz
) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v public.text_checks;
    v_terms text[];
begin
    if coalesce(p_text, '') = '' then
        return null;
    end if;
    v := private.current_check(p_text, p_kind, p_shop_id, p_category, p_licences);
    if v.id is null then
        return jsonb_build_object('key', 'text.unchecked', 'params', jsonb_build_object('kind', p_kind));
    end if;
    v_terms := private.open_terms(v.blocked_terms, p_shop_id, p_product_id, p_now);
    if cardinality(v_terms) > 0 then
        return jsonb_build_object('key', 'text.blocked', 'params', jsonb_build_object('kind', p_kind, 'terms', array_to_string(v_terms, '、')));
    end if;
    v_terms := private.open_terms(v.warned_terms, p_shop_id, p_product_id, p_now);
    if (cardinality(v_terms) > 0 or cardinality(v.notices) > 0) and btrim(coalesce(p_reason, '')) = '' then
        return jsonb_build_object('key', 'text.reason_missing', 'params', jsonb_build_object('kind', p_kind,
            'terms', array_to_string(v_terms || v.notices, '、')));
    end if;
    return null;
end;
$$;
comment on function private.text_refusal(text, text, bigint, text, text[], text, bigint, timestamptz) is
    'Why a text must not be published, or null: text.unchecked without a current verdict on exactly this text, text.blocked (terms) while a block is open, text.reason_missing (terms) while a warning has neither evidence nor a reason. {key, params}.';

create or replace function private.require_text_check(
    p_text text, p_kind text, p_shop_id bigint, p_category text, p_licences text[], p_reason text, p_product_id bigint, p_now timestamptz
) returns void
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.text_refusal(p_text, p_kind, p_shop_id, p_category, p_licences, p_reason, p_product_id, p_now);
begin
    if v is not null then
        perform private.fail(case v ->> 'key' when 'text.reason_missing' then 'PT422' else 'PT409' end, v ->> 'key', v -> 'params');
    end if;
end;
$$;
comment on function private.require_text_check(text, text, bigint, text, text[], text, bigint, timestamptz) is
    'What every RPC that publishes a text calls first: raises what private.text_refusal says.';
