import { CryptoError } from "../error.ts";
import type { PasswordHash } from "../port.ts";
import type { Sodium } from "./module.ts";

const SALT_BYTES = 16;

/** libsodium takes salts of 16 bytes only, and one lane. */
export function sodiumArgon2id(sodium: Sodium): PasswordHash["argon2id"] {
  const { wrapped } = sodium;
  return (options) => {
    if (options.salt.length !== SALT_BYTES) {
      throw new CryptoError(
        "argument",
        `salt must be ${SALT_BYTES} bytes with libsodium, got ${options.salt.length}`,
      );
    }
    return wrapped.crypto_pwhash(
      options.length,
      options.password,
      options.salt,
      options.passes,
      options.memoryKib * 1024,
      wrapped.crypto_pwhash_ALG_ARGON2ID13,
    );
  };
}
