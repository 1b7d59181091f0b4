import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPair, publicKeyToProtobuf } from "@libp2p/crypto/keys";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { generateKeyPairSync, sign } from "node:crypto";
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

  /** `Data` of libp2p's PublicKey protobuf: field 2, after the one-byte type of field 1. */
  function dataOf(protobuf: Uint8Array): Uint8Array {
    let at = 3;
    while (((protobuf[at] ?? 0) & 0x80) !== 0) at++;
    return protobuf.subarray(at + 1);
  }

  describe("verifyPeerOther()", () => {
    const message = ascii("noise-libp2p-static-key: and 32 bytes");

    const libp2pKeys = [
      ["rsa", () => generateKeyPair("RSA")],
      ["secp256k1", () => generateKeyPair("secp256k1")],
      ["ecdsa", () => generateKeyPair("ECDSA", "P-256")],
      ["ecdsa", () => generateKeyPair("ECDSA", "P-384")],
      ["ecdsa", () => generateKeyPair("ECDSA", "P-521")],
    ] as const;

    test.each([...libp2pKeys])("takes js-libp2p's own %s keys and signatures", async (name, generate) => {
      const key = await generate();
      const signature = new Uint8Array(await key.sign(message));
      const data = dataOf(publicKeyToProtobuf(key.publicKey));
      expect(crypto.noise.verifyPeerOther(name, data, message, signature)).toBe(true);
      expect(crypto.noise.verifyPeerOther(name, data, ascii("another"), signature)).toBe(false);
      expect(crypto.noise.verifyPeerOther(name, data, message, signature.subarray(1))).toBe(false);
      for (let length = 0; length < data.length; length++) {
        expect(crypto.noise.verifyPeerOther(name, data.subarray(0, length), message, signature)).not.toBe(
          true,
        );
      }
    });

    test.each(["P-256", "P-384", "P-521"])(
      "takes an ECDSA key on %s as the specification writes it",
      (namedCurve) => {
        const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
        const data = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
        const signature = new Uint8Array(sign("sha256", message, privateKey));
        expect(crypto.noise.verifyPeerOther("ecdsa", data, message, signature)).toBe(true);
        expect(crypto.noise.verifyPeerOther("ecdsa", data, ascii("another"), signature)).toBe(false);
      },
    );

    test("refuses RSA keys that are too small, and a key under another type's name", () => {
      const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
      const small = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
      const signature = new Uint8Array(sign("sha256", message, privateKey));
      expect(crypto.noise.verifyPeerOther("rsa", small, message, signature)).toBeNull();
      expect(crypto.noise.verifyPeerOther("ecdsa", small, message, signature)).toBeNull();
      const ed = generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" });
      for (const name of ["rsa", "ecdsa", "secp256k1"] as const) {
        expect(crypto.noise.verifyPeerOther(name, ed, message, signature)).toBeNull();
      }
    });
  });
});
