/** Opens the relay's SQLite file: durable settings, the schema of this version, nothing of anybody else's. */
import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { isFault } from "../../ground/mod.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { refusalOf } from "../file_refusal.ts";
import { syncPath } from "../sync_path.ts";
import { requireVersion } from "../version.ts";
import { refuseDamagedLog } from "./log_damage.ts";
import { SQLITE_APPLICATION_ID, SQLITE_MIGRATIONS, STATEMENT_BREAK } from "./schema_version.ts";

export interface SqliteFile {
  readonly path: string;
  /** Refuses an older schema instead of migrating it. */
  readonly migrate: boolean;
  /** Those that this version knows, unless a test knows better. */
  readonly migrations?: readonly string[];
}

/** Only its owner reads it: keys of mailboxes, sizes and times stand in it. */
export const PRIVATE = 0o600;
const COPY_BYTES = 1024 * 1024;
const BUSY_TIMEOUT_MS = 5_000;
/** Pages that SQLite keeps in memory, in KiB as a negative number; grows only as far as it's used. */
const CACHE_KIB = 16 * 1024;

/**
 * Writes the log's own bytes over themselves and syncs them. After an fsync has failed, Linux keeps the pages
 * that didn't reach the disk and calls them clean; a later recovery would read commits in them that a power loss
 * takes back. Written again, what recovery reads is what the disk holds. In place, so that a reader that has the
 * file open keeps the right one.
 */
function settleLog(path: string): void {
  const log = `${path}-wal`;
  if (!existsSync(log)) return;
  const file = openSync(log, "r+");
  try {
    const buffer = new Uint8Array(COPY_BYTES);
    let at = 0;
    for (;;) {
      const length = readSync(file, buffer, 0, buffer.length, at);
      if (length === 0) break;
      writeSync(file, buffer, 0, length, at);
      at += length;
    }
    if (at > 0) fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes an empty file that only its owner reads where there is none: SQLite alone would go by the umask. */
function makePrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, "a", PRIVATE));
}

/** Shuts a file and its journal's that others may read; those that aren't there, or aren't ours, stay. */
function shut(path: string): void {
  for (const each of [path, `${path}-wal`, `${path}-shm`]) {
    const there = statSync(each, { throwIfNoEntry: false });
    if (there === undefined || (there.mode & 0o077) === 0) continue;
    if (process.getuid === undefined || there.uid === process.getuid()) chmodSync(each, PRIVATE);
  }
}

function renameDurably(from: string, to: string): void {
  syncPath(from);
  renameSync(from, to);
  syncPath(dirname(to));
}

function pragma(db: Database, name: string): number {
  const row: unknown = db.query(`PRAGMA ${name}`).values()[0]?.[0];
  return typeof row === "number" ? row : 0;
}

/** The version of the schema in an open file; 0 where it's empty. Throws Fault<"store/corrupt"> for a foreign one. */
export function sqliteVersion(db: Database, path: string): number {
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  if (application === SQLITE_APPLICATION_ID) return version;
  const tables = pragma(db, "schema_version");
  if (application === 0 && version === 0 && tables === 0) return 0;
  throw storeFault("store/corrupt", `Cannot open ${path}: it is a SQLite database, but not a dchat relay's`);
}

/** Runs `missing` in one transaction, after which the schema's version is `to`. */
function migrate(db: Database, missing: readonly string[], to: number): void {
  db.transaction(() => {
    for (const migration of missing) {
      for (const statement of migration.split(STATEMENT_BREAK)) db.run(statement);
    }
    db.run(
      "INSERT INTO total (number, mailboxes, entries, bytes, probes) VALUES (1, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
    );
    db.run(`PRAGMA application_id = ${SQLITE_APPLICATION_ID}`);
    db.run(`PRAGMA user_version = ${to}`);
  }).immediate();
}

/** Where the file as it was before a migration is kept. */
export function migrationBackupPath(path: string, version: number): string {
  return `${path}.schema-${version}.backup`;
}

/**
 * Brings an open file's schema to this version; a file with an older one is copied beside itself before. Throws
 * Fault<"store/newer">, and Fault<"store/older"> where migrating isn't allowed, naming both versions.
 */
export function migrateSqlite(db: Database, file: SqliteFile): void {
  const { path, migrations = SQLITE_MIGRATIONS } = file;
  const version = sqliteVersion(db, path);
  if (version === migrations.length) return;
  if (version > migrations.length || (version > 0 && !file.migrate)) {
    requireVersion(path, version, migrations.length);
  }
  if (version > 0) {
    // Under another name first: a copy that a crash cut short must not pass for one.
    const backup = migrationBackupPath(path, version);
    rmSync(`${backup}.part`, { force: true });
    makePrivate(`${backup}.part`);
    db.run("VACUUM INTO ?", [`${backup}.part`]);
    renameDurably(`${backup}.part`, backup);
  }
  migrate(db, migrations.slice(version), migrations.length);
}

function configure(db: Database): void {
  const mode: unknown = db.query("PRAGMA journal_mode = WAL").values()[0]?.[0];
  if (mode !== "wal") {
    throw storeFault("store/unavailable", `Cannot use a write-ahead log here: SQLite chose ${String(mode)}`);
  }
  db.run("PRAGMA synchronous = FULL");
  // The store checkpoints by itself, after it has answered: SQLite's own hides a checkpoint's failures.
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run(`PRAGMA cache_size = ${-CACHE_KIB}`);
  db.run("PRAGMA temp_store = MEMORY");
}

/**
 * Whether there is a file, or something else in its place; throws Fault<"store/unavailable"> where that can't be
 * looked at.
 */
export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return false;
    throw storeFault("store/unavailable", `Cannot open ${path}: ${reasonOf(error)}`, error);
  }
}

/** What SQLite or the file system says, as a Fault; `doing` is what was being done, and to which file. */
export function sqliteFault(thrown: unknown, { doing, path }: { doing: string; path: string }): Error {
  if (isFault(thrown)) return thrown;
  const error = refusalOf(path, thrown);
  const code = error instanceof Error && "code" in error ? error.code : "";
  const foreign = code === "SQLITE_NOTADB" || code === "SQLITE_CORRUPT";
  return storeFault(
    foreign ? "store/corrupt" : "store/unavailable",
    `Cannot ${doing} ${path}: ${reasonOf(error)}`,
    error,
  );
}

function open(path: string, prepare: (db: Database) => void): Database {
  let db: Database | undefined;
  try {
    refuseDamagedLog(path);
    makePrivate(path);
    db = new Database(path, { create: true, readwrite: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    // Before anything is set: a file of somebody else's stays as it is.
    sqliteVersion(db, path);
    // The journal's files take the mode of this one, so it comes first.
    shut(path);
    configure(db);
    prepare(db);
    // SQLite syncs the folder for its log, but not for the file itself.
    syncPath(dirname(path));
    return db;
  } catch (error) {
    db?.close();
    throw sqliteFault(error, { doing: "open", path });
  }
}

/** Opens a file whatever its schema, for those who look after it; a relay may be running on it. */
export function openSqliteRaw(path: string): Database {
  return open(path, () => {});
}

/**
 * Opens `file.path`, making or migrating it as needed. Throws Fault<"store/unavailable"> where it can't be opened
 * or written, "store/corrupt" where it isn't ours or is damaged, "store/older" and "store/newer" naming both versions.
 */
export function openSqliteFile(file: SqliteFile): Database {
  try {
    settleLog(file.path);
  } catch (error) {
    throw sqliteFault(error, { doing: "open", path: file.path });
  }
  return open(file.path, (db) => migrateSqlite(db, file));
}
