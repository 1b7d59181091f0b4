/**
 * A backup of this device's database was put in its place. The log has what the device wrote since, under keys that
 * the database believes unused: what it seals with them next, others have no key for any more. So it renews its keys,
 * and what it sent since the backup goes out again, under ids of its own.
 */
import { joined, type Keeper, type KeptConversation, Reader } from "../conversation/mod.ts";
import { entryId } from "../ground/mod.ts";
import { isAstray } from "./astray.ts";
import { conversationOf, type Device } from "./device.ts";
import { noteUndone, renewIfDue } from "./renewal.ts";

const VERSION = 1;
const NONE = Number.MAX_SAFE_INTEGER;

function nameOf(id: number): string {
  return `set back ${id}`;
}

/** The first entry that shows it and wasn't acted on yet; NONE where none does. */
function firstOf(keeper: Keeper, id: number): number {
  const bytes = keeper.value(nameOf(id));
  if (bytes === null) return NONE;
  const reader = new Reader(bytes, "record of a database that was set back");
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  const first = reader.u64();
  reader.end();
  return first;
}

function putFirst(keeper: Keeper, id: number, seq: number): void {
  keeper.putValue(nameOf(id), joined([{ u8: VERSION }, { u64: seq }]));
}

/**
 * Notes that entry `seq` is from this device, or was acknowledged by it, and isn't known here. Returns the alarm, none
 * where one was raised already that isn't mended yet.
 */
export function noteSetBack(keeper: Keeper, id: number, seq: number): readonly string[] {
  const first = firstOf(keeper, id);
  putFirst(keeper, id, Math.min(seq, first));
  if (first !== NONE) return [];
  const what = `this device wrote or acknowledged entry ${seq}, and its database doesn't know it: a backup seems to have been put in its place. Its keys are renewed once all is read, and what it sent since goes out again`;
  return [what];
}

/** Once the log has been read: renews the keys, and seals anew what nobody may be able to open. Returns what is to be wiped. */
export async function mendSetBack(
  device: Device,
  keeper: Keeper,
  id: number,
): Promise<readonly Uint8Array[]> {
  const first = firstOf(keeper, id);
  if (first === NONE) return [];
  putFirst(keeper, id, NONE);
  if (isAstray(keeper, id)) return [];
  const conversation = conversationOf(keeper, id);
  noteUndone(keeper, conversation);
  const consumed = await renewIfDue(device, keeper, conversation);
  sendAgain(device, keeper, { conversation, first });
  return consumed;
}

/** Behind the commit. An id that stands in the log is used up. */
function sendAgain(
  device: Device,
  keeper: Keeper,
  { conversation, first }: { conversation: KeptConversation; first: number },
): void {
  const { id, position } = conversation;
  const since = keeper.sent(id).filter(({ sent }) => sent !== null && sent.seq > first);
  for (const own of [...since, ...keeper.unsent(id)]) {
    const message = keeper.message(id, own.id);
    if (own.kind !== "plain" || message === null) continue;
    keeper.dropOutgoing(own.order);
    const again = own.sent === null ? own.id : entryId(device.crypto.random.bytes(16));
    if (own.sent !== null) {
      keeper.dropMessage(id, own.id);
      keeper.putMessage({ ...message, id: again, generation: position.generation, seq: null });
    }
    keeper.addOutgoing({
      conversation: id,
      id: again,
      kind: "plain",
      sealed: null,
      change: null,
      sent: null,
    });
  }
}
