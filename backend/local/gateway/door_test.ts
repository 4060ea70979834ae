import assert from "node:assert/strict";
import { frontDoor } from "./door.ts";
import { kindOf } from "./lifeline.ts";
import { importSecret } from "./token.ts";
import { exactNumber, isoInstant } from "./values.ts";

const keys = {
  publishable: "sb_publishable_one",
  secret: "sb_secret_two",
  jwtSecret: await importSecret("secret"),
};
const seen: Request[] = [];
const door = frontDoor(
  (request) => {
    seen.push(request);
    return Promise.resolve(new Response("lite"));
  },
  () => Promise.resolve(new Response("functions")),
  keys,
  () => 0,
);

function ask(method: string, path: string, headers: Record<string, string> = { apikey: keys.publishable }) {
  return door(new Request(`http://127.0.0.1${path}`, { method, headers }));
}

Deno.test("only the API that the desk uses is there", async () => {
  assert.equal((await ask("GET", "/rest/v1/orders")).status, 200);
  assert.equal((await ask("POST", "/auth/v1/token?grant_type=password")).status, 200);
  for (
    const path of [
      "/",
      "/_system",
      "/storage/v1/bucket",
      "/rest/v2/x",
      "/auth/v1/admin/users",
      "/auth/v1/otp",
    ]
  ) {
    assert.equal((await ask("GET", path)).status, 404, path);
  }
  assert.equal((await ask("POST", "/auth/v1/recover")).status, 404);
});

Deno.test("a refusal speaks the language of its API", async () => {
  const rest = await ask("GET", "/rest/v1/orders", {});
  assert.equal(rest.status, 401);
  assert.equal((await rest.json()).code, "PGRST301");
  const auth = await ask("GET", "/auth/v1/user", {});
  assert.equal(auth.status, 401);
  assert.equal((await auth.json()).error_code, "bad_jwt");
});

Deno.test("functions check their caller themselves", async () => {
  assert.equal(await (await ask("POST", "/functions/v1/hook", {})).text(), "functions");
});

Deno.test("the key repeated as bearer does not reach Supabase Lite", async () => {
  seen.length = 0;
  await ask("GET", "/rest/v1/orders", { apikey: keys.secret, authorization: `Bearer ${keys.secret}` });
  assert.equal(seen[0]?.headers.has("authorization"), false);
  assert.equal(seen[0]?.headers.get("apikey"), keys.secret);
});

Deno.test("instants keep their microseconds", () => {
  assert.equal(isoInstant("2026-11-22 09:00:00.123456+00"), "2026-11-22T09:00:00.123456+00:00");
  assert.equal(isoInstant("2026-11-22 09:00:00+08"), "2026-11-22T09:00:00+08:00");
});

Deno.test("numbers keep their digits", () => {
  assert.equal(JSON.stringify({ amount: exactNumber("42.00") }), '{"amount":42.00}');
  assert.equal(JSON.stringify(exactNumber("12345678901234567890.12")), "12345678901234567890.12");
  assert.equal(JSON.stringify(exactNumber("NaN")), '"NaN"');
});

Deno.test("an error is logged by its kind alone", () => {
  const problem = Object.assign(new TypeError("Key (phone)=(13800000000) exists"), { code: "23505" });
  assert.equal(kindOf(problem), "TypeError:23505");
  assert.equal(kindOf("13800000000"), "");
});
