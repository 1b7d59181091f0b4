import { expectBytes } from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { Kem, Random } from "../port.ts";
import type { Sodium } from "./module.ts";

interface KemFunctions {
  readonly seedBytes: number;
  readonly publicKeyBytes: number;
  readonly secretKeyBytes: number;
  readonly ciphertextBytes: number;
  readonly encapsulationSeedBytes: number;
  fromSeed(seed: Uint8Array): { publicKey: Uint8Array; privateKey: Uint8Array };
  encapsulate(publicKey: Uint8Array, seed: Uint8Array): { ciphertext: Uint8Array; sharedSecret: Uint8Array };
  decapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array;
}

function kemOf(functions: KemFunctions, random: Random): Kem {
  function fromSeed(seed: Uint8Array) {
    expectBytes("seed", seed, functions.seedBytes);
    const pair = functions.fromSeed(seed);
    return { publicKey: pair.publicKey, secretKey: pair.privateKey };
  }
  return {
    generate() {
      const seed = random.bytes(functions.seedBytes);
      const pair = fromSeed(seed);
      seed.fill(0);
      return pair;
    },
    fromSeed,
    encapsulate(publicKey) {
      expectBytes("publicKey", publicKey, functions.publicKeyBytes);
      const seed = random.bytes(functions.encapsulationSeedBytes);
      try {
        const { ciphertext, sharedSecret } = functions.encapsulate(publicKey, seed);
        return { ciphertext, secret: sharedSecret };
      } catch (cause) {
        // FIPS 203 section 7.2's check of the key is all that can fail.
        throw new CryptoError("argument", "publicKey is no valid key of this KEM", { cause });
      } finally {
        seed.fill(0);
      }
    },
    decapsulate(secretKey, ciphertext) {
      expectBytes("secretKey", secretKey, functions.secretKeyBytes);
      expectBytes("ciphertext", ciphertext, functions.ciphertextBytes);
      return functions.decapsulate(ciphertext, secretKey);
    },
  };
}

/** ML-KEM-768 (FIPS 203). The secret key is the expanded one, 2,400 bytes. */
export function sodiumMlKem768({ wrapped }: Sodium, random: Random): Kem {
  return kemOf(
    {
      seedBytes: 64,
      publicKeyBytes: 1184,
      secretKeyBytes: 2400,
      ciphertextBytes: 1088,
      encapsulationSeedBytes: 32,
      fromSeed: (seed) => wrapped.crypto_kem_mlkem768_seed_keypair(seed),
      encapsulate: (key, seed) => wrapped.crypto_kem_mlkem768_enc_deterministic(key, seed),
      decapsulate: (ciphertext, key) => wrapped.crypto_kem_mlkem768_dec(ciphertext, key),
    },
    random,
  );
}

/** X-Wing (draft-connolly-cfrg-xwing-kem): X25519 and ML-KEM-768. The secret key is the 32-byte seed. */
export function sodiumXWing({ wrapped }: Sodium, random: Random): Kem {
  return kemOf(
    {
      seedBytes: 32,
      publicKeyBytes: 1216,
      secretKeyBytes: 32,
      ciphertextBytes: 1120,
      encapsulationSeedBytes: 64,
      fromSeed: (seed) => wrapped.crypto_kem_xwing_seed_keypair(seed),
      encapsulate: (key, seed) => wrapped.crypto_kem_xwing_enc_deterministic(key, seed),
      decapsulate: (ciphertext, key) => wrapped.crypto_kem_xwing_dec(ciphertext, key),
    },
    random,
  );
}
