-- 55 --------------------------------------------------------------------- review: decisions, groups, undo, correction, reveal
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

-- Many of the same --------------------------------------------------------------------------------------------------------

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

-- Duplicate groups -----------------------------------------------------------------------------------------------------------

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

-- Undo -------------------------------------------------------------------------------------------------------------------------

create or replace function private.batch_for_undo(p_me private.actor, p_batch_id bigint, p_now timestamptz)
returns public.action_batches
language plpgsql set search_path = '' as $$
declare
    v public.action_batches;
begin
    select * into v from public.action_batches where id = p_batch_id and member_id = (p_me).member_id for update;
    if not found then
        perform private.fail('PT404', 'undo.none');
    end if;
    if v.undone_at is not null then
        perform private.fail('PT409', 'undo.done', jsonb_build_object('at', v.undone_at));
    end if;
    if v.created_at < p_now - interval '10 minutes' then
        perform private.fail('PT409', 'undo.too_late', jsonb_build_object('at', v.created_at));
    end if;
    return v;
end;
$$;
comment on function private.batch_for_undo(private.actor, bigint, timestamptz) is
    'My own batch of the last ten minutes, locked: undo.none, undo.done, undo.too_late.';

drop function if exists private.check_undo(jsonb); -- until it looked at who asks

create or replace function private.check_undo(p_me private.actor, p_items jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_order_no text;
begin
    if exists (select from jsonb_to_recordset(p_items) i (id bigint) join public.order_exceptions e on e.id = i.id
        where e.shop_id not in (select private.my_shop_ids())) then
        perform private.fail('PT404', 'shop.none');
    end if;
    if exists (select from jsonb_to_recordset(p_items) i (id bigint) join public.order_exceptions e on e.id = i.id
        where not private.can_review(p_me, array[e.kind])) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    select o.order_no into v_order_no
    from jsonb_to_recordset(p_items) i (id bigint, order_id bigint, version integer)
    join public.order_exceptions e on e.id = i.id join public.orders o on o.id = e.order_id
    where e.version <> i.version limit 1;
    if v_order_no is not null then
        perform private.fail('PT409', 'undo.changed', jsonb_build_object('order_no', v_order_no));
    end if;
    select o.order_no into v_order_no
    from jsonb_to_recordset(p_items) i (order_id bigint) join public.orders o on o.id = i.order_id
    where o.released_at is not null limit 1;
    if v_order_no is not null then
        perform private.fail('PT409', 'undo.released', jsonb_build_object('order_no', v_order_no));
    end if;
end;
$$;
comment on function private.check_undo(private.actor, jsonb) is 'shop.none, review.not_reviewer: what was decided is not mine to decide any more; undo.changed: somebody or newer facts changed an item since; undo.released: the order was released.';

create or replace function private.restore_items(p_items jsonb) returns void
language sql set search_path = '' as $$
    update public.order_exceptions e
    set state = b.state, decided_at = b.decided_at, decided_by = b.decided_by, decided_as = b.decided_as, reason = b.reason,
        holds_until = b.holds_until, note_cipher = b.note_cipher
    from jsonb_to_recordset(p_items) i (id bigint, before jsonb),
        jsonb_to_record(i.before) b (state text, decided_at timestamptz, decided_by bigint, decided_as text, reason text,
                                     holds_until timestamptz, note_cipher text)
    where e.id = i.id
$$;
comment on function private.restore_items(jsonb) is 'The state before the decision, item by item.';

create or replace function public.undo_batch(p_request_id uuid, p_batch_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_batch', to_jsonb(p_batch_id));
    v_batch public.action_batches;
    v_order_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_batch := private.batch_for_undo(v_me, p_batch_id, v_now);
    perform private.lock_items(v_batch.items);
    perform private.check_undo(v_me, v_batch.items);
    v_order_ids := array(select distinct i.order_id from jsonb_to_recordset(v_batch.items) i (order_id bigint));
    perform private.unhold_orders(array(select i.order_id from jsonb_to_recordset(v_batch.items) i (id bigint, order_id bigint)
        join public.order_exceptions e on e.id = i.id where e.state = 'cancelled'), 'cancelled');
    perform private.restore_items(v_batch.items);
    if v_batch.action = 'reopened' then
        perform private.hold_orders(array(select e.order_id from public.order_exceptions e
            where e.order_id = any (v_order_ids) and e.state = 'cancelled'), 'cancelled', v_now);
    end if;
    perform private.judge_later(v_order_ids, v_now);
    perform private.tell_decision(v_me, v_batch.items, 'decision_undone', v_batch.action, v_batch.id, v_now);
    perform private.refresh_reviews(v_order_ids, v_now, v_me.member_id);
    perform private.settle_claims(v_me, v_order_ids, 'resume', v_now);
    update public.action_batches set undone_at = v_now where id = v_batch.id;
    return private.finish_request(p_request_id, jsonb_build_object('done', v_batch.item_count, 'order_ids', v_order_ids));
end;
$$;
grant execute on function public.undo_batch(uuid, bigint) to authenticated;
comment on function public.undo_batch(uuid, bigint) is
    'Takes back my own decision of the last ten minutes, all of it or nothing. The deadline runs on from detection; shop and skill count as of now. shop.none, review.not_reviewer, undo.none, undo.done, undo.too_late, undo.changed (order_no), undo.released (order_no).';

create or replace function public.my_undo() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_since timestamptz := private.now() - interval '10 minutes';
begin
    return (select jsonb_build_object('batch_id', b.id, 'action', b.action, 'count', b.item_count, 'at', b.created_at)
        from public.action_batches b
        where b.member_id = v_me.member_id and b.undone_at is null and b.created_at >= v_since
          and not exists (select from jsonb_to_recordset(b.items) i (id bigint, order_id bigint, version integer)
              where not exists (select from public.order_exceptions e join public.orders o on o.id = e.order_id
                  where e.id = i.id and e.version = i.version and o.released_at is null and e.shop_id in (select private.my_shop_ids())))
        order by b.id desc limit 1);
end;
$$;
grant execute on function public.my_undo() to authenticated;
comment on function public.my_undo() is
    'Members: my last decision that can still be undone {batch_id, action, count, at}, or null: what the page offers after a reload.';

-- What ends by itself ----------------------------------------------------------------------------------------------------------

create or replace function private.end_decisions(p_limit integer, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_due jsonb;
    v_orders bigint[];
begin
    select coalesce(jsonb_agg(jsonb_build_object('id', d.id)), '[]') into v_due from (
        select e.id from public.order_exceptions e join public.orders o on o.id = e.order_id
        where e.state in ('waived', 'waiting_customer') and e.holds_until <= p_now and o.status = 'to_ship' and o.released_at is null
        order by e.holds_until limit p_limit) d;
    perform private.lock_items(v_due);
    with ended as (
        update public.order_exceptions e
        set state = 'open', decided_at = null, decided_by = null, decided_as = null, reason = null, holds_until = null,
            detected_at = case e.state when 'waived' then p_now else e.detected_at end
        from jsonb_to_recordset(v_due) d (id bigint), public.order_exceptions before, public.orders o
        where e.id = d.id and before.id = e.id and o.id = e.order_id and o.released_at is null
          and e.state in ('waived', 'waiting_customer') and e.holds_until <= p_now
        returning e.order_id, e.shop_id, e.kind, before.state as was
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action, detail)
        select p_now, 'system', n.shop_id, 'order', n.order_id, case n.was when 'waived' then 'waiver_ended' else 'wait_ended' end,
            jsonb_build_object('kind', n.kind) from ended n
    )
    select coalesce(array_agg(distinct n.order_id), '{}') into v_orders from ended n;
    perform private.refresh_reviews(v_orders, p_now);
    return jsonb_array_length(v_due);
end;
$$;
comment on function private.end_decisions(integer, timestamptz) is
    'Waivers and waits whose time is over are open again: a waiver as newly found, a wait with its deadline running on. Answers how many were looked at.';

create or replace function public.service_end_decisions(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
begin
    return private.end_decisions(least(greatest(coalesce(p_limit, 500), 1), 1000), private.now());
end;
$$;
grant execute on function public.service_end_decisions(integer) to service_role;
comment on function public.service_end_decisions(integer) is 'Service: ends the waivers and waits that are over, at most p_limit (1,000); answers how many were looked at.';

-- Correcting the contact ----------------------------------------------------------------------------------------------------------

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

create or replace function private.store_contact(p_contact_id bigint, p_contact jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
    v_id bigint := coalesce(p_contact_id, case when private.is_id(p_contact ->> 'id') then (p_contact ->> 'id')::bigint end);
begin
    if v_id is null or not private.is_reserved(v_id) then
        perform private.fail('PT422', 'contact.form');
    end if;
    if exists (select from jsonb_each_text(p_contact) c
        where c.key in ('name', 'phone', 'address', 'note') and not private.is_cipher(c.value)) then
        perform private.fail('PT422', 'contact.form');
    end if;
    insert into private.contacts as c (id, kind, name_cipher, phone_cipher, address_cipher, note_cipher, name_hash, phone_hash, phone_last4_hash)
    values (v_id, 'order', p_contact ->> 'name', p_contact ->> 'phone', p_contact ->> 'address', p_contact ->> 'note',
            p_contact ->> 'name_hash', p_contact ->> 'phone_hash', p_contact ->> 'phone_last4_hash')
    on conflict (id) do update set
        name_cipher = coalesce(excluded.name_cipher, c.name_cipher), name_hash = coalesce(excluded.name_hash, c.name_hash),
        phone_cipher = coalesce(excluded.phone_cipher, c.phone_cipher),
        phone_hash = case when excluded.phone_cipher is null then c.phone_hash else excluded.phone_hash end,
        phone_last4_hash = case when excluded.phone_cipher is null then c.phone_last4_hash else excluded.phone_last4_hash end,
        address_cipher = coalesce(excluded.address_cipher, c.address_cipher),
        note_cipher = coalesce(excluded.note_cipher, c.note_cipher)
    where c.id = p_contact_id;
    if not found then
        perform private.fail('PT409', 'contact.taken');
    end if;
    return v_id;
end;
$$;
comment on function private.store_contact(bigint, jsonb) is
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

-- Opening personal data --------------------------------------------------------------------------------------------------------------

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

create or replace function public.reveal_contact(p_entity text, p_id bigint, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'warehouse', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_order public.orders;
    v_claimed boolean;
begin
    select * into v_order from public.orders where id = p_id and p_entity = 'order' and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'order.none');
    end if;
    v_claimed := exists (select from public.order_reviews
        where order_id = p_id and owner_id = v_me.member_id and claim_until > v_now);
    if not v_claimed and coalesce(p_reason, '')
        not in ('contact_customer', 'address_check', 'courier', 'after_sales', 'complaint', 'audit') then
        perform private.fail('PT422', 'reveal.reason');
    end if;
    perform private.audit(v_me, v_order.shop_id, 'order', p_id, 'contact_revealed',
        jsonb_strip_nulls(jsonb_build_object('claimed', v_claimed, 'reason', p_reason)));
    perform private.watch_reveals(v_me, v_now);
    return (select jsonb_build_object('contact_id', c.id, 'contact_state', v_order.contact_state, 'version', v_order.version, 'name', c.name_cipher, 'phone', c.phone_cipher,
                'address', c.address_cipher, 'note', c.note_cipher)
            from (select v_order.contact_id as id) o left join private.contacts c on c.id = o.id);
end;
$$;
grant execute on function public.reveal_contact(text, bigint, text) to authenticated;
comment on function public.reveal_contact(text, bigint, text) is
    'Everybody but analysts: the ciphertexts of an order''s contact, each time recorded. My claimed item is the reason; otherwise one of contact_customer, address_check, courier, after_sales, complaint, audit. order.none, reveal.reason.';

-- What happened --------------------------------------------------------------------------------------------------------------------------

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
