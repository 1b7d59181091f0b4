/**
 * Claims about speed cite what was measured: docs/bench and docs/SCALING.md hold figures made from the saved
 * results, and prose elsewhere that says how many times less or more names a result file in the same section.
 * `DCHAT_WRITE_DOCS=1 bun test test/claims_test.ts` writes the figures anew.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { claims, PAGE_END, PAGE_START } from "../bench/harness/page.ts";
import type { Result } from "../bench/harness/result.ts";
import { type Saved, withFigures } from "../bench/harness/scaling.ts";

const root = join(import.meta.dir, "..");
const page = join(root, "docs/bench/README.md");
const scalingPage = join(root, "docs/SCALING.md");

/** The newest saved result of each benchmark, by file name. */
async function newest(): Promise<Saved> {
  const found = new Map<string, { file: string; result: Result }>();
  const files = (
    await Array.fromAsync(new Bun.Glob("*.json").scan({ cwd: join(root, "bench/result") }))
  ).toSorted();
  for (const file of files) {
    const result = (await Bun.file(join(root, "bench/result", file)).json()) as Result;
    found.set(result.name, { file, result });
  }
  return found;
}

function between(text: string): string {
  return text.slice(text.indexOf(PAGE_START), text.indexOf(PAGE_END) + PAGE_END.length);
}

describe("claims", () => {
  test("docs/bench shows what the newest results say, short falls included", async () => {
    const text = await Bun.file(page).text();
    const results = [...(await newest()).values()];
    const wanted = claims(new Map(results.map(({ file, result }) => [file, result])));
    if (process.env["DCHAT_WRITE_DOCS"] === "1")
      await Bun.write(
        page,
        text.replace(between(text), () => wanted),
      );
    expect(between(await Bun.file(page).text())).toBe(wanted);
  });

  test("docs/SCALING.md shows the figures of the newest results, and none but them between its marks", async () => {
    const text = await Bun.file(scalingPage).text();
    const wanted = withFigures(text, await newest());
    if (process.env["DCHAT_WRITE_DOCS"] === "1") await Bun.write(scalingPage, wanted);
    expect(await Bun.file(scalingPage).text()).toBe(wanted);
    expect(wanted).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("prose that says how many times names a result of its section", async () => {
    const bare: string[] = [];
    const pages = [
      "README.md",
      "docs/SCALING.md",
      ...(await Array.fromAsync(new Bun.Glob("docs/decision/*.md").scan({ cwd: root }))),
    ];
    for (const path of pages) {
      const text = await Bun.file(join(root, path)).text();
      for (const section of text.split(/^#+ /m)) {
        const claim = /\b\d+(?:\.\d+)? times (?:as|less|more|ours|faster|the (?:rate|speed))/.exec(section);
        if (claim !== null && !section.includes("bench/result/")) bare.push(`${path}: ${claim[0]}`);
      }
    }
    expect(bare).toEqual([]);
  });
});
