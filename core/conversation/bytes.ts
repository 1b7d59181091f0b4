import type { Fault } from "../ground/mod.ts";
import { fault } from "./fault.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One part of an encoding: a number with its width in bytes, bytes as they are, or bytes behind a 32-bit length. */
export type Part =
  | { readonly u8: number }
  | { readonly u16: number }
  | { readonly u32: number }
  /** At most 2^53 - 1. */
  | { readonly u64: number }
  | { readonly raw: Uint8Array }
  | { readonly sized: Uint8Array }
  | { readonly text: string };

function partBytes(part: Part): Uint8Array {
  if ("raw" in part) return part.raw;
  if ("sized" in part) return joined([{ u32: part.sized.length }, { raw: part.sized }]);
  if ("text" in part) return partBytes({ sized: encoder.encode(part.text) });
  const [width, value] =
    "u8" in part
      ? [1, part.u8]
      : "u16" in part
        ? [2, part.u16]
        : "u32" in part
          ? [4, part.u32]
          : [8, part.u64];
  const bytes = new Uint8Array(width);
  let rest = value;
  for (let at = width - 1; at >= 0; at--) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** All parts after one another, big-endian, in a fresh array. */
export function joined(parts: readonly Part[]): Uint8Array {
  const pieces = parts.map(partBytes);
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Reads what `joined` wrote; every method throws Fault<"conversation/malformed"> where bytes are missing. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** `bytes` are borrowed; what is read are copies. `what` names the thing in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #number(width: number): number {
    let value = 0;
    for (const byte of this.raw(width)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw this.fault("a number is out of range");
    return value;
  }

  u8(): number {
    return this.#number(1);
  }
  u16(): number {
    return this.#number(2);
  }
  u32(): number {
    return this.#number(4);
  }
  u64(): number {
    return this.#number(8);
  }

  raw(length: number): Uint8Array {
    if (this.left < length) throw this.fault(`${length} bytes expected, ${this.left} left`);
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  sized(): Uint8Array {
    return this.raw(this.u32());
  }

  text(): string {
    return this.#utf8(this.sized());
  }

  /** Everything that is left, as text. */
  restText(): string {
    return this.#utf8(this.raw(this.left));
  }

  #utf8(bytes: Uint8Array): string {
    try {
      return decoder.decode(bytes);
    } catch {
      throw this.fault("text is not UTF-8");
    }
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.left > 0) throw this.fault(`${this.left} bytes too many`);
  }

  fault(why: string): Fault<"conversation/malformed"> {
    return fault("conversation/malformed", `Malformed ${this.#what}: ${why}`);
  }
}
