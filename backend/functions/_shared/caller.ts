// Who calls: only background work, which knows a secret key of the project.

/** Whether the request carries one of these keys in its `apikey` header. No keys, no callers. */
export async function isSecretCaller(headers: Headers, keys: readonly string[]): Promise<boolean> {
  const given = await digest(headers.get("apikey") ?? "");
  let isKnown = false;
  for (const key of keys) {
    if (key !== "" && same(given, await digest(key))) isKnown = true; // every key is looked at: no early leave
  }
  return isKnown;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Compares digests in a time that does not tell how much of them is equal. */
function same(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length;
  for (let at = 0; at < left.length; at++) difference |= (left[at] ?? 0) ^ (right[at] ?? 0);
  return difference === 0;
}
