/**
 * For tests: as much of bun:test as the tests of this package use, over whatever runs tests on another engine, so that it
 * runs the same files.
 */

/** An expectation of part of a value. */
class Partial {
  readonly holds: (actual: unknown) => boolean;

  constructor(holds: (actual: unknown) => boolean) {
    this.holds = holds;
  }
}

/** Whether `actual` is `expected`, or has what it has where `partial`. */
function matches(actual: unknown, expected: unknown, partial: boolean): boolean {
  if (expected instanceof Partial) return expected.holds(actual);
  if (partial && typeof expected === "object" && expected !== null && !ArrayBuffer.isView(expected)) {
    if (typeof actual !== "object" || actual === null) return false;
    if (Array.isArray(expected) && (!Array.isArray(actual) || actual.length !== expected.length))
      return false;
    return Object.entries(expected).every(([key, value]) => matches(Reflect.get(actual, key), value, true));
  }
  return equals(actual, expected);
}

/** Whether both are the same in depth, prototypes included; bytes compare as bytes, whether an engine made a Buffer of them or not. */
function equals(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array && b instanceof Uint8Array)
    return a.length === b.length && a.every((byte, at) => byte === b[at]);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return equals([...a], [...b]);
  if (a instanceof Set && b instanceof Set) return equals([...a], [...b]);
  const [ours, theirs] = [Object.keys(a), Object.keys(b)];
  return (
    ours.length === theirs.length &&
    ours.every((key) => Object.hasOwn(b, key) && equals(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

/** What `toThrow` and `toMatchObject` expect of an error: a class, a pattern, part of its text or of itself. */
function throwsAs(error: unknown, expected: unknown): boolean {
  if (expected === undefined) return true;
  const message = error instanceof Error ? error.message : String(error);
  if (typeof expected === "function") return error instanceof expected;
  if (expected instanceof RegExp) return expected.test(message);
  if (typeof expected === "string") return message.includes(expected);
  return matches(error, expected, true);
}

function thrown(work: unknown): unknown {
  if (typeof work !== "function") throw new Error("toThrow needs a function");
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

type Must = (holds: boolean, what: string, expected?: unknown) => void;

function checks(actual: unknown, wanted: boolean) {
  const must: Must = (holds, what, expected) => {
    if (holds !== wanted)
      throw new Error(`${wanted ? "" : "not "}${what}: ${String(actual)}, ${String(expected)}`);
  };
  const text = String(actual);
  return {
    toBe: (expected: unknown) => must(Object.is(actual, expected), "toBe", expected),
    toEqual: (expected: unknown) => must(matches(actual, expected, false), "toEqual", expected),
    toMatchObject: (expected: unknown) => must(matches(actual, expected, true), "toMatchObject", expected),
    toHaveLength: (length: number) => must(Object(actual).length === length, "toHaveLength", length),
    toBeNull: () => must(actual === null, "toBeNull"),
    toBeInstanceOf: (kind: Kind) => must(actual instanceof kind, "toBeInstanceOf", kind.name),
    toBeLessThan: (bound: number) => must(Number(actual) < bound, "toBeLessThan", bound),
    toBeLessThanOrEqual: (bound: number) => must(Number(actual) <= bound, "toBeLessThanOrEqual", bound),
    toBeGreaterThan: (bound: number) => must(Number(actual) > bound, "toBeGreaterThan", bound),
    toStartWith: (start: string) => must(text.startsWith(start), "toStartWith", start),
    toMatch: (pattern: RegExp) => must(pattern.test(text), "toMatch", pattern),
    toContain: (part: unknown) =>
      must(Array.isArray(actual) ? actual.includes(part) : text.includes(String(part)), "toContain", part),
    toThrow: (expected?: unknown) => must(throwsAs(thrown(actual), expected), "toThrow", expected),
  };
}

type Kind = abstract new (...all: never[]) => unknown;

/** Of a promise that must reject. */
function rejections(actual: unknown) {
  const error = async (): Promise<unknown> => {
    try {
      await actual;
    } catch (thrown) {
      return thrown;
    }
    throw new Error("nothing was thrown");
  };
  const must = async (expected: unknown): Promise<void> => {
    const came = await error();
    if (!throwsAs(came, expected)) throw new Error(`rejects: ${String(came)}, ${String(expected)}`);
  };
  return {
    toThrow: (expected?: unknown) => must(expected),
    toMatchObject: (expected: unknown) => must(expected),
    toBeInstanceOf: (kind: Kind) => must(kind),
  };
}

export function expect(actual: unknown) {
  return { ...checks(actual, true), not: checks(actual, false), rejects: rejections(actual) };
}

expect.objectContaining = (part: object) => new Partial((actual) => matches(actual, part, true));
expect.stringMatching = (pattern: RegExp) => new Partial((actual) => pattern.test(String(actual)));
expect.stringContaining = (part: string) => new Partial((actual) => String(actual).includes(part));

type Cases = readonly unknown[];
type Work = (...values: unknown[]) => unknown;

/** `each` over what runs one. */
function each(run: (name: string, work: () => unknown) => void) {
  return (cases: Cases) => (name: string, work: Work) => {
    for (const [i, values] of cases.entries()) {
      const all: readonly unknown[] = Array.isArray(values) ? values : [values];
      const backend: unknown = Reflect.get(Object(all[0]), "backend");
      run(`${name} (${i}: ${String(backend ?? all[0])})`, () => work(...all));
    }
  };
}

/** What runs tests on an engine: each is awaited, in the order in which they came. */
export interface Runner {
  test(name: string, work: () => Promise<void>): void;
  /** Counts a test as skipped, by its name. */
  skip(name: string): void;
  /** `work` declares what belongs to it before it returns. */
  describe(name: string, work: () => void): void;
  before(work: () => Promise<void>): void;
  after(work: () => Promise<void>): void;
}

function awaited(work: () => unknown): () => Promise<void> {
  return async () => {
    await work();
  };
}

/** The rest of bun:test, on `runner`. */
export function bunTest(runner: Runner) {
  type Declare = (name: string, work: () => unknown) => void;
  const runTest: Declare = (name, work) => runner.test(name, awaited(work));
  const runDescribe: Declare = (name, work) => runner.describe(name, () => void work());
  const skipping = (run: Declare) => (skip: boolean) => {
    const runs: Declare = skip ? (name) => runner.skip(name) : run;
    return Object.assign((name: string, work: () => unknown) => runs(name, work), { each: each(runs) });
  };
  return {
    test: Object.assign(runTest, { each: each(runTest), skipIf: skipping(runTest) }),
    describe: Object.assign(runDescribe, { each: each(runDescribe), skipIf: skipping(runDescribe) }),
    beforeAll: (work: () => unknown) => runner.before(awaited(work)),
    afterAll: (work: () => unknown) => runner.after(awaited(work)),
  };
}
