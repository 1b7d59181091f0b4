/**
 * Frames between a relay and one of its edge processes, over a socket pair that only the two hold.
 *
 *     0  u24  length of the payload
 *     3  u8   kind
 *     4  u48  number of the connection or stream; 0 where there is none
 *    10  ...  payload
 *
 * Both ends are this program in one version, so there is none in it. It protects nothing: it never leaves the machine,
 * and no other process can open it.
 */
import { assert, Fault, limit } from "../../ground/mod.ts";
import { ByteReader, ByteWriter } from "../../wire/mod.ts";

export const HEADER_BYTES = 10;
const HIGH = 2 ** 32;

/** What a frame says. Streams count up from 1 by two where the edge process opened them, from 2 where the relay did. */
export const KIND = {
  /** From the relay and from the edge process: JSON, see order.ts. */
  order: 1,
  report: 2,

  /** From the edge process: a socket is there; its port, u16, and address, text. */
  arrived: 20,
  /** From the relay: the ledger has no room for it. */
  refused: 21,
  /** From the edge process: it is secured; its PeerId's multihash. */
  opened: 22,
  /** From the edge process: it is closed, text. */
  closed: 23,
  /** From the edge process: its socket is gone, and the number free. */
  left: 24,
  /** From the relay: end it; a flag whether at once, and the reason. */
  close: 25,

  /** A stream was opened, or is to be: its connection, u64, and its protocol. */
  stream: 40,
  /** From the edge process: the peer agreed to a stream that the relay opened. */
  agreed: 41,
  data: 42,
  /** Bytes of data, u32, that have been dealt with, so that as many more may come. */
  consumed: 43,
  /** No more data in this direction. */
  end: 44,
  /** From the relay: reset it. From the edge process: it is gone; the reason. */
  gone: 45,
} as const;

const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };

export function encodeText(value: string): Uint8Array {
  return text.encoder.encode(value);
}

export function decodeText(bytes: Uint8Array): string {
  return text.decoder.decode(bytes);
}

/** Ten bytes into `into`. */
export function writeHeader(into: Uint8Array, frame: { kind: number; id: number; length: number }): void {
  const { kind, id, length } = frame;
  assert(length <= limit.EDGE_FRAME_BYTES_MAX, "a frame's length has 24 bits");
  const high = Math.floor(id / HIGH);
  const low = id % HIGH;
  into[0] = length >>> 16;
  into[1] = length >>> 8;
  into[2] = length;
  into[3] = kind;
  into[4] = high >>> 8;
  into[5] = high;
  into[6] = low >>> 24;
  into[7] = low >>> 16;
  into[8] = low >>> 8;
  into[9] = low;
}

/** The payload of `arrived`. */
export function encodeArrived({ port, address }: { port: number; address: string }): Uint8Array {
  const name = encodeText(address);
  return new ByteWriter(2 + name.length).u16(port).put(name).finish();
}

/** Throws Fault<"wire/malformed"> where it is too short. */
export function decodeArrived(payload: Uint8Array): { port: number; address: string } {
  const reader = new ByteReader(payload);
  return { port: reader.u16(), address: decodeText(reader.take(reader.left)) };
}

/** The payload of `stream`. */
export function encodeStream(stream: { connection: number; protocol: string }): Uint8Array {
  const name = encodeText(stream.protocol);
  return new ByteWriter(8 + name.length).u64(stream.connection).put(name).finish();
}

/** Throws Fault<"wire/malformed"> where it is too short or its number too large. */
export function decodeStream(payload: Uint8Array): { connection: number; protocol: string } {
  const reader = new ByteReader(payload);
  return { connection: reader.u64(), protocol: decodeText(reader.take(reader.left)) };
}

/** The payload of `close`. */
export function encodeClose({ hard, reason }: { hard: boolean; reason: string }): Uint8Array {
  const words = encodeText(reason);
  return new ByteWriter(1 + words.length).flag(hard).put(words).finish();
}

/** Throws Fault<"wire/malformed"> where it is empty or its flag is none. */
export function decodeClose(payload: Uint8Array): { hard: boolean; reason: string } {
  const reader = new ByteReader(payload);
  return { hard: reader.flag(), reason: decodeText(reader.take(reader.left)) };
}

export function encodeCount(count: number): Uint8Array {
  return new ByteWriter(4).u32(count).finish();
}

/** Throws Fault<"wire/malformed"> where it hasn't four bytes. */
export function decodeCount(payload: Uint8Array): number {
  const reader = new ByteReader(payload);
  const count = reader.u32();
  reader.end();
  return count;
}

export interface FrameSink {
  /** `payload` is borrowed until it returns. */
  onFrame(kind: number, id: number, payload: Uint8Array): void;
}

/** What a frame in pieces reserves at first; it grows with what came, not with what was announced. */
const PIECE_BYTES_MIN = 4096;
/** A larger buffer isn't kept for the next frame that comes in pieces. */
const PIECE_BYTES_KEPT = 256 * 1024;

/** Cuts what comes over the pair into frames, of which those that came whole are not copied. */
export class FrameCutter {
  readonly #sink: FrameSink;
  #held = new Uint8Array(PIECE_BYTES_MIN);
  #heldLength = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether nothing of a frame is there that isn't whole. */
  get idle(): boolean {
    return this.#heldLength === 0;
  }

  /** `bytes` are borrowed until it returns. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const end = this.#heldLength === 0 ? frameEnd(bytes, at, bytes.length) : null;
      if (end === null || end > bytes.length) at = this.#hold(bytes, at);
      else {
        this.#deliver(bytes, at, end);
        at = end;
      }
    }
  }

  /** Takes what is missing of the header, or else of the frame; returns where it stopped. */
  #hold(bytes: Uint8Array, at: number): number {
    const wanted = frameEnd(this.#held, 0, this.#heldLength) ?? HEADER_BYTES;
    const stop = Math.min(bytes.length, at + wanted - this.#heldLength);
    this.#grow(this.#heldLength + stop - at);
    this.#held.set(bytes.subarray(at, stop), this.#heldLength);
    this.#heldLength += stop - at;
    const end = frameEnd(this.#held, 0, this.#heldLength);
    if (end === this.#heldLength) {
      const held = this.#held;
      this.#heldLength = 0;
      this.#deliver(held, 0, end);
      if (held.length > PIECE_BYTES_KEPT) this.#held = new Uint8Array(PIECE_BYTES_MIN);
    }
    return stop;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#held.length) return;
    const larger = new Uint8Array(Math.max(bytes, 2 * this.#held.length));
    larger.set(this.#held.subarray(0, this.#heldLength));
    this.#held = larger;
  }

  #deliver(bytes: Uint8Array, at: number, end: number): void {
    const high = (byte(bytes, at + 4) << 8) | byte(bytes, at + 5);
    const low = (byte(bytes, at + 6) << 24) | (byte(bytes, at + 7) << 16) | lowHalf(bytes, at + 8);
    this.#sink.onFrame(
      byte(bytes, at + 3),
      high * HIGH + (low >>> 0),
      bytes.subarray(at + HEADER_BYTES, end),
    );
  }
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function lowHalf(bytes: Uint8Array, at: number): number {
  return (byte(bytes, at) << 8) | byte(bytes, at + 1);
}

/** Where the frame that begins at `at` ends, or null while its header isn't there. */
function frameEnd(bytes: Uint8Array, at: number, end: number): number | null {
  if (end - at < HEADER_BYTES) return null;
  return at + HEADER_BYTES + ((byte(bytes, at) << 16) | lowHalf(bytes, at + 1));
}

/** What either end throws where the other says what can't be. */
export function outOfStep(what: string): Fault<"edge/protocol"> {
  return new Fault("edge/protocol", `An edge process and its relay are out of step: ${what}`);
}
