// The API of one installation on the loopback interface: /rest/v1 and /auth/v1 are answered by Supabase Lite,
// /functions/v1 is passed on to the process that runs the edge functions, and nothing else exists.
import { judge, type Keys } from "./token.ts";

type Handler = (request: Request) => Promise<Response>;

/** What a session needs of /auth/v1. Links by e-mail, other providers, the admin API and
 * changing an account with its token alone are not offered here: a new password takes a new invitation. */
const AUTH_ROUTES: ReadonlySet<string> = new Set([
  "POST /auth/v1/signup",
  "POST /auth/v1/token",
  "POST /auth/v1/logout",
  "GET /auth/v1/user",
  "GET /auth/v1/health",
  "GET /auth/v1/settings",
  "GET /auth/v1/.well-known/jwks.json",
]);

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
