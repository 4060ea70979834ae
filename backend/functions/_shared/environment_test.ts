import assert from "node:assert/strict";
import { settingsFrom } from "./environment.ts";

const hosted: Record<string, string> = {
  SUPABASE_URL: "https://abcdefgh.supabase.co",
  SUPABASE_SECRET_KEYS: '{"cron":"sb_secret_cron","default":"sb_secret_default"}',
  DESK_PII_KEY: "key",
  DESK_PUBLIC_URL: "https://desk.example.com/",
};

function read(values: Record<string, string>) {
  return settingsFrom((name) => values[name]);
}

Deno.test("the platform's own variables are enough", () => {
  const settings = read(hosted);
  assert.equal(settings.secretKey, "sb_secret_default");
  assert.deepEqual(settings.secretKeys, ["sb_secret_default", "sb_secret_cron"]);
  assert.equal(settings.publicUrl, "https://desk.example.com/");
  assert.equal(settings.apiUrl, "https://abcdefgh.supabase.co");
});

Deno.test("a single key will do", () => {
  const { SUPABASE_SECRET_KEYS: _, ...rest } = hosted;
  assert.deepEqual(read({ ...rest, SUPABASE_SECRET_KEY: "sb_secret_one" }).secretKeys, ["sb_secret_one"]);
});

Deno.test("what is missing is named", () => {
  for (const name of ["SUPABASE_URL", "DESK_PII_KEY"]) {
    assert.throws(() => read({ ...hosted, [name]: " " }), new RegExp(`${name} is not set`));
  }
  assert.throws(() => read({ ...hosted, SUPABASE_SECRET_KEYS: "{}" }), /SUPABASE_SECRET_KEY is not set/);
  assert.throws(() => read({ ...hosted, SUPABASE_SECRET_KEYS: '"x"' }), /SUPABASE_SECRET_KEY is not set/);
});

Deno.test("without a web address there are no links", () => {
  for (const url of ["", "desk.example.com", "javascript:alert(1)"]) {
    assert.equal(read({ ...hosted, DESK_PUBLIC_URL: url }).publicUrl, null);
  }
});

Deno.test("the switch of developers works beside an API on this machine, and nowhere else", () => {
  const on = { ...hosted, DESK_LOOPBACK_CHANNELS: "1" };
  const elsewhere = [
    "https://abcdefgh.supabase.co",
    "https://127.0.0.1:54321",
    "http://10.0.0.1",
    "http://localhost.evil.example",
  ];
  for (const url of elsewhere) assert.equal(read({ ...on, SUPABASE_URL: url }).allowsLoopback, false, url);
  assert.equal(read({ ...on, SUPABASE_URL: "http://127.0.0.1:54321" }).allowsLoopback, true);
  assert.equal(read({ ...hosted, SUPABASE_URL: "http://127.0.0.1:54321" }).allowsLoopback, false);
});
