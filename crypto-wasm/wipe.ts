import { expectAllBytes, expectBytes } from "./argument.ts";

/** Whether `a` and `b` hold the same bytes, in time that depends on the lengths alone as far as the source goes. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  expectBytes("a", a);
  expectBytes("b", b);
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Overwrites with zeros. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  expectAllBytes("secrets", secrets);
  for (const secret of secrets) secret.fill(0);
}
