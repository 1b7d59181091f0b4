/**
 * A batch under decision: rows as the commands so far would leave them, and what is to be written for it.
 * Rows are copied when first touched, once a batch; commands read and change the copies.
 */
import type { EntryId, Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import type { Command, Policy } from "../wire/mod.ts";
import { sameId } from "../wire/mod.ts";
import { isPackage, Packages } from "./packages.ts";
import type {
  DecideOptions,
  EntryRow,
  Loaded,
  MailboxRow,
  NewEntry,
  Plan,
  ReaderRow,
  Receipt,
  TurnRow,
} from "./port.ts";

/** A MailboxRow that a batch changes. */
export interface MailboxDraft {
  readonly id: MailboxId;
  readonly hex: string;
  readonly generation: number;
  readonly term: number;
  owner: PublicKey;
  writer: PublicKey;
  policy: Policy;
  size: number;
  peaks: Hash[];
  turn: number;
  version: number;
  floor: number;
  entriesHeld: number;
  bytesHeld: number;
  readonly createdMs: number;
  deleted: boolean;
  /** Never changed in place: rows that were handed out share it. */
  readers: readonly ReaderRow[];
  readonly started: MailboxRow["started"];
  /** The row as it was loaded; null where this batch created the mailbox. */
  readonly before: MailboxRow | null;
  changed: boolean;
  /** The row as values, kept until the next change: reads of one batch share it. */
  row: MailboxRow | null;
  readonly receipts: Map<string, Receipt>;
}

/** Key of maps: lower-case hex. */
function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

export class Batch {
  readonly options: DecideOptions;
  readonly #loaded: Loaded;
  readonly #drafts = new Map<string, MailboxDraft | null>();
  readonly #entries = new Map<string, EntryRow>();
  readonly #turns = new Map<string, TurnRow & { readonly mailbox: MailboxId }>();
  readonly #packages = new Map<string, Packages>();
  readonly #newEntries: NewEntry[] = [];
  readonly #taken: Plan["taken"][number][] = [];

  constructor(loaded: Loaded, options: DecideOptions) {
    this.#loaded = loaded;
    this.options = options;
  }

  /** The mailbox that a command names, tombstones of deleted ones included, or null. */
  mailbox(id: MailboxId): MailboxDraft | null {
    const key = hex(id);
    const known = this.#drafts.get(key);
    if (known !== undefined) return known;
    const row = this.#loaded.mailboxes.get(key);
    const draft = row === undefined ? null : draftOf(row, { before: row, hex: key });
    this.#drafts.set(key, draft);
    return draft;
  }

  create(row: MailboxRow): MailboxDraft {
    const key = hex(row.id);
    const draft = draftOf(row, { before: null, hex: key });
    draft.changed = true;
    this.#drafts.set(key, draft);
    this.startTurn(draft);
    return draft;
  }

  /** Records the turn that `box` is in now, from its next entry on. */
  startTurn(box: MailboxDraft): void {
    const { id, turn, writer, size } = box;
    this.#turns.set(`${box.hex}:${turn}`, { mailbox: id, turn, writer, firstSeq: size });
  }

  turn(box: MailboxDraft, turn: number): TurnRow | null {
    const key = `${box.hex}:${turn}`;
    return this.#turns.get(key) ?? this.#loaded.turns.get(key) ?? null;
  }

  entry(box: MailboxDraft, id: Uint8Array): EntryRow | null {
    const key = box.hex + hex(id);
    return this.#entries.get(key) ?? this.#loaded.entries.get(key) ?? null;
  }

  addEntry(box: MailboxDraft, entry: NewEntry): void {
    this.#newEntries.push(entry);
    this.#entries.set(box.hex + hex(entry.id), entry);
    if (isPackage(entry.kind)) this.packages(box).add(entry);
  }

  /** Packages of a mailbox as they stand in the batch. */
  packages(box: MailboxDraft): Packages {
    let packages = this.#packages.get(box.hex);
    if (packages === undefined) {
      packages = new Packages(this.#loaded.packages.get(box.hex) ?? [], this.options.nowMs);
      this.#packages.set(box.hex, packages);
    }
    return packages;
  }

  /** A package was handed to a take. */
  taken(box: MailboxDraft, { seq, takenBy }: { readonly seq: number; readonly takenBy: EntryId }): void {
    this.#taken.push({ mailbox: box.id, seq, takenBy });
  }

  plan(outcomes: Plan["outcomes"]): Plan {
    const created: MailboxRow[] = [];
    const changed: Plan["changed"][number][] = [];
    const receipts: Receipt[] = [];
    for (const draft of this.#drafts.values()) {
      if (draft === null || !draft.changed) continue;
      const row = rowOf(draft);
      if (draft.before === null) created.push(row);
      else changed.push({ row, expectTerm: draft.before.term, expectSize: draft.before.size });
      receipts.push(...draft.receipts.values());
    }
    const turns = [...this.#turns.values()];
    return { created, changed, entries: this.#newEntries, turns, taken: this.#taken, receipts, outcomes };
  }
}

function draftOf(row: MailboxRow, from: { before: MailboxRow | null; hex: string }): MailboxDraft {
  return {
    ...row,
    peaks: [...row.peaks],
    hex: from.hex,
    before: from.before,
    changed: false,
    row: from.before,
    receipts: new Map(),
  };
}

/** Marks a change: rows handed out before it stay as they were. */
export function touch(box: MailboxDraft): void {
  box.changed = true;
  box.row = null;
}

/** The draft as it stands now, as a value that later commands of the batch don't change. */
export function rowOf(box: MailboxDraft): MailboxRow {
  box.row ??= {
    id: box.id,
    generation: box.generation,
    term: box.term,
    owner: box.owner,
    writer: box.writer,
    policy: box.policy,
    size: box.size,
    peaks: [...box.peaks],
    turn: box.turn,
    version: box.version,
    floor: box.floor,
    entriesHeld: box.entriesHeld,
    bytesHeld: box.bytesHeld,
    createdMs: box.createdMs,
    deleted: box.deleted,
    readers: box.readers,
    started: box.started,
  };
  return box.row;
}

/** Position of the reader that has `key`, or -1. */
export function findReader(box: MailboxDraft, key: PublicKey): number {
  return box.readers.findIndex((reader) => sameId(reader.key, key));
}

/** Whether the command came with this key; that its signature holds was checked before. */
export function signedBy(command: Command, key: PublicKey): boolean {
  return sameId(command.authority.key, key);
}
