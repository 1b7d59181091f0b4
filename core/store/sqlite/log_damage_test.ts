import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "bun:sqlite";
import { isFault } from "../../ground/mod.ts";
import { FRAME_HEADER_BYTES, LOG_HEADER_BYTES, PAGE_BYTES } from "./log.ts";
import { refuseDamagedLog } from "./log_damage.ts";

const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const COMMITS = 8;

const dir = mkdtempSync(join(tmpdir(), "dchat-log-damage-"));
const path = join(dir, "some.sqlite");
let log: Uint8Array;
/** Where each commit ends. */
let ends: readonly number[];

/** Commits of two pages and more, and what SQLite's log has of them. */
beforeAll(() => {
  using db = new Database(path);
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("CREATE TABLE a (x blob)");
  for (let at = 1; at < COMMITS; at += 1) db.run("INSERT INTO a VALUES (randomblob(6000))");
  log = new Uint8Array(readFileSync(`${path}-wal`));
  const view = new DataView(log.buffer);
  ends = Array.from(
    { length: (log.length - LOG_HEADER_BYTES) / FRAME_BYTES },
    (_, at) => LOG_HEADER_BYTES + at * FRAME_BYTES,
  )
    .filter((at) => view.getUint32(at + 4) !== 0)
    .map((at) => at + FRAME_BYTES);
});
afterAll(() => rmSync(dir, { recursive: true }));

/** What is told of a database with this log; null where nothing is. */
function told(bytes: Uint8Array): string | null {
  const copy = join(dir, "copy.sqlite");
  writeFileSync(`${copy}-wal`, bytes);
  try {
    refuseDamagedLog(copy);
    return null;
  } catch (error) {
    if (!isFault(error, "store/corrupt")) throw error;
    return error.message;
  }
}

function changed(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(log);
  change(bytes);
  return bytes;
}

describe("refuseDamagedLog()", () => {
  test("takes a whole log, none, one that is cut anywhere, and room of zeros behind it", () => {
    expect(ends).toHaveLength(COMMITS);
    expect(told(log)).toBeNull();
    for (let length = 0; length < log.length; length += 500) expect(told(log.subarray(0, length))).toBeNull();
    expect(told(new Uint8Array([...log, ...new Uint8Array(5 * FRAME_BYTES)]))).toBeNull();
    expect(told(new Uint8Array(5 * FRAME_BYTES))).toBeNull();
    expect(() => refuseDamagedLog(join(dir, "absent.sqlite"))).not.toThrow();
  });

  test("takes one whose last commit a crash left in part, and one with an older log's commits behind it", () => {
    const last = ends.at(-2) ?? 0;
    for (let at = last; at < log.length; at += 512) {
      expect(told(changed((bytes) => bytes.fill(0, at, at + 512)))).toBeNull();
    }
    // As after SQLite began anew: all frames behind the first commit have the salt of before.
    const first = ends[0] ?? 0;
    const older = changed((bytes) => {
      const view = new DataView(bytes.buffer);
      for (let at = first; at < bytes.length; at += FRAME_BYTES) view.setUint32(at + 8, 7);
    });
    expect(told(older)).toBeNull();
  });

  test("tells a bit that changed anywhere before the last commit, and how many commits stand behind it", () => {
    const last = ends.at(-2) ?? 0;
    const frames = (last - LOG_HEADER_BYTES) / FRAME_BYTES;
    for (let frame = 0; frame < frames; frame += 1) {
      const from = LOG_HEADER_BYTES + frame * FRAME_BYTES;
      for (const at of [0, 5, 8, 15, 16, 23, 24, 2000, FRAME_BYTES - 1]) {
        expect(told(changed((bytes) => (bytes[from + at] = (bytes[from + at] ?? 0) ^ 4)))).toContain(
          `in frame ${frame + 1},`,
        );
      }
    }
    for (let at = 0; at < LOG_HEADER_BYTES; at += 1) {
      expect(told(changed((bytes) => (bytes[at] = (bytes[at] ?? 0) ^ 4)))).toContain("in its header,");
    }
    const second = ends[1] ?? 0;
    expect(told(changed((bytes) => (bytes[second + 100] = (bytes[second + 100] ?? 0) ^ 4)))).toContain(
      `the ${COMMITS - 3} or more commits`,
    );
  });
});
