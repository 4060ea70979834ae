// One message to one channel: WeCom, DingTalk and Feishu group robots, a team's own webhook, e-mail.
import type { Delivery, Kind } from "./delivery.ts";
import { Problem } from "./delivery.ts";
import { type Digest, plain } from "./digest.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Outgoing, post, type Reply } from "./http.ts";
import { dingtalkBody, feishuBody, mailText, wecomBody } from "./layout.ts";
import { dingtalkSign, feishuSign, webhookSignature } from "./signing.ts";
import { sendLetter } from "./smtp.ts";
import { type Json, text } from "./values.ts";
import { judgeMailApi, judgeRobot, judgeStatus } from "./verdicts.ts";
import type { Dial, Target } from "./wire.ts";

export interface Parcel {
  readonly delivery: Delivery;
  readonly digest: Digest;
  readonly endpoint: Endpoint;
  /** The channel's opened secret; empty when it has none. */
  readonly secret: string;
}

export interface Outside {
  readonly dial: Dial;
  /** Milliseconds since 1970, by the clock of the world: signatures carry it. */
  readonly now: () => number;
}

type Sender = (parcel: Parcel, outside: Outside, signal: AbortSignal) => Promise<void>;

const SENDERS: Readonly<Record<Kind, Sender>> = {
  wecom: sendWecom,
  dingtalk: sendDingtalk,
  feishu: sendFeishu,
  webhook: sendWebhook,
  email: sendEmail,
};
const ANSWER_LIMIT = 16_384;
const MAIL_ADDRESS = /^[^\s<>()[\]\\,;:"@]{1,64}@[a-z\d](?:[a-z\d.-]{0,252}[a-z\d])?$/i;
const MOST_RECIPIENTS = 50;

/** Whether a message of this kind can be sent at all. */
export function isKind(kind: string): kind is Kind {
  return Object.hasOwn(SENDERS, kind);
}

/** Sends a message; it has arrived when this returns. Throws Problem, and what the connection throws. */
export async function sendParcel(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  await SENDERS[parcel.delivery.kind](parcel, outside, signal);
}

async function sendWecom(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  const body = wecomBody(parcel.digest, parcel.delivery.mentions);
  judgeRobot("wecom", await postJson(parcel, outside, body, signal), outside.now());
}

async function sendDingtalk(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  const url = new URL(parcel.endpoint.url);
  if (parcel.secret !== "") {
    const timestamp = outside.now();
    url.searchParams.set("timestamp", String(timestamp));
    url.searchParams.set("sign", await dingtalkSign(parcel.secret, timestamp));
  }
  const body = dingtalkBody(parcel.digest, parcel.delivery.mentions);
  const signed = { ...parcel, endpoint: { ...parcel.endpoint, url } };
  judgeRobot("dingtalk", await postJson(signed, outside, body, signal), outside.now());
}

async function sendFeishu(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  const seconds = Math.floor(outside.now() / 1000);
  const signed = parcel.secret === ""
    ? {}
    : { timestamp: String(seconds), sign: await feishuSign(parcel.secret, seconds) };
  const body = feishuBody(parcel.digest, parcel.delivery.mentions, signed);
  judgeRobot("feishu", await postJson(parcel, outside, body, signal), outside.now());
}

async function sendWebhook(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify(webhookBody(parcel));
  const seconds = Math.floor(outside.now() / 1000);
  const headers: Record<string, string> = parcel.secret === ""
    ? {}
    : { "desk-signature": await webhookSignature(parcel.secret, seconds, body) };
  const reply = await postText(parcel, outside, { body, headers, bodyLimit: 0 }, signal);
  judgeStatus(reply, outside.now());
}

/** Ids, names and instants only: the same bytes at every attempt, as long as the same items are open. */
function webhookBody({ delivery, digest }: Parcel): Json {
  return {
    id: delivery.id,
    type: delivery.purpose,
    audience: delivery.audience,
    mentions: delivery.mentions,
    reminders: delivery.lines.map((line, at) => ({
      id: line.reminderId,
      area: line.area,
      entity: line.entityType,
      entity_id: line.entityId,
      label: plain(line.label),
      shop: line.shop,
      due_at: line.dueAt,
      url: digest.rows[at]?.url ?? null,
    })),
    more: delivery.more,
    ...(delivery.purpose === "daily" ? { figures: delivery.figures } : {}),
  };
}

/**
 * Options {from, to} (several `to` with commas). The address is `smtps://user@host` (without a user, `from` signs in), or the
 * https address of a mail API that is given {from, to, subject, text} and the secret as a bearer token.
 */
async function sendEmail(parcel: Parcel, outside: Outside, signal: AbortSignal): Promise<void> {
  const { delivery, digest, endpoint, secret } = parcel;
  const { from, to } = envelope(delivery.options);
  const text = mailText(digest);
  if (/^https?:$/.test(endpoint.url.protocol)) {
    const body = JSON.stringify({ from, to, subject: digest.title, text });
    const headers: Record<string, string> = secret === "" ? {} : { authorization: `Bearer ${secret}` };
    const reply = await postText(parcel, outside, { body, headers }, signal);
    return judgeMailApi(reply, outside.now());
  }
  const letter = { id: delivery.id, from, to, subject: digest.title, text, date: new Date(outside.now()) };
  const user = decodeURIComponent(endpoint.url.username) || from;
  const account = secret === "" ? null : { user, password: secret };
  await sendLetter(outside.dial, mailServer(endpoint), account, letter, signal);
}

function mailServer({ url, address }: Endpoint): Target {
  const tlsName = url.protocol === "smtps:" ? url.hostname.replace(/^\[|\]$/g, "") : null;
  return { address, port: Number(url.port || 465), tlsName };
}

function envelope(options: Json): { from: string; to: string[] } {
  const from = text(options.from).trim();
  const to = text(options.to).split(",").map((one) => one.trim()).filter((one) => one !== "");
  const isGood = [from, ...to].every((one) => MAIL_ADDRESS.test(one));
  if (to.length === 0 || to.length > MOST_RECIPIENTS || !isGood) {
    throw new Problem("recipient_refused", "refused");
  }
  return { from, to };
}

async function postJson(parcel: Parcel, outside: Outside, body: Json, signal: AbortSignal): Promise<Reply> {
  return await postText(parcel, outside, { body: JSON.stringify(body) }, signal);
}

type Content = Pick<Outgoing, "body"> & Partial<Pick<Outgoing, "headers" | "bodyLimit">>;

async function postText(
  parcel: Parcel,
  outside: Outside,
  content: Content,
  signal: AbortSignal,
): Promise<Reply> {
  const { url, address } = parcel.endpoint;
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "idempotency-key": parcel.delivery.id, // the same at every attempt: a receiver that looks can drop a second one
    ...content.headers,
  };
  const outgoing = {
    url,
    address,
    headers,
    body: content.body,
    bodyLimit: content.bodyLimit ?? ANSWER_LIMIT,
  };
  return await post(outside.dial, outgoing, signal);
}
