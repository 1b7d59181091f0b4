/**
 * How long the relay's loop keeps an orchestrator waiting: /health asked again and again by another process while
 * the relay takes appends of 1 KiB as fast as it can, and while it idles. The writers run at the lowest priority:
 * elsewhere they would have processors of their own, and here who asks would wait for theirs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numberOf, openLoad, tell } from "./harness/edge_subject.ts";
import { restedKib } from "./harness/peer.ts";
import { round, spread } from "./harness/quantile.ts";
import { collectingRelayCommand, openRelayHost } from "./harness/relay_subject.ts";
import { atMost, type Benchmark, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 8, large: 30 };
const WRITERS: Readonly<Record<Size, number>> = { small: 4, standard: 100, large: 1000 };
const WINDOW = 8;
const BYTES = 1024;
/** Far more often than an orchestrator asks, and far from a load of its own. */
const EVERY_MS = 5;
const TARGET_MS = 10;

export const benchmark: Benchmark = {
  name: "health",
  about: "how long /health takes while the relay takes appends, and while it idles",
  standard: true,
  versions: () => ({}),
  async run({ size, progress }) {
    const dir = mkdtempSync(join(tmpdir(), "dchat-bench-"));
    try {
      return await measureHealth(dir, size, progress);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function measureHealth(dir: string, size: Size, progress: (text: string) => void) {
  await using relay = await openRelayHost({ dir, command: collectingRelayCommand });
  const writers = WRITERS[size];
  await using load = await openLoad("append_load.ts", [relay.address, String(writers)], { background: true });
  const seconds = SECONDS[size];
  const append = (forSeconds: number) =>
    tell(load, { writers, window: WINDOW, bytes: BYTES, seconds: forSeconds });
  progress("health: warming");
  await Promise.all([append(seconds / 4), ask(relay.api, Bun.sleep(seconds * 250))]);
  progress("health: idle");
  const { subject } = relay;
  const rest = await costOf(subject, () => ask(relay.api, Bun.sleep(seconds * 500)));
  progress(`health: ${writers} writers, window ${WINDOW}`);
  const appending = append(seconds);
  const busy = await costOf(subject, () => ask(relay.api, appending));
  const answer = await appending;
  const perSecond = round(numberOf(answer, "appended") / numberOf(answer, "seconds"));
  const rows: Row[] = [
    { subject: "dchat", parameters: { writers: 0, window: 0 }, figures: rest },
    {
      subject: "dchat",
      parameters: { writers, window: WINDOW },
      figures: { perSecond, ...busy },
    },
  ];
  const p99 = rows[1]?.figures["p99Ms"] ?? Number.NaN;
  return {
    rows,
    ratios: [atMost("health p99 under load, ms", p99, TARGET_MS)],
    plots: [{ title: "The slowest hundredth of /health", bars: ["writers"], y: "p99Ms" }],
  };
}

/** What questions took, and what of a core the relay used meanwhile; its memory afterwards. */
async function costOf(subject: Subject, asking: () => Promise<Float64Array>): Promise<Row["figures"]> {
  const [before, beganMs] = [subject.usage().cpuMs, performance.now()];
  const took = await asking();
  const corePercent = round(((subject.usage().cpuMs - before) / (performance.now() - beganMs)) * 100);
  return { ...spread(took, "Ms"), corePercent, rssKib: await restedKib(subject) };
}

/** What each question took, ms, until `over` resolves. One at a time, over a connection that stays. */
async function ask(api: string, over: Promise<unknown>): Promise<Float64Array> {
  let isOver = false;
  void over.then(() => (isOver = true));
  const took: number[] = [];
  while (!isOver) {
    const startMs = performance.now();
    const response = await fetch(new URL("/health", api));
    await response.text();
    const ms = performance.now() - startMs;
    if (response.status !== 200) throw new Error(`/health answered ${response.status}`);
    took.push(ms);
    await Bun.sleep(EVERY_MS);
  }
  return Float64Array.from(took);
}
