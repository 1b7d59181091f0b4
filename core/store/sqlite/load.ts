/** Loads what a batch touches, from the cache of committed rows where it can. */
import type { EntryId } from "../../ground/mod.ts";
import {
  type Asked,
  type EntryRow,
  isAsked,
  type Loaded,
  loadKeys,
  type MailboxRow,
  packageKeys,
  type TurnRow,
} from "../../mailbox/mod.ts";
import type { CheckedCommand } from "../../wire/mod.ts";
import { hex } from "../hashes.ts";
import { type CachedMailbox, rememberTurn, type RowCache } from "../row_cache.ts";
import { entryRow, mailboxRow, readerRow, type SqliteMailbox, turnRow } from "../row.ts";
import type { SqliteStatements } from "./statements.ts";

/** What was loaded, and the cached mailboxes that it came from by hex id. */
export interface LoadedBatch {
  readonly loaded: Loaded;
  readonly cached: ReadonlyMap<string, CachedMailbox>;
}

/** The committed mailbox with its number, from the cache or the database; undefined where there is none. */
export function loadMailbox(
  sql: SqliteStatements,
  cache: RowCache,
  id: Uint8Array,
): CachedMailbox | undefined {
  const key = hex(id);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const record = sql.mailboxById.get(id);
  return record === null ? undefined : remember(sql, cache, record);
}

function remember(sql: SqliteStatements, cache: RowCache, record: SqliteMailbox): CachedMailbox {
  const readers = sql.readers.all(record.box).map(readerRow);
  const found: CachedMailbox = { box: record.box, row: mailboxRow(record, readers), turns: new Map() };
  cache.set(hex(record.id), found);
  return found;
}

/** The same for a batch; undefined also where nobody who asks may. */
function loadAsked(sql: SqliteStatements, cache: RowCache, asked: Asked): CachedMailbox | undefined {
  const known = cache.get(hex(asked.id));
  if (known !== undefined) return known;
  const record = sql.mailboxById.get(asked.id);
  if (record === null) return undefined;
  const { box } = record;
  const may = isAsked(asked, {
    ...mailboxRow(record, []),
    isReader: (key) => sql.isReader.get(box, key) !== null,
    writerOf(turn) {
      const found = sql.turn.get(box, turn);
      return found === null ? null : turnRow(found).writer;
    },
  });
  return may ? remember(sql, cache, record) : undefined;
}

function loadTurn(sql: SqliteStatements, mailbox: CachedMailbox, number: number): TurnRow | null {
  // None has begun that is later than the one that runs.
  if (number > mailbox.row.turn) return null;
  const known = mailbox.turns.get(number);
  if (known !== undefined) return known;
  const record = sql.turn.get(mailbox.box, number);
  if (record === null) return null;
  const found = turnRow(record);
  rememberTurn(mailbox, found);
  return found;
}

function loadPackages(
  sql: SqliteStatements,
  wanted: { readonly box: number; readonly takes: readonly EntryId[] },
  nowMs: number,
): EntryRow[] {
  const rows = sql.packages.all(wanted.box, nowMs).map(entryRow);
  for (const take of wanted.takes) rows.push(...sql.taken.all(wanted.box, take).map(entryRow));
  return rows.sort((a, b) => a.seq - b.seq);
}

/** Loads for `commands`, inside the transaction that will write. */
export function loadBatch(
  sql: SqliteStatements,
  cache: RowCache,
  { commands, nowMs }: { readonly commands: readonly CheckedCommand[]; readonly nowMs: number },
): LoadedBatch {
  const keys = loadKeys(commands);
  const cached = new Map<string, CachedMailbox>();
  const mailboxes = new Map<string, MailboxRow>();
  const entries = new Map<string, EntryRow>();
  const turns = new Map<string, TurnRow>();
  const packages = new Map<string, readonly EntryRow[]>();
  for (const asked of keys.mailboxes) {
    const found = loadAsked(sql, cache, asked);
    if (found === undefined) continue;
    const key = hex(asked.id);
    cached.set(key, found);
    mailboxes.set(key, found.row);
  }
  for (const { mailbox, id } of keys.entries) {
    const key = hex(mailbox);
    const found = cached.get(key);
    const record = found === undefined ? null : sql.entryById.get(found.box, id);
    if (record !== null) entries.set(key + hex(id), entryRow(record));
  }
  for (const { mailbox, turn } of keys.turns) {
    const key = hex(mailbox);
    const found = cached.get(key);
    const row = found === undefined ? null : loadTurn(sql, found, turn);
    if (row !== null) turns.set(`${key}:${turn}`, row);
  }
  for (const { mailbox, takes } of packageKeys(commands, mailboxes)) {
    const key = hex(mailbox);
    const found = cached.get(key);
    if (found !== undefined) packages.set(key, loadPackages(sql, { box: found.box, takes }, nowMs));
  }
  return { loaded: { mailboxes, entries, turns, packages }, cached };
}
