// Opens and makes what the desk seals: `v1.<key id>.<nonce>.<ciphertext>`, AES-256-GCM (NIST SP 800-38D), bound to its place by the
// additional data `table|column|row id`. The Python side of the format is backend/pii.py; tests/data/pii_vectors.json
// and tests/data/channel_vectors.json hold both to the same bytes.
import { fromBase64Url, toBase64Url } from "./base64.ts";
import { type BlindKind, normalise } from "./personal.ts";

const ENCRYPT_LABEL = "shopdesk/pii/v1/encrypt";
const INDEX_LABEL = "shopdesk/pii/v1/index";
const KEY_ID = /^[A-Za-z0-9_-]{1,16}$/;

/** A stored value that cannot be opened. The message names the reason and never a value or a key. */
export class SealError extends Error {}

interface WorkingKey {
  readonly id: string;
  readonly cipher: CryptoKey;
  readonly index: CryptoKey;
}

/** The keys of an installation, as DESK_PII_KEY lists them: `key` or `id:key,id:key`. The first one seals and indexes. */
export class Keyring {
  readonly #keys: ReadonlyMap<string, WorkingKey>;
  readonly #current: WorkingKey;

  private constructor(keys: ReadonlyMap<string, WorkingKey>, current: WorkingKey) {
    this.#keys = keys;
    this.#current = current;
  }

  static async parse(list: string): Promise<Keyring> {
    const keys = new Map<string, WorkingKey>();
    for (const part of list.split(",").map((one) => one.trim()).filter((one) => one !== "")) {
      const [id, secret] = await readKey(part);
      keys.set(id, { id, cipher: await cipherKey(secret), index: await indexKey(secret) });
    }
    const [current] = keys.values();
    if (current === undefined) throw new SealError("no personal-data key is set");
    return new Keyring(keys, current);
  }

  /** Seals a value for exactly one place; the same value gives another token each time. */
  async seal(table: string, column: string, rowId: number | string, text: string): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const additionalData = new TextEncoder().encode(`${table}|${column}|${rowId}`);
    const clear = new TextEncoder().encode(text);
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData },
      this.#current.cipher,
      clear,
    );
    return `v1.${this.#current.id}.${toBase64Url(iv)}.${toBase64Url(new Uint8Array(sealed))}`;
  }

  /** Blind index (64 letters) of a value, or null when it is empty or masked. */
  async blind(kind: BlindKind, text: string): Promise<string | null> {
    const value = normalise(kind, text);
    if (value === null) return null;
    const body = new TextEncoder().encode(`${kind}:${value}`);
    return letters(new Uint8Array(await crypto.subtle.sign("HMAC", this.#current.index, body)));
  }

  /** The clear value; SealError for a foreign format, an unknown key, a changed or a moved value. */
  async open(table: string, column: string, rowId: number | string, token: string): Promise<string> {
    const [version, keyId, nonce, sealed, ...more] = token.split(".");
    const iv = fromBase64Url(nonce ?? "");
    const data = fromBase64Url(sealed ?? "");
    if (version !== "v1" || more.length > 0 || iv?.length !== 12 || data === null || data.length < 16) {
      throw new SealError("the value is not in the format v1.<key id>.<nonce>.<ciphertext>");
    }
    const key = this.#keys.get(keyId ?? "");
    if (key === undefined) {
      throw new SealError("the value was sealed with a key that DESK_PII_KEY does not list");
    }
    const additionalData = new TextEncoder().encode(`${table}|${column}|${rowId}`);
    try {
      const clear = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key.cipher, data);
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(clear);
    } catch {
      throw new SealError("the value was changed, or does not belong to this row");
    }
  }
}

async function readKey(part: string): Promise<[string, Uint8Array<ArrayBuffer>]> {
  const colon = part.lastIndexOf(":");
  const secret = fromBase64Url(part.slice(colon + 1).replace(/={1,2}$/, ""));
  if (secret?.length !== 32) throw new SealError("a personal-data key must be 32 bytes in base64url");
  const id = colon < 0 ? await unnamedId(secret) : part.slice(0, colon);
  if (!KEY_ID.test(id)) {
    throw new SealError("the id of a personal-data key must be 1 to 16 letters, digits, - or _");
  }
  return [id, secret];
}

async function unnamedId(secret: Uint8Array): Promise<string> {
  const label = new TextEncoder().encode("shopdesk/pii/key-id");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array([...label, ...secret])));
  return [...digest.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A digest in the letters a to p: in a dump, digits in a row could be taken for a phone number. */
export function letters(digest: Uint8Array): string {
  return [...digest].map((byte) => LETTERS[byte >> 4]! + LETTERS[byte & 15]!).join("");
}

const LETTERS = "ghijklmnopabcdef"; // 0 to 9 are g to p, as backend/pii.py writes them

/** HKDF-SHA-256 (RFC 5869) with an empty salt: the working key of a master key for one purpose. */
async function derived(
  secret: Uint8Array<ArrayBuffer>,
  label: string,
  kind: AesKeyGenParams | HmacKeyGenParams,
  usages: KeyUsage[],
): Promise<CryptoKey> {
  const master = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(label);
  return await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info },
    master,
    kind,
    false,
    usages,
  );
}

function cipherKey(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return derived(secret, ENCRYPT_LABEL, { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]);
}

function indexKey(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return derived(secret, INDEX_LABEL, { name: "HMAC", hash: "SHA-256", length: 256 }, ["sign"]);
}
