/** What plots are drawn with: a frame, its ticks, labels, a legend. Readable on light and dark pages. */

export const WIDTH = 680;
export const HEIGHT = 360;
export const LEFT = 72;
/** Room for the legend: names of some 25 characters. */
export const RIGHT = 190;
export const TOP = 36;
/** Room for three lines of labels, and what lies along the bottom. */
export const BOTTOM = 76;
/** As many as a plot may have subjects. */
const COLOURS = [
  "#2563eb",
  "#d97706",
  "#059669",
  "#dc2626",
  "#7c3aed",
  "#64748b",
  "#0891b2",
  "#db2777",
  "#65a30d",
  "#78350f",
];

/** A subject's colour, by its place among the subjects. */
export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] ?? "#000";
}

export interface Axis {
  readonly ticks: readonly number[];
  /** Place of a value on the axis, 0 to 1. */
  at(value: number): number;
}

/** An axis over `values` with round ticks; a logarithmic one leaves out what isn't above 0. */
export function axis(values: readonly number[], log: boolean): Axis {
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

/** A number in few characters: 12.3k. */
export function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

export function text(x: number, y: number, content: string, anchor: string, extra = ""): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#1e293b" ${extra}>${safe}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#e2e8f0"/>`;
}

/** Where a value of the upward axis lies. */
export function upward(y: Axis): (value: number) => number {
  return (value) => HEIGHT - BOTTOM - y.at(value) * (HEIGHT - TOP - BOTTOM);
}

/** Lines and labels of the upward axis. */
export function rungs(y: Axis): string[] {
  const at = upward(y);
  return y.ticks.flatMap((tick) => [
    text(LEFT - 8, at(tick) + 4, short(tick), "end"),
    line(LEFT, at(tick), WIDTH - RIGHT, at(tick)),
  ]);
}

export function legend(subjects: readonly string[]): string[] {
  return subjects.flatMap((subject, index) => [
    `<rect x="${WIDTH - RIGHT + 14}" y="${TOP + index * 20}" width="10" height="10" fill="${colourOf(index)}"/>`,
    text(WIDTH - RIGHT + 30, TOP + index * 20 + 9, subject, "start"),
  ]);
}

/** The whole picture under its title; `below` says what lies along the bottom. */
export function picture(title: string, below: string, parts: readonly string[]): string {
  const labels =
    text(LEFT, 20, title, "start", 'font-weight="600"') +
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, below, "middle");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui,sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}${labels}</svg>\n`;
}
