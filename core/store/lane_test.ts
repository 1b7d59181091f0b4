import { describe, expect, test } from "bun:test";
import { Lane } from "./lane.ts";

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
