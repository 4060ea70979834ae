import assert from "node:assert/strict";
import { ofAsker, ofRpc, tellAtOnce } from "./context.ts";

type Sent = { sql: string; parameters: readonly string[] };
type Ours = Record<
  "applyJwtSessionContext" | "applyRpcRequestGucs",
  (on: unknown, given: unknown) => Promise<void>
>;

const CLAIMS = { sub: "5", role: "authenticated", aud: "authenticated" };

async function sent(method: keyof Ours, given: unknown): Promise<Sent[]> {
  const statements: Sent[] = [];
  const transaction = {
    executeQuery: (query: Sent) => {
      statements.push({ sql: query.sql, parameters: query.parameters });
      return Promise.resolve();
    },
  };
  const ours = tellAtOnce({} as Parameters<typeof tellAtOnce>[0]) as unknown as Ours;
  await ours[method](transaction, given);
  return statements;
}

Deno.test("who asks is one statement, and nothing of it is part of its text", async () => {
  const [one, ...more] = await sent("applyJwtSessionContext", { auth: { role: "x', 'y", uid: 5 } });
  assert.deepEqual(more, []);
  assert.equal(
    one?.sql,
    "select pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true), " +
      "pg_catalog.set_config($5, $6, true), pg_catalog.set_config($7, $8, true)",
  );
  assert.deepEqual(one?.parameters.slice(0, 4), ["role", "x', 'y", "request.jwt.claim.sub", "5"]);
});

Deno.test("a person's request names role, person and claims", () => {
  const settings = ofAsker({ auth: { role: "authenticated", uid: "5", jwt: CLAIMS } });
  assert.deepEqual(settings, [
    ["role", "authenticated"],
    ["request.jwt.claim.sub", "5"],
    ["request.jwt.claim.role", "authenticated"],
    ["storage.operation", ""],
    ["request.jwt.claims", JSON.stringify(CLAIMS)],
  ]);
});

Deno.test("whoever says nothing of himself is a stranger", () => {
  for (const asker of [{}, { auth: null }, { auth: { jwt: "no object" } }]) {
    assert.deepEqual(ofAsker(asker).slice(0, 3), [
      ["role", "anon"],
      ["request.jwt.claim.sub", ""],
      ["request.jwt.claim.role", "anon"],
    ]);
    assert.equal(ofAsker(asker).length, 4);
  }
});

Deno.test("a call leaves the answer's status and headers empty", async () => {
  const given = { method: "POST", path: "/rpc/x", requestHeaders: { prefer: "tx=commit" } };
  assert.deepEqual(Object.fromEntries(ofRpc(given)), {
    "response.status": "",
    "response.headers": "",
    "request.method": "POST",
    "request.path": "/rpc/x",
    "request.headers": '{"prefer":"tx=commit"}',
  });
  assert.equal((await sent("applyRpcRequestGucs", given)).length, 1);
});
