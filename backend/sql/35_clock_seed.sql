-- 35 ------------------------------------------------------------------------------- the clock: what a new installation has
--
-- Only what is missing is added: a calendar or policy that somebody has edited stays as it is.

insert into public.holiday_years (year, holidays, makeup_workdays, source) values (2026,
    '{2026-01-01,2026-01-02,2026-01-03,2026-02-15,2026-02-16,2026-02-17,2026-02-18,2026-02-19,2026-02-20,2026-02-21,
      2026-02-22,2026-02-23,2026-04-04,2026-04-05,2026-04-06,2026-05-01,2026-05-02,2026-05-03,2026-05-04,2026-05-05,
      2026-06-19,2026-06-20,2026-06-21,2026-09-25,2026-09-26,2026-09-27,2026-10-01,2026-10-02,2026-10-03,2026-10-04,
      2026-10-05,2026-10-06,2026-10-07}',
    '{2026-01-04,2026-02-14,2026-02-28,2026-05-09,2026-09-20,2026-10-10}',
    '国务院办公厅关于2026年部分节假日安排的通知')
on conflict do nothing;

with wanted (code, name, kind, follows_holidays) as (values
    ('all', '早班＋晚班', 'working', false),
    ('early', '早班', 'working', false),
    ('late', '晚班', 'working', false),
    ('office', '办公时间', 'working', true),
    ('workdays', '工作日', 'workdays', true),
    ('wall', '自然时间', 'wall', false)
), added as (
    insert into public.calendars (code, name, kind, follows_holidays)
    select * from wanted on conflict do nothing returning id, code
)
insert into public.calendar_shifts (calendar_id, name, weekdays, opens, closes)
select a.id, s.name, s.weekdays::smallint[], s.opens, s.closes
from added a join (values
    ('all', '早班', '{1,2,3,4,5,6,7}', 480, 990),
    ('all', '晚班', '{1,2,3,4,5,6,7}', 960, 1440),
    ('early', '早班', '{1,2,3,4,5,6,7}', 480, 990),
    ('late', '晚班', '{1,2,3,4,5,6,7}', 960, 1440),
    ('office', '办公时间', '{1,2,3,4,5}', 540, 1080),
    ('workdays', '全天', '{1,2,3,4,5}', 0, 1440)
) s (code, name, weekdays, opens, closes) using (code);

create or replace function private.seed_policies()
returns table (code text, name text, applies_to text, target text, measure text, calendar text, allowance numeric,
    ladder jsonb, remind_calendar text, on_reopen text)
language sql immutable set search_path = '' as $$
    with steps (ladder_code, ladder) as (values
        ('review', '[{"percent": 50, "who": ["owner"], "action": "notify"},
                     {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"},
                     {"percent": 150, "who": ["owner", "on_duty"], "action": "to_pool"}]'::jsonb),
        ('promise', '[{"minutes": -720, "who": ["warehouse"], "action": "notify"},
                      {"minutes": -240, "who": ["duty_lead"], "action": "notify"}]'),
        ('half', '[{"percent": 50, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('lead', '[{"percent": 80, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner", "manager"], "action": "notify"},
                   {"percent": 150, "who": ["owner"], "action": "to_pool"}]'),
        ('late', '[{"percent": 80, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('refund', '[{"percent": 60, "who": ["owner"], "action": "notify"},
                     {"percent": 100, "who": ["owner"], "action": "notify"}]'),
        ('approval', '[{"percent": 0, "who": ["owner"], "action": "notify"},
                       {"percent": 80, "who": ["owner"], "action": "notify"},
                       {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"}]'),
        ('complaint', '[{"percent": 0, "who": ["duty_lead"], "action": "notify"},
                        {"percent": 50, "who": ["owner", "duty_lead"], "action": "notify"},
                        {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"}]'),
        ('task', '[{"percent": 50, "who": ["owner"], "action": "notify"},
                   {"percent": 80, "who": ["owner"], "action": "notify"},
                   {"percent": 100, "who": ["owner", "manager"], "action": "notify"}]'),
        ('kpi_alert', '[{"percent": 0, "who": ["manager"], "action": "notify"},
                        {"percent": 100, "who": ["manager"], "action": "notify"}]'),
        ('lead_only', '[{"percent": 100, "who": ["duty_lead"], "action": "notify"}]'),
        ('promised', '[{"percent": 80, "who": ["owner"], "action": "notify"},
                       {"percent": 100, "who": ["owner", "duty_lead"], "action": "notify"}]'),
        ('owner_only', '[{"percent": 100, "who": ["owner"], "action": "notify"}]')
    ), wanted (code, name, applies_to, target, measure, calendar, allowance, ladder_code, remind_calendar, on_reopen) as (values
        ('order_review', '订单异常审核', 'order_review', 'review', 'working', 'all', 120, 'review', null, 'restart'),
        ('ship_promise', '发货承诺', 'order', 'ship', 'wall', null, 2880, 'promise', null, 'continue'),
        ('deliver_promise', '送达承诺', 'order', 'deliver', 'wall', null, 4320, 'promise', null, 'continue'),
        ('parcel_contact', '异常件联系', 'parcel_exception', 'contact', 'wall', null, 720, 'half', 'all', 'restart'),
        ('lead_a', 'A 级线索跟进', 'lead', 'follow_up', 'wall', null, 1440, 'lead', null, 'restart'),
        ('lead_b', 'B 级线索跟进', 'lead', 'follow_up', 'wall', null, 4320, 'lead', null, 'restart'),
        ('lead_c', 'C 级线索跟进', 'lead', 'follow_up', 'wall', null, 10080, 'lead', null, 'restart'),
        ('promise', '承诺兑现', 'promise', 'keep', 'wall', null, 4320, 'promised', null, 'restart'),
        ('ticket_first', '工单首次联系', 'ticket', 'first', 'working', 'all', 60, 'late', null, 'keep'),
        ('ticket_next', '工单再次回复', 'ticket', 'next', 'working', 'all', 240, 'late', null, 'restart'),
        ('ticket_resolve', '工单解决', 'ticket', 'resolve', 'wall', null, 1440, 'late', null, 'continue'),
        ('return_review', '退货审核', 'return', 'review', 'wall', null, 1440, 'late', null, 'restart'),
        ('reship', '补发', 'ticket', 'reship', 'wall', null, 1440, 'late', null, 'restart'),
        ('refund_arrival', '退款到账', 'return', 'refund', 'workdays', 'workdays', 5, 'refund', null, 'restart'),
        ('public_complaint', '舆情投诉', 'public_complaint', 'answer', 'working', 'all', 60, 'complaint', null, 'restart'),
        ('low_score', '低分复盘', 'ticket', 'low_score', 'wall', null, 1440, 'lead_only', null, 'restart'),
        ('survey', '满意度评分', 'order', 'survey', 'wall', null, 4320, 'owner_only', null, 'restart'),
        ('callback', '回访', 'order', 'callback', 'wall', null, 10080, 'owner_only', null, 'restart'),
        ('task_deliver', '优化任务', 'task', 'deliver', 'wall', null, 525600, 'task', null, 'restart'),
        ('kpi_alert', '指标预警', 'kpi_alert', 'recover', 'wall', null, 10080, 'kpi_alert', 'all', 'restart'),
        ('approval', '待审批', 'approval', 'decide', 'working', 'all', 60, 'approval', null, 'restart')
    )
    select w.code, w.name, w.applies_to, w.target, w.measure, w.calendar, w.allowance, s.ladder, w.remind_calendar, w.on_reopen
    from wanted w join steps s using (ladder_code)
$$;
comment on function private.seed_policies() is 'The policies of a new installation, and what "restore the default" goes back to.';

insert into public.sla_policies
    (code, name, applies_to, target, measure, calendar_id, allowance, ladder, remind_calendar_id, on_reopen)
select w.code, w.name, w.applies_to, w.target, w.measure, c.id, w.allowance, w.ladder, r.id, w.on_reopen
from private.seed_policies() w
left join public.calendars c on c.code = w.calendar
left join public.calendars r on r.code = w.remind_calendar
on conflict do nothing;
