/** What is wrong with a command line, said so that it can be mended at once. */
import { Fault } from "@dchat/core/ground/mod.ts";
import type { z } from "zod";
import { type ArgTable, written } from "./command.ts";

export type UsageCode = "cli/usage";

/** A mistake in the command line; exit 2. */
export function usage(message: string): Fault<UsageCode> {
  return new Fault("cli/usage", message);
}

/** The word of `known` nearest to `word`, or undefined where none is near enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const prefix = word.length >= 3 && candidate.startsWith(word);
    const distance = prefix ? 1 : editDistance(word, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Damerau-Levenshtein with adjacent transpositions. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, (before[column - 2] ?? 0) + 1);
      next.push(cost);
    }
    [before, last] = [last, next];
  }
  return last[b.length] ?? 0;
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
