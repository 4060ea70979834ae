// Values as PostgREST spells them.

/** PostgREST writes 2026-11-22T09:00:00.123456+00:00; a Date object would cut the microseconds. */
export function isoInstant(text: string): string {
  return text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
}

/** JSON.rawJSON is part of the engine but not yet of the type library. */
const rawJson = (JSON as JSON & { rawJSON(text: string): unknown }).rawJSON;

/** Digits as the database wrote them ("42.00"), as a JSON number like PostgREST, never rounded. */
export function exactNumber(text: string): unknown {
  return /^-?\d+(\.\d+)?$/.test(text) ? rawJson(text) : text;
}
