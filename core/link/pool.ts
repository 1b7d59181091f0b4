/** Buffers that many links share, so that a link at rest holds none. */

/** Sizes are powers of two, kept from 1 KiB to 512 KiB: a frame, a burst, a full output queue with its overshoot. */
const SMALLEST_BITS = 10;
const LARGEST_BITS = 19;
/** What one size keeps for the next taker; the rest goes to the garbage collector. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;

export class BufferPool {
  readonly #free: Uint8Array[][] = Array.from({ length: LARGEST_BITS + 1 }, () => []);

  /** A buffer of at least `bytes`, with old content. Whoever takes it gives it back, or lets it go. */
  take(bytes: number): Uint8Array {
    const bits = sizeBits(bytes);
    return this.#free[bits]?.pop() ?? new Uint8Array(2 ** bits);
  }

  /** Takes back a buffer that nobody reads any more. */
  give(buffer: Uint8Array): void {
    const bits = sizeBits(buffer.length);
    const free = this.#free[bits];
    if (free === undefined || buffer.length !== 2 ** bits) return;
    if (free.length * buffer.length < KEPT_BYTES_MAX) free.push(buffer);
  }
}

function sizeBits(bytes: number): number {
  return Math.max(SMALLEST_BITS, 32 - Math.clz32(bytes - 1));
}
