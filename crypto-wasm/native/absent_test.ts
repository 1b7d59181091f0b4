import { expect, test } from "bun:test";
import { nativeParts, RUNS_THREADS, verifyPeerOther } from "./absent.ts";

test("where the engine has none of it, nativeParts() has no part and verifyPeerOther() says so", () => {
  expect(nativeParts()).toEqual({});
  expect(RUNS_THREADS).toBe(false);
  expect(verifyPeerOther()).toBe("unsupported");
});
