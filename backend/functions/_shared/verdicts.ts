// What an answer means. HTTP 200 says only that the platform has read the request; its own code says whether it took the
// message. Codes are those of the platforms' documentation; an unknown one is tried again.
import { Problem, type ProblemCode } from "./delivery.ts";
import type { Reply } from "./http.ts";
import { isRecord, jsonOf } from "./values.ts";

type Judged = readonly [ProblemCode, "failed" | "refused", retryAfterSeconds?: number];

const WECOM: Readonly<Record<number, Judged>> = {
  45009: ["rate_limited", "failed", 60], // more than 20 a minute
  45033: ["rate_limited", "failed", 5], // too many at a time
  93000: ["bad_credentials", "refused"], // key unknown
  93004: ["robot_disabled", "refused"],
  93008: ["robot_disabled", "refused"], // no longer in the group
  40008: ["content_refused", "refused"],
  40058: ["content_refused", "refused"],
  44004: ["content_refused", "refused"],
  45002: ["content_refused", "refused"], // too long
};
const DINGTALK: Readonly<Record<number, Judged>> = {
  130101: ["rate_limited", "failed", 600], // more than 20 a minute: ten minutes of silence
  410100: ["rate_limited", "failed", 600],
  300001: ["bad_credentials", "refused"], // token unknown
  300005: ["bad_credentials", "refused"],
  310000: ["bad_credentials", "refused"], // signature, keyword or address list
  400101: ["bad_credentials", "refused"],
  400013: ["robot_disabled", "refused"], // the group is gone
  400102: ["robot_disabled", "refused"],
  400105: ["content_refused", "refused"],
  430101: ["content_refused", "refused"],
  430102: ["content_refused", "refused"],
  460101: ["content_refused", "refused"], // more than 20,000 bytes
};
const FEISHU: Readonly<Record<number, Judged>> = {
  9499: ["rate_limited", "failed", 60],
  11232: ["rate_limited", "failed", 20], // everybody's messages at :00 and :30; over in a moment
  99991400: ["rate_limited", "failed", 60],
  19001: ["bad_credentials", "refused"], // token unknown
  19021: ["bad_credentials", "refused"], // signature
  19022: ["bad_credentials", "refused"], // address list
  19024: ["bad_credentials", "refused"], // keyword
  19007: ["robot_disabled", "refused"],
  19002: ["content_refused", "refused"],
};
const CODES = { wecom: WECOM, dingtalk: DINGTALK, feishu: FEISHU } as const;

/** Throws Problem unless a robot took the message: a 2xx with its own code 0. */
export function judgeRobot(kind: keyof typeof CODES, reply: Reply, now: number): void {
  const answer = jsonOf(reply.body);
  const code = isRecord(answer) ? answer.errcode ?? answer.code ?? answer.StatusCode : undefined;
  if (typeof code !== "number" || code === 0) {
    judgeStatus(reply, now);
    if (code !== 0) throw new Problem("bad_reply", "failed");
    return;
  }
  const [problem, verdict, retryAfter] = CODES[kind][code] ?? [`platform ${code}` as const, "failed"];
  throw new Problem(problem, verdict, retryAfterOf(reply.headers, now) ?? retryAfter ?? null);
}

/** Throws Problem unless the status is 2xx. 410 means that the receiver is gone for good. */
export function judgeStatus(reply: Reply, now: number): void {
  const { status } = reply;
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400) throw new Problem("redirected", "refused");
  const retryAfter = retryAfterOf(reply.headers, now);
  if (status === 429) throw new Problem("rate_limited", "failed", retryAfter);
  throw new Problem(`http ${status}`, status === 410 ? "refused" : "failed", retryAfter);
}

/** Throws Problem unless an HTTP mail API took the letter; its 4xx say that it never will. */
export function judgeMailApi(reply: Reply, now: number): void {
  const { status } = reply;
  if (status === 401 || status === 403) throw new Problem("bad_credentials", "refused");
  if (status === 400 || status === 422) throw new Problem("content_refused", "refused");
  judgeStatus(reply, now);
}

const LONGEST_WAIT = 24 * 3600;

/** Retry-After in seconds, as a number or as a date (RFC 9110, 10.2.3); at most a day. */
export function retryAfterOf(headers: Headers, now: number): number | null {
  const given = headers.get("retry-after")?.trim() ?? "";
  const isDate = /^\w{3}, \d/.test(given);
  const seconds = /^\d{1,9}$/.test(given) ? Number(given) : isDate ? (Date.parse(given) - now) / 1000 : NaN;
  if (Number.isNaN(seconds)) return null;
  return Math.min(LONGEST_WAIT, Math.max(1, Math.ceil(seconds)));
}
