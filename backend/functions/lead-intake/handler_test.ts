import assert from "node:assert/strict";
import pii from "../../../tests/data/pii_vectors.json" with { type: "json" };
import { type Database, RpcError } from "../_shared/database.ts";
import { Keyring } from "../_shared/keyring.ts";
import { isRecord, text } from "../_shared/values.ts";
import { handle } from "./handler.ts";

const keyring = await Keyring.parse(pii.keyring);
const FIELDS = {
  token: "secret-token",
  name: "李小明",
  phone: "138 1234 5678",
  wechat: "xiaoming88",
  needs: ["办公设备"],
  message: "要 20 台，打13812345678",
};

interface Called {
  readonly name: string;
  readonly params: Record<string, unknown>;
}

/** A database that notes what it is asked and answers with an outcome. */
function database(outcome: Record<string, unknown>): { calls: Called[]; database: Database } {
  const calls: Called[] = [];
  return {
    calls,
    database: {
      rpc(name, params) {
        calls.push({ name, params: { ...params } });
        return Promise.resolve(name === "reserve_contact_ids" ? [7] : outcome);
      },
    },
  };
}

function post(body: unknown, headers: Record<string, string> = {}): Request {
  return new Request("http://desk/functions/v1/lead-intake", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-forwarded-for": "198.51.100.9, 203.0.113.7",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

async function send(request: Request, outcome: Record<string, unknown> = { outcome: "accepted" }) {
  const world = database(outcome);
  const answer = await handle(request, { database: world.database, keyring, note: () => {} });
  return { answer, body: await answer.text(), calls: world.calls };
}

Deno.test("what reaches the database names nobody and can be opened by the desk", async () => {
  const { answer, calls } = await send(post(FIELDS));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  const sent = calls.at(-1);
  assert.equal(sent?.name, "service_lead_intake");
  const said = JSON.stringify(calls);
  for (const secret of ["李小明", "13812345678", "138 1234", "xiaoming88", "secret-token", "203.0.113.7"]) {
    assert.ok(!said.includes(secret), secret);
  }
  const lead = sent?.params.p_lead;
  assert.ok(isRecord(lead) && isRecord(lead.contact));
  assert.deepEqual([lead.name_masked, lead.phone_masked, lead.wechat_masked], [
    "李**",
    "138****5678",
    "x***8",
  ]);
  assert.equal(await keyring.open("contacts", "phone", 7, text(lead.contact.phone)), "138 1234 5678");
  assert.equal(lead.contact.phone_hash, await keyring.blind("phone", "13812345678"));
  assert.equal(sent?.params.p_source_hash, await keyring.blind("ip", "203.0.113.7"));
  assert.match(text(sent?.params.p_token_hash), /^[a-p]{64}$/);
});

Deno.test("a form as a browser sends it says the same", async () => {
  const params = new URLSearchParams({
    token: "t",
    name: "李小明",
    phone: "13812345678",
    needs: "办公设备、家居",
  });
  const request = post(params.toString(), { "content-type": "application/x-www-form-urlencoded" });
  const { answer, calls } = await send(request);
  assert.equal(answer.status, 200);
  const lead = calls.at(-1)?.params.p_lead;
  assert.ok(isRecord(lead));
  assert.deepEqual(lead.needs, ["办公设备", "家居"]);
});

Deno.test("the same submission has the same id, another one another", async () => {
  const ids = [];
  for (
    const more of [{ submission: "a" }, { submission: "a", name: "王" }, { submission: "b" }, {}, {}, {
      name: "王",
    }]
  ) {
    ids.push((await send(post({ ...FIELDS, ...more }))).calls.at(-1)?.params.p_submission);
  }
  assert.equal(ids[0], ids[1]);
  assert.equal(ids[3], ids[4]);
  assert.equal(new Set(ids).size, 4);
});

Deno.test("a robot is answered like a customer, and nothing of what it wrote is kept", async () => {
  const { answer, body, calls } = await send(post({ ...FIELDS, website: "http://spam" }), {
    outcome: "trapped",
  });
  assert.deepEqual([answer.status, body], [200, '{"ok":true}']);
  assert.deepEqual([calls.length, calls[0]?.params.p_is_trapped, calls[0]?.params.p_lead], [1, true, {}]);
});

Deno.test("each outcome has its answer", async () => {
  const found = [];
  for (
    const outcome of [
      { outcome: "repeated" },
      { outcome: "unknown" },
      { outcome: "limited", retry_after: 60 },
      { outcome: "refused", refusal: "lead.contact_missing" },
    ]
  ) {
    const { answer, body } = await send(post(FIELDS), outcome);
    found.push([answer.status, answer.headers.get("retry-after"), body.includes("lead.contact_missing")]);
  }
  assert.deepEqual(found, [[200, null, false], [404, null, false], [429, "60", false], [422, null, true]]);
});

Deno.test("what is no form reaches no database", async () => {
  const large = post({ ...FIELDS, message: "长".repeat(20_000) });
  const wrong: [Request, number][] = [
    [new Request("http://desk/x"), 405],
    [new Request("http://desk/x", { method: "OPTIONS" }), 204],
    [post("no json"), 400],
    [post({ name: "李" }), 400],
    [large, 413],
  ];
  for (const [request, status] of wrong) {
    const { answer, calls } = await send(request);
    assert.deepEqual([answer.status, calls.length], [status, 0]);
  }
});

Deno.test("a database that does not answer is said in words that help nobody else", async () => {
  const lines: string[] = [];
  const down: Database = { rpc: (name) => Promise.reject(new RpcError(name, 0, "")) };
  const answer = await handle(post(FIELDS), { database: down, keyring, note: (line) => lines.push(line) });
  assert.equal(answer.status, 503);
  assert.deepEqual(lines, ["lead-intake: reserve_contact_ids 0 "]);
});
