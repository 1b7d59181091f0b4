/** What a sweep does with one mailbox, for both databases: which bodies go, and when to look again. */
import { type MailboxRow, mayGo, passedBy } from "../mailbox/mod.ts";
import { type EntryRecord, entryRow } from "./row.ts";

/** An entry as a sweep sees it: `body` is null where it has gone, and otherwise whatever leads to it. */
export type Sweepable = EntryRecord & { readonly body: unknown };

export interface PassedPlan<T extends Sweepable> {
  readonly drop: readonly T[];
  /** No plain entry below has a body any more. */
  readonly swept: number;
  /** When to look at the mailbox again, Unix ms; null where nothing but expiry can come up. */
  readonly sweepMs: number | null;
}

/**
 * Decides on `range`: the entries from `swept` to what all readers have passed, in order, perhaps cut short. Stops
 * at the first plain entry whose retention isn't over: those behind it are younger.
 */
export function planPassed<T extends Sweepable>(
  row: MailboxRow,
  options: { readonly swept: number; readonly nowMs: number; readonly range: readonly T[] },
): PassedPlan<T> {
  const view = { passed: passedBy(row), retentionMs: row.policy.retentionMs };
  const drop: T[] = [];
  let { swept } = options;
  for (const each of options.range) {
    if (each.body !== null) {
      const entry = entryRow(each);
      if (mayGo(entry, view, options.nowMs)) drop.push(each);
      else if (entry.kind === "plain") return { drop, swept, sweepMs: entry.timeMs + view.retentionMs };
    }
    swept = each.seq + 1;
  }
  return { drop, swept, sweepMs: swept < view.passed ? options.nowMs : null };
}
