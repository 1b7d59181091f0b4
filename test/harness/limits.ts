/** How often a relay's limits were hit, as its metrics say. */
import type { SpawnedRelay } from "./relay.ts";

const TIMEOUT_MS = 10_000;

/** The ports that it listens on for devices, in order. */
export function portsOf({ file }: SpawnedRelay): number[] {
  return file.addresses.map((address) => Number(/\/tcp\/(\d+)/.exec(address)?.[1]));
}

/** Of one series of the metrics; 0 where it isn't there yet. */
export async function metric(relay: SpawnedRelay, series: string): Promise<number> {
  const text = await (await relay.get("/metrics")).text();
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}

export function limitCount(relay: SpawnedRelay, name: string): Promise<number> {
  return metric(relay, `dchat_limits_total{limit="${name}"}`);
}

/** Waits until a limit was hit at least so many times; throws where it never is. */
export async function untilLimited(relay: SpawnedRelay, name: string, times = 1): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  while ((await limitCount(relay, name)) < times) {
    if (performance.now() > endMs) throw new Error(`${name} was never hit ${times} times`);
    await Bun.sleep(20);
  }
}
