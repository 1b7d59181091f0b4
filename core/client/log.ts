/** Follows a mailbox's Merkle log: every entry is hashed into the tree before anything of it is believed. */
import type { Crypto } from "@dchat/crypto-wasm";
import type { KeptLeaf, Position, SeenHead } from "../conversation/mod.ts";
import type { Hash } from "../ground/mod.ts";
import { append, leafHash, rootOf, sameHash } from "../merkle/mod.ts";
import { type DeliveredEntry, leafBytes } from "../wire/mod.ts";
import { Untrue, type UntrueProof } from "./fault.ts";

/** The tree after an entry, and what is kept of it. */
export interface Followed {
  readonly position: Position;
  readonly kept: Omit<KeptLeaf, "conversation">;
}

export function untrue(what: string, proof: UntrueProof = {}): Untrue {
  return new Untrue(`The relay contradicts itself: ${what}`, proof);
}

/** Leaf of the log that an entry is. */
export function leafOf(crypto: Crypto, delivered: DeliveredEntry): Hash {
  return leafHash(crypto.hash, leafBytes(delivered.leaf));
}

/**
 * Takes the next entry into the tree; throws Fault<"client/untrue"> where its body isn't what its leaf says, or
 * it doesn't come next.
 */
export function followEntry(crypto: Crypto, position: Position, delivered: DeliveredEntry): Followed {
  const { leaf, entry } = delivered;
  if (leaf.seq !== position.size) throw untrue(`entry ${position.size} was expected, ${leaf.seq} came`);
  if (leaf.generation > position.generation) {
    throw untrue(
      `entry ${leaf.seq} is of generation ${leaf.generation}, the mailbox of ${position.generation}`,
    );
  }
  if (entry !== null && !sameHash(crypto.hash.sha256(entry), leaf.entryHash)) {
    throw untrue(`entry ${leaf.seq} isn't what its leaf says`);
  }
  const hash = leafOf(crypto, delivered);
  const tree = { peaks: [...position.peaks], size: position.size };
  append(crypto.hash, tree, hash);
  const turn = leaf.kind === "control" ? leaf.turn + 1 : Math.max(leaf.turn, position.turn);
  return {
    position: { ...position, size: tree.size, peaks: tree.peaks, turn },
    kept: {
      // In which the log has it here: a later one may have it again, where this one has something else.
      generation: position.generation,
      seq: leaf.seq,
      id: leaf.id,
      turn,
      leaf: hash,
      root: rootOf(crypto.hash, tree.peaks),
    },
  };
}

/** Peaks of the tree over `leaves`. */
export function peaksOf(crypto: Crypto, leaves: readonly Hash[]): Hash[] {
  const tree = { peaks: [] as Hash[], size: 0 };
  for (const leaf of leaves) append(crypto.hash, tree, leaf);
  return tree.peaks;
}

/** The log as far as `position` has it; null where it is empty. */
export function seenHead(crypto: Crypto, position: Position): SeenHead | null {
  if (position.size === 0) return null;
  return { generation: position.generation, size: position.size, root: rootOf(crypto.hash, position.peaks) };
}
