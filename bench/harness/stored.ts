/** A relay on a store that is full already: its start, what it takes at rest, and what appends and reads cost there. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numberOf, openLoad, tell, tookMs } from "./edge_subject.ts";
import { collect } from "./peer.ts";
import { quantile, round, spread } from "./quantile.ts";
import { collectingRelayCommand, openRelayHost, type RelayHost } from "./relay_subject.ts";
import type { Row, Size } from "./result.ts";
import { diskBytes, type Subject } from "./subject.ts";

const STARTS: Readonly<Record<Size, number>> = { small: 1, standard: 5, large: 7 };
const IDLE_SECONDS: Readonly<Record<Size, number>> = { small: 0.2, standard: 3, large: 5 };
const SECONDS: Readonly<Record<Size, number>> = { small: 0.3, standard: 4, large: 6 };
const WRITERS: Readonly<Record<Size, number>> = { small: 10, standard: 100, large: 100 };
const READERS = 4;
/** These make the code warm on both sides, and of the database only what is theirs. */
const WARMING_MAILBOXES = 200;

export interface Stored {
  readonly dir: string;
  readonly size: Size;
  readonly mailboxes: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Brings the page cache into the state that is measured, before each start. */
  readonly prepare?: () => void;
  /** CPU time of a database server, which counts beside the relay's. */
  readonly besideCpuMs?: () => number;
}

interface Started {
  readonly relay: RelayHost;
  readonly startMs: number;
}

/** All figures of one relay on one store. */
export async function measureStored(stored: Stored): Promise<Row["figures"]> {
  const { size, mailboxes, besideCpuMs } = stored;
  const starts: number[] = [];
  while (starts.length + 1 < STARTS[size]) {
    const { relay, startMs } = await start(stored);
    await relay[Symbol.asyncDispose]();
    starts.push(startMs);
  }
  const { relay, startMs } = await start(stored);
  await using host = relay;
  const rest = await measureRest(host.subject, size);
  const writers = WRITERS[size];
  await using load = await openLoad("scale_load.ts", [host.address, String(writers)]);
  const asked = { load, subject: host.subject, besideCpuMs, seconds: SECONDS[size] };
  const warming = { ...asked, mailboxes: Math.min(mailboxes, WARMING_MAILBOXES), seconds: SECONDS[size] / 5 };
  const deeds = [
    { deed: "read", at: READERS, name: "read" },
    { deed: "drain", at: READERS, name: "drain" },
    { deed: "append", at: writers, name: "" },
  ] as const;
  for (const each of deeds) await measureDeed({ ...warming, ...each });
  let figures: Row["figures"] = { startMs: round(quantile(Float64Array.from([...starts, startMs]), 0.5)) };
  for (const each of deeds)
    figures = { ...figures, ...(await measureDeed({ ...asked, ...each, mailboxes })) };
  await collect(host.subject);
  return { ...rest, ...figures, rssAfterKib: host.subject.usage().rssKib };
}

async function start({ dir, env = {}, prepare }: Stored): Promise<Started> {
  prepare?.();
  await warmProgram();
  const startedMs = performance.now();
  const relay = await openRelayHost({ dir, env, command: collectingRelayCommand });
  const { status } = await fetch(new URL("/ready", relay.api));
  if (status !== 200) throw new Error(`not ready: ${status}`);
  return { relay, startMs: performance.now() - startedMs };
}

/**
 * Reading a database that is as large as memory displaces the program, and what its start then waits for is not the
 * database: a relay that has nothing brings it back.
 */
async function warmProgram(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "dchat-warm-"));
  try {
    const relay = await openRelayHost({ dir, command: collectingRelayCommand });
    await relay[Symbol.asyncDispose]();
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function measureRest(subject: Subject, size: Size): Promise<Row["figures"]> {
  await collect(subject);
  const before = subject.usage();
  await Bun.sleep(IDLE_SECONDS[size] * 1000);
  const idleCorePercent = round(((subject.usage().cpuMs - before.cpuMs) / (IDLE_SECONDS[size] * 1000)) * 100);
  await collect(subject);
  return { rssKib: subject.usage().rssKib, idleCorePercent };
}

interface Asked {
  readonly load: Subject;
  readonly subject: Subject;
  readonly besideCpuMs: (() => number) | undefined;
  readonly deed: string;
  readonly at: number;
  readonly mailboxes: number;
  readonly seconds: number;
  /** What its figures' names begin with. */
  readonly name: string;
}

async function measureDeed(asked: Asked): Promise<Row["figures"]> {
  const { load, subject, besideCpuMs, name } = asked;
  const [before, beside, disk] = [subject.usage().cpuMs, besideCpuMs?.() ?? 0, diskBytes(subject.pid)];
  const { deed, at, mailboxes, seconds } = asked;
  const answer = await tell(load, { deed, at, mailboxes, seconds });
  const each = (cpuMs: number): number => round((cpuMs * 1000) / numberOf(answer, "all"));
  const { read, written } = diskBytes(subject.pid);
  const kib = (bytes: number): number => round(bytes / 1024 / numberOf(answer, "all"));
  const figures = {
    perSecond: round(numberOf(answer, "done") / numberOf(answer, "seconds")),
    cpuUs: each(subject.usage().cpuMs - before),
    ...(besideCpuMs === undefined ? {} : { databaseCpuUs: each(besideCpuMs() - beside) }),
    fromDiskKib: kib(read - disk.read),
    toDiskKib: kib(written - disk.written),
    ...spread(tookMs(answer), "Ms"),
  };
  return Object.fromEntries(Object.entries(figures).map(([figure, value]) => [named(name, figure), value]));
}

function named(prefix: string, figure: string): string {
  return prefix === "" ? figure : `${prefix}${figure.charAt(0).toUpperCase()}${figure.slice(1)}`;
}
