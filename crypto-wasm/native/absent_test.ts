import { expect, test } from "bun:test";
import { nativeParts, RUNS_THREADS, verifyPeerOther } from "./absent.ts";

test("where the engine has none of it, nativeParts() has no part and verifyPeerOther() says why", () => {
  expect(nativeParts()).toEqual({});
  expect(RUNS_THREADS).toBe(false);
  expect(() => verifyPeerOther("rsa")).toThrow("talk to peers with Ed25519 keys");
});
