/**
 * The processes that hold connections of devices beside the relay's own: started with it, started again when they
 * die, gone when it is. Each has one end of a socket pair as file 3; nothing is told by arguments or environment.
 */
import type { JoinedProcess, Listener, ListenOptions, SharedListener, Usage } from "../edge/mod.ts";
import { openListener, openSharedListener } from "../edge/mod.ts";
import { assert, limit } from "../ground/mod.ts";
import type { Telemetry } from "../telemetry/mod.ts";
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
  readonly telemetry: Pick<Telemetry, "log" | "error" | "metrics">;
}

/** Listens for devices in as many processes as are asked for; throws as openListener() does. `stack` owns all of it. */
export async function openEdge(stack: AsyncDisposableStack, options: EdgeOptions): Promise<Listener> {
  if (options.processes === 1) return stack.use(await openListener(options.listen));
  const listener = stack.use(await openSharedListener(options.listen));
  const places = Array.from({ length: options.processes - 1 }, (_, at) =>
    stack.use(new Place(at + 1, listener, options)),
  );
  await Promise.all(places.map((place) => place.fill()));
  return listener;
}

type Joining = Pick<SharedListener, "join" | "accepting">;
type Child = Bun.Subprocess<"ignore", "ignore", "inherit">;

/** Where one edge process is, or the next; exported for tests. */
export class Place implements AsyncDisposable {
  readonly #number: number;
  readonly #listener: Joining;
  readonly #options: EdgeOptions;
  #child: Child | null = null;
  #waiting: ReturnType<typeof setTimeout> | null = null;
  #pauseMs = limit.EDGE_RESTART_MS_MIN;
  #closed = false;

  constructor(number: number, listener: Joining, options: EdgeOptions) {
    this.#number = number;
    this.#listener = listener;
    this.#options = options;
  }

  /** Starts a process and resolves when it takes connections. Throws Fault<"edge/bind">. */
  async fill(): Promise<void> {
    const { process, pid } = await this.#start();
    await process.listening;
    this.#options.telemetry.log.info("edge process started", { process: pid });
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

  async #start(): Promise<{ process: JoinedProcess; pid: number }> {
    const child = spawn(this.#options);
    this.#child = child;
    const fd = child.stdio[PIPE_FD];
    assert(typeof fd === "number", "the fourth file of an edge process is a pair's other end");
    const process = await this.#join(child, fd);
    const startedMs = performance.now();
    void process.ended.then((reason) => this.#ended(child, { reason, startedMs }));
    return { process, pid: child.pid };
  }

  /** A process that can't be joined is gone before the failure is told, or nothing would bring the next. */
  async #join(child: Child, fd: number): Promise<JoinedProcess> {
    try {
      return await this.#listener.join(fd, { used: (usage) => this.#used(usage) });
    } catch (error) {
      child.kill("SIGKILL");
      await child.exited;
      this.#child = null;
      throw error;
    }
  }

  async #ended(child: Child, { reason, startedMs }: { reason: string; startedMs: number }): Promise<void> {
    await within(EXIT_MS, child.exited);
    child.kill("SIGKILL");
    await child.exited;
    this.#used(null);
    if (this.#closed || !this.#listener.accepting) return;
    // One that ran for long is followed at once; one that can't run isn't started all the time.
    if (performance.now() - startedMs > limit.EDGE_RESTART_MS_MAX) this.#pauseMs = limit.EDGE_RESTART_MS_MIN;
    this.#failed(
      new Error(`process ${child.pid} ended (${child.signalCode ?? `code ${child.exitCode}`}: ${reason})`),
    );
    this.#again();
  }

  #again(): void {
    if (this.#closed || !this.#listener.accepting) return;
    this.#waiting = setTimeout(() => void this.#refill(), this.#pauseMs);
    this.#pauseMs = Math.min(limit.EDGE_RESTART_MS_MAX, this.#pauseMs * 2);
  }

  async #refill(): Promise<void> {
    const child = this.#child;
    try {
      await this.fill();
    } catch (error) {
      this.#failed(error);
      // One that was joined ends, and that brings the next; where none was, nothing else would.
      if (this.#child === null || this.#child === child) this.#again();
    }
  }

  #used(usage: Usage | null): void {
    this.#options.telemetry.metrics.edgeProcess(this.#number, usage);
  }

  #failed(error: unknown): void {
    this.#options.telemetry.error("edge_process", error);
  }
}

function spawn({ command, env }: EdgeOptions): Child {
  const passed = ENVIRONMENT.map((name) => [name, env[name]] as const);
  return Bun.spawn([...command], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    env: Object.fromEntries(passed.filter(([, value]) => value !== undefined)),
  });
}
