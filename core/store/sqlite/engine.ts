/**
 * The relay's SQLite store, synchronous; runs in a worker, since each commit waits for the disk.
 *
 * A failed sync ends it: Linux marks the pages that it couldn't write as clean, so a later sync that succeeds says
 * nothing about them. From then on everything that writes is refused until the process starts anew, and opening
 * the file settles what its log holds.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { Database } from "bun:sqlite";
import {
  assert,
  type Fault,
  type Hash,
  hash,
  HASH_BYTES,
  isFault,
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
import { reasonOf, storeFault } from "../fault.ts";
import type { NodePlace } from "../node_place.ts";
import { withoutBody } from "../outcome.ts";
import { RowCache } from "../row_cache.ts";
import { loadBatch, loadMailbox } from "./load.ts";
import { LogRoom } from "./log.ts";
import { openSqliteFile, PRIVATE, type SqliteFile } from "./open.ts";
import { DiskRoom } from "./room.ts";
import { mayNote, relayOf, soundReceipts, storedEntry } from "../row.ts";
import { relaySum } from "../row_sum.ts";
import { prepareStatements, type SqliteStatements } from "./statements.ts";
import { sweepSqlite } from "./sweep.ts";
import { STALE_TRIES_MAX, StaleRow } from "../stale_row.ts";
import { writePlan } from "./write.ts";

/** Log frames after which a checkpoint copies them into the file: 4,000 pages of 4 KiB. */
const CHECKPOINT_FRAMES = 4_000;
/** Room is made for this many more, since a batch may be under way when a checkpoint is due. */
const LOG_FRAMES_MAX = CHECKPOINT_FRAMES + 2_000;
/**
 * The log's length is looked at whenever this much was done: a commit counts 4, each of its commands 1. A piece of a
 * sweep, which writes as much as a full batch, is always looked behind.
 */
const LOOK_AFTER = 64;

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Whether a checkpoint that failed so may be left for later: nothing was lost, and the log holds it all. */
function waits(error: unknown): boolean {
  const code = codeOf(error);
  // No answer of SQLite's: the file was moved away, and its size can't be looked at.
  const isAway = code === "ENOENT";
  return isAway || code === "SQLITE_FULL" || code.startsWith("SQLITE_BUSY");
}

/** Whether the file grows by it: refused while room lacks, so that what frees some still has what it needs. */
function grows({ body }: CheckedCommand): boolean {
  return body.op === "append" || body.op === "create";
}

const NO_ROOM: Outcome = {
  is: "refused",
  refusal: { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT },
};

export class SqliteEngine implements StoreEngine {
  readonly #db: Database;
  readonly #sql: SqliteStatements;
  readonly #path: string;
  readonly #cache = new RowCache({
    mailboxes: limit.MAILBOXES_CACHED_MAX,
    readers: limit.READERS_CACHED_MAX,
  });
  #dataVersion = -1;
  readonly #room: LogRoom;
  readonly #disk: DiskRoom;
  #done = LOOK_AFTER;
  /** The disk had no room for the last write: whatever the log's length, what it holds is better in the file. */
  #wasFull = false;
  /** Why nothing can be written any more. */
  #poison: string | null = null;

  /** Throws what openSqliteFile does. */
  constructor(file: SqliteFile) {
    this.#path = file.path;
    this.#db = openSqliteFile(file);
    this.#sql = prepareStatements(this.#db);
    this.#room = new LogRoom({
      path: `${file.path}-wal`,
      framesMax: LOG_FRAMES_MAX,
      alone: (work) => this.#alone(work),
    });
    // A log that a backup's snapshot made longer than that is cut when it is next used anew.
    this.#db.run(`PRAGMA journal_size_limit = ${this.#room.lengthMax}`);
    assert(this.#room.lengthMax <= limit.STORE_RESERVE_BYTES / 2, "what is kept free has room for the log");
    this.#disk = new DiskRoom(file.path);
    this.#lookForRoom();
  }

  #refuseToWrite(): void {
    if (this.#poison !== null) throw storeFault("store/unavailable", this.#poison);
    // The next opening wouldn't find what is written.
    if (!existsSync(this.#path) || !this.#room.isInPlace) {
      throw storeFault(
        "store/unavailable",
        `Cannot write to ${this.#path}: it or its log was removed or moved away, so that what is written would be lost; put it back, or start the relay again`,
      );
    }
    if (this.#disk.lack === "write") throw this.#lacksRoom();
  }

  #lacksRoom(): Fault {
    return storeFault("store/unavailable", `Cannot write to ${this.#path}: ${this.#disk.reason}`);
  }

  /** Turns an error of a transaction into a Fault, and decides whether the store is still to be trusted. */
  #failed(error: unknown, committing: boolean): Fault {
    this.#cache.clear();
    if (isFault(error)) return error;
    const code = codeOf(error);
    const doing = `Cannot write to ${this.#path}`;
    if (code === "SQLITE_FULL") [this.#wasFull, this.#done] = [true, LOOK_AFTER];
    if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
      this.#poison = `${doing}: the file is damaged (${reasonOf(error)}); \`dchat database check\` names where`;
      return storeFault("store/unavailable", this.#poison, error);
    }
    // SQLITE_FULL is known to have kept nothing; any other failure of a commit may have reached the disk.
    const unknown = committing && code !== "SQLITE_FULL" && !code.startsWith("SQLITE_BUSY");
    if (unknown || /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(code)) {
      this.#poison =
        `${doing}: the disk failed while syncing (${code || reasonOf(error)}), so nothing more is ` +
        "acknowledged; look at the disk, then start the relay again";
    }
    if (unknown) return storeFault("store/unknown", this.#poison ?? doing, error);
    return storeFault("store/unavailable", `${doing}: ${reasonOf(error)}`, error);
  }

  /** Runs `work` in one transaction, durable when this returns. */
  #transaction<T>(work: () => T): T {
    this.#refuseToWrite();
    let committing = false;
    try {
      this.#sql.begin.run();
      this.#forgetWhatOthersWrote();
      const result = work();
      committing = true;
      this.#sql.commit.run();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback();
      if (error instanceof StaleRow) {
        this.#cache.clear();
        throw error;
      }
      throw this.#failed(error, committing);
    }
  }

  #rollback(): void {
    try {
      this.#sql.rollback.run();
    } catch (error) {
      this.#poison = `Cannot roll back in ${this.#path}: ${reasonOf(error)}; start the relay again`;
    }
  }

  #forgetWhatOthersWrote(): void {
    const version = this.#sql.dataVersion.get()?.data_version ?? -1;
    if (version !== this.#dataVersion) this.#cache.clear();
    this.#dataVersion = version;
  }

  /** As MailboxStore.commit. */
  commit(batch: readonly CheckedCommand[], options: BatchOptions): readonly Outcome[] {
    if (this.#disk.lack !== "grow") return this.#commit(batch, options);
    const kept = batch.filter((command) => !grows(command));
    if (kept.length === 0) throw this.#lacksRoom();
    const outcomes = this.#commit(kept, options).values();
    return batch.map((command) => (grows(command) ? NO_ROOM : (outcomes.next().value ?? NO_ROOM)));
  }

  #commit(batch: readonly CheckedCommand[], options: BatchOptions): readonly Outcome[] {
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#commitOnce(batch, options);
      } catch (error) {
        if (!(error instanceof StaleRow)) throw error;
        if (tries >= STALE_TRIES_MAX) {
          throw storeFault("store/unavailable", `Cannot write to ${this.#path}: ${error.message}`, error);
        }
      }
    }
  }

  #commitOnce(batch: readonly CheckedCommand[], options: BatchOptions): readonly Outcome[] {
    const { plan, written } = this.#transaction(() => {
      const { loaded, cached } = loadBatch(this.#sql, this.#cache, {
        commands: batch,
        nowMs: options.nowMs,
      });
      const decided = decideBatch(loaded, batch, { ...options, digest });
      return { plan: decided, written: writePlan(this.#sql, decided, cached) };
    });
    this.#done += 4 + batch.length;
    for (const [key, mailbox] of written.mailboxes) this.#cache.set(key, mailbox);
    return plan.outcomes.map(withoutBody);
  }

  /**
   * Looks after the log: moves it into the file once it is long, and keeps room behind it. Called between batches
   * and pieces of a sweep, after their answers have left. A failure ends the store as a failed commit does: what was acknowledged is
   * still in the log.
   */
  tend(): void {
    if (this.#poison !== null || (this.#done < LOOK_AFTER && this.#disk.lack === null)) return;
    this.#done = 0;
    try {
      const { frames } = this.#log();
      this.#room.make(frames);
      if (frames >= CHECKPOINT_FRAMES || this.#wasFull) this.#sql.checkpoint.run();
      this.#wasFull = false;
      this.#lookForRoom();
    } catch (error) {
      if (waits(error)) return;
      this.#poison =
        `Cannot write to ${this.#path}: moving the log into the file failed (${codeOf(error) || reasonOf(error)}); ` +
        "look at the disk, then start the relay again";
    }
  }

  /** Runs `work` in a transaction that writes nothing, and keeps others from writing. */
  #alone(work: () => void): void {
    this.#sql.begin.run();
    try {
      work();
    } finally {
      this.#sql.rollback.run();
    }
  }

  /** How many frames the log has, and how many of them the file lacks. */
  #log(): { readonly frames: number; readonly waiting: number } {
    const [, frames, moved] = this.#sql.logFrames.values()[0] ?? [];
    if (typeof frames !== "number" || typeof moved !== "number") return { frames: 0, waiting: 0 };
    return { frames, waiting: frames - moved };
  }

  #lookForRoom(): void {
    const pages = this.#sql.pages.get();
    if (pages !== null) this.#disk.look({ pages, isHeldUp: this.#log().waiting > LOG_FRAMES_MAX });
  }

  mailbox(id: MailboxId): MailboxRow | null {
    this.#forgetWhatOthersWrote();
    return loadMailbox(this.#sql, this.#cache, id)?.row ?? null;
  }

  #box(id: MailboxId): { readonly box: number; readonly size: number } | null {
    this.#forgetWhatOthersWrote();
    const found = loadMailbox(this.#sql, this.#cache, id);
    return found === undefined || found.row.deleted ? null : { box: found.box, size: found.row.size };
  }

  read(id: MailboxId, range: ReadRange): StoredEntry[] {
    const found = this.#box(id);
    const entries: StoredEntry[] = [];
    if (found === null || range.from >= found.size) return entries;
    let bytes = 0;
    for (const record of this.#sql.range.iterate(found.box, range.from, found.size, range.entriesMax)) {
      bytes += record.content?.length ?? 0;
      if (entries.length > 0 && bytes > range.bytesMax) break;
      entries.push(storedEntry(record));
    }
    return entries;
  }

  nodes(id: MailboxId, wanted: readonly NodePlace[]): Hash[] {
    const found = this.#box(id);
    return wanted.map(({ level, index }) => {
      // A node stands with the last leaf that it covers.
      const seq = (index + 1) * 2 ** level - 1;
      assert(found !== null && seq < found.size, "proofs ask for nodes within the committed size");
      const nodes = this.#sql.nodes.get(found.box, seq)?.nodes;
      const at = level * HASH_BYTES;
      if (nodes === undefined || nodes.length < at + HASH_BYTES) {
        throw storeFault(
          "store/corrupt",
          `Entry ${seq} lacks the hash of level ${level}; \`dchat database check\` names what is damaged`,
        );
      }
      return hash(nodes.slice(at, at + HASH_BYTES));
    });
  }

  /** As MailboxStore.receipts. */
  receipts(id: MailboxId, readers: readonly PublicKey[]): Receipt[] {
    const found = this.#box(id);
    if (found === null) return [];
    const records = readers.flatMap((reader) => this.#sql.receipt.get(found.box, reader) ?? []);
    return soundReceipts(id, records);
  }

  /** As MailboxStore.sweep. */
  sweep(nowMs: number): boolean {
    const { more, changed, damage } = this.#transaction(() => sweepSqlite(this.#db, nowMs));
    this.#done += LOOK_AFTER;
    this.#cache.forget(changed);
    if (damage !== null) throw damage;
    return more;
  }

  counts(): StoreCounts {
    return this.#sql.total.get() ?? { mailboxes: 0, entries: 0, bytes: 0 };
  }

  /** As MailboxStore.claim. */
  claim(by: PublicKey | null): PublicKey | null {
    const record = this.#sql.relay.get();
    if (by === null || !mayNote(record, by)) return relayOf(record);
    return this.#transaction(() => {
      if (mayNote(this.#sql.relay.get(), by)) this.#sql.claim.run(by, relaySum(by));
      return relayOf(this.#sql.relay.get());
    });
  }

  /** As MailboxStore.probe. */
  probe(bytes: number | null): void {
    if (this.#disk.lack !== null) this.tend();
    this.#refuseToWrite();
    if (this.#disk.lack !== null) throw this.#lacksRoom();
    // A write and a sync all the while would keep an idle disk awake, and wear it.
    if (bytes === null) return;
    if (bytes > 0) this.#tryRoom(bytes);
    this.#transaction(() => this.#sql.probe.run());
  }

  /** In a file of its own: the log has room ahead, so a small commit succeeds on a full disk too. */
  #tryRoom(bytes: number): void {
    const path = `${this.#path}-room`;
    try {
      writeFileSync(path, new Uint8Array(bytes), { mode: PRIVATE });
    } catch (error) {
      throw storeFault("store/unavailable", `Cannot write to ${this.#path}: ${reasonOf(error)}`, error);
    } finally {
      rmSync(path, { force: true });
    }
  }

  /**
   * Moves the log into the file and closes it; leaves both as they are after a failure, and where the disk is full
   * or somebody reads: the next opening takes what the log holds.
   */
  close(): void {
    try {
      if (this.#poison === null) this.#db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      if (!waits(error)) throw error;
    } finally {
      for (const statement of this.#sql.all) statement.finalize();
      this.#room[Symbol.dispose]();
      this.#db.close();
    }
  }
}
