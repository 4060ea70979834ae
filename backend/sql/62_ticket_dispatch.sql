-- 62 --------------------------------------------------------------------------------------------- tickets: handing them out

create or replace function private.can_have_tickets(p_member_id bigint, p_shop_id bigint) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.members m join public.member_shops k on k.member_id = m.id
        where m.id = p_member_id and m.state = 'active' and k.shop_id = p_shop_id and m.role in ('agent', 'operations', 'warehouse', 'manager'))
$$;
comment on function private.can_have_tickets(bigint, bigint) is 'Whether tickets of a shop can be given to somebody: active, of the shop, no analyst.';

create or replace function private.handed_ticket(p_me private.actor, p_ticket public.tickets, p_member_id bigint, p_source text, p_now timestamptz)
returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
begin
    if v.owner_id = p_member_id then
        return v;
    end if;
    v.owner_id := p_member_id;
    if p_source is not null then
        v.decision_id := private.note_assignment('ticket', v.shop_id, v.id, p_member_id, p_source, p_now);
    end if;
    return private.move_ticket(p_me, v, case when v.state in ('classified', 'dispatched', 'in_progress') then 'dispatched' else v.state end,
        pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('action', case when (p_ticket).owner_id is null then 'ticket_dispatched'
            else 'ticket_reassigned' end, 'member_id', p_member_id, 'from_id', (p_ticket).owner_id)), p_now);
end;
$$;
comment on function private.handed_ticket(private.actor, public.tickets, bigint, text, timestamptz) is
    'A locked ticket becomes somebody''s, who begins when he takes it (p_source null: the decision is recorded already).';

create or replace function private.dispatch_free(p_me private.actor, p_shop_id bigint, p_ids bigint[], p_source text, p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_given record;
    v public.tickets;
    v_count integer := 0;
begin
    for v_given in select * from private.assign_work('ticket', p_shop_id, (
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', i.id, 'skill', 'aftersales') order by i.n)
        from pg_catalog.unnest(p_ids) with ordinality i (id, n)), p_source, p_now)
    loop
        if v_given.member_id is null then
            update public.tickets set decision_id = v_given.decision_id where id = v_given.id and decision_id is distinct from v_given.decision_id;
        else
            select * into v from public.tickets where id = v_given.id;
            v.decision_id := v_given.decision_id;
            perform private.handed_ticket(p_me, v, v_given.member_id, null, p_now);
            v_count := v_count + 1;
        end if;
    end loop;
    return v_count;
end;
$$;
comment on function private.dispatch_free(private.actor, bigint, bigint[], text, timestamptz) is
    'Gives locked, free tickets of a shop, in this order, to agents with the skill aftersales who are on duty and have room; answers how many found somebody. Why, or why nobody, is recorded.';

create or replace function private.drain_tickets(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_shop bigint;
    v_free integer;
    v_ids bigint[];
    v_count integer := 0;
begin
    for v_shop in select s.id from public.shops s where s.is_active order by s.id loop
        continue when not exists (select from public.tickets t where t.shop_id = v_shop and t.owner_id is null and t.state = 'classified');
        v_free := least(private.free_places('ticket', v_shop, p_now), 50);
        continue when v_free = 0;
        v_ids := array(select t.id from public.tickets t
            where t.shop_id = v_shop and t.owner_id is null and t.state = 'classified'
              and (t.source <> 'agent' or t.updated_at <= p_now - interval '2 minutes')
            order by t.registered_at, t.id limit v_free for update skip locked);
        if v_ids <> '{}' then
            v_count := v_count + private.dispatch_free(private.desk_itself(), v_shop, v_ids, 'on_duty', p_now);
        end if;
    end loop;
    return v_count;
end;
$$;
comment on function private.drain_tickets(timestamptz) is
    'Called each minute: classified tickets that lie in the pool go to whoever has room, oldest first, at most 50 a shop. What an agent has just registered is left to him for two minutes (product decision).';

create or replace function public.dispatch_ticket(p_id bigint, p_version integer, p_member_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'dispatch_ticket', pg_catalog.jsonb_build_array(p_id, p_version, p_member_id));
    v public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.ticket_for_change(v_me, p_id, p_version, 'dispatch_ticket', v_now);
    if p_member_id is null then
        perform private.dispatch_free(v_me, v.shop_id, array[v.id], 'manual', v_now);
    elsif not private.can_have_tickets(p_member_id, v.shop_id) then
        perform private.fail('PT422', 'ticket.member');
    else
        perform private.handed_ticket(v_me, v, p_member_id, 'manual', v_now);
    end if;
    return private.finish_request(p_request_id, private.ticket_answer(v));
end;
$$;
grant execute on function public.dispatch_ticket(bigint, integer, bigint, uuid) to authenticated;
comment on function public.dispatch_ticket(bigint, integer, bigint, uuid) is
    'Leads: hands a classified ticket to somebody (p_member_id null: to whom the assignment finds; it stays in the pool when there is nobody, see why_assigned). {id, version, state, owner_id, due_at}. ticket.member, and as private.ticket_refusal says.';

-- Many at once --------------------------------------------------------------------------------------------------------

create or replace function private.bulk_rpc(p_action text) returns text
language plpgsql immutable set search_path = '' as $$
declare
    v_rpc text := case p_action when 'reassign' then 'reassign_ticket' when 'give_back' then 'give_back_ticket' when 'classify' then 'classify_ticket' end;
begin
    if v_rpc is null then
        perform private.fail('PT422', 'ticket.form', '{"field": "action"}');
    end if;
    return v_rpc;
end;
$$;
comment on function private.bulk_rpc(text) is 'The step behind an action on many tickets: reassign, give_back, classify. ticket.form (field).';

create or replace function private.check_bulk(p_rpc text, p_items jsonb, p jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
    v_count integer := coalesce(pg_catalog.jsonb_array_length(p_items), 0);
begin
    if v_count = 0 then
        perform private.fail('PT422', 'bulk.empty');
    elsif v_count > 500 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 500}');
    elsif p_rpc = 'give_back_ticket' then
        perform private.check_ticket_reason(p_rpc, p ->> 'reason');
    elsif p_rpc = 'reassign_ticket' and not private.is_id(p ->> 'member_id') then
        perform private.fail('PT422', 'ticket.member');
    end if;
end;
$$;
comment on function private.check_bulk(text, jsonb, jsonb) is 'bulk.empty, bulk.too_many (500), ticket.reason, ticket.member.';

create or replace function private.bulk_items(p_me private.actor, p_items jsonb, p jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_items jsonb := private.as_items(p_items);
    v_filter jsonb;
begin
    if v_items is null and p ? 'filter' then
        v_filter := '{"tab": "all"}'::jsonb || (private.ticket_filter(p -> 'filter') - array['after', 'before', 'limit']);
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', t.id, 'version', t.version)) into v_items from public.tickets t
        where t.id = any (private.ticket_ids(v_filter, private.ticket_shops(v_filter), (p_me).member_id, p_now, 501));
        if p ? 'count' and coalesce(pg_catalog.jsonb_array_length(v_items), 0)::text <> p ->> 'count' then
            perform private.fail('PT409', 'bulk.count_changed', pg_catalog.jsonb_build_object('shown', p -> 'count',
                'found', coalesce(pg_catalog.jsonb_array_length(v_items), 0)));
        end if;
    end if;
    return coalesce(v_items, '[]');
end;
$$;
comment on function private.bulk_items(private.actor, jsonb, jsonb, timestamptz) is
    'The tickets that a request names, or (null) all that match p.filter as ticket_list takes it, if there are still p.count of them. request.bad_value, filter.bad, bulk.count_changed (shown, found).';

create or replace function private.bulk_refusal(p_me private.actor, p_ticket public.tickets, p_version integer, p_rpc text, p jsonb, p_now timestamptz)
returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(private.ticket_refusal(p_me, p_ticket, p_version, p_rpc, p_now),
        case when p_rpc = 'reassign_ticket' and not private.can_have_tickets((p ->> 'member_id')::bigint, (p_ticket).shop_id)
            then '{"key": "ticket.member", "params": {}}'::jsonb end)
$$;

create or replace function private.bulk_step(p_me private.actor, p_ticket public.tickets, p_rpc text, p jsonb, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
begin
    case p_rpc
        when 'reassign_ticket' then return private.handed_ticket(p_me, p_ticket, (p ->> 'member_id')::bigint, 'manual', p_now);
        when 'give_back_ticket' then return private.given_back_ticket(p_me, p_ticket, p ->> 'reason', 'manual', p_now);
        when 'classify_ticket' then return private.classified_ticket(p_me, p_ticket, p, p_now);
    end case;
end;
$$;

create or replace function private.before_of(p_ticket public.tickets) returns jsonb
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('state', (p_ticket).state, 'owner_id', (p_ticket).owner_id, 'type', (p_ticket).type,
        'severity', (p_ticket).severity, 'department', (p_ticket).department, 'root_cause_id', (p_ticket).root_cause_id,
        'is_complaint', (p_ticket).is_complaint, 'freight_insurance', (p_ticket).freight_insurance)
$$;
comment on function private.before_of(public.tickets) is 'What undoing an action on many tickets restores.';

create or replace function private.bulk_tickets(p_me private.actor, p_rpc text, p_items jsonb, p jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
    v_item record;
    v_old public.tickets;
    v public.tickets;
    v_refusal jsonb;
    v_answers jsonb := '[]';
    v_undo jsonb := '[]';
begin
    for v_item in select distinct on (i.id) i.id, i.version from pg_catalog.jsonb_to_recordset(p_items) i (id bigint, version integer) order by i.id loop
        select * into v_old from public.tickets where id = v_item.id and shop_id in (select private.my_shop_ids()) for update;
        v_refusal := private.bulk_refusal(p_me, v_old, v_item.version, p_rpc, p, p_now);
        if v_refusal is null then
            v := private.bulk_step(p_me, v_old, p_rpc, p, p_now);
            v_undo := v_undo || pg_catalog.jsonb_build_object('ticket_id', v.id, 'version', v.version, 'before', private.before_of(v_old));
            v_answers := v_answers || pg_catalog.jsonb_build_object('id', v.id, 'ok', true, 'version', v.version, 'state', v.state);
        else
            v_answers := v_answers || pg_catalog.jsonb_build_object('id', v_item.id, 'ok', false, 'key', v_refusal -> 'key', 'params', v_refusal -> 'params');
        end if;
    end loop;
    return pg_catalog.jsonb_build_object('batch_id', private.new_batch(p_me, p_rpc, v_undo, p_now),
        'done', pg_catalog.jsonb_array_length(v_undo), 'items', v_answers);
end;
$$;
comment on function private.bulk_tickets(private.actor, text, jsonb, jsonb, timestamptz) is
    'One step with many tickets, in the order of their ids: {batch_id, done, items: [{id, ok, version, state} | {id, ok: false, key, params}]}; what cannot be done is answered per ticket, the rest is done.';

create or replace function public.change_tickets(p_action text, p_items jsonb, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v jsonb := private.as_object(p);
    v_answer jsonb := private.begin_request(p_request_id, 'change_tickets', pg_catalog.jsonb_build_array(p_action, private.as_items(p_items), v));
    v_rpc text := private.bulk_rpc(p_action);
    v_items jsonb;
    v_constraint text;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_items := private.bulk_items(v_me, p_items, v, private.now());
    perform private.check_bulk(v_rpc, v_items, v);
    return private.finish_request(p_request_id, private.bulk_tickets(v_me, v_rpc, v_items, v, private.now()));
exception
    when check_violation or foreign_key_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.fail_ticket_form(v_constraint);
    when data_exception then
        perform private.fail('PT422', 'ticket.form', '{"field": ""}');
end;
$$;
grant execute on function public.change_tickets(text, jsonb, jsonb, uuid) to authenticated;
comment on function public.change_tickets(text, jsonb, jsonb, uuid) is
    'Those who work on tickets: up to 500 [{id, version}] at once, or (null) all that match p {filter, count}: reassign (p {member_id}; the owner or a lead, the colleague begins when he takes it), give_back (p {reason}), classify (p as classify_ticket). {batch_id, done, items}; ten minutes to undo_tickets. bulk.empty, bulk.too_many, bulk.count_changed, filter.bad, ticket.reason, ticket.member, ticket.form; per ticket as private.ticket_refusal says.';

create or replace function public.preview_tickets(p_action text, p_items jsonb, p jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.as_object(p);
    v_items jsonb := private.bulk_items(v_me, p_items, v - 'count', v_now);
    v_rpc text := private.bulk_rpc(p_action);
begin
    perform private.check_bulk(v_rpc, v_items, v);
    return (
        with checked as (
            select i.id, private.bulk_refusal(v_me, t, i.version, v_rpc, v, v_now) as refusal
            from pg_catalog.jsonb_to_recordset(v_items) i (id bigint, version integer)
            left join public.tickets t on t.id = i.id and t.shop_id in (select private.my_shop_ids()))
        select pg_catalog.jsonb_build_object('count', pg_catalog.count(*), 'ok', pg_catalog.count(*) filter (where c.refusal is null),
            'ids', coalesce(pg_catalog.jsonb_agg(c.id order by c.id) filter (where c.refusal is null), '[]'),
            'refused', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('key', r.key, 'count', r.n, 'params', r.params) order by r.n desc)
                from (select x.refusal ->> 'key' as key, pg_catalog.count(*) as n, pg_catalog.min((x.refusal -> 'params')::text)::jsonb as params
                      from checked x where x.refusal is not null group by 1) r), '[]'))
        from checked c);
end;
$$;
grant execute on function public.preview_tickets(text, jsonb, jsonb) to authenticated;
comment on function public.preview_tickets(text, jsonb, jsonb) is
    'Those who work on tickets: what change_tickets would do: {count, ok, ids (with which it can be done), refused: [{key, count, params of one}]}. Changes nothing.';

-- Undoing -------------------------------------------------------------------------------------------------------------

create or replace function private.undone_ticket(p_me private.actor, p_ticket public.tickets, p_before jsonb, p_now timestamptz) returns public.tickets
language plpgsql set search_path = '' as $$
declare
    v public.tickets := p_ticket;
    v_was public.tickets := pg_catalog.jsonb_populate_record(p_ticket, p_before);
    v_facts boolean := (v.type, v.severity, v.department, v.is_complaint, coalesce(v.root_cause_id, 0))
        is distinct from (v_was.type, v_was.severity, v_was.department, v_was.is_complaint, coalesce(v_was.root_cause_id, 0));
begin
    v.owner_id := v_was.owner_id;
    v.type := v_was.type;
    v.severity := v_was.severity;
    v.department := v_was.department;
    v.is_complaint := v_was.is_complaint;
    v.root_cause_id := v_was.root_cause_id;
    v.freight_insurance := v_was.freight_insurance;
    if v.owner_id is distinct from (p_ticket).owner_id then
        v.decision_id := private.note_assignment('ticket', v.shop_id, v.id, v.owner_id, 'manual', p_now);
    end if;
    v := private.move_ticket(p_me, v, case when v_was.state = 'registered' then v.state else v_was.state end, '{"action": "ticket_undone"}', p_now);
    if v_facts then
        perform private.retarget_ticket(v, p_now, (p_me).member_id);
        perform private.sync_return(v, p_now, (p_me).member_id);
    end if;
    return v;
end;
$$;
comment on function private.undone_ticket(private.actor, public.tickets, jsonb, timestamptz) is
    'A locked ticket as it was before an action on many (see private.before_of); one that was only registered stays classified.';

create or replace function public.undo_tickets(p_batch bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'warehouse', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'undo_tickets', pg_catalog.to_jsonb(p_batch));
    v_batch public.action_batches;
    v_item record;
    v public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_batch := private.batch_for_undo(v_me, p_batch, 'ticket_id', v_now);
    for v_item in select i.* from pg_catalog.jsonb_to_recordset(v_batch.items) i (ticket_id bigint, version integer, before jsonb) order by i.ticket_id loop
        select * into v from public.tickets where id = v_item.ticket_id and shop_id in (select private.my_shop_ids()) for update;
        if v.version is distinct from v_item.version then
            perform private.fail('PT409', 'ticket.undo_changed', pg_catalog.jsonb_build_object('id', v_item.ticket_id));
        elsif v_item.before ->> 'owner_id' is not null and not private.can_have_tickets((v_item.before ->> 'owner_id')::bigint, v.shop_id) then
            perform private.fail('PT422', 'ticket.member');
        end if;
        perform private.undone_ticket(v_me, v, v_item.before, v_now);
    end loop;
    update public.action_batches set undone_at = v_now where id = v_batch.id;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('done', v_batch.item_count));
end;
$$;
grant execute on function public.undo_tickets(bigint, uuid) to authenticated;
comment on function public.undo_tickets(bigint, uuid) is
    'Takes back my own action on many tickets of the last ten minutes, all of it or nothing. {done}. undo.none, undo.done, undo.too_late, ticket.undo_changed (id), ticket.member.';
