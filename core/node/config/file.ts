/** Reads the TOML of a configuration file and knows on which line each of its keys stands. */
import { readFileSync } from "node:fs";
import { parse as parseToml, TomlError } from "smol-toml";
import { Fault, fileReason } from "../../ground/mod.ts";

/** flag: of a value, where all that is wrong came by flags; the others are about the file and variables. */
export type ConfigCode =
  "config/missing" | "config/syntax" | "config/value" | "config/flag" | "config/unknown";

export interface ConfigFile {
  /** As it was named. */
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Where a key path stands, from 1; the nearest parent's line where the key itself isn't written out. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/** Reads and parses; throws Fault<"config/missing"> and Fault<"config/syntax">. */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("config/missing", `Cannot read the configuration ${path}: ${fileReason(error)}`, {
      cause: error,
    });
  }
  return parseConfigFile(path, text);
}

/** Parses `text`; throws Fault<"config/syntax"> naming file, line and column. */
export function parseConfigFile(path: string, text: string): ConfigFile {
  try {
    const values = parseToml(text);
    const lines = keyLines(text);
    return {
      path,
      values,
      lineOf: (keys) => {
        for (let length = keys.length; length > 0; length--) {
          const line = lines.get(keys.slice(0, length).map(String).join("\0"));
          if (line !== undefined) return line;
        }
        return undefined;
      },
    };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "not TOML";
    const what = said.startsWith("trying to redefine") ? setTwice(text, error) : said;
    throw new Fault(
      "config/syntax",
      `Cannot read ${path}: ${what} (line ${error.line}, column ${error.column})`,
      { cause: error },
    );
  }
}

/** Lines of headers, keys and elements of a document that is known to parse, by their joined paths. */
function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  for (const { path, line, is } of placesOf(text)) {
    for (let length = 1; length < path.length; length++) {
      const parent = path.slice(0, length).join("\0");
      if (!lines.has(parent)) lines.set(parent, line);
    }
    const joined = path.join("\0");
    if (is !== "header" || !lines.has(joined)) lines.set(joined, line);
  }
  return lines;
}

interface KeyPlace {
  readonly is: "header" | "key" | "element";
  readonly path: readonly string[];
  readonly line: number;
}

/**
 * Headers and keys of a document, in order. Follows strings over lines, so that text in them is not taken for a
 * key. An element of an array has the line where it begins, by its index; what stands deeper counts as its
 * element's line, and what stands in an inline table as its key's.
 */
function* placesOf(text: string): Generator<KeyPlace> {
  let table: readonly string[] = [];
  let owner: readonly string[] = [];
  let place: Place = { depth: 0, closing: undefined, element: 0, expects: false };
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    if (place.closing === undefined && place.depth === 0) {
      const header = /^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}/.exec(written)?.[1];
      const key = KEY.exec(written)?.[1];
      if (header !== undefined) {
        table = keyPath(header);
        yield { is: "header", path: table, line };
        continue;
      }
      owner = key === undefined ? [] : [...table, ...keyPath(key)];
      if (key !== undefined) yield { is: "key", path: owner, line };
      place = { ...place, element: 0 };
    }
    const before = place.element;
    place = follow(written, place);
    for (let element = before; element < place.element; element++) {
      yield { is: "element", path: [...owner, String(element)], line };
    }
  }
}

const KEY = /^\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]|\s*\.\s*)+?)\s*=/;

/** Which key stands where something is set that was set before, and where that was. */
function setTwice(text: string, { line, column }: TomlError): string {
  const before = [...placesOf(text)].filter((each) => each.is !== "element" && each.line <= line);
  const last = before.pop();
  const written = text.split(/\r?\n/)[line - 1] ?? "";
  const path = last?.path ?? [];
  if (last?.line !== line || !/^[\s[]*$/.test(written.slice(0, column - 1))) {
    const inner = KEY.exec(written.slice(column - 1))?.[1] ?? "";
    return `${[...path, ...keyPath(inner)].join(".")} is set already`;
  }
  const first = before.find(
    (each) => startsWith(each.path, path) || (each.is === "key" && startsWith(path, each.path)),
  );
  return `${path.join(".")} is set already${first === undefined ? "" : `, on line ${first.line}`}`;
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((name, at) => path[at] === name);
}

function keyPath(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}

interface Place {
  /** How many brackets are open. */
  readonly depth: number;
  /** What ends the string that is open. */
  readonly closing: string | undefined;
  /** How many elements of the outermost bracket have begun. */
  readonly element: number;
  /** Whether the next thing begins one. */
  readonly expects: boolean;
}

/** Where a line leaves brackets and strings of several lines. */
function follow(line: string, { depth, closing, element, expects }: Place): Place {
  let at = 0;
  while (at < line.length) {
    if (closing !== undefined) {
      const end = line.indexOf(closing, at);
      if (end === -1) break;
      if (closing === '"' && escaped(line, end)) at = end + 1;
      else [at, closing] = [end + closing.length, undefined];
      continue;
    }
    const rest = line.slice(at, at + 3);
    const character = rest[0];
    if (character === "#") break;
    if (depth === 1 && expects && !/[\s,\]}]/.test(character ?? ""))
      [element, expects] = [element + 1, false];
    if (depth === 1 && character === ",") expects = true;
    if (rest === '"""' || rest === "'''") [closing, at] = [rest, at + 3];
    else if (character === '"' || character === "'") [closing, at] = [character, at + 1];
    else {
      if (character === "[" || character === "{") expects = ++depth === 1;
      if (character === "]" || character === "}") depth--;
      at++;
    }
  }
  return { depth, closing: closing?.length === 3 ? closing : undefined, element, expects };
}

function escaped(line: string, at: number): boolean {
  let slashes = 0;
  while (line[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
