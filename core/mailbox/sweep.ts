/** What may go, and when nothing may: pure answers that a store's sweep asks for. */
import { lapsedMax } from "./cursor.ts";
import type { EntryRow, MailboxRow } from "./port.ts";

/**
 * How far every reader that counts has read: entries below were acknowledged by all of them. Those that haven't lapsed
 * count, and where others have left, so that the lapsed are half or more, so do the furthest ahead of those, until they
 * are fewer. 0 where there is none that counts, so that without readers entries go by their time alone.
 */
export function passedBy({ readers }: Pick<MailboxRow, "readers">): number {
  let passed = Number.POSITIVE_INFINITY;
  let lapsed = 0;
  for (const reader of readers) {
    if (reader.lapsed) lapsed += 1;
    else passed = Math.min(passed, reader.cursor);
  }
  const again = lapsed - lapsedMax(readers.length);
  if (lapsed > 0 && again > 0) {
    const behind = readers.filter((reader) => reader.lapsed).map((reader) => reader.cursor);
    behind.sort((a, b) => b - a);
    passed = Math.min(passed, behind[again - 1] ?? 0);
  }
  return passed === Number.POSITIVE_INFINITY ? 0 : passed;
}

/** What `mayGo` looks at of a mailbox; computed once for a sweep of it. */
export interface SweepView {
  /** From `passedBy`. */
  readonly passed: number;
  readonly retentionMs: number;
}

/**
 * Whether an entry's body may go: its time is over, or all have read it and its retention is over. Control
 * entries and packages go by their time alone. The row stays, for proofs.
 */
export function mayGo(
  entry: Pick<EntryRow, "seq" | "kind" | "timeMs" | "expiryMs">,
  view: SweepView,
  nowMs: number,
): boolean {
  if (entry.expiryMs <= nowMs) return true;
  return entry.kind === "plain" && entry.seq < view.passed && entry.timeMs + view.retentionMs <= nowMs;
}
