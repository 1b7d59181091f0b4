/**
 * Appends of 1 KiB acknowledged after the fsync, all promises on: ours on SQLite and on PostgreSQL,
 * beside NATS JetStream with a sync for each message and with its default, and the disk's own rate of fsyncs in
 * the same run. What of it survives a kill and a power loss is loss_bench.ts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../test/harness/postgres.ts";
import { numberOf, openLoad, tell, tookMs } from "./harness/edge_subject.ts";
import { fsyncsPerSecond } from "./harness/fsync.ts";
import { NATS_VERSION, natsServer, type NatsSync, openNats } from "./harness/nats.ts";
import { restedKib } from "./harness/peer.ts";
import { round, spread } from "./harness/quantile.ts";
import { collectingRelayCommand, openRelayHost } from "./harness/relay_subject.ts";
import { atLeast, type Benchmark, type Ratio, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

/** Writers and the appends that each keeps under way. */
type Shape = readonly [writers: number, window: number];
const SHAPES: Readonly<Record<Size, readonly Shape[]>> = {
  small: [[4, 8]],
  standard: [
    [1, 1],
    [10, 1],
    [100, 8],
  ],
  large: [
    [1, 1],
    [10, 1],
    [100, 1],
    [100, 8],
    [1000, 1],
  ],
};
const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 4, large: 10 };
/**
 * Each shape runs unmeasured first: what is compiled while a relay runs is compiled anew for batches of another
 * size, and for batches of one that takes a core's tenth for some 15 s.
 */
const WARM_SECONDS: Readonly<Record<Size, number>> = { small: 0.25, standard: 4, large: 16 };
const BYTES = 1024;
const dchat = join(import.meta.dir, "../cmd/dchat.ts");

export const benchmark: Benchmark = {
  name: "append",
  about: "appends of 1 KiB acknowledged after the fsync, beside NATS JetStream and the disk's fsyncs",
  standard: true,
  versions: () => ({ nats: NATS_VERSION }),
  async run({ size, everyPeer, progress }) {
    const notes: string[] = [];
    const dir = mkdtempSync(join(tmpdir(), "dchat-bench-"));
    try {
      const fsyncs = fsyncsPerSecond(dir, SECONDS[size] / 2);
      const rows: Row[] = [
        { subject: "disk", parameters: { writers: 1, window: 1 }, figures: { perSecond: round(fsyncs) } },
      ];
      rows.push(...(await measureRelay({ dir, size, progress })));
      if (size !== "small") rows.push(...(await measureRelayOnPostgres({ dir, size, progress })));
      const path = everyPeer ? await natsServer() : null;
      if (path !== null) {
        for (const sync of ["always", "default"] as const) {
          rows.push(...(await measureNats({ dir, size, progress, path, sync })));
        }
      } else if (everyPeer) notes.push("NATS JetStream was left out: Go is missing here");
      return {
        rows,
        ratios: ratios(rows, SHAPES[size]),
        notes,
        plots: [{ title: "Appends acknowledged after a sync", x: "writers", y: "perSecond", log: "xy" }],
      };
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

interface Run {
  readonly dir: string;
  readonly size: Size;
  readonly progress: (text: string) => void;
}

async function measureRelay({ dir, size, progress }: Run): Promise<Row[]> {
  await using relay = await openRelayHost({ dir: join(dir, "relay"), command: collectingRelayCommand });
  return await measureShapes("dchat", {
    size,
    progress,
    subject: relay.subject,
    load: ["append_load.ts", relay.address],
  });
}

async function measureRelayOnPostgres({ dir, size, progress }: Run): Promise<Row[]> {
  await using server = await startPostgres();
  const env = { DCHAT_DATABASE_URL: await server.database() };
  const migrated = Bun.spawnSync([process.execPath, dchat, "database", "migrate"], {
    env: { ...process.env, ...env },
  });
  if (migrated.exitCode !== 0) throw new Error(migrated.stderr.toString());
  await using relay = await openRelayHost({
    dir: join(dir, "relay-postgres"),
    env,
    command: collectingRelayCommand,
  });
  return await measureShapes("dchat postgresql", {
    size,
    progress,
    subject: relay.subject,
    load: ["append_load.ts", relay.address],
  });
}

async function measureNats(run: Run & { path: string; sync: NatsSync }): Promise<Row[]> {
  const dir = mkdtempSync(join(run.dir, "nats-"));
  await using nats = await openNats({ path: run.path, dir, sync: run.sync });
  return await measureShapes(`nats sync ${run.sync}`, {
    ...run,
    subject: nats.subject,
    load: ["nats_load.ts", String(nats.port)],
  });
}

interface Measuring {
  readonly size: Size;
  readonly progress: (text: string) => void;
  readonly subject: Subject;
  /** The load's file and the place that it loads. */
  readonly load: readonly [file: string, place: string];
}

async function measureShapes(name: string, { size, progress, subject, load }: Measuring): Promise<Row[]> {
  const shapes = SHAPES[size];
  const most = Math.max(...shapes.map(([writers]) => writers));
  await using process_ = await openLoad(load[0], [load[1], String(most)]);
  const rows: Row[] = [];
  for (const [writers, window] of shapes) {
    progress(`append: ${name}, ${writers} writers, window ${window}`);
    await tell(process_, { writers, window, bytes: BYTES, seconds: WARM_SECONDS[size] });
    const before = subject.usage();
    const answer = await tell(process_, { writers, window, bytes: BYTES, seconds: SECONDS[size] });
    const { cpuMs, rssKib } = subject.usage();
    // nats-server can't be asked to collect.
    const collects = load[0] === "append_load.ts";
    rows.push({
      subject: name,
      parameters: { writers, window },
      figures: {
        perSecond: round(numberOf(answer, "appended") / numberOf(answer, "seconds")),
        cpuUs: round(((cpuMs - before.cpuMs) * 1000) / numberOf(answer, "all")),
        loadCpuUs: round((numberOf(answer, "loadCpuMs") * 1000) / numberOf(answer, "all")),
        rssKib: collects ? await restedKib(subject) : rssKib,
        ...spread(tookMs(answer), "Ms"),
      },
    });
  }
  return rows;
}

function rateOf(rows: readonly Row[], subject: string, [writers, window]: Shape): number {
  const row = rows.find(
    ({ subject: name, parameters }) =>
      name === subject && parameters["writers"] === writers && parameters["window"] === window,
  );
  return row?.figures["perSecond"] ?? Number.NaN;
}

function ratios(rows: readonly Row[], shapes: readonly Shape[]): Ratio[] {
  const own = Math.max(...shapes.map((shape) => rateOf(rows, "dchat", shape)));
  // 10,000 a second where the disk gives 1,000 fsyncs; a slower disk is asked for as much less.
  const disk = Math.min(1, rateOf(rows, "disk", [1, 1]) / 1000);
  const found = [atLeast("appends a second, scaled to 1,000 fsyncs", round(own / disk), 10_000)];
  for (const shape of shapes) {
    const value = rateOf(rows, "dchat", shape) / rateOf(rows, "nats sync always", shape);
    if (Number.isNaN(value)) continue;
    const name = `dchat over nats sync always, ${shape[0]} writers with ${shape[1]} under way each`;
    found.push(atLeast(name, round(value), 1));
  }
  return found;
}
