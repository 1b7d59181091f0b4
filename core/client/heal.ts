/**
 * A mailbox lives again: its relay was restored from a backup, or it moved. What both logs have stays; what we sent
 * and the new one lacks goes out again, the same bytes under the same ids; whoever has it already knows it by its id.
 */
import type { Keeper, KeptConversation, Position } from "../conversation/mod.ts";
import type { Hash } from "../ground/mod.ts";
import { rootOf, sameHash } from "../merkle/mod.ts";
import type { GenerationStatement } from "../wire/mod.ts";
import { conversationOf, type Device, withKey } from "./device.ts";
import { refusedFault } from "./fault.ts";
import { closeAgain } from "./invitation.ts";
import { peaksOf, untrue } from "./log.ts";
import { isPrefix, type Line, raise } from "./line.ts";

/** Goes over to the generation that `started` begins. */
export async function startGeneration(line: Line, started: GenerationStatement): Promise<void> {
  const { device, id } = line;
  const before = await device.store.transact((keeper) => conversationOf(keeper, id));
  // Another process of ours may have been here first.
  if (started.generation === before.position.generation) return;
  if (started.generation < before.position.generation) {
    throw untrue(
      `generation ${started.generation} of ${before.name} comes after ${before.position.generation}`,
    );
  }
  const common = await commonSize(line, { started, before });
  await device.store.transact((keeper) => {
    const { position } = conversationOf(keeper, id);
    if (position.generation >= started.generation) return;
    const { size, peaks, turn } = treeAt(device, keeper, { id, position, size: common });
    const acknowledged = Math.min(position.acknowledged, size);
    keeper.putPosition(id, { generation: started.generation, size, peaks, turn, acknowledged });
    keeper.loseFormers(id, common);
    closeAgain(device, keeper, before.place.record.relay);
    for (const own of keeper.sent(id)) {
      if (own.sent === null || own.sent.seq < common) continue;
      keeper.putOutgoing({ ...own, sent: null });
      const message = keeper.message(id, own.id);
      if (message !== null) keeper.putMessage({ ...message, seq: null });
    }
  });
  await raise(
    line,
    `its relay was restored or moved: generation ${started.generation} begins at entry ${common}`,
  );
}

/**
 * Our log at `size` entries, or before: where there is a gap below (entries that went before this device read them),
 * peaks are known only as far as the gap, and from there it is read once more.
 */
function treeAt(
  { crypto }: Device,
  keeper: Keeper,
  { id, position, size }: { id: number; position: Position; size: number },
): Pick<Position, "size" | "peaks" | "turn"> {
  if (size >= position.size) return position;
  const { generation } = position;
  const leaves = keeper.leaves(id, { generation, size });
  const last = keeper.leaf(id, { generation, seq: leaves.length - 1 });
  return { size: leaves.length, peaks: peaksOf(crypto, leaves), turn: last?.turn ?? 0 };
}

/**
 * How many entries our log and the new generation's have in common: what the relay signed for, where our log agrees;
 * else (more than one generation has passed) the most that consistency proofs bear out.
 */
async function commonSize(
  line: Line,
  { started, before }: { started: GenerationStatement; before: KeptConversation },
): Promise<number> {
  const { position } = before;
  const size = Math.min(started.size, position.size);
  const root = await rootAt(line, { position, size });
  if (size === started.size && root !== null && sameHash(root, started.root)) return size;
  let [known, over] = [0, size + 1];
  while (over - known > 1) {
    const middle = Math.floor((known + over) / 2);
    const ours = await rootAt(line, { position, size: middle });
    if (ours !== null && (await bears(line, { started, before, ours: { size: middle, root: ours } })))
      known = middle;
    else over = middle;
  }
  return known;
}

/** Root of our log at `size` entries; null in a gap. */
function rootAt(
  { device, id }: Line,
  { position, size }: { position: Position; size: number },
): Promise<Hash | null> {
  const { crypto, store } = device;
  return store.transact((keeper) => {
    const { generation } = position;
    const tree = treeAt(device, keeper, { id, position, size });
    if (tree.size === size) return rootOf(crypto.hash, tree.peaks);
    return keeper.leaf(id, { generation, seq: size - 1 })?.root ?? null;
  });
}

async function bears(
  line: Line,
  claim: {
    started: GenerationStatement;
    before: KeptConversation;
    ours: Parameters<typeof isPrefix>[1]["ours"];
  },
): Promise<boolean> {
  const { device, session } = line;
  const { started, before, ours } = claim;
  return withKey(device, before.readerSeed, async (key) => {
    const signing = { mailbox: before.place.mailbox, generation: started.generation, key };
    const described = await session.command({ op: "describe" }, signing);
    if (described.is === "refused")
      throw refusedFault(`look at the log of ${before.name}`, described.refusal);
    if (described.is !== "described" || described.head.size < ours.size) return false;
    const body = { op: "proveConsistency", from: ours.size, to: described.head.size } as const;
    const proof = await session.command(body, signing);
    return proof.is === "proof" && isPrefix(device, { ours, head: described.head, path: proof.path });
  });
}
