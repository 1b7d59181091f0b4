import { describe, expect, test } from "bun:test";
import { parseConfigFile } from "./file.ts";

const text = `# relay.max_connections = 1 is not here
title = "[relay]"

[relay]
listen = [
  "a",   # ] not the end
  "b=c",
]
"max_connections" = 5
note = """
max_streams = 3
[log]
"""
inline = { level = "x", deep = { er = 1 } }
dotted.key = 1

  [ log ]
level = 'debug'   # level
escaped = "a \\" level = 3"

[[peers]]
name = "one"
[[peers]]
name = "two"
[deep]
lists = [["a", "b"], # one, two
  # three, four
  [
    "c", "],",
  ], ["d"], [] ]
flat = ["a", "b"]
`;

describe("parseConfigFile()", () => {
  const file = parseConfigFile("x.toml", text);
  const cases: [string, number | undefined][] = [
    ["title", 2],
    ["relay", 4],
    ["relay.listen", 5],
    ["relay.listen.0", 6],
    ["relay.listen.1", 7],
    ["relay.listen.2", 5],
    ["deep.lists.0", 26],
    ["deep.lists.1.0", 28],
    ["deep.lists.2", 30],
    ["deep.lists.3", 30],
    ["deep.flat.1", 31],
    ["relay.max_connections", 9],
    ["relay.note", 10],
    ["relay.max_streams", 4],
    ["relay.inline", 14],
    ["relay.inline.level", 14],
    ["relay.dotted.key", 15],
    ["log", 17],
    ["log.level", 18],
    ["log.escaped", 19],
    ["peers", 21],
    ["nowhere", undefined],
  ];
  test.each(cases)("finds %s on its line", (key, line) => {
    expect(file.lineOf(key.split("."))).toBe(line);
  });

  const twice: [string, string][] = [
    ["[relay]\na = 1\n\na = 2\n", "relay.a is set already, on line 2 (line 4, column 1)"],
    ['[relay]\n"a" = """\na = 3\n"""\n  a = 2\n', "relay.a is set already, on line 2 (line 5, column 3)"],
    ["[relay]\na = 1\n[log]\n[relay]\n", "relay is set already, on line 1 (line 4, column 2)"],
    ["relay.a = 1\n[relay]\n", "relay is set already, on line 1 (line 2, column 2)"],
    ["[relay]\na.b = 1\na = 2\n", "relay.a is set already, on line 2 (line 3, column 1)"],
    ["[relay]\na = 1\na.b = 2\n", "relay.a.b is set already, on line 2 (line 3, column 1)"],
    ["[relay]\nx = { a = 1, a = 2 }\n", "relay.x.a is set already (line 2, column 14)"],
    ["[relay]\nx = { a = 1,\n a = 2 }\n", "relay.x.a is set already (line 3, column 2)"],
  ];
  test.each(twice)("names the key that is set twice in %j", (bad, says) => {
    expect(() => parseConfigFile("x.toml", bad)).toThrow(`Cannot read x.toml: ${says}`);
  });

  test("names file, line and column of a mistake in TOML", () => {
    expect(() => parseConfigFile("x.toml", '[relay]\nlisten = ["a"\nmax = 3\n')).toThrow(
      /^Cannot read x\.toml: .+ \(line \d, column \d+\)$/,
    );
  });
});
