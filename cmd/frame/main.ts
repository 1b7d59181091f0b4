/** Finds the subcommand, parses its line, runs it, and turns what goes wrong into one block and an exit code. */
import { nearest } from "@dchat/core/ground/mod.ts";
import { type ArgTable, kebab } from "./arg.ts";
import { type Command, type Entry, listed, type Registry } from "./command.ts";
import { commonArgs } from "./flags.ts";
import { openContext } from "./context.ts";
import { exit, type ExitCode } from "./exit.ts";
import { faultBlock, exitOf } from "./fault.ts";
import { isReaderGone } from "./output.ts";
import { parse } from "./parse.ts";
import { type Environment, openTerminal, type Stream, type Terminal } from "./terminal.ts";
import { usage } from "./usage.ts";

export interface Program {
  readonly name: string;
  readonly version: string;
  readonly about: string;
  readonly commands: Registry;
}

export interface Process {
  /** Without the interpreter and the script. */
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

/** Runs one command line and returns the exit code; never throws. */
export async function main(program: Program, process: Process): Promise<ExitCode> {
  const out = openTerminal(process.stdout, process.env);
  const err = openTerminal(process.stderr, process.env);
  const [first, ...rest] = process.argv;
  // `dchat help keygen` is what people try first.
  const found: Found = { path: [], argv: first === "help" ? [...rest, "--help"] : [...process.argv] };
  try {
    return await dispatch(program, found, { out, err, env: process.env });
  } catch (error) {
    if (isReaderGone(error)) return exit.done;
    const debug = asksForDebug(process);
    err.write(faultBlock(error, { terminal: err, path: [program.name, ...found.path], debug }));
    return exitOf(error);
  }
}

interface Found {
  path: string[];
  argv: string[];
  entry?: Entry;
}

interface Surroundings {
  readonly out: Terminal;
  readonly err: Terminal;
  readonly env: Environment;
}

async function dispatch(program: Program, found: Found, around: Surroundings): Promise<ExitCode> {
  find(program, found);
  const { entry, path, argv } = found;
  if (path.length === 0 && argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    around.out.write(`${program.name} ${program.version}\n`);
    return exit.done;
  }
  if (entry?.load == null) return showGroup(program, found, around);
  const command = await entry.load();
  refuseStrayWord(program, found, command);
  const table: ArgTable = { ...command.args, ...commonArgs };
  const parsed = parse(argv, table);
  if (parsed.help) return showCommand({ program, found, command }, around);
  const { config: file, ...input } = parsed.input;
  const context = openContext({
    ...around,
    path,
    flags: parsed.settings,
    ...(typeof file === "string" ? { file } : {}),
  });
  return command.invoke(input, context);
}

/** Walks down the registry by the leading words. Common flags may stand before a subcommand. */
function find(program: Program, found: Found): void {
  let commands: Registry | undefined = program.commands;
  const before: string[] = [];
  while (commands !== undefined) {
    before.push(...leadingFlags(found.argv));
    const word = found.argv[0];
    if (word === undefined || word.startsWith("-")) break;
    const entry: Entry | undefined = Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (entry === undefined) {
      if (found.entry?.load != null) break;
      throw unknownCommand(word, commands, [program.name, ...found.path]);
    }
    found.argv.shift();
    found.path.push(word);
    found.entry = entry;
    commands = entry.commands;
  }
  found.argv.unshift(...before);
}

/** Where a command takes no words, a word is a subcommand mistyped. */
function refuseStrayWord(program: Program, { entry, path, argv }: Found, command: Command): void {
  const word = argv[0];
  if (entry?.commands === undefined || word === undefined || word.startsWith("-")) return;
  if (Object.values(command.args).some((arg) => arg.type === "positional")) return;
  throw unknownCommand(word, entry.commands, [program.name, ...path]);
}

const leading = new Set(Object.keys(commonArgs).map((name) => `--${kebab(name)}`));

/** Takes common flags with their values from the front of `argv`. */
function leadingFlags(argv: string[]): string[] {
  const taken: string[] = [];
  for (;;) {
    const flag = argv[0]?.replace(/=.*$/s, "");
    if (flag === undefined || !leading.has(flag)) return taken;
    taken.push(...argv.splice(0, argv[0] === flag ? 2 : 1));
  }
}

function unknownCommand(word: string, commands: Registry, path: readonly string[]) {
  // Only the first word may be `help`.
  const near = nearest(word, [...namesOf(commands), ...(path.length === 1 ? ["help"] : [])]);
  const whole = path.join(" ");
  return usage(
    `There is no command ${whole} ${word}${near === undefined ? "" : `. Did you mean ${whole} ${near}?`}`,
  );
}

function namesOf(registry: Registry): string[] {
  return listed(registry).map(([name]) => name);
}

async function showGroup(program: Program, found: Found, { out, err }: Surroundings): Promise<ExitCode> {
  const registry = found.entry?.commands ?? program.commands;
  const path = [program.name, ...found.path];
  const asked = found.argv.some((word) => word === "--help" || word === "-h");
  if (!asked && found.argv.length > 0) {
    refuseUnknownFlag(found.argv[0] ?? "");
    const names = namesOf(registry).join(", ");
    throw usage(`${path.join(" ")} needs a command before ${found.argv[0]}: ${names}`);
  }
  const { groupHelp } = await import("./help.ts");
  const terminal = asked ? out : err;
  const about = found.entry === undefined ? program.about : `${found.entry.summary}.`;
  terminal.write(groupHelp(about, registry, { path, terminal, defaults: new Map() }));
  return asked ? exit.done : exit.usage;
}

/** Refuses what is no flag anywhere but near one that commands share. */
function refuseUnknownFlag(word: string): void {
  const flag = word.replace(/=.*$/s, "");
  const shared = [...leading, "--json", "--help", "--version"];
  const near = flag.startsWith("--") && !shared.includes(flag) ? nearest(flag, shared) : undefined;
  if (near !== undefined) throw usage(`There is no flag ${flag}. Did you mean ${near}?`);
}

interface Helped {
  readonly program: Program;
  readonly found: Found;
  readonly command: Command;
}

async function showCommand({ program, found, command }: Helped, { out }: Surroundings): Promise<ExitCode> {
  const [{ commandHelp }, { settingDefaults }] = await Promise.all([
    import("./help.ts"),
    import("@dchat/core/node/mod.ts"),
  ]);
  const options = { path: [program.name, ...found.path], terminal: out, defaults: await settingDefaults() };
  out.write(commandHelp(command, found.entry?.commands, options));
  return exit.done;
}

/** Read from the raw line, since what went wrong may be the line itself. */
function asksForDebug({ argv, env }: Process): boolean {
  const level = argv.findLast(
    (word, at) => word.startsWith("--log-level=") || argv[at - 1] === "--log-level",
  );
  return /^(?:--log-level=)?(?:debug|trace)$/.test(level ?? env["DCHAT_LOG_LEVEL"] ?? "");
}
