import assert from "node:assert/strict";
import vectors from "../../../tests/data/channel_vectors.json" with { type: "json" };
import { RpcError } from "../_shared/database.ts";
import { Keyring } from "../_shared/keyring.ts";
import { httpReply, type StandIn, standIn } from "../_shared/stand_in.ts";
import { type Deps, handle } from "./handler.ts";

const KEY = "sb_secret_one";
const [endpoint, secret] = vectors.sealed;
assert.ok(endpoint && secret);
const keyring = await Keyring.parse(vectors.keyring);
const TICKED = { sweep: { due: 0 }, work: { given: 1 }, figures: { kept: 1 } };

type Params = Readonly<Record<string, unknown>>;
type Answer = (params: Params) => unknown;

interface Desk {
  readonly deps: Deps;
  readonly calls: [name: string, params: Params][];
  readonly notes: string[];
  time: number;
}

/** A claimed message as the database hands it out; the sealed address is oapi.dingtalk.com. */
function claimed(id: string, changed: Params = {}): Params {
  const sealed = { channel_id: endpoint?.channel_id, endpoint: endpoint?.token, secret: secret?.token };
  const base = {
    id,
    attempt: 1,
    purpose: "test",
    kind: "dingtalk",
    host: "oapi.dingtalk.com",
    lines: [],
    more: 0,
  };
  return { ...base, ...sealed, ...changed };
}

/** A desk whose database hands out these batches, one a claim. */
function desk(batches: Params[][], other: StandIn, answers: Readonly<Record<string, Answer>> = {}): Desk {
  const usual: Record<string, Answer> = {
    sweep_reminders: () => TICKED.sweep,
    tick_work: () => TICKED.work,
    tick_figures: () => TICKED.figures,
    claim_deliveries: () => batches.shift() ?? [],
    report_delivery: () => ({ accepted: true, state: "sent" }),
  };
  const self: Desk = {
    calls: [],
    notes: [],
    time: 0,
    deps: {
      secretKeys: [KEY, "sb_secret_two"],
      worker: "tick-1",
      keyring,
      publicUrl: "https://desk.example.com",
      allowsLoopback: false,
      resolve: () => Promise.resolve(["93.184.216.34"]),
      dial: other.dial,
      now: () => self.time,
      pause: (milliseconds) => {
        self.time += Math.max(0, milliseconds);
        return Promise.resolve();
      },
      note: (line) => self.notes.push(line),
      database: {
        rpc: async (name, params) => {
          self.calls.push([name, params]);
          return await Promise.resolve({ ...usual, ...answers }[name]?.(params));
        },
      },
    },
  };
  return self;
}

/** A robot that takes every message, after the answers given first. */
function robot(...first: string[]): StandIn {
  return standIn(() => first.shift() ?? httpReply(200, '{"errcode":0}'));
}

async function ring({ deps }: Desk, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const headers = { apikey: KEY };
  const url = "http://127.0.0.1/functions/v1/sla-reminders";
  const answer = await handle(new Request(url, { method: "POST", headers, ...init }), deps);
  return { status: answer.status, body: await answer.json() };
}

function reports({ calls }: Desk): Params[] {
  return calls.filter(([name]) => name === "report_delivery").map(([, params]) => params);
}

Deno.test("only a secret key may call", async () => {
  const quiet = desk([], robot());
  const strangers: Record<string, string>[] = [
    {},
    { apikey: "" },
    { apikey: "sb_publishable_one" },
    { apikey: `${KEY}x` },
    { apikey: KEY.slice(0, -1) },
    { authorization: `Bearer ${KEY}` },
  ];
  for (const headers of strangers) assert.equal((await ring(quiet, { headers })).status, 401);
  assert.equal((await ring({ ...quiet, deps: { ...quiet.deps, secretKeys: [] } })).status, 401);
  assert.equal(
    (await ring({ ...quiet, deps: { ...quiet.deps, secretKeys: [""] } }, { headers: { apikey: "" } })).status,
    401,
  );
  assert.deepEqual(quiet.calls, []);
  assert.equal((await ring(quiet, { headers: { apikey: "sb_secret_two" } })).status, 200);
  assert.equal((await ring(quiet, { method: "GET" })).status, 405);
});

Deno.test("a tick sweeps, then claims until nothing is left, and reports each message", async () => {
  const other = robot();
  const busy = desk([[claimed("a"), claimed("b")], [claimed("c", { attempt: 3 })]], other);
  const { status, body } = await ring(busy);
  assert.deepEqual([status, body], [200, { ...TICKED, sent: 3, failed: 0, refused: 0, errors: {} }]);
  assert.deepEqual(busy.calls.slice(0, 2).map(([name]) => name), ["sweep_reminders", "tick_work"]);
  assert.deepEqual(busy.calls[2]?.[1], { p_worker: "tick-1", p_limit: 20, p_lease_seconds: 60 });
  const told = reports(busy).map((
    { p_id, p_attempt, p_outcome, p_error },
  ) => [p_id, p_attempt, p_outcome, p_error]);
  assert.deepEqual(told.sort(), [["a", 1, "sent", null], ["b", 1, "sent", null], ["c", 3, "sent", null]]);
  assert.equal(other.open, 0);
});

Deno.test("what goes wrong is reported by name, and stops nobody else", async () => {
  const messages = [
    claimed("moved", { channel_id: 8 }),
    claimed("elsewhere", { host: "hooks.example.com" }),
    claimed("pigeon", { kind: "pigeon" }),
    claimed("fine"),
  ];
  const mixed = desk([messages], robot());
  const { body } = await ring(mixed);
  const errors = { unreadable_channel: 1, endpoint_not_allowed: 1, unknown_kind: 1 };
  assert.deepEqual(body, { ...TICKED, sent: 1, failed: 1, refused: 2, errors });
  const told = Object.fromEntries(reports(mixed).map(({ p_id, p_error }) => [p_id, p_error]));
  assert.deepEqual(told, {
    moved: "delivery.unreadable_channel",
    elsewhere: "delivery.endpoint_not_allowed",
    pigeon: "delivery.unknown_kind",
    fine: null,
  });
  assert.ok(mixed.notes.every((line) => !line.includes("dingtalk.com") && !line.includes("SEC")));
});

Deno.test("the platform's waiting time reaches the database", async () => {
  const limited = desk([[claimed("a")]], robot(httpReply(429, "", { "retry-after": "90" })));
  await ring(limited);
  const [told] = reports(limited);
  assert.deepEqual([told?.p_outcome, told?.p_error, told?.p_retry_after_seconds], [
    "failed",
    "delivery.rate_limited",
    90,
  ]);
});

Deno.test("a first retry is waited for within the tick, a later one is left to the next", async () => {
  const tries = [0, 5, 30, 120]; // seconds at which the message is due
  let attempt = 0;
  const patient: Desk = desk([], standIn((told) => told === "" ? undefined : httpReply(500)), {
    claim_deliveries: () =>
      patient.time < (tries[attempt] ?? 0) * 1000 ? [] : [claimed("a", { attempt: ++attempt })],
    report_delivery: () => {
      const next_at = new Date((tries[attempt] ?? 0) * 1000).toISOString();
      return { accepted: true, state: "failed", next_at };
    },
  });
  const { body } = await ring(patient);
  assert.deepEqual(reports(patient).map(({ p_attempt }) => p_attempt), [1, 2, 3]);
  assert.equal(patient.time, 30_000);
  assert.deepEqual(body, { ...TICKED, sent: 0, failed: 3, refused: 0, errors: { "http 500": 3 } });
});

Deno.test("Feishu takes five a second: the tick comes back a second later for the rest", async () => {
  let left = 12;
  let last = -Infinity;
  const feishu: Desk = desk([], robot(), {
    claim_deliveries: () => {
      if (left === 0 || feishu.time - last < 1000) return [];
      last = feishu.time;
      const count = Math.min(5, left);
      left -= count;
      return Array.from({ length: count }, (_, at) => claimed(`${left}-${at}`, { kind: "feishu" }));
    },
  });
  assert.equal((await ring(feishu)).status, 200);
  assert.equal(reports(feishu).length, 12);
  // Pauses that race each move this clock on, so it runs ahead of a real one; what counts is: not at once, in one tick.
  assert.ok(feishu.time >= 2_000 && feishu.time < 30_000, `${feishu.time} ms`);
});

Deno.test("a tick ends within its minute, however much there is to send", async () => {
  const other = robot();
  const endless = desk([], other, {
    claim_deliveries: () => {
      endless.time += 1_000;
      return [claimed(`m${endless.time}`)];
    },
  });
  assert.equal((await ring(endless)).status, 200);
  assert.equal(reports(endless).length, 45);
});

Deno.test("fifty messages may be under way, and no more are claimed than can be", async () => {
  const waiting: (() => void)[] = [];
  const held = standIn(() => undefined);
  let most = 0;
  const dial: Deps["dial"] = async (target, signal) => {
    most = Math.max(most, waiting.length + 1);
    await new Promise<void>((go) => waiting.push(go));
    return await robot().dial(target, signal);
  };
  let left = 120;
  const many = desk([], held, {
    claim_deliveries: ({ p_limit }) => {
      const count = Math.min(left, Number(p_limit));
      left -= count;
      return Array.from({ length: count }, (_, at) => claimed(`${left}-${at}`));
    },
  });
  const rung = ring({ ...many, deps: { ...many.deps, dial } });
  while (reports(many).length < 120) {
    await new Promise((later) => setTimeout(later));
    waiting.splice(0).forEach((go) => go());
  }
  assert.equal((await rung).status, 200);
  assert.ok(most <= 50 && most > 20, `${most} at once`);
});

Deno.test("a report that is lost is repeated; one that came too late is not", async () => {
  let tries = 0;
  const flaky = desk([[claimed("a")]], robot(), {
    report_delivery: () => {
      if (++tries < 3) throw new RpcError("report_delivery", 0, "");
      return { accepted: true };
    },
  });
  assert.equal((await ring(flaky)).status, 200);
  assert.equal(tries, 3);
  const refusing = desk([[claimed("a")]], robot(), {
    report_delivery: () => {
      throw new RpcError("report_delivery", 422, "delivery.bad_outcome");
    },
  });
  assert.equal((await ring(refusing)).status, 200);
  assert.equal(reports(refusing).length, 1);
  assert.match(refusing.notes[0] ?? "", /could not report: report_delivery 422 delivery.bad_outcome/);
});

Deno.test("what waits is sent even when the sweep or the handing out fails, and the failure is told", async () => {
  for (const name of ["sweep_reminders", "tick_work", "tick_figures"]) {
    const broken = desk([[claimed("a")]], robot(), {
      [name]: () => {
        throw new RpcError(name, 500, "");
      },
    });
    const { status, body } = await ring(broken);
    assert.deepEqual([status, reports(broken).length], [503, 1]);
    assert.deepEqual(body, { error: { code: "TICK_FAILED", message: `${name} 500 ` } });
    assert.deepEqual(broken.calls.slice(0, 2).map(([called]) => called), ["sweep_reminders", "tick_work"]);
  }
});

Deno.test("a database that is away is told as such, and a bug is not hidden", async () => {
  const away = desk([], robot(), {
    claim_deliveries: () => {
      throw new RpcError("claim_deliveries", 0, "");
    },
  });
  assert.equal((await ring(away)).status, 503);
  await assert.rejects(ring(desk([], robot(), { claim_deliveries: () => "nonsense" })), TypeError);
});

Deno.test("where the platform lets work go on, the answer does not wait", async () => {
  const later: Promise<unknown>[] = [];
  const quiet = desk([[claimed("a")]], robot());
  const request = new Request("http://x/", { method: "POST", headers: { apikey: KEY } });
  const answer = await handle(request, quiet.deps, (work) => later.push(work));
  assert.deepEqual([answer.status, await answer.json()], [202, { started: true }]);
  await Promise.all(later);
  assert.equal(reports(quiet).length, 1);
});
