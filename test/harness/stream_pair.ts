/**
 * A connection in memory between a client and a protocol table: streams with windows, no sockets. What is written
 * arrives in a later tick, so that nobody sees an answer inside the call that asked for it.
 */
import type { SessionConnection, SessionHandler, SessionStream } from "../../core/client/session/mod.ts";
import type { EdgeConnection, EdgeStream, ProtocolTable, StreamHandler } from "../../core/edge/mod.ts";

export interface PairOptions {
  readonly protocols: ProtocolTable;
  /** Multihash of the server's PeerId. */
  readonly peer: Uint8Array;
  /** Bytes that either side may have unconsumed; 256 KiB unless said otherwise. */
  readonly windowBytes?: number;
  /** Changes what the server says before the client hears it. */
  readonly tamper?: (bytes: Uint8Array) => Uint8Array;
}

const WINDOW_BYTES = 256 * 1024;

/** One side of a stream; writing goes to the other. */
class End<T> implements EdgeStream<T>, SessionStream<T> {
  readonly connection: EdgeConnection;
  readonly protocol: string;
  context: T;
  other: End<unknown> | null = null;
  handler: StreamHandler<T>;
  tamper: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes;
  #window: number;
  #blocked = false;
  #ended = false;
  #closed = false;

  constructor(
    connection: EdgeConnection,
    options: { protocol: string; context: T; handler: StreamHandler<T>; windowBytes: number },
  ) {
    this.connection = connection;
    this.protocol = options.protocol;
    this.context = options.context;
    this.handler = options.handler;
    this.#window = options.windowBytes;
  }

  get writable(): number {
    return this.#window;
  }

  write(bytes: Uint8Array): number {
    const taken = this.#closed || this.#ended ? 0 : Math.min(bytes.length, this.#window);
    this.#window -= taken;
    this.#blocked = taken < bytes.length;
    const copy = this.tamper(bytes.slice(0, taken));
    if (taken > 0) setImmediate(() => this.other?.arrive(copy));
    return taken;
  }

  consume(bytes: number): void {
    setImmediate(() => this.other?.widen(bytes));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    setImmediate(() => this.other?.peerEnded());
  }

  /** As on a real connection, this side hears of it within the call. */
  reset(): void {
    this.close("reset here");
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.handler.onClose(this, reason);
    setImmediate(() => this.other?.close(reason));
  }

  arrive(bytes: Uint8Array): void {
    if (!this.#closed) this.handler.onData(this, bytes);
  }

  widen(bytes: number): void {
    this.#window += bytes;
    if (!this.#blocked || this.#closed) return;
    this.#blocked = false;
    this.handler.onDrain(this);
  }

  peerEnded(): void {
    if (this.#closed) return;
    this.handler.onEnd(this);
    if (this.#ended) this.close("both sides ended");
  }
}

/** A client's view of a connection whose other end serves `protocols`. */
export interface Pair {
  readonly connection: SessionConnection;
  /** Ends all streams, as a lost connection does. */
  cut(): void;
}

export function openPair(options: PairOptions): Pair {
  const { protocols, peer, windowBytes = WINDOW_BYTES } = options;
  const ends: End<unknown>[] = [];
  const server: EdgeConnection = {
    id: 1,
    peer: { bytes: new Uint8Array(0), text: "" },
    remoteAddress: "memory",
    remotePort: 0,
    streams: 0,
    open: () => {
      throw new Error("the server opens no streams");
    },
    close: (reason) => {
      for (const end of ends) end.close(reason);
    },
  };
  const open = <T>(protocol: string, handler: SessionHandler<T>, context: T): SessionStream<T> => {
    const mine = new End<T>(server, { protocol, context, handler, windowBytes });
    const served = protocols(protocol);
    if (served === null) {
      setImmediate(() => mine.close("refused"));
      return mine;
    }
    const theirs = new End<unknown>(server, { protocol, context: undefined, handler: served, windowBytes });
    mine.other = theirs;
    theirs.other = mine;
    if (options.tamper !== undefined) theirs.tamper = options.tamper;
    ends.push(mine, theirs);
    setImmediate(() => {
      served.onOpen(theirs);
      handler.onOpen(mine);
    });
    return mine;
  };
  return {
    connection: { peer: { bytes: peer }, open },
    cut: () => {
      for (const end of ends) end.close("the connection was cut");
    },
  };
}
