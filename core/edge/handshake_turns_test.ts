import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { HandshakeTurns } from "./handshake_turns.ts";

const COST_MS = limit.HANDSHAKE_TURN_MS;

/** Turns at a time that the test sets, in which each that waited costs as much as ends a turn beside talk. */
function open(count: number) {
  const clock = { nowMs: 1000, now: () => 0, monotonic: () => clock.nowMs };
  const resumed: number[] = [];
  const turns: HandshakeTurns<number> = new HandshakeTurns(clock, (at) => {
    resumed.push(at);
    turns.spent(COST_MS);
  });
  for (let at = 0; at < count; at++) turns.wait(at);
  return { clock, turns, resumed };
}

describe("HandshakeTurns", () => {
  test("lets one go on in each turn while devices talk, in the order in which they came", () => {
    const { clock, turns, resumed } = open(3);
    turns.talked(clock.nowMs);
    expect(turns.begin()).toBe(true);
    expect(resumed).toEqual([0]);
    expect(turns.isOver).toBe(true);
    turns.wait(3);
    while (turns.begin());
    expect(resumed).toEqual([0, 1, 2, 3]);
  });

  test("lets several go on in each turn while nobody talks, and still has an end", () => {
    const count = 3 * (limit.HANDSHAKE_TURN_MS_MAX / COST_MS);
    const { clock, turns, resumed } = open(count);
    turns.talked(clock.nowMs);
    clock.nowMs += limit.HANDSHAKE_TALK_MS;
    expect(turns.begin()).toBe(true);
    expect(resumed.length).toBeGreaterThan(1);
    expect(resumed.length).toBeLessThan(count / 2);
    while (turns.begin());
    expect(resumed).toEqual(Array.from({ length: count }, (_, at) => at));
    expect(turns.begin()).toBe(false);
    expect(turns.isOver).toBe(false);
  });
});
