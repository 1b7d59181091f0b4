import { expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { Counts } from "./counts.ts";

const KEYS = 2000;

test("counts each key apart, and keeps none that has nobody", () => {
  const counts = new Counts();
  const [one, same, other] = [Uint8Array.of(0, 255), Uint8Array.of(0, 255), Uint8Array.of(0, 254)];
  expect([counts.add(one, 1), counts.add(same, 1), counts.add(other, 1), counts.size]).toEqual([1, 2, 1, 2]);
  expect([counts.add(one, -1), counts.add(other, -1), counts.size]).toEqual([1, 0, 1]);
});

test("leaves keys as small as they were: no object of their buffer's own stays with them", () => {
  const buffers = (): number => {
    Bun.gc(true);
    return heapStats().objectTypeCounts["ArrayBuffer"] ?? 0;
  };
  const keys = Array.from({ length: KEYS }, (_, at) => Uint8Array.of(at >> 8, at & 255));
  const before = buffers();
  const counts = new Counts();
  for (const key of keys) counts.add(key, 1);
  expect(buffers() - before).toBeLessThan(KEYS / 10);
  expect([counts.size, keys.length]).toEqual([KEYS, KEYS]);
});
