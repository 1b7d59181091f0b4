/** Token buckets for any number of keys in memory of a fixed size: keys that fall together share one. */

/** A few keys in a million connections share a bucket; which ones, nobody outside can tell. */
const SLOTS = 8192;

export class Buckets {
  readonly #tokens = new Float32Array(SLOTS);
  /** Monotonic seconds of the last refill; 0 for never. */
  readonly #at = new Float64Array(SLOTS);
  readonly #seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

  /** Takes one token of `key`'s bucket; false where there is none. It fills by `perSecond`, up to `burst`. */
  take(key: string, now: number, { perSecond, burst }: { perSecond: number; burst: number }): boolean {
    const slot = Bun.hash.murmur32v3(key, this.#seed) % SLOTS;
    const at = this.#at[slot] ?? 0;
    const seconds = now / 1000;
    const held = at === 0 ? burst : Math.min(burst, (this.#tokens[slot] ?? 0) + (seconds - at) * perSecond);
    this.#at[slot] = seconds;
    this.#tokens[slot] = held >= 1 ? held - 1 : held;
    return held >= 1;
  }
}
