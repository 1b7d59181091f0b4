/**
 * What the other members have signed that they have read. Where they stand a relay tells by its word alone; a receipt
 * holds by the key that its reader announced to the members, whatever the relay says.
 *
 * What it does not protect: a receipt names a number and no root, so it is of the log that its reader was shown.
 */
import type { Keeper, KeptConversation } from "../conversation/mod.ts";
import { limit, type PublicKey, publicKey } from "../ground/mod.ts";
import { verifyReceipt } from "../mailbox/mod.ts";
import { sameHash } from "../merkle/mod.ts";
import type { ReaderReceipt } from "../wire/mod.ts";
import { ask, current, type Line } from "./line.ts";
import { untrue } from "./log.ts";

/** Before all keys. */
const FIRST = publicKey(new Uint8Array(32));
const PAGES_MAX = limit.MAILBOX_READERS_MAX / limit.RECEIPTS_MAX;

/**
 * Asks for the receipts of `readers` and gives those that there are. None where the relay won't say, or is of a
 * version that doesn't know the question. Throws Fault<"client/untrue"> where one isn't signed by its reader.
 */
export async function signedByReaders(
  line: Line,
  readers: readonly PublicKey[],
): Promise<readonly ReaderReceipt[]> {
  const { place, readerSeed, name } = await current(line);
  const wanted = new Set(readers.map((reader) => reader.toHex()));
  const found: ReaderReceipt[] = [];
  let from: PublicKey | null = FIRST;
  for (let pages = 0; from !== null && pages < PAGES_MAX; pages++) {
    const result = await ask(line, readerSeed, { op: "receipts", from });
    if (result.is === "refused") break;
    if (result.is !== "receipts") throw untrue(`receipts were asked for, ${result.is} came`);
    found.push(...result.receipts.filter(({ reader }) => wanted.has(reader.toHex())));
    from = result.next;
  }
  const { crypto } = line.device;
  for (const receipt of found) {
    if (!verifyReceipt(crypto, { ...receipt, mailbox: place.mailbox }, place.record.relay)) {
      throw untrue(`it shows a receipt of a reader of ${name}'s that this reader didn't sign`);
    }
  }
  return found;
}

/** Below which number of the log that runs a reader has signed that it has read; 0 where the receipt is of another log. */
export function reachOf(
  keeper: Keeper,
  { id, position }: KeptConversation,
  { generation, cursor }: ReaderReceipt,
): number {
  if (generation === position.generation) return cursor;
  if (cursor === 0 || cursor > position.size) return 0;
  // One of an earlier generation counts where that one's log, as we had it then, is how this one begins.
  const then = keeper.leaf(id, { generation, seq: cursor - 1 });
  const now = keeper.leaf(id, { generation: position.generation, seq: cursor - 1 });
  if (then === null || now === null || then.generation !== generation) return 0;
  return sameHash(then.root, now.root) ? cursor : 0;
}
