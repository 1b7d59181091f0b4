import { describe, expect, test } from "bun:test";
import { type Turn, Turns } from "./turns.ts";

const clock = { monotonic: () => performance.now() };

/** Whoever takes a turn and gives it back when asked, over and over, until told to stop. */
function open(turns: Turns, count: number) {
  const held = new Set<number>();
  const had = new Set<number>();
  let most = 0;
  const over = new AbortController();
  const one = async (name: number): Promise<void> => {
    while (!over.signal.aborted) {
      using turn = await turns.take();
      held.add(name);
      had.add(name);
      most = Math.max(most, held.size);
      await ended(AbortSignal.any([turn.over, over.signal]));
      held.delete(name);
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, name) => one(name)));
  return {
    held,
    had,
    most: () => most,
    async stop() {
      over.abort();
      await all;
    },
  };
}

async function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

describe("Turns", () => {
  test("nobody is asked to go while there is room", async () => {
    const turns = new Turns({ places: 2, turnMs: 0, clock });
    const [a, b]: Turn[] = [await turns.take(), await turns.take()];
    await Bun.sleep(20);
    expect([a?.over.aborted, b?.over.aborted]).toEqual([false, false]);
  });

  test("whoever has had a place the longest gives way to one that waits, and not before its turn is over", async () => {
    const turns = new Turns({ places: 2, turnMs: 60, clock });
    const first = await turns.take();
    using second = await turns.take();
    const third = turns.take();
    await Bun.sleep(10);
    expect(first.over.aborted).toBe(false);
    await ended(first.over);
    expect(second.over.aborted).toBe(false);
    first[Symbol.dispose]();
    using _ = await third;
    expect(second.over.aborted).toBe(false);
  });

  test("all have their turn, never more at once than there are places, and all can end", async () => {
    const crowd = open(new Turns({ places: 3, turnMs: 5, clock }), 20);
    while (crowd.had.size < 20) await Bun.sleep(5);
    await crowd.stop();
    expect(crowd.most()).toBe(3);
    expect(crowd.held.size).toBe(0);
  });

  test("places that are given back serve those who wait, also many more than there are places", async () => {
    const turns = new Turns({ places: 1, turnMs: 1_000_000, clock });
    const first = await turns.take();
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (name) => {
      using _ = await turns.take();
      order.push(name);
    });
    first[Symbol.dispose]();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });
});
