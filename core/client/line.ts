/** What every step of bringing a conversation up to date asks: how it is kept here, and its relay. */
import type { KeptConversation } from "../conversation/mod.ts";
import { type Hash, hash } from "../ground/mod.ts";
import { verifyConsistency } from "../merkle/mod.ts";
import type { Head } from "../wire/mod.ts";
import { conversationOf, type Device, putAlarm, withKey } from "./device.ts";
import { patiently } from "./patience.ts";
import type { CommandResult, RelaySession, SingleBody } from "./port.ts";

/** Generations that may start while a mailbox is asked once. */
export const STARTS_MAX = 4;

/** A conversation and the session that serves it. */
export interface Line {
  readonly device: Device;
  readonly session: RelaySession;
  readonly id: number;
  readonly signal?: AbortSignal;
}

/** The conversation as it is kept now. */
export function current({ device, id }: Line): Promise<KeptConversation> {
  return device.store.transact((keeper) => conversationOf(keeper, id));
}

/** Sends a command signed by `seed`, again while the relay is busy. */
export async function ask(line: Line, seed: Uint8Array, body: SingleBody): Promise<CommandResult> {
  const { device, session, signal } = line;
  const { place, position } = await current(line);
  return withKey(device, seed, (key) => {
    const signing = { mailbox: place.mailbox, generation: position.generation, key };
    const options = signal === undefined ? {} : { signal };
    return patiently<CommandResult>(device, () => session.command(body, signing, options), signal);
  });
}

/** Whether a proof shows that the relay's log begins with ours. */
export function isPrefix(
  device: Device,
  claim: { ours: { size: number; root: Hash }; head: Head; path: readonly Uint8Array[] },
): boolean {
  const { ours, head, path } = claim;
  return verifyConsistency(device.crypto.hash, {
    first: ours.size,
    size: head.size,
    firstRoot: ours.root,
    root: head.root,
    proof: path.map((step) => hash(step)),
  });
}

/** Notes an alarm outside of intake. */
export async function raise({ device, id }: Line, what: string): Promise<void> {
  const fresh = await device.store.transact((keeper) => putAlarm(keeper, id, what));
  if (fresh)
    device.events.alarm((await device.store.transact((keeper) => conversationOf(keeper, id))).name, what);
}
