-- 53 ---------------------------------------------------------------------------- review: work rows, and who may decide
--
-- order_exceptions says what is wrong; order_reviews is the piece of work that follows from it: one row per order with an
-- exception that blocks, with owner, lease and deadline. Exceptions that do not block, and unpaid orders, make no work row.

create or replace function private.review_facts(p_order_ids bigint[])
returns table (order_id bigint, shop_id bigint, amount numeric, state text, kinds text[], group_key text, is_high boolean,
               detected_at timestamptz)
language sql stable set search_path = '' as $$
    select e.order_id, e.shop_id, o.amount,
        case when bool_or(e.state = 'open') then 'open'
             when bool_or(e.state = 'waiting_customer') then 'waiting_customer' else 'done' end,
        coalesce(array_agg(e.kind order by e.kind) filter (where e.state in ('open', 'waiting_customer')),
                 array_agg(e.kind order by e.kind)),
        coalesce(max(e.group_key) filter (where e.state in ('open', 'waiting_customer')), max(e.group_key)),
        bool_or(e.severity = 'high'),
        coalesce(min(e.detected_at) filter (where e.state in ('open', 'waiting_customer')), min(e.detected_at))
    from public.order_exceptions e join public.orders o on o.id = e.order_id
    where e.order_id = any (p_order_ids) and e.kind <> 'unpaid' and e.is_blocking
    group by e.order_id, e.shop_id, o.amount
$$;
comment on function private.review_facts(bigint[]) is
    'What the exceptions of each order make of its work row: open while one is open, waiting while the rest waits, else done.';

create or replace function private.tg_review_deadline() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.order_reviews r
    set clock_id = new.id,
        due_at = case when new.stopped_at is null then new.due_at else coalesce(new.due_at, r.due_at) end,
        due_sort = case when r.state = 'done' then r.due_sort else coalesce(new.due_at, 'infinity') end,
        is_on_time = case new.state when 'fulfilled' then true when 'fulfilled_late' then false end
    where r.order_id = new.entity_id;
    return null;
end;
$$;
comment on function private.tg_review_deadline() is 'The work row shows the deadline of its clock, however the clock was changed.';
create or replace trigger t50_review_deadline after insert on public.sla_clocks
    for each row when (new.entity = 'order_review') execute function private.tg_review_deadline();
create or replace trigger t51_review_deadline after update on public.sla_clocks
    for each row when (new.entity = 'order_review' and (old.due_at is distinct from new.due_at or new.stopped_at is not null))
    execute function private.tg_review_deadline(); -- a breach or a reminder leaves the work row, and whoever holds it, alone

-- What the reminders ask of this area (see subjects_of, ladder_action) ------------------------------------------------

alter table public.order_reviews add column if not exists is_raised boolean not null default false;
comment on column public.order_reviews.is_raised is 'A step of its deadline''s ladder raised it: it counts as high until it is done.';

create or replace function private.order_review_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    select r.order_id, case when r.claim_until > p_now then r.owner_id end, o.order_no, '/orders?id=' || r.order_id
    from public.order_reviews r join public.orders o on o.id = r.order_id where r.order_id = any (p_ids)
$$;

create or replace function private.order_review_action(p_action text, p_ids bigint[], p_now timestamptz) returns integer
language sql set search_path = '' as $$
    with free as (
        select r.order_id from public.order_reviews r
        where r.order_id = any (p_ids) and r.state <> 'done'
          and case p_action when 'to_pool' then r.owner_id is not null when 'raise_priority' then not r.is_raised else false end
        for update skip locked
    ), changed as (
        update public.order_reviews r set
            owner_id = case when p_action <> 'to_pool' then r.owner_id end,
            claim_until = case when p_action <> 'to_pool' then r.claim_until end,
            is_raised = r.is_raised or p_action = 'raise_priority', is_high = r.is_high or p_action = 'raise_priority'
        from free f where f.order_id = r.order_id returning r.order_id, r.shop_id
    ), told as (
        insert into public.audit_events (at, actor, shop_id, entity, entity_id, action)
        select p_now, 'system', shop_id, 'order', order_id, case p_action when 'to_pool' then 'returned_overdue' else 'priority_raised' end
        from changed returning 1
    )
    select pg_catalog.count(*)::integer from told
$$;
comment on function private.order_review_action(text, bigint[], timestamptz) is
    'to_pool: the item is free again; raise_priority: it counts as high. An item that somebody is changing at this moment is left to him.';

create or replace function private.tg_review_owner() returns trigger
language plpgsql set search_path = '' as $$
begin
    if exists (select from public.reminders r where r.clock_id = new.clock_id and not r.is_over) then
        perform private.owner_changed('order_review', new.order_id, private.now());
    end if;
    return null;
end;
$$;
comment on function private.tg_review_owner() is 'Reminders of an item follow its owner.';
create or replace trigger t60_owner after update of owner_id on public.order_reviews
    for each row when (old.owner_id is distinct from new.owner_id and new.state <> 'done') execute function private.tg_review_owner();

create or replace function private.upsert_reviews(p_order_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.order_reviews as r
        (order_id, shop_id, state, kinds, group_key, is_high, amount, detected_at, done_at, due_sort)
    select f.order_id, f.shop_id, f.state, f.kinds, f.group_key, f.is_high, f.amount, f.detected_at,
        case when f.state = 'done' then p_now end, case when f.state = 'done' then p_now else 'infinity' end
    from private.review_facts(p_order_ids) f
    on conflict (order_id) do update set
        state = excluded.state, kinds = excluded.kinds, group_key = excluded.group_key,
        is_high = excluded.is_high or (r.is_raised and excluded.state <> 'done'), is_raised = r.is_raised and excluded.state <> 'done',
        amount = excluded.amount,
        detected_at = case when r.state = 'done' and excluded.state <> 'done' then excluded.detected_at else r.detected_at end,
        done_at = case when excluded.state = 'done' then coalesce(r.done_at, p_now) end,
        due_sort = case when excluded.state = 'done' then coalesce(r.done_at, p_now)
                        when r.state = 'done' then 'infinity' else r.due_sort end,
        is_on_time = case when excluded.state = 'done' then r.is_on_time end,
        owner_id = case when excluded.state <> 'done' then r.owner_id end,
        claim_until = case when excluded.state <> 'done' then r.claim_until end
    where (r.state, r.kinds, r.group_key, r.is_high, r.amount)
        is distinct from (excluded.state, excluded.kinds, excluded.group_key, excluded.is_high or r.is_raised, excluded.amount);

    update public.order_reviews r
    set state = 'done', done_at = p_now, due_sort = p_now, owner_id = null, claim_until = null
    where r.order_id = any (p_order_ids) and r.state <> 'done'
      and not exists (select from private.review_facts(p_order_ids) f where f.order_id = r.order_id)
$$;
comment on function private.upsert_reviews(bigint[], timestamptz) is
    'Brings the work rows in line with the exceptions; rows that say the same already keep their version.';

create or replace function private.refresh_review_clocks(p_order_ids bigint[], p_now timestamptz, p_actor bigint) returns void
language plpgsql set search_path = '' as $$
declare
    v record;
begin
    for v in
        select f.shop_id, f.detected_at, f.facts, array_agg(f.order_id) as ids
        from (select r.shop_id, r.detected_at, r.order_id,
                jsonb_build_object('kind', r.kinds, 'priority', case when r.is_high then 'high' else 'normal' end) as facts
            from public.order_reviews r left join public.sla_clocks c on c.id = r.clock_id
            where r.order_id = any (p_order_ids) and r.state <> 'done' and (c.id is null or c.stopped_at is not null)) f
        group by f.shop_id, f.detected_at, f.facts
        having exists (select from private.policies_for('order_review', f.shop_id, f.facts))
    loop
        perform private.start_clocks('order_review', v.ids, v.shop_id, 'review', 'order_review', p_now,
            p_actor => p_actor, p_facts => v.facts, p_starts_at => v.detected_at);
    end loop;
    for v in
        select r.state, c.id from public.order_reviews r join public.sla_clocks c on c.id = r.clock_id
        where r.order_id = any (p_order_ids) and c.stopped_at is null
          and (r.state = 'done' or (r.state = 'waiting_customer') <> (c.state = 'paused'))
    loop
        if v.state = 'done' then
            perform private.stop_clock(v.id, p_now, p_actor);
        elsif v.state = 'waiting_customer' then
            perform private.pause_clock(v.id, 'waiting_customer', p_now, p_actor);
        else
            perform private.resume_clock(v.id, p_now, p_actor);
        end if;
    end loop;
end;
$$;
comment on function private.refresh_review_clocks(bigint[], timestamptz, bigint) is
    'Clocks of the work rows: started at detection (many at once), paused while everything waits for the customer, stopped when done. Without an active policy there is no clock.';

create or replace function private.refresh_reviews(p_order_ids bigint[], p_now timestamptz, p_actor bigint default null)
returns void
language plpgsql set search_path = '' as $$
begin
    perform private.upsert_reviews(p_order_ids, p_now);
    perform private.refresh_review_clocks(p_order_ids, p_now, p_actor);
end;
$$;
comment on function private.refresh_reviews(bigint[], timestamptz, bigint) is
    'To be called after every change of order_exceptions, for all orders at once: work rows, then their clocks.';

-- Who may do what -----------------------------------------------------------------------------------------------------

create or replace function private.can_review(p_me private.actor, p_kinds text[]) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role in ('operations', 'manager')
        or ((p_me).role = 'agent' and 'review' = any ((p_me).skills))
        or ((p_me).role = 'warehouse' and 'out_of_stock' = any (p_kinds))
$$;
comment on function private.can_review(private.actor, text[]) is
    'Reviewers: operations, agents with the skill review, managers; the warehouse where stock is the matter. Nobody else.';

create or replace function private.require_reviewer(p_kinds text[] default '{out_of_stock}') returns private.actor
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'warehouse']);
begin
    if not private.can_review(v_me, p_kinds) then
        perform private.fail('PT403', 'review.not_reviewer');
    end if;
    return v_me;
end;
$$;
comment on function private.require_reviewer(text[]) is 'Reviewers of at least one of the kinds: member.none, member.role, review.not_reviewer (an agent without the skill, the warehouse where stock is not the matter).';

create or replace function private.is_lead(p_me private.actor) returns boolean
language sql immutable set search_path = '' as $$
    select (p_me).role = 'manager' or ((p_me).is_duty_lead and (p_me).role in ('agent', 'operations', 'warehouse'))
$$;
comment on function private.is_lead(private.actor) is 'Managers and the 当班主管.';

create or replace function private.waive_refusal(
    p_me private.actor, p_waived_by text, p_kind text, p_evidence jsonb, p_severity text, p_amount numeric, p_limit numeric
) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_waived_by = 'never' or (p_kind = 'bad_phone' and p_evidence ->> 'problem' = 'empty') then 'exception.never_waived'
        when p_waived_by = 'warehouse' and (p_me).role not in ('warehouse', 'manager') then 'exception.needs_warehouse'
        when (p_waived_by = 'manager' or p_severity = 'high' or coalesce(p_amount, 'infinity') > p_limit)
            and not private.is_lead(p_me) then 'exception.needs_manager'
    end
$$;
comment on function private.waive_refusal(private.actor, text, text, jsonb, text, numeric, numeric) is
    'Why this person may not say 确认无误, or null. An amount that is not known counts as above the limit of the shop.';

create or replace function private.state_refusal(p_me private.actor, p_state text, p_decision text, p_is_released boolean) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_decision = 'reopened' then case
            when p_state not in ('waived', 'cancelled') then 'exception.not_decided'
            when p_is_released then 'order.released'
            when not private.is_lead(p_me) then 'exception.needs_manager' end
        when p_state not in ('open', 'waiting_customer') then 'exception.decided'
        when p_decision = 'waiting_customer' and p_state = 'waiting_customer' then 'exception.waits_already'
        when p_decision = 'resume' and p_state = 'open' then 'exception.not_waiting'
    end
$$;
comment on function private.state_refusal(private.actor, text, text, boolean) is
    'Why an exception in this state cannot take this decision, or null. What was decided is reopened by managers or the 当班主管 alone.';

create or replace function private.decision_checks(p_me private.actor, p_items jsonb, p_decision text, p_now timestamptz)
returns table (id bigint, order_id bigint, shop_id bigint, kind text, note text, refusal text, params jsonb)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id, e.order_id, e.shop_id, e.kind, i.note,
        case
            when e.id is null then 'exception.none'
            when e.version <> coalesce(i.version, -1) then 'order.stale'
            when r.owner_id <> (p_me).member_id and r.claim_until > p_now then 'review.claimed'
            when not private.can_review(p_me, array[e.kind]) then 'review.not_reviewer'
            else coalesce(private.state_refusal(p_me, e.state, p_decision, o.released_at is not null),
                case when p_decision = 'waived' then private.waive_refusal(p_me, coalesce(rule.waived_by, 'never'), e.kind,
                    e.evidence, e.severity, o.amount, s.review_limit) end)
        end,
        jsonb_strip_nulls(jsonb_build_object('order_no', o.order_no, 'kind', e.kind, 'state', e.state, 'version', e.version,
            'limit', s.review_limit, 'until', r.claim_until, 'at', e.updated_at,
            'who', coalesce(case when r.claim_until > p_now then holder.display_name end, decider.display_name)))
    from jsonb_to_recordset(p_items) i (id bigint, version integer, note text)
    left join public.order_exceptions e on e.id = i.id and e.shop_id in (select private.my_shop_ids())
    left join public.orders o on o.id = e.order_id
    left join public.shops s on s.id = e.shop_id
    left join public.order_reviews r on r.order_id = e.order_id
    left join public.members holder on holder.id = r.owner_id
    left join public.members decider on decider.id = e.decided_by
    left join private.effective_rules rule on rule.shop_id = e.shop_id and rule.kind = e.kind
    order by i.id
$$;
comment on function private.decision_checks(private.actor, jsonb, text, timestamptz) is
    'Per item the reason why this person cannot decide it so now, or null: exception.none, order.stale (who, at), review.claimed (who, until), review.not_reviewer, exception.decided, exception.not_decided, exception.waits_already, exception.not_waiting, order.released, exception.never_waived, exception.needs_warehouse, exception.needs_manager (limit).';
