import { expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { type ClockTrust, jumpedMs, readClock } from "./clock_trust.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = 1_800_000_000_000;

/** A process whose clock is read once a minute, and set by the test. */
class Watched {
  #trust: ClockTrust | null = null;
  #passedMs = 7_000;
  #wrongMs = 0;

  /** Sets the clock ahead by `byMs`. */
  set(byMs: number): void {
    this.#wrongMs += byMs;
  }

  /** Lets `ms` pass; returns how far the clock has jumped then. */
  pass(ms: number): number {
    for (let left = ms; left > 0; left -= MINUTE_MS) {
      this.#passedMs += Math.min(left, MINUTE_MS);
      const nowMs = START_MS + this.#passedMs + this.#wrongMs;
      this.#trust = readClock(this.#trust, { nowMs, monotonicMs: this.#passedMs });
    }
    return this.#trust === null ? 0 : jumpedMs(this.#trust);
  }
}

test("readClock() believes a start, time that passes however long between two looks, and small steps", () => {
  const clock = new Watched();
  expect(clock.pass(MINUTE_MS)).toBe(0);
  clock.set(limit.CLOCK_JUMP_MS_MAX);
  expect(clock.pass(MINUTE_MS)).toBe(0);
  let trust = readClock(null, { nowMs: START_MS, monotonicMs: 0 });
  trust = readClock(trust, { nowMs: START_MS + 30 * HOUR_MS, monotonicMs: 30 * HOUR_MS });
  expect(jumpedMs(trust)).toBe(0);
});

test("a clock set ahead isn't believed, and is again as soon as it is set right", () => {
  const clock = new Watched();
  clock.pass(MINUTE_MS);
  clock.set(2 * HOUR_MS);
  expect(clock.pass(HOUR_MS)).toBe(2 * HOUR_MS);
  clock.set(-2 * HOUR_MS);
  expect(clock.pass(MINUTE_MS)).toBe(0);
});

test("a clock set back and right again, soon, never was ahead", () => {
  const clock = new Watched();
  clock.pass(MINUTE_MS);
  clock.set(-2 * HOUR_MS);
  expect(clock.pass(HOUR_MS)).toBe(0);
  clock.set(2 * HOUR_MS);
  expect(clock.pass(MINUTE_MS)).toBe(0);
});

test("what the clock says for long enough is believed, ahead and back", () => {
  const clock = new Watched();
  clock.pass(MINUTE_MS);
  clock.set(48 * HOUR_MS);
  expect(clock.pass(limit.CLOCK_SETTLE_MS)).toBe(48 * HOUR_MS);
  expect(clock.pass(2 * MINUTE_MS)).toBe(0);
  clock.set(-48 * HOUR_MS);
  clock.pass(limit.CLOCK_SETTLE_MS + 2 * MINUTE_MS);
  clock.set(48 * HOUR_MS);
  expect(clock.pass(MINUTE_MS)).toBe(48 * HOUR_MS);
});

test("a clock that is set again and again is not believed meanwhile", () => {
  const clock = new Watched();
  clock.pass(MINUTE_MS);
  for (let at = 0; at < 10; at += 1) {
    clock.set(3 * HOUR_MS);
    expect(clock.pass(limit.CLOCK_SETTLE_MS / 2)).toBeGreaterThan(0);
  }
});
