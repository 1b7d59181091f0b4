/** Brings what the kernel holds of a file in memory into a known state. Linux's tools and libc. */
import { dlopen } from "bun:ffi";
import { closeSync, openSync, readSync } from "node:fs";

const POSIX_FADV_RANDOM = 1;
const STEP = new Uint8Array(1024 * 1024);

/** Has the kernel forget what it holds of a file; what isn't on the disk yet can't be forgotten, so it goes there first. */
export function evict(file: string): void {
  command(["sync", file]);
  command(["dd", `if=${file}`, "iflag=nocache", "count=0", "status=none"]);
}

/**
 * Has the kernel hold all of a file, page by page, as if a relay had come upon each by itself. Read in order the
 * kernel holds it in pieces of up to 2 MiB, and to change 4 KiB of one then costs as if all of it were changed.
 */
export function readThrough(file: string): void {
  evict(file);
  const libc = dlopen("libc.so.6", {
    posix_fadvise: { args: ["int", "i64", "i64", "int"], returns: "int" },
  });
  const opened = openSync(file, "r");
  try {
    const failed = libc.symbols.posix_fadvise(opened, 0n, 0n, POSIX_FADV_RANDOM);
    if (failed !== 0) throw new Error(`posix_fadvise of ${file} failed with ${failed}`);
    while (readSync(opened, STEP, 0, STEP.length, null) > 0);
  } finally {
    closeSync(opened);
    libc.close();
  }
}

function command(words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...words], { stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
}
