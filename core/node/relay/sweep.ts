import { type Clock, isFault } from "../../ground/mod.ts";
import { type ClockTrust, jumpedMs, type MailboxStore, readClock } from "../../mailbox/mod.ts";

const SWEEP_EVERY_MS = 60_000;
/** Between two bounded pieces of one sweep, so that appends come in between. */
const PAUSE_MS = 20;

export interface SweeperOptions {
  readonly store: Pick<MailboxStore, "sweep">;
  readonly clock: Clock;
  readonly everyMs?: number;
  error(error: unknown): void;
  /** Expiry halts: the clock jumped `byMs` ahead of the time that passed. Told once, until `resumed`. */
  halted(byMs: number): void;
  /** Expiry goes on: the clock is right again, or has been the same for long enough. */
  resumed(): void;
}

/** Sweeps the store now and then until disposed of, which waits for a sweep under way. */
export function openSweeper(options: SweeperOptions): AsyncDisposable {
  const { store, clock, everyMs = SWEEP_EVERY_MS } = options;
  let closed = false;
  let trust: ClockTrust | null = null;
  let isHalted = false;
  let running: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout>;
  /** By which time things are over now; null while the clock isn't believed. */
  const time = (): number | null => {
    const nowMs = clock.now();
    trust = readClock(trust, { nowMs, monotonicMs: clock.monotonic() });
    const byMs = jumpedMs(trust);
    if (byMs > 0 && !isHalted) options.halted(byMs);
    if (byMs === 0 && isHalted) options.resumed();
    isHalted = byMs > 0;
    return isHalted ? null : nowMs;
  };
  /** Resolves with whether there is more, and with null where a mailbox was damaged and the others' was done. */
  const piece = async (nowMs: number): Promise<boolean | null> => {
    try {
      return await store.sweep(nowMs);
    } catch (error) {
      if (!isFault(error, "store/corrupt")) throw error;
      options.error(error);
      return null;
    }
  };
  const sweep = async (): Promise<void> => {
    let before: boolean | null = true;
    // Piece by piece is the point, each by its own time: a long sweep may last for hours.
    for (let nowMs = time(); nowMs !== null && !closed; nowMs = time()) {
      const more = await piece(nowMs);
      // Where damage is all that there is it is time enough the next time.
      if (more === false || (more === null && before === null)) return;
      before = more;
      await Bun.sleep(PAUSE_MS);
    }
  };
  const run = (): void => {
    running = sweep()
      .catch((error: unknown) => options.error(error))
      .then(() => {
        if (!closed) timer = setTimeout(run, everyMs);
      });
  };
  timer = setTimeout(run, everyMs);
  return {
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
