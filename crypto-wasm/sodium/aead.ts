import type { Aead } from "../port.ts";
import { DATA_OFFSET, KEY_OFFSET, NONCE_OFFSET } from "./arena.ts";
import type { Sodium } from "./module.ts";

const TAG_BYTES = 16;

/** ChaCha20-Poly1305 (RFC 8439) or its XChaCha variant (draft-irtf-cfrg-xchacha) through libsodium's own memory. */
export function sodiumAead(sodium: Sodium, kind: "chacha20" | "xchacha20"): Aead {
  const { raw, arena } = sodium;
  const extended = kind === "xchacha20";
  const sealRaw = extended
    ? raw._crypto_aead_xchacha20poly1305_ietf_encrypt
    : raw._crypto_aead_chacha20poly1305_ietf_encrypt;
  const openRaw = extended
    ? raw._crypto_aead_xchacha20poly1305_ietf_decrypt
    : raw._crypto_aead_chacha20poly1305_ietf_decrypt;

  function load(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, ad: Uint8Array): number {
    const { at } = arena;
    raw.HEAPU8.set(nonce, at + NONCE_OFFSET);
    raw.HEAPU8.set(key, at + KEY_OFFSET);
    raw.HEAPU8.set(data, at + DATA_OFFSET);
    raw.HEAPU8.set(ad, at + DATA_OFFSET + data.length + TAG_BYTES);
    return at;
  }

  return {
    keyBytes: 32,
    nonceBytes: extended ? 24 : 12,
    seal(key, nonce, plaintext, ad) {
      const length = plaintext.length;
      return arena.use(plaintext.length + TAG_BYTES + ad.length, () => {
        const at = load(key, nonce, plaintext, ad);
        const data = at + DATA_OFFSET;
        sealRaw(
          data,
          0,
          data,
          length,
          0,
          data + length + TAG_BYTES,
          ad.length,
          0,
          0,
          at + NONCE_OFFSET,
          at + KEY_OFFSET,
        );
        return raw.HEAPU8.slice(data, data + length + TAG_BYTES);
      });
    },
    open(key, nonce, ciphertext, ad) {
      const length = ciphertext.length;
      if (length < TAG_BYTES) return null;
      return arena.use(length + TAG_BYTES + ad.length, () => {
        const at = load(key, nonce, ciphertext, ad);
        const data = at + DATA_OFFSET;
        const failed = openRaw(
          data,
          0,
          0,
          data,
          length,
          0,
          data + length + TAG_BYTES,
          ad.length,
          0,
          at + NONCE_OFFSET,
          at + KEY_OFFSET,
        );
        return failed === 0 ? raw.HEAPU8.slice(data, data + length - TAG_BYTES) : null;
      });
    },
  };
}
