// Which addresses a message may go to (P11): the public internet, and nothing that is nearer to us than that.

type Range = readonly [base: string, prefix: number];

// IANA special-purpose registries (RFC 6890 and successors), multicast, reserved, and the address on which one large
// cloud answers questions about a machine (168.63.129.16); the others' lie in 169.254/16, 100.64/10 and fc00::/7.
const CLOSED_V4: readonly Range[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

// Within 2000::/3, the only part of IPv6 that is handed out: protocol assignments with Teredo, documentation, 6to4.
// Mapped and translated IPv4 (::ffff:0:0/96, 64:ff9b::/96), loopback, link-local and private lie outside of it.
const OPEN_V6: Range = ["2000::", 3];
const CLOSED_V6: readonly Range[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

/** Whether an IP address, as text, is one on the public internet. Anything that is no address is not. */
export function isPublicAddress(address: string): boolean {
  const value = bits(address);
  if (value === null) return false;
  if (value.length === 32) return !CLOSED_V4.some((range) => lies(value, range));
  return lies(value, OPEN_V6) && !CLOSED_V6.some((range) => lies(value, range));
}

/** Whether an IP address, as text, is this machine's own. */
export function isLoopbackAddress(address: string): boolean {
  const value = bits(address);
  if (value === null) return false;
  return value.length === 32 ? lies(value, ["127.0.0.0", 8]) : lies(value, ["::1", 128]);
}

function lies(value: string, [base, prefix]: Range): boolean {
  return value.slice(0, prefix) === bits(base)?.slice(0, prefix);
}

/** An address as a text of 32 or 128 zeros and ones, or null. */
function bits(address: string): string | null {
  if (!address.includes(":")) return bitsV4(address);
  const groups = groupsV6(address);
  return groups === null ? null : groups.map((group) => binary(group, 16)).join("");
}

function bitsV4(address: string): string | null {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return null;
  }
  return parts.map((part) => binary(Number(part), 8)).join("");
}

function groupsV6(address: string): number[] | null {
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map(readGroups);
  if (head === undefined || head === null || tail === null) return null;
  if (tail === undefined) return head.length === 8 ? head : null;
  const gap = 8 - head.length - tail.length;
  return gap < 1 ? null : [...head, ...new Array<number>(gap).fill(0), ...tail];
}

function readGroups(part: string): number[] | null {
  if (part === "") return [];
  const groups: number[] = [];
  for (const piece of part.split(":")) {
    const v4 = piece.includes(".") ? bitsV4(piece) : null;
    if (v4 !== null) groups.push(parseInt(v4.slice(0, 16), 2), parseInt(v4.slice(16), 2));
    else if (/^[0-9a-f]{1,4}$/i.test(piece)) groups.push(parseInt(piece, 16));
    else return null;
  }
  return groups;
}

function binary(value: number, width: number): string {
  return value.toString(2).padStart(width, "0");
}
