/**
 * Memory that a store's front and its worker both see, for one batch at a time on its way there and its outcomes
 * on their way back. Handing memory over, or cloning it, makes and frees an object on each thread: for a batch of
 * one append that costs more than its signature. Whoever receives copies what it keeps, since the lane is written
 * over by what comes next.
 */

/** Memory that a large batch made longer than this is given up after it, so that a burst leaves nothing behind. */
const KEPT_BYTES_MAX = 512 * 1024;
const FIRST_BYTES = 64 * 1024;

/** A lane's memory as one side sees it; the two overlap, each from the first byte on. */
export class LaneMemory {
  readonly shared: SharedArrayBuffer;
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.numbers = new Float64Array(shared);
    this.bytes = new Uint8Array(shared);
  }

  /** Whether the next batch finds it here; both sides drop it otherwise. */
  get stays(): boolean {
    return this.bytes.length <= KEPT_BYTES_MAX;
  }
}

const EMPTY = new LaneMemory(new SharedArrayBuffer(0));

/** The front's end of a lane: it owns the memory and says whether the worker knows it. */
export class Lane {
  /** Below zero: requests that are no batches count upward from 1. */
  readonly number: number;
  #memory = EMPTY;
  /** Whether the worker was told of the memory. */
  #known = false;

  constructor(number: number) {
    this.number = number;
  }

  get memory(): LaneMemory {
    return this.#memory;
  }

  /** Memory of at least `bytes`; what was in it may be gone. */
  of(bytes: number): LaneMemory {
    if (this.#memory.bytes.length >= bytes) return this.#memory;
    this.#known = false;
    const length = 2 ** Math.ceil(Math.log2(Math.max(bytes, FIRST_BYTES)));
    return (this.#memory = new LaneMemory(new SharedArrayBuffer(length)));
  }

  /** What the worker has to be told of the memory: nothing where it was told before. */
  introduce(): SharedArrayBuffer | null {
    if (this.#known) return null;
    this.#known = true;
    return this.#memory.shared;
  }

  /** Nothing in it is needed any more. */
  rest(): void {
    if (!this.#memory.stays) this.#memory = EMPTY;
  }
}
