-- 58 ------------------------------------------------------------------------------- leads: the rules, and what grade follows
--
-- 线索规则 of a shop, or the default (shop_id null): which facts make which grade, how long a lead may rest and be kept, how
-- many a person may take out of the pool on a day. The first rule of the list that holds gives the grade; none: C.

create or replace function private.is_grading(p_grading jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_grading) = 'array' and pg_catalog.jsonb_array_length(p_grading) <= 30 and not exists (
        select from pg_catalog.jsonb_array_elements(case when pg_catalog.jsonb_typeof(p_grading) = 'array' then p_grading else '[]' end) r
        where not coalesce(r.value ->> 'grade' in ('A', 'B', 'C') and private.is_conditions(r.value -> 'conditions')
            and r.value -> 'conditions' <> '{}' and not exists (
                select from pg_catalog.jsonb_each(r.value -> 'conditions') c where not coalesce(case c.key
                    when 'intent' then c.value <@ '["high", "medium", "low", "unknown"]'
                    when 'budget' then c.value <@ '["high", "enough", "low", "unknown"]'
                    when 'source' then c.value <@ '["asked_unpaid", "live", "enterprise", "form", "chat", "order", "campaign", "other"]'
                    when 'recency' then c.value <@ '["day", "three_days", "week", "older"]' end, false)), false))
$$;
comment on function private.is_grading(jsonb) is 'Whether a value is a list of grading rules as lead_rules.grading describes them.';

create or replace function private.number_in(p_value jsonb, p_min integer, p_max integer) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
    return pg_catalog.jsonb_typeof(p_value) = 'number' and p_value #>> '{}' ~ '^[0-9]{1,6}$' and (p_value #>> '{}')::integer between p_min and p_max;
end;
$$;

create or replace function private.is_recycling(p_recycling jsonb) returns boolean
language sql immutable set search_path = '' as $$
    select pg_catalog.jsonb_typeof(p_recycling) = 'object' and not exists (
        select from pg_catalog.unnest(array['A', 'B', 'C']) g where not coalesce(
            private.number_in(p_recycling -> g -> 'rest_days', 1, 90) and private.number_in(p_recycling -> g -> 'keep_days', 1, 365), false))
$$;

create table if not exists public.lead_rules (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    grading jsonb not null constraint lead_rules_grading_form check (private.is_grading(grading)),
    recycling jsonb not null constraint lead_rules_recycling_form check (private.is_recycling(recycling)),
    quarantine_minutes integer not null default 60 constraint lead_rules_quarantine_range check (quarantine_minutes between 0 and 10080),
    cool_off_days integer not null default 7 constraint lead_rules_cool_off_range check (cool_off_days between 0 and 90),
    claim_limit integer not null default 20 constraint lead_rules_claim_limit_range check (claim_limit between 0 and 1000),
    reopen_days integer not null default 30 constraint lead_rules_reopen_range check (reopen_days between 0 and 365),
    promise_limit numeric(14, 2) not null default 15 constraint lead_rules_promise_range check (promise_limit between 0 and 100000),
    is_handed_out boolean not null default true,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint lead_rules_shop_unique unique nulls not distinct (shop_id)
);
alter table public.lead_rules enable row level security;
create or replace trigger t10_touch before update on public.lead_rules
    for each row execute function private.touch_version();
comment on table public.lead_rules is '线索规则: the default (shop_id null) and a shop''s own.';
comment on column public.lead_rules.grading is
    'Rules in order [{"grade": "A", "conditions": {"intent": ["high"], "budget": ["high"]}}]; facts intent, budget, source, recency (day, three_days, week, older: since the customer asked). The first that holds counts; none: C.';
comment on column public.lead_rules.recycling is
    'By grade {"A": {"rest_days": 3, "keep_days": 30}}: the next follow-up may lie so far ahead; an owner keeps an open lead so long, then it goes back to the pool. (Too late a follow-up sends it back by the ladder of its deadline.)';
comment on column public.lead_rules.quarantine_minutes is 'So long a recycled lead rests before anybody gets it (60: product decision).';
comment on column public.lead_rules.cool_off_days is 'So long its previous owner neither gets nor takes it again (7: product decision).';
comment on column public.lead_rules.claim_limit is 'Leads a person may take out of the pool of the shop''s day (20: product decision).';
comment on column public.lead_rules.promise_limit is 'CNY that an agent may promise by himself; beyond it a manager agrees first (15: the gift that an unordered customer may get, by the presales policy).';
comment on column public.lead_rules.is_handed_out is 'Leads are given to people on duty by themselves; off: the pool waits for claims.';
drop policy if exists "members read the lead rules of their shops" on public.lead_rules;
create policy "members read the lead rules of their shops" on public.lead_rules
    for select to authenticated using ((select private.my_role()) is not null and (shop_id is null or shop_id in (select private.my_shop_ids())));
grant select on public.lead_rules to authenticated;

insert into public.lead_rules (shop_id, grading, recycling) values (null,
    '[{"grade": "A", "conditions": {"intent": ["high"], "budget": ["high"]}},
      {"grade": "A", "conditions": {"intent": ["high"], "budget": ["enough"], "source": ["enterprise"]}},
      {"grade": "B", "conditions": {"intent": ["high", "medium"]}},
      {"grade": "B", "conditions": {"source": ["asked_unpaid"], "recency": ["day"]}}]',
    '{"A": {"rest_days": 3, "keep_days": 30}, "B": {"rest_days": 7, "keep_days": 45}, "C": {"rest_days": 30, "keep_days": 60}}')
on conflict do nothing;

create or replace function private.lead_rules_of(p_shop_id bigint) returns public.lead_rules
language sql stable set search_path = '' as $$
    select * from public.lead_rules where shop_id = p_shop_id or shop_id is null order by shop_id nulls last limit 1
$$;
comment on function private.lead_rules_of(bigint) is 'The rules that hold for a shop: its own, else the default.';

-- Grading -------------------------------------------------------------------------------------------------------------

create or replace function private.lead_recency(p_asked_at timestamptz, p_now timestamptz) returns text
language sql immutable set search_path = '' as $$
    select case when p_now - p_asked_at <= interval '24 hours' then 'day' when p_now - p_asked_at <= interval '72 hours' then 'three_days'
        when p_now - p_asked_at <= interval '7 days' then 'week' else 'older' end
$$;

create or replace function private.grade_of(p_grading jsonb, p_facts jsonb, out grade text, out rule integer)
language sql immutable set search_path = '' as $$
    select coalesce(r.grade, 'C'), r.n from (select 1) always left join lateral (
        select e.value ->> 'grade' as grade, e.n::integer as n
        from pg_catalog.jsonb_array_elements(p_grading) with ordinality e (value, n)
        where private.policy_matches(e.value -> 'conditions', p_facts) order by e.n limit 1) r on true
$$;
comment on function private.grade_of(jsonb, jsonb) is 'The grade that a list of rules gives to facts, and the place of the rule that held; none: C, null.';

create or replace function private.judged_leads(p_ids bigint[])
returns table (id bigint, shop_id bigint, had text, grade text, reasons jsonb)
language sql stable set search_path = '' as $$
    with known as materialized (
        select l.id, l.shop_id, l.grade, pg_catalog.jsonb_build_object('intent', l.intent, 'budget', l.budget, 'source', l.source,
            'recency', private.lead_recency(l.asked_at, l.captured_at)) as facts
        from public.leads l where l.id = any (p_ids)
    ), rules as materialized (
        select s.shop_id, (private.lead_rules_of(s.shop_id)).grading from (select distinct k.shop_id from known k) s
    ), judged as materialized ( -- many leads, few kinds of facts: each kind is judged once
        select f.shop_id, f.facts, g.grade, g.rule from (select distinct k.shop_id, k.facts from known k) f
        join rules r on r.shop_id = f.shop_id cross join lateral private.grade_of(r.grading, f.facts) g
    )
    select k.id, k.shop_id, k.grade, j.grade, pg_catalog.jsonb_build_object('rule', j.rule, 'facts', k.facts)
    from known k join judged j on j.shop_id = k.shop_id and j.facts = k.facts
$$;
comment on function private.judged_leads(bigint[]) is
    'The grade that the rules give these leads now. How recent the wish was is judged as of its capture: waiting makes no lead colder on paper.';

create or replace function private.grade_leads(p_ids bigint[], p_now timestamptz) returns void
language sql set search_path = '' as $$
    with graded as (
        update public.leads l set grade = j.grade, grade_by = 'rule', grade_reasons = j.reasons, graded_at = p_now
        from private.judged_leads(p_ids) j where j.id = l.id returning l.id, l.shop_id, l.grade, l.grade_reasons
    )
    insert into public.audit_events (at, actor, shop_id, entity, entity_id, action, detail)
    select p_now, 'system', shop_id, 'lead', id, 'graded', grade_reasons || pg_catalog.jsonb_build_object('grade', grade) from graded
$$;
comment on function private.grade_leads(bigint[], timestamptz) is 'First grade of captured leads, with its reasons.';

create or replace function private.regrade(p_me private.actor, p_lead public.leads, p_grade text, p_by text, p_reasons jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    update public.leads set grade = p_grade, grade_by = p_by, grade_reasons = p_reasons,
        graded_at = case when p_grade = p_lead.grade then graded_at else p_now end
    where id = p_lead.id;
    perform private.audit(p_me, p_lead.shop_id, 'lead', p_lead.id, 'graded',
        p_reasons || pg_catalog.jsonb_build_object('grade', p_grade, 'from', p_lead.grade, 'by', p_by));
    if p_grade <> p_lead.grade then
        perform private.regrade_clock(p_lead.id, (p_me).member_id, p_now);
    end if;
end;
$$;
comment on function private.regrade(private.actor, public.leads, text, text, jsonb, timestamptz) is
    'Another grade: the deadline becomes that of the grade, time already used stays used.';

create or replace function private.regrade_by_rule(p_me private.actor, p_ids bigint[], p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v record;
    v_count integer := 0;
begin
    for v in select l as lead, j.grade, j.reasons from private.judged_leads(p_ids) j join public.leads l on l.id = j.id
        where l.state in ('pool', 'assigned', 'following') and j.grade <> l.grade order by l.id
    loop
        perform private.regrade(p_me, v.lead, v.grade, 'rule', v.reasons, p_now);
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.regrade_by_rule(private.actor, bigint[], timestamptz) is 'Open leads whose grade the rules see differently now get it; answers how many.';

create or replace function public.grade_lead(p_request_id uuid, p_id bigint, p_version integer, p_grade text, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'grade_lead', pg_catalog.jsonb_build_array(p_id, p_version, p_grade, p_reason));
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_lead := private.lead_for_change(v_me, p_id, p_version, array['pool', 'assigned', 'following']);
    if coalesce(p_grade, '') not in ('A', 'B', 'C') then
        perform private.fail('PT422', 'lead.bad_value');
    end if;
    if coalesce(p_reason, '') not in ('asked_price', 'named_quantity', 'repeat_buyer', 'decision_soon', 'only_looking', 'no_budget', 'later', 'wrong_facts') then
        perform private.fail('PT422', 'lead.grade_reason');
    end if;
    perform private.regrade(v_me, v_lead, p_grade, 'person', pg_catalog.jsonb_build_object('reason', p_reason), private.now());
    return private.finish_request(p_request_id, private.captured_rows(array[p_id]) -> 0);
end;
$$;
grant execute on function public.grade_lead(uuid, bigint, integer, text, text) to authenticated;
comment on function public.grade_lead(uuid, bigint, integer, text, text) is
    'Owner, manager, 当班主管: sets the grade by hand; reason asked_price, named_quantity, repeat_buyer, decision_soon, only_looking, no_budget, later, wrong_facts. The rules no longer change it. lead.none, lead.state, lead.not_yours, lead.stale, lead.grade_reason, lead.bad_value.';

-- Changing the rules --------------------------------------------------------------------------------------------------

create or replace function private.write_lead_rules(p_shop_id bigint, p_rules jsonb) returns public.lead_rules
language plpgsql set search_path = '' as $$
declare
    v public.lead_rules;
begin
    insert into public.lead_rules as r (shop_id, grading, recycling, quarantine_minutes, cool_off_days, claim_limit, reopen_days, promise_limit, is_handed_out)
    select p_shop_id, coalesce(p_rules -> 'grading', d.grading), coalesce(p_rules -> 'recycling', d.recycling),
        coalesce((p_rules ->> 'quarantine_minutes')::integer, d.quarantine_minutes), coalesce((p_rules ->> 'cool_off_days')::integer, d.cool_off_days),
        coalesce((p_rules ->> 'claim_limit')::integer, d.claim_limit), coalesce((p_rules ->> 'reopen_days')::integer, d.reopen_days),
        coalesce((p_rules ->> 'promise_limit')::numeric, d.promise_limit), coalesce((p_rules ->> 'is_handed_out')::boolean, d.is_handed_out)
    from private.lead_rules_of(p_shop_id) d
    on conflict (shop_id) do update set grading = excluded.grading, recycling = excluded.recycling,
        quarantine_minutes = excluded.quarantine_minutes, cool_off_days = excluded.cool_off_days, claim_limit = excluded.claim_limit,
        reopen_days = excluded.reopen_days, promise_limit = excluded.promise_limit, is_handed_out = excluded.is_handed_out
    returning r.* into v;
    return v;
exception when check_violation or data_exception or not_null_violation then
    perform private.fail('PT422', 'lead_rules.bad_value');
end;
$$;
comment on function private.write_lead_rules(bigint, jsonb) is
    'The default, or the shop''s own (a copy of the default at first) with these values changed. lead_rules.bad_value.';

create or replace function private.lead_rules_for_change(p_me private.actor, p_shop_id bigint, p_version integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_version integer;
begin
    if p_shop_id is not null then
        perform private.require_shop(p_me, p_shop_id);
    end if;
    select version into v_version from public.lead_rules where shop_id is not distinct from p_shop_id for update;
    if coalesce(v_version, 0) is distinct from coalesce(p_version, 0) then
        perform private.fail('PT409', 'lead_rules.stale');
    end if;
end;
$$;

create or replace function public.save_lead_rules(p_request_id uuid, p_shop_id bigint, p_version integer, p_rules jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_rules jsonb := private.as_json(p_rules);
    v_answer jsonb := private.begin_request(p_request_id, 'save_lead_rules', pg_catalog.jsonb_build_array(p_shop_id, p_version, v_rules));
    v_saved public.lead_rules;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.lead_rules_for_change(v_me, p_shop_id, p_version);
    v_saved := private.write_lead_rules(p_shop_id, v_rules);
    perform private.audit(v_me, p_shop_id, 'lead_rules', v_saved.id, 'saved', v_rules);
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(v_saved));
end;
$$;
grant execute on function public.save_lead_rules(uuid, bigint, integer, jsonb) to authenticated;
comment on function public.save_lead_rules(uuid, bigint, integer, jsonb) is
    'Manager: changes the default (p_shop_id null) or a shop''s own lead rules: grading, recycling, quarantine_minutes, cool_off_days, claim_limit, reopen_days, promise_limit, is_handed_out. p_version 0 makes the shop''s own. New leads follow at once, open ones by apply_lead_rules. lead_rules.stale, lead_rules.bad_value, shop.none.';

create or replace function public.reset_lead_rules(p_request_id uuid, p_shop_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'reset_lead_rules', pg_catalog.jsonb_build_array(p_shop_id, p_version));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    perform private.lead_rules_for_change(v_me, p_shop_id, p_version);
    delete from public.lead_rules where shop_id = p_shop_id;
    perform private.audit(v_me, p_shop_id, 'lead_rules', null, 'reset');
    return private.finish_request(p_request_id, pg_catalog.to_jsonb(private.lead_rules_of(p_shop_id)));
end;
$$;
grant execute on function public.reset_lead_rules(uuid, bigint, integer) to authenticated;
comment on function public.reset_lead_rules(uuid, bigint, integer) is 'Manager: the shop follows the default lead rules again. lead_rules.stale, shop.none.';

create or replace function private.leads_graded_otherwise(p_shop_id bigint, p_limit integer)
returns table (id bigint, had text, grade text)
language sql stable set search_path = '' as $$
    select j.id, j.had, j.grade
    from private.judged_leads(array(select l.id from public.leads l
        where l.state in ('pool', 'assigned', 'following') and l.grade_by = 'rule' and (p_shop_id is null or l.shop_id = p_shop_id)
        order by l.id limit 20000)) j
    where j.grade <> j.had order by j.id limit p_limit
$$;
comment on function private.leads_graded_otherwise(bigint, integer) is
    'Open leads (at most 20,000 are looked at) that the rules grade otherwise than they are; grades set by a person stay.';

create or replace function public.preview_lead_rules(p_shop_id bigint, p_rules jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_moves jsonb;
    v_sample jsonb;
begin
    if p_shop_id is not null then
        perform private.require_shop(v_me, p_shop_id);
    end if;
    begin
        perform private.write_lead_rules(p_shop_id, private.as_json(p_rules));
        with moved as (
            select m.* from private.leads_graded_otherwise(p_shop_id, 20000) m join public.leads l on l.id = m.id
            where l.shop_id in (select private.my_shop_ids())
        )
        select (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', had, 'to', grade, 'count', n) order by had, grade), '[]')
                from (select had, grade, pg_catalog.count(*) as n from moved group by had, grade) c),
            (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('number', 'L-' || id, 'from', had, 'to', grade) order by id desc), '[]')
                from (select * from moved order by id desc limit 10) s)
        into v_moves, v_sample;
        raise exception using errcode = 'PT409', message = 'rule.preview';
    exception when sqlstate 'PT409' then
        null;
    end;
    return pg_catalog.jsonb_build_object('moves', v_moves, 'sample', v_sample, 'open', (
        select pg_catalog.jsonb_object_agg(g, (select pg_catalog.count(*) from public.leads l where l.state in ('pool', 'assigned', 'following')
            and l.grade = g and l.shop_id in (select private.my_shop_ids()) and (p_shop_id is null or l.shop_id = p_shop_id)))
        from pg_catalog.unnest(array['A', 'B', 'C']) g));
end;
$$;
grant execute on function public.preview_lead_rules(bigint, jsonb) to authenticated;
comment on function public.preview_lead_rules(bigint, jsonb) is
    'Manager: how open leads of my shops would be graded by changed rules: {open: {A, B, C}, moves: [{from, to, count}], sample: [{number, from, to}]}. Changes nothing: it is tried and undone. lead_rules.bad_value, shop.none.';

create or replace function public.apply_lead_rules(p_request_id uuid, p_shop_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_answer jsonb := private.begin_request(p_request_id, 'apply_lead_rules', pg_catalog.to_jsonb(p_shop_id));
    v_now timestamptz := private.now();
    v_ids bigint[];
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    v_ids := array(select m.id from private.leads_graded_otherwise(p_shop_id, 501) m);
    perform from public.leads where id = any (v_ids[1:500]) order by id for update;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('changed', private.regrade_by_rule(v_me, v_ids[1:500], v_now),
        'more', pg_catalog.cardinality(v_ids) > 500));
end;
$$;
grant execute on function public.apply_lead_rules(uuid, bigint) to authenticated;
comment on function public.apply_lead_rules(uuid, bigint) is
    'Manager: open leads of a shop that were graded by rules get the grade of today''s rules, 500 a call: {changed, more}. Grades set by a person stay. shop.none.';

create or replace function public.lead_rules_screen() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'analyst', 'manager', 'admin']);
begin
    return pg_catalog.jsonb_build_object(
        'default', (select pg_catalog.to_jsonb(r) from public.lead_rules r where r.shop_id is null),
        'shops', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('shop_id', s.id, 'shop_name', s.name, 'rules', pg_catalog.to_jsonb(r)) order by s.id), '[]')
            from public.shops s left join public.lead_rules r on r.shop_id = s.id where s.id in (select private.my_shop_ids())),
        'changes', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c) order by c.id desc), '[]') from (
            select a.id, a.at, m.display_name as who, a.shop_id, a.action, a.detail as after
            from public.audit_events a left join public.members m on m.id = a.member_id
            where a.entity = 'lead_rules' and (a.shop_id is null or a.shop_id in (select private.my_shop_ids())) order by a.id desc limit 30) c));
end;
$$;
grant execute on function public.lead_rules_screen() to authenticated;
comment on function public.lead_rules_screen() is
    'Everybody who works with leads: {default, shops: [{shop_id, shop_name, rules (null: follows the default)}], changes: the latest 30}.';
