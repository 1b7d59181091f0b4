/** The relay's benchmarks at their small size, so that they can't rot. What they measure here says nothing. */
import { expect, test } from "bun:test";
import { benchmark as append } from "./append_bench.ts";
import { benchmark as cores } from "./cores_bench.ts";
import { benchmark as drain } from "./drain_bench.ts";
import { benchmark as health } from "./health_bench.ts";
import { print } from "./harness/print.ts";
import { lacking, measure } from "./harness/result.ts";
import { benchmark as loss } from "./loss_bench.ts";
import { benchmark as scale } from "./scale_bench.ts";
import { benchmark as start } from "./start_bench.ts";

test.each([append, cores, drain, health, loss, scale, start])(
  "$name measures every subject of its small run",
  async (benchmark) => {
    const result = await measure(benchmark, {
      size: "small",
      everyPeer: false,
      progress: () => undefined,
      signal: new AbortController().signal,
    });
    expect(result.rows.length).toBeGreaterThan(0);
    for (const row of result.rows) {
      const { figures } = row;
      expect(lacking(row), row.subject).toEqual([]);
      for (const [name, value] of Object.entries(figures)) expect(value, name).toBeGreaterThanOrEqual(0);
    }
    expect(print(result)).toContain(benchmark.name);
  },
  60_000,
);
