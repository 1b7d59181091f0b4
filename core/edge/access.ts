import { Fault } from "../ground/mod.ts";
import { parseIp4, parseIp6, parsePeerId, peerIdOf } from "../link/mod.ts";
import type { Access } from "./port.ts";

interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Who is let in: a list of addresses, networks and PeerIds to deny, and one to allow alone. */
export class AccessList {
  readonly #deny: Entries;
  readonly #allow: Entries;

  /** Reads both lists; throws Fault<"edge/access"> naming an entry that is none of the three. */
  constructor(access: Access) {
    this.#deny = parseEntries(access.deny);
    this.#allow = parseEntries(access.allow);
  }

  /** Whether a connection may come from this IP address. */
  admitsAddress(address: string): boolean {
    if (this.#deny.networks.length + this.#allow.networks.length === 0) return true;
    const bytes = parseIp(address);
    if (bytes === null) return false;
    if (this.#deny.networks.some((network) => holds(network, bytes))) return false;
    return this.#allow.networks.length === 0 || this.#allow.networks.some((network) => holds(network, bytes));
  }

  /** Whether this peer, by its PeerId's multihash bytes, may stay. */
  admitsPeer(peer: Uint8Array): boolean {
    if (this.#deny.peers.size + this.#allow.peers.size === 0) return true;
    const { text } = peerIdOf(peer);
    return !this.#deny.peers.has(text) && (this.#allow.peers.size === 0 || this.#allow.peers.has(text));
  }
}

interface Entries {
  readonly networks: readonly Network[];
  readonly peers: ReadonlySet<string>;
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
const MAPPED_BITS = 96;
const MAPPED: Network = {
  bytes: Uint8Array.from({ length: 16 }, (_, at) => (at === 10 || at === 11 ? 0xff : 0)),
  bits: MAPPED_BITS,
};

function parseEntries(entries: readonly string[]): Entries {
  const networks: Network[] = [];
  const peers = new Set<string>();
  for (const entry of entries) {
    const network = parseNetwork(entry);
    if (network !== null) networks.push(network);
    else peers.add(parsePeer(entry));
  }
  return { networks, peers };
}

function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIp6(text) : parseIp4(text);
}

/** `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
function parseNetwork(entry: string): Network | null {
  const [address = "", prefix, more] = entry.split("/");
  const bytes = parseIp(address);
  if (bytes === null || more !== undefined) return null;
  const most = bytes.length * 8;
  if (prefix === undefined) return plainNetwork({ bytes, bits: most });
  const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= most;
  return isPrefix ? plainNetwork({ bytes, bits: Number(prefix) }) : null;
}

/** As peers' addresses are looked up: what maps IPv4 into IPv6 (`::ffff:192.0.2.7`) is IPv4. */
function plainNetwork(network: Network): Network {
  const { bytes, bits } = network;
  const isMapped = bits >= MAPPED_BITS && holds(MAPPED, bytes);
  return isMapped ? { bytes: bytes.slice(MAPPED_BITS / 8), bits: bits - MAPPED_BITS } : network;
}

function parsePeer(entry: string): string {
  try {
    return parsePeerId(entry).text;
  } catch (error) {
    const what = "an IP address, a network such as 192.0.2.0/24, or a PeerId";
    throw new Fault(
      "edge/access",
      `An access list takes ${what}, got ${JSON.stringify(entry.slice(0, 80))}`,
      {
        cause: error,
      },
    );
  }
}

function holds(network: Network, bytes: Uint8Array): boolean {
  if (network.bytes.length !== bytes.length) return false;
  for (let bit = 0; bit < network.bits; bit += 8) {
    const mask = network.bits - bit >= 8 ? 0xff : 0xff << (8 - (network.bits - bit));
    const at = bit >> 3;
    if ((((network.bytes[at] ?? 0) ^ (bytes[at] ?? 0)) & mask & 0xff) !== 0) return false;
  }
  return true;
}
