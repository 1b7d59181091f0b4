import { createHash, hkdfSync } from "node:crypto";
import { hkdfByHmac } from "../hkdf.ts";
import { takenFrom } from "./key.ts";
import type { Hash, HashStream } from "../port.ts";

/** node:crypto refuses a longer `info` and a length of 0, although RFC 5869 allows both. */
const HKDF_INFO_BYTES_MAX = 1024;

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0];
  const out = new Uint8Array(32);
  if (parts.length === 1 && first !== undefined) {
    Bun.SHA256.hash(first, out);
    return out;
  }
  const hash = new Bun.SHA256();
  for (const part of parts) hash.update(part);
  hash.digest(out);
  return out;
}

export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(64);
  const hash = new Bun.SHA512();
  for (const part of parts) hash.update(part);
  hash.digest(out);
  return out;
}

export function sha256Stream(): HashStream {
  return streamOf(new Bun.SHA256(), 32);
}

export function sha512Stream(): HashStream {
  return streamOf(new Bun.SHA512(), 64);
}

function streamOf(hash: Bun.SHA256 | Bun.SHA512, length: number): HashStream {
  return {
    update(data) {
      hash.update(data);
    },
    digest() {
      const out = new Uint8Array(length);
      hash.digest(out);
      return out;
    },
  };
}

function hmac(algorithm: "sha256" | "sha512", key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const mac = new Bun.CryptoHasher(algorithm, key);
  for (const part of parts) mac.update(part);
  return takenFrom(mac.digest());
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha256", key, parts);
}

export function hmacSha512(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac("sha512", key, parts);
}

export const hkdfSha256: Hash["hkdfSha256"] = (options) => {
  if (options.info.length > HKDF_INFO_BYTES_MAX || options.length === 0)
    return hkdfByHmac(hmacSha256, options);
  return new Uint8Array(hkdfSync("sha256", options.ikm, options.salt, options.info, options.length));
};

export function shake256(data: Uint8Array, length: number): Uint8Array {
  return takenFrom(createHash("shake256", { outputLength: length }).update(data).digest());
}
