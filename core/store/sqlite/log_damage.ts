/**
 * Damage in SQLite's write-ahead log, looked for before SQLite opens it: recovery takes the log up to the first frame
 * that doesn't fit its checksum, drops the rest without a word, and the close that follows removes it.
 *
 * A crash leaves such a frame too, in what the last commit had not synced yet. But each commit is synced before the
 * next one writes, so behind that frame stands the end of one commit at most; where there are two in a row, the frame
 * was on the disk and changed there. SQLite's file format, section 4, has the layout and the checksums.
 *
 * What it does not tell from a crash: a change in the last commit of a log.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { storeFault } from "../fault.ts";
import { FRAME_HEADER_BYTES, LOG_HEADER_BYTES, PAGE_BYTES } from "./log.ts";

const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const READ_FRAMES = 256;
/** Checksums over words of the little end first, as every machine that a relay runs on makes them. */
const MAGIC = 0x377f0682;

/** Where a log is damaged. */
interface LogDamage {
  /** The first that doesn't fit, from 1; 0 for the log's header. */
  readonly frame: number;
  /** Whole ones behind it, which recovery would drop. */
  readonly commits: number;
}

/** A running checksum. */
interface Sum {
  a: number;
  b: number;
}

/** Adds `words` from `from` to `to` to `sum`. */
function add(
  sum: Sum,
  words: Int32Array,
  { from, to }: { readonly from: number; readonly to: number },
): void {
  let { a, b } = sum;
  for (let at = from; at < to; at += 2) {
    a = (a + (words[at] ?? 0) + b) | 0;
    b = (b + (words[at + 1] ?? 0) + a) | 0;
  }
  sum.a = a;
  sum.b = b;
}

function equal(one: Sum, other: Sum): boolean {
  return one.a === other.a && one.b === other.b;
}

/** What a frame's header says. */
interface Frame {
  readonly page: number;
  readonly isCommit: boolean;
  readonly salt: bigint;
  /** The checksum that it was written with. */
  readonly sum: Sum;
}

function frameAt(view: DataView, at: number): Frame {
  return {
    page: view.getUint32(at),
    isCommit: view.getUint32(at + 4) !== 0,
    salt: view.getBigUint64(at + 8),
    sum: { a: view.getInt32(at + 16), b: view.getInt32(at + 20) },
  };
}

/** The checksum of the frame at `at` where that of the one before it is `before`. */
function sumAt(words: Int32Array, at: number, before: Sum): Sum {
  const sum = { ...before };
  const first = at / 4;
  add(sum, words, { from: first, to: first + 2 });
  add(sum, words, { from: first + FRAME_HEADER_BYTES / 4, to: first + FRAME_BYTES / 4 });
  return sum;
}

/** Goes through a log frame by frame. */
class Look {
  /** Of the frames that count; null where the header doesn't say. */
  readonly #salt: bigint | null;
  /** Of the frame before, as it should be; null from the first on that doesn't fit. */
  #fits: Sum | null;
  #before: Frame | null = null;
  /** Of the first frame that doesn't fit, as it should be: its own may be what changed. */
  #made: Sum | null = null;
  #frame = 0;
  /** The first that doesn't fit; null by now. */
  #bad: number | null = null;
  /** Commits in a row, each frame of them following from the one before. */
  #row = 0;
  #commits = 0;

  /** Takes the log's header. */
  constructor(header: Uint8Array) {
    const view = new DataView(header.buffer, header.byteOffset, LOG_HEADER_BYTES);
    const sum = { a: 0, b: 0 };
    add(sum, new Int32Array(header.buffer, header.byteOffset, LOG_HEADER_BYTES / 4), { from: 0, to: 6 });
    const isWhole = view.getUint32(0) === MAGIC && equal(sum, { a: view.getInt32(24), b: view.getInt32(28) });
    this.#salt = isWhole ? view.getBigUint64(16) : null;
    this.#fits = isWhole ? sum : null;
    if (!isWhole) this.#bad = 0;
  }

  take(view: DataView, words: Int32Array, at: number): void {
    this.#frame += 1;
    const frame = frameAt(view, at);
    if (this.#fits !== null) this.#takeFitting(frame, sumAt(words, at, this.#fits));
    else this.#takeBehind(frame, words, at);
    this.#before = frame;
  }

  #takeFitting(frame: Frame, sum: Sum): void {
    if (frame.page !== 0 && frame.salt === this.#salt && equal(sum, frame.sum)) {
      this.#fits = sum;
      return;
    }
    this.#fits = null;
    this.#made = sum;
    this.#bad = this.#frame;
    this.#row = frame.isCommit ? 1 : 0;
  }

  #takeBehind(frame: Frame, words: Int32Array, at: number): void {
    const { isCommit, page, salt } = frame;
    const before = this.#before;
    const isOurs = page !== 0 && salt === (this.#salt ?? before?.salt);
    const follows =
      isOurs &&
      [before?.sum, this.#made].some((seed) => seed != null && equal(sumAt(words, at, seed), frame.sum));
    this.#made = null;
    if (!follows) this.#row = 0;
    if (!isCommit) return;
    this.#row += 1;
    if (this.#row > 1) this.#commits += 1;
  }

  get damage(): LogDamage | null {
    return this.#bad === null || this.#commits === 0 ? null : { frame: this.#bad, commits: this.#commits };
  }
}

function look(path: string): LogDamage | null {
  const file = openSync(path, "r");
  try {
    const header = new Uint8Array(LOG_HEADER_BYTES);
    if (readSync(file, header, 0, header.length, 0) < header.length) return null;
    const found = new Look(header);
    const buffer = new ArrayBuffer(READ_FRAMES * FRAME_BYTES);
    const [bytes, view, words] = [new Uint8Array(buffer), new DataView(buffer), new Int32Array(buffer)];
    for (let from = LOG_HEADER_BYTES; ; from += bytes.length) {
      const length = readSync(file, bytes, 0, bytes.length, from);
      for (let at = 0; at + FRAME_BYTES <= length; at += FRAME_BYTES) found.take(view, words, at);
      if (length < bytes.length) return found.damage;
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Throws Fault<"store/corrupt"> where opening the database at `path` would drop commits that were acknowledged. Looked
 * at twice: a relay may be writing to the log meanwhile, and then what was read of it doesn't fit together.
 */
export function refuseDamagedLog(path: string): void {
  const log = `${path}-wal`;
  if (!existsSync(log)) return;
  const first = look(log);
  const again = first === null ? null : look(log);
  if (first === null || again === null || first.frame !== again.frame) return;
  const where = again.frame === 0 ? "its header" : `frame ${again.frame}`;
  throw storeFault(
    "store/corrupt",
    `Cannot open ${path}: its log ${log} is damaged in ${where}, and to open it would drop the ${again.commits} or more ` +
      'commits behind it, which were acknowledged; see "A damaged log" in docs/runbook/backup.md',
  );
}
