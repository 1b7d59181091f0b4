/** One yamux stream: agrees on a protocol, then carries a handler's bytes within the peer's window and ours. */
import { Fault, assert, limit } from "../ground/mod.ts";
import type { Muxer } from "./muxer.ts";
import { Negotiation, encodeProposal } from "./multistream.ts";
import { FLAG, SENT_DATA_BYTES_MAX, TYPE } from "./yamux.ts";

/** Hears of all streams of a protocol; one object serves them all. */
export interface LinkStreamHandler<Owner, T = unknown> {
  /** The protocol is agreed. For streams that the peer opened, `stream.context` is set here first. */
  onOpen(stream: LinkStream<Owner, T>): void;
  /** `bytes` are borrowed until the call returns. */
  onData(stream: LinkStream<Owner, T>, bytes: Uint8Array): void;
  /** The peer will write no more. */
  onEnd(stream: LinkStream<Owner, T>): void;
  /** The stream is gone. Called once, nothing after it. */
  onClose(stream: LinkStream<Owner, T>, reason: string): void;
  /** After a write() that took less than all: more fits. */
  onDrain(stream: LinkStream<Owner, T>): void;
}

/** Says who serves a protocol that a peer asks for, or null to refuse it. */
export type ProtocolTable<Owner> = (protocol: string) => LinkStreamHandler<Owner> | null;

/** Opened by us, its first frame not sent · opened by the peer, not yet acknowledged · … */
const SYN_DUE = 1;
const ACK_DUE = 2;
const FIN_SENT = 4;
const FIN_RECEIVED = 8;
const CLOSED = 16;
const DRAIN_DUE = 32;
const OPENED = 64;

export class LinkStream<Owner, T = unknown> {
  readonly id: number;
  context: T;
  readonly #muxer: Muxer<Owner>;
  #handler: LinkStreamHandler<Owner, T> | null;
  #negotiation: Negotiation | null;
  #protocol: string;
  #flags: number;
  /** What the peer still lets us send. */
  #sendWindow = limit.YAMUX_WINDOW_BYTES;
  /** What we still let the peer send. */
  #receiveWindow: number;
  /** Consumed and not yet given back to the peer. */
  #consumed = 0;

  /** For the muxer alone. `proposal` names the protocol of a stream that we open. */
  constructor(
    muxer: Muxer<Owner>,
    id: number,
    start: { proposal: string; handler: LinkStreamHandler<Owner, T>; context: T } | { context: T },
  ) {
    const ours = "proposal" in start;
    this.#muxer = muxer;
    this.id = id;
    this.context = start.context;
    this.#handler = ours ? start.handler : null;
    this.#protocol = ours ? start.proposal : "";
    this.#negotiation = new Negotiation(ours ? start.proposal : null);
    this.#flags = ours ? SYN_DUE : ACK_DUE;
    const window = muxer.windowBytes;
    this.#receiveWindow = window;
    // Only yamux's own window is there without a word.
    if (window > limit.YAMUX_WINDOW_BYTES) {
      muxer.send(TYPE.windowUpdate, this.#firstFlags(), id, window - limit.YAMUX_WINDOW_BYTES);
    }
    if (ours) this.answer(encodeProposal(start.proposal));
  }

  get connection(): Owner {
    return this.#muxer.owner;
  }

  /** What was agreed, or is proposed. */
  get protocol(): string {
    return this.#protocol;
  }

  /** Bytes that write() would take now. */
  get writable(): number {
    if ((this.#flags & (FIN_SENT | CLOSED)) !== 0) return 0;
    return Math.max(0, Math.min(this.#sendWindow, this.#muxer.room));
  }

  /**
   * Takes a copy of as much of `bytes` as the peer's window and the output mark allow and returns how much;
   * where that is less than all, onDrain follows when more fits. May come before onOpen: the bytes then follow
   * the proposal at once.
   */
  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.writable);
    for (let at = 0; at < taken;) {
      const length = Math.min(taken - at, SENT_DATA_BYTES_MAX);
      this.#sendData(bytes, at, at + length);
      at += length;
    }
    if (taken < bytes.length && (this.#flags & (FIN_SENT | CLOSED)) === 0) {
      this.#flags |= DRAIN_DUE;
      // Where the window is what lacks, the peer's next update is what it waits for.
      if (this.#sendWindow > 0) this.#muxer.wantsDrain(this);
    }
    return taken;
  }

  /** Says that `bytes` of received data were dealt with, which reopens the peer's window. */
  consume(bytes: number): void {
    if ((this.#flags & (CLOSED | FIN_RECEIVED)) !== 0) return;
    this.#consumed += bytes;
    const window = this.#muxer.windowBytes;
    assert(this.#consumed + this.#receiveWindow <= window, "a stream consumes no more than came");
    // Reopening at half a window keeps a sender going and costs one update for 128 KiB.
    if (this.#consumed < window / 2) return;
    this.#muxer.send(TYPE.windowUpdate, this.#firstFlags(), this.id, this.#consumed);
    this.#receiveWindow += this.#consumed;
    this.#consumed = 0;
  }

  /** Half-close: nothing more will be written. What write() took goes out before. */
  end(): void {
    if ((this.#flags & (FIN_SENT | CLOSED)) !== 0) return;
    this.#muxer.send(TYPE.windowUpdate, this.#firstFlags() | FLAG.fin, this.id, 0);
    this.#flags |= FIN_SENT;
    this.#flags &= ~DRAIN_DUE;
    if ((this.#flags & FIN_RECEIVED) !== 0) this.close("ended");
  }

  /** Ends both directions at once. */
  reset(): void {
    this.resetFor("reset here");
  }

  /** For the muxer: resets and says why. */
  resetFor(reason: string): void {
    if ((this.#flags & CLOSED) !== 0) return;
    this.#muxer.send(TYPE.windowUpdate, this.#firstFlags() | FLAG.rst, this.id, 0);
    this.close(reason);
  }

  /** For the muxer: forgets the stream and tells the handler, once. */
  close(reason: string): void {
    if ((this.#flags & CLOSED) !== 0) return;
    this.#flags |= CLOSED;
    this.#negotiation = null;
    this.#muxer.forget(this.id);
    const handler = this.#handler;
    if (handler === null) return;
    try {
      handler.onClose(this, reason);
    } catch (error) {
      this.#muxer.failed(error);
    }
  }

  /** For the muxer: a data frame's length, before its bytes. False where it overruns the window. */
  reserve(length: number): boolean {
    this.#receiveWindow -= length;
    return this.#receiveWindow >= 0;
  }

  /** For the muxer: bytes[from, to) of a data frame. */
  receive(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    if ((this.#flags & FIN_RECEIVED) !== 0) return this.resetFor("data after the end");
    if (this.#negotiation !== null) {
      at = this.#negotiation.receive(bytes, from, to, this);
      this.consume(at - from);
      this.#negotiated();
    }
    if (at >= to || (this.#flags & CLOSED) !== 0) return;
    try {
      this.#handler?.onData(this, at === 0 && to === bytes.length ? bytes : bytes.subarray(at, to));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** For the muxer: the peer's FIN. */
  receiveEnd(): void {
    if ((this.#flags & (CLOSED | FIN_RECEIVED)) !== 0) return;
    this.#flags |= FIN_RECEIVED;
    if (this.#negotiation !== null) return this.resetFor("ended before a protocol was agreed");
    try {
      this.#handler?.onEnd(this);
    } catch (error) {
      this.#fail(error);
    }
    if ((this.#flags & FIN_SENT) !== 0) this.close("ended");
  }

  /** For the muxer: the peer lets us send more. False where the window would pass yamux's 32 bits. */
  widen(bytes: number): boolean {
    this.#sendWindow += bytes;
    return this.#sendWindow <= 0xffff_ffff;
  }

  /** For the muxer: whether a writer waits. */
  get isWaiting(): boolean {
    return (this.#flags & DRAIN_DUE) !== 0;
  }

  /** For the muxer: tells a writer that waits that more fits. */
  drain(): void {
    if (!this.isWaiting || this.writable === 0) return;
    this.#flags &= ~DRAIN_DUE;
    try {
      this.#handler?.onDrain(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** For the negotiation: whether the peer's proposal is served. */
  serves(protocol: string): boolean {
    const handler = this.#muxer.handlerOf(protocol);
    this.#handler = handler;
    return handler !== null;
  }

  /** For the negotiation: sends a line. Lines are few and short: a fresh window always has room for them. */
  answer(line: Uint8Array): void {
    if ((this.#flags & CLOSED) === 0) this.#sendData(line, 0, line.length);
  }

  #negotiated(): void {
    const negotiation = this.#negotiation;
    if (negotiation === null || !negotiation.over) return;
    this.#negotiation = null;
    this.#protocol = negotiation.protocol;
    if (negotiation.state !== "agreed") {
      return this.resetFor(
        negotiation.state === "refused" ? "protocol refused" : "protocol negotiation failed",
      );
    }
    this.#flags |= OPENED;
    try {
      this.#handler?.onOpen(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  #sendData(bytes: Uint8Array, from: number, to: number): void {
    this.#sendWindow -= to - from;
    this.#muxer.sendData(this.#firstFlags(), this.id, bytes, from, to);
  }

  /** SYN or ACK on the first frame, whichever it is. */
  #firstFlags(): number {
    const due = this.#flags & (SYN_DUE | ACK_DUE);
    this.#flags &= ~(SYN_DUE | ACK_DUE);
    return due;
  }

  #fail(error: unknown): void {
    this.#muxer.failed(error);
    this.resetFor("handler failed");
  }
}

/** Thrown by open() where no stream can be had. */
export function noStream(why: string): Fault<"link/closed"> {
  return new Fault("link/closed", `Cannot open a stream: ${why}`);
}
