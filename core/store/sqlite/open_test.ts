import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import { isFault } from "../../ground/mod.ts";
import journal from "../../../migrations/sqlite/meta/_journal.json" with { type: "json" };
import { OPTIONS, Owner } from "../conformance/data.ts";
import { openSqliteStore } from "../sqlite.ts";
import { migrationBackupPath, openSqliteFile } from "./open.ts";
import * as schema from "./schema.ts";
import { SQLITE_MIGRATIONS, SQLITE_SCHEMA_VERSION } from "./schema_version.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dchat-sqlite-"));
  path = join(folder, "relay.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(): Promise<{ code: string; message: string }> {
  try {
    await using _ = await openSqliteStore({ path });
    return { code: "opened", message: "" };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

function change(sql: string): void {
  using db = new Database(path);
  db.run(sql);
}

describe("openSqliteStore()", () => {
  test("carries every migration that drizzle-kit made", () => {
    expect(SQLITE_MIGRATIONS.length).toBe(journal.entries.length);
  });

  test("makes the tables that the schema says", async () => {
    await (await openSqliteStore({ path }))[Symbol.asyncDispose]();
    using db = new Database(path, { readonly: true });
    for (const table of Object.values(schema)) {
      const { name, columns } = getTableConfig(table);
      const there = db
        .query(`SELECT name, "notnull" FROM pragma_table_info('${name}') ORDER BY cid`)
        .values();
      expect(there).toEqual(columns.map((column) => [column.name, Number(column.notNull)]));
    }
  });

  test("refuses a newer schema, naming both versions", async () => {
    await (await openSqliteStore({ path }))[Symbol.asyncDispose]();
    change(`PRAGMA user_version = ${SQLITE_SCHEMA_VERSION + 4}`);
    const { code, message } = await refusal();
    expect(code).toBe("store/newer");
    expect(message).toContain(`version ${SQLITE_SCHEMA_VERSION + 4}`);
    expect(message).toContain(`version ${SQLITE_SCHEMA_VERSION}`);
  });

  test("copies an older file beside itself, then migrates it; refuses it where that isn't wanted", async () => {
    const owner = new Owner();
    {
      await using store = await openSqliteStore({ path });
      await store.commit([owner.create(), owner.append()], OPTIONS);
    }
    const migrations = [...SQLITE_MIGRATIONS, "ALTER TABLE total ADD COLUMN later integer"];
    expect(() => openSqliteFile({ path, migrate: false, migrations })).toThrow(/dchat database migrate/);
    openSqliteFile({ path, migrate: true, migrations }).close();
    const columns = (file: string): number => {
      using db = new Database(file, { readonly: true });
      expect(db.query("SELECT entries FROM total").values()).toEqual([[1]]);
      return db.query("PRAGMA table_info(total)").values().length;
    };
    const backup = migrationBackupPath(path, SQLITE_SCHEMA_VERSION);
    expect(columns(path)).toBe(columns(backup) + 1);
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    expect((await refusal()).code).toBe("store/newer");
  });

  test("a migration that fails changes nothing", async () => {
    await (await openSqliteStore({ path }))[Symbol.asyncDispose]();
    const migrations = [...SQLITE_MIGRATIONS, "DROP TABLE body--> statement-breakpoint SELECT nonsense"];
    expect(() => openSqliteFile({ path, migrate: true, migrations })).toThrow();
    await using store = await openSqliteStore({ path });
    expect(await store.counts()).toEqual({ mailboxes: 0, entries: 0, bytes: 0 });
  });

  test("refuses somebody else's database, and leaves it as it is", async () => {
    change("CREATE TABLE other (a)");
    const { code, message } = await refusal();
    expect(code).toBe("store/corrupt");
    expect(message).toContain("not a dchat relay's");
    expect(readdirSync(folder)).toEqual(["relay.sqlite"]);
  });

  test("refuses what isn't a database, naming the file", async () => {
    writeFileSync(path, "not a database at all, but long enough to be looked at".repeat(100));
    const { code, message } = await refusal();
    expect(code).toBe("store/corrupt");
    expect(message).toContain(path);
  });

  test("says where it can't open a file", async () => {
    rmSync(folder, { recursive: true });
    const { code, message } = await refusal();
    expect(code).toBe("store/unavailable");
    expect(message).toContain(path);
  });

  test("refuses to write to a damaged file, and says so from then on", async () => {
    const owner = new Owner();
    {
      await using store = await openSqliteStore({ path });
      await store.commit([owner.create(), owner.append()], OPTIONS);
    }
    const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
    // Every page but the first loses its head.
    for (let at = 4096; at < bytes.length; at += 4096) bytes.fill(0xff, at, at + 64);
    writeFileSync(path, bytes);
    await using store = await openSqliteStore({ path });
    const told = async (): Promise<string> =>
      store.commit([owner.append()], OPTIONS).then(
        () => "kept",
        (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
      );
    expect(await told()).toContain("dchat database check");
    expect(await told()).toContain("store/unavailable");
  });

  test("lets nobody else read its files, whatever the umask, and shuts those that were open", async () => {
    const umask = process.umask(0);
    const modes = () =>
      readdirSync(folder).map((name) => `${name} ${(statSync(join(folder, name)).mode & 0o777).toString(8)}`);
    const all = ["relay.sqlite 600", "relay.sqlite-shm 600", "relay.sqlite-wal 600"];
    try {
      {
        await using store = await openSqliteStore({ path });
        await store.commit([new Owner().create()], OPTIONS);
        expect(modes().sort()).toEqual(all);
        // As an older dchat left them, its journal too.
        for (const each of readdirSync(folder)) chmodSync(join(folder, each), 0o644);
        await using again = await openSqliteStore({ path });
        expect((await again.counts()).mailboxes).toBe(1);
        expect(modes().sort()).toEqual(all);
        const probing = store.probe(64 * 1024 * 1024);
        // The worker makes it and takes it away while this thread looks.
        const endMs = performance.now() + 5_000;
        while (!existsSync(`${path}-room`) && performance.now() < endMs);
        expect(modes()).toContain("relay.sqlite-room 600");
        await probing;
      }
      openSqliteFile({ path, migrate: true, migrations: [...SQLITE_MIGRATIONS, "SELECT 1"] }).close();
      expect(modes()).toContain(`relay.sqlite.schema-${SQLITE_SCHEMA_VERSION}.backup 600`);
    } finally {
      process.umask(umask);
    }
  });

  test("leaves one file behind when it is closed", async () => {
    const store = await openSqliteStore({ path });
    await store.commit([new Owner().create()], OPTIONS);
    expect(existsSync(`${path}-wal`)).toBe(true);
    await store[Symbol.asyncDispose]();
    expect(readdirSync(folder)).toEqual(["relay.sqlite"]);
  });

  test("refuses everything once it is closed", async () => {
    const store = await openSqliteStore({ path });
    await store[Symbol.asyncDispose]();
    expect(await store.counts().catch((error: unknown) => isFault(error, "store/unavailable"))).toBe(true);
    await store[Symbol.asyncDispose]();
  });
});
