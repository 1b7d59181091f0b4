import { Fault, isFault } from "../ground/mod.ts";
import {
  type Address,
  type ByteQueue,
  type Link,
  type PeerId,
  type Portion,
  observedAddress,
  peerIdOf,
} from "../link/mod.ts";
import type { Driver } from "./driver.ts";
import type { Origin } from "./origin.ts";
import type { EdgeConnection, EdgeStream, StreamHandler } from "./port.ts";
import { OFF_WHEEL, type Timed } from "./wheel.ts";

/** What put() gets lies behind as many bytes that are the connection's to write on: as many as a frame's head takes. */
export const HEADROOM_BYTES = 10;

/** Makes the link that a connection drives. */
export type MakeLink = (owner: Connection) => Link<Connection>;

/** One try to dial. */
export interface Attempt {
  readonly link: MakeLink;
  /** Hears once how the handshake went: null, or what failed. */
  readonly settle: (failure: string | null) => void;
  /** Whether nobody waits for it any more: a socket that opens now is cut off. */
  readonly over: () => boolean;
  /** Aborts when it was given up before a socket opened. */
  readonly givenUp: AbortSignal;
}

/** A link with its socket. Compact: what only some connections need is null in the others. */
export abstract class Connection implements EdgeConnection, Timed {
  readonly id: number;
  readonly driver: Driver;
  readonly origin: Origin;
  readonly link: Link<Connection>;
  wheelSlot = OFF_WHEEL;
  wheelIndex = 0;
  /** Input that the link did not take yet; while there is some, the socket is paused. */
  heldInput: ByteQueue | null = null;
  /** Since when the socket takes no more; 0 while it does. */
  blockedMs = 0;
  /** When a closing connection's output has to be gone; Infinity while it is open. */
  closeByMs = Infinity;
  /** Whether it waits for this tick's flush. */
  dirty = false;
  /** When its handshake was done, monotonic; 0 before. */
  establishedMs = 0;
  /** Whether the socket is gone. */
  gone = false;
  /** Hears once how the handshake went; for a dialler. */
  waiter: ((failure: string | null) => void) | null = null;

  constructor(driver: Driver, origin: Origin, makeLink: MakeLink) {
    this.id = driver.nextId();
    this.driver = driver;
    this.origin = origin;
    this.link = makeLink(this);
  }

  /** Whether it came in by a listener and so counts against its limits. */
  abstract readonly inbound: boolean;
  abstract readonly remotePort: number;
  abstract readonly kind: Address["transport"];
  /**
   * Gives the socket the `length` bytes after HEADROOM_BYTES of `bytes`, copied where it keeps some; false when it
   * takes no more for now.
   */
  abstract put(bytes: Uint8Array, length: number): boolean;
  /** Gives the socket what put() kept; false where some still waits. */
  abstract putRest(): boolean;
  /** Gives the link what came from the socket, borrowed, and says how much of it went; see Link.receive(). */
  take(bytes: Uint8Array, now: number, most: Portion): number {
    return this.link.receive(bytes, now, most);
  }

  abstract pause(): void;
  abstract resume(): void;
  /**
   * Ends our side after what the socket took; false where the other end has yet to hang up, which the driver waits for
   * for a time. A socket that is closed on input which nobody read is reset, and then what was written last is lost.
   */
  abstract endSocket(): boolean;
  /** Ends the socket at once. */
  abstract terminateSocket(): void;

  get established(): boolean {
    return this.establishedMs > 0;
  }

  get peer(): PeerId {
    return peerIdOf(this.link.peerBytes);
  }

  get remoteAddress(): string {
    return this.origin.address;
  }

  /** The multiaddr in bytes that identify tells the peer it comes from. */
  get observedAddress(): Uint8Array {
    return observedAddress(this.remoteAddress, { port: this.remotePort, transport: this.kind });
  }

  get streams(): number {
    return this.link.streams;
  }

  get dueMs(): number {
    const blocked = this.blockedMs > 0 ? this.blockedMs + this.driver.limits.slowReaderTimeoutMs : Infinity;
    return Math.min(this.link.deadline, blocked, this.closeByMs);
  }

  open<T>(protocol: string, handler: StreamHandler<T>, context: T): EdgeStream<T> {
    try {
      return this.link.open(protocol, handler, context);
    } catch (error) {
      if (isFault(error)) throw new Fault("edge/closed", error.message, { cause: error });
      throw error;
    }
  }

  close(reason: string, options: { hard?: boolean } = {}): void {
    if (options.hard === true) this.driver.drop(this, reason);
    else this.link.close(reason);
  }
}
