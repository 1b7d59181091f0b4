import { CryptoError } from "./error.ts";

function described(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value === null ? "null" : typeof value;
}

/** Whether `value` is a Uint8Array, of exactly `length` bytes where that is given. */
export function isBytes(value: Uint8Array, length?: number): boolean {
  return value instanceof Uint8Array && (length === undefined || value.length === length);
}

/** Throws CryptoError naming `name` unless `value` is a Uint8Array, of exactly `length` bytes where that is given. */
export function expectBytes(name: string, value: Uint8Array, length?: number): void {
  if (!isBytes(value, length)) {
    const expected = length === undefined ? "a Uint8Array" : `a Uint8Array of ${length} bytes`;
    throw new CryptoError("argument", `${name} must be ${expected}, got ${described(value)}`);
  }
}

/** Throws CryptoError unless every one of `values` is a Uint8Array; names the position. */
export function expectAllBytes(name: string, values: readonly Uint8Array[]): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!(value instanceof Uint8Array)) {
      throw new CryptoError("argument", `${name}[${i}] must be a Uint8Array, got ${described(value)}`);
    }
  }
}

/** Throws CryptoError unless `value` is a whole number from `min` to `max`. */
export function expectWhole(name: string, value: number, range: { min: number; max: number }): void {
  if (!Number.isSafeInteger(value) || value < range.min || value > range.max) {
    throw new CryptoError(
      "argument",
      `${name} must be a whole number from ${range.min} to ${range.max}, got ${typeof value === "number" ? value : typeof value}`,
    );
  }
}
