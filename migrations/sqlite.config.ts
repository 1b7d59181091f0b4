import { defineConfig } from "drizzle-kit";

/** `bunx drizzle-kit generate --config migrations/sqlite.config.ts` after a change of the schema. */
export default defineConfig({
  dialect: "sqlite",
  schema: "core/store/sqlite/schema.ts",
  out: "migrations/sqlite",
});
