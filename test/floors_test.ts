/**
 * The house stands: imports go downward only, folders are entered by their doors, and floors 0 to 4 are pure.
 * Type-only, dynamic and side-effect imports count like any other.
 */
import { describe, expect, test } from "bun:test";
import { dirname, join, normalize, relative } from "node:path";

const root = join(import.meta.dir, "..");

/** Folders by floor, lowest first; folders of one floor never import one another. */
const FLOORS: readonly (readonly string[])[] = [
  ["core/ground", "crypto-wasm"],
  ["core/wire", "core/link", "core/merkle"],
  ["core/identity"],
  ["core/conversation"],
  ["core/mailbox", "core/chain", "core/keyless"],
  [
    "core/edge",
    "core/mesh",
    "core/store",
    "core/delivery",
    "core/client",
    "core/consensus",
    "core/telemetry",
    "core/control",
  ],
  ["core/node"],
  ["cmd"],
];
const PURE_FLOOR_MAX = 4;
/** Pure but for loading WASM and workers, and for its native backend. */
const IMPURE_BELOW = "crypto-wasm";

/** Packages that live in one folder only. */
const HOMES: readonly { readonly name: RegExp; readonly homes: readonly string[] }[] = [
  { name: /^libsodium/, homes: ["crypto-wasm"] },
  { name: /^hash-wasm$/, homes: ["crypto-wasm"] },
  { name: /^(elysia|@elysiajs\/.*)$/, homes: ["core/control"] },
  { name: /^(drizzle-orm(\/.*)?|postgres)$/, homes: ["core/store"] },
  // core/node locks the data directory with an empty database: a lock that the kernel drops with its holder.
  { name: /^bun:sqlite$/, homes: ["core/store", "core/node"] },
  { name: /^(prom-client|pino|pino-pretty)$/, homes: ["core/telemetry"] },
  { name: /^ts-mls/, homes: ["core/conversation", "crypto-wasm"] },
  { name: /^(libp2p|@libp2p\/.*|@chainsafe\/.*)$/, homes: ["core/mesh"] },
  { name: /^(citty|qrcode)$/, homes: ["cmd"] },
  { name: /^@noble\//, homes: [] },
];

interface Import {
  readonly file: string;
  readonly from: string;
  readonly specifier: string;
}

interface Source {
  readonly file: string;
  readonly text: string;
}

/** Source without comments and with strings kept, so that a comment can't look like an import. */
function strip(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|[^:"'`\\])\/\/[^\n]*/g, "$1");
}

/** Everything that `text` imports, as written. */
export function importsOf(text: string): string[] {
  const found: string[] = [];
  const patterns = [
    /\b(?:import|export)\s[^;"'`]*?\bfrom\s*["']([^"']+)["']/g,
    /\bimport\s*["']([^"']+)["']/g,
    /\b(?:import|require|require\.resolve)\s*\(\s*["'`]([^"'`]+)["'`]/g,
    /\bnew\s+URL\(\s*["']([^"']+)["']\s*,\s*import\.meta\.url/g,
  ];
  const clean = strip(text);
  for (const pattern of patterns) {
    for (const match of clean.matchAll(pattern)) found.push(match[1] ?? "");
  }
  return found;
}

/** Tests, and what only tests import: private files of theirs, with a leading underscore. */
function isExempt(file: string): boolean {
  return file.endsWith("_test.ts") || testOnly.has(file) || /(^|\/)(rust|node_modules)\//.test(file);
}

const testOnly = new Set<string>();

async function sources(): Promise<Source[]> {
  const files: Source[] = [];
  for (const top of ["core", "crypto-wasm", "cmd"]) {
    for await (const path of new Bun.Glob("**/*.ts").scan({ cwd: join(root, top) })) {
      if (path.includes("node_modules/")) continue;
      const file = `${top}/${path}`;
      files.push({ file, text: await Bun.file(join(root, file)).text() });
    }
  }
  const importers = (of: string) =>
    files.filter(({ file, text }) => importsOf(text).some((specifier) => resolve(file, specifier) === of));
  for (const { file } of files) {
    if (!/\/_\w+\.ts$/.test(file)) continue;
    if (importers(file).every((by) => by.file.endsWith("_test.ts"))) testOnly.add(file);
  }
  return files.filter(({ file }) => !isExempt(file));
}

/** The folder of the house that a path of the checkout belongs to. */
function folderOf(path: string): string {
  const [top = "", sub = ""] = path.split("/");
  return top === "core" ? `core/${sub}` : top;
}

function floorOf(folder: string): number {
  return FLOORS.findIndex((floor) => floor.includes(folder));
}

/** Path of the checkout that a specifier leads to, or null for a package's name. */
function resolve(file: string, specifier: string): string | null {
  if (specifier.startsWith(".")) return normalize(join(dirname(file), specifier));
  if (specifier === "@dchat/crypto-wasm") return "crypto-wasm/mod.ts";
  if (specifier.startsWith("@dchat/core/")) return `core/${specifier.slice("@dchat/core/".length)}`;
  return null;
}

/** Files that `file` needs when it is loaded: what it imports for types alone is left out. */
function valueImportsOf(file: string, text: string): string[] {
  const typesOnly =
    /\b(?:import|export)\s+(?:type\b[^;"'`]*?|\{(?:\s*type\s+[^,}]+,?)+\s*\}\s*)from\s*["'][^"']+["']/g;
  return importsOf(strip(text).replaceAll(typesOnly, "")).flatMap(
    (specifier) => resolve(file, specifier) ?? [],
  );
}

const all = await sources();
const imports: Import[] = all.flatMap(({ file, text }) =>
  importsOf(text).map((specifier) => ({ file, from: folderOf(file), specifier })),
);

function offences(check: (item: Import) => string | null): string[] {
  return imports.flatMap((item) => {
    const why = check(item);
    return why === null ? [] : [`${item.file}: ${why}`];
  });
}

describe("floors", () => {
  test("every folder stands on a floor", () => {
    const strangers = [...new Set(all.map(({ file }) => folderOf(file)))].filter((f) => floorOf(f) < 0);
    expect(strangers).toEqual([]);
  });

  test("imports go downward only", () => {
    expect(
      offences(({ file, from, specifier }) => {
        const target = resolve(file, specifier);
        if (target === null) return null;
        const to = folderOf(target);
        if (to === from) return null;
        return floorOf(to) < floorOf(from) ? null : `imports ${specifier}, which stands no lower`;
      }),
    ).toEqual([]);
  });

  test("folders are entered by their door, and never by their own", () => {
    expect(
      offences(({ file, from, specifier }) => {
        const target = resolve(file, specifier);
        if (target === null || /\.(wasm|json|sql|txt|html|css)$/.test(target)) return null;
        const isDoor = target.endsWith("/mod.ts");
        if (folderOf(target) !== from) return isDoor ? null : `enters ${specifier} past its door`;
        const sameFolder = dirname(target) === dirname(file);
        return isDoor && sameFolder && !file.endsWith("/mod.ts") ? `imports its own door ${specifier}` : null;
      }),
    ).toEqual([]);
  });

  test("imports of values don't loop, not even among siblings", () => {
    const next = new Map(all.map(({ file, text }) => [file, valueImportsOf(file, text)]));
    const loops: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) loops.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (path.includes(file) || done.has(file)) return;
      for (const target of next.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of next.keys()) visit(file, []);
    expect(loops).toEqual([]);
  });

  test("a package lives in its home only", () => {
    expect(
      offences(({ from, specifier }) => {
        const rule = HOMES.find(({ name }) => name.test(specifier));
        return rule === undefined || rule.homes.includes(from)
          ? null
          : `imports ${specifier}, which lives elsewhere`;
      }),
    ).toEqual([]);
  });

  test("floors 0 to 4 are pure", () => {
    const forbidden =
      /\bBun\.|\bprocess\.|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bDate\.now\b|\bnew Date\(\)|\bfetch\(|\bMath\.random\b|\bperformance\.|\bcrypto\.(getRandomValues|subtle|randomUUID)|["']node:|["']bun/;
    const found = all
      .filter(({ file }) => {
        const folder = folderOf(file);
        return folder !== IMPURE_BELOW && floorOf(folder) <= PURE_FLOOR_MAX;
      })
      .flatMap(({ file, text }) =>
        strip(text)
          .split("\n")
          .flatMap((line) => {
            const match = forbidden.exec(line);
            return match === null ? [] : [`${file}: ${match[0]}`];
          }),
      );
    expect(found).toEqual([]);
  });

  test("importsOf() sees type-only, dynamic, side-effect and re-exported imports, and no comments", () => {
    const text = `
      import type { A } from "./a.ts";
      import "./b.ts";
      const c = await import("./c.ts");
      export * from "./d.ts";
      // import "./no.ts";
      /* import "./neither.ts" */
      new Worker(new URL("./e_worker.ts", import.meta.url));`;
    expect(importsOf(text).toSorted()).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e_worker.ts"]);
  });

  test("relative paths stay inside the checkout", () => {
    expect(
      offences(({ file, specifier }) => {
        const target = resolve(file, specifier);
        return target?.startsWith("..") === true ? `leaves the checkout: ${relative(".", target)}` : null;
      }),
    ).toEqual([]);
  });
});
