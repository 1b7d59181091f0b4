import { hkdfByHmac } from "../hkdf.ts";
import type { Hash } from "../port.ts";
import type { Sodium } from "./module.ts";

type SodiumHash = Pick<Hash, "sha256" | "sha512" | "hmacSha256" | "hmacSha512" | "hkdfSha256" | "shake256">;

export function sodiumHash(sodium: Sodium): SodiumHash {
  const { wrapped } = sodium;
  function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    const state = wrapped.crypto_auth_hmacsha256_init(key);
    for (const part of parts) wrapped.crypto_auth_hmacsha256_update(state, part);
    return wrapped.crypto_auth_hmacsha256_final(state);
  }
  return {
    sha256(...parts) {
      const state = wrapped.crypto_hash_sha256_init();
      for (const part of parts) wrapped.crypto_hash_sha256_update(state, part);
      return wrapped.crypto_hash_sha256_final(state);
    },
    sha512(...parts) {
      const state = wrapped.crypto_hash_sha512_init();
      for (const part of parts) wrapped.crypto_hash_sha512_update(state, part);
      return wrapped.crypto_hash_sha512_final(state);
    },
    hmacSha256,
    hmacSha512(key, ...parts) {
      const state = wrapped.crypto_auth_hmacsha512_init(key);
      for (const part of parts) wrapped.crypto_auth_hmacsha512_update(state, part);
      return wrapped.crypto_auth_hmacsha512_final(state);
    },
    hkdfSha256: (options) => hkdfByHmac(hmacSha256, options),
    shake256: (data, length) =>
      length === 0 ? new Uint8Array(0) : wrapped.crypto_xof_shake256(length, data),
  };
}
