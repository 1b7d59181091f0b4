import { expect, test } from "bun:test";
import { crypto } from "../../test/harness/party.ts";
import { type Hash, hash } from "../ground/mod.ts";
import { append, makeProof, type Node, planInclusion } from "../merkle/mod.ts";
import { peaksBefore } from "./lapse.ts";

test("peaksBefore() finds the peaks of every smaller tree in the path of its next leaf", () => {
  const nodes = new Map<string, Hash>();
  const peaks: Hash[][] = [];
  const tree = { peaks: [] as Hash[], size: 0 };
  const SIZE_MAX = 70;
  for (let at = 0; at < SIZE_MAX; at++) {
    peaks.push([...tree.peaks]);
    const made = append(crypto.hash, tree, hash(crypto.hash.sha256(Uint8Array.of(at))));
    for (const [level, node] of made.entries()) nodes.set(`${level}/${Math.floor(at / 2 ** level)}`, node);
  }
  const nodeAt = ({ level, index }: Node): Hash => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`no node ${level}/${index}`);
    return node;
  };
  for (let size = 1; size <= SIZE_MAX; size++) {
    for (let index = 0; index < size; index++) {
      const plan = planInclusion(index, size);
      const path = makeProof(crypto.hash, plan, plan.wanted.map(nodeAt));
      expect(peaksBefore({ index, size, path })).toEqual(peaks[index] ?? []);
    }
  }
});
