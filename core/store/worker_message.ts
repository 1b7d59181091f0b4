/** What goes between a store's front and the worker that holds the database. One answer to each request, by number. */
import type { MailboxId } from "../ground/mod.ts";
import type { BatchOptions, ReadRange } from "../mailbox/mod.ts";
import type { PackedBatch } from "./batch_message.ts";
import type { SqliteFile } from "./sqlite_open.ts";

/** What the worker opens. */
export type StorePlace =
  | { readonly kind: "sqlite"; readonly file: SqliteFile }
  | { readonly kind: "postgres"; readonly url: string };

export type StoreRequest =
  | { readonly op: "open"; readonly place: StorePlace }
  | { readonly op: "commit"; readonly batch: PackedBatch; readonly options: BatchOptions }
  | { readonly op: "mailbox"; readonly id: MailboxId }
  | { readonly op: "read"; readonly id: MailboxId; readonly range: ReadRange }
  | {
      readonly op: "nodes";
      readonly id: MailboxId;
      readonly wanted: readonly { readonly level: number; readonly index: number }[];
    }
  | { readonly op: "sweep"; readonly nowMs: number }
  | { readonly op: "counts" }
  | { readonly op: "probe" }
  | { readonly op: "close" };

export interface Numbered {
  readonly number: number;
  readonly request: StoreRequest;
}

/** `fault` crosses as its parts: a clone of an Error loses its class. */
export type StoreAnswer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly fault: { readonly code: string; readonly message: string } };
