/** Bringing a conversation up to the relay's log: checked against what we had, read, kept, acknowledged. */
import type { Position } from "../conversation/mod.ts";
import { limit } from "../ground/mod.ts";
import { type Description, sameId, type SignedHead } from "../wire/mod.ts";
import { refusedFault } from "./fault.ts";
import { conversationOf, publicOf, withKey } from "./device.ts";
import { rewritten, takeHead, withPath } from "./evidence.ts";
import { forgetRead } from "./forget.ts";
import { startGeneration } from "./heal.ts";
import { takeEntries } from "./intake.ts";
import { jumpTo } from "./lapse.ts";
import { ask, current, isPrefix, type Line, STARTS_MAX } from "./line.ts";
import { seenHead, untrue } from "./log.ts";
import { makeAgain } from "./owner.ts";
import { patiently } from "./patience.ts";
import type { ReadResult } from "./port.ts";
import { mendSetBack } from "./set_back.ts";

/** Asked for at once, and kept in one transaction: few enough that other processes needn't wait long. */
const READ_BYTES = limit.ENTRY_BYTES_MAX;

/** Asks the relay how the mailbox stands, starting its new generation here where there is one. */
export async function describe(line: Line): Promise<Description> {
  let triedAgain = false;
  for (let starts = 0; ; starts++) {
    const { readerSeed, position, name } = await current(line);
    if (starts > STARTS_MAX)
      throw untrue(`${name}'s mailbox started ${starts} generations while it was asked once`);
    const result = await ask(line, readerSeed, { op: "describe" });
    if (result.is === "refused" && result.refusal.code === "generation") {
      await startGeneration(line, result.refusal.started);
    } else if (result.is === "described") {
      if (result.head.generation === position.generation) {
        // As we asked: another process may have read on meanwhile.
        if (result.head.size < position.size) {
          throw untrue(
            `it has ${result.head.size} entries of ${name} where it had ${position.size}, and no new generation`,
          );
        }
        return result;
      }
      if (result.started === null)
        throw untrue(`generation ${result.head.generation} of ${name} has no start`);
      await startGeneration(line, result.started);
    } else if (result.is === "refused" && result.refusal.code === "denied" && !triedAgain) {
      triedAgain = true;
      await makeAgain(line);
    } else if (result.is === "refused") {
      throw refusedFault(`look at the conversation with ${name}`, result.refusal);
    } else throw untrue(`a describe was answered ${result.is}`);
  }
}

/** Reads to the relay's end, acknowledges, and forgets what all have read. */
export async function sync(line: Line): Promise<Description> {
  const promised = await promisedSize(line);
  const description = await describe(line);
  const { generation, size } = description.head;
  const signed = { certificate: line.session.certificate, head: description.head };
  if (generation === promised.generation && size < promised.size) {
    throw untrue(
      `it has ${size} entries of ${promised.name}, and promised us to keep entry ${promised.size - 1}`,
    );
  }
  await checkConsistency(line, signed);
  let { position, readerSeed } = await current(line);
  const own = description.readers.find(({ key }) => sameId(key, publicOf(line.device.crypto, readerSeed)));
  // A generation that has just begun may be of another log than the one that was acknowledged.
  const acknowledged = generation === promised.generation ? (own?.cursor ?? 0) : 0;
  while (position.size < size) {
    const before = position.size;
    position = await readOn(line, { position, acknowledged }).catch(async (error: unknown) => {
      throw await withPath(line, error, signed);
    });
    // Another process of this device has gone over to another.
    if (position.generation !== generation) return sync(line);
    if (position.size === before) throw untrue(`it says that it has ${size} entries and gives ${before}`);
  }
  await settle(line, description);
  await acknowledge(line);
  await forgetRead(line, description);
  return description;
}

/** How many entries the mailbox has at least, by what the relay has promised us. */
async function promisedSize({
  device,
  id,
}: Line): Promise<{ name: string; generation: number; size: number }> {
  return device.store.transact((keeper) => {
    const { name, position } = conversationOf(keeper, id);
    const ends = keeper.sent(id).map(({ sent }) => (sent === null ? 0 : sent.seq + 1));
    return { name, generation: position.generation, size: Math.max(position.size, ...ends) };
  });
}

async function readOn(
  line: Line,
  { position, acknowledged }: { position: Position; acknowledged: number },
): Promise<Position> {
  const { device, session, id, signal } = line;
  const { place, readerSeed, name } = await current(line);
  const range = { from: position.size, bytesMax: READ_BYTES };
  const options = signal === undefined ? {} : { signal };
  const result = await withKey(device, readerSeed, (key) => {
    const signing = { mailbox: place.mailbox, generation: position.generation, key };
    return patiently<ReadResult>(device, () => session.read(range, signing, options), signal);
  });
  if (result.is === "refused") {
    if (result.refusal.code === "lapsed") return jumpTo(line, { position, floor: result.refusal.floor });
    throw refusedFault(`read what ${name} wrote`, result.refusal);
  }
  const { entries } = result;
  const { generation } = position;
  const head = { certificate: session.certificate, head: result.head };
  return takeEntries(device, id, { generation, entries, head, acknowledged });
}

/** The relay's log must begin with ours. */
async function checkConsistency(line: Line, signed: SignedHead): Promise<void> {
  const { device, id } = line;
  const { head } = signed;
  const { position, readerSeed, name } = await current(line);
  const ours = seenHead(device.crypto, position);
  if (ours === null) return;
  // Another process of this device has read on meanwhile, and checked what it read.
  if (head.generation !== position.generation || head.size < position.size) return;
  if (head.size === position.size) {
    return device.store.transact((keeper) => takeHead(device.crypto, keeper, { id, position, signed }));
  }
  const result = await ask(line, readerSeed, { op: "proveConsistency", from: position.size, to: head.size });
  if (result.is === "refused") throw refusedFault(`check the log of ${name}`, result.refusal);
  if (result.is !== "proof") throw untrue(`a proof was asked for, ${result.is} came`);
  // The proof is for the size that was asked for; the head beside it may be of a larger one.
  if (!isPrefix(device, { ours, head, path: result.path })) {
    throw untrue(`its log of ${name} doesn't begin with the ${position.size} entries that it gave us`, {
      evidence: await rewritten(line, signed),
    });
  }
}

/** Forgets what all have read, for whoever stays; returns how many entries that is. */
export async function tidy(line: Line): Promise<number> {
  const description = await describe(line);
  await settle(line, description);
  await forgetRead(line, description);
  return Math.min(...description.readers.filter(({ lapsed }) => !lapsed).map(({ cursor }) => cursor));
}

/** Takes over a turn that no entry shows (a reset), and mends what a backup did. */
async function settle(line: Line, description: Description): Promise<void> {
  const { device, session, id } = line;
  const consumed = await device.store.transact(async (keeper) => {
    const { position } = conversationOf(keeper, id);
    const isCurrent =
      position.generation === description.head.generation && position.size >= description.head.size;
    if (isCurrent && description.turn > position.turn) {
      // A reset: keys that we knew for these turns from before a restore say nothing any more.
      keeper.dropWriterSeeds(id, { from: position.turn + 1, below: Number.MAX_SAFE_INTEGER });
      keeper.putPosition(id, { ...position, turn: description.turn });
    }
    const signed = { certificate: session.certificate, head: description.head };
    takeHead(device.crypto, keeper, { id, position, signed });
    return mendSetBack(device, keeper, id);
  });
  device.crypto.wipe(...consumed);
}

/** Moves our cursor at the relay to what is kept here. */
export async function acknowledge(line: Line): Promise<void> {
  const { device, id } = line;
  const { position, readerSeed, name } = await current(line);
  if (position.acknowledged >= position.size) return;
  const result = await ask(line, readerSeed, { op: "acknowledge", cursor: position.size });
  if (result.is === "refused" && result.refusal.code === "generation") return;
  if (result.is === "refused") throw refusedFault(`acknowledge what ${name} wrote`, result.refusal);
  if (result.is !== "acknowledged") throw untrue(`an acknowledgement was answered ${result.is}`);
  await device.store.transact((keeper) => {
    const { position: now } = conversationOf(keeper, id);
    if (now.generation !== position.generation) return;
    keeper.putPosition(id, { ...now, acknowledged: Math.max(now.acknowledged, position.size) });
  });
}
