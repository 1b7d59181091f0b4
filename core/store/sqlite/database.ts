/** The relay's SQLite file for backups, checks and moves. */
import type { Database } from "bun:sqlite";
import { rmSync, statSync, truncateSync } from "node:fs";
import { isFault, type MailboxId, type PublicKey } from "../../ground/mod.ts";
import type { MailboxRow, StoreCounts } from "../../mailbox/mod.ts";
import { type Census, censusDamage, censusOf, counted, NOBODY } from "../census.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { hex, splitHashes } from "../hashes.ts";
import {
  againFault,
  type DatabaseStatus,
  type KeptEntry,
  lackingRows,
  mailboxRecord,
  type ReceiptRecord,
  type StoreDatabase,
  type StoreRecord,
} from "../record.ts";
import {
  mailboxRow,
  type ReaderRecord,
  readerRow,
  type ReceiptColumns,
  receiptRow,
  relayOf,
  type RelayRecord,
  type SqliteEntry,
  type SqliteMailbox,
  type StoredRecord,
  storedEntry,
  type TurnRecord,
  turnRow,
} from "../row.ts";
import {
  addSums,
  entrySum,
  mailboxSum,
  readersSum,
  readerSum,
  receiptSum,
  relaySum,
  turnSum,
} from "../row_sum.ts";
import { ENTRY_COLUMNS, MAILBOX_COLUMNS } from "./columns.ts";
import { isThere, migrateSqlite, openSqliteFile, openSqliteRaw, sqliteFault, sqliteVersion } from "./open.ts";
import { SQLITE_SCHEMA_VERSION } from "./schema_version.ts";
import { prepareStatements, type SqliteStatements } from "./statements.ts";
import { insertEntry, insertMailbox, putReceipt } from "./write.ts";
import { requireVersion } from "../version.ts";
import { byNumber, type Numbered, risingRows } from "./rising_rows.ts";

/** Rows that belong to nothing: what a flipped byte in a key leaves behind. */
const ORPHANS = [
  ["entries", "SELECT count(*) AS n FROM entry WHERE (place >> 32) NOT IN (SELECT box FROM mailbox)"],
  ["readers", "SELECT count(*) AS n FROM reader WHERE box NOT IN (SELECT box FROM mailbox)"],
  ["turns", "SELECT count(*) AS n FROM turn WHERE box NOT IN (SELECT box FROM mailbox)"],
  ["receipts", "SELECT count(*) AS n FROM receipt WHERE box NOT IN (SELECT box FROM mailbox)"],
  [
    "bodies",
    "SELECT count(*) AS n FROM body WHERE number NOT IN (SELECT body FROM entry WHERE body IS NOT NULL)",
  ],
] as const;

class SqliteDatabase implements StoreDatabase {
  readonly #path: string;
  #db: Database | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file as it is, whatever its schema. */
  #raw(): Database {
    if (!isThere(this.#path)) {
      throw storeFault(
        "store/unavailable",
        `There is no database at ${this.#path}: no relay has run on it yet`,
      );
    }
    return (this.#db ??= openSqliteRaw(this.#path));
  }

  /** The file with this version's schema; refuses others. */
  #current(): Database {
    const db = this.#raw();
    requireVersion(this.#path, sqliteVersion(db, this.#path), SQLITE_SCHEMA_VERSION);
    return db;
  }

  status(): Promise<DatabaseStatus> {
    const version = isThere(this.#path) ? sqliteVersion(this.#raw(), this.#path) : 0;
    return Promise.resolve({ kind: "sqlite", where: this.#path, version, known: SQLITE_SCHEMA_VERSION });
  }

  async migrate(): Promise<number> {
    const before = (await this.status()).version;
    this.#try("migrate", () => {
      if (!isThere(this.#path)) openSqliteFile({ path: this.#path, migrate: true }).close();
      else migrateSqlite(this.#raw(), { path: this.#path, migrate: true });
    });
    return SQLITE_SCHEMA_VERSION - before;
  }

  /** Runs `work`; throws a Fault for what SQLite throws. */
  #try<T>(doing: "migrate" | "read", work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteFault(error, { doing, path: this.#path });
    }
  }

  counts(): Promise<StoreCounts> {
    const row = this.#try("read", () =>
      this.#current()
        .query<StoreCounts, []>("SELECT mailboxes, entries, bytes FROM total WHERE number = 1")
        .get(),
    );
    return Promise.resolve(row ?? { mailboxes: 0, entries: 0, bytes: 0 });
  }

  relay(): Promise<PublicKey | null> {
    return Promise.resolve(this.#try("read", () => selectRelay(this.#current())));
  }

  integrity(): Promise<readonly string[]> {
    const db = this.#current();
    const found: string[] = [];
    try {
      for (const [line] of db.query("PRAGMA integrity_check(20)").values()) {
        if (line !== "ok") found.push(`${this.#path}: ${String(line)}`);
      }
      for (const [what, sql] of ORPHANS) {
        const count = db.query<{ n: number }, []>(sql).get()?.n ?? 0;
        if (count > 0) found.push(`${this.#path}: ${count} ${what} belong to nothing`);
      }
      selectRelay(db);
    } catch (error) {
      found.push(`${this.#path}: ${reasonOf(error)}`);
    }
    return Promise.resolve(found);
  }

  async *records(): AsyncGenerator<StoreRecord> {
    const db = this.#current();
    db.run("BEGIN");
    try {
      let box = 0;
      const sum = { mailboxes: 0, entries: 0, bytes: 0 };
      let census = NOBODY;
      for (;;) {
        const record = db
          .query<SqliteMailbox, [number]>(
            `SELECT ${MAILBOX_COLUMNS} FROM mailbox WHERE box > ?1 ORDER BY box LIMIT 1`,
          )
          .get(box);
        if (record === null) break;
        ({ box } = record);
        census = counted(census, record.id);
        sum.mailboxes += record.deleted === 0 ? 1 : 0;
        sum.entries += record.entriesHeld;
        sum.bytes += record.bytesHeld;
        yield* mailboxRecords(db, record);
      }
      const total = await this.counts();
      if (total.mailboxes !== sum.mailboxes || total.entries !== sum.entries || total.bytes !== sum.bytes) {
        yield { is: "damage", what: `${this.#path}: what all mailboxes hold together isn't what is counted` };
      }
      const made = censusDamage(census, selectCensus(db));
      if (made !== null) yield { is: "damage", what: `${this.#path}: ${made}` };
    } catch (error) {
      if (isFault(error)) throw error;
      yield { is: "damage", what: `${this.#path}: ${reasonOf(error)}` };
    } finally {
      db.run("ROLLBACK");
    }
  }

  async load(records: AsyncIterable<StoreRecord>, relay: PublicKey | null): Promise<void> {
    const before = statSync(this.#path, { throwIfNoEntry: false })?.size ?? null;
    try {
      await this.#fill(records, relay);
    } catch (error) {
      this.#undo(before);
      throw sqliteFault(error, { doing: "fill", path: this.#path });
    }
  }

  /** Takes away what was begun where nothing was: it would hold the room that was lacking. An emptied file stays one. */
  #undo(before: number | null): void {
    if (before !== null && before > 0) return;
    for (const beside of ["-wal", "-shm"]) rmSync(`${this.#path}${beside}`, { force: true });
    if (before === null) rmSync(this.#path, { force: true });
    else truncateSync(this.#path);
  }

  async #fill(records: AsyncIterable<StoreRecord>, relay: PublicKey | null): Promise<void> {
    // Made where there is none; loading is done by the relay's own statements.
    const db = openSqliteFile({ path: this.#path, migrate: false });
    const sql = prepareStatements(db);
    try {
      sql.begin.run();
      if (db.query("SELECT 1 FROM mailbox LIMIT 1").get() !== null) {
        throw storeFault("store/filled", `Cannot fill ${this.#path}: it isn't empty`);
      }
      // Where all rows were lost, what was kept of them is over as well.
      db.run("UPDATE total SET mailboxes = 0, entries = 0, bytes = 0, made = 0, made_ids = 0");
      if (relay !== null) {
        db.query("UPDATE total SET relay = ?1, relay_sum = ?2 WHERE number = 1").run(relay, relaySum(relay));
      }
      await loadRecords(sql, records);
      sql.commit.run();
      db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      if (db.inTransaction) sql.rollback.run();
      for (const statement of sql.all) statement.finalize();
      db.close();
    }
  }

  hold(): Promise<string | null> {
    return Promise.resolve(null);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#db?.close();
    this.#db = null;
    return Promise.resolve();
  }
}

function selectRelay(db: Database): PublicKey | null {
  return relayOf(
    db.query<RelayRecord, []>("SELECT relay, relay_sum AS relaySum FROM total WHERE number = 1").get(),
  );
}

function selectCensus(db: Database): Census {
  return db.query<Census, []>("SELECT made, made_ids AS ids FROM total WHERE number = 1").get() ?? NOBODY;
}

/** One mailbox and all that is its own; what can't be read is told and left out. */
function* mailboxRecords(db: Database, record: SqliteMailbox): Generator<StoreRecord> {
  const { box } = record;
  const name = `mailbox ${hex(record.id)}`;
  try {
    const readers = risingRows<ReaderRecord & Numbered>(
      db,
      { box, sql: "SELECT number, key, cursor, lapsed, sum FROM reader WHERE box = ?1 ORDER BY key" },
      ({ key }) => hex(key),
    ).sort(byNumber);
    const row = mailboxRow(record, readers.map(readerRow));
    const sound =
      mailboxSum(row) === record.sum &&
      row.readers.every((reader, at) => readerSum(row.id, reader) === readers[at]?.sum);
    yield mailboxRecord(row, sound);
    if (row.deleted) return;
    if (readersSum(row.id, row.readers) !== record.readerSum) yield lackingRows(row.id, "readers");
    yield* turnsOf(db, box, row.id);
    let receipts = 0;
    for (const each of receiptsOf(db, box, row.id)) {
      receipts = addSums(receipts, receiptSum(each.receipt));
      yield each;
    }
    if (receipts !== record.receiptSum) yield lackingRows(row.id, "receipts");
    yield* entriesOf(db, box, row);
  } catch (error) {
    yield { is: "damage", what: `${name}: ${reasonOf(error)}` };
  }
}

function* turnsOf(db: Database, box: number, mailbox: MailboxId): Generator<StoreRecord> {
  for (const record of risingRows<TurnRecord>(
    db,
    { box, sql: "SELECT turn, writer, first_seq AS firstSeq, sum FROM turn WHERE box = ?1 ORDER BY turn" },
    ({ turn }) => turn,
  )) {
    const turn = turnRow(record);
    yield { is: "turn", mailbox, turn, sound: turnSum(mailbox, turn) === record.sum };
  }
}

function* receiptsOf(db: Database, box: number, mailbox: MailboxId): Generator<ReceiptRecord> {
  const rows = risingRows<ReceiptColumns & Numbered>(
    db,
    {
      box,
      sql: `SELECT number, reader, generation, cursor, not_after_ms AS notAfterMs, signature, sum FROM receipt
            WHERE box = ?1 ORDER BY reader`,
    },
    ({ reader }) => hex(reader),
  );
  for (const record of rows.sort(byNumber)) {
    yield { is: "receipt", ...receiptRow(mailbox, record) };
  }
}

function* entriesOf(db: Database, box: number, row: MailboxRow): Generator<StoreRecord> {
  const select = db.prepare<StoredRecord & SqliteEntry, [number]>(
    `SELECT ${ENTRY_COLUMNS}, body.bytes AS content FROM entry LEFT JOIN body ON body.number = entry.body
     WHERE place >= (?1 << 32) AND place < ((?1 + 1) << 32) ORDER BY place`,
  );
  let last = -1;
  try {
    for (const record of select.iterate(box)) {
      // Pages that a damaged one leads back to would be gone through for ever.
      if (record.seq <= last) {
        yield {
          is: "damage",
          what: `mailbox ${hex(row.id)}: entry ${record.seq} comes again, after ${last}`,
        };
        return;
      }
      last = record.seq;
      if (record.body !== null && record.content === null) {
        yield { is: "damage", what: `mailbox ${hex(row.id)}: entry ${record.seq}: its body is missing` };
      }
      const entry: KeptEntry = {
        ...storedEntry(record),
        mailbox: row.id,
        nodes: splitHashes(record.nodes),
        bytes: record.bytes,
      };
      yield { is: "entry", entry, sound: entrySum(row.id, entry) === record.sum };
    }
  } finally {
    select.finalize();
  }
}

async function loadRecords(sql: SqliteStatements, records: AsyncIterable<StoreRecord>): Promise<void> {
  const boxes = new Map<string, number>();
  const boxOf = (id: MailboxId): number => {
    const box = boxes.get(hex(id));
    if (box === undefined)
      throw storeFault("store/corrupt", `A row names mailbox ${hex(id)}, which didn't come before it`);
    return box;
  };
  for await (const record of records) {
    switch (record.is) {
      case "mailbox": {
        // Only the one that comes is filled: rows follow their mailbox.
        boxes.clear();
        if (sql.mailboxById.get(record.row.id) !== null) throw againFault(record.row.id);
        boxes.set(hex(record.row.id), insertMailbox(sql, record.row));
        const { id, deleted, entriesHeld, bytesHeld } = record.row;
        const { made, ids } = censusOf([id]);
        sql.addTotal.run(deleted ? 0 : 1, entriesHeld, bytesHeld, made, ids);
        break;
      }
      case "turn": {
        const { turn, mailbox } = record;
        sql.insertTurn.run(boxOf(mailbox), turn.turn, turn.writer, turn.firstSeq, turnSum(mailbox, turn));
        break;
      }
      case "receipt": {
        const box = boxOf(record.receipt.mailbox);
        sql.addSums.run(box, 0, putReceipt(sql, box, record.receipt));
        break;
      }
      case "entry":
        insertEntry(sql, boxOf(record.entry.mailbox), record.entry);
        break;
      case "damage":
        throw storeFault("store/corrupt", record.what);
    }
  }
}

/** Opens nothing yet: each call does what it needs. `path` is the relay's SQLite file. */
export function openSqliteDatabase(path: string): StoreDatabase {
  return new SqliteDatabase(path);
}
