import assert from "node:assert/strict";
import { Problem } from "./delivery.ts";
import { judgeMailApi, judgeRobot, judgeStatus, retryAfterOf } from "./verdicts.ts";

const NOW = Date.parse("2026-11-22T06:00:00Z");

function told(judge: () => void): string {
  try {
    judge();
    return "sent";
  } catch (error) {
    assert.ok(error instanceof Problem);
    const { verdict, code, retryAfterSeconds } = error;
    return `${verdict} ${code}${retryAfterSeconds === null ? "" : ` ${retryAfterSeconds}`}`;
  }
}

function reply(status: number, body: string, headers: Record<string, string> = {}) {
  return { status, body, headers: new Headers(headers) };
}

function robot(kind: "wecom" | "dingtalk" | "feishu", body: string, status = 200, headers = {}): string {
  return told(() => judgeRobot(kind, reply(status, body, headers), NOW));
}

Deno.test("a robot's own code decides, not the status", () => {
  assert.equal(robot("wecom", '{"errcode":0,"errmsg":"ok"}'), "sent");
  assert.equal(robot("dingtalk", '{"errcode":0,"errmsg":"ok"}'), "sent");
  assert.equal(robot("feishu", '{"code":0,"msg":"success","data":{}}'), "sent");
  assert.equal(robot("feishu", '{"StatusCode":0,"StatusMessage":"success"}'), "sent");
  assert.equal(robot("wecom", '{"errcode":45009}'), "failed rate_limited 60");
  assert.equal(robot("wecom", '{"errcode":93000}'), "refused bad_credentials");
  assert.equal(robot("dingtalk", '{"errcode":130101}'), "failed rate_limited 600");
  assert.equal(robot("dingtalk", '{"errcode":310000}'), "refused bad_credentials");
  assert.equal(robot("dingtalk", '{"errcode":460101}'), "refused content_refused");
  assert.equal(robot("feishu", '{"code":11232}'), "failed rate_limited 20");
  assert.equal(robot("feishu", '{"code":19021}', 400), "refused bad_credentials");
  assert.equal(robot("feishu", '{"code":19007}'), "refused robot_disabled");
  assert.equal(robot("dingtalk", '{"errcode":-1}'), "failed platform -1");
  assert.equal(robot("wecom", '{"errcode":99999999}'), "failed platform 99999999");
});

Deno.test("an answer that says nothing is no success", () => {
  for (
    const body of ["", "ok", "[]", "null", '"errcode"', '{"errcode":"0"}', "<html>captive portal</html>"]
  ) {
    assert.equal(robot("wecom", body), "failed bad_reply", body);
  }
  assert.equal(robot("wecom", '{"errcode":0}', 500), "failed http 500");
  assert.equal(robot("wecom", "", 502), "failed http 502");
});

Deno.test("the platform's own waiting time beats ours", () => {
  assert.equal(
    robot("dingtalk", '{"errcode":130101}', 200, { "retry-after": "30" }),
    "failed rate_limited 30",
  );
  assert.equal(robot("wecom", "", 429, { "retry-after": "90" }), "failed rate_limited 90");
});

Deno.test("a webhook is judged by its status", () => {
  const told1 = (status: number) => told(() => judgeStatus(reply(status, ""), NOW));
  assert.deepEqual([200, 202, 204].map(told1), ["sent", "sent", "sent"]);
  assert.deepEqual([301, 302, 307, 308].map(told1), new Array(4).fill("refused redirected"));
  assert.deepEqual(
    [400, 401, 404, 500, 503].map(told1),
    [400, 401, 404, 500, 503].map((s) => `failed http ${s}`),
  );
  assert.equal(told1(410), "refused http 410");
  assert.equal(told1(429), "failed rate_limited");
});

Deno.test("a mail API that refuses the letter is not asked again", () => {
  const judged = (status: number) => told(() => judgeMailApi(reply(status, ""), NOW));
  assert.deepEqual([200, 401, 403, 422, 429, 500].map(judged), [
    "sent",
    "refused bad_credentials",
    "refused bad_credentials",
    "refused content_refused",
    "failed rate_limited",
    "failed http 500",
  ]);
});

Deno.test("Retry-After is a number or a date, and at most a day", () => {
  const seconds = (value: string) => retryAfterOf(new Headers({ "retry-after": value }), NOW);
  assert.deepEqual(["7", "0", "999999999", "Sun, 22 Nov 2026 06:02:00 GMT"].map(seconds), [
    7,
    1,
    86_400,
    120,
  ]);
  assert.deepEqual(["", "soon", "-5", "Sun, 22 Nov 2020 06:02:00 GMT"].map(seconds), [null, null, null, 1]);
  assert.equal(retryAfterOf(new Headers(), NOW), null);
});
