/**
 * What a device notices: how fast it gets what waited for it while it was away, and how long a message takes from
 * its sender to a device that is there, the fsync in between.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numberOf, openLoad, tell, tookMs } from "./harness/edge_subject.ts";
import { restedKib } from "./harness/peer.ts";
import { round, spread } from "./harness/quantile.ts";
import { collectingRelayCommand, openRelayHost } from "./harness/relay_subject.ts";
import { atLeast, type Benchmark, type Row, type Size } from "./harness/result.ts";

const ENTRIES: Readonly<Record<Size, number>> = { small: 300, standard: 20_000, large: 100_000 };
const DEVICES: Readonly<Record<Size, number>> = { small: 5, standard: 200, large: 1000 };
const RATE: Readonly<Record<Size, number>> = { small: 100, standard: 500, large: 500 };
const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 5, large: 20 };
const BYTES = 1024;

export const benchmark: Benchmark = {
  name: "drain",
  about: "stored entries read by a device that comes back, and the latency of live messages",
  standard: true,
  versions: () => ({}),
  async run({ size, progress }) {
    const dir = mkdtempSync(join(tmpdir(), "dchat-drain-"));
    try {
      return await measureDrain(dir, size, progress);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function measureDrain(dir: string, size: Size, progress: (text: string) => void) {
  await using relay = await openRelayHost({ dir, command: collectingRelayCommand });
  await using load = await openLoad("drain_load.ts", [relay.address]);
  const { subject } = relay;
  const rows: Row[] = [];
  const entries = ENTRIES[size];
  progress(`drain: storing ${entries} entries`);
  await tell(load, { fill: entries, bytes: BYTES });
  // Twice: the first time code is cold, as for a device that comes back to a relay that was just started.
  for (const run of ["cold", "warm"]) {
    progress(`drain: ${run}`);
    const before = subject.usage();
    const answer = await tell(load, { drain: entries });
    const { cpuMs } = subject.usage();
    rows.push({
      subject: "dchat",
      parameters: { what: `drain, ${run}`, entries },
      figures: {
        perSecond: round(entries / numberOf(answer, "seconds")),
        seconds: round(numberOf(answer, "seconds")),
        cpuUs: round(((cpuMs - before.cpuMs) * 1000) / entries),
        rssKib: await restedKib(subject),
      },
    });
  }
  progress(`drain: ${RATE[size]} messages a second to ${DEVICES[size]} devices`);
  const told = { live: DEVICES[size], rate: RATE[size], bytes: BYTES, seconds: SECONDS[size] };
  const before = subject.usage();
  const answer = await tell(load, told);
  const { cpuMs } = subject.usage();
  rows.push({
    subject: "dchat",
    parameters: { what: "live", entries: numberOf(answer, "sent") },
    figures: {
      deliveredPerSecond: round(numberOf(answer, "delivered") / numberOf(answer, "seconds")),
      ...spread(tookMs(answer), "Ms"),
      cpuUs: round(((cpuMs - before.cpuMs) * 1000) / numberOf(answer, "delivered")),
      rssKib: await restedKib(subject),
    },
  });
  const complete = numberOf(answer, "delivered") / numberOf(answer, "sent");
  return {
    rows,
    ratios: [atLeast("live messages delivered over sent", round(complete), 1)],
    plots: [{ title: "Stored entries read by one device", bars: ["what"], y: "perSecond" }],
  };
}
