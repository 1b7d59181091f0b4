/** For tests: as much of bun:test as the tests of this folder use, over node:test, so that Node runs the same files. */
import assert from "node:assert/strict";
import * as node from "node:test";
import { Worker as Thread } from "node:worker_threads";

// Not in Node before 25.
if (!("fromHex" in Uint8Array)) {
  const fromHex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  const toHex = function (this: Uint8Array) {
    return Buffer.from(this).toString("hex");
  };
  const toBase64 = function (this: Uint8Array) {
    return Buffer.from(this).toString("base64");
  };
  Object.defineProperty(Uint8Array, "fromHex", { value: fromHex });
  Object.defineProperties(Object.getPrototypeOf(fromHex("")), {
    toHex: { value: toHex },
    toBase64: { value: toBase64 },
  });
}

// Not in Node before 22.
if (!("withResolvers" in Promise)) {
  const value = () => {
    const made: Record<string, unknown> = {};
    made["promise"] = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
  };
  Object.defineProperty(Promise, "withResolvers", { value });
}

// Each Buffer on memory of its own: what is found in it then is what was put there by its maker.
Buffer.poolSize = 0;

/** A Worker as the web has it, over a thread of Node's; its script lies beside this bundle, bundled as well. */
class WebWorker {
  readonly #thread: Thread;

  constructor(script: string | URL) {
    this.#thread = new Thread(new URL(String(script).replace(/\.ts$/, ".mjs"), import.meta.url));
  }

  addEventListener(name: string, listener: (event: object) => void): void {
    if (name === "message") this.#thread.on("message", (data: unknown) => listener({ data }));
    if (name === "error") this.#thread.on("error", ({ message }: Error) => listener({ message }));
    if (name === "close") this.#thread.on("exit", () => listener({}));
  }

  postMessage(value: unknown, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(value, transfer);
  }

  terminate(): void {
    void this.#thread.terminate();
  }

  unref(): void {
    this.#thread.unref();
  }
}
const events = new EventTarget();
Object.assign(globalThis, {
  Worker: WebWorker,
  self: globalThis,
  addEventListener: events.addEventListener.bind(events),
  dispatchEvent: events.dispatchEvent.bind(events),
});

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
      assert.fail(`${wanted ? "" : "not "}${what}: ${String(actual)}, ${String(expected)}`);
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
  return {
    toThrow: async (expected?: unknown) => assert.ok(throwsAs(await error(), expected)),
    toMatchObject: async (expected: unknown) => assert.ok(throwsAs(await error(), expected)),
    toBeInstanceOf: async (kind: Kind) => assert.ok((await error()) instanceof kind),
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

/** `each` over a runner of node:test. */
function each(run: (name: string, work: () => unknown) => void) {
  return (cases: Cases) => (name: string, work: Work) => {
    for (const [i, values] of cases.entries()) {
      const all: readonly unknown[] = Array.isArray(values) ? values : [values];
      const backend: unknown = Reflect.get(Object(all[0]), "backend");
      run(`${name} (${i}: ${String(backend ?? all[0])})`, () => work(...all));
    }
  };
}

function runTest(name: string, work: () => unknown): void {
  void node.test(name, async () => {
    await work();
  });
}

function runDescribe(name: string, work: () => unknown): void {
  void node.describe(name, () => void work());
}

/** Counted as skipped, each by its name. */
function skipTest(name: string): void {
  void node.test(name, { skip: true });
}

function skipping(run: (name: string, work: () => unknown) => void) {
  return (skip: boolean) => {
    const runs = skip ? skipTest : run;
    return Object.assign((name: string, work: () => unknown) => runs(name, work), { each: each(runs) });
  };
}

export const test = Object.assign(runTest, { each: each(runTest), skipIf: skipping(runTest) });
export const describe = Object.assign(runDescribe, {
  each: each(runDescribe),
  skipIf: skipping(runDescribe),
});

export function beforeAll(work: () => unknown): void {
  node.before(async () => {
    await work();
  });
}

export function afterAll(work: () => unknown): void {
  node.after(async () => {
    await work();
  });
}
