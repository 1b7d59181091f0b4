/**
 * When a device renews its keys in a conversation. A commit renews the keys of whoever makes it, so what counts is
 * what was written since our own last one, whatever epochs the commits of others have made of it: a thief who once
 * had our keys reads on until then.
 */
import {
  joined,
  type Keeper,
  type KeptConversation,
  pendingChange,
  type Position,
  proposeUpdate,
  Reader,
} from "../conversation/mod.ts";
import { entryId } from "../ground/mod.ts";
import { isAstray } from "./astray.ts";
import type { Device } from "./device.ts";
import { keepState, loadState } from "./group.ts";

/** We renew after so many messages of our own, entries in the log, or days in which something was written. */
const AFTER = { MESSAGES: 32, ENTRIES: 128, DAYS: 7 } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const VERSION = 1;

/** How a conversation stood when our keys were last renewed, and what we have said since. */
interface Renewed {
  readonly own: number;
  /** Entries in the log. */
  readonly size: number;
  readonly timeMs: number;
}

function nameOf(id: number): string {
  return `renewed ${id}`;
}

function renewedOf(keeper: Keeper, { id, createdMs }: KeptConversation): Renewed {
  const bytes = keeper.value(nameOf(id));
  if (bytes === null) return { own: 0, size: 0, timeMs: createdMs };
  const reader = new Reader(bytes, "renewal record");
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  const renewed = { own: reader.u32(), size: reader.u64(), timeMs: reader.u64() };
  reader.end();
  return renewed;
}

function putRenewed(keeper: Keeper, id: number, { own, size, timeMs }: Renewed): void {
  keeper.putValue(nameOf(id), joined([{ u8: VERSION }, { u32: own }, { u64: size }, { u64: timeMs }]));
}

/** One more message of ours is on its way. */
export function countOwn(keeper: Keeper, conversation: KeptConversation): void {
  const renewed = renewedOf(keeper, conversation);
  putRenewed(keeper, conversation.id, { ...renewed, own: renewed.own + 1 });
}

/** A commit of ours stands in the log. What waits behind it goes out under the new keys. */
export function noteRenewed(device: Device, keeper: Keeper, at: { id: number; position: Position }): void {
  const own = keeper.unsent(at.id).filter(({ kind }) => kind === "plain").length;
  putRenewed(keeper, at.id, { own, size: at.position.size, timeMs: device.clock.now() });
}

/** A commit of ours may be undone, since the log went on from before it: we renew again with what we say next. */
export function noteUndone(keeper: Keeper, conversation: KeptConversation): void {
  putRenewed(keeper, conversation.id, { ...renewedOf(keeper, conversation), own: AFTER.MESSAGES });
}

function isDue(device: Device, keeper: Keeper, conversation: KeptConversation): boolean {
  const { own, size, timeMs } = renewedOf(keeper, conversation);
  const written = conversation.position.size - size;
  if (own >= AFTER.MESSAGES || written >= AFTER.ENTRIES) return true;
  return own + Math.max(written, 0) > 0 && device.clock.now() - timeMs >= AFTER.DAYS * DAY_MS;
}

/**
 * Renews our keys where they have served long enough: puts a commit into the outbox. Returns what is to be wiped
 * after the transaction.
 */
export async function renewIfDue(
  device: Device,
  keeper: Keeper,
  conversation: KeptConversation,
): Promise<readonly Uint8Array[]> {
  if (!isDue(device, keeper, conversation) || isAstray(keeper, conversation.id)) return [];
  const before = loadState(keeper, conversation);
  if (before.pending !== null || before.group.groupActiveState.kind !== "active") return [];
  const { id } = conversation;
  const control = entryId(device.crypto.random.bytes(16));
  const { state, consumed } = await proposeUpdate(device.mls, before, control);
  await keepState(device, keeper, { id, before, after: state });
  const change = await pendingChange(device.mls, state);
  const entry = state.pending?.entry;
  if (entry === undefined) return consumed;
  const epoch = Number(state.group.groupContext.epoch);
  const sealed = { epoch, turn: state.turn, entry };
  keeper.addOutgoing({ conversation: id, id: control, kind: "control", sealed, change, sent: null });
  return consumed;
}
