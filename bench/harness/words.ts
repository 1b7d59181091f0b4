/** What plots call the names that rows have. A name without an entry stands as it is. */
import { short } from "./svg.ts";

const AXES: Readonly<Record<string, string>> = {
  atOnce: "handshakes at once",
  collectedKib: "KiB of memory after a collection",
  cpuMs: "ms of CPU",
  cpuUs: "µs of CPU",
  diskMib: "MiB",
  kibEach: "KiB each",
  lost: "entries",
  mibPerSecond: "MiB a second",
  p50Ms: "ms, the median",
  p99Ms: "ms, the slowest of a hundred",
  perSecond: "how many a second",
  readP99Ms: "ms, the slowest of a hundred",
  rssKib: "KiB of memory",
  signatureUs: "µs a signature",
  size: "how many, or how many bytes, in one call",
  startMs: "ms",
};

const GROUPS: Readonly<Record<string, (value: number | string) => string>> = {
  atOnce: (value) => `${value} at once`,
  idle: (value) => `beside ${typeof value === "number" ? short(value) : value} idle connections`,
  starts: (value) => `${value} starts`,
  window: (value) => `${value} under way`,
  writers: (value) => `beside ${value} writers`,
};

/** What an axis shows, by the name of the figure or parameter. */
export function axisWords(name: string): string {
  return AXES[name] ?? name;
}

/** What a group of bars has in common: a parameter's value, which says what it is where it is a word. */
export function groupWords(name: string, value: number | string | undefined): string {
  return value === undefined ? name : (GROUPS[name]?.(value) ?? String(value));
}

/** `text` in lines of about `charactersMax`, broken between words. */
export function wrapped(text: string, charactersMax: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= charactersMax)
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}
