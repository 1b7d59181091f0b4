/**
 * What a relay costs as mailboxes and entries on its disk become many: its start, memory at rest, disk, appends to
 * random mailboxes and reads of them. Its store is filled as fill.ts says; what is measured is the whole relay over
 * sockets, with nothing of its file in the page cache and with all of it there.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevices } from "../test/harness/device.ts";
import { type Amount, fill, type Filled } from "./harness/fill.ts";
import { evict, readThrough } from "./harness/page_cache.ts";
import { openPostgresPlace } from "./harness/postgres_place.ts";
import { round } from "./harness/quantile.ts";
import { openRelayHost } from "./harness/relay_subject.ts";
import { atLeast, atMost, type Benchmark, type Ratio, type Row, type Size } from "./harness/result.ts";
import { measureStored } from "./harness/stored.ts";

type Steps = Readonly<Record<Size, readonly Amount[]>>;

/** Mailboxes with an entry each, then more entries in as many mailboxes. */
const STEPS: Steps = {
  small: [
    { mailboxes: 200, entries: 200 },
    { mailboxes: 200, entries: 600 },
  ],
  standard: [
    { mailboxes: 1000, entries: 1000 },
    { mailboxes: 10_000, entries: 10_000 },
    { mailboxes: 100_000, entries: 100_000 },
    { mailboxes: 100_000, entries: 500_000 },
  ],
  large: [
    { mailboxes: 1000, entries: 1000 },
    { mailboxes: 10_000, entries: 10_000 },
    { mailboxes: 100_000, entries: 100_000 },
    { mailboxes: 1_000_000, entries: 1_000_000 },
    { mailboxes: 1_000_000, entries: 3_000_000 },
    { mailboxes: 1_000_000, entries: 10_000_000 },
  ],
};
/** PostgreSQL takes entries at a third of the rate, so it goes less far. */
const POSTGRES_STEPS: Steps = {
  small: [],
  standard: [
    { mailboxes: 1000, entries: 1000 },
    { mailboxes: 20_000, entries: 20_000 },
  ],
  large: [
    { mailboxes: 1000, entries: 1000 },
    { mailboxes: 100_000, entries: 100_000 },
    { mailboxes: 1_000_000, entries: 1_000_000 },
  ],
};
const NOTHING: Amount = { mailboxes: 0, entries: 0 };
/** A file up to here is measured in a copy, so that a small one isn't grown by what is appended while measuring. */
const COPIED_BYTES_MAX = 4 * 2 ** 30;
/** What an entry takes on disk at most, its share of the mailbox and of the log included. */
const ENTRY_DISK_BYTES = 2048;
const COLD = "dchat, cold";
const POSTGRES = "dchat postgresql";

export const benchmark: Benchmark = {
  name: "scale",
  about:
    "a relay over many mailboxes and entries: start, memory, disk, appends, reads; 1M and 10M with --size large",
  standard: false,
  versions: () => ({}),
  async run({ size, progress }) {
    const dir = mkdtempSync(join(tmpdir(), "dchat-scale-"));
    try {
      requireRoom(dir, STEPS[size].at(-1)?.entries ?? 0);
      const run = { size, progress };
      const rows = await measureSqlite(join(dir, "sqlite"), run);
      rmSync(join(dir, "sqlite"), { recursive: true });
      rows.push(...(await measurePostgres(join(dir, "postgres"), run)));
      return { rows, ratios: ratios(rows), plots: plots(), notes: NOTES };
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

const NOTES = [
  "Entries have 1 KiB and are spread evenly over the mailboxes, each asked for as often as any other. " +
    "`dchat, cold`: nothing of the database was in the page cache when the relay started; `dchat`: all of it was read before. " +
    "Filling went through the store's own commits without network and signatures",
];

interface Run {
  readonly size: Size;
  readonly progress: (text: string) => void;
}

function requireRoom(dir: string, entries: number): void {
  const { bavail, bsize } = statfsSync(dir);
  const [has, needs] = [bavail * bsize, entries * ENTRY_DISK_BYTES + COPIED_BYTES_MAX];
  if (entries > 1_000_000 && has < needs) {
    throw new Error(`Cannot fill a store in ${dir}: it has ${has} bytes, and ${needs} are needed`);
  }
}

/** The identity of the relay on `dir`, whose mailboxes are to be made; its schema is there afterwards. */
async function identityOf(dir: string, env: Readonly<Record<string, string>> = {}) {
  await using relay = await openRelayHost({ dir, env });
  await using devices = await openDevices();
  await using device = await devices.connect(relay.address);
  return device.session.relay;
}

async function measureSqlite(dir: string, { size, progress }: Run): Promise<Row[]> {
  const [kept, copy] = [join(dir, "kept"), join(dir, "copy")];
  mkdirSync(kept, { recursive: true });
  const [relay, path] = [await identityOf(kept), join(kept, "relay.sqlite")];
  const bytes = (): number => statSync(path).size;
  const rows: Row[] = [];
  let from = NOTHING;
  for (const to of STEPS[size]) {
    const said = (text: string): void => progress(`scale: ${text}`);
    const filled = await fill({ url: null, path, relay, from, to, bytes, progress: said });
    for (const subject of [COLD, "dchat"]) {
      said(`${subject}, ${to.mailboxes} mailboxes, ${to.entries} entries`);
      const copies = bytes() <= COPIED_BYTES_MAX;
      if (copies) cpSync(kept, copy, { recursive: true });
      const place = copies ? copy : kept;
      const file = join(place, "relay.sqlite");
      const prepare = (): void => (subject === COLD ? evict(file) : readThrough(file));
      const measured = await measureStored({ dir: place, size, mailboxes: to.mailboxes, prepare });
      const figures = { ...measured, ...diskFigures(filled, { from, to, bytes: bytes() }) };
      rows.push({ subject, parameters: { ...to }, figures });
      rmSync(copy, { recursive: true, force: true });
    }
    from = to;
  }
  return rows;
}

async function measurePostgres(dir: string, { size, progress }: Run): Promise<Row[]> {
  const rows: Row[] = [];
  if (POSTGRES_STEPS[size].length === 0) return rows;
  await using server = await openPostgresPlace();
  for (const to of POSTGRES_STEPS[size]) {
    const place = join(dir, String(to.mailboxes));
    mkdirSync(place, { recursive: true });
    const { url, bytes, drop } = await server.database();
    const env = { DCHAT_DATABASE_URL: url };
    const relay = await identityOf(place, env);
    const said = (text: string): void => progress(`scale: ${POSTGRES}, ${text}`);
    const filled = await fill({ url, path: "", relay, from: NOTHING, to, bytes, progress: said });
    said(`${to.mailboxes} mailboxes, ${to.entries} entries`);
    const disk = diskFigures(filled, { from: NOTHING, to, bytes: await bytes() });
    const { cpuMs } = server;
    const measured = await measureStored({
      dir: place,
      size,
      mailboxes: to.mailboxes,
      env,
      besideCpuMs: cpuMs,
    });
    rows.push({ subject: POSTGRES, parameters: { ...to }, figures: { ...measured, ...disk } });
    await drop();
  }
  return rows;
}

function diskFigures(
  filled: Filled,
  { from, to, bytes }: { from: Amount; to: Amount; bytes: number },
): Row["figures"] {
  const [mailboxes, entries] = [to.mailboxes - from.mailboxes, to.entries - from.entries];
  return {
    diskMib: round(bytes / 2 ** 20),
    ...(mailboxes === 0 ? {} : { bytesAMailbox: round(filled.mailboxesBytes / mailboxes) }),
    bytesAnEntry: round(filled.entriesBytes / entries),
  };
}

function plots() {
  const over = (title: string, y: string, log: "x" | "xy" = "x") => ({ title, x: "entries", y, log });
  return [
    over("Memory at rest by entries on disk", "rssKib"),
    over("CPU of an append to a random mailbox", "cpuUs"),
    over("Appends a second to random mailboxes", "perSecond"),
    over("The slowest hundredth of appends", "p99Ms", "xy"),
    over("The slowest hundredth of reads of a random entry", "readP99Ms", "xy"),
    over("From exec to /ready", "startMs"),
    over("MiB on disk", "diskMib", "xy"),
  ];
}

/**
 * The last step over the first, where nothing waits for the disk to be read. The first lies in memory once it was asked
 * for, so it is measured twice, and the better of both counts: what disturbs one of them would pass for growth that
 * isn't there, or hide some that is.
 */
function ratios(rows: readonly Row[]): Ratio[] {
  const own = rows.filter(({ subject }) => subject === "dchat");
  const [first, last] = [own.at(0), own.at(-1)];
  const begun = rows.filter(
    ({ subject, parameters }) =>
      subject.startsWith("dchat") &&
      !subject.includes("postgresql") &&
      parameters["entries"] === first?.parameters["entries"],
  );
  const growth = (name: string, better: (...values: number[]) => number = Math.min): number =>
    round(
      (last?.figures[name] ?? Number.NaN) /
        better(...begun.map(({ figures }) => figures[name] ?? Number.NaN)),
    );
  const over = `${last?.parameters["entries"]} entries over ${first?.parameters["entries"]}`;
  return [
    atMost(`memory at rest, ${over}`, growth("rssKib"), 1.25),
    atMost(`from exec to /ready, ${over}`, growth("startMs"), 1.25),
    atMost(`CPU of an append, ${over}`, growth("cpuUs"), 1.4),
    atLeast(`appends a second, ${over}`, growth("perSecond", Math.max), 0.8),
  ];
}
