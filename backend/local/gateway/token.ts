// Who calls: the API key names the application, a user's token names the person. Bare Supabase Lite answers an
// invalid token as if nobody had signed in; PostgREST answers 401, and so do we.

export interface Keys {
  readonly publishable: string;
  readonly secret: string;
  readonly jwtSecret: CryptoKey;
}

export type Verdict =
  | { readonly ok: true; readonly bearer: string | null }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Imports the HS256 secret once; the key object is reused for every request. */
export function importSecret(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

/** Decides whether these headers may pass. `bearer` is the user's token, or null when there is none. */
export async function judge(headers: Headers, keys: Keys, nowSeconds: number): Promise<Verdict> {
  const apikey = headers.get("apikey") ?? "";
  if (!same(apikey, keys.publishable) && !same(apikey, keys.secret)) {
    return { ok: false, code: "PGRST301", message: "apikey header missing or unknown" };
  }
  const authorization = headers.get("authorization");
  if (authorization === null) return { ok: true, bearer: null };
  const bearer = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization)?.[1];
  if (bearer === undefined) {
    return { ok: false, code: "PGRST301", message: "Authorization is not a bearer token" };
  }
  if (bearer === apikey) return { ok: true, bearer: null }; // supabase-py repeats the key here
  const problem = await tokenProblem(bearer, keys.jwtSecret, nowSeconds);
  return problem === null ? { ok: true, bearer } : { ok: false, ...problem };
}

interface Problem {
  readonly code: string;
  readonly message: string;
}

async function tokenProblem(token: string, secret: CryptoKey, nowSeconds: number): Promise<Problem | null> {
  const claims = await verifiedClaims(token, secret);
  if (claims === null) return { code: "PGRST301", message: "JWT invalid" };
  const { exp, nbf, role, aud, sub } = claims;
  if (typeof exp !== "number" || exp <= nowSeconds) return { code: "PGRST303", message: "JWT expired" };
  if (nbf !== undefined && (typeof nbf !== "number" || nbf > nowSeconds)) {
    return { code: "PGRST303", message: "JWT not yet valid" };
  }
  if (role !== "authenticated" || aud !== "authenticated" || typeof sub !== "string") {
    return { code: "PGRST303", message: "JWT claims not accepted" };
  }
  return null;
}

async function verifiedClaims(token: string, secret: CryptoKey): Promise<Record<string, unknown> | null> {
  const [head, body, signature, ...more] = token.split(".");
  if (head === undefined || body === undefined || signature === undefined || more.length > 0) return null;
  const header = jsonPart(head);
  const mark = bytesOf(signature);
  if (header === null || header.alg !== "HS256" || mark === null) return null;
  const signed = new TextEncoder().encode(`${head}.${body}`);
  const genuine = await crypto.subtle.verify("HMAC", secret, mark, signed);
  return genuine ? jsonPart(body) : null;
}

function jsonPart(part: string): Record<string, unknown> | null {
  const bytes = bytesOf(part);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(base64url)) return null;
  const padded = base64url.replaceAll("-", "+").replaceAll("_", "/");
  try {
    return Uint8Array.from(atob(padded), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Compares without leaving early, so that the time taken does not tell how much of a key was right. */
export function same(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  for (let at = 0; at < right.length; at++) {
    difference |= (left.charCodeAt(at % (left.length || 1)) || 0) ^ right.charCodeAt(at);
  }
  return difference === 0 && left.length > 0;
}
