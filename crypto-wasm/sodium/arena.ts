import { CryptoError } from "../error.ts";
import type { SodiumRaw } from "./module.ts";

const ARENA_BYTES_MIN = 72 * 1024;
/** What a call leaves behind above this is given back, so that one large attachment doesn't hold memory for ever. */
const ARENA_BYTES_KEPT = 256 * 1024;
export const NONCE_OFFSET = 0;
export const KEY_OFFSET = 32;
export const DATA_OFFSET = 64;

/**
 * A stretch of libsodium's memory: nonce, key, then data. Grown when a call needs more, given back afterwards.
 * `at` and the views of the heap are valid only until the next `reserve`.
 */
export class Arena {
  readonly #raw: SodiumRaw;
  #at = 0;
  #bytes = 0;

  constructor(raw: SodiumRaw) {
    this.#raw = raw;
    this.reserve(ARENA_BYTES_MIN);
  }

  get at(): number {
    return this.#at;
  }

  /** Makes room for `bytes` of data beyond the head. */
  reserve(bytes: number): void {
    const wanted = DATA_OFFSET + bytes;
    if (wanted <= this.#bytes) return;
    if (this.#at !== 0) this.#raw._free(this.#at);
    const size = Math.max(ARENA_BYTES_MIN, wanted);
    this.#at = this.#raw._malloc(size);
    this.#bytes = this.#at === 0 ? 0 : size;
    if (this.#at === 0) throw new CryptoError("backend", `libsodium could not take ${size} bytes of memory`);
  }

  /** Makes room for `bytes` of data, does `work`, and wipes what it left there, thrown out of or not. */
  use<T>(bytes: number, work: () => T): T {
    this.reserve(bytes);
    try {
      return work();
    } finally {
      this.#release(bytes);
    }
  }

  /** Wipes the key and the first `bytes` of data, and gives back what is more than is kept. */
  #release(bytes: number): void {
    this.#raw.HEAPU8.fill(0, this.#at, this.#at + DATA_OFFSET + bytes);
    if (this.#bytes <= ARENA_BYTES_KEPT) return;
    this.#raw._free(this.#at);
    this.#at = 0;
    this.#bytes = 0;
    this.reserve(0);
  }
}
