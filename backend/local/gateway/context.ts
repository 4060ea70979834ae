// Who asks, told to Postgres in one statement. Supabase Lite sends a dozen, one after the other, and waits for
// each: that is more than half of what a request costs. The settings, their order and their values are its own.
import type { PostgresConnection } from "@supabase/lite/postgres";

/** The part of Kysely's transaction that is needed to run one statement. */
interface Transaction {
  executeQuery(query: {
    readonly sql: string;
    readonly parameters: readonly string[];
    readonly query: { readonly kind: "RawNode"; readonly sqlFragments: string[]; readonly parameters: [] };
    readonly queryId: { readonly queryId: string };
  }): Promise<unknown>;
}

interface Asker {
  readonly auth?: { readonly role?: string; readonly uid?: unknown; readonly jwt?: unknown } | null;
  readonly storage?: { readonly operation?: unknown } | null;
}

interface RpcRequest {
  readonly method: string;
  readonly path: string;
  readonly requestHeaders?: unknown;
}

/** Replaces the two steps of `withContext` that tell Postgres about a request. */
export function tellAtOnce(connection: PostgresConnection): PostgresConnection {
  return Object.assign(connection, {
    applyJwtSessionContext: (transaction: Transaction, asker: Asker) => set(transaction, ofAsker(asker)),
    applyRpcRequestGucs: (transaction: Transaction, rpc: RpcRequest) => set(transaction, ofRpc(rpc)),
  });
}

/** The settings of one who asks; `role` is the SET LOCAL ROLE of the request. */
export function ofAsker({ auth, storage }: Asker): [string, string][] {
  const role = auth?.role || "anon";
  const settings: [string, string][] = [
    ["role", role],
    ["request.jwt.claim.sub", String(auth?.uid ?? "")],
    ["request.jwt.claim.role", role],
    ["storage.operation", String(storage?.operation ?? "")],
  ];
  const claims = auth?.jwt;
  if (claims && typeof claims === "object") settings.push(["request.jwt.claims", JSON.stringify(claims)]);
  return settings;
}

/** The settings of a call of a function. */
export function ofRpc({ method, path, requestHeaders }: RpcRequest): [string, string][] {
  return [
    ["response.status", ""],
    ["response.headers", ""],
    ["request.method", method],
    ["request.path", path],
    ["request.headers", JSON.stringify(requestHeaders ?? {})],
  ];
}

async function set(transaction: Transaction, settings: readonly [string, string][]): Promise<void> {
  const calls = settings.map((_, at) => `pg_catalog.set_config($${2 * at + 1}, $${2 * at + 2}, true)`);
  const sql = `select ${calls.join(", ")}`;
  await transaction.executeQuery({
    sql,
    parameters: settings.flat(),
    query: { kind: "RawNode", sqlFragments: [sql], parameters: [] },
    queryId: { queryId: "settings" },
  });
}
