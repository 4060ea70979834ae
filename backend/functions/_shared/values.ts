// Reading what came from outside: every value is `unknown` until one of these has looked at it.

export type Json = Record<string, unknown>;

export function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A text, or null for anything that is none. */
export function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** A whole number; ids beyond 2^53 do not occur (identity columns). */
export function whole(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : 0;
}

/** Milliseconds since 1970 of an ISO 8601 instant, or null. */
export function instant(value: unknown): number | null {
  const time = Date.parse(text(value));
  return Number.isNaN(time) ? null : time;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The JSON value of a text, or undefined when it is none. */
export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** How many bytes a text takes in UTF-8: what the platforms count. */
export function bytes(value: string): number {
  return new TextEncoder().encode(value).length;
}
