/** A store that an older dchat filled, brought up to this one's schema: nothing is lost, and what is new holds for it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../../test/harness/postgres.ts";
import { openStore } from "../../store/mod.ts";
import { POSTGRES_SCHEMA_VERSION } from "../../store/postgres/version.ts";
import {
  SQLITE_APPLICATION_ID,
  SQLITE_SCHEMA_VERSION,
  STATEMENT_BREAK,
} from "../../store/sqlite/schema_version.ts";
import { codeOf, pathOf } from "./_kit.ts";
import { loadConfig } from "../config.ts";
import { checkDatabase, type DatabaseOptions, databaseStatus, migrateDatabase } from "../database.ts";
import { openDataDir } from "../data_dir.ts";

const root = join(import.meta.dir, "../../..");
const folder = mkdtempSync(join(tmpdir(), "dchat-upgrade-"));
let server: TestPostgres;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Two mailboxes with entries of all kinds, three receipts, and one that was deleted; written by version 1 itself. */
const HELD = { mailboxes: 2, entries: 9, bytes: 216 };

/** What is told once the one that was deleted is gone altogether. */
const MISSING = {
  sqlite: "the mailbox whose id begins with ff3a3e31 is missing",
  postgres: "the mailbox whose id begins with 491f43a7 is missing",
};

/** What `database check` says, but that bodies which are gone had 24 bytes: the fixtures' are shorter than a relay's. */
async function check(options: DatabaseOptions) {
  const { damage, ...counts } = await checkDatabase(options);
  return { ...counts, damage: damage.filter((what) => !what.endsWith(": no entry has 24 bytes")) };
}

function statements(kind: string): string[] {
  const first = readFileSync(join(root, "migrations", kind, "0000_first.sql"), "utf8");
  const rows = readFileSync(join(root, "core/store/fixture", `${kind}_schema_1.sql`), "utf8");
  return [...first.split(STATEMENT_BREAK), ...rows.trim().split("\n")];
}

function place(name: string, url?: string): DatabaseOptions {
  const dir = join(folder, name);
  openDataDir(dir)[Symbol.dispose]();
  const env = { DCHAT_RELAY_DATA_DIR: dir, ...(url === undefined ? {} : { DCHAT_DATABASE_URL: url }) };
  return { config: loadConfig({ env, flags: {} }).config, env, nowMs: 0 };
}

/** A SQLite store of version 1. */
function oldSqlite(name: string): DatabaseOptions {
  const options = place(name);
  using db = new Database(pathOf(options));
  for (const statement of statements("sqlite")) db.run(statement);
  db.run(`PRAGMA application_id = ${SQLITE_APPLICATION_ID}`);
  db.run("PRAGMA user_version = 1");
  return options;
}

describe("a store of schema 1", () => {
  test("on SQLite is copied beside itself and migrated by the relay that finds it", async () => {
    const here = oldSqlite("relay");
    expect(await codeOf(checkDatabase(here))).toBe("store/older");
    {
      await using store = await openStore({ url: null, path: pathOf(here) });
      expect(await store.counts()).toEqual(HELD);
    }
    const backup = `${pathOf(here)}.schema-1.backup`;
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    using old = new Database(backup, { readonly: true });
    expect(old.query("PRAGMA user_version").values()).toEqual([[1]]);
    expect(old.query("SELECT count(*) FROM receipt").values()).toEqual([[3]]);
    expect(await check(here)).toEqual({ ...HELD, damage: [] });
    using db = new Database(pathOf(here));
    db.run("DELETE FROM receipt WHERE number = 1");
    db.run("DELETE FROM reader WHERE box = 2");
    expect((await check(here)).damage).toEqual([
      expect.stringContaining("its receipts aren't"),
      expect.stringContaining("its readers aren't"),
    ]);
  });

  test("on SQLite is migrated by `database migrate`", async () => {
    const here = oldSqlite("migrate");
    expect(await migrateDatabase(here)).toBe(SQLITE_SCHEMA_VERSION - 1);
    expect(await migrateDatabase(here)).toBe(0);
    expect(await check(here)).toEqual({ ...HELD, damage: [] });
    expect(await databaseStatus(here)).toMatchObject({ version: SQLITE_SCHEMA_VERSION, counts: HELD });
    using db = new Database(pathOf(here));
    db.run("DELETE FROM mailbox WHERE deleted = 1");
    expect((await check(here)).damage).toEqual([expect.stringContaining(MISSING.sqlite)]);
  });

  test("on PostgreSQL is refused until `database migrate` was run", async () => {
    const url = await server.database();
    const here = place("postgres", url);
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    for (const statement of statements("postgres")) await sql.unsafe(statement);
    expect(await codeOf(openStore({ url, path: "" }))).toBe("store/older");
    expect(await migrateDatabase(here)).toBe(POSTGRES_SCHEMA_VERSION - 1);
    expect(await migrateDatabase(here)).toBe(0);
    {
      await using store = await openStore({ url, path: "" });
      expect(await store.counts()).toEqual(HELD);
    }
    expect(await check(here)).toEqual({ ...HELD, damage: [] });
    await sql.unsafe("DELETE FROM receipt WHERE ctid = (SELECT min(ctid) FROM receipt)");
    await sql.unsafe("DELETE FROM mailbox WHERE deleted");
    expect((await check(here)).damage).toEqual([
      expect.stringContaining("its receipts aren't"),
      expect.stringContaining(MISSING.postgres),
    ]);
    await sql.end();
  });
});
