/**
 * The frame that every subcommand hangs in: tables, strict parsing, help, exit codes, one block for what went wrong.
 *
 * A subcommand is a file in cmd/ that exports `command({ about, args, input, examples, run })` and a line in the
 * commands.ts. A flag with `setting: "relay.listen"` goes to the configuration (`context.config()`), any
 * other to `run` by way of the zod schema `input`. New fault codes get a line in fault.ts.
 */
export type { Arg, ArgTable } from "./arg.ts";
export { command, type Command, type Entry, type Registry } from "./command.ts";
export { jsonArg } from "./flags.ts";
export type { Context } from "./context.ts";
export { exit, type ExitCode } from "./exit.ts";
export { guard } from "./guard.ts";
export { main, type Program } from "./main.ts";
export { isReaderGone, readerGone } from "./output.ts";
export { columns, jsonLine, printable, type Style, type Terminal, twoColumns, wrap } from "./terminal.ts";
export { usage } from "./usage.ts";
