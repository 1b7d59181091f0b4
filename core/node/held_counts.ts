import type { Clock } from "../ground/mod.ts";
import type { MailboxStore, StoreCounts } from "../mailbox/mod.ts";

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
