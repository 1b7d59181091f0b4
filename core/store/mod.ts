/** Where mailboxes are kept: SQLite beside the relay, or PostgreSQL, behind the mailbox's port. */
export { storeFault, type StoreCode, type StoreFault } from "./fault.ts";
export { openStore, type StoreLocation } from "./open.ts";
export { openPostgresStore, type PostgresStoreOptions } from "./postgres.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./sqlite.ts";
