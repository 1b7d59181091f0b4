/** Removes bodies that may go, a bounded number at a time; their rows stay for proofs, a deleted mailbox's go too. */
import type { Database } from "bun:sqlite";
import { isFault, limit } from "../../ground/mod.ts";
import { passedBy } from "../../mailbox/mod.ts";
import { mailboxRow, type ReaderRecord, readerRow, type SqliteEntry, type SqliteMailbox } from "../row.ts";
import { ENTRY_COLUMNS, MAILBOX_COLUMNS } from "./columns.ts";
import { planPassed } from "../sweep_plan.ts";

type Held = SqliteEntry & { readonly box: number };

/** What a sweep changed, by mailbox. */
interface Gone {
  entries: number;
  bytes: number;
}

/** One sweep's work on one database. */
class Sweep {
  readonly #db: Database;
  readonly #nowMs: number;
  readonly #gone = new Map<number, Gone>();
  #left = limit.SWEEP_ENTRIES_MAX;
  /** The first that was met; null where all was sound. */
  damage: Error | null = null;

  constructor(db: Database, nowMs: number) {
    this.#db = db;
    this.#nowMs = nowMs;
  }

  /** Whether the sweep ended because it had done enough, not because there was nothing left. */
  get isSpent(): boolean {
    return this.#left <= 0;
  }

  #drop(box: number, held: SqliteEntry): void {
    this.#db.query("DELETE FROM body WHERE number = ?1").run(held.body);
    this.#db.query("UPDATE entry SET body = NULL WHERE place = (?1 << 32) + ?2").run(box, held.seq);
    const gone = this.#gone.get(box) ?? { entries: 0, bytes: 0 };
    gone.entries += 1;
    gone.bytes += held.bytes;
    this.#gone.set(box, gone);
    this.#left -= 1;
  }

  /** Bodies whose time is over, whichever mailbox they are in. */
  expired(): void {
    const due = this.#db
      .query<Held, [number, number]>(
        `SELECT (place >> 32) AS box, ${ENTRY_COLUMNS} FROM entry
         WHERE body IS NOT NULL AND expiry_ms <= ?1 ORDER BY expiry_ms LIMIT ?2`,
      )
      .all(this.#nowMs, this.#left);
    for (const each of due) this.#drop(each.box, each);
  }

  /** Mailboxes whose time to be looked at has come. */
  due(): SqliteMailbox[] {
    return this.#db
      .query<SqliteMailbox, [number, number]>(
        `SELECT ${MAILBOX_COLUMNS} FROM mailbox WHERE sweep_ms IS NOT NULL AND sweep_ms <= ?1
         ORDER BY sweep_ms LIMIT ?2`,
      )
      .all(this.#nowMs, limit.SWEEP_MAILBOXES_MAX);
  }

  /** As #passed; a mailbox that is damaged is left alone for a while, and holds up nobody else's. */
  passed(record: SqliteMailbox): void {
    try {
      this.#passed(record);
    } catch (error) {
      if (!isFault(error, "store/corrupt")) throw error;
      this.damage ??= error;
      this.#db
        .query("UPDATE mailbox SET sweep_ms = ?2 WHERE box = ?1")
        .run(record.box, this.#nowMs + limit.SWEEP_DAMAGED_MS);
      this.#left -= 1;
    }
  }

  /** Plain bodies that all readers have passed and whose retention is over. Throws before it changes anything. */
  #passed(record: SqliteMailbox): void {
    const readers = this.#db
      .query<ReaderRecord, [number]>("SELECT key, cursor, lapsed, sum FROM reader WHERE box = ?1")
      .all(record.box)
      .map(readerRow);
    const row = mailboxRow(record, readers);
    const range = this.#db
      .query<SqliteEntry, [number, number, number, number]>(
        `SELECT ${ENTRY_COLUMNS} FROM entry WHERE place >= (?1 << 32) + ?2 AND place < (?1 << 32) + ?3
         ORDER BY place LIMIT ?4`,
      )
      .all(record.box, record.swept, passedBy(row), this.#left);
    const plan = planPassed(row, { swept: record.swept, nowMs: this.#nowMs, range });
    for (const each of plan.drop) this.#drop(record.box, each);
    this.#left -= range.length - plan.drop.length;
    this.#db
      .query("UPDATE mailbox SET swept = ?2, sweep_ms = ?3 WHERE box = ?1")
      .run(record.box, plan.swept, plan.sweepMs);
  }

  /** What is left of a deleted mailbox: all but the row that keeps its id from being used again. */
  deleted(record: SqliteMailbox): void {
    const { box } = record;
    const rows = this.#db
      .query<{ seq: number; body: number | null }, [number, number]>(
        `SELECT place & 4294967295 AS seq, body FROM entry
         WHERE place >= (?1 << 32) AND place < ((?1 + 1) << 32) ORDER BY place LIMIT ?2`,
      )
      .all(box, this.#left);
    for (const { seq, body } of rows) {
      if (body !== null) this.#db.query("DELETE FROM body WHERE number = ?1").run(body);
      this.#db.query("DELETE FROM entry WHERE place = (?1 << 32) + ?2").run(box, seq);
    }
    this.#left -= Math.max(1, rows.length);
    if (this.#left <= 0) return;
    for (const table of ["reader", "turn", "receipt"]) {
      this.#db.query(`DELETE FROM ${table} WHERE box = ?1`).run(box);
    }
    this.#db
      .query("UPDATE mailbox SET sweep_ms = NULL, reader_sum = 0, receipt_sum = 0 WHERE box = ?1")
      .run(box);
  }

  /** Brings counts and floors up to what went, and returns the numbers of the mailboxes that changed. */
  settle(): ReadonlySet<number> {
    for (const [box, { entries, bytes }] of this.#gone) {
      // A deleted mailbox holds nothing already; what is left of it isn't counted.
      const { changes } = this.#db
        .query(
          `UPDATE mailbox SET entries_held = entries_held - ?2, bytes_held = bytes_held - ?3,
             floor = coalesce((SELECT place & 4294967295 FROM entry
               WHERE place >= (?1 << 32) + floor AND place < (?1 << 32) + size AND body IS NOT NULL
               ORDER BY place LIMIT 1), size)
           WHERE box = ?1 AND deleted = 0`,
        )
        .run(box, entries, bytes);
      if (changes === 0) continue;
      this.#db
        .query("UPDATE total SET entries = entries - ?1, bytes = bytes - ?2 WHERE number = 1")
        .run(entries, bytes);
    }
    return new Set(this.#gone.keys());
  }
}

export interface Swept {
  /** Another sweep has work. */
  readonly more: boolean;
  /** Numbers of the mailboxes whose rows moved. */
  readonly changed: ReadonlySet<number>;
  /** What kept one of the mailboxes from being looked at; null where nothing did. */
  readonly damage: Error | null;
}

/** Sweeps inside the caller's transaction. */
export function sweepSqlite(db: Database, nowMs: number): Swept {
  const sweep = new Sweep(db, nowMs);
  sweep.expired();
  const due = sweep.isSpent ? [] : sweep.due();
  for (const record of due) {
    if (sweep.isSpent) break;
    if (record.deleted !== 0) sweep.deleted(record);
    else sweep.passed(record);
  }
  const changed = sweep.settle();
  const more = sweep.isSpent || due.length === limit.SWEEP_MAILBOXES_MAX;
  return { more, changed, damage: sweep.damage };
}
