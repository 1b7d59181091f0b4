import { limit } from "../ground/mod.ts";

/** Of the connections that were there when memory was full, as many as may be there again. */
const MEMORY_AGAIN = 0.9;

/** What a process holds, and how it gives back what it doesn't need. */
export interface ProcessMemory {
  /** Resident bytes. */
  readonly rss: () => number;
  /** Collects garbage; stops this thread for some tens of ms. */
  readonly tidy: () => void;
}

const thisProcess: ProcessMemory = {
  rss: () => process.memoryUsage.rss(),
  tidy: () => {
    Bun.gc(true);
    Bun.shrink();
  },
};

/** Whether resident memory is over its budget, so that new work is refused before old work suffers. */
export class MemoryBudget {
  readonly #process: ProcessMemory;
  /** How many connections there were when memory was first found over its budget; null while it isn't. */
  #fullAt: number | null = null;
  #lookedMs = -Infinity;
  #tidiedMs = -Infinity;

  constructor(process = thisProcess) {
    this.#process = process;
  }

  /**
   * Whether more than `bytesMax` is held, 0 for no budget, when there are so many `connections`. What they leave
   * behind is used again and hardly given back, so resident memory doesn't fall with them: once it was over the
   * budget, there is room again when a tenth of the connections that were there then has left, and always for the first.
   */
  isFull(bytesMax: number, { connections, now }: { connections: number; now: number }): boolean {
    if (bytesMax === 0) return false;
    if (now - this.#lookedMs >= limit.MEMORY_LOOK_MS) {
      this.#lookedMs = now;
      this.#fullAt = this.#isOver(bytesMax, now) ? (this.#fullAt ?? Math.max(1, connections)) : null;
    }
    return this.#fullAt !== null && connections >= this.#fullAt * MEMORY_AGAIN;
  }

  /** Garbage isn't what a budget is for, but to collect it costs those who are there: seldom, and only when it counts. */
  #isOver(bytesMax: number, now: number): boolean {
    if (this.#process.rss() <= bytesMax) return false;
    if (now - this.#tidiedMs < limit.MEMORY_TIDY_MS) return true;
    this.#tidiedMs = now;
    this.#process.tidy();
    return this.#process.rss() > bytesMax;
  }
}
