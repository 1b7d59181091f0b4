/** What lies in a relay's database when a journey is over, as its operator can look at it: columns, contents, files, logs. */
import { Database } from "bun:sqlite";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { children } from "../durability/fail_syncs.ts";
import { startPostgres, type TestPostgres } from "../harness/postgres.ts";
import { mayReadMemory, memoryOf } from "./scan.ts";

export type StoreKind = "SQLite" | "PostgreSQL";

/** A store for one relay. */
export interface Stored extends AsyncDisposable {
  /** Names the store to the relay. */
  readonly env: Readonly<Record<string, string>>;
  /** Columns by table, the database's own aside. */
  columns(dataDir: string): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Everything that it keeps besides what lies in the relay's data directory, by where. */
  places(): Promise<ReadonlyMap<string, Buffer>>;
}

/** Starts what a relay on a store of `kind` needs. */
export function openStored(kind: StoreKind): Promise<Stored> {
  return kind === "SQLite" ? openSqlite() : openPostgres();
}

async function openSqlite(): Promise<Stored> {
  return {
    env: {},
    columns: async (dataDir) => sqliteColumns(join(dataDir, "relay.sqlite")),
    places: async () => new Map(),
    async [Symbol.asyncDispose]() {},
  };
}

function sqliteColumns(path: string): Map<string, string[]> {
  using database = new Database(path, { readonly: true });
  const tables = database
    .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all();
  return new Map(
    tables
      .filter(({ name }) => !name.startsWith("sqlite_"))
      .map(({ name }) => [
        name,
        database
          .query<{ name: string }, [string]>("SELECT name FROM pragma_table_info(?1)")
          .all(name)
          .map((column) => column.name),
      ]),
  );
}

/** A curious operator's server: it logs every statement with its values. */
async function openPostgres(): Promise<Stored> {
  const flags = ["log_statement=all", "log_connections=on", "log_disconnections=on", "shared_buffers=16MB"];
  const server = await startPostgres({ flags: flags.flatMap((flag) => ["-c", flag]) });
  const url = await server.database();
  const ask = async <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      return await work(sql);
    } finally {
      await sql.end();
    }
  };
  return {
    env: { DCHAT_DATABASE_URL: url },
    columns: () => ask(postgresColumns),
    places: () => ask((sql) => postgresPlaces(sql, server)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function postgresColumns(sql: postgres.Sql): Promise<Map<string, string[]>> {
  const rows = await sql<{ table: string; name: string }[]>`
    SELECT table_name AS table, column_name AS name FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`;
  const byTable = Map.groupBy(rows, ({ table }) => table);
  return new Map([...byTable].map(([table, columns]) => [table, columns.map(({ name }) => name)]));
}

async function postgresPlaces(sql: postgres.Sql, server: TestPostgres): Promise<Map<string, Buffer>> {
  const places = new Map<string, Buffer>();
  const rows: Buffer[] = [];
  for (const table of (await postgresColumns(sql)).keys()) {
    for (const row of await sql`SELECT * FROM ${sql(table)}`) {
      rows.push(
        ...Object.values(row).map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))),
      );
    }
  }
  places.set("PostgreSQL's tables", Buffer.concat(rows));
  // Before the checkpoint, so that what its processes remember of the journey isn't written over.
  const processes = [server.pid(), ...children(server.pid())].filter(mayReadMemory);
  if (processes.length > 0) places.set("PostgreSQL's memory", Buffer.concat(processes.map(memoryOf)));
  await sql`CHECKPOINT`;
  places.set("PostgreSQL's files", filesUnder(join(server.folder, "data")));
  places.set("PostgreSQL's log", Buffer.from(server.output()));
  return places;
}

/** All files below `folder`, its write-ahead log among them, joined. */
function filesUnder(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return Buffer.concat(files.map((each) => readFileSync(join(each.parentPath, each.name))));
}
