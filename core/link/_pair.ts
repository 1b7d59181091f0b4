/** For tests: two links back to back, their bytes chopped as a test likes, and what happened written down. */
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import { limit } from "../ground/mod.ts";
import { withBuiltins } from "./builtin.ts";
import { NO_BYTES } from "./bytes.ts";
import { IdentifyAnswer, encodeIdentify } from "./identify.ts";
import { Link, type LinkProfile } from "./link.ts";
import type { LinkLimits } from "./muxer.ts";
import { type NoiseIdentity } from "./noise_handshake.ts";
import { signPayload } from "./noise_payload.ts";
import { BufferPool } from "./pool.ts";
import { peerIdFromPublicKey } from "./peer_id.ts";
import type { LinkStream, LinkStreamHandler } from "./stream.ts";

export const crypto: Crypto = await openCrypto({ needs: [] });

export const LIMITS: LinkLimits = {
  streamsMax: 64,
  streamWindowBytes: limit.STREAM_WINDOW_BYTES_DEFAULT,
  streamFrameBytesMax: limit.STREAM_FRAME_BYTES_MAX_DEFAULT,
  streamOpensPerSecond: limit.STREAM_OPENS_PER_SECOND_DEFAULT,
  outputBytesMax: limit.LINK_OUTPUT_MARK_BYTES,
  handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
  keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
  keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
};

/** What one side has seen. */
export class Side {
  readonly link: Link<Side>;
  readonly identity = crypto.ed25519.generate();
  readonly peer = peerIdFromPublicKey(this.identity.publicKey);
  readonly errors: unknown[] = [];
  readonly limited: string[] = [];
  opened = 0;
  closed: string | null = null;

  constructor(role: "listener" | "dialler", options: PairOptions, expected: Uint8Array | null) {
    const earlyMuxer = (role === "listener" ? options.listenerEarly : options.diallerEarly) ?? true;
    this.link = new Link(this.#profile(role, { ...options, earlyMuxer, expected }), this, options.now ?? 0);
  }

  #profile(
    role: "listener" | "dialler",
    options: PairOptions & { earlyMuxer: boolean; expected: Uint8Array | null },
  ): LinkProfile<Side> {
    const staticKey = crypto.x25519.generate();
    const { earlyMuxer } = options;
    const limits = { ...LIMITS, ...options.limits };
    const payload = signPayload(crypto, this.identity, { staticKey: staticKey.publicKey, earlyMuxer });
    const noise: NoiseIdentity = { crypto: crypto.noise, staticKey, payload, earlyMuxer };
    const identified = encodeIdentify({
      publicKey: this.identity.publicKey,
      agent: `dchat-test-${role}`,
      protocols: ["/test/1"],
      listenAddresses: [],
    });
    const identify = new IdentifyAnswer<Side>(
      () => identified,
      () => Uint8Array.of(4, 127, 0, 0, 1, 6, 0, 80),
    );
    return {
      role,
      noise,
      pool: new BufferPool(),
      limits: () => limits,
      hasMemory: options.hasMemory ?? (() => true),
      expectedPeer: options.expected,
      protocols: withBuiltins(identify, options.protocols ?? (() => null)),
      events: {
        opened: () => void this.opened++,
        closed: (_link, reason) => (this.closed = reason),
        output: () => {},
        limited: (_link, name) => this.limited.push(name),
        error: (error) => this.errors.push(error),
      },
    };
  }
}

export interface PairOptions {
  readonly listenerEarly?: boolean;
  readonly diallerEarly?: boolean;
  readonly protocols?: (protocol: string) => LinkStreamHandler<Side> | null;
  readonly limits?: Partial<LinkLimits>;
  readonly hasMemory?: () => boolean;
  readonly now?: number;
  /** Whom the dialler expects: the listener, where it is left out. */
  readonly expected?: Uint8Array | null;
}

/** Two links that know nothing of each other yet. */
export class Pair {
  readonly listener: Side;
  readonly dialler: Side;
  now: number;
  /** Bytes that passed, from dialler to listener and back. */
  readonly up: Uint8Array[] = [];
  readonly down: Uint8Array[] = [];

  constructor(options: PairOptions = {}) {
    this.now = options.now ?? 0;
    this.listener = new Side("listener", options, null);
    const expected = options.expected === undefined ? this.listener.peer.bytes : options.expected;
    this.dialler = new Side("dialler", options, expected);
  }

  /** Passes bytes until both rest, each flight cut by `chop`; false where it takes too many rounds. */
  run(chop: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes]): this {
    for (let round = 0; round < 100_000; round++) {
      const sent =
        this.#pass(this.dialler, this.listener, chop) + this.#pass(this.listener, this.dialler, chop);
      if (sent === 0) return this;
    }
    throw new Error("the pair never rests");
  }

  #pass(from: Side, to: Side, chop: (bytes: Uint8Array) => readonly Uint8Array[]): number {
    const out = pullAll(from.link);
    (from === this.dialler ? this.up : this.down).push(out);
    for (const piece of chop(out)) deliver(to.link, piece, this.now);
    return out.length;
  }
}

/** All that a link has to send, in one array. */
export function pullAll(link: Link<Side>): Uint8Array {
  const into = new Uint8Array(70_000);
  const parts: Uint8Array[] = [];
  for (let length = link.pull(into); length > 0; length = link.pull(into)) parts.push(into.slice(0, length));
  return new Uint8Array(Buffer.concat(parts));
}

/** Gives bytes to a link as a transport does; throws where it takes fewer, unless it is `mayStop`. */
export function deliver(link: Link<Side>, bytes: Uint8Array, now: number, mayStop = false): number {
  // A copy that is spoiled afterwards: whoever kept a borrowed view would see it.
  const lent = new Uint8Array(bytes);
  const taken = link.receive(lent, now);
  lent.fill(0xee);
  if (taken < bytes.length && !mayStop) throw new Error(`the link took ${taken} of ${bytes.length} bytes`);
  return taken;
}

/** An open pair. */
export function openPair(options: PairOptions = {}): Pair {
  return new Pair(options).run();
}

/** Writes down what happens on its streams; consumes at once unless told otherwise. */
export class Recorder implements LinkStreamHandler<Side> {
  readonly streams: LinkStream<Side>[] = [];
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  consuming = true;
  onDrainDo: ((stream: LinkStream<Side>) => void) | null = null;

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onOpen(stream: LinkStream<Side>): void {
    this.streams.push(stream);
    this.events.push("open");
  }

  onData(stream: LinkStream<Side>, bytes: Uint8Array): void {
    this.chunks.push(bytes.slice());
    if (this.consuming) stream.consume(bytes.length);
    if (this.events.at(-1) !== "data") this.events.push("data");
  }

  onEnd(): void {
    this.events.push("end");
  }

  onClose(_stream: LinkStream<Side>, reason: string): void {
    this.events.push(`close: ${reason}`);
  }

  onDrain(stream: LinkStream<Side>): void {
    this.onDrainDo?.(stream);
  }
}

/** Bytes that tell where they stand. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = at * 31 + (at >> 8) * 7 + seed;
  return bytes;
}

/** A yamux frame as a hostile peer may make it. */
export function frame(
  type: number,
  flags: number,
  id: number,
  length: number,
  body: Uint8Array = NO_BYTES,
): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, id);
  view.setUint32(8, length);
  bytes.set(body, 12);
  return bytes;
}

/** Sends plaintext of any kind from `from` to `to`, sealed as if `from`'s muxer had made it. */
export function inject(pair: Pair, from: Side, plaintext: Uint8Array): void {
  const to = from === pair.dialler ? pair.listener : pair.dialler;
  pullAll(from.link);
  from.link.queue.append(plaintext);
  const sealed = pullAll(from.link);
  deliver(to.link, sealed, pair.now, true);
}

/** mulberry32: the same bytes for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
