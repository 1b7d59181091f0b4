/**
 * A device's database: SQLite in WAL with synchronous FULL, shared by the processes of one person. Every
 * transaction is IMMEDIATE, so that two processes never step the same ratchet from one state.
 */
import { Database } from "bun:sqlite";
import { chmodSync } from "node:fs";
import type { Crypto } from "@dchat/crypto-wasm";
import { ne } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { DeviceStore, Keeper } from "../../conversation/mod.ts";
import { isFault } from "../../ground/mod.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { refusalOf } from "../file_refusal.ts";
import { emptied, ensureDeviceFile } from "./create.ts";
import { type DeviceSql, openKeeper } from "./keeper.ts";
import { migrateClient, userVersion } from "./migrate.ts";
import { wrap } from "./schema.ts";
import { Vault } from "./vault.ts";
import { unwrapKey, wrapKey } from "./wrap.ts";

/** How long another process may hold the database before we give up. */
const LOCK_WAIT_MS = 30_000;
const LOCK_RETRY_MS = 3;
const KEY_BYTES = 32;

export interface DeviceStoreOptions {
  /** The file; its folder exists. */
  readonly path: string;
  readonly crypto: Crypto;
  /** UTF-8, borrowed; null for a burner: the key then lies bare in the file. */
  readonly passphrase: Uint8Array | null;
}

/**
 * Opens or makes a device's database; throws Fault<"store/key" | "store/newer" | "store/corrupt" |
 * "store/unavailable">, and Fault<"store/emptied"> rather than begin a new device where one was.
 */
export async function openDeviceStore(options: DeviceStoreOptions): Promise<DeviceStore> {
  const { path, crypto, passphrase } = options;
  const database = openFile(path);
  try {
    upgrade(database, path);
    const sql = drizzle({ client: database });
    const vault = openVault(sql, database, { crypto, passphrase });
    return makeStore(database, { keeper: openKeeper(sql, { crypto, vault }), vault });
  } catch (error) {
    database.close();
    throw error;
  }
}

function upgrade(database: Database, path: string): void {
  if (userVersion(database) === 0) throw emptied(path, "it has no tables of a device");
  migrateClient(database, path);
}

function openFile(path: string): Database {
  try {
    ensureDeviceFile(path);
    const database = new Database(path, { readwrite: true, strict: true });
    // The journal's files take the mode of this one.
    chmodSync(path, 0o600);
    // Waiting for the file's first moments only: transactions wait on their own, without holding up the loop.
    database.run("PRAGMA busy_timeout = 10000");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    // What is deleted or replaced is overwritten, so that wiped secrets leave the file too.
    database.run("PRAGMA secure_delete = ON");
    return database;
  } catch (error) {
    if (isFault(error)) throw error;
    const refused = refusalOf(path, error);
    throw storeFault(
      "store/unavailable",
      `Cannot open the device's database ${path}: ${reasonOf(refused)}`,
      refused,
    );
  }
}

/** Former pages stand in the journal until it is emptied: what was deleted goes with it. Others may hold it open. */
function emptyJournal(database: Database): void {
  try {
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

function closeFile(database: Database): void {
  emptyJournal(database);
  database.close();
}

/** The key is made once, under the lock: two processes that start together agree on the first one's. */
function openVault(
  sql: DeviceSql,
  database: Database,
  { crypto, passphrase }: { crypto: Crypto; passphrase: Uint8Array | null },
): Vault {
  const kept = sql.select().from(wrap).all();
  if (kept.length > 0) return new Vault(crypto, unwrapAny(crypto, kept, passphrase));
  const key = crypto.random.bytes(KEY_BYTES);
  const document = wrapKey(crypto, key, passphrase);
  database.run("BEGIN IMMEDIATE");
  sql.insert(wrap).values({ number: 1, document }).onConflictDoNothing().run();
  const winners = sql.select().from(wrap).all();
  database.run("COMMIT");
  if (winners.some((winner) => winner.document === document)) return new Vault(crypto, key);
  crypto.wipe(key);
  return new Vault(crypto, unwrapAny(crypto, winners, passphrase));
}

/** There is one wrap, and for the moment of a change of passphrase two. */
function unwrapAny(
  crypto: Crypto,
  wraps: readonly { readonly document: string }[],
  passphrase: Uint8Array | null,
): Uint8Array {
  let last: unknown = storeFault("store/key", "The device's database has no key");
  for (const { document } of wraps) {
    try {
      return unwrapKey(crypto, document, passphrase);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function makeStore(database: Database, { keeper, vault }: { keeper: Keeper; vault: Vault }): DeviceStore {
  database.run("PRAGMA busy_timeout = 0");
  const dataVersion = database.query("PRAGMA data_version");
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;

  async function alone<T>(work: (keeper: Keeper) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    await begin(database, signal);
    try {
      const result = await work(keeper);
      database.run("COMMIT");
      return result;
    } catch (error) {
      if (database.inTransaction) database.run("ROLLBACK");
      throw error;
    }
  }

  return {
    transact(work, options) {
      if (closed) return Promise.reject(storeFault("store/unavailable", "The device's database is closed"));
      const mine = last.then(() => alone(work, options?.signal));
      last = mine.catch(() => undefined);
      return mine;
    },
    revision() {
      const row: unknown = dataVersion.get();
      return typeof row === "object" && row !== null && "data_version" in row ? Number(row.data_version) : 0;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await last;
      vault[Symbol.dispose]();
      closeFile(database);
    },
  };
}

/** Waits for the lock without blocking the loop; throws Fault<"store/busy">. */
async function begin(database: Database, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      database.run("BEGIN IMMEDIATE");
      return;
    } catch (error) {
      if (!isBusy(error)) throw storeFault("store/unavailable", `Cannot write: ${reasonOf(error)}`, error);
      if (performance.now() > until) {
        throw storeFault(
          "store/busy",
          `Another process has held the device's database for ${LOCK_WAIT_MS} ms`,
          error,
        );
      }
      await Bun.sleep(LOCK_RETRY_MS + Math.random() * LOCK_RETRY_MS);
    }
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
}

/**
 * Wraps the database's key by another passphrase, while `between` replaces the key file that has the same one: until
 * that is done both open the database, so that a crash leaves neither shut out. Throws Fault<"store/key"> where
 * `from` doesn't open it, before `between` runs.
 */
export function rewrapDeviceStore(options: {
  path: string;
  crypto: Crypto;
  from: Uint8Array | null;
  to: Uint8Array | null;
  between: () => void;
}): void {
  const { path, crypto, from, to } = options;
  using database = openFile(path);
  upgrade(database, path);
  const sql = drizzle({ client: database });
  const kept = sql.select().from(wrap).all();
  const key = unwrapAny(crypto, kept, from);
  const document = wrapKey(crypto, key, to);
  crypto.wipe(key);
  const number = Math.max(...kept.map((one) => one.number)) + 1;
  sql.insert(wrap).values({ number, document }).run();
  options.between();
  sql.delete(wrap).where(ne(wrap.number, number)).run();
  emptyJournal(database);
}
