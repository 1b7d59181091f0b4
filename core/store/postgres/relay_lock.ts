/**
 * One relay at a time on a PostgreSQL database, and none where a command fills or moves it: subscribers of one would not
 * hear of what another commits. A relay holds a lock of the server's in a session of its own, and each of its
 * transactions asks whether that session is still there. The lock goes with the session; who takes it then waits for
 * the transactions that asked before.
 */
import { limit } from "../../ground/mod.ts";
import { reasonOf, storeFault, type StoreFault } from "../fault.ts";
import { type Client, connect, RELAY_ROLE, type Sql } from "./connect.ts";
import { RELAY_LOCK, whoHolds } from "./others.ts";

/** Of RELAY_LOCK: whoever has this one is the relay. */
const THE_RELAY = 0;
/** Shared by each transaction of a relay until it ends. */
const WRITING = -1;
const RETRY_MS = 200;
/** For the server to notice that a relay's machine is gone; it would take two hours by itself. */
const KEEPALIVE = { tcp_keepalives_idle: 10, tcp_keepalives_interval: 5, tcp_keepalives_count: 2 };

export class RelayLock {
  #sql: Client;
  readonly #url: string;
  readonly #name: string;
  /** Locked by the session that has THE_RELAY: no other locks a number that it drew. */
  readonly #mark = 1 + ((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % 0x7f_ff_ff_ff);
  #isTaking = false;
  #why = "";

  constructor(url: string, name: string) {
    this.#url = url;
    this.#name = name;
    this.#sql = connectAlone(url);
  }

  /** Resolves once this relay alone has the database. Throws Fault<"store/busy"> where another has it for `waitMs` from now. */
  async take(waitMs: number): Promise<void> {
    const endMs = performance.now() + waitMs;
    while (!(await this.#take())) {
      if (performance.now() >= endMs) throw this.#fault("start on");
      await Bun.sleep(RETRY_MS);
    }
  }

  /** To be sent with what a transaction does: throws Fault<"store/busy"> where the lock was lost, and sees to getting it back. */
  async require(sql: Sql): Promise<void> {
    // In this order: who finds nobody writing comes after all who found the mark in place.
    const [row] = await sql<{ isLost: boolean }[]>`
      SELECT pg_advisory_xact_lock_shared(${RELAY_LOCK}::integer, ${WRITING}::integer),
        pg_try_advisory_xact_lock_shared(${RELAY_LOCK}::integer, ${this.#mark}::integer) AS "isLost"`.execute();
    if (row?.isLost === false) return;
    this.#why ||= "the connection that kept other relays from it ended; it is being taken again";
    if (!this.#isTaking) void this.#retake();
    throw this.#fault("write to");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is under way on it, and a server that hangs keeps nobody waiting here.
    await this.#sql.end({ timeout: 0 });
  }

  #fault(verb: string): StoreFault {
    return storeFault("store/busy", `Cannot ${verb} ${this.#name}: ${this.#why}`);
  }

  async #take(): Promise<boolean> {
    const sql = this.#sql;
    const who = await takeDatabase(sql, "alone");
    if (who === null) await sql`SELECT pg_advisory_lock(${RELAY_LOCK}::integer, ${this.#mark}::integer)`;
    this.#why = who === null ? "" : `${who}, and a relay has its database for itself`;
    return who === null;
  }

  /** One try; what asks for the lock next brings another. */
  async #retake(): Promise<void> {
    const sql = this.#sql;
    // A connection that is gone without a word answers nothing.
    const timer = setTimeout(() => {
      this.#sql = connectAlone(this.#url);
      void sql.end({ timeout: 0 });
    }, limit.STORE_DEADLINE_MS);
    this.#isTaking = true;
    try {
      await this.#take();
    } catch (error) {
      this.#why = `the connection that kept other relays from it ended, and there is no new one: ${reasonOf(error)}`;
    } finally {
      clearTimeout(timer);
      this.#isTaking = false;
    }
  }
}

/** alone: nobody else has it · shared: no relay has it, though others may share it. */
export type Holding = "alone" | "shared";

/** Takes the database for the session of `sql`, its only one, until that ends. Returns who has it, in words; null where it was taken. */
export async function takeDatabase(sql: Client, how: Holding): Promise<string | null> {
  // The session rests most of the time. Older servers don't know the setting.
  await sql`SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`;
  const [server] = await sql<{ isStandby: boolean }[]>`SELECT pg_is_in_recovery() AS "isStandby"`;
  // Its locks are its own: nothing shows of who has the server that it follows.
  if (server?.isStandby === true) return "a relay may work on the server that this one is a standby of";
  const take = sql.unsafe(how === "alone" ? "pg_try_advisory_lock" : "pg_try_advisory_lock_shared");
  const [relay] = await sql<{ held: boolean }[]>`
    SELECT ${take}(${RELAY_LOCK}::integer, ${THE_RELAY}::integer) AS held`;
  if (relay?.held !== true) return whoIsThere(sql, THE_RELAY);
  const [writing] = await sql<{ quiet: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${RELAY_LOCK}::integer, ${WRITING}::integer) AS quiet`;
  return writing?.quiet === true ? null : whoIsThere(sql, WRITING);
}

async function whoIsThere(sql: Client, number: number): Promise<string> {
  return (await whoHolds(sql, number)) ?? "another relay worked on it a moment ago";
}

/** One connection for good, by which a database is taken: the lock goes with it. */
export function connectAlone(url: string, role = RELAY_ROLE): Client {
  return connect(url, { role, connections: 1, isKept: true, settings: KEEPALIVE });
}
