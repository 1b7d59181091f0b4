/** A minute of devices that come and go: what a leak of 500 bytes a visit would leave is found. */
import { expect, test } from "bun:test";
import { benchmark as growth } from "./growth_bench.ts";
import { holds, measure } from "./harness/result.ts";

test("a relay's memory is flat over a minute of devices that come and go, and nothing is lost", async () => {
  const result = await measure(growth, {
    size: "small",
    everyPeer: false,
    progress: () => undefined,
    signal: new AbortController().signal,
  });
  expect(result.rows).toHaveLength(20);
  expect(result.ratios.filter((ratio) => !holds(ratio))).toEqual([]);
  expect(Number(/^(\d+) devices/.exec(result.notes?.[0] ?? "")?.[1])).toBeGreaterThan(1000);
}, 240_000);
