-- 64 ----------------------------------------------------------------- who approves money, who is asked first, and who may not

create or replace function private.possible_approvers(p_shop_id bigint, p_now timestamptz)
returns table (member_id bigint, role text, approval_limit numeric, leads boolean, stands_in boolean)
language sql stable set search_path = '' as $$
    select m.id, m.role, m.approval_limit, coalesce(not l.is_deputy, false), coalesce(l.is_deputy, false)
    from public.member_shops s
    join public.members m on m.id = s.member_id and m.state = 'active' and m.role in ('agent', 'operations', 'manager')
    left join (select r.member_id, pg_catalog.bool_and(r.is_deputy) as is_deputy from private.rota_leads(p_now) r group by r.member_id) l
        on l.member_id = m.id
    where s.shop_id = p_shop_id and (m.role = 'manager' or l.member_id is not null)
$$;
comment on function private.possible_approvers(bigint, timestamptz) is 'Managers of a shop, its 当班主管 and its deputies of an instant, with what they may approve.';

create or replace function private.approvers(p_shop_id bigint, p_covers numeric, p_excluded bigint[], p_now timestamptz)
returns table (member_id bigint, rank integer, why text, approval_limit numeric)
language sql stable set search_path = '' as $$
    with people as materialized (
        select p.* from private.possible_approvers(p_shop_id, p_now) p
        where p.member_id <> all (p_excluded) and p.approval_limit >= p_covers
    ), ranked as materialized (
        select p.member_id, 1 as rank, 'duty_lead' as why, p.approval_limit from people p where p.leads
        union all
        select p.member_id, 2, 'deputy', p.approval_limit from people p where p.stands_in and not exists (select from people o where o.leads)
        union all
        select p.member_id, 3, 'covers', p.approval_limit from people p
        where p.role = 'manager' and not p.leads and (not p.stands_in or exists (select from people o where o.leads))
    )
    select * from ranked
    union all
    select m.id, 4, 'missing_second', m.approval_limit from public.members m
    where m.state = 'active' and m.role = 'admin' and m.id <> all (p_excluded) and m.approval_limit >= p_covers and not exists (select from ranked)
$$;
comment on function private.approvers(bigint, numeric, bigint[], timestamptz) is
    'Who may approve: 当班主管 of the shop, without one who can its deputy, managers; each with a limit that covers. An admin only where there is nobody else (the missing second), and within his own limit too: who sets limits raises one on the record first. rank says who is asked first.';

create or replace function private.approver_order(p_shop_id bigint, p_covers numeric, p_excluded bigint[], p_now timestamptz)
returns table (n bigint, member_id bigint, why text, approval_limit numeric)
language sql stable set search_path = '' as $$
    select pg_catalog.row_number() over (order by a.rank, not private.is_on_duty(a.member_id, p_now), a.approval_limit, a.member_id),
        a.member_id, a.why, a.approval_limit
    from private.approvers(p_shop_id, p_covers, p_excluded, p_now) a
$$;
comment on function private.approver_order(bigint, numeric, bigint[], timestamptz) is
    'Approvers, first the one to ask: 当班主管, deputy, then the next who covers (those on duty before others, the smallest limit first).';

create or replace function private.approval_owner(p_approval public.approvals, p_now timestamptz) returns bigint
language sql stable set search_path = '' as $$
    select coalesce((select o.member_id from private.approver_order((p_approval).shop_id, (p_approval).covers, (p_approval).excluded_ids, p_now) o
        where o.n = 1), (select pg_catalog.min(m.id) from public.members m where m.state = 'active' and m.role = 'admin'))
$$;
comment on function private.approval_owner(public.approvals, timestamptz) is
    'Whose turn it is at this moment: with the shift he changes. Where nobody''s limit covers it, an admin, who can raise one.';

create or replace function private.approval_route(p_shop_id bigint, p_covers numeric, p_requester bigint, p_excluded bigint[], p_now timestamptz)
returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_build_object(
        'asked', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', o.member_id, 'why', o.why,
            'limit', o.approval_limit) order by o.n) from private.approver_order(p_shop_id, p_covers, p_excluded, p_now) o), '[]'),
        'passed', coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('member_id', p.member_id, 'limit', p.approval_limit,
            'why', case when p.member_id = p_requester then 'requester' when p.member_id = any (p_excluded) then 'own_amount' else 'limit' end)
            order by p.member_id)
            from private.possible_approvers(p_shop_id, p_now) p
            where p.member_id = any (p_excluded) or p.approval_limit < p_covers), '[]'))
$$;
comment on function private.approval_route(bigint, numeric, bigint, bigint[], timestamptz) is
    'Who is asked, best first, and who is passed over and why: kept with the approval.';

create or replace function private.decision_refusal(p_me private.actor, p_approval public.approvals, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_id bigint := (p_me).member_id;
    v_key text;
begin
    if v_id = (p_approval).requested_by then
        v_key := 'approval.self';
    elsif v_id = any ((p_approval).excluded_ids) then
        v_key := 'approval.own_amount';
    elsif exists (select from private.approvers((p_approval).shop_id, (p_approval).covers, (p_approval).excluded_ids, p_now) a
        where a.member_id = v_id) then
        return null;
    elsif not exists (select from private.approvers((p_approval).shop_id, (p_approval).covers, (p_approval).excluded_ids, p_now)) then
        v_key := 'approval.nobody';
    elsif (p_me).role = 'admin' then
        v_key := 'approval.not_missing';
    elsif exists (select from private.possible_approvers((p_approval).shop_id, p_now) a
        where a.member_id = v_id and a.approval_limit < (p_approval).covers) then
        v_key := 'approval.limit';
    else
        v_key := 'approval.not_lead';
    end if;
    return jsonb_build_object('status', 403, 'key', v_key, 'params', jsonb_build_object('covers', (p_approval).covers,
        'limit', (p_me).approval_limit, 'who', (select string_agg(m.display_name, '、' order by o.n)
            from private.approver_order((p_approval).shop_id, (p_approval).covers, (p_approval).excluded_ids, p_now) o
            join public.members m on m.id = o.member_id where o.n <= 3)));
end;
$$;
comment on function private.decision_refusal(private.actor, public.approvals, timestamptz) is
    'Why this person may not decide, or null: approval.self, approval.own_amount (set the amount), approval.nobody (above every limit), approval.limit, approval.not_lead, approval.not_missing (an admin while somebody else can). {status, key, params}.';
