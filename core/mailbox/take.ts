/** Taking packages: one a slot, each to one take alone, the last resort aside. */
import type { EntryId } from "../ground/mod.ts";
import { type Batch, type MailboxDraft, rowOf, touch } from "./draft.ts";
import type { Outcome } from "./outcome.ts";

/**
 * Hands out, for each slot, the oldest package that waits, or else the newest last resort. A take that got
 * packages before gets those again, with last resorts for the slots that had none.
 */
export function decideTake(batch: Batch, box: MailboxDraft, take: EntryId): Outcome {
  const packages = batch.packages(box);
  const { nowMs } = batch.options;
  const chosen = packages.takenBy(take)?.filter((entry) => entry.expiryMs > nowMs) ?? give(batch, box, take);
  const had = new Set(chosen.map((entry) => entry.slot));
  const seqs = chosen.map((entry) => entry.seq);
  for (const entry of packages.lastResorts) if (!had.has(entry.slot)) seqs.push(entry.seq);
  if (seqs.length === 0) return { is: "refused", refusal: { code: "empty" } };
  return { is: "taken", row: rowOf(box), seqs: seqs.sort((a, b) => a - b) };
}

function give(batch: Batch, box: MailboxDraft, take: EntryId) {
  const given = batch.packages(box).give(take);
  if (given.length > 0) touch(box);
  for (const { seq } of given) batch.taken(box, { seq, takenBy: take });
  return given;
}
