import postgres from "postgres";
import { startPostgres } from "../../test/harness/postgres.ts";
import { storeConformance } from "./conformance.ts";
import { openPostgresStore } from "./postgres.ts";

storeConformance("openPostgresStore()", async () => {
  const server = await startPostgres();
  const url = await server.database();
  return {
    open: () => openPostgresStore({ url }),
    async setTerm(id, term) {
      const sql = postgres(url, { max: 1 });
      await sql`UPDATE mailbox SET term = ${term} WHERE id = ${id}`;
      await sql.end();
    },
    async setRelay(relay, sum) {
      const sql = postgres(url, { max: 1 });
      await sql`UPDATE dchat_state SET relay = ${relay}, relay_sum = coalesce(${sum}, relay_sum)`;
      await sql.end();
    },
    async setReceipt(reader, cursor) {
      const sql = postgres(url, { max: 1 });
      await sql`UPDATE receipt SET cursor = ${cursor} WHERE reader = ${reader}`;
      await sql.end();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});
