import assert from "node:assert/strict";
import type { Delivery, Line } from "./delivery.ts";
import { delivery, line } from "./examples.ts";
import { digestOf, dueText, plain, spanText } from "./digest.ts";

const NOW = Date.parse("2026-11-22T06:00:00Z"); // 14:00 in Shanghai
const DESK = "https://desk.example.com/";

function rows(lines: Line[], language: "zh-CN" | "en" = "zh-CN"): string[] {
  return digestOf(delivery({ lines, language }), DESK, NOW).rows.map(({ text }) => text);
}

const soon = line({ isOverdue: false, dueAt: "2026-11-22T06:25:00.5+00:00" });

Deno.test("a row says whose, what, how it stands and until when", () => {
  assert.deepEqual(rows([line(), soon]), [
    "示例旗舰店 · 订单异常 TM20261122001 · 超时 18 分 · 11-22 13:42 到期",
    "示例旗舰店 · 订单异常 TM20261122001 · 还剩 25 分 · 11-22 14:25 到期",
  ]);
  assert.deepEqual(rows([line(), soon], "en"), [
    "示例旗舰店 · Order exception TM20261122001 · 18 min overdue · due 11-22 13:42",
    "示例旗舰店 · Order exception TM20261122001 · 25 min left · due 11-22 14:25",
  ]);
});

Deno.test("a team's own policy goes by its name, a step that acted says so, a late reminder too", () => {
  const own = line({ area: "vip_calls", policy: "大客户回电", action: "to_pool", lateMinutes: 17 });
  assert.deepEqual(rows([own]), [
    "示例旗舰店 · 大客户回电 TM20261122001 · 超时 18 分 · 11-22 13:42 到期 · 已退回领取池 · 这条提醒晚了 17 分",
  ]);
});

Deno.test("the title counts, for a person and for a group", () => {
  const title = (changed: Partial<Delivery>) => digestOf(delivery(changed), DESK, NOW).title;
  assert.equal(
    title({ lines: [line(), soon, soon], audience: "person" }),
    "你有 3 项时效要处理：1 项超时，2 项快到期",
  );
  assert.equal(title({ lines: [line()] }), "时效升级 1 项：1 项超时");
  assert.equal(
    title({ lines: [soon], language: "en", audience: "person" }),
    "Deadlines that need you: 1 (1 due soon)",
  );
  assert.equal(title({ lines: [line()], more: 480 }), "时效升级 481 项");
});

Deno.test("midnight is 24:00 of the day that ends there, in the shop's zone", () => {
  const due = (text: string, zone = "Asia/Shanghai") => dueText(Date.parse(text), zone);
  assert.equal(due("2026-11-22T16:00:00Z"), "11-22 24:00");
  assert.equal(due("2026-12-31T16:00:00Z"), "12-31 24:00");
  assert.equal(due("2026-11-22T15:59:59Z"), "11-22 23:59:59");
  assert.equal(due("2026-11-22T16:01:00Z"), "11-23 00:01");
  assert.equal(due("2026-11-22T16:00:00Z", "America/New_York"), "11-22 11:00");
  assert.equal(due("2026-11-23T05:00:00Z", "America/New_York"), "11-22 24:00");
});

Deno.test("a span is told in its largest fitting unit", () => {
  const told = [0, 1, 59, 60, 90, 600, 2879, 2880, 10_000].map((minutes) => spanText(minutes, "zh-CN"));
  assert.deepEqual(told, [
    "1 分",
    "1 分",
    "59 分",
    "1 小时",
    "1.5 小时",
    "10 小时",
    "47 小时",
    "2 天",
    "6 天",
  ]);
  assert.equal(spanText(25, "en"), "25 min");
});

Deno.test("links open the item, and lead nowhere but to the desk", () => {
  const url = (path: string, desk: string | null = DESK) =>
    digestOf(delivery({ lines: [line({ path })] }), desk, NOW).rows[0]?.url;
  assert.equal(url("/orders?id=77"), "https://desk.example.com/orders?id=77");
  assert.equal(url("/orders?id=77", "https://example.com/desk/"), "https://example.com/desk/orders?id=77");
  assert.equal(url("/orders?id=77", null), null);
  for (
    const path of ["//evil.example/x", "/\\evil.example", "https://evil.example", "javascript:alert(1)", ""]
  ) {
    assert.equal(url(path), null, path);
  }
});

Deno.test("all of them are seen in a person's inbox, or in the overview of a group", () => {
  const url = (audience: "person" | "group") =>
    digestOf(delivery({ audience, more: 1 }), DESK, NOW).overviewUrl;
  assert.equal(url("person"), "https://desk.example.com/inbox");
  assert.equal(url("group"), "https://desk.example.com/deadlines");
});

Deno.test("a test says that it is one", () => {
  const test = delivery({ purpose: "test", lines: [] });
  assert.deepEqual([digestOf(test, DESK, NOW).title, digestOf(test, DESK, NOW).rows.length], ["测试消息", 1]);
});

Deno.test("the figures of the day are told one by one", () => {
  const figures = { overdue: 3, approvals: 2, done: 12, on_time: 11, due_tonight: 5, day: "2026-11-22" };
  const daily = digestOf(delivery({ purpose: "daily", lines: [], figures }), DESK, NOW);
  assert.equal(daily.title, "11-22 当天小结");
  assert.deepEqual(daily.rows.map(({ text }) => text), [
    "超时 3 项",
    "待审批 2 项",
    "今天完成 12 项，按时 11 项",
    "24:00 前还有 5 项到期",
    "到工作台看详情",
  ]);
  assert.equal(daily.rows.at(-1)?.url, "https://desk.example.com/home");
});

Deno.test("a label is one harmless line", () => {
  const cases: [string, string][] = [
    ["A\r\nB\tC\u0000\u202eD", "A B C D"],
    ["[点我](http://evil.example)", "［点我］(http:／／evil.example)"],
    ["<@all> @所有人", "＜＠all＞ ＠所有人"],
    ["**x** `y` #z |", "＊＊x＊＊ ｀y｀ ＃z ｜"],
    ["13812345678", "138＊＊＊＊5678"],
    ["tm_2026-1122", "tm_2026-1122"],
    ["长".repeat(100), `${"长".repeat(59)}…`],
    ["𠮷".repeat(61), `${"𠮷".repeat(59)}…`],
  ];
  for (const [given, shown] of cases) assert.equal(plain(given), shown);
});
