/** Where connections come from, and how many from each place: an address, and its /24 or /48. */
import { limit } from "../ground/mod.ts";
import { parseIp6 } from "../link/mod.ts";
import type { EdgeLimits } from "./port.ts";

/** One address; shared by all its connections, and forgotten with the last. */
export interface Origin {
  readonly address: string;
  readonly subnet: Subnet;
  connections: number;
}

interface Subnet {
  readonly name: string;
  connections: number;
}

/** Counts connections by origin; holds no more entries than there are connections. */
export class Origins {
  readonly #origins = new Map<string, Origin>();
  readonly #subnets = new Map<string, Subnet>();

  /** Entries held: addresses and subnets. */
  get size(): number {
    return this.#origins.size + this.#subnets.size;
  }

  /** Counts one more from `address`, or says by its name in ground/limit.ts which limit is in the way. */
  admit(address: string, limits: EdgeLimits): Origin | string {
    const origin = this.#origins.get(address);
    if ((origin?.connections ?? 0) >= limits.connectionsPerAddressMax) return "CONNECTIONS_PER_ADDRESS_MAX";
    const name = origin?.subnet.name ?? subnetOf(address);
    const subnet = origin?.subnet ?? this.#subnets.get(name) ?? { name, connections: 0 };
    const subnetMax = limits.connectionsPerSubnetMax ?? limit.CONNECTIONS_PER_SUBNET_MAX_DEFAULT;
    // A loopback is one machine: there the address's own limit is the only one.
    if (subnet.connections >= subnetMax && !isLoopback(address)) return "CONNECTIONS_PER_SUBNET_MAX";
    return this.#count(origin ?? { address, subnet, connections: 0 });
  }

  /** Counts a connection of an address that no limit holds for: one that was dialled. */
  count(address: string): Origin {
    const origin = this.#origins.get(address);
    if (origin !== undefined) return this.#count(origin);
    const name = subnetOf(address);
    return this.#count({
      address,
      subnet: this.#subnets.get(name) ?? { name, connections: 0 },
      connections: 0,
    });
  }

  /** One connection less. */
  release(origin: Origin): void {
    if (--origin.connections === 0) this.#origins.delete(origin.address);
    if (--origin.subnet.connections === 0) this.#subnets.delete(origin.subnet.name);
  }

  #count(origin: Origin): Origin {
    if (origin.connections++ === 0) this.#origins.set(origin.address, origin);
    if (origin.subnet.connections++ === 0) this.#subnets.set(origin.subnet.name, origin.subnet);
    return origin;
  }
}

/** An address as text without the IPv4-in-IPv6 prefix that dual-stack sockets show. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** The name of the /24 or /48 that an address lies in. */
export function subnetOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, Math.max(0, address.lastIndexOf(".")));
  return parseIp6(address)?.subarray(0, 6).join(",") ?? address;
}

/** Whether an address is this machine's own. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
