/** Taking packages: one a slot, each to one take alone, the last resort aside. */
import type { EntryId } from "../ground/mod.ts";
import { sameId } from "../wire/mod.ts";
import { type Batch, type MailboxDraft, rowOf, touch } from "./draft.ts";
import type { Outcome } from "./outcome.ts";
import type { EntryRow } from "./port.ts";

/**
 * Hands out, for each slot, the oldest package that waits, or else the newest last resort. A take that got
 * packages before gets those again, with last resorts for the slots that had none.
 */
export function decideTake(batch: Batch, box: MailboxDraft, take: EntryId): Outcome {
  const { nowMs } = batch.options;
  const packages = batch.packages(box);
  const isMine = (entry: EntryRow): boolean => entry.takenBy !== null && sameId(entry.takenBy, take);
  const again = packages.some(isMine);
  const chosen = new Map<number, EntryRow>();
  for (const [at, entry] of packages.entries()) {
    if (entry.expiryMs <= nowMs || entry.kind !== "package") continue;
    if (again ? !isMine(entry) : entry.takenBy !== null || chosen.has(entry.slot)) continue;
    chosen.set(entry.slot, entry);
    if (again) continue;
    batch.take(box, at, take);
    touch(box);
  }
  const had = new Set(chosen.keys());
  for (const entry of packages) {
    if (entry.kind === "lastResort" && entry.expiryMs > nowMs && !had.has(entry.slot)) {
      chosen.set(entry.slot, entry);
    }
  }
  if (chosen.size === 0) return { is: "refused", refusal: { code: "empty" } };
  const seqs = [...chosen.values()].map((entry) => entry.seq).sort((a, b) => a - b);
  return { is: "taken", row: rowOf(box), seqs };
}
