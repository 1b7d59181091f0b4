/**
 * As much of protobuf (proto2 wire format) as libp2p's handshake and identify need: varints and
 * length-delimited fields. Unknown fields are skipped, as the format demands.
 */

/** Walks the fields of one message. After next() returned true, `field` and either `value` or `bytes` hold what came. */
export class ProtobufReader {
  field = 0;
  /** The varint, where it was one; beyond 2^53 only roughly. */
  value = 0;
  /** A view into the message, where the field was length-delimited; null otherwise. */
  bytes: Uint8Array | null = null;
  /** Whether the message was malformed; then next() returns false for good. */
  failed = false;
  readonly #message: Uint8Array;
  #at = 0;

  /** `message` is borrowed as long as this and the views that it gives out live. */
  constructor(message: Uint8Array) {
    this.#message = message;
  }

  /** Whether there is another field. */
  next(): boolean {
    if (this.failed || this.#at >= this.#message.length) return false;
    const key = this.#varint();
    this.field = Math.floor(key / 8);
    this.bytes = null;
    if (this.field === 0) this.failed = true;
    else if (key % 8 === 0) this.value = this.#varint();
    else if (key % 8 === 2) this.bytes = this.#take(this.#varint());
    else if (key % 8 === 1) this.#take(8);
    else if (key % 8 === 5) this.#take(4);
    else this.failed = true;
    return !this.failed;
  }

  #take(length: number): Uint8Array {
    const start = this.#at;
    if (length > this.#message.length - start) {
      this.failed = true;
      return this.#message.subarray(0, 0);
    }
    this.#at = start + length;
    return this.#message.subarray(start, this.#at);
  }

  #varint(): number {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      const byte = this.#message[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }
}

/** Builds one message; fields go out in the order of the calls. */
export class ProtobufWriter {
  readonly #out: number[] = [];

  varint(field: number, value: number): this {
    pushVarint(this.#out, field * 8);
    pushVarint(this.#out, value);
    return this;
  }

  /** `bytes` are copied. */
  bytes(field: number, bytes: Uint8Array): this {
    pushVarint(this.#out, field * 8 + 2);
    pushVarint(this.#out, bytes.length);
    for (const byte of bytes) this.#out.push(byte);
    return this;
  }

  text(field: number, text: string): this {
    return this.bytes(field, new TextEncoder().encode(text));
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#out);
  }
}

/** Appends an unsigned LEB128 varint of at most 2^53. */
export function pushVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}
