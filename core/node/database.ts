/** `dchat database`: looking after what a relay keeps, on SQLite and PostgreSQL alike. */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { Fault, fileReason, isFault, publicKey as parsePublicKey, type PublicKey } from "../ground/mod.ts";
import { nextGeneration, type StoreCounts } from "../mailbox/mod.ts";
import { rootOf } from "../merkle/mod.ts";
import {
  type DatabaseStatus,
  digest,
  openDatabase,
  type StoreDatabase,
  type StoreRecord,
} from "../store/mod.ts";
import type { Config } from "./config.ts";
import { Checker, type Checked } from "./database/check.ts";
import { type Dump, readDump, type Sink, writeDump } from "./database/dump.ts";
import type { DatabaseCode, DumpHeader, DumpKind } from "./database/file.ts";
import { defaultRelayDir, homePath, openDataDir, shareDataDir } from "./data_dir.ts";
import { refuseEmptied, storeLocation } from "./relay/store.ts";

export interface DatabaseOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: number;
}

/** A relay's database and directory, opened for one command. */
interface Place extends AsyncDisposable {
  readonly database: StoreDatabase;
  readonly dataDir: string;
  /** Whether the store is in the directory, as SQLite's is. */
  readonly isInDir: boolean;
}

function dataDirOf({ config, env }: DatabaseOptions): string {
  return config.relay.data_dir === undefined ? defaultRelayDir(env) : homePath(config.relay.data_dir);
}

interface Opening {
  /** The command, as others are told it. */
  readonly by: string;
  /** What an emptied file held is to be put into it again. */
  readonly toFill?: boolean;
}

/** Throws Fault<"data/emptied"> where the store has lost all that it held, unless it is opened to be filled. */
async function openPlace(options: DatabaseOptions, { by, toFill = false }: Opening): Promise<Place> {
  const dataDir = dataDirOf(options);
  const location = storeLocation(options.config, dataDir);
  if (!toFill) refuseEmptied(location, dataDir);
  const database = await openDatabase(location, by);
  const isInDir = options.config.database.url === undefined;
  return { database, dataDir, isInDir, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

/**
 * The same with no relay at work on it: throws Fault<"data/locked"> or Fault<"database/in-use">. The lock is that of
 * the store: a directory that PostgreSQL's relay has, or another relay, is left alone.
 */
async function openAlone(options: DatabaseOptions, opening: Opening): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  if (options.config.database.url === undefined) stack.use(openDataDir(dataDirOf(options)));
  const place = stack.use(await openPlace(options, opening));
  const others = await place.database.hold("alone");
  if (others !== null) {
    throw new Fault<DatabaseCode>("database/in-use", `Cannot do that while ${others}; stop it first`);
  }
  const owned = stack.move();
  return { ...place, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The same beside others who read, with who works on it, in words; where nobody does, no relay starts meanwhile. */
async function openShared(options: DatabaseOptions): Promise<Place & { readonly busy: string | null }> {
  await using stack = new AsyncDisposableStack();
  const shared =
    options.config.database.url === undefined ? stack.use(shareDataDir(dataDirOf(options))) : null;
  const place = stack.use(await openPlace(options, { by: "export" }));
  const busy = shared?.holder ?? (await place.database.hold("shared"));
  const owned = stack.move();
  return { ...place, busy, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What is there: kind, place, schema's version, and how much is held where the schema is current. */
export async function databaseStatus(
  options: DatabaseOptions,
): Promise<DatabaseStatus & { readonly counts: StoreCounts | null }> {
  await using place = await openPlace(options, { by: "status" });
  const status = await place.database.status();
  const counts = status.version === status.known ? await place.database.counts() : null;
  return { ...status, counts };
}

/** Brings the schema up to date; returns how many migrations that took. Wants the relay stopped. */
export async function migrateDatabase(options: DatabaseOptions): Promise<number> {
  await using place = await openAlone(options, { by: "migrate" });
  return await place.database.migrate();
}

/** Checks everything, from one snapshot, also while the relay runs. */
export async function checkDatabase(options: DatabaseOptions): Promise<Checked> {
  await using place = await openPlace(options, { by: "check" });
  const checker = new Checker();
  const found = await place.database.integrity();
  for await (const record of place.database.records()) checker.take(record);
  const checked = checker.finish();
  return { ...checked, damage: [...found, ...checked.damage] };
}

/** Lets records through as long as they fit together; throws Fault<"database/damaged"> at the first that doesn't. */
async function* checked(records: AsyncIterable<StoreRecord>, what: string): AsyncGenerator<StoreRecord> {
  const checker = new Checker();
  for await (const record of records) {
    checker.take(record);
    refuseDamage(checker, what);
    yield record;
  }
  checker.finish();
  refuseDamage(checker, what);
}

function refuseDamage({ first }: Checker, what: string): void {
  if (first === null) return;
  throw new Fault<DatabaseCode>("database/damaged", `Cannot use ${what}: it is damaged: ${first}`);
}

const identityFile = z.looseObject({ publicKey: z.base64() });

/** The identity of the relay whose directory this is; null where it has none yet. */
function relayOf(dataDir: string): PublicKey | null {
  const path = join(dataDir, "identity.json");
  if (!existsSync(path)) return null;
  try {
    const { publicKey } = identityFile.parse(JSON.parse(readFileSync(path, "utf8")));
    return parsePublicKey(Uint8Array.fromBase64(publicKey));
  } catch {
    return null;
  }
}

async function dump(place: Place, about: { kind: DumpKind; nowMs: number }, sink: Sink): Promise<number> {
  const records = checked(place.database.records(), "the database");
  const relay = (await place.database.relay()) ?? relayOf(place.dataDir);
  const header = { kind: about.kind, madeMs: about.nowMs, relay: relay?.toHex() ?? null };
  return writeDump(header, records, sink);
}

/**
 * Writes a backup to `file`, which appears whole or not at all; mode 0600. From one snapshot, while the relay
 * runs. Throws Fault<"database/exists"> rather than replace a file, and "database/damaged" rather than keep damage.
 */
export async function backupDatabase(options: DatabaseOptions & { readonly file: string }): Promise<number> {
  await using place = await openPlace(options, { by: "backup" });
  const { file } = options;
  if (existsSync(file)) {
    throw new Fault<DatabaseCode>(
      "database/exists",
      `Cannot write ${file}: it exists already; choose another name`,
    );
  }
  const part = `${file}.part`;
  const out = openPart(part, file);
  try {
    const write: Sink = (bytes) => {
      writeAll(out, bytes);
      return Promise.resolve();
    };
    const records = await dump(place, { kind: "backup", nowMs: options.nowMs }, write);
    fsyncSync(out);
    if (!isAt(part, out)) {
      throw new Fault<DatabaseCode>(
        "database/exists",
        `Cannot write ${file}: another backup to it began later`,
      );
    }
    renameSync(part, file);
    syncFolder(dirname(file));
    return records;
  } catch (error) {
    if (isAt(part, out)) rmSync(part);
    throw unwritable(file, error);
  } finally {
    closeSync(out);
  }
}

export interface Exported {
  readonly records: number;
  /** Who works on the store, in words: what was written then is a backup. Null where it is an export. */
  readonly busy: string | null;
}

/**
 * Writes an export to `sink`, from one snapshot: for a move to another database, with the generations that are.
 * While a relay works on the store, what it promises next isn't in it; so it is a backup then, which importDatabase
 * doesn't take.
 */
export async function exportDatabase(options: DatabaseOptions & { readonly sink: Sink }): Promise<Exported> {
  await using place = await openShared(options);
  const { busy } = place;
  const kind = busy === null ? "export" : "backup";
  return { records: await dump(place, { kind, nowMs: options.nowMs }, options.sink), busy };
}

/** Fills the empty store of a stopped relay from an export. Throws Fault<"database/foreign"> for a backup. */
export async function importDatabase(
  options: DatabaseOptions & { readonly source: AsyncIterable<Uint8Array> },
): Promise<Checked> {
  await using place = await openAlone(options, { by: "import", toFill: true });
  const read = await readDump(readable(options.source, "standard input"));
  if (read.header.kind !== "export") {
    throw new Fault<DatabaseCode>(
      "database/foreign",
      "Cannot import a backup, or an export made while a relay worked on the store: what came after it is gone, so its mailboxes need new generations; use `dchat database restore`, or stop the relay and export again",
    );
  }
  return await fill(place, read, (record) => record);
}

/**
 * Fills the empty store of a stopped relay from a backup or an export. Every mailbox starts its next generation,
 * at the size and root that it has in the file, so that clients see it and send again what came later. Generations are
 * numbered by time: throws Fault<"database/clock"> where the clock is behind the file's, since mailboxes may have
 * had later ones than it would give.
 */
export async function restoreDatabase(
  options: DatabaseOptions & { readonly file: string },
): Promise<Checked> {
  await using place = await openAlone(options, { by: "restore", toFill: true });
  const read = await readDump(readable(Bun.file(options.file).stream(), options.file));
  requireLater(read.header, options.nowMs);
  return await fill(place, read, (record) => nextLife(record, options.nowMs));
}

function requireLater({ madeMs }: DumpHeader, nowMs: number): void {
  if (nowMs >= madeMs) return;
  const [now, made] = [nowMs, madeMs].map((ms) => new Date(ms).toISOString());
  throw new Fault<DatabaseCode>(
    "database/clock",
    `Cannot restore the file: it was made at ${made}, and this machine's clock says ${now}; set the clock right first, since it numbers the generations that mailboxes start`,
  );
}

function nextLife(record: StoreRecord, nowMs: number): StoreRecord {
  if (record.is !== "mailbox" || record.row.deleted) return record;
  const { row } = record;
  const started = { size: row.size, root: rootOf(digest, row.peaks), timeMs: nowMs };
  const generation = nextGeneration(row.generation, nowMs);
  return { ...record, row: { ...row, generation, started, term: row.term + 1 } };
}

/**
 * Whose the store is that a file fills. A PostgreSQL database may be filled from where its relay has no directory;
 * that relay finds its identity noted when it starts. Throws Fault<"database/foreign"> where the directory is of
 * another relay, or of none yet and the store is in it.
 */
function relayOfFile({ relay }: DumpHeader, place: Place): PublicKey | null {
  const here = relayOf(place.dataDir);
  if (relay === null || relay === here?.toHex()) return here;
  if (here === null && !place.isInDir) return parsePublicKey(Uint8Array.fromHex(relay));
  const holds = here === null ? "has no identity.json" : `holds the keys of relay ${here.toHex()}`;
  throw new Fault<DatabaseCode>(
    "database/foreign",
    `Cannot use the file: it is of relay ${relay}, and ${place.dataDir} ${holds}; put that relay's identity.json there first, or name its directory by --data-dir`,
  );
}

async function fill(
  place: Place,
  read: Dump,
  change: (record: StoreRecord) => StoreRecord,
): Promise<Checked> {
  const relay = relayOfFile(read.header, place);
  const count = { mailboxes: 0, entries: 0, bytes: 0 };
  async function* changed(): AsyncGenerator<StoreRecord> {
    for await (const record of checked(read.records, "the file")) {
      if (record.is === "mailbox" && !record.row.deleted) {
        count.mailboxes += 1;
        count.entries += record.row.entriesHeld;
        count.bytes += record.row.bytesHeld;
      }
      yield change(record);
    }
  }
  await place.database.load(changed(), relay);
  return { ...count, damage: [] };
}

/**
 * Begins the file anew: one that is there was left by a loss of power, or by a kill. Where another backup is at work
 * on it after all, that one finds its own file gone when it ends.
 */
function openPart(part: string, path: string): number {
  try {
    if (existsSync(part)) rmSync(part);
    return openSync(part, "wx", 0o600);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Whether what is at `path` is the open file. */
function isAt(path: string, file: number): boolean {
  const [there, ours] = [
    statSync(path, { bigint: true, throwIfNoEntry: false }),
    fstatSync(file, { bigint: true }),
  ];
  return there?.ino === ours.ino && there.dev === ours.dev;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function unwritable(path: string, error: unknown): Error {
  if (isFault(error)) return error;
  const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
  const why = isMissing ? `there is no folder ${dirname(path)}` : fileReason(error);
  return new Fault<DatabaseCode>("database/file", `Cannot write ${path}: ${why}`, { cause: error });
}

/** What `chunks` bring; throws Fault<"database/file"> where they can't be read. */
async function* readable(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of chunks) yield chunk;
  } catch (error) {
    throw new Fault<DatabaseCode>("database/file", `Cannot read ${name}: ${fileReason(error)}`, {
      cause: error,
    });
  }
}
