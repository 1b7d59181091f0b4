/**
 * The log: pino, written synchronously, so that the last line before a crash is there; pretty in process.
 *
 * What it never holds: mailbox ids, keys, entries, PeerIds, addresses of devices. Fields are plain values only, and
 * bytes show as "[bytes]". Errors show their code and message; stacks from level debug on.
 */
import pino, { type DestinationStream, type Logger } from "pino";
import { isFault } from "../ground/mod.ts";
import { pretty } from "./pretty.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

export type Fields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** Where a module writes what operators should know. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  /** `error`'s code and message go along; its stack at level debug. */
  error(message: string, error: unknown, fields?: Fields): void;
  /** The same log with the module's name on each line. */
  child(module: string): Log;
  /** Changes the level of this log and all its children. */
  setLevel(level: LogLevel): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** File descriptor: 1 for a relay, 2 where stdout carries data. */
  readonly to: 1 | 2;
  readonly colour?: boolean;
}

/** Opens the log of a process. */
export function openLog(options: LogOptions): Log {
  return logTo(destination(options), options.level);
}

/** A log that writes pino's JSON lines to `stream`. */
export function logTo(stream: DestinationStream, level: LogLevel): Log {
  const root = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } },
    stream,
  );
  const all = new Set<WeakRef<Logger>>([new WeakRef(root)]);
  return wrap(root, all);
}

function destination({ format, to, colour = false }: LogOptions): DestinationStream {
  const out = pino.destination({ dest: to, sync: true });
  // Whoever read the log went away: a relay goes on without.
  out.on("error", () => {});
  return format === "json" ? out : { write: (line) => void out.write(pretty(line, { colour })) };
}

function levelName(level: string): object {
  return { level };
}

function wrap(logger: Logger, all: Set<WeakRef<Logger>>): Log {
  return {
    debug: (message, fields) => logger.debug(clean(fields), message),
    info: (message, fields) => logger.info(clean(fields), message),
    warn: (message, fields) => logger.warn(clean(fields), message),
    error: (message, error, fields) => {
      const stack =
        logger.isLevelEnabled("debug") && error instanceof Error ? { stack: masked(error.stack ?? "") } : {};
      logger.error({ ...clean(fields), ...described(error), ...stack }, message);
    },
    child: (module) => {
      const child = logger.child({ module });
      all.add(new WeakRef(child));
      return wrap(child, all);
    },
    setLevel: (level) => {
      for (const each of all) {
        const logger = each.deref();
        if (logger === undefined) all.delete(each);
        else logger.level = level;
      }
    },
  };
}

function described(error: unknown): Fields {
  if (isFault(error)) return { code: error.code, reason: masked(error.message) };
  return { reason: masked(error instanceof Error ? `${error.name}: ${error.message}` : String(error)) };
}

/**
 * Messages are written for operators; one that names a mailbox, a key or a peer is not written down as it is. Whatever
 * stands before it: PostgreSQL writes bytes as \x and their hex.
 */
export function masked(text: string): string {
  return text
    .replace(/[0-9a-fA-F]{32,}/g, "[id]")
    .replace(/(?:12D3Koo|16Uiu2|Qm)[1-9A-HJ-NP-Za-km-z]{30,}/g, "[peer]");
}

/** Types keep objects and bytes out; this holds where types were got around. */
function clean(fields: Fields = {}): Record<string, unknown> {
  const cleaned: Record<string, unknown> = {};
  for (const [name, value] of Object.entries<unknown>(fields)) {
    const bytes = ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
    cleaned[name] = bytes ? "[bytes]" : Array.isArray(value) ? value.map(String) : plain(value);
  }
  return cleaned;
}

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null ? "[object]" : value;
}
