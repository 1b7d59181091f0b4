import { writeU16, writeU32 } from "./bytes.ts";
import type { BufferPool } from "./pool.ts";
import { HEADER_BYTES, TYPE } from "./yamux.ts";

/** Data frames are cut at this, so that one stream's bulk doesn't hold back the others. */
export const DATA_FRAME_BYTES_MAX = 16 * 1024 - HEADER_BYTES;

/** Bytes that wait to leave a link, in order. Holds a buffer of the pool only while something waits. */
export class OutputQueue {
  readonly #pool: BufferPool;
  #buffer: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  /** The stream whose data frame is the last thing here and may still grow, and that frame's length; 0 for none. */
  #dataId = 0;
  #dataLength = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends a copy of `bytes`. */
  append(bytes: Uint8Array): void {
    this.#copy(bytes, 0, bytes.length);
    this.#dataId = 0;
  }

  /**
   * Appends bytes[from, to) as data of a yamux stream: to its frame, where that is the last one and has not begun to
   * leave, or in a frame of their own. So small writes of a tick cost one header, here and at the peer.
   */
  appendData(id: number, flags: number, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const joined = this.#dataLength + length;
    if (flags === 0 && id === this.#dataId && joined <= DATA_FRAME_BYTES_MAX) {
      this.#copy(bytes, from, to);
      const buffer = this.#reserve(0);
      writeU32(buffer, this.#end - joined - 4, joined);
      this.#dataLength = joined;
    } else {
      this.appendHeader(TYPE.data, flags, id, length);
      this.#copy(bytes, from, to);
      this.#dataId = id;
      this.#dataLength = length;
    }
  }

  /** Appends a yamux header. */
  appendHeader(type: number, flags: number, id: number, length: number): void {
    const buffer = this.#reserve(HEADER_BYTES);
    this.#dataId = 0;
    const at = this.#end;
    buffer[at] = 0;
    buffer[at + 1] = type;
    writeU16(buffer, at + 2, flags);
    writeU32(buffer, at + 4, id);
    writeU32(buffer, at + 8, length);
    this.#end += HEADER_BYTES;
  }

  /** The first `length` bytes that wait, a view that holds until the next call that changes the queue. */
  peek(length: number): Uint8Array {
    return this.#reserve(0).subarray(this.#start, this.#start + length);
  }

  /** Forgets the first `length` bytes. */
  skip(length: number): void {
    this.#start += length;
    this.#dataId = 0;
    if (this.#start === this.#end) this.clear();
  }

  /** Forgets everything and gives the buffer back. */
  clear(): void {
    if (this.#buffer !== null) this.#pool.give(this.#buffer);
    this.#buffer = null;
    this.#start = 0;
    this.#end = 0;
    this.#dataId = 0;
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    const buffer = this.#reserve(to - from);
    if (to - from < 64) for (let at = from; at < to; at++) buffer[this.#end++] = bytes[at] ?? 0;
    else {
      buffer.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#end);
      this.#end += to - from;
    }
  }

  #reserve(more: number): Uint8Array {
    const buffer = this.#buffer;
    if (buffer !== null && this.#end + more <= buffer.length) return buffer;
    const length = this.length;
    const larger = this.#pool.take(length + more);
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
