/** Hashing of RFC 9162, section 2.1.1: leaves and nodes have different prefixes, so neither passes for the other. */
import type { Hash as Hashing } from "@dchat/crypto-wasm";
import { type Hash, hash } from "../ground/mod.ts";

/** SHA-256 over the concatenation of its arguments; `Crypto["hash"]` is one. */
export type Digest = Pick<Hashing, "sha256">;

const LEAF_PREFIX = new Uint8Array([0x00]);
const NODE_PREFIX = new Uint8Array([0x01]);

/** Hash of the leaf that holds `data`: SHA-256(0x00 || data). */
export function leafHash(digest: Digest, data: Uint8Array): Hash {
  return hash(digest.sha256(LEAF_PREFIX, data));
}

/** Hash of an inner node: SHA-256(0x01 || left || right). */
export function nodeHash(digest: Digest, pair: readonly [left: Uint8Array, right: Uint8Array]): Hash {
  return hash(digest.sha256(NODE_PREFIX, pair[0], pair[1]));
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(digest: Digest): Hash {
  return hash(digest.sha256());
}

/** Whether two hashes are equal. They are public: nothing is told by how long it takes. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
