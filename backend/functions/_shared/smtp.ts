// One e-mail over SMTP with implicit TLS (RFC 5321, 8314, 4954): greeting, AUTH PLAIN, one envelope, one message.
import { toBase64 } from "./base64.ts";
import { Problem } from "./delivery.ts";
import { type Dial, receive, send, type Target, type Wire } from "./wire.ts";

const REPLY_LIMIT = 8_192;

export interface Letter {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly date: Date;
}

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** Hands a letter to a mail server. Throws Problem when the server refuses it, and what the connection throws. */
export async function sendLetter(
  dial: Dial,
  target: Target,
  account: Account | null,
  letter: Letter,
  signal: AbortSignal,
): Promise<void> {
  const wire = await dial(target, signal);
  try {
    const server = new Server(wire);
    await server.expect(220, "smtp");
    await server.say("EHLO shopdesk", 250, "smtp");
    if (account !== null) await server.say(`AUTH PLAIN ${plainLogin(account)}`, 235, "login");
    await server.say(`MAIL FROM:<${letter.from}>`, 250, "smtp");
    for (const to of letter.to) await server.say(`RCPT TO:<${to}>`, 250, "recipient");
    await server.say("DATA", 354, "smtp");
    await server.say(`${letterText(letter)}\r\n.`, 250, "content");
    await send(wire, "QUIT\r\n"); // accepted is accepted: its answer is not waited for
  } finally {
    wire.close();
  }
}

type Step = "smtp" | "login" | "recipient" | "content";

class Server {
  #held = "";

  constructor(readonly wire: Wire) {}

  async say(line: string, wanted: number, step: Step): Promise<void> {
    await send(this.wire, `${line}\r\n`);
    await this.expect(wanted, step);
  }

  async expect(wanted: number, step: Step): Promise<void> {
    const code = await this.#reply();
    const isForwarded = wanted === 250 && code === 251;
    if (code !== wanted && !isForwarded) throw refusal(code, step);
  }

  async #reply(): Promise<number> {
    while (true) {
      const last = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/.exec(this.#held);
      if (last !== null) {
        this.#held = this.#held.slice(last[0].length);
        return Number(last[1]);
      }
      const more = this.#held.length > REPLY_LIMIT ? new Uint8Array() : await receive(this.wire);
      if (more.length === 0) throw new Problem("bad_reply", "failed");
      this.#held += new TextDecoder("latin1").decode(more);
    }
  }
}

/** 4yz is tried again, 5yz waits for a person (RFC 5321, 4.2.1). */
function refusal(code: number, step: Step): Problem {
  if (code < 500) return new Problem(`smtp ${code}`, "failed");
  if (step === "login") return new Problem("bad_credentials", "refused");
  if (step === "recipient") return new Problem("recipient_refused", "refused");
  return step === "content"
    ? new Problem("content_refused", "refused")
    : new Problem(`smtp ${code}`, "refused");
}

function plainLogin({ user, password }: Account): string {
  return base64Text(`\0${user}\0${password}`);
}

function letterText(letter: Letter): string {
  const domain = letter.from.slice(letter.from.lastIndexOf("@") + 1);
  const body = base64Text(letter.text.replaceAll("\n", "\r\n")).replace(/.{76}/g, "$&\r\n");
  return [
    `From: <${letter.from}>`,
    `To: ${letter.to.map((to) => `<${to}>`).join(", ")}`,
    `Subject: ${encodedWords(letter.subject)}`,
    `Date: ${letter.date.toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${letter.id}@${domain}>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    'Content-Type: text/plain; charset="utf-8"',
    "Content-Transfer-Encoding: base64",
    "",
    body,
  ].join("\r\n");
}

/** A header text of any script as encoded words of at most 75 characters (RFC 2047). */
function encodedWords(subject: string): string {
  const words = [];
  const letters = [...subject];
  for (let at = 0; at < letters.length; at += 10) {
    words.push(`=?utf-8?B?${base64Text(letters.slice(at, at + 10).join(""))}?=`);
  }
  return words.join("\r\n ");
}

function base64Text(text: string): string {
  return toBase64(new TextEncoder().encode(text));
}
