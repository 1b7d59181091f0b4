/** What reads a whole database tells of a connection that ends midway: that it ended, and no damage. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../test/harness/postgres.ts";
import { isFault } from "../ground/mod.ts";
import { OPTIONS, Owner } from "./conformance_data.ts";
import { openDatabase, openStore } from "./mod.ts";

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
