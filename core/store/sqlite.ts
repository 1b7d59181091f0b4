import type { MailboxStore } from "../mailbox/mod.ts";
import { openFront } from "./front.ts";

export interface SqliteStoreOptions {
  /** The database file; made where there is none. Its folder must exist. */
  readonly path: string;
  /** Backs an older schema up and migrates it (the default), or refuses it. */
  readonly migrate?: boolean;
}

/**
 * Opens the relay's SQLite store; it is migrated when this resolves. Rejects with
 * Fault<"store/unavailable" | "store/corrupt" | "store/older" | "store/newer">.
 */
export function openSqliteStore({ path, migrate = true }: SqliteStoreOptions): Promise<MailboxStore> {
  return openFront({ kind: "sqlite", file: { path, migrate } });
}
