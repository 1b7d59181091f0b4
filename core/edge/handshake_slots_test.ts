import { expect, test } from "bun:test";
import { LIMITS } from "./_kit.ts";
import { Admission } from "./admission.ts";
import { HandshakeSlots } from "./handshake_slots.ts";
import type { Origin } from "./origin.ts";

interface Pending {
  readonly origin: Origin;
  readonly atMs: number;
}

/** A door with so many places, and who came and went by it. */
function doorOf(handshakesMax: number) {
  const slots = new HandshakeSlots<Pending>();
  const admission = new Admission();
  const limits = { ...LIMITS, handshakesMax };
  const leave = (pending: Pending): void => {
    slots.remove(pending);
    admission.release(pending.origin);
  };
  /** Whether one more came in from there. */
  const come = (address: string, now: number): Pending | null => {
    const origin = admission.admit(address, { limits, handshakes: slots, now });
    if (typeof origin === "string") return null;
    const pending = { origin, atMs: now };
    const displaced = slots.add(pending, handshakesMax);
    if (displaced !== null) leave(displaced);
    return pending;
  };
  return { slots, come, leave };
}

test("a few addresses that connect and stall hold no newcomer up, and get no place of one who isn't done", () => {
  const { slots, come, leave } = doorOf(512);
  const stalled: Pending[] = [];
  let honest = 0;
  for (let now = 1; now <= 60_000; now += 20) {
    while (stalled[0] !== undefined && stalled[0].atMs + 5000 <= now) leave(stalled.shift() as Pending);
    for (const address of ["198.51.100.1", "203.0.113.1", "192.0.2.1"]) {
      const pending = come(address, now);
      if (pending !== null) stalled.push(pending);
    }
    if (now % 500 !== 1) continue;
    const newcomer = come(`10.${now % 200}.${(now >> 8) % 250}.7`, now);
    if (newcomer !== null) honest++;
    if (newcomer !== null) leave(newcomer);
  }
  expect(honest).toBe(120);
  expect(slots.size).toBeLessThanOrEqual(512);
});

test("HandshakeSlots takes all of one network while there is room, and then only others'", () => {
  const { slots, come, leave } = doorOf(10);
  const first = Array.from({ length: 10 }, (_, at) => come(`192.0.2.${at}`, 1));
  expect(first).not.toContain(null);
  expect(come("192.0.2.77", 2)).toBeNull();
  for (let at = 0; at < 5; at++) expect(come("198.51.100.1", 2)).not.toBeNull();
  // Both have five: no further.
  expect(come("198.51.100.1", 2)).toBeNull();
  expect(come("192.0.2.1", 2)).toBeNull();
  // The oldest went.
  for (const gone of first.slice(0, 5)) slots.remove(gone as Pending);
  expect(slots.size).toBe(10);
  for (const there of first.slice(5)) leave(there as Pending);
  expect(slots.size).toBe(5);
  expect(come("192.0.2.1", 3)).not.toBeNull();
});

test("HandshakeSlots counts a /48 of IPv6 as one, and refuses only where no network has two", () => {
  const { slots, come } = doorOf(3);
  for (const address of ["2001:db8:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"]) come(address, 1);
  expect(come("2001:db8:2::1", 1)).not.toBeNull();
  expect(come("2001:db8:3::1", 1)).not.toBeNull();
  expect(come("2001:db8:4::1", 1)).toBeNull();
  expect(slots.size).toBe(3);
});

test("HandshakeSlots holds nothing of who has left, however they come and go", () => {
  const slots = new HandshakeSlots<Pending>();
  const admission = new Admission();
  const there: Pending[] = [];
  for (let round = 0; round < 5000; round++) {
    const origin = admission.count(`10.0.${(round * 7) % 13}.1`);
    const pending = { origin, atMs: round };
    there.push(pending);
    const displaced = slots.add(pending, 50);
    if (displaced !== null) slots.remove(displaced);
    if (round % 3 === 0) slots.remove(there[(round * 31) % there.length] as Pending);
    expect(slots.size).toBeLessThanOrEqual(50);
  }
  for (const pending of there) slots.remove(pending);
  expect(slots.size).toBe(0);
  expect(slots.hasRoom("10.0.0.1", 1)).toBe(true);
  expect(slots.hasRoom("10.0.0.1", 0)).toBe(false);
});
