/**
 * A device's file is there whole or not at all: a new one is made under another name and linked into place. So a
 * file without a device's tables is not one whose making was cut short, but one that has lost what it held.
 */
import { Database } from "bun:sqlite";
import { existsSync, linkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { storeFault } from "../fault.ts";
import { syncPath } from "../sync_path.ts";
import { migrateClient } from "./migrate.ts";

/**
 * Makes the file at `path` where it is missing. Throws Fault<"store/emptied"> where a file is there and empty, or
 * where it is missing and its journal is not: opening that would take what is left.
 */
export function ensureDeviceFile(path: string): void {
  if (existsSync(path)) {
    if (bytesIn(path) === 0) throw emptied(path, "it is empty, and a device's database never is");
    return;
  }
  if (bytesIn(`${path}-wal`) > 0) throw emptied(path, `it is missing, and its journal ${path}-wal is there`);
  const beside = `${path}.${process.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    writeDurably(beside, emptyDevice(path));
    linkSync(beside, path);
  } catch (error) {
    // Another process of the same person was first: its file is the one.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  syncPath(dirname(path));
}

function bytesIn(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Fault<"store/emptied"> of the file at `path`. */
export function emptied(path: string, why: string): Error {
  return storeFault("store/emptied", `Cannot open the device's database ${path}: ${why}`);
}

/** The bytes of a database with all tables and nothing in them. */
function emptyDevice(path: string): Uint8Array {
  using fresh = new Database(":memory:");
  migrateClient(fresh, path);
  return fresh.serialize();
}

function writeDurably(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { flag: "wx", mode: 0o600 });
  syncPath(path);
}
