// Every word that leaves the desk in a reminder, in both languages.
import type { Language } from "./delivery.ts";

export type Words = Readonly<Record<Language, string>>;

export const WORDS = {
  title_person: { "zh-CN": "你有 {count} 项时效要处理", en: "{count} of your deadlines need you" },
  title_group: { "zh-CN": "时效升级 {count} 项", en: "{count} deadlines escalated" },
  title_overdue: { "zh-CN": "{count} 项超时", en: "{count} overdue" },
  title_soon: { "zh-CN": "{count} 项快到期", en: "{count} due soon" },
  title_test: { "zh-CN": "测试消息", en: "Test message" },
  body_test: {
    "zh-CN": "这个渠道能收到提醒了。",
    en: "Reminders can reach this channel.",
  },
  overdue: { "zh-CN": "超时 {span}", en: "{span} overdue" },
  remaining: { "zh-CN": "还剩 {span}", en: "{span} left" },
  late: { "zh-CN": "这条提醒晚了 {span}", en: "this reminder is {span} late" },
  due_at: { "zh-CN": "{at} 到期", en: "due {at}" },
  more: { "zh-CN": "还有 {count} 项，在时效总览里看", en: "+{count} more in the overview of deadlines" },
  open: { "zh-CN": "打开", en: "open" },
  minutes: { "zh-CN": "{count} 分", en: "{count} min" },
  hours: { "zh-CN": "{count} 小时", en: "{count} h" },
  days: { "zh-CN": "{count} 天", en: "{count} d" },
} as const satisfies Record<string, Words>;

/** What a deadline is about, by the code of its policy or by what it applies to. */
export const AREAS: Readonly<Record<string, Words>> = {
  order_review: { "zh-CN": "订单异常", en: "Order exception" },
  ship_promise: { "zh-CN": "发货承诺", en: "Shipping promise" },
  deliver_promise: { "zh-CN": "送达承诺", en: "Delivery promise" },
  order: { "zh-CN": "订单", en: "Order" },
  parcel_contact: { "zh-CN": "异常件", en: "Parcel exception" },
  parcel_exception: { "zh-CN": "异常件", en: "Parcel exception" },
  lead: { "zh-CN": "线索", en: "Lead" },
  lead_a: { "zh-CN": "A 级线索", en: "A lead" },
  lead_b: { "zh-CN": "B 级线索", en: "B lead" },
  lead_c: { "zh-CN": "C 级线索", en: "C lead" },
  ticket: { "zh-CN": "工单", en: "Ticket" },
  ticket_first: { "zh-CN": "工单首次联系", en: "First contact of a ticket" },
  ticket_resolve: { "zh-CN": "工单解决", en: "Resolution of a ticket" },
  return: { "zh-CN": "退货", en: "Return" },
  return_review: { "zh-CN": "退货审核", en: "Return review" },
  reship: { "zh-CN": "补发", en: "Reship" },
  refund_arrival: { "zh-CN": "退款到账", en: "Refund arrival" },
  public_complaint: { "zh-CN": "舆情投诉", en: "Public complaint" },
  low_score: { "zh-CN": "低分复盘", en: "Low score review" },
  survey: { "zh-CN": "满意度评分", en: "Survey" },
  callback: { "zh-CN": "回访", en: "Call back" },
  approval: { "zh-CN": "待审批", en: "Approval" },
  task: { "zh-CN": "改进任务", en: "Task" },
};

/** A text with its parameters put in. */
export function say(
  words: Words,
  language: Language,
  params: Readonly<Record<string, string | number>> = {},
): string {
  return words[language].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}
