import { expect, test } from "bun:test";
import type { Keeper, KeptInvite } from "../conversation/mod.ts";
import { assertFree, parseName } from "./name.ts";

/** What these functions ask of a keeper, and nothing else. */
function keeperOf(
  conversations: readonly string[],
  invites: readonly { name: string | null; stage: KeptInvite["stage"] }[] = [],
) {
  return {
    conversations: () => conversations.map((name) => ({ name })),
    invites: () => invites,
  } as unknown as Keeper;
}

test("assertFree() refuses a name that differs by case or by how its accents are composed, and names the one there", () => {
  const keeper = keeperOf(["Zoë", "bob"], [{ name: "Carol", stage: "open" }]);
  expect(() => assertFree(keeper, "BOB")).toThrow('There is a "bob" already');
  expect(() => assertFree(keeper, "zoe\u0308")).toThrow('There is a "Zoë" already');
  expect(() => assertFree(keeper, "carol")).toThrow('There is a "Carol" already');
});

test("assertFree() lets other names through, and that of an invitation that is closing or used", () => {
  const keeper = keeperOf(
    ["bob"],
    [
      { name: "carol", stage: "closing" },
      { name: "carol", stage: "used" },
      { name: null, stage: "open" },
    ],
  );
  expect(() => assertFree(keeper, "bobby")).not.toThrow();
  expect(() => assertFree(keeper, "carol")).not.toThrow();
});

test("parseName() takes one line of 1 to 64 characters without spaces around it", () => {
  expect(parseName("Ann Lee")).toBe("Ann Lee");
  for (const bad of ["", " ann", "ann\n", "a\u202eb", "x".repeat(65)])
    expect(() => parseName(bad)).toThrow("A name is one line");
});
