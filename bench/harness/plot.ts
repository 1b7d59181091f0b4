/** A small line plot as SVG, readable on light and dark pages; made from a result, never drawn by hand. */
import type { Plot, Result } from "./result.ts";

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 72;
const RIGHT = 150;
const TOP = 36;
const BOTTOM = 52;
const COLOURS = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#64748b"];

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The plot's SVG text: one line for each subject that has both figures. */
export function plot(result: Result, of: Plot): string {
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
  const py = (value: number) => HEIGHT - BOTTOM - y.at(value) * (HEIGHT - TOP - BOTTOM);
  const parts: string[] = [];
  for (const tick of x.ticks) {
    parts.push(text(px(tick), HEIGHT - BOTTOM + 18, short(tick), "middle"));
    parts.push(line(px(tick), TOP, px(tick), HEIGHT - BOTTOM));
  }
  for (const tick of y.ticks) {
    parts.push(text(LEFT - 8, py(tick) + 4, short(tick), "end"));
    parts.push(line(LEFT, py(tick), WIDTH - RIGHT, py(tick)));
  }
  let index = 0;
  for (const [subject, all] of series) {
    const colour = COLOURS[index % COLOURS.length] ?? "#000";
    const path = all.map((point) => `${px(point.x).toFixed(1)},${py(point.y).toFixed(1)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of all) {
      parts.push(
        `<circle cx="${px(point.x).toFixed(1)}" cy="${py(point.y).toFixed(1)}" r="3" fill="${colour}"/>`,
      );
    }
    parts.push(
      `<rect x="${WIDTH - RIGHT + 14}" y="${TOP + index * 20}" width="10" height="10" fill="${colour}"/>`,
    );
    parts.push(text(WIDTH - RIGHT + 30, TOP + index * 20 + 9, subject, "start"));
    index++;
  }
  parts.push(text(LEFT, 20, of.title, "start", 'font-weight="600"'));
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, `${of.x}; ${of.y} upward`, "middle"));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui,sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}

function seriesOf(result: Result, of: Plot): Map<string, Point[]> {
  const series = new Map<string, Point[]>();
  for (const row of result.rows) {
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

interface Axis {
  readonly ticks: readonly number[];
  /** Place of a value on the axis, 0 to 1. */
  at(value: number): number;
}

function axis(values: readonly number[], log: boolean): Axis {
  const finite = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  if (log) {
    const [from, to] = [
      Math.floor(Math.log10(low)),
      Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1),
    ];
    const ticks = Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at));
    return { ticks, at: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from) };
  }
  const step = niceStep((high - low) / 5 || 1);
  const [from, to] = [Math.floor(low / step) * step, Math.ceil(high / step) * step || step];
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, at) => from + at * step);
  return { ticks, at: (value) => (value - from) / (to - from) };
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

function text(x: number, y: number, content: string, anchor: string, extra = ""): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#1e293b" ${extra}>${safe}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#e2e8f0"/>`;
}
