/** One libp2p connection without I/O, in both roles, and the names that libp2p gives to peers and addresses. */
export { BUILTIN_PROTOCOLS, PING_PROTOCOL, withBuiltins } from "./builtin.ts";
export {
  IDENTIFY_PROTOCOL,
  IdentifyAnswer,
  IdentifyAsk,
  type IdentifyQuestion,
  type Identified,
  decodeIdentify,
  encodeIdentify,
} from "./identify.ts";
export { Link, type LinkEvents, type LinkProfile } from "./link.ts";
export type { LinkLimits } from "./muxer.ts";
export {
  type Address,
  type Host,
  decodeMultiaddr,
  encodeMultiaddr,
  formatAddress,
  observedAddress,
  parseAddress,
  parseListenAddress,
} from "./multiaddr.ts";
export { parseIp4, parseIp6 } from "./ip.ts";
export type { NoiseIdentity } from "./noise_handshake.ts";
export { ByteQueue } from "./byte_queue.ts";
export { signPayload } from "./noise_payload.ts";
export { type PeerId, parsePeerId, peerIdFromPublicKey, peerIdOf, publicKeyOfPeerId } from "./peer_id.ts";
export { BufferPool } from "./pool.ts";
export { ALL, type Portion } from "./portion.ts";
export type { LinkStream, LinkStreamHandler, ProtocolTable } from "./stream.ts";
