import { expectBytes } from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { AgreementKey, Crypto } from "../port.ts";
import { MlsPrivateKey, MlsPublicKey } from "./key.ts";
import { concat, LabeledKdf, uint16 } from "./labeled.ts";

export interface MlsKeyPair {
  readonly publicKey: MlsPublicKey;
  readonly privateKey: MlsPrivateKey;
}

/** A KEM of HPKE (RFC 9180 section 4). Throws CryptoError where a peer's bytes are no key or no encapsulation. */
export interface HpkeKem {
  readonly id: number;
  readonly name: string;
  generate(): MlsKeyPair;
  derive(ikm: Uint8Array): MlsKeyPair;
  importPrivate(bytes: Uint8Array): MlsPrivateKey;
  importPublic(bytes: Uint8Array): MlsPublicKey;
  /** A copy that the caller wipes. */
  exportPrivate(key: MlsPrivateKey): Uint8Array;
  encapsulate(key: MlsPublicKey): { readonly enc: Uint8Array; readonly shared: Uint8Array };
  decapsulate(key: MlsPrivateKey, enc: Uint8Array): Uint8Array;
}

const EMPTY = new Uint8Array(0);
const X25519_BYTES = 32;

function isHandle(secret: AgreementKey | Uint8Array): secret is AgreementKey {
  return !(secret instanceof Uint8Array);
}

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 section 4.1. */
export function openDhkemX25519(crypto: Crypto): HpkeKem {
  const id = 0x0020;
  const name = "X25519";
  const kdf = new LabeledKdf(crypto.hash.hmacSha256, concat(new TextEncoder().encode("KEM"), uint16(id)));

  // ts-mls never says that it is done with a key: the collector does, and what it frees is wiped.
  const unused = new FinalizationRegistry<AgreementKey>((key) => key[Symbol.dispose]());

  function pairOf(key: AgreementKey): MlsKeyPair {
    const privateKey = new MlsPrivateKey(name, key.publicKey, key);
    unused.register(privateKey, key);
    return { publicKey: new MlsPublicKey(name, key.publicKey), privateKey };
  }

  function handleOf(key: MlsPrivateKey): AgreementKey {
    if (!isHandle(key.secret)) throw new CryptoError("argument", "key must be an X25519 key");
    return key.secret;
  }

  function shared(key: AgreementKey, peer: Uint8Array, context: Uint8Array): Uint8Array {
    const dh = crypto.x25519.agree(key, peer);
    if (dh === null) throw new CryptoError("protocol", "the peer's X25519 key is of low order");
    const prk = kdf.extract(EMPTY, "eae_prk", dh);
    const secret = kdf.expand(prk, "shared_secret", { info: context, length: 32 });
    crypto.wipe(dh, prk);
    return secret;
  }

  return {
    id,
    name,
    generate: () => pairOf(crypto.x25519.generate()),
    derive(ikm) {
      const prk = kdf.extract(EMPTY, "dkp_prk", ikm);
      const secret = kdf.expand(prk, "sk", { length: X25519_BYTES });
      const pair = pairOf(crypto.x25519.fromSecret(secret));
      crypto.wipe(prk, secret);
      return pair;
    },
    importPrivate: (bytes) => pairOf(crypto.x25519.fromSecret(bytes)).privateKey,
    importPublic(bytes) {
      expectBytes("publicKey", bytes, X25519_BYTES);
      return new MlsPublicKey(name, bytes);
    },
    exportPrivate: (key) => handleOf(key).exportSecret(),
    encapsulate(key) {
      using ephemeral = crypto.x25519.generate();
      const enc = ephemeral.publicKey;
      return { enc, shared: shared(ephemeral, key.bytes, concat(enc, key.bytes)) };
    },
    decapsulate(key, enc) {
      expectBytes("kemOutput", enc, X25519_BYTES);
      return shared(handleOf(key), enc, concat(enc, key.publicKey));
    },
  };
}

/** X-Wing (draft-connolly-cfrg-xwing-kem) as HPKE's KEM 0x647a; the private key is its 32-byte seed. */
export function openXWing(crypto: Crypto): HpkeKem {
  const name = "X-Wing";
  const seedBytes = 32;
  const publicKeyBytes = 1216;

  /** The pair of a seed, which is wiped: the secret key is a copy of it. */
  function pairOf(seed: Uint8Array): MlsKeyPair {
    const { publicKey, secretKey } = crypto.xWing.fromSeed(seed);
    crypto.wipe(seed);
    return {
      publicKey: new MlsPublicKey(name, publicKey),
      privateKey: new MlsPrivateKey(name, publicKey, secretKey),
    };
  }

  function seedOf(key: MlsPrivateKey): Uint8Array {
    if (isHandle(key.secret)) throw new CryptoError("argument", "key must be an X-Wing key");
    return key.secret;
  }

  return {
    id: 0x647a,
    name,
    generate: () => pairOf(crypto.random.bytes(seedBytes)),
    // draft-connolly-cfrg-xwing-kem section 5.6, HPKE's DeriveKeyPair: SHAKE256 of the input.
    derive: (ikm) => pairOf(crypto.hash.shake256(ikm, seedBytes)),
    importPrivate(bytes) {
      expectBytes("privateKey", bytes, seedBytes);
      return new MlsPrivateKey(name, EMPTY, bytes.slice());
    },
    importPublic(bytes) {
      expectBytes("publicKey", bytes, publicKeyBytes);
      return new MlsPublicKey(name, bytes);
    },
    exportPrivate: (key) => seedOf(key).slice(),
    encapsulate(key) {
      const { ciphertext, secret } = crypto.xWing.encapsulate(key.bytes);
      return { enc: ciphertext, shared: secret };
    },
    decapsulate: (key, enc) => crypto.xWing.decapsulate(seedOf(key), enc),
  };
}
