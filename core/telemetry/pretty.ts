/** A log line for people: `07:13:10.122  info  edge: listening  port=7070`. */

const KNOWN = new Set(["level", "time", "msg", "module"]);
const COLOURS: Readonly<Record<string, number>> = { trace: 90, debug: 90, info: 36, warn: 33, error: 31 };

/** One of pino's JSON lines as a line for a terminal, in local time. What isn't JSON stays as it is. */
export function pretty(line: string, options: { readonly colour: boolean }): string {
  const paint = (code: number | undefined, text: string): string =>
    options.colour && code !== undefined ? `\x1b[${code}m${text}\x1b[0m` : text;
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return line;
  }
  const level = text(fields["level"]);
  const module = fields["module"] === undefined ? "" : `${text(fields["module"])}: `;
  const head = `${paint(90, clockTime(text(fields["time"])))}  ${paint(COLOURS[level], level.padEnd(5))}  ${module}${text(fields["msg"])}`;
  const rest = Object.entries(fields).filter(([name]) => !KNOWN.has(name) && name !== "stack");
  const tail = rest.map(([name, value]) => `  ${paint(90, `${name}=`)}${shown(value)}`).join("");
  const stack = fields["stack"] === undefined ? "" : `\n${text(fields["stack"])}`;
  return `${head}${tail}${stack}\n`;
}

function clockTime(iso: string): string {
  const date = new Date(iso);
  const two = (number: number): string => String(number).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** Bare where that can't be misread, else quoted, which shows control characters as escapes. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(",");
  return typeof value === "string" && !/^[\w./:@%+-]+$/.test(value) ? JSON.stringify(value) : text(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
