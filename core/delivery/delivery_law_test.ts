import { expect, test } from "bun:test";
import fc from "fast-check";
import { limit } from "../ground/mod.ts";
import { anotherReader, append, id, setup, subscribe } from "./_double.ts";

type Step =
  | { readonly do: "append"; readonly mailbox: number; readonly bytes: number }
  | { readonly do: "credit"; readonly bytes: number }
  | { readonly do: "shut" | "open" | "step" }
  | { readonly do: "subscribe"; readonly mailbox: number; readonly back: number };

const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    mailbox: fc.integer({ min: 1, max: 3 }),
    bytes: fc.constantFrom(0, 1024, 4096, 65_536),
  }),
  fc.record({ do: fc.constant("credit" as const), bytes: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ do: fc.constantFrom("shut" as const, "open" as const, "step" as const) }),
  fc.record({
    do: fc.constant("subscribe" as const),
    mailbox: fc.integer({ min: 1, max: 3 }),
    back: fc.integer({ min: 0, max: 5 }),
  }),
);

test("Delivery: whatever commits, credit, windows and slow reads do, each subscription gets every entry from its start, once, in order, and one live", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { maxLength: 80 }), async (steps) => {
      const all = setup();
      all.source.hold = true;
      const starts = new Map<number, { mailbox: number; from: number }>();
      let given = 0;
      for (const step of steps) {
        if (step.do === "append") append(all, id(step.mailbox), step.bytes);
        if (step.do === "credit" && all.stream.credit(step.bytes)) given += step.bytes;
        if (step.do === "shut") all.outlet.open = false;
        if (step.do === "open") all.outlet.open = true;
        if (step.do === "open") all.stream.writable();
        if (step.do === "step") await all.source.step();
        if (step.do === "subscribe") {
          const from = Math.max(0, all.source.log(id(step.mailbox)).length - step.back);
          const request = starts.size + 1;
          starts.set(request, { mailbox: step.mailbox, from });
          subscribe(all, id(step.mailbox), { request, from, reader: anotherReader(all) });
        }
        expect(all.delivered.bytes).toBeLessThanOrEqual(given);
      }
      all.outlet.open = true;
      all.stream.writable();
      for (let i = 0; i < 3; i += 1) {
        all.stream.credit(limit.CREDIT_BYTES_MAX - all.stream.creditBytes);
        await all.source.settle();
      }
      expect(all.delivered.errors).toEqual([]);
      for (const [request, { mailbox, from }] of starts) {
        const mine = all.outlet.sent.filter((each) => each.startsWith(`${request}:`));
        const size = all.source.log(id(mailbox)).length;
        const entries = mine.filter((each) => !each.includes("live"));
        expect(entries).toEqual(Array.from({ length: size - from }, (_, i) => `${request}:${from + i}`));
        const lives = mine.filter((each) => each.includes("live"));
        expect(lives).toHaveLength(1);
        // Its head is at exactly the position where it stands.
        const before = mine.slice(0, mine.indexOf(lives[0] ?? "")).length;
        expect(lives[0]).toBe(`${request}:live@${from + before}`);
      }
    }),
    { numRuns: 300 },
  );
});
