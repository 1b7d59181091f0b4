/**
 * Control entries: commits that change the keys of a conversation, and the rule that all members share for those
 * that don't hold. A control entry always starts a turn at the relay; it starts an MLS epoch only if it opens under
 * the current epoch's outer key, is a commit of that epoch which MLS accepts, and changes only what a pair may
 * change. Otherwise every member skips it alike and goes on in the old epoch, with the new turn's number.
 */
import {
  createCommit,
  encodeMlsMessage,
  type GroupState,
  type IncomingMessageCallback,
  makePskIndex,
  processPrivateMessage,
} from "ts-mls";
import { type EntryId, type PublicKey } from "../ground/mod.ts";
import type { TurnChange } from "../wire/mod.ts";
import { writerSeed } from "./epoch.ts";
import { type Member, memberOfLeaf, membersOf } from "./member.ts";
import { openOuter, sealOuter, type Step } from "./message.ts";
import { clientState, type Mls } from "./mls.ts";
import { type Conversation, epochSecrets } from "./state.ts";

/**
 * Devices of one person in a pair, at most. A commit grows with the leaves that it encrypts to, and one that fits no
 * entry could never be sent: a member could end the other's renewals, and make each of its messages slow.
 */
export const DEVICES_MAX = 32;

/** What reading a control entry led to. */
export type ControlStep =
  | (Step & { readonly is: "won" | "lost" | "followed" })
  /** `own`: this device has signed it, and the state is older than it is. */
  | (Step & { readonly is: "skipped"; readonly own: boolean });

/**
 * Prepares a commit that renews this device's keys. It counts once the log shows it (`openControl`); until then
 * the state stays in its epoch and carries the commit as pending.
 */
export async function proposeUpdate(mls: Mls, state: Conversation, id: EntryId): Promise<Step> {
  const made = await createCommit({ state: clientState(mls, state.group), cipherSuite: mls.suite });
  const { clientConfig: _, ...next } = made.newState;
  const entry = await sealOuter(mls, state, { id, kind: "control", message: encodeMlsMessage(made.commit) });
  // What createCommit consumed still belongs to the current epoch, which lives on if another commit wins.
  const pending = { id, entry, next: { ...next, historicalReceiverData: new Map<bigint, never>() } };
  return { state: { ...state, pending }, consumed: [] };
}

/** Keys that change at the relay together with the pending commit, for the turn after the current one. */
export async function pendingChange(mls: Mls, state: Conversation): Promise<TurnChange | null> {
  if (state.pending === null) return null;
  const { next } = state.pending;
  const before = membersOf(mls, state.group).map((member) => member.reader);
  const after = membersOf(mls, next).map((member) => member.reader);
  return {
    writer: await writerKey(mls, next, state.turn + 1),
    added: after.filter((key) => !includes(mls, before, key)),
    removed: before.filter((key) => !includes(mls, after, key)),
  };
}

/** Public half of the key that members write with during `turn`. */
export async function writerKey(mls: Mls, group: GroupState, turn: number): Promise<PublicKey> {
  const seed = await writerSeed(mls, group, turn);
  using key = mls.crypto.ed25519.fromSeed(seed);
  mls.crypto.wipe(seed);
  // A SigningKey's public key is an Ed25519 one by its type's promise.
  return key.publicKey.slice() as PublicKey;
}

function includes(mls: Mls, keys: readonly PublicKey[], key: PublicKey): boolean {
  return keys.some((other) => mls.crypto.equal(other, key));
}

/** Reads the control entry that comes next in the log; it always ends the turn. */
export async function openControl(
  mls: Mls,
  state: Conversation,
  control: { id: EntryId; turn: number; entry: Uint8Array },
): Promise<ControlStep> {
  const turn = control.turn + 1;
  const { pending } = state;
  if (pending !== null && mls.crypto.equal(pending.id, control.id)) {
    if (!mls.crypto.equal(pending.entry, control.entry))
      return { is: "skipped", own: false, state: { ...state, turn }, consumed: [] };
    return {
      is: "won",
      state: { ...state, turn, group: pending.next, pending: null },
      consumed: epochSecrets(state.group),
    };
  }
  const followed = await follow(mls, state, control);
  if ("own" in followed) return { is: "skipped", own: followed.own, state: { ...state, turn }, consumed: [] };
  const consumed = [
    ...followed.consumed,
    ...epochSecrets(state.group),
    ...(pending === null ? [] : epochSecrets(pending.next)),
  ];
  return {
    is: pending === null ? "followed" : "lost",
    state: { ...state, turn, group: followed.group, pending: null },
    consumed,
  };
}

async function follow(
  mls: Mls,
  state: Conversation,
  control: { id: EntryId; entry: Uint8Array },
): Promise<{ group: GroupState; consumed: readonly Uint8Array[] } | { own: boolean }> {
  const message = await openOuter(mls, state, { id: control.id, kind: "control", entry: control.entry });
  if (message?.contentType !== "commit") return { own: false };
  const client = clientState(mls, state.group);
  const rule = pairRule(mls, state.group);
  let own = false;
  try {
    const result = await processPrivateMessage(
      client,
      message,
      makePskIndex(client, {}),
      mls.suite,
      (incoming) => {
        // Its signature holds by now, so nobody else can have made it.
        own = incoming.kind === "commit" && incoming.senderLeafIndex === state.group.privatePath.leafIndex;
        return rule(incoming);
      },
    );
    if (result.kind !== "newState" || result.actionTaken !== "accept") return { own };
    const { clientConfig: _, ...group } = result.newState;
    if (group.groupActiveState.kind === "active" && !sameIdentities(mls, state.group, group)) return { own };
    return { group: { ...group, historicalReceiverData: new Map() }, consumed: result.consumed };
  } catch {
    // Whatever MLS refuses, all members refuse alike: they skip it.
    return { own };
  }
}

/** A pair's commits renew keys, add devices of its two people, and remove devices of the committer's own. */
function pairRule(mls: Mls, group: GroupState): IncomingMessageCallback {
  return (incoming) => {
    if (incoming.kind !== "commit") return "reject";
    const members = membersOf(mls, group);
    const committer = members.find((member) => member.leaf === incoming.senderLeafIndex);
    if (committer === undefined) return "reject";
    const allowed = incoming.proposals.every(({ proposal }) => {
      if (proposal.proposalType === "add") {
        const added = memberOfLeaf(mls, { leaf: proposal.add.keyPackage.leafNode, index: -1 });
        return isPerson(mls, added.identity, [committer]);
      }
      if (proposal.proposalType !== "remove") return false;
      const removed = members.find((member) => member.leaf === proposal.remove.removed);
      return removed !== undefined && isPerson(mls, removed.identity, [committer]);
    });
    return allowed ? "accept" : "reject";
  };
}

function isPerson(mls: Mls, identity: PublicKey, members: readonly Member[]): boolean {
  return members.some((member) => mls.crypto.equal(member.identity, identity));
}

/** Leaves stay with their person, new ones belong to somebody who is there already, and nobody has too many. */
function sameIdentities(mls: Mls, before: GroupState, after: GroupState): boolean {
  const former = membersOf(mls, before);
  const members = membersOf(mls, after);
  return members.every((member) => {
    const old = former.find((one) => one.leaf === member.leaf);
    const devices = members.filter((other) => mls.crypto.equal(other.identity, member.identity)).length;
    return devices <= DEVICES_MAX && isPerson(mls, member.identity, old === undefined ? former : [old]);
  });
}
