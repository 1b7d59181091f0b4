/** What the store does for its files between batches: the log stays short, whatever fills it. */
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NOW_MS, OPTIONS, Owner } from "../conformance/data.ts";
import { openSqliteStore } from "../sqlite.ts";
import { SqliteEngine } from "./engine.ts";

const dir = mkdtempSync(join(tmpdir(), "dchat-tend-"));
afterAll(() => rmSync(dir, { recursive: true }));

const MIB = 2 ** 20;
const LATER_MS = NOW_MS + 100 * 86_400_000;
/** What a log takes at most while nobody else reads: the checkpoint's length, a piece or a batch more, and room. */
const LOG_MIB_MAX = 27;

/** The log's length in MiB. */
function log(path: string): number {
  return statSync(`${path}-wal`).size / MIB;
}

describe("the SQLite store's log", () => {
  test("stays short while a sweep takes many entries", async () => {
    const path = join(dir, "sweep.sqlite");
    await using store = await openSqliteStore({ path });
    const owners = Array.from({ length: 256 }, () => new Owner());
    await store.commit(
      owners.map((owner) => owner.create()),
      OPTIONS,
    );
    for (let at = 0; at < 48; at += 1) {
      await store.commit(
        owners.map((owner) => owner.append()),
        OPTIONS,
      );
    }
    let longest = 0;
    let pieces = 0;
    for (let more = true; more; pieces += 1) {
      more = await store.sweep(LATER_MS);
      longest = Math.max(longest, log(path));
    }
    expect(pieces).toBeGreaterThan(20);
    expect(longest).toBeLessThan(LOG_MIB_MAX);
  });

  test("is short again after somebody's snapshot that made it long", async () => {
    const path = join(dir, "snapshot.sqlite");
    await using store = await openSqliteStore({ path });
    const owners = Array.from({ length: 64 }, () => new Owner({ policy: { entriesMax: 100_000 } }));
    const append = async (batches: number, bytes: number): Promise<void> => {
      for (let at = 0; at < batches; at += 1) {
        await store.commit(
          owners.map((owner) => owner.append({ entry: new Uint8Array(bytes) })),
          OPTIONS,
        );
      }
    };
    await store.commit(
      owners.map((owner) => owner.create()),
      OPTIONS,
    );
    {
      using reader = new Database(path);
      reader.run("BEGIN");
      reader.query("SELECT count(*) FROM mailbox").get();
      await append(16, 65_536);
      expect(log(path)).toBeGreaterThan(60);
    }
    await append(4, 1024);
    expect(log(path)).toBeLessThan(LOG_MIB_MAX);
  });
});

test("the SQLite store makes no room in its log while somebody else writes to it", () => {
  const path = join(dir, "alone.sqlite");
  const engine = new SqliteEngine({ path, migrate: true });
  using other = new Database(path);
  other.run("BEGIN IMMEDIATE");
  const before = log(path);
  engine.tend();
  expect(log(path)).toBe(before);
  other.run("ROLLBACK");
  const owner = new Owner();
  engine.commit([owner.create()], OPTIONS);
  for (let at = 0; at < 16; at += 1) engine.commit([owner.append()], OPTIONS);
  engine.tend();
  expect(log(path)).toBeGreaterThan(before);
  engine.close();
}, 60_000);

test("the SQLite store's probe(null) writes nothing, and probe(0) does", async () => {
  const path = join(dir, "probe.sqlite");
  await using store = await openSqliteStore({ path });
  using reader = new Database(path, { readonly: true });
  const written = (): unknown => reader.query("SELECT probes FROM total").values()[0]?.[0];
  await store.probe(null);
  expect(written()).toBe(0);
  await store.probe(0);
  expect(written()).toBe(1);
});

test("the SQLite store makes no mailbox whose number its entries' keys have no room for", async () => {
  const path = join(dir, "numbers.sqlite");
  const [first, last, none] = [new Owner(), new Owner(), new Owner()];
  {
    await using store = await openSqliteStore({ path });
    await store.commit([first.create()], OPTIONS);
  }
  {
    using db = new Database(path);
    for (const table of ["mailbox", "reader", "turn"]) db.run(`UPDATE ${table} SET box = ${2 ** 31 - 2}`);
  }
  await using store = await openSqliteStore({ path });
  expect((await store.commit([last.create(), last.append()], OPTIONS)).map(({ is }) => is)).toEqual([
    "created",
    "appended",
  ]);
  expect(await store.commit([none.create()], OPTIONS).catch(String)).toContain("as many mailboxes as");
  expect((await store.commit([last.append()], OPTIONS)).map(({ is }) => is)).toEqual(["appended"]);
  expect((await store.counts()).mailboxes).toBe(2);
});
