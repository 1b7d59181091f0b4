import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

test("nearest() finds slips of the finger and beginnings, and nothing far away", () => {
  const known = ["relay", "keygen", "health", "config", "max-connections"];
  const cases = {
    rleay: "relay",
    keyegn: "keygen",
    heal: "health",
    confg: "config",
    "max-conection": "max-connections",
  };
  for (const [typed, meant] of Object.entries(cases))
    expect([typed, nearest(typed, known)]).toEqual([typed, meant]);
  for (const typed of ["x", "banana", ""]) expect([typed, nearest(typed, known)]).toEqual([typed, undefined]);
});
