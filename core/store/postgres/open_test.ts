import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import journal from "../../../migrations/postgres/meta/_journal.json" with { type: "json" };
import { startPostgres, type TestPostgres } from "../../../test/harness/postgres.ts";
import { getTableConfig } from "drizzle-orm/pg-core";
import { isFault, limit } from "../../ground/mod.ts";
import { key, OPTIONS, Owner } from "../conformance/data.ts";
import { openDatabase } from "../open.ts";
import { openPostgresStore } from "../postgres.ts";
import * as schema from "./schema.ts";
import { POSTGRES_MIGRATIONS, POSTGRES_SCHEMA_VERSION } from "./version.ts";
import type { StoreRecord } from "../record.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

async function told(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!isFault(error)) throw error;
    return `${error.code} ${error.message}`;
  }
}

async function run(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql.unsafe(statement);
  await sql.end();
}

/** Sends `signal` to the server's processes, so that it hangs or goes on; connections stay open. */
function signal(to: "SIGSTOP" | "SIGCONT"): void {
  const first = server.pid();
  const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(first)]).stdout.toString();
  for (const each of [first, ...children.split("\n").map(Number)]) if (each > 0) process.kill(each, to);
}

describe("openPostgresStore()", () => {
  test("carries every migration that drizzle-kit made", () => {
    expect(POSTGRES_MIGRATIONS.length).toBe(journal.entries.length);
  });

  test("makes the tables that the schema says", async () => {
    const url = await server.database();
    await (await openPostgresStore({ url }))[Symbol.asyncDispose]();
    const sql = postgres(url, { max: 1 });
    for (const table of Object.values(schema)) {
      const { name, columns } = getTableConfig(table);
      const there = await sql<{ name: string; required: boolean }[]>`SELECT column_name AS name,
        is_nullable = 'NO' AS required FROM information_schema.columns
        WHERE table_name = ${name} AND table_schema = current_schema() ORDER BY ordinal_position`;
      expect([...there]).toEqual(columns.map((column) => ({ name: column.name, required: column.notNull })));
    }
    await sql.end();
  });

  test("refuses a server that may lose what it acknowledges, naming the setting", async () => {
    const url = await server.database();
    for (const setting of ["fsync", "full_page_writes"]) {
      await run(url, `ALTER SYSTEM SET ${setting} = off`);
      await run(url, "SELECT pg_reload_conf()");
      await Bun.sleep(200);
      expect(await told(openPostgresStore({ url }))).toContain(`setting ${setting} is off`);
      await run(url, `ALTER SYSTEM RESET ${setting}`);
      await run(url, "SELECT pg_reload_conf()");
      await Bun.sleep(200);
    }
    await run(url, "ALTER ROLE dchat SET synchronous_commit = off");
    expect(await told(openPostgresStore({ url }))).toContain("setting synchronous_commit is off");
    await run(url, "ALTER ROLE dchat RESET synchronous_commit");
    await using _ = await openPostgresStore({ url });
  });

  test("probe() refuses once such a setting is turned off", async () => {
    const url = await server.database();
    await using store = await openPostgresStore({ url });
    expect(await told(store.probe(0))).toBe("done");
    await run(url, "ALTER SYSTEM SET fsync = off");
    await run(url, "SELECT pg_reload_conf()");
    await Bun.sleep(200);
    expect(await told(store.probe(0))).toContain("setting fsync is off");
    const owner = new Owner();
    expect(await told(store.commit([owner.create()], OPTIONS))).toContain("setting fsync is off");
    await run(url, "ALTER SYSTEM RESET fsync");
    await run(url, "SELECT pg_reload_conf()");
    await Bun.sleep(200);
    expect(await told(store.probe(0))).toBe("done");
    expect(await told(store.commit([owner.create()], OPTIONS))).toBe("done");
  });

  test("refuses an older schema naming `database migrate`, and a newer naming both versions", async () => {
    const url = await server.database();
    await (await openPostgresStore({ url }))[Symbol.asyncDispose]();
    await run(url, `UPDATE dchat_state SET version = ${POSTGRES_SCHEMA_VERSION - 1}`);
    expect(await told(openPostgresStore({ url }))).toMatch(/^store\/older .*`dchat database migrate`/);
    await run(url, `UPDATE dchat_state SET version = ${POSTGRES_SCHEMA_VERSION + 3}`);
    expect(await told(openPostgresStore({ url }))).toMatch(
      new RegExp(`^store/newer .*version ${POSTGRES_SCHEMA_VERSION + 3}.*version ${POSTGRES_SCHEMA_VERSION}`),
    );
  });

  test("refuses tables of somebody else, and a database that isn't there, without telling the password", async () => {
    const url = await server.database();
    await run(url, "CREATE TABLE mailbox (a int)");
    expect(await told(openPostgresStore({ url }))).toContain("store/corrupt");
    const missing = await told(openPostgresStore({ url: url.replace(/[^/]+$/, "missing") }));
    expect(missing).toContain("store/unavailable");
    expect(missing).toContain("does not exist");
    expect(missing).not.toContain("dchat:dchat");
  });

  test("names the command that writes to the database, where that keeps a relay from it", async () => {
    const url = await server.database();
    await (await openPostgresStore({ url }))[Symbol.asyncDispose]();
    await using filling = await openDatabase({ url, path: "" }, "import");
    const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* nothing(): AsyncGenerator<StoreRecord> {
      begun.resolve();
      await ended.promise;
      yield* [];
    }
    const loading = filling.load(nothing(), null);
    await begun.promise;
    await using store = await openPostgresStore({ url });
    const says = "`dchat database import` at 127.0.0.1 is writing to it; wait until that has ended";
    expect(await store.claim(key()).then(String, String)).toContain(says);
    await using another = await openDatabase({ url, path: "" }, "restore");
    expect(await another.load(nothing(), null).then(String, String)).toContain(says);
    ended.resolve();
    await loading;
    expect(await store.claim(key())).not.toBeNull();
  });

  test("two that open an empty database at once both succeed", async () => {
    const url = await server.database();
    const stores = await Promise.all([openPostgresStore({ url }), openPostgresStore({ url })]);
    for (const store of stores) await store[Symbol.asyncDispose]();
  });

  test("a server that goes and comes back: appends are refused meanwhile, and then taken", async () => {
    const url = await server.database();
    await using store = await openPostgresStore({ url });
    const owner = new Owner();
    await store.commit([owner.create(), owner.append()], OPTIONS);
    await server.stop();
    const append = owner.append();
    expect(await told(store.commit([append], OPTIONS))).toContain("store/unavailable");
    expect(await told(store.probe(0))).toContain("store/unavailable");
    expect(await told(store.mailbox(owner.mailbox))).toContain("store/unavailable");
    await server.start();
    const endMs = performance.now() + 20_000;
    while ((await told(store.probe(0))) !== "done" && performance.now() < endMs) await Bun.sleep(50);
    expect(await told(store.commit([append], OPTIONS))).toBe("done");
    expect((await store.mailbox(owner.mailbox))?.size).toBe(2);
  });

  test("a server that hangs: commits and probes end in time, and are taken once it goes on", async () => {
    const url = await server.database();
    await using store = await openPostgresStore({ url });
    const owner = new Owner();
    await store.commit([owner.create()], OPTIONS);
    const append = owner.append();
    signal("SIGSTOP");
    try {
      const startMs = performance.now();
      expect(await told(store.commit([append], OPTIONS))).toContain("store/unavailable");
      expect(await told(store.probe(0))).toContain("store/unavailable");
      expect(performance.now() - startMs).toBeLessThan(3 * limit.STORE_DEADLINE_MS);
      const askedMs = performance.now();
      expect(await told(store.mailbox(owner.mailbox))).toContain("store/unavailable");
      expect(performance.now() - askedMs).toBeLessThan(1.5 * limit.STORE_DEADLINE_MS);
    } finally {
      signal("SIGCONT");
    }
    const endMs = performance.now() + 20_000;
    while ((await told(store.probe(0))) !== "done" && performance.now() < endMs) await Bun.sleep(50);
    expect(await told(store.commit([append], OPTIONS))).toBe("done");
    expect((await store.mailbox(owner.mailbox))?.size).toBe(1);
  }, 60_000);

  test("connections that end at any moment: the store's thread lives, and works again once they stay", async () => {
    const url = await server.database();
    await using store = await openPostgresStore({ url });
    const owner = new Owner();
    await store.commit([owner.create()], OPTIONS);
    const killer = postgres(url, { max: 1, onnotice: () => {} });
    let [taken, open, cut] = [0, 0, 0];
    const untilMs = performance.now() + 5_000;
    const cutting = (async () => {
      while (performance.now() < untilMs) {
        await Bun.sleep(Math.random() * 12);
        const ended = await killer`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'dchat relay' AND datname = current_database()`;
        cut += ended.length;
      }
    })();
    while (performance.now() < untilMs) {
      const [outcome] = await Promise.all([
        told(store.commit([owner.append()], OPTIONS)),
        told(store.mailbox(owner.mailbox)),
      ]);
      expect(outcome).not.toContain("thread");
      if (outcome === "done") taken += 1;
      else if (outcome.startsWith("store/unknown")) open += 1;
    }
    await cutting;
    await killer.end();
    expect(cut).toBeGreaterThan(3);
    // Each connection of the pool that was cut while it rested tells whoever takes it next.
    const last = owner.append();
    const endMs = performance.now() + 10_000;
    const until = async (work: () => Promise<unknown>): Promise<void> => {
      while ((await told(work())) !== "done" && performance.now() < endMs) await Bun.sleep(50);
    };
    await until(() => store.probe(0));
    await until(() => store.commit([last], OPTIONS));
    let size = 0;
    await until(async () => {
      size = (await store.mailbox(owner.mailbox))?.size ?? 0;
    });
    expect(size).toBeGreaterThanOrEqual(taken + 1);
    expect(size).toBeLessThanOrEqual(taken + 1 + open);
  }, 60_000);
});
