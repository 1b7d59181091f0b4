/** For tests: as much of bun:test as the tests of this folder use, over node:test, so that Node runs the same files. */
import assert from "node:assert/strict";
import * as node from "node:test";

// Not in Node before 25.
if (!("fromHex" in Uint8Array)) {
  const fromHex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  const toHex = function (this: Uint8Array) {
    return Buffer.from(this).toString("hex");
  };
  Object.defineProperty(Uint8Array, "fromHex", { value: fromHex });
  Object.defineProperty(Object.getPrototypeOf(fromHex("")), "toHex", { value: toHex });
}

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
  try {
    assert.deepStrictEqual(plain(actual), plain(expected));
    return true;
  } catch {
    return false;
  }
}

/** Bytes compare as bytes, whether Node made a Buffer of them or not. */
function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
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

export function expect(actual: unknown) {
  const check = (wanted: boolean) => {
    const must = (holds: boolean, what: string, expected?: unknown): void => {
      if (holds !== wanted)
        assert.fail(`${wanted ? "" : "not "}${what}: ${String(actual)}, ${String(expected)}`);
    };
    return {
      toBe: (expected: unknown) => must(Object.is(actual, expected), "toBe", expected),
      toEqual: (expected: unknown) => must(matches(actual, expected, false), "toEqual", expected),
      toMatchObject: (expected: unknown) => must(matches(actual, expected, true), "toMatchObject", expected),
      toHaveLength: (length: number) => must(Object(actual).length === length, "toHaveLength", length),
      toBeNull: () => must(actual === null, "toBeNull"),
      toBeLessThan: (bound: number) => must(Number(actual) < bound, "toBeLessThan", bound),
      toBeLessThanOrEqual: (bound: number) => must(Number(actual) <= bound, "toBeLessThanOrEqual", bound),
      toThrow: (expected: unknown) => must(matches(thrown(actual), expected, true), "toThrow", expected),
    };
  };
  return { ...check(true), not: check(false) };
}

expect.objectContaining = (part: object) => new Partial((actual) => matches(actual, part, true));
expect.stringContaining = (part: string) => new Partial((actual) => String(actual).includes(part));

type Cases = readonly unknown[];

/** `each` over a runner of node:test. */
function each(run: (name: string, work: () => void) => void) {
  return (cases: Cases) => (name: string, work: (...values: unknown[]) => void) => {
    for (const [i, values] of cases.entries()) {
      const all: readonly unknown[] = Array.isArray(values) ? values : [values];
      run(`${name} (${i}: ${String(all[0])})`, () => work(...all));
    }
  };
}

function runTest(name: string, work: () => void): void {
  void node.test(name, () => work());
}

function runDescribe(name: string, work: () => void): void {
  void node.describe(name, work);
}

export const test = Object.assign(runTest, { each: each(runTest) });
export const describe = Object.assign(runDescribe, {
  each: each(runDescribe),
  skipIf: (skip: boolean) => ({ each: skip ? () => () => undefined : each(runDescribe) }),
});
