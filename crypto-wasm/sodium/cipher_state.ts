import { expectBytes, expectWhole } from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { CipherState } from "../port.ts";
import { DATA_OFFSET, NONCE_OFFSET } from "./arena.ts";
import type { Sodium } from "./module.ts";

const TAG_BYTES = 16;
const KEY_BYTES = 32;
const TWO_TO_32 = 0x1_0000_0000;
const WHOLE = { min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * A connection's cipher: the key lies in libsodium's memory, 32 bytes, until dispose wipes and frees it; a frame
 * is copied in and out once and makes no object.
 */
export class SodiumCipherState implements CipherState {
  readonly #sodium: Sodium;
  #key: number;

  /** `key` is 32 bytes, copied. */
  constructor(sodium: Sodium, key: Uint8Array) {
    this.#sodium = sodium;
    this.#key = sodium.raw._malloc(KEY_BYTES);
    if (this.#key === 0) throw new CryptoError("backend", "libsodium could not take memory for a key");
    sodium.raw.HEAPU8.set(key, this.#key);
  }

  seal(counter: number, plaintext: Uint8Array, into: Uint8Array, at: number, ad?: Uint8Array): number {
    expectBytes("plaintext", plaintext);
    const length = plaintext.length;
    expectRoom(into, at, length + TAG_BYTES);
    const adLength = this.#load(counter, plaintext, ad);
    const { raw, arena } = this.#sodium;
    const data = arena.at + DATA_OFFSET;
    raw._crypto_aead_chacha20poly1305_ietf_encrypt(
      data,
      0,
      data,
      length,
      0,
      data + length + TAG_BYTES,
      adLength,
      0,
      0,
      arena.at + NONCE_OFFSET,
      this.#key,
    );
    into.set(raw.HEAPU8.subarray(data, data + length + TAG_BYTES), at);
    return length + TAG_BYTES;
  }

  open(counter: number, ciphertext: Uint8Array, into: Uint8Array, at: number, ad?: Uint8Array): number {
    expectBytes("ciphertext", ciphertext);
    const length = ciphertext.length;
    if (length < TAG_BYTES) return -1;
    expectRoom(into, at, length - TAG_BYTES);
    const adLength = this.#load(counter, ciphertext, ad);
    const { raw, arena } = this.#sodium;
    const data = arena.at + DATA_OFFSET;
    const failed = raw._crypto_aead_chacha20poly1305_ietf_decrypt(
      data,
      0,
      0,
      data,
      length,
      0,
      data + length + TAG_BYTES,
      adLength,
      0,
      arena.at + NONCE_OFFSET,
      this.#key,
    );
    if (failed !== 0) return -1;
    const end = data + length - TAG_BYTES;
    into.set(raw.HEAPU8.subarray(data, end), at);
    // Plaintext doesn't stay in the shared arena; ciphertext may.
    raw.HEAPU8.fill(0, data, end);
    return length - TAG_BYTES;
  }

  /** Copies nonce, data and associated data into the arena; returns the length of the last. */
  #load(counter: number, data: Uint8Array, ad: Uint8Array | undefined): number {
    if (this.#key === 0) throw new CryptoError("disposed", "the cipher was disposed");
    expectWhole("counter", counter, WHOLE);
    if (ad !== undefined) expectBytes("ad", ad);
    const { raw, arena } = this.#sodium;
    arena.reserve(data.length + TAG_BYTES + (ad?.length ?? 0));
    const heap = raw.HEAPU8;
    const nonce = arena.at + NONCE_OFFSET;
    // Noise section 5.1 for ChaChaPoly: 32 zero bits, then the counter as 64 bits, little-endian.
    heap.fill(0, nonce, nonce + 4);
    writeUint32(heap, nonce + 4, counter >>> 0);
    writeUint32(heap, nonce + 8, Math.floor(counter / TWO_TO_32));
    heap.set(data, arena.at + DATA_OFFSET);
    if (ad === undefined) return 0;
    heap.set(ad, arena.at + DATA_OFFSET + data.length + TAG_BYTES);
    return ad.length;
  }

  [Symbol.dispose](): void {
    if (this.#key === 0) return;
    this.#sodium.raw.HEAPU8.fill(0, this.#key, this.#key + KEY_BYTES);
    this.#sodium.raw._free(this.#key);
    this.#key = 0;
  }
}

function expectRoom(into: Uint8Array, at: number, needed: number): void {
  expectBytes("into", into);
  expectWhole("at", at, WHOLE);
  if (into.length - at < needed) {
    throw new CryptoError(
      "argument",
      `into must have ${needed} bytes from ${at} on, has ${Math.max(0, into.length - at)}`,
    );
  }
}

function writeUint32(heap: Uint8Array, at: number, value: number): void {
  heap[at] = value;
  heap[at + 1] = value >>> 8;
  heap[at + 2] = value >>> 16;
  heap[at + 3] = value >>> 24;
}
