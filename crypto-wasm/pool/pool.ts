import { expectSigned } from "../checked.ts";
import { CryptoError } from "../error.ts";
import type { Ed25519, SignedMessage } from "../port.ts";
import { packSigned } from "./pack.ts";
import type { PoolAnswer, PoolRequest } from "./worker.ts";

export interface VerifyPoolOptions {
  /** Does what stays in place. */
  readonly ed25519: Ed25519;
  /** As in `openCrypto`. */
  readonly backends?: "fast" | "portable";
  /** Threads; 1 by default. */
  readonly workers?: number;
  /** Batches of fewer signatures stay in place: below, moving them costs the loop more than it saves. */
  readonly signaturesMin?: number;
  /** Batches that one thread may have waiting; beyond, they are done in place. */
  readonly waitingMax?: number;
}

/** Verification of large batches beside the loop. */
export interface VerifyPool extends Disposable {
  /**
   * As `Ed25519.verifyBatch`, answered in the order of the calls. The items are borrowed for the call only. What is small, and everything while all
   * threads are full, is done at once in place: that slows whoever makes the work, and refuses nobody.
   */
  verifyBatch(items: readonly SignedMessage[]): Promise<readonly number[]>;
  /** Batches that are with a thread now. */
  readonly waiting: number;
}

/** Eight take 0.23 ms in place; moving a batch takes the loop 0.03 ms, whatever its size ("verify pool" in bun bench crypto). */
const SIGNATURES_MIN = 8;
const WAITING_MAX = 4;

/** The worker's script: beside this file from source, an entry of its own in a compiled program. */
function workerScript(): string | URL {
  return import.meta.url.includes("/$bunfs/")
    ? "./crypto-wasm/pool/worker.ts"
    : new URL("./worker.ts", import.meta.url);
}

interface Waiting {
  readonly resolve: (bad: readonly number[]) => void;
  readonly reject: (error: CryptoError) => void;
}

/** One thread and what it has been given. */
class Thread {
  readonly #worker = new Worker(workerScript(), { name: "crypto" });
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #gone = false;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<PoolAnswer>) => this.#answered(data));
    this.#worker.addEventListener("error", ({ message }) => this.end(message));
    this.#worker.addEventListener("close", () => this.end("it ended by itself"));
  }

  get gone(): boolean {
    return this.#gone;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  verify(build: PoolRequest["build"], items: readonly SignedMessage[]): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      this.#last += 1;
      this.#waiting.set(this.#last, { resolve, reject });
      const packed = packSigned(items);
      this.#worker.postMessage({ number: this.#last, build, packed } satisfies PoolRequest, [packed.buffer]);
    });
  }

  #answered(answer: PoolAnswer): void {
    const waiting = this.#waiting.get(answer.number);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.number);
    if ("bad" in answer) waiting.resolve(answer.bad);
    else waiting.reject(new CryptoError("backend", `A thread could not verify a batch: ${answer.failure}`));
  }

  /** Rejects what waits: its bytes are gone with the thread. */
  end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) {
      reject(new CryptoError("backend", `The thread that verified a batch is gone: ${reason}`));
    }
    this.#waiting.clear();
  }
}

function ignore(): void {}

/** Opens the threads. Each loads the WASM module when its first batch comes. */
export function openVerifyPool(options: VerifyPoolOptions): VerifyPool {
  const { ed25519, signaturesMin = SIGNATURES_MIN, waitingMax = WAITING_MAX } = options;
  const build = options.backends === "portable" ? "portable" : "auto";
  const threads = Array.from({ length: options.workers ?? 1 }, () => new Thread());

  /** The thread with the least to do, where one has room. */
  function free(): Thread | null {
    let best: Thread | null = null;
    for (const thread of threads) {
      if (thread.gone || thread.waiting >= waitingMax) continue;
      if (best === null || thread.waiting < best.waiting) best = thread;
    }
    return best;
  }

  async function start(items: readonly SignedMessage[]): Promise<readonly number[]> {
    const thread = items.length < signaturesMin ? null : free();
    if (thread === null) return ed25519.verifyBatch(items);
    expectSigned(items);
    return thread.verify(build, items);
  }

  let last: Promise<unknown> = Promise.resolve();

  return {
    get waiting() {
      return threads.reduce((sum, thread) => sum + thread.waiting, 0);
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
      for (const thread of threads) thread.end("the pool was disposed");
    },
  };
}
