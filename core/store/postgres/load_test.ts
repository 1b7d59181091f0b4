/** That a mailbox and its readers are told from one moment, whoever writes meanwhile. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../../test/harness/postgres.ts";
import { key, OPTIONS, Owner } from "../conformance/data.ts";
import { openPostgresStore } from "../postgres.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Does `work` while its look at readers has to wait, and lets `between` go first. */
async function withBetween<T>(url: string, work: () => Promise<T>, between: string): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const working = await sql.begin(async (tx) => {
    await tx`LOCK TABLE reader IN ACCESS EXCLUSIVE MODE`;
    const begun = work();
    await Bun.sleep(300);
    await tx.unsafe(between);
    return { begun };
  });
  await sql.end();
  return working.begun;
}

test("mailbox() and a READ see a mailbox and its readers as one commit left them", async () => {
  const url = await server.database();
  await using store = await openPostgresStore({ url });
  const owner = new Owner();
  const [reader = key()] = owner.readers;
  await store.commit([owner.create()], OPTIONS);
  const remove = "UPDATE mailbox SET turn = turn + 1; DELETE FROM reader";
  const row = await withBetween(url, () => store.mailbox(owner.mailbox), remove);
  expect([row?.turn, row?.readers.length]).toEqual([1, 0]);
  const add = `UPDATE mailbox SET turn = turn + 1;
    INSERT INTO reader (mailbox, key, cursor, lapsed, sum)
    SELECT id, '\\x${reader.toHex()}', 7, true, 0 FROM mailbox`;
  const read = owner.command(reader, { op: "read", from: 0, bytesMax: 1 });
  const [outcome] = await withBetween(url, () => store.commit([read], OPTIONS), add);
  const seen = outcome?.is === "allowed" ? outcome.row : null;
  expect([seen?.turn, seen?.readers]).toEqual([2, [{ key: reader, cursor: 7, lapsed: true }]]);
});

test("batches that make the same mailboxes in opposite orders are both answered", async () => {
  const url = await server.database();
  await using one = await openPostgresStore({ url });
  await using other = await openPostgresStore({ url });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  // So slow that the two statements meet in their middles.
  await sql.unsafe(`CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
    CREATE TRIGGER slowly BEFORE INSERT ON mailbox FOR EACH ROW EXECUTE FUNCTION slowly()`);
  await sql.end();
  const creates = Array.from({ length: 20 }, () => new Owner().create());
  const answers = await Promise.all([
    one.commit(creates, OPTIONS),
    other.commit(creates.toReversed(), OPTIONS),
  ]);
  for (const outcome of answers.flat()) expect(outcome.is).toBe("created");
});
