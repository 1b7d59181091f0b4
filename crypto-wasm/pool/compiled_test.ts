import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const WORKER = "crypto-wasm/pool/worker.ts";

test("the product's build takes the pool's thread along", async () => {
  const { scripts } = await Bun.file(join(ROOT, "package.json")).json();
  expect(scripts.build).toContain(` ${WORKER} `);
});

test("a program that is built as the product is has its pool's thread, alone in an empty folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "dchat-pool-"));
  try {
    const alone = join(folder, "alone");
    const flags = ["--compile", "--minify", "--bytecode", "--splitting", "--format=esm", "--root", "."];
    const entries = ["crypto-wasm/pool/_compiled_program.ts", WORKER];
    const command = [process.execPath, "build", ...flags, ...entries, "--outfile", alone];
    const built = Bun.spawnSync(command, { cwd: ROOT });
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    const run = Bun.spawnSync([alone], { cwd: "/", timeout: 20_000 });
    expect(run.stderr.toString()).toBe("");
    expect(run.stdout.toString()).toBe("32 1 0\n");
    expect(run.exitCode).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 30_000);
