// Runs the edge functions apart from the gateway, so that a hanging webhook stops no page: serves
// /functions/v1/<name> from <folder>/<name>/index.ts and rings the scheduler each minute.
import { note, quietConsole, sayReady, settingsFromParent, surviveLostFailures } from "./lifeline.ts";

interface FunctionsSettings {
  readonly folder: string;
  readonly port: number;
  readonly secretKey: string;
  readonly tickSeconds: number;
  readonly environment: Record<string, string>;
}

interface EdgeModule {
  readonly default: { readonly fetch: (request: Request) => Response | Promise<Response> };
}

const TICK = "sla-reminders";
const NAME = /^[a-z][a-z0-9-]*$/;

quietConsole();
console.warn = (line: unknown) => note(typeof line === "string" ? line : "warning"); // ours vouch for what they say
surviveLostFailures();
const settings = await settingsFromParent() as FunctionsSettings;
for (const [name, value] of Object.entries(settings.environment)) Deno.env.set(name, value);

let ticking = false;
const modules = new Map<string, Promise<EdgeModule>>();
Deno.serve(
  { hostname: "127.0.0.1", port: settings.port, onListen: ({ port }) => sayReady({ port }) },
  answer,
);
setInterval(() => void tick(), settings.tickSeconds * 1000);

async function answer(request: Request): Promise<Response> {
  const name = new URL(request.url).pathname.split("/")[3] ?? "";
  const edge = NAME.test(name) ? load(name) : null;
  if (edge === null) return problem(404, "NOT_FOUND", "there is no such function");
  try {
    return await (await edge).default.fetch(request);
  } catch (error) {
    const id = crypto.randomUUID();
    note(`function ${name} failed ${id} ${error instanceof Error ? error.name : "unknown"}`);
    return problem(500, "INTERNAL", id);
  }
}

/** The module of a function, loaded on its first call; null when there is no such folder. */
function load(name: string): Promise<EdgeModule> | null {
  const known = modules.get(name);
  if (known !== undefined) return known;
  const path = `${settings.folder}/${name}/index.ts`;
  try {
    if (!Deno.statSync(path).isFile) return null;
  } catch {
    return null;
  }
  const loading = import(new URL(`file://${path}`).href) as Promise<EdgeModule>;
  modules.set(name, loading);
  return loading;
}

async function tick(): Promise<void> {
  if (ticking || load(TICK) === null) return; // a slow round is not joined by a second one
  ticking = true;
  try {
    await ring();
  } finally {
    ticking = false;
  }
}

async function ring(): Promise<void> {
  const headers = { apikey: settings.secretKey, "content-type": "application/json" };
  const url = `http://127.0.0.1/functions/v1/${TICK}`;
  const answered = await answer(new Request(url, { method: "POST", headers, body: "{}" }));
  if (!answered.ok) note(`${TICK} answered ${answered.status}`);
  await answered.body?.cancel();
}

function problem(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}
