-- 74 ----------------------------------------------------------------------- exemptions: a word allowed on evidence, until a day
--
-- An exemption allows one word in one shop, or for one product of it, until a day. It is requested with a reason and files
-- that prove it (at most 5 MB each, kept in the database) and approved by a manager who did not request it. Without a file,
-- past its day or revoked it allows nothing.

create table if not exists public.exemptions (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    product_id bigint references public.products,
    term text not null constraint exemptions_term_length check (char_length(term) between 1 and 60),
    category text not null constraint exemptions_category_known check (category = any (private.word_categories())),
    reason text not null constraint exemptions_reason_known
        check (reason in ('self_compare', 'award', 'certificate', 'licence', 'fact_with_source', 'registered_name', 'other')),
    note text not null constraint exemptions_note_length check (char_length(btrim(note)) between 1 and 300),
    valid_until date not null,
    state text not null default 'requested' constraint exemptions_state_known check (state in ('requested', 'approved', 'refused', 'revoked')),
    requested_by bigint not null references public.members,
    requested_at timestamptz not null,
    decided_by bigint references public.members,
    decided_at timestamptz,
    decision_note text constraint exemptions_decision_length check (char_length(decision_note) <= 300),
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint exemptions_not_by_one check (state <> 'approved' or decided_by <> requested_by)
);
create index if not exists exemptions_valid_idx on public.exemptions (shop_id, term) where state = 'approved';
create index if not exists exemptions_state_idx on public.exemptions (shop_id, state, id);
create index if not exists exemptions_product_id_idx on public.exemptions (product_id);
create index if not exists exemptions_requested_by_idx on public.exemptions (requested_by);
create index if not exists exemptions_decided_by_idx on public.exemptions (decided_by);
alter table public.exemptions enable row level security;
create or replace trigger t10_touch before update on public.exemptions for each row execute function private.touch_version();
comment on table public.exemptions is 'A word that evidence allows in a shop (or for one product of it) until the end of valid_until, in the shop''s zone.';
drop policy if exists "members read the exemptions of their shops" on public.exemptions;
create policy "members read the exemptions of their shops" on public.exemptions
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.exemptions to authenticated;

create table if not exists private.evidence_files (
    id bigint generated always as identity primary key,
    exemption_id bigint not null references public.exemptions,
    name text not null constraint evidence_files_name_length check (char_length(name) between 1 and 120),
    mime text not null constraint evidence_files_mime_known check (mime in ('application/pdf', 'image/png', 'image/jpeg')),
    content bytea not null constraint evidence_files_size check (octet_length(content) between 1 and 5242880),
    uploaded_by bigint not null references public.members,
    uploaded_at timestamptz not null
);
create index if not exists evidence_files_exemption_id_idx on private.evidence_files (exemption_id);
create index if not exists evidence_files_uploaded_by_idx on private.evidence_files (uploaded_by);
alter table private.evidence_files enable row level security;
comment on table private.evidence_files is 'The files that prove an exemption: PDF, PNG or JPEG by their first bytes, at most 5 MB. Read through read_evidence alone.';

create or replace function private.is_exempt(p_term text, p_shop_id bigint, p_product_id bigint, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from public.exemptions e join public.shops s on s.id = e.shop_id
        where e.shop_id = p_shop_id and e.term = p_term and e.state = 'approved'
          and (e.product_id is null or e.product_id = p_product_id)
          and e.valid_until >= (p_now at time zone s.timezone)::date
          and exists (select from private.evidence_files f where f.exemption_id = e.id))
$$;
comment on function private.is_exempt(text, bigint, bigint, timestamptz) is 'Whether evidence allows the word there and then.';

create or replace function private.mime_of(p_content bytea) returns text
language sql immutable set search_path = '' as $$
    select case
        when substr(p_content, 1, 5) = '\x255044462d' then 'application/pdf'
        when substr(p_content, 1, 8) = '\x89504e470d0a1a0a' then 'image/png'
        when substr(p_content, 1, 3) = '\xffd8ff' then 'image/jpeg' end
$$;
comment on function private.mime_of(bytea) is 'What a file is by its first bytes, whatever its name says; null for anything else.';

create or replace function private.settle_term(p_shop_id bigint, p_term text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := private.listings_of(array(
        select c.entity_id from public.text_checks c join public.text_hits h on h.check_id = c.id
        where h.shop_id = p_shop_id and h.term = p_term and h.gone_at is null and c.entity = 'listing_revision'));
begin
    perform private.lock_listings(v_ids);
    perform private.settle_listings(v_ids, p_now);
    perform private.settle_script_term(p_shop_id, p_term, p_now);
end;
$$;
comment on function private.settle_term(bigint, text, timestamptz) is 'Listings and scripts of a shop that use a word, after what allows it came or went.';

create or replace function private.can_be_exempt(p_category text) returns boolean
language sql immutable set search_path = '' as $$
    select p_category not in ('national_symbol', 'vulgar', 'superstition', 'infant_alcohol_tobacco', 'trademark')
$$;
comment on function private.can_be_exempt(text) is
    'Not what the Advertising Law of the PRC forbids whatever the proof: art. 9 (1), (7) and (8), art. 20, 22, 23; Trademark Law art. 14.';

create or replace function public.request_exemption(p_request_id uuid, p_exemption jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'request_exemption', p_exemption);
    v_in jsonb := private.as_json(p_exemption);
    v_shop bigint := (v_in ->> 'shop_id')::bigint;
    v_category text;
    v_id bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, v_shop);
    select h.category into v_category from public.text_hits h where h.shop_id = v_shop and h.term = v_in ->> 'term' order by h.id desc limit 1;
    v_category := coalesce(v_category, (select w.category from public.compliance_words w where w.term = v_in ->> 'term' and w.to_version is null));
    if v_category is null then
        perform private.fail('PT404', 'exemption.term');
    end if;
    if not private.can_be_exempt(v_category) then
        perform private.fail('PT422', 'exemption.not_possible', jsonb_build_object('term', v_in ->> 'term'));
    end if;
    if (v_in ->> 'valid_until')::date is null or (v_in ->> 'valid_until')::date < v_now::date
        or (v_in ->> 'valid_until')::date > v_now::date + 1100 then
        perform private.fail('PT422', 'exemption.expiry');
    end if;
    insert into public.exemptions (shop_id, product_id, term, category, reason, note, valid_until, requested_by, requested_at)
    values (v_shop, private.product_of(v_shop, v_in), v_in ->> 'term', v_category, v_in ->> 'reason', btrim(v_in ->> 'note'),
        (v_in ->> 'valid_until')::date, v_me.member_id, v_now) returning id into v_id;
    perform private.audit(v_me, v_shop, 'exemption', v_id, 'requested', jsonb_build_object('term', v_in ->> 'term'));
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id, 'version', 1));
exception when check_violation or not_null_violation or invalid_datetime_format or datetime_field_overflow or invalid_text_representation then
    perform private.fail('PT422', 'exemption.bad_value');
end;
$$;
grant execute on function public.request_exemption(uuid, jsonb) to authenticated;
comment on function public.request_exemption(uuid, jsonb) is
    'Operations, managers: {shop_id, product_id or sku (none: the whole shop), term, reason, note, valid_until (at most three years)}. exemption.term (never found here), exemption.not_possible, exemption.expiry, exemption.bad_value, shop.none, listing.product.';

create or replace function private.exemption_to_change(p_id bigint, p_version integer, p_states text[]) returns public.exemptions
language plpgsql set search_path = '' as $$
declare
    v public.exemptions;
begin
    select * into v from public.exemptions where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'exemption.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'exemption.stale', jsonb_build_object('at', v.updated_at));
    end if;
    if v.state <> all (p_states) then
        perform private.fail('PT409', 'exemption.state', jsonb_build_object('state', v.state));
    end if;
    return v;
end;
$$;
comment on function private.exemption_to_change(bigint, integer, text[]) is 'Locks an exemption of my shops: exemption.none, exemption.stale, exemption.state.';

create or replace function public.add_evidence(p_request_id uuid, p_exemption_id bigint, p_name text, p_content text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'add_evidence',
        jsonb_build_array(p_exemption_id, p_name, private.sha256(coalesce(p_content, ''))));
    v_content bytea;
    v_id bigint;
    v_count integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.exemption_to_change(p_exemption_id, (select e.version from public.exemptions e where e.id = p_exemption_id), array['requested']);
    if char_length(coalesce(p_content, '')) > 7200000 then
        perform private.fail('PT422', 'evidence.too_large', '{"limit": 5}');
    end if;
    v_content := decode(p_content, 'base64');
    if octet_length(v_content) > 5242880 then
        perform private.fail('PT422', 'evidence.too_large', '{"limit": 5}');
    end if;
    if private.mime_of(v_content) is null then
        perform private.fail('PT422', 'evidence.type');
    end if;
    select count(*) into v_count from private.evidence_files where exemption_id = p_exemption_id;
    if v_count >= 5 then
        perform private.fail('PT422', 'evidence.too_many', '{"limit": 5}');
    end if;
    insert into private.evidence_files (exemption_id, name, mime, content, uploaded_by, uploaded_at)
    values (p_exemption_id, left(regexp_replace(coalesce(nullif(btrim(p_name), ''), 'file'), '[[:cntrl:]/\\]', '_', 'g'), 120),
        private.mime_of(v_content), v_content, v_me.member_id, v_now) returning id into v_id;
    update public.exemptions set updated_at = v_now where id = p_exemption_id;
    perform private.audit(v_me, (select shop_id from public.exemptions where id = p_exemption_id), 'exemption', p_exemption_id,
        'evidence_added', jsonb_build_object('file', v_id));
    return private.finish_request(p_request_id, jsonb_build_object('id', v_id));
exception when invalid_parameter_value then
    perform private.fail('PT422', 'evidence.type');
end;
$$;
grant execute on function public.add_evidence(uuid, bigint, text, text) to authenticated;
comment on function public.add_evidence(uuid, bigint, text, text) is
    'Operations, managers: a file (base64; PDF, PNG or JPEG by content, at most 5 MB, at most five) for an exemption that waits for its decision. evidence.too_large, evidence.type, evidence.too_many, exemption.none, exemption.state.';

create or replace function public.read_evidence(p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager', 'analyst', 'admin']);
    v record;
begin
    select f.id, f.name, f.mime, f.content, e.id as exemption_id, e.shop_id into v
    from private.evidence_files f join public.exemptions e on e.id = f.exemption_id
    where f.id = p_id and e.shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'evidence.none');
    end if;
    perform private.audit(v_me, v.shop_id, 'exemption', v.exemption_id, 'evidence_read', jsonb_build_object('file', v.id));
    return jsonb_build_object('name', v.name, 'mime', v.mime, 'content', replace(encode(v.content, 'base64'), e'\n', ''));
end;
$$;
grant execute on function public.read_evidence(bigint) to authenticated;
comment on function public.read_evidence(bigint) is 'Operations, managers, analysts, admins of the shop: a file of evidence {name, mime, content (base64)}; recorded. evidence.none.';

create or replace function public.decide_exemption(p_request_id uuid, p_id bigint, p_version integer, p_approve boolean, p_note text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_exemption', jsonb_build_array(p_id, p_version, p_approve, p_note));
    v public.exemptions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.exemption_to_change(p_id, p_version, array['requested']);
    if v.requested_by = v_me.member_id then
        perform private.fail('PT403', 'exemption.own');
    end if;
    if p_approve and not exists (select from private.evidence_files f where f.exemption_id = p_id) then
        perform private.fail('PT409', 'exemption.no_evidence');
    end if;
    if not p_approve and btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'exemption.note_missing');
    end if;
    update public.exemptions set state = case when p_approve then 'approved' else 'refused' end, decided_by = v_me.member_id,
        decided_at = v_now, decision_note = left(btrim(p_note), 300) where id = p_id returning * into v;
    if p_approve then
        perform private.settle_term(v.shop_id, v.term, v_now);
        perform private.enqueue('settle_exemption', jsonb_build_object('exemption_id', p_id, 'shop_id', v.shop_id), 'exemption:' || p_id,
            ((v.valid_until + 1)::timestamp at time zone (select timezone from public.shops where id = v.shop_id)));
    end if;
    perform private.audit(v_me, v.shop_id, 'exemption', p_id, v.state, jsonb_build_object('term', v.term));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.decide_exemption(uuid, bigint, integer, boolean, text) to authenticated;
comment on function public.decide_exemption(uuid, bigint, integer, boolean, text) is
    'A manager of the shop approves a request that has evidence, or refuses it with a note; never the one who asked: exemption.own. exemption.no_evidence, exemption.note_missing, exemption.none, exemption.stale, exemption.state.';

create or replace function public.revoke_exemption(p_request_id uuid, p_id bigint, p_version integer, p_note text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['operations', 'manager']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'revoke_exemption', jsonb_build_array(p_id, p_version, p_note));
    v public.exemptions;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.exemption_to_change(p_id, p_version, array['requested', 'approved']);
    if v.state = 'approved' and v_me.role <> 'manager' then
        perform private.fail('PT403', 'exemption.manager');
    end if;
    if btrim(coalesce(p_note, '')) = '' then
        perform private.fail('PT422', 'exemption.note_missing');
    end if;
    update public.exemptions set state = 'revoked', decision_note = left(btrim(p_note), 300), decided_by = v_me.member_id, decided_at = v_now
    where id = p_id returning * into v;
    perform private.settle_term(v.shop_id, v.term, v_now);
    perform private.audit(v_me, v.shop_id, 'exemption', p_id, 'revoked', jsonb_build_object('term', v.term));
    return private.finish_request(p_request_id, jsonb_build_object('id', p_id, 'version', v.version, 'state', v.state));
end;
$$;
grant execute on function public.revoke_exemption(uuid, bigint, integer, text) to authenticated;
comment on function public.revoke_exemption(uuid, bigint, integer, text) is
    'A manager takes an approved exemption back (operations: only a request), with a note; what it allowed is judged again. exemption.manager, exemption.note_missing, exemption.none, exemption.stale, exemption.state.';

create or replace function public.exemption_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
begin
    p := coalesce(private.as_json(p), '{}');
    return (select coalesce(jsonb_agg(to_jsonb(x) order by x.id desc), '[]') from (
        select e.id, e.shop_id, s.name as shop_name, e.product_id, d.sku, d.name as product_name, e.term, e.category, e.reason, e.note,
            e.valid_until, e.state, e.version, e.requested_by, a.display_name as requested_by_name, e.requested_at,
            b.display_name as decided_by_name, e.decided_at, e.decision_note,
            e.valid_until < (v_now at time zone s.timezone)::date as is_expired,
            v_me.role = 'manager' and e.state = 'requested' and e.requested_by <> v_me.member_id as can_decide,
            (select coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'name', f.name, 'mime', f.mime, 'size', octet_length(f.content),
                'uploaded_at', f.uploaded_at) order by f.id), '[]') from private.evidence_files f where f.exemption_id = e.id) as files
        from public.exemptions e join public.shops s on s.id = e.shop_id join public.members a on a.id = e.requested_by
        left join public.members b on b.id = e.decided_by left join public.products d on d.id = e.product_id
        where e.shop_id in (select private.my_shop_ids())
          and (p ->> 'shop_id' is null or e.shop_id = (p ->> 'shop_id')::bigint)
          and (p ->> 'state' is null or e.state = p ->> 'state') and (p ->> 'term' is null or e.term = p ->> 'term')
          and (p ->> 'after' is null or e.id < (p ->> 'after')::bigint)
        order by e.id desc limit least(greatest(coalesce((p ->> 'limit')::integer, 50), 1), 200)) x);
exception when invalid_text_representation or numeric_value_out_of_range then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.exemption_list(jsonb) to authenticated;
comment on function public.exemption_list(jsonb) is
    'Members: exemptions of my shops with their files, newest first. p: shop_id, state, term, after (last id), limit. filter.bad.';

create or replace function public.service_settle_exemption(p_id bigint) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v public.exemptions;
begin
    select * into v from public.exemptions where id = p_id;
    if found then
        perform private.settle_term(v.shop_id, v.term, private.now());
    end if;
    return coalesce(v.id, 0);
end;
$$;
grant execute on function public.service_settle_exemption(bigint) to service_role;
comment on function public.service_settle_exemption(bigint) is 'Service: judges the listings again that an exemption allowed, on the day after its last.';
