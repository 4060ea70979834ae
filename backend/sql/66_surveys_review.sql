-- 66 ------------------------------------------------------------------------- low-score reviews (低分复盘): finding and root cause

create or replace function private.check_finding(p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
    if char_length(pg_catalog.btrim(coalesce(p ->> 'finding', ''))) not between 2 and 1000 or private.names_a_phone(p ->> 'finding') then
        perform private.fail('PT422', 'review.finding');
    elsif not exists (select from public.root_causes c where c.is_active and private.is_id(p ->> 'root_cause_id')
        and c.id = (p ->> 'root_cause_id')::bigint) then
        perform private.fail('PT422', 'review.root_cause');
    elsif coalesce(p ->> 'then', '') not in ('close', 'rework') then
        perform private.fail('PT422', 'request.bad_value');
    end if;
end;
$$;
comment on function private.check_finding(jsonb) is 'review.finding, review.root_cause (an active one), request.bad_value.';

create or replace function private.case_for_review(p_me private.actor, p_ticket_id bigint, p_version integer, p_now timestamptz) returns public.tickets
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets;
begin
    select * into v from public.tickets t where t.id = p_ticket_id and t.shop_id in (select private.my_shop_ids()) for update;
    if v.id is null or v.state = 'review' or not exists (select from public.score_reviews r where r.ticket_id = v.id and r.state = 'open') then
        return private.ticket_for_change(p_me, p_ticket_id, p_version, 'finish_review', p_now);
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'ticket.stale', pg_catalog.jsonb_build_object('id', v.id, 'who', private.last_hand(v.id), 'at', v.updated_at));
    elsif not private.is_ticket_lead(p_me, v.shop_id, p_now) then
        perform private.fail('PT403', 'ticket.needs_lead', pg_catalog.jsonb_build_object('id', v.id));
    end if;
    return v;
end;
$$;
comment on function private.case_for_review(private.actor, bigint, integer, timestamptz) is
    'Locks the ticket of a review for a lead of its shop; also one that is still worked on (the low score was about its order). Refuses as private.ticket_refusal says.';

create or replace function private.review_of_case(p_me private.actor, p_ticket public.tickets, p_now timestamptz) returns public.score_reviews
language plpgsql volatile set search_path = '' as $$
declare
    v public.score_reviews;
begin
    insert into public.score_reviews (shop_id, ticket_id, score, owner_id, handler_id, opened_at)
    select p_ticket.shop_id, p_ticket.id, coalesce(p_ticket.score, 1), p_ticket.owner_id, null, p_now
    where not exists (select from public.score_reviews r where r.ticket_id = p_ticket.id and r.state = 'open');
    select * into v from public.score_reviews r where r.ticket_id = p_ticket.id and r.state = 'open' for update;
    if v.handler_id = (p_me).member_id and exists (select from private.duty_leads(p_ticket.shop_id, p_now) l where l <> (p_me).member_id) then
        perform private.fail('PT403', 'review.own');
    end if;
    return v;
end;
$$;
comment on function private.review_of_case(private.actor, public.tickets, timestamptz) is
    'The open review of a case, locked; nobody reviews his own work while another lead is there. review.own.';

create or replace function public.finish_review(p_ticket_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p);
    v_answer jsonb := private.begin_request(p_request_id, 'finish_review', pg_catalog.jsonb_build_array(p_ticket_id, p_version, v_in));
    v_ticket public.tickets;
    v_review public.score_reviews;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_ticket := private.case_for_review(v_me, p_ticket_id, p_version, v_now);
    v_review := private.review_of_case(v_me, v_ticket, v_now);
    perform private.check_finding(v_in);
    update public.score_reviews set state = 'done', finding = pg_catalog.btrim(v_in ->> 'finding'),
        root_cause_id = (v_in ->> 'root_cause_id')::bigint, outcome = v_in ->> 'then', done_at = v_now, done_by = v_me.member_id
    where id = v_review.id returning * into v_review;
    perform private.stop_clock(c.id, v_now, v_me.member_id) from private.ticket_clocks(p_ticket_id, array['low_score']) c;
    update public.tickets set root_cause_id = v_review.root_cause_id,
        owner_id = case when state = 'review' then coalesce(v_review.handler_id, owner_id) else owner_id end
    where id = p_ticket_id returning * into v_ticket;
    if v_ticket.state = 'review' and v_review.outcome = 'rework' then
        v_ticket := private.reopened_ticket(v_me, v_ticket, 'reviewed', v_now);
    elsif v_ticket.state = 'review' then
        v_ticket := private.move_ticket(v_me, v_ticket, 'closed', '{"reason": "reviewed"}', v_now);
    end if;
    perform private.audit(v_me, v_ticket.shop_id, 'ticket', p_ticket_id, 'review_finished', pg_catalog.jsonb_build_object(
        'then', v_review.outcome, 'root_cause_id', v_review.root_cause_id, 'score', v_review.score));
    update public.notifications n set closed_at = v_now from public.members m
    where n.member_id = m.id and n.dedupe_key = 'low_score ' || v_review.id and n.closed_at is null;
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', v_ticket.id, 'version', v_ticket.version, 'state', v_ticket.state));
end;
$$;
grant execute on function public.finish_review(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.finish_review(bigint, integer, jsonb, uuid) is
    'The lead of the shop (manager or 当班主管) ends a low-score review: {finding (2–1,000 characters, masked), root_cause_id, then: close | rework}. A case in review is closed, or worked on again by who handled it; a case that never waited for its score goes its own way. Answers {id, version, state}. review.own, review.finding, review.root_cause, request.bad_value; else refuses as private.ticket_refusal says.';
