/**
 * Connections and streams as the relay sees those that an edge process holds: the ones of port.ts, whose bytes cross
 * a pipe. A write takes no more than the process may hold for the stream, so what a device leaves unread waits with
 * whoever wrote it, as it does on a connection of this process.
 */
import { limit } from "../../ground/mod.ts";
import { type PeerId, peerIdOf } from "../../link/mod.ts";
import type { Origin } from "../origin.ts";
import type { EdgeConnection, EdgeStream, StreamHandler } from "../port.ts";
import { encodeClose, encodeCount, KIND } from "./frame.ts";

/** The end of the pipe that they are carried by. */
export interface Carrier {
  send(kind: number, id: number, payload?: Uint8Array): void;
  /** Bytes of data that the pipe takes now. */
  readonly room: number;
  /** Room has to be told of. */
  wantsDrain(stream: CarriedStream): void;
  forget(stream: CarriedStream): void;
  /** Throws Fault<"edge/closed">. */
  open(connection: CarriedConnection, protocol: string, made: Made): CarriedStream;
  failed(error: unknown): void;
}

export interface Made {
  readonly handler: StreamHandler<unknown>;
  readonly context: unknown;
}

const NO_BYTES = new Uint8Array(0);

/** A connection of an edge process: who it is and where from, and nothing else. */
export class CarriedConnection implements EdgeConnection {
  readonly id: number;
  /** Its number in the edge process. */
  readonly number: number;
  readonly origin: Origin;
  readonly remotePort: number;
  streams = 0;
  /** Multihash bytes, proven; empty until then. */
  peerBytes: Uint8Array = NO_BYTES;
  /** Whether it is secured, and not closed yet. */
  isOpen = false;
  /** Whether it was closed here, which its process may not know yet: it has no new streams, and its streams no more data. */
  isLeaving = false;
  readonly #carrier: Carrier;

  constructor(carrier: Carrier, is: { id: number; number: number; origin: Origin; remotePort: number }) {
    this.#carrier = carrier;
    this.id = is.id;
    this.number = is.number;
    this.origin = is.origin;
    this.remotePort = is.remotePort;
  }

  get peer(): PeerId {
    return peerIdOf(this.peerBytes);
  }

  get remoteAddress(): string {
    return this.origin.address;
  }

  open<T>(protocol: string, handler: StreamHandler<T>, context: T): EdgeStream<T> {
    // A stream is of one handler for all its life, so that the context's type is the handler's is known here alone.
    const made = { handler: handler as StreamHandler<unknown>, context };
    return this.#carrier.open(this, protocol, made) as EdgeStream<T>;
  }

  close(reason: string, options: { hard?: boolean } = {}): void {
    this.isLeaving = true;
    this.#carrier.send(KIND.close, this.number, encodeClose({ hard: options.hard === true, reason }));
  }
}

/** A stream on such a connection. */
export class CarriedStream implements EdgeStream {
  readonly connection: CarriedConnection;
  readonly protocol: string;
  /** Its number on the pipe. */
  readonly number: number;
  context: unknown;
  readonly #carrier: Carrier;
  readonly #handler: StreamHandler<unknown>;
  /** What the process would still hold. */
  #credit = limit.EDGE_STREAM_HELD_BYTES_MAX;
  /** Dealt with and not yet told. */
  #consumed = 0;
  #drainDue = false;
  #agreed = false;
  #ended = false;
  #closed = false;

  constructor(
    carrier: Carrier,
    is: Made & { connection: CarriedConnection; protocol: string; number: number },
  ) {
    this.#carrier = carrier;
    this.connection = is.connection;
    this.protocol = is.protocol;
    this.number = is.number;
    this.context = is.context;
    this.#handler = is.handler;
    this.connection.streams++;
  }

  get writable(): number {
    return this.#isOver ? 0 : Math.min(this.#credit, this.#carrier.room);
  }

  write(bytes: Uint8Array): number {
    if (this.#isOver) return 0;
    const taken = Math.min(bytes.length, this.writable);
    if (taken > 0) {
      this.#credit -= taken;
      this.#carrier.send(KIND.data, this.number, taken === bytes.length ? bytes : bytes.subarray(0, taken));
    }
    if (taken < bytes.length) {
      this.#drainDue = true;
      this.#waitForRoom();
    }
    return taken;
  }

  consume(bytes: number): void {
    if (this.#closed) return;
    this.#consumed += bytes;
    if (this.#consumed < limit.EDGE_CONSUMED_BYTES_TOLD) return;
    this.#carrier.send(KIND.consumed, this.number, encodeCount(this.#consumed));
    this.#consumed = 0;
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.#drainDue = false;
    this.#carrier.send(KIND.end, this.number);
  }

  reset(): void {
    if (this.#closed) return;
    this.#carrier.send(KIND.gone, this.number);
    this.gone("reset here");
  }

  /** For the carrier, as what follows: the protocol is agreed. */
  agreed(): void {
    if (this.#agreed) return;
    this.#agreed = true;
    this.#run(() => this.#handler.onOpen(this));
  }

  received(bytes: Uint8Array): void {
    this.#run(() => this.#handler.onData(this, bytes));
  }

  receivedEnd(): void {
    this.#run(() => this.#handler.onEnd(this));
  }

  /** The device took so much of what the process held. */
  widen(bytes: number): void {
    this.#credit += bytes;
    this.drain();
  }

  /** Tells a writer that waits that more fits, where it does. */
  drain(): void {
    if (!this.#drainDue || this.#isOver) return;
    if (this.writable === 0) return this.#waitForRoom();
    this.#drainDue = false;
    this.#run(() => this.#handler.onDrain(this));
  }

  gone(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.streams--;
    this.#carrier.forget(this);
    try {
      this.#handler.onClose(this, reason);
    } catch (error) {
      this.#carrier.failed(error);
    }
  }

  /** Whether nothing more can be written. */
  get #isOver(): boolean {
    return this.#ended || this.#closed || this.connection.isLeaving;
  }

  /** Without credit it is the device that is waited for, and widen() tells. */
  #waitForRoom(): void {
    if (this.#credit > 0) this.#carrier.wantsDrain(this);
  }

  /** A handler that throws costs its stream. */
  #run(step: () => void): void {
    if (this.#closed) return;
    try {
      step();
    } catch (error) {
      this.#carrier.failed(error);
      this.reset();
    }
  }
}
