/** The claims of saved results as a page's table, so that no figure in prose can stray from what was measured. */
import { holds, plotFile, type Ratio, type Result } from "./result.ts";

export const PAGE_START = "<!-- claims: made from bench/result -->";
export const PAGE_END = "<!-- end of claims -->";

function target({ want, target: value }: Ratio): string {
  return `${want === "atLeast" ? "at least" : "at most"} ${value}`;
}

/** Rows of one result: each claim, what it reached, its target, and whether it holds. */
function rows(result: Result, file: string): string[] {
  const cells = result.ratios.map(
    (ratio) =>
      `| ${ratio.name} | ${Number(ratio.value.toPrecision(3))} | ${target(ratio)} | ${holds(ratio) ? "holds" : "**short**"} |`,
  );
  const { machine } = result;
  return [
    `### ${result.name}`,
    "",
    `${result.size}, ${result.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, load ${machine.load} before the run: \`bench/result/${file}\``,
    "",
    "| claim | measured | target | |",
    "|---|---|---|---|",
    ...cells,
    ...(result.plots ?? []).map((of, at) => `\n![${of.title}](${plotFile(result.name, at)})`),
    ...(result.notes ?? []).map((note) => `\n${note}.`.replaceAll("..", ".")),
    "",
  ];
}

/** The section between the marks, marks included, for results by file name. */
export function claims(results: ReadonlyMap<string, Result>): string {
  const sections = [...results].flatMap(([file, result]) =>
    result.ratios.length > 0 ? rows(result, file) : [],
  );
  return [PAGE_START, "", ...sections, PAGE_END].join("\n");
}
