import assert from "node:assert/strict";
import { sendParcel } from "./channels.ts";
import { type Delivery, Problem } from "./delivery.ts";
import { digestOf } from "./digest.ts";
import { delivery, line } from "./examples.ts";
import { dingtalkSign, feishuSign, webhookSignature } from "./signing.ts";
import { answering, bodyOf, httpReply, type StandIn, standIn } from "./stand_in.ts";
import { isRecord } from "./values.ts";

const NOW = Date.parse("2026-11-22T06:00:00.123Z");
const SECONDS = Math.floor(NOW / 1000);
const never = new AbortController().signal;

async function sent(
  changed: Partial<Delivery>,
  url: string,
  secret: string,
  other: StandIn,
): Promise<string> {
  const message = delivery(changed);
  const endpoint = { url: new URL(url), address: "93.184.216.34" };
  const digest = digestOf(message, "https://desk.example.com", NOW);
  await sendParcel(
    { delivery: message, digest, endpoint, secret },
    { dial: other.dial, now: () => NOW },
    never,
  );
  return other.told[0] ?? "";
}

function json(told: string): Record<string, unknown> {
  const value: unknown = JSON.parse(bodyOf(told));
  assert.ok(isRecord(value));
  return value;
}

const ok = () => answering(httpReply(200, '{"errcode":0,"errmsg":"ok"}'));

Deno.test("DingTalk: the signature stands in the query beside the token", async () => {
  const told = await sent({}, "https://oapi.dingtalk.com/robot/send?access_token=t", "SECx", ok());
  const url = new URL(told.split(" ")[1] ?? "", "https://oapi.dingtalk.com");
  assert.equal(url.searchParams.get("access_token"), "t");
  assert.equal(url.searchParams.get("timestamp"), String(NOW));
  assert.equal(url.searchParams.get("sign"), await dingtalkSign("SECx", NOW));
  assert.ok(!url.search.includes("+"), "a plus would be read as a blank");
  assert.equal(json(told).msgtype, "markdown");
});

Deno.test("DingTalk and Feishu without a secret are not signed", async () => {
  assert.ok(
    !(await sent({}, "https://oapi.dingtalk.com/robot/send?access_token=t", "", ok())).includes("sign="),
  );
  const told = await sent(
    { kind: "feishu" },
    "https://open.feishu.cn/h",
    "",
    answering(httpReply(200, '{"code":0}')),
  );
  assert.equal("sign" in json(told), false);
});

Deno.test("Feishu: the signature stands in the body", async () => {
  const other = answering(httpReply(200, '{"code":0}'));
  const { timestamp, sign, msg_type } = json(
    await sent({ kind: "feishu" }, "https://open.feishu.cn/h", "s", other),
  );
  assert.deepEqual([timestamp, sign, msg_type], [String(SECONDS), await feishuSign("s", SECONDS), "post"]);
});

Deno.test("WeCom: 200 with an error code did not arrive", async () => {
  const busy = answering(httpReply(200, '{"errcode":45009,"errmsg":"api freq out of limit"}'));
  const sending = sent({ kind: "wecom" }, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", "", busy);
  await assert.rejects(sending, (error) => error instanceof Problem && error.code === "rate_limited");
});

Deno.test("a webhook gets ids and instants, signed, with the same id and bytes at every attempt", async () => {
  const url = "https://hooks.example.com/desk";
  const first = await sent({ kind: "webhook", more: 3 }, url, "whsec", answering(httpReply(204)));
  const again = await sent({ kind: "webhook", more: 3, attempt: 2 }, url, "whsec", answering(httpReply(204)));
  assert.equal(bodyOf(first), bodyOf(again));
  const signature = /desk-signature: (.*)\r/.exec(first)?.[1];
  assert.equal(signature, await webhookSignature("whsec", SECONDS, bodyOf(first)));
  assert.ok(first.includes(`idempotency-key: ${delivery().id}\r\n`));
  assert.deepEqual(json(first), {
    id: delivery().id,
    type: "reminders",
    audience: "group",
    mentions: [],
    reminders: [{
      id: 1,
      area: "order_review",
      entity: "order_review",
      entity_id: 77,
      label: "TM20261122001",
      shop: "示例旗舰店",
      due_at: "2026-11-22T05:42:00+00:00",
      url: "https://desk.example.com/orders?id=77",
    }],
    more: 3,
  });
});

Deno.test("a webhook gets the figures of the day", async () => {
  const daily = { kind: "webhook", purpose: "daily", lines: [], figures: { overdue: 3 } } as const;
  const body = json(await sent(daily, "https://hooks.example.com/", "s", answering(httpReply(204))));
  assert.deepEqual([body.type, body.figures], ["daily", { overdue: 3 }]);
});

Deno.test("a webhook's redirect is refused", async () => {
  const elsewhere = answering(httpReply(307, "", { location: "http://169.254.169.254/latest" }));
  const sending = sent({ kind: "webhook" }, "https://hooks.example.com/", "s", elsewhere);
  await assert.rejects(sending, (error) => error instanceof Problem && error.code === "redirected");
  assert.equal(elsewhere.targets.length, 1);
});

const mail = {
  kind: "email",
  options: { from: "desk@example.com", to: "a@example.com, b@example.com" },
} as const;

Deno.test("e-mail by an HTTP API", async () => {
  const other = answering(httpReply(200, '{"id":"x"}'));
  const told = await sent(mail, "https://api.example.com/emails", "re_key", other);
  assert.ok(told.includes("authorization: Bearer re_key\r\n"));
  const { from, to, subject, text } = json(told);
  assert.deepEqual([from, to], ["desk@example.com", ["a@example.com", "b@example.com"]]);
  assert.equal(subject, "时效升级 1 项：1 项超时");
  assert.match(String(text), /TM20261122001 .*\nhttps:\/\/desk\.example\.com\/orders\?id=77/);
});

Deno.test("e-mail by SMTP, to port 465 with TLS unless the address says otherwise", async () => {
  for (
    const [url, port, tlsName] of [["smtps://u%40x@smtp.example.com", 465, "smtp.example.com"], [
      "smtp://127.0.0.1:2525",
      2525,
      null,
    ]] as const
  ) {
    const replies = ["220", "250", "235", "250", "250", "250", "354", "250"];
    const server = standIn(() => `${replies.shift()} ok\r\n`);
    const told = await sent(mail, url, "password", server);
    assert.deepEqual([server.targets[0]?.port, server.targets[0]?.tlsName], [port, tlsName]);
    const user = port === 465 ? "u@x" : "desk@example.com";
    assert.ok(told.includes(`AUTH PLAIN ${btoa(`\0${user}\0password`)}\r\n`));
  }
});

Deno.test("e-mail to nobody, or with an address that carries a command, is refused", async () => {
  const bad = ["", "not an address", "a@example.com\r\nRCPT TO:<x@evil.example>", "<a@example.com>", "a@b@c"];
  for (const to of [...bad, Array.from({ length: 51 }, (_, at) => `m${at}@example.com`).join()]) {
    const options = { from: "desk@example.com", to };
    const other = answering(httpReply(200));
    const sending = sent({ kind: "email", options }, "https://api.example.com/emails", "k", other);
    await assert.rejects(
      sending,
      (error) => error instanceof Problem && error.code === "recipient_refused",
      to,
    );
    assert.equal(other.targets.length, 0);
  }
});

Deno.test("no message holds a phone that somebody typed as a number", async () => {
  const lines = [line({ label: "收件人 13812345678" })];
  for (const kind of ["wecom", "dingtalk"] as const) {
    assert.ok(
      !(await sent({ kind, lines }, "https://oapi.dingtalk.com/robot/send", "", ok())).includes(
        "13812345678",
      ),
    );
  }
  const webhook = await sent(
    { kind: "webhook", lines },
    "https://a.example.com/",
    "",
    answering(httpReply(200)),
  );
  assert.ok(!webhook.includes("13812345678"));
});
