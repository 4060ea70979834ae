import assert from "node:assert/strict";
import { Problem } from "./delivery.ts";
import { sendLetter } from "./smtp.ts";
import { type StandIn, standIn } from "./stand_in.ts";

const never = new AbortController().signal;
const target = { address: "93.184.216.34", port: 465, tlsName: "smtp.example.com" };
const letter = {
  id: "0b4e6a52-0000-4000-8000-000000000001",
  from: "desk@example.com",
  to: ["a@example.com", "b@example.com"],
  subject: "你有 3 项时效要处理：2 项超时，1 项快到期",
  text: "第一行\n.点开头的一行",
  date: new Date("2026-11-22T06:30:00Z"),
};

/** A mail server: greets, then answers each line by its first word. */
function server(answers: Readonly<Record<string, string>> = {}): StandIn {
  let said = 0;
  return standIn((told) => {
    const replies = ["220 mail.example.com", ...lines(told).map((line) => answerTo(line, answers))];
    const next = replies.filter((reply) => reply !== "")[said];
    if (next === undefined) return undefined;
    said++;
    return `${next}\r\n`;
  });
}

function answerTo(line: string, answers: Readonly<Record<string, string>>): string {
  const usual: Record<string, string> = {
    EHLO: "250-mail.example.com\r\n250-SIZE 1000\r\n250 AUTH PLAIN",
    AUTH: "235 ok",
    MAIL: "250 ok",
    RCPT: "250 ok",
    DATA: "354 go on",
    ".": "250 queued",
  };
  const word = line.split(/[ :]/)[0] ?? "";
  return answers[word] ?? usual[word] ?? "";
}

function lines(told: string): string[] {
  return told.split("\r\n").slice(0, -1);
}

async function refusal(answers: Readonly<Record<string, string>>): Promise<string> {
  const other = server(answers);
  const sending = sendLetter(other.dial, target, { user: "u", password: "p" }, letter, never);
  const error = await sending.then(() => null, (problem: unknown) => problem);
  assert.ok(error instanceof Problem);
  assert.equal(other.open, 0);
  return `${error.verdict} ${error.code}`;
}

Deno.test("a letter goes out with login, envelope and a stable id", async () => {
  const other = server();
  const account = { user: "desk@example.com", password: "密码" };
  await sendLetter(other.dial, target, account, letter, never);
  const told = lines(other.told[0] ?? "");
  const login = told[1]?.replace("AUTH PLAIN ", "") ?? "";
  const bytes = Uint8Array.from(atob(login), (char) => char.charCodeAt(0));
  assert.equal(new TextDecoder().decode(bytes), "\0desk@example.com\0密码");
  assert.deepEqual(told.slice(2, 6), [
    "MAIL FROM:<desk@example.com>",
    "RCPT TO:<a@example.com>",
    "RCPT TO:<b@example.com>",
    "DATA",
  ]);
  assert.ok(told.includes(`Message-ID: <${letter.id}@example.com>`));
  assert.ok(told.includes("Date: Sun, 22 Nov 2026 06:30:00 +0000"));
  assert.deepEqual(told.slice(-2), [".", "QUIT"]);
  assert.deepEqual(other.targets, [target]);
});

Deno.test("subject and text survive the journey, in short lines of ASCII", async () => {
  const other = server();
  await sendLetter(other.dial, target, null, letter, never);
  const told = other.told[0] ?? "";
  assert.ok(!told.includes("AUTH"));
  assert.match(told, /^[\r\n -~]*$/);
  assert.ok(lines(told).every((line) => line.length <= 78));
  const words = [...told.matchAll(/=\?utf-8\?B\?([^?]*)\?=/g)].map(([, word]) => decoded(word ?? ""));
  assert.equal(words.join(""), letter.subject);
  const body = told.slice(told.lastIndexOf("base64\r\n\r\n") + 10, told.indexOf("\r\n.\r\n"));
  assert.equal(decoded(body.replaceAll("\r\n", "")), "第一行\r\n.点开头的一行");
});

Deno.test("what the server refuses for good waits for a person, the rest is tried again", async () => {
  assert.equal(await refusal({ AUTH: "535 no" }), "refused bad_credentials");
  assert.equal(await refusal({ RCPT: "550 nobody" }), "refused recipient_refused");
  assert.equal(await refusal({ ".": "554 spam" }), "refused content_refused");
  assert.equal(await refusal({ MAIL: "503 order" }), "refused smtp 503");
  assert.equal(await refusal({ AUTH: "454 later" }), "failed smtp 454");
  assert.equal(await refusal({ RCPT: "451 later" }), "failed smtp 451");
  assert.equal(await refusal({ ".": "452 full" }), "failed smtp 452");
  assert.equal(await refusal({ EHLO: "nonsense\r\n".repeat(2000) }), "failed bad_reply");
});

Deno.test("a server that hangs up is tried again", async () => {
  const silent = standIn(() => null);
  const sending = sendLetter(silent.dial, target, null, letter, never);
  await assert.rejects(sending, (error) => error instanceof Problem && error.code === "bad_reply");
});

function decoded(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}
