import { CryptoError } from "../error.ts";
import type { Parts } from "../part.ts";
import type { AgreementKey, SigningKey, X25519 } from "../port.ts";
import type { Sodium } from "./module.ts";

type KeyKind = "a signing key" | "an agreement key";

/** 32 secret bytes held in JavaScript, wiped by dispose. */
class SecretBytes implements Disposable {
  readonly publicKey: Uint8Array;
  readonly #kind: KeyKind;
  #secret: Uint8Array | null;

  constructor(kind: KeyKind, secret: Uint8Array, publicKey: Uint8Array) {
    this.#kind = kind;
    this.#secret = secret.slice();
    this.publicKey = publicKey;
  }

  static open(kind: KeyKind, key: object): Uint8Array {
    if (typeof key !== "object" || key === null || !(#secret in key) || key.#kind !== kind) {
      throw new CryptoError("argument", `key must be ${kind} of this Crypto`);
    }
    if (key.#secret === null) throw new CryptoError("disposed", "key was disposed");
    return key.#secret;
  }

  [Symbol.dispose](): void {
    this.#secret?.fill(0);
    this.#secret = null;
  }
}

class SodiumSigningKey extends SecretBytes implements SigningKey {
  exportSeed(): Uint8Array {
    return seedOf(this);
  }
}

function seedOf(key: SigningKey): Uint8Array {
  return SecretBytes.open("a signing key", key).slice();
}

class SodiumAgreementKey extends SecretBytes implements AgreementKey {
  exportSecret(): Uint8Array {
    return SecretBytes.open("an agreement key", this).slice();
  }
}

export function sodiumSigning(sodium: Sodium): Parts["ed25519.sign"] {
  const { wrapped } = sodium;
  return {
    seedOf,
    fromSeed(seed) {
      const pair = wrapped.crypto_sign_seed_keypair(seed);
      pair.privateKey.fill(0);
      return new SodiumSigningKey("a signing key", seed, pair.publicKey);
    },
    sign(key, message) {
      const secret = new Uint8Array(64);
      secret.set(SecretBytes.open("a signing key", key), 0);
      secret.set(key.publicKey, 32);
      try {
        return wrapped.crypto_sign_detached(message, secret);
      } finally {
        secret.fill(0);
      }
    },
  };
}

/** libsodium's rule, which is stricter than ZIP-215 in its own way: only where nobody else's decision depends on it. */
export function sodiumVerify(sodium: Sodium) {
  return (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
    sodium.wrapped.crypto_sign_verify_detached(signature, message, key);
}

export function sodiumX25519(sodium: Sodium): Pick<X25519, "fromSecret" | "agree"> {
  const { wrapped } = sodium;
  return {
    fromSecret: (secret) =>
      new SodiumAgreementKey("an agreement key", secret, wrapped.crypto_scalarmult_base(secret)),
    agree(key, publicKey) {
      const secret = SecretBytes.open("an agreement key", key);
      try {
        return wrapped.crypto_scalarmult(secret, publicKey);
      } catch {
        return null;
      }
    },
  };
}

/** The X25519 public key of an Ed25519 one; null where that isn't a point of the main subgroup. */
export function sodiumToX25519(sodium: Sodium) {
  return (publicKey: Uint8Array): Uint8Array | null => {
    try {
      return sodium.wrapped.crypto_sign_ed25519_pk_to_curve25519(publicKey);
    } catch {
      return null;
    }
  };
}
