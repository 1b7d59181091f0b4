import type { MailboxStore } from "../mailbox/mod.ts";
import { openFront } from "./front.ts";

export interface PostgresStoreOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  /**
   * Has the database for this relay alone, waiting so long for another to leave it; it must then be asked
   * `probe` from time to time. Where it isn't said others may work on it as well.
   */
  readonly aloneMs?: number;
}

/**
 * Opens the relay's PostgreSQL store, and makes its schema in an empty database. Rejects with
 * Fault<"store/unavailable" | "store/corrupt" | "store/older" | "store/newer" | "store/busy">.
 */
export function openPostgresStore({ url, aloneMs }: PostgresStoreOptions): Promise<MailboxStore> {
  return openFront({ kind: "postgres", url, aloneMs: aloneMs ?? null });
}
