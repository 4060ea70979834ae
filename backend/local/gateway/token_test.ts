import assert from "node:assert/strict";
import { importSecret, judge, type Keys, same } from "./token.ts";

const SECRET = "a secret of the right length for HS256 ......";
const NOW = 1_800_000_000;
const keys: Keys = {
  publishable: "sb_publishable_one",
  secret: "sb_secret_two",
  jwtSecret: await importSecret(SECRET),
};
const person = { sub: "0b4e", role: "authenticated", aud: "authenticated", exp: NOW + 900 };

function part(value: unknown): string {
  return text(new TextEncoder().encode(JSON.stringify(value)));
}

function text(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function token(claims: unknown, header: unknown = { alg: "HS256", typ: "JWT" }, secret = SECRET) {
  const bytes = new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = `${part(header)}.${part(claims)}`;
  const mark = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return `${signed}.${text(new Uint8Array(mark))}`;
}

async function code(headers: Record<string, string>): Promise<string> {
  const verdict = await judge(new Headers(headers), keys, NOW);
  return verdict.ok ? (verdict.bearer === null ? "key" : "person") : verdict.code;
}

function asPerson(jwt: string): Promise<string> {
  return code({ apikey: keys.publishable, authorization: `Bearer ${jwt}` });
}

Deno.test("a known key passes, alone or repeated as bearer", async () => {
  for (const key of [keys.publishable, keys.secret]) {
    assert.equal(await code({ apikey: key }), "key");
    assert.equal(await code({ apikey: key, authorization: `Bearer ${key}` }), "key");
  }
});

Deno.test("no key, an unknown key or the other key as bearer is refused", async () => {
  const jwt = await token(person);
  assert.equal(await code({}), "PGRST301");
  assert.equal(await code({ apikey: "sb_secret_guess" }), "PGRST301");
  assert.equal(await code({ authorization: `Bearer ${jwt}` }), "PGRST301");
  assert.equal(await code({ apikey: keys.publishable, authorization: `Bearer ${keys.secret}` }), "PGRST301");
  assert.equal(await code({ apikey: keys.publishable, authorization: "Basic YTpi" }), "PGRST301");
});

Deno.test("a genuine token passes", async () => {
  assert.equal(await asPerson(await token(person)), "person");
});

Deno.test("an expired token, and one that is not valid yet, is refused", async () => {
  assert.equal(await asPerson(await token({ ...person, exp: NOW })), "PGRST303");
  assert.equal(await asPerson(await token({ ...person, exp: undefined })), "PGRST303");
  assert.equal(await asPerson(await token({ ...person, nbf: NOW + 60 })), "PGRST303");
});

Deno.test("a token for another role or audience is refused although its signature is right", async () => {
  for (const role of ["postgres", "service_role", "desk_owner", "anon", ["authenticated"], undefined]) {
    assert.equal(await asPerson(await token({ ...person, role })), "PGRST303");
  }
  assert.equal(await asPerson(await token({ ...person, aud: "elsewhere" })), "PGRST303");
  assert.equal(await asPerson(await token({ ...person, sub: undefined })), "PGRST303");
});

Deno.test("forged and broken tokens are refused", async () => {
  const genuine = await token(person);
  const [head, body] = genuine.split(".");
  assert.equal(await asPerson(await token(person, { alg: "HS256" }, "another secret")), "PGRST301");
  assert.equal(await asPerson(await token(person, { alg: "none" })), "PGRST301");
  assert.equal(await asPerson(`${head}.${body}.`), "PGRST301");
  assert.equal(await asPerson(`${head}.${body}`), "PGRST301");
  assert.equal(await asPerson(genuine.slice(0, -2)), "PGRST301");
  assert.equal(await asPerson("a.b.c"), "PGRST301");
});

Deno.test("keys compare by every character", () => {
  assert.equal(same("abc", "abc"), true);
  for (const other of ["abd", "ab", "abcd", "", "abcabc"]) assert.equal(same(other, "abc"), false);
});
