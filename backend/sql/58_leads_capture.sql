-- 58 ---------------------------------------------------------------------------------------- leads: how they are captured
--
-- One row of facts, whatever way it came: typed, pasted, from a chat or an order, from a file, from a form. The words needed
-- are few: a name or nickname, one contact, what it is about.

create or replace function private.lead_contact_kinds(p_row jsonb) returns text[]
language sql immutable set search_path = '' as $$
    select array(select k from (values ('phone', p_row #>> '{contact,phone_hash}'), ('wechat', p_row #>> '{contact,wechat_hash}'),
        ('email', p_row #>> '{contact,email_hash}'), ('buyer_account', nullif(p_row ->> 'buyer_account', ''))) c (k, v) where v is not null)
$$;

create or replace function private.is_lead_contact(p_contact jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
    return coalesce(pg_catalog.jsonb_typeof(p_contact) = 'object' and private.is_id(p_contact ->> 'id')
        and private.is_reserved((p_contact ->> 'id')::bigint)
        and not exists (select from pg_catalog.jsonb_each_text(p_contact) c
            where (c.key in ('name', 'phone', 'wechat', 'email', 'note') and not private.is_cipher(c.value))
               or (c.key like '%hash' and c.value !~ '^[a-p]{16,128}$'))
        and not exists (select from pg_catalog.unnest(array['phone', 'wechat', 'email']) k
            where p_contact ->> (k || '_hash') is not null and p_contact ->> k is null), false);
end;
$$;
comment on function private.is_lead_contact(jsonb) is 'A reserved id and ciphertexts; an index only beside its ciphertext. What has no index (a masked phone) can reach nobody.';

create or replace function private.is_phone_alone(p_text text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(normalize(p_text, NFKC) ~ '^[0-9 +-]+$'
        and pg_catalog.regexp_replace(normalize(p_text, NFKC), '[^0-9]', '', 'g') ~ '^(0|86|0086)?1[3-9][0-9]{9}$', false)
$$;
comment on function private.is_phone_alone(text) is 'Whether a text is a mobile number and nothing else: as a buyer account it would lie there readable.';

create or replace function private.lead_refusal(p_row jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
    if p_row -> 'contact' <> 'null' and not private.is_lead_contact(p_row -> 'contact') then
        return 'contact.form';
    elsif coalesce(p_row ->> 'name_masked', p_row ->> 'buyer_account', '') = '' then
        return 'lead.name_missing';
    elsif private.lead_contact_kinds(p_row) = '{}' then
        return 'lead.contact_missing';
    elsif private.is_phone_alone(p_row ->> 'buyer_account') then
        return 'lead.buyer_phone';
    elsif pg_catalog.jsonb_typeof(p_row -> 'needs') is distinct from 'array' or p_row -> 'needs' = '[]' then
        return 'lead.needs_missing';
    elsif not private.are_tags(array(select pg_catalog.jsonb_array_elements_text(p_row -> 'needs'))) then
        return 'lead.bad_tag';
    elsif not (private.is_masked(p_row ->> 'name_masked', p_row ->> 'phone_masked') and private.is_short_mask(p_row ->> 'wechat_masked')
        and private.is_short_mask(p_row ->> 'email_masked')) or pg_catalog.char_length(p_row ->> 'buyer_account') > 60 then
        return 'contact.form';
    end if;
    perform (p_row ->> 'asked_at')::timestamptz;
    return case when coalesce(p_row ->> 'source', '') = any (array['asked_unpaid', 'live', 'enterprise', 'form', 'chat', 'order', 'campaign', 'other'])
        and coalesce(p_row ->> 'intent', 'unknown') = any (array['high', 'medium', 'low', 'unknown'])
        and coalesce(p_row ->> 'budget', 'unknown') = any (array['high', 'enough', 'low', 'unknown'])
        and coalesce(p_row ->> 'membership', 'gold') = any (array['silver', 'gold', 'diamond']) then null else 'lead.bad_value' end;
exception when data_exception then
    return 'lead.bad_value';
end;
$$;
comment on function private.lead_refusal(jsonb) is
    'Why a captured row is no lead, or null: contact.form, lead.name_missing, lead.contact_missing, lead.buyer_phone, lead.needs_missing, lead.bad_tag, lead.bad_value.';

create or replace function private.insert_leads(p_me private.actor, p_shop_id bigint, p_rows jsonb, p_via text, p_import_id bigint, p_now timestamptz)
returns bigint[]
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    insert into private.contacts (id, kind, name_cipher, phone_cipher, wechat_cipher, email_cipher, note_cipher, name_hash, phone_hash,
        phone_last4_hash, wechat_hash, email_hash)
    select c.id, 'lead', c.name, c.phone, c.wechat, c.email, c.note, c.name_hash, c.phone_hash, c.phone_last4_hash, c.wechat_hash, c.email_hash
    from pg_catalog.jsonb_array_elements(p_rows) r
    cross join lateral pg_catalog.jsonb_to_record(r -> 'contact') as c(id bigint, name text, phone text, wechat text, email text, note text,
        name_hash text, phone_hash text, phone_last4_hash text, wechat_hash text, email_hash text)
    where r -> 'contact' <> 'null';
    with added as (
        insert into public.leads (shop_id, source, via, needs, intent, budget, membership, graded_at, name_masked, phone_masked, wechat_masked,
            email_masked, buyer_masked, buyer_account, contact_id, free_at, captured_by, captured_at, asked_at, import_id, row_key)
        select p_shop_id, r.source, p_via, array(select distinct pg_catalog.jsonb_array_elements_text(r.needs)), coalesce(r.intent, 'unknown'),
            coalesce(r.budget, 'unknown'), r.membership, p_now, r.name_masked, r.phone_masked, r.wechat_masked, r.email_masked,
            pg_catalog.left(nullif(r.buyer_account, ''), 1) || '***', nullif(r.buyer_account, ''), (r.contact ->> 'id')::bigint, p_now,
            (p_me).member_id, p_now, least(coalesce(r.asked_at, p_now), p_now), p_import_id, r.row_key
        from pg_catalog.jsonb_array_elements(p_rows) with ordinality e (value, n)
        cross join lateral pg_catalog.jsonb_to_record(e.value) as r(source text, needs jsonb, intent text, budget text, membership text,
            name_masked text, phone_masked text, wechat_masked text, email_masked text, buyer_account text, contact jsonb,
            asked_at timestamptz, row_key text)
        order by e.n
        returning id, shop_id, source
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), shop_id, 'lead', id, 'captured',
            pg_catalog.jsonb_build_object('via', p_via, 'source', source) from added
    )
    select pg_catalog.array_agg(id order by id) into v_ids from added;
    return coalesce(v_ids, '{}');
exception when unique_violation then
    perform private.fail('PT409', 'contact.taken');
end;
$$;
comment on function private.insert_leads(private.actor, bigint, jsonb, text, bigint, timestamptz) is
    'Rows that lead_refusal has passed become leads of the pool, in their order; contact.taken. Nothing else happens to them yet.';

create or replace function private.add_leads(
    p_me private.actor, p_shop_id bigint, p_rows jsonb, p_via text, p_now timestamptz, p_keep boolean default false, p_import_id bigint default null
) returns bigint[]
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := private.insert_leads(p_me, p_shop_id, p_rows, p_via, p_import_id, p_now);
begin
    perform private.grade_leads(v_ids, p_now);
    perform private.start_lead_clocks(v_ids, (p_me).member_id, p_now);
    perform private.propose_merges(v_ids, p_now);
    if p_keep then
        perform private.give_leads(p_me, v_ids, (p_me).member_id, 'captured', null, p_now);
    elsif p_import_id is null then
        perform private.hand_out_leads(p_shop_id, p_now, v_ids);
    end if;
    return v_ids;
end;
$$;
comment on function private.add_leads(private.actor, bigint, jsonb, text, timestamptz, boolean, bigint) is
    'Capture: leads graded, their clocks started, duplicates proposed, and handed out (kept by the one who captured them; of an import: by the next tick).';

create or replace function private.captured_rows(p_ids bigint[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', l.id, 'number', 'L-' || l.id, 'grade', l.grade,
        'grade_reasons', l.grade_reasons, 'due_at', l.due_at, 'owner_id', l.owner_id, 'owner_name', m.display_name, 'version', l.version,
        'same_as', (select coalesce(pg_catalog.jsonb_agg('L-' || g.into_id order by g.into_id), '[]') from public.lead_merges g
            where g.lead_id = l.id and g.state = 'open')) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n) join public.leads l on l.id = u.id left join public.members m on m.id = l.owner_id
$$;

create or replace function private.without_contacts(p_rows jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_agg(case when pg_catalog.jsonb_typeof(r) = 'object' then r - 'contact' else r end)
    from pg_catalog.jsonb_array_elements(case when pg_catalog.jsonb_typeof(p_rows) = 'array' then p_rows else '[]' end) r
$$;
comment on function private.without_contacts(jsonb) is 'Rows without their ciphertexts, which differ each time the same request is made.';

create or replace function public.create_leads(p_request_id uuid, p_shop_id bigint, p_leads jsonb, p_via text default 'manual', p_keep boolean default false)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager']);
    v_rows jsonb := private.as_json(p_leads);
    v_answer jsonb := private.begin_request(p_request_id, 'create_leads',
        pg_catalog.jsonb_build_array(p_shop_id, private.without_contacts(v_rows), p_via, p_keep));
    v_good jsonb;
    v_bad jsonb;
    v_ids bigint[] := '{}';
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    if coalesce(p_via, '') <> all (array['manual', 'paste', 'chat', 'order']) or (p_keep and not private.can_sell(v_me.role, v_me.skills)) then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
    if pg_catalog.jsonb_typeof(v_rows) is distinct from 'array' or pg_catalog.jsonb_array_length(v_rows) not between 1 and 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    select coalesce(pg_catalog.jsonb_agg(r.value - 'row_key' order by r.n) filter (where c.refusal is null), '[]'),
        coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('row', r.n, 'refusal', c.refusal) order by r.n) filter (where c.refusal is not null), '[]')
    into v_good, v_bad
    from pg_catalog.jsonb_array_elements(v_rows) with ordinality r (value, n) cross join lateral private.lead_refusal(r.value) c (refusal);
    if v_good <> '[]' then
        v_ids := private.add_leads(v_me, p_shop_id, v_good, p_via, private.now(), coalesce(p_keep, false));
    end if;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('leads', private.captured_rows(v_ids), 'refused', v_bad));
end;
$$;
grant execute on function public.create_leads(uuid, bigint, jsonb, text, boolean) to authenticated;
comment on function public.create_leads(uuid, bigint, jsonb, text, boolean) is
    'Agents, operations, managers: captures up to 500 leads [{name_masked, phone_masked, wechat_masked, email_masked, contact {id, name, phone, wechat, email, note: ciphertexts, *_hash}, buyer_account, needs, source, intent, budget, membership, asked_at}]; p_via manual|paste|chat|order; p_keep: they are mine (presales). Answers {leads: [{id, number, grade, due_at, owner_name, same_as}], refused: [{row, refusal}]}. shop.none, bulk.too_many, lead.bad_value, contact.taken.';

-- Facts that change ---------------------------------------------------------------------------------------------------

create or replace function private.change_lead_contact(p_lead public.leads, p_contact jsonb, p_masks jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    if not private.is_lead_contact(p_contact || pg_catalog.jsonb_build_object('id', coalesce(p_lead.contact_id, (p_contact ->> 'id')::bigint))) then
        perform private.fail('PT422', 'contact.form');
    end if;
    update public.leads set contact_id = private.store_contact(p_lead.contact_id, p_contact, 'lead'),
        name_masked = coalesce(p_masks ->> 'name_masked', name_masked), phone_masked = coalesce(p_masks ->> 'phone_masked', phone_masked),
        wechat_masked = coalesce(p_masks ->> 'wechat_masked', wechat_masked), email_masked = coalesce(p_masks ->> 'email_masked', email_masked)
    where id = p_lead.id;
exception when check_violation or data_exception then
    perform private.fail('PT422', 'contact.form');
end;
$$;
comment on function private.change_lead_contact(public.leads, jsonb, jsonb) is
    'Parts of the contact that became known or were wrong, with their masks; the rest stays. contact.form, contact.taken.';

create or replace function public.update_lead(p_request_id uuid, p_id bigint, p_version integer, p_change jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_new jsonb := coalesce(private.as_json(p_change), '{}');
    v_answer jsonb := private.begin_request(p_request_id, 'update_lead',
        pg_catalog.jsonb_build_array(p_id, p_version, private.without_contacts(pg_catalog.jsonb_build_array(v_new))));
    v_now timestamptz := private.now();
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, array['pool', 'assigned', 'following']);
    if v_new ? 'needs' and v_new -> 'needs' = '[]' then
        perform private.fail('PT422', 'lead.needs_missing');
    elsif private.is_phone_alone(v_new ->> 'buyer_account') then
        perform private.fail('PT422', 'lead.buyer_phone');
    elsif pg_catalog.jsonb_typeof(v_new) <> 'object' or pg_catalog.char_length(v_new ->> 'buyer_account') > 60 then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
    update public.leads set
        needs = case when v_new ? 'needs' then array(select distinct pg_catalog.jsonb_array_elements_text(v_new -> 'needs')) else needs end,
        source = coalesce(v_new ->> 'source', source), intent = coalesce(v_new ->> 'intent', intent), budget = coalesce(v_new ->> 'budget', budget),
        membership = case when v_new ? 'membership' then v_new ->> 'membership' else membership end,
        buyer_account = coalesce(nullif(v_new ->> 'buyer_account', ''), buyer_account),
        buyer_masked = coalesce(pg_catalog.left(nullif(v_new ->> 'buyer_account', ''), 1) || '***', buyer_masked)
    where id = p_id;
    if v_new ? 'contact' then
        perform private.change_lead_contact(v_lead, v_new -> 'contact', v_new);
    end if;
    if v_new ?| array['contact', 'buyer_account'] then
        perform private.propose_merges(array[p_id], v_now);
    end if;
    perform private.audit(v_me, v_lead.shop_id, 'lead', p_id, 'changed', pg_catalog.jsonb_build_object('fields',
        (select pg_catalog.jsonb_agg(k order by k) from pg_catalog.jsonb_object_keys(v_new) k)));
    if v_lead.grade_by = 'rule' and v_new ?| array['source', 'intent', 'budget'] then
        perform private.regrade_by_rule(v_me, array[p_id], v_now);
    end if;
    return private.finish_request(p_request_id, private.captured_rows(array[p_id]) -> 0);
exception when check_violation or data_exception then
    perform private.fail('PT422', 'lead.bad_value');
end;
$$;
grant execute on function public.update_lead(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.update_lead(uuid, bigint, integer, jsonb) is
    'Owner, manager, 当班主管: what became known: needs, source, intent, budget, membership, buyer_account, contact {…} with its masks. A grade given by the rules follows. lead.none, lead.state, lead.not_yours, lead.stale, lead.needs_missing, lead.buyer_phone, lead.bad_value, contact.form, contact.taken.';
