/** What is wrong with a command line, said so that it can be mended at once. */
import { Fault } from "@dchat/core/ground/mod.ts";
import type { z } from "zod";
import { type ArgTable, written } from "./arg.ts";

export type UsageCode = "cli/usage";

/** A mistake in the command line; exit 2. */
export function usage(message: string): Fault<UsageCode> {
  return new Fault("cli/usage", message);
}

/** The first thing that a schema refused, in the words of the command line. */
export function invalidInput(
  error: z.ZodError,
  raw: Readonly<Record<string, unknown>>,
  args: ArgTable,
): Fault<UsageCode> {
  const issue = error.issues[0];
  const name = String(issue?.path[0] ?? "");
  const arg = args[name];
  if (issue === undefined || arg === undefined) return usage(issue?.message ?? "The command line is wrong");
  const value = issue.path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
    raw,
  );
  if (value === undefined)
    return usage(`${written(name, arg)} is needed${issue.message === "" ? "" : `: ${issue.message}`}`);
  const said = issue.message.startsWith("must ") ? ` ${issue.message}` : `: ${issue.message}`;
  return usage(`${written(name, arg)}${said}, got ${quoted(value)}`);
}

/** A value as a message shows it: quoted, cut where it is long. */
export function quoted(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
