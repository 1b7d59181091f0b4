import type { MailboxId, PublicKey } from "../ground/mod.ts";
import type { DeliveryStream } from "./stream.ts";

/** The subscriptions to one mailbox, and how far its log is known to be committed. */
export interface Topic {
  readonly id: MailboxId;
  readonly hex: string;
  readonly subscriptions: Set<Subscription>;
  size: number;
}

/** One reader's place in one mailbox: a position, never a copy. */
export interface Subscription {
  readonly stream: DeliveryStream;
  readonly topic: Topic;
  /** The request id that named it. */
  readonly request: number;
  readonly reader: PublicKey;
  readonly generation: number;
  /** The next sequence number to deliver. */
  position: number;
  /** Its "live" was sent. */
  live: boolean;
  /** It waits for a turn or has one: only the turn moves its position. */
  behind: boolean;
  ended: boolean;
}
