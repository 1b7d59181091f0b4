import type { MailboxRow, TurnRow } from "../mailbox/mod.ts";

/** A committed mailbox as the writer remembers it. */
export interface CachedMailbox {
  readonly box: number;
  readonly row: MailboxRow;
  /** Turns that batches asked for; null where there is none of that number. */
  readonly turns: Map<number, TurnRow | null>;
}

/**
 * Rows of mailboxes by hex id, the longest unused dropped first. Holds committed rows only: whoever writes puts
 * rows in after the commit, and clears it when a commit's outcome is unknown or somebody else wrote.
 */
export class RowCache {
  readonly #rows = new Map<string, CachedMailbox>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): CachedMailbox | undefined {
    const found = this.#rows.get(key);
    if (found !== undefined) {
      // Map keeps the order of insertion: what is used goes to the end.
      this.#rows.delete(key);
      this.#rows.set(key, found);
    }
    return found;
  }

  set(key: string, mailbox: CachedMailbox): void {
    this.#rows.delete(key);
    this.#rows.set(key, mailbox);
    if (this.#rows.size <= this.#max) return;
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest);
      return;
    }
  }

  /** Drops the rows of mailboxes by their numbers. */
  forget(boxes: ReadonlySet<number>): void {
    if (boxes.size === 0) return;
    for (const [key, { box }] of this.#rows) if (boxes.has(box)) this.#rows.delete(key);
  }

  clear(): void {
    this.#rows.clear();
  }
}
