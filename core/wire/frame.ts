/**
 * Frames: what a stream of `/dchat/mailbox/1` is cut into, the same in both directions.
 *
 *     0  u24  length of the payload
 *     3  u8   kind
 *     4  u32  request id, chosen by the client; 0 where there is none
 *     8  ...  payload
 *
 * A frame protects nothing by itself: Noise below it does, between this device and this relay.
 */
import { assert, limit } from "../ground/mod.ts";
import { ByteWriter } from "./bytes.ts";
import { malformed } from "./constant.ts";

const HEADER = limit.FRAME_HEADER_BYTES;
const PAYLOAD_MAX = limit.FRAME_BYTES_MAX - HEADER;
/** What a frame that comes in pieces reserves at first; it grows with what came, so a header alone costs little. */
const PIECE_BYTES_MIN = 2048;

export interface FrameSink {
  /** `payload` is fresh and the sink's to keep. What it throws ends the push. */
  onFrame(kind: number, request: number, payload: Uint8Array): void;
}

/**
 * Cuts a stream into frames. Input is borrowed until `push` returns and copied once, into the payload that the
 * sink gets. Holds at most one frame that isn't complete, in 2 KiB or at most twice the bytes that came.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header = new Uint8Array(HEADER);
  #headerBytes = 0;
  #length = 0;
  #payload: Uint8Array | null = null;
  #payloadBytes = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether the stream may end here: no frame has begun. */
  get idle(): boolean {
    return this.#headerBytes === 0;
  }

  /** Cuts nothing more, of what the push under way has left neither. */
  stop(): void {
    this.#stopped = true;
    this.#payload = null;
  }

  /** Throws Fault<"wire/malformed"> where a frame is larger than may be; the stream can't go on then. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (!this.#stopped && (at < bytes.length || (this.#headerBytes === HEADER && this.#length === 0))) {
      if (this.#headerBytes < HEADER) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const end = Math.min(bytes.length, at + this.#length - this.#payloadBytes);
      if (this.#payloadBytes === 0 && end - at === this.#length) {
        // A Buffer's slice would be a view, so the copy is made by hand.
        const payload = new Uint8Array(end - at);
        payload.set(bytes.subarray(at, end));
        this.#finish(payload);
      } else {
        this.#keep(bytes.subarray(at, end));
      }
      at = end;
    }
  }

  #takeHeader(bytes: Uint8Array, from: number): number {
    const end = Math.min(bytes.length, from + HEADER - this.#headerBytes);
    for (let at = from; at < end; at += 1) {
      this.#header[this.#headerBytes] = bytes[at] ?? 0;
      this.#headerBytes += 1;
    }
    if (this.#headerBytes === HEADER) {
      this.#length = this.#number(0) * 0x1_00_00 + this.#number(1) * 0x1_00 + this.#number(2);
      if (this.#length > PAYLOAD_MAX) {
        throw malformed(`its payload has at most ${PAYLOAD_MAX} bytes, got ${this.#length}`);
      }
    }
    return end;
  }

  #number(at: number): number {
    return this.#header[at] ?? 0;
  }

  #keep(piece: Uint8Array): void {
    const needed = this.#payloadBytes + piece.length;
    const held = this.#payload;
    if (held === null || held.length < needed) {
      const capacity = Math.min(this.#length, Math.max(PIECE_BYTES_MIN, needed * 2));
      this.#payload = new Uint8Array(capacity);
      if (held !== null) this.#payload.set(held.subarray(0, this.#payloadBytes));
    }
    this.#payload?.set(piece, this.#payloadBytes);
    this.#payloadBytes = needed;
    if (needed === this.#length) this.#finish(this.#payload?.subarray(0, needed) ?? new Uint8Array(0));
  }

  #finish(payload: Uint8Array): void {
    const request =
      this.#number(4) * 0x1_00_00_00 +
      this.#number(5) * 0x1_00_00 +
      this.#number(6) * 0x1_00 +
      this.#number(7);
    this.#headerBytes = 0;
    this.#length = 0;
    this.#payload = null;
    this.#payloadBytes = 0;
    this.#sink.onFrame(this.#number(3), request, payload);
  }
}

/** One for the whole module: encoding is synchronous and never calls itself. */
const writer = new ByteWriter(limit.FRAME_BYTES_MAX);

/** Encodes one frame, fresh and the caller's: header, then what `write` puts behind it. */
export function encodeFrame(
  frame: { readonly kind: number; readonly request: number },
  write: (writer: ByteWriter) => void,
): Uint8Array {
  writer.at = 0;
  writer.u32(0).u32(frame.request);
  write(writer);
  const length = writer.at - HEADER;
  writer.patch(0, (head) => head.u32(length * 0x1_00 + frame.kind));
  return writer.finish();
}

/** Gives a frame, in place, another request id: a signed command is kept and sent again on any stream. */
export function setRequest(frame: Uint8Array, request: number): void {
  assert(frame.length >= HEADER, "a frame has a header");
  new DataView(frame.buffer, frame.byteOffset, HEADER).setUint32(4, request);
}
