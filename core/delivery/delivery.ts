/**
 * Committed entries to subscribers. The relay holds positions, not copies: who is behind reads from the store in
 * turns, who is at the head gets what was just committed straight from memory. A subscription's position is the
 * only truth about what it has, which is why replay and live meet without a gap or a duplicate.
 */
import { limit, type MailboxId, type PublicKey } from "../ground/mod.ts";
import type { MailboxRow, StoredEntry } from "../mailbox/mod.ts";
import type { DeliveryEvents, Ending, EntrySource, Outlet } from "./port.ts";
import { DeliveryStream } from "./stream.ts";
import type { Board, Subscription, Topic } from "./subscription.ts";
import { Turns } from "./turns.ts";

export interface DeliveryOptions {
  readonly source: EntrySource;
  readonly events: DeliveryEvents;
}

/**
 * All subscriptions of a relay process. Tell it of commits in the order in which they happened, and of a
 * subscription in its command's place among them.
 */
export class Delivery implements Board {
  readonly source: EntrySource;
  readonly events: DeliveryEvents;
  readonly turns = new Turns(limit.DELIVERY_TURNS_MAX);
  readonly #topics = new Map<string, Topic>();
  #subscriptions = 0;

  constructor(options: DeliveryOptions) {
    this.source = options.source;
    this.events = options.events;
  }

  /** Subscriptions open now. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** The deliveries of one stream; close it when the stream is gone. */
  stream(outlet: Outlet): DeliveryStream {
    return new DeliveryStream(this, outlet);
  }

  /** Whether anyone listens to `id`: nobody has to prepare an entry that nobody takes. */
  listens(id: MailboxId): boolean {
    return this.#topics.size > 0 && this.#topics.has(id.toHex());
  }

  /** `entry` of `mailbox` is on disk. Whoever is at the head gets it now; the others will read it. */
  committed(mailbox: MailboxId, entry: StoredEntry): void {
    const topic = this.#topics.get(mailbox.toHex());
    if (topic === undefined) return;
    topic.size = Math.max(topic.size, entry.seq + 1);
    for (let subscription = topic.first, next = null; subscription !== null; subscription = next) {
      next = subscription.next;
      if (subscription.ended || subscription.behind || subscription.position > entry.seq) continue;
      const straight = subscription.position === entry.seq && subscription.stream.push(subscription, entry);
      if (!straight) subscription.stream.fallBehind(subscription);
    }
  }

  /** Those of `readers` that listen to `mailbox` are no longer among its readers. */
  removed(mailbox: MailboxId, readers: readonly PublicKey[]): void {
    const topic = this.#topics.get(mailbox.toHex());
    if (topic === undefined || readers.length === 0) return;
    const gone = new Set(readers.map((each) => each.toHex()));
    this.#endWhere(topic, DENIED, (each) => gone.has(each.reader));
  }

  /** Keys were reset or policy changed: `row` says who still reads. */
  changed(row: MailboxRow): void {
    const topic = this.#topics.get(row.id.toHex());
    if (topic === undefined) return;
    topic.size = Math.max(topic.size, row.size);
    const readers = new Set(row.readers.map((each) => each.key.toHex()));
    const ending: Ending = row.deleted ? DENIED : { is: "generation", row };
    this.#endWhere(topic, ending, (each) => row.deleted || each.generation !== row.generation);
    this.#endWhere(topic, DENIED, (each) => !readers.has(each.reader));
  }

  /**
   * A commit to `mailbox` may or may not have happened, or happened unseen: its subscribers look it up, where it is
   * known which entry it kept those alone who haven't had that one.
   */
  doubtful(mailbox: MailboxId, seq = Number.POSITIVE_INFINITY): void {
    const topic = this.#topics.get(mailbox.toHex());
    for (let each = topic?.first ?? null; each !== null; each = each.next) {
      if (each.position <= seq) each.stream.fallBehind(each);
    }
  }

  /** Others may have committed to any mailbox: all subscribers look it up, and those who may no longer are told so. */
  doubtfulAll(): void {
    for (const { first } of this.#topics.values()) {
      for (let each = first; each !== null; each = each.next) each.stream.fallBehind(each);
    }
  }

  /** The mailbox is gone for good. */
  deleted(mailbox: MailboxId): void {
    const topic = this.#topics.get(mailbox.toHex());
    if (topic !== undefined) this.#endWhere(topic, DENIED, () => true);
  }

  topic(id: MailboxId, size: number): Topic {
    const hex = id.toHex();
    let topic = this.#topics.get(hex);
    if (topic === undefined) {
      topic = { hex, size, first: null };
      this.#topics.set(hex, topic);
    }
    topic.size = Math.max(topic.size, size);
    return topic;
  }

  add(subscription: Subscription): void {
    const { topic } = subscription;
    subscription.next = topic.first;
    if (topic.first !== null) topic.first.previous = subscription;
    topic.first = subscription;
    this.#subscriptions += 1;
    this.events.subscribed(this.#subscriptions);
  }

  remove(subscription: Subscription): void {
    const { topic, next, previous } = subscription;
    if (next !== null) next.previous = previous;
    if (previous !== null) previous.next = next;
    else topic.first = next;
    if (topic.first === null) this.#topics.delete(topic.hex);
    this.#subscriptions -= 1;
    this.events.subscribed(this.#subscriptions);
  }

  #endWhere(topic: Topic, ending: Ending, matches: (subscription: Subscription) => boolean): void {
    for (let each = topic.first, next = null; each !== null; each = next) {
      next = each.next;
      if (matches(each)) each.stream.end(each, ending);
    }
  }
}

const DENIED: Ending = { is: "refused", refusal: { code: "denied" } };
