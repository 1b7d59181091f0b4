/** Loads what a batch touches, with the rows that it will write locked. */
import { limit, type MailboxId, PUBLIC_KEY_BYTES, type PublicKey } from "../../ground/mod.ts";
import {
  type Asked,
  type EntryRow,
  type Loaded,
  type LoadKeys,
  loadKeys,
  type MailboxRow,
  packageKeys,
  type PackageKeys,
  type ReaderRow,
  type TurnRow,
} from "../../mailbox/mod.ts";
import type { CheckedCommand } from "../../wire/mod.ts";
import { hex } from "../hashes.ts";
import { booleanArray, bytesArray, numberArray } from "./array.ts";
import type { Sql } from "./connect.ts";
import {
  type EntryRecord,
  entryRow,
  type MailboxRecord,
  mailboxRow,
  mayNote,
  type ReaderRecord,
  readerRow,
  relayOf,
  type RelayRecord,
  type TurnRecord,
  turnRow,
} from "../row.ts";
import { relaySum } from "../row_sum.ts";

type In<T> = T & { readonly mailbox: Uint8Array };

/** Columns of a mailbox, as the schema's properties name them. */
export const mailboxColumns = (sql: Sql) => sql`
  id, generation, term, owner, writer, entries_max AS "entriesMax", bytes_max AS "bytesMax", ttl_ms AS "ttlMs",
  retention_ms AS "retentionMs", size, peaks, turn, version, floor, entries_held AS "entriesHeld",
  bytes_held AS "bytesHeld", created_ms AS "createdMs", deleted, started_size AS "startedSize",
  started_root AS "startedRoot", started_ms AS "startedMs", sum, swept, sweep_ms AS "sweepMs",
  reader_sum AS "readerSum", receipt_sum & 4294967295 AS "receiptSum"`;

/** Columns of an entry but for its body. */
export const entryColumns = (sql: Sql) => sql`
  e.mailbox, e.seq, e.id, e.generation, e.turn, e.kind, e.slot, e.time_ms AS "timeMs",
  e.expiry_ms AS "expiryMs", e.entry_hash AS "entryHash", e.nodes, e.taken_by AS "takenBy", e.bytes, e.sum`;

const READING = new Set(["describe", "read", "subscribe", "receipts", "proveInclusion", "proveConsistency"]);

/** The mailboxes that a batch may write to: reading alone locks nothing, so it costs the server no sync. */
function written(commands: readonly CheckedCommand[]): Set<string> {
  const found = new Set<string>();
  for (const { authentic, authority, body } of commands) {
    if (authentic && !READING.has(body.op)) found.add(hex(authority.mailbox));
  }
  return found;
}

/** Of a mailbox's readers, one after the other: key, cursor, whether it lapsed. In one statement with the row, so from one snapshot. */
const readerBytes = (sql: Sql) => sql`(SELECT string_agg(r.key || int8send(r.cursor) || boolsend(r.lapsed),
  ''::bytea ORDER BY r.key) FROM reader r WHERE r.mailbox = mailbox.id) AS readers`;
const READER_BYTES = PUBLIC_KEY_BYTES + 8 + 1;

/** What `readerBytes` gave; null where there are none. */
function splitReaders(bytes: Uint8Array | null): ReaderRow[] {
  if (bytes === null) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.ceil(bytes.length / READER_BYTES) }, (_, at) => {
    const one = bytes.subarray(at * READER_BYTES, (at + 1) * READER_BYTES);
    const key = one.subarray(0, PUBLIC_KEY_BYTES);
    // A key of another length shows here, before its numbers are read from elsewhere.
    if (one.length < READER_BYTES) return readerRow({ key: one, cursor: 0, lapsed: false, sum: 0 });
    const cursor = Number(view.getBigInt64(at * READER_BYTES + PUBLIC_KEY_BYTES));
    return readerRow({ key, cursor, lapsed: one.at(-1) === 1, sum: 0 });
  });
}

/** Of which mailboxes' rows a statement's condition holds: those of `asked` for which `isAsked` says yes. */
function areAsked(sql: Sql, asked: readonly Asked[]) {
  const all = asked.flatMap(({ id, isMade, askers }) => askers.map((by) => ({ id, isMade, ...by })));
  return sql`id = ANY(${bytesArray(asked.map(({ id }) => id))}::bytea[])
    AND EXISTS (SELECT 1 FROM unnest(${bytesArray(all.map(({ id }) => id))}::bytea[],
        ${bytesArray(all.map(({ key }) => key))}::bytea[], ${numberArray(all.map(({ turn }) => turn ?? -1))}::bigint[],
        ${booleanArray(all.map(({ isMade }) => isMade))}::boolean[]) AS k(mailbox, key, turn, made)
      WHERE k.mailbox = mailbox.id AND (k.made OR k.key = mailbox.owner OR k.key = mailbox.writer
        OR EXISTS (SELECT 1 FROM reader a WHERE a.mailbox = k.mailbox AND a.key = k.key)
        OR EXISTS (SELECT 1 FROM turn t WHERE t.mailbox = k.mailbox AND t.turn = k.turn AND t.writer = k.key)))`;
}

type Fragment = ReturnType<typeof areAsked>;

/** Mailboxes as they were committed, each with its readers of then. */
async function selectMailboxes(sql: Sql, which: Fragment): Promise<MailboxRow[]> {
  const rows = await sql<(MailboxRecord & { readonly readers: Uint8Array | null })[]>`
    SELECT ${mailboxColumns(sql)}, ${readerBytes(sql)} FROM mailbox WHERE ${which}`;
  return rows.map((record) => mailboxRow(record, splitReaders(record.readers)));
}

/** A mailbox as it was committed, with its readers of then; null where it isn't there. */
export async function selectMailbox(sql: Sql, id: MailboxId): Promise<MailboxRow | null> {
  return (await selectMailboxes(sql, sql`id = ${id}`))[0] ?? null;
}

/**
 * Mailboxes that stay locked until the transaction ends, in one order for all who lock. The locking statement leaves
 * before this returns, so that what is sent after it sees what the locks protect; so do the readers, which in one
 * statement with it would be those from before it waited.
 */
async function lockMailboxes(sql: Sql, asked: readonly Asked[]): Promise<MailboxRow[]> {
  if (asked.length === 0) return [];
  const [records, readers] = await Promise.all([
    sql<MailboxRecord[]>`SELECT ${mailboxColumns(sql)} FROM mailbox
      WHERE ${areAsked(sql, asked)} ORDER BY id FOR UPDATE`.execute(),
    selectReaders(sql, sql`(SELECT id FROM mailbox WHERE ${areAsked(sql, asked)})`),
  ]);
  return records.map((record) => mailboxRow(record, readers.get(hex(record.id)) ?? []));
}

/** Whose mailboxes these are; null where it isn't noted. */
export async function selectRelay(sql: Sql): Promise<PublicKey | null> {
  const [row] = await sql<
    RelayRecord[]
  >`SELECT relay, relay_sum AS "relaySum" FROM dchat_state WHERE number = 1`;
  return relayOf(row);
}

/** Notes that they are `by`'s, where nobody or nobody else is noted. */
export async function noteRelay(sql: Sql, by: PublicKey): Promise<void> {
  const [row] = await sql<
    RelayRecord[]
  >`SELECT relay, relay_sum AS "relaySum" FROM dchat_state WHERE number = 1 FOR UPDATE`;
  if (!mayNote(row, by)) return;
  await sql`UPDATE dchat_state SET relay = ${by}, relay_sum = ${relaySum(by)} WHERE number = 1`;
}

/** Readers of the mailboxes that `ids` selects, by the mailbox's hex id. */
async function selectReaders(sql: Sql, ids: Fragment): Promise<Map<string, ReaderRow[]>> {
  const rows = await sql<In<ReaderRecord>[]>`SELECT mailbox, key, cursor, lapsed, sum FROM reader
    WHERE mailbox IN ${ids} ORDER BY mailbox, key`;
  const readers = new Map<string, ReaderRow[]>();
  for (const row of rows) {
    const key = hex(row.mailbox);
    const found = readers.get(key);
    if (found === undefined) readers.set(key, [readerRow(row)]);
    else found.push(readerRow(row));
  }
  return readers;
}

/** Readers of one mailbox. */
export async function selectReadersOf(sql: Sql, id: Uint8Array): Promise<ReaderRow[]> {
  return (await selectReaders(sql, sql`(${id})`)).get(hex(id)) ?? [];
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
  const lock = written(commands);
  const toRead = keys.mailboxes.filter(({ id }) => !lock.has(hex(id)));
  const [locked, free, found, turnRows] = await Promise.all([
    lockMailboxes(
      sql,
      keys.mailboxes.filter(({ id }) => lock.has(hex(id))),
    ),
    toRead.length === 0 ? [] : selectMailboxes(sql, areAsked(sql, toRead)),
    selectEntries(sql, keys.entries),
    selectTurns(sql, keys.turns),
  ]);
  const mailboxes = new Map<string, MailboxRow>();
  for (const row of [...locked, ...free]) mailboxes.set(hex(row.id), row);
  const entries = new Map<string, EntryRow>();
  for (const record of found) entries.set(hex(record.mailbox) + hex(record.id), entryRow(record));
  const turns = new Map<string, TurnRow>();
  for (const record of turnRows) turns.set(`${hex(record.mailbox)}:${record.turn}`, turnRow(record));
  const packages = await selectAllPackages(sql, packageKeys(commands, mailboxes), nowMs);
  return { mailboxes, entries, turns, packages };
}
