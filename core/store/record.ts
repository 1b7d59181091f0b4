/**
 * What a store holds, one row after the other, the same for both databases: backups, checks and moves are made of
 * these. A mailbox comes first, then its turns, its receipts, and its entries by sequence number.
 */
import type { Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import { storeFault } from "./fault.ts";
import { hex } from "./hashes.ts";
import type { EntryRow, MailboxRow, Receipt, StoreCounts, TurnRow } from "../mailbox/mod.ts";

/** An entry with all that is stored of it. */
export interface KeptEntry extends EntryRow {
  readonly mailbox: MailboxId;
  /** Hashes of the perfect subtrees that it completes, from its leaf upward. */
  readonly nodes: readonly Hash[];
  /** Length of the body that it has or had. */
  readonly bytes: number;
  /** Null where it has gone. */
  readonly entry: Uint8Array | null;
}

export interface ReceiptRecord {
  readonly is: "receipt";
  readonly receipt: Receipt;
  readonly sound: boolean;
}

export type StoreRecord =
  | { readonly is: "mailbox"; readonly row: MailboxRow; readonly sound: boolean }
  | { readonly is: "turn"; readonly mailbox: MailboxId; readonly turn: TurnRow; readonly sound: boolean }
  | ReceiptRecord
  | { readonly is: "entry"; readonly entry: KeptEntry; readonly sound: boolean }
  /** What can't be read as any of these, and where it is. */
  | { readonly is: "damage"; readonly what: string };

/** What is told of a mailbox whose readers' or receipts' rows don't add up to what it keeps. */
export function lackingRows(mailbox: MailboxId, what: "readers" | "receipts"): StoreRecord {
  return {
    is: "damage",
    what: `mailbox ${mailbox.toHex()}: its ${what} aren't those that it had last: rows are missing, or older ones came back`,
  };
}

export interface DatabaseStatus {
  readonly kind: "sqlite" | "postgres";
  /** The file, or the database's address without its password. */
  readonly where: string;
  /** The schema's version there; 0 where nothing was made yet. */
  readonly version: number;
  /** The version that this dchat knows. */
  readonly known: number;
}

/** A store's database for those who look after it, beside the relay or in its place. */
export interface StoreDatabase extends AsyncDisposable {
  status(): Promise<DatabaseStatus>;
  /** Brings the schema up to `known` and returns how many migrations that took. SQLite is copied before. */
  migrate(): Promise<number>;
  /** As MailboxStore.counts; wants a current schema. */
  counts(): Promise<StoreCounts>;
  /** As MailboxStore.claim(null). */
  relay(): Promise<PublicKey | null>;
  /** What the database itself finds wrong with its files and indexes. */
  integrity(): Promise<readonly string[]>;
  /** Everything, from one snapshot, while others may go on writing. `sound`: its checksum holds. */
  records(): AsyncIterable<StoreRecord>;
  /**
   * Fills an empty store, in one transaction: all of it or nothing. `relay` is whose it then is, whoever's the empty
   * one was; null leaves that as it is. Throws Fault<"store/filled"> where the store isn't empty, and what `records`
   * throws.
   */
  load(records: AsyncIterable<StoreRecord>, relay: PublicKey | null): Promise<void>;
  /**
   * Keeps relays from the database until it is disposed of: for what writes to it alone, or shared with others who read
   * it. Who works on it already, in words; null where nobody does. For SQLite the data directory's lock does so.
   */
  hold(how: "alone" | "shared"): Promise<string | null>;
}

/**
 * A mailbox's own record. Of a removed one there is no other, and no reader in it: what a sweep hasn't taken yet is
 * nobody's any more. Its entries would come with gaps, and a backup isn't to keep what its owner had removed.
 */
export function mailboxRecord(row: MailboxRow, sound: boolean): StoreRecord {
  return { is: "mailbox", row: row.deleted ? { ...row, readers: [] } : row, sound };
}

/** Of a file's records: a mailbox that is there already. */
export function againFault(id: MailboxId): Error {
  return storeFault("store/corrupt", `Cannot use the file: it is damaged: mailbox ${hex(id)} comes again`);
}
