import { type Clock, limit } from "../ground/mod.ts";
import type { MailboxStore, StoreCounts } from "../mailbox/mod.ts";
import { within } from "./within.ts";

/** What is quicker than this is counted whenever somebody asks. */
const QUICK_MS = 20;
/** A slower count is told again for as many times as long as it took, so that counting takes 2 % of a server at most. */
const KEPT_TIMES = 50;

type Counting = Pick<MailboxStore, "counts">;

/**
 * Counts what `store` holds, at most as often as that is cheap: PostgreSQL goes through all mailboxes for it, most of a second
 * for a million, and whoever reads metrics or asks the API has it do so each time. Who asks meanwhile waits for the
 * same count.
 */
export function openHeldCounts(store: Counting, clock: Clock): Counting {
  let kept: { readonly counts: StoreCounts; readonly untilMs: number } | null = null;
  let underWay: Promise<StoreCounts> | null = null;
  const count = async (): Promise<StoreCounts> => {
    const beganMs = clock.monotonic();
    try {
      const counts = await store.counts();
      const endedMs = clock.monotonic();
      const tookMs = endedMs - beganMs;
      kept = tookMs < QUICK_MS ? null : { counts, untilMs: endedMs + KEPT_TIMES * tookMs };
      return counts;
    } finally {
      underWay = null;
    }
  };
  return {
    async counts() {
      if (kept !== null && clock.monotonic() < kept.untilMs) return kept.counts;
      return await (underWay ??= count());
    },
  };
}

export interface HeldOptions {
  readonly store: Counting;
  readonly clock: Clock;
  /** Default limit.STORE_COUNTS_MS. */
  readonly waitMs?: number;
}

/**
 * What the store holds, for whoever looks at a relay. A store that is away, or takes its time, holds nobody up: the
 * last answer is given while it is young, then null.
 */
export function heldBy(options: HeldOptions): () => Promise<StoreCounts | null> {
  const { store, clock, waitMs = limit.STORE_COUNTS_MS } = options;
  let last: { readonly counts: StoreCounts; readonly atMs: number } | null = null;
  const ask = async (): Promise<void> => {
    try {
      const counts = await store.counts();
      last = { counts, atMs: clock.monotonic() };
    } catch {
      // A store that is away is told by readiness; the rest still has its worth.
      last = null;
    }
  };
  return async () => {
    await within(waitMs, ask());
    return last !== null && clock.monotonic() - last.atMs < limit.STORE_COUNTS_AGE_MS ? last.counts : null;
  };
}
