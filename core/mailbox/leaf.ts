/** Leaves of a mailbox's log: what stays of an entry for ever. */
import type { Hash } from "../ground/mod.ts";
import { type Digest, leafHash } from "../merkle/mod.ts";
import { leafBytes, type LeafPreimage } from "../wire/mod.ts";

/** The Merkle leaf of an entry. It outlives the body, since it is made of the body's hash. */
export function entryLeaf(digest: Digest, preimage: LeafPreimage): Hash {
  return leafHash(digest, leafBytes(preimage));
}
