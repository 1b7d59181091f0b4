/**
 * Claims about speed cite what was measured: docs/bench and docs/SCALING.md hold figures made from the saved
 * results, and prose elsewhere that says how many times less or more names a result file in the same section.
 * `DCHAT_WRITE_DOCS=1 bun test test/claims_test.ts` writes the figures anew.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { claims, PAGE_END, PAGE_START } from "../bench/harness/page.ts";
import { plot } from "../bench/harness/plot.ts";
import { plotFile } from "../bench/harness/result.ts";
import { resultFile, shownResults } from "../bench/harness/saved.ts";
import { withFigures } from "../bench/harness/scaling.ts";

const root = join(import.meta.dir, "..");
const shown = await shownResults(join(root, "bench/result"));
const page = join(root, "docs/bench/README.md");
const scalingPage = join(root, "docs/SCALING.md");

function between(text: string): string {
  return text.slice(text.indexOf(PAGE_START), text.indexOf(PAGE_END) + PAGE_END.length);
}

describe("claims", () => {
  test("docs/bench shows what the results say, short falls included", async () => {
    const text = await Bun.file(page).text();
    const wanted = claims(new Map([...shown.values()].map(({ file, result }) => [file, result])));
    if (process.env["DCHAT_WRITE_DOCS"] === "1")
      await Bun.write(
        page,
        text.replace(between(text), () => wanted),
      );
    expect(between(await Bun.file(page).text())).toBe(wanted);
  });

  test("docs/SCALING.md shows the figures of the results, and none but them between its marks", async () => {
    const text = await Bun.file(scalingPage).text();
    const wanted = withFigures(text, shown);
    if (process.env["DCHAT_WRITE_DOCS"] === "1") await Bun.write(scalingPage, wanted);
    expect(await Bun.file(scalingPage).text()).toBe(wanted);
    expect(wanted).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("plots are those of the results that are shown", async () => {
    for (const { result } of shown.values()) {
      for (const [at, of] of (result.plots ?? []).entries()) {
        const file = join(root, "docs/bench", plotFile(result.name, at));
        if (process.env["DCHAT_WRITE_DOCS"] === "1") await Bun.write(file, plot(result, of));
        expect(await Bun.file(file).text(), file).toBe(plot(result, of));
      }
    }
  });

  test("a result's file is named by benchmark, size and day", () => {
    for (const { file, result } of shown.values()) expect(file).toBe(resultFile(result));
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
