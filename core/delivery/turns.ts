/**
 * Lets at most so many tasks run at once, first come first served, so that a thousand readers that come back
 * together share the store instead of filling memory with what they read.
 */
export class Turns {
  readonly #max: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `task` when its turn comes. It must not reject: it has nobody to tell. */
  ask(task: () => Promise<void>): void {
    if (this.#running < this.#max) void this.#run(task);
    else this.#waiting.push(task);
  }

  async #run(first: () => Promise<void>): Promise<void> {
    this.#running += 1;
    for (
      let task: (() => Promise<void>) | undefined = first;
      task !== undefined;
      task = this.#waiting.shift()
    ) {
      // One after another on purpose: this loop is one of the places at the store.
      // oxlint-disable-next-line no-await-in-loop
      await task();
    }
    this.#running -= 1;
  }
}
