/**
 * Places that more want than there are. Whoever has one keeps it while nobody waits; once somebody does, whoever
 * has had one the longest is asked to give it up, but not before its turn was `turnMs` long.
 */
import type { Clock } from "../ground/mod.ts";

export interface TurnsOptions {
  readonly places: number;
  readonly turnMs: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/** A place. Dispose gives it back. */
export interface Turn extends Disposable {
  /** Aborts when somebody else is to have the place. */
  readonly over: AbortSignal;
}

interface Held {
  readonly sinceMs: number;
  readonly over: AbortController;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting: (() => void)[] = [];
  /** In the order in which they began, the ones that were asked to go left out. */
  readonly #keeping = new Set<Held>();
  #taken = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Resolves when there is a place; who waits stands in line. */
  async take(): Promise<Turn> {
    if (this.#taken < this.#options.places) this.#taken += 1;
    else await this.#inLine();
    const held = { sinceMs: this.#options.clock.monotonic(), over: new AbortController() };
    this.#keeping.add(held);
    if (this.#waiting.length > this.#leaving) this.#ask();
    return { over: held.over.signal, [Symbol.dispose]: () => this.#give(held) };
  }

  /** How many were asked to go and haven't yet. */
  get #leaving(): number {
    return this.#taken - this.#keeping.size;
  }

  #inLine(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#ask();
    return promise;
  }

  /** Asks whoever has been there the longest. */
  #ask(): void {
    const [oldest] = this.#keeping;
    if (oldest === undefined) return;
    this.#keeping.delete(oldest);
    const { clock, turnMs } = this.#options;
    const leftMs = oldest.sinceMs + turnMs - clock.monotonic();
    const timer = setTimeout(() => oldest.over.abort(), Math.max(0, leftMs));
    timer.unref();
  }

  #give(held: Held): void {
    this.#keeping.delete(held);
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}
