/**
 * The relay's metrics: a chosen list, registered once, label children made once. Names and labels are public: a
 * dashboard stands on them, so what is here stays. No label holds an address, a peer, a mailbox or a key.
 */
import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import type { Op, Refusal, Reply } from "../wire/mod.ts";
import { BoundedLabels } from "./label.ts";

/** What a store holds; asked for when somebody reads the metrics. */
export interface Held {
  readonly mailboxes: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What a process has used since it started, and holds now. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

const LATENCY_BUCKETS_S = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2.5, 5, 10,
];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Every metric of a relay. Counting allocates nothing; `expose` renders Prometheus's text format 0.0.4. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #connections = this.#counter(
    "dchat_connections_total",
    "Connections of devices that were secured",
  );
  readonly #open = this.#gauge("dchat_connections_open", "Connections of devices open now");
  readonly #closed = this.#counter(
    "dchat_connections_closed_total",
    "Connections that ended, by reason",
    "reason",
  );
  readonly #failed = this.#counter(
    "dchat_handshakes_failed_total",
    "Connections that ended before they were secured, by reason",
    "reason",
  );
  readonly #received = this.#counter("dchat_messages_received_total", "Entries that devices asked to keep");
  readonly #kept = this.#counter(
    "dchat_messages_kept_total",
    "Entries that were kept and acknowledged after the fsync, each once",
  );
  readonly #sent = this.#counter("dchat_messages_sent_total", "Entries that were sent to devices");
  readonly #commands = this.#counter("dchat_commands_total", "Commands that came, by kind", "op");
  readonly #refusals = this.#counter(
    "dchat_refusals_total",
    "Commands that were refused, by the code of the answer",
    "code",
  );
  readonly #bandwidth = this.#counter(
    "dchat_relay_bandwidth_bytes",
    "Bytes on the wire of devices, by direction",
    "direction",
  );
  readonly #errors = this.#counter(
    "dchat_errors_total",
    "What went wrong inside the relay or on a connection, by place",
    "where",
  );
  readonly #limits = this.#counter(
    "dchat_limits_total",
    "Times that a limit turned somebody away or, for LINK_OUTPUT_MARK_BYTES, held somebody up, by limit",
    "limit",
  );
  readonly #latency = this.#histogram(
    "dchat_latency_seconds",
    "From a command's arrival to its answer",
    LATENCY_BUCKETS_S,
    "op",
  );
  readonly #commit = this.#histogram(
    "dchat_commit_seconds",
    "From a batch's first command to its fsync",
    LATENCY_BUCKETS_S,
  );
  readonly #batch = this.#histogram("dchat_commit_commands", "Commands in a batch", BATCH_BUCKETS);
  readonly #subscriptions = this.#gauge("dchat_subscriptions_open", "Subscriptions open now");
  readonly #mailboxes = this.#gauge("dchat_mailboxes", "Mailboxes held");
  readonly #entries = this.#gauge("dchat_entries", "Entries held with their bodies");
  readonly #bytes = this.#gauge("dchat_entry_bytes", "Bytes of bodies held");
  readonly #expiryHalted = this.#gauge(
    "dchat_expiry_halted",
    "1 while nothing expires because the clock jumped ahead, else 0",
  );
  readonly #ready = this.#gauge("dchat_ready", "1 while the relay is ready, else 0");
  readonly #info = this.#gauge("dchat_build_info", "Always 1; the labels say what runs", "version", "bun");
  readonly #resident = this.#gauge("process_resident_memory_bytes", "Resident memory");
  readonly #cpu = this.#counter("process_cpu_seconds_total", "CPU time, user and system");
  readonly #edgeResident = this.#gauge(
    "dchat_edge_process_resident_memory_bytes",
    "Resident memory of each edge process beside the relay's own; 0 while none is there",
    "process",
  );
  readonly #edgeCpu = this.#counter(
    "dchat_edge_process_cpu_seconds_total",
    "CPU time of each edge process beside the relay's own, user and system",
    "process",
  );
  readonly #started = this.#gauge("process_start_time_seconds", "When the process started, Unix time");

  readonly #inBytes = this.#bandwidth.labels("in");
  readonly #outBytes = this.#bandwidth.labels("out");
  readonly #byReason = new BoundedLabels((label) => this.#closed.labels(label));
  readonly #byFailure = new BoundedLabels((label) => this.#failed.labels(label));
  readonly #byPlace = new BoundedLabels((label) => this.#errors.labels(label));
  readonly #byLimit = new BoundedLabels((label) => this.#limits.labels(label));
  readonly #byOp = new BoundedLabels((label) => this.#commands.labels(label));
  readonly #byCode = new BoundedLabels((label) => this.#refusals.labels(label));
  readonly #latencyByOp = new BoundedLabels((label) => this.#latency.labels(label));
  #cpuSeconds = 0;
  readonly #edgeSeconds = new Map<number, number>();

  constructor(options: { readonly version: string; readonly startedMs: number }) {
    this.#info.labels(options.version, Bun.version).set(1);
    this.#started.set(options.startedMs / 1000);
    this.#ready.set(0);
    this.#expiryHalted.set(0);
    // Series that rates and alerts stand on are there from the start, at zero.
    this.#inBytes.inc(0);
    this.#outBytes.inc(0);
    this.#latency.zero({ op: "append" });
    for (const where of ["edge", "edge_process", "pipeline", "delivery", "store", "sweep"])
      this.#byPlace.of(where).inc(0);
  }

  connectionOpened(): void {
    this.#connections.inc();
    this.#open.inc();
  }

  connectionClosed(reason: string): void {
    this.#open.dec();
    this.#byReason.of(reason).inc();
  }

  handshakeFailed(reason: string, times = 1): void {
    this.#byFailure.of(reason).inc(times);
  }

  limited(limit: string, times = 1): void {
    this.#byLimit.of(limit).inc(times);
  }

  bytes(received: number, sent: number): void {
    if (received > 0) this.#inBytes.inc(received);
    if (sent > 0) this.#outBytes.inc(sent);
  }

  error(where: string): void {
    this.#byPlace.of(where).inc();
  }

  command(op: Op): void {
    if (op === "append") this.#received.inc();
    this.#byOp.of(op).inc();
  }

  answered(op: Op, ms: number): void {
    this.#latencyByOp.of(op).observe(ms / 1000);
  }

  refused(code: Refusal["code"]): void {
    this.#byCode.of(code).inc();
  }

  sent(reply: Reply["is"]): void {
    if (reply === "entry") this.#sent.inc();
  }

  committed({ commands, kept, ms }: { commands: number; kept: number; ms: number }): void {
    this.#commit.observe(ms / 1000);
    this.#batch.observe(commands);
    if (kept > 0) this.#kept.inc(kept);
  }

  subscriptions(open: number): void {
    this.#subscriptions.set(open);
  }

  /** Null: the store doesn't say, and what it held last isn't what it holds. */
  held(held: Held | null): void {
    this.#mailboxes.set(held?.mailboxes ?? Number.NaN);
    this.#entries.set(held?.entries ?? Number.NaN);
    this.#bytes.set(held?.bytes ?? Number.NaN);
  }

  ready(is: boolean): void {
    this.#ready.set(is ? 1 : 0);
  }

  expiryHalted(is: boolean): void {
    this.#expiryHalted.set(is ? 1 : 0);
  }

  /** Of the edge process in place `place`; null where it has ended. */
  edgeProcess(place: number, usage: ProcessUsage | null): void {
    this.#edgeResident.labels(String(place)).set(usage?.residentBytes ?? 0);
    const before = this.#edgeSeconds.get(place) ?? 0;
    const seconds = usage?.cpuSeconds ?? 0;
    if (seconds > before) this.#edgeCpu.labels(String(place)).inc(seconds - before);
    this.#edgeSeconds.set(place, seconds);
  }

  /** The text that Prometheus reads, and its content type. */
  async expose(): Promise<{ readonly text: string; readonly type: string }> {
    this.#resident.set(process.memoryUsage.rss());
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    if (seconds > this.#cpuSeconds) this.#cpu.inc(seconds - this.#cpuSeconds);
    this.#cpuSeconds = Math.max(this.#cpuSeconds, seconds);
    return { text: await this.#registry.metrics(), type: this.#registry.contentType };
  }

  #counter<const L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge<const L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram<const L extends string>(
    name: string,
    help: string,
    buckets: number[],
    ...labelNames: L[]
  ): Histogram<L> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] });
  }
}
