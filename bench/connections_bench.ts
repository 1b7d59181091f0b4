/** Connections: what idle ones cost, with and without a held stream, and what the next one costs. */
import { collect } from "./harness/peer.ts";
import { type HostName, hostsFor, openHost, openLoad, PEER_VERSIONS, tell } from "./harness/edge_subject.ts";
import { round } from "./harness/quantile.ts";
import { atLeast, atMost, type Benchmark, type Ratio, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const STEPS: Readonly<Record<Size, readonly number[]>> = {
  small: [200],
  standard: [1000, 2500],
  large: [1000, 2000, 5000, 10_000, 19_000],
};
/** How many the claims are for; and how far peers go, since js-libp2p's time grows with the square. */
const CLAIMED_AT = 10_000;
/** One process's open files bound what a load can hold. */
const LOADS = 2;
/** Enough that the kernel's ticks of 10 ms tell them apart. */
const NEXT: Readonly<Record<Size, number>> = { small: 50, standard: 500, large: 500 };
/** js-libp2p needs minutes from 5,000 to 10,000. */
const STEP_TIMEOUT_MS = 30 * 60_000;
const IDLE_SECONDS: Readonly<Record<Size, number>> = { small: 0.2, standard: 5, large: 20 };
const AT_ONCE = 32;
const BARE_RATIO = 7;

export const benchmark: Benchmark = {
  name: "connections",
  about: "idle connections, bare and with one held stream: memory each, CPU at rest, CPU of the next one",
  standard: true,
  versions: () => PEER_VERSIONS,
  async run({ size, everyPeer, progress }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const name of hostsFor({ everyPeer })) {
      // Held streams are claimed beside js-libp2p alone; the others' bare connections say enough.
      for (const hold of name === "dchat" || name === "js-libp2p" ? [false, true] : [false]) {
        progress(`connections: ${name}${hold ? ", one stream each" : ""}`);
        const measured = await measureHost(name, { size, hold, progress });
        if (measured === null) notes.push(`${name} was left out: its toolchain is missing here`);
        else rows.push(...measured);
      }
    }
    const bare = { title: "Memory of idle connections", x: "connections", y: "kibEach", log: "x" as const };
    return { rows, ratios: ratios(rows), plots: [bare], notes };
  },
};

interface Options {
  readonly size: Size;
  readonly hold: boolean;
  readonly progress: (text: string) => void;
}

async function measureHost(name: HostName, { size, hold, progress }: Options): Promise<Row[] | null> {
  const host = await openHost(name);
  if (host === null) return null;
  await using subject = host.subject;
  await using one = await openLoad("connections_load.ts", [host.address]);
  await using two = await openLoad("connections_load.ts", [host.address]);
  const loads = [one, two];
  // The first connections warm the code; they are part of the floor that the rest is measured from.
  await tell(one, { churn: Math.min(200, STEPS[size][0] ?? 0), at: AT_ONCE });
  const floorKib = await settledKib(subject);
  const rows: Row[] = [];
  let open = 0;
  for (const step of STEPS[size].filter((count) => name === "dchat" || count <= CLAIMED_AT)) {
    progress(`connections: ${name}${hold ? ", one stream each" : ""}, ${step}`);
    const started = performance.now();
    const told = { open: Math.max(0, Math.ceil((step - NEXT[size] - open) / LOADS)), at: AT_ONCE, hold };
    await Promise.all(loads.map(async (load) => tell(load, told, STEP_TIMEOUT_MS)));
    const reachedMs = performance.now() - started;
    const before = subject.usage();
    await tell(one, { open: NEXT[size], at: AT_ONCE, hold }, STEP_TIMEOUT_MS);
    const nextCpuMs = (subject.usage().cpuMs - before.cpuMs) / NEXT[size];
    open = step;
    const rssKib = await settledKib(subject);
    const idle = subject.usage();
    await Bun.sleep(IDLE_SECONDS[size] * 1000);
    const idleMs = subject.usage().cpuMs - idle.cpuMs;
    rows.push({
      subject: name,
      parameters: { connections: step, streams: hold ? 1 : 0 },
      figures: {
        kibEach: round((rssKib - floorKib) / step),
        rssKib,
        reachedMs: Math.round(reachedMs),
        nextCpuMs: round(nextCpuMs),
        idleCorePercent: round((idleMs / (IDLE_SECONDS[size] * 1000)) * 100),
      },
    });
  }
  return rows;
}

async function settledKib(subject: Subject): Promise<number> {
  await collect(subject);
  await Bun.sleep(500);
  await collect(subject);
  return subject.usage().rssKib;
}

function ratios(rows: readonly Row[]): Ratio[] {
  const found: Ratio[] = [];
  const top = Math.max(...rows.map((row) => Number(row.parameters["connections"])));
  const at = Math.min(top, CLAIMED_AT);
  const figure = (subject: string, connections: number, streams: number, name: string): number =>
    rows.find(
      (row) =>
        row.subject === subject &&
        row.parameters["connections"] === connections &&
        row.parameters["streams"] === streams,
    )?.figures[name] ?? Number.NaN;
  for (const peer of new Set(rows.map((row) => row.subject))) {
    if (peer === "dchat") continue;
    for (const streams of peer === "js-libp2p" ? [0, 1] : [0]) {
      const value = figure(peer, at, streams, "kibEach") / figure("dchat", at, streams, "kibEach");
      found.push(
        atLeast(`memory each at ${at}, ${streams} streams, ${peer} over dchat`, round(value), BARE_RATIO),
      );
    }
  }
  // Fewer connections share what the first of them warm up, so these are asked for where they are claimed.
  if (at === CLAIMED_AT) {
    const growth = figure("dchat", at, 0, "nextCpuMs") / figure("dchat", 1000, 0, "nextCpuMs");
    found.push(
      atMost("KiB each, bare", figure("dchat", at, 0, "kibEach"), 4.8),
      atMost("KiB each, one held stream", figure("dchat", at, 1, "kibEach"), 9),
      atMost(`CPU of the next connection at ${at} over at 1000`, round(growth), 1.4),
      atMost(`percent of a core at rest with ${at}`, figure("dchat", at, 0, "idleCorePercent"), 1),
    );
  }
  return found;
}
