import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { OFF_WHEEL, type Timed, TimingWheel } from "./wheel.ts";

class Thing implements Timed {
  dueMs: number;
  wheelSlot = OFF_WHEEL;
  wheelIndex = 0;
  fired = -1;

  constructor(dueMs: number) {
    this.dueMs = dueMs;
  }
}

test("TimingWheel calls each thing once, never early, and at most a slot and a step late", () => {
  const deadlines = fc.array(fc.nat(400_000), { minLength: 1, maxLength: 60 });
  const property = fc.property(deadlines, fc.integer({ min: 50, max: 3000 }), (dues, step) => {
    const start = 1_000_000;
    const wheel = new TimingWheel<Thing>(start);
    const things = dues.map((due) => new Thing(start + due));
    for (const thing of things) wheel.arm(thing);
    for (let now = start; now < start + 410_000; now += step) {
      wheel.advance(now, (thing) => {
        expect(thing.fired).toBe(-1);
        thing.fired = now;
      });
    }
    for (const thing of things) {
      expect(thing.fired).toBeGreaterThanOrEqual(thing.dueMs);
      expect(thing.fired).toBeLessThanOrEqual(thing.dueMs + 500 + step);
    }
  });
  fc.assert(property, { numRuns: 40 });
});

test("TimingWheel lets things be removed, put off and put forward while it goes round", () => {
  const wheel = new TimingWheel<Thing>(0);
  const [removed, later, sooner, again] = [
    new Thing(1000),
    new Thing(1000),
    new Thing(60_000),
    new Thing(1000),
  ];
  const all = [removed, later, sooner, again];
  for (const thing of all) wheel.arm(thing);
  wheel.remove(removed);
  wheel.remove(removed);
  later.dueMs = 5000;
  sooner.dueMs = 1000;
  wheel.arm(sooner);
  const fired: Thing[] = [];
  const due = (thing: Thing): void => {
    fired.push(thing);
    if (thing !== again || fired.filter((one) => one === again).length > 2) return;
    again.dueMs += 2000;
    wheel.arm(again);
  };
  for (let now = 0; now <= 4000; now += 250) wheel.advance(now, due);
  expect(fired).toEqual([again, sooner, again]);
  for (let now = 4250; now <= 6000; now += 250) wheel.advance(now, due);
  expect(fired.slice(3)).toContain(later);
  expect(fired).not.toContain(removed);
  expect(all.every((thing) => thing.wheelSlot === OFF_WHEEL)).toBe(true);
});

test("TimingWheel misses nothing when it was not looked at for longer than a round", () => {
  const wheel = new TimingWheel<Thing>(0);
  const things = Array.from({ length: 700 }, (_, index) => new Thing(index * 300));
  for (const thing of things) wheel.arm(thing);
  let fired = 0;
  wheel.advance(1_000_000, () => fired++);
  wheel.advance(1_000_250, () => fired++);
  expect(fired).toBe(700);
});
