/** Stored rows to the mailbox's values, for both databases: statements name their columns as the schemas do. */
import {
  type EntryId,
  entryId,
  hash,
  isFault,
  type MailboxId,
  mailboxId,
  publicKey,
  type PublicKey,
  signature,
} from "../ground/mod.ts";
import type { EntryRow, MailboxRow, ReaderRow, Receipt, StoredEntry, TurnRow } from "../mailbox/mod.ts";
import { reasonOf, storeFault } from "./fault.ts";
import { hex, splitHashes } from "./hashes.ts";
import { kindOf } from "./kind.ts";
import type * as postgres from "./postgres/schema.ts";
import type * as sqlite from "./sqlite/schema.ts";
import { receiptSum, relaySum as sumOfRelay } from "./row_sum.ts";

export type SqliteMailbox = typeof sqlite.mailbox.$inferSelect;
export type MailboxRecord = Omit<SqliteMailbox, "box"> | typeof postgres.mailbox.$inferSelect;
export type ReaderRecord = Pick<
  typeof sqlite.reader.$inferSelect | typeof postgres.reader.$inferSelect,
  "key" | "cursor" | "lapsed" | "sum"
>;
export type TurnRecord = Pick<typeof sqlite.turn.$inferSelect, "turn" | "writer" | "firstSeq" | "sum">;
export type ReceiptColumns = Omit<typeof postgres.receipt.$inferSelect, "mailbox">;
/** An entry's columns, with its sequence number and without its body. */
export type EntryRecord = Omit<typeof postgres.entry.$inferSelect, "mailbox" | "body">;
/** With the number of its body. */
export type SqliteEntry = EntryRecord & { readonly body: number | null };
export type StoredRecord = EntryRecord & { readonly content: Uint8Array | null };

/** SQLite keeps any type in any column, so a flipped byte may turn bytes into text. */
function blob(value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError("a column holds text or a number in place of bytes");
}

/** As `blob`: nothing, or bytes of no length, would pass for a nought in every sum. */
function integer(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError("a column holds something else in place of a whole number");
}

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
  return parse(`mailbox ${hex(record.id)}`, () => ({
    id: mailboxId(blob(record.id)),
    generation: integer(record.generation),
    term: integer(record.term),
    owner: publicKey(blob(record.owner)),
    writer: publicKey(blob(record.writer)),
    policy: {
      entriesMax: integer(record.entriesMax),
      bytesMax: integer(record.bytesMax),
      ttlMs: integer(record.ttlMs),
      retentionMs: integer(record.retentionMs),
    },
    size: integer(record.size),
    peaks: splitHashes(blob(record.peaks)),
    turn: integer(record.turn),
    version: integer(record.version),
    floor: integer(record.floor),
    entriesHeld: integer(record.entriesHeld),
    bytesHeld: integer(record.bytesHeld),
    createdMs: integer(record.createdMs),
    deleted: Boolean(record.deleted),
    readers,
    started:
      record.startedSize === null || record.startedRoot === null || record.startedMs === null
        ? null
        : {
            size: integer(record.startedSize),
            root: hash(blob(record.startedRoot)),
            timeMs: integer(record.startedMs),
          },
  }));
}

export function readerRow(record: ReaderRecord): ReaderRow {
  return parse("a reader", () => ({
    key: publicKey(blob(record.key)),
    cursor: integer(record.cursor),
    lapsed: Boolean(record.lapsed),
  }));
}

export function turnRow(record: TurnRecord): TurnRow {
  return parse("a turn", () => ({
    turn: integer(record.turn),
    writer: publicKey(blob(record.writer)),
    firstSeq: integer(record.firstSeq),
  }));
}

/** A receipt, and whether it fits its checksum. */
export function receiptRow(mailbox: MailboxId, record: ReceiptColumns): { receipt: Receipt; sound: boolean } {
  return parse("a receipt", () => {
    const receipt = {
      mailbox,
      generation: integer(record.generation),
      reader: publicKey(blob(record.reader)),
      cursor: integer(record.cursor),
      notAfterMs: integer(record.notAfterMs),
      signature: signature(blob(record.signature)),
    };
    return { receipt, sound: receiptSum(receipt) === record.sum };
  });
}

/** Those of `records` that are as they were written. */
export function soundReceipts(mailbox: MailboxId, records: readonly ReceiptColumns[]): Receipt[] {
  return records.flatMap((record) => {
    try {
      const { receipt, sound } = receiptRow(mailbox, record);
      return sound ? [receipt] : [];
    } catch (error) {
      if (isFault(error, "store/corrupt")) return [];
      throw error;
    }
  });
}

export interface RelayRecord {
  readonly relay: Uint8Array | null;
  readonly relaySum: number | null;
}

/** The identity that a store's one row notes; null where it notes none. Throws Fault<"store/corrupt">. */
export function relayOf(record: RelayRecord | null | undefined): PublicKey | null {
  const { relay = null, relaySum = null } = record ?? {};
  return parse("whose the mailboxes are", () => {
    const noted = relay === null ? null : publicKey(blob(relay));
    if (relaySum === null) return noted;
    if (noted === null) throw new TypeError("the relay's identity that was noted is gone");
    if (sumOfRelay(noted) !== relaySum) throw new TypeError("the relay's identity doesn't fit its checksum");
    return noted;
  });
}

/**
 * Whether `by` is to be noted as the one whose mailboxes these are: nobody is noted, or what is noted is damaged and
 * `by` is whom it named, which its key or its checksum still tells.
 */
export function mayNote(record: RelayRecord | null | undefined, by: PublicKey): boolean {
  const { relay = null, relaySum = null } = record ?? {};
  const isNamed = relay instanceof Uint8Array && hex(relay) === hex(by);
  if (relaySum === null) return relay === null || isNamed;
  const isSound = relay instanceof Uint8Array && sumOfRelay(relay) === relaySum;
  return !isSound && (isNamed || sumOfRelay(by) === relaySum);
}

function takenBy(bytes: Uint8Array | null): EntryId | null {
  return bytes === null ? null : entryId(blob(bytes));
}

export function entryRow(record: EntryRecord): EntryRow {
  return parse(`entry ${record.seq}`, () => {
    const kind = kindOf(record.kind);
    if (kind === null) throw new RangeError(`no kind of entry has the number ${record.kind}`);
    return {
      seq: integer(record.seq),
      id: entryId(blob(record.id)),
      generation: integer(record.generation),
      turn: integer(record.turn),
      kind,
      slot: integer(record.slot),
      timeMs: integer(record.timeMs),
      expiryMs: integer(record.expiryMs),
      entryHash: hash(blob(record.entryHash)),
      leaf: hash(blob(record.nodes).subarray(0, 32)),
      takenBy: takenBy(record.takenBy),
    };
  });
}

export function storedEntry(record: StoredRecord): StoredEntry {
  return { ...entryRow(record), entry: record.content };
}
