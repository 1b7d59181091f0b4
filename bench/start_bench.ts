/** From exec to /ready, and what an idle relay weighs: from source and compiled into one file. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { quantile, round } from "./harness/quantile.ts";
import { relayCommand, relayFlags } from "./harness/relay_subject.ts";
import { atMost, type Benchmark, type Row, type Size } from "./harness/result.ts";
import { usage } from "./harness/subject.ts";

const root = join(import.meta.dir, "..");
const RUNS: Readonly<Record<Size, number>> = { small: 1, standard: 7, large: 20 };
/** By then the engine has collected what starting left behind, or it won't. */
const IDLE_MS: Readonly<Record<Size, number>> = { small: 100, standard: 3000, large: 20_000 };

export const benchmark: Benchmark = {
  name: "start",
  about: "from exec to /ready and the idle relay's memory, from source and compiled",
  standard: true,
  versions: () => ({}),
  async run({ size, progress }) {
    const dir = mkdtempSync(join(tmpdir(), "dchat-start-"));
    try {
      const subjects: [string, readonly string[]][] = [["source", relayCommand]];
      if (size !== "small") {
        progress("start: compiling");
        subjects.push(["compiled", [await compile(dir), "relay"]]);
      }
      const rows: Row[] = [];
      for (const [name, command] of subjects) {
        progress(`start: ${name}`);
        rows.push(await measureStarts({ name, command, dir: join(dir, name), size }));
      }
      const of = (figure: string): number =>
        rows.find(({ subject }) => subject === "compiled")?.figures[figure] ?? Number.NaN;
      const ratios =
        size === "small"
          ? []
          : [
              atMost("compiled, exec to /ready, ms", of("p50Ms"), 100),
              atMost("compiled, idle RSS, MB", (of("rssKib") * 1024) / 1e6, 64),
            ];
      return { rows, ratios, plots: [{ title: "From exec to /ready", bars: ["starts"], y: "p50Ms" }] };
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function compile(dir: string): Promise<string> {
  const binary = join(dir, "dchat");
  const words = manifest.scripts.build.split(" && ").at(-1)?.split(" ").slice(1) ?? [];
  const command = words.map((word) => (word === "dist/dchat" ? binary : word));
  const child = Bun.spawn([process.execPath, ...command], { cwd: root, stdout: "ignore", stderr: "pipe" });
  const [code, problems] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`the build failed with ${code}:\n${problems}`);
  return binary;
}

interface Starting {
  readonly name: string;
  readonly command: readonly string[];
  readonly dir: string;
  readonly size: Size;
}

/** Starts on one data directory again and again: the first start makes keys and schema and isn't counted. */
async function measureStarts({ name, command, dir, size }: Starting): Promise<Row> {
  const took: number[] = [];
  const cpu: number[] = [];
  const rss: number[] = [];
  for (let run = 0; run <= RUNS[size]; run += 1) {
    const one = await start(command, dir, run === RUNS[size] ? IDLE_MS[size] : 0);
    if (run === 0 && RUNS[size] > 1) continue;
    took.push(one.readyMs);
    cpu.push(one.cpuMs);
    rss.push(one.rssKib);
  }
  const samples = Float64Array.from(took);
  return {
    subject: name,
    parameters: { starts: took.length },
    figures: {
      p50Ms: round(quantile(samples, 0.5)),
      bestMs: round(quantile(samples, 0)),
      worstMs: round(quantile(samples, 1)),
      cpuMs: round(quantile(Float64Array.from(cpu), 0.5)),
      rssKib: rss.at(-1) ?? Number.NaN,
    },
  };
}

/** One start: until /ready answers 200. Ports are the kernel's choice, so relay.json tells where to ask. */
async function start(command: readonly string[], dir: string, idleMs: number) {
  const file = join(dir, "relay.json");
  rmSync(file, { force: true });
  const startedMs = performance.now();
  const child = Bun.spawn([...command, ...relayFlags(dir)], { stdout: "ignore", stderr: "inherit" });
  try {
    const api = await apiOf(file);
    const answer = await fetch(new URL("/ready", api));
    const readyMs = performance.now() - startedMs;
    if (answer.status !== 200) throw new Error(`not ready: ${answer.status}`);
    const { cpuMs } = usage(child.pid);
    await Bun.sleep(idleMs);
    return { readyMs, cpuMs, rssKib: usage(child.pid).rssKib };
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

async function apiOf(file: string): Promise<string> {
  for (let tries = 0; tries < 20_000; tries += 1) {
    try {
      const { api } = JSON.parse(readFileSync(file, "utf8")) as { api: string };
      return api;
    } catch {
      // Not there yet; it is renamed into place when all listen.
    }
    await Bun.sleep(1);
  }
  throw new Error("the relay wrote no relay.json");
}
