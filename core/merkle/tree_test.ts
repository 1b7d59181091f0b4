import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { digest } from "../../test/harness/digest.ts";
import { type Hash, hash } from "../ground/mod.ts";
import { emptyRoot, leafHash, nodeHash } from "./hash.ts";
import {
  makeProof,
  type Node,
  planConsistency,
  planInclusion,
  proveFrom,
  verifyConsistency,
  verifyInclusion,
} from "./proof.ts";
import { append, peakCount, rootOf, rootOfLeaves } from "./tree.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
const fromHex = (hex: string): Hash => hash(bytes(hex));

/** The eight leaves that Certificate Transparency's implementations test with. */
const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => leafHash(digest, bytes(hex)));

/** Their known roots, by size from 1. */
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** Known proofs: RFC 6962's log tests, (leaf + 1, size). */
const INCLUSION: readonly [index: number, size: number, proof: readonly string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    5,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
  [
    1,
    5,
    [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

const CONSISTENCY: readonly [first: number, size: number, proof: readonly string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [
    2,
    5,
    [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

/** The definition of RFC 9162, section 2.1.1, word for word. */
function naiveRoot(leaves: readonly Hash[]): Hash {
  const [only] = leaves;
  if (only === undefined) return emptyRoot(digest);
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(digest, [naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k))]);
}

/** A store of nodes, filled as a store fills it: by what each append completes. */
function grow(leaves: readonly Hash[]) {
  const nodes = new Map<string, Hash>();
  const tree = { peaks: [] as Hash[], size: 0 };
  for (const leaf of leaves) {
    const index = tree.size;
    append(digest, tree, leaf).forEach((node, level) => {
      nodes.set(`${level}:${Math.floor(index / 2 ** level)}`, node);
    });
  }
  const load = (wanted: readonly Node[]): Hash[] =>
    wanted.map(({ level, index }) => {
      const node = nodes.get(`${level}:${index}`);
      if (node === undefined) throw new Error(`node ${level}:${index} was never completed`);
      return node;
    });
  return { tree, load };
}

const leavesOf = (count: number): Hash[] =>
  Array.from({ length: count }, (_, at) => leafHash(digest, new Uint8Array([at % 256, at >> 8])));

describe("append() and rootOf()", () => {
  test("reach the known roots of Certificate Transparency", () => {
    expect(rootOfLeaves(digest, []).toHex()).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    ROOTS.forEach((root, at) => expect(rootOfLeaves(digest, LEAVES.slice(0, at + 1)).toHex()).toBe(root));
  });

  test("agree with the definition at every size to 130, with a peak for each set bit", () => {
    const leaves = leavesOf(130);
    for (let size = 0; size <= 130; size += 1) {
      const { tree } = grow(leaves.slice(0, size));
      expect(rootOf(digest, tree.peaks)).toEqual(naiveRoot(leaves.slice(0, size)));
      expect(tree.peaks).toHaveLength(peakCount(size));
    }
  });
});

describe("proofs", () => {
  const { load } = grow(LEAVES);
  const rootAt = (size: number): Hash => fromHex(ROOTS[size - 1] ?? "");

  test.each(INCLUSION)("planInclusion() of leaf %i in %i gives the known proof", (index, size, known) => {
    const plan = planInclusion(index, size);
    const proof = makeProof(digest, plan, load(plan.wanted));
    expect(proof.map((step) => step.toHex())).toEqual([...known]);
    const leaf = LEAVES[index];
    expect(
      leaf !== undefined && verifyInclusion(digest, { index, size, leaf, root: rootAt(size), proof }),
    ).toBe(true);
  });

  test.each(CONSISTENCY)("planConsistency() of %i to %i gives the known proof", (first, size, known) => {
    const plan = planConsistency(first, size);
    const proof = makeProof(digest, plan, load(plan.wanted));
    expect(proof.map((step) => step.toHex())).toEqual([...known]);
    const claim = { first, size, firstRoot: rootAt(first), root: rootAt(size), proof };
    expect(verifyConsistency(digest, claim)).toBe(true);
  });

  test("verify for every leaf and every earlier size of every tree to 40", () => {
    const leaves = leavesOf(40);
    const { load: loadAll } = grow(leaves);
    for (let size = 1; size <= 40; size += 1) {
      const root = naiveRoot(leaves.slice(0, size));
      for (let index = 0; index < size; index += 1) {
        const plan = planInclusion(index, size);
        const proof = makeProof(digest, plan, loadAll(plan.wanted));
        const leaf = leaves[index] as Hash;
        expect(verifyInclusion(digest, { index, size, leaf, root, proof })).toBe(true);
        const older = planConsistency(index + 1, size);
        const consistency = makeProof(digest, older, loadAll(older.wanted));
        const firstRoot = naiveRoot(leaves.slice(0, index + 1));
        expect(
          verifyConsistency(digest, { first: index + 1, size, firstRoot, root, proof: consistency }),
        ).toBe(true);
      }
    }
  });

  test("fail for any other index, size, leaf or root, for a bit flipped, a step missing or one too many", () => {
    const leaves = leavesOf(64);
    const { load: loadAll } = grow(leaves);
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 64 }).chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1))),
        fc.nat(),
        fc.nat(),
        ([size, index], salt, other) => {
          const plan = planInclusion(index, size);
          const proof = makeProof(digest, plan, loadAll(plan.wanted));
          const claim = {
            index,
            size,
            leaf: leaves[index] as Hash,
            root: naiveRoot(leaves.slice(0, size)),
            proof,
          };
          const flipped = proof.map((step) => hash(step.slice()));
          const step = flipped[salt % flipped.length] as Hash;
          step[other % 32] = (step[other % 32] ?? 0) ^ (1 << (salt % 8));
          expect(verifyInclusion(digest, { ...claim, proof: flipped })).toBe(false);
          expect(verifyInclusion(digest, { ...claim, proof: proof.slice(1) })).toBe(false);
          expect(verifyInclusion(digest, { ...claim, proof: [...proof, step] })).toBe(false);
          expect(verifyInclusion(digest, { ...claim, leaf: step })).toBe(false);
          expect(verifyInclusion(digest, { ...claim, index: size })).toBe(false);
          const elsewhere = (index + 1 + (other % (size - 1))) % size;
          expect(verifyInclusion(digest, { ...claim, index: elsewhere })).toBe(false);
        },
      ),
    );
  });

  test("of consistency fail for a tree that was rewritten", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 64 }), fc.nat(), fc.nat(), (size, a, b) => {
        const first = 1 + (a % (size - 1));
        const leaves = leavesOf(size);
        const rewritten = leaves.slice();
        rewritten[b % first] = leafHash(digest, new Uint8Array([9, 9, 9]));
        const { load: loadOther } = grow(rewritten);
        const plan = planConsistency(first, size);
        const claim = {
          first,
          size,
          firstRoot: naiveRoot(leaves.slice(0, first)),
          root: naiveRoot(rewritten),
          proof: makeProof(digest, plan, loadOther(plan.wanted)),
        };
        expect(verifyConsistency(digest, claim)).toBe(false);
      }),
    );
  });
});

describe("proveFrom()", () => {
  const leaves = Array.from({ length: 40 }, (_, at) => leafHash(digest, new Uint8Array([at])));
  const peaksAt = (size: number): Hash[] => {
    const tree = { peaks: [] as Hash[], size: 0 };
    for (const leaf of leaves.slice(0, size)) append(digest, tree, leaf);
    return tree.peaks;
  };

  test("proves every leaf behind a tree that is known by its peaks alone", () => {
    for (let total = 1; total <= leaves.length; total++) {
      const root = rootOfLeaves(digest, leaves.slice(0, total));
      for (let size = 0; size < total; size++) {
        const tree = { peaks: peaksAt(size), size, leaves: leaves.slice(size, total) };
        for (let index = size; index < total; index++) {
          const proof = proveFrom(digest, tree, index) ?? [];
          const claim = { index, size: total, leaf: leaves[index] ?? root, root, proof };
          expect(verifyInclusion(digest, claim)).toBe(true);
        }
      }
    }
  });

  test("proves nothing of leaves that it doesn't have", () => {
    const tree = { peaks: peaksAt(8), size: 8, leaves: leaves.slice(8, 11) };
    expect(proveFrom(digest, tree, 3)).toBeNull();
    expect(proveFrom(digest, tree, 11)).toBeNull();
    expect(proveFrom(digest, tree, -1)).toBeNull();
  });
});
