import assert from "node:assert/strict";
import channels from "../../../tests/data/channel_vectors.json" with { type: "json" };
import pii from "../../../tests/data/pii_vectors.json" with { type: "json" };
import { Keyring, SealError } from "./keyring.ts";

const ring = await Keyring.parse(channels.keyring);
const [sealed] = channels.sealed;
assert.ok(sealed);

Deno.test("what Python sealed is opened", async () => {
  for (const { column, channel_id, token, text } of channels.sealed) {
    assert.equal(await ring.open("channels", column, channel_id, token), text);
  }
  const personal = await Keyring.parse(pii.keyring);
  for (const { table, column, row_id, token, text } of pii.encrypted) {
    assert.equal(await personal.open(table, column, row_id, token), text);
  }
});

Deno.test("a key without a name has the id that Python gives it", async () => {
  for (const { master, unnamed_id } of pii.keys) {
    const unnamed = await Keyring.parse(master);
    await assert.rejects(
      unnamed.open("t", "c", 1, `v1.${unnamed_id}.${"A".repeat(16)}.${"A".repeat(24)}`),
      /changed/,
    );
  }
});

Deno.test("a moved, changed or foreign value is refused, and nothing of it is said", async () => {
  const { column, channel_id, token } = sealed;
  const tries: [string, string, number, string][] = [
    ["channels", column, channel_id + 1, token],
    ["channels", "secret", channel_id, token],
    ["contacts", column, channel_id, token],
    ["channels", column, channel_id, token.slice(0, -2) + "AA"],
    ["channels", column, channel_id, token.replace("v1.k1", "v1.k0")],
    ["channels", column, channel_id, token.replace("v1.k1", "v1.k9")],
    ["channels", column, channel_id, token.replace("v1", "v2")],
    ["channels", column, channel_id, `${token}.x`],
    ["channels", column, channel_id, "https://example.com"],
    ["channels", column, channel_id, ""],
  ];
  for (const [table, name, row, changed] of tries) {
    const error = await ring.open(table, name, row, changed).then(() => null, (problem: unknown) => problem);
    assert.ok(error instanceof SealError, changed);
    assert.ok(changed === "" || !error.message.includes(changed));
  }
});

Deno.test("a list without a usable key is refused", async () => {
  for (const list of ["", " , ", "short", "a b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "k1:AAAA"]) {
    await assert.rejects(Keyring.parse(list), SealError);
  }
});
