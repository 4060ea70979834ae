// Public: what a landing page sends. A form is known by its token; limits, repeats and the field that only robots fill are
// judged in the database, which gets nothing that names anybody: values are sealed, indexed and masked here.
import { problem } from "../_shared/answers.ts";
import { type Database, RpcError } from "../_shared/database.ts";
import { type Keyring, letters } from "../_shared/keyring.ts";
import { maskAccount, maskName, maskPhone, normalise } from "../_shared/personal.ts";
import { isRecord, jsonOf, list, text, whole } from "../_shared/values.ts";

export interface Deps {
  readonly database: Database;
  readonly keyring: Keyring;
  /** Says one line to the log; it holds no address, key or name. */
  readonly note: (line: string) => void;
}

/** The fields of a submission, clear. `trap` is the field that people do not see. */
interface Submission {
  readonly token: string;
  readonly id: string;
  readonly name: string;
  readonly phone: string;
  readonly wechat: string;
  readonly email: string;
  readonly buyer: string;
  readonly message: string;
  readonly needs: string[];
  readonly trap: string;
}

const MOST_BYTES = 16_384;
const MOST_SIGNS = 500;
const SEPARATORS = /[、,，]/;
const FIELDS = [
  "token",
  "submission",
  "name",
  "phone",
  "wechat",
  "email",
  "buyer_account",
  "message",
  "website",
];
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-allow-headers": "content-type, authorization, apikey",
  "access-control-max-age": "86400",
};

/** POST a form as JSON or as a browser sends it. A robot is answered like a customer, so that it learns nothing. */
export async function handle(request: Request, deps: Deps): Promise<Response> {
  const answer = await judged(request, deps);
  for (const [name, value] of Object.entries(CORS)) answer.headers.set(name, value);
  return answer;
}

async function judged(request: Request, deps: Deps): Promise<Response> {
  if (request.method === "OPTIONS") return new Response(null, { status: 204 });
  if (request.method !== "POST") return problem(405, "METHOD_NOT_ALLOWED", "use POST");
  const body = await bodyOf(request);
  if (body === null) return problem(413, "TOO_LARGE", "a form has at most 16 KB");
  const sent = await submission(body, request.headers.get("content-type") ?? "");
  if (sent === null || sent.token === "") {
    return problem(
      400,
      "BAD_REQUEST",
      "send the form's token and fields; each is a text, needs a list of texts",
    );
  }
  try {
    return answered(await hand(sent, callerOf(request.headers), deps));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    deps.note(`lead-intake: ${error.message}`);
    if ([400, 409, 422].includes(error.status)) return problem(422, "REFUSED", error.key);
    return problem(503, "UNAVAILABLE", "try again in a moment");
  }
}

/** The body as text; null when it is too long, whatever its header says. */
async function bodyOf(request: Request): Promise<string | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.length;
    if (size > MOST_BYTES) return null;
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(whole);
}

async function submission(body: string, type: string): Promise<Submission | null> {
  const fields = type.includes("json") ? jsonOf(body) : fieldsOf(new URLSearchParams(body));
  if (!isRecord(fields) || !areTexts(fields)) return null;
  const field = (name: string, most = MOST_SIGNS) => clean(fields[name], most);
  const given = typeof fields.needs === "string" ? fields.needs.split(SEPARATORS) : list(fields.needs);
  const id = field("submission");
  const [phone, buyer] = [field("phone"), field("buyer_account", 60)];
  const isNumber = normalise("phone", buyer) !== null && /^[0-9 +-]{11,20}$/.test(buyer);
  return {
    token: text(fields.token),
    id: await digestOf(id === "" ? body : `${text(fields.token)} ${id}`), // without an id, the same words are the same form
    name: field("name"),
    phone: phone || (isNumber ? buyer : ""),
    wechat: field("wechat"),
    email: field("email"),
    buyer: isNumber ? "" : buyer, // accounts are not sealed, so a number is never one
    message: field("message"),
    needs: given.map((need) => clean(need, MOST_SIGNS)).filter((need) => need !== "").slice(0, 10),
    trap: field("website"),
  };
}

/** Whether every field that is read is a text or a number: nested values are no form. */
function areTexts(fields: Readonly<Record<string, unknown>>): boolean {
  const isText = (value: unknown) =>
    ["string", "number", "undefined"].includes(typeof value) || value === null;
  return FIELDS.every((name) => isText(fields[name])) &&
    (isText(fields.needs) || (Array.isArray(fields.needs) && fields.needs.every(isText)));
}

/** A field as a person meant it: whole signs, no control signs, at most so many. */
function clean(value: unknown, most: number): string {
  const typed = typeof value === "number" ? String(value) : text(value);
  const signs = [...typed.toWellFormed().replace(/[\p{Cc}\u2028\u2029\uFFFD]+/gu, " ").trim()];
  return signs.slice(0, most).join("").trim();
}

function fieldsOf(params: URLSearchParams): Record<string, unknown> {
  return {
    ...Object.fromEntries(params),
    needs: params.getAll("needs").flatMap((one) => one.split(SEPARATORS)),
  };
}

/** Where the request came from: what the platform's own edge says, else the last hop before it. */
function callerOf(headers: Headers): string {
  const hops = (headers.get("x-forwarded-for") ?? "").split(",").map((hop) => hop.trim());
  return headers.get("cf-connecting-ip") ?? (hops.at(-1) || "unknown");
}

async function hand(sent: Submission, caller: string, deps: Deps): Promise<unknown> {
  const isTrapped = sent.trap !== "";
  return await deps.database.rpc("service_lead_intake", {
    p_token_hash: await digestOf(sent.token),
    p_source_hash: await deps.keyring.blind("ip", caller),
    p_submission: sent.id,
    p_lead: isTrapped ? {} : await leadOf(sent, deps),
    p_is_trapped: isTrapped,
  });
}

async function leadOf(sent: Submission, deps: Deps): Promise<Record<string, unknown>> {
  const { name, phone, wechat, email, message } = sent;
  const lead: Record<string, unknown> = {
    name_masked: maskName(name) || null,
    phone_masked: maskPhone(phone) || null,
    wechat_masked: maskAccount(wechat) || null,
    email_masked: maskAccount(email) || null,
    buyer_account: sent.buyer || null,
  };
  if (sent.needs.length > 0) lead.needs = sent.needs;
  if (name + phone + wechat + email + message !== "") lead.contact = await contactOf(sent, deps);
  return lead;
}

async function contactOf(sent: Submission, deps: Deps): Promise<Record<string, unknown>> {
  const [first] = list(await deps.database.rpc("reserve_contact_ids", { p_count: 1 }));
  const id = whole(first);
  const contact: Record<string, unknown> = { id };
  for (const kind of ["name", "phone", "wechat", "email"] as const) {
    if (sent[kind] === "") continue;
    contact[kind] = await deps.keyring.seal("contacts", kind, id, sent[kind]);
    contact[`${kind}_hash`] = await deps.keyring.blind(kind, sent[kind]);
  }
  if (sent.phone !== "") contact.phone_last4_hash = await deps.keyring.blind("phone_last4", sent.phone);
  if (sent.message !== "") contact.note = await deps.keyring.seal("contacts", "note", id, sent.message);
  return Object.fromEntries(Object.entries(contact).filter(([, value]) => value !== null));
}

function answered(said: unknown): Response {
  const outcome = isRecord(said) ? text(said.outcome) : "";
  if (outcome === "accepted" || outcome === "repeated" || outcome === "trapped") {
    return Response.json({ ok: true });
  }
  if (outcome === "unknown") return problem(404, "UNKNOWN_FORM", "there is no such form, or it is closed");
  if (outcome === "limited" && isRecord(said)) {
    const answer = problem(429, "TOO_MANY", "too many submissions; try again later");
    answer.headers.set("retry-after", String(whole(said.retry_after)));
    return answer;
  }
  return problem(422, "REFUSED", isRecord(said) ? text(said.refusal) : "");
}

async function digestOf(value: string): Promise<string> {
  return letters(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(value))));
}
