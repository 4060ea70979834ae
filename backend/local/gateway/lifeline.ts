// The line between a child process and its supervisor: one JSON line of settings arrives on standard input,
// one JSON line "ready" leaves on standard output, and the end of standard input means the supervisor is gone.

/** Reads the settings line and leaves the process when the supervisor's end of the pipe closes. */
export async function settingsFromParent(): Promise<unknown> {
  const lines = textLines(Deno.stdin.readable);
  const first = await lines.next();
  if (first.done) Deno.exit(0);
  void untilClosed(lines);
  return JSON.parse(first.value);
}

/** Tells the supervisor that this process serves, and on which port. */
export function sayReady(facts: Record<string, unknown>): void {
  const bytes = new TextEncoder().encode(JSON.stringify({ ready: true, ...facts }) + "\n");
  let sent = 0;
  while (sent < bytes.length) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

/**
 * Libraries print errors whole: messages of the database can hold what a person typed, and request objects
 * hold tokens. Only the kind of an error and its code are kept.
 */
export function quietConsole(): void {
  const silent = () => {};
  console.log = silent;
  console.info = silent;
  console.debug = silent;
  console.warn = silent;
  console.error = (...parts: unknown[]) => {
    const kinds = parts.map(kindOf).filter((kind) => kind !== "");
    if (kinds.length > 0) note(`error ${kinds.join(" ")}`);
  };
}

/** A promise that failed with nobody waiting for it is noted; it must not end the service of everybody else. */
export function surviveLostFailures(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    note(`lost failure ${kindOf(event.reason)}`);
  });
}

/** Writes one line to the log of this process. The caller vouches that it holds nothing personal or secret. */
export function note(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${new Date().toISOString()} ${line}\n`));
}

export function kindOf(part: unknown): string {
  if (!(part instanceof Error)) return "";
  const code = "code" in part && typeof part.code === "string" && /^\w{1,12}$/.test(part.code)
    ? part.code
    : "";
  return code === "" ? part.name : `${part.name}:${code}`;
}

async function untilClosed(lines: AsyncGenerator<string>): Promise<void> {
  for await (const _ of lines) { /* nothing more is said on this line */ }
  Deno.exit(0);
}

async function* textLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
