/** nats-server as a peer, with JetStream or without, and its version; see `natsServer`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSubject, type Subject } from "./subject.ts";

export const NATS_VERSION = "2.15.2";

const cache = join(import.meta.dir, "../../node_modules/.cache/dchat");

/** The server's path, built by Go where it isn't there yet; null where Go is missing. */
export async function natsServer(): Promise<string | null> {
  const path = join(cache, `bin/nats-${NATS_VERSION}/nats-server`);
  if (existsSync(path)) return path;
  const go = Bun.which("go");
  if (go === null) return null;
  const child = Bun.spawn([go, "install", `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`], {
    env: {
      ...process.env,
      GOPATH: join(cache, "go"),
      GOCACHE: join(cache, "go-build"),
      GOBIN: join(cache, `bin/nats-${NATS_VERSION}`),
      GOFLAGS: "-modcacherw",
    },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, problems] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`go install of nats-server failed with ${code}:\n${problems}`);
  return path;
}

/** How JetStream syncs: after each message, or as it does unless told otherwise (every two minutes). */
export type NatsSync = "always" | "default";

export interface NatsHost extends AsyncDisposable {
  readonly subject: Subject;
  readonly port: number;
}

export interface NatsOptions {
  readonly path: string;
  /** For its configuration, its log, and JetStream's store. */
  readonly dir: string;
  /** Without it there is no JetStream: messages are forwarded and nothing is kept. */
  readonly sync?: NatsSync;
}

/** Starts nats-server on a free port; it listens when this resolves. */
export async function openNats(options: NatsOptions): Promise<NatsHost> {
  const port = freePort();
  const config = [
    `listen: "127.0.0.1:${port}"`,
    "max_connections: 65536",
    ...(options.sync === undefined ? [] : jetStream(options.dir, options.sync)),
  ].join("\n");
  const file = join(options.dir, "nats.conf");
  await Bun.write(file, `${config}\n`);
  const subject = openSubject([options.path, "-c", file, "-l", join(options.dir, "nats.log")]);
  for (let tries = 0; tries < 200; tries += 1) {
    if (await listens(port)) break;
    await Bun.sleep(25);
  }
  return { subject, port, [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose]() };
}

function jetStream(dir: string, sync: NatsSync): string[] {
  return [
    "jetstream {",
    `  store_dir: "${dir}"`,
    "  max_file_store: 16GB",
    ...(sync === "always" ? ["  sync_interval: always"] : []),
    "}",
  ];
}

function freePort(): number {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  return server.port;
}

async function listens(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
