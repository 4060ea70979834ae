-- 94 -------------------------------------------------------------------------------------- KPIs: what is counted in chats
--
-- A talk belongs to the day (of the shop's zone) of its buyer's first message, with all that follows in it, midnight or not.
-- A turn is a run of buyer's messages; only a person's message answers it. Buyers count once a day. Where a shop has no
-- chats of a day, its performance sheets stand in.

create or replace function private.kpi_days(p_shops bigint[], p_from date, p_to date)
returns table (shop_id bigint, platform text, zone text, starts_at timestamptz, ends_at timestamptz)
language sql stable rows 3 set search_path = '' as $$
    select s.id, s.platform, s.timezone, p_from::timestamp at time zone s.timezone, (p_to + 1)::timestamp at time zone s.timezone
    from public.shops s where s.id = any (p_shops)
$$;
comment on function private.kpi_days(bigint[], date, date) is 'The span of days (both included) as instants of each shop.';

create or replace function private.kpi_talks(p_shops bigint[], p_from date, p_to date)
returns table (shop_id bigint, platform text, session_id text, day date, buyer text, agent text, consult text, starts_at timestamptz,
    rating smallint, is_paid boolean, paid_amount numeric, off_shift boolean, shift text, buyer_messages bigint, agent_messages bigint,
    first_answer_at timestamptz)
language sql stable set search_path = '' as $$
    with spans as materialized (
        select d.*, private.known_windows(private.shop_calendar(d.shop_id), d.starts_at, d.ends_at,
            private.first_unknown_day(private.shop_calendar(d.shop_id), p_from)) as shifts
        from private.kpi_days(p_shops, p_from, p_to) d
    ), asked as materialized (
        select distinct m.shop_id, m.session_id from spans d
        cross join lateral (select m.shop_id, m.session_id from public.chat_messages m where m.shop_id = d.shop_id and m.sender = 'buyer'
            and m.sent_at >= d.starts_at and m.sent_at < d.ends_at offset 0) m
    ), talks as (
        select m.shop_id, m.session_id, min(m.sent_at) filter (where m.sender = 'buyer') as first_at,
            (array_agg(m.buyer order by m.place) filter (where m.sender = 'buyer'))[1] as buyer,
            (array_agg(m.agent order by m.sender <> 'agent', m.place) filter (where m.agent is not null))[1] as agent,
            (array_agg(m.consult order by m.place) filter (where m.consult is not null))[1] as consult,
            count(*) filter (where m.sender = 'buyer') as buyer_messages,
            count(*) filter (where m.sender = 'agent') as agent_messages,
            min(m.sent_at) filter (where m.sender = 'agent' and m.after_buyer) as first_answer_at
        from asked a cross join lateral (
            select x.*, row_number() over told as place, coalesce(bool_or(x.sender = 'buyer') over told, false) as after_buyer
            from public.chat_messages x where x.shop_id = a.shop_id and x.session_id = a.session_id
            window told as (order by x.sent_at, length(x.message_id), x.message_id)) m
        group by m.shop_id, m.session_id
    )
    select t.shop_id, d.platform, t.session_id, (t.first_at at time zone d.zone)::date, t.buyer, coalesce(t.agent, s.agent),
        coalesce(s.consult, t.consult, 'presales'), t.first_at, s.rating, s.is_paid, s.paid_amount,
        not t.first_at <@ d.shifts, coalesce(k.shift, '(off)'), t.buyer_messages, t.agent_messages, t.first_answer_at
    from talks t join spans d using (shop_id) left join public.chat_sessions s using (shop_id, session_id)
    left join private.kpi_shifts(p_shops, p_from, p_to) k on k.shop_id = t.shop_id and t.first_at <@ k.hours
    where t.first_at >= d.starts_at and t.first_at < d.ends_at
$$;
comment on function private.kpi_talks(bigint[], date, date) is
    'The talks that began on these days: who, what kind (unknown: presales), when, what was rated and paid, and the first answer of a person.';

create or replace function private.kpi_turns(p_shops bigint[], p_from date, p_to date)
returns table (shop_id bigint, platform text, day date, agent text, shift text, begins_at timestamptz, first_at timestamptz, last_at timestamptz, answered_at timestamptz)
language sql stable set search_path = '' as $$
    with lines as (
        select t.shop_id, t.platform, t.session_id, t.day, t.starts_at as begins_at, m.sender, m.sent_at, m.agent,
            count(*) filter (where m.sender = 'buyer' and m.before is distinct from 'buyer') over w as turn
        from private.kpi_talks(p_shops, p_from, p_to) t
        join lateral (
            select x.message_id, x.sender, x.sent_at, x.agent,
                lag(x.sender) over (order by x.sent_at, length(x.message_id), x.message_id) as before
            from public.chat_messages x
            where x.shop_id = t.shop_id and x.session_id = t.session_id and x.sender in ('buyer', 'agent')) m on true
        window w as (partition by t.shop_id, t.session_id order by m.sent_at, length(m.message_id), m.message_id)
    ), turns as (
        select shop_id, platform, day, (array_agg(agent order by sent_at) filter (where sender = 'agent'))[1] as agent, begins_at,
            min(sent_at) filter (where sender = 'buyer') as first_at, max(sent_at) filter (where sender = 'buyer') as last_at,
            min(sent_at) filter (where sender = 'agent') as answered_at
        from lines where turn > 0 group by shop_id, platform, session_id, day, begins_at, turn
    )
    select t.shop_id, t.platform, t.day, t.agent, coalesce(k.shift, '(off)'), t.begins_at, t.first_at, t.last_at, t.answered_at
    from turns t left join private.kpi_shifts(p_shops, p_from, p_to) k on k.shop_id = t.shop_id and t.first_at <@ k.hours
$$;
comment on function private.kpi_turns(bigint[], date, date) is
    'The turns of these talks: a run of buyer''s messages from first to last, and the first message of a person after it (null: none). Automatic replies neither end nor answer a turn. Its shift is the one at its first message.';

create or replace function private.kpi_buyers(p_shops bigint[], p_from date, p_to date, p_versions jsonb)
returns table (shop_id bigint, day date, agent text, shift text, buyer text, is_answered boolean, is_inquiry boolean, has_ordered boolean, has_paid boolean,
    sold boolean, sold_amount numeric)
language sql stable set search_path = '' as $$
    with talks as materialized (select * from private.kpi_talks(p_shops, p_from, p_to)),
    days as materialized (
        select coalesce(private.kpi_param('订单转化率', 'pay_days', p_versions), 0)::integer as ordering,
            coalesce(private.kpi_param('转化率(客服)', 'pay_days', p_versions), 0)::integer as paying
    ), bought as (
        select t.shop_id, t.session_id,
            bool_or(o.placed_at >= t.starts_at and o.placed_at < (t.day + 1 + d.ordering)::timestamp at time zone s.timezone) as has_ordered,
            bool_or(o.paid_at >= t.starts_at and o.paid_at < (t.day + 1 + d.paying)::timestamp at time zone s.timezone) as has_paid
        from talks t join public.shops s on s.id = t.shop_id cross join days d
        join public.orders o on o.buyer_account = t.buyer and o.shop_id = t.shop_id
        group by t.shop_id, t.session_id
    )
    select t.shop_id, t.day, (array_agg(t.agent order by t.consult = 'aftersales', t.starts_at))[1],
        (array_agg(t.shift order by t.consult = 'aftersales', t.starts_at))[1], t.buyer, bool_or(t.agent_messages > 0 and t.first_answer_at is not null),
        bool_or(t.consult <> 'aftersales'), coalesce(bool_or(b.has_ordered), false) or coalesce(bool_or(t.is_paid), false),
        coalesce(bool_or((coalesce(t.is_paid, false) or coalesce(b.has_paid, false)) and t.consult <> 'aftersales'), false),
        coalesce(bool_or(t.is_paid), false), coalesce(sum(t.paid_amount) filter (where t.is_paid), 0)
    from talks t left join bought b using (shop_id, session_id)
    group by t.shop_id, t.day, t.buyer
$$;
comment on function private.kpi_buyers(bigint[], date, date, jsonb) is
    'The buyers who wrote on a day, each once: answered by a person, asked before an order (not only after-sales), and what he ordered and paid after asking, until the end of the day (pay_days later, as 订单转化率 and 转化率(客服) each have it). Paid: the sheet of sessions or an imported order says so.';

create or replace function private.kpi_from_chats(p_shops bigint[], p_from date, p_to date, p_versions jsonb)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with talks as materialized (select * from private.kpi_talks(p_shops, p_from, p_to)),
    turns as materialized (select *, extract(epoch from answered_at - first_at) as waited, extract(epoch from answered_at - last_at) as waited_last
        from private.kpi_turns(p_shops, p_from, p_to) where answered_at is not null),
    buyers as materialized (select * from private.kpi_buyers(p_shops, p_from, p_to, p_versions)),
    late as (select coalesce(private.kpi_param('响应超时率', 'reply_seconds', p_versions), 30) as seconds),
    prompt as (select coalesce(private.kpi_param('30秒应答率', 'reply_seconds', p_versions), 30) as seconds),
    clocked as (
        select t.*, (t.begins_at at time zone s.timezone)::time as begun, s.platform = 'jd'
            and ((t.begins_at at time zone s.timezone)::time >= '23:00' or (t.begins_at at time zone s.timezone)::time < '09:00') as jd_night
        from turns t join public.shops s on s.id = t.shop_id
    ), firsts as (
        select t.shop_id, t.day, t.agent, t.shift, extract(epoch from t.first_answer_at - t.starts_at) as waited,
            (t.starts_at at time zone s.timezone)::time as begun
        from talks t join public.shops s on s.id = t.shop_id where t.first_answer_at is not null
    )
    select '答问比', shop_id, day, agent, shift, sum(agent_messages), sum(buyer_messages), sum(buyer_messages)::bigint from talks group by shop_id, day, agent, shift
    union all
    select '平响', shop_id, day, agent, shift, sum(waited), count(*), count(*) from clocked where not jd_night group by shop_id, day, agent, shift
    union all
    select '平响(末条)', shop_id, day, agent, shift, sum(waited_last), count(*), count(*) from clocked where not jd_night group by shop_id, day, agent, shift
    union all
    select '响应超时率', c.shop_id, c.day, c.agent, c.shift, count(*) filter (where c.waited > l.seconds), count(*), count(*)
    from clocked c, late l group by c.shop_id, c.day, c.agent, c.shift
    union all
    select '首响', shop_id, day, agent, shift, sum(waited), count(*), count(*) from firsts group by shop_id, day, agent, shift
    union all
    select '30秒应答率', f.shop_id, f.day, f.agent, f.shift, count(*) filter (where f.waited <= p.seconds), count(*), count(*)
    from firsts f, prompt p where f.begun >= '09:00' and f.begun < '23:00' group by f.shop_id, f.day, f.agent, f.shift
    union all
    select '留言率', shop_id, day, null, '(day)', count(*) filter (where off_shift), count(*), count(*) from talks group by shop_id, day
    union all
    select '满意度', shop_id, day, agent, shift, sum(rating), count(rating), count(rating) from talks where rating is not null group by shop_id, day, agent, shift
    union all
    select '满意比', shop_id, day, agent, shift, count(*) filter (where rating >= 4), count(*), count(*) from talks where rating is not null group by shop_id, day, agent, shift
    union all
    select '回复率', shop_id, day, agent, shift, count(*) filter (where is_answered), count(*), count(*) from buyers group by shop_id, day, agent, shift
    union all
    select '询单人数', shop_id, day, agent, shift, count(*), null, count(*) from buyers where is_inquiry group by shop_id, day, agent, shift
    union all
    select '转化率(客服)', shop_id, day, agent, shift, count(*) filter (where has_paid), count(*), count(*) from buyers where is_inquiry group by shop_id, day, agent, shift
    union all
    select '订单转化率', shop_id, day, agent, shift, count(*) filter (where has_ordered), count(*), count(*) from buyers group by shop_id, day, agent, shift
    union all
    select '客单价(客服)', shop_id, day, agent, shift, sum(sold_amount), count(*), count(*) from buyers where sold group by shop_id, day, agent, shift
    union all
    select '咨询人数', shop_id, day, null, '(day)', count(*), null, count(*) from buyers group by shop_id, day
$$;
comment on function private.kpi_from_chats(bigint[], date, date, jsonb) is
    'What the chats of these days say, by shop, day, agent and shift: numerator, denominator (null: a count), sample. 咨询人数 is no KPI: 流量转化率 is made of it.';

create or replace function private.kpi_from_sheets(p_shops bigint[], p_from date, p_to date)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with sheets as (select * from public.agent_days a where a.shop_id = any (p_shops) and a.day between p_from and p_to)
    select f.code, s.shop_id, s.day, s.agent, '(day)', f.numerator, f.denominator, f.denominator::bigint
    from sheets s cross join lateral (values
        ('答问比', s.agent_messages::numeric, s.buyer_messages::numeric),
        ('平响', s.reply_seconds * coalesce(s.effective, s.received), coalesce(s.effective, s.received)::numeric),
        ('首响', s.first_seconds * coalesce(s.effective, s.received), coalesce(s.effective, s.received)::numeric),
        ('转化率(客服)', s.paid_buyers::numeric, s.inquiries::numeric),
        ('满意比', s.satisfied::numeric, s.rated::numeric),
        ('回复率', (s.received - s.unreplied)::numeric, s.received::numeric),
        ('客单价(客服)', s.sold_amount, s.sold_buyers::numeric)
    ) f (code, numerator, denominator)
    where f.numerator is not null and f.denominator is not null
    union all
    select '询单人数', s.shop_id, s.day, s.agent, '(day)', s.inquiries, null, s.inquiries from sheets s where s.inquiries is not null
    union all
    select '在线时长', s.shop_id, s.day, s.agent, '(day)', s.online_minutes / 60, 1, 1 from sheets s where s.online_minutes is not null
    union all
    select '咨询人数', s.shop_id, s.day, null, '(day)', sum(s.asked), null, sum(s.asked)::bigint from sheets s where s.asked is not null group by s.shop_id, s.day
$$;
comment on function private.kpi_from_sheets(bigint[], date, date) is
    'What performance sheets say, of days. Their means are weighted by the buyers received, as nearer to the truth than a mean of means.';

create or replace function private.kpi_of_talks(p_shops bigint[], p_from date, p_to date, p_versions jsonb)
returns table (code text, shop_id bigint, day date, agent text, shift text, numerator numeric, denominator numeric, sample bigint)
language sql stable set search_path = '' as $$
    with chats as materialized (select * from private.kpi_from_chats(p_shops, p_from, p_to, p_versions)),
    told as (
        select * from chats
        union all
        select s.* from private.kpi_from_sheets(p_shops, p_from, p_to) s
        where not exists (select from chats c where c.shop_id = s.shop_id and c.day = s.day and c.code = s.code)
    ), rated as (
        select r.shop_id, (r.rated_at at time zone d.zone)::date as day, r.agent, r.score
        from private.kpi_days(p_shops, p_from, p_to) d join public.ratings r on r.shop_id = d.shop_id
        where r.level is not null and r.rated_at >= d.starts_at and r.rated_at < d.ends_at
    )
    select * from told where code <> '咨询人数'
    union all
    select '满意度', shop_id, day, agent, '(day)', sum(score), count(*), count(*) from rated group by shop_id, day, agent
    union all
    select '满意比', shop_id, day, agent, '(day)', count(*) filter (where score >= 4), count(*), count(*) from rated group by shop_id, day, agent
    union all
    select '流量转化率', v.shop_id, v.day, null, '(day)', t.numerator, v.visitors, v.visitors
    from public.visitor_days v join told t on t.code = '咨询人数' and t.shop_id = v.shop_id and t.day = v.day
    where v.shop_id = any (p_shops) and v.day between p_from and p_to
$$;
comment on function private.kpi_of_talks(bigint[], date, date, jsonb) is
    'Figures of chats, of performance sheets where a shop has no chats of the day, of service ratings, and of visitors who asked: on days of which both are known.';
