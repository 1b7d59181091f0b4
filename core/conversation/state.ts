/**
 * A conversation on one device, and how it is kept: a snapshot for each epoch and one small ratchet for each leaf,
 * so that a message rewrites hundreds of bytes and never the tree.
 */
import {
  decodeGroupState,
  encodeGroupState,
  type GroupState,
  type SecretTree,
  type SecretTreeNode,
} from "ts-mls";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { decodeSecretTreeNode, secretTreeNodeEncoder } from "ts-mls/secretTree.js";
import { type EntryId, entryId, type MailboxId } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { joined, Reader } from "./bytes.ts";
import { whole } from "./package.ts";

/** A commit of ours that no one has ordered yet. `next` becomes the group if it wins. */
export interface PendingCommit {
  readonly id: EntryId;
  /** The sealed entry: a retry sends these bytes. */
  readonly entry: Uint8Array;
  readonly next: GroupState;
}

/** The state that steps take and return. */
export interface Conversation {
  readonly mailbox: MailboxId;
  /** How many control entries and resets the log had, as far as this device has read it. */
  readonly turn: number;
  readonly group: GroupState;
  readonly pending: PendingCommit | null;
}

/** One leaf's ratchet, encoded. */
export interface Ratchet {
  readonly node: number;
  readonly bytes: Uint8Array;
}

const encodeNode = encode(secretTreeNodeEncoder);
const BLANK = { secret: new Uint8Array(), generation: 0, unusedGenerations: {} };
/** Stands for the nodes of the secret tree that aren't leaves: nothing is ever derived from them again. */
const BLANK_NODE: SecretTreeNode = { handshake: BLANK, application: BLANK };

/** Everything of a group but its ratchets. */
export function encodeSnapshot(group: GroupState): Uint8Array {
  return encodeGroupState({ ...group, secretTree: [] });
}

/** Ratchets of `group` that differ from those of `before`; all of them where `before` is null or of another epoch. */
export function changedRatchets(group: GroupState, before: GroupState | null): Ratchet[] {
  const former = before?.groupContext.epoch === group.groupContext.epoch ? before.secretTree : [];
  return group.secretTree.flatMap((node, at) =>
    at % 2 === 0 && node !== former[at] ? [{ node: at, bytes: encodeNode(node) }] : [],
  );
}

/** The group that `encodeSnapshot` and `changedRatchets` kept; throws Fault<"conversation/malformed">. */
export function decodeGroup(snapshot: Uint8Array, ratchets: readonly Ratchet[]): GroupState {
  const group = whole(decodeGroupState, snapshot);
  if (group === null) throw fault("conversation/malformed", "A conversation's snapshot can't be read");
  const secretTree: SecretTree = group.ratchetTree.map(() => BLANK_NODE);
  // A tree in ts-mls lacks blank leaves at its right end; ratchets may lie beyond.
  for (const { node, bytes } of ratchets) {
    const decoded = whole(decodeSecretTreeNode, bytes);
    if (decoded === null) throw fault("conversation/malformed", `The ratchet of node ${node} can't be read`);
    while (secretTree.length < node) secretTree.push(BLANK_NODE);
    secretTree[node] = decoded;
  }
  return { ...group, secretTree };
}

/** A whole group in one piece. */
export function encodeGroup(group: GroupState): Uint8Array {
  const ratchets = changedRatchets(group, null);
  return joined([
    { sized: encodeSnapshot(group) },
    { u32: ratchets.length },
    ...ratchets.flatMap(({ node, bytes }) => [{ u32: node }, { sized: bytes }]),
  ]);
}

/** Throws Fault<"conversation/malformed">. */
export function decodeWholeGroup(bytes: Uint8Array): GroupState {
  const reader = new Reader(bytes, "group");
  const snapshot = reader.sized();
  const ratchets: Ratchet[] = [];
  for (let left = reader.u32(); left > 0; left--)
    ratchets.push({ node: reader.u32(), bytes: reader.sized() });
  reader.end();
  return decodeGroup(snapshot, ratchets);
}

/** A pending commit with the whole state that it leads to. */
export function encodePending(pending: PendingCommit): Uint8Array {
  return joined([{ raw: pending.id }, { sized: pending.entry }, { sized: encodeGroup(pending.next) }]);
}

/** Throws Fault<"conversation/malformed">. */
export function decodePending(bytes: Uint8Array): PendingCommit {
  const reader = new Reader(bytes, "pending commit");
  const id = entryId(reader.raw(16));
  const entry = reader.sized();
  const next = decodeWholeGroup(reader.sized());
  reader.end();
  return { id, entry, next };
}

/** Every secret of a group's epoch, to be wiped once another epoch has taken its place. */
export function epochSecrets(group: GroupState): Uint8Array[] {
  const { keySchedule } = group;
  return [
    keySchedule.senderDataSecret,
    keySchedule.exporterSecret,
    keySchedule.externalSecret,
    keySchedule.confirmationKey,
    keySchedule.membershipKey,
    keySchedule.resumptionPsk,
    keySchedule.initSecret,
    ...group.secretTree.flatMap(({ handshake, application }) =>
      [handshake, application].flatMap((ratchet) => [
        ratchet.secret,
        ...Object.values(ratchet.unusedGenerations),
      ]),
    ),
  ].filter((secret) => secret.length > 0);
}
