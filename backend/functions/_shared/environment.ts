// The settings of a function. Hosted, the platform provides the SUPABASE_ values and `deploy` the DESK_ ones; embedded, the
// process that serves the functions is given the same names.
import { isLoopbackAddress } from "./address.ts";
import { isRecord, jsonOf } from "./values.ts";

export interface Settings {
  readonly apiUrl: string;
  /** The key this function works with; the first of `secretKeys`. */
  readonly secretKey: string;
  /** Every secret key of the project: whoever has one may call. */
  readonly secretKeys: readonly string[];
  readonly piiKey: string;
  readonly publicUrl: string | null;
  readonly allowsLoopback: boolean;
}

export type Read = (name: string) => string | undefined;

/** Reads the settings. Throws TypeError that names what is missing. */
export function settingsFrom(read: Read): Settings {
  const apiUrl = required(read, "SUPABASE_URL").replace(/\/+$/, "");
  const secretKeys = keysFrom(read);
  const [secretKey] = secretKeys;
  if (secretKey === undefined) throw new TypeError("SUPABASE_SECRET_KEY is not set");
  return {
    apiUrl,
    secretKey,
    secretKeys,
    piiKey: required(read, "DESK_PII_KEY"),
    publicUrl: webAddress(read("DESK_PUBLIC_URL")),
    allowsLoopback: read("DESK_LOOPBACK_CHANNELS") === "1" && isOnThisMachine(apiUrl),
  };
}

function required(read: Read, name: string): string {
  const value = read(name)?.trim() ?? "";
  if (value === "") throw new TypeError(`${name} is not set`);
  return value;
}

/** SUPABASE_SECRET_KEYS is a JSON object of names and keys; SUPABASE_SECRET_KEY a single one. */
function keysFrom(read: Read): string[] {
  const named = jsonOf(read("SUPABASE_SECRET_KEYS") ?? "");
  const many = isRecord(named) ? [named.default, ...Object.values(named)] : [];
  const all = [read("SUPABASE_SECRET_KEY"), ...many].filter((key) => typeof key === "string" && key !== "");
  return [...new Set(all as string[])];
}

function webAddress(given: string | undefined): string | null {
  const url = URL.parse(given?.trim() ?? "");
  return url !== null && /^https?:$/.test(url.protocol) ? url.href : null;
}

/**
 * The platform sets SUPABASE_URL itself, to a public address that nobody can change: so a hosted project never passes here,
 * whatever else its settings say.
 */
function isOnThisMachine(apiUrl: string): boolean {
  const url = URL.parse(apiUrl);
  return url !== null && url.protocol === "http:" && isLoopbackAddress(url.hostname);
}
