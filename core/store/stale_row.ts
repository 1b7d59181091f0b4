/** Thrown where a row no longer has the term and size that a plan stands on: load anew and decide again. */
export class StaleRow extends Error {
  override readonly name = "StaleRow";
}

/** A batch whose rows moved is decided anew this often before it's refused. */
export const STALE_TRIES_MAX = 3;
