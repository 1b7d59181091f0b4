/** Where text goes: widths, colours where they are wanted, wrapping. */

import { writeThrough } from "./output.ts";

export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Where it is a file's, pipe's or terminal's. */
  readonly fd?: number;
  write(text: string): unknown;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  accent(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
}

export interface Terminal {
  /** Columns to use, 40 to 100. */
  readonly width: number;
  readonly interactive: boolean;
  readonly coloured: boolean;
  readonly style: Style;
  write(text: string): void;
  /**
   * Returns when the system has all of `text`; throws Fault<"cli/output"> where it doesn't take it, and the error with
   * code EPIPE where its reader has gone.
   */
  deliver(text: string | Uint8Array): void;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A stream as a terminal. Colour only on a TTY, and never with NO_COLOR (https://no-color.org) or TERM=dumb. */
export function openTerminal(stream: Stream, env: Environment): Terminal {
  const interactive = stream.isTTY === true;
  const coloured = interactive && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  const columns = stream.columns ?? Number.parseInt(env["COLUMNS"] ?? "80", 10);
  return {
    width: Math.min(100, Math.max(40, Number.isFinite(columns) && columns > 0 ? columns : 80)),
    interactive,
    coloured,
    style: coloured ? colours : plain,
    write: (text) => void stream.write(text),
    deliver: (text) => {
      if (stream.fd === undefined)
        stream.write(typeof text === "string" ? text : Buffer.from(text).toString());
      else writeThrough(stream.fd, text);
    },
  };
}

const identity = (text: string): string => text;
const plain: Style = {
  bold: identity,
  dim: identity,
  accent: identity,
  good: identity,
  warn: identity,
  bad: identity,
};

const sgr =
  (on: number, off: number) =>
  (text: string): string =>
    `\x1b[${on}m${text}\x1b[${off}m`;
const colours: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  accent: sgr(36, 39),
  good: sgr(32, 39),
  warn: sgr(33, 39),
  bad: sgr(31, 39),
};

/** Columns that `text` takes, colours aside. */
export function columns(text: string): number {
  return Bun.stringWidth(text);
}

const graphemes = new Intl.Segmenter();
const TAB = "    ";

/**
 * The most columns that a terminal gives `text`, colours aside: one that doesn't know a sequence of joined emoji shows
 * each of them.
 */
function columnsAtMost(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let sum = 0;
  for (const { segment } of graphemes.segment(Bun.stripANSI(text))) {
    let apart = 0;
    for (const character of segment) apart += columns(character);
    sum += Math.max(apart, columns(segment));
  }
  return sum;
}

/** `word` in pieces no wider than `width`, each of at least one character. */
function broken(word: string, width: number): string[] {
  if (columnsAtMost(word) <= width) return [word];
  const pieces: string[] = [];
  let [piece, used] = ["", 0];
  const segments = [...graphemes.segment(word)].map(({ segment }) => segment);
  for (const segment of segments.flatMap((one) => (columnsAtMost(one) > width ? Array.from(one) : [one]))) {
    const wide = columnsAtMost(segment);
    if (piece !== "" && used + wide > width) {
      pieces.push(piece);
      [piece, used] = ["", 0];
    }
    piece += segment;
    used += wide;
  }
  return [...pieces, piece];
}

/**
 * Breaks `text` at spaces so that no line is wider than `width`. A longer word stands alone, so that it can be copied
 * as one; with `hard` it is broken too, where the terminal would go on with it at its left edge.
 */
export function wrap(text: string, width: number, { hard = false } = {}): string[] {
  if (!Number.isFinite(width)) return text.split("\n");
  const lines: string[] = [];
  for (const paragraph of text.replaceAll("\t", TAB).split("\n")) {
    let [line, used] = ["", 0];
    const words = paragraph.split(" ");
    for (const word of hard ? words.flatMap((one) => broken(one, width)) : words) {
      const wide = columnsAtMost(word);
      if (line !== "" && used + 1 + wide > width) {
        lines.push(line);
        [line, used] = [word, wide];
      } else [line, used] = line === "" ? [word, wide] : [`${line} ${word}`, used + 1 + wide];
    }
    lines.push(line);
  }
  return lines;
}

/** Two columns: the left as wide as it must be, the right wrapped; where there is no room, the right goes below. */
export function twoColumns(
  rows: readonly (readonly [left: string, right: string])[],
  options: { width: number; indent: number; left?: number },
): string {
  const left =
    options.left ??
    leftColumn(
      rows.map(([text]) => text),
      options.width,
    );
  const pad = " ".repeat(options.indent);
  const right = options.width - options.indent - left - 2;
  return rows
    .map(([name, text]) => {
      if (text === "") return `${pad}${name}`;
      const lines = wrap(text, Math.max(20, right));
      const gap = " ".repeat(options.indent + left + 2);
      const fits = columns(name) <= left;
      const first = fits
        ? `${pad}${name}${" ".repeat(left - columns(name) + 2)}${lines[0]}`
        : `${pad}${name}`;
      return [first, ...lines.slice(fits ? 1 : 0).map((line) => gap + line)].join("\n");
    })
    .join("\n");
}

/** The width of a left column that holds most of `names` and leaves the right half of the terminal. */
export function leftColumn(names: readonly string[], width: number): number {
  const most = Math.floor(width * 0.42);
  return Math.max(0, ...names.map(columns).filter((name) => name <= most));
}

/** Controls, line separators, marks, overrides and isolates of direction. */
const COMMANDING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/**
 * `text` with what would command a terminal or turn text around shown rather than obeyed, tab and newline aside.
 * Spaces of all kinds become the one at which lines break. Joiners stay: emoji and Persian need them.
 */
export function printable(text: string): string {
  return text
    .replace(/\p{Zs}/gu, " ")
    .replace(COMMANDING, (character) =>
      character === "\n" || character === "\t" ? character : `\\u{${codeOf(character)}}`,
    );
}

/** One JSON document on one line, with what `printable` would show escaped: to who parses it, it is the same. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value);
  return `${text.replace(COMMANDING, (character) => `\\u${codeOf(character).padStart(4, "0")}`)}\n`;
}

function codeOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}
