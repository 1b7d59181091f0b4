/** A PostgreSQL server whose databases are measured: their bytes, and the server's CPU time. */
import { join } from "node:path";
import postgres from "postgres";
import { startPostgres } from "../../test/harness/postgres.ts";
import { usage } from "./subject.ts";

const dchat = join(import.meta.dir, "../../cmd/dchat.ts");

export interface PlacedDatabase {
  readonly url: string;
  readonly bytes: () => Promise<number>;
  /** Makes room for the next one. */
  readonly drop: () => Promise<void>;
}

export interface PostgresPlace extends AsyncDisposable {
  /** A new one with the relay's schema. */
  database(): Promise<PlacedDatabase>;
  /** Of all the server's processes that run now. */
  readonly cpuMs: () => number;
}

export async function openPostgresPlace(): Promise<PostgresPlace> {
  const server = await startPostgres();
  return {
    async database() {
      const url = await server.database();
      const migrated = Bun.spawnSync([process.execPath, dchat, "database", "migrate"], {
        env: { ...process.env, DCHAT_DATABASE_URL: url },
      });
      if (migrated.exitCode !== 0) throw new Error(migrated.stderr.toString());
      const name = new URL(url).pathname.slice(1);
      const ask = async (statement: string): Promise<number> => {
        const sql = postgres(url.replace(name, "postgres"), { max: 1 });
        try {
          const [row] = await sql.unsafe(statement);
          return Number(row?.["bytes"]);
        } finally {
          await sql.end();
        }
      };
      return {
        url,
        bytes: () => ask(`SELECT pg_database_size('${name}') AS bytes`),
        drop: async () => void (await ask(`DROP DATABASE "${name}" WITH (FORCE)`)),
      };
    },
    cpuMs() {
      const first = server.pid();
      const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(first)]).stdout.toString();
      const pids = [first, ...children.split("\n").map(Number)].filter((pid) => pid > 0);
      return pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** 0 for one that has ended meanwhile. */
function cpuMsOf(pid: number): number {
  try {
    return usage(pid).cpuMs;
  } catch {
    return 0;
  }
}
