/**
 * We were away so long that the relay let entries go that we hadn't read. The log goes on behind the gap: the proof
 * that the first entry there is in it holds, on its way, the roots of all that lies before.
 */
import type { Position } from "../conversation/mod.ts";
import { type Hash, hash } from "../ground/mod.ts";
import { peakCount, verifyInclusion } from "../merkle/mod.ts";
import type { DeliveredEntry } from "../wire/mod.ts";
import { conversationOf, withKey } from "./device.ts";
import { refusedFault } from "./fault.ts";
import { leafOf, untrue } from "./log.ts";
import { ask, current, type Line, raise } from "./line.ts";

/**
 * Goes on at `floor`, the first entry that the relay still has, as it said when it was asked for those from `position`
 * on; returns the position there, or further on where another process of this device has read it meanwhile.
 */
export async function jumpTo(
  line: Line,
  { position, floor }: { position: Position; floor: number },
): Promise<Position> {
  const { device } = line;
  if (floor <= position.size) {
    throw untrue(`it says that entries below ${floor} are gone, and was asked for later ones`);
  }
  const { position: now, readerSeed, name } = await current(line);
  if (now.generation !== position.generation || now.size >= floor) return now;
  const described = await ask(line, readerSeed, { op: "describe" });
  if (described.is === "refused") throw refusedFault(`look at the log of ${name}`, described.refusal);
  if (described.is !== "described") throw untrue(`a describe was answered ${described.is}`);
  const { head } = described;
  if (head.size === floor) {
    // Nothing lies behind the gap yet: the tree as it stands is the one to go on from.
    return jump(line, { ...position, size: floor, peaks: described.peaks, turn: described.turn });
  }
  const first = await entryAt(line, floor);
  const proof = await ask(line, readerSeed, { op: "proveInclusion", seq: floor, size: head.size });
  if (proof.is === "refused") throw refusedFault(`check the log of ${name}`, proof.refusal);
  if (proof.is !== "proof") throw untrue(`a proof was asked for, ${proof.is} came`);
  const path = proof.path.map((step) => hash(step));
  const leaf = leafOf(device.crypto, first);
  const claim = { index: floor, size: head.size, leaf, root: head.root, proof: path };
  if (!verifyInclusion(device.crypto.hash, claim)) throw untrue(`entry ${floor} isn't in its log of ${name}`);
  const peaks = peaksBefore({ index: floor, size: head.size, path });
  return jump(line, { ...position, size: floor, peaks, turn: first.leaf.turn });
}

async function jump(line: Line, to: Position): Promise<Position> {
  const { device, id } = line;
  if (to.peaks.length !== peakCount(to.size))
    throw untrue("its tree has another number of peaks than it can have");
  const { before, after } = await device.store.transact((keeper) => {
    const { position } = conversationOf(keeper, id);
    if (position.generation !== to.generation || position.size >= to.size)
      return { before: position, after: position };
    keeper.addGap(id, { generation: to.generation, from: position.size, to: to.size });
    keeper.putPosition(id, to);
    return { before: position, after: to };
  });
  if (before !== after)
    await raise(line, `entries ${before.size} to ${to.size - 1} were gone before this device read them`);
  return after;
}

/** Entry `seq` as the relay gives it now, unchecked against the log. */
export async function entryAt(line: Line, seq: number): Promise<DeliveredEntry> {
  const { device, session } = line;
  const { place, position, readerSeed, name } = await current(line);
  const { mailbox } = place;
  const result = await withKey(device, readerSeed, (key) =>
    session.read({ from: seq, bytesMax: 1 }, { mailbox, generation: position.generation, key }),
  );
  if (result.is === "refused") throw refusedFault(`read what ${name} wrote`, result.refusal);
  const [first] = result.entries;
  if (first?.leaf.seq !== seq) throw untrue(`entry ${seq} was expected`);
  return first;
}

/**
 * Peaks of the tree of `index` leaves, from the path of leaf `index` in a larger one: those of its steps that are
 * left neighbours, the highest first.
 */
export function peaksBefore(place: { index: number; size: number; path: readonly Hash[] }): Hash[] {
  const lefts: Hash[] = [];
  let node = place.index;
  let last = place.size - 1;
  for (const step of place.path) {
    if (node % 2 === 1 || node === last) {
      lefts.unshift(step);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return lefts;
}
