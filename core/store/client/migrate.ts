import type { Database } from "bun:sqlite";
import first from "../../../migrations/client/0000_first.sql" with { type: "text" };
import evidence from "../../../migrations/client/0001_evidence.sql" with { type: "text" };
import { storeFault } from "../fault.ts";

/** In order; `PRAGMA user_version` counts those that a database has had. */
const MIGRATIONS: readonly string[] = [first, evidence];

/**
 * Brings a device's database to this program's version, inside one transaction. No copy is kept of an older one: it
 * would hold message keys that are wiped here later, and whoever went back to it would use some of them twice. Throws
 * Fault<"store/newer"> naming both versions.
 */
export function migrateClient(database: Database, path: string): void {
  const found = userVersion(database);
  if (found > MIGRATIONS.length) {
    throw storeFault(
      "store/newer",
      `Cannot open ${path}: its version is ${found}, this dchat knows versions up to ${MIGRATIONS.length}`,
    );
  }
  if (found === MIGRATIONS.length) return;
  database.run("BEGIN IMMEDIATE");
  try {
    // Another process may have migrated while this one waited for the lock.
    for (const migration of MIGRATIONS.slice(userVersion(database))) {
      for (const statement of migration.split("--> statement-breakpoint")) database.run(statement);
    }
    database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.run("COMMIT");
  } catch (error) {
    database.run("ROLLBACK");
    throw error;
  }
}

/** How many migrations a database has had; 0 where it has no tables of ours. */
export function userVersion(database: Database): number {
  const row: unknown = database.query("PRAGMA user_version").get();
  return typeof row === "object" && row !== null && "user_version" in row ? Number(row.user_version) : 0;
}
