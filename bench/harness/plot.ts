/** Results as small SVG plots: lines over a number, or bars in groups. Made from a result, never drawn by hand. */
import type { Bars, Curve, Plot, Result, Row } from "./result.ts";
import {
  axis,
  BOTTOM,
  colourOf,
  HEIGHT,
  LEFT,
  legend,
  line,
  picture,
  RIGHT,
  rungs,
  short,
  text,
  TOP,
  upward,
  WIDTH,
} from "./svg.ts";
import { axisWords, groupWords, wrapped } from "./words.ts";

/** Of a group's label, in pixels, and how wide a letter of it is. */
const LABEL = { size: 10, line: 12, letter: 5.2 };

/** The plot's SVG text. */
export function plot(result: Result, of: Plot): string {
  return "bars" in of ? bars(result, of) : curve(result, of);
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** One line for each subject that has both figures. */
function curve(result: Result, of: Curve): string {
  const series = seriesOf(result, of);
  const points = [...series.values()].flat();
  const x = axis(
    points.map((point) => point.x),
    of.log !== undefined,
  );
  const y = axis(
    [...points.map((point) => point.y), of.log === "xy" ? Number.POSITIVE_INFINITY : 0],
    of.log === "xy",
  );
  const px = (value: number) => LEFT + x.at(value) * (WIDTH - LEFT - RIGHT);
  const py = upward(y);
  const ticks = x.ticks.flatMap((tick) => [
    text(px(tick), HEIGHT - BOTTOM + 18, short(tick), "middle"),
    line(px(tick), TOP, px(tick), HEIGHT - BOTTOM),
  ]);
  const drawn = [...series.values()].flatMap((all, index) => {
    const colour = colourOf(index);
    const path = all.map((point) => `${px(point.x).toFixed(1)},${py(point.y).toFixed(1)}`).join(" ");
    const dot = (point: Point) =>
      `<circle cx="${px(point.x).toFixed(1)}" cy="${py(point.y).toFixed(1)}" r="3" fill="${colour}"/>`;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...all.map((point) => dot(point)),
    ];
  });
  const parts = [...ticks, ...rungs(y), ...drawn, ...legend([...series.keys()])];
  return picture(of.title, `across: ${axisWords(of.x)}; upward: ${axisWords(of.y)}`, parts);
}

function seriesOf(result: Result, of: Curve): Map<string, Point[]> {
  const series = new Map<string, Point[]>();
  for (const row of result.rows) {
    if (!has(row.parameters, of.where)) continue;
    const all: Record<string, number | string> = { ...row.parameters, ...row.figures };
    const x = all[of.x];
    const y = all[of.y];
    if (typeof x !== "number" || typeof y !== "number") continue;
    const points = series.get(row.subject) ?? [];
    points.push({ x, y });
    series.set(row.subject, points);
  }
  for (const points of series.values()) points.sort((a, b) => a.x - b.x);
  return series;
}

function has(parameters: Row["parameters"], where: Row["parameters"] = {}): boolean {
  return Object.entries(where).every(([name, value]) => parameters[name] === value);
}

/** A group for each value of the parameters, a bar for each subject, its figure above it. */
function bars(result: Result, of: Bars): string {
  const rows = result.rows.filter(
    ({ figures, parameters }) =>
      figures[of.y] !== undefined &&
      of.bars.every((name) => parameters[name] !== undefined) &&
      has(parameters, of.where),
  );
  const groupOf = (row: Row): string =>
    of.bars.map((name) => groupWords(name, row.parameters[name])).join(", ");
  const subjects = [...new Set(rows.map((row) => row.subject))];
  const groups = [...new Set(rows.map(groupOf))];
  const y = axis([0, ...rows.map((row) => row.figures[of.y] ?? 0)], false);
  const py = upward(y);
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length;
  const width = (groupWidth * 0.8) / subjects.length;
  const drawn = rows.flatMap((row) => {
    const value = row.figures[of.y] ?? 0;
    const index = subjects.indexOf(row.subject);
    const x = LEFT + (groups.indexOf(groupOf(row)) + 0.1) * groupWidth + index * width;
    return [
      `<rect x="${x.toFixed(1)}" y="${py(value).toFixed(1)}" width="${(width * 0.9).toFixed(1)}" height="${(py(0) - py(value)).toFixed(1)}" fill="${colourOf(index)}"/>`,
      text(x + width * 0.45, py(value) - 4, short(value), "middle", 'font-size="9"'),
    ];
  });
  const labels = groups.flatMap((group, at) =>
    wrapped(group, groupWidth / LABEL.letter).map((words, line) =>
      text(
        LEFT + (at + 0.5) * groupWidth,
        HEIGHT - BOTTOM + 16 + line * LABEL.line,
        words,
        "middle",
        `font-size="${LABEL.size}"`,
      ),
    ),
  );
  const parts = [...rungs(y), ...drawn, ...labels, ...legend(subjects)];
  return picture(of.title, `upward: ${axisWords(of.y)}`, parts);
}
