/** Hashes, and what is built of them, beside libsodium's WASM, node:crypto and noble. */
import { blake3 } from "@noble/hashes/blake3.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { shake256 } from "@noble/hashes/sha3.js";
import sodium from "libsodium-wrappers-sumo";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import type { Peers } from "./curve.ts";
import type { Timed } from "./time.ts";

/** At the sizes of a key, an entry and an attachment's piece. */
export function hashes({ dchat, portable }: Peers): Timed[] {
  const key = dchat.random.bytes(32);
  return [64, 1_024, 65_536].flatMap((size): Timed[] => {
    const data = dchat.random.bytes(size);
    return [
      {
        operation: "sha256",
        size,
        subjects: {
          dchat: () => dchat.hash.sha256(data),
          "dchat bare": () => Bun.SHA256.hash(data, new Uint8Array(32)),
          "dchat portable": () => portable.hash.sha256(data),
          libsodium: () => sodium.crypto_hash_sha256(data),
          "node:crypto": () => createHash("sha256").update(data).digest(),
          noble: () => sha256(data),
        },
      },
      {
        operation: "sha512",
        size,
        subjects: {
          dchat: () => dchat.hash.sha512(data),
          libsodium: () => sodium.crypto_hash_sha512(data),
          "node:crypto": () => createHash("sha512").update(data).digest(),
          noble: () => sha512(data),
        },
      },
      {
        operation: "blake3",
        size,
        subjects: {
          dchat: () => dchat.hash.blake3(data),
          "dchat keyed": () => dchat.hash.blake3(data, key),
          noble: () => blake3(data),
        },
      },
    ];
  });
}

/** HMAC, HKDF and SHAKE256 of one key. */
export function keyedHashes({ dchat, portable }: Peers): Timed[] {
  const key = dchat.random.bytes(32);
  const info = new Uint8Array(0);
  return [
    {
      operation: "hmac sha256",
      size: 32,
      subjects: {
        dchat: () => dchat.hash.hmacSha256(key, key),
        libsodium: () => sodium.crypto_auth_hmacsha256(key, key),
        "node:crypto": () => createHmac("sha256", key).update(key).digest(),
        noble: () => hmac(sha256, key, key),
      },
    },
    {
      operation: "hmac sha512",
      size: 32,
      subjects: {
        dchat: () => dchat.hash.hmacSha512(key, key),
        libsodium: () => sodium.crypto_auth_hmacsha512(key, key),
        "node:crypto": () => createHmac("sha512", key).update(key).digest(),
        noble: () => hmac(sha512, key, key),
      },
    },
    {
      operation: "hkdf sha256",
      size: 64,
      subjects: {
        dchat: () => dchat.hash.hkdfSha256({ ikm: key, salt: key, info, length: 64 }),
        "dchat portable": () => portable.hash.hkdfSha256({ ikm: key, salt: key, info, length: 64 }),
        "node:crypto": () => hkdfSync("sha256", key, key, info, 64),
        noble: () => hkdf(sha256, key, key, info, 64),
      },
    },
    {
      operation: "shake256",
      size: 32,
      subjects: {
        dchat: () => dchat.hash.shake256(key, 32),
        libsodium: () => sodium.crypto_xof_shake256(32, key),
        noble: () => shake256(key, { dkLen: 32 }),
      },
    },
  ];
}
