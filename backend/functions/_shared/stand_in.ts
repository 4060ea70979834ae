// For tests: the other end of a connection, in memory.
import type { Dial, Target, Wire } from "./wire.ts";

/** What the other end says next, given all that it was told so far; null ends the connection, undefined says nothing yet. */
export type Script = (told: string) => string | null | undefined;

export interface StandIn {
  readonly dial: Dial;
  readonly targets: Target[];
  /** What each connection was told, in the order of dialling. */
  readonly told: string[];
  open: number;
}

/** Connections that a script answers. A read with nothing to say waits until the signal fires. */
export function standIn(script: Script): StandIn {
  const self: StandIn = {
    targets: [],
    told: [],
    open: 0,
    dial: (target, signal) => {
      self.targets.push(target);
      const at = self.told.push("") - 1;
      self.open++;
      return Promise.resolve(wire(script, self, at, signal));
    },
  };
  return self;
}

/** Connections on which a complete request is answered with these bytes. */
export function answering(reply: string): StandIn {
  let isAnswered = false;
  return standIn((told) => {
    if (!isWhole(told)) return undefined;
    if (isAnswered) return null;
    isAnswered = true;
    return reply;
  });
}

/** One answer in the form of HTTP. */
export function httpReply(status: number, body = "", headers: Readonly<Record<string, string>> = {}): string {
  const all = { "content-length": String(new TextEncoder().encode(body).length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status} OK\r\n${lines}\r\n${body}`;
}

/** The JSON body of a request that was told. */
export function bodyOf(told: string): string {
  return told.slice(told.indexOf("\r\n\r\n") + 4);
}

function isWhole(told: string): boolean {
  const length = Number(/content-length: (\d+)/.exec(told)?.[1] ?? "0");
  return told.includes("\r\n\r\n") && new TextEncoder().encode(bodyOf(told)).length >= length;
}

function wire(script: Script, self: StandIn, at: number, signal: AbortSignal): Wire {
  let isOpen = true;
  let rest: Uint8Array = new Uint8Array();
  return {
    write: (bytes) => {
      self.told[at] += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
    read: (into) => {
      const next = rest.length > 0 ? "" : script(self.told[at] ?? "");
      if (next === null) return Promise.resolve(null);
      if (next === undefined) return aborted(signal);
      if (rest.length === 0) rest = new TextEncoder().encode(next);
      const piece = rest.subarray(0, into.length);
      rest = rest.subarray(piece.length);
      into.set(piece);
      return Promise.resolve(piece.length);
    },
    close: () => {
      if (isOpen) self.open--;
      isOpen = false;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
}
