/**
 * Columns of many rows as PostgreSQL's array literals, for `unnest`: one statement writes a batch. postgres.js
 * would quote each element by itself; these know that hex and numbers need none of it.
 */
import { hex } from "../hashes.ts";

/** A literal of bytea[]; null becomes NULL. */
export function bytesArray(values: readonly (Uint8Array | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"\\\\x${hex(value)}"`)).join(",")}}`;
}

/** A literal of bigint[], integer[] or smallint[]; null becomes NULL. */
export function numberArray(values: readonly (number | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : String(value))).join(",")}}`;
}

/** A literal of boolean[]. */
export function booleanArray(values: readonly boolean[]): string {
  return `{${values.join(",")}}`;
}
