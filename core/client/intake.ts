/**
 * What comes out of a mailbox's log, in order: verified, opened and kept in one transaction with the cursor, before
 * anything is acknowledged. An entry that is already known by its id only moves to where it now stands.
 */
import {
  type Content,
  type Conversation,
  encodeGroup,
  type Keeper,
  type KeptConversation,
  type KeptLeaf,
  type KeptOutgoing,
  type Member,
  openControl,
  openPlain,
  type Position,
} from "../conversation/mod.ts";
import type { Hash } from "../ground/mod.ts";
import { sameHash } from "../merkle/mod.ts";
import type { DeliveredEntry, LeafPreimage, SignedHead } from "../wire/mod.ts";
import { isAstray, noteGone, noteOwn } from "./astray.ts";
import { conversationOf, type Device, putAlarm } from "./device.ts";
import type { Untrue } from "./fault.ts";
import { brokenBy, takeHead } from "./evidence.ts";
import { keepState, loadState } from "./group.ts";
import { noteSeen } from "./forget.ts";
import { forkByFormer, openByFormer } from "./former.ts";
import { noteSetBack } from "./set_back.ts";
import { followEntry, leafOf, untrue } from "./log.ts";
import { newcomers } from "./newcomer.ts";
import { noteRenewed } from "./renewal.ts";

/** What one transaction of intake works on. */
export interface Intake {
  readonly device: Device;
  readonly keeper: Keeper;
  readonly conversation: KeptConversation;
  state: Conversation;
  position: Position;
  /** As the batch began. */
  readonly before: Position;
  readonly batch: Batch;
  readonly consumed: Uint8Array[];
  readonly alarms: string[];
  /** Numbers of plain entries whose bodies had gone. */
  readonly gone: number[];
  /** What the relay promised us and hasn't shown yet, by number. */
  readonly promised: ReadonlyMap<number, KeptOutgoing>;
  /** Entries below were acknowledged by this device, as the relay says. */
  readonly acknowledged: number;
}

/** Entries as they were read. */
interface Batch {
  readonly generation: number;
  readonly entries: readonly DeliveredEntry[];
  readonly head: SignedHead | null;
  /** Entries below were acknowledged by this device, as the relay says. */
  readonly acknowledged?: number;
}

/**
 * Takes entries that follow one another. Those below the cursor are compared with what we have; a gap ends it. Where
 * another process has gone over to another generation since they were read, none of them is taken.
 * Returns the position after it. Throws Fault<"client/untrue">, with nothing kept.
 */
export async function takeEntries(device: Device, id: number, batch: Batch): Promise<Position> {
  const consumed: Uint8Array[] = [];
  const alarms: string[] = [];
  const { name, position, fresh } = await device.store.transact(async (keeper) => {
    const conversation = conversationOf(keeper, id);
    const { name, position } = conversation;
    if (position.generation !== batch.generation) return { name, position, fresh: [] };
    const before = loadState(keeper, conversation);
    const intake: Intake = {
      device,
      keeper,
      conversation,
      state: before,
      position,
      before: position,
      batch,
      consumed,
      alarms,
      gone: [],
      promised: promisedTo(keeper, conversation),
      acknowledged: batch.acknowledged ?? 0,
    };
    for (const delivered of batch.entries) if (!(await takeEntry(intake, delivered))) break;
    alarms.unshift(...goneAlarms(intake.gone));
    intake.state = { ...intake.state, turn: intake.position.turn };
    const at = { id, position: intake.position };
    if (batch.head !== null) takeHead(device.crypto, keeper, { ...at, signed: batch.head });
    await keepState(device, keeper, { id, before, after: intake.state });
    alarms.push(...newcomers(device, conversation, { before, after: intake.state }));
    keeper.putPosition(id, intake.position);
    const told = alarms.filter((what) => putAlarm(keeper, id, what));
    return { name, position: intake.position, fresh: told };
  });
  device.crypto.wipe(...consumed);
  for (const what of fresh) device.events.alarm(name, what);
  return position;
}

/** One for each run of numbers, which rise: whoever was away for long isn't told of every entry. */
function goneAlarms(numbers: readonly number[]): string[] {
  const runs: { first: number; last: number }[] = [];
  for (const seq of numbers) {
    const run = runs.at(-1);
    if (run?.last === seq - 1) run.last = seq;
    else runs.push({ first: seq, last: seq });
  }
  return runs.map(({ first, last }) =>
    first === last
      ? `entry ${first} was gone before we could read it`
      : `entries ${first} to ${last} were gone before we could read them`,
  );
}

function promisedTo(keeper: Keeper, { id, position }: KeptConversation): ReadonlyMap<number, KeptOutgoing> {
  const promised = new Map<number, KeptOutgoing>();
  for (const own of keeper.sent(id)) {
    if (own.sent !== null && own.sent.seq >= position.size) promised.set(own.sent.seq, own);
  }
  return promised;
}

/** False where the entry doesn't come next. */
async function takeEntry(intake: Intake, delivered: DeliveredEntry): Promise<boolean> {
  const { device, keeper, conversation, position } = intake;
  const { leaf } = delivered;
  if (leaf.seq > position.size) return false;
  if (leaf.seq < position.size) {
    const kept = keeper.leaf(conversation.id, { generation: position.generation, seq: leaf.seq });
    if (kept !== null && !sameHash(kept.leaf, leafOf(device.crypto, delivered))) {
      throw untrue(`it gave two entries for ${leaf.seq} of ${conversation.name}`);
    }
    return true;
  }
  const promised = intake.promised.get(leaf.seq);
  if (promised !== undefined && !device.crypto.equal(promised.id, leaf.id)) {
    const what = `it promised entry ${leaf.seq} of ${conversation.name} to us and gives another's there`;
    throw brokenPromise(intake, what, { own: promised, leaf: leafOf(device.crypto, delivered) });
  }
  const known = keeper.leafById(conversation.id, leaf.id);
  const first = standing(intake, known);
  const followed = followEntry(device.crypto, position, delivered);
  keeper.addLeaf({ conversation: conversation.id, ...followed.kept });
  intake.position = followed.position;
  if (first !== null) {
    // Relays forget ids after days, so it may be no lie; but history isn't rearranged by it.
    intake.alarms.push(`entry ${leaf.seq} has the id of entry ${first.seq} and was passed over`);
    return true;
  }
  moveOwn(intake, delivered, followed.kept.leaf);
  if (known !== null) moveKnown(intake, delivered);
  else if (leaf.kind === "control") await takeControl(intake, delivered);
  else if (leaf.kind === "plain") await takePlain(intake, delivered);
  return true;
}

/** The entry that has this id in the log that runs, above here. */
function standing({ keeper, conversation, position }: Intake, known: KeptLeaf | null): KeptLeaf | null {
  if (known === null || known.seq >= position.size) return null;
  const there = keeper.leaf(conversation.id, { generation: position.generation, seq: known.seq });
  return there !== null && sameHash(there.leaf, known.leaf) ? there : null;
}

/** An entry of ours stands in the log: what the relay promised must be what it gives. */
function moveOwn(intake: Intake, delivered: DeliveredEntry, hash: Hash): void {
  const { device, keeper, conversation } = intake;
  const { leaf } = delivered;
  const own = keeper.outgoing(conversation.id, leaf.id);
  if (own === null) return;
  const { sent, sealed } = own;
  const isPromised = sent !== null && sent.generation === leaf.generation && sent.seq === leaf.seq;
  if (isPromised && !sameHash(sent.leaf, hash)) {
    const what = `it promised another entry ${leaf.seq} of ${conversation.name} than it gives`;
    throw brokenPromise(intake, what, { own, leaf: hash });
  }
  // By the hash, which stays where the body has gone.
  if (sealed !== null && !sameHash(device.crypto.hash.sha256(sealed.entry), leaf.entryHash)) {
    intake.alarms.push(`entry ${leaf.seq} has the id of one of ours and isn't what we sent`);
  }
  keeper.putOutgoing({ ...own, sent: { generation: leaf.generation, seq: leaf.seq, leaf: hash } });
  moveKnown(intake, delivered);
}

/** With proof, where the batch reaches as far as its signed head. */
function brokenPromise(
  { device, keeper, conversation, before, batch }: Intake,
  what: string,
  { own, leaf }: { own: KeptOutgoing; leaf: Hash },
): Untrue {
  const promise = keeper.promise(conversation.id, own.id);
  if (promise === null) return untrue(what);
  const { peaks, size } = before;
  const leaves = batch.entries.filter((one) => one.leaf.seq >= size).map((one) => leafOf(device.crypto, one));
  const evidence = brokenBy(device.crypto, promise, { peaks, size, leaves, signed: batch.head });
  return untrue(what, { evidence, doubt: { promise, leaf } });
}

/** What is known by its id stands somewhere else now; a commit that was lost is there again. */
function moveKnown({ keeper, conversation }: Intake, { leaf }: DeliveredEntry): void {
  const message = keeper.message(conversation.id, leaf.id);
  if (message !== null) keeper.putMessage({ ...message, generation: leaf.generation, seq: leaf.seq });
  if (leaf.kind === "control") keeper.findFormer(conversation.id, { id: leaf.id, seq: leaf.seq });
}

function ownLeaf({ state }: Intake): number {
  return state.group.privatePath.leafIndex;
}

async function takePlain(intake: Intake, { leaf, entry }: DeliveredEntry): Promise<void> {
  const { device, keeper, conversation } = intake;
  if (keeper.outgoing(conversation.id, leaf.id) !== null || keeper.message(conversation.id, leaf.id) !== null)
    return;
  if (entry === null) {
    intake.gone.push(leaf.seq);
    if (leaf.seq < intake.acknowledged) intake.alarms.push(...noteSetBack(keeper, conversation.id, leaf.seq));
    return;
  }
  const opened = await openPlain(device.mls, intake.state, { id: leaf.id, entry });
  if (opened.is === "message") intake.state = opened.state;
  const isOwn = opened.is === "message" ? opened.sender.leaf === ownLeaf(intake) : opened.own;
  if (isOwn) intake.alarms.push(...noteSetBack(keeper, conversation.id, leaf.seq));
  const read = opened.is === "message" ? opened : await openByFormer(intake, { id: leaf.id, entry });
  if (read === null) {
    if (isAstray(keeper, conversation.id)) return;
    const why = opened.is === "unreadable" ? opened.why : "";
    intake.alarms.push(`entry ${leaf.seq} can't be read: ${why}`);
    return;
  }
  intake.consumed.push(...read.consumed);
  const { content } = read;
  const isSameLog = checkSeen(intake, leaf, content);
  // What a former state opens shows nothing: its sender may not have followed us.
  if (opened.is === "message" && isSameLog) {
    const { head } = content;
    const size = head?.generation === intake.position.generation ? head.size : 0;
    noteSeen(intake, read.sender, { seq: leaf.seq, read: size });
  }
  seeJoined(intake, read.sender);
  keeper.putMessage({
    conversation: conversation.id,
    id: leaf.id,
    generation: leaf.generation,
    seq: leaf.seq,
    mine: device.crypto.equal(read.sender.identity, device.identity),
    timeMs: content.timeMs,
    text: content.text,
    head: content.head,
    shown: false,
  });
}

/** Whoever writes has joined: the Welcome needn't go out again. */
function seeJoined({ device, keeper, conversation }: Intake, sender: Member): void {
  if (conversation.founding === null || device.crypto.equal(sender.identity, device.identity)) return;
  keeper.putConversation({ ...conversationOf(keeper, conversation.id), founding: null });
}

/**
 * Compares the log as the sender saw it with ours: two different ones of one size are a split view, and so is one
 * that had more entries before this one was written than come before it here. False where it is.
 */
function checkSeen(intake: Intake, leaf: LeafPreimage, { head }: Content): boolean {
  const { keeper, conversation, position, alarms } = intake;
  if (head === null || head.size === 0) return true;
  const { generation, size } = head;
  const split = (how: string): false => {
    alarms.push(`the relay shows its readers different logs: ${how}`);
    return false;
  };
  if (generation > leaf.generation || (generation === leaf.generation && size > leaf.seq)) {
    const here = `entry ${leaf.seq} of generation ${leaf.generation} has ${leaf.seq} before it`;
    const there = `${conversation.name} had seen ${size} of generation ${generation} when writing it`;
    return split(`here ${here}, and ${there}`);
  }
  const ours = keeper.leaf(conversation.id, { generation, seq: size - 1 });
  // Of an earlier generation only what was read in it: this device may have missed it, and have a log that it lost.
  const isComparable = generation === position.generation || ours?.generation === generation;
  if (ours === null || !isComparable || sameHash(ours.root, head.root)) return true;
  return split(`at entry ${size} of generation ${generation} ${conversation.name} saw another one`);
}

async function takeControl(intake: Intake, { leaf, entry }: DeliveredEntry): Promise<void> {
  const { device, keeper, conversation } = intake;
  if (entry === null) {
    if (!isAstray(keeper, conversation.id)) intake.alarms.push(noteGone(keeper, conversation.id, leaf.seq));
    return;
  }
  const before = intake.state;
  const control = { id: leaf.id, seq: leaf.seq, turn: leaf.turn, entry };
  const step = await openControl(device.mls, before, control);
  if (step.is === "skipped") {
    if ((await forkByFormer(intake, control)) || isAstray(keeper, conversation.id)) return;
    intake.alarms.push(
      step.own
        ? noteOwn(keeper, conversation.id, leaf.seq)
        : `control entry ${leaf.seq} is no valid commit; it was skipped`,
    );
    return;
  }
  const group = encodeGroup(before.group);
  keeper.putFormer({ conversation: conversation.id, id: leaf.id, seq: leaf.seq, lost: false, group });
  device.crypto.wipe(group);
  intake.state = step.state;
  intake.consumed.push(...step.consumed);
  if (step.is === "won") noteRenewed(device, keeper, { id: conversation.id, position: intake.position });
  const lost = step.is === "lost" ? before.pending : null;
  const own = lost === null ? null : keeper.outgoing(conversation.id, lost.id);
  if (own !== null) keeper.dropOutgoing(own.order);
}
