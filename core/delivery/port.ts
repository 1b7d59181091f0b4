/** What delivery needs of those around it: committed entries to read, a stream to write to, somebody who counts. */
import type { MailboxId } from "../ground/mod.ts";
import type { MailboxRow, Outcome, ReadRange, StoredEntry } from "../mailbox/mod.ts";

/** Committed rows only: what is seen here has been fsynced. A MailboxStore is one. */
export interface EntrySource {
  mailbox(id: MailboxId): Promise<MailboxRow | null>;
  read(id: MailboxId, range: ReadRange): Promise<readonly StoredEntry[]>;
}

/** Why a subscription is over: a refusal, or a generation that only the pipeline can sign for. */
export type Ending = Extract<Outcome, { readonly is: "refused" | "generation" }>;

/** Where one stream's deliveries go. None of these wait: what doesn't fit the peer's window the outlet holds. */
export interface Outlet {
  /** Whether writing goes straight out. While it is false nothing more is delivered; see DeliveryStream.writable. */
  readonly open: boolean;
  /** `entry` is borrowed: the same object goes to every subscriber. */
  entry(request: number, entry: StoredEntry): void;
  /** The subscription has delivered all below `row.size`. */
  live(request: number, row: MailboxRow): void;
  ended(request: number, ending: Ending): void;
}

/** Counted by telemetry. */
export interface DeliveryEvents {
  /** One entry with `bytes` of body went to a subscriber. */
  delivered(bytes: number): void;
  subscribed(open: number): void;
  error(error: unknown): void;
}
