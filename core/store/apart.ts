import { isFault } from "../ground/mod.ts";
import type { Outcome } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { reasonOf, storeFault } from "./fault.ts";
import { hex } from "./hashes.ts";

type Commit = (batch: readonly CheckedCommand[]) => Promise<readonly Outcome[]> | readonly Outcome[];

/** The places in a batch of those commands that name one mailbox, for each that is named. */
function placesByMailbox(batch: readonly CheckedCommand[]): number[][] {
  const places = new Map<string, number[]>();
  for (const [at, { authority }] of batch.entries()) {
    const key = hex(authority.mailbox);
    const known = places.get(key);
    if (known === undefined) places.set(key, [at]);
    else known.push(at);
  }
  return [...places.values()];
}

/** One batch as it is committed in parts. */
class Parts {
  readonly outcomes: Outcome[];
  readonly #batch: readonly CheckedCommand[];
  readonly #commit: Commit;
  #isBegun = false;

  constructor(batch: readonly CheckedCommand[], commit: Commit) {
    this.#batch = batch;
    this.#commit = commit;
    this.outcomes = Array.from({ length: batch.length });
  }

  /** Commits what stands at `places`, in halves as long as one of their mailboxes is damaged. */
  async keep(places: readonly (readonly number[])[]): Promise<void> {
    const all = places.flat().toSorted((a, b) => a - b);
    try {
      const kept = await this.#commit(this.#batch.filter((_, at) => all.includes(at)));
      this.#isBegun = true;
      for (const [index, at] of all.entries()) this.#put(at, kept[index]);
    } catch (error) {
      if (!isFault(error, "store/corrupt")) throw this.#unknown(error);
      if (places.length === 1) {
        for (const at of all) this.#put(at, { is: "damaged", what: error.message });
        return;
      }
      const half = Math.ceil(places.length / 2);
      await this.keep(places.slice(0, half));
      await this.keep(places.slice(half));
    }
  }

  #put(at: number, outcome: Outcome | undefined): void {
    if (outcome !== undefined) this.outcomes[at] = outcome;
  }

  /** Where a part was kept, nobody can say any more that nothing was. */
  #unknown(error: unknown): unknown {
    return this.#isBegun ? storeFault("store/unknown", reasonOf(error), error) : error;
  }
}

/**
 * Has `commit` keep a batch. Where one of its mailboxes is damaged, that mailbox's commands are answered as "damaged",
 * and those of all others are kept in parts. Rejects as `commit` does.
 */
export async function commitApart(
  batch: readonly CheckedCommand[],
  commit: Commit,
): Promise<readonly Outcome[]> {
  try {
    return await commit(batch);
  } catch (error) {
    if (!isFault(error, "store/corrupt")) throw error;
  }
  const parts = new Parts(batch, commit);
  await parts.keep(placesByMailbox(batch));
  return parts.outcomes;
}
