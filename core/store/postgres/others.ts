/** Who else works on a PostgreSQL database, by what they have locked there. */
import { storeFault } from "../fault.ts";
import { type Client, KEEPER_ROLE } from "./connect.ts";

/** What a relay locks in the server, with a number of its own for each purpose: "rela" in ASCII. */
export const RELAY_LOCK = 0x72_65_6c_61;

/** Who has `number` of RELAY_LOCK, in words, with what ends that session where nothing else can; null where nobody has. */
export async function whoHolds(sql: Client, number: number): Promise<string | null> {
  const [row] = await sql<{ pid: number; role: string; address: string | null }[]>`
    SELECT a.pid, a.application_name AS role, host(a.client_addr) AS address
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid() AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid::bigint = ${RELAY_LOCK} AND l.objid::bigint = ${number < 0 ? number + 2 ** 32 : number}`;
  if (row === undefined) return null;
  const session = `${row.role}, process ${row.pid} of the server; where nothing else is left of it, SELECT pg_terminate_backend(${row.pid}) ends that`;
  const who = row.role.startsWith(KEEPER_ROLE) ? `\`${row.role}\`` : "a relay";
  return `${who} at ${row.address ?? "this machine"} works on it (${session})`;
}

/** Whether an error says that somebody else held a lock for longer than one waits here. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "55P03";
}

/** The Fault for that, which names the command that writes to the database where there is one. */
export async function lockedFault(sql: Client, name: string, error: unknown): Promise<Error> {
  const rows = await sql<{ role: string; address: string | null }[]>`
    SELECT a.application_name AS role, host(a.client_addr) AS address FROM pg_stat_activity a
    WHERE a.datname = current_database() AND starts_with(a.application_name, ${KEEPER_ROLE})
      AND a.pid <> pg_backend_pid() AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.granted
        AND l.locktype = 'relation' AND l.mode NOT IN ('AccessShareLock', 'RowShareLock'))`.catch(() => []);
  const [first] = rows;
  const who =
    first === undefined
      ? "another transaction has held what is needed there for seconds"
      : `\`${first.role}\` at ${first.address ?? "this machine"} is writing to it`;
  return storeFault("store/unavailable", `Cannot use ${name}: ${who}; wait until that has ended`, error);
}
