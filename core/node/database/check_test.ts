import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { mailboxId, publicKey, signature } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import { key, NOW_MS, OPTIONS, Owner } from "../../store/conformance/data.ts";
import { readerSum, receiptSum } from "../../store/row_sum.ts";
import { codeOf, fill, type Kind, KINDS, open, openPlaces, pathOf, type Places, sql } from "./_kit.ts";
import { backupDatabase, checkDatabase, restoreDatabase } from "../database.ts";

let places: Places;
beforeAll(async () => {
  places = await openPlaces();
});
afterAll(() => places[Symbol.asyncDispose]());

const place = (kind: Kind) => places.place(kind);

function literal(value: unknown): string {
  return value instanceof Uint8Array ? `'\\x${value.toHex()}'` : String(value);
}

type Row = Readonly<Record<string, unknown>>;

/** What a reader's row would say, sum included, had its cursor not gone beyond `cursor`. */
function readerAt(mailbox: Uint8Array, { key: reader }: Row, cursor: number): Row {
  return { cursor, sum: readerSum(mailbox, { key: publicKey(bytesOf(reader)), cursor, lapsed: false }) };
}

function receiptAt(mailbox: Uint8Array, row: Row, cursor: number): Row {
  const receipt = {
    mailbox: mailboxId(mailbox),
    reader: publicKey(bytesOf(row["reader"])),
    generation: Number(row["generation"]),
    cursor,
    notAfterMs: Number(row["not_after_ms"]),
    signature: signature(bytesOf(row["signature"])),
  };
  return { cursor, sum: receiptSum(receipt) };
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

for (const kind of KINDS) {
  describe(`checkDatabase() on ${kind}`, () => {
    test.each(["reader", "receipt"])(
      "names the mailbox whose row of table %s is gone, or is an older one",
      async (table) => {
        const here = await place(kind);
        const { ids } = await fill(here);
        const [id = new Uint8Array(32)] = ids;
        const whose = kind === "sqlite" ? "box = 1" : `mailbox = '\\x${id.toHex()}'`;
        const first = kind === "sqlite" ? "number" : "cursor DESC";
        const keys = kind === "sqlite" ? ["number"] : ["mailbox", table === "reader" ? "key" : "reader"];
        const [row = {}] = await sql(
          here,
          `SELECT * FROM ${table} WHERE ${whose} AND cursor = 2 ORDER BY ${first} LIMIT 1`,
        );
        const old = { reader: readerAt, receipt: receiptAt }[table]?.(id, row, 1) ?? {};
        const where = keys.map((each) => `${each} = ${literal(row[each])}`).join(" AND ");
        const put = (values: Record<string, unknown>): string =>
          `UPDATE ${table} SET ${Object.entries(values)
            .map(([column, value]) => `${column} = ${literal(value)}`)
            .join(", ")} WHERE ${where}`;
        const says = `mailbox ${id.toHex()}: its ${table}s aren't those that it had last`;
        expect((await checkDatabase(here)).damage).toEqual([]);
        await sql(here, put(old));
        expect((await checkDatabase(here)).damage).toEqual([expect.stringContaining(says)]);
        await sql(here, put({ cursor: row["cursor"], sum: row["sum"] }));
        expect((await checkDatabase(here)).damage).toEqual([]);
        await sql(here, `DELETE FROM ${table} WHERE ${where}`);
        expect((await checkDatabase(here)).damage).toEqual([expect.stringContaining(says)]);
        const file = places.file();
        expect(await codeOf(backupDatabase({ ...here, file }))).toBe("database/damaged");
      },
    );

    test("finds nothing wrong with a removed mailbox that a sweep is at, and keeps none of it", async () => {
      const here = await place(kind);
      const owner = new Owner({ readers: 2 });
      const [reader = key()] = owner.readers;
      {
        await using store = await open(here);
        await store.commit([owner.create(), owner.acknowledge(reader, 0)], OPTIONS);
        for (let at = 0; at < 3; at += 1) {
          await store.commit(
            Array.from({ length: 250 }, () => owner.append()),
            OPTIONS,
          );
        }
        await store.commit([owner.command(owner.owner, { op: "delete" })], OPTIONS);
        expect(await store.sweep(NOW_MS)).toBe(true);
      }
      const [left] = await sql(here, "SELECT count(*) AS n FROM entry");
      expect(Number(left?.["n"])).toBeGreaterThan(0);
      expect((await checkDatabase(here)).damage).toEqual([]);
      expect(await backupDatabase({ ...here, file: places.file() })).toBe(1);
    });

    test("adds up the receipts of a mailbox that has had more readers than a number counts exactly", async () => {
      const here = await place(kind);
      await fill(here);
      // As by 2 ** 23 receipts more, whose sums are multiples of what counts.
      await sql(
        here,
        "UPDATE mailbox SET receipt_sum = receipt_sum + 36028797018963968 WHERE receipt_sum > 0",
      );
      expect((await checkDatabase(here)).damage).toEqual([]);
      await sql(here, "UPDATE mailbox SET receipt_sum = receipt_sum + 1 WHERE receipt_sum > 0");
      expect((await checkDatabase(here)).damage).not.toEqual([]);
    });

    test("names a mailbox that is gone with all its rows, and one whose tombstone is", async () => {
      const here = await place(kind);
      const { ids, deleted } = await fill(here);
      const [id = new Uint8Array(32), other = id] = ids;
      const gone = (mailbox: Uint8Array) =>
        `the mailbox whose id begins with ${mailbox.toHex().slice(0, 8)} is missing`;
      const remove = async (mailbox: Uint8Array): Promise<void> => {
        const named = kind === "sqlite" ? `x'${mailbox.toHex()}'` : literal(mailbox);
        const [row] = kind === "sqlite" ? await sql(here, `SELECT box FROM mailbox WHERE id = ${named}`) : [];
        const box = Number(row?.["box"] ?? 0);
        const whose = kind === "sqlite" ? `box = ${box}` : `mailbox = ${named}`;
        for (const table of ["reader", "turn", "receipt"])
          await sql(here, `DELETE FROM ${table} WHERE ${whose}`);
        if (kind === "sqlite") {
          await sql(
            here,
            `DELETE FROM body WHERE number IN (SELECT body FROM entry WHERE place >> 32 = ${box})`,
          );
        }
        await sql(here, `DELETE FROM entry WHERE ${kind === "sqlite" ? `place >> 32 = ${box}` : whose}`);
        await sql(here, `DELETE FROM mailbox WHERE id = ${named}`);
      };
      expect((await checkDatabase(here)).damage).toEqual([]);
      await remove(deleted);
      expect((await checkDatabase(here)).damage).toEqual([expect.stringContaining(gone(deleted))]);
      await remove(id);
      expect((await checkDatabase(here)).damage).toContainEqual(
        expect.stringContaining("2 mailboxes that were made in it are missing"),
      );
      const file = places.file();
      expect(await codeOf(backupDatabase({ ...here, file }))).toBe("database/damaged");
      const there = await place(kind);
      await fill(there);
      await sql(
        there,
        `UPDATE mailbox SET id = ${kind === "sqlite" ? `x'${other.toHex()}'` : literal(other)}
        WHERE id = (SELECT id FROM mailbox WHERE NOT deleted LIMIT 1)`,
      );
      expect((await checkDatabase(there)).damage).toContainEqual(
        expect.stringContaining("its mailboxes aren't those that were made in it"),
      );
    });

    test("names a relay's identity that is gone from the store, cut short or changed", async () => {
      const here = await place(kind);
      await fill(here);
      {
        await using store = await open(here);
        await store.claim(key());
      }
      const table = kind === "sqlite" ? "total" : "dchat_state";
      const [row = {}] = await sql(here, `SELECT relay FROM ${table}`);
      const relay = bytesOf(row["relay"]);
      const put = (value: Uint8Array | null) => {
        const text = kind === "sqlite" ? `x'${value?.toHex() ?? ""}'` : literal(value);
        return sql(here, `UPDATE ${table} SET relay = ${value === null ? "NULL" : text}`);
      };
      expect((await checkDatabase(here)).damage).toEqual([]);
      for (const [value, says] of [
        [null, "identity that was noted is gone"],
        [relay.subarray(0, 31), "32 bytes"],
        [relay.with(5, (relay[5] ?? 0) ^ 1), "doesn't fit its checksum"],
      ] as const) {
        await put(value);
        expect((await checkDatabase(here)).damage).toEqual([expect.stringContaining(says)]);
        await using store = await open(here);
        expect(await codeOf(store.claim(key()))).toBe("store/corrupt");
      }
      await put(relay);
      expect((await checkDatabase(here)).damage).toEqual([]);
    });

    test("finds nothing where readers and receipts change: their sums follow", async () => {
      const here = await place(kind);
      const owner = new Owner({ readers: 3, policy: { entriesMax: 8 } });
      const [one = key(), two = key()] = owner.readers;
      const sound = async (): Promise<void> => expect((await checkDatabase(here)).damage).toEqual([]);
      {
        await using store = await open(here);
        const commit = async (...batch: Parameters<MailboxStore["commit"]>[0]): Promise<void> => {
          await store.commit(batch, OPTIONS);
          await sound();
        };
        await commit(owner.create(), owner.append(), owner.acknowledge(one, 1));
        await commit(owner.append(), owner.acknowledge(one, 2), owner.acknowledge(two, 1));
        await commit(owner.acknowledge(two, 2), owner.acknowledge(two, 1), owner.acknowledge(one, 2));
        // Late enough for a reader to lapse, which then comes back.
        await commit(...Array.from({ length: 5 }, () => owner.append()), owner.acknowledge(one, 7));
        const late = (await store.mailbox(owner.mailbox))?.readers.find((reader) => reader.lapsed);
        expect(late).toBeDefined();
        await commit(owner.acknowledge(late?.key ?? key(), 7));
        const writer = key();
        await commit(
          owner.append({ kind: "control", change: { writer, added: [key(), key()], removed: [two] } }),
        );
        const again = { writer: key(), owner: owner.owner, readers: [two, key()], policy: owner.policy };
        await commit(owner.command(owner.owner, { op: "reset", version: 2, ...again }));
        await commit(owner.command(two, { op: "acknowledge", cursor: 8 }));
      }
      const file = places.file();
      await backupDatabase({ ...here, file });
      for (const to of KINDS) {
        const there = await place(to);
        await restoreDatabase({ ...there, file });
        expect((await checkDatabase(there)).damage).toEqual([]);
      }
      await using store = await open(here);
      await store.commit([owner.command(owner.owner, { op: "delete" })], OPTIONS);
      await sound();
      while (await store.sweep(NOW_MS));
      await sound();
    });
  });
}

test("checkDatabase() names the mailbox and the entry of every kind of change", async () => {
  const here = await place("sqlite");
  const { ids } = await fill(here);
  const name = ids[0]?.toHex() ?? "";
  const changes: readonly [sql: string, says: string][] = [
    [
      "UPDATE body SET bytes = CAST(x'00' || substr(bytes, 2) AS BLOB) WHERE number = (SELECT body FROM entry WHERE place = (1 << 32) + 5)",
      "entry 5: its body doesn't hash",
    ],
    ["UPDATE entry SET time_ms = time_ms + 1 WHERE place = (1 << 32) + 1", "entry 1: what it says"],
    [
      "UPDATE entry SET nodes = CAST(x'00' || substr(nodes, 2) AS BLOB) WHERE place = (1 << 32) + 3",
      "entry 3: ",
    ],
    ["UPDATE entry SET slot = 7 WHERE place = (1 << 32) + 3", "entry 3: slot or taker"],
    ["UPDATE entry SET body = NULL WHERE place = (1 << 32) + 5", "bodies of"],
    ["DELETE FROM entry WHERE place = (1 << 32) + 2", "entries 2 to 2 are missing"],
    ["DELETE FROM entry WHERE place = (1 << 32) + 5", "its size is 6"],
    ["UPDATE mailbox SET peaks = CAST(x'00' || substr(peaks, 2) AS BLOB) WHERE box = 1", "its head"],
    ["UPDATE mailbox SET ttl_ms = ttl_ms + 1 WHERE box = 1", "keys, policy or readers"],
    ["UPDATE reader SET cursor = cursor + 1 WHERE box = 1", "keys, policy or readers"],
    ["UPDATE turn SET writer = zeroblob(32) WHERE box = 1 AND turn = 1", "turn 1"],
    ["UPDATE receipt SET cursor = cursor - 1 WHERE box = 1", "receipt of reader"],
    ["UPDATE mailbox SET owner = x'00' WHERE box = 1", "A public key has 32 bytes"],
    ["UPDATE mailbox SET peaks = 'text' WHERE box = 1", "holds text or a number"],
    ["UPDATE mailbox SET floor = 1 WHERE box = 1", "floor is 1"],
  ];
  expect((await checkDatabase(here)).damage).toEqual([]);
  const before = readFileSync(pathOf(here));
  for (const [sql, says] of changes) {
    {
      using db = new Database(pathOf(here));
      db.run(sql);
      db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    const { damage } = await checkDatabase(here);
    expect([sql, damage.some((what) => what.includes(name) && what.includes(says))]).toEqual([sql, true]);
    writeFileSync(pathOf(here), before);
  }
});

test("checkDatabase() comes to an end where a page of SQLite's leads back to one above it", async () => {
  const here = await place("sqlite");
  const owner = new Owner();
  {
    await using store = await open(here);
    await store.commit([owner.create(), ...Array.from({ length: 200 }, () => owner.append())], OPTIONS);
  }
  const [root = {}] = await sql(here, "SELECT rootpage FROM sqlite_schema WHERE name = 'entry'");
  const page = Number(root["rootpage"]);
  const bytes = new Uint8Array(readFileSync(pathOf(here)));
  const view = new DataView(bytes.buffer, (page - 1) * 4096, 4096);
  // Of an inner page; its second child becomes the page itself.
  expect(view.getUint8(0)).toBe(5);
  view.setUint32(view.getUint16(12 + 2), page);
  writeFileSync(pathOf(here), bytes);
  const { damage } = await checkDatabase(here);
  expect(damage.join("\n")).toContain(`mailbox ${owner.mailbox.toHex()}: entry`);
  expect(damage.length).toBeLessThan(50);
}, 20_000);
