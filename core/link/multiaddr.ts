/**
 * Multiaddrs, as many as dchat uses: `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/ws|/tls/ws][/p2p/PEER]`, in text and in bytes
 * (multiformats/multiaddr spec), and HOST:PORT beside them where people type addresses.
 */
import { Fault } from "../ground/mod.ts";
import { concat, readU16, writeU16 } from "./bytes.ts";
import { formatIp6, parseIp4, parseIp6 } from "./ip.ts";
import { type PeerId, parsePeerId, peerIdOf } from "./peer_id.ts";
import { pushVarint } from "./protobuf.ts";

export interface Host {
  readonly kind: "ip4" | "ip6" | "dns" | "dns4" | "dns6";
  /** As written for names, canonical for addresses; no brackets. */
  readonly name: string;
}

export interface Address {
  readonly host: Host;
  readonly port: number;
  readonly transport: "tcp" | "ws" | "wss";
  /** Who must answer, or null. */
  readonly peer: PeerId | null;
}

/** Numbers of the protocol table of multiaddr. */
const CODE = {
  ip4: 4,
  tcp: 6,
  dns: 53,
  dns4: 54,
  dns6: 55,
  ip6: 41,
  p2p: 421,
  tls: 448,
  ws: 477,
  wss: 478,
} as const;
const EXAMPLE = "/ip4/127.0.0.1/tcp/7070";
const NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;

/** Reads a multiaddr; throws Fault<"link/address"> saying which part is wrong. */
export function parseAddress(text: string): Address {
  if (!text.startsWith("/")) fail(text, `it starts with "/", such as ${EXAMPLE}`);
  const parts = text.split("/").slice(1);
  const host = parseHost(text, parts[0] ?? "", parts[1] ?? "");
  if (parts[2] !== "tcp") fail(text, `after the host comes /tcp/PORT, got ${quote(parts[2])}`);
  const port = parsePort(text, parts[3] ?? "");
  let rest = parts.slice(4);
  let transport: Address["transport"] = "tcp";
  if (rest[0] === "ws" || rest[0] === "wss") {
    transport = rest[0];
    rest = rest.slice(1);
  } else if (rest[0] === "tls" && rest[1] === "ws") {
    transport = "wss";
    rest = rest.slice(2);
  }
  let peer: PeerId | null = null;
  if (rest[0] === "p2p") {
    peer = parsePeerId(rest[1] ?? "");
    rest = rest.slice(2);
  }
  if (rest.length > 0) fail(text, `nothing may follow, got ${quote(rest.join("/"))}`);
  return { host, port, transport, peer };
}

/** Reads where to listen: a multiaddr or HOST:PORT (`[::1]:7070` for IPv6); port 0 takes a free one. */
export function parseListenAddress(text: string): Address {
  if (text.startsWith("/")) return parseAddress(text);
  const split = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (split === null) fail(text, `expected HOST:PORT, [IPV6]:PORT or a multiaddr such as ${EXAMPLE}`);
  const name = split[1] ?? split[2] ?? "";
  const kind = split[1] !== undefined ? "ip6" : parseIp4(name) !== null ? "ip4" : "dns";
  return {
    host: parseHost(text, kind, name),
    port: parsePort(text, split[3] ?? ""),
    transport: "tcp",
    peer: null,
  };
}

/** The multiaddr's text, /p2p/ included where a peer is named. */
export function formatAddress(address: Address): string {
  const transport = address.transport === "tcp" ? "" : address.transport === "ws" ? "/ws" : "/tls/ws";
  const peer = address.peer === null ? "" : `/p2p/${address.peer.text}`;
  return `/${address.host.kind}/${address.host.name}/tcp/${address.port}${transport}${peer}`;
}

/** The multiaddr's bytes. */
export function encodeMultiaddr(address: Address): Uint8Array {
  const port = new Uint8Array(2);
  writeU16(port, 0, address.port);
  const parts = [code(CODE[address.host.kind]), encodeHost(address.host), code(CODE.tcp), port];
  if (address.transport === "ws") parts.push(code(CODE.ws));
  if (address.transport === "wss") parts.push(code(CODE.tls), code(CODE.ws));
  if (address.peer !== null) parts.push(code(CODE.p2p), prefixed(address.peer.bytes));
  return concat(...parts);
}

/** The text of a multiaddr's bytes, or null where it isn't one of ours. */
export function decodeMultiaddr(bytes: Uint8Array): string | null {
  if (bytes[0] === CODE.ip4 && bytes.length >= 8)
    return decodeRest(`/ip4/${bytes.subarray(1, 5).join(".")}`, bytes, 5);
  if (bytes[0] === CODE.ip6 && bytes.length >= 20)
    return decodeRest(`/ip6/${formatIp6(bytes.subarray(1, 17))}`, bytes, 17);
  for (const kind of ["dns", "dns4", "dns6"] as const) {
    const length = bytes[1] ?? 0;
    if (bytes[0] !== CODE[kind] || length >= 0x80 || bytes.length < 2 + length) continue;
    return decodeRest(
      `/${kind}/${new TextDecoder().decode(bytes.subarray(2, 2 + length))}`,
      bytes,
      2 + length,
    );
  }
  return null;
}

/** The bytes of the multiaddr of a connection's other end: an IP address in text and a TCP port. */
export function observedAddress(ip: string, at: Pick<Address, "port" | "transport">): Uint8Array {
  const kind = ip.includes(":") ? "ip6" : "ip4";
  return encodeMultiaddr({ host: { kind, name: ip }, port: at.port, transport: at.transport, peer: null });
}

function decodeRest(host: string, bytes: Uint8Array, at: number): string | null {
  if (bytes[at] !== CODE.tcp || bytes.length < at + 3) return null;
  let tail = bytes.subarray(at + 3);
  let text = `${host}/tcp/${readU16(bytes, at + 1)}`;
  for (const [name, prefix] of TRANSPORT_CODES) {
    if (!startsWith(tail, prefix)) continue;
    text += name;
    tail = tail.subarray(prefix.length);
    break;
  }
  if (tail.length === 0) return text;
  const peer = startsWith(tail, P2P_CODE) ? tail.subarray(P2P_CODE.length + 1) : null;
  if (peer === null || peer.length !== tail[P2P_CODE.length]) return null;
  return `${text}/p2p/${peerIdOf(peer).text}`;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => byte === bytes[index]);
}

const P2P_CODE = code(CODE.p2p);
const TRANSPORT_CODES = [
  ["/ws", code(CODE.ws)],
  ["/wss", code(CODE.wss)],
  ["/tls/ws", concat(code(CODE.tls), code(CODE.ws))],
] as const;

function parseHost(text: string, kind: string, name: string): Host {
  if (kind === "ip4") {
    if (parseIp4(name) === null) fail(text, `/ip4 takes an IPv4 address, got ${quote(name)}`);
    return { kind, name };
  }
  if (kind === "ip6") {
    const bytes = parseIp6(name);
    if (bytes === null) fail(text, `/ip6 takes an IPv6 address, got ${quote(name)}`);
    return { kind, name: formatIp6(bytes) };
  }
  if (kind === "dns" || kind === "dns4" || kind === "dns6") {
    if (!NAME.test(name)) fail(text, `/${kind} takes a host name, got ${quote(name)}`);
    return { kind, name };
  }
  return fail(text, `the host is /ip4, /ip6, /dns, /dns4 or /dns6, got ${quote(kind)}`);
}

function encodeHost(host: Host): Uint8Array {
  if (host.kind === "ip4") return parseIp4(host.name) ?? new Uint8Array(4);
  if (host.kind === "ip6") return parseIp6(host.name) ?? new Uint8Array(16);
  return prefixed(new TextEncoder().encode(host.name));
}

function parsePort(text: string, port: string): number {
  const value = /^\d{1,5}$/.test(port) ? Number(port) : -1;
  return value >= 0 && value <= 65_535 ? value : fail(text, `a port is 0 to 65535, got ${quote(port)}`);
}

function code(value: number): Uint8Array {
  const out: number[] = [];
  pushVarint(out, value);
  return Uint8Array.from(out);
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return concat(code(bytes.length), bytes);
}

function quote(text: string | undefined): string {
  return text === undefined || text === "" ? "nothing" : JSON.stringify(text.slice(0, 80));
}

function fail(text: string, why: string): never {
  throw new Fault("link/address", `Cannot read the address ${JSON.stringify(text.slice(0, 200))}: ${why}`);
}
