import { type Clock, limit } from "../ground/mod.ts";
import { ALL, type Link, type Portion } from "../link/mod.ts";

const PORTION: Portion = { frames: limit.INPUT_PORTION_FRAMES, bytes: limit.INPUT_PORTION_BYTES };

interface Receiver {
  readonly link: Pick<Link<unknown>, "isFull">;
  readonly inbound: boolean;
  /** Takes input, borrowed, `most` of it at once, and says how much. */
  take(bytes: Uint8Array, now: number, most: Portion): number;
}

/**
 * Shares the sockets' thread between those who bring much at once and everybody else. A portion is taken of what anybody
 * brings; what is more than that has INPUT_TURN_MS of one turn of the event loop, whosever it is, and the rest waits, in
 * order, until sockets were asked again.
 */
export class InputTurns<T> {
  readonly #clock: Clock;
  readonly #resume: (waiting: T) => void;
  readonly #waiting = new Set<T>();
  #spentMs = 0;

  /** `resume` goes on with one that waited. */
  constructor(clock: Clock, resume: (waiting: T) => void) {
    this.#clock = clock;
    this.#resume = resume;
  }

  /** Whether a turn has to begin before all its time is there again. */
  get isSpent(): boolean {
    return this.#spentMs > 0;
  }

  /**
   * Gives a connection input, borrowed, and says how much it took: fewer bytes than all where it is full or has to wait.
   * Whom we dialled doesn't wait: some of these sockets can't be paused, and what they bring meanwhile has a bound.
   */
  take(receiver: Receiver, bytes: Uint8Array, beganMs: number): number {
    const { link, inbound } = receiver;
    // What waits is held, and that has a bound too.
    if (!inbound || this.#waiting.size >= limit.INPUT_WAITING_MAX) return receiver.take(bytes, beganMs, ALL);
    let taken = receiver.take(bytes, beganMs, PORTION);
    let spentMs = this.#spentMs;
    while (taken < bytes.length && !link.isFull) {
      const now = this.#clock.monotonic();
      spentMs = this.#spentMs + now - beganMs;
      if (spentMs >= limit.INPUT_TURN_MS) break;
      taken += receiver.take(bytes.subarray(taken), now, PORTION);
    }
    this.#spentMs = spentMs;
    return taken;
  }

  /** Whether it waits for its turn. */
  has(one: T): boolean {
    return this.#waiting.has(one);
  }

  wait(waiting: T): void {
    this.#waiting.add(waiting);
  }

  /** Begins a turn; returns whether some still wait for the next. */
  begin(): boolean {
    this.#spentMs = 0;
    // Those who come back have had theirs.
    let left = this.#waiting.size;
    for (const next of this.#waiting) {
      if (left-- === 0 || this.#spentMs >= limit.INPUT_TURN_MS) break;
      this.#waiting.delete(next);
      this.#resume(next);
    }
    return this.#waiting.size > 0;
  }
}
