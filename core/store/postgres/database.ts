/** The relay's PostgreSQL database for backups, checks and moves. */
import { isFault, mailboxId, type MailboxId, type PublicKey } from "../../ground/mod.ts";
import type { MailboxRow, Receipt, StoreCounts, TurnRow } from "../../mailbox/mod.ts";
import { type Census, censusDamage, counted, NOBODY } from "../census.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { bytesArray } from "./array.ts";
import { hex, splitHashes } from "../hashes.ts";
import {
  type Client,
  close,
  connect,
  isDamage,
  isLost,
  KEEPER_ROLE,
  postgresFault,
  reach,
  type Sql,
} from "./connect.ts";
import { nameOf } from "../place_name.ts";
import { entryColumns, mailboxColumns, selectReadersOf, selectRelay } from "./load.ts";
import { isLocked, lockedFault } from "./others.ts";
import { HUNG_S, openPulse } from "./pulse.ts";
import { connectAlone, type Holding, takeDatabase } from "./relay_lock.ts";
import { migratePostgres, POSTGRES_SCHEMA_VERSION, postgresVersion } from "./version.ts";
import { countMade, insertEntries, insertMailboxes, insertTurns, putReaders, putReceipts } from "./write.ts";
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
  type MailboxRecord,
  mailboxRow,
  type ReaderRecord,
  readerRow,
  type ReceiptColumns,
  receiptRow,
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
import { requireVersion } from "../version.ts";

/** Entries fetched and inserted at a time. */
const PAGE = 256;
/** Where a transaction goes back to that met damage, and goes on with the same snapshot. */
const SOUND = "sound";

class PostgresDatabase implements StoreDatabase {
  readonly #sql: Client;
  readonly #url: string;
  readonly #name: string;
  readonly #role: string;
  /** What keeps relays away, once they are to be. */
  #holding: Client | null = null;
  #reached: Promise<void> | null = null;
  /** What told that the connection was lost. */
  #lost: unknown = null;
  #pulse: Disposable | null = null;
  #isHung = false;

  constructor(url: string, by: string) {
    this.#url = url;
    this.#name = nameOf(url);
    this.#role = `${KEEPER_ROLE} ${by}`.trimEnd();
    this.#sql = connect(url, {
      role: this.#role,
      connections: 2,
      // Going through every row of a large store takes as long as it takes.
      settings: { statement_timeout: 0 },
    });
  }

  /** The first time it makes sure that there is a server. */
  #reach(): Promise<void> {
    return (this.#reached ??= this.#connect());
  }

  async #connect(): Promise<void> {
    await reach(this.#sql, this.#name);
    this.#pulse = openPulse(this.#sql, () => {
      this.#isHung = true;
      void this.#sql.end({ timeout: 0 });
      void this.#holding?.end({ timeout: 0 });
    });
  }

  async #fault(error: unknown): Promise<Error> {
    if (isLocked(error)) return lockedFault(this.#sql, this.#name, error);
    if (isLost(error)) this.#lost = error;
    if (!this.#isHung) return postgresFault(error, { name: this.#name, committing: false });
    const told = `Cannot use ${this.#name}: its server hasn't answered anything for ${HUNG_S} s`;
    return storeFault("store/unavailable", told, error);
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      await this.#reach();
      return await work();
    } catch (error) {
      throw await this.#fault(error);
    }
  }

  status(): Promise<DatabaseStatus> {
    return this.#try(async () => ({
      kind: "postgres",
      where: this.#name,
      version: (await postgresVersion(this.#sql)) ?? 0,
      known: POSTGRES_SCHEMA_VERSION,
    }));
  }

  async #requireCurrent(): Promise<void> {
    requireVersion(this.#name, (await this.status()).version, POSTGRES_SCHEMA_VERSION);
  }

  migrate(): Promise<number> {
    return this.#try(() => migratePostgres(this.#sql));
  }

  counts(): Promise<StoreCounts> {
    return this.#try(async () => {
      await this.#requireCurrent();
      const [row] = await this.#sql<StoreCounts[]>`SELECT count(*) AS mailboxes,
          coalesce(sum(entries_held), 0)::bigint AS entries, coalesce(sum(bytes_held), 0)::bigint AS bytes
        FROM mailbox WHERE NOT deleted`;
      return row ?? { mailboxes: 0, entries: 0, bytes: 0 };
    });
  }

  relay(): Promise<PublicKey | null> {
    return this.#try(async () => {
      await this.#requireCurrent();
      return selectRelay(this.#sql);
    });
  }

  integrity(): Promise<readonly string[]> {
    return this.#try(async () => {
      await this.#requireCurrent();
      const found: string[] = [];
      for (const table of ["entry", "reader", "turn", "receipt"]) {
        const [row] = await this.#sql<{ n: number }[]>`SELECT count(*) AS n FROM ${this.#sql(table)} t
          WHERE NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.id = t.mailbox)`;
        if (row !== undefined && row.n > 0) {
          found.push(`${this.#name}: ${row.n} rows of table ${table} belong to no mailbox`);
        }
      }
      try {
        await selectRelay(this.#sql);
      } catch (error) {
        if (!isFault(error, "store/corrupt")) throw error;
        found.push(`${this.#name}: ${error.message}`);
      }
      return found;
    });
  }

  async *records(): AsyncGenerator<StoreRecord> {
    await this.#requireCurrent();
    const sql = await this.#try(() => this.#sql.reserve());
    try {
      await sql`SET idle_in_transaction_session_timeout = 0`;
      await sql`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`;
      await sql.unsafe(`SAVEPOINT ${SOUND}`);
      let census = NOBODY;
      for (let after: Uint8Array = new Uint8Array(0); ;) {
        const page = await sql<MailboxRecord[]>`SELECT ${mailboxColumns(sql)} FROM mailbox
          WHERE id > ${after} ORDER BY id LIMIT ${PAGE}`;
        for (const record of page) {
          census = counted(census, record.id);
          yield* mailboxRecords(sql, record);
        }
        const last = page.at(-1);
        if (last === undefined) break;
        after = last.id;
      }
      const made = censusDamage(census, await selectCensus(sql));
      if (made !== null) yield { is: "damage", what: `${this.#name}: ${made}` };
    } catch (error) {
      throw await this.#fault(error);
    } finally {
      // A connection that is gone would take the farewell and never answer.
      if (this.#lost === null) {
        await sql`ROLLBACK`.catch(() => {});
        sql.release();
      }
    }
  }

  load(records: AsyncIterable<StoreRecord>, relay: PublicKey | null): Promise<void> {
    return this.#try(async () => {
      if ((await postgresVersion(this.#sql)) === null) await migratePostgres(this.#sql);
      await this.#requireCurrent();
      await this.#sql.begin(async (sql) => {
        // What comes through a pipe comes when it does.
        await sql`SET LOCAL idle_in_transaction_session_timeout = 0`;
        await sql`LOCK TABLE mailbox IN EXCLUSIVE MODE`;
        // A relay that starts meanwhile on an empty store waits to say whose it is.
        await sql`SELECT 1 FROM dchat_state WHERE number = 1 FOR UPDATE`;
        const [there] = await sql`SELECT 1 FROM mailbox LIMIT 1`;
        if (there !== undefined)
          throw storeFault("store/filled", `Cannot fill ${this.#name}: it isn't empty`);
        // Where all rows were lost, what was kept of them is over as well.
        await sql`DELETE FROM dchat_census`;
        if (relay !== null) {
          await sql`UPDATE dchat_state SET relay = ${relay}, relay_sum = ${relaySum(relay)} WHERE number = 1`;
        }
        await loadRecords(sql, records);
      });
    });
  }

  hold(how: Holding): Promise<string | null> {
    return this.#try(() => takeDatabase((this.#holding ??= connectAlone(this.#url, this.#role)), how));
  }

  /** So that who comes next isn't told of a session that is only about to end. */
  async #letGo(): Promise<void> {
    const holding = this.#holding;
    if (holding === null) return;
    holding`SELECT pg_advisory_unlock_all()`.catch(() => undefined);
    await close(holding, this.#lost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pulse?.[Symbol.dispose]();
    await close(this.#sql, this.#lost);
    await this.#letGo();
  }
}

async function selectCensus(sql: Sql): Promise<Census> {
  const rows = await sql<Census[]>`SELECT made, ids FROM dchat_census`;
  return rows.reduce(
    (sum, { made, ids }) => ({ made: sum.made + made, ids: (sum.ids + ids) % 2 ** 32 }),
    NOBODY,
  );
}

/** One mailbox and all that is its own; what can't be read is told and left out. */
async function* mailboxRecords(sql: Sql, record: MailboxRecord): AsyncGenerator<StoreRecord> {
  try {
    const sums = await sql<ReaderRecord[]>`SELECT key, cursor, lapsed, sum FROM reader
      WHERE mailbox = ${record.id} ORDER BY key`;
    const readers = await selectReadersOf(sql, record.id);
    const row = mailboxRow(record, readers);
    const id = mailboxId(record.id);
    const sound =
      mailboxSum(row) === record.sum &&
      sums.every((reader) => readerSum(id, readerRow(reader)) === reader.sum);
    yield mailboxRecord(row, sound);
    if (row.deleted) return;
    if (readersSum(id, row.readers) !== record.readerSum) yield lackingRows(id, "readers");
    yield* turnsOf(sql, id);
    let receipts = 0;
    for await (const each of receiptsOf(sql, id)) {
      receipts = addSums(receipts, receiptSum(each.receipt));
      yield each;
    }
    if (receipts !== record.receiptSum) yield lackingRows(id, "receipts");
    yield* entriesOf(sql, row);
  } catch (error) {
    if (!isDamage(error)) throw error;
    await sql.unsafe(`ROLLBACK TO SAVEPOINT ${SOUND}`);
    yield { is: "damage", what: `mailbox ${hex(record.id)}: ${reasonOf(error)}` };
  }
}

async function* turnsOf(sql: Sql, mailbox: MailboxId): AsyncGenerator<StoreRecord> {
  const rows = await sql<TurnRecord[]>`SELECT turn, writer, first_seq AS "firstSeq", sum FROM turn
    WHERE mailbox = ${mailbox} ORDER BY turn`;
  for (const record of rows) {
    const turn = turnRow(record);
    yield { is: "turn", mailbox, turn, sound: turnSum(mailbox, turn) === record.sum };
  }
}

async function* receiptsOf(sql: Sql, mailbox: MailboxId): AsyncGenerator<ReceiptRecord> {
  const rows = await sql<
    ReceiptColumns[]
  >`SELECT reader, generation, cursor, not_after_ms AS "notAfterMs", signature,
      sum FROM receipt WHERE mailbox = ${mailbox} ORDER BY reader`;
  for (const record of rows) {
    yield { is: "receipt", ...receiptRow(mailbox, record) };
  }
}

async function* entriesOf(sql: Sql, row: MailboxRow): AsyncGenerator<StoreRecord> {
  for (let from = 0; ;) {
    const page = await sql<StoredRecord[]>`SELECT ${entryColumns(sql)}, e.body AS content FROM entry e
      WHERE e.mailbox = ${row.id} AND e.seq >= ${from} ORDER BY e.seq LIMIT ${PAGE}`;
    for (const record of page) {
      const entry: KeptEntry = {
        ...storedEntry(record),
        mailbox: row.id,
        nodes: splitHashes(record.nodes),
        bytes: record.bytes,
      };
      yield { is: "entry", entry, sound: entrySum(row.id, entry) === record.sum };
    }
    const last = page.at(-1);
    if (last === undefined) return;
    from = last.seq + 1;
  }
}

/** Throws where one of `rows` is there already, or stands among them twice. */
async function refuseAgain(sql: Sql, rows: readonly MailboxRow[]): Promise<void> {
  const seen = new Set<string>();
  const there = await sql<{ id: Uint8Array }[]>`SELECT id FROM mailbox
    WHERE id = ANY(${bytesArray(rows.map(({ id }) => id))}::bytea[])`;
  for (const { id } of there) seen.add(hex(id));
  for (const { id } of rows) {
    if (seen.has(hex(id))) throw againFault(id);
    seen.add(hex(id));
  }
}

async function loadRecords(sql: Sql, records: AsyncIterable<StoreRecord>): Promise<void> {
  let mailboxes: MailboxRow[] = [];
  let turns: (TurnRow & { readonly mailbox: MailboxId })[] = [];
  let receipts: Receipt[] = [];
  let entries: KeptEntry[] = [];
  const flush = async (): Promise<void> => {
    await refuseAgain(sql, mailboxes);
    await insertMailboxes(sql, mailboxes);
    await countMade(sql, mailboxes);
    await putReaders(
      sql,
      mailboxes.flatMap((row) => row.readers.map((reader) => ({ mailbox: row.id, reader }))),
    );
    await insertTurns(sql, turns);
    await putReceipts(sql, receipts);
    await insertEntries(sql, entries);
    [mailboxes, turns, receipts, entries] = [[], [], [], []];
  };
  for await (const record of records) {
    if (record.is === "damage") throw storeFault("store/corrupt", record.what);
    if (record.is === "mailbox") mailboxes.push(record.row);
    else if (record.is === "turn") turns.push({ ...record.turn, mailbox: record.mailbox });
    else if (record.is === "receipt") receipts.push(record.receipt);
    else entries.push(record.entry);
    if (mailboxes.length + turns.length + receipts.length + entries.length >= PAGE) await flush();
  }
  await flush();
}

/** Connects when first asked; `by` is the command for which. Disposing ends the connections. */
export function openPostgresDatabase(url: string, by: string): StoreDatabase {
  return new PostgresDatabase(url, by);
}
