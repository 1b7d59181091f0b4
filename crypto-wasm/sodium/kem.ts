/**
 * ML-KEM-768 and X-Wing by libsodium. What it does not protect: libsodium's X-Wing leaves the shared secret of its
 * last call on its own stack, which nothing outside can reach to wipe.
 */
import { expectBytes } from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { Kem, Random } from "../port.ts";
import { DATA_OFFSET } from "./arena.ts";
import type { Sodium } from "./module.ts";

const SECRET_BYTES = 32;

interface KemLengths {
  readonly seed: number;
  readonly publicKey: number;
  readonly secretKey: number;
  readonly ciphertext: number;
  readonly encapsulationSeed: number;
}

/** A KEM's functions over pointers, each answering 0 where it went well. */
interface KemFunctions {
  seedPair(publicKey: number, secretKey: number, seed: number): number;
  encapsulate(ciphertext: number, secret: number, publicKey: number, seed: number): number;
  decapsulate(secret: number, ciphertext: number, secretKey: number): number;
}

/** The arena cut into places of the given lengths; `run` wipes them all when it is done. */
class Places {
  readonly #sodium: Sodium;

  constructor(sodium: Sodium) {
    this.#sodium = sodium;
  }

  /** Copies `inputs` in, calls, and copies the outputs out; null where the call says that it failed. */
  run(
    inputs: readonly Uint8Array[],
    outputs: readonly number[],
    call: (at: (place: number) => number) => number,
  ): Uint8Array[] | null {
    const { raw, arena } = this.#sodium;
    const lengths = [...inputs.map((input) => input.length), ...outputs];
    const starts: number[] = [];
    let total = 0;
    for (const length of lengths) {
      starts.push(total);
      total += length;
    }
    return arena.use(total, () => {
      const data = arena.at + DATA_OFFSET;
      const at = (place: number): number => data + (starts[place] ?? 0);
      for (const [place, input] of inputs.entries()) raw.HEAPU8.set(input, at(place));
      if (call(at) !== 0) return null;
      return outputs.map((length, i) => {
        const from = at(inputs.length + i);
        return raw.HEAPU8.slice(from, from + length);
      });
    });
  }
}

function kemOf(
  sodium: Sodium,
  options: { lengths: KemLengths; functions: KemFunctions; random: Random },
): Kem {
  const { lengths, functions, random } = options;
  const places = new Places(sodium);

  function fromSeed(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
    expectBytes("seed", seed, lengths.seed);
    const [publicKey, secretKey] =
      places.run([seed], [lengths.publicKey, lengths.secretKey], (at) =>
        functions.seedPair(at(1), at(2), at(0)),
      ) ?? [];
    if (publicKey === undefined || secretKey === undefined) {
      throw new CryptoError("backend", "libsodium could not make a key of this seed");
    }
    return { publicKey, secretKey };
  }

  return {
    fromSeed,
    generate() {
      const seed = random.bytes(lengths.seed);
      try {
        return fromSeed(seed);
      } finally {
        seed.fill(0);
      }
    },
    encapsulate(publicKey) {
      expectBytes("publicKey", publicKey, lengths.publicKey);
      const seed = random.bytes(lengths.encapsulationSeed);
      const [ciphertext, secret] =
        places.run([publicKey, seed], [lengths.ciphertext, SECRET_BYTES], (at) =>
          functions.encapsulate(at(2), at(3), at(0), at(1)),
        ) ?? [];
      seed.fill(0);
      // Two checks of the key can fail: FIPS 203's (section 7.2), and X-Wing's, that its X25519 part isn't of low order.
      if (ciphertext === undefined || secret === undefined) {
        throw new CryptoError("argument", "publicKey is no valid key of this KEM");
      }
      return { ciphertext, secret };
    },
    decapsulate(secretKey, ciphertext) {
      expectBytes("secretKey", secretKey, lengths.secretKey);
      expectBytes("ciphertext", ciphertext, lengths.ciphertext);
      const [secret] =
        places.run([ciphertext, secretKey], [SECRET_BYTES], (at) =>
          functions.decapsulate(at(2), at(0), at(1)),
        ) ?? [];
      // A wrong one gives another secret (FIPS 203), but X-Wing's X25519 part must not be of low order.
      if (secret === undefined) throw new CryptoError("argument", "ciphertext is none of this KEM");
      return secret;
    },
  };
}

/** ML-KEM-768 (FIPS 203). The secret key is the expanded one, 2,400 bytes. */
export function sodiumMlKem768(sodium: Sodium, random: Random): Kem {
  const { raw } = sodium;
  return kemOf(sodium, {
    random,
    lengths: { seed: 64, publicKey: 1184, secretKey: 2400, ciphertext: 1088, encapsulationSeed: 32 },
    functions: {
      seedPair: raw._crypto_kem_mlkem768_seed_keypair,
      encapsulate: raw._crypto_kem_mlkem768_enc_deterministic,
      decapsulate: raw._crypto_kem_mlkem768_dec,
    },
  });
}

/** X-Wing (draft-connolly-cfrg-xwing-kem): X25519 and ML-KEM-768. The secret key is the 32-byte seed. */
export function sodiumXWing(sodium: Sodium, random: Random): Kem {
  const { raw } = sodium;
  return kemOf(sodium, {
    random,
    lengths: { seed: 32, publicKey: 1216, secretKey: 32, ciphertext: 1120, encapsulationSeed: 64 },
    functions: {
      seedPair: raw._crypto_kem_xwing_seed_keypair,
      encapsulate: raw._crypto_kem_xwing_enc_deterministic,
      decapsulate: raw._crypto_kem_xwing_dec,
    },
  });
}
