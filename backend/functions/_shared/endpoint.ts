// Where a channel may send (P11): https to the platform's own hosts, or for the kinds that a team runs itself to any
// public address; looked up once, and the address that was checked is the address that is dialled.
import { isLoopbackAddress, isPublicAddress } from "./address.ts";
import { type Kind, Problem } from "./delivery.ts";

export type Resolve = (host: string) => Promise<string[]>;

export interface Policy {
  readonly resolve: Resolve;
  /** A developer's stand-in on this machine may be reached, without TLS. Never true on a hosted project. */
  readonly allowsLoopback: boolean;
}

export interface Endpoint {
  readonly url: URL;
  readonly address: string;
}

interface Place {
  readonly hosts: readonly string[];
  readonly path: RegExp;
}

const PLACES: Readonly<Partial<Record<Kind, Place>>> = {
  wecom: { hosts: ["qyapi.weixin.qq.com"], path: /^\/cgi-bin\/webhook\/send$/ },
  dingtalk: { hosts: ["oapi.dingtalk.com"], path: /^\/robot\/send$/ },
  feishu: { hosts: ["open.feishu.cn", "open.larksuite.com"], path: /^\/open-apis\/bot\/v2\/hook\/[\w-]+$/ },
};
const SMTPS_PORT = "465"; // implicit TLS (RFC 8314); the edge runtime closes 25 and 587

/**
 * The opened address of a channel with an IP address to dial; `host` is the one that was allowed when the channel was saved.
 * Throws Problem: endpoint_not_allowed, private_address, unknown_host.
 */
export async function checkedEndpoint(
  kind: Kind,
  host: string,
  text: string,
  policy: Policy,
): Promise<Endpoint> {
  const url = parsed(text);
  const isStandIn = policy.allowsLoopback && isThisMachine(url.hostname);
  const isExpected = url.hostname === host && isAllowed(kind, url);
  if (!isStandIn && !isExpected) throw new Problem("endpoint_not_allowed", "refused");
  const addresses = await lookedUp(bare(url.hostname), policy.resolve);
  const isGood = isStandIn ? isLoopbackAddress : isPublicAddress;
  if (!addresses.every(isGood)) throw new Problem("private_address", "refused");
  const address = addresses.find((one) => !one.includes(":")) ?? addresses[0];
  if (address === undefined) throw new Problem("unknown_host", "failed");
  return { url, address };
}

function parsed(text: string): URL {
  try {
    return new URL(text.trim());
  } catch {
    throw new Problem("endpoint_not_allowed", "refused");
  }
}

function isAllowed(kind: Kind, url: URL): boolean {
  const isMailServer = kind === "email" && url.protocol === "smtps:";
  if (isMailServer) return url.hostname !== "" && (url.port === "" || url.port === SMTPS_PORT);
  if (url.protocol !== "https:" || url.username !== "" || url.password !== "") return false;
  const place = PLACES[kind];
  if (place === undefined) return true;
  return place.hosts.includes(url.hostname) && url.port === "" && place.path.test(url.pathname);
}

async function lookedUp(host: string, resolve: Resolve): Promise<string[]> {
  if (host.includes(":") || /^[\d.]+$/.test(host)) return [host];
  try {
    return await resolve(host);
  } catch {
    throw new Problem("unknown_host", "failed");
  }
}

function isThisMachine(hostname: string): boolean {
  return hostname === "localhost" || isLoopbackAddress(bare(hostname));
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
