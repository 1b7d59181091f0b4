/** Reads the TOML of a configuration file and knows on which line each of its keys stands. */
import { readFileSync } from "node:fs";
import { parse as parseToml, TomlError } from "smol-toml";
import { Fault } from "../ground/mod.ts";

export type ConfigCode = "config/missing" | "config/syntax" | "config/value" | "config/unknown";

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
    throw new Fault("config/missing", `Cannot read the configuration ${path}: ${reason(error)}`, {
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
    const what = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "not TOML";
    throw new Fault(
      "config/syntax",
      `Cannot read ${path}: ${what} (line ${error.line}, column ${error.column})`,
      { cause: error },
    );
  }
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a folder";
  return error instanceof Error ? error.message : String(error);
}

/**
 * Lines of headers and keys of a document that is known to parse. Follows strings over lines, so that text in
 * them is not taken for a key; what stands inside inline tables and arrays counts as its key's line.
 */
function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let table: readonly string[] = [];
  let depth = 0;
  let closing: string | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (closing === undefined && depth === 0) {
      const header = /^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}/.exec(line)?.[1];
      const key = /^\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]|\s*\.\s*)+?)\s*=/.exec(line)?.[1];
      if (header !== undefined) table = keyPath(header);
      const path = header !== undefined ? table : key !== undefined ? [...table, ...keyPath(key)] : [];
      for (let length = 1; length <= path.length; length++) {
        const joined = path.slice(0, length).join("\0");
        if (length === path.length ? !lines.has(joined) || header === undefined : !lines.has(joined)) {
          lines.set(joined, index + 1);
        }
      }
      if (header !== undefined) continue;
    }
    ({ depth, closing } = follow(line, depth, closing));
  }
  return lines;
}

function keyPath(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}

/** Where a line leaves brackets and strings of several lines. */
function follow(line: string, depth: number, closing: string | undefined) {
  let at = 0;
  while (at < line.length) {
    if (closing !== undefined) {
      const end = line.indexOf(closing, at);
      if (end === -1) return { depth, closing: closing.length === 3 ? closing : undefined };
      if (closing === '"' && escaped(line, end)) at = end + 1;
      else [at, closing] = [end + closing.length, undefined];
      continue;
    }
    const rest = line.slice(at, at + 3);
    const character = rest[0];
    if (character === "#") break;
    if (rest === '"""' || rest === "'''") [closing, at] = [rest, at + 3];
    else if (character === '"' || character === "'") [closing, at] = [character, at + 1];
    else {
      if (character === "[" || character === "{") depth++;
      if (character === "]" || character === "}") depth--;
      at++;
    }
  }
  return { depth, closing: closing?.length === 3 ? closing : undefined };
}

function escaped(line: string, at: number): boolean {
  let slashes = 0;
  while (line[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
