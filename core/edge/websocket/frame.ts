/**
 * Frames of WebSocket, RFC 6455 section 5, as a server reads and writes them: binary messages alone, no extension.
 * A message is passed on as it comes, since what libp2p puts into messages is one stream of bytes.
 * It doesn't protect what it carries: the mask is on the wire beside the bytes, and is there for proxies' sake.
 */
import { isUtf8 } from "node:buffer";
import { limit } from "../../ground/mod.ts";
import type { Link, Portion } from "../../link/mod.ts";

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FINAL = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** What the seven bits of a length say where it stands behind them, in two bytes or in eight. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const CONTROL_BYTES_MAX = 125;
/** A largest control frame; it is dealt with whole, as are frames' heads. */
const WHOLE_BYTES_MAX = 2 + MASK_BYTES + CONTROL_BYTES_MAX;
/** From here on making a view of words is worth it. */
const WORDS_FROM_BYTES = 64;
/** So many bytes of a payload count as one frame more where frames are counted: as many as a frame of Noise has, or fewer. */
const FRAME_BYTES_LOG2 = 4;

/** Why a connection is over: the code that our Close says, section 7.4.1, and a reason for ourselves. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
}

export const CLOSE_NORMAL = 1000;
/** The code of a Close that says none; section 7.1.5. Never sent. */
const CLOSE_NONE = 1005;

const BROKEN = {
  unmasked: { code: 1002, reason: "websocket: a frame is not masked" },
  reserved: { code: 1002, reason: "websocket: reserved bits are set" },
  opcode: { code: 1002, reason: "websocket: an unknown opcode" },
  order: { code: 1002, reason: "websocket: a fragment is out of place" },
  control: { code: 1002, reason: "websocket: a control frame is too long or in fragments" },
  length: { code: 1002, reason: "websocket: a length is longer than it need be" },
  close: { code: 1002, reason: "websocket: a Close says what it may not" },
  text: { code: 1003, reason: "a text message" },
  utf8: { code: 1007, reason: "websocket: a Close's reason is no UTF-8" },
  large: { code: 1009, reason: "websocket: a message is too long" },
} as const satisfies Record<string, Ending>;

/** Whether an ending is that a message was longer than limit.WEBSOCKET_MESSAGE_BYTES_MAX. */
export function isTooLong(ending: Ending): boolean {
  return ending === BROKEN.large;
}

/** Takes payloads. */
export type Taker = Pick<Link<unknown>, "receive">;

/** Reads what a client sends once it has its WebSocket. */
export class FrameReader {
  /** What the last ping carried that nobody answered yet; earlier ones need no answer, section 5.5.3. */
  ping: Uint8Array | null = null;
  /** Why nothing more is read; null while all is well. */
  ending: Ending | null = null;
  /** Bytes of the frame's payload that are still to come. */
  #left = 0;
  /** Its mask as a word, lowest byte first, the next byte's lowest. */
  #mask = 0;
  /** Whether more fragments of a message are to come. */
  #fragmented = false;
  /** Bytes of the message that its frames have announced. */
  #announced = 0;
  /** A head or a control frame of which there is a part. */
  #held: Uint8Array | null = null;
  #heldLength = 0;

  /**
   * Takes the next bytes, cut anywhere, and gives the link what they carry, unmasked where it lies, so they are the
   * reader's to write on. Says how many it took: fewer than all where the link is full, where there are more than
   * `most`, or where `ending` says why nothing more is read.
   */
  read(bytes: Uint8Array, link: Taker, now: number, most: Portion): number {
    let at = 0;
    for (let frames = 0; at < bytes.length && frames < most.frames && this.ending === null; frames++) {
      if (this.#left === 0) {
        at = this.#head(bytes, at);
        continue;
      }
      const length = Math.min(this.#left, bytes.length - at, most.bytes);
      const taken = this.#give(bytes.subarray(at, at + length), link, now, most);
      at += taken;
      if (taken < length) break;
      frames += length >> FRAME_BYTES_LOG2;
    }
    return at;
  }

  /** Gives the link a piece of a payload; what it doesn't take is left as it came. */
  #give(piece: Uint8Array, link: Taker, now: number, most: Portion): number {
    const mask = this.#mask;
    this.#unmask(piece);
    const taken = link.receive(piece, now, most);
    this.#left -= taken;
    if (taken === piece.length) return taken;
    this.#mask = rotated(mask, taken & 3);
    this.#unmask(piece.subarray(taken));
    this.#mask = rotated(mask, taken & 3);
    return taken;
  }

  /** Deals with a frame's head, or with a control frame, or keeps what there is of it; says where it stopped. */
  #head(bytes: Uint8Array, at: number): number {
    if (this.#held === null && bytes.length - at >= 2) {
      const length = wholeLength(bytes, at);
      if (length <= bytes.length - at) {
        this.#whole(bytes, at);
        return at + length;
      }
    }
    const held = (this.#held ??= new Uint8Array(WHOLE_BYTES_MAX));
    let next = at;
    while (next < bytes.length && this.#heldLength < held.length) {
      held[this.#heldLength++] = bytes[next++] ?? 0;
      if (this.#heldLength < 2) continue;
      // What breaks the rules is found as soon as it is there.
      if (this.#heldLength === 2) this.ending = this.#refusal(held[0] ?? 0, held[1] ?? 0);
      const isWhole = this.ending === null && this.#heldLength === wholeLength(held, 0);
      if (isWhole) this.#whole(held, 0);
      if (!isWhole && this.ending === null) continue;
      this.#held = null;
      this.#heldLength = 0;
      break;
    }
    return next;
  }

  /** What is wrong with a frame by its first two bytes. */
  #refusal(first: number, second: number): Ending | null {
    const opcode = first & 0x0f;
    const isFinal = (first & FINAL) !== 0;
    if ((first & RESERVED) !== 0) return BROKEN.reserved;
    if ((second & MASKED) === 0) return BROKEN.unmasked;
    if (opcode === OPCODE.text) return BROKEN.text;
    if (opcode === OPCODE.binary) return this.#fragmented ? BROKEN.order : null;
    if (opcode === OPCODE.continuation) return this.#fragmented ? null : BROKEN.order;
    if (opcode < OPCODE.close || opcode > OPCODE.pong) return BROKEN.opcode;
    return isFinal && (second & 0x7f) <= CONTROL_BYTES_MAX ? null : BROKEN.control;
  }

  /** A head that is there whole, with its payload where it is a control frame's. */
  #whole(bytes: Uint8Array, at: number): void {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    this.ending = this.#refusal(first, second);
    if (this.ending !== null) return;
    const length = readLength(bytes, at);
    if (length < 0) this.ending = BROKEN.length;
    else if ((first & 0x0f) >= OPCODE.close) this.#control(bytes, at);
    else this.#data(first, { length, mask: readMask(bytes, at + maskAt(second)) });
  }

  #data(first: number, { length, mask }: { length: number; mask: number }): void {
    if ((first & 0x0f) === OPCODE.binary) this.#announced = 0;
    this.#announced += length;
    if (this.#announced > limit.WEBSOCKET_MESSAGE_BYTES_MAX) {
      this.ending = BROKEN.large;
      return;
    }
    this.#fragmented = (first & FINAL) === 0;
    this.#left = length;
    this.#mask = mask;
  }

  #control(bytes: Uint8Array, at: number): void {
    const opcode = (bytes[at] ?? 0) & 0x0f;
    if (opcode === OPCODE.pong) return;
    const start = at + 2 + MASK_BYTES;
    const payload = new Uint8Array(bytes.subarray(start, start + ((bytes[at + 1] ?? 0) & 0x7f)));
    // A frame's payload is wholly behind it when a control frame comes, so the mask is free.
    this.#mask = readMask(bytes, at + 2);
    this.#unmask(payload);
    if (opcode === OPCODE.ping) this.ping = payload;
    else this.ending = endingOf(payload);
  }

  #unmask(bytes: Uint8Array): void {
    const end = bytes.length;
    let mask = this.#mask;
    let at = 0;
    if (end >= WORDS_FROM_BYTES) {
      for (; ((bytes.byteOffset + at) & 3) !== 0; at++) {
        bytes[at] = (bytes[at] ?? 0) ^ (mask & 0xff);
        mask = rotated(mask, 1);
      }
      // Platforms that Bun runs on have a word's lowest byte first, as the mask has.
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
      for (let index = 0; index < words.length; index++) words[index] = (words[index] ?? 0) ^ mask;
      at += words.length * 4;
    }
    for (; at < end; at++) {
      bytes[at] = (bytes[at] ?? 0) ^ (mask & 0xff);
      mask = rotated(mask, 1);
    }
    this.#mask = mask;
  }
}

/** A word turned by as many bytes. */
function rotated(word: number, bytes: number): number {
  return (word >>> (8 * bytes)) | (word << (32 - 8 * bytes));
}

/** Where the mask lies in a head whose second byte this is. */
function maskAt(second: number): number {
  const short = second & 0x7f;
  return short < LENGTH_16 ? 2 : short === LENGTH_16 ? 4 : 10;
}

/** The length of a frame's head, and of its payload where that belongs to a control frame. */
function wholeLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  const isControl = (first & 0x0f) >= OPCODE.close;
  const payload = isControl ? Math.min(second & 0x7f, CONTROL_BYTES_MAX) : 0;
  return isControl ? 2 + MASK_BYTES + payload : maskAt(second) + MASK_BYTES;
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function readMask(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** The payload's length that a head tells; -1 where it takes more bytes than it needs, or the highest bit. */
function readLength(bytes: Uint8Array, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < LENGTH_16) return short;
  if (short === LENGTH_16) {
    const length = readU16(bytes, at + 2);
    return length < LENGTH_16 ? -1 : length;
  }
  const high = readU16(bytes, at + 2) * 0x10000 + readU16(bytes, at + 4);
  const low = readU16(bytes, at + 6) * 0x10000 + readU16(bytes, at + 8);
  if (high >= 0x8000_0000 || (high === 0 && low < 0x10000)) return -1;
  return high * 0x1_0000_0000 + low;
}

/** What a Close says, section 5.5.1; its code is said back. */
function endingOf(payload: Uint8Array): Ending {
  const reason = "connection closed";
  if (payload.length === 0) return { code: CLOSE_NONE, reason };
  const code = payload.length === 1 ? 0 : readU16(payload, 0);
  if (!isSayable(code)) return BROKEN.close;
  return isUtf8(payload.subarray(2)) ? { code, reason } : BROKEN.utf8;
}

/** Whether a Close may say this code; sections 7.4.1 and 7.4.2, and IANA's registry. */
function isSayable(code: number): boolean {
  if (code >= 3000) return code < 5000;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== CLOSE_NONE && code !== 1006;
}

/** Writes the head of a final binary frame with `length` bytes so that it ends at `at`; returns where it begins. */
export function writeHead(bytes: Uint8Array, at: number, length: number): number {
  const begin = at - (length < LENGTH_16 ? 2 : length < 0x10000 ? 4 : 10);
  bytes[begin] = FINAL | OPCODE.binary;
  bytes[begin + 1] = length < LENGTH_16 ? length : length < 0x10000 ? LENGTH_16 : LENGTH_64;
  // As far as the two bytes before the payload reach; nothing that is written at once needs more than 32 bits.
  if (begin < at - 2) {
    bytes[at - 2] = length >>> 8;
    bytes[at - 1] = length;
  }
  if (begin < at - 4) {
    bytes.fill(0, begin + 2, at - 4);
    bytes[at - 4] = length >>> 24;
    bytes[at - 3] = length >>> 16;
  }
  return begin;
}

/** A pong with what its ping carried, at most 125 bytes. */
export function encodePong(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 + payload.length);
  frame[0] = FINAL | OPCODE.pong;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}

/** A Close that says why; one that answers a Close without a code has none either. */
export function encodeClose({ code }: Pick<Ending, "code">): Uint8Array {
  if (code === CLOSE_NONE) return Uint8Array.of(FINAL | OPCODE.close, 0);
  return Uint8Array.of(FINAL | OPCODE.close, 2, code >>> 8, code);
}
