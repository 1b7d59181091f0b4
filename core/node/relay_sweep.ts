import type { Clock } from "../ground/mod.ts";
import { clockJumped, type MailboxStore } from "../mailbox/mod.ts";

const SWEEP_EVERY_MS = 60_000;
/** Between two bounded pieces of one sweep, so that appends come in between. */
const PAUSE_MS = 20;

export interface SweeperOptions {
  readonly store: Pick<MailboxStore, "sweep">;
  readonly clock: Clock;
  readonly everyMs?: number;
  error(error: unknown): void;
  /** Expiry halts: the clock moved `byMs` between two sweeps. Told once. */
  halted(byMs: number): void;
}

/** Sweeps the store now and then until disposed of, which waits for a sweep under way. */
export function openSweeper(options: SweeperOptions): AsyncDisposable {
  const { store, clock, everyMs = SWEEP_EVERY_MS } = options;
  let closed = false;
  let previousMs: number | null = null;
  let running: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout>;
  const sweep = async (): Promise<boolean> => {
    const nowMs = clock.now();
    if (clockJumped(previousMs, nowMs)) {
      options.halted(nowMs - (previousMs ?? nowMs));
      return false;
    }
    previousMs = nowMs;
    // Piece by piece is the point.
    while (!closed && (await store.sweep(nowMs))) await Bun.sleep(PAUSE_MS);
    return true;
  };
  const run = (): void => {
    running = sweep()
      .catch((error: unknown) => {
        options.error(error);
        return true;
      })
      .then((again) => {
        if (again && !closed) timer = setTimeout(run, everyMs);
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
