import { diffieHellman } from "node:crypto";
import type { AgreementKey } from "../port.ts";
import { HeldKey, importPublic, secretBytes, takenFrom } from "./key.ts";

class NativeAgreementKey extends HeldKey implements AgreementKey {
  exportSecret(): Uint8Array {
    return secretBytes(HeldKey.open("x25519", this));
  }
}

export function fromSecret(secret: Uint8Array): AgreementKey {
  return new NativeAgreementKey("x25519", secret);
}

/** BoringSSL itself refuses the all-zero result (RFC 7748 section 6.1), by throwing. */
export function agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null {
  const privateKey = HeldKey.open("x25519", key);
  const peer = importPublic("x25519", publicKey);
  if (peer === null) return null;
  try {
    return takenFrom(diffieHellman({ privateKey, publicKey: peer }));
  } catch {
    return null;
  }
}
