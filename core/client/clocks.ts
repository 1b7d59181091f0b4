/** What people are told where a clock is wrong: this machine's, a relay's, or one that made a certificate. */

/** Further apart than this, certificates and invitations end at times that their makers didn't mean. */
const APART_MS = 24 * 60 * 60 * 1000;

/** What two clocks say that are too far apart to go unsaid, with both times; null where they aren't. */
export function clocksApart(nowMs: number, skewMs: number): string | null {
  return Math.abs(skewMs) < APART_MS ? null : clocks(nowMs, nowMs + skewMs);
}

/** Both times, and how to mend it. Unix ms. */
export function clocks(oursMs: number, relaysMs: number): string {
  return `this machine's clock says ${clockTime(oursMs)}, the relay's ${clockTime(relaysMs)}; set the one right that is wrong`;
}

/** As people read it: `2026-11-28 04:03 UTC`. Whatever number a relay calls a time. */
export function clockTime(timeMs: number): string {
  const time = new Date(timeMs);
  if (Number.isNaN(time.getTime())) return "a time that no calendar has";
  return `${time
    .toISOString()
    .replace(/:[^:]*$/, "")
    .replace("T", " ")} UTC`;
}
