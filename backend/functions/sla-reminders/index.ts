// The scheduler's tick with the real world behind it. Callable with a secret key only (handler.ts).
import { lookup } from "node:dns/promises";
import { apiDatabase } from "../_shared/database.ts";
import { settingsFrom } from "../_shared/environment.ts";
import { Keyring } from "../_shared/keyring.ts";
import { dial } from "../_shared/wire.ts";
import { type Deps, handle, type Later } from "./handler.ts";

interface Platform {
  readonly EdgeRuntime?: { readonly waitUntil?: Later };
}

const DATABASE_MILLISECONDS = 20_000;
const settings = settingsFrom((name) => Deno.env.get(name));
const keyring = await Keyring.parse(settings.piiKey);

export default {
  fetch(request: Request): Promise<Response> {
    const platform = (globalThis as Platform).EdgeRuntime;
    const later = platform?.waitUntil === undefined
      ? undefined
      : (work: Promise<unknown>) => platform.waitUntil?.(work);
    return handle(request, deps(), later);
  },
};

function deps(): Deps {
  return {
    secretKeys: settings.secretKeys,
    database: apiDatabase(settings.apiUrl, settings.secretKey, fetch, DATABASE_MILLISECONDS),
    worker: `tick-${crypto.randomUUID().slice(0, 8)}`,
    keyring,
    publicUrl: settings.publicUrl,
    allowsLoopback: settings.allowsLoopback,
    resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    dial,
    now: Date.now,
    pause: (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds)),
    note: (line) => console.warn(line),
  };
}
