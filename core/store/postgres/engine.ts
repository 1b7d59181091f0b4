/**
 * The relay's PostgreSQL store. Each batch is one transaction that locks the mailboxes it writes to, decides on
 * what it finds there, and writes conditionally on their terms and sizes; nothing is remembered between batches.
 */
import {
  assert,
  type Fault,
  type Hash,
  hash,
  HASH_BYTES,
  limit,
  type MailboxId,
  type PublicKey,
} from "../../ground/mod.ts";
import {
  type BatchOptions,
  decideBatch,
  type MailboxRow,
  type Outcome,
  type ReadRange,
  type Receipt,
  type StoreCounts,
  type StoredEntry,
} from "../../mailbox/mod.ts";
import type { CheckedCommand } from "../../wire/mod.ts";
import { digest } from "../digest.ts";
import type { StoreEngine } from "../engine.ts";
import { storeFault } from "../fault.ts";
import type { NodePlace } from "../node_place.ts";
import { withoutBody } from "../outcome.ts";
import { bytesArray, numberArray } from "./array.ts";
import {
  type Client,
  close,
  connect,
  postgresFault,
  reach,
  RELAY_ROLE,
  requireDurable,
  type Transaction,
} from "./connect.ts";
import { nameOf } from "../place_name.ts";
import { entryColumns, loadPostgres, noteRelay, selectMailbox, selectRelay } from "./load.ts";
import { isLocked, lockedFault } from "./others.ts";
import { RelayLock } from "./relay_lock.ts";
import { tryPostgresRoom } from "./probe.ts";
import { sweepPostgres } from "./sweep.ts";
import { migratePostgres, POSTGRES_SCHEMA_VERSION, postgresVersion } from "./version.ts";
import { writePostgres } from "./write.ts";
import { type ReceiptColumns, soundReceipts, type StoredRecord, storedEntry } from "../row.ts";
import { requireVersion } from "../version.ts";
import { STALE_TRIES_MAX, StaleRow } from "../stale_row.ts";

/** Opened by openPostgresEngine. */
class PostgresEngine implements StoreEngine {
  #sql: Client;
  readonly #url: string;
  readonly #name: string;
  /** Null where others may write as well. */
  readonly #lock: RelayLock | null;

  /** Takes `sql` over, connected to `url`, and the lock. */
  constructor(sql: Client, { url, lock }: { readonly url: string; readonly lock: RelayLock | null }) {
    this.#sql = sql;
    this.#lock = lock;
    this.#url = url;
    this.#name = nameOf(url);
  }

  /** Runs `work` in one transaction, durable when this resolves. */
  async #transaction<T>(work: (sql: Transaction) => Promise<T>): Promise<T> {
    const at = { committing: false };
    try {
      const result = await this.#sql.begin(async (sql) => {
        // Sent together with what the work sends first: a setting may change while a relay runs.
        const asked = Promise.all([requireDurable(sql, this.#name), this.#lock?.require(sql)]);
        const [, value] = await both(asked, work(sql));
        // What follows is the commit: from here on a lost connection leaves the outcome open.
        at.committing = true;
        return { value };
      });
      return result.value;
    } catch (error) {
      if (error instanceof StaleRow) throw error;
      if (isLocked(error)) throw await lockedFault(this.#sql, this.#name, error);
      throw this.#fault(error, at.committing);
    }
  }

  /**
   * As #transaction, by limit.STORE_DEADLINE_MS at the latest: a server that hangs answers nothing, no error either.
   * Its connections are dropped then, so that what was begun on them can't be committed later unless the commit
   * itself was sent, and that is told as "store/unknown".
   */
  async #inTime<T>(work: (sql: Transaction) => Promise<T>): Promise<T> {
    const pool = this.#sql;
    const timer = setTimeout(() => this.#reconnect(pool), limit.STORE_DEADLINE_MS);
    try {
      return await this.#transaction(work);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Rejects all that waits on `pool`, and connects anew; the first to find it hung does so. */
  #reconnect(pool: Client): void {
    if (this.#sql !== pool) return;
    this.#sql = connect(this.#url, { role: RELAY_ROLE });
    // Nothing is left to fail: its connections are cut, not waited for.
    void pool.end({ timeout: 0 });
  }

  #fault(error: unknown, committing: boolean): Error {
    return postgresFault(error, { name: this.#name, committing });
  }

  async #query<T>(work: (sql: Client) => Promise<T>): Promise<T> {
    try {
      return await work(this.#sql);
    } catch (error) {
      throw this.#fault(error, false);
    }
  }

  /** As #query, by limit.STORE_DEADLINE_MS at the latest. What was asked is left alone: a batch may be under way beside it. */
  async #read<T>(work: (sql: Client) => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const told = `it didn't answer within ${limit.STORE_DEADLINE_MS / 1000} s`;
      late.reject(storeFault("store/unavailable", `Cannot read from ${this.#name}: ${told}`));
    }, limit.STORE_DEADLINE_MS);
    try {
      return await Promise.race([this.#query(work), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async commit(batch: readonly CheckedCommand[], options: BatchOptions): Promise<readonly Outcome[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#inTime(async (sql) => {
          const loaded = await loadPostgres(sql, batch, options.nowMs);
          const plan = decideBatch(loaded, batch, { ...options, digest });
          await writePostgres(sql, plan, loaded);
          return plan.outcomes.map(withoutBody);
        });
      } catch (error) {
        if (!(error instanceof StaleRow)) throw error;
        if (tries >= STALE_TRIES_MAX) {
          throw storeFault("store/unavailable", `Cannot write to ${this.#name}: ${error.message}`, error);
        }
      }
    }
  }

  mailbox(id: MailboxId): Promise<MailboxRow | null> {
    return this.#read((sql) => selectMailbox(sql, id));
  }

  read(id: MailboxId, range: ReadRange): Promise<readonly StoredEntry[]> {
    return this.#read(async (sql) => {
      // Sums before bodies: those beyond the last that fits aren't fetched.
      const rows = await sql<StoredRecord[]>`SELECT ${entryColumns(sql)}, e.body AS content FROM (
          SELECT entry.*, sum(CASE WHEN body IS NULL THEN 0 ELSE bytes END) OVER (ORDER BY seq) AS total
          FROM entry JOIN mailbox ON mailbox.id = entry.mailbox AND NOT mailbox.deleted
          WHERE entry.mailbox = ${id} AND seq >= ${range.from} AND seq < mailbox.size
          ORDER BY seq LIMIT ${range.entriesMax}
        ) e WHERE e.total <= ${range.bytesMax}::bigint OR e.seq = ${range.from}::bigint ORDER BY e.seq`;
      return rows.map(storedEntry);
    });
  }

  nodes(id: MailboxId, wanted: readonly NodePlace[]): Promise<readonly Hash[]> {
    return this.#read(async (sql) => {
      // A node stands with the last leaf that it covers.
      const seqs = wanted.map(({ level, index }) => (index + 1) * 2 ** level - 1);
      const rows = await sql<{ seq: number; nodes: Uint8Array }[]>`SELECT seq, nodes FROM entry
        WHERE mailbox = ${id} AND seq = ANY(${numberArray(seqs)}::bigint[])`;
      const bySeq = new Map(rows.map((row) => [row.seq, row.nodes]));
      return wanted.map(({ level }, at) => {
        const seq = seqs[at];
        assert(seq !== undefined, "each node has the place of its last leaf");
        const nodes = bySeq.get(seq);
        const from = level * HASH_BYTES;
        if (nodes === undefined || nodes.length < from + HASH_BYTES) throw missingNode(seq, level);
        return hash(nodes.subarray(from, from + HASH_BYTES));
      });
    });
  }

  receipts(id: MailboxId, readers: readonly PublicKey[]): Promise<readonly Receipt[]> {
    return this.#read(async (sql) => {
      const rows = await sql<ReceiptColumns[]>`SELECT reader, receipt.generation, cursor,
          not_after_ms AS "notAfterMs", signature, receipt.sum
        FROM receipt JOIN mailbox ON mailbox.id = receipt.mailbox AND NOT mailbox.deleted
        WHERE receipt.mailbox = ${id} AND reader = ANY(${bytesArray(readers)}::bytea[])`;
      return soundReceipts(id, rows);
    });
  }

  async sweep(nowMs: number): Promise<boolean> {
    const { more, damage } = await this.#transaction((sql) => sweepPostgres(sql, nowMs));
    if (damage !== null) throw damage;
    return more;
  }

  counts(): Promise<StoreCounts> {
    return this.#query(async (sql) => {
      const [row] = await sql<StoreCounts[]>`SELECT count(*) AS mailboxes,
          coalesce(sum(entries_held), 0)::bigint AS entries, coalesce(sum(bytes_held), 0)::bigint AS bytes
        FROM mailbox WHERE NOT deleted`;
      return row ?? { mailboxes: 0, entries: 0, bytes: 0 };
    });
  }

  /** As MailboxStore.claim. */
  claim(by: PublicKey | null): Promise<PublicKey | null> {
    return this.#inTime(async (sql) => {
      if (by !== null) await noteRelay(sql, by);
      return selectRelay(sql);
    });
  }

  /** As MailboxStore.probe. The small write alone would find room in pages that a full disk has already. */
  async probe(bytes: number | null): Promise<void> {
    await this.#inTime(async (sql) => {
      if (bytes !== null && bytes > 0) await tryPostgresRoom(sql, bytes);
      await sql`UPDATE dchat_state SET probes = probes + 1 WHERE number = 1`;
    });
  }

  /** The server tends its log by itself. */
  tend(): void {}

  async close(): Promise<void> {
    await close(this.#sql, null);
    await this.#lock?.[Symbol.asyncDispose]();
  }
}

/** Waits for both, so that neither is left to fail when nobody listens; throws what the first one throws before the second's. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === "rejected") throw a.reason;
  if (b.status === "rejected") throw b.reason;
  return [a.value, b.value];
}

/** The Fault of a node that isn't there. */
function missingNode(seq: number, level: number): Fault {
  return storeFault(
    "store/corrupt",
    `Entry ${seq} lacks the hash of level ${level}; \`dchat database check\` names what is damaged`,
  );
}

export interface PostgresPlace {
  readonly url: string;
  /** How long to wait for another relay to leave the database; null: it is taken with whoever else works on it. */
  readonly aloneMs: number | null;
}

/**
 * Connects, refuses a server that may lose what it acknowledges, makes the schema in an empty database and
 * otherwise wants it current. Rejects with Fault<"store/unavailable" | "store/older" | "store/newer">, "store/busy"
 * where another relay has the database, or "store/corrupt" where the tables are somebody else's.
 */
export async function openPostgresEngine({ url, aloneMs }: PostgresPlace): Promise<StoreEngine> {
  const name = nameOf(url);
  const sql = connect(url, { role: RELAY_ROLE });
  const lock = aloneMs === null ? null : new RelayLock(url, name);
  try {
    await reach(sql, name);
    await lock?.take(aloneMs ?? 0);
    await requireDurable(sql, name);
    const version = await postgresVersion(sql);
    if (version === null) await migratePostgres(sql);
    else requireVersion(name, version, POSTGRES_SCHEMA_VERSION);
    return new PostgresEngine(sql, { url, lock });
  } catch (error) {
    const told = isLocked(error) ? await lockedFault(sql, name, error) : error;
    await close(sql, error);
    await lock?.[Symbol.asyncDispose]();
    throw postgresFault(told, { name, committing: false });
  }
}
