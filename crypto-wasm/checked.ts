/** The one place where arguments are checked before they reach a backend. */
import { expectAllBytes, expectBytes, expectWhole, isBytes } from "./argument.ts";
import type { Parts } from "./part.ts";
import type { Aead, Ed25519, Hash, PasswordHash, Random, SignedMessage, X25519 } from "./port.ts";

const SEED_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const HKDF_BYTES_MAX = 255 * 32;
const SHAKE_BYTES_MAX = 65_536;
const ARGON2_LIMITS = {
  memoryKib: { min: 8, max: 4 * 1024 * 1024 - 1 },
  passes: { min: 1, max: 2 ** 32 - 1 },
  length: { min: 16, max: 1024 },
} as const;
const ARGON2_SALT_BYTES_MIN = 8;

type HashParts = Pick<
  Parts,
  "sha256" | "sha512" | "hmacSha256" | "hmacSha512" | "hkdfSha256" | "shake256" | "blake3"
>;

/** Throws CryptoError naming the first of `items` whose key, signature or message has a wrong type or length. */
export function expectSigned(items: readonly SignedMessage[]): void {
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (item === undefined) continue;
    // The names are made only where they are needed: this runs for every signature that a relay verifies.
    if (isBytes(item.key, KEY_BYTES) && isBytes(item.signature, SIGNATURE_BYTES) && isBytes(item.message))
      continue;
    expectBytes(`items[${i}].key`, item.key, KEY_BYTES);
    expectBytes(`items[${i}].signature`, item.signature, SIGNATURE_BYTES);
    expectBytes(`items[${i}].message`, item.message);
  }
}

/** Ed25519; keys and signatures of another length than theirs throw, wrong ones are false. */
export function checkedEd25519(
  parts: Pick<Parts, "ed25519.sign" | "ed25519.verify" | "ed25519.toX25519" | "x25519" | "sha512">,
  random: Random,
): Ed25519 {
  const signing = parts["ed25519.sign"];
  const verifying = parts["ed25519.verify"];
  const toX25519 = parts["ed25519.toX25519"];
  return {
    generate() {
      const seed = random.bytes(SEED_BYTES);
      const key = signing.fromSeed(seed);
      seed.fill(0);
      return key;
    },
    fromSeed(seed) {
      expectBytes("seed", seed, SEED_BYTES);
      return signing.fromSeed(seed);
    },
    sign(key, message) {
      expectBytes("message", message);
      return signing.sign(key, message);
    },
    verify(key, message, signature) {
      expectBytes("key", key, KEY_BYTES);
      expectBytes("message", message);
      expectBytes("signature", signature, SIGNATURE_BYTES);
      return verifying.verify(key, message, signature);
    },
    verifyBatch(items) {
      expectSigned(items);
      return verifying.verifyBatch(items);
    },
    toX25519(publicKey) {
      expectBytes("publicKey", publicKey, KEY_BYTES);
      return toX25519(publicKey);
    },
    toAgreement(key) {
      const seed = key.exportSeed();
      // RFC 8032 section 5.1.5: the first half of the seed's hash is the scalar; X25519 clamps it alike.
      const hash = parts.sha512(seed);
      const agreement = parts.x25519.fromSecret(hash.subarray(0, KEY_BYTES));
      seed.fill(0);
      hash.fill(0);
      return agreement;
    },
  };
}

export function checkedX25519(part: Parts["x25519"], random: Random): X25519 {
  return {
    generate() {
      const secret = random.bytes(KEY_BYTES);
      const key = part.fromSecret(secret);
      secret.fill(0);
      return key;
    },
    fromSecret(secret) {
      expectBytes("secret", secret, KEY_BYTES);
      return part.fromSecret(secret);
    },
    agree(key, publicKey) {
      expectBytes("publicKey", publicKey, KEY_BYTES);
      return part.agree(key, publicKey);
    },
  };
}

export function checkedHash(parts: HashParts): Hash {
  return {
    sha256(...data) {
      expectAllBytes("parts", data);
      return parts.sha256(...data);
    },
    sha512(...data) {
      expectAllBytes("parts", data);
      return parts.sha512(...data);
    },
    hmacSha256(key, ...data) {
      expectBytes("key", key);
      expectAllBytes("parts", data);
      return parts.hmacSha256(key, ...data);
    },
    hmacSha512(key, ...data) {
      expectBytes("key", key);
      expectAllBytes("parts", data);
      return parts.hmacSha512(key, ...data);
    },
    hkdfSha256(options) {
      expectBytes("ikm", options.ikm);
      expectBytes("salt", options.salt);
      expectBytes("info", options.info);
      expectWhole("length", options.length, { min: 0, max: HKDF_BYTES_MAX });
      return parts.hkdfSha256(options);
    },
    shake256(data, length) {
      expectBytes("data", data);
      expectWhole("length", length, { min: 0, max: SHAKE_BYTES_MAX });
      return parts.shake256(data, length);
    },
    blake3(data, key) {
      expectBytes("data", data);
      if (key !== undefined) expectBytes("key", key, KEY_BYTES);
      return parts.blake3.blake3(data, key);
    },
    blake3Stream(key) {
      if (key !== undefined) expectBytes("key", key, KEY_BYTES);
      const stream = parts.blake3.blake3Stream(key);
      return {
        update(data) {
          expectBytes("data", data);
          stream.update(data);
        },
        digest: () => stream.digest(),
      };
    },
  };
}

export function checkedAead(aead: Aead): Aead {
  return {
    keyBytes: aead.keyBytes,
    nonceBytes: aead.nonceBytes,
    seal(key, nonce, plaintext, ad) {
      expectBytes("key", key, aead.keyBytes);
      expectBytes("nonce", nonce, aead.nonceBytes);
      expectBytes("plaintext", plaintext);
      expectBytes("ad", ad);
      return aead.seal(key, nonce, plaintext, ad);
    },
    open(key, nonce, ciphertext, ad) {
      expectBytes("key", key, aead.keyBytes);
      expectBytes("nonce", nonce, aead.nonceBytes);
      expectBytes("ciphertext", ciphertext);
      expectBytes("ad", ad);
      return aead.open(key, nonce, ciphertext, ad);
    },
  };
}

export function checkedPassword(argon2id: PasswordHash["argon2id"]): PasswordHash {
  return {
    argon2id(options) {
      expectBytes("password", options.password);
      expectBytes("salt", options.salt);
      expectWhole("salt.length", options.salt.length, { min: ARGON2_SALT_BYTES_MIN, max: 1024 });
      expectWhole("memoryKib", options.memoryKib, ARGON2_LIMITS.memoryKib);
      expectWhole("passes", options.passes, ARGON2_LIMITS.passes);
      expectWhole("length", options.length, ARGON2_LIMITS.length);
      return argon2id(options);
    },
  };
}
