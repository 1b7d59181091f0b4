/** What tests of `dchat database` share: places for relays on both kinds of store, filled with all that there is. */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startPostgres } from "../../../test/harness/postgres.ts";
import { entryId, isFault, type MailboxId } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import { key, NOW_MS, OPTIONS, Owner, plain, random } from "../../store/conformance/data.ts";
import { openStore } from "../../store/mod.ts";
import { loadConfig } from "../config.ts";
import { type DatabaseOptions } from "../database.ts";
import { openDataDir } from "../data_dir.ts";

export const KINDS = ["sqlite", "postgres"] as const;
export type Kind = (typeof KINDS)[number];

export interface Places extends AsyncDisposable {
  /** A relay's place: a directory of its own, and a database of its own where it's PostgreSQL. */
  place(kind: Kind): Promise<DatabaseOptions>;
  /** A path where no file is. */
  file(): string;
}

/** Starts a PostgreSQL and makes a folder; both go with it. */
export async function openPlaces(): Promise<Places> {
  const server = await startPostgres();
  const folder = mkdtempSync(join(tmpdir(), "dchat-database-"));
  let count = 0;
  return {
    async place(kind) {
      const dir = join(folder, `relay-${(count += 1)}`);
      openDataDir(dir)[Symbol.dispose]();
      const env: Record<string, string> = { DCHAT_RELAY_DATA_DIR: dir };
      if (kind === "postgres") env["DCHAT_DATABASE_URL"] = await server.database();
      const { config } = loadConfig({ env, flags: {} });
      return { config, env, nowMs: NOW_MS + 1_000_000_000 };
    },
    file: () => join(folder, `${(count += 1)}.jsonl`),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function dirOf({ config }: DatabaseOptions): string {
  return config.relay.data_dir ?? "";
}

/** Where the store is on SQLite. */
export function pathOf(options: DatabaseOptions): string {
  return join(dirOf(options), "relay.sqlite");
}

/** The store as a relay opens it. */
export function open(options: DatabaseOptions): Promise<MailboxStore> {
  return openStore({ url: options.config.database.url ?? null, path: pathOf(options) }, { aloneMs: 0 });
}

/** Mailboxes with all that there is: turns, readers, receipts, packages taken and waiting, tombstones, a deleted one. */
export async function fill(options: DatabaseOptions): Promise<{ ids: MailboxId[]; deleted: MailboxId }> {
  await using store = await open(options);
  const owners = [new Owner({ readers: 2 }), new Owner(), new Owner()];
  const gone = new Owner();
  for (const owner of [...owners, gone]) {
    const [reader = key()] = owner.readers;
    const writer = key();
    const change = { writer, added: [key()], removed: [] };
    await store.commit(
      [owner.create(), owner.append(), owner.append(), owner.append({ kind: "control", change })],
      OPTIONS,
    );
    await store.commit(
      [
        owner.append({ kind: "package", slot: 1, turn: 1 }),
        owner.append({ kind: "package", slot: 1, turn: 1 }),
        owner.append({ turn: 1, by: writer, entry: new Uint8Array(4096).fill(9) }),
        owner.command(writer, { op: "take", take: entryId(random(16)) }),
        owner.acknowledge(reader, 2),
      ],
      OPTIONS,
    );
  }
  await store.commit([gone.command(gone.owner, { op: "delete" })], OPTIONS);
  while (await store.sweep(NOW_MS));
  return { ids: owners.map((owner) => owner.mailbox), deleted: gone.mailbox };
}

/** What a store says of mailboxes, comparable between both kinds. */
export async function all(options: DatabaseOptions, ids: readonly MailboxId[]): Promise<unknown> {
  await using store = await open(options);
  const found = [];
  for (const id of ids) {
    const row = await store.mailbox(id);
    const entries = await store.read(id, { from: 0, bytesMax: 1e9, entriesMax: 1000 });
    const readers = row?.readers.toSorted((a, b) => (a.key.toHex() < b.key.toHex() ? -1 : 1));
    found.push({ row: { ...row, readers }, entries });
  }
  return plain(found);
}

/** Runs a statement on the database itself, as a fault of a disk would. */
export async function sql(options: DatabaseOptions, statement: string): Promise<Record<string, unknown>[]> {
  const { url } = options.config.database;
  if (url === undefined) {
    using db = new Database(pathOf(options));
    return db.query<Record<string, unknown>, []>(statement).all();
  }
  const client = postgres(url, { max: 1, onnotice: () => {} });
  const rows = await client.unsafe<Record<string, unknown>[]>(statement);
  await client.end();
  return [...rows];
}

/** The code of what `work` throws; "done" where it throws nothing. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.code;
  }
}

export async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk;
}
