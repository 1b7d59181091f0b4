import type { MailboxStore } from "../mailbox/mod.ts";
import type { StoreDatabase } from "./record.ts";

export interface StoreLocation {
  /** A PostgreSQL database; null for SQLite. */
  readonly url: string | null;
  /** SQLite's file where there is no `url`; its folder must exist. */
  readonly path: string;
}

/**
 * Opens the store that a relay is configured with, and loads no code of the other one: PostgreSQL's client takes
 * 10 MB of memory. `aloneMs` is as for openPostgresStore; SQLite's file is kept for one by its directory. Rejects as
 * openPostgresStore and openSqliteStore do.
 */
export async function openStore(
  { url, path }: StoreLocation,
  options: { readonly aloneMs?: number } = {},
): Promise<MailboxStore> {
  if (url === null) return (await import("./sqlite.ts")).openSqliteStore({ path });
  return (await import("./postgres.ts")).openPostgresStore({ url, ...options });
}

/**
 * Opens the same database for those who look after it, by a command whose name others are told that find it at work.
 * Nothing is read or made yet.
 */
export async function openDatabase({ url, path }: StoreLocation, by = ""): Promise<StoreDatabase> {
  if (url === null) return (await import("./sqlite/database.ts")).openSqliteDatabase(path);
  return (await import("./postgres/database.ts")).openPostgresDatabase(url, by);
}
