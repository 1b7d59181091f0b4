import type { Clock } from "../../ground/mod.ts";

/** A timer that comes this late says that this process stood still, and not those who would be dropped by it. */
const STALL_MS = 1000;

export interface UnreadOptions<T> {
  readonly clock: Clock;
  readonly timeoutMs: () => number;
  /** Called with each that took nothing for as long as `timeoutMs`. */
  drop(stream: T): void;
}

/**
 * Streams of which the peers take nothing of what is held for them, longest first. A link knows only whether its
 * socket takes bytes: a peer that reads those and never opens a stream's window is found here. One timer for all,
 * and none while there are none.
 */
export class Unread<T> {
  readonly #options: UnreadOptions<T>;
  /** Since when, in monotonic ms. */
  readonly #since = new Map<T, number>();
  #isArmed = false;

  constructor(options: UnreadOptions<T>) {
    this.#options = options;
  }

  /** Something is held for `stream` from now on, or some of it was just taken and the rest is held. */
  waits(stream: T): void {
    // Map keeps the order of insertion.
    this.#since.delete(stream);
    this.#since.set(stream, this.#options.clock.monotonic());
    if (!this.#isArmed) this.#arm(this.#options.timeoutMs());
  }

  /** Nothing is held for `stream`, or it is gone. */
  ends(stream: T): void {
    this.#since.delete(stream);
  }

  #arm(ms: number): void {
    this.#isArmed = true;
    const dueMs = this.#options.clock.monotonic() + ms;
    const timer = setTimeout(() => {
      this.#isArmed = false;
      this.#look(dueMs);
    }, ms);
    timer.unref();
  }

  #look(dueMs: number): void {
    const { clock, timeoutMs } = this.#options;
    const now = clock.monotonic();
    if (now - dueMs > STALL_MS && this.#since.size > 0) return this.#arm(STALL_MS);
    for (const [stream, sinceMs] of this.#since) {
      const leftMs = sinceMs + timeoutMs() - now;
      if (leftMs > 0) return this.#arm(leftMs);
      this.#since.delete(stream);
      this.#options.drop(stream);
    }
  }
}
