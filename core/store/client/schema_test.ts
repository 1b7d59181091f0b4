import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { is } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import * as schema from "./schema.ts";

/** Sealed under the database's key, besides the columns that are called so. */
const SEALED = new Set(["epoch.pending", "outgoing.change", "outgoing.promise"]);

test("docs/THREATS.md names every column that a device's database leaves open", () => {
  const page = readFileSync(join(import.meta.dir, "../../../docs/THREATS.md"), "utf8");
  const named = Array.from(page.matchAll(/^\| `(\w+)` \| (.*?) \|/gm), ([, table, columns]) => [
    table,
    new Set(Array.from((columns ?? "").matchAll(/`(\w+)`/g), ([, column]) => column)),
  ]);
  const open = Object.values(schema)
    .filter((one) => is(one, SQLiteTable))
    .map((one) => getTableConfig(one))
    .map(({ name, columns }) => [
      name,
      new Set(
        columns
          .map((column) => column.name)
          .filter((column) => column !== "sealed" && !SEALED.has(`${name}.${column}`)),
      ),
    ]);
  expect(Object.fromEntries(named)).toEqual(Object.fromEntries(open));
});
