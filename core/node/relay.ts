/**
 * A relay process, assembled: data directory and keys, store, pipeline, listeners for devices, the control plane
 * and metrics, relay.json. One stack owns all of it and closes it in the reverse order.
 */
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import type { NotReady } from "../control/mod.ts";
import type { EdgeLimits, Listener, ListenOptions } from "../edge/mod.ts";
import { type Clock, limit } from "../ground/mod.ts";
import { peerIdFromPublicKey } from "../link/mod.ts";
import type { MailboxStore } from "../mailbox/mod.ts";
import { type Log, openTelemetry, type Telemetry } from "../telemetry/mod.ts";
import { PROTOCOL_ID } from "../wire/mod.ts";
import type { Config } from "./config.ts";
import { openDataDir, publishRelay, type RelayFile } from "./data_dir.ts";
import { type EdgeOptions, openEdge } from "./edge_processes.ts";
import { heldBy, openHeldCounts } from "./held_counts.ts";
import { budgetTooSmall, requireBudget } from "./memory_budget.ts";
import { connectionRoom, openFilesWarning } from "./open_files.ts";
import { Pipeline } from "./pipeline.ts";
import type { Rates } from "./pipeline/rate.ts";
import { controlPorts, openHttp } from "./relay/control.ts";
import { keepProbing } from "./relay/probe.ts";
import type { RelayKeys } from "./relay/keys.ts";
import { openOwnKeys, openOwnStore, refuseEmptied, storeLocation } from "./relay/store.ts";
import { openSweeper } from "./relay/sweep.ts";
import { readTls, watchTls } from "./tls.ts";
import { openTogether } from "./together.ts";
import { within } from "./within.ts";

export interface RelayOptions {
  readonly config: Config;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--passphrase-file`, where the relay's identity is sealed. */
  readonly passphraseFile: string | undefined;
  /** What starts an edge process; see edge_processes.ts. */
  readonly edgeCommand: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
}

/** A relay that runs. Dispose ends it at once, still consistent; `stop` before it lets devices go in peace. */
export interface Relay extends AsyncDisposable {
  readonly file: RelayFile;
  readonly dataDir: string;
  /** Why it isn't ready, as /ready has it; empty where it is. */
  readonly notReady: readonly NotReady[];
  /** Not ready, no new connections, what was taken is finished, devices are told to go; at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
  /** Takes what may change while running from a new configuration. */
  reconfigure(config: Config): void;
}

/**
 * Opens everything; resolves when the relay runs and listens, ready or not. Throws Fault with what stands in the way: "data/…",
 * "edge/bind", "control/bind", "store/…", "secret/…", "identity/…".
 */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  await using stack = new AsyncDisposableStack();
  const { log, clock, version } = options;
  let { config } = options;
  const dir = stack.use(openDataDir(options.dataDir));
  if (dir.warning !== null) log.warn(dir.warning);
  const room = openFilesRoom(config, log);
  const telemetry = openTelemetry({ log, clock, version });
  const location = storeLocation(config, dir.path);
  refuseEmptied(location, dir.path);
  const [crypto, store] = await openTogether(stack, [
    openCrypto({ backends: config.crypto.backends, needs: [] }),
    openOwnStore(location, log),
  ]);
  if (config.crypto.backends !== "fast") log.info("cryptography", { backends: [...crypto.backends] });
  const keys = stack.use(await openOwnKeys(store, { ...options, crypto, dataDir: dir.path }));
  // Whoever listens knows; the pipeline is there before.
  const memory = { isFull: () => false };
  const slowReaderTimeoutMs = () => config.relay.slow_reader_timeout;
  const pipeline = openPipeline({ ...options, crypto, store, keys, telemetry, memory, slowReaderTimeoutMs });
  stack.use(openSweep({ store, clock, telemetry, pipeline }));
  stack.use(keepProbing({ pipeline }));
  requireBudget(config.relay.max_memory);
  const edge = await openEdge(stack, edgeOptions({ ...options, crypto, keys, pipeline, telemetry, room }));
  memory.isFull = () => edge.isMemoryFull;
  stack.use(renewTls(config, { edge, log }));
  const addresses = dialable(config.relay.announce, edge);
  const held = heldBy({ store: openHeldCounts(store, clock), clock });
  const control = controlPorts({
    config: () => config,
    clock,
    version,
    identity: keys.identity,
    edge,
    held,
    pipeline,
    addresses,
  });
  const http = stack.use(await openHttp({ config, log, version, ports: control.ports, telemetry, held }));
  const { api, metrics } = http;
  const file: RelayFile = { pid: process.pid, peerId: edge.peer.text, addresses, api, metrics };
  // Whoever finds it asks at once whether it is ready, and a disk that is full already is no news to come.
  await pipeline.probe();
  stack.use(publishRelay(dir, file));
  control.state.started = true;
  const owned = stack.move();
  return {
    file,
    dataDir: dir.path,
    get notReady() {
      return control.ports.notReady();
    },
    async stop(graceMs) {
      control.state.draining = true;
      log.info("relay stopping", { connections: edge.connections, graceMs });
      await drain({ edge, pipeline, clock }, graceMs);
    },
    reconfigure(changed) {
      warnOfBudget(log, { before: config, changed });
      config = changed;
      edge.setLimits(edgeLimits(changed, room));
      pipeline.setRates(commandRates(changed));
      edge.setAccess({ allow: changed.relay.allow, deny: changed.relay.deny });
      log.setLevel(changed.log.level);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** No new connections, what was taken is finished, and devices go. */
async function drain(
  { edge, pipeline, clock }: { edge: Listener; pipeline: Pipeline; clock: Clock },
  graceMs: number,
): Promise<void> {
  const deadlineMs = clock.monotonic() + graceMs;
  edge.stopAccepting();
  await within(graceMs, pipeline.drain());
  for (const connection of edge) connection.close("the relay is stopping");
  await edge.drain(deadlineMs);
}

interface PipelineParts extends Pick<RelayOptions, "config" | "clock"> {
  readonly crypto: Crypto;
  readonly store: MailboxStore;
  readonly keys: RelayKeys;
  readonly telemetry: Telemetry;
  readonly memory: { readonly isFull: () => boolean };
  readonly slowReaderTimeoutMs: () => number;
}

function openPipeline(parts: PipelineParts): Pipeline {
  const { config, clock, crypto, store, keys, telemetry, memory, slowReaderTimeoutMs } = parts;
  const peer = peerIdFromPublicKey(keys.node.publicKey);
  return new Pipeline({
    crypto,
    store,
    clock,
    certificate: () => keys.certificate(peer.bytes),
    headKey: keys.head,
    ttlMsMax: config.relay.max_ttl,
    rates: commandRates(config),
    isMemoryFull: () => memory.isFull(),
    slowReaderTimeoutMs,
    events: telemetry.pipeline,
    deliveryEvents: telemetry.delivery,
  });
}

type Swept = Pick<PipelineParts, "store" | "clock" | "telemetry"> & { readonly pipeline: Pipeline };

function openSweep({ store, clock, telemetry, pipeline }: Swept): AsyncDisposable {
  const { log, metrics } = telemetry;
  return openSweeper({
    store,
    clock,
    error(error) {
      telemetry.error("sweep", error);
      pipeline.heard(error);
    },
    halted(byMs) {
      metrics.expiryHalted(true);
      log.warn(
        "expiry halts: the clock jumped ahead; set it right, or start the relay again where it is right now",
        { byMs, settlesMs: limit.CLOCK_SETTLE_MS },
      );
    },
    resumed() {
      metrics.expiryHalted(false);
      log.info("expiry goes on");
    },
  });
}

/** The part of all connections that one process holds where the kernel spreads them evenly. */
/** As connectionRoom(); warns where it is less than what was asked for. */
function openFilesRoom({ relay }: Config, log: Log): number | null {
  const crowded = openFilesWarning(Math.ceil(relay.max_connections / relay.edge_processes));
  if (crowded !== null) log.warn(crowded);
  return connectionRoom();
}

interface EdgeParts extends Pick<RelayOptions, "config" | "clock" | "edgeCommand" | "env"> {
  readonly crypto: Crypto;
  readonly keys: RelayKeys;
  readonly pipeline: Pipeline;
  readonly telemetry: Telemetry;
  /** As connectionRoom(). */
  readonly room: number | null;
}

function edgeOptions(parts: EdgeParts): EdgeOptions {
  const { config, edgeCommand, env, telemetry } = parts;
  return {
    listen: listenOptions(parts),
    processes: config.relay.edge_processes,
    command: [...edgeCommand, `--backends=${config.crypto.backends}`],
    env,
    telemetry,
  };
}

function listenOptions(parts: EdgeParts): ListenOptions {
  const { config, crypto, clock, keys, pipeline, telemetry, room } = parts;
  const { announce, listen } = config.relay;
  const tls = readTls(config);
  return {
    ...(tls === null ? {} : { tls }),
    crypto,
    identity: keys.node,
    addresses: listen,
    ...(announce.length === 0 ? {} : { announce }),
    limits: edgeLimits(config, room),
    access: { allow: config.relay.allow, deny: config.relay.deny },
    protocols: pipeline.protocols,
    protocolNames: [PROTOCOL_ID],
    events: telemetry.edge,
    clock,
  };
}

/** Shows a certificate that was renewed, and keeps the old one where the new doesn't load. */
function renewTls(config: Config, { edge, log }: { edge: Listener; log: Log }): Disposable {
  return watchTls(config, {
    onChange(tls) {
      edge.setTls(tls);
      log.info("the TLS certificate was renewed");
    },
    onRefused: (error) => log.error("the new TLS certificate doesn't load; the old one stays", error),
    onRestored: () => log.info("the TLS certificate's files are again those of the one that is shown"),
  });
}

/** `room` is how many connections a process has room for, where that is known: files that ran out would stop all else. */
function edgeLimits({ relay }: Config, room: number | null): EdgeLimits {
  return {
    connectionsMax: Math.min(relay.max_connections, (room ?? Infinity) * relay.edge_processes),
    connectionsPerAddressMax: relay.max_connections_per_address,
    connectionsPerSubnetMax: relay.max_connections_per_subnet,
    connectionsPerPeerMax: relay.max_connections_per_peer,
    // The edge's own default leaves loopback aside; what an operator sets holds for everybody.
    ...(relay.max_accepts_per_second === undefined
      ? {}
      : { acceptsPerSecondMax: relay.max_accepts_per_second }),
    memoryBytesMax: relay.max_memory,
    handshakesMax: relay.max_handshakes,
    streamsMax: relay.max_streams,
    streamOpensPerSecond: relay.max_stream_opens_per_second,
    streamWindowBytes: relay.stream_window,
    streamFrameBytesMax: relay.max_stream_frame,
    outputBytesMax: relay.max_output,
    handshakeTimeoutMs: relay.handshake_timeout,
    keepaliveIntervalMs: relay.keepalive_interval,
    keepaliveTimeoutMs: relay.keepalive_timeout,
    slowReaderTimeoutMs: relay.slow_reader_timeout,
  };
}

function commandRates({ relay }: Config): Rates {
  return {
    creates: relay.max_creates_per_second,
    appends: relay.max_appends_per_second,
    appendBytes: relay.max_append_bytes_per_second,
    reads: relay.max_reads_per_second,
    subscribes: relay.max_subscribes_per_second,
  };
}

/** Says so where a new memory budget is one that is full already. */
function warnOfBudget(log: Log, { before, changed }: { before: Config; changed: Config }): void {
  const bytesMax = changed.relay.max_memory;
  if (bytesMax === before.relay.max_memory) return;
  const reason = budgetTooSmall(bytesMax, process.memoryUsage.rss());
  if (reason !== null) log.warn(reason);
}

/** What others can dial, each with /p2p/. */
function dialable(announced: readonly string[], edge: Listener): readonly string[] {
  const addresses = announced.length === 0 ? edge.addresses : announced;
  return addresses.map((each) => (each.includes("/p2p/") ? each : `${each}/p2p/${edge.peer.text}`));
}
