/** Lives of a mailbox. */
import { emptyRoot, type Digest } from "../merkle/mod.ts";
import type { MailboxRow } from "./port.ts";

const SECOND_MS = 1000;

/**
 * The generation that a restore starts, larger than all that can have been: since the backup doesn't know which
 * came after it, time decides, in seconds.
 */
export function nextGeneration(generation: number, nowMs: number): number {
  return Math.max(generation + 1, Math.floor(nowMs / SECOND_MS));
}

/** With what a mailbox's generation started; the first started empty, when the mailbox was made. */
export function generationStart(row: MailboxRow, digest: Digest): NonNullable<MailboxRow["started"]> {
  return row.started ?? { size: 0, root: emptyRoot(digest), timeMs: row.createdMs };
}
