/** MLS state between the database and the steps: loaded once a transaction, kept as what has changed. */
import {
  changedRatchets,
  type Conversation,
  decodeGroup,
  decodePending,
  encodePending,
  encodeSnapshot,
  type Keeper,
  type KeptConversation,
  writerSeed,
} from "../conversation/mod.ts";
import { fault } from "./fault.ts";
import type { Device } from "./device.ts";

/** The conversation's state for steps; throws Fault<"client/damaged"> where there is none. */
export function loadState(keeper: Keeper, conversation: KeptConversation): Conversation {
  const kept = keeper.group(conversation.id);
  if (kept === null)
    throw fault("client/damaged", `The keys of conversation ${conversation.name} are missing`);
  return {
    mailbox: conversation.place.mailbox,
    turn: conversation.position.turn,
    group: decodeGroup(kept.snapshot, kept.ratchets),
    pending: kept.pending === null ? null : decodePending(kept.pending),
  };
}

/** Keeps what differs between two states of a conversation, and the writer key of a turn that has come. */
export async function keepState(
  device: Device,
  keeper: Keeper,
  change: { id: number; before: Conversation; after: Conversation },
): Promise<void> {
  const { id, before, after } = change;
  if (before.group.keySchedule !== after.group.keySchedule) {
    keeper.putSnapshot(id, {
      snapshot: encodeSnapshot(after.group),
      ratchets: changedRatchets(after.group, null),
    });
  } else if (before.group !== after.group) {
    keeper.putRatchets(id, changedRatchets(after.group, before.group));
  }
  if (before.pending !== after.pending) {
    keeper.putPending(id, after.pending === null ? null : encodePending(after.pending));
  }
  if (before.turn !== after.turn) await keepWriter(device, keeper, { id, state: after });
}

/** Keeps the seed that writes in the state's turn. */
export async function keepWriter(
  device: Device,
  keeper: Keeper,
  { id, state }: { id: number; state: Conversation },
): Promise<void> {
  const seed = await writerSeed(device.mls, state.group, state.turn);
  keeper.putWriterSeed(id, state.turn, seed);
  device.crypto.wipe(seed);
}
