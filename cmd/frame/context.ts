/** What a running subcommand gets from the frame. */
import type { LoadedConfig, LoadOptions } from "@dchat/core/node/mod.ts";
import type { SettingFlag } from "./parse.ts";
import { type Environment, jsonLine, type Terminal } from "./terminal.ts";

export interface Context {
  /** As it was called: `["keygen", "inspect"]`. */
  readonly path: readonly string[];
  readonly env: Environment;
  /** For data: what a script would read. */
  readonly out: Terminal;
  /** For people: progress, warnings, questions. */
  readonly err: Terminal;
  /** How the configuration is read, for those who read it again. */
  readonly load: LoadOptions;
  /** The configuration in force: flags over variables over file over defaults. Read once. Throws Fault<"config/…">. */
  readonly config: () => Promise<LoadedConfig>;
  /** One line on `out`. */
  readonly print: (text?: string) => void;
  /** One JSON document on one line of `out`. */
  readonly json: (value: unknown) => void;
  /** One line on `err`. */
  readonly note: (text: string) => void;
}

export interface ContextOptions {
  readonly path: readonly string[];
  readonly env: Environment;
  readonly out: Terminal;
  readonly err: Terminal;
  /** Flags that set configuration, by key. */
  readonly flags: Readonly<Record<string, SettingFlag>>;
  /** `--config`. */
  readonly file?: string;
}

/** A context whose configuration is read when it is first asked for. */
export function openContext({ path, env, out, err, flags, file }: ContextOptions): Context {
  let loading: Promise<LoadedConfig> | undefined;
  const how: LoadOptions = { env, flags, ...(file === undefined ? {} : { file }) };
  return {
    load: how,
    path,
    env,
    out,
    err,
    config: () => (loading ??= load(how)),
    print: (text = "") => out.write(`${text}\n`),
    json: (value) => out.write(jsonLine(value)),
    note: (text) => err.write(`${text}\n`),
  };
}

async function load(options: LoadOptions): Promise<LoadedConfig> {
  const { loadConfig } = await import("@dchat/core/node/mod.ts");
  return loadConfig(options);
}
