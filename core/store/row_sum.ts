/**
 * Checksums of what no Merkle tree covers: keys, policies, cursors, turns, receipts, who took a package. They are
 * for `dchat database check`, so that any flipped byte is found and named; they don't keep anybody from writing
 * what he likes. CRC-32, with the mailbox's id in each, so that a row in the wrong mailbox shows too.
 *
 * A mailbox keeps what the sums of its readers' rows and of its receipts' rows add up to, so that a row that is
 * missing, or is an older one, shows as well. A sum is moved by what changes: nobody goes through all rows for it.
 */
import type { EntryRow, MailboxRow, ReaderRow, Receipt, TurnRow } from "../mailbox/mod.ts";

const bytes = new Uint8Array(512);
const view = new DataView(bytes.buffer);
let at = 0;

function put(value: Uint8Array): void {
  bytes.set(value, at);
  at += value.length;
}

function number(value: number): void {
  view.setFloat64(at, value);
  at += 8;
}

function optional(value: Uint8Array | null): void {
  number(value?.length ?? -1);
  if (value !== null) put(value);
}

function finish(): number {
  return Bun.hash.crc32(bytes.subarray(0, at));
}

function begin(mailbox: Uint8Array): void {
  at = 0;
  put(mailbox);
}

/** Of what changes with keys, policy, turn and life; what each append moves is checked against the entries. */
export function mailboxSum(row: MailboxRow): number {
  const { policy, started } = row;
  begin(row.id);
  put(row.owner);
  put(row.writer);
  for (const value of [row.generation, row.term, row.turn, row.version, row.createdMs]) number(value);
  for (const value of [policy.entriesMax, policy.bytesMax, policy.ttlMs, policy.retentionMs]) number(value);
  number(Number(row.deleted));
  number(started?.size ?? -1);
  number(started?.timeMs ?? -1);
  optional(started?.root ?? null);
  return finish();
}

/** Of the note whose mailboxes a store holds. */
export function relaySum(relay: Uint8Array): number {
  begin(relay);
  return finish();
}

export function readerSum(mailbox: Uint8Array, reader: ReaderRow): number {
  begin(mailbox);
  put(reader.key);
  number(reader.cursor);
  number(Number(reader.lapsed));
  return finish();
}

/** What the rows of all `readers` add up to. */
export function readersSum(mailbox: Uint8Array, readers: readonly ReaderRow[]): number {
  return readers.reduce((sum, reader) => sum + readerSum(mailbox, reader), 0);
}

export function turnSum(mailbox: Uint8Array, turn: TurnRow): number {
  begin(mailbox);
  put(turn.writer);
  number(turn.turn);
  number(turn.firstSeq);
  return finish();
}

/**
 * What sums of receipts add up to, of which 32 bits count: receipts outlive their readers, so there can be more of them
 * than a number adds up exactly.
 */
export function addSums(one: number, other: number): number {
  return (one + other) % 2 ** 32;
}

export function receiptSum(receipt: Receipt): number {
  begin(receipt.mailbox);
  put(receipt.reader);
  number(receipt.generation);
  number(receipt.cursor);
  number(receipt.notAfterMs);
  put(receipt.signature);
  return finish();
}

/** Of what an entry's leaf doesn't cover. */
export function entrySum(mailbox: Uint8Array, entry: Pick<EntryRow, "seq" | "slot" | "takenBy">): number {
  begin(mailbox);
  number(entry.seq);
  number(entry.slot);
  optional(entry.takenBy);
  return finish();
}
