/**
 * Which mailboxes were made in a store, in two numbers. A mailbox's row is never removed: what is left of a deleted
 * one keeps its id from being used again. So how many rows there are, and what their ids add up to, moves only when
 * a mailbox is made, and a row that is missing shows for `dchat database check`, though nothing else names it.
 */

export interface Census {
  /** Rows of mailboxes, those of deleted ones too. */
  readonly made: number;
  /** What the first four bytes of their ids add up to, big-endian, modulo 2^32. Ids are hashes, so these are enough. */
  readonly ids: number;
}

const PREFIX_BYTES = 4;

/** Nothing of what isn't an id any more. */
function prefix(id: unknown): number {
  if (!(id instanceof Uint8Array) || id.length < PREFIX_BYTES) return 0;
  return new DataView(id.buffer, id.byteOffset, id.byteLength).getUint32(0);
}

export const NOBODY: Census = { made: 0, ids: 0 };

/** A census with the row of `id` as well. */
export function counted({ made, ids }: Census, id: unknown): Census {
  return { made: made + 1, ids: (ids + prefix(id)) % 2 ** 32 };
}

/** The census of these mailboxes alone. */
export function censusOf(ids: readonly Uint8Array[]): Census {
  return ids.reduce(counted, NOBODY);
}

/** What is wrong where rows don't fit what was kept of them, in words; null where they do. */
export function censusDamage(found: Census, kept: Census): string | null {
  const lacking = kept.made - found.made;
  if (lacking === 0) return found.ids === kept.ids ? null : "its mailboxes aren't those that were made in it";
  if (lacking < 0)
    return `it has ${found.made} mailboxes, deleted ones included, but ${kept.made} were made in it`;
  if (lacking > 1) return `${lacking} mailboxes that were made in it are missing`;
  const missing = (kept.ids - found.ids + 2 ** 32) % 2 ** 32;
  return `the mailbox whose id begins with ${missing.toString(16).padStart(2 * PREFIX_BYTES, "0")} is missing`;
}
