/** Lines that may come by the thousand are written once a while, with how often they came in between. */
import type { Clock } from "../ground/mod.ts";

const INTERVAL_MS = 10_000;
const KEYS_MAX = 256;

interface Seen {
  writtenMs: number;
  since: number;
}

/** Decides which repeated lines are written. Holds at most 256 kinds; the oldest is forgotten. */
export class Quiet {
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many of `key` this line, which came so many times, stands for, itself included; 0 where it isn't to be written. */
  ask(key: string, came = 1): number {
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      if (this.#seen.size >= KEYS_MAX) this.#forgetOldest();
      this.#seen.set(key, { writtenMs: now, since: 0 });
      return came;
    }
    seen.since += came;
    if (now - seen.writtenMs < INTERVAL_MS) return 0;
    const times = seen.since;
    this.#seen.delete(key);
    this.#seen.set(key, { writtenMs: now, since: 0 });
    return times;
  }

  #forgetOldest(): void {
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
