/** The database's key: made once, opened by the key file's passphrase, wrapped anew under another one. */
import type { Database } from "bun:sqlite";
import type { Crypto } from "@dchat/crypto-wasm";
import { ne } from "drizzle-orm";
import { storeFault } from "../fault.ts";
import { emptyJournal, isBusy } from "./file.ts";
import type { DeviceSql } from "./keeper.ts";
import { wrap } from "./schema.ts";
import { Vault } from "./vault.ts";
import { unwrapKey, wrapKey } from "./wrap.ts";

const KEY_BYTES = 32;

type Wrap = typeof wrap.$inferSelect;

/** A database with what opens its key. */
export interface Locked {
  readonly database: Database;
  readonly sql: DeviceSql;
  readonly crypto: Crypto;
  /** UTF-8, borrowed; null for a burner. */
  readonly passphrase: Uint8Array | null;
}

/** The key is made once, under the lock: two processes that start together agree on the first one's. */
export function openVault(locked: Locked): Vault {
  const { database, sql, crypto, passphrase } = locked;
  const kept = sql.select().from(wrap).all();
  if (kept.length > 0) return vaultOf(locked, kept);
  const key = crypto.random.bytes(KEY_BYTES);
  const document = wrapKey(crypto, key, passphrase);
  database.run("BEGIN IMMEDIATE");
  sql.insert(wrap).values({ number: 1, document }).onConflictDoNothing().run();
  const winners = sql.select().from(wrap).all();
  database.run("COMMIT");
  if (winners.some((winner) => winner.document === document)) return new Vault(crypto, key);
  crypto.wipe(key);
  return vaultOf(locked, winners);
}

function vaultOf(locked: Locked, kept: readonly Wrap[]): Vault {
  const { key, by } = unwrapAny(locked, kept);
  if (kept.length > 1) dropOthers(locked, by);
  return new Vault(locked.crypto, key);
}

/** There is one wrap, and for the moment of a change of passphrase two. */
function unwrapAny({ crypto, passphrase }: Locked, wraps: readonly Wrap[]): { key: Uint8Array; by: Wrap } {
  let last: unknown = storeFault("store/key", "The device's database has no key");
  for (const by of wraps) {
    try {
      return { key: unwrapKey(crypto, by.document, passphrase), by };
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

/**
 * Where a change of passphrase was cut short, the wrap that the key file opens is the one; another would open the
 * database for ever. Under the lock, since a change may be under way: whoever holds it ends that by itself.
 */
function dropOthers({ database, sql }: Locked, by: Wrap): void {
  try {
    database.run("BEGIN IMMEDIATE");
  } catch (error) {
    if (isBusy(error)) return;
    throw error;
  }
  const isThere = sql
    .select()
    .from(wrap)
    .all()
    .some((one) => one.document === by.document);
  if (isThere) sql.delete(wrap).where(ne(wrap.number, by.number)).run();
  database.run("COMMIT");
  emptyJournal(database);
}

/**
 * Wraps the key by `to` while `between` replaces the key file that has the same passphrase. Until that is done both
 * open the database, so that a crash leaves neither shut out. Throws Fault<"store/key"> where `from` doesn't open it,
 * before `between` runs.
 */
export function rewrapKey(
  { database, sql, crypto, passphrase: from }: Locked,
  { to, between }: { to: Uint8Array | null; between: () => void },
): void {
  const kept = sql.select().from(wrap).all();
  const { key } = unwrapAny({ database, sql, crypto, passphrase: from }, kept);
  const document = wrapKey(crypto, key, to);
  crypto.wipe(key);
  const number = Math.max(...kept.map((one) => one.number)) + 1;
  sql.insert(wrap).values({ number, document }).run();
  database.run("BEGIN IMMEDIATE");
  try {
    between();
    // Whoever opened the database by the former passphrase meanwhile may have taken the new wrap for a leftover.
    sql.delete(wrap).run();
    sql.insert(wrap).values({ number, document }).run();
    database.run("COMMIT");
  } catch (error) {
    database.run("ROLLBACK");
    throw error;
  }
  emptyJournal(database);
}
