-- 93 ------------------------------------------------------------------- sources of figures: what other tools have measured
--
-- Sheets of agents' figures, visitors, and chats. Days are days of the shop's zone. What customers wrote is not kept: the
-- figures need who wrote when, not what.

create table if not exists public.agent_days (
    shop_id bigint not null references public.shops,
    day date not null,
    agent text not null constraint agent_days_agent_length check (char_length(agent) between 1 and 60),
    asked integer,
    received integer,
    unreplied integer,
    effective integer,
    buyer_messages integer,
    agent_messages integer,
    first_seconds numeric(10, 2),
    reply_seconds numeric(10, 2),
    slow integer,
    inquiries integer,
    paid_buyers integer,
    sold_buyers integer,
    sold_amount numeric(14, 2),
    online_minutes numeric(8, 2),
    rated integer,
    satisfied integer,
    import_id bigint references public.imports,
    primary key (shop_id, day, agent)
);
create index if not exists agent_days_import_id_idx on public.agent_days (import_id);
alter table public.agent_days enable row level security;
comment on table public.agent_days is '客服绩效: one line of a performance sheet: what a platform''s tool counted for one agent (by nick) on one day. Null: the sheet has no such column.';
comment on column public.agent_days.asked is '咨询人数; received 接待人数, unreplied 未回复人数, effective 有效接待人数, slow 慢响应人数, inquiries 询单人数: buyers, each once a day.';
comment on column public.agent_days.first_seconds is '首次响应, reply_seconds 平均响应: means in seconds, as the tool says; the desk''s own figures come from chats.';
comment on column public.agent_days.online_minutes is '登录时长 in minutes.';

create table if not exists public.visitor_days (
    shop_id bigint not null references public.shops,
    day date not null,
    visitors integer not null,
    views integer,
    import_id bigint references public.imports,
    primary key (shop_id, day)
);
create index if not exists visitor_days_import_id_idx on public.visitor_days (import_id);
alter table public.visitor_days enable row level security;
comment on table public.visitor_days is '流量: visitors (访客数) and page views of a shop on a day.';

create table if not exists public.chat_sessions (
    shop_id bigint not null references public.shops,
    session_id text not null constraint chat_sessions_id_length check (char_length(session_id) <= 64),
    agent text,
    buyer text,
    consult text constraint chat_sessions_consult_known check (consult in ('presales', 'aftersales', 'other')),
    rating smallint constraint chat_sessions_rating_range check (rating between 1 and 5),
    is_paid boolean,
    paid_amount numeric(14, 2),
    import_id bigint references public.imports,
    primary key (shop_id, session_id)
);
create index if not exists chat_sessions_import_id_idx on public.chat_sessions (import_id);
alter table public.chat_sessions enable row level security;
comment on table public.chat_sessions is '会话: one talk of a buyer, from the sheet of sessions; rating 5 非常满意 to 1 非常不满意.';

create table if not exists public.chat_messages (
    shop_id bigint not null references public.shops,
    message_id text not null constraint chat_messages_id_length check (char_length(message_id) <= 64),
    session_id text not null,
    agent text,
    buyer text not null,
    consult text constraint chat_messages_consult_known check (consult in ('presales', 'aftersales', 'other')),
    sender text not null constraint chat_messages_sender_known check (sender in ('buyer', 'agent', 'auto', 'robot', 'system')),
    sent_at timestamptz not null,
    import_id bigint references public.imports,
    primary key (shop_id, message_id)
);
create index if not exists chat_messages_session_idx on public.chat_messages (shop_id, session_id, sent_at, message_id)
    include (sender, agent, buyer, consult);
create index if not exists chat_messages_sent_idx on public.chat_messages (shop_id, sent_at);
create index if not exists chat_messages_import_id_idx on public.chat_messages (import_id);
alter table public.chat_messages enable row level security;
comment on table public.chat_messages is '聊天: who wrote in which talk and when, never what. auto 自动回复 and robot 机器人 are no answers of a person.';

drop policy if exists "members read the figures of agents of their shops" on public.agent_days;
create policy "members read the figures of agents of their shops" on public.agent_days
    for select to authenticated using (
        (select private.my_role()) in ('operations', 'analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
drop policy if exists "members read the visitors of their shops" on public.visitor_days;
create policy "members read the visitors of their shops" on public.visitor_days
    for select to authenticated using (
        (select private.my_role()) in ('operations', 'analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
drop policy if exists "analysts and leaders read who talked when" on public.chat_sessions;
create policy "analysts and leaders read who talked when" on public.chat_sessions
    for select to authenticated using (
        (select private.my_role()) in ('analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
drop policy if exists "analysts and leaders read who wrote when" on public.chat_messages;
create policy "analysts and leaders read who wrote when" on public.chat_messages
    for select to authenticated using (
        (select private.my_role()) in ('analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
grant select on public.agent_days, public.visitor_days to authenticated;
grant select (shop_id, session_id, agent, consult, rating, is_paid, paid_amount, import_id) on public.chat_sessions to authenticated;
grant select (shop_id, message_id, session_id, agent, consult, sender, sent_at, import_id) on public.chat_messages to authenticated;

create or replace function private.forget_sources(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
    v_messages integer;
    v_sessions integer;
    v_sheets integer;
begin
    delete from public.chat_messages where ctid = any (array(
        select m.ctid from public.shops s join public.chat_messages m on m.shop_id = s.id and m.sent_at < p_before limit p_limit));
    get diagnostics v_messages = row_count;
    delete from public.chat_sessions where ctid = any (array(
        select c.ctid from public.chat_sessions c join public.imports i on i.id = c.import_id where i.finished_at < p_before
          and not exists (select from public.chat_messages m where m.shop_id = c.shop_id and m.session_id = c.session_id) limit p_limit));
    get diagnostics v_sessions = row_count;
    delete from public.agent_days where ctid = any (array(
        select a.ctid from public.shops s join public.agent_days a on a.shop_id = s.id
        where a.day < (p_before at time zone s.timezone)::date limit p_limit));
    get diagnostics v_sheets = row_count;
    return v_messages + v_sessions + v_sheets;
end;
$$;
comment on function private.forget_sources(timestamptz, integer) is
    'Chats and what agents did are kept three years (handbook of the floor), then deleted, the sheet of sessions with its messages; figures by day stay.';

-- Taking over ---------------------------------------------------------------------------------------------------------
--
-- One function a table; all answer the lines they took with what each was: new, changed, or as it was.

create or replace function private.staged_lines(p_import public.imports, p_to integer) returns table (row_no integer, payload jsonb)
language sql stable rows 2000 set search_path = '' as $$
    select r.row_no, r.payload from private.import_rows r
    where r.import_id = p_import.id and r.row_no > p_import.applied_to and r.row_no <= p_to
$$;
comment on function private.staged_lines(public.imports, integer) is 'The staged lines of the chunk that is taken over next.';

create or replace function private.is_to_come(p_line jsonb, p_today date, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
    select coalesce((p_line ->> 'day')::date > p_today, false)
        or coalesce(coalesce(p_line ->> 'sent_at', p_line ->> 'rated_at')::timestamptz > p_now + interval '10 minutes', false)
$$;
comment on function private.is_to_come(jsonb, date, timestamptz) is
    'Whether a line speaks of a day or moment to come: a clock or a date is wrong (ten minutes are forgiven).';

create or replace function private.preview_lines(p_shop_id bigint, p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select jsonb_build_object('future', coalesce(jsonb_agg(i -> 'row' order by (i ->> 'row')::integer), '[]'))
        from jsonb_array_elements(p_items) i where private.is_to_come(i, private.shop_day(p_shop_id, p_now), p_now));
exception when data_exception then
    perform private.fail('PT422', 'request.bad_value');
end;
$$;
comment on function private.preview_lines(bigint, jsonb, timestamptz) is 'Of the lines of a sheet of figures or chats {row, day | sent_at | rated_at}: those that the import would refuse, {future: [row]}.';

create or replace function private.reject_future_lines(p_import public.imports, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_today date := (p_now at time zone (select s.timezone from public.shops s where s.id = p_import.shop_id))::date;
begin
    insert into public.import_errors (import_id, row_no, reason, params)
    select p_import.id, r.row_no, 'import.future', '{}' from private.import_rows r
    where r.import_id = p_import.id and private.is_to_come(r.payload, v_today, p_now);
    if found then
        delete from private.import_rows r using public.import_errors e
        where r.import_id = p_import.id and e.import_id = p_import.id and e.row_no = r.row_no and e.reason = 'import.future';
        update public.imports set rejected =
            (select count(distinct x.row_no) from public.import_errors x where x.import_id = p_import.id)
        where id = p_import.id;
    end if;
end;
$$;
comment on function private.reject_future_lines(public.imports, timestamptz) is
    'Lines of days or moments to come are refused.';

create or replace function private.note_lines(p_import public.imports, p_new integer[], p_changed integer[], p_same integer[]) returns void
language sql set search_path = '' as $$
    insert into private.import_results (import_id, row_no, entity_id, outcome)
    select p_import.id, n.row_no, n.row_no, n.outcome from (
        select unnest(p_new) as row_no, 'accepted' as outcome
        union all select unnest(p_changed), 'updated'
        union all select unnest(p_same), 'unchanged') n
$$;
comment on function private.note_lines(public.imports, integer[], integer[], integer[]) is
    'What became of lines whose tables have no number of their own: the line stands for it.';

create or replace function private.apply_agent_days(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    v_yesterday date := (p_now at time zone (select s.timezone from public.shops s where s.id = p_import.shop_id))::date - 1;
    v_new integer[];
    v_changed integer[];
    v_same integer[];
begin
    with staged as materialized (
        select l.row_no, n.* from private.staged_lines(p_import, p_to) l
        cross join lateral jsonb_populate_record(null::public.agent_days, l.payload
            || jsonb_build_object('shop_id', p_import.shop_id, 'import_id', p_import.id,
                'day', coalesce(l.payload ->> 'day', v_yesterday::text))) n
    ), judged as (
        select s.row_no, case when d.shop_id is null then 'accepted'
            when to_jsonb(d) - 'import_id' = to_jsonb(s) - array['row_no', 'import_id'] then 'unchanged' else 'updated' end as outcome
        from staged s left join public.agent_days d using (shop_id, day, agent)
    ), written as (
        insert into public.agent_days
        select (jsonb_populate_record(null::public.agent_days, to_jsonb(s))).* from staged s
        on conflict (shop_id, day, agent) do update set (asked, received, unreplied, effective, buyer_messages, agent_messages,
            first_seconds, reply_seconds, slow, inquiries, paid_buyers, sold_buyers, sold_amount, online_minutes, rated, satisfied,
            import_id) = (excluded.asked, excluded.received, excluded.unreplied, excluded.effective, excluded.buyer_messages,
            excluded.agent_messages, excluded.first_seconds, excluded.reply_seconds, excluded.slow, excluded.inquiries,
            excluded.paid_buyers, excluded.sold_buyers, excluded.sold_amount, excluded.online_minutes, excluded.rated,
            excluded.satisfied, excluded.import_id)
    )
    select array_agg(row_no) filter (where outcome = 'accepted'), array_agg(row_no) filter (where outcome = 'updated'),
        array_agg(row_no) filter (where outcome = 'unchanged') into v_new, v_changed, v_same from judged;
    perform private.note_lines(p_import, v_new, v_changed, v_same);
end;
$$;
comment on function private.apply_agent_days(public.imports, integer, timestamptz) is
    'Performance lines; without a day they are of the day before the import (sheets are exported the morning after).';

create or replace function private.apply_visitor_days(p_import public.imports, p_to integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_new integer[];
    v_changed integer[];
    v_same integer[];
begin
    with staged as materialized (
        select l.row_no, n.day, n.visitors, n.views from private.staged_lines(p_import, p_to) l
        cross join lateral jsonb_to_record(l.payload) as n(day date, visitors integer, views integer)
    ), judged as (
        select s.row_no, case when d.shop_id is null then 'accepted'
            when (d.visitors, d.views) is not distinct from (s.visitors, coalesce(s.views, d.views)) then 'unchanged' else 'updated' end as outcome
        from staged s left join public.visitor_days d on d.shop_id = p_import.shop_id and d.day = s.day
    ), written as (
        insert into public.visitor_days as d (shop_id, day, visitors, views, import_id)
        select p_import.shop_id, s.day, s.visitors, s.views, p_import.id from staged s
        on conflict (shop_id, day) do update
        set visitors = excluded.visitors, views = coalesce(excluded.views, d.views), import_id = excluded.import_id
    )
    select array_agg(row_no) filter (where outcome = 'accepted'), array_agg(row_no) filter (where outcome = 'updated'),
        array_agg(row_no) filter (where outcome = 'unchanged') into v_new, v_changed, v_same from judged;
    perform private.note_lines(p_import, v_new, v_changed, v_same);
end;
$$;
comment on function private.apply_visitor_days(public.imports, integer) is 'Lines of visitors by day; a column that the file lacks keeps its value.';

create or replace function private.apply_chat_sessions(p_import public.imports, p_to integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_new integer[];
    v_changed integer[];
    v_same integer[];
begin
    with staged as materialized (
        select l.row_no, n.session_id, n.agent, n.buyer, n.consult, n.rating, n.paid = 'yes' as is_paid, n.paid_amount
        from private.staged_lines(p_import, p_to) l
        cross join lateral jsonb_to_record(l.payload) as n(session_id text, agent text, buyer text, consult text, rating smallint,
            paid text, paid_amount numeric)
        where l.payload ->> 'sheet' = 'chat_sessions'
    ), judged as (
        select s.row_no, case when c.shop_id is null then 'accepted'
            when (c.agent, c.buyer, c.consult, c.rating, c.is_paid, c.paid_amount) is not distinct from
                (s.agent, s.buyer, s.consult, s.rating, s.is_paid, s.paid_amount) then 'unchanged' else 'updated' end as outcome
        from staged s left join public.chat_sessions c on c.shop_id = p_import.shop_id and c.session_id = s.session_id
    ), written as (
        insert into public.chat_sessions (shop_id, session_id, agent, buyer, consult, rating, is_paid, paid_amount, import_id)
        select p_import.shop_id, s.session_id, s.agent, s.buyer, s.consult, s.rating, s.is_paid, s.paid_amount, p_import.id from staged s
        on conflict (shop_id, session_id) do update set (agent, buyer, consult, rating, is_paid, paid_amount, import_id) =
            (excluded.agent, excluded.buyer, excluded.consult, excluded.rating, excluded.is_paid, excluded.paid_amount, excluded.import_id)
    )
    select array_agg(row_no) filter (where outcome = 'accepted'), array_agg(row_no) filter (where outcome = 'updated'),
        array_agg(row_no) filter (where outcome = 'unchanged') into v_new, v_changed, v_same from judged;
    perform private.note_lines(p_import, v_new, v_changed, v_same);
end;
$$;
comment on function private.apply_chat_sessions(public.imports, integer) is 'Lines of the sheet of sessions, each session once however often it is imported.';

create or replace function private.apply_chat_messages(p_import public.imports, p_to integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_new integer[];
    v_changed integer[];
    v_same integer[];
begin
    with staged as materialized (
        select l.row_no, n.* from private.staged_lines(p_import, p_to) l
        cross join lateral jsonb_to_record(l.payload) as n(message_id text, session_id text, agent text, buyer text, consult text,
            sender text, sent_at timestamptz)
        where l.payload ->> 'sheet' = 'chat_messages'
    ), judged as (
        select s.row_no, case when m.shop_id is null then 'accepted'
            when (m.session_id, m.agent, m.buyer, m.consult, m.sender, m.sent_at) is not distinct from
                (s.session_id, s.agent, s.buyer, s.consult, s.sender, s.sent_at) then 'unchanged' else 'updated' end as outcome
        from staged s left join public.chat_messages m on m.shop_id = p_import.shop_id and m.message_id = s.message_id
    ), written as (
        insert into public.chat_messages (shop_id, message_id, session_id, agent, buyer, consult, sender, sent_at, import_id)
        select p_import.shop_id, s.message_id, s.session_id, s.agent, s.buyer, s.consult, s.sender, s.sent_at, p_import.id
        from staged s join judged j using (row_no) where j.outcome <> 'unchanged'
        on conflict (shop_id, message_id) do update set (session_id, agent, buyer, consult, sender, sent_at, import_id) =
            (excluded.session_id, excluded.agent, excluded.buyer, excluded.consult, excluded.sender, excluded.sent_at, excluded.import_id)
    )
    select array_agg(row_no) filter (where outcome = 'accepted'), array_agg(row_no) filter (where outcome = 'updated'),
        array_agg(row_no) filter (where outcome = 'unchanged') into v_new, v_changed, v_same from judged;
    perform private.note_lines(p_import, v_new, v_changed, v_same);
end;
$$;
comment on function private.apply_chat_messages(public.imports, integer) is 'Lines of the sheet of messages, each message once however often it is imported.';

create or replace function private.apply_figures(p_import public.imports, p_to integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    case p_import.kind
        when 'performance' then perform private.apply_agent_days(p_import, p_to, p_now);
        when 'traffic' then perform private.apply_visitor_days(p_import, p_to);
        when 'chats' then
            perform private.apply_chat_sessions(p_import, p_to);
            perform private.apply_chat_messages(p_import, p_to);
        else perform private.fail('PT422', 'import.kind_unknown');
    end case;
end;
$$;
comment on function private.apply_figures(public.imports, integer, timestamptz) is 'One chunk of a sheet of figures or of chats.';
