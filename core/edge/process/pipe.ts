import type { Socket } from "bun";
import { limit } from "../../ground/mod.ts";
import { BufferPool, ByteQueue } from "../../link/mod.ts";
import { FrameCutter, type FrameSink, HEADER_BYTES, writeHeader } from "./frame.ts";

/** Who works at one end of a pipe. */
export interface PipeOwner extends FrameSink {
  /** The other end is so far behind that nothing new should be begun, until onDrain. */
  onFull(): void;
  /** There is room again. */
  onDrain(): void;
  /** The other end is gone, or said what can't be. Once, nothing after it. */
  onGone(reason: string): void;
}

const NOTHING = new Uint8Array(0);

/** One end of the socket pair between a relay and an edge process: frames in and out, one write a tick. */
export class Pipe {
  readonly #owner: PipeOwner;
  readonly #cutter: FrameCutter;
  readonly #queue = new ByteQueue(new BufferPool());
  readonly #header = new Uint8Array(HEADER_BYTES);
  #socket: Socket | null = null;
  #scheduled = false;
  /** Whether the socket takes no more for now. */
  #blocked = false;
  #full = false;
  #ending = false;
  #gone = false;

  /** Sends once connectPipe() has given it a socket. */
  constructor(owner: PipeOwner) {
    this.#owner = owner;
    this.#cutter = new FrameCutter(owner);
  }

  /** Bytes of data that fit below the mark. What isn't a stream's goes out whatever waits. */
  get room(): number {
    return this.#gone ? 0 : Math.max(0, limit.EDGE_PIPE_MARK_BYTES - this.#queue.length);
  }

  /** Queues a frame; `payload` is copied. */
  send(kind: number, id: number, payload: Uint8Array = NOTHING): void {
    if (this.#gone || this.#ending) return;
    writeHeader(this.#header, { kind, id, length: payload.length });
    this.#queue.append(this.#header);
    this.#queue.append(payload);
    if (!this.#full && this.room === 0) {
      this.#full = true;
      this.#owner.onFull();
    }
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Ends it once what was queued has gone out. */
  end(): void {
    this.#ending = true;
    if (!this.#scheduled && !this.#blocked) this.#flush();
  }

  /** Ends it at once. */
  abort(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#queue.clear();
    this.#socket?.terminate();
    this.#owner.onGone(reason);
  }

  /** For the socket. */
  connected(socket: Socket): void {
    this.#socket = socket;
    this.#flush();
  }

  received(bytes: Uint8Array): void {
    if (this.#gone) return;
    try {
      this.#cutter.push(bytes);
    } catch (error) {
      this.abort(error instanceof Error ? error.message : String(error));
    }
  }

  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    const socket = this.#socket;
    if (this.#gone || this.#blocked || socket === null) return;
    const length = this.#queue.length;
    if (length > 0) {
      const taken = Math.max(0, socket.write(this.#queue.peek(length)));
      this.#queue.skip(taken);
      this.#blocked = taken < length;
    }
    if (this.#ending && this.#queue.length === 0) socket.end();
    if (!this.#full || this.room < limit.EDGE_PIPE_MARK_BYTES / 2) return;
    this.#full = false;
    this.#owner.onDrain();
  };
}

/** The types name these options and forget the overload. */
const connect = Bun.connect as unknown as (options: Bun.FdSocketOptions) => Promise<Socket>;

/** Has `pipe` work on file descriptor `fd`, one end of a socket pair, which is then the pipe's. */
export async function connectPipe(fd: number, pipe: Pipe): Promise<void> {
  await connect({
    fd,
    socket: {
      open: (socket) => pipe.connected(socket),
      data: (_, bytes) => pipe.received(bytes),
      drain: () => pipe.drained(),
      close: () => pipe.abort("the other end is gone"),
      error: (_, error) => pipe.abort(error.message),
    },
  });
}
