/** What libsodium's linear memory still holds after use. */
import { expect, test } from "bun:test";
import { sodiumAead } from "./aead.ts";
import { sodiumHash } from "./hash.ts";
import { openRandom } from "../random.ts";
import { SodiumCipherState } from "./cipher_state.ts";
import { sodiumMlKem768, sodiumXWing } from "./kem.ts";
import { openSodium } from "./module.ts";

const sodium = await openSodium();

function holds(secret: Uint8Array): boolean {
  return Buffer.from(sodium.raw.HEAPU8.buffer).includes(secret);
}

/** Bytes that are nowhere else. */
function secretBytes(length: number): Uint8Array {
  return openRandom().bytes(length);
}

test("a SodiumCipherState's key is in memory until dispose, and not after", () => {
  const key = secretBytes(32);
  const cipher = new SodiumCipherState(sodium, key);
  expect(holds(key)).toBe(true);
  const frame = new Uint8Array(200);
  const message = secretBytes(100);
  cipher.seal(0, message, frame, 0);
  cipher.open(0, frame.subarray(0, 116), frame, 0);
  expect(holds(message)).toBe(false);
  cipher[Symbol.dispose]();
  expect(holds(key)).toBe(false);
});

test.each(["chacha20", "xchacha20"] as const)("the %s one-shots leave neither key nor plaintext", (kind) => {
  const aead = sodiumAead(sodium, kind);
  const [key, nonce] = [secretBytes(32), secretBytes(aead.nonceBytes)];
  for (const length of [32, 1_000, 1 << 20]) {
    const message = secretBytes(length);
    const sealed = aead.seal(key, nonce, message, secretBytes(50));
    aead.open(key, nonce, sealed, secretBytes(50));
    expect(holds(key)).toBe(false);
    expect(holds(message.subarray(0, 32))).toBe(false);
  }
});

test.each([
  ["ML-KEM-768", sodiumMlKem768(sodium, openRandom()), 64],
  ["X-Wing", sodiumXWing(sodium, openRandom()), 32],
] as const)("%s leaves neither seed nor secret key", (_name, kem, seedBytes) => {
  const seed = secretBytes(seedBytes);
  const { publicKey, secretKey } = kem.fromSeed(seed);
  const { ciphertext, secret } = kem.encapsulate(publicKey);
  expect(kem.decapsulate(secretKey, ciphertext)).toEqual(secret);
  for (const left of [seed, secretKey.subarray(0, 32)]) expect(holds(left)).toBe(false);
});

test("streams of hashes that nobody finishes leave nothing in memory", () => {
  const { sha256Stream, sha512Stream } = sodiumHash(sodium);
  const before = sodium.raw.HEAPU8.length;
  const piece = secretBytes(100);
  for (let i = 0; i < 100_000; i++) {
    sha256Stream().update(piece);
    sha512Stream().update(piece);
  }
  expect(sodium.raw.HEAPU8.length).toBe(before);
});
