/** The file of a device's database and its journal, as SQLite is told to keep them. */
import { Database } from "bun:sqlite";
import { chmodSync } from "node:fs";
import { isFault } from "../../ground/mod.ts";
import { reasonOf, storeFault } from "../fault.ts";
import { refusalOf } from "../file_refusal.ts";
import { ensureDeviceFile } from "./create.ts";

/** Opens or makes the file at `path`; throws Fault<"store/emptied" | "store/unavailable">. */
export function openFile(path: string): Database {
  try {
    ensureDeviceFile(path);
    const database = new Database(path, { readwrite: true, strict: true });
    // The journal's files take the mode of this one.
    chmodSync(path, 0o600);
    // Waiting for the file's first moments only: transactions wait on their own, without holding up the loop.
    database.run("PRAGMA busy_timeout = 10000");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    // What is deleted or replaced is overwritten, so that wiped secrets leave the file too.
    database.run("PRAGMA secure_delete = ON");
    return database;
  } catch (error) {
    if (isFault(error)) throw error;
    const refused = refusalOf(path, error);
    throw storeFault(
      "store/unavailable",
      `Cannot open the device's database ${path}: ${reasonOf(refused)}`,
      refused,
    );
  }
}

/**
 * Former pages stand in the journal until it is emptied: what was deleted goes with it. False where others are at
 * work, and it stays.
 */
export function emptyJournal(database: Database): boolean {
  const row: unknown = database.query("PRAGMA wal_checkpoint(TRUNCATE)").get();
  return typeof row === "object" && row !== null && "busy" in row && row.busy === 0;
}

export function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
}
