import type { Outcome } from "../mailbox/mod.ts";

/** An outcome as the port promises it: without the body and the nodes of a fresh entry, which the asker sent. */
export function withoutBody(outcome: Outcome): Outcome {
  if (outcome.is !== "appended" || !outcome.fresh) return outcome;
  const { seq, id, generation, turn, kind, slot, timeMs, expiryMs, entryHash, leaf, takenBy } = outcome.entry;
  const entry = { seq, id, generation, turn, kind, slot, timeMs, expiryMs, entryHash, leaf, takenBy };
  return { ...outcome, entry };
}
