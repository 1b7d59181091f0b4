import type { Device } from "./device.ts";
import { fault } from "./fault.ts";
import type { Refused } from "./port.ts";
import type { Refusal } from "../wire/mod.ts";

/** How long a relay that is there may say "not now" before work is left for later. */
const PATIENCE_MS = 10_000;
const PAUSE_MS_MIN = 20;

/**
 * Asks again while the relay is busy or its store can't write; throws Fault<"client/away"> when that lasts too long.
 * Every command may be repeated: it is idempotent, monotonic or compare-and-set.
 */
export async function patiently<T extends { readonly is: string }>(
  device: Device,
  attempt: () => Promise<T | Refused>,
  signal?: AbortSignal,
): Promise<T | Refused> {
  const until = device.clock.monotonic() + PATIENCE_MS;
  for (;;) {
    const result = await attempt();
    const retryMs = "refusal" in result ? retryAfterMs(result.refusal) : null;
    if (retryMs === null) return result;
    if (device.clock.monotonic() + retryMs > until) {
      throw fault("client/away", "The relay is there, and can't take anything now");
    }
    await Bun.sleep(Math.max(PAUSE_MS_MIN, retryMs));
    signal?.throwIfAborted();
  }
}

/** After how long what was refused so may be asked again; null where the refusal says no such thing. */
export function retryAfterMs(refusal: Refusal | null): number | null {
  return refusal?.code === "busy" || refusal?.code === "unavailable" ? refusal.retryMs : null;
}

/** Runs `work` on all `items`, at most `width` at once; resolves when all have. What one throws is thrown then. */
export async function inPool<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

/** Resolves after `ms`; rejects when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const over = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", over);
    resolve();
  }, ms);
  if (signal?.aborted === true) over();
  signal?.addEventListener("abort", over, { once: true });
  return promise;
}
