import { type Clock, limit } from "../ground/mod.ts";

/**
 * Shares the sockets' thread between handshakes and everybody else. A handshake costs as much as a hundred messages,
 * and strangers bring as many at once as they like. So while devices talk, handshakes get HANDSHAKE_TURN_MS of one
 * turn of the event loop, and the others wait, in order, until sockets were asked again. A turn has its own price,
 * about a tenth of a handshake, so while nobody talks they get HANDSHAKE_TURN_MS_MAX.
 */
export class HandshakeTurns<T> {
  readonly #clock: Clock;
  readonly #resume: (waiting: T) => void;
  #waiting: T[] = [];
  #spentMs = 0;
  #talkedMs = -Infinity;

  /** `resume` goes on with one that waited. */
  constructor(clock: Clock, resume: (waiting: T) => void) {
    this.#clock = clock;
    this.#resume = resume;
  }

  /** Whether this turn's time is up. */
  get isOver(): boolean {
    if (this.#spentMs < limit.HANDSHAKE_TURN_MS) return false;
    const isTalk = this.#clock.monotonic() - this.#talkedMs < limit.HANDSHAKE_TALK_MS;
    return isTalk || this.#spentMs >= limit.HANDSHAKE_TURN_MS_MAX;
  }

  /** Somebody who has been here for a while said something. */
  talked(nowMs: number): void {
    this.#talkedMs = nowMs;
  }

  spent(ms: number): void {
    this.#spentMs += ms;
  }

  wait(waiting: T): void {
    this.#waiting.push(waiting);
  }

  /** Begins a turn; returns whether some still wait for the next. */
  begin(): boolean {
    this.#spentMs = 0;
    const waiting = this.#waiting;
    if (waiting.length === 0) return false;
    let resumed = 0;
    while (resumed < waiting.length && !this.isOver) {
      const next = waiting[resumed++];
      if (next !== undefined) this.#resume(next);
    }
    this.#waiting = waiting.slice(resumed);
    return this.#waiting.length > 0;
  }
}
