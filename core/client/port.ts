/**
 * What a device needs of a relay: one authenticated session, whose replies have been checked against the relay's
 * certificate. core/client/session satisfies it over the edge's dialler; tests may satisfy it in memory.
 */
import type { SigningKey } from "@dchat/crypto-wasm";
import type { MailboxId, PublicKey } from "../ground/mod.ts";
import type {
  AppendPromise,
  CommandBody,
  DeliveredEntry,
  Description,
  Head,
  NodeCertificate,
  ReaderReceipt,
  Refusal,
} from "../wire/mod.ts";

/** Whose command it is, and on which mailbox. `key` is borrowed for the call. */
export interface Signing {
  readonly mailbox: MailboxId;
  readonly generation: number;
  readonly key: SigningKey;
}

export type Refused = { readonly is: "refused"; readonly refusal: Refusal };

export type ReadResult =
  | Refused
  /** Entries in order from the one asked for; `next` is the sequence number to go on from. */
  | {
      readonly is: "read";
      readonly entries: readonly DeliveredEntry[];
      readonly next: number;
      readonly head: Head;
    };

/**
 * Answers of commands that have one reply. Signatures of promises, heads and statements have been verified; those of
 * receipts haven't, since the relay isn't to say who a reader is.
 */
export type CommandResult =
  | Refused
  | { readonly is: "created"; readonly generation: number; readonly size: number }
  | ({ readonly is: "described" } & Description)
  | { readonly is: "appended"; readonly promise: AppendPromise }
  | { readonly is: "acknowledged"; readonly cursor: number }
  | { readonly is: "receipts"; readonly receipts: readonly ReaderReceipt[]; readonly next: PublicKey | null }
  | { readonly is: "reset"; readonly version: number; readonly turn: number; readonly seq: number }
  | { readonly is: "deleted" }
  | { readonly is: "proof"; readonly head: Head; readonly path: readonly Uint8Array[] };

export type SingleBody = Exclude<CommandBody, { op: "read" | "subscribe" | "take" }>;

export interface SubscriptionSink {
  /** In order, without a gap. The session gives credit back as `entry` resolves. */
  entry(entry: DeliveredEntry): Promise<void> | void;
  /** What was there at the start has been delivered; what follows is live. Once. */
  live(head: Head): Promise<void> | void;
  /** The subscription is over: refused, ended by the relay, or its connection gone (null). Once. */
  ended(refusal: Refusal | null): void;
}

/**
 * One connection to a relay, under a PeerId of its own. Every method throws Fault<"session/closed"> when the
 * connection ends before the answer, and Fault<"session/untrue"> when the relay's answer contradicts its signature.
 */
export interface RelaySession extends AsyncDisposable {
  /** By which the relay's identity speaks for this node: what its signatures are worth to others. */
  readonly certificate: NodeCertificate;
  /** The relay's clock minus ours, as it said hello. */
  readonly skewMs: number;
  /** Resolves when the connection is over, saying why. */
  readonly closed: Promise<string>;
  command(body: SingleBody, signing: Signing, options?: { signal?: AbortSignal }): Promise<CommandResult>;
  read(
    range: { from: number; bytesMax: number },
    signing: Signing,
    options?: { signal?: AbortSignal },
  ): Promise<ReadResult>;
  /** The same `take` again gets the same packages. */
  take(
    take: Extract<CommandBody, { op: "take" }>,
    signing: Signing,
    options?: { signal?: AbortSignal },
  ): Promise<ReadResult>;
  /** Returns what ends it. */
  subscribe(from: number, signing: Signing, sink: SubscriptionSink): () => void;
}

/**
 * Connects to the first of `addresses` that answers as a node of `relay`; null trusts whichever identity it shows.
 * Rejects in bounded time, naming each address that was tried and why it failed.
 */
export type DialRelay = (target: {
  readonly addresses: readonly string[];
  readonly relay: PublicKey | null;
  readonly signal?: AbortSignal;
}) => Promise<RelaySession & { readonly relay: PublicKey; readonly ttlMsMax: number }>;
