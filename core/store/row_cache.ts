import { mailboxId, publicKey, type PublicKey } from "../ground/mod.ts";
import type { MailboxRow, TurnRow } from "../mailbox/mod.ts";

/** A committed mailbox as the writer remembers it. */
export interface CachedMailbox {
  readonly box: number;
  readonly row: MailboxRow;
  /** The turn that runs and some before it, as far as batches asked for them. */
  readonly turns: Map<number, TurnRow>;
}

export interface RowCacheMax {
  readonly mailboxes: number;
  /** Of all of them. */
  readonly readers: number;
}

/** Who is late is so by a turn or two; whoever names others doesn't make the writer remember them. */
const TURNS_REMEMBERED = 3;

/** Remembers a turn that is committed or about to be, and forgets those that are too far back. */
export function rememberTurn({ row, turns }: CachedMailbox, turn: TurnRow): void {
  const first = row.turn - TURNS_REMEMBERED + 1;
  if (turn.turn >= first) turns.set(turn.turn, turn);
  for (const number of turns.keys()) if (number < first) turns.delete(number);
}

/** The key in bytes of its own: one that came with a command is a view of its whole frame. */
function owned(key: PublicKey): PublicKey {
  return key.byteLength === key.buffer.byteLength ? key : publicKey(key.slice());
}

/** A turn to be remembered. */
export function ownedTurn({ turn, writer, firstSeq }: TurnRow): TurnRow {
  return { turn, writer: owned(writer), firstSeq };
}

/** A row to be remembered; `before` is the one that is, or null. */
export function ownedRow(row: MailboxRow, before: MailboxRow | null): MailboxRow {
  const same =
    before !== null &&
    before.id === row.id &&
    before.owner === row.owner &&
    before.writer === row.writer &&
    before.readers === row.readers;
  if (same) return row;
  return {
    ...row,
    id: before?.id ?? mailboxId(row.id.slice()),
    owner: owned(row.owner),
    writer: owned(row.writer),
    readers:
      before?.readers === row.readers
        ? row.readers
        : row.readers.map((reader) => ({ ...reader, key: owned(reader.key) })),
  };
}

/**
 * Rows of mailboxes by hex id, the longest unused dropped first. Holds committed rows only: whoever writes puts
 * rows in after the commit, and clears it when a commit's outcome is unknown or somebody else wrote.
 */
export class RowCache {
  readonly #rows = new Map<string, CachedMailbox>();
  readonly #max: RowCacheMax;
  #readers = 0;

  constructor(max: RowCacheMax) {
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
    this.#drop(key);
    this.#rows.set(key, mailbox);
    this.#readers += mailbox.row.readers.length;
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= this.#max.mailboxes && this.#readers <= this.#max.readers) return;
      this.#drop(oldest);
    }
  }

  /** Drops the rows of mailboxes by their numbers. */
  forget(boxes: ReadonlySet<number>): void {
    if (boxes.size === 0) return;
    for (const [key, { box }] of this.#rows) if (boxes.has(box)) this.#drop(key);
  }

  clear(): void {
    this.#rows.clear();
    this.#readers = 0;
  }

  #drop(key: string): void {
    this.#readers -= this.#rows.get(key)?.row.readers.length ?? 0;
    this.#rows.delete(key);
  }
}
