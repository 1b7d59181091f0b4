/** What reads a whole database tells of a server that ends, hangs or takes its time midway: that, and no damage. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../../test/harness/postgres.ts";
import { isFault } from "../../ground/mod.ts";
import { OPTIONS, Owner } from "../conformance/data.ts";
import { openDatabase, openStore } from "../mod.ts";

const MAILBOXES = 20;
const ENTRIES = 300;
const RECORDS = MAILBOXES * (ENTRIES + 1);

let server: TestPostgres;
let url: string;

beforeAll(async () => {
  server = await startPostgres();
  url = await server.database();
  await using store = await openStore({ url, path: "" });
  for (let count = 0; count < MAILBOXES; count++) {
    const owner = new Owner();
    const appends = Array.from({ length: ENTRIES }, () => owner.append());
    await store.commit([owner.create(), ...appends], OPTIONS);
  }
});
afterAll(() => server[Symbol.asyncDispose]());

/** Reads all of it while all its connections are ended once, after `at` records and `pauseMs`. */
async function readCut(at: number, pauseMs: number): Promise<{ read: number; damage: number; end: string }> {
  await using database = await openDatabase({ url, path: "" });
  const killer = postgres(url, { max: 1, onnotice: () => {} });
  const cut = async (): Promise<void> => {
    await Bun.sleep(pauseMs);
    await killer`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dchat%'`;
  };
  let [read, damage] = [0, 0];
  let cutting: Promise<void> | null = null;
  try {
    for await (const record of database.records()) {
      if (read++ === at) cutting = cut();
      if (record.is === "damage") damage += 1;
    }
    return { read, damage, end: "done" };
  } catch (error) {
    return { read, damage, end: isFault(error) ? error.code : String(error) };
  } finally {
    await cutting;
    await killer.end();
  }
}

test("a database whose connection was lost midway is closed at once", async () => {
  const before = performance.now();
  while (!(await readCut(RECORDS >> 2, 0)).end.startsWith("store/"));
  expect(performance.now() - before).toBeLessThan(4_000);
});

test("a server that takes connections and ends them is told as none, and isn't asked for ever", async () => {
  let taken = 0;
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        taken += 1;
        socket.end();
      },
    },
  });
  const place = { url: `postgres://127.0.0.1:${listener.port}/dchat`, path: "" };
  const opened = openStore(place).then(String, String);
  await using database = await openDatabase(place);
  const status = database.status().then(String, String);
  for (const said of await Promise.all([opened, status])) {
    expect(said).toContain("no PostgreSQL answered within 8 s, though connections are taken there");
  }
  const then = taken;
  await Bun.sleep(300);
  expect(taken).toBe(then);
  listener.stop(true);
}, 30_000);

test("records() ends when its connection does, at whichever moment, and calls nothing damaged", async () => {
  const ends = new Set<string>();
  for (let at = 0; at < RECORDS / 2; at += RECORDS / 24) {
    const { damage, end } = await readCut(at, at % 3);
    expect(damage).toBe(0);
    ends.add(end);
  }
  expect(ends.has("store/unavailable")).toBe(true);
  ends.delete("done");
  expect([...ends]).toEqual(["store/unavailable"]);
}, 120_000);

/** Runs `statement` in a session of its own, on another database than the one that all tests read. */
async function run(at: string, statement: string): Promise<void> {
  const sql = postgres(at, { max: 1, onnotice: () => {} });
  await sql.unsafe(statement);
  await sql.end();
}

async function small(): Promise<{ at: string; owners: Owner[] }> {
  const at = await server.database();
  await using store = await openStore({ url: at, path: "" });
  const owners = Array.from({ length: 3 }, () => new Owner());
  await store.commit(
    owners.flatMap((owner) => [owner.create(), owner.append()]),
    OPTIONS,
  );
  return { at, owners };
}

test("records() calls nothing damaged that it waited for in vain", async () => {
  const { at } = await small();
  await using database = await openDatabase({ url: at, path: "" });
  const sql = postgres(at, { max: 1, onnotice: () => {} });
  const done = Promise.withResolvers<void>();
  let locking: Promise<unknown> | null = null;
  const seen: string[] = [];
  const reading = (async () => {
    for await (const record of database.records()) {
      seen.push(record.is);
      if (locking !== null) continue;
      const locked = Promise.withResolvers<void>();
      locking = sql.begin(async (tx) => {
        await tx`LOCK TABLE receipt IN ACCESS EXCLUSIVE MODE`;
        locked.resolve();
        await done.promise;
      });
      await locked.promise;
    }
    return "done";
  })().catch((error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)));
  expect(await reading).toMatch(/^store.unavailable .* another transaction has held what is needed/);
  expect(seen).not.toContain("damage");
  done.resolve();
  await locking;
  await sql.end();
}, 60_000);

test("records() names what the server itself can't read, and goes on with the rest", async () => {
  const { at, owners } = await small();
  const [first] = owners.map(({ mailbox }) => mailbox.toHex()).toSorted();
  // The body of the first mailbox's entry is in a file that is cut off.
  await run(
    at,
    `ALTER TABLE entry ALTER body SET STORAGE EXTERNAL;
     UPDATE entry SET body = decode(repeat('ab', 65536), 'hex') WHERE mailbox = '\\x${first}'`,
  );
  const sql = postgres(at, { max: 1, onnotice: () => {} });
  const [toast] = await sql`SELECT pg_relation_filepath(reltoastrelid) AS path FROM pg_class
    WHERE relname = 'entry'`;
  await sql.end();
  await server.stop();
  truncateSync(join(server.folder, "data", String(toast?.["path"])));
  await server.start();
  await using database = await openDatabase({ url: at, path: "" });
  const damage: string[] = [];
  let mailboxes = 0;
  for await (const record of database.records()) {
    if (record.is === "damage") damage.push(record.what);
    if (record.is === "mailbox") mailboxes += 1;
  }
  expect(damage).toHaveLength(1);
  expect(damage[0]).toStartWith(`mailbox ${first}: could not read blocks`);
  expect(mailboxes).toBe(3);
}, 60_000);

test("a check takes as long as it takes", async () => {
  const { at } = await small();
  await run(
    at,
    "ALTER TABLE turn RENAME TO turns; CREATE VIEW turn AS SELECT t.* FROM turns t, (SELECT pg_sleep(18) OFFSET 0) s",
  );
  await using database = await openDatabase({ url: at, path: "" });
  expect(await database.integrity()).toEqual([]);
}, 60_000);

test("a server that hangs midway is told as such, within seconds", async () => {
  const first = server.pid();
  const { at } = await small();
  await using database = await openDatabase({ url: at, path: "" });
  const sent: number[] = [];
  const startMs = performance.now();
  try {
    const reading = (async () => {
      for await (const _ of database.records()) {
        if (sent.length > 0) continue;
        const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(first)]).stdout.toString();
        sent.push(...[first, ...children.split("\n").map(Number)].filter((pid) => pid > 0));
        for (const pid of sent) process.kill(pid, "SIGSTOP");
      }
      return "done";
    })().catch(String);
    expect(await reading).toContain("its server hasn't answered anything for 10 s");
    expect(performance.now() - startMs).toBeLessThan(20_000);
  } finally {
    for (const pid of sent) process.kill(pid, "SIGCONT");
  }
}, 60_000);
