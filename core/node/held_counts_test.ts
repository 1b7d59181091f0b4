import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import type { StoreCounts } from "../mailbox/mod.ts";
import { heldBy, openHeldCounts } from "./held_counts.ts";

/** A store that takes `tookMs` of a clock that stands still otherwise, and holds one mailbox more at each count. */
function open(tookMs: number) {
  const clock = { nowMs: 0, now: () => 0, monotonic: () => clock.nowMs };
  const store = {
    counted: 0,
    fails: false,
    async counts() {
      await Promise.resolve();
      clock.nowMs += tookMs;
      if (store.fails) throw new Error("away");
      return { mailboxes: (store.counted += 1), entries: 0, bytes: 0 };
    },
  };
  const held = openHeldCounts(store, clock);
  return { clock, store, mailboxes: async () => (await held.counts()).mailboxes };
}

describe("openHeldCounts()", () => {
  test("counts each time where that is quick", async () => {
    const { mailboxes } = open(1);
    expect([await mailboxes(), await mailboxes()]).toEqual([1, 2]);
  });

  test("tells a slow count again for fifty times as long as it took, and counts once for all who ask meanwhile", async () => {
    const { clock, store, mailboxes } = open(700);
    expect(await Promise.all([mailboxes(), mailboxes(), mailboxes()])).toEqual([1, 1, 1]);
    clock.nowMs += 50 * 700 - 1;
    expect(await mailboxes()).toBe(1);
    clock.nowMs += 1;
    expect(await mailboxes()).toBe(2);
    expect(store.counted).toBe(2);
  });

  test("tells of a store that is away, and counts again when it is back", async () => {
    const { store, mailboxes } = open(700);
    store.fails = true;
    await expect(mailboxes()).rejects.toThrow("away");
    store.fails = false;
    expect(await mailboxes()).toBe(1);
  });
});

const COUNTS: StoreCounts = { mailboxes: 1, entries: 2, bytes: 3 };

/** A store that answers as the test says. */
class Asked {
  answer: () => Promise<StoreCounts> = async () => COUNTS;

  counts(): Promise<StoreCounts> {
    return this.answer();
  }
}

test("heldBy() gives the last answer of a store that hangs, for a while", async () => {
  const store = new Asked();
  const passed = { ms: 0 };
  const held = heldBy({ store, clock: { now: () => 0, monotonic: () => passed.ms }, waitMs: 20 });
  expect(await held()).toEqual(COUNTS);
  const hung = Promise.withResolvers<StoreCounts>();
  store.answer = () => hung.promise;
  passed.ms += limit.STORE_COUNTS_AGE_MS - 1;
  expect(await held()).toEqual(COUNTS);
  passed.ms += 1;
  expect(await held()).toBeNull();
  hung.resolve({ ...COUNTS, entries: 7 });
  await hung.promise;
  expect(await held()).toEqual({ ...COUNTS, entries: 7 });
  store.answer = () => Promise.reject(new Error("away"));
  expect(await held()).toBeNull();
});
