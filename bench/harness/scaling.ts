/** The figures of docs/SCALING.md, section by section, from saved results: what was measured, and what follows from it. */
import { round } from "./quantile.ts";
import { plotFile, type Result, type Row } from "./result.ts";
import type { Saved } from "./saved.ts";

interface Section {
  /** Benchmarks that it is made from. */
  readonly needs: readonly string[];
  readonly lines: (result: (name: string) => Result) => readonly string[];
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const DAYS = 30;
const SECONDS = DAYS * 24 * 60 * 60;
/** Rows of the whole relay in `connections`. */
const RELAY = "dchat relay, subscribed";

const SECTIONS: Readonly<Record<string, Section>> = {
  connections: { needs: ["connections"], lines: (result) => connections(result("connections")) },
  messages: {
    needs: ["forward", "append"],
    lines: (result) => messages(result("forward"), result("append")),
  },
  stored: { needs: ["scale"], lines: (result) => stored(result("scale")) },
  fleet: {
    needs: ["connections", "append", "scale"],
    lines: (result) => fleet(result("connections"), result("append"), result("scale")),
  },
};

/** `page` with the figures between each pair of marks made anew. */
export function withFigures(page: string, saved: Saved): string {
  return page.replaceAll(
    /(<!-- figures: (\w+) -->\n)[\s\S]*?(<!-- end of \2 -->)/g,
    (_, start: string, name: string, end: string) => {
      const section = SECTIONS[name];
      if (section === undefined) throw new Error(`docs/SCALING.md: there are no figures named ${name}`);
      return `${start}\n${figuresOf(section, saved).join("\n")}\n\n${end}`;
    },
  );
}

function figuresOf({ needs, lines }: Section, saved: Saved): string[] {
  const missing = needs.filter((name) => !saved.has(name));
  if (missing.length > 0) {
    return [`Not measured yet: \`bun bench ${missing.join(" ")} --size large --save\` has no result here.`];
  }
  const of = (name: string): Result => {
    const found = saved.get(name);
    if (found === undefined)
      throw new Error(`a section of docs/SCALING.md doesn't say that it needs ${name}`);
    return found.result;
  };
  return [...lines(of), "", `Measured: ${needs.map((name) => source(saved, name)).join("; ")}.`];
}

function source(saved: Saved, name: string): string {
  const found = saved.get(name);
  if (found === undefined) return name;
  const { file, result } = found;
  const { cpu, cores, memoryGib, load } = result.machine;
  return `\`bench/result/${file}\` (${result.size}, ${cpu}, ${cores} cores, ${memoryGib} GiB, load ${load} before)`;
}

function figure(row: Row | undefined, name: string): number {
  return row?.figures[name] ?? Number.NaN;
}

function cell(value: number): string {
  return Number.isFinite(value) ? String(round(value)) : "";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)];
}

/** The row with the most of a parameter among those that `is` takes. */
function most(result: Result, parameter: string, is: (row: Row) => boolean): Row | undefined {
  return result.rows
    .filter(is)
    .toSorted((a, b) => Number(a.parameters[parameter]) - Number(b.parameters[parameter]))
    .at(-1);
}

function connections(result: Result): string[] {
  const kinds = ["bare", "one stream each", "subscribed, on a whole relay"];
  const rows = [
    most(
      result,
      "connections",
      ({ subject, parameters }) => subject === "dchat" && parameters["streams"] === 0,
    ),
    most(
      result,
      "connections",
      ({ subject, parameters }) => subject === "dchat" && parameters["streams"] === 1,
    ),
    most(result, "connections", ({ subject }) => subject === RELAY),
  ];
  const line = (what: string, of: (row: Row | undefined) => number): string[] => [
    what,
    ...rows.map((row) => cell(of(row))),
  ];
  return table(
    ["", ...kinds],
    [
      ["held at once", ...rows.map((row) => String(row?.parameters["connections"] ?? ""))],
      line("KiB each", (row) => figure(row, "kibEach")),
      line("MiB of the process, all of it", (row) => figure(row, "rssKib") / 1024),
      line("percent of a core while nothing happens", (row) => figure(row, "idleCorePercent")),
      line("CPU of the next one, ms", (row) => figure(row, "nextCpuMs")),
      line("*so many fit into 1 GiB*", (row) => GIB / 1024 / figure(row, "kibEach")),
      line("*so many shake hands a second on one core*", (row) => 1000 / figure(row, "nextCpuMs")),
    ],
  );
}

function messages(forward: Result, append: Result): string[] {
  const forwarded = (bytes: number): Row | undefined =>
    forward.rows.find(
      ({ subject, parameters }) =>
        subject === "dchat" && parameters["bytes"] === bytes && parameters["window"] === 8,
    );
  const appended = (subject: string): Row | undefined =>
    append.rows
      .filter((row) => row.subject === subject)
      .toSorted((a, b) => figure(a, "perSecond") - figure(b, "perSecond"))
      .at(-1);
  const line = (what: string, row: Row | undefined): string[] => [
    what,
    cell(figure(row, "cpuUs")),
    cell(figure(row, "perSecond")),
    cell(1e6 / figure(row, "cpuUs")),
  ];
  return [
    ...table(
      ["message", "CPU, µs", "a second, load beside it", "*so many a second on one core*"],
      [
        line("256 B forwarded, nothing stored", forwarded(256)),
        line("64 KiB forwarded, nothing stored", forwarded(65_536)),
        line("1 KiB appended, SQLite", appended("dchat")),
        line("1 KiB appended, PostgreSQL (its own CPU not counted)", appended("dchat postgresql")),
      ],
    ),
    "",
    `The disk beside these appends synced ${cell(figure(appended("disk"), "perSecond"))} times a second.`,
  ];
}

function three(row: Row, prefix: string): string {
  const names = prefix === "" ? ["p50Ms", "p99Ms", "p999Ms"] : ["P50Ms", "P99Ms", "P999Ms"];
  return names.map((name) => cell(figure(row, `${prefix}${name}`))).join(" / ");
}

/** CPU and disk of an append. A database server's CPU is added, and its disk not known. */
function appendCosts(row: Row): string[] {
  const cpu = cell(figure(row, "cpuUs"));
  const server = row.figures["databaseCpuUs"];
  if (server !== undefined) return [`${cpu} + ${cell(server)}`, ""];
  return [cpu, `${cell(figure(row, "fromDiskKib"))} / ${cell(figure(row, "toDiskKib"))}`];
}

function stored(result: Result): string[] {
  const lines = result.rows.map((row) => [
    row.subject,
    short(Number(row.parameters["mailboxes"])),
    short(Number(row.parameters["entries"])),
    cell(figure(row, "diskMib")),
    cell(figure(row, "startMs")),
    cell(figure(row, "rssKib") / 1024),
    cell(figure(row, "perSecond")),
    ...appendCosts(row),
    three(row, ""),
    three(row, "read"),
    three(row, "drain"),
  ]);
  const disk = result.rows
    .filter(({ subject, figures }) => subject !== "dchat, cold" && figures["bytesAMailbox"] !== undefined)
    .map((row) => [
      row.subject,
      short(Number(row.parameters["mailboxes"])),
      cell(figure(row, "bytesAMailbox")),
      cell(figure(row, "bytesAnEntry")),
    ]);
  const last = most(result, "entries", ({ subject }) => subject === "dchat");
  const rest = `One append of 1 KiB a second, kept for ${DAYS} days, is *${cell((figure(last, "bytesAnEntry") * SECONDS) / GIB)} GiB* of disk on SQLite.`;
  return [
    ...table(HEAD, lines),
    "",
    ...table(["", "mailboxes", "bytes a mailbox, empty", "bytes an entry of 1 KiB"], disk),
    "",
    rest,
    ...(result.plots ?? []).map((of, at) => `\n![${of.title}](bench/${plotFile(result.name, at)})`),
  ];
}

const HEAD = [
  "",
  "mailboxes",
  "entries",
  "MiB on disk",
  "start, ms",
  "MiB of memory at rest",
  "appends a second",
  "CPU of an append, µs",
  "KiB read / written for it",
  "append, ms",
  "read of one entry, ms",
  "read of a mailbox, ms",
];

function short(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1000 ? `${value / 1000}k` : String(value);
}

/** Nothing but multiplication: relays of a fleet share nothing. */
function fleet(connected: Result, append: Result, scale: Result): string[] {
  const held = most(connected, "connections", ({ subject }) => subject === RELAY);
  const appends = append.rows
    .filter(({ subject }) => subject === "dchat")
    .map((row) => figure(row, "perSecond"));
  const last = most(scale, "entries", ({ subject }) => subject === "dchat");
  const lines = [1, 10, 100, 1000].map((relays) => [
    String(relays),
    short(relays * Number(held?.parameters["connections"])),
    short(round(relays * Math.max(...appends))),
    short(round(relays * figure(last, "perSecond"))),
    short(relays * Number(last?.parameters["mailboxes"])),
    short(relays * Number(last?.parameters["entries"])),
    cell((relays * figure(last, "diskMib") * MIB) / 2 ** 40),
  ]);
  return table(FLEET_HEAD, lines);
}

const FLEET_HEAD = [
  "relays",
  "*subscribed connections*",
  "*appends a second to some mailboxes*",
  "*to any of all*",
  "*mailboxes*",
  "*entries*",
  "*TiB on disk*",
];
