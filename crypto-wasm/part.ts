import type {
  Aead,
  AgreementKey,
  CipherState,
  Ed25519,
  Hash,
  Kem,
  PasswordHash,
  SigningKey,
} from "./port.ts";

/** Where operations are done: the engine, the two builds of this project's WASM, libsodium, hash-wasm. */
export type BackendName = "native" | "wide" | "portable" | "sodium" | "hashwasm";

/**
 * What a backend can provide, in the pieces that the table chooses between. Arguments have been checked before they
 * come here; whatever makes a key handle also uses it, so both are one piece.
 */
export interface Parts {
  "ed25519.sign": {
    fromSeed(seed: Uint8Array): SigningKey;
    sign(key: SigningKey, message: Uint8Array): Uint8Array;
    /** The seed of a key that this backend made, a copy to wipe; throws CryptoError for anything else. */
    seedOf(key: SigningKey): Uint8Array;
  };
  /** ZIP-215 alone. */
  "ed25519.verify": Pick<Ed25519, "verify" | "verifyBatch">;
  /** Any strict rule: only where nobody else's decision depends on it. */
  "ed25519.verifyPeer": Ed25519["verify"];
  "ed25519.toX25519": Ed25519["toX25519"];
  x25519: {
    fromSecret(secret: Uint8Array): AgreementKey;
    agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null;
  };
  sha256: Hash["sha256"];
  sha512: Hash["sha512"];
  sha256Stream: Hash["sha256Stream"];
  sha512Stream: Hash["sha512Stream"];
  hmacSha256: Hash["hmacSha256"];
  hmacSha512: Hash["hmacSha512"];
  hkdfSha256: Hash["hkdfSha256"];
  shake256: Hash["shake256"];
  blake3: Pick<Hash, "blake3" | "blake3Stream">;
  chacha20Poly1305: Aead;
  xchacha20Poly1305: Aead;
  aes128Gcm: Aead;
  aes256Gcm: Aead;
  cipherState: (key: Uint8Array) => CipherState;
  argon2id: PasswordHash["argon2id"];
  mlKem768: Kem;
  xWing: Kem;
}

export type Part = keyof Parts;
