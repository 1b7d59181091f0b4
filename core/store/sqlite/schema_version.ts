/** The migrations of the relay's SQLite store, in order; what this version knows is their number. */
import first from "../../../migrations/sqlite/0000_first.sql" with { type: "text" };
import sums from "../../../migrations/sqlite/0001_sums_of_rows.sql" with { type: "text" };
import sumsFilled from "../../../migrations/sqlite/0002_sums_of_rows_filled.sql" with { type: "text" };
import relay from "../../../migrations/sqlite/0003_relay_identity.sql" with { type: "text" };
import made from "../../../migrations/sqlite/0004_mailboxes_made.sql" with { type: "text" };
import madeFilled from "../../../migrations/sqlite/0005_mailboxes_made_filled.sql" with { type: "text" };

export const SQLITE_MIGRATIONS: readonly string[] = [first, sums, sumsFilled, relay, made, madeFilled];

/** Kept in PRAGMA user_version, so that it changes with the schema in one transaction. */
export const SQLITE_SCHEMA_VERSION = SQLITE_MIGRATIONS.length;

/** "dcht" in PRAGMA application_id: the file is a dchat relay's. */
export const SQLITE_APPLICATION_ID = 0x64_63_68_74;

/** drizzle-kit's separator of statements. */
export const STATEMENT_BREAK = "--> statement-breakpoint";
