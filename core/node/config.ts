/**
 * What is in force and whence: flags over `DCHAT_*` variables over the file over defaults. The environment and
 * the file are read here and nowhere else; a module gets its slice of `Config`.
 */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { Fault, nearest } from "../ground/mod.ts";
import { type ConfigCode, type ConfigFile, readConfigFile } from "./config/file.ts";
import { serverUrl } from "./config/kind.ts";
import { type Config, configSchema, type Setting, settings } from "./config/schema.ts";
import { homePath } from "./data_dir.ts";

export type { Config } from "./config/schema.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  readonly env: Environment;
  /** `--config`; must exist where it is given. */
  readonly file?: string;
  /** Flags that set configuration, by key. */
  readonly flags?: Readonly<Record<string, { readonly flag: string; readonly values: readonly string[] }>>;
}

/** Where a value came from. */
export type Origin =
  | { readonly is: "flag"; readonly flag: string }
  | { readonly is: "variable"; readonly variable: string }
  | { readonly is: "file"; readonly path: string; readonly line: number | undefined }
  | { readonly is: "default" };

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, if any; null too where it would be read but isn't there. */
  readonly file: string | null;
  /** Where a file is looked for, so that it can be watched. */
  readonly filePath: string;
  readonly origins: ReadonlyMap<string, Origin>;
  /** Values as they were given, by key, for showing; secrets are in it. */
  readonly given: ReadonlyMap<string, unknown>;
  /** What is odd and still no reason to stop: variables that look like settings and are none, secrets in flags. */
  readonly warnings: readonly string[];
}

/** Reads, merges and checks. Throws Fault<"config/…"> that names the place, the key, what was expected and what came. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const named = options.file ?? options.env["DCHAT_CONFIG"];
  const filePath = named ?? "dchat.toml";
  const file = named !== undefined || existsSync(filePath) ? readConfigFile(filePath) : null;
  const origins = new Map<string, Origin>();
  const given = new Map<string, unknown>();
  if (file !== null) refuseUnknown(file);
  for (const setting of settings.values()) {
    const [origin, value] = pick(setting, options, file);
    origins.set(setting.key, origin);
    if (value !== undefined) given.set(setting.key, value);
  }
  const parsed = configSchema.safeParse(nested(given));
  if (!parsed.success) throw valueFault(parsed.error.issues, { origins, given, file });
  const warnings = [...strays(options.env), ...exposed(options.flags ?? {})];
  return { config: parsed.data, file: file?.path ?? null, filePath, origins, given, warnings };
}

/** `loaded` with `keys` as they are in `from`. */
export function keepSettings(
  loaded: LoadedConfig,
  from: LoadedConfig,
  keys: readonly string[],
): LoadedConfig {
  const given = new Map(loaded.given);
  const origins = new Map(loaded.origins);
  for (const key of keys) {
    const value = from.given.get(key);
    if (value === undefined) given.delete(key);
    else given.set(key, value);
    origins.set(key, from.origins.get(key) ?? { is: "default" });
  }
  return { ...loaded, config: configSchema.parse(nested(given)), given, origins };
}

/** Values by key as the file nests them. */
function nested(given: ReadonlyMap<string, unknown>): Record<string, Record<string, unknown>> {
  const raw: Record<string, Record<string, unknown>> = {};
  for (const section of Object.keys(configSchema.shape)) raw[section] = {};
  for (const [key, value] of given) {
    const setting = settings.get(key);
    const section = raw[setting?.section ?? ""];
    if (setting !== undefined && section !== undefined) section[setting.name] = value;
  }
  return raw;
}

function pick(setting: Setting, { flags, env }: LoadOptions, file: ConfigFile | null): [Origin, unknown] {
  const flag = flags?.[setting.key];
  if (flag !== undefined)
    return [{ is: "flag", flag: flag.flag }, located(setting, fromText(setting, flag.values))];
  const text = env[setting.variable];
  if (text !== undefined && text !== "") {
    const words = setting.form === "list" ? text.split(",").map((word) => word.trim()) : [text];
    return [{ is: "variable", variable: setting.variable }, located(setting, fromText(setting, words))];
  }
  const section = file?.values[setting.section];
  const value = isRecord(section) ? section[setting.name] : undefined;
  if (file !== null && value !== undefined) {
    const line = file.lineOf([setting.section, setting.name]);
    return [{ is: "file", path: file.path, line }, located(setting, value, dirname(file.path))];
  }
  return [{ is: "default" }, setting.initial];
}

/** Flags and variables are text; the schema sees what a file would hold. */
function fromText({ form }: Setting, values: readonly string[]): unknown {
  const text = values.at(-1) ?? "";
  if (form === "list") return values;
  return form === "integer" && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Paths become absolute: those of a file from its folder, others from the working directory. */
function located({ path }: Setting, value: unknown, folder = "."): unknown {
  return path && typeof value === "string" && value !== "" ? resolve(folder, homePath(value)) : value;
}

function refuseUnknown(file: ConfigFile): void {
  for (const [section, values] of Object.entries(file.values)) {
    const known = [...settings.values()].filter((setting) => setting.section === section);
    if (known.length === 0) {
      throw unknownKey(file, [section], Object.keys(configSchema.shape));
    }
    if (!isRecord(values)) {
      const line = file.lineOf([section]);
      throw new Fault<ConfigCode>(
        "config/value",
        `Cannot read ${file.path}: ${section} must be a table, [${section}], got ${Array.isArray(values) ? "a list" : `a ${typeof values}`}${at(line)}`,
      );
    }
    for (const name of Object.keys(values)) {
      if (!settings.has(`${section}.${name}`))
        throw unknownKey(
          file,
          [section, name],
          known.map((one) => one.name),
        );
    }
  }
}

function unknownKey(file: ConfigFile, path: readonly string[], known: readonly string[]): Fault<ConfigCode> {
  const line = file.lineOf(path);
  const parents = path.slice(0, -1);
  const near = nearest(path.at(-1) ?? "", known);
  const meant = near === undefined ? "" : `. Did you mean ${[...parents, near].join(".")}?`;
  const expected = parents.length === 0 ? known.map((section) => `[${section}]`) : known;
  return new Fault(
    "config/unknown",
    `Cannot read ${file.path}: there is no key ${path.join(".")}${at(line)}; expected one of ${expected.join(", ")}${meant}`,
  );
}

interface Sources {
  readonly origins: ReadonlyMap<string, Origin>;
  readonly given: ReadonlyMap<string, unknown>;
  readonly file: ConfigFile | null;
}

/** One line for each value that is wrong. */
function valueFault(issues: readonly z.core.$ZodIssue[], sources: Sources): Fault<ConfigCode> {
  const lines = new Set(issues.map((issue) => wrongValue(issue.path, sources)));
  const byFlag = issues.every(({ path }) => sources.origins.get(keyOf(path))?.is === "flag");
  return new Fault(byFlag ? "config/flag" : "config/value", [...lines].join("\n"));
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.slice(0, 2).map(String).join(".");
}

function wrongValue(path: readonly PropertyKey[], { origins, given, file }: Sources): string {
  const key = keyOf(path);
  const setting = settings.get(key);
  const origin = origins.get(key);
  const value = given.get(key);
  const item = path[2];
  const came = show(setting, typeof item === "number" && Array.isArray(value) ? value[item] : value);
  const wrong = `must be ${setting?.expected ?? "something else"}, got ${came}`;
  if (origin?.is === "flag") return `${origin.flag} ${wrong}`;
  if (origin?.is === "variable") return `${origin.variable} ${wrong}`;
  return `Cannot read ${file?.path ?? "the defaults"}: ${key} ${wrong}${at(file?.lineOf(path))}`;
}

function at(line: number | undefined): string {
  return line === undefined ? "" : ` (line ${line})`;
}

/** A value for people, secrets masked. */
export function show(setting: Setting | undefined, value: unknown): string {
  if (value === undefined) return "nothing";
  if (setting?.secret === "whole") return "[secret]";
  return JSON.stringify(masked(setting, value));
}

/** A value for scripts, as a file would hold it; secrets masked, null where there is none. */
export function masked(setting: Setting | undefined, value: unknown): unknown {
  if (value === undefined) return null;
  if (setting?.secret === "whole") return "[secret]";
  if (setting?.secret === "password") return typeof value === "string" ? maskPassword(value) : "[secret]";
  return value;
}

function maskPassword(text: string): string {
  const url = serverUrl(text);
  // What isn't a URL may still hold a password somewhere: nothing of it is shown.
  if (url === null) return "[secret]";
  if (url.password !== "") url.password = "[secret]";
  for (const name of url.searchParams.keys()) {
    if (/pass|secret|key|token/i.test(name)) url.searchParams.set(name, "[secret]");
  }
  return url.href.replaceAll("%5Bsecret%5D", "[secret]");
}

/** Variables that begin like a section of ours and name no setting. Orchestrators set such ones, so nothing is refused. */
function strays(env: Environment): string[] {
  const known = new Set([...settings.values()].map((setting) => setting.variable));
  const prefixes = Object.keys(configSchema.shape).map((section) => `DCHAT_${section.toUpperCase()}_`);
  return Object.keys(env)
    .filter((name) => prefixes.some((prefix) => name.startsWith(prefix)) && !known.has(name))
    .filter((name) => !/_(?:SERVICE|PORT)(?:_|$)/.test(name))
    .map((name) => `${name} is set, but there is no such setting`);
}

/** Flags that hold a password: whoever lists the machine's processes sees them. */
function exposed(flags: NonNullable<LoadOptions["flags"]>): string[] {
  return Object.entries(flags).flatMap(([key, { flag, values }]) => {
    const setting = settings.get(key);
    if (setting?.secret === undefined || values.every((value) => masked(setting, value) === value)) return [];
    return [
      `${flag} has a password in it, which whoever lists this machine's processes can read; set ${setting.variable} in its place`,
    ];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
