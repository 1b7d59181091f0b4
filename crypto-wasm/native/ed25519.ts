import { sign, verify } from "node:crypto";
import type { SigningKey } from "../port.ts";
import { HeldKey, importPublic, secretBytes } from "./key.ts";

class NativeSigningKey extends HeldKey implements SigningKey {
  exportSeed(): Uint8Array {
    return seedOf(this);
  }
}

export function seedOf(key: SigningKey): Uint8Array {
  return secretBytes(HeldKey.open("ed25519", key));
}

export function fromSeed(seed: Uint8Array): SigningKey {
  return new NativeSigningKey("ed25519", seed);
}

export function signEd25519(key: SigningKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, HeldKey.open("ed25519", key)));
}

/** BoringSSL's rule, which is stricter than ZIP-215: only where nobody else's decision depends on the answer. */
export function verifyStrict(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const held = importPublic("ed25519", key);
  if (held === null) return false;
  try {
    return verify(null, message, held, signature);
  } catch {
    return false;
  }
}
