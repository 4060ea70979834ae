-- 70 ------------------------------------------------------------------------------ words: the dictionary and its versions
--
-- A version is a number. Every row says from which version on it holds and, once replaced, with which it ended, so any
-- version can be read again and none can change. A new version comes from the program (the dictionary it brings) or from a
-- proposal: operations on words and exceptions, tried against stored texts, approved by a manager who did not propose it.
-- What the words mean for a text is judged in Python (backend/words); a service RPC stores the verdict (71).

create or replace function private.word_categories() returns text[]
language sql immutable set search_path = '' as $$
    select array['absolute', 'authority', 'national_symbol', 'trademark', 'medical', 'health_food', 'cosmetics', 'time_limit',
        'price_fraud', 'superstition', 'vulgar', 'finance', 'education', 'patent', 'data_citation', 'disparage',
        'false_promise', 'infant_alcohol_tobacco', 'platform']
$$;
create or replace function private.platforms() returns text[]
language sql immutable set search_path = '' as $$
    select array['taobao', 'jd', 'douyin', 'pinduoduo', 'youzan', 'shopify', 'own']
$$;

create table if not exists private.word_bases (
    basis integer primary key,
    patterns jsonb not null,
    superlatives jsonb not null,
    created_at timestamptz not null
);
alter table private.word_bases enable row level security;
comment on table private.word_bases is 'What the program brings beside the words: families of terms (patterns) and what may follow 最. basis rises with each release that changes it.';

create table if not exists public.word_versions (
    id integer primary key constraint word_versions_positive check (id > 0),
    basis integer not null references private.word_bases,
    token uuid not null default gen_random_uuid(),
    proposal_id bigint,
    note text not null default '',
    words_added integer not null default 0,
    words_changed integer not null default 0,
    words_disabled integer not null default 0,
    exceptions_changed integer not null default 0,
    made_by bigint references public.members,
    made_at timestamptz not null
);
create index if not exists word_versions_basis_idx on public.word_versions (basis);
create index if not exists word_versions_made_by_idx on public.word_versions (made_by);
create index if not exists word_versions_proposal_id_idx on public.word_versions (proposal_id);
alter table public.word_versions enable row level security;
comment on column public.word_versions.token is 'Names this state among all installations: what programs remember it by.';
comment on table public.word_versions is 'Numbered states of the dictionary; the highest one holds. made_by null: brought by the program.';

create table if not exists public.compliance_words (
    id bigint generated always as identity primary key,
    position integer not null,
    term text not null constraint compliance_words_term_length check (char_length(term) between 1 and 60),
    category text not null constraint compliance_words_category_known check (category = any (private.word_categories())),
    severity text not null constraint compliance_words_severity_known check (severity in ('block', 'warn')),
    legal_basis text not null constraint compliance_words_basis_length check (char_length(legal_basis) between 1 and 300),
    suggestion text not null default '' constraint compliance_words_suggestion_length check (char_length(suggestion) <= 300),
    match_kind text not null default 'exact' constraint compliance_words_match_known check (match_kind in ('exact', 'context', 'prefix')),
    context text not null default '' constraint compliance_words_context_length check (char_length(context) <= 1000),
    exceptions text not null default '' constraint compliance_words_exceptions_length check (char_length(exceptions) <= 1000),
    platforms text[] not null default '{}' constraint compliance_words_platforms_known check (platforms <@ private.platforms()),
    is_active boolean not null default true,
    origin text not null constraint compliance_words_origin_known check (origin in ('shipped', 'own')),
    reason text not null default '',
    from_version integer not null references public.word_versions,
    to_version integer references public.word_versions,
    constraint compliance_words_life check (to_version > from_version)
);
create unique index if not exists compliance_words_now_idx on public.compliance_words (term) where to_version is null;
create index if not exists compliance_words_term_idx on public.compliance_words (term, from_version);
create index if not exists compliance_words_position_idx on public.compliance_words (position, id) where to_version is null;
create index if not exists compliance_words_from_idx on public.compliance_words (from_version);
create index if not exists compliance_words_to_idx on public.compliance_words (to_version);
alter table public.compliance_words enable row level security;
comment on table public.compliance_words is '违禁词: one row per word and stretch of versions; to_version null: holds now. Rows are closed, never changed.';
comment on column public.compliance_words.platforms is 'Platforms the word counts on; empty: all of them.';
comment on column public.compliance_words.origin is 'shipped: a later release of the program may change it; own: people decided, no release touches it.';

create table if not exists public.word_exceptions (
    id bigint generated always as identity primary key,
    root_id bigint,
    position integer not null,
    terms text[] not null constraint word_exceptions_terms_given check (cardinality(terms) between 1 and 200),
    effect text not null constraint word_exceptions_effect_known check (effect in ('clean', 'warn', 'need')),
    place text not null constraint word_exceptions_place_known check (place in ('phrase', 'head', 'tail', 'clause', 'sentence', 'category')),
    pattern text not null constraint word_exceptions_pattern_length check (char_length(pattern) between 1 and 4000),
    note text not null default '' constraint word_exceptions_note_length check (char_length(note) <= 300),
    platforms text[] not null default '{}' constraint word_exceptions_platforms_known check (platforms <@ private.platforms()),
    is_active boolean not null default true,
    origin text not null constraint word_exceptions_origin_known check (origin in ('shipped', 'own')),
    reason text not null default '',
    from_version integer not null references public.word_versions,
    to_version integer references public.word_versions,
    constraint word_exceptions_life check (to_version > from_version)
);
create index if not exists word_exceptions_now_idx on public.word_exceptions (position, id) where to_version is null;
create index if not exists word_exceptions_root_id_idx on public.word_exceptions (root_id);
create index if not exists word_exceptions_from_idx on public.word_exceptions (from_version);
create index if not exists word_exceptions_to_idx on public.word_exceptions (to_version);
alter table public.word_exceptions enable row level security;
comment on table public.word_exceptions is 'Where a word is harmless (clean), needs evidence (warn), or alone counts (need); kept in stretches of versions as the words are.';
comment on column public.word_exceptions.root_id is 'The first row of this exception; null in that row itself.';

create table if not exists public.word_proposals (
    id bigint generated always as identity primary key,
    title text not null constraint word_proposals_title_length check (char_length(btrim(title)) between 1 and 120),
    state text not null default 'draft' constraint word_proposals_state_known
        check (state in ('draft', 'submitted', 'approved', 'refused', 'withdrawn')),
    item_count integer not null default 0,
    items_version integer not null default 1,
    trial jsonb not null default '{}',
    tried_version integer,
    created_by bigint not null references public.members,
    created_at timestamptz not null,
    submitted_at timestamptz,
    decided_by bigint references public.members,
    decided_at timestamptz,
    decision_note text,
    made_version integer references public.word_versions,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint word_proposals_not_by_one check (state <> 'approved' or decided_by <> created_by)
);
create index if not exists word_proposals_state_idx on public.word_proposals (state, id desc);
create index if not exists word_proposals_created_by_idx on public.word_proposals (created_by);
create index if not exists word_proposals_decided_by_idx on public.word_proposals (decided_by);
create index if not exists word_proposals_made_version_idx on public.word_proposals (made_version);
alter table public.word_proposals enable row level security;
create or replace trigger t10_touch before update on public.word_proposals for each row execute function private.touch_version();
comment on table public.word_proposals is 'Wished changes of the dictionary: written, tried against stored texts, approved by somebody else, then a new version.';
comment on column public.word_proposals.trial is 'What the trial found: {state, done, texts, new_count, released_count, new: [...], released: [...]}; belongs to tried_version of the items.';

create table if not exists public.word_proposal_items (
    proposal_id bigint not null references public.word_proposals,
    n integer not null,
    target text not null constraint word_proposal_items_target_known check (target in ('word', 'exception')),
    action text not null constraint word_proposal_items_action_known check (action in ('add', 'change', 'disable')),
    row_id bigint,
    facts jsonb not null default '{}',
    reason text not null constraint word_proposal_items_reason_given check (char_length(btrim(reason)) between 1 and 300),
    primary key (proposal_id, n),
    constraint word_proposal_items_has_row check ((action = 'add') = (row_id is null))
);
alter table public.word_proposal_items enable row level security;
comment on table public.word_proposal_items is 'One operation of a proposal on a word or an exception. row_id: the row it replaces; facts: its values afterwards.';

do $$
declare
    v_table text;
begin
    foreach v_table in array array['word_versions', 'compliance_words', 'word_exceptions', 'word_proposals', 'word_proposal_items'] loop
        execute format('drop policy if exists "members read the dictionary" on public.%I', v_table);
        execute format('create policy "members read the dictionary" on public.%I for select to authenticated using ((select private.my_role()) is not null)', v_table);
        if v_table <> 'word_proposals' then
            execute format('grant select on public.%I to authenticated', v_table);
        end if;
    end loop;
end;
$$;

-- A trial names listings of every shop: it is read through proposal_detail, which shows those of the reader's.
grant select (id, title, state, item_count, items_version, tried_version, created_by, created_at, submitted_at, decided_by, decided_at,
              decision_note, made_version, version, updated_at) on public.word_proposals to authenticated;

-- Versions ---------------------------------------------------------------------------------------------------------------------

create or replace function private.words_version() returns integer
language sql stable set search_path = '' as $$ select coalesce(max(id), 0) from public.word_versions $$;
comment on function private.words_version() is 'The version of the dictionary that holds; 0 before the program has brought one.';

create or replace function private.lock_words() returns integer
language plpgsql set search_path = '' as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('private.words'));
    return private.words_version();
end;
$$;
comment on function private.lock_words() is 'New versions wait for each other; answers the one that holds.';

create or replace function private.words_of(p_version integer) returns setof public.compliance_words
language sql stable rows 3000 set search_path = '' as $$
    select w.* from public.compliance_words w
    where w.from_version <= p_version and (w.to_version is null or w.to_version > p_version)
$$;
create or replace function private.exceptions_of(p_version integer) returns setof public.word_exceptions
language sql stable rows 500 set search_path = '' as $$
    select e.* from public.word_exceptions e
    where e.from_version <= p_version and (e.to_version is null or e.to_version > p_version)
$$;

create or replace function private.words_proposed(p_version integer, p_proposal_id bigint) returns setof public.compliance_words
language sql stable rows 3000 set search_path = '' as $$
    select w.* from private.words_of(p_version) w
    where not exists (select from public.word_proposal_items i
        where i.proposal_id = p_proposal_id and i.target = 'word' and i.row_id = w.id)
    union all
    select 0, coalesce(w.position, (select coalesce(max(position), 0) from public.compliance_words) + i.n), r.term, r.category,
        r.severity, r.legal_basis, coalesce(r.suggestion, ''), coalesce(r.match_kind, 'exact'), coalesce(r.context, ''),
        coalesce(r.exceptions, ''), coalesce(r.platforms, '{}'), i.action <> 'disable', 'own', i.reason, p_version + 1, null
    from public.word_proposal_items i
    left join public.compliance_words w on w.id = i.row_id
    cross join lateral jsonb_populate_record(null::public.compliance_words, coalesce(to_jsonb(w), '{}') || i.facts) r
    where i.proposal_id = p_proposal_id and i.target = 'word'
$$;
comment on function private.words_proposed(integer, bigint) is 'The words of a version with a proposal''s operations done (null: none): what a trial compiles and an approval writes.';

create or replace function private.exceptions_proposed(p_version integer, p_proposal_id bigint) returns setof public.word_exceptions
language sql stable rows 500 set search_path = '' as $$
    select e.* from private.exceptions_of(p_version) e
    where not exists (select from public.word_proposal_items i
        where i.proposal_id = p_proposal_id and i.target = 'exception' and i.row_id = e.id)
    union all
    select 0, coalesce(e.root_id, e.id), coalesce(e.position, (select coalesce(max(position), 0) from public.word_exceptions) + i.n),
        r.terms, r.effect, r.place, r.pattern, coalesce(r.note, ''), coalesce(r.platforms, '{}'), i.action <> 'disable', 'own',
        i.reason, p_version + 1, null
    from public.word_proposal_items i
    left join public.word_exceptions e on e.id = i.row_id
    cross join lateral jsonb_populate_record(null::public.word_exceptions, coalesce(to_jsonb(e), '{}') || i.facts) r
    where i.proposal_id = p_proposal_id and i.target = 'exception'
$$;
comment on function private.exceptions_proposed(integer, bigint) is 'As private.words_proposed, for the exceptions.';

create or replace function public.service_words_version() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return coalesce((select jsonb_build_object('version', v.id, 'basis', v.basis, 'token', v.token) from public.word_versions v
        order by v.id desc limit 1), '{"version": 0, "basis": 0, "token": null}');
end;
$$;
grant execute on function public.service_words_version() to service_role;
comment on function public.service_words_version() is 'Service: {version, basis, token} of the dictionary that holds; version 0 when there is none yet.';

create or replace function public.service_words(p_version integer, p_proposal_id bigint default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return (select jsonb_build_object('version', v.id, 'basis', v.basis, 'patterns', b.patterns, 'superlatives', b.superlatives,
            'words', (select coalesce(jsonb_agg(jsonb_build_array(w.term, w.category, w.severity, w.legal_basis, w.suggestion,
                    w.match_kind, w.context, w.exceptions, w.platforms) order by w.position, w.id), '[]')
                from private.words_proposed(v.id, p_proposal_id) w where w.is_active),
            'exceptions', (select coalesce(jsonb_agg(jsonb_build_array(e.terms, e.effect, e.place, e.pattern, e.note, e.platforms)
                    order by e.position, e.id), '[]')
                from private.exceptions_proposed(v.id, p_proposal_id) e where e.is_active))
        from public.word_versions v join private.word_bases b on b.basis = v.basis where v.id = p_version);
end;
$$;
grant execute on function public.service_words(integer, bigint) to service_role;
comment on function public.service_words(integer, bigint) is
    'Service: a version as the engine takes it, its active rows in order, with the operations of a proposal done when one is named. Null: no such version.';

-- The dictionary the program brings -----------------------------------------------------------------------------------------------

create or replace function private.seed_words(p_version integer, p_words jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
    v_total integer := 0;
begin
    update public.compliance_words w set to_version = p_version
    where w.to_version is null and w.origin = 'shipped' and not exists (
        select from jsonb_array_elements(p_words) with ordinality s (r, n) where s.r ->> 0 = w.term and jsonb_build_array(w.term, w.category, w.severity, w.legal_basis,
            w.suggestion, w.match_kind, w.context, w.exceptions) = s.r);
    get diagnostics v_count = row_count;
    v_total := v_count;
    insert into public.compliance_words (position, term, category, severity, legal_basis, suggestion, match_kind, context, exceptions,
        origin, from_version)
    select s.n, s.r ->> 0, s.r ->> 1, s.r ->> 2, s.r ->> 3, s.r ->> 4, s.r ->> 5, s.r ->> 6, s.r ->> 7, 'shipped', p_version
    from jsonb_array_elements(p_words) with ordinality s (r, n)
    where not exists (select from public.compliance_words w where w.term = s.r ->> 0 and w.to_version is null)
    order by s.n;
    get diagnostics v_count = row_count;
    return v_total + v_count;
end;
$$;
comment on function private.seed_words(integer, jsonb) is 'Takes over the words of a release: new ones come, shipped ones change or go, what people decided stays. Answers how many rows.';

create or replace function private.seed_exceptions(p_version integer, p_exceptions jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
    v_total integer := 0;
begin
    update public.word_exceptions e set to_version = p_version
    where e.to_version is null and e.origin = 'shipped' and not exists (select from jsonb_array_elements(p_exceptions) with ordinality s (r, n)
        where s.r = jsonb_build_array(to_jsonb(e.terms), e.effect, e.place, e.pattern, e.note));
    get diagnostics v_count = row_count;
    v_total := v_count;
    insert into public.word_exceptions (position, terms, effect, place, pattern, note, origin, from_version)
    select s.n, array(select jsonb_array_elements_text(s.r -> 0)), s.r ->> 1, s.r ->> 2, s.r ->> 3, s.r ->> 4, 'shipped', p_version
    from jsonb_array_elements(p_exceptions) with ordinality s (r, n)
    where not exists (select from public.word_exceptions e where to_jsonb(e.terms) = s.r -> 0 and e.effect = s.r ->> 1
        and e.place = s.r ->> 2 and e.pattern = s.r ->> 3 and (e.to_version is null or exists (
            select from public.word_exceptions later where later.root_id = coalesce(e.root_id, e.id) and later.to_version is null)))
    order by s.n;
    get diagnostics v_count = row_count;
    return v_total + v_count;
end;
$$;
comment on function private.seed_exceptions(integer, jsonb) is 'As private.seed_words, for the exceptions; one that people changed or disabled does not come back.';

create or replace function public.service_seed_words(
    p_basis integer, p_words jsonb, p_exceptions jsonb, p_patterns jsonb, p_superlatives jsonb
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_version integer := private.lock_words() + 1;
    v_words integer;
    v_exceptions integer;
begin
    if coalesce(p_basis, 0) <= coalesce((select max(basis) from public.word_versions), 0) then
        return jsonb_build_object('version', v_version - 1, 'is_new', false);
    end if;
    insert into private.word_bases (basis, patterns, superlatives, created_at)
    values (p_basis, private.as_json(p_patterns), private.as_json(p_superlatives), v_now) on conflict do nothing;
    insert into public.word_versions (id, basis, made_at) values (v_version, p_basis, v_now);
    v_words := private.seed_words(v_version, private.as_json(p_words));
    v_exceptions := private.seed_exceptions(v_version, private.as_json(p_exceptions));
    update public.word_versions set words_changed = v_words, exceptions_changed = v_exceptions where id = v_version;
    perform private.audit(v_me, null, 'words', v_version, 'seeded', jsonb_build_object('basis', p_basis));
    perform private.queue_text_recheck('version', v_now);
    return jsonb_build_object('version', v_version, 'is_new', true);
end;
$$;
grant execute on function public.service_seed_words(integer, jsonb, jsonb, jsonb, jsonb) to service_role;
comment on function public.service_seed_words(integer, jsonb, jsonb, jsonb, jsonb) is
    'Service: the dictionary this program brings, as a new version when its basis is higher than any before; an older program changes nothing. Rows in the order of the columns of dictionary.csv and exceptions.csv.';

-- Reading ---------------------------------------------------------------------------------------------------------------------------

create or replace function public.word_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_limit integer;
    v_rows jsonb;
begin
    p := coalesce(private.as_json(p), '{}');
    v_limit := least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 500);
    select coalesce(jsonb_agg(to_jsonb(x) order by x.position, x.id), '[]') into v_rows from (
        select w.id, w.position, w.term, w.category, w.severity, w.legal_basis, w.suggestion, w.match_kind, w.context,
            w.exceptions, w.platforms, w.is_active, w.origin, w.reason, w.from_version
        from public.compliance_words w
        where w.to_version is null
          and (p ->> 'q' is null or strpos(lower(w.term), lower(p ->> 'q')) > 0)
          and (p ->> 'category' is null or w.category = p ->> 'category')
          and (p ->> 'severity' is null or w.severity = p ->> 'severity')
          and (p ->> 'platform' is null or w.platforms = '{}' or p ->> 'platform' = any (w.platforms))
          and (p ->> 'origin' is null or w.origin = p ->> 'origin')
          and (p ->> 'is_active' is null or w.is_active = (p ->> 'is_active')::boolean)
          and (p -> 'after' is null or (w.position, w.id) > ((p -> 'after' ->> 'position')::integer, (p -> 'after' ->> 'id')::bigint))
        order by w.position, w.id limit v_limit + 1) x;
    return jsonb_build_object('rows', v_rows - v_limit, 'version', private.words_version(),
        'next', case when jsonb_array_length(v_rows) > v_limit then jsonb_build_object('position', v_rows -> (v_limit - 1) -> 'position',
            'id', v_rows -> (v_limit - 1) -> 'id') end);
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.word_list(jsonb) to authenticated;
comment on function public.word_list(jsonb) is
    'Members: words that hold now, in the dictionary''s order: {rows, next, version}. p: q (part of the term), category, severity, platform, origin, is_active, after (next of the page before), limit. filter.bad.';

create or replace function public.word_history(p_term text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'severity', w.severity, 'category', w.category,
            'suggestion', w.suggestion, 'platforms', w.platforms, 'is_active', w.is_active, 'origin', w.origin, 'reason', w.reason,
            'from_version', w.from_version, 'to_version', w.to_version, 'at', v.made_at, 'approved_by', b.display_name,
            'proposed_by', a.display_name) order by w.from_version desc), '[]')
        from public.compliance_words w join public.word_versions v on v.id = w.from_version
        left join public.members b on b.id = v.made_by
        left join public.word_proposals q on q.id = v.proposal_id left join public.members a on a.id = q.created_by
        where w.term = p_term);
end;
$$;
grant execute on function public.word_history(text) to authenticated;
comment on function public.word_history(text) is 'Members: every state a word ever had, newest first, with who proposed and approved it and why.';

create or replace function public.exception_list(p_term text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.position, x.id), '[]') from (
        select e.id, e.position, e.terms, e.effect, e.place, e.pattern, e.note, e.platforms, e.is_active, e.origin, e.reason, e.from_version
        from public.word_exceptions e
        where e.to_version is null and (p_term is null or p_term = any (e.terms))
        order by e.position, e.id limit 2000) x);
end;
$$;
grant execute on function public.exception_list(text) to authenticated;
comment on function public.exception_list(text) is 'Members: exceptions that hold now (of one word, or the first 2,000).';
