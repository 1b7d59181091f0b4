import { limit } from "../../ground/mod.ts";
import type { EdgeConnection, EdgeStream, StreamHandler } from "../port.ts";
import { encodeCount, encodeStream, encodeText, KIND } from "./frame.ts";
import type { Pipe } from "./pipe.ts";

/** What the edge process keeps of a stream that it carries. */
export interface Carried {
  /** Its number on the pipe. */
  readonly number: number;
  /** From the relay, and not yet taken by the device; null where there is none. */
  held: Uint8Array[] | null;
  /** Taken by the device and not yet told. */
  taken: number;
  /** Whether the relay writes no more. */
  ending: boolean;
}

/** What is held for the streams of one connection. */
interface Holding {
  /** How many hold something. */
  streams: number;
  /** Why it is to close once none does; null where it isn't to. */
  closing: string | null;
}

/** Undefined on a stream of the device's until its protocol is agreed. */
type Context = Carried | undefined;
type Stream = EdgeStream<Context>;

/** What was taken is told in lumps, half of what may be held. */
const TOLD_BYTES = limit.EDGE_STREAM_HELD_BYTES_MAX / 2;

/** Carries streams of devices over the pipe, both those that devices open and those that the relay does. */
export class StreamCarrier implements StreamHandler<Context> {
  readonly #pipe: Pipe;
  readonly #streams = new Map<number, Stream>();
  /** Connections some of whose streams hold something. */
  readonly #holding = new Map<EdgeConnection, Holding>();
  #lastNumber = -1;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  onOpen(stream: Stream): void {
    const opened = stream.context;
    if (opened !== undefined) return this.#pipe.send(KIND.agreed, opened.number);
    this.#lastNumber += 2;
    const context = carried(this.#lastNumber);
    stream.context = context;
    this.#streams.set(context.number, stream);
    const { connection, protocol } = stream;
    this.#pipe.send(KIND.stream, context.number, encodeStream({ connection: connection.id, protocol }));
  }

  onData({ context }: Stream, bytes: Uint8Array): void {
    if (context !== undefined) this.#pipe.send(KIND.data, context.number, bytes);
  }

  onEnd({ context }: Stream): void {
    if (context !== undefined) this.#pipe.send(KIND.end, context.number);
  }

  onClose({ connection, context }: Stream, reason: string): void {
    if (context === undefined) return;
    this.#streams.delete(context.number);
    if (context.held !== null) this.#released(connection, context);
    this.#pipe.send(KIND.gone, context.number, encodeText(reason));
  }

  onDrain(stream: Stream): void {
    const { context } = stream;
    if (context === undefined) return;
    for (let first = context.held?.[0]; first !== undefined; first = context.held?.[0]) {
      const taken = this.#write(stream, context, first);
      if (taken < first.length) {
        context.held?.splice(0, 1, first.subarray(taken));
        return;
      }
      context.held?.shift();
    }
    if (context.ending) stream.end();
    if (context.held !== null) this.#released(stream.connection, context);
  }

  /** The relay opens a stream of `protocol`; where none is to be had it is gone at once. */
  open(connection: EdgeConnection, options: { number: number; protocol: string }): void {
    const { number, protocol } = options;
    this.#streams.set(number, connection.open<Context>(protocol, this, carried(number)));
  }

  /** Data of the relay's for a device; kept, copied, where it doesn't take it. */
  data(number: number, bytes: Uint8Array): void {
    const stream = this.#streams.get(number);
    const context = stream?.context;
    if (stream === undefined || context === undefined) return;
    if (context.held !== null) {
      context.held.push(copyOf(bytes));
      return;
    }
    const taken = this.#write(stream, context, bytes);
    if (taken === bytes.length) return;
    context.held = [copyOf(bytes.subarray(taken))];
    const holding = this.#holding.get(stream.connection);
    if (holding === undefined) this.#holding.set(stream.connection, { streams: 1, closing: null });
    else holding.streams++;
  }

  /** Closes a connection when what is held for it has gone out, or when that takes too long. */
  close(connection: EdgeConnection, reason: string): void {
    const holding = this.#holding.get(connection);
    if (holding === undefined) return connection.close(reason);
    holding.closing = reason;
    setTimeout(() => connection.close(reason), limit.CLOSE_LINGER_MS).unref();
  }

  consumed(number: number, bytes: number): void {
    this.#streams.get(number)?.consume(bytes);
  }

  /** The relay writes no more: the stream ends here when what is held has gone out. */
  end(number: number): void {
    const stream = this.#streams.get(number);
    if (stream?.context === undefined) return;
    stream.context.ending = true;
    if (stream.context.held === null) stream.end();
  }

  reset(number: number): void {
    this.#streams.get(number)?.reset();
  }

  #released(connection: EdgeConnection, context: Carried): void {
    context.held = null;
    const holding = this.#holding.get(connection);
    if (holding === undefined || --holding.streams > 0) return;
    this.#holding.delete(connection);
    if (holding.closing !== null) connection.close(holding.closing);
  }

  #write(stream: Stream, context: Carried, bytes: Uint8Array): number {
    const taken = stream.write(bytes);
    context.taken += taken;
    if (context.taken >= TOLD_BYTES) {
      this.#pipe.send(KIND.consumed, context.number, encodeCount(context.taken));
      context.taken = 0;
    }
    return taken;
  }
}

function carried(number: number): Carried {
  return { number, held: null, taken: 0, ending: false };
}

/** Not slice(): on a Buffer that is a view. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
