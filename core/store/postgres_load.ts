/** Loads what a batch touches, with the rows that it will write locked. */
import { limit, type MailboxId, type PublicKey } from "../ground/mod.ts";
import {
  type EntryRow,
  type Loaded,
  type LoadKeys,
  loadKeys,
  type MailboxRow,
  packageKeys,
  type PackageKeys,
  type ReaderRow,
  type TurnRow,
} from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { hex } from "./hashes.ts";
import { bytesArray, numberArray } from "./postgres_array.ts";
import type { Sql } from "./postgres_connect.ts";
import {
  type EntryRecord,
  entryRow,
  type MailboxRecord,
  mailboxRow,
  type ReaderRecord,
  readerRow,
  relayOf,
  type RelayRecord,
  type TurnRecord,
  turnRow,
} from "./row.ts";

type In<T> = T & { readonly mailbox: Uint8Array };

/** Columns of a mailbox, as the schema's properties name them. */
export const mailboxColumns = (sql: Sql) => sql`
  id, generation, term, owner, writer, entries_max AS "entriesMax", bytes_max AS "bytesMax", ttl_ms AS "ttlMs",
  retention_ms AS "retentionMs", size, peaks, turn, version, floor, entries_held AS "entriesHeld",
  bytes_held AS "bytesHeld", created_ms AS "createdMs", deleted, started_size AS "startedSize",
  started_root AS "startedRoot", started_ms AS "startedMs", sum, swept, sweep_ms AS "sweepMs",
  reader_sum AS "readerSum", receipt_sum AS "receiptSum"`;

/** Columns of an entry but for its body. */
export const entryColumns = (sql: Sql) => sql`
  e.mailbox, e.seq, e.id, e.generation, e.turn, e.kind, e.slot, e.time_ms AS "timeMs",
  e.expiry_ms AS "expiryMs", e.entry_hash AS "entryHash", e.nodes, e.taken_by AS "takenBy", e.bytes, e.sum`;

const READING = new Set(["describe", "read", "subscribe", "proveInclusion", "proveConsistency"]);

/** The mailboxes that a batch may write to: reading alone locks nothing, so it costs the server no sync. */
function written(commands: readonly CheckedCommand[]): Set<string> {
  const found = new Set<string>();
  for (const { authentic, authority, body } of commands) {
    if (authentic && !READING.has(body.op)) found.add(hex(authority.mailbox));
  }
  return found;
}

/**
 * Mailboxes by id; those in `lock` stay locked until the transaction ends, in one order for all who lock. The
 * locking statement leaves before this returns, so that what is sent after it sees what the locks protect.
 */
async function selectMailboxes(
  sql: Sql,
  ids: readonly MailboxId[],
  lock: ReadonlySet<string>,
): Promise<MailboxRecord[]> {
  const locked = ids.filter((id) => lock.has(hex(id)));
  const free = ids.filter((id) => !lock.has(hex(id)));
  const [a, b] = await Promise.all([
    locked.length === 0
      ? []
      : sql<MailboxRecord[]>`SELECT ${mailboxColumns(sql)} FROM mailbox
          WHERE id = ANY(${bytesArray(locked)}::bytea[]) ORDER BY id FOR UPDATE`.execute(),
    free.length === 0
      ? []
      : sql<
          MailboxRecord[]
        >`SELECT ${mailboxColumns(sql)} FROM mailbox WHERE id = ANY(${bytesArray(free)}::bytea[])`,
  ]);
  return [...a, ...b];
}

/** Whose mailboxes these are; null where it isn't noted. */
export async function selectRelay(sql: Sql): Promise<PublicKey | null> {
  const [row] = await sql<
    RelayRecord[]
  >`SELECT relay, relay_sum AS "relaySum" FROM dchat_state WHERE number = 1`;
  return relayOf(row);
}

/** Readers of mailboxes, by the mailbox's hex id. */
export async function selectReaders(sql: Sql, ids: readonly Uint8Array[]): Promise<Map<string, ReaderRow[]>> {
  const rows = await sql<In<ReaderRecord>[]>`SELECT mailbox, key, cursor, lapsed, sum FROM reader
    WHERE mailbox = ANY(${bytesArray(ids)}::bytea[]) ORDER BY mailbox, key`;
  const readers = new Map<string, ReaderRow[]>();
  for (const row of rows) {
    const key = hex(row.mailbox);
    const found = readers.get(key);
    if (found === undefined) readers.set(key, [readerRow(row)]);
    else found.push(readerRow(row));
  }
  return readers;
}

async function selectEntries(sql: Sql, keys: LoadKeys["entries"]): Promise<readonly In<EntryRecord>[]> {
  if (keys.length === 0) return [];
  return sql<In<EntryRecord>[]>`SELECT ${entryColumns(sql)} FROM entry e
    JOIN unnest(${bytesArray(keys.map((each) => each.mailbox))}::bytea[],
                ${bytesArray(keys.map((each) => each.id))}::bytea[]) AS k(mailbox, id)
      ON e.mailbox = k.mailbox AND e.id = k.id`;
}

async function selectTurns(sql: Sql, keys: LoadKeys["turns"]): Promise<readonly In<TurnRecord>[]> {
  if (keys.length === 0) return [];
  return sql<
    In<TurnRecord>[]
  >`SELECT t.mailbox, t.turn, t.writer, t.first_seq AS "firstSeq", t.sum FROM turn t
    JOIN unnest(${bytesArray(keys.map((each) => each.mailbox))}::bytea[],
                ${numberArray(keys.map((each) => each.turn))}::bigint[]) AS k(mailbox, turn)
      ON t.mailbox = k.mailbox AND t.turn = k.turn`;
}

/** What waits, and what the takes got before. */
async function selectPackages(sql: Sql, wanted: PackageKeys, nowMs: number): Promise<EntryRow[]> {
  const { mailbox, takes } = wanted;
  const [waiting, taken] = await Promise.all([
    sql<EntryRecord[]>`SELECT ${entryColumns(sql)} FROM entry e
      WHERE e.mailbox = ${mailbox} AND e.kind >= 2 AND e.taken_by IS NULL AND e.body IS NOT NULL
        AND e.expiry_ms > ${nowMs} ORDER BY e.seq LIMIT ${limit.PACKAGES_MAX}`,
    sql<EntryRecord[]>`SELECT ${entryColumns(sql)} FROM entry e
      WHERE e.mailbox = ${mailbox} AND e.taken_by = ANY(${bytesArray(takes)}::bytea[])`,
  ]);
  return [...waiting, ...taken].map(entryRow).sort((a, b) => a.seq - b.seq);
}

/** Packages by the mailbox's hex id. Whose they may be is known by now, so these go to the server behind the rest. */
async function selectAllPackages(
  sql: Sql,
  keys: readonly PackageKeys[],
  nowMs: number,
): Promise<Map<string, readonly EntryRow[]>> {
  const found = await Promise.all(keys.map((wanted) => selectPackages(sql, wanted, nowMs)));
  return new Map(keys.map(({ mailbox }, at) => [hex(mailbox), found[at] ?? []]));
}

/** Loads for `commands` in the transaction that will write. All statements but those for packages go together. */
export async function loadPostgres(
  sql: Sql,
  commands: readonly CheckedCommand[],
  nowMs: number,
): Promise<Loaded> {
  const keys = loadKeys(commands);
  const [boxes, readers, found, turnRows] = await Promise.all([
    selectMailboxes(sql, keys.mailboxes, written(commands)),
    selectReaders(sql, keys.mailboxes),
    selectEntries(sql, keys.entries),
    selectTurns(sql, keys.turns),
  ]);
  const mailboxes = new Map<string, MailboxRow>();
  for (const record of boxes) {
    const key = hex(record.id);
    mailboxes.set(key, mailboxRow(record, readers.get(key) ?? []));
  }
  const entries = new Map<string, EntryRow>();
  for (const record of found) entries.set(hex(record.mailbox) + hex(record.id), entryRow(record));
  const turns = new Map<string, TurnRow>();
  for (const record of turnRows) turns.set(`${hex(record.mailbox)}:${record.turn}`, turnRow(record));
  const packages = await selectAllPackages(sql, packageKeys(commands, mailboxes), nowMs);
  return { mailboxes, entries, turns, packages };
}
