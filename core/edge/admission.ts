import { limit } from "../ground/mod.ts";
import { AccessList } from "./access.ts";
import { Buckets } from "./bucket.ts";
import { Counts } from "./counts.ts";
import type { HandshakeSlots } from "./handshake_slots.ts";
import { MemoryBudget } from "./memory.ts";
import { type Origin, Origins, isLoopback, subnetOf } from "./origin.ts";
import type { Access, EdgeLimits } from "./port.ts";

/** How full a process is when somebody asks to come in. */
interface Fullness {
  readonly limits: EdgeLimits;
  /** Null where they are another process's to limit. */
  readonly handshakes: Pick<HandshakeSlots<never>, "hasRoom"> | null;
  /** Monotonic ms. */
  readonly now: number;
}

/**
 * Who may come in: every limit that is asked before and right after a handshake. One counts for all the drivers and
 * edge processes that share it.
 */
export class Admission {
  readonly #origins = new Origins();
  readonly #accepts = new Buckets();
  readonly #peers = new Counts();
  #access = new AccessList({ allow: [], deny: [] });
  readonly #memory = new MemoryBudget();
  #connections = 0;

  /** Lets these in from now on; throws Fault<"edge/access">, and then the old lists stay. */
  setAccess(access: Access): AccessList {
    this.#access = new AccessList(access);
    return this.#access;
  }

  /** The origin of one more inbound connection, counted, or the name of the limit that is in its way. */
  admit(address: string, fullness: Fullness): Origin | string {
    const { limits, now } = fullness;
    if (!this.#access.admitsAddress(address)) return "ACCESS_DENIED";
    if (this.#connections >= limits.connectionsMax) return "CONNECTIONS_MAX";
    if (fullness.handshakes?.hasRoom(address, limits.handshakesMax) === false) return "HANDSHAKES_MAX";
    if (this.isMemoryFull(fullness)) return "MEMORY_BYTES_MAX";
    const perSecond =
      limits.acceptsPerSecondMax ?? (isLoopback(address) ? 0 : limit.ACCEPTS_PER_SECOND_MAX_DEFAULT);
    const bucket = { perSecond, burst: (perSecond * limit.RATE_BURST_MS) / 1000 };
    if (perSecond > 0 && !this.#accepts.take(rateKey(address), now, bucket)) return "ACCEPTS_PER_SECOND_MAX";
    const origin = this.#origins.admit(address, limits);
    if (typeof origin !== "string") this.#connections++;
    return origin;
  }

  /** Whether a peer that has proven itself may stay, or the name of what is in its way; counts it in both cases. */
  admitPeer(peer: Uint8Array, limits: EdgeLimits): string | null {
    const max = limits.connectionsPerPeerMax ?? limit.CONNECTIONS_PER_PEER_MAX_DEFAULT;
    if (this.#peers.add(peer, 1) > max) return "CONNECTIONS_PER_PEER_MAX";
    return this.#access.admitsPeer(peer) ? null : "ACCESS_DENIED";
  }

  /** PeerIds that have connections. */
  get peers(): number {
    return this.#peers.size;
  }

  releasePeer(peer: Uint8Array): void {
    this.#peers.add(peer, -1);
  }

  /** Counts a connection that we made. */
  count(address: string): Origin {
    this.#connections++;
    return this.#origins.count(address);
  }

  release(origin: Origin): void {
    this.#connections--;
    this.#origins.release(origin);
  }

  /** Whether this process is over its memory budget, so that new work has to wait. */
  isMemoryFull({ limits, now }: Pick<Fullness, "limits" | "now">): boolean {
    return this.#memory.isFull(limits.memoryBytesMax ?? 0, { connections: this.#connections, now });
  }
}

/** Who is made to share a rate: an IPv4 address; a /48, since one holder has as many IPv6 addresses as he likes. */
function rateKey(address: string): string {
  return address.includes(":") ? subnetOf(address) : address;
}
