/** The house is kept: lengths, names, doors, exports, and nothing in it that nobody uses. Function lengths are oxlint's. */
import { describe, expect, test } from "bun:test";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dir, "..");
const FILE_LINES_MAX = 400;
const FILE_BYTES_MAX = 1024 * 1024;

/** The root holds these and nothing else. */
const ROOT = new Set([
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "LICENSE",
  "bunfig.toml",
  "package.json",
  "bun.lock",
  "tsconfig.json",
  "dchat.example.toml",
  ".oxlintrc.json",
  ".prettierignore",
  "knip.json",
  ".gitignore",
  ".gitattributes",
  ".ci",
  ".github",
  "core",
  "crypto-wasm",
  "cmd",
  "migrations",
  "ops",
  "bench",
  "test",
  "docs",
]);

function tracked(): string[] {
  const run = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
  if (run.exitCode === 0) return run.stdout.toString().trim().split("\n").filter(Boolean);
  // A copy without git, such as an unpacked archive.
  return [...new Bun.Glob("**/*").scanSync({ cwd: root, dot: true })].filter(
    (path) => !/(^|\/)(node_modules|\.git|dist|target)\//.test(path),
  );
}

const files: string[] = [];
for (const path of tracked()) if (await Bun.file(join(root, path)).exists()) files.push(path);
const code = files.filter((path) => path.endsWith(".ts"));

async function linesOf(path: string): Promise<string[]> {
  return (await Bun.file(join(root, path)).text()).split("\n");
}

async function offenders(paths: readonly string[], check: (path: string, lines: string[]) => string | null) {
  const found: string[] = [];
  for (const path of paths) {
    const why = check(path, await linesOf(path));
    if (why !== null) found.push(`${path}: ${why}`);
  }
  return found;
}

describe("tidy", () => {
  test("the root holds what it should", () => {
    const strangers = [...new Set(files.map((path) => path.split("/")[0] ?? ""))].filter(
      (name) => !ROOT.has(name),
    );
    expect(strangers).toEqual([]);
  });

  test(`files stop at ${FILE_LINES_MAX} lines`, async () => {
    const long = await offenders(
      files.filter((path) => /\.(ts|rs|go)$/.test(path)),
      (_, lines) => (lines.length > FILE_LINES_MAX + 1 ? `${lines.length - 1} lines` : null),
    );
    expect(long).toEqual([]);
  });

  test("exports are named", async () => {
    const found = await offenders(
      code.filter((path) => !path.endsWith(".config.ts")),
      (_, lines) => (lines.some((line) => /^export default\b/.test(line)) ? "has a default export" : null),
    );
    expect(found).toEqual([]);
  });

  test("names are snake_case and say something", () => {
    const found = code
      .filter((path) => !path.startsWith("migrations/"))
      .filter((path) => {
        const name = basename(path).replace(/(\.config|\.d)?\.ts$/, "");
        return !/^_?[a-z0-9]+(_[a-z0-9]+)*$/.test(name) || /^(utils?|common|helpers?|types|misc)$/.test(name);
      });
    expect(found).toEqual([]);
  });

  test("nobody is a Manager or a Service", async () => {
    const found = await offenders(
      code.filter((path) => path !== "test/tidy_test.ts"),
      (_, lines) => {
        const line = lines.find((text) =>
          /\b(class|interface|type|function)\s+\w*(Manager|Service|Helper|Util)s?\b/.test(text),
        );
        return line === undefined ? null : line.trim();
      },
    );
    expect(found).toEqual([]);
  });

  test("every folder of the house has a door", () => {
    const folders = new Set(
      code
        .filter(
          (path) => /^(core\/[^/]+|crypto-wasm)\//.test(path) && !/\/(rust|interop|vector)\//.test(path),
        )
        .map((path) => (path.startsWith("core/") ? path.split("/").slice(0, 2).join("/") : "crypto-wasm")),
    );
    const doorless = [...folders].filter((folder) => !code.includes(`${folder}/mod.ts`));
    expect(doorless).toEqual([]);
  });

  test("every file is used: imported, a door, a test, or an entry", async () => {
    const texts = await Promise.all(code.map(async (path) => (await linesOf(path)).join("\n")));
    const named = new Set(
      texts.flatMap((text) => [...text.matchAll(/([\w.-]+\.ts)["'`]/g)].map((match) => match[1])),
    );
    const scripts = await Promise.all(
      ["package.json", "core/package.json", "cmd/package.json", "crypto-wasm/package.json", ".ci/run"].map(
        (path) => Bun.file(join(root, path)).text(),
      ),
    ).then((all) => all.join("\n"));
    const dead = code.filter(
      (path) =>
        !path.endsWith("_test.ts") &&
        basename(path) !== "mod.ts" &&
        !/\.(config|d)\.ts$/.test(path) &&
        !(dirname(path) === "bench") &&
        !named.has(basename(path)) &&
        !scripts.includes(basename(path)),
    );
    expect(dead).toEqual([]);
  });

  test("nothing is over 1 MiB", () => {
    const big = files.filter((path) => Bun.file(join(root, path)).size > FILE_BYTES_MAX);
    expect(big).toEqual([]);
  });

  test("every finding that is overruled has its reason beside it", async () => {
    const found = await offenders(
      code.filter((path) => path !== "test/tidy_test.ts"),
      (_, lines) => {
        const line = lines.find((text) =>
          /(oxlint-disable|eslint-disable|@ts-(expect-error|ignore|nocheck))/.test(text),
        );
        return line !== undefined && !/--\s*\S|@ts-expect-error\s+\S/.test(line) ? line.trim() : null;
      },
    );
    expect(found).toEqual([]);
  });
});
