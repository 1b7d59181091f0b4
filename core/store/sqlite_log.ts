/**
 * Room for SQLite's write-ahead log, made ahead: zeros behind its end, written and synced between batches. SQLite
 * takes them for no frames and writes over them. A sync of bytes that overwrite others changes nothing else in the
 * file system, so it costs less than one that makes the file longer, and no length or block can be lost with it.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, writeSync } from "node:fs";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES = 4096;
/** The room that is made at a time. */
const CHUNK_BYTES = 2 * 1024 * 1024;
const PAGE = new Uint8Array(PAGE_BYTES);
/** Less room than this behind the last frame: more is made. Two chunks take a batch of the largest kind. */
const ROOM_BYTES = 2 * CHUNK_BYTES;

export class LogRoom implements Disposable {
  readonly #file: number;
  readonly #bytesMax: number;
  #bytes: number;

  /** `path` is the log's; it exists as long as a connection is open. `framesMax`: no room is made beyond. */
  constructor(path: string, framesMax: number) {
    this.#file = openSync(path, "r+");
    this.#bytes = fstatSync(this.#file).size;
    this.#bytesMax = HEADER_BYTES + framesMax * (PAGE_BYTES + FRAME_HEADER_BYTES);
  }

  /**
   * Adds a chunk of zeros, a page at a time: the kernel keeps what one call writes in one piece where it can, and
   * then looks through all of it for each page of it that is synced.
   */
  #grow(): void {
    for (let at = 0; at < CHUNK_BYTES; at += PAGE.length) {
      writeSync(this.#file, PAGE, 0, PAGE.length, this.#bytes + at);
    }
    fdatasyncSync(this.#file);
    this.#bytes += CHUNK_BYTES;
  }

  /** Makes room where `frames` are in use and little is left; a full disk is left for the next commit to meet. */
  make(frames: number): void {
    const used = HEADER_BYTES + frames * (PAGE_BYTES + FRAME_HEADER_BYTES);
    if (this.#bytes < used) this.#bytes = fstatSync(this.#file).size;
    if (this.#bytes - used >= ROOM_BYTES || this.#bytes >= this.#bytesMax) return;
    try {
      this.#grow();
    } catch {
      this.#bytes = fstatSync(this.#file).size;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
