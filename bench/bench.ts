/**
 * `bun bench`: measures dchat beside its peers in one run.
 *
 *   bun bench                       the standard set, beside js-libp2p
 *   bun bench NAME ...              these, at their standard size, beside every peer that can be built here
 *   bun bench NAME --size large     sizes: small, standard, large
 *   bun bench --list                what there is
 *   bun bench --json                results as JSON on stdout, nothing else there
 *   bun bench --save                writes bench/result/NAME-SIZE-DATE.json and, from the largest, docs/bench/NAME*.svg
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { plot } from "./harness/plot.ts";
import { print } from "./harness/print.ts";
import {
  type Benchmark,
  type Context,
  measure,
  plotFile,
  type Result,
  type Size,
  SIZES,
} from "./harness/result.ts";
import { resultFile, shownResults } from "./harness/saved.ts";

const root = join(import.meta.dir, "..");

/** Every `NAME_bench.ts` beside this file exports one `benchmark`. */
async function benchmarks(): Promise<Benchmark[]> {
  const found: Benchmark[] = [];
  for await (const path of new Bun.Glob("*_bench.ts").scan({ cwd: import.meta.dir })) {
    const loaded = (await import(join(import.meta.dir, path))) as { benchmark: Benchmark };
    found.push(loaded.benchmark);
  }
  return found.toSorted((a, b) => a.name.localeCompare(b.name));
}

/** Everything temporary, children's too, lies in one folder that goes with this process, however that ends. */
function keepTogether(): void {
  const folder = mkdtempSync(join(tmpdir(), "dchat-bench-"));
  // PostgreSQL runs as a user of its own, who must get through.
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  process.on("exit", () => {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    } catch (error) {
      console.error(`bun bench: cannot remove ${folder}: ${String(error)}`);
    }
  });
}

function usage(problem: string): never {
  console.error(`bun bench: ${problem}; see bun bench --list, and --size ${SIZES.join("|")}`);
  process.exit(2);
}

function sizeOf(text: string): Size {
  return SIZES.find((size) => size === text) ?? usage(`--size must be ${SIZES.join(", ")}, got ${text}`);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K  ${text}`);
  else console.error(`  ${text}`);
}

async function save(result: Result): Promise<void> {
  const folder = join(root, "bench/result");
  await mkdir(folder, { recursive: true });
  const file = resultFile(result);
  await Bun.write(join(folder, file), `${JSON.stringify(result, null, 2)}\n`);
  const shown = (await shownResults(folder)).get(result.name)?.file;
  if (shown !== file) return console.error(`  docs/bench goes on showing ${shown}, which is larger`);
  for (const [at, of] of (result.plots ?? []).entries()) {
    await Bun.write(join(root, "docs/bench", plotFile(result.name, at)), plot(result, of));
  }
}

function words() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        size: { type: "string" },
        list: { type: "boolean" },
        json: { type: "boolean" },
        save: { type: "boolean" },
      },
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<void> {
  const { values, positionals } = words();
  if (values.save === true && values.size === "small") {
    usage("--save keeps what is claimed, and a small run shows only that a benchmark runs");
  }
  const all = await benchmarks();
  if (values.list === true) {
    for (const one of all)
      console.log(`${one.name.padEnd(14)} ${one.about}${one.standard ? "" : " (by name only)"}`);
    return;
  }
  const size = sizeOf(values.size ?? "standard");
  const strangers = positionals.filter((name) => !all.some((one) => one.name === name));
  if (strangers.length > 0) usage(`there is no benchmark named ${strangers.join(", ")}`);
  const chosen =
    positionals.length > 0
      ? all.filter((one) => positionals.includes(one.name))
      : all.filter((one) => one.standard || size === "small");
  keepTogether();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Error("interrupted")));
  const everyPeer = positionals.length > 0 && size !== "small";
  const context: Context = { size, everyPeer, progress, signal: stop.signal };
  const results: Result[] = [];
  for (const one of chosen) {
    progress(`${one.name} ...`);
    const result = await measure(one, context);
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
    results.push(result);
    if (values.json !== true) console.log(`${print(result)}\n`);
    if (values.save === true) await save(result);
  }
  if (values.json === true) console.log(JSON.stringify(results, null, 2));
}

await main();
process.exit(0);
