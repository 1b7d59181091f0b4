/**
 * How much one connection, and one signing key of one mailbox, may ask for: token buckets for each action, in the
 * form that needs one number a bucket, the time at which it is full again (the virtual scheduling of ITU-T I.371,
 * annex A). A bucket holds RATE_BURST_MS's worth, so in any time t no more than rate * (t + burst) is let through.
 *
 * What it does not protect from: many connections, each with a key and a mailbox of its own. Those are the edge's to
 * limit. A connection that comes anew has full buckets, for the price of a handshake; so has the key of a new turn,
 * for that of a control entry, which is no cheaper than a mailbox of one's own.
 */
import { limit } from "../../ground/mod.ts";
import type { Authority, Command, Op } from "../../wire/mod.ts";

/** What is asked for, a second: units of each action. */
export interface Rates {
  readonly creates: number;
  readonly appends: number;
  /** Bodies of appends; 0 for no limit. */
  readonly appendBytes: number;
  readonly reads: number;
  readonly subscribes: number;
}

/** The limit that is in the way, and in how many ms the same command would be let through, if nothing else came. */
export interface Overdrawn {
  readonly limit: string;
  readonly retryMs: number;
}

/** The buckets of one connection, a number for each action: as an array it takes half of what a typed one does. */
export type ConnectionBuckets = number[];

const CREATES = 0;
const APPENDS = 1;
const APPEND_BYTES = 2;
const READS = 3;
const SUBSCRIBES = 4;
/** Of the table that mailboxes share: what comes after is counted for a connection alone. */
const LANES = 5;
const MALFORMED = 5;

const LANE_NAMES = ["CREATES", "APPENDS", "APPEND_BYTES", "READS", "SUBSCRIBES", "MALFORMED"] as const;

const LANE_OF: Readonly<Record<Op, number>> = {
  create: CREATES,
  reset: CREATES,
  delete: CREATES,
  append: APPENDS,
  subscribe: SUBSCRIBES,
  describe: READS,
  read: READS,
  receipts: READS,
  acknowledge: READS,
  take: READS,
  proveInclusion: READS,
  proveConsistency: READS,
};

/** What sums of times may be off by: a burst that comes within one tick is let through to its last unit. */
const ROUNDING_MS = 0.01;

/** A power of two; with the lanes, 1.25 MiB a row, of which the system gives what was touched. */
const SLOT_BITS = 15;
const SLOTS = 2 ** SLOT_BITS;
const ROW = SLOTS * LANES;
/** One number and then one for each two bytes of a mailbox's id and a key. */
const ROW_SEEDS = 1 + 32;

/** Two places for each bucket, so that one is right as long as only the other is shared; equal where there is one. */
interface Place {
  readonly fullAtMs: Float64Array | ConnectionBuckets;
  readonly one: number;
  readonly other: number;
  /** Names of its limits, by lane. */
  readonly names: readonly string[];
}

/** The buckets of a connection that has asked for nothing yet. */
export function newBuckets(): ConnectionBuckets {
  return [0, 0, 0, 0, 0, 0];
}

/**
 * Counts commands against their buckets. The keys of mailboxes share a table of a fixed size: a key has a place in
 * each of two rows, chosen by a secret hash, and what it holds is the better of the two. Nothing is ever evicted, so
 * nobody can reset a bucket by crowding it out; a key is held up for others only where both its places were emptied
 * by them, which for f keys over their rate has a chance of (f / 32,768)^2.
 */
export class CommandRates {
  readonly #table = new Float64Array(2 * ROW);
  readonly #seeds: Uint32Array;
  /** What one unit of each lane takes to come back. */
  #msEach: readonly number[] = [];

  /** `random` gives bytes that nobody outside can guess. */
  constructor(rates: Rates, random: (length: number) => Uint8Array) {
    this.#seeds = new Uint32Array(random(2 * ROW_SEEDS * 4).slice().buffer);
    this.set(rates);
  }

  /** Bytes that all buckets of all mailboxes take, however many there are. */
  get tableBytes(): number {
    return this.#table.byteLength;
  }

  /** Changes the rates; what was asked for already counts as the time that it takes to come back. */
  set({ creates, appends, appendBytes, reads, subscribes }: Rates): void {
    const msOf = (rate: number): number => (rate === 0 ? 0 : 1000 / rate);
    const malformed = limit.MALFORMED_PER_SECOND_MAX;
    this.#msEach = [creates, appends, appendBytes, reads, subscribes, malformed].map(msOf);
  }

  /** Takes what `command` costs from its connection's buckets; where they lack it takes nothing and says so. */
  ofConnection(buckets: ConnectionBuckets, command: Command, nowMs: number): Overdrawn | null {
    return this.#take(placeOf(buckets), command, nowMs);
  }

  /**
   * Takes what a frame costs that is no command: one that moves a stream's own state as much as a reading, one that is
   * malformed from a bucket of its own. The limit's name where the connection's buckets lack it, else null.
   */
  ofFrame(buckets: ConnectionBuckets, is: "control" | "malformed", nowMs: number): string | null {
    const place = placeOf(buckets);
    const lane = is === "control" ? READS : MALFORMED;
    const fullAt = this.#fullAt(place, { lane, units: 1, nowMs });
    if (fullAt - nowMs - limit.RATE_BURST_MS > ROUNDING_MS) return place.names[lane] ?? "";
    raise(place, lane, fullAt);
    return null;
  }

  /**
   * Takes it from the buckets of the mailbox and the key that signed. To be asked once the signature was found good:
   * else whoever knows a mailbox could use up its members' buckets. Any mailbox has buckets, whether it exists or not.
   */
  ofSigner(command: Command, nowMs: number): Overdrawn | null {
    const one = slotOf(this.#seeds, 0, command.authority) * LANES;
    const other = ROW + slotOf(this.#seeds, ROW_SEEDS, command.authority) * LANES;
    return this.#take({ fullAtMs: this.#table, one, other, names: MAILBOX_NAMES }, command, nowMs);
  }

  #take(place: Place, { body }: Command, nowMs: number): Overdrawn | null {
    const lane = LANE_OF[body.op];
    const bytes = body.op === "append" ? body.entry.length : 0;
    const fullAt = this.#fullAt(place, { lane, units: 1, nowMs });
    const bytesFullAt = this.#fullAt(place, { lane: APPEND_BYTES, units: bytes, nowMs });
    const late = fullAt >= bytesFullAt ? lane : APPEND_BYTES;
    const waitMs = Math.max(fullAt, bytesFullAt) - nowMs - limit.RATE_BURST_MS;
    if (waitMs > ROUNDING_MS) return { limit: place.names[late] ?? "", retryMs: Math.floor(waitMs) + 1 };
    raise(place, lane, fullAt);
    if (bytes > 0) raise(place, APPEND_BYTES, bytesFullAt);
    return null;
  }

  /** When the bucket of `lane` would be full again after `units` were taken from it. */
  #fullAt(place: Place, asked: { lane: number; units: number; nowMs: number }): number {
    const { fullAtMs, one, other } = place;
    const { lane, units, nowMs } = asked;
    const best = Math.min(fullAtMs[one + lane] ?? 0, fullAtMs[other + lane] ?? 0);
    return Math.max(best, nowMs) + units * (this.#msEach[lane] ?? 0);
  }
}

const CONNECTION_NAMES = LANE_NAMES.map((name) => `CONNECTION_${name}_PER_SECOND_MAX`);
const MAILBOX_NAMES = LANE_NAMES.map((name) => `MAILBOX_${name}_PER_SECOND_MAX`);

function placeOf(fullAtMs: ConnectionBuckets): Place {
  return { fullAtMs, one: 0, other: 0, names: CONNECTION_NAMES };
}

/** A place that others have emptied further stays as it is: that is no debt of this key's. */
function raise({ fullAtMs, one, other }: Place, lane: number, toMs: number): void {
  if ((fullAtMs[one + lane] ?? 0) < toMs) fullAtMs[one + lane] = toMs;
  if ((fullAtMs[other + lane] ?? 0) < toMs) fullAtMs[other + lane] = toMs;
}

/**
 * The slot of a mailbox and a key: strongly universal multilinear hashing, 16 bits by 32 (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014), so that for whoever doesn't know the seeds any two fall together with a
 * chance of one in the number of slots, however they were chosen.
 */
function slotOf(seeds: Uint32Array, first: number, { mailbox, key }: Authority): number {
  let sum = seeds[first] ?? 0;
  for (let at = 0; at < 16; at++) {
    const ofMailbox = (mailbox[2 * at] ?? 0) | ((mailbox[2 * at + 1] ?? 0) << 8);
    const ofKey = (key[2 * at] ?? 0) | ((key[2 * at + 1] ?? 0) << 8);
    sum = (sum + Math.imul(seeds[first + 1 + 2 * at] ?? 0, ofMailbox)) | 0;
    sum = (sum + Math.imul(seeds[first + 2 + 2 * at] ?? 0, ofKey)) | 0;
  }
  return sum >>> (32 - SLOT_BITS);
}
