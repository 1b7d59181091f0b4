/**
 * What a device keeps, and the port of the database that keeps it. It stands here, below both the client that
 * drives it and the store that satisfies it. Bodies, keys and names are sealed by the store; the client never sees
 * the seal.
 */
import type { EntryId, Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import type { EntryKind, SignedHead, SignedPromise, TurnChange } from "../wire/mod.ts";
import type { SeenHead } from "./content.ts";
import type { Invite } from "./invite.ts";
import type { MailboxPlace } from "./place.ts";
import type { Ratchet } from "./state.ts";

/** How far this device has read and verified a mailbox's log. */
export interface Position {
  readonly generation: number;
  /** Entries read; the next sequence number. */
  readonly size: number;
  /** Roots of perfect subtrees at `size`, left to right. */
  readonly peaks: readonly Hash[];
  /** The mailbox's turn, as far as this device knows. */
  readonly turn: number;
  /** The cursor that the relay has acknowledged. */
  readonly acknowledged: number;
}

/**
 * What a conversation that we founded needs until the other side is seen to have joined: the Welcome goes out again
 * when a relay was restored, since it may have lost the first.
 */
export interface Founding {
  readonly invite: Invite;
  /** Whether the relay has the conversation's mailbox. */
  readonly made: boolean;
  /** The mailbox's generation in which the Welcome was last laid into the inbox; null until it was. */
  readonly laid: number | null;
  readonly welcomeId: EntryId;
  /** The sealed Welcome: a retry sends these bytes. */
  readonly welcomeEntry: Uint8Array;
}

export interface KeptConversation {
  readonly id: number;
  /** Unique on this device. */
  readonly name: string;
  /** Identity of the other person. */
  readonly peer: PublicKey;
  readonly createdMs: number;
  readonly place: MailboxPlace;
  /** Ed25519 seeds, 32 bytes each. */
  readonly ownerSeed: Uint8Array;
  readonly readerSeed: Uint8Array;
  readonly founding: Founding | null;
  readonly position: Position;
  /** What a relay or a member was caught at; shown to the person. */
  readonly alarms: readonly string[];
}

/** An invitation that we gave out, until it is over. */
export interface KeptInvite {
  readonly id: number;
  /** What whoever accepts is called here, or null for a name made from the safety number. */
  readonly name: string | null;
  readonly invite: Invite;
  readonly place: MailboxPlace;
  readonly ownerSeed: Uint8Array;
  readonly readerSeed: Uint8Array;
  /** `encodeOwnPackage`'s bytes; wiped when used. */
  readonly ownPackage: Uint8Array;
  /** Reader key's seed for the conversation that comes of it; the KeyPackage's leaf names its public half. */
  readonly pairReaderSeed: Uint8Array;
  readonly packageId: EntryId;
  readonly packageEntry: Uint8Array;
  /**
   * making: not yet at the relay · open: waits · closing: used or over, its inbox is still to be deleted · used: it is
   * deleted, and kept in mind until its time is over, since a relay that is restored has the inbox again.
   */
  readonly stage: "making" | "open" | "closing" | "used";
}

/** A TAKE that we sent: the same id again gets the same packages. */
export interface KeptAccept {
  readonly inbox: MailboxId;
  readonly take: EntryId;
  readonly name: string | null;
}

/** Something said in a conversation. `seq` is null while it waits to be sent. */
export interface KeptMessage {
  readonly conversation: number;
  readonly id: EntryId;
  readonly generation: number;
  readonly seq: number | null;
  readonly mine: boolean;
  readonly timeMs: number;
  readonly text: string;
  /** The log as its sender had verified it. */
  readonly head: SeenHead | null;
  readonly shown: boolean;
}

/** What goes out, or went out and is kept until all readers have it. Order is that of `order`. */
export interface KeptOutgoing {
  readonly order: number;
  readonly conversation: number;
  readonly id: EntryId;
  readonly kind: Extract<EntryKind, "plain" | "control">;
  /** Bytes as last sealed, the epoch that they are sealed in, the turn that they go out for; null while a text waits to be sealed. */
  readonly sealed: { readonly epoch: number; readonly turn: number; readonly entry: Uint8Array } | null;
  /** With a control entry. */
  readonly change: TurnChange | null;
  /** Where the relay promised to keep it, and as which leaf; null until then. */
  readonly sent: { readonly generation: number; readonly seq: number; readonly leaf: Hash } | null;
}

/** What proves that a relay broke its word. */
export interface KeptEvidence {
  readonly number: number;
  readonly conversation: number;
  /** When it was found, by this device's clock. */
  readonly foundMs: number;
  /** As docs/protocol/evidence.md has it. */
  readonly document: string;
}

/** One entry of a mailbox's log as this device verified it. */
export interface KeptLeaf {
  readonly conversation: number;
  /** Of the log in which this device read it; it may have been appended in an earlier one. */
  readonly generation: number;
  readonly seq: number;
  readonly id: EntryId;
  /** The mailbox's turn after this entry. */
  readonly turn: number;
  readonly leaf: Hash;
  /** Root of the tree that ends with this entry. */
  readonly root: Hash;
}

/**
 * The state before a commit, kept to read by until every reader has that commit. It serves only after a relay has
 * lost the commit: members that never saw it then go on in the former epoch.
 */
export interface KeptFormer {
  readonly conversation: number;
  /** The commit's entry. */
  readonly id: EntryId;
  readonly seq: number;
  /** Whether the log that runs lacks the commit. */
  readonly lost: boolean;
  /** `encodeGroup`'s bytes. */
  readonly group: Uint8Array;
}

/** MLS state as bytes. */
export interface KeptGroup {
  readonly snapshot: Uint8Array;
  readonly ratchets: readonly Ratchet[];
  readonly pending: Uint8Array | null;
}

/** One transaction on a device's database. Every method is immediate; nothing is visible to others before the commit. */
export interface Keeper {
  /** Small values of the device's own, such as its key and certificate; null where there is none. */
  value(name: string): Uint8Array | null;
  putValue(name: string, value: Uint8Array): void;

  conversations(): readonly KeptConversation[];
  conversation(id: number): KeptConversation | null;
  addConversation(conversation: Omit<KeptConversation, "id">): number;
  putConversation(conversation: KeptConversation): void;
  /** Only where it stands in the log. */
  putPosition(id: number, position: Position): void;

  group(conversation: number): KeptGroup | null;
  /** A new epoch: the former's snapshot and ratchets go. */
  putSnapshot(conversation: number, group: { snapshot: Uint8Array; ratchets: readonly Ratchet[] }): void;
  putRatchets(conversation: number, ratchets: readonly Ratchet[]): void;
  putPending(conversation: number, pending: Uint8Array | null): void;
  /** Writer seed of a turn, or null. */
  writerSeed(conversation: number, turn: number): Uint8Array | null;
  putWriterSeed(conversation: number, turn: number, seed: Uint8Array): void;
  /** Forgets writer seeds of turns from `from` on and below `below`. */
  dropWriterSeeds(conversation: number, turns: { from: number; below: number }): void;
  /** Former states whose commits are lost, the last first. */
  lostFormers(conversation: number): readonly KeptFormer[];
  putFormer(former: KeptFormer): void;
  /** The log that runs ends before `seq`: commits from there on are lost. */
  loseFormers(conversation: number, seq: number): void;
  /** A commit that may have been lost stands in the log that runs, at `at.seq`. */
  findFormer(conversation: number, at: { id: EntryId; seq: number }): void;
  /** Forgets the former state of one commit. */
  dropFormer(conversation: number, id: EntryId): void;
  /** Whether `dropFormers` would forget any. */
  hasFormers(conversation: number, seq: number): boolean;
  /** Forgets those whose commit lies below `seq` of the log that runs. */
  dropFormers(conversation: number, seq: number): void;

  invites(): readonly KeptInvite[];
  addInvite(invite: Omit<KeptInvite, "id">): number;
  putInvite(invite: KeptInvite): void;
  dropInvite(id: number): void;
  accept(inbox: MailboxId): KeptAccept | null;
  putAccept(accept: KeptAccept): void;

  /** Adds a message, or moves the one with its id to where it now stands in the log. */
  putMessage(message: KeptMessage): void;
  message(conversation: number, id: EntryId): KeptMessage | null;
  dropMessage(conversation: number, id: EntryId): void;
  /** In the order of the log, those that wait last. */
  messages(conversation: number): readonly KeptMessage[];
  countMessages(conversation: number): number;
  /** What others wrote and no one has been shown, in the order of the log. */
  unshown(): readonly KeptMessage[];
  markShown(messages: readonly KeptMessage[]): void;

  /** What is still to be sent, in order. */
  unsent(conversation: number): readonly KeptOutgoing[];
  /** What was sent and isn't yet forgotten, in order. */
  sent(conversation: number): readonly KeptOutgoing[];
  outgoing(conversation: number, id: EntryId): KeptOutgoing | null;
  addOutgoing(outgoing: Omit<KeptOutgoing, "order">): void;
  putOutgoing(outgoing: KeptOutgoing): void;
  dropOutgoing(order: number): void;
  /** Forgets what was sent below `seq`. */
  dropSent(conversation: number, seq: number): void;

  /** The last verified head of the log that runs, or of one before it. */
  head(conversation: number): SignedHead | null;
  /** In place of the one before. */
  putHead(conversation: number, head: SignedHead): void;
  /** By which the relay is bound to keep an entry of ours; null where it gave none, or a head has shown the entry since. */
  promise(conversation: number, id: EntryId): SignedPromise | null;
  /** Of what was sent; it goes with it. */
  putPromise(conversation: number, id: EntryId, promise: SignedPromise): void;
  /** Forgets the promises of entries below `seq`, which a head has; the entries stay. */
  dropPromises(conversation: number, seq: number): void;
  /** In the order in which it was found. */
  evidence(conversation: number): readonly KeptEvidence[];
  addEvidence(evidence: Omit<KeptEvidence, "number">): void;

  addLeaf(leaf: KeptLeaf): void;
  /** Of the entries from `from` to before `to` nothing is known in `generation`, whatever former ones had there. */
  addGap(conversation: number, gap: { generation: number; from: number; to: number }): void;
  /** The leaf at `seq` of the log as it stood in `generation`. */
  leaf(conversation: number, at: { generation: number; seq: number }): KeptLeaf | null;
  /** Of the last generation that had it. */
  leafById(conversation: number, id: EntryId): KeptLeaf | null;
  /** The first `size` leaves of the log as it stood in `generation`; fewer where one is missing, those before it. */
  leaves(conversation: number, log: { generation: number; size: number }): readonly Hash[];
}

/** A device's database. Faults: "store/busy" (another process holds it too long), "store/key", "store/newer". */
export interface DeviceStore extends AsyncDisposable {
  /**
   * Runs `work` alone on the database, over all processes: what it wrote is committed and synced when it resolves,
   * and undone when it throws. `work` waits for nothing but MLS's own steps.
   */
  transact<T>(work: (keeper: Keeper) => Promise<T> | T, options?: { signal?: AbortSignal }): Promise<T>;
  /**
   * Runs `work` while nobody else runs any so, over all processes, and holds up no transaction: for what may take as
   * long as a person takes to read. Throws Fault<"store/busy"> where others take longer than `waitMs`, 30 s unless it
   * says otherwise, and what `signal` aborts with.
   */
  inTurn<T>(
    work: () => Promise<T> | T,
    options?: { signal?: AbortSignal | undefined; waitMs?: number },
  ): Promise<T>;
  /** Grows whenever another connection has committed; cheap. */
  revision(): number;
}
