/**
 * Memory over time: a relay that devices stay at, with messages for them, while others come and go in every way,
 * broken handshakes and vanished connections included. What stands at the end is what a leak would have left.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numberOf, openLoad, tell } from "./harness/edge_subject.ts";
import { quantile, round } from "./harness/quantile.ts";
import { openRelayHost } from "./harness/relay_subject.ts";
import { atLeast, atMost, type Benchmark, type Measured, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const STAYING: Readonly<Record<Size, number>> = { small: 50, standard: 1000, large: 5000 };
const SECONDS: Readonly<Record<Size, number>> = { small: 60, standard: 60, large: 600 };
const RATE = 100;
const COMING = 8;
const SAMPLE_MS = 1000;
/** Points of the curve, each the median of what was sampled in its share of the time. */
const POINTS = 20;
/** The first of these hold what warms up: compiled code, caches, the heap's room. */
const WARM_POINTS = 5;

export const benchmark: Benchmark = {
  name: "growth",
  about: "a relay's memory over time while devices come and go; ten minutes with --size large",
  standard: false,
  versions: () => ({}),
  async run({ size, progress }) {
    const dir = mkdtempSync(join(tmpdir(), "dchat-growth-"));
    try {
      return await measureGrowth(dir, size, progress);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function measureGrowth(dir: string, size: Size, progress: (text: string) => void): Promise<Measured> {
  await using relay = await openRelayHost({ dir });
  progress(`growth: ${STAYING[size]} devices come to stay`);
  const emptyKib = relay.subject.usage().rssKib;
  await using load = await openLoad("growth_load.ts", [relay.address, String(STAYING[size])], {
    readyMs: 300_000,
  });
  const heldKib = relay.subject.usage().rssKib;
  const seconds = SECONDS[size];
  const told = tell(load, { seconds, rate: RATE, at: COMING }, (seconds + 120) * 1000);
  const samples = await sampled(relay.subject, { until: told, seconds, progress });
  const answer = await told;
  const curve = pointsOf(samples, seconds);
  const [warm, last] = [curve.slice(WARM_POINTS, 2 * WARM_POINTS), curve.slice(-WARM_POINTS)];
  const rows: Row[] = curve.map((rssKib, at) => ({
    subject: "dchat",
    parameters: { seconds: round(((at + 1) * seconds) / POINTS), staying: STAYING[size] },
    figures: { rssKib },
  }));
  const figures = {
    churnedPerSecond: round(numberOf(answer, "churned") / seconds),
    failedVisits: numberOf(answer, "failed"),
    kibEachSubscribed: round((heldKib - emptyKib) / STAYING[size]),
  };
  return {
    rows: [...rows, { subject: "dchat", parameters: { staying: STAYING[size] }, figures }],
    ratios: [
      atMost(
        `memory in the last quarter of ${seconds} s over the second`,
        Number((median(last) / median(warm)).toFixed(3)),
        1.05,
      ),
      atLeast(
        "messages delivered over sent",
        round(numberOf(answer, "delivered") / numberOf(answer, "sent")),
        1,
      ),
      atMost("visits that failed", numberOf(answer, "failed"), 0),
    ],
    plots: [{ title: "Memory while devices come and go", x: "seconds", y: "rssKib" }],
    notes: [
      `${numberOf(answer, "churned")} devices came and went beside ${STAYING[size]} that stayed` +
        (typeof answer["why"] === "string" ? `; first failure: ${answer["why"]}` : ""),
    ],
  };
}

interface Sampling {
  readonly until: Promise<unknown>;
  readonly seconds: number;
  readonly progress: (text: string) => void;
}

/** Resident memory in KiB, once a second until `until` settles. */
async function sampled(subject: Subject, { until, seconds, progress }: Sampling): Promise<number[]> {
  const samples: number[] = [];
  let running = true;
  const ended = until.finally(() => (running = false)).catch(() => undefined);
  while (running) {
    await Promise.race([ended, Bun.sleep(SAMPLE_MS)]);
    samples.push(subject.usage().rssKib);
    if (samples.length % 10 === 0)
      progress(`growth: ${samples.length} of ${seconds} s, ${samples.at(-1)} KiB`);
  }
  return samples;
}

function pointsOf(samples: readonly number[], seconds: number): number[] {
  const each = Math.max(1, Math.floor(Math.min(samples.length, seconds) / POINTS));
  return Array.from({ length: POINTS }, (_, at) => median(samples.slice(at * each, (at + 1) * each)));
}

function median(samples: readonly number[]): number {
  return quantile(Float64Array.from(samples), 0.5);
}
