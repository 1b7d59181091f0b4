import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { entryId, publicKey, type PublicKey } from "../ground/mod.ts";
import type { MailboxRow } from "../mailbox/mod.ts";
import { key, OPTIONS, Owner, random } from "./conformance/data.ts";
import { RowCache } from "./row_cache.ts";
import { SqliteEngine } from "./sqlite/engine.ts";
import { loadBatch } from "./sqlite/load.ts";
import { openSqliteFile } from "./sqlite/open.ts";
import { prepareStatements } from "./sqlite/statements.ts";

let folder: string;
let path: string;
let engine: SqliteEngine;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dchat-rows-"));
  path = join(folder, "relay.sqlite");
  engine = new SqliteEngine({ path, migrate: true });
});
afterEach(() => {
  engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A key as decoding leaves it: a view of the frame that it came in. */
function view(): PublicKey {
  return publicKey(random(80 * 1024).subarray(100, 132));
}

function rowOf(owner: Owner): MailboxRow {
  const row = engine.mailbox(owner.mailbox);
  if (row === null) throw new Error("no such mailbox");
  return row;
}

function memoryOf(row: MailboxRow): number[] {
  const keys = [row.id, row.owner, row.writer, ...row.readers.map((reader) => reader.key)];
  return [...new Set(keys.map((bytes) => bytes.buffer.byteLength))];
}

describe("SqliteEngine", () => {
  test("remembers keys in bytes of their own, whatever they came in", () => {
    const owner = new Owner({ readers: 2 });
    const create = owner.create();
    if (create.body.op !== "create") throw new Error("not a create");
    engine.commit(
      [{ ...create, body: { ...create.body, writer: view(), readers: [view(), view()] } }],
      OPTIONS,
    );
    const first = rowOf(owner);
    expect(memoryOf(first)).toEqual([32]);
    const change = { writer: view(), added: [view()], removed: [] };
    engine.commit([owner.append({ by: first.writer, kind: "control", change })], OPTIONS);
    const second = rowOf(owner);
    expect([second.writer, second.readers.length]).toEqual([change.writer, 3]);
    expect(memoryOf(second)).toEqual([32]);
    const { policy } = owner;
    const reset = {
      op: "reset",
      version: 2,
      owner: view(),
      writer: view(),
      readers: [view()],
      policy,
    } as const;
    engine.commit([owner.command(owner.owner, reset)], OPTIONS);
    expect(rowOf(owner).owner).toEqual(reset.owner);
    expect(memoryOf(rowOf(owner))).toEqual([32]);
  });
});

describe("loadBatch()", () => {
  test("remembers the turn that runs and two before it, and none that isn't there, whoever asks", () => {
    const owner = new Owner();
    engine.commit([owner.create()], OPTIONS);
    const writers = [owner.writer];
    for (let turn = 0; turn < 9; turn += 1) {
      const change = { writer: key(), added: [], removed: [] };
      engine.commit([owner.append({ turn, by: writers[turn] ?? key(), kind: "control", change })], OPTIONS);
      writers.push(change.writer);
    }
    using db = openSqliteFile({ path, migrate: false });
    const cache = new RowCache({ mailboxes: 9, readers: 9 });
    const stranger = key();
    const commands = Array.from({ length: 300 }, (_, turn) =>
      owner.append({ turn, by: stranger, id: entryId(random(16)) }),
    );
    const sql = prepareStatements(db);
    const { nowMs } = OPTIONS;
    expect(loadBatch(sql, cache, { commands, nowMs }).loaded.mailboxes.size).toBe(0);
    expect(cache.get(owner.mailbox.toHex())).toBeUndefined();
    commands.push(owner.append({ turn: 0, by: owner.writer }));
    const { loaded } = loadBatch(sql, cache, { commands, nowMs });
    expect([...loaded.turns.values()].map(({ turn, writer }) => [turn, writer])).toEqual([
      ...writers.entries(),
    ]);
    const hex = owner.mailbox.toHex();
    expect([...(cache.get(hex)?.turns.keys() ?? [])]).toEqual([7, 8, 9]);
    for (const statement of sql.all) statement.finalize();
  });
});

describe("RowCache", () => {
  const mailbox = (readers: number, box: number) => ({
    box,
    row: {
      ...rowOf(made),
      readers: Array.from({ length: readers }, () => ({ key: key(), cursor: 0, lapsed: false })),
    },
    turns: new Map(),
  });
  const made = new Owner();
  beforeEach(() => void engine.commit([made.create()], OPTIONS));

  test("drops the longest unused beyond as many mailboxes, and beyond as many readers in all", () => {
    const cache = new RowCache({ mailboxes: 3, readers: 10 });
    const held = () => ["a", "b", "c", "d"].filter((each) => cache.get(each) !== undefined).join("");
    for (const [at, name] of ["a", "b", "c"].entries()) cache.set(name, mailbox(1, at));
    cache.get("a");
    cache.set("d", mailbox(1, 3));
    expect(held()).toBe("acd");
    cache.set("d", mailbox(9, 3));
    expect(held()).toBe("cd");
    cache.set("d", mailbox(2, 3));
    cache.set("a", mailbox(7, 0));
    expect(held()).toBe("acd");
    cache.forget(new Set([0]));
    cache.set("b", mailbox(7, 1));
    expect(held()).toBe("bcd");
    cache.clear();
    cache.set("a", mailbox(10, 0));
    expect(held()).toBe("a");
  });
});
