/**
 * The line before the store. While one batch is being fsynced the next one gathers: as many commands as came,
 * at most BATCH_COMMANDS_MAX and BATCH_BYTES_MAX, so one fsync serves all of them and nobody waits for a timer.
 */
import { type Clock, limit } from "../../ground/mod.ts";
import type { MailboxStore, Outcome } from "../../mailbox/mod.ts";
import type { CheckedCommand } from "../../wire/mod.ts";

/** A command on its way, and how much memory it holds. */
export interface Waiting {
  readonly command: CheckedCommand;
  readonly bytes: number;
}

export interface CommitLineOptions<T extends Waiting> {
  readonly store: MailboxStore;
  readonly clock: Clock;
  readonly ttlMsMax: number;
  /** A batch is on disk: one outcome for each of its commands, in order. Batches come in the order of commits. */
  committed(batch: readonly T[], outcomes: readonly Outcome[]): void;
  /** The store failed: nothing of the batch may be answered as kept. */
  failed(batch: readonly T[], error: unknown): void;
}

export class CommitLine<T extends Waiting> {
  readonly #options: CommitLineOptions<T>;
  #waiting: T[] = [];
  #reserved = 0;
  #reservedBytes = 0;
  #committing = false;
  readonly #idle: (() => void)[] = [];

  constructor(options: CommitLineOptions<T>) {
    this.#options = options;
  }

  /** Whether nothing waits and nothing is under way. */
  get idle(): boolean {
    return !this.#committing && this.#waiting.length === 0;
  }

  /** Takes a place for a command of `bytes` that `push` brings later; the limit's name where there is none, else null. */
  reserve(bytes: number): string | null {
    if (this.#reserved >= limit.QUEUE_COMMANDS_MAX) return "QUEUE_COMMANDS_MAX";
    if (this.#reservedBytes + bytes > limit.QUEUE_BYTES_MAX) return "QUEUE_BYTES_MAX";
    this.#reserved += 1;
    this.#reservedBytes += bytes;
    return null;
  }

  /** Gives back a place that was reserved and isn't used. */
  release(bytes: number): void {
    this.#reserved -= 1;
    this.#reservedBytes -= bytes;
  }

  /** Puts `items`, each with its place reserved, in line, in order. */
  push(items: readonly T[]): void {
    for (const item of items) this.#waiting.push(item);
    this.#next();
  }

  /** Resolves when all that waits is committed or failed. */
  async settled(): Promise<void> {
    if (!this.idle) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    if (this.#committing) return;
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#committing = true;
    void this.#commit(this.#take());
  }

  async #commit(batch: readonly T[]): Promise<void> {
    const { store, clock, ttlMsMax } = this.#options;
    const commands = batch.map((each) => each.command);
    const kept = await store.commit(commands, { nowMs: clock.now(), ttlMsMax }).then(
      (outcomes) => ({ outcomes }),
      (error: unknown) => ({ error }),
    );
    // The store goes on with the next batch while this one is answered.
    this.#goOn();
    if ("outcomes" in kept) this.#options.committed(batch, kept.outcomes);
    else this.#options.failed(batch, kept.error);
  }

  #goOn(): void {
    this.#committing = false;
    if (this.#waiting.length > 0) this.#next();
    // Whoever waits for the end hears of it after this batch's answers.
    else queueMicrotask(() => this.#next());
  }

  #take(): T[] {
    let count = 0;
    let bytes = 0;
    for (const item of this.#waiting) {
      if (count > 0 && (count >= limit.BATCH_COMMANDS_MAX || bytes + item.bytes > limit.BATCH_BYTES_MAX))
        break;
      count += 1;
      bytes += item.bytes;
    }
    this.#reserved -= count;
    this.#reservedBytes -= bytes;
    const all = count === this.#waiting.length;
    const batch = all ? this.#waiting : this.#waiting.slice(0, count);
    this.#waiting = all ? [] : this.#waiting.slice(count);
    return batch;
  }
}
