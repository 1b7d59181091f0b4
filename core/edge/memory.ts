import { limit } from "../ground/mod.ts";

/** Of the connections that were there when memory was full, as many as may be there again. */
const MEMORY_AGAIN = 0.9;
/** Memory of so many times what it was when it was full has grown, whoever left. */
const MEMORY_GROWN = 1.05;
/** The same where garbage is counted with it. */
const MEMORY_GROWN_UNTIDIED = 1.5;

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
  /** How many connections there were when memory was found over its budget, or grown since; null while it isn't over. */
  #fullAt: number | null = null;
  /** Resident bytes then. */
  #fullBytes = 0;
  #hasGrown = false;
  #lookedMs = -Infinity;
  #tidiedMs = -Infinity;

  constructor(process = thisProcess) {
    this.#process = process;
  }

  /**
   * Whether more than `bytesMax` is held, 0 for no budget, when there are so many `connections`. What they leave
   * behind is used again and hardly given back, so resident memory doesn't fall with them: once it was over the
   * budget, there is room again when a tenth of the connections that were there then has left, and always for the
   * first. Where it grows on all the same, a tenth of those who are there when that shows has to leave.
   */
  isFull(bytesMax: number, { connections, now }: { connections: number; now: number }): boolean {
    if (bytesMax === 0) return false;
    if (now - this.#lookedMs >= limit.MEMORY_LOOK_MS) {
      this.#lookedMs = now;
      this.#look(bytesMax, { connections, now });
    }
    if (this.#fullAt === null || connections === 0) return false;
    return this.#hasGrown || connections >= this.#fullAt * MEMORY_AGAIN;
  }

  /** Garbage isn't what a budget is for, but to collect it costs those who are there: seldom, and only when it counts. */
  #look(bytesMax: number, { connections, now }: { connections: number; now: number }): void {
    let bytes = this.#process.rss();
    const isTidied = bytes > bytesMax && now - this.#tidiedMs >= limit.MEMORY_TIDY_MS;
    if (isTidied) {
      this.#tidiedMs = now;
      this.#process.tidy();
      bytes = this.#process.rss();
    }
    const grown = this.#fullBytes * MEMORY_GROWN;
    if (bytes <= bytesMax) this.#fullAt = null;
    else if (this.#fullAt === null || (isTidied && bytes > grown)) {
      this.#fullAt = Math.max(1, connections);
      this.#fullBytes = bytes;
    }
    this.#hasGrown = bytes > this.#fullBytes * MEMORY_GROWN_UNTIDIED;
  }
}
