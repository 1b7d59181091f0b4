/**
 * For tests: which buffers an operation makes in JavaScript, and what it leaves in them. It sees what is made by `new
 * Uint8Array`, `from`, `of`, `slice` and Buffer, and whatever of the engine's is copied or cut by those; not what stays
 * within the engine.
 */
import * as crypto from "node:crypto";

const TypedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
/** Memories of modules have tests of their own. */
const BUFFER_BYTES_MAX = 65_536;

/** Handles and counts differ from run to run, in fewer bytes. */
const SECRET_BYTES_MIN = 8;

interface Made {
  readonly bytes: Uint8Array;
  readonly where: string;
}

/** Has `work` done, and returns what it gave and every buffer that it made. */
async function spied<T>(work: () => T | Promise<T>): Promise<{ value: T; made: readonly Made[] }> {
  const made: Made[] = [];
  const seen = new Set<ArrayBufferLike>();
  const PlainArray = Uint8Array;
  const note = (value: unknown): void => {
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    if (!(buffer instanceof ArrayBuffer) || seen.has(buffer) || buffer.byteLength >= BUFFER_BYTES_MAX) return;
    seen.add(buffer);
    made.push({ bytes: new PlainArray(buffer), where: new Error("made").stack ?? "" });
  };
  const undo: (() => void)[] = [];
  /** Puts `name` of `on` in the place of itself, with what it is used on and what it gives noted. */
  function wrap(on: object, name: string): void {
    const original: unknown = Reflect.get(on, name);
    if (typeof original !== "function") throw new Error(`there is no ${name}`);
    Object.defineProperty(on, name, {
      configurable: true,
      writable: true,
      value(this: unknown, ...all: unknown[]): unknown {
        note(this);
        const result: unknown = Reflect.apply(original, this, all);
        note(result);
        return result;
      },
    });
    undo.push(() => Object.defineProperty(on, name, { configurable: true, writable: true, value: original }));
  }
  for (const name of ["slice", "subarray", "fill"]) wrap(TypedArray, name);
  for (const name of ["concat", "from"]) wrap(Buffer, name);
  // What it opens is there before its tag has been looked at. A browser has none.
  if ("createDecipheriv" in crypto) {
    const decipher = crypto.createDecipheriv("aes-128-gcm", new PlainArray(16), new PlainArray(12));
    wrap(Object.getPrototypeOf(decipher), "update");
  }
  globalThis.Uint8Array = new Proxy(PlainArray, {
    construct(target, all, as) {
      for (const each of all) note(each);
      const array: object = Reflect.construct(target, all, as);
      note(array);
      return array;
    },
  });
  undo.push(() => {
    globalThis.Uint8Array = PlainArray;
  });
  try {
    return { value: await work(), made };
  } finally {
    for (const each of undo.toReversed()) each();
  }
}

/** The buffers that a value holds, in fields, lists and maps. */
function buffersOf(value: unknown, into = new Set<unknown>()): Set<unknown> {
  if (typeof value !== "object" || value === null || into.has(value)) return into;
  into.add(value);
  if (ArrayBuffer.isView(value)) return into.add(value.buffer);
  const parts = value instanceof Map ? value.values() : Object.values(value);
  for (const part of parts) buffersOf(part, into);
  return into;
}

export interface Ended {
  /** What the caller gave or got, and wipes itself where it is secret. */
  readonly callers: unknown;
  /** What anyone may see; it may stand in any buffer. */
  readonly publics: readonly Uint8Array[];
}

/** How many bytes of two texts in hexadecimal differ. */
function differing(one: string, two: string): number {
  let count = Math.abs(one.length - two.length) / 2;
  for (let i = 0; i < one.length; i += 2) if (one.slice(i, i + 2) !== two.slice(i, i + 2)) count++;
  return count;
}

/** What stays in a buffer, without what anyone may see. */
function left({ bytes }: Made, publics: readonly Uint8Array[]): string {
  let text = bytes.toHex();
  // Longer ones first: shorter ones stand within them.
  for (const each of publics.toSorted((a, b) => b.length - a.length)) {
    const hidden = each.toHex();
    if (hidden.length >= 32) text = text.replaceAll(hidden, "0".repeat(hidden.length));
  }
  return text;
}

/**
 * Does `work` twice, with other secrets each time, and returns where buffers were made that then differ, and so hold
 * something of a secret.
 */
export async function leaks(work: (run: number) => Ended | Promise<Ended>): Promise<string[]> {
  await work(0);
  const one = await spied(() => work(1));
  const two = await spied(() => work(2));
  const excused = [one, two].map(({ value }) => buffersOf(value.callers));
  const found: string[] = [];
  for (let i = 0; i < Math.max(one.made.length, two.made.length); i++) {
    const [first, second] = [one.made[i], two.made[i]];
    if (first === undefined || second === undefined) {
      found.push(`made once only: ${(first ?? second)?.where}`);
      continue;
    }
    if (excused[0]?.has(first.bytes.buffer) === true && excused[1]?.has(second.bytes.buffer) === true)
      continue;
    const remains = [left(first, one.value.publics), left(second, two.value.publics)] as const;
    if (differing(...remains) >= SECRET_BYTES_MIN) found.push(first.where);
  }
  return found;
}
