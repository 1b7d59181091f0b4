import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { key, random } from "../store/conformance/data.ts";
import {
  all,
  codeOf,
  dirOf,
  fill,
  type Kind,
  KINDS,
  open,
  openPlaces,
  pathOf,
  type Places,
  stream,
} from "./database/_kit.ts";
import {
  backupDatabase,
  checkDatabase,
  databaseStatus,
  exportDatabase,
  importDatabase,
  migrateDatabase,
  restoreDatabase,
} from "./database.ts";
import { openDataDir } from "./data_dir.ts";

let places: Places;
beforeAll(async () => {
  places = await openPlaces();
});
afterAll(() => places[Symbol.asyncDispose]());

const place = (kind: Kind) => places.place(kind);

for (const kind of KINDS) {
  describe(`dchat database on ${kind}`, () => {
    test("checkDatabase() finds a sound store sound, while a relay works on it", async () => {
      const here = await place(kind);
      await fill(here);
      await using store = await open(here);
      expect((await store.counts()).mailboxes).toBe(3);
      const { damage, ...counts } = await checkDatabase(here);
      expect(damage).toEqual([]);
      expect(counts).toEqual(await store.counts());
    });

    test("backupDatabase() while the relay runs, restoreDatabase() elsewhere: the same, one generation on", async () => {
      const here = await place(kind);
      const { ids, deleted } = await fill(here);
      const file = places.file();
      {
        await using _ = await open(here);
        await backupDatabase({ ...here, file });
      }
      for (const to of KINDS) {
        const there = await place(to);
        expect((await restoreDatabase({ ...there, file })).mailboxes).toBe(3);
        expect((await checkDatabase(there)).damage).toEqual([]);
        await using store = await open(there);
        for (const id of ids) {
          const row = await store.mailbox(id);
          expect(row?.generation).toBe(Math.floor(there.nowMs / 1000));
          expect(row?.started?.size).toBe(row?.size ?? -1);
          expect(row?.term).toBe(2);
        }
        expect((await store.mailbox(deleted))?.deleted).toBe(true);
        const entries = await store.read(ids[1] ?? deleted, { from: 0, bytesMax: 1e9, entriesMax: 100 });
        expect(entries.map((entry) => entry.entry === null)).toEqual([
          true,
          true,
          false,
          false,
          false,
          false,
        ]);
      }
    });

    test("exportDatabase() into importDatabase() moves a store as it is", async () => {
      const here = await place(kind);
      const { ids, deleted } = await fill(here);
      const chunks: Uint8Array[] = [];
      await exportDatabase({ ...here, sink: async (bytes) => void chunks.push(bytes.slice()) });
      for (const to of KINDS) {
        const there = await place(to);
        await importDatabase({ ...there, source: stream(chunks) });
        expect(await all(there, [...ids, deleted])).toEqual(await all(here, [...ids, deleted]));
        expect((await checkDatabase(there)).damage).toEqual([]);
      }
    });

    test("restoreDatabase() refuses what is cut, changed, foreign, and a store that isn't empty, and keeps nothing", async () => {
      const here = await place(kind);
      await fill(here);
      const file = places.file();
      await backupDatabase({ ...here, file });
      const text = readFileSync(file, "utf8");
      const there = await place(kind);
      const restore = async (content: string): Promise<string> => {
        writeFileSync(`${file}.changed`, content);
        return codeOf(restoreDatabase({ ...there, file: `${file}.changed` }));
      };
      for (const at of [20, 500, text.length >> 1, text.length - 100, text.length - 1]) {
        expect(await restore(text.slice(0, at))).toBe("database/damaged");
      }
      expect(await restore(text.replace('"slot":1', '"slot":2'))).toBe("database/damaged");
      expect(await restore(text.replace('"entry":"', '"entry":"AAAA'))).toBe("database/damaged");
      expect(await restore(`${text}\n`)).toBe("database/damaged");
      expect(await restore('{"is":"header","format":"other"}\n')).toBe("database/foreign");
      expect(await restore("\u0000\u0001 nothing\n")).toBe("database/foreign");
      expect(await restore(text.replace('"version":1', '"version":2'))).toBe("database/foreign");
      expect(await restore("")).toBe("database/damaged");
      expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
      expect(await restore(text)).toBe("done");
      expect(await restore(text)).toBe("store/filled");
    });

    test("restoreDatabase() refuses a clock that is behind the file's: it numbers the generations", async () => {
      const here = await place(kind);
      await fill(here);
      const file = places.file();
      await backupDatabase({ ...here, file });
      const there = await place(kind);
      const early = { ...there, nowMs: here.nowMs - 1, file };
      await expect(restoreDatabase(early)).rejects.toThrow(
        /made at 20.*this machine's clock says 20.*set the clock right/,
      );
      expect(await codeOf(restoreDatabase(early))).toBe("database/clock");
      expect(await codeOf(restoreDatabase({ ...early, nowMs: here.nowMs }))).toBe("done");
    });

    test("restoreDatabase() names the entry whose number comes twice, and keeps nothing", async () => {
      const here = await place(kind);
      await fill(here);
      const file = places.file();
      await backupDatabase({ ...here, file });
      const there = await place(kind);
      // The last of a mailbox, under the number of the one before it, and the line twice.
      const text = readFileSync(file, "utf8");
      const line = text.split("\n").find((each) => each.includes('"seq":5')) ?? "";
      for (const bad of [line.replace('"seq":5', '"seq":4'), `${line}\n${line}`]) {
        const changed = `${file}.twice`;
        writeFileSync(
          changed,
          text.replace(line, () => bad),
        );
        const said = await restoreDatabase({ ...there, file: changed }).catch(String);
        expect(said).toMatch(
          /the file: it is damaged: mailbox [0-9a-f]+: entry [45] comes again, after entry/,
        );
      }
      expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
    });

    test.each(["mailbox", "turn", "receipt"])(
      "restoreDatabase() names the %s that stands twice",
      async (is) => {
        const here = await place(kind);
        await fill(here);
        const file = places.file();
        await backupDatabase({ ...here, file });
        const there = await place(kind);
        const lines = readFileSync(file, "utf8").split("\n").slice(0, -2);
        const twice = lines.findIndex((each) => each.startsWith(`{"is":"${is}"`));
        // All of a mailbox, or the one line, again; written as whole as a backup is.
        const next = lines.findIndex((each, at) => at > twice && each.startsWith('{"is":"mailbox"'));
        const again = lines.slice(twice, is === "mailbox" ? next : twice + 1);
        const body = lines.toSpliced(twice, 0, ...again);
        const sha256 = new Bun.CryptoHasher("sha256").update(`${body.join("\n")}\n`).digest("hex");
        const end = JSON.stringify({ is: "end", records: body.length - 1, sha256 });
        const changed = `${file}.twice`;
        writeFileSync(changed, `${[...body, end].join("\n")}\n`);
        const said = await restoreDatabase({ ...there, file: changed }).catch(String);
        expect(said).toMatch(new RegExp(`the file: it is damaged: .*${is} .*comes again`));
        expect((await databaseStatus(there)).counts ?? { mailboxes: 0 }).toMatchObject({ mailboxes: 0 });
      },
    );

    test("restoreDatabase() and migrateDatabase() are refused while a relay works on the store", async () => {
      const here = await place(kind);
      await fill(here);
      const file = places.file();
      await backupDatabase({ ...here, file });
      using _lock = openDataDir(dirOf(here));
      await using _store = await open(here);
      const code = kind === "sqlite" ? "data/locked" : "database/in-use";
      expect(await codeOf(restoreDatabase({ ...here, file }))).toBe(code);
      expect(await codeOf(migrateDatabase(here))).toBe(code);
      if (kind === "sqlite") return;
      const elsewhere = await place("sqlite");
      const same = { ...here, config: { ...elsewhere.config, database: here.config.database } };
      expect(await codeOf(restoreDatabase({ ...same, file }))).toBe(code);
    });

    test("exportDatabase() while a relay works on the store makes a backup, which importDatabase() refuses", async () => {
      const here = await place(kind);
      await fill(here);
      const chunks: Uint8Array[] = [];
      const sink = async (bytes: Uint8Array): Promise<void> => void chunks.push(bytes.slice());
      {
        using _lock = openDataDir(dirOf(here));
        await using _store = await open(here);
        expect((await exportDatabase({ ...here, sink })).busy).toContain("works ");
      }
      const there = await place(kind);
      expect(await codeOf(importDatabase({ ...there, source: stream(chunks) }))).toBe("database/foreign");
      chunks.length = 0;
      expect((await exportDatabase({ ...here, sink })).busy).toBeNull();
      expect(await codeOf(importDatabase({ ...there, source: stream(chunks) }))).toBe("done");
    });

    test("backupDatabase() begins anew what a loss of power cut short, and gives way to one that began later", async () => {
      const here = await place(kind);
      await fill(here);
      const [file, other] = [places.file(), places.file()];
      writeFileSync(`${file}.part`, "{");
      await backupDatabase({ ...here, file });
      expect(existsSync(`${file}.part`)).toBe(false);
      expect(await codeOf(restoreDatabase({ ...(await place(kind)), file }))).toBe("done");
      const slow = backupDatabase({ ...here, file: other });
      // A SQLite file is read without ever waiting for the loop.
      const turn = () => (kind === "sqlite" ? null : new Promise((resolve) => setImmediate(resolve)));
      while (!existsSync(`${other}.part`)) await turn();
      rmSync(`${other}.part`);
      writeFileSync(`${other}.part`, "another's");
      expect(await codeOf(slow)).toBe("database/exists");
      expect([existsSync(other), readFileSync(`${other}.part`, "utf8")]).toEqual([false, "another's"]);
    });

    test("backupDatabase() replaces no file", async () => {
      const here = await place(kind);
      await fill(here);
      const file = places.file();
      await backupDatabase({ ...here, file });
      expect(await codeOf(backupDatabase({ ...here, file }))).toBe("database/exists");
    });
  });
}

test.each(KINDS)(
  "a store on %s says in its backup whose it is, and restored it is the same relay's",
  async (kind) => {
    const here = await place(kind);
    await fill(here);
    const relay = key();
    {
      await using store = await open(here);
      await store.claim(relay);
    }
    // Somebody else's file in the directory says nothing of the store.
    writeFileSync(join(dirOf(here), "identity.json"), JSON.stringify({ publicKey: key().toBase64() }));
    const file = places.file();
    await backupDatabase({ ...here, file });
    for (const to of KINDS) {
      const there = await place(to);
      {
        // It was begun by another relay, and is still empty.
        await using store = await open(there);
        await store.claim(key());
      }
      const identity = JSON.stringify({ publicKey: relay.toBase64() });
      writeFileSync(join(dirOf(there), "identity.json"), identity);
      await restoreDatabase({ ...there, file });
      await using store = await open(there);
      expect((await store.claim(null))?.toHex()).toBe(relay.toHex());
    }
  },
);

test("a SQLite file that was emptied is told as that, and can be filled again", async () => {
  const here = await place("sqlite");
  await fill(here);
  const file = places.file();
  await backupDatabase({ ...here, file });
  writeFileSync(join(dirOf(here), "identity.json"), JSON.stringify({ publicKey: key().toBase64() }));
  truncateSync(pathOf(here));
  const other = places.file();
  for (const work of [
    () => databaseStatus(here),
    () => checkDatabase(here),
    () => migrateDatabase(here),
    () => backupDatabase({ ...here, file: other }),
    () => exportDatabase({ ...here, sink: () => Promise.resolve() }),
  ]) {
    expect(await codeOf(work())).toBe("data/emptied");
  }
  expect(await codeOf(restoreDatabase({ ...here, file }))).toBe("done");
  expect((await checkDatabase(here)).damage).toEqual([]);
});

test("restoreDatabase() into PostgreSQL needs no directory of the relay, but takes none of another one", async () => {
  const [here, bare, there] = [await place("sqlite"), await place("postgres"), await place("postgres")];
  await fill(here);
  const relay = key();
  writeFileSync(join(dirOf(here), "identity.json"), JSON.stringify({ publicKey: relay.toBase64() }));
  const file = places.file();
  await backupDatabase({ ...here, file });
  await restoreDatabase({ ...bare, file });
  await using store = await open(bare);
  expect((await store.claim(null))?.toHex()).toBe(relay.toHex());
  writeFileSync(join(dirOf(there), "identity.json"), JSON.stringify({ publicKey: key().toBase64() }));
  expect(await codeOf(restoreDatabase({ ...there, file }))).toBe("database/foreign");
});

test("restoreDatabase() refuses the backup of another relay, also where no relay's identity is", async () => {
  const [here, there, bare] = [await place("sqlite"), await place("sqlite"), await place("sqlite")];
  await fill(here);
  for (const options of [here, there]) {
    const identity = { publicKey: random(32).toBase64() };
    writeFileSync(join(dirOf(options), "identity.json"), JSON.stringify(identity));
  }
  const file = places.file();
  await backupDatabase({ ...here, file });
  expect(await codeOf(restoreDatabase({ ...there, file }))).toBe("database/foreign");
  expect(await codeOf(restoreDatabase({ ...bare, file }))).toBe("database/foreign");
});
