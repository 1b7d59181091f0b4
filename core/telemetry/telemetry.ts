/**
 * One object that listens to every part of a relay. Its members have the shapes of the parts' events ports
 * (EdgeEvents, PipelineEvents, DeliveryEvents), which live where this folder can't import them; node wires them,
 * and the compiler holds the shapes equal there.
 */
import { type Clock, isFault } from "../ground/mod.ts";
import type { Op, Refusal, Reply } from "../wire/mod.ts";
import { type Log, masked } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { Quiet } from "./quiet.ts";

export interface EdgeListening {
  opened(): void;
  closed(connection: unknown, reason: string): void;
  failed(reason: string, times?: number): void;
  limited(limit: string, remoteAddress?: string, times?: number): void;
  bytes(received: number, sent: number): void;
  error(error: unknown): void;
}

export interface PipelineListening {
  received(op: Op, bytes: number): void;
  answered(op: Op, ms: number): void;
  refused(code: Refusal["code"]): void;
  limited(limit: string): void;
  sent(reply: Reply["is"], bytes: number): void;
  committed(batch: { commands: number; kept: number; ms: number }): void;
  error(error: unknown): void;
  storeFailed(error: unknown): void;
  storeWorks(): void;
}

export interface DeliveryListening {
  delivered(bytes: number): void;
  subscribed(open: number): void;
  error(error: unknown): void;
}

export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly edge: EdgeListening;
  readonly pipeline: PipelineListening;
  readonly delivery: DeliveryListening;
  /** Counts and logs what went wrong in `where`; the same again and again is logged once a while. */
  error(where: string, error: unknown): void;
}

export interface TelemetryOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
}

/** A reader who is slower than his relay is nothing to warn of; who is so for too long is turned away by another limit. */
const HOLDS_UP = "LINK_OUTPUT_MARK_BYTES";

/** Ties the parts' events to metrics and log. */
export function openTelemetry({ log, clock, version }: TelemetryOptions): Telemetry {
  const metrics = new Metrics({ version, startedMs: clock.now() });
  const quiet = new Quiet(clock);
  const limited = (limit: string, whom: string, came = 1): void => {
    metrics.limited(limit, came);
    if (limit === HOLDS_UP) return;
    const times = quiet.ask(`limit ${limit}`, came);
    if (times > 0) log.warn(`a limit turned ${whom} away`, { limit, times });
  };
  /** Whether it was written. */
  const error = (where: string, problem: unknown): boolean => {
    metrics.error(where);
    const times = quiet.ask(`${where} ${isFault(problem) ? problem.code : String(problem)}`);
    if (times > 0) log.error(`${where} failed`, problem, times > 1 ? { where, times } : { where });
    return times > 0;
  };
  // Of a store that comes and goes not each time is said.
  let saidStoreFailed = false;
  return {
    log,
    metrics,
    error: (where, problem) => void error(where, problem),
    edge: edgeListening({ log, metrics, limited: (limit, _, times) => limited(limit, "connections", times) }),
    pipeline: {
      received: (op) => metrics.command(op),
      answered: (op, ms) => metrics.answered(op, ms),
      refused: (code) => metrics.refused(code),
      limited: (limit) => limited(limit, "commands"),
      sent: (reply) => metrics.sent(reply),
      committed: (batch) => metrics.committed(batch),
      error: (problem) => void error("pipeline", problem),
      storeFailed: (problem) => {
        saidStoreFailed = error("store", problem) || saidStoreFailed;
      },
      storeWorks: () => {
        if (saidStoreFailed) log.info("the store writes again");
        saidStoreFailed = false;
      },
    },
    delivery: {
      delivered: () => {},
      subscribed: (open) => metrics.subscriptions(open),
      error: (problem) => void error("delivery", problem),
    },
  };
}

/** Peers cause errors at will, so those of the edge are counted, and logged at level debug only. */
function edgeListening({
  log,
  metrics,
  limited,
}: {
  log: Log;
  metrics: Metrics;
  limited: EdgeListening["limited"];
}): EdgeListening {
  return {
    opened: () => metrics.connectionOpened(),
    closed: (_, reason) => metrics.connectionClosed(reason),
    failed: (reason, times) => metrics.handshakeFailed(reason, times),
    limited,
    bytes: (received, sent) => metrics.bytes(received, sent),
    error: (problem) => {
      metrics.error("edge");
      log.debug("a connection failed", {
        reason: masked(problem instanceof Error ? problem.message : String(problem)),
      });
    },
  };
}
