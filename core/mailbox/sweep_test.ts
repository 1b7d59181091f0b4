import { describe, expect, test } from "bun:test";
import { publicKey } from "../ground/mod.ts";
import { nextGeneration } from "./generation.ts";
import { mayGo, passedBy } from "./sweep.ts";

const key = publicKey(new Uint8Array(32));
const reader = (cursor: number, lapsed = false) => ({ key, cursor, lapsed });

describe("passedBy()", () => {
  test("is the lowest cursor that counts, and 0 where none does", () => {
    expect(passedBy({ readers: [reader(7), reader(3), reader(9)] })).toBe(3);
    expect(passedBy({ readers: [reader(7), reader(8), reader(3, true)] })).toBe(7);
    expect(passedBy({ readers: [] })).toBe(0);
  });

  test("counts those of the lapsed that are furthest ahead where the lapsed are half or more", () => {
    expect(passedBy({ readers: [reader(7), reader(3, true)] })).toBe(3);
    expect(passedBy({ readers: [reader(3, true)] })).toBe(3);
    expect(passedBy({ readers: [reader(2, true), reader(9), reader(3, true)] })).toBe(3);
    expect(passedBy({ readers: [reader(2, true), reader(9), reader(3, true), reader(9)] })).toBe(3);
    expect(passedBy({ readers: [reader(2, true), reader(9), reader(3, true), reader(8), reader(9)] })).toBe(
      8,
    );
    expect(passedBy({ readers: [reader(1, true), reader(2, true), reader(3, true), reader(9)] })).toBe(2);
  });
});

describe("mayGo()", () => {
  const entry = { seq: 2, kind: "plain", timeMs: 1000, expiryMs: 9000 } as const;
  const view = { passed: 3, retentionMs: 500 };

  test("lets a plain entry go when all have read it and its retention is over", () => {
    expect(mayGo(entry, view, 1499)).toBe(false);
    expect(mayGo(entry, view, 1500)).toBe(true);
    expect(mayGo({ ...entry, seq: 3 }, view, 1500)).toBe(false);
  });

  test.each(["control", "package", "lastResort"] as const)("keeps a %s entry to its time", (kind) => {
    expect(mayGo({ ...entry, kind }, view, 8999)).toBe(false);
    expect(mayGo({ ...entry, kind }, view, 9000)).toBe(true);
  });

  test("lets anything go at its time, read or not", () => {
    expect(mayGo({ ...entry, seq: 100 }, view, 9000)).toBe(true);
  });
});

describe("nextGeneration()", () => {
  test("is larger than the last, and than all that two restores of one backup can have given", () => {
    const monday = nextGeneration(1, 1_800_000_000_000);
    const tuesday = nextGeneration(1, 1_800_086_400_000);
    expect(monday).toBeGreaterThan(1);
    expect(tuesday).toBeGreaterThan(monday);
    expect(nextGeneration(tuesday, 1_800_000_000_000)).toBe(tuesday + 1);
    expect(tuesday).toBeLessThan(2 ** 32);
  });
});
