/** Writes a plan inside the transaction that loaded for it. */
import { assert, limit, type MailboxId } from "../../ground/mod.ts";
import type { MailboxRow, NewEntry, Plan, ReaderRow, Receipt } from "../../mailbox/mod.ts";
import { censusOf } from "../census.ts";
import { storeFault } from "../fault.ts";
import { hex, joinHashes } from "../hashes.ts";
import { kindNumber } from "../kind.ts";
import { type CachedMailbox, ownedRow, ownedTurn, rememberTurn } from "../row_cache.ts";
import type { SqliteStatements } from "./statements.ts";
import { entrySum, mailboxSum, readersSum, readerSum, receiptSum, turnSum } from "../row_sum.ts";
import { StaleRow } from "../stale_row.ts";
import { sweepDueMs } from "../sweep_due.ts";

/** What the plan left in the database, for the cache. */
export interface Written {
  readonly mailboxes: ReadonlyMap<string, CachedMailbox>;
  readonly changes: number;
}

interface Deltas {
  mailboxes: number;
  entries: number;
  bytes: number;
}

function sameKeys(a: readonly ReaderRow[], b: readonly ReaderRow[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at]?.key !== b[at]?.key) return false;
  return true;
}

/** Returns the row's sum. */
function putReader(
  statement: SqliteStatements["insertReader"],
  row: { readonly box: number; readonly mailbox: MailboxId; readonly reader: ReaderRow },
): number {
  const { box, mailbox, reader } = row;
  const sum = readerSum(mailbox, reader);
  statement.run(box, reader.key, reader.cursor, Number(reader.lapsed), sum);
  return sum;
}

function sameState(a: ReaderRow, b: ReaderRow): boolean {
  return a.cursor === b.cursor && a.lapsed === b.lapsed;
}

/** Returns by how much the sum of the mailbox's readers moved. */
function writeReaders(
  sql: SqliteStatements,
  { box, mailbox }: { readonly box: number; readonly mailbox: MailboxId },
  rows: { readonly before: readonly ReaderRow[]; readonly after: readonly ReaderRow[] },
): number {
  const { before, after } = rows;
  if (before === after) return 0;
  let moved = 0;
  if (sameKeys(before, after)) {
    for (let at = 0; at < after.length; at += 1) {
      const [old, now] = [before[at], after[at]];
      if (old === undefined || now === undefined || sameState(old, now)) continue;
      moved += putReader(sql.updateReader, { box, mailbox, reader: now }) - readerSum(mailbox, old);
    }
    return moved;
  }
  const gone = new Map(before.map((reader) => [hex(reader.key), reader]));
  for (const now of after) {
    const key = hex(now.key);
    const old = gone.get(key);
    gone.delete(key);
    if (old === undefined) moved += putReader(sql.insertReader, { box, mailbox, reader: now });
    else if (!sameState(old, now)) {
      moved += putReader(sql.updateReader, { box, mailbox, reader: now }) - readerSum(mailbox, old);
    }
  }
  for (const reader of gone.values()) {
    sql.deleteReader.run(box, reader.key);
    moved -= readerSum(mailbox, reader);
  }
  return moved;
}

/** Puts a receipt, the furthest of its reader, and returns by how much the sum of the mailbox's receipts moved. */
export function putReceipt(sql: SqliteStatements, box: number, receipt: Receipt): number {
  const { reader, generation, cursor, notAfterMs, signature } = receipt;
  const before = sql.receiptSum.get(box, reader)?.sum ?? 0;
  const sum = receiptSum(receipt);
  const { changes } = sql.putReceipt.run(box, reader, generation, cursor, notAfterMs, signature, sum);
  return changes === 0 ? 0 : sum - before;
}

/** Inserts a mailbox with its readers and returns its number. */
export function insertMailbox(sql: SqliteStatements, row: MailboxRow): number {
  const { policy, started } = row;
  const { lastInsertRowid } = sql.insertMailbox.run(
    row.id,
    row.generation,
    row.term,
    row.owner,
    row.writer,
    policy.entriesMax,
    policy.bytesMax,
    policy.ttlMs,
    policy.retentionMs,
    row.size,
    joinHashes(row.peaks),
    row.turn,
    row.version,
    row.floor,
    row.entriesHeld,
    row.bytesHeld,
    row.createdMs,
    Number(row.deleted),
    started?.size ?? null,
    started?.root ?? null,
    started?.timeMs ?? null,
    sweepDueMs(row),
    mailboxSum(row),
    readersSum(row.id, row.readers),
  );
  const box = Number(lastInsertRowid);
  if (box > limit.SQLITE_MAILBOXES_MAX) {
    throw storeFault("store/unavailable", "The database holds as many mailboxes as a SQLite file can");
  }
  for (const reader of row.readers) putReader(sql.insertReader, { box, mailbox: row.id, reader });
  return box;
}

/** Whether only what an append or an acknowledgement moves differs. */
function onlyAdvanced(before: MailboxRow, after: MailboxRow): boolean {
  return (
    before.version === after.version &&
    before.turn === after.turn &&
    before.generation === after.generation &&
    before.term === after.term &&
    before.deleted === after.deleted &&
    before.owner === after.owner &&
    before.writer === after.writer &&
    before.policy === after.policy &&
    before.started === after.started
  );
}

/**
 * Moves a mailbox from the row that was loaded to the one that was decided; throws StaleRow. Returns by how much
 * the sum of its readers moved, which is for the caller to add.
 */
function updateMailbox(
  sql: SqliteStatements,
  cached: CachedMailbox,
  change: Plan["changed"][number],
): number {
  const { box, row: before } = cached;
  const { row, expectTerm, expectSize } = change;
  const advanced = sql.advanceMailbox.run(
    row.size,
    joinHashes(row.peaks),
    row.floor,
    row.entriesHeld,
    row.bytesHeld,
    sweepDueMs(row),
    box,
    expectTerm,
    expectSize,
  );
  if (advanced.changes !== 1) throw new StaleRow(`mailbox ${hex(row.id)} moved on`);
  const moved = writeReaders(sql, { box, mailbox: row.id }, { before: before.readers, after: row.readers });
  if (onlyAdvanced(before, row)) return moved;
  const { policy, started } = row;
  sql.changeMailbox.run(
    row.generation,
    row.term,
    row.owner,
    row.writer,
    policy.entriesMax,
    policy.bytesMax,
    policy.ttlMs,
    policy.retentionMs,
    row.turn,
    row.version,
    Number(row.deleted),
    started?.size ?? null,
    started?.root ?? null,
    started?.timeMs ?? null,
    mailboxSum(row),
    box,
  );
  return moved;
}

/** Inserts an entry, with its body where there is one. */
export function insertEntry(
  sql: SqliteStatements,
  box: number,
  entry: Omit<NewEntry, "entry"> & { readonly entry: Uint8Array | null; readonly bytes: number },
): void {
  const body = entry.entry === null ? null : sql.insertBody.run(entry.entry).lastInsertRowid;
  sql.insertEntry.run(
    box,
    entry.seq,
    entry.id,
    entry.generation,
    entry.turn,
    kindNumber(entry.kind),
    entry.slot,
    entry.timeMs,
    entry.expiryMs,
    entry.entryHash,
    joinHashes(entry.nodes),
    entry.takenBy,
    body,
    entry.bytes,
    entrySum(entry.mailbox, entry),
  );
}

function heldChange(deltas: Deltas, before: MailboxRow | null, after: MailboxRow): void {
  const counted = before === null || before.deleted ? 0 : 1;
  deltas.mailboxes += (after.deleted ? 0 : 1) - counted;
  deltas.entries += after.entriesHeld - (before?.entriesHeld ?? 0);
  deltas.bytes += after.bytesHeld - (before?.bytesHeld ?? 0);
}

/** Writes `plan`; throws StaleRow, and then nothing of it may be committed. */
export function writePlan(
  sql: SqliteStatements,
  plan: Plan,
  loaded: ReadonlyMap<string, CachedMailbox>,
): Written {
  const mailboxes = new Map<string, CachedMailbox>();
  const deltas: Deltas = { mailboxes: 0, entries: 0, bytes: 0 };
  const sums = new Map<number, { readers: number; receipts: number }>();
  const addSums = (box: number, readers: number, receipts: number): void => {
    if (readers === 0 && receipts === 0) return;
    const sum = sums.get(box);
    if (sum === undefined) sums.set(box, { readers, receipts });
    else [sum.readers, sum.receipts] = [sum.readers + readers, sum.receipts + receipts];
  };
  for (const row of plan.created) {
    const box = insertMailbox(sql, row);
    mailboxes.set(hex(row.id), { box, row: ownedRow(row, null), turns: new Map() });
    heldChange(deltas, null, row);
  }
  for (const change of plan.changed) {
    const key = hex(change.row.id);
    const before = mailboxes.get(key) ?? loaded.get(key);
    assert(before !== undefined, "a plan changes mailboxes that it loaded or created");
    addSums(before.box, updateMailbox(sql, before, change), 0);
    const row = ownedRow(change.row, before.row);
    mailboxes.set(key, { box: before.box, row, turns: before.turns });
    heldChange(deltas, before.row, change.row);
  }
  const find = (id: MailboxId): CachedMailbox => {
    const key = hex(id);
    const found = mailboxes.get(key) ?? loaded.get(key);
    assert(found !== undefined, "a plan writes to mailboxes that it loaded or created");
    return found;
  };
  for (const entry of plan.entries) {
    insertEntry(sql, find(entry.mailbox).box, { ...entry, bytes: entry.entry.length });
  }
  for (const turn of plan.turns) {
    const mailbox = find(turn.mailbox);
    sql.insertTurn.run(mailbox.box, turn.turn, turn.writer, turn.firstSeq, turnSum(turn.mailbox, turn));
    rememberTurn(mailbox, ownedTurn(turn));
  }
  for (const taken of plan.taken) {
    const { box } = find(taken.mailbox);
    const slot = sql.slot.get(box, taken.seq)?.slot ?? 0;
    sql.take.run(box, taken.seq, taken.takenBy, entrySum(taken.mailbox, { ...taken, slot }));
  }
  for (const each of plan.receipts) {
    const { box } = find(each.mailbox);
    addSums(box, 0, putReceipt(sql, box, each));
  }
  for (const [box, { readers, receipts }] of sums) sql.addSums.run(box, readers, receipts);
  if (plan.created.length > 0 || deltas.mailboxes !== 0 || deltas.entries !== 0 || deltas.bytes !== 0) {
    const { made, ids } = censusOf(plan.created.map((row) => row.id));
    sql.addTotal.run(deltas.mailboxes, deltas.entries, deltas.bytes, made, ids);
  }
  const changes =
    plan.created.length +
    plan.changed.length +
    plan.entries.length +
    plan.turns.length +
    plan.taken.length +
    plan.receipts.length;
  return { mailboxes, changes };
}
