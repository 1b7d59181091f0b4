import type { Reply } from "../../wire/mod.ts";

/** What waits for replies under a request id. */
export interface Waiter {
  /** One more reply; true when it was the last. */
  reply(reply: Reply): boolean;
  /** There will be none. */
  fail(error: Error): void;
}

interface Entry {
  readonly waiter: Waiter;
  readonly deadlineMs: number;
}

export interface PendingOptions {
  /** How long an answer may take before `expired` is called with its waiter. */
  readonly timeoutMs: number;
  readonly monotonic: () => number;
  expired(waiter: Waiter): void;
}

/**
 * Requests without their answers, by request id. One timer for all: since all have the same time, the first
 * that was asked is the first that is late.
 */
export class Pending {
  readonly #options: PendingOptions;
  readonly #entries = new Map<number, Entry>();
  readonly #endless = new Map<number, Waiter>();
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  /** Takes `waiter` in and returns its request id; `endless` ones, subscriptions, have no deadline. */
  add(waiter: Waiter, options: { readonly endless?: boolean } = {}): number {
    const request = this.#nextId();
    if (options.endless === true) this.#endless.set(request, waiter);
    else {
      const deadlineMs = this.#options.monotonic() + this.#options.timeoutMs;
      this.#entries.set(request, { waiter, deadlineMs });
      this.#arm();
    }
    return request;
  }

  /** Whether no answer is owed; subscriptions, which have no last one, aside. */
  get answered(): boolean {
    return this.#entries.size === 0;
  }

  get(request: number): Waiter | undefined {
    return this.#entries.get(request)?.waiter ?? this.#endless.get(request);
  }

  remove(request: number): void {
    this.#entries.delete(request);
    this.#endless.delete(request);
    if (this.#entries.size === 0 && this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  /** Fails all with `error`. */
  clear(error: Error): void {
    const waiters = [...[...this.#entries.values()].map(({ waiter }) => waiter), ...this.#endless.values()];
    this.#entries.clear();
    this.#endless.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const waiter of waiters) waiter.fail(error);
  }

  #nextId(): number {
    do this.#last = this.#last === 0xffff_ffff ? 1 : this.#last + 1;
    while (this.get(this.#last) !== undefined);
    return this.#last;
  }

  #arm(): void {
    if (this.#timer !== null) return;
    const [first] = this.#entries.values();
    if (first === undefined) return;
    const waitMs = Math.max(1, first.deadlineMs - this.#options.monotonic());
    this.#timer = setTimeout(() => this.#expire(), waitMs);
  }

  #expire(): void {
    this.#timer = null;
    const now = this.#options.monotonic();
    for (const [request, { waiter, deadlineMs }] of this.#entries) {
      if (deadlineMs > now) break;
      this.#entries.delete(request);
      this.#options.expired(waiter);
    }
    this.#arm();
  }
}
