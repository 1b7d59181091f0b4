import { Fault } from "@dchat/core/ground/mod.ts";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { exit } from "./exit.ts";
import { exitOf, faultBlock, meanings } from "./fault.ts";
import { openTerminal } from "./terminal.ts";

/** Answered where they happen: a connection ends, a frame is refused. One that came up all the same exits 1. */
const INNER = new Set([
  "ground/length",
  "wire/malformed",
  "link/closed",
  "link/address",
  "link/peer-id",
  "delivery/gap",
]);

describe("the table of faults", () => {
  test("has every code that is thrown anywhere, those aside that are answered where they happen", async () => {
    const root = join(import.meta.dir, "../..");
    const unknown = new Set<string>();
    for await (const path of new Bun.Glob("{core,cmd}/**/*.ts").scan({ cwd: root })) {
      if (path.includes("node_modules") || path.endsWith("_test.ts")) continue;
      const text = await Bun.file(join(root, path)).text();
      for (const [, code = ""] of text.matchAll(/fault(?:<[^>(]*>)?\(\s*"([a-z]+\/[a-z-]+)"/gi)) {
        if (!Object.hasOwn(meanings, code) && !INNER.has(code)) unknown.add(`${code} in ${path}`);
      }
    }
    expect([...unknown]).toEqual([]);
  });

  test("gives what nobody foresaw exit 1", () => {
    expect(exitOf(new Error("x"))).toBe(exit.failed);
    expect(exitOf("x")).toBe(exit.failed);
    expect(exitOf(new Fault("no/such", "x"))).toBe(exit.failed);
    expect(exitOf(new Fault("cli/usage", "x"))).toBe(exit.usage);
  });
});

describe("faultBlock()", () => {
  const terminal = openTerminal({ isTTY: true, columns: 60, write: () => true }, { NO_COLOR: "1" });

  test("is one block: what and where, then how to mend it, within the terminal", () => {
    const error = new Fault(
      "data/locked",
      "Cannot use the data directory /var/lib/dchat: another process (pid 7) works in it",
    );
    const block = faultBlock(error, { terminal, path: ["dchat", "relay"], debug: false });
    expect(block).toBe(
      "error  Cannot use the data directory /var/lib/dchat: another\n" +
        "       process (pid 7) works in it\n" +
        "       Stop that process, or give this one a directory of\n" +
        "       its own by --data-dir.\n",
    );
  });

  test.each([
    ["ENOSPC", "Make room there"],
    ["EDQUOT", "within the quota"],
    ["EIO", "Look at that disk first"],
    ["EACCES", "as the user whose it is"],
    ["SQLITE_FULL", "Make room there"],
    ["SQLITE_IOERR_SHMSIZE", "Make room there"],
    ["SQLITE_IOERR_WRITE", "Look at that disk first"],
  ])("says what to do about %s, wherever it came up", (code, mend) => {
    const wide = openTerminal({ isTTY: true, columns: 100, write: () => true }, { NO_COLOR: "1" });
    const error = Object.assign(new Error(`${code}: refused, write`), { code });
    const options = { terminal: wide, path: ["dchat"], debug: false };
    for (const each of [error, new Fault("secret/unwritable", "Cannot write x", { cause: error })]) {
      const block = faultBlock(each, options);
      expect(block).toContain(mend);
      expect(block).not.toContain("not foreseen");
    }
  });

  test("adds stacks and causes at debug, and says how to get them where nobody foresaw the error", () => {
    const error = new Error("outer", { cause: new Error("inner") });
    const quiet = faultBlock(error, { terminal, path: ["dchat"], debug: false });
    expect(quiet).toContain("--log-level debug shows where");
    expect(quiet).not.toContain("inner");
    const loud = faultBlock(error, { terminal, path: ["dchat"], debug: true });
    expect(loud).toContain("caused by Error: inner");
  });
});
