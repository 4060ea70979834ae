// Callable with a secret key only: the scheduler's tick. Finds what is due, hands out the work that waits, claims messages,
// sends them side by side and reports each; last, when nobody waits for it, figures are counted. Any number of ticks may run at once: the database hands each message to one of
// them.
import { problem } from "../_shared/answers.ts";
import { isSecretCaller } from "../_shared/caller.ts";
import { type Database, RpcError } from "../_shared/database.ts";
import { deliver, type Post } from "../_shared/deliver.ts";
import { type Delivery, type Outcome, readDeliveries } from "../_shared/delivery.ts";
import { instant, isRecord } from "../_shared/values.ts";

export interface Deps extends Post {
  readonly secretKeys: readonly string[];
  readonly database: Database;
  /** Names this tick in the delivery log. */
  readonly worker: string;
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Says one line to the log; it holds no address, key or name. */
  readonly note: (line: string) => void;
}

/** What a tick did; `errors` counts what did not arrive by its reason. */
export interface Report {
  readonly sweep: unknown;
  readonly work: unknown;
  figures: unknown;
  sent: number;
  failed: number;
  refused: number;
  readonly errors: Record<string, number>;
}

/** Work given to the platform to finish after the answer; undefined where the answer may wait for it. */
export type Later = (work: Promise<unknown>) => void;

// A tick claims for most of a minute and ends before the next one rings; a claim is kept long enough for one try and its
// report, so that only a tick that died leaves a message to another.
const CLAIM_MILLISECONDS = 45_000;
const LEASE_SECONDS = 60;
const PARALLEL = 50;
const CLAIM_AT_ONCE = 20;
const REPORT_TRIES = 4;
const FEISHU_MILLISECONDS = 1_100; // five a second, so more may go a second later

/** POST: one tick, answered with what it did, or at once (202) where the platform lets work go on after the answer. */
export async function handle(request: Request, deps: Deps, later?: Later): Promise<Response> {
  if (!(await isSecretCaller(request.headers, deps.secretKeys))) {
    return problem(401, "UNAUTHORIZED", "a secret key is needed in the apikey header");
  }
  if (request.method !== "POST") return problem(405, "METHOD_NOT_ALLOWED", "use POST");
  if (later === undefined) return await answer(deps);
  later(answer(deps));
  return Response.json({ started: true }, { status: 202 });
}

async function answer(deps: Deps): Promise<Response> {
  try {
    const report = await tick(deps);
    if (report.failed + report.refused > 0) deps.note(`sla-reminders ${JSON.stringify(report.errors)}`);
    return Response.json(report);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    deps.note(`sla-reminders stopped: ${error.message}`);
    return problem(503, "TICK_FAILED", error.message);
  }
}

/**
 * One tick. What waits to be sent is sent even when the sweep or the handing out of work fails. Throws RpcError when the
 * database does not do its part; what was claimed by then is found again after its lease.
 */
export async function tick(deps: Deps): Promise<Report> {
  const sweep = await deps.database.rpc("sweep_reminders", {}).catch(asProblem);
  const work = await deps.database.rpc("tick_work", {}).catch(asProblem);
  const report: Report = { sweep, work, figures: null, sent: 0, failed: 0, refused: 0, errors: {} };
  await sendAll(deps, report);
  const figures = await deps.database.rpc("tick_figures", {}).catch(asProblem);
  for (const part of [sweep, work, figures]) {
    if (part instanceof RpcError) throw part;
  }
  report.figures = figures;
  return report;
}

function asProblem(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  throw error;
}

async function sendAll(deps: Deps, report: Report): Promise<void> {
  const flying = new Set<Promise<void>>();
  const calls = new Calls(deps.now() + CLAIM_MILLISECONDS);
  try {
    while (deps.now() < calls.until) {
      calls.drop(deps.now());
      const claimed = await claim(deps, PARALLEL - flying.size);
      for (const delivery of claimed) launch(flying, sendAndReport(delivery, deps, report, calls));
      if (claimed.length > 0 && flying.size < PARALLEL) continue;
      const next = calls.next;
      if (flying.size === 0 && next === null) break;
      const waits = next === null || flying.size === PARALLEL
        ? []
        : [deps.pause(Math.max(0, next - deps.now()))];
      await Promise.race([...flying, ...waits]); // a slow receiver keeps its own place, never the others'
    }
  } finally {
    await Promise.all(flying);
  }
}

/** When to look again within this tick: a first retry, or the next second of a platform that counts by seconds. */
class Calls {
  #times: number[] = [];

  constructor(readonly until: number) {}

  get next(): number | null {
    return this.#times.length === 0 ? null : Math.min(...this.#times);
  }

  add(time: number): void {
    if (time < this.until) this.#times.push(time);
  }

  /** Forgets the times that have come: each is looked at once. */
  drop(now: number): void {
    this.#times = this.#times.filter((time) => time > now);
  }
}

async function claim(deps: Deps, free: number): Promise<Delivery[]> {
  const params = {
    p_worker: deps.worker,
    p_limit: Math.min(free, CLAIM_AT_ONCE),
    p_lease_seconds: LEASE_SECONDS,
  };
  return readDeliveries(await deps.database.rpc("claim_deliveries", params));
}

function launch(flying: Set<Promise<void>>, work: Promise<void>): void {
  const done = work.finally(() => flying.delete(done));
  flying.add(done);
}

async function sendAndReport(delivery: Delivery, deps: Deps, report: Report, calls: Calls): Promise<void> {
  const outcome = await deliver(delivery, deps);
  report[outcome.outcome]++;
  if (outcome.outcome !== "sent") report.errors[outcome.error] = (report.errors[outcome.error] ?? 0) + 1;
  const told = await tell(delivery, outcome, deps);
  const nextTry = isRecord(told) ? instant(told.next_at) : null;
  if (nextTry !== null) calls.add(nextTry);
  if (delivery.kind === "feishu") calls.add(deps.now() + FEISHU_MILLISECONDS);
}

/**
 * Reports an outcome, patiently: a message that arrived and is not reported goes out again after its lease. A refusal
 * says that another tick has taken it over meanwhile.
 */
async function tell(delivery: Delivery, outcome: Outcome, deps: Deps): Promise<unknown> {
  const isSent = outcome.outcome === "sent";
  const params = {
    p_id: delivery.id,
    p_attempt: delivery.attempt,
    p_outcome: outcome.outcome,
    p_error: isSent ? null : `delivery.${outcome.error}`,
    p_retry_after_seconds: isSent ? null : outcome.retryAfterSeconds,
  };
  for (let tried = 1;; tried++) {
    try {
      return await deps.database.rpc("report_delivery", params);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (!error.isPassing || tried === REPORT_TRIES) {
        deps.note(`sla-reminders could not report: ${error.message}`);
        return null;
      }
      await deps.pause(250 * 2 ** tried);
    }
  }
}
