/** Lives of a mailbox. */

const SECOND_MS = 1000;

/**
 * The generation that a restore starts, larger than all that can have been: since the backup doesn't know which
 * came after it, time decides, in seconds.
 */
export function nextGeneration(generation: number, nowMs: number): number {
  return Math.max(generation + 1, Math.floor(nowMs / SECOND_MS));
}
