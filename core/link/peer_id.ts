/**
 * PeerIds and the keys behind them (libp2p peer-ids spec): a PeerId is the multihash of the key's protobuf,
 * the identity hash where that is at most 42 bytes, else SHA-256.
 */
import { Fault } from "../ground/mod.ts";
import { decodeBase58, encodeBase58 } from "./base58.ts";
import { concat, copyOf } from "./bytes.ts";
import { ProtobufReader, ProtobufWriter } from "./protobuf.ts";

/** Multihash bytes of a PeerId, with its base58btc text. */
export interface PeerId {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export type KeyType = "rsa" | "ed25519" | "secp256k1" | "ecdsa";
/** Positions are the numbers of libp2p's KeyType. */
const KEY_TYPES = ["rsa", "ed25519", "secp256k1", "ecdsa"] as const;

/** A libp2p public key: `data` as its type has it (Ed25519: 32 bytes; RSA, ECDSA: PKIX; secp256k1: compressed point). */
export interface PeerKey {
  readonly type: KeyType;
  readonly data: Uint8Array;
}

const IDENTITY_HASH = 0x00;
const SHA256_HASH = 0x12;
const INLINE_BYTES_MAX = 42;

/** The text is made when it is asked for: most connections never need it. */
class LazyPeerId implements PeerId {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get text(): string {
    return encodeBase58(this.bytes);
  }
}

/** The PeerId with these multihash bytes, which are kept; no check. */
export function peerIdOf(bytes: Uint8Array): PeerId {
  return new LazyPeerId(bytes);
}

/** The PeerId of a 32-byte Ed25519 public key, copied. */
export function peerIdFromPublicKey(key: Uint8Array): PeerId {
  return peerIdOf(peerIdBytes(encodePeerKey({ type: "ed25519", data: key }), noHash));
}

/** The Ed25519 public key (32 bytes, a copy) inside a PeerId, or null where it holds none. */
export function publicKeyOfPeerId(peer: Uint8Array): Uint8Array | null {
  if (peer.length < 2 || peer[0] !== IDENTITY_HASH) return null;
  const key = decodePeerKey(peer.subarray(2));
  return key?.type === "ed25519" ? copyOf(key.data) : null;
}

/** Multihash bytes of the key whose protobuf is `encoded`; `sha256` serves keys that are too long to be held inline. */
export function peerIdBytes(encoded: Uint8Array, sha256: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  if (encoded.length <= INLINE_BYTES_MAX)
    return concat(Uint8Array.of(IDENTITY_HASH, encoded.length), encoded);
  return concat(Uint8Array.of(SHA256_HASH, 32), sha256(encoded));
}

/** Reads a PeerId in base58btc; throws Fault<"link/peer-id">. */
export function parsePeerId(text: string): PeerId {
  const bytes = decodeBase58(text);
  const inline = bytes?.[0] === IDENTITY_HASH && bytes.length <= INLINE_BYTES_MAX + 2;
  const hashed = bytes?.[0] === SHA256_HASH && bytes.length === 34;
  if (bytes === null || !(inline || hashed) || bytes[1] !== bytes.length - 2) {
    throw new Fault("link/peer-id", `A PeerId is base58btc of a multihash, such as 12D3KooW…, got ${text}`);
  }
  return peerIdOf(bytes);
}

/** The protobuf of libp2p's PublicKey message. */
export function encodePeerKey(key: PeerKey): Uint8Array {
  return new ProtobufWriter().varint(1, KEY_TYPES.indexOf(key.type)).bytes(2, key.data).finish();
}

/** Reads a PublicKey message; `data` is a view. Null where it is malformed or of an unknown type. */
export function decodePeerKey(encoded: Uint8Array): PeerKey | null {
  const reader = new ProtobufReader(encoded);
  let type: KeyType | undefined;
  let data: Uint8Array | null = null;
  while (reader.next()) {
    if (reader.field === 1 && reader.bytes === null) type = KEY_TYPES[reader.value];
    if (reader.field === 2) data = reader.bytes;
  }
  if (reader.failed || type === undefined || data === null) return null;
  return type === "ed25519" && data.length !== 32 ? null : { type, data };
}

function noHash(): Uint8Array {
  throw new Fault("link/peer-id", "An Ed25519 public key has 32 bytes");
}
