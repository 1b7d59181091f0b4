/** What mod.ts is where the engine has no cryptography that answers at once: in browsers. */
import { CryptoError } from "../error.ts";
import type { Parts } from "../part.ts";

export const RUNS_THREADS = false;

export function nativeParts(): Partial<Parts> {
  return {};
}

export function verifyPeerOther(type: "rsa" | "ecdsa"): never {
  throw new CryptoError(
    "backend",
    `A browser can't verify with a peer's ${type} key: talk to peers with Ed25519 keys`,
  );
}
