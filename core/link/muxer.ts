/**
 * A yamux session: streams over one secured connection. Frames are parsed as they stream by; no object is made
 * for one. What comes in is bounded by each stream's window, by the number of streams and by how fast a peer
 * may open them; what goes out by the output mark.
 */
import { limit } from "../ground/mod.ts";
import { readU16, readU32 } from "./bytes.ts";
import type { ByteQueue } from "./byte_queue.ts";
import { LinkStream, type LinkStreamHandler, noStream } from "./stream.ts";
import { FLAG, GO_AWAY, HEADER_BYTES, SENT_DATA_BYTES_MAX, SENT_FRAME_BYTES_MAX, TYPE } from "./yamux.ts";

/** Limits that may change while links live; one object for all of them. */
export interface LinkLimits {
  readonly streamsMax: number;
  /** At least yamux's own; the same for as long as a link lives. */
  readonly streamWindowBytes: number;
  /** Of data that a peer sends in one yamux frame. */
  readonly streamFrameBytesMax: number;
  readonly streamOpensPerSecond: number;
  /** Output that may wait: then a link's streams take no writes until half has gone, and above it soon no input. */
  readonly outputBytesMax: number;
  readonly handshakeTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** What a session needs of the connection that it runs on. */
export interface MuxerHost<Owner> {
  readonly owner: Owner;
  /** Where frames go. */
  readonly queue: ByteQueue;
  /** Whether frames are still taken and sent. */
  readonly isOpen: boolean;
  /** The time of the last call that brought it. */
  readonly now: number;
  readonly limits: LinkLimits;
  /** Whether there is memory for a stream that the peer opens. */
  readonly hasMemory: boolean;
  /** Something was put into the queue. */
  wrote(): void;
  limited(name: string): void;
  /** A handler threw. */
  failed(error: unknown): void;
  /** The peer broke the protocol, or said that it failed: the connection is over. */
  violated(reason: string): void;
  /** No streams are left, or none may come. */
  rested(): void;
  handlerOf(protocol: string): LinkStreamHandler<Owner> | null;
}

export class Muxer<Owner> {
  /** The peer said GoAway: it takes no new streams. */
  peerLeaving = false;
  /** We said GoAway: streams that the peer still opens are refused. */
  leaving = false;
  readonly #link: MuxerHost<Owner>;
  /** Null while there is none: most connections rest. */
  #streams: Map<number, LinkStream<Owner>> | null = null;
  #nextId: number;
  /** A data frame's bytes that are still to come, whose they are (null: to be skipped) and its flags. */
  #bodyLeft = 0;
  #bodyStream: LinkStream<Owner> | null = null;
  #bodyFlags = 0;
  /** A header that came in pieces. */
  #held: Uint8Array | null = null;
  #heldLength = 0;
  /** Streams that the peer may open now; as many as a burst allows before the first. */
  #opens = Infinity;
  #opensAt: number;
  /** Streams whose writers wait, in the order of their turns; null while none ever did. */
  #waiting: Set<LinkStream<Owner>> | null = null;

  constructor(link: MuxerHost<Owner>, options: { dialler: boolean; now: number }) {
    this.#link = link;
    this.#nextId = options.dialler ? 1 : 2;
    this.#opensAt = options.now;
  }

  get owner(): Owner {
    return this.#link.owner;
  }

  get streams(): number {
    return this.#streams?.size ?? 0;
  }

  /** Bytes of data that fit below the output mark, with the headers of the frames that they are cut into. */
  get room(): number {
    const bytes = Math.max(0, this.#link.limits.outputBytesMax - this.#link.queue.length);
    const rest = Math.max(0, (bytes % SENT_FRAME_BYTES_MAX) - HEADER_BYTES);
    return Math.floor(bytes / SENT_FRAME_BYTES_MAX) * SENT_DATA_BYTES_MAX + rest;
  }

  /** What a stream's other end may have under way. */
  get windowBytes(): number {
    return this.#link.limits.streamWindowBytes;
  }

  /** Opens a stream; throws Fault<"link/closed"> where the peer is leaving or too many are open. */
  open<T>(protocol: string, handler: LinkStreamHandler<Owner, T>, context: T): LinkStream<Owner, T> {
    if (this.peerLeaving || this.leaving) throw noStream("the connection is going away");
    const { streamsMax } = this.#link.limits;
    if (this.streams >= streamsMax) {
      throw noStream(`${this.streams} are open, the limit is ${streamsMax}`);
    }
    const stream = new LinkStream(this, this.#nextId, { proposal: protocol, handler, context });
    this.#nextId += 2;
    this.#keep(stream);
    return stream;
  }

  /** Takes bytes[at, end) of plaintext, borrowed. Stops as soon as the link is no longer open. */
  receive(bytes: Uint8Array, at: number, end: number): void {
    let next = at;
    while (next < end && this.#link.isOpen) {
      if (this.#bodyLeft > 0) next = this.#body(bytes, next, end);
      else if (this.#held === null && end - next >= HEADER_BYTES) {
        this.#header(bytes, next);
        next += HEADER_BYTES;
      } else next = this.#hold(bytes, next, end);
    }
  }

  /** Ping with this opaque value. */
  ping(value: number): void {
    this.send(TYPE.ping, FLAG.syn, 0, value);
  }

  /** Takes no new streams from the peer and asks it for none. */
  goAway(code: number = GO_AWAY.normal): void {
    if (this.leaving) return;
    this.leaving = true;
    this.send(TYPE.goAway, 0, 0, code);
  }

  /** Tells all streams that they are gone. */
  closeAll(reason: string): void {
    const streams = this.#streams;
    if (streams === null) return;
    for (const stream of streams.values()) stream.close(reason);
  }

  /** Lets writers that wait for room go on. */
  drained(): void {
    const waiting = this.#waiting;
    if (waiting === null || waiting.size === 0) return;
    if (this.room < this.#link.limits.outputBytesMax / 2) return;
    // In turn: those that there is no room for any more come first the next time.
    for (const stream of waiting) {
      if (this.room === 0) return;
      waiting.delete(stream);
      stream.drain();
    }
  }

  /** Whether a writer waits for the queue to get shorter. */
  get isHeldUp(): boolean {
    return this.#waiting !== null && this.#waiting.size > 0 && this.room === 0;
  }

  /** A writer waits for room. */
  wantsDrain(stream: LinkStream<Owner>): void {
    const wasHeldUp = this.isHeldUp;
    this.#waiting ??= new Set();
    this.#waiting.add(stream);
    if (!wasHeldUp && this.isHeldUp) this.#link.limited("LINK_OUTPUT_MARK_BYTES");
  }

  handlerOf(protocol: string): LinkStreamHandler<Owner> | null {
    return this.#link.handlerOf(protocol);
  }

  failed(error: unknown): void {
    this.#link.failed(error);
  }

  forget(id: number): void {
    const streams = this.#streams;
    const stream = streams?.get(id);
    if (streams === null || stream === undefined) return;
    streams.delete(id);
    this.#waiting?.delete(stream);
    if (this.#bodyStream === stream) this.#bodyStream = null;
    if (streams.size > 0) return;
    this.#streams = null;
    this.#waiting = null;
    this.#link.rested();
  }

  send(type: number, flags: number, id: number, length: number): void {
    if (!this.#link.isOpen) return;
    this.#link.queue.appendHeader(type, flags, id, length);
    this.#link.wrote();
  }

  sendData(flags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (!this.#link.isOpen) return;
    this.#link.queue.appendHeader(TYPE.data, flags, id, to - from);
    this.#link.queue.append(bytes, from, to);
    this.#link.wrote();
  }

  #hold(bytes: Uint8Array, at: number, end: number): number {
    this.#held ??= new Uint8Array(HEADER_BYTES);
    const length = Math.min(HEADER_BYTES - this.#heldLength, end - at);
    this.#held.set(bytes.subarray(at, at + length), this.#heldLength);
    this.#heldLength += length;
    if (this.#heldLength === HEADER_BYTES) {
      const header = this.#held;
      this.#held = null;
      this.#heldLength = 0;
      this.#header(header, 0);
    }
    return at + length;
  }

  #body(bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + this.#bodyLeft);
    this.#bodyLeft -= stop - at;
    this.#bodyStream?.receive(bytes, at, stop);
    if (this.#bodyLeft === 0) this.#bodyEnd();
    return stop;
  }

  #bodyEnd(): void {
    const stream = this.#bodyStream;
    this.#bodyStream = null;
    if (stream !== null && (this.#bodyFlags & FLAG.fin) !== 0) stream.receiveEnd();
  }

  #header(bytes: Uint8Array, at: number): void {
    const type = bytes[at + 1] ?? 0;
    const flags = readU16(bytes, at + 2);
    const id = readU32(bytes, at + 4);
    const length = readU32(bytes, at + 8);
    if (bytes[at] !== 0) this.#violation("another version");
    else if (type === TYPE.data || type === TYPE.windowUpdate) this.#streamFrame(type, flags, id, length);
    else if (type === TYPE.ping) this.#pinged(flags, length);
    else if (type === TYPE.goAway) this.#toldToGo(length);
    else this.#violation("unknown frame type");
  }

  #streamFrame(type: number, flags: number, id: number, length: number): void {
    if (id === 0) return this.#violation("stream 0");
    if (type === TYPE.data && length > this.#link.limits.streamFrameBytesMax) {
      return this.#excess("STREAM_FRAME_BYTES_MAX", "frame too long");
    }
    if ((flags & FLAG.syn) !== 0 && !this.#accept(id)) return;
    const stream = this.#streams?.get(id) ?? null;
    const reset = (flags & FLAG.rst) !== 0;
    if (reset) stream?.close("reset by the peer");
    if (type === TYPE.data) {
      // Bytes of a stream that is gone may still be on their way: they are skipped.
      const live = reset ? null : stream;
      if (live !== null && !live.reserve(length))
        return this.#excess("STREAM_WINDOW_BYTES", "window overrun");
      this.#bodyLeft = length;
      this.#bodyStream = live;
      this.#bodyFlags = flags;
      if (length === 0) this.#bodyEnd();
      return;
    }
    if (reset || stream === null) return;
    if (!stream.widen(length)) return this.#violation("window too wide");
    if (length > 0 && stream.isWaiting) this.#widened(stream);
    if ((flags & FLAG.fin) !== 0) stream.receiveEnd();
  }

  /** A writer has a window again, but no turn before those that had one and wait for room. */
  #widened(stream: LinkStream<Owner>): void {
    if (this.room === 0 || (this.#waiting?.size ?? 0) > 0) this.wantsDrain(stream);
    else stream.drain();
  }

  /** A stream that the peer opens. False where the whole frame is a violation; a refused stream is reset. */
  #accept(id: number): boolean {
    if (id % 2 === this.#nextId % 2 || this.#streams?.has(id) === true) {
      this.#violation("stream id");
      return false;
    }
    const over = this.leaving ? null : this.#overLimit();
    if (this.leaving || over !== null) {
      if (over !== null) this.#link.limited(over);
      this.send(TYPE.windowUpdate, FLAG.rst | FLAG.ack, id, 0);
      return true;
    }
    this.#keep(new LinkStream<Owner>(this, id, { context: undefined }));
    return true;
  }

  /** The name of the limit that is in the way of one more stream of the peer's; null where none is. */
  #overLimit(): string | null {
    if (this.streams >= this.#link.limits.streamsMax) return "STREAMS_MAX";
    if (!this.#mayOpen()) return "STREAM_OPENS_PER_SECOND";
    return this.#link.hasMemory ? null : "MEMORY_BYTES_MAX";
  }

  /** A bucket of opens that refills with time. */
  #mayOpen(): boolean {
    const { now, limits } = this.#link;
    const refilled = this.#opens + ((now - this.#opensAt) * limits.streamOpensPerSecond) / 1000;
    this.#opens = Math.min(burstOf(limits), refilled);
    this.#opensAt = now;
    if (this.#opens < 1) return false;
    this.#opens--;
    return true;
  }

  #pinged(flags: number, value: number): void {
    if ((flags & FLAG.syn) !== 0) this.send(TYPE.ping, FLAG.ack, 0, value);
  }

  #toldToGo(code: number): void {
    if (code !== GO_AWAY.normal) return this.#link.violated("peer went away with an error");
    this.peerLeaving = true;
    if (this.#streams === null) this.#link.rested();
  }

  #keep(stream: LinkStream<Owner>): void {
    this.#streams ??= new Map();
    this.#streams.set(stream.id, stream);
  }

  /** More than a limit lets through, which no peer does that keeps to the protocol. */
  #excess(name: string, what: string): void {
    this.#link.limited(name);
    this.#violation(what);
  }

  #violation(what: string): void {
    this.#link.violated(`yamux: ${what}`);
  }
}

/** Whatever the rate is, a peer may open all its streams at once. */
function burstOf({ streamOpensPerSecond, streamsMax }: LinkLimits): number {
  return Math.max(streamsMax, (streamOpensPerSecond * limit.RATE_BURST_MS) / 1000);
}
