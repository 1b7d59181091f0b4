/**
 * What goes between a store's front and the worker that holds the database. One answer to each request, by number.
 *
 * A batch's number is its lane's, and where all of it is in the lane the number is the whole message; so is the
 * answer where all outcomes are: a bare number crosses at half the cost of the smallest object.
 */
import type { MailboxId, PublicKey } from "../ground/mod.ts";
import type { Outcome, ReadRange } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import type { Others } from "./batch_message.ts";
import type { SqliteFile } from "./sqlite/open.ts";

/** What the worker opens. */
export type StorePlace =
  | { readonly kind: "sqlite"; readonly file: SqliteFile }
  | { readonly kind: "postgres"; readonly url: string; readonly aloneMs: number | null };

export type StoreRequest =
  | { readonly op: "open"; readonly place: StorePlace }
  /** `memory` is the lane's where it's new; the numbers below zero are lanes'. */
  | {
      readonly op: "commit";
      readonly memory: SharedArrayBuffer | null;
      readonly others: Others<CheckedCommand>;
    }
  | { readonly op: "mailbox"; readonly id: MailboxId }
  | { readonly op: "read"; readonly id: MailboxId; readonly range: ReadRange }
  | {
      readonly op: "nodes";
      readonly id: MailboxId;
      readonly wanted: readonly { readonly level: number; readonly index: number }[];
    }
  | { readonly op: "receipts"; readonly id: MailboxId; readonly readers: readonly PublicKey[] }
  | { readonly op: "sweep"; readonly nowMs: number }
  | { readonly op: "counts" }
  | { readonly op: "claim"; readonly by: PublicKey | null }
  | { readonly op: "probe"; readonly bytes: number | null }
  | { readonly op: "close" };

export interface Numbered {
  readonly number: number;
  readonly request: StoreRequest;
}

/** To the worker; a bare number is the lane of a batch that is all in it. */
export type StoreMessage = Numbered | number;

/** A commit's `value`: the outcomes that aren't in the lane. */
export type OtherOutcomes = Others<Outcome>;

/** `fault` crosses as its parts: a clone of an Error loses its class. A bare number: all outcomes are in the lane. */
export type StoreAnswer =
  | number
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly fault: { readonly code: string; readonly message: string } };
