import { Database } from "bun:sqlite";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeConformance } from "./conformance.ts";
import { openSqliteStore } from "./sqlite.ts";

storeConformance("openSqliteStore()", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dchat-store-"));
  const path = join(folder, "relay.sqlite");
  return {
    open: () => openSqliteStore({ path }),
    async setTerm(id, term) {
      using db = new Database(path);
      db.run("PRAGMA busy_timeout = 5000");
      db.run("UPDATE mailbox SET term = ?1 WHERE id = ?2", [term, id]);
    },
    async setRelay(relay, sum) {
      using db = new Database(path);
      db.run("PRAGMA busy_timeout = 5000");
      db.run("UPDATE total SET relay = ?1, relay_sum = coalesce(?2, relay_sum)", [relay, sum]);
    },
    async setReceipt(reader, cursor) {
      using db = new Database(path);
      db.run("PRAGMA busy_timeout = 5000");
      db.run("UPDATE receipt SET cursor = ?1 WHERE reader = ?2", [cursor, reader]);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
});
