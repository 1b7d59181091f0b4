/** An HTTP listener that comes back by itself when it is lost: the data plane doesn't depend on it. */
import { Fault } from "../ground/mod.ts";

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
  /** How often it is looked after. */
  readonly checkMs?: number;
}

export interface HttpListener extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, the port resolved. */
  readonly url: string;
}

const CHECK_MS = 5_000;
const STOP_GRACE_MS = 1_000;
/** Requests have no body to speak of; a relay isn't to be filled by its probes. */
const REQUEST_BYTES_MAX = 64 * 1024;

/**
 * Listens and, from then on, tries itself now and then: a listener that is gone is opened again on the same port.
 * Throws Fault<"control/bind"> where the first bind fails. Dispose lets answers under way finish for a second.
 */
export function openListener(options: ListenerOptions): HttpListener {
  let server = serve(options, options.port);
  const port = server.port ?? options.port;
  let lost = false;
  let closed = false;
  const check = async (): Promise<void> => {
    if (closed || (await answers(options.host, port)) || closed) return;
    if (!lost) options.log.warn(`${options.name} lost its listener; opening it again`, { port });
    lost = true;
    void server.stop(true);
    server = serve(options, port);
    lost = false;
    options.log.info(`${options.name} listens again`, { port });
  };
  const timer = setInterval(() => {
    check().catch((error: unknown) => options.log.error(`${options.name} can't be opened again yet`, error));
  }, options.checkMs ?? CHECK_MS);
  timer.unref();
  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearInterval(timer);
      const hard = setTimeout(() => void server.stop(true), STOP_GRACE_MS);
      await server.stop();
      clearTimeout(hard);
    },
  };
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
  const code = error instanceof Error && "code" in error ? error.code : "";
  const why =
    code === "EADDRINUSE"
      ? "the port is taken"
      : code === "EACCES"
        ? "permission denied; ports below 1024 need a privilege"
        : code === "EADDRNOTAVAIL"
          ? "this machine has no such address"
          : error instanceof Error
            ? error.message
            : String(error);
  return new Fault("control/bind", `Cannot listen on ${address} for ${name}: ${why}`, { cause: error });
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
