import { defineConfig } from "drizzle-kit";

/** `bunx drizzle-kit generate --config migrations/postgres.config.ts` after a change of the schema. */
export default defineConfig({
  dialect: "postgresql",
  schema: "core/store/postgres/schema.ts",
  out: "migrations/postgres",
});
