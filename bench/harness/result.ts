/** What a benchmark says: figures with their subjects, the ratios that are claimed, and the machine beside them. */
import { machine, type Machine } from "./machine.ts";

/** small proves that the benchmark still runs; standard is the set of `bun bench`; large is for claims. */
export type Size = "small" | "standard" | "large";
export const SIZES: readonly Size[] = ["small", "standard", "large"];

/** One measured thing. Names of figures end in their unit: `p50Ms`, `rssKib`, `cpuUs`, `perSecond`. */
export interface Row {
  /** dchat, or the peer that it is measured beside in the same run. */
  readonly subject: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly figures: Readonly<Record<string, number>>;
}

/** A claim: one figure over another, both of this run. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  /** What it should reach: at least where `want` is "atLeast", at most where it is "atMost". */
  readonly want: "atLeast" | "atMost";
  readonly target: number;
}

/** A curve to plot: the figure `y` over `x`, a line for each subject. */
export interface Curve {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly log?: "x" | "xy";
  /** Only rows with these parameters. */
  readonly where?: Row["parameters"];
}

/** Bars to plot: the figure `y` in groups by the parameters `bars`, a bar for each subject. */
export interface Bars {
  readonly title: string;
  readonly bars: readonly string[];
  readonly y: string;
  /** Only rows with these parameters. */
  readonly where?: Row["parameters"];
}

export type Plot = Curve | Bars;

export interface Measured {
  readonly rows: readonly Row[];
  readonly ratios: readonly Ratio[];
  readonly plots?: readonly Plot[];
  /** What a reader must know: what was left out, what stood in the way. */
  readonly notes?: readonly string[];
}

export interface Result extends Measured {
  readonly name: string;
  readonly size: Size;
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly seconds: number;
}

export interface Context {
  readonly size: Size;
  /** Whether peers take part that another toolchain builds; js-libp2p always does. */
  readonly everyPeer: boolean;
  /** Says how far a long run is; on one line of a terminal, on lines of their own elsewhere. */
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Benchmark {
  readonly name: string;
  /** What it measures, in a line. */
  readonly about: string;
  /** Of what it may be measured beside, each by a word of its subjects' names: "nats" of "nats sync always". */
  readonly versions: () => Readonly<Record<string, string>>;
  readonly run: (context: Context) => Promise<Measured>;
  /** Runs with `bun bench` without a name. */
  readonly standard: boolean;
}

/** Runs one benchmark and puts the machine, its load and the versions beside what it measured. */
export async function measure(benchmark: Benchmark, context: Context): Promise<Result> {
  const before = machine();
  const started = performance.now();
  const measured = await benchmark.run(context);
  return {
    name: benchmark.name,
    size: context.size,
    date: new Date().toISOString(),
    machine: before,
    versions: { bun: Bun.version, ...tookPart(benchmark.versions(), measured.rows) },
    seconds: Math.round((performance.now() - started) / 100) / 10,
    ...measured,
  };
}

/** The versions of those that have rows. */
function tookPart(versions: Result["versions"], rows: readonly Row[]): Result["versions"] {
  const words = new Set(rows.flatMap(({ subject }) => subject.split(/[ ,]+/)));
  return Object.fromEntries(Object.entries(versions).filter(([name]) => words.has(name)));
}

/** What a row with a latency lacks of what each shows: three quantiles, CPU and memory of the subject. */
export function lacking({ figures }: Row): string[] {
  const names = Object.keys(figures);
  if (!names.includes("p99Ms")) return [];
  const wanted = { p50Ms: /^p50Ms$/, p999Ms: /^p999Ms$/, cpu: /cpu(Us|Ms)$|^corePercent$/i, memory: /Kib$/ };
  return Object.entries(wanted).flatMap(([what, is]) => (names.some((name) => is.test(name)) ? [] : [what]));
}

/** The name under docs/bench of a result's plot, by its place among them. */
export function plotFile(name: string, at: number): string {
  return `${name}${at === 0 ? "" : `-${at + 1}`}.svg`;
}

/** A ratio that should be at least `target`. */
export function atLeast(name: string, value: number, target: number): Ratio {
  return { name, value, want: "atLeast", target };
}

/** A ratio that should be at most `target`. */
export function atMost(name: string, value: number, target: number): Ratio {
  return { name, value, want: "atMost", target };
}

/** Whether a claim holds in this run. */
export function holds(ratio: Ratio): boolean {
  return ratio.want === "atLeast" ? ratio.value >= ratio.target : ratio.value <= ratio.target;
}
