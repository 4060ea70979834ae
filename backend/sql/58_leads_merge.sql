-- 58 ------------------------------------------------------------------------------------------ leads: two that may be one
--
-- What has the same phone, WeChat, e-mail or buyer account is proposed, never merged by itself. A person chooses field by
-- field; the newer lead stays as a record that says where it went, with its contact and its history.

create or replace function private.propose_merges(p_ids bigint[], p_now timestamptz) returns integer
language sql set search_path = '' as $$
    with mine as materialized (
        select l.id, l.shop_id, l.buyer_account, c.phone_hash, c.wechat_hash, c.email_hash
        from public.leads l left join private.contacts c on c.id = l.contact_id where l.id = any (p_ids) and l.closed_at is null
    ), same as (
        select m.id, l.id as other, m.shop_id, 'buyer_account' as how from mine m
        join public.leads l on l.buyer_account = m.buyer_account and l.shop_id = m.shop_id and l.closed_at is null and l.id <> m.id
        union all
        select m.id, l.id, m.shop_id, 'phone' from mine m join private.contacts c on c.phone_hash = m.phone_hash and c.kind = 'lead'
        join public.leads l on l.contact_id = c.id and l.shop_id = m.shop_id and l.closed_at is null and l.id <> m.id
        union all
        select m.id, l.id, m.shop_id, 'wechat' from mine m join private.contacts c on c.wechat_hash = m.wechat_hash and c.kind = 'lead'
        join public.leads l on l.contact_id = c.id and l.shop_id = m.shop_id and l.closed_at is null and l.id <> m.id
        union all
        select m.id, l.id, m.shop_id, 'email' from mine m join private.contacts c on c.email_hash = m.email_hash and c.kind = 'lead'
        join public.leads l on l.contact_id = c.id and l.shop_id = m.shop_id and l.closed_at is null and l.id <> m.id
    ), oldest as (
        select s.id, s.shop_id, pg_catalog.min(s.other) as other from same s group by s.id, s.shop_id
    ), added as (
        insert into public.lead_merges (shop_id, lead_id, into_id, matched, created_at)
        select o.shop_id, greatest(o.id, o.other), least(o.id, o.other), pg_catalog.array_agg(distinct s.how), p_now
        from oldest o join same s on s.id = o.id and s.other = o.other group by 1, 2, 3
        on conflict do nothing returning 1
    )
    select pg_catalog.count(*)::integer from added
$$;
comment on function private.propose_merges(bigint[], timestamptz) is
    'Proposes for each of these leads the oldest open lead of the shop with one contact in common; what was rejected once is not asked again.';

create or replace function private.merge_for_decision(p_me private.actor, p_id bigint) returns public.lead_merges
language plpgsql set search_path = '' as $$
declare
    v public.lead_merges;
begin
    select * into v from public.lead_merges where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'lead.merge_none');
    elsif v.state <> 'open' then
        perform private.fail('PT409', 'lead.merge_decided');
    end if;
    perform from public.leads l where l.id in (v.lead_id, v.into_id) order by l.id for update;
    if not private.oversees(p_me) and exists (select from public.leads l where l.id in (v.lead_id, v.into_id)
        and l.owner_id <> (p_me).member_id) then
        perform private.fail('PT403', 'lead.not_yours', (select pg_catalog.jsonb_build_object('number', 'L-' || l.id, 'who', m.display_name)
            from public.leads l join public.members m on m.id = l.owner_id
            where l.id in (v.lead_id, v.into_id) and l.owner_id <> (p_me).member_id limit 1));
    end if;
    return v;
end;
$$;
comment on function private.merge_for_decision(private.actor, bigint) is
    'Locks a proposal and both leads, for whoever owns them (or the pool does), a manager or the 当班主管: lead.merge_none, lead.merge_decided, lead.not_yours.';

create or replace function private.check_taken_contact(p_from bigint, p_take text[], p_contact jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v private.contacts;
begin
    select * into v from private.contacts where id = p_from;
    if exists (select from (values ('phone', v.phone_hash), ('wechat', v.wechat_hash), ('email', v.email_hash), ('name', v.name_hash)) k (kind, hash)
        where k.kind = any (p_take) and (k.hash is null or p_contact ->> (k.kind || '_hash') is distinct from k.hash
            or not private.is_cipher(p_contact ->> k.kind) or p_contact ->> k.kind is null)) then
        perform private.fail('PT422', 'contact.form');
    end if;
end;
$$;
comment on function private.check_taken_contact(bigint, text[], jsonb) is
    'A ciphertext is bound to its row, so the app encrypts what is taken over anew; the index proves that it is the other lead''s. contact.form.';

create or replace function private.take_fields(p_from public.leads, p_into public.leads, p_take text[], p_contact jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.check_taken_contact(p_from.contact_id, p_take, p_contact);
    if p_take && array['name', 'phone', 'wechat', 'email'] then
        perform private.change_lead_contact(p_into, p_contact, pg_catalog.jsonb_build_object(
            'name_masked', case when 'name' = any (p_take) then p_from.name_masked end,
            'phone_masked', case when 'phone' = any (p_take) then p_from.phone_masked end,
            'wechat_masked', case when 'wechat' = any (p_take) then p_from.wechat_masked end,
            'email_masked', case when 'email' = any (p_take) then p_from.email_masked end));
    end if;
    update public.leads set
        buyer_account = case when 'buyer_account' = any (p_take) then p_from.buyer_account else buyer_account end,
        buyer_masked = case when 'buyer_account' = any (p_take) then p_from.buyer_masked else buyer_masked end,
        needs = case when 'needs' = any (p_take) then (array(select distinct n from pg_catalog.unnest(needs || p_from.needs) n))[1:10] else needs end,
        source = case when 'source' = any (p_take) then p_from.source else source end,
        intent = case when 'intent' = any (p_take) then p_from.intent else intent end,
        budget = case when 'budget' = any (p_take) then p_from.budget else budget end,
        membership = case when 'membership' = any (p_take) then p_from.membership else membership end,
        asked_at = greatest(asked_at, p_from.asked_at)
    where id = p_into.id;
end;
$$;

create or replace function private.merge_leads(p_me private.actor, p_merge public.lead_merges, p_take text[], p_contact jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_from public.leads;
    v_into public.leads;
    v_clocks bigint[];
begin
    select * into v_from from public.leads where id = p_merge.lead_id;
    select * into v_into from public.leads where id = p_merge.into_id;
    if v_from.closed_at is not null or v_into.closed_at is not null then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || case when v_from.closed_at is null then v_into.id else v_from.id end,
            'state', case when v_from.closed_at is null then v_into.state else v_from.state end));
    end if;
    perform private.take_fields(v_from, v_into, p_take, p_contact);
    update public.lead_owners set until = p_now, ended_as = 'merged' where lead_id = v_from.id and until is null;
    update public.leads set state = 'merged', merged_into = v_into.id, closed_at = p_now, owner_id = null, owned_since = null, due_at = null, due_sort = p_now
    where id = v_from.id;
    select array[pg_catalog.min(c.id) filter (where c.entity_id = v_from.id), pg_catalog.min(c.id) filter (where c.entity_id = v_into.id)]
    into v_clocks from public.sla_clocks c where c.entity = 'lead' and c.entity_id in (v_from.id, v_into.id) and c.stopped_at is null;
    if v_clocks[1] is not null and v_clocks[2] is not null then
        perform private.merge_clock(v_clocks[1], v_clocks[2], p_now, (p_me).member_id);
    else
        perform private.end_lead_clocks(array[v_from.id], 'merged', (p_me).member_id, p_now);
    end if;
    perform private.audit(p_me, v_from.shop_id, 'lead', v_from.id, 'merged', pg_catalog.jsonb_build_object('into', v_into.id, 'taken', p_take));
    perform private.audit(p_me, v_into.shop_id, 'lead', v_into.id, 'merged_in', pg_catalog.jsonb_build_object('from', v_from.id, 'taken', p_take));
    if v_into.grade_by = 'rule' then
        perform private.regrade_by_rule(p_me, array[v_into.id], p_now);
    end if;
end;
$$;
comment on function private.merge_leads(private.actor, public.lead_merges, text[], jsonb, timestamptz) is
    'The newer lead ends in the older one, with the chosen fields; the earlier of both deadlines stays.';

create or replace function public.decide_merge(
    p_request_id uuid, p_id bigint, p_decision text, p_take jsonb default '[]', p_contact jsonb default '{}'
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_take text[];
    v_answer jsonb := private.begin_request(p_request_id, 'decide_merge', pg_catalog.jsonb_build_array(p_id, p_decision, private.as_json(p_take)));
    v_now timestamptz := private.now();
    v_merge public.lead_merges;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_take := array(select pg_catalog.jsonb_array_elements_text(coalesce(private.as_json(p_take), '[]')));
    if coalesce(p_decision, '') not in ('merge', 'reject') or not v_take <@ array['name', 'phone', 'wechat', 'email', 'buyer_account', 'needs',
        'source', 'intent', 'budget', 'membership'] then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
    v_merge := private.merge_for_decision(v_me, p_id);
    if p_decision = 'merge' then
        perform private.merge_leads(v_me, v_merge, v_take, coalesce(private.as_json(p_contact), '{}'), v_now);
    end if;
    update public.lead_merges set state = case p_decision when 'merge' then 'merged' else 'rejected' end,
        taken = case when p_decision = 'merge' and id = p_id then v_take end, decided_by = v_me.member_id, decided_at = v_now
    where id = p_id;
    if p_decision = 'merge' then
        update public.lead_merges set state = 'rejected', decided_at = v_now where state = 'open' and v_merge.lead_id in (lead_id, into_id);
        perform private.propose_merges(array[v_merge.into_id], v_now);
    else
        perform private.audit(v_me, v_merge.shop_id, 'lead', v_merge.lead_id, 'merge_rejected', pg_catalog.jsonb_build_object('other', v_merge.into_id));
    end if;
    return private.finish_request(p_request_id, private.lead_answer(v_merge.into_id));
exception when data_exception then
    perform private.fail('PT422', 'lead.bad_value');
end;
$$;
grant execute on function public.decide_merge(uuid, bigint, text, jsonb, jsonb) to authenticated;
comment on function public.decide_merge(uuid, bigint, text, jsonb, jsonb) is
    'Owner of both leads (or of one beside the pool), manager, 当班主管: merge (p_take: fields taken from the newer one: name, phone, wechat, email, buyer_account, needs, source, intent, budget, membership; p_contact: their ciphertexts for the older one''s contact, with the same indexes) or reject. lead.merge_none, lead.merge_decided, lead.not_yours, lead.state, contact.form, lead.bad_value.';
