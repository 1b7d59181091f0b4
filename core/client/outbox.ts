/**
 * What goes out: sealed and kept first, sent in order, one at a time, the same bytes until the relay has answered.
 * Only a turn that is over makes new bytes, under the same id.
 */
import {
  type Conversation,
  type Keeper,
  type KeptOutgoing,
  sealContent,
  writerKey,
} from "../conversation/mod.ts";
import { entryId, type EntryId } from "../ground/mod.ts";
import { fault, refusedFault } from "./fault.ts";
import { assertFollows, isAstray } from "./astray.ts";
import { conversationOf, type Device } from "./device.ts";
import { keepState, keepWriter, loadState } from "./group.ts";
import { countOwn, renewIfDue } from "./renewal.ts";
import { resetTurn } from "./reset.ts";
import { seenHead, untrue } from "./log.ts";
import { ask, current, type Line } from "./line.ts";
import { noteSent } from "./sent.ts";
import { describe, sync } from "./sync.ts";

/** Times that one entry may be sealed anew before we give up for now: each takes another member's commit. */
const ROUNDS_MAX = 64;

/** Seals a text and puts it into the outbox, in one transaction; throws Fault<"conversation/too-large" | "client/astray">. */
export async function enqueue(device: Device, id: number, text: string): Promise<EntryId> {
  const entry = entryId(device.crypto.random.bytes(16));
  const consumed: Uint8Array[] = [];
  await device.store.transact(async (keeper) => {
    assertFollows(keeper, id);
    const conversation = conversationOf(keeper, id);
    // A commit goes before the message.
    consumed.push(...(await renewIfDue(device, keeper, conversation)));
    countOwn(keeper, conversation);
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

/** What was to be sent, and can't be, doesn't wait any longer. */
export function takeBack({ store }: Device, id: number, entry: EntryId): Promise<void> {
  return store.transact((keeper) => {
    const own = keeper.outgoing(id, entry);
    if (own === null || own.sent !== null) return;
    keeper.dropOutgoing(own.order);
    keeper.dropMessage(id, entry);
  });
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
  keeper.putOutgoing({ ...own, sealed: { epoch: epochOf(state), turn: state.turn, entry } });
  return consumed;
}

function epochOf(state: Conversation): number {
  return Number(state.group.groupContext.epoch);
}

/** What goes out next, for the turn that runs, and the seed to sign it with. */
interface Next {
  readonly own: KeptOutgoing;
  readonly seed: Uint8Array;
}

/**
 * Sends all that waits, in order, and before it new keys where they are due: whoever only reads renews them too.
 * Throws Fault where the relay refuses for good; what waits then stays. False where the log has entries before ours
 * that weren't read yet.
 */
export async function deliver(line: Line): Promise<boolean> {
  await renew(line);
  let rounds = 0;
  let isNext = true;
  for (;;) {
    line.signal?.throwIfAborted();
    const next = await prepare(line);
    if (next === null) return isNext;
    const went = await send(line, next);
    if (went === "further") isNext = false;
    rounds = went === "refused" ? rounds + 1 : 0;
    if (rounds > ROUNDS_MAX) throw fault("client/keys", "Others change the keys faster than we can write");
  }
}

async function renew({ device, id }: Line): Promise<void> {
  const consumed = await device.store.transact((keeper) =>
    renewIfDue(device, keeper, conversationOf(keeper, id)),
  );
  device.crypto.wipe(...consumed);
}

async function prepare({ device, id }: Line): Promise<Next | null> {
  const consumed: Uint8Array[] = [];
  const next = await device.store.transact(async (keeper): Promise<Next | null> => {
    const [own, ...rest] = keeper.unsent(id);
    if (own === undefined || isAstray(keeper, id)) return null;
    const state = loadState(keeper, conversationOf(keeper, id));
    if (own.kind === "control") await renewControl(device, keeper, { own, state });
    else if (own.sealed === null || isStale(own.sealed.epoch, { state, rest })) {
      consumed.push(...(await seal(device, keeper, own)));
    } else if (own.sealed.turn !== state.turn) {
      keeper.putOutgoing({ ...own, sealed: { ...own.sealed, turn: state.turn } });
    }
    if (keeper.writerSeed(id, state.turn) === null) await keepWriter(device, keeper, { id, state });
    const seed = keeper.writerSeed(id, state.turn);
    const ready = keeper.outgoing(id, own.id);
    return seed === null || ready === null ? null : { own: ready, seed };
  });
  device.crypto.wipe(...consumed);
  return next;
}

/**
 * Whether bytes of a former epoch are of no use any more. They are, after a relay has lost a commit of ours, as long
 * as that commit waits behind them to be sent again: the others are still before it.
 */
function isStale(epoch: number, at: { state: Conversation; rest: readonly KeptOutgoing[] }): boolean {
  const { state, rest } = at;
  if (epoch === epochOf(state)) return false;
  return !rest.some((later) => later.kind === "control" && !isPending(later, state));
}

function isPending(own: KeptOutgoing, { pending }: Conversation): boolean {
  return pending !== null && pending.id.every((byte, at) => byte === own.id[at]);
}

/** Aims a commit at the turn that runs: the same bytes, with the keys of the turn after it. */
async function renewControl(
  device: Device,
  keeper: Keeper,
  { own, state }: { own: KeptOutgoing; state: Conversation },
): Promise<void> {
  const { sealed, change } = own;
  if (sealed === null || change === null || sealed.turn === state.turn) return;
  const group = isPending(own, state) ? (state.pending?.next ?? state.group) : state.group;
  const writer = await writerKey(device.mls, group, state.turn + 1);
  keeper.putOutgoing({ ...own, change: { ...change, writer }, sealed: { ...sealed, turn: state.turn } });
}

/** Where the relay took it to: behind what we know, or further on. */
async function send(line: Line, { own, seed }: Next): Promise<"next" | "further" | "refused"> {
  const { sealed } = own;
  if (sealed === null) throw fault("client/damaged", "What is to be sent isn't sealed");
  const asked = (await current(line)).position.generation;
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
    const isNext = await noteSent(line, own, { promise: result.promise, asked });
    // A commit of ours counts once the log shows it in its place.
    if (own.kind === "control") await sync(line);
    return isNext || own.kind === "control" ? "next" : "further";
  }
  if (result.is !== "refused") throw untrue(`an append was answered ${result.is}`);
  const { refusal } = result;
  if (refusal.code === "turn" || refusal.code === "reused") await sync(line);
  else if (refusal.code === "generation") await describe(line);
  else if (refusal.code === "denied") await resetTurn(line);
  else throw refusedFault(`send to ${(await current(line)).name}`, refusal);
  return "refused";
}
