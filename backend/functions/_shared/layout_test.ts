import assert from "node:assert/strict";
import type { Digest } from "./digest.ts";
import { dingtalkBody, feishuBody, LIMITS, mailText, wecomBody } from "./layout.ts";
import { bytes, isRecord } from "./values.ts";

function digest(count: number, more = 0, length = 40): Digest {
  const rows = Array.from({ length: count }, (_, at) => ({
    text: `第 ${at + 1} 项 "引号" ${"长".repeat(length)}`,
    url: `https://desk.example.com/orders?id=${at + 1}&a=(b)`,
  }));
  return {
    title: "时效升级",
    rows,
    more,
    overviewUrl: "https://desk.example.com/deadlines",
    language: "zh-CN",
  };
}

/** Rows that a layout shows, and those it says are hidden. */
function counted(text: string): { shown: number; hidden: number } {
  return {
    shown: [...text.matchAll(/第 \d+ 项/g)].length,
    hidden: Number(/还有 (\d+) 项/.exec(text)?.[1] ?? 0),
  };
}

function at(value: unknown, ...names: (string | number)[]): string {
  for (const name of names) {
    value = Array.isArray(value) ? value[Number(name)] : isRecord(value) ? value[name] : undefined;
  }
  return String(value);
}

Deno.test("a short digest is told whole", () => {
  const small = digest(2, 0, 1);
  assert.equal(
    at(wecomBody(small, []), "markdown", "content"),
    '**时效升级**\n\n- 第 1 项 "引号" 长 [打开](https://desk.example.com/orders?id=1&a=%28b%29)\n' +
      '- 第 2 项 "引号" 长 [打开](https://desk.example.com/orders?id=2&a=%28b%29)',
  );
  assert.deepEqual(counted(JSON.stringify(dingtalkBody(small, []))), { shown: 2, hidden: 0 });
  assert.deepEqual(counted(JSON.stringify(feishuBody(small, [], {}))), { shown: 2, hidden: 0 });
  assert.equal(mailText(small).split("\n")[2], "https://desk.example.com/orders?id=1&a=(b)");
});

Deno.test("a long digest fits the platform, and what it leaves out is counted", () => {
  const long = digest(500, 20);
  const wecom = at(wecomBody(long, []), "markdown", "content");
  const called = at(wecomBody(long, ["zhangsan"]), "text", "content");
  const dingtalk = JSON.stringify(dingtalkBody(long, ["zhangsan"]));
  const feishu = JSON.stringify(
    feishuBody(long, ["ou_1"], { timestamp: "1763800000", sign: "x".repeat(44) }),
  );
  const sizes: [string, number][] = [
    [wecom, LIMITS.wecomMarkdown],
    [called, LIMITS.wecomText],
    [dingtalk, LIMITS.dingtalk],
    [feishu, LIMITS.feishu],
  ];
  for (const [text, limit] of sizes) {
    const { shown, hidden } = counted(text);
    assert.ok(bytes(text) <= limit, `${bytes(text)} bytes`);
    assert.ok(bytes(text) > limit * 0.85, "as much as fits is shown");
    assert.equal(shown + hidden, 520);
  }
  assert.ok(dingtalk.includes("https://desk.example.com/deadlines"));
});

Deno.test("a single row that is too long is counted, not cut", () => {
  assert.deepEqual(counted(at(wecomBody(digest(1, 0, 3000), []), "markdown", "content")), {
    shown: 0,
    hidden: 1,
  });
});

Deno.test("people are called as each platform wants it", () => {
  const ids = ["zhangsan", "lisi"];
  const small = digest(1);
  assert.deepEqual(at(wecomBody(small, ids), "text", "mentioned_list"), "zhangsan,lisi");
  assert.deepEqual(at(dingtalkBody(small, ids), "at", "atUserIds"), "zhangsan,lisi");
  assert.ok(at(dingtalkBody(small, ids), "markdown", "text").endsWith("@zhangsan @lisi"));
  const content = at(feishuBody(small, ids, {}), "content", "post", "zh_cn", "content", 1, 1, "user_id");
  assert.equal(content, "lisi");
  for (const body of [wecomBody(small, []), dingtalkBody(small, []), feishuBody(small, [], {})]) {
    assert.ok(!/@all|isAtAll":true|"at","user_id/.test(JSON.stringify(body)));
  }
});

Deno.test("without a desk address there are no links", () => {
  const bare: Digest = { ...digest(1, 1), rows: [{ text: "第 1 项", url: null }], overviewUrl: null };
  for (const body of [wecomBody(bare, []), dingtalkBody(bare, []), feishuBody(bare, [], {})]) {
    assert.ok(!/打开|null/.test(JSON.stringify(body)));
  }
  assert.ok(!mailText(bare).includes("null"));
});
