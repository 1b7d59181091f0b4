import { type MailboxRow, passedBy } from "../mailbox/mod.ts";

/**
 * When a sweep should look at a mailbox, Unix ms: at once (0) where it was deleted or where all its readers have
 * passed bodies that it may still hold, null where nothing but expiry can come up, which has an index of its own.
 */
export function sweepDueMs(row: MailboxRow): number | null {
  if (row.deleted) return 0;
  return row.entriesHeld > 0 && passedBy(row) > row.floor ? 0 : null;
}
