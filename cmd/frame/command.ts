/**
 * What a subcommand is: citty's argument table, a zod schema for what comes out of it, examples, and a `run`.
 * One table makes the parser, the help and the messages, so that the three can't disagree.
 */
import type { z } from "zod";
import type { ArgTable } from "./arg.ts";
import type { Context } from "./context.ts";
import type { ExitCode } from "./exit.ts";

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
  /** Started by dchat itself and of no use to people, so that nothing lists it. */
  readonly hidden?: true;
  /** Subcommands below this name. */
  readonly commands?: Registry;
}

export type Registry = Readonly<Record<string, Entry>>;

/** The commands that people are told of. */
export function listed(registry: Registry): readonly (readonly [name: string, entry: Entry])[] {
  return Object.entries(registry).filter(([, { hidden }]) => hidden !== true);
}

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
