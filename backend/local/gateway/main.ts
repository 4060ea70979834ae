// Starts the gateway: open the pool, provoke what Supabase Lite does on a first request, make sure that nobody's
// rights changed by it, and only then serve.
import { withoutViewTexts } from "./catalogue.ts";
import { connect, rights } from "./database.ts";
import { frontDoor, functionsProxy } from "./door.ts";
import { note, quietConsole, sayReady, settingsFromParent, surviveLostFailures } from "./lifeline.ts";
import { type GatewaySettings, liteApp } from "./lite.ts";
import { importSecret } from "./token.ts";

const RIGHTS_CHANGED = 3;

quietConsole();
const settings = await settingsFromParent() as GatewaySettings;
const connection = withoutViewTexts(connect(settings.databaseUrl));
const lite = liteApp(connection, settings);

const before = await rights(connection);
await firstRequest();
const changed = difference(before, await rights(connection));
if (changed.length > 0) {
  note(`rights changed while the gateway warmed up:\n  ${changed.join("\n  ")}`);
  Deno.exit(RIGHTS_CHANGED);
}

surviveLostFailures();
const door = frontDoor(
  (request) => lite.fetch(request),
  functionsProxy(settings.functionsPort),
  {
    publishable: settings.publishableKey,
    secret: settings.secretKey,
    jwtSecret: await importSecret(settings.jwtSecret),
  },
  Date.now,
);
Deno.serve({
  hostname: "127.0.0.1",
  port: settings.port,
  onListen: ({ port }) => sayReady({ port }),
  onError: (problem) => {
    note(`request failed: ${problem instanceof Error ? problem.name : "unknown"}`);
    return new Response('{"message":"internal error"}', {
      status: 500,
      headers: { "content-type": "application/json" },
    });
  },
}, door);

/** Asks for one row of any table or view as a stranger: refused or empty, but Supabase Lite has done its setup. */
async function firstRequest(): Promise<void> {
  const tables = await connection.driver.unsafe(`
    select c.relname as name from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') order by 1 limit 1`);
  const name = tables[0]?.name;
  if (typeof name !== "string") return;
  const url = `http://127.0.0.1/rest/v1/${encodeURIComponent(name)}?limit=1`;
  const answer = await lite.fetch(new Request(url, { headers: { apikey: settings.publishableKey } }));
  await answer.body?.cancel();
}

function difference(before: string[], after: string[]): string[] {
  const old = new Set(before);
  const now = new Set(after);
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
