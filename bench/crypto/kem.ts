/** Encapsulation and passwords beside libsodium's WASM, node:crypto and noble. */
import { argon2id } from "@noble/hashes/argon2.js";
import { XWing } from "@noble/post-quantum/hybrid.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import sodium from "libsodium-wrappers-sumo";
import { argon2Sync } from "node:crypto";
import type { Peers } from "./curve.ts";
import type { Timed } from "./time.ts";

/** Encapsulation, and (once in a long while) a password. */
export function kemsAndPassword({ dchat }: Peers): Timed[] {
  const mlKem = dchat.mlKem768.generate();
  const xWing = dchat.xWing.generate();
  const nobleXWing = XWing.keygen();
  const password = { password: dchat.random.bytes(16), salt: dchat.random.bytes(16), length: 32 };
  return [
    {
      operation: "ml-kem-768",
      size: 32,
      subjects: {
        dchat: () => dchat.mlKem768.encapsulate(mlKem.publicKey),
        libsodium: () => sodium.crypto_kem_mlkem768_enc(mlKem.publicKey),
        noble: () => ml_kem768.encapsulate(mlKem.publicKey),
      },
    },
    {
      operation: "x-wing",
      size: 32,
      subjects: {
        dchat: () => dchat.xWing.encapsulate(xWing.publicKey),
        libsodium: () => sodium.crypto_kem_xwing_enc(xWing.publicKey),
        noble: () => XWing.encapsulate(nobleXWing.publicKey.slice()),
      },
    },
    {
      operation: "argon2id",
      size: 8_192,
      subjects: {
        dchat: () => dchat.password.argon2id({ ...password, memoryKib: 8_192, passes: 3 }),
        libsodium: () =>
          sodium.crypto_pwhash(
            32,
            password.password,
            password.salt,
            3,
            8_192 * 1_024,
            sodium.crypto_pwhash_ALG_ARGON2ID13,
          ),
        "node:crypto": () =>
          argon2Sync("argon2id", {
            message: password.password,
            nonce: password.salt,
            parallelism: 1,
            tagLength: 32,
            memory: 8_192,
            passes: 3,
          }),
        noble: () => argon2id(password.password, password.salt, { m: 8_192, t: 3, p: 1, dkLen: 32 }),
      },
    },
  ];
}
