// The three ways in which a receiver can tell that a message is ours.
import { toBase64 } from "./base64.ts";

/** DingTalk: base64 of HMAC-SHA-256 with the secret over `<milliseconds>\n<secret>`; goes into the query. */
export async function dingtalkSign(secret: string, milliseconds: number): Promise<string> {
  return toBase64(await hmac(secret, `${milliseconds}\n${secret}`));
}

/** Feishu: base64 of HMAC-SHA-256 with `<seconds>\n<secret>` as the key over nothing; goes into the body. */
export async function feishuSign(secret: string, seconds: number): Promise<string> {
  return toBase64(await hmac(`${seconds}\n${secret}`, ""));
}

/**
 * Webhooks of a team's own: `t=<seconds>,v1=<hex>`, HMAC-SHA-256 with the secret over `<seconds>.<body>`. A receiver compares
 * v1 and refuses a `t` more than five minutes away.
 */
export async function webhookSignature(secret: string, seconds: number, body: string): Promise<string> {
  const digest = await hmac(secret, `${seconds}.${body}`);
  return `t=${seconds},v1=${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function hmac(key: string, message: string): Promise<Uint8Array> {
  const encode = (text: string) => new TextEncoder().encode(text);
  const usages: KeyUsage[] = ["sign"];
  const imported = await crypto.subtle.importKey(
    "raw",
    encode(key),
    { name: "HMAC", hash: "SHA-256" },
    false,
    usages,
  );
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, encode(message)));
}
