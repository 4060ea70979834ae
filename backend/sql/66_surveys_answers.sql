-- 66 ------------------------------------------------------------------------ surveys: the answer, and what a low one starts
--
-- Locks: the ticket first, then its survey, then a link; whoever answers a second time finds it answered.

create table if not exists public.score_reviews (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    ticket_id bigint not null references public.tickets,
    survey_id bigint references public.surveys,
    score smallint not null constraint score_reviews_score_range check (score between 1 and 5),
    state text not null default 'open' constraint score_reviews_state_known check (state in ('open', 'done', 'withdrawn')),
    owner_id bigint references public.members,
    handler_id bigint references public.members,
    opened_at timestamptz not null,
    finding text constraint score_reviews_finding_length check (char_length(btrim(finding)) between 2 and 1000),
    root_cause_id bigint references public.root_causes,
    outcome text constraint score_reviews_outcome_known check (outcome in ('close', 'rework')),
    done_at timestamptz,
    done_by bigint references public.members,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint score_reviews_done_is_whole check ((state = 'done') = (done_at is not null) and (state <> 'done'
        or (finding is not null and root_cause_id is not null and outcome is not null))),
    constraint score_reviews_finding_masked check (not private.names_a_phone(finding))
);
create unique index if not exists score_reviews_one_open_idx on public.score_reviews (ticket_id) where state = 'open';
create index if not exists score_reviews_ticket_id_idx on public.score_reviews (ticket_id, id);
create index if not exists score_reviews_list_idx on public.score_reviews (shop_id, state, opened_at, id);
create index if not exists score_reviews_survey_id_idx on public.score_reviews (survey_id) where survey_id is not null;
create index if not exists score_reviews_owner_id_idx on public.score_reviews (owner_id) where owner_id is not null;
create index if not exists score_reviews_handler_id_idx on public.score_reviews (handler_id) where handler_id is not null;
create index if not exists score_reviews_done_by_idx on public.score_reviews (done_by) where done_by is not null;
create index if not exists score_reviews_root_cause_id_idx on public.score_reviews (root_cause_id) where root_cause_id is not null;
alter table public.score_reviews enable row level security;
create or replace trigger t10_touch before update on public.score_reviews for each row execute function private.touch_version();
comment on table public.score_reviews is '低分复盘: why a customer was not content: finding and root cause by a lead. At most one open per ticket. withdrawn: the score was put right.';
comment on column public.score_reviews.handler_id is 'Whose work was rated; he does not review it himself while another lead is there.';
drop policy if exists "members read the reviews of their shops" on public.score_reviews;
create policy "members read the reviews of their shops" on public.score_reviews
    for select to authenticated using (
        (select private.my_role()) <> 'warehouse' and shop_id in (select private.my_shop_ids()));
grant select on public.score_reviews to authenticated;

-- Low ------------------------------------------------------------------------------------------------------------------

create or replace function private.review_lead(p_shop_id bigint, p_handler_id bigint, p_now timestamptz) returns bigint
language sql stable set search_path = '' as $$
    select l from private.duty_leads(p_shop_id, p_now) l order by (l = p_handler_id) is true, l limit 1
$$;
comment on function private.review_lead(bigint, bigint, timestamptz) is 'Who reviews: the 当班主管 (or who stands in), not the one whose work it is if there is another.';

create or replace function private.low_score_readers(p_review public.score_reviews, p_now timestamptz) returns setof bigint
language sql stable set search_path = '' as $$
    select m.id from public.members m left join public.member_reminders r on r.member_id = m.id
    where m.state = 'active' and m.role = 'operations' and coalesce(r.preset, 'all') <> 'mentions'
      and exists (select from public.member_shops k where k.member_id = m.id and k.shop_id = p_review.shop_id)
    union
    select p_review.owner_id where p_review.owner_id is not null
    union
    select l from private.duty_leads(p_review.shop_id, p_now) l
$$;
comment on function private.low_score_readers(public.score_reviews, timestamptz) is
    'Operations of the shop at once, whatever the hour; who reviews, and who leads now. Not operations people who only want to hear of what is theirs.';

create or replace function private.tell_low_score(p_review public.score_reviews, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
    insert into public.notifications (member_id, kind, params, path, is_urgent, dedupe_key, created_at)
    select r.member_id, 'low_score', pg_catalog.jsonb_build_object('label', s.label, 'entity', 'ticket', 'entity_id', p_review.ticket_id,
            'target', 'low_score', 'policy', c.policy ->> 'name', 'shop', h.name, 'due_at', c.due_at, 'score', p_review.score),
        s.path, true, 'low_score ' || p_review.id, p_now
    from private.low_score_readers(p_review, p_now) r (member_id)
    cross join private.ticket_subjects(array[p_review.ticket_id], p_now) s
    join public.shops h on h.id = p_review.shop_id
    left join public.sla_clocks c on c.entity = 'ticket' and c.entity_id = p_review.ticket_id and c.target = 'low_score' and c.stopped_at is null
    on conflict do nothing
$$;

create or replace function private.open_review(p_ticket public.tickets, p_survey public.surveys, p_me private.actor, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_ticket public.tickets := p_ticket;
    v_handler bigint := coalesce(p_survey.handler_id, p_ticket.owner_id);
    v_review public.score_reviews;
begin
    insert into public.score_reviews (shop_id, ticket_id, survey_id, score, owner_id, handler_id, opened_at)
    values (p_ticket.shop_id, p_ticket.id, p_survey.id, p_survey.score, private.review_lead(p_ticket.shop_id, v_handler, p_now), v_handler, p_now)
    on conflict (ticket_id) where state = 'open' do nothing returning * into v_review;
    if v_review.id is null then
        return;
    end if;
    if p_ticket.state in ('resolved', 'revisit') or (p_survey.kind = 'ticket' and p_ticket.state = 'closed') then
        v_ticket.owner_id := v_review.owner_id;
        perform private.move_ticket(p_me, v_ticket, 'review', pg_catalog.jsonb_build_object('score', p_survey.score), p_now);
    end if;
    perform private.run_ticket_clock(p_ticket, 'ticket', 'low_score', 'low_score', p_now, (p_me).member_id);
    perform private.audit(p_me, p_ticket.shop_id, 'ticket', p_ticket.id, 'review_opened',
        pg_catalog.jsonb_build_object('score', p_survey.score, 'kind', p_survey.kind, 'lead', v_review.owner_id));
    perform private.tell_low_score(v_review, p_now);
end;
$$;
comment on function private.open_review(public.tickets, public.surveys, private.actor, timestamptz) is
    'A low score: a review with its 24 h clock and its lead; a case that waited for the answer, or was closed by a wrong one, goes to review. One open review per ticket.';

create or replace function private.case_of_order(p_survey public.surveys, p_me private.actor, p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
    v_id bigint;
begin
    select t.id into v_id from public.tickets t
    where t.order_id = p_survey.order_id and t.stage <> 'done' order by (t.stage = 'revisit') desc, t.id desc limit 1;
    return coalesce(v_id, private.add_ticket(p_me, pg_catalog.jsonb_build_object('shop_id', p_survey.shop_id, 'order_id', p_survey.order_id,
        'type', 'service', 'source', 'survey', 'channel', 'platform', 'severity', 'high', 'force', true,
        'summary', pg_catalog.concat_ws(' · ', '满意度 ' || p_survey.score || ' 分', nullif(p_survey.comment, ''))), p_now));
end;
$$;
comment on function private.case_of_order(public.surveys, private.actor, timestamptz) is 'The open case of the order, or a new one that says what the customer said.';

-- The answer ------------------------------------------------------------------------------------------------------------

create or replace function private.take_answer(
    p_survey public.surveys, p_score integer, p_comment text, p_as text, p_me private.actor, p_now timestamptz
) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v public.surveys;
    v_ticket public.tickets;
begin
    update public.surveys set state = 'answered', score = p_score, comment = nullif(btrim(p_comment), ''), answered_at = p_now,
        answered_by = (p_me).member_id, answered_as = p_as, ended_at = p_now, due_sort = closes_at,
        asked_at = coalesce(asked_at, p_now), asked_by = coalesce(asked_by, (p_me).member_id),
        asked_as = coalesce(asked_as, case p_as when 'typed' then 'text' else p_as end)
    where id = p_survey.id returning * into v;
    delete from private.survey_tokens where survey_id = v.id and used_at is null;
    perform private.end_survey_clock(v, 'survey', p_now, (p_me).member_id, true);
    perform private.end_survey_clock(v, 'callback', p_now, (p_me).member_id, p_as = 'call');
    perform private.audit(p_me, v.shop_id, v.kind, coalesce(v.ticket_id, v.order_id), 'score_recorded',
        pg_catalog.jsonb_build_object('score', p_score, 'as', p_as, 'survey_id', v.id));
    if v.kind = 'ticket' then
        update public.tickets set score = p_score where id = v.ticket_id returning * into v_ticket;
    elsif p_score <= (private.survey_rules(v.shop_id)).low_score then
        update public.surveys set case_id = private.case_of_order(v, p_me, p_now) where id = v.id returning case_id into v.case_id;
        select * into v_ticket from public.tickets where id = v.case_id for update;
    end if;
    if p_score <= (private.survey_rules(v.shop_id)).low_score then
        perform private.open_review(v_ticket, v, p_me, p_now);
    elsif v.kind = 'ticket' and v_ticket.state in ('resolved', 'revisit') then
        perform private.move_ticket(p_me, v_ticket, 'closed', pg_catalog.jsonb_build_object('score', p_score), p_now);
    end if;
end;
$$;
comment on function private.take_answer(public.surveys, integer, text, text, private.actor, timestamptz) is
    'An answer, once: a good one closes its case, a low one (setting of the shop) opens a review.';

create or replace function private.survey_to_change(p_id bigint) returns public.surveys
language plpgsql volatile set search_path = '' as $$
declare
    v public.surveys;
begin
    perform from public.tickets t where t.id = (select s.ticket_id from public.surveys s where s.id = p_id) for update;
    select * into v from public.surveys where id = p_id for update;
    return v;
end;
$$;
comment on function private.survey_to_change(bigint) is 'Locks a survey, its ticket first.';

create or replace function private.survey_of_ticket(p_me private.actor, p jsonb, p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
    v_ticket public.tickets;
    v_id bigint;
begin
    select * into v_ticket from public.tickets t where t.id = (p ->> 'ticket_id')::bigint;
    v_ticket := private.ticket_for_change(p_me, v_ticket.id, coalesce((p ->> 'version')::integer, v_ticket.version), 'record_score', p_now);
    select s.id into v_id from public.surveys s where s.kind = 'ticket' and s.ticket_id = v_ticket.id and s.instance = v_ticket.instance;
    return coalesce(v_id, (private.invite_ticket(v_ticket, p_now)).id);
end;
$$;
comment on function private.survey_of_ticket(private.actor, jsonb, timestamptz) is 'The survey of a case that waits for its score; refuses as private.ticket_refusal says.';

create or replace function private.survey_asked_for(p_me private.actor, p jsonb, p_now timestamptz) returns public.surveys
language plpgsql volatile set search_path = '' as $$
declare
    v public.surveys;
    v_refusal jsonb;
begin
    if exists (select from (values (p ->> 'survey_id'), (p ->> 'ticket_id'), (p ->> 'order_id'), (p ->> 'version')) f (id)
        where f.id is not null and (not private.is_id(f.id) or length(f.id) > 9 and f.id = p ->> 'version')) then
        perform private.fail('PT422', 'request.bad_value');
    end if;
    v := private.survey_to_change(case
        when p ->> 'survey_id' is not null then (p ->> 'survey_id')::bigint
        when p ->> 'ticket_id' is not null then private.survey_of_ticket(p_me, p, p_now)
        else (select s.id from public.surveys s where s.kind = 'order' and s.order_id = (p ->> 'order_id')::bigint) end);
    if v.id is null or v.shop_id not in (select private.my_shop_ids()) then
        perform private.fail('PT404', 'survey.none');
    elsif v.state not in ('waiting', 'asked') then
        perform private.fail('PT409', 'survey.over', pg_catalog.jsonb_build_object('state', v.state, 'score', v.score));
    end if;
    v_refusal := private.score_refusal(p_me, v, p_now);
    if v_refusal is not null then
        perform private.fail(v_refusal ->> 'code', v_refusal ->> 'key', v_refusal -> 'params');
    end if;
    return v;
end;
$$;
comment on function private.survey_asked_for(private.actor, jsonb, timestamptz) is
    'The open survey that {survey_id | ticket_id | order_id} names, in one of my shops and mine to answer, locked. request.bad_value, survey.none, survey.over, and as private.score_refusal says.';

create or replace function private.mark_asked(p_survey public.surveys, p_as text, p_me private.actor, p_now timestamptz) returns public.surveys
language plpgsql volatile set search_path = '' as $$
declare
    v public.surveys;
begin
    update public.surveys set state = 'asked', asked_at = coalesce(asked_at, p_now), asked_by = coalesce(asked_by, (p_me).member_id),
        asked_as = case when asked_as = 'call' then asked_as else p_as end,
        due_sort = case when is_sampled and p_as <> 'call' and coalesce(asked_as, '') <> 'call' then coalesce((select c.due_at from public.sla_clocks c
            where c.entity = 'survey' and c.entity_id = p_survey.id and c.target = 'callback' and c.stopped_at is null), closes_at)
            else closes_at end,
        claimed_until = case when claimed_by = (p_me).member_id then p_now + interval '24 hours' else claimed_until end
    where id = p_survey.id returning * into v;
    perform private.end_survey_clock(v, 'survey', p_now, (p_me).member_id, true);
    if p_as = 'call' then
        perform private.end_survey_clock(v, 'callback', p_now, (p_me).member_id, true);
    end if;
    perform private.audit(p_me, v.shop_id, v.kind, coalesce(v.ticket_id, v.order_id), 'survey_asked',
        pg_catalog.jsonb_build_object('as', p_as, 'survey_id', v.id));
    return v;
end;
$$;
comment on function private.mark_asked(public.surveys, text, private.actor, timestamptz) is 'The customer was asked: the clock of asking stops, that of calling only by a call.';

create or replace function private.survey_answer_json(p_id bigint) returns jsonb
language sql stable set search_path = '' as $$
    select pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('id', s.id, 'version', s.version, 'state', s.state, 'score', s.score,
        'ticket_id', coalesce(s.ticket_id, s.case_id), 'ticket_state', t.state, 'ticket_version', t.version))
    from public.surveys s left join public.tickets t on t.id = coalesce(s.ticket_id, s.case_id) where s.id = p_id
$$;

create or replace function public.record_score(p jsonb, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['agent', 'operations', 'manager', 'admin']);
    v_now timestamptz := private.now();
    v_in jsonb := private.as_json(p);
    v_answer jsonb := private.begin_request(p_request_id, 'record_score', v_in);
    v_as text := coalesce(v_in ->> 'as', 'typed');
    v_survey public.surveys;
begin
    if v_answer is not null then
        return v_answer;
    elsif v_as not in ('typed', 'call') or char_length(v_in ->> 'comment') > 500 or private.names_a_phone(v_in ->> 'comment') then
        perform private.fail('PT422', 'request.bad_value');
    elsif (v_in -> 'no_answer') is distinct from 'true' and coalesce(v_in ->> 'score', '') !~ '^[1-5]$' then
        perform private.fail('PT422', 'survey.score');
    end if;
    v_survey := private.survey_asked_for(v_me, v_in, v_now);
    if (v_in -> 'no_answer') is not distinct from 'true' then
        perform private.mark_asked(v_survey, case v_as when 'call' then 'call' else 'text' end, v_me, v_now);
    else
        perform private.take_answer(v_survey, (v_in ->> 'score')::integer, v_in ->> 'comment', v_as, v_me, v_now);
    end if;
    return private.finish_request(p_request_id, private.survey_answer_json(v_survey.id));
end;
$$;
grant execute on function public.record_score(jsonb, uuid) to authenticated;
comment on function public.record_score(jsonb, uuid) is
    'The owner of the ticket, who has claimed the order (claim_survey), or a lead of the shop: what the customer answered: {survey_id | ticket_id | order_id, score 1–5 | no_answer: true (asked, or called in vain; it stays open until it closes by itself), comment (masked), as: typed | call}. Above the shop''s low score the case is closed, else it goes to review, an order without an open case gets one. Answers {id, version, state, score, ticket_id, ticket_state, ticket_version}. survey.none, survey.over, survey.score, request.bad_value, survey.unclaimed, survey.claimed; a ticket that waits for no score, or of somebody else, as private.ticket_refusal says.';
