/** Connections to PostgreSQL, and the server's word that what it acknowledges is on its disk. */
import postgres from "postgres";
import { isFault } from "../../ground/mod.ts";
import { reasonOf, storeFault } from "../fault.ts";

/** What postgres.js is told about types: int8 comes as a number, since every one here is a safe integer. */
type Types = { long: number };

export type Sql = postgres.Sql<Types> | postgres.TransactionSql<Types>;
export type Client = postgres.Sql<Types>;
export type Transaction = postgres.TransactionSql<Types>;

/** One connection commits, the others read. */
const CONNECTIONS = 4;
const CONNECT_TIMEOUT_S = 5;
/** For a first connection with all that its server answers; longer than one that is silent takes to be told. */
const REACH_TIMEOUT_MS = 8_000;
/** Who closes has waited for what was under way; a server that hangs must not keep a relay beyond its grace. */
const CLOSE_TIMEOUT_S = 0.5;
/** How long after a lost connection the next try may wait. */
const RECONNECT_S = 0.25;
const INT8 = 20;
const STATEMENT_TIMEOUT_MS = 15_000;
/** Within STORE_DEADLINE_MS, so that a lock that another node holds is told as what it is. */
const LOCK_TIMEOUT_MS = 4_000;

/** What connections call themselves: others see by it that a relay works on the database. */
export const RELAY_ROLE = "dchat relay";
export const KEEPER_ROLE = "dchat database";

export interface ConnectOptions {
  readonly role: string;
  readonly connections?: number;
  /** Whether a connection is kept for as long as it works; else it makes room for a fresh one within the hour. */
  readonly isKept?: boolean;
  /** Of the server's settings, for these connections alone. */
  readonly settings?: Readonly<Record<string, number>>;
}

/** Makes a pool; nothing is connected yet. The caller ends it. */
export function connect(url: string, options: ConnectOptions): Client {
  return postgres(url, {
    max: options.connections ?? CONNECTIONS,
    connect_timeout: CONNECT_TIMEOUT_S,
    ...(options.isKept === true ? { max_lifetime: null } : {}),
    backoff: () => RECONNECT_S,
    fetch_types: false,
    onnotice: () => {},
    types: {
      long: { to: INT8, from: [INT8], serialize: String, parse: Number },
    },
    connection: {
      application_name: options.role,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      ...options.settings,
    },
  });
}

/**
 * Resolves once the server has answered. A proxy with nothing behind it takes connections and ends them, and then
 * postgres.js would connect without a pause and for ever, so this ends the pool after a while.
 */
export async function reach(sql: Client, name: string): Promise<void> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void sql.end({ timeout: 0 });
  }, REACH_TIMEOUT_MS);
  try {
    await sql`SELECT 1`;
  } catch (error) {
    if (!isLate) throw error;
    const told = `no PostgreSQL answered within ${REACH_TIMEOUT_MS / 1000} s, though connections are taken there`;
    throw storeFault("store/unavailable", `Cannot use ${name}: ${told}`, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a pool: in peace, unless `error`, the last that it gave, says that there is nobody to say farewell to. */
export async function close(sql: Client, error: unknown): Promise<void> {
  await sql.end({ timeout: isLost(error) ? 0 : CLOSE_TIMEOUT_S });
}

/**
 * Throws Fault<"store/unavailable"> naming the setting, where the server doesn't keep what it acknowledges. Engines
 * that only speak PostgreSQL's protocol may not know a setting; those that do say "off".
 */
export async function requireDurable(sql: Sql, name: string): Promise<void> {
  const [settings] = await sql<Record<string, string | null>[]>`SELECT
    current_setting('fsync', true) AS fsync, current_setting('full_page_writes', true) AS full_page_writes,
    current_setting('synchronous_commit', true) AS synchronous_commit`.execute();
  for (const [setting, value] of Object.entries(settings ?? {})) {
    if (value !== "off") continue;
    throw storeFault(
      "store/unavailable",
      `Refusing ${name}: its setting ${setting} is off, so it would lose acknowledged entries; set ${setting} = on`,
    );
  }
}

/** Whether an error says that the server or the way to it is gone, rather than what it found. */
export function isLost(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(CONNECTION_|CONNECT_|ECONN|EPIPE|ETIMEDOUT|08...$|57P0)/.test(code);
}

/** Whether an error says that what was read is wrong: a value that isn't one, or a server that can't read its own files. */
export function isDamage(error: unknown): boolean {
  if (isFault(error) || !(error instanceof Error && "code" in error)) return true;
  return /^(XX|58)...$/.test(String(error.code));
}

function connectionReason(code: string): string | null {
  if (code === "ECONNREFUSED") return "nothing listens there";
  if (code === "CONNECT_TIMEOUT") return `it didn't answer within ${CONNECT_TIMEOUT_S} s`;
  return /^(CONNECTION_|ECONNRESET|EPIPE)/.test(code) ? "the connection was lost" : null;
}

/** Turns what postgres.js throws into a Fault. `committing`: the commit was on its way, so it may have happened. */
export function postgresFault(
  error: unknown,
  context: { readonly name: string; readonly committing: boolean },
): Error {
  if (isFault(error)) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = connectionReason(code) ?? reasonOf(error);
  const told =
    code === "" || code === "ECONNREFUSED" || reason.includes(code) ? reason : `${reason} (${code})`;
  // The server's own refusals (five characters, SQLSTATE) say that nothing was kept, but for 08xxx and 57P0x: it went away.
  const refused = /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("08") && !code.startsWith("57P");
  if (context.committing && !refused) {
    return storeFault("store/unknown", `Cannot say whether ${context.name} kept a batch: ${told}`, error);
  }
  return storeFault("store/unavailable", `Cannot use ${context.name}: ${told}`, error);
}
