/** What peers of libp2p's other types sign is verified, RSA and ECDSA by the engine. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPair, publicKeyToProtobuf } from "@libp2p/crypto/keys";
import { generateKeyPairSync, sign } from "node:crypto";
import { COLUMNS } from "../_columns.ts";
import { type Crypto, openCrypto } from "../mod.ts";

/** `Data` of libp2p's PublicKey protobuf: field 2, after the one-byte type of field 1. */
function dataOf(protobuf: Uint8Array): Uint8Array {
  let at = 3;
  while (((protobuf[at] ?? 0) & 0x80) !== 0) at++;
  return protobuf.subarray(at + 1);
}

describe.each(COLUMNS)("verifyPeerOther() on the %s backends", (backends) => {
  let crypto: Crypto;

  beforeAll(async () => {
    crypto = await openCrypto({ backends, needs: [] });
  });

  afterAll(async () => {
    await crypto[Symbol.asyncDispose]();
  });

  const message = new TextEncoder().encode("noise-libp2p-static-key: and 32 bytes");
  const another = new TextEncoder().encode("another");

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
    expect(crypto.noise.verifyPeerOther(name, data, another, signature)).toBe(false);
    expect(crypto.noise.verifyPeerOther(name, data, message, signature.subarray(1))).toBe(false);
    for (let length = 0; length < data.length; length++) {
      expect(crypto.noise.verifyPeerOther(name, data.subarray(0, length), message, signature)).not.toBe(true);
    }
  });

  test.each(["P-256", "P-384", "P-521"])(
    "takes an ECDSA key on %s as the specification writes it",
    (namedCurve) => {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
      const data = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
      const signature = new Uint8Array(sign("sha256", message, privateKey));
      expect(crypto.noise.verifyPeerOther("ecdsa", data, message, signature)).toBe(true);
      expect(crypto.noise.verifyPeerOther("ecdsa", data, another, signature)).toBe(false);
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
