import { openCrypto } from "@dchat/crypto-wasm";
import { describe, expect, test } from "bun:test";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { isFault } from "../ground/mod.ts";
import { encodePem, parsePem } from "./pem.ts";

const crypto = await openCrypto();
const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(5));

describe("parsePem()", () => {
  test("reads what encodePem writes, and node:crypto reads it too", () => {
    const pem = encodePem(crypto, key);
    using back = parsePem(crypto, pem);
    expect(back.exportSeed()).toEqual(key.exportSeed());
    const jwk = createPrivateKey(pem).export({ format: "jwk" });
    expect(jwk.x).toBe(key.publicKey.toBase64({ alphabet: "base64url", omitPadding: true }));
  });

  test("reads what node:crypto writes", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    using back = parsePem(crypto, privateKey.export({ format: "pem", type: "pkcs8" }));
    expect(publicKey.export({ format: "jwk" }).x).toBe(
      back.publicKey.toBase64({ alphabet: "base64url", omitPadding: true }),
    );
  });

  // RFC 8410, section 10.3: the second example, with the public key and without its attribute.
  test("reads version 2 with its public key, and refuses one that doesn't match", () => {
    const head = Uint8Array.fromHex("3051020101300506032b657004220420");
    const tail = Uint8Array.fromHex("812100");
    const wrap = (pub: Uint8Array) =>
      `-----BEGIN PRIVATE KEY-----\n${new Uint8Array([...head, ...key.exportSeed(), ...tail, ...pub]).toBase64()}\n-----END PRIVATE KEY-----`;
    using back = parsePem(crypto, wrap(key.publicKey));
    expect(back.publicKey).toEqual(key.publicKey);
    expect(() => parsePem(crypto, wrap(new Uint8Array(32)))).toThrow(/not that of its private key/);
  });

  test("reads RFC 8410's example key", () => {
    const pem = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----`;
    using back = parsePem(crypto, pem);
    expect(back.publicKey.toHex()).toBe("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  });

  test("says of an encrypted PEM how to decrypt it, and refuses all else", () => {
    const encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    expect(() => parsePem(crypto, encrypted)).toThrow(/openssl pkey/);
    const x25519 = generateKeyPairSync("x25519").privateKey.export({ format: "pem", type: "pkcs8" });
    const cut = encodePem(crypto, key).replace(/..\n-----END/, "\n-----END");
    for (const text of ["", "hello", encrypted, x25519, cut]) {
      let thrown: unknown;
      try {
        parsePem(crypto, text);
      } catch (error) {
        thrown = error;
      }
      expect([text, isFault(thrown, "identity/pem")]).toEqual([text, true]);
    }
  });
});
