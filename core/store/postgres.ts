import type { MailboxStore } from "../mailbox/mod.ts";
import { openFront } from "./front.ts";

export interface PostgresStoreOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
}

/**
 * Opens the relay's PostgreSQL store, and makes its schema in an empty database. Rejects with
 * Fault<"store/unavailable" | "store/corrupt" | "store/older" | "store/newer">.
 */
export function openPostgresStore({ url }: PostgresStoreOptions): Promise<MailboxStore> {
  return openFront({ kind: "postgres", url });
}
