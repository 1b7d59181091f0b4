/**
 * One interface for every cryptographic operation of dchat. Which backend does what is said by one table
 * (table.ts), which cites the benchmark for each row.
 *
 * What is hashed comes in pieces of any length, and so does what AES-256-GCM seals for attachments, in a stream of
 * pieces that each have a tag: one tag for all would have bytes handed out that nobody has authenticated yet. One call of
 * anything else takes at most 64 MiB less 64 KiB.
 *
 * Conventions: inputs are borrowed for the call; outputs are fresh unless `into` is given; lengths are in bytes;
 * a wrong type or length throws CryptoError naming the argument; a failed authentication is a value (false or
 * null), never an exception. Keys are handles that are `Disposable`: dispose wipes them, those that the engine holds as
 * KeyObjects when the collector frees them.
 */

/** An Ed25519 secret key. */
export interface SigningKey extends Disposable {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The 32-byte seed, a copy that the caller wipes. */
  exportSeed(): Uint8Array;
}

export interface SignedMessage {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Ed25519 (RFC 8032). Verification follows ZIP-215, single and batch alike: two parties never disagree. */
export interface Ed25519 {
  generate(): SigningKey;
  /** From 32 bytes, copied. */
  fromSeed(seed: Uint8Array): SigningKey;
  /** 64 bytes, deterministic. */
  sign(key: SigningKey, message: Uint8Array): Uint8Array;
  verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Positions of the signatures that don't hold, ascending; empty when all do. */
  verifyBatch(items: readonly SignedMessage[]): readonly number[];
  /** The X25519 public key of an Ed25519 one, or null where there is none. */
  toX25519(publicKey: Uint8Array): Uint8Array | null;
  /** The X25519 key whose public key is `toX25519` of this one's. */
  toAgreement(key: SigningKey): AgreementKey;
}

/** An X25519 secret key. */
export interface AgreementKey extends Disposable {
  readonly publicKey: Uint8Array;
  exportSecret(): Uint8Array;
}

/** X25519 (RFC 7748). */
export interface X25519 {
  generate(): AgreementKey;
  fromSecret(secret: Uint8Array): AgreementKey;
  /** 32 bytes, or null where the result is all zero (a low-order public key). */
  agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null;
}

/** The hash of what comes in pieces; `digest` is called once. */
export interface HashStream {
  update(data: Uint8Array): void;
  digest(): Uint8Array;
}

/** Functions that need no `this`. */
export interface Hash {
  readonly sha256: (...parts: readonly Uint8Array[]) => Uint8Array;
  readonly sha512: (...parts: readonly Uint8Array[]) => Uint8Array;
  readonly hmacSha256: (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;
  readonly hmacSha512: (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;
  /** RFC 5869 with SHA-256; `length` at most 8160. */
  readonly hkdfSha256: (options: {
    ikm: Uint8Array;
    salt: Uint8Array;
    info: Uint8Array;
    length: number;
  }) => Uint8Array;
  /** SHAKE256 (FIPS 202). */
  readonly shake256: (data: Uint8Array, length: number) => Uint8Array;
  /** 32 bytes; keyed where `key` (32 bytes) is given. */
  readonly blake3: (data: Uint8Array, key?: Uint8Array) => Uint8Array;
  readonly blake3Stream: (key?: Uint8Array) => HashStream;
  readonly sha256Stream: () => HashStream;
  readonly sha512Stream: () => HashStream;
}

/** One-shot AEADs. `seal` returns ciphertext and tag; `open` returns the plaintext or null. */
export interface Aead {
  readonly keyBytes: 16 | 32;
  readonly nonceBytes: 12 | 24;
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array, ad: Uint8Array): Uint8Array | null;
}

/** Seals what comes in pieces; what `update` and `finish` return, one after the other, is the sealed stream. */
export interface SealStream extends Disposable {
  update(data: Uint8Array): Uint8Array;
  /** The end; nothing more can be added. */
  finish(): Uint8Array;
}

/**
 * Opens what a SealStream made, in pieces of any lengths. Every byte that comes out is authentic and in its place. Only
 * `finish` tells that none are missing: where it answers null the stream was cut off, and what came before is discarded.
 */
export interface OpenStream extends Disposable {
  /** Null from the first piece on that isn't authentic. */
  update(data: Uint8Array): Uint8Array | null;
  finish(): Uint8Array | null;
}

/** For attachments: 64 KiB of data at a time are in memory, 16 bytes more for each are stored, and 32 for the whole. */
export interface AeadStream {
  readonly keyBytes: 16 | 32;
  /** One key may seal many streams. `ad` must be the same at both ends. */
  seal(key: Uint8Array, ad: Uint8Array): SealStream;
  open(key: Uint8Array, ad: Uint8Array): OpenStream;
}

/** ChaCha20-Poly1305 with the key held inside, for connections: no allocation a frame. */
export interface CipherState extends Disposable {
  /**
   * Seals `plaintext` into `into` at `at` with Noise's 64-bit counter nonce; returns the bytes written
   * (plaintext and 16). `into` may be the buffer that `plaintext` is a view of, at the same place.
   */
  seal(counter: number, plaintext: Uint8Array, into: Uint8Array, at: number, ad?: Uint8Array): number;
  /** Opens into `into` at `at`; returns the plaintext's length, or -1 where it isn't authentic. */
  open(counter: number, ciphertext: Uint8Array, into: Uint8Array, at: number, ad?: Uint8Array): number;
}

/** What a Noise XX handshake (Noise_XX_25519_ChaChaPoly_SHA256) needs. */
export interface NoiseCrypto {
  /** An ephemeral key, made ahead in idle time and given out once. */
  ephemeral(): AgreementKey;
  agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null;
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** Noise's HKDF with two outputs of 32 bytes. */
  hkdf2(chainingKey: Uint8Array, ikm: Uint8Array): readonly [Uint8Array, Uint8Array];
  cipher(key: Uint8Array): CipherState;
  /** Strict verification of a peer's static key binding, by the engine's rule or libsodium's: only for this. */
  verifyPeer(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Peer keys of libp2p's other types, from their protobuf `Data`; null where malformed. Those of RSA and ECDSA are
   * "unsupported" in a browser: nothing there verifies them at once.
   */
  verifyPeerOther(
    type: "rsa" | "secp256k1" | "ecdsa",
    key: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean | "unsupported" | null;
}

export interface PasswordHash {
  /** Argon2id (RFC 9106) in one lane; 16 bytes of salt, at most 1 GiB of memory. */
  argon2id(options: {
    password: Uint8Array;
    salt: Uint8Array;
    memoryKib: number;
    passes: number;
    length: number;
  }): Uint8Array;
}

export interface Random {
  bytes(length: number): Uint8Array;
}

/** ML-KEM-768 (FIPS 203) and X-Wing (draft-connolly-cfrg-xwing-kem). */
export interface Kem {
  generate(): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  /** Deterministic from a seed: 64 bytes for ML-KEM-768, 32 for X-Wing. */
  fromSeed(seed: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  encapsulate(publicKey: Uint8Array): { readonly ciphertext: Uint8Array; readonly secret: Uint8Array };
  decapsulate(secretKey: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}

export interface Crypto extends AsyncDisposable {
  readonly ed25519: Ed25519;
  readonly x25519: X25519;
  readonly hash: Hash;
  readonly chacha20Poly1305: Aead;
  readonly xchacha20Poly1305: Aead;
  readonly aes128Gcm: Aead;
  readonly aes256Gcm: Aead;
  readonly aes256GcmStream: AeadStream;
  readonly noise: NoiseCrypto;
  readonly password: PasswordHash;
  readonly mlKem768: Kem;
  readonly xWing: Kem;
  readonly random: Random;
  /** The backends that were opened, by table.ts's names, and "portable" where the engine has no wide arithmetic. */
  readonly backends: readonly string[];
  /** In time that depends on the lengths alone. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  wipe(...secrets: readonly Uint8Array[]): void;
}

/**
 * What only some processes want, since its backend costs memory that a relay would rather keep: "kem" is ML-KEM-768
 * and X-Wing (libsodium), "blake3" is BLAKE3 (hash-wasm). Using what was not opened throws CryptoError.
 */
export type CryptoNeed = "kem" | "blake3";

export interface CryptoOptions {
  /** "fast" follows the table; "portable" forces what runs anywhere. */
  readonly backends?: "fast" | "portable";
  /** What is wanted beyond the common set; all by default, while a relay passes []. */
  readonly needs?: readonly CryptoNeed[];
  /** Ephemeral Noise keys that are kept ready; 32 by default, none where `random` is replaced. */
  readonly ephemeralsAhead?: number;
  /** Replaces the system's randomness, for simulation and vectors only. */
  readonly random?: (length: number) => Uint8Array;
}
