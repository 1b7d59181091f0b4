import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { crypto, makePlace, randomId, randomKey } from "../../../test/harness/party.ts";
import { type DeviceStore, type Invite, INVITE_SECRET_BYTES, type Keeper } from "../../conversation/mod.ts";
import { hash, isFault } from "../../ground/mod.ts";
import { ensureDeviceFile } from "./create.ts";
import { openDeviceStore, rewrapDeviceStore } from "./mod.ts";

const passphrase = new TextEncoder().encode("correct horse");
const SECRET_TEXT = "the text that no thief may read";
const SECRET_NAME = "the-name-that-no-thief-may-read";
const secretSeed = new TextEncoder().encode("0123456789abcdef-seed-0123456789");

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dchat-device-"));
  path = join(dir, "device.db");
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(secret: Uint8Array | null = null): Promise<DeviceStore> {
  return openDeviceStore({ path, crypto, passphrase: secret });
}

async function codeOf(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );
}

function addConversation(keeper: Keeper): number {
  return keeper.addConversation({
    name: SECRET_NAME,
    peer: randomKey().publicKey,
    createdMs: 1,
    place: makePlace(),
    ownerSeed: secretSeed,
    readerSeed: secretSeed,
    founding: null,
    position: { generation: 1, size: 0, peaks: [], turn: 0, acknowledged: 0 },
    alarms: ["noted"],
  });
}

function addMessage(keeper: Keeper, conversation: number, text = SECRET_TEXT) {
  const message = {
    conversation,
    id: randomId(),
    generation: 1,
    seq: null,
    mine: false,
    timeMs: 5,
    text,
    head: { generation: 1, size: 3, root: hash(new Uint8Array(32).fill(9)) },
    shown: false,
  };
  keeper.putMessage(message);
  return message;
}

/** Everything that lies in the database's folder, in one string of bytes. */
function fileBytes(): Buffer {
  return Buffer.concat(readdirSync(dir).map((name) => readFileSync(join(dir, name))));
}

describe("openDeviceStore()", () => {
  test("leaves no text, name, key or seed in the file, journal included, while open and after", async () => {
    const store = await open(passphrase);
    await store.transact((keeper) => {
      const id = addConversation(keeper);
      addMessage(keeper, id);
      keeper.putValue("device", secretSeed);
      keeper.putWriterSeed(id, 0, secretSeed);
      keeper.putSnapshot(id, { snapshot: secretSeed, ratchets: [{ node: 0, bytes: secretSeed }] });
      keeper.putPending(id, secretSeed);
    });
    const needles = [SECRET_TEXT, SECRET_NAME, "noted", Buffer.from(secretSeed), Buffer.from(passphrase)];
    for (const needle of needles) expect(fileBytes().includes(needle)).toBe(false);
    await store[Symbol.asyncDispose]();
    for (const needle of needles) expect(fileBytes().includes(needle)).toBe(false);
  });

  test("empties its journal while it is open, once nobody is in a transaction", async () => {
    await using store = await openDeviceStore({ path, crypto, passphrase: null, journalLifeMs: 20 });
    await using other = await open();
    const sealed = (): Buffer => {
      using raw = new Database(path, { readonly: true });
      const row = raw.query("SELECT sealed FROM ratchet").values()[0];
      return Buffer.from(row?.[0] as Uint8Array);
    };
    const put = (one: DeviceStore) =>
      one.transact((keeper) => keeper.putRatchets(1, [{ node: 0, bytes: crypto.random.bytes(40) }]));
    await put(store);
    const used = sealed();
    expect(fileBytes().includes(used)).toBe(true);
    const busy = Promise.withResolvers<void>();
    const holding = other.transact(() => busy.promise);
    await Bun.sleep(60);
    busy.resolve();
    await holding;
    await put(store);
    expect(fileBytes().includes(used)).toBe(true);
    while (statSync(`${path}-wal`).size > 0) await Bun.sleep(5);
    expect(fileBytes().includes(used)).toBe(false);
    expect(fileBytes().includes(sealed())).toBe(true);
  });

  test("gives back what was kept after it was closed, to the right passphrase only", async () => {
    const first = await open(passphrase);
    const kept = await first.transact((keeper) => addMessage(keeper, addConversation(keeper)));
    await first[Symbol.asyncDispose]();
    expect(await codeOf(open(new TextEncoder().encode("wrong")))).toBe("store/key");
    expect(await codeOf(open(null))).toBe("store/key");
    await using again = await open(passphrase);
    expect(await again.transact((keeper) => keeper.messages(kept.conversation))).toEqual([kept]);
    expect(await again.transact((keeper) => keeper.conversations()[0]?.name)).toBe(SECRET_NAME);
  });

  test("gives back how far the founding of a conversation is", async () => {
    await using store = await open();
    const invite: Invite = {
      expiresMs: 9000,
      relay: randomKey().publicKey,
      addresses: ["/ip4/127.0.0.1/tcp/7070"],
      inbox: makePlace().mailbox,
      secret: crypto.random.bytes(INVITE_SECRET_BYTES),
      bundle: hash(crypto.random.bytes(32)),
    };
    const begun = { invite, welcomeId: randomId(), welcomeEntry: new Uint8Array([7]) };
    for (const how of [
      { made: false, laid: null },
      { made: true, laid: null },
      { made: true, laid: 1_790_000_000 },
    ]) {
      const founding = { ...begun, ...how };
      const got = await store.transact((keeper) => {
        const id = addConversation(keeper);
        const kept = keeper.conversation(id);
        if (kept !== null) keeper.putConversation({ ...kept, founding });
        return keeper.conversation(id)?.founding;
      });
      expect(got).toEqual(founding);
    }
  });

  test("makes a file that is whole from its first moment, and leaves nothing beside it", async () => {
    await using store = await open();
    expect(readdirSync(dir).sort()).toEqual(["device.db", "device.db-shm", "device.db-wal"]);
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    await store.transact((keeper) => keeper.putValue("identity", secretSeed));
  });

  test("refuses a file that was emptied, and leaves it and its journal as they are", async () => {
    const store = await open();
    await store.transact((keeper) => keeper.putValue("identity", secretSeed));
    cpSync(`${path}-wal`, join(dir, "kept-wal"));
    await store[Symbol.asyncDispose]();
    const whole = readFileSync(path);
    const refusal = async (): Promise<void> => {
      const said = await open().catch((error: unknown) => error);
      expect(isFault(said, "store/emptied")).toBe(true);
      expect(String(said)).toContain(path);
    };
    writeFileSync(path, "");
    await refusal();
    cpSync(join(dir, "kept-wal"), `${path}-wal`);
    await refusal();
    rmSync(path);
    await refusal();
    expect(readFileSync(`${path}-wal`).equals(readFileSync(join(dir, "kept-wal")))).toBe(true);
    expect(() => rewrapDeviceStore({ path, crypto, from: null, to: passphrase, between() {} })).toThrow(path);
    rmSync(`${path}-wal`);
    new Database(path, { create: true }).run("PRAGMA user_version = 0; CREATE TABLE other (a)");
    await refusal();
    writeFileSync(path, whole);
    await using again = await open();
    expect(await again.transact((keeper) => keeper.value("identity"))).toEqual(secretSeed);
  });

  test("begins a new device where the making of one was cut short at any moment", async () => {
    const folder = join(dir, "cut");
    // What was written by then of the file under its first name.
    for (const length of [0, 1, 4096, 9000]) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      writeFileSync(join(folder, "device.db.77.abc.tmp"), new Uint8Array(length));
      await using store = await openDeviceStore({
        path: join(folder, "device.db"),
        crypto,
        passphrase: null,
      });
      expect(await store.transact((keeper) => keeper.value("identity"))).toBeNull();
    }
    // Linked, and no key yet.
    ensureDeviceFile(path);
    await using store = await open(passphrase);
    expect(await store.transact((keeper) => keeper.value("identity"))).toBeNull();
  });

  test("is one device for processes that begin it at once", async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
    await stores[0]?.transact((keeper) => keeper.putValue("device", secretSeed));
    for (const store of stores) {
      expect(await store.transact((keeper) => keeper.value("device"))).toEqual(secretSeed);
      await store[Symbol.asyncDispose]();
    }
    expect(readdirSync(dir).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("refuses a newer database and names both versions", async () => {
    await (await open())[Symbol.asyncDispose]();
    const raw = new Database(path);
    raw.run("PRAGMA user_version = 99");
    raw.close();
    expect(await codeOf(open())).toBe("store/newer");
    expect(open()).rejects.toThrow(/its version is 99, this dchat knows versions up to \d+/);
  });

  test("says so when a sealed cell was changed, or moved to another row", async () => {
    const store = await open();
    const id = await store.transact((keeper) => {
      const conversation = addConversation(keeper);
      addMessage(keeper, conversation, "one");
      addMessage(keeper, conversation, "two");
      return conversation;
    });
    await store[Symbol.asyncDispose]();
    const raw = new Database(path);
    raw.run("UPDATE message SET sealed = (SELECT sealed FROM message WHERE number = 2) WHERE number = 1");
    raw.close();
    await using again = await open();
    expect(await codeOf(again.transact((keeper) => keeper.messages(id)))).toBe("store/corrupt");
  });
});

describe("DeviceStore.transact()", () => {
  test("keeps nothing of a transaction that throws", async () => {
    await using store = await open();
    const failed = store.transact((keeper) => {
      keeper.putValue("device", secretSeed);
      throw new Error("midway");
    });
    expect(failed).rejects.toThrow("midway");
    await failed.catch(() => undefined);
    expect(await store.transact((keeper) => keeper.value("device"))).toBeNull();
  });

  test("runs one after another, in one process and over two connections", async () => {
    await using store = await open();
    await using other = await open();
    const add = async (to: DeviceStore) => {
      await to.transact(async (keeper) => {
        const before = keeper.value("count")?.[0] ?? 0;
        await Bun.sleep(1);
        keeper.putValue("count", Uint8Array.of(before + 1));
      });
    };
    await Promise.all(Array.from({ length: 40 }, (_, at) => add(at % 2 === 0 ? store : other)));
    expect(await store.transact((keeper) => keeper.value("count"))).toEqual(Uint8Array.of(40));
  });

  test("shows another connection's commits by revision()", async () => {
    await using store = await open();
    await using other = await open();
    const before = store.revision();
    await other.transact((keeper) => keeper.putValue("device", secretSeed));
    expect(store.revision()).not.toBe(before);
  });

  test("loses nothing that it committed when the process is killed, and nothing of the rest shows", async () => {
    const script = `
      import { openDeviceStore } from ${JSON.stringify(resolve(import.meta.dir, "mod.ts"))};
      import { openCrypto } from "@dchat/crypto-wasm";
      const store = await openDeviceStore({ path: ${JSON.stringify(path)}, crypto: await openCrypto({ needs: [] }), passphrase: null });
      for (let at = 1; at < 250; at++) {
        await store.transact(async (keeper) => {
          keeper.putValue("one", Uint8Array.of(at));
          await Bun.sleep(1);
          keeper.putValue("two", Uint8Array.of(at));
        });
        process.stdout.write(at + "\\n");
      }`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", cwd: import.meta.dir });
    let seen = "";
    for await (const chunk of child.stdout) {
      seen += new TextDecoder().decode(chunk);
      if (seen.split("\n").length > 20) child.kill("SIGKILL");
    }
    await child.exited;
    const last = Number(seen.split("\n").slice(0, -1).at(-1));
    await using store = await open();
    const [one, two] = await store.transact((keeper) => [keeper.value("one")?.[0], keeper.value("two")?.[0]]);
    expect(one).toBe(two);
    expect(one).toBeGreaterThanOrEqual(last);
  });
});

describe("Keeper", () => {
  test("orders messages by generation and number, those that wait last", async () => {
    await using store = await open();
    const texts = await store.transact((keeper) => {
      const id = addConversation(keeper);
      const put = (text: string, generation: number, seq: number | null) =>
        keeper.putMessage({ ...addMessage(keeper, id, text), generation, seq });
      put("waits", 1, null);
      put("second generation", 2, 4);
      put("first generation", 1, 5);
      put("first of all", 1, 0);
      put("waits too", 2, null);
      return keeper.messages(id).map(({ text }) => text);
    });
    expect(texts).toEqual(["first of all", "first generation", "second generation", "waits", "waits too"]);
  });

  test("gives unshown messages once", async () => {
    await using store = await open();
    const counts = await store.transact((keeper) => {
      addMessage(keeper, addConversation(keeper));
      const before = keeper.unshown();
      keeper.markShown(before);
      return [before.length, keeper.unshown().length];
    });
    expect(counts).toEqual([1, 0]);
  });

  test("finds a leaf as the log stood in a generation", async () => {
    await using store = await open();
    const leaf = (fill: number) => hash(new Uint8Array(32).fill(fill));
    const found = await store.transact((keeper) => {
      const id = addConversation(keeper);
      const add = (generation: number, seq: number, fill: number) =>
        keeper.addLeaf({
          conversation: id,
          generation,
          seq,
          turn: 0,
          id: randomId(),
          leaf: leaf(fill),
          root: leaf(fill),
        });
      add(1, 0, 10);
      add(1, 1, 11);
      add(2, 1, 21);
      keeper.addGap(id, { generation: 3, from: 1, to: 5 });
      return {
        gone: [keeper.leaf(id, { generation: 3, seq: 1 }), keeper.leaf(id, { generation: 3, seq: 2 })],
        below: keeper.leaves(id, { generation: 3, size: 2 }),
        old: keeper.leaf(id, { generation: 1, seq: 1 })?.leaf,
        now: keeper.leaf(id, { generation: 2, seq: 1 })?.leaf,
        shared: keeper.leaf(id, { generation: 2, seq: 0 })?.leaf,
        all: keeper.leaves(id, { generation: 2, size: 2 }),
      };
    });
    const [shared, all] = [leaf(10), [leaf(10), leaf(21)]];
    expect(found).toEqual({ gone: [null, null], below: [shared], old: leaf(11), now: leaf(21), shared, all });
  });

  test("forgets what was sent below a number, never what waits", async () => {
    await using store = await open();
    const left = await store.transact((keeper) => {
      const id = addConversation(keeper);
      for (const seq of [null, 1, 2, 3]) {
        const sent = seq === null ? null : { generation: 1, seq, leaf: hash(new Uint8Array(32)) };
        keeper.addOutgoing({
          conversation: id,
          id: randomId(),
          kind: "plain",
          sealed: null,
          change: null,
          sent,
        });
      }
      keeper.dropSent(id, 3);
      return [keeper.sent(id).map(({ sent }) => sent?.seq), keeper.unsent(id).length];
    });
    expect(left).toEqual([[3], 1]);
  });
});
