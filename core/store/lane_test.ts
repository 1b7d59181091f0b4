import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { key, OPTIONS, Owner, random } from "./conformance/data.ts";
import { Lane } from "./lane.ts";
import { openSqliteStore } from "./sqlite.ts";

describe("Lane", () => {
  test("introduces its memory once, and again when it grew", () => {
    const lane = new Lane(-1);
    const first = lane.of(1000).shared;
    expect(lane.introduce()).toBe(first);
    expect(lane.introduce()).toBeNull();
    expect(lane.of(first.byteLength).shared).toBe(first);
    expect(lane.introduce()).toBeNull();
    const second = lane.of(first.byteLength + 1).shared;
    expect(second).not.toBe(first);
    expect(lane.introduce()).toBe(second);
  });

  test("gives up what a large batch needed, as the other side does", () => {
    const lane = new Lane(-1);
    const large = lane.of(4 * 1024 * 1024);
    expect(large.stays).toBeFalse();
    lane.introduce();
    lane.rest();
    expect(lane.memory.bytes.length).toBe(0);
    const next = lane.of(1000);
    expect(next.stays).toBeTrue();
    expect(lane.introduce()).toBe(next.shared);
    lane.rest();
    expect(lane.of(1000)).toBe(next);
  });
});

test("batches of all lengths, several at once, keep apart on their way to the thread and back", async () => {
  const dir = mkdtempSync(join(tmpdir(), "dchat-lane-"));
  try {
    await using store = await openSqliteStore({ path: join(dir, "relay.sqlite") });
    const owner = new Owner();
    const refused = owner.command(key(), { op: "delete" });
    await store.commit([owner.create()], OPTIONS);
    const large = Array.from({ length: 20 }, () => owner.append({ entry: random(65_536) }));
    const small = [owner.append(), refused, owner.append()];
    // The first and the fourth are longer than what a lane keeps.
    const batches = [large, small, [owner.append()], large.slice(0, 12), [owner.append()]];
    const outcomes = await Promise.all(batches.map((batch) => store.commit(batch, OPTIONS)));
    const seqs = outcomes.map((batch) => batch.map((each) => (each.is === "appended" ? each.entry.seq : -1)));
    const places = Array.from({ length: 20 }, (_, at) => at);
    expect(seqs).toEqual([places, [20, -1, 21], [22], places.slice(0, 12), [23]]);
    const [stored] = await store.read(owner.mailbox, { from: 22, entriesMax: 1, bytesMax: 1 });
    const body = batches[2]?.[0]?.body;
    expect(stored?.entry).toEqual(body?.op === "append" ? body.entry : null);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
