import { type Clock, limit } from "../ground/mod.ts";
import {
  BufferPool,
  ByteQueue,
  type Link,
  type LinkEvents,
  type LinkLimits,
  type LinkProfile,
} from "../link/mod.ts";
import { type Connection, HEADROOM_BYTES } from "./connection.ts";
import { Admission } from "./admission.ts";
import { HandshakeSlots } from "./handshake_slots.ts";
import { HandshakeTurns } from "./handshake_turns.ts";
import type { Origin } from "./origin.ts";
import { InputTurns } from "./input_turns.ts";
import { linkLimits } from "./link_limits.ts";
import type { Access, EdgeEvents, EdgeLimits } from "./port.ts";
import { Ticks } from "./ticks.ts";
import { TimingWheel } from "./wheel.ts";

/** One write's size: as much as a largest Noise frame, so that little is kept when a socket stops taking. */
const WRITE_BYTES_MAX = 66 * 1024;

export interface DriverOptions {
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly events: EdgeEvents | null;
  /** Who counts its connections, where others are counted with them. */
  readonly admission?: Admission;
}

/** What links of one role have beside what all links of a driver share. */
type OwnProfile = Omit<LinkProfile<Connection>, "pool" | "events" | "limits" | "hasMemory">;

/**
 * Moves bytes between sockets and links: input as it comes, output once a tick for each connection that has some.
 * One for a listener or a dialler; it owns the buffers and the one timer that all its connections share.
 */
export class Driver implements LinkEvents<Connection> {
  readonly pool = new BufferPool();
  readonly admission: Admission;
  readonly connections = new Set<Connection>();
  readonly clock: Clock;
  limits: EdgeLimits;
  /** What all links share. */
  #linkLimits: LinkLimits;
  /** Inbound connections whose handshake is under way. */
  readonly #slots = new HandshakeSlots<Connection>();
  /** Called when the last connection has gone. */
  onEmpty: (() => void) | null = null;
  readonly #events: EdgeEvents | null;
  readonly #wheel: TimingWheel<Connection>;
  readonly #handshakes: HandshakeTurns<Connection>;
  readonly #inputs: InputTurns<Connection>;
  readonly #out = new Uint8Array(HEADROOM_BYTES + WRITE_BYTES_MAX);
  readonly #pulled = this.#out.subarray(HEADROOM_BYTES);
  #scheduled = false;
  #dirty: Connection[] = [];
  #flushing: Connection[] = [];
  readonly #ticks: Ticks;
  #lastId = 0;
  #resting = false;

  constructor(options: DriverOptions) {
    this.admission = options.admission ?? new Admission();
    this.clock = options.clock;
    this.limits = options.limits;
    this.#linkLimits = linkLimits(options.limits);
    this.#events = options.events;
    this.#wheel = new TimingWheel(options.clock.monotonic());
    this.#ticks = new Ticks(options.clock, (now) => this.#wheel.advance(now, this.#due));
    this.#handshakes = new HandshakeTurns(this.clock, (connection) => this.#flush(connection));
    this.#inputs = new InputTurns(this.clock, (connection) => this.#flush(connection));
  }

  nextId(): number {
    return ++this.#lastId;
  }

  /** Whether one more may come in from `address`: its origin, counted, or null after saying which limit it hit. */
  admit(address: string): Origin | null {
    const admitted = this.#resting
      ? "EDGE_PIPE_MARK_BYTES"
      : this.admission.admit(address, {
          limits: this.limits,
          handshakes: this.#slots,
          now: this.clock.monotonic(),
        });
    if (typeof admitted !== "string") return admitted;
    this.#events?.limited(admitted, address);
    return null;
  }

  /** Changes who may come in, and drops who is there and may not. */
  setAccess(access: Access): void {
    const list = this.admission.setAccess(access);
    for (const connection of this.connections) {
      const denied = !list.admitsAddress(connection.remoteAddress);
      if (denied || (connection.established && !list.admitsPeer(connection.link.peerBytes))) {
        this.drop(connection, "access denied");
      }
    }
  }

  /** Limits that are in force from now on, for who is there too. */
  setLimits(limits: EdgeLimits): void {
    this.limits = limits;
    // Streams that are open count with the window that they began with.
    const { streamWindowBytes } = this.#linkLimits;
    this.#linkLimits = { ...linkLimits(limits), streamWindowBytes };
    for (const connection of this.connections) this.#wheel.arm(connection);
  }

  /** While it rests nothing is read from who is there and nobody comes in: what was read has nowhere to go. */
  rest(resting: boolean): void {
    if (this.#resting === resting) return;
    this.#resting = resting;
    if (resting) return;
    for (const connection of this.connections) if (connection.heldInput !== null) this.#flush(connection);
  }

  /** Takes a connection whose socket is open. */
  add(connection: Connection): void {
    this.connections.add(connection);
    const displaced = connection.inbound ? this.#slots.add(connection, this.limits.handshakesMax) : null;
    if (displaced !== null) {
      this.limited(displaced.link, "HANDSHAKES_MAX");
      this.drop(displaced, "handshakes of others came first");
    }
    this.#events?.arrived?.(connection);
    this.#wheel.arm(connection);
    this.#ticks.start();
    if (connection.link.queue.length > 0) this.output(connection.link);
  }

  /** Bytes from the socket; kept where the link doesn't take them. */
  received(connection: Connection, bytes: Uint8Array): void {
    this.#events?.bytes(bytes.length, 0);
    const held = connection.heldInput;
    try {
      if (held === null && !this.#waits(connection)) {
        const taken = this.#take(connection, bytes);
        if (taken < bytes.length) {
          this.#hold(connection, bytes.subarray(taken));
          if (!this.#rests(connection)) this.#goOnLater(connection);
        }
      } else if (held === null) {
        this.#hold(connection, bytes);
        this.#handshakes.wait(connection);
        this.#schedule();
      }
      // A pause takes hold a moment late. Whoever sends far more than was asked for is cut off.
      else if (held.length + bytes.length > limit.HELD_INPUT_BYTES_MAX) this.#overrun(connection);
      else held.append(bytes);
    } catch (error) {
      this.#broke(connection, error);
    }
  }

  /** Bytes that a socket was given and that are no link's. */
  wrote(length: number): void {
    this.#events?.bytes(0, length);
  }

  /** The socket takes no more for now. */
  blocked(connection: Connection): void {
    connection.blockedMs = this.clock.monotonic();
    if (connection.link.isHeldUp) this.limited(connection.link, "LINK_OUTPUT_MARK_BYTES");
    if (connection.dueMs < Infinity) this.#wheel.arm(connection);
  }

  /** The socket takes more again. */
  drained(connection: Connection): void {
    if (connection.gone || connection.blockedMs === 0 || !connection.putRest()) return;
    connection.blockedMs = 0;
    this.#flush(connection);
  }

  /** The socket is gone. */
  lost(connection: Connection, reason: string): void {
    if (connection.gone) return;
    connection.gone = true;
    connection.link.abort(reason);
    connection.heldInput = null;
    this.#wheel.remove(connection);
    this.connections.delete(connection);
    this.admission.release(connection.origin);
    if (connection.established && connection.inbound) this.admission.releasePeer(connection.link.peerBytes);
    this.#events?.left?.(connection);
    if (this.connections.size > 0) return;
    this.#ticks.stop();
    this.onEmpty?.();
  }

  /** Ends a connection at once. */
  drop(connection: Connection, reason: string): void {
    if (connection.gone) return;
    connection.link.abort(reason);
    connection.terminateSocket();
    this.lost(connection, reason);
  }

  opened(link: Link<Connection>): void {
    const connection = link.owner;
    connection.establishedMs = this.clock.monotonic();
    this.#slots.remove(connection);
    // The keepalive may be due before the handshake would have been.
    this.#wheel.arm(connection);
    this.#settle(connection, null);
    this.#events?.opened(connection);
    const refused = connection.inbound ? this.admission.admitPeer(link.peerBytes, this.limits) : null;
    if (refused === null) return;
    this.#events?.limited(refused, connection.remoteAddress);
    link.close("refused");
  }

  closed(link: Link<Connection>, reason: string): void {
    const connection = link.owner;
    this.#slots.remove(connection);
    this.#settle(connection, reason);
    if (connection.established) this.#events?.closed(connection, reason);
    else if (connection.inbound) this.#events?.failed?.(reason);
    if (reason === "handshake timed out")
      this.#events?.limited("HANDSHAKE_TIMEOUT_MS", connection.remoteAddress);
    if (connection.gone) return;
    const lingerMs = connection.established ? limit.CLOSE_LINGER_MS : limit.REFUSAL_LINGER_MS;
    connection.closeByMs = this.clock.monotonic() + lingerMs;
    this.#wheel.arm(connection);
    this.output(link);
  }

  output(link: Link<Connection>): void {
    const connection = link.owner;
    if (connection.dirty || connection.gone) return;
    connection.dirty = true;
    this.#dirty.push(connection);
    this.#schedule();
  }

  limited(link: Link<Connection>, name: string): void {
    // A queue that fills faster than a turn of the loop empties it is no slow reader's.
    if (name === "LINK_OUTPUT_MARK_BYTES" && link.owner.blockedMs === 0) return;
    this.#events?.limited(name, link.owner.remoteAddress);
  }

  /** Somebody was turned away of whom nothing is known. */
  turnedAway(name: string): void {
    this.#events?.limited(name, "");
  }

  error(error: unknown): void {
    if (this.#events !== null) this.#events.error(error);
    else console.error(error);
  }

  /** A profile's part that all links of this driver share. */
  profile(rest: OwnProfile): LinkProfile<Connection> {
    return { ...rest, pool: this.pool, events: this, limits: this.#limitsNow, hasMemory: this.#hasMemory };
  }

  // One of each, not one a profile: a dialler makes a profile for each connection.
  readonly #limitsNow = (): LinkLimits => this.#linkLimits;
  readonly #hasMemory = (): boolean => !this.isMemoryFull;

  /** Whether this process is over its memory budget, so that new work has to wait. */
  get isMemoryFull(): boolean {
    return this.admission.isMemoryFull({ limits: this.limits, now: this.clock.monotonic() });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Once a turn of the event loop: output first, then handshakes and what else waited. */
  readonly #turn = (): void => {
    this.#scheduled = false;
    const dirty = this.#dirty;
    this.#dirty = this.#flushing;
    this.#flushing = dirty;
    for (const connection of dirty) {
      connection.dirty = false;
      this.#flush(connection);
    }
    dirty.length = 0;
    if (this.#handshakes.begin()) this.#schedule();
    if (this.#inputs.begin()) this.#schedule();
  };

  /** A handshake under way goes on: its time would be over before the rest is. What is closed reads until it is left. */
  #rests({ established, link }: Connection): boolean {
    return this.#resting && established && !link.isClosed;
  }

  /** Whether what it brings is for a later turn. */
  #waits(connection: Connection): boolean {
    return connection.inbound && !connection.established && this.#handshakes.isOver;
  }

  /** Gives the link input and returns how much it took. */
  #take(connection: Connection, bytes: Uint8Array): number {
    const beganMs = this.clock.monotonic();
    const { establishedMs, link } = connection;
    const wasAsked = link.isAsked;
    const taken = this.#rests(connection) ? 0 : this.#inputs.take(connection, bytes, beganMs);
    if (this.#inputs.isSpent) this.#schedule();
    // Its place on the wheel was the answer's last moment; the next question may be due before that.
    if (wasAsked && !link.isAsked && !connection.gone) this.#wheel.arm(connection);
    if (establishedMs === 0) this.#handshakes.spent(this.clock.monotonic() - beganMs);
    else if (beganMs - establishedMs > limit.HANDSHAKE_NEW_MS) this.#handshakes.talked(beganMs);
    return taken;
  }

  /** Keeps input for later; until then its socket brings no more. */
  #hold(connection: Connection, bytes: Uint8Array): void {
    connection.heldInput = new ByteQueue(this.pool);
    connection.heldInput.append(bytes);
    connection.pause();
  }

  /** What it still holds waits until others had their turn. */
  #goOnLater(connection: Connection): void {
    this.#inputs.wait(connection);
    this.#schedule();
  }

  #flush(connection: Connection): void {
    try {
      this.#exchange(connection);
    } catch (error) {
      this.#broke(connection, error);
    }
  }

  /** Writes what waits until the socket takes no more, then lets in what was held. */
  #exchange(connection: Connection): void {
    const link = connection.link;
    while (!connection.gone) {
      if (connection.blockedMs === 0) this.#write(connection);
      const held = connection.heldInput;
      if (connection.gone || held === null || link.isFull || this.#rests(connection)) break;
      if (this.#inputs.has(connection)) break;
      connection.heldInput = null;
      held.skip(this.#take(connection, held.peek(held.length)));
      if (connection.gone) return;
      if (held.length === 0) connection.resume();
      else connection.heldInput = held;
      if (held.length > 0 && !link.isFull) return this.#goOnLater(connection);
    }
    if (connection.gone || !link.isClosed || connection.blockedMs > 0 || link.queue.length > 0) return;
    if (connection.endSocket()) this.lost(connection, "closed");
  }

  #write(connection: Connection): void {
    for (;;) {
      const length = connection.link.pull(this.#pulled);
      if (length === 0) return;
      this.#events?.bytes(0, length);
      if (connection.put(this.#out, length)) continue;
      if (!connection.gone) this.blocked(connection);
      return;
    }
  }

  /** A bug or a broken cipher costs one connection. */
  #broke(connection: Connection, error: unknown): void {
    this.error(error);
    this.drop(connection, "failed here");
  }

  #overrun(connection: Connection): void {
    this.#events?.limited("HELD_INPUT_BYTES_MAX", connection.remoteAddress);
    this.drop(connection, "sent more than was taken");
  }

  readonly #due = (connection: Connection): void => {
    const now = this.clock.monotonic();
    if (connection.closeByMs <= now) return this.drop(connection, "closing took too long");
    if (connection.blockedMs > 0 && connection.blockedMs + this.limits.slowReaderTimeoutMs <= now) {
      this.#events?.limited("SLOW_READER_TIMEOUT_MS", connection.remoteAddress);
      return this.drop(connection, "slow reader");
    }
    // Who said something that is still held isn't silent.
    if (connection.established && connection.heldInput !== null) return this.#wheel.arm(connection);
    connection.link.tick(now);
    // Whoever was silent for so long won't hang up soon either.
    if (connection.link.isClosed)
      connection.closeByMs = Math.min(connection.closeByMs, now + limit.REFUSAL_LINGER_MS);
    if (!connection.gone) this.#wheel.arm(connection);
  };

  #settle(connection: Connection, failure: string | null): void {
    const waiter = connection.waiter;
    connection.waiter = null;
    waiter?.(failure);
  }
}
