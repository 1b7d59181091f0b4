import { accessSync, closeSync, constants, openSync } from "node:fs";
import { dirname } from "node:path";

/** What the system says of a file that SQLite can't open or write, where SQLite itself says only that. */
export function refusalOf(path: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!/^SQLITE_(CANTOPEN|READONLY)/.test(code)) return error;
  try {
    closeSync(openSync(path, "r+"));
    accessSync(dirname(path), constants.W_OK);
    return error;
  } catch (refused) {
    return refused;
  }
}
