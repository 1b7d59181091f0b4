import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { setTimeout as sleep } from "node:timers/promises";
import { COLUMNS } from "./_columns.ts";
import { type Crypto, openCrypto } from "./mod.ts";

describe.each(COLUMNS)("NoiseCrypto on the %s backends", (backends) => {
  let crypto: Crypto;

  beforeAll(async () => {
    crypto = await openCrypto({ backends, needs: [] });
  });

  afterAll(async () => {
    await crypto[Symbol.asyncDispose]();
  });

  const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("hkdf2() is RFC 5869's first 64 bytes with an empty info", () => {
    const ck = crypto.random.bytes(32);
    for (const length of [0, 32]) {
      const ikm = crypto.random.bytes(length);
      const both = hkdf(sha256, ikm, ck, undefined, 64);
      expect(crypto.noise.hkdf2(ck, ikm)).toEqual([both.subarray(0, 32), both.subarray(32)]);
    }
    expect(() => crypto.noise.hkdf2(ck.subarray(1), ck)).toThrow("chainingKey must be");
  });

  test("ephemeral() never gives a key twice, before and after idle time, beyond what is kept ready", async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 40; i++) {
        using key = crypto.noise.ephemeral();
        seen.add(key.publicKey.toHex());
      }
      await sleep(5);
    }
    expect(seen.size).toBe(200);
  });

  test("agree() is X25519 between two ephemerals, null for a key of low order", () => {
    const [a, b] = [crypto.noise.ephemeral(), crypto.noise.ephemeral()];
    expect(crypto.noise.agree(a, b.publicKey)).toEqual(crypto.noise.agree(b, a.publicKey));
    expect(crypto.noise.agree(a, new Uint8Array(32))).toBeNull();
    expect(() => crypto.noise.agree(a, new Uint8Array(31))).toThrow("publicKey must be");
  });

  test("verifyPeer() answers false to whatever a peer may send, of any length", () => {
    using key = crypto.ed25519.generate();
    const message = ascii("noise-libp2p-static-key:");
    const signature = crypto.ed25519.sign(key, message);
    expect(crypto.noise.verifyPeer(key.publicKey, message, signature)).toBe(true);
    expect(crypto.noise.verifyPeer(key.publicKey, ascii("another"), signature)).toBe(false);
    for (const length of [0, 31, 33, 63, 65]) {
      const bytes = new Uint8Array(length);
      expect(crypto.noise.verifyPeer(bytes, message, signature)).toBe(false);
      expect(crypto.noise.verifyPeer(key.publicKey, message, bytes)).toBe(false);
    }
  });
});
