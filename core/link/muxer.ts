/**
 * A yamux session: streams over one secured connection. Frames are parsed as they stream by; no object is made
 * for one. What comes in is bounded by each stream's window, by the number of streams and by how fast a peer
 * may open them; what goes out by the output mark.
 */
import { limit } from "../ground/mod.ts";
import { readU16, readU32 } from "./bytes.ts";
import type { OutputQueue } from "./output.ts";
import { LinkStream, type LinkStreamHandler, noStream } from "./stream.ts";
import { FLAG, GO_AWAY, HEADER_BYTES, TYPE } from "./yamux.ts";

/** What a session needs of the connection that it runs on. */
export interface MuxerHost<Owner> {
  readonly owner: Owner;
  /** Where frames go. */
  readonly queue: OutputQueue;
  /** Whether frames are still taken and sent. */
  readonly isOpen: boolean;
  /** The time of the last call that brought it. */
  readonly now: number;
  readonly streamsMax: number;
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
  #opens = limit.STREAM_OPENS_BURST;
  #opensAt: number;
  #drainWanted = false;

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

  /** Bytes of data that fit below the output mark, headers set aside. */
  get room(): number {
    return limit.LINK_OUTPUT_MARK_BYTES - this.#link.queue.length - HEADER_BYTES;
  }

  /** Opens a stream; throws Fault<"link/closed"> where the peer is leaving or too many are open. */
  open<T>(protocol: string, handler: LinkStreamHandler<Owner, T>, context: T): LinkStream<Owner, T> {
    if (this.peerLeaving || this.leaving) throw noStream("the connection is going away");
    if (this.streams >= this.#link.streamsMax) {
      throw noStream(`${this.streams} are open, the limit is ${this.#link.streamsMax}`);
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
    if (!this.#drainWanted || this.room < limit.LINK_OUTPUT_MARK_BYTES / 2) return;
    this.#drainWanted = false;
    if (this.#streams !== null) for (const stream of this.#streams.values()) stream.drain();
  }

  wantsDrain(): void {
    this.#drainWanted = true;
  }

  handlerOf(protocol: string): LinkStreamHandler<Owner> | null {
    return this.#link.handlerOf(protocol);
  }

  failed(error: unknown): void {
    this.#link.failed(error);
  }

  forget(id: number): void {
    const streams = this.#streams;
    if (streams === null || !streams.delete(id)) return;
    if (this.#bodyStream?.id === id) this.#bodyStream = null;
    if (streams.size > 0) return;
    this.#streams = null;
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
    if (bytes[at] !== 0) this.#violation(`version ${bytes[at]}`);
    else if (type === TYPE.data || type === TYPE.windowUpdate) this.#streamFrame(type, flags, id, length);
    else if (type === TYPE.ping) this.#pinged(flags, length);
    else if (type === TYPE.goAway) this.#toldToGo(length);
    else this.#violation(`frame type ${type}`);
  }

  #streamFrame(type: number, flags: number, id: number, length: number): void {
    if (id === 0) return this.#violation("stream 0");
    if (type === TYPE.data && length > limit.YAMUX_FRAME_BYTES_MAX) return this.#violation("frame too long");
    if ((flags & FLAG.syn) !== 0 && !this.#accept(id)) return;
    const stream = this.#streams?.get(id) ?? null;
    const reset = (flags & FLAG.rst) !== 0;
    if (reset) stream?.close("reset by the peer");
    if (type === TYPE.data) {
      // Bytes of a stream that is gone may still be on their way: they are skipped.
      const live = reset ? null : stream;
      if (live !== null && !live.reserve(length)) return this.#violation("window overrun");
      this.#bodyLeft = length;
      this.#bodyStream = live;
      this.#bodyFlags = flags;
      if (length === 0) this.#bodyEnd();
      return;
    }
    if (reset || stream === null) return;
    if (!stream.widen(length)) return this.#violation("window too wide");
    if (length > 0) stream.drain();
    if ((flags & FLAG.fin) !== 0) stream.receiveEnd();
  }

  /** A stream that the peer opens. False where the whole frame is a violation; a refused stream is reset. */
  #accept(id: number): boolean {
    if (id % 2 === this.#nextId % 2 || this.#streams?.has(id) === true) {
      this.#violation("stream id");
      return false;
    }
    const full = this.streams >= this.#link.streamsMax;
    if (this.leaving || full || !this.#mayOpen()) {
      if (full) this.#link.limited("STREAMS_MAX");
      else if (!this.leaving) this.#link.limited("STREAM_OPENS_PER_SECOND");
      this.send(TYPE.windowUpdate, FLAG.rst | FLAG.ack, id, 0);
      return true;
    }
    this.#keep(new LinkStream<Owner>(this, id, { context: undefined }));
    return true;
  }

  /** A bucket of opens that refills with time. */
  #mayOpen(): boolean {
    const now = this.#link.now;
    const refilled = this.#opens + ((now - this.#opensAt) * limit.STREAM_OPENS_PER_SECOND) / 1000;
    this.#opens = Math.min(limit.STREAM_OPENS_BURST, refilled);
    this.#opensAt = now;
    if (this.#opens < 1) return false;
    this.#opens--;
    return true;
  }

  #pinged(flags: number, value: number): void {
    if ((flags & FLAG.syn) !== 0) this.send(TYPE.ping, FLAG.ack, 0, value);
  }

  #toldToGo(code: number): void {
    if (code !== GO_AWAY.normal) return this.#link.violated(`peer went away with code ${code}`);
    this.peerLeaving = true;
    if (this.#streams === null) this.#link.rested();
  }

  #keep(stream: LinkStream<Owner>): void {
    this.#streams ??= new Map();
    this.#streams.set(stream.id, stream);
  }

  #violation(what: string): void {
    this.#link.violated(`yamux: ${what}`);
  }
}
