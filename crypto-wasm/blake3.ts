import { createBLAKE3, type IHasher } from "hash-wasm";
import { CryptoError } from "./error.ts";
import type { Hash } from "./port.ts";

/**
 * BLAKE3 by hash-wasm, made synchronous and keyed: its own keyed constructor instantiates a module for each key.
 * Instead the state of one keyed hasher (the official C layout: key words, then the chunk's chaining value) is kept
 * and the key patched into both. The version is pinned and BLAKE3's own vectors hold this.
 *
 * hash-wasm gives no way to its memory, whose buffer, state and stack hold what was hashed last. So whatever is done
 * with a key is done once more with zeros: the same steps then write to the same places, and what is left depends on
 * lengths alone. A keyed hash of up to 64 KiB takes twice the time for it and what is longer as much more as 64 KiB
 * take, since its pieces repeat the same steps. What is hashed without a key stays in the buffer until the next hash.
 */
const STATE_PREFIX_BYTES = 4;
const KEY_BYTES = 32;
/** What hash-wasm copies in at once. */
const PIECE_BYTES = 16 * 1024;
/** Pieces after which all that come do what one of these did: take a subtree, push its value, merge it with others. */
const PIECES = 3;
const ZEROS = new Uint8Array((PIECES + 1) * PIECE_BYTES);

/** The hasher after zeros more, which make it write wherever data of `length` would. */
function withZeros(hasher: IHasher, length: number): IHasher {
  if (length === 0) return hasher;
  const enough = length < ZEROS.length ? length : PIECES * PIECE_BYTES + (length % PIECE_BYTES);
  return hasher.update(ZEROS.subarray(0, enough));
}

export async function openBlake3(): Promise<Pick<Hash, "blake3" | "blake3Stream">> {
  const hasher = await createBLAKE3(256);
  const plain = hasher.save();
  const keyed = (await createBLAKE3(256, new Uint8Array(KEY_BYTES))).save();

  const scratch = keyed.slice();

  function start(key: Uint8Array | undefined): Uint8Array {
    if (key === undefined) return plain;
    const state = keyed.slice();
    state.set(key, STATE_PREFIX_BYTES);
    state.set(key, STATE_PREFIX_BYTES + KEY_BYTES);
    return state;
  }

  return {
    blake3(data, key) {
      if (key === undefined) return hasher.load(plain).update(data).digest("binary");
      scratch.set(key, STATE_PREFIX_BYTES);
      scratch.set(key, STATE_PREFIX_BYTES + KEY_BYTES);
      try {
        return hasher.load(scratch).update(data).digest("binary");
      } finally {
        scratch.fill(0, STATE_PREFIX_BYTES, STATE_PREFIX_BYTES + 2 * KEY_BYTES);
        withZeros(hasher.load(keyed), data.length).digest("binary");
      }
    },
    blake3Stream(key) {
      let state: Uint8Array | null = start(key);
      // As many zeros with a key of zeros: what the module is left with.
      let shadow: Uint8Array | null = key === undefined ? null : keyed;
      function taken(): Uint8Array {
        if (state === null) throw new CryptoError("disposed", "the BLAKE3 stream has given its digest");
        return state;
      }
      return {
        update(data) {
          const before = taken();
          state = hasher.load(before).update(data).save();
          if (shadow === null) return;
          before.fill(0);
          shadow = withZeros(hasher.load(shadow), data.length).save();
        },
        digest() {
          const last = taken();
          state = null;
          try {
            return hasher.load(last).digest("binary");
          } finally {
            if (shadow !== null) {
              last.fill(0);
              hasher.load(shadow).digest("binary");
            }
          }
        },
      };
    },
  };
}
