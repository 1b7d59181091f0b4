/**
 * Peer keys of libp2p's types RSA and ECDSA (https://github.com/libp2p/specs/blob/master/peer-ids): `Data`
 * of the PublicKey protobuf, and signatures as the specification says for each.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";

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

/**
 * js-libp2p writes ECDSA keys and signatures in a way of its own, against the specification, which other libp2ps
 * follow: a key as the tail of an RFC 5915 private key, a signature as r and s bare. For each curve: what stands
 * before the point there, what stands before it in SubjectPublicKeyInfo, the length of a point.
 */
const JS_ECDSA = (
  [
    [
      "3055020101a00a06082a8648ce3d030107a144034200",
      "3059301306072a8648ce3d020106082a8648ce3d030107034200",
      65,
    ],
    ["3072020101a00706052b81040022a164036200", "3076301006072a8648ce3d020106052b81040022036200", 97],
    [
      "308198020101a00706052b81040023a1818903818600",
      "30819b301006072a8648ce3d020106052b8104002303818600",
      133,
    ],
  ] as const
).map(([theirs, spki, point]) => ({
  theirs: Buffer.from(theirs, "hex"),
  spki: Buffer.from(spki, "hex"),
  bytes: theirs.length / 2 + point,
}));

/** SubjectPublicKeyInfo of a key that js-libp2p wrote, or null where it isn't one. */
function spkiOfJsEcdsa(data: Uint8Array): Buffer | null {
  for (const { theirs, spki, bytes } of JS_ECDSA) {
    if (data.length !== bytes || theirs.compare(data, 0, theirs.length) !== 0) continue;
    return Buffer.concat([spki, data.subarray(theirs.length)]);
  }
  return null;
}

interface PeerKey {
  readonly key: KeyObject;
  readonly dsaEncoding: "der" | "ieee-p1363";
}

function openEcdsa(data: Uint8Array): PeerKey | null {
  const js = spkiOfJsEcdsa(data);
  const key = importSpki(js ?? data);
  if (key?.asymmetricKeyType !== "ec") return null;
  return { key, dsaEncoding: js === null ? "der" : "ieee-p1363" };
}

function openRsa(data: Uint8Array): PeerKey | null {
  const key = importSpki(data);
  if (key?.asymmetricKeyType !== "rsa") return null;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? { key, dsaEncoding: "der" } : null;
}

/** Both sign SHA-256 of the message: RSA by PKCS#1 v1.5, the curves by ECDSA. Null where the key is malformed. */
export function verifyPeerOther(
  type: "rsa" | "ecdsa",
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean | null {
  const opened = type === "rsa" ? openRsa(key) : openEcdsa(key);
  if (opened === null) return null;
  try {
    return verify("sha256", message, opened, signature);
  } catch {
    return false;
  }
}
