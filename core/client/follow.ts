/**
 * Staying with a conversation: caught up, then live, sending what other processes put into the outbox. Entries that
 * come while a transaction runs are taken together in the next one.
 */
import type { DeliveredEntry, Head, Refusal } from "../wire/mod.ts";
import { withKey } from "./device.ts";
import { catchUp } from "./founding.ts";
import { takeEntries } from "./intake.ts";
import { deliver } from "./outbox.ts";
import { retryAfterMs } from "./patience.ts";
import { current, type Line } from "./line.ts";
import { acknowledge, tidy } from "./sync.ts";

/** How often we look whether another process has left something to send. */
const LOOK_EVERY_MS = 150;
/** When a follower asks whether all have read what came, so that it may forget: then, and ever later while they haven't. */
const TIDY_MS = { FIRST: 10_000, LAST: 3_600_000 } as const;

/** What wakes a follower; one turn of its loop takes all that has gathered. */
interface Waiting {
  readonly entries: { readonly delivered: DeliveredEntry; readonly taken: () => void }[];
  head: Head | null;
  over: { readonly refusal: Refusal | null } | null;
  wake: () => void;
}

/**
 * Follows until the signal aborts, the connection ends, or the subscription does; returns then, and the caller
 * connects again. `onNews` runs after every transaction that may have brought something.
 */
export async function follow(
  line: Line & { readonly signal: AbortSignal },
  onNews: () => void,
): Promise<void> {
  await catchUp(line);
  onNews();
  await deliver(line);
  const { place, position, readerSeed } = await current(line);
  const waiting: Waiting = { entries: [], head: null, over: null, wake: () => undefined };
  const unsubscribe = await withKey(line.device, readerSeed, (key) =>
    line.session.subscribe(
      position.size,
      { mailbox: place.mailbox, generation: position.generation, key },
      sinkOf(waiting),
    ),
  );
  const stop = () => waiting.wake();
  line.signal.addEventListener("abort", stop, { once: true });
  try {
    await work(line, { waiting, generation: position.generation, onNews });
  } finally {
    line.signal.removeEventListener("abort", stop);
    unsubscribe();
    for (const { taken } of waiting.entries) taken();
  }
}

function sinkOf(waiting: Waiting) {
  return {
    entry(delivered: DeliveredEntry) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.entries.push({ delivered, taken: resolve });
      waiting.wake();
      return promise;
    },
    live(head: Head) {
      waiting.head = head;
      waiting.wake();
    },
    ended(refusal: Refusal | null) {
      waiting.over = { refusal };
      waiting.wake();
    },
  };
}

async function work(
  line: Line & { readonly signal: AbortSignal },
  context: { waiting: Waiting; generation: number; onNews: () => void },
): Promise<void> {
  const { waiting, onNews } = context;
  const { store } = line.device;
  const tidying = new Tidying(line);
  let revision = -1;
  while (!line.signal.aborted) {
    const batch = waiting.entries.splice(0);
    const head = waiting.head === null ? null : { certificate: line.session.certificate, head: waiting.head };
    waiting.head = null;
    if (batch.length > 0 || head !== null) {
      // The head of "live" is of the entries before it, and those behind it may be in the batch already.
      const entries = batch.map(({ delivered }) => delivered);
      await takeEntries(line.device, line.id, { generation: context.generation, entries, head });
      for (const { taken } of batch) taken();
      onNews();
      await acknowledge(line);
      tidying.begin();
    }
    // Looked at first: what comes while we work on this change counts as the next one.
    const now = store.revision();
    const isChanged = now !== revision;
    if (isChanged) {
      revision = now;
      onNews();
    }
    // What has come may be what makes new keys due.
    if (isChanged || batch.length > 0) {
      await deliver(line);
      if ((await current(line)).position.generation !== context.generation) return;
    }
    if (waiting.entries.length > 0) continue;
    await tidying.run();
    if (waiting.over !== null) {
      // Where it was refused for now, coming again at once would only be refused again.
      const retryMs = retryAfterMs(waiting.over.refusal);
      if (retryMs !== null) await nap(waiting, retryMs);
      return;
    }
    await nap(waiting, LOOK_EVERY_MS);
  }
}

/** Former epochs and what was sent are kept until all have read them, which nothing in the log says. */
class Tidying {
  readonly #line: Line;
  #waitMs: number = TIDY_MS.FIRST;
  #dueMs: number;

  constructor(line: Line) {
    this.#line = line;
    this.#dueMs = line.device.clock.monotonic() + this.#waitMs;
  }

  /** Something came. */
  begin(): void {
    this.#waitMs = TIDY_MS.FIRST;
    this.#dueMs = this.#line.device.clock.monotonic() + this.#waitMs;
  }

  async run(): Promise<void> {
    const { clock } = this.#line.device;
    if (clock.monotonic() < this.#dueMs) return;
    const read = await tidy(this.#line);
    // What mends a database that was set back goes out.
    await deliver(this.#line);
    const { position } = await current(this.#line);
    this.#waitMs = Math.min(this.#waitMs * 2, TIDY_MS.LAST);
    this.#dueMs = read < position.size ? clock.monotonic() + this.#waitMs : Number.POSITIVE_INFINITY;
  }
}

function nap(waiting: Waiting, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  waiting.wake = () => {
    clearTimeout(timer);
    resolve();
  };
  return promise;
}
