/**
 * What a subcommand is: citty's argument table, a zod schema for what comes out of it, examples, and a `run`.
 * One table makes the parser, the help and the messages, so that the three can't disagree.
 */
import type { ArgDef } from "citty";
import type { z } from "zod";
import type { Context } from "./context.ts";
import type { ExitCode } from "./exit.ts";

/** One flag or positional. Keys of the table are camelCase; `maxConnections` is given as `--max-connections`. */
export type Arg = ArgDef & {
  /** May be given more than once; the value is then always a list. A positional that is `multiple` takes the rest. */
  readonly multiple?: boolean;
  /** Names the configuration key that this flag sets; such flags go to the configuration and not to `input`. */
  readonly setting?: string;
};

export type ArgTable = Readonly<Record<string, Arg>>;

export interface Example {
  readonly line: string;
  readonly does: string;
}

/** A subcommand as the frame runs it. */
export interface Command {
  /** What it does, in a few sentences. The registry holds the one line that lists show. */
  readonly about: string;
  readonly args: ArgTable;
  readonly examples: readonly Example[];
  /** Takes the parsed flags as strings, lists and booleans; validates them; runs. Throws Fault. */
  invoke(raw: Readonly<Record<string, unknown>>, context: Context): Promise<ExitCode>;
}

export interface CommandOptions<S extends z.ZodType> {
  readonly about: string;
  readonly args: ArgTable;
  /** Of everything in `args` that has no `setting`. */
  readonly input: S;
  readonly examples: readonly Example[];
  run(input: z.output<S>, context: Context): Promise<ExitCode>;
}

/** A line of the registry: known without loading the command's code. */
export interface Entry {
  /** One line for lists, without a full stop. */
  readonly summary: string;
  /** Loads the command that stands at this name itself; null for a name that only groups others. */
  readonly load: (() => Promise<Command>) | null;
  /** Subcommands below this name. */
  readonly commands?: Registry;
}

export type Registry = Readonly<Record<string, Entry>>;

/** Ties an argument table, its schema and the code together. Throws UsageFault from `invoke` where input is wrong. */
export function command<S extends z.ZodType>(options: CommandOptions<S>): Command {
  return {
    about: options.about,
    args: options.args,
    examples: options.examples,
    async invoke(raw, context) {
      const parsed = options.input.safeParse(raw);
      if (!parsed.success) {
        const { invalidInput } = await import("./usage.ts");
        throw invalidInput(parsed.error, raw, options.args);
      }
      return options.run(parsed.data, context);
    },
  };
}

/** `maxConnections` to `max-connections`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A flag as people write it, or a positional's upper-case name. */
export function written(name: string, arg: Arg): string {
  return arg.type === "positional" ? (arg.valueHint ?? kebab(name).toUpperCase()) : `--${kebab(name)}`;
}

/** The short form of a flag, where it has one. */
export function short(arg: Arg): string | undefined {
  if (arg.type === "positional" || !("alias" in arg)) return undefined;
  const alias = arg.alias;
  return typeof alias === "string" ? alias : alias?.[0];
}
