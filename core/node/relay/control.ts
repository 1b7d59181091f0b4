/** What a relay shows of itself: readiness, the API's answers, metrics. */
import {
  type ControlPorts,
  metricsFetch,
  type NotReady,
  openApi,
  openListener,
  type RelayStatus,
} from "../../control/mod.ts";
import type { Listener } from "../../edge/mod.ts";
import { type Clock, limit, type PublicKey } from "../../ground/mod.ts";
import type { StoreCounts } from "../../mailbox/mod.ts";
import type { Log, Telemetry } from "../../telemetry/mod.ts";
import { PROTOCOL_VERSIONS } from "../../wire/mod.ts";
import type { Config } from "../config.ts";
import { canOpenFiles } from "../open_files.ts";
import type { Pipeline } from "../pipeline.ts";

export interface ShownRelay {
  /** What is in force now. */
  readonly config: () => Config;
  readonly clock: Clock;
  readonly version: string;
  readonly identity: PublicKey;
  readonly edge: Listener;
  /** As heldBy(). */
  readonly held: () => Promise<StoreCounts | null>;
  readonly pipeline: Pipeline;
  readonly addresses: readonly string[];
}

/** What only the relay knows of its own life; set by it. */
export interface RelayState {
  started: boolean;
  draining: boolean;
}

/** The ports of the control plane over a relay's parts. */
export function controlPorts(relay: ShownRelay): {
  readonly ports: ControlPorts;
  readonly state: RelayState;
} {
  const { config, clock, version, identity, edge, pipeline, addresses, held } = relay;
  const state: RelayState = { started: false, draining: false };
  const startedMs = clock.monotonic();
  const ports: ControlPorts = {
    notReady() {
      const reasons: NotReady[] = [];
      if (!state.started) reasons.push("starting");
      if (pipeline.failure !== null) reasons.push("store");
      if (state.draining) reasons.push("draining");
      else if (!edge.isListening) reasons.push("listener");
      return reasons;
    },
    relay: () => ({
      version,
      identity: identity.toHex(),
      peerId: edge.peer.text,
      addresses,
      protocols: { "/dchat/mailbox": PROTOCOL_VERSIONS },
      limits: {
        entrySizesBytes: limit.ENTRY_SIZE_CLASSES_BYTES,
        ttlSecondsMax: Math.floor(config().relay.max_ttl / 1000),
        connectionsMax: config().relay.max_connections,
        connectionsPerAddressMax: config().relay.max_connections_per_address,
        streamsMax: config().relay.max_streams,
      },
    }),
    async status(): Promise<RelayStatus> {
      return {
        uptimeSeconds: (clock.monotonic() - startedMs) / 1000,
        store: config().database.url === undefined ? "sqlite" : "postgresql",
        connections: edge.connections,
        held: await held(),
        memoryBytes: process.memoryUsage.rss(),
      };
    },
  };
  return { ports, state };
}

export interface HttpOptions {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  readonly ports: ControlPorts;
  readonly telemetry: Telemetry;
  readonly held: ShownRelay["held"];
}

/** The API's and the metrics' listeners, by URL. */
export interface RelayHttp extends AsyncDisposable {
  readonly api: string;
  readonly metrics: string;
}

/** Opens both; throws Fault<"control/bind"> naming the one that can't be bound. */
export async function openHttp(options: HttpOptions): Promise<RelayHttp> {
  const { config, log, version, ports } = options;
  await using stack = new AsyncDisposableStack();
  const api = stack.use(
    openListener({
      name: "the API",
      ...place(config.relay.api_listen),
      fetch: openApi(ports, { version }).fetch,
      log,
      canOpen: canOpenFiles,
    }),
  );
  const metrics = stack.use(
    openListener({
      name: "metrics",
      ...place(config.relay.metrics_listen),
      fetch: metricsFetch(() => exposition(options)),
      log,
      canOpen: canOpenFiles,
    }),
  );
  const owned = stack.move();
  return { api: api.url, metrics: metrics.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function exposition({ ports, telemetry, held }: HttpOptions) {
  const { metrics } = telemetry;
  metrics.held(await held());
  metrics.ready(ports.notReady().length === 0);
  return metrics.expose();
}

function place({ host, port }: { readonly host: string; readonly port: number }) {
  return { host, port };
}
