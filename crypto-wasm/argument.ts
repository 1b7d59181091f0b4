/**
 * How arguments are checked: one function for each kind, and tables of them for records. What is wrong throws
 * CryptoError("argument") naming the argument; values never stand in a message.
 */
import { CryptoError } from "./error.ts";

/** The most bytes of data in one call, beside keys and heads: what a request to the WASM module has room for. */
export const DATA_BYTES_MAX = (1 << 26) - (1 << 16);
/** What may be sealed, associated data included: what comes of it has a tag more, and must be opened again. */
export const PLAINTEXT_BYTES_MAX = DATA_BYTES_MAX - 16;

/** A check of one argument or field. */
export type Check = (name: string, value: unknown) => void;

function described(value: unknown): string {
  if (ArrayBuffer.isView(value) && value instanceof Uint8Array)
    return isAttached(value) ? `${Number(lengthOf.call(value))} bytes` : "bytes that were moved away";
  if (Array.isArray(value)) return "an array";
  return value === null ? "null" : typeof value;
}

export function refuseArgument(name: string, expected: string, value: unknown): never {
  throw new CryptoError("argument", `${name} must be ${expected}, got ${described(value)}`);
}

/**
 * Whether a view's buffer is still there and reaches as far as the view does. Its length should say so, and doesn't where
 * V8 has compiled the question for views of many kinds.
 */
function isAttached(view: Uint8Array): boolean {
  try {
    view.at(0);
    return true;
  } catch {
    return false;
  }
}

/** The getter `name` of a built-in prototype, to be asked in the place of what an object of its kind has by that name. */
function getterOf(prototype: object, name: string): (this: unknown) => unknown {
  const get: unknown = Reflect.get(Object.getOwnPropertyDescriptor(prototype, name) ?? {}, "get");
  if (typeof get !== "function") throw new CryptoError("backend", `This engine has no getter of ${name}`);
  return get as () => unknown;
}

const lengthOf = getterOf(Object.getPrototypeOf(Uint8Array.prototype), "length");
const sizeOf = getterOf(Map.prototype, "size");

/**
 * Whether a view's `length` is its own: a subclass may say another, and bytes that aren't there would be whatever the
 * memory held that they are copied to. The getter is slow to call, so plain arrays are told by having nothing else.
 */
function isHonest(view: Uint8Array): boolean {
  if (Object.getPrototypeOf(view) === Uint8Array.prototype && !Object.hasOwn(view, "length")) return true;
  return view.length === lengthOf.call(view);
}

/** Whether `value` is a Uint8Array with its buffer, of exactly `length` bytes where that is given. */
export function isBytes(value: unknown, length?: number): value is Uint8Array {
  if (!(value instanceof Uint8Array) || !ArrayBuffer.isView(value)) return false;
  return (length === undefined || value.length === length) && isHonest(value) && isAttached(value);
}

/** Throws unless `value` is a Uint8Array, of exactly `length` bytes where that is given. */
export function expectBytes(name: string, value: unknown, length?: number): asserts value is Uint8Array {
  if (isBytes(value, length)) return;
  refuseArgument(name, length === undefined ? "a Uint8Array" : `a Uint8Array of ${length} bytes`, value);
}

/** Throws unless `value` is a Uint8Array of what one call takes at most. */
export function expectData(name: string, value: unknown): asserts value is Uint8Array {
  expectBytes(name, value);
  if (value.length > DATA_BYTES_MAX) refuseArgument(name, `at most ${DATA_BYTES_MAX} bytes`, value);
}

/** Throws unless every one of `values` is a Uint8Array; names the position. */
export function expectAllBytes(name: string, values: readonly unknown[]): void {
  for (let i = 0; i < values.length; i++) if (!isBytes(values[i])) expectBytes(`${name}[${i}]`, values[i]);
}

/** Throws unless `value` is a whole number from `min` to `max`. */
export function expectWhole(
  name: string,
  value: unknown,
  range: { min: number; max: number },
): asserts value is number {
  if (Number.isSafeInteger(value) && Number(value) >= range.min && Number(value) <= range.max) return;
  const got = typeof value === "number" ? value : described(value);
  throw new CryptoError(
    "argument",
    `${name} must be a whole number from ${range.min} to ${range.max}, got ${got}`,
  );
}

export function expectArray(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuseArgument(name, "an array", value);
}

/** Throws unless `value` is a Map, and none that says another size than it has. */
export function expectMap(name: string, value: unknown): asserts value is ReadonlyMap<unknown, unknown> {
  if (!(value instanceof Map) || !hasOwnSize(value)) refuseArgument(name, "a Map", value);
}

function hasOwnSize(map: ReadonlyMap<unknown, unknown>): boolean {
  try {
    return sizeOf.call(map) === map.size;
  } catch {
    // What only has the prototype of one has no size.
    return false;
  }
}

export function expectOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value !== "string" || !allowed.includes(value)) {
    refuseArgument(name, `one of ${allowed.join(", ")}`, value);
  }
}

export function expectFunction(name: string, value: unknown): void {
  if (typeof value !== "function") refuseArgument(name, "a function", value);
}

export function expectRecord(name: string, value: unknown): asserts value is object {
  if (typeof value !== "object" || value === null) refuseArgument(name, "an object", value);
}

/** Throws unless `value` is a record whose fields pass their checks. */
export function expectFields(name: string, value: unknown, fields: Readonly<Record<string, Check>>): void {
  expectRecord(name, value);
  for (const [field, check] of Object.entries(fields)) check(field, Reflect.get(value, field));
}

/** The same, and the fields as they were checked: each is read once. */
export function readFields<T extends object>(
  name: string,
  value: T,
  fields: Readonly<Record<keyof T & string, Check>>,
): T {
  expectRecord(name, value);
  const read = {};
  for (const [field, check] of Object.entries<Check>(fields)) {
    const found: unknown = Reflect.get(value, field);
    check(field, found);
    Reflect.set(read, field, found);
  }
  return read as T;
}

/** `check`, but `undefined` passes too. */
export function optional(check: Check): Check {
  return (name, value) => {
    if (value !== undefined) check(name, value);
  };
}

export function bytesOf(length: number): Check {
  return (name, value) => expectBytes(name, value, length);
}

export function wholeIn(range: { min: number; max: number }): Check {
  return (name, value) => expectWhole(name, value, range);
}

export function oneOf(...allowed: readonly string[]): Check {
  return (name, value) => expectOneOf(name, value, allowed);
}
