/** One thread of a pool: what it has been given, and what becomes of that when it dies. */
import { CryptoError } from "../error.ts";
import { errorOf, type PoolAnswer, type PoolRequest, type PoolTask, type PoolValues } from "./message.ts";

interface Waiting {
  readonly op: PoolTask["op"];
  // The worker answers each request with the type that its operation promises.
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Nobody waits for it any more; its answer is wiped. */
  dropped: boolean;
}

/** A step that is given to a thread. */
export interface Step<Op extends PoolTask["op"]> {
  readonly task: Extract<PoolTask, { op: Op }>;
  /** What moves; the sender's views are empty from then on. */
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
  readonly signal?: AbortSignal | undefined;
}

/** The worker's script: beside this file from source, an entry of its own in a compiled program. */
export function workerScript(): string | URL {
  return import.meta.url.includes("/$bunfs/")
    ? "./crypto-wasm/pool/worker.ts"
    : new URL("./worker.ts", import.meta.url);
}

export class Thread {
  readonly #worker: Worker;
  readonly #build: PoolRequest["build"];
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #steps = 0;
  #gone = false;
  #answered = false;

  constructor(script: string | URL, build: PoolRequest["build"]) {
    this.#build = build;
    this.#worker = new Worker(script, { name: "crypto" });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<PoolAnswer>) => this.#take(data));
    this.#worker.addEventListener("error", ({ message }) => {
      this.#worker.terminate();
      this.#end(new CryptoError("backend", `The thread of a pool is gone: ${message}`));
    });
    this.#worker.addEventListener("close", () => {
      this.#end(new CryptoError("backend", "The thread of a pool is gone: it ended by itself"));
    });
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Whether it ever did anything. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Requests that it has and hasn't answered. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Those of them that are steps of ceremonies, each of which takes long. */
  get steps(): number {
    return this.#steps;
  }

  /** The number that the next request gets. */
  get next(): number {
    return this.#last + 1;
  }

  /**
   * Has `task` done. An aborted one rejects at once with the signal's reason; what the thread then answers is wiped,
   * and it counts as waiting until then. Rejects with CryptoError("backend") where the thread dies of it or before.
   */
  ask<Op extends keyof PoolValues>(op: Op, { task, bytes, signal }: Step<Op>): Promise<PoolValues[Op]> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw signal.reason;
      if (this.#gone) throw new CryptoError("backend", "The thread of a pool is gone: begin anew");
      this.#last += 1;
      this.#post({ number: this.#last, build: this.#build, task }, bytes);
      const stop = (): void => {
        waiting.dropped = true;
        reject(signal?.reason);
      };
      const waiting: Waiting = {
        op,
        resolve: (value) => {
          signal?.removeEventListener("abort", stop);
          resolve(value);
        },
        reject: (error) => {
          signal?.removeEventListener("abort", stop);
          reject(error);
        },
        dropped: false,
      };
      this.#waiting.set(this.#last, waiting);
      if (op !== "verify") this.#steps += 1;
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Wipes the ceremony that request `number` began, after what it has been asked before. */
  drop(number: number): void {
    if (this.#gone) return;
    this.#last += 1;
    this.#post({ number: this.#last, build: this.#build, task: { op: "drop", ceremony: number } }, []);
  }

  /** Rejects what waits, and lets the thread wipe what it holds before it goes. */
  close(): void {
    if (this.#gone) return;
    this.#post({ number: 0, build: this.#build, task: { op: "close" } }, []);
    this.#worker.unref();
    this.#end(new CryptoError("disposed", "The pool was disposed"));
  }

  #post(request: PoolRequest, bytes: readonly Uint8Array<ArrayBuffer>[]): void {
    try {
      this.#worker.postMessage(
        request,
        bytes.map((each) => each.buffer),
      );
    } catch (cause) {
      throw new CryptoError("argument", "A thread can't be given that", { cause });
    }
  }

  #take(answer: PoolAnswer): void {
    this.#answered = true;
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (waiting !== undefined && waiting.op !== "verify") this.#steps -= 1;
    if (waiting === undefined || waiting.dropped) {
      if ("bytes" in answer) for (const bytes of answer.bytes) bytes.fill(0);
      return;
    }
    if ("failure" in answer) waiting.reject(errorOf(answer.failure));
    else waiting.resolve(answer.value as never);
  }

  #end(error: CryptoError): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#steps = 0;
  }
}
