/**
 * What clients ask of a relay on `/dchat/mailbox/1`, as values. Bytes become these once, at the door;
 * behind it nobody parses. The layout is docs/protocol/mailbox.md.
 *
 * A command does not protect its own privacy: the relay sees the mailbox, the signing key and the time.
 */
import type { EntryId, Hash, MailboxId, PublicKey, Signature } from "../ground/mod.ts";

/** What an owner sets for a mailbox. Part of the creation record, so it is under the mailbox's id. */
export interface Policy {
  /** Entries with bodies held at once. */
  readonly entriesMax: number;
  /** Bytes of bodies held at once. */
  readonly bytesMax: number;
  /** Life of a plain entry. Control entries live as long as the relay's maximum. */
  readonly ttlMs: number;
  /** How long a plain entry stays at least, though all cursors have passed it; 0 lets it go at once. */
  readonly retentionMs: number;
}

/** The mailbox's id is the SHA-256 of this record's encoding. */
export interface CreationRecord {
  readonly owner: PublicKey;
  /** Identity of the home relay at creation. */
  readonly relay: PublicKey;
  readonly policy: Policy;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
}

/** plain: for the turn's members · control: starts the next turn · package: waits for a TAKE · lastResort: a TAKE never uses it up. */
export type EntryKind = "plain" | "control" | "package" | "lastResort";

/** Keys that change together with a control entry. */
export interface TurnChange {
  /** Writer key of the next turn. */
  readonly writer: PublicKey;
  /** Readers that join: their cursors start after this entry. */
  readonly added: readonly PublicKey[];
  readonly removed: readonly PublicKey[];
}

/** Who asks, and until when it counts. `key` is checked against the mailbox inside the batch. */
export interface Authority {
  readonly mailbox: MailboxId;
  readonly generation: number;
  /** Unix ms after which the relay refuses the command. */
  readonly notAfterMs: number;
  readonly key: PublicKey;
  readonly signature: Signature;
}

export type CommandBody =
  /**
   * Signed by the record's owner. Idempotent. The authority's generation is the one that the mailbox starts
   * with: 1, or a later one where an owner makes again what a relay has lost.
   */
  | {
      readonly op: "create";
      readonly record: CreationRecord;
      readonly writer: PublicKey;
      readonly readers: readonly PublicKey[];
    }
  /** Signed by owner, writer or reader over the stream's nonce. */
  | { readonly op: "describe" }
  /**
   * plain and control: signed by the turn's writer key; package and lastResort: by the owner.
   * `slot` numbers the device that a package belongs to; 0 for other kinds.
   * `change` stands exactly with kind control. `entry` has exactly one of the size classes.
   */
  | {
      readonly op: "append";
      readonly id: EntryId;
      readonly turn: number;
      readonly kind: EntryKind;
      readonly slot: number;
      readonly change: TurnChange | null;
      readonly entry: Uint8Array;
    }
  /** Signed by a reader over the stream's nonce. Entries from sequence number `from`, at most `bytesMax` of bodies. */
  | { readonly op: "read"; readonly from: number; readonly bytesMax: number }
  /** Signed by a reader over the stream's nonce. Replays from `from`, then live; its request id names the subscription. */
  | { readonly op: "subscribe"; readonly from: number }
  /** Signed by a reader. Monotonic: entries below `cursor` were read. The signed command is the receipt. */
  | { readonly op: "acknowledge"; readonly cursor: number }
  /**
   * Signed by a reader over the stream's nonce. Receipts of the mailbox's readers, in the order of their keys, from
   * key `from` on.
   */
  | { readonly op: "receipts"; readonly from: PublicKey }
  /** Signed by the turn's writer key. Hands out one package a slot, once; the same `take` again gets the same packages. */
  | { readonly op: "take"; readonly take: EntryId }
  /** Signed by the owner, compare-and-set on `version`. Starts a turn; readers that stay keep their cursors. */
  | {
      readonly op: "reset";
      readonly version: number;
      readonly owner: PublicKey;
      readonly writer: PublicKey;
      readonly readers: readonly PublicKey[];
      readonly policy: Policy;
    }
  /** Signed by the owner. Idempotent; the id is never used again. */
  | { readonly op: "delete" }
  /** Signed by owner, writer or reader over the stream's nonce. Inclusion of `seq` in the tree of `size`. */
  | { readonly op: "proveInclusion"; readonly seq: number; readonly size: number }
  /** Likewise: the tree of size `from` is a prefix of the tree of size `to`. */
  | { readonly op: "proveConsistency"; readonly from: number; readonly to: number };

export type Op = CommandBody["op"];

/** A signed command as it came. `statement` is what the signature is over, ready for verification. */
export interface Command {
  readonly authority: Authority;
  readonly body: CommandBody;
  /** 160 bytes; see docs/protocol/mailbox.md, Statement. */
  readonly statement: Uint8Array;
  /** SHA-256 of `body.entry`, null where there is none. Computed once, on the way in. */
  readonly entryHash: Hash | null;
}

/** A command whose signature was checked, with the answer; decisions look at it like at any other ground for refusal. */
export interface CheckedCommand extends Command {
  readonly authentic: boolean;
}

/** What is not signed, since it moves no state: flow control of the stream it comes on. */
export type StreamControl =
  /** The client takes `bytes` more of entry bodies on this stream. */
  | { readonly op: "credit"; readonly bytes: number }
  | { readonly op: "unsubscribe"; readonly request: number };
