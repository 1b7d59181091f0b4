import { closeSync, fsyncSync, openSync } from "node:fs";

/** Returns once the file or folder at `path` is on its disk: of a folder, the names in it. */
export function syncPath(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
