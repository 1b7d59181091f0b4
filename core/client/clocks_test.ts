import { expect, test } from "bun:test";
import { clocksApart, clockTime } from "./clocks.ts";

test("clockTime() reads whatever number a relay calls a time", () => {
  expect(clockTime(Date.UTC(2026, 10, 28, 4, 3, 59))).toBe("2026-11-28 04:03 UTC");
  expect(clockTime(8.64e15)).toBe("+275760-09-13 00:00 UTC");
  expect(clockTime(Number.MAX_SAFE_INTEGER)).toBe("a time that no calendar has");
});

test("clocksApart() has both times", () => {
  expect(clocksApart(0, 1000)).toBe(null);
  expect(clocksApart(0, Number.MAX_SAFE_INTEGER)).toContain(
    "1970-01-01 00:00 UTC, the relay's a time that no calendar",
  );
});
