/** A store's front on the sockets' thread. The database is in a worker: commits wait for disks, and decisions take time. */
import { Fault, type Hash, limit, type MailboxId, type PublicKey } from "../ground/mod.ts";
import type {
  BatchOptions,
  MailboxRow,
  MailboxStore,
  Outcome,
  ReadRange,
  Receipt,
  StoreCounts,
  StoredEntry,
} from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { type Others, packBatch, unpackOutcomes } from "./batch_message.ts";
import { storeFault, type StoreFault } from "./fault.ts";
import { Lane } from "./lane.ts";
import type { NodePlace } from "./node_place.ts";
import { nameOf } from "./place_name.ts";
import type { OtherOutcomes, StoreAnswer, StoreMessage, StorePlace, StoreRequest } from "./worker_message.ts";

interface Waiting {
  readonly op: StoreRequest["op"];
  // The worker answers each request with the type that its method promises.
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Fault) => void;
}

/**
 * The worker's script. From source it stands beside this file; in a compiled dchat it is an entry of its own
 * (`bun build --compile --root . cmd/dchat.ts core/store/store_worker.ts`), named from the build's root.
 */
function workerScript(): string | URL {
  return import.meta.url.includes("/$bunfs/")
    ? "./core/store/store_worker.ts"
    : new URL("./store_worker.ts", import.meta.url);
}

/** What a batch's bare number as an answer says besides. */
const NOTHING: OtherOutcomes = [];

function committing(lane: Lane, others: Others<CheckedCommand>) {
  const { number } = lane;
  const memory = lane.introduce();
  const request = { op: "commit", memory, others } as const;
  const bare = memory === null && others.length === 0;
  return { number, op: request.op, message: bare ? number : { number, request } };
}

export interface FrontOptions {
  /** How long the worker may take for a batch or a reading. Default limit.STORE_ANSWER_MS. */
  readonly answerMs?: number;
}

class StoreFront implements MailboxStore {
  readonly #worker: Worker;
  readonly #answerMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #name: string;
  /** Lanes that no batch is on. */
  readonly #lanes: Lane[] = [];
  #last = 0;
  #lastLane = 0;
  /** Batches that weren't answered in time and still aren't. */
  #late = 0;
  /** Why the worker is gone, once it is. */
  #ended: string | null = null;

  constructor(name: string, { answerMs = limit.STORE_ANSWER_MS }: FrontOptions) {
    this.#name = name;
    this.#answerMs = answerMs;
    this.#worker = new Worker(workerScript(), { name: "store" });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<StoreAnswer>) => this.#answered(data));
    this.#worker.addEventListener("error", ({ message }) => this.#end(message.split("\n", 1)[0] ?? message));
  }

  #answered(answer: StoreAnswer): void {
    const number = typeof answer === "number" ? answer : answer.number;
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    if (typeof answer === "number") waiting.resolve(NOTHING as never);
    else if ("fault" in answer) waiting.reject(new Fault(answer.fault.code, answer.fault.message));
    else waiting.resolve(answer.value as never);
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    for (const { op, reject } of this.#waiting.values()) {
      const code =
        op === "commit" || op === "sweep" || op === "probe" ? "store/unknown" : "store/unavailable";
      reject(
        storeFault(code, `The store's thread for ${this.#name} ended: ${reason}; start the relay again`),
      );
    }
    this.#waiting.clear();
  }

  ask<T>(request: StoreRequest): Promise<T> {
    const number = ++this.#last;
    return this.#send<T>({ number, op: request.op, message: { number, request } });
  }

  #send<T>(sent: { number: number; op: StoreRequest["op"]; message: StoreMessage }): Promise<T> {
    const { number, op, message } = sent;
    return new Promise<T>((resolve, reject) => {
      if (this.#ended !== null) {
        reject(storeFault("store/unavailable", `The store for ${this.#name} is closed: ${this.#ended}`));
        return;
      }
      this.#waiting.set(number, { op, resolve, reject });
      this.#worker.postMessage(message, []);
    });
  }

  /** In time, as readings are: a disk or a server that hangs keeps nobody waiting for good. */
  async commit(batch: readonly CheckedCommand[], options: BatchOptions): Promise<readonly Outcome[]> {
    // What the worker was never asked to do it won't do later either.
    if (this.#late > 0) throw this.#silence("store/unavailable", `Cannot write to ${this.#name}`);
    const work = this.#commit(batch, options);
    return this.#inTime(work, () => {
      this.#late += 1;
      const ended = (): void => void (this.#late -= 1);
      work.then(ended, ended);
      return this.#silence("store/unknown", `Cannot say whether ${this.#name} keeps a batch`);
    });
  }

  async #commit(batch: readonly CheckedCommand[], options: BatchOptions): Promise<readonly Outcome[]> {
    const lane = this.#lanes.pop() ?? new Lane(--this.#lastLane);
    try {
      const others = packBatch(lane, batch, options);
      const outcomes = await this.#send<OtherOutcomes>(committing(lane, others));
      return unpackOutcomes(lane.memory, batch, outcomes);
    } finally {
      lane.rest();
      this.#lanes.push(lane);
    }
  }

  #silence(code: "store/unknown" | "store/unavailable", told: string): StoreFault {
    return storeFault(code, `${told}: it hasn't answered for ${this.#answerMs / 1000} s`);
  }

  /** Rejects with what `late` gives where `work` takes longer than it may; it goes on all the same. */
  async #inTime<T>(work: Promise<T>, late: () => StoreFault): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(late()), this.#answerMs);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #read<T>(request: StoreRequest): Promise<T> {
    return this.#inTime(this.ask<T>(request), () =>
      this.#silence("store/unavailable", `Cannot read from ${this.#name}`),
    );
  }

  mailbox(id: MailboxId): Promise<MailboxRow | null> {
    return this.#read({ op: "mailbox", id });
  }

  read(id: MailboxId, range: ReadRange): Promise<readonly StoredEntry[]> {
    return this.#read({ op: "read", id, range });
  }

  nodes(id: MailboxId, wanted: readonly NodePlace[]): Promise<readonly Hash[]> {
    return this.#read({ op: "nodes", id, wanted });
  }

  receipts(id: MailboxId, readers: readonly PublicKey[]): Promise<readonly Receipt[]> {
    return this.#read({ op: "receipts", id, readers });
  }

  sweep(nowMs: number): Promise<boolean> {
    return this.ask({ op: "sweep", nowMs });
  }

  counts(): Promise<StoreCounts> {
    return this.ask({ op: "counts" });
  }

  claim(by: PublicKey | null): Promise<PublicKey | null> {
    return this.ask({ op: "claim", by });
  }

  probe(bytes: number | null): Promise<void> {
    return this.ask({ op: "probe", bytes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== null) return;
    try {
      await this.ask({ op: "close" });
    } finally {
      this.#end("it was closed");
      this.#worker.terminate();
    }
  }
}

/** Opens `place` in a thread of its own; it is open when this resolves. Rejects with what the engine's opening throws. */
export async function openFront(place: StorePlace, options: FrontOptions = {}): Promise<MailboxStore> {
  const store = new StoreFront(place.kind === "sqlite" ? place.file.path : nameOf(place.url), options);
  try {
    await store.ask({ op: "open", place });
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
