/** The help screens, made from the argument tables. */
import { type Arg, type ArgTable, short, written } from "./arg.ts";
import { type Command, listed, type Registry } from "./command.ts";
import { commonArgs } from "./flags.ts";
import { type Terminal, twoColumns, wrap, leftColumn } from "./terminal.ts";

export interface HelpOptions {
  /** `["dchat", "keygen"]`. */
  readonly path: readonly string[];
  readonly terminal: Terminal;
  /** Defaults of configuration keys, as text. */
  readonly defaults: ReadonlyMap<string, string>;
}

/** The screen of one command, with its subcommands where it has some. */
export function commandHelp(command: Command, registry: Registry | undefined, options: HelpOptions): string {
  const { terminal } = options;
  const { style, width } = terminal;
  const blocks = [wrap(command.about, width).join("\n"), usageBlock(command.args, { ...options, registry })];
  const words = rows(command.args, options, true);
  const flags = rows(command.args, options, false);
  const common: Row[] = [...rows(commonArgs, options, false), [style.accent("-h, --help"), "Show this help"]];
  const left = leftColumn(
    [...words, ...flags, ...common].map(([text]) => text),
    width,
  );
  const columns = { width, indent: 2, left };
  if (words.length > 0) blocks.push(`${style.bold("Arguments")}\n${twoColumns(words, columns)}`);
  if (registry !== undefined) blocks.push(commandsBlock(registry, terminal));
  if (flags.length > 0) blocks.push(`${style.bold("Flags")}\n${twoColumns(flags, columns)}`);
  blocks.push(`${style.bold("Common flags")}\n${twoColumns(common, columns)}`);
  if (command.examples.length > 0) blocks.push(examplesBlock(command, terminal));
  return `${blocks.join("\n\n")}\n`;
}

/** The screen of a name that groups subcommands, or of dchat itself. */
export function groupHelp(about: string, registry: Registry, options: HelpOptions): string {
  const { terminal, path } = options;
  const { style } = terminal;
  const name = path.join(" ");
  return `${[
    wrap(about, terminal.width).join("\n"),
    `${style.bold("Usage")}\n  ${name} ${style.accent("COMMAND")} [flags]`,
    commandsBlock(registry, terminal),
    wrap(
      `${name} COMMAND --help shows what a command takes, its defaults and examples.`,
      terminal.width,
    ).join("\n"),
  ].join("\n\n")}\n`;
}

function commandsBlock(registry: Registry, { style, width }: Terminal): string {
  const lines = listed(registry).map(([name, entry]) => [style.accent(name), entry.summary] as const);
  return `${style.bold("Commands")}\n${twoColumns(lines, { width, indent: 2 })}`;
}

interface UsageOptions extends HelpOptions {
  readonly registry: Registry | undefined;
}

function usageBlock(args: ArgTable, { path, terminal, registry }: UsageOptions): string {
  const { style } = terminal;
  const name = path.join(" ");
  const parts = [name];
  let optional = false;
  for (const [key, arg] of Object.entries(args)) {
    if (arg.type === "positional") {
      const word = `${written(key, arg)}${arg.multiple ? "…" : ""}`;
      parts.push(arg.required === false || arg.default !== undefined ? `[${word}]` : word);
    } else if (arg.required === true) parts.push(`${written(key, arg)} ${arg.valueHint ?? "VALUE"}`);
    else optional = true;
  }
  if (optional) parts.push("[flags]");
  const lines = [`  ${parts.join(" ")}`];
  if (registry !== undefined) lines.push(`  ${name} ${style.accent("COMMAND")} [flags]`);
  return `${style.bold("Usage")}\n${lines.join("\n")}`;
}

function examplesBlock(command: Command, { style, width }: Terminal): string {
  const lines = command.examples.map(({ line, does }) => {
    const text = wrap(does, width - 6).map((part) => `      ${style.dim(part)}`);
    return [`  ${style.accent(line)}`, ...text].join("\n");
  });
  return `${style.bold("Examples")}\n${lines.join("\n")}`;
}

type Row = readonly [left: string, right: string];

function rows(args: ArgTable, options: HelpOptions, positional: boolean): Row[] {
  return Object.entries(args)
    .filter(([, arg]) => (arg.type === "positional") === positional)
    .map(([name, arg]) => [label(name, arg, options.terminal), describe(arg, options)]);
}

function label(name: string, arg: Arg, { style }: Terminal): string {
  if (arg.type === "positional") return style.accent(`${written(name, arg)}${arg.multiple ? "…" : ""}`);
  const letter = short(arg);
  const flag = style.accent(`${letter === undefined ? "" : `-${letter}, `}${written(name, arg)}`);
  return arg.type === "boolean" ? flag : `${flag} ${arg.valueHint ?? "VALUE"}`;
}

function describe(arg: Arg, { defaults, terminal }: HelpOptions): string {
  const notes: string[] = [];
  if (arg.multiple && arg.type !== "positional") notes.push("may repeat");
  if (arg.required === true && arg.type !== "positional") notes.push("needed");
  const initial = arg.setting === undefined ? arg.default : defaults.get(arg.setting);
  if (initial !== undefined && initial !== false && initial !== "") notes.push(`default ${String(initial)}`);
  const text = arg.description ?? "";
  return notes.length === 0 ? text : `${text} ${terminal.style.dim(`(${notes.join("; ")})`)}`;
}
