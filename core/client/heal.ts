/**
 * A mailbox lives again: its relay was restored from a backup, or it moved. What both logs have stays; what we sent
 * and the new one lacks goes out again, the same bytes under the same ids; whoever has it already knows it by its id.
 */
import type { KeptConversation, Position } from "../conversation/mod.ts";
import type { Hash } from "../ground/mod.ts";
import { rootOf, sameHash } from "../merkle/mod.ts";
import type { GenerationStatement } from "../wire/mod.ts";
import { conversationOf, withKey } from "./device.ts";
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
    const size = Math.min(common, position.size);
    const last = size === 0 ? null : keeper.leaf(id, { generation: position.generation, seq: size - 1 });
    const leaves = keeper.leaves(id, { generation: position.generation, size });
    keeper.putPosition(id, {
      generation: started.generation,
      size,
      peaks: peaksOf(device.crypto, leaves),
      turn: size === position.size ? position.turn : (last?.turn ?? 0),
      acknowledged: Math.min(position.acknowledged, size),
    });
    keeper.loseFormers(id, size);
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
  if (size === started.size && sameHash(root, started.root)) return size;
  let [known, over] = [0, size + 1];
  while (over - known > 1) {
    const middle = Math.floor((known + over) / 2);
    const ours = { size: middle, root: await rootAt(line, { position, size: middle }) };
    if (await bears(line, { started, before, ours })) known = middle;
    else over = middle;
  }
  return known;
}

function rootAt({ device, id }: Line, log: { position: Position; size: number }): Promise<Hash> {
  return device.store.transact((keeper) => {
    const leaves = keeper.leaves(id, { generation: log.position.generation, size: log.size });
    return rootOf(device.crypto.hash, peaksOf(device.crypto, leaves));
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
