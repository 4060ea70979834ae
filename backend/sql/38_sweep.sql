-- 38 ----------------------------------------------------------------- sweep: what is due, who hears of it, what goes out
--
-- Called each minute by the edge function, by any number of callers: one sweep works, the others find it busy. Every part
-- is one statement over all that is due, whether that is one deadline or ten thousand.

create or replace function private.ready_at(p_calendar_id bigint, p_zone text, p_is_public boolean, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
    with opening as (
        select case when p_calendar_id is null then p_now
            else coalesce(lower(private.known_windows(p_calendar_id, p_now, p_now + interval '15 days',
                private.first_unknown_day(p_calendar_id, private.first_day_needed(p_calendar_id, p_now)))), p_now) end as at
    )
    select case when p_is_public or extract(hour from o.at at time zone p_zone) >= 8
            or exists (select from public.campaigns c where c.starts_at <= o.at and c.ends_at > o.at) then o.at
        else ((o.at at time zone p_zone)::date + time '08:00') at time zone p_zone end
    from opening o
$$;
comment on function private.ready_at(bigint, text, boolean, timestamptz) is
    'When a reminder may be said: while its calendar of reminders is open (unknown days are no reason to wait), and not from 00:00 to 08:00 of the shop, unless a campaign runs or the public is watching.';

-- Due steps become reminders ------------------------------------------------------------------------------------------

create or replace function private.make_reminders(p_now timestamptz, p_limit integer) returns bigint[]
language sql volatile set search_path = '' as $$
    with due as materialized (
        select c.id, c.shop_id, c.entity, c.entity_id, c.due_at, c.due_version, c.next_step, c.next_step_at, c.updated_at,
            c.state = 'running' and c.due_at < p_now as is_breach,
            c.policy -> 'ladder' as ladder, (c.policy ->> 'remind_calendar_id')::bigint as calendar_id,
            coalesce(c.step_times, array(select s.at from private.clock_steps(c) s order by s.step)) as times
        from public.sla_clocks c where c.next_step_at <= p_now
        order by c.next_step_at limit p_limit for update skip locked
    ), steps as materialized (
        select d.id as clock_id, s.n::smallint as step, case when s.n = d.next_step then d.next_step_at else s.at end as at,
            d.ladder -> (s.n::integer - 1) as rung
        from due d cross join lateral pg_catalog.unnest(d.times) with ordinality s (at, n)
        where (s.n = d.next_step or (s.at, s.n) > (d.next_step_at, d.next_step)) and d.ladder -> (s.n::integer - 1) is not null
    ), passed as materialized (
        select s.*, pg_catalog.row_number() over (partition by s.clock_id order by s.at desc, s.step desc) as back
        from steps s where s.at <= p_now
    ), ahead as (
        select distinct on (s.clock_id) s.clock_id, s.step, s.at from steps s where s.at > p_now order by s.clock_id, s.at, s.step
    ), moved as (
        update public.sla_clocks c set next_step = a.step, next_step_at = a.at,
            state = case when d.is_breach then 'breached' else c.state end,
            breached_at = case when d.is_breach then c.due_at else c.breached_at end,
            version = c.version + d.is_breach::integer, updated_at = case when d.is_breach then p_now else c.updated_at end
        from due d left join ahead a on a.clock_id = d.id where c.id = d.id
    ), breached as (
        insert into public.sla_clock_events (clock_id, shop_id, kind, at, state, due_at, due_version)
        select d.id, d.shop_id, 'breached', p_now, 'breached', d.due_at, d.due_version from due d where d.is_breach
    ), named as (
        select p.clock_id, pg_catalog.array_agg(distinct w.who order by w.who) as who
        from passed p join due d on d.id = p.clock_id cross join lateral pg_catalog.jsonb_array_elements_text(p.rung -> 'who') w (who)
        where p.back = 1 or p.at >= d.due_at group by p.clock_id
    ), ready as materialized (
        select k.*, private.ready_at(k.calendar_id, k.timezone, k.is_public, p_now) as at
        from (select distinct d.calendar_id, s.timezone, d.entity = 'public_complaint' as is_public
            from due d join public.shops s on s.id = d.shop_id) k
    ), made as (
        insert into public.reminders (clock_id, shop_id, entity, entity_id, step, due_version, who, action, is_escalation, is_public,
            step_at, due_at, late_minutes, ready_at, state, reason, is_over, created_at)
        select d.id, d.shop_id, d.entity, d.entity_id, p.step, d.due_version,
            case when p.back = 1 then n.who else array(select pg_catalog.jsonb_array_elements_text(p.rung -> 'who')) end,
            p.rung ->> 'action', p.at >= d.due_at or p.rung ->> 'action' <> 'notify' or n.who && '{duty_lead,manager}',
            d.entity = 'public_complaint', p.at, d.due_at,
            case when p_now - greatest(p.at, d.updated_at) >= interval '2 minutes'
                then pg_catalog.floor(extract(epoch from p_now - greatest(p.at, d.updated_at)) / 60) else 0 end,
            r.at, case when p.back = 1 then 'due' else 'suppressed' end, case when p.back > 1 then 'overtaken' end, p.back > 1, p_now
        from passed p
        join due d on d.id = p.clock_id
        join named n on n.clock_id = p.clock_id
        join public.shops s on s.id = d.shop_id
        join ready r on r.calendar_id is not distinct from d.calendar_id and r.timezone = s.timezone
            and r.is_public = (d.entity = 'public_complaint')
        on conflict on constraint reminders_once do nothing
        returning id
    )
    select coalesce(pg_catalog.array_agg(id order by id), '{}') from made
$$;
comment on function private.make_reminders(timestamptz, integer) is
    'Turns every ladder step that has come into a reminder, and moves its clock on to the next; what is past its deadline is breached on the way (as tick_clocks does for the rest). Of several steps that came while nobody looked, the last one speaks (for the overdue ones before it too); the others are overtaken.';

create or replace function private.overtake(p_made bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    select private.silence(array(
        select o.id from public.reminders m
        join public.reminders o on o.clock_id = m.clock_id and not o.is_over and o.id < m.id
        where m.id = any (p_made) and not m.is_over for no key update of o skip locked), 'overtaken', p_now)
    where p_made <> '{}'
$$;
comment on function private.overtake(bigint[], timestamptz) is 'A later step takes over from earlier ones of its clock that still wait or lie unread.';

create or replace function private.run_actions(p_made bigint[], p_now timestamptz) returns integer
language sql volatile set search_path = '' as $$
    select coalesce(pg_catalog.sum(private.ladder_action(a.entity, a.action, a.ids, p_now)), 0)::integer
    from (select r.entity, r.action, pg_catalog.array_agg(distinct r.entity_id) as ids
        from public.reminders r where r.id = any (p_made) and r.action <> 'notify' group by r.entity, r.action) a
$$;
comment on function private.run_actions(bigint[], timestamptz) is 'What the new steps do besides telling people, overtaken ones included.';

-- Who hears of it -----------------------------------------------------------------------------------------------------

create or replace function private.people_of(p_keys jsonb, p_now timestamptz)
returns table (audience_id bigint, member_id bigint, role text)
language sql stable set search_path = '' as $$
    with r as materialized (
        select k.* from pg_catalog.jsonb_to_recordset(p_keys) k (id bigint, shop_id bigint, entity text, who text[], owner_id bigint)
    ), shop as materialized (
        select distinct r.shop_id from r
    ), lead as materialized (
        select s.shop_id, l.id as member_id from shop s cross join lateral private.duty_leads(s.shop_id, p_now) l (id)
    ), here as materialized (
        select s.shop_id, d.member_id from shop s cross join lateral private.on_duty(s.shop_id, p_now) d
    ), staff as materialized (
        select s.shop_id, m.id as member_id, m.role, m.skills, h.member_id is not null as is_here
        from shop s join public.member_shops k on k.shop_id = s.shop_id
        join public.members m on m.id = k.member_id and m.state = 'active'
        left join here h on h.shop_id = s.shop_id and h.member_id = m.id
    ), found as materialized (
        select r.id, r.owner_id as member_id, 'owner' as role, 1 as rank from r where r.owner_id is not null and 'owner' = any (r.who)
        union all
        select r.id, l.member_id, 'duty_lead', 2 from r join lead l on l.shop_id = r.shop_id where 'duty_lead' = any (r.who)
        union all
        select r.id, s.member_id, s.role, 3 from r join staff s on s.shop_id = r.shop_id and s.role = any (r.who)
        where s.role in ('manager', 'warehouse') and (s.is_here or not exists (
            select from staff o where o.shop_id = s.shop_id and o.role = s.role and o.is_here))
        union all
        select r.id, s.member_id, 'on_duty', 4 from r
        join staff s on s.shop_id = r.shop_id and s.is_here and private.can_work(r.entity, s.role, s.skills)
        where 'on_duty' = any (r.who) or ('owner' = any (r.who) and r.owner_id is null)
    )
    select distinct on (f.id, f.member_id) f.id, f.member_id, f.role from (
        select * from found
        union all
        select r.id, l.member_id, 'duty_lead', 5 from r join lead l on l.shop_id = r.shop_id
        where not exists (select from found f where f.id = r.id)
    ) f order by f.id, f.member_id, f.rank
$$;
comment on function private.people_of(jsonb, timestamptz) is
    'The people whom steps name, as of now, for each [{id, shop_id, entity, who, owner_id (null: off duty or none)}]. In place of the owner: the colleagues on duty who can do the work. Managers and warehouse: those on duty, else all of the shop. Nobody at all: 当班主管, deputy, managers, admins.';

create or replace function private.address_reminders(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with r as materialized (
        select x.id, x.shop_id, x.entity, x.entity_id, x.who, not (x.is_public or x.step_at >= x.due_at or x.due_at < p_now) as is_calm
        from public.reminders x where x.id = any (p_ids)
    ), subject as materialized (
        select e.entity, s.* from (select r.entity, pg_catalog.array_agg(distinct r.entity_id) as ids from r group by r.entity) e
        cross join lateral private.subjects_of(e.entity, e.ids, p_now) s
    ), present as materialized (
        select o.id from (select distinct s.owner_id as id from subject s where s.owner_id is not null) o
        where private.is_on_duty(o.id, p_now)
    ), known as materialized (
        select r.*, s.label, s.path, o.id as owner_id
        from r left join subject s on s.entity = r.entity and s.entity_id = r.entity_id left join present o on o.id = s.owner_id
    ), audience as materialized (
        select k.*, pg_catalog.nextval('private.reminder_audiences') as id
        from (select distinct shop_id, entity, who, owner_id, is_calm from known) k
    ), people as materialized (
        select p.audience_id, p.member_id, p.role, case
            when m.preset = 'urgent' and a.is_calm then 'preset'
            when m.preset = 'mentions' and p.role not in ('owner', 'duty_lead') then 'preset' end as reason
        from private.people_of((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a)) from audience a), p_now) p
        join audience a on a.id = p.audience_id
        left join public.member_reminders m on m.member_id = p.member_id
    ), kept as (
        insert into private.reminder_people (audience_id, member_id, role, reason, created_at)
        select audience_id, member_id, role, reason, p_now from people
    ), heard as (
        select a.id, coalesce(pg_catalog.bool_or(p.reason is null) filter (where p.member_id is not null), false) as is_told,
            case when pg_catalog.count(p.member_id) = 0 then 'nobody' else 'preset' end as reason
        from audience a left join people p on p.audience_id = a.id group by a.id
    )
    update public.reminders x set label = k.label, path = k.path, audience_id = a.id, is_told = h.is_told,
        past_audience_ids = case when x.audience_id is null then x.past_audience_ids else x.past_audience_ids || x.audience_id end,
        state = case when h.is_told then 'sent' else 'suppressed' end, reason = case when not h.is_told then h.reason end
    from known k
    join audience a on a.shop_id = k.shop_id and a.entity = k.entity and a.who = k.who and a.is_calm = k.is_calm
        and a.owner_id is not distinct from k.owner_id
    join heard h on h.id = a.id
    where x.id = k.id
$$;
comment on function private.address_reminders(bigint[], timestamptz) is
    'Finds the audience of reminders: reminders for the same people share one. Whoever asked for less (his preset) is named with the reason.';

create or replace function private.person_channels() returns table (id bigint, shop_id bigint, kind text, member_id bigint)
language sql stable set search_path = '' as $$
    select c.id, c.shop_id, c.kind, m.id
    from public.channels c
    join public.members m on m.state = 'active'
    left join public.member_reminders r on r.member_id = m.id
    left join private.member_logins g on g.member_id = m.id
    where c.is_active and c.audience = 'person'
      and case c.kind when 'email' then g.login_email is not null when 'webhook' then true else private.handle_of(c.kind, r) is not null end
$$;
comment on function private.person_channels() is 'Which members each channel for persons can reach.';

create or replace function private.reserve_places(p_channel_id bigint, p_member_id bigint, p_count bigint, p_now timestamptz)
returns table (first bigint, last bigint, delivery_id uuid)
language plpgsql set search_path = '' as $$
declare
    v_room bigint;
begin
    last := 0;
    select d.id, 100 - d.line_count into delivery_id, v_room from public.deliveries d
    where d.channel_id = p_channel_id and d.member_id is not distinct from p_member_id and d.state = 'waiting' and d.attempts = 0
      and d.purpose = 'reminders' and d.line_count < 100 and d.resent_from is null
    order by d.seq limit 1 for update skip locked;
    if found then
        first := 1;
        last := least(v_room, p_count);
        update public.deliveries d set line_count = d.line_count + last where d.id = delivery_id;
        return next;
    end if;
    while last < p_count loop
        first := last + 1;
        last := least(last + 100, p_count);
        delivery_id := pg_catalog.gen_random_uuid();
        insert into public.deliveries (id, channel_id, member_id, purpose, next_at, line_count, created_at)
        values (delivery_id, p_channel_id, p_member_id, 'reminders', p_now, last - first + 1, p_now);
        return next;
    end loop;
end;
$$;
comment on function private.reserve_places(bigint, bigint, bigint, timestamptz) is
    'Room for so many lines to one channel and recipient: in the message that still waits, then in new ones of a hundred lines.';

create or replace function private.add_lines(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with reach as materialized (
        select * from private.person_channels()
    ), wanted as materialized (
        select w.*, pg_catalog.row_number() over (partition by w.channel_id, w.member_id order by w.due_at, w.id) as place from (
            select r.id, r.due_at, c.member_id, c.id as channel_id
            from reach c
            join private.reminder_people p on p.member_id = c.member_id and p.reason is null
            join public.reminders r on r.audience_id = p.audience_id and not r.is_over and (c.shop_id is null or c.shop_id = r.shop_id)
            where r.id = any (p_ids)
            union all
            select r.id, r.due_at, null, c.id
            from public.channels c join public.reminders r on r.id = any (p_ids) and r.is_escalation and (c.shop_id is null or c.shop_id = r.shop_id)
            where c.is_active and c.audience = 'group') w
        where not exists (select from public.reminder_lines l where l.reminder_id = w.id and l.channel_id = w.channel_id
            and l.member_id is not distinct from w.member_id)
    ), room as materialized (
        select g.channel_id, g.member_id, p.*
        from (select channel_id, member_id, pg_catalog.count(*) as lines from wanted group by channel_id, member_id) g
        cross join lateral private.reserve_places(g.channel_id, g.member_id, g.lines, p_now) p
    ), added as (
        insert into public.reminder_lines (reminder_id, member_id, channel_id, delivery_id)
        select w.id, w.member_id, w.channel_id, o.delivery_id
        from wanted w join room o on o.channel_id = w.channel_id and o.member_id is not distinct from w.member_id
            and w.place between o.first and o.last
        on conflict on constraint reminder_lines_once do nothing
        returning reminder_id
    )
    update public.reminders r set state = 'queued', reason = null where r.id in (select reminder_id from added)
$$;
comment on function private.add_lines(bigint[], timestamptz) is
    'Lines for the people of the audience on channels for persons, and for groups when it is an escalation; each with its place in a message.';

create or replace function private.message_item(p_reminder public.reminders, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object('label', coalesce((p_reminder).label, '#' || c.entity_id), 'entity', c.entity,
        'entity_id', c.entity_id, 'target', c.target, 'policy', c.policy ->> 'name', 'shop', s.name, 'due_at', (p_reminder).due_at,
        'path', (p_reminder).path,
        'state', case when (p_reminder).step_at >= (p_reminder).due_at or (p_reminder).due_at < p_now then 'overdue' else 'due_soon' end)
    from public.sla_clocks c join public.shops s on s.id = c.shop_id where c.id = (p_reminder).clock_id
$$;
comment on function private.message_item(public.reminders, timestamptz) is 'A reminder as the inbox shows it.';

create or replace function private.notify_people(p_ids bigint[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with batch as materialized (
        select r.audience_id, r.past_audience_ids, pg_catalog.count(*) as n, pg_catalog.bool_or(r.is_public) as is_public,
            pg_catalog.count(*) filter (where r.step_at >= r.due_at or r.due_at < p_now) as overdue
        from public.reminders r where r.id = any (p_ids) and not r.is_over and r.is_told group by r.audience_id, r.past_audience_ids
    ), told as materialized (
        select p.member_id, b.*, pg_catalog.sum(b.n) over (partition by p.member_id) as of_member
        from batch b join private.reminder_people p on p.audience_id = b.audience_id and p.reason is null
        where not exists (select from private.reminder_people o
            where o.audience_id = any (b.past_audience_ids) and o.member_id = p.member_id and o.reason is null)
    ), single as (
        insert into public.notifications (member_id, kind, params, path, is_urgent, reminder_id, created_at)
        select t.member_id, case r.action when 'to_pool' then 'returned' when 'raise_priority' then 'raised' else i.item ->> 'state' end,
            i.item, r.path, i.item ->> 'state' = 'overdue' or r.is_public, r.id, p_now
        from told t
        join public.reminders r on r.id = any (p_ids) and r.audience_id = t.audience_id and not r.is_over
        cross join lateral private.message_item(r, p_now) i (item)
        where t.of_member <= 3 order by r.due_at, r.id, t.member_id
    ), worst as materialized (
        select b.audience_id, w.id, w.due_at from batch b cross join lateral (
            select r.id, r.due_at from public.reminders r
            where r.audience_id = b.audience_id and r.id = any (p_ids) and not r.is_over order by r.due_at, r.id limit 10) w
        where exists (select from told t where t.of_member > 3 and t.audience_id = b.audience_id)
    )
    insert into public.notifications (member_id, kind, params, path, is_urgent, audience_ids, created_at)
    select t.member_id, 'digest', pg_catalog.jsonb_build_object('count', pg_catalog.sum(t.n), 'overdue', pg_catalog.sum(t.overdue), 'items', (
            select pg_catalog.jsonb_agg(private.message_item(r, p_now) order by r.due_at, r.id) from public.reminders r
            where r.id = any (array(select w.id from worst w where w.audience_id = any (pg_catalog.array_agg(t.audience_id))
                order by w.due_at, w.id limit 10)))),
        '/inbox', pg_catalog.bool_or(t.overdue > 0 or t.is_public), pg_catalog.array_agg(t.audience_id), p_now
    from told t where t.of_member > 3 group by t.member_id
$$;
comment on function private.notify_people(bigint[], timestamptz) is
    'Messages in the app for the audiences of reminders: up to three by themselves, more as one digest a person. Who was of an earlier audience is not told again.';

-- What goes out -------------------------------------------------------------------------------------------------------

create or replace function private.drop_closed_channels(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[];
begin
    with dropped as (
        update public.reminder_lines l set state = 'suppressed', reason = 'channel_off'
        where l.id in (select x.id from public.reminder_lines x join public.channels c on c.id = x.channel_id and not c.is_active
            where x.state in ('waiting', 'failed') for update of x skip locked)
        returning l.reminder_id
    )
    select pg_catalog.array_agg(distinct reminder_id) into v_ids from dropped;
    perform private.settle_reminders(v_ids);
    update public.deliveries d set state = 'suppressed', ended_at = p_now, last_error = 'channel.off'
    where d.id in (select x.id from public.channels c join public.deliveries x on x.channel_id = c.id and x.state in ('waiting', 'failed')
        where not c.is_active for update of x skip locked);
end;
$$;
comment on function private.drop_closed_channels(timestamptz) is 'What waits for a channel that was switched off is not sent.';

create or replace function private.bundle_lines(p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with loose as materialized (
        select x.*, pg_catalog.row_number() over (partition by x.channel_id, x.member_id order by x.id) as place from (
            select l.id, l.channel_id, l.member_id
            from public.reminder_lines l join public.deliveries d on d.id = l.delivery_id
            where l.state in ('waiting', 'failed') and d.state in ('sent', 'suppressed', 'dead')
            order by l.id limit 5000 for update of l skip locked) x
    ), room as materialized (
        select g.channel_id, g.member_id, p.*
        from (select channel_id, member_id, pg_catalog.count(*) as lines from loose group by channel_id, member_id) g
        cross join lateral private.reserve_places(g.channel_id, g.member_id, g.lines, p_now) p
    )
    update public.reminder_lines l set delivery_id = o.delivery_id
    from loose x join room o on o.channel_id = x.channel_id and o.member_id is not distinct from x.member_id
        and x.place between o.first and o.last
    where l.id = x.id
$$;
comment on function private.bundle_lines(timestamptz) is
    'Lines that were left behind (in somebody else''s hands at the moment their message was taken) get a place in another.';

create or replace function public.sweep_reminders(p_limit integer default 20000) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_actor(array[]::text[]);
    v_now timestamptz := private.now();
    v_limit integer := least(greatest(coalesce(p_limit, 20000), 1), 50000);
    v_started timestamptz := pg_catalog.clock_timestamp();
    v_part bigint[];
    v_made bigint[] := '{}';
    v_ready bigint[];
    v_answer jsonb;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7316001) then
        return '{"due": 0, "queued": 0, "suppressed": 0, "moved": 0, "busy": true}';
    end if;
    loop -- in parts, for three seconds at most: a statement has eight, so a backlog of any size is worked off tick by tick
        v_part := private.make_reminders(v_now, least(2500, v_limit - pg_catalog.cardinality(v_made)));
        v_made := v_made || v_part;
        exit when v_part = '{}' or pg_catalog.cardinality(v_made) >= v_limit
            or pg_catalog.clock_timestamp() > v_started + interval '3 seconds';
    end loop;
    perform private.overtake(v_made, v_now);
    perform private.tick_clocks(v_now, v_limit);
    v_ready := array(select r.id from public.reminders r where r.state = 'due' and r.ready_at <= v_now
        order by r.ready_at, r.id limit v_limit for no key update skip locked);
    if v_ready <> '{}' then
        perform private.address_reminders(v_ready, v_now);
        perform private.notify_people(v_ready, v_now);
        perform private.add_lines(v_ready, v_now);
    end if;
    v_answer := pg_catalog.jsonb_build_object('due', pg_catalog.cardinality(v_made), 'moved', private.run_actions(v_made, v_now),
        'queued', (select pg_catalog.count(*) from public.reminders r where r.id = any (v_ready) and r.state <> 'suppressed'),
        'suppressed', (select pg_catalog.count(*) from public.reminders r where r.id = any (v_made || v_ready) and r.state = 'suppressed'));
    perform private.end_ticket_waits(v_now);
    perform private.tick_surveys(v_now);
    perform private.fold_tickets();
    perform private.send_daily_digests(v_now);
    perform private.drop_closed_channels(v_now);
    perform private.bundle_lines(v_now);
    perform private.close_empty_digests(v_now);
    perform private.settle_reminders(array(select r.id from public.reminders r
        where r.state in ('queued', 'failed') order by r.id limit 5000 for no key update skip locked));
    return v_answer;
end;
$$;
grant execute on function public.sweep_reminders(integer) to service_role;
comment on function public.sweep_reminders(integer) is
    'Service, each minute: makes and addresses the reminders that are due (at most p_limit), carries out their actions, marks breaches, sends the digest of 17:00, bundles lines into deliveries. Answers {due, queued, suppressed, moved}: steps that came, reminders said or queued, not said (with their reason), records moved by an action; {busy: true} while another sweep works. Any number of callers, any downtime.';
