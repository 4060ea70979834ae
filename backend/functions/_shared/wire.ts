// One connection to one address that has been checked. `fetch` would look the name up a second time, and an attacker's
// name server could answer that second question differently; here the checked address itself is dialled.

export interface Wire {
  read(into: Uint8Array): Promise<number | null>;
  write(from: Uint8Array): Promise<number>;
  close(): void;
}

export interface Target {
  /** An IP address that passed the check. */
  readonly address: string;
  readonly port: number;
  /** The name the certificate must carry; null speaks without TLS (the loopback stand-in of a developer). */
  readonly tlsName: string | null;
}

export type Dial = (target: Target, signal: AbortSignal) => Promise<Wire>;

/** Opens a connection that closes itself when the signal fires. */
export async function dial(target: Target, signal: AbortSignal): Promise<Wire> {
  const plain = await Deno.connect({ hostname: target.address, port: target.port, signal });
  const conn = target.tlsName === null ? plain : await Deno.startTls(plain, { hostname: target.tlsName });
  let isOpen = true;
  const close = () => {
    signal.removeEventListener("abort", close);
    if (isOpen) conn.close();
    isOpen = false;
  };
  if (signal.aborted) close();
  else signal.addEventListener("abort", close);
  return { read: (into) => conn.read(into), write: (from) => conn.write(from), close };
}

/** Sends every byte of a text. */
export async function send(wire: Wire, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await wire.write(rest));
}

/** Reads on; an empty array is the end of the stream. */
export async function receive(wire: Wire): Promise<Uint8Array> {
  const chunk = new Uint8Array(4096);
  const count = await wire.read(chunk);
  return count === null ? new Uint8Array() : chunk.slice(0, count);
}
