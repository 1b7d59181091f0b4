/** Removes bodies that may go, a bounded number at a time; their rows stay for proofs, a deleted mailbox's go too. */
import { isFault, limit } from "../../ground/mod.ts";
import { passedBy } from "../../mailbox/mod.ts";
import { hex } from "../hashes.ts";
import { bytesArray, numberArray } from "./array.ts";
import type { Sql } from "./connect.ts";
import { entryColumns, mailboxColumns, selectReadersOf } from "./load.ts";
import { type EntryRecord, type MailboxRecord, mailboxRow } from "../row.ts";
import { planPassed } from "../sweep_plan.ts";

interface Place {
  readonly mailbox: Uint8Array;
  readonly seq: number;
}

type Held = EntryRecord & { readonly mailbox: Uint8Array; readonly body: boolean | null };

/** Takes the bodies at `places`, whose mailboxes are locked, and brings counts and floors up to it. */
async function drop(sql: Sql, places: readonly Place[]): Promise<void> {
  if (places.length === 0) return;
  const mailboxes = bytesArray(places.map((each) => each.mailbox));
  await sql`WITH gone AS (
      UPDATE entry e SET body = NULL
      FROM unnest(${mailboxes}::bytea[], ${numberArray(places.map((each) => each.seq))}::bigint[]) AS k(mailbox, seq)
      WHERE e.mailbox = k.mailbox AND e.seq = k.seq AND e.body IS NOT NULL
      RETURNING e.mailbox, e.bytes
    ), sums AS (SELECT mailbox, count(*) AS entries, sum(bytes)::bigint AS bytes FROM gone GROUP BY mailbox)
    UPDATE mailbox m SET entries_held = m.entries_held - s.entries, bytes_held = m.bytes_held - s.bytes
    FROM sums s WHERE m.id = s.mailbox AND NOT m.deleted`;
  await sql`UPDATE mailbox m SET floor = coalesce(
      (SELECT e.seq FROM entry e WHERE e.mailbox = m.id AND e.seq >= m.floor AND e.body IS NOT NULL
       ORDER BY e.seq LIMIT 1), m.size)
    WHERE m.id = ANY(${mailboxes}::bytea[]) AND NOT m.deleted`;
}

/** Bodies whose time is over, in mailboxes that nobody else has locked. Returns how many went. */
async function sweepExpired(sql: Sql, nowMs: number): Promise<number> {
  const due = await sql<Place[]>`SELECT mailbox, seq FROM entry
    WHERE body IS NOT NULL AND expiry_ms <= ${nowMs} ORDER BY expiry_ms LIMIT ${limit.SWEEP_ENTRIES_MAX}`;
  if (due.length === 0) return 0;
  const locked = await sql<{ id: Uint8Array }[]>`SELECT id FROM mailbox
    WHERE id = ANY(${bytesArray(due.map((each) => each.mailbox))}::bytea[]) ORDER BY id FOR UPDATE SKIP LOCKED`;
  const free = new Set(locked.map(({ id }) => hex(id)));
  const places = due.filter(({ mailbox }) => free.has(hex(mailbox)));
  await drop(sql, places);
  return places.length;
}

interface PassedOptions {
  readonly nowMs: number;
  readonly left: number;
  /** Told of a mailbox that is damaged: it is left alone for a while, and holds up nobody else's. */
  readonly damaged: (error: Error) => void;
}

/** As lookAtPassed. */
async function sweepPassed(sql: Sql, record: MailboxRecord, options: PassedOptions): Promise<number> {
  try {
    return await lookAtPassed(sql, record, options);
  } catch (error) {
    if (!isFault(error, "store/corrupt")) throw error;
    options.damaged(error);
    await sql`UPDATE mailbox SET sweep_ms = ${options.nowMs + limit.SWEEP_DAMAGED_MS} WHERE id = ${record.id}`;
    return 1;
  }
}

/**
 * Plain bodies of one mailbox that all its readers have passed. Returns how many entries were looked at. Throws
 * Fault<"store/corrupt"> before it changes anything.
 */
async function lookAtPassed(sql: Sql, record: MailboxRecord, options: PassedOptions): Promise<number> {
  const readers = await selectReadersOf(sql, record.id);
  const row = mailboxRow(record, readers);
  const range = await sql<
    Held[]
  >`SELECT ${entryColumns(sql)}, CASE WHEN e.body IS NULL THEN NULL ELSE true END AS body
    FROM entry e WHERE e.mailbox = ${record.id} AND e.seq >= ${record.swept} AND e.seq < ${passedBy(row)}
    ORDER BY e.seq LIMIT ${options.left}`;
  const plan = planPassed(row, { swept: record.swept, nowMs: options.nowMs, range });
  await drop(sql, plan.drop);
  await sql`UPDATE mailbox SET swept = ${plan.swept}, sweep_ms = ${plan.sweepMs} WHERE id = ${record.id}`;
  return range.length;
}

/** What is left of a deleted mailbox: all but the row that keeps its id from being used again. */
async function sweepDeleted(sql: Sql, id: Uint8Array, left: number): Promise<number> {
  const { count } = await sql`DELETE FROM entry e USING
      (SELECT seq FROM entry WHERE mailbox = ${id} ORDER BY seq LIMIT ${left}) AS k
    WHERE e.mailbox = ${id} AND e.seq = k.seq`;
  if (count >= left) return count;
  await sql`DELETE FROM reader WHERE mailbox = ${id}`;
  await sql`DELETE FROM turn WHERE mailbox = ${id}`;
  await sql`DELETE FROM receipt WHERE mailbox = ${id}`;
  await sql`UPDATE mailbox SET sweep_ms = NULL, reader_sum = 0, receipt_sum = 0 WHERE id = ${id}`;
  return count;
}

export interface Swept {
  /** Another sweep has work. */
  readonly more: boolean;
  /** What kept one of the mailboxes from being looked at; null where nothing did. */
  readonly damage: Error | null;
}

/** Sweeps inside the caller's transaction. */
export async function sweepPostgres(sql: Sql, nowMs: number): Promise<Swept> {
  let damage: Error | null = null;
  const damaged = (error: Error): void => void (damage ??= error);
  let left = limit.SWEEP_ENTRIES_MAX - (await sweepExpired(sql, nowMs));
  if (left <= 0) return { more: true, damage };
  const due = await sql<MailboxRecord[]>`SELECT ${mailboxColumns(sql)} FROM mailbox
    WHERE sweep_ms IS NOT NULL AND sweep_ms <= ${nowMs} ORDER BY sweep_ms
    LIMIT ${limit.SWEEP_MAILBOXES_MAX} FOR UPDATE SKIP LOCKED`;
  for (const record of due) {
    left -= record.deleted
      ? await sweepDeleted(sql, record.id, left)
      : await sweepPassed(sql, record, { nowMs, left, damaged });
    if (left <= 0) return { more: true, damage };
  }
  return { more: due.length === limit.SWEEP_MAILBOXES_MAX, damage };
}
