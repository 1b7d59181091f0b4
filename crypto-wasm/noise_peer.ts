/**
 * Peer keys of libp2p's types other than Ed25519 (https://github.com/libp2p/specs/blob/master/peer-ids): `Data`
 * of the PublicKey protobuf, and signatures as the specification says for each.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { NoiseCrypto } from "./port.ts";
import { verifySecp256k1 } from "./secp256k1.ts";

/** libp2p refuses smaller and larger RSA keys: the first are weak, the second are an attack on the verifier. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;

function importSpki(der: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    return null;
  }
}

function openKey(type: "rsa" | "ecdsa", data: Uint8Array): KeyObject | null {
  const key = importSpki(data);
  if (key === null) return null;
  if (type === "ecdsa") return key.asymmetricKeyType === "ec" ? key : null;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return key.asymmetricKeyType === "rsa" && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? key : null;
}

/** All three sign SHA-256 of the message: RSA by PKCS#1 v1.5, the curves by ECDSA in DER. */
export const verifyPeerOther: NoiseCrypto["verifyPeerOther"] = (type, key, message, signature) => {
  if (type === "secp256k1") return verifySecp256k1(key, message, signature);
  const held = openKey(type, key);
  if (held === null) return null;
  try {
    return verify("sha256", message, held, signature);
  } catch {
    return false;
  }
};
