import { createBLAKE3 } from "hash-wasm";
import { CryptoError } from "./error.ts";
import type { Hash } from "./port.ts";

/**
 * BLAKE3 by hash-wasm, made synchronous and keyed: its own keyed constructor instantiates a module for each key.
 * Instead the state of one keyed hasher (the official C layout: key words, then the chunk's chaining value) is kept
 * and the key patched into both. The version is pinned and BLAKE3's own vectors hold this.
 */
const STATE_PREFIX_BYTES = 4;
const KEY_BYTES = 32;

export async function openBlake3(): Promise<Pick<Hash, "blake3" | "blake3Stream">> {
  const hasher = await createBLAKE3(256);
  const plain = hasher.save();
  const keyed = (await createBLAKE3(256, new Uint8Array(KEY_BYTES))).save();

  function start(key: Uint8Array | undefined): Uint8Array {
    if (key === undefined) return plain;
    const state = keyed.slice();
    state.set(key, STATE_PREFIX_BYTES);
    state.set(key, STATE_PREFIX_BYTES + KEY_BYTES);
    return state;
  }

  return {
    blake3(data, key) {
      const state = start(key);
      const digest = hasher.load(state).update(data).digest("binary");
      if (key !== undefined) forget(state);
      return digest;
    },
    blake3Stream(key) {
      let state: Uint8Array | null = start(key);
      function taken(): Uint8Array {
        if (state === null) throw new CryptoError("disposed", "the BLAKE3 stream has given its digest");
        return state;
      }
      return {
        update(data) {
          const before = taken();
          state = hasher.load(before).update(data).save();
          if (before !== plain) before.fill(0);
          hasher.init();
        },
        digest() {
          const last = taken();
          const digest = hasher.load(last).digest("binary");
          if (last !== plain) forget(last);
          state = null;
          return digest;
        },
      };
    },
  };

  /** Wipes a saved state and the one inside the module. */
  function forget(state: Uint8Array): void {
    state.fill(0);
    hasher.load(plain);
  }
}
