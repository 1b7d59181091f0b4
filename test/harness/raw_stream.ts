/** A stream on which a test says whatever bytes it likes, and sees what comes back, frame by frame. */
import type { SessionConnection, SessionHandler, SessionStream } from "../../core/client/session/mod.ts";
import { decodeReply, FrameReader, type Reply } from "../../core/wire/mod.ts";

export interface RawReply {
  readonly request: number;
  readonly kind: number;
  readonly payload: Uint8Array;
  readonly reply: Reply;
  readonly atMs: number;
}

export interface RawStream {
  readonly replies: readonly RawReply[];
  /** Why it closed, or null while it is open. */
  readonly closed: string | null;
  /** Writes all of `bytes`, waiting for window. */
  write(bytes: Uint8Array): Promise<void>;
  /** The next reply that nobody took yet. */
  next(timeoutMs?: number): Promise<RawReply>;
  /** While true, nothing received is consumed: the relay's window runs out. */
  hold(holding: boolean): void;
  end(): void;
  reset(): void;
}

class Raw implements RawStream {
  readonly replies: RawReply[] = [];
  closed: string | null = null;
  stream: SessionStream<Raw> | null = null;
  #taken = 0;
  #holding = false;
  #unconsumed = 0;
  readonly #frames = new FrameReader(this);
  #wake: (() => void)[] = [];

  onFrame(kind: number, request: number, payload: Uint8Array): void {
    const reply = decodeReply({ kind, payload });
    this.replies.push({ request, kind, payload, reply, atMs: performance.now() });
    this.wake();
  }

  data(bytes: Uint8Array): void {
    this.#frames.push(bytes);
    this.#unconsumed += bytes.length;
    this.#consume();
  }

  wake(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  hold(holding: boolean): void {
    this.#holding = holding;
    this.#consume();
  }

  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0 && this.closed === null) {
      rest = rest.subarray(this.stream?.write(rest) ?? 0);
      if (rest.length > 0) await this.#changed(10_000);
    }
  }

  async next(timeoutMs = 10_000): Promise<RawReply> {
    for (;;) {
      const reply = this.replies[this.#taken];
      if (reply !== undefined) {
        this.#taken += 1;
        return reply;
      }
      if (this.closed !== null) throw new Error(`the stream closed: ${this.closed}`);
      await this.#changed(timeoutMs);
    }
  }

  end(): void {
    this.stream?.end();
  }

  reset(): void {
    this.stream?.reset();
  }

  #consume(): void {
    if (this.#holding || this.#unconsumed === 0) return;
    this.stream?.consume(this.#unconsumed);
    this.#unconsumed = 0;
  }

  async #changed(timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`nothing came for ${timeoutMs} ms`)), timeoutMs);
    this.#wake.push(resolve);
    await promise.finally(() => clearTimeout(timer));
  }
}

const handler: SessionHandler<Raw> = {
  onOpen: () => undefined,
  onData: (stream, bytes) => stream.context.data(bytes),
  onEnd: () => undefined,
  onDrain: (stream) => stream.context.wake(),
  onClose: (stream, reason) => {
    stream.context.closed = reason;
    stream.context.wake();
  },
};

/** Opens a stream of `protocol` on `connection`. */
export function openRaw(connection: Pick<SessionConnection, "open">, protocol: string): RawStream {
  const raw = new Raw();
  raw.stream = connection.open(protocol, handler, raw);
  return raw;
}
