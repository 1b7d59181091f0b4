/**
 * What goes out: sealed and kept first, sent in order, one at a time, the same bytes until the relay has answered.
 * Only a turn that is over makes new bytes, under the same id.
 */
import {
  type Keeper,
  type KeptConversation,
  type KeptOutgoing,
  membersOf,
  pendingChange,
  proposeUpdate,
  sealContent,
  writerKey,
} from "../conversation/mod.ts";
import { entryId, type EntryId } from "../ground/mod.ts";
import { fault, refusedFault } from "./fault.ts";
import { conversationOf, type Device } from "./device.ts";
import { keepState, keepWriter, loadState } from "./group.ts";
import { seenHead, untrue } from "./log.ts";
import { ask, current, describe, type Line, sync } from "./sync.ts";

/** Messages of our own in one epoch after which we renew our keys. */
const UPDATE_AFTER_MESSAGES = 64;
/** Times that one entry may be sealed anew before we give up for now: each takes another member's commit. */
const ROUNDS_MAX = 64;

/** Seals a text and puts it into the outbox, in one transaction; throws Fault<"conversation/too-large">. */
export async function enqueue(device: Device, id: number, text: string): Promise<EntryId> {
  const entry = entryId(device.crypto.random.bytes(16));
  const consumed: Uint8Array[] = [];
  await device.store.transact(async (keeper) => {
    const conversation = conversationOf(keeper, id);
    consumed.push(...(await proposeIfDue(device, keeper, conversation)));
    keeper.putMessage({
      conversation: id,
      id: entry,
      generation: conversation.position.generation,
      seq: null,
      mine: true,
      timeMs: device.clock.now(),
      text,
      head: null,
      shown: true,
    });
    keeper.addOutgoing({
      conversation: id,
      id: entry,
      kind: "plain",
      sealed: null,
      change: null,
      sent: null,
    });
    const own = keeper.outgoing(id, entry);
    if (own !== null) consumed.push(...(await seal(device, keeper, own)));
  });
  device.crypto.wipe(...consumed);
  return entry;
}

/** Renews our keys when they have served long enough: a commit goes before the message. */
async function proposeIfDue(
  device: Device,
  keeper: Keeper,
  conversation: KeptConversation,
): Promise<readonly Uint8Array[]> {
  const before = loadState(keeper, conversation);
  const own = before.group.secretTree[before.group.privatePath.leafIndex * 2];
  if (before.pending !== null || (own?.application.generation ?? 0) < UPDATE_AFTER_MESSAGES) return [];
  const { id } = conversation;
  const control = entryId(device.crypto.random.bytes(16));
  const { state, consumed } = await proposeUpdate(device.mls, before, control);
  await keepState(device, keeper, { id, before, after: state });
  const change = await pendingChange(device.mls, state);
  const entry = state.pending?.entry;
  if (entry === undefined) return consumed;
  const sealed = { turn: state.turn, entry };
  keeper.addOutgoing({ conversation: id, id: control, kind: "control", sealed, change, sent: null });
  return consumed;
}

/** Seals a waiting text for the current turn and keeps the bytes; returns what is to be wiped after the commit. */
async function seal(device: Device, keeper: Keeper, own: KeptOutgoing): Promise<readonly Uint8Array[]> {
  const conversation = conversationOf(keeper, own.conversation);
  const message = keeper.message(own.conversation, own.id);
  if (message === null) throw fault("client/damaged", "A message that waits to be sent is missing");
  const before = loadState(keeper, conversation);
  const head = seenHead(device.crypto, conversation.position);
  const content = { id: own.id, timeMs: message.timeMs, head, text: message.text };
  const { state, entry, consumed } = await sealContent(device.mls, before, content);
  await keepState(device, keeper, { id: own.conversation, before, after: state });
  await keepWriter(device, keeper, { id: own.conversation, state });
  keeper.putOutgoing({ ...own, sealed: { turn: state.turn, entry } });
  return consumed;
}

/** What is to be done next for a conversation's outbox. */
type Next =
  | { readonly is: "send"; readonly own: KeptOutgoing; readonly seed: Uint8Array }
  | { readonly is: "behind" }
  | { readonly is: "again" }
  | { readonly is: "done" };

/** Sends all that waits, in order. Throws Fault where the relay refuses for good; what waits then stays. */
export async function deliver(line: Line): Promise<void> {
  let rounds = 0;
  for (;;) {
    line.signal?.throwIfAborted();
    const next = await prepare(line);
    if (next.is === "done") return;
    if (next.is === "behind") await resetTurn(line);
    else if (next.is === "send") rounds = (await send(line, next)) ? 0 : rounds + 1;
    if (rounds > ROUNDS_MAX) throw fault("client/keys", "Others change the keys faster than we can write");
  }
}

async function prepare({ device, id }: Line): Promise<Next> {
  const consumed: Uint8Array[] = [];
  const next = await device.store.transact(async (keeper): Promise<Next> => {
    const own = keeper.unsent(id)[0];
    if (own === undefined) return { is: "done" };
    const { position } = conversationOf(keeper, id);
    const ready = own.sealed?.turn === position.turn;
    if (own.kind === "control" && !ready) return { is: await renewControl(device, keeper, own) };
    if (!ready && position.turn < position.epochTurn) return { is: "behind" };
    if (!ready) consumed.push(...(await seal(device, keeper, own)));
    const sealed = keeper.outgoing(id, own.id) ?? own;
    const seed = keeper.writerSeed(id, position.turn);
    return seed === null ? { is: "behind" } : { is: "send", own: sealed, seed };
  });
  device.crypto.wipe(...consumed);
  return next;
}

/** A commit whose turn is over: ours still pending goes out for the next turn, any other has nothing more to say. */
async function renewControl(device: Device, keeper: Keeper, own: KeptOutgoing): Promise<"again"> {
  const conversation = conversationOf(keeper, own.conversation);
  const state = loadState(keeper, conversation);
  if (state.pending !== null && device.crypto.equal(state.pending.id, own.id)) {
    const change = await pendingChange(device.mls, state);
    keeper.putOutgoing({ ...own, change, sealed: { turn: state.turn, entry: state.pending.entry } });
  } else keeper.dropOutgoing(own.order);
  return "again";
}

/** True where the relay took it. */
async function send(line: Line, { own, seed }: { own: KeptOutgoing; seed: Uint8Array }): Promise<boolean> {
  const { sealed } = own;
  if (sealed === null) throw fault("client/damaged", "What is to be sent isn't sealed");
  const result = await ask(line, seed, {
    op: "append",
    id: own.id,
    turn: sealed.turn,
    kind: own.kind,
    slot: 0,
    change: own.change,
    entry: sealed.entry,
  });
  line.device.crypto.wipe(seed);
  if (result.is === "appended") {
    const { generation, seq, leaf } = result.promise;
    await line.device.store.transact((keeper) => {
      const now = keeper.outgoing(own.conversation, own.id);
      // Another process may have read it in the log meanwhile.
      if (now === null || now.sent !== null) return;
      keeper.putOutgoing({ ...now, sent: { generation, seq, leaf } });
      const message = keeper.message(own.conversation, own.id);
      if (message !== null) keeper.putMessage({ ...message, generation, seq });
    });
    // A commit of ours counts once the log shows it in its place.
    if (own.kind === "control") await sync(line);
    return true;
  }
  if (result.is !== "refused") throw untrue(`an append was answered ${result.is}`);
  const { refusal } = result;
  if (refusal.code === "turn" || refusal.code === "reused") await sync(line);
  else if (refusal.code === "generation") await describe(line);
  else throw refusedFault(`send to ${(await current(line)).name}`, refusal);
  return false;
}

/**
 * The mailbox is in a turn that we have no key for, since its relay lost a commit that all of us follow already: the
 * owner key, which both sides of a pair have, starts the turn that the commit would have.
 */
async function resetTurn(line: Line): Promise<void> {
  const { device, id } = line;
  const description = await sync(line);
  const conversation = await current(line);
  if (conversation.position.turn >= conversation.position.epochTurn && !(await lacksSeed(line))) return;
  const state = await device.store.transact((keeper) => loadState(keeper, conversationOf(keeper, id)));
  const turn = description.turn + 1;
  const result = await ask(line, conversation.ownerSeed, {
    op: "reset",
    version: description.version,
    owner: conversation.place.record.owner,
    writer: await writerKey(device.mls, state.group, turn),
    readers: membersOf(device.mls, state.group).map((member) => member.reader),
    policy: description.policy,
  });
  if (result.is === "refused" && result.refusal.code !== "version") {
    throw refusedFault(`renew the keys of the mailbox of ${conversation.name}`, result.refusal);
  }
  if (result.is !== "reset") return;
  await device.store.transact(async (keeper) => {
    const { position } = conversationOf(keeper, id);
    keeper.putPosition(id, {
      ...position,
      turn: result.turn,
      epochTurn: Math.min(position.epochTurn, result.turn),
    });
    await keepWriter(device, keeper, { id, state: { ...state, turn: result.turn } });
  });
}

function lacksSeed({ device, id }: Line): Promise<boolean> {
  return device.store.transact((keeper) => {
    const { position } = conversationOf(keeper, id);
    return keeper.writerSeed(id, position.turn) === null && position.turn < position.epochTurn;
  });
}
