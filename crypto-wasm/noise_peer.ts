/**
 * Peer keys of libp2p's types other than Ed25519 (https://github.com/libp2p/specs/blob/master/peer-ids): `Data`
 * of the PublicKey protobuf, and signatures as the specification says for each.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { NoiseCrypto } from "./port.ts";

/** libp2p refuses smaller and larger RSA keys: the first are weak, the second are an attack on the verifier. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;

/** SubjectPublicKeyInfo for a compressed or uncompressed secp256k1 point (SEC 1, OID 1.3.132.0.10). */
const SECP256K1_ALGORITHM = Buffer.from("301006072a8648ce3d020106052b8104000a", "hex");

function spkiOfSecp256k1(point: Uint8Array): Buffer {
  const bits = Buffer.concat([Uint8Array.of(0x03, point.length + 1, 0x00), point]);
  return Buffer.concat([
    Uint8Array.of(0x30, SECP256K1_ALGORITHM.length + bits.length),
    SECP256K1_ALGORITHM,
    bits,
  ]);
}

function importSpki(der: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    return null;
  }
}

function openKey(type: "rsa" | "secp256k1" | "ecdsa", data: Uint8Array): KeyObject | null {
  if (type === "secp256k1") {
    return data.length === 33 || data.length === 65 ? importSpki(spkiOfSecp256k1(data)) : null;
  }
  const key = importSpki(data);
  if (key === null) return null;
  if (type === "ecdsa") return key.asymmetricKeyType === "ec" ? key : null;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return key.asymmetricKeyType === "rsa" && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? key : null;
}

/** All three sign SHA-256 of the message: RSA by PKCS#1 v1.5, the curves by ECDSA in DER. */
export const verifyPeerOther: NoiseCrypto["verifyPeerOther"] = (type, key, message, signature) => {
  const held = openKey(type, key);
  if (held === null) return null;
  try {
    return verify("sha256", message, held, signature);
  } catch {
    return false;
  }
};
