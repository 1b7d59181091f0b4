import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { CryptoError } from "../error.ts";

/** The DER that stands before a raw key in PKCS#8 and SubjectPublicKeyInfo (RFC 8410 sections 4 and 7). */
const PKCS8_HEAD = "302e020100300506032b65__04220420";
const SPKI_HEAD = "302a300506032b65__032100";
const OID_TAIL = { x25519: "6e", ed25519: "70" } as const;
type Curve = keyof typeof OID_TAIL;

function head(template: string, curve: Curve): Buffer {
  return Buffer.from(template.replace("__", OID_TAIL[curve]), "hex");
}

const PRIVATE_HEAD = { x25519: head(PKCS8_HEAD, "x25519"), ed25519: head(PKCS8_HEAD, "ed25519") };
const PUBLIC_HEAD = { x25519: head(SPKI_HEAD, "x25519"), ed25519: head(SPKI_HEAD, "ed25519") };

/** A KeyObject of 32 secret bytes, which are copied; the copy in JavaScript is wiped. */
function importPrivate(curve: Curve, secret: Uint8Array): KeyObject {
  const der = Buffer.concat([PRIVATE_HEAD[curve], secret]);
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

/** A KeyObject of 32 public bytes, or null where the engine refuses them. */
export function importPublic(curve: Curve, raw: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.concat([PUBLIC_HEAD[curve], raw]), format: "der", type: "spki" });
  } catch {
    return null;
  }
}

/** The 32 public bytes that belong to a private KeyObject. */
function publicBytes(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(12));
}

/** The 32 secret bytes of a private KeyObject, a copy that the caller wipes. */
export function secretBytes(key: KeyObject): Uint8Array {
  const der = key.export({ format: "der", type: "pkcs8" });
  const secret = new Uint8Array(der.subarray(16));
  der.fill(0);
  return secret;
}

/** The bytes of one of the engine's buffers, which is wiped. */
export function takenFrom(buffer: Buffer): Uint8Array {
  const bytes = new Uint8Array(buffer);
  buffer.fill(0);
  return bytes;
}

/**
 * A secret key held as a KeyObject. Dispose drops it; the engine's library wipes it when the collector frees the
 * KeyObject, which is later than dispose and is the one thing that this backend can't do at once.
 */
export class HeldKey implements Disposable {
  readonly publicKey: Uint8Array;
  readonly #curve: Curve;
  #secret: KeyObject | null;

  constructor(curve: Curve, secret: Uint8Array) {
    const key = importPrivate(curve, secret);
    this.#curve = curve;
    this.#secret = key;
    this.publicKey = publicBytes(key);
  }

  /** The KeyObject; throws CryptoError where `key` was disposed, is for the other curve or another backend's. */
  static open(curve: Curve, key: object): KeyObject {
    if (typeof key !== "object" || key === null || !(#secret in key) || key.#curve !== curve) {
      const kind = curve === "ed25519" ? "a signing key" : "an agreement key";
      throw new CryptoError("argument", `key must be ${kind} of this Crypto`);
    }
    if (key.#secret === null) throw new CryptoError("disposed", "key was disposed");
    return key.#secret;
  }

  [Symbol.dispose](): void {
    this.#secret = null;
  }
}
