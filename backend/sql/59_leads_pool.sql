-- 59 -------------------------------------------------------------------------------------------- leads: the pool (公海)
--
-- Leads nobody owns go to people on duty by themselves (42_assignment), or a person takes them: within the claims of a day,
-- after the quarantine, never back to whoever has just let them go, and never twice.

-- Given out by themselves ---------------------------------------------------------------------------------------------

create or replace function private.cooled_off(p_lead_id bigint, p_shop_id bigint, p_now timestamptz) returns bigint[]
language sql stable set search_path = '' as $$
    select coalesce(pg_catalog.array_agg(distinct o.member_id), '{}') from public.lead_owners o
    where o.lead_id = p_lead_id and o.ended_as in ('recycled', 'given_back')
      and o.until > p_now - pg_catalog.make_interval(days => (private.lead_rules_of(p_shop_id)).cool_off_days)
$$;
comment on function private.cooled_off(bigint, bigint, timestamptz) is 'Who had this lead not long ago and let it go: neither given it nor allowed to take it.';

create or replace function private.twin_of(p_lead_id bigint) returns public.leads
language sql stable set search_path = '' as $$
    select t from public.lead_merges g join public.leads t on t.id = g.into_id
    where g.lead_id = p_lead_id and g.state = 'open' and t.closed_at is null order by t.owner_id is null, t.id limit 1
$$;
comment on function private.twin_of(bigint) is
    'An older open lead that may be the same customer, one that somebody works on before one of the pool: until that is decided nobody is given this one, and while the other has an owner only he takes it.';

create or replace function private.leads_to_hand_out(p_shop_id bigint, p_ids bigint[], p_limit integer, p_now timestamptz) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select l.id from public.leads l
        where l.shop_id = p_shop_id and l.state = 'pool' and l.free_at <= p_now and (p_ids is null or l.id = any (p_ids))
          and (l.looked_at is null or l.looked_at < p_now - interval '10 minutes') and (private.twin_of(l.id)).id is null
        order by l.captured_at, l.id limit p_limit for update skip locked)
$$;
comment on function private.leads_to_hand_out(bigint, bigint[], integer, timestamptz) is 'Locks the leads of the pool that may go out now, oldest first.';

create or replace function private.hand_out_leads(p_shop_id bigint, p_now timestamptz, p_ids bigint[] default null) returns integer
language plpgsql set search_path = '' as $$
declare
    v_room integer := case when (private.lead_rules_of(p_shop_id)).is_handed_out then private.free_places('lead', p_shop_id, p_now) else 0 end;
    v_leads bigint[];
    v_ids bigint[];
    v_members bigint[];
    v_decisions bigint[];
begin
    if v_room = 0 then
        return 0;
    end if;
    v_leads := private.leads_to_hand_out(p_shop_id, p_ids, least(v_room, 200) + 20, p_now); -- some more: who may not have one may have the next
    if v_leads = '{}' then
        return 0;
    end if;
    select pg_catalog.array_agg(a.id), pg_catalog.array_agg(a.member_id), pg_catalog.array_agg(a.decision_id) into v_ids, v_members, v_decisions
    from private.assign_work('lead', p_shop_id, (
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', u.id, 'skill', 'presales',
            'not', pg_catalog.to_jsonb(private.cooled_off(u.id, p_shop_id, p_now))) order by u.n)
        from pg_catalog.unnest(v_leads) with ordinality u (id, n)), case when p_ids is null then 'on_duty' else 'arrival' end, p_now) a
    where a.member_id is not null;
    update public.leads set looked_at = p_now where id = any (v_leads) and id <> all (coalesce(v_ids, '{}'));
    if v_ids is null then
        return 0;
    end if;
    perform private.own_leads(null, v_ids, v_members, v_decisions, 'auto', null, p_now);
    return pg_catalog.cardinality(v_ids);
end;
$$;
comment on function private.hand_out_leads(bigint, timestamptz, bigint[]) is
    'Gives leads of the pool (p_ids null: the oldest) to people on duty who have room, as 42_assignment decides; answers how many.';

create or replace function private.recycle_kept_leads(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_ids bigint[] := array(
        with keep as materialized (
            select s.id as shop_id, g as grade, pg_catalog.make_interval(days => ((private.lead_rules_of(s.id)).recycling #>> array[g, 'keep_days'])::integer) as span
            from public.shops s cross join pg_catalog.unnest(array['A', 'B', 'C']) g
        )
        select l.id from public.leads l join keep k on k.shop_id = l.shop_id and k.grade = l.grade
        where l.state in ('assigned', 'following') and l.owned_since < p_now - k.span
          and l.owned_since < p_now - (select pg_catalog.min(k.span) from keep k)
        order by l.owned_since limit 500 for update of l skip locked);
begin
    return case when v_ids = '{}' then 0 else private.free_leads(null, v_ids, 'recycled', 'kept_too_long', p_now) end;
end;
$$;
comment on function private.recycle_kept_leads(timestamptz) is 'Leads that an owner has had for longer than their grade allows go back to the pool, 500 a minute.';

create or replace function private.drain_leads(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_shop bigint;
    v_count integer := 0;
begin
    perform private.forget_lead_counts(p_now);
    perform private.fold_leads();
    perform private.recycle_kept_leads(p_now);
    for v_shop in select s.id from public.shops s where s.is_active
        and exists (select from public.leads l where l.shop_id = s.id and l.state = 'pool' and l.free_at <= p_now) order by s.id
    loop
        v_count := v_count + private.hand_out_leads(v_shop, p_now);
    end loop;
    return v_count;
end;
$$;
comment on function private.drain_leads(timestamptz) is 'Each minute (42_assignment): what was kept too long comes back, what waits goes to whoever has room, oldest first; answers how many were given out.';

-- Taken by a person ---------------------------------------------------------------------------------------------------

create table if not exists private.lead_claims (
    member_id bigint not null references public.members,
    shop_id bigint not null references public.shops,
    day date not null,
    claims integer not null,
    primary key (member_id, shop_id, day)
);
create index if not exists lead_claims_shop_id_idx on private.lead_claims (shop_id);
alter table private.lead_claims enable row level security;
comment on table private.lead_claims is 'How many leads a member took out of the pool on a day of the shop. Its row is the lock that keeps parallel claims within the limit.';

create or replace function private.claims_left(p_me private.actor, p_shop_id bigint, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    v_day date := (p_now at time zone (select timezone from public.shops where id = p_shop_id))::date;
    v_had integer;
begin
    insert into private.lead_claims as c (member_id, shop_id, day, claims) values ((p_me).member_id, p_shop_id, v_day, 0)
    on conflict (member_id, shop_id, day) do update set claims = c.claims returning c.claims into v_had;
    return greatest(0, (private.lead_rules_of(p_shop_id)).claim_limit - v_had);
end;
$$;
comment on function private.claims_left(private.actor, bigint, timestamptz) is 'How many more a member may claim today; holds the count until the transaction ends.';

create or replace function private.take_leads(p_me private.actor, p_ids bigint[], p_how text, p_ended_as text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
    update private.lead_claims c set claims = c.claims + n.n
    from (select l.shop_id, (p_now at time zone s.timezone)::date as day, pg_catalog.count(*) as n
        from public.leads l join public.shops s on s.id = l.shop_id where l.id = any (p_ids) group by 1, 2) n
    where c.member_id = (p_me).member_id and c.shop_id = n.shop_id and c.day = n.day;
    perform private.give_leads(p_me, p_ids, (p_me).member_id, p_how, p_ended_as, p_now);
    return private.captured_rows(p_ids);
end;
$$;
comment on function private.take_leads(private.actor, bigint[], text, text, timestamptz) is 'Leads that a member may have (checked, locked and counted by the caller) are his.';

create or replace function private.refuse_frozen(p_member_id bigint, p_now timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
    v_until timestamptz := (select frozen_until from public.assignment_members
        where member_id = p_member_id and area = 'lead' and frozen_until > p_now);
begin
    if v_until is not null then
        perform private.fail('PT409', 'lead.frozen', pg_catalog.jsonb_build_object('until', v_until,
            'who', (select display_name from public.members where id = p_member_id)));
    end if;
end;
$$;

create or replace function private.refuse_claim(p_me private.actor, p_lead public.leads, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_twin public.leads := private.twin_of(p_lead.id);
begin
    if p_lead.state in ('assigned', 'following') then
        perform private.fail('PT409', 'lead.taken', pg_catalog.jsonb_build_object('number', 'L-' || p_lead.id,
            'who', (select display_name from public.members where id = p_lead.owner_id)));
    elsif p_lead.state <> 'pool' then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || p_lead.id, 'state', p_lead.state));
    elsif p_lead.free_at > p_now then
        perform private.fail('PT409', 'lead.resting', pg_catalog.jsonb_build_object('number', 'L-' || p_lead.id, 'until', p_lead.free_at));
    elsif (p_me).member_id = any (private.cooled_off(p_lead.id, p_lead.shop_id, p_now)) then
        perform private.fail('PT409', 'lead.cool_off', pg_catalog.jsonb_build_object('number', 'L-' || p_lead.id,
            'days', (private.lead_rules_of(p_lead.shop_id)).cool_off_days));
    elsif v_twin.owner_id <> (p_me).member_id then
        perform private.fail('PT409', 'lead.twin', pg_catalog.jsonb_build_object('number', 'L-' || p_lead.id, 'other', 'L-' || v_twin.id,
            'who', (select display_name from public.members where id = v_twin.owner_id)));
    end if;
end;
$$;
comment on function private.refuse_claim(private.actor, public.leads, timestamptz) is
    'lead.taken (who), lead.state, lead.resting (until), lead.cool_off (days), lead.twin (other, who).';

create or replace function public.claim_lead(p_request_id uuid, p_id bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_lead', pg_catalog.to_jsonb(p_id));
    v_now timestamptz := private.now();
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_lead from public.leads where id = p_id and shop_id in (select private.my_shop_ids());
    if not found then
        perform private.fail('PT404', 'lead.none');
    end if;
    perform private.refuse_claim(v_me, v_lead, v_now);
    perform private.refuse_frozen(v_me.member_id, v_now);
    if private.claims_left(v_me, v_lead.shop_id, v_now) = 0 then
        perform private.fail('PT409', 'lead.claim_limit', pg_catalog.jsonb_build_object('limit', (private.lead_rules_of(v_lead.shop_id)).claim_limit));
    end if;
    select * into v_lead from public.leads where id = p_id for update; -- of many at once the first one gets it, the others look again
    perform private.refuse_claim(v_me, v_lead, v_now);
    return private.finish_request(p_request_id, private.take_leads(v_me, array[p_id], 'claimed', null, v_now) -> 0);
end;
$$;
grant execute on function public.claim_lead(uuid, bigint) to authenticated;
comment on function public.claim_lead(uuid, bigint) is
    'Sellers: a lead of the pool is mine. Of any number of parallel claims exactly one wins. lead.none, lead.taken (who), lead.state, lead.resting, lead.cool_off, lead.twin, lead.frozen, lead.claim_limit (limit).';

create or replace function private.next_leads(p_me private.actor, p_shop_id bigint, p_grade text, p_count integer, p_now timestamptz) returns bigint[]
language sql volatile set search_path = '' as $$
    select array(
        select l.id from public.leads l
        where l.shop_id = p_shop_id and l.state = 'pool' and l.free_at <= p_now and (p_grade is null or l.grade = p_grade)
          and (p_me).member_id <> all (private.cooled_off(l.id, p_shop_id, p_now))
          and coalesce((private.twin_of(l.id)).owner_id, (p_me).member_id) = (p_me).member_id
        order by l.due_sort, l.id limit p_count for update skip locked)
$$;

create or replace function public.claim_next_leads(p_request_id uuid, p_shop_id bigint, p_count integer default 1, p_grade text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_next_leads', pg_catalog.jsonb_build_array(p_shop_id, p_count, p_grade));
    v_now timestamptz := private.now();
    v_left integer;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    if p_count is null or p_count not between 1 and 20 then
        perform private.fail('PT422', 'bulk.too_many', '{"limit": 20}');
    end if;
    perform private.refuse_frozen(v_me.member_id, v_now);
    v_left := private.claims_left(v_me, p_shop_id, v_now);
    if v_left = 0 then
        perform private.fail('PT409', 'lead.claim_limit', pg_catalog.jsonb_build_object('limit', (private.lead_rules_of(p_shop_id)).claim_limit));
    end if;
    v_answer := private.take_leads(v_me, private.next_leads(v_me, p_shop_id, p_grade, least(p_count, v_left), v_now), 'claimed', null, v_now);
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('leads', v_answer, 'left', v_left - pg_catalog.jsonb_array_length(v_answer)));
end;
$$;
grant execute on function public.claim_next_leads(uuid, bigint, integer, text) to authenticated;
comment on function public.claim_next_leads(uuid, bigint, integer, text) is
    'Sellers: the most urgent leads of a shop''s pool (at most 20, of a grade if one is named) are mine: {leads, left (claims of the day)}. shop.none, bulk.too_many, lead.frozen, lead.claim_limit.';

create or replace function public.take_over_lead(p_request_id uuid, p_id bigint, p_version integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_seller();
    v_answer jsonb := private.begin_request(p_request_id, 'take_over_lead', pg_catalog.jsonb_build_array(p_id, p_version));
    v_now timestamptz := private.now();
    v_lead public.leads;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    select * into v_lead from public.leads where id = p_id and shop_id in (select private.my_shop_ids()) for update;
    if not found then
        perform private.fail('PT404', 'lead.none');
    elsif v_lead.state not in ('assigned', 'following') or v_lead.owner_id = v_me.member_id then
        perform private.fail('PT409', 'lead.state', pg_catalog.jsonb_build_object('number', 'L-' || p_id, 'state', v_lead.state));
    elsif v_lead.version is distinct from p_version then
        perform private.fail('PT409', 'lead.stale', pg_catalog.jsonb_build_object('number', 'L-' || p_id, 'at', v_lead.updated_at, 'version', v_lead.version));
    elsif not private.oversees(v_me) and private.is_on_duty(v_lead.owner_id, v_now) then
        perform private.fail('PT409', 'lead.owner_here', pg_catalog.jsonb_build_object('number', 'L-' || p_id,
            'who', (select display_name from public.members where id = v_lead.owner_id)));
    end if;
    perform private.refuse_frozen(v_me.member_id, v_now);
    if private.claims_left(v_me, v_lead.shop_id, v_now) = 0 then
        perform private.fail('PT409', 'lead.claim_limit', pg_catalog.jsonb_build_object('limit', (private.lead_rules_of(v_lead.shop_id)).claim_limit));
    end if;
    return private.finish_request(p_request_id, private.take_leads(v_me, array[p_id], 'taken_over', 'taken_over', v_now) -> 0);
end;
$$;
grant execute on function public.take_over_lead(uuid, bigint, integer) to authenticated;
comment on function public.take_over_lead(uuid, bigint, integer) is
    'Sellers: a colleague''s lead is mine while he is off duty (a manager or 当班主管: at any time); counts as a claim of the day. lead.none, lead.state, lead.stale, lead.owner_here (who), lead.frozen, lead.claim_limit.';
