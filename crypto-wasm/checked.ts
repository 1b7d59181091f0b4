/** The one place where arguments are checked before they reach a backend. */
import {
  bytesOf,
  type Check,
  DATA_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
  expectAllBytes,
  expectArray,
  expectBytes,
  expectData,
  expectFields,
  expectRecord,
  expectWhole,
  isBytes,
  readFields,
  refuseArgument,
  wholeIn,
} from "./argument.ts";
import { CryptoError } from "./error.ts";
import type { Parts } from "./part.ts";
import type { Aead, Ed25519, Hash, HashStream, PasswordHash, Random, SignedMessage, X25519 } from "./port.ts";

const SEED_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const HKDF_BYTES_MAX = 255 * 32;
const SHAKE_BYTES_MAX = 65_536;

/** What every backend computes: libsodium takes salts of 16 bytes alone, and its memory ends at 2 GiB. */
const ARGON2 = {
  password: expectData,
  salt: bytesOf(16),
  memoryKib: wholeIn({ min: 8, max: 1024 * 1024 }),
  passes: wholeIn({ min: 1, max: 2 ** 32 - 1 }),
  length: wholeIn({ min: 16, max: 1024 }),
} as const satisfies Record<string, Check>;

const HKDF_LENGTH = { min: 0, max: HKDF_BYTES_MAX } as const;

type HashParts = Pick<
  Parts,
  | "sha256"
  | "sha512"
  | "sha256Stream"
  | "sha512Stream"
  | "hmacSha256"
  | "hmacSha512"
  | "hkdfSha256"
  | "shake256"
  | "blake3"
>;

/**
 * The items, each read once, so that what is verified is what was checked. Throws CryptoError unless they are an array
 * of signed messages, naming the first whose key, signature or message has a wrong type or length: anything else would be as
 * many items as its `length` says, and none of them bad.
 */
export function signedItems(items: unknown): SignedMessage[] {
  expectArray("items", items);
  const signed: SignedMessage[] = [];
  for (let i = 0; i < items.length; i++) {
    // The names are made only where they are needed: this runs for every signature that a relay verifies.
    signed.push(readSigned(items[i]) ?? refuseSigned(`items[${i}]`, items[i]));
  }
  return signed;
}

function readSigned(item: unknown): SignedMessage | null {
  if (typeof item !== "object" || item === null) return null;
  const { key, signature, message } = item as Partial<SignedMessage>;
  return isBytes(key, KEY_BYTES) &&
    isBytes(signature, SIGNATURE_BYTES) &&
    isBytes(message) &&
    message.length <= DATA_BYTES_MAX
    ? { key, signature, message }
    : null;
}

function refuseSigned(name: string, item: unknown): never {
  expectFields(name, item, {
    key: (_, key) => expectBytes(`${name}.key`, key, KEY_BYTES),
    signature: (_, signature) => expectBytes(`${name}.signature`, signature, SIGNATURE_BYTES),
    message: (_, message) => expectData(`${name}.message`, message),
  });
  return refuseArgument(name, "a signed message", item);
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
      try {
        return signing.fromSeed(seed);
      } finally {
        seed.fill(0);
      }
    },
    fromSeed(seed) {
      expectBytes("seed", seed, SEED_BYTES);
      return signing.fromSeed(seed);
    },
    sign(key, message) {
      expectData("message", message);
      return signing.sign(key, message);
    },
    verify(key, message, signature) {
      expectBytes("key", key, KEY_BYTES);
      expectData("message", message);
      expectBytes("signature", signature, SIGNATURE_BYTES);
      return verifying.verify(key, message, signature);
    },
    verifyBatch(items) {
      return verifying.verifyBatch(signedItems(items));
    },
    toX25519(publicKey) {
      expectBytes("publicKey", publicKey, KEY_BYTES);
      return toX25519(publicKey);
    },
    toAgreement(key) {
      const seed = signing.seedOf(key);
      // RFC 8032 section 5.1.5: the first half of the seed's hash is the scalar; X25519 clamps it alike.
      const hash = parts.sha512(seed);
      seed.fill(0);
      try {
        return parts.x25519.fromSecret(hash.subarray(0, KEY_BYTES));
      } finally {
        hash.fill(0);
      }
    },
  };
}

export function checkedX25519(part: Parts["x25519"], random: Random): X25519 {
  return {
    generate() {
      const secret = random.bytes(KEY_BYTES);
      try {
        return part.fromSecret(secret);
      } finally {
        secret.fill(0);
      }
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

function checkedStream(stream: HashStream): HashStream {
  let ended = false;
  function expectOpen(): void {
    if (ended) throw new CryptoError("disposed", "the stream has given its digest");
  }
  return {
    update(data) {
      expectOpen();
      expectBytes("data", data);
      stream.update(data);
    },
    digest() {
      expectOpen();
      ended = true;
      return stream.digest();
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
      // By name, not by a table: every message's keys come this way.
      expectRecord("options", options);
      const { ikm } = options;
      expectData("ikm", ikm);
      const { salt, info, length } = options;
      expectData("salt", salt);
      expectData("info", info);
      expectWhole("length", length, HKDF_LENGTH);
      return parts.hkdfSha256({ ikm, salt, info, length });
    },
    shake256(data, length) {
      expectData("data", data);
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
      return checkedStream(parts.blake3.blake3Stream(key));
    },
    sha256Stream: () => checkedStream(parts.sha256Stream()),
    sha512Stream: () => checkedStream(parts.sha512Stream()),
  };
}

/** Data and associated data go into one request together. */
function expectRoomFor(name: "plaintext" | "ciphertext", data: Uint8Array, ad: Uint8Array): void {
  const max = name === "plaintext" ? PLAINTEXT_BYTES_MAX : DATA_BYTES_MAX;
  if (data.length + ad.length > max) {
    const [longer, bytes] = data.length < ad.length ? ["ad", ad] : [name, data];
    refuseArgument(longer, `at most ${max} bytes, with ad and data together`, bytes);
  }
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
      expectRoomFor("plaintext", plaintext, ad);
      return aead.seal(key, nonce, plaintext, ad);
    },
    open(key, nonce, ciphertext, ad) {
      expectBytes("key", key, aead.keyBytes);
      expectBytes("nonce", nonce, aead.nonceBytes);
      expectBytes("ciphertext", ciphertext);
      expectBytes("ad", ad);
      expectRoomFor("ciphertext", ciphertext, ad);
      return aead.open(key, nonce, ciphertext, ad);
    },
  };
}

export function checkedPassword(argon2id: PasswordHash["argon2id"]): PasswordHash {
  return {
    argon2id(options) {
      return argon2id(readFields("options", options, ARGON2));
    },
  };
}
