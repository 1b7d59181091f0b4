import { Fault, limit, mailboxId, type MailboxId, type PublicKey } from "../ground/mod.ts";
import type { MailboxRow, StoredEntry } from "../mailbox/mod.ts";
import type { Ending, Outlet } from "./port.ts";
import type { Board, Subscriber, Subscription } from "./subscription.ts";

/** A subscription as the pipeline asks for it, allowed by `row`'s place in its batch. */
export interface SubscribeOptions {
  readonly request: number;
  readonly mailbox: MailboxId;
  readonly reader: PublicKey;
  readonly from: number;
  readonly row: MailboxRow;
}

/**
 * The subscriptions of one stream, their shared credit, and the queue of those that are behind. Costs nothing
 * while nothing moves: no timer, no copy of an entry.
 */
export class DeliveryStream implements Subscriber {
  readonly #board: Board;
  readonly #outlet: Outlet;
  /** Few streams have many: an array is found through faster than a map of one weighs less. */
  #subscriptions: Subscription[] = [];
  #behind: Subscription[] = [];
  #creditBytes = 0;
  /** It stands in line for a turn or has one. */
  #inTurn = false;
  #closed = false;

  constructor(board: Board, outlet: Outlet) {
    this.#board = board;
    this.#outlet = outlet;
  }

  get creditBytes(): number {
    return this.#creditBytes;
  }

  get size(): number {
    return this.#subscriptions.length;
  }

  /**
   * Starts a subscription; false where its request id is in use, its reader has one to the mailbox here, or the stream
   * has SUBSCRIPTIONS_MAX.
   */
  subscribe(options: SubscribeOptions): boolean {
    const { request, row } = options;
    if (this.#closed) return true;
    if (this.size >= limit.SUBSCRIPTIONS_MAX || this.#find(request) !== undefined) return false;
    const reader = options.reader.toHex();
    const hex = options.mailbox.toHex();
    if (this.#subscriptions.some((each) => each.topic.hex === hex && each.reader === reader)) return false;
    const subscription: Subscription = {
      stream: this,
      topic: this.#board.topic(options.mailbox, row.size),
      request,
      reader,
      generation: row.generation,
      position: options.from,
      live: false,
      behind: false,
      ended: false,
      next: null,
      previous: null,
    };
    this.#subscriptions.push(subscription);
    this.#board.add(subscription);
    if (subscription.position === row.size) this.announce(subscription, row);
    if (!subscription.live || subscription.position < subscription.topic.size) this.fallBehind(subscription);
    return true;
  }

  /** Ends a subscription that the client gave up; unknown ids are ignored, since it may have ended meanwhile. */
  unsubscribe(request: number): void {
    const subscription = this.#find(request);
    if (subscription !== undefined) this.#forget(subscription);
  }

  /** The client takes `bytes` more; false where its credit would pass CREDIT_BYTES_MAX. */
  credit(bytes: number): boolean {
    if (this.#creditBytes + bytes > limit.CREDIT_BYTES_MAX) return false;
    this.#creditBytes += bytes;
    this.#askTurn();
    return true;
  }

  /** The outlet is open again. */
  writable(): void {
    this.#askTurn();
  }

  /** The stream is gone; nothing is written any more. */
  close(): void {
    this.#closed = true;
    for (const subscription of this.#subscriptions.splice(0)) this.#leave(subscription);
    this.#behind.length = 0;
  }

  push(subscription: Subscription, entry: StoredEntry): boolean {
    const bytes = entry.entry === null ? 0 : entry.entry.length;
    if (bytes > this.#creditBytes || !this.#outlet.open) return false;
    this.#creditBytes -= bytes;
    subscription.position = entry.seq + 1;
    this.#outlet.entry(subscription.request, entry);
    this.#board.events.delivered(bytes);
    return true;
  }

  announce(subscription: Subscription, row: MailboxRow): void {
    if (subscription.live) return;
    subscription.live = true;
    this.#outlet.live(subscription.request, row);
  }

  end(subscription: Subscription, ending: Ending): void {
    if (subscription.ended) return;
    this.#forget(subscription);
    if (!this.#closed) this.#outlet.ended(subscription.request, ending);
  }

  fallBehind(subscription: Subscription): void {
    if (subscription.behind || subscription.ended) return;
    subscription.behind = true;
    this.#behind.push(subscription);
    this.#askTurn();
  }

  #find(request: number): Subscription | undefined {
    return this.#subscriptions.find((each) => each.request === request);
  }

  #forget(subscription: Subscription): void {
    if (subscription.ended) return;
    this.#subscriptions = this.#subscriptions.filter((each) => each !== subscription);
    // While nothing moves, those in line would stay for as long as the stream does.
    this.#behind = this.#behind.filter((each) => each !== subscription);
    this.#leave(subscription);
  }

  #leave(subscription: Subscription): void {
    subscription.ended = true;
    this.#board.remove(subscription);
  }

  #askTurn(): void {
    if (this.#inTurn || this.#closed || !this.#mayMove()) return;
    this.#inTurn = true;
    void this.#board.turns.run(() => this.#turn());
  }

  #mayMove(): boolean {
    return this.#behind.length > 0 && this.#creditBytes > 0 && this.#outlet.open;
  }

  /** Serves the first in line for at most DELIVERY_TURN_BYTES, then sends it to the end of the line. */
  async #turn(): Promise<void> {
    const subscription = this.#mayMove() ? this.#behind.shift() : undefined;
    let stalled = false;
    if (subscription !== undefined) {
      try {
        stalled = await this.#serve(subscription);
      } catch (error) {
        this.#board.events.error(error);
        this.end(subscription, {
          is: "refused",
          refusal: { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT },
        });
      }
      subscription.behind = false;
      if (subscription.position < subscription.topic.size || !subscription.live) {
        this.fallBehind(subscription);
      }
    }
    this.#inTurn = false;
    // With too little credit for the next entry there is nothing to do before more of it comes.
    if (!stalled) this.#askTurn();
  }

  /** Delivers what a committed row covers; true where credit or window stopped it before anything moved. */
  async #serve(subscription: Subscription): Promise<boolean> {
    const { topic } = subscription;
    const source = this.#board.source;
    const id = mailboxId(Uint8Array.fromHex(topic.hex));
    const row = await source.mailbox(id);
    if (subscription.ended) return false;
    const ending = standing(subscription, row);
    if (ending !== null) {
      this.end(subscription, ending);
      return false;
    }
    if (row === null) return false;
    // A commit that was told late may have gone past what is known: then there is more than this turn takes.
    topic.size = Math.max(topic.size, row.size);
    const from = subscription.position;
    if (from < row.size) {
      const entries = await source.read(id, {
        from,
        bytesMax: Math.min(limit.DELIVERY_TURN_BYTES, this.#creditBytes),
        entriesMax: limit.DELIVERY_TURN_ENTRIES_MAX,
      });
      // Nothing of this may be handed out if the subscription ended, by a reset or a removal, while the store read.
      if (subscription.ended) return false;
      if (entries[0]?.seq !== from) {
        throw new Fault(
          "delivery/gap",
          `A store with ${row.size} entries has none at ${from} of ${topic.hex}`,
        );
      }
      for (const entry of entries) {
        if (entry.seq >= row.size || entry.seq !== subscription.position) break;
        if (!this.push(subscription, entry)) break;
      }
    }
    if (subscription.position >= row.size) this.announce(subscription, row);
    return subscription.position === from && from < row.size;
  }
}

/** Why `subscription` may not go on by the committed `row`, or null. The row tells its readers at its size. */
function standing(subscription: Subscription, row: MailboxRow | null): Ending | null {
  const denied = { is: "refused", refusal: { code: "denied" } } as const;
  if (row === null || row.deleted) return denied;
  const reader = row.readers.find((each) => each.key.toHex() === subscription.reader);
  if (reader === undefined) return denied;
  if (row.generation !== subscription.generation) return { is: "generation", row };
  // At the floor and above a reader that lapsed is served like any other, as a READ is.
  if (reader.lapsed && subscription.position < row.floor) {
    return { is: "refused", refusal: { code: "lapsed", floor: row.floor } };
  }
  return null;
}
