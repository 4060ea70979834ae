-- 94 ---------------------------------------------------------------------------------------- KPIs: what each figure means
--
-- A definition has versions; a figure names the version it was made by. Conflicting ones (客单价 of an agent and of a shop)
-- stand side by side under names of their own. Sums come before ratios, and a zero denominator is no figure.

create table if not exists public.kpi_definitions (
    code text not null,
    version integer not null,
    position integer not null,
    name_en text not null,
    area text not null constraint kpi_definitions_area_known check (area in ('chat', 'sales', 'aftersales', 'fulfilment', 'improvement')),
    unit text not null constraint kpi_definitions_unit_known check (unit in ('%', '秒', '分', '元', '人', '小时', '天')),
    direction text not null constraint kpi_definitions_direction_known check (direction in ('up', 'down', 'none')),
    formula text not null,
    formula_en text not null,
    numerator text not null,
    denominator text not null,
    sources text[] not null,
    is_additive boolean not null default true,
    by_person boolean not null default false,
    no_shift text constraint kpi_definitions_no_shift_known check (no_shift in ('visitors', 'sheets', 'off_shift', 'orders', 'tasks')),
    threshold numeric,
    platform_thresholds jsonb not null default '{}',
    origin text not null,
    params jsonb not null default '{}',
    valid_from timestamptz not null default now(),
    made_by bigint references public.members,
    primary key (code, version)
);
create index if not exists kpi_definitions_made_by_idx on public.kpi_definitions (made_by) where made_by is not null;
alter table public.kpi_definitions enable row level security;
comment on table public.kpi_definitions is 'KPI 定义: what a figure counts, by version; the newest version is the one that is computed.';
comment on column public.kpi_definitions.sources is 'Kinds of import without which it cannot be said: any of them is enough. Empty: the desk''s own work.';
comment on column public.kpi_definitions.is_additive is 'Whether the sums of days make the sum of a period; if not, each period is counted anew.';
comment on column public.kpi_definitions.no_shift is
    'Why it is not said by shift: its source knows days alone (visitors, sheets), it is about the time outside shifts, orders come in at any hour, tasks are judged by the day. Null: it is.';
comment on column public.kpi_definitions.threshold is 'Target in the unit; direction up: at least, down: at most. platform_thresholds {platform: target} wins.';
comment on column public.kpi_definitions.params is 'reply_seconds: slower is late. pay_days: days after the talk in which a payment counts (0: the same day).';

drop policy if exists "members read what figures mean" on public.kpi_definitions;
create policy "members read what figures mean" on public.kpi_definitions for select to authenticated
    using ((select private.my_member_id()) is not null);
grant select on public.kpi_definitions to authenticated;

create or replace view public.kpis with (security_invoker = true) as
select distinct on (d.code) d.* from public.kpi_definitions d order by d.code, d.version desc;
grant select on public.kpis to authenticated;
comment on view public.kpis is 'The version of each KPI that is computed now.';

create or replace function private.kpi_param(p_code text, p_name text, p_versions jsonb) returns numeric
language sql stable set search_path = '' as $$
    select (d.params ->> p_name)::numeric from public.kpi_definitions d
    where d.code = p_code and d.version = coalesce((p_versions ->> p_code)::integer, d.version) order by d.version desc limit 1
$$;
comment on function private.kpi_param(text, text, jsonb) is
    'A parameter of a KPI in the version that p_versions {code: version} names, else in the newest: what a criterion measures stays what it was when it was agreed.';

insert into public.kpi_definitions (code, version, position, area, unit, direction, threshold, platform_thresholds, sources, by_person,
    no_shift, is_additive, name_en, formula, formula_en, numerator, denominator, origin, params)
select w.code, 1, w.position, w.area, w.unit, w.direction, w.threshold, w.platforms::jsonb, w.sources::text[], w.by_person,
    case when w.code = '流量转化率' then 'visitors' when w.code = '在线时长' then 'sheets' when w.code = '留言率' then 'off_shift'
        when w.area = 'improvement' then 'tasks' when 'orders' = any (w.sources::text[]) then 'orders' end, w.is_additive,
    w.name_en, w.formula, w.formula_en, w.numerator, w.denominator, w.origin, w.params::jsonb
from (values
    ('流量转化率', 10, 'sales', '%', 'up', null::numeric, '{}', '{traffic}', false, true, 'Visitors who asked', '咨询人数 ÷ 访客数', 'buyers who asked ÷ visitors', '咨询人数', '访客数', '流程标准化手册', '{}'),
    ('订单转化率', 20, 'sales', '%', 'up', null, '{}', '{chats}', true, true, 'Askers who ordered', '下单人数 ÷ 咨询人数（咨询当日下单）', 'buyers who ordered the same day ÷ buyers who asked', '下单人数', '咨询人数', '流程标准化手册', '{"pay_days": 0}'),
    ('转化率(客服)', 30, 'sales', '%', 'up', 65, '{}', '{chats,performance}', true, true, 'Inquiries that paid', '付款人数 ÷ 询单人数（不含售后咨询，按人去重，咨询当日付款）', 'buyers who paid the same day ÷ buyers who asked before an order, each once a day', '付款人数', '询单人数', '零售端口办事政策', '{"pay_days": 0}'),
    ('询单人数', 40, 'sales', '人', 'up', null, '{}', '{chats,performance}', true, true, 'Buyers before an order', '下单前来咨询的买家，按日去重', 'buyers who asked before an order, each once a day', '询单人数', '', '零售端口办事政策', '{}'),
    ('答问比', 50, 'chat', '%', 'up', 130, '{}', '{chats,performance}', true, true, 'Answers per question', '客服消息数 ÷ 买家消息数（不含自动回复和机器人）', 'messages of agents ÷ messages of buyers, without automatic ones', '客服消息数', '买家消息数', '零售端口办事政策', '{}'),
    ('平响', 60, 'chat', '秒', 'down', 30, '{"jd": 25}', '{chats,performance}', true, true, 'Mean answer time', '每轮从买家首条到客服首条的秒数 ÷ 有回复的轮数（京东不计 23:00–次日 9:00 发起的会话）', 'seconds from the first message of a turn to the first answer ÷ answered turns (JD: without talks begun 23:00–9:00)', '响应秒数', '有回复的轮数', '零售端口办事政策', '{}'),
    ('平响(末条)', 65, 'chat', '秒', 'down', null, '{}', '{chats}', true, true, 'Mean answer time from the last message', '每轮从买家末条到客服首条的秒数 ÷ 有回复的轮数', 'seconds from the last message of a turn to the first answer ÷ answered turns', '响应秒数', '有回复的轮数', '平台口径', '{}'),
    ('首响', 70, 'chat', '秒', 'down', 30, '{}', '{chats,performance}', true, true, 'First answer time', '会话首条买家消息到首条人工回复的秒数 ÷ 有回复的会话', 'seconds to the first answer of a person ÷ answered talks', '首次响应秒数', '有回复的会话', '流程标准化手册', '{}'),
    ('30秒应答率', 80, 'chat', '%', 'up', null, '{}', '{chats}', true, true, 'Answered within 30 seconds', '30 秒内首次应答的会话 ÷ 应答会话（9:00–23:00 发起）', 'talks first answered within 30 seconds ÷ answered talks, begun 9:00–23:00', '30 秒内应答', '应答会话', '京东公开规则', '{"reply_seconds": 30}'),
    ('响应超时率', 90, 'chat', '%', 'down', 5, '{}', '{chats}', true, true, 'Late answers', '超过 30 秒的轮次 ÷ 有回复的轮次', 'turns answered after more than 30 seconds ÷ answered turns', '超时轮次', '有回复的轮次', '流程标准化手册', '{"reply_seconds": 30}'),
    ('满意度', 100, 'chat', '分', 'up', null, '{}', '{chats,reviews}', true, true, 'Satisfaction score', '评价总分 ÷ 收到评价数（1–5 分）', 'sum of ratings ÷ ratings (1 to 5)', '评价总分', '收到评价数', '零售端口办事政策', '{}'),
    ('满意比', 110, 'chat', '%', 'up', 95, '{}', '{chats,performance,reviews}', true, true, 'Satisfied ratings', '（非常满意＋满意）÷ 收到评价数', 'ratings of 4 and 5 ÷ ratings', '满意评价数', '收到评价数', '零售端口办事政策', '{}'),
    ('留言率', 120, 'chat', '%', 'down', null, '{"jd": 50}', '{chats}', false, true, 'Questions off shift', '非值班时段发起的会话 ÷ 当日会话（班次日历）', 'talks begun outside the shifts ÷ talks of the day', '非值班会话', '会话', '零售端口办事政策', '{}'),
    ('回复率', 130, 'chat', '%', 'up', 99, '{}', '{chats,performance}', true, true, 'Buyers answered', '（接待人数 − 未回复人数）÷ 接待人数，按人去重', 'buyers answered ÷ buyers received, each once a day', '已回复人数', '接待人数', '零售端口办事政策', '{}'),
    ('客单价(客服)', 140, 'sales', '元', 'up', null, '{}', '{chats,performance}', true, true, 'Sales per buyer (agent)', '本客服销售额 ÷ 本客服销售人数', 'sales of the agent ÷ buyers the agent sold to', '销售额', '销售人数', '零售端口办事政策', '{}'),
    ('客单价(店铺)', 150, 'sales', '元', 'up', null, '{}', '{orders}', false, true, 'Sales per order (shop)', '销售额 ÷ 订单数（已付款、未关闭）', 'sales ÷ orders (paid, not closed)', '销售额', '订单数', '流程标准化手册', '{}'),
    ('复购率', 160, 'sales', '%', 'up', null, '{}', '{orders}', false, false, 'Buyers who came back', '期内有两个以上订单的买家 ÷ 期内买家', 'buyers with two or more orders in the period ÷ buyers of the period', '重复购买人数', '总客户数', '流程标准化手册', '{}'),
    ('复购周期', 170, 'sales', '天', 'down', null, '{}', '{orders}', false, true, 'Days until the next order', '同一买家相邻两单的间隔天数 ÷ 间隔数', 'days between two orders of a buyer ÷ intervals', '间隔天数', '间隔数', '优化设计方案', '{}'),
    ('客诉率', 180, 'aftersales', '%', 'down', null, '{}', '{orders}', false, true, 'Complaints', '投诉订单数 ÷ 总订单数（一单多诉计一单）', 'orders with a complaint ÷ orders, an order once', '投诉订单数', '总订单数', '流程标准化手册', '{}'),
    ('解决率', 190, 'aftersales', '%', 'up', 95, '{}', '{}', true, true, 'Cases solved', '已解决（没有重新打开）÷ 到期或解决过的售后工单（按登记日；还在时限内的不计）', 'cases solved (not opened again) ÷ cases due or once solved, by day of registration; those still in time do not count', '已解决', '到期或解决过', '优化设计方案', '{}'),
    ('24小时解决率', 200, 'aftersales', '%', 'up', null, '{}', '{}', true, true, 'Solved within 24 hours', '登记后 24 小时内解决的工单 ÷ 解决过或登记满 24 小时的工单', 'cases solved within 24 hours ÷ cases once solved or 24 hours old', '24 小时内解决', '解决过或满 24 小时', '流程标准化手册', '{}'),
    ('退货处理时长', 205, 'aftersales', '小时', 'down', 24, '{}', '{}', false, true, 'Hours to handle a return', '从申请到办结的小时数 ÷ 办结的退换货（按办结日）', 'hours from application to its end ÷ returns ended, by the day they ended', '处理小时', '办结的退换货', '流程标准化手册', '{}'),
    ('知识库复用率', 210, 'aftersales', '%', 'up', 80, '{}', '{}', false, true, 'Solutions reused', '用了知识库方案的已解决工单 ÷ 已解决工单', 'solved cases in which a solution was used ÷ solved cases', '用了方案', '已解决', '优化设计方案', '{}'),
    ('在线时长', 220, 'chat', '小时', 'up', 8, '{}', '{performance}', true, true, 'Hours online', '登录小时 ÷ 客服人日', 'hours signed in ÷ agent days', '登录小时', '客服人日', '零售端口办事政策', '{}'),
    ('履约准时率', 230, 'fulfilment', '%', 'up', 98, '{}', '{orders}', false, true, 'Shipped as promised', '按承诺发货的订单 ÷ 应发货订单（平台承诺，没有则付款后 48 小时）', 'orders shipped by their promise ÷ orders due (promise of the platform, else 48 hours after payment)', '准时发货', '应发货', '优化设计方案', '{"promise_hours": 48}'),
    ('流程优化达标率', 240, 'improvement', '%', 'up', 98, '{}', '{}', false, true, 'Improvements that met their target', '验收通过的任务 ÷ 有结论的任务', 'tasks accepted ÷ tasks judged', '验收通过', '有结论', '流程标准化手册', '{}'),
    ('验收通过率', 250, 'improvement', '%', 'up', 100, '{}', '{}', false, true, 'Criteria met', '达到目标的验收标准 ÷ 已测量的验收标准', 'criteria met ÷ criteria measured', '达标标准', '已测标准', '流程标准化手册', '{}')
) w (code, position, area, unit, direction, threshold, platforms, sources, by_person, is_additive, name_en, formula, formula_en, numerator, denominator, origin, params)
on conflict do nothing;

-- Whose figure --------------------------------------------------------------------------------------------------------

create table if not exists public.agent_names (
    shop_id bigint not null references public.shops,
    agent text not null constraint agent_names_agent_length check (char_length(agent) between 1 and 60),
    member_id bigint not null references public.members,
    updated_at timestamptz not null,
    primary key (shop_id, agent)
);
create index if not exists agent_names_member_id_idx on public.agent_names (member_id);
alter table public.agent_names enable row level security;
comment on table public.agent_names is '客服昵称: which member a name on a platform is. Without a line the member with that very display name, else nobody.';
drop policy if exists "leaders and analysts read who is who" on public.agent_names;
create policy "leaders and analysts read who is who" on public.agent_names
    for select to authenticated using (
        (select private.my_role()) in ('operations', 'analyst', 'manager', 'admin') and shop_id in (select private.my_shop_ids()));
grant select on public.agent_names to authenticated;

create or replace function private.agent_members(p_shops bigint[]) returns table (shop_id bigint, agent text, member_id bigint)
language sql stable set search_path = '' as $$
    select n.shop_id, n.agent, n.member_id from public.agent_names n where n.shop_id = any (p_shops)
    union all
    select k.shop_id, m.display_name, m.id from public.members m join public.member_shops k on k.member_id = m.id
    where k.shop_id = any (p_shops) and not exists (select from public.agent_names n where n.shop_id = k.shop_id and n.agent = m.display_name)
      and m.id = (select min(x.id) from public.members x join public.member_shops y on y.member_id = x.id
          where y.shop_id = k.shop_id and x.display_name = m.display_name)
$$;
comment on function private.agent_members(bigint[]) is 'The member behind each name on a platform, one a shop and name.';

create or replace function public.set_agent_name(p_shop_id bigint, p_agent text, p_member_id bigint, p_request_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_me private.actor := private.require_member(array['analyst', 'manager', 'admin']);
    v_answer jsonb := private.begin_request(p_request_id, 'set_agent_name', jsonb_build_array(p_shop_id, p_agent, p_member_id));
begin
    if v_answer is not null then
        return v_answer;
    end if;
    perform private.require_shop(v_me, p_shop_id);
    if char_length(btrim(coalesce(p_agent, ''))) not between 1 and 60 or (p_member_id is not null
        and not exists (select from public.member_shops k where k.shop_id = p_shop_id and k.member_id = p_member_id)) then
        perform private.fail('PT422', 'kpi.agent_name');
    end if;
    if p_member_id is null then
        delete from public.agent_names where shop_id = p_shop_id and agent = btrim(p_agent);
    else
        insert into public.agent_names (shop_id, agent, member_id, updated_at) values (p_shop_id, btrim(p_agent), p_member_id, private.now())
        on conflict (shop_id, agent) do update set member_id = excluded.member_id, updated_at = excluded.updated_at;
    end if;
    perform private.audit(v_me, p_shop_id, 'agent_name', null, 'set', jsonb_build_object('member', p_member_id));
    return private.finish_request(p_request_id, '{}');
end;
$$;
grant execute on function public.set_agent_name(bigint, text, bigint, uuid) to authenticated;
comment on function public.set_agent_name(bigint, text, bigint, uuid) is
    'Analysts, managers and admins: which member of the shop a platform name is (null: nobody again). kpi.agent_name, shop.none.';
