import assert from "node:assert/strict";
import vectors from "../../../tests/data/channel_vectors.json" with { type: "json" };
import { dingtalkSign, feishuSign, webhookSignature } from "./signing.ts";

Deno.test("signatures are the ones Python works out", async () => {
  for (const { secret, milliseconds, sign } of vectors.dingtalk) {
    assert.equal(await dingtalkSign(secret, milliseconds), sign);
  }
  for (const { secret, seconds, sign } of vectors.feishu) {
    assert.equal(await feishuSign(secret, seconds), sign);
  }
  for (const { secret, seconds, body, signature } of vectors.webhook) {
    assert.equal(await webhookSignature(secret, seconds, body), signature);
  }
});
