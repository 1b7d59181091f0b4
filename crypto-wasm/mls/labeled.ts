import { hkdfExpand } from "../hkdf.ts";

/** HMAC over the concatenation of `parts`. */
export type Hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;

const VERSION = new TextEncoder().encode("HPKE-v1");
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

/** Two bytes, big-endian: RFC 9180's I2OSP(value, 2). */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** LabeledExtract and LabeledExpand (RFC 9180 section 4) for one suite id. */
export class LabeledKdf {
  readonly #hmac: Hmac;
  readonly #head: Uint8Array;

  constructor(hmac: Hmac, suiteId: Uint8Array) {
    this.#hmac = hmac;
    this.#head = concat(VERSION, suiteId);
  }

  extract(salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
    return this.#hmac(salt, this.#head, encoder.encode(label), ikm);
  }

  expand(prk: Uint8Array, label: string, options: { info?: Uint8Array; length: number }): Uint8Array {
    const { length } = options;
    const info = concat(uint16(length), this.#head, encoder.encode(label), options.info ?? EMPTY);
    return hkdfExpand(this.#hmac, { prk, info, length });
  }
}
