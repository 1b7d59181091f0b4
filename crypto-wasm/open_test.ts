import { expect, test } from "bun:test";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { setTimeout as sleep } from "node:timers/promises";
import { COLUMNS, FITTING } from "./_columns.ts";
import { openCrypto } from "./mod.ts";

test.each(COLUMNS)("toAgreement() is libsodium's conversion, on the %s backends", async (backends) => {
  await ready;
  await using crypto = await openCrypto({ backends, needs: [] });
  for (let i = 0; i < 20; i++) {
    const seed = crypto.random.bytes(32);
    using signing = crypto.ed25519.fromSeed(seed);
    using agreement = crypto.ed25519.toAgreement(signing);
    expect(agreement.publicKey).toEqual(crypto.ed25519.toX25519(signing.publicKey) ?? seed);
    const theirs = sodium.crypto_sign_ed25519_sk_to_curve25519(
      sodium.crypto_sign_seed_keypair(seed).privateKey,
    );
    expect(agreement.publicKey).toEqual(sodium.crypto_scalarmult_base(theirs));
  }
});

test("openCrypto() gives out replaced randomness, in order, and makes no keys ahead with it", async () => {
  let calls = 0;
  const random = (length: number) => new Uint8Array(length).fill(++calls);
  await using crypto = await openCrypto({ ...FITTING, random, needs: [] });
  calls = 0;
  using ephemeral = crypto.noise.ephemeral();
  expect(ephemeral.publicKey).toEqual(crypto.x25519.fromSecret(new Uint8Array(32).fill(1)).publicKey);
  await sleep(5);
  expect(calls).toBe(1);
  using signing = crypto.ed25519.generate();
  expect(signing.exportSeed()).toEqual(new Uint8Array(32).fill(2));
  expect(crypto.random.bytes(3)).toEqual(Uint8Array.of(3, 3, 3));
  await using broken = await openCrypto({ ...FITTING, random: () => new Uint8Array(1), needs: [] });
  expect(() => broken.ed25519.generate()).toThrow("random must be");
});

test.each(COLUMNS)(
  "verifyBatch() on the %s backends finds a bad signature however poor the replaced randomness",
  async (backends) => {
    await using crypto = await openCrypto({
      backends,
      random: (length) => new Uint8Array(length),
      needs: [],
    });
    using key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(1));
    const good = {
      key: key.publicKey,
      message: new Uint8Array(3),
      signature: crypto.ed25519.sign(key, new Uint8Array(3)),
    };
    const items = [good, { ...good, message: new Uint8Array(4) }, good];
    expect(crypto.ed25519.verifyBatch(items)).toEqual([1]);
  },
);

test("openCrypto() without the KEM and BLAKE3 refuses them by name and does the rest", async () => {
  await using crypto = await openCrypto({ ...FITTING, needs: [] });
  expect(() => crypto.mlKem768.generate()).toThrow('ML-KEM-768 was not opened: pass needs: ["kem"]');
  expect(() => crypto.xWing.encapsulate(new Uint8Array(1216))).toThrow("X-Wing was not opened");
  expect(() => crypto.hash.blake3(new Uint8Array(3))).toThrow(
    'BLAKE3 was not opened: pass needs: ["blake3"]',
  );
  expect(() => crypto.hash.blake3Stream()).toThrow("BLAKE3 was not opened");
  expect(crypto.hash.sha256()).toHaveLength(32);
});

test.each(COLUMNS)("equal() sees one bit of any byte, on the %s backends", async (backends) => {
  await using crypto = await openCrypto({ backends, needs: [] });
  for (const length of [1, 2, 9, 32, 33]) {
    const bytes = crypto.random.bytes(length);
    expect([length, crypto.equal(bytes, bytes.slice())]).toEqual([length, true]);
    for (const at of [0, length >> 1, length - 1]) {
      for (const bit of [1, 0x80]) {
        const other = bytes.slice();
        other[at] = (other[at] ?? 0) ^ bit;
        expect([length, at, crypto.equal(bytes, other)]).toEqual([length, at, false]);
        expect([length, at, crypto.equal(other, bytes)]).toEqual([length, at, false]);
      }
    }
  }
});

// Declared on other engines alone: Bun has the hashes, and what can't be tested there is no skipped test.
if (!("Bun" in globalThis)) {
  test("openCrypto() on an engine without Bun's hashes says what to open instead", async () => {
    await expect(openCrypto()).rejects.toThrow('pass backends: "portable" to openCrypto');
  });
}
