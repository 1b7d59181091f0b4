/** What one damaged mailbox costs all the others: nothing. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../../test/harness/postgres.ts";
import { isFault } from "../ground/mod.ts";
import type { MailboxStore, Outcome } from "../mailbox/mod.ts";
import { key, NOW_MS, OPTIONS, Owner } from "./conformance/data.ts";
import { openStore } from "./open.ts";

const dir = mkdtempSync(join(tmpdir(), "dchat-damage-"));
let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

interface Spoiled {
  readonly store: MailboxStore;
  /** Runs SQL behind the store's back. */
  readonly spoil: (sql: string) => Promise<void>;
}

let count = 0;

async function sqlite(): Promise<Spoiled> {
  const path = join(dir, `${(count += 1)}.sqlite`);
  const spoil = async (sql: string): Promise<void> => {
    using db = new Database(path);
    db.run("PRAGMA busy_timeout = 5000");
    db.run(sql);
  };
  return { store: await openStore({ url: null, path }), spoil };
}

async function postgresql(): Promise<Spoiled> {
  const url = await server.database();
  const spoil = async (text: string): Promise<void> => {
    const sql = postgres(url, { max: 1 });
    await sql.unsafe(text);
    await sql.end();
  };
  return { store: await openStore({ url, path: "" }), spoil };
}

/** How each is damaged: the only mailbox that is there by then. */
const CASES = [
  ["row of SQLite", sqlite, "UPDATE mailbox SET owner = CAST(owner AS TEXT)"],
  ["entry of SQLite", sqlite, "UPDATE entry SET kind = 77"],
  ["row of PostgreSQL", postgresql, "UPDATE mailbox SET owner = '\\x00'"],
  ["entry of PostgreSQL", postgresql, "UPDATE entry SET kind = 77"],
] as const;

/** Outcomes by what they are. */
const kinds = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ is }) => is);

/** A mailbox of two entries of which one may go. */
async function fill(store: MailboxStore): Promise<Owner> {
  const owner = new Owner();
  const [reader = key()] = owner.readers;
  await store.commit([owner.create(), owner.append(), owner.append()], OPTIONS);
  await store.commit([owner.acknowledge(reader, 1)], OPTIONS);
  return owner;
}

for (const [what, open, sql] of CASES) {
  test(`sweep() goes on beside a damaged ${what}, and says so`, async () => {
    const { store, spoil } = await open();
    await using _ = store;
    await fill(store);
    await spoil(sql);
    const sound = await fill(store);
    const told: unknown = await store.sweep(NOW_MS).catch((error: unknown) => error);
    expect(isFault(told, "store/corrupt")).toBe(true);
    expect((await store.mailbox(sound.mailbox))?.entriesHeld).toBe(1);
    // Looked at again later, and not with each piece.
    expect(await store.sweep(NOW_MS + 1)).toBe(false);
  });
}

for (const [what, open] of [
  ["SQLite", sqlite],
  ["PostgreSQL", postgresql],
] as const) {
  test(`commit() of ${what} keeps what others of a batch say, and refuses a damaged mailbox's alone`, async () => {
    const { store, spoil } = await open();
    await using _ = store;
    const owners = Array.from({ length: 5 }, () => new Owner());
    await store.commit(
      owners.map((owner) => owner.create()),
      OPTIONS,
    );
    const [damaged = new Owner()] = owners;
    const literal = what === "SQLite" ? `x'${damaged.mailbox.toHex()}'` : `'\\x${damaged.mailbox.toHex()}'`;
    await spoil(
      `UPDATE mailbox SET owner = ${what === "SQLite" ? "'text'" : "'\\x00'"} WHERE id = ${literal}`,
    );
    const batch = [...owners, ...owners].map((owner) => owner.append());
    const outcomes = await store.commit(batch, OPTIONS);
    const each = ["damaged", "appended", "appended", "appended", "appended"];
    expect(kinds(outcomes)).toEqual([...each, ...each]);
    expect(outcomes[0]).toMatchObject({ what: expect.stringContaining(damaged.mailbox.toHex()) });
    expect(outcomes.flatMap((one) => (one.is === "appended" ? [one.entry.seq] : []))).toEqual([
      0, 0, 0, 0, 1, 1, 1, 1,
    ]);
    expect(kinds(await store.commit([damaged.append()], OPTIONS))).toEqual(["damaged"]);
    const [, sound = damaged] = owners;
    expect((await store.mailbox(sound.mailbox))?.size).toBe(2);
  });

  test(`commit() of ${what} reads no readers for strangers, who would learn by the time that the mailbox is there`, async () => {
    const { store, spoil } = await open();
    await using _ = store;
    const owner = new Owner({ readers: 3 });
    await store.commit([owner.create(), owner.append()], OPTIONS);
    // Whoever reads them is told that they can't be.
    await spoil(
      `UPDATE reader SET key = ${what === "SQLite" ? "CAST(number AS TEXT)" : "substring(key FROM 2)"}`,
    );
    const strangers = [
      owner.append({ by: key() }),
      owner.append({ by: key(), turn: 7 }),
      owner.acknowledge(key(), 1),
      owner.command(key(), { op: "describe" }),
      owner.command(key(), { op: "subscribe", from: 0 }),
    ];
    const denied = { is: "refused", refusal: { code: "denied" } } as const;
    expect(await store.commit(strangers, OPTIONS)).toEqual(strangers.map(() => denied));
    for (const each of strangers) expect(await store.commit([each], OPTIONS)).toEqual([denied]);
    const members = [owner.append(), owner.command(owner.owner, { op: "describe" })];
    for (const each of members) expect(kinds(await store.commit([each], OPTIONS))).toEqual(["damaged"]);
  });
}
