import type { MailboxStore } from "../mailbox/mod.ts";
import { openPostgresStore } from "./postgres.ts";
import { openPostgresDatabase } from "./postgres_database.ts";
import type { StoreDatabase } from "./record.ts";
import { openSqliteStore } from "./sqlite.ts";
import { openSqliteDatabase } from "./sqlite_database.ts";

export interface StoreLocation {
  /** A PostgreSQL database; null for SQLite. */
  readonly url: string | null;
  /** SQLite's file where there is no `url`; its folder must exist. */
  readonly path: string;
}

/** Opens the store that a relay is configured with. Rejects as openPostgresStore and openSqliteStore do. */
export function openStore(location: StoreLocation): Promise<MailboxStore> {
  return location.url === null
    ? openSqliteStore({ path: location.path })
    : openPostgresStore({ url: location.url });
}

/** Opens the same database for those who look after it. Nothing is read or made yet. */
export function openDatabase(location: StoreLocation): StoreDatabase {
  return location.url === null ? openSqliteDatabase(location.path) : openPostgresDatabase(location.url);
}
