import type { Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import type {
  BatchOptions,
  MailboxRow,
  Outcome,
  ReadRange,
  Receipt,
  StoreCounts,
  StoredEntry,
} from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import type { NodePlace } from "./node_place.ts";

type Now<T> = T | Promise<T>;

/** A store inside its thread: the methods of MailboxStore, at once where the database is a file. */
export interface StoreEngine {
  commit(batch: readonly CheckedCommand[], options: BatchOptions): Now<readonly Outcome[]>;
  mailbox(id: MailboxId): Now<MailboxRow | null>;
  read(id: MailboxId, range: ReadRange): Now<readonly StoredEntry[]>;
  nodes(id: MailboxId, wanted: readonly NodePlace[]): Now<readonly Hash[]>;
  receipts(id: MailboxId, readers: readonly PublicKey[]): Now<readonly Receipt[]>;
  sweep(nowMs: number): Now<boolean>;
  counts(): Now<StoreCounts>;
  claim(by: PublicKey | null): Now<PublicKey | null>;
  probe(bytes: number | null): Now<void>;
  /** What can wait until a batch's answers have left. */
  tend(): void;
  /** Ends connections and files in order. */
  close(): Now<void>;
}
