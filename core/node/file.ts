/** Files that are whole or not there at all. */
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface WriteOptions {
  /** Default 0600. */
  readonly mode?: number;
  /** Refuses to replace a file: the call then throws what `link(2)` does, with code EEXIST. */
  readonly exclusive?: boolean;
  /** False for what says nothing after a crash: whole or not there, but not waited for until it is on disk. */
  readonly durable?: boolean;
}

/**
 * Writes beside `path`, syncs, and renames into place, then syncs the folder: after a crash there is the old
 * file or the new one. `data` is borrowed. Throws what the file system says; nothing is left behind.
 */
export function replaceFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const beside = `${path}.${process.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const mode = options.mode ?? 0o600;
  const file = openSync(beside, "wx", mode);
  try {
    try {
      fchmodSync(file, mode);
      writeAll(file, typeof data === "string" ? Buffer.from(data) : data);
      if (options.durable !== false) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (options.exclusive) linkSync(beside, path);
    else renameSync(beside, path);
  } finally {
    rmSync(beside, { force: true });
  }
  if (options.durable !== false) syncFolder(dirname(path));
}

function writeAll(file: number, data: Uint8Array): void {
  for (let at = 0; at < data.length;) at += writeSync(file, data, at);
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
