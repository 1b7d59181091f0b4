/** For tests: bun:test in a browser's page, and what the tests use of Bun's globals. What came of them goes to the server. */
import { Buffer } from "node:buffer";
import { bunTest } from "./_bun_testing.ts";

export { expect } from "./_bun_testing.ts";

// The Buffer that Bun bundles for browsers finds nothing but Buffers.
const { indexOf } = Buffer.prototype;
Buffer.prototype.indexOf = function (value: unknown, from?: number): number {
  return Reflect.apply(indexOf, this, [value instanceof Uint8Array ? Buffer.from(value) : value, from]);
};
Object.assign(globalThis, { Buffer });

/** What a page posts when it is done. */
export interface PageReport {
  readonly passed: number;
  readonly skipped: readonly string[];
  /** Each with its name and what was thrown. */
  readonly failed: readonly string[];
}

/** Tests and groups in the order in which they were declared, and what comes before and after all of them. */
class Group {
  readonly name: string;
  readonly before: (() => Promise<void>)[] = [];
  readonly after: (() => Promise<void>)[] = [];
  readonly members: (Group | { readonly name: string; readonly work: (() => Promise<void>) | null })[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

let group = new Group("");

export const { test, describe, beforeAll, afterAll } = bunTest({
  test: (name, work) => void group.members.push({ name, work }),
  skip: (name) => void group.members.push({ name, work: null }),
  describe(name, work) {
    const outer = group;
    group = new Group(`${outer.name}${name} > `);
    outer.members.push(group);
    work();
    group = outer;
  },
  before: (work) => void group.before.push(work),
  after: (work) => void group.after.push(work),
});

async function run(
  all: Group,
  report: { passed: number; skipped: string[]; failed: string[] },
): Promise<void> {
  const attempt = async (name: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      report.failed.push(`${all.name}${name}: ${error instanceof Error ? error.stack : String(error)}`);
      return false;
    }
  };
  for (const work of all.before) await attempt("beforeAll", work);
  for (const member of all.members) {
    if (member instanceof Group) await run(member, report);
    else if (member.work === null) report.skipped.push(all.name + member.name);
    else if (await attempt(member.name, member.work)) report.passed++;
  }
  for (const work of all.after) await attempt("afterAll", work);
}

/** Runs what was declared, and posts the report to `to`. */
export async function runAll(to: string): Promise<void> {
  const report = { passed: 0, skipped: [], failed: [] };
  await run(group, report);
  await fetch(to, { method: "POST", body: JSON.stringify(report satisfies PageReport) });
}
