-- 38 ------------------------------------------------- reminders afterwards: why was I not told, how long they are kept

-- Why was I not told? -------------------------------------------------------------------------------------------------

create or replace function private.told_people(p_reminder public.reminders, p_me bigint) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', m.display_name, 'channel', c.name, 'role', t.role,
        'state', t.state, 'reason', t.reason, 'is_me', coalesce(t.member_id = p_me, false)) order by t.n, t.state, m.id, c.id), '[]')
    from (
        select 1 as n, p.member_id, null::bigint as channel_id, p.role, case when p.reason is null then 'sent' else 'suppressed' end as state,
            p.reason
        from private.reminder_people p where p.audience_id = (p_reminder).audience_id
        union all
        select distinct 2, p.member_id, null::bigint, p.role, 'suppressed', coalesce(p.reason, 'owner_changed')
        from private.reminder_people p where p.audience_id = any ((p_reminder).past_audience_ids)
          and not exists (select from private.reminder_people o where o.audience_id = (p_reminder).audience_id and o.member_id = p.member_id)
        union all
        select 3, l.member_id, l.channel_id, case when l.member_id is null then 'group' else 'person' end, l.state, l.reason
        from public.reminder_lines l where l.reminder_id = (p_reminder).id
    ) t
    left join public.members m on m.id = t.member_id
    left join public.channels c on c.id = t.channel_id
$$;
comment on function private.told_people(public.reminders, bigint) is 'Who was told of a reminder in the app, who was before the work changed hands, and what became of its lines.';

create or replace function public.why_reminder(p_clock bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v public.sla_clocks;
begin
    select * into v from public.sla_clocks where id = p_clock and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'clock.none');
    end if;
    return pg_catalog.jsonb_build_object('clock_id', v.id, 'entity', v.entity, 'entity_id', v.entity_id, 'state', v.state,
        'policy', v.policy ->> 'name', 'due_at', v.due_at, 'due_version', v.due_version,
        'next_step', case when v.next_step_at is not null then v.next_step end, 'next_step_at', v.next_step_at,
        'ladder', (select coalesce(pg_catalog.jsonb_agg(s.value || pg_catalog.jsonb_build_object('step', s.ordinality,
                'at', v.step_times[s.ordinality::integer]) order by s.ordinality), '[]')
            from pg_catalog.jsonb_array_elements(v.policy -> 'ladder') with ordinality s),
        'reminders', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('step', r.step, 'due_version', r.due_version,
                'due_at', r.due_at, 'step_at', r.step_at, 'created_at', r.created_at, 'ready_at', r.ready_at,
                'late_minutes', r.late_minutes, 'state', r.state, 'reason', r.reason, 'who', pg_catalog.to_jsonb(r.who),
                'people', private.told_people(r, v_me.member_id)) order by r.due_version, r.step_at, r.step), '[]')
            from public.reminders r where r.clock_id = v.id));
end;
$$;
grant execute on function public.why_reminder(bigint) to authenticated;
comment on function public.why_reminder(bigint) is
    'Members of the shop: 为什么没有提醒我？ The ladder of a deadline, and of each step that came: state, reason, and each person and channel with the reason why not. clock.none.';

-- Retention -----------------------------------------------------------------------------------------------------------

create or replace function private.forget_reminders(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(select r.id from public.reminders r where r.created_at < p_before and r.state <> 'due' order by r.id limit p_limit);
    v_gone uuid[];
    v_count integer;
begin
    delete from public.reminder_lines where reminder_id = any (v_ids);
    delete from public.reminders where id = any (v_ids);
    delete from private.reminder_people where created_at < p_before;
    delete from public.notifications where id = any (array(select n.id from public.notifications n where n.created_at < p_before limit p_limit));
    get diagnostics v_count = row_count;
    v_gone := array(select d.id from public.deliveries d where d.created_at < p_before
        and not exists (select from public.reminder_lines l where l.delivery_id = d.id)
        and not exists (select from public.deliveries n where n.resent_from = d.id and n.created_at >= p_before) limit p_limit);
    delete from private.delivery_attempts where delivery_id = any (v_gone);
    update public.deliveries set resent_from = null where resent_from = any (v_gone);
    delete from public.deliveries where id = any (v_gone);
    return v_count + cardinality(v_ids) + cardinality(v_gone);
end;
$$;
comment on function private.forget_reminders(timestamptz, integer) is 'Forgets reminders, messages and deliveries from before p_before (they are kept a year); answers how many rows.';
