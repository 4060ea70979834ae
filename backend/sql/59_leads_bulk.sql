-- 59 ------------------------------------------------------------------------- leads: many at once, previewed and taken back
--
-- assign, give_back, move, tag: what cannot be done is named lead by lead, the rest is done, and for ten minutes whoever did
-- it takes it back. Giving a lead away and taking it back buys no time: an overdue deadline is overdue again.

-- What would be refused -----------------------------------------------------------------------------------------------

create or replace function private.bulk_leads(p_items jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    v_items jsonb := private.as_items(p_items);
begin
    if v_items is null or pg_catalog.jsonb_array_length(v_items) not between 1 and 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    end if;
    return v_items;
end;
$$;

create or replace function private.require_recipient(p_member_id bigint, p_shop_ids bigint[], p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
begin
    if not exists (select from public.members m where m.id = p_member_id and m.state = 'active' and private.can_sell(m.role, m.skills)
        and p_shop_ids <@ array(select k.shop_id from public.member_shops k where k.member_id = m.id)) then
        perform private.fail('PT422', 'lead.bad_owner');
    end if;
    perform private.refuse_frozen(p_member_id, p_now);
end;
$$;
comment on function private.require_recipient(bigint, bigint[], timestamptz) is 'An active seller of these shops who is not frozen: lead.bad_owner, lead.frozen.';

create or replace function private.check_lead_bulk(p_me private.actor, p_action text, p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p_action = 'assign' and not private.oversees(p_me) then
        perform private.fail('PT403', 'lead.needs_manager');
    elsif p_action = 'tag' and not coalesce(private.are_tags(array[p ->> 'tag']), false) then
        perform private.fail('PT422', 'lead.bad_tag');
    elsif not coalesce(case p_action when 'assign' then private.is_id(p ->> 'member_id')
            when 'give_back' then p ->> 'reason' = any (array['no_time', 'not_my_field', 'leave', 'other'])
            when 'move' then private.stage_place(p ->> 'stage') is not null when 'tag' then true end, false) then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
end;
$$;
comment on function private.check_lead_bulk(private.actor, text, jsonb) is
    'What is asked of many leads: assign {member_id}, give_back {reason}, move {stage}, tag {tag}. lead.needs_manager, lead.bad_tag, lead.bad_value.';

create or replace function private.lead_refusals(p_me private.actor, p_action text, p_items jsonb, p jsonb) returns table (id bigint, refusal text)
language sql stable set search_path = '' as $$
    select distinct on (i.id) i.id, case when l.id is null then 'lead.none' when l.version is distinct from i.version then 'lead.stale'
            when l.state not in ('pool', 'assigned', 'following') then 'lead.state'
            when l.owner_id is distinct from (p_me).member_id and not private.oversees(p_me) then 'lead.not_yours'
            when p_action in ('give_back', 'move') and l.state = 'pool' then 'lead.state'
            when p_action = 'assign' and l.owner_id = (p ->> 'member_id')::bigint then 'lead.has_it'
            when p_action = 'move' and l.first_contact_at is null and p ->> 'stage' <> 'first_touch' then 'lead.not_contacted'
            when p_action = 'tag' and pg_catalog.cardinality(l.needs) > 9 and not l.needs @> array[p ->> 'tag'] then 'lead.tags_full' end
    from pg_catalog.jsonb_to_recordset(p_items) i (id bigint, version integer)
    left join public.leads l on l.id = i.id and l.shop_id in (select private.my_shop_ids()) order by i.id, i.version
$$;
comment on function private.lead_refusals(private.actor, text, jsonb, jsonb) is
    'Of each lead of a request why this person cannot do this with it, or null: lead.none, lead.stale, lead.state, lead.not_yours, lead.has_it, lead.not_contacted (nobody reached the customer yet), lead.tags_full.';

create or replace function public.preview_leads(p_action text, p_items jsonb, p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v jsonb := coalesce(private.as_json(p), '{}');
    v_items jsonb := private.bulk_leads(p_items);
    v_shops bigint[];
begin
    perform private.check_lead_bulk(v_me, p_action, v);
    if p_action = 'assign' then
        v_shops := array(select distinct l.shop_id from private.lead_refusals(v_me, p_action, v_items, v) r join public.leads l on l.id = r.id
            where r.refusal is null);
        perform private.require_recipient((v ->> 'member_id')::bigint, v_shops, private.now());
    end if;
    return (
        with checked as materialized (select * from private.lead_refusals(v_me, p_action, v_items, v))
        select pg_catalog.jsonb_build_object('count', pg_catalog.count(*), 'ok', pg_catalog.count(*) filter (where c.refusal is null),
            'items', pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', c.id, 'refusal', c.refusal) order by c.id))
        from checked c);
end;
$$;
grant execute on function public.preview_leads(text, jsonb, jsonb) to authenticated;
comment on function public.preview_leads(text, jsonb, jsonb) is
    'Sellers: what assign_leads {member_id}, give_back_leads {reason}, move_leads {stage} or tag_leads {tag} would do (p_action without _leads): {count, ok, items: [{id, refusal}]}. Changes nothing. bulk.too_many, lead.needs_manager, lead.bad_owner, lead.frozen, lead.bad_tag, lead.bad_value, request.bad_value.';

-- Done, and remembered ------------------------------------------------------------------------------------------------

create or replace function private.lead_batch(p_old public.leads[]) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('lead_id', o.id, 'version', l.version, 'before', pg_catalog.jsonb_build_object(
        'state', o.state, 'owner_id', o.owner_id, 'owned_since', o.owned_since, 'is_raised', o.is_raised, 'free_at', o.free_at, 'stage', o.stage,
        'furthest', o.furthest, 'needs', o.needs, 'clock_id', o.clock_id, 'due_at', o.due_at)) order by o.id), '[]')
    from pg_catalog.unnest(p_old) o join public.leads l on l.id = o.id and l.version <> o.version
$$;
comment on function private.lead_batch(public.leads[]) is 'What undoing restores: of each lead that was changed its version now and what it was before.';

create or replace function private.put_leads_on(p_me private.actor, p_ids bigint[], p_action text, p jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.audit_events (at, member_id, actor, shop_id, entity, entity_id, action, detail)
    select p_now, (p_me).member_id, (p_me).role, l.shop_id, 'lead', l.id, case p_action when 'move' then 'moved' else 'tagged' end,
        case p_action when 'move' then pg_catalog.jsonb_build_object('from', l.stage, 'to', p ->> 'stage') else p end
    from public.leads l where l.id = any (p_ids) and (p_action = 'tag' or l.stage <> p ->> 'stage') and not (p_action = 'tag' and l.needs @> array[p ->> 'tag']);
    if p_action = 'move' then
        update public.leads l set stage = p ->> 'stage', furthest = greatest(l.furthest, private.stage_place(p ->> 'stage'))
        where l.id = any (p_ids) and l.stage <> p ->> 'stage';
    else
        update public.leads l set needs = l.needs || (p ->> 'tag') where l.id = any (p_ids) and not l.needs @> array[p ->> 'tag'];
    end if;
end;
$$;
comment on function private.put_leads_on(private.actor, bigint[], text, jsonb, timestamptz) is 'move {stage} or tag {tag} of leads that are locked and checked; what is there already stays as it is.';

create or replace function private.change_leads(p_me private.actor, p_action text, p_items jsonb, p jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_items jsonb;
    v_ids bigint[];
    v_old public.leads[];
begin
    perform private.check_lead_bulk(p_me, p_action, p);
    perform from public.leads l where l.id in (select (i ->> 'id')::bigint from pg_catalog.jsonb_array_elements(p_items) i)
        and l.shop_id in (select private.my_shop_ids()) order by l.id for update;
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', r.id, 'refusal', r.refusal) order by r.id),
        coalesce(pg_catalog.array_agg(r.id order by r.id) filter (where r.refusal is null), '{}')
    into v_items, v_ids from private.lead_refusals(p_me, p_action, p_items, p) r;
    v_old := array(select l from public.leads l where l.id = any (v_ids));
    if p_action = 'assign' then
        perform private.require_recipient((p ->> 'member_id')::bigint, array(select distinct l.shop_id from public.leads l where l.id = any (v_ids)), p_now);
    end if;
    if v_ids = '{}' then
        null; -- everything was refused: the answer says why
    elsif p_action = 'assign' then
        perform private.give_leads(p_me, v_ids, (p ->> 'member_id')::bigint, 'manager', 'reassigned', p_now);
    elsif p_action = 'give_back' then
        perform private.free_leads(p_me, v_ids, 'given_back', p ->> 'reason', p_now);
    else
        perform private.put_leads_on(p_me, v_ids, p_action, p, p_now);
    end if;
    return pg_catalog.jsonb_build_object('items', v_items, 'done', pg_catalog.cardinality(v_ids),
        'batch_id', private.new_batch(p_me, p_action || '_leads', private.lead_batch(v_old), p_now));
end;
$$;
comment on function private.change_leads(private.actor, text, jsonb, jsonb, timestamptz) is
    'One step with many leads: {items: [{id, refusal}], done, batch_id (null: nothing changed)}.';

create or replace function public.give_back_leads(p_request_id uuid, p_items jsonb, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_items jsonb := private.bulk_leads(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'give_back_leads', pg_catalog.jsonb_build_array(v_items, p_reason));
begin
    return coalesce(v_answer, private.finish_request(p_request_id,
        private.change_leads(v_me, 'give_back', v_items, pg_catalog.jsonb_build_object('reason', p_reason), private.now())));
end;
$$;
grant execute on function public.give_back_leads(uuid, jsonb, text) to authenticated;
comment on function public.give_back_leads(uuid, jsonb, text) is
    'Owner, manager, 当班主管: leads [{id, version}] (≤ 500) go back to the pool; reason no_time, not_my_field, leave, other. {items: [{id, refusal}], done, batch_id}; refusals as private.lead_refusals says; ten minutes to undo_leads. bulk.too_many, lead.bad_value, request.bad_value.';

create or replace function public.assign_leads(p_request_id uuid, p_items jsonb, p_member_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_items jsonb := private.bulk_leads(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'assign_leads', pg_catalog.jsonb_build_array(v_items, p_member_id));
begin
    return coalesce(v_answer, private.finish_request(p_request_id,
        private.change_leads(v_me, 'assign', v_items, pg_catalog.jsonb_build_object('member_id', p_member_id), private.now())));
end;
$$;
grant execute on function public.assign_leads(uuid, jsonb, bigint) to authenticated;
comment on function public.assign_leads(uuid, jsonb, bigint) is
    'Manager, 当班主管: leads [{id, version}] (≤ 500), out of the pool or of somebody else, go to a seller of the shop. {items: [{id, refusal}], done, batch_id}; refusals as private.lead_refusals says; ten minutes to undo_leads. lead.needs_manager, lead.bad_owner, lead.frozen, lead.bad_value, bulk.too_many, request.bad_value.';

create or replace function public.move_leads(p_request_id uuid, p_items jsonb, p_stage text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_items jsonb := private.bulk_leads(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'move_leads', pg_catalog.jsonb_build_array(v_items, p_stage));
begin
    return coalesce(v_answer, private.finish_request(p_request_id,
        private.change_leads(v_me, 'move', v_items, pg_catalog.jsonb_build_object('stage', p_stage), private.now())));
end;
$$;
grant execute on function public.move_leads(uuid, jsonb, text) to authenticated;
comment on function public.move_leads(uuid, jsonb, text) is
    'Owner, manager, 当班主管: leads [{id, version}] (≤ 500) to another column of the board. {items: [{id, refusal}], done, batch_id}; refusals as private.lead_refusals says; ten minutes to undo_leads. bulk.too_many, lead.bad_value, request.bad_value.';

create or replace function public.tag_leads(p_request_id uuid, p_items jsonb, p_tag text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_items jsonb := private.bulk_leads(p_items);
    v_answer jsonb := private.begin_request(p_request_id, 'tag_leads', pg_catalog.jsonb_build_array(v_items, p_tag));
begin
    return coalesce(v_answer, private.finish_request(p_request_id,
        private.change_leads(v_me, 'tag', v_items, pg_catalog.jsonb_build_object('tag', p_tag), private.now())));
end;
$$;
grant execute on function public.tag_leads(uuid, jsonb, text) to authenticated;
comment on function public.tag_leads(uuid, jsonb, text) is
    'Owner, manager, 当班主管: leads [{id, version}] (≤ 500) get one more need tag. {items: [{id, refusal}], done, batch_id}; refusals as private.lead_refusals says; ten minutes to undo_leads. bulk.too_many, lead.bad_tag, lead.bad_value, request.bad_value.';

-- Taken back ----------------------------------------------------------------------------------------------------------

create or replace function private.lead_undo_refusal(p_me private.actor, p_lead public.leads, p_version integer, p_before jsonb) returns text
language sql stable set search_path = '' as $$
    select case when (p_lead).id is null then 'lead.none' when (p_lead).version is distinct from p_version then 'lead.changed_since'
        when not private.oversees(p_me) and (p_me).member_id is distinct from (p_before ->> 'owner_id')::bigint then 'lead.not_yours'
        when p_before ->> 'owner_id' is not null and (p_lead).owner_id is distinct from (p_before ->> 'owner_id')::bigint
            and not exists (select from public.members m join public.member_shops k on k.member_id = m.id and k.shop_id = (p_lead).shop_id
                where m.id = (p_before ->> 'owner_id')::bigint and m.state = 'active' and private.can_sell(m.role, m.skills)) then 'lead.bad_owner' end
$$;
comment on function private.lead_undo_refusal(private.actor, public.leads, integer, jsonb) is
    'Why a lead stays as it is when an action is taken back, or null: lead.none, lead.changed_since, lead.not_yours, lead.bad_owner (whoever had it sells here no more).';

create or replace function private.old_deadline(p_lead public.leads, p_before jsonb, p_actor bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_was public.sla_clocks;
begin
    select * into v_was from public.sla_clocks where id = (p_before ->> 'clock_id')::bigint;
    if v_was.id is null or p_before ->> 'due_at' is null or p_lead.clock_id = v_was.id then
        return;
    end if;
    perform private.end_lead_clocks(array[p_lead.id], 'undone', p_actor, p_now);
    if exists (select from private.policies_for(private.lead_policy(p_lead.grade), p_lead.shop_id, private.lead_facts(p_lead))) then
        perform private.start_clock('lead', p_lead.id, p_lead.shop_id, 'follow_up', private.lead_policy(p_lead.grade), p_now, p_actor,
            private.lead_facts(p_lead), v_was.started_at, (p_before ->> 'due_at')::timestamptz);
    end if;
end;
$$;
comment on function private.old_deadline(public.leads, jsonb, bigint, timestamptz) is 'Where an action started a new deadline, the one before it holds again.';

create or replace function private.undone_lead(p_me private.actor, p_lead public.leads, p_before jsonb, p_done_at timestamptz, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v public.leads;
    v_was public.leads := pg_catalog.jsonb_populate_record(p_lead, p_before);
begin
    update public.leads set state = v_was.state, owner_id = v_was.owner_id, owned_since = v_was.owned_since, is_raised = v_was.is_raised,
        free_at = v_was.free_at, stage = v_was.stage, furthest = v_was.furthest, needs = v_was.needs, looked_at = null
    where id = p_lead.id returning * into v;
    if v.owner_id is distinct from p_lead.owner_id then
        update public.lead_owners set until = p_now, ended_as = 'reassigned' where lead_id = v.id and until is null;
        update public.lead_owners set until = null, ended_as = null
        where lead_id = v.id and member_id = v.owner_id and until = p_done_at and ended_as in ('reassigned', 'given_back');
        perform private.note_assignment('lead', v.shop_id, v.id, v.owner_id, 'manual', p_now);
        perform private.old_deadline(v, p_before, (p_me).member_id, p_now);
    end if;
    perform private.audit(p_me, v.shop_id, 'lead', v.id, 'undone', '{}');
end;
$$;
comment on function private.undone_lead(private.actor, public.leads, jsonb, timestamptz, timestamptz) is
    'A locked lead as it was before an action on many (see private.lead_batch): whoever had it never lost it.';

create or replace function public.undo_leads(p_request_id uuid, p_batch_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_leads', pg_catalog.to_jsonb(p_batch_id));
    v_batch public.action_batches;
    v_item record;
    v_lead public.leads;
    v_refusal text;
    v_items jsonb := '[]';
    v_done integer := 0;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_batch := private.batch_for_undo(v_me, p_batch_id, 'lead_id', v_now);
    for v_item in select i.* from pg_catalog.jsonb_to_recordset(v_batch.items) i (lead_id bigint, version integer, before jsonb) order by i.lead_id loop
        select * into v_lead from public.leads where id = v_item.lead_id and shop_id in (select private.my_shop_ids()) for update;
        v_refusal := private.lead_undo_refusal(v_me, v_lead, v_item.version, v_item.before);
        if v_refusal is null then
            perform private.undone_lead(v_me, v_lead, v_item.before, v_batch.created_at, v_now);
            v_done := v_done + 1;
        end if;
        v_items := v_items || pg_catalog.jsonb_build_object('id', v_item.lead_id, 'refusal', v_refusal);
    end loop;
    update public.action_batches set undone_at = v_now where id = v_batch.id and v_done > 0;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('items', v_items, 'done', v_done));
end;
$$;
grant execute on function public.undo_leads(uuid, bigint) to authenticated;
comment on function public.undo_leads(uuid, bigint) is
    'Takes back my own action on many leads of the last ten minutes; a lead that somebody changed since stays as it is and is named: {items: [{id, refusal}], done}; refusals lead.none, lead.changed_since, lead.not_yours, lead.bad_owner. undo.none, undo.done, undo.too_late.';
