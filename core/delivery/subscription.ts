import type { MailboxId } from "../ground/mod.ts";
import type { StoredEntry } from "../mailbox/mod.ts";
import type { DeliveryEvents, Ending, EntrySource } from "./port.ts";
import type { Turns } from "./turns.ts";

/** What all streams of a relay share. */
export interface Board {
  readonly source: EntrySource;
  readonly events: DeliveryEvents;
  readonly turns: Turns;
  /** The topic of `id`, known from now on to be committed to at least `size`. */
  topic(id: MailboxId, size: number): Topic;
  add(subscription: Subscription): void;
  remove(subscription: Subscription): void;
}

/** A stream as the board sees it. */
export interface Subscriber {
  /** Hands `entry` out where credit and window allow; false where not, and nothing happened. */
  push(subscription: Subscription, entry: StoredEntry): boolean;
  /** Puts `subscription` in line; from here on only a turn moves it. */
  fallBehind(subscription: Subscription): void;
  end(subscription: Subscription, ending: Ending): void;
}

/** The subscriptions to one mailbox, and how far its log is known to be committed. */
export interface Topic {
  /** The mailbox's id. Text, like the reader below: a view would hold the frame that it came in. */
  readonly hex: string;
  /** The first of a list that its members chain, so that a topic with one subscriber has no collection. */
  first: Subscription | null;
  size: number;
}

/** One reader's place in one mailbox: a position, never a copy. */
export interface Subscription {
  readonly stream: Subscriber;
  readonly topic: Topic;
  /** The request id that named it. */
  readonly request: number;
  /** The reader's key, lower-case hex. */
  readonly reader: string;
  readonly generation: number;
  /** The next sequence number to deliver. */
  position: number;
  /** Its "live" was sent. */
  live: boolean;
  /** It waits for a turn or has one: only the turn moves its position. */
  behind: boolean;
  ended: boolean;
  /** Neighbours among the topic's subscriptions. */
  next: Subscription | null;
  previous: Subscription | null;
}
