/** SQLite's rows to the mailbox's values. Statements name their columns as the schema's types do. */
import { type EntryId, entryId, hash, mailboxId, publicKey } from "../ground/mod.ts";
import type { EntryRow, MailboxRow, ReaderRow, StoredEntry, TurnRow } from "../mailbox/mod.ts";
import { reasonOf, storeFault } from "./fault.ts";
import { splitHashes } from "./hashes.ts";
import { kindOf } from "./kind.ts";
import type { entry, mailbox, reader, turn } from "./sqlite_schema.ts";

export type MailboxRecord = typeof mailbox.$inferSelect;
export type ReaderRecord = typeof reader.$inferSelect;
export type TurnRecord = typeof turn.$inferSelect;
/** An entry's columns with its sequence number in place of `place`. */
export type EntryRecord = Omit<typeof entry.$inferSelect, "place"> & { readonly seq: number };
export type StoredRecord = EntryRecord & { readonly content: Uint8Array | null };

export const MAILBOX_COLUMNS = `box, id, generation, term, owner, writer, entries_max AS entriesMax,
  bytes_max AS bytesMax, ttl_ms AS ttlMs, retention_ms AS retentionMs, size, peaks, turn, version, floor,
  entries_held AS entriesHeld, bytes_held AS bytesHeld, created_ms AS createdMs, deleted,
  started_size AS startedSize, started_root AS startedRoot, started_ms AS startedMs, swept, sweep_ms AS sweepMs`;

export const ENTRY_COLUMNS = `place & 4294967295 AS seq, id, generation, turn, kind, slot, time_ms AS timeMs,
  expiry_ms AS expiryMs, entry_hash AS entryHash, nodes, taken_by AS takenBy, body, entry.bytes AS bytes`;

function parse<T>(what: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    throw storeFault(
      "store/corrupt",
      `Cannot read ${what}: ${reasonOf(error)}; \`dchat database check\` names what is damaged`,
      error,
    );
  }
}

export function mailboxRow(record: MailboxRecord, readers: readonly ReaderRow[]): MailboxRow {
  return parse(`mailbox ${record.box}`, () => ({
    id: mailboxId(record.id),
    generation: record.generation,
    term: record.term,
    owner: publicKey(record.owner),
    writer: publicKey(record.writer),
    policy: {
      entriesMax: record.entriesMax,
      bytesMax: record.bytesMax,
      ttlMs: record.ttlMs,
      retentionMs: record.retentionMs,
    },
    size: record.size,
    peaks: splitHashes(record.peaks),
    turn: record.turn,
    version: record.version,
    floor: record.floor,
    entriesHeld: record.entriesHeld,
    bytesHeld: record.bytesHeld,
    createdMs: record.createdMs,
    deleted: record.deleted !== 0,
    readers,
    started:
      record.startedSize === null || record.startedRoot === null || record.startedMs === null
        ? null
        : { size: record.startedSize, root: hash(record.startedRoot), timeMs: record.startedMs },
  }));
}

export function readerRow(record: Pick<ReaderRecord, "key" | "cursor" | "lapsed">): ReaderRow {
  return parse("a reader", () => ({
    key: publicKey(record.key),
    cursor: record.cursor,
    lapsed: record.lapsed !== 0,
  }));
}

export function turnRow(record: Pick<TurnRecord, "turn" | "writer" | "firstSeq">): TurnRow {
  return parse("a turn", () => ({
    turn: record.turn,
    writer: publicKey(record.writer),
    firstSeq: record.firstSeq,
  }));
}

function takenBy(bytes: Uint8Array | null): EntryId | null {
  return bytes === null ? null : entryId(bytes);
}

export function entryRow(record: EntryRecord): EntryRow {
  return parse(`entry ${record.seq}`, () => {
    const kind = kindOf(record.kind);
    if (kind === null) throw new RangeError(`no kind of entry has the number ${record.kind}`);
    return {
      seq: record.seq,
      id: entryId(record.id),
      generation: record.generation,
      turn: record.turn,
      kind,
      slot: record.slot,
      timeMs: record.timeMs,
      expiryMs: record.expiryMs,
      entryHash: hash(record.entryHash),
      leaf: hash(record.nodes.subarray(0, 32)),
      takenBy: takenBy(record.takenBy),
    };
  });
}

export function storedEntry(record: StoredRecord): StoredEntry {
  return { ...entryRow(record), entry: record.content };
}
