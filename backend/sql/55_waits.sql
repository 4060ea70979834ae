-- 55 ----------------------------------------------------------------------- waits: who hears that a customer never answered

do $$
begin
    if not exists (select from private.schema_steps where step = '55.1 messages of ended waits') then
        alter table public.notifications drop constraint notifications_kind_known;
        alter table public.notifications add constraint notifications_kind_known
            check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily', 'wait_ended'));
        insert into private.schema_steps (step) values ('55.1 messages of ended waits');
    end if;
end;
$$;
create index if not exists notifications_waits_idx on public.notifications ((params ->> 'entity_id')) where kind = 'wait_ended' and closed_at is null;
comment on column public.notifications.params is
    'due_soon, overdue, returned (给回领取池), raised, wait_ended: {label, entity, entity_id, target, policy, shop, due_at}; digest, and wait_ended of more than three orders: {count, items: [{label, path, entity, due_at}] (ten worst)}, a digest also {overdue}; daily: figures.';

create or replace function private.who_asked(p_order_id bigint) returns bigint
language sql stable set search_path = '' as $$
    select a.member_id from public.audit_events a
    where a.entity = 'order' and a.entity_id = p_order_id and a.action = 'exception_waiting_customer' order by a.id desc limit 1
$$;
comment on function private.who_asked(bigint) is 'Who asked the customer of an order last.';

create or replace function private.waits_told(p_waits jsonb, p_now timestamptz) returns table (order_id bigint, member_id bigint)
language sql stable set search_path = '' as $$
    with wait as materialized (
        select distinct on (w.order_id) w.order_id, w.shop_id, m.id as asker_id,
            case when private.is_on_duty(m.id, p_now) then m.id end as owner_id
        from pg_catalog.jsonb_to_recordset(p_waits) w (order_id bigint, shop_id bigint)
        join public.order_reviews r on r.order_id = w.order_id and r.state = 'open'
        left join public.members m on m.id = private.who_asked(w.order_id) and m.state = 'active'
            and exists (select from public.member_shops k where k.member_id = m.id and k.shop_id = w.shop_id)
        order by w.order_id, m.id
    ), desk as materialized (
        select pg_catalog.row_number() over () as id, d.shop_id, 'order_review' as entity, '{owner}'::text[] as who, d.owner_id
        from (select distinct shop_id, owner_id from wait) d
    ), person as materialized (
        select d.shop_id, d.owner_id, p.member_id, p.role
        from private.people_of((select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(d)) from desk d), p_now) p join desk d on d.id = p.audience_id
    )
    select distinct t.order_id, t.member_id from (
        select w.order_id, w.asker_id, case when p.role = 'duty_lead' then coalesce(w.asker_id, p.member_id) else p.member_id end as member_id
        from wait w join person p on p.shop_id = w.shop_id and p.owner_id is not distinct from w.owner_id
    ) t
    left join public.member_reminders s on s.member_id = t.member_id
    where case s.preset when 'urgent' then false when 'mentions' then t.member_id = t.asker_id else true end
$$;
comment on function private.waits_told(jsonb, timestamptz) is
    'Who hears that the waits of orders [{order_id, shop_id}] are over: who asked; the colleagues on duty while he is off; he again when nobody is there to take over. Not who wants to hear of less.';

create or replace function private.tell_waits_ended(p_waits jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    with line as materialized (
        select t.member_id, c.due_at, o.id as order_id, '/orders?id=' || o.id as path, pg_catalog.jsonb_build_object('label', o.order_no,
                'entity', c.entity, 'entity_id', c.entity_id, 'target', c.target, 'policy', c.policy ->> 'name', 'shop', s.name,
                'due_at', c.due_at, 'path', '/orders?id=' || o.id) as item,
            pg_catalog.count(*) over (partition by t.member_id) as count,
            pg_catalog.row_number() over (partition by t.member_id order by c.due_at, o.id) as place
        from private.waits_told(p_waits, p_now) t
        join public.orders o on o.id = t.order_id
        join public.order_reviews r on r.order_id = o.id
        join public.sla_clocks c on c.id = r.clock_id
        join public.shops s on s.id = o.shop_id
    )
    insert into public.notifications (member_id, kind, params, path, created_at)
    select l.member_id, 'wait_ended', l.item, l.path, p_now from line l where l.count <= 3
    union all
    select l.member_id, 'wait_ended', pg_catalog.jsonb_build_object('count', l.count,
        'items', pg_catalog.jsonb_agg(l.item order by l.place) filter (where l.place <= 10)), '/orders', p_now
    from line l where l.count > 3 group by l.member_id, l.count
$$;
comment on function private.tell_waits_ended(jsonb, timestamptz) is
    'A message in the app that the wait for the customer is over and the deadline runs on: up to three by themselves, more as one.';

create or replace function private.tg_close_waits() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.notifications set closed_at = new.updated_at
    where kind = 'wait_ended' and closed_at is null and params ->> 'entity_id' = new.entity_id::text;
    return null;
end;
$$;
comment on function private.tg_close_waits() is 'The order was decided, or the customer asked again: the message of its ended wait lapses.';
create or replace trigger t61_close_waits after update on public.sla_clocks
    for each row when (new.entity = 'order_review' and ((old.stopped_at is null and new.stopped_at is not null)
        or (old.paused_at is null and new.paused_at is not null)))
    execute function private.tg_close_waits();
