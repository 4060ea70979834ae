// One message on its way: what claim_deliveries hands out, and what report_delivery is told in the end.
import { instant, isRecord, type Json, list, text, textOrNull, whole } from "./values.ts";

export const KINDS = ["wecom", "dingtalk", "feishu", "webhook", "email"] as const;
export type Kind = typeof KINDS[number];
export type Language = "zh-CN" | "en";

/** One reminder: an item and its deadline. */
export interface Line {
  readonly reminderId: number;
  readonly area: string;
  readonly entityType: string;
  readonly entityId: number;
  readonly label: string;
  /** Name of the deadline policy, as managers call it. */
  readonly policy: string;
  /** What the step did besides telling: notify (nothing), to_pool, raise_priority. */
  readonly action: string;
  readonly shop: string;
  readonly isOverdue: boolean;
  readonly dueAt: string | null;
  readonly timezone: string;
  /** Minutes by which the reminder itself comes late, because nothing could be sent before. */
  readonly lateMinutes: number;
  readonly path: string;
}

/** A claimed message. `id` stays the same over all attempts; endpoint and secret are sealed. */
export interface Delivery {
  readonly id: string;
  readonly attempt: number;
  readonly purpose: "reminders" | "daily" | "test";
  readonly channelId: number;
  readonly kind: Kind;
  /** The host that was allowed when the channel was saved: the message goes nowhere else. */
  readonly host: string;
  readonly endpoint: string;
  readonly secret: string | null;
  readonly options: Json;
  readonly language: Language;
  readonly mentions: readonly string[];
  readonly audience: "person" | "group";
  readonly lines: readonly Line[];
  /** Daily digest: counts by name, and the day. */
  readonly figures: Json;
  /** The desk's time of the claim, in milliseconds since 1970; null when it was not told. */
  readonly at: number | null;
  /** Reminders beyond `lines` that this message stands for. */
  readonly more: number;
}

/** Why a message did not arrive; stored as `delivery.<code>`, worded in backend/messages/deliveries.json. */
export type ProblemCode =
  | "unreadable_channel" // sealed with a key that is not here, or moved
  | "unknown_kind"
  | "endpoint_not_allowed"
  | "private_address"
  | "unknown_host"
  | "unreachable" // no connection, or no valid certificate
  | "timeout"
  | "redirected"
  | "bad_reply"
  | "rate_limited"
  | "bad_credentials" // token, key, signature or password is not accepted
  | "robot_disabled"
  | "content_refused"
  | "recipient_refused"
  | `http ${number}`
  | `smtp ${number}`
  | `platform ${number}`;

/** `failed` is tried again; `refused` waits for a person. */
export type Verdict = "failed" | "refused";

export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly verdict: Verdict,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(code);
  }
}

export type Outcome =
  | { readonly outcome: "sent" }
  | { readonly outcome: Verdict; readonly error: ProblemCode; readonly retryAfterSeconds: number | null };

/** The deliveries of an answer of claim_deliveries. Throws TypeError when it is not one. */
export function readDeliveries(value: unknown): Delivery[] {
  if (!Array.isArray(value)) throw new TypeError("claim_deliveries answered no list");
  return value.map(readDelivery);
}

function readDelivery(value: unknown): Delivery {
  if (!isRecord(value) || text(value.id) === "") throw new TypeError("a delivery has no id");
  return {
    id: text(value.id),
    attempt: whole(value.attempt),
    purpose: value.purpose === "test" || value.purpose === "daily" ? value.purpose : "reminders",
    channelId: whole(value.channel_id),
    kind: text(value.kind) as Kind, // an unknown kind is refused where it would be sent
    host: text(value.host),
    endpoint: text(value.endpoint),
    secret: textOrNull(value.secret),
    options: isRecord(value.options) ? value.options : {},
    language: value.language === "en" ? "en" : "zh-CN",
    mentions: list(value.mentions).map(text).filter((mention) => mention !== ""),
    audience: value.audience === "person" ? "person" : "group",
    lines: list(value.lines).filter(isRecord).map(readLine),
    figures: isRecord(value.figures) ? value.figures : {},
    at: instant(value.at),
    more: Math.max(0, whole(value.more)),
  };
}

function readLine(value: Json): Line {
  return {
    reminderId: whole(value.reminder_id),
    area: text(value.area),
    entityType: text(value.entity_type),
    entityId: whole(value.entity_id),
    label: text(value.label),
    policy: text(value.policy),
    action: text(value.action),
    shop: text(value.shop),
    isOverdue: value.state === "overdue",
    dueAt: textOrNull(value.due_at),
    timezone: text(value.timezone) || "Asia/Shanghai",
    lateMinutes: whole(value.late_minutes),
    path: text(value.path),
  };
}
