import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { SignedMessage } from "../port.ts";
import { BUILDS } from "./_builds.ts";
import { openWasm } from "./mod.ts";

const LONG = process.env["DCHAT_TEST_LONG"] === "1";
const COUNT = 70;
/** How often over its items a poisoned batch may go through batch equations: whole, then as rust's SUSPICION lets. */
const WORK_MAX = 1 + 1;

/** The signatures of `count` messages; every third key signs two of them. */
function signed(count: number): SignedMessage[] {
  const { ed25519 } = openWasm();
  return Array.from({ length: count }, (_, i) => {
    using key = ed25519.fromSeed(new Uint8Array(32).fill(i - (i % 3 === 2 ? 1 : 0)));
    const message = new Uint8Array(1 + (i % 130)).fill(i);
    return { key: key.publicKey, message, signature: ed25519.sign(key, message) };
  });
}

const GOOD = signed(COUNT);

/** The item, spoiled in one of its parts. */
function spoiled(item: SignedMessage, part: number): SignedMessage {
  const turned = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  if (part === 0) return { ...item, message: turned(item.message, 0) };
  if (part === 1) return { ...item, signature: turned(item.signature, 40) };
  if (part === 2) return { ...item, signature: turned(item.signature, 3) };
  return { ...item, key: turned(item.key, 5) };
}

describe.each(BUILDS)("verifyBatch() on the %s build", (build) => {
  const wasm = openWasm({ build });

  test("names exactly the bad ones, wherever they stand and whatever is wrong with them", () => {
    const bad = fc.uniqueArray(fc.nat(COUNT - 1), { maxLength: COUNT });
    fc.assert(
      fc.property(bad, fc.integer({ min: 0, max: COUNT }), fc.nat(3), (bad, length, part) => {
        const items = GOOD.slice(0, length).map((item, i) => (bad.includes(i) ? spoiled(item, part) : item));
        const expected = bad.filter((i) => i < length).toSorted((a, b) => a - b);
        expect(wasm.ed25519.verifyBatch(items)).toEqual(expected);
        const alone = items.flatMap((item, i) =>
          wasm.ed25519.verify(item.key, item.message, item.signature) ? [] : [i],
        );
        expect(alone).toEqual(expected);
      }),
      { numRuns: LONG ? 3_000 : build === "wide" ? 60 : 20 },
    );
  });

  test("takes more than go in at once, and names positions of the whole", () => {
    const many = Array.from({ length: 1_100 }, (_, i) => GOOD[i % COUNT]!);
    const bad = [0, 511, 512, 1_023, 1_099];
    const items = many.map((item, i) => (bad.includes(i) ? spoiled(item, 1) : item));
    expect(wasm.ed25519.verifyBatch(items)).toEqual(bad);
  });

  test("takes messages that don't fit the arena together", () => {
    const { ed25519 } = wasm;
    using key = ed25519.fromSeed(new Uint8Array(32));
    const message = new Uint8Array(3 * 1024 * 1024);
    const item = { key: key.publicKey, message, signature: ed25519.sign(key, message) };
    expect(ed25519.verifyBatch([item, spoiled(item, 1), item])).toEqual([1]);
  });

  test("bounds what a poisoned batch costs, however many are bad", () => {
    // Each batch equation draws 16 bytes for each signature in it.
    let drawn = 0;
    const counted = openWasm({
      build,
      random: (length) => {
        drawn += length;
        return crypto.getRandomValues(new Uint8Array(length));
      },
    });
    for (let every = 1; every <= COUNT; every++) {
      drawn = 0;
      const items = GOOD.map((item, i) => (i % every === 0 ? spoiled(item, 1) : item));
      expect(counted.ed25519.verifyBatch(items)).toHaveLength(Math.ceil(COUNT / every));
      expect(drawn).toBeLessThanOrEqual(WORK_MAX * 16 * COUNT);
    }
    drawn = 0;
    expect(counted.ed25519.verifyBatch(GOOD)).toEqual([]);
    expect(drawn).toBe(16 * COUNT);
  });
});
