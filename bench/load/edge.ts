/** What the edge's benchmarks share: a clock, limits that are out of the way of what is measured, and many steps at once. */
import { type Clock, limit } from "../../core/ground/mod.ts";
import type { EdgeLimits } from "../../core/edge/mod.ts";

export const benchClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** Every limit is in force, as in production; those that count connections leave room for the load. */
export const benchLimits: EdgeLimits = {
  connectionsMax: 50_000,
  connectionsPerAddressMax: 50_000,
  connectionsPerSubnetMax: 50_000,
  handshakesMax: 4096,
  streamsMax: limit.STREAMS_MAX_DEFAULT,
  handshakeTimeoutMs: 30_000,
  keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
  keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
  slowReaderTimeoutMs: limit.SLOW_READER_TIMEOUT_MS,
};

/** Runs `step` so many `times`, `at` once; the latencies in ms. */
export async function many(times: number, at: number, step: () => Promise<void>): Promise<number[]> {
  const took: number[] = [];
  let left = times;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const started = performance.now();
      await step();
      took.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: at }, worker));
  return took;
}
