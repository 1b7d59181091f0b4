/**
 * Room on the disk that SQLite's file and log are on: some of it is kept from whatever makes the file grow. A sweep
 * frees pages within the file, for the next entries, and for that it needs room itself, for the log and for the
 * checkpoint that follows; a store that had filled its disk to the last byte could never free anything again.
 */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { limit } from "../../ground/mod.ts";

const MIB = 2 ** 20;

/** What the file holds, in pages. */
export interface FilePages {
  readonly bytesEach: number;
  readonly all: number;
  /** Those that hold nothing now and are used before the file grows. */
  readonly free: number;
}

/** `null`: there is enough · grow: nothing that makes the file grow may be written · write: nothing may be. */
export type Lack = "grow" | "write" | null;

export interface RoomLook {
  readonly pages: FilePages;
  /** Whether the log is longer than it gets by itself, since somebody's snapshot keeps it from being used anew. */
  readonly isHeldUp: boolean;
}

export class DiskRoom {
  readonly #path: string;
  #lack: Lack = null;
  #freeBytes = 0;

  /** `path` is the database's file. */
  constructor(path: string) {
    this.#path = path;
  }

  /** What may not be done for want of room, as of the last look. */
  get lack(): Lack {
    return this.#lack;
  }

  /** Why, for operators. */
  get reason(): string {
    const { STORE_RESERVE_BYTES, STORE_RESERVE_AGAIN_BYTES } = limit;
    const [free, kept, again] = [this.#freeBytes, STORE_RESERVE_BYTES, STORE_RESERVE_AGAIN_BYTES].map(
      (bytes) => Math.floor(bytes / MIB),
    );
    const more = this.#lack === "write" ? ", while somebody reads a snapshot that makes its log longer" : "";
    return `the disk is full: ${free} MiB are free, and ${kept} are kept for what expires, acknowledgements and the log${more}; with ${again} it takes appends again`;
  }

  /** Looks how much there is. Some microseconds. */
  look({ pages, isHeldUp }: RoomLook): void {
    const onDisk = freeBytes(dirname(this.#path));
    if (onDisk === null) {
      this.#lack = null;
      return;
    }
    // Pages that only the log has yet: a checkpoint makes the file longer by them.
    const owed = Math.max(0, pages.all * pages.bytesEach - statSync(this.#path).size);
    const free = Math.max(0, onDisk - owed);
    this.#freeBytes = free;
    const enough = this.#lack === null ? limit.STORE_RESERVE_BYTES : limit.STORE_RESERVE_AGAIN_BYTES;
    const isTight = free < enough / 2;
    if (isTight && isHeldUp) this.#lack = "write";
    else this.#lack = isTight || free + pages.free * pages.bytesEach < enough ? "grow" : null;
  }
}

/** Null where the file system doesn't say. */
function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize, blocks } = statfsSync(folder);
    return blocks === 0 ? null : bavail * bsize;
  } catch {
    return null;
  }
}
