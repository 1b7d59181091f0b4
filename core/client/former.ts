/**
 * Reading by a state before a commit that the relay has lost (it was restored from a backup): members that never
 * saw that commit go on without it, and may even commit otherwise. Then the log that runs is the truth for all.
 */
import { decodeWholeGroup, encodeGroup, openControl, type Opened, openPlain } from "../conversation/mod.ts";
import type { EntryId } from "../ground/mod.ts";
import type { Intake } from "./intake.ts";
import { noteUndone } from "./renewal.ts";

type Message = Extract<Opened, { is: "message" }>;

/** Opens a plain entry by the state before a lost commit, the last first; null where none of them does. */
export async function openByFormer(
  intake: Intake,
  plain: { id: EntryId; entry: Uint8Array },
): Promise<Message | null> {
  const { device, keeper, conversation, state } = intake;
  for (const former of keeper.lostFormers(conversation.id)) {
    const group = decodeWholeGroup(former.group);
    const opened = await openPlain(device.mls, { ...state, group, pending: null }, plain);
    if (opened.is === "unreadable") continue;
    keeper.putFormer({ ...former, group: encodeGroup(opened.state.group) });
    return opened;
  }
  return null;
}

/**
 * Follows a commit that continues the state before a lost one: what we know since the lost one is no more, and what
 * waits in the outbox is sealed anew. True where there was such a state.
 */
export async function forkByFormer(
  intake: Intake,
  control: { id: EntryId; seq: number; turn: number; entry: Uint8Array },
): Promise<boolean> {
  const { device, keeper, conversation, state } = intake;
  for (const former of keeper.lostFormers(conversation.id)) {
    const group = decodeWholeGroup(former.group);
    const step = await openControl(device.mls, { ...state, group, pending: null }, control);
    if (step.is === "skipped") continue;
    intake.consumed.push(...step.consumed);
    intake.state = step.state;
    // Those behind it are of a branch that nobody follows any more.
    const { seq } = former;
    for (const { id } of keeper.lostFormers(conversation.id).filter((other) => other.seq >= seq))
      keeper.dropFormer(conversation.id, id);
    noteUndone(keeper, conversation);
    // This commit may be lost in its turn.
    keeper.putFormer({ ...former, id: control.id, seq: control.seq, lost: false });
    for (const own of keeper.unsent(conversation.id)) {
      if (own.kind === "control") keeper.dropOutgoing(own.order);
      else keeper.putOutgoing({ ...own, sealed: null });
    }
    return true;
  }
  return false;
}
