-- 55 ------------------------------------------------------------------------------------------------ review: decisions
--
-- Every decision goes through private.decide: lock, check each item, write, remember how to undo it, tell the history,
-- bring work rows and clocks in line. What cannot be done is answered per item, the rest is done.

create or replace function private.decision_reasons(p_decision text) returns text[]
language sql immutable set search_path = '' as $$
    select case p_decision
        when 'waived' then array['customer_confirmed', 'verified', 'both_wanted', 'stock_coming', 'known_buyer', 'keep_all',
                                 'kept_one', 'ship_together', 'other']
        when 'cancelled' then array['customer_cancelled', 'duplicate_order', 'no_stock', 'undeliverable', 'unreachable',
                                    'fraud', 'other']
        when 'waiting_customer' then array['asked_chat', 'asked_phone', 'asked_sms', 'other']
        when 'reopened' then array['customer_changed', 'mistake', 'later_proof', 'other']
        when 'fixed' then '{}'::text[]
        when 'resume' then '{}'::text[]
    end
$$;
comment on function private.decision_reasons(text) is 'The reasons a decision takes (none: it needs none); null for an unknown decision.';

create or replace function private.check_decision(p_items jsonb, p_decision text, p_reason text, p_limit integer) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_reasons text[] := private.decision_reasons(p_decision);
    v_count integer := case when jsonb_typeof(p_items) = 'array' then jsonb_array_length(p_items) else 0 end;
begin
    if v_reasons is null then
        perform private.fail('PT422', 'decision.unknown');
    end if;
    if v_count = 0 then
        perform private.fail('PT422', 'bulk.empty');
    end if;
    if v_count > p_limit then
        perform private.fail('PT422', 'bulk.too_many', jsonb_build_object('limit', p_limit));
    end if;
    if (cardinality(v_reasons) > 0) <> (p_reason is not null) or (p_reason is not null and p_reason <> all (v_reasons)) then
        perform private.fail('PT422', 'decision.reason', jsonb_build_object('reasons', v_reasons));
    end if;
    if p_reason = 'other' and exists (
        select from jsonb_to_recordset(p_items) i (note text) where i.note is null or not private.is_cipher(i.note)) then
        perform private.fail('PT422', 'decision.note_missing');
    end if;
end;
$$;
comment on function private.check_decision(jsonb, text, text, integer) is
    'decision.unknown, bulk.empty, bulk.too_many, decision.reason (the reasons allowed), decision.note_missing (reason other, encrypted note per item).';

create or replace function private.lock_items(p_items jsonb) returns void
language sql volatile set search_path = '' as $$
    select private.lock_orders(array(select e.order_id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))));
    select count(*) from (
        select r.order_id from public.order_reviews r
        where r.order_id in (select e.order_id from public.order_exceptions e
                             where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint)))
        order by r.order_id for update) locked;
    select count(*) from (
        select e.id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
        order by e.id for update) locked
$$;
comment on function private.lock_items(jsonb) is 'Orders, work rows, then exceptions, each in the order of their ids: two people cannot block each other for ever.';

create or replace function private.with_siblings(p_items jsonb, p_decision text) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'note', i.note)), '[]')
    from jsonb_to_recordset(p_items) i (id bigint, note text)
    join public.order_exceptions given on given.id = i.id
    join public.order_exceptions e on e.order_id = given.order_id and (
        e.id = given.id
        or (p_decision = 'cancelled' and e.state in ('open', 'waiting_customer'))
        or (p_decision = 'reopened' and given.state = 'cancelled' and e.state = 'cancelled'))
$$;
comment on function private.with_siblings(jsonb, text) is
    'An order is cancelled as a whole: its other open exceptions go the same way, and come back together.';

drop function if exists private.write_decision(private.actor, jsonb, text, text, timestamptz); -- until decisions could end
drop function if exists private.change_exceptions(private.actor, jsonb, text, text, timestamptz);
drop function if exists private.decide(private.actor, jsonb, text, text, timestamptz);
drop function if exists public.decide_exceptions(uuid, jsonb, text, text);
drop function if exists public.decide_matching(uuid, jsonb, integer, text, text);

create or replace function private.write_decision(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz
) returns void
language sql set search_path = '' as $$
    update public.order_exceptions e
    set state = case when p_decision in ('resume', 'reopened') then 'open' else p_decision end,
        decided_at = case when p_decision in ('waived', 'cancelled') then p_now end,
        decided_by = case when p_decision in ('waived', 'cancelled') then (p_me).member_id end,
        decided_as = case when p_decision in ('waived', 'cancelled') then (p_me).role end,
        reason = case when p_decision in ('waived', 'cancelled', 'waiting_customer') then p_reason end,
        holds_until = case p_decision when 'waived' then p_until
            when 'waiting_customer' then p_now + make_interval(hours => s.wait_hours) end,
        note_cipher = coalesce(i.note, e.note_cipher)
    from (select distinct on (id) id, note from jsonb_to_recordset(p_items) x (id bigint, note text)) i, public.shops s
    where e.id = i.id and s.id = e.shop_id
$$;
comment on function private.write_decision(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'The new state of checked and locked items [{id, note?}]; a waiver ends at p_until (null: never), a wait after the hours of the shop.';

create or replace function private.undo_items(p_items jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'order_id', e.order_id, 'version', e.version + 1,
        'before', jsonb_build_object('state', e.state, 'decided_at', e.decided_at, 'decided_by', e.decided_by,
            'decided_as', e.decided_as, 'reason', e.reason, 'holds_until', e.holds_until, 'note_cipher', e.note_cipher)) order by e.id), '[]')
    from public.order_exceptions e
    where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
$$;
comment on function private.undo_items(jsonb) is 'Before the write: what an undo restores, and the version it must find.';

create or replace function private.tell_decision(
    p_me private.actor, p_items jsonb, p_action text, p_reason text, p_batch_id bigint, p_now timestamptz
) returns void
language sql set search_path = '' as $$
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, (p_me).role, e.shop_id, 'order', e.order_id, p_action, jsonb_strip_nulls(jsonb_build_object(
        'exception_id', e.id, 'kind', e.kind, 'reason', p_reason, 'batch_id', p_batch_id))
    from public.order_exceptions e
    where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))
$$;
comment on function private.tell_decision(private.actor, jsonb, text, text, bigint, timestamptz) is 'One event per exception in the history of its order; the batch that can undo it is named.';

create or replace function private.settle_claims(p_me private.actor, p_order_ids bigint[], p_decision text, p_now timestamptz)
returns void
language sql set search_path = '' as $$
    update public.order_reviews r
    set owner_id = (p_me).member_id,
        claim_until = case when r.state = 'waiting_customer' then p_now + interval '24 hours' else private.lease_end(p_now) end
    where r.order_id = any (p_order_ids) and r.state <> 'done'
      and (r.owner_id = (p_me).member_id
           or (p_decision in ('waiting_customer', 'resume') and (r.owner_id is null or r.claim_until <= p_now)))
$$;
comment on function private.settle_claims(private.actor, bigint[], text, timestamptz) is
    'Deciding is activity: it renews my lease. Who asked the customer keeps the item for a day, until the answer comes.';

create or replace function private.confirm_fixed(p_me private.actor, p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
    perform private.evaluate_orders(array(select distinct e.order_id from public.order_exceptions e
        where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))), p_now);
    perform private.evaluate_pool(p.stock_pool_id, p_now) from (
        select distinct s.stock_pool_id from public.order_exceptions e join public.shops s on s.id = e.shop_id
        where e.kind = 'out_of_stock' and e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint))) p;
    update public.order_exceptions e
    set decided_by = (p_me).member_id, decided_as = (p_me).role, note_cipher = coalesce(i.note, e.note_cipher)
    from jsonb_to_recordset(p_items) i (id bigint, note text)
    where e.id = i.id and e.state = 'fixed';
    return (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'order_id', e.order_id)), '[]')
            from public.order_exceptions e
            where e.id in (select i.id from jsonb_to_recordset(p_items) i (id bigint)) and e.state = 'fixed');
end;
$$;
comment on function private.confirm_fixed(private.actor, jsonb, timestamptz) is
    '已修正 is true only if the rule, judged again on the facts of now, no longer holds. Answers with the items that passed.';

create or replace function private.new_batch(p_me private.actor, p_action text, p_items jsonb, p_now timestamptz) returns bigint
language sql set search_path = '' as $$
    insert into public.action_batches (member_id, action, item_count, items, created_at)
    select (p_me).member_id, p_action, jsonb_array_length(p_items), p_items, p_now
    where jsonb_array_length(p_items) > 0
    returning id
$$;
comment on function private.new_batch(private.actor, text, jsonb, timestamptz) is 'Remembers how to undo; null when nothing was done.';

create or replace function private.change_exceptions(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz default null
) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_all jsonb := private.with_siblings(p_items, p_decision);
    v_undo jsonb := private.undo_items(v_all);
    v_order_ids bigint[] := array(select distinct u.order_id from jsonb_to_recordset(v_undo) u (order_id bigint) order by 1);
    v_batch bigint;
begin
    if p_decision = 'reopened' then
        perform private.unhold_orders(v_order_ids, 'cancelled');
        perform private.judge_later(v_order_ids, p_now);
    end if;
    perform private.write_decision(p_me, v_all, p_decision, p_reason, p_now, p_until);
    if p_decision = 'cancelled' then
        perform private.hold_orders(v_order_ids, 'cancelled', p_now);
        perform private.judge_later(v_order_ids, p_now);
    end if;
    v_batch := private.new_batch(p_me, p_decision, v_undo, p_now);
    perform private.tell_decision(p_me, v_all, 'exception_' || p_decision, p_reason, v_batch, p_now);
    perform private.refresh_reviews(v_order_ids, p_now, (p_me).member_id);
    perform private.settle_claims(p_me, v_order_ids, p_decision, p_now);
    return v_batch;
end;
$$;
comment on function private.change_exceptions(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'Writes a checked decision with everything that follows from it; answers with the batch that can undo it (null: nothing to do).';

create or replace function private.decide(
    p_me private.actor, p_items jsonb, p_decision text, p_reason text, p_now timestamptz, p_until timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_checks jsonb;
    v_ok jsonb;
    v_batch bigint;
begin
    perform private.lock_items(p_items);
    select coalesce(jsonb_agg(to_jsonb(c)), '[]'), coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'order_id', c.order_id, 'note', c.note))
        filter (where c.refusal is null), '[]')
    into v_checks, v_ok from private.decision_checks(p_me, p_items, p_decision, p_now) c;
    if p_decision = 'fixed' and v_ok <> '[]' then
        v_ok := private.confirm_fixed(p_me, v_ok, p_now);
        perform private.tell_decision(p_me, v_ok, 'exception_fixed', null, null, p_now);
        perform private.settle_claims(p_me, array(select x.order_id from jsonb_to_recordset(v_ok) x (order_id bigint)), p_decision, p_now);
    elsif v_ok <> '[]' then
        v_batch := private.change_exceptions(p_me, v_ok, p_decision, p_reason, p_now, p_until);
    end if;
    return jsonb_build_object('batch_id', v_batch, 'done', jsonb_array_length(v_ok), 'items', private.decision_answers(v_checks, v_ok));
end;
$$;
comment on function private.decide(private.actor, jsonb, text, text, timestamptz, timestamptz) is
    'One decision on many exceptions: {batch_id, done, items: [{id, order_id, ok, version} | {id, ok: false, key, params}]}.';

create or replace function private.decision_answers(p_checks jsonb, p_ok jsonb) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'id', c.id, 'order_id', c.order_id, 'ok', ok.id is not null, 'version', e.version, 'state', e.state,
        'key', case when ok.id is null then coalesce(c.refusal, 'exception.still_holds') end,
        'params', case when ok.id is null then c.params end)) order by c.id), '[]')
    from jsonb_to_recordset(p_checks) c (id bigint, order_id bigint, refusal text, params jsonb)
    left join (select distinct x.id from jsonb_to_recordset(p_ok) x (id bigint)) ok on ok.id = c.id
    left join public.order_exceptions e on e.id = c.id and c.order_id is not null
$$;
comment on function private.decision_answers(jsonb, jsonb) is 'Per item what became of it; checked and not done means that its rule still holds.';

create or replace function private.check_until(p_decision text, p_until timestamptz, p_now timestamptz) returns void
language plpgsql immutable set search_path = '' as $$
begin
    if p_until is not null and (p_decision is distinct from 'waived' or p_until <= p_now or p_until > p_now + interval '366 days') then
        perform private.fail('PT422', 'decision.until');
    end if;
end;
$$;
comment on function private.check_until(text, timestamptz, timestamptz) is 'decision.until: only a waiver has an end, in the future and within a year.';

create or replace function public.decide_exceptions(
    p_request_id uuid, p_items jsonb, p_decision text, p_reason text default null, p_until timestamptz default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_items jsonb := private.as_items(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'decide_exceptions', jsonb_build_array(v_items, p_decision, p_reason, p_until));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.check_decision(v_items, p_decision, p_reason, 500);
    perform private.check_until(p_decision, p_until, private.now());
    return private.finish_request(p_request_id, private.decide(v_me, v_items, p_decision, p_reason, private.now(), p_until));
end;
$$;
grant execute on function public.decide_exceptions(uuid, jsonb, text, text, timestamptz) to authenticated;
comment on function public.decide_exceptions(uuid, jsonb, text, text, timestamptz) is
    'Reviewers: decides up to 500 exceptions [{id, version, note?}] at once: fixed (judged again), waived (until p_until), waiting_customer, resume, cancelled (the whole order, held back), reopened. Refuses per item (see private.decision_checks, exception.still_holds); as a whole decision.unknown, decision.reason, decision.until, decision.note_missing, bulk.empty, bulk.too_many, review.not_reviewer.';

-- Many of the same ----------------------------------------------------------------------------------------------------

create or replace function private.matching_exceptions(p_me private.actor, p_filter jsonb, p_now timestamptz)
returns table (id bigint, version integer)
language sql stable set search_path = '' as $$
    select e.id, e.version
    from public.order_exceptions e
    join public.order_reviews r on r.order_id = e.order_id
    where e.state in ('open', 'waiting_customer') and e.is_blocking and e.kind = p_filter ->> 'kind'
      and e.shop_id in (select private.my_shop_ids())
      and (p_filter ->> 'same_key' is null or e.same_key = p_filter ->> 'same_key')
      and (p_filter ->> 'state' is null or e.state = p_filter ->> 'state')
      and (p_filter ->> 'shop_id' is null or e.shop_id = (p_filter ->> 'shop_id')::bigint)
      and (p_filter ->> 'platform' is null
           or e.shop_id in (select s.id from public.shops s where s.platform = p_filter ->> 'platform'))
      and (p_filter ->> 'amount_min' is null or r.amount >= (p_filter ->> 'amount_min')::numeric)
      and (p_filter ->> 'amount_max' is null or r.amount <= (p_filter ->> 'amount_max')::numeric)
      and case p_filter ->> 'owner' when 'me' then r.owner_id = (p_me).member_id and r.claim_until > p_now
          when 'none' then r.owner_id is null or r.claim_until <= p_now else true end
      and case p_filter ->> 'due' when 'overdue' then r.due_at < p_now
          when 'soon' then r.due_at between p_now and p_now + interval '30 minutes' else true end
    order by e.id
    limit 2001
$$;
comment on function private.matching_exceptions(private.actor, jsonb, timestamptz) is
    'Open exceptions of one kind in my shops that match {kind, same_key, state, shop_id, platform, amount_min, amount_max, owner me|none, due overdue|soon}.';

create or replace function private.matching_items(p_me private.actor, p_filter jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_items jsonb;
begin
    if p_filter ->> 'kind' is null then
        perform private.fail('PT422', 'filter.kind_missing');
    end if;
    select coalesce(jsonb_agg(to_jsonb(m)), '[]') into v_items from private.matching_exceptions(p_me, p_filter, p_now) m;
    return v_items;
end;
$$;
comment on function private.matching_items(private.actor, jsonb, timestamptz) is 'The matching exceptions as items to decide (at most 2,001, so that too many can be told). filter.kind_missing.';

create or replace function public.decide_matching(
    p_request_id uuid, p_filter jsonb, p_count integer, p_decision text, p_reason text default null, p_until timestamptz default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'decide_matching',
        jsonb_build_array(p_filter, p_count, p_decision, p_reason, p_until));
    v_items jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_items := private.matching_items(v_me, private.as_filter(p_filter), v_now);
    if jsonb_array_length(v_items) is distinct from p_count then
        perform private.fail('PT409', 'bulk.count_changed',
            jsonb_build_object('shown', p_count, 'found', jsonb_array_length(v_items)));
    end if;
    perform private.check_decision(v_items, p_decision, p_reason, 2000);
    perform private.check_until(p_decision, p_until, v_now);
    return private.finish_request(p_request_id, private.decide(v_me, v_items, p_decision, p_reason, v_now, p_until));
end;
$$;
grant execute on function public.decide_matching(uuid, jsonb, integer, text, text, timestamptz) to authenticated;
comment on function public.decide_matching(uuid, jsonb, integer, text, text, timestamptz) is
    'Reviewers: decides all open exceptions of a kind that match a filter (see private.matching_exceptions), if there are still as many as were shown (at most 2,000). bulk.count_changed (shown, found), filter.kind_missing, and what decide_exceptions refuses; reason other needs notes and is refused.';

create or replace function public.preview_decision(p_items jsonb, p_filter jsonb, p_decision text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), private.matching_items(v_me, private.as_filter(p_filter), v_now));
begin
    return (
        with checked as (select c.* from private.decision_checks(v_me, v_items, p_decision, v_now) c)
        select jsonb_build_object('count', (select count(*) from checked), 'ok', (select count(*) from checked where refusal is null),
            'orders', (select count(distinct order_id) from checked where refusal is null),
            'amount', (select sum(o.amount) from public.orders o where o.id in (select order_id from checked where refusal is null)),
            'refused', coalesce((select jsonb_agg(jsonb_build_object('key', refusal, 'count', n, 'params', params) order by n desc)
                from (select refusal, count(*) as n, min(params::text)::jsonb as params from checked
                      where refusal is not null group by refusal) r), '[]')));
end;
$$;
grant execute on function public.preview_decision(jsonb, jsonb, text) to authenticated;
comment on function public.preview_decision(jsonb, jsonb, text) is
    'Reviewers: what a decision on these items [{id, version}] (or, with items null, on a filter) would do: {count, ok, orders, amount, refused: [{key, count, params of one}]}. Changes nothing. filter.kind_missing.';

-- Duplicate groups ----------------------------------------------------------------------------------------------------

create or replace function private.check_group(p_shop_id bigint, p_group_key text, p_items jsonb, p_decision text, p_keep_order_id bigint)
returns void
language plpgsql stable set search_path = '' as $$
declare
    v_found bigint[] := array(select e.id from public.order_exceptions e
        where e.shop_id = p_shop_id and e.group_key = p_group_key and e.kind = 'duplicate'
          and e.state in ('open', 'waiting_customer') and e.shop_id in (select private.my_shop_ids()) order by e.id);
begin
    if p_decision is null or p_decision not in ('keep_all', 'keep_one', 'ship_together') then
        perform private.fail('PT422', 'decision.unknown');
    end if;
    if cardinality(v_found) = 0 then
        perform private.fail('PT404', 'group.none');
    end if;
    if v_found <> array(select i.id from jsonb_to_recordset(p_items) i (id bigint) order by i.id) then
        perform private.fail('PT409', 'group.changed', jsonb_build_object('found', cardinality(v_found)));
    end if;
    if p_decision = 'keep_one' and not exists (select from public.order_exceptions e
        where e.id = any (v_found) and e.order_id = p_keep_order_id) then
        perform private.fail('PT422', 'group.keep_missing');
    end if;
end;
$$;
comment on function private.check_group(bigint, text, jsonb, text, bigint) is
    'decision.unknown, group.none, group.changed (an order joined or left since it was shown), group.keep_missing.';

create or replace function private.refuse_any(p_checks jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_first jsonb := (select c from jsonb_array_elements(p_checks) c where c ->> 'refusal' is not null limit 1);
begin
    if v_first is not null then
        perform private.fail(case when v_first ->> 'refusal' in ('exception.never_waived', 'exception.needs_warehouse',
            'exception.needs_manager', 'review.not_reviewer') then 'PT403' else 'PT409' end, v_first ->> 'refusal', v_first -> 'params');
    end if;
end;
$$;
comment on function private.refuse_any(jsonb) is 'A group is decided as a whole or not at all: the first refusal of an item refuses it.';

create or replace function public.decide_group(
    p_request_id uuid, p_shop_id bigint, p_group_key text, p_items jsonb, p_decision text, p_keep_order_id bigint default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_reviewer();
    v_now timestamptz := private.now();
    v_items jsonb := coalesce(private.as_items(p_items), '[]');
    v_answer jsonb := private.begin_request(p_request_id, 'decide_group',
        jsonb_build_array(p_shop_id, p_group_key, v_items, p_decision, p_keep_order_id));
    v_kept jsonb;
    v_dropped jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.lock_items(v_items);
    perform private.check_group(p_shop_id, p_group_key, v_items, p_decision, p_keep_order_id);
    select coalesce(jsonb_agg(to_jsonb(i)) filter (where p_decision <> 'keep_one' or e.order_id = p_keep_order_id), '[]'),
           coalesce(jsonb_agg(to_jsonb(i)) filter (where p_decision = 'keep_one' and e.order_id <> p_keep_order_id), '[]')
    into v_kept, v_dropped
    from jsonb_to_recordset(v_items) i (id bigint, version integer) join public.order_exceptions e on e.id = i.id;
    perform private.refuse_any((select jsonb_agg(to_jsonb(c)) from (
        select * from private.decision_checks(v_me, v_kept, 'waived', v_now) union all
        select * from private.decision_checks(v_me, v_dropped, 'cancelled', v_now)) c));
    return private.finish_request(p_request_id, private.write_group(v_me, v_kept, v_dropped, p_decision, v_now));
end;
$$;
grant execute on function public.decide_group(uuid, bigint, text, jsonb, text, bigint) to authenticated;
comment on function public.decide_group(uuid, bigint, text, jsonb, text, bigint) is
    'Reviewers: decides a duplicate group as a whole: keep_all, keep_one (p_keep_order_id stays, the others are cancelled), ship_together; p_items [{id, version}] of all its open duplicate exceptions. Answers {batch_id, done, kept, cancelled}. decision.unknown, group.none, group.changed, group.keep_missing, or the first refusal of an item.';

create or replace function private.write_group(
    p_me private.actor, p_kept jsonb, p_dropped jsonb, p_decision text, p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_first bigint := private.change_exceptions(p_me, p_kept, 'waived',
        case p_decision when 'keep_one' then 'kept_one' else p_decision end, p_now);
    v_second bigint;
begin
    if p_dropped <> '[]' then
        v_second := private.change_exceptions(p_me, p_dropped, 'cancelled', 'duplicate_order', p_now);
        update public.action_batches b set items = b.items || s.items, item_count = b.item_count + s.item_count, action = 'keep_one'
        from public.action_batches s where b.id = v_first and s.id = v_second;
        delete from public.action_batches where id = v_second;
    end if;
    return jsonb_build_object('batch_id', v_first, 'done', jsonb_array_length(p_kept) + jsonb_array_length(p_dropped),
        'kept', jsonb_array_length(p_kept), 'cancelled', jsonb_array_length(p_dropped));
end;
$$;
comment on function private.write_group(private.actor, jsonb, jsonb, text, timestamptz) is 'Waives the kept and cancels the dropped orders of a group, as one batch to undo.';
