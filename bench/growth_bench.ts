/**
 * Memory over time: a relay that devices stay at, with messages for them, while others come and go in every way,
 * broken handshakes and vanished connections included. What stands at the end is what a leak would have left.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numberOf, openLoad, tell } from "./harness/edge_subject.ts";
import { collect } from "./harness/peer.ts";
import { quantile, round } from "./harness/quantile.ts";
import { collectingRelayCommand, openRelayHost } from "./harness/relay_subject.ts";
import { atLeast, atMost, type Benchmark, type Measured, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const STAYING: Readonly<Record<Size, number>> = { small: 50, standard: 1000, large: 5000 };
const SECONDS: Readonly<Record<Size, number>> = { small: 60, standard: 60, large: 600 };
const RATE = 100;
const COMING = 8;
/** Fills code, heap and the store's page cache, which are bounded, before what isn't is looked for. */
const WARMING = { seconds: 15, rate: 2000, at: 32 };
/** Points of the curve: at each, memory as it stands and after a collection. */
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
  await using relay = await openRelayHost({ dir, command: collectingRelayCommand });
  const staying = STAYING[size];
  progress(`growth: ${staying} devices come to stay`);
  await using load = await openLoad("growth_load.ts", [relay.address, String(staying)], { readyMs: 300_000 });
  progress("growth: filling what has a bound");
  await tell(load, WARMING);
  const seconds = SECONDS[size];
  const told = tell(load, { seconds, rate: RATE, at: COMING }, (seconds + 120) * 1000);
  const rows = await sampled(relay.subject, { staying, seconds, progress });
  const answer = await told;
  const [churned, failed] = [numberOf(answer, "churned"), numberOf(answer, "failed")];
  const why = typeof answer["why"] === "string" ? `; the first that failed: ${answer["why"]}` : "";
  return {
    rows,
    ratios: [
      atMost(`memory in the last quarter of ${seconds} s over the second`, grown(rows, "collectedKib"), 1.05),
      atMost("the same before a collection", grown(rows, "rssKib"), 1.15),
      atLeast(
        "messages delivered over sent",
        round(numberOf(answer, "delivered") / numberOf(answer, "sent")),
        1,
      ),
      atMost("visits that failed", failed, 0),
    ],
    plots: [{ title: "Memory while devices come and go", x: "seconds", y: "collectedKib" }],
    notes: [`${churned} devices came and went beside ${staying} that stayed${why}`],
  };
}

interface Sampling {
  readonly staying: number;
  readonly seconds: number;
  readonly progress: (text: string) => void;
}

/** The curve's points, spread evenly over `seconds`. */
async function sampled(subject: Subject, { staying, seconds, progress }: Sampling): Promise<Row[]> {
  const startedMs = performance.now();
  const rows: Row[] = [];
  for (let point = 1; point <= POINTS; point++) {
    const atSeconds = (point * seconds) / POINTS;
    await Bun.sleep(Math.max(0, startedMs + atSeconds * 1000 - performance.now()));
    const { rssKib } = subject.usage();
    await collect(subject);
    const collectedKib = subject.usage().rssKib;
    progress(`growth: ${round(atSeconds)} of ${seconds} s, ${collectedKib} KiB`);
    const parameters = { seconds: round(atSeconds), staying };
    rows.push({ subject: "dchat", parameters, figures: { rssKib, collectedKib } });
  }
  return rows;
}

/** The median of a figure over the last points, over that of as many once all was warm. */
function grown(rows: readonly Row[], figure: "rssKib" | "collectedKib"): number {
  const values = rows.map(({ figures }) => figures[figure] ?? Number.NaN);
  const median = (of: readonly number[]): number => quantile(Float64Array.from(of), 0.5);
  return round(median(values.slice(-WARM_POINTS)) / median(values.slice(WARM_POINTS, 2 * WARM_POINTS)));
}
