/**
 * The engine's own cryptography: node:crypto KeyObjects and Bun's hashes (BoringSSL under both). It is imported as
 * "#native", which for browsers is absent.ts: they have only WebCrypto, whose answers come later.
 */
import type { Parts } from "../part.ts";
import { aesGcm } from "./aes.ts";
import { fromSeed, seedOf, signEd25519, verifyStrict } from "./ed25519.ts";
import {
  hkdfSha256,
  hmacSha256,
  hmacSha512,
  sha256,
  sha256Stream,
  sha512,
  sha512Stream,
  shake256,
} from "./hash.ts";
import { argon2id, hasArgon2id } from "./password.ts";
import { agree, fromSecret } from "./x25519.ts";

export { verifyPeerOther } from "./peer.ts";

/** Whether a pool has threads. A browser's would lose what they are sent while their script still fetches the module. */
export const RUNS_THREADS = true;

/** Bun's hashes; other engines have none that are as small, and take libsodium's. */
function bunHashes(): Partial<Parts> {
  return "Bun" in globalThis
    ? { sha256, sha512, sha256Stream, sha512Stream, hmacSha256, hmacSha512, hkdfSha256 }
    : {};
}

export function nativeParts(): Partial<Parts> {
  return {
    ...bunHashes(),
    "ed25519.sign": { fromSeed, sign: signEd25519, seedOf },
    "ed25519.verifyPeer": verifyStrict,
    x25519: { fromSecret, agree },
    shake256,
    aes128Gcm: aesGcm("aes-128-gcm", 16),
    aes256Gcm: aesGcm("aes-256-gcm", 32),
    ...(hasArgon2id ? { argon2id } : {}),
  };
}
