import { expectBytes, refuseArgument } from "./argument.ts";
import { CryptoError } from "./error.ts";
import type { AgreementKey, Crypto } from "./port.ts";

/** A Uint8Array or libp2p's Uint8ArrayList: both give all their bytes by `subarray()`. */
interface ByteSource {
  subarray(start?: number, end?: number): Uint8Array;
}

interface KeyPair {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

/** Shaped as `ICryptoInterface` of @chainsafe/libp2p-noise 17, so that libp2p is no dependency here. */
export interface Libp2pNoiseCrypto {
  hashSHA256(data: ByteSource): Uint8Array;
  getHKDF(ck: Uint8Array, ikm: Uint8Array): [Uint8Array, Uint8Array, Uint8Array];
  generateX25519KeyPair(): KeyPair;
  generateX25519KeyPairFromSeed(seed: Uint8Array): KeyPair;
  generateX25519SharedKey(privateKey: ByteSource, publicKey: ByteSource): Uint8Array;
  chaCha20Poly1305Encrypt(
    plaintext: ByteSource,
    nonce: Uint8Array,
    ad: Uint8Array,
    k: Uint8Array,
  ): Uint8Array;
  chaCha20Poly1305Decrypt(
    ciphertext: ByteSource,
    nonce: Uint8Array,
    ad: Uint8Array,
    k: Uint8Array,
    dst?: Uint8Array,
  ): Uint8Array;
}

const EMPTY = new Uint8Array(0);
const KEY_BYTES = 32;
const TAG_BYTES = 16;

/** All bytes of `source`, of `length` where that is given; throws CryptoError for what gives none. */
function bytesOf(name: string, source: unknown, length?: number): Uint8Array {
  const isList = typeof source === "object" && source !== null && !(source instanceof Uint8Array);
  const gives: unknown = isList ? Reflect.get(source, "subarray") : null;
  const bytes: unknown = typeof gives === "function" ? Reflect.apply(gives, source, []) : source;
  expectBytes(name, bytes, length);
  return bytes;
}

/**
 * The crypto for `noise({ crypto })` of js-libp2p: its own default asks Bun's node:crypto for ChaCha20-Poly1305,
 * which isn't there, and dies on frames of 1,200 bytes. Throws CryptoError where something isn't authentic or a
 * peer's key is of low order, since libp2p-noise expects exceptions.
 */
export function libp2pNoiseCrypto(crypto: Crypto): Libp2pNoiseCrypto {
  // libp2p-noise never says that it is done with a key, so that none is held: bytes out, bytes in.
  function pairOf(key: AgreementKey): KeyPair {
    using held = key;
    return { publicKey: held.publicKey, privateKey: held.exportSecret() };
  }

  return {
    hashSHA256: (data) => crypto.hash.sha256(bytesOf("data", data)),
    getHKDF(ck, ikm) {
      expectBytes("ck", ck);
      const out = crypto.hash.hkdfSha256({ ikm, salt: ck, info: EMPTY, length: 96 });
      return [out.subarray(0, 32), out.subarray(32, 64), out.subarray(64)];
    },
    generateX25519KeyPair: () => pairOf(crypto.noise.ephemeral()),
    generateX25519KeyPairFromSeed: (seed) => pairOf(crypto.x25519.fromSecret(seed)),
    generateX25519SharedKey(privateKey, publicKey) {
      using key = crypto.x25519.fromSecret(bytesOf("privateKey", privateKey, KEY_BYTES));
      const shared = crypto.x25519.agree(key, bytesOf("publicKey", publicKey, KEY_BYTES));
      if (shared === null) throw new CryptoError("protocol", "the peer's X25519 key is of low order");
      return shared;
    },
    chaCha20Poly1305Encrypt: (plaintext, nonce, ad, k) =>
      crypto.chacha20Poly1305.seal(k, nonce, bytesOf("plaintext", plaintext), ad),
    chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
      const sealed = bytesOf("ciphertext", ciphertext);
      if (dst !== undefined) {
        expectBytes("dst", dst);
        const needed = sealed.length - TAG_BYTES;
        if (dst.length < needed) refuseArgument("dst", `${needed} bytes or more`, dst);
      }
      const plaintext = crypto.chacha20Poly1305.open(k, nonce, sealed, ad);
      if (plaintext === null) throw new CryptoError("protocol", "the Noise frame isn't authentic");
      if (dst === undefined) return plaintext;
      dst.set(plaintext);
      return dst.subarray(0, plaintext.length);
    },
  };
}
