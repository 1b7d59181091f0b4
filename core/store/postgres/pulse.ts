/** Tells a server that hangs from one that is busy: while a statement takes its time, another connection still answers. */
import { type Client, isLost } from "./connect.ts";

const ASK_MS = 2_500;
/** So many questions in a row without an answer, and the server counts as hung. */
const MISSED_MAX = 4;
export const HUNG_S = (ASK_MS * MISSED_MAX) / 1000;

/** Asks until disposed of; calls `hung`, once, when no answer came for HUNG_S. Wants a connection of `sql` beside the one at work. */
export function openPulse(sql: Client, hung: () => void): Disposable {
  let missed = 0;
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    try {
      await sql`SELECT 1`;
      missed = 0;
    } catch (error) {
      // A refusal is an answer too.
      if (!isLost(error)) missed = 0;
    }
    isAsking = false;
  };
  const timer = setInterval(() => {
    // Counted by turns of this process: one that was stopped itself finds nobody late.
    missed += 1;
    if (missed > MISSED_MAX) {
      clearInterval(timer);
      hung();
    } else if (!isAsking) void ask();
  }, ASK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
