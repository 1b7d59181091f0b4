/**
 * The processes that hold connections of devices beside the relay's own: started with it, started again when they
 * die, gone when it is. Each has one end of a socket pair as file 3; nothing is told by arguments or environment.
 */
import type { Listener, ListenOptions, SharedListener } from "../edge/mod.ts";
import { openListener, openSharedListener } from "../edge/mod.ts";
import { assert, limit } from "../ground/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { within } from "./within.ts";

/** The file by which an edge process reaches its relay. */
export const PIPE_FD = 3;
/** What an edge process gets of the relay's environment: nothing of it is secret, and it reads no settings. */
const ENVIRONMENT = ["HOME", "PATH", "TMPDIR"];
/** One that has its pipe closed ends by itself, and is ended after this. */
const EXIT_MS = 1000;

export interface EdgeOptions {
  readonly listen: ListenOptions;
  /** In all, this one among them. */
  readonly processes: number;
  /** Starts an edge process. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** Listens for devices in as many processes as are asked for; throws as openListener() does. `stack` owns all of it. */
export async function openEdge(stack: AsyncDisposableStack, options: EdgeOptions): Promise<Listener> {
  if (options.processes === 1) return stack.use(await openListener(options.listen));
  const listener = stack.use(await openSharedListener(options.listen));
  const places = Array.from({ length: options.processes - 1 }, () => stack.use(new Place(listener, options)));
  await Promise.all(places.map((place) => place.fill()));
  return listener;
}

type Child = Bun.Subprocess<"ignore", "ignore", "inherit">;

/** Where one edge process is, or the next. */
class Place implements AsyncDisposable {
  readonly #listener: SharedListener;
  readonly #options: EdgeOptions;
  #child: Child | null = null;
  #waiting: ReturnType<typeof setTimeout> | null = null;
  #pauseMs = limit.EDGE_RESTART_MS_MIN;
  #closed = false;

  constructor(listener: SharedListener, options: EdgeOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  /** Starts a process and resolves when it takes connections. Throws Fault<"edge/bind">. */
  async fill(): Promise<void> {
    const child = spawn(this.#options);
    this.#child = child;
    const fd = child.stdio[PIPE_FD];
    assert(typeof fd === "number", "the fourth file of an edge process is a pair's other end");
    const process = await this.#listener.join(fd);
    const startedMs = performance.now();
    void process.ended.then((reason) => this.#ended(child, { reason, startedMs }));
    await process.listening;
    this.#options.log.info("edge process started", { process: child.pid });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    const child = this.#child;
    if (child === null) return;
    await within(EXIT_MS, child.exited);
    child.kill("SIGKILL");
    await child.exited;
  }

  async #ended(child: Child, { reason, startedMs }: { reason: string; startedMs: number }): Promise<void> {
    await within(EXIT_MS, child.exited);
    child.kill("SIGKILL");
    if (this.#closed || !this.#listener.accepting) return;
    const { log } = this.#options;
    // One that ran for long starts anew at once; one that can't run isn't started all the time.
    const ranMs = performance.now() - startedMs;
    if (ranMs > limit.EDGE_RESTART_MS_MAX) this.#pauseMs = limit.EDGE_RESTART_MS_MIN;
    const how = { process: child.pid, code: child.exitCode, signal: child.signalCode, reason };
    log.error("edge process ended; another is started", null, { ...how, inMs: this.#pauseMs });
    this.#waiting = setTimeout(() => void this.#refill(), this.#pauseMs);
    this.#pauseMs = Math.min(limit.EDGE_RESTART_MS_MAX, this.#pauseMs * 2);
  }

  async #refill(): Promise<void> {
    try {
      await this.fill();
    } catch (error) {
      this.#options.log.error("an edge process can't be started", error);
    }
  }
}

function spawn({ command, env }: EdgeOptions): Child {
  const passed = ENVIRONMENT.map((name) => [name, env[name]] as const);
  return Bun.spawn([...command], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    env: Object.fromEntries(passed.filter(([, value]) => value !== undefined)),
  });
}
