import { describe, expect, test } from "bun:test";
import type { ArgTable } from "./arg.ts";
import { parse } from "./parse.ts";

const table = {
  file: { type: "positional", required: false, description: "A file" },
  output: { type: "string", alias: "o", valueHint: "FILE" },
  listen: { type: "string", multiple: true, setting: "relay.listen" },
  maxConnections: { type: "string", setting: "relay.max_connections" },
  tag: { type: "string", multiple: true },
  type: { type: "enum", options: ["identity", "relay"], default: "identity" },
  json: { type: "boolean" },
} satisfies ArgTable;

function refusal(...argv: string[]): string {
  try {
    parse(argv, table);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "taken";
}

describe("parse()", () => {
  test("takes flags in every spelling, and fills in defaults", () => {
    for (const argv of [["--output", "x"], ["--output=x"], ["-o", "x"], ["-ox"]]) {
      expect(parse(argv, table).input).toEqual({ output: "x", type: "identity", json: false, tag: [] });
    }
  });

  test("gives a flag that may repeat as a list, in order", () => {
    expect(parse(["--tag", "a", "--tag=b"], table).input["tag"]).toEqual(["a", "b"]);
  });

  test("puts flags that set configuration aside, by key", () => {
    const { settings, input } = parse(
      ["--listen", "a:1", "--listen", "b:2", "--max-connections", "5"],
      table,
    );
    expect(settings).toEqual({
      "relay.listen": { flag: "--listen", values: ["a:1", "b:2"] },
      "relay.max_connections": { flag: "--max-connections", values: ["5"] },
    });
    expect(input["listen"]).toBeUndefined();
  });

  test("refuses what may not repeat, whether it is input or configuration", () => {
    expect(refusal("-o", "x", "--output", "y")).toBe(
      '--output may be given once, but came twice: "x" and "y"',
    );
    expect(refusal("--max-connections=1", "--max-connections=2")).toContain(
      "--max-connections may be given once",
    );
    expect(refusal("--json", "--json")).toBe("--json may be given once, but came twice");
  });

  test("refuses unknown flags and names the nearest right one", () => {
    expect(refusal("--outptu", "x")).toBe("There is no flag --outptu. Did you mean --output?");
    expect(refusal("--max-conections=4")).toBe(
      "There is no flag --max-conections. Did you mean --max-connections?",
    );
    expect(refusal("-json")).toBe("There is no flag -json. Did you mean --json?");
    expect(refusal("--maxConnections=4")).toBe(
      "There is no flag --maxConnections. Did you mean --max-connections?",
    );
    expect(refusal("-x")).toBe("There is no flag -x");
    for (const one of ["-output", "-outptu", "-out", "-output=x"]) {
      expect(refusal(one, "x")).toBe(`There is no flag ${one.replace("=x", "")}. Did you mean --output?`);
    }
    expect(refusal("-okeys/a.json")).toBe("taken");
    for (const one of ["-o=", "-o=keys/a.json"]) {
      expect(refusal(one)).toBe(
        `-o takes no = before its value, got "${one}"; write -o FILE or --output=FILE`,
      );
    }
    expect(refusal("--output==")).toBe("taken");
    expect(refusal("--no-json")).toStartWith("There is no flag --no-json");
    expect(refusal("--colour")).toBe("There is no flag --colour");
  });

  test("refuses a missing, an empty and a doubtful value", () => {
    expect(refusal("--output")).toBe("--output needs a value: --output FILE");
    expect(refusal("--output=")).toBe("--output has an empty value; expected FILE");
    expect(refusal("--output", "--json")).toContain('--output needs a value, but "--json" follows');
    expect(refusal("--output", "-")).toBe("taken");
    expect(refusal("--output=--json")).toBe("taken");
  });

  test("refuses a value for a switch", () => {
    expect(refusal("--json=yes")).toBe('--json is a switch and takes no value, got "yes"');
  });

  test("refuses a word that an enumeration doesn't have, and names the nearest", () => {
    expect(refusal("--type", "identiy")).toBe(
      '--type must be identity or relay, got "identiy". Did you mean identity?',
    );
  });

  test("takes words up to the table's end, and after -- whatever they look like", () => {
    expect(parse(["a"], table).input["file"]).toBe("a");
    expect(parse(["--", "--json"], table).input).toMatchObject({ file: "--json", json: false });
    expect(refusal("a", "b")).toBe('Nothing is expected at "b"');
  });

  test("names a word that is missing", () => {
    const needs = { file: { type: "positional", description: "The key file" } } satisfies ArgTable;
    expect(() => parse([], needs)).toThrow("FILE is missing: The key file");
  });

  test("gives the rest of the words to a positional that repeats", () => {
    const rest = {
      to: { type: "positional" },
      text: { type: "positional", multiple: true, required: false },
    } satisfies ArgTable;
    expect(parse(["bob", "hello", "there"], rest).input).toEqual({ to: "bob", text: ["hello", "there"] });
    expect(parse(["bob"], rest).input).toEqual({ to: "bob", text: [] });
  });

  test("shows help wherever it is asked for, and checks nothing else then", () => {
    for (const argv of [["--help"], ["-h"], ["--bogus", "-h"], ["a", "b", "c", "--help"]]) {
      expect(parse(argv, table).help).toBe(true);
    }
    expect(parse(["--", "--help"], table).help).toBe(false);
  });
});
