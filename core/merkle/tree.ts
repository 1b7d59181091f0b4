/**
 * A growing tree, kept as its peaks: the roots of the perfect subtrees that make up the tree, left to right,
 * one for each set bit of its size from the highest down. Enough to append and to compute the root.
 */
import { assert, type Hash } from "../ground/mod.ts";
import { emptyRoot, nodeHash, type Digest } from "./hash.ts";

/** How many peaks a tree of `size` leaves has. */
export function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/**
 * Appends a leaf to the tree of `size` leaves: changes `peaks` in place to those of `size + 1` and returns the
 * hashes of the perfect subtrees that end at this leaf, from level 0 (the leaf itself) upward. The node at
 * level k has the index `floor(size / 2^k)` in its level.
 */
export function append(digest: Digest, tree: { peaks: Hash[]; size: number }, leaf: Hash): Hash[] {
  const { peaks, size } = tree;
  const nodes = [leaf];
  let top = leaf;
  for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    const left = peaks.pop();
    assert(left !== undefined, "a tree has a peak for each set bit of its size");
    top = nodeHash(digest, [left, top]);
    nodes.push(top);
  }
  peaks.push(top);
  tree.size = size + 1;
  return nodes;
}

/** Root of the tree that has these peaks. */
export function rootOf(digest: Digest, peaks: readonly Hash[]): Hash {
  let root = peaks.at(-1);
  if (root === undefined) return emptyRoot(digest);
  for (let at = peaks.length - 2; at >= 0; at -= 1) {
    const left = peaks[at];
    assert(left !== undefined, "an index below the length holds a peak");
    root = nodeHash(digest, [left, root]);
  }
  return root;
}

/** Root of the tree over these leaf hashes. */
export function rootOfLeaves(digest: Digest, leaves: readonly Hash[]): Hash {
  const tree = { peaks: [] as Hash[], size: 0 };
  for (const leaf of leaves) append(digest, tree, leaf);
  return rootOf(digest, tree.peaks);
}
