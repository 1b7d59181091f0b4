/**
 * Connections: what idle ones cost, bare, with a held stream, and with a subscription on a whole relay; and what the
 * next one costs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collect } from "./harness/peer.ts";
import { type HostName, hostsFor, openHost, openLoad, PEER_VERSIONS, tell } from "./harness/edge_subject.ts";
import { round } from "./harness/quantile.ts";
import { collectingRelayCommand, openRelayHost } from "./harness/relay_subject.ts";
import {
  atLeast,
  atMost,
  type Benchmark,
  type Plot,
  type Ratio,
  type Row,
  type Size,
} from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const STEPS: Readonly<Record<Size, readonly number[]>> = {
  small: [200],
  standard: [1000, 2000],
  large: [1000, 2000, 5000, 10_000, 19_000],
};
/** How many the claims are for, and how far peers go. */
const CLAIMED_AT = 10_000;
/** js-libp2p looks at all its connections for each new one, and takes many minutes from here to 10,000. */
const JS_CONNECTIONS_MAX = 5000;
/** One process's open files bound what a load can hold. */
const LOADS = 2;
/** Enough that the kernel's ticks of 10 ms tell them apart. */
const NEXT: Readonly<Record<Size, number>> = { small: 50, standard: 500, large: 500 };
/** js-libp2p needs minutes from 5,000 to 10,000. */
const STEP_TIMEOUT_MS = 30 * 60_000;
const IDLE_SECONDS: Readonly<Record<Size, number>> = { small: 0.2, standard: 5, large: 5 };
const AT_ONCE = 32;
const BARE_RATIO = 7;
const SUBSCRIBED = "dchat relay, subscribed";
const FAR = `js-libp2p goes as far as ${JS_CONNECTIONS_MAX}, since it takes many minutes from there on; other peers go as far as what is claimed, ${CLAIMED_AT}`;

export const benchmark: Benchmark = {
  name: "connections",
  about: "idle connections, bare and with one held stream: memory each, CPU at rest, CPU of the next one",
  standard: true,
  versions: () => PEER_VERSIONS,
  async run({ size, everyPeer, progress }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const { name, hold } of stages(everyPeer)) {
      const host = await openHost(name);
      if (host === null) notes.push(`${name} was left out: its toolchain is missing here`);
      else {
        await using subject = host.subject;
        const load = ["connections_load.ts", host.address] as const;
        rows.push(...(await measureHost({ name, subject, load, hold, size, progress })));
      }
    }
    rows.push(...(await measureRelay(size, progress)));
    if (Math.max(...STEPS[size]) > JS_CONNECTIONS_MAX) notes.push(FAR);
    return { rows, ratios: ratios(rows), plots: plots(), notes };
  },
};

/** Each host twice, since connections that were closed would leave their memory to the next ones. */
function stages(everyPeer: boolean): { name: HostName; hold: boolean }[] {
  return hostsFor({ everyPeer }).flatMap((name) => [
    { name, hold: false },
    { name, hold: true },
  ]);
}

/** Devices that are subscribed to a mailbox each, which is there already, on a whole relay. */
async function measureRelay(size: Size, progress: (text: string) => void): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "dchat-connections-"));
  try {
    await using relay = await openRelayHost({ dir, command: collectingRelayCommand });
    const steps = stepsOf(SUBSCRIBED, size);
    // One of the loads brings the next connections of each step besides its share.
    const boxes = Math.ceil(Math.max(...steps) / LOADS) + NEXT[size] * steps.length;
    progress(`connections: making ${LOADS * boxes} mailboxes`);
    const load = ["subscribe_load.ts", relay.address, String(boxes)] as const;
    return await measureHost({ name: SUBSCRIBED, subject: relay.subject, load, hold: true, size, progress });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function plots(): Plot[] {
  const memory = { x: "connections", y: "kibEach", log: "x" } as const;
  return [
    { ...memory, title: "KiB of an idle connection", where: { streams: 0 } },
    { ...memory, title: "KiB of a connection with one stream", where: { streams: 1 } },
  ];
}

interface Stage {
  /** The subject of its rows. */
  readonly name: string;
  readonly subject: Subject;
  /** The file of bench/load that connects, and its arguments. */
  readonly load: readonly [file: string, ...args: string[]];
  readonly hold: boolean;
  readonly size: Size;
  readonly progress: (text: string) => void;
}

function stepsOf(name: string, size: Size): readonly number[] {
  const own = name === "dchat" || name === SUBSCRIBED;
  const most = own ? Infinity : name === "js-libp2p" ? JS_CONNECTIONS_MAX : CLAIMED_AT;
  return STEPS[size].filter((count) => count <= most);
}

async function measureHost(stage: Stage): Promise<Row[]> {
  const { subject, hold, size } = stage;
  const [file, ...args] = stage.load;
  await using one = await openLoad(file, args, { readyMs: STEP_TIMEOUT_MS });
  await using two = await openLoad(file, args, { readyMs: STEP_TIMEOUT_MS });
  // The first connections warm the code; they are part of the floor that the rest is measured from.
  await tell(one, { churn: Math.min(200, STEPS[size][0] ?? 0), at: AT_ONCE });
  const floorKib = await settledKib(subject);
  const rows: Row[] = [];
  let open = 0;
  for (const step of stepsOf(stage.name, size)) {
    stage.progress(`connections: ${stage.name}${hold ? ", one stream each" : ""}, ${step}`);
    const reached = await grow({ subject, loads: [one, two], size, hold, from: open, to: step });
    open = step;
    const rssKib = await settledKib(subject);
    const idle = subject.usage();
    await Bun.sleep(IDLE_SECONDS[size] * 1000);
    const idleMs = subject.usage().cpuMs - idle.cpuMs;
    rows.push({
      subject: stage.name,
      parameters: { connections: step, streams: hold ? 1 : 0 },
      figures: {
        kibEach: round((rssKib - floorKib) / step),
        rssKib,
        ...reached,
        idleCorePercent: round((idleMs / (IDLE_SECONDS[size] * 1000)) * 100),
      },
    });
  }
  return rows;
}

interface Growing extends Pick<Stage, "subject" | "size" | "hold"> {
  readonly loads: readonly [Subject, Subject];
  readonly from: number;
  readonly to: number;
}

/** Opens connections up to a number, the last of them apart: what the next one costs. */
async function grow({ subject, loads, size, hold, from, to }: Growing): Promise<Row["figures"]> {
  const started = performance.now();
  const each = Math.max(0, Math.ceil((to - NEXT[size] - from) / loads.length));
  const open = (load: Subject, count: number) =>
    tell(load, { open: count, at: AT_ONCE, hold }, STEP_TIMEOUT_MS);
  await Promise.all(loads.map((load) => open(load, each)));
  const reachedMs = Math.round(performance.now() - started);
  const before = subject.usage();
  await open(loads[0], NEXT[size]);
  return { reachedMs, nextCpuMs: round((subject.usage().cpuMs - before.cpuMs) / NEXT[size]) };
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
    if (peer === "dchat" || peer === SUBSCRIBED) continue;
    for (const streams of [0, 1]) {
      const count = Math.min(at, peer === "js-libp2p" ? JS_CONNECTIONS_MAX : CLAIMED_AT);
      const value = figure(peer, count, streams, "kibEach") / figure("dchat", count, streams, "kibEach");
      found.push(
        atLeast(`memory each at ${count}, ${streams} streams, ${peer} over dchat`, round(value), BARE_RATIO),
      );
    }
  }
  // Fewer connections share what the first of them warm up, so these are asked for where they are claimed.
  if (at === CLAIMED_AT) {
    const growth = figure("dchat", at, 0, "nextCpuMs") / figure("dchat", 1000, 0, "nextCpuMs");
    found.push(
      atMost("KiB each, bare", figure("dchat", at, 0, "kibEach"), 4.8),
      atMost("KiB each, one held stream", figure("dchat", at, 1, "kibEach"), 9),
      atMost("KiB each, subscribed on a whole relay", figure(SUBSCRIBED, at, 1, "kibEach"), 9),
      atMost(`CPU of the next connection at ${at} over at 1000`, round(growth), 1.4),
      atMost(`percent of a core at rest with ${at}`, figure("dchat", at, 0, "idleCorePercent"), 1),
    );
  }
  return found;
}
