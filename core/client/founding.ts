/**
 * What whoever accepted an invitation does until the other side has joined: make the conversation's mailbox, lay the
 * Welcome into the inbox, and do that again where a restored relay may have lost it.
 */
import { inviteKeys, membersOf, writerKey } from "../conversation/mod.ts";
import { conversationOf, dialRelay } from "./device.ts";
import { refusedFault } from "./fault.ts";
import { loadState } from "./group.ts";
import { Inbox } from "./inbox.ts";
import { ask, current, type Line } from "./line.ts";
import { sync } from "./sync.ts";

/** Brings a conversation up to date with its relay; with `onlySend`, only as far as sending needs it. */
export async function catchUp(line: Line, { onlySend = false } = {}): Promise<void> {
  await makeMailbox(line);
  if (!onlySend) await sync(line);
  await layWelcome(line);
}

/** The mailbox of a conversation that we founded, once; idempotent. One that is lost later `sync` makes again. */
async function makeMailbox(line: Line): Promise<void> {
  const { device, id } = line;
  const { founding, ownerSeed, place } = await current(line);
  if (founding === null || founding.made) return;
  const { group } = await device.store.transact((keeper) => loadState(keeper, conversationOf(keeper, id)));
  const created = await ask(line, ownerSeed, {
    op: "create",
    record: place.record,
    writer: await writerKey(device.mls, group, 0),
    readers: membersOf(device.mls, group).map((member) => member.reader),
  });
  if (created.is === "refused") throw refusedFault("make the conversation's mailbox", created.refusal);
  await putFounding(line, { made: true });
}

/**
 * Lays the Welcome into the inbox, by a connection of its own, so that the relay doesn't see inbox and mailbox
 * together; once in each generation of the mailbox, since one that begins says that the relay was restored.
 */
async function layWelcome(line: Line): Promise<void> {
  const { device, signal } = line;
  const { founding, position } = await current(line);
  if (founding === null) return;
  const { invite, laid, welcomeId, welcomeEntry } = founding;
  const isOver = device.clock.now() > invite.expiresMs;
  if (laid !== position.generation) {
    await using session = await dialRelay(device, {
      addresses: invite.addresses,
      relay: invite.relay,
      signal,
    });
    const inbox = new Inbox(device, session, { mailbox: invite.inbox, signal });
    const appended = await inbox.command(inviteKeys(device.crypto, invite.secret).writerSeed, {
      op: "append",
      id: welcomeId,
      turn: 0,
      kind: "plain",
      slot: 0,
      change: null,
      entry: welcomeEntry,
    });
    const isGone = appended.is === "refused" && appended.refusal.code === "denied";
    if (appended.is === "refused" && !isGone) throw refusedFault("answer the invitation", appended.refusal);
    // The inviter has joined and deleted it, or the relay has lost it and the inviter makes it again.
    if (!isGone) await putFounding(line, { laid: position.generation });
  }
  if (isOver) await putFounding(line, null);
}

function putFounding(line: Line, change: { made?: boolean; laid?: number } | null): Promise<void> {
  const { device, id } = line;
  return device.store.transact((keeper) => {
    const kept = conversationOf(keeper, id);
    // Another process may have seen the other side meanwhile.
    if (kept.founding === null) return;
    keeper.putConversation({ ...kept, founding: change === null ? null : { ...kept.founding, ...change } });
  });
}
