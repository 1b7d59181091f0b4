import { Fault } from "../ground/mod.ts";

/**
 * not-keystore: something else · truncated: cut off · version: newer than this dchat · damaged: its parts don't fit
 * together · passphrase: doesn't open it · needs-passphrase: it is encrypted, and none was given · type: a key for
 * another purpose · pem: not an Ed25519 key in PKCS#8.
 */
export type IdentityCode =
  | "identity/not-keystore"
  | "identity/truncated"
  | "identity/version"
  | "identity/damaged"
  | "identity/passphrase"
  | "identity/needs-passphrase"
  | "identity/type"
  | "identity/pem"
  | "identity/certificate";

/** A Fault of this folder. Messages name what is wrong and never hold key material. */
export function fault(code: IdentityCode, message: string, cause?: unknown): Fault<IdentityCode> {
  return new Fault(code, message, cause === undefined ? undefined : { cause });
}
