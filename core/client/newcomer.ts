import { type Conversation, type KeptConversation, membersOf } from "../conversation/mod.ts";
import type { Device } from "./device.ts";

/**
 * What is to be said where commits let devices in that weren't there: everybody may add devices of their own, and so
 * may whoever has stolen an identity's key.
 */
export function newcomers(
  { mls, crypto, identity }: Device,
  conversation: KeptConversation,
  { before, after }: { before: Conversation; after: Conversation },
): string[] {
  if (before.group.ratchetTree === after.group.ratchetTree) return [];
  const there = new Set(membersOf(mls, before.group).map(({ device }) => device.toHex()));
  const fresh = membersOf(mls, after.group).filter(({ device }) => !there.has(device.toHex()));
  return fresh.map((member) => {
    const shown = `${member.device.toHex().slice(0, 16)}…`;
    return crypto.equal(member.identity, identity)
      ? `a new device of yours, ${shown}, reads and writes here: if it isn't, somebody has your identity's key`
      : `a new device of ${conversation.name}, ${shown}, reads and writes here: ask them over another channel whether it is theirs`;
  });
}
