// The database as a function sees it: the RPCs that are granted to service_role, by name.
import { isRecord, jsonOf, text } from "./values.ts";

export interface Database {
  rpc(name: string, params: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** A call that did not do its work: `status` 0 when nobody answered. `key` is the stable name of a refusal. */
export class RpcError extends Error {
  constructor(readonly rpc: string, readonly status: number, readonly key: string) {
    super(`${rpc} ${status} ${key}`);
  }

  /** Whether the same call may succeed in a moment. */
  get isPassing(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const KEY = /^[a-z_]+\.[a-z_]+$/; // other messages may quote what a person typed

/** A database behind the API of this project. */
export function apiDatabase(
  url: string,
  secretKey: string,
  fetcher: typeof fetch,
  timeoutMilliseconds: number,
): Database {
  const headers = { apikey: secretKey, "content-type": "application/json", accept: "application/json" };
  return {
    async rpc(name, params) {
      const answer = await ask(name, () =>
        fetcher(`${url}/rest/v1/rpc/${name}`, {
          method: "POST",
          headers,
          body: JSON.stringify(params),
          redirect: "error",
          signal: AbortSignal.timeout(timeoutMilliseconds),
        }));
      const value = jsonOf(answer.body);
      if (answer.status < 300 && value !== undefined) return value;
      const message = isRecord(value) ? text(value.message) : "";
      throw new RpcError(name, answer.status, KEY.test(message) ? message : "");
    },
  };
}

async function ask(name: string, call: () => Promise<Response>): Promise<{ status: number; body: string }> {
  try {
    const answer = await call();
    return { status: answer.status, body: await answer.text() };
  } catch {
    throw new RpcError(name, 0, "");
  }
}
