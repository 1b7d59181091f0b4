/** What the edge's benchmarks share: a clock, and limits that are out of the way of what is measured. */
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
