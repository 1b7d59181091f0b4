/** Notices a store that stops working while nobody writes, and one that works again. */
import { limit } from "../../ground/mod.ts";
import type { Pipeline } from "../pipeline.ts";

/** How often a store that failed is asked whether it writes again. */
const FAILED_MS = 1000;

export interface ProbingOptions {
  readonly pipeline: Pick<Pipeline, "failure" | "probe">;
  /** How often a store that didn't fail is asked too. Default limit.STORE_PROBE_MS. */
  readonly soundMs?: number;
  readonly failedMs?: number;
}

/** Asks, one question at a time, until disposed of: a database that comes back needs no restart. */
export function keepProbing(options: ProbingOptions): Disposable {
  const { pipeline, soundMs = limit.STORE_PROBE_MS, failedMs = FAILED_MS } = options;
  let askedMs = performance.now();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    await pipeline.probe();
    isAsking = false;
    askedMs = performance.now();
  };
  const timer = setInterval(() => {
    const isDue = performance.now() - askedMs >= soundMs;
    if (!isAsking && (isDue || pipeline.failure !== null)) void ask();
  }, failedMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
