import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { faultBlock } from "./fault.ts";
import { columns, jsonLine, openTerminal, printable, type Stream, twoColumns, wrap } from "./terminal.ts";

const stream = (isTTY: boolean, width?: number): Stream => ({
  isTTY,
  write: () => true,
  ...(width === undefined ? {} : { columns: width }),
});

describe("openTerminal()", () => {
  test("colours a terminal, and nothing else", () => {
    const coloured = (isTTY: boolean, env: Record<string, string>) =>
      openTerminal(stream(isTTY), env).style.bold("x") !== "x";
    expect(coloured(true, {})).toBe(true);
    expect(coloured(true, { NO_COLOR: "1" })).toBe(false);
    expect(coloured(true, { NO_COLOR: "" })).toBe(true);
    expect(coloured(true, { TERM: "dumb" })).toBe(false);
    expect(coloured(false, { TERM: "xterm" })).toBe(false);
  });

  test("takes its width from the terminal, then COLUMNS, between 40 and 100", () => {
    expect(openTerminal(stream(true, 60), { COLUMNS: "90" }).width).toBe(60);
    expect(openTerminal(stream(false), { COLUMNS: "90" }).width).toBe(90);
    expect(openTerminal(stream(true, 300), {}).width).toBe(100);
    expect(openTerminal(stream(true, 10), {}).width).toBe(40);
    expect(openTerminal(stream(false), { COLUMNS: "wide" }).width).toBe(80);
  });
});

test("wrap() breaks at spaces and counts what is seen, not what is written", () => {
  expect(wrap("one two three", 8)).toEqual(["one two", "three"]);
  expect(wrap("\x1b[1mone\x1b[22m two", 7)).toEqual(["\x1b[1mone\x1b[22m two"]);
  expect(wrap("日本 語", 5)).toEqual(["日本", "語"]);
  expect(wrap("unbreakablylong x", 5)).toEqual(["unbreakablylong", "x"]);
  expect(wrap("unbreakablylong x", 5, { hard: true })).toEqual(["unbre", "akabl", "ylong", "x"]);
  expect(wrap("a\tb\tc", 6)).toEqual(["a    b", "c"]);
  expect(wrap("a\tlong word", Number.POSITIVE_INFINITY)).toEqual(["a\tlong word"]);
  expect(wrap("a\n\nb", 5)).toEqual(["a", "", "b"]);
});

test("twoColumns() aligns, wraps the right, and puts it below a left that is too long", () => {
  const rows = [
    ["--a", "first"],
    ["--very-very-very-long-flag VALUE", "second text"],
  ] as const;
  const text = twoColumns(rows, { width: 44, indent: 2 });
  expect(text.split("\n")).toEqual([
    "  --a  first",
    "  --very-very-very-long-flag VALUE",
    "       second text",
  ]);
  for (const line of text.split("\n")) expect(columns(line)).toBeLessThanOrEqual(44);
});

test("wrap() hard leaves no line wider than there is room, of whatever it is made", () => {
  const emoji = "👨‍👩‍👧";
  // Where joined emoji aren't known, each of them is shown.
  expect(wrap(emoji.repeat(4), 12, { hard: true })).toEqual([emoji.repeat(2), emoji.repeat(2)]);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), fc.nat({ max: 40 }), (text, more) => {
      const lines = wrap(printable(text), 2 + more, { hard: true });
      for (const line of lines) expect(columns(line)).toBeLessThanOrEqual(2 + more);
      const bare = (one: string) => one.replaceAll(/\s/g, "");
      expect(bare(lines.join(""))).toBe(bare(printable(text)));
    }),
  );
});

describe("printable()", () => {
  test("shows what would command a terminal or turn text around", () => {
    expect(printable("a\x1b[2Jb\x07\u202ec\u009b")).toBe("a\\u{1b}[2Jb\\u{7}\\u{202e}c\\u{9b}");
    expect(printable("tab\tline\nünï 👨‍👩‍👧 می‌خواهم")).toBe("tab\tline\nünï 👨‍👩‍👧 می‌خواهم");
  });

  test("makes one kind of space of all, and shows marks of direction", () => {
    expect(printable("a\u00a0b\u2003c\u3000d")).toBe("a b c d");
    expect(printable("\u200f\u200e\u061c")).toBe("\\u{200f}\\u{200e}\\u{61c}");
  });

  test("guards errors that quote what came from elsewhere", () => {
    const terminal = openTerminal(stream(false), {});
    const block = faultBlock(new Error("got \x1b]0;owned\x07"), { terminal, path: ["dchat"], debug: false });
    expect(block).not.toContain("\x1b");
  });
});

test("jsonLine() has no control that a terminal obeys, and means the same", () => {
  const text = "\u009b31m\u007f\u202e\u2028\u200f\n\t ünï 👨‍👩‍👧";
  const line = jsonLine({ [text]: [text] });
  expect(line).toContain("\\u009b31m\\u007f\\u202e\\u2028\\u200f\\n\\t ünï 👨‍👩‍👧");
  expect(JSON.parse(line)).toEqual({ [text]: [text] });
  expect(line.endsWith("\n")).toBe(true);
  expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028-\u202e]/u);
});
