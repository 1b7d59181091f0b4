/**
 * What libp2p puts into Noise's handshake messages (libp2p noise spec): the identity key, its signature over the
 * Noise static key, and the muxers that its side speaks. It proves who holds the identity key; it does not hide
 * the initiator's identity from a responder who is an impostor.
 */
import type { NoiseCrypto, SigningKey, Crypto } from "@dchat/crypto-wasm";
import { concat } from "./bytes.ts";
import { decodePeerKey, encodePeerKey, type PeerKey, peerIdBytes } from "./peer_id.ts";
import { ProtobufReader, ProtobufWriter } from "./protobuf.ts";

export const YAMUX = "/yamux/1.0.0";
const SIGNATURE_PREFIX = new TextEncoder().encode("noise-libp2p-static-key:");
const MUXERS_MAX = 16;

/** NoiseHandshakePayload and NoiseExtensions, by the numbers of their fields. */
const IDENTITY_KEY = 1;
const IDENTITY_SIGNATURE = 2;
const EXTENSIONS = 4;
const STREAM_MUXERS = 2;

/** Whom a handshake has proven, and what the peer offers. */
export interface NoisePeer {
  /** Multihash bytes of the PeerId. */
  readonly id: Uint8Array;
  /** Whether the peer names yamux in its early muxer list. */
  readonly earlyYamux: boolean;
}

/** The payload of one side: it never changes while the static key doesn't, so it is signed once. */
export function signPayload(
  crypto: Pick<Crypto, "ed25519">,
  identity: SigningKey,
  options: { staticKey: Uint8Array; earlyMuxer: boolean },
): Uint8Array {
  const signature = crypto.ed25519.sign(identity, concat(SIGNATURE_PREFIX, options.staticKey));
  const payload = new ProtobufWriter()
    .bytes(IDENTITY_KEY, encodePeerKey({ type: "ed25519", data: identity.publicKey }))
    .bytes(IDENTITY_SIGNATURE, signature);
  if (options.earlyMuxer) {
    payload.bytes(EXTENSIONS, new ProtobufWriter().text(STREAM_MUXERS, YAMUX).finish());
  }
  return payload.finish();
}

/**
 * Reads and verifies a peer's payload, borrowed; null where it is malformed or its signature doesn't hold, and
 * "unsupported" where the engine can't verify with its key.
 */
export function openPayload(
  crypto: NoiseCrypto,
  payload: Uint8Array,
  staticKey: Uint8Array,
): NoisePeer | "unsupported" | null {
  const reader = new ProtobufReader(payload);
  let encodedKey: Uint8Array | null = null;
  let signature: Uint8Array | null = null;
  let earlyYamux = false;
  while (reader.next()) {
    if (reader.bytes === null) continue;
    if (reader.field === IDENTITY_KEY) encodedKey = reader.bytes;
    else if (reader.field === IDENTITY_SIGNATURE) signature = reader.bytes;
    else if (reader.field === EXTENSIONS) earlyYamux = offersYamux(reader.bytes);
  }
  if (reader.failed || encodedKey === null || signature === null) return null;
  const key = decodePeerKey(encodedKey);
  if (key === null) return null;
  const verified = verify(crypto, key, signature, concat(SIGNATURE_PREFIX, staticKey));
  if (verified !== true) return verified === "unsupported" ? verified : null;
  // The id is made of the key's canonical encoding, so that one key has one PeerId.
  const id = peerIdBytes(encodePeerKey(key), (bytes) => crypto.sha256(bytes));
  return { id, earlyYamux };
}

function verify(
  crypto: NoiseCrypto,
  key: PeerKey,
  signature: Uint8Array,
  message: Uint8Array,
): ReturnType<NoiseCrypto["verifyPeerOther"]> {
  if (key.type !== "ed25519") return crypto.verifyPeerOther(key.type, key.data, message, signature);
  return signature.length === 64 && crypto.verifyPeer(key.data, message, signature);
}

function offersYamux(extensions: Uint8Array): boolean {
  const reader = new ProtobufReader(extensions);
  let left = MUXERS_MAX;
  while (left > 0 && reader.next()) {
    if (reader.field !== STREAM_MUXERS || reader.bytes === null) continue;
    left--;
    if (reader.bytes.length === YAMUX.length && new TextDecoder().decode(reader.bytes) === YAMUX) return true;
  }
  return false;
}
