import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cleared, judgeTools, readLock, sourceHashes } from "../rust/build.ts";

test("the committed .wasm is built from the sources as they stand: else `bun run wasm` and commit", () => {
  expect(sourceHashes()).toEqual(readLock().sources);
});

test.each(["wide", "portable"] as const)("%s.wasm is the file that the lock names", (build) => {
  const bytes = readFileSync(new URL(`${build}.wasm`, import.meta.url));
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(readLock().wasm[build]);
});

test("portable.wasm's products of limbs are unsigned: others LLVM may make i64x2.mul of, several times slower", () => {
  const bytes = readFileSync(new URL("portable.wasm", import.meta.url));
  // The opcode's three bytes, wherever they stand: what is found nowhere is no instruction either.
  const count = (opcode: number) =>
    bytes.toString("latin1").split(`\xfd${String.fromCharCode(opcode)}\x01`).length - 1;
  expect({
    "i64x2.mul": count(0xd5),
    "i64x2.extmul_low_i32x4_s": count(0xdc),
    "i64x2.extmul_high_i32x4_s": count(0xdd),
    "i64x2.extmul_low_i32x4_u": count(0xde),
    "i64x2.extmul_high_i32x4_u": count(0xdf),
  }).toEqual({
    "i64x2.mul": 0,
    "i64x2.extmul_low_i32x4_s": 0,
    "i64x2.extmul_high_i32x4_s": 0,
    "i64x2.extmul_low_i32x4_u": 110,
    "i64x2.extmul_high_i32x4_u": 107,
  });
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

test("a check fails where apt offers the lock's tools and others are installed, and holds where it doesn't", () => {
  const lock = readLock();
  const other = { ...lock.toolchain, "rustc-web": "1.97.0-1" };
  const offered = (name: string) => ["1.97.0-1", lock.toolchain[name] ?? ""];
  expect(judgeTools(lock, lock.toolchain, offered)).toEqual({ same: true, fails: false, lines: [] });
  expect(judgeTools(lock, other, offered)).toMatchObject({ same: false, fails: true });
  const judged = judgeTools(lock, other, () => ["1.97.0-1"]);
  expect(judged).toMatchObject({ same: false, fails: false });
  expect(judged.lines[0]).toContain("installed: 1.97.0-1; apt offers: 1.97.0-1");
});

test("the lock names the compiler's and the linker's libLLVM too, and none is missing", () => {
  expect(Object.keys(readLock().toolchain)).toContain("libllvm22");
  expect(Object.values(readLock().toolchain)).not.toContain("none");
});

test("nothing of the surroundings that steers cargo or rustc reaches a build", () => {
  const env = {
    PATH: "/bin",
    CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
    RUSTFLAGS: "-g",
    CARGO_HOME: "/home/cargo",
  };
  expect(cleared(env)).toEqual({ PATH: "/bin", CARGO_HOME: "/home/cargo" });
});
