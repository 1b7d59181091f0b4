/** A whole relay on databases of other versions: which it refuses, with what words, and that it changes nothing in them. */
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { POSTGRES_SCHEMA_VERSION } from "../../core/store/postgres/version.ts";
import { SQLITE_SCHEMA_VERSION } from "../../core/store/sqlite/schema_version.ts";
import { runDchat } from "../harness/dchat.ts";
import { startPostgres } from "../harness/postgres.ts";
import { spawnRelay } from "../harness/relay.ts";

const folder = mkdtempSync(join(tmpdir(), "dchat-versions-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NEWER = new RegExp(`version 41.*version ${POSTGRES_SCHEMA_VERSION}\\b`, "s");
const free = ["--listen", "--api-listen", "--metrics-listen"].flatMap((flag) => [flag, "127.0.0.1:0"]);

describe("a relay that finds another version", () => {
  test("in SQLite a newer one: exit 1 naming both, and the file stays as it was", async () => {
    const dataDir = join(folder, "newer");
    await (await spawnRelay({ dataDir })).stop();
    const path = join(dataDir, "relay.sqlite");
    {
      using database = new Database(path);
      database.run("PRAGMA user_version = 41");
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    const before = readFileSync(path);
    const { code, err } = await runDchat(["relay", "--data-dir", dataDir, ...free]);
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`version 41.*version ${SQLITE_SCHEMA_VERSION}\\b`, "s"));
    for (const more of [[], ["--json"]]) {
      const status = await runDchat(["database", "status", "--data-dir", dataDir, ...more]);
      expect(status.code).toBe(1);
      expect(status.out).toContain("41");
      expect(status.err).toMatch(new RegExp(`version 41.*version ${SQLITE_SCHEMA_VERSION}\\b`, "s"));
    }
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("in PostgreSQL an older one names `database migrate`, a newer one both versions", async () => {
    await using server = await startPostgres();
    const url = await server.database();
    const env = { DCHAT_DATABASE_URL: url };
    const dataDir = join(folder, "postgres");
    await (await spawnRelay({ dataDir, env })).stop();
    const start = () => runDchat(["relay", "--data-dir", dataDir, ...free], { env });
    const setVersion = async (version: number): Promise<void> => {
      const sql = postgres(url, { max: 1 });
      await sql`UPDATE dchat_state SET version = ${version}`;
      await sql.end();
    };
    await setVersion(0);
    const older = await start();
    expect(older.code).toBe(1);
    expect(older.err).toContain("dchat database migrate");
    expect((await runDchat(["database", "status"], { env })).code).toBe(0);
    await setVersion(41);
    const newer = await start();
    expect(newer.code).toBe(1);
    expect(newer.err).toMatch(NEWER);
    expect((await runDchat(["database", "migrate"], { env })).err).toMatch(NEWER);
    expect(await runDchat(["database", "status"], { env })).toMatchObject({
      code: 1,
      err: expect.stringMatching(NEWER),
    });
    await setVersion(POSTGRES_SCHEMA_VERSION);
    await using relay = await spawnRelay({ dataDir, env });
    expect((await relay.get("/ready")).status).toBe(200);
  }, 60_000);
});
