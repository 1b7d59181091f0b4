/**
 * multistream-select 1.0: two sides agree on a protocol by lines of text, each with its length before it.
 * The same for a connection (security, muxer) and for each stream. It protects nothing: a man in the middle
 * may answer as he likes until Noise has spoken.
 *
 * Pipelining (V1Lazy of rust-libp2p) needs nothing special here: what follows the last line belongs to the
 * protocol that it names, and is left to the caller.
 */
import { limit } from "../ground/mod.ts";
import { concat, copyOf } from "./bytes.ts";
import { pushVarint } from "./protobuf.ts";

export const MULTISTREAM = "/multistream/1.0.0";
const REFUSED = "na";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A line as it goes over the wire: its length with the newline as a varint, the text, the newline. */
export function encodeLine(text: string): Uint8Array {
  const content = encoder.encode(`${text}\n`);
  const length: number[] = [];
  pushVarint(length, content.length);
  return concat(Uint8Array.from(length), content);
}

const HEADER_LINE = encodeLine(MULTISTREAM);
const REFUSED_LINE = encodeLine(REFUSED);

/** What a dialler sends first: the header and its one proposal, in one go. */
export function encodeProposal(protocol: string): Uint8Array {
  return concat(HEADER_LINE, encodeLine(protocol));
}

/** Who negotiates: says what it serves (as listener) and takes the lines that answer. */
export interface Negotiating {
  /** Whether the proposed protocol is served here. */
  serves(protocol: string): boolean;
  /** Sends a line, borrowed. */
  answer(line: Uint8Array): void;
}

/** How far a negotiation has come. "failed" means that the other side doesn't speak multistream-select. */
export type NegotiationState = "header" | "proposal" | "agreed" | "refused" | "failed";

/** One negotiation in either role; dropped as soon as it is over. */
export class Negotiation {
  state: NegotiationState = "header";
  /** What the two agreed on; for a dialler what it proposes. */
  protocol: string;
  readonly #dialler: boolean;
  #held: Uint8Array | null = null;
  #proposals = 0;

  /** `proposal` for the dialler, who has sent encodeProposal(proposal); null for the listener. */
  constructor(proposal: string | null) {
    this.#dialler = proposal !== null;
    this.protocol = proposal ?? "";
  }

  get over(): boolean {
    return this.state !== "header" && this.state !== "proposal";
  }

  /** Takes bytes[at, end), borrowed, and returns where the first byte that isn't the negotiation's stands. */
  receive(bytes: Uint8Array, at: number, end: number, other: Negotiating): number {
    const held = this.#held;
    this.#held = null;
    if (held !== null) {
      // A line that came in pieces: joined once, at most one line and what came with its end.
      const joined = concat(held, bytes.subarray(at, end));
      return this.receive(joined, 0, joined.length, other) - held.length + at;
    }
    let next = at;
    while (!this.over) {
      const line = this.#line(bytes, next, end, other);
      if (line === next) return end;
      next = line;
    }
    return next;
  }

  /** Deals with one line and returns where it ends; `at` where it isn't whole yet. */
  #line(bytes: Uint8Array, at: number, end: number, other: Negotiating): number {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    const two = first >= 0x80;
    const start = at + (two ? 2 : 1);
    const length = two ? (first & 0x7f) | (second << 7) : first;
    if (start <= end && (length === 0 || length > limit.MULTISTREAM_LINE_BYTES_MAX)) {
      this.state = "failed";
      return start;
    }
    if (start > end || start + length > end) {
      this.#held = at < end ? copyOf(bytes, at, end) : null;
      return at;
    }
    const stop = start + length;
    if (bytes[stop - 1] !== 0x0a) this.state = "failed";
    else this.#take(decoder.decode(bytes.subarray(start, stop - 1)), other);
    return stop;
  }

  #take(text: string, other: Negotiating): void {
    if (this.state === "header") {
      this.state = text === MULTISTREAM ? "proposal" : "failed";
      if (!this.#dialler && this.state === "proposal") other.answer(HEADER_LINE);
    } else if (this.#dialler) {
      this.state = text === this.protocol ? "agreed" : text === REFUSED ? "refused" : "failed";
    } else if (other.serves(text)) {
      this.protocol = text;
      this.state = "agreed";
      other.answer(encodeLine(text));
    } else {
      other.answer(REFUSED_LINE);
      if (++this.#proposals >= limit.MULTISTREAM_PROPOSALS_MAX) this.state = "failed";
    }
  }
}
