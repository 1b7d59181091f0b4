/**
 * Inclusion and consistency proofs of RFC 9162, section 2.1.3 and 2.1.4, made from stored hashes of perfect
 * subtrees and checked by anyone.
 *
 * What a proof does not protect: it says that a leaf is in a tree or that one tree begins another. That all
 * clients see the same tree is for the heads that they exchange.
 */
import { assert, type Hash } from "../ground/mod.ts";
import { nodeHash, sameHash, type Digest } from "./hash.ts";
import { rootOf } from "./tree.ts";

/** A perfect subtree: leaves `index * 2^level` and the `2^level` from there. */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/** The leaves [from, to). Cut as RFC 9162 cuts, so `from` is a multiple of the least power of two >= its length. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Which stored nodes a proof needs, and how to make it of their hashes in the same order. */
export interface ProofPlan {
  readonly wanted: readonly Node[];
  /** How many of `wanted`, in order, make up each hash of the proof. */
  readonly groups: readonly number[];
}

/** Largest power of two smaller than `size`, which is at least 2. */
function split(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** The perfect subtrees that the leaves [from, to) are made of, left to right. */
function cover({ from, to }: Range): Node[] {
  const nodes: Node[] = [];
  let at = from;
  while (at < to) {
    let level = 0;
    let span = 1;
    while (span * 2 <= to - at && at % (span * 2) === 0) {
      span *= 2;
      level += 1;
    }
    nodes.push({ level, index: at / span });
    at += span;
  }
  return nodes;
}

function plan(ranges: readonly Range[]): ProofPlan {
  const covers = ranges.map(cover);
  return { wanted: covers.flat(), groups: covers.map((nodes) => nodes.length) };
}

/** Plans the proof that leaf `index` is in the tree of `size` leaves; `index < size`. */
export function planInclusion(index: number, size: number): ProofPlan {
  assert(index >= 0 && index < size, "a leaf that is to be proven lies within the tree");
  const ranges: Range[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      ranges.unshift({ from: middle, to });
      to = middle;
    } else {
      ranges.unshift({ from, to: middle });
      from = middle;
    }
  }
  return plan(ranges);
}

/** Plans the proof that the tree of `size` begins with the tree of `first` leaves; `first <= size`. */
export function planConsistency(first: number, size: number): ProofPlan {
  assert(first >= 0 && first <= size, "a tree begins with trees that are no larger");
  if (first === 0 || first === size) return { wanted: [], groups: [] };
  const ranges: Range[] = [];
  let from = 0;
  let to = size;
  // While the old tree is a prefix of [from, to) that doesn't fill it, descend; `whole` stays true as long as
  // the old tree's part is one that the verifier already has, its root.
  let whole = true;
  while (first !== to) {
    const middle = from + split(to - from);
    if (first <= middle) {
      ranges.unshift({ from: middle, to });
      to = middle;
    } else {
      ranges.unshift({ from, to: middle });
      from = middle;
      whole = false;
    }
  }
  if (!whole) ranges.unshift({ from, to });
  return plan(ranges);
}

/** Makes the proof of a plan; `hashes` are those of `plan.wanted` in order. */
export function makeProof(digest: Digest, plan: ProofPlan, hashes: readonly Hash[]): Hash[] {
  assert(hashes.length === plan.wanted.length, "a proof needs each hash that its plan wants");
  const proof: Hash[] = [];
  let at = 0;
  for (const count of plan.groups) {
    proof.push(rootOf(digest, hashes.slice(at, at + count)));
    at += count;
  }
  return proof;
}

/**
 * The path of leaf `index` in the tree that has these peaks at `size` and goes on with `leaves`; null where it needs
 * what lies within a peak, as it does for leaves below `size`.
 */
export function proveFrom(
  digest: Digest,
  tree: { readonly peaks: readonly Hash[]; readonly size: number; readonly leaves: readonly Hash[] },
  index: number,
): Hash[] | null {
  const { peaks, size, leaves } = tree;
  const known = new Map(cover({ from: 0, to: size }).map((node, at) => [nameOf(node), peaks[at]]));
  const nodeAt = (node: Node): Hash | null => {
    const from = node.index * 2 ** node.level;
    if (from + 2 ** node.level <= size) return known.get(nameOf(node)) ?? null;
    if (node.level === 0) return leaves[from - size] ?? null;
    const left = nodeAt({ level: node.level - 1, index: node.index * 2 });
    const right = nodeAt({ level: node.level - 1, index: node.index * 2 + 1 });
    return left === null || right === null ? null : nodeHash(digest, [left, right]);
  };
  if (!(index >= 0 && index < size + leaves.length)) return null;
  const plan = planInclusion(index, size + leaves.length);
  const hashes = plan.wanted.map(nodeAt).filter((node) => node !== null);
  return hashes.length === plan.wanted.length ? makeProof(digest, plan, hashes) : null;
}

function nameOf({ level, index }: Node): string {
  return `${level}:${index}`;
}

/**
 * The root that `path` leads to from `leaf` at `index` of a tree of `size` leaves (RFC 9162, 2.1.3.2), or null
 * where a path of that length can't belong there.
 */
export function rootFromPath(
  digest: Digest,
  place: { index: number; size: number; leaf: Hash; path: readonly Hash[] },
): Hash | null {
  if (!(place.index >= 0 && place.index < place.size)) return null;
  let node = place.index;
  let last = place.size - 1;
  let root = place.leaf;
  for (const step of place.path) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      root = nodeHash(digest, [step, root]);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      root = nodeHash(digest, [root, step]);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : null;
}

/** Whether `proof` leads from `leaf` at `index` to `root` of the tree of `size` leaves. */
export function verifyInclusion(
  digest: Digest,
  claim: { index: number; size: number; leaf: Hash; root: Hash; proof: readonly Hash[] },
): boolean {
  const root = rootFromPath(digest, { ...claim, path: claim.proof });
  return root !== null && sameHash(root, claim.root);
}

/** Whether `proof` shows that the tree of `size` begins with the tree of `first` leaves (RFC 9162, 2.1.4.2). */
export function verifyConsistency(
  digest: Digest,
  claim: { first: number; size: number; firstRoot: Hash; root: Hash; proof: readonly Hash[] },
): boolean {
  const { first, size, firstRoot, root, proof } = claim;
  if (!(first >= 0 && first <= size)) return false;
  if (first === size) return proof.length === 0 && sameHash(firstRoot, root);
  // Every tree begins with the empty one; its root is for the caller to know.
  if (first === 0) return proof.length === 0;
  const reached = climb(digest, claim);
  return reached !== null && sameHash(reached.first, firstRoot) && sameHash(reached.root, root);
}

/**
 * The root of the first `first` leaves that `proof` has on its way to `root`, whichever that is; null where it doesn't
 * lead there, and where `first` is a power of two: then it isn't in the proof.
 */
export function firstRootOf(
  digest: Digest,
  claim: { first: number; size: number; root: Hash; proof: readonly Hash[] },
): Hash | null {
  if (!(claim.first > 0 && claim.first < claim.size)) return null;
  const reached = climb(digest, { ...claim, firstRoot: null });
  return reached !== null && sameHash(reached.root, claim.root) ? reached.first : null;
}

/** Both roots that a proof leads to. */
function climb(
  digest: Digest,
  claim: { first: number; size: number; firstRoot: Hash | null; proof: readonly Hash[] },
): { first: Hash; root: Hash } | null {
  let node = claim.first - 1;
  let last = claim.size - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  // A complete old tree is itself the first node of the path.
  const isWhole = node === 0;
  const start = isWhole ? claim.firstRoot : claim.proof[0];
  if (start === null || start === undefined) return null;
  let oldRoot = start;
  let newRoot = start;
  for (const step of isWhole ? claim.proof : claim.proof.slice(1)) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      oldRoot = nodeHash(digest, [step, oldRoot]);
      newRoot = nodeHash(digest, [step, newRoot]);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newRoot = nodeHash(digest, [newRoot, step]);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? { first: oldRoot, root: newRoot } : null;
}
