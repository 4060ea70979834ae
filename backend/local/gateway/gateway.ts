// The API of one installation on the loopback interface: /rest/v1 and /auth/v1 by Supabase Lite as the role
// `authenticator` (never a superuser), /functions/v1 passed on to the process that runs the edge functions.
import { App } from "@supabase/lite";
import type { PostgresConnection } from "@supabase/lite/postgres";
import { judge, type Keys } from "./token.ts";

export interface GatewaySettings {
  readonly databaseUrl: string;
  readonly port: number;
  readonly functionsPort: number;
  readonly publishableKey: string;
  readonly secretKey: string;
  readonly jwtSecret: string;
}

type Handler = (request: Request) => Promise<Response>;

/** What a session needs of /auth/v1. Links by e-mail, other providers and the admin API are not offered here. */
const AUTH_ROUTES: ReadonlySet<string> = new Set([
  "POST /auth/v1/signup",
  "POST /auth/v1/token",
  "POST /auth/v1/logout",
  "GET /auth/v1/user",
  "PUT /auth/v1/user",
  "GET /auth/v1/health",
  "GET /auth/v1/settings",
  "GET /auth/v1/.well-known/jwks.json",
]);

/** Supabase Lite on an open connection, with the settings of this product. */
export function liteApp(connection: PostgresConnection, settings: GatewaySettings): App {
  return new App({
    connection,
    api: { schemas: ["public"], extra_search_path: ["public"], max_rows: 5000 },
    auth: {
      enabled: true,
      enable_signup: true, // a trigger on auth.users asks for an invitation, here as on a hosted project
      jwt_secret: settings.jwtSecret,
      jwt_expiry: 900,
      publishable_key: settings.publishableKey,
      secret_key: settings.secretKey,
      enable_refresh_token_rotation: true,
      refresh_token_reuse_interval: 10,
      minimum_password_length: 8,
      email: { enable_signup: true, enable_confirmations: false },
    },
    options: {
      server: { admin: false, disableStudio: true, disableFallback: true },
      drivers: { email: { send: () => Promise.resolve() } }, // nothing on this path sends e-mail
    },
  });
}

/** The whole front door: key and token first, then the part of the API that was asked for. */
export function frontDoor(lite: Handler, functions: Handler, keys: Keys, now: () => number): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") return json(200, { status: "ok" });
    if (pathname.startsWith("/functions/v1/")) return await functions(request); // each function checks its caller
    const isAuth = pathname.startsWith("/auth/v1/");
    if (!isAuth && !pathname.startsWith("/rest/v1/")) return json(404, { message: "not found" });
    const verdict = await judge(request.headers, keys, now() / 1000);
    if (!verdict.ok) return refusal(isAuth, verdict.code, verdict.message);
    if (isAuth && !AUTH_ROUTES.has(`${request.method} ${pathname}`)) {
      return json(404, { message: "not found" });
    }
    return await lite(withBearer(request, verdict.bearer));
  };
}

/** Passes a request on to the process of the edge functions, whose trouble is answered as 503. */
export function functionsProxy(port: number): Handler {
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const target = `http://127.0.0.1:${port}${pathname}${search}`;
    const body = request.body === null ? null : await request.arrayBuffer();
    try {
      return await fetch(target, {
        method: request.method,
        headers: request.headers,
        body,
        redirect: "manual",
      });
    } catch {
      return json(503, {
        error: { code: "FUNCTIONS_DOWN", message: "the functions process does not answer" },
      });
    }
  };
}

function withBearer(request: Request, bearer: string | null): Request {
  if (bearer !== null || !request.headers.has("authorization")) return request;
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  return new Request(request, { headers });
}

function refusal(isAuth: boolean, code: string, message: string): Response {
  const body = isAuth
    ? { code: 401, error_code: "bad_jwt", msg: message }
    : { code, message, details: null, hint: null };
  return json(401, body, { "www-authenticate": "Bearer" });
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
