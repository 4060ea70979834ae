-- 55 ------------------------------------------------------- review: correcting and opening a contact, an order's story

-- Correcting the contact ----------------------------------------------------------------------------------------------

create or replace function private.order_to_correct(p_me private.actor, p_order_id bigint, p_version integer, p_now timestamptz)
returns public.orders
language plpgsql set search_path = '' as $$
declare
    v public.orders;
    v_review public.order_reviews;
begin
    select * into v from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'order.none');
    end if;
    if v.version is distinct from p_version then
        perform private.fail('PT409', 'order.stale', jsonb_build_object('at', v.updated_at, 'version', v.version));
    end if;
    if v.released_at is not null then
        perform private.fail('PT409', 'order.released', jsonb_build_object('order_no', v.order_no));
    end if;
    if v.status not in ('to_ship', 'unpaid') then
        perform private.fail('PT409', 'order.not_waiting', jsonb_build_object('order_no', v.order_no));
    end if;
    select * into v_review from public.order_reviews where order_id = p_order_id;
    if v_review.owner_id <> (p_me).member_id and v_review.claim_until > p_now then
        perform private.fail('PT409', 'review.claimed', jsonb_build_object('until', v_review.claim_until,
            'who', (select display_name from public.members where id = v_review.owner_id)));
    end if;
    return v;
end;
$$;
comment on function private.order_to_correct(private.actor, bigint, integer, timestamptz) is
    'Locks the order: order.none, order.stale, order.released, order.not_waiting, review.claimed.';

create or replace function private.is_reserved(p_contact_id bigint) returns boolean
language sql volatile set search_path = '' as $$
    select coalesce(p_contact_id between 1 and (select s.last_value from private.contact_ids s where s.is_called), false)
$$;
comment on function private.is_reserved(bigint) is 'Whether reserve_contact_ids gave this id to somebody: one that it will give later must stay free.';

drop function if exists private.store_contact(bigint, jsonb); -- until tickets and leads had contacts of their own

create or replace function private.store_contact(p_contact_id bigint, p_contact jsonb, p_kind text default 'order') returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint := coalesce(p_contact_id, case when private.is_id(p_contact ->> 'id') then (p_contact ->> 'id')::bigint end);
begin
    if v_id is null or not private.is_reserved(v_id) then
        perform private.fail('PT422', 'contact.form');
    end if;
    if exists (select from jsonb_each_text(p_contact) c
        where c.key in ('name', 'phone', 'address', 'note', 'wechat', 'email') and not private.is_cipher(c.value)) then
        perform private.fail('PT422', 'contact.form');
    end if;
    insert into private.contacts as c (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher, wechat_cipher, email_cipher,
        name_hash, phone_hash, phone_last4_hash, wechat_hash, email_hash)
    values (v_id, p_kind, p_contact ->> 'name', p_contact ->> 'phone', p_contact ->> 'address', p_contact ->> 'note', p_contact ->> 'wechat',
            p_contact ->> 'email', p_contact ->> 'name_hash', p_contact ->> 'phone_hash', p_contact ->> 'phone_last4_hash',
            p_contact ->> 'wechat_hash', p_contact ->> 'email_hash')
    on conflict (id) do update set
        name_cipher = coalesce(excluded.name_cipher, c.name_cipher), name_hash = coalesce(excluded.name_hash, c.name_hash),
        phone_cipher = coalesce(excluded.phone_cipher, c.phone_cipher),
        phone_hash = case when excluded.phone_cipher is null then c.phone_hash else excluded.phone_hash end,
        phone_last4_hash = case when excluded.phone_cipher is null then c.phone_last4_hash else excluded.phone_last4_hash end,
        address_cipher = coalesce(excluded.address_cipher, c.address_cipher),
        note_cipher = coalesce(excluded.note_cipher, c.note_cipher),
        wechat_cipher = coalesce(excluded.wechat_cipher, c.wechat_cipher), wechat_hash = coalesce(excluded.wechat_hash, c.wechat_hash),
        email_cipher = coalesce(excluded.email_cipher, c.email_cipher), email_hash = coalesce(excluded.email_hash, c.email_hash)
    where c.id = p_contact_id;
    if not found then
        perform private.fail('PT409', 'contact.taken');
    end if;
    return v_id;
end;
$$;
comment on function private.store_contact(bigint, jsonb, text) is
    'Writes what was corrected and keeps the rest. contact.form (no ciphertext, no id), contact.taken (the id belongs to another record).';

create or replace function public.correct_order(
    p_request_id uuid, p_order_id bigint, p_version integer, p_contact jsonb, p_province text, p_city text, p_district text,
    p_facts_hash text
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer('{}');
    v_now timestamptz := private.now();
    v_contact jsonb := coalesce(private.as_json(p_contact), '{}');
    v_answer jsonb := private.begin_request(p_request_id, 'correct_order', jsonb_build_array(p_order_id,
        p_version, v_contact - '{name,phone,address,note}'::text[], p_province, p_city, p_district, p_facts_hash));
    v_order public.orders;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if jsonb_typeof(v_contact) <> 'object' or coalesce(p_facts_hash, '') !~ '^[a-p]{64}$' or not private.is_masked(v_contact ->> 'name_masked', v_contact ->> 'phone_masked')
        or not (private.is_region(p_province) and private.is_region(p_city) and private.is_region(p_district)) then
        perform private.fail('PT422', 'contact.form');
    end if;
    v_order := private.order_to_correct(v_me, p_order_id, p_version, v_now);
    update public.orders set contact_id = private.store_contact(v_order.contact_id, v_contact),
        receiver_masked = coalesce(v_contact ->> 'name_masked', receiver_masked),
        phone_masked = coalesce(v_contact ->> 'phone_masked', phone_masked),
        contact_state = coalesce(v_contact ->> 'state', 'ok'),
        province = p_province, city = p_city, district = p_district,
        platform_facts_hash = coalesce(platform_facts_hash, facts_hash), facts_hash = p_facts_hash,
        checked_facts_hash = null -- whatever hash a caller names, an older verdict is not one about this contact
    where id = p_order_id returning * into v_order;
    perform private.audit(v_me, v_order.shop_id, 'order', p_order_id, 'contact_corrected', jsonb_build_object('fields',
        (select jsonb_agg(k order by k) from jsonb_object_keys(v_contact) k where k in ('name', 'phone', 'address'))));
    perform private.settle_claims(v_me, array[p_order_id], 'resume', v_now);
    return private.finish_request(p_request_id,
        jsonb_build_object('order_id', p_order_id, 'version', v_order.version, 'contact_id', v_order.contact_id));
end;
$$;
grant execute on function public.correct_order(uuid, bigint, integer, jsonb, text, text, text, text) to authenticated;
comment on function public.correct_order(uuid, bigint, integer, jsonb, text, text, text, text) is
    'Reviewers (not the warehouse): what the customer said is right. p_contact {id?, name?, phone?, address?, note?: ciphertexts, hashes, masks, state}; the order is unchecked until the service stores the verdict on p_facts_hash. order.none, order.stale, order.released, order.not_waiting, review.claimed, contact.form, contact.taken.';

-- Opening personal data -----------------------------------------------------------------------------------------------

create or replace function private.watch_reveals(p_me private.actor, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    if ((select count(*) from public.audit_events where member_id = (p_me).member_id and at > p_now - interval '1 hour'
            and action = 'contact_revealed' and not (detail ->> 'claimed')::boolean) > 30
        or (select count(*) from public.audit_events where member_id = (p_me).member_id and at > p_now - interval '1 hour'
            and action = 'contact_revealed') > 90)
        and not exists (select from public.audit_events where entity = 'member' and entity_id = (p_me).member_id
            and action = 'reveals_many' and at > p_now - interval '1 hour') then
        perform private.audit(p_me, null, 'member', (p_me).member_id, 'reveals_many', '{"limit": 30, "minutes": 60}');
    end if;
end;
$$;
comment on function private.watch_reveals(private.actor, timestamptz) is
    'More than 30 reveals an hour outside one''s claimed items, or 90 in all, are told to the managers, once an hour.';

create or replace function private.order_to_reveal(p_me private.actor, p_id bigint, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('shop_id', o.shop_id, 'contact_id', o.contact_id, 'contact_state', o.contact_state, 'version', o.version,
        'claimed', exists (select from public.order_reviews r
            where r.order_id = o.id and r.owner_id = (p_me).member_id and r.claim_until > p_now))
    from public.orders o where o.id = p_id and o.shop_id in (select private.my_shop_ids())
$$;
comment on function private.order_to_reveal(private.actor, bigint, timestamptz) is
    'What reveal_contact asks of an area: {shop_id, contact_id, contact_state, version, claimed}, for a ticket also refusal (a message key), or null for a record that is not mine to see.';

create or replace function private.to_reveal(p_me private.actor, p_entity text, p_id bigint, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    case p_entity
        when 'order' then return private.order_to_reveal(p_me, p_id, p_now);
        when 'ticket' then return private.ticket_to_reveal(p_me, p_id, p_now);
        when 'lead' then return private.lead_to_reveal(p_me, p_id);
        else return null;
    end case;
end;
$$;
comment on function private.to_reveal(private.actor, text, bigint, timestamptz) is 'The contact of a record, by area; null where there is none to see.';

create or replace function public.reveal_contact(p_entity text, p_id bigint, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'warehouse', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_found jsonb := private.to_reveal(v_me, p_entity, p_id, v_now);
    v_claimed boolean := coalesce((v_found ->> 'claimed')::boolean, false);
begin
    if v_found is null then
        perform private.fail('PT404', case p_entity when 'ticket' then 'ticket.none' when 'lead' then 'lead.none' else 'order.none' end);
    end if;
    if v_found ->> 'refusal' is not null then
        perform private.fail('PT403', v_found ->> 'refusal', jsonb_build_object('id', p_id));
    end if;
    if not v_claimed and coalesce(p_reason, '')
        not in ('contact_customer', 'address_check', 'courier', 'after_sales', 'complaint', 'audit') then
        perform private.fail('PT422', 'reveal.reason');
    end if;
    perform private.audit(v_me, (v_found ->> 'shop_id')::bigint, p_entity, p_id, 'contact_revealed',
        jsonb_strip_nulls(jsonb_build_object('claimed', v_claimed, 'reason', p_reason)));
    perform private.watch_reveals(v_me, v_now);
    return (select jsonb_build_object('contact_id', c.id, 'contact_state', v_found ->> 'contact_state', 'version', v_found -> 'version',
                'name', c.name_cipher, 'phone', c.phone_cipher, 'address', c.address_cipher, 'note', c.note_cipher)
                || case p_entity when 'lead' then jsonb_build_object('wechat', c.wechat_cipher, 'email', c.email_cipher,
                    'buyer_account', v_found -> 'buyer_account') else '{}' end
            from (select (v_found ->> 'contact_id')::bigint as id) o left join private.contacts c on c.id = o.id);
end;
$$;
grant execute on function public.reveal_contact(text, bigint, text) to authenticated;
comment on function public.reveal_contact(text, bigint, text) is
    'Everybody but analysts: the ciphertexts of the contact of an order, a ticket or a lead (its owner, managers, admins; with WeChat, e-mail and buyer account), each time recorded. My claimed item is the reason; otherwise one of contact_customer, address_check, courier, after_sales, complaint, audit. order.none, ticket.none, ticket.contact_claim, lead.none, lead.contact_hidden, reveal.reason.';

-- What happened -------------------------------------------------------------------------------------------------------

create or replace function public.order_timeline(p_order_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
begin
    if not exists (select from public.orders where id = p_order_id and shop_id in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'order.none');
    end if;
    return (
        with told (at, action, who, actor, detail) as (
            select a.at, a.action, m.display_name, a.actor, a.detail
            from public.audit_events a left join public.members m on m.id = a.member_id
            where a.entity = 'order' and a.entity_id = p_order_id
            union all
            select e.detected_at, 'exception_found', null, 'system', jsonb_build_object('kind', e.kind)
            from public.order_exceptions e where e.order_id = p_order_id
            union all
            select e.decided_at, 'exception_cleared', null, 'system', jsonb_build_object('kind', e.kind)
            from public.order_exceptions e where e.order_id = p_order_id and e.decided_as = 'system'
            union all
            select v.at, 'clock_' || v.kind, m.display_name, 'system', jsonb_strip_nulls(jsonb_build_object('due_at', v.due_at, 'reason', v.reason))
            from public.sla_clocks c join public.sla_clock_events v on v.clock_id = c.id left join public.members m on m.id = v.actor_id
            where c.entity = 'order_review' and c.entity_id = p_order_id
            union all
            select x.at, x.action, null, 'platform', '{}'
            from public.orders o cross join lateral (values (o.placed_at, 'placed'), (o.paid_at, 'paid'), (o.shipped_at, 'shipped'),
                (o.signed_at, 'signed'), (o.completed_at, 'completed')) x (at, action)
            where o.id = p_order_id and x.at is not null)
        select coalesce(jsonb_agg(to_jsonb(t) order by t.at desc, t.action), '[]') from (select * from told order by at desc limit 200) t);
end;
$$;
grant execute on function public.order_timeline(bigint) to authenticated;
comment on function public.order_timeline(bigint) is
    'Readers of the order: what happened to it, newest first [{at, action, who, actor, detail}], free of personal data; at most 200. order.none.';
