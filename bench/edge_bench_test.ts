/** The edge's benchmarks at their small size, so that they can't rot. What they measure here says nothing. */
import { describe, expect, test } from "bun:test";
import { benchmark as connections } from "./connections_bench.ts";
import { benchmark as forward } from "./forward_bench.ts";
import { benchmark as handshakes } from "./handshakes_bench.ts";
import { lacking, measure } from "./harness/result.ts";
import { benchmark as hostile } from "./hostile_bench.ts";

describe("the edge's benchmarks", () => {
  test.each([connections, forward, handshakes, hostile])(
    "$name measures every subject of its small run",
    async (benchmark) => {
      const result = await measure(benchmark, {
        size: "small",
        everyPeer: false,
        progress: () => {},
        signal: AbortSignal.timeout(120_000),
      });
      expect(new Set(result.rows.map((row) => row.subject))).toContain("dchat");
      expect(result.rows.length).toBeGreaterThan(1);
      for (const row of result.rows) {
        expect(lacking(row), row.subject).toEqual([]);
        for (const [name, figure] of Object.entries(row.figures)) {
          expect(Number.isFinite(figure), `${row.subject} ${name}`).toBe(true);
        }
      }
      expect(result.ratios.length).toBeGreaterThan(0);
    },
    120_000,
  );
});
