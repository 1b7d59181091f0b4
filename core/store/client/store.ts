/**
 * A device's database: SQLite in WAL with synchronous FULL, shared by the processes of one person. Every
 * transaction is IMMEDIATE, so that two processes never step the same ratchet from one state.
 */
import type { Database } from "bun:sqlite";
import type { Crypto } from "@dchat/crypto-wasm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { DeviceStore, Keeper } from "../../conversation/mod.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { emptied } from "./create.ts";
import { emptyJournal, isBusy, openFile } from "./file.ts";
import { openKeeper } from "./keeper.ts";
import { openVault, rewrapKey } from "./key.ts";
import { migrateClient, userVersion } from "./migrate.ts";
import { takeTurn } from "./turn.ts";
import type { Vault } from "./vault.ts";

/** How long another process may hold the database before we give up. */
const LOCK_WAIT_MS = 30_000;
const LOCK_RETRY_MS = 3;
/** How long former pages stand in the journal: message keys that were used, secrets of epochs that are over. */
const JOURNAL_LIFE_MS = 5_000;

export interface DeviceStoreOptions {
  /** The file; its folder exists. */
  readonly path: string;
  readonly crypto: Crypto;
  /** UTF-8, borrowed; null for a burner: the key then lies bare in the file. */
  readonly passphrase: Uint8Array | null;
  /** How long what was deleted or replaced may stand in the journal while the database is open. */
  readonly journalLifeMs?: number;
}

/**
 * Opens or makes a device's database; throws Fault<"store/key" | "store/newer" | "store/corrupt" |
 * "store/unavailable">, and Fault<"store/emptied"> rather than begin a new device where one was.
 */
export async function openDeviceStore(options: DeviceStoreOptions): Promise<DeviceStore> {
  const { path, crypto, passphrase, journalLifeMs = JOURNAL_LIFE_MS } = options;
  const database = openFile(path);
  try {
    upgrade(database, path);
    const sql = drizzle({ client: database });
    const vault = openVault({ database, sql, crypto, passphrase });
    return makeStore({ database, path, vault, journalLifeMs, keeper: openKeeper(sql, { crypto, vault }) });
  } catch (error) {
    database.close();
    throw error;
  }
}

function upgrade(database: Database, path: string): void {
  if (userVersion(database) === 0) throw emptied(path, "it has no tables of a device");
  migrateClient(database, path);
}

function closeFile(database: Database): void {
  emptyJournal(database);
  database.close();
}

interface Opened {
  readonly database: Database;
  readonly path: string;
  readonly keeper: Keeper;
  readonly vault: Vault;
  readonly journalLifeMs: number;
}

function makeStore({ database, path, keeper, vault, journalLifeMs }: Opened): DeviceStore {
  database.run("PRAGMA busy_timeout = 0");
  const dataVersion = database.query("PRAGMA data_version");
  let last: Promise<unknown> = Promise.resolve();
  let lastTurn: Promise<unknown> = Promise.resolve();
  let closed = false;
  let emptying: Timer | null = null;

  /** Again in a while where another process is in a transaction of its own. */
  function emptySoon(): void {
    if (closed || emptying !== null) return;
    emptying = setTimeout(() => {
      emptying = null;
      last = last.then(() => closed || emptyJournal(database) || emptySoon()).catch(() => undefined);
    }, journalLifeMs).unref();
  }

  async function alone<T>(work: (keeper: Keeper) => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    await begin(database, signal);
    try {
      const result = await work(keeper);
      database.run("COMMIT");
      emptySoon();
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
    inTurn(work, { signal, waitMs = LOCK_WAIT_MS } = {}) {
      const mine = lastTurn.then(async () => {
        using _ = await takeTurn(`${path}.turn`, { signal, waitMs });
        return await work();
      });
      lastTurn = mine.catch(() => undefined);
      return mine;
    },
    revision() {
      const row: unknown = dataVersion.get();
      return typeof row === "object" && row !== null && "data_version" in row ? Number(row.data_version) : 0;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (emptying !== null) clearTimeout(emptying);
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
  const { path, crypto, from, to, between } = options;
  using database = openFile(path);
  upgrade(database, path);
  const sql = drizzle({ client: database });
  rewrapKey({ database, sql, crypto, passphrase: from }, { to, between });
}
