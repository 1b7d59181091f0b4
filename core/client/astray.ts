/**
 * A database that was set back behind a change of its own keys: the log has a commit of this device that it doesn't
 * know. MLS lets nobody follow a commit of their own without the state that made it, so from there on what others
 * write can't be read here, and what is written here nobody reads. It lasts, also where a relay loses that commit
 * again: the others have followed it, and may have forgotten the state before.
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
export function noteAstray(keeper: Keeper, id: number, seq: number): string {
  keeper.putValue(nameOf(id), NOTED);
  return `entry ${seq} is a change of this device's keys that its database doesn't know, and can't follow: from here on nothing can be read or written. Invite them anew, and start another conversation`;
}

/** Throws Fault<"client/astray"> where nobody could read what is written. */
export function assertFollows(keeper: Keeper, id: number): void {
  if (!isAstray(keeper, id)) return;
  const { name } = conversationOf(keeper, id);
  throw fault(
    "client/astray",
    `Cannot write to ${name}: this device's database was set back behind a change of its own keys, and nobody could read it`,
  );
}

/** As assertFollows(). */
export function follows({ device, id }: Line): Promise<void> {
  return device.store.transact((keeper) => assertFollows(keeper, id));
}
