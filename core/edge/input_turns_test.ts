import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { InputTurns } from "./input_turns.ts";

const PORTION = limit.INPUT_PORTION_BYTES;

/** Turns at a time that each portion moves on by a whole turn's, and connections that still have so many to bring. */
function open(portions: readonly number[], inbound = true) {
  const clock = { nowMs: 1000, now: () => 0, monotonic: () => clock.nowMs };
  const left = portions.map((count) => count * PORTION);
  const took: number[] = [];
  const turns: InputTurns<number> = new InputTurns(clock, take);
  function take(who: number): void {
    const one = {
      link: { isFull: false },
      inbound,
      take: (bytes: Uint8Array, _now: number, most: { bytes: number }) => {
        clock.nowMs += limit.INPUT_TURN_MS;
        took.push(who);
        return Math.min(bytes.length, most.bytes);
      },
    };
    left[who] = (left[who] ?? 0) - turns.take(one, new Uint8Array(left[who] ?? 0), clock.nowMs);
    if (left[who] > 0) turns.wait(who);
  }
  return { turns, took, left, take };
}

describe("InputTurns", () => {
  test("gives those who bring much a portion each as they come, and then one turn after another, in order", () => {
    const { turns, took, take } = open([3, 1, 3]);
    for (const who of [0, 1, 2]) take(who);
    expect(took).toEqual([0, 1, 2]);
    expect(turns.isSpent).toBe(true);
    while (turns.begin());
    expect(took).toEqual([0, 1, 2, 0, 2, 0, 2]);
    expect(turns.isSpent).toBe(false);
  });

  test("takes all at once where too many wait already", () => {
    const { turns, left, take } = open(Array.from({ length: limit.INPUT_WAITING_MAX + 1 }, () => 3));
    for (const who of left.keys()) take(who);
    expect(left.at(-1)).toBe(0);
    expect(left.filter((bytes) => bytes > 0)).toHaveLength(limit.INPUT_WAITING_MAX);
    while (turns.begin());
    expect(left.every((bytes) => bytes === 0)).toBe(true);
  });

  test("takes all that one brings whom we dialled", () => {
    const { took, left, take } = open([3, 3], false);
    for (const who of [0, 1]) take(who);
    expect(took).toEqual([0, 1]);
    expect(left).toEqual([0, 0]);
  });
});
