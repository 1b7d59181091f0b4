/**
 * Skipping, said aloud. A test that needs a tool or a right that is missing here skips and says so;
 * with DCHAT_TEST_REQUIRE=all it fails instead, so that CI can't lose a test without a word. What can't be
 * installed, as the published vectors beside the checkout, DCHAT_TEST_WITHOUT may name, several with commas between them:
 * then their tests skip all the same.
 */
const requireAll = process.env["DCHAT_TEST_REQUIRE"] === "all";
const without = (process.env["DCHAT_TEST_WITHOUT"] ?? "").split(",").filter((name) => name !== "");

/** Whether what `name` needs is there; where it isn't, says so once or, when everything is required, throws. */
export function requireOrSkip(name: string, present: boolean): boolean {
  if (present) return true;
  const excused = without.some((missing) => name.includes(missing));
  if (requireAll && !excused)
    throw new Error(`DCHAT_TEST_REQUIRE=all, but what ${name} needs is missing here`);
  console.warn(`skipped for want of ${name}`);
  return false;
}
