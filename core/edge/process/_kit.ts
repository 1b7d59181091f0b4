/** For tests: a listener with real edge processes beside it. */
import { clock, crypto, LIMITS, Log, SERVED, until } from "../_kit.ts";
import type { Access, Dialler, EdgeConnection, EdgeLimits, ProtocolTable } from "../port.ts";
import { type JoinedProcess, openSharedListener, type SharedListener } from "./shared.ts";

export interface Child {
  readonly pid: number;
  /** One end of a socket pair; the process has the other. */
  readonly fd: number;
  readonly exited: Promise<number>;
  kill(): void;
  /** Stands still with all that it holds open. */
  freeze(): void;
}

/** A process that runs runEdgeProcess(). */
export function spawnChild(): Child {
  const child = Bun.spawn([process.execPath, new URL("./_process.ts", import.meta.url).pathname], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const fd = child.stdio[3];
  if (typeof fd !== "number") throw new Error("no pair's other end");
  return {
    pid: child.pid,
    fd,
    exited: child.exited,
    kill: () => child.kill("SIGKILL"),
    freeze: () => child.kill("SIGSTOP"),
  };
}

export interface Shared extends AsyncDisposable {
  readonly listener: SharedListener;
  readonly process: JoinedProcess;
  readonly child: Child;
  readonly log: Log;
  /** Multiaddr of the first address, with /p2p/. */
  readonly address: string;
}

export interface SharedOptions {
  readonly limits?: Partial<EdgeLimits>;
  readonly access?: Access;
  readonly protocols?: ProtocolTable;
  readonly askMs?: number;
}

/** A listener on loopback with one process beside it, which serves /echo, /gush and /hold where nothing else is asked. */
export async function listenShared(options: SharedOptions = {}): Promise<Shared> {
  const { limits, access, askMs, protocols = (protocol) => SERVED.get(protocol) ?? null } = options;
  const log = new Log();
  const identity = crypto.ed25519.generate();
  const listener = await openSharedListener({
    crypto,
    identity,
    addresses: ["127.0.0.1:0"],
    limits: { ...LIMITS, ...limits },
    ...(access === undefined ? {} : { access }),
    ...(askMs === undefined ? {} : { askMs }),
    protocols,
    protocolNames: [...SERVED.keys()],
    events: log,
    clock,
  });
  const child = spawnChild();
  const joined = await listener.join(child.fd);
  await joined.listening;
  return {
    listener,
    process: joined,
    child,
    log,
    address: `${listener.addresses[0]}/p2p/${listener.peer.text}`,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await child.exited;
      identity[Symbol.dispose]();
    },
  };
}

/** Dials until a connection is one of the process's; those of the listener's own are closed. */
export async function dialInto(shared: Shared, dialler: Dialler): Promise<EdgeConnection> {
  for (;;) {
    const before = shared.process.connections;
    const connection = await dialler.dial({ address: shared.address });
    await until("it is counted", () => shared.listener.connections === dialler.connections);
    if (shared.process.connections > before) return connection;
    connection.close("elsewhere", { hard: true });
    await until("it is gone", () => shared.listener.connections === dialler.connections);
  }
}
