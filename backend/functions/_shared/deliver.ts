// One try: open what is sealed, check where it goes, send it, and say how it went. Never throws for what the outside
// world or a setting does; never takes longer than ten seconds (P10).
import { isKind, sendParcel } from "./channels.ts";
import { type Delivery, type Outcome, Problem } from "./delivery.ts";
import { digestOf } from "./digest.ts";
import { checkedEndpoint, type Policy } from "./endpoint.ts";
import { ReplyError } from "./http.ts";
import { type Keyring, SealError } from "./keyring.ts";
import type { Dial } from "./wire.ts";

export const TRY_MILLISECONDS = 10_000;

export interface Post extends Policy {
  readonly keyring: Keyring;
  /** Where people open the desk; null leaves links out. */
  readonly publicUrl: string | null;
  readonly dial: Dial;
  readonly now: () => number;
}

export async function deliver(
  delivery: Delivery,
  deps: Post,
  milliseconds = TRY_MILLISECONDS,
): Promise<Outcome> {
  try {
    await within(milliseconds, (signal) => sendSealed(delivery, deps, signal));
    return { outcome: "sent" };
  } catch (error) {
    const { code, verdict, retryAfterSeconds } = problemOf(error);
    return { outcome: verdict, error: code, retryAfterSeconds };
  }
}

async function sendSealed(delivery: Delivery, deps: Post, signal: AbortSignal): Promise<void> {
  if (!isKind(delivery.kind)) throw new Problem("unknown_kind", "refused");
  const open = (column: string, token: string) =>
    deps.keyring.open("channels", column, delivery.channelId, token);
  const address = await open("endpoint", delivery.endpoint);
  const secret = delivery.secret === null ? "" : await open("secret", delivery.secret);
  const endpoint = await checkedEndpoint(delivery.kind, delivery.host, address, deps);
  const digest = digestOf(delivery, deps.publicUrl, delivery.at ?? deps.now());
  if (signal.aborted) return;
  await sendParcel({ delivery, digest, endpoint, secret }, deps, signal);
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof SealError) return new Problem("unreadable_channel", "failed"); // a restart may bring the key
  if (error instanceof ReplyError) return new Problem("bad_reply", "failed");
  return new Problem("unreachable", "failed"); // what dialling, TLS, reading and writing throw
}

/** The work, or Problem `timeout`: the signal closes the connection, and nothing is waited for any longer. */
async function within(milliseconds: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const ending = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Problem("timeout", "failed"));
      ending.abort();
    }, milliseconds);
  });
  const working = work(ending.signal);
  working.catch(() => {}); // after a timeout nobody listens any more
  try {
    await Promise.race([working, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
