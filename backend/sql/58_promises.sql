-- 58 ------------------------------------------------------------------------------------- promises: who said what until when
--
-- 承诺: for leads and tickets alike. Within the limit of the shop a promise holds at once; beyond it a manager with the money
-- agrees first, and never the one who promises. An open promise has a clock; broken means open and past its time.

create table if not exists public.promises (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    entity text not null constraint promises_entity_known check (entity in ('lead', 'ticket')),
    entity_id bigint not null,
    kind text not null constraint promises_kind_known check (kind in ('gift', 'discount', 'price', 'delivery', 'callback', 'other')),
    amount numeric(14, 2) constraint promises_amount_positive check (amount > 0),
    what text not null constraint promises_what_length check (char_length(what) between 1 and 200)
        constraint promises_what_masked check (not private.names_a_phone(what)),
    due_at timestamptz not null,
    state text not null constraint promises_state_known check (state in ('pending', 'open', 'kept', 'withdrawn', 'refused')),
    made_by bigint not null references public.members,
    made_at timestamptz not null,
    decided_by bigint references public.members,
    ended_by bigint references public.members,
    ended_at timestamptz,
    is_on_time boolean,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint promises_ended_has_time check ((state in ('kept', 'withdrawn', 'refused')) = (ended_at is not null))
);
create index if not exists promises_case_idx on public.promises (entity, entity_id);
create index if not exists promises_open_idx on public.promises (shop_id, due_at, id) where state in ('pending', 'open');
create index if not exists promises_ended_idx on public.promises (shop_id, due_at desc, id desc) where state in ('kept', 'withdrawn', 'refused');
create index if not exists promises_made_by_idx on public.promises (made_by, due_at, id) where state in ('pending', 'open');
create index if not exists promises_maker_idx on public.promises (made_by);
create index if not exists promises_shop_id_idx on public.promises (shop_id, made_at);
create index if not exists promises_decided_by_idx on public.promises (decided_by) where decided_by is not null;
create index if not exists promises_ended_by_idx on public.promises (ended_by) where ended_by is not null;
alter table public.promises add column if not exists rule_id bigint constraint promises_rule_id_fkey references public.offer_rules
    constraint promises_rule_is_a_gift check (rule_id is null or kind = 'gift');
create index if not exists promises_rule_id_idx on public.promises (rule_id) where rule_id is not null;
alter table public.order_gifts add column if not exists promise_id bigint constraint order_gifts_promise_id_fkey references public.promises;
create unique index if not exists order_gifts_promise_id_idx on public.order_gifts (promise_id) where promise_id is not null and cancelled_at is null;
create index if not exists order_gifts_promise_idx on public.order_gifts (promise_id);
alter table public.promises enable row level security;
create or replace trigger t10_touch before update on public.promises
    for each row execute function private.touch_version();
comment on table public.promises is '承诺: what a customer was told he will get or hear, until when, by whom. Every agent of the shop may read it: it must be kept whoever is on duty.';
comment on column public.promises.amount is 'What it costs, CNY; null when it costs nothing.';
comment on column public.promises.rule_id is 'A gift: the rule it was promised by, with its goods and cost; null: a gift in words.';
comment on column public.order_gifts.promise_id is 'The promise to the customer of a lead that this gift keeps.';
comment on column public.promises.state is 'pending: a manager has to agree first; open; kept; withdrawn (the customer was told); refused by the manager.';
drop policy if exists "members read the promises of their shops" on public.promises;
create policy "members read the promises of their shops" on public.promises
    for select to authenticated using (shop_id in (select private.my_shop_ids()));
grant select on public.promises to authenticated;

create or replace function private.promise_case(p_me private.actor, p_entity text, p_id bigint, p_now timestamptz) returns bigint
language plpgsql stable set search_path = '' as $$
declare
    v_shop bigint;
    v_owner bigint;
begin
    if coalesce(p_entity, '') not in ('lead', 'ticket') then
        perform private.fail('PT404', 'promise.no_case');
    end if;
    v_shop := private.case_shop(p_entity, p_id);
    select s.owner_id into v_owner from private.subjects_of(p_entity, array[p_id], p_now) s;
    if not private.oversees(p_me) and v_owner is distinct from (p_me).member_id then
        perform private.fail('PT403', 'promise.not_yours', pg_catalog.jsonb_build_object(
            'who', (select display_name from public.members where id = v_owner)));
    end if;
    return v_shop;
end;
$$;
comment on function private.promise_case(private.actor, text, bigint, timestamptz) is
    'The shop of a lead or ticket that this person owns (a manager or 当班主管: of anybody): promise.no_case, library.case_none, promise.not_yours.';

create or replace function private.start_promise(p_promise public.promises, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_policy public.sla_policies;
begin
    select * into v_policy from private.policies_for('promise', p_promise.shop_id, pg_catalog.jsonb_build_object('kind', p_promise.kind)) limit 1;
    if found then
        perform private.start_clock('promise', p_promise.id, p_promise.shop_id, 'keep', v_policy.code, p_now, p_promise.made_by,
            pg_catalog.jsonb_build_object('kind', p_promise.kind), case when v_policy.measure = 'workdays' then p_now
                else greatest(p_now, p_promise.due_at - pg_catalog.make_interval(secs => 60 * v_policy.allowance::double precision)) end, p_promise.due_at);
    end if;
end;
$$;
comment on function private.start_promise(public.promises, timestamptz) is 'The clock of a promise ends when the customer was told it would be kept.';

create or replace function private.with_gift_rule(p_me private.actor, p_shop_id bigint, p jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v public.offer_rules;
begin
    if p ->> 'rule_id' is null then
        return p;
    end if;
    select r.* into v from private.offer_rules_at('gift', p_shop_id, p_now) r where r.id = (p ->> 'rule_id')::bigint;
    if v.id is null then
        perform private.fail('PT409', 'gift.rule');
    elsif v.promised_by = 'manager' and not private.oversees(p_me) then
        perform private.fail('PT403', 'gift.manager');
    end if;
    return p || pg_catalog.jsonb_build_object('kind', 'gift', 'amount', nullif(v.cost * v.quantity, 0),
        'what', coalesce(nullif(pg_catalog.btrim(p ->> 'what'), ''), v.gift_name || ' × ' || v.quantity));
end;
$$;
comment on function private.with_gift_rule(private.actor, bigint, jsonb, timestamptz) is
    'A promise with what its gift rule says: goods and cost. gift.rule: it does not hold now; gift.manager.';

create or replace function private.put_promised_gifts(p_lead_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v record;
    v_by private.actor;
    v_gift bigint;
    v_count integer := 0;
begin
    for v in
        select r.id, r.made_by, m.role, l.id as lead_id, l.order_id, coalesce(o.gift_sku, '') as sku, o.id as rule_id, coalesce(o.quantity, 1) as quantity,
            pg_catalog.left(coalesce(o.gift_name, r.what), 60) as name, coalesce(r.amount, 0) as cost
        from public.leads l join public.orders b on b.id = l.order_id and b.status <> 'closed'
        join public.promises r on r.entity = 'lead' and r.entity_id = any (private.lead_family(l.id)) and r.kind = 'gift' and r.state = 'open'
        join public.members m on m.id = r.made_by left join public.offer_rules o on o.id = r.rule_id
        where l.id = any (p_lead_ids) and not exists (select from public.order_gifts g where g.promise_id = r.id and g.cancelled_at is null)
        order by r.id
    loop
        v_by.member_id := v.made_by;
        v_by.role := v.role;
        v_gift := private.promise_gift(v_by, v.order_id, v.sku, v.name, v.quantity, v.cost, 'lead', v.lead_id, p_now, v.rule_id);
        update public.order_gifts set promise_id = v.id where id = v_gift;
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.put_promised_gifts(bigint[], timestamptz) is
    'Open promises of gifts to the customers of these leads stand on the orders that the leads became, in the name of whoever promised; once each. How many.';

create or replace function private.take_promised_gifts(p_me private.actor, p_promise_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    select private.cancel_gifts(p_me, array(select g.id from public.order_gifts g where g.promise_id = any (p_promise_ids)), null, p_now)
$$;
comment on function private.take_promised_gifts(private.actor, bigint[], timestamptz) is 'Gifts of promises that do not hold any more, unless they are packed.';

create or replace function public.make_promise(p_request_id uuid, p_entity text, p_entity_id bigint, p_promise jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'manager']);
    v_in jsonb := private.as_json(p_promise);
    v_answer jsonb := private.begin_request(p_request_id, 'make_promise', pg_catalog.jsonb_build_array(p_entity, p_entity_id, v_in));
    v_now timestamptz := private.now();
    v_shop bigint;
    v public.promises;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_shop := private.promise_case(v_me, p_entity, p_entity_id, v_now);
    v_in := private.with_gift_rule(v_me, v_shop, v_in, v_now);
    if private.names_a_phone(v_in ->> 'what') then
        perform private.fail('PT422', 'lead.note_phone');
    elsif coalesce((v_in ->> 'due_at')::timestamptz <= v_now, true) then
        perform private.fail('PT422', 'promise.bad_time');
    end if;
    insert into public.promises (shop_id, entity, entity_id, kind, amount, what, due_at, state, made_by, made_at, rule_id)
    values (v_shop, p_entity, p_entity_id, v_in ->> 'kind', (v_in ->> 'amount')::numeric, pg_catalog.btrim(v_in ->> 'what'),
        (v_in ->> 'due_at')::timestamptz, case when v_in ->> 'rule_id' is null and coalesce((v_in ->> 'amount')::numeric, 0)
            > greatest((private.lead_rules_of(v_shop)).promise_limit, v_me.approval_limit) then 'pending' else 'open' end, v_me.member_id, v_now,
        (v_in ->> 'rule_id')::bigint)
    returning * into v;
    if v.state = 'open' then
        perform private.start_promise(v, v_now);
        perform private.put_promised_gifts(array[p_entity_id], v_now) where p_entity = 'lead';
    end if;
    perform private.audit(v_me, v_shop, p_entity, p_entity_id, 'promised', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'promise_id', v.id, 'kind', v.kind, 'amount', v.amount, 'due_at', v.due_at, 'state', v.state)));
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(v) || pg_catalog.jsonb_build_object('limit', (private.lead_rules_of(v_shop)).promise_limit));
exception when check_violation or not_null_violation or data_exception then
    perform private.fail('PT422', 'promise.bad_value');
end;
$$;
grant execute on function public.make_promise(uuid, text, bigint, jsonb) to authenticated;
comment on function public.make_promise(uuid, text, bigint, jsonb) is
    'Owner of a lead or ticket, manager, 当班主管: {kind gift|discount|price|delivery|callback|other, amount (CNY), what (masked), due_at, rule_id (a gift rule that holds: it says goods and cost, and is the permission)}. Above the shop''s promise_limit (and one''s own approval limit) it waits for a manager: state pending. A gift stands on the order as soon as the lead became one. gift.rule, gift.manager, promise.no_case, library.case_none, promise.not_yours, promise.bad_time, promise.bad_value, lead.note_phone.';

create or replace function private.promise_for_change(p_id bigint, p_version integer, p_states text[]) returns public.promises
language plpgsql set search_path = '' as $$
declare
    v public.promises;
begin
    select * into v from public.promises where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'promise.none');
    elsif v.state <> all (p_states) then
        perform private.fail('PT409', 'promise.state', pg_catalog.jsonb_build_object('state', v.state));
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'promise.stale', pg_catalog.jsonb_build_object('at', v.updated_at));
    end if;
    return v;
end;
$$;
comment on function private.promise_for_change(bigint, integer, text[]) is 'promise.none, promise.state, promise.stale.';

create or replace function public.decide_promise(p_request_id uuid, p_id bigint, p_version integer, p_agree boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'decide_promise', pg_catalog.jsonb_build_array(p_id, p_version, p_agree));
    v_now timestamptz := private.now();
    v public.promises;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.promise_for_change(p_id, p_version, array['pending']);
    if not private.oversees(v_me) then
        perform private.fail('PT403', 'lead.needs_manager');
    elsif v.made_by = v_me.member_id then
        perform private.fail('PT403', 'promise.self');
    elsif p_agree and v.amount > v_me.approval_limit then
        perform private.fail('PT403', 'promise.limit', pg_catalog.jsonb_build_object('limit', pg_catalog.to_char(v_me.approval_limit, 'FM999,999,999,999,990.00'),
            'amount', pg_catalog.to_char(v.amount, 'FM999,999,999,999,990.00')));
    elsif p_agree and v.due_at <= v_now then
        perform private.fail('PT409', 'promise.bad_time');
    end if;
    update public.promises set state = case when p_agree then 'open' else 'refused' end, decided_by = v_me.member_id,
        ended_at = case when not coalesce(p_agree, false) then v_now end
    where id = p_id returning * into v;
    if v.state = 'open' then
        perform private.start_promise(v, v_now);
        perform private.put_promised_gifts(array[v.entity_id], v_now) where v.entity = 'lead';
    end if;
    perform private.audit(v_me, v.shop_id, v.entity, v.entity_id, case when p_agree then 'promise_agreed' else 'promise_refused' end,
        pg_catalog.jsonb_build_object('promise_id', v.id, 'amount', v.amount));
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(v));
end;
$$;
grant execute on function public.decide_promise(uuid, bigint, integer, boolean) to authenticated;
comment on function public.decide_promise(uuid, bigint, integer, boolean) is
    'Manager, 当班主管 whose approval limit covers it, never whoever made it: agrees to a pending promise, or refuses it. promise.none, promise.state, promise.stale, lead.needs_manager, promise.self, promise.limit, promise.bad_time.';

create or replace function public.end_promise(p_request_id uuid, p_id bigint, p_version integer, p_as text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'end_promise', pg_catalog.jsonb_build_array(p_id, p_version, p_as));
    v_now timestamptz := private.now();
    v public.promises;
    v_clock bigint;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v := private.promise_for_change(p_id, p_version, case when p_as = 'withdrawn' then array['pending', 'open'] else array['open'] end);
    if coalesce(p_as, '') not in ('kept', 'withdrawn') then
        perform private.fail('PT422', 'promise.bad_value');
    elsif v.made_by <> v_me.member_id then
        perform private.promise_case(v_me, v.entity, v.entity_id, v_now);
    end if;
    update public.promises set state = p_as, ended_by = v_me.member_id, ended_at = v_now,
        is_on_time = case when p_as = 'kept' then v_now <= due_at end where id = p_id returning * into v;
    select id into v_clock from public.sla_clocks where entity = 'promise' and entity_id = p_id and stopped_at is null;
    if p_as = 'kept' and v_clock is not null then
        perform private.stop_clock(v_clock, v_now, v_me.member_id);
    elsif v_clock is not null then
        perform private.cancel_clock(v_clock, 'withdrawn', v_now, v_me.member_id);
    end if;
    perform private.take_promised_gifts(v_me, array[p_id], v_now) where p_as = 'withdrawn';
    perform private.audit(v_me, v.shop_id, v.entity, v.entity_id, 'promise_' || p_as, pg_catalog.jsonb_build_object('promise_id', v.id));
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(v));
end;
$$;
grant execute on function public.end_promise(uuid, bigint, integer, text) to authenticated;
comment on function public.end_promise(uuid, bigint, integer, text) is
    'Who made it, who owns the lead or ticket, manager, 当班主管: kept, or withdrawn (the customer was told). promise.none, promise.state, promise.stale, promise.not_yours, promise.bad_value.';

-- Lists, and what the clock asks --------------------------------------------------------------------------------------

create or replace function private.promise_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language plpgsql stable set search_path = '' as $$
begin
    return query select p.id, coalesce(s.owner_id, p.made_by), s.label, s.path
        from public.promises p cross join lateral private.subjects_of(p.entity, array[p.entity_id], p_now) s where p.id = any (p_ids);
end;
$$;
comment on function private.promise_subjects(bigint[], timestamptz) is 'A promise is kept by whoever owns its lead or ticket now, else by whoever made it; it opens there.';

create or replace function private.promise_owners(p_shops bigint[], p_now timestamptz) returns table (clock_id bigint, owner_id bigint)
language plpgsql stable set search_path = '' as $$
begin
    return query select c.id, s.owner_id
        from public.promises p join public.sla_clocks c on c.entity = 'promise' and c.entity_id = p.id and c.stopped_at is null
        cross join lateral private.promise_subjects(array[p.id], p_now) s
        where p.state = 'open' and p.shop_id = any (p_shops);
end;
$$;

create or replace function private.promise_deciders(p_promise public.promises, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', m.id, 'name', m.display_name) order by m.approval_limit, m.id), '[]')
    from public.members m join public.member_shops k on k.member_id = m.id and k.shop_id = (p_promise).shop_id
    where m.state = 'active' and m.id <> (p_promise).made_by and m.approval_limit >= coalesce((p_promise).amount, 0)
      and (m.role = 'manager' or (m.role = 'agent' and m.id in (select private.duty_leads((p_promise).shop_id, p_now))))
$$;
comment on function private.promise_deciders(public.promises, timestamptz) is
    'Who may agree to a pending promise now: [{id, name}], managers and the 当班主管 whose limit covers it, never whoever made it.';

create or replace function private.promise_rows(p_ids bigint[], p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(p) || pg_catalog.jsonb_build_object('shop_name', h.name, 'made_by_name', m.display_name,
        'decided_by_name', d.display_name, 'label', s.label, 'path', s.path, 'owner_id', s.owner_id, 'owner_name', o.display_name,
        'is_broken', p.state = 'open' and p.due_at < p_now,
        'deciders', case when p.state = 'pending' then private.promise_deciders(p, p_now) else '[]' end) order by u.n), '[]')
    from pg_catalog.unnest(p_ids) with ordinality u (id, n) join public.promises p on p.id = u.id
    join public.shops h on h.id = p.shop_id join public.members m on m.id = p.made_by left join public.members d on d.id = p.decided_by
    left join lateral private.promise_subjects(array[p.id], p_now) s on true left join public.members o on o.id = s.owner_id
$$;

create or replace function private.promise_page(p jsonb, p_shops bigint[], p_after jsonb, p_now timestamptz) returns bigint[]
language plpgsql stable set search_path = '' as $$
declare
    v_tab text := coalesce(p ->> 'tab', 'open');
    v_down boolean := v_tab in ('kept', 'over');
    v_ids bigint[];
begin
    execute pg_catalog.format('select array(select x.id from public.promises x where x.shop_id = any ($1) and %1$s
            and ($2 ->> ''person'' is null or x.made_by = ($2 ->> ''person'')::bigint)
            and ($2 ->> ''kind'' is null or x.kind = $2 ->> ''kind'')
            and ($3 is null or (x.due_at, x.id) %2$s (($3 ->> ''due_at'')::timestamptz, ($3 ->> ''id'')::bigint))
            order by x.due_at %3$s, x.id %3$s limit 51)', case v_tab when 'pending' then 'x.state = ''pending''' when 'all' then 'x.state in (''pending'', ''open'')'
            when 'open' then 'x.state = ''open''' when 'today' then 'x.state = ''open'' and x.due_at < $4 + interval ''24 hours'''
            when 'broken' then 'x.state = ''open'' and x.due_at < $4' when 'kept' then 'x.state = ''kept''' when 'over' then 'x.state in (''withdrawn'', ''refused'')'
            else 'false' end, case when v_down then '<' else '>' end, case when v_down then 'desc' else 'asc' end)
    into v_ids using p_shops, p, p_after, p_now;
    return v_ids;
end;
$$;
comment on function private.promise_page(jsonb, bigint[], jsonb, timestamptz) is
    'Ids of a page of promises (51: one more than shown): what stands by its time, what is over the latest first.';

create or replace function private.promise_filter(p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v jsonb := private.as_filter(p);
begin
    if coalesce(v ->> 'tab', 'open') not in ('open', 'today', 'broken', 'pending', 'kept', 'over', 'all')
        or (v ->> 'person' is not null and not private.is_id(v ->> 'person')) then
        perform private.fail('PT422', 'filter.bad');
    end if;
    return case when v -> 'mine' = 'true' then v || pg_catalog.jsonb_build_object('person', private.my_member_id()::text) else v end;
end;
$$;
comment on function private.promise_filter(jsonb) is 'The filter of a list of promises; mine is short for one''s own name. filter.bad.';

create or replace function public.promise_list(p jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member();
    v_now timestamptz := private.now();
    v jsonb := private.promise_filter(p);
    v_shops bigint[] := private.lead_shops(v);
    v_ids bigint[];
begin
    v_ids := private.promise_page(v, v_shops, v -> 'after', v_now);
    return pg_catalog.jsonb_build_object('rows', private.promise_rows(v_ids[1:50], v_now), 'next', case when pg_catalog.cardinality(v_ids) > 50 then (
            select pg_catalog.jsonb_build_object('due_at', x.due_at, 'id', x.id) from public.promises x where x.id = v_ids[50]) end,
        'tabs', (select pg_catalog.jsonb_build_object('pending', pg_catalog.count(*) filter (where x.state = 'pending'),
                'open', pg_catalog.count(*) filter (where x.state = 'open'), 'broken', pg_catalog.count(*) filter (where x.state = 'open' and x.due_at < v_now),
                'today', pg_catalog.count(*) filter (where x.state = 'open' and x.due_at < v_now + interval '24 hours'))
            from (select y.state, y.due_at from public.promises y where y.state in ('pending', 'open') and y.shop_id = any (v_shops)
                and (v ->> 'person' is null or y.made_by = (v ->> 'person')::bigint) and (v ->> 'kind' is null or y.kind = v ->> 'kind')
                order by y.due_at limit 1001) x));
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.promise_list(jsonb) to authenticated;
comment on function public.promise_list(jsonb) is
    'Members: who promised what until when in my shops: {rows, next, tabs: {open, today, broken, pending} (counted up to 1,001)}; a pending one names who may agree (deciders [{id, name}]). p: tab open|today (within 24 h)|broken|pending|all (both)|kept|over (withdrawn, refused), person (who promised), mine, kind, shop_id, after. 50 a page. filter.bad.';

create or replace function public.export_promises(p jsonb default '{}', p_after jsonb default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v jsonb := private.promise_filter(p);
    v_after jsonb := private.as_json(p_after);
    v_page bigint[];
    v_ids bigint[] := '{}';
begin
    if v_me.role = 'agent' and not private.oversees(v_me) then
        v := v || pg_catalog.jsonb_build_object('person', v_me.member_id::text);
    end if;
    if v_after is null then
        perform private.audit(v_me, (v ->> 'shop_id')::bigint, 'export', null, 'exported', pg_catalog.jsonb_build_object('area', 'promises', 'filter', v));
    end if;
    for n in 1..10 loop
        v_page := private.promise_page(v, private.lead_shops(v), v_after, v_now);
        v_ids := v_ids || v_page[1:50];
        exit when pg_catalog.cardinality(v_page) <= 50;
        v_after := (select pg_catalog.jsonb_build_object('due_at', x.due_at, 'id', x.id) from public.promises x where x.id = v_page[50]);
    end loop;
    return pg_catalog.jsonb_build_object('rows', private.promise_rows(v_ids, v_now), 'next', case when pg_catalog.cardinality(v_page) > 50 then v_after end);
exception when data_exception then
    perform private.fail('PT422', 'filter.bad');
end;
$$;
grant execute on function public.export_promises(jsonb, jsonb) to authenticated;
comment on function public.export_promises(jsonb, jsonb) is
    'Agents (what they promised themselves), operations, analysts, managers, admins: promises as promise_list filters them, 500 after its cursor {due_at, id}: {rows, next}; the first page is recorded. filter.bad.';
