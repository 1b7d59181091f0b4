import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Aead } from "../port.ts";

const TAG_BYTES = 16;

/** AES-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags. */
export function aesGcm(algorithm: "aes-128-gcm" | "aes-256-gcm", keyBytes: 16 | 32): Aead {
  return {
    keyBytes,
    nonceBytes: 12,
    seal(key, nonce, plaintext, ad) {
      const cipher = createCipheriv(algorithm, key, nonce);
      if (ad.length > 0) cipher.setAAD(ad);
      const out = new Uint8Array(plaintext.length + TAG_BYTES);
      out.set(cipher.update(plaintext), 0);
      cipher.final();
      out.set(cipher.getAuthTag(), plaintext.length);
      return out;
    },
    open(key, nonce, ciphertext, ad) {
      if (ciphertext.length < TAG_BYTES) return null;
      const end = ciphertext.length - TAG_BYTES;
      const cipher = createDecipheriv(algorithm, key, nonce);
      if (ad.length > 0) cipher.setAAD(ad);
      cipher.setAuthTag(ciphertext.subarray(end));
      const plaintext = cipher.update(ciphertext.subarray(0, end));
      try {
        cipher.final();
      } catch {
        plaintext.fill(0);
        return null;
      }
      return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
    },
  };
}
