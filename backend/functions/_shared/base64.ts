// base64 and base64url of bytes; both without surprises: what is not exactly one spelling is refused.

export function toBase64(raw: Uint8Array): string {
  let binary = "";
  for (const byte of raw) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The bytes of a base64url text without padding, or null. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    const raw = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return toBase64Url(raw) === text ? raw : null;
  } catch {
    return null;
  }
}

export function toBase64Url(raw: Uint8Array): string {
  return toBase64(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
