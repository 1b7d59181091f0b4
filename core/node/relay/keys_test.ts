import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import { isFault, publicKey, type PublicKey } from "../../ground/mod.ts";
import { sealKeystore } from "../../identity/mod.ts";
import { certificateStatement } from "../../wire/mod.ts";
import { openRelayKeys } from "./keys.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const PEER = new Uint8Array(38).fill(1);

let crypto: Crypto;
let dir: string;
const clock = { nowMs: Date.parse("2026-01-01"), now: () => clock.nowMs, monotonic: () => 0 };

beforeAll(async () => {
  crypto = await openCrypto();
  dir = mkdtempSync(join(tmpdir(), "dchat-keys-"));
});

afterAll(async () => {
  await crypto[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const open = (dataDir = dir) => openRelayKeys({ crypto, clock, dataDir, passphraseFile: undefined, env: {} });

describe("openRelayKeys()", () => {
  test("makes three keys that only their owner reads, and finds the same ones again", async () => {
    using first = await open();
    using again = await open();
    expect(again.identity).toEqual(first.identity);
    expect(again.node.publicKey).toEqual(first.node.publicKey);
    expect(again.head.publicKey).toEqual(first.head.publicKey);
    const keys = [first.identity, first.node.publicKey, first.head.publicKey].map((key) => key.toHex());
    expect(new Set(keys).size).toBe(3);
    for (const name of ["identity", "node", "head"]) {
      expect(statSync(join(dir, `${name}.json`)).mode & 0o777).toBe(0o600);
    }
  });

  test("makes no identity where there are mailboxes, and asks for these only where it would make one", async () => {
    const own = mkdtempSync(join(tmpdir(), "dchat-keys-"));
    let asked = 0;
    const holdsMailboxes = () => Promise.resolve((asked += 1) > 0);
    const openFilled = () =>
      openRelayKeys({
        crypto,
        clock,
        dataDir: own,
        passphraseFile: undefined,
        env: {},
        store: { name: "relay.sqlite", holdsMailboxes, relay: null },
      });
    await expect(openFilled()).rejects.toThrow("identity.json of the relay that they belong to is missing");
    expect(readdirSync(own)).toEqual([]);
    const made = (await open(own)).identity;
    rmSync(join(own, "node.json"));
    using found = await openFilled();
    expect(found.identity).toEqual(made);
    expect(asked).toBe(1);
    rmSync(own, { recursive: true });
  });

  test("refuses a store of another relay, naming both, and makes nothing", async () => {
    const own = mkdtempSync(join(tmpdir(), "dchat-keys-"));
    const [mine, other] = [(await open(own)).identity, publicKey(new Uint8Array(32).fill(7))];
    rmSync(join(own, "node.json"));
    const openFor = (relay: PublicKey | null, holdsMailboxes = true) =>
      openRelayKeys({
        crypto,
        clock,
        dataDir: own,
        passphraseFile: undefined,
        env: {},
        store: { name: "postgres://db/dchat", holdsMailboxes: () => Promise.resolve(holdsMailboxes), relay },
      });
    for (const holds of [true, false]) {
      const said = await openFor(other, holds).catch((error: unknown) => error);
      expect(isFault(said, "data/other-relay")).toBe(true);
      for (const what of [mine.toHex(), other.toHex(), "postgres://db/dchat", join(own, "identity.json")])
        expect(String(said)).toContain(what);
    }
    expect(readdirSync(own)).not.toContain("node.json");
    (await openFor(mine))[Symbol.dispose]();
    rmSync(join(own, "identity.json"));
    await expect(openFor(other, false)).rejects.toThrow(
      `the store of relay ${other.toHex()}, whose identity`,
    );
    rmSync(own, { recursive: true });
  });

  test("certifies head key and PeerId under the identity, and renews long before it ends", async () => {
    using keys = await open();
    const certificate = keys.certificate(PEER);
    expect(certificate).toMatchObject({ relay: keys.identity, peerId: PEER });
    expect(certificate.headKey.toHex()).toBe(keys.head.publicKey.toHex());
    expect(
      crypto.ed25519.verify(keys.identity, certificateStatement(certificate), certificate.signature),
    ).toBe(true);
    expect(keys.certificate(PEER)).toBe(certificate);
    clock.nowMs += 16 * DAY_MS;
    const renewed = keys.certificate(PEER);
    expect(renewed.notAfterMs - clock.nowMs).toBe(30 * DAY_MS);
    expect(certificate.notAfterMs).toBeGreaterThan(clock.nowMs);
  });

  test("refuses key files that others may read, that are damaged, or that are for something else", async () => {
    const own = mkdtempSync(join(tmpdir(), "dchat-keys-"));
    (await open(own))[Symbol.dispose]();
    chmodSync(join(own, "head.json"), 0o644);
    await expect(open(own)).rejects.toThrow("Others may read");
    chmodSync(join(own, "head.json"), 0o600);
    writeFileSync(join(own, "node.json"), "{");
    await expect(open(own)).rejects.toThrow("node.json");
    using key = crypto.ed25519.generate();
    const person = sealKeystore(crypto, { type: "identity", key, createdMs: 0, passphrase: null });
    writeFileSync(join(own, "node.json"), person);
    await expect(open(own)).rejects.toThrow("type relay");
    rmSync(own, { recursive: true });
  });
});
