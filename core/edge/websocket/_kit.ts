/** For tests: WebSocket's other end, written by the book and apart from ours, so that each checks the other. */

export const REQUEST_FIELDS = [
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
];

/** The request of RFC 6455, section 1.3, or one with other lines. */
export function requestOf(fields: readonly string[] = REQUEST_FIELDS, line = "GET / HTTP/1.1"): string {
  return [line, ...fields, "", ""].join("\r\n");
}

export interface FrameOptions {
  readonly opcode?: number;
  readonly final?: boolean;
  readonly reserved?: number;
  /** Four bytes, or none for a frame without a mask. */
  readonly mask?: readonly number[];
  /** Bits of the length's field: as few as will do, unless it is said. */
  readonly lengthBits?: 7 | 16 | 64;
}

const MASK = [0x37, 0xfa, 0x21, 0x3d];

/** A client's frame; a final binary one unless said otherwise. */
export function clientFrame(payload: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const { opcode = 2, final = true, reserved = 0, mask = MASK } = options;
  const { length } = payload;
  const bits = options.lengthBits ?? (length < 126 ? 7 : length < 65_536 ? 16 : 64);
  const field = new DataView(new ArrayBuffer(8));
  field.setBigUint64(0, BigInt(length));
  const extended = new Uint8Array(field.buffer).slice(bits === 7 ? 8 : 8 - bits / 8);
  return Buffer.concat([
    Uint8Array.of(
      (final ? 0x80 : 0) | (reserved << 4) | opcode,
      (mask.length > 0 ? 0x80 : 0) | (bits === 7 ? length : bits === 16 ? 126 : 127),
    ),
    extended,
    Uint8Array.from(mask),
    payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
  ]);
}

/** A frame that a server sent. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** Cuts what a server sends into frames; each is final and has no mask, or this throws. */
export class ServerFrames {
  #rest: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): ServerFrame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: ServerFrame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ServerFrame | null {
    const bytes = this.#rest;
    const [first = 0, second = 0] = bytes;
    if (bytes.length < 2) return null;
    if ((first & 0xf0) !== 0x80 || (second & 0x80) !== 0) throw new Error("no frame of a server");
    const at = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (bytes.length < at) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = second < 126 ? second : second === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if (bytes.length < at + length) return null;
    this.#rest = bytes.subarray(at + length);
    return { opcode: first & 0x0f, payload: bytes.slice(at, at + length) };
  }
}

/** A client's end of a WebSocket: it asks with requestOf(), and then takes frames apart. */
export class ClientEnd {
  /** Whether the upgrade was answered. */
  isOpen = false;
  #head = Buffer.alloc(0);
  readonly #frames = new ServerFrames();

  /** What the frames in `bytes` carry, control frames left out. */
  payloadOf(bytes: Uint8Array): Uint8Array {
    const data = this.framesOf(bytes).filter((frame) => frame.opcode === 2);
    return Buffer.concat(data.map((frame) => frame.payload));
  }

  framesOf(bytes: Uint8Array): ServerFrame[] {
    if (this.isOpen) return this.#frames.push(bytes);
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return [];
    if (!this.#head.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error("no upgrade");
    this.isOpen = true;
    return this.#frames.push(this.#head.subarray(end + 4));
  }
}
