/** The inviter's side: an inbox with a KeyPackage, and the conversation that comes of the Welcome found there. */
import {
  ADDRESSES_MAX,
  bundleHash,
  encodeInvite,
  encodeOwnPackage,
  encodePackage,
  encodeSnapshot,
  changedRatchets,
  INVITE_LIFE_MS,
  INVITE_SECRET_BYTES,
  inviteKeys,
  type Keeper,
  type KeptInvite,
  type MailboxPlace,
  makePackage,
  openFromInbox,
  sealForInbox,
} from "../conversation/mod.ts";
import { entryId, isFault, limit, type PublicKey } from "../ground/mod.ts";
import { type DeliveredEntry, GENERATION_FIRST, mailboxIdOf, type Policy } from "../wire/mod.ts";
import { atAnotherRelay } from "./away.ts";
import { clockTime } from "./clocks.ts";
import { fault, refusedFault } from "./fault.ts";
import { type Device, dialRelay, freshKey, publicOf } from "./device.ts";
import { keepWriter } from "./group.ts";
import { Inbox, isWaiting } from "./inbox.ts";
import { assertFree, freeName, parseName } from "./name.ts";
import { retryAfterMs } from "./patience.ts";
import type { DialRelay } from "./port.ts";
import { openWelcome } from "./welcome.ts";

/** An inbox holds one package for each device of a person, and the Welcome. */
const INBOX_POLICY: Policy = { entriesMax: 32, bytesMax: 1024 * 1024, ttlMs: INVITE_LIFE_MS, retentionMs: 0 };
const PACKAGE_SLOT = 1;
/** What a timer takes; looking again is harmless. */
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;

/** An invitation's URI, and until when it is good. */
export interface Invitation {
  readonly uri: string;
  /** Of the relay, as the URI has them. */
  readonly addresses: readonly string[];
  readonly expiresMs: number;
}

/**
 * Makes an invitation and lays its KeyPackage into a fresh inbox on the relay at `addresses`. The same name again,
 * while its invitation waits, gives the same one: whoever was interrupted before reading it loses nothing.
 */
export async function makeInvite(
  device: Device,
  options: { name: string | null; addresses: readonly string[]; signal?: AbortSignal },
): Promise<Invitation> {
  const name = options.name === null ? null : parseName(options.name);
  const waiting = await waitingInvite(device, name);
  const addresses = waiting?.place.addresses ?? options.addresses.slice(0, ADDRESSES_MAX);
  const relay = waiting?.invite.relay ?? null;
  const { signal } = options;
  await using session = await dialRelay(device, { addresses, relay, signal }).catch((error: unknown) => {
    throw waiting === null ? error : atAnotherRelay(error, waiting.invite.expiresMs);
  });
  const kept =
    waiting ?? (await addInvite(device, await prepareInvite(device, { name, addresses, session })));
  await keepPublished(device, new Inbox(device, session, { mailbox: kept.place.mailbox, signal }), kept);
  const { expiresMs } = kept.invite;
  return { uri: encodeInvite(device.crypto, kept.invite), addresses, expiresMs };
}

/** The invitation that waits under `name`; throws Fault<"client/name"> where a conversation has the name. */
function waitingInvite(device: Device, name: string | null): Promise<KeptInvite | null> {
  const nowMs = device.clock.now();
  return device.store.transact((keeper) => {
    if (name === null) return null;
    const isGood = (one: KeptInvite) => isWaiting(one) && one.invite.expiresMs > nowMs;
    const found = keeper.invites().find((one) => one.name === name && isGood(one));
    if (found === undefined) assertFree(keeper, { name, nowMs });
    return found ?? null;
  });
}

function addInvite(device: Device, kept: Omit<KeptInvite, "id">): Promise<KeptInvite> {
  return device.store.transact((keeper) => {
    const { name } = kept;
    if (name !== null) assertFree(keeper, { name, nowMs: device.clock.now() });
    return { ...kept, id: keeper.addInvite(kept) };
  });
}

type Dialled = Awaited<ReturnType<DialRelay>>;

/** The relay's identity, which the invitation has, certifies its PeerIds: without them the URI is shorter. */
function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, "");
}

async function prepareInvite(
  device: Device,
  options: { name: string | null; addresses: readonly string[]; session: Dialled },
): Promise<Omit<KeptInvite, "id">> {
  const { crypto, mls } = device;
  const nowMs = device.clock.now();
  const { relay, ttlMsMax } = options.session;
  const ttlMs = Math.min(INVITE_LIFE_MS, ttlMsMax);
  const expiresMs = nowMs + ttlMs;
  const [owner, reader, pairReader] = [freshKey(crypto), freshKey(crypto), freshKey(crypto)];
  const nonce = crypto.random.bytes(16);
  const record = { owner: owner.publicKey, relay, policy: { ...INBOX_POLICY, ttlMs }, nonce };
  const place: MailboxPlace = {
    record,
    mailbox: mailboxIdOf(record, crypto.hash),
    addresses: options.addresses,
  };
  const secret = crypto.random.bytes(INVITE_SECRET_BYTES);
  const own = await makePackage(mls, {
    device: device.keys,
    reader: pairReader.publicKey,
    nowMs,
    notAfterMs: expiresMs + limit.CLOCK_SKEW_MS_MAX,
  });
  const message = encodePackage(own.publicPackage);
  const packageId = entryId(crypto.random.bytes(16));
  const bundle = bundleHash(crypto, [message]);
  const inbox = place.mailbox;
  return {
    name: options.name,
    invite: { expiresMs, relay, addresses: options.addresses.map(withoutPeer), inbox, secret, bundle },
    place,
    ownerSeed: owner.seed,
    readerSeed: reader.seed,
    ownPackage: encodeOwnPackage(own),
    pairReaderSeed: pairReader.seed,
    packageId,
    packageEntry: sealForInbox(mls, secret, { inbox, id: packageId, kind: "package", message }),
    stage: "making",
  };
}

/** Puts the invitation to its relay where that doesn't have it, or no longer. */
async function keepPublished(device: Device, inbox: Inbox, kept: KeptInvite): Promise<void> {
  if (kept.stage === "making") return publishInvite(device, inbox, { kept });
  const described = await inbox.command(kept.ownerSeed, { op: "describe" });
  const isLost = described.is === "refused" && described.refusal.code === "denied";
  if (isLost) await publishInvite(device, inbox, { kept, again: true });
}

/** Makes the inbox and appends the package, as often as it takes: both are idempotent. */
async function publishInvite(
  device: Device,
  inbox: Inbox,
  { kept, again = false }: { kept: KeptInvite; again?: boolean },
): Promise<void> {
  const { place, ownerSeed } = kept;
  const writer = publicOf(device.crypto, inviteKeys(device.crypto, kept.invite.secret).writerSeed);
  const readers = [publicOf(device.crypto, kept.readerSeed)];
  const create = { op: "create", record: place.record, writer, readers } as const;
  const created = await (again ? inbox.makeAgain(ownerSeed, create) : inbox.command(ownerSeed, create));
  if (created.is === "refused") {
    const { code } = created.refusal;
    if (code === "gone") throw fault("client/invite", "This invitation's inbox was deleted; make a new one");
    throw refusedFault("make the invitation's inbox", created.refusal);
  }
  const appended = await inbox.command(ownerSeed, {
    op: "append",
    id: kept.packageId,
    turn: 0,
    kind: "package",
    slot: PACKAGE_SLOT,
    change: null,
    entry: kept.packageEntry,
  });
  if (appended.is === "refused") throw refusedFault("lay the key package into the inbox", appended.refusal);
  await device.store.transact((keeper) => {
    // Another process may have joined by it meanwhile.
    const now = keeper.invites().find((one) => one.id === kept.id);
    if (now?.stage === "making") keeper.putInvite({ ...now, stage: "open" });
  });
}

/** Brings an invitation on: publishes, joins by a Welcome that waits, deletes what is used or over. */
export async function tendInvite(device: Device, inbox: Inbox, kept: KeptInvite): Promise<void> {
  const isOver = device.clock.now() > kept.invite.expiresMs;
  if (isWaiting(kept)) {
    const used = await isUsed(device, inbox, kept).catch(closes(isOver));
    if (!used && !isOver) return;
  }
  const deleted = await inbox.command(kept.ownerSeed, { op: "delete" });
  const isGone = deleted.is === "deleted" || (deleted.is === "refused" && deleted.refusal.code === "denied");
  // What is over goes here whatever the relay says: it drops its part by itself.
  if (isGone || isOver) await device.store.transact((keeper) => keepUsed(keeper, kept.id, isOver));
}

/** Of an invitation that was used nothing is kept but what deletes its inbox; of one that is over, nothing. */
function keepUsed(keeper: Keeper, id: number, isOver: boolean): void {
  const now = keeper.invites().find((one) => one.id === id);
  if (isOver) keeper.dropInvite(id);
  else if (now !== undefined) {
    keeper.putInvite({
      ...now,
      stage: "used",
      ownPackage: new Uint8Array(),
      pairReaderSeed: new Uint8Array(32),
    });
  }
}

/** A relay was restored: it has the inboxes again that were deleted there, and whoever comes to one waits for nobody. */
export function closeAgain(device: Device, keeper: Keeper, relay: PublicKey): void {
  for (const kept of keeper.invites()) {
    const isThere = kept.stage === "used" && device.crypto.equal(kept.place.record.relay, relay);
    if (isThere) keeper.putInvite({ ...kept, stage: "closing" });
  }
}

/** Invitations that something is to be done for; those that were used and are over go here. */
export function toTend(device: Device, keeper: Keeper): readonly KeptInvite[] {
  const [used, rest] = [[] as KeptInvite[], [] as KeptInvite[]];
  for (const kept of keeper.invites()) (kept.stage === "used" ? used : rest).push(kept);
  const nowMs = device.clock.now();
  for (const { id, invite } of used) if (nowMs > invite.expiresMs) keeper.dropInvite(id);
  return rest;
}

/**
 * Forgets invitations whose relay couldn't be asked until nothing can lie there any more, an answer that came on the
 * last day included. Tells of those that somebody may have answered.
 */
export async function dropOver({ store, clock, events }: Device): Promise<void> {
  const nowMs = clock.now();
  const gone = await store.transact((keeper) => {
    const over = keeper
      .invites()
      .filter(({ invite, place }) => nowMs > invite.expiresMs + place.record.policy.ttlMs);
    for (const { id } of over) keeper.dropInvite(id);
    return over.filter(isWaiting);
  });
  for (const { name, invite } of gone) {
    const until = clockTime(invite.expiresMs);
    events.alarm(
      name ?? "an invitation",
      `the relay of this invitation, which was good until ${until}, couldn't be asked in time whether anybody had accepted it: it is given up`,
    );
  }
}

/** An invitation whose inbox was deleted is used; one that is over isn't kept by a relay that refuses it. */
function closes(isOver: boolean): (error: unknown) => boolean {
  return (error) => {
    if (isFault(error, "client/invite")) return true;
    if (isOver && (isFault(error, "client/refused") || isFault(error, "client/untrue"))) return false;
    throw error;
  };
}

async function isUsed(device: Device, inbox: Inbox, kept: KeptInvite): Promise<boolean> {
  if (kept.stage === "making") await publishInvite(device, inbox, { kept });
  return joinFromInbox(device, inbox, kept);
}

/** Waits until something has come to the inbox, its time is over, the session is, or the signal aborts. */
export async function watchInbox(
  device: Device,
  inbox: Inbox,
  watched: { kept: KeptInvite; signal: AbortSignal },
): Promise<void> {
  const { kept, signal } = watched;
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = inbox.subscribe(kept.readerSeed, {
    entry: ({ leaf }) => (leaf.kind === "plain" ? resolve() : undefined),
    live: () => undefined,
    ended: (refusal) => void setTimeout(resolve, retryAfterMs(refusal) ?? 0),
  });
  const over = setTimeout(resolve, Math.min(kept.invite.expiresMs - device.clock.now(), TIMEOUT_MS_MAX));
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(over);
  unsubscribe();
}

async function joinFromInbox(device: Device, inbox: Inbox, kept: KeptInvite): Promise<boolean> {
  let from = 0;
  for (;;) {
    const result = await inbox.read(kept.readerSeed, { from, bytesMax: limit.READ_BYTES_MAX });
    if (result.is === "refused") {
      const { refusal } = result;
      if (refusal.code === "denied") return isLost(device, inbox, kept);
      if (refusal.code !== "lapsed") throw refusedFault("look into the invitation's inbox", refusal);
      from = refusal.floor;
      continue;
    }
    for (const delivered of result.entries) if (await joinByEntry(device, kept, delivered)) return true;
    if (result.next >= result.head.size || result.entries.length === 0) return false;
    from = result.next;
  }
}

/**
 * The relay doesn't know the inbox. Where another process of ours has used it meanwhile, that is as it should be;
 * else the relay was restored from a time before it, and it is made again, for whoever has the invitation.
 */
async function isLost(device: Device, inbox: Inbox, kept: KeptInvite): Promise<boolean> {
  const now = await device.store.transact((keeper) => keeper.invites().find((one) => one.id === kept.id));
  if (now?.stage !== "open") return true;
  if (device.clock.now() <= kept.invite.expiresMs) await publishInvite(device, inbox, { kept, again: true });
  return false;
}

/** True where the entry is a Welcome for us; the conversation is then kept and the invitation closing. */
async function joinByEntry(
  device: Device,
  kept: KeptInvite,
  { leaf, entry }: DeliveredEntry,
): Promise<boolean> {
  if (leaf.kind !== "plain" || entry === null) return false;
  const sealed = { inbox: kept.place.mailbox, id: leaf.id, kind: "plain", entry } as const;
  const message = openFromInbox(device.mls, kept.invite.secret, sealed);
  if (message === null) return false;
  let joined: string | null = null;
  const isUsed = await device.store.transact(async (keeper) => {
    const now = keeper.invites().find((one) => one.id === kept.id);
    // Another process has joined by it meanwhile.
    if (now?.stage !== "open") return true;
    const welcome = await openWelcome(device, kept, message);
    if (welcome === null) return false;
    const { group, peer, info } = welcome;
    const name = freeName(device, keeper, { name: kept.name, peer: peer.identity });
    const id = keeper.addConversation({
      name,
      peer: peer.identity,
      createdMs: device.clock.now(),
      place: info.place,
      ownerSeed: info.ownerSeed,
      readerSeed: kept.pairReaderSeed,
      founding: null,
      position: { generation: GENERATION_FIRST, size: 0, peaks: [], turn: 0, acknowledged: 0 },
      alarms: [],
    });
    keeper.putSnapshot(id, { snapshot: encodeSnapshot(group), ratchets: changedRatchets(group, null) });
    await keepWriter(device, keeper, {
      id,
      state: { mailbox: info.place.mailbox, turn: 0, group, pending: null },
    });
    // The package's private part has served; what is left is enough to delete the inbox.
    keeper.putInvite({
      ...now,
      stage: "closing",
      ownPackage: new Uint8Array(),
      pairReaderSeed: new Uint8Array(32),
    });
    joined = name;
    return true;
  });
  if (joined !== null) device.events.joined(joined);
  return isUsed;
}
