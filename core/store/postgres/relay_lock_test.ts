/** One relay at a time on a PostgreSQL database: at a start, while it runs, and when its hold of it is lost. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../../test/harness/postgres.ts";
import { isFault } from "../../ground/mod.ts";
import { OPTIONS, Owner } from "../conformance/data.ts";
import { openDatabase } from "../open.ts";
import { openPostgresStore } from "../postgres.ts";

let server: TestPostgres;
let sql: postgres.Sql;
let url: string;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await sql.end();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await sql?.end();
  url = await server.database();
  sql = postgres(url, { max: 1, onnotice: () => {} });
});

const open = (aloneMs: number) => openPostgresStore({ url, aloneMs });

async function told(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
  );
}

/** Ends the session that keeps other relays away, as a lost connection does. */
async function loseLock(): Promise<void> {
  const ended = await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
    WHERE locktype = 'advisory' AND objid = 0 AND granted`;
  expect(ended).toHaveLength(1);
}

describe("openPostgresStore() for one relay alone", () => {
  test("refuses a second, naming the first and the session that it has", async () => {
    await using _ = await open(0);
    const [holder] = await sql`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 0`;
    const said = await told(open(300));
    expect(said).toStartWith("store/busy Cannot start on postgres://127.0.0.1");
    expect(said).toContain(
      `a relay at 127.0.0.1 works on it (dchat relay, process ${String(holder?.["pid"])} of the server; `,
    );
    expect(said).not.toContain("dchat:dchat");
    await using other = await openPostgresStore({ url: await server.database(), aloneMs: 0 });
    expect(await told(other.probe(0))).toBe("done");
  });

  test("waits for the one before it to go", async () => {
    const first = await open(0);
    const second = open(10_000);
    await Bun.sleep(500);
    await first[Symbol.asyncDispose]();
    await using store = await second;
    expect(await told(store.probe(0))).toBe("done");
  });

  test("one that loses its hold writes nothing until it has it again, which needs no restart", async () => {
    await using store = await open(0);
    const owner = new Owner();
    await store.commit([owner.create()], OPTIONS);
    await loseLock();
    const append = owner.append();
    expect(await told(store.commit([append], OPTIONS))).toContain("store/busy Cannot write to");
    const endMs = performance.now() + 10_000;
    while ((await told(store.probe(0))) !== "done" && performance.now() < endMs) await Bun.sleep(50);
    expect(await told(store.commit([append], OPTIONS))).toBe("done");
    expect((await store.mailbox(owner.mailbox))?.size).toBe(1);
  });

  test("one whose place another took writes and sweeps nothing, says who has it, and goes on once that is gone", async () => {
    await using store = await open(0);
    const owner = new Owner();
    await store.commit([owner.create()], OPTIONS);
    // In one transaction, so that the first can't be quicker.
    await sql`SELECT pg_terminate_backend(pid, 5000), pg_advisory_lock(classid::bigint::integer, 0) FROM pg_locks
      WHERE locktype = 'advisory' AND objid = 0 AND granted`;
    for (let tries = 0; tries < 5; tries++) {
      expect(await told(store.commit([owner.append()], OPTIONS))).toStartWith("store/busy");
      expect(await told(store.sweep(OPTIONS.nowMs))).toStartWith("store/busy");
      await Bun.sleep(50);
    }
    expect(await told(store.probe(0))).toContain("a relay at 127.0.0.1 works on it (postgres.js, process");
    await sql`SELECT pg_advisory_unlock_all()`;
    const endMs = performance.now() + 10_000;
    while ((await told(store.probe(0))) !== "done" && performance.now() < endMs) await Bun.sleep(50);
    expect(await told(store.commit([owner.append()], OPTIONS))).toBe("done");
  });

  test("a command finds it whatever it calls itself, and keeps relays away once it has gone", async () => {
    const relay = await openPostgresStore({ url: `${url}?application_name=mine`, aloneMs: 0 });
    for (const how of ["alone", "shared"] as const) {
      await using command = await openDatabase({ url, path: "" }, "export");
      expect(await command.hold(how)).toContain("a relay at 127.0.0.1 works on it (mine, process ");
    }
    await relay[Symbol.asyncDispose]();
    const first = await openDatabase({ url, path: "" }, "export");
    const second = await openDatabase({ url, path: "" }, "export");
    expect([await first.hold("shared"), await second.hold("shared")]).toEqual([null, null]);
    await using filling = await openDatabase({ url, path: "" }, "import");
    const exports = "`dchat database export` at 127.0.0.1 works on it (dchat database export, process ";
    expect(await filling.hold("alone")).toContain(exports);
    expect(await told(open(0))).toContain(`store/busy Cannot start on postgres://127.0.0.1`);
    expect(await told(open(0))).toContain(exports);
    for (const each of [first, second]) await each[Symbol.asyncDispose]();
    expect(await filling.hold("alone")).toBeNull();
    expect(await told(open(0))).toContain("`dchat database import` at 127.0.0.1 works on it");
    await filling[Symbol.asyncDispose]();
    await using _ = await open(1_000);
  });

  test("nobody takes a standby for a database where no relay works", async () => {
    await using follower = await startPostgres();
    const there = await follower.database();
    await (await openPostgresStore({ url: there, aloneMs: 0 }))[Symbol.asyncDispose]();
    await follower.stop();
    await follower.startStandby();
    await using command = await openDatabase({ url: there, path: "" }, "export");
    const says = "a relay may work on the server that this one is a standby of";
    expect([await command.hold("shared"), await command.hold("alone")]).toEqual([says, says]);
    expect(await told(openPostgresStore({ url: there, aloneMs: 0 }))).toContain(says);
  });

  test("nobody starts before what another relay began to commit has ended", async () => {
    await using store = await open(0);
    const owner = new Owner();
    await store.commit([owner.create()], OPTIONS);
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = sql.begin(async (tx) => {
      await tx`SELECT 1 FROM mailbox FOR UPDATE`;
      await promise;
    });
    await Bun.sleep(100);
    const commit = told(store.commit([owner.append()], OPTIONS));
    await Bun.sleep(200);
    const ending = postgres(url, { max: 1 });
    await ending`SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0`;
    await ending.end();
    expect(await told(open(300))).toContain("store/busy");
    resolve();
    await holding;
    expect(await commit).toBe("done");
    await using next = await open(2_000);
    expect((await next.mailbox(owner.mailbox))?.size).toBe(1);
  });
});
