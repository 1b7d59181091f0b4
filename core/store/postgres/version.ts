/** The migrations of the relay's PostgreSQL store, in order; what this version knows is their number. */
import first from "../../../migrations/postgres/0000_first.sql" with { type: "text" };
import sums from "../../../migrations/postgres/0001_sums_of_rows.sql" with { type: "text" };
import sumsFilled from "../../../migrations/postgres/0002_sums_of_rows_filled.sql" with { type: "text" };
import relay from "../../../migrations/postgres/0003_relay_identity.sql" with { type: "text" };
import made from "../../../migrations/postgres/0004_mailboxes_made.sql" with { type: "text" };
import madeFilled from "../../../migrations/postgres/0005_mailboxes_made_filled.sql" with { type: "text" };
import { storeFault } from "../fault.ts";
import type { Client, Sql } from "./connect.ts";
import { STATEMENT_BREAK } from "../sqlite/schema_version.ts";
import { requireVersion } from "../version.ts";

export const POSTGRES_MIGRATIONS: readonly string[] = [first, sums, sumsFilled, relay, made, madeFilled];
export const POSTGRES_SCHEMA_VERSION = POSTGRES_MIGRATIONS.length;

/** Held while migrating, so that two nodes that start together don't both do it: "dchat" in ASCII. */
const MIGRATION_LOCK = 0x64_63_68_61_74;

/**
 * The schema's version in the database; null where nothing was made yet. Throws Fault<"store/corrupt"> for foreign
 * tables. Looks into pg_class, since to_regclass answers from a cache that another session's migration may outrun.
 */
export async function postgresVersion(sql: Sql): Promise<number | null> {
  const tables = await sql<{ name: string }[]>`SELECT relname AS name FROM pg_catalog.pg_class
    WHERE relname IN ('dchat_state', 'mailbox') AND pg_catalog.pg_table_is_visible(oid)`;
  if (!tables.some(({ name }) => name === "dchat_state")) {
    if (tables.length === 0) return null;
    throw storeFault(
      "store/corrupt",
      "Cannot use the database: it has a table `mailbox` that isn't a dchat relay's; give dchat a database of its own",
    );
  }
  const [state] = await sql<{ version: number }[]>`SELECT version FROM dchat_state WHERE number = 1`;
  return state?.version ?? 0;
}

/** Runs the migrations that are missing, in one transaction. Returns how many; throws Fault<"store/newer">. */
export async function migratePostgres(sql: Client): Promise<number> {
  const done = await sql.begin(async (tx) => {
    // Going through every row of a large store takes longer than a relay may wait.
    await tx`SET LOCAL statement_timeout = 0`;
    await tx`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    const from = (await postgresVersion(tx)) ?? 0;
    if (from > POSTGRES_SCHEMA_VERSION) requireVersion("the database", from, POSTGRES_SCHEMA_VERSION);
    const missing = POSTGRES_MIGRATIONS.slice(from);
    for (const migration of missing) {
      for (const statement of migration.split(STATEMENT_BREAK)) await tx.unsafe(statement);
    }
    if (missing.length > 0) {
      await tx`INSERT INTO dchat_state (number, version, probes) VALUES (1, ${POSTGRES_SCHEMA_VERSION}, 0)
        ON CONFLICT (number) DO UPDATE SET version = excluded.version`;
    }
    return missing.length;
  });
  return done;
}
