import type { Outcome } from "../mailbox/mod.ts";

/** An outcome as the port promises it: without the body and the nodes that an entry of the same batch has besides. */
export function withoutBody(outcome: Outcome): Outcome {
  if (outcome.is !== "appended") return outcome;
  const { seq, id, generation, turn, kind, slot, timeMs, expiryMs, entryHash, leaf, takenBy } = outcome.entry;
  const entry = { seq, id, generation, turn, kind, slot, timeMs, expiryMs, entryHash, leaf, takenBy };
  return { ...outcome, entry };
}
