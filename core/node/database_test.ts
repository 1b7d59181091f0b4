import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres, type TestPostgres } from "../../test/harness/postgres.ts";
import { entryId, isFault, type MailboxId } from "../ground/mod.ts";
import type { MailboxStore } from "../mailbox/mod.ts";
import { key, NOW_MS, OPTIONS, Owner, plain, random } from "../store/conformance_data.ts";
import { openStore } from "../store/mod.ts";
import { loadConfig } from "./config.ts";
import {
  backupDatabase,
  checkDatabase,
  type DatabaseOptions,
  databaseStatus,
  exportDatabase,
  importDatabase,
  migrateDatabase,
  restoreDatabase,
} from "./database.ts";
import { openDataDir } from "./data_dir.ts";

let server: TestPostgres;
const folder = mkdtempSync(join(tmpdir(), "dchat-database-"));
let places = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A relay's place: a directory of its own, and a database of its own where it's PostgreSQL. */
async function place(kind: "sqlite" | "postgres"): Promise<DatabaseOptions> {
  places += 1;
  const dir = join(folder, `relay-${places}`);
  openDataDir(dir)[Symbol.dispose]();
  const env: Record<string, string> = { DCHAT_RELAY_DATA_DIR: dir };
  if (kind === "postgres") env["DCHAT_DATABASE_URL"] = await server.database();
  const { config } = loadConfig({ env, flags: {} });
  return { config, env, nowMs: NOW_MS + 1_000_000_000 };
}

function pathOf(options: DatabaseOptions): string {
  return join(options.config.relay.data_dir ?? "", "relay.sqlite");
}

function open(options: DatabaseOptions): Promise<MailboxStore> {
  return openStore({ url: options.config.database.url ?? null, path: pathOf(options) });
}

/** Mailboxes with all that there is: turns, readers, receipts, packages taken and waiting, tombstones, a deleted one. */
async function fill(options: DatabaseOptions): Promise<{ ids: MailboxId[]; deleted: MailboxId }> {
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

async function all(options: DatabaseOptions, ids: readonly MailboxId[]): Promise<unknown> {
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

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.code;
  }
}

const KINDS = ["sqlite", "postgres"] as const;

for (const kind of KINDS) {
  describe(`dchat database on ${kind}`, () => {
    test("checkDatabase() finds a sound store sound, while a relay works on it", async () => {
      const here = await place(kind);
      await fill(here);
      await using store = await open(here);
      expect((await store.counts()).mailboxes).toBe(3);
      const { damage, ...counts } = await checkDatabase(here);
      expect(damage).toEqual([]);
      expect(counts).toEqual(await store.counts());
    });

    test("backupDatabase() while the relay runs, restoreDatabase() elsewhere: the same, one generation on", async () => {
      const here = await place(kind);
      const { ids, deleted } = await fill(here);
      const file = join(folder, `${places}.jsonl`);
      {
        await using _ = await open(here);
        await backupDatabase({ ...here, file });
      }
      for (const to of KINDS) {
        const there = await place(to);
        expect((await restoreDatabase({ ...there, file })).mailboxes).toBe(3);
        expect((await checkDatabase(there)).damage).toEqual([]);
        await using store = await open(there);
        for (const id of ids) {
          const row = await store.mailbox(id);
          expect(row?.generation).toBe(Math.floor(there.nowMs / 1000));
          expect(row?.started?.size).toBe(row?.size ?? -1);
          expect(row?.term).toBe(2);
        }
        expect((await store.mailbox(deleted))?.deleted).toBe(true);
        const entries = await store.read(ids[1] ?? deleted, { from: 0, bytesMax: 1e9, entriesMax: 100 });
        expect(entries.map((entry) => entry.entry === null)).toEqual([
          true,
          true,
          false,
          false,
          false,
          false,
        ]);
      }
    });

    test("exportDatabase() into importDatabase() moves a store as it is", async () => {
      const here = await place(kind);
      const { ids, deleted } = await fill(here);
      const chunks: Uint8Array[] = [];
      await exportDatabase({ ...here, sink: async (bytes) => void chunks.push(bytes.slice()) });
      for (const to of KINDS) {
        const there = await place(to);
        await importDatabase({ ...there, source: stream(chunks) });
        expect(await all(there, [...ids, deleted])).toEqual(await all(here, [...ids, deleted]));
        expect((await checkDatabase(there)).damage).toEqual([]);
      }
    });

    test("restoreDatabase() refuses what is cut, changed, foreign, and a store that isn't empty, and keeps nothing", async () => {
      const here = await place(kind);
      await fill(here);
      const file = join(folder, `${places}.jsonl`);
      await backupDatabase({ ...here, file });
      const text = readFileSync(file, "utf8");
      const there = await place(kind);
      const restore = async (content: string): Promise<string> => {
        writeFileSync(`${file}.changed`, content);
        return codeOf(restoreDatabase({ ...there, file: `${file}.changed` }));
      };
      for (const at of [20, 500, text.length >> 1, text.length - 100, text.length - 1]) {
        expect(await restore(text.slice(0, at))).toBe("database/damaged");
      }
      expect(await restore(text.replace('"slot":1', '"slot":2'))).toBe("database/damaged");
      expect(await restore(text.replace('"entry":"', '"entry":"AAAA'))).toBe("database/damaged");
      expect(await restore(`${text}\n`)).toBe("database/damaged");
      expect(await restore('{"is":"header","format":"other"}\n')).toBe("database/foreign");
      expect(await restore("\u0000\u0001 nothing\n")).toBe("database/foreign");
      expect(await restore(text.replace('"version":1', '"version":2'))).toBe("database/foreign");
      expect(await restore("")).toBe("database/damaged");
      expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
      expect(await restore(text)).toBe("done");
      expect(await restore(text)).toBe("store/filled");
    });

    test("restoreDatabase() names the entry whose number comes twice, and keeps nothing", async () => {
      const here = await place(kind);
      await fill(here);
      const file = join(folder, `${places}.jsonl`);
      await backupDatabase({ ...here, file });
      const there = await place(kind);
      // The last of a mailbox, under the number of the one before it, and the line twice.
      const text = readFileSync(file, "utf8");
      const line = text.split("\n").find((each) => each.includes('"seq":5')) ?? "";
      for (const bad of [line.replace('"seq":5', '"seq":4'), `${line}\n${line}`]) {
        const changed = `${file}.twice`;
        writeFileSync(
          changed,
          text.replace(line, () => bad),
        );
        const said = await restoreDatabase({ ...there, file: changed }).catch(String);
        expect(said).toMatch(
          /the file: it is damaged: mailbox [0-9a-f]+: entry [45] comes again, after entry/,
        );
      }
      expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
    });

    test.each(["mailbox", "turn", "receipt"])(
      "restoreDatabase() names the %s that stands twice",
      async (is) => {
        const here = await place(kind);
        await fill(here);
        const file = join(folder, `${places}.jsonl`);
        await backupDatabase({ ...here, file });
        const there = await place(kind);
        const lines = readFileSync(file, "utf8").split("\n").slice(0, -2);
        const twice = lines.findIndex((each) => each.startsWith(`{"is":"${is}"`));
        // All of a mailbox, or the one line, again; written as whole as a backup is.
        const next = lines.findIndex((each, at) => at > twice && each.startsWith('{"is":"mailbox"'));
        const again = lines.slice(twice, is === "mailbox" ? next : twice + 1);
        const body = lines.toSpliced(twice, 0, ...again);
        const sha256 = new Bun.CryptoHasher("sha256").update(`${body.join("\n")}\n`).digest("hex");
        const end = JSON.stringify({ is: "end", records: body.length - 1, sha256 });
        const changed = `${file}.twice`;
        writeFileSync(changed, `${[...body, end].join("\n")}\n`);
        const said = await restoreDatabase({ ...there, file: changed }).catch(String);
        expect(said).toMatch(new RegExp(`the file: it is damaged: .*${is} .*comes again`));
        expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
      },
    );

    test("restoreDatabase() and migrateDatabase() are refused while a relay works on the store", async () => {
      const here = await place(kind);
      await fill(here);
      const file = join(folder, `${places}.jsonl`);
      await backupDatabase({ ...here, file });
      using _lock = openDataDir(here.config.relay.data_dir ?? "");
      await using _store = await open(here);
      expect(await codeOf(restoreDatabase({ ...here, file }))).toBe("data/locked");
      expect(await codeOf(migrateDatabase(here))).toBe("data/locked");
      if (kind === "sqlite") return;
      const elsewhere = await place("sqlite");
      const same = { ...here, config: { ...elsewhere.config, database: here.config.database } };
      expect(await codeOf(restoreDatabase({ ...same, file }))).toBe("database/in-use");
    });

    test("backupDatabase() replaces no file", async () => {
      const here = await place(kind);
      await fill(here);
      const file = join(folder, `${places}.jsonl`);
      await backupDatabase({ ...here, file });
      expect(await codeOf(backupDatabase({ ...here, file }))).toBe("database/exists");
    });
  });
}

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk;
}

test("restoreDatabase() refuses the backup of another relay, also where no relay's identity is", async () => {
  const [here, there, bare] = [await place("sqlite"), await place("sqlite"), await place("sqlite")];
  await fill(here);
  for (const options of [here, there]) {
    const identity = { publicKey: random(32).toBase64() };
    writeFileSync(join(options.config.relay.data_dir ?? "", "identity.json"), JSON.stringify(identity));
  }
  const file = join(folder, "other.jsonl");
  await backupDatabase({ ...here, file });
  expect(await codeOf(restoreDatabase({ ...there, file }))).toBe("database/foreign");
  expect(await codeOf(restoreDatabase({ ...bare, file }))).toBe("database/foreign");
});

test("checkDatabase() names the mailbox and the entry of every kind of change", async () => {
  const here = await place("sqlite");
  const { ids } = await fill(here);
  const name = ids[0]?.toHex() ?? "";
  const changes: readonly [sql: string, says: string][] = [
    [
      "UPDATE body SET bytes = CAST(x'00' || substr(bytes, 2) AS BLOB) WHERE number = (SELECT body FROM entry WHERE place = (1 << 32) + 5)",
      "entry 5: its body doesn't hash",
    ],
    ["UPDATE entry SET time_ms = time_ms + 1 WHERE place = (1 << 32) + 1", "entry 1: what it says"],
    [
      "UPDATE entry SET nodes = CAST(x'00' || substr(nodes, 2) AS BLOB) WHERE place = (1 << 32) + 3",
      "entry 3: ",
    ],
    ["UPDATE entry SET slot = 7 WHERE place = (1 << 32) + 3", "entry 3: slot or taker"],
    ["UPDATE entry SET body = NULL WHERE place = (1 << 32) + 5", "bodies of"],
    ["DELETE FROM entry WHERE place = (1 << 32) + 2", "entries 2 to 2 are missing"],
    ["DELETE FROM entry WHERE place = (1 << 32) + 5", "its size is 6"],
    ["UPDATE mailbox SET peaks = CAST(x'00' || substr(peaks, 2) AS BLOB) WHERE box = 1", "its head"],
    ["UPDATE mailbox SET ttl_ms = ttl_ms + 1 WHERE box = 1", "keys, policy or readers"],
    ["UPDATE reader SET cursor = cursor + 1 WHERE box = 1", "keys, policy or readers"],
    ["UPDATE turn SET writer = zeroblob(32) WHERE box = 1 AND turn = 1", "turn 1"],
    ["UPDATE receipt SET cursor = cursor - 1 WHERE box = 1", "receipt of reader"],
    ["UPDATE mailbox SET owner = x'00' WHERE box = 1", "A public key has 32 bytes"],
    ["UPDATE mailbox SET peaks = 'text' WHERE box = 1", "holds text or a number"],
    ["UPDATE mailbox SET floor = 1 WHERE box = 1", "floor is 1"],
  ];
  expect((await checkDatabase(here)).damage).toEqual([]);
  const before = readFileSync(pathOf(here));
  for (const [sql, says] of changes) {
    {
      using db = new Database(pathOf(here));
      db.run(sql);
      db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    const { damage } = await checkDatabase(here);
    expect([sql, damage.some((what) => what.includes(name) && what.includes(says))]).toEqual([sql, true]);
    writeFileSync(pathOf(here), before);
  }
});
