/** What a relay says on `/dchat/mailbox/1`, as values. The layout is docs/protocol/mailbox.md. */
import type { EntryId, Hash, MailboxId, Nonce, PublicKey, Signature } from "../ground/mod.ts";
import type { EntryKind, Policy } from "./command.ts";

/** The relay identity's word for one of its nodes. */
export interface NodeCertificate {
  readonly relay: PublicKey;
  /** Signs promises and heads. */
  readonly headKey: PublicKey;
  /** Protobuf-less: the multihash bytes of the node's PeerId. */
  readonly peerId: Uint8Array;
  readonly notAfterMs: number;
  /** By the relay identity. */
  readonly signature: Signature;
}

/** First frame of every stream, from the relay. */
export interface Hello {
  readonly versions: readonly number[];
  readonly nonce: Nonce;
  readonly certificate: NodeCertificate;
  readonly nowMs: number;
  readonly ttlMsMax: number;
}

/** What a Merkle leaf is made of; it outlives the body, so proofs do too. */
export interface LeafPreimage {
  readonly generation: number;
  readonly seq: number;
  readonly id: EntryId;
  readonly turn: number;
  readonly kind: EntryKind;
  readonly timeMs: number;
  readonly expiryMs: number;
  readonly entryHash: Hash;
}

/** Root of a mailbox's log at a size, signed by a node's head key from committed rows only. */
export interface Head {
  readonly mailbox: MailboxId;
  readonly generation: number;
  readonly size: number;
  readonly root: Hash;
  readonly timeMs: number;
  readonly signature: Signature;
}

/** A relay's signed word that an append is kept: one signature a batch, with the path of this one's statement. */
export interface AppendPromise {
  readonly mailbox: MailboxId;
  readonly generation: number;
  readonly seq: number;
  readonly leaf: Hash;
  readonly keptUntilMs: number;
  readonly batchIndex: number;
  readonly batchSize: number;
  readonly path: readonly Hash[];
  readonly batchTimeMs: number;
  readonly signature: Signature;
}

/** A head, and the certificate by which its signature is the relay's. */
export interface SignedHead {
  readonly certificate: NodeCertificate;
  readonly head: Head;
}

/** A promise, and the certificate by which its signature is the relay's. */
export interface SignedPromise {
  readonly certificate: NodeCertificate;
  readonly promise: AppendPromise;
}

/** An entry on its way to a reader; `entry` is null where its body has gone (a tombstone). */
export interface DeliveredEntry {
  readonly leaf: LeafPreimage;
  readonly entry: Uint8Array | null;
}

/** A relay's word for why a mailbox lives again: a restore or a move. */
export interface GenerationStatement {
  readonly mailbox: MailboxId;
  readonly generation: number;
  /** Size and root with which this generation starts. */
  readonly size: number;
  readonly root: Hash;
  readonly timeMs: number;
  readonly signature: Signature;
}

export interface ReaderState {
  readonly key: PublicKey;
  readonly cursor: number;
  readonly lapsed: boolean;
}

/** An acknowledge command as its reader signed it: all entries below `cursor` were read. */
export interface ReaderReceipt {
  readonly reader: PublicKey;
  /** Of the mailbox, as it was when the reader acknowledged. */
  readonly generation: number;
  readonly cursor: number;
  readonly notAfterMs: number;
  readonly signature: Signature;
}

export interface Description {
  readonly head: Head;
  readonly turn: number;
  readonly version: number;
  readonly policy: Policy;
  /** Lowest sequence number that may still have a body. */
  readonly floor: number;
  readonly entriesHeld: number;
  readonly bytesHeld: number;
  readonly readers: readonly ReaderState[];
  /** Null in the first generation. */
  readonly started: GenerationStatement | null;
  /** Roots of the perfect subtrees of the tree at `head.size`, left to right: from here a joiner computes later roots. */
  readonly peaks: readonly Hash[];
}

/** Why a command was refused. Whoever isn't authorised learns "denied" and nothing else, missing mailboxes included. */
export type Refusal =
  | { readonly code: "denied" }
  | { readonly code: "malformed" }
  /**
   * The command's turn is over, or not yet there; `turn` is the one that runs. `seq` is the last entry of the
   * command's turn: the control entry that ended it (the winner's), but where a reset ended it. 0 where the
   * turn has no entry.
   */
  | { readonly code: "turn"; readonly turn: number; readonly seq: number }
  | { readonly code: "version"; readonly version: number }
  | { readonly code: "full" }
  /** notAfter has passed, or is further away than the relay allows. */
  | { readonly code: "expired"; readonly nowMs: number }
  | { readonly code: "generation"; readonly started: GenerationStatement }
  /** The reader is behind the floor: what lies between is gone. */
  | { readonly code: "lapsed"; readonly floor: number }
  /** The range asked for isn't there (yet). */
  | { readonly code: "range"; readonly size: number }
  /** The same id was used for another entry. */
  | { readonly code: "reused" }
  /** The mailbox was deleted and its id is never used again; said to its owner alone. */
  | { readonly code: "gone" }
  /** No package waits. */
  | { readonly code: "empty" }
  /** Not now; again after this. */
  | { readonly code: "busy"; readonly retryMs: number }
  /** The store can't write; nothing was kept. */
  | { readonly code: "unavailable"; readonly retryMs: number }
  | { readonly code: "limit" }
  | { readonly code: "draining" }
  | { readonly code: "unsupported"; readonly versions: readonly number[] };

export type Reply =
  | ({ readonly is: "hello" } & Hello)
  | { readonly is: "refused"; readonly refusal: Refusal }
  | { readonly is: "created"; readonly generation: number; readonly size: number }
  | ({ readonly is: "described" } & Description)
  /** An append was kept; the same answer to the same id again. */
  | { readonly is: "appended"; readonly promise: AppendPromise }
  /** One entry of a read, a take or a subscription; the request id says which. */
  | ({ readonly is: "entry" } & DeliveredEntry)
  /** A read or a take is over. `next` is the sequence number to go on from. */
  | { readonly is: "done"; readonly next: number; readonly head: Head }
  /** A subscription has caught up: what follows is live. Once a subscription. */
  | { readonly is: "live"; readonly head: Head }
  /** A subscription has ended, and why. */
  | { readonly is: "ended"; readonly refusal: Refusal }
  | { readonly is: "acknowledged"; readonly cursor: number }
  /** In the order of the readers' keys, at most one a reader; `next` is the key to go on from, null where there are no more readers. */
  | { readonly is: "receipts"; readonly receipts: readonly ReaderReceipt[]; readonly next: PublicKey | null }
  | { readonly is: "reset"; readonly version: number; readonly turn: number; readonly seq: number }
  | { readonly is: "deleted" }
  | { readonly is: "proof"; readonly head: Head; readonly path: readonly Hash[] }
  /** The relay is going; reconnect after this. No request id. */
  | { readonly is: "goaway"; readonly retryMs: number };
