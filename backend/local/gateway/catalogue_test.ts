import type { PostgresConnection } from "@supabase/lite/postgres";
import assert from "node:assert/strict";
import { withoutViewTexts } from "./catalogue.ts";

/** A connection that knows one table and one view, and remembers how it was asked. */
function known(asked: unknown[] = []): PostgresConnection {
  const introspect = (options?: { readonly useCache?: boolean }) => {
    asked.push(options);
    return Promise.resolve({
      tables: [{ name: "orders", sql: "create table orders (id bigint)" }],
      views: [{ name: "order_work", schema: "public", sql: "select id from orders" }],
    });
  };
  return { introspect } as unknown as PostgresConnection;
}

Deno.test("views are known without their texts, and else as they are", async () => {
  const found: { readonly views: unknown } = await withoutViewTexts(known()).introspect();
  assert.deepEqual(found.views, [{ name: "order_work", schema: "public", sql: "" }]);
});

Deno.test("tables stay as they are", async () => {
  const found = await withoutViewTexts(known()).introspect();
  assert.deepEqual(found.tables, (await known().introspect()).tables);
});

Deno.test("what is asked is passed on, each time", async () => {
  const asked: unknown[] = [];
  const connection = withoutViewTexts(known(asked));
  await connection.introspect({ useCache: true });
  await connection.introspect();
  assert.deepEqual(asked, [{ useCache: true }, undefined]);
});
