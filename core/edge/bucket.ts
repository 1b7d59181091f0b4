/**
 * Token buckets for any number of keys in memory of a fixed size, in the form that needs one number a bucket: the time
 * at which it is full again. A key has a place in each of two rows, chosen by a secret hash, and what it holds is the
 * better of the two: it is held up for others only where both were emptied by them, which for n keys over their rate
 * has a chance of (n / 8,192)^2. Nothing is evicted, so nobody gets a full bucket by crowding his own out.
 */

const SLOTS = 8192;
/** What sums of times may be off by: a burst that comes within one tick is let through to its last token. */
const ROUNDING_MS = 0.01;

export class Buckets {
  /** Monotonic ms; 0 for never touched. */
  readonly #fullAtMs = new Float64Array(2 * SLOTS);
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /** Takes one token of `key`'s bucket; false where there is none. It fills by `perSecond`, up to `burst`. */
  take(key: string, now: number, { perSecond, burst }: { perSecond: number; burst: number }): boolean {
    const one = Bun.hash.murmur32v3(key, this.#seeds[0]) % SLOTS;
    const other = SLOTS + (Bun.hash.murmur32v3(key, this.#seeds[1]) % SLOTS);
    const tokenMs = 1000 / perSecond;
    const best = Math.min(this.#fullAtMs[one] ?? 0, this.#fullAtMs[other] ?? 0);
    const fullAtMs = Math.max(best, now) + tokenMs;
    if (fullAtMs - now > burst * tokenMs + ROUNDING_MS) return false;
    this.#raise(one, fullAtMs);
    this.#raise(other, fullAtMs);
    return true;
  }

  /** A place that others have emptied further stays as it is: that is no debt of this key's. */
  #raise(place: number, fullAtMs: number): void {
    if ((this.#fullAtMs[place] ?? 0) < fullAtMs) this.#fullAtMs[place] = fullAtMs;
  }
}
