/**
 * Crash images: the store's writes and syncs are recorded, the files are rebuilt as they could stand at any point,
 * and the real store opens each: every entry acknowledged by then is there, and the heads verify.
 */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireOrSkip } from "../harness/require.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom } from "./acknowledged.ts";
import { Disk, type FileEvent, parseTrace, seeded, straceCommand } from "./trace.ts";

const canTrace =
  Bun.which("strace") !== null && Bun.spawnSync(["strace", "-o", "/dev/null", "true"]).exitCode === 0;
const isThere = requireOrSkip("crash images (strace)", canTrace);
const IMAGES = process.env["DCHAT_TEST_LONG"] === "1" ? 2_000 : 80;
const SEED = Number(process.env["DCHAT_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

/** Two lives of a store, one after the other, so that closing and opening are recorded too. */
function record(folder: string): FileEvent[] {
  const where = { url: null, path: join(folder, "relay.sqlite") };
  const events: FileEvent[] = [];
  for (const life of [0, 1]) {
    const log = join(folder, "..", `trace-${life}`);
    const run = Bun.spawnSync(straceCommand(log, appenderCommand(where, { batch: 4, batches: 15 })));
    expect(run.stdout.toString()).toContain("closed");
    events.push(...parseTrace(readFileSync(log, "latin1"), folder));
  }
  return events;
}

test.skipIf(!isThere)("every image of a crash holds what was acknowledged before it", async () => {
  const root = mkdtempSync(join(tmpdir(), "dchat-image-"));
  const folder = join(root, "store");
  mkdirSync(folder);
  const events = record(folder);
  expect(events.filter((event) => event.is === "sync").length).toBeGreaterThan(30);
  const chance = seeded(SEED);
  const points = new Set(Array.from({ length: IMAGES }, () => Math.floor(chance() * events.length)));
  const disk = new Disk();
  let acknowledgedMost = 0;
  for (const [at, event] of events.entries()) {
    disk.take(event);
    if (!points.has(at)) continue;
    const image = join(root, `image-${at}`);
    mkdirSync(image);
    for (const [name, bytes] of disk.image(chance)) {
      // Shared memory doesn't outlive a machine.
      if (!name.endsWith("-shm")) writeFileSync(join(image, name), bytes);
    }
    const acknowledged = acknowledgedIn(disk.said);
    acknowledgedMost = Math.max(acknowledgedMost, countOf(acknowledged));
    const lost = await lostFrom({ url: null, path: join(image, "relay.sqlite") }, acknowledged);
    expect({ seed: SEED, at, lost }).toEqual({ seed: SEED, at, lost: [] });
    rmSync(image, { recursive: true });
  }
  expect(acknowledgedMost).toBeGreaterThan(60);
  rmSync(root, { recursive: true });
});
