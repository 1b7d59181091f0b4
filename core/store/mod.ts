/** Where mailboxes are kept: SQLite beside the relay, or PostgreSQL, behind the mailbox's port. */
export { digest } from "./digest.ts";
export { storeFault, type StoreCode, type StoreFault } from "./fault.ts";
export { openDatabase, openStore, type StoreLocation } from "./open.ts";
export { requireVersion } from "./version.ts";
export { locationName } from "./place_name.ts";
export type { DatabaseStatus, KeptEntry, StoreDatabase, StoreRecord } from "./record.ts";
