/** What the store does for its files between batches: the log stays short, whatever fills it. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NOW_MS, OPTIONS, Owner } from "./conformance_data.ts";
import { openSqliteStore } from "./sqlite.ts";

const dir = mkdtempSync(join(tmpdir(), "dchat-tend-"));
afterAll(() => rmSync(dir, { recursive: true }));

const MIB = 2 ** 20;
const LATER_MS = NOW_MS + 100 * 86_400_000;
/** What a log takes at most while nobody else reads: the checkpoint's length, a piece or a batch more, and room. */
const LOG_MIB_MAX = 27;

/** The log's length in MiB. */
function log(path: string): number {
  return statSync(`${path}-wal`).size / MIB;
}

describe("the SQLite store's log", () => {
  test("stays short while a sweep takes many entries", async () => {
    const path = join(dir, "sweep.sqlite");
    await using store = await openSqliteStore({ path });
    const owners = Array.from({ length: 256 }, () => new Owner());
    await store.commit(
      owners.map((owner) => owner.create()),
      OPTIONS,
    );
    for (let at = 0; at < 48; at += 1) {
      await store.commit(
        owners.map((owner) => owner.append()),
        OPTIONS,
      );
    }
    let longest = 0;
    let pieces = 0;
    for (let more = true; more; pieces += 1) {
      more = await store.sweep(LATER_MS);
      longest = Math.max(longest, log(path));
    }
    expect(pieces).toBeGreaterThan(20);
    expect(longest).toBeLessThan(LOG_MIB_MAX);
  });
});
