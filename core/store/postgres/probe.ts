/** What shows that PostgreSQL has room for an entry: one that is inserted and undone. */
import { ENTRY_ID_BYTES, HASH_BYTES, MAILBOX_ID_BYTES } from "../../ground/mod.ts";
import type { Transaction } from "./connect.ts";

/** crypto.getRandomValues() gives so many at a time. */
const RANDOM_BYTES_MAX = 65_536;

/** Of random, since the server would compress anything else. */
function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  }
  return bytes;
}

class Undo extends Error {}

/** Takes `bytes` of room where entries are kept and gives them back; rejects as the server does where there is none. */
export async function tryPostgresRoom(sql: Transaction, bytes: number): Promise<void> {
  try {
    await sql.savepoint(async (inner) => {
      await inner`INSERT INTO entry (mailbox, seq, id, generation, turn, kind, slot, time_ms, expiry_ms, entry_hash,
          nodes, taken_by, bytes, sum, body)
        VALUES (${randomBytes(MAILBOX_ID_BYTES)}, 0, ${randomBytes(ENTRY_ID_BYTES)}, 0, 0, 0, 0, 0, 0,
          ${randomBytes(HASH_BYTES)}, ${randomBytes(HASH_BYTES)}, NULL, ${bytes}, 0, ${randomBytes(bytes)})`;
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
}
