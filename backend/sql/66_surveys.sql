-- 66 ----------------------------------------------------------------------- surveys: asking the customer how it went, 1 to 5
--
-- Two invitations that never stand for one another: of an order (three days after signing, a sample also by phone), and of
-- a ticket, one for each time it was resolved. The default is a text that a person copies into the shop's chat and an answer
-- that he types; a link is for customers of the private domain alone, because shop platforms punish foreign links.

do $$
begin
    if not exists (select from private.schema_steps where step = '66.1 messages of low scores') then
        alter table public.notifications drop constraint notifications_kind_known;
        alter table public.notifications add constraint notifications_kind_known
            check (kind in ('due_soon', 'overdue', 'returned', 'raised', 'digest', 'daily', 'wait_ended', 'low_score', 'low_ratings'));
        insert into private.schema_steps (step) values ('66.1 messages of low scores');
    end if;
end;
$$;

create or replace function private.is_inducement(p_text text) returns boolean
language sql immutable set search_path = '' as $$
    select coalesce(pg_catalog.lower(pg_catalog.regexp_replace(pg_catalog.translate(p_text, '０１２３４５６７８９', '0123456789'),
            '[[:space:][:punct:]，。、；：！？“”‘’（）【】《》…—·～　]', '', 'g'))
        ~ '好评|差评|改评|删评|中评|五星|5星|五分好|满分|打5分|全5分|都打五分|返现|返红包|红包|优惠券|代金券|赠品|礼品|送礼|晒图|晒单|免单|抽奖|投诉|(good|positive|five|5)star|(good|positive|5star|fivestar|bad|negative)(review|rating)|coupon|voucher|cashback|gift|reward|redpacket|complain', false)
$$;
comment on function private.is_inducement(text) is
    'Whether a text asks for a good mark, offers something for it, or asks to withhold a bad one (《网络反不正当竞争暂行规定》 forbids rewards for good reviews): a survey asks, it does not buy.';

-- Settings: of a shop, else of the installation -----------------------------------------------------------------------

create table if not exists public.survey_settings (
    id bigint generated always as identity primary key,
    shop_id bigint references public.shops,
    order_share smallint not null default 100 constraint survey_settings_order_share check (order_share between 0 and 100),
    callback_share smallint not null default 10 constraint survey_settings_callback_share check (callback_share between 0 and 100),
    low_score smallint not null default 2 constraint survey_settings_low_score check (low_score between 1 and 4),
    answer_days smallint not null default 7 constraint survey_settings_answer_days check (answer_days between 1 and 30),
    order_text text not null,
    ticket_text text not null,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint survey_settings_once unique nulls not distinct (shop_id),
    constraint survey_settings_texts_length check (char_length(btrim(order_text)) between 10 and 300
        and char_length(btrim(ticket_text)) between 10 and 300),
    constraint survey_settings_texts_only_ask check (not private.is_inducement(order_text) and not private.is_inducement(ticket_text)),
    constraint survey_settings_texts_masked check (not private.names_a_phone(order_text) and not private.names_a_phone(ticket_text))
);
alter table public.survey_settings enable row level security;
create or replace trigger t10_touch before update on public.survey_settings for each row execute function private.touch_version();
comment on table public.survey_settings is '满意度设置 of a shop; the row without a shop holds for all that have none of their own.';
comment on column public.survey_settings.order_share is 'Percent of signed orders that are asked; which ones follows from their number, nobody picks.';
comment on column public.survey_settings.callback_share is 'Percent of the asked orders that are called within seven days.';
comment on column public.survey_settings.low_score is 'This score and less opens a review (低分复盘).';
comment on column public.survey_settings.answer_days is 'Days after signing or resolving; without an answer until then the survey, and the case, is closed. A link is good for as long.';
comment on column public.survey_settings.ticket_text is 'Text to copy; {shop} {order} {ticket} are filled in. Never a word about good or bad reviews or a reward.';
insert into public.survey_settings (shop_id, order_text, ticket_text) values (null,
    '您好，您在{shop}的订单 {order} 已签收。想请您为这次购物打个分：1 分很不满意，5 分很满意，回复一个数字就好。哪里没做好，也请告诉我们。',
    '您好，您反馈的问题（{ticket}）我们处理完了。想请您为这次处理打个分：1 分很不满意，5 分很满意，回复一个数字就好。还有没解决的地方请直接说，我们接着处理。')
on conflict do nothing;
drop policy if exists "members read the survey settings of their shops" on public.survey_settings;
create policy "members read the survey settings of their shops" on public.survey_settings
    for select to authenticated using (
        (shop_id is null and (select private.my_role()) is not null) or shop_id in (select private.my_shop_ids()));
grant select on public.survey_settings to authenticated;

create or replace function private.survey_rules(p_shop_id bigint) returns public.survey_settings
language sql stable set search_path = '' as $$
    select s.* from public.survey_settings s where s.shop_id = p_shop_id or s.shop_id is null order by s.shop_id nulls last limit 1
$$;
comment on function private.survey_rules(bigint) is 'The settings that hold for a shop.';

create or replace function private.falls_in(p_id bigint, p_share integer, p_salt text) returns boolean
language sql immutable set search_path = '' as $$
    select ('x' || pg_catalog.left(pg_catalog.md5(p_salt || p_id), 7))::bit(28)::integer % 100 < p_share
$$;
comment on function private.falls_in(bigint, integer, text) is
    'Whether a record belongs to a sample of p_share percent: always the same answer for the same number, so nobody chooses the happy ones.';

-- Invitations ---------------------------------------------------------------------------------------------------------

create table if not exists public.surveys (
    id bigint generated always as identity primary key,
    shop_id bigint not null references public.shops,
    kind text not null constraint surveys_kind_known check (kind in ('order', 'ticket')),
    order_id bigint references public.orders,
    ticket_id bigint references public.tickets,
    instance integer not null default 1,
    state text not null default 'waiting' constraint surveys_state_known
        check (state in ('waiting', 'asked', 'answered', 'unanswered', 'cancelled')),
    is_sampled boolean not null default false,
    handler_id bigint references public.members,
    claimed_by bigint references public.members,
    claimed_until timestamptz,
    opened_at timestamptz not null,
    due_sort timestamptz not null,
    closes_at timestamptz not null,
    asked_at timestamptz,
    asked_by bigint references public.members,
    asked_as text constraint surveys_asked_as_known check (asked_as in ('text', 'link', 'call')),
    score smallint constraint surveys_score_range check (score between 1 and 5),
    comment text constraint surveys_comment_length check (char_length(comment) <= 500),
    answered_at timestamptz,
    answered_by bigint references public.members,
    answered_as text constraint surveys_answered_as_known check (answered_as in ('typed', 'link', 'call')),
    first_score smallint constraint surveys_first_score_range check (first_score between 1 and 5),
    corrected_by bigint references public.members,
    corrected_at timestamptz,
    ended_at timestamptz,
    case_id bigint references public.tickets,
    version integer not null default 1,
    updated_at timestamptz not null default now(),
    constraint surveys_about_one_thing check (case kind when 'order' then order_id is not null and ticket_id is null
        else ticket_id is not null end),
    constraint surveys_answer_is_whole check ((state = 'answered') = (score is not null)
        and (score is null) = (answered_at is null) and (score is null) = (answered_as is null)),
    constraint surveys_ended_has_time check ((state in ('answered', 'unanswered', 'cancelled')) = (ended_at is not null)),
    constraint surveys_link_has_no_typist check (answered_as <> 'link' or answered_by is null),
    constraint surveys_claim_is_whole check ((claimed_by is null) = (claimed_until is null)),
    constraint surveys_correction_is_whole check ((first_score is null) = (corrected_at is null)
        and (corrected_at is null) = (corrected_by is null) and (first_score is null or score is not null)),
    constraint surveys_comment_masked check (not private.names_a_phone(comment))
);
create unique index if not exists surveys_order_once_idx on public.surveys (order_id) where kind = 'order';
create unique index if not exists surveys_ticket_once_idx on public.surveys (ticket_id, instance) where kind = 'ticket';
create index if not exists surveys_order_id_idx on public.surveys (order_id);
create index if not exists surveys_ticket_id_idx on public.surveys (ticket_id);
create index if not exists surveys_open_idx on public.surveys (shop_id, due_sort, id) where state in ('waiting', 'asked');
create index if not exists surveys_closing_idx on public.surveys (closes_at, id) where state in ('waiting', 'asked');
create index if not exists surveys_answered_idx on public.surveys (shop_id, answered_at desc, id desc) include (kind, score) where state = 'answered';
create index if not exists surveys_ended_idx on public.surveys (shop_id, ended_at) include (kind, state) where ended_at is not null;
create index if not exists surveys_handler_id_idx on public.surveys (handler_id, answered_at) where handler_id is not null;
create index if not exists surveys_asked_by_idx on public.surveys (asked_by) where asked_by is not null;
create index if not exists surveys_answered_by_idx on public.surveys (answered_by) where answered_by is not null;
create index if not exists surveys_claimed_by_idx on public.surveys (claimed_by) where claimed_by is not null;
create index if not exists surveys_corrected_by_idx on public.surveys (corrected_by) where corrected_by is not null;
create index if not exists surveys_case_id_idx on public.surveys (case_id) where case_id is not null;
create index if not exists orders_signed_idx on public.orders (signed_at, id) where signed_at is not null;
alter table public.surveys enable row level security;
create or replace trigger t10_touch before update on public.surveys for each row execute function private.touch_version();
comment on table public.surveys is
    '满意度评分: one invitation: waiting → asked → answered, unanswered (nobody answered until closes_at), cancelled (the case was opened again first).';
comment on column public.surveys.instance is 'Of a ticket: which of its resolutions is asked about.';
comment on column public.surveys.is_sampled is 'An order that is also called (回访) within seven days.';
comment on column public.surveys.handler_id is 'Who resolved the case: the score is about his work, whoever asks.';
comment on column public.surveys.claimed_by is 'Of an order: who asks or calls the customer, until claimed_until; his answer is theirs to record.';
comment on column public.surveys.first_score is 'What was recorded before a manager put it right; the trail has every value.';
comment on column public.surveys.due_sort is 'When somebody has to do something about it: ask, then call, then nothing until it closes.';
comment on column public.surveys.answered_as is 'typed or call: by answered_by, for the customer; link: by the customer himself.';
comment on column public.surveys.case_id is 'The ticket that a low score of an order opened, or found open.';
drop policy if exists "members read the surveys of their shops" on public.surveys;
create policy "members read the surveys of their shops" on public.surveys
    for select to authenticated using (
        (select private.my_role()) <> 'warehouse' and shop_id in (select private.my_shop_ids()));
grant select on public.surveys to authenticated;

-- After an order ------------------------------------------------------------------------------------------------------

create or replace function private.orders_to_ask(p_now timestamptz, p_limit integer)
returns table (order_id bigint, shop_id bigint, signed_at timestamptz, is_sampled boolean, answer_days integer)
language sql stable set search_path = '' as $$
    select o.id, o.shop_id, o.signed_at, private.falls_in(o.id, r.callback_share, 'call'), r.answer_days
    from public.orders o cross join lateral private.survey_rules(o.shop_id) r
    where o.signed_at > p_now - interval '3 days' and o.signed_at <= p_now
      and o.status in ('shipped', 'completed') and o.refund = 'none' and private.falls_in(o.id, r.order_share, 'ask')
      and not exists (select from public.surveys s where s.order_id = o.id and s.kind = 'order')
      and not exists (select from public.tickets t where t.order_id = o.id and t.stage <> 'done')
    order by o.signed_at, o.id limit p_limit
$$;
comment on function private.orders_to_ask(timestamptz, integer) is
    'Signed in the last three days, of the sample, not asked yet, without a refund and without an open case (that one asks by itself). Old orders of a first import are left in peace.';

create or replace function private.start_survey_clock(p_survey public.surveys, p_code text, p_starts_at timestamptz, p_now timestamptz)
returns public.sla_clocks
language plpgsql volatile set search_path = '' as $$
begin
    if exists (select from private.policies_for(p_code, p_survey.shop_id, '{}')) then
        return private.start_clock(case p_survey.kind when 'order' then 'survey' else 'ticket' end,
            coalesce(p_survey.ticket_id, p_survey.id), p_survey.shop_id, p_code, p_code, p_now, null, '{}', p_starts_at);
    end if;
    return null;
end;
$$;
comment on function private.start_survey_clock(public.surveys, text, timestamptz, timestamptz) is
    'The clock of asking (survey) or calling (callback); without an active policy there is none, and nobody is kept from asking.';

create or replace function private.open_order_surveys(p_now timestamptz, p_limit integer default 100) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_one record;
    v public.surveys;
    v_clock public.sla_clocks;
    v_count integer := 0;
begin
    for v_one in select * from private.orders_to_ask(p_now, p_limit) loop
        insert into public.surveys (shop_id, kind, order_id, is_sampled, opened_at, due_sort, closes_at)
        values (v_one.shop_id, 'order', v_one.order_id, v_one.is_sampled, p_now, p_now,
            v_one.signed_at + pg_catalog.make_interval(days => greatest(v_one.answer_days, case when v_one.is_sampled then 7 else 0 end)))
        on conflict do nothing returning * into v;
        continue when v.id is null;
        v_clock := private.start_survey_clock(v, 'survey', v_one.signed_at, p_now);
        update public.surveys set due_sort = coalesce(v_clock.due_at, closes_at) where id = v.id;
        if v.is_sampled then
            perform private.start_survey_clock(v, 'callback', v_one.signed_at, p_now);
        end if;
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.open_order_surveys(timestamptz, integer) is
    'Invites newly signed orders, each with its clock from the signing (and one for the call, if it is of the sample).';

-- After a ticket ------------------------------------------------------------------------------------------------------

create or replace function private.desk_itself() returns private.actor
language sql immutable set search_path = '' as $$
    select row(null, 'system', '{}', false, 0)::private.actor
$$;
comment on function private.desk_itself() is 'The actor of what nobody does: ticks, answers by link.';

create or replace function private.invite_ticket(p_ticket public.tickets, p_now timestamptz) returns public.surveys
language plpgsql volatile set search_path = '' as $$
declare
    v_closes timestamptz := p_now + pg_catalog.make_interval(days => (private.survey_rules(p_ticket.shop_id)).answer_days);
    v_clock public.sla_clocks;
    v public.surveys;
begin
    insert into public.surveys (shop_id, kind, ticket_id, order_id, instance, handler_id, opened_at, due_sort, closes_at)
    values (p_ticket.shop_id, 'ticket', p_ticket.id, p_ticket.order_id, p_ticket.instance, p_ticket.owner_id, p_now, v_closes, v_closes)
    on conflict do nothing returning * into v;
    if v.id is not null then
        v_clock := private.start_survey_clock(v, 'survey', p_now, p_now);
        update public.surveys set due_sort = least(coalesce(v_clock.due_at, v_closes), v_closes) where id = v.id returning * into v;
    end if;
    return v;
end;
$$;
comment on function private.invite_ticket(public.tickets, timestamptz) is 'The invitation to this resolution of a case, with its clock; no row if it was made before.';

create or replace function private.after_resolve(p_ticket public.tickets, p_now timestamptz) returns public.tickets
language plpgsql volatile set search_path = '' as $$
declare
    v public.tickets := private.move_ticket(private.desk_itself(), p_ticket, 'revisit', '{}', p_now);
begin
    perform private.invite_ticket(v, p_now);
    select * into v from public.tickets where id = v.id;
    return v;
end;
$$;
comment on function private.after_resolve(public.tickets, timestamptz) is
    'A case was resolved: resolved → revisit, with one invitation for this resolution (a second resolution asks again).';

-- What ends an invitation ---------------------------------------------------------------------------------------------

create or replace function private.end_survey_clock(p_survey public.surveys, p_target text, p_now timestamptz, p_actor bigint, p_done boolean) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_clock public.sla_clocks;
begin
    select * into v_clock from public.sla_clocks c
    where c.entity = case p_survey.kind when 'order' then 'survey' else 'ticket' end
      and c.entity_id = case p_survey.kind when 'order' then p_survey.id else p_survey.ticket_id end
      and c.target = p_target and c.stopped_at is null;
    if v_clock.id is null then
        return;
    elsif p_done or v_clock.due_at < p_now then
        perform private.stop_clock(v_clock.id, p_now, p_actor);
    else
        perform private.cancel_clock(v_clock.id, 'survey_ended', p_now, p_actor);
    end if;
end;
$$;
comment on function private.end_survey_clock(public.surveys, text, timestamptz, bigint, boolean) is
    'Asked or called: the clock is done. Otherwise it lapses, unless it was late already: then it stays late.';

create or replace function private.end_survey(p_survey public.surveys, p_state text, p_now timestamptz, p_actor bigint) returns void
language plpgsql volatile set search_path = '' as $$
begin
    update public.surveys set state = p_state, ended_at = p_now, due_sort = closes_at where id = p_survey.id;
    delete from private.survey_tokens where survey_id = p_survey.id and used_at is null;
    perform private.end_survey_clock(p_survey, 'survey', p_now, p_actor, false);
    perform private.end_survey_clock(p_survey, 'callback', p_now, p_actor, false);
end;
$$;
comment on function private.end_survey(public.surveys, text, timestamptz, bigint) is 'The invitation ends without an answer: unanswered or cancelled; its links are void.';

create or replace function private.close_unanswered(p_now timestamptz, p_limit integer default 100) returns integer
language plpgsql volatile set search_path = '' as $$
declare
    v_survey public.surveys;
    v_ticket public.tickets;
    v_count integer := 0;
begin
    for v_survey in select * from public.surveys s where s.state in ('waiting', 'asked') and s.closes_at <= p_now
        order by s.closes_at, s.id limit p_limit for update skip locked
    loop
        if v_survey.kind = 'ticket' then
            select * into v_ticket from public.tickets t where t.id = v_survey.ticket_id for update skip locked;
            continue when not found;
        end if;
        perform private.end_survey(v_survey, 'unanswered', p_now, null);
        if v_survey.kind = 'ticket' and v_ticket.state in ('resolved', 'revisit') and v_ticket.instance = v_survey.instance then
            perform private.move_ticket(private.desk_itself(), v_ticket, 'closed', '{"reason": "unanswered"}', p_now);
        end if;
        v_count := v_count + 1;
    end loop;
    return v_count;
end;
$$;
comment on function private.close_unanswered(timestamptz, integer) is 'Nobody answered by the limit: the invitation ends, its case is closed. Called each minute.';

create or replace function private.tick_surveys(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
begin
    delete from private.survey_visits where minute < p_now - interval '1 hour';
    delete from private.survey_tokens where expires_at < p_now - interval '90 days';
    return private.close_unanswered(p_now) + private.open_order_surveys(p_now);
end;
$$;
comment on function private.tick_surveys(timestamptz) is 'Each minute: closes what nobody answered, invites newly signed orders; answers how many.';

create or replace function private.tg_cancel_survey() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_survey public.surveys;
begin
    for v_survey in select * from public.surveys s
        where s.ticket_id = new.id and s.kind = 'ticket' and s.state in ('waiting', 'asked') for update
    loop
        perform private.end_survey(v_survey, 'cancelled', private.now(), null);
    end loop;
    return null;
end;
$$;
comment on function private.tg_cancel_survey() is 'The case is worked on again before its customer answered: he is asked after the next resolution.';
create or replace trigger t70_cancel_survey after update of state on public.tickets
    for each row when (old.state in ('resolved', 'revisit') and new.state not in ('resolved', 'revisit', 'review', 'closed'))
    execute function private.tg_cancel_survey();

-- What reminders say of an order's survey -------------------------------------------------------------------------------

create or replace function private.survey_subjects(p_ids bigint[], p_now timestamptz)
returns table (entity_id bigint, owner_id bigint, label text, path text)
language sql stable set search_path = '' as $$
    with survey as materialized (
        select s.id, s.shop_id, s.asked_by, case when s.claimed_until > p_now then s.claimed_by end as holder, o.order_no from public.surveys s join public.orders o on o.id = s.order_id where s.id = any (p_ids)
    ), here as materialized (
        select h.shop_id, d.member_id, row_number() over (partition by h.shop_id order by d.member_id) - 1 as place,
            count(*) over (partition by h.shop_id) as people
        from (select distinct shop_id from survey) h cross join lateral private.on_duty(h.shop_id, p_now) d
        join public.members m on m.id = d.member_id and m.role = 'agent'
    )
    select s.id, coalesce(s.holder, s.asked_by, h.member_id), s.order_no, '/satisfaction?tab=ask&survey=' || s.id
    from survey s left join here h on h.shop_id = s.shop_id and h.place = s.id % h.people
$$;
comment on function private.survey_subjects(bigint[], timestamptz) is
    'Surveys of orders as reminders name them: by order number. Who claimed it, or asked, goes on with it; until then each falls to one of the agents on duty, not to all of them.';
