/** Preloaded into a relay: takes every open file that the process may have at SIGUSR2, and gives them back at the next. */
import { closeSync, openSync } from "node:fs";

const held: number[] = [];

process.on("SIGUSR2", () => {
  if (held.length > 0) {
    for (const file of held.splice(0)) closeSync(file);
    return;
  }
  try {
    for (;;) held.push(openSync("/dev/null", "r"));
  } catch {
    // That was the last one.
  }
});
