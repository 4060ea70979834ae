-- 53 --------------------------------------------------------------------------------------------------- review: claims
--
-- A lease of twenty minutes that activity renews.

create or replace function private.lease_end(p_now timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$ select p_now + interval '20 minutes' $$;
comment on function private.lease_end(timestamptz) is 'A claim lasts twenty minutes from the last activity.';

create or replace function private.end_leases(p_now timestamptz) returns void
language sql set search_path = '' as $$
    update public.order_reviews set owner_id = null, claim_until = null
    where order_id in (
        select order_id from public.order_reviews
        where owner_id is not null and claim_until <= p_now for update skip locked)
$$;
comment on function private.end_leases(timestamptz) is 'Items whose owner has gone quiet are in the pool again.';

create or replace function private.take_items(p_me private.actor, p_order_ids bigint[], p_action text, p_now timestamptz)
returns jsonb
language sql set search_path = '' as $$
    with taken as (
        update public.order_reviews
        set owner_id = (p_me).member_id, claim_until = private.lease_end(p_now)
        where order_id = any (p_order_ids)
        returning order_id, shop_id, state, kinds, group_key, due_at, due_sort, claim_until, version
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action)
        select p_now, (p_me).member_id, (p_me).role, shop_id, 'order', order_id, p_action from taken
    )
    select coalesce(jsonb_agg(jsonb_build_object('order_id', order_id, 'state', state, 'kinds', kinds, 'group_key', group_key,
        'due_at', due_at, 'claim_until', claim_until, 'version', version) order by due_sort, order_id), '[]')
    from taken
$$;
comment on function private.take_items(private.actor, bigint[], text, timestamptz) is 'Makes the member owner of the items (checked and locked by the caller) and answers with them.';

create or replace function private.next_items(p_me private.actor, p_filter jsonb, p_count integer) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select r.order_id from public.order_reviews r
        where r.state = 'open' and r.owner_id is null
          and r.shop_id in (select private.my_shop_ids())
          and (p_filter ->> 'shop_id' is null or r.shop_id = (p_filter ->> 'shop_id')::bigint)
          and (p_filter ->> 'kind' is null or p_filter ->> 'kind' = any (r.kinds))
          and (p_filter ->> 'platform' is null
               or r.shop_id in (select s.id from public.shops s where s.platform = p_filter ->> 'platform'))
          and ((p_me).role <> 'warehouse' or 'out_of_stock' = any (r.kinds))
        order by r.due_sort, r.order_id
        limit p_count for update skip locked)
$$;
comment on function private.next_items(private.actor, jsonb, integer) is 'Locks the most urgent free items that nobody else is taking at this moment.';

create or replace function private.with_group(p_order_ids bigint[]) returns bigint[]
language sql volatile set search_path = '' as $$
    select p_order_ids || array(
        select g.order_id from public.order_reviews g
        where g.state = 'open' and g.owner_id is null and g.order_id <> all (p_order_ids)
          and exists (select from public.order_reviews r where r.order_id = any (p_order_ids)
                      and r.group_key = g.group_key and r.shop_id = g.shop_id)
        for update skip locked)
$$;
comment on function private.with_group(bigint[]) is 'The free members of the same groups come along: a group is decided by one person.';

create or replace function private.held_together(p_member_id bigint, p_order_ids bigint[]) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select h.order_id from public.order_reviews h
        where h.owner_id = p_member_id and (h.order_id = any (p_order_ids)
           or exists (select from public.order_reviews r where r.order_id = any (p_order_ids)
                      and r.owner_id = p_member_id and r.group_key = h.group_key and r.shop_id = h.shop_id))
        order by h.order_id for update)
$$;
comment on function private.held_together(bigint, bigint[]) is
    'Which of these items a member holds, with the rest of their groups that he holds too: a group never falls apart between two people.';

create or replace function public.claim_next(p_request_id uuid, p_filter jsonb default '{}', p_count integer default 1) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_next', jsonb_build_array(p_filter, p_count));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    if p_count is null or p_count not between 1 and 20 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 20}');
    end if;
    perform private.end_leases(v_now);
    v_answer := private.take_items(v_me,
        private.with_group(private.next_items(v_me, private.as_filter(p_filter), p_count)), 'claimed', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer));
end;
$$;
grant execute on function public.claim_next(uuid, jsonb, integer) to authenticated;
comment on function public.claim_next(uuid, jsonb, integer) is
    'Reviewers: the next free items by deadline (at most 20, and the rest of their duplicate groups), mine for 20 minutes; filter {shop_id, kind, platform}. Never the same item to two people. review.not_reviewer, bulk.too_many, filter.bad.';

create or replace function private.item_for_claim(p_me private.actor, p_order_id bigint) returns public.order_reviews
language plpgsql set search_path = '' as $$
declare
    v_item public.order_reviews;
begin
    select * into v_item from public.order_reviews
    where order_id = p_order_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'review.none');
    end if;
    if v_item.state = 'done' then
        perform private.fail('PT409', 'review.done');
    end if;
    if not private.can_review(p_me, v_item.kinds) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    return v_item;
end;
$$;
comment on function private.item_for_claim(private.actor, bigint) is 'Locks one item: review.none, review.done, review.not_reviewer.';

create or replace function public.claim_order(p_request_id uuid, p_order_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_order', to_jsonb(p_order_id));
    v_item public.order_reviews;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_item := private.item_for_claim(v_me, p_order_id);
    if v_item.owner_id <> v_me.member_id and v_item.claim_until > v_now then
        perform private.fail('PT409', 'review.claimed', jsonb_build_object('until', v_item.claim_until,
            'who', (select display_name from public.members where id = v_item.owner_id)));
    end if;
    v_answer := private.take_items(v_me, private.with_group(array[p_order_id]), 'claimed', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer));
end;
$$;
grant execute on function public.claim_order(uuid, bigint) to authenticated;
comment on function public.claim_order(uuid, bigint) is
    'Reviewers: this item (and the free rest of its duplicate group) is mine for 20 minutes. review.none, review.done, review.claimed (who, until), review.not_reviewer.';

create or replace function public.take_over(p_request_id uuid, p_order_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'take_over', jsonb_build_array(p_order_id, p_version));
    v_item public.order_reviews;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_item := private.item_for_claim(v_me, p_order_id);
    if v_item.version is distinct from p_version then
        perform private.fail('PT409', 'order.stale', jsonb_build_object('at', v_item.updated_at, 'version', v_item.version,
            'who', (select display_name from public.members where id = v_item.owner_id)));
    end if;
    v_answer := private.take_items(v_me, coalesce(nullif(private.held_together(v_item.owner_id, array[p_order_id]), '{}'),
        array[p_order_id]), 'taken_over', v_now);
    return private.finish_request(p_request_id, jsonb_build_object('items', v_answer, 'from_id', v_item.owner_id));
end;
$$;
grant execute on function public.take_over(uuid, bigint, integer) to authenticated;
comment on function public.take_over(uuid, bigint, integer) is
    'Reviewers: takes over a colleague''s item of a shop we share, and the rest of its group that he holds (p_version: of the work row as shown). order.stale (who, at), review.none, review.done, review.not_reviewer.';

create or replace function private.return_items(p_me private.actor, p_member_id bigint, p_order_ids bigint[], p_now timestamptz)
returns integer
language sql set search_path = '' as $$
    with freed as (
        update public.order_reviews set owner_id = null, claim_until = null
        where owner_id = p_member_id and (p_order_ids is null or order_id = any (p_order_ids))
        returning order_id, shop_id
    ), told as (
        insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action)
        select p_now, (p_me).member_id, coalesce((p_me).role, 'system'), shop_id, 'order', order_id, 'given_back' from freed
    )
    select count(*)::integer from freed
$$;
comment on function private.return_items(private.actor, bigint, bigint[], timestamptz) is 'Frees the items of a member (order ids null: all of them) and tells the history; answers how many.';

create or replace function private.give_back_all(p_member_id bigint, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
begin
    return private.return_items(null, p_member_id, null, p_now) + private.return_leads(null, p_member_id, p_now)
        + private.return_tickets(private.desk_itself(), array(select t.id from public.tickets t
            where t.owner_id = p_member_id and t.stage <> 'done'), 'manual', p_now);
end;
$$;
comment on function private.give_back_all(bigint, timestamptz) is 'A member is switched off: all his items, leads and tickets are in the pool again.';

create or replace function public.give_back(p_request_id uuid, p_order_ids jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_answer jsonb := private.begin_request(p_request_id, 'give_back', p_order_ids);
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_answer := to_jsonb(private.return_items(v_me, v_me.member_id,
        private.held_together(v_me.member_id, private.as_ids(p_order_ids)), private.now()));
    return private.finish_request(p_request_id, jsonb_build_object('done', v_answer));
end;
$$;
grant execute on function public.give_back(uuid, jsonb) to authenticated;
comment on function public.give_back(uuid, jsonb) is 'Reviewers: puts my own items (order ids), each with the rest of its group, back into the pool; others'' are left alone. Answers {done}. request.bad_value.';

create or replace function public.keep_claims(p_order_ids jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_count integer;
begin
    update public.order_reviews set claim_until = private.lease_end(v_now)
    where owner_id = v_me.member_id and state = 'open' and claim_until > v_now
      and claim_until < v_now + interval '15 minutes'
      and order_id = any (private.as_ids(p_order_ids));
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;
grant execute on function public.keep_claims(jsonb) to authenticated;
comment on function public.keep_claims(jsonb) is
    'Reviewers: renews the lease of my live claims (order ids) while I work on them; called by the page at most every few minutes. Answers how many were renewed. request.bad_value.';
