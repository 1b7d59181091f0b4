/** The acceptor's side: takes the KeyPackage, founds the pair, and answers with its mailbox and a Welcome. */
import {
  encodePairInfo,
  encodeSnapshot,
  changedRatchets,
  foundPair,
  type Invite,
  inviteKeys,
  type Keeper,
  type KeptConversation,
  type MailboxPlace,
  type Member,
  openTaken,
  parseInvite,
  sealForInbox,
} from "../conversation/mod.ts";
import { entryId, limit } from "../ground/mod.ts";
import { GENERATION_FIRST, mailboxIdOf, type Policy } from "../wire/mod.ts";
import { fault, refusedFault } from "./fault.ts";
import { clockTime } from "./clocks.ts";
import { conversationOf, type Device, dialRelay, freshKey } from "./device.ts";
import { keepWriter } from "./group.ts";
import { Inbox } from "./inbox.ts";
import { isCertifiedNow } from "./member.ts";
import { assertFree, freeName, parseName } from "./name.ts";
import type { RelaySession } from "./port.ts";

const PAIR_POLICY: Policy = {
  entriesMax: limit.MAILBOX_ENTRIES_MAX_DEFAULT,
  bytesMax: limit.MAILBOX_BYTES_MAX_DEFAULT,
  ttlMs: limit.ENTRY_TTL_MS_DEFAULT,
  retentionMs: 0,
};

/**
 * Accepts an invitation as far as it goes without the conversation's own mailbox: afterwards the pair is kept and
 * `catchUp` brings it to the relay. The same invitation again returns the same conversation.
 */
export async function acceptInvite(
  device: Device,
  options: { uri: string; name: string | null; signal?: AbortSignal },
): Promise<KeptConversation> {
  const invite = parseInvite(device.crypto, options.uri);
  const name = options.name === null ? null : parseName(options.name);
  const begun = await begin(device, { invite, name });
  if (begun.is === "done") return begun.conversation;
  const { addresses, relay } = invite;
  await using session = await dialRelay(device, { addresses, relay, signal: options.signal });
  const taken = await takePackage(device, session, {
    invite,
    take: begun.take,
    signal: options.signal,
  });
  return found(device, { invite, name, taken, ttlMsMax: session.ttlMsMax });
}

/** Notes the acceptance before anything is sent: a retry takes under the same id. */
async function begin(
  device: Device,
  { invite, name }: { invite: Invite; name: string | null },
): Promise<{ is: "done"; conversation: KeptConversation } | { is: "take"; take: Uint8Array }> {
  const { crypto } = device;
  return device.store.transact((keeper) => {
    const conversation = acceptedAs(keeper, invite);
    if (conversation !== null) return { is: "done", conversation };
    if (keeper.invites().some((one) => crypto.equal(one.place.mailbox, invite.inbox))) {
      throw fault("client/invite", "This invitation is your own; give it to somebody else");
    }
    const nowMs = device.clock.now();
    if (nowMs > invite.expiresMs + limit.CLOCK_SKEW_MS_MAX) {
      throw fault(
        "client/invite",
        `This invitation was good until ${clockTime(invite.expiresMs)}, and this machine's clock says ${clockTime(nowMs)}; ask for a new one, or set the clock right`,
      );
    }
    if (name !== null) assertFree(keeper, { name, nowMs });
    const kept = keeper.accept(invite.inbox);
    const take = kept?.take ?? entryId(crypto.random.bytes(16));
    keeper.putAccept({ inbox: invite.inbox, take, name });
    return { is: "take", take };
  });
}

function acceptedKey(invite: Invite): string {
  return `accepted/${invite.inbox.toHex()}`;
}

/** The conversation that came of an invitation, or null. */
function acceptedAs(keeper: Keeper, invite: Invite): KeptConversation | null {
  const mark = keeper.value(acceptedKey(invite));
  if (mark === null) return null;
  return conversationOf(keeper, new DataView(mark.buffer, mark.byteOffset).getUint32(0));
}

async function takePackage(
  device: Device,
  session: RelaySession,
  asked: { invite: Invite; take: Uint8Array; signal: AbortSignal | undefined },
) {
  const { invite } = asked;
  const { writerSeed } = inviteKeys(device.crypto, invite.secret);
  const inbox = new Inbox(device, session, { mailbox: invite.inbox, signal: asked.signal });
  const result = await inbox.take(writerSeed, entryId(asked.take));
  if (result.is === "refused") {
    const { code } = result.refusal;
    if (code === "empty") throw fault("client/invite", "This invitation was used already; ask for a new one");
    // A relay answers alike of what it deleted and of what it never had: the two can't be told apart.
    if (code === "denied") {
      throw fault(
        "client/invite",
        "The relay doesn't have this invitation: it was used already or taken back, or the relay lost it when it was restored from a backup. In that last case it is good again once whoever made it has connected: ask them to, then accept it again. Else ask for a new one",
      );
    }
    throw refusedFault("accept the invitation", result.refusal);
  }
  const bodies = result.entries.flatMap(({ leaf, entry }) =>
    entry === null ? [] : [{ id: leaf.id, entry }],
  );
  const [first] = openTaken(device.mls, invite, bodies);
  if (first === undefined) throw fault("client/invite", "This invitation holds no key package");
  checkPeer(device, first.member);
  return first;
}

function checkPeer(device: Device, peer: Member): void {
  if (!isCertifiedNow(device, peer)) {
    throw fault(
      "client/invite",
      `The inviter's device certificate doesn't hold by this machine's clock, which says ${clockTime(device.clock.now())}; set the clock right, or ask for a new invitation`,
    );
  }
  if (device.crypto.equal(peer.identity, device.identity)) {
    throw fault("client/invite", "This invitation is from your own identity; a pair needs two people");
  }
}

type Taken = Awaited<ReturnType<typeof takePackage>>;

async function found(
  device: Device,
  options: { invite: Invite; name: string | null; taken: Taken; ttlMsMax: number },
): Promise<KeptConversation> {
  const { crypto, mls } = device;
  const { invite, name, taken } = options;
  const [owner, reader] = [freshKey(crypto), freshKey(crypto)];
  const record = {
    owner: owner.publicKey,
    relay: invite.relay,
    policy: { ...PAIR_POLICY, ttlMs: Math.min(PAIR_POLICY.ttlMs, options.ttlMsMax) },
    nonce: crypto.random.bytes(16),
  };
  const { addresses } = invite;
  const place: MailboxPlace = { record, mailbox: mailboxIdOf(record, crypto.hash), addresses };
  const { group, welcome } = await foundPair(mls, {
    device: device.keys,
    reader: reader.publicKey,
    peer: taken.keyPackage,
    info: encodePairInfo({ place, ownerSeed: owner.seed }),
    nowMs: device.clock.now(),
  });
  const welcomeId = entryId(crypto.random.bytes(16));
  const sealed = { inbox: invite.inbox, id: welcomeId, kind: "plain", message: welcome } as const;
  const welcomeEntry = sealForInbox(mls, invite.secret, sealed);
  return device.store.transact(async (keeper) => {
    // Somebody may accept the same invitation at the same time: both took the same package.
    const first = acceptedAs(keeper, invite);
    if (first !== null) return first;
    const id = keeper.addConversation({
      name: freeName(device, keeper, { name, peer: taken.member.identity }),
      peer: taken.member.identity,
      createdMs: device.clock.now(),
      place,
      ownerSeed: owner.seed,
      readerSeed: reader.seed,
      founding: { invite, made: false, laid: null, welcomeId, welcomeEntry },
      position: { generation: GENERATION_FIRST, size: 0, peaks: [], turn: 0, acknowledged: 0 },
      alarms: [],
    });
    keeper.putSnapshot(id, { snapshot: encodeSnapshot(group), ratchets: changedRatchets(group, null) });
    await keepWriter(device, keeper, {
      id,
      state: { mailbox: place.mailbox, turn: 0, group, pending: null },
    });
    const mark = new Uint8Array(4);
    new DataView(mark.buffer).setUint32(0, id);
    keeper.putValue(acceptedKey(invite), mark);
    return conversationOf(keeper, id);
  });
}
