import { closeSync, openSync } from "node:fs";
import { limit } from "../ground/mod.ts";

/** What is told; the process that can open no more files does as it says. */
export interface FileRoomEvents {
  /** No file could be opened. */
  short(): void;
  /** There is room again. Whether that was put to use: if not, it is told again. */
  room(): boolean;
}

/**
 * Notices when this process can open no more files. The runtime then tries without end to accept whoever knocks, which
 * takes a whole core and gives nobody a connection, and says so to nobody: so it is tried here, by opening one more
 * every second. Some are held open to be given up then, so that what else runs here has a few.
 */
export class FileRoom implements Disposable {
  readonly #events: FileRoomEvents;
  readonly #timer: ReturnType<typeof setInterval>;
  #spare = openFiles(limit.OPEN_FILES_SPARE);
  #isShort = false;

  constructor(events: FileRoomEvents) {
    this.#events = events;
    this.#timer = setInterval(() => this.#look(), limit.OPEN_FILES_LOOK_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    closeFiles(this.#spare.splice(0));
  }

  #look(): void {
    const wanted = this.#isShort ? limit.OPEN_FILES_AGAIN : limit.OPEN_FILES_SPARE + 1;
    const files = [...this.#spare, ...openFiles(wanted - this.#spare.length)];
    const isShort = files.length < wanted;
    this.#spare = files.splice(0, isShort ? 0 : limit.OPEN_FILES_SPARE);
    closeFiles(files);
    if (isShort === this.#isShort) return;
    if (isShort) this.#events.short();
    this.#isShort = isShort || !this.#events.room();
  }
}

/** As many as can be had. What else may be wrong with opening one is nothing that closing others would mend. */
function openFiles(count: number): number[] {
  const files: number[] = [];
  try {
    while (files.length < count) files.push(openSync("/dev/null", "r"));
  } catch {
    return files;
  }
  return files;
}

function closeFiles(files: readonly number[]): void {
  for (const file of files) closeSync(file);
}
