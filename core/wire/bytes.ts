/** Fixed layouts, big-endian: one reader and one writer for all frames and statements. */
import { assert } from "../ground/mod.ts";
import { malformed } from "./constant.ts";

const HIGH = 2 ** 32;
/** Safe integers have 53 bits: 21 above the low 32. */
const HIGH_MAX = 2 ** 21;

/**
 * Takes fields off a payload in order. Byte fields are views of the payload, which the values made of it own.
 * Every method throws Fault<"wire/malformed"> where the payload is too short or a value can't be.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  at = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  #take(length: number): number {
    const at = this.at;
    if (length > this.bytes.length - at) throw malformed(`it ends ${length - this.left} bytes early`);
    this.at = at + length;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** An unsigned 64-bit number that is a safe integer. */
  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    if (high >= HIGH_MAX) throw malformed("a number is over 2^53 - 1");
    return high * HIGH + this.#view.getUint32(at + 4);
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw malformed(`a flag is 0 or 1, got ${value}`);
    return value === 1;
  }

  /** The next `length` bytes, a view. */
  take(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** `count` fields of `length` bytes each, views. */
  many<T>(count: number, read: () => T): T[] {
    const values: T[] = [];
    for (let at = 0; at < count; at += 1) values.push(read());
    return values;
  }

  end(): void {
    if (this.left !== 0) throw malformed(`${this.left} bytes are left over`);
  }
}

/** Puts fields one after another into a buffer of its own; the owner asserts that they fit. */
export class ByteWriter {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #give(length: number): number {
    const at = this.at;
    assert(at + length <= this.#bytes.length, "what is encoded fits a frame");
    this.at = at + length;
    return at;
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < 0x100, "a u8 is 0 to 2^8 - 1");
    this.#view.setUint8(this.#give(1), value);
    return this;
  }

  u16(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < 0x10000, "a u16 is 0 to 2^16 - 1");
    this.#view.setUint16(this.#give(2), value);
    return this;
  }

  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < HIGH, "a u32 is 0 to 2^32 - 1");
    this.#view.setUint32(this.#give(4), value);
    return this;
  }

  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "a u64 is 0 to 2^53 - 1");
    const at = this.#give(8);
    this.#view.setUint32(at, Math.floor(value / HIGH));
    this.#view.setUint32(at + 4, value % HIGH);
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** `bytes`, copied; exactly `length` where that is given. */
  put(bytes: Uint8Array, length = bytes.length): this {
    assert(bytes.length === length, `a field has ${length} bytes, got ${bytes.length}`);
    this.#bytes.set(bytes, this.#give(length));
    return this;
  }

  zeros(count: number): this {
    const at = this.#give(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** Overwrites what was written at `at`. */
  patch(at: number, write: (writer: this) => void): void {
    const end = this.at;
    this.at = at;
    write(this);
    this.at = end;
  }

  /** A fresh copy of what was written from `from`; the writer starts anew. */
  finish(from = 0): Uint8Array {
    const bytes = this.#bytes.slice(from, this.at);
    this.at = 0;
    return bytes;
  }

  /** A view of what was written from `from`, borrowed until the next write. */
  written(from = 0): Uint8Array {
    return this.#bytes.subarray(from, this.at);
  }
}
