/** What a decision answers: pure values that the pipeline turns into replies, signed after the fsync. */
import type { MailboxId } from "../ground/mod.ts";
import type { Refusal } from "../wire/mod.ts";
import type { EntryRow, MailboxRow } from "./port.ts";

export type Outcome =
  | { readonly is: "refused"; readonly refusal: Refusal }
  /** A store's answer alone: it can't read what it holds of the mailbox, so nothing was kept. `what` is for operators. */
  | { readonly is: "damaged"; readonly what: string }
  /** The mailbox's generation is another; the pipeline signs the statement from `row.started`. */
  | { readonly is: "generation"; readonly row: MailboxRow }
  | { readonly is: "created"; readonly row: MailboxRow }
  /** Kept now (`fresh`) or before; the promise is made from `entry`. Only fresh ones are delivered. */
  | {
      readonly is: "appended";
      readonly mailbox: MailboxId;
      readonly entry: EntryRow;
      readonly fresh: boolean;
    }
  | { readonly is: "acknowledged"; readonly cursor: number }
  /** Packages to read and hand out, by sequence number. */
  | { readonly is: "taken"; readonly row: MailboxRow; readonly seqs: readonly number[] }
  | { readonly is: "reset"; readonly row: MailboxRow }
  | { readonly is: "deleted" }
  /** The command may read; the pipeline goes on with the row as it stood in its place in the batch. */
  | { readonly is: "allowed"; readonly row: MailboxRow };
