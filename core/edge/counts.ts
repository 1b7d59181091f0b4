/** Counts occurrences of keys: exact, in an entry for each that has any. */
export class Counts {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more or one less of `key` and returns how many there are. */
  add(key: Uint8Array, change: 1 | -1): number {
    // A copy: whoever asks for a key's buffer makes the engine keep an object more for as long as the key lives.
    const name = Buffer.from(key).toString("latin1");
    const count = (this.#counts.get(name) ?? 0) + change;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
    return count;
  }
}
