/** An HTTP listener that comes back by itself when it is lost: the data plane doesn't depend on it. */
import { bindReason, Fault, limit } from "../ground/mod.ts";

export type ControlCode = "control/bind";

/** As the log of telemetry; this folder can't import it. */
export interface ControlLog {
  warn(message: string, fields?: Readonly<Record<string, string | number>>): void;
  info(message: string, fields?: Readonly<Record<string, string | number>>): void;
  error(message: string, error: unknown): void;
}

export interface ListenerOptions {
  /** What listens, for messages: "the API". */
  readonly name: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly log: ControlLog;
  /** Whether this process can open so many more files now. */
  readonly canOpen: (files: number) => boolean;
  /** How often it is looked whether files can be opened; every fifth time also whether it still listens. */
  readonly lookMs?: number;
}

export interface HttpListener extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, the port resolved. */
  readonly url: string;
}

const CHECK_LOOKS = 5;
const STOP_GRACE_MS = 1_000;
/** Looks in a row that found no file: by the second the listeners for devices have given up theirs. */
const SHORT_LOOKS = 2;
/** Requests have no body to speak of; a relay isn't to be filled by its probes. */
const REQUEST_BYTES_MAX = 64 * 1024;

type Server = ReturnType<typeof serve>;

/**
 * Listens and, from then on, looks after itself. Where this process can open no more files it stops listening, since
 * the runtime would try without end to accept whoever knocks, and listens again when there is room; whoever is
 * connected is answered meanwhile. A listener that is gone is opened again on the same port. Throws
 * Fault<"control/bind"> where the first bind fails. Dispose lets answers under way finish for a second.
 */
export function openListener(options: ListenerOptions): HttpListener {
  const server = serve(options, options.port);
  const { host } = options;
  const port = server.port ?? options.port;
  const kept = new KeptListener({ ...options, port }, server);
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}

/** A bound port, and what becomes of it. */
class KeptListener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Null while it doesn't listen. */
  #server: Server | null;
  /** Those that listen no more and still answer somebody. */
  readonly #leaving = new Set<Server>();
  #looks = 0;
  #shortLooks = 0;
  #closed = false;

  constructor(options: ListenerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#timer = setInterval(() => this.#look(), options.lookMs ?? limit.OPEN_FILES_LOOK_MS);
    this.#timer.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    const all = [...this.#leaving, ...(this.#server === null ? [] : [this.#server])];
    const hard = setTimeout(() => all.forEach((server) => void server.stop(true)), STOP_GRACE_MS);
    await Promise.all(all.map((server) => server.stop()));
    clearTimeout(hard);
  }

  #look(): void {
    const { name, port, log, canOpen } = this.#options;
    this.#shortLooks = this.#server === null || canOpen(1) ? 0 : this.#shortLooks + 1;
    if (this.#server !== null && this.#shortLooks >= SHORT_LOOKS) {
      log.warn(`${name} stops listening, since this process can open no more files`, { port });
      this.#leave(this.#server);
    }
    this.#looks += 1;
    if (this.#looks % CHECK_LOOKS !== 0 || this.#shortLooks > 0) return;
    this.#check().catch((error: unknown) => log.error(`${name} can't be opened again yet`, error));
  }

  async #check(): Promise<void> {
    const { host, port, canOpen, name, log } = this.#options;
    if (this.#server !== null) {
      // Where no file can be opened it can't be asked either.
      if ((await answers(host, port)) || this.#closed || this.#server === null || !canOpen(1)) return;
      log.warn(`${name} lost its listener; opening it again`, { port });
      void this.#server.stop(true);
      this.#server = null;
    }
    // There is room for a few who knock, not for the first of them alone.
    if (canOpen(limit.OPEN_FILES_SPARE)) this.#listen();
  }

  #listen(): void {
    const { name, port, log } = this.#options;
    this.#server = serve(this.#options, port);
    log.info(`${name} listens again`, { port });
  }

  #leave(server: Server): void {
    this.#server = null;
    this.#leaving.add(server);
    void server.stop().finally(() => this.#leaving.delete(server));
  }
}

function serve({ name, host, fetch, log }: ListenerOptions, port: number) {
  try {
    return Bun.serve({
      hostname: host,
      port,
      fetch,
      idleTimeout: 30,
      maxRequestBodySize: REQUEST_BYTES_MAX,
      error(error) {
        log.error(`${name} failed to answer`, error);
        return Response.json({ error: "internal" }, { status: 500 });
      },
    });
  } catch (error) {
    throw bindFault(`${host}:${port}`, name, error);
  }
}

function bindFault(address: string, name: string, error: unknown): Fault<ControlCode> {
  const told = `Cannot listen on ${address} for ${name}: ${bindReason(error)}`;
  return new Fault("control/bind", told, { cause: error });
}

/** Whether somebody listens there: the kernel answers for a busy process too. */
async function answers(host: string, port: number): Promise<boolean> {
  const hostname = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  try {
    const socket = await Bun.connect({ hostname, port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
