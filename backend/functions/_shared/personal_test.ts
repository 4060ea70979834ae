import assert from "node:assert/strict";
import pii from "../../../tests/data/pii_vectors.json" with { type: "json" };
import { Keyring } from "./keyring.ts";
import { type BlindKind, maskName, maskPhone, normalise } from "./personal.ts";

const ring = await Keyring.parse(pii.keyring);
const kinds = new Set(["name", "phone", "phone_last4", "wechat", "email", "buyer"]);

Deno.test("what is indexed is normalised as Python does it", async () => {
  for (const { kind, text, normalised, index } of pii.blind.filter((one) => kinds.has(one.kind))) {
    assert.equal(normalise(kind as BlindKind, text), normalised, `${kind} ${text}`);
    assert.equal(await ring.blind(kind as BlindKind, text), index, `${kind} ${text}`);
  }
});

Deno.test("masks show what Python shows", () => {
  for (const { kind, text, mask } of pii.masks) {
    if (kind === "name") assert.equal(maskName(text), mask, text);
    if (kind === "phone") assert.equal(maskPhone(text), mask, text);
  }
});

Deno.test("what is sealed opens in its place alone, and never twice to the same token", async () => {
  const [one, other] = [
    await ring.seal("contacts", "phone", 7, "13900001234"),
    await ring.seal("contacts", "phone", 7, "13900001234"),
  ];
  assert.notEqual(one, other);
  assert.equal(await ring.open("contacts", "phone", 7, one), "13900001234");
  await assert.rejects(ring.open("contacts", "phone", 8, one), /changed/);
});
