import assert from "node:assert/strict";
import vectors from "../../../tests/data/channel_vectors.json" with { type: "json" };
import { deliver, type Post, TRY_MILLISECONDS } from "./deliver.ts";
import { delivery } from "./examples.ts";
import { Keyring } from "./keyring.ts";
import { httpReply, type StandIn, standIn } from "./stand_in.ts";
import type { Dial } from "./wire.ts";

const [endpoint, secret] = vectors.sealed;
assert.ok(endpoint && secret);
const keyring = await Keyring.parse(vectors.keyring);
const message = delivery({ endpoint: endpoint.token, secret: secret.token, channelId: endpoint.channel_id });

function deps(dial: Dial, changed: Partial<Post> = {}): Post {
  const resolve = () => Promise.resolve(["93.184.216.34"]);
  return { keyring, publicUrl: null, dial, now: () => 0, resolve, allowsLoopback: false, ...changed };
}

async function outcome(other: StandIn | Dial, changed: Partial<Post> = {}): Promise<string> {
  const dial = typeof other === "function" ? other : other.dial;
  const told = await deliver(message, deps(dial, changed), 30);
  return told.outcome === "sent" ? "sent" : `${told.outcome} ${told.error}`;
}

Deno.test("a try lasts ten seconds at most", () => assert.equal(TRY_MILLISECONDS, 10_000));

Deno.test("a message that is taken is sent", async () => {
  assert.equal(await outcome(standIn(() => httpReply(200, '{"errcode":0}'))), "sent");
});

Deno.test("whoever keeps us waiting runs into the end of the try, and the connection is closed", async () => {
  const silent = standIn(() => undefined);
  assert.equal(await outcome(silent), "failed timeout");
  const drip = standIn((told) => told === "" ? undefined : "H");
  let dripped = 0;
  const dripping: Dial = async (target, signal) => {
    const wire = await drip.dial(target, signal);
    return {
      ...wire,
      read: async (into) => {
        await new Promise((later) => setTimeout(later, 5));
        if (signal.aborted) throw new Error("closed");
        dripped++;
        return await wire.read(into);
      },
    };
  };
  assert.equal(await outcome(dripping), "failed timeout");
  assert.ok(dripped > 0);
  await new Promise((later) => setTimeout(later, 10));
  assert.deepEqual([silent.open, drip.open], [0, 0]);
});

Deno.test("a name server that does not answer, and a connection that is never made, count as well", async () => {
  const never = () => new Promise<never>(() => {});
  const other = standIn(() => undefined);
  assert.equal(await outcome(other, { resolve: never }), "failed timeout");
  assert.equal(other.targets.length, 0);
  assert.equal(await outcome(never), "failed timeout");
});

Deno.test("no connection, no certificate: tried again", async () => {
  assert.equal(
    await outcome(() => Promise.reject(new Error("connection refused to 93.184.216.34"))),
    "failed unreachable",
  );
  assert.equal(await outcome(standIn(() => null)), "failed bad_reply");
});

Deno.test("an address nearer than the internet is never dialled", async () => {
  const other = standIn(() => httpReply(200, '{"errcode":0}'));
  const resolve = () => Promise.resolve(["127.0.0.1"]);
  assert.equal(await outcome(other, { resolve }), "refused private_address");
  assert.equal(other.targets.length, 0);
});
