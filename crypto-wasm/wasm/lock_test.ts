import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readLock, sourceHashes } from "../rust/build.ts";

test("the committed .wasm is built from the sources as they stand: else `bun run wasm` and commit", () => {
  expect(sourceHashes()).toEqual(readLock().sources);
});

test.each(["wide", "portable"] as const)("%s.wasm is the file that the lock names", (build) => {
  const bytes = readFileSync(new URL(`${build}.wasm`, import.meta.url));
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(readLock().wasm[build]);
});

test("one curve library stands in the crate's lock, and nobody's batch but ed25519-zebra's", () => {
  const names = [
    ...readFileSync(new URL("../rust/Cargo.lock", import.meta.url), "utf8").matchAll(/^name = "(.*)"$/gm),
  ];
  const curves = names.map(([, name]) => name).filter((name) => /dalek|zebra|curve|ed25519/.test(name ?? ""));
  expect(curves).toEqual([
    "curve25519-dalek",
    "curve25519-dalek-derive",
    "ed25519",
    "ed25519-zebra",
    "frost-ed25519",
    "x25519-dalek",
  ]);
});
