/** Notices a store that stops writing while nobody writes, and one that writes again. */
import type { Pipeline } from "./pipeline.ts";

/** How often a store that failed is asked whether it writes again. */
const FAILED_MS = 1000;

export interface ProbingOptions {
  readonly pipeline: Pick<Pipeline, "failure" | "probe">;
  /** How often a store that didn't fail is asked too; null: it isn't. */
  readonly soundMs: number | null;
  readonly failedMs?: number;
}

/** Asks, one question at a time, until disposed of: a database that comes back needs no restart. */
export function keepProbing({ pipeline, soundMs, failedMs = FAILED_MS }: ProbingOptions): Disposable {
  let askedMs = performance.now();
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    await pipeline.probe();
    isAsking = false;
    askedMs = performance.now();
  };
  const timer = setInterval(() => {
    const isDue = soundMs !== null && performance.now() - askedMs >= soundMs;
    if (!isAsking && (isDue || pipeline.failure !== null)) void ask();
  }, failedMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
