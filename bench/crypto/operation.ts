/** Every operation of crypto-wasm's table beside libsodium's WASM, node:crypto and noble, on the same inputs. */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { shake256 } from "@noble/hashes/sha3.js";
import { XWing } from "@noble/post-quantum/hybrid.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import type { Crypto } from "@dchat/crypto-wasm";
import sodium from "libsodium-wrappers-sumo";
import {
  argon2Sync,
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  sign,
  verify,
} from "node:crypto";
import { openWasm } from "../../crypto-wasm/wasm/mod.ts";
import type { Timed } from "./time.ts";

const BATCHES = [8, 64, 256] as const;
/** A mailbox command's size, about. */
const MESSAGE_BYTES = 256;

export interface Peers {
  readonly dchat: Crypto;
  readonly portable: Crypto;
}

/** Batches of distinct keys and messages, as a relay's tick brings them; views of one buffer, as bytes arrive. */
export function batches({ dchat, portable }: Peers): Timed[] {
  const wide = openWasm();
  return BATCHES.map((n) => {
    const items = Array.from({ length: n }, () => {
      using key = dchat.ed25519.generate();
      const arrived = dchat.random.bytes(MESSAGE_BYTES + 96);
      const message = arrived.subarray(32, 32 + MESSAGE_BYTES);
      arrived.set(key.publicKey);
      arrived.set(dchat.ed25519.sign(key, message), 32 + MESSAGE_BYTES);
      return { key: arrived.subarray(0, 32), message, signature: arrived.subarray(32 + MESSAGE_BYTES) };
    });
    const held = items.map((item) => ({ ...item, object: nodePublic(item.key) }));
    return {
      operation: "ed25519 verifyBatch",
      size: n,
      subjects: {
        dchat: () => dchat.ed25519.verifyBatch(items),
        "dchat bare": () => wide.ed25519.verifyBatch(items),
        "dchat portable": () => portable.ed25519.verifyBatch(items),
        libsodium: () =>
          items.every((item) => sodium.crypto_sign_verify_detached(item.signature, item.message, item.key)),
        // The kindest reading: keys imported beforehand.
        "node:crypto": () => held.every((item) => verify(null, item.message, item.object, item.signature)),
      },
    };
  });
}

function nodePublic(raw: Uint8Array) {
  return createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]),
    format: "der",
    type: "spki",
  });
}

/** Signatures and agreement, one at a time. */
export function curves({ dchat, portable }: Peers): Timed[] {
  const seed = dchat.random.bytes(32);
  const message = dchat.random.bytes(MESSAGE_BYTES);
  const keys = { dchat: dchat.ed25519.fromSeed(seed), portable: portable.ed25519.fromSeed(seed) };
  const { publicKey } = keys.dchat;
  const secret = sodium.crypto_sign_seed_keypair(seed).privateKey;
  const node = generateKeyPairSync("ed25519");
  const signature = dchat.ed25519.sign(keys.dchat, message);
  const nodeSignature = sign(null, message, node.privateKey);
  const wide = openWasm();
  const wideSigner = wide.ed25519.fromSeed(seed);
  const wideAgreement = wide.x25519.fromSecret(seed);
  const agreements = { dchat: dchat.x25519.fromSecret(seed), portable: portable.x25519.fromSecret(seed) };
  const peer = dchat.x25519.generate().publicKey;
  const [own, other] = [generateKeyPairSync("x25519"), generateKeyPairSync("x25519")];
  return [
    {
      operation: "ed25519 sign",
      size: MESSAGE_BYTES,
      subjects: {
        dchat: () => dchat.ed25519.sign(keys.dchat, message),
        "dchat wide": () => wide.ed25519.sign(wideSigner, message),
        "dchat portable": () => portable.ed25519.sign(keys.portable, message),
        libsodium: () => sodium.crypto_sign_detached(message, secret),
        "node:crypto": () => sign(null, message, node.privateKey),
        noble: () => ed25519.sign(message, seed),
      },
    },
    {
      operation: "ed25519 verify",
      size: MESSAGE_BYTES,
      subjects: {
        dchat: () => dchat.ed25519.verify(publicKey, message, signature),
        "dchat portable": () => portable.ed25519.verify(publicKey, message, signature),
        libsodium: () => sodium.crypto_sign_verify_detached(signature, message, publicKey),
        "node:crypto": () => verify(null, message, node.publicKey, nodeSignature),
        noble: () => ed25519.verify(signature, message, publicKey),
      },
    },
    {
      operation: "ed25519 to x25519",
      size: 32,
      subjects: {
        dchat: () => dchat.ed25519.toX25519(publicKey),
        libsodium: () => sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey),
        noble: () => ed25519.utils.toMontgomery(publicKey),
      },
    },
    {
      operation: "x25519 agree",
      size: 32,
      subjects: {
        dchat: () => dchat.x25519.agree(agreements.dchat, peer),
        "dchat wide": () => wide.x25519.agree(wideAgreement, peer),
        "dchat portable": () => portable.x25519.agree(agreements.portable, peer),
        libsodium: () => sodium.crypto_scalarmult(seed, peer),
        "node:crypto": () => diffieHellman({ privateKey: own.privateKey, publicKey: other.publicKey }),
        noble: () => x25519.getSharedSecret(seed, peer),
      },
    },
  ];
}

/** AEADs at the sizes of a command, an entry and an attachment's piece. */
export function aeads({ dchat, portable }: Peers): Timed[] {
  const [key, ad] = [dchat.random.bytes(32), new Uint8Array(0)];
  const [nonce, longNonce] = [dchat.random.bytes(12), dchat.random.bytes(24)];
  const ciphers = { dchat: dchat.noise.cipher(key), portable: portable.noise.cipher(key) };
  return [64, 1_024, 65_536 - 16 - 1].flatMap((size): Timed[] => {
    const message = dchat.random.bytes(size);
    const frame = new Uint8Array(size + 16);
    const bySodium = () => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(message, ad, null, nonce, key);
    return [
      {
        operation: "cipher state",
        size,
        subjects: {
          dchat: () => ciphers.dchat.seal(1, message, frame, 0),
          "dchat portable": () => ciphers.portable.seal(1, message, frame, 0),
          libsodium: () => frame.set(bySodium()),
          noble: () => chacha20poly1305(key, nonce).encrypt(message, frame),
        },
      },
      {
        operation: "chacha20poly1305",
        size,
        subjects: {
          dchat: () => dchat.chacha20Poly1305.seal(key, nonce, message, ad),
          "dchat portable": () => portable.chacha20Poly1305.seal(key, nonce, message, ad),
          libsodium: bySodium,
          noble: () => chacha20poly1305(key, nonce).encrypt(message),
        },
      },
      {
        operation: "xchacha20poly1305",
        size,
        subjects: {
          dchat: () => dchat.xchacha20Poly1305.seal(key, longNonce, message, ad),
          libsodium: () =>
            sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(message, ad, null, longNonce, key),
          noble: () => xchacha20poly1305(key, longNonce).encrypt(message),
        },
      },
      {
        operation: "aes-gcm",
        size,
        subjects: {
          dchat: () => dchat.aes256Gcm.seal(key, nonce, message, ad),
          "node:crypto": () => {
            const cipher = createCipheriv("aes-256-gcm", key, nonce);
            return Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()]);
          },
          noble: () => gcm(key, nonce).encrypt(message),
        },
      },
    ];
  });
}

/** Hashes, and what is built of them. */
export function hashes({ dchat, portable }: Peers): Timed[] {
  const key = dchat.random.bytes(32);
  const info = new Uint8Array(0);
  return [
    ...[64, 1_024, 65_536].flatMap((size): Timed[] => {
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
          subjects: { dchat: () => dchat.hash.blake3(data), noble: () => blake3(data) },
        },
      ];
    }),
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
      },
    },
  ];
}
