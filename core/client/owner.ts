/**
 * What the owner key is for in a pair, where both sides have it: to write again when a turn has keys that nobody who
 * follows the rules knows (a relay lost a commit, a member set a wrong key), and to make the mailbox again where a
 * relay has lost it altogether.
 */
import { type Conversation, membersOf, writerKey } from "../conversation/mod.ts";
import type { Description } from "../wire/mod.ts";
import { conversationOf, withKey } from "./device.ts";
import { fault, refusedFault } from "./fault.ts";
import { keepWriter, loadState } from "./group.ts";
import { ask, current, type Line, raise } from "./line.ts";

/** The owner sets writer and reader keys to those of our epoch, and with that starts a turn. */
export async function setKeys(line: Line, description: Description): Promise<void> {
  const { device, id } = line;
  const { ownerSeed, place, name } = await current(line);
  const state = await loaded(line);
  const turn = description.turn + 1;
  const result = await ask(line, ownerSeed, {
    op: "reset",
    version: description.version,
    owner: place.record.owner,
    writer: await writerKey(device.mls, state.group, turn),
    readers: readersOf(line, state),
    // As it was agreed on: what the relay describes isn't signed by anyone.
    policy: place.record.policy,
  });
  if (result.is === "refused" && result.refusal.code !== "version") {
    throw refusedFault(`renew the keys of the mailbox of ${name}`, result.refusal);
  }
  if (result.is !== "reset") return;
  await device.store.transact(async (keeper) => {
    keeper.putPosition(id, { ...conversationOf(keeper, id).position, turn: result.turn });
    await keepWriter(device, keeper, { id, state: { ...state, turn: result.turn } });
  });
}

function loaded({ device, id }: Line): Promise<Conversation> {
  return device.store.transact((keeper) => loadState(keeper, conversationOf(keeper, id)));
}

function readersOf({ device }: Line, state: Conversation) {
  return membersOf(device.mls, state.group).map((member) => member.reader);
}

/**
 * The relay doesn't know the mailbox, or not us as its reader. The owner makes it again, in a generation after all
 * that we know of; where it is there after all, its keys are set anew. Throws Fault<"client/ended"> where it was
 * deleted, which is told by then.
 */
export async function makeAgain(line: Line): Promise<void> {
  const { device, session, signal } = line;
  const { place, position, ownerSeed, name } = await current(line);
  const state = await loaded(line);
  const writer = await writerKey(device.mls, state.group, 0);
  const readers = readersOf(line, state);
  const generation = Math.max(position.generation + 1, Math.floor(device.clock.now() / 1000));
  const result = await withKey(device, ownerSeed, (key) =>
    session.command(
      { op: "create", record: place.record, writer, readers },
      { mailbox: place.mailbox, generation, key },
      signal === undefined ? {} : { signal },
    ),
  );
  if (result.is === "refused") {
    if (result.refusal.code !== "gone")
      throw refusedFault(`make the mailbox of ${name} again`, result.refusal);
    const what = "the other side has ended this conversation: its mailbox was deleted";
    await raise(line, what);
    throw fault("client/ended", `Cannot reach ${name}: ${what}`);
  }
  if (result.is !== "created" || result.generation !== position.generation) return;
  // It is there, and doesn't count us among its readers: a member has taken our key out.
  const described = await ask(line, ownerSeed, { op: "describe" });
  if (described.is !== "described") {
    throw fault("client/refused", `Cannot read what ${name} wrote: the mailbox no longer has our keys`);
  }
  await setKeys(line, described);
}
