/**
 * A relay whose connections are held by one process and by two: handshakes, appends acknowledged after the fsync,
 * live messages, and what an idle device costs, with the CPU of the relay's own process and of those beside it apart.
 * The load runs on the same cores and takes the larger part of them, so on a machine of two the rates say
 * little; the CPU that is left to the relay's own process says where its end is when the load is elsewhere.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childrenOf } from "../test/harness/edge_processes.ts";
import { numberOf, openLoad, tell, tookMs } from "./harness/edge_subject.ts";
import { round, spread } from "./harness/quantile.ts";
import { openRelayHost, type RelayHost } from "./harness/relay_subject.ts";
import { atLeast, type Benchmark, type Plot, type Ratio, type Row, type Size } from "./harness/result.ts";
import { usage } from "./harness/subject.ts";

const PROCESSES = [1, 2] as const;
const HANDSHAKES: Readonly<Record<Size, number>> = { small: 50, standard: 4000, large: 20_000 };
const IDLE: Readonly<Record<Size, number>> = { small: 50, standard: 4000, large: 10_000 };
const WRITERS: Readonly<Record<Size, number>> = { small: 4, standard: 100, large: 100 };
const DEVICES: Readonly<Record<Size, number>> = { small: 5, standard: 200, large: 1000 };
const RATE: Readonly<Record<Size, number>> = { small: 100, standard: 1000, large: 1000 };
const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 5, large: 15 };
const AT_ONCE = 32;
const WINDOW = 8;
const BYTES = 1024;
const LARGE_BYTES = 65_536;

export const benchmark: Benchmark = {
  name: "cores",
  about:
    "a relay of one process and of two: handshakes, appends, live messages, idle devices, CPU by process",
  standard: false,
  versions: () => ({}),
  async run({ size, progress }) {
    const rows: Row[] = [];
    for (const processes of PROCESSES) {
      const dir = mkdtempSync(join(tmpdir(), "dchat-cores-"));
      try {
        await using relay = await openRelayHost({ dir, args: [`--edge-processes=${processes}`] });
        for (const measureOne of [handshakes, appends, live, largeLive, idle]) {
          const told = (what: string): void =>
            progress(
              `cores: ${what}, ${processes === 1 ? "one edge process" : `${processes} edge processes`}`,
            );
          rows.push(await measureOne({ relay, processes, size, progress: told }));
        }
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    }
    return { rows, ratios: ratios(rows), plots: plots() };
  },
};

interface Run {
  readonly relay: RelayHost;
  readonly processes: number;
  readonly size: Size;
  readonly progress: (what: string) => void;
}

interface Used {
  readonly homeMs: number;
  readonly edgeMs: number;
  readonly homeKib: number;
  readonly edgeKib: number;
}

/** What the relay's own process has used, and all beside it together. */
function used({ relay }: Run): Used {
  const home = usage(relay.subject.pid);
  const others = childrenOf(relay.subject.pid).map((pid) => usage(pid));
  return {
    homeMs: home.cpuMs,
    edgeMs: others.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    homeKib: home.rssKib,
    edgeKib: others.reduce((sum, { rssKib }) => sum + rssKib, 0),
  };
}

/** CPU for each of `count`, in us, by process, and the memory that is held then. */
function cpuOf(before: Used, after: Used, count: number): Readonly<Record<string, number>> {
  return {
    homeCpuUs: round(((after.homeMs - before.homeMs) * 1000) / count),
    edgeCpuUs: round(((after.edgeMs - before.edgeMs) * 1000) / count),
    homeRssKib: after.homeKib,
    edgeRssKib: after.edgeKib,
  };
}

function row({ processes }: Run, what: string, figures: Row["figures"]): Row {
  return { subject: "dchat", parameters: { what, processes }, figures };
}

async function handshakes(run: Run): Promise<Row> {
  run.progress("handshakes");
  const count = HANDSHAKES[run.size];
  await using load = await openLoad("connections_load.ts", [run.relay.address]);
  await tell(load, { churn: Math.min(count, 500), at: AT_ONCE });
  const before = used(run);
  const answer = await tell(load, { churn: count, at: AT_ONCE });
  return row(run, "handshakes", {
    perSecond: round((count * 1000) / numberOf(answer, "ms")),
    ...cpuOf(before, used(run), count),
    ...spread(tookMs(answer), "Ms"),
  });
}

async function appends(run: Run): Promise<Row> {
  run.progress("appends");
  const writers = WRITERS[run.size];
  await using load = await openLoad("append_load.ts", [run.relay.address, String(writers)]);
  const told = { writers, window: WINDOW, bytes: BYTES };
  await tell(load, { ...told, seconds: SECONDS[run.size] / 2 });
  const before = used(run);
  const answer = await tell(load, { ...told, seconds: SECONDS[run.size] });
  return row(run, "appends", {
    perSecond: round(numberOf(answer, "appended") / numberOf(answer, "seconds")),
    ...cpuOf(before, used(run), numberOf(answer, "all")),
    loadCpuUs: round((numberOf(answer, "loadCpuMs") * 1000) / numberOf(answer, "all")),
    ...spread(tookMs(answer), "Ms"),
  });
}

function live(run: Run): Promise<Row> {
  return messages(run, { what: "live messages", rate: RATE[run.size], bytes: BYTES });
}

function largeLive(run: Run): Promise<Row> {
  return messages(run, { what: "live messages of 64 KiB", rate: RATE[run.size] / 4, bytes: LARGE_BYTES });
}

async function messages(
  run: Run,
  { what, rate, bytes }: { what: string; rate: number; bytes: number },
): Promise<Row> {
  run.progress(what);
  await using load = await openLoad("drain_load.ts", [run.relay.address]);
  const told = { live: DEVICES[run.size], rate, bytes };
  await tell(load, { ...told, seconds: SECONDS[run.size] / 2 });
  const before = used(run);
  const answer = await tell(load, { ...told, seconds: SECONDS[run.size] });
  return row(run, what, {
    perSecond: round(numberOf(answer, "delivered") / numberOf(answer, "seconds")),
    ...cpuOf(before, used(run), numberOf(answer, "delivered")),
    ...spread(tookMs(answer), "Ms"),
  });
}

/** Growth of resident memory, nothing collected first, so more than what stays. */
async function idle(run: Run): Promise<Row> {
  run.progress("idle devices");
  const count = IDLE[run.size];
  await using load = await openLoad("connections_load.ts", [run.relay.address]);
  const before = used(run);
  await tell(load, { open: count, at: AT_ONCE });
  const after = used(run);
  return row(run, "idle", {
    homeKib: round(Math.max(0, after.homeKib - before.homeKib) / count),
    edgeKib: round(Math.max(0, after.edgeKib - before.edgeKib) / count),
  });
}

function plots(): Plot[] {
  return ["handshakes", "appends"].map((what) => ({
    title: `CPU of the relay's own process: ${what}`,
    bars: ["processes"],
    y: "homeCpuUs",
    where: { what },
  }));
}

function ratios(rows: readonly Row[]): Ratio[] {
  const figure = (what: string, processes: number, name: string): number =>
    rows.find(({ parameters }) => parameters["what"] === what && parameters["processes"] === processes)
      ?.figures[name] ?? Number.NaN;
  const over = (what: string, name: string): number => round(figure(what, 2, name) / figure(what, 1, name));
  const relief = (what: string): number => round(figure(what, 1, "homeCpuUs") / figure(what, 2, "homeCpuUs"));
  return [
    atLeast("handshakes a second, two processes over one", over("handshakes", "perSecond"), 1),
    atLeast("appends a second, two processes over one", over("appends", "perSecond"), 1),
    atLeast("CPU of the relay's own process a handshake, one over two", relief("handshakes"), 1.5),
  ];
}
