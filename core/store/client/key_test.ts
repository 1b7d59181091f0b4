import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crypto } from "../../../test/harness/party.ts";
import type { DeviceStore } from "../../conversation/mod.ts";
import { isFault } from "../../ground/mod.ts";
import { openDeviceStore, rewrapDeviceStore } from "./mod.ts";

const passphrase = new TextEncoder().encode("correct horse");
const secretSeed = new TextEncoder().encode("0123456789abcdef-seed-0123456789");

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dchat-device-key-"));
  path = join(dir, "device.db");
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(secret: Uint8Array | null): Promise<DeviceStore> {
  return openDeviceStore({ path, crypto, passphrase: secret });
}

async function openAndClose(secret: Uint8Array | null): Promise<void> {
  await (await open(secret))[Symbol.asyncDispose]();
}

async function codeOf(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );
}

function removeAll(): void {
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
}

/** Everything that lies in the database's folder, in one string of bytes. */
function fileBytes(): Buffer {
  return Buffer.concat(readdirSync(dir).map((name) => readFileSync(join(dir, name))));
}

describe("openDeviceStore()", () => {
  test("refuses a bare database where the key file has a passphrase, and leaves it as it is", async () => {
    const planted = await open(null);
    await planted.transact((keeper) => keeper.putValue("device", secretSeed));
    await planted[Symbol.asyncDispose]();
    expect(await codeOf(open(passphrase))).toBe("store/key");
    const between = () => expect.unreachable();
    expect(() => rewrapDeviceStore({ path, crypto, from: passphrase, to: null, between })).toThrow(
      "put it there",
    );
    await using again = await open(null);
    expect(await again.transact((keeper) => keeper.value("certificate"))).toBeNull();
  });

  test("refuses a key that is wrapped too weakly, or so that opening it stops the machine", async () => {
    for (const kdf of [{ memoryKib: 8 }, { passes: 1 }, { memoryKib: 1 << 22 }, { passes: 64 }]) {
      await openAndClose(passphrase);
      {
        using raw = new Database(path);
        const [[document]] = raw.query("SELECT document FROM wrap").values() as [[string]];
        const changed = JSON.parse(document);
        raw.run("UPDATE wrap SET document = ?", [
          JSON.stringify({ ...changed, kdf: { ...changed.kdf, ...kdf } }),
        ]);
      }
      expect(await codeOf(open(passphrase))).toBe("store/corrupt");
      removeAll();
    }
  });
});

describe("rewrapDeviceStore()", () => {
  test("lets the new passphrase in and the old one out, and keeps what is there", async () => {
    const store = await open(passphrase);
    await store.transact((keeper) => keeper.putValue("device", secretSeed));
    await store[Symbol.asyncDispose]();
    const next = new TextEncoder().encode("another");
    const between = () => undefined;
    expect(() => rewrapDeviceStore({ path, crypto, from: next, to: next, between })).toThrow("former");
    rewrapDeviceStore({ path, crypto, from: passphrase, to: next, between });
    expect(await codeOf(open(passphrase))).toBe("store/key");
    await using again = await open(next);
    expect(await again.transact((keeper) => keeper.value("device"))).toEqual(secretSeed);
  });
});

describe("rewrapDeviceStore() interrupted", () => {
  const next = new TextEncoder().encode("another");
  const wraps = (): number => {
    using raw = new Database(path, { readonly: true });
    return raw.query("SELECT number FROM wrap").all().length;
  };
  /** Every way from one protection to another. */
  const changes = [
    { from: passphrase, to: next },
    { from: null, to: next },
    { from: passphrase, to: null },
  ];

  test("lets in what the key file then has, and after that nothing else", async () => {
    for (const { from, to } of changes) {
      for (const isReplaced of [false, true]) {
        await openAndClose(from);
        const between = () => {
          throw new Error("killed");
        };
        expect(() => rewrapDeviceStore({ path, crypto, from, to, between })).toThrow("killed");
        expect(wraps()).toBe(2);
        await openAndClose(isReplaced ? to : from);
        expect(wraps()).toBe(1);
        expect(await codeOf(open(isReplaced ? from : to))).toBe("store/key");
        expect(fileBytes().includes('"burner"')).toBe((isReplaced ? to : from) === null);
        removeAll();
      }
    }
  });

  test("stands where somebody opened the database by the former passphrase while it went on", async () => {
    const store = await open(passphrase);
    await store.transact((keeper) => keeper.putValue("device", secretSeed));
    await store[Symbol.asyncDispose]();
    const slow = () => {
      using other = new Database(path);
      other.run("PRAGMA busy_timeout = 0");
      expect(() => other.run("DELETE FROM wrap WHERE number = 2")).toThrow("locked");
    };
    rewrapDeviceStore({ path, crypto, from: passphrase, to: next, between: slow });
    await using again = await open(next);
    expect(await again.transact((keeper) => keeper.value("device"))).toEqual(secretSeed);
  });
});
