/**
 * What mailboxes need of a store. A store loads what a batch touches, asks `decideBatch` (decide.ts) inside
 * its transaction, writes the plan, and answers after the fsync. SQLite and PostgreSQL satisfy the same
 * conformance suite (core/store/conformance_test.ts).
 */
import type { EntryId, Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import type { Digest } from "../merkle/mod.ts";
import type { CheckedCommand, EntryKind, Policy, ReaderReceipt } from "../wire/mod.ts";
import type { Outcome } from "./outcome.ts";

export interface ReaderRow {
  readonly key: PublicKey;
  readonly cursor: number;
  readonly lapsed: boolean;
}

/** A mailbox as a batch sees it. Everything a decision needs, nothing more. */
export interface MailboxRow {
  readonly id: MailboxId;
  /**
   * Which life of the mailbox this is, from 1. Each is larger than all before; a restore takes `nextGeneration`,
   * since it can't know which came after the backup.
   */
  readonly generation: number;
  /** Which node may write: a batch is conditional on it. */
  readonly term: number;
  readonly owner: PublicKey;
  readonly writer: PublicKey;
  readonly policy: Policy;
  /** How many entries the log has; the next sequence number. */
  readonly size: number;
  /** Roots of perfect subtrees at `size`, left to right. */
  readonly peaks: readonly Hash[];
  readonly turn: number;
  /** Grows with every change of keys or policy. */
  readonly version: number;
  /** Lowest sequence number whose body may still be there; a sweep moves it. */
  readonly floor: number;
  readonly entriesHeld: number;
  readonly bytesHeld: number;
  readonly createdMs: number;
  readonly deleted: boolean;
  readonly readers: readonly ReaderRow[];
  /** Size, root and time with which this generation started; null in the first. */
  readonly started: { readonly size: number; readonly root: Hash; readonly timeMs: number } | null;
}

/** Whose writer key counted during a turn, and which control entry or reset started it. */
export interface TurnRow {
  readonly turn: number;
  readonly writer: PublicKey;
  /** Sequence number at which the turn began (the control entry's own number + 1); 0 for the first. */
  readonly firstSeq: number;
}

export interface EntryRow {
  readonly seq: number;
  readonly id: EntryId;
  readonly generation: number;
  readonly turn: number;
  readonly kind: EntryKind;
  readonly slot: number;
  readonly timeMs: number;
  readonly expiryMs: number;
  readonly entryHash: Hash;
  readonly leaf: Hash;
  /** The 16-byte id of the TAKE that got this package, or null. */
  readonly takenBy: EntryId | null;
}

/** What a store loads before it asks for a decision. Keys of maps are lower-case hex. */
export interface Loaded {
  readonly mailboxes: ReadonlyMap<string, MailboxRow>;
  /** By mailbox hex + id hex: entries whose ids the batch's appends name. */
  readonly entries: ReadonlyMap<string, EntryRow>;
  /** By mailbox hex + ":" + turn: rows of turns that the batch's appends name, and of the one after. */
  readonly turns: ReadonlyMap<string, TurnRow>;
  /** By mailbox hex: what `packageKeys` names of it, oldest first. */
  readonly packages: ReadonlyMap<string, readonly EntryRow[]>;
}

/** A new row of the log with its body and the hashes of the perfect subtrees that it completes. */
export interface NewEntry extends EntryRow {
  readonly mailbox: MailboxId;
  readonly entry: Uint8Array;
  /** Hashes of the perfect subtrees whose last leaf this is, from level 0 (the leaf itself) upward. */
  readonly nodes: readonly Hash[];
}

/** A reader-signed cursor, kept as proof of delivery: the acknowledge command as it was signed. */
export interface Receipt extends ReaderReceipt {
  readonly mailbox: MailboxId;
}

/**
 * What a batch writes, in one transaction, or not at all. A changed row that is `deleted` takes its entries,
 * turns and packages with it, those of this plan included; the row itself stays for ever.
 */
export interface Plan {
  readonly created: readonly MailboxRow[];
  /** Mailboxes as they stand after the batch, with the term and size that must still hold in the store. */
  readonly changed: readonly {
    readonly row: MailboxRow;
    readonly expectTerm: number;
    readonly expectSize: number;
  }[];
  readonly entries: readonly NewEntry[];
  readonly turns: readonly (TurnRow & { readonly mailbox: MailboxId })[];
  readonly taken: readonly { readonly mailbox: MailboxId; readonly seq: number; readonly takenBy: EntryId }[];
  readonly receipts: readonly Receipt[];
  /** One for each command, in order. */
  readonly outcomes: readonly Outcome[];
}

/** An entry as it is read back; `entry` is null where its body has gone. */
export interface StoredEntry extends EntryRow {
  readonly entry: Uint8Array | null;
}

export interface ReadRange {
  readonly from: number;
  /** Bodies are added until this is reached; at least one entry comes if there is one. */
  readonly bytesMax: number;
  readonly entriesMax: number;
}

export interface StoreCounts {
  readonly mailboxes: number;
  readonly entries: number;
  readonly bytes: number;
}

export interface BatchOptions {
  /** Unix ms, the batch's time: one for all its entries. */
  readonly nowMs: number;
  /** The relay's own maximum; control entries live that long. */
  readonly ttlMsMax: number;
}

/** What a decision needs besides; `crypto.hash` is a Digest. */
export interface DecideOptions extends BatchOptions {
  readonly digest: Digest;
}

/** Faults: "store/unavailable" (nothing was kept), "store/unknown" (the commit's outcome is unknown; caches were dropped). */
export interface MailboxStore extends AsyncDisposable {
  /**
   * Decides and keeps one batch; resolves after the fsync with one outcome for each command, in order. A store that is
   * short of room refuses appends and creates as "unavailable" and keeps the rest.
   */
  commit(batch: readonly CheckedCommand[], options: BatchOptions): Promise<readonly Outcome[]>;
  /** The committed row, or null. */
  mailbox(id: MailboxId): Promise<MailboxRow | null>;
  /** Committed entries in order; tombstones included. */
  read(id: MailboxId, range: ReadRange): Promise<readonly StoredEntry[]>;
  /**
   * Hashes of perfect subtrees, for proofs: node (level, index) covers leaves index·2^level and on.
   * Each must lie within the committed size.
   */
  nodes(
    id: MailboxId,
    wanted: readonly { readonly level: number; readonly index: number }[],
  ): Promise<readonly Hash[]>;
  /** The receipts of those of `readers` that have one, in no order. One that is damaged is left out: it would pass for a forgery. */
  receipts(id: MailboxId, readers: readonly PublicKey[]): Promise<readonly Receipt[]>;
  /**
   * Removes what may go: expired bodies, bodies that all cursors have passed, old ids. Bounded work; true if there is
   * more. Throws Fault<"store/corrupt"> once it has done so beside a mailbox that is damaged, which it then leaves
   * alone for limit.SWEEP_DAMAGED_MS.
   */
  sweep(nowMs: number): Promise<boolean>;
  counts(): Promise<StoreCounts>;
  /**
   * Whose mailboxes these are: the identity of the relay that was noted first, once and for all. Notes `by` where
   * nothing is noted, or where the note is damaged and still tells that it was of `by`; null asks only. Throws
   * Fault<"store/corrupt"> where it is damaged.
   */
  claim(by: PublicKey | null): Promise<PublicKey | null>;
  /**
   * Writes and syncs a probe, with room for `bytes` more; throws Fault<"store/unavailable"> saying why it can't. Null
   * asks a store that did well: a file is left alone, and what is known of it said.
   */
  probe(bytes: number | null): Promise<void>;
}
