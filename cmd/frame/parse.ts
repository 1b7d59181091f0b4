/**
 * Strict parsing: `node:util` parseArgs splits the line by the command's own table, and every token is checked
 * here. Unknown flags, missing values, values for switches, repeats of what may not repeat and words too many
 * are refused, each with the nearest right one.
 */
import { nearest } from "@dchat/core/ground/mod.ts";
import { parseArgs } from "node:util";
import { type Arg, type ArgTable, kebab, short, written } from "./arg.ts";
import { quoted, usage } from "./usage.ts";

export interface Parsed {
  /** By the table's own names; flags that set configuration aside. */
  readonly input: Record<string, unknown>;
  /** Flags that set configuration, by configuration key. */
  readonly settings: Record<string, SettingFlag>;
  readonly help: boolean;
}

export interface SettingFlag {
  /** As it was written: `--max-connections`. */
  readonly flag: string;
  readonly values: readonly string[];
}

const helpArg: Arg = { type: "boolean", alias: "h", description: "Show this help" };

interface Flag {
  readonly name: string;
  readonly arg: Arg;
}

/** Splits `argv` by `table`; throws Fault<"cli/usage">. Where help is asked for, nothing else is checked. */
export function parse(argv: readonly string[], table: ArgTable): Parsed {
  const flags = new Map<string, Flag>([["help", { name: "help", arg: helpArg }]]);
  for (const [name, arg] of Object.entries(table)) {
    if (arg.type !== "positional") flags.set(kebab(name), { name, arg });
  }
  const { tokens } = parseArgs({
    args: [...argv],
    options: nativeOptions(flags),
    strict: false,
    tokens: true,
  });
  if (tokens.some((token) => token.kind === "option" && token.name === "help")) {
    return { input: {}, settings: {}, help: true };
  }
  const input: Record<string, unknown> = {};
  const settings: Record<string, SettingFlag> = {};
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const flag = flags.get(token.name);
    const asWritten = argv[token.index] ?? token.rawName;
    if (flag === undefined) throw unknownFlag(token.rawName, asWritten, flags);
    refuseOneDash(asWritten, flags);
    take(flag, valueOf(flag, token), { input, settings });
  }
  takeWords(words, table, input);
  for (const { name, arg } of flags.values()) fillIn(name, arg, input);
  return { input, settings, help: false };
}

function nativeOptions(flags: ReadonlyMap<string, Flag>) {
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: boolean }> = {};
  for (const [name, { arg }] of flags) {
    const letter = short(arg);
    const type = arg.type === "boolean" ? "boolean" : "string";
    options[name] = { type, multiple: true, ...(letter === undefined ? {} : { short: letter }) };
  }
  return options;
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function valueOf({ name, arg }: Flag, token: OptionToken): string | true {
  if (arg.type === "boolean") {
    if (token.value === undefined) return true;
    throw usage(`${token.rawName} is a switch and takes no value, got ${quoted(token.value)}`);
  }
  const hint = arg.valueHint ?? "VALUE";
  if (token.value === undefined) throw usage(`${token.rawName} needs a value: ${token.rawName} ${hint}`);
  const value = token.value;
  if (token.inlineValue && !token.rawName.startsWith("--") && value.startsWith("=")) {
    throw usage(
      `${token.rawName} takes no = before its value, got ${quoted(`${token.rawName}${value}`)}; write ${token.rawName} ${hint} or --${kebab(name)}=${hint}`,
    );
  }
  if (value === "") throw usage(`${token.rawName} has an empty value; expected ${hint}`);
  if (!token.inlineValue && value.startsWith("-") && value !== "-") {
    throw usage(
      `${token.rawName} needs a value, but ${quoted(value)} follows; write ${token.rawName}=${value} if that is the value`,
    );
  }
  if (arg.type === "enum" && arg.options !== undefined && !arg.options.includes(value)) {
    const near = nearest(value, arg.options);
    throw usage(
      `${token.rawName} must be ${orList(arg.options)}, got ${quoted(value)}${near ? `. Did you mean ${near}?` : ""}`,
    );
  }
  return value;
}

function take(
  { name, arg }: Flag,
  value: string | true,
  { input, settings }: Pick<Parsed, "input" | "settings">,
): void {
  if (arg.setting !== undefined) {
    const before = settings[arg.setting]?.values ?? [];
    if (before.length > 0 && !arg.multiple) throw repeated(name, arg, before[0], value);
    settings[arg.setting] = { flag: written(name, arg), values: [...before, String(value)] };
    return;
  }
  const before = input[name];
  if (arg.multiple) input[name] = [...(Array.isArray(before) ? before : []), value];
  else if (before === undefined) input[name] = value;
  else throw repeated(name, arg, before, value);
}

function repeated(name: string, arg: Arg, before: unknown, value: unknown) {
  const both = value === true ? "" : `: ${quoted(before)} and ${quoted(value)}`;
  return usage(`${written(name, arg)} may be given once, but came twice${both}`);
}

function unknownFlag(rawName: string, asWritten: string, flags: ReadonlyMap<string, Flag>) {
  const bare = asWritten.replace(/^-+/, "").replace(/=.*$/s, "");
  // `-json` reads as a bundle of short flags; whoever writes it means `--json`.
  const name = rawName.startsWith("--") || bare.length === 1 ? rawName : `-${bare}`;
  const near = flags.has(bare) ? bare : nearest(bare, flags.keys());
  return usage(`There is no flag ${name}${near === undefined ? "" : `. Did you mean --${near}?`}`);
}

/** `-output x` reads as `-o utput`, and `utput` would be written: a dash is missing. */
function refuseOneDash(asWritten: string, flags: ReadonlyMap<string, Flag>): void {
  const bare = /^-([^-=][^=]{2,})/.exec(asWritten)?.[1];
  if (bare === undefined) return;
  // A flag's letter is its first one; `-ofile` is `-o file` even where there is a `--file`.
  const near = nearest(
    bare,
    [...flags.keys()].filter((name) => name[0] === bare[0]),
  );
  if (near !== undefined) throw usage(`There is no flag -${bare}. Did you mean --${near}?`);
}

function takeWords(words: string[], table: ArgTable, input: Record<string, unknown>): void {
  let at = 0;
  for (const [name, arg] of Object.entries(table)) {
    if (arg.type !== "positional") continue;
    if (arg.multiple) {
      if (words.length > at || arg.required === false) input[name] = words.slice(at);
      at = words.length;
    } else if (at < words.length) input[name] = words[at++];
    if (input[name] !== undefined) continue;
    if (arg.required !== false && arg.default === undefined) {
      throw usage(`${written(name, arg)} is missing: ${arg.description ?? "it is needed"}`);
    }
    if (arg.default !== undefined) input[name] = arg.default;
  }
  const extra = words[at];
  if (extra !== undefined) throw usage(`Nothing is expected at ${quoted(extra)}`);
}

function fillIn(name: string, arg: Arg, input: Record<string, unknown>): void {
  if (arg.setting !== undefined || input[name] !== undefined || name === "help") return;
  if (arg.type === "boolean") input[name] = arg.default ?? false;
  else if (arg.default !== undefined) input[name] = arg.multiple ? [arg.default] : arg.default;
  else if (arg.multiple) input[name] = [];
  else if (arg.required === true) throw usage(`${written(name, arg)} is needed: ${arg.description ?? ""}`);
}

function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
