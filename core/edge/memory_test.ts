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

test("MemoryBudget looks once a second, and has room for one where nobody is there", () => {
  const { process, budget } = holding(200);
  expect(budget.isFull(100, { connections: 0, now: 0 })).toBe(false);
  expect(budget.isFull(100, { connections: 1, now: 0 })).toBe(true);
  process.bytes = 10;
  expect(budget.isFull(100, { connections: 1, now: limit.MEMORY_LOOK_MS - 1 })).toBe(true);
  expect(budget.isFull(100, { connections: 1, now: limit.MEMORY_LOOK_MS })).toBe(false);
});
