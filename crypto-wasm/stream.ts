/**
 * An AEAD over what comes in pieces, by the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online
 * Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015), keyed as Tink's AES-GCM-HKDF:
 *
 *     salt (32), then pieces of 64 KiB and a tag each, the last with 1 byte to 64 KiB, or none where there is no data
 *     key (32), prefix (7) = HKDF-SHA-256(key, salt, "dchat stream v1" and the associated data)
 *     nonce = prefix, the piece's number (4, big-endian), 1 for the last piece and else 0
 *
 * So a piece that is moved, repeated, left out or of another stream doesn't open, and neither does a stream that was
 * cut off or goes on behind its last piece. One key serves many streams.
 *
 * What it does not protect: pieces are handed out as they are authenticated, each by itself. Whether the stream is
 * whole is known at `finish` alone, and who acts on pieces before acts on what may have been cut off. Lengths show.
 */
import { expectBytes, refuseArgument } from "./argument.ts";
import { CryptoError } from "./error.ts";
import type { Aead, AeadStream, Hash, OpenStream, Random, SealStream } from "./port.ts";

const PIECE_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const SALT_BYTES = 32;
const PREFIX_BYTES = 7;
/** It is kept until the salt has come. */
const AD_BYTES_MAX = 64 * 1024;
const PIECES_MAX = 2 ** 32;
const INFO = new TextEncoder().encode("dchat stream v1");
const EMPTY = new Uint8Array(0);

/** What a stream is made of. */
interface StreamParts {
  readonly aead: Aead;
  readonly hkdfSha256: Hash["hkdfSha256"];
  readonly random: Random;
}

/** One stream's key, and the nonce of each of its pieces in turn. */
class Pieces implements Disposable {
  readonly #aead: Aead;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(12);
  #count = 0;

  constructor(
    { aead, hkdfSha256 }: StreamParts,
    { key, salt, ad }: Record<"key" | "salt" | "ad", Uint8Array>,
  ) {
    const info = new Uint8Array(INFO.length + ad.length);
    info.set(INFO);
    info.set(ad, INFO.length);
    const derived = hkdfSha256({ ikm: key, salt, info, length: aead.keyBytes + PREFIX_BYTES });
    this.#aead = aead;
    this.#key = derived.slice(0, aead.keyBytes);
    this.#nonce.set(derived.subarray(aead.keyBytes));
    derived.fill(0);
  }

  seal(piece: Uint8Array, last: boolean): Uint8Array {
    return this.#aead.seal(this.#key, this.#next(last), piece, EMPTY);
  }

  /** Null where it isn't authentic, or an empty one that another was before. */
  open(piece: Uint8Array, last: boolean): Uint8Array | null {
    if (piece.length === TAG_BYTES && this.#count > 0) return null;
    return this.#aead.open(this.#key, this.#next(last), piece, EMPTY);
  }

  #next(last: boolean): Uint8Array {
    if (this.#count >= PIECES_MAX) throw new CryptoError("argument", "data must be at most 2^32 pieces long");
    new DataView(this.#nonce.buffer).setUint32(PREFIX_BYTES, this.#count++);
    this.#nonce[11] = last ? 1 : 0;
    return this.#nonce;
  }

  [Symbol.dispose](): void {
    this.#key.fill(0);
    this.#nonce.fill(0);
  }
}

/** Cuts what comes into pieces of one length, and keeps the last, whole or not, until more comes. */
class Cutter implements Disposable {
  readonly #kept: Uint8Array;
  #length = 0;

  constructor(length: number) {
    this.#kept = new Uint8Array(length);
  }

  /** How many pieces `data` completes. */
  ready(data: Uint8Array): number {
    return Math.max(0, Math.ceil((this.#length + data.length) / this.#kept.length) - 1);
  }

  /** The pieces that `data` completes, each until the next is asked for. */
  *cut(data: Uint8Array): Generator<Uint8Array> {
    const size = this.#kept.length;
    let at = 0;
    for (let left = this.ready(data); left > 0; left--) {
      const more = size - this.#length;
      if (more === size) {
        yield data.subarray(at, at + size);
      } else {
        this.#kept.set(data.subarray(at, at + more), this.#length);
        this.#length = 0;
        yield this.#kept;
      }
      at += more;
    }
    this.#kept.set(data.subarray(at), this.#length);
    this.#length += data.length - at;
  }

  /** The last piece. */
  rest(): Uint8Array {
    return this.#kept.subarray(0, this.#length);
  }

  [Symbol.dispose](): void {
    this.#kept.fill(0);
    this.#length = 0;
  }
}

class Sealing implements SealStream {
  readonly #pieces: Pieces;
  readonly #cutter = new Cutter(PIECE_BYTES);
  #salt: Uint8Array;
  #ended = false;

  constructor(pieces: Pieces, salt: Uint8Array) {
    this.#pieces = pieces;
    this.#salt = salt;
  }

  update(data: Uint8Array): Uint8Array {
    if (this.#ended) throw endedError();
    expectBytes("data", data);
    const head = this.#head();
    const out = new Uint8Array(head.length + this.#cutter.ready(data) * (PIECE_BYTES + TAG_BYTES));
    out.set(head);
    let at = head.length;
    for (const piece of this.#cutter.cut(data)) {
      out.set(this.#pieces.seal(piece, false), at);
      at += PIECE_BYTES + TAG_BYTES;
    }
    return out;
  }

  finish(): Uint8Array {
    if (this.#ended) throw endedError();
    const head = this.#head();
    const last = this.#pieces.seal(this.#cutter.rest(), true);
    this[Symbol.dispose]();
    const out = new Uint8Array(head.length + last.length);
    out.set(head);
    out.set(last, head.length);
    return out;
  }

  /** The salt, the first time. */
  #head(): Uint8Array {
    const salt = this.#salt;
    this.#salt = EMPTY;
    return salt;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#pieces[Symbol.dispose]();
    this.#cutter[Symbol.dispose]();
  }
}

class Opening implements OpenStream {
  readonly #begin: (salt: Uint8Array) => Pieces;
  readonly #cutter = new Cutter(PIECE_BYTES + TAG_BYTES);
  readonly #salt = new Uint8Array(SALT_BYTES);
  #salted = 0;
  #pieces: Pieces | null = null;
  #state: "open" | "refused" | "ended" = "open";
  #wipe: () => void;

  constructor(begin: (salt: Uint8Array) => Pieces, wipe: () => void) {
    this.#begin = begin;
    this.#wipe = wipe;
  }

  update(data: Uint8Array): Uint8Array | null {
    if (this.#state === "ended") throw endedError();
    expectBytes("data", data);
    if (this.#state === "refused") return null;
    const body = this.#behindSalt(data);
    const out = new Uint8Array(this.#cutter.ready(body) * PIECE_BYTES);
    let at = 0;
    for (const piece of this.#cutter.cut(body)) {
      const opened = this.#pieces?.open(piece, false) ?? null;
      if (opened === null) return this.#refuse(out);
      out.set(opened, at);
      opened.fill(0);
      at += opened.length;
    }
    return out;
  }

  finish(): Uint8Array | null {
    if (this.#state === "ended") throw endedError();
    const last = this.#state === "open" ? (this.#pieces?.open(this.#cutter.rest(), true) ?? null) : null;
    this[Symbol.dispose]();
    return last;
  }

  /** What of `data` comes behind the salt; once that is whole, the stream's key is made. */
  #behindSalt(data: Uint8Array): Uint8Array {
    const head = data.subarray(0, SALT_BYTES - this.#salted);
    this.#salt.set(head, this.#salted);
    this.#salted += head.length;
    if (this.#salted === SALT_BYTES && this.#pieces === null) {
      this.#pieces = this.#begin(this.#salt);
      this.#wipe();
    }
    return data.subarray(head.length);
  }

  #refuse(out: Uint8Array): null {
    out.fill(0);
    this.#clear();
    this.#state = "refused";
    return null;
  }

  #clear(): void {
    this.#wipe();
    this.#pieces?.[Symbol.dispose]();
    this.#cutter[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#clear();
    this.#state = "ended";
  }
}

function endedError(): CryptoError {
  return new CryptoError("disposed", "the stream has ended");
}

/** Streams over `aead`, whose nonces take 12 bytes. */
export function openAeadStream(parts: StreamParts): AeadStream {
  const { keyBytes } = parts.aead;
  function expectHead(key: unknown, ad: unknown): void {
    expectBytes("key", key, keyBytes);
    expectBytes("ad", ad);
    if (ad.length > AD_BYTES_MAX) refuseArgument("ad", `at most ${AD_BYTES_MAX} bytes`, ad);
  }
  return {
    keyBytes,
    seal(key, ad) {
      expectHead(key, ad);
      const salt = parts.random.bytes(SALT_BYTES);
      return new Sealing(new Pieces(parts, { key, salt, ad }), salt);
    },
    open(key, ad) {
      expectHead(key, ad);
      const [ownKey, ownAd] = [key.slice(), ad.slice()];
      return new Opening(
        (salt) => new Pieces(parts, { key: ownKey, salt, ad: ownAd }),
        () => void ownKey.fill(0),
      );
    },
  };
}
