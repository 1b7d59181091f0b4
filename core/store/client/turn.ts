/**
 * What one process at a time may do beside the database, for as long as it takes. The lock is SQLite's on a file that
 * holds nothing, as that of a data directory: the kernel drops it when the process ends, however it ends.
 */
import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";
import { storeFault } from "../fault.ts";
import { isBusy } from "./file.ts";

const LOOK_EVERY_MS = 20;

export interface TurnOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long another process is waited for. */
  readonly waitMs: number;
}

/** Takes the lock at `path`, once others have given it back; throws Fault<"store/busy"> where they don't, and what `signal` aborts with. */
export async function takeTurn(path: string, { signal, waitMs }: TurnOptions): Promise<Disposable> {
  const until = performance.now() + waitMs;
  for (;;) {
    const lock = tryLock(path);
    if (lock !== null) return lock;
    signal?.throwIfAborted();
    if (performance.now() > until) {
      throw storeFault(
        "store/busy",
        `Another process of this device has been showing what is new for ${waitMs / 1000} s, and what it shows isn't shown twice`,
      );
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

function tryLock(path: string): Disposable | null {
  closeSync(openSync(path, "a", 0o600));
  const lock = new Database(path, { readwrite: true });
  try {
    // Nothing is ever written to it, so it needs no journal beside it.
    lock.query("PRAGMA journal_mode = MEMORY").get();
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (isBusy(error)) return null;
    throw error;
  }
}
