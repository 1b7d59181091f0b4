import { writeU16, writeU32 } from "./bytes.ts";
import type { BufferPool } from "./pool.ts";

/** Bytes that wait, in order: to leave a link, or for one that takes none. Holds a buffer of the pool only while something waits. */
export class ByteQueue {
  readonly #pool: BufferPool;
  #buffer: Uint8Array | null = null;
  #start = 0;
  #end = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends a copy of bytes[from, to). */
  append(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const buffer = this.#reserve(to - from);
    if (to - from < 64) for (let at = from; at < to; at++) buffer[this.#end++] = bytes[at] ?? 0;
    else {
      buffer.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#end);
      this.#end += to - from;
    }
  }

  /** Appends a yamux header. */
  appendHeader(type: number, flags: number, id: number, length: number): void {
    const buffer = this.#reserve(12);
    const at = this.#end;
    buffer[at] = 0;
    buffer[at + 1] = type;
    writeU16(buffer, at + 2, flags);
    writeU32(buffer, at + 4, id);
    writeU32(buffer, at + 8, length);
    this.#end += 12;
  }

  /** The first `length` bytes that wait, a view that holds until the next call that changes the queue. */
  peek(length: number): Uint8Array {
    return this.#reserve(0).subarray(this.#start, this.#start + length);
  }

  /** Forgets the first `length` bytes. */
  skip(length: number): void {
    this.#start += length;
    if (this.#start === this.#end) this.clear();
  }

  /** Forgets everything and gives the buffer back. */
  clear(): void {
    if (this.#buffer !== null) this.#pool.give(this.#buffer);
    this.#buffer = null;
    this.#start = 0;
    this.#end = 0;
  }

  #reserve(more: number): Uint8Array {
    const buffer = this.#buffer;
    if (buffer !== null && this.#end + more <= buffer.length) return buffer;
    const length = this.length;
    // An eighth more than is asked for: a queue that stays near a size isn't copied for each piece that passes.
    const larger = this.#pool.take(length + more + (length >> 3));
    if (buffer !== null) {
      larger.set(buffer.subarray(this.#start, this.#end));
      this.#pool.give(buffer);
    }
    this.#buffer = larger;
    this.#start = 0;
    this.#end = length;
    return larger;
  }
}
