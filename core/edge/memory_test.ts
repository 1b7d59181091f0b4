import { expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { MemoryBudget } from "./memory.ts";

/** A process of so many bytes, of which so many are garbage. */
function holding(bytes: number, garbage = 0) {
  const process = { bytes, garbage, tidied: 0 };
  const budget = new MemoryBudget({
    rss: () => process.bytes + process.garbage,
    tidy: () => {
      process.garbage = 0;
      process.tidied++;
    },
  });
  return { process, budget };
}

test("MemoryBudget counts no garbage, and collects it once a while at most", () => {
  const { process, budget } = holding(90, 50);
  expect(budget.isFull(0, { connections: 1, now: 0 })).toBe(false);
  expect(process.tidied).toBe(0);
  expect(budget.isFull(100, { connections: 1, now: 0 })).toBe(false);
  expect([process.tidied, process.garbage]).toEqual([1, 0]);
  process.bytes = 101;
  for (let now = limit.MEMORY_LOOK_MS; now < limit.MEMORY_TIDY_MS; now += limit.MEMORY_LOOK_MS)
    expect(budget.isFull(100, { connections: 1, now })).toBe(true);
  expect(process.tidied).toBe(1);
  process.bytes = 50;
  process.garbage = 60;
  expect(budget.isFull(100, { connections: 1, now: limit.MEMORY_TIDY_MS })).toBe(false);
  expect(process.tidied).toBe(2);
});

test("MemoryBudget gives no room for those who left while memory goes on growing", () => {
  const { process, budget } = holding(1100);
  const full = (connections: number, now: number) => budget.isFull(1000, { connections, now });
  expect(full(1000, 0)).toBe(true);
  expect(full(899, 1000)).toBe(false);
  // What may be garbage counts only when it is half as much again.
  process.garbage = 400;
  expect(full(899, 2000)).toBe(false);
  process.garbage = 600;
  expect(full(899, 3000)).toBe(true);
  expect(full(0, 3000)).toBe(false);
  process.garbage = 0;
  expect(full(899, 4000)).toBe(false);
  // What isn't garbage counts as soon as that is known, and a tenth of those who are there then has to leave.
  process.bytes = 1150;
  expect(full(899, limit.MEMORY_TIDY_MS)).toBe(false);
  process.bytes = 1160;
  expect(full(899, 2 * limit.MEMORY_TIDY_MS)).toBe(true);
  expect(full(811, 2 * limit.MEMORY_TIDY_MS + 1000)).toBe(true);
  expect(full(809, 2 * limit.MEMORY_TIDY_MS + 2000)).toBe(false);
  for (const grown of [2000, 5000, 50_000]) {
    process.bytes = grown;
    for (let second = 1; second < 60; second++)
      expect(full(400, grown * limit.MEMORY_TIDY_MS + second * 1000)).toBe(true);
    expect(full(300, (grown + 0.99) * limit.MEMORY_TIDY_MS)).toBe(false);
  }
  process.bytes = 1000;
  expect(full(5000, 60_000 * limit.MEMORY_TIDY_MS)).toBe(false);
});

test("MemoryBudget looks once a second, and has room for one where nobody is there", () => {
  const { process, budget } = holding(200);
  expect(budget.isFull(100, { connections: 0, now: 0 })).toBe(false);
  expect(budget.isFull(100, { connections: 1, now: 0 })).toBe(true);
  process.bytes = 10;
  expect(budget.isFull(100, { connections: 1, now: limit.MEMORY_LOOK_MS - 1 })).toBe(true);
  expect(budget.isFull(100, { connections: 1, now: limit.MEMORY_LOOK_MS })).toBe(false);
});
