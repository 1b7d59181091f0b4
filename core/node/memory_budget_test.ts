import { expect, test } from "bun:test";
import { budgetTooSmall, requireBudget } from "./memory_budget.ts";

const MIB = 1024 ** 2;

test("budgetTooSmall() names what may be held, what is, and what would do", () => {
  expect(budgetTooSmall(0, 500 * MIB)).toBeNull();
  expect(budgetTooSmall(101 * MIB, 100 * MIB)).toBeNull();
  const said = budgetTooSmall(100 * MIB, 100 * MIB) ?? "";
  expect(said).toContain("relay.max_memory is 100MiB, but this process holds 100 MiB");
  expect(said).toContain("set it to 164MiB or more");
});

test("requireBudget() refuses what this process is over, and nothing else", () => {
  expect(() => requireBudget(MIB)).toThrow("relay.max_memory is 1MiB");
  for (const bytesMax of [0, 2 ** 40]) requireBudget(bytesMax);
});
