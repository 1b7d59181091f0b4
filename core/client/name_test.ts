import { expect, test } from "bun:test";
import type { Keeper, KeptInvite } from "../conversation/mod.ts";
import { assertFree, conversationNamed, parseName } from "./name.ts";

/** What these functions ask of a keeper, and nothing else. */
function keeperOf(
  conversations: readonly string[],
  invites: readonly { name: string | null; stage: KeptInvite["stage"]; expiresMs?: number }[] = [],
) {
  return {
    conversations: () => conversations.map((name) => ({ name })),
    invites: () => invites.map(({ expiresMs = 2, ...one }) => ({ ...one, invite: { expiresMs } })),
  } as unknown as Keeper;
}

test("assertFree() refuses a name that differs by case or by how its accents are composed, and names the one there", () => {
  const keeper = keeperOf(["Zoë", "bob"], [{ name: "Carol", stage: "open" }]);
  expect(() => assertFree(keeper, { name: "BOB", nowMs: 1 })).toThrow('There is a "bob" already');
  expect(() => assertFree(keeper, { name: "zoe\u0308", nowMs: 1 })).toThrow('There is a "Zoë" already');
  expect(() => assertFree(keeper, { name: "carol", nowMs: 1 })).toThrow('There is a "Carol" already');
});

test("assertFree() lets other names through, and that of an invitation that is closing, used or over", () => {
  const keeper = keeperOf(
    ["bob"],
    [
      { name: "carol", stage: "closing" },
      { name: "carol", stage: "used" },
      { name: "carol", stage: "open", expiresMs: 1 },
      { name: null, stage: "open" },
    ],
  );
  expect(() => assertFree(keeper, { name: "bobby", nowMs: 1 })).not.toThrow();
  expect(() => assertFree(keeper, { name: "carol", nowMs: 1 })).not.toThrow();
});

test("parseName() takes one line of 1 to 64 characters without spaces around it", () => {
  expect(parseName("Ann Lee")).toBe("Ann Lee");
  for (const bad of ["", " ann", "ann\n", "a\u202eb", "x".repeat(65)])
    expect(() => parseName(bad)).toThrow("A name is one line");
});

test("parseName() refuses the name that a person's own messages have, in any case", () => {
  for (const own of ["me", "ME", "\uff4de"])
    expect(() => parseName(own)).toThrow("stands beside your own messages");
  expect(parseName("mel")).toBe("mel");
});

test("conversationNamed() says what there is where the name is of none", () => {
  const keeper = keeperOf(["bob", "Zoë"], [{ name: "carol", stage: "open" }]);
  expect(() => conversationNamed(keeper, "carol")).toThrow('Your invitation to "carol" waits');
  expect(() => conversationNamed(keeper, "dora")).toThrow("there are: bob, Zoë");
  expect(() => conversationNamed(keeperOf([]), "dora")).toThrow("invite somebody first");
});
