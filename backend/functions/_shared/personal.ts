// The form in which personal values are indexed, and what a list shows of them. The Python side is backend/pii.py;
// tests/data/pii_vectors.json holds both to the same answers.

export type BlindKind = "name" | "phone" | "phone_last4" | "wechat" | "email" | "buyer" | "ip";

const MOBILE = /^1[3-9][0-9]{9}/;

/** The form in which a value is indexed and searched, or null when it is empty or masked. */
export function normalise(kind: BlindKind, text: string): string | null {
  const value = text.normalize("NFKC").trim();
  if (value === "") return null;
  if (kind === "phone") return value.includes("*") ? null : phoneDigits(value) || null;
  if (kind === "phone_last4") return lastFour(value);
  const bare = kind === "ip" ? value.toLowerCase() : value.replace(/\s+/gu, "").toLowerCase();
  return bare === "" || bare.includes("*") ? null : bare;
}

function phoneDigits(value: string): string {
  const digits = value.replace(/[^0-9]/g, "");
  for (const prefix of ["0086", "86", "0"]) {
    if (digits.startsWith(prefix) && MOBILE.test(digits.slice(prefix.length))) {
      return digits.slice(prefix.length);
    }
  }
  return digits;
}

function lastFour(value: string): string | null {
  if (value.includes("*")) return /[0-9]{4}$/.exec(value)?.[0] ?? null;
  const digits = phoneDigits(value);
  const main = MOBILE.test(digits) ? digits.slice(0, 11) : digits;
  return main.length >= 4 ? main.slice(-4) : null;
}

/** `138****5678`; an extension disappears; short numbers keep nothing. */
export function maskPhone(text: string): string {
  const value = text.normalize("NFKC").trim();
  if (value === "") return "";
  if (/^[0-9*+ -]{4,20}$/.test(value) && value.includes("****") && value.replace(/[^0-9]/g, "").length <= 7) {
    return value;
  }
  const digits = phoneDigits(value);
  if (MOBILE.test(digits)) return `${digits.slice(0, 3)}****${digits.slice(7, 11)}`;
  return digits.length >= 10 ? `${digits.slice(0, 3)}****${digits.slice(-2)}` : "****";
}

/** `w***8`: first and last sign of a WeChat id or an e-mail address; of a short one none. */
export function maskAccount(text: string): string {
  const signs = [...text.normalize("NFKC").replace(/\s+/gu, "")];
  if (signs.length === 0) return "";
  return signs.length > 3 ? `${signs[0]}***${signs[signs.length - 1]}` : "***";
}

/** `张**` whatever the length; a name of one character keeps nothing. */
export function maskName(text: string): string {
  const signs = [...text.normalize("NFKC").replace(/\s+/gu, "")];
  if (signs.length === 0) return "";
  const value = signs.join("");
  if (value.includes("*") && signs.length <= 6 && [...value.replaceAll("*", "")].length <= 2) return value;
  return signs.length > 1 && /[\p{L}\p{N}]/u.test(signs[0]!) ? `${signs[0]}**` : "**";
}
