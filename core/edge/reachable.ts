/** By which addresses a listener can be dialled, and from how far. */
import { networkInterfaces } from "node:os";
import { type Address, type Host, parseAddress, parseIp6 } from "../link/mod.ts";
import { isLoopback } from "./origin.ts";

type Interfaces = ReturnType<typeof networkInterfaces>;

/**
 * What others dial for sockets that are bound so: in place of all addresses (0.0.0.0, and :: which takes IPv4 too)
 * each one that this machine has; those that only it can dial itself come last. Link-local ones are left out, since
 * they mean nothing without the interface.
 */
export function reachableAddresses(
  bound: readonly Address[],
  interfaces: Interfaces = networkInterfaces(),
): readonly Address[] {
  const all = bound.flatMap((address) =>
    hostsOf(address.host, interfaces).map((host) => ({ ...address, host })),
  );
  const own = (address: Address) => isLoopback(address.host.name);
  return [...all.filter((address) => !own(address)), ...all.filter(own)];
}

function hostsOf(host: Host, interfaces: Interfaces): readonly Host[] {
  const kinds = host.kind === "ip4" && host.name === "0.0.0.0" ? ["IPv4"] : ["IPv4", "IPv6"];
  if (kinds.length > 1 && !(host.kind === "ip6" && host.name === "::")) return [host];
  const hosts = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ family, address }) => kinds.includes(family) && !isLinkLocal(address))
    .map(({ family, address }): Host => ({ kind: family === "IPv4" ? "ip4" : "ip6", name: address }));
  return hosts.length === 0 ? [host] : hosts;
}

function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab]/i.test(address);
}

/** From where one of `addresses` (multiaddrs) can be dialled, at best. */
export function reachOf(addresses: readonly string[]): "machine" | "network" | "anywhere" {
  const hosts = addresses.map((address) => parseAddress(address).host);
  if (hosts.every(({ name }) => isLoopback(name) || name === "localhost")) return "machine";
  return hosts.every(({ name }) => isLoopback(name) || isPrivate(name)) ? "network" : "anywhere";
}

/** RFC 1918, RFC 6598 (shared by carriers' NAT) and RFC 4193. */
function isPrivate(address: string): boolean {
  if (address.includes(":")) return ((parseIp6(address)?.[0] ?? 0) & 0xfe) === 0xfc;
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(address);
}
