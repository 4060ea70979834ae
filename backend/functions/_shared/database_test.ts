import assert from "node:assert/strict";
import { apiDatabase, RpcError } from "./database.ts";

function database(answer: () => Response | Promise<Response>) {
  const asked: [string, RequestInit | undefined][] = [];
  const fetcher: typeof fetch = async (input, init) => {
    asked.push([String(input), init]);
    return await answer();
  };
  return { asked, database: apiDatabase("http://127.0.0.1:1", "sb_secret_one", fetcher, 60_000) };
}

async function refusal(answer: () => Response | Promise<Response>): Promise<string> {
  const error = await database(answer).database.rpc("claim_deliveries", {}).then(
    () => null,
    (e: unknown) => e,
  );
  assert.ok(error instanceof RpcError);
  return `${error.message}${error.isPassing ? " again" : ""}`;
}

Deno.test("an RPC is called by name with the secret key", async () => {
  const { asked, database: desk } = database(() => Response.json([{ id: "a" }]));
  assert.deepEqual(await desk.rpc("claim_deliveries", { p_limit: 1 }), [{ id: "a" }]);
  const [url, init] = asked[0] ?? [];
  assert.equal(url, "http://127.0.0.1:1/rest/v1/rpc/claim_deliveries");
  assert.equal(new Headers(init?.headers).get("apikey"), "sb_secret_one");
  assert.equal(init?.body, '{"p_limit":1}');
});

Deno.test("a refusal keeps its key, and nothing that may quote a person", async () => {
  const stale = () => Response.json({ message: "order.stale" }, { status: 409 });
  assert.equal(await refusal(stale), "claim_deliveries 409 order.stale");
  const typed = () => Response.json({ message: "invalid input: 13812345678" }, { status: 400 });
  assert.equal(await refusal(typed), "claim_deliveries 400 ");
});

Deno.test("what may pass is told apart", async () => {
  assert.equal(await refusal(() => Promise.reject(new TypeError("refused"))), "claim_deliveries 0  again");
  assert.equal(
    await refusal(() => new Response("bad gateway", { status: 502 })),
    "claim_deliveries 502  again",
  );
  assert.equal(await refusal(() => new Response("<html>", { status: 200 })), "claim_deliveries 200 ");
});
