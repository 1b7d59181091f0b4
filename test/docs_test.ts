/** Docs don't rot: links lead somewhere, and prose names files that exist. */
import { describe, expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { limit } from "../core/ground/mod.ts";

const root = join(import.meta.dir, "..");
const pages: string[] = [];
for (const pattern of ["*.md", "docs/**/*.md", "crypto-wasm/**/*.md"]) {
  for await (const path of new Bun.Glob(pattern).scan({ cwd: root })) {
    if (!path.includes("node_modules")) pages.push(path);
  }
}

async function textOf(page: string): Promise<string> {
  return Bun.file(join(root, page)).text();
}

async function missing(page: string, target: string): Promise<boolean> {
  const path = join(root, normalize(target.startsWith("/") ? target.slice(1) : join(dirname(page), target)));
  return (
    !(await Bun.file(path).exists()) &&
    (await Array.fromAsync(new Bun.Glob("*").scan({ cwd: path })).catch(() => [])).length === 0
  );
}

describe("docs", () => {
  test("there are pages", () => {
    expect(pages).toContain("README.md");
    expect(pages).toContain("docs/ARCHITECTURE.md");
  });

  test("every relative link leads to a file", async () => {
    const broken: string[] = [];
    for (const page of pages) {
      for (const match of (await textOf(page)).matchAll(/\]\(([^)#\s]+)(?:#[^)\s]*)?\)/g)) {
        const target = match[1] ?? "";
        if (/^[a-z]+:/.test(target)) continue;
        if (await missing(page, target)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("every link to a heading finds it", async () => {
    const broken: string[] = [];
    for (const page of pages) {
      for (const match of (await textOf(page)).matchAll(/\]\(([^)#\s]*)#([^)\s]+)\)/g)) {
        const [, target = "", anchor = ""] = match;
        if (/^[a-z]+:/.test(target)) continue;
        const file = target === "" ? page : normalize(join(dirname(page), target));
        const headings = [...(await textOf(file)).matchAll(/^#+\s+(.+)$/gm)].map((heading) =>
          slug(heading[1] ?? ""),
        );
        if (!headings.includes(anchor)) broken.push(`${page}: ${target}#${anchor}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("every limit that the program counts is in docs/CONFIGURATION.md", async () => {
    const counted = new Set<string>();
    for await (const path of new Bun.Glob("core/{edge,link,node}/**/*.ts").scan({ cwd: root })) {
      if (path.endsWith("_test.ts")) continue;
      for (const [, name = ""] of (await textOf(path)).matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g)) {
        if (name in limit || `${name}_DEFAULT` in limit) counted.add(name);
      }
    }
    expect(counted.size).toBeGreaterThan(20);
    const page = await textOf("docs/CONFIGURATION.md");
    expect([...counted].filter((name) => !page.includes(name))).toEqual([]);
  });

  test("every source file that prose names exists", async () => {
    const broken: string[] = [];
    for (const page of pages) {
      if (page === "CHANGELOG.md") continue;
      for (const match of (await textOf(page)).matchAll(
        /`((?:core|cmd|crypto-wasm|test|bench|ops|docs|migrations)\/[\w./-]+\.\w+)`/g,
      )) {
        if (!(await Bun.file(join(root, match[1] ?? "")).exists())) broken.push(`${page}: ${match[1]}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("every decision is listed", async () => {
    const index = await textOf("docs/ARCHITECTURE.md");
    const unlisted = pages.filter(
      (page) => page.startsWith("docs/decision/") && !index.includes(page.slice("docs/".length)),
    );
    expect(unlisted).toEqual([]);
  });
});

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(/\s/g, "-");
}
