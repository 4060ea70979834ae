// The little of HTTP/1.1 (RFC 9112) that one POST over a checked connection needs. Redirects are answers like any other:
// nothing is followed.
import { type Dial, receive, send, type Wire } from "./wire.ts";

const HEAD_LIMIT = 16_384;

export interface Outgoing {
  readonly url: URL;
  /** The checked IP address of the URL's host. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Bytes of the answer worth reading; 0 ends the exchange at its status line and headers. */
  readonly bodyLimit: number;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** An answer that is not HTTP. */
export class ReplyError extends Error {}

/** One POST, one answer. Throws what the connection throws, and ReplyError. */
export async function post(dial: Dial, outgoing: Outgoing, signal: AbortSignal): Promise<Reply> {
  const { url, address } = outgoing;
  const isTls = url.protocol === "https:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const wire = await dial({ address, port, tlsName: isTls ? name : null }, signal);
  try {
    await send(wire, requestText(outgoing));
    return await readReply(wire, outgoing.bodyLimit);
  } finally {
    wire.close();
  }
}

function requestText({ url, headers, body }: Outgoing): string {
  const lines = Object.entries({
    host: url.host,
    "user-agent": "shopdesk-reminders/1",
    accept: "application/json",
    connection: "close",
    ...headers,
    "content-length": String(new TextEncoder().encode(body).length),
  }).map(([name, value]) => `${name}: ${value}`);
  if (lines.some((line) => /[\r\n]/.test(line))) throw new TypeError("a header must be one line");
  return `POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

async function readReply(wire: Wire, bodyLimit: number): Promise<Reply> {
  let held: Uint8Array = new Uint8Array();
  while (true) {
    const end = headEnd(held);
    if (end >= 0) {
      const { status, headers } = readHead(latin1(held.subarray(0, end)));
      held = held.subarray(end + 4);
      if (status < 200) continue; // an interim answer: the real one follows
      return { status, headers, body: await readBody(wire, held, headers, bodyLimit) };
    }
    if (held.length > HEAD_LIMIT) throw new ReplyError("the head of the answer does not end");
    const more = await receive(wire);
    if (more.length === 0) throw new ReplyError("the connection ended within the head");
    held = joined(held, more);
  }
}

function readHead(head: string): { status: number; headers: Headers } {
  const [first = "", ...lines] = head.split("\r\n");
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw new ReplyError("the answer is not HTTP/1.1");
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new ReplyError("a header of the answer is broken");
    headers.append(name, value);
  }
  return { status: Number(status), headers };
}

async function readBody(wire: Wire, start: Uint8Array, headers: Headers, limit: number): Promise<string> {
  const isChunked = /\bchunked$/i.test(headers.get("transfer-encoding") ?? "");
  const announced = headers.get("content-length");
  const length = Math.min(limit, announced === null ? limit : Number(announced) || 0);
  let held = start;
  while (isChunked || held.length < length) {
    const chunks = isChunked ? unchunked(held) : null;
    if (limit === 0 || chunks?.isComplete || held.length > 2 * limit) break;
    const more = await receive(wire);
    if (more.length === 0) break;
    held = joined(held, more);
  }
  const body = isChunked ? unchunked(held).body : held;
  return new TextDecoder().decode(body.subarray(0, length));
}

function unchunked(raw: Uint8Array): { body: Uint8Array; isComplete: boolean } {
  let body: Uint8Array = new Uint8Array();
  let at = 0;
  while (true) {
    const line = /^([0-9a-f]{1,6})[^\r\n]*\r\n/i.exec(latin1(raw.subarray(at, at + 200)));
    if (line === null) return { body, isComplete: false };
    const size = parseInt(line[1] ?? "0", 16);
    if (size === 0) return { body, isComplete: true };
    at += line[0].length;
    body = joined(body, raw.subarray(at, at + size));
    at += size + 2;
    if (at > raw.length) return { body, isComplete: false };
  }
}

function headEnd(held: Uint8Array): number {
  return latin1(held).indexOf("\r\n\r\n");
}

function latin1(raw: Uint8Array): string {
  return new TextDecoder("latin1").decode(raw);
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
