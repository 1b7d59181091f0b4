/**
 * One libp2p connection as a state machine, in both roles: bytes in, bytes and events out. It has no socket,
 * timer or clock: the caller passes bytes and the time, and asks for output and the next deadline.
 *
 * multistream-select agrees on Noise; Noise XX proves both sides and may agree on yamux early, else
 * multistream-select does so inside Noise; then yamux carries streams, each of which agrees on a protocol.
 * It does not protect the initiator's PeerId from a responder, nor lengths and times from the network.
 */
import { limit } from "../ground/mod.ts";
import { NO_BYTES, equalBytes, readU16, writeU16 } from "./bytes.ts";
import { type LinkLimits, Muxer, type MuxerHost } from "./muxer.ts";
import { Negotiation, encodeProposal } from "./multistream.ts";
import { NoiseHandshake, type NoiseIdentity } from "./noise_handshake.ts";
import { YAMUX } from "./noise_payload.ts";
import { LENGTH_BYTES, NoiseTransport } from "./noise_transport.ts";
import { ByteQueue } from "./byte_queue.ts";
import { PartialFrame } from "./partial_frame.ts";
import type { BufferPool } from "./pool.ts";
import { ALL } from "./portion.ts";
import { type LinkStream, type LinkStreamHandler, type ProtocolTable, noStream } from "./stream.ts";
import { GO_AWAY } from "./yamux.ts";

const NOISE = "/noise";

/** What links tell their driver; one object for all of them. */
export interface LinkEvents<Owner> {
  /** The handshake is done: `link.peerBytes` is proven and streams can be opened. */
  opened(link: Link<Owner>): void;
  /** Nothing more comes in. What is queued should still go out, then the transport ends. Once. */
  closed(link: Link<Owner>, reason: string): void;
  /** Something waits to be pulled. May come many times before a pull. */
  output(link: Link<Owner>): void;
  limited(link: Link<Owner>, name: string): void;
  error(error: unknown): void;
}

/** What many links share. */
export interface LinkProfile<Owner> {
  readonly role: "listener" | "dialler";
  readonly noise: NoiseIdentity;
  readonly pool: BufferPool;
  /** As they stand now. */
  readonly limits: () => LinkLimits;
  /** Whether there is memory for streams that peers open. */
  readonly hasMemory: () => boolean;
  readonly events: LinkEvents<Owner>;
  /** Who serves a protocol that the peer asks for, or null; see withBuiltins(). */
  readonly protocols: ProtocolTable<Owner>;
  /** Multihash bytes of the only peer that a dialler accepts, or null. */
  readonly expectedPeer: Uint8Array | null;
}

type Phase = "security" | "handshake" | "muxer" | "open" | "closed";

export class Link<Owner> implements MuxerHost<Owner> {
  readonly profile: LinkProfile<Owner>;
  readonly owner: Owner;
  readonly queue: ByteQueue;
  /** The time of the last call that brought it. */
  now: number;
  /** Multihash bytes of the peer's PeerId; empty until it is proven. */
  peerBytes: Uint8Array = NO_BYTES;
  #phase: Phase = "security";
  #negotiation: Negotiation | null;
  #handshake: NoiseHandshake | null = null;
  #transport: NoiseTransport | null = null;
  #muxer: Muxer<Owner> | null = null;
  /** Bytes at the queue's head that go out as they are, before anything sealed. */
  #raw = 0;
  #held: PartialFrame | null = null;
  #started: number;
  #heard: number;
  /** When our keepalive ping went out; 0 when none is under way. */
  #pinged = 0;

  /** `owner` is the driver's; a dialler's first flight waits to be pulled at once. */
  constructor(profile: LinkProfile<Owner>, owner: Owner, now: number) {
    const dialler = profile.role === "dialler";
    this.profile = profile;
    this.owner = owner;
    this.queue = new ByteQueue(profile.pool);
    this.now = now;
    this.#started = now;
    this.#heard = now;
    this.#negotiation = new Negotiation(dialler ? NOISE : null);
    if (!dialler) return;
    this.answer(encodeProposal(NOISE));
    this.#handshake = new NoiseHandshake(profile.noise);
    // Pipelined: a listener that speaks Noise answers both at once.
    this.#sendHandshake(this.#handshake.writeFirst());
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Nothing more comes in; it is over when the queue is empty too. */
  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  get streams(): number {
    return this.#muxer?.streams ?? 0;
  }

  /** Whether so much output waits that receive() takes nothing: more than writers alone can bring. */
  get isFull(): boolean {
    return this.queue.length > this.limits.outputBytesMax * limit.LINK_FULL_MARKS;
  }

  /** Whether somebody waits for output to leave: a writer here, or the peer. */
  get isHeldUp(): boolean {
    return this.isFull || this.#muxer?.isHeldUp === true;
  }

  /** Whether the peer was asked if it lives, and hasn't said anything since. */
  get isAsked(): boolean {
    return this.#pinged > 0;
  }

  /** When tick() wants to be called next, in the time that the caller passes in. */
  get deadline(): number {
    const limits = this.profile.limits();
    if (this.#phase === "closed") return Infinity;
    if (this.#phase !== "open") return this.#started + limits.handshakeTimeoutMs;
    if (this.#pinged > 0) return this.#pinged + limits.keepaliveTimeoutMs;
    return this.#heard + limits.keepaliveIntervalMs;
  }

  /**
   * Takes bytes from the transport, borrowed until it returns, and says how many it took: fewer than all only
   * where isFull, and then the caller keeps the rest until more was pulled, or where there are more than `most`.
   */
  receive(bytes: Uint8Array, now: number, most = ALL): number {
    this.now = now;
    const end = Math.min(bytes.length, most.bytes);
    let at = 0;
    for (let frames = 0; at < end && frames < most.frames && !this.isClosed && !this.isFull; frames++) {
      if (this.#phase === "security") at = this.#security(bytes, at);
      else at = this.#frame(bytes, at);
    }
    if (this.isClosed) return bytes.length;
    if (at < bytes.length && this.isFull) this.limited("LINK_OUTPUT_MARK_BYTES");
    return at;
  }

  /** Fills `into` with output and returns how much; 0 when nothing waits. `into` holds at least 1 KiB. */
  pull(into: Uint8Array): number {
    let length = 0;
    if (this.#raw > 0) {
      length = Math.min(this.#raw, into.length);
      into.set(this.queue.peek(length));
      this.queue.skip(length);
      this.#raw -= length;
    }
    if (this.#raw === 0 && this.#transport !== null) {
      length += this.#transport.seal(this.queue, into, length);
    }
    this.#muxer?.drained();
    return length;
  }

  /** Does what is due at `now`: times out, or asks a silent peer whether it lives. */
  tick(now: number): void {
    this.now = now;
    if (now < this.deadline) return;
    if (this.#phase !== "open") return this.#close("handshake timed out");
    if (this.#pinged > 0) return this.close("peer did not answer");
    this.#pinged = now;
    this.#muxer?.ping(0);
  }

  /** Opens a stream; throws Fault<"link/closed"> where none can be had. */
  open<T>(protocol: string, handler: LinkStreamHandler<Owner, T>, context: T): LinkStream<Owner, T> {
    if (this.#muxer === null || !this.isOpen) throw noStream("the connection is not open");
    return this.#muxer.open(protocol, handler, context);
  }

  /** Asks the peer to go: no new streams; closed when the last one has ended. */
  goAway(): void {
    this.#muxer?.goAway();
    this.rested();
  }

  /** Ends all streams, says GoAway and closes; what is queued can still be pulled. */
  close(reason: string): void {
    this.#muxer?.goAway();
    this.#close(reason);
  }

  /** The transport is gone, or has to go: nothing more goes out. */
  abort(reason: string): void {
    this.#close(reason);
    this.dispose();
  }

  /** Wipes the ciphers and gives buffers back; after the last pull. */
  dispose(): void {
    this.queue.clear();
    this.#raw = 0;
    this.#transport?.dispose();
    this.#transport = null;
  }

  /** For the muxer, as what follows: what is in force, and what the driver should hear. */
  get limits(): LinkLimits {
    return this.profile.limits();
  }

  get hasMemory(): boolean {
    return this.profile.hasMemory();
  }

  wrote(): void {
    this.profile.events.output(this);
  }

  limited(name: string): void {
    this.profile.events.limited(this, name);
  }

  failed(error: unknown): void {
    this.profile.events.error(error);
  }

  /** For the muxer: the peer broke the protocol. */
  violated(reason: string): void {
    this.#muxer?.goAway(GO_AWAY.protocolError);
    this.#close(reason);
  }

  /** For the muxer: no streams are left; a connection that is going away may end. */
  rested(): void {
    const muxer = this.#muxer;
    if (muxer === null || !this.isOpen || muxer.streams > 0) return;
    if (muxer.peerLeaving) this.#close("peer went away");
    else if (muxer.leaving) this.#close("went away");
  }

  /** For the muxer: who serves `protocol`. */
  handlerOf(protocol: string): LinkStreamHandler<Owner> | null {
    return this.profile.protocols(protocol);
  }

  /** For the negotiation of security and muxer. */
  serves(protocol: string): boolean {
    return protocol === (this.#phase === "security" ? NOISE : YAMUX);
  }

  /** For the negotiation: sends a line. */
  answer(line: Uint8Array): void {
    this.queue.append(line);
    if (this.#transport === null) this.#raw += line.length;
    this.profile.events.output(this);
  }

  #security(bytes: Uint8Array, at: number): number {
    const negotiation = this.#negotiation;
    if (negotiation === null) return bytes.length;
    const next = negotiation.receive(bytes, at, bytes.length, this);
    if (!negotiation.over) return next;
    this.#negotiation = null;
    if (negotiation.state !== "agreed") this.#close("no common security protocol");
    else {
      this.#phase = "handshake";
      this.#handshake ??= new NoiseHandshake(this.profile.noise);
    }
    return next;
  }

  /** Deals with one length-prefixed frame, or keeps what there is of it. */
  #frame(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (this.#held === null && available >= LENGTH_BYTES) {
      const length = readU16(bytes, at);
      const end = at + LENGTH_BYTES + length;
      if (!this.#legalLength(length)) return bytes.length;
      if (end <= bytes.length) {
        this.#whole(bytes.subarray(at + LENGTH_BYTES, end));
        return end;
      }
    }
    return this.#hold(bytes, at);
  }

  #hold(bytes: Uint8Array, at: number): number {
    const held = (this.#held ??= new PartialFrame(this.profile.pool));
    const stop = held.take(bytes, at);
    if (!this.#legalLength(held.announced)) return bytes.length;
    const body = held.body;
    if (body === null) return stop;
    this.#held = null;
    this.#whole(body);
    held.release();
    return stop;
  }

  #legalLength(length: number): boolean {
    if (this.#phase !== "handshake" || length <= limit.NOISE_HANDSHAKE_BYTES_MAX) return true;
    this.limited("NOISE_HANDSHAKE_BYTES_MAX");
    this.#close("handshake message too long");
    return false;
  }

  #whole(frame: Uint8Array): void {
    if (this.#phase === "handshake") return this.#handshakeMessage(frame);
    const transport = this.#transport;
    if (transport === null) return;
    const pool = this.profile.pool;
    const plaintext = pool.take(frame.length);
    const length = transport.open(frame, plaintext);
    if (length < 0) this.#close("noise: a frame is not authentic");
    else {
      this.#heard = this.now;
      this.#pinged = 0;
      this.#plaintext(plaintext, length);
    }
    pool.give(plaintext);
  }

  #plaintext(bytes: Uint8Array, length: number): void {
    let at = 0;
    const negotiation = this.#negotiation;
    if (negotiation !== null) {
      at = negotiation.receive(bytes, 0, length, this);
      if (!negotiation.over) return;
      this.#negotiation = null;
      if (negotiation.state !== "agreed") return this.#close("no common muxer");
      this.#open();
    }
    this.#muxer?.receive(bytes, at, length);
  }

  #handshakeMessage(message: Uint8Array): void {
    const handshake = this.#handshake;
    if (handshake === null) return;
    if (this.profile.role === "dialler") {
      if (!handshake.readSecond(message)) return this.#close(handshake.refusalOf("second"));
      const third = this.#expected(handshake) ? handshake.writeThird() : null;
      if (third !== null) this.#sendHandshake(third);
      return third === null ? this.#close("noise: another peer answered") : this.#secured(handshake);
    }
    if (handshake.awaitsFirst) {
      const second = handshake.readFirst(message) ? handshake.writeSecond() : null;
      if (second === null) return this.#close("noise: first message does not hold");
      return this.#sendHandshake(second);
    }
    if (!handshake.readThird(message)) return this.#close(handshake.refusalOf("third"));
    return this.#secured(handshake);
  }

  #expected(handshake: NoiseHandshake): boolean {
    const expected = this.profile.expectedPeer;
    return expected === null || (handshake.peer !== null && equalBytes(handshake.peer.id, expected));
  }

  #sendHandshake(message: Uint8Array): void {
    const length = new Uint8Array(LENGTH_BYTES);
    writeU16(length, 0, message.length);
    this.answer(length);
    this.answer(message);
  }

  #secured(handshake: NoiseHandshake): void {
    const dialler = this.profile.role === "dialler";
    this.peerBytes = handshake.peer?.id ?? NO_BYTES;
    this.#transport = new NoiseTransport(handshake.split(dialler));
    this.#handshake = null;
    if (this.profile.noise.earlyMuxer && handshake.peer?.earlyYamux === true) return this.#open();
    this.#phase = "muxer";
    this.#negotiation = new Negotiation(dialler ? YAMUX : null);
    if (dialler) this.answer(encodeProposal(YAMUX));
  }

  #open(): void {
    this.#phase = "open";
    this.#heard = this.now;
    this.#muxer = new Muxer(this, { dialler: this.profile.role === "dialler", now: this.now });
    this.profile.events.opened(this);
  }

  #close(reason: string): void {
    if (this.isClosed) return;
    this.#phase = "closed";
    this.#handshake?.dispose();
    this.#handshake = null;
    this.#negotiation = null;
    this.#held?.release();
    this.#held = null;
    this.#muxer?.closeAll(reason);
    this.profile.events.closed(this, reason);
  }
}
