/** Writes a plan inside the transaction that loaded for it: one statement a table, all sent together. */
import type { Loaded, MailboxRow, NewEntry, Plan, ReaderRow } from "../../mailbox/mod.ts";
import { sameId } from "../../wire/mod.ts";
import { censusOf } from "../census.ts";
import { hex, joinHashes } from "../hashes.ts";
import { kindNumber } from "../kind.ts";
import { booleanArray, bytesArray, numberArray } from "./array.ts";
import type { Sql } from "./connect.ts";
import { entrySum, mailboxSum, readersSum, readerSum, receiptSum, turnSum } from "../row_sum.ts";
import { StaleRow } from "../stale_row.ts";
import { sweepDueMs } from "../sweep_due.ts";

/** The values of mailboxes' columns that both an insert and an update set, in the order of `MAILBOX_VALUES`. */
function mailboxArrays(rows: readonly MailboxRow[]): string[] {
  return [
    bytesArray(rows.map((row) => row.id)),
    numberArray(rows.map((row) => row.generation)),
    numberArray(rows.map((row) => row.term)),
    bytesArray(rows.map((row) => row.owner)),
    bytesArray(rows.map((row) => row.writer)),
    numberArray(rows.map((row) => row.policy.entriesMax)),
    numberArray(rows.map((row) => row.policy.bytesMax)),
    numberArray(rows.map((row) => row.policy.ttlMs)),
    numberArray(rows.map((row) => row.policy.retentionMs)),
    numberArray(rows.map((row) => row.size)),
    bytesArray(rows.map((row) => joinHashes(row.peaks))),
    numberArray(rows.map((row) => row.turn)),
    numberArray(rows.map((row) => row.version)),
    numberArray(rows.map((row) => row.floor)),
    numberArray(rows.map((row) => row.entriesHeld)),
    numberArray(rows.map((row) => row.bytesHeld)),
    numberArray(rows.map((row) => row.createdMs)),
    booleanArray(rows.map((row) => row.deleted)),
    numberArray(rows.map((row) => row.started?.size ?? null)),
    bytesArray(rows.map((row) => row.started?.root ?? null)),
    numberArray(rows.map((row) => row.started?.timeMs ?? null)),
    numberArray(rows.map(sweepDueMs)),
    numberArray(rows.map(mailboxSum)),
  ];
}

const MAILBOX_VALUES = `id, generation, term, owner, writer, entries_max, bytes_max, ttl_ms, retention_ms, size, peaks,
  turn, version, floor, entries_held, bytes_held, created_ms, deleted, started_size, started_root, started_ms, sweep_ms, sum`;
const MAILBOX_UNNEST = `$1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::bigint[], $14::bigint[],
  $15::bigint[], $16::bigint[], $17::bigint[], $18::boolean[], $19::bigint[], $20::bytea[], $21::bigint[], $22::bigint[], $23::bigint[]`;

const INSERT_MAILBOXES = `INSERT INTO mailbox (${MAILBOX_VALUES}, reader_sum, swept, receipt_sum)
  SELECT *, 0, 0 FROM unnest(${MAILBOX_UNNEST}, $24::bigint[]) ON CONFLICT (id) DO NOTHING`;

const UPDATE_MAILBOXES = `UPDATE mailbox m SET generation = v.generation, term = v.term, owner = v.owner,
    writer = v.writer, entries_max = v.entries_max, bytes_max = v.bytes_max, ttl_ms = v.ttl_ms,
    retention_ms = v.retention_ms, size = v.size, peaks = v.peaks, turn = v.turn, version = v.version,
    floor = v.floor, entries_held = v.entries_held, bytes_held = v.bytes_held, deleted = v.deleted,
    started_size = v.started_size, started_root = v.started_root, started_ms = v.started_ms, sum = v.sum,
    sweep_ms = least(m.sweep_ms, v.sweep_ms), reader_sum = m.reader_sum + v.readers_moved
  FROM unnest(${MAILBOX_UNNEST}, $24::bigint[], $25::bigint[], $26::bigint[])
    AS v(${MAILBOX_VALUES}, expect_term, expect_size, readers_moved)
  WHERE m.id = v.id AND m.term = v.expect_term AND m.size = v.expect_size`;

const CENSUS_ROWS = 16;

/** Inserts mailboxes without their readers; throws StaleRow where one is there already. */
export async function insertMailboxes(sql: Sql, made: readonly MailboxRow[]): Promise<void> {
  if (made.length === 0) return;
  // In one order for all: two that make the same ones then wait for each other one way only.
  const rows = made.toSorted((a, b) => Buffer.compare(a.id, b.id));
  const values = [...mailboxArrays(rows), numberArray(rows.map((row) => readersSum(row.id, row.readers)))];
  const { count } = await sql.unsafe(INSERT_MAILBOXES, values, { prepare: true });
  if (count !== rows.length) throw new StaleRow("a mailbox was made by somebody else meanwhile");
}

/** Counts mailboxes that were made. One row of it is locked until the transaction ends, so it comes last. */
export async function countMade(sql: Sql, rows: readonly MailboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  const { made, ids } = censusOf(rows.map((row) => row.id));
  await sql`INSERT INTO dchat_census AS c (number, made, ids)
    VALUES (pg_backend_pid() % ${CENSUS_ROWS}::integer, ${made}, ${ids})
    ON CONFLICT (number) DO UPDATE SET made = c.made + excluded.made, ids = (c.ids + excluded.ids) & 4294967295`;
}

/** `moved`: by how much the sums of readers moved, by hex id. */
async function updateMailboxes(
  sql: Sql,
  changes: Plan["changed"],
  moved: ReadonlyMap<string, number>,
): Promise<void> {
  if (changes.length === 0) return;
  const values = [
    ...mailboxArrays(changes.map((change) => change.row)),
    numberArray(changes.map((change) => change.expectTerm)),
    numberArray(changes.map((change) => change.expectSize)),
    numberArray(changes.map((change) => (moved.size === 0 ? 0 : (moved.get(hex(change.row.id)) ?? 0)))),
  ];
  const { count } = await sql.unsafe(UPDATE_MAILBOXES, values, { prepare: true });
  if (count !== changes.length) throw new StaleRow("a mailbox moved on, or another node holds it");
}

interface ReaderChanges {
  readonly put: { readonly mailbox: Uint8Array; readonly reader: ReaderRow }[];
  readonly gone: { readonly mailbox: Uint8Array; readonly key: Uint8Array }[];
  /** By how much the sum of a mailbox's readers moves, by hex id. */
  readonly moved: Map<string, number>;
}

function readerChanges(plan: Plan, loaded: Loaded): ReaderChanges {
  const changes: ReaderChanges = { put: [], gone: [], moved: new Map() };
  for (const row of [...plan.created, ...plan.changed.map((change) => change.row)]) {
    const mailbox = hex(row.id);
    const before = loaded.mailboxes.get(mailbox)?.readers ?? [];
    if (before === row.readers) continue;
    let moved = 0;
    const left = new Map(before.map((reader) => [hex(reader.key), reader]));
    for (const reader of row.readers) {
      const key = hex(reader.key);
      const old = left.get(key);
      left.delete(key);
      if (old?.cursor !== reader.cursor || old.lapsed !== reader.lapsed) {
        changes.put.push({ mailbox: row.id, reader });
        moved += readerSum(row.id, reader) - (old === undefined ? 0 : readerSum(row.id, old));
      }
    }
    for (const reader of left.values()) changes.gone.push({ mailbox: row.id, key: reader.key });
    changes.moved.set(mailbox, moved - readersSum(row.id, [...left.values()]));
  }
  return changes;
}

/** Puts readers' rows. */
export async function putReaders(sql: Sql, put: ReaderChanges["put"]): Promise<void> {
  if (put.length === 0) return;
  await sql`INSERT INTO reader (mailbox, key, cursor, lapsed, sum)
    SELECT * FROM unnest(${bytesArray(put.map((each) => each.mailbox))}::bytea[],
      ${bytesArray(put.map((each) => each.reader.key))}::bytea[],
      ${numberArray(put.map((each) => each.reader.cursor))}::bigint[],
      ${booleanArray(put.map((each) => each.reader.lapsed))}::boolean[],
      ${numberArray(put.map((each) => readerSum(each.mailbox, each.reader)))}::bigint[])
    ON CONFLICT (mailbox, key) DO UPDATE SET cursor = excluded.cursor, lapsed = excluded.lapsed,
      sum = excluded.sum`;
}

async function removeReaders(sql: Sql, gone: ReaderChanges["gone"]): Promise<void> {
  if (gone.length === 0) return;
  await sql`DELETE FROM reader r USING unnest(${bytesArray(gone.map((each) => each.mailbox))}::bytea[],
      ${bytesArray(gone.map((each) => each.key))}::bytea[]) AS k(mailbox, key)
    WHERE r.mailbox = k.mailbox AND r.key = k.key`;
}

/** An entry to insert; `entry` is null where its body has gone, and `bytes` is what it had. */
export type StoringEntry = Omit<NewEntry, "entry"> & {
  readonly entry: Uint8Array | null;
  readonly bytes: number;
};

/** Inserts entries. */
export async function insertEntries(sql: Sql, rows: readonly StoringEntry[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`INSERT INTO entry (mailbox, seq, id, generation, turn, kind, slot, time_ms, expiry_ms, entry_hash, nodes,
      taken_by, bytes, sum, body)
    SELECT * FROM unnest(${bytesArray(rows.map((row) => row.mailbox))}::bytea[],
      ${numberArray(rows.map((row) => row.seq))}::bigint[],
      ${bytesArray(rows.map((row) => row.id))}::bytea[],
      ${numberArray(rows.map((row) => row.generation))}::bigint[],
      ${numberArray(rows.map((row) => row.turn))}::bigint[],
      ${numberArray(rows.map((row) => kindNumber(row.kind)))}::smallint[],
      ${numberArray(rows.map((row) => row.slot))}::integer[],
      ${numberArray(rows.map((row) => row.timeMs))}::bigint[],
      ${numberArray(rows.map((row) => row.expiryMs))}::bigint[],
      ${bytesArray(rows.map((row) => row.entryHash))}::bytea[],
      ${bytesArray(rows.map((row) => joinHashes(row.nodes)))}::bytea[],
      ${bytesArray(rows.map((row) => row.takenBy))}::bytea[],
      ${numberArray(rows.map((row) => row.bytes))}::integer[],
      ${numberArray(rows.map((row) => entrySum(row.mailbox, row)))}::bigint[],
      ${bytesArray(rows.map((row) => row.entry))}::bytea[])`;
}

/** Inserts turns. */
export async function insertTurns(sql: Sql, turns: Plan["turns"]): Promise<void> {
  if (turns.length === 0) return;
  await sql`INSERT INTO turn (mailbox, turn, writer, first_seq, sum)
    SELECT * FROM unnest(${bytesArray(turns.map((each) => each.mailbox))}::bytea[],
      ${numberArray(turns.map((each) => each.turn))}::bigint[],
      ${bytesArray(turns.map((each) => each.writer))}::bytea[],
      ${numberArray(turns.map((each) => each.firstSeq))}::bigint[],
      ${numberArray(turns.map((each) => turnSum(each.mailbox, each)))}::bigint[])`;
}

/** The slot of a package that a batch takes: one that was loaded, or that the same batch appended. */
function slotOf(taken: Plan["taken"][number], plan: Plan, loaded: Loaded): number {
  const waiting = loaded.packages.get(hex(taken.mailbox))?.find((entry) => entry.seq === taken.seq);
  if (waiting !== undefined) return waiting.slot;
  const fresh = plan.entries.find((entry) => entry.seq === taken.seq && sameId(entry.mailbox, taken.mailbox));
  return fresh?.slot ?? 0;
}

async function take(sql: Sql, plan: Plan, loaded: Loaded): Promise<void> {
  const { taken } = plan;
  if (taken.length === 0) return;
  const sums = taken.map((each) => entrySum(each.mailbox, { ...each, slot: slotOf(each, plan, loaded) }));
  await sql`UPDATE entry e SET taken_by = v.taken_by, sum = v.sum
    FROM unnest(${bytesArray(taken.map((each) => each.mailbox))}::bytea[],
      ${numberArray(taken.map((each) => each.seq))}::bigint[],
      ${bytesArray(taken.map((each) => each.takenBy))}::bytea[],
      ${numberArray(sums)}::bigint[]) AS v(mailbox, seq, taken_by, sum)
    WHERE e.mailbox = v.mailbox AND e.seq = v.seq`;
}

/** Puts receipts, the furthest of each reader, and moves their mailboxes' sums, in one statement: it alone knows both rows. */
export async function putReceipts(sql: Sql, receipts: Plan["receipts"]): Promise<void> {
  if (receipts.length === 0) return;
  await sql`WITH come AS (
      SELECT * FROM unnest(${bytesArray(receipts.map((each) => each.mailbox))}::bytea[],
        ${bytesArray(receipts.map((each) => each.reader))}::bytea[],
        ${numberArray(receipts.map((each) => each.generation))}::bigint[],
        ${numberArray(receipts.map((each) => each.cursor))}::bigint[],
        ${numberArray(receipts.map((each) => each.notAfterMs))}::bigint[],
        ${bytesArray(receipts.map((each) => each.signature))}::bytea[],
        ${numberArray(receipts.map(receiptSum))}::bigint[])
        AS c(mailbox, reader, generation, cursor, not_after_ms, signature, sum)
    ), put AS (
      INSERT INTO receipt (mailbox, reader, generation, cursor, not_after_ms, signature, sum) SELECT * FROM come
      ON CONFLICT (mailbox, reader) DO UPDATE SET generation = excluded.generation, cursor = excluded.cursor,
        not_after_ms = excluded.not_after_ms, signature = excluded.signature, sum = excluded.sum
      WHERE (excluded.generation, excluded.cursor) >= (receipt.generation, receipt.cursor)
      RETURNING mailbox, reader, sum
    ), moved AS (
      -- The statement's snapshot still has the rows that were.
      SELECT p.mailbox, sum(p.sum - coalesce(r.sum, 0))::bigint AS by FROM put p
      LEFT JOIN receipt r ON r.mailbox = p.mailbox AND r.reader = p.reader GROUP BY p.mailbox
    )
    UPDATE mailbox m SET receipt_sum = m.receipt_sum + moved.by FROM moved WHERE m.id = moved.mailbox`;
}

/** Writes `plan`; throws StaleRow, and then the transaction must be rolled back. */
export async function writePostgres(sql: Sql, plan: Plan, loaded: Loaded): Promise<void> {
  const readers = readerChanges(plan, loaded);
  const work = [
    insertMailboxes(sql, plan.created),
    updateMailboxes(sql, plan.changed, readers.moved),
    putReaders(sql, readers.put),
    removeReaders(sql, readers.gone),
    insertEntries(
      sql,
      plan.entries.map((entry) => ({ ...entry, bytes: entry.entry.length })),
    ),
    insertTurns(sql, plan.turns),
    take(sql, plan, loaded),
    putReceipts(sql, plan.receipts),
    countMade(sql, plan.created),
  ];
  // All of them, so that none is left to fail when nobody listens; the first failure is the one to tell.
  const failed = (await Promise.allSettled(work)).find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
