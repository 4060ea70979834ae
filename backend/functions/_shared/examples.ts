// For tests: a message and a line of it.
import type { Delivery, Line } from "./delivery.ts";

export function line(changed: Partial<Line> = {}): Line {
  return {
    reminderId: 1,
    area: "order_review",
    entityType: "order_review",
    entityId: 77,
    label: "TM20261122001",
    policy: "订单异常审核",
    action: "notify",
    shop: "示例旗舰店",
    isOverdue: true,
    dueAt: "2026-11-22T05:42:00+00:00",
    timezone: "Asia/Shanghai",
    lateMinutes: 0,
    path: "/orders?id=77",
    ...changed,
  };
}

export function delivery(changed: Partial<Delivery> = {}): Delivery {
  return {
    id: "0b4e6a52-0000-4000-8000-000000000001",
    attempt: 1,
    purpose: "reminders",
    channelId: 7,
    kind: "dingtalk",
    host: "oapi.dingtalk.com",
    endpoint: "",
    secret: null,
    options: {},
    language: "zh-CN",
    mentions: [],
    audience: "group",
    lines: [line()],
    figures: {},
    at: null,
    more: 0,
    ...changed,
  };
}
