-- 66 ---------------------------------------------------------- surveys: whose score it is to record, and putting a wrong one right
--
-- The customer answers whoever asked him: of a ticket its owner (anybody else takes the ticket first), of an order whoever has
-- claimed it; the 当班主管 and managers of the shop always. What was recorded wrong is put right by a manager, with a reason.

create or replace function private.score_refusal(p_me private.actor, p_survey public.surveys, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_ticket public.tickets;
    v_is_held boolean := p_survey.claimed_by is not null and p_survey.claimed_until > p_now;
begin
    if p_survey.kind = 'ticket' then
        select * into v_ticket from public.tickets t where t.id = p_survey.ticket_id;
        return private.ticket_refusal(p_me, v_ticket, v_ticket.version, 'record_score', p_now);
    elsif (v_is_held and p_survey.claimed_by = (p_me).member_id) or private.is_ticket_lead(p_me, p_survey.shop_id, p_now) then
        return null;
    end if;
    return pg_catalog.jsonb_build_object('code', case when v_is_held then 'PT409' else 'PT403' end,
        'key', case when v_is_held then 'survey.claimed' else 'survey.unclaimed' end, 'params', pg_catalog.jsonb_strip_nulls(
            pg_catalog.jsonb_build_object('id', p_survey.id, 'until', case when v_is_held then p_survey.claimed_until end,
                'who', (select m.display_name from public.members m where v_is_held and m.id = p_survey.claimed_by))));
end;
$$;
comment on function private.score_refusal(private.actor, public.surveys, timestamptz) is
    'Why this person records no answer to a survey, or null: survey.unclaimed, survey.claimed (who, until) of an order; of a ticket as private.ticket_refusal says. {code, key, params}.';

create or replace function public.claim_survey(p_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_answer jsonb := private.begin_request(p_request_id, 'claim_survey', pg_catalog.to_jsonb(p_id));
    v_survey public.surveys;
    v_refusal jsonb;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_survey := private.survey_to_change(p_id);
    v_refusal := private.score_refusal(v_me, v_survey, v_now);
    if v_survey.id is null or v_survey.shop_id not in (select private.my_shop_ids()) then
        perform private.fail('PT404', 'survey.none');
    elsif v_survey.state not in ('waiting', 'asked') then
        perform private.fail('PT409', 'survey.over', pg_catalog.jsonb_build_object('state', v_survey.state, 'score', v_survey.score));
    elsif v_survey.kind = 'ticket' then
        perform private.fail('PT409', 'survey.of_ticket', pg_catalog.jsonb_build_object('id', v_survey.ticket_id));
    elsif v_refusal ->> 'key' = 'survey.claimed' then
        perform private.fail('PT409', 'survey.claimed', v_refusal -> 'params');
    end if;
    update public.surveys set claimed_by = v_me.member_id, claimed_until = v_now + interval '24 hours' where id = p_id returning * into v_survey;
    perform private.audit(v_me, v_survey.shop_id, 'order', v_survey.order_id, 'survey_claimed', pg_catalog.jsonb_build_object('survey_id', p_id));
    return private.finish_request(p_request_id, pg_catalog.jsonb_build_object('id', p_id, 'version', v_survey.version,
        'claimed_until', v_survey.claimed_until));
end;
$$;
grant execute on function public.claim_survey(bigint, uuid) to authenticated;
comment on function public.claim_survey(bigint, uuid) is
    'Agents, operations, managers, admins of the shop: I ask or call this customer about his order; for 24 hours (product decision, anew with each try) nobody else does but a lead. {id, version, claimed_until}. survey.none, survey.over, survey.claimed (who, until), survey.of_ticket.';

-- A wrong score -------------------------------------------------------------------------------------------------------

create or replace function private.survey_to_correct(p_me private.actor, p_id bigint, p_version integer, p jsonb) returns public.surveys
language plpgsql volatile set search_path = '' as $$
declare
    v public.surveys;
begin
    v := private.survey_to_change(p_id);
    if v.id is null or v.shop_id not in (select private.my_shop_ids()) then
        perform private.fail('PT404', 'survey.none');
    elsif v.version is distinct from p_version then
        perform private.fail('PT409', 'survey.stale');
    elsif v.state <> 'answered' then
        perform private.fail('PT409', 'survey.no_score');
    elsif v.answered_as = 'link' then
        perform private.fail('PT409', 'survey.by_customer');
    elsif v.handler_id = (p_me).member_id then
        perform private.fail('PT403', 'survey.own');
    elsif coalesce(p ->> 'score', '') !~ '^[1-5]$' or (p ->> 'score')::integer = v.score then
        perform private.fail('PT422', 'survey.other_score');
    elsif char_length(pg_catalog.btrim(coalesce(p ->> 'reason', ''))) not between 2 and 300 or private.names_a_phone(p ->> 'reason') then
        perform private.fail('PT422', 'survey.reason');
    end if;
    return v;
end;
$$;
comment on function private.survey_to_correct(private.actor, bigint, integer, jsonb) is
    'Locks an answered survey whose score is put right: survey.none, survey.stale, survey.no_score, survey.by_customer (he typed it himself), survey.own, survey.other_score, survey.reason.';

create or replace function private.withdraw_review(p_survey public.surveys, p_me private.actor, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_review public.score_reviews;
    v_ticket public.tickets;
begin
    update public.score_reviews set state = 'withdrawn', score = p_survey.score
    where survey_id = p_survey.id and state = 'open' returning * into v_review;
    if v_review.id is null then
        return;
    end if;
    perform private.cancel_clock(c.id, 'score_corrected', p_now, (p_me).member_id)
    from private.ticket_clocks(v_review.ticket_id, array['low_score']) c;
    update public.notifications set closed_at = p_now where dedupe_key = 'low_score ' || v_review.id and closed_at is null;
    select * into v_ticket from public.tickets t where t.id = v_review.ticket_id for update;
    if v_ticket.state = 'review' then
        v_ticket.owner_id := coalesce(v_review.handler_id, v_ticket.owner_id);
        perform private.move_ticket(p_me, v_ticket, 'closed', pg_catalog.jsonb_build_object('score', p_survey.score), p_now);
    end if;
end;
$$;
comment on function private.withdraw_review(public.surveys, private.actor, timestamptz) is
    'The score was not low after all: its review ends without a finding, a case that waited for it is closed. A finished review stays.';

create or replace function public.correct_score(p_survey_id bigint, p_version integer, p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['manager']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p);
    v_answer jsonb := private.begin_request(p_request_id, 'correct_score', pg_catalog.jsonb_build_array(p_survey_id, p_version, v_in));
    v_had public.surveys;
    v public.surveys;
    v_ticket public.tickets;
begin
    if v_answer is not null then
        return v_answer;
    end if;
    v_had := private.survey_to_correct(v_me, p_survey_id, p_version, v_in);
    update public.surveys set score = (v_in ->> 'score')::smallint, first_score = coalesce(first_score, score),
        corrected_by = v_me.member_id, corrected_at = v_now
    where id = p_survey_id returning * into v;
    perform private.audit(v_me, v.shop_id, v.kind, coalesce(v.ticket_id, v.order_id), 'score_corrected', pg_catalog.jsonb_build_object(
        'before', v_had.score, 'score', v.score, 'reason', pg_catalog.btrim(v_in ->> 'reason'), 'survey_id', v.id));
    update public.tickets set score = v.score where id = v.ticket_id and instance = v.instance;
    if v.score > (private.survey_rules(v.shop_id)).low_score then
        perform private.withdraw_review(v, v_me, v_now);
    else
        update public.score_reviews set score = v.score where survey_id = v.id and state = 'open';
        if not exists (select from public.score_reviews r where r.survey_id = v.id and r.state <> 'withdrawn') then
            if v.kind = 'order' then
                update public.surveys set case_id = private.case_of_order(v, v_me, v_now) where id = v.id returning case_id into v.case_id;
            end if;
            select * into v_ticket from public.tickets t where t.id = coalesce(v.case_id, v.ticket_id) for update;
            perform private.open_review(v_ticket, v, v_me, v_now);
        end if;
    end if;
    return private.finish_request(p_request_id, private.survey_answer_json(v.id));
end;
$$;
grant execute on function public.correct_score(bigint, integer, jsonb, uuid) to authenticated;
comment on function public.correct_score(bigint, integer, jsonb, uuid) is
    'Managers of the shop: another score than was typed {score 1–5, reason (2–300 characters, masked)}; both are kept with the reason. A review that it opened ends, one that it should have opened begins. Not of one''s own work, nor what the customer typed himself. Answers as record_score does. survey.none, survey.stale, survey.no_score, survey.by_customer, survey.own, survey.other_score, survey.reason.';
