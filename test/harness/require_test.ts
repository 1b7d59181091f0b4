import { expect, test } from "bun:test";
import { join } from "node:path";

/** Whether requireOrSkip() lets what needs `name`, which is missing, skip where all is required. */
async function skips(name: string, without: string | undefined): Promise<boolean> {
  const module = JSON.stringify(join(import.meta.dirname, "require.ts"));
  const script = `import { requireOrSkip } from ${module}; requireOrSkip(${JSON.stringify(name)}, false);`;
  const env = { ...process.env, DCHAT_TEST_REQUIRE: "all", DCHAT_TEST_WITHOUT: without };
  const run = Bun.spawn([process.execPath, "-e", script], { env, stderr: "ignore" });
  return (await run.exited) === 0;
}

test("requireOrSkip() skips, where all is required, what DCHAT_TEST_WITHOUT names and nothing else", async () => {
  const without = "published vectors,Chromium";
  expect(await skips("the published vectors in ../shared/vectors", without)).toBe(true);
  expect(await skips("Chromium", without)).toBe(true);
  expect(await skips("openssl", without)).toBe(false);
  expect(await skips("Chromium", "published vectors")).toBe(false);
  for (const none of ["", undefined]) expect(await skips("Chromium", none)).toBe(false);
});
