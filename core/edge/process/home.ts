/**
 * The relay's end of one edge process: its connections and streams look like those of the relay's own listener to
 * all who serve and count them. One ledger admits for all processes: a connection is counted when word of it comes,
 * before its handshake can be over, and one too many is refused then.
 */
import { type Clock, Fault } from "../../ground/mod.ts";
import type { Admission } from "../admission.ts";
import type { EdgeConnection, EdgeEvents, EdgeLimits, ProtocolTable } from "../port.ts";
import { CarriedConnection, CarriedStream, type Carrier, type Made } from "./carried.ts";
import {
  decodeArrived,
  decodeCount,
  decodeStream,
  decodeText,
  encodeStream,
  KIND,
  outOfStep,
} from "./frame.ts";
import { connectPipe, Pipe, type PipeOwner } from "./pipe.ts";
import {
  decodeReport,
  encodeJson,
  type Order,
  type Report,
  type Start,
  type Tally,
  type Usage,
} from "./order.ts";

/** What the relay's processes share, and what is in force now. */
export interface HomeOptions {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly events: EdgeEvents;
  readonly protocols: ProtocolTable;
  readonly nextId: () => number;
  readonly limits: () => EdgeLimits;
  /** How often a process is asked whether it runs; one that owes two answers is ended. */
  readonly askMs: number;
  /** Told with each answer. */
  readonly used: (usage: Usage) => void;
  /** How a process with this Noise static key is to listen. */
  readonly start: (staticKey: Uint8Array) => Start;
}

/** How long after its deadline a process that drains is waited for. */
const DRAIN_LATE_MS = 1000;
const ENDED = "edge process ended";

export class EdgeProcess implements PipeOwner, Carrier, Iterable<EdgeConnection> {
  readonly #options: HomeOptions;
  readonly #pipe = new Pipe(this);
  readonly #connections = new Map<number, CarriedConnection>();
  readonly #streams = new Map<number, CarriedStream>();
  /** Streams whose writers wait for room in the pipe. */
  readonly #waiting = new Set<CarriedStream>();
  readonly #listening = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<string>();
  /** What changed since it was told how to start, until it listens; null before it was told. */
  #untold: Order[] | null = null;
  /** It has listened, and takes orders. */
  #hasStarted = false;
  #listens = false;
  #asking: ReturnType<typeof setInterval> | null = null;
  #owed = 0;
  #lastNumber = 0;

  constructor(options: HomeOptions) {
    this.#options = options;
    // Whoever waits hears of it; the process's end is told to all others.
    this.#listening.promise.catch(() => undefined);
  }

  /** Works over `fd`, one end of a socket pair; the process holds the other. */
  async connect(fd: number): Promise<void> {
    await connectPipe(fd, this.#pipe);
  }

  /** Resolves when it takes connections; throws Fault<"edge/bind"> where it can't. */
  get listening(): Promise<void> {
    return this.#listening.promise;
  }

  /** Resolves with the reason when it is gone and all that it held is closed. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  /** Whether it took connections when it was last asked. */
  get isListening(): boolean {
    return this.#listens;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get room(): number {
    return this.#pipe.room;
  }

  [Symbol.iterator](): Iterator<EdgeConnection> {
    return this.#connections.values();
  }

  send(kind: number, id: number, payload?: Uint8Array): void {
    this.#pipe.send(kind, id, payload);
  }

  /** Orders something that may change while running, as soon as it listens. */
  order(order: Order): void {
    if (this.#hasStarted) this.#order(order);
    else this.#untold?.push(order);
  }

  /** Has it go in peace until `deadlineMs` (monotonic), and ends it then. */
  async drain(deadlineMs: number): Promise<void> {
    const ms = Math.max(0, Math.round(deadlineMs - this.#options.clock.monotonic()));
    if (!this.#hasStarted) return this.abort("shutting down");
    this.#order({ is: "drain", ms });
    const late = setTimeout(() => this.abort("shutting down took too long"), ms + DRAIN_LATE_MS);
    await this.ended;
    clearTimeout(late);
  }

  abort(reason: string): void {
    this.#pipe.abort(reason);
  }

  onFrame(kind: number, id: number, payload: Uint8Array): void {
    switch (kind) {
      case KIND.data:
        return this.#streams.get(id)?.received(payload);
      case KIND.consumed:
        return this.#streams.get(id)?.widen(decodeCount(payload));
      case KIND.end:
        return this.#streams.get(id)?.receivedEnd();
      case KIND.gone:
        return this.#streams.get(id)?.gone(decodeText(payload));
      case KIND.stream:
        return this.#accept(id, payload);
      case KIND.agreed:
        return this.#streams.get(id)?.agreed();
      case KIND.arrived:
        return this.#arrived(id, payload);
      case KIND.opened:
        return this.#opened(id, payload);
      case KIND.closed:
        return this.#closed(this.#connections.get(id), decodeText(payload));
      case KIND.left:
        return this.#left(this.#connections.get(id));
      case KIND.report:
        return this.#heard(decodeReport(payload));
      default:
        throw outOfStep(`kind ${kind}`);
    }
  }

  onFull(): void {
    // Writers ask for room, and wait for onDrain where there is none.
  }

  onDrain(): void {
    // In turn: those that there is no room for any more come first the next time.
    for (const stream of this.#waiting) {
      if (this.room === 0) return;
      this.#waiting.delete(stream);
      stream.drain();
    }
  }

  onGone(reason: string): void {
    if (this.#asking !== null) clearInterval(this.#asking);
    for (const stream of this.#streams.values()) stream.gone(ENDED);
    for (const connection of this.#connections.values()) {
      this.#closed(connection, ENDED);
      this.#left(connection);
    }
    this.#listening.reject(new Fault("edge/bind", `An edge process ended before it listened: ${reason}`));
    this.#ended.resolve(reason);
  }

  wantsDrain(stream: CarriedStream): void {
    this.#waiting.add(stream);
  }

  forget(stream: CarriedStream): void {
    this.#streams.delete(stream.number);
    this.#waiting.delete(stream);
  }

  failed(error: unknown): void {
    this.#options.events.error(error);
  }

  open(connection: CarriedConnection, protocol: string, made: Made): CarriedStream {
    if (this.#connections.get(connection.number) !== connection || connection.isLeaving) {
      throw new Fault("edge/closed", "Cannot open a stream: the connection is closed");
    }
    this.#lastNumber += 2;
    const stream = new CarriedStream(this, { ...made, connection, protocol, number: this.#lastNumber });
    this.#streams.set(stream.number, stream);
    this.send(KIND.stream, stream.number, encodeStream({ connection: connection.number, protocol }));
    return stream;
  }

  #accept(number: number, payload: Uint8Array): void {
    const { connection: id, protocol } = decodeStream(payload);
    if (this.#streams.has(number)) throw outOfStep("a stream is opened twice");
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.isLeaving) return this.send(KIND.gone, number);
    const handler = this.#options.protocols(protocol);
    if (handler === null) return this.send(KIND.gone, number);
    if (this.#isMemoryFull) {
      this.#options.events.limited("MEMORY_BYTES_MAX", connection.remoteAddress);
      return this.send(KIND.gone, number);
    }
    const made = { handler, context: undefined };
    const stream = new CarriedStream(this, { ...made, connection, protocol, number });
    this.#streams.set(number, stream);
    stream.agreed();
  }

  /** Of the relay's own process; the other's it looks at itself. */
  get #isMemoryFull(): boolean {
    const { admission, clock, limits } = this.#options;
    return admission.isMemoryFull({ limits: limits(), now: clock.monotonic() });
  }

  #arrived(number: number, payload: Uint8Array): void {
    const { admission, clock, events, limits, nextId } = this.#options;
    const { port, address } = decodeArrived(payload);
    if (this.#connections.has(number)) throw outOfStep("a connection arrives twice");
    // Handshakes under way are the process's own to limit.
    const fullness = { limits: limits(), handshakes: null, now: clock.monotonic() };
    const admitted = admission.admit(address, fullness);
    if (typeof admitted === "string") {
      events.limited(admitted, address);
      return this.send(KIND.refused, number);
    }
    const is = { id: nextId(), number, origin: admitted, remotePort: port };
    this.#connections.set(number, new CarriedConnection(this, is));
  }

  #opened(number: number, peer: Uint8Array): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    if (connection.peerBytes.length > 0 || peer.length === 0)
      throw outOfStep("a connection is secured twice");
    const { admission, events, limits } = this.#options;
    // Not slice(): on a Buffer that is a view.
    connection.peerBytes = new Uint8Array(peer);
    connection.isOpen = true;
    events.opened(connection);
    const refused = admission.admitPeer(connection.peerBytes, limits());
    if (refused === null) return;
    events.limited(refused, connection.remoteAddress);
    connection.close("refused");
  }

  #closed(connection: CarriedConnection | undefined, reason: string): void {
    if (connection === undefined || !connection.isOpen) return;
    connection.isOpen = false;
    this.#options.events.closed(connection, reason);
  }

  #left(connection: CarriedConnection | undefined): void {
    if (connection === undefined) return;
    if (connection.isOpen) throw outOfStep("a connection leaves before it is closed");
    const { admission } = this.#options;
    this.#connections.delete(connection.number);
    admission.release(connection.origin);
    if (connection.peerBytes.length > 0) admission.releasePeer(connection.peerBytes);
  }

  #order(order: Order): void {
    this.send(KIND.order, 0, encodeJson(order));
  }

  /** Its sockets stay open while it hangs, so devices notice late: those of an ended one come again at once. */
  #ask(): void {
    // Twice, so that what came while this process itself stood still is read before it is judged.
    if (this.#owed >= 2) return this.abort("it hangs");
    this.#owed++;
    this.#order({ is: "answer" });
  }

  #heard(report: Report): void {
    switch (report.is) {
      case "key":
        this.#untold = [];
        return this.#order({ is: "start", start: this.#options.start(Uint8Array.fromHex(report.staticKey)) });
      case "listening":
        this.#hasStarted = true;
        this.#listens = true;
        for (const order of this.#untold ?? []) this.#order(order);
        this.#untold = null;
        this.#asking = setInterval(() => this.#ask(), this.#options.askMs);
        this.#ask();
        return this.#listening.resolve();
      case "failed":
        return this.#listening.reject(new Fault("edge/bind", report.reason));
      case "running":
        this.#owed = 0;
        this.#listens = report.listens;
        return this.#options.used(report.usage);
      case "tally":
        return this.#count(report.tally);
      case "error":
        return this.failed(new Error(report.reason));
    }
  }

  #count({ received, sent, failed, limited }: Tally): void {
    const { events } = this.#options;
    events.bytes(received, sent);
    for (const [reason, times] of Object.entries(failed)) events.failed?.(reason, times);
    for (const [limit, { times, address }] of Object.entries(limited)) events.limited(limit, address, times);
  }
}
