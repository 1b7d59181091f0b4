/** Results that are kept: a file for each benchmark, size and day, so that no run takes a larger one's place. */
import { join } from "node:path";
import { type Result, SIZES } from "./result.ts";

/** Results by their benchmarks' names, each with its file's name. */
export type Saved = ReadonlyMap<string, { readonly file: string; readonly result: Result }>;

/** The name of a result's file. */
export function resultFile({ name, size, date }: Pick<Result, "name" | "size" | "date">): string {
  return `${name}-${size}-${date.slice(0, 10)}.json`;
}

/** What pages and plots show of each benchmark with a file in `folder`: of its largest size the newest. */
export async function shownResults(folder: string): Promise<Saved> {
  const shown = new Map<string, { file: string; result: Result }>();
  for (const file of (await Array.fromAsync(new Bun.Glob("*.json").scan({ cwd: folder }))).toSorted()) {
    const result = (await Bun.file(join(folder, file)).json()) as Result;
    const before = shown.get(result.name)?.result;
    if (before === undefined || rank(result) >= rank(before)) shown.set(result.name, { file, result });
  }
  return shown;
}

/** Of the sizes the larger first; files of one size come by their dates. */
function rank({ size }: Result): number {
  return SIZES.indexOf(size);
}
