import { defineConfig } from "drizzle-kit";

/** `bunx drizzle-kit generate --config migrations/client.config.ts` after a change of the schema. */
export default defineConfig({
  dialect: "sqlite",
  schema: "core/store/client/schema.ts",
  out: "migrations/client",
});
