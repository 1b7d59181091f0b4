/** Lists of hashes as one run of bytes, which is how both databases keep them. */
import { HASH_BYTES, type Hash, hash } from "../ground/mod.ts";

/** Joins hashes, borrowed, into fresh bytes. */
export function joinHashes(hashes: readonly Hash[]): Uint8Array {
  const joined = new Uint8Array(hashes.length * HASH_BYTES);
  for (let at = 0; at < hashes.length; at += 1) {
    const each = hashes[at];
    if (each !== undefined) joined.set(each, at * HASH_BYTES);
  }
  return joined;
}

/** Views of the hashes in `bytes`; throws Fault<"ground/length"> where the last one is cut. */
export function splitHashes(bytes: Uint8Array): Hash[] {
  const hashes: Hash[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES)
    hashes.push(hash(bytes.subarray(at, at + HASH_BYTES)));
  return hashes;
}

/** Lower-case hex of `bytes`, the key of every map here. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
