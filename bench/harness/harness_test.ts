import { expect, test } from "bun:test";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireOrSkip } from "../../test/harness/require.ts";
import { readThrough } from "./page_cache.ts";
import { plot } from "./plot.ts";
import { print } from "./print.ts";
import { quantile, spread } from "./quantile.ts";
import { atLeast, atMost, holds, measure, type Result } from "./result.ts";
import { resultFile, shownResults } from "./saved.ts";
import { withFigures } from "./scaling.ts";
import { diskBytes, openSubject } from "./subject.ts";

const result: Result = {
  name: "sample",
  size: "small",
  date: "2026-01-01T00:00:00.000Z",
  machine: { cpu: "a cpu", cores: 2, memoryGib: 24, kernel: "6", load: 0.5 },
  versions: { bun: "1" },
  seconds: 1,
  rows: [
    { subject: "dchat", parameters: { connections: 1000 }, figures: { rssKib: 5000 } },
    { subject: "dchat", parameters: { connections: 10_000 }, figures: { rssKib: 50_000 } },
    { subject: "<peer>", parameters: { connections: 1000 }, figures: { rssKib: 50_000 } },
  ],
  ratios: [atLeast("less memory", 10, 7), atMost("growth", 2, 1.4)],
};

test("quantile() takes the sample at the share's place, whatever the order", () => {
  const samples = Float64Array.from({ length: 1000 }, (_, at) => 999 - at);
  expect(quantile(samples, 0.5)).toBe(499);
  expect(quantile(samples, 0.99)).toBe(989);
  expect(quantile(samples, 0.999)).toBe(998);
  expect(quantile(new Float64Array(), 0.5)).toBeNaN();
  expect(spread(samples, "Ms")).toEqual({ p50Ms: 499, p99Ms: 989, p999Ms: 998 });
});

test("holds() reads a claim in its direction", () => {
  expect(result.ratios.map(holds)).toEqual([true, false]);
});

test("measure() tells versions of those alone that took part", async () => {
  const run = async () => ({ rows: [...result.rows, { ...row, subject: "nats sync always" }], ratios: [] });
  const versions = () => ({ nats: "2", "js-libp2p": "3", "<peer>": "4" });
  const row = { parameters: {}, figures: {} };
  const measured = await measure(
    { name: "sample", about: "", standard: false, versions, run },
    { size: "small", everyPeer: false, progress: () => {}, signal: AbortSignal.timeout(1000) },
  );
  expect(measured.versions).toEqual({ bun: Bun.version, nats: "2", "<peer>": "4" });
});

test("shownResults() takes the newest of the largest size, and a smaller run overwrites no larger one's file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dchat-saved-"));
  const runs = [
    { ...result, size: "large", date: "2026-01-01T00:00:00.000Z" },
    { ...result, size: "large", date: "2026-01-02T00:00:00.000Z" },
    { ...result, size: "standard", date: "2026-01-02T00:00:00.000Z" },
    { ...result, size: "small", date: "2026-01-03T00:00:00.000Z" },
  ] as const;
  expect(runs.map((run) => resultFile(run))).toEqual([
    "sample-large-2026-01-01.json",
    "sample-large-2026-01-02.json",
    "sample-standard-2026-01-02.json",
    "sample-small-2026-01-03.json",
  ]);
  for (const run of runs) await Bun.write(join(folder, resultFile(run)), JSON.stringify(run));
  const shown = (await shownResults(folder)).get("sample");
  rmSync(folder, { recursive: true });
  expect(shown).toEqual({ file: "sample-large-2026-01-02.json", result: runs[1] });
});

test("print() shows every row, the machine and which claims fall short", () => {
  const text = print(result);
  expect(text).toContain("a cpu, 2 cores");
  expect(text).toContain("holds  less memory: 10 (>= 7)");
  expect(text).toContain("SHORT  growth: 2 (<= 1.4)");
  expect(text.split("\n").filter((line) => line.includes("dchat "))).toHaveLength(2);
});

test("plot() draws a line for each subject and escapes names", () => {
  const svg = plot(result, { title: "memory", x: "connections", y: "rssKib", log: "x" });
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).toContain("&lt;peer>");
  expect(svg).not.toMatch(/NaN|Infinity/);
  const where = { connections: 1000 };
  const some = plot(result, { title: "memory", x: "connections", y: "rssKib", log: "x", where });
  expect(some.match(/<circle/g)).toHaveLength(2);
});

test("plot() gives eight subjects a colour each, and their names room", () => {
  const name = (at: number) => `subject ${at}, with a thing`;
  const rows = Array.from({ length: 16 }, (_, at) => ({
    subject: name(at % 8),
    parameters: { connections: at < 8 ? 10 : 100 },
    figures: { rssKib: at + 1 },
  }));
  const svg = plot({ ...result, rows }, { title: "memory", x: "connections", y: "rssKib" });
  const colours = [...svg.matchAll(/<polyline[^>]* stroke="(#\w+)"/g)].map(([, colour]) => colour);
  expect(new Set(colours).size).toBe(8);
  const width = Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1]);
  const left = Number(new RegExp(`<text x="([\\d.]+)"[^>]*>${name(7)}`).exec(svg)?.[1]);
  // Of a font of 12 pixels a letter takes up to 6.6 of them, taken together.
  expect(left + name(7).length * 6.6).toBeLessThan(width);
});

test("plot() draws a bar for each row in groups, its height by the figure, and leaves out the others", () => {
  const row = (subject: string, window: number, cpuUs: number) => ({
    subject,
    parameters: { bytes: 256, window },
    figures: { cpuUs },
  });
  const other = { subject: "dchat", parameters: { bytes: 65_536, window: 1 }, figures: { cpuUs: 9000 } };
  const rows = [row("dchat", 1, 10), row("peer", 1, 20), row("dchat", 8, 5), row("peer", 8, 0), other];
  const svg = plot(
    { ...result, rows },
    { title: "CPU", bars: ["window"], y: "cpuUs", where: { bytes: 256 } },
  );
  const heights = [...svg.matchAll(/height="([\d.]+)" fill="#(?:2563eb|d97706)"/g)].map(([, px]) =>
    Number(px),
  );
  const [first = 0, second = 0, third = 0, fourth] = heights;
  expect(second / first).toBeCloseTo(2, 1);
  expect(first / third).toBeCloseTo(2, 1);
  expect(fourth).toBe(0);
  expect(svg).toContain("8 under way");
  expect(svg).toContain("upward: µs of CPU");
  expect(svg).not.toMatch(/NaN|Infinity|9k/);
});

test("plot() breaks labels between words, so that those of five groups don't overlap", () => {
  const besides = [
    "alone",
    "beside another relay under attack",
    "beside hostile",
    "beside a flood",
    "beside",
  ];
  const rows = besides.map((beside) => ({ subject: "dchat", parameters: { beside }, figures: { p99Ms: 1 } }));
  const svg = plot({ ...result, rows }, { title: "p99", bars: ["beside"], y: "p99Ms" });
  const labels = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)"[^>]*font-size="10">([^<]*)</g)];
  expect(labels.map(([, , , words]) => words).join(" ")).toBe(besides.join(" "));
  for (const [, x, y, words = ""] of labels) {
    const next = labels.find(([, other, same]) => same === y && Number(other) > Number(x));
    if (next === undefined) continue;
    const [, at, , others = ""] = next;
    // Of a font of 10 pixels a letter takes up to 5.5 of them, taken together.
    expect(Number(at) - Number(x)).toBeGreaterThan(((words.length + others.length) / 2) * 5.5);
  }
});

test("withFigures() makes what stands between marks anew, says what isn't measured, and refuses a name it doesn't know", () => {
  const page = (name: string, figures: string) =>
    `before\n<!-- figures: ${name} -->\n${figures}<!-- end of ${name} -->\nafter 7`;
  const made = withFigures(page("connections", "old 5\n"), new Map());
  expect(made).toStartWith("before\n<!-- figures: connections -->\n");
  expect(made).toContain("`bun bench connections --size large --save`");
  expect(made).toEndWith("<!-- end of connections -->\nafter 7");
  expect(made).not.toContain("old 5");
  expect(withFigures(made, new Map())).toBe(made);
  const row = { subject: "dchat", figures: { kibEach: 2, rssKib: 2048, idleCorePercent: 1, nextCpuMs: 0.5 } };
  const rows = [0, 1].map((streams) => ({ ...row, parameters: { connections: 300, streams } }));
  const saved = { file: "connections-2026-01-01.json", result: { ...result, rows } };
  const filled = withFigures(made, new Map([["connections", saved]]));
  expect(filled).toContain("| held at once | 300 | 300 |  |");
  expect(filled).toContain("`bench/result/connections-2026-01-01.json` (small, a cpu");
  expect(() => withFigures(page("strangers", ""), new Map())).toThrow("no figures named strangers");
});

test("readThrough() leaves a file in memory whose pages are changed one by one", async () => {
  if (!requireOrSkip("Linux's /proc and libc", process.platform === "linux")) return;
  const folder = mkdtempSync(join(tmpdir(), "dchat-pages-"));
  const path = join(folder, "file");
  await Bun.write(path, new Uint8Array(64 * 2 ** 20));
  readThrough(path);
  const file = openSync(path, "r+");
  const before = diskBytes(process.pid);
  writeSync(file, new Uint8Array(4096).fill(1), 0, 4096, 60 * 2 ** 20);
  fdatasyncSync(file);
  const after = diskBytes(process.pid);
  expect(after.written - before.written).toBeLessThan(65_536);
  expect(after.read).toBe(before.read);
  closeSync(file);
  rmSync(folder, { recursive: true });
});

test("openSubject() reads a process's lines, accounts for it, and ends it", async () => {
  const script = `console.log(JSON.stringify({ at: 1 })); while (process.cpuUsage().user < 50_000); for await (const line of console) console.log(JSON.stringify({ got: line }));`;
  await using subject = openSubject([process.execPath, "-e", script]);
  expect(await subject.next()).toEqual({ at: 1 });
  subject.say("hello");
  expect(await subject.next()).toEqual({ got: "hello" });
  const { cpuMs, systemMs, rssKib } = subject.usage();
  expect(rssKib).toBeGreaterThan(1000);
  expect(cpuMs).toBeGreaterThan(0);
  expect(systemMs).toBeWithin(0, cpuMs + 1);
});
