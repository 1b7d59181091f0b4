import { afterAll, expect, test } from "bun:test";
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireOrSkip } from "../../../test/harness/require.ts";
import { LogRoom } from "./log.ts";

const dir = mkdtempSync(join(tmpdir(), "dchat-log-"));
afterAll(() => rmSync(dir, { recursive: true }));

const FRAME_BYTES = 4096 + 24;
const MIB = 2 ** 20;

function emptyLog(name: string): string {
  const path = join(dir, name);
  closeSync(openSync(path, "w"));
  return path;
}

/** What this process has had the kernel note as to be written. */
function dirtied(): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

test("LogRoom makes room of zeros where little is left, and none beyond its bound", () => {
  const path = emptyLog("room");
  using room = new LogRoom({ path, framesMax: 1500, alone: (work) => work() });
  const sizes = [0, 0, 0, 0, 1000, 1500].map((frames) => {
    room.make(frames);
    return statSync(path).size / MIB;
  });
  expect(sizes).toEqual([2, 4, 6, 6, 6, 6]);
  expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
});

test("LogRoom's room takes a frame without more being noted to be written than the pages under it", () => {
  if (!requireOrSkip("Linux's /proc", process.platform === "linux")) return;
  const path = emptyLog("pages");
  using room = new LogRoom({ path, framesMax: 1000, alone: (work) => work() });
  room.make(0);
  const file = openSync(path, "r+");
  const frame = new Uint8Array(FRAME_BYTES).fill(1);
  const before = dirtied();
  for (let at = 0; at < 10; at++) {
    writeSync(file, frame, 0, frame.length, 32 + at * FRAME_BYTES);
    fdatasyncSync(file);
  }
  expect(dirtied() - before).toBeLessThan(0.5 * MIB);
  closeSync(file);
});
