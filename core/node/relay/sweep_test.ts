import { describe, expect, test } from "bun:test";
import { Fault, limit } from "../../ground/mod.ts";
import { openSweeper, type SweeperOptions } from "./sweep.ts";

/** A store whose sweeps the test scripts: each answer is whether there is more, or an error. */
class Swept {
  readonly times: number[] = [];
  readonly answers: (boolean | Error)[] = [];
  /** Called at the end of each. */
  took: () => void = () => {};

  async sweep(nowMs: number): Promise<boolean> {
    this.times.push(nowMs);
    const answer = this.answers.shift() ?? false;
    this.took();
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

function setup(): {
  store: Swept;
  clock: { nowMs: number; passedMs: number };
  told: string[];
  options: SweeperOptions;
} {
  const store = new Swept();
  const clock = { nowMs: 1_000_000, passedMs: 0 };
  const told: string[] = [];
  return {
    store,
    clock,
    told,
    options: {
      store,
      clock: { now: () => clock.nowMs, monotonic: () => clock.passedMs },
      everyMs: 5,
      error: (error) => void told.push(String(error)),
      halted: (byMs) => void told.push(`halted ${byMs}`),
      resumed: () => void told.push("resumed"),
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries += 1) await Bun.sleep(5);
  expect(holds()).toBe(true);
}

describe("openSweeper()", () => {
  test("sweeps again while there is more, each piece by its own time, and then after a while", async () => {
    const { store, options, clock } = setup();
    store.answers.push(true, true, false);
    store.took = () => (clock.nowMs += 10);
    await using _ = openSweeper(options);
    await until(() => store.times.length >= 4);
    expect(store.times.slice(0, 4)).toEqual([1_000_000, 1_000_010, 1_000_020, 1_000_030]);
  });

  test("goes on beside a mailbox that is damaged, and says so; where nothing else is left it waits", async () => {
    const { store, options, told } = setup();
    const damage = new Fault("store/corrupt", "entry 7 is damaged");
    store.answers.push(damage, true, damage, damage, true);
    await using _ = openSweeper({ ...options, everyMs: 500 });
    await until(() => store.times.length > 0);
    await Bun.sleep(250);
    expect(store.times).toHaveLength(4);
    expect(told).toHaveLength(3);
    await until(() => store.times.length >= 5);
  });

  test("takes no sweep for a jump of the clock, however long it takes", async () => {
    const { store, options, told, clock } = setup();
    store.answers.push(...Array.from({ length: 8 }, () => true));
    store.took = () => {
      clock.nowMs += limit.CLOCK_JUMP_MS_MAX / 2;
      clock.passedMs += limit.CLOCK_JUMP_MS_MAX / 2;
    };
    await using _ = openSweeper(options);
    await until(() => store.times.length >= 12);
    expect(told).toEqual([]);
  });

  test("goes on after a sweep that failed", async () => {
    const { store, options, told } = setup();
    store.answers.push(new Error("the disk is gone"));
    await using _ = openSweeper(options);
    await until(() => store.times.length >= 3);
    expect(told).toEqual(["Error: the disk is gone"]);
  });

  test("expires nothing while the clock is ahead, in the midst of a sweep too, and goes on once it is right", async () => {
    const { store, options, told, clock } = setup();
    const jumpMs = limit.CLOCK_JUMP_MS_MAX + 1000;
    store.answers.push(...Array.from({ length: 50 }, () => true));
    await using _ = openSweeper(options);
    await until(() => store.times.length >= 2);
    clock.nowMs += jumpMs;
    await until(() => told.length > 0);
    const { length } = store.times;
    await Bun.sleep(50);
    expect(store.times).toHaveLength(length);
    expect(told).toEqual([`halted ${jumpMs}`]);
    clock.nowMs -= jumpMs;
    await until(() => store.times.length > length + 1);
    expect(told).toEqual([`halted ${jumpMs}`, "resumed"]);
    expect(Math.max(...store.times)).toBe(1_000_000);
  });

  test("disposing waits for a sweep under way and begins no other", async () => {
    const { store, options } = setup();
    store.answers.push(...Array.from({ length: 50 }, () => true));
    const sweeper = openSweeper(options);
    await until(() => store.times.length >= 1);
    await sweeper[Symbol.asyncDispose]();
    const { length } = store.times;
    await Bun.sleep(50);
    expect(store.times).toHaveLength(length);
  });
});
