// The one shape in which a function refuses: {"error": {"code", "message"}}.

export type ProblemCode =
  | "UNAUTHORIZED"
  | "METHOD_NOT_ALLOWED"
  | "TICK_FAILED"
  | "TOO_LARGE"
  | "BAD_REQUEST"
  | "UNKNOWN_FORM"
  | "REFUSED"
  | "TOO_MANY"
  | "UNAVAILABLE";

/** A refusal as every function words it. */
export function problem(status: number, code: ProblemCode, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}
