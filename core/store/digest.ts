/**
 * SHA-256 for the writer. It comes from the engine directly and not from crypto-wasm's door, because the writer
 * has a thread and a heap of its own and would load libsodium and WASM there for nothing but this function.
 */
import type { Digest } from "../merkle/mod.ts";

/** Leaves and nodes of Merkle trees fit; what is longer goes through a hasher. */
const scratch = new Uint8Array(512);

/** As merkle's Digest: SHA-256 over the concatenation of parts, borrowed; 32 fresh bytes. */
export const digest: Digest = {
  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const out = new Uint8Array(32);
    let length = 0;
    for (const part of parts) {
      if (length + part.length > scratch.length) {
        const hasher = new Bun.SHA256();
        for (const each of parts) hasher.update(each);
        hasher.digest(out);
        return out;
      }
      scratch.set(part, length);
      length += part.length;
    }
    Bun.SHA256.hash(scratch.subarray(0, length), out);
    return out;
  },
};
