/**
 * Data directories: where they are by default, that only their owner reads them, that one process at a time
 * works in one, and `relay.json`, by which a running relay is found.
 */
import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { Fault, fileReason, isFault } from "../ground/mod.ts";
import { replaceFile } from "./file.ts";

export type DataDirCode =
  | "data/locked"
  | "data/unusable"
  | "data/no-identity"
  | "data/other-relay"
  | "data/emptied"
  | "data/no-relay";

type Environment = Readonly<Record<string, string | undefined>>;

/** `$XDG_STATE_HOME/dchat`, else `~/.local/state/dchat`. A relative XDG_STATE_HOME is ignored, as its specification says. */
function stateHome(env: Environment): string {
  const base = env["XDG_STATE_HOME"];
  const home =
    base !== undefined && isAbsolute(base) ? base : join(env["HOME"] ?? homedir(), ".local", "state");
  return join(home, "dchat");
}

export function defaultRelayDir(env: Environment): string {
  return join(stateHome(env), "relay");
}

/** `fingerprint` is the identity's, see core/identity. */
export function defaultUserDir(env: Environment, fingerprint: string): string {
  return join(stateHome(env), "user", fingerprint);
}

/** `~/x` with the home directory in place of `~`. */
export function homePath(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

/**
 * Makes `path` where it is missing and keeps others out of it (mode 0700). Where it belongs to somebody else,
 * as mounted volumes do, the mode stays and the answer says so. Throws Fault<"data/unusable">, also for a
 * directory that others use for something else: shutting /tmp would break the machine.
 */
export function prepareDir(path: string): { readonly warning: string | null } {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const { mode, uid } = statSync(path);
    if ((mode & 0o077) === 0 && (mode & 0o200) !== 0) return { warning: null };
    if (process.getuid === undefined || uid === process.getuid()) {
      if ((mode & 0o200) === 0) throw readOnly(path, mode);
      const strange = readdirSync(path).find((name) => !OURS.test(name));
      if (strange !== undefined) throw shared(path, mode, strange);
      chmodSync(path, 0o700);
      return { warning: null };
    }
    return {
      warning: `${path} belongs to another user and has mode ${(mode & 0o777).toString(8)}; expected 700`,
    };
  } catch (error) {
    throw isFault(error) ? error : unusable(path, error);
  }
}

/** What lies in a data directory, and what a fresh volume holds. */
const OURS = /^(?:lock|lock\.pid|(?:relay|device|identity|node|head)\..+|lost\+found)$/;

function shared(path: string, mode: number, strange: string): Fault<DataDirCode> {
  return new Fault(
    "data/unusable",
    `Cannot use the data directory ${path}: it holds other things (${strange}), and others may read it: its mode is ${(mode & 0o777).toString(8)}, expected 700`,
  );
}

function readOnly(path: string, mode: number): Fault<DataDirCode> {
  return new Fault(
    "data/unusable",
    `Cannot use the data directory ${path}: its mode is ${(mode & 0o777).toString(8)}, which keeps even its owner from writing; \`chmod 700\` makes it usable`,
  );
}

/** A directory that this process alone works in, until it is disposed of or dies. */
export interface DataDir extends Disposable {
  readonly path: string;
  readonly warning: string | null;
}

const LOCK = "lock";
const HOLDER = "lock.pid";

/**
 * Takes the directory for this process. The lock is SQLite's on a file that holds nothing: the kernel drops it
 * when the process ends, however it ends, so there is no stale lock and no pid to be mistaken for another's.
 * The pid beside it is for people. Throws Fault<"data/locked"> with the holder's pid, Fault<"data/unusable">.
 */
export function openDataDir(path: string): DataDir {
  const { warning } = prepareDir(path);
  const lock = takeLock(path);
  try {
    replaceFile(join(path, HOLDER), `${process.pid}\n`, { durable: false });
    // What a killed relay left behind would send people to where nobody listens.
    rmSync(join(path, RELAY_JSON), { force: true });
  } catch (error) {
    lock.close();
    throw unusable(path, error);
  }
  return {
    path,
    warning,
    [Symbol.dispose]() {
      rmSync(join(path, HOLDER), { force: true });
      lock.close();
    },
  };
}

function takeLock(path: string): Database {
  let lock: Database | undefined;
  try {
    lock = new Database(join(path, LOCK), { create: true });
    // Nothing is ever written to it, so it needs no journal beside it.
    lock.query("PRAGMA journal_mode = MEMORY").get();
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
    chmodSync(join(path, LOCK), 0o600);
    return lock;
  } catch (error) {
    lock?.close();
    if (!isHeld(error)) throw unusable(path, error);
    throw new Fault("data/locked", `Cannot use the data directory ${path}: ${whoHolds(path)} works in it`, {
      cause: error,
    });
  }
}

function isHeld(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED");
}

function whoHolds(path: string): string {
  const holder = holderOf(path);
  return holder === null ? "another process" : `another process (pid ${holder})`;
}

/** A directory that others may look into meanwhile, and nobody take for himself, until it is disposed of. */
export interface SharedDir extends Disposable {
  /** Who has it for himself already, in words; null where nobody has. */
  readonly holder: string | null;
}

/** Shares the directory with all who only read, changing nothing in it. Throws Fault<"data/unusable">. */
export function shareDataDir(path: string): SharedDir {
  const file = join(path, LOCK);
  // Nobody has ever worked in it, as where a store was copied to be looked at.
  if (!existsSync(file)) return { holder: null, [Symbol.dispose]() {} };
  let lock: Database | undefined;
  try {
    lock = new Database(file, { readonly: true });
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN");
    lock.query("SELECT 1 FROM sqlite_schema").get();
  } catch (error) {
    lock?.close();
    if (!isHeld(error)) throw unusable(path, error);
    return { holder: `${whoHolds(path)} works in ${path}`, [Symbol.dispose]() {} };
  }
  const taken = lock;
  return { holder: null, [Symbol.dispose]: () => taken.close() };
}

function holderOf(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(join(path, HOLDER), "utf8"), 10);
    return Number.isSafeInteger(pid) ? pid : null;
  } catch {
    return null;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** What the system says of a lock that SQLite can't open or take, where SQLite itself says only that. */
function lockRefusal(path: string, error: unknown): unknown {
  if (!/^SQLITE_(CANTOPEN|READONLY|IOERR)/.test(codeOf(error))) return error;
  try {
    closeSync(openSync(join(path, LOCK), "a"));
    return error;
  } catch (refused) {
    return refused;
  }
}

function unusable(path: string, thrown: unknown): Fault<DataDirCode> {
  const error = lockRefusal(path, thrown);
  const code = codeOf(error);
  // What mkdir says of a path whose parents can't be made, or that is a file itself.
  const made = code === "ENOENT" ? "it can't be made there" : fileReason(error);
  const why = code === "EEXIST" || code === "ENOTDIR" ? "it is a file, or below one" : made;
  return new Fault("data/unusable", `Cannot use the data directory ${path}: ${why}`, { cause: error });
}

const RELAY_JSON = "relay.json";

const relayFileSchema = z.object({
  pid: z.int(),
  peerId: z.string(),
  addresses: z.array(z.string()),
  api: z.string(),
  metrics: z.string(),
});

/** What a running relay says of itself in its data directory. */
export interface RelayFile {
  readonly pid: number;
  readonly peerId: string;
  /** Multiaddrs with /p2p/. */
  readonly addresses: readonly string[];
  /** URLs. */
  readonly api: string;
  readonly metrics: string;
}

/** Writes `relay.json` by rename; disposing removes it. Called when everything listens. */
export function publishRelay(dir: DataDir, relay: RelayFile): Disposable {
  const path = join(dir.path, RELAY_JSON);
  replaceFile(path, `${JSON.stringify(relay, null, 2)}\n`, { durable: false });
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** Reads `relay.json` of a directory; throws Fault<"data/no-relay"> where no relay runs on it. */
export function findRelay(dir: string): RelayFile {
  const path = join(dir, RELAY_JSON);
  try {
    return relayFileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    const told =
      codeOf(error) === "EACCES"
        ? `Cannot tell whether a relay runs on ${dir}: ${path} can't be read: ${fileReason(error)}`
        : `No relay runs on ${dir}: ${path} is missing or unreadable`;
    throw new Fault("data/no-relay", told, { cause: error });
  }
}
