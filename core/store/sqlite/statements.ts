/**
 * The statements of the relay's SQLite store, prepared once.
 *
 * They are SQL and not Drizzle's builder, since a batch runs some 1,500 of them between two fsyncs and the
 * builder makes a dozen objects for each; their rows' types come from the schema, and opening the store prepares
 * all of them, so one that doesn't fit the schema fails at start and in every test.
 */
import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { limit } from "../../ground/mod.ts";
import type {
  ReaderRecord,
  ReceiptColumns,
  RelayRecord,
  SqliteEntry,
  SqliteMailbox,
  StoredRecord,
  TurnRecord,
} from "../row.ts";
import { ENTRY_COLUMNS, MAILBOX_COLUMNS } from "./columns.ts";
import type { FilePages } from "./room.ts";

type Value = SQLQueryBindings;

function loading(db: Database) {
  return {
    dataVersion: db.prepare<{ data_version: number }, []>("PRAGMA data_version"),
    mailboxById: db.prepare<SqliteMailbox, [Uint8Array]>(
      `SELECT ${MAILBOX_COLUMNS} FROM mailbox WHERE id = ?1`,
    ),
    readers: db.prepare<ReaderRecord, [number]>(
      "SELECT key, cursor, lapsed, sum FROM reader WHERE box = ?1 ORDER BY number",
    ),
    isReader: db.prepare<{ number: number }, [number, Uint8Array]>(
      "SELECT number FROM reader WHERE box = ?1 AND key = ?2",
    ),
    turn: db.prepare<TurnRecord, [number, number]>(
      "SELECT turn, writer, first_seq AS firstSeq, sum FROM turn WHERE box = ?1 AND turn = ?2",
    ),
    entryById: db.prepare<SqliteEntry, [number, Uint8Array]>(
      `SELECT ${ENTRY_COLUMNS} FROM entry WHERE (place >> 32) = ?1 AND id = ?2`,
    ),
    packages: db.prepare<SqliteEntry, [number, number]>(
      `SELECT ${ENTRY_COLUMNS} FROM entry
       WHERE (place >> 32) = ?1 AND kind >= 2 AND taken_by IS NULL AND body IS NOT NULL AND expiry_ms > ?2
       ORDER BY place LIMIT ${limit.PACKAGES_MAX}`,
    ),
    taken: db.prepare<SqliteEntry, [number, Uint8Array]>(
      `SELECT ${ENTRY_COLUMNS} FROM entry WHERE (place >> 32) = ?1 AND taken_by = ?2 ORDER BY place`,
    ),
  };
}

function reading(db: Database) {
  return {
    range: db.prepare<StoredRecord, [number, number, number, number]>(
      `SELECT ${ENTRY_COLUMNS}, body.bytes AS content FROM entry LEFT JOIN body ON body.number = entry.body
       WHERE place >= (?1 << 32) + ?2 AND place < (?1 << 32) + ?3 ORDER BY place LIMIT ?4`,
    ),
    receipt: db.prepare<ReceiptColumns, [number, Uint8Array]>(
      `SELECT reader, generation, cursor, not_after_ms AS notAfterMs, signature, sum FROM receipt
       WHERE box = ?1 AND reader = ?2`,
    ),
    nodes: db.prepare<{ nodes: Uint8Array }, [number, number]>(
      "SELECT nodes FROM entry WHERE place = (?1 << 32) + ?2",
    ),
  };
}

function writing(db: Database) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    insertMailbox: db.prepare<unknown, Value[]>(
      `INSERT INTO mailbox (id, generation, term, owner, writer, entries_max, bytes_max, ttl_ms, retention_ms, size,
         peaks, turn, version, floor, entries_held, bytes_held, created_ms, deleted, started_size, started_root,
         started_ms, sweep_ms, sum, reader_sum, swept, receipt_sum)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
         ?24, 0, 0)`,
    ),
    // What every append moves.
    advanceMailbox: db.prepare<unknown, Value[]>(
      `UPDATE mailbox SET size = ?1, peaks = ?2, floor = ?3, entries_held = ?4, bytes_held = ?5,
         sweep_ms = min(coalesce(sweep_ms, ?6), coalesce(?6, sweep_ms))
       WHERE box = ?7 AND term = ?8 AND size = ?9`,
    ),
    // What a change of keys, policy, turn or life moves besides.
    changeMailbox: db.prepare<unknown, Value[]>(
      `UPDATE mailbox SET generation = ?1, term = ?2, owner = ?3, writer = ?4, entries_max = ?5, bytes_max = ?6,
         ttl_ms = ?7, retention_ms = ?8, turn = ?9, version = ?10, deleted = ?11, started_size = ?12,
         started_root = ?13, started_ms = ?14, sum = ?15 WHERE box = ?16`,
    ),
    // What a change of readers or receipts moves besides: appends leave it alone.
    addSums: db.prepare<unknown, [number, number, number]>(
      "UPDATE mailbox SET reader_sum = reader_sum + ?2, receipt_sum = receipt_sum + ?3 WHERE box = ?1",
    ),
    insertReader: db.prepare<unknown, Value[]>(
      "INSERT INTO reader (box, key, cursor, lapsed, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
    ),
    updateReader: db.prepare<unknown, Value[]>(
      "UPDATE reader SET cursor = ?3, lapsed = ?4, sum = ?5 WHERE box = ?1 AND key = ?2",
    ),
    deleteReader: db.prepare<unknown, Value[]>("DELETE FROM reader WHERE box = ?1 AND key = ?2"),
    insertTurn: db.prepare<unknown, Value[]>(
      "INSERT INTO turn (box, turn, writer, first_seq, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
    ),
    insertBody: db.prepare<unknown, [Uint8Array]>("INSERT INTO body (bytes) VALUES (?1)"),
    insertEntry: db.prepare<unknown, Value[]>(
      `INSERT INTO entry (place, id, generation, turn, kind, slot, time_ms, expiry_ms, entry_hash, nodes, taken_by,
         body, bytes, sum)
       VALUES ((?1 << 32) + ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`,
    ),
    slot: db.prepare<{ slot: number }, [number, number]>(
      "SELECT slot FROM entry WHERE place = (?1 << 32) + ?2",
    ),
    take: db.prepare<unknown, Value[]>(
      "UPDATE entry SET taken_by = ?3, sum = ?4 WHERE place = (?1 << 32) + ?2",
    ),
    putReceipt: db.prepare<unknown, Value[]>(
      `INSERT INTO receipt (box, reader, generation, cursor, not_after_ms, signature, sum)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT (box, reader) DO UPDATE SET generation = excluded.generation, cursor = excluded.cursor,
         not_after_ms = excluded.not_after_ms, signature = excluded.signature, sum = excluded.sum
       WHERE (excluded.generation, excluded.cursor) >= (generation, cursor)`,
    ),
    receiptSum: db.prepare<{ sum: number }, [number, Uint8Array]>(
      "SELECT sum FROM receipt WHERE box = ?1 AND reader = ?2",
    ),
    pages: db.prepare<FilePages, []>(
      `SELECT page_size AS bytesEach, page_count AS "all", freelist_count AS free
       FROM pragma_page_size, pragma_page_count, pragma_freelist_count`,
    ),
    logFrames: db.prepare("PRAGMA wal_checkpoint(NOOP)"),
    checkpoint: db.prepare("PRAGMA wal_checkpoint(PASSIVE)"),
  };
}

/** Of the one row of `total`. */
function counting(db: Database) {
  return {
    total: db.prepare<{ mailboxes: number; entries: number; bytes: number }, []>(
      "SELECT mailboxes, entries, bytes FROM total WHERE number = 1",
    ),
    addTotal: db.prepare<unknown, Value[]>(
      `UPDATE total SET mailboxes = mailboxes + ?1, entries = entries + ?2, bytes = bytes + ?3, made = made + ?4,
         made_ids = (made_ids + ?5) & 4294967295 WHERE number = 1`,
    ),
    relay: db.prepare<RelayRecord, []>("SELECT relay, relay_sum AS relaySum FROM total WHERE number = 1"),
    claim: db.prepare<unknown, [Uint8Array, number]>(
      "UPDATE total SET relay = ?1, relay_sum = ?2 WHERE number = 1",
    ),
    probe: db.prepare<unknown, []>("UPDATE total SET probes = probes + 1 WHERE number = 1"),
  };
}

export type SqliteStatements = ReturnType<typeof loading> &
  ReturnType<typeof reading> &
  ReturnType<typeof writing> &
  ReturnType<typeof counting> & { readonly all: readonly Statement[] };

/** Prepares all statements; throws SQLite's error where the schema isn't what this version knows. */
export function prepareStatements(db: Database): SqliteStatements {
  const each = { ...loading(db), ...reading(db), ...writing(db), ...counting(db) };
  return { ...each, all: Object.values(each) };
}
