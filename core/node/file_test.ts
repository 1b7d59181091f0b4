import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "./file.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-file-"))));
afterEach(() => rmSync(folder, { recursive: true }));

describe("replaceFile()", () => {
  test("replaces a file whole, with the mode that is asked for whatever stood there", () => {
    const path = join(folder, "key");
    writeFileSync(path, "old and longer", { mode: 0o644 });
    replaceFile(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    replaceFile(path, new Uint8Array([1, 2]), { mode: 0o640 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test("exclusive never replaces, not even by way of a link, and leaves nothing behind", () => {
    const path = join(folder, "key");
    writeFileSync(path, "old");
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    for (const name of ["key", "link"]) {
      expect(() => replaceFile(join(folder, name), "new", { exclusive: true })).toThrow(/EEXIST/);
    }
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["key", "link"]);
  });

  test("throws what the file system says, and leaves nothing behind", () => {
    expect(() => replaceFile(join(folder, "no/such/folder"), "x")).toThrow(/ENOENT/);
    expect(() => replaceFile(folder, "x")).toThrow();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("readers see the old file or the new one and nothing between", async () => {
    const path = join(folder, "state");
    const size = 1 << 20;
    replaceFile(path, "a".repeat(size));
    const code = `import { replaceFile } from ${JSON.stringify(join(import.meta.dir, "file.ts"))};
      for (let at = 0; at < 30; at++) replaceFile(${JSON.stringify(path)}, (at % 2 ? "a" : "b").repeat(${size}));`;
    const writer = Bun.spawn([process.execPath, "-e", code], { stderr: "inherit" });
    let reads = 0;
    while (writer.exitCode === null || reads === 0) {
      const text = readFileSync(path, "utf8");
      expect(text.length).toBe(size);
      expect(text.at(0)).toBe(text.at(-1));
      reads++;
      await Bun.sleep(1);
    }
    expect(await writer.exited).toBe(0);
  });
});
