/** What mod.ts is where the engine has no cryptography that answers at once: in browsers. */
import type { Parts } from "../part.ts";

export const RUNS_THREADS = false;

export function nativeParts(): Partial<Parts> {
  return {};
}

/** Of an RSA or ECDSA key, which only WebCrypto verifies with. */
export function verifyPeerOther(): "unsupported" {
  return "unsupported";
}
