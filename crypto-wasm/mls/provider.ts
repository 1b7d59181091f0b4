import type { CiphersuiteImpl, CiphersuiteName, CryptoProvider, Signature } from "ts-mls";
import { type Check, expectBytes, expectFields, expectWhole, refuseArgument } from "../argument.ts";
import { CryptoError } from "../error.ts";
import { HKDF_BLOCKS_MAX, hkdfExpand } from "../hkdf.ts";
import type { Crypto } from "../port.ts";
import { type HpkeSuite, openHpke } from "./hpke.ts";
import { openDhkemX25519, openXWing } from "./kem.ts";

/** The cipher suites that dchat offers, by their ids: 1 and 3 of RFC 9420, 83 and 84 of ts-mls with X-Wing. */
export const MLS_SUITES = [
  "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
  "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
  "MLS_256_XWING_AES256GCM_SHA512_Ed25519",
  "MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519",
] as const satisfies readonly CiphersuiteName[];
export type MlsSuite = (typeof MLS_SUITES)[number];

const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** ts-mls's default provider makes signing keys as PKCS#8 (RFC 8410): 16 bytes, then the seed. */
const PKCS8_BYTES = 48;
const PKCS8_HEAD_BYTES = 16;

const expectText: Check = (name, value) => {
  if (typeof value !== "string") refuseArgument(name, "a text", value);
};

function isSuite(name: string): name is MlsSuite {
  return MLS_SUITES.some((suite) => suite === name);
}

const HPKE_SUITES: Record<MlsSuite, (crypto: Crypto) => HpkeSuite> = {
  MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519: (crypto) => ({
    ...sha256Kdf(crypto),
    kem: openDhkemX25519(crypto),
    aeadId: 1,
    aead: crypto.aes128Gcm,
  }),
  MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519: (crypto) => ({
    ...sha256Kdf(crypto),
    kem: openDhkemX25519(crypto),
    aeadId: 3,
    aead: crypto.chacha20Poly1305,
  }),
  MLS_256_XWING_AES256GCM_SHA512_Ed25519: (crypto) => ({
    ...sha512Kdf(crypto),
    kem: openXWing(crypto),
    aeadId: 2,
    aead: crypto.aes256Gcm,
  }),
  MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519: (crypto) => ({
    ...sha512Kdf(crypto),
    kem: openXWing(crypto),
    aeadId: 3,
    aead: crypto.chacha20Poly1305,
  }),
};

function sha256Kdf({ hash }: Crypto): Pick<HpkeSuite, "kdfId" | "hmac" | "hashBytes"> {
  return { kdfId: 1, hmac: hash.hmacSha256, hashBytes: 32 };
}

function sha512Kdf({ hash }: Crypto): Pick<HpkeSuite, "kdfId" | "hmac" | "hashBytes"> {
  return { kdfId: 3, hmac: hash.hmacSha512, hashBytes: 64 };
}

/** Signing keys are 32-byte seeds, or PKCS#8 as the default provider makes them. */
function openSignature(crypto: Crypto): Signature {
  return {
    async sign(signKey, message) {
      expectBytes("signKey", signKey);
      const seed = signKey.length === PKCS8_BYTES ? signKey.subarray(PKCS8_HEAD_BYTES) : signKey;
      using key = crypto.ed25519.fromSeed(seed);
      return crypto.ed25519.sign(key, message);
    },
    async verify(publicKey, message, signature) {
      expectBytes("publicKey", publicKey);
      expectBytes("signature", signature);
      // Peers choose these lengths: a wrong one is an answer, not a mistake of the caller.
      if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
      return crypto.ed25519.verify(publicKey, message, signature);
    },
    async keygen() {
      const signKey = crypto.random.bytes(SEED_BYTES);
      using key = crypto.ed25519.fromSeed(signKey);
      return { publicKey: key.publicKey, signKey };
    },
  };
}

function openSuite(crypto: Crypto, name: MlsSuite): CiphersuiteImpl {
  const hpke = HPKE_SUITES[name](crypto);
  const digest = hpke.hashBytes === 32 ? crypto.hash.sha256 : crypto.hash.sha512;
  return {
    name,
    hpke: openHpke(hpke),
    signature: openSignature(crypto),
    kdf: {
      size: hpke.hashBytes,
      extract: async (salt, ikm) => hpke.hmac(salt, ikm),
      async expand(prk, info, length) {
        expectBytes("prk", prk);
        expectBytes("info", info);
        expectWhole("length", length, { min: 0, max: HKDF_BLOCKS_MAX * hpke.hashBytes });
        return hkdfExpand(hpke.hmac, { prk, info, length });
      },
    },
    hash: {
      digest: async (data) => digest(data),
      mac: async (key, data) => hpke.hmac(key, data),
      verifyMac: async (key, mac, data) => crypto.equal(hpke.hmac(key, data), mac),
    },
    rng: { randomBytes: (length) => crypto.random.bytes(length) },
  };
}

/**
 * The provider for ts-mls on `crypto`, which must have been opened with "kem" for the X-Wing suites. Signatures are
 * verified by ZIP-215, so that members never disagree about a commit. Throws CryptoError for a suite that dchat
 * doesn't offer.
 */
export function mlsCryptoProvider(crypto: Crypto): CryptoProvider {
  const opened = new Map<MlsSuite, CiphersuiteImpl>();
  return {
    async getCiphersuiteImpl(suite) {
      expectFields("suite", suite, { name: expectText });
      const { name } = suite;
      if (!isSuite(name))
        throw new CryptoError("argument", `dchat doesn't offer the MLS cipher suite ${name}`);
      const found = opened.get(name) ?? openSuite(crypto, name);
      opened.set(name, found);
      return found;
    },
  };
}
