// Every word that leaves the desk in a reminder, in both languages.
import type { Language } from "./delivery.ts";

export type Words = Readonly<Record<Language, string>>;

export const WORDS = {
  title_person: { "zh-CN": "你有 {count} 项时效要处理", en: "Deadlines that need you: {count}" },
  title_group: { "zh-CN": "时效升级 {count} 项", en: "Deadlines escalated: {count}" },
  title_overdue: { "zh-CN": "{count} 项超时", en: "{count} overdue" },
  title_soon: { "zh-CN": "{count} 项快到期", en: "{count} due soon" },
  title_daily: { "zh-CN": "{day} 当天小结", en: "The day in figures, {day}" },
  body_daily: { "zh-CN": "到工作台看详情", en: "Details are on the home page" },
  title_test: { "zh-CN": "测试消息", en: "Test message" },
  body_test: {
    "zh-CN": "这个渠道能收到提醒了。",
    en: "Reminders can reach this channel.",
  },
  overdue: { "zh-CN": "超时 {span}", en: "{span} overdue" },
  remaining: { "zh-CN": "还剩 {span}", en: "{span} left" },
  late: { "zh-CN": "这条提醒晚了 {span}", en: "this reminder is {span} late" },
  due_at: { "zh-CN": "{at} 到期", en: "due {at}" },
  more: { "zh-CN": "还有 {count} 项，在工作台看全部", en: "+{count} more on the desk" },
  open: { "zh-CN": "打开", en: "open" },
  minutes: { "zh-CN": "{count} 分", en: "{count} min" },
  hours: { "zh-CN": "{count} 小时", en: "{count} h" },
  days: { "zh-CN": "{count} 天", en: "{count} d" },
} as const satisfies Record<string, Words>;

/** What a deadline is about, by the code of its policy; policies that a team adds go by their own name. */
export const AREAS: Readonly<Record<string, Words>> = {
  order_review: { "zh-CN": "订单异常", en: "Order exception" },
  ship_promise: { "zh-CN": "发货承诺", en: "Shipping promise" },
  deliver_promise: { "zh-CN": "送达承诺", en: "Delivery promise" },
  parcel_contact: { "zh-CN": "异常件联系", en: "Parcel exception" },
  lead_a: { "zh-CN": "A 级线索", en: "A lead" },
  lead_b: { "zh-CN": "B 级线索", en: "B lead" },
  lead_c: { "zh-CN": "C 级线索", en: "C lead" },
  promise: { "zh-CN": "承诺兑现", en: "Promise" },
  ticket_first: { "zh-CN": "工单首次联系", en: "Ticket, first contact" },
  ticket_resolve: { "zh-CN": "工单解决", en: "Ticket, resolution" },
  return_review: { "zh-CN": "退货审核", en: "Return review" },
  reship: { "zh-CN": "补发", en: "Reship" },
  refund_arrival: { "zh-CN": "退款到账", en: "Refund arrival" },
  public_complaint: { "zh-CN": "舆情投诉", en: "Public complaint" },
  low_score: { "zh-CN": "低分复盘", en: "Low score review" },
  survey: { "zh-CN": "满意度评分", en: "Survey" },
  callback: { "zh-CN": "回访", en: "Call back" },
  approval: { "zh-CN": "待审批", en: "Approval" },
  task_deliver: { "zh-CN": "优化任务", en: "Improvement" },
  kpi_alert: { "zh-CN": "指标预警", en: "Missed target" },
};

/** What a step did besides telling people. */
export const ACTIONS: Readonly<Record<string, Words>> = {
  to_pool: { "zh-CN": "已退回领取池", en: "back in the pool" },
  raise_priority: { "zh-CN": "已提高优先级", en: "priority raised" },
};

/** The figures of the day, in the order in which they are told. */
export const FIGURES: Readonly<Record<string, Words>> = {
  overdue: { "zh-CN": "超时 {count} 项", en: "Overdue: {count}" },
  approvals: { "zh-CN": "待审批 {count} 项", en: "Waiting for approval: {count}" },
  on_time: { "zh-CN": "今天完成 {of} 项，按时 {count} 项", en: "Done today: {of}, on time: {count}" },
  due_tonight: { "zh-CN": "24:00 前还有 {count} 项到期", en: "Still due before 24:00: {count}" },
};

/** A text with its parameters put in. */
export function say(
  words: Words,
  language: Language,
  params: Readonly<Record<string, string | number>> = {},
): string {
  return words[language].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}
