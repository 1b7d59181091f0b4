/**
 * Whether the wall clock is to be believed, so far that what is over by it is removed for good. A clock that was set
 * wrong would expire everything at once. What it is held against is time that passed in this process: a start has
 * nothing to compare with, and believes.
 */
import { limit } from "../ground/mod.ts";

/** How far ahead of passed time the clock is, ms: the same number for as long as nobody sets it. */
export interface ClockTrust {
  /** What is believed. */
  readonly trustedMs: number;
  /** What the clock says since `sinceMs` of passed time, give or take what honest clocks differ by. */
  readonly saidMs: number;
  readonly sinceMs: number;
}

/** One look at both clocks at once. */
export interface ClockReading {
  /** Unix ms. */
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** Takes a reading in. What the clock has said for CLOCK_SETTLE_MS is believed; null: nothing was read before. */
export function readClock(trust: ClockTrust | null, { nowMs, monotonicMs }: ClockReading): ClockTrust {
  const aheadMs = nowMs - monotonicMs;
  if (trust === null) return { trustedMs: aheadMs, saidMs: aheadMs, sinceMs: monotonicMs };
  if (Math.abs(aheadMs - trust.saidMs) > limit.CLOCK_SKEW_MS_MAX) {
    return { trustedMs: trust.trustedMs, saidMs: aheadMs, sinceMs: monotonicMs };
  }
  const isSettled = monotonicMs - trust.sinceMs >= limit.CLOCK_SETTLE_MS;
  return isSettled ? { ...trust, trustedMs: trust.saidMs } : trust;
}

/**
 * How far the clock has jumped ahead of what is believed, where that is too far; else 0. Backward is never too far:
 * nothing expires early by it.
 */
export function jumpedMs({ trustedMs, saidMs }: ClockTrust): number {
  const byMs = saidMs - trustedMs;
  return byMs > limit.CLOCK_JUMP_MS_MAX ? byMs : 0;
}
