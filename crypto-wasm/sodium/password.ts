import { CryptoError } from "../error.ts";
import type { PasswordHash } from "../port.ts";
import type { Sodium } from "./module.ts";

/** libsodium takes salts of 16 bytes only, and one lane. */
export function sodiumArgon2id(sodium: Sodium): PasswordHash["argon2id"] {
  const { wrapped } = sodium;
  return ({ length, password, salt, passes, memoryKib }) => {
    const memory = memoryKib * 1024;
    try {
      return wrapped.crypto_pwhash(
        length,
        password,
        salt,
        passes,
        memory,
        wrapped.crypto_pwhash_ALG_ARGON2ID13,
      );
    } catch (cause) {
      throw new CryptoError("backend", `libsodium could not hash a password with ${memoryKib} KiB`, {
        cause,
      });
    }
  };
}
