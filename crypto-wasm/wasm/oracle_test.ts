/** What the module computes beside noble, on every build that an engine runs; the published vectors are upon Bun alone. */
import { describe, expect, test } from "bun:test";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { BUILDS } from "./_builds.ts";
import { openWasm } from "./mod.ts";

const PAIRS = process.env["DCHAT_TEST_LONG"] === "1" ? 5_000 : 50;
/** Around the edges of blocks, of the steps of a key stream, and of a stream frame. */
const LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 192, 193, 1_000, 65_519];

function random(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Differences as text: what noble returns is no plain Uint8Array on every engine. */
function same(actual: Uint8Array | null, expected: Uint8Array): void {
  expect(actual === null ? null : Buffer.from(actual).toString("hex")).toBe(
    Buffer.from(expected).toString("hex"),
  );
}

/** What noble computes, null where it refuses a key of low order. */
function x25519Of(secret: Uint8Array, other: Uint8Array): Uint8Array | null {
  try {
    return x25519.getSharedSecret(secret, other);
  } catch (error) {
    if (error instanceof Error && error.message === "invalid private or public key received") return null;
    throw error;
  }
}

describe.each(BUILDS)("the %s build computes what noble does", (build) => {
  const wasm = openWasm({ build });
  const aeads = [
    ["ChaCha20-Poly1305", wasm.chacha20Poly1305, chacha20poly1305],
    ["XChaCha20-Poly1305", wasm.xchacha20Poly1305, xchacha20poly1305],
    ["AES-128-GCM", wasm.aes128Gcm, gcm],
    ["AES-256-GCM", wasm.aes256Gcm, gcm],
  ] as const;

  test.each(aeads)("%s", (_, aead, noble) => {
    for (const length of LENGTHS) {
      const [key, nonce, ad] = [random(aead.keyBytes), random(aead.nonceBytes), random(length % 40)];
      const message = random(length);
      const sealed = aead.seal(key, nonce, message, ad);
      same(sealed, noble(key, nonce, ad).encrypt(message));
      same(aead.open(key, nonce, sealed, ad), message);
      const at = length % sealed.length;
      sealed.set([(sealed[at] ?? 0) ^ 1], at);
      expect(aead.open(key, nonce, sealed, ad)).toBe(null);
    }
  });

  test("X25519, with any bytes as a public key", () => {
    for (let i = 0; i < PAIRS; i++) {
      const [secret, other] = [random(32), random(32)];
      using key = wasm.x25519.fromSecret(secret);
      same(key.publicKey, x25519.getPublicKey(secret));
      same(wasm.x25519.agree(key, other), x25519.getSharedSecret(secret, other));
    }
  });

  test("X25519, with limbs as large and as small as they come", () => {
    // The field's elements are held in pieces of 26 and 25 bits, or of 51: all ones and all zeros in each of them.
    for (const ones of [0n, (1n << 255n) - 1n, ...[26n, 51n, 77n].map((at) => (1n << at) - 1n)]) {
      for (const flipped of [0n, 1n, 18n, 19n, 1n << 254n, (1n << 230n) - 1n]) {
        const other = Uint8Array.fromHex((ones ^ flipped).toString(16).padStart(64, "0")).reverse();
        const secret = random(32);
        using key = wasm.x25519.fromSecret(secret);
        const expected = x25519Of(secret, other);
        const agreed = wasm.x25519.agree(key, other);
        if (expected === null) expect(agreed).toBe(null);
        else same(agreed, expected);
      }
    }
  });

  test("Ed25519: keys, signatures, and their X25519 keys", () => {
    for (let i = 0; i < PAIRS; i++) {
      const [seed, message] = [random(32), random(i)];
      using key = wasm.ed25519.fromSeed(seed);
      same(key.publicKey, ed25519.getPublicKey(seed));
      same(wasm.ed25519.sign(key, message), ed25519.sign(message, seed));
      same(wasm.ed25519.toX25519(key.publicKey), ed25519.utils.toMontgomery(key.publicKey));
    }
  });
});
