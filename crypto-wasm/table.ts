import type { BackendName, Part } from "./part.ts";
import type { CryptoNeed } from "./port.ts";

/**
 * Which backend does what, and the measurement that says so. "portable" is what runs on any engine with
 * WebAssembly. A benchmark is an operation of `bun bench crypto`; bench/result/crypto-standard-2026-11-29.json is
 * what the rows rest on.
 */
interface Row {
  readonly fast: BackendName;
  readonly portable: BackendName;
  readonly benchmark: string;
  /** Why, where another backend measured faster. */
  readonly because?: string;
}

export const TABLE = {
  "ed25519.sign": { fast: "native", portable: "portable", benchmark: "ed25519 sign" },
  "ed25519.verify": {
    fast: "wide",
    portable: "portable",
    benchmark: "ed25519 verify",
    because: "the others don't verify by ZIP-215",
  },
  "ed25519.verifyPeer": {
    fast: "native",
    portable: "sodium",
    benchmark: "ed25519 verify",
    because: "the row's own time is the WASM's; this one is the engine's, which is the fastest",
  },
  "ed25519.toX25519": { fast: "wide", portable: "portable", benchmark: "ed25519 to x25519" },
  x25519: { fast: "native", portable: "portable", benchmark: "x25519 agree" },
  sha256: { fast: "native", portable: "sodium", benchmark: "sha256" },
  sha512: { fast: "native", portable: "sodium", benchmark: "sha512" },
  sha256Stream: { fast: "native", portable: "sodium", benchmark: "sha256" },
  sha512Stream: { fast: "native", portable: "sodium", benchmark: "sha512" },
  hmacSha256: { fast: "native", portable: "sodium", benchmark: "hmac sha256" },
  hmacSha512: {
    fast: "native",
    portable: "sodium",
    benchmark: "hmac sha512",
    because:
      "Bun's own hasher, as for SHA-256, where it is the fastest; node:crypto's is up to 0.5 us faster here",
  },
  hkdfSha256: { fast: "native", portable: "sodium", benchmark: "hkdf sha256" },
  shake256: {
    fast: "native",
    portable: "sodium",
    benchmark: "shake256",
    because:
      "libsodium is 0.5 us faster, and whoever derives a key by it may not have libsodium open (16 MiB)",
  },
  blake3: { fast: "hashwasm", portable: "hashwasm", benchmark: "blake3" },
  chacha20Poly1305: { fast: "wide", portable: "portable", benchmark: "chacha20poly1305" },
  xchacha20Poly1305: { fast: "wide", portable: "portable", benchmark: "xchacha20poly1305" },
  aes128Gcm: { fast: "native", portable: "portable", benchmark: "aes-gcm" },
  aes256Gcm: { fast: "native", portable: "portable", benchmark: "aes-gcm" },
  cipherState: { fast: "wide", portable: "portable", benchmark: "cipher state" },
  argon2id: { fast: "native", portable: "sodium", benchmark: "argon2id" },
  mlKem768: { fast: "sodium", portable: "sodium", benchmark: "ml-kem-768" },
  xWing: { fast: "sodium", portable: "sodium", benchmark: "x-wing" },
} as const satisfies Record<Part, Row>;

/** The parts that are opened only where `needs` asks for them. */
export const PARTS_OF_NEED = {
  kem: ["mlKem768", "xWing"],
  blake3: ["blake3"],
} as const satisfies Record<CryptoNeed, readonly Part[]>;
