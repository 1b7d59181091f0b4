import { readU16 } from "./bytes.ts";
import { LENGTH_BYTES } from "./noise_transport.ts";
import type { BufferPool } from "./pool.ts";

/** A length-prefixed frame that comes in pieces. Its buffer grows with what came, never with what was announced. */
export class PartialFrame {
  readonly #pool: BufferPool;
  #buffer: Uint8Array;
  #length = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#buffer = pool.take(LENGTH_BYTES);
  }

  /** The announced length of the frame's body; -1 until it is known. */
  get announced(): number {
    return this.#length < LENGTH_BYTES ? -1 : readU16(this.#buffer, 0);
  }

  /** The body, once all of it is there: a view until release(). */
  get body(): Uint8Array | null {
    const end = LENGTH_BYTES + this.announced;
    return this.#length >= LENGTH_BYTES && this.#length === end
      ? this.#buffer.subarray(LENGTH_BYTES, end)
      : null;
  }

  /** Copies from `bytes`, from `at` on, what belongs to the length or else to the body; returns where it stopped. */
  take(bytes: Uint8Array, at: number): number {
    const wanted = LENGTH_BYTES + Math.max(0, this.announced) - this.#length;
    const stop = Math.min(bytes.length, at + wanted);
    this.#grow(this.#length + stop - at);
    this.#buffer.set(bytes.subarray(at, stop), this.#length);
    this.#length += stop - at;
    return stop;
  }

  /** Gives the buffer back. */
  release(): void {
    this.#pool.give(this.#buffer);
  }

  #grow(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = this.#pool.take(bytes);
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#pool.give(this.#buffer);
    this.#buffer = larger;
  }
}
