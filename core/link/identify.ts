/** /ipfs/id/1.0.0: each side tells the other what it is, what it speaks and how it sees it. Nothing in it is proven. */
import { limit } from "../ground/mod.ts";
import { concat, copyOf } from "./bytes.ts";
import { ProtobufReader, ProtobufWriter, pushVarint } from "./protobuf.ts";
import { encodePeerKey } from "./peer_id.ts";
import type { LinkStream, LinkStreamHandler } from "./stream.ts";

export const IDENTIFY_PROTOCOL = "/ipfs/id/1.0.0";
const LIST_MAX = 256;
/** Fields of the Identify message. */
const PUBLIC_KEY = 1;
const LISTEN_ADDRESS = 2;
const PROTOCOL = 3;
const OBSERVED_ADDRESS = 4;
const PROTOCOL_VERSION = 5;
const AGENT_VERSION = 6;

/** What an Identify message says. Addresses are multiaddrs in bytes. */
export interface Identified {
  readonly agent: string;
  readonly protocolVersion: string;
  readonly protocols: readonly string[];
  readonly listenAddresses: readonly Uint8Array[];
  /** How the peer sees us; null where it doesn't say. */
  readonly observedAddress: Uint8Array | null;
  /** The peer's PublicKey protobuf; null where it doesn't say. */
  readonly publicKey: Uint8Array | null;
}

/** The part of our Identify message that is the same for all peers; `publicKey` is 32 bytes of Ed25519. */
export function encodeIdentify(own: {
  publicKey: Uint8Array;
  agent: string;
  protocols: readonly string[];
  listenAddresses: readonly Uint8Array[];
}): Uint8Array {
  const writer = new ProtobufWriter()
    .bytes(PUBLIC_KEY, encodePeerKey({ type: "ed25519", data: own.publicKey }))
    .text(PROTOCOL_VERSION, "ipfs/0.1.0")
    .text(AGENT_VERSION, own.agent);
  for (const address of own.listenAddresses) writer.bytes(LISTEN_ADDRESS, address);
  for (const protocol of own.protocols) writer.text(PROTOCOL, protocol);
  return writer.finish();
}

/** Reads an Identify message, copied; null where it is malformed. */
export function decodeIdentify(message: Uint8Array): Identified | null {
  const reader = new ProtobufReader(message);
  const decoder = new TextDecoder();
  const protocols: string[] = [];
  const listenAddresses: Uint8Array[] = [];
  const single = new Map<number, Uint8Array>();
  while (reader.next()) {
    const bytes = reader.bytes;
    if (bytes === null) continue;
    if (reader.field === PROTOCOL) {
      if (protocols.length < LIST_MAX) protocols.push(decoder.decode(bytes));
    } else if (reader.field === LISTEN_ADDRESS) {
      if (listenAddresses.length < LIST_MAX) listenAddresses.push(copyOf(bytes));
    } else if (reader.field <= AGENT_VERSION) single.set(reader.field, bytes);
  }
  if (reader.failed) return null;
  return {
    agent: decoder.decode(single.get(AGENT_VERSION)),
    protocolVersion: decoder.decode(single.get(PROTOCOL_VERSION)),
    protocols,
    listenAddresses,
    observedAddress: copied(single.get(OBSERVED_ADDRESS)),
    publicKey: copied(single.get(PUBLIC_KEY)),
  };
}

function copied(bytes: Uint8Array | undefined): Uint8Array | null {
  return bytes === undefined ? null : copyOf(bytes);
}

/** Answers who asks: the constant part, the address that its connection comes from, and the end. */
export class IdentifyAnswer<Owner> implements LinkStreamHandler<Owner, Uint8Array | undefined> {
  readonly #constant: () => Uint8Array;
  readonly #observed: (owner: Owner) => Uint8Array;

  constructor(constant: () => Uint8Array, observed: (owner: Owner) => Uint8Array) {
    this.#constant = constant;
    this.#observed = observed;
  }

  onOpen(stream: LinkStream<Owner, Uint8Array | undefined>): void {
    const observed = new ProtobufWriter().bytes(OBSERVED_ADDRESS, this.#observed(stream.connection)).finish();
    const constant = this.#constant();
    const length: number[] = [];
    pushVarint(length, constant.length + observed.length);
    stream.context = concat(Uint8Array.from(length), constant, observed);
    this.onDrain(stream);
  }

  onDrain(stream: LinkStream<Owner, Uint8Array | undefined>): void {
    const rest = stream.context;
    if (rest === undefined) return;
    const taken = stream.write(rest);
    stream.context = taken < rest.length ? rest.subarray(taken) : undefined;
    if (taken === rest.length) stream.end();
  }

  onData(stream: LinkStream<Owner, Uint8Array | undefined>, bytes: Uint8Array): void {
    stream.consume(bytes.length);
  }

  onEnd(): void {}
  onClose(): void {}
}

/** One question under way: what has come so far, and who waits. */
export interface IdentifyQuestion {
  held: Uint8Array;
  readonly answered: (identified: Identified | null) => void;
}

/** Asks a peer: `context.answered` hears the message, or null where none came whole, as soon as the peer says no more. */
export class IdentifyAsk<Owner> implements LinkStreamHandler<Owner, IdentifyQuestion> {
  onOpen(stream: LinkStream<Owner, IdentifyQuestion>): void {
    stream.end();
  }

  onData(stream: LinkStream<Owner, IdentifyQuestion>, bytes: Uint8Array): void {
    stream.consume(bytes.length);
    stream.context.held = concat(stream.context.held, bytes);
    if (stream.context.held.length > limit.IDENTIFY_BYTES_MAX) stream.reset();
  }

  onEnd(): void {}

  onClose(stream: LinkStream<Owner, IdentifyQuestion>): void {
    const { held, answered } = stream.context;
    const message = mergedMessage(held);
    answered(message === null ? null : decodeIdentify(message));
  }

  onDrain(): void {}
}

/**
 * The messages in `bytes`, each behind its length, as one, which is how protobuf merges them; null where there is none
 * or the last isn't whole. The specification knows one; go-libp2p sends what is long in parts.
 */
function mergedMessage(bytes: Uint8Array): Uint8Array | null {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const two = first >= 0x80;
    const start = at + (two ? 2 : 1);
    at = start + (two ? (first & 0x7f) | ((bytes[start - 1] ?? 0) << 7) : first);
    if (at > bytes.length) return null;
    parts.push(bytes.subarray(start, at));
  }
  return parts.length === 0 ? null : concat(...parts);
}
