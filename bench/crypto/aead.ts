/** AEADs beside libsodium's WASM, node:crypto and noble. */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import sodium from "libsodium-wrappers-sumo";
import { createCipheriv } from "node:crypto";
import { round } from "../harness/quantile.ts";
import type { Peers } from "./curve.ts";
import type { Timed } from "./time.ts";

/** AEADs at the sizes of a command, an entry and an attachment's piece. */
export function aeads({ dchat, portable }: Peers): Timed[] {
  const [key, ad] = [dchat.random.bytes(32), new Uint8Array(0)];
  const [nonce, longNonce] = [dchat.random.bytes(12), dchat.random.bytes(24)];
  const ciphers = { dchat: dchat.noise.cipher(key), portable: portable.noise.cipher(key) };
  return [64, 256, 1_024, 4_096, 65_519].flatMap((size): Timed[] => {
    const message = dchat.random.bytes(size);
    const frame = new Uint8Array(size + 16);
    const bySodium = () => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(message, ad, null, nonce, key);
    return [
      {
        operation: "cipher state",
        size,
        also: (p50Us) => ({ mibPerSecond: round(size / 1.048576 / p50Us) }),
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
          "dchat portable": () => portable.aes256Gcm.seal(key, nonce, message, ad),
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
