import type { Crypto } from "./port.ts";

/** For tests: one value out of every part, all deterministic, to compare backends and engines by. */
export function everything(crypto: Crypto): string[] {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
  using signing = crypto.ed25519.fromSeed(bytes);
  using agreement = crypto.x25519.fromSecret(bytes);
  using cipher = crypto.noise.cipher(bytes);
  const signature = crypto.ed25519.sign(signing, bytes);
  const frame = new Uint8Array(48);
  cipher.seal(7, bytes, frame, 0);
  const all = [
    signing.publicKey,
    signature,
    crypto.ed25519.toX25519(signing.publicKey),
    crypto.x25519.agree(agreement, signing.publicKey),
    crypto.hash.sha256(bytes),
    crypto.hash.sha512(bytes),
    crypto.hash.hmacSha256(bytes, bytes),
    crypto.hash.hmacSha512(bytes, bytes),
    crypto.hash.hkdfSha256({ ikm: bytes, salt: bytes, info: bytes, length: 100 }),
    crypto.hash.shake256(bytes, 100),
    crypto.hash.blake3(bytes, bytes),
    crypto.chacha20Poly1305.seal(bytes, bytes.subarray(0, 12), bytes, bytes),
    crypto.xchacha20Poly1305.seal(bytes, bytes.subarray(0, 24), bytes, bytes),
    crypto.aes128Gcm.seal(bytes.subarray(0, 16), bytes.subarray(0, 12), bytes, bytes),
    crypto.aes256Gcm.seal(bytes, bytes.subarray(0, 12), bytes, bytes),
    frame,
    crypto.password.argon2id({
      password: bytes,
      salt: bytes.subarray(0, 16),
      memoryKib: 8,
      passes: 1,
      length: 32,
    }),
    crypto.mlKem768.fromSeed(new Uint8Array(64)).publicKey,
    crypto.xWing.fromSeed(bytes).publicKey,
    Uint8Array.of(Number(crypto.ed25519.verify(signing.publicKey, bytes, signature))),
    Uint8Array.of(Number(crypto.noise.verifyPeer(signing.publicKey, bytes, signature))),
  ];
  return all.map((one) => (one === null ? "null" : one.join()));
}
