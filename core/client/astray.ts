/**
 * A change of keys that this device can't follow: a commit of its own that its database, which was set back, doesn't
 * know (MLS lets nobody follow one of their own without the state that made it), or one that went before it was read.
 * From there on what others write can't be read here, and what is written here nobody reads. It lasts, also where a
 * relay loses that commit again: the others have followed it, and may have forgotten the state before.
 */
import type { Keeper } from "../conversation/mod.ts";
import { fault } from "./fault.ts";
import { conversationOf } from "./device.ts";
import type { Line } from "./line.ts";

const NOTED = Uint8Array.of(1);

function nameOf(id: number): string {
  return `astray ${id}`;
}

export function isAstray(keeper: Keeper, id: number): boolean {
  return keeper.value(nameOf(id)) !== null;
}

/** Notes that control entry `seq` is a commit of this device which it doesn't know. Returns the alarm. */
export function noteOwn(keeper: Keeper, id: number, seq: number): string {
  return note(keeper, id, `entry ${seq} is a change of this device's keys that its database doesn't know`);
}

/** Notes that control entry `seq` went before this device read it. Returns the alarm. */
export function noteGone(keeper: Keeper, id: number, seq: number): string {
  return note(keeper, id, `entry ${seq}, a change of keys, was gone before we could read it`);
}

function note(keeper: Keeper, id: number, what: string): string {
  keeper.putValue(nameOf(id), NOTED);
  return `${what}: from here on nothing can be read or written. Invite them anew, and start another conversation`;
}

/** Throws Fault<"client/astray"> where nobody could read what is written. */
export function assertFollows(keeper: Keeper, id: number): void {
  if (!isAstray(keeper, id)) return;
  const { name } = conversationOf(keeper, id);
  throw fault(
    "client/astray",
    `Cannot write to ${name}: this device can't follow a change of keys there, and nobody could read what it writes`,
  );
}

/** As assertFollows(). */
export function follows({ device, id }: Line): Promise<void> {
  return device.store.transact((keeper) => assertFollows(keeper, id));
}
