import { RUNS_THREADS } from "#native";
import {
  type Check,
  expectArray,
  expectFields,
  expectFunction,
  oneOf,
  optional,
  refuseArgument,
  wholeIn,
} from "../argument.ts";
import { signedItems } from "../checked.ts";
import type { Frost } from "../frost/mod.ts";
import type { Ed25519, SignedMessage } from "../port.ts";
import { type FrostPool, frostPoolOn } from "./frost.ts";
import { packSigned } from "./pack.ts";
import { Thread, workerScript } from "./thread.ts";

export interface CryptoPoolOptions {
  /** Verifies what stays in place. */
  readonly ed25519: Ed25519;
  /** Does the ceremonies that stay in place, and gets the shares of the others; one is opened where it isn't given. */
  readonly frost?: Frost;
  /** As in `openCrypto`. */
  readonly backends?: "fast" | "portable";
  /** Threads; 1 by default, none in a browser. Each starts when there is something for it. */
  readonly workers?: number;
  /** Batches of fewer signatures stay in place, where their answers come sooner. */
  readonly signaturesMin?: number;
  /** Ceremonies among fewer members stay in place. */
  readonly membersMin?: number;
  /** Requests that one thread may have waiting; beyond, batches are done in place and ceremonies refused. */
  readonly waitingMax?: number;
  /** The thread's script, for a program that has it elsewhere than `bun run build` puts it. */
  readonly script?: string | URL;
}

/** Verification of large batches, and large steps of FROST's ceremonies, beside the loop. */
export interface CryptoPool extends Disposable {
  /**
   * As `Ed25519.verifyBatch`, answered in the order of the calls. The items are borrowed for the call only. What is
   * small, and everything while all threads are full or in a ceremony, is done at once in place: that slows whoever
   * makes the work, and refuses nobody.
   */
  verifyBatch(items: readonly SignedMessage[]): Promise<readonly number[]>;
  readonly frost: FrostPool;
  /** Requests that are with a thread now. */
  readonly waiting: number;
}

/**
 * A thread takes the loop's time from the first signature on (20 us in place of 70), and its answer comes later: after
 * 130 us in place of 100 for two, 340 in place of 256 for eight. So what holds the loop for less than a quarter of a
 * millisecond is answered at once, and what holds it longer is moved ("verify pool" in bun bench crypto).
 */
const SIGNATURES_MIN = 8;
const WAITING_MAX = 4;
/** Threads that died one after the other without any work done: then they don't run here, and all stays in place. */
const BARREN_MAX = 3;

function ignore(): void {}

/** The threads that live; one that died is replaced when there is something for it. */
export class Threads implements Disposable {
  readonly #threads: (Thread | null)[];
  readonly #start: () => Thread;
  readonly #waitingMax: number;
  #barren = 0;
  #closed = false;

  constructor(count: number, waitingMax: number, start: () => Thread) {
    this.#threads = Array.from({ length: count }, () => null);
    this.#waitingMax = waitingMax;
    this.#start = start;
  }

  /** Whether there are none to be had, so that all is done in place. */
  get none(): boolean {
    return this.#closed || this.#threads.length === 0 || this.#barren >= BARREN_MAX;
  }

  get waiting(): number {
    return this.#threads.reduce((sum, thread) => sum + (thread?.waiting ?? 0), 0);
  }

  /** Whether `thread` can take one more. */
  room(thread: Thread): boolean {
    return thread.waiting < this.#waitingMax;
  }

  /** The thread with the least to do, where one has room, and, for a batch, no ceremony that it would wait behind. */
  free(what: "batch" | "step"): Thread | null {
    let best: Thread | null = null;
    for (let at = 0; at < this.#threads.length && !this.none; at++) {
      const thread = this.#live(at);
      if (thread === null) return null;
      if (!this.room(thread) || (what === "batch" && thread.steps > 0)) continue;
      if (best === null || thread.waiting < best.waiting) best = thread;
      if (best.waiting === 0) return best;
    }
    return best;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const thread of this.#threads) thread?.close();
  }

  /** The thread at `at`, alive; null where one more would be in vain. */
  #live(at: number): Thread | null {
    const old = this.#threads[at];
    if (old != null && !old.gone) {
      if (old.answered) this.#barren = 0;
      return old;
    }
    if (old != null) this.#barren = old.answered ? 0 : this.#barren + 1;
    if (this.none) return null;
    const thread = this.#start();
    this.#threads[at] = thread;
    return thread;
  }
}

const COUNT = optional(wholeIn({ min: 0, max: 65_535 }));
const OPTIONS = {
  ed25519: (name, value) => expectFields(name, value, { verifyBatch: expectFunction }),
  frost: optional((name, value) => expectFields(name, value, { importShare: expectFunction })),
  backends: optional(oneOf("fast", "portable")),
  workers: COUNT,
  signaturesMin: COUNT,
  membersMin: COUNT,
  waitingMax: COUNT,
  script: optional((name, value) => {
    if (typeof value !== "string" && !(value instanceof URL)) refuseArgument(name, "a path or a URL", value);
  }),
} as const satisfies Record<string, Check>;

/** Opens a pool. A thread loads the WASM module when its first request comes. */
export function openCryptoPool(options: CryptoPoolOptions): CryptoPool {
  expectFields("options", options, OPTIONS);
  const { ed25519, signaturesMin = SIGNATURES_MIN, waitingMax = WAITING_MAX } = options;
  const build = options.backends === "portable" ? "portable" : "auto";
  const script = options.script ?? workerScript();
  const threads = new Threads(
    options.workers ?? Number(RUNS_THREADS),
    waitingMax,
    () => new Thread(script, build),
  );

  async function start(items: readonly SignedMessage[]): Promise<readonly number[]> {
    expectArray("items", items);
    const thread = items.length < signaturesMin ? null : threads.free("batch");
    if (thread === null) return ed25519.verifyBatch(items);
    const packed = packSigned(signedItems(items));
    return thread.ask("verify", { task: { op: "verify", packed }, bytes: [packed] });
  }

  let last: Promise<unknown> = Promise.resolve();

  return {
    frost: frostPoolOn(threads, options),
    get waiting() {
      return threads.waiting;
    },
    verifyBatch(items) {
      const answer = start(items);
      const ordered = last.then(() => answer);
      // Whoever called hears of a failure by `ordered`; the next in line only waits for it.
      answer.catch(ignore);
      last = ordered.catch(ignore);
      return ordered;
    },
    [Symbol.dispose]() {
      threads[Symbol.dispose]();
    },
  };
}
