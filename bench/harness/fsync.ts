/** The disk's own rate of fsyncs, measured where the stores of a run lie. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const WRITE_BYTES = 4096;

/** Appends 4 KiB and calls fdatasync, one after another, for `seconds` in `dir`; how many a second. */
export function fsyncsPerSecond(dir: string, seconds: number): number {
  const path = join(dir, "fsync.probe");
  const file = openSync(path, "w", 0o600);
  const block = crypto.getRandomValues(new Uint8Array(WRITE_BYTES));
  const startedMs = performance.now();
  let count = 0;
  try {
    while (performance.now() - startedMs < seconds * 1000) {
      writeSync(file, block);
      fdatasyncSync(file);
      count += 1;
    }
    return count / ((performance.now() - startedMs) / 1000);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
