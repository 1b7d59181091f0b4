/**
 * Room for SQLite's write-ahead log, made ahead: zeros behind its end, written and synced between batches. SQLite
 * takes them for no frames and writes over them. A sync of bytes that overwrite others changes nothing else in the
 * file system, so it costs less than one that makes the file longer, and no length or block can be lost with it.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, statSync, writeSync } from "node:fs";

export const LOG_HEADER_BYTES = 32;
export const FRAME_HEADER_BYTES = 24;
export const PAGE_BYTES = 4096;
/** The room that is made at a time. */
const CHUNK_BYTES = 2 * 1024 * 1024;
const PAGE = new Uint8Array(PAGE_BYTES);
/** Less room than this behind the last frame: more is made. Two chunks take a batch of the largest kind. */
const ROOM_BYTES = 2 * CHUNK_BYTES;

/** How long a log of `frames` is. */
function logBytes(frames: number): number {
  return LOG_HEADER_BYTES + frames * (PAGE_BYTES + FRAME_HEADER_BYTES);
}

export interface LogRoomOptions {
  /** The log's; it exists as long as a connection is open. */
  readonly path: string;
  /** No room is made beyond. */
  readonly framesMax: number;
  /** Runs `work` while nobody else can write to the log: zeros over frames that came meanwhile would lose them. */
  readonly alone: (work: () => void) => void;
}

export class LogRoom implements Disposable {
  readonly #path: string;
  readonly #file: number;
  readonly #bytesMax: number;
  readonly #alone: LogRoomOptions["alone"];

  constructor({ path, framesMax, alone }: LogRoomOptions) {
    this.#path = path;
    this.#file = openSync(path, "r+");
    this.#bytesMax = logBytes(framesMax);
    this.#alone = alone;
  }

  /** Whether the log still lies at its path. What is written to one that was removed goes with the process. */
  get isInPlace(): boolean {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    return there !== undefined && there.ino === fstatSync(this.#file).ino;
  }

  /** How long the log gets, room included, while nobody's snapshot keeps it from being used anew. */
  get lengthMax(): number {
    return this.#bytesMax + CHUNK_BYTES;
  }

  /** How long it is now. */
  get length(): number {
    return fstatSync(this.#file).size;
  }

  /**
   * Adds a chunk of zeros, a page at a time: the kernel keeps what one call writes in one piece where it can, and
   * then looks through all of it for each page of it that is synced.
   */
  #grow(): void {
    const from = this.length;
    for (let at = 0; at < CHUNK_BYTES; at += PAGE.length) {
      writeSync(this.#file, PAGE, 0, PAGE.length, from + at);
    }
    fdatasyncSync(this.#file);
  }

  /** Makes room where `frames` are in use and little is left; a full disk is left for the next commit to meet. */
  make(frames: number): void {
    const { length } = this;
    if (length - logBytes(frames) >= ROOM_BYTES || length >= this.#bytesMax) return;
    try {
      this.#alone(() => this.#grow());
    } catch {
      // What was written of it is room as well; where somebody else writes, the next look makes it.
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
