import type { Clock } from "../ground/mod.ts";

const TICK_MS = 250;
/** A tick that comes this late says that this process stood still. */
const STALL_MS = 4 * TICK_MS;

/** Says the time now and then while it runs, but not at once after this process stood still. */
export class Ticks {
  readonly #clock: Clock;
  readonly #onTick: (now: number) => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #tickedMs = 0;
  /** Whether the last tick came late and ended nobody; the next one does, however late. */
  #spared = false;

  constructor(clock: Clock, onTick: (now: number) => void) {
    this.#clock = clock;
    this.#onTick = onTick;
  }

  /** Runs, where it doesn't yet. */
  start(): void {
    if (this.#timer !== null) return;
    this.#tickedMs = this.#clock.monotonic();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    // After a stall of our own, what peers sent meanwhile is read before anybody is called silent.
    this.#spared = !this.#spared && now - this.#tickedMs > STALL_MS;
    this.#tickedMs = now;
    if (!this.#spared) this.#onTick(now);
  }
}
