/** Results as text for people: a table of rows, then the claims with their targets. */
import { holds, type Result } from "./result.ts";

/** The whole result as lines. */
export function print(result: Result): string {
  const { machine } = result;
  const versions = Object.entries(result.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  const lines = [
    `${result.name} (${result.size}, ${result.seconds} s)`,
    `  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Linux ${machine.kernel}, load ${machine.load}; ${versions}`,
    ...table(result),
  ];
  for (const ratio of result.ratios) {
    const want = `${ratio.want === "atLeast" ? ">=" : "<="} ${ratio.target}`;
    lines.push(`  ${holds(ratio) ? "holds" : "SHORT"}  ${ratio.name}: ${figure(ratio.value)} (${want})`);
  }
  for (const note of result.notes ?? []) lines.push(`  note: ${note}`);
  return lines.join("\n");
}

/** Rows under the columns that any of them has. */
function table(result: Result): string[] {
  const columns = [
    "subject",
    ...new Set(result.rows.flatMap((row) => [...Object.keys(row.parameters), ...Object.keys(row.figures)])),
  ];
  const cells = result.rows.map((row) => {
    const all: Record<string, number | string> = { subject: row.subject, ...row.parameters, ...row.figures };
    return columns.map((column) => figure(all[column] ?? ""));
  });
  const widths = columns.map((column, at) =>
    Math.max(column.length, ...cells.map((row) => (row[at] ?? "").length)),
  );
  return [columns, ...cells].map(
    (row) =>
      `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ")}`,
  );
}

function figure(value: number | string): string {
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
