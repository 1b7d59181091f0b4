/** The committed migrations lead to the schemas that the code uses, and drizzle-kit finds none of them contradictory. */
import { describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dir, "..");
const KINDS = ["sqlite", "postgres", "client"] as const;

interface Config {
  readonly dialect: string;
  readonly schema: string;
}

async function configOf(kind: string): Promise<Config> {
  const loaded = (await import(join(root, `migrations/${kind}.config.ts`))) as { default: Config };
  return loaded.default;
}

function drizzleKit(...args: string[]): { code: number; text: string } {
  const run = Bun.spawnSync([process.execPath, "run", "drizzle-kit", ...args], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  return { code: run.exitCode, text: `${run.stdout.toString()}${run.stderr.toString()}` };
}

describe.each([...KINDS])("migrations of %s", (kind) => {
  test("are what drizzle-kit makes of the schema: it has nothing to add", async () => {
    const { dialect, schema } = await configOf(kind);
    const copy = mkdtempSync(join(tmpdir(), "dchat-migrations-"));
    try {
      cpSync(join(root, "migrations", kind), copy, { recursive: true });
      const before = readdirSync(copy);
      // drizzle-kit puts "./" before the path, and exits with 0 where it could not read what is there.
      const out = relative(root, copy);
      const { code, text } = drizzleKit("generate", "--dialect", dialect, "--schema", schema, "--out", out);
      expect(code).toBe(0);
      expect(text).toContain("No schema changes");
      expect(readdirSync(copy)).toEqual(before);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  test("don't contradict one another", async () => {
    const { dialect } = await configOf(kind);
    const { code, text } = drizzleKit("check", "--dialect", dialect, "--out", join("migrations", kind));
    expect(code).toBe(0);
    expect(text).toContain("Everything's fine");
  });
});
